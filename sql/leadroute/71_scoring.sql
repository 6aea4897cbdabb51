/*
 * Scores of leads that are known: asking for them, and the signals that change them.
 */
ALTER TABLE leadroute.signals ALTER at SET DEFAULT leadroute.clock(), ALTER created_at SET DEFAULT leadroute.clock();

CREATE FUNCTION leadroute.score(lead text, at timestamptz DEFAULT NULL, flow text DEFAULT 'default') RETURNS numeric
LANGUAGE c CALLED ON NULL INPUT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_score';
COMMENT ON FUNCTION leadroute.score(text, timestamptz, text) IS
	'The score of a lead, 0 to 100, as its row is now and as its signals are at an instant (NULL: now); NULL where the flow has no scoring model. Needs SELECT on the leads table. Errors: no_data_found for a lead that is not in the table.';

CREATE FUNCTION leadroute.score_explain(lead text, at timestamptz DEFAULT NULL, flow text DEFAULT 'default',
	OUT line integer, OUT dimension text, OUT item text, OUT name text, OUT signals integer, OUT raw_points numeric, OUT points numeric,
	OUT contribution numeric) RETURNS SETOF record
LANGUAGE c CALLED ON NULL INPUT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_score_explain';
COMMENT ON FUNCTION leadroute.score_explain(text, timestamptz, text) IS
	'What a score is made of: a line for each criterion that has points (signals: how many of its type count; raw_points: without decay and max_points; points: with them), for what a cap, the floor 0 or the ceiling 100 takes or adds, for what a signal takes that leaves the lead out of scoring (exclusion), and for rounding. contribution is what the line brings the score, its dimension''s weight in it; the lines of item weight say which that is, and bring none. The contributions of all lines are the score, to the point. Rights and errors as score().';

CREATE FUNCTION leadroute.rescore(flow text, lead text) RETURNS boolean
LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_rescore';
COMMENT ON FUNCTION leadroute.rescore(text, text) IS
	'Works out the score of a stored lead as of now, writes it into state and row, and decides about the lead again where route_when, hold_until or reroute_when says so. False where nobody knows the lead, or its flow is off or does not score.';
REVOKE ALL ON FUNCTION leadroute.rescore(text, text) FROM PUBLIC;

CREATE FUNCTION leadroute.rescore_if_free(flow text, lead text, first boolean) RETURNS text
LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_rescore_pending';
COMMENT ON FUNCTION leadroute.rescore_if_free(text, text, boolean) IS
	'Part of sweep(): rescore(), of a duplicate''s first one if "first", which waits for nobody: done, unknown (no such lead), off (the flow is), or locked (somebody holds its row, or it failed, with a WARNING).';
REVOKE ALL ON FUNCTION leadroute.rescore_if_free(text, text, boolean) FROM PUBLIC;

CREATE FUNCTION leadroute.signal(lead text, type text, at timestamptz DEFAULT NULL, event_id text DEFAULT NULL, detail jsonb DEFAULT NULL,
	flow text DEFAULT 'default') RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	INSERT INTO leadroute.signals (flow, lead, type, at, event_id, detail)
		VALUES (signal.flow, signal.lead, signal.type, coalesce(signal.at, leadroute.clock()), signal.event_id, signal.detail);
	RETURN FOUND;
END
$$;
COMMENT ON FUNCTION leadroute.signal(text, text, timestamptz, text, jsonb, text) IS
	'Writes a signal of a lead, at an instant (NULL: now), and so its score. Answers whether it counted: false where a signal of this event id was there already. Needs INSERT on leadroute.signals, as leadroute_operator has.';

SELECT leadroute.for_other_keys('score', 'score_explain', 'signal');

/* --- signals as they come --- */

CREATE FUNCTION leadroute.signal_arrives() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'lr_signal_arrives';
COMMENT ON FUNCTION leadroute.signal_arrives() IS 'Trigger on signals: drops a second row of an event id.';
CREATE TRIGGER signal_arrives BEFORE INSERT ON leadroute.signals
	FOR EACH ROW EXECUTE FUNCTION leadroute.signal_arrives();

