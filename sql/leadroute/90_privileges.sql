/*
 * Who may do what. PUBLIC may use the schema, the type territory with its operators (conditions and
 * constraints run as whoever inserts), the clock, and the front doors that check ownership; nobody but
 * the extension's owner writes state. A part that grants or revokes for itself has decided: here only
 * functions without a privilege list of their own are taken from PUBLIC.
 */
GRANT USAGE ON SCHEMA leadroute TO PUBLIC;

DO $do$
DECLARE
	routine	record;
BEGIN
	FOR routine IN
		SELECT p.oid::pg_catalog.regprocedure AS signature,
			'leadroute.territory'::pg_catalog.regtype = ANY (p.proargtypes::pg_catalog.oid[] || p.prorettype)
				OR p.proname ~ '^territory_' OR p.proname ~ '^g(ist)?_?territory' AS of_the_type
		FROM pg_catalog.pg_proc p
		WHERE p.pronamespace = 'leadroute'::pg_catalog.regnamespace AND p.proacl IS NULL AND p.prokind IN ('f', 'p')
	LOOP
		IF NOT routine.of_the_type OR routine.signature::text LIKE '%territory_written%' THEN
			EXECUTE pg_catalog.format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', routine.signature);
		END IF;
	END LOOP;
END
$do$;

/* PUBLIC: who owns a table may attach it; the checks are inside. */
GRANT EXECUTE ON FUNCTION leadroute.attach(regclass, text, jsonb, name), leadroute.detach(regclass),
	leadroute.create_leads_table(text), leadroute.catch_up_start(regclass, text, interval), leadroute.catch_up_batch(regclass, integer),
	leadroute.attach_accounts(regclass, jsonb, text), leadroute.detach_accounts(regclass),
	leadroute.attached_tables(), leadroute.may_commit(), leadroute.clock(), leadroute.library_ready(), leadroute.update_matters() TO PUBLIC;
/* and anybody may try a condition: it runs as the caller and shows nothing that he could not ask for himself */
GRANT EXECUTE ON FUNCTION leadroute.check_condition(text, regclass, text), leadroute.condition_columns(text, regclass),
	leadroute.condition_holds(text, record, leadroute.facts, text) TO PUBLIC;
/* business time: conditions run as who inserts */
GRANT EXECUTE ON FUNCTION leadroute.business_add(text, timestamptz, interval, text), leadroute.business_between(text, timestamptz, timestamptz, text),
	leadroute.business_close(text, timestamptz, integer, text), leadroute.business_is_open(text, timestamptz, text),
	leadroute.business_next_open(text, timestamptz, text), leadroute.business_hours(text, timestamptz, timestamptz, text),
	leadroute.calendar_week(text, date, text) TO PUBLIC;
/* working with leads: rights on the lead's row are asked for inside */
DO $do$
DECLARE
	routine	pg_catalog.regprocedure;
BEGIN
	FOR routine IN
		SELECT p.oid FROM pg_catalog.pg_proc p
		WHERE p.pronamespace = 'leadroute'::pg_catalog.regnamespace AND p.proname IN ('close', 'reopen', 'reassign', 'claim', 'release', 'reroute', 'set_stage', 'accept', 'reject', 'feedback', 'approve', 'disqualify')
	LOOP
		EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', routine);
	END LOOP;
END
$do$;
GRANT EXECUTE ON PROCEDURE leadroute.catch_up(regclass, text, interval, integer), leadroute.commit_batch(boolean) TO PUBLIC;

/* the reader: every table and view, the checks */
GRANT SELECT ON ALL TABLES IN SCHEMA leadroute TO leadroute_reader;
GRANT EXECUTE ON FUNCTION leadroute.export_flow(text), leadroute.check_flow(text), leadroute.missing_sides(), leadroute.trigger_faults(), leadroute.calendar_problem(text, text), leadroute.flow_attachment(text), leadroute.attachment_table(leadroute.attachments), leadroute.table_named(text, text),
	leadroute.flow_table(text), leadroute.mapped_column(jsonb, text), leadroute.canonical_columns(),
	leadroute.canonical_versions(), leadroute.flow_versions(text), leadroute.stale_keys(), leadroute.shared_maps() TO leadroute_reader;

/* reports: who was granted a view of sums may read it without being a reader */
GRANT EXECUTE ON FUNCTION leadroute.percent(numeric, numeric), leadroute.sorted_percentile(integer[], numeric), leadroute.mean_of(integer[]),
	leadroute.speed_bucket(integer), leadroute.report_clock() TO PUBLIC;
GRANT EXECUTE ON FUNCTION leadroute.flow_today(text), leadroute.report(date, date, text, text), leadroute.report_metrics(date, date, text),
	leadroute.compare_periods(date, date, date, date, text), leadroute.shift_hours(text), leadroute.shown(text, text, text, text, boolean, text),
	leadroute.report_item(text, date, text, text, text, text, integer, text, integer, text), leadroute.rejection_end(text, text, bigint) TO leadroute_reader;
