/*
 * test/pgtap/duplicates.sql
 *		Leads that share a key with an earlier one: linked, merged, refused, returning, sent again; keys that come, go
 *		and follow their rows; full syncs under each policy. Races are test/specs/iso_duplicate.spec's and test/t/033's.
 */
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset pager off
\set base leadroute_duplicates
SET client_min_messages = warning;
DROP DATABASE IF EXISTS :"base";
CREATE DATABASE :"base";
\connect :"base"
SET client_min_messages = warning;
CREATE EXTENSION pgtap;
CREATE EXTENSION leadroute CASCADE;
CREATE SCHEMA test;
SELECT no_plan();

INSERT INTO leadroute.reps (rep) VALUES ('ana'), ('bo'), ('mia');
INSERT INTO leadroute.teams (team) VALUES ('t');
INSERT INTO leadroute.team_members (team, rep) VALUES ('t', 'ana'), ('t', 'bo'), ('t', 'mia');
INSERT INTO leadroute.queues (queue) VALUES ('q');
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES
	(1, 'trash', $$company = 'Trash'$$, 'discard', NULL), (2, 'later', $$company = 'Later'$$, 'queue', 'q'),
	(3, 'again', $$facts.is_duplicate AND company = 'Again'$$, 'rep', 'mia'), (9, 'all', NULL, 'team', 't');
CREATE TABLE leads (id bigint PRIMARY KEY, external_id text, email text, phone text, first_name text, last_name text, company text, country text,
	note text, created_at timestamptz DEFAULT clock_timestamp(), owner text, team text, duplicate_of text, route_reason text);
SELECT leadroute.attach('public.leads') IS NOT NULL AS attached \gset
SELECT count(leadroute.activate()) AS activated \gset
INSERT INTO leadroute.outbox_consumers (consumer, types) VALUES ('crm', '{assigned,duplicate}');

/* The leads since it was last called: key, status, code, owner, duplicate_of; row and state must say the same. */
CREATE TABLE test.seen (lead text PRIMARY KEY);
CREATE FUNCTION test.story() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer	text;
BEGIN
	SELECT string_agg(concat_ws(' ', s.lead, s.status, s.code, 'of ' || s.duplicate_of, CASE WHEN s.owner = o.owner THEN 'its owner' WHEN s.owner IS NULL THEN 'nobody' ELSE 'somebody' END), ', ' ORDER BY s.lead::bigint)
		INTO answer
	FROM leadroute.lead_states s LEFT JOIN leadroute.lead_states o ON o.lead = s.duplicate_of
	WHERE s.lead NOT IN (SELECT t.lead FROM test.seen t);
	INSERT INTO test.seen SELECT s.lead FROM leadroute.lead_states s ON CONFLICT DO NOTHING;
	IF EXISTS (SELECT FROM leads l LEFT JOIN leadroute.lead_states s ON s.lead = l.id::text
			   WHERE (l.owner, l.duplicate_of) IS DISTINCT FROM (s.owner, s.duplicate_of)) THEN
		answer := concat_ws('; ', answer, 'a row and its state differ');
	END IF;
	IF EXISTS (SELECT FROM leadroute.rotation_drift())
		OR (SELECT sum(r.open) FROM leadroute.rotation r) IS DISTINCT FROM
		   (SELECT count(*) FROM leadroute.lead_states s WHERE s.status = 'assigned' AND s.owner IS NOT NULL AND s.closed_at IS NULL) THEN
		answer := concat_ws('; ', answer, 'places are not those of the leads');
	END IF;
	IF EXISTS (SELECT FROM leadroute.identities i LEFT JOIN leadroute.lead_states s ON s.lead = i.lead WHERE s.lead IS NULL OR s.closed_at IS NOT NULL AND s.outcome = 'deleted') THEN
		answer := concat_ws('; ', answer, 'a key is nobody''s');
	END IF;
	RETURN coalesce(answer, 'nothing');
