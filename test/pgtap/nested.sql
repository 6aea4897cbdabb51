/*
 * test/pgtap/nested.sql
 *		Triggers of the user's own beside leadroute's: that keep rows out, that look a lead up, that
 *		insert further leads, with and without a subtransaction that rolls back.
 */
\set base leadroute_nested
\ir fixture/leads.sql
SELECT test.make_leads('public.leads');
SELECT test.read_from('public.leads');
SELECT leadroute.attach('public.leads') IS NOT NULL AS attached \gset
SELECT count(leadroute.activate()) AS activated \gset

CREATE FUNCTION test.keep_out() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF NEW.company = 'out' THEN RETURN NULL; END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER before_ours BEFORE INSERT OR UPDATE ON leads FOR EACH ROW EXECUTE FUNCTION test.keep_out();
INSERT INTO leads (id, email, company, country) SELECT i, 'a' || i, CASE WHEN i % 2 = 0 THEN 'out' ELSE 'in' END, 'US' FROM generate_series(1, 40) i;
SELECT is(test.story(), 'decided 20', 'a BEFORE trigger that keeps rows out, before ours');
DROP TRIGGER before_ours ON leads;
CREATE TRIGGER zzzz_behind_ours BEFORE INSERT OR UPDATE ON leads FOR EACH ROW EXECUTE FUNCTION test.keep_out();
INSERT INTO leads (id, email, company, country) SELECT i, 'b' || i, CASE WHEN i % 2 = 0 THEN 'out' ELSE 'in' END, 'US' FROM generate_series(101, 140) i;
SELECT is(test.story(), 'decided 20', 'and behind ours: no turn, no state, and turn by turn');
UPDATE leads SET company = 'out', owner = 'boss' WHERE id = 1;
SELECT is(test.story(), 'nothing', 'a hand-over that is kept out');
INSERT INTO leads (id, email, company, country) VALUES (150, 'b150', 'out', 'US');
INSERT INTO leads (id, email, company, country) VALUES (150, 'b150', 'in', 'US');
SELECT is(test.story(), 'decided 1', 'kept out, then in');
DROP TRIGGER zzzz_behind_ours ON leads;
CREATE FUNCTION test.tidy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	NEW.country := upper(trim(NEW.country));
	RETURN NEW;
END $$;
CREATE TRIGGER tidy BEFORE INSERT ON leads FOR EACH ROW EXECUTE FUNCTION test.tidy();
INSERT INTO leads (id, email, country, region) VALUES (160, 'b160', '  us ', 'ca');
SELECT is((SELECT territory FROM leads WHERE id = 160), 'pacific', 'ours sees what the user''s made of the row');
SELECT is(test.story(), 'decided 1', 'and decides by it');
DROP TRIGGER tidy ON leads;

-- an AFTER trigger finds its lead routed
CREATE TABLE seen (id bigint, owner text, status text);
CREATE FUNCTION test.look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO seen SELECT NEW.id, s.owner, s.status FROM leadroute.lead_states s WHERE s.flow = 'default' AND s.lead = NEW.id::text;
	RETURN NULL;
END $$;
CREATE TRIGGER look AFTER INSERT ON leads FOR EACH ROW EXECUTE FUNCTION test.look();
INSERT INTO leads (id, email, country) VALUES (201, 'c201', 'US');
SELECT results_eq('SELECT id, owner FROM seen', 'SELECT id, owner FROM leads WHERE id = 201', 'of a single row');
INSERT INTO leads (id, email, company, country, region, postal_code, employees, source) SELECT * FROM test.generated(301, 400);
SELECT is((SELECT count(*) FROM seen s JOIN leads l USING (id) WHERE l.id BETWEEN 301 AND 400 AND s.owner IS NOT DISTINCT FROM l.owner), 100::bigint, 'of many');
SELECT is(test.story(), 'decided 101', 'all of them');
DROP TRIGGER look ON leads;

