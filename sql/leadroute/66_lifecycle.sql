/*
 * The life of a lead: its stages as people move them, what sales says of it, how it comes back.
 */
CREATE FUNCTION leadroute.set_stage(lead text, stage text, reason text DEFAULT NULL, flow text DEFAULT 'default') RETURNS text
LANGUAGE c CALLED ON NULL INPUT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_set_stage';
COMMENT ON FUNCTION leadroute.set_stage(text, text, text, text) IS
	'Moves a lead to another stage: the row, the state and an event with the reason say so, and entry conditions take it on from there. Answers the stage that it is in then; NULL for a NULL lead or stage. Errors: check_violation for a stage that the flow does not have, a transition that is not legal or a column without a value, unless the flow''s stage_master is report; object_not_in_prerequisite_state in a flow without stages. Rights as close().';

CREATE FUNCTION leadroute.accept(lead text, flow text DEFAULT 'default') RETURNS boolean
LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_accept';
COMMENT ON FUNCTION leadroute.accept(text, text) IS
	'Sales takes a lead as its own to work on: an event, and the stage whose role is accepted. False where it has been accepted already. Errors: object_not_in_prerequisite_state for a lead that is closed or has no owner; those of set_stage(). Rights as close().';

CREATE FUNCTION leadroute.reject(lead text, code text, note text DEFAULT NULL, flow text DEFAULT 'default') RETURNS text
LANGUAGE c CALLED ON NULL INPUT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_reject';
COMMENT ON FUNCTION leadroute.reject(text, text, text, text) IS
	'Sales gives a lead back, with a code of rejection_reasons, which says what becomes of it, and the answer does too: nurture or recycle (it has no owner; its engagement begins anew when recycled, and a sweep brings it back at the date), archive (closed; also where it has been recycled as often as flows.recycle_limit). Its stage is the one with that role. NULL for a NULL lead. Errors: null_value_not_allowed without a code; undefined_object for one that the flow does not have; object_not_in_prerequisite_state for a lead that is closed, with nobody, or has changed hands since the statement began; those of set_stage(). Rights as close().';

CREATE FUNCTION leadroute.approve(lead text, flow text DEFAULT 'default') RETURNS boolean
LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_approve';
COMMENT ON FUNCTION leadroute.approve(text, text) IS
	'Qualifies a lead by hand: it is an MQL until it is rejected, leaves the review queue, and one that was nurtured or recycled is given out at once. False where it is one already. Errors: object_not_in_prerequisite_state for a lead that is closed, a duplicate, or older than the attachment. Rights as close().';

CREATE FUNCTION leadroute.disqualify(lead text, reason text DEFAULT NULL, flow text DEFAULT 'default') RETURNS boolean
LANGUAGE c CALLED ON NULL INPUT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_disqualify';
COMMENT ON FUNCTION leadroute.disqualify(text, text, text) IS
	'Closes a lead for good, with the outcome disqualified, in the stage whose role is archived: the other answer to the review queue. False where it is closed already; NULL for a NULL lead. Errors: those of set_stage(). Rights as close().';

CREATE FUNCTION leadroute.feedback(lead text, rating integer, comment text DEFAULT NULL, flow text DEFAULT 'default') RETURNS void
LANGUAGE c CALLED ON NULL INPUT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_feedback';
COMMENT ON FUNCTION leadroute.feedback(text, integer, text, text) IS
	'Says how good a lead is, from 1 (a waste of time) to 5, with a comment: a row of lead_feedback, for lead_feedback_report. Errors: invalid_parameter_value for another number. Rights as close().';

CREATE FUNCTION leadroute.end_absences(flow text, batch integer) RETURNS integer
LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_end_absences';
COMMENT ON FUNCTION leadroute.end_absences(text, integer) IS
	'Part of sweep(): gives recycled leads out again whose date has come, and archives those that were away as long as the flow allows, up to "batch"; answers how many. Locked rows are skipped; what fails is a WARNING.';

CREATE FUNCTION leadroute.age_stages(flow text, batch integer) RETURNS integer
LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_age_stages';
COMMENT ON FUNCTION leadroute.age_stages(text, integer) IS
	'Part of sweep(): takes leads whose stage''s max_age has passed to its next stage, up to "batch"; answers how many. One that lacks what that stage requires stays. Locked rows are skipped; what fails is a WARNING.';

CREATE FUNCTION leadroute.touch_moves_stage(flow text, lead text) RETURNS void
LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_touch_moves_stage';
COMMENT ON FUNCTION leadroute.touch_moves_stage(text, text) IS
	'Internal: a touch of the lead counts; it goes on where its stage has a touched_stage. Nothing in a flow without stages.';

INSERT INTO leadroute.sweep_parts (part, position, work, many, meaning) VALUES
	('returns',		62, 'SELECT n, n > 0 FROM leadroute.end_absences($1, $2) n', true, 'gives recycled leads out again whose date has come, archives those that were away too long'),
	('stages',		64, 'SELECT n, n > 0 FROM leadroute.age_stages($1, $2) n', true, 'takes leads on whose stage''s max_age has passed');