END $$;
CREATE FUNCTION test.turns() RETURNS numeric LANGUAGE sql AS $$ SELECT sum(pointer) FROM leadroute.rep_load $$;

SELECT is((SELECT string_agg(concat_ws(' ', rule, kinds, action), ', ' ORDER BY position) FROM leadroute.match_rules),
	'external id {external_id} act, e-mail {email} act, phone and last name {phone,last_name} act, phone {phone} suggest', 'a new flow''s match rules: phone alone only suggests');
SELECT throws_ok($$INSERT INTO leadroute.match_rules (rule, position, kinds) VALUES ('names', 50, '{last_name}')$$, '23514', NULL, 'a last name alone cannot act');
SELECT throws_ok($$INSERT INTO leadroute.match_rules (rule, position, kinds) VALUES ('shoes', 50, '{shoe_size}')$$, '23514', NULL, 'nor an unknown kind');

-- link
INSERT INTO leads (id, email, phone, last_name, country) VALUES (1, 'Kim@acme.example', '(415) 555-2671', 'Ng', 'US');
INSERT INTO leads (id, email, last_name) VALUES (2, 'kim+demo@ACME.example', 'x');
INSERT INTO leads (id, email, phone, last_name) VALUES (3, 'other@acme.example', '+1 415 555 2671', 'NG'), (4, 'other@acme.example', NULL, NULL), (5, NULL, '+14155552671', 'Lee');
SELECT is(test.story(), '1 assigned assigned somebody, 2 duplicate duplicate of 1 its owner, 3 duplicate duplicate of 1 its owner, 4 duplicate duplicate of 1 its owner, 5 assigned assigned somebody',
	'linked by e-mail, by phone and name, through a duplicate to the first; not by phone alone');
SELECT is(test.turns(), 2::numeric, 'a duplicate takes no turn');
SELECT is((SELECT route_reason FROM leads WHERE id = 3), 'same phone+last_name as lead 1: ' || (SELECT owner FROM leads WHERE id = 1) || ' has it', 'the reason says it');
SELECT is((SELECT string_agg(type, ',' ORDER BY aggregateid) FROM leadroute.outbox), 'assigned,duplicate,duplicate,duplicate,assigned', 'and the owner is told');
SELECT is((SELECT leadroute.outbox_payload(o) ->> 'duplicate_of' FROM leadroute.outbox o WHERE aggregateid = '4'), '1', 'of which lead');
SELECT is((SELECT path FROM leadroute.events WHERE lead = '3'), '[{"lead": "1", "match": "phone+last_name"}]'::jsonb, 'the event says by which key');
SELECT is((SELECT count(*) FROM leadroute.explain(2) WHERE item = 'duplicate' AND name = '1'), 1::bigint, 'explain, of a stored lead');
SELECT is((SELECT string_agg(verdict, ',') FROM leadroute.explain(jsonb_populate_record(NULL::leads, '{"id": 99, "email": "KIM@acme.example"}')) WHERE item IN ('duplicate', 'decision')),
	'shares a key with it,duplicate', 'and of a row');
SELECT matches((SELECT detail FROM leadroute.explain(2) WHERE item = 'duplicate'), '^email kim@acme.example; ', 'with the key that they share');
UPDATE leadroute.flows SET mask_when = 'true';
SELECT matches((SELECT detail FROM leadroute.explain(2) WHERE item = 'duplicate'), '^email k\*\*\*@acme.example; ', 'masked where mask_when says so');
UPDATE leadroute.flows SET mask_when = NULL;
SELECT is((SELECT string_agg(kind || '=' || key, ' ' ORDER BY kind) FROM leads l, leadroute.lead_keys(l) WHERE id = 1), 'email=kim@acme.example phone+last_name=+14155552671|ng', 'lead_keys');

