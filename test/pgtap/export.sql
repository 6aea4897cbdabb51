-- a flow's configuration as one document: out, in, and the same again
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = warning;
SELECT no_plan();

INSERT INTO leadroute.flows (flow, timezone, duplicate_policy, archive_after, closed_when, note) VALUES ('emea', 'Europe/Berlin', 'merge', NULL, 'false', 'a unit');
INSERT INTO leadroute.calendars (flow, calendar, timezone, holidays) VALUES ('emea', 'de', 'Europe/Berlin', '{de}');
INSERT INTO leadroute.calendar_hours (flow, calendar, weekday, opens, closes) SELECT 'emea', 'de', d, '09:00', '17:00' FROM generate_series(1, 5) d;
INSERT INTO leadroute.holidays (flow, list, day) VALUES ('emea', 'de', '2026-10-03');
INSERT INTO leadroute.reps (flow, rep, name, caps, calendar) VALUES ('emea', 'jo', E'J"o\n', '{3 per day}', 'de'), ('emea', 'al', 'Ål', NULL, NULL);
INSERT INTO leadroute.rep_skills (flow, rep, skill, level) VALUES ('emea', 'jo', 'lang:de', 5);
INSERT INTO leadroute.time_off (flow, rep, during, reason) VALUES ('emea', 'jo', '[2026-05-01 00:00+02,2026-05-08 00:00+02)', 'sick');
INSERT INTO leadroute.teams (flow, team) VALUES ('emea', 'all');
INSERT INTO leadroute.team_members (flow, team, rep, weight, prefers, joined_at) VALUES ('emea', 'all', 'jo', 3, 'country: de', '2026-01-01 12:00+05'), ('emea', 'all', 'al', 1, NULL, NULL);
INSERT INTO leadroute.queues (flow, queue) VALUES ('emea', 'desk');
INSERT INTO leadroute.territories (flow, map, territory, area, team, during) VALUES ('emea', 'm', 'w', 'country: de; employees: [5,)', 'all', '(,2030-01-01 00:00+00)'), ('emea', 'm', 'w', 'country: de', 'all', '[2030-01-01 00:00+00,)');
INSERT INTO leadroute.rules (flow, position, rule, condition, target, target_name, hold_for) VALUES ('emea', 1, 'h', 'email IS NULL', 'hold', NULL, '5 min'), ('emea', 9, 'all', NULL, 'team', 'all', NULL);
INSERT INTO leadroute.outbox_consumers (flow, consumer, types) VALUES ('emea', 'slack', '{assigned}');
DELETE FROM leadroute.match_rules WHERE flow = 'emea' AND rule <> 'e-mail';
SELECT leadroute.load_stages('emea') \g /dev/null
DELETE FROM leadroute.rejection_reasons WHERE flow = 'emea' AND code <> 'ENG-01';

