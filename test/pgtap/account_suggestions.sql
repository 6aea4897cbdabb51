-- account_suggestions: likeness of company names suggests, and no more
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = error;
SELECT no_plan();

CREATE SCHEMA lr;
CREATE SCHEMA trigrams;
SELECT leadroute.create_leads_table('lr.leads') IS NOT NULL AS created;
SELECT leadroute.attach('lr.leads') IS NOT NULL AS attached;
INSERT INTO leadroute.reps (rep) VALUES ('ana'), ('bo');
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (1, 'accounts', 'account_owner', NULL), (2, 'rest', 'rep', 'bo');
INSERT INTO leadroute.accounts (account, name, owner) VALUES ('ibm', 'International Business Machines', 'ana'), ('acme', 'Acme Rocket Company Inc.', 'ana'), ('acme2', 'Acme Rockets of Texas', 'ana'),
	('other', 'Something else entirely', 'ana'), ('noname', NULL, 'ana');
INSERT INTO leadroute.account_domains (domain, account) VALUES ('acme.com', 'acme');
SELECT leadroute.activate() IS NOT NULL AS active;
INSERT INTO lr.leads (id, email, company) VALUES (1, 'a@gmail.com', 'Internat. Business Machines'), (2, 'b@gmail.com', 'ACME ROCKET'), (3, 'c@acme.com', 'Acme Rocket'),
	(4, 'd@gmail.com', NULL), (5, 'e@gmail.com', 'Unheard of'), (6, 'f@gmail.com', 'Something else entirely, LLC');
SELECT throws_ok($$CALL leadroute.suggest_accounts()$$, '55000', 'extension "pg_trgm" is not installed', 'it says what it needs');
CREATE EXTENSION pg_trgm SCHEMA trigrams;
SELECT throws_ok($$CALL leadroute.suggest_accounts(batch => 0)$$, '22023', 'batch must be at least 1', 'batch');
SELECT throws_ok($$CALL leadroute.suggest_accounts(likeness => 2)$$, '22023', 'likeness must be between 0.1 and 1', 'likeness');
CALL leadroute.suggest_accounts();
SELECT results_eq($$SELECT lead COLLATE "default", account COLLATE "default", company, name, status, likeness > 0.5 FROM leadroute.account_suggestions ORDER BY lead, likeness DESC$$, $$VALUES
	('1', 'ibm', 'Internat. Business Machines', 'International Business Machines', 'open', true),
	('2', 'acme', 'ACME ROCKET', 'Acme Rocket Company Inc.', 'open', true),
	('6', 'other', 'Something else entirely, LLC', 'Something else entirely', 'open', true)$$, 'what is alike, of leads that have no account');
SELECT results_eq($$SELECT id::int, owner, account FROM lr.leads WHERE id IN (2, 3) ORDER BY id$$, $$VALUES (2, 'bo', NULL), (3, 'ana', 'acme')$$, 'the lead was routed meanwhile');
CALL leadroute.suggest_accounts();
SELECT results_eq($$SELECT leads, suggested FROM leadroute.account_suggestion_runs$$, $$VALUES (5::bigint, 3::bigint)$$, 'only new leads are looked at');
INSERT INTO lr.leads (id, email, company) VALUES (7, 'g@gmail.com', 'Acme Rocket Texas');
CALL leadroute.suggest_accounts(likeness => 0.3);
SELECT results_eq($$SELECT account COLLATE "default" FROM leadroute.account_suggestions WHERE lead = '7' ORDER BY likeness DESC$$, $$VALUES ('acme2'), ('acme')$$, 'several, the more alike first');
SELECT results_eq($$SELECT leads, suggested FROM leadroute.account_suggestion_runs$$, $$VALUES (6::bigint, 5::bigint)$$, 'one more');
CALL leadroute.suggest_accounts(again => true, batch => 2);
CALL leadroute.suggest_accounts(batch => 2);
CALL leadroute.suggest_accounts(batch => 2);
SELECT results_eq($$SELECT leads, suggested FROM leadroute.account_suggestion_runs$$, $$VALUES (12::bigint, 5::bigint)$$, 'all of them again, two at a time; none is suggested twice');

-- accept, dismiss
SELECT is(leadroute.accept_account(7, 'acme2'), 'lead "7" belongs to account "acme2"', 'accepted');
SELECT results_eq($$SELECT account COLLATE "default", account_by, owner COLLATE "default" FROM leadroute.lead_states WHERE lead = '7'$$, $$VALUES ('acme2', 'accepted', 'bo')$$, 'it belongs there; its owner stays');
SELECT is((SELECT account FROM lr.leads WHERE id = 7), 'acme2', 'the row hears of it');
SELECT results_eq($$SELECT account COLLATE "default", status FROM leadroute.account_suggestions WHERE lead = '7' ORDER BY account$$, $$VALUES ('acme', 'dismissed'), ('acme2', 'accepted')$$, 'the other one is dismissed');
SELECT is((SELECT count(*) FROM leadroute.events WHERE lead = '7' AND code = 'account_accepted' AND actor = session_user)::int, 1, 'an event');
SELECT is(leadroute.accept_account('2', 'acme', alias => true), 'lead "2" belongs to account "acme", and so do those of company "ACME ROCKET" from now on', 'with an alias');
INSERT INTO lr.leads (id, email, company) VALUES (8, 'h@gmail.com', 'Acme Rocket, Inc.');
SELECT is((SELECT account || ' ' || owner FROM lr.leads WHERE id = 8), 'acme ana', 'the next one belongs there by itself');
SELECT lives_ok($$SELECT leadroute.dismiss_account(1, 'ibm')$$, 'dismissed');
CALL leadroute.suggest_accounts(again => true);
SELECT is((SELECT status FROM leadroute.account_suggestions WHERE lead = '1'), 'dismissed', 'and not suggested again');
SELECT throws_ok($$SELECT leadroute.accept_account(5, 'ibm')$$, 'P0002', 'account "ibm" was not suggested for lead "5"', 'only what was suggested');
SELECT throws_ok($$SELECT leadroute.dismiss_account(5, 'ibm')$$, 'P0002', 'account "ibm" was not suggested for lead "5"', 'neither way');

-- an accepted lead counts as one of its account's people
INSERT INTO lr.leads (id, email) VALUES (9, 'i@acme.com');
SELECT is((SELECT count(*) FROM leadroute.buying_committees WHERE account = 'acme')::int, 1, 'which can complete a committee');
SELECT * FROM finish();
ROLLBACK;
