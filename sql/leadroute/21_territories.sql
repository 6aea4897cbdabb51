
/*
 * What guards territories beside their constraints. The constraint territories_do_not_cross
 * decides; this trigger looks first, to say which territory is in the way. Writers of one map
 * take turns (an advisory lock until commit), so that it can say so between open transactions too;
 * under REPEATABLE READ, which does not see what the other wrote, the constraint's own error remains. It fires on apply and restore too, and reads no other table.
 *
 * The look-up must go by the constraint's index however empty the table was when it was
 * planned (a bulk load plans it once): hence the settings, and flow || '' so that the
 * primary key offers itself in vain.
 */
CREATE FUNCTION leadroute.territories_check_crossing() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, leadroute, pg_temp
	SET enable_seqscan = off
	SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
	other record;
	shared text;
BEGIN
	/* whoever writes the same map waits here and then sees what the other wrote: so a race, too, is told by name */
	PERFORM pg_advisory_xact_lock(hashtext('leadroute.territories ' || NEW.flow), hashtext(NEW.map));
	SELECT t.territory, t.area INTO other
	  FROM leadroute.territories t
	 WHERE t.area OPERATOR(leadroute.?#) NEW.area
	   AND t.flow || '' = NEW.flow AND t.map || '' = NEW.map AND t.precedence = NEW.precedence AND t.during && NEW.during
	   /* the row itself: what an UPDATE replaces, and what ON CONFLICT will find by the primary key */
	   AND NOT (TG_OP = 'UPDATE' AND t.flow = OLD.flow AND t.map = OLD.map AND t.territory = OLD.territory AND t.during = OLD.during)
	   AND NOT (t.territory = NEW.territory AND t.during = NEW.during)
	 ORDER BY t.territory COLLATE "C"
	 LIMIT 1;
	IF NOT FOUND THEN
		RETURN NEW;
	END IF;

	shared := (other.area OPERATOR(leadroute.*) NEW.area)::text;
	IF length(shared) > 500 THEN
		shared := left(shared, 500) || '...';
	END IF;
	RAISE EXCEPTION USING
		ERRCODE = 'exclusion_violation',
		MESSAGE = format('territory "%s" crosses territory "%s" of map "%s"', NEW.territory, other.territory, NEW.map),
		DETAIL = CASE WHEN other.area OPERATOR(leadroute.=) NEW.area THEN format('Both are %s.', shared)
					  ELSE format('They share %s, and neither lies inside the other.', shared) END,
		HINT = 'Make one lie inside the other or keep them apart, or give one another precedence or put it into another map.',
		SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = 'territories_do_not_cross';
END
$$;
REVOKE ALL ON FUNCTION leadroute.territories_check_crossing() FROM PUBLIC;
COMMENT ON FUNCTION leadroute.territories_check_crossing() IS
'trigger of territories: raises exclusion_violation, naming the territory that the new one crosses and what they share';

CREATE TRIGGER territories_check_crossing
	BEFORE INSERT OR UPDATE OF flow, map, area, precedence, during ON leadroute.territories
	FOR EACH ROW EXECUTE FUNCTION leadroute.territories_check_crossing();
ALTER TABLE leadroute.territories ENABLE ALWAYS TRIGGER territories_check_crossing;
COMMENT ON TRIGGER territories_check_crossing ON leadroute.territories IS
'names the territory that a new one crosses; writers of one map wait for each other';
