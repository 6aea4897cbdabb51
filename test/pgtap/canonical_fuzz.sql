/*
 * test/pgtap/canonical_fuzz.sql
 *		Anything into the canonical functions: no error, a key that is its own key, and a problem
 *		exactly where there is no key. Fixed seed.
 */
\set ON_ERROR_STOP on
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
SET LOCAL client_min_messages = warning;
SELECT plan(11);
SELECT setseed(0.4) \gset

CREATE FUNCTION pg_temp.pieces(pieces text[], n integer) RETURNS text LANGUAGE sql VOLATILE AS
	$$ SELECT string_agg(pieces[1 + floor(random() * cardinality(pieces))::integer], '') FROM generate_series(1, n) $$;
CREATE TEMP TABLE given (kind text, txt text) ON COMMIT DROP;
INSERT INTO given SELECT 'address', pg_temp.pieces(ARRAY['a', 'Kim', '.', '.', '@', '@', '+', '-', '"', '\', '<', '>', ' ', ',', ':', '/', '//', '://', '?', 'mailto:', 'http', '[', ']', 'com', 'co.uk', 'gmail.com', 'xn--', 'xn--mller-kva', 'ü', 'ß', 'İ', 'Σ', 'ς', '日本', '。', '．', '＠', 'ﬁ', '😀', E'\u200d', E'\u0301', E'\u202e', 'א', E'\t', E'\x01', '1', '255'], 1 + i % 12) FROM generate_series(1, 12000) i;
INSERT INTO given SELECT 'phone', pg_temp.pieces(ARRAY['+', '+1', '0', '00', '1', '2', '5', '555', '7', '49', '415', '200', '7986', ' ', '-', '(', ')', '/', '.', 'x', 'ext', ';ext=', ';isub=', 'tel:', ';phone-context=', '٣', '９', 'a', '*', '#', '~', E'\u00a0', E'\u200b', E'\x02', '😀'], 1 + i % 14) FROM generate_series(1, 3000) i;
INSERT INTO given SELECT 'address', pg_temp.pieces(ARRAY['a', 'Kim', 'Ü', '.', '+', '-', '"', ' ', 'ﬁ', '1'], 1 + i % 5) || '@' || pg_temp.pieces(ARRAY['a', 'Bc', 'ü', 'ß', '日', 'İ', '-', '.', '1', 'x.'], 1 + i % 4) || (ARRAY['.com', '.CO.UK', '.de', 'gmail.com', '。jp', ''])[1 + i % 6] FROM generate_series(1, 6000) i;
INSERT INTO given SELECT 'phone', (ARRAY['+1', '1', '', '+1 ', '001', '+44', '+49', '+39 0', '+'])[1 + i % 9] || pg_temp.pieces(ARRAY['-', ' ', '(', ')', '.', '', '', ''], 1) || (201 + i % 700) || pg_temp.pieces(ARRAY['-', ' ', ') ', '.', '', '/'], 1) || (200 + i % 800) || pg_temp.pieces(ARRAY['-', ' ', '.', ''], 1) || (1000 + i % 9000) || pg_temp.pieces(ARRAY['', '', '', ' x', ' ext. 7', ';ext=1', '#2', '0', E'\u200b'], 1) FROM generate_series(1, 4000) i;
INSERT INTO given SELECT 'company', pg_temp.pieces(ARRAY['Acme', 'a', 'b', 'The', 'and', '&', ' ', ' ', ' ', '.', ',', '-', '''', '’', 'Inc', 'Co', 'S.A.', 'de C.V.', 'r.l.', 'GmbH', 'z o.o.', 'Limited', '株式会社', '㈱', '有限公司', 'ООО', 'トヨタ', 'ﾄﾞ', 'ß', 'İ', 'ı', 'ŉ', 'ǰ', 'ﬀ', 'ϓ', 'ᾳ', '½', '№', '™', '²', 'Å', '한', E'\u1112\u1161', E'\u0345', E'\u0301', E'\u0323', E'\u093c', E'\u200f', '😀', '(', ')'], 1 + i % 10) FROM generate_series(1, 12000) i;
INSERT INTO given SELECT 'place', pg_temp.pieces(ARRAY['the', 'US', '-', 'CA', ' ', 'United', 'States', 'of', 'Korea', ', Republic', 'é', '.', '12', '0', '7725', 'D-', '-1234', '.0', 'SW1A', 'ü'], 1 + i % 6) FROM generate_series(1, 4000) i;
INSERT INTO given SELECT 'bytes', string_agg(chr(1 + floor(random() * CASE WHEN random() < 0.6 THEN 126 WHEN random() < 0.8 THEN 50000 ELSE 1000000 END)::integer % 55000), '') FROM generate_series(1, 3000) i, generate_series(1, 1 + i % 30) GROUP BY i;
-- every character by itself and after a letter: all of Unicode that has case, width or accents
INSERT INTO given SELECT 'characters', v FROM generate_series(161, 12000) c, unnest(ARRAY[chr(c), 'a' || chr(c) || 'b']) v;
INSERT INTO given SELECT 'characters', v FROM generate_series(63744, 65533) c, unnest(ARRAY[chr(c), 'a' || chr(c) || 'b']) v;
INSERT INTO given SELECT 'characters', chr(c) FROM generate_series(66560, 70000) c;

SELECT is_empty($$ SELECT txt, leadroute.email_key(txt) FROM given WHERE kind IN ('address', 'bytes') AND (leadroute.email_key(leadroute.email_key(txt)) IS DISTINCT FROM leadroute.email_key(txt) OR (leadroute.email_key(txt) IS NULL) <> (leadroute.email_problem(txt) IS NOT NULL)) $$, 'e-mail');
SELECT is_empty($$ SELECT txt, k, leadroute.email_key(k) FROM given, leadroute.email_key(txt || '@acme.com') k WHERE kind <> 'address' AND leadroute.email_key(k) IS DISTINCT FROM k $$, 'local parts of all kinds');
SELECT is_empty($$ SELECT txt, leadroute.domain_key(txt) FROM given WHERE leadroute.domain_key(leadroute.domain_key(txt)) IS DISTINCT FROM leadroute.domain_key(txt) OR (leadroute.domain_key(txt) IS NULL) <> (leadroute.domain_problem(txt) IS NOT NULL) $$, 'domain');
SELECT is_empty($$ SELECT txt, k, leadroute.domain_key(k) FROM given, leadroute.domain_key(txt || '.com') k WHERE kind = 'characters' AND leadroute.domain_key(k) IS DISTINCT FROM k $$, 'labels of all kinds');
SELECT is_empty($$ SELECT txt, k FROM given, leadroute.phone_key(txt, 'us') k WHERE kind IN ('phone', 'bytes') AND (leadroute.phone_key(k) IS DISTINCT FROM k OR (k IS NULL) <> (leadroute.phone_problem(txt, 'us') IS NOT NULL)) $$, 'phone');
SELECT is_empty($$ SELECT txt, k, leadroute.company_key(k) FROM given, leadroute.company_key(txt) k WHERE leadroute.company_key(k) IS DISTINCT FROM k $$, 'company');
SELECT is_empty($$ SELECT txt FROM given WHERE kind IN ('place', 'bytes') AND (leadroute.country_code(leadroute.country_code(txt)) IS DISTINCT FROM leadroute.country_code(txt) OR leadroute.region_code(leadroute.region_code(txt, 'us'), 'us') IS DISTINCT FROM leadroute.region_code(txt, 'us')) $$, 'country and region');
SELECT is_empty($$ SELECT txt, k, c FROM given, unnest(ARRAY['us', 'de', NULL]) c, leadroute.postal_key(txt, c) k WHERE kind IN ('place', 'bytes', 'characters') AND leadroute.postal_key(k, c) IS DISTINCT FROM k $$, 'postal code');
SELECT cmp_ok(count(DISTINCT leadroute.email_key(txt)) + count(DISTINCT leadroute.phone_key(txt, 'us')), '>', 300::bigint, 'some of it are addresses and numbers') FROM given WHERE kind IN ('address', 'phone');

-- long ones: 1 MB each, compressible and not, as everything
CREATE TEMP TABLE long (txt text) ON COMMIT DROP;
INSERT INTO long SELECT repeat(v, 1000000 / octet_length(v)) FROM unnest(ARRAY['a', '@', '.', ' ', '+', '1', '"', '/', 'a.', 'a@', 'é', E'\u0301', E'\u0323\u0301', '😀', 'א', 'Acme Inc ', '株式会社', '(415) 200-7986 ', 'https://', 'xn--', '<', '\']) v;
INSERT INTO long SELECT string_agg(md5(i::text), '') FROM generate_series(1, 31250) i;
SELECT is_empty($$ SELECT left(txt, 20) FROM long WHERE leadroute.email_key(txt) IS NOT NULL OR leadroute.email_problem(txt) IS NULL OR leadroute.domain_key(txt) IS NOT NULL OR leadroute.domain_problem(txt) IS NULL
	OR leadroute.phone_key(txt, txt) IS NOT NULL OR leadroute.phone_extension(txt) IS NOT NULL OR leadroute.phone_problem(txt, 'us') <> 'is too long' OR leadroute.company_key(txt) IS NOT NULL OR leadroute.country_code(txt) IS NOT NULL
	OR leadroute.region_code(txt, 'us') IS NOT NULL OR leadroute.region_code('ca', txt) IS NOT NULL OR leadroute.postal_key(txt, txt) IS NOT NULL OR leadroute.is_public_mail(txt) IS NOT NULL OR leadroute.is_disposable_mail(txt) IS NOT NULL $$, 'a megabyte of anything is nothing');
-- and the longest that are read
SELECT lives_ok($$ SELECT leadroute.email_key(left(txt, 500)), leadroute.domain_key(left(txt, 2000)), leadroute.domain_key('http://' || left(txt, 250) || '.com'), leadroute.phone_key(left(txt, 60), 'us'), leadroute.company_key(left(txt, 250)),
	leadroute.country_code(left(txt, 50)), leadroute.postal_key(left(txt, 50), 'us') FROM long $$, 'as long as may be');
SELECT * FROM finish();
ROLLBACK;
