/*
 * What a CHECK of a configuration table asks for, told to who meets it: core's error says no more than the constraint's name.
 * A trigger whose WHEN is the constraints themselves, so a row that keeps them pays nothing; the constraints stand as well, and
 * alone guard rows that come past triggers. What an expression does not say for itself is the constraint's comment.
 */

/* The simple shapes that most constraints have; NULL for any other. */
CREATE FUNCTION leadroute.check_hint(expression text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT CASE
			WHEN expression ~ '^\("?\w+"? = ANY \(ARRAY\[[^]]*\]\)\)$'
				THEN format('It is one of %s.', regexp_replace(substring(expression FROM 'ARRAY\[([^]]*)\]'), '''([^'']*)''::text', '\1', 'g'))
			WHEN expression ~ '^\("?\w+"? <> ''''::text\)$' THEN 'It cannot be empty.'
			WHEN bounds[2] IS NOT NULL THEN format('It is %s%s%s.', CASE bounds[1] WHEN '>' THEN 'above ' ELSE 'at least ' END, b.least, coalesce(' and at most ' || b.most, ''))
		END
	FROM (SELECT bounds, regexp_replace(bounds[2], '^00:00:00$', '0') AS least, bounds[3] AS most
		  FROM (SELECT regexp_match(regexp_replace(expression, '[()'']|::[a-z ]+(?=[)]|$)', '', 'g'), '^\w+ (>=|>) (\S+(?: \D+?)?)(?: AND \w+ <= (.+))?$')) m(bounds)) b
$$;
COMMENT ON FUNCTION leadroute.check_hint(text) IS 'Internal: what a CHECK constraint''s expression asks for, in words; NULL where it is not one of the simple shapes.';

CREATE FUNCTION leadroute.check_violated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	violated	record;
	holds		boolean;
BEGIN
	FOR violated IN
		SELECT k.conname, x.expression, coalesce(obj_description(k.oid, 'pg_constraint'), leadroute.check_hint(x.expression)) AS hint,
			(SELECT string_agg(format('%s %s', a.attname, coalesce('"' || (to_jsonb(NEW)->>a.attname) || '"', 'null')), ', ' ORDER BY a.attnum)
			 FROM pg_attribute a WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)) AS written
		FROM pg_constraint k CROSS JOIN LATERAL pg_get_expr(k.conbin, k.conrelid) x(expression)
		WHERE k.conrelid = TG_RELID AND k.contype = 'c'
		ORDER BY k.conname
	LOOP
		EXECUTE format('SELECT %s FROM (SELECT ($1).*) r', violated.expression) INTO holds USING NEW;
		IF NOT holds THEN
			RAISE EXCEPTION USING ERRCODE = 'check_violation',
				MESSAGE = format('new row for relation "%s" violates check constraint "%s"', TG_TABLE_NAME, violated.conname),
				DETAIL = format('It has %s.', violated.written), HINT = coalesce(violated.hint, ''),
				SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = violated.conname;
		END IF;
	END LOOP;
	RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION leadroute.check_violated() FROM PUBLIC;
COMMENT ON FUNCTION leadroute.check_violated() IS 'Trigger on configuration tables, of rows that violate a CHECK: the error has what the row says and what it may say.';

COMMENT ON CONSTRAINT flows_link_template_check ON leadroute.flows IS 'Leave it NULL where messages carry no link.';
COMMENT ON CONSTRAINT rules_target_name_of_territory_team_rep_and_queue_alone ON leadroute.rules IS
	'The targets territory, team, rep and queue have a target_name: of a map, a team, a rep, a queue. The others, discard, account_owner, hold and nurture, have none: NULL.';
COMMENT ON CONSTRAINT rules_hold_check ON leadroute.rules IS
	'A rule with target hold says for how long at most, hold_for = ''10 min'', and may say until when, hold_until; no other rule does.';
COMMENT ON CONSTRAINT rep_skills_skill_check ON leadroute.rep_skills IS 'A skill has a name; its level is a column of its own. ">=" stands in what a rule asks for: ''lang:fr>=2''.';
COMMENT ON CONSTRAINT time_off_during_check ON leadroute.time_off IS 'A range is [from, until): ''[2026-12-24,2027-01-02)''.';
COMMENT ON CONSTRAINT teams_team_check ON leadroute.teams IS 'A team has a name, of one line.';
COMMENT ON CONSTRAINT teams_most_free_check ON leadroute.teams IS 'most_free says what strategy least_loaded goes by, and goes with no other.';
COMMENT ON CONSTRAINT teams_on_return_limit_check ON leadroute.teams IS 'catch_up_limit goes with on_return = ''catch_up''.';
COMMENT ON CONSTRAINT teams_reset_scope_check ON leadroute.teams IS 'Turns that a flow shares (scope = ''flow'') are not reset: say reset = ''never'', or scope = ''team''.';
COMMENT ON CONSTRAINT teams_calendar_check ON leadroute.teams IS 'A team''s calendar counts where hours = ''team''; with ''rep'' each rep''s own does.';
COMMENT ON CONSTRAINT team_members_left_at_check ON leadroute.team_members IS 'Who leaves has joined before: left_at is later than joined_at.';
COMMENT ON CONSTRAINT territories_target_check ON leadroute.territories IS 'A territory belongs to a team, a rep, or both.';
COMMENT ON CONSTRAINT territories_during_check ON leadroute.territories IS
	'A range that is empty is no time at all. Leave during out for always; from a day on it is ''[2027-01-01,)''. To take a territory out of use, delete it.';
COMMENT ON CONSTRAINT outbox_recipients_quiet_check ON leadroute.outbox_recipients IS 'Quiet hours have a beginning and another time as their end, quiet_from and quiet_until, or neither.';
COMMENT ON CONSTRAINT scoring_criteria_source_check ON leadroute.scoring_criteria IS 'A criterion has a condition over the lead''s columns or a signal_type, one of the two.';
COMMENT ON CONSTRAINT scoring_criteria_signal_check ON leadroute.scoring_criteria IS
	'min_count, within, absent, per_event, max_points and decay are of signals: a criterion with a condition has none of them.';
COMMENT ON CONSTRAINT scoring_criteria_absent_check ON leadroute.scoring_criteria IS
	'What is absent is so within a time: absent needs within, and goes with neither min_count, per_event nor decay.';
COMMENT ON CONSTRAINT scoring_criteria_per_event_check ON leadroute.scoring_criteria IS 'Points for each event go without min_count and within.';
COMMENT ON CONSTRAINT scoring_criteria_limit_check ON leadroute.scoring_criteria IS 'max_points limits points for each event: say per_event too.';
COMMENT ON CONSTRAINT scoring_criteria_points_check ON leadroute.scoring_criteria IS 'A criterion gives points or, negative ones, takes some.';
COMMENT ON CONSTRAINT scoring_criteria_decay_period_check ON leadroute.scoring_criteria IS
	'per_period and per_period_inactive need decay_period and decay_points, half_life needs decay_period alone, none neither.';
COMMENT ON CONSTRAINT scoring_criteria_decays_negative_check ON leadroute.scoring_criteria IS 'decays_negative is of negative points that decay.';
COMMENT ON CONSTRAINT scoring_models_weights_check ON leadroute.scoring_models IS 'One of fit_weight and engagement_weight is above 0.';
COMMENT ON CONSTRAINT signal_types_signal_type_check ON leadroute.signal_types IS 'A type of signals has a name, and "*" is none.';
COMMENT ON CONSTRAINT sla_policies_metric_of_your_own_needs_success ON leadroute.sla_policies IS
	'Metrics that leadroute knows: first_touch, decision, meeting, meeting_held, next_touch, queue_age, stage_age. One of your own says in success, a condition, when its clock is met.';
COMMENT ON CONSTRAINT sla_policies_stage_age_has_clock_start_stage_entered ON leadroute.sla_policies IS 'Metric stage_age has clock_start = ''stage_entered'', and the stage.';
COMMENT ON CONSTRAINT sla_policies_stage_goes_with_clock_start_stage_entered ON leadroute.sla_policies IS 'A stage goes with clock_start = ''stage_entered'', and that with a stage.';
COMMENT ON CONSTRAINT sla_policies_pause_stages_check ON leadroute.sla_policies IS 'A list of stages holds no NULL.';
COMMENT ON CONSTRAINT sla_steps_recipient_of_remind_and_notify_alone ON leadroute.sla_steps IS 'remind and notify have a recipient, as owner or manager; other actions have none: NULL.';
COMMENT ON CONSTRAINT sla_steps_set_stage_needs_argument ON leadroute.sla_steps IS 'The argument of set_stage is the stage.';
COMMENT ON CONSTRAINT rejection_reasons_date_check ON leadroute.rejection_reasons IS 'date_column says which date, before_date how long before it the lead comes back: both or neither.';
COMMENT ON CONSTRAINT rejection_reasons_recycle_check ON leadroute.rejection_reasons IS 'recycle says when the lead comes back: return_after, or date_column and before_date.';
COMMENT ON CONSTRAINT rejection_reasons_return_check ON leadroute.rejection_reasons IS 'Only recycle brings a lead back: return_after, date_column and before_date go with it.';
COMMENT ON CONSTRAINT match_rules_kinds_check ON leadroute.match_rules IS
	'kinds are up to twelve of external_id, email, phone, first_name, last_name, company, website, postal_code, country, mailbox, birth_date and city: a key is made of all of them.';
COMMENT ON CONSTRAINT match_rules_wide_check ON leadroute.match_rules IS
	'One kind alone that many people share (a name, a company, a place) makes no duplicates: add another, or say action = ''suggest''.';
COMMENT ON CONSTRAINT stage_transitions_some_check ON leadroute.stage_transitions IS 'at_least says how many of the columns in of_columns are filled: both or neither, and no more than there are.';
COMMENT ON CONSTRAINT stages_ageing_check ON leadroute.stages IS 'max_age says how long a lead may stay, next_stage where it goes then: both or neither.';
COMMENT ON CONSTRAINT stages_stage_check ON leadroute.stages IS 'A stage has a name, and "*" is none.';
COMMENT ON CONSTRAINT touch_kinds_inbound_check ON leadroute.touch_kinds IS 'What the person does (inbound) is no touch of ours that counts.';
COMMENT ON CONSTRAINT calendar_hours_24x7_is_always_open ON leadroute.calendar_hours IS 'Calendar 24x7 has no hours: it is always open.';
COMMENT ON CONSTRAINT calendar_hours_opens_check ON leadroute.calendar_hours IS 'opens is before 24:00; closes may be 24:00, or before opens: the next day.';
COMMENT ON CONSTRAINT calendar_hours_weekday_check ON leadroute.calendar_hours IS 'ISO weekdays: 1 is Monday, 7 Sunday.';
COMMENT ON CONSTRAINT calendars_24x7_is_always_there ON leadroute.calendars IS 'Calendar 24x7 is always there, in the zone of the flow: give yours another name.';
COMMENT ON CONSTRAINT calendars_words_are_taken ON leadroute.calendars IS 'A policy''s calendar "team" is that of the lead''s team, "owner" that of its owner: no calendar has these names.';

CREATE FUNCTION leadroute.check_trigger(relation name) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	conditions	text;
BEGIN
	/* the columns of each constraint, and nothing within quotes, are NEW's */
	SELECT string_agg(x.expression, ' AND ' ORDER BY k.conname) INTO conditions
	FROM pg_constraint k CROSS JOIN LATERAL (
		WITH RECURSIVE columns AS (
			SELECT a.attname, row_number() OVER (ORDER BY a.attnum) AS n FROM pg_attribute a WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
		), replaced(n, expression) AS (
			SELECT 0::bigint, pg_get_expr(k.conbin, k.conrelid)
			UNION ALL
			SELECT c.n, regexp_replace(r.expression, format('(?<![''\w."])%s(?![''\w"(])', quote_ident(c.attname)), format('NEW.%I', c.attname), 'g')
			FROM replaced r JOIN columns c ON c.n = r.n + 1
		)
		SELECT r.expression FROM replaced r ORDER BY r.n DESC LIMIT 1) x
	WHERE k.conrelid = format('leadroute.%I', relation)::regclass AND k.contype = 'c';
	EXECUTE format('CREATE TRIGGER zz_check_violated BEFORE INSERT OR UPDATE ON leadroute.%I
						FOR EACH ROW WHEN (NOT (%s)) EXECUTE FUNCTION leadroute.check_violated()', relation, conditions);
END
$$;
REVOKE ALL ON FUNCTION leadroute.check_trigger(name) FROM PUBLIC;
COMMENT ON FUNCTION leadroute.check_trigger(name) IS 'Internal: has violations of a configuration table''s CHECK constraints told with what may stand there.';

/* not accounts and holidays, which come by the million: a BEFORE ROW trigger keeps COPY from inserting many rows at once */
SELECT leadroute.check_trigger(relation::name)
FROM pg_catalog.unnest('{flows,rules,queues,reps,rep_skills,time_off,teams,team_members,territories,match_rules,merge_columns,stages,stage_transitions,rejection_reasons,sources,sla_policies,sla_steps,touch_kinds,scoring_models,scoring_groups,scoring_criteria,signal_types,grades,calendars,calendar_hours,outbox_consumers,outbox_recipients}'::pg_catalog.text[]) relation;
