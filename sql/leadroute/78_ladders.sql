/*
 * The ladders of the field, as rows: policies with their steps. What a template brings is the flow's own from then on.
 */
CREATE FUNCTION leadroute.sla_templates(OUT template text, OUT policy text, OUT condition text, OUT metric text, OUT target text, OUT clock_start text, OUT stage text,
	OUT at text[], OUT action text[], OUT recipient text[], OUT meaning text) RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	VALUES
		('first_contact', 'first contact', NULL, 'first_touch', '60 min', 'submitted', NULL,
		 '{5 min,15 min,30 min,60 min}'::text[], '{remind,notify,notify,reassign}'::text[], '{owner,backup,manager,NULL}'::text[], 'first contact: owner, backup, manager, somebody else at 5, 15, 30 and 60 minutes'),
		('half_and_full_4h', 'first touch in 4 hours', NULL, 'first_touch', '4 hours', 'submitted', NULL,
		 '{50%,100%}', '{remind,notify}', '{owner,manager}', 'half of the target reminds, all of it tells the manager: 4 hours'),
		('half_and_full_8h', 'first touch in 8 hours', NULL, 'first_touch', '8 hours', 'submitted', NULL,
		 '{50%,100%}', '{remind,notify}', '{owner,manager}', 'half of the target reminds, all of it tells the manager: 8 hours'),
		('quarter_hour', 'first touch in 15 minutes', NULL, 'first_touch', '15 min', 'submitted', NULL,
		 '{15 min,30 min}', '{notify,reassign}', '{manager,NULL}', '15 minutes to the first touch, after 30 somebody else'),
		('half_day', 'first touch in half a day', NULL, 'first_touch', '12 hours', 'submitted', NULL,
		 '{12 hours,24 hours,48 hours}', '{remind,notify,reassign}', '{owner,manager,NULL}', 'owner at 12 hours, manager at 24, somebody else at 48'),
		('overdue', 'overdue', NULL, 'first_touch', '4 hours', 'submitted', NULL,
		 '{due,due + 2 hours,due + 4 hours}', '{remind,notify,reassign}', '{owner,manager,NULL}', 'overdue: owner at once, manager two hours later, somebody else four hours later'),
		('intent', 'high intent', 'facts.intent = ''high''', 'first_touch', '10 min', 'submitted', NULL,
		 '{5 min,10 min,30 min}', '{remind,notify,reassign}', '{owner,manager,NULL}', 'by intent: high in 5 to 10 minutes, medium in 1 to 4 hours, low in 24 hours'),
		('intent', 'medium intent', 'facts.intent = ''medium''', 'first_touch', '4 hours', 'submitted', NULL,
		 '{1 hour,4 hours}', '{remind,notify}', '{owner,manager}', NULL),
		('intent', 'low intent', NULL, 'first_touch', '24 hours', 'submitted', NULL,
		 '{50%,100%}', '{remind,notify}', '{owner,manager}', NULL),
		('account_tier', 'tier 1', 'facts.account_tier = 1', 'first_touch', '1 hour', 'submitted', NULL,
		 '{50%,100%}', '{remind,notify}', '{owner,manager}', 'by the account''s tier: 1 hour, 4 hours, the same business day'),
		('account_tier', 'tier 2', 'facts.account_tier = 2', 'first_touch', '4 hours', 'submitted', NULL,
		 '{50%,100%}', '{remind,notify}', '{owner,manager}', NULL),
		('account_tier', 'tier 3', 'facts.account_tier = 3', 'first_touch', 'end of day', 'submitted', NULL,
		 '{50%,100%}', '{remind,notify}', '{owner,manager}', NULL),
		('mql', 'MQL contact', NULL, 'first_touch', '4 hours', 'stage_entered', 'mql',
		 '{50%,100%}', '{remind,notify}', '{owner,manager}', 'MQL: contact in 4 business hours, decision in 48 hours (2 business days), meeting in 5 business days'),
		('mql', 'MQL decision', NULL, 'decision', '2 days', 'stage_entered', 'mql',
		 '{50%,100%}', '{remind,notify}', '{owner,manager}', NULL),
		('mql', 'MQL meeting', NULL, 'meeting', '5 days', 'stage_entered', 'mql',
		 '{50%,100%}', '{remind,notify}', '{owner,manager}', NULL),
		('sql', 'SQL discovery call', NULL, 'meeting', '3 days', 'stage_entered', 'sql',
		 '{50%,100%}', '{remind,notify}', '{owner,manager}', 'SQL: discovery call in 3 business days, opportunity in 5'),
		('sql', 'SQL opportunity', NULL, 'stage_age', '5 days', 'stage_entered', 'sql',
		 '{50%,100%}', '{remind,notify}', '{owner,manager}', NULL),
		('proposal', 'proposal', NULL, 'stage_age', '5 days', 'stage_entered', 'opportunity',
		 '{50%,100%}', '{remind,notify}', '{owner,manager}', 'proposal within 5 business days of the demo, which makes the opportunity'),
		('aging', 'new for 48 hours', NULL, 'stage_age', '48 hours', 'stage_entered', 'new',
		 '{due}', '{reassign}', '{NULL}', 'aging: new for 48 hours goes to the next rep, contacted for 72 hours to nurture'),
		('aging', 'contacted for 72 hours', NULL, 'stage_age', '72 hours', 'stage_entered', 'contacted',
		 '{due}', '{nurture}', '{NULL}', NULL),
		('queue', 'waiting for an hour', NULL, 'queue_age', '1 hour', 'submitted', NULL,
		 '{50%,100%}', '{notify,notify}', '{channel,manager}', 'nobody waits in a queue for longer than an hour'),
		('no_show', 'meeting held', NULL, 'meeting_held', '30 min', 'submitted', NULL,
		 '{}', '{}', '{}', 'no-show: 30 minutes after the meeting''s time it was not held')
