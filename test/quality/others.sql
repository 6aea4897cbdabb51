/*
 * Sets of leads of other kinds than the published ones, the same each time: what find_duplicates() has not been chosen on. Names, streets and words are lists of our own;
 * what a second row makes of a first is what people, forms, exports and other languages make of it. The sets err where the published ones do not:
 *   contacts_de  people in households and firms: umlauts in three spellings, national numbers, columns with German names, short forms, names that have changed places
 *   voters       rolls with neither e-mail nor telephone: households, twins, fathers and sons of one name, married names, moves
 *   hotels       two lists of hotels: chains with many houses in a town, numbers and streets written in other ways
 *   companies    a list of companies: legal forms, sites with www., paths and tracking, subdomains; branches in other countries and namesakes
 *   leads_world  people in firms of many countries: colleagues that share company, domain, town and switchboard; private addresses, transliterations, missing columns
 * Beside each set stands what is true: others.truth. What one's eye could not tell either is no truth.
 */
CREATE SCHEMA others;
CREATE FUNCTION others.u(i bigint, salt text) RETURNS double precision LANGUAGE sql IMMUTABLE
	AS $$ SELECT (hashtextextended(salt || i, 11) & 2147483647) / 2147483648.0 $$;
CREATE FUNCTION others.pick(words text[], x double precision) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT words[1 + floor(x * cardinality(words))::int] $$;
/* some of a list are frequent, most are rare */
CREATE FUNCTION others.skewed(words text[], x double precision) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT words[1 + floor(power(x, 1.6) * cardinality(words))::int] $$;
CREATE FUNCTION others.slip(value text, x double precision) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN length(value) < 4 THEN value
		WHEN x < 0.3 THEN overlay(value PLACING '' FROM 2 + floor(x / 0.3 * (length(value) - 2))::int FOR 1)
		WHEN x < 0.6 THEN overlay(value PLACING reverse(substr(value, 2 + floor((x - 0.3) / 0.3 * (length(value) - 3))::int, 2)) FROM 2 + floor((x - 0.3) / 0.3 * (length(value) - 3))::int FOR 2)
		ELSE overlay(value PLACING chr(97 + floor((x - 0.6) * 62)::int) FROM 2 + floor((x - 0.6) / 0.4 * (length(value) - 2))::int FOR 1) END $$;