GRANT EXECUTE ON FUNCTION leadroute.explain(text, text), leadroute.explain(bigint, text), leadroute.explain(uuid, text),
	leadroute.explain(record, text), leadroute.lead_profile(record, text) TO leadroute_reader;

GRANT EXECUTE ON FUNCTION leadroute.find_account(text, text, text, text, text), leadroute.account_columns(regclass, jsonb), leadroute.usual_column(regclass, text[]) TO leadroute_reader;
/* the functions that views call */
GRANT EXECUTE ON FUNCTION leadroute.rotation_ready(), leadroute.rotation_member(text, text, text), leadroute.rotation_team(text, text, text[]),
	leadroute.rotation_reconciled(), leadroute.cap_drift(), leadroute.rotation_drift() TO leadroute_reader;
GRANT EXECUTE ON FUNCTION leadroute.sla_state(text, timestamptz, timestamptz, timestamptz, timestamptz), leadroute.sla_colour(text), leadroute.is_business_span(interval), leadroute.is_sla_target(text), leadroute.is_sla_instant(text), leadroute.is_caps(text[]), leadroute.is_message_types(text[]), leadroute.is_period(interval) TO PUBLIC;
GRANT EXECUTE ON FUNCTION leadroute.fairness(text, timestamptz, timestamptz, text), leadroute.explain_at(text, text, timestamptz), leadroute.ordinal(integer),
	leadroute.why_not(text, text, text), leadroute.why_not(bigint, text, text), leadroute.why_not(uuid, text, text) TO leadroute_reader;

/* the operator: works with leads, sweeps */
GRANT EXECUTE ON FUNCTION leadroute.unmerge(text, text), leadroute.unmerge(bigint, text), leadroute.unmerge(uuid, text) TO leadroute_operator;
GRANT EXECUTE ON FUNCTION leadroute.lead_keys(record, text) TO leadroute_reader;
GRANT EXECUTE ON PROCEDURE leadroute.sweep(text, text[]) TO leadroute_operator;
GRANT EXECUTE ON FUNCTION leadroute.flows_to_sweep(text), leadroute.sweep_plan(text, text[]), leadroute.sweep_batch(leadroute.sweep_run, boolean),
	leadroute.note_run(leadroute.sweep_run), leadroute.pause_sweep() TO leadroute_operator;
GRANT EXECUTE ON FUNCTION leadroute.cron_jobs() TO leadroute_reader, pg_monitor;
GRANT SELECT ON leadroute.jobs TO pg_monitor;
/* signals: who may write them may call signal() */
GRANT INSERT ON leadroute.signals TO leadroute_operator;
GRANT EXECUTE ON FUNCTION leadroute.signal(text, text, timestamptz, text, jsonb, text), leadroute.signal(bigint, text, timestamptz, text, jsonb, text),
	leadroute.signal(uuid, text, timestamptz, text, jsonb, text), leadroute.journal_id() TO PUBLIC;
GRANT EXECUTE ON FUNCTION leadroute.score(text, timestamptz, text), leadroute.score(bigint, timestamptz, text), leadroute.score(uuid, timestamptz, text),
	leadroute.score_explain(text, timestamptz, text), leadroute.score_explain(bigint, timestamptz, text), leadroute.score_explain(uuid, timestamptz, text),
	leadroute.check_scoring(text) TO leadroute_reader;
GRANT EXECUTE ON FUNCTION leadroute.rescore(text, text), leadroute.rescore_if_free(text, text, boolean) TO leadroute_operator;
GRANT EXECUTE ON PROCEDURE leadroute.drain(text, integer) TO leadroute_operator;
GRANT EXECUTE ON FUNCTION leadroute.mask(text, text), leadroute.lead_link(text, text, text) TO PUBLIC;
GRANT EXECUTE ON FUNCTION leadroute.is_masked(text, text), leadroute.lead_message(text, text, text, jsonb), leadroute.outbox_payload(leadroute.outbox),
	leadroute.message_type(text, text, text, text, text, text), leadroute.delivery_time(leadroute.outbox_recipients, text, timestamptz) TO leadroute_reader;
GRANT EXECUTE ON FUNCTION leadroute.sla_templates() TO leadroute_reader;
GRANT EXECUTE ON FUNCTION leadroute.load_sla_template(text, text, text) TO leadroute_admin;
GRANT EXECUTE ON FUNCTION leadroute.outbox_claim(text, integer, interval, text), leadroute.outbox_ack(text, bigint[], text),
	leadroute.outbox_nack(text, bigint[], interval, text, text), leadroute.outbox_revive(text, bigint[], text) TO leadroute_operator;
