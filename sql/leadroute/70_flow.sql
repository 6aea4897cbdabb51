/*
 * Whether a flow is complete, switching it on and off, and leads that a full refresh did not bring back.
 */

CREATE FUNCTION leadroute.clock() RETURNS timestamptz
LANGUAGE c VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'lr_sql_clock';
COMMENT ON FUNCTION leadroute.clock() IS 'The instant that leadroute takes for now: leadroute.clock where it is set, else the real one.';

CREATE FUNCTION leadroute.check_flow(flow text DEFAULT 'default')
	RETURNS TABLE (severity text, object text, problem text, hint text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	subject		leadroute.flows;
	attachment	leadroute.attachments;
	leads		regclass;
	rule		record;
	written		record;
	stored		text;
	condition_fault text;
	condition_detail text;
BEGIN
	SELECT f.* INTO subject FROM leadroute.flows f WHERE f.flow = check_flow.flow;
	IF NOT FOUND THEN
		RETURN QUERY VALUES ('error', format('flow "%s"', check_flow.flow), 'does not exist',
							 'Attach a leads table to it, or insert a row into leadroute.flows.');
		RETURN;
	END IF;

	/* the table */
	attachment := leadroute.flow_attachment(subject.flow);
	leads := leadroute.attachment_table(attachment);
	IF attachment.flow IS NULL THEN
		RETURN QUERY VALUES ('warning', format('flow "%s"', subject.flow), 'has no leads table', 'SELECT leadroute.attach(''public.leads'').');
	ELSIF leads IS NULL THEN
		RETURN QUERY VALUES ('warning', format('table %I.%I', attachment.table_schema, attachment.table_name), 'is attached but does not exist',
							 'The triggers are put on whatever takes its name.');
	ELSIF attachment.status = 'broken' THEN
		/* a loader's DDL broke it: that must not stand in the way of configuration */
		RETURN QUERY VALUES (CASE WHEN subject.active THEN 'warning' ELSE 'error' END, format('table %s', leads),
							 format('does not fit its attachment: %s', attachment.problem),
							 format('Change the table, or attach it again: SELECT leadroute.attach(%L, flow => %L, columns => …).', leads, attachment.flow));
	END IF;

	/* the flow's own conditions; judged when they were written: if one fails now the table has changed, which must not stand in the way of configuration */
	FOR rule IN SELECT c.name, c.condition, c.type FROM leadroute.flow_conditions(subject) c WHERE leads IS NOT NULL LOOP
		BEGIN
			PERFORM leadroute.check_expression(rule.condition, leads, rule.type, subject.flow);
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS condition_fault = MESSAGE_TEXT, condition_detail = PG_EXCEPTION_HINT;
			RETURN QUERY VALUES (CASE WHEN subject.active THEN 'warning' ELSE 'error' END, format('flow "%s"', subject.flow),
								 format('%s (%s) is not valid: %s', rule.name, rule.condition, condition_fault),
								 coalesce(nullif(condition_detail, ''), format('Write it as an expression of type %s over the columns of the leads table.', rule.type)));
		END;
	END LOOP;

	/* the rules */
	SELECT r.* INTO rule FROM leadroute.rules r WHERE r.flow = subject.flow ORDER BY r.position DESC LIMIT 1;
	IF NOT FOUND THEN
		RETURN QUERY VALUES ('error', format('flow "%s"', subject.flow), 'has no rules', 'Insert at least one, without a condition.');
	ELSIF rule.condition IS NOT NULL THEN
		RETURN QUERY VALUES ('error', format('rule "%s"', rule.rule), 'is the last one and has a condition',
							 'Add a rule without a condition behind it: every lead must end somewhere.');
	END IF;
	IF rule.target = 'hold' THEN
		RETURN QUERY VALUES ('error', format('rule "%s"', rule.rule), 'is the last one and holds leads',
							 'Add a rule behind it: what is held goes to the rules below.');
	END IF;
	FOR rule IN
		SELECT r.*, lag(r.rule) OVER (ORDER BY r.position) AS before,
			lag(r.condition IS NULL AND (r.if_unavailable = 'wait' OR r.target IN ('queue', 'discard'))) OVER (ORDER BY r.position) AS stops
		FROM leadroute.rules r WHERE r.flow = subject.flow ORDER BY r.position
	LOOP
		IF rule.stops THEN
			RETURN QUERY VALUES ('warning', format('rule "%s"', rule.rule), format('is never reached: rule "%s" takes every lead', rule.before),
								 'Move it before that one, or delete it.');
		END IF;
		IF rule.condition IS NOT NULL AND leads IS NOT NULL THEN
			BEGIN
				PERFORM leadroute.check_condition(rule.condition, leads, subject.flow);
			EXCEPTION WHEN OTHERS THEN
				GET STACKED DIAGNOSTICS condition_fault = MESSAGE_TEXT, condition_detail = PG_EXCEPTION_HINT;
				/* judged when it was written; if it fails now the table has changed, which must not stand in the way of configuration */
				RETURN QUERY VALUES (CASE WHEN subject.active THEN 'warning' ELSE 'error' END, format('rule "%s"', rule.rule), format('its condition (%s) is not valid: %s', rule.condition, condition_fault),
									 coalesce(nullif(condition_detail, ''), 'Write it as a boolean expression over the columns of the leads table.'));
			END;
		END IF;
		IF rule.skills IS NOT NULL AND leads IS NOT NULL THEN
			BEGIN
				PERFORM leadroute.check_expression(rule.skills, leads, 'text[]'::regtype, subject.flow);
			EXCEPTION WHEN OTHERS THEN
				GET STACKED DIAGNOSTICS condition_fault = MESSAGE_TEXT, condition_detail = PG_EXCEPTION_HINT;
				RETURN QUERY VALUES (CASE WHEN subject.active THEN 'warning' ELSE 'error' END, format('rule "%s"', rule.rule), format('its skills (%s) are not valid: %s', rule.skills, condition_fault),
									 coalesce(nullif(condition_detail, ''), 'Write them as an expression over the columns of the leads table that gives text[].'));
			END;
		END IF;
		IF rule.target IN ('team', 'rep', 'queue', 'territory') AND NOT (CASE rule.target
				WHEN 'team' THEN EXISTS (SELECT FROM leadroute.teams t WHERE t.flow = subject.flow AND t.team = rule.target_name)
				WHEN 'rep' THEN EXISTS (SELECT FROM leadroute.reps p WHERE p.flow = subject.flow AND p.rep = rule.target_name)
				WHEN 'queue' THEN EXISTS (SELECT FROM leadroute.queues q WHERE q.flow = subject.flow AND q.queue = rule.target_name)
				ELSE EXISTS (SELECT FROM leadroute.territories m WHERE m.flow = subject.flow AND m.map = rule.target_name) END) THEN
			RETURN QUERY VALUES ('error', format('rule "%s"', rule.rule),
								 format('its target, %s "%s", %s', CASE rule.target WHEN 'territory' THEN 'map' ELSE rule.target END, rule.target_name,
										CASE rule.target WHEN 'territory' THEN 'has no territories' ELSE 'does not exist' END),
								 format('Insert into leadroute.%s, or change target_name.',
										CASE rule.target WHEN 'territory' THEN 'territories' ELSE rule.target || 's' END));
		END IF;
	END LOOP;

	IF EXISTS (SELECT FROM leadroute.rules r WHERE r.flow = subject.flow AND r.target = 'account_owner')
		AND NOT EXISTS (SELECT FROM leadroute.accounts a WHERE a.flow = subject.flow) THEN
		RETURN QUERY
			SELECT 'warning', format('rule "%s"', r.rule), 'its target is account_owner, and there are no accounts',
				'Insert into leadroute.accounts and account_domains, or SELECT leadroute.attach_accounts(…).'
			FROM leadroute.rules r WHERE r.flow = subject.flow AND r.target = 'account_owner' ORDER BY r.position LIMIT 1;
	END IF;
	/* keys are many: the first and the last stand for them */
	FOR written IN
		SELECT k.account, a.attname, format_type(a.atttypid, a.atttypmod) AS type, t.typcategory, a.atttypmod
		FROM ((SELECT x.account FROM leadroute.accounts x WHERE x.flow = subject.flow ORDER BY x.account LIMIT 1)
			  UNION (SELECT x.account FROM leadroute.accounts x WHERE x.flow = subject.flow ORDER BY x.account DESC LIMIT 1)) k
			JOIN pg_attribute a ON a.attrelid = leads AND a.attnum > 0 AND NOT a.attisdropped
				AND a.attname = leadroute.mapped_column(attachment.columns, 'account')
			JOIN pg_type t ON t.oid = leadroute.base_type(a.atttypid)
		WHERE t.typnamespace = 'pg_catalog'::regnamespace AND (t.typcategory <> 'S' OR (a.atttypmod > 4 AND length(k.account) > a.atttypmod - 4))
		ORDER BY 1
	LOOP
		BEGIN
			IF written.typcategory = 'S' THEN
				RAISE string_data_right_truncation USING MESSAGE = format('value too long for %s characters', written.atttypmod - 4);
			END IF;
			EXECUTE format('SELECT %L::%s', written.account, written.type);
		EXCEPTION WHEN data_exception THEN
			RETURN QUERY VALUES ('warning', format('account "%s"', written.account),
								 format('cannot be written to column "%s" of table %s: %s', written.attname, leads, SQLERRM),
								 'Leads keep what stands there. Map another column or none: columns => ''{"account": null}''.');
		END;
	END LOOP;

	/* the territories of maps that rules name */
	RETURN QUERY
		SELECT 'error', format('territory "%s" of map "%s"', m.territory, m.map), format('its team "%s" does not exist', m.team),
			'Insert into leadroute.teams, or change the territory.'
		FROM leadroute.territories m
		WHERE m.flow = subject.flow AND m.team IS NOT NULL
			AND m.map IN (SELECT r.target_name FROM leadroute.rules r WHERE r.flow = subject.flow AND r.target = 'territory')
			AND NOT EXISTS (SELECT FROM leadroute.teams t WHERE t.flow = subject.flow AND t.team = m.team)
		ORDER BY m.map, m.territory;
	RETURN QUERY
		SELECT 'error', format('territory "%s" of map "%s"', m.territory, m.map), format('its rep "%s" does not exist', m.rep),
			'Insert into leadroute.reps, or change the territory.'
		FROM leadroute.territories m
		WHERE m.flow = subject.flow AND m.rep IS NOT NULL
			AND m.map IN (SELECT r.target_name FROM leadroute.rules r WHERE r.flow = subject.flow AND r.target = 'territory')
			AND NOT EXISTS (SELECT FROM leadroute.reps p WHERE p.flow = subject.flow AND p.rep = m.rep)
		ORDER BY m.map, m.territory;

	/* teams: members that are there, and at least one who takes leads */
	RETURN QUERY
		SELECT CASE WHEN subject.active THEN 'warning' ELSE 'error' END, format('team "%s"', m.team), format('its member "%s" is not a rep', m.rep),
			'Insert into leadroute.reps, or delete the member.'
		FROM leadroute.team_members m
		WHERE m.flow = subject.flow
			AND EXISTS (SELECT FROM leadroute.teams t WHERE t.flow = subject.flow AND t.team = m.team)
			AND NOT EXISTS (SELECT FROM leadroute.reps p WHERE p.flow = subject.flow AND p.rep = m.rep)
		ORDER BY m.team, m.rep;
	RETURN QUERY
		SELECT CASE WHEN subject.active THEN 'warning' ELSE 'error' END, format('team "%s"', t.team), 'has no eligible member',
			'Insert into leadroute.team_members: an active rep, a weight above 0.'
		FROM leadroute.teams t
		WHERE t.flow = subject.flow
			AND (EXISTS (SELECT FROM leadroute.rules r WHERE r.flow = subject.flow AND r.target = 'team' AND r.target_name = t.team)
				 OR EXISTS (SELECT FROM leadroute.territories m
							WHERE m.flow = subject.flow AND m.team = t.team
								AND m.map IN (SELECT r.target_name FROM leadroute.rules r WHERE r.flow = subject.flow AND r.target = 'territory')))
			AND NOT EXISTS (SELECT FROM leadroute.team_members m JOIN leadroute.reps p ON p.flow = m.flow AND p.rep = m.rep
							WHERE m.flow = subject.flow AND m.team = t.team AND m.weight > 0 AND p.active)
		ORDER BY t.team;

	RETURN QUERY SELECT p.* FROM leadroute.check_people(subject.flow) p;
	RETURN QUERY SELECT s.* FROM leadroute.check_scoring(subject.flow) s;
	RETURN QUERY SELECT s.* FROM leadroute.check_prediction(subject.flow) s;
	RETURN QUERY
		SELECT 'error', format('team "%s"', t.team), format('its overflow, queue "%s", does not exist', t.overflow),
			'Insert into leadroute.queues, or change the team.'
		FROM leadroute.teams t
		WHERE t.flow = subject.flow AND t.overflow IS NOT NULL
			AND NOT EXISTS (SELECT FROM leadroute.queues q WHERE q.flow = subject.flow AND q.queue = t.overflow)
		ORDER BY t.team;

	RETURN QUERY SELECT c.* FROM leadroute.stage_faults(subject, leads, attachment.columns) c;

	/* calendars, and who names one */
	RETURN QUERY SELECT c.* FROM leadroute.calendar_faults(subject.flow) c;
	RETURN QUERY SELECT c.* FROM leadroute.sla_faults(subject, leads) c;

	/* the columns that take what we write */
	IF leads IS NOT NULL AND attachment.status = 'attached' THEN
		RETURN QUERY
			SELECT 'error', format('flow "%s"', subject.flow), s.line, 'Map the column in leadroute.attach(), or change the territory.'
			FROM regexp_split_to_table(leadroute.side_faults(attachment), '\n') s(line);
		FOR written IN
			/* the columns first: most can hold whatever we write, and a map may have a million territories */
			WITH narrow AS MATERIALIZED (
				SELECT o.canonical, a.attname, t.oid AS type, t.typcategory, a.atttypmod
				FROM unnest('{owner,team,territory}'::text[]) o(canonical)
					JOIN pg_attribute a ON a.attrelid = leads AND a.attnum > 0 AND NOT a.attisdropped
						AND a.attname = leadroute.mapped_column(attachment.columns, o.canonical)
					JOIN pg_type t ON t.oid = leadroute.base_type(a.atttypid)
				WHERE t.typcategory <> 'S' OR a.atttypmod > 4
			)
			SELECT v.kind, v.value, c.attname, c.type, c.typcategory, c.atttypmod
			FROM narrow c
				CROSS JOIN LATERAL (
					SELECT 'rep' AS kind, p.rep AS value FROM leadroute.reps p WHERE c.canonical = 'owner' AND p.flow = subject.flow
					UNION ALL SELECT 'team', t.team FROM leadroute.teams t WHERE c.canonical = 'team' AND t.flow = subject.flow
					UNION SELECT 'territory', m.territory FROM leadroute.territories m WHERE c.canonical = 'territory' AND m.flow = subject.flow) v
			WHERE c.typcategory <> 'S' OR length(v.value) > c.atttypmod - 4
			ORDER BY c.canonical, v.value
		LOOP
			BEGIN
				IF written.typcategory = 'S' THEN
					RAISE string_data_right_truncation USING MESSAGE = format('value too long for %s characters', written.atttypmod - 4);
				END IF;
				EXECUTE format('SELECT (%L::%s)::text', written.value, format_type(written.type, NULL)) INTO stored;
				IF stored <> written.value THEN
					RETURN QUERY VALUES ('error', format('%s "%s"', written.kind, written.value),
										 format('stands in column "%s" of table %s as "%s"', written.attname, leads, stored),
										 format('Name it "%s": what comes back from the table would be somebody else.', stored));
				END IF;
			EXCEPTION WHEN data_exception THEN
				RETURN QUERY VALUES ('error', format('%s "%s"', written.kind, written.value),
									 format('cannot be written to column "%s" of table %s: %s', written.attname, leads, SQLERRM),
									 format('Name it as the column''s type has it, or map another column or none: columns => ''{"%s": null}''.',
											CASE written.kind WHEN 'rep' THEN 'owner' ELSE written.kind END));
			END;
		END LOOP;
	END IF;
END
$$;
COMMENT ON FUNCTION leadroute.check_flow(text) IS
	'Everything that is wrong with a flow''s configuration: an error keeps activate() from switching it on, and a commit from leaving it so; a warning does not.';

CREATE FUNCTION leadroute.missing_sides(OUT flow text, OUT map text, OUT side text, OUT kind text) RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT DISTINCT ON (t.flow, t.map, s.side) t.flow, t.map, s.side, leadroute.side_kind(t.area, s.side)
	FROM leadroute.territories t CROSS JOIN LATERAL leadroute.sides(t.area) s(side)
	WHERE NOT EXISTS (SELECT FROM leadroute.territory_sides k WHERE k.flow = t.flow AND k.map = t.map AND k.side = s.side)
	ORDER BY t.flow, t.map, s.side
$$;
COMMENT ON FUNCTION leadroute.missing_sides() IS
	'Sides of territories that territory_sides does not know: none, unless territories were written with triggers disabled. activate() adds them.';

CREATE FUNCTION leadroute.activate(flow text DEFAULT 'default') RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	report	jsonb;
	faults	text;
	fault	record;
	waiting	bigint;
BEGIN
	IF flow IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'the flow must not be null';
	ELSIF NOT EXISTS (SELECT FROM leadroute.flows f WHERE f.flow = activate.flow) THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = format('flow "%s" does not exist', flow),
			HINT = 'Attach a leads table to it, or insert a row into leadroute.flows.';
	END IF;
	SELECT coalesce(jsonb_agg(c), '[]') INTO report FROM leadroute.check_flow(flow) c;
	SELECT string_agg(format('%s: %s', c.object, c.problem), E'\n') INTO faults
	FROM jsonb_to_recordset(report) c(severity text, object text, problem text)
	WHERE c.severity = 'error' OR c.problem = 'has no eligible member';
	IF faults IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('flow "%s" is not complete', flow),
			DETAIL = faults,
			HINT = format('SELECT * FROM leadroute.check_flow(%L) says what to do about each.', flow);
	END IF;
	FOR fault IN SELECT c.* FROM jsonb_to_recordset(report) c(severity text, object text, problem text, hint text) WHERE c.severity = 'warning' LOOP
		RAISE WARNING USING MESSAGE = format('%s: %s', fault.object, fault.problem), HINT = fault.hint;
	END LOOP;
	/* territories that came while triggers were disabled */
	INSERT INTO leadroute.territory_sides (flow, map, side, kind, place)
		SELECT m.flow, m.map, m.side, m.kind, leadroute.side_place(leadroute.flow_attachment(m.flow), m.side) FROM leadroute.missing_sides() m WHERE m.flow = activate.flow
		ON CONFLICT DO NOTHING;
	UPDATE leadroute.flows f SET active = true, checked = true WHERE f.flow = activate.flow;
	SELECT count(*) INTO waiting FROM leadroute.lead_states s
	WHERE s.flow = activate.flow AND s.status = 'unrouted' AND s.closed_at IS NULL AND s.code IN ('pending', 'flow_off', 'disabled', 'routing_error', 'no_library');
	RETURN format('flow "%s" is active', flow)
		|| CASE WHEN waiting > 0
				THEN format('; %s lead%s arrived before and %s not routed yet: CALL leadroute.catch_up(%L)', waiting,
							CASE waiting WHEN 1 THEN '' ELSE 's' END, CASE waiting WHEN 1 THEN 'is' ELSE 'are' END, leadroute.flow_table(flow))
				ELSE '' END;
END
$$;
COMMENT ON FUNCTION leadroute.activate(text) IS 'Checks a flow whole, lists every fault at once, else switches it on; answers how many leads arrived before.';

CREATE FUNCTION leadroute.deactivate(flow text DEFAULT 'default') RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	UPDATE leadroute.flows f SET active = false WHERE f.flow = deactivate.flow;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = format('flow "%s" does not exist', flow),
			HINT = 'leadroute.flows lists them.';
	END IF;
	RETURN format('flow "%s" is off; leads are stored and recorded as unrouted', flow);
END
$$;
COMMENT ON FUNCTION leadroute.deactivate(text) IS 'Switches a flow off: leads are stored and recorded as unrouted, for catch_up().';

/* --- gone --- */

CREATE FUNCTION leadroute.close_gone(flow text, batch integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	attachment	leadroute.attachments;
	wait		interval;
	leads		regclass;
	flow_value	text;
	place		record;
	closed		integer := 0;
BEGIN
	SELECT a.* INTO attachment FROM leadroute.attachments a WHERE a.flow = close_gone.flow;
	SELECT f.gone_after INTO wait FROM leadroute.flows f WHERE f.flow = close_gone.flow;
	leads := leadroute.attachment_table(attachment);
	IF leads IS NULL OR attachment.status <> 'attached' OR attachment.refreshed_at IS NULL
		OR attachment.gone_at >= attachment.refreshed_at OR leadroute.clock() < attachment.refreshed_at + wait THEN
		RETURN 0;
	END IF;
	flow_value := CASE WHEN attachment.flow_column IS NULL THEN format('%L::text', attachment.flow)
					   ELSE format('coalesce((SELECT f.flow FROM leadroute.flows f WHERE f.flow = format(''%%s'', t.%I)), %L)',
								   attachment.flow_column, attachment.flow) END;
	FOR place IN EXECUTE format($gone$
		WITH gone AS (
			SELECT s.flow, s.lead, s.status, s.owner, s.team
			FROM leadroute.lead_states s
			WHERE s.status IN ('assigned', 'waiting', 'unrouted', 'duplicate') AND s.closed_at IS NULL
				AND (s.flow = $1 OR ($2 AND (leadroute.flow_attachment(s.flow)).flow = $1))
				AND NOT EXISTS (SELECT FROM %1$s t WHERE format('%%s', t.%2$I) = s.lead AND %3$s = s.flow)
			LIMIT $3
			FOR UPDATE OF s SKIP LOCKED
		), closed AS (
			UPDATE leadroute.lead_states s SET outcome = 'gone', closed_at = $4
			FROM gone g WHERE s.flow = g.flow AND s.lead = g.lead
			RETURNING s.flow, s.lead, s.owner, s.team, s.territory, s.queue, g.status
		), told AS (
			INSERT INTO leadroute.events (flow, lead, at, kind, code, owner, team, territory, queue, reason)
			SELECT c.flow, c.lead, $4, 'closed', 'gone', c.owner, c.team, c.territory, c.queue, 'its row stands in the table no more, after a full refresh or without a partition'
			FROM closed c
		)
		SELECT c.flow, coalesce(c.team, '') AS team, CASE c.status WHEN 'assigned' THEN c.owner WHEN 'waiting' THEN CASE WHEN c.team IS NOT NULL THEN '' END END AS owner, count(*)::integer AS leads,
			array_agg(c.lead) AS keys
		FROM closed c GROUP BY 1, 2, 3$gone$, leads, attachment.key_column, flow_value)
		USING attachment.flow, attachment.flow_column IS NOT NULL, batch, leadroute.clock()
	LOOP
		closed := closed + place.leads;
		PERFORM leadroute.clocks_closed(place.flow, place.keys, 'gone', leadroute.clock());
		IF place.owner IS NOT NULL THEN
			PERFORM leadroute.rotation_open(place.flow, place.team, place.owner, -place.leads);
		END IF;
	END LOOP;
	IF closed = 0 THEN
		/* what they held is free as they are gone; once, since nothing finds keys by their lead */
		DELETE FROM leadroute.identities i USING leadroute.lead_states s
			WHERE s.flow = i.flow AND s.lead = i.lead AND i.kind <> 'key' AND s.closed_at IS NOT NULL AND s.outcome = ANY ('{gone,deleted,moved}')
				AND (i.flow = attachment.flow OR (attachment.flow_column IS NOT NULL AND (leadroute.flow_attachment(i.flow)).flow = attachment.flow));
		UPDATE leadroute.attachments a SET gone_at = leadroute.clock() WHERE a.flow = attachment.flow;
		/* now it is known which duplicates are left */
		PERFORM leadroute.sweep_orphans(f, 1000000) FROM unnest(leadroute.match_flows(attachment)) f;
	END IF;
	RETURN closed;
END
$$;
COMMENT ON FUNCTION leadroute.close_gone(text, integer) IS
	'Part of sweep(): closes up to "batch" leads that were not found again a set time after a full refresh, and frees their places; answers how many.';
