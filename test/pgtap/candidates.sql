-- likely duplicates: what is compared, what is suggested, what is not, and what a decision does; inside this transaction each CALL does one batch
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = error;
SELECT no_plan();

CREATE FUNCTION pg_temp.find(in_flow text DEFAULT 'default', again boolean DEFAULT false, batch int DEFAULT 1000) RETURNS leadroute.match_runs
LANGUAGE plpgsql AS $$
DECLARE
	run	leadroute.match_runs;
BEGIN
	FOR n IN 1 .. 1000 LOOP
		CALL leadroute.find_duplicates(in_flow, batch, again AND n = 1);
		SELECT r.* INTO run FROM leadroute.match_runs r WHERE r.flow = in_flow;
		IF run.phase = 'done' THEN
			RETURN run;
		END IF;
	END LOOP;
	RETURN NULL;
END
$$;
CREATE FUNCTION pg_temp.pairs(in_flow text DEFAULT 'default') RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(d.lead || '-' || d.other, ' ' ORDER BY d.lead, d.other), '') FROM leadroute.duplicate_candidates d WHERE d.flow = in_flow AND d.status = 'open' $$;

-- values as they are compared
SELECT is(leadroute.match_value(kind, value, country), wanted, format('%s %s', kind, value))
FROM (VALUES ('first_name', ' José-María ', NULL, 'josemaria'), ('last_name', 'O''Brien', NULL, 'obrien'), ('last_name', 'n/a', NULL, NULL),
	('email', 'Kim.Lee+x@GoogleMail.com', NULL, 'kimlee@gmail.com'), ('email', ' KIM@@acme', NULL, 'kim@@acme'), ('email', 'none', NULL, NULL),
	('phone', '(415) 200-7986', 'USA', '+14152007986'), ('phone', '(415) 200-7986', NULL, '4152007986'), ('phone', '0000000', NULL, NULL), ('phone', '555-0100', 'us', NULL),
	('company', 'The Acme Company, Inc.', NULL, 'acme'), ('website', 'https://www.mail.acme.co.uk/x', NULL, 'acme.co.uk'),
	('address', '854 Seventh Avenue, West', NULL, '854 7th ave w'), ('postal_code', '7725', 'us', '07725'), ('postal_code', '00000', NULL, NULL),
	('region', 'Calif.', 'us', 'ca'), ('region', 'New South Wales', NULL, 'newsouthwales'), ('country', 'Deutschland', NULL, 'de'),
	('birth_date', '1971-06-24 00:00:00', NULL, '19710624'), ('birth_date', '24/06/1971', NULL, '19710624'), ('birth_date', '6/24/1971', NULL, '19710624'),
	('birth_date', '19710624', NULL, '19710624'), ('birth_date', '1900-01-01', NULL, NULL), ('birth_date', 'spring', NULL, NULL), ('birth_date', '', NULL, NULL),
	('identifier', 'AB 12-34', NULL, 'ab1234')) v(kind, value, country, wanted);
SELECT throws_ok($$SELECT leadroute.match_value('colour', 'red')$$, '22023', 'kind cannot be "colour"', 'a kind that there is not');

