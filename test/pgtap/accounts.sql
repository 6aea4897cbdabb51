-- accounts: which one a lead belongs to, whose it is then, who is told
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = error;
SELECT no_plan();

CREATE SCHEMA lr;
SELECT leadroute.create_leads_table('lr.leads') IS NOT NULL AS created;
SELECT leadroute.attach('lr.leads') IS NOT NULL AS attached;
INSERT INTO leadroute.reps (rep, active) VALUES ('ana', true), ('bo', true), ('cy', true), ('gone', false);
INSERT INTO leadroute.teams (team) VALUES ('t');
INSERT INTO leadroute.team_members (team, rep) VALUES ('t', 'bo'), ('t', 'cy');
INSERT INTO leadroute.outbox_consumers (consumer, types) VALUES ('crm', '{account_contact,buying_committee}');
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES
	(10, 'small fry', 'facts.account_tier = 3', 'queue', 'later'),
	(20, 'by name', 'facts.account_owner = ''cy'' AND facts.account <> ''no such''', 'rep', 'cy'),
	(30, 'accounts', NULL, 'account_owner', NULL),
	(99, 'rest', NULL, 'team', 't');
INSERT INTO leadroute.queues (queue) VALUES ('later');
SELECT is(problem, 'its target is account_owner, and there are no accounts', 'a flow without accounts is told') FROM leadroute.check_flow() WHERE object = 'rule "accounts"';
SELECT leadroute.activate() IS NOT NULL AS active;
INSERT INTO lr.leads (id, email) VALUES (1, 'a@acme.example');
SELECT is(account, NULL, 'no accounts, no account') FROM lr.leads WHERE id = 1;
SELECT is(route_reason, 'rule "rest" (99): team "t", round robin: bo; rule "accounts" (30) held, but the lead has no account', 'and it falls through') FROM lr.leads WHERE id = 1;

-- the tables
SELECT throws_ok($$INSERT INTO leadroute.account_domains (domain, account) VALUES ('localhost', 'x')$$, '22P02', 'invalid domain: "localhost"', 'a domain is one');
SELECT throws_ok($$INSERT INTO leadroute.account_domains (domain, account) VALUES ('co.uk', 'x')$$, '22P02', 'invalid domain: "co.uk"', 'and no suffix');
SELECT throws_ok($$INSERT INTO leadroute.account_aliases (alias, account) VALUES ('!!', 'x')$$, '22P02', 'invalid company name: "!!"', 'an alias has letters');
SELECT throws_ok($$INSERT INTO leadroute.accounts (account, tier) VALUES ('x', 4)$$, '23514', NULL, 'tiers are 1 to 3');
SELECT throws_ok($$INSERT INTO leadroute.accounts (account, parent) VALUES ('x', 'x')$$, '23514', NULL, 'no account is its own parent');
SELECT throws_ok($$INSERT INTO leadroute.accounts (account, parent) VALUES ('p', 'q'), ('q', 'r'), ('r', 'p')$$, '23514', 'account "p" would be above itself', 'nor above itself');
SELECT lives_ok($$INSERT INTO leadroute.accounts (account, parent) VALUES ('p', 'q'), ('q', 'r'), ('r', NULL), ('s', 'not there')$$, 'parents in any order');
SELECT throws_ok($$UPDATE leadroute.accounts SET parent = 'p' WHERE account = 'r'$$, '23514', 'account "r" would be above itself', 'nor by UPDATE');
DELETE FROM leadroute.accounts;

-- who is it?
INSERT INTO leadroute.accounts (account, name, owner, tier, parent) VALUES
	('acme', 'Acme Inc', 'ana', 2, NULL), ('acme-de', 'Acme GmbH', 'ana', 2, 'acme'), ('acme-old', 'Acme of old', 'gone', 1, NULL),
	('globex', 'Globex', 'gone', 1, NULL), ('orphan', 'Orphan', NULL, NULL, NULL), ('small', 'Small', 'ana', 3, NULL),
	('cyco', 'Cyco', 'cy', NULL, NULL), ('yahoo', 'Yahoo', 'ana', NULL, NULL);
