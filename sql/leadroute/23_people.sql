/*
 * People: what a row of reps, time_off, rep_skills, teams or team_members can tell by itself or with a few others.
 * What takes the whole flow is check_people()'s, which check_flow() asks.
 */

/* A chain of managers, or of backups, never comes back to where it began. */
CREATE FUNCTION leadroute.rep_chains() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	circle	text;
BEGIN
	IF leadroute.restoring() THEN
		RETURN NULL;
	END IF;
	circle := leadroute.rep_circle(NEW.flow, NEW.rep, 'manager');
	IF circle IS NULL THEN
		circle := leadroute.rep_circle(NEW.flow, NEW.rep, 'backup');
	END IF;
	IF circle IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = circle,
			HINT = 'Change or empty one of the chain in the same statement.',
			SCHEMA = 'leadroute', TABLE = 'reps';
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION leadroute.rep_chains() IS 'Trigger on reps: managers and backups form no circle.';

CREATE FUNCTION leadroute.rep_circle(flow text, rep text, kind text) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	WITH RECURSIVE chain(rep, next, path, circle) AS (
		SELECT r.rep, CASE kind WHEN 'manager' THEN r.manager ELSE r.backup END, ARRAY[r.rep::text], false
		FROM leadroute.reps r WHERE r.flow = rep_circle.flow AND r.rep = rep_circle.rep
		UNION ALL
		SELECT r.rep, CASE kind WHEN 'manager' THEN r.manager ELSE r.backup END, c.path || r.rep::text, r.rep = ANY (c.path)
		FROM chain c JOIN leadroute.reps r ON r.flow = rep_circle.flow AND r.rep = c.next
		WHERE NOT c.circle
	)
	SELECT format('the %ss of rep "%s" form a circle: %s', kind, rep_circle.rep, array_to_string(c.path, ' -> '))
	FROM chain c WHERE c.circle AND c.rep = rep_circle.rep
$$;
COMMENT ON FUNCTION leadroute.rep_circle(text, text, text) IS
	'The circle that a rep''s managers (kind ''manager'') or backups (''backup'') form, in words; NULL where they form none that he is part of.';

CREATE TRIGGER rep_chains AFTER INSERT OR UPDATE OF rep, manager, backup ON leadroute.reps
	FOR EACH ROW WHEN (NEW.manager IS NOT NULL OR NEW.backup IS NOT NULL) EXECUTE FUNCTION leadroute.rep_chains();

CREATE FUNCTION leadroute.check_expression(expression text, relation regclass, type regtype, flow text DEFAULT 'default') RETURNS void
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, leadroute, pg_temp
	AS 'MODULE_PATHNAME', 'lr_check_expression';
COMMENT ON FUNCTION leadroute.check_expression(text, regclass, regtype, text) IS
	'As check_condition, for an expression that gives another type.';

/* Caps and resets go by the team's zone. */
CREATE FUNCTION leadroute.team_written() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	IF NOT leadroute.restoring() THEN
		PERFORM now() AT TIME ZONE NEW.timezone;	/* raises core's own error */
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION leadroute.team_written() IS 'Trigger on teams: the zone must be one.';
CREATE TRIGGER team_written BEFORE INSERT OR UPDATE OF timezone ON leadroute.teams
	FOR EACH ROW WHEN (NEW.timezone IS NOT NULL) EXECUTE FUNCTION leadroute.team_written();

/* The areas that members prefer are looked up with one point of the lead: their sides are kept as those of a map without a name. */
CREATE FUNCTION leadroute.member_prefers() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	attachment	leadroute.attachments := leadroute.flow_attachment(NEW.flow);
	side		record;
	problem		text;