-- likeness
SELECT is(leadroute.likeness(kind, a, b), wanted, format('%s: %s and %s', kind, a, b)) FROM (VALUES
	('first_name', 'robert', 'robert', 'exact'), ('first_name', 'robert', 'roebrt', 'near'), ('first_name', 'robert', 'bob', 'similar'), ('first_name', 'r', 'robert', 'similar'),
	('first_name', 'robert', 'alice', 'different'), ('first_name', 'mia', 'mai', 'near'), ('first_name', 'al', 'bo', 'different'), ('last_name', 'r', 'robert', 'different'),
	('last_name', 'kennedy', 'kenedy', 'near'), ('last_name', 'müller', 'mller', 'near'), ('last_name', '田中', '田中', 'exact'), ('last_name', '田中', '山本', 'different'),
	('email', 'a.b@x.com', 'a.b@x.com', 'exact'), ('email', 'info@x.com', 'info@x.com', 'weak'), ('email', 'roberta25@smith.net', 'robert255@smith.net', 'near'),
	('email', 'haoleyk@hrustonnet', 'harleyk@houston.net', 'near'), ('email', 'dracdonald@rivers-glass.biz', 'dmacdoald@riverb-glass.siz', 'similar'), ('email', 'kim.lee@acme.com', 'kim.lee@gmail.com', 'similar'), ('email', 'maria.31@acme.com', 'maria.41@acme.com', 'close'), ('email', 'j.smith@acme.com', 'k.smith@acme.com', 'similar'),
	('email', 'kim@acme.com', 'bob@acme.com', 'weak'), ('email', 'kim@acme.com', 'bob@bolt.com', 'different'),
	('phone', '+14152007986', '4152007986', 'exact'), ('phone', '+14152007986', '+14152007968', 'near'), ('phone', '+14152007986', '+14152001234', 'close'),
	('phone', '+14152007986', '+442071838750', 'different'),
	('company', 'bel air hotel', 'hotel bel air', 'exact'), ('company', 'fenix', 'fenix at the argyle', 'near'), ('company', 'acme', 'bolt', 'different'),
	('address', '854 7th ave between 54th and 55th sts', '854 7th ave', 'near'), ('address', '9560 dayton way', '123 dayton way', 'close'), ('address', '9560 dayton way', '9580 dayton way', 'similar'), ('address', 'hauptstr 5', 'hauptstr 8', 'close'), ('address', '1 main st', '9 oak rd', 'different'),
	('postal_code', '94105', '94150', 'near'), ('postal_code', '94105', '10001', 'different'),
	('birth_date', '19710624', '19710524', 'near'), ('birth_date', '19710612', '19711206', 'near'), ('birth_date', '19710624', '19810625', 'close'), ('first_name', 'peter', 'petra', 'different'), ('first_name', 'daniel', 'daniela', 'different'), ('first_name', 'mia', 'michael', 'different'), ('first_name', 'concha', 'concepcion', 'similar'), ('first_name', 'gosia', 'malgorzata', 'similar'), ('email', 'peter.muller@gmx.de', 'petra.muller@gmx.de', 'close'),
	('birth_date', '19710624', '19720301', 'close'), ('birth_date', '19710624', '19400101', 'different'),
	('identifier', '6988048', '6988084', 'near'), ('identifier', '6988048', '1234567', 'different'), ('country', 'us', 'ca', 'different')) v(kind, a, b, wanted);
SELECT is(leadroute.likeness('last_name', repeat('x', 5000), repeat('x', 4999) || 'y'), 'near', 'only the beginning of a long value is compared')
	WHERE leadroute.likeness('last_name', repeat('x', 5000), repeat('x', 4999) || 'y') <> 'exact';
SELECT is(count(*)::int, 0, 'a likeness is the same both ways')
FROM (VALUES ('martha', 'marhta'), ('jones', 'johnson'), ('abroms', 'abrams'), ('dwayne', 'duane'), ('ab', 'abcdef')) v(a, b), (VALUES ('first_name'), ('company'), ('address'), ('email'), ('identifier')) k(kind)
WHERE leadroute.likeness(kind, a, b) <> leadroute.likeness(kind, b, a);

-- every level has a weight, and levels lose weight in their order
SELECT is_empty($$SELECT kind FROM leadroute.match_levels() GROUP BY kind HAVING sum(matches) > 1.0001 OR count(DISTINCT level) <> count(*)$$, 'the levels of a kind exclude each other');
SELECT ok(leadroute.match_bits('default', kind) @> '{0}' OR cardinality(leadroute.match_bits('default', kind)) = 6, kind || ' has six weights') FROM leadroute.match_levels() GROUP BY kind;
SELECT throws_ok($$INSERT INTO leadroute.match_weights (kind, level, matches, others) VALUES ('country', 'near', 0.5, 0.5)$$, '23514', 'country has no level "near"', 'a weight of a level that the kind has not');
SELECT throws_ok($$INSERT INTO leadroute.match_fields (field, kind, columns) VALUES ('x', 'colour', '{email}')$$, '23514', 'kind cannot be "colour"', 'a field of a kind that there is not');

-- a table of people; match rules are not asked here, so that every link is find_duplicates()' doing
INSERT INTO leadroute.flows (flow) VALUES ('default') ON CONFLICT DO NOTHING;
DELETE FROM leadroute.match_rules;
INSERT INTO leadroute.reps (rep) VALUES ('ana'), ('bo');
INSERT INTO leadroute.teams (team) VALUES ('west');
INSERT INTO leadroute.team_members (team, rep) VALUES ('west', 'ana'), ('west', 'bo');
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (10, 'all', 'team', 'west');
CREATE TABLE public.leads (id text PRIMARY KEY, email text, phone text, first_name text, last_name text, company text, dob date, city text, postal_code text, country text,
	note text, is_deleted boolean DEFAULT false, owner text, duplicate_of text);