/* How many touches of a lead are known that count. */
CREATE FUNCTION leadroute.counted_touches(flow text, lead text) RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT count(*)::integer FROM leadroute.events e
	WHERE e.flow = counted_touches.flow AND e.lead = counted_touches.lead AND e.kind = 'touched'
$$;
COMMENT ON FUNCTION leadroute.counted_touches(text, text) IS 'How many touches of a lead are known that count.';

/* Part of check_flow(). */
CREATE FUNCTION leadroute.stage_faults(subject leadroute.flows, leads regclass, columns jsonb)
	RETURNS TABLE (severity text, object text, problem text, hint text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	entered	record;
	fault	text;
	advice	text;
BEGIN
	IF NOT EXISTS (SELECT FROM leadroute.stages s WHERE s.flow = (subject).flow) THEN
		RETURN;
	END IF;
	FOR entered IN
		SELECT s.stage, s.entry_condition FROM leadroute.stages s
		WHERE s.flow = (subject).flow AND s.entry_condition IS NOT NULL AND leads IS NOT NULL ORDER BY s.position
	LOOP
		BEGIN
			PERFORM leadroute.check_condition(entered.entry_condition, leads, (subject).flow);
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS fault = MESSAGE_TEXT, advice = PG_EXCEPTION_HINT;
			RETURN QUERY VALUES (CASE WHEN (subject).active THEN 'warning' ELSE 'error' END, format('stage "%s"', entered.stage),
								 format('its entry_condition (%s) is not valid: %s', entered.entry_condition, fault),
								 coalesce(nullif(advice, ''), 'Write it as a boolean expression over the columns of the leads table.'));
		END;
	END LOOP;
	RETURN QUERY
		SELECT 'error', format('%s "%s"', n.kind, n.name), format('names stage "%s", which does not exist', n.stage), 'Insert into leadroute.stages, or change the row.'
		FROM (SELECT 'flow' AS kind, (subject).flow AS name, (subject).first_stage AS stage
			  UNION ALL SELECT 'stage', s.stage, s.next_stage FROM leadroute.stages s WHERE s.flow = (subject).flow
			  UNION ALL SELECT 'stage', s.stage, s.touched_stage FROM leadroute.stages s WHERE s.flow = (subject).flow
			  UNION ALL SELECT 'transition', concat_ws(' to ', t.from_stage, t.to_stage), nullif(t.from_stage, '') FROM leadroute.stage_transitions t WHERE t.flow = (subject).flow
			  UNION ALL SELECT 'transition', concat_ws(' to ', t.from_stage, t.to_stage), t.to_stage FROM leadroute.stage_transitions t WHERE t.flow = (subject).flow) n
		WHERE n.stage <> '*' AND NOT EXISTS (SELECT FROM leadroute.stages s WHERE s.flow = (subject).flow AND s.stage = n.stage)
		ORDER BY 2, 3;
	IF (subject).first_stage IS NULL
		AND NOT EXISTS (SELECT FROM leadroute.stages s WHERE s.flow = (subject).flow AND s.kind = 'open' AND s.entry_condition IS NULL) THEN
		RETURN QUERY VALUES ('error', format('flow "%s"', (subject).flow), 'has no stage in which a lead could begin',
							 'Set first_stage of the flow, or insert an open stage without an entry condition.');
	END IF;
	/* a warning: a leads table may grow its columns one by one, and a column that is not there has no value */
	RETURN QUERY
		SELECT DISTINCT 'warning', format('stage "%s"', t.to_stage), format('requires column "%s", which table %s does not have', r.name, leads),
			'Add the column, map it in leadroute.attach(), or name another in leadroute.stage_transitions.'
		FROM leadroute.stage_transitions t CROSS JOIN LATERAL unnest(t.required || t.of_columns) r(name)
		WHERE t.flow = (subject).flow AND leads IS NOT NULL
			AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = leads AND a.attnum > 0 AND NOT a.attisdropped
							AND a.attname = leadroute.mapped_column(columns, r.name))
		ORDER BY 2, 3;
END
$$;
COMMENT ON FUNCTION leadroute.stage_faults(leadroute.flows, regclass, jsonb) IS 'Part of check_flow(): what is wrong with a flow''s stages and transitions.';

/* Rows of a template; a stage or reason of the flow that stands already stays as it is. */
CREATE FUNCTION leadroute.load_stages(flow text DEFAULT 'default') RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	loaded	integer;
	more	integer;
