-- each type of message: what it takes to write it, and nothing of who it is where that is masked
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = error;
SELECT no_plan();

CREATE SCHEMA lr;
CREATE TABLE lr.leads (id bigint PRIMARY KEY, email text, first_name text, last_name text, company text, source text, intent text, employees int, consent boolean, secret boolean,
	submitted_at timestamptz, owner varchar(7), team text, stage text);
INSERT INTO leadroute.flows (flow, link_template, mask_when, on_error, segment, replay_window) VALUES ('default', 'https://crm.example/{flow}/{lead}', 'secret', 'fallback', '''smb''', '0');
SELECT leadroute.attach('lr.leads') \g /dev/null
INSERT INTO leadroute.reps (rep, name, manager) VALUES ('ana', 'Ana Alt', 'mia'), ('bo', 'Bo Berg', 'mia'), ('mia', 'Mia Meer', NULL);
INSERT INTO leadroute.teams (team, channel) VALUES ('west', '#west'), ('full', '#full');
INSERT INTO leadroute.team_members (team, rep, capacity) VALUES ('west', 'ana', NULL), ('west', 'bo', NULL), ('full', 'bo', 0);
INSERT INTO leadroute.accounts (account, name, owner, tier) SELECT 'big ' || n, 'Big', 'ana', 2 FROM generate_series(1, 3) n;
INSERT INTO leadroute.account_domains (domain, account) SELECT format('big%s.example', n), 'big ' || n FROM generate_series(1, 3) n;
INSERT INTO leadroute.rules (position, rule, condition, target, target_name, if_unavailable) VALUES
	(1, 'broken', '1 / (employees - 666) > 1', 'rep', 'bo', 'fallthrough'), 
	(3, 'full', 'source = ''full''', 'team', 'full', 'wait'), (9, 'all', NULL, 'team', 'west', 'wait');
INSERT INTO leadroute.scoring_models (model, fit_weight, engagement_weight, threshold, fit_max, engagement_max, borderline) VALUES ('m', 100, 0, 60, 100, 100, 10);
INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, condition, points) VALUES ('m', 'one', 'fit', 'employees > 0', 20), ('m', 'size', 'fit', 'employees BETWEEN 1000 AND 2000', 60), ('m', 'nearly', 'fit', 'employees BETWEEN 100 AND 200', 35);
INSERT INTO leadroute.signal_types (signal_type) VALUES ('meeting_booked');
UPDATE leadroute.flows SET scoring_model = 'm', buying_committee_size = 2, buying_committee_window = '30 days';
SELECT leadroute.load_stages() \g /dev/null
INSERT INTO leadroute.sla_policies (policy, position, metric, target) VALUES ('first', 10, 'first_touch', '20 min'), ('held', 10, 'meeting_held', '30 min');
INSERT INTO leadroute.sla_steps (policy, at, action, recipient) VALUES ('first', '50%', 'remind', 'owner'), ('first', '15 min', 'notify', 'manager');
-- one that reads the table has all payloads written
INSERT INTO leadroute.outbox_consumers (consumer, claims, types)
	VALUES ('stream', false, '{assigned,reassigned,queued,reminder,escalated,breached,resolved,routing_error,fallback,mql,review,rejected,recycled,returned,duplicate,account_contact,buying_committee,no_show,alert}');
SELECT leadroute.activate() \g /dev/null
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;

-- three of each, by the last digit of the key: 1 may be shown, of 2 the row says that it is secret, of 3 there is no consent
CREATE TABLE lr.kinds (kind int PRIMARY KEY, secret boolean, consent boolean);
INSERT INTO lr.kinds VALUES (1, false, true), (2, true, true), (3, false, false);
CREATE PROCEDURE lr.arrive(number int, source text DEFAULT 'web', employees int DEFAULT 5, domain text DEFAULT 'x.example', person int DEFAULT NULL) LANGUAGE sql AS $$
	INSERT INTO lr.leads (id, email, first_name, last_name, company, source, intent, employees, consent, secret)
	SELECT number * 10 + k.kind, format('p%s%s@%s', coalesce(person, number), k.kind, CASE domain WHEN 'big' THEN format('big%s.example', k.kind) ELSE domain END), 'Kim', 'Lee', 'Acme', source, 'high', employees, k.consent, k.secret FROM lr.kinds k ORDER BY k.kind $$;
