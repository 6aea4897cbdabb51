-- Teams whose next lead of a person or an account goes to who has the earlier one
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = error;
SELECT plan(35);

CREATE TABLE leads (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, code text UNIQUE, email text, product text, status text, owner text, team text, account text, route_reason text);
SELECT lives_ok($$SELECT leadroute.attach('leads')$$, 'attach');
SET leadroute.clock = '2026-03-02 12:00+00';
UPDATE leadroute.flows SET closed_when = $$status = 'closed'$$;
INSERT INTO leadroute.reps (rep) VALUES ('a'), ('b'), ('c'), ('x');
INSERT INTO leadroute.teams (team, sticky) VALUES ('t', 'account'), ('other', 'account'), ('plain', 'none'), ('person', 'identity'), ('spare', 'none');
INSERT INTO leadroute.team_members (team, rep) SELECT t, r FROM unnest('{t,other,plain,person}'::text[]) t, unnest('{a,b,c}'::text[]) r;
INSERT INTO leadroute.team_members (team, rep) VALUES ('spare', 'x');
INSERT INTO leadroute.rules (position, rule, condition, target, target_name, if_unavailable)
	SELECT n, t, format('product = %L', t), 'team', t, 'wait' FROM unnest('{t,other,plain,person,spare}'::text[]) WITH ORDINALITY u(t, n);
INSERT INTO leadroute.queues (queue) VALUES ('rest');
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (1000, 'rest', 'queue', 'rest');
INSERT INTO leadroute.account_domains (domain, account) SELECT a || '.example', a FROM unnest('{acme,beta,gamma,delta,echo,fox,golf}'::text[]) a;
INSERT INTO leadroute.accounts (account) SELECT d.account FROM leadroute.account_domains d;
SELECT lives_ok('SELECT leadroute.activate()', 'activate');

-- the owners of new leads, in order: a word is who@where, the account's domain without .example; - where one waits; a second later each time,
-- since of leads of one instant any is the latest
CREATE FUNCTION pg_temp.route(people text, team text DEFAULT 't') RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT set_config('leadroute.clock', (current_setting('leadroute.clock')::timestamptz + interval '1 second')::text, false);
	WITH new AS (INSERT INTO leads (email, product) SELECT p || '.example', route.team FROM string_to_table(people, ' ') WITH ORDINALITY s(p, n) ORDER BY n RETURNING id, owner)
	SELECT string_agg(coalesce(owner, '-'), '' ORDER BY id) FROM new $$;
CREATE FUNCTION pg_temp.last_reason() RETURNS text LANGUAGE sql AS $$ SELECT route_reason FROM leads ORDER BY id DESC LIMIT 1 $$;

-- within one statement, across statements
SELECT is(pg_temp.route('1@acme 1@none1 2@acme 1@none2 3@acme'), 'abaca', 'people of one account in one INSERT have one rep');
SELECT is(pg_temp.route('1@none3 1@none4 1@none5 1@none6'), 'bcbc', 'each was his turn: the others go next');
SELECT is(pg_temp.route('4@acme'), 'a', 'one more person of the account');
SELECT is(pg_temp.last_reason(), 'rule "t" (1): team "t", sticky, same account: a', 'the reason says so');
SELECT is(code, 'assigned', 'it is a pick as any other') FROM leadroute.lead_states ORDER BY lead::bigint DESC LIMIT 1;
SELECT is(pg_temp.route('5@acme', 'plain'), 'a', 'another team has turns of its own');
SELECT is(pg_temp.route('6@acme 7@acme', 'plain'), 'bc', 'and where it is not sticky goes by them');
SELECT is(pg_temp.route('1@none7 8@acme', 'other'), 'ab', 'what another team gave does not count');
SELECT is(pg_temp.route('9@acme'), 'a', 'nor what was given by another since');

-- explain
/* the last one's, or one of those that came with it */
SELECT results_eq($$SELECT item, name, verdict, detail IN (SELECT 'has lead ' || l.id FROM leads l WHERE l.email LIKE '%@acme.example' AND l.team = 't' AND l.owner = 'a')
	FROM leadroute.explain(jsonb_populate_record(NULL::leads, '{"id": 900, "email": "n@acme.example", "product": "t"}')) WHERE item = 'sticky'$$,
	$$VALUES ('sticky', 'a', 'sticky, same account', true)$$, 'explain shows the step');
SELECT is((SELECT verdict FROM leadroute.explain(jsonb_populate_record(NULL::leads, '{"id": 900, "email": "n@acme.example", "product": "t"}')) WHERE item = 'rep' AND name = 'a'), 'goes next', 'and the rep');
SELECT is_empty($$SELECT FROM leadroute.explain(jsonb_populate_record(NULL::leads, '{"id": 900, "email": "n@beta.example", "product": "t"}')) WHERE item = 'sticky'$$, 'none where there is none');

