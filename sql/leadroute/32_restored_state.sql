/*
 * The jobs of a parallel restore bring leads, states and identities at once. Our triggers on the leads table (arrival.c)
 * hold this lock alone, so that neither meets keys that the other has not committed.
 */
CREATE FUNCTION leadroute.share_restore() RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$ SELECT pg_advisory_xact_lock_shared('pg_class'::regclass::oid::integer, 'leadroute.lead_states'::regclass::oid::integer) WHERE leadroute.restoring() $$;
COMMENT ON FUNCTION leadroute.share_restore() IS 'Part of the triggers on lead_states and identities: in a restore, waits for a job that brings leads.';

/*
 * State that a dump brings back. A data-only restore brings the leads first, so our triggers have decided about them when their own
 * states arrive: what the dump says replaces what was decided meanwhile, and its place is given back.
 * Direct writes (journal.c) fire no triggers; what catch_up writes runs with session_replication_role
 * = replica, so that it meets ON CONFLICT and not this.
 */
CREATE FUNCTION leadroute.lead_state_restored() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	meanwhile	leadroute.lead_states;
BEGIN
	PERFORM leadroute.share_restore();
	DELETE FROM leadroute.lead_states s WHERE s.flow = NEW.flow AND s.lead = NEW.lead RETURNING s.* INTO meanwhile;
	IF FOUND AND meanwhile.closed_at IS NULL AND (meanwhile.status = 'assigned' OR (meanwhile.status = 'waiting' AND meanwhile.team IS NOT NULL)) THEN
		PERFORM leadroute.rotation_open(meanwhile.flow, coalesce(meanwhile.team, ''), CASE meanwhile.status WHEN 'assigned' THEN meanwhile.owner ELSE '' END, -1);
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION leadroute.lead_state_restored() IS 'Trigger on lead_states: a row that SQL inserts replaces the one of the same lead.';
CREATE TRIGGER lead_state_restored BEFORE INSERT ON leadroute.lead_states
	FOR EACH ROW EXECUTE FUNCTION leadroute.lead_state_restored();

CREATE FUNCTION leadroute.identity_restored() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	PERFORM leadroute.share_restore();
	DELETE FROM leadroute.identities i WHERE i.flow = NEW.flow AND i.kind = NEW.kind AND i.key = NEW.key;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION leadroute.identity_restored() IS 'Trigger on identities: a row that SQL inserts replaces the one of the same key.';
CREATE TRIGGER identity_restored BEFORE INSERT ON leadroute.identities
	FOR EACH ROW EXECUTE FUNCTION leadroute.identity_restored();

SELECT leadroute.restore_trigger('buying_committees');

SELECT leadroute.restore_trigger('clocks');

/* Clocks go with the state of their lead: one that is decided anew begins with the first round. In a restore they may be there before it. */
CREATE FUNCTION leadroute.state_removed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	IF leadroute.restoring() THEN
		RETURN NULL;
	ELSIF TG_OP = 'DELETE' THEN
		DELETE FROM leadroute.clocks c USING old_rows o
			WHERE c.flow = o.flow AND c.lead = o.lead
				AND NOT EXISTS (SELECT FROM leadroute.lead_states s WHERE s.flow = o.flow AND s.lead = o.lead);
	ELSE
		DELETE FROM leadroute.clocks;
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION leadroute.state_removed() IS 'Trigger on lead_states: the clocks of leads whose states are taken away go too.';
CREATE TRIGGER state_removed AFTER DELETE ON leadroute.lead_states REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION leadroute.state_removed();
CREATE TRIGGER state_removed_truncate AFTER TRUNCATE ON leadroute.lead_states
	FOR EACH STATEMENT EXECUTE FUNCTION leadroute.state_removed();