-- one that the table cannot take: nobody checks it before commit
INSERT INTO leadroute.reps (rep) VALUES ('far too long');
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES (2, 'err', 'source = ''err''', 'rep', 'far too long');
SET leadroute.clock = '2026-03-02 10:00Z';
CALL lr.arrive(10);
CALL lr.arrive(11, 'full');
CALL lr.arrive(12, 'err');
CALL lr.arrive(13, 'web', 666);
CALL lr.arrive(14, 'web', 1500);
CALL lr.arrive(15, 'web', 150);
CALL lr.arrive(16, person => 10);
CALL lr.arrive(17, domain => 'big');
CALL lr.arrive(18, domain => 'big');
SELECT leadroute.reassign((100 + kind)::bigint, CASE owner WHEN 'ana' THEN 'bo' ELSE 'ana' END) FROM lr.kinds JOIN lr.leads ON id = 100 + kind \g /dev/null
SET leadroute.clock = '2026-03-02 10:12Z';
CALL leadroute.sweep(parts => '{steps}');
SET leadroute.clock = '2026-03-02 10:15Z';
CALL leadroute.sweep(parts => '{steps}');
SET leadroute.clock = '2026-03-02 10:21Z';
CALL leadroute.sweep(parts => '{steps}');
SELECT leadroute.touch((100 + kind)::bigint, 'call') FROM lr.kinds \g /dev/null
SELECT leadroute.reject((130 + kind)::bigint, 'ENG-01') FROM lr.kinds \g /dev/null
INSERT INTO leadroute.signals (lead, type, at, detail) SELECT (140 + kind)::text, 'meeting_booked', '2026-03-02 10:21Z', '{"meeting_at": "2026-03-03 10:00Z"}' FROM lr.kinds;
SET leadroute.clock = '2026-03-03 10:31Z';
CALL leadroute.sweep(parts => '{steps}');
SET leadroute.clock = '2026-07-01 10:00Z';
CALL leadroute.sweep(parts => '{returns}');
ALTER TABLE lr.leads DISABLE TRIGGER zzz_leadroute;
CALL leadroute.sweep(parts => '{alerts}');
ALTER TABLE lr.leads ENABLE ALWAYS TRIGGER zzz_leadroute;

CREATE VIEW lr.told AS SELECT o.*, o.payload ->> 'lead' AS lead, right(o.payload ->> 'lead', 1) AS kind FROM leadroute.outbox o;
SELECT is((SELECT string_agg(DISTINCT t.type, ' ') FROM (SELECT type FROM lr.told WHERE type <> 'alert' GROUP BY type HAVING array_agg(DISTINCT kind ORDER BY kind) <> '{1,2,3}') t), NULL, 'each type was told of each kind of lead');
SELECT is((SELECT array_agg(DISTINCT type ORDER BY type) FROM lr.told), (SELECT array_agg(t ORDER BY t) FROM leadroute.outbox_consumers, unnest(types) t), 'and there is no type that was not');

-- what it takes: the lead, how much it wants, who has it and leads him, his team's channel, until when, why, and the link
CREATE TABLE lr.wants (type text PRIMARY KEY, keys text[]);
INSERT INTO lr.wants
SELECT t, '{flow,lead,name,company,source,intent,segment,code,reason,link,submitted_at}'::text[] || CASE WHEN t <> 'routing_error' THEN '{score,routed_at}' ELSE '{}' END::text[]
	|| CASE WHEN t = ANY ('{queued,rejected,recycled,routing_error}') THEN '{}' ELSE '{owner,owner_name,manager}' END::text[]
	|| CASE WHEN t = ANY ('{rejected,recycled,routing_error,returned}') THEN '{}' ELSE '{team,channel}' END::text[]
	|| CASE WHEN t = ANY ('{rejected,recycled,routing_error,duplicate}') THEN '{}' ELSE '{deadline,seconds_left}' END::text[]
	|| CASE t WHEN 'queued' THEN '{queue}' WHEN 'reassigned' THEN '{previous_owner,actor}' WHEN 'rejected' THEN '{previous_owner,manager,actor}' WHEN 'recycled' THEN '{previous_owner,manager,actor}'
		WHEN 'duplicate' THEN '{duplicate_of}' WHEN 'account_contact' THEN '{account,account_owner,tier}' WHEN 'buying_committee' THEN '{account,account_owner,people,tier}'
		WHEN 'reminder' THEN '{policy,metric,round,step,steps,action,recipient_role,recipient}' WHEN 'escalated' THEN '{policy,metric,round,step,steps,action,recipient_role,recipient}'
		WHEN 'resolved' THEN '{policy,metric,round,due_at,outcome,by}' WHEN 'no_show' THEN '{policy,metric,round,meeting_at,times,recipient_role,recipient}' ELSE '{}' END::text[]
