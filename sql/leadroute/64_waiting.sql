/*
 * Leads that wait for a team, and who hands them places (src/pick/waiting.c): a deferred trigger of whoever frees one, the
 * sweep, drain().
 */
CREATE TABLE leadroute.pending_drains (
	flow			text COLLATE "C" NOT NULL
);
COMMENT ON TABLE leadroute.pending_drains IS 'Flows whose waiting leads are to be given places when the transaction commits; empty between transactions, so no dump keeps it.';
COMMENT ON COLUMN leadroute.pending_drains.flow IS 'The flow in which this transaction frees a place.';

CREATE FUNCTION leadroute.drain_batch(flow text, queue text, batch integer) RETURNS integer
LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_drain_batch';
COMMENT ON FUNCTION leadroute.drain_batch(text, text, integer) IS
	'Part of drain(): gives up to "batch" leads that wait for a team (or for a rep) to whoever has room, highest priority and then oldest first; answers how many. Locked rows are skipped; what cannot be given away is a WARNING.';

CREATE FUNCTION leadroute.end_holds(flow text, batch integer) RETURNS integer
LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_end_holds';
COMMENT ON FUNCTION leadroute.end_holds(text, integer) IS
	'Part of sweep(): routes up to "batch" leads that were held as long as their rule says, with what is known of them; answers how many. Locked rows are skipped; what fails is a WARNING.';