INSERT INTO leadroute.account_domains (domain, account) VALUES
	('https://www.Acme.co.uk/about', 'acme'), ('acme.co.uk', 'acme-de'), ('acme.co.uk', 'acme-old'), ('mail.globex.com', 'globex'), ('orphan.org', 'orphan'),
	('small.biz', 'small'), ('cyco.io', 'cyco'), ('yahoo.com', 'yahoo'), ('stale.com', 'not there');
INSERT INTO leadroute.account_aliases (alias, account) VALUES ('International Acme, Ltd.', 'acme');
INSERT INTO leadroute.account_aliases (kind, alias, account) VALUES ('key', 'hub-7', 'acme');
SELECT results_eq('SELECT domain COLLATE "default" FROM leadroute.account_domains WHERE account = ''acme''', $$VALUES ('acme.co.uk')$$, 'a domain is stored as the registrable one');
SELECT is(alias_key COLLATE "default", 'international acme', 'a name in canonical form') FROM leadroute.account_aliases WHERE kind = 'name';

SELECT results_eq($$SELECT rank, account COLLATE "default", step, value, decided FROM leadroute.find_account(website => 'WWW.acme.co.uk:80')$$, $$VALUES
	(1, 'acme', 'website', 'acme.co.uk', 'parent'), (2, 'acme-de', 'website', 'acme.co.uk', 'parent'), (3, 'acme-old', 'website', 'acme.co.uk', 'active owner')$$,
	'several candidates: an active owner before none, the parent before its child');
SELECT results_eq($$SELECT account COLLATE "default", decided FROM leadroute.find_account(website => 'acme.co.uk', company => 'ACME GmbH')$$,
	$$VALUES ('acme-de', 'company name'), ('acme', 'company name'), ('acme-old', 'company name')$$, 'the company''s name as written goes before that, its canonical form before another');
SELECT is((SELECT account COLLATE "default" FROM leadroute.find_account(website => 'acme.co.uk', company => 'International Acme') WHERE rank = 1), 'acme', 'an alias counts as a name');
UPDATE leadroute.accounts SET tier = 1 WHERE account = 'acme-de';
SELECT results_eq($$SELECT account COLLATE "default", decided FROM leadroute.find_account(website => 'acme.co.uk') LIMIT 2$$,
	$$VALUES ('acme-de', 'tier'), ('acme', 'tier')$$, 'the lower tier goes before the parent');
UPDATE leadroute.accounts SET tier = 2, parent = NULL WHERE account = 'acme-de';
SELECT results_eq($$SELECT account COLLATE "default", decided FROM leadroute.find_account(website => 'acme.co.uk') LIMIT 2$$,
	$$VALUES ('acme', 'key'), ('acme-de', 'key')$$, 'at last the key');
UPDATE leadroute.accounts SET parent = 'acme' WHERE account = 'acme-de';
SELECT results_eq($$SELECT account COLLATE "default", step FROM leadroute.find_account(website => 'nobody.example', email => 'kim@eu.globex.com')$$, $$VALUES ('globex', 'email')$$, 'by e-mail where the website is nobody''s');
SELECT is_empty($$SELECT * FROM leadroute.find_account(email => 'kim@yahoo.com')$$, 'public mail is nobody''s');
SELECT results_eq($$SELECT account COLLATE "default", step FROM leadroute.find_account(website => 'yahoo.com')$$, $$VALUES ('yahoo', 'website')$$, 'but a website is its company''s');
SELECT results_eq($$SELECT account COLLATE "default", step, decided FROM leadroute.find_account(email => 'kim@gmail.com', company => 'INTERNATIONAL ACME')$$, $$VALUES ('acme', 'alias', 'only candidate')$$, 'by alias');
SELECT is_empty($$SELECT * FROM leadroute.find_account(company => 'Globex')$$, 'the name itself only suggests');
SELECT results_eq($$SELECT account COLLATE "default", step FROM leadroute.find_account(given => 'hub-7', website => 'cyco.io')$$, $$VALUES ('acme', 'given')$$, 'another system''s key');
SELECT is_empty($$SELECT * FROM leadroute.find_account(website => 'stale.com')$$, 'a domain of an account that is not there is nobody''s');
SELECT is_empty($$SELECT * FROM leadroute.find_account(website => 'acme.co.uk', flow => 'other')$$, 'another flow knows none of them');
SELECT is_empty($$SELECT * FROM leadroute.find_account(website => repeat('x', 100000), email => '@', company => '', given => ' ')$$, 'rubbish is nobody');