CREATE FUNCTION others.plain(value text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT translate(replace(lower(value), 'ß', 'ss'), 'äöüéèêáàâíóúñçåøłńś .''-', 'aoueeeaaaiouncaolns') $$;
CREATE FUNCTION others.spelt_out(value text) RETURNS text LANGUAGE sql IMMUTABLE
	AS $$ SELECT replace(replace(replace(replace(replace(replace(replace(value, 'ä', 'ae'), 'ö', 'oe'), 'ü', 'ue'), 'Ä', 'Ae'), 'Ö', 'Oe'), 'Ü', 'Ue'), 'ß', 'ss') $$;

CREATE FUNCTION others.mailbox(first text, last text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT CASE WHEN others.plain(first) ~ '[^a-z0-9]' THEN 'm' || substr(md5(first), 1, 5) ELSE others.plain(first) END || '.' || CASE WHEN others.plain(last) ~ '[^a-z0-9]' THEN 'm' || substr(md5(last), 1, 5) ELSE others.plain(last) END $$;

CREATE TABLE others.truth (flow text, lead text COLLATE "C", other text COLLATE "C", PRIMARY KEY (flow, lead, other));

-- ---- contacts_de ----
CREATE TABLE others.contacts_de (kontakt_nr integer PRIMARY KEY, vorname text, nachname text, firma text, strasse text, plz text, ort text, telefon text, email text, geburtsdatum text);
CREATE TEMP TABLE de AS
	SELECT i, h, others.pick(ARRAY['Jürgen','Günther','Käthe','Björn','Sören','Jörg','Anna','Peter','Sabine','Michael','Ursula','Thomas','Claudia','Stefan','Monika','Andreas','Petra','Wolfgang','Elisabeth','Christian','Katharina','Alexander','Maximilian','Johannes','Sebastian','Friedrich','Ulrike','Birgit','Heike','Matthias','Hans-Peter','Karl-Heinz','Anneliese','Gerhard','Dörte','Lena','Felix','Jonas','Mia','Emil'], others.u(i, 'v')) AS vorname,
		others.skewed(ARRAY['Müller','Schmidt','Schneider','Fischer','Weber','Meyer','Wagner','Becker','Schulz','Hoffmann','Schäfer','Koch','Bauer','Richter','Klein','Wolf','Schröder','Neumann','Schwarz','Zimmermann','Krüger','Hofmann','Hartmann','Lange','Krause','Lehmann','Köhler','Maier','Huber','Kaiser','Fuchs','Peters','Lang','Scholz','Möller','Weiß','Jung','Hahn','Vogel','Friedrich','Keller','Günther','Frank','Berger','Winkler','Roth','Beck','Lorenz','Baumann','Franke','Albrecht','Schuster','Simon','Ludwig','Böhm','Winter','Kraus','Martin','Schumacher','Krämer','Vogt','Stein','Jäger','Otto','Sommer','Groß','Seidel','Heinrich','Brandt','Haas','Schreiber','Graf','Dietrich','Ziegler','Kuhn','Kühn','Pohl','Engel','Horn','Busch','Bergmann','Thomas','Voigt','Sauer','Arnold','Wolff','Pfeiffer','von der Heide','Zu Dohna','Öztürk','Yılmaz','Kaya','Nowak','Kowalski'], others.u(h, 'n')) AS nachname,
		CASE WHEN others.u(h, 'f') < 0.4 THEN others.pick(ARRAY['Nordlicht','Isar','Havel','Rhein','Alster','Bergwerk','Stahlbau','Möbelhaus','Autohaus','Bäckerei','Elektro','Druckerei'], others.u(h, 'f1')) || ' ' || others.pick(ARRAY['Kröger','Brinkmann','Sielaff','Petersen','Wagenknecht','Thiel','Ahrens','Dreyer'], others.u(h, 'f2')) END AS firma,
		others.pick(ARRAY['Hauptstraße','Bahnhofstraße','Gartenstraße','Lindenstraße','Schulstraße','Am Markt','Goethestraße','Bergstraße','Waldweg','Mühlenweg','Kirchgasse','Rosenweg','Birkenallee','Unter den Eichen','Königsplatz'], others.u(h, 's')) || ' ' || 1 + floor(others.u(h, 'nr') * 140)::int AS strasse,
		o.plz, o.ort, o.vorwahl, 200000 + (h * 7919) % 780000 AS anschluss, date '1940-01-01' + floor(others.u(i, 'g') * 24000)::int AS geboren
	FROM (SELECT i, 1 + i * 5 / 11 AS h FROM generate_series(1, 2500) i) p,
		LATERAL (SELECT split_part(z, ' ', 1) AS plz, split_part(z, ' ', 2) AS ort, split_part(z, ' ', 3) AS vorwahl FROM others.pick(ARRAY['80331 München 089','50667 Köln 0221','20095 Hamburg 040','10115 Berlin 030','40213 Düsseldorf 0211','90402 Nürnberg 0911','01067 Dresden 0351','04109 Leipzig 0341','24103 Kiel 0431','79098 Freiburg 0761','28195 Bremen 0421','48143 Münster 0251','23552 Lübeck 0451','37073 Göttingen 0551'], others.u(h, 'o')) z) o;
DELETE FROM de d WHERE EXISTS (SELECT FROM de o WHERE o.h = d.h AND o.vorname = d.vorname AND o.i < d.i);
INSERT INTO others.contacts_de
	SELECT i, vorname, nachname, firma, strasse, plz, ort, CASE WHEN others.u(i, 't') < 0.75 THEN vorwahl || ' ' || anschluss END,
		CASE WHEN others.u(i, 'e') < 0.8 THEN others.plain(vorname) || '.' || others.plain(nachname) || CASE WHEN others.u(i, 'e3') < 0.4 THEN floor(others.u(i, 'e4') * 99)::text ELSE '' END || '@' || others.pick(ARRAY['gmx.de','web.de','t-online.de','gmail.com','posteo.de'], others.u(i, 'e2')) END,
		CASE WHEN others.u(i, 'd') < 0.6 THEN to_char(geboren, 'DD.MM.YYYY') END FROM de;
UPDATE others.contacts_de c SET email = NULL WHERE EXISTS (SELECT FROM others.contacts_de o WHERE o.email = c.email AND o.kontakt_nr < c.kontakt_nr);
INSERT INTO others.contacts_de
	SELECT 10000 + i, CASE WHEN k < 0.12 THEN nachname WHEN k < 0.3 THEN others.spelt_out(vorname) WHEN k < 0.4 THEN left(vorname, 1) || '.' WHEN k < 0.5 THEN others.slip(vorname, others.u(i, 'x1')) WHEN k < 0.55 THEN 'Dr. ' || vorname ELSE vorname END,
		CASE WHEN k < 0.12 THEN vorname WHEN k < 0.35 THEN others.spelt_out(nachname) WHEN k > 0.85 THEN others.slip(nachname, others.u(i, 'x2')) WHEN k > 0.8 THEN upper(nachname) ELSE nachname END,
		CASE WHEN others.u(i, 'x3') < 0.5 THEN firma || ' GmbH' END,
		CASE WHEN others.u(i, 'x4') < 0.7 THEN replace(strasse, 'straße', others.pick(ARRAY['str.','strasse','-Str.','straße'], others.u(i, 'x5'))) END, CASE WHEN others.u(i, 'x4') < 0.7 THEN plz END, CASE WHEN others.u(i, 'x6') < 0.5 THEN upper(others.spelt_out(ort)) ELSE ort END,
		CASE WHEN others.u(i, 'x7') < 0.6 THEN others.pick(ARRAY['+49 ','0049 ','+49 (0)','(+49)'], others.u(i, 'x8')) || substr(vorwahl, 2) || '/' || anschluss END,
		CASE WHEN others.u(i, 'x9') < 0.35 THEN others.plain(vorname) || '.' || others.plain(nachname) || '@' || others.pick(ARRAY['gmx.de','web.de','t-online.de','gmail.com','posteo.de'], others.u(i, 'e2')) WHEN others.u(i, 'x9') < 0.6 THEN left(others.plain(vorname), 1) || others.plain(nachname) || '@' || others.pick(ARRAY['yahoo.de','outlook.de','freenet.de'], others.u(i, 'xa')) END,
		CASE WHEN others.u(i, 'xb') < 0.5 THEN to_char(geboren, others.pick(ARRAY['YYYY-MM-DD','DD.MM.YYYY','DD/MM/YYYY'], others.u(i, 'xc'))) END
	FROM (SELECT de.*, others.u(i, 'k') AS k FROM de WHERE others.u(i, 'dup') < 0.25) d;
INSERT INTO others.truth SELECT 'contacts_de', least((kontakt_nr - 10000)::text COLLATE "C", kontakt_nr::text), greatest((kontakt_nr - 10000)::text COLLATE "C", kontakt_nr::text) FROM others.contacts_de WHERE kontakt_nr > 10000;

-- ---- voters ----
CREATE TABLE others.voters (voter_id integer PRIMARY KEY, first_name text, middle_name text, last_name text, name_suffix text, res_street_address text, res_city_desc text, state_cd text, zip_code text, birth_date text);
CREATE TEMP TABLE us AS
	SELECT i, h, others.skewed(ARRAY['James','Mary','Robert','Patricia','John','Jennifer','Michael','Linda','William','Elizabeth','David','Barbara','Richard','Susan','Joseph','Jessica','Thomas','Sarah','Charles','Karen','Christopher','Nancy','Daniel','Lisa','Matthew','Betty','Anthony','Margaret','Mark','Sandra','Donald','Ashley','Steven','Kimberly','Paul','Emily','Andrew','Donna','Joshua','Michelle','Kenneth','Dorothy','Kevin','Carol','Brian','Amanda','Tamika','Latoya','DeShawn','Jamal','Xiomara','Guadalupe','Thanh','Nguyet','Aaliyah','Zebulon'], others.u(CASE WHEN others.u(i, 'son') < 0.06 THEN h ELSE i END, 'f')) AS first_name,
		chr(65 + floor(others.u(i, 'm') * 26)::int) AS middle,
		others.skewed(ARRAY['Smith','Johnson','Williams','Brown','Jones','Garcia','Miller','Davis','Rodriguez','Martinez','Hernandez','Lopez','Gonzalez','Wilson','Anderson','Thomas','Taylor','Moore','Jackson','Martin','Lee','Perez','Thompson','White','Harris','Sanchez','Clark','Ramirez','Lewis','Robinson','Walker','Young','Allen','King','Wright','Scott','Torres','Nguyen','Hill','Flores','Oxendine','Locklear','Culbreth','Hardister','Ledbetter','Faircloth','Barefoot','Hinnant','Strickland','Whisenhunt','McLaurin','O''Quinn','Van Hoy','St. Clair','Yarborough','Dellinger','Honeycutt','Bumgarner','Teague','Shufford','Poteat','Killian','Overcash','Deaton','Eudy','Furr','Almond','Huneycutt','Burleyson','Hathcock'], others.u(h, 'l')) AS last_name,
		1 + floor(others.u(h, 'nr') * 9800)::int || ' ' || others.pick(ARRAY['Oak','Maple','Church','Main','Mill','Old Salisbury','Pine Ridge','Country Club','Dogwood','Highland','Sunset','Lakeview','Chestnut','Magnolia'], others.u(h, 's')) || ' ' || others.pick(ARRAY['ST','RD','DR','LN','AVE','CT'], others.u(h, 's2')) AS street,
		others.pick(ARRAY['CHARLOTTE 28202','RALEIGH 27601','GREENSBORO 27401','DURHAM 27701','ASHEVILLE 28801','HICKORY 28601','CONCORD 28025','SALISBURY 28144'], others.u(h, 'c')) AS city, date '1930-01-01' + floor(others.u(i, 'b') * 27000)::int AS born
	FROM (SELECT i, 1 + i * 4 / 9 AS h FROM generate_series(1, 3000) i) p;
INSERT INTO others.voters SELECT i, upper(first_name), upper(middle), upper(last_name), NULL, upper(street), split_part(city, ' ', 1), 'NC', split_part(city, ' ', 2), to_char(born, 'YYYY-MM-DD') FROM us;
INSERT INTO others.voters
	SELECT 10000 + i, upper(CASE WHEN k < 0.15 THEN others.slip(first_name, others.u(i, 'y1')) WHEN k < 0.25 THEN coalesce((jsonb '{"James":"Jim","Robert":"Bob","John":"Jack","Michael":"Mike","William":"Bill","Elizabeth":"Liz","Richard":"Dick","Susan":"Sue","Joseph":"Joe","Thomas":"Tom","Charles":"Chuck","Christopher":"Chris","Daniel":"Dan","Matthew":"Matt","Margaret":"Peggy","Donald":"Don","Steven":"Steve","Kimberly":"Kim","Andrew":"Drew","Kenneth":"Ken","Patricia":"Pat","Jennifer":"Jen","Barbara":"Barb"}' ->> first_name), first_name) ELSE first_name END),
		CASE WHEN others.u(i, 'y2') < 0.6 THEN upper(middle) END,
		upper(CASE WHEN k > 0.9 THEN others.slip(last_name, others.u(i, 'y3')) WHEN k > 0.84 THEN others.pick(ARRAY['Kowalczyk','Abernathy','Pruitt','Castellanos','Featherstone'], others.u(i, 'y4')) WHEN k > 0.8 THEN last_name || '-' || others.pick(ARRAY['Kowalczyk','Abernathy','Pruitt'], others.u(i, 'y4')) ELSE last_name END), NULL,
		CASE WHEN others.u(i, 'y5') < 0.7 THEN replace(replace(replace(upper(street), ' RD', ' ROAD'), ' ST', ' STREET'), ' DR', ' DRIVE') || CASE WHEN others.u(i, 'y6') < 0.2 THEN ' APT 4' ELSE '' END ELSE 17 + i || ' NEW HOPE CHURCH RD' END,
		split_part(city, ' ', 1), 'NC', CASE WHEN others.u(i, 'y5') < 0.7 THEN split_part(city, ' ', 2) || '-' || 1000 + i % 9000 ELSE split_part(city, ' ', 2) END,
		CASE WHEN others.u(i, 'y7') < 0.75 THEN to_char(born, 'MM/DD/YYYY') WHEN others.u(i, 'y7') < 0.9 THEN to_char(born + 9, 'YYYY-MM-DD') END
	FROM (SELECT us.*, others.u(i, 'k2') AS k FROM us WHERE others.u(i, 'dup2') < 0.2) d;
INSERT INTO others.truth SELECT 'voters', least((voter_id - 10000)::text COLLATE "C", voter_id::text), greatest((voter_id - 10000)::text COLLATE "C", voter_id::text) FROM others.voters WHERE voter_id > 10000;

-- ---- hotels ----
CREATE TABLE others.hotels (id integer PRIMARY KEY, hotel_name text, address text, city text, country text, phone text);
CREATE TEMP TABLE hotel AS
	SELECT i, CASE WHEN others.u(i, 'ch') < 0.55 THEN others.pick(ARRAY['Marlowe Inn','Plaza Regent','Comfort Lodge','Best Harbour','Novaris','Ibex Budget','Sherwood Suites'], others.u(i, 'ch1')) || ' ' || t.town || ' ' || others.pick(ARRAY['Airport','Downtown','City Centre','North','Old Town','Riverside','Station','Fairground','University','Harbour','East','West','South','Stadium','Business Park','Castle','Opera'], others.u(i, 'ch2'))
			ELSE 'Hotel ' || others.pick(ARRAY['Bellevue','Krone','Adler','Splendid','Miramar','du Lac','Excelsior','Post','Bristol','Terminus','Zum Goldenen Hirschen','Santa Lucia','Monte Rosa','des Alpes','Astoria','Metropole','Ambassador','Continental','Savoy','Windsor','Beau Rivage','Belvedere','Panorama','Kaiserhof','Schwan','Traube','Zur Linde','Am Dom','Vier Jahreszeiten','Carlton','Majestic','Royal','Victoria','Athena','Aurora','Capri','San Marco','Villa Rosa','La Pergola','Le Parc','Saint Georges','Les Tilleuls','Mercator','Columbus','Orion','Sirius','Atlas','Neptun','Diana','Flora'], others.u(i, 'h1')) || CASE WHEN others.u(i, 'h2') < 0.5 THEN ' ' || t.town ELSE '' END END AS name,
		CASE WHEN t.country IN ('Germany','Austria') THEN others.pick(ARRAY['Bahnhofstrasse','Ringstrasse','Seestrasse','Domplatz','Marktplatz'], others.u(i, 's')) || ' ' || 1 + floor(others.u(i, 'n') * 90)::int
			WHEN t.country = 'France' THEN 1 + floor(others.u(i, 'n') * 90)::int || ' ' || others.pick(ARRAY['rue de la Gare','avenue Foch','boulevard Carnot','place Bellecour','quai Wilson'], others.u(i, 's'))
			WHEN t.country = 'Italy' THEN 'Via ' || others.pick(ARRAY['Roma','Garibaldi','Mazzini','Cavour','Dante'], others.u(i, 's')) || ', ' || 1 + floor(others.u(i, 'n') * 90)::int
			ELSE 1 + floor(others.u(i, 'n') * 900)::int || ' ' || others.pick(ARRAY['King Street','High Street','Station Road','Queen Street','Park Lane'], others.u(i, 's')) END AS address, t.town, t.country, t.prefix, t.zero, 200000 + (i * 6007) % 790000 AS line
	FROM generate_series(1, 700) i, LATERAL (SELECT split_part(z, '|', 1) AS town, split_part(z, '|', 2) AS country, split_part(z, '|', 3) AS prefix, split_part(z, '|', 4) AS zero FROM others.pick(ARRAY['Munich|Germany|+4989|0','Vienna|Austria|+431|0','Hamburg|Germany|+4940|0','Lyon|France|+33472|0','Nice|France|+33493|0','Milan|Italy|+3902|','Torino|Italy|+39011|','Leeds|United Kingdom|+441132|0','Bristol|United Kingdom|+441179|0'], others.u(i, 't')) z) t;
-- a town has one house of a name
DELETE FROM hotel h WHERE EXISTS (SELECT FROM hotel o WHERE replace(o.name, ' ' || o.town, '') = replace(h.name, ' ' || h.town, '') AND o.town = h.town AND o.i < h.i);
INSERT INTO others.hotels SELECT i, name, address, town, country, prefix || line FROM hotel;
INSERT INTO others.hotels
	SELECT 10000 + i, CASE WHEN k < 0.3 THEN regexp_replace(name, '^Hotel (.*)$', '\1 Hotel') WHEN k < 0.45 THEN replace(name, ' ' || town, '') WHEN k < 0.6 THEN replace(upper(name), 'CITY CENTRE', 'CENTER') WHEN k < 0.7 THEN others.slip(name, others.u(i, 'z1')) ELSE name || CASE WHEN others.u(i, 'z2') < 0.3 THEN ' ****' ELSE '' END END,
		CASE WHEN others.u(i, 'z3') < 0.85 THEN replace(replace(replace(replace(replace(address, 'strasse', 'str.'), 'Street', 'St'), 'Road', 'Rd'), 'boulevard', 'Bd'), 'avenue', 'Av.') END,
		CASE WHEN others.u(i, 'z4') < 0.2 THEN coalesce((jsonb '{"Munich":"München","Vienna":"Wien","Milan":"Milano","Torino":"Turin"}' ->> town), town) ELSE upper(town) END, CASE WHEN others.u(i, 'z5') < 0.5 THEN coalesce((jsonb '{"Germany":"DE","Austria":"Österreich","France":"FRA","Italy":"Italia","United Kingdom":"UK"}' ->> country), country) ELSE country END,
		CASE WHEN others.u(i, 'z6') < 0.7 THEN CASE WHEN others.u(i, 'z7') < 0.5 THEN replace(prefix, '+', '00') || ' ' || line ELSE zero || regexp_replace(prefix, '^\+(49|43|33|39|44)', '') || ' ' || line END END
	FROM (SELECT hotel.*, others.u(i, 'k3') AS k FROM hotel WHERE others.u(i, 'dup3') < 0.4) d;
INSERT INTO others.truth SELECT 'hotels', least((id - 10000)::text COLLATE "C", id::text), greatest((id - 10000)::text COLLATE "C", id::text) FROM others.hotels WHERE id > 10000;

-- ---- companies ----
CREATE TABLE others.companies (id integer PRIMARY KEY, company_name text, website text, city text, country text, vat_number text);
CREATE TEMP TABLE firm AS
	SELECT i, initcap(others.pick(ARRAY['nova','terra','alto','ver','lumi','cor','dex','sol','quan','pri','zen','hel','orb','mar','syn'], others.u(i, 'a')) || others.pick(ARRAY['tex','dyne','via','nix','ra','lis','gen','pax','dor','ta','mon','ris','lux'], others.u(i, 'b')) || others.pick(ARRAY['','','o','a','is','um'], others.u(i, 'c'))) || ' ' || others.pick(ARRAY['Systems','Logistics','Foods','Pharma','Consulting','Energy','Robotics','Media','Capital','Textiles'], others.u(i, 'd')) AS name,
		t.town, t.country, t.form, t.tld
	FROM generate_series(1, 1500) i, LATERAL (SELECT split_part(z, '|', 1) AS town, split_part(z, '|', 2) AS country, split_part(z, '|', 3) AS form, split_part(z, '|', 4) AS tld FROM others.pick(ARRAY['Berlin|Germany|GmbH|de','Lyon|France|SAS|fr','Madrid|Spain|S.L.|es','Milan|Italy|S.r.l.|it','Warsaw|Poland|Sp. z o.o.|pl','London|United Kingdom|Ltd|co.uk','Austin|United States|Inc.|com','Toronto|Canada|Corp.|ca','Sydney|Australia|Pty Ltd|com.au','Helsinki|Finland|Oy|fi','Prague|Czech Republic|s.r.o.|cz','São Paulo|Brazil|Ltda.|com.br'], others.u(i, 't')) z) t;
INSERT INTO others.companies SELECT i, name || ' ' || form, CASE WHEN others.u(i, 'w') < 0.8 THEN 'https://www.' || others.plain(name) || i % 7 || '.' || tld || '/' END, town, country, NULL FROM firm;
INSERT INTO others.companies
	SELECT 10000 + i, CASE WHEN k < 0.3 THEN upper(name) WHEN k < 0.45 THEN name || ', ' || others.pick(ARRAY['Incorporated','Limited','& Co. KG','Group','Holding'], others.u(i, 'q1')) WHEN k < 0.6 THEN others.slip(name, others.u(i, 'q2')) || ' ' || form ELSE 'The ' || name || ' Company' END,
		CASE WHEN others.u(i, 'w') < 0.8 AND others.u(i, 'q3') < 0.8 THEN others.pick(ARRAY['http://','','HTTP://WWW.','https://shop.','http://www.'], others.u(i, 'q4')) || others.plain(name) || i % 7 || '.' || tld || others.pick(ARRAY['','/en/contact','?utm_source=google&utm_medium=cpc','/index.html#top','?gclid=Cj0KC'], others.u(i, 'q5')) END,
		CASE WHEN others.u(i, 'q6') < 0.7 THEN town END, CASE WHEN others.u(i, 'q7') < 0.8 THEN lower(country) END, NULL
	FROM (SELECT firm.*, others.u(i, 'k4') AS k FROM firm WHERE others.u(i, 'dup4') < 0.3) d;
INSERT INTO others.truth SELECT 'companies', least((id - 10000)::text COLLATE "C", id::text), greatest((id - 10000)::text COLLATE "C", id::text) FROM others.companies WHERE id > 10000;

-- ---- leads_world ----
CREATE TABLE others.leads_world (id text PRIMARY KEY, "First Name" text, "Last Name" text, "Email Address" text, "Mobile Phone" text, "Company / Account" text, "State/Province" text, "Country" text);
CREATE TEMP TABLE world AS
	SELECT i, f.c, n.first, n.last, f.company, f.domain, f.country, f.prefix || (f.c::bigint * 7001) % 900000 + 2100000 AS switchboard, f.prefix || 2100000 + (i::bigint * 104729) % 7899999 AS mobile, n.short, n.other_first, n.other_last
	FROM generate_series(1, 2400) i,
		LATERAL (SELECT c, others.pick(ARRAY['Arden','Bexley','Corvin','Delmar','Estrel','Fenwick','Galdor','Hollis','Istria','Jorvik'], others.u(c, 'w1')) || others.pick(ARRAY['soft','works','bank','tel','pharm','air','steel','media'], others.u(c, 'w2')) AS company, lower(others.pick(ARRAY['Arden','Bexley','Corvin','Delmar','Estrel','Fenwick','Galdor','Hollis','Istria','Jorvik'], others.u(c, 'w1')) || others.pick(ARRAY['soft','works','bank','tel','pharm','air','steel','media'], others.u(c, 'w2')) || others.pick(ARRAY['','group','-intl','corp'], others.u(c, 'w4')) || '.' || others.pick(ARRAY['com','net','io','eu'], others.u(c, 'w5'))) AS domain, split_part(z, '|', 1) AS country, split_part(z, '|', 2) AS prefix
				 FROM (SELECT 1 + floor(others.u(i, 'firm') * 300)::int AS c) x, LATERAL others.pick(ARRAY['India|+91982','Spain|+3461','Brazil|+551198','Germany|+49176','Poland|+4860','United States|+1212','Russia|+7916','Vietnam|+8490'], others.u(c, 'ct')) z) f,
		LATERAL (SELECT split_part(a, '|', 1) AS first, split_part(a, '|', 2) AS short, split_part(a, '|', 3) AS other_first, split_part(b, '|', 1) AS last, split_part(b, '|', 2) AS other_last FROM
			others.pick(CASE f.country WHEN 'India' THEN ARRAY['Rajesh|Raj|','Priyanka|Priya|','Venkatesh|Venkat|','Lakshmi||Laxmi','Suresh||','Deepika|Deepa|Dipika','Mohammed|Mohd|Muhammad','Anjali|Anju|'] WHEN 'Spain' THEN ARRAY['José|Pepe|','Francisco|Paco|','María Dolores|Lola|','Ignacio|Nacho|','Montserrat|Montse|','Jesús||','Concepción|Concha|'] WHEN 'Brazil' THEN ARRAY['João||','Luiz|Lula|Luis','Antônio|Toninho|Antonio','Ana Paula|Ana|','Gabriela|Gabi|','Thiago||Tiago'] WHEN 'Germany' THEN ARRAY['Jürgen||Juergen','Maximilian|Max|','Katharina|Kathi|','Johannes|Hannes|','Sebastian|Basti|','Ulrike|Uli|'] WHEN 'Poland' THEN ARRAY['Katarzyna|Kasia|','Małgorzata|Gosia|','Aleksandra|Ola|','Krzysztof|Krzysiek|','Wojciech|Wojtek|','Agnieszka|Aga|'] WHEN 'Russia' THEN ARRAY['Александр|Саша|Aleksandr','Екатерина|Катя|Ekaterina','Дмитрий|Дима|Dmitry','Сергей||Sergey','Наталья|Наташа|Natalia'] WHEN 'Vietnam' THEN ARRAY['Nguyễn Văn||Nguyen Van','Thị Hương||Thi Huong','Đức||Duc','Quỳnh||Quynh'] ELSE ARRAY['William|Bill|','Margaret|Peggy|','Robert|Bob|','Elizabeth|Liz|','Jonathan|Jon|','Katherine|Kate|Catherine'] END, others.u(i, 'wf')) a,
			others.pick(CASE f.country WHEN 'India' THEN ARRAY['Sharma|','Patel|','Krishnamurthy|Krishnamoorthy','Reddy|','Iyer|Aiyar','Chaudhary|Choudhury','Mukherjee|Mukerji','Nair|'] WHEN 'Spain' THEN ARRAY['García López|García','Martínez|','Rodríguez Pérez|Rodríguez','Sánchez|','Fernández|','Muñoz|Munoz'] WHEN 'Brazil' THEN ARRAY['da Silva|Silva','dos Santos|Santos','Oliveira|','Souza|Sousa','Gonçalves|Goncalves'] WHEN 'Germany' THEN ARRAY['Schröder|Schroeder','Weiß|Weiss','Müller-Lüdenscheidt|Müller','Kühn|Kuehn','Hoffmann|'] WHEN 'Poland' THEN ARRAY['Kowalska|','Wiśniewski|Wisniewski','Wójcik|Wojcik','Lewandowski|','Dąbrowski|Dabrowski'] WHEN 'Russia' THEN ARRAY['Иванов|Ivanov','Смирнова|Smirnova','Щербаков|Shcherbakov','Кузнецов|Kuznetsov','Попова|Popova'] WHEN 'Vietnam' THEN ARRAY['Nguyễn|Nguyen','Trần|Tran','Phạm|Pham','Đặng|Dang'] ELSE ARRAY['Smith|','Johnson|','O''Connor|OConnor','Macdonald|McDonald','Fitzgerald|'] END || ARRAY['Abadi|','Brandao|','Czerny|','Dragan|','Eriksen|','Farkas|','Grigoryan|','Horvat|','Ilves|','Jansson|','Kaplan|','Lindqvist|','Moreau|','Novotny|','Okafor|','Petrescu|','Quispe|','Rantanen|','Sorensen|','Takahashi|','Urbina|','Valdes|','Westergaard|','Xanthopoulos|','Yamaguchi|','Zielinski|','Amari|','Bergstrom|','Castelli|','Demir|','Esposito|','Ferreira|','Gallagher|','Haddad|','Ibrahim|','Jovanovic|','Kuznetsov|','Laurent|','Mancini|','Nakamura|','Olsen|','Popescu|','Romano|','Sandoval|','Tkachenko|','Ueda|','Vasquez|','Weber|','Yilmaz|','Zhang|','Bianchi|','Carvalho|','Dimitrov|','Egger|','Fontaine|','Gruber|','Hansen|','Ivanova|','Jensen|','Kovacs|','Leclerc|','Marino|','Nilsson|','Osei|','Pavlov|','Ricci|','Stoica|','Tanaka|','Uzun|','Virtanen|'], others.u(i, 'wl')) b) n;
DELETE FROM world w WHERE EXISTS (SELECT FROM world o WHERE o.company = w.company AND o.first = w.first AND o.last = w.last AND o.i < w.i);
INSERT INTO others.leads_world
	SELECT md5('w' || i), first, last, CASE WHEN others.u(i, 'we') < 0.85 THEN others.mailbox(coalesce(nullif(other_first, ''), first), coalesce(nullif(other_last, ''), last)) || '@' || domain END, CASE WHEN others.u(i, 'wp') < 0.3 THEN switchboard WHEN others.u(i, 'wp') < 0.7 THEN mobile END, company || ' Ltd', NULL, country FROM world;
INSERT INTO others.leads_world
	SELECT md5('x' || i), CASE WHEN k < 0.2 AND short <> '' THEN short WHEN k < 0.4 AND other_first <> '' THEN other_first WHEN k < 0.5 THEN others.slip(first, others.u(i, 'v1')) ELSE first END,
		CASE WHEN k < 0.4 AND other_last <> '' THEN other_last WHEN k > 0.9 THEN others.slip(last, others.u(i, 'v2')) ELSE last END,
		CASE WHEN others.u(i, 'v3') < 0.45 THEN others.mailbox(coalesce(nullif(other_first, ''), first), coalesce(nullif(other_last, ''), last)) || '@' || others.pick(ARRAY['', 'mail.'], others.u(i, 'v7')) || domain WHEN others.u(i, 'v3') < 0.7 THEN others.mailbox(coalesce(nullif(other_first, ''), first), coalesce(nullif(other_last, ''), last)) || i % 100 || '@gmail.com' END,
		CASE WHEN others.u(i, 'v4') < 0.5 THEN regexp_replace(mobile, '^(\+\d\d)(.*)(...)$', '\1 \2-\3') END, CASE WHEN others.u(i, 'v5') < 0.8 THEN upper(company) END, NULL, CASE WHEN others.u(i, 'v6') < 0.8 THEN country END
	FROM (SELECT world.*, others.u(i, 'k5') AS k FROM world WHERE others.u(i, 'dup5') < 0.2) d;
INSERT INTO others.truth SELECT 'leads_world', least(md5('w' || i) COLLATE "C", md5('x' || i)), greatest(md5('w' || i) COLLATE "C", md5('x' || i)) FROM world WHERE others.u(i, 'dup5') < 0.2;

SELECT leadroute.attach('others.contacts_de', 'contacts_de', columns => '{"key": "kontakt_nr", "first_name": "vorname", "last_name": "nachname", "company": "firma", "phone": "telefon", "postal_code": "plz", "city": "ort", "birth_date": "geburtsdatum"}');
SELECT leadroute.attach('others.voters', 'voters', columns => '{"key": "voter_id"}');
SELECT leadroute.attach('others.hotels', 'hotels', columns => '{"company": "hotel_name"}');
SELECT leadroute.attach('others.companies', 'companies');
SELECT leadroute.attach('others.leads_world', 'leads_world', columns => '{"first_name": "First Name", "last_name": "Last Name", "email": "Email Address", "phone": "Mobile Phone", "company": "Company / Account", "country": "Country"}');
UPDATE leadroute.flows SET default_country = 'de' WHERE flow = 'contacts_de';
UPDATE leadroute.flows SET default_country = 'us' WHERE flow = 'voters';

CREATE VIEW others.suggested AS
	SELECT d.flow, d.lead, d.other, d.score, EXISTS (SELECT FROM others.truth t WHERE t.flow = d.flow AND t.lead = d.lead AND t.other = d.other) AS is_true FROM leadroute.duplicate_candidates d;
CREATE VIEW others.curve AS
	SELECT c.flow, c.score, round(c.found / c.suggested, 4) AS precision, round(c.found / t.pairs, 4) AS recall, round(2 * c.found / (c.suggested + t.pairs), 4) AS f1, c.suggested
	FROM (SELECT s.flow, x.score, count(*)::numeric AS suggested, count(*) FILTER (WHERE s.is_true)::numeric AS found
		  FROM others.suggested s JOIN unnest('{0.5,0.9,0.99}'::float8[]) x(score) ON s.score >= x.score GROUP BY 1, 2) c
		JOIN (SELECT flow, count(*)::numeric AS pairs FROM others.truth GROUP BY 1) t USING (flow);
