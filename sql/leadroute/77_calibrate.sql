/*
 * Calibration: what a model would have said of leads whose outcome is known. It changes nothing.
 */
CREATE FUNCTION leadroute.settle() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_settle';
COMMENT ON FUNCTION leadroute.settle() IS 'Internal: what this transaction has done to leads, and waits for its end, is written, as whenever anything asks leadroute about a lead.';

CREATE FUNCTION leadroute.score_as_of(lead text, at timestamptz, flow text) RETURNS numeric
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	RETURN leadroute.score(lead, at, flow);
EXCEPTION WHEN no_data_found THEN
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION leadroute.score_as_of(text, timestamptz, text) IS 'Internal: score(), NULL for a lead that is no longer in its table.';

CREATE FUNCTION leadroute.calibrate(model text, outcomes regclass DEFAULT NULL, flow text DEFAULT 'default',
	OUT leads integer, OUT won integer, OUT unscored integer, OUT auc double precision,
	OUT threshold numeric, OUT "precision" double precision, OUT recall double precision,
	OUT suggested_threshold numeric, OUT suggested_precision double precision, OUT suggested_recall double precision,
	OUT high_won integer, OUT high_lost integer, OUT low_won integer, OUT low_lost integer,
	OUT lift jsonb, OUT acceptance double precision, OUT drift double precision, OUT warnings text[])
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	subject		leadroute.flows;
	scoring		leadroute.scoring_models;
	lead_column	text;
	at_column	text;
	query		text;
	scores		numeric[];
	results		boolean[];
	times		timestamptz[];
	n			integer;
	older		double precision;
	newer		double precision;
	judged		integer;