-- many of one domain
INSERT INTO leadroute.accounts (account, owner) SELECT 'shop' || i, 'ana' FROM generate_series(1, 101) i;
INSERT INTO leadroute.account_domains (domain, account) SELECT 'shops.example', 'shop' || i FROM generate_series(1, 100) i;
SELECT is((SELECT count(*) FROM leadroute.find_account(website => 'shops.example'))::int, 100, 'a hundred share a domain');
INSERT INTO leadroute.account_domains (domain, account) VALUES ('shops.example', 'shop101');
SELECT is_empty($$SELECT * FROM leadroute.find_account(website => 'shops.example')$$, 'with more it is nobody''s');

-- routing
INSERT INTO lr.leads (id, email, website, company, account) VALUES
	(10, 'kim@x.example', 'http://acme.co.uk', NULL, NULL),
	(11, 'lee@globex.com', NULL, NULL, NULL),
	(12, 'x@orphan.org', NULL, NULL, NULL),
	(13, 'y@small.biz', NULL, NULL, NULL),
	(14, 'z@cyco.io', NULL, NULL, NULL),
	(15, 'w@gmail.com', NULL, 'Nobody', NULL),
	(16, 'v@gmail.com', NULL, NULL, 'hub-7'),
	(17, 'u@gmail.com', NULL, NULL, 'unknown');
SELECT results_eq($$SELECT id::int, owner, team, account, route_reason FROM lr.leads WHERE id BETWEEN 10 AND 14 ORDER BY id$$, $$VALUES
	(10, 'ana', NULL, 'acme', 'rule "accounts" (30): account "acme" (by website), its owner ana'),
	(11, 'cy', 't', 'globex', 'rule "rest" (99): team "t", round robin: cy; rule "accounts" (30) held, but the owner of account "globex" cannot take it: rep "gone" is not active'),
	(12, 'bo', 't', 'orphan', 'rule "rest" (99): team "t", round robin: bo; rule "accounts" (30) held, but account "orphan" has no owner'),
	(13, NULL, NULL, 'small', 'rule "small fry" (10): waits in queue "later"'),
	(14, 'cy', NULL, 'cyco', 'rule "by name" (20): rep cy')$$, 'by website, owner inactive, no owner, a condition on the tier, on the owner');
SELECT results_eq($$SELECT lead COLLATE "default", account COLLATE "default", account_by, code FROM leadroute.lead_states WHERE lead IN ('10', '14', '15', '16', '17') ORDER BY lead$$, $$VALUES
	('10', 'acme', 'website', 'account_owner'), ('14', 'cyco', 'email', 'assigned'), ('15', NULL, NULL, 'assigned'), ('16', 'acme', 'given', 'account_owner'), ('17', NULL, NULL, 'assigned')$$, 'the state says which and by what');
SELECT is(account, 'unknown', 'an account that nobody knows stays in the row') FROM lr.leads WHERE id = 17;
SELECT is((SELECT sum(pointer) FROM leadroute.rotation WHERE rep = 'ana'), 0::numeric, 'the account''s owner takes no turn');
SELECT is((SELECT sum(open)::int FROM leadroute.rotation WHERE rep = 'ana'), 2, 'but they count as load');
SELECT results_eq($$SELECT aggregateid, p->>'account', p->>'account_owner', p->>'owner' FROM leadroute.outbox o, leadroute.outbox_payload(o) p WHERE type = 'account_contact' ORDER BY aggregateid$$, $$VALUES
	('10', 'acme', 'ana', 'ana'), ('11', 'globex', 'gone', 'cy'), ('13', 'small', 'ana', NULL), ('14', 'cyco', 'cy', 'cy'), ('16', 'acme', 'ana', 'ana')$$, 'the account''s owner is told of each contact, whoever got it');