BEGIN
	FOR side IN SELECT s AS name, leadroute.side_kind(NEW.prefers, s) AS kind FROM leadroute.sides(NEW.prefers) s LOOP
		problem := leadroute.side_problem(attachment, side.name, side.kind);
		IF problem IS NOT NULL AND NOT leadroute.restoring() AND current_setting('session_replication_role') <> 'replica' THEN
			RAISE EXCEPTION USING
				ERRCODE = CASE WHEN problem LIKE '%no such column' THEN 'undefined_column' ELSE 'datatype_mismatch' END,
				MESSAGE = problem,
				DETAIL = format('Member "%s" of team "%s" prefers %s.', NEW.rep, NEW.team, NEW.prefers),
				HINT = 'A side is named for the column it constrains; bare words are labels, brackets are numbers.',
				SCHEMA = 'leadroute', TABLE = 'team_members', COLUMN = 'prefers';
		END IF;
		INSERT INTO leadroute.territory_sides (flow, map, side, kind) VALUES (NEW.flow, '', side.name, side.kind)
			ON CONFLICT ON CONSTRAINT territory_sides_pkey DO UPDATE SET kind = EXCLUDED.kind WHERE territory_sides.kind <> EXCLUDED.kind;
	END LOOP;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION leadroute.member_prefers() IS
	'Trigger on team_members: a side of the area that a member prefers must have a column of its kind; keeps territory_sides, as those of map ''''.';
CREATE TRIGGER member_prefers BEFORE INSERT OR UPDATE OF prefers, flow ON leadroute.team_members
	FOR EACH ROW WHEN (NEW.prefers IS NOT NULL) EXECUTE FUNCTION leadroute.member_prefers();
ALTER TABLE leadroute.team_members ENABLE ALWAYS TRIGGER member_prefers;

/* What of a flow's people takes several rows to judge. */
CREATE FUNCTION leadroute.check_people(flow text)
	RETURNS TABLE (severity text, object text, problem text, hint text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	(SELECT 'error', format('rep "%s"', r.rep), c.circle, 'Change the manager or the backup of one of them.'
	 FROM leadroute.reps r
		CROSS JOIN LATERAL (VALUES (leadroute.rep_circle(r.flow, r.rep, 'manager')), (leadroute.rep_circle(r.flow, r.rep, 'backup'))) c(circle)
	 WHERE r.flow = check_people.flow AND (r.manager IS NOT NULL OR r.backup IS NOT NULL) AND c.circle IS NOT NULL
	 ORDER BY r.rep, c.circle)
	UNION ALL
	(SELECT 'warning', format('rep "%s"', r.rep), format('its %s "%s" is not a rep', n.kind, n.name), format('Insert into leadroute.reps, or change the %s.', n.kind)
	 FROM leadroute.reps r CROSS JOIN LATERAL (VALUES ('manager', r.manager), ('backup', r.backup)) n(kind, name)
	 WHERE r.flow = check_people.flow AND n.name IS NOT NULL
		AND NOT EXISTS (SELECT FROM leadroute.reps o WHERE o.flow = r.flow AND o.rep = n.name)
	 ORDER BY r.rep, n.kind)
	UNION ALL
	(SELECT 'warning', format('%s of "%s"', n.kind, n.rep), 'is of no rep', format('Insert into leadroute.reps, or delete the row of leadroute.%s.', n.kind)
	 FROM (SELECT 'time_off' AS kind, o.rep FROM leadroute.time_off o WHERE o.flow = check_people.flow
		   UNION SELECT 'rep_skills', s.rep FROM leadroute.rep_skills s WHERE s.flow = check_people.flow) n
	 WHERE NOT EXISTS (SELECT FROM leadroute.reps r WHERE r.flow = check_people.flow AND r.rep = n.rep)
	 ORDER BY n.kind, n.rep)
	UNION ALL
	(SELECT 'error', format('team "%s"', t.team), 'goes by the team''s hours and has no calendar', 'Set teams.calendar, or hours to ''rep'' or ''none''.'
	 FROM leadroute.teams t WHERE t.flow = check_people.flow AND t.hours = 'team' AND t.calendar IS NULL
	 ORDER BY t.team)
	UNION ALL
	(SELECT 'warning', format('team "%s"', t.team),
		format('is least loaded, but %s of its members have no capacity: they count as having the largest', count(*) FILTER (WHERE m.capacity IS NULL AND r.capacity IS NULL)),
		'Give each member a capacity, or none.'
	 FROM leadroute.teams t JOIN leadroute.team_members m ON m.flow = t.flow AND m.team = t.team
		LEFT JOIN leadroute.reps r ON r.flow = m.flow AND r.rep = m.rep
	 WHERE t.flow = check_people.flow AND t.strategy = 'least_loaded' AND m.weight > 0
	 GROUP BY t.team
	 HAVING count(*) FILTER (WHERE m.capacity IS NULL AND r.capacity IS NULL) > 0 AND count(m.capacity) + count(r.capacity) > 0
	 ORDER BY t.team)
	UNION ALL
	(SELECT 'warning', format('team "%s"', t.team), 'is ranked, but none of its members has a rank', 'Set team_members.rank: 1 goes first.'
	 FROM leadroute.teams t
	 WHERE t.flow = check_people.flow AND t.strategy = 'ranked'
		AND NOT EXISTS (SELECT FROM leadroute.team_members m WHERE m.flow = t.flow AND m.team = t.team AND m.rank IS NOT NULL)
	 ORDER BY t.team)
$$;
COMMENT ON FUNCTION leadroute.check_people(text) IS 'Part of check_flow(): faults of reps, leave, skills and teams.';
