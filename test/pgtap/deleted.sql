-- rows that arrive marked as deleted, however they come back
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = warning;
SELECT plan(22);

CREATE SCHEMA lr;
CREATE TABLE lr.leads (id bigint PRIMARY KEY, email text, is_deleted boolean NOT NULL DEFAULT false, owner text);
SELECT leadroute.attach('lr.leads', columns => '{"deleted": "is_deleted"}') \g /dev/null
INSERT INTO leadroute.reps (rep) VALUES ('ana'), ('bo');
INSERT INTO leadroute.teams (team) VALUES ('west');
INSERT INTO leadroute.team_members (team, rep) VALUES ('west', 'ana'), ('west', 'bo');
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (1, 'all', 'team', 'west');
SELECT leadroute.activate() \g /dev/null
CREATE VIEW lr.states AS SELECT string_agg(format('%s %s/%s %s %s', lead, status, code, coalesce(owner, '-'), coalesce(outcome, '-')), ', ' ORDER BY lead::int) AS states FROM leadroute.lead_states;

INSERT INTO lr.leads (id, is_deleted) SELECT g, true FROM generate_series(1, 6) g;
SELECT is(states, '1 unrouted/deleted - deleted, 2 unrouted/deleted - deleted, 3 unrouted/deleted - deleted, 4 unrouted/deleted - deleted, 5 unrouted/deleted - deleted, 6 unrouted/deleted - deleted', 'not routed, and closed') FROM lr.states;
SELECT is(count(*)::int, 6, 'an event each') FROM leadroute.events;
SELECT is(count(*)::int, 0, 'no place taken') FROM leadroute.rotation WHERE open <> 0;

-- loaded again as they were
DELETE FROM lr.leads;
INSERT INTO lr.leads (id, is_deleted) SELECT g, true FROM generate_series(1, 6) g;
INSERT INTO lr.leads (id, is_deleted) VALUES (1, true) ON CONFLICT (id) DO UPDATE SET is_deleted = EXCLUDED.is_deleted;
UPDATE lr.leads SET is_deleted = true, email = 'x';
SET CONSTRAINTS ALL IMMEDIATE;
SELECT is((SELECT count(*)::int FROM leadroute.events), 6, 'a reload is nothing new');

-- undeleted: by UPDATE, by DELETE and INSERT, by an upsert, by an upsert of several, by MERGE
UPDATE lr.leads SET is_deleted = false WHERE id = 1;
SELECT is(owner, 'ana', 'UPDATE') FROM lr.leads WHERE id = 1;
DELETE FROM lr.leads WHERE id = 2;
INSERT INTO lr.leads (id) VALUES (2);
SELECT is(owner, 'bo', 'DELETE and INSERT') FROM lr.leads WHERE id = 2;
INSERT INTO lr.leads (id) VALUES (3) ON CONFLICT (id) DO UPDATE SET is_deleted = EXCLUDED.is_deleted, owner = EXCLUDED.owner;
SELECT is(owner, 'ana', 'an upsert') FROM lr.leads WHERE id = 3;
INSERT INTO lr.leads (id) VALUES (4), (7) ON CONFLICT (id) DO UPDATE SET is_deleted = EXCLUDED.is_deleted;
SELECT is(string_agg(id || owner, ' ' ORDER BY id), '4bo 7ana', 'an upsert with a new lead') FROM lr.leads WHERE id IN (4, 7);
MERGE INTO lr.leads l USING (VALUES (5)) v(id) ON l.id = v.id WHEN MATCHED THEN UPDATE SET is_deleted = false WHEN NOT MATCHED THEN INSERT (id) VALUES (v.id);
SELECT is(owner, 'bo', 'MERGE') FROM lr.leads WHERE id = 5;
INSERT INTO lr.leads (id) VALUES (6) ON CONFLICT DO NOTHING;
SELECT is(owner, NULL, 'ON CONFLICT DO NOTHING does nothing') FROM lr.leads WHERE id = 6;
SELECT is(states, '1 assigned/assigned ana -, 2 assigned/assigned bo -, 3 assigned/assigned ana -, 4 assigned/assigned bo -, 5 assigned/assigned bo -, 6 unrouted/deleted - deleted, 7 assigned/assigned ana -', 'open, each with its owner') FROM lr.states;
SELECT is(string_agg(n::text, ' '), '1 1 1 1 1 1', 'decided once each') FROM (SELECT count(*) n FROM leadroute.events WHERE code = 'assigned' GROUP BY lead) x;
SELECT is(string_agg(format('%s %s %s', rep, pointer::int, open), ', ' ORDER BY rep), 'ana 3 3, bo 3 3', 'turns and places') FROM leadroute.rep_load;

