/* What a CHECK asks for is told with the error; a table that was renamed or dropped for good. */
BEGIN;
SET client_min_messages = warning;
SELECT plan(27);

CREATE FUNCTION pg_temp.told(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message	text;
	detail	text;
	hint	text;
	name	text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN check_violation THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, name = CONSTRAINT_NAME;
	RETURN concat_ws(' | ', coalesce(nullif(name, ''), message), detail, hint);
END $$;
SELECT is(pg_temp.told($$INSERT INTO leadroute.rules (position, rule, target) VALUES (1, 'r', 'teams')$$),
	'rules_target_check | It has target "teams". | It is one of territory, team, rep, queue, discard, account_owner, hold, nurture.', 'a word that is none of those');
SELECT is(pg_temp.told($$INSERT INTO leadroute.rules (position, rule, target) VALUES (1, 'r', 'team')$$),
	'rules_target_name_of_territory_team_rep_and_queue_alone | It has target "team", target_name null. | The targets territory, team, rep and queue have a target_name: of a map, a team, a rep, a queue. The others, discard, account_owner, hold and nurture, have none: NULL.',
	'two columns that do not go together');
SELECT is(pg_temp.told($$INSERT INTO leadroute.reps (rep) VALUES ('')$$), 'reps_rep_check | It has rep "". | It cannot be empty.', 'an empty name');
SELECT is(pg_temp.told($$INSERT INTO leadroute.team_members (team, rep, weight) VALUES ('t', 'r', -1)$$), 'team_members_weight_check | It has weight "-1". | It is at least 0 and at most 1000.', 'a number out of bounds');
SELECT is(pg_temp.told($$INSERT INTO leadroute.flows (flow, events_keep) VALUES ('x', '1 hour')$$), 'flows_events_keep_check | It has events_keep "01:00:00". | It is at least 1 day and at most 1000 years.', 'a length of time out of bounds');
SELECT is(pg_temp.told($$INSERT INTO leadroute.flows (flow, max_backdate) VALUES ('x', '0')$$), 'flows_max_backdate_check | It has max_backdate "00:00:00". | It is above 0 and at most 1000 years.', 'none at all');
SELECT is(pg_temp.told($$INSERT INTO leadroute.scoring_groups (model, "group", cap) VALUES ('m', '', 5)$$), 'scoring_groups_group_check | It has group "". | It cannot be empty.', 'a column whose name is quoted');
SELECT is(pg_temp.told($$INSERT INTO leadroute.teams (team, reset, scope) VALUES ('t', 'weekly', 'flow')$$),
	'teams_reset_scope_check | It has reset "weekly", scope "flow". | Turns that a flow shares (scope = ''flow'') are not reset: say reset = ''never'', or scope = ''team''.', 'words of one column are not taken for another''s');
SELECT is(pg_temp.told($$INSERT INTO leadroute.territories (map, territory, area, team, during) VALUES ('m', 't', 'country: us', 'w', 'empty')$$),
	'territories_during_check | It has during "empty". | A range that is empty is no time at all. Leave during out for always; from a day on it is ''[2027-01-01,)''. To take a territory out of use, delete it.', 'a territory at no time');
SELECT is(pg_temp.told($$INSERT INTO leadroute.reps (rep, caps) VALUES ('r', '{5/day}')$$),
	'"5/day" is no cap | A cap is a number of leads per hour, day, week or month. | Give ''{12 per day}'' by the clock, or back from now ''{20 per rolling week}''; up to three: ''{3 per hour,12 per day}''.', 'a cap');
SELECT is(pg_temp.told($$INSERT INTO leadroute.reps (rep, caps) VALUES ('r', '{1 per day,2 per day,3 per day,4 per day}')$$) ~ '^caps are at most 3, not 4', true, 'four caps');
SELECT is(pg_temp.told($$INSERT INTO leadroute.reps (rep, caps) VALUES ('r', ARRAY['5 per day', NULL])$$) ~ '^"" is no cap', true, 'NULL among them');
SELECT is(pg_temp.told($$INSERT INTO leadroute.outbox_consumers (consumer, types) VALUES ('c', '{assigned,nosuch}')$$) ~ '^there are no messages of type "nosuch" .* Types are assigned, reassigned, ', true, 'a type of messages');
SELECT is(pg_temp.told($$INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, signal_type, points, within) VALUES ('m', 'c', 'engagement', 's', 1, '-1 day')$$),
	'"-1 days" is no length of time that can be counted back | It is above 0 and at most 1000 years, without a negative part. | Give ''30 days'', ''2 weeks'' or ''1 month''.', 'a negative length of time');