-- asking
SELECT results_eq($$SELECT item, name, verdict, detail FROM leadroute.explain(10) WHERE item IN ('account', 'rep', 'decision')$$, $$VALUES
	('account', 'given', 'nothing to look for', NULL), ('account', 'website', 'found', 'acme.co.uk'), ('account', 'acme', 'is its account', 'owner ana, tier 2'),
	('account', 'acme-de', 'passed over: parent', 'owner ana, tier 2'), ('account', 'acme-old', 'passed over: active owner', 'owner gone, tier 1'),
	('rep', 'ana', 'takes it', NULL), ('decision', 'ana', 'account_owner', 'rule "accounts" (30): account "acme" (by website), its owner ana')$$, 'explain shows each step');
SELECT results_eq($$SELECT name, verdict FROM leadroute.explain(16) WHERE item = 'account'$$, $$VALUES ('given', 'found'), ('acme', 'is its account')$$, 'also that the row brought it');
SELECT results_eq($$SELECT name, verdict FROM leadroute.explain(15) WHERE item = 'account'$$, $$VALUES ('given', 'nothing to look for'), ('website', 'nothing to look for'), ('email', 'public mail'), ('alias', 'no account')$$, 'and why there is none');

-- the outputs are kept
UPDATE lr.leads SET account = NULL, owner = NULL WHERE id = 10;
UPDATE lr.leads SET account = 'orphan' WHERE id = 10;
SELECT is(account || owner, 'acmeana', 'what a sync sends changes no account') FROM lr.leads WHERE id = 10;
DELETE FROM leadroute.accounts WHERE account = 'acme';
SELECT is((SELECT account COLLATE "default" FROM leadroute.lead_states WHERE lead = '10'), 'acme', 'an account that is deleted stays with its leads');
SELECT is((SELECT owner COLLATE "default" FROM leadroute.lead_states WHERE lead = '10'), 'ana', 'and they with their owner');
INSERT INTO lr.leads (id, website) VALUES (18, 'acme.co.uk');
SELECT is(account, 'acme-de', 'new ones go by what is there') FROM lr.leads WHERE id = 18;
INSERT INTO leadroute.accounts (account, name, owner, tier) VALUES ('acme', 'Acme Inc', 'ana', 2);

-- waiting
UPDATE leadroute.rules SET if_unavailable = 'wait' WHERE rule = 'accounts';
INSERT INTO lr.leads (id, email) VALUES (20, 'a@globex.com'), (21, 'a@orphan.org'), (22, 'a@gmail.com');
SELECT results_eq($$SELECT lead COLLATE "default", status, code, queue COLLATE "default", route_reason FROM leadroute.lead_states WHERE lead IN ('20', '21', '22') ORDER BY lead$$, $$VALUES
	('20', 'waiting', 'owner_inactive', 'gone', 'rule "accounts" (30): account "globex" (by email), its owner is not available: waits in queue "gone"'),
	('21', 'waiting', 'no_account', 'account_owner', 'rule "accounts" (30): account "orphan" (by email), which has no owner: waits in queue "account_owner"'),
	('22', 'waiting', 'no_account', 'account_owner', 'rule "accounts" (30): no account: waits in queue "account_owner"')$$, 'or they wait, and say for what');
INSERT INTO leadroute.accounts (account, owner) VALUES ('later', 'ana');
INSERT INTO leadroute.account_aliases (alias, account) VALUES ('Later', 'later');
UPDATE lr.leads SET company = 'Later AG' WHERE id = 22;
SELECT is(leadroute.reroute(22), 'ana', 'rerouted when its account is there');
SELECT results_eq($$SELECT s.account COLLATE "default", s.account_by, s.owner COLLATE "default", l.account, l.owner, s.route_reason FROM leadroute.lead_states s JOIN lr.leads l ON l.id = 22 WHERE s.lead = '22'$$,
	$$VALUES ('later', 'alias', 'ana', 'later', 'ana', 'rule "accounts" (30): account "later" (by alias), its owner ana')$$, 'to its owner');
