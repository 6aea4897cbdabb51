-- A flow with all that moves clocks: pauses, restarts, hand-overs, queues, duplicates, leads that are nurtured, recycled and archived; a zone that changes its clocks
SET client_min_messages = warning;
CREATE EXTENSION leadroute CASCADE;
CREATE SCHEMA lr;
CREATE TABLE lr.leads (id bigint PRIMARY KEY, email text, phone text, first_name text, last_name text, company text, country text, region text, employees int,
	source text, value numeric, status text, stage text, owner text, website text, submitted_at timestamptz);
INSERT INTO leadroute.flows (flow, timezone, segment, won_when, closed_when, recycle_limit, archive_after, replay_window)
VALUES ('default', 'America/New_York', $$CASE WHEN employees > 500 THEN 'enterprise' WHEN employees > 50 THEN 'mid' WHEN employees IS NOT NULL THEN 'smb' END$$,
	$$status = 'won'$$, $$status = 'lost'$$, 2, '25 days', '0');
SELECT leadroute.attach('lr.leads') \g /dev/null
INSERT INTO leadroute.calendars (calendar, timezone, holidays) VALUES ('ny', 'America/New_York', '{usa}'), ('la', 'America/Los_Angeles', '{}'), ('night', 'America/New_York', '{}');
INSERT INTO leadroute.calendar_hours (calendar, weekday, opens, closes) SELECT 'ny', d, '09:00'::time, '17:00'::time FROM generate_series(1, 5) d
	UNION ALL SELECT 'la', d, '08:30', '12:15' FROM generate_series(1, 6) d UNION ALL SELECT 'la', d, '13:00', '18:00' FROM generate_series(1, 5) d
	UNION ALL SELECT 'night', d, '22:00', '06:00' FROM generate_series(4, 7) d;
INSERT INTO leadroute.holidays (list, day) VALUES ('usa', '2026-02-16'), ('usa', '2026-03-20');
INSERT INTO leadroute.reps (rep, name, calendar, manager) VALUES ('mia', 'Mia Ng', NULL, NULL), ('max', 'Max O', 'ny', 'mia'),
	('a1', 'A One', 'ny', 'max'), ('a2', 'A Two', 'la', 'max'), ('a3', 'A Three', NULL, 'max'), ('b1', 'B One', 'ny', 'mia'), ('b2', 'B Two', 'la', 'mia'), ('b3', NULL, 'night', 'mia'), ('c1', 'C One', 'ny', NULL);
INSERT INTO leadroute.teams (team) VALUES ('alpha'), ('beta'), ('rest');
INSERT INTO leadroute.team_members (team, rep, capacity) VALUES ('alpha', 'a1', NULL), ('alpha', 'a2', NULL), ('alpha', 'a3', NULL), ('beta', 'b1', 60), ('beta', 'b2', 60), ('beta', 'b3', 60), ('rest', 'c1', NULL), ('rest', 'a1', NULL);
INSERT INTO leadroute.stages (stage, position, kind, beside, touched_stage, role) VALUES ('new', 1, 'open', false, 'contacted', NULL), ('contacted', 2, 'open', false, NULL, NULL), ('meeting', 3, 'open', false, NULL, NULL),
	('sal', 4, 'open', false, NULL, 'accepted'), ('customer', 5, 'won', false, NULL, NULL), ('on_hold', 7, 'open', true, NULL, NULL), ('nurture', 8, 'open', true, NULL, 'nurture'), ('recycled', 9, 'open', true, NULL, 'recycled'), ('archived', 10, 'closed', true, NULL, 'archived');
INSERT INTO leadroute.rejection_reasons (code, reason, action, return_after, min_touches) VALUES ('NUR', 'not yet', 'nurture', NULL, 2), ('REC', 'bad timing', 'recycle', '6 days', 1), ('ARC', 'no fit', 'archive', NULL, NULL);
INSERT INTO leadroute.accounts (account, name, tier, owner) VALUES ('big', 'Big Inc', 1, 'a1'), ('mid', 'Mid Inc', 2, NULL), ('small', 'Small Inc', 3, 'b1');
INSERT INTO leadroute.account_domains (account, domain) VALUES ('big', 'big.example'), ('mid', 'mid.example'), ('small', 'small.example');
INSERT INTO leadroute.queues (queue) VALUES ('desk');
INSERT INTO leadroute.rules (position, rule, condition, target, target_name, if_unavailable) VALUES
	(5, 'spam', $$email LIKE 'spam%'$$, 'discard', NULL, 'fallthrough'),
	(10, 'named', 'facts.account_tier = 1', 'account_owner', NULL, 'fallthrough'),
	(15, 'cold', $$source = 'list' AND employees < 20$$, 'nurture', NULL, 'fallthrough'),
	(17, 'desk', $$source = 'fair'$$, 'queue', 'desk', 'fallthrough'),
	(20, 'alpha', $$country = 'US' AND employees > 50$$, 'team', 'alpha', 'wait'),
	(30, 'beta', $$country IS NOT NULL$$, 'team', 'beta', 'wait'),
	(99, 'rest', NULL, 'team', 'rest', 'wait');
