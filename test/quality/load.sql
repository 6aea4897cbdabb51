-- The published sets of duplicates as leads tables, each a flow, attached with what a user would say about their columns.
-- Run by test/bench/parts/quality.sh and test/t/046_quality.pl with :data, the folder of the sets, in place of DATA.
CREATE SCHEMA quality;
CREATE TABLE quality.fake_1000 (unique_id integer PRIMARY KEY, first_name text, surname text, dob date, city text, email text, cluster integer);
\copy quality.fake_1000 FROM 'DATA/fake_1000/fake_1000.csv' CSV HEADER
SELECT leadroute.attach('quality.fake_1000', 'fake_1000', columns => '{"last_name": "surname", "birth_date": "dob"}');

CREATE TABLE quality.febrl_1 (rec_id text PRIMARY KEY, given_name text, surname text, street_number text, address_1 text, address_2 text, suburb text, postcode text, state text,
	date_of_birth text, soc_sec_id text);
CREATE TABLE quality.febrl_3 (LIKE quality.febrl_1 INCLUDING ALL);
\copy quality.febrl_1 FROM 'DATA/febrl/dataset1.csv' CSV HEADER
\copy quality.febrl_3 FROM 'DATA/febrl/dataset3.csv' CSV HEADER
SELECT leadroute.attach('quality.febrl_1', 'febrl_1');
SELECT leadroute.attach('quality.febrl_3', 'febrl_3');

-- two lists of restaurants in one table; a restaurant's name is its company's
CREATE TABLE quality.fodors_zagats (id integer PRIMARY KEY, name text, addr text, city text, phone text, type text);
\copy quality.fodors_zagats FROM 'DATA/fodors_zagats/fodors.csv' CSV HEADER
\copy quality.fodors_zagats FROM 'DATA/fodors_zagats/zagats.csv' CSV HEADER
CREATE TABLE quality.fodors_zagats_matches (fodors_id text, zagats_id text);
\copy quality.fodors_zagats_matches FROM 'DATA/fodors_zagats/matches_fodors_zagats.csv' CSV HEADER
SELECT leadroute.attach('quality.fodors_zagats', 'fodors_zagats', columns => '{"company": "name"}');

-- what is true: pairs of leads that are one
CREATE TABLE quality.truth (flow text, lead text COLLATE "C", other text COLLATE "C", PRIMARY KEY (flow, lead, other));
INSERT INTO quality.truth SELECT 'fake_1000', least(a.k, b.k), greatest(a.k, b.k)
	FROM (SELECT unique_id::text COLLATE "C" AS k, cluster FROM quality.fake_1000) a JOIN (SELECT unique_id::text COLLATE "C" AS k, cluster FROM quality.fake_1000) b
		ON a.cluster = b.cluster AND a.k < b.k;
INSERT INTO quality.truth SELECT a.flow, a.k, b.k
	FROM (SELECT 'febrl_1' AS flow, rec_id COLLATE "C" AS k FROM quality.febrl_1 UNION ALL SELECT 'febrl_3', rec_id FROM quality.febrl_3) a
		JOIN (SELECT 'febrl_1' AS flow, rec_id COLLATE "C" AS k FROM quality.febrl_1 UNION ALL SELECT 'febrl_3', rec_id FROM quality.febrl_3) b
		ON a.flow = b.flow AND split_part(a.k, '-', 2) = split_part(b.k, '-', 2) AND a.k < b.k;
INSERT INTO quality.truth SELECT 'fodors_zagats', least(fodors_id COLLATE "C", zagats_id COLLATE "C"), greatest(fodors_id COLLATE "C", zagats_id COLLATE "C") FROM quality.fodors_zagats_matches;

