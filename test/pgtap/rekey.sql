/*
 * test/pgtap/rekey.sql
 *		Keys that were made with other versions or options: health tells, rekey() and sweep() make them anew, in batches that
 *		can stop anywhere; what collides is suggested, nobody is merged.
 */
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
DROP DATABASE IF EXISTS leadroute_rekey;
CREATE DATABASE leadroute_rekey;
\connect leadroute_rekey
SET client_min_messages = warning;
CREATE EXTENSION pgtap;
CREATE EXTENSION leadroute CASCADE;
SELECT plan(31);
SELECT results_eq('SELECT library FROM leadroute.canonical_versions()', ARRAY['iso-codes', 'leadroute', 'libidn2', 'libphonenumber', 'libpsl', 'unicode'], 'what canonical values are made with');
SELECT is_empty($$ SELECT * FROM leadroute.canonical_versions() WHERE version IS NULL OR version IN ('', 'unknown', 'none') $$, 'each has a version');

CREATE TABLE leads (id integer PRIMARY KEY, email text, phone text, last_name text, country text, owner text, duplicate_of text);
INSERT INTO leadroute.reps (rep) VALUES ('ana');
SELECT leadroute.attach('leads') IS NOT NULL AS attached \gset
UPDATE leadroute.match_rules SET action = 'act' WHERE rule = 'phone';
UPDATE leadroute.flows SET email_ignore_dots = false;
SELECT is_empty('SELECT * FROM leadroute.stale_keys()', 'a flow without leads has no keys that could be stale');
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (1, 'all', 'rep', 'ana');
SELECT leadroute.activate() IS NOT NULL AS active \gset
INSERT INTO leads (id, email, phone, last_name, country)
	SELECT i, 'p' || i || '@acme.com', '(415) 200-' || 1000 + i, 'Name ' || i, 'us' FROM generate_series(1, 200) i;
-- two people for now, one of whom has a duplicate
INSERT INTO leads (id, email) VALUES (301, 'kim.lee@gmail.com'), (302, 'kimlee@gmail.com'), (303, 'Kim.Lee@gmail.com');
SELECT is(string_agg(id || coalesce(' of ' || duplicate_of, ''), ', ' ORDER BY id), '301, 302, 303 of 301', 'dots tell people apart') FROM leads WHERE id > 300;
SELECT is(status, 'ok', 'health has nothing to say') FROM leadroute.health WHERE check_name = 'keys';
CREATE TABLE keys_before AS SELECT * FROM leadroute.identities;

/* an option */
UPDATE leadroute.flows SET email_ignore_dots = true;
SELECT is((SELECT string_agg(concat_ws(': ', flow, library, was, is_now), '; ') FROM leadroute.stale_keys()), 'default: options: tags stripped, dots kept, country none: tags stripped, dots ignored, country none', 'an option has changed');
SELECT is((SELECT concat_ws(' ', status, run) FROM leadroute.health WHERE check_name = 'keys'), 'warn CALL leadroute.rekey(''default'')', 'health says what to run');
CALL leadroute.rekey(batch => 7);
SELECT is(status, 'ok', 'it is done') FROM leadroute.health WHERE check_name = 'keys';
SELECT is((SELECT string_agg(concat_ws(' ', lead, other, status), '; ') FROM leadroute.duplicate_candidates), '301 302 open', 'what collides is suggested');
SELECT is(evidence, '{"rule: e-mail": {"likeness": "exact"}}'::jsonb, 'by the rule') FROM leadroute.duplicate_candidates;
SELECT is(string_agg(id || coalesce(' of ' || duplicate_of, ''), ', ' ORDER BY id), '301, 302, 303 of 301', 'and nobody is merged') FROM leads WHERE id > 300;
SELECT is((SELECT string_agg(concat_ws(' ', key, lead), '; ') FROM leadroute.identities WHERE kind = 'email' AND key LIKE 'kim%'), 'kimlee@gmail.com 302', 'the key has one holder, and the old one is gone');
SELECT is_empty($$ SELECT * FROM keys_before WHERE key NOT LIKE 'kim%' EXCEPT SELECT * FROM leadroute.identities $$, 'all others are as they were');
INSERT INTO leads (id, email) VALUES (304, 'k.i.m.l.e.e@gmail.com') RETURNING duplicate_of AS original \gset
SELECT is(:'original'::text, '302', 'who comes next is the holder''s duplicate');
DELETE FROM leads WHERE id > 300;
SELECT count(*) FROM leads \g /dev/null
CREATE TABLE good AS SELECT * FROM leadroute.identities;