UPDATE leadroute.accounts SET owner = 'cy' WHERE account = 'acme';
DELETE FROM leadroute.rules WHERE rule = 'by name';
SELECT is(leadroute.reroute(10), 'cy', 'rerouted, a lead keeps its account, and goes to who owns it now');
SELECT results_eq($$SELECT account COLLATE "default", account_by FROM leadroute.lead_states WHERE lead = '10'$$, $$VALUES ('acme', 'website')$$, 'and what found it');
UPDATE leadroute.rules SET if_unavailable = 'fallthrough' WHERE rule = 'accounts';

-- an owner who is away: his backup
SET leadroute.clock = '2026-02-02 10:00Z';
INSERT INTO leadroute.reps (rep, active, backup) VALUES ('mia', true, 'dan'), ('dan', false, 'eve'), ('eve', true, NULL);
INSERT INTO leadroute.time_off (rep, during) VALUES ('mia', '[2026-02-02, 2026-02-04)'), ('eve', '[2026-02-03, 2026-02-04)');
INSERT INTO leadroute.accounts (account, owner) VALUES ('away', 'mia');
INSERT INTO leadroute.account_domains (domain, account) VALUES ('away.example', 'away');
INSERT INTO lr.leads (id, email) VALUES (160, 'a@away.example');
SELECT results_eq($$SELECT owner COLLATE "default", code, route_reason FROM leadroute.lead_states WHERE lead = '160'$$,
	$$VALUES ('eve', 'account_owner', 'rule "accounts" (30): account "away" (by email), its owner mia is on leave, the backup dan is not active: the backup eve')$$, 'the chain of backups is followed');
SELECT is((SELECT route_reason FROM lr.leads WHERE id = 160), (SELECT route_reason FROM leadroute.lead_states WHERE lead = '160'), 'the row says so too');
SELECT results_eq($$SELECT name, verdict, detail FROM leadroute.explain(160) WHERE item = 'rep'$$,
	$$VALUES ('mia', 'on leave', 'its backup is dan'), ('dan', 'not active', 'its backup is eve'), ('eve', 'takes it', NULL)$$, 'explain shows each of them');
SELECT results_eq($$SELECT sum(pointer), sum(open)::int FROM leadroute.rotation WHERE rep = 'eve'$$, $$VALUES (0::numeric, 1)$$, 'it takes no turn and counts for the backup');
UPDATE leadroute.reps SET active = true WHERE rep = 'dan';
INSERT INTO lr.leads (id, email) VALUES (161, 'b@away.example');
SELECT is(route_reason, 'rule "accounts" (30): account "away" (by email), its owner mia is on leave: the backup dan', 'the first who is there') FROM lr.leads WHERE id = 161;
UPDATE leadroute.reps SET active = false WHERE rep = 'dan';
SET leadroute.clock = '2026-02-03 10:00Z';
INSERT INTO lr.leads (id, email) VALUES (162, 'c@away.example');
SELECT matches(route_reason, '; rule "accounts" \(30\) held, but the owner of account "away" cannot take it: rep "mia" is on leave, the backup dan is not active, and rep "eve" is on leave$', 'nobody of the chain: it falls through') FROM lr.leads WHERE id = 162;
UPDATE leadroute.rules SET if_unavailable = 'wait' WHERE rule = 'accounts';
INSERT INTO lr.leads (id, email) VALUES (163, 'd@away.example'), (164, 'd@globex.com');
SELECT results_eq($$SELECT lead COLLATE "default", code, queue COLLATE "default" FROM leadroute.lead_states WHERE lead IN ('163', '164') ORDER BY lead$$, $$VALUES ('163', 'owner_inactive', 'mia'), ('164', 'owner_inactive', 'gone')$$, 'or waits for the owner');
UPDATE leadroute.reps SET backup = 'bo' WHERE rep = 'gone';
CALL leadroute.drain();
SELECT results_eq($$SELECT lead COLLATE "default", owner COLLATE "default", code, route_reason FROM leadroute.lead_states WHERE lead IN ('163', '164') ORDER BY lead$$, $$VALUES
	('163', NULL, 'owner_inactive', 'rule "accounts" (30): account "away" (by email), its owner is not available: waits in queue "mia"'),
	('164', 'bo', 'from_queue', 'waited in queue "gone"; its owner gone is not active: the backup bo')$$, 'who gets a backup has somebody to take what waits');
