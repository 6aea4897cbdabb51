-- is_public_mail, is_disposable_mail, and whose word counts in mail_domains
\set ON_ERROR_STOP on
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
SET LOCAL client_min_messages = warning;
SELECT plan(22);

SELECT results_eq($$ SELECT leadroute.is_public_mail(v), leadroute.is_disposable_mail(v)
	FROM unnest(ARRAY['kim@gmail.com', ' KIM@GoogleMail.COM ', 'yahoo.co.uk', 'qq.com', 'web.de', 'x@yopmail.com', 'x@alias.mailinator.com', 'acme.com', 'https://www.acme.co.uk/', 'gmail.com.acme.com', 'notgmail.com', 'com.co']) WITH ORDINALITY x (v, n) ORDER BY n $$,
	$$ VALUES (true, false), (true, false), (true, false), (true, false), (true, false), (false, true), (false, true), (false, false), (false, false), (false, false), (false, false), (false, false) $$,
	'well-known providers ship with leadroute');
SELECT is_empty($$ SELECT v FROM unnest(ARRAY['', 'kim', 'kim@localhost', '192.0.2.1', repeat('a', 10000)]) v WHERE leadroute.is_public_mail(v) IS NOT NULL OR leadroute.is_disposable_mail(v) IS NOT NULL $$, 'no domain, no answer');
SELECT is_empty($$ SELECT domain FROM leadroute.mail_domains WHERE source = 'leadroute' AND (is_public = is_disposable OR leadroute.domain_key('x.' || domain) IS NULL OR lower(domain) <> domain) $$, 'each shipped domain is one, and of one kind');

INSERT INTO leadroute.mail_domains (domain, source, is_public, is_disposable) VALUES ('acme.example', 'a list', true, false), ('acme.example', 'another', false, true);
SELECT ok(leadroute.is_public_mail('acme.example') AND leadroute.is_disposable_mail('acme.example'), 'what lists say adds up');
INSERT INTO leadroute.mail_domains (domain, is_public) VALUES ('gmail.com', false), ('acme.example', false), ('vip.yopmail.com', false);
SELECT ok(NOT leadroute.is_public_mail('acme.example') AND NOT leadroute.is_disposable_mail('acme.example'), 'a local row decides against them');
SELECT ok(NOT leadroute.is_public_mail('kim@gmail.com'), 'also against the shipped ones');
SELECT ok(NOT leadroute.is_disposable_mail('x@vip.yopmail.com') AND leadroute.is_disposable_mail('x@yopmail.com'), 'the nearest domain counts');
DELETE FROM leadroute.mail_domains WHERE source = 'local';
SELECT ok(leadroute.is_public_mail('kim@gmail.com'), 'the next statement sees what was written');
SELECT throws_ok($$INSERT INTO leadroute.mail_domains (domain) VALUES ('Acme.com')$$, '23514', NULL, 'a domain that no look-up would find is refused');

-- a session that asks often reads the table once, and hears of what changes
CREATE FUNCTION pg_temp.reads(asks integer) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	line	text;
BEGIN
	FOR line IN EXECUTE format('EXPLAIN (ANALYZE, BUFFERS, COSTS off, TIMING off, SUMMARY off) SELECT leadroute.is_public_mail(''kim@acme'' || i || ''.com'') FROM generate_series(1, %s) i', asks) LOOP
		EXIT WHEN line LIKE 'Planning%';
		IF line LIKE '%Buffers: %' THEN
			RETURN true;
		END IF;
	END LOOP;
	RETURN false;
END
$$;
SELECT ok(pg_temp.reads(500), 'the table is asked');
SELECT ok(NOT pg_temp.reads(500), 'until it has been read');
SELECT results_eq($$ SELECT leadroute.is_public_mail(v), leadroute.is_disposable_mail(v)
	FROM unnest(ARRAY['kim@gmail.com', 'yahoo.co.uk', 'x@yopmail.com', 'x@alias.mailinator.com', 'acme.com', 'notgmail.com', 'gmail.com.acme.com', 'com.co', 'x@a.b.c.web.de']) WITH ORDINALITY x (v, n) ORDER BY n $$,
	$$ VALUES (true, false), (true, false), (false, true), (false, true), (false, false), (false, false), (false, false), (false, false), (true, false) $$,
	'what it says then is the same');
INSERT INTO leadroute.mail_domains (domain, is_public) VALUES ('acme.com', true), ('gmail.com', false);
SELECT ok(leadroute.is_public_mail('acme.com') AND NOT leadroute.is_public_mail('gmail.com') AND leadroute.is_public_mail('yahoo.com'), 'the next statement sees what is written');
SELECT ok(pg_temp.reads(500) AND leadroute.is_public_mail('acme.com') AND NOT leadroute.is_public_mail('gmail.com'), 'and what is read again says so too');
SAVEPOINT s;
DELETE FROM leadroute.mail_domains WHERE source = 'local';
SELECT ok(pg_temp.reads(500) AND NOT leadroute.is_public_mail('acme.com') AND leadroute.is_public_mail('gmail.com'), 'rows that go');
ROLLBACK TO s;
SELECT ok(leadroute.is_public_mail('acme.com') AND NOT leadroute.is_public_mail('gmail.com') AND NOT leadroute.is_public_mail('gmail.org'), 'and come back with a rollback');
SELECT ok(pg_temp.reads(500) AND leadroute.is_public_mail('acme.com') AND NOT leadroute.is_public_mail('gmail.com'), 'in memory too');
SAVEPOINT s;
TRUNCATE leadroute.mail_domains;
SELECT ok(pg_temp.reads(8) AND NOT leadroute.is_public_mail('acme.com') AND NOT leadroute.is_public_mail('yahoo.com'), 'TRUNCATE');
ROLLBACK TO s;
UPDATE leadroute.mail_domains SET is_public = false WHERE domain = 'acme.com';
SELECT ok(NOT leadroute.is_public_mail('acme.com') AND leadroute.is_public_mail('yahoo.com'), 'UPDATE');
DELETE FROM leadroute.mail_domains WHERE source = 'local';

-- anybody may ask, an admin writes
CREATE ROLE lr_form;
CREATE ROLE lr_admin IN ROLE leadroute_admin;
SET LOCAL ROLE lr_form;
SELECT ok(leadroute.is_public_mail('kim@gmail.com'), 'who may not read the table may ask');
SELECT throws_ok($$SELECT * FROM leadroute.mail_domains$$, '42501', NULL, 'and reads nothing else');
SET LOCAL ROLE lr_admin;
SELECT lives_ok($$INSERT INTO leadroute.mail_domains (domain, is_public) VALUES ('acme.example', true); DELETE FROM leadroute.mail_domains WHERE domain = 'acme.example'$$, 'an admin keeps the table');
RESET ROLE;
SELECT * FROM finish();
ROLLBACK;