-- and gone again
UPDATE lr.leads SET is_deleted = true WHERE id = 1;
DELETE FROM lr.leads WHERE id = 2;
SET CONSTRAINTS ALL IMMEDIATE;
SELECT * FROM leadroute.explain('3') \g /dev/null
SELECT is(string_agg(lead || outcome, ' ' ORDER BY lead), '1deleted 2deleted', 'closed') FROM leadroute.lead_states WHERE closed_at IS NOT NULL AND owner IS NOT NULL;
UPDATE lr.leads SET is_deleted = false WHERE id = 1;
INSERT INTO lr.leads (id) VALUES (2);
SELECT * FROM leadroute.explain('3') \g /dev/null
SELECT is(string_agg(id || owner, ' ' ORDER BY id), '1ana 2bo', 'who comes back has what he had') FROM lr.leads WHERE id IN (1, 2);
SELECT is(count(*)::int, 0, 'and is open') FROM leadroute.lead_states WHERE closed_at IS NOT NULL AND owner IS NOT NULL;
SELECT is(string_agg(format('%s %s %s', rep, pointer::int, open), ', ' ORDER BY rep), 'ana 3 3, bo 3 3', 'no turn, its place') FROM leadroute.rep_load;

-- all of it in one transaction
UPDATE lr.leads SET is_deleted = true WHERE id = 3;
DELETE FROM lr.leads WHERE id = 3;
INSERT INTO lr.leads (id) VALUES (3);
SELECT * FROM leadroute.explain('4') \g /dev/null
SELECT is(closed_at, NULL, 'marked, deleted and inserted: as it was') FROM leadroute.lead_states WHERE lead = '3';
INSERT INTO lr.leads (id, is_deleted) VALUES (21, true), (22, true);
DELETE FROM lr.leads WHERE id = 21;
INSERT INTO lr.leads (id) VALUES (21);
UPDATE lr.leads SET is_deleted = true, email = 'y' WHERE id = 22;
UPDATE lr.leads SET is_deleted = false WHERE id = 22;
SELECT * FROM leadroute.explain('3') \g /dev/null
SELECT is(string_agg(format('%s %s %s', lead, status, closed_at IS NULL), ', ' ORDER BY lead), '21 assigned t, 22 assigned t', 'arrived deleted and undeleted in one transaction') FROM leadroute.lead_states WHERE lead LIKE '2_';
SELECT is(string_agg(format('%s %s %s', rep, pointer::int, open), ', ' ORDER BY rep), 'ana 4 4, bo 4 4', 'turns and places') FROM leadroute.rep_load;

-- arrived deleted while the flow was off
SELECT leadroute.deactivate() \g /dev/null
INSERT INTO lr.leads (id, is_deleted) VALUES (8, true);
SELECT is(count(*)::int, 0, 'recorded without an event') FROM leadroute.events WHERE lead = '8';
SELECT leadroute.activate() \g /dev/null
UPDATE lr.leads SET is_deleted = false WHERE id = 8;
SELECT isnt(owner, NULL, 'routed when undeleted') FROM lr.leads WHERE id = 8;
SELECT * FROM finish();
ROLLBACK;
