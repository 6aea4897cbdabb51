-- The twin: the same scope in PL/pgSQL, as well as it goes.
--
-- Configuration is rows, as leadroute's is. One SQL each finds the account (by the e-mail's domain or the one above it, unless it is public
-- mail), sums the criteria, finds the first rule that holds and the innermost territory of the map (a btree). The e-mail is claimed as a
-- key, without plus-tags and Gmail's dots, by INSERT ... ON CONFLICT DO NOTHING, which a racing session waits for; who loses has the first
-- one's owner. A team's weighted turns are one counter over a precomputed cycle, moved by UPDATE ... RETURNING, which serializes a team
-- exactly; a member's open leads are counted against his capacity, and his shift, its holidays and his time off are looked up. State, event,
-- message and, where leadroute has started clocks by then, clock are one INSERT each; a clock is due by the hours and holidays of its calendar.
--
-- Left out, though leadroute does them: domains to ASCII, the public suffix list, names of countries and regions, subtransactions around
-- conditions, the message that says which of several candidates was taken and why.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE TABLE p1.territories (territory text NOT NULL, country text NOT NULL, region text, lo integer, hi integer, team text NOT NULL);
INSERT INTO p1.territories SELECT territory, country, region, lo, hi, team FROM bench.map;
CREATE INDEX ON p1.territories (country, region, lo);
CREATE TABLE p1.rules AS SELECT position, rule, team, country, not_country, regions, industries, source, title_like, postal_from, postal_to, employees_from, employees_to, NULL::numeric AS score_from FROM bench.rules;
INSERT INTO p1.rules (position, rule, team, country, score_from) VALUES (6, 'worth most', 'team-9', 'BR', 40);
ALTER TABLE p1.rules ADD PRIMARY KEY (position);
CREATE TABLE p1.criteria AS SELECT points, countries, regions, industries, sources, employees_from, employees_to, title_like, postal_like, needs_phone FROM bench.criteria;
CREATE TABLE p1.accounts AS SELECT d.domain, a.account, a.owner, a.tier FROM leadroute.accounts a JOIN leadroute.account_domains d USING (flow, account);
ALTER TABLE p1.accounts ADD PRIMARY KEY (domain);
CREATE TABLE p1.public_mail AS SELECT domain FROM leadroute.mail_domains WHERE is_public;
ALTER TABLE p1.public_mail ADD PRIMARY KEY (domain);
CREATE TABLE p1.turns (team text PRIMARY KEY, turn bigint NOT NULL, slots bigint NOT NULL) WITH (fillfactor = 10, autovacuum_enabled = off);
INSERT INTO p1.turns SELECT team, 0, sum(weight) FROM leadroute.team_members GROUP BY team;
CREATE TABLE p1.loads (team text, rep text, open integer NOT NULL, capacity integer NOT NULL, PRIMARY KEY (team, rep)) WITH (fillfactor = 10, autovacuum_enabled = off);
INSERT INTO p1.loads SELECT team, rep, 0, capacity FROM leadroute.team_members;
CREATE TABLE p1.cycles (team text, slot integer, rep text NOT NULL, calendar text NOT NULL, PRIMARY KEY (team, slot));
INSERT INTO p1.cycles
	SELECT team, (row_number() OVER (PARTITION BY team ORDER BY step::numeric / weight, rep) - 1)::integer, rep, calendar
	  FROM leadroute.team_members JOIN leadroute.reps USING (flow, rep), generate_series(1, weight) step;