SELECT throws_ok($$CALL leadroute.find_duplicates('default')$$, '55000', 'flow "default" has no leads table', 'no table, nothing to compare');
SELECT leadroute.attach('public.leads', columns => '{"deleted": "is_deleted"}');
SELECT leadroute.activate();
SELECT is((SELECT string_agg(field || '=' || array_to_string(columns, '+'), ' ') FROM leadroute.match_fields_of()),
	'birth_date=dob city=city company=company country=country email=email first_name=first_name last_name=last_name phone=phone postal_code=postal_code', 'columns are found by their names');
INSERT INTO public.leads (id, email, phone, first_name, last_name, company, dob, city, postal_code, country) VALUES
	('a1', 'kim.lee@acme.com', '(415) 200-7986', 'Kim', 'Lee', 'Acme Inc', '1971-06-24', 'San Francisco', '94105', 'US'),
	('a2', 'kim.lee@acme.con', '415-200-7986', 'Kimberly', 'Lee', 'ACME', '1971-06-24', 'San Fransisco', '94105', 'USA'),		-- the same
	('a3', 'bob.ray@acme.com', '(415) 200-7986', 'Bob', 'Ray', 'Acme Inc', NULL, 'San Francisco', '94105', 'US'),				-- a colleague
	('b1', NULL, '+44 20 7183 8750', 'Ann', 'Underwood', NULL, NULL, 'London', 'N1 9GU', 'UK'),
	('b2', NULL, '+44 20 7183 8750', 'Tim', 'Underwood', NULL, NULL, 'London', 'N1 9GU', 'UK'),								-- lives with her
	('c1', NULL, NULL, 'Giulia', 'Fermi', NULL, '1980-02-03', NULL, NULL, NULL),
	('c2', NULL, NULL, 'Fermi', 'Giulia', NULL, '1980-03-02', NULL, NULL, NULL),												-- swapped twice
	('d1', 'info@bolt.example.com', NULL, NULL, NULL, 'Bolt', NULL, NULL, NULL, NULL),
	('d2', 'info@bolt.example.com', NULL, 'Eve', 'Stone', NULL, NULL, NULL, NULL, NULL);										-- a mailbox that many read
SELECT is((SELECT count(*) FROM leadroute.match_values)::int, 0, 'an INSERT writes nothing of it');
CALL leadroute.find_duplicates();
SELECT is(phase, 'prune', 'in a transaction one batch is done') FROM leadroute.match_runs;
SELECT is((pg_temp.find()).changed::int, 9, 'called again it goes on');
SELECT is(pg_temp.pairs(), 'a1-a2 c1-c2', 'slips and swaps are suggested; colleagues, households and shared mailboxes are not');
SELECT ok(score > 0.99 AND evidence->'email'->>'likeness' = 'near' AND (evidence->'email'->>'bits')::float > 10 AND evidence->'first_name'->>'likeness' = 'similar', 'with the evidence')
	FROM leadroute.duplicate_candidates WHERE lead = 'a1';
SELECT is(evidence->'last_name'->>'likeness', 'swapped', 'names that changed places') FROM leadroute.duplicate_candidates WHERE lead = 'c1';
SELECT results_eq($$SELECT lead_value, other_value FROM leadroute.duplicate_review WHERE lead = 'a1' AND field = 'email'$$, $$VALUES ('kim.lee@acme.com', 'kim.lee@acme.con')$$, 'for the eye');
UPDATE leadroute.lead_states SET consent = false WHERE lead = 'a2';
SELECT results_eq($$SELECT lead_value, other_value FROM leadroute.duplicate_review WHERE lead = 'a1' AND field = 'email'$$, $$VALUES ('kim.lee@acme.com', leadroute.mask('email', 'kim.lee@acme.con'))$$, 'who did not consent is masked');
UPDATE leadroute.lead_states SET consent = NULL WHERE lead = 'a2';

