-- The twin: the same scope in PL/pgSQL, as well as it goes.
--
-- Rules are rows, as leadroute's are, and one SQL finds the first that holds; the map is a btree look-up of the innermost
-- territory; a team's weighted turns are one counter over a precomputed cycle, moved by UPDATE ... RETURNING, which
-- serializes a team exactly; a member's open leads are counted; state and event are one INSERT each. The e-mail is claimed as a
-- key by INSERT ... ON CONFLICT DO NOTHING, which a racing session waits for; who loses has the first one's owner.
--
-- p2 is the leanest that can be thought of: its 48 conditions are generated into one expression (a changed rule means a
-- new function), and open leads are not counted.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE TABLE p1.territories (territory text NOT NULL, country text NOT NULL, region text, lo integer, hi integer, team text NOT NULL);
INSERT INTO p1.territories SELECT territory, country, region, lo, hi, team FROM bench.map;
CREATE INDEX ON p1.territories (country, region, lo);
CREATE TABLE p1.rules AS SELECT position, rule, team, country, not_country, regions, industries, source, title_like, postal_from, postal_to, employees_from, employees_to FROM bench.rules;
ALTER TABLE p1.rules ADD PRIMARY KEY (position);
CREATE TABLE p1.turns (team text PRIMARY KEY, turn bigint NOT NULL) WITH (fillfactor = 10, autovacuum_enabled = off);
INSERT INTO p1.turns SELECT team, 0 FROM leadroute.teams;
CREATE TABLE p1.loads (team text, rep text, open integer NOT NULL, PRIMARY KEY (team, rep)) WITH (fillfactor = 10, autovacuum_enabled = off);
INSERT INTO p1.loads SELECT team, rep, 0 FROM leadroute.team_members;
CREATE TABLE p1.cycles (team text, slot integer, rep text NOT NULL, PRIMARY KEY (team, slot));
INSERT INTO p1.cycles
	SELECT team, (row_number() OVER (PARTITION BY team ORDER BY step::numeric / weight, rep) - 1)::integer, rep
	  FROM leadroute.team_members, generate_series(1, weight) step;
ANALYZE p1.territories, p1.rules, p1.turns, p1.loads, p1.cycles;

SELECT format($function$
CREATE FUNCTION %I.lead_before() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
	number integer;
	rule_name text;
	place integer;
	map_name text;
	turn_now bigint;
	email_key text := lower(trim(NEW.email));
BEGIN
	SELECT s.owner, s.team, s.territory, s.routed_at, s.route_reason INTO NEW.owner, NEW.team, NEW.territory, NEW.routed_at, NEW.route_reason
	  FROM p1.lead_states s WHERE s.flow = 'default' AND s.lead = NEW.id::text;
	IF FOUND THEN
		RETURN NEW;
	END IF;
	INSERT INTO p1.identities (flow, kind, key, lead) VALUES ('default', 'email', email_key, NEW.id::text) ON CONFLICT DO NOTHING;
	IF NOT FOUND THEN
		SELECT s.owner, s.team, s.territory, clock_timestamp(), 'same e-mail as lead ' || s.lead INTO NEW.owner, NEW.team, NEW.territory, NEW.routed_at, NEW.route_reason
		  FROM p1.identities i JOIN p1.lead_states s ON s.flow = i.flow AND s.lead = i.lead WHERE i.flow = 'default' AND i.kind = 'email' AND i.key = email_key;
		RETURN NEW;
	END IF;
	%s
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
	UPDATE p1.turns t SET turn = t.turn + 1 WHERE t.team = NEW.team RETURNING t.turn INTO turn_now;
	SELECT c.rep INTO NEW.owner FROM p1.cycles c WHERE c.team = NEW.team AND c.slot = (turn_now %% 15)::integer;
	%s
	NEW.routed_at := clock_timestamp();
	NEW.route_reason := concat('rule "', rule_name, '" (', place, '): ', 'territory "' || NEW.territory || '" of map "' || map_name || '", ',
							   'team "', NEW.team, '", round robin: ', NEW.owner);
	RETURN NEW;
END
$body$$function$, schema, rules, open)
  FROM (VALUES ('p1', $$
	SELECT r.position, r.rule, r.team INTO place, rule_name, NEW.team
	  FROM p1.rules r
	 WHERE (r.country IS NULL OR r.country = NEW.country) AND (r.not_country IS NULL OR r.not_country <> NEW.country)
	   AND (r.regions IS NULL OR NEW.region = ANY (r.regions)) AND (r.industries IS NULL OR NEW.industry = ANY (r.industries))
	   AND (r.source IS NULL OR r.source = NEW.source)
	   AND (r.employees_from IS NULL OR NEW.employees >= r.employees_from) AND (r.employees_to IS NULL OR NEW.employees <= r.employees_to)
	   AND (r.postal_from IS NULL OR NEW.postal_code >= r.postal_from) AND (r.postal_to IS NULL OR NEW.postal_code < r.postal_to)
	   AND (r.title_like IS NULL OR lower(NEW.title) LIKE r.title_like)
	 ORDER BY r.position LIMIT 1;$$,
	$$UPDATE p1.loads l SET open = l.open + 1 WHERE l.team = NEW.team AND l.rep = NEW.owner;$$),
	('p2', format($$
	number := CASE %s END;
	IF number IS NOT NULL THEN
		place := number * 10;
		rule_name := (%L::text[])[number];
		NEW.team := (%L::text[])[number];
	END IF;$$,
	(SELECT string_agg(format('WHEN %s THEN %s', regexp_replace(condition, '\m(country|region|employees|industry|source|title|postal_code)\M', 'NEW.\1', 'g'), position / 10), E'\n\t\t' ORDER BY position) FROM bench.rules),
	(SELECT array_agg(rule ORDER BY position) FROM bench.rules),
	(SELECT array_agg(team ORDER BY position) FROM bench.rules)), '')) t (schema, rules, open) \gexec

CREATE FUNCTION p1.lead_after() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	rule_name text := split_part(NEW.route_reason, '"', 2);
BEGIN
	INSERT INTO p1.lead_states (flow, lead, status, code, owner, team, territory, rule, submitted_at, routed_at, route_reason)
		VALUES ('default', NEW.id::text, 'assigned', 'assigned', NEW.owner, NEW.team, NEW.territory, rule_name, coalesce(NEW.submitted_at, NEW.routed_at), NEW.routed_at, NEW.route_reason)
		ON CONFLICT DO NOTHING;
	IF FOUND THEN
		INSERT INTO p1.events (flow, lead, at, kind, code, rule, owner, team, territory, reason)
			VALUES ('default', NEW.id::text, NEW.routed_at, 'decided', 'assigned', rule_name, NEW.owner, NEW.team, NEW.territory, NEW.route_reason);
	END IF;
	RETURN NULL;
END
$$;
CREATE TRIGGER lead_before BEFORE INSERT ON p1.leads FOR EACH ROW EXECUTE FUNCTION p1.lead_before();
CREATE TRIGGER lead_after AFTER INSERT ON p1.leads FOR EACH ROW EXECUTE FUNCTION p1.lead_after();
CREATE TRIGGER lead_before BEFORE INSERT ON p2.leads FOR EACH ROW EXECUTE FUNCTION p2.lead_before();
CREATE TRIGGER lead_after AFTER INSERT ON p2.leads FOR EACH ROW EXECUTE FUNCTION p1.lead_after();