INSERT INTO leadroute.sla_policies (policy, position, condition, metric, target, calendar, clock_start, pause_stages, on_change, max_rounds, stage) VALUES
	('fast', 10, $$source IN ('demo', 'web')$$, 'first_touch', '30 min', NULL, 'submitted', '{on_hold}', 'restart', 5, NULL),
	('slow', 20, $$source <> 'ads'$$, 'first_touch', '4 hours', 'owner', 'submitted', '{on_hold}', 'keep', 5, NULL),
	('eod', 30, NULL, 'first_touch', 'end of day + 1', 'ny', 'assigned', '{on_hold}', 'retroactive', 5, NULL),
	('decide', 40, NULL, 'decision', '2 days', 'team', 'submitted', '{on_hold,meeting}', 'keep', 5, NULL),
	('again', 50, $$source = 'demo'$$, 'next_touch', '6 hours', NULL, 'submitted', '{}', 'keep', 3, NULL),
	('wait', 60, NULL, 'queue_age', '3 hours', NULL, 'submitted', '{}', 'keep', 5, NULL),
	('hold', 70, NULL, 'stage_age', '1 day', 'ny', 'stage_entered', '{}', 'keep', 5, 'on_hold');
INSERT INTO leadroute.sla_steps (policy, at, action, argument) VALUES ('eod', 'due', 'requeue', 'desk');
INSERT INTO leadroute.sla_steps (policy, at, action, recipient) VALUES ('fast', '50%', 'remind', 'owner'), ('fast', 'due', 'notify', 'manager'), ('fast', '3 hours', 'reassign', NULL),
	('slow', '50%', 'remind', 'owner'), ('slow', 'due + 1 hour', 'notify', 'director'), ('decide', 'due', 'notify', 'channel');
