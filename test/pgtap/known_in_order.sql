/*
 * test/pgtap/known_in_order.sql
 *		Known leads that come again in the order in which their states lie: each is told from its neighbours, from its namesake of another flow, and
 *		wherever its state has gone since.
 */
\set base leadroute_known_in_order
\ir fixture/leads.sql
SELECT test.make_leads('public.leads');
ALTER TABLE leads ADD unit text;
DELETE FROM test.input;
INSERT INTO test.input SELECT $$SELECT id::text, email, country, region, postal_code, employees::numeric, source, owner, coalesce(unit, 'default') FROM leads$$;
INSERT INTO leadroute.flows (flow) VALUES ('other');
INSERT INTO leadroute.reps (flow, rep) VALUES ('other', 'zed');
INSERT INTO leadroute.rules (flow, position, rule, target, target_name) VALUES ('other', 10, 'all', 'rep', 'zed');
SELECT leadroute.attach('public.leads', flow_column => 'unit') IS NOT NULL AS attached \gset
SELECT count(leadroute.activate()) + count(leadroute.activate('other')) AS activated \gset

/* All leads of a range again, in the order of their keys, as a loader sends whole rows; says what happened. */
CREATE FUNCTION test.again(first bigint, last bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO leads (id, email, company, country, region, postal_code, employees, source) SELECT * FROM test.generated(first, last)
		ON CONFLICT (id) DO UPDATE SET (company, owner, team, territory) = (EXCLUDED.company, NULL, NULL, NULL);
	RETURN (SELECT format('%s others', count(*)) FROM leads l JOIN leadroute.lead_states s ON s.flow = coalesce(l.unit, 'default') AND s.lead = l.id::text
			 WHERE (l.owner, l.team, l.territory) IS DISTINCT FROM (s.owner, s.team, s.territory));
END
$$;

INSERT INTO leads (id, email, company, country, region, postal_code, employees, source) SELECT * FROM test.generated(1, 200);
SELECT is(test.story(), 'decided 200', 'leads that stand there');
SELECT is(test.again(1, 200), '0 others', 'all of them again, in order');
SELECT is(test.again(101, 250), '0 others', 'some of them, and new ones behind');
SELECT is(test.story(), 'decided 50', 'the new ones are decided, and nothing else');
SELECT is(test.again(1, 250), '0 others', 'all, once more');
DELETE FROM leads WHERE id IN (5, 50, 249);
INSERT INTO leads (id, email) VALUES (5, 'p5@c5.example') ON CONFLICT DO NOTHING;
SELECT test.story() IS NOT NULL AS told \gset
SELECT is(test.again(1, 250), '0 others', 'also where some were gone');
SELECT is(test.story(), 'restored 2', 'which come back');

-- states that lie elsewhere now
SELECT count(leadroute.reassign(id, 'boss', 'a test')) AS reassigned FROM leads WHERE id % 3 = 0 AND owner IS NOT NULL \gset
SELECT test.story() IS NOT NULL AS told \gset
SELECT is(test.again(1, 250), '0 others', 'where states have moved');
SELECT is((SELECT count(*) FROM leads WHERE id % 3 = 0 AND owner IS NOT NULL AND owner <> 'boss'), 0::bigint, 'each keeps its new owner');
SELECT is(test.story(), 'nothing', 'and nothing happens');

-- the same key in another flow, whose state lies where the lead's own might be
INSERT INTO leads (id, email) VALUES (1001, 'n1'), (1002, 'n2');
INSERT INTO leadroute.lead_states (flow, lead, status, code, owner) VALUES ('other', '1003', 'assigned', 'assigned', 'zed');
INSERT INTO leads (id, email) VALUES (1003, 'n3');
SELECT is((SELECT string_agg(flow || ' ' || lead, ', ' ORDER BY ctid) FROM leadroute.lead_states WHERE lead LIKE '100%' AND length(lead) = 4),
	'default 1001, default 1002, other 1003, default 1003', 'a namesake lies behind the second');
UPDATE leads SET owner = NULL WHERE id BETWEEN 1001 AND 1003;
SELECT is((SELECT count(*) FROM leads WHERE id BETWEEN 1001 AND 1003 AND (owner IS NULL OR owner = 'zed')), 0::bigint, 'and is not taken for the third');

-- a table that is shorter than it was
BEGIN;
TRUNCATE leadroute.lead_states;
INSERT INTO leads (id, email) SELECT i, 't' || i FROM generate_series(2001, 2200) i;
UPDATE leads SET owner = NULL WHERE id BETWEEN 2001 AND 2200;
TRUNCATE leadroute.lead_states;
INSERT INTO leads (id, email) VALUES (3001, 'after');
SELECT is((SELECT string_agg(lead, ' ') FROM leadroute.lead_states), '3001', 'states that were emptied in the transaction that wrote them');
ROLLBACK;
SELECT is(test.again(1, 250), '0 others', 'and are back');

\ir fixture/end.sql
