-- messages: what is written when, what it says, and how a consumer gets it
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = warning;
SELECT no_plan();

-- masks
SELECT is(leadroute.mask(k, v), m, concat_ws(' ', 'mask', k, v)) FROM (VALUES ('email', 'kim.lee@acme.example', 'k***@acme.example'), ('email', 'no address', 'n***'),
	('phone', '+1 (212) 555-0123', '+* (***) ***-**23'), ('phone', '112', '***'), ('name', 'Kim van Lee', 'K. V. L.'), ('name', 'ångström', 'Å.'), ('text', 'Acme', 'A***'), ('text', '', ''), ('text', NULL, NULL)) x(k, v, m);
SELECT is(leadroute.lead_link('https://crm.example/{flow}/l/{lead}?x={lead}', 'a b', 'ä/7'), 'https://crm.example/a%20b/l/%C3%A4%2F7?x=%C3%A4%2F7', 'a link');

CREATE SCHEMA lr;
CREATE TABLE lr.leads (id bigint PRIMARY KEY, email text, company text, source text, secret boolean, owner text);
INSERT INTO leadroute.flows (flow, timezone, link_template, replay_window) VALUES ('default', 'Europe/Berlin', 'https://crm.example/leads/{lead}', '0');
SELECT leadroute.attach('lr.leads') \g /dev/null
INSERT INTO leadroute.reps (rep, name, manager) VALUES ('ana', 'Ana', 'mia'), ('bo', 'Bo', 'mia'), ('mia', 'Mia', NULL);
INSERT INTO leadroute.teams (team, channel) VALUES ('west', '#west');
INSERT INTO leadroute.team_members (team, rep, capacity) VALUES ('west', 'ana', 1), ('west', 'bo', 1);
INSERT INTO leadroute.rules (position, rule, condition, target, target_name, if_unavailable) VALUES (1, 'web', 'source = ''web''', 'team', 'west', 'wait'), (2, 'rest', NULL, 'queue', 'inbox', 'wait');
INSERT INTO leadroute.queues (queue) VALUES ('inbox');
SELECT leadroute.activate() \g /dev/null
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
SET leadroute.clock = '2026-03-02 10:00Z';

-- none registered, none written
INSERT INTO lr.leads VALUES (1, 'a@x.example', 'X', 'web');
SELECT leadroute.reassign(1, 'mia') \g /dev/null
SELECT is_empty('SELECT * FROM leadroute.outbox', 'nobody asked, nothing is written');
INSERT INTO leadroute.outbox_consumers (consumer, types) VALUES ('slack', '{assigned,reassigned,queued,duplicate,alert}');
INSERT INTO lr.leads VALUES (2, 'b@x.example', 'X', 'web'), (3, 'c@x.example', 'Y', 'web'), (4, 'd@x.example', 'Z', 'web'), (5, 'd@x.example', 'Z', 'web'), (6, 'e@x.example', 'Z', 'mail');
SELECT results_eq($$SELECT aggregateid, type, recipient FROM leadroute.outbox ORDER BY id$$, $$VALUES ('2', 'assigned', 'bo' COLLATE "C"), ('3', 'assigned', 'ana'), ('4', 'queued', '#west'), ('5', 'duplicate', '#west'), ('6', 'queued', NULL)$$, 'one each');
SELECT is((SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'leadroute.outbox'::regclass AND attnum > 0), '{id,aggregatetype,aggregateid,type,payload,created_at,flow,recipient}', 'in the order of Debezium''s outbox router');
-- two ways to the same payload
SELECT is(leadroute.outbox_payload(o) - w, leadroute.lead_message('default', aggregateid) - w, 'what is made of ' || aggregateid || ' is what the state says') FROM leadroute.outbox o, LATERAL (SELECT CASE aggregateid WHEN '4' THEN '{reason,code}' ELSE '{}' END::text[]) x(w) ORDER BY id;
-- (4 has been asked again since)
SELECT is((SELECT array_agg(k ORDER BY k) FROM leadroute.outbox o, jsonb_object_keys(leadroute.outbox_payload(o)) k WHERE aggregateid = '2' AND k IN ('owner', 'owner_name', 'manager', 'team', 'channel', 'reason', 'link', 'rule')),
	'{channel,link,manager,owner,owner_name,reason,rule,team}', 'enough to write the message');

