-- rows that stood there before the attach; inside this transaction each CALL does one batch
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = error;
SELECT plan(28);

CREATE FUNCTION pg_temp.to_the_end(leads regclass, existing text DEFAULT NULL, newer_than interval DEFAULT NULL, batch int DEFAULT 5000) RETURNS int
LANGUAGE plpgsql AS $$
BEGIN
	FOR n IN 1 .. 1000 LOOP
		CALL leadroute.catch_up(leads, existing, newer_than, batch);
		IF (SELECT c.phase = 'done' FROM leadroute.catch_ups c WHERE c.relation = leads) THEN
			RETURN n;
		END IF;
	END LOOP;
	RETURN NULL;
END
$$;

CREATE SCHEMA lr;
CREATE TABLE lr.leads (id bigint PRIMARY KEY, email text, owner text, submitted_at timestamptz, is_deleted boolean);
INSERT INTO lr.leads SELECT i, 'p' || i, CASE i % 3 WHEN 0 THEN 'ana' WHEN 1 THEN 'stranger' END, now() - i * interval '1 hour', i > 990
	FROM generate_series(1, 1000) i;
INSERT INTO leadroute.reps (rep, active) VALUES ('ana', true), ('bo', false);
INSERT INTO leadroute.teams (team) VALUES ('west');
INSERT INTO leadroute.team_members (team, rep) VALUES ('west', 'ana');
SELECT leadroute.attach('lr.leads', columns => '{"deleted": "is_deleted"}');

SELECT throws_ok($$CALL leadroute.catch_up('lr.leads', existing => 'forget')$$, '22023', 'existing cannot be "forget"', 'a wrong word');
SELECT throws_ok($$CALL leadroute.catch_up('lr.leads', newer_than => '1 day')$$, '22023', 'newer_than goes with existing => ''route'' only', 'newer_than without route');
SELECT throws_ok($$CALL leadroute.catch_up('lr.leads', batch => 0)$$, '22023', 'batch must be at least 1', 'an empty batch');

-- ignore, the default, in many batches
CALL leadroute.catch_up('lr.leads', batch => 100);
SELECT ok(recorded BETWEEN 1 AND 999, 'in a transaction one batch is done') FROM leadroute.catch_up_progress;
SELECT ok(pg_temp.to_the_end('lr.leads', batch => 100) > 3, 'called again it goes on');
SELECT results_eq($$SELECT status, code, owner IS NULL AND source_owner IS NULL, count(*)::int FROM leadroute.lead_states GROUP BY 1, 2, 3$$,
	$$VALUES ('ignored', 'existing', true, 1000)$$, 'ignore records the key and no more');
SELECT is(recorded::int, 1000, 'progress') FROM leadroute.catch_up_progress;
SELECT isnt(caught_up_at, NULL, 'the attachment is caught up') FROM leadroute.attachments;
SELECT is((SELECT count(*) FROM leadroute.events)::int + (SELECT count(*) FROM leadroute.outbox)::int, 0, 'nobody is told');

-- adopt
DELETE FROM leadroute.lead_states;
SELECT pg_temp.to_the_end('lr.leads', 'adopt');
SELECT results_eq($$SELECT status, code, owner COLLATE "default", team COLLATE "default", source_owner, count(*)::int FROM leadroute.lead_states GROUP BY 1, 2, 3, 4, 5 ORDER BY 6 DESC, 5$$,
	$$VALUES ('assigned', 'adopted', 'ana', 'west', 'ana', 330), ('ignored', 'existing', NULL, NULL, 'stranger', 334), ('ignored', 'existing', NULL, NULL, NULL, 333), ('ignored', 'existing', NULL, NULL, 'ana', 3) ORDER BY 6 DESC, 5$$,
	'adopt takes over the leads of active reps, not deleted ones, and remembers other owners');
SELECT is(open, 330, 'with a place each') FROM leadroute.rep_load WHERE team = 'west' AND rep = 'ana';
SELECT pg_temp.to_the_end('lr.leads', 'adopt');
SELECT is(open, 330, 'a second run adds nothing') FROM leadroute.rep_load;