-- the same external id is the same lead, whatever else differs
INSERT INTO leads (id, external_id, email) VALUES (10, 'SF-1', 'ten@x.example');
INSERT INTO leads (id, external_id, email) VALUES (11, 'SF-1', 'eleven@y.example'), (12, 'SF-2', 'eleven@y.example');
SELECT is(test.story(), '10 assigned assigned somebody, 11 duplicate duplicate of 10 its owner, 12 duplicate duplicate of 10 its owner', 'by external id');

-- sent again
INSERT INTO leads (id, email, note) VALUES (20, 'click@x.example', 'hello');
INSERT INTO leads (id, email, note) VALUES (21, 'click@x.example', 'hello');
INSERT INTO leads (id, email, note) VALUES (22, 'click@x.example', 'something else');
SELECT is(test.story(), '20 assigned assigned somebody, 21 duplicate duplicate of 20 its owner, 22 duplicate duplicate of 20 its owner', 'a double click, and another request');
SELECT is((SELECT string_agg(aggregateid, ',' ORDER BY id) FROM leadroute.outbox WHERE type = 'duplicate' AND aggregateid::int >= 20), '22', 'only what is new is told');
BEGIN;
SET LOCAL leadroute.clock = '2026-06-01 12:00';
INSERT INTO leads (id, email) VALUES (23, 'slow@x.example');
SET LOCAL leadroute.clock = '2026-06-01 12:06';
INSERT INTO leads (id, email) VALUES (24, 'slow@x.example');
COMMIT;
SELECT is((SELECT count(*) FROM leadroute.outbox WHERE aggregateid = '24'), 1::bigint, 'and what comes after the replay window');
SELECT is(test.story(), '23 assigned assigned somebody, 24 duplicate duplicate of 23 its owner', 'linked all the same');

-- a first without an owner: decided as if fresh, and the result is its own too
INSERT INTO leads (id, email, company) VALUES (30, 'trash@x.example', 'Trash'), (31, 'later@x.example', 'Later');
SELECT is(test.story(), '30 discarded discarded nobody, 31 waiting queued nobody', 'discarded and waiting');
SELECT test.turns() AS before \gset
INSERT INTO leads (id, email, company) VALUES (32, 'trash@x.example', 'Good'), (33, 'later@x.example', 'Again'), (34, 'trash@x.example', 'Good');
SELECT is(test.story(), '32 duplicate duplicate of 30 its owner, 33 duplicate duplicate of 31 its owner, 34 duplicate duplicate of 30 its owner', 'the duplicates are decided by the rules');
SELECT is((SELECT string_agg(concat_ws(' ', l.id, s.status, s.code, l.owner = s.owner), ', ' ORDER BY l.id) FROM leads l JOIN leadroute.lead_states s ON s.lead = l.id::text WHERE l.id IN (30, 31)),
	'30 assigned assigned t, 31 assigned assigned t', 'the first ones have the result');
SELECT is((SELECT owner FROM leads WHERE id = 31), 'mia', 'facts.is_duplicate in a condition');
SELECT is(test.turns() - :before, 1::numeric, 'one turn for the two of them: a rule for a rep takes none');
INSERT INTO leads (id, email, company) VALUES (35, 'trash2@x.example', 'Trash');
INSERT INTO leads (id, email, company) VALUES (36, 'trash2@x.example', 'Trash');
SELECT is(test.story(), '35 discarded discarded nobody, 36 duplicate duplicate of 35 nobody', 'discarded again');

-- an owner in the row stays: the source gives out its leads
INSERT INTO leads (id, email, owner) VALUES (40, 'kim@acme.example', 'mia');
SELECT is((SELECT concat_ws(' ', status, code, owner, duplicate_of) FROM leadroute.lead_states WHERE lead = '40'), 'assigned given mia 1', 'a given owner is kept');
SELECT is(test.story() <> '', true, 'seen');

