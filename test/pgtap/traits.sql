-- what lead_states keeps of a lead as it was when decided: name, company, source, intent, segment, tier, value
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = warning;
SELECT no_plan();

CREATE SCHEMA lr;
CREATE TABLE lr.leads (id bigint PRIMARY KEY, email text, first_name text, last_name varchar(40), name text, company text, "LeadSource" text, intent text,
	employees int, amount text, website text, status text, owner text, route_reason text);
INSERT INTO leadroute.flows (flow, won_when) VALUES ('default', 'status = ''won''');
SELECT leadroute.attach('lr.leads', columns => '{"source": "LeadSource", "value": "amount"}') \g /dev/null
INSERT INTO leadroute.reps (rep) VALUES ('ana'), ('bo');
INSERT INTO leadroute.teams (team) VALUES ('west'), ('big');
INSERT INTO leadroute.team_members (team, rep) VALUES ('west', 'ana'), ('big', 'bo');
INSERT INTO leadroute.accounts (account, name, tier, owner) VALUES ('acme', 'Acme', 2, NULL);
INSERT INTO leadroute.account_domains (account, domain) VALUES ('acme', 'acme.example');
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (9, 'all', 'team', 'west');
SELECT leadroute.activate() \g /dev/null
CREATE FUNCTION lr.traits(key text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM leadroute.explain(coalesce((SELECT max(id)::text FROM lr.leads), '0'));
	RETURN (SELECT concat_ws('|', coalesce(s.name, '-'), coalesce(s.company, '-'), coalesce(s.source, '-'), coalesce(s.intent, '-'), coalesce(s.segment, '-'),
							 coalesce(s.tier::text, '-'), coalesce(s.value::text, '-'))
			FROM leadroute.lead_states s WHERE s.lead = key);
END $$;

-- nothing configured: the words of the row
INSERT INTO lr.leads (id, email, first_name, last_name, company, "LeadSource", amount) VALUES (1, 'kim@acme.example', 'Kim', 'Lee', 'Acme Inc.', 'Demo Request', '1200.50');
SELECT is(lr.traits('1'), 'Kim Lee|Acme Inc.|Demo Request|-|-|2|1200.50', 'the words of the row, and the tier of its account');
INSERT INTO lr.leads (id, first_name, name, company, "LeadSource", amount) VALUES (2, ' ', 'Bob', '', '  ', 'a lot'), (3, 'Eve', 'x', NULL, NULL, NULL);
SELECT is(lr.traits('2'), 'Bob|-|-|-|-|-|-', 'blanks are nothing, the column name stands in, and what is no number has no value');
SELECT is(lr.traits('3'), 'Eve|-|-|-|-|-|-', 'half a name');
INSERT INTO lr.leads (id, company, name) VALUES (4, repeat('ä', 500), repeat('x', 201));
SELECT is(length(company) || ' ' || length(name), '200 200', 'long words are cut, by characters') FROM leadroute.lead_states WHERE lead = '4';

-- sources
SELECT cmp_ok(leadroute.load_sources(), '>', 20, 'load_sources()');
SELECT is(leadroute.load_sources(), 0, 'once');
INSERT INTO leadroute.sources (source, intent) VALUES ('Garten-Messe', 'low');
INSERT INTO lr.leads (id, "LeadSource") VALUES (10, 'demo_request'), (11, 'DEMO REQUEST'), (12, 'garten messe'), (13, 'unheard of'), (14, NULL);
SELECT is((SELECT string_agg(coalesce(intent, '-'), ' ' ORDER BY lead) FROM leadroute.lead_states WHERE lead BETWEEN '10' AND '14'), 'high high low - -', 'intent by source');
INSERT INTO lr.leads (id, "LeadSource", intent) VALUES (15, 'Demo Request', 'low'), (16, 'Demo Request', ' ');
SELECT is((SELECT string_agg(intent, ' ' ORDER BY lead) FROM leadroute.lead_states WHERE lead IN ('15', '16')), 'low high', 'the row''s own intent goes before');
SELECT throws_ok($$INSERT INTO leadroute.sources (source, intent) VALUES ('x', 'huge')$$, '23514', NULL, 'an intent of a source is high, medium or low');

-- expressions
UPDATE leadroute.flows SET segment = 'CASE WHEN employees > 500 THEN ''enterprise'' WHEN employees > 0 THEN ''smb'' END',
	intent = 'CASE WHEN facts.segment = ''enterprise'' THEN ''high'' END';
INSERT INTO lr.leads (id, employees, "LeadSource") VALUES (20, 900, 'newsletter'), (21, 9, 'newsletter'), (22, NULL, NULL);
SELECT is((SELECT string_agg(concat_ws(' ', coalesce(segment, '-'), coalesce(intent, '-')), ', ' ORDER BY lead) FROM leadroute.lead_states WHERE lead BETWEEN '20' AND '22'),
	'enterprise high, smb low, - -', 'segment, and an intent that reads it; sources say where the expression says nothing');
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES (1, 'enterprise', 'facts.segment = ''enterprise'' AND facts.intent = ''high''', 'team', 'big');
INSERT INTO lr.leads (id, employees) VALUES (23, 900), (24, 9);
SELECT is((SELECT string_agg(owner, ' ' ORDER BY lead) FROM leadroute.lead_states WHERE lead IN ('23', '24')), 'bo ana', 'a rule may read them');
SELECT is(name, 'bo', 'and explain() does') FROM leadroute.explain((SELECT l FROM lr.leads l WHERE id = 23)) WHERE item = 'decision';
UPDATE lr.leads SET employees = 1, company = 'Other', amount = '5' WHERE id = 23;
SELECT is(lr.traits('23'), '-|-|-|high|enterprise|-|-', 'as it was when decided');
SELECT throws_ok($$UPDATE leadroute.flows SET segment = 'emloyees'$$, '42703', NULL, 'an expression is checked when it is written');

-- one that fails
UPDATE leadroute.flows SET segment = '(1 / (employees - 7))::text';
SET client_min_messages = error;
INSERT INTO lr.leads (id, employees, name) VALUES (30, 7, 'Zed');
SELECT is(lr.traits('30'), 'Zed|-|-|-|-|-|-', 'a failure is no segment');
SET client_min_messages = warning;
SELECT is(status, 'assigned', 'and keeps no lead back') FROM leadroute.lead_states WHERE lead = '30';
UPDATE leadroute.flows SET on_error = 'fail';
SELECT throws_ok($$INSERT INTO lr.leads (id, employees) VALUES (31, 7)$$, '22012', NULL, 'unless the flow says so');
UPDATE leadroute.flows SET on_error = 'fallback', segment = '''all''';

-- what is not routed, what is a duplicate, what is closed
INSERT INTO lr.leads (id, email, name, amount, status) VALUES (40, 'won@x.example', 'Won', '7', 'won'), (41, 'kim@acme.example', 'Kim again', '8', NULL);
SELECT is(lr.traits('40'), 'Won|-|-|-|all|-|7', 'one that arrived won');
SELECT is(lr.traits('41') || ' ' || status, 'Kim again|-|-|-|all|2|8 duplicate', 'a duplicate, with the tier of the first one''s account') FROM leadroute.lead_states WHERE lead = '41';
UPDATE lr.leads SET status = 'won', amount = '1500' WHERE id = 1;
SELECT is(lr.traits('1'), 'Kim Lee|Acme Inc.|Demo Request|-|-|2|1500', 'closed: what it was worth then');
UPDATE lr.leads SET status = NULL WHERE id = 1;
SELECT is(lr.traits('1'), 'Kim Lee|Acme Inc.|Demo Request|-|-|2|1500', 'and that stays when it is open again');

-- bulk, upsert, savepoint
INSERT INTO lr.leads (id, name) SELECT n, 'n' || n FROM generate_series(1000, 3500) n ON CONFLICT DO NOTHING;
SELECT is(count(*)::int, 2501, 'many rows') FROM leadroute.lead_states WHERE name = 'n' || lead AND segment = 'all';
INSERT INTO lr.leads (id, name) VALUES (1000, 'other'), (5000, 'new') ON CONFLICT (id) DO UPDATE SET company = 'c';
SELECT is(lr.traits('1000') || ' ' || lr.traits('5000'), 'n1000|-|-|-|all|-|- new|-|-|-|all|-|-', 'an upsert');
SAVEPOINT a;
INSERT INTO lr.leads (id, name) VALUES (5001, 'gone');
ROLLBACK TO a;
INSERT INTO lr.leads (id, name) VALUES (5001, 'kept');
SELECT is(lr.traits('5001'), 'kept|-|-|-|all|-|-', 'a savepoint');

-- catch_up and merge
SELECT leadroute.deactivate() \g /dev/null
INSERT INTO lr.leads (id, name, "LeadSource") VALUES (6000, 'Off', 'demo request');
SELECT is(lr.traits('6000'), 'Off|-|demo request|high|all|-|-', 'while the flow is off');
SELECT leadroute.activate() \g /dev/null
CALL leadroute.catch_up('lr.leads');
CALL leadroute.catch_up('lr.leads');
CALL leadroute.catch_up('lr.leads');
CALL leadroute.catch_up('lr.leads');
SELECT is(lr.traits('6000') || ' ' || status, 'Off|-|demo request|high|all|-|- assigned', 'caught up') FROM leadroute.lead_states WHERE lead = '6000';
UPDATE leadroute.flows SET duplicate_policy = 'merge';
INSERT INTO lr.leads (id, email, name) VALUES (6001, 'kim@acme.example', 'Kim III');
SELECT is(lr.traits('6001') || ' ' || status, 'Kim III|-|-|-|all|-|- merged', 'an absorbed one') FROM leadroute.lead_states WHERE lead = '6001';

-- flows apart
INSERT INTO leadroute.flows (flow) VALUES ('other');
SELECT is(count(*)::int, 0, 'another flow has sources of its own') FROM leadroute.sources WHERE flow = 'other';
SELECT is(leadroute.load_sources('other') = (SELECT count(*) FROM leadroute.sources WHERE flow = 'default') - 1, true, 'and loads them');
SELECT is(relation, 'sources', 'their history is kept') FROM leadroute.config_changes WHERE flow = 'other' AND relation = 'sources' LIMIT 1;

SELECT * FROM finish();
ROLLBACK;
