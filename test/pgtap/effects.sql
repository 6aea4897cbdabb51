-- what signals and criteria do beside their points: out of scoring, out of outreach, up for review; and what sources say for yes and no
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
SET client_min_messages = warning;
SELECT no_plan();
SET leadroute.clock = '2026-03-02 12:00+00';

CREATE SCHEMA lr;
CREATE TABLE lr.leads (id bigint PRIMARY KEY, email text, employees int, consent text, owner text, score numeric, fit numeric, engagement numeric, grade text);
INSERT INTO leadroute.reps (rep) VALUES ('ana'), ('bo');
INSERT INTO leadroute.teams (team) VALUES ('t');
INSERT INTO leadroute.team_members (team, rep) VALUES ('t', 'ana'), ('t', 'bo');
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (99, 'all', 'team', 't');
INSERT INTO leadroute.outbox_consumers (consumer, types) VALUES ('slack', '{assigned,reassigned,mql,review,duplicate}');
SELECT leadroute.attach('lr.leads') \g /dev/null
INSERT INTO leadroute.signal_types (signal_type, high_intent) VALUES ('demo', true), ('visit', false), ('hard_bounce', false), ('spam_complaint', false), ('unsubscribe', false);
INSERT INTO leadroute.signal_types (signal_type, counts_for, effect) VALUES ('soft_bounce', '10 days', 'no_scoring');
INSERT INTO leadroute.scoring_models (model, fit_weight, engagement_weight, threshold, fit_max, engagement_max, borderline) VALUES ('m', 50, 50, 60, 100, 100, 10);
INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, condition, points, review) VALUES ('m', 'size', 'fit', 'employees >= 100', 80, false), ('m', 'competitor', 'fit', 'email LIKE ''%@rival.example''', -50, true);
INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, signal_type, points) VALUES ('m', 'visit', 'engagement', 'visit', 50), ('m', 'hard bounce', 'engagement', 'hard_bounce', -20);
INSERT INTO leadroute.grades (model, dimension, mark, at_least) VALUES ('m', 'fit', 'A', 50), ('m', 'fit', 'C', 0), ('m', 'engagement', '1', 50), ('m', 'engagement', '3', 0);
UPDATE leadroute.flows SET scoring_model = 'm';
SELECT leadroute.activate() \g /dev/null
CREATE FUNCTION lr.scored(key bigint) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', l.score, l.fit, l.engagement, l.grade, CASE WHEN s.qualified_at IS NOT NULL THEN 'mql' END, CASE WHEN s.review_at IS NOT NULL THEN 'review' END)
	FROM lr.leads l JOIN leadroute.lead_states s ON s.lead = l.id::text WHERE l.id = key
$$;
CREATE FUNCTION lr.told(key bigint) RETURNS text LANGUAGE sql AS $$ SELECT string_agg(type, ' ' ORDER BY id) FROM leadroute.outbox WHERE aggregateid = key::text $$;

-- the usual names have their effects, unless a row says otherwise
SELECT is((SELECT string_agg(signal_type || ' ' || effect, ', ' ORDER BY signal_type) FROM leadroute.signal_types),
	'demo none, hard_bounce no_scoring, soft_bounce no_scoring, spam_complaint no_outreach, unsubscribe no_consent, visit none', 'effects by name');
INSERT INTO leadroute.signal_types (flow, signal_type, effect) VALUES ('other', 'hard_bounce', 'none');
SELECT is((SELECT effect FROM leadroute.signal_types WHERE flow = 'other'), 'none', 'or as the row has it');
SELECT throws_ok($$INSERT INTO leadroute.signal_types (signal_type, effect) VALUES ('x', 'explodes')$$, '23514', NULL, 'no other');
SELECT is((SELECT string_agg(DISTINCT relation || ' ' || (new ->> 'effect'), ', ') FROM leadroute.config_changes WHERE relation = 'signal_types' AND new ->> 'signal_type' = 'soft_bounce'), 'signal_types no_scoring', 'kept in the history');

