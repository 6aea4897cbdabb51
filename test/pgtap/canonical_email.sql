-- email_key, domain_key: spellings of one thing have one key, what is none has a reason
\set ON_ERROR_STOP on
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
SET LOCAL client_min_messages = warning;
SELECT plan(7 + 37 + 34);

SELECT is(leadroute.email_key(given), expected, 'email ' || coalesce(to_json(given)::text, 'NULL'))
  FROM (VALUES
	('kim@acme.example', 'kim@acme.example'), ('  KIM@Acme.Example ', 'kim@acme.example'),
	(E'kim@acme.example\r\n', 'kim@acme.example'), (E'\u200bkim@acme.example\ufeff', 'kim@acme.example'), (E'\u00a0kim@acme.example', 'kim@acme.example'),
	('mailto:kim@acme.example?subject=a@b', 'kim@acme.example'), ('Kim Lee <Kim@acme.example>', 'kim@acme.example'), ('"Lee, Kim" <kim@acme.example>', 'kim@acme.example'),
	('kim@acme.example.', 'kim@acme.example'), ('kim+promo@acme.example', 'kim@acme.example'), ('kim+a+b@acme.example', 'kim@acme.example'), ('+kim@acme.example', '+kim@acme.example'),
	('k.i.m+x@gmail.com', 'kim@gmail.com'), ('Kim.Lee@GoogleMail.com', 'kimlee@gmail.com'), ('kim.lee@acme.example', 'kim.lee@acme.example'), ('kim.lee@proton.me', 'kimlee@proton.me'),
	('kim@müller.de', 'kim@xn--mller-kva.de'), ('KIM@MÜLLER.DE', 'kim@xn--mller-kva.de'), ('kim@xn--mller-kva.de', 'kim@xn--mller-kva.de'), (E'kim@mu\u0308ller.de', 'kim@xn--mller-kva.de'),
	('kim@straße.de', 'kim@xn--strae-oqa.de'), ('ｋｉｍ＠ａｃｍｅ．ｃｏ．ｊｐ', 'kim@acme.co.jp'), ('kim@日本語。jp', 'kim@xn--wgv71a119e.jp'), ('מישהו@דוגמה.ישראל', 'מישהו@xn--6dbbec0c.xn--4dbrk0ce'),
	('o''brien@acme.ie', 'o''brien@acme.ie'), ('"kim"@acme.example', 'kim@acme.example'), ('"kim lee"@acme.example', '"kim lee"@acme.example'), ('robert255@smith.net', 'robert255@smith.net'),
	('😀@acme.example', '😀@acme.example'),
	('kim@😀.com', NULL), ('kim@xn--a.de', NULL), ('kim@[192.0.2.1]', NULL), ('kim@acme', NULL), ('n/a', NULL), ('kim@acme.example; bo@acme.example', NULL), ('kim.+x@acme.example', NULL), (NULL, NULL)
  ) x (given, expected);
SELECT is(leadroute.email_key('k.i.m+x@gmail.com', false), 'kim+x@gmail.com', 'tags can stay');
SELECT is(leadroute.email_key('k.i.m+x@googlemail.com', true, false), 'k.i.m@googlemail.com', 'dots can stay');
SELECT is(leadroute.email_key('k.i.m+x@gmail.com', false, false), 'k.i.m+x@gmail.com', 'both can');
SELECT results_eq($$
	SELECT leadroute.email_problem(v) FROM unnest(ARRAY['kim@acme.example', '', 'kim', '@acme.example', 'kim@', 'kim@acme', 'kim@192.0.2.1', 'a@b@c.com', 'a..b@c.com', 'a b@c.com', 'kim@-a.com', 'kim@a..com', 'kim@a_b.com',
		repeat('a', 65) || '@c.com', 'kim@' || repeat('a', 64) || '.com', 'kim@' || repeat('a.', 130) || 'com', repeat('a', 3000)]) WITH ORDINALITY x (v, n) ORDER BY n $$,
	ARRAY[NULL, 'is empty', 'has no "@"', 'has nothing before the "@"', 'has no domain', 'has a domain without a dot', 'has a numeric address, not a domain', 'has more than one "@"', 'has a dot too many before the "@"',
		'has blanks or is more than one address', 'has a domain with a label that begins or ends with a hyphen', 'has a domain with an empty label', 'has a domain with characters that no domain has',
		'has more than 64 bytes before the "@"', 'has a domain with a label of more than 63 characters', 'has a domain that is too long', 'is too long'], 'each fault of an e-mail address has its reason');

SELECT is(leadroute.domain_key(given), expected, 'domain ' || to_json(given))
  FROM (VALUES
	('https://www.mail.acme.co.uk/x', 'acme.co.uk'), ('acme.com', 'acme.com'), ('www.Acme.com', 'acme.com'), ('ACME.COM.', 'acme.com'), ('acme.com:8080', 'acme.com'), ('http://acme.com:', 'acme.com'),
	('http://user:p@ss@acme.com:80/a@b?x', 'acme.com'), ('//acme.com/x', 'acme.com'), ('HTTPS://ACME.COM#x', 'acme.com'), ('ftp://ftp.acme.com', 'acme.com'), ('acme.com?utm=a/b', 'acme.com'),
	('kim@mail.acme.com', 'acme.com'), ('mailto:kim@acme.com', 'acme.com'), ('Kim <kim@acme.com>', 'acme.com'), (E'\tacme.com ', 'acme.com'), ('acme.com\x', 'acme.com'),
	('foo.github.io', 'foo.github.io'), ('www.foo.github.io', 'foo.github.io'), ('x.city.kawasaki.jp', 'city.kawasaki.jp'), ('müller.de/x', 'xn--mller-kva.de'), ('www.städte.köln', 'xn--stdte-hra.xn--kln-sna'),
	('www.xn--stdte-hra.xn--kln-sna', 'xn--stdte-hra.xn--kln-sna'), ('食狮.com.cn', 'xn--85x722f.com.cn'), ('mail.acme.corp', 'acme.corp'),
	('co.uk', NULL), ('github.io', NULL), ('localhost', NULL), ('1.2.3.4', NULL), ('http://[::1]/', NULL), ('acme.com, acme.org', NULL), ('n/a', NULL), ('https://', NULL), ('', NULL), ('http:/acme.com', 'acme.com')
  ) x (given, expected);
SELECT results_eq($$ SELECT leadroute.domain_problem(v) FROM unnest(ARRAY['acme.com', '', 'com.au', '10.0.0.1', repeat('a', 9000)]) WITH ORDINALITY x (v, n) ORDER BY n $$,
	ARRAY[NULL, 'has no domain', 'is a public suffix, under which others register domains', 'has a numeric address, not a domain', 'is too long'], 'and of a domain');
SELECT is(leadroute.domain_key('https://acme.com/' || repeat('x', 8000)), 'acme.com', 'a long path is fine');
SELECT is(leadroute.domain_key(leadroute.email_key('Kim <kim@Sub.Müller.de>')), leadroute.domain_key('http://www.MÜLLER.de'), 'an e-mail address and a site of one company meet');
SELECT * FROM finish();
ROLLBACK;
