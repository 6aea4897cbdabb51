/*
 * leadroute.health: one row a check. A view runs with its owner's rights on tables, but calls functions
 * with the reader's: those used here are granted in 90_privileges.sql.
 */
CREATE VIEW leadroute.health AS
	WITH attached AS (
		SELECT a.*, leadroute.attachment_table(a) AS leads, f.active, f.gone_after
		FROM leadroute.attachments a LEFT JOIN leadroute.flows f ON f.flow = a.flow
	), standing AS (
		SELECT a.flow, a.leads, w.name, t.tgenabled
		FROM attached a
			CROSS JOIN unnest(ARRAY['zzz_leadroute', '0_leadroute', '0_leadroute_update', '0_leadroute_statement', '0_leadroute_truncate']) w(name)
			LEFT JOIN pg_catalog.pg_trigger t ON t.tgrelid = a.leads AND t.tgname = w.name
		WHERE a.leads IS NOT NULL AND a.status = 'attached'
		UNION ALL
		SELECT a.flow, p.relid, t.tgname, t.tgenabled
		FROM attached a
			CROSS JOIN LATERAL pg_catalog.pg_partition_tree(a.leads) p
			JOIN pg_catalog.pg_trigger t ON t.tgrelid = p.relid AND t.tgname IN ('zzz_leadroute', '0_leadroute', '0_leadroute_update')
		WHERE a.leads IS NOT NULL AND a.status = 'attached' AND p.level > 0
	), recent AS (
		SELECT count(*) FILTER (WHERE e.code = 'routing_error') AS errors, count(*) FILTER (WHERE e.code = 'fallback') AS fallbacks, count(*) AS decisions,
			min(e.at) FILTER (WHERE e.code = 'routing_error') AS first_error, min(e.at) FILTER (WHERE e.code = 'fallback') AS first_fallback
		FROM leadroute.events e
		WHERE e.at > leadroute.report_clock() - interval '1 hour' AND e.code IN ('routing_error', 'fallback', 'assigned', 'queued', 'no_member', 'not_accepting', 'on_leave', 'all_tried', 'no_skill', 'off_shift', 'no_capacity', 'capped', 'no_territory', 'rep_unavailable', 'discarded', 'given', 'no_flow', 'account_owner', 'no_account', 'owner_inactive')
	), account_owners AS (
		WITH RECURSIVE skip(flow, owner) AS (
			(SELECT a.flow, a.owner FROM leadroute.accounts a WHERE a.owner IS NOT NULL ORDER BY a.flow, a.owner LIMIT 1)
			UNION ALL
			SELECT n.flow, n.owner
			FROM skip s CROSS JOIN LATERAL (
				SELECT a.flow, a.owner FROM leadroute.accounts a
				WHERE a.owner IS NOT NULL AND (a.flow, a.owner) > (s.flow, s.owner) ORDER BY a.flow, a.owner LIMIT 1) n
		)
		SELECT s.flow, s.owner FROM skip s
	), checks(position, check_name, bad, warn, since, detail, run) AS (
		SELECT 1, 'library', NOT leadroute.library_ready(), false, NULL::timestamptz,
			'leadroute is not in shared_preload_libraries of the running server: leads are stored unrouted',
			'shared_preload_libraries = ''leadroute'' in postgresql.conf, restart, then CALL leadroute.catch_up()'
		UNION ALL
		SELECT 2, 'flow active', false, count(*) > 0, min(a.attached_at), 'attached, but off: ' || string_agg(format('flow "%s"', a.flow), ', ' ORDER BY a.flow),
			string_agg(format('SELECT leadroute.activate(%L)', a.flow), '; ' ORDER BY a.flow)
		FROM attached a WHERE a.active IS NOT TRUE
		UNION ALL
		SELECT 3, 'flow complete', bool_or(c.severity = 'error'), count(*) > 0, NULL,
			string_agg(format('%s: %s', CASE WHEN c.object = format('flow "%s"', f.flow) THEN c.object ELSE format('flow "%s", %s', f.flow, c.object) END, c.problem), '; ' ORDER BY f.flow, c.object, c.problem),
			string_agg(DISTINCT format('SELECT * FROM leadroute.check_flow(%L)', f.flow), '; ')
		FROM leadroute.flows f CROSS JOIN LATERAL leadroute.check_flow(f.flow) c
		WHERE f.active
		UNION ALL
		SELECT 4, 'attachment', bool_or(a.status = 'broken'), count(*) > 0, min(coalesce(a.refreshed_at, a.attached_at)),
			string_agg(CASE WHEN a.renamed IS NOT NULL THEN format('table %I.%I of flow "%s" is called %s now: its leads are routed still, and another table may take the name', a.table_schema, a.table_name, a.flow, a.renamed)
							WHEN a.leads IS NULL THEN format('table %I.%I of flow "%s" does not exist', a.table_schema, a.table_name, a.flow)
							ELSE format('table %I.%I does not fit flow "%s": %s', a.table_schema, a.table_name, a.flow, a.problem) END, '; ' ORDER BY a.flow),
			string_agg(CASE WHEN a.renamed IS NOT NULL THEN format('SELECT leadroute.attach(%L, flow => %L, columns => %L, flow_column => %L)', a.renamed, a.flow, a.columns, a.flow_column)
							WHEN a.leads IS NULL THEN format('whatever takes the name gets the triggers; where nothing will, SELECT leadroute.forget_table(%L)', a.flow)
							ELSE format('SELECT leadroute.attach(%L, flow => %L, columns => …)', format('%I.%I', a.table_schema, a.table_name), a.flow) END, '; ' ORDER BY a.flow)
		FROM (SELECT a.*, r.oid::regclass AS renamed FROM attached a LEFT JOIN pg_catalog.pg_class r ON a.leads IS NULL AND r.oid = a.relation) a
		WHERE a.status = 'broken' OR a.leads IS NULL
		UNION ALL
		SELECT 5, 'triggers', count(*) > 0, false, NULL,
			string_agg(format('trigger "%s" of table %s %s', s.name, s.leads,
							  CASE WHEN s.tgenabled IS NULL THEN 'is missing' WHEN s.tgenabled = 'D' THEN 'is disabled' ELSE 'is not ENABLE ALWAYS' END), '; ' ORDER BY s.flow, s.leads::text, s.name),
			string_agg(DISTINCT format('SELECT leadroute.attach(%L, flow => %L, columns => %L, flow_column => %L)', a.leads, a.flow, a.columns, a.flow_column), '; ')
		FROM standing s JOIN attached a ON a.flow = s.flow
		WHERE s.tgenabled IS DISTINCT FROM 'A'
		UNION ALL
		SELECT 5, 'trigger order', false, count(*) > 0, NULL,
			string_agg(format('trigger "%s" of table %s fires after leadroute''s and may change what was decided on', t.tgname, a.leads), '; ' ORDER BY a.flow, t.tgname),
			string_agg(format('ALTER TRIGGER %I ON %s RENAME TO …, a name that sorts before "zzz_leadroute"', t.tgname, a.leads), '; ' ORDER BY a.flow, t.tgname)
		FROM attached a JOIN pg_catalog.pg_trigger t ON t.tgrelid = a.leads
		WHERE NOT t.tgisinternal AND t.tgtype & 3 = 3 AND t.tgtype & 20 <> 0 AND t.tgenabled <> 'D' AND t.tgname::text COLLATE "C" > 'zzz_leadroute'
		UNION ALL
		SELECT 6, 'event trigger', count(*) > 0, false, NULL, string_agg(format('event trigger "%s", which %s, is not ENABLE ALWAYS', w.name, w.task), '; ' ORDER BY w.name DESC),
			string_agg(format('ALTER EVENT TRIGGER %s ENABLE ALWAYS', w.name), '; ' ORDER BY w.name DESC)
		FROM (VALUES ('leadroute_table_replaced', 'keeps our triggers on a replaced table'),
					 ('leadroute_partition_dropped', 'notices that a partition was dropped')) w(name, task)
		WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_event_trigger e WHERE e.evtname = w.name AND e.evtenabled = 'A')
		UNION ALL
		SELECT 7, 'catch-up', false, count(*) > 0, min(CASE WHEN a.caught_up_at IS NULL THEN a.attached_at ELSE a.replaced_at END),
			string_agg(format('rows of table %s from before %s are not recorded', a.leads,
							  CASE WHEN a.caught_up_at IS NULL THEN 'the attach' ELSE 'the table was replaced, got a partition or got its triggers back' END), '; ' ORDER BY a.flow),
			string_agg(format('CALL leadroute.catch_up(%L)', a.leads), '; ' ORDER BY a.flow)
		FROM attached a
		WHERE a.leads IS NOT NULL AND a.status = 'attached' AND (a.caught_up_at IS NULL OR a.caught_up_at < a.replaced_at)
		UNION ALL
		SELECT 8, 'unrouted leads', false, count(*) > 0, min(s.submitted_at), format('%s lead%s to be routed', count(*), CASE count(*) WHEN 1 THEN ' waits' ELSE 's wait' END), 'CALL leadroute.catch_up()'
		FROM leadroute.lead_states s
		WHERE s.status = 'unrouted' AND s.closed_at IS NULL AND s.code IN ('pending', 'flow_off', 'disabled', 'routing_error', 'no_library')
		UNION ALL
		SELECT 9, 'routing errors', r.errors > 0, false, r.first_error, format('%s lead%s of the last hour could not be decided', r.errors, CASE r.errors WHEN 1 THEN '' ELSE 's' END),
			'SELECT * FROM leadroute.events WHERE code = ''routing_error'' ORDER BY at DESC; then CALL leadroute.catch_up()'
		FROM recent r
		UNION ALL
		SELECT 10, 'fallback share', r.fallbacks > 0.1 * r.decisions, r.fallbacks > 0, r.first_fallback,
			format('%s of %s leads of the last hour went to the last rule because a decision failed', r.fallbacks, r.decisions),
			'SELECT * FROM leadroute.events WHERE code = ''fallback'' ORDER BY at DESC'
		FROM recent r
		UNION ALL
		SELECT 11, 'rotation ledger', false, count(*) > 100000, NULL, format('%s rows to fold', count(*)), 'CALL leadroute.sweep()'
		FROM (SELECT FROM leadroute.rotation LIMIT 100001) r
		UNION ALL
		SELECT 12, 'gone leads', false, count(*) > 0, min(a.refreshed_at),
			string_agg(format('table %s was refreshed, or lost a partition; leads not found again are still open', a.leads), '; ' ORDER BY a.flow), 'CALL leadroute.sweep()'
		FROM attached a
		WHERE a.leads IS NOT NULL AND a.status = 'attached' AND a.refreshed_at IS NOT NULL
			AND (a.gone_at IS NULL OR a.gone_at < a.refreshed_at) AND leadroute.report_clock() > a.refreshed_at + a.gone_after + interval '1 hour'
		UNION ALL
		SELECT 13, 'territory sides', count(*) > 0, false, NULL,
			string_agg(format('map "%s" of flow "%s": side "%s" is not looked at', m.map, m.flow, m.side), '; ' ORDER BY m.flow, m.map, m.side),
			string_agg(DISTINCT format('SELECT leadroute.activate(%L)', m.flow), '; ')
		FROM leadroute.missing_sides() m
		UNION ALL
		SELECT 14, 'turns', r.drifted > 0, false, NULL,
			format('shared memory had %s turns, places or counts for caps wrong since the server started; a sweep has corrected them', r.drifted),
			'see the server''s log, and report it'
		FROM leadroute.rotation_reconciled() r
		UNION ALL
		SELECT 30, 'accounts table', bool_or(a.status = 'broken' OR a.leads IS NULL OR a.standing < 4), count(*) > 0, min(coalesce(a.behind_since, a.attached_at)),
			string_agg(CASE WHEN a.leads IS NULL THEN format('table %I.%I of the accounts of flow "%s" does not exist', a.table_schema, a.table_name, a.flow)
							WHEN a.status = 'broken' THEN format('accounts of flow "%s" do not follow table %I.%I: %s', a.flow, a.table_schema, a.table_name, a.problem)
							WHEN a.standing < 4 THEN format('triggers of table %s are missing or not ENABLE ALWAYS', a.leads)
							ELSE format('accounts of flow "%s" may differ from table %s%s', a.flow, a.leads, coalesce(': ' || a.problem, '')) END, '; ' ORDER BY a.flow),
			string_agg(CASE WHEN a.leads IS NULL OR a.status = 'broken' OR a.standing < 4
							THEN format('SELECT leadroute.attach_accounts(%L, columns => %L, flow => %L)', format('%I.%I', a.table_schema, a.table_name), a.columns, a.flow)
							ELSE 'CALL leadroute.sweep()' END, '; ' ORDER BY a.flow)
		FROM (SELECT a.*, leadroute.table_named(a.table_schema, a.table_name) AS leads,
					(SELECT count(*) FROM pg_catalog.pg_trigger t
					 WHERE t.tgrelid = a.relation AND t.tgname LIKE 'leadroute\_accounts\_%' AND t.tgenabled = 'A') AS standing
			  FROM leadroute.account_attachments a) a
		WHERE a.status = 'broken' OR a.leads IS NULL OR a.standing < 4 OR a.behind_since IS NOT NULL
		UNION ALL
		/* the distinct owners by skips through their index, not by reading a million accounts */
		SELECT 31, 'account owners', false, count(*) > 0, NULL,
			string_agg(format('%s of flow "%s" owns accounts and is no active rep', o.owner, o.flow), '; ' ORDER BY o.flow, o.owner),
			'give their accounts to others, or make them reps: their leads fall through'
		FROM (SELECT * FROM account_owners o
			  WHERE NOT EXISTS (SELECT FROM leadroute.reps p WHERE p.flow = o.flow AND p.rep = o.owner AND p.active) LIMIT 20) o
		UNION ALL
		SELECT 14, 'own triggers', count(*) > 0, false, NULL,
			string_agg(format('trigger "%s" of table leadroute.%s is %s', f.trigger, f.relation,
							  CASE WHEN f.standing IS NULL THEN 'missing' WHEN f.standing = 'D' THEN 'disabled' WHEN f.wanted = 'A' THEN 'not ENABLE ALWAYS' ELSE 'not ENABLE' END), '; ' ORDER BY f.relation, f.trigger),
			'SELECT leadroute.enable_triggers()'
		FROM leadroute.trigger_faults() f
		UNION ALL
		SELECT 15, 'keys', false, count(*) > 0, min(k.since),
			string_agg(format('flow "%s": keys were made with %s %s, it is %s now', k.flow, k.library, coalesce(k.was, 'unknown'), k.is_now), '; ' ORDER BY k.flow, k.library),
			string_agg(DISTINCT format('CALL leadroute.rekey(%L)', k.flow), '; ')
		FROM leadroute.stale_keys() k
		UNION ALL
		/* the heartbeat: ten minutes without one where there ever was one, an hour where there was none yet */
		SELECT 40, 'sweep', false, count(*) > 0, min(s.since),
			string_agg(CASE WHEN s.ever THEN format('flow "%s" was last swept at %s', s.flow, s.since) ELSE format('flow "%s" was never swept', s.flow) END, '; ' ORDER BY s.flow),
			'CALL leadroute.sweep(); SELECT * FROM leadroute.jobs; pg_cron: SELECT leadroute.schedule()'
		FROM (SELECT a.flow, r.last_run IS NOT NULL AS ever, coalesce(r.last_run, a.attached_at) AS since
			  FROM attached a LEFT JOIN (SELECT r.flow, max(r.last_run) AS last_run FROM leadroute.sweep_runs r GROUP BY r.flow) r ON r.flow = a.flow
			  WHERE a.active) s
		WHERE leadroute.report_clock() > s.since + CASE WHEN s.ever THEN interval '10 minutes' ELSE interval '1 hour' END
		UNION ALL
		SELECT 41, 'sweep parts', count(*) > 0, false, min(coalesce(r.last_success, r.error_at)),
			string_agg(format('part "%s"%s failed %s: %s', r.part, CASE WHEN r.flow <> '' THEN format(' of flow "%s"', r.flow) ELSE '' END,
							  CASE r.failing WHEN 1 THEN 'in its last run' ELSE format('in its last %s runs', r.failing) END, r.error), '; ' ORDER BY r.flow, r.part),
			'see the server''s log; then CALL leadroute.sweep()'
		FROM leadroute.sweep_runs r WHERE r.failing > 0
		UNION ALL
		SELECT 42, 'schedule', bool_or(j.cron_status = 'failed'), count(*) > 0, NULL,
			string_agg(DISTINCT format('job "%s": %s', j.job, CASE j.cron_status WHEN 'failed' THEN coalesce(j.cron_message, 'failed') ELSE j.cron_status END), '; '),
			'SELECT leadroute.schedule(…) again, with the same parts and flow; SELECT * FROM leadroute.jobs'
		FROM leadroute.jobs j WHERE j.cron_status IN ('failed', 'inactive', 'not in pg_cron')
		UNION ALL
		SELECT 43, 'outbox', false, count(*) > 0, min(o.since), string_agg(o.detail, '; ' ORDER BY o.flow, o.consumer, o.detail),
			'is the consumer running? dead letters: SELECT * FROM leadroute.outbox_deliveries WHERE dead_at IS NOT NULL; SELECT leadroute.outbox_revive(consumer)'
		FROM (SELECT k.flow, k.consumer, k.expired_at AS since,
					format('%s messages went unclaimed by consumer "%s" of flow "%s", the last at %s', k.expired, k.consumer, k.flow, k.expired_at) AS detail
			  FROM leadroute.outbox_cursors k WHERE k.expired_at > leadroute.report_clock() - interval '7 days'
			  UNION ALL
			  SELECT d.flow, d.consumer, min(d.dead_at), format('%s dead letters of consumer "%s" of flow "%s"', count(*), d.consumer, d.flow)
			  FROM leadroute.outbox_deliveries d WHERE d.dead_at IS NOT NULL AND d.done_at IS NULL GROUP BY d.flow, d.consumer
			  UNION ALL
			  SELECT c.flow, c.consumer, o.created_at, format('consumer "%s" of flow "%s" has left a message of %s unclaimed', c.consumer, c.flow, o.created_at)
			  FROM leadroute.outbox_consumers c JOIN leadroute.outbox_cursors k ON k.flow = c.flow AND k.consumer = c.consumer
				CROSS JOIN LATERAL (
					SELECT o.created_at FROM leadroute.outbox o
						LEFT JOIN leadroute.outbox_deliveries d ON d.flow = c.flow AND d.consumer = c.consumer AND d.id = o.id
					WHERE o.flow = c.flow AND o.type = ANY (c.types) AND o.id >= k.since AND d.done_at IS NULL AND d.dead_at IS NULL
						AND coalesce(d.attempts, 0) = 0 AND coalesce(d.digest_at, o.created_at) < leadroute.report_clock() - c.keep / 2
					ORDER BY o.id LIMIT 1) o
			  WHERE c.claims) o
	)
	SELECT c.check_name,
		CASE WHEN c.bad THEN 'bad' WHEN c.warn THEN 'warn' ELSE 'ok' END AS status,
		CASE WHEN c.bad OR c.warn THEN c.since END AS since,
		CASE WHEN c.bad OR c.warn THEN c.detail END AS detail,
		CASE WHEN c.bad OR c.warn THEN c.run END AS run
	FROM checks c
	ORDER BY c.position;
COMMENT ON VIEW leadroute.health IS 'Whether leadroute is well: one row a check, with what to run where it is not.';
COMMENT ON COLUMN leadroute.health.check_name IS 'What is looked at.';
COMMENT ON COLUMN leadroute.health.status IS '''ok'', ''warn'' or ''bad''.';
COMMENT ON COLUMN leadroute.health.since IS 'Since when, where that is known.';
COMMENT ON COLUMN leadroute.health.detail IS 'What is wrong.';
COMMENT ON COLUMN leadroute.health.run IS 'What to run about it.';