SET leadroute.clock = '2026-02-04 10:00Z';
INSERT INTO lr.leads (id, email) VALUES (165, 'e@away.example');
SELECT is(owner, 'mia', 'back from leave it is the owner''s again') FROM lr.leads WHERE id = 165;
UPDATE leadroute.rules SET if_unavailable = 'fallthrough' WHERE rule = 'accounts';
UPDATE leadroute.reps SET backup = NULL WHERE rep = 'gone';
RESET leadroute.clock;

-- buying committees
DELETE FROM leadroute.buying_committees;
SET leadroute.clock = '2026-03-02 10:00Z';
INSERT INTO leadroute.accounts (account, name, owner) VALUES ('buy', 'Buyers', 'ana');
INSERT INTO leadroute.account_domains (domain, account) VALUES ('buy.example', 'buy');
INSERT INTO lr.leads (id, email, submitted_at) VALUES (30, 'a@buy.example', '2026-01-25 10:00Z'), (31, 'b@buy.example', '2026-02-20 10:00Z'), (32, 'c@buy.example', '2026-03-02 09:00Z');
SELECT is((SELECT count(*) FROM leadroute.buying_committees WHERE account = 'buy')::int, 0, 'three people, one of them too long ago');
INSERT INTO lr.leads (id, email, submitted_at) VALUES (33, 'd@buy.example', '2026-03-02 09:30Z');
SELECT results_eq($$SELECT number, lead COLLATE "default", people, formed_at FROM leadroute.buying_committees WHERE account = 'buy'$$, $$VALUES (1, '33', 3, '2026-03-02 10:00Z'::timestamptz)$$, 'the third within the window completes it');
SELECT results_eq($$SELECT lead COLLATE "default", code, owner COLLATE "default", account COLLATE "default", reason FROM leadroute.events WHERE kind = 'buying_committee' AND account = 'buy'$$,
	$$VALUES ('33', 'buying_committee', 'ana', 'buy', '3 people of account "buy" have arrived')$$, 'an event');
SELECT results_eq($$SELECT aggregatetype, aggregateid, recipient COLLATE "default", payload - '{rule,code,owner,submitted_at,routed_at}'::text[] FROM leadroute.outbox WHERE type = 'buying_committee' AND aggregateid = 'buy'$$,
	$$VALUES ('account', 'buy', 'ana', '{"flow": "default", "lead": "33", "people": 3, "account": "buy", "account_owner": "ana", "reason": "3 people of account \"buy\" have arrived"}'::jsonb)$$, 'and a message');
INSERT INTO lr.leads (id, email, submitted_at) SELECT i, 'p' || i || '@buy.example', '2026-03-02 09:40Z' FROM generate_series(40, 49) i;
SELECT is((SELECT count(*) FROM leadroute.events WHERE kind = 'buying_committee' AND account = 'buy')::int, 1, 'told once');
SET leadroute.clock = '2026-04-20 10:00Z';
INSERT INTO lr.leads (id, email, submitted_at) SELECT i, 'q' || i || '@buy.example', '2026-04-20 09:40Z' FROM generate_series(50, 52) i;
SELECT results_eq($$SELECT number, lead COLLATE "default" FROM leadroute.buying_committees WHERE account = 'buy' ORDER BY 1$$, $$VALUES (1, '33'), (2, '52')$$, 'another one in another window, of one statement''s rows');
UPDATE leadroute.flows SET buying_committee_size = 5, buying_committee_window = '1 day';
SET leadroute.clock = '2026-06-20 10:00Z';
INSERT INTO lr.leads (id, email, submitted_at) SELECT i, 'r' || i || '@buy.example', '2026-06-20 09:40Z' FROM generate_series(60, 63) i;
SELECT is((SELECT max(number) FROM leadroute.buying_committees WHERE account = 'buy'), 2, 'size and window are the flow''s: four are none');
SAVEPOINT s;
INSERT INTO lr.leads (id, email, submitted_at) VALUES (64, 's@buy.example', '2026-06-20 09:50Z');
SELECT is((SELECT max(number) FROM leadroute.buying_committees WHERE account = 'buy'), 3, 'five are one');
ROLLBACK TO SAVEPOINT s;
SELECT is((SELECT max(number) FROM leadroute.buying_committees WHERE account = 'buy'), 2, 'a rollback takes it back');
INSERT INTO lr.leads (id, email, submitted_at) VALUES (65, 't@buy.example', '2026-06-20 09:50Z');
SELECT is((SELECT max(number) FROM leadroute.buying_committees WHERE account = 'buy'), 3, 'and the next one completes it');
UPDATE leadroute.flows SET buying_committee_size = NULL;
SET leadroute.clock = '2026-07-20 10:00Z';
INSERT INTO lr.leads (id, email) SELECT i, 'u' || i || '@buy.example' FROM generate_series(70, 79) i;
SELECT is((SELECT max(number) FROM leadroute.buying_committees WHERE account = 'buy'), 3, 'NULL: none is told');