DO $$ BEGIN PERFORM leadroute.activate(); END $$;
CREATE FUNCTION lr.r(key text, n int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT (hashtextextended(key, 42) & 1073741823)::int % n $$;
CREATE TABLE lr.refused (sqlstate text);
-- one step of the history: leads that ask, then what people do with those that stand there
CREATE FUNCTION lr.act(step int, want int, per int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	now_is	timestamptz := leadroute.clock();
	base	bigint := step * per;
	l		record;
	what	int;
	k		text;
BEGIN
	INSERT INTO lr.leads (id, email, phone, first_name, last_name, company, country, region, employees, source, value, status, stage, owner, website, submitted_at)
	SELECT i, CASE WHEN lr.r(i || 'dup', 100) < 8 AND i > 20 THEN 'p' || (i - 1 - lr.r(i || 'who', 400) % i) || '@x.example'
				WHEN lr.r(i || 'm', 100) < 3 THEN 'no mail' WHEN lr.r(i || 'm', 100) < 5 THEN 'spam' || i || '@x.example' WHEN lr.r(i || 'm', 100) < 12 THEN 'p' || i || '@' || (ARRAY['big', 'mid', 'small'])[1 + i % 3] || '.example'
				WHEN lr.r(i || 'm', 100) < 14 THEN NULL ELSE 'p' || i || '@x.example' END,
			CASE lr.r(i || 'ph', 10) WHEN 0 THEN '12' WHEN 1 THEN '  ' WHEN 2 THEN NULL ELSE '+1212' || 7365000 + i % 5000 END,
			CASE WHEN lr.r(i || 'f', 9) = 0 THEN ' ' ELSE 'F' || i END, CASE WHEN lr.r(i || 'l', 9) > 0 THEN 'L' || i END, CASE WHEN lr.r(i || 'c', 4) > 0 THEN 'Co ' || i END,
			(ARRAY['US', 'US', 'DE', 'Atlantis', NULL, 'GB'])[1 + lr.r(i || 'co', 6)], CASE lr.r(i || 're', 3) WHEN 0 THEN 'NY' END,
			CASE WHEN lr.r(i || 'e', 6) > 0 THEN lr.r(i || 'em', 1200) END, (ARRAY['web', 'demo', 'ads', 'list', 'fair', NULL, 'web'])[1 + lr.r(i || 's', 7)],
			CASE WHEN lr.r(i || 'v', 3) > 0 THEN lr.r(i || 'va', 9000) / 4.0 END, CASE WHEN lr.r(i || 'st', 60) = 0 THEN 'lost' END, NULL,
			CASE WHEN lr.r(i || 'g', 30) = 0 THEN 'b2' END, NULL,
			now_is - CASE WHEN lr.r(i || 'old', 50) = 0 THEN interval '41 days' WHEN lr.r(i || 'old', 50) < 6 THEN interval '26 hours' * (lr.r(i || 'q', 3)) ELSE interval '0' END - lr.r(i || 't', 7000) * interval '1 second 300 milliseconds'
	FROM generate_series(base + 1, base + per) i;
	-- some look at leads of the last days, each thing in its own subtransaction: what is refused is noted
	FOR l IN SELECT s.lead, s.lead::bigint AS id, s.stage, s.owner, s.status, s.closed_at, s.submitted_at, s.assigned_at, s.accepted_at
			 FROM leadroute.lead_states s
			 WHERE s.flow = 'default' AND s.lead::bigint > base - per * 60 AND lr.r(s.lead || ':' || step, 1000) < want * CASE WHEN s.lead::bigint > base - per * 6 THEN 4 ELSE 1 END
			 ORDER BY s.lead::bigint LOOP
		what := lr.r(l.lead || '/' || step, 100);
		k := l.lead || '+' || step;
		BEGIN
			CASE
			WHEN what < 34 THEN PERFORM leadroute.touch(l.lead, (ARRAY['call', 'call', 'email', 'automatic_email'])[1 + lr.r(k, 4)], CASE WHEN lr.r(k || 'a', 3) > 0 THEN least(now_is, CASE WHEN lr.r(k, 2) = 0 THEN l.submitted_at ELSE coalesce(l.assigned_at, l.submitted_at) END + lr.r(k, 60) * interval '70 s') END, l.owner);
			WHEN what < 40 THEN PERFORM leadroute.reassign(l.lead, (ARRAY['a1', 'a2', 'a3', 'b1', 'b2', 'b3', 'c1'])[1 + lr.r(k, 7)]);
			WHEN what < 46 THEN PERFORM leadroute.accept(l.lead);
			WHEN what < 54 THEN PERFORM leadroute.reject(l.lead, (ARRAY['NUR', 'REC', 'REC', 'ARC'])[1 + lr.r(k, 4)]);
			WHEN what < 58 THEN UPDATE lr.leads SET status = 'won', value = lr.r(k, 5000) WHERE id = l.id;
			WHEN what < 61 THEN UPDATE lr.leads SET status = 'lost' WHERE id = l.id;
			WHEN what < 63 THEN UPDATE lr.leads SET status = NULL WHERE id = l.id;
			WHEN what < 69 THEN UPDATE lr.leads SET stage = 'on_hold' WHERE id = l.id;
			WHEN what < 79 THEN UPDATE lr.leads SET stage = (ARRAY['contacted', 'meeting', 'new', 'customer'])[1 + lr.r(k, 4)] WHERE id = l.id;
			WHEN what < 84 THEN PERFORM leadroute.signal(l.lead, (ARRAY['meeting_booked', 'meeting_held', 'no_show', 'rebooked'])[1 + lr.r(k, 4)], now_is, NULL, CASE WHEN lr.r(k, 2) = 0 THEN jsonb_build_object('meeting_at', now_is + interval '5 hours') END);
			WHEN what < 86 THEN PERFORM leadroute.release(l.lead, 'no time');
			WHEN what < 88 THEN PERFORM leadroute.close(l.lead, (ARRAY['won', 'lost', 'junk'])[1 + lr.r(k, 3)], 100 + lr.r(k, 77));
			WHEN what < 90 THEN PERFORM leadroute.reopen(l.lead);
			WHEN what < 91 THEN DELETE FROM lr.leads WHERE id = l.id;
			WHEN what < 93 THEN PERFORM leadroute.claim(l.lead, 'c1');
			WHEN what < 94 THEN PERFORM leadroute.reroute(l.lead);
			WHEN what < 96 THEN PERFORM leadroute.feedback(l.lead, 1 + lr.r(k, 5));
			WHEN what < 98 THEN UPDATE lr.leads SET owner = (ARRAY['a1', 'a2', 'b1', 'c1'])[1 + lr.r(k, 4)], source = (ARRAY['web', 'demo', 'ads', 'list'])[1 + lr.r(k || 's', 4)] WHERE id = l.id;
			ELSE UPDATE lr.leads SET email = NULL, phone = '+491711234' || 100 + lr.r(k, 800), country = 'DE', employees = 700 WHERE id = l.id;
			END CASE;
		EXCEPTION WHEN OTHERS THEN
			INSERT INTO lr.refused VALUES (SQLSTATE);
		END;
	END LOOP;
END $$;
CREATE PROCEDURE lr.history(leads int, per int, hours numeric, begins timestamptz, want int) LANGUAGE plpgsql AS $$
DECLARE
	at	timestamptz := begins;
BEGIN
	FOR step IN 0 .. leads / per - 1 LOOP
		at := at + hours * interval '1 hour';
		PERFORM set_config('leadroute.clock', at::text, false);
		PERFORM lr.act(step, want, per);
		COMMIT;
		IF step % 4 < 3 THEN	-- each fourth sweep does not come
			CALL leadroute.sweep('default', '{steps,queues,holds,returns,stages,touches,asked,heirs}');
			COMMIT;
		END IF;
		IF step % 37 = 30 THEN
			CALL leadroute.sweep('default', '{reports}');
			COMMIT;
		END IF;
	END LOOP;
END $$;