-- route only what is new; the flow is off, so that they wait
DELETE FROM leadroute.lead_states;
DELETE FROM leadroute.rotation;
SELECT pg_temp.to_the_end('lr.leads', 'route', '100 hours 30 minutes');
SELECT results_eq($$SELECT status, code, count(*)::int FROM leadroute.lead_states GROUP BY 1, 2 ORDER BY 1$$,
	$$VALUES ('ignored', 'existing', 900), ('unrouted', 'pending', 100)$$, 'route decides only leads newer than newer_than');
SELECT is(status, 'warn', 'health says so') FROM leadroute.health WHERE check_name = 'unrouted leads';

-- a row that moved or came without a trigger is found by its missing state
DELETE FROM leadroute.lead_states WHERE lead IN ('500', '501');
SELECT is((leadroute.record_existing(a, c, 'lr.leads', NULL, NULL, 1)).recorded::int, 1, 'the rest, a batch at a time')
	FROM leadroute.attachments a, leadroute.catch_ups c;
SELECT pg_temp.to_the_end('lr.leads', 'ignore');
SELECT is(count(*)::int, 1000, 'all have a state') FROM leadroute.lead_states;

-- after a swap, rows without a state are new leads
CREATE TABLE lr.staging (LIKE lr.leads INCLUDING ALL);
INSERT INTO lr.staging SELECT * FROM lr.leads WHERE id > 10;
INSERT INTO lr.staging VALUES (2001, 'new', NULL, now(), false);
DROP TABLE lr.leads;
ALTER TABLE lr.staging RENAME TO leads;
SELECT isnt(replaced_at, NULL, 'the swap is noted') FROM leadroute.attachments;
SELECT is(status, 'warn', 'health asks for a catch-up') FROM leadroute.health WHERE check_name = 'catch-up';
SELECT pg_temp.to_the_end('lr.leads');
SELECT is(existing, 'route', 'the default is then route') FROM leadroute.catch_up_progress;
SELECT is(status || '/' || code, 'unrouted/pending', 'the new one is to be routed') FROM leadroute.lead_states WHERE lead = '2001';
SELECT is((SELECT count(*) FROM leadroute.lead_states)::int, 1001, 'the others keep what they had');

-- what the refresh did not bring back is gone after a while
UPDATE leadroute.lead_states SET status = 'assigned', code = 'assigned', owner = 'ana', team = 'west' WHERE lead IN ('9', '10', '11');
CALL leadroute.sweep();
SELECT is(count(*)::int, 0, 'not before gone_after') FROM leadroute.lead_states WHERE outcome = 'gone';
UPDATE leadroute.attachments SET refreshed_at = now() - interval '25 hours';
CALL leadroute.sweep();
SELECT results_eq($$SELECT lead COLLATE "default" FROM leadroute.lead_states WHERE outcome = 'gone' AND closed_at IS NOT NULL AND owner IS NOT NULL ORDER BY lead DESC$$, $$VALUES ('9'), ('10')$$, 'then closed as gone');
SELECT is(count(*)::int, 2, 'an event each') FROM leadroute.events WHERE code = 'gone' AND owner = 'ana';

-- a lead that arrived while the flow was off, and is gone when that is on
DELETE FROM lr.leads;
DELETE FROM leadroute.lead_states;
INSERT INTO lr.leads (id) VALUES (3001), (3002), (3003);
DELETE FROM lr.leads WHERE id = 3001;
UPDATE lr.leads SET is_deleted = true WHERE id = 3002;
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (1, 'all', 'team', 'west');
SELECT leadroute.activate();
/* what became of them is written at commit, or when somebody asks */
SELECT isnt_empty('SELECT leadroute.explain(3003)', 'the one that stands');
SELECT is(detail, '1 lead waits to be routed', 'health counts those that are there') FROM leadroute.health WHERE check_name = 'unrouted leads';
SELECT pg_temp.to_the_end('lr.leads');
SELECT results_eq('SELECT routed::int, failed::int FROM leadroute.catch_up_progress', 'VALUES (1, 0)', 'a lead that is gone neither waits nor fails');
SELECT is(status, 'ok', 'and all is well') FROM leadroute.health WHERE check_name = 'unrouted leads';
SELECT * FROM finish();
ROLLBACK;