-- again: nothing is compared twice
SELECT is((pg_temp.find()).changed::int, 0, 'a second run compares nothing');
UPDATE public.leads SET note = 'called';
SELECT is((pg_temp.find()).changed::int, 0, 'a column that is not compared changes nothing');
SELECT is((pg_temp.find(batch => 1)).written::int, 9, 'though the rows are looked at');
UPDATE public.leads SET first_name = 'Zoe', last_name = 'Quist', email = 'zq@zq.example.com', dob = '1999-01-02' WHERE id = 'a2';
SELECT is((pg_temp.find()).compared::int, 2, 'a changed lead is compared with its like');
SELECT is(pg_temp.pairs(), 'c1-c2', 'and is suggested no more');
UPDATE public.leads SET first_name = 'Kimberly', last_name = 'Lee', email = 'kim.lee@acme.con', dob = '1971-06-24' WHERE id = 'a2';
SELECT is((pg_temp.find()).suggested::int, 1, 'until it is alike again');
SELECT is((SELECT count(*) FROM leadroute.match_keys k WHERE NOT EXISTS (SELECT FROM leadroute.match_values v WHERE v.lead = k.lead AND k.key = ANY (v.keys)))::int, 0, 'no key is left over');

-- decisions
SELECT throws_ok($$SELECT leadroute.accept_duplicate('a1', 'b1')$$, 'P0002', 'leads "a1" and "b1" of flow "default" are no suggested pair', 'a pair that was not suggested');
SELECT leadroute.dismiss_duplicate('c2', 'c1');
SELECT is(status || ' ' || (decided_at IS NOT NULL) || ' ' || decided_by, 'dismissed true ' || session_user, 'dismissed, in either order') FROM leadroute.duplicate_candidates WHERE lead = 'c1';
UPDATE public.leads SET city = 'Pisa' WHERE id LIKE 'c_';
SELECT pg_temp.find();
SELECT pg_temp.find(again => true);
SELECT is(pg_temp.pairs(), 'a1-a2', 'what was dismissed does not come back');
CREATE TEMP TABLE before AS SELECT (SELECT owner FROM public.leads WHERE id = 'a1') AS first, (SELECT owner FROM public.leads WHERE id = 'a2') AS second,
	(SELECT sum(open) FROM leadroute.rep_load) AS open, (SELECT count(*) FROM leadroute.events) AS events;
SELECT isnt(first, second, 'two leads, two owners') FROM before;
SELECT is(leadroute.accept_duplicate('a2', 'a1'), 'a1', 'accepted: the first stands for both');
SELECT is(l.owner || ' ' || l.duplicate_of, b.first || ' a1', 'the other''s row has its owner and names it') FROM public.leads l, before b WHERE l.id = 'a2';
SELECT is(s.status || ' ' || s.duplicate_of || ' ' || s.owner, 'duplicate a1 ' || b.first, 'so has its state') FROM leadroute.lead_states s, before b WHERE s.lead = 'a2';
SELECT is((SELECT sum(open) FROM leadroute.rep_load), (SELECT open - 1 FROM before), 'its place is free');
SELECT is(kind || ' ' || code || ' ' || (actor = session_user), 'linked duplicate true', 'an event says who said so') FROM leadroute.events WHERE lead = 'a2' ORDER BY id DESC LIMIT 1;
SELECT is(status || ' ' || original, 'accepted a1', 'recorded') FROM leadroute.duplicate_candidates WHERE lead = 'a1';
SELECT is(leadroute.accept_duplicate('a1', 'a2'), 'a1', 'twice is once');
SELECT is((SELECT count(*) FROM leadroute.events), (SELECT events + 1 FROM before), 'with one event');
SELECT pg_temp.find(again => true);
SELECT is(status, 'accepted', 'and stays') FROM leadroute.duplicate_candidates WHERE lead = 'a1';

-- one that went before anybody decided, when neither had an owner: who is there stands for both
INSERT INTO public.leads (id, email, first_name, last_name) VALUES ('n1', 'ida.noddack@gmail.com', 'Ida', 'Noddack'), ('n2', 'ida.noddack@gmail.com', 'Ida', 'Noddack');
SELECT pg_temp.find();
UPDATE leadroute.lead_states SET status = 'discarded', owner = NULL WHERE lead IN ('n1', 'n2');
DELETE FROM public.leads WHERE id = 'n1';
SELECT leadroute.explain('n2');
SELECT is(leadroute.accept_duplicate('n1', 'n2'), 'n2', 'a lead that is gone stands for nobody');
SELECT is(s.duplicate_of, NULL, 'and has no duplicates') FROM leadroute.lead_states s WHERE s.lead = 'n2';
DELETE FROM public.leads WHERE id = 'n2';
SELECT pg_temp.find();