CREATE TABLE p1.hours AS SELECT calendar, timezone, weekday, opens, closes FROM leadroute.calendars JOIN leadroute.calendar_hours USING (flow, calendar);
ALTER TABLE p1.hours ADD PRIMARY KEY (calendar, weekday, opens);
CREATE TABLE p1.holidays AS SELECT calendar, day FROM leadroute.calendars c JOIN leadroute.holidays h ON h.flow = c.flow AND h.list = ANY (c.holidays);
ALTER TABLE p1.holidays ADD PRIMARY KEY (calendar, day);
CREATE TABLE p1.time_off AS SELECT rep, during FROM leadroute.time_off;
CREATE INDEX ON p1.time_off (rep);
CREATE TABLE p1.policies (position integer PRIMARY KEY, policy text, employees_from integer, target interval, calendar text, timezone text);
INSERT INTO p1.policies
	SELECT p.position, p.policy, CASE p.policy WHEN 'large' THEN 1001 END, p.target::interval, p.calendar, c.timezone
	  FROM leadroute.sla_policies p JOIN leadroute.calendars c USING (flow, calendar);
ANALYZE p1.territories, p1.rules, p1.criteria, p1.accounts, p1.public_mail, p1.turns, p1.loads, p1.cycles, p1.hours, p1.holidays, p1.time_off, p1.policies;

-- when a span of open time is over: day by day through the hours of the calendar
CREATE FUNCTION p1.due(at timestamptz, of_calendar text, zone text, span interval) RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
DECLARE
	here timestamp := at AT TIME ZONE zone;
	today date := here;
	rest interval := span;
	open_from timestamp;
	open_until timestamp;
BEGIN
	LOOP
		FOR open_from, open_until IN
			SELECT greatest(here, today + h.opens), today + h.closes
			  FROM p1.hours h
			 WHERE h.calendar = of_calendar AND h.weekday = extract(isodow FROM today) AND today + h.closes > here
			   AND NOT EXISTS (SELECT FROM p1.holidays d WHERE d.calendar = of_calendar AND d.day = today)
			 ORDER BY h.opens
		LOOP
			IF open_from + rest <= open_until THEN
				RETURN (open_from + rest) AT TIME ZONE zone;
			END IF;
			rest := rest - (open_until - open_from);
		END LOOP;
		today := today + 1;
	END LOOP;
END
$$;

CREATE FUNCTION p1.lead_before() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	rule_name text;
	place integer;
	map_name text;
	tier integer;
	account_owner text;
	turn_now bigint;
	slots_now bigint;
	shift text;
	is_open boolean;
	number integer := coalesce(NEW.employees, 0);
	title text := lower(NEW.title);
	mailbox text := regexp_replace(lower(split_part(trim(NEW.email), '@', 1)), '[+].*', '');
	mail_domain text := lower(split_part(trim(NEW.email), '@', 2));
	email_key text;
	clock p1.policies;