SELECT is(pg_temp.told($$INSERT INTO leadroute.sla_policies (policy, position, metric, target) VALUES ('p', 1, 'first_touch', '10')$$) ~ '^a clock cannot run for "10" ', true, 'a number without a unit would be seconds');
SELECT is(pg_temp.told($$INSERT INTO leadroute.sla_steps (policy, at, action, recipient) VALUES ('p', '50', 'remind', 'owner')$$) ~ '^a step cannot be due at "50" ', true, 'and 50 would not be 50%');

SET LOCAL ROLE leadroute_admin;
SELECT is(pg_temp.told($$INSERT INTO leadroute.teams (team, strategy) VALUES ('t', 'roundrobin')$$), 'teams_strategy_check | It has strategy "roundrobin". | It is one of round_robin, least_loaded, ranked.', 'who writes the configuration needs no more rights');
RESET ROLE;

/* whatever has no hint has a comment, or is of a shape that speaks for itself */
SELECT is_empty($$SELECT c.relname, k.conname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
	WHERE c.relnamespace = 'leadroute'::regnamespace AND k.contype = 'c' AND EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = 'zz_check_violated')
		AND coalesce(obj_description(k.oid, 'pg_constraint'), leadroute.check_hint(pg_get_expr(k.conbin, k.conrelid))) IS NULL
		AND pg_get_expr(k.conbin, k.conrelid) !~ 'array_position'$$, 'each constraint of these tables has its hint');

/* a table that is called something else now */
INSERT INTO leadroute.reps (rep) VALUES ('ana');
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (99, 'all', 'rep', 'ana');
CREATE SCHEMA stranger;
CREATE TABLE stranger.leads (id bigint PRIMARY KEY, email text, "OwnerId" text);
SELECT leadroute.attach('stranger.leads', columns => '{"owner": "OwnerId"}');
SELECT leadroute.activate();
ALTER TABLE stranger.leads RENAME TO "Leads of 2026";
INSERT INTO stranger."Leads of 2026" VALUES (1, 'a@stranger.example');
SELECT is(detail || ' | ' || run, 'table stranger.leads of flow "default" is called stranger."Leads of 2026" now: its leads are routed still, and another table may take the name | '
	'SELECT leadroute.attach(''stranger."Leads of 2026"'', flow => ''default'', columns => ''{"owner": "OwnerId"}'', flow_column => NULL)', 'health knows a table that was renamed')
	FROM leadroute.health WHERE check_name = 'attachment';
SELECT throws_ok($$SELECT leadroute.forget_table()$$, '55006', 'table stranger.leads of flow "default" is there', 'which is not to be forgotten');
SELECT is(leadroute.attach('stranger."Leads of 2026"', columns => '{"owner": "OwnerId"}') ~ '^attached again', true, 'what it says can be done');
SELECT is_empty($$SELECT * FROM leadroute.health WHERE check_name = 'attachment' AND status <> 'ok'$$, 'and is all that it takes');
SELECT is(owner, 'ana', 'its leads were routed all the time') FROM leadroute.lead_states WHERE lead = '1';

/* and one that was dropped */
DROP TABLE stranger."Leads of 2026";
SELECT is(run, 'whatever takes the name gets the triggers; where nothing will, SELECT leadroute.forget_table(''default'')', 'a table that was dropped may come again')
	FROM leadroute.health WHERE check_name = 'attachment';
SELECT is(leadroute.forget_table(), 'flow "default" waits for table stranger."Leads of 2026" no more; what leadroute knows about its leads stays', 'or be forgotten');
SELECT is((SELECT count(*) FROM leadroute.attachments)::int, 0, 'then it is detached');
SELECT throws_ok($$SELECT leadroute.forget_table()$$, '55000', 'flow "default" has no leads table', 'once');

SELECT * FROM finish();
ROLLBACK;