-- where somebody reads the table the insert writes it: the same, with an account, a deadline, a mask, a link
SAVEPOINT s;
INSERT INTO leadroute.accounts (account, name, owner, tier) VALUES ('acme', 'Acme', 'mia', 1);
INSERT INTO leadroute.account_domains (domain, account) VALUES ('acme.example', 'acme');
INSERT INTO leadroute.sla_policies (policy, position, metric, target) VALUES ('all', 1, 'first_touch', '4 hours');
UPDATE leadroute.flows SET mask_when = 'secret';
INSERT INTO leadroute.outbox_consumers (consumer, types, claims) VALUES ('stream', '{assigned,queued,duplicate,account_contact}', false);
INSERT INTO lr.leads VALUES (52, 'b@acme.example', 'Acme', 'web', false), (53, 'c@acme.example', 'Acme', 'web', true), (54, 'n@x.example', NULL, 'mail', NULL), (55, 'b@acme.example', 'A B', 'mail', true);
SELECT is(leadroute.outbox_payload(jsonb_populate_record(o, '{"payload": null}')), o.payload, format('of %s, %s', o.aggregateid, o.type))
	FROM leadroute.outbox o WHERE o.aggregateid > '5' AND o.aggregateid <> '6' ORDER BY o.id;
SELECT is((SELECT string_agg(DISTINCT k COLLATE "C", ',' ORDER BY k COLLATE "C") FROM leadroute.outbox o, jsonb_object_keys(o.payload) k WHERE o.aggregateid = '53' AND k <> 'link'),
	'account,account_owner,channel,code,company,deadline,flow,lead,masked,queue,reason,routed_at,rule,seconds_left,source,submitted_at,team,tier', 'all of it');
ROLLBACK TO s;
-- and who begins to read it finds what was left out
SAVEPOINT s;
SELECT is((SELECT count(payload) FROM leadroute.outbox)::int, 0, 'made when it is asked for');
UPDATE leadroute.outbox_consumers SET claims = false;
SELECT is((SELECT count(payload) FROM leadroute.outbox)::int, 5, 'or when somebody wants to read it');
ROLLBACK TO s;
-- who got it and why is the decision's, whatever has become of the lead since
SAVEPOINT s;
SELECT leadroute.reassign(2, 'mia') \g /dev/null
SELECT is((SELECT format('%s %s %s %s', p ->> 'owner', p ->> 'owner_name', p ->> 'code', p ->> 'reason') FROM (SELECT leadroute.outbox_payload(o) AS p FROM leadroute.outbox o WHERE aggregateid = '2' ORDER BY id LIMIT 1) m),
	'bo Bo assigned rule "web" (1): team "west", round robin: bo', 'after a hand-over');
UPDATE lr.leads SET id = 99 WHERE id = 2;
DELETE FROM leadroute.lead_states WHERE lead = '3';
DELETE FROM leadroute.events WHERE lead = '6';
SET CONSTRAINTS ALL IMMEDIATE;
SELECT results_eq($$SELECT aggregateid, p ->> 'owner', p ->> 'code', p ->> 'company' FROM (SELECT *, leadroute.outbox_payload(o) AS p FROM leadroute.outbox o WHERE id <= (SELECT max(id) FROM leadroute.outbox WHERE aggregateid = '6')) m WHERE aggregateid IN ('2', '3', '6') ORDER BY id$$,
	$$VALUES ('2', 'bo', 'assigned', NULL), ('3', 'ana', 'assigned', NULL), ('6', NULL, 'queued', 'Z')$$, 'a key that changed, a state that is gone, an event that is gone');
ROLLBACK TO s;

-- a place is freed: the first of the two gets an owner, the other follows him
SELECT leadroute.close(2) \g /dev/null
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
SELECT results_eq($$SELECT aggregateid, type, recipient, payload ->> 'owner' FROM leadroute.outbox WHERE id > (SELECT max(id) FROM leadroute.outbox WHERE aggregateid = '6') ORDER BY aggregateid$$,
	$$VALUES ('4', 'assigned', 'bo' COLLATE "C", 'bo'), ('5', 'duplicate', 'bo', 'bo')$$, 'a drain, and a duplicate that follows its first');