BEGIN
	SELECT s.owner, s.team, s.territory, s.account, s.score, s.routed_at, s.route_reason
	  INTO NEW.owner, NEW.team, NEW.territory, NEW.account, NEW.score, NEW.routed_at, NEW.route_reason
	  FROM p1.lead_states s WHERE s.flow = 'default' AND s.lead = NEW.id::text;
	IF FOUND THEN
		RETURN NEW;
	END IF;
	IF mail_domain IN ('gmail.com', 'googlemail.com') THEN
		mailbox := replace(mailbox, '.', '');
		mail_domain := 'gmail.com';
	END IF;
	email_key := mailbox || '@' || mail_domain;
	INSERT INTO p1.identities (flow, kind, key, lead) VALUES ('default', 'email', email_key, NEW.id::text) ON CONFLICT DO NOTHING;
	IF NOT FOUND THEN
		SELECT s.owner, s.team, s.territory, s.account, s.score, clock_timestamp(), 'same e-mail as lead ' || s.lead
		  INTO NEW.owner, NEW.team, NEW.territory, NEW.account, NEW.score, NEW.routed_at, NEW.route_reason
		  FROM p1.identities i JOIN p1.lead_states s ON s.flow = i.flow AND s.lead = i.lead WHERE i.flow = 'default' AND i.kind = 'email' AND i.key = email_key;
		RETURN NEW;
	END IF;
	SELECT a.account, a.owner, a.tier INTO NEW.account, account_owner, tier
	  FROM p1.accounts a
	 WHERE a.domain IN (mail_domain, regexp_replace(mail_domain, '^[^.]+[.]', '')) AND NOT EXISTS (SELECT FROM p1.public_mail m WHERE m.domain = a.domain)
	 ORDER BY length(a.domain) DESC LIMIT 1;
	SELECT greatest(0, least(100, coalesce(sum(c.points), 0))) INTO NEW.score
	  FROM p1.criteria c
	 WHERE (c.countries IS NULL OR NEW.country = ANY (c.countries)) AND (c.regions IS NULL OR NEW.region = ANY (c.regions))
	   AND (c.industries IS NULL OR NEW.industry = ANY (c.industries)) AND (c.sources IS NULL OR NEW.source = ANY (c.sources))
	   AND (c.employees_from IS NULL OR number >= c.employees_from) AND (c.employees_to IS NULL OR number <= c.employees_to)
	   AND (c.title_like IS NULL OR title LIKE c.title_like) AND (c.postal_like IS NULL OR NEW.postal_code LIKE c.postal_like)
	   AND (NOT c.needs_phone OR NEW.phone IS NOT NULL);
	IF tier = 1 THEN
		NEW.owner := account_owner;
		rule_name := 'named accounts';
		place := 5;
	ELSE
		SELECT r.position, r.rule, r.team INTO place, rule_name, NEW.team
		  FROM p1.rules r
		 WHERE (r.country IS NULL OR r.country = NEW.country) AND (r.not_country IS NULL OR r.not_country <> NEW.country)
		   AND (r.regions IS NULL OR NEW.region = ANY (r.regions)) AND (r.industries IS NULL OR NEW.industry = ANY (r.industries))
		   AND (r.source IS NULL OR r.source = NEW.source) AND (r.score_from IS NULL OR NEW.score >= r.score_from)
		   AND (r.employees_from IS NULL OR NEW.employees >= r.employees_from) AND (r.employees_to IS NULL OR NEW.employees <= r.employees_to)
		   AND (r.postal_from IS NULL OR NEW.postal_code >= r.postal_from) AND (r.postal_to IS NULL OR NEW.postal_code < r.postal_to)
		   AND (r.title_like IS NULL OR title LIKE r.title_like)
		 ORDER BY r.position LIMIT 1;
		IF NEW.team IS NULL THEN
			SELECT t.territory, t.team INTO NEW.territory, NEW.team
			  FROM p1.territories t
			 WHERE t.country = lower(NEW.country) AND t.region = lower(NEW.region) AND t.lo <= NEW.employees AND t.hi > NEW.employees;
			IF NEW.team IS NULL THEN
				SELECT t.territory, t.team INTO NEW.territory, NEW.team
				  FROM p1.territories t
				 WHERE t.country = lower(NEW.country) AND (t.region IS NULL OR t.region = lower(NEW.region)) AND t.lo IS NULL
				 ORDER BY t.region NULLS LAST LIMIT 1;
			END IF;
			IF NEW.team IS NOT NULL THEN
				rule_name := 'the map';
				place := 900;
				map_name := 'world';
			ELSE
				rule_name := 'everyone else';
				place := 999;
				NEW.team := 'team-0';
			END IF;
		END IF;
		LOOP
			UPDATE p1.turns t SET turn = t.turn + 1 WHERE t.team = NEW.team RETURNING t.turn, t.slots INTO turn_now, slots_now;
			SELECT c.rep, c.calendar INTO NEW.owner, shift FROM p1.cycles c WHERE c.team = NEW.team AND c.slot = (turn_now % slots_now)::integer;
			SELECT true INTO is_open FROM p1.hours h
			 WHERE h.calendar = shift AND h.weekday = extract(isodow FROM now() AT TIME ZONE h.timezone)
			   AND (now() AT TIME ZONE h.timezone)::time >= h.opens AND (now() AT TIME ZONE h.timezone)::time < h.closes
			   AND NOT EXISTS (SELECT FROM p1.holidays d WHERE d.calendar = shift AND d.day = (now() AT TIME ZONE h.timezone)::date)
			   AND NOT EXISTS (SELECT FROM p1.time_off a WHERE a.rep = NEW.owner AND a.during @> now());
			CONTINUE WHEN is_open IS NULL;
			UPDATE p1.loads l SET open = l.open + 1 WHERE l.team = NEW.team AND l.rep = NEW.owner AND l.open < l.capacity;
			EXIT WHEN FOUND;
		END LOOP;
	END IF;
	NEW.routed_at := clock_timestamp();
	IF TG_NARGS > 0 THEN
		SELECT p.* INTO clock FROM p1.policies p WHERE p.employees_from IS NULL OR NEW.employees >= p.employees_from ORDER BY p.position LIMIT 1;
		NEW.sla_due_at := p1.due(NEW.submitted_at, clock.calendar, clock.timezone, clock.target);
		INSERT INTO p1.clocks (flow, lead, policy, round, metric, owner, started_at, assigned_at, due_at, rep_due_at, risk_at, rep_risk_at, paused, next_at)
			VALUES ('default', NEW.id::text, clock.policy, 1, 'first_touch', NEW.owner, NEW.submitted_at, NEW.routed_at, NEW.sla_due_at, NEW.sla_due_at,
				NEW.submitted_at + (NEW.sla_due_at - NEW.submitted_at) * 0.8, NEW.submitted_at + (NEW.sla_due_at - NEW.submitted_at) * 0.8, 0, NEW.sla_due_at)
			ON CONFLICT DO NOTHING;
	END IF;
	NEW.route_reason := concat('rule "', rule_name, '" (', place, '): ', 'territory "' || NEW.territory || '" of map "' || map_name || '", ',
							   CASE WHEN tier = 1 THEN 'account "' || NEW.account || '" (by email), its owner ' ELSE 'team "' || NEW.team || '", round robin: ' END, NEW.owner);
	RETURN NEW;