-- only if he may have it
UPDATE leadroute.team_members SET capacity = (SELECT s.open FROM leadroute.rep_load s WHERE s.team = 't' AND s.rep = 'a') WHERE team = 't' AND rep = 'a';
SELECT matches(pg_temp.route('10@acme'), '^[bc]$', 'who is full is passed over');
SELECT matches(pg_temp.last_reason(), 'round robin: [bc]$', 'the strategy picks another');
UPDATE leadroute.team_members SET capacity = NULL WHERE team = 't' AND rep = 'a';
SELECT is(pg_temp.route('11@acme'), (SELECT owner FROM leads WHERE email = '10@acme.example'), 'who then has the latest');
INSERT INTO leadroute.time_off (rep, during) SELECT owner, '[2026-03-02,2026-03-04)' FROM leads WHERE email = '11@acme.example';
SELECT isnt(pg_temp.route('12@acme'), (SELECT owner FROM leads WHERE email = '11@acme.example'), 'who is on leave is passed over');
DELETE FROM leadroute.time_off;

-- hands, and rows that go
SELECT leadroute.reassign((SELECT max(id) FROM leads), 'c', 'swap') \gset swap_
SELECT is(pg_temp.route('13@acme'), 'c', 'who has it now, not who had it first');
INSERT INTO leads (email, product) VALUES ('1@golf.example', 't');
DELETE FROM leads WHERE email = '1@golf.example';
INSERT INTO leads (email, product) VALUES ('2@golf.example', 't');
SELECT matches(pg_temp.last_reason(), 'round robin', 'a deleted lead binds nobody');

-- nothing is left of what was not kept
SAVEPOINT s;
SELECT pg_temp.route('1@beta 2@beta') \gset lost_
ROLLBACK TO SAVEPOINT s;
SELECT pg_temp.route('3@beta') \gset kept_
SELECT matches(pg_temp.last_reason(), 'round robin', 'what was rolled back');
INSERT INTO leads (code, email, product) VALUES ('one', '1@none8.example', 'plain');
INSERT INTO leads (code, email, product) VALUES ('one', '1@gamma.example', 't'), ('two', '2@gamma.example', 't') ON CONFLICT DO NOTHING;
SELECT matches(pg_temp.last_reason(), 'round robin', 'what met ON CONFLICT');
INSERT INTO leads (code, email, product) VALUES ('two', '3@gamma.example', 't'), ('three', '4@gamma.example', 't') ON CONFLICT DO NOTHING;
SELECT is((SELECT owner FROM leads WHERE code = 'three'), (SELECT owner FROM leads WHERE code = 'two'), 'but what was kept does');

-- leads that wait
UPDATE leadroute.team_members SET capacity = 0 WHERE team = 't';
SELECT is(pg_temp.route('1@none9 14@acme'), '--', 'nobody has room');
UPDATE leadroute.team_members SET capacity = NULL WHERE team = 't';
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
SELECT is((SELECT owner FROM leads WHERE email = '14@acme.example'), 'c', 'from the queue it goes to the same');
SELECT matches((SELECT route_reason FROM leads WHERE email = '14@acme.example'), 'sticky, same account: c', 'and says so');

-- figures: a lead that sticks could be nobody else's
INSERT INTO leadroute.teams (team, sticky) VALUES ('figures', 'account');
INSERT INTO leadroute.team_members (team, rep, capacity) VALUES ('figures', 'a', 100), ('figures', 'b', 100);
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES (30, 'figures', $$product = 'figures'$$, 'team', 'figures');
SELECT is(pg_temp.route('1@delta 2@delta 3@delta 4@delta 1@none10', 'figures'), 'aaaab', 'four of an account, one of none');
SELECT results_eq($$SELECT rep, expected, actual FROM leadroute.fairness('figures')$$, $$VALUES ('a', 4.00, 4::bigint), ('b', 1.00, 1::bigint)$$,
	'what sticks is expected where it goes');

-- by persons: who came back, and whose rep has gone since
SELECT is(pg_temp.route('p@echo', 'person'), 'a', 'the first');
SELECT is(pg_temp.route('q@echo', 'person'), 'b', 'another person of the account is nobody''s');
UPDATE leads SET status = 'closed' WHERE email = 'p@echo.example';
SELECT count(*) FROM leadroute.explain((SELECT max(id) FROM leads)) \gset settled_
UPDATE leadroute.reps SET active = false WHERE rep = 'a';
SELECT is(pg_temp.route('p@echo', 'spare'), 'x', 'who had it is gone: the person goes elsewhere');
UPDATE leads SET status = 'closed' WHERE email = 'p@echo.example';
SELECT count(*) FROM leadroute.explain((SELECT max(id) FROM leads)) \gset settled_
UPDATE leadroute.reps SET active = rep <> 'x';
SELECT pg_temp.route('1@none11', 'person') \gset turn_
SELECT is(pg_temp.route('p@echo', 'person'), 'a', 'back in the team, with who had him there');
SELECT matches(pg_temp.last_reason(), 'sticky, same person: a$', 'and says so');
SELECT throws_ok($$UPDATE leadroute.teams SET sticky = 'always'$$, '23514', NULL, 'the words are checked');
SELECT is_empty('SELECT * FROM leadroute.rotation_drift()', 'shared memory and the ledger agree');
SELECT * FROM finish();
ROLLBACK;