SELECT leadroute.reassign(4, 'mia', 'a swap') \g /dev/null
SELECT is((SELECT format('%s %s %s %s', type, recipient, payload ->> 'previous_owner', payload ->> 'reason') FROM leadroute.outbox ORDER BY id DESC LIMIT 1), format('reassigned mia bo %s gave the lead to mia: a swap', session_user), 'a hand');
UPDATE lr.leads SET owner = 'ana' WHERE id = 4;
SELECT is((SELECT format('%s %s %s', type, recipient, payload ->> 'previous_owner') FROM leadroute.outbox ORDER BY id DESC LIMIT 1), 'reassigned ana mia', 'an UPDATE');
SAVEPOINT s;
SELECT leadroute.reassign(4, 'mia') \g /dev/null
ROLLBACK TO s;
SELECT is((SELECT payload ->> 'owner' FROM leadroute.outbox ORDER BY id DESC LIMIT 1), 'ana', 'what is rolled back is not told');

-- claims: in order, nobody else's meanwhile, again when the time is over, never after the ack
SET leadroute.clock = '2026-03-02 11:00Z';
CREATE TABLE lr.got AS SELECT * FROM leadroute.outbox_claim('slack', 3, '5 min');
SELECT results_eq('SELECT id FROM lr.got ORDER BY id', 'SELECT id FROM leadroute.outbox ORDER BY id LIMIT 3', 'the oldest three');
SELECT is((SELECT count(*) FROM leadroute.outbox_claim('slack', 100, '5 min') c WHERE c.id IN (SELECT id FROM lr.got)), 0::bigint, 'nobody else gets these');
SELECT is_empty($$SELECT * FROM leadroute.outbox_claim('slack')$$, 'nothing is left');
SELECT is(leadroute.outbox_ack('slack', (SELECT array_agg(id) FROM lr.got)), 3, 'acknowledged');
SELECT is(leadroute.outbox_ack('slack', (SELECT array_agg(id) FROM lr.got)), 0, 'once');
SET leadroute.clock = '2026-03-02 11:06Z';
CREATE TABLE lr.again AS SELECT * FROM leadroute.outbox_claim('slack', 100, '5 min');
SELECT is((SELECT format('%s %s %s', count(*), min(attempt), max(attempt)) FROM lr.again), '6 2 2', 'what was not acknowledged comes again');
SELECT is((SELECT count(*) FROM lr.again WHERE id IN (SELECT id FROM lr.got)), 0::bigint, 'what was does not');

-- refused: later, and later still, then a dead letter
UPDATE leadroute.outbox_consumers SET max_attempts = 4, backoff = '1 min';
SELECT is(leadroute.outbox_nack('slack', (SELECT array_agg(id) FROM lr.again), problem => 'no network'), 6, 'refused');
SELECT is((SELECT DISTINCT visible_at - leadroute.clock() FROM leadroute.outbox_deliveries WHERE done_at IS NULL), interval '2 min', 'the second failure waits twice as long');
SET leadroute.clock = '2026-03-02 11:08Z';
CREATE TABLE lr.third AS SELECT * FROM leadroute.outbox_claim('slack');
SELECT is((SELECT format('%s %s', count(*), max(attempt)) FROM lr.third), '6 3', 'the third attempt');
SELECT leadroute.outbox_nack('slack', (SELECT array_agg(id) FROM lr.third), '10 s') \g /dev/null
SELECT is((SELECT DISTINCT visible_at - leadroute.clock() FROM leadroute.outbox_deliveries WHERE done_at IS NULL), interval '10 s', 'the consumer may say when');
SET leadroute.clock = '2026-03-02 11:09Z';
SELECT is((SELECT count(*) FROM leadroute.outbox_claim('slack'))::int, 6, 'the fourth');
SELECT leadroute.outbox_nack('slack', (SELECT array_agg(id) FROM lr.third WHERE id <> (SELECT max(id) FROM lr.third))) \g /dev/null
SELECT is((SELECT count(*) FROM leadroute.outbox_deliveries WHERE dead_at IS NOT NULL)::int, 5, 'dead letters');
SET leadroute.clock = '2026-03-02 12:00Z';
SELECT is_empty($$SELECT * FROM leadroute.outbox_claim('slack')$$, 'nobody gets them');
SELECT is((SELECT count(*) FROM leadroute.outbox_deliveries WHERE dead_at IS NOT NULL)::int, 6, 'nor what kills its consumer each time');
SELECT matches((SELECT status || ' ' || detail FROM leadroute.health WHERE check_name = 'outbox'), '^warn 6 dead letters of consumer "slack" of flow "default"$', 'health says so');
SELECT is(leadroute.outbox_revive('slack'), 6, 'revived');
SELECT is((SELECT count(*) FROM leadroute.outbox_claim('slack'))::int, 6, 'and claimed');
SELECT is((SELECT status FROM leadroute.health WHERE check_name = 'outbox'), 'ok', 'health is content');

