-- phone_key, phone_extension, phone_problem: as forms and CRMs hold numbers
\set ON_ERROR_STOP on
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
SET LOCAL client_min_messages = warning;
SELECT plan(7);

CREATE TEMP TABLE given_phone (phone text, region text, key text, extension text, problem text) ON COMMIT DROP;
INSERT INTO given_phone (phone, region, key, extension) VALUES
	('+14152007986', NULL, '+14152007986', NULL), ('(415) 200-7986', 'US', '+14152007986', NULL), ('415.200.7986', 'United States', '+14152007986', NULL), ('1-415-200-7986', 'us', '+14152007986', NULL), ('310/246-1501', 'USA', '+13102461501', NULL),
	('415 200 7986 x12', 'us', '+14152007986', '12'), ('+1 415 200 7986;ext=99', NULL, '+14152007986', '99'), ('+44 20 7183 8750 ext. 7', 'us', '+442071838750', '7'), ('tel:+1-201-200-0123', NULL, '+12012000123', NULL), (E' +1\u00a0415\n200 7986 ', NULL, '+14152007986', NULL),
	('+44 (0)20 7183 8750', 'us', '+442071838750', NULL), ('020 7183 8750', 'UK', '+442071838750', NULL), ('+4402071838750', NULL, '+442071838750', NULL), ('٠٢٠٧١٨٣٨٧٥٠', 'gb', '+442071838750', NULL), ('０３-１２３４-５６７８', 'jp', '+81312345678', NULL),
	('886-2-25474189', 'tw', '+886225474189', NULL), ('33562156600', 'fr', '+33562156600', NULL), ('05 62 15 66 00', 'France', '+33562156600', NULL), ('+33562156600', 'us', '+33562156600', NULL), ('+390669812345', NULL, '+390669812345', NULL), ('06 698 12345', 'it', '+390669812345', NULL),
	('0049 30 901820', 'at', '+4930901820', NULL), ('011 49 30 901820', 'us', '+4930901820', NULL), ('001 415 200 7986', 'de', '+14152007986', NULL), ('8 916 123-45-67', 'ru', '+79161234567', NULL), ('+86 138 0013 8000', NULL, '+8613800138000', NULL),
	('+44 191 4956203', 'us', '+441914956203', NULL), ('(850) 644-4200', 'us', '+18506444200', NULL);
INSERT INTO given_phone (phone, region, problem) VALUES
	('555-0100', 'us', 'is a placeholder, nobody''s own'), ('(415) 555-0123', 'us', 'is a placeholder, nobody''s own'), ('+1 212 555 1212', NULL, 'is a placeholder, nobody''s own'), ('0000000000', 'us', 'is a placeholder, nobody''s own'), ('1234567890', 'us', 'is a placeholder, nobody''s own'),
	('999-999-9999', 'us', 'is a placeholder, nobody''s own'), ('+44 20 7946 0958', NULL, 'is a placeholder, nobody''s own'), ('+447700900123', NULL, 'is a placeholder, nobody''s own'),
	('8002255288', 'us', 'is toll-free or another service, nobody''s own'), ('+18002255288', NULL, 'is toll-free or another service, nobody''s own'), ('1-800-FLOWERS', 'us', 'is toll-free or another service, nobody''s own'), ('+33 800 123 456', NULL, 'is toll-free or another service, nobody''s own'), ('0900 123 456', 'at', 'is toll-free or another service, nobody''s own'),
	('(014) 427-4427', 'us', 'is a number that its country does not give out'), ('447773240', 'us', 'is a number that its country does not give out'), ('+1415200798', 'us', 'is a number that its country does not give out'), ('886-2-25474189', 'us', 'is a number that its country does not give out'),
	('33562156600', NULL, 'has no country code, and no country is known to read it in'), ('4152007986', 'nowhere', 'has no country code, and no country is known to read it in'), ('+999123456789', NULL, 'has a country code that no country has'),
	('n/a', 'us', 'is no phone number'), ('none', 'us', 'is no phone number'), ('', 'us', 'is no phone number'), ('+', 'us', 'is no phone number'), ('😀', 'us', 'is no phone number'), ('kim@acme.example', 'us', 'is no phone number'), ('1', 'us', 'is no phone number'), (repeat('1', 251), 'us', 'is too long'), ('+1234567890123456789012', NULL, 'is too long');
SELECT is_empty($$ SELECT phone, region, leadroute.phone_key(phone, region) FROM given_phone WHERE leadroute.phone_key(phone, region) IS DISTINCT FROM key $$, 'numbers as people write them');
SELECT is_empty($$ SELECT phone, region, leadroute.phone_extension(phone, region) FROM given_phone WHERE leadroute.phone_extension(phone, region) IS DISTINCT FROM extension $$, 'extensions are kept apart');
SELECT is_empty($$ SELECT phone, region, leadroute.phone_problem(phone, region) FROM given_phone WHERE leadroute.phone_problem(phone, region) IS DISTINCT FROM problem $$, 'what is no identity has a reason');
SELECT is_empty($$ SELECT key FROM given_phone, unnest(ARRAY[NULL, 'us', 'it', 'ru', 'nowhere']) r WHERE key IS NOT NULL AND leadroute.phone_key(key, r) IS DISTINCT FROM key $$, 'a key is its own key, in whatever region it is read');
SELECT is_empty($$
	SELECT e164 FROM (SELECT '+' || c || trunc(random() * 1e10)::bigint AS e164 FROM unnest(ARRAY['1', '44', '49', '33', '39', '91', '86', '52', '55', '61', '7', '971', '353', '54']) c, generate_series(1, 60), setseed(0.3)) x
	 WHERE leadroute.phone_key(e164) IS DISTINCT FROM leadroute.phone_key('(' || e164 || ')') $$, 'the short way for E.164 says what the long way says');
SELECT is(leadroute.phone_key(NULL), NULL, 'no number, no key');
SELECT is(leadroute.phone_problem(NULL), NULL, 'and no problem');
SELECT * FROM finish();
ROLLBACK;