SELECT ok((SELECT count(*) >= 19 FROM leadroute.exported_tables()), 'all the tables that keep their history');
SELECT is((SELECT string_agg(e.relation, ',' ORDER BY e.relation) FROM leadroute.exported_tables() e WHERE e.relation IN ('attachments', 'flows', 'stages', 'config_changes', 'accounts', 'lead_states')), 'flows,stages', 'and only those');
CREATE TEMP TABLE doc AS SELECT leadroute.export_flow('emea') AS doc;
SELECT is((SELECT count(*)::int FROM doc, jsonb_object_keys(doc->'configuration')), (SELECT count(DISTINCT relation)::int FROM leadroute.config_changes WHERE flow = 'emea'), 'each table that has rows');
SELECT is((SELECT doc#>>'{configuration,team_members,1,joined_at}' FROM doc), '2026-01-01T07:00:00+00:00', 'times in UTC');
SELECT is((SELECT doc->'configuration'->'flows' FROM doc) @> '[{"archive_after": null, "timezone": "Europe/Berlin"}]', true, 'a NULL is said');
SELECT is((SELECT string_agg(k, ',') FROM doc, jsonb_object_keys(doc#>'{configuration,flows,0}') k WHERE k IN ('flow', 'active', 'checked')), NULL, 'not what belongs to the place');

SELECT matches(leadroute.import_flow(doc, 'apac'), '^flow "apac": \d+ rows in \d+ tables\. Next: ', 'imported') FROM doc;
SELECT is(leadroute.export_flow('apac'), doc, 'and the same again') FROM doc;
SELECT is(leadroute.export_flow('apac')::text, doc::text, 'letter by letter') FROM doc;
SET timezone = 'America/New_York'; SET datestyle = 'SQL, DMY'; SET intervalstyle = 'iso_8601';
SELECT is(leadroute.export_flow('apac')::text, doc::text, 'whatever the session''s settings') FROM doc;
SELECT leadroute.import_flow(doc, 'latam') FROM doc \g /dev/null
RESET timezone; RESET datestyle; RESET intervalstyle;
SELECT is(leadroute.export_flow('latam')::text, doc::text, 'in as well') FROM doc;
SELECT is((SELECT string_agg(format('%s %s', active, checked), ',') FROM leadroute.flows WHERE flow IN ('apac', 'latam')), 'f f,f f', 'not active');
SELECT is((SELECT string_agg(rule, ',') FROM leadroute.match_rules WHERE flow = 'apac'), 'e-mail', 'what a new flow begins with has given way');
SELECT results_eq('SELECT problem COLLATE "default" FROM leadroute.check_flow(''apac'') WHERE severity = ''error''', ARRAY[]::text[], 'complete');
SELECT is((SELECT count(*) > 100 FROM leadroute.config_changes WHERE flow = 'apac'), true, 'with its history');

-- by hand: what is left out has its default
SELECT leadroute.import_flow('{"leadroute": 1, "configuration": {"reps": [{"rep": "x"}, {"rep": "y", "name": "Y"}]}}', 'small') \g /dev/null
SELECT is((SELECT string_agg(concat_ws(' ', rep, name, active), ', ' ORDER BY rep) FROM leadroute.reps WHERE flow = 'small'), 'x t, y Y t', 'defaults');

-- over a flow that exists: with leads, active
CREATE SCHEMA lr;
CREATE TABLE lr.leads (id bigint PRIMARY KEY, email text, country text, employees int, budget text, authority text, need text, timeline text, value numeric, close_date date, renewal_date date, owner text, stage text);
SELECT leadroute.attach('lr.leads', flow => 'emea') \g /dev/null
UPDATE leadroute.rules SET condition = 'country IS NULL' WHERE flow = 'emea' AND position = 1;
UPDATE doc SET doc = leadroute.export_flow('emea');
SELECT leadroute.activate('emea') \g /dev/null
INSERT INTO lr.leads (id, email, country) VALUES (1, 'a@x.example', 'de');
CREATE TEMP TABLE history AS SELECT id FROM leadroute.config_changes;
SELECT is(leadroute.import_flow(doc, 'emea', replace => true), 'flow "emea": 0 rows added, 0 changed, 0 deleted; ' || (SELECT sum(jsonb_array_length(value)) FROM jsonb_each(doc->'configuration')) || ' are as they were', 'what it has already') FROM doc;
SELECT is_empty('SELECT * FROM leadroute.config_changes WHERE id NOT IN (SELECT id FROM history)', 'is no change');
SELECT is((SELECT active FROM leadroute.flows WHERE flow = 'emea'), true, 'and leaves the flow on');
CREATE TEMP TABLE edited AS SELECT jsonb_set(jsonb_set(jsonb_set(jsonb_set(doc,
	/* a rule more, in the place of another; territories that change places; a rep less, one changed; another zone */
	'{configuration,rules}', doc#>'{configuration,rules}' || '[{"rule": "big", "position": 1, "condition": "employees > 1000", "target": "team", "target_name": "all"}]'),
	'{configuration,rules,0,position}', CASE doc#>>'{configuration,rules,0,rule}' WHEN 'h' THEN '2' ELSE doc#>'{configuration,rules,0,position}' END),
	'{configuration,flows,0,timezone}', '"Europe/Paris"'),
	'{configuration,rejection_reasons,0,reason}', '"silent"') AS doc FROM doc;
UPDATE edited SET doc = jsonb_set(doc, '{configuration,rules}', (SELECT jsonb_agg(CASE r->>'rule' WHEN 'h' THEN r || '{"position": 2}' ELSE r END) FROM jsonb_array_elements(doc#>'{configuration,rules}') r));
UPDATE edited SET doc = jsonb_set(doc, '{configuration,territories}', (SELECT jsonb_agg(t || jsonb_build_object('area', CASE t->>'area' WHEN a.first THEN a.second ELSE a.first END))
	FROM jsonb_array_elements(doc#>'{configuration,territories}') t, (SELECT min(x->>'area') AS first, max(x->>'area') AS second FROM edited, jsonb_array_elements(doc#>'{configuration,territories}') x) a));
UPDATE edited SET doc = jsonb_set(doc, '{configuration,queues}', '[]');
SELECT is(leadroute.import_flow(doc, 'emea', replace => true), 'flow "emea": 3 rows added, 3 changed, 3 deleted; ' || (SELECT sum(jsonb_array_length(value)) - 6 FROM jsonb_each(doc->'configuration')) || ' are as they were', 'another configuration instead') FROM edited;
SELECT is((SELECT jsonb_agg(e.key ORDER BY e.key) FROM edited, jsonb_each(doc->'configuration') e WHERE e.value <> '[]' AND (e.key <> 'rules') AND e.value IS DISTINCT FROM leadroute.export_flow('emea')->'configuration'->e.key), NULL, 'all of it');
SELECT is((SELECT string_agg(rule || ' ' || position, ', ' ORDER BY position) FROM leadroute.rules WHERE flow = 'emea'), 'big 1, h 2, all 9', 'rules that change places');
SELECT is((SELECT string_agg(concat_ws(' ', n, relation, operation), ', ' ORDER BY relation, operation) FROM (
		SELECT relation, operation, count(*) AS n FROM leadroute.config_changes WHERE flow = 'emea' AND id NOT IN (SELECT id FROM history) GROUP BY relation, operation) c),
	'1 flows UPDATE, 1 queues DELETE, 1 rejection_reasons UPDATE, 1 rules INSERT, 1 rules UPDATE, 2 territories DELETE, 2 territories INSERT', 'each in the history');
SELECT is((SELECT owner FROM lr.leads WHERE id = 1), (SELECT owner FROM leadroute.lead_states WHERE flow = 'emea' AND lead = '1'), 'leads keep what they have');
INSERT INTO lr.leads (id, email, country, employees) VALUES (2, 'b@y.example', 'de', 5000);
SELECT is((SELECT rule FROM leadroute.lead_states WHERE flow = 'emea' AND lead = '2'), 'big', 'and the next one goes by it');
SELECT leadroute.import_flow(doc, 'emea', replace => true) FROM doc \g /dev/null
SELECT is(leadroute.export_flow('emea'), doc, 'and back') FROM doc;
/* each fault at once, and nothing done */
CREATE FUNCTION lr.refused(document jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail	text;
BEGIN
	PERFORM leadroute.import_flow(document, 'emea', replace => true);
	RETURN 'imported';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(E'\n', SQLSTATE, SQLERRM, detail);
END
$$;
SELECT is(lr.refused('{"leadroute": 1, "configuration": {"reps": [{"rep": "x", "colour": 1, "size": 2}, 7], "teams": [{"hue": 1}]}}'),
	E'22023\nthe configuration has 4 faults\na row of table "reps" is no object\ncolumn "colour" of table "reps" does not exist\ncolumn "hue" of table "teams" does not exist\ncolumn "size" of table "reps" does not exist', 'columns');
SELECT is(lr.refused(jsonb_set(jsonb_set(jsonb_set(doc, '{configuration,reps,0,capacity}', '-1'), '{configuration,calendars,0,timezone}', '"Mars/Base"'), '{configuration,rules,0,condition}', '"nosuch > 1"')),
	E'22023\nthe configuration has 3 faults\ntable "calendars", row de: time zone "Mars/Base" not recognized\ntable "reps", row al: new row for relation "reps" violates check constraint "reps_capacity_check"\ntable "rules", row all: column "nosuch" does not exist', 'rows') FROM doc;
SELECT matches(lr.refused(jsonb_set(doc, '{configuration,reps}', '[]')), E'^23503\ntable "reps": cannot delete rep "(al|jo)" because open leads name it\nNothing was imported\\.$', 'what open leads name: both reps') FROM doc;
SELECT is(lr.refused(jsonb_set(doc, '{configuration,rules}', (SELECT jsonb_agg(r || '{"position": 5}') FROM jsonb_array_elements(doc#>'{configuration,rules}') r))),
	E'23505\ntable "rules": duplicate key value violates unique constraint "rules_flow_position_key". Key (flow, "position")=(emea, 5) already exists.\nNothing was imported.', 'rows that exclude each other') FROM doc;
SELECT is(lr.refused(jsonb_set(jsonb_set(doc, '{configuration,rules}', '[]'), '{configuration,stages}', '[]')), E'55000\nflow "emea": has no rules\nNothing was imported.', 'an active flow left incomplete') FROM doc;
SELECT is(leadroute.export_flow('emea'), doc, 'nothing was done') FROM doc;

-- what cannot be
SELECT throws_ok('SELECT leadroute.export_flow(''nosuch'')', '42704', 'flow "nosuch" does not exist', 'no such flow');
SELECT throws_ok('SELECT leadroute.import_flow(doc, ''apac'') FROM doc', '42710', 'flow "apac" exists already', 'a flow that is there');
SELECT throws_ok('SELECT leadroute.import_flow(doc, '''') FROM doc', '22023', 'a flow has a name', 'no name');
SELECT throws_ok('SELECT leadroute.import_flow(''[]'', ''n'')', '22023', 'this is no configuration that export_flow() has written', 'no document');
SELECT throws_ok('SELECT leadroute.import_flow(''{"leadroute": 2, "configuration": {}}'', ''n'')', '22023', 'this is no configuration that export_flow() has written', 'of another kind');
SELECT throws_ok('SELECT leadroute.import_flow(''{"leadroute": 1, "configuration": {"lead_states": []}}'', ''n'')', '22023', '"lead_states" is no table of the configuration', 'another table');
SELECT throws_ok('SELECT leadroute.import_flow(''{"leadroute": 1, "configuration": {"reps": [{"rep": "x", "colour": 1}]}}'', ''n'')', '42703', 'column "colour" of table "reps" does not exist', 'another column');
SELECT throws_ok('SELECT leadroute.import_flow(''{"leadroute": 1, "configuration": {"reps": [{"rep": "x", "flow": "emea"}]}}'', ''n'')', '42703', 'column "flow" of table "reps" does not exist', 'nor a flow');
SELECT throws_ok('SELECT leadroute.import_flow(''{"leadroute": 1, "configuration": {"reps": [7]}}'', ''n'')', '42703', NULL, 'no row');
SELECT throws_ok('SELECT leadroute.import_flow(''{"leadroute": 1, "configuration": {"flows": [{}, {}]}}'', ''n'')', '22023', 'a document holds one flow, not 2', 'two flows');
SELECT throws_ok('SELECT leadroute.import_flow(''{"leadroute": 1, "configuration": {"reps": [{"rep": ""}]}}'', ''n'')', '23514', NULL, 'a row that its table refuses');
SELECT is((SELECT count(*)::int FROM leadroute.flows WHERE flow = 'n'), 0, 'and nothing is left of it');

CREATE ROLE lr_reader IN ROLE leadroute_reader;
SET ROLE lr_reader;
SELECT is(jsonb_typeof(leadroute.export_flow('emea')), 'object', 'a reader exports');
SELECT throws_ok('SELECT leadroute.import_flow(''{}'', ''n'')', '42501', NULL, 'and does not import');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