-- leads that go
INSERT INTO public.leads (id, email, first_name, last_name) VALUES ('e1', 'ada.byron@gmail.com', 'Ada', 'Byron'), ('e2', 'ada.byron@gmail.com', 'Ada', 'Byron'), ('e3', 'ada.byron@gmail.com', 'Ada', 'Byron');
SELECT pg_temp.find();
SELECT is(pg_temp.pairs(), 'e1-e2 e1-e3 e2-e3', 'three of one');
SELECT is(leadroute.accept_duplicate('e2', 'e3'), 'e2', 'two of three');
SELECT is(leadroute.accept_duplicate('e1', 'e3'), 'e1', 'a link to one that is linked');
SELECT is(string_agg(lead || duplicate_of, ' ' ORDER BY lead), 'e2e1 e3e1', 'all name the first') FROM leadroute.lead_states WHERE lead LIKE 'e_' AND duplicate_of IS NOT NULL;
SELECT is(string_agg(id || duplicate_of, ' ' ORDER BY id), 'e2e1 e3e1', 'in their rows too') FROM public.leads WHERE id LIKE 'e_' AND duplicate_of IS NOT NULL;
SELECT is((SELECT count(*) FROM leadroute.duplicate_candidates WHERE 'e1' IN (lead, other) AND status = 'open')::int, 1, 'the third pair is open');
SELECT pg_temp.find(again => true);
SELECT is(pg_temp.pairs(), '', 'but suggested no more: they are linked');
SELECT is(leads::int, 3, 'her name is counted') FROM leadroute.match_frequencies WHERE field = 'last_name' AND value = 'byron';
DELETE FROM public.leads WHERE id = 'e3';
UPDATE public.leads SET is_deleted = true WHERE id = 'e2';
SELECT pg_temp.find();
SELECT is(pg_temp.pairs(), '', 'deleted, or marked as deleted: no pair is left');
SELECT is((SELECT count(*) FROM leadroute.match_values WHERE lead IN ('e2', 'e3'))::int, 0, 'nor a value');
SELECT is(leads::int, 1, 'nor a count') FROM leadroute.match_frequencies WHERE field = 'last_name' AND value = 'byron';
SELECT is((SELECT leads FROM leadroute.match_frequencies WHERE field = '')::int, (SELECT count(*) FROM leadroute.match_values)::int, 'the number of leads is right');

-- a table that takes the name: read again, not compared again
CREATE TABLE public.leads_new (LIKE public.leads INCLUDING ALL);
INSERT INTO public.leads_new SELECT * FROM public.leads;
DROP TABLE public.leads;
ALTER TABLE public.leads_new RENAME TO leads;
SELECT is((pg_temp.find()).changed::int, 0, 'a swapped table with the same leads compares nothing');

-- frequent values count less
INSERT INTO public.leads (id, first_name, last_name) SELECT 's' || i, chr(97 + i % 26) || chr(97 + i / 26) || 'xqz', 'Smith' FROM generate_series(1, 300) i;
INSERT INTO public.leads (id, first_name, last_name, dob) VALUES ('f1', 'Olga', 'Smith', '1960-01-02'), ('f2', 'Olga', 'Smith', '1960-01-02'),
	('g1', 'Olga', 'Vandergriff', '1960-01-03'), ('g2', 'Olga', 'Vandergriff', '1960-01-03');
SELECT pg_temp.find();
SELECT cmp_ok((SELECT (evidence->'last_name'->>'bits')::float FROM leadroute.duplicate_candidates WHERE lead = 'f1') + 4, '<',
	(SELECT (evidence->'last_name'->>'bits')::float FROM leadroute.duplicate_candidates WHERE lead = 'g1'), 'a frequent name says less than a rare one');