BEGIN
	PERFORM leadroute.settle();
	SELECT f.* INTO subject FROM leadroute.flows f WHERE f.flow = calibrate.flow;
	SELECT m.* INTO scoring FROM leadroute.scoring_models m WHERE m.flow = calibrate.flow AND m.model = calibrate.model;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = format('scoring model "%s" of flow "%s" does not exist', model, flow),
			HINT = 'See leadroute.scoring_models. Predictive models are measured by train(): leadroute.prediction_versions.';
	END IF;
	threshold := scoring.threshold;
	IF outcomes IS NULL THEN
		query := 'SELECT s.lead, s.won, coalesce(s.routed_at, s.submitted_at) AS at FROM leadroute.lead_states s
			WHERE s.flow = $1 AND s.closed_at IS NOT NULL AND s.outcome NOT IN (''deleted'', ''gone'', ''moved'') AND coalesce(s.routed_at, s.submitted_at) IS NOT NULL
				AND s.duplicate_of IS NULL';
	ELSE
		SELECT a.attname INTO lead_column FROM pg_attribute a
		WHERE a.attrelid = outcomes AND a.attnum > 0 AND NOT a.attisdropped
			AND a.attname IN ('lead', (leadroute.flow_attachment(flow)).key_column) ORDER BY a.attname <> 'lead' LIMIT 1;
		SELECT a.attname INTO at_column FROM pg_attribute a
		WHERE a.attrelid = outcomes AND a.attnum > 0 AND NOT a.attisdropped AND a.attname = 'at' AND a.atttypid IN ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype);
		IF lead_column IS NULL OR NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = outcomes AND a.attname = 'won' AND a.atttypid = 'boolean'::regtype AND NOT a.attisdropped) THEN
			RAISE EXCEPTION USING ERRCODE = 'undefined_column', MESSAGE = format('relation "%s" has no columns lead and won', outcomes),
				DETAIL = 'It needs lead (or the key''s name), won (boolean), and may have at (the instant to score as of).';
		END IF;
		query := format('SELECT o.%I::text AS lead, o.won, %s AS at FROM %s o LEFT JOIN leadroute.lead_states s ON s.flow = $1 AND s.lead = o.%1$I::text',
						lead_column, CASE WHEN at_column IS NULL THEN 'coalesce(s.routed_at, s.submitted_at, leadroute.clock())' ELSE 'o.at::timestamptz' END, outcomes);
	END IF;
	query := format('SELECT array_agg(x.score ORDER BY x.at, x.lead), array_agg(x.won ORDER BY x.at, x.lead), array_agg(x.at ORDER BY x.at, x.lead)
		FROM (SELECT y.lead, y.won, y.at, leadroute.score_as_of(y.lead, y.at, $1) AS score FROM (%s) y WHERE y.won IS NOT NULL OFFSET 0) x', query);

	/* another model than the flow's is asked in a subtransaction that is always undone: nobody sees it, and inserts wait for none of it */
	IF subject.scoring_model IS NOT DISTINCT FROM model THEN
		EXECUTE query INTO scores, results, times USING flow;
	ELSE
		BEGIN
			UPDATE leadroute.flows f SET scoring_model = model WHERE f.flow = calibrate.flow;
			EXECUTE query INTO scores, results, times USING flow;
			RAISE EXCEPTION USING ERRCODE = 'LR000', MESSAGE = 'undone';
		EXCEPTION WHEN SQLSTATE 'LR000' THEN
			NULL;
		END;
	END IF;
	unscored := (SELECT count(*) FROM unnest(scores) s WHERE s IS NULL);
	SELECT array_agg(u.s ORDER BY u.i), array_agg(u.w ORDER BY u.i), array_agg(u.t ORDER BY u.i) INTO scores, results, times
	FROM unnest(scores, results, times) WITH ORDINALITY u(s, w, t, i) WHERE u.s IS NOT NULL;
	n := coalesce(cardinality(scores), 0);
	leads := n;
	won := (SELECT count(*) FROM unnest(results) w WHERE w);
	warnings := '{}';
	IF n > 0 THEN
		auc := (leadroute.measure(scores::float8[], results)).auc;
	END IF;
	/* the highest threshold that 80 % of the won leads reach */
	suggested_threshold := (SELECT u.s FROM unnest(scores, results) u(s, w) WHERE u.w ORDER BY u.s DESC OFFSET greatest(ceil(0.8 * won)::integer - 1, 0) LIMIT 1);
	SELECT count(*) FILTER (WHERE u.w AND u.s >= threshold), count(*) FILTER (WHERE NOT u.w AND u.s >= threshold),
		count(*) FILTER (WHERE u.w AND u.s < threshold), count(*) FILTER (WHERE NOT u.w AND u.s < threshold),
		count(*) FILTER (WHERE u.w AND u.s >= suggested_threshold)::float8 / nullif(count(*) FILTER (WHERE u.s >= suggested_threshold), 0),
		count(*) FILTER (WHERE u.w AND u.s >= suggested_threshold)::float8 / nullif(won, 0)
	INTO high_won, high_lost, low_won, low_lost, suggested_precision, suggested_recall
	FROM unnest(scores, results) u(s, w);
	"precision" := high_won::float8 / nullif(high_won + high_lost, 0);
	recall := high_won::float8 / nullif(won, 0);
	/* tenths by score, the highest first; leads of one score stay together in no certain order, by time */
	lift := (SELECT coalesce(jsonb_agg(jsonb_build_object('decile', d.decile, 'leads', d.leads, 'won', d.won, 'from', d.lowest, 'to', d.highest,
				'rate', round(d.won::numeric / d.leads, 4), 'lift', round(d.won * n::numeric / nullif(d.leads * calibrate.won, 0), 2)) ORDER BY d.decile), '[]')
			 FROM (SELECT t.decile, count(*) AS leads, count(*) FILTER (WHERE t.w) AS won, min(t.s) AS lowest, max(t.s) AS highest
				   FROM (SELECT u.s, u.w, ntile(10) OVER (ORDER BY u.s DESC, u.i) AS decile FROM unnest(scores, results) WITH ORDINALITY u(s, w, i)) t GROUP BY t.decile) d);
	/* of the leads that sales said yes or no to in the last 90 days: yes */
	SELECT count(*), count(*) FILTER (WHERE e.code = 'accepted')::float8 / nullif(count(*), 0) INTO judged, acceptance
	FROM (SELECT DISTINCT ON (v.lead) v.kind AS code FROM leadroute.events v
		  WHERE v.flow = calibrate.flow AND v.kind IN ('accepted', 'rejected') AND v.at > leadroute.clock() - interval '90 days'
		  ORDER BY v.lead, v.id DESC) e;
	/* population stability index of the scores of the newer half against the older, over the older one's fifths */
	IF n >= 100 THEN
		drift := (WITH old AS (SELECT u.s FROM unnest(scores) WITH ORDINALITY u(s, i) WHERE u.i <= n / 2),
					new AS (SELECT u.s FROM unnest(scores) WITH ORDINALITY u(s, i) WHERE u.i > n / 2),
					bounds AS (SELECT percentile_disc(ARRAY[0.2, 0.4, 0.6, 0.8]) WITHIN GROUP (ORDER BY o.s) AS b FROM old o),
					parts AS (SELECT p.part, (SELECT count(*) FROM old o, bounds b WHERE width_bucket(o.s, (SELECT array_agg(DISTINCT v ORDER BY v) FROM unnest(b.b) v)) = p.part) AS olds,
								(SELECT count(*) FROM new o, bounds b WHERE width_bucket(o.s, (SELECT array_agg(DISTINCT v ORDER BY v) FROM unnest(b.b) v)) = p.part) AS news
							  FROM generate_series(0, 4) p(part))
				  SELECT sum(((p.news + 0.5) / (n - n / 2 + 2.5) - (p.olds + 0.5) / (n / 2 + 2.5))
						* ln(((p.news + 0.5) / (n - n / 2 + 2.5)) / ((p.olds + 0.5) / (n / 2 + 2.5)))) FROM parts p);
		older := (leadroute.measure(scores[:n / 2]::float8[], results[:n / 2])).auc;
		newer := (leadroute.measure(scores[n / 2 + 1:]::float8[], results[n / 2 + 1:])).auc;
	END IF;

	IF least(won, n - won) < 40 THEN
		warnings := warnings || format('only %s won and %s lost leads: what is said here rests on little', won, n - won);
	END IF;
	IF judged >= 20 AND acceptance < 0.3 THEN
		warnings := warnings || format('sales accepted %s%% of the %s leads that it judged in 90 days: the threshold, or the points, are too generous', round((100 * acceptance)::numeric), judged);
	END IF;
	IF drift > 0.25 THEN
		warnings := warnings || format('the scores of the newer half are spread otherwise than those of the older (population stability index %s, more than 0.25): leads or signals have changed', round(drift::numeric, 2));
	END IF;
	IF older - newer > 0.05 THEN
		warnings := warnings || format('the AUC has fallen from %s in the older half to %s in the newer: the points no longer tell won from lost as they did', round(older::numeric, 3), round(newer::numeric, 3));
	END IF;
	IF auc < 0.6 THEN
		warnings := warnings || format('an AUC of %s is little better than chance', round(auc::numeric, 3));
	END IF;
	IF abs(suggested_threshold - threshold) > 10 THEN
		warnings := warnings || format('the threshold is %s; 80%% of the won leads reach %s', threshold, suggested_threshold);
	END IF;
END
$$;
COMMENT ON FUNCTION leadroute.calibrate(text, regclass, text) IS
	'What a scoring model of a flow would have said of leads whose outcome is known, each scored as of when it was routed (its row is taken as it is now; its signals, and their decay, as they were then). outcomes: a relation with lead (or the key''s name), won (boolean) and perhaps at (the instant to score as of); NULL: the flow''s closed leads, but for those deleted, gone, or duplicates. threshold, precision, recall, and the four quadrants (high and low score, won and lost) are of the model''s own threshold; suggested_threshold is the highest that at least 80 % of the won leads reach, with its precision and recall. auc: the chance that a won lead has more than a lost one. lift: tenths by score, the highest first, with their rates and what these are of the whole rate. acceptance: of the leads that sales accepted or rejected in the last 90 days. drift: population stability index of the scores of the newer half against the older, from 100 leads on. unscored: leads that are no longer in the table. warnings say when it is time: acceptance under 30 % (of 20 and more), drift, an AUC that falls or is poor, a threshold far from the suggested one, few leads. It changes nothing; asking for another model than the flow''s takes UPDATE on leadroute.flows. Needs SELECT on the leads table.';
REVOKE ALL ON FUNCTION leadroute.settle(), leadroute.calibrate(text, regclass, text), leadroute.score_as_of(text, timestamptz, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION leadroute.settle(), leadroute.calibrate(text, regclass, text), leadroute.score_as_of(text, timestamptz, text) TO leadroute_reader;