-- keys follow an UPDATE
UPDATE leads SET email = 'kim@new.example' WHERE id = 1;
SELECT is((SELECT string_agg(key, ' ' ORDER BY key) FROM leadroute.identities WHERE lead = '1'), '+14155552671|ng kim@new.example', 'a corrected e-mail');
INSERT INTO leads (id, email) VALUES (50, 'kim@new.example'), (51, 'kim@acme.example');
SELECT is(test.story(), '50 duplicate duplicate of 1 its owner, 51 assigned assigned somebody', 'the new one is known, the old one free');
UPDATE leads SET email = 'click@x.example' WHERE id = 51;
SELECT is((SELECT count(*) FROM leadroute.events WHERE lead = '51' AND kind = 'key_taken'), 1::bigint, 'one that another holds is an event');
SELECT is((SELECT concat_ws(' ', lead, other, status) FROM leadroute.duplicate_candidates), '20 51 open', 'and a suggestion');
UPDATE leads SET email = 'fiftyone@x.example' WHERE id = 51;
UPDATE leads SET id = 1000 WHERE id = 1;
SELECT is((SELECT string_agg(DISTINCT lead, ' ') FROM leadroute.identities WHERE key IN ('kim@new.example', '+14155552671|ng')), '1000', 'keys follow a change of the lead''s key');
INSERT INTO leads (id, email) VALUES (52, 'kim@new.example');
SELECT is((SELECT string_agg(DISTINCT duplicate_of, ' ') FROM leadroute.lead_states WHERE lead IN ('2', '3', '4', '50', '52')), '1000', 'duplicates go on pointing to it');
UPDATE leads SET note = 'touched', duplicate_of = NULL WHERE id IN (2, 3, 4, 40, 50);
SELECT is(test.story(), '52 duplicate duplicate of 1000 its owner, 1000 assigned assigned somebody', 'their rows with their next UPDATE of an output');

-- DELETE frees, the same key takes back
DELETE FROM leads WHERE id = 51;
SELECT is((SELECT count(*) FROM leadroute.identities WHERE lead = '51'), 0::bigint, 'DELETE frees keys');
INSERT INTO leads (id, email) VALUES (51, 'fiftyone@x.example');
SELECT is((SELECT count(*) FROM leadroute.identities WHERE lead = '51'), 1::bigint, 'the same key takes them back');
BEGIN; DELETE FROM leads WHERE id = 51; INSERT INTO leads (id, email) VALUES (53, 'fiftyone@x.example'); COMMIT;
SELECT is(test.story(), '53 assigned assigned somebody', 'freed at once, within the transaction');
INSERT INTO leads (id, email) VALUES (51, 'fiftyone@x.example');
SELECT is((SELECT lead FROM leadroute.identities WHERE key = 'fiftyone@x.example'), '53', 'who took it meanwhile keeps it');
BEGIN; DELETE FROM leads WHERE id = 53; INSERT INTO leads (id, email) VALUES (53, 'fiftythree@x.example'); COMMIT;
SELECT is((SELECT string_agg(key, ' ') FROM leadroute.identities WHERE lead = '53'), 'fiftythree@x.example', 'deleted and inserted with another e-mail');
WITH d AS (DELETE FROM leads WHERE id = 53 RETURNING id) INSERT INTO leads (id, email) SELECT id, 'replaced@x.example' FROM d;
SELECT is((SELECT string_agg(key, ' ') FROM leadroute.identities WHERE lead = '53'), 'replaced@x.example', 'by one statement too');
UPDATE leads SET email = 'fiftythree@x.example' WHERE id = 53;
BEGIN; SAVEPOINT s; DELETE FROM leads WHERE id = 53; ROLLBACK TO s; COMMIT;
SELECT is((SELECT string_agg(key, ' ') FROM leadroute.identities WHERE lead = '53'), 'fiftythree@x.example', 'a DELETE that rolled back frees nothing');
TRUNCATE leads;
SELECT is((SELECT count(*) > 10 FROM leadroute.identities), true, 'TRUNCATE is a refresh: keys stay');
INSERT INTO leads (id, email) VALUES (53, 'fiftythree@x.example'), (54, 'fiftythree@x.example');
SELECT is(test.story(), '54 duplicate duplicate of 53 its owner', 'and the leads are known by them');
DELETE FROM leads;