-- blocks that are too large are bounded, and told
DELETE FROM leadroute.match_blocks;
INSERT INTO leadroute.match_settings (block_limit) VALUES (20);
INSERT INTO public.leads (id, dob) SELECT 'h' || i, '2001-01-01' FROM generate_series(1, 60) i;
SELECT is((pg_temp.find()).compared::int, 0, 'a block beyond the limit is not compared');
SELECT is(times::int, 60, 'and reported') FROM leadroute.match_blocks WHERE key = 'birth date:20010101';
SELECT is(count(*)::int, 60, 'where its leads can be counted') FROM leadroute.match_keys WHERE flow = 'default' AND key = hashtextextended('birth date:20010101', 0);

-- settings and weights
UPDATE leadroute.match_settings SET suggest_at = 0.999999, block_limit = 100;
SELECT pg_temp.find(again => true);
SELECT is((SELECT count(*) FROM leadroute.duplicate_candidates WHERE lead IN ('f1'))::int, 0, 'a higher threshold suggests less');
UPDATE leadroute.match_settings SET suggest_at = 0.5;
INSERT INTO leadroute.match_weights (kind, level, matches, others) VALUES ('birth_date', 'exact', 0.5, 0.5);
SELECT pg_temp.find(again => true);
SELECT is((evidence->'birth_date'->>'bits')::float, 0::float, 'a weight of the flow''s own') FROM leadroute.duplicate_candidates WHERE lead = 'g1';
SELECT is(count(*)::int, 3, 'configuration has a history') FROM leadroute.config_changes WHERE relation IN ('match_settings') AND operation IN ('INSERT', 'UPDATE');
DELETE FROM leadroute.match_weights;

-- fields of one's own: a name in one column
CREATE TABLE public.contacts (id bigint PRIMARY KEY, who text, reach text, made_at timestamp);
INSERT INTO public.contacts VALUES (1, 'Kim van der Lee', '415 200 7986', '2026-01-01'), (2, 'Kim van der Lee', '(415) 2007986', '2026-01-01'), (3, 'Bob', NULL, NULL);
SELECT leadroute.attach('public.contacts', 'contacts');
SELECT throws_ok($$CALL leadroute.find_duplicates('contacts')$$, '55000', 'table public.contacts has no column that leads could be compared by', 'no column says what it is');
INSERT INTO leadroute.match_fields (flow, field, kind, columns, part) VALUES ('contacts', 'first', 'first_name', '{who}', 'first word'), ('contacts', 'last', 'last_name', '{who}', 'last word'),
	('contacts', 'tel', 'phone', '{reach}', 'all');
UPDATE leadroute.flows SET default_country = 'United States' WHERE flow = 'contacts';
SELECT pg_temp.find('contacts');
SELECT is(pg_temp.pairs('contacts'), '1-2', 'with fields that are named');
SELECT is(compared, '{kim,lee,+14152007986}', 'the parts of a name, the country of the flow') FROM leadroute.match_values WHERE flow = 'contacts' AND lead = '1';
SELECT is(leadroute.accept_duplicate(2, 1, 'contacts'), '1', 'a key that is a number');
INSERT INTO leadroute.match_fields (flow, field, kind, columns) VALUES ('contacts', 'x', 'city', '{nowhere}');
SELECT throws_ok($$SELECT pg_temp.find('contacts')$$, '42703', 'column "nowhere" of table public.contacts does not exist', 'a field of a column that there is not');

-- flows, partitions
INSERT INTO leadroute.flows (flow) VALUES ('emea'), ('apac');
CREATE TABLE public.all_leads (id uuid, unit text, email text, last_name text, PRIMARY KEY (id)) PARTITION BY HASH (id);
CREATE TABLE public.all_leads_0 PARTITION OF public.all_leads FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE public.all_leads_1 PARTITION OF public.all_leads FOR VALUES WITH (MODULUS 2, REMAINDER 1);
SELECT leadroute.attach('public.all_leads', 'emea', flow_column => 'unit');
INSERT INTO public.all_leads SELECT ('00000000-0000-0000-0000-' || lpad(i::text, 12, '0'))::uuid, CASE WHEN i <= 10 THEN 'apac' ELSE 'emea' END, chr(97 + i / 2) || repeat(chr(110 + i / 2), 9) || '@gmail.com', chr(110 + i / 2) || 'allas' || chr(97 + i / 2) || 'poulos'
	FROM generate_series(2, 21) i;