-- retention
SET leadroute.clock = '2026-03-02 12:30Z';
CALL leadroute.sweep(parts => '{outbox}');
SELECT is((SELECT count(*) FROM leadroute.outbox)::int, 6, 'what everybody has acknowledged goes');
INSERT INTO leadroute.outbox_consumers (consumer, types, claims) VALUES ('stream', '{queued}', false);
INSERT INTO leadroute.outbox_consumers (consumer, types) VALUES ('late', '{queued,reassigned}');
SELECT is_empty($$SELECT * FROM leadroute.outbox_claim('late')$$, 'a new consumer begins with what is written from now on');
INSERT INTO lr.leads VALUES (7, 'f@x.example', 'Z', 'mail');
SELECT is((SELECT count(*) FROM leadroute.outbox_claim('late'))::int, 1, 'as this');
SELECT leadroute.outbox_ack('slack', ARRAY(SELECT id FROM leadroute.outbox_claim('slack', visible_for => '1 day'))) \g /dev/null
SELECT leadroute.outbox_ack('slack', ARRAY(SELECT id FROM leadroute.outbox)) \g /dev/null
CALL leadroute.sweep(parts => '{outbox}');
SELECT results_eq('SELECT aggregateid FROM leadroute.outbox', ARRAY['7'], 'what another still has to get stays');
SELECT leadroute.outbox_ack('late', ARRAY(SELECT id FROM leadroute.outbox)) \g /dev/null
CALL leadroute.sweep(parts => '{outbox}');
SELECT is((SELECT count(*) FROM leadroute.outbox)::int, 1, 'and what somebody reads as a stream');
SELECT throws_ok($$SELECT * FROM leadroute.outbox_claim('stream')$$, '55000', NULL, 'who claims nothing');
SELECT throws_ok($$SELECT * FROM leadroute.outbox_claim('none')$$, '42704', NULL, 'who is not registered');
INSERT INTO lr.leads VALUES (8, 'g@x.example', 'Z', 'mail');
SET leadroute.clock = '2026-03-06 12:30Z';
SELECT matches((SELECT detail FROM leadroute.health WHERE check_name = 'outbox'), 'consumer "late" of flow "default" has left a message of 2026-03-02 12:30:00.* unclaimed; consumer "slack" .* unclaimed', 'a consumer that does not run is noticed');
SET leadroute.clock = '2026-03-09 12:31Z';
CALL leadroute.sweep(parts => '{outbox}');
SELECT is_empty('SELECT * FROM leadroute.outbox', 'after keep they go');
SELECT is_empty('SELECT * FROM leadroute.outbox_deliveries', 'with what was noted of them');
SELECT matches((SELECT detail FROM leadroute.health WHERE check_name = 'outbox'), '^1 messages went unclaimed by consumer "late" .*; 1 messages went unclaimed by consumer "slack"', 'and health says so');
DELETE FROM leadroute.outbox_consumers WHERE consumer IN ('late', 'stream');

