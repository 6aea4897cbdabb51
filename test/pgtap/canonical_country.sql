-- country_code, region_code, postal_key: what people write, and the one code for it
\set ON_ERROR_STOP on
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
SET LOCAL client_min_messages = warning;
SELECT plan(8);

CREATE TEMP TABLE given_country (code text, names text[]) ON COMMIT DROP;
INSERT INTO given_country VALUES
	('de', ARRAY['Germany', 'DEU', 'de', ' DE ', '276', 'Deutschland', 'Allemagne', 'ALEMANIA', 'Германия', 'Federal Republic of Germany']),
	('us', ARRAY['US', 'U.S.', 'U.S.A.', 'U. S. A.', 'USA', 'United States', 'United States of America', 'the United States', 'Vereinigte Staaten', 'États-Unis', 'Estados Unidos', '840']),
	('gb', ARRAY['UK', 'U.K.', 'GB', 'GBR', 'United Kingdom', 'Great Britain', 'England', 'Royaume-Uni', 'United Kingdom of Great Britain and Northern Ireland']),
	('nl', ARRAY['the netherlands', 'Holland', 'Nederland', 'Niederlande']), ('ci', ARRAY['Côte d''Ivoire', 'Cote d’Ivoire', 'IVORY COAST']),
	('jp', ARRAY['日本', 'Japan', 'JPN', 'Japón']), ('cn', ARRAY['中国', 'PRC', 'P.R. China', 'Mainland China']), ('kr', ARRAY['Korea, Republic of', 'South Korea', '대한민국', 'Korea (South)']),
	('ru', ARRAY['Россия', 'Russian Federation', 'Russia']), ('gr', ARRAY['Ελλάδα', 'ΕΛΛΑΔΑ', 'Greece']), ('hk', ARRAY['Hong  Kong', 'hongkong', 'Hong Kong SAR']), ('ax', ARRAY['Åland Islands', 'Aland Islands', E'A\u030Aland Islands']),
	('tt', ARRAY['Trinidad & Tobago', 'Trinidad and Tobago']), ('lc', ARRAY['St. Lucia', 'Saint Lucia']), ('tr', ARRAY['Türkiye', 'Turkey', 'TURKIYE']), ('vn', ARRAY['Viet Nam', 'Vietnam']), ('ae', ARRAY['UAE', 'United Arab Emirates']),
	('cz', ARRAY['Czechia', 'Czech Republic']), ('xk', ARRAY['Kosovo']), ('mk', ARRAY['Macedonia', 'North Macedonia']), ('ne', ARRAY['Niger']), ('ng', ARRAY['Nigeria']), ('gn', ARRAY['Guinea']), ('ie', ARRAY['Ireland', 'Éire']), ('dm', ARRAY['Dominica']), ('ge', ARRAY['Georgia']),
	('tz', ARRAY['Tanzania']), ('sg', ARRAY['Singapore']), ('in', ARRAY['India', 'IN', 'Inde']), ('at', ARRAY['Österreich', 'Oesterreich', 'Austria']), ('au', ARRAY['Australia', 'AUS']), ('ch', ARRAY['Schweiz', 'Suisse', 'Switzerland']),
	('na', ARRAY['NA', ' na ', 'Namibia']), ('no', ARRAY['NO', 'Norway']),
	(NULL, ARRAY['N/A', 'n. a.', 'n/a ', 'unknown', 'Asia/Pacific Region', '', ' ', 'XX', 'the', '.', 'Europe', repeat('Germany', 40)]);
SELECT is_empty($$ SELECT name, code, leadroute.country_code(name) FROM given_country, unnest(names) name WHERE leadroute.country_code(name) IS DISTINCT FROM code $$,
	'countries in many spellings, as CRMs hold them');