CREATE FUNCTION leadroute.signals_inserted() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'lr_signals_inserted';
COMMENT ON FUNCTION leadroute.signals_inserted() IS 'Trigger on signals: the leads of a statement''s signals get their scores.';
CREATE TRIGGER signals_inserted AFTER INSERT ON leadroute.signals REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION leadroute.signals_inserted();

/* Whoever brought the lead meanwhile has committed before us, or sees our row when he does. */
CREATE FUNCTION leadroute.rescore_at_commit() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	IF leadroute.rescore_if_free(NEW.flow, NEW.lead, true) = 'done' THEN
		DELETE FROM leadroute.pending_rescores p WHERE p.flow = NEW.flow AND p.lead = NEW.lead;
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION leadroute.rescore_at_commit() IS 'Trigger on pending_rescores, when the transaction commits: a lead that has arrived meanwhile gets its score.';
CREATE CONSTRAINT TRIGGER rescore_at_commit AFTER INSERT ON leadroute.pending_rescores
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION leadroute.rescore_at_commit();

CREATE FUNCTION leadroute.rescore_due(flow text, batch integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	due		text;
	pending	record;
	scored	integer := 0;
	horizon	xid8 := pg_snapshot_xmax(pg_current_snapshot());
	ended	xid8 := pg_snapshot_xmin(pg_current_snapshot());
	instant	timestamptz := leadroute.clock();
BEGIN
	/* decay has moved */
	FOR due IN
		SELECT s.lead FROM leadroute.lead_states s
		WHERE s.flow = rescore_due.flow AND s.rescore_at <= instant AND s.closed_at IS NULL
		ORDER BY s.rescore_at, s.lead LIMIT batch FOR UPDATE SKIP LOCKED
	LOOP
		IF leadroute.rescore_if_free(flow, due, false) = 'done' THEN
			scored := scored + 1;
		END IF;
	END LOOP;
	/* signals that came with or before their lead: a first look notes who may still bring it, a later one is the last */
	UPDATE leadroute.pending_rescores p SET waits_for = horizon WHERE p.flow = rescore_due.flow AND p.waits_for IS NULL;
	FOR pending IN
		SELECT p.lead, p.ctid AS tid FROM leadroute.pending_rescores p
		WHERE p.flow = rescore_due.flow AND p.waits_for <= ended
		ORDER BY p.lead LIMIT batch FOR UPDATE SKIP LOCKED
	LOOP
		IF leadroute.rescore_if_free(flow, pending.lead, true) IN ('done', 'unknown') THEN
			DELETE FROM leadroute.pending_rescores p WHERE p.ctid = pending.tid;
			scored := scored + 1;
		END IF;
	END LOOP;
	RETURN scored + leadroute.rescore_walk(flow, batch);
END
$$;
COMMENT ON FUNCTION leadroute.rescore_due(text, integer) IS
	'Part of sweep(): works out up to "batch" scores anew that decay has moved, as many of leads that came at the same time as their signals, and as many where the flow''s scoring was changed; answers how many. Leads that somebody holds are left for the next sweep.';

CREATE FUNCTION leadroute.rescore_walk(flow text, batch integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	walk	leadroute.rescore_walks;
	next	text;
	looked	integer := 0;
BEGIN
	SELECT w.* INTO walk FROM leadroute.rescore_walks w WHERE w.flow = rescore_walk.flow FOR UPDATE SKIP LOCKED;
	IF NOT FOUND OR NOT EXISTS (SELECT FROM leadroute.flows f WHERE f.flow = walk.flow AND f.active) THEN
		RETURN 0;
	END IF;
	IF EXISTS (SELECT FROM leadroute.flows f WHERE f.flow = walk.flow AND f.scoring_model IS NULL) THEN
		WITH unscored AS (
			UPDATE leadroute.lead_states s SET score = NULL, fit = NULL, engagement = NULL, grade = NULL, scored_at = NULL, rescore_at = NULL
			WHERE s.flow = walk.flow AND s.lead IN (SELECT n.lead FROM leadroute.lead_states n
													WHERE n.flow = walk.flow AND n.lead > walk.after_lead AND n.scored_at IS NOT NULL
													ORDER BY n.lead LIMIT batch FOR UPDATE)
			RETURNING s.lead)
		SELECT count(*), max(u.lead) INTO looked, walk.after_lead FROM unscored u;
	ELSE
		FOR next IN
			SELECT s.lead FROM leadroute.lead_states s
			WHERE s.flow = walk.flow AND s.lead > walk.after_lead AND s.closed_at IS NULL AND s.status <> ALL ('{ignored,merged}')
			ORDER BY s.lead LIMIT batch
		LOOP
			looked := looked + 1;
			walk.after_lead := next;
			IF leadroute.rescore_if_free(flow, next, false) = 'locked' THEN
				INSERT INTO leadroute.pending_rescores (flow, lead, at) VALUES (flow, next, leadroute.clock());
			END IF;
		END LOOP;
	END IF;
	IF looked = 0 THEN
		DELETE FROM leadroute.rescore_walks w WHERE w.flow = walk.flow;
	ELSE
		UPDATE leadroute.rescore_walks w SET after_lead = walk.after_lead WHERE w.flow = walk.flow;
	END IF;
	RETURN looked;
END
$$;
COMMENT ON FUNCTION leadroute.rescore_walk(text, integer) IS
	'Part of sweep(): works out the next "batch" scores of a flow whose scoring was changed; answers how many leads it looked at.';

CREATE FUNCTION leadroute.scoring_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	changed	text[];
BEGIN
	IF leadroute.restoring() THEN
		RETURN NULL;
	END IF;
	IF TG_OP = 'TRUNCATE' THEN
		changed := ARRAY(SELECT f.flow FROM leadroute.flows f);
	ELSIF TG_TABLE_NAME = 'flows' THEN
		changed := ARRAY(SELECT n.flow FROM new_rows n JOIN old_rows o ON o.flow = n.flow
						 WHERE (n.scoring_model, n.active) IS DISTINCT FROM (o.scoring_model, o.active)
							AND coalesce(n.scoring_model, o.scoring_model) IS NOT NULL);
	ELSIF TG_OP = 'DELETE' THEN
		changed := ARRAY(SELECT DISTINCT o.flow FROM old_rows o);
	ELSIF TG_OP = 'INSERT' THEN
		changed := ARRAY(SELECT DISTINCT n.flow FROM new_rows n);
	ELSE
		changed := ARRAY(SELECT n.flow FROM new_rows n UNION SELECT o.flow FROM old_rows o);
	END IF;
	INSERT INTO leadroute.rescore_walks (flow, since)
		SELECT f.flow, leadroute.clock() FROM leadroute.flows f
		WHERE f.flow = ANY (changed) AND (f.scoring_model IS NOT NULL OR TG_TABLE_NAME = 'flows')
		ON CONFLICT (flow) DO UPDATE SET since = excluded.since, after_lead = '';
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION leadroute.scoring_changed() IS 'Trigger on the tables that scores are made by: the sweep is to work them out anew.';
CREATE TRIGGER scoring_changed_update AFTER UPDATE ON leadroute.flows REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION leadroute.scoring_changed();
SELECT leadroute.history_triggers(relation::name, 'scoring_changed')
FROM pg_catalog.unnest('{scoring_models,scoring_groups,scoring_criteria,signal_types,grades}'::text[]) relation;

INSERT INTO leadroute.sweep_parts (part, position, work, batches, per_flow, many, meaning) VALUES
	('scores',		55,	'SELECT n, n > 0 FROM leadroute.rescore_due($1, $2) n', 1000, true, true, 'works scores out anew that decay has moved, or whose signals came at the same time as their lead');

/* --- signals that no longer count --- */

/*
 * By the primary key, from where the last batch ended, so that what stays is looked at once a round and not once a batch. What counts is said as lr_signals_read()
 * says it (take(), signals.c), in UTC.
 */
CREATE FUNCTION leadroute.sweep_signals(flow text, batch integer, OUT gone bigint, OUT more boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp SET timezone = 'UTC'
AS $$
#variable_conflict use_variable
DECLARE
	instant	timestamptz := leadroute.clock();
	keep	interval;
	walk	leadroute.signal_walks;
BEGIN
	SELECT 0, false INTO gone, more;
	SELECT f.signals_keep INTO keep FROM leadroute.flows f WHERE f.flow = sweep_signals.flow;
	IF keep IS NULL THEN
		RETURN;
	END IF;
	INSERT INTO leadroute.signal_walks (flow) VALUES (flow) ON CONFLICT DO NOTHING;
	SELECT w.* INTO STRICT walk FROM leadroute.signal_walks w WHERE w.flow = sweep_signals.flow FOR UPDATE;
	WITH looked AS MATERIALIZED (
		SELECT g.lead, g.id, g.type, g.at, g.created_at
		FROM leadroute.signals g
		WHERE g.flow = sweep_signals.flow AND (g.lead, g.id) > (walk.after_lead, walk.after_id)
		ORDER BY g.lead, g.id LIMIT batch
	), due AS (
		SELECT l.lead, l.id FROM looked l LEFT JOIN leadroute.signal_types t ON t.flow = sweep_signals.flow AND t.signal_type = l.type
		WHERE l.created_at < instant - keep AND (t.signal_type IS NULL OR l.at + t.counts_for <= instant)
	), deleted AS (
		DELETE FROM leadroute.signals g USING due d WHERE g.flow = sweep_signals.flow AND g.lead = d.lead AND g.id = d.id RETURNING g.event_id
	), forgotten AS (
		DELETE FROM leadroute.signal_events e USING deleted d WHERE e.flow = sweep_signals.flow AND e.event_id = d.event_id
	)
	SELECT (SELECT count(*) FROM deleted), (SELECT count(*) = batch FROM looked), l.lead, l.id
	INTO gone, more, walk.after_lead, walk.after_id
	FROM (SELECT) one LEFT JOIN (SELECT lead, id FROM looked ORDER BY lead DESC, id DESC LIMIT 1) l ON true;
	/* at the end it begins anew */
	UPDATE leadroute.signal_walks w SET after_lead = CASE WHEN more THEN walk.after_lead ELSE '' END, after_id = CASE WHEN more THEN walk.after_id ELSE 0 END
	WHERE w.flow = sweep_signals.flow;
END
$$;
COMMENT ON FUNCTION leadroute.sweep_signals(text, integer) IS
	'Part of sweep(): looks at the next "batch" signals of a flow and deletes those that are older than flows.signals_keep and no longer count; answers how many, and whether there are more to look at.';

INSERT INTO leadroute.sweep_parts (part, position, work, batch, batches, every, meaning) VALUES
	('signals',		120, 'SELECT gone, more FROM leadroute.sweep_signals($1, $2)', 5000, 1000, '1 day', 'deletes signals that no longer count, after flows.signals_keep');

/* --- what is wrong with them --- */

CREATE VIEW leadroute.unknown_signals AS
	SELECT s.flow, s.type, count(*) AS signals, count(DISTINCT s.lead) AS leads, min(s.created_at) AS first_at, max(s.created_at) AS last_at
	FROM leadroute.signals s
	/* ids are made of the clock, and signals_id_idx finds those of a time */
	WHERE s.id >= ((extract(epoch FROM statement_timestamp() - interval '30 days') - 946684800) * 1000000)::bigint << 12
		AND NOT EXISTS (SELECT FROM leadroute.signal_types t WHERE t.flow = s.flow AND t.signal_type = s.type)
	GROUP BY s.flow, s.type;
COMMENT ON VIEW leadroute.unknown_signals IS 'Signals of the last 30 days, by when they were written, of types that signal_types does not have: they are kept and count for nothing, until the type is inserted there and the leads are scored again.';
COMMENT ON COLUMN leadroute.unknown_signals.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.unknown_signals.type IS 'The type, as the signals have it.';
COMMENT ON COLUMN leadroute.unknown_signals.signals IS 'How many there are.';
COMMENT ON COLUMN leadroute.unknown_signals.leads IS 'Of how many leads.';
COMMENT ON COLUMN leadroute.unknown_signals.first_at IS 'When the first of these was written.';
COMMENT ON COLUMN leadroute.unknown_signals.last_at IS 'When the last was written.';

CREATE FUNCTION leadroute.check_scoring(flow text) RETURNS TABLE (severity text, object text, problem text, hint text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	subject		leadroute.flows;
	leads		regclass;
	criterion	record;
	fault		text;
	advice		text;
BEGIN
	SELECT f.* INTO subject FROM leadroute.flows f WHERE f.flow = check_scoring.flow;
	leads := leadroute.flow_table(subject.flow);
	IF subject.scoring_model IS NOT NULL
		AND NOT EXISTS (SELECT FROM leadroute.scoring_models m WHERE m.flow = subject.flow AND m.model = subject.scoring_model) THEN
		RETURN QUERY VALUES ('error', format('flow "%s"', subject.flow), format('its scoring model "%s" does not exist', subject.scoring_model),
							 'Insert into leadroute.scoring_models, or change flows.scoring_model.');
	END IF;
	IF subject.scoring_model IS NULL THEN
		RETURN QUERY
			SELECT 'warning', format('rule "%s"', r.rule), format('its condition reads %s, and the flow has no scoring model', substring(r.condition FROM '(?i)facts\.(?:score|fit|engagement|grade)\y')),
				format('UPDATE leadroute.flows SET scoring_model = %L WHERE flow = %L.',
					   coalesce((SELECT min(m.model) FROM leadroute.scoring_models m WHERE m.flow = subject.flow), '…'), subject.flow)
			FROM leadroute.rules r WHERE r.flow = subject.flow AND r.condition ~* '\yfacts\.(score|fit|engagement|grade)\y'
			ORDER BY r.position;
	END IF;
	FOR criterion IN
		SELECT c.* FROM leadroute.scoring_criteria c
		WHERE c.flow = subject.flow AND c.model = subject.scoring_model AND c.condition IS NOT NULL AND leads IS NOT NULL
		ORDER BY c.criterion
	LOOP
		BEGIN
			PERFORM leadroute.check_condition(criterion.condition, leads, subject.flow);
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS fault = MESSAGE_TEXT, advice = PG_EXCEPTION_HINT;
			/* judged when it was written; if it fails now the table has changed, which must not stand in the way of configuration */
			RETURN QUERY VALUES (CASE WHEN subject.active THEN 'warning' ELSE 'error' END, format('criterion "%s"', criterion.criterion),
								 format('its condition (%s) is not valid: %s', criterion.condition, fault),
								 coalesce(nullif(advice, ''), 'Write it as a boolean expression over the columns of the leads table.'));
		END;
	END LOOP;
	RETURN QUERY
		SELECT 'warning', format('criterion "%s"', c.criterion), format('its signal type "%s" is not in signal_types: it counts for nothing', c.signal_type),
			'Insert into leadroute.signal_types, or change the criterion.'
		FROM leadroute.scoring_criteria c
		WHERE c.flow = subject.flow AND c.model = subject.scoring_model AND c.signal_type <> '*'
			AND NOT EXISTS (SELECT FROM leadroute.signal_types t WHERE t.flow = c.flow AND t.signal_type = c.signal_type)
		ORDER BY c.criterion;
	RETURN QUERY
		SELECT 'warning', format('group "%s"', g."group"), 'no criterion belongs to it', 'Correct its name, or delete it.'
		FROM leadroute.scoring_groups g
		WHERE g.flow = subject.flow AND g.model = subject.scoring_model
			AND NOT EXISTS (SELECT FROM leadroute.scoring_criteria c WHERE c.flow = g.flow AND c.model = g.model AND c."group" = g."group")
		ORDER BY g."group";
	RETURN QUERY
		SELECT 'warning', format('scoring model "%s"', m.model), format('no %s criterion gives points: the %1$s of every lead is 0', d.dimension),
			'Insert into leadroute.scoring_criteria.'
		FROM leadroute.scoring_models m
			CROSS JOIN (VALUES ('fit', 1), ('engagement', 2)) d(dimension, n)
		WHERE m.flow = subject.flow AND m.model = subject.scoring_model
			AND CASE d.n WHEN 1 THEN m.fit_weight ELSE m.engagement_weight END > 0
			AND NOT EXISTS (SELECT FROM leadroute.scoring_criteria c
							WHERE c.flow = m.flow AND c.model = m.model AND c.dimension = d.dimension AND c.points > 0)
		ORDER BY d.n;
END
$$;
COMMENT ON FUNCTION leadroute.check_scoring(text) IS 'Part of check_flow(): what is wrong with the scoring model of a flow.';
