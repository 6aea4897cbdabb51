-- Output columns of other types than ours: filled through their type's input function; a lead is never lost for them.
BEGIN;
SELECT plan(12);

INSERT INTO leadroute.reps (rep) VALUES ('7');
INSERT INTO leadroute.teams (team) VALUES ('numbers');
INSERT INTO leadroute.team_members (team, rep) VALUES ('numbers', '7');
INSERT INTO leadroute.queues (queue) VALUES ('desk');

CREATE TABLE leads (
	id				bigint PRIMARY KEY,
	email			text,
	owner_id		bigint NOT NULL,
	team			varchar(30),
	route_reason	varchar(12),
	routed_at		text
);
SELECT lives_ok($$SELECT leadroute.attach('leads', columns => '{"owner": "owner_id"}')$$, 'an owner of type bigint fits');
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES
	(2, 'desk', $$email LIKE '%@desk.example'$$, 'queue', 'desk'),
	(9, 'all', NULL, 'team', 'numbers');
SELECT lives_ok('SELECT leadroute.activate()', 'the flow is whole');

INSERT INTO leads (id, email, owner_id) VALUES (1, 'a@all.example', 42);
SELECT is(owner_id, 7::bigint, 'the rep''s key, as a number') FROM leads WHERE id = 1;
SELECT is(route_reason, 'rule "all" (', 'a sentence is cut where its column is narrow') FROM leads WHERE id = 1;
SELECT is(l.routed_at::timestamptz, s.routed_at, 'a time as text') FROM leads l JOIN leadroute.lead_states s ON s.lead = '1' WHERE l.id = 1;

INSERT INTO leads (id, email, owner_id) VALUES (2, 'a@desk.example', 42);
SELECT is(owner_id, 42::bigint, 'a waiting lead has no owner: the source''s stays where the column must have a value') FROM leads WHERE id = 2;
SELECT is(ARRAY[status, owner, source_owner], ARRAY['waiting', NULL, '42'], '... and is remembered as the source''s') FROM leadroute.lead_states WHERE lead = '2';
UPDATE leads SET owner_id = 42 WHERE id = 1;
SELECT is(owner_id, 7::bigint, 'the source''s owner sent again changes nothing') FROM leads WHERE id = 1;

/* a key that is no number: refused while a flow is whole, so it comes in behind the check's back, before the commit that would ask */
INSERT INTO leadroute.reps (rep) VALUES ('ana');
INSERT INTO leadroute.teams (team) VALUES ('names');
INSERT INTO leadroute.team_members (team, rep) VALUES ('names', 'ana');
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES (1, 'names', $$email LIKE '%@names.example'$$, 'team', 'names');
SET LOCAL client_min_messages = error;
INSERT INTO leads (id, email, owner_id) VALUES (3, 'a@names.example', 43);
SELECT is(owner_id, 43::bigint, 'a key that the column cannot hold: the row goes in as it came') FROM leads WHERE id = 3;
SELECT is(ARRAY[status, code], ARRAY['unrouted', 'routing_error'], '... and says so') FROM leadroute.lead_states WHERE lead = '3';
SELECT is(sum(open), NULL, '... and nobody''s turn was taken') FROM leadroute.rotation WHERE rep = 'ana';

SELECT is_empty('SELECT code FROM leadroute.events UNION SELECT code FROM leadroute.lead_states EXCEPT SELECT code FROM leadroute.codes',
	'every code is of the closed list');
SELECT * FROM finish();
ROLLBACK;