SELECT pg_temp.find('emea', batch => 3);
SELECT is((SELECT count(*) FROM leadroute.duplicate_candidates WHERE flow = 'apac')::int, 4, 'pairs of one flow');
SELECT is((SELECT count(*) FROM leadroute.duplicate_candidates d WHERE flow = 'emea')::int, 5, 'and of the other, over partitions');
SELECT lives_ok($$SELECT leadroute.dismiss_duplicate(lead::uuid, other::uuid, 'apac') FROM leadroute.duplicate_candidates WHERE flow = 'apac'$$, 'a key that is a uuid');

-- the same values as keys that act
INSERT INTO leadroute.match_rules (rule, position, kinds) VALUES ('a', 1, '{birth_date,mailbox}'), ('b', 2, '{city,last_name}'), ('c', 3, '{mailbox,city}');
UPDATE leadroute.attachments SET columns = columns || '{"birth_date": "dob"}' WHERE flow = 'default';
SET datestyle = 'SQL, DMY';
SELECT results_eq($$SELECT k.kind, k.key FROM public.leads l, leadroute.lead_keys(l, 'default') k WHERE l.id = 'a1' ORDER BY 1$$,
	$$VALUES ('last_name+city', 'lee|sanfrancisco'), ('mailbox+birth_date', 'kim.lee|19710624'), ('mailbox+city', 'kim.lee|sanfrancisco')$$, 'mailbox, birth date and city, whatever the DateStyle');
SELECT is_empty($$SELECT k.kind, k.key FROM public.leads l, leadroute.lead_keys(l, 'default') k WHERE l.id = 'd1'$$, 'a function''s mailbox is nobody''s');
RESET datestyle;
DELETE FROM leadroute.match_rules;

-- leads that are gone fill no block, though the index knows them still
UPDATE leadroute.match_settings SET block_limit = 3 WHERE flow = 'default';
INSERT INTO public.leads (id, email, first_name, last_name) SELECT 'o' || n, 'lise.meitner@gmail.com', 'Lise', 'Meitner' FROM generate_series(1, 3) n;
SELECT pg_temp.find();
DELETE FROM public.leads WHERE id LIKE 'o_';
SELECT pg_temp.find();
INSERT INTO public.leads (id, email, first_name, last_name) SELECT 'p' || n, 'lise.meitner@gmail.com', 'Lise', 'Meitner' FROM generate_series(1, 3) n;
SELECT pg_temp.find();
SELECT is((SELECT count(*) FROM leadroute.duplicate_candidates WHERE lead LIKE 'p_')::int, 3, 'who came after them is found');
INSERT INTO public.leads (id, email, first_name, last_name) VALUES ('p4', 'lise.meitner@gmail.com', 'Lise', 'Meitner');
SELECT pg_temp.find();
SELECT is((SELECT count(*) FROM leadroute.duplicate_candidates WHERE other = 'p4')::int, 0, 'one more is too many');
DELETE FROM public.leads WHERE id LIKE 'p_';
UPDATE leadroute.match_settings SET block_limit = 100 WHERE flow = 'default';

-- the sweep
CALL leadroute.sweep('default');
INSERT INTO public.leads (id, email) VALUES ('z1', 'last.one@gmail.com'), ('z2', 'last.one@gmail.com');
CALL leadroute.sweep('default');
SELECT is((SELECT count(*) FROM leadroute.match_values WHERE lead LIKE 'z_')::int, 0, 'a sweep looks for duplicates only where it is told to');
UPDATE leadroute.match_settings SET in_sweep = true WHERE flow = 'default';
CALL leadroute.sweep('default');
SELECT is((SELECT count(*) FROM leadroute.match_values WHERE lead LIKE 'z_')::int, 2, 'then it does');

-- rights
CREATE ROLE cand_stranger;
CREATE ROLE cand_operator IN ROLE leadroute_operator;
SET ROLE cand_stranger;
SELECT throws_ok($$CALL leadroute.find_duplicates('default')$$, '42501', NULL, 'not for everybody');
SELECT throws_ok($$SELECT * FROM leadroute.match_values$$, '42501', NULL, 'nor what is compared');
SET ROLE cand_operator;
SELECT lives_ok($$CALL leadroute.find_duplicates('default')$$, 'an operator may');
SELECT throws_ok($$SELECT leadroute.decide_duplicate('default', 'a1', 'a2', 'open')$$, '42501', NULL, 'but only through the front doors');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
