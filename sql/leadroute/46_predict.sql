/*
 * Predictive models: trained on a table, kept as rows, one of a flow published. The coefficients are C's to read (predict.c).
 */
CREATE TABLE leadroute.prediction_models (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	model			text COLLATE "C" NOT NULL CHECK (model <> ''),
	published		integer CHECK (published > 0),
	published_before	integer[] NOT NULL DEFAULT '{}' CHECK (array_position(published_before, NULL) IS NULL),
	note			text,
	PRIMARY KEY (flow, model)
);
CREATE UNIQUE INDEX prediction_models_published_key ON leadroute.prediction_models (flow) WHERE published IS NOT NULL;

CREATE TABLE leadroute.prediction_versions (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	model			text COLLATE "C" NOT NULL,
	version			integer NOT NULL CHECK (version > 0),
	trained_at		timestamptz NOT NULL,
	trained_by		text NOT NULL,
	relation		text NOT NULL,
	label			text NOT NULL,
	placeholders	text[] NOT NULL,
	settings		jsonb NOT NULL,
	rows_read		bigint NOT NULL,
	rows			integer NOT NULL,
	won				integer NOT NULL,
	held_out		integer NOT NULL,
	held_out_won	integer NOT NULL,
	auc				double precision,
	brier			double precision,
	log_loss		double precision,
	calibration_error	double precision,
	calibration		jsonb NOT NULL,
	intercept		double precision NOT NULL,
	seconds			double precision NOT NULL,
	library			text NOT NULL,
	note			text,
	PRIMARY KEY (flow, model, version)
);

CREATE TABLE leadroute.prediction_coefficients (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	model			text COLLATE "C" NOT NULL,
	version			integer NOT NULL,
	"column"		text COLLATE "C" NOT NULL,
	kind			text NOT NULL CHECK (kind IN ('level', 'other', 'missing', 'number', 'bin')),
	term			text COLLATE "C" NOT NULL,
	low				double precision,
	high			double precision,
	center			double precision,
	scale			double precision,
	rows			bigint NOT NULL,
	coefficient		double precision NOT NULL,
	PRIMARY KEY (flow, model, version, "column", kind, term)
);

COMMENT ON TABLE leadroute.prediction_models IS 'Predictive models: each has versions, of which one at most is published. A flow has one published model at most: facts.probability.';
COMMENT ON COLUMN leadroute.prediction_models.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.prediction_models.model IS 'Name of the model.';
COMMENT ON COLUMN leadroute.prediction_models.published IS 'The version that leads are asked with from the next INSERT on; NULL: none. Set by publish() and revert().';
COMMENT ON COLUMN leadroute.prediction_models.published_before IS 'The versions published before it, the latest last: revert() goes back to that.';
COMMENT ON COLUMN leadroute.prediction_models.note IS 'Free text of who wrote the row; kept with each change in config_changes.';

COMMENT ON TABLE leadroute.prediction_versions IS 'What each call of train() made, and how good it is on rows that it had not seen. Versions are not changed; deleting one forgets it.';
COMMENT ON COLUMN leadroute.prediction_versions.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.prediction_versions.model IS 'The model.';
COMMENT ON COLUMN leadroute.prediction_versions.version IS 'Its number, from 1 on.';
COMMENT ON COLUMN leadroute.prediction_versions.trained_at IS 'When it was trained.';
COMMENT ON COLUMN leadroute.prediction_versions.trained_by IS 'The role that trained it, with whose rights the relation was read.';
COMMENT ON COLUMN leadroute.prediction_versions.relation IS 'The table or view that it was trained on.';
COMMENT ON COLUMN leadroute.prediction_versions.label IS 'The column or expression that says the outcome.';
COMMENT ON COLUMN leadroute.prediction_versions.placeholders IS 'Values that stand for nothing, in any column: such a one counts as missing.';
COMMENT ON COLUMN leadroute.prediction_versions.settings IS 'The other parameters of the call.';
COMMENT ON COLUMN leadroute.prediction_versions.rows_read IS 'Rows of the relation, those without an outcome too.';
COMMENT ON COLUMN leadroute.prediction_versions.rows IS 'Rows with an outcome that it was trained and measured on: all, or max_rows of them drawn by lot.';
COMMENT ON COLUMN leadroute.prediction_versions.won IS 'Of rows: those whose outcome is true.';
COMMENT ON COLUMN leadroute.prediction_versions.held_out IS 'Of rows: those that were held out to measure it.';
COMMENT ON COLUMN leadroute.prediction_versions.held_out_won IS 'Of held_out: those whose outcome is true.';
COMMENT ON COLUMN leadroute.prediction_versions.auc IS 'Held-out AUC: the chance that of two rows, one of either outcome, the true one has the higher probability; 0.5 is chance. NULL: no two such rows.';
COMMENT ON COLUMN leadroute.prediction_versions.brier IS 'Held-out Brier score: the mean squared distance of probability and outcome, 0 at best; always saying the share p of true ones has p × (1 − p).';
COMMENT ON COLUMN leadroute.prediction_versions.log_loss IS 'Held-out mean of minus the logarithm of the probability of what came true.';
COMMENT ON COLUMN leadroute.prediction_versions.calibration_error IS 'Mean distance of probability and share of true outcomes over the tenths of calibration.';
COMMENT ON COLUMN leadroute.prediction_versions.calibration IS 'The held-out rows in tenths by their probability, the lowest first: rows, mean probability (predicted), share of true outcomes (won).';
COMMENT ON COLUMN leadroute.prediction_versions.intercept IS 'The intercept, in log-odds.';
COMMENT ON COLUMN leadroute.prediction_versions.seconds IS 'How long the training took.';
COMMENT ON COLUMN leadroute.prediction_versions.library IS 'The library that found the coefficients, with its version.';
COMMENT ON COLUMN leadroute.prediction_versions.note IS 'Free text of who trained it.';

