/*
 * Proof: that counts are right, and that leads were shared out as they should have been.
 */

CREATE FUNCTION leadroute.cap_drift(OUT flow text, OUT team text, OUT rep text, OUT period text, OUT begins timestamptz,
									OUT shared_leads integer, OUT ledger_leads integer)
	RETURNS SETOF record
	LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, leadroute, pg_temp
BEGIN ATOMIC
	SELECT k.flow, k.team, k.rep, c.period, c.begins, c.leads, l.leads
	  FROM (SELECT m.flow, m.team, m.rep, array_to_string(m.caps, ',') AS caps, array_to_string(p.caps, ',') AS rep_caps
			  FROM leadroute.team_members m LEFT JOIN leadroute.reps p ON p.flow = m.flow AND p.rep = m.rep
			 WHERE m.caps IS NOT NULL OR p.caps IS NOT NULL) k
	 CROSS JOIN LATERAL leadroute.rotation_counts(k.flow, k.team, k.rep) c
	 CROSS JOIN LATERAL (SELECT coalesce(sum(r.leads), 0)::integer AS leads FROM leadroute.rotation r
						  WHERE r.flow = k.flow AND r.rep = k.rep AND (c.of_rep OR r.team = k.team)
							AND r.minute >= c.begins AND r.minute < c.ends) l
	 WHERE CASE WHEN c.of_rep THEN k.rep_caps ELSE k.caps END ~ ('per ' || c.period || '(,|$)')
	   AND CASE WHEN c.period ~ 'rolling' THEN c.begins >= leadroute.clock() - interval '1 hour' ELSE c.ends > leadroute.clock() END
	   AND c.leads <> l.leads
	 ORDER BY k.flow, k.team, k.rep, c.period, c.begins;
END;
COMMENT ON FUNCTION leadroute.cap_drift() IS
	'Spans of time of which shared memory and the ledger disagree how many leads were given to whom a cap limits: none, while no transaction that routes is open.';


CREATE FUNCTION leadroute.rotation_tallies(flow text, team text, rep text, takes boolean, OUT expected double precision, OUT passed bigint[])
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_rotation_tallies';
COMMENT ON FUNCTION leadroute.rotation_tallies(text, text, text, boolean) IS
	'Internal: how many leads a member could expect, and how often he was passed over, since this was last taken; "takes" begins anew.';

/* Written by sweeps, a row a member and hour: figures, not state. */
CREATE TABLE leadroute.pick_tallies (
	flow			text COLLATE "C" NOT NULL,
	team			text COLLATE "C" NOT NULL,
	rep				text COLLATE "C" NOT NULL,
	hour			timestamptz NOT NULL,
	expected		double precision NOT NULL,
	not_accepting	bigint NOT NULL,
	on_leave		bigint NOT NULL,
	let_lapse		bigint NOT NULL,
	no_skill		bigint NOT NULL,
	off_shift		bigint NOT NULL,
	no_capacity		bigint NOT NULL,
	capped			bigint NOT NULL,
	PRIMARY KEY (flow, team, rep, hour)
);
COMMENT ON TABLE leadroute.pick_tallies IS
	'How many leads each member of a team could expect, and how often he was passed over and why, by the hour; written by sweeps, read through fairness(). Picks that rolled back stay counted; a crash forgets what no sweep has written.';
COMMENT ON COLUMN leadroute.pick_tallies.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.pick_tallies.team IS 'The team.';
COMMENT ON COLUMN leadroute.pick_tallies.rep IS 'The member.';
COMMENT ON COLUMN leadroute.pick_tallies.hour IS 'The hour, of UTC, in which a sweep wrote it down.';
COMMENT ON COLUMN leadroute.pick_tallies.expected IS 'Leads he could expect: for each pick his weight''s share among those who could have been picked.';
COMMENT ON COLUMN leadroute.pick_tallies.not_accepting IS 'Picks for which his turn had come and he was not accepting.';
COMMENT ON COLUMN leadroute.pick_tallies.on_leave IS 'Picks for which his turn had come and he was on leave.';
COMMENT ON COLUMN leadroute.pick_tallies.let_lapse IS 'Picks for which his turn had come and he had let that lead lapse before.';
COMMENT ON COLUMN leadroute.pick_tallies.no_skill IS 'Picks for which his turn had come and he lacked a skill.';
COMMENT ON COLUMN leadroute.pick_tallies.off_shift IS 'Picks for which his turn had come and he was off shift.';
COMMENT ON COLUMN leadroute.pick_tallies.no_capacity IS 'Picks for which his turn had come and he was at capacity.';
COMMENT ON COLUMN leadroute.pick_tallies.capped IS 'Picks for which his turn had come and he was at a cap.';