$$;
COMMENT ON FUNCTION leadroute.sla_templates() IS
	'The ladders that load_sla_template() knows, a row a policy: its columns of sla_policies, and when, what and who of its steps.';

CREATE FUNCTION leadroute.load_sla_template(name text, flow text DEFAULT 'default', calendar text DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	t		record;
	found	integer := 0;
BEGIN
	IF NOT EXISTS (SELECT FROM leadroute.flows f WHERE f.flow = load_sla_template.flow) THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = format('flow "%s" does not exist', flow), HINT = 'leadroute.flows lists them.';
	END IF;
	FOR t IN SELECT * FROM leadroute.sla_templates() WITH ORDINALITY x(template, policy, condition, metric, target, clock_start, stage, at, action, recipient, meaning, n)
			 WHERE x.template = name ORDER BY x.n
	LOOP
		found := found + 1;
		IF t.stage IS NOT NULL AND NOT EXISTS (SELECT FROM leadroute.stages s WHERE s.flow = load_sla_template.flow AND s.stage = t.stage) THEN
			RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = format('flow "%s" has no stage "%s"', flow, t.stage),
				HINT = format('SELECT leadroute.load_stages(%L).', flow);
		END IF;
		INSERT INTO leadroute.sla_policies (flow, policy, position, condition, metric, target, calendar, clock_start, stage, note)
			VALUES (flow, t.policy,
					10 + coalesce((SELECT max(p.position) FROM leadroute.sla_policies p WHERE p.flow = load_sla_template.flow AND p.metric = t.metric), 0),
					t.condition, t.metric, t.target, calendar, t.clock_start, t.stage, 'template ' || name);
		INSERT INTO leadroute.sla_steps (flow, policy, at, action, recipient, note)
			SELECT flow, t.policy, s.at, s.action, s.recipient, 'template ' || name
			FROM unnest(t.at, t.action, t.recipient) WITH ORDINALITY s(at, action, recipient, n) ORDER BY s.n;
	END LOOP;
	IF found = 0 THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = format('there is no template "%s"', name),
			HINT = (SELECT format('There are %s.', string_agg(DISTINCT x.template, ', ' ORDER BY x.template)) FROM leadroute.sla_templates() x);
	END IF;
	RETURN found;
END
$$;
COMMENT ON FUNCTION leadroute.load_sla_template(text, text, text) IS
	'Inserts the policies and steps of a ladder that the field uses (see sla_templates()) behind those that a flow has, by a calendar (NULL: 24x7; business hours and days need one), and answers how many policies. They are rows like any others from then on. Errors: undefined_object for no such template or flow, object_not_in_prerequisite_state where the flow lacks a stage that it names, unique_violation where it is loaded already.';