GRANT EXECUTE ON FUNCTION leadroute.drain_flow(text, integer) TO leadroute_operator;
GRANT EXECUTE ON PROCEDURE leadroute.rekey(text, integer) TO leadroute_operator;
GRANT EXECUTE ON FUNCTION leadroute.rekey_batch(text, integer), leadroute.rekey_result(text) TO leadroute_operator;
GRANT EXECUTE ON FUNCTION leadroute.suggest_accounts_batch(text, integer, real, boolean),
	leadroute.accept_account(text, text, boolean, text), leadroute.accept_account(bigint, text, boolean, text), leadroute.accept_account(uuid, text, boolean, text),
	leadroute.dismiss_account(text, text, text), leadroute.dismiss_account(bigint, text, text), leadroute.dismiss_account(uuid, text, text) TO leadroute_operator;
GRANT EXECUTE ON PROCEDURE leadroute.suggest_accounts(text, integer, real, boolean) TO leadroute_operator;
GRANT EXECUTE ON FUNCTION leadroute.rotation_reconcile(), leadroute.fold_rotation(text) TO leadroute_operator;

/* the admin: configuration_table() gives him each of its tables */
GRANT UPDATE (note) ON leadroute.attachments, leadroute.account_attachments TO leadroute_admin;
GRANT EXECUTE ON FUNCTION leadroute.schedule(text, text[], text), leadroute.unschedule(text[], text), leadroute.job_name(text, text[]),
	leadroute.ask_cron(text, text, text), leadroute.expect_cron(text, text), leadroute.cron_place(), leadroute.forget_schedule(text),
	leadroute.note_schedule(text, text, text[], text, text, name, boolean) TO leadroute_admin;
GRANT EXECUTE ON FUNCTION leadroute.load_stages(text), leadroute.import_flow(jsonb, text, boolean), leadroute.load_sources(text), leadroute.activate(text), leadroute.deactivate(text), leadroute.forget_table(text), leadroute.enable_triggers() TO leadroute_admin;
/* the triggers of configuration tables that run as who writes call these */
GRANT EXECUTE ON FUNCTION leadroute.restoring(), leadroute.zone_is_known(text), leadroute.check_zone(text) TO leadroute_admin;
GRANT SET ON PARAMETER leadroute.enabled TO leadroute_admin;

/* monitoring */
GRANT SELECT ON leadroute.health TO pg_monitor;
GRANT EXECUTE ON FUNCTION leadroute.check_flow(text), leadroute.missing_sides(), leadroute.trigger_faults(), leadroute.stale_keys(), leadroute.attachment_table(leadroute.attachments), leadroute.table_named(text, text), leadroute.rotation_reconciled() TO pg_monitor;

/*
 * A dump keeps every row; codes and own_triggers are the extension's own, pending_checks is empty between transactions,
 * territory_sides is written by the trigger on territories (and in a parallel restore would race with it), account_flows
 * by that on accounts; committee_checks and pending_rescores speak of this cluster's transactions, signal_walks of where its sweeps are;
 * sweep_parts is our own list, sweep_runs speaks of this installation's last runs.
 * What find_duplicates() made of the leads table (match_...) it makes again, and the sweep what reports add up (daily_..., report_...).
 */
DO $do$
DECLARE
	relation	pg_catalog.regclass;
BEGIN
	FOR relation IN
		SELECT c.oid
		FROM pg_catalog.pg_class c
		WHERE c.relnamespace = 'leadroute'::pg_catalog.regnamespace AND c.relkind IN ('r', 'S')
			AND c.relname NOT IN ('codes', 'own_triggers', 'sweep_parts', 'sweep_runs', 'health_states', 'pending_checks', 'pending_drains', 'territory_sides', 'mail_domains', 'title_patterns', 'scoring_templates', 'scoring_template_groups', 'scoring_template_criteria', 'scoring_questions', 'account_flows', 'committee_checks', 'pending_rescores', 'signal_walks', 'match_values', 'match_keys', 'match_frequencies', 'match_blocks', 'match_runs',
				'report_runs', 'report_days', 'report_changes', 'report_facts', 'daily_leads', 'daily_clocks', 'daily_breaches', 'daily_hours', 'daily_steps', 'daily_stays', 'daily_inputs')
		ORDER BY c.relname
	LOOP
		PERFORM pg_catalog.pg_extension_config_dump(relation, '');
	END LOOP;
END
$do$;

/* of mail_domains a dump keeps what others brought: CREATE EXTENSION brings the shipped rows itself */
SELECT pg_catalog.pg_extension_config_dump('leadroute.mail_domains', $$WHERE source <> 'leadroute'$$);
SELECT pg_catalog.pg_extension_config_dump('leadroute.title_patterns', $$WHERE source <> 'leadroute'$$);