-- out of scoring
INSERT INTO lr.leads (id, email, employees) VALUES (1, 'a@x.example', 100), (2, 'b@y.example', 500);
INSERT INTO leadroute.signals (lead, type, at) VALUES ('1', 'visit', '2026-03-01 00:00+00');
SELECT is(lr.scored(1), '65.00 80.00 50.00 A1 mql', 'before');
INSERT INTO leadroute.signals (lead, type, at) VALUES ('1', 'hard_bounce', '2026-03-02 00:00+00');
SELECT is(lr.scored(1), '0.00 0.00 0.00 C3 mql', 'a hard bounce takes it out of scoring');
SELECT results_eq($$SELECT dimension, item, name, points, contribution FROM leadroute.score_explain(1) WHERE item <> 'weight' ORDER BY line$$,
	$$VALUES ('fit', 'criterion', 'size', 80.00, 40.0000), ('fit', 'exclusion', 'hard_bounce', -80.00, -40.0000), ('engagement', 'criterion', 'hard bounce', -20.00, -10.0000),
		('engagement', 'criterion', 'visit', 50.00, 25.0000), ('engagement', 'exclusion', 'hard_bounce', -30.00, -15.0000)$$, 'the explanation says which, and what it takes');
SELECT is((SELECT sum(contribution) FROM leadroute.score_explain(1)), leadroute.score(1), 'and still adds up');
SELECT is(leadroute.score(1, '2026-03-01 12:00+00'), 65.00, 'before it came it had not come');
INSERT INTO leadroute.signals (lead, type, at) VALUES ('2', 'hard_bounce', '2026-03-02 00:00+00'), ('2', 'visit', '2026-03-02 01:00+00');
SELECT is(lr.scored(2), '0.00 0.00 0.00 C3', 'no points make it an MQL, nor nearly one');
UPDATE lr.leads SET employees = 5000 WHERE id = 2;
SELECT is(lr.scored(2), '0.00 0.00 0.00 C3', 'nor does its row');
INSERT INTO leadroute.signals (lead, type, at) VALUES ('2', 'demo', '2026-03-02 02:00+00');
SELECT is(lr.scored(2), '0.00 0.00 0.00 C3 mql', 'who asks for a demo is one all the same');
INSERT INTO leadroute.signals (lead, type, at) VALUES ('3', 'hard_bounce', '2026-03-02 00:00+00'), ('3', 'visit', '2026-03-02 01:00+00');
INSERT INTO lr.leads (id, email, employees) VALUES (3, 'c@z.example', 100);
SELECT is(lr.scored(3), '0.00 0.00 0.00 C3', 'inside the INSERT too');
-- for as long as the type counts; the reset of its engagement does not bring a dead address back
INSERT INTO lr.leads (id, email, employees) VALUES (4, 'd@w.example', 100);
INSERT INTO leadroute.signals (lead, type, at) VALUES ('4', 'soft_bounce', '2026-03-02 00:00+00');
SELECT is((SELECT score || ' ' || rescore_at::text FROM leadroute.lead_states WHERE lead = '4'), '0.00 ' || '2026-03-12 00:00+00'::timestamptz::text, 'for a time');
SELECT is(leadroute.score(4, '2026-03-12 00:00+00'), 40.00, 'and no longer');
UPDATE leadroute.lead_states SET engagement_since = '2026-03-02 06:00+00' WHERE lead IN ('1', '4');
SELECT leadroute.rescore('default', l) FROM unnest('{1,4}'::text[]) l \g /dev/null
SELECT is(lr.scored(1) || ', ' || lr.scored(4), '0.00 0.00 0.00 C3 mql, 0.00 0.00 0.00 C3', 'a reset leaves them out');
SELECT is((SELECT count(*) FROM leadroute.score_explain(1) WHERE name = 'hard bounce'), 0::bigint, 'but its points are reset as any others');
-- of a duplicate: the first one's
INSERT INTO lr.leads (id, email, employees) VALUES (5, 'e@v.example', 100), (6, 'E@v.example', 100);
SELECT is(lr.scored(5), '40.00 80.00 0.00 A3', 'a first lead');
INSERT INTO leadroute.signals (lead, type, at) VALUES ('6', 'hard_bounce', '2026-03-02 00:00+00');
SELECT is(lr.scored(5), '0.00 0.00 0.00 C3', 'a duplicate''s bounce is its own');

