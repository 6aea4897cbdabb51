-- match rules that suggest: an equal key makes a suggestion, whatever the pair scores; inside this transaction each CALL does one batch
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = error;
SELECT no_plan();

CREATE FUNCTION pg_temp.find(again boolean DEFAULT false) RETURNS leadroute.match_runs
LANGUAGE plpgsql AS $$
DECLARE
	run	leadroute.match_runs;
BEGIN
	FOR n IN 1 .. 1000 LOOP
		CALL leadroute.find_duplicates('default', again => again AND n = 1);
		SELECT r.* INTO run FROM leadroute.match_runs r;
		IF run.phase = 'done' THEN
			RETURN run;
		END IF;
	END LOOP;
	RETURN NULL;
END
$$;
CREATE FUNCTION pg_temp.pairs() RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(d.lead || '-' || d.other, ' ' ORDER BY d.lead, d.other), '') FROM leadroute.duplicate_candidates d WHERE d.status = 'open' $$;

-- a flow as it begins: phone alone suggests
INSERT INTO leadroute.flows (flow, default_country) VALUES ('default', 'us');
INSERT INTO leadroute.queues (queue) VALUES ('all');
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (10, 'all', 'queue', 'all');
CREATE TABLE public.leads (id text PRIMARY KEY, email text, phone text, first_name text, last_name text, external_id text, website text, note text, duplicate_of text);
INSERT INTO public.leads (id, email, last_name) VALUES ('o1', 'old@kept.example.com', 'Old'), ('o2', 'old@kept.example.com', 'Young');
SELECT leadroute.attach('public.leads');
SELECT leadroute.activate();
CALL leadroute.catch_up('public.leads', existing => 'adopt');
CALL leadroute.catch_up('public.leads', existing => 'adopt');
SELECT is((SELECT concat_ws(' ', lead, other, score, evidence) FROM leadroute.duplicate_candidates), 'o1 o2 1 {"rule: e-mail": {"likeness": "exact"}}', 'catch_up names the rule');
INSERT INTO public.leads (id, phone, first_name, last_name) VALUES
	('a1', '(415) 200-7986', 'Kim', 'Lee'),
	('a2', '415-200-7986', 'Bob', 'Ray'),			-- the same telephone, another name
	('b1', '(415) 200-7986 x12', 'Tim', 'Fox'),		-- another extension of it
	('b2', '+44 20 7183 8750', 'Ann', 'Poe');
SELECT is((pg_temp.find()).suggested::int, 1, 'one more suggestion');
SELECT is(pg_temp.pairs(), 'a1-a2 o1-o2', 'the same telephone is suggested, another extension is not; what catch_up suggested stays');
SELECT is(evidence->'rule: phone', '{"likeness": "exact"}'::jsonb, 'the evidence names the rule') FROM leadroute.duplicate_candidates WHERE lead = 'a1';
SELECT is(evidence->'phone'->>'likeness' || ' ' || (evidence->'last_name'->>'likeness'), 'exact different', 'beside what was compared') FROM leadroute.duplicate_candidates WHERE lead = 'a1';
SELECT cmp_ok(score, '<', 0.5::float8, 'and its score is what the fields say') FROM leadroute.duplicate_candidates WHERE lead = 'a1';
SELECT is((SELECT evidence->'rule: e-mail' FROM leadroute.duplicate_candidates WHERE lead = 'o1'), '{"likeness": "exact"}'::jsonb, 'both ways write the same');
SELECT ok((SELECT score < 1 AND evidence->'email'->>'likeness' = 'exact' FROM leadroute.duplicate_candidates WHERE lead = 'o1'), 'catch_up''s pair is scored now');
SELECT is(string_agg(field || ' ' || coalesce(bits::text, '-'), ', ' ORDER BY field), 'rule: phone -', 'the review shows the rule') FROM leadroute.duplicate_review WHERE lead = 'a1' AND field LIKE 'rule%';

