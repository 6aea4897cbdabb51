/* What is wrong with a flow's policies, steps and kinds of touches: a part of check_flow(). */
CREATE FUNCTION leadroute.sla_faults(subject leadroute.flows, leads regclass)
	RETURNS TABLE (severity text, object text, problem text, hint text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	written	record;
	fault	text;
	help	text;
BEGIN
	RETURN QUERY
		SELECT 'error', format('policy "%s"', p.policy), format('its calendar "%s" %s', p.calendar, c.problem),
			CASE c.problem WHEN 'does not exist' THEN 'Insert into leadroute.calendars, or change the row.' WHEN 'is never open' THEN 'Insert its hours into leadroute.calendar_hours.'
				ELSE 'Change calendars.timezone.' END
		FROM leadroute.sla_policies p CROSS JOIN LATERAL leadroute.calendar_problem(p.calendar, p.flow) c(problem)
		WHERE p.flow = (subject).flow AND p.calendar NOT IN ('team', 'owner') AND c.problem IS NOT NULL
		ORDER BY p.policy;
	RETURN QUERY
		SELECT 'error', format('policy "%s"', p.policy), format('names stage "%s", which does not exist', s.stage), 'Insert into leadroute.stages, or change the row.'
		FROM leadroute.sla_policies p CROSS JOIN LATERAL unnest(p.pause_stages || p.stage) s(stage)
		WHERE p.flow = (subject).flow AND s.stage IS NOT NULL
			AND NOT EXISTS (SELECT FROM leadroute.stages t WHERE t.flow = p.flow AND t.stage = s.stage)
		ORDER BY p.policy, s.stage;
	FOR written IN
		SELECT p.policy, c.name, c.condition
		FROM leadroute.sla_policies p CROSS JOIN LATERAL (VALUES ('condition', p.condition), ('success', p.success)) c(name, condition)
		WHERE p.flow = (subject).flow AND c.condition IS NOT NULL AND leads IS NOT NULL
		ORDER BY p.policy, c.name
	LOOP
		BEGIN
			PERFORM leadroute.check_condition(written.condition, leads, (subject).flow);
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS fault = MESSAGE_TEXT, help = PG_EXCEPTION_HINT;
			RETURN QUERY VALUES (CASE WHEN (subject).active THEN 'warning' ELSE 'error' END, format('policy "%s"', written.policy),
				format('its %s (%s) is not valid: %s', written.name, written.condition, fault),
				coalesce(nullif(help, ''), 'Write it as a boolean expression over the columns of the leads table.'));
		END;
	END LOOP;
	RETURN QUERY
		SELECT 'warning', format('step "%s" of policy "%s"', s.step, s.policy), 'belongs to no policy', 'Insert it into leadroute.sla_policies, or delete its steps.'
		FROM leadroute.sla_steps s
		WHERE s.flow = (subject).flow AND NOT EXISTS (SELECT FROM leadroute.sla_policies p WHERE p.flow = s.flow AND p.policy = s.policy)
		ORDER BY s.policy, s.step;
	RETURN QUERY
		SELECT 'error', format('step "%s" of policy "%s"', s.step, s.policy), format('its recipient "%s" is neither a word that leadroute knows nor a rep', s.recipient),
			'Name owner, backup, manager, director, channel or a rep''s key.'
		FROM leadroute.sla_steps s
		WHERE s.flow = (subject).flow AND s.recipient NOT IN ('owner', 'backup', 'manager', 'director', 'channel')
			AND NOT EXISTS (SELECT FROM leadroute.reps r WHERE r.flow = s.flow AND r.rep = s.recipient)
		ORDER BY s.policy, s.step;
	RETURN QUERY
		SELECT 'warning', format('step "%s" of policy "%s"', s.step, s.policy), format('its stage "%s" does not exist', w.stage), 'Insert it into leadroute.stages, or name another as the argument.'
		FROM leadroute.sla_steps s CROSS JOIN LATERAL (SELECT coalesce(s.argument, 'nurture') AS stage) w
		WHERE s.flow = (subject).flow AND s.action IN ('set_stage', 'nurture')
			AND NOT EXISTS (SELECT FROM leadroute.stages t WHERE t.flow = s.flow AND t.stage = w.stage)
		ORDER BY s.policy, s.step;
	RETURN QUERY
		SELECT 'warning', format('step "%s" of policy "%s"', s.step, s.policy), format('its queue "%s" does not exist', s.argument), 'Insert it into leadroute.queues, or name another, or a team, as the argument.'
		FROM leadroute.sla_steps s
		WHERE s.flow = (subject).flow AND s.action = 'requeue' AND s.argument IS NOT NULL
			AND NOT EXISTS (SELECT FROM leadroute.queues q WHERE q.flow = s.flow AND q.queue = s.argument)
			AND NOT EXISTS (SELECT FROM leadroute.teams t WHERE t.flow = s.flow AND t.team = s.argument)
		ORDER BY s.policy, s.step;
	RETURN QUERY
		SELECT 'error', 'touched_when', 'touches that a row tells are of the kind recorded, which does not exist', 'Insert it into leadroute.touch_kinds.'
		WHERE (subject).touched_when IS NOT NULL
			AND NOT EXISTS (SELECT FROM leadroute.touch_kinds k WHERE k.flow = (subject).flow AND k.kind = 'recorded');
END
$$;
COMMENT ON FUNCTION leadroute.sla_faults(leadroute.flows, regclass) IS
	'What is wrong with a flow''s policies, steps and kinds of touches: a part of check_flow().';