CREATE FUNCTION leadroute.write_tallies(flow text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	written	bigint;
BEGIN
	IF NOT leadroute.rotation_ready() THEN
		RETURN 0;
	END IF;
	INSERT INTO leadroute.pick_tallies AS k (flow, team, rep, hour, expected, not_accepting, on_leave, let_lapse, no_skill, off_shift, no_capacity, capped)
		SELECT m.flow, m.team, m.rep, date_trunc('hour', leadroute.clock(), 'UTC'), t.expected,
			t.passed[1], t.passed[2], t.passed[3], t.passed[4], t.passed[5], t.passed[6], t.passed[7]
		FROM leadroute.team_members m CROSS JOIN LATERAL leadroute.rotation_tallies(m.flow, m.team, m.rep, true) t
		WHERE m.flow = write_tallies.flow AND (t.expected > 0 OR (SELECT sum(p) FROM unnest(t.passed) p) > 0)
		ON CONFLICT ON CONSTRAINT pick_tallies_pkey DO UPDATE SET expected = k.expected + EXCLUDED.expected,
			not_accepting = k.not_accepting + EXCLUDED.not_accepting, on_leave = k.on_leave + EXCLUDED.on_leave, let_lapse = k.let_lapse + EXCLUDED.let_lapse,
			no_skill = k.no_skill + EXCLUDED.no_skill, off_shift = k.off_shift + EXCLUDED.off_shift,
			no_capacity = k.no_capacity + EXCLUDED.no_capacity, capped = k.capped + EXCLUDED.capped;
	GET DIAGNOSTICS written = ROW_COUNT;
	RETURN written;
END
$$;
COMMENT ON FUNCTION leadroute.write_tallies(text) IS 'Part of sweep(): writes down the figures for fairness() of one flow; answers how many rows.';

CREATE FUNCTION leadroute.fairness(team text, "from" timestamptz DEFAULT '-infinity', "to" timestamptz DEFAULT 'infinity', flow text DEFAULT 'default')
	RETURNS TABLE (rep text, weight integer, expected numeric, actual bigint, expected_share numeric, actual_share numeric,
				   not_accepting bigint, on_leave bigint, let_lapse bigint, no_skill bigint, off_shift bigint, no_capacity bigint, capped bigint, given bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	WITH member AS (
		SELECT m.rep, m.weight, p.active
		FROM leadroute.team_members m LEFT JOIN leadroute.reps p ON p.flow = m.flow AND p.rep = m.rep
		WHERE m.flow = fairness.flow AND m.team = fairness.team
	), picked AS (
		SELECT e.owner AS rep, count(*) FILTER (WHERE e.gave = 'picked') AS leads, count(*) FILTER (WHERE e.gave = 'given') AS given
		FROM (SELECT v.owner, leadroute.event_gave(v.kind, v.code, v.owner, v.previous_owner) AS gave
			  FROM leadroute.events v
			  WHERE v.flow = fairness.flow AND v.team = fairness.team AND v.owner IS NOT NULL AND v.at >= fairness."from" AND v.at < fairness."to") e
		GROUP BY e.owner
	), tallied AS (
		SELECT t.rep, sum(t.expected) AS expected, sum(t.not_accepting)::bigint AS not_accepting, sum(t.on_leave)::bigint AS on_leave,
			sum(t.let_lapse)::bigint AS let_lapse, sum(t.no_skill)::bigint AS no_skill, sum(t.off_shift)::bigint AS off_shift,
			sum(t.no_capacity)::bigint AS no_capacity, sum(t.capped)::bigint AS capped
		FROM (SELECT k.rep, k.expected, k.not_accepting, k.on_leave, k.let_lapse, k.no_skill, k.off_shift, k.no_capacity, k.capped
			  FROM leadroute.pick_tallies k
			  WHERE k.flow = fairness.flow AND k.team = fairness.team AND k.hour >= date_trunc('hour', fairness."from", 'UTC') AND k.hour < fairness."to"
			  UNION ALL
			  /* what no sweep has written yet happened just now */
			  SELECT m.rep, n.expected, n.passed[1], n.passed[2], n.passed[3], n.passed[4], n.passed[5], n.passed[6], n.passed[7]
			  FROM member m CROSS JOIN LATERAL leadroute.rotation_tallies(fairness.flow, fairness.team, m.rep, false) n
			  WHERE fairness."from" <= leadroute.clock() AND fairness."to" > leadroute.clock()) t
		GROUP BY t.rep
	), total AS (
		SELECT coalesce(sum(p.leads), 0)::double precision AS leads, least(coalesce((SELECT sum(t.expected) FROM tallied t), 0), coalesce(sum(p.leads), 0)) AS tallied,
			(SELECT sum(t.expected) FROM tallied t) AS figures, (SELECT sum(m.weight) FROM member m WHERE m.active) AS weight
		FROM picked p
	), standing AS (
		/* picks that turns alone decided leave no figures: there each could expect his weight's share */
		SELECT coalesce(m.rep, p.rep, t.rep) AS rep, m.weight,
			coalesce(t.expected * l.tallied / nullif(l.figures, 0), 0)
				+ CASE WHEN m.active THEN (l.leads - l.tallied) * m.weight / nullif(l.weight, 0) ELSE 0 END AS expected,
			coalesce(p.leads, 0) AS actual, coalesce(p.given, 0) AS given, l.leads, t.not_accepting, t.on_leave, t.let_lapse, t.no_skill, t.off_shift, t.no_capacity, t.capped
		FROM member m FULL JOIN picked p ON p.rep = m.rep FULL JOIN tallied t ON t.rep = coalesce(m.rep, p.rep) CROSS JOIN total l
	)
	SELECT s.rep, s.weight, round(s.expected::numeric, 2), s.actual, round((s.expected / nullif(s.leads, 0))::numeric, 4), round((s.actual / nullif(s.leads, 0))::numeric, 4),
		coalesce(s.not_accepting, 0), coalesce(s.on_leave, 0), coalesce(s.let_lapse, 0), coalesce(s.no_skill, 0), coalesce(s.off_shift, 0), coalesce(s.no_capacity, 0), coalesce(s.capped, 0), s.given
	FROM standing s
	ORDER BY s.rep
$$;
COMMENT ON FUNCTION leadroute.fairness(text, timestamptz, timestamptz, text) IS
	'How a team''s leads were shared out from one instant to another: for each member the leads that he could expect (of each pick his weight''s share among those who could have been picked) beside those that he was picked for, when they arrived or later, from a queue, after somebody who went away or let them lapse; how often his turn had come and he was passed over, by reason; and how many leads of the team he was given past all turns (given: by hands, or as a person''s or account''s earlier rep). Leads count by the instant of the event, figures by the hour of UTC.';

/* --- why somebody did not get a lead --- */

CREATE FUNCTION leadroute.explain_at(lead text, flow text, at timestamptz, OUT step integer, OUT item text, OUT name text, OUT verdict text, OUT detail text)
	RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_explain_lead';
COMMENT ON FUNCTION leadroute.explain_at(text, text, timestamptz) IS
	'As explain(lead, flow), but what would be decided is asked of another instant: hours, leave and the periods of caps are those of then, open leads and counts those of now.';

CREATE FUNCTION leadroute.why_not(lead text, rep text, flow text DEFAULT 'default') RETURNS text
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	state	record;
	line	record;
	taker	text;
	number	integer;
BEGIN
	SELECT s.owner, s.routed_at, s.route_reason INTO state FROM leadroute.lead_states s WHERE s.flow = why_not.flow AND s.lead = why_not.lead;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'no_data_found', MESSAGE = format('lead "%s" of flow "%s" is not known', lead, flow),
			HINT = 'explain(row) answers for a row that is not stored.';
	END IF;
	IF state.owner = rep THEN
		RETURN format('%s has the lead: %s', rep, state.route_reason);
	END IF;
	FOR line IN
		SELECT e.item, e.name, e.verdict, e.detail
		FROM leadroute.explain_at(lead, flow, coalesce(state.routed_at, leadroute.clock())) e
		WHERE e.item = 'rep' AND e.name = rep
		ORDER BY e.step DESC LIMIT 1
	LOOP
		number := substring(line.detail FROM 'number ([0-9]+)$')::integer;
		taker := coalesce(format('%s has it', state.owner), 'nobody has it');
		IF number IS NULL THEN
			RETURN format('%s: %s', rep, line.verdict);
		ELSIF line.verdict LIKE 'passed over: %' THEN
			RETURN format('%s was %s; he would have been %s', rep, line.verdict, leadroute.ordinal(number));
		END IF;
		RETURN format('%s could have had it and was %s in turn; %s', rep, leadroute.ordinal(number), taker);
	END LOOP;
	RETURN format('%s was not asked: %s', rep, coalesce(state.route_reason, 'the lead is not routed'));
END
$$;
COMMENT ON FUNCTION leadroute.why_not(text, text, text) IS
	'In one sentence, why a rep did not get a lead: hours and leave as of its decision, open leads and counts as they stand now. Errors: no_data_found for a lead that is not known.';
CREATE FUNCTION leadroute.why_not(lead bigint, rep text, flow text DEFAULT 'default') RETURNS text
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$ SELECT leadroute.why_not(lead::text, rep, flow) $$;
COMMENT ON FUNCTION leadroute.why_not(bigint, text, text) IS 'why_not for a lead whose key is a number.';
CREATE FUNCTION leadroute.why_not(lead uuid, rep text, flow text DEFAULT 'default') RETURNS text
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$ SELECT leadroute.why_not(lead::text, rep, flow) $$;
COMMENT ON FUNCTION leadroute.why_not(uuid, text, text) IS 'why_not for a lead whose key is a uuid.';

CREATE FUNCTION leadroute.ordinal(n integer) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT coalesce(('{first,second,third,fourth,fifth}'::text[])[n], n || CASE WHEN n % 100 BETWEEN 11 AND 13 THEN 'th' WHEN n % 10 = 1 THEN 'st' WHEN n % 10 = 2 THEN 'nd' WHEN n % 10 = 3 THEN 'rd' ELSE 'th' END)
$$;
COMMENT ON FUNCTION leadroute.ordinal(integer) IS 'A number as an ordinal: first, second, 21st.';