-- quiet hours and digests: by the clock on the recipient's wall
INSERT INTO leadroute.outbox_recipients (recipient, quiet_from, quiet_until) VALUES ('ana', '20:00', '07:30');
INSERT INTO leadroute.outbox_recipients (recipient, digest, at_once) VALUES ('bo', 'daily', '{reassigned}');
INSERT INTO leadroute.outbox_recipients (recipient, digest, digest_weekday, timezone) VALUES ('#west', 'weekly', 4, 'America/New_York');
SELECT throws_ok($$INSERT INTO leadroute.outbox_consumers (consumer, types) VALUES ('typo', '{asigned}')$$, '23514', NULL, 'a type that there is none of');
SELECT throws_ok($$INSERT INTO leadroute.outbox_recipients (recipient, timezone) VALUES ('x', 'Mars/Olympus')$$, '22023', NULL, 'a zone that is none');
CREATE FUNCTION lr.due(who text, at timestamptz, kind text DEFAULT 'assigned') RETURNS text LANGUAGE sql AS $$
	SELECT to_char(d.visible_at AT TIME ZONE 'UTC', 'Dy DD HH24:MI') || CASE WHEN d.digest_at IS NOT NULL THEN ' digest' ELSE '' END FROM leadroute.outbox_recipients r, leadroute.delivery_time(r, kind, at) d WHERE r.recipient = who $$;
SELECT is(lr.due('ana', '2026-03-10 12:00Z'), 'Tue 10 12:00', 'by day at once');
SELECT is(lr.due('ana', '2026-03-10 21:00Z'), 'Wed 11 06:30', 'in the evening tomorrow at 07:30, Berlin');
SELECT is(lr.due('ana', '2026-03-11 03:00Z'), 'Wed 11 06:30', 'at night today');
SELECT is(lr.due('ana', '2026-03-28 22:00Z'), 'Sun 29 05:30', 'where clocks change meanwhile');
SELECT is(lr.due('ana', '2026-03-11 06:30Z'), 'Wed 11 06:30', 'when the quiet ends');
SELECT is(lr.due('bo', '2026-03-11 06:59Z'), 'Wed 11 07:00 digest', 'a digest at 08:00');
SELECT is(lr.due('bo', '2026-03-11 07:01Z'), 'Thu 12 07:00 digest', 'the next one');
SELECT is(lr.due('bo', '2026-03-11 07:01Z', 'reassigned'), 'Wed 11 07:01', 'what does not wait');
SELECT is(lr.due('#west', '2026-03-10 12:00Z'), 'Thu 12 12:00 digest', 'a weekday, New York');
SELECT is(lr.due('#west', '2026-03-12 12:01Z'), 'Thu 19 12:00 digest', 'a week later');
SELECT is(lr.due('#west', '2026-03-12 12:00Z'), 'Thu 12 12:00 digest', 'just in time');
-- gathered: claimed together, even where there are more of them
SET leadroute.clock = '2026-03-10 15:00Z';
UPDATE leadroute.team_members SET capacity = NULL;
INSERT INTO lr.leads SELECT i, format('n%s@n.example', i), 'N', 'web' FROM generate_series(11, 16) i;
SELECT is((SELECT count(*) FROM leadroute.outbox_claim('slack', 100))::int, (SELECT count(*) FROM leadroute.outbox WHERE recipient = 'ana' OR type = 'reassigned')::int, 'those of bo wait');
SET leadroute.clock = '2026-03-11 07:00Z';
SELECT is((SELECT format('%s %s', count(*), count(DISTINCT digest_at)) FROM leadroute.outbox_claim('slack', 1) WHERE recipient = 'bo'), format('%s 1', (SELECT count(*) FROM leadroute.outbox WHERE recipient = 'bo' AND type = 'assigned')), 'a digest comes whole')
	WHERE leadroute.outbox_ack('slack', ARRAY(SELECT id FROM leadroute.outbox WHERE recipient = 'ana')) >= 0;