CREATE FUNCTION leadroute.drain_flow(flow text, batch integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	waits	text;
	placed	integer := 0;
BEGIN
	FOR waits IN
		SELECT t.team FROM leadroute.teams t
		WHERE t.flow = drain_flow.flow AND (SELECT m.open FROM leadroute.rotation_member(t.flow, t.team, '') m) > 0
		UNION
		SELECT r.rep FROM leadroute.reps r
		WHERE r.flow = drain_flow.flow AND (r.active OR r.backup IS NOT NULL)
			AND EXISTS (SELECT FROM leadroute.lead_states s
						WHERE s.flow = r.flow AND s.queue = r.rep AND s.status = 'waiting' AND s.closed_at IS NULL AND s.team IS NULL)
		ORDER BY 1
	LOOP
		placed := placed + leadroute.drain_batch(flow, waits, batch - placed);
		EXIT WHEN placed >= batch;
	END LOOP;
	RETURN placed;
END
$$;
COMMENT ON FUNCTION leadroute.drain_flow(text, integer) IS 'Part of drain(): one batch over all queues of a flow; answers how many leads were given to somebody.';

CREATE FUNCTION leadroute.drain_at_commit() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	/* the first of a flow's rows does the work of all */
	DELETE FROM leadroute.pending_drains d WHERE d.flow = NEW.flow;
	IF FOUND THEN
		PERFORM leadroute.drain_flow(NEW.flow, 1000);
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION leadroute.drain_at_commit() IS 'Deferred trigger: gives the places that the transaction frees to leads that wait, up to 1000; the sweep goes on.';
CREATE CONSTRAINT TRIGGER drain_at_commit AFTER INSERT ON leadroute.pending_drains
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION leadroute.drain_at_commit();
ALTER TABLE leadroute.pending_drains ENABLE ALWAYS TRIGGER drain_at_commit;

/* Somebody may have a lead now who could not: who was activated, joined, came back, has learned something, is on shift, or may have more. */
CREATE FUNCTION leadroute.room_made() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	IF NOT leadroute.restoring() THEN
		INSERT INTO leadroute.pending_drains (flow)
			SELECT DISTINCT c.flow FROM changed c
			WHERE EXISTS (SELECT FROM leadroute.lead_states s WHERE s.flow = c.flow AND s.status = 'waiting' AND s.closed_at IS NULL)
				AND NOT EXISTS (SELECT FROM leadroute.pending_drains d WHERE d.flow = c.flow);
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION leadroute.room_made() IS
	'Statement trigger on reps, teams, their members, leave, skills and calendars: leads that wait are offered again when the change commits.';
DO $do$
DECLARE
	made	record;
BEGIN
	FOR made IN
		SELECT m.relation, m.event, CASE m.event WHEN 'DELETE' THEN 'OLD' ELSE 'NEW' END AS side
		FROM (VALUES ('reps', 'INSERT'), ('reps', 'UPDATE'), ('teams', 'INSERT'), ('teams', 'UPDATE'), ('team_members', 'INSERT'), ('team_members', 'UPDATE'),
					 ('time_off', 'UPDATE'), ('time_off', 'DELETE'), ('rep_skills', 'INSERT'), ('rep_skills', 'UPDATE'),
					 ('calendars', 'UPDATE'), ('calendar_hours', 'INSERT'), ('calendar_hours', 'UPDATE'), ('holidays', 'UPDATE'), ('holidays', 'DELETE')) m(relation, event)
	LOOP
		EXECUTE pg_catalog.format('CREATE TRIGGER %I AFTER %s ON leadroute.%I REFERENCING %s TABLE AS changed
			FOR EACH STATEMENT EXECUTE FUNCTION leadroute.room_made()', 'room_made_' || pg_catalog.lower(made.event), made.event, made.relation, made.side);
	END LOOP;
END
$do$;

CREATE FUNCTION leadroute.offer_batch(flow text, rep text, at_once boolean, batch integer) RETURNS integer
LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_offer_batch';
COMMENT ON FUNCTION leadroute.offer_batch(text, text, boolean, integer) IS
	'Part of sweep(): offers up to "batch" open leads of a rep who is away to others, the oldest first, as teams.on_leave says (at_once: only of teams that say so); answers how many of them others have now. Locked rows are skipped.';

CREATE FUNCTION leadroute.offer_leads(flow text, batch integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	away	text;
	placed	integer := 0;
BEGIN
	FOR away IN
		SELECT r.rep FROM leadroute.reps r
		WHERE r.flow = offer_leads.flow
			AND (NOT r.active OR EXISTS (SELECT FROM leadroute.time_off o WHERE o.flow = r.flow AND o.rep = r.rep AND o.during @> leadroute.clock()))
			AND EXISTS (SELECT FROM leadroute.rotation p WHERE p.flow = r.flow AND p.rep = r.rep GROUP BY p.rep HAVING sum(p.open) > 0)
		ORDER BY 1
	LOOP
		placed := placed + leadroute.offer_batch(flow, away, false, batch - placed);
		EXIT WHEN placed >= batch;
	END LOOP;
	RETURN placed;
END
$$;
COMMENT ON FUNCTION leadroute.offer_leads(text, integer) IS 'Part of sweep(): offers leads of reps who are away to others; answers how many of them others have now.';

CREATE FUNCTION leadroute.rep_left() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	PERFORM leadroute.offer_batch(NEW.flow, NEW.rep, true, 1000)
	FROM leadroute.reps r WHERE r.flow = NEW.flow AND r.rep = NEW.rep AND NOT r.active;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION leadroute.rep_left() IS 'Deferred trigger: a rep was deactivated; teams with on_leave = at_once offer his leads to others when that commits.';
CREATE CONSTRAINT TRIGGER rep_left AFTER UPDATE OF active ON leadroute.reps
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.active AND NOT NEW.active) EXECUTE FUNCTION leadroute.rep_left();

CREATE PROCEDURE leadroute.drain(flow text DEFAULT NULL, batch integer DEFAULT 1000)
LANGUAGE plpgsql
AS $$
DECLARE
	drained	pg_catalog.text;
	more	boolean;
BEGIN
	IF batch IS NULL OR batch OPERATOR(pg_catalog.<) 1 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'batch must be at least 1';
	END IF;
	FOREACH drained IN ARRAY ARRAY(SELECT f FROM leadroute.flows_to_sweep(flow) AS f) LOOP
		LOOP
			more := leadroute.drain_flow(drained, batch) OPERATOR(pg_catalog.>) 0;
			CALL leadroute.commit_batch(more);
			EXIT WHEN NOT more;
		END LOOP;
	END LOOP;
END
$$;
COMMENT ON PROCEDURE leadroute.drain(text, integer) IS
	'Gives leads that wait, in one flow or (NULL) all, to whoever has room: highest priority first, then who asked first. Commits after each batch; in a transaction block it does one batch and commits nothing. Several may run at once and wait for nobody: the last place may then go past the lead that another is just at.';