-- an AFTER trigger that inserts another lead
CREATE FUNCTION test.spawn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF NEW.source = 'spawn' THEN
		INSERT INTO leads (id, email, country, source) VALUES (NEW.id + 100000, NEW.email || '2', NEW.country, 'spawned');
	ELSIF NEW.source = 'fail' THEN
		BEGIN
			INSERT INTO leads (id, email, country, source) VALUES (NEW.id + 100000, NEW.email || '2', NEW.country, 'spawned'), (NEW.id, NEW.email, NEW.country, 'duplicate');
		EXCEPTION WHEN unique_violation THEN
			NULL;
		END;
	ELSIF NEW.source = 'kept' THEN
		BEGIN
			INSERT INTO leads (id, email, country, source) VALUES (NEW.id + 100000, NEW.email || '2', NEW.country, 'spawned');
			INSERT INTO leads (id, email, country, source) VALUES (NEW.id, NEW.email, NEW.country, 'duplicate') ON CONFLICT DO NOTHING;
		EXCEPTION WHEN unique_violation THEN
			NULL;
		END;
	ELSIF NEW.source = 'hand' THEN
		UPDATE leads SET owner = 'boss' WHERE id = NEW.id;
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER spawn AFTER INSERT ON leads FOR EACH ROW EXECUTE FUNCTION test.spawn();
INSERT INTO leads (id, email, country, source) SELECT i, 'd' || i, 'US', 'spawn' FROM generate_series(501, 520) i;
SELECT is(test.story(), 'decided 40', 'one more for each');
INSERT INTO leads (id, email, country, source) SELECT i, 'e' || i, 'US', 'fail' FROM generate_series(601, 620) i;
SELECT is(test.story(), 'decided 20', 'one more for each, in a subtransaction that rolls back');
INSERT INTO leads (id, email, country, source) SELECT i, 'f' || i, 'US', (ARRAY['kept', 'fail', 'spawn', 'web'])[1 + i % 4] FROM generate_series(701, 740) i;
SELECT is(test.story(), 'decided 60', 'of all kinds');
BEGIN;
INSERT INTO leads (id, email, country, source) SELECT i, 'g' || i, 'US', 'spawn' FROM generate_series(801, 810) i;
SAVEPOINT a;
INSERT INTO leads (id, email, country, source) SELECT i, 'g' || i, 'US', (ARRAY['kept', 'fail'])[1 + i % 2] FROM generate_series(811, 820) i;
SAVEPOINT b;
DELETE FROM leads WHERE id BETWEEN 801 AND 820;
ROLLBACK TO b;
INSERT INTO leads (id, email, country, source) SELECT i, 'g' || i, 'US', 'spawn' FROM generate_series(821, 830) i;
RELEASE b;
ROLLBACK TO a;
INSERT INTO leads (id, email, country, source) SELECT i, 'g' || i, 'US', 'kept' FROM generate_series(831, 840) i;
COMMIT;
SELECT is(test.story(), 'decided 40', 'savepoints around all of it');
INSERT INTO leads (id, email, country, source) SELECT i, 'h' || i, 'US', 'hand' FROM generate_series(901, 910) i;
SELECT is(test.story(), 'decided 10, handed_over 10', 'an AFTER trigger that hands its lead over');
DROP TRIGGER spawn ON leads;

-- functions and cursors
CREATE FUNCTION test.submit(id bigint, email text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	INSERT INTO leads (id, email, country) VALUES (submit.id, submit.email, 'US') ON CONFLICT DO NOTHING RETURNING owner INTO answer;
	RETURN answer;
END $$;
SELECT is((SELECT count(test.submit(1000 + i % 30, 'i' || i % 30)) FROM generate_series(1, 60) i), 30::bigint, 'inserts from a function within a query');
SELECT is(test.story(), 'decided 30', 'are decided once each');

\ir fixture/end.sql