-- returning
UPDATE leadroute.flows SET returning_after = '90 days';
BEGIN;
SET LOCAL leadroute.clock = '2026-06-01 12:00';
INSERT INTO leads (id, email) VALUES (60, 'back@x.example'), (61, 'gone@x.example'), (62, 'closed@x.example');
COMMIT;
SELECT is(test.story(), '60 assigned assigned somebody, 61 assigned assigned somebody, 62 assigned assigned somebody', 'three leads');
SELECT test.turns() AS before \gset
UPDATE leadroute.reps SET active = false WHERE rep = (SELECT owner FROM leads WHERE id = 61);
UPDATE leadroute.lead_states SET closed_at = '2026-06-02', outcome = 'lost' WHERE lead = '62';
SELECT leadroute.rotation_open('default', team, owner, -1) FROM leadroute.lead_states WHERE lead = '62' \gset
BEGIN;
SET LOCAL leadroute.clock = '2026-06-10';
INSERT INTO leads (id, email) VALUES (63, 'back@x.example'), (64, 'closed@x.example');
SET LOCAL leadroute.clock = '2026-10-01';
INSERT INTO leads (id, email) VALUES (65, 'back@x.example'), (66, 'gone@x.example'), (67, 'back@x.example'), (68, 'closed@x.example');
COMMIT;
SELECT is(test.story(), '63 duplicate duplicate of 60 its owner, 64 assigned returning of 62 its owner, 65 assigned returning of 60 its owner, 66 assigned returning of 61 somebody, 67 duplicate duplicate of 65 its owner, 68 assigned returning of 64 its owner',
	'closed, old, old with an owner who left; and who comes after them is theirs');
SELECT is(test.turns() - :before, 1::numeric, 'only who is routed afresh takes a turn');
UPDATE leadroute.reps SET active = true;
UPDATE leadroute.flows SET returning_after = NULL;

-- refuse
UPDATE leadroute.flows SET duplicate_policy = 'refuse';
SELECT throws_ok($$INSERT INTO leads (id, email) VALUES (70, 'BACK@x.example')$$, '23505', 'lead "70" is a duplicate of lead "65"', 'refused');
INSERT INTO leads (id, email) VALUES (65, 'back@x.example') ON CONFLICT (id) DO UPDATE SET note = 'known';
SELECT is(test.story(), 'nothing', 'a known lead is not');

-- merge
UPDATE leadroute.flows SET duplicate_policy = 'merge';
INSERT INTO leadroute.merge_columns (column_name, keeps) VALUES ('company', 'latest'), ('first_name', 'first'), ('note', 'never');
INSERT INTO leads (id, email, company, first_name) VALUES (80, 'merge@x.example', 'Old', 'Kim');
SELECT is(test.story(), '80 assigned assigned somebody', 'the first');
CREATE TABLE test.returned AS SELECT 0 AS id LIMIT 0;
WITH i AS (INSERT INTO leads (id, email, phone, last_name, country, company, first_name, note) VALUES (81, 'MERGE@x.example', '(415) 555-2699', 'Ng', 'US', 'New', 'Kimberly', 'n'),
	(82, 'other82@x.example', NULL, NULL, NULL, NULL, NULL, NULL) RETURNING id) INSERT INTO test.returned SELECT id FROM i;