-- duplicates are no further people
UPDATE leadroute.flows SET buying_committee_size = 3, buying_committee_window = '30 days';
SET leadroute.clock = '2026-09-20 10:00Z';
INSERT INTO leadroute.accounts (account, name, owner) VALUES ('dup', 'Dup', 'ana');
INSERT INTO leadroute.account_domains (domain, account) VALUES ('dup.example', 'dup');
INSERT INTO lr.leads (id, email) VALUES (80, 'a@dup.example'), (81, 'b@dup.example'), (82, 'A@dup.example'), (83, 'b+x@dup.example');
INSERT INTO lr.leads (id, email) VALUES (84, 'a@dup.example');
SELECT results_eq($$SELECT id::int, duplicate_of, account FROM lr.leads WHERE id BETWEEN 80 AND 84 ORDER BY id$$, $$VALUES (80, NULL, 'dup'), (81, NULL, 'dup'), (82, '80', 'dup'), (83, '81', 'dup'), (84, '80', 'dup')$$, 'two people, five times');
SELECT is((SELECT count(*) FROM leadroute.buying_committees WHERE account = 'dup')::int + (SELECT count(*) FROM leadroute.committee_checks WHERE account = 'dup')::int, 0, 'are no committee');
SELECT is(leads::int, 2, 'and two leads of the account') FROM leadroute.account_status WHERE account = 'dup';
INSERT INTO lr.leads (id, email) VALUES (85, 'c@dup.example');
SELECT is((SELECT lead COLLATE "default" FROM leadroute.buying_committees WHERE account = 'dup'), '85', 'the third person completes it');
RESET leadroute.clock;

SELECT results_eq($$SELECT leads, open, owners, committee_lead COLLATE "default", last_arrival FROM leadroute.account_status WHERE account = 'buy'$$,
	$$VALUES (32::bigint, 32::bigint, '{ana}'::text[] COLLATE "C", '65', '2026-07-20 10:00Z'::timestamptz)$$, 'account_status');

-- columns that take no such key
CREATE TABLE lr.narrow (id int PRIMARY KEY, website text, account bigint, owner text);
CREATE TABLE lr.short (id int PRIMARY KEY, website text, account varchar(3), owner text);
INSERT INTO leadroute.reps (flow, rep) VALUES ('n', 'ana'), ('s', 'ana');
INSERT INTO leadroute.rules (flow, position, rule, target) VALUES ('n', 1, 'a', 'account_owner'), ('s', 1, 'a', 'account_owner');
INSERT INTO leadroute.accounts (flow, account, owner) SELECT f, k, 'ana' FROM unnest('{n,s}'::text[]) f, unnest('{12,A1234}'::text[]) k;
INSERT INTO leadroute.account_domains (flow, domain, account) SELECT f, 'd' || k || '.com', k FROM unnest('{n,s}'::text[]) f, unnest('{12,A1234}'::text[]) k;
SELECT leadroute.attach('lr.narrow', flow => 'n') IS NOT NULL AND leadroute.attach('lr.short', flow => 's') IS NOT NULL AS attached;
SELECT results_eq($$SELECT object, problem FROM leadroute.check_flow('n') WHERE object LIKE 'account%' UNION ALL SELECT object, problem FROM leadroute.check_flow('s') WHERE object LIKE 'account%'$$, $$VALUES
	('account "A1234"', 'cannot be written to column "account" of table lr.narrow: invalid input syntax for type bigint: "A1234"'),
	('account "A1234"', 'cannot be written to column "account" of table lr.short: value too long for 3 characters')$$, 'keys that the column does not take are told');