CREATE TEMP TABLE given_region (country text, code text, names text[]) ON COMMIT DROP;
INSERT INTO given_region VALUES
	('us', 'ca', ARRAY['California', 'CALIFORNIA', 'Calif.', 'CA', 'ca', 'US-CA', 'us/ca', 'Kalifornien', 'Californie']), ('United States', 'ny', ARRAY['New York', 'N.Y.', 'NY']), ('USA', 'ma', ARRAY['Mass', 'Mass.', 'Massachusetts']),
	('us', 'dc', ARRAY['Washington, D.C.', 'District of Columbia', 'DC', 'D.C.']), ('us', 'wa', ARRAY['Washington', 'Wash.']), ('us', 'nd', ARRAY['N. Dak.', 'North Dakota']), ('us', 'va', ARRAY['Va.', 'Virginia']), ('us', 'wv', ARRAY['W. Va.', 'West Virginia']),
	('us', 'pr', ARRAY['PR', 'Puerto Rico']), ('us', 'gu', ARRAY['GU', 'Guam']), ('us', 'fm', ARRAY['FM']), ('us', 'pw', ARRAY['PW']), ('us', 'mp', ARRAY['MP']), ('us', 'ae', ARRAY['AE']),
	('ca', 'qc', ARRAY['Québec', 'Quebec', 'QC', 'PQ', 'Que.', 'CA-QC']), ('ca', 'on', ARRAY['Ontario', 'Ont']), ('ca', 'nl', ARRAY['Newfoundland', 'NL']), ('au', 'nsw', ARRAY['nsw', ' New South Wales']), ('au', 'tas', ARRAY['tas', 'Tasmania']), ('au', 'wa', ARRAY['WA', 'Western Australia']),
	('de', 'by', ARRAY['Bayern', 'Bavaria', 'DE-BY']), ('de', 'nw', ARRAY['NRW', 'Nordrhein-Westfalen']), ('gb', 'eng', ARRAY['England']), ('gb', 'ken', ARRAY['Kent']), ('in', 'mh', ARRAY['Maharashtra']), ('es', 'ct', ARRAY['Cataluña', 'Catalunya']),
	('fr', 'idf', ARRAY['Île-de-France', 'ile de france']), ('mx', 'cmx', ARRAY['CDMX', 'Ciudad de México']), ('br', 'sp', ARRAY['São Paulo', 'SP']), ('jp', '13', ARRAY['Tokyo', '東京', '13']), ('it', '25', ARRAY['Lombardia', 'Lombardy']), ('ch', 'zh', ARRAY['Zürich', 'ZH']), ('ie', 'd', ARRAY['Dublin']),
	('us', NULL, ARRAY['', 'Ontario', 'XX', 'US-', 'qdl', 'Kent County']), ('nowhere', NULL, ARRAY['CA']), ('sg', NULL, ARRAY['Singapore']);
SELECT is_empty($$ SELECT country, name, code, leadroute.region_code(name, country) FROM given_region, unnest(names) name WHERE leadroute.region_code(name, country) IS DISTINCT FROM code $$,
	'regions within their country');

SELECT is(leadroute.postal_key(given, country), expected, coalesce(country, 'no country') || ': ' || to_json(given))
  FROM (VALUES ('7725', 'US', '07725')) x (given, country, expected);
CREATE TEMP TABLE given_postal (given text, country text, expected text) ON COMMIT DROP;
INSERT INTO given_postal VALUES ('07725', 'USA', '07725'), ('7725-1234', 'us', '07725-1234'), ('077251234', 'us', '07725-1234'), ('77251234', 'us', '07725-1234'), ('501', 'us', '00501'), ('5011234', 'us', '00501-1234'), ('7725.0', 'us', '07725'), (' 95199 - 0001', 'us', '95199-0001'),
	('601', 'pr', '00601'), ('1067', 'de', '01067'), ('D-80331', 'de', '80331'), ('800', 'au', '0800'), ('SE-111 22', 'se', '11122'), ('123-4567', 'jp', '1234567'), ('１２３-４５６７', 'jp', '1234567'), ('〒123-4567', NULL, '1234567'), ('K1A 0B1', 'ca', 'k1a0b1'), ('SW1A 1AA', 'uk', 'sw1a1aa'),
	('1234 AB', 'nl', '1234ab'), ('PL 00-950', 'xx', 'pl00950'), ('7725', NULL, '7725'), ('7725', 'nowhere', '7725'), ('12', 'us', '12'), ('12345678901', 'us', '12345678901'), ('', 'us', NULL), (' - ', 'us', NULL), (NULL, 'us', NULL), (repeat('1', 300), 'us', NULL);
SELECT is_empty($$ SELECT *, leadroute.postal_key(given, country) FROM given_postal WHERE leadroute.postal_key(given, country) IS DISTINCT FROM expected $$, 'postal codes, zeros that spreadsheets lost included');

-- keys are their own keys
SELECT is_empty($$ SELECT code FROM given_country WHERE leadroute.country_code(code) IS DISTINCT FROM code $$, 'a country''s code is its own');
SELECT is_empty($$ SELECT country, code FROM given_region WHERE code IS NOT NULL AND leadroute.region_code(code, country) IS DISTINCT FROM code $$, 'so is a region''s');
SELECT is_empty($$ SELECT given, country FROM given_postal WHERE leadroute.postal_key(leadroute.postal_key(given, country), country) IS DISTINCT FROM leadroute.postal_key(given, country) $$, 'and a postal code''s');
SELECT is(count(leadroute.region_code(code, 'us'))::integer, 51, 'the 50 states and the capital')
  FROM unnest(string_to_array('al,ak,az,ar,ca,co,ct,de,fl,ga,hi,id,il,in,ia,ks,ky,la,me,md,ma,mi,mn,ms,mo,mt,ne,nv,nh,nj,nm,ny,nc,nd,oh,ok,or,pa,ri,sc,sd,tn,tx,ut,vt,va,wa,wv,wi,wy,dc', ',')) code
 WHERE leadroute.region_code(code, 'us') = code;
SELECT * FROM finish();
ROLLBACK;