SELECT is((SELECT string_agg(id::text, ',') FROM test.returned), '82', 'the statement reports one row fewer');
SELECT is((SELECT concat_ws(' ', email, phone, last_name, company, first_name, coalesce(note, '-')) FROM leads WHERE id = 80), 'merge@x.example (415) 555-2699 Ng New Kim -', 'fill_blank, latest, first, never');
SELECT is(test.story(), '81 merged absorbed of 80 its owner, 82 assigned assigned somebody', 'the absorbed key keeps a state');
SELECT is((SELECT string_agg(lead, ' ' ORDER BY kind) FROM leadroute.identities WHERE key IN ('merge@x.example', '+14155552699|ng')), '80 80', 'what it brought is the first one''s');
SELECT is((SELECT path -> 0 -> 'changed' -> 'company' FROM leadroute.events WHERE lead = '80' AND kind = 'absorbed'), '{"from": "Old", "to": "New"}'::jsonb, 'the event keeps what changed');
SELECT is((SELECT path -> 0 -> 'row' ->> 'note' FROM leadroute.events WHERE lead = '80' AND kind = 'absorbed'), 'n', 'and the row');
SELECT count(*) AS events FROM leadroute.events \gset
INSERT INTO leads (id, email, company) VALUES (81, 'merge@x.example', 'Newer');
INSERT INTO leads (id, email, company) VALUES (81, 'merge@x.example', 'Newest') ON CONFLICT (id) DO UPDATE SET company = EXCLUDED.company;
SELECT is((SELECT count(*) - :events FROM leadroute.events), 0::bigint, 'each later sync of it is known and writes nothing');
SELECT is((SELECT company FROM leads WHERE id = 80), 'New', 'nor changes it the first');
SELECT is(leadroute.unmerge(81), 'lead 81 is a lead of its own', 'unmerge');
SELECT is((SELECT concat_ws(' ', email, company, first_name, coalesce(phone, '-')) FROM leads WHERE id = 80), 'merge@x.example Old Kim -', 'gives the first back what it had');
SELECT is((SELECT concat_ws(' ', email, phone, company, note, owner IS NOT NULL) FROM leads WHERE id = 81), 'MERGE@x.example (415) 555-2699 New n t', 'and the other its row');
SELECT is((SELECT lead FROM leadroute.identities WHERE key = '+14155552699|ng'), '81', 'with the key that only it has');
SELECT throws_ok('SELECT leadroute.unmerge(81)', '55000', 'lead "81" of flow "default" was not merged into another', 'once');
INSERT INTO leads (id, email) VALUES (83, 'two@x.example'), (84, 'two@x.example'), (84, 'two@x.example');
SELECT is((SELECT count(*) FROM leads WHERE id IN (83, 84)), 1::bigint, 'two rows of one statement, and one of them twice');
COPY leads (id, email, company) FROM STDIN;
880	two@x.example	Copied
881	two@x.example	\N
\.
SELECT is((SELECT concat_ws(' ', company, (SELECT string_agg(concat_ws(' ', lead, status), ', ' ORDER BY lead) FROM leadroute.lead_states WHERE lead IN ('880', '881'))) FROM leads WHERE id = 83), 'Copied 880 merged, 881 merged', 'and COPY');
DELETE FROM leads WHERE id = 83;
INSERT INTO leads (id, email) VALUES (84, 'two@x.example');
SELECT is((SELECT status FROM leadroute.lead_states WHERE lead = '84'), 'assigned', 'who was merged into one that is gone is a lead');
SELECT is(test.story() NOT LIKE '%;%', true, 'all is whole');
-- a merge that the table refuses costs no lead
SET client_min_messages = error;
CREATE UNIQUE INDEX leads_note ON leads (note);
INSERT INTO leadroute.merge_columns (column_name, keeps) VALUES ('country', 'latest');
UPDATE leadroute.merge_columns SET keeps = 'latest' WHERE column_name = 'note';
INSERT INTO leads (id, email, note) VALUES (85, 'note85@x.example', 'taken'), (86, 'note86@x.example', NULL);
INSERT INTO leads (id, email, note) VALUES (87, 'note86@x.example', 'taken');
SELECT is((SELECT concat_ws(' ', count(*), min(path -> 0 -> 'row' ->> 'note')) FROM leadroute.events WHERE lead = '86' AND kind = 'absorbed'), '1 taken', 'it is a WARNING, and the row is kept');
DROP INDEX leads_note;
SET client_min_messages = warning;
DELETE FROM leadroute.merge_columns;
DELETE FROM leads;