/* a library that was another: keys that it made otherwise, did not make, and gave to others */
CREATE PROCEDURE upgraded() LANGUAGE sql AS $$ UPDATE leadroute.key_versions SET version = 'libphonenumber.so.7, data 0' WHERE library = 'libphonenumber' $$;
CALL upgraded();
UPDATE leadroute.identities SET key = '+1' || key WHERE kind = 'phone' AND lead::integer BETWEEN 1 AND 50;
DELETE FROM leadroute.identities WHERE kind LIKE 'phone%' AND lead::integer BETWEEN 51 AND 100;
CREATE TABLE taken AS SELECT * FROM leadroute.identities WHERE kind = 'email' AND lead IN ('150', '160');
DELETE FROM leadroute.identities i USING taken t WHERE i.kind = t.kind AND i.key = t.key;
INSERT INTO leadroute.identities SELECT flow, kind, key, CASE lead WHEN '150' THEN '160' ELSE '150' END FROM taken;
SELECT is(count(*), 1::bigint, 'stale again') FROM leadroute.stale_keys();
CALL leadroute.rekey('default', 13);
SELECT is_empty('(SELECT * FROM leadroute.identities EXCEPT SELECT * FROM good) UNION ALL (SELECT * FROM good EXCEPT SELECT * FROM leadroute.identities)', 'all keys are those that the rows have');
SELECT is(count(*), 1::bigint, 'and nothing more is suggested') FROM leadroute.duplicate_candidates;
SELECT is_empty('SELECT * FROM leadroute.stale_keys() UNION ALL SELECT flow, phase, NULL, NULL, NULL FROM leadroute.rekeys', 'nothing is left of the run');

/* it stops anywhere and goes on; a new upgrade begins anew */
CALL upgraded();
DELETE FROM leadroute.identities WHERE kind = 'phone';
SELECT leadroute.rekey_batch('default', 30), leadroute.rekey_batch('default', 30) \g /dev/null
SELECT results_eq('SELECT phase, leads, added FROM leadroute.rekeys', $$ VALUES ('leads', 60::bigint, 60::bigint) $$, 'two batches');
BEGIN;
CALL leadroute.rekey('default', 30);
SELECT results_eq('SELECT phase, leads, added FROM leadroute.rekeys', $$ VALUES ('leads', 90::bigint, 90::bigint) $$, 'in a transaction block it does one');
ROLLBACK;
SELECT results_eq('SELECT phase, leads, added FROM leadroute.rekeys', $$ VALUES ('leads', 60::bigint, 60::bigint) $$, 'which goes with it');
UPDATE leadroute.flows SET default_country = 'us';
SELECT leadroute.rekey_batch('default', 30) \g /dev/null
SELECT results_eq('SELECT phase, leads, added FROM leadroute.rekeys', $$ VALUES ('leads', 30::bigint, 0::bigint) $$, 'another change begins anew');
CALL leadroute.sweep();
SELECT is_empty('(SELECT * FROM leadroute.identities EXCEPT SELECT * FROM good) UNION ALL (SELECT * FROM good EXCEPT SELECT * FROM leadroute.identities)', 'a sweep ends it');
SELECT is_empty('SELECT * FROM leadroute.stale_keys()', 'and notes the versions');

/* leads without a row keep their keys while they may come back; those that were not decided get none */
TRUNCATE leads;
INSERT INTO leads (id, email, phone, last_name, country) SELECT i, 'p' || i || '@acme.com', '(415) 200-' || 1000 + i, 'Name ' || i, 'us' FROM generate_series(1, 100) i;
SELECT leadroute.deactivate() IS NOT NULL AS off \gset
INSERT INTO leads (id, email) VALUES (500, 'later@acme.com');
CALL upgraded();
CALL leadroute.rekey(batch => 1000);
SELECT is_empty('(SELECT * FROM leadroute.identities EXCEPT SELECT * FROM good) UNION ALL (SELECT * FROM good EXCEPT SELECT * FROM leadroute.identities)', 'after a TRUNCATE');
SELECT leadroute.activate() IS NOT NULL AS active \gset
CALL leadroute.catch_up();
SELECT is(owner, 'ana', 'what was not decided is decided later') FROM leads WHERE id = 500;

/* no table, no run; a deleted flow leaves nothing */
CALL upgraded();
SELECT leadroute.detach('leads') IS NOT NULL AS detached \gset
CALL leadroute.rekey();
SELECT is(count(*), 1::bigint, 'without a table keys stay stale') FROM leadroute.stale_keys();
SELECT leadroute.attach('leads') IS NOT NULL AS attached \gset
CALL leadroute.rekey();
SELECT is_empty('SELECT * FROM leadroute.stale_keys()', 'until it is back');
INSERT INTO leadroute.flows (flow) VALUES ('second');
SELECT is(count(*), (SELECT count(*) FROM leadroute.key_versions WHERE flow = 'default'), 'a flow notes its versions') FROM leadroute.key_versions WHERE flow = 'second';
DELETE FROM leadroute.flows WHERE flow = 'second';
SELECT is_empty($$ SELECT * FROM leadroute.key_versions WHERE flow = 'second' $$, 'and takes them along');
CREATE ROLE lr_rekey_operator IN ROLE leadroute_operator, leadroute_reader;
SET ROLE lr_rekey_operator;
SELECT lives_ok($$ CALL leadroute.rekey() $$, 'an operator may');
RESET ROLE;
DROP ROLE lr_rekey_operator;
SELECT * FROM finish();
\connect postgres
DROP DATABASE leadroute_rekey;