FROM leadroute.outbox_consumers, unnest(types) t WHERE t <> 'alert';
SELECT is((SELECT string_agg(DISTINCT k, ' ') FROM lr.told t, unnest(w.keys) k WHERE t.type = w.type AND NOT t.payload ? k
	/* one that waits has nobody */
	AND NOT (t.payload ? 'queue' AND k = ANY ('{owner,owner_name,manager}'))), NULL, 'what a message of type ' || w.type || ' needs') FROM lr.wants w ORDER BY w.type;
SELECT is((SELECT count(*) FROM lr.told WHERE payload ->> 'link' <> 'https://crm.example/default/' || lead)::int, 0, 'the link is the lead''s');
SELECT is((SELECT string_agg(DISTINCT type, ' ') FROM lr.told WHERE payload ? 'deadline' AND type <> 'no_show' AND (payload ->> 'seconds_left')::bigint <> extract(epoch FROM (payload ->> 'deadline')::timestamptz - created_at)), NULL, 'seconds left');
SELECT is((SELECT string_agg(DISTINCT format('%s %s', type, recipient), ', ') FROM lr.told WHERE recipient IS NULL AND type NOT IN ('alert', 'routing_error')), NULL, 'somebody is told');
SELECT is((SELECT string_agg(DISTINCT format('%s %s', type, recipient), ', ' ORDER BY format('%s %s', type, recipient)) FROM lr.told WHERE type IN ('queued', 'escalated', 'rejected', 'recycled', 'buying_committee')),
	'buying_committee ana, escalated #full, escalated mia, queued #full, recycled mia, rejected mia', 'whom it concerns');
SELECT is((SELECT payload - 'run' FROM lr.told WHERE type = 'alert' AND payload ->> 'check' = 'triggers'), '{"flow": "default", "check": "triggers", "status": "bad", "reason": "trigger \"zzz_leadroute\" of table lr.leads is disabled"}', 'an alert is about leadroute');

-- who it is
SELECT is((SELECT string_agg(DISTINCT type, ' ') FROM lr.told WHERE kind = '1' AND (payload ? 'masked' OR (payload ->> 'name', payload ->> 'company') <> ('Kim Lee', 'Acme'))), NULL, 'who may be shown is');
SELECT is((SELECT string_agg(DISTINCT type, ' ') FROM lr.told WHERE kind IN ('2', '3') AND (payload ->> 'masked', payload ->> 'name', payload ->> 'company') IS DISTINCT FROM ('true', 'K. L.', 'A***')), NULL, 'secret ones, and those without consent, are masked');
SELECT is((SELECT string_agg(DISTINCT type, ' ') FROM lr.told WHERE kind IN ('2', '3') AND payload::text ~ 'Kim|Lee|Acme'), NULL, 'in every field');
SELECT is((SELECT string_agg(DISTINCT type, ' ') FROM lr.told WHERE payload::text ~ '@(x|big)'), NULL, 'and no message has an address');

-- born late by several policies: one row that names them all, and one message; who waits is late by the delay, or by waiting
INSERT INTO leadroute.sla_policies (policy, position, metric, target) VALUES ('decide', 10, 'decision', '10 min');
SET leadroute.clock = '2026-08-03 12:00Z';
INSERT INTO lr.leads (id, email, source, submitted_at) VALUES (801, 'p801@x.example', 'web', '2026-08-03 09:00Z'), (802, 'p802@x.example', 'full', '2026-08-03 09:00Z'), (803, 'p803@x.example', 'full', '2026-08-03 12:00Z');
SELECT results_eq($$SELECT kind, code, p ->> 'policy', p ->> 'metric', (p ->> 'due_at')::timestamptz FROM leadroute.events, jsonb_array_elements(path) p WHERE lead = '801' AND kind IN ('breached', 'skipped') ORDER BY 3$$,
	$$VALUES ('breached', 'sync_delay', 'decide', 'decision', '2026-08-03 09:10Z'::timestamptz), ('breached', 'sync_delay', 'first', 'first_touch', '2026-08-03 09:20Z')$$, 'both policies in one row');