COMMENT ON TABLE leadroute.prediction_coefficients IS 'The coefficients of each version. The log-odds of a row are the intercept and one coefficient a column: of its level, its bin, or of what is missing; a number''s is multiplied by (value − center) ÷ scale. Not kept in config_changes: versions are their history.';
COMMENT ON COLUMN leadroute.prediction_coefficients.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.prediction_coefficients.model IS 'The model.';
COMMENT ON COLUMN leadroute.prediction_coefficients.version IS 'The version.';
COMMENT ON COLUMN leadroute.prediction_coefficients."column" IS 'The column, by its name in the relation that was trained on.';
COMMENT ON COLUMN leadroute.prediction_coefficients.kind IS '''level'' (the value is term), ''bin'' (it is at least low and less than high), ''number'', ''missing'' (there is none, or a placeholder) or ''other'' (a rare level, or one that training did not meet).';
COMMENT ON COLUMN leadroute.prediction_coefficients.term IS 'The level in lower case without blanks around it, at most 100 bytes; of a time the day of the week and four hours, in UTC. The range of a bin. Else empty.';
COMMENT ON COLUMN leadroute.prediction_coefficients.low IS 'Of a bin: where it begins, NULL: below all. Of a number: the lowest of the training; what is lower counts as that.';
COMMENT ON COLUMN leadroute.prediction_coefficients.high IS 'Of a bin: before what it ends, NULL: nowhere. Of a number: the highest of the training.';
COMMENT ON COLUMN leadroute.prediction_coefficients.center IS 'Of a number: the mean of the training.';
COMMENT ON COLUMN leadroute.prediction_coefficients.scale IS 'Of a number: the standard deviation of the training.';
COMMENT ON COLUMN leadroute.prediction_coefficients.rows IS 'The rows of the training that have it.';
COMMENT ON COLUMN leadroute.prediction_coefficients.coefficient IS 'What it adds to the log-odds.';

SELECT leadroute.configuration_table('prediction_models', checked => false);
SELECT leadroute.invalidation_triggers('prediction_versions'), leadroute.invalidation_triggers('prediction_coefficients');
GRANT DELETE ON leadroute.prediction_versions, leadroute.prediction_coefficients TO leadroute_admin;

CREATE FUNCTION leadroute.train_version(flow text, model text, relation regclass, label text, columns text[], chosen boolean, placeholders text[],
	numbers text[], levels text[], bin_columns text[], bin_counts text[], bin_bounds text[], order_by text, holdout double precision, refit boolean,
	cost double precision, rare integer, max_rows integer, settings jsonb, note text) RETURNS integer
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_train';
COMMENT ON FUNCTION leadroute.train_version(text, text, regclass, text, text[], boolean, text[], text[], text[], text[], text[], text[], text, double precision, boolean, double precision, integer, integer, jsonb, text) IS
	'Internal: train() with its parameters checked; the number of the version.';

CREATE FUNCTION leadroute.train(model text, relation regclass, label text, columns text[] DEFAULT NULL,
	placeholders text[] DEFAULT '{}', numbers text[] DEFAULT '{}', levels text[] DEFAULT '{}', bins jsonb DEFAULT '{}',
	order_by text DEFAULT NULL, holdout double precision DEFAULT 0.25, refit boolean DEFAULT true, cost double precision DEFAULT 1,
	rare integer DEFAULT 10, max_rows integer DEFAULT 100000, note text DEFAULT NULL, flow text DEFAULT 'default') RETURNS leadroute.prediction_versions
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	wanted		text[] := columns;
	unknown		text;
	bin			record;
	bin_columns	text[] := '{}';
	bin_counts	text[] := '{}';
	bin_bounds	text[] := '{}';
	number		integer;
	result		leadroute.prediction_versions;
BEGIN
	IF num_nulls(model, relation, label, placeholders, numbers, levels, bins, holdout, refit, cost, rare, max_rows, flow) > 0 OR model = '' THEN
		RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'a parameter of train() is NULL or empty',
			HINT = 'Only columns, order_by and note may be NULL.';
	ELSIF NOT holdout BETWEEN 0 AND 0.9 OR NOT (cost > 0 AND cost < 'Infinity') OR rare < 1 OR max_rows NOT BETWEEN 100 AND 10000000 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'a parameter of train() is out of range',
			DETAIL = format('holdout is %s, cost %s, rare %s, max_rows %s.', holdout, cost, rare, max_rows),
			HINT = 'holdout is a part from 0 to 0.9, cost more than 0, rare at least 1, max_rows 100 to 10000000.';
	ELSIF jsonb_typeof(bins) <> 'object' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'bins is no object',
			HINT = 'A number of bins or their bounds by column: {"employees": [51, 201, 1001], "visits": 10, "*": 5}.';
	END IF;
	IF wanted IS NULL THEN
		/* not the outcome, not what names a row, not what leadroute itself wrote there */
		SELECT coalesce(array_agg(a.attname::text ORDER BY a.attnum), '{}') INTO wanted
		FROM pg_attribute a
		WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> label AND a.attname IS DISTINCT FROM order_by
			AND a.atttypid <> 'uuid'::regtype
			AND NOT (relation IS NOT DISTINCT FROM leadroute.flow_table(train.flow)
				AND a.attname IN (SELECT leadroute.mapped_column((leadroute.flow_attachment(train.flow)).columns, c.canonical)
								  FROM leadroute.canonical_columns() c WHERE c.direction = 'output'));
	END IF;
	FOR bin IN SELECT b.key, b.value FROM jsonb_each(bins) b LOOP
		IF jsonb_typeof(bin.value) = 'number' AND (bin.value)::numeric BETWEEN 2 AND 1000 AND (bin.value)::numeric % 1 = 0 THEN
			bin_bounds := bin_bounds || ''::text;
			bin_counts := bin_counts || ((bin.value)::integer)::text;
		ELSIF jsonb_typeof(bin.value) = 'array' AND jsonb_array_length(bin.value) BETWEEN 1 AND 1000
				AND NOT EXISTS (SELECT FROM jsonb_array_elements(bin.value) e WHERE jsonb_typeof(e) <> 'number') THEN
			bin_bounds := bin_bounds || (SELECT string_agg(e.value, ',' ORDER BY e.value::float8) FROM jsonb_array_elements_text(bin.value) e);
			bin_counts := bin_counts || '0'::text;
		ELSE
			RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('bins of column "%s" are neither a number of bins nor bounds', bin.key),
				DETAIL = format('They are %s.', bin.value),
				HINT = 'A number of bins is 2 to 1000; bounds are an array of numbers.';
		END IF;
		bin_columns := bin_columns || bin.key;
	END LOOP;
	SELECT c INTO unknown
	FROM unnest(wanted || array_remove(bin_columns, '*') || numbers || levels || order_by) WITH ORDINALITY u(c, n)
	WHERE c IS NOT NULL AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = c AND a.attnum > 0 AND NOT a.attisdropped)
	ORDER BY n LIMIT 1;
	IF unknown IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_column', MESSAGE = format('column "%s" of relation "%s" does not exist', unknown, relation);
	ELSIF cardinality(wanted) <> (SELECT count(DISTINCT w) FROM unnest(wanted) w) THEN
		RAISE EXCEPTION USING ERRCODE = 'duplicate_column', MESSAGE = 'a column is named twice', DETAIL = format('The columns are %s.', array_to_string(wanted, ', '));
	ELSIF label = ANY (wanted) THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('column "%s" is the outcome itself', label),
			HINT = 'Leave it out of columns.';
	END IF;
	number := leadroute.train_version(flow, model, relation, label, wanted, columns IS NOT NULL, placeholders, numbers, levels, bin_columns, bin_counts,
		bin_bounds, order_by, holdout, refit, cost, rare, max_rows,
		jsonb_build_object('columns', wanted, 'numbers', numbers, 'levels', levels, 'bins', bins, 'order_by', order_by, 'holdout', holdout,
			'refit', refit, 'cost', cost, 'rare', rare, 'max_rows', max_rows), note);
	SELECT v.* INTO STRICT result FROM leadroute.prediction_versions v WHERE v.flow = train.flow AND v.model = train.model AND v.version = number;
	RETURN result;
END
$$;
COMMENT ON FUNCTION leadroute.train(text, regclass, text, text[], text[], text[], text[], jsonb, text, double precision, boolean, double precision, integer, integer, text, text) IS
	'Trains a version of a predictive model on a table or view, with the caller''s rights: a logistic regression (LIBLINEAR, L2) of the outcome on the columns. label: a column that is yes or no (boolean, a number, a word for it), or an SQL expression that is; rows where it is NULL have no outcome yet and are left out. columns: NULL takes all but the label, order_by, uuids, what names a lead, and on the leads table what leadroute writes. Take only what is known when a lead arrives. A value of text, or of any other type, is a level, in lower case; of a number its standardised value, or with bins its bin; of a date or time the day of the week and four hours of the day in UTC; what is missing is a level of its own, and so are placeholders (''Select''), in any column. numbers and levels say which columns are what, else a number''s type, and text that is all numbers and many of them, is numbers. bins: a number of bins or their bounds by column, "*" all numbers. Levels of fewer than rare rows count as one. It is measured on the part holdout of the rows: the last by order_by, else a random part; then, with refit, trained on all. cost is the inverse of the penalty. Of more than max_rows rows a random part is taken. Progress shows in pg_stat_activity.query; a cancellation is heeded between rounds of the solver. Errors: 55000 where either outcome has fewer than 40 rows. The version is used when publish() says so.';

CREATE FUNCTION leadroute.prediction_lacks(flow text, model text, version integer) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT string_agg(DISTINCT format('"%s"', c."column"), ', ')
	FROM leadroute.prediction_coefficients c, leadroute.flow_table(prediction_lacks.flow) leads
	WHERE c.flow = prediction_lacks.flow AND c.model = prediction_lacks.model AND c.version = prediction_lacks.version AND leads IS NOT NULL
		AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = leads AND a.attnum > 0 AND NOT a.attisdropped
			AND (lower(a.attname) = lower(c."column") OR a.attname = leadroute.mapped_column((leadroute.flow_attachment(prediction_lacks.flow)).columns, c."column")))
$$;
COMMENT ON FUNCTION leadroute.prediction_lacks(text, text, integer) IS 'Internal: the columns that a version of a model reads and the flow''s leads table does not have; NULL: it has all, or there is no table.';

CREATE FUNCTION leadroute.check_prediction(flow text) RETURNS TABLE (severity text, object text, problem text, hint text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT 'warning', format('predictive model "%s"', m.model), p.problem, p.hint
	FROM leadroute.prediction_models m,
		LATERAL (SELECT format('its published version %s is not in prediction_versions: leads have no probability', m.published) AS problem,
					format('SELECT leadroute.publish(%L) publishes its newest.', m.model) AS hint
				 WHERE NOT EXISTS (SELECT FROM leadroute.prediction_versions v WHERE v.flow = m.flow AND v.model = m.model AND v.version = m.published)
				 UNION ALL
				 SELECT format('its published version %s reads columns that the leads table does not have, which count as missing: %s', m.published, l.lacks),
					'Map the columns, or train on those that are there.'
				 FROM leadroute.prediction_lacks(m.flow, m.model, m.published) l(lacks) WHERE l.lacks IS NOT NULL) p
	WHERE m.flow = check_prediction.flow AND m.published IS NOT NULL
$$;
COMMENT ON FUNCTION leadroute.check_prediction(text) IS 'Part of check_flow(): what is wrong with the published predictive model of a flow.';
REVOKE ALL ON FUNCTION leadroute.prediction_lacks(text, text, integer), leadroute.check_prediction(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION leadroute.prediction_lacks(text, text, integer) TO leadroute_admin;

CREATE FUNCTION leadroute.publish(model text, version integer DEFAULT NULL, flow text DEFAULT 'default') RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	wanted	integer := version;
	subject	leadroute.prediction_models;
	missing	text;
	leads	regclass := leadroute.flow_table(flow);
BEGIN
	SELECT m.* INTO subject FROM leadroute.prediction_models m WHERE m.flow = publish.flow AND m.model = publish.model FOR UPDATE;
	IF wanted IS NULL THEN
		SELECT max(v.version) INTO wanted FROM leadroute.prediction_versions v WHERE v.flow = publish.flow AND v.model = publish.model;
	END IF;
	IF NOT EXISTS (SELECT FROM leadroute.prediction_versions v WHERE v.flow = publish.flow AND v.model = publish.model AND v.version = wanted) THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_object',
			MESSAGE = CASE WHEN version IS NULL THEN format('model "%s" of flow "%s" has no version', model, flow)
						   ELSE format('model "%s" of flow "%s" has no version %s', model, flow, version) END,
			HINT = 'See leadroute.prediction_versions; train() makes one.';
	END IF;
	missing := leadroute.prediction_lacks(flow, model, wanted);
	IF missing IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_column',
			MESSAGE = format('model "%s", version %s, reads columns that table %s does not have', model, wanted, leads),
			DETAIL = format('They are %s.', missing),
			HINT = 'Train on the columns of the leads table, by their names there or by canonical ones.';
	END IF;
	IF subject.published IS DISTINCT FROM wanted THEN
		UPDATE leadroute.prediction_models m SET published = NULL, published_before = m.published_before || m.published
			WHERE m.flow = publish.flow AND m.model <> publish.model AND m.published IS NOT NULL;
		UPDATE leadroute.prediction_models m
			SET published = wanted, published_before = CASE WHEN m.published IS NULL THEN m.published_before ELSE m.published_before || m.published END
			WHERE m.flow = publish.flow AND m.model = publish.model;
	END IF;
	RETURN wanted;
END
$$;
COMMENT ON FUNCTION leadroute.publish(text, integer, text) IS
	'Has leads of the flow asked with a version of a model, the newest where none is named, from the next INSERT on: facts.probability in conditions, and the prediction with its reasons in events. A model that was published in the flow before it is no longer. Returns the version. Errors: no such version; columns that the leads table has not.';

CREATE FUNCTION leadroute.revert(model text, flow text DEFAULT 'default') RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	subject	leadroute.prediction_models;
	before	integer[];
	target	integer;
BEGIN
	SELECT m.* INTO subject FROM leadroute.prediction_models m WHERE m.flow = revert.flow AND m.model = revert.model FOR UPDATE;
	IF subject.published IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('model "%s" of flow "%s" is not published', model, flow),
			HINT = format('SELECT leadroute.publish(%L) publishes its newest version.', model);
	END IF;
	before := subject.published_before;
	/* versions that were deleted since are passed over */
	WHILE cardinality(before) > 0 AND target IS NULL LOOP
		SELECT v.version INTO target FROM leadroute.prediction_versions v
		WHERE v.flow = revert.flow AND v.model = revert.model AND v.version = before[cardinality(before)];
		before := before[:cardinality(before) - 1];
	END LOOP;
	UPDATE leadroute.prediction_models m SET published = target, published_before = before WHERE m.flow = revert.flow AND m.model = revert.model;
	IF target IS NULL THEN
		RAISE NOTICE USING MESSAGE = format('no version of model "%s" was published before: none is now', model);
	END IF;
	RETURN target;
END
$$;
COMMENT ON FUNCTION leadroute.revert(text, text) IS
	'Takes back the last publish() of a model: the version published before is published again, and its number returned; NULL, with a NOTICE, where there was none, and none is published then.';

CREATE FUNCTION leadroute.predict("row" record, flow text DEFAULT 'default', model text DEFAULT NULL, version integer DEFAULT NULL,
	OUT probability double precision, OUT model_name text, OUT model_version integer, OUT reasons text[])
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_predict_row_sql';
COMMENT ON FUNCTION leadroute.predict(record, text, text, integer) IS
	'What a predictive model says of a row of any table or type, whose columns are found by name: SELECT p.* FROM leads l, leadroute.predict(l) p. model NULL: the one published in the flow, and NULLs where none is; version NULL: its published one. The reasons are up to three columns with their values and what they add to the log-odds against the average row of the training, the strongest first.';

CREATE FUNCTION leadroute.predict(lead text, flow text DEFAULT 'default', model text DEFAULT NULL, version integer DEFAULT NULL,
	OUT probability double precision, OUT model_name text, OUT model_version integer, OUT reasons text[])
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	leads	regclass := leadroute.flow_table(flow);
	key		record;
BEGIN
	IF leads IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('flow "%s" has no leads table', flow),
			HINT = format('Attach one: SELECT leadroute.attach(''public.leads'', flow => %L).', flow);
	END IF;
	SELECT a.attname, format_type(a.atttypid, a.atttypmod) AS type INTO STRICT key
	FROM pg_attribute a
	WHERE a.attrelid = leads AND a.attname = (leadroute.flow_attachment(flow)).key_column;
	EXECUTE format('SELECT p.* FROM %s l, leadroute.predict(l, $2, $3, $4) p WHERE l.%I = $1::%s', leads, key.attname, key.type)
	INTO probability, model_name, model_version, reasons
	USING lead, flow, model, version;
END
$$;
COMMENT ON FUNCTION leadroute.predict(text, text, text, integer) IS
	'The same of a stored lead, by its key: what the model says of its row as it is now. NULLs where there is no such row. Needs SELECT on the leads table.';

CREATE FUNCTION leadroute.predict(lead bigint, flow text DEFAULT 'default', model text DEFAULT NULL, version integer DEFAULT NULL,
	OUT probability double precision, OUT model_name text, OUT model_version integer, OUT reasons text[])
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$ SELECT p.* FROM leadroute.predict(lead::text, flow, model, version) p $$;
COMMENT ON FUNCTION leadroute.predict(bigint, text, text, integer) IS 'predict() for a lead whose key is a number.';

CREATE FUNCTION leadroute.predict(lead uuid, flow text DEFAULT 'default', model text DEFAULT NULL, version integer DEFAULT NULL,
	OUT probability double precision, OUT model_name text, OUT model_version integer, OUT reasons text[])
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$ SELECT p.* FROM leadroute.predict(lead::text, flow, model, version) p $$;
COMMENT ON FUNCTION leadroute.predict(uuid, text, text, integer) IS 'predict() for a lead whose key is a uuid.';

CREATE FUNCTION leadroute.measure(scores double precision[], won boolean[],
	OUT auc double precision, OUT brier double precision, OUT log_loss double precision, OUT calibration_error double precision, OUT calibration jsonb)
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'lr_measure';
COMMENT ON FUNCTION leadroute.measure(double precision[], boolean[]) IS
	'How good probabilities are, beside what came true: as the columns of prediction_versions of these names. Pairs of which one is NULL are left out. The AUC is right for scores of any scale. An error where the arrays differ in length.';

GRANT EXECUTE ON FUNCTION leadroute.train_version(text, text, regclass, text, text[], boolean, text[], text[], text[], text[], text[], text[], text, double precision, boolean, double precision, integer, integer, jsonb, text),
	leadroute.train(text, regclass, text, text[], text[], text[], text[], jsonb, text, double precision, boolean, double precision, integer, integer, text, text),
	leadroute.publish(text, integer, text), leadroute.revert(text, text) TO leadroute_admin;
REVOKE ALL ON FUNCTION leadroute.train_version(text, text, regclass, text, text[], boolean, text[], text[], text[], text[], text[], text[], text, double precision, boolean, double precision, integer, integer, jsonb, text),
	leadroute.train(text, regclass, text, text[], text[], text[], text[], jsonb, text, double precision, boolean, double precision, integer, integer, text, text),
	leadroute.publish(text, integer, text), leadroute.revert(text, text),
	leadroute.predict(record, text, text, integer), leadroute.predict(text, text, text, integer), leadroute.predict(bigint, text, text, integer),
	leadroute.predict(uuid, text, text, integer), leadroute.measure(double precision[], boolean[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION leadroute.predict(record, text, text, integer), leadroute.predict(text, text, text, integer), leadroute.predict(bigint, text, text, integer),
	leadroute.predict(uuid, text, text, integer), leadroute.measure(double precision[], boolean[]) TO leadroute_reader;
