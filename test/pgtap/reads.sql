-- which UPDATEs leadroute looks at: by the columns that the statement sets, and by values where somebody else's trigger, view or constraint may have set others
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = error;
SELECT no_plan();

CREATE SCHEMA lr;
CREATE TABLE lr.titles (title text PRIMARY KEY);
INSERT INTO lr.titles VALUES ('engineer'), ('vp sales'), ('owner');
CREATE TABLE lr.leads (id bigint PRIMARY KEY, email text, title text REFERENCES lr.titles ON UPDATE CASCADE, notes text, status text, owner text, team text, score numeric, loud text GENERATED ALWAYS AS (upper(notes)) STORED);
INSERT INTO leadroute.reps (rep) VALUES ('ana'), ('bo');
INSERT INTO leadroute.teams (team) VALUES ('west');
INSERT INTO leadroute.team_members (team, rep) VALUES ('west', 'ana'), ('west', 'bo');
INSERT INTO leadroute.scoring_models (model, fit_weight, engagement_weight, fit_max) VALUES ('m', 100, 0, 100);
INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, condition, points) VALUES ('m', 'vp', 'fit', 'title LIKE ''vp%''', 40), ('m', 'owner', 'fit', 'title = ''owner''', 70);
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (9, 'all', 'team', 'west');
SELECT leadroute.attach('lr.leads') \g /dev/null
UPDATE leadroute.flows SET scoring_model = 'm', closed_when = 'status = ''dead''';
SELECT leadroute.activate() \g /dev/null
CREATE FUNCTION lr.lead(key bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM leadroute.explain(key::text);
	RETURN (SELECT concat_ws(' ', s.owner, s.score, CASE WHEN s.closed_at IS NOT NULL THEN 'closed' END, 'row', l.owner, l.score) FROM leadroute.lead_states s JOIN lr.leads l ON l.id::text = s.lead WHERE l.id = key);
END $$;
CREATE FUNCTION lr.since(OUT told text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM leadroute.explain('1');
	SELECT coalesce(string_agg(DISTINCT concat_ws(' ', kind, lead), ', '), 'nothing') INTO told FROM leadroute.events e WHERE NOT EXISTS (SELECT FROM lr.seen s WHERE s.id = e.id);
	INSERT INTO lr.seen SELECT id FROM leadroute.events ON CONFLICT DO NOTHING;
END $$;
CREATE TABLE lr.seen (id bigint PRIMARY KEY);

INSERT INTO lr.leads (id, email, title) SELECT i, format('p%s@x.example', i), 'engineer' FROM generate_series(1, 20) i;
SELECT lr.since() \g /dev/null
SELECT is(lr.lead(1), 'ana 0.00 row ana 0.00', 'as it came');

-- columns that nobody reads, and columns that are read, set to what they were
UPDATE lr.leads SET notes = 'called' WHERE id = 1;
UPDATE lr.leads SET email = email, title = title, owner = owner, score = score, notes = 'again' WHERE id = 1;
SELECT is(lr.since(), 'nothing', 'neither is anything');
UPDATE lr.leads SET owner = NULL, score = NULL WHERE id = 1;
SELECT is(lr.since() || ': ' || lr.lead(1), 'nothing: ana 0.00 row ana 0.00', 'outputs stay');
UPDATE lr.leads SET title = 'vp sales', notes = 'now' WHERE id = 1;
SELECT is(lr.lead(1), 'ana 40.00 row ana 40.00', 'one that a criterion reads');
UPDATE lr.leads SET status = 'dead' WHERE id = 2;
SELECT is(lr.lead(2), 'bo 0.00 closed row bo 0.00', 'one that a condition reads');
UPDATE lr.leads SET owner = 'bo' WHERE id = 3;
SELECT is(lr.lead(3), 'bo 0.00 row bo 0.00', 'a hand''s owner');

-- through a view that names the columns otherwise, MERGE, ON CONFLICT, a foreign key, and by a role that may set these alone
CREATE VIEW lr.contacts AS SELECT notes AS title, title AS job, id FROM lr.leads;
UPDATE lr.contacts SET title = 'vp of nothing' WHERE id = 4;
SELECT is(lr.lead(4), 'bo 0.00 row bo 0.00', 'a view''s column of another name');
UPDATE lr.contacts SET job = 'owner' WHERE id = 4;
SELECT is(lr.lead(4), 'bo 70.00 row bo 70.00', 'a view''s own name of a column that is read');
MERGE INTO lr.leads l USING (VALUES (5, 'owner'), (6, 'vp sales')) v(id, title) ON l.id = v.id WHEN MATCHED AND l.id = 5 THEN UPDATE SET notes = v.title WHEN MATCHED THEN UPDATE SET title = v.title;
SELECT is(lr.lead(5) || ', ' || lr.lead(6), 'ana 0.00 row ana 0.00, bo 40.00 row bo 40.00', 'MERGE');
INSERT INTO lr.leads (id, email, title) VALUES (7, 'p7@x.example', 'owner'), (8, 'p8@x.example', 'owner') ON CONFLICT (id) DO UPDATE SET notes = EXCLUDED.title;
SELECT is(lr.lead(7), 'ana 0.00 row ana 0.00', 'ON CONFLICT, of a column that nobody reads');
INSERT INTO lr.leads (id, email, title) VALUES (7, 'p7@x.example', 'owner'), (8, 'p8@x.example', 'owner') ON CONFLICT (id) DO UPDATE SET title = EXCLUDED.title;
SELECT is(lr.lead(7) || ', ' || lr.lead(8), 'ana 70.00 row ana 70.00, bo 70.00 row bo 70.00', 'and of one that is read');
INSERT INTO lr.titles VALUES ('dean');
UPDATE lr.leads SET title = 'dean' WHERE id = 9;
UPDATE lr.titles SET title = 'vp of studies' WHERE title = 'dean';
SELECT is(lr.lead(9), 'ana 40.00 row ana 40.00', 'a foreign key''s cascade');
CREATE ROLE leadroute_reads;
GRANT USAGE ON SCHEMA lr TO leadroute_reads;
GRANT SELECT, UPDATE (notes, title) ON lr.leads TO leadroute_reads;
SET ROLE leadroute_reads;
UPDATE lr.leads SET notes = 'mine' WHERE id = 10;
UPDATE lr.leads SET title = 'owner' WHERE id = 11;
RESET ROLE;
SELECT is(lr.lead(10) || ', ' || lr.lead(11), 'bo 0.00 row bo 0.00, ana 70.00 row ana 70.00', 'a role with these columns only');

-- what is read may change between two statements
UPDATE lr.leads SET notes = 'hot' WHERE id = 12;
SELECT is(lr.lead(12), 'bo 0.00 row bo 0.00', 'not read yet');
INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, condition, points) VALUES ('m', 'hot', 'fit', 'notes = ''hot''', 20);
UPDATE lr.leads SET notes = 'first' WHERE id = 20;
UPDATE lr.leads SET notes = 'cold' WHERE id = 13;
UPDATE lr.leads SET notes = 'hot' WHERE id = 13;
SELECT is(lr.lead(13), 'ana 20.00 row ana 20.00', 'read from now on');
DELETE FROM leadroute.scoring_criteria WHERE criterion = 'hot';
UPDATE leadroute.flows SET closed_when = 'status = ''dead'' OR notes = ''over''';
UPDATE lr.leads SET notes = 'first' WHERE id = 20;
UPDATE lr.leads SET notes = 'over' WHERE id = 14;
SELECT is(lr.lead(14), 'bo 0.00 closed row bo 0.00', 'a condition that has changed');

UPDATE leadroute.flows SET closed_when = 'status = ''dead''' WHERE flow = 'default';
-- a trigger that has the row before, one that has it after, and one that does something else in between
CREATE FUNCTION lr.before() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.notes = 'promote' THEN
		NEW.title := 'owner';
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER aaa BEFORE UPDATE ON lr.leads FOR EACH ROW EXECUTE FUNCTION lr.before();
-- (the first row after a change reads the configuration anew, and is looked at in any case)
UPDATE lr.leads SET notes = 'first' WHERE id = 20;
UPDATE lr.leads SET notes = 'promote' WHERE id = 15;
SELECT is(lr.lead(15), 'ana 70.00 row ana 70.00', 'a trigger before ours sets a column that is read');
DROP TRIGGER aaa ON lr.leads;
UPDATE lr.leads SET notes = 'first' WHERE id = 20;
UPDATE lr.leads SET notes = 'promote' WHERE id = 16;
SELECT is(lr.lead(16), 'bo 0.00 row bo 0.00', 'it is gone');
CREATE TABLE lr.other (id bigint PRIMARY KEY, email text, notes text, owner text);
INSERT INTO leadroute.flows (flow) VALUES ('other');
INSERT INTO leadroute.reps (flow, rep) VALUES ('other', 'cy');
INSERT INTO leadroute.rules (flow, position, rule, target, target_name) VALUES ('other', 9, 'all', 'rep', 'cy');
SELECT leadroute.attach('lr.other', flow => 'other') \g /dev/null
SELECT leadroute.activate('other') \g /dev/null
INSERT INTO lr.other (id, email) VALUES (1, 'o1@x.example');
CREATE FUNCTION lr.after() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE lr.other SET notes = NEW.notes;
	IF NEW.notes LIKE 'to %' THEN
		NEW.owner := substr(NEW.notes, 4);
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER zzzz BEFORE UPDATE ON lr.leads FOR EACH ROW EXECUTE FUNCTION lr.after();
UPDATE lr.leads SET notes = 'first' WHERE id = 20;
UPDATE lr.leads SET notes = 'to bo' WHERE id = 17;
SELECT is(lr.lead(17), 'bo 0.00 row bo 0.00', 'a trigger after ours sets the owner: a hand''s, though it updates another flow''s lead as well');
DROP TRIGGER zzzz ON lr.leads;
CREATE FUNCTION lr.looks(text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	UPDATE lr.other SET notes = $1;
	RETURN true;
END $$;
ALTER TABLE lr.leads ADD CONSTRAINT looks CHECK (lr.looks(notes)) NOT VALID;
UPDATE lr.leads SET notes = 'first' WHERE id = 20;
UPDATE lr.leads SET status = 'dead' WHERE id = 18;
UPDATE lr.leads SET id = 119 WHERE id = 19;
SELECT is(lr.lead(18) || ', ' || lr.lead(119), 'bo 0.00 closed row bo 0.00, ana 0.00 row ana 0.00', 'a constraint that updates another flow''s lead takes nothing of the row''s away');
ALTER TABLE lr.leads DROP CONSTRAINT looks;

-- partitions whose columns stand in another order
CREATE TABLE lr.parted (id bigint, region text, email text, title text, notes text, owner text, score numeric, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE lr.part_b (notes text, score numeric, gone int, title text, owner text, email text, region text NOT NULL, id bigint NOT NULL);
ALTER TABLE lr.part_b DROP gone;
CREATE TABLE lr.part_a PARTITION OF lr.parted FOR VALUES IN ('a');
ALTER TABLE lr.parted ATTACH PARTITION lr.part_b FOR VALUES IN ('b');
INSERT INTO leadroute.flows (flow) VALUES ('parted');
INSERT INTO leadroute.reps (flow, rep) VALUES ('parted', 'dee'), ('parted', 'ed');
INSERT INTO leadroute.rules (flow, position, rule, target, target_name) VALUES ('parted', 9, 'all', 'rep', 'dee');
SELECT leadroute.attach('lr.parted', flow => 'parted', columns => '{"key": "id"}') \g /dev/null
UPDATE leadroute.flows SET closed_when = 'title = ''dead''' WHERE flow = 'parted';
SELECT leadroute.activate('parted') \g /dev/null
INSERT INTO lr.parted (id, region, email) SELECT i, CASE WHEN i <= 4 THEN 'a' ELSE 'b' END, format('q%s@x.example', i) FROM generate_series(1, 8) i;
CREATE FUNCTION lr.closed() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM leadroute.explain('1', 'parted');
	RETURN (SELECT string_agg(lead || ' ' || coalesce(owner, '-') || CASE WHEN closed_at IS NOT NULL THEN ' closed' ELSE '' END, ', ' ORDER BY lead) FROM leadroute.lead_states WHERE flow = 'parted');
END $$;
UPDATE lr.parted SET notes = 'dead' WHERE id IN (1, 5);
SELECT is(lr.closed(), '1 dee, 2 dee, 3 dee, 4 dee, 5 dee, 6 dee, 7 dee, 8 dee', 'columns that nobody reads');
UPDATE lr.parted SET notes = 'first';
UPDATE lr.parted SET title = 'dead' WHERE id IN (2, 6);
UPDATE lr.part_b SET title = 'dead' WHERE id = 7;
UPDATE lr.parted SET owner = 'ed' WHERE id IN (3, 8);
INSERT INTO lr.parted (id, region, email, title) VALUES (4, 'a', 'q4@x.example', 'dead'), (5, 'b', 'q5@x.example', 'dead') ON CONFLICT (id, region) DO UPDATE SET title = EXCLUDED.title;
SELECT is(lr.closed(), '1 dee, 2 dee closed, 3 ed, 4 dee closed, 5 dee closed, 6 dee closed, 7 dee closed, 8 ed', 'columns that are read, in either');

-- a table of several flows: each row's own flow says what is read
CREATE TABLE lr.units (id bigint PRIMARY KEY, unit text, email text, title text, notes text, owner text);
INSERT INTO leadroute.flows (flow) VALUES ('u'), ('v');
INSERT INTO leadroute.reps (flow, rep) VALUES ('u', 'fay'), ('v', 'gus');
INSERT INTO leadroute.rules (flow, position, rule, target, target_name) VALUES ('u', 9, 'all', 'rep', 'fay'), ('v', 9, 'all', 'rep', 'gus');
SELECT leadroute.attach('lr.units', flow => 'u', flow_column => 'unit') \g /dev/null
UPDATE leadroute.flows SET closed_when = 'title = ''dead''' WHERE flow = 'u';
UPDATE leadroute.flows SET closed_when = 'notes = ''dead''' WHERE flow = 'v';
SELECT count(leadroute.activate(f)) FROM unnest('{u,v}'::text[]) f \g /dev/null
INSERT INTO lr.units (id, unit, email) SELECT i, CASE WHEN i % 2 = 1 THEN 'u' ELSE 'v' END, format('r%s@x.example', i) FROM generate_series(1, 6) i;
UPDATE lr.units SET email = email;
UPDATE lr.units SET title = 'dead' WHERE id IN (1, 2);
UPDATE lr.units SET notes = 'dead' WHERE id IN (3, 4);
UPDATE lr.units SET unit = 'v' WHERE id = 5;
SELECT count(*) FROM leadroute.explain('1', 'u') \g /dev/null
SELECT is((SELECT string_agg(concat_ws(' ', flow, lead, owner, CASE WHEN closed_at IS NOT NULL THEN 'closed' END), ', ' ORDER BY lead, flow) FROM leadroute.lead_states WHERE flow IN ('u', 'v')),
	'u 1 fay closed, v 2 gus, u 3 fay, v 4 gus closed, u 5 fay closed, v 5 gus, v 6 gus', 'each row by its own flow');

SELECT * FROM finish();
ROLLBACK;