-- a consumer that was down, or is refused, disturbs nobody at night
SET leadroute.clock = '2026-03-11 15:00Z';
SELECT leadroute.outbox_ack('slack', ARRAY(SELECT id FROM leadroute.outbox_claim('slack', 1000))) \g /dev/null
INSERT INTO lr.leads VALUES (21, 'q21@n.example', 'N', 'mail');
SELECT leadroute.reassign(21, 'ana') \g /dev/null
SET leadroute.clock = '2026-03-11 20:30Z';
SELECT is_empty($$SELECT aggregateid FROM leadroute.outbox_claim('slack') WHERE recipient = 'ana'$$, 'by day it was written, at night it is claimed: it waits');
SET leadroute.clock = '2026-03-12 06:30Z';
SELECT results_eq($$SELECT aggregateid, attempt FROM leadroute.outbox_claim('slack') WHERE recipient = 'ana'$$, $$VALUES ('21', 1)$$, 'until the morning');
SET leadroute.clock = '2026-03-12 19:30Z';
SELECT leadroute.outbox_nack('slack', ARRAY(SELECT id FROM leadroute.outbox WHERE aggregateid = '21'), '40 min') \g /dev/null
SET leadroute.clock = '2026-03-12 20:10Z';
UPDATE leadroute.outbox_recipients SET at_once = '{assigned}' WHERE recipient = 'ana';
SELECT results_eq($$SELECT type FROM leadroute.outbox_claim('slack') WHERE aggregateid = '21' AND recipient = 'ana'$$, $$VALUES ('assigned')$$, 'what does not wait for the morning does not');
SELECT leadroute.outbox_nack('slack', ARRAY(SELECT id FROM leadroute.outbox WHERE aggregateid = '21'), '1 min') \g /dev/null
UPDATE leadroute.outbox_recipients SET at_once = '{}' WHERE recipient = 'ana';
SET leadroute.clock = '2026-03-12 20:20Z';
SELECT is_empty($$SELECT type FROM leadroute.outbox_claim('slack') WHERE aggregateid = '21' AND recipient = 'ana'$$, 'a second attempt does');
SELECT leadroute.outbox_ack('slack', ARRAY(SELECT id FROM leadroute.outbox)) \g /dev/null

-- masked
UPDATE leadroute.flows SET mask_when = 'secret';
UPDATE leadroute.outbox_consumers SET claims = false;
INSERT INTO lr.leads VALUES (31, 'm@m.example', 'Mmm', 'mail', true), (32, 'n@m.example', 'Nnn', 'mail', false), (33, 'o@m.example', 'Ooo', 'mail', NULL);
SELECT results_eq($$SELECT payload ->> 'company', payload ->> 'masked' FROM leadroute.outbox WHERE aggregateid IN ('31', '32', '33') ORDER BY aggregateid$$, $$VALUES ('M***', 'true'), ('Nnn', NULL), ('Ooo', NULL)$$, 'the insert masks');
SELECT is(payload, leadroute.lead_message('default', aggregateid), 'as the state does, ' || aggregateid) FROM leadroute.outbox WHERE aggregateid IN ('31', '32', '33') ORDER BY aggregateid;
UPDATE lr.leads SET secret = true WHERE id = 4;
SELECT is(leadroute.is_masked('default', '4'), true, 'the row says so');
SELECT is(leadroute.is_masked('default', '3'), false, 'it does not');
SELECT is(leadroute.is_masked('default', 'none'), true, 'nobody knows');
UPDATE leadroute.flows SET mask_when = 'id / (id - 34) > 0';
SET client_min_messages = error;
INSERT INTO lr.leads VALUES (34, 'p@m.example', 'Ppp', 'mail', true);
SET client_min_messages = warning;
SELECT is((SELECT payload ->> 'company' FROM leadroute.outbox WHERE aggregateid = '34'), 'P***', 'what fails shows nothing');
SELECT is(leadroute.is_masked('default', '34'), true, 'here neither');
SELECT is(leadroute.is_masked('default', '33'), false, 'and where it does not hold');
SELECT is(leadroute.is_masked('default', 'no number'), true, 'of what can be no key nobody knows');
SAVEPOINT s;
UPDATE leadroute.flows SET on_error = 'fail';
SELECT is(leadroute.is_masked('default', '34'), true, 'no view fails with a row');
ROLLBACK TO s;
-- what it reads as facts a view and an INSERT know alike
SAVEPOINT s;
UPDATE leadroute.flows SET segment = 'CASE WHEN secret THEN ''inner'' ELSE ''outer'' END', mask_when = 'facts.is_duplicate OR facts.segment = ''inner''';
INSERT INTO lr.leads VALUES (35, 'q@m.example', 'Qqq', 'mail', true), (36, 'r@m.example', 'Rrr', 'mail', false), (37, 'r@m.example', 'Rr', 'mail', false);
SELECT results_eq($$SELECT aggregateid, payload ->> 'company' FROM leadroute.outbox WHERE aggregateid IN ('35', '36', '37') ORDER BY aggregateid$$, $$VALUES ('35', 'Q***'), ('36', 'Rrr'), ('37', 'R***')$$, 'an INSERT');
SELECT results_eq($$SELECT k, leadroute.is_masked('default', k) FROM unnest('{35,36,37}'::text[]) k$$, $$VALUES ('35', true), ('36', false), ('37', true)$$, 'a view');
ROLLBACK TO s;
UPDATE leadroute.outbox_consumers SET claims = true;
UPDATE leadroute.flows SET mask_when = 'secret';
SELECT throws_like($$UPDATE leadroute.flows SET mask_when = 'secrets'$$, 'column "secrets" does not exist', 'it is checked when it is written');
SELECT is((SELECT (leadroute.lead_message('default', '4') ->> 'masked') || coalesce(leadroute.lead_message('default', '3') ->> 'masked', ' -')), 'true -', 'the message says so');