-- what is suggested; of the restaurants only the pairs between the lists are known to be true or false (Fodor's begins with 534)
CREATE VIEW quality.suggested AS
	SELECT d.flow, d.lead, d.other, d.score, EXISTS (SELECT FROM quality.truth t WHERE t.flow = d.flow AND t.lead = d.lead AND t.other = d.other) AS is_true
	FROM leadroute.duplicate_candidates d
	WHERE d.flow <> 'fodors_zagats' OR (d.lead::int >= 534) <> (d.other::int >= 534);
CREATE VIEW quality.curve AS
	SELECT c.flow, c.score, round(c.found / c.suggested, 4) AS precision, round(c.found / t.pairs, 4) AS recall, round(2 * c.found / (c.suggested + t.pairs), 4) AS f1, c.suggested
	FROM (SELECT s.flow, x.score, count(*)::numeric AS suggested, count(*) FILTER (WHERE s.is_true)::numeric AS found
		  FROM quality.suggested s JOIN unnest('{0.5,0.6,0.7,0.8,0.9,0.95,0.99,0.999,0.9999}'::float8[]) x(score) ON s.score >= x.score GROUP BY 1, 2) c
		JOIN (SELECT flow, count(*)::numeric AS pairs FROM quality.truth GROUP BY 1) t USING (flow);

-- a set anew, its rows in a shuffled order, a batch of leads compared after each so many rows as they come
CREATE PROCEDURE quality.stream(flow text, seed integer, batch integer)
LANGUAGE plpgsql AS $$
DECLARE
	relation	regclass := format('quality.%I', flow);
	step		integer;
	rows		integer;
BEGIN
	EXECUTE format('CREATE TABLE quality.held AS TABLE %s', relation);
	EXECUTE format('DELETE FROM %s', relation);
	EXECUTE 'SELECT count(*) FROM quality.held' INTO rows;
	DELETE FROM leadroute.duplicate_candidates d WHERE d.flow = stream.flow;
	CALL leadroute.find_duplicates(flow, again => true);
	FOR step IN 0 .. (rows - 1) / batch LOOP
		EXECUTE format('INSERT INTO %s SELECT (s.h).* FROM (SELECT h, row_number() OVER (ORDER BY md5(%L || h::text)) AS n FROM quality.held h) s WHERE s.n > %s AND s.n <= %s',
			relation, seed, step * batch, (step + 1) * batch);
		CALL leadroute.find_duplicates(flow);
	END LOOP;
	DROP TABLE quality.held;
	COMMIT;
END
$$;

-- every weight multiplied by a factor between 1 - width and 1 + width
CREATE PROCEDURE quality.perturb(flow text, seed double precision, width double precision)
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM setseed(seed);
	DELETE FROM leadroute.match_weights w WHERE w.flow = perturb.flow;
	IF width > 0 THEN
		INSERT INTO leadroute.match_weights (flow, kind, level, matches, others)
			SELECT perturb.flow, l.kind, l.level, CASE WHEN x.bits > 0 THEN 1 ELSE power(2, x.bits) END, CASE WHEN x.bits > 0 THEN power(2, -x.bits) ELSE 1 END
			FROM leadroute.match_levels() l
				CROSS JOIN LATERAL (SELECT ln(l.matches / l.others) / ln(2.0) * (1 + width * (2 * random() - 1)) AS bits) x
			WHERE NOT l.by_frequency OR l.level <> 'exact';
		INSERT INTO leadroute.match_weights (flow, kind, level, matches, others)
			SELECT perturb.flow, l.kind, l.level, l.matches, least(1, l.others * power(2, 2 * width * (2 * random() - 1)))
			FROM leadroute.match_levels() l WHERE l.by_frequency AND l.level = 'exact';
	END IF;
	CALL leadroute.find_duplicates(flow, again => true);
END
$$;

-- what acts: rules that link inside the INSERT. An e-mail identifies; a mailbox's name or a birth date only with a name or a place beside it.
CREATE PROCEDURE quality.match_rules(flow text)
LANGUAGE sql AS $$
	DELETE FROM leadroute.match_rules m WHERE m.flow = match_rules.flow;
	INSERT INTO leadroute.match_rules (flow, rule, position, kinds) VALUES
		(match_rules.flow, 'e-mail', 10, '{email}'),
		(match_rules.flow, 'phone and last name', 20, '{phone,last_name}'),
		(match_rules.flow, 'mailbox and birth date', 30, '{mailbox,birth_date}'),
		(match_rules.flow, 'mailbox and last name', 40, '{mailbox,last_name}'),
		(match_rules.flow, 'mailbox and first name', 50, '{mailbox,first_name}'),
		(match_rules.flow, 'mailbox and city', 60, '{mailbox,city}'),
		(match_rules.flow, 'last name and birth date', 70, '{last_name,birth_date}'),
		(match_rules.flow, 'first name, birth date and city', 80, '{first_name,birth_date,city}');
	INSERT INTO leadroute.queues (flow, queue) VALUES (match_rules.flow, 'all');
	INSERT INTO leadroute.rules (flow, rule, position, target, target_name) VALUES (match_rules.flow, 'all', 10, 'queue', 'all');
	SELECT leadroute.activate(match_rules.flow)
$$;

-- the set is streamed row by row in a shuffled order; leads that stand for one are those with the same first lead
CREATE PROCEDURE quality.act(flow text, seed integer)
LANGUAGE plpgsql AS $$
DECLARE
	relation	regclass := format('quality.%I', flow);
BEGIN
	EXECUTE format('CREATE TABLE quality.held AS TABLE %s', relation);
	EXECUTE format('DELETE FROM %s', relation);
	COMMIT;
	DELETE FROM leadroute.lead_states s WHERE s.flow = act.flow;
	DELETE FROM leadroute.identities i WHERE i.flow = act.flow;
	EXECUTE format('INSERT INTO %s SELECT (h).* FROM quality.held h ORDER BY md5(%L || h::text)', relation, seed);
	DROP TABLE quality.held;
	COMMIT;
END
$$;
CREATE VIEW quality.acted AS
	SELECT p.flow, p.lead, p.other, EXISTS (SELECT FROM quality.truth t WHERE t.flow = p.flow AND t.lead = p.lead AND t.other = p.other) AS is_true
	FROM (SELECT a.flow, a.lead, b.lead AS other
		  FROM leadroute.lead_states a JOIN leadroute.lead_states b ON a.flow = b.flow AND a.lead < b.lead AND coalesce(a.duplicate_of, a.lead) = coalesce(b.duplicate_of, b.lead)) p;
CREATE VIEW quality.acts AS
	SELECT a.flow, round(count(*) FILTER (WHERE a.is_true)::numeric / count(*), 4) AS precision,
		round(count(*) FILTER (WHERE a.is_true)::numeric / (SELECT count(*) FROM quality.truth t WHERE t.flow = a.flow), 4) AS recall
	FROM quality.acted a GROUP BY a.flow;
-- what acts and what is suggested, together
CREATE VIEW quality.both AS
	SELECT x.flow, round(count(*) FILTER (WHERE x.is_true)::numeric / count(*), 4) AS precision,
		round(count(*) FILTER (WHERE x.is_true)::numeric / (SELECT count(*) FROM quality.truth t WHERE t.flow = x.flow), 4) AS recall
	FROM (SELECT flow, lead, other, is_true FROM quality.acted UNION SELECT flow, lead, other, is_true FROM quality.suggested) x GROUP BY x.flow;