BEGIN
	IF EXISTS (SELECT FROM leadroute.stages s WHERE s.flow = load_stages.flow) THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('flow "%s" has stages already', flow),
			HINT = 'Delete them first, or add the rows that are missing.',
			SCHEMA = 'leadroute', TABLE = 'stages';
	END IF;
	IF NOT EXISTS (SELECT FROM leadroute.flows f WHERE f.flow = load_stages.flow) THEN
		INSERT INTO leadroute.flows (flow) VALUES (flow);
	END IF;
	UPDATE leadroute.flows f SET first_stage = 'new' WHERE f.flow = load_stages.flow AND f.first_stage IS NULL;
	INSERT INTO leadroute.stages (flow, stage, position, kind, beside, touched_stage, role, note)
		VALUES (flow, 'subscriber', 10, 'open', false, NULL, NULL, 'has asked to hear from you'),
			   (flow, 'lead', 20, 'open', false, NULL, NULL, 'has shown interest'),
			   (flow, 'nurture', 30, 'open', true, NULL, 'nurture', 'nobody''s, until it is qualified'),
			   (flow, 'recycled', 40, 'open', true, NULL, 'recycled', 'given back by sales, until it returns'),
			   (flow, 'new', 50, 'open', false, 'contacted', NULL, 'given out, nobody has spoken to it'),
			   (flow, 'contacted', 60, 'open', false, NULL, NULL, 'the first touch has been made'),
			   (flow, 'mql', 70, 'open', false, NULL, NULL, 'qualified by marketing: by score, or an action of high intent'),
			   (flow, 'sal', 80, 'open', false, NULL, 'accepted', 'accepted by sales'),
			   (flow, 'sql', 90, 'open', false, NULL, NULL, 'qualified by sales: two of budget, authority, need, timeline'),
			   (flow, 'opportunity', 100, 'open', false, NULL, NULL, 'a deal: value, close date'),
			   (flow, 'customer', 110, 'won', false, NULL, NULL, 'has bought'),
			   (flow, 'evangelist', 120, 'won', false, NULL, NULL, 'NPS 9 or 10, or a referral'),
			   (flow, 'disqualified', 130, 'closed', true, NULL, 'archived', 'will not buy');
	GET DIAGNOSTICS loaded = ROW_COUNT;
	UPDATE leadroute.stages s SET entry_condition = 'facts.is_mql' WHERE s.flow = load_stages.flow AND s.stage = 'mql';
	INSERT INTO leadroute.stage_transitions (flow, from_stage, to_stage, required, at_least, of_columns)
		SELECT load_stages.flow, t.from_stage, s.to_stage,
			CASE s.to_stage WHEN 'opportunity' THEN '{value,close_date}'::text[] END,
			CASE s.to_stage WHEN 'sql' THEN 2 END,
			CASE s.to_stage WHEN 'sql' THEN '{budget,authority,need,timeline}'::text[] END
		FROM (VALUES ('subscriber', '{lead,new,nurture,mql,disqualified}'::text[]),
					 ('lead', '{new,contacted,nurture,mql,disqualified}'),
					 ('nurture', '{new,contacted,mql,disqualified}'),
					 ('recycled', '{new,contacted,nurture,mql,disqualified}'),
					 ('new', '{contacted,nurture,recycled,mql,sal,disqualified}'),
					 ('contacted', '{nurture,recycled,mql,sal,disqualified}'),
					 ('mql', '{contacted,nurture,recycled,sal,sql,disqualified}'),
					 ('sal', '{nurture,recycled,sql,disqualified}'),
					 ('sql', '{nurture,recycled,opportunity,disqualified}'),
					 ('opportunity', '{nurture,recycled,sql,customer,disqualified}'),
					 ('customer', '{evangelist}'),
					 ('evangelist', '{customer}'),
					 ('disqualified', '{new,nurture}')) t(from_stage, to_stages)
			CROSS JOIN LATERAL unnest(t.to_stages) s(to_stage);
	GET DIAGNOSTICS more = ROW_COUNT;
	loaded := loaded + more;
	INSERT INTO leadroute.rejection_reasons (flow, code, reason, action, return_after, date_column, before_date, min_touches)
		VALUES (flow, 'FIT-01', 'too small', 'nurture', NULL, NULL, NULL, NULL),
			   (flow, 'FIT-02', 'wrong industry', 'archive', NULL, NULL, NULL, NULL),
			   (flow, 'FIT-03', 'wrong role', 'nurture', NULL, NULL, NULL, NULL),
			   (flow, 'ENG-01', 'no response after three attempts', 'recycle', '90 days', NULL, NULL, 3),
			   (flow, 'ENG-02', 'bad timing', 'recycle', '60 days', NULL, NULL, NULL),
			   (flow, 'QUAL-01', 'no budget', 'recycle', '90 days', NULL, NULL, NULL),
			   (flow, 'QUAL-02', 'locked in', 'recycle', '9 months', 'renewal_date', '90 days', NULL),
			   (flow, 'QUAL-03', 'not a project', 'archive', NULL, NULL, NULL, NULL)
		ON CONFLICT DO NOTHING;
	GET DIAGNOSTICS more = ROW_COUNT;
	RETURN loaded + more;
END
$$;
COMMENT ON FUNCTION leadroute.load_stages(text) IS
	'Fills stages, stage_transitions and rejection_reasons of a flow that has no stages with the usual ones: rows like any others from then on. They ask for value and close_date of an opportunity and for two of budget, authority, need, timeline of an SQL: name your own columns in stage_transitions. New leads begin in stage new. Answers how many rows. Errors: object_not_in_prerequisite_state where the flow has stages.';

SELECT leadroute.for_other_keys('set_stage', 'accept', 'reject', 'feedback', 'approve', 'disqualify');