-- incremental, once, and not for ever
SELECT is((pg_temp.find()).suggested::int, 0, 'a second run suggests nothing new');
SELECT leadroute.dismiss_duplicate('a1', 'a2');
UPDATE public.leads SET first_name = 'Rob' WHERE id = 'a2';
SELECT is((pg_temp.find()).changed::int, 1, 'one lead has changed');
SELECT is(pg_temp.pairs(), 'o1-o2', 'what was dismissed is not suggested again');
UPDATE public.leads SET phone = '+44 20 7183 8750' WHERE id = 'b1';
SELECT pg_temp.find();
SELECT is(pg_temp.pairs(), 'b1-b2 o1-o2', 'a changed lead is found by its new key');
UPDATE public.leads SET phone = NULL WHERE id = 'b2';
SELECT pg_temp.find();
SELECT is(pg_temp.pairs(), 'o1-o2', 'and no more when the key has gone');
INSERT INTO public.leads (id, phone, last_name) VALUES ('c1', '212 736 5000', 'Dow'), ('c2', '(212) 736-5000', 'dow');
SELECT is(duplicate_of, 'c1', 'phone with last name acts') FROM public.leads WHERE id = 'c2';
SELECT pg_temp.find();
SELECT is(pg_temp.pairs(), 'o1-o2', 'what is linked is not suggested');
SELECT pg_temp.find(again => true);
SELECT is(pg_temp.pairs(), 'o1-o2', 'compared anew: the same');

-- a rule over columns that are compared by nothing else, of two kinds
INSERT INTO public.leads (id, external_id, website) VALUES ('d1', 'X-1', 'www.bolt.example.com'), ('d2', 'X-2', 'https://bolt.example.com/jobs');
UPDATE leadroute.match_rules SET action = 'suggest' WHERE rule = 'external id';
INSERT INTO leadroute.match_rules (rule, position, kinds, action) VALUES ('site and number', 50, '{website,external_id}', 'suggest');
SELECT pg_temp.find();
SELECT is(pg_temp.pairs(), 'o1-o2', 'only one of two is equal');
UPDATE public.leads SET external_id = 'X-1' WHERE id = 'd2';
SELECT pg_temp.find();
SELECT is((SELECT string_agg(k, ', ' ORDER BY k) FROM leadroute.duplicate_candidates, jsonb_object_keys(evidence) k WHERE lead = 'd1' AND k LIKE 'rule%'),
	'rule: external id, rule: site and number', 'a column that only a rule reads; every rule is named');
DELETE FROM leadroute.match_rules WHERE rule IN ('external id', 'site and number');
SELECT pg_temp.find();
SELECT is(pg_temp.pairs(), 'o1-o2', 'without the rules there is no such pair');

-- an UPDATE that gives a lead a key of another's
UPDATE public.leads SET email = 'kim@acme.example.com' WHERE id = 'a1';
UPDATE public.leads SET email = 'kim@acme.example.com' WHERE id = 'b2';
SELECT is((SELECT evidence FROM leadroute.duplicate_candidates WHERE lead = 'a1' AND other = 'b2'), '{"rule: e-mail": {"likeness": "exact"}}'::jsonb, 'an UPDATE says it in the same way');
SELECT pg_temp.find();
SELECT is(pg_temp.pairs(), 'a1-b2 o1-o2', 'and it stays');
SELECT pg_temp.find(again => true);
SELECT is(pg_temp.pairs(), 'a1-b2 o1-o2', 'compared anew too');
DELETE FROM public.leads WHERE id = 'o2';
SELECT pg_temp.find(again => true);
SELECT is(pg_temp.pairs(), 'a1-b2', 'but not that of a lead that was deleted before');

-- a switchboard
INSERT INTO leadroute.match_settings (block_limit) VALUES (5);
INSERT INTO public.leads (id, phone, last_name) SELECT 's' || g, '+1 650 253 0000', 'N' || md5(g::text) FROM generate_series(1, 4) g;
SELECT pg_temp.find();
SELECT is((SELECT count(*) FROM leadroute.duplicate_candidates WHERE status = 'open' AND evidence ? 'rule: phone')::int, 6, 'four people of one number: six pairs');
SELECT leadroute.dismiss_duplicate('s1', 's2');
INSERT INTO public.leads (id, phone, last_name) SELECT 's' || g, '+1 650 253 0000', 'N' || md5(g::text) FROM generate_series(5, 300) g;
SELECT pg_temp.find();
SELECT is((SELECT count(*) FROM leadroute.duplicate_candidates WHERE status = 'open' AND evidence ? 'rule: phone')::int, 0, 'a number of hundreds makes no pairs, and withdraws the first');
SELECT is(times::int, 296, 'and is reported') FROM leadroute.match_blocks WHERE key = 'rule phone:+16502530000';
SELECT is((SELECT status FROM leadroute.duplicate_candidates WHERE lead = 's1' AND other = 's2'), 'dismissed', 'decisions stay');
SELECT is(pg_temp.pairs(), 'a1-b2', 'nor do other keys of theirs bring them');
SELECT * FROM finish();
ROLLBACK;
