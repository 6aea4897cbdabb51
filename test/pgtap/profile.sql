/*
 * test/pgtap/profile.sql
 *		What a row says in canonical form: mapped columns, the flow's options, values that are none.
 */
\set ON_ERROR_STOP on
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
SET LOCAL client_min_messages = warning;
SELECT plan(24);
CREATE SCHEMA t;
CREATE DOMAIN t.address AS text;
CREATE TABLE t.leads ("Id" text PRIMARY KEY, "EmailAddress" t.address, phone varchar(400), first_name text, last_name char(40), company text,
	site text, country text, state text, zip integer, website text, owner text);
SELECT leadroute.attach('t.leads', columns => '{"key": "Id", "email": "EmailAddress", "website": "site", "region": "state", "postal_code": "zip"}') IS NOT NULL AS attached \gset
CREATE FUNCTION t.of(given jsonb, flow text DEFAULT 'default') RETURNS jsonb LANGUAGE sql AS
	$$ SELECT jsonb_strip_nulls(to_jsonb(p)) FROM leadroute.lead_profile(jsonb_populate_record(NULL::t.leads, given || '{"Id": "1"}'), flow) p $$;

SELECT is(t.of('{"EmailAddress": " Kim.Lee+x@GoogleMail.com", "phone": "(415) 200-7986 x12", "first_name": "José  María", "last_name": "O''Brien-Smith", "company": "The Acme Company, Inc.", "site": "https://www.mail.acme.co.uk/x", "country": "U.S.A.", "state": "Calif.", "zip": 7725, "website": "other.com"}'),
	'{"email_key": "kimlee@gmail.com", "email_domain": "gmail.com", "website_domain": "acme.co.uk", "phone_key": "+14152007986", "phone_extension": "12", "company_key": "acme", "first_name_key": "jose maria", "last_name_key": "obrien smith", "country_code": "us", "region_code": "ca", "postal_key": "07725", "is_public_mail": true, "is_disposable_mail": false}',
	'columns of any type, by their mapping');
SELECT is(t.of('{}'), '{}', 'an empty row says nothing');
SELECT is(t.of('{"EmailAddress": "", "phone": "  ", "first_name": "\t", "last_name": "", "company": " ", "site": "", "country": "", "state": " "}'), '{}', 'blanks are nothing, and no problem');
SELECT is(t.of('{"EmailAddress": "kim@acme", "phone": "800-555-0199", "first_name": "[Not provided]", "last_name": "N/A", "company": "Unknown", "site": "localhost", "country": "Atlantis", "state": "CA"}'),
	'{"email_problem": "has a domain without a dot", "phone_problem": "has no country code, and no country is known to read it in"}', 'what is not valid is none, with its problem');
SELECT is(t.of('{"phone": "800-200-7986", "country": "us"}'), '{"phone_problem": "is toll-free or another service, nobody''s own", "country_code": "us"}', 'a toll-free number is nobody''s');
SELECT is(t.of('{"phone": "0000000000", "country": "us"}') ->> 'phone_problem', 'is a placeholder, nobody''s own', 'nor is a placeholder');
SELECT is(t.of('{"phone": "030 901820", "country": "Allemagne"}') ->> 'phone_key', '+4930901820', 'a number is read in the row''s country');
SELECT is(t.of('{"EmailAddress": "x@alias.mailinator.com"}'), '{"email_key": "x@alias.mailinator.com", "email_domain": "mailinator.com", "is_public_mail": false, "is_disposable_mail": true}', 'disposable mail, a domain below');
SELECT is(t.of('{"EmailAddress": "\"a@b\"@acme.com"}'), '{"email_key": "\"a@b\"@acme.com", "email_domain": "acme.com", "is_public_mail": false, "is_disposable_mail": false}', 'the last "@" parts it');
SELECT is(t.of(jsonb_build_object('EmailAddress', repeat('é', 500000), 'phone', repeat('1', 400), 'first_name', repeat(E'\u0301', 500000), 'company', repeat('a', 1000000), 'site', repeat('a.', 500000), 'country', repeat('u', 1000000), 'state', repeat('c', 1000000))),
	'{"email_problem": "is too long", "phone_problem": "is too long"}', 'a megabyte of anything is nothing');