END
$$;

CREATE FUNCTION p1.lead_after() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	rule_name text := split_part(NEW.route_reason, '"', 2);
BEGIN
	INSERT INTO p1.lead_states (flow, lead, status, code, owner, team, territory, account, score, fit, engagement, scored_at, rule, submitted_at, routed_at, route_reason, company, source)
		VALUES ('default', NEW.id::text, 'assigned', 'assigned', NEW.owner, NEW.team, NEW.territory, NEW.account, NEW.score, NEW.score, 0, NEW.routed_at, rule_name, coalesce(NEW.submitted_at, NEW.routed_at), NEW.routed_at, NEW.route_reason, NEW.company, NEW.source)
		ON CONFLICT DO NOTHING;
	IF FOUND THEN
		INSERT INTO p1.events (flow, lead, at, kind, code, rule, owner, team, territory, account, reason)
			VALUES ('default', NEW.id::text, NEW.routed_at, 'decided', 'assigned', rule_name, NEW.owner, NEW.team, NEW.territory, NEW.account, NEW.route_reason);
		/* as leadroute does: what the message says is made when it is claimed */
		INSERT INTO p1.outbox (flow, aggregatetype, aggregateid, type, created_at) VALUES ('default', 'lead', NEW.id::text, 'assigned', NEW.routed_at);
	END IF;
	RETURN NULL;
END
$$;
SELECT CASE WHEN EXISTS (SELECT FROM leadroute.clocks) THEN '''clocks''' ELSE '' END AS clocks \gset
CREATE TRIGGER lead_before BEFORE INSERT ON p1.leads FOR EACH ROW EXECUTE FUNCTION p1.lead_before(:clocks);
CREATE TRIGGER lead_after AFTER INSERT ON p1.leads FOR EACH ROW EXECUTE FUNCTION p1.lead_after();