SELECT leadroute.activate('n') IS NOT NULL AND leadroute.activate('s') IS NOT NULL AS active;
INSERT INTO lr.narrow (id, website, account) VALUES (1, 'd12.com', NULL), (2, 'dA1234.com', 77);
INSERT INTO lr.short (id, website, account) VALUES (1, 'd12.com', NULL), (2, 'dA1234.com', 'x');
UPDATE lr.narrow SET owner = NULL;
UPDATE lr.short SET owner = NULL;
SELECT results_eq($$SELECT id, account::text, owner FROM lr.narrow UNION ALL SELECT id, account, owner FROM lr.short$$,
	$$VALUES (1, '12', 'ana'), (2, '77', 'ana'), (1, '12', 'ana'), (2, 'x', 'ana')$$, 'and left out; the lead is routed, and updated');
SELECT is((SELECT string_agg(account, ',' ORDER BY flow, lead) COLLATE "default" FROM leadroute.lead_states WHERE flow IN ('n', 's')), '12,A1234,12,A1234', 'its state knows');

-- domains are found by a hash of flow and domain: what only hashes alike is nobody's (a domain with a blank comes from another node only)
INSERT INTO leadroute.flows (flow) VALUES ('a'), ('a b');
INSERT INTO leadroute.accounts (flow, account) VALUES ('a', 'right'), ('a b', 'right'), ('a b', 'wrong');
SET LOCAL session_replication_role = replica;
INSERT INTO leadroute.account_domains (flow, domain, account) VALUES ('a', 'b hash.example', 'wrong');
SET LOCAL session_replication_role = origin;
SELECT is_empty($$SELECT * FROM leadroute.find_account(website => 'hash.example', flow => 'a b')$$, 'a domain of another flow that reads alike');
INSERT INTO leadroute.account_domains (flow, domain, account) SELECT f, 'hash.example', 'right' FROM unnest('{a,a b}'::text[]) f;
SELECT results_eq($$SELECT account COLLATE "default", decided FROM leadroute.find_account(website => 'hash.example', flow => 'a b')$$, $$VALUES ('right', 'only candidate')$$, 'its own beside it');
SELECT results_eq($$SELECT account COLLATE "default", decided FROM leadroute.find_account(website => 'hash.example', flow => 'a')$$, $$VALUES ('right', 'only candidate')$$, 'and the other flow''s own');
INSERT INTO leadroute.account_domains (flow, domain, account) SELECT 'a b', 'hash' || i || '.example', 'right' FROM generate_series(1, 3000) i;
SELECT is((SELECT count(*) FROM generate_series(1, 3000) i, leadroute.find_account(website => 'hash' || i || '.example', flow => 'a b') f WHERE f.account = 'right'), 3000::bigint, 'each of many, whatever the index has grown to');

-- history
DELETE FROM leadroute.config_changes;
INSERT INTO leadroute.accounts (account, note) VALUES ('h1', 'by hand');
UPDATE leadroute.accounts SET tier = 2 WHERE account = 'h1';
UPDATE leadroute.accounts SET tier = 2 WHERE account = 'h1';
INSERT INTO leadroute.accounts (account) SELECT 'bulk' || i FROM generate_series(1, 101) i;
DELETE FROM leadroute.accounts WHERE account = 'h1';
SELECT results_eq($$SELECT operation, old->>'tier', new->>'tier', new->>'rows', note FROM leadroute.config_changes WHERE relation = 'accounts' ORDER BY at$$, $$VALUES
	('INSERT', NULL, NULL, NULL, 'by hand'), ('UPDATE', NULL, '2', NULL, 'by hand'), ('INSERT', NULL, NULL, '101', NULL), ('DELETE', '2', NULL, NULL, 'by hand')$$, 'history row by row of what people write, of a load how many');

SELECT * FROM finish();
ROLLBACK;