/* the flow's options */
SELECT is(t.of('{"phone": "(415) 200-7986", "state": "California", "zip": 7725}'), '{"postal_key": "7725", "phone_problem": "has no country code, and no country is known to read it in"}', 'without a country');
UPDATE leadroute.flows SET default_country = 'United States' WHERE flow = 'default';
SELECT is(default_country, 'us', 'the default country is kept by its code') FROM leadroute.flows;
SELECT is(t.of('{"phone": "(415) 200-7986", "state": "California", "zip": 7725}'), '{"phone_key": "+14152007986", "region_code": "ca", "postal_key": "07725"}', 'is what such a row is read in, not its own');
SELECT is(t.of('{"phone": "(415) 200-7986", "country": "Atlantis", "state": "California", "zip": 7725}'), '{"postal_key": "7725", "phone_problem": "has no country code, and no country is known to read it in"}', 'a country that nobody knows is not the default');
SELECT is(t.of('{"phone": "030 901820", "country": "de", "state": "Bayern"}'), '{"phone_key": "+4930901820", "country_code": "de", "region_code": "by"}', 'a row''s own goes first');
SELECT throws_ok($$ UPDATE leadroute.flows SET default_country = 'Atlantis' $$, '22023', 'country "Atlantis" is not known', 'a default that nobody knows');
UPDATE leadroute.flows SET email_strip_tags = false WHERE flow = 'default';
SELECT is(t.of('{"EmailAddress": "kim.lee+x@gmail.com"}') ->> 'email_key', 'kimlee+x@gmail.com', 'tags stay where they are somebody''s own');
UPDATE leadroute.flows SET email_strip_tags = true, email_ignore_dots = false WHERE flow = 'default';
SELECT is(t.of('{"EmailAddress": "kim.lee+x@googlemail.com"}') ->> 'email_key', 'kim.lee@googlemail.com', 'and dots');

/* another flow's options, the same table's mapping */
ALTER TABLE t.leads ADD COLUMN unit text;
SELECT leadroute.detach('t.leads') IS NOT NULL AS detached \gset
SELECT leadroute.attach('t.leads', flow_column => 'unit', columns => '{"key": "Id", "email": "EmailAddress", "website": null}') IS NOT NULL AS attached \gset
INSERT INTO leadroute.flows (flow, default_country) VALUES ('eu', 'Germany');
SELECT is(t.of('{"EmailAddress": "kim.lee@gmail.com", "phone": "030 901820", "website": "acme.com"}', 'eu'), '{"email_key": "kimlee@gmail.com", "email_domain": "gmail.com", "phone_key": "+4930901820", "is_public_mail": true, "is_disposable_mail": false}', 'a flow that shares the table; a column mapped to none');
SELECT is(default_country, 'de', 'a new flow''s default by its code too') FROM leadroute.flows WHERE flow = 'eu';

/* set by set, and who may ask */
INSERT INTO t.leads ("Id", "EmailAddress") SELECT i, CASE WHEN i % 2 = 0 THEN 'P' || i || '@acme.com' END FROM generate_series(1, 100) i;
SELECT is(count(*) FILTER (WHERE p.email_key = 'p' || l."Id" || '@acme.com'), 50::bigint, 'row by row over the table') FROM t.leads l, leadroute.lead_profile(l) p;
SELECT is(count(p.email_problem), 0::bigint, 'and no e-mail is no problem') FROM t.leads l, leadroute.lead_profile(l) p;
SELECT throws_ok($$ SELECT leadroute.lead_profile(ROW(1, 2)) $$, '42804', 'the row is of type record, not of a table', 'a row of no table');
SELECT is(t.of('{"EmailAddress": "kim.lee@gmail.com"}', 'nowhere') ->> 'email_key', 'kim.lee@gmail.com', 'an unknown flow has the options of the table''s own');
SELECT * FROM finish();
ROLLBACK;