-- what turns bad is told, once
SET leadroute.clock = '2026-03-12 15:00Z';
SELECT leadroute.outbox_ack('slack', ARRAY(SELECT id FROM leadroute.outbox)) \g /dev/null
CALL leadroute.sweep(parts => '{alerts}');
SELECT is_empty($$SELECT * FROM leadroute.outbox WHERE type = 'alert'$$, 'nothing is bad');
ALTER TABLE lr.leads DISABLE TRIGGER zzz_leadroute;
CALL leadroute.sweep(parts => '{alerts}');
CALL leadroute.sweep(parts => '{alerts}');
SELECT results_eq($$SELECT aggregatetype, aggregateid, payload ->> 'status', payload ->> 'reason' FROM leadroute.outbox WHERE type = 'alert'$$,
	$$VALUES ('health', 'triggers', 'bad', 'trigger "zzz_leadroute" of table lr.leads is disabled')$$, 'once');
ALTER TABLE lr.leads ENABLE ALWAYS TRIGGER zzz_leadroute;
CALL leadroute.sweep(parts => '{alerts}');
ALTER TABLE lr.leads DISABLE TRIGGER zzz_leadroute;
CALL leadroute.sweep(parts => '{alerts}');
SELECT is((SELECT count(*) FROM leadroute.outbox WHERE type = 'alert')::int, 2, 'and again when it turns bad again');

-- events
UPDATE leadroute.flows SET events_keep = '30 days';
INSERT INTO leadroute.sla_fired (flow, lead, policy, round, step, action, due_at, fired_at, late_by)
	SELECT 'default', d, 'p', 1, 's', 'remind', d::timestamptz, d::timestamptz, '0' FROM unnest('{2026-03-05 23:59Z,2026-03-06 00:00Z}'::text[]) d;
SET leadroute.clock = '2026-04-05 00:00Z';
SELECT pg_stat_get_xact_numscans('leadroute.events'::regclass) AS scans \gset
CALL leadroute.sweep(parts => '{events}');
SELECT is(pg_stat_get_xact_numscans('leadroute.events'::regclass), :scans::bigint, 'events are not read whole for those that go');
SELECT is((SELECT string_agg(lead, ' ') FROM leadroute.sla_fired), '2026-03-06 00:00Z', 'with them the log of steps done');
SELECT is((SELECT count(*) FROM leadroute.events WHERE at < '2026-03-06')::int, 0, 'old events go');
SELECT isnt((SELECT count(*) FROM leadroute.events)::int, 0, 'others stay');

SELECT * FROM finish();
ROLLBACK;