-- adopted leads
SELECT leadroute.detach('public.leads') IS NOT NULL AS detached \gset
UPDATE leadroute.flows SET duplicate_policy = 'link';
TRUNCATE leadroute.lead_states, leadroute.identities, leadroute.events, leadroute.duplicate_candidates, test.seen;
TRUNCATE leadroute.rotation;
CREATE TABLE old_leads (LIKE leads INCLUDING ALL);
INSERT INTO old_leads (id, email, owner) VALUES (1, 'adopted@x.example', 'ana'), (2, 'Adopted@x.example', 'bo'), (3, 'alone@x.example', NULL);
SELECT leadroute.attach('public.old_leads') IS NOT NULL AS attached \gset
CALL leadroute.catch_up('public.old_leads', existing => 'adopt');
SELECT is((SELECT string_agg(concat_ws(' ', key, lead), ', ' ORDER BY key) FROM leadroute.identities), 'adopted@x.example 1, alone@x.example 3', 'adopted leads get their keys');
SELECT is((SELECT concat_ws(' ', lead, other, evidence) FROM leadroute.duplicate_candidates), '1 2 {"rule: e-mail": {"likeness": "exact"}}', 'duplicates among them are reported');
SELECT is((SELECT string_agg(concat_ws(' ', id, owner, coalesce(duplicate_of, '-')), ', ' ORDER BY id) FROM old_leads), '1 ana -, 2 bo -, 3 -', 'and not changed');
INSERT INTO old_leads (id, email) VALUES (4, 'ADOPTED@x.example'), (5, 'alone@x.example');
SELECT is((SELECT string_agg(concat_ws(' ', id, duplicate_of, owner IS NOT NULL), ', ' ORDER BY id) FROM old_leads WHERE id > 3), '4 1 t, 5 3 t', 'who comes later is their duplicate');
SELECT is((SELECT concat_ws(' ', owner) FROM old_leads WHERE id = 3), '', 'one that is only recorded stays as it is');
CALL leadroute.catch_up('public.old_leads');
SELECT is((SELECT count(*) FROM leadroute.duplicate_candidates), 1::bigint, 'again: nothing more');
SELECT leadroute.detach('public.old_leads') IS NOT NULL AS detached \gset
-- those that are to be routed are linked then
TRUNCATE leadroute.lead_states, leadroute.identities, leadroute.events, leadroute.duplicate_candidates, leadroute.rotation, test.seen;
UPDATE old_leads SET owner = NULL, duplicate_of = NULL;
SELECT leadroute.attach('public.old_leads') IS NOT NULL AS attached \gset
CALL leadroute.catch_up('public.old_leads', existing => 'route');
SELECT is((SELECT string_agg(concat_ws(' ', l.id, s.status, 'of ' || l.duplicate_of, l.owner = o.owner), ', ' ORDER BY l.id) FROM old_leads l JOIN leadroute.lead_states s ON s.lead = l.id::text LEFT JOIN old_leads o ON o.id::text = l.duplicate_of),
	'1 assigned, 2 duplicate of 1 t, 3 assigned, 4 duplicate of 1 t, 5 duplicate of 3 t', 'catch_up that routes links duplicates');
SELECT is((SELECT count(*) FROM leadroute.duplicate_candidates), 0::bigint, 'and has nothing to suggest');
-- what a full refresh does not bring back is gone with its keys
BEGIN;
SET LOCAL leadroute.clock = '2030-01-01';
TRUNCATE old_leads;
INSERT INTO old_leads (id, email) VALUES (1, 'adopted@x.example');
COMMIT;
SET leadroute.clock = '2030-02-01';
CALL leadroute.sweep();
CALL leadroute.sweep();
RESET leadroute.clock;
SELECT is((SELECT string_agg(concat_ws(' ', lead, outcome), ', ' ORDER BY lead) FROM leadroute.lead_states), '1, 2 gone, 3 gone, 4 gone, 5 gone', 'gone, duplicates too');
SELECT is((SELECT string_agg(key, ' ') FROM leadroute.identities), 'adopted@x.example', 'and so are their keys');
SELECT leadroute.detach('public.old_leads') IS NOT NULL AS detached \gset

