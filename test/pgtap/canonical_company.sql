-- company_key: names of one company meet, names of different ones do not
\set ON_ERROR_STOP on
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
SET LOCAL client_min_messages = warning;
SELECT plan(5);

CREATE TEMP TABLE given_company (key text, names text[]) ON COMMIT DROP;
INSERT INTO given_company VALUES
	('acme', ARRAY['ACME', 'The Acme Company, Inc.', 'Acme Corp.', 'Acme Corporation', 'Acme, L.L.C.', 'acme llc', 'Acme Ltd', 'Acme Pty. Ltd.', 'Acme Private Limited', 'Acme Pvt Ltd', 'Acme Sdn. Bhd.', 'Acme PLC', 'Acme S.A.', 'Acme S. A.', 'Acme S.A. de C.V.', 'Acme S. de R.L. de C.V.',
		'Acme S.p.A.', 'Acme S.r.l.', 'Acme S.à r.l.', 'Acme SAS', 'Acme GmbH', 'Acme GmbH & Co. KG', 'Acme AG', 'Acme UG (haftungsbeschränkt)', 'Acme e.V.', 'Acme B.V.', 'Acme N.V.', 'Acme AB', 'Acme A/S', 'Acme ApS', 'Acme AS', 'Acme Oy', 'Acme Oyj', 'Acme Sp. z o.o.', 'Acme s.r.o.', 'Acme, spol. s r.o.',
		'Acme d.o.o.', 'Acme Kft.', 'Acme A.Ş.', 'Acme Tic. Ltd. Şti.', 'PT Acme Tbk', 'Acme K.K.', 'ООО Acme', 'Acme Ltda.', 'Acme (The)', E' \tAcme\u00a0Inc ', 'ＡＣＭＥ Ｉｎｃ．', 'Àcmé']),
	('ibm', ARRAY['I.B.M. Corp', 'IBM', 'I B M']), ('at and t', ARRAY['AT&T Inc.', 'AT & T', 'AT and T']), ('procter and gamble', ARRAY['Procter & Gamble', 'Procter and Gamble Co.', 'The Procter & Gamble Company']),
	('jp morgan chase', ARRAY['J. P. Morgan Chase & Co.', 'J.P. Morgan Chase', 'JP Morgan Chase']), ('loreal', ARRAY['L''Oréal S.A.', 'L’Oréal', E'L\u2019Ore\u0301al']), ('credit agricole', ARRAY['Crédit Agricole S.A.', 'CREDIT AGRICOLE']),
	('トヨタ', ARRAY['株式会社トヨタ', 'トヨタ株式会社', 'トヨタ', '㈱トヨタ', 'トヨタ(株)', 'ﾄﾖﾀ株式会社']), ('삼성전자', ARRAY['삼성전자 주식회사', '(주)삼성전자', '㈜삼성전자', normalize('삼성전자', NFD)]), ('华为技术', ARRAY['华为技术有限公司', '华为技术']), ('яндекс', ARRAY['ООО Яндекс', 'ЯНДЕКС', '«Яндекс», ООО']),
	('orsted', ARRAY['Ørsted A/S']), ('grosshandel', ARRAY['Großhandel GmbH', 'GROSSHANDEL']), ('lodz', ARRAY['Łódź Sp. z o.o.']), ('mcdonalds', ARRAY['McDonald''s', 'McDonalds Corporation']), ('coca cola', ARRAY['Coca-Cola', 'The Coca Cola Company']), ('3m', ARRAY['3M Company']),
	('amazon com', ARRAY['Amazon.com, Inc.']), ('acme holdings', ARRAY['Acme Holdings plc']), ('acme international', ARRAY['Acme International Inc']), ('limited', ARRAY['Limited', 'The Limited', 'The Limited, Inc.']), ('co', ARRAY['Co', 'Co.']), ('the', ARRAY['the', 'The The']), ('a', ARRAY['A', 'A株式会社']), ('ab', ARRAY['A B株式会社']),
	('farmers coop of florida', ARRAY['Farmers Coop. of Florida']), ('דוגמה', ARRAY['דוגמה']), (NULL, ARRAY['', ' ', '...', '😀', '-', repeat('x', 1001), repeat('Acme ', 100000)]), (repeat('x', 1000), ARRAY[repeat('x', 1000)]),
	(NULL, ARRAY['N/A', 'n.a.', 'None', 'Unknown', '[not provided]', 'NULL', 'Self-Employed', 'self employed', 'Freelance', 'unbekannt', 'TBD']), ('self financial', ARRAY['Self Financial, Inc.']), ('unknown worlds', ARRAY['Unknown Worlds']);
SELECT is_empty($$ SELECT name, key, leadroute.company_key(name) FROM given_company, unnest(names) name WHERE leadroute.company_key(name) IS DISTINCT FROM key $$, 'names with legal forms of many countries');
SELECT is_empty($$ SELECT key FROM given_company WHERE leadroute.company_key(key) IS DISTINCT FROM key $$, 'a key is its own key');
SELECT isnt(leadroute.company_key('Acme'), leadroute.company_key('Acme Group'), 'words that tell companies apart stay');

-- the Fortune 500, where the exports lie beside the tree: no two become one, and no key is empty
\getenv data LEADROUTE_DATA
\if :{?data}
\else
	\set data ''
\endif
SELECT :'data' = '' AS absent \gset
CREATE TEMP TABLE fortune (rank text, company text, industry text, city text, state text, zip text, website text, employees text, revenue text, ceo text) ON COMMIT DROP;
\if :absent
	SELECT skip('no data beside the tree', 2);
\else
	\set copy '\\copy fortune FROM PROGRAM ''cat "$LEADROUTE_DATA"/fortune500/fortune500.csv'' WITH (FORMAT csv, HEADER)'
	:copy
	SELECT is_empty($$ SELECT leadroute.company_key(company), array_agg(company) FROM fortune GROUP BY 1 HAVING count(*) > 1 OR leadroute.company_key(company) IS NULL $$, 'the Fortune 500 stay apart');
	SELECT is_empty($$ SELECT company, v FROM fortune, unnest(ARRAY[upper(company), company || ', Inc.', 'The ' || company || ' Company', company || ' GmbH & Co. KG', '  ' || lower(company)]) v WHERE leadroute.company_key(v) <> leadroute.company_key(company) $$, 'and are found under their variants');
\endif
SELECT * FROM finish();
ROLLBACK;