-- out of all outreach, in a flow that demands no consent
INSERT INTO lr.leads (id, email, employees) VALUES (10, 'f@u.example', 1);
SELECT is(lr.told(10), 'assigned', 'told of');
SELECT lives_ok($$INSERT INTO leadroute.signals (lead, type, at) VALUES ('10', 'spam_complaint', '2026-03-02 00:00+00')$$, 'who complains of spam');
SELECT is((SELECT consent FROM leadroute.lead_states WHERE lead = '10'), false, 'has taken back his consent');
SELECT throws_ok($$SELECT leadroute.reassign(10, CASE (SELECT owner FROM lr.leads WHERE id = 10) WHEN 'ana' THEN 'bo' ELSE 'ana' END)$$, '55000', 'lead "10" cannot be given to anybody without its consent', 'goes to nobody else');
SELECT throws_ok($$SELECT leadroute.reroute(10)$$, '55000', 'lead "10" cannot be routed: no_consent', 'nor by the rules');
INSERT INTO leadroute.signals (lead, type, at) VALUES ('10', 'demo', '2026-03-02 03:00+00');
SELECT is(lr.told(10), 'assigned', 'and nobody is told of him any more');
SELECT is((SELECT string_agg(kind, ' ') FROM leadroute.events WHERE lead = '10' AND kind = 'mql'), 'mql', 'though it is written');
INSERT INTO leadroute.signals (lead, type, at) VALUES ('11', 'spam_complaint', '2026-03-02 00:00+00'), ('12', 'unsubscribe', '2026-03-02 00:00+00');
INSERT INTO lr.leads (id, email, employees, consent) VALUES (11, 'g@t.example', 1, 'yes'), (12, 'h@s.example', 1, 'yes');
SELECT is((SELECT string_agg(concat_ws(' ', lead, status, code, consent), ', ' ORDER BY lead) FROM leadroute.lead_states WHERE lead IN ('11', '12')), '11 unrouted no_consent f, 12 assigned assigned f', 'one who complained before is given to nobody, one who unsubscribed only where the flow demands consent');
SELECT is(concat(lr.told(11), '/', lr.told(12)), '/assigned', 'nor told of');
SELECT results_eq($$SELECT name, verdict, detail FROM leadroute.explain(11) WHERE name IN ('outreach', 'require_consent')$$, $$VALUES ('outreach', 'does not hold', 'a signal has taken the lead out of it')$$, 'explain() says so');
SELECT is_empty($$SELECT * FROM leadroute.explain(12) WHERE name IN ('outreach', 'require_consent')$$, 'and nothing of others');
INSERT INTO leadroute.signals (lead, type, at) VALUES ('6', 'spam_complaint', '2026-03-02 00:00+00'), ('5', 'demo', '2026-03-02 03:00+00');
SELECT is(lr.told(5) || ' ' || (SELECT string_agg(kind, ' ') FROM leadroute.events WHERE lead = '5' AND kind = 'mql'), 'assigned mql', 'a duplicate''s complaint is its first one''s');
UPDATE leadroute.signal_types SET effect = 'none' WHERE signal_type = 'spam_complaint';
UPDATE lr.leads SET email = 'g2@t.example' WHERE id = 11;
SELECT is((SELECT code FROM leadroute.lead_states WHERE lead = '11'), 'assigned', 'an effect that is taken away');