-- three full syncs as Airbyte writes them, five in a hundred are duplicates, under each policy: all is said after the second
DELETE FROM leadroute.rules WHERE condition IS NOT NULL;
CREATE FUNCTION test.sync(policy text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	events	bigint[];
	row		record;
BEGIN
	TRUNCATE leadroute.lead_states, leadroute.identities, leadroute.events, leadroute.rotation;
	DROP TABLE IF EXISTS airbyte;
	CREATE TABLE airbyte ("Id" text, "Email" text, "Phone" text, "LastName" text, "OwnerId" text, _airbyte_raw_id text, _airbyte_extracted_at timestamptz);
	CREATE INDEX ON airbyte ("Id");
	PERFORM leadroute.attach('public.airbyte', columns => '{"key": "Id", "email": "Email", "phone": "Phone", "last_name": "LastName", "owner": "OwnerId"}');
	UPDATE leadroute.flows SET duplicate_policy = policy;
	FOR round IN 1 .. 3 LOOP
		CREATE TEMP TABLE source AS
			SELECT 'L' || i AS id, format('p%s@x.example', CASE WHEN i % 20 = 0 THEN i - 7 ELSE i END) AS email, NULL::text AS phone, 'Ng' AS last_name FROM generate_series(1, 400) i;
		IF policy = 'refuse' THEN
			/* a whole statement fails with its first duplicate: row by row, as a form's back end writes */
			FOR row IN SELECT * FROM source LOOP
				BEGIN
					UPDATE airbyte SET "Email" = row.email, _airbyte_raw_id = round || row.id WHERE "Id" = row.id;
					IF NOT FOUND THEN
						INSERT INTO airbyte SELECT row.id, row.email, row.phone, row.last_name, NULL, round || row.id, clock_timestamp();
					END IF;
				EXCEPTION WHEN unique_violation THEN
					NULL;
				END;
			END LOOP;
		ELSE
			WITH updates AS (UPDATE airbyte a SET "Email" = s.email, "Phone" = s.phone, "LastName" = s.last_name, "OwnerId" = NULL, _airbyte_raw_id = round || s.id, _airbyte_extracted_at = clock_timestamp()
							 FROM source s WHERE a."Id" = s.id)
				INSERT INTO airbyte SELECT s.id, s.email, s.phone, s.last_name, NULL, round || s.id, clock_timestamp() FROM source s WHERE NOT EXISTS (SELECT FROM airbyte a WHERE a."Id" = s.id);
		END IF;
		DROP TABLE source;
		events := events || (SELECT count(*) FROM leadroute.events);
	END LOOP;
	PERFORM leadroute.detach('public.airbyte');
	RETURN format('%s leads, %s originals, %s', (SELECT count(*) FROM airbyte),
				  (SELECT count(*) FROM leadroute.lead_states WHERE duplicate_of IS NULL),
				  CASE WHEN events[3] = events[2] AND events[2] = events[1] AND events[1] >= 380 THEN 'nothing after the first' ELSE events::text END);
END $$;
SELECT is(test.sync('link'), '400 leads, 380 originals, nothing after the first', 'three full syncs: link');
SELECT is(test.sync('merge'), '380 leads, 380 originals, nothing after the first', 'three full syncs: merge');
SELECT is(test.sync('refuse'), '380 leads, 380 originals, nothing after the first', 'three full syncs: refuse');
UPDATE leadroute.flows SET duplicate_policy = 'link';

\ir fixture/end.sql
