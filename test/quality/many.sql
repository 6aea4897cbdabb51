/*
 * Leads as a CRM of a company of some size has them, the same ones each time: :n rows, a twentieth of which are second rows of a person that is there
 * already. Names, companies and towns are as skewed as real ones (Zipf-Mandelbrot: "Smith" is one of a hundred, most surnames are rare), addresses
 * follow the names, colleagues share company, domain, town and the switchboard's number. A second row has what people and forms make of the first:
 * a slip of the pen, a short form of the first name, another address, no telephone, the company's name in another spelling.
 */
CREATE FUNCTION test.u(i bigint, salt text) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE
	AS $$ SELECT (hashtextextended(salt || i, 7) & 2147483647) / 2147483648.0 $$;
CREATE FUNCTION test.zipf(x double precision, n int, q double precision) RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE
	AS $$ SELECT least(n, 1 + floor(q * (power((n + q) / q, x) - 1))::int) $$;
/* a word of a rank, different for different ranks */
CREATE FUNCTION test.word(r int, start int) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT string_agg((ARRAY['ba','ber','cor','dan','der','el','fi','gar','han','is','jo','kel','la','lin','mar','mo','ner','ol','pe','ra','ric','sa','sen','son','tan','ter','ul','va','wil','ye','zo','chi'])[1 + ((r >> (5 * s)) + start + s * 7) % 32], '' ORDER BY s)
	FROM generate_series(0, CASE WHEN r < 1024 THEN 1 WHEN r < 32768 THEN 2 ELSE 3 END) s $$;
CREATE FUNCTION test.first_name(r int) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT coalesce((ARRAY['James','Mary','Michael','Maria','John','Anna','Robert','Sarah','David','Elena','William','Laura','Thomas','Linda','Daniel','Emma','Richard','Julia','Joseph','Sophie','Mark','Nina','Peter','Karen','Paul','Susan','Steven','Lisa','Andrew','Nancy','Kenneth','Ruth','Kevin','Sandra','Brian','Ashley','George','Emily','Edward','Donna','Ronald','Michelle','Anthony','Carol','Jason','Amanda','Ryan','Melissa','Eric','Stephanie','Wei','Priya','Ahmed','Fatima','Hiroshi','Yuki','Carlos','Ana','Ivan','Olga'])[r],
		initcap(test.word(r, 3))) $$;
CREATE FUNCTION test.last_name(r int) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT coalesce((ARRAY['Smith','Johnson','Williams','Brown','Jones','Garcia','Miller','Davis','Rodriguez','Martinez','Hernandez','Lopez','Gonzalez','Wilson','Anderson','Thomas','Taylor','Moore','Jackson','Martin','Lee','Perez','Thompson','White','Harris','Sanchez','Clark','Ramirez','Lewis','Robinson','Walker','Young','Allen','King','Wright','Scott','Torres','Nguyen','Hill','Flores','Green','Adams','Nelson','Baker','Hall','Rivera','Campbell','Mitchell','Carter','Roberts','Mueller','Schmidt','Rossi','Dubois','Wang','Kim','Singh','Kumar','Tanaka','Silva'])[r],
		initcap(test.word(r, 11))) $$;
CREATE FUNCTION test.slip(value text, x double precision) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT CASE WHEN length(value) < 4 THEN value
		WHEN x < 0.34 THEN overlay(value PLACING '' FROM 2 + floor(x * 3 * (length(value) - 2))::int FOR 1)
		WHEN x < 0.67 THEN overlay(value PLACING reverse(substr(value, 2 + floor((x - 0.34) * 3 * (length(value) - 3))::int, 2)) FROM 2 + floor((x - 0.34) * 3 * (length(value) - 3))::int FOR 2)
		ELSE overlay(value PLACING chr(97 + floor((x - 0.67) * 78)::int) FROM 2 + floor((x - 0.67) * 3 * (length(value) - 2))::int FOR 1) END $$;

/* names, companies and towns once each: a lead only picks */
CREATE TEMP TABLE firsts AS SELECT r, test.first_name(r) AS name FROM generate_series(1, 3000) r;
CREATE TEMP TABLE lasts AS SELECT r, test.last_name(r) AS name FROM generate_series(1, 150000) r;
CREATE TEMP TABLE towns AS SELECT r, initcap(test.word(r, 17)) AS name FROM generate_series(1, 3000) r;
CREATE TEMP TABLE companies AS
	SELECT c.r, initcap(c.word) || ' ' || (ARRAY['Systems','Group','Logistics','Software','Foods','Partners','Medical','Energy'])[1 + c.r % 8] || (ARRAY['',' Inc',' LLC',' Ltd',' GmbH'])[1 + c.r % 5] AS company,
		c.word || (ARRAY['sys','group','log','soft','foods','partners','med','energy'])[1 + c.r % 8] || '.com' AS domain, t.name AS city, 10000 + t.r * 29 AS zip,
		format('+1%s%s', 201 + (c.r * 7) % 700, 2000000 + (c.r::bigint * 7919) % 7000000) AS switchboard
	FROM (SELECT r, test.word(r, 5) AS word, test.zipf(test.u(r, 'city'), 3000, 8) AS town FROM generate_series(1, 120000) r) c JOIN towns t ON t.r = c.town;
