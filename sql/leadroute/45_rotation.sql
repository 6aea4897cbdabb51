
/*
 * Turns and places (src/rotation). Shared memory has them while the server runs, the ledger leadroute.rotation
 * makes them durable: a member's pointer and open leads are the sums over his rows.
 */
COMMENT ON TABLE leadroute.rotation IS
	'The ledger of turns and places: a member''s pointer is sum(pointer), his open leads are sum(open), over all his rows. Rows are appended and folded, never updated.';
COMMENT ON COLUMN leadroute.rotation.flow IS 'the flow of the team';
COMMENT ON COLUMN leadroute.rotation.team IS 'the team; empty for places of leads that belong to no team';
COMMENT ON COLUMN leadroute.rotation.rep IS 'the member';
COMMENT ON COLUMN leadroute.rotation.pointer IS 'what this row adds to the member''s pointer; 5354228880 is one turn at weight 1';
COMMENT ON COLUMN leadroute.rotation.open IS 'what this row adds to the member''s open leads';

COMMENT ON COLUMN leadroute.rotation.minute IS 'the minute in which leads were given, or the last of several; a fold keeps it as long as a cap of the flow may ask';
COMMENT ON COLUMN leadroute.rotation.leads IS 'how many leads were given then';

CREATE FUNCTION leadroute.rotation_bin(minute timestamptz, now timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT CASE WHEN minute >= now - interval '2 hours' THEN minute ELSE date_bin('15 minutes', minute, '2000-01-01 00:00:00+00') END
$$;
COMMENT ON FUNCTION leadroute.rotation_bin(timestamptz, timestamptz) IS
	'Internal: which minutes of the ledger a fold puts together: quarters of an hour, in which no hour or day of any zone begins, once they are two hours old.';

CREATE FUNCTION leadroute.rotation_ready() RETURNS boolean
	LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_rotation_ready';
COMMENT ON FUNCTION leadroute.rotation_ready() IS
	'Internal: whether shared memory knows turns and places (library preloaded, server not in recovery); else only the ledger does.';

CREATE FUNCTION leadroute.rotation_member(flow text, team text, rep text, OUT pointer bigint, OUT open integer)
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_rotation_member';
COMMENT ON FUNCTION leadroute.rotation_member(text, text, text) IS
	'Internal: a member''s pointer (5354228880 is one turn at weight 1) and open leads from shared memory, with what open transactions took; NULLs where leadroute.rotation_ready() is false.';

CREATE FUNCTION leadroute.rotation_team(flow text, team text, reps text[], OUT pointer bigint, OUT open integer) RETURNS SETOF record
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_rotation_team';
COMMENT ON FUNCTION leadroute.rotation_team(text, text, text[]) IS
	'Internal: leadroute.rotation_member of several members of a team, read at one instant; a row each, in their order.';

CREATE VIEW leadroute.rotation_standing AS
	SELECT t.flow, t.team, m.rep, m.weight,
		   coalesce(m.pointer, l.pointer, 0) AS pointer,
		   coalesce(m.open, l.open, 0) AS open
	  FROM (SELECT n.flow, n.team, array_agg(n.rep ORDER BY n.rep) AS reps, array_agg(n.weight ORDER BY n.rep) AS weights
			  FROM leadroute.team_members n GROUP BY n.flow, n.team) t
	 CROSS JOIN LATERAL ROWS FROM (unnest(t.reps), unnest(t.weights), leadroute.rotation_team(t.flow, t.team, t.reps))
			 AS m(rep, weight, pointer, open)
	  LEFT JOIN (SELECT r.flow, r.team, r.rep, sum(r.pointer)::bigint AS pointer, sum(r.open)::integer AS open
				   FROM leadroute.rotation r
				  WHERE NOT leadroute.rotation_ready()
				  GROUP BY r.flow, r.team, r.rep) l
			 ON l.flow = t.flow AND l.team = t.team AND l.rep = m.rep;
COMMENT ON VIEW leadroute.rotation_standing IS
	'Internal: leadroute.rep_load with pointers in the ledger''s unit.';
COMMENT ON COLUMN leadroute.rotation_standing.flow IS 'the flow of the team';
COMMENT ON COLUMN leadroute.rotation_standing.team IS 'the team';
COMMENT ON COLUMN leadroute.rotation_standing.rep IS 'the member';
COMMENT ON COLUMN leadroute.rotation_standing.weight IS 'the member''s weight';
COMMENT ON COLUMN leadroute.rotation_standing.pointer IS 'the member''s pointer; 5354228880 is one turn at weight 1';
COMMENT ON COLUMN leadroute.rotation_standing.open IS 'the member''s open leads';

CREATE VIEW leadroute.rep_load AS
	SELECT s.flow, s.team, s.rep, s.weight, round(s.pointer / 5354228880.0, 6) AS pointer, s.open
	  FROM leadroute.rotation_standing s;
COMMENT ON VIEW leadroute.rep_load IS
	'Who stands where in each team: the lowest pointer goes next. Counts what open transactions took; from the ledger where shared memory is not available (library not preloaded, standby).';
COMMENT ON COLUMN leadroute.rep_load.flow IS 'the flow of the team';
COMMENT ON COLUMN leadroute.rep_load.team IS 'the team';
COMMENT ON COLUMN leadroute.rep_load.rep IS 'the member';
COMMENT ON COLUMN leadroute.rep_load.weight IS 'the member''s weight; 0 takes no turns';
COMMENT ON COLUMN leadroute.rep_load.pointer IS 'the member''s pointer, in turns at weight 1; a turn adds 1/weight';
COMMENT ON COLUMN leadroute.rep_load.open IS 'how many open leads the member has through this team';

CREATE FUNCTION leadroute.fold_rotation(flow text DEFAULT NULL) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, leadroute, pg_temp
	AS 'MODULE_PATHNAME', 'lr_sql_fold_rotation';
COMMENT ON FUNCTION leadroute.fold_rotation(text) IS
	'Folds each member''s rows of the ledger into one, in one flow or (NULL) all; returns how many rows it folded. Rows that another session is folding are left alone; nobody waits.';

CREATE FUNCTION leadroute.rotation_open(flow text, team text, rep text, delta integer) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_rotation_open';
COMMENT ON FUNCTION leadroute.rotation_open(text, text, text, integer) IS
	'Internal: takes (delta > 0, at once) or frees (delta < 0, when the transaction commits) places of a member; team '''' for leads that belong to no team.';

CREATE FUNCTION leadroute.rotation_raise(flow text, team text, rep text, raise bigint) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_rotation_raise';
COMMENT ON FUNCTION leadroute.rotation_raise(text, text, text, bigint) IS
	'Internal: lifts a member''s pointer when the transaction commits; 5354228880 is one turn at weight 1. Nothing where raise <= 0.';

CREATE FUNCTION leadroute.rotation_counts(flow text, team text, rep text, OUT of_rep boolean, OUT period text, OUT zone text,
										  OUT begins timestamptz, OUT ends timestamptz, OUT leads integer)
	RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_rotation_counts';
COMMENT ON FUNCTION leadroute.rotation_counts(text, text, text) IS
	'Internal: how many leads shared memory counts for a member''s caps (of_rep: his rep''s, over all teams) in each span of time, with what open transactions took; no rows where leadroute.rotation_ready() is false.';

CREATE FUNCTION leadroute.rotation_reconcile() RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, leadroute, pg_temp
	AS 'MODULE_PATHNAME', 'lr_sql_rotation_reconcile';
COMMENT ON FUNCTION leadroute.rotation_reconcile() IS
	'Compares shared memory with the ledger, turns, places and counts for caps, corrects it, and returns how many members and spans were wrong: there should be none. NULL where leadroute.rotation_ready() is false.';

CREATE FUNCTION leadroute.rotation_reconciled(OUT at timestamptz, OUT drifted bigint)
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_rotation_reconciled';
COMMENT ON FUNCTION leadroute.rotation_reconciled() IS
	'Internal: when leadroute.rotation_reconcile() last looked, and how many members and spans it has found wrong since the server started.';

CREATE FUNCTION leadroute.rotation_reset() RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_rotation_reset';
COMMENT ON FUNCTION leadroute.rotation_reset() IS
	'Internal: makes shared memory read the ledger again, now and when the transaction ends.';

CREATE FUNCTION leadroute.rotation_drift(OUT flow text, OUT team text, OUT rep text, OUT shared_pointer bigint,
										 OUT ledger_pointer bigint, OUT shared_open integer, OUT ledger_open integer)
	RETURNS SETOF record
	LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, leadroute, pg_temp
BEGIN ATOMIC
	SELECT k.flow, k.team, k.rep, s.pointer, k.pointer, s.open, k.open
	  FROM (SELECT n.flow, n.team, n.rep, sum(n.pointer)::bigint AS pointer, sum(n.open)::integer AS open
			  FROM (SELECT r.flow, r.team, r.rep, r.pointer, r.open FROM leadroute.rotation r
					UNION ALL
					SELECT m.flow, m.team, m.rep, 0, 0 FROM leadroute.team_members m) n
			 GROUP BY n.flow, n.team, n.rep) k
	 CROSS JOIN LATERAL leadroute.rotation_member(k.flow, k.team, k.rep) s
	 WHERE s.pointer <> k.pointer OR s.open <> k.open
	 ORDER BY k.flow, k.team, k.rep;
END;
COMMENT ON FUNCTION leadroute.rotation_drift() IS
	'Members of whom shared memory and the ledger disagree: none, while no transaction that routes is open. Pointers in the ledger''s unit; no rows where leadroute.rotation_ready() is false.';

/* Who writes the ledger by hand (a restore does) makes shared memory read it again. */
CREATE FUNCTION leadroute.rotation_edited() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_rotation_edited';
COMMENT ON FUNCTION leadroute.rotation_edited() IS 'Internal: trigger of leadroute.rotation.';
CREATE TRIGGER leadroute_edited AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON leadroute.rotation
	FOR EACH STATEMENT EXECUTE FUNCTION leadroute.rotation_edited();
ALTER TABLE leadroute.rotation ENABLE ALWAYS TRIGGER leadroute_edited;

/* Who joins a team starts at the lowest pointer of those who were there, so that nobody gets a flood. */
CREATE FUNCTION leadroute.rotation_joining() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_rotation_joining';
COMMENT ON FUNCTION leadroute.rotation_joining() IS
	'Internal: trigger of leadroute.team_members and leadroute.reps that notes who becomes a member who takes turns.';

CREATE FUNCTION leadroute.rotation_joiners(OUT flow text, OUT team text, OUT rep text, OUT settled boolean, OUT returns boolean)
	RETURNS SETOF record
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_rotation_joiners';
COMMENT ON FUNCTION leadroute.rotation_joiners() IS
	'Internal: who was noted by leadroute.rotation_joining() in this transaction; team NULL means all teams of the rep; returns is false for one who was no member before.';

CREATE FUNCTION leadroute.rotation_settle_joins() RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	flows	text[];
	teams	text[];
	reps	text[];
	raises	bigint[];
BEGIN
	WITH noted AS MATERIALIZED (
			SELECT m.flow, m.team, m.rep, bool_and(n.returns) AS returns
			  FROM leadroute.rotation_joiners() n
			  JOIN leadroute.team_members m ON m.flow = n.flow AND m.rep = n.rep AND (n.team IS NULL OR m.team = n.team)
			 WHERE NOT n.settled
			 GROUP BY m.flow, m.team, m.rep),
		 member AS MATERIALIZED (
			SELECT s.flow, s.team, s.rep, s.pointer, n.rep IS NOT NULL AS joins,
				   CASE WHEN n.returns AND t.on_return = 'catch_up' THEN t.catch_up_limit * (5354228880 / s.weight) ELSE 0 END AS owed,
				   n.returns AND t.on_return = 'catch_up' AND t.catch_up_limit IS NULL AS owed_all
			  FROM leadroute.rotation_standing s
			  JOIN leadroute.reps p ON p.flow = s.flow AND p.rep = s.rep AND p.active AND p.accepting
			  LEFT JOIN leadroute.teams t ON t.flow = s.flow AND t.team = s.team
			  LEFT JOIN noted n ON n.flow = s.flow AND n.team = s.team AND n.rep = s.rep
			 WHERE s.weight > 0
			   AND (s.flow, s.team) IN (SELECT t.flow, t.team FROM noted t)),
		 lowest AS (
			SELECT o.flow, o.team, min(o.pointer) AS pointer FROM member o WHERE NOT o.joins GROUP BY o.flow, o.team)
	SELECT array_agg(j.flow), array_agg(j.team), array_agg(j.rep), array_agg(l.pointer - j.owed - j.pointer)
	  INTO flows, teams, reps, raises
	  FROM member j JOIN lowest l ON l.flow = j.flow AND l.team = j.team
	 WHERE j.joins AND j.owed_all IS NOT TRUE AND j.pointer < l.pointer - j.owed;

	PERFORM leadroute.rotation_raise(r.flow, r.team, r.rep, r.raise)
	   FROM unnest(flows, teams, reps, raises) AS r (flow, team, rep, raise);
END
$$;
COMMENT ON FUNCTION leadroute.rotation_settle_joins() IS
	'Internal: lifts those who join or come back to the lowest pointer of the team''s other members who accept leads; with on_return = catch_up who comes back stays as far behind as catch_up_limit lets him. Never lowers anybody.';

CREATE FUNCTION leadroute.rotation_join() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, leadroute, pg_temp
	AS 'MODULE_PATHNAME', 'lr_sql_rotation_join';
COMMENT ON FUNCTION leadroute.rotation_join() IS
	'Internal: deferred trigger of leadroute.team_members and leadroute.reps that gives joiners their start.';

CREATE TRIGGER leadroute_joining AFTER INSERT OR UPDATE ON leadroute.team_members
	FOR EACH ROW EXECUTE FUNCTION leadroute.rotation_joining();
CREATE CONSTRAINT TRIGGER leadroute_rotation_join AFTER INSERT OR UPDATE ON leadroute.team_members
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION leadroute.rotation_join();
CREATE TRIGGER leadroute_joining AFTER INSERT OR UPDATE ON leadroute.reps
	FOR EACH ROW EXECUTE FUNCTION leadroute.rotation_joining();
CREATE CONSTRAINT TRIGGER leadroute_rotation_join AFTER INSERT OR UPDATE ON leadroute.reps
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION leadroute.rotation_join();
ALTER TABLE leadroute.team_members ENABLE ALWAYS TRIGGER leadroute_joining;
ALTER TABLE leadroute.team_members ENABLE ALWAYS TRIGGER leadroute_rotation_join;
ALTER TABLE leadroute.reps ENABLE ALWAYS TRIGGER leadroute_joining;
ALTER TABLE leadroute.reps ENABLE ALWAYS TRIGGER leadroute_rotation_join;

/*
 * What a new cap has to know of the time before it. Leads are counted by the minute in the ledger, but a fold forgets
 * minutes for which no cap asked; what is missing there comes from events. Nobody folds while this transaction is open (a fold
 * tries for the same lock and goes away), and the first fold after it sees the cap: so what others commit meanwhile keeps its
 * minutes, and no lead is counted twice or not at all.
 */
CREATE FUNCTION leadroute.event_gave(kind text, code text, owner text, previous_owner text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT CASE WHEN owner IS NULL OR owner IS NOT DISTINCT FROM previous_owner OR code IN ('duplicate', 'absorbed')
					OR kind <> ALL ('{decided,asked_again,rerouted,released,lapsed,returned,reassigned,claimed,handed_over,drained,hold_ended,offered}') THEN NULL
				WHEN code IN ('given', 'account_owner', 'returning', 'returned', 'by_hand', 'claimed') THEN 'given'
				ELSE 'picked' END
$$;
COMMENT ON FUNCTION leadroute.event_gave(text, text, text, text) IS
	'What an event did for its owner: ''picked'' (leadroute chose him for the lead), ''given'' (a hand, the row, an account or an earlier lead did), or NULL: he did not get the lead by it. Both count for caps.';

CREATE FUNCTION leadroute.count_before(in_flow text, reps text[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	now			timestamptz := leadroute.clock();
	since		timestamptz;
	counted		bigint;
BEGIN
	SELECT min(now - CASE WHEN c.cap ~ 'month' THEN interval '32 days' WHEN c.cap ~ 'week' THEN interval '8 days' WHEN c.cap ~ 'day' THEN interval '2 days' ELSE interval '2 hours' END) INTO since
	FROM (SELECT unnest(p.caps::text[]) FROM leadroute.reps p WHERE p.flow = in_flow AND p.rep = ANY (reps)
		  UNION ALL SELECT unnest(m.caps::text[]) FROM leadroute.team_members m WHERE m.flow = in_flow AND m.rep = ANY (reps)) c(cap);
	IF since IS NULL THEN
		RETURN 0;
	END IF;
	PERFORM pg_advisory_xact_lock('pg_class'::regclass::oid::integer, 'leadroute.rotation'::regclass::oid::integer);
	INSERT INTO leadroute.rotation (flow, team, rep, pointer, open, minute, leads)
		SELECT in_flow, g.team, g.rep, 0, 0, g.minute, g.leads - coalesce(l.leads, 0)
		FROM (SELECT coalesce(e.team, '') AS team, e.owner AS rep, leadroute.rotation_bin(date_trunc('minute', e.at, 'UTC'), now) AS minute, count(*) AS leads
			  FROM leadroute.events e
			  WHERE e.flow = in_flow AND e.owner = ANY (reps) AND e.at >= since AND leadroute.event_gave(e.kind, e.code, e.owner, e.previous_owner) IS NOT NULL
			  GROUP BY 1, 2, 3) g
			LEFT JOIN (SELECT r.team, r.rep, leadroute.rotation_bin(r.minute, now) AS minute, sum(r.leads) AS leads
					   FROM leadroute.rotation r
					   WHERE r.flow = in_flow AND r.rep = ANY (reps) AND r.minute >= since - interval '15 minutes'
					   GROUP BY 1, 2, 3) l ON l.team = g.team AND l.rep = g.rep AND l.minute = g.minute
		WHERE g.leads > coalesce(l.leads, 0);
	GET DIAGNOSTICS counted = ROW_COUNT;
	RETURN counted;
END
$$;
COMMENT ON FUNCTION leadroute.count_before(text, text[]) IS
	'Internal: puts into the ledger what events know of the leads that these reps were given as far back as their caps ask and the ledger does not know; answers how many rows.';

CREATE FUNCTION leadroute.caps_written() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	IF leadroute.restoring() THEN
		RETURN NULL;	/* the ledger comes from the dump too */
	ELSIF TG_OP = 'INSERT' THEN
		PERFORM leadroute.count_before(n.flow, array_agg(n.rep ORDER BY n.rep)) FROM new_rows n WHERE n.caps IS NOT NULL GROUP BY n.flow;
	ELSE
		PERFORM leadroute.count_before(n.flow, array_agg(DISTINCT n.rep))
		FROM new_rows n LEFT JOIN old_rows o ON o.flow = n.flow AND o.rep = n.rep AND to_jsonb(o)->>'team' IS NOT DISTINCT FROM to_jsonb(n)->>'team'
		WHERE n.caps IS NOT NULL AND n.caps IS DISTINCT FROM o.caps GROUP BY n.flow;
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION leadroute.caps_written() IS 'Statement trigger on reps and team_members: a new cap counts the leads that were given before it.';
DO $do$
DECLARE
	relation	text;
BEGIN
	FOREACH relation IN ARRAY ARRAY['reps', 'team_members'] LOOP
		EXECUTE pg_catalog.format($$
			CREATE TRIGGER caps_written_insert AFTER INSERT ON leadroute.%1$I REFERENCING NEW TABLE AS new_rows
				FOR EACH STATEMENT EXECUTE FUNCTION leadroute.caps_written();
			CREATE TRIGGER caps_written_update AFTER UPDATE ON leadroute.%1$I REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
				FOR EACH STATEMENT EXECUTE FUNCTION leadroute.caps_written()$$, relation);
	END LOOP;
END
$do$;

REVOKE ALL ON FUNCTION leadroute.rotation_ready(), leadroute.rotation_member(text, text, text), leadroute.rotation_team(text, text, text[]),
	leadroute.fold_rotation(text), leadroute.rotation_open(text, text, text, integer),
	leadroute.rotation_raise(text, text, text, bigint), leadroute.rotation_reset(), leadroute.rotation_drift(),
	leadroute.rotation_edited(), leadroute.rotation_joining(), leadroute.rotation_joiners(),
	leadroute.rotation_settle_joins(), leadroute.rotation_join(), leadroute.rotation_bin(timestamptz, timestamptz),
	leadroute.rotation_counts(text, text, text), leadroute.rotation_reconcile(), leadroute.rotation_reconciled() FROM PUBLIC;

/* What an earlier installation in this database left in shared memory is none of this one's. */
SELECT leadroute.rotation_reset();