-- up for review
INSERT INTO lr.leads (id, email, employees) VALUES (20, 'spy@rival.example', 100);
SELECT is(lr.scored(20), '15.00 30.00 0.00 C3 review', 'a competitor stands in the review queue');
SELECT matches((SELECT reason FROM leadroute.events WHERE lead = '20' AND kind = 'review'), '^criterion "competitor" asks for a review: ', 'and the event says why');
INSERT INTO leadroute.signals (lead, type, at) VALUES ('20', 'demo', '2026-03-02 00:00+00');
SELECT is(lr.scored(20), '15.00 30.00 0.00 C3 review', 'a demo request does not qualify him');
SELECT is((SELECT string_agg(lead, ',') FROM leadroute.review_queue), '20', 'for somebody to look');
SELECT is(leadroute.approve(20), true, 'who says so');
SELECT is(lr.scored(20), '15.00 30.00 0.00 C3 mql', 'makes him an MQL');
INSERT INTO lr.leads (id, email, employees) VALUES (21, 'k@r.example', 100);
UPDATE lr.leads SET email = 'k@rival.example' WHERE id = 21;
SELECT is(lr.scored(21), '15.00 30.00 0.00 C3 review', 'also when the row says so later');
SELECT is(leadroute.disqualify(21), true, 'or not at all');
SELECT is((SELECT count(*) FROM leadroute.review_queue), 0::bigint, 'then it is gone from there');

-- in words of one's own
INSERT INTO lr.leads (id, email, consent) VALUES (30, 'l@q.example', 'Ja'), (31, 'm@p.example', 'DÉSABONNÉ');
SELECT is((SELECT string_agg(concat(consent, '?'), ' ' ORDER BY lead) FROM leadroute.lead_states WHERE lead IN ('30', '31')), '? ?', 'nobody knows what they say');
INSERT INTO leadroute.consent_words (word, consent) VALUES ('ja', true), ('désabonné', false), ('nein', false), ('on', false);
INSERT INTO lr.leads (id, email, consent) VALUES (32, 'n@o.example', 'JA'), (33, 'o@n.example', 'Désabonné '), (34, 'p@m.example', 'on'), (35, 'q@l.example', ' yes ');
SELECT is((SELECT string_agg(concat_ws(' ', lead, consent), ', ' ORDER BY lead) FROM leadroute.lead_states WHERE lead IN ('32', '33', '34', '35')), '32 t, 33 f, 34 f, 35 t', 'until the flow has rows for them, which go first');
UPDATE lr.leads SET consent = 'nein' WHERE id = 32;
SELECT is((SELECT consent FROM leadroute.lead_states WHERE lead = '32'), false, 'in an UPDATE too');

-- clocks whose policy asks
INSERT INTO leadroute.sla_policies (policy, position, condition, metric, target, on_change) VALUES
	('call', 10, 'facts.consent IS NOT FALSE', 'first_touch', '10 min', 'restart'), ('demo', 20, 'facts.signals ? ''unsubscribe''', 'first_touch', '1 hour', 'keep');
INSERT INTO lr.leads (id, email, consent) VALUES (40, 'r@k.example', 'yes'), (41, 's@j.example', 'yes'), (42, 't@i.example', 'yes');
UPDATE lr.leads SET consent = 'no' WHERE id = 41;
INSERT INTO leadroute.signals (lead, type) VALUES ('42', 'unsubscribe');
SELECT is((SELECT string_agg(concat_ws(' ', lead, policy, state), ', ' ORDER BY lead, round) FROM leadroute.clock_states WHERE lead IN ('40', '41', '42')),
	'40 call open, 41 call cancelled, 42 call superseded, 42 demo open', 'follow a consent that is taken back, by the row or by a signal, which need not change a score');

SELECT * FROM finish();
ROLLBACK;