ANALYZE firsts, lasts, companies;
CREATE UNLOGGED TABLE test.people AS
	SELECT p.i, f.name AS first_name, l.name AS last_name, c.company, c.city, to_char(c.zip + floor(test.u(p.i, 'zip') * 12)::int, 'FM00000') AS postal_code,
		lower(CASE WHEN test.u(p.i, 'public') < 0.3 THEN f.name || '.' || l.name || floor(test.u(p.i, 'number') * 1000)::int || '@' || (ARRAY['gmail.com','yahoo.com','outlook.com','gmx.de'])[1 + floor(test.u(p.i, 'provider') * 4)::int]
			WHEN c.r % 3 = 0 THEN f.name || '.' || l.name || '@' || c.domain
			WHEN c.r % 3 = 1 THEN left(f.name, 1) || l.name || '@' || c.domain
			ELSE l.name || '.' || left(f.name, 2) || '@' || c.domain END) AS email,
		CASE WHEN test.u(p.i, 'switchboard') < 0.25 THEN c.switchboard
			WHEN test.u(p.i, 'phone') < 0.8 THEN format('+1%s%s', 201 + floor(test.u(p.i, 'area') * 700)::int, 2000000 + floor(test.u(p.i, 'line') * 7000000)::int) END AS phone
	FROM (SELECT i, test.zipf(test.u(i, 'first'), 3000, 20) AS f, test.zipf(test.u(i, 'last'), 150000, 60) AS l, test.zipf(test.u(i, 'company'), 120000, 100) AS c
		  FROM generate_series(1, :n - :n / 20) i) p
		JOIN firsts f ON f.r = p.f JOIN lasts l ON l.r = p.l JOIN companies c ON c.r = p.c;

CREATE TABLE leads (id bigint PRIMARY KEY, email text, phone text, first_name text, last_name text, company text, city text, postal_code text, country text, submitted_at timestamptz);
INSERT INTO leads
	SELECT i, email, phone, first_name, last_name, company, city, postal_code, 'US', timestamptz '2026-01-01Z' + i * interval '20 s' FROM test.people ORDER BY i;
INSERT INTO leads
	SELECT :n - :n / 20 + d.i,
		CASE WHEN test.u(d.i, 'same mail') < 0.5 THEN test.slip(p.email, test.u(d.i, 'mail slip')) WHEN test.u(d.i, 'same mail') < 0.8 THEN lower(p.first_name || '.' || p.last_name || '@gmail.com') END,
		CASE WHEN test.u(d.i, 'same phone') < 0.6 THEN p.phone END,
		CASE WHEN test.u(d.i, 'short') < 0.3 THEN left(p.first_name, 3) WHEN test.u(d.i, 'short') < 0.5 THEN test.slip(p.first_name, test.u(d.i, 'first slip')) ELSE p.first_name END,
		CASE WHEN test.u(d.i, 'last') < 0.25 THEN test.slip(p.last_name, test.u(d.i, 'last slip')) ELSE p.last_name END,
		CASE WHEN test.u(d.i, 'company') < 0.3 THEN upper(p.company) WHEN test.u(d.i, 'company') < 0.5 THEN split_part(p.company, ' ', 1) ELSE p.company END,
		p.city, CASE WHEN test.u(d.i, 'zip') < 0.8 THEN p.postal_code END, CASE WHEN test.u(d.i, 'country') < 0.5 THEN 'USA' ELSE 'United States' END,
		timestamptz '2026-08-01Z' + d.i * interval '1 min'
	FROM (SELECT i, 1 + floor(test.u(i, 'whom') * (:n - :n / 20))::bigint AS whom FROM generate_series(1, :n / 20) i) d JOIN test.people p ON p.i = d.whom;
CREATE TABLE test.pairs AS SELECT i + :n - :n / 20 AS lead, 1 + floor(test.u(i, 'whom') * (:n - :n / 20))::bigint AS of FROM generate_series(1, :n / 20) i;
DROP TABLE test.people;
ANALYZE leads;