SELECT is((SELECT string_agg(type, ' ' ORDER BY id) FROM lr.told WHERE lead = '801'), 'assigned breached', 'and one message');
SET leadroute.clock = '2026-08-03 12:21Z';
CALL leadroute.sweep(parts => '{steps}');
SELECT results_eq($$SELECT lead COLLATE "default", policy COLLATE "default", breach_reason FROM leadroute.clocks WHERE lead IN ('801', '802', '803') ORDER BY 1, 2$$,
	$$VALUES ('801', 'decide', 'sync_delay'), ('801', 'first', 'sync_delay'), ('802', 'decide', 'sync_delay'), ('802', 'first', 'sync_delay'), ('803', 'decide', 'routing'), ('803', 'first', 'routing')$$, 'why');
SELECT is((SELECT count(*) FROM leadroute.events WHERE lead = '803' AND kind = 'breached')::int, 2, 'a sweep tells of each policy');

-- a message says until when as its event leaves the clocks: of the new round, and of one that starts with the owner
UPDATE leadroute.sla_policies SET on_change = 'restart' WHERE policy = 'first';
UPDATE leadroute.sla_policies SET clock_start = 'assigned', target = '5 min' WHERE policy = 'decide';
SET leadroute.clock = '2026-08-04 12:00Z';
INSERT INTO lr.leads (id, email, source) VALUES (804, 'p804@x.example', 'web');
INSERT INTO lr.leads (id, email, source) VALUES (805, 'p805@x.example', 'full');
SET leadroute.clock = '2026-08-04 12:04Z';
SELECT leadroute.touch(804, 'call') \g /dev/null
SELECT leadroute.reassign(805, 'ana') \g /dev/null
SELECT is((SELECT payload ->> 'deadline' FROM lr.told WHERE lead = '805' AND type = 'assigned'), '2026-08-04T12:09:00+00:00', 'of the one that starts with the owner');
DELETE FROM leadroute.sla_policies WHERE policy = 'decide';
INSERT INTO lr.leads (id, email, source) VALUES (807, 'p807@x.example', 'web');
SET leadroute.clock = '2026-08-04 12:10Z';
SELECT leadroute.reassign(807, CASE owner WHEN 'ana' THEN 'bo' ELSE 'ana' END) FROM lr.leads WHERE id = 807 \g /dev/null
SET leadroute.clock = '2026-08-04 12:15Z';
UPDATE lr.leads SET owner = 'mia' WHERE id = 807;
SELECT is((SELECT string_agg(payload ->> 'deadline', ', ' ORDER BY id) FROM lr.told WHERE lead = '807' AND type IN ('assigned', 'reassigned')),
	'2026-08-04T12:24:00+00:00, 2026-08-04T12:30:00+00:00, 2026-08-04T12:35:00+00:00', 'and of each new round');
DELETE FROM leadroute.rules WHERE rule = 'err';
DELETE FROM leadroute.reps WHERE rep = 'far too long';
-- who waits, and has an owner because the person has asked again
INSERT INTO lr.leads (id, email, source) VALUES (806, 'p803@x.example', 'web');
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
SELECT results_eq($$SELECT lead, type, recipient = payload ->> 'owner' FROM lr.told WHERE created_at = '2026-08-04 12:15Z' AND lead IN ('803', '806') ORDER BY id$$,
	$$VALUES ('806', 'duplicate', true), ('803', 'assigned', true)$$, 'he who gets it hears of it');

-- where the flow demands consent nobody hears of who gave none
UPDATE leadroute.flows SET require_consent = true;
DELETE FROM leadroute.outbox;
SET leadroute.clock = '2026-09-01 10:00Z';
INSERT INTO lr.leads (id, email, source, consent) VALUES (901, 'p901@x.example', 'web', true), (902, 'p902@x.example', 'web', false), (903, 'p903@x.example', 'web', NULL);
SELECT results_eq('SELECT lead, type FROM lr.told ORDER BY lead', $$VALUES ('901', 'assigned')$$, 'only of who did');

SELECT * FROM finish();
ROLLBACK;
