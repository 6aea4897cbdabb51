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

