/*
 * catch_up: the rows that stood in a leads table before it was attached, and those that arrived while
 * nothing was routed. A procedure that commits can have neither SECURITY DEFINER nor SET, so it
 * qualifies every name and does nothing itself: one front door a batch proves the caller's ownership.
 *
 * A run has phases. walk: each leaf, some blocks a batch, by ctid; rest: rows that moved meanwhile, found
 * by their missing state; route: leads left unrouted, where the flow is active. Where it is stands in
 * catch_ups, written with each batch, so that a run can stop anywhere and go on.
 */

/* Starts a run, or goes on with one that did not end. */
CREATE FUNCTION leadroute.catch_up_start(relation regclass, existing text, newer_than interval) RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'lr_call_for_owner';
COMMENT ON FUNCTION leadroute.catch_up_start(regclass, text, interval) IS 'Part of catch_up(): starts a run over a table that the caller owns, or resumes it; answers what becomes of rows without a state.';

CREATE FUNCTION leadroute.catch_up_start_owned(relation regclass, existing text, newer_than interval) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	attachment	leadroute.attachments;
	run			leadroute.catch_ups;
	mode		text;
BEGIN
	SELECT a.* INTO attachment FROM leadroute.attachments a WHERE leadroute.attachment_table(a) = catch_up_start_owned.relation;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = format('table %s is not attached', relation),
			HINT = format('SELECT leadroute.attach(%L).', relation);
	ELSIF attachment.status <> 'attached' THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('the attachment of table %s is broken', relation), DETAIL = coalesce(attachment.problem, ''),
			HINT = format('Change the table, or attach it again: SELECT leadroute.attach(%L, flow => %L, columns => …).', relation, attachment.flow);
	ELSIF existing IS NOT NULL AND existing NOT IN ('ignore', 'adopt', 'route') THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('existing cannot be "%s"', existing),
			HINT = 'Give ''ignore'', ''adopt'' or ''route''.';
	ELSIF newer_than IS NOT NULL AND existing IS DISTINCT FROM 'route' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'newer_than goes with existing => ''route'' only',
			HINT = format('CALL leadroute.catch_up(%L, existing => ''route'', newer_than => %L).', relation, newer_than);
	ELSIF newer_than <= '0' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'newer_than must be greater than zero',
			HINT = 'It says how far back leads may have been submitted to be routed, as ''7 days''.';
	ELSIF newer_than IS NOT NULL AND NOT EXISTS (
			SELECT FROM pg_attribute a
			WHERE a.attrelid = relation AND a.attname = leadroute.mapped_column(attachment.columns, 'submitted_at')
				AND a.attnum > 0 AND NOT a.attisdropped) THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_column', MESSAGE = format('table %s has no column that says when a lead was submitted', relation),
			HINT = 'Map it: columns => ''{"submitted_at": "…"}''.';
	END IF;
	/* a table that took the place of one caught up brings new leads */
	mode := coalesce(existing, CASE WHEN attachment.caught_up_at IS NULL THEN 'ignore' ELSE 'route' END);

	SELECT c.* INTO run FROM leadroute.catch_ups c WHERE c.flow = attachment.flow FOR UPDATE;
	IF NOT FOUND OR run.phase = 'done' OR run.relation <> relation
		OR (existing IS NOT NULL AND (run.existing, run.newer_than) IS DISTINCT FROM (existing, newer_than)) THEN
		INSERT INTO leadroute.catch_ups AS c (flow, relation, existing, newer_than, phase, blocks, started_at, updated_at)
			SELECT attachment.flow, catch_up_start_owned.relation, mode, catch_up_start_owned.newer_than, 'walk',
				coalesce(sum(pg_relation_size(p.relid) / current_setting('block_size')::bigint), 0), clock_timestamp(), clock_timestamp()
			FROM leadroute.leaves(catch_up_start_owned.relation) p
			ON CONFLICT (flow) DO UPDATE SET relation = EXCLUDED.relation, existing = EXCLUDED.existing, newer_than = EXCLUDED.newer_than,
				phase = 'walk', leaf = NULL, next_block = 0, blocks_done = 0, blocks = EXCLUDED.blocks, recorded = 0, adopted = 0, routed = 0,
				failed = 0, route_flow = NULL, route_at = NULL, route_lead = NULL,
				started_at = EXCLUDED.started_at, updated_at = EXCLUDED.updated_at, finished_at = NULL;
	END IF;
	RETURN mode;
END
$$;
COMMENT ON FUNCTION leadroute.catch_up_start_owned(regclass, text, interval) IS 'Does the work of catch_up_start().';

CREATE FUNCTION leadroute.read_instant(value text, zone text, dates text) RETURNS timestamptz
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'lr_read_instant';
COMMENT ON FUNCTION leadroute.read_instant(text, text, text) IS
	'The instant that a text says, as attach() maps it: in a zone where it names none, dates as MDY, DMY or YMD; digits are seconds, milliseconds or microseconds since 1970. Session settings change nothing. Errors: those of timestamptz.';
REVOKE ALL ON FUNCTION leadroute.read_instant(text, text, text) FROM PUBLIC;

/* Of a column of any type that may hold one. */
CREATE FUNCTION leadroute.instant_of(value text, zone text, dates text) RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	RETURN leadroute.read_instant(value, zone, dates);
EXCEPTION WHEN data_exception THEN
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION leadroute.instant_of(text, text, text) IS 'Like read_instant(); NULL where the text says none.';

/*
 * Records rows of one leaf that have no state: those of a range of blocks, or, where first_block is
 * NULL, up to "batch" that an anti-join finds. session_replication_role = replica keeps the trigger
 * for restored rows off lead_states; nothing else is written here. Where another table took the name,
 * answers also which known leads stand there without their owner.
 */
CREATE FUNCTION leadroute.record_existing(attachment leadroute.attachments, run leadroute.catch_ups, leaf regclass,
	first_block bigint, last_block bigint, batch integer, OUT recorded bigint, OUT adopted bigint,
	OUT blank_flows text[], OUT blank_leads text[])
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
SET session_replication_role = replica
AS $$
#variable_conflict use_variable
DECLARE
	flow_value	text := quote_literal(attachment.flow);
	owner_value	text := 'NULL::text';
	deleted		text := 'false';
	asked_at	text := 'NULL::timestamptz';
	used		record;
	place		record;
BEGIN
	FOR used IN
		SELECT c.canonical, a.attname, leadroute.base_type(a.atttypid) AS type,
			coalesce(attachment.columns->c.canonical->>'timezone', 'UTC') AS zone,
			coalesce(attachment.columns->c.canonical->>'dates', 'MDY') AS dates
		FROM (VALUES ('owner', leadroute.mapped_column(attachment.columns, 'owner')),
					 ('deleted', leadroute.mapped_column(attachment.columns, 'deleted')),
					 ('submitted_at', leadroute.mapped_column(attachment.columns, 'submitted_at')),
					 ('flow_column', attachment.flow_column)) c(canonical, attname)
			JOIN pg_attribute a ON a.attrelid = leaf AND a.attname = c.attname AND a.attnum > 0 AND NOT a.attisdropped
	LOOP
		/* format('%s') goes through the type's output function and calls no cast of the table's owner */
		CASE used.canonical
			WHEN 'owner' THEN owner_value := format('nullif(btrim(format(''%%s'', t.%I)), '''')', used.attname);
			WHEN 'deleted' THEN deleted := format('lower(btrim(format(''%%s'', t.%I))) IN (''t'', ''true'', ''1'', ''yes'', ''y'', ''on'')', used.attname);
			WHEN 'flow_column' THEN flow_value := format('coalesce((SELECT f.flow FROM leadroute.flows f WHERE f.flow = format(''%%s'', t.%I)), %L)', used.attname, attachment.flow);
			ELSE
				IF used.type = 'timestamptz'::regtype THEN
					asked_at := format('t.%I::timestamptz', used.attname);
				ELSIF used.type IN ('timestamp'::regtype, 'date'::regtype) THEN
					asked_at := format('(t.%I::timestamp AT TIME ZONE %L)', used.attname, used.zone);
				ELSE
					asked_at := format('leadroute.instant_of(nullif(btrim(format(''%%s'', t.%I)), ''''), %L, %L)', used.attname, used.zone, used.dates);
				END IF;
		END CASE;
	END LOOP;

	recorded := 0;
	adopted := 0;
	FOR place IN EXECUTE format($batch$
		WITH standing AS (
			SELECT %1$s AS flow, format('%%s', t.%2$I) AS lead, %3$s AS owner, %4$s AS deleted, %5$s AS asked_at, t AS leaf_row
			FROM ONLY %6$s t
			WHERE t.%2$I IS NOT NULL AND %7$s
		), fresh AS (
			SELECT s.* FROM standing s
			WHERE octet_length(s.lead) <= 2000 AND %8$s	/* LEAD_KEY_MAX in lead.h */
			LIMIT $4
		), keyed AS (
			/* who holds a key, as this statement sees it, or the first of the batch: a scalar query, which cannot be planned to read all keys */
			SELECT f.flow, f.lead, k.kind, k.key,
				(SELECT i.lead FROM leadroute.identities i WHERE i.flow = f.flow AND i.kind = k.kind AND i.key = k.key) AS holder,
				first_value(f.lead) OVER (PARTITION BY f.flow, k.kind, k.key ORDER BY f.asked_at, f.lead COLLATE "C") AS earliest
			FROM fresh f CROSS JOIN LATERAL leadroute.lead_keys(f.leaf_row, f.flow) k
			WHERE NOT f.deleted
		), claimed AS (
			INSERT INTO leadroute.identities (flow, kind, key, lead)
			SELECT k.flow, k.kind, k.key, k.lead FROM keyed k WHERE k.holder IS NULL AND k.lead = k.earliest
			ORDER BY k.flow, k.kind, k.key
			ON CONFLICT (flow, kind, key) DO NOTHING
		), shared AS (
			SELECT k.flow, k.lead, k.kind, coalesce(k.holder, k.earliest) AS other
			FROM keyed k WHERE k.lead <> coalesce(k.holder, k.earliest)
		), suggested AS (
			/* what catch_up routes is linked then; all others stay two until somebody says that they are one */
			INSERT INTO leadroute.duplicate_candidates (flow, lead, other, score, evidence, found_at, scored_at)
			SELECT d.flow, least(d.lead COLLATE "C", d.other), greatest(d.lead COLLATE "C", d.other), 1,
				jsonb_object_agg(leadroute.rule_label(d.flow, d.kind), '{"likeness": "exact"}'::jsonb), $3, $3
			FROM shared d
			WHERE $1 <> 'route'
				AND NOT EXISTS (SELECT FROM leadroute.lead_states s WHERE s.flow = d.flow AND s.lead = d.lead AND (s.duplicate_of IS NOT NULL OR s.status = 'unrouted'))
				AND NOT EXISTS (SELECT FROM leadroute.lead_states s WHERE s.flow = d.flow AND s.lead = d.other AND s.duplicate_of = d.lead)
			GROUP BY 1, 2, 3
			ON CONFLICT (flow, lead, other) DO NOTHING
		), judged AS (
			SELECT f.flow, f.lead, f.owner, f.asked_at, r.rep,
				CASE WHEN r.rep IS NOT NULL THEN (SELECT min(m.team) FROM leadroute.team_members m WHERE m.flow = f.flow AND m.rep = r.rep) END AS team,
				$1 = 'route' AND NOT f.deleted AND ($2 IS NULL OR coalesce(f.asked_at > $3 - $2, false)) AS to_route
			FROM fresh f
				LEFT JOIN leadroute.reps r ON $1 = 'adopt' AND NOT f.deleted AND r.flow = f.flow AND r.rep = f.owner AND r.active
		), written AS (
			INSERT INTO leadroute.lead_states (flow, lead, status, code, owner, source_owner, team, submitted_at, routed_at, route_reason)
			SELECT j.flow, j.lead,
				CASE WHEN j.rep IS NOT NULL THEN 'assigned' WHEN j.to_route THEN 'unrouted' ELSE 'ignored' END,
				CASE WHEN j.rep IS NOT NULL THEN 'adopted' WHEN j.to_route THEN 'pending' ELSE 'existing' END,
				j.rep, CASE WHEN $1 <> 'ignore' THEN j.owner END, j.team,
				coalesce(least(j.asked_at, $3), CASE WHEN j.to_route THEN $3 END),
				CASE WHEN j.rep IS NOT NULL THEN $3 END,
				CASE WHEN j.rep IS NOT NULL THEN 'stood in the table with this owner' END
			FROM judged j
			ON CONFLICT (flow, lead) DO NOTHING
			RETURNING flow, team, owner, status
		)
		SELECT w.flow, w.team, w.owner, count(*) AS leads FROM written w GROUP BY w.flow, w.team, w.owner$batch$,
		flow_value, attachment.key_column, owner_value, deleted, asked_at, leaf,
		CASE WHEN first_block IS NULL THEN 'true'
			 ELSE format('t.ctid >= ''(%s,0)''::tid AND t.ctid < ''(%s,0)''::tid', first_block, last_block) END,
		/* a range of blocks meets ON CONFLICT: an anti-join may be planned to read all of lead_states each time */
		CASE WHEN first_block IS NULL THEN 'NOT EXISTS (SELECT FROM leadroute.lead_states k WHERE k.flow = s.flow AND k.lead = s.lead)'
			 ELSE 'true' END)
		USING run.existing, run.newer_than, run.started_at, CASE WHEN first_block IS NULL THEN batch END
	LOOP
		recorded := recorded + place.leads;
		IF place.owner IS NOT NULL THEN
			adopted := adopted + place.leads;
			PERFORM leadroute.rotation_open(place.flow, coalesce(place.team, ''), place.owner, place.leads::integer);
		END IF;
	END LOOP;

	IF first_block IS NOT NULL AND owner_value <> 'NULL::text' AND attachment.caught_up_at < attachment.replaced_at THEN
		EXECUTE format($blank$
			SELECT array_agg(s.flow), array_agg(s.lead)
			FROM ONLY %s t JOIN leadroute.lead_states s ON s.flow = %s AND s.lead = format('%%s', t.%I)
			WHERE %s AND s.status = 'assigned' AND s.closed_at IS NULL AND s.owner IS DISTINCT FROM %s$blank$,
			leaf, flow_value, attachment.key_column,
			format('t.ctid >= ''(%s,0)''::tid AND t.ctid < ''(%s,0)''::tid', first_block, last_block), owner_value)
			INTO blank_flows, blank_leads;
	END IF;
END
$$;
COMMENT ON FUNCTION leadroute.record_existing(leadroute.attachments, leadroute.catch_ups, regclass, bigint, bigint, integer) IS
	'Part of catch_up(): writes the states of rows that have none, in a range of blocks or wherever they are, and claims their keys; keys that two of them share are suggested as duplicates.';

/* One batch of a run; answers whether it has come to its end. */
CREATE FUNCTION leadroute.catch_up_batch(relation regclass, batch integer) RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'lr_call_for_owner';
COMMENT ON FUNCTION leadroute.catch_up_batch(regclass, integer) IS 'Part of catch_up(): does the next batch of a run over a table that the caller owns; answers whether the run has ended.';

CREATE FUNCTION leadroute.catch_up_batch_owned(relation regclass, batch integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	attachment	leadroute.attachments;
	run			leadroute.catch_ups;
	heap		record;
	stop		bigint;
	done		record;
	lead		record;
	status		text;
	seen		integer := 0;
BEGIN
	SELECT a.* INTO attachment FROM leadroute.attachments a WHERE leadroute.attachment_table(a) = catch_up_batch_owned.relation;
	SELECT c.* INTO run FROM leadroute.catch_ups c WHERE c.flow = attachment.flow FOR UPDATE;
	IF attachment.flow IS NULL OR run.flow IS NULL OR run.relation <> relation THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('table %s was replaced or detached while catch_up was at work', relation),
			HINT = 'Call leadroute.catch_up() again.';
	ELSIF batch IS NULL OR batch < 1 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'batch must be at least 1';
	END IF;

	IF run.phase = 'walk' THEN
		/* the leaf it stands in, or the next by OID; foreign leaves have no blocks and are left to the rest */
		SELECT p.relid::oid AS leaf, pg_relation_size(p.relid) / current_setting('block_size')::bigint AS blocks,
			leadroute.row_density(p.relid) AS density INTO heap
		FROM leadroute.leaves(catch_up_batch_owned.relation) p JOIN pg_class c ON c.oid = p.relid
		WHERE c.relkind = 'r' AND p.relid::oid >= coalesce(run.leaf, 0)
			AND (p.relid::oid > coalesce(run.leaf, 0) OR run.next_block < pg_relation_size(p.relid) / current_setting('block_size')::bigint)
			AND pg_relation_size(p.relid) > 0
		ORDER BY p.relid::oid LIMIT 1;
		IF NOT FOUND THEN
			UPDATE leadroute.catch_ups c SET phase = 'rest', leaf = NULL, updated_at = clock_timestamp() WHERE c.flow = run.flow;
			RETURN false;
		END IF;
		IF heap.leaf IS DISTINCT FROM run.leaf THEN
			run.next_block := 0;
		END IF;
		stop := least(heap.blocks, run.next_block + greatest(1, ceil(batch / heap.density))::bigint);
		done := leadroute.record_existing(attachment, run, heap.leaf, run.next_block, stop, batch);
		PERFORM leadroute.route_stored(b.flow, b.lead) FROM unnest(done.blank_flows, done.blank_leads) b(flow, lead);
		UPDATE leadroute.catch_ups c
			SET leaf = heap.leaf, next_block = stop, blocks_done = c.blocks_done + stop - run.next_block,
				recorded = c.recorded + done.recorded, adopted = c.adopted + done.adopted, updated_at = clock_timestamp()
			WHERE c.flow = run.flow;
		RETURN false;
	ELSIF run.phase = 'rest' THEN
		FOR heap IN SELECT p.relid FROM leadroute.leaves(catch_up_batch_owned.relation) p ORDER BY p.relid::oid LOOP
			done := leadroute.record_existing(attachment, run, heap.relid, NULL, NULL, batch);
			IF done.recorded > 0 THEN
				UPDATE leadroute.catch_ups c
					SET recorded = c.recorded + done.recorded, adopted = c.adopted + done.adopted, updated_at = clock_timestamp()
					WHERE c.flow = run.flow;
				RETURN false;
			END IF;
		END LOOP;
		UPDATE leadroute.catch_ups c SET phase = 'route', updated_at = clock_timestamp() WHERE c.flow = run.flow;
		RETURN false;
	ELSIF run.phase = 'route' THEN
		FOR lead IN
			SELECT s.flow, s.lead, coalesce(s.submitted_at, '-infinity') AS at
			FROM leadroute.lead_states s JOIN leadroute.flows f ON f.flow = s.flow
			WHERE s.status = 'unrouted' AND s.closed_at IS NULL AND (s.code IN ('pending', 'flow_off', 'disabled', 'routing_error', 'no_library') OR (s.code = 'not_ready' AND f.route_when IS NULL) OR (s.code = 'no_consent' AND NOT f.require_consent)) AND f.active
				AND (s.flow = attachment.flow
					 OR (attachment.flow_column IS NOT NULL AND (leadroute.flow_attachment(s.flow)).flow = attachment.flow))
				AND (run.route_flow IS NULL OR s.flow >= run.route_flow)
				AND (run.route_flow IS NULL
					 OR (s.flow, coalesce(s.submitted_at, '-infinity'), s.lead) > (run.route_flow, run.route_at, run.route_lead))
			ORDER BY s.flow, coalesce(s.submitted_at, '-infinity'), s.lead
			LIMIT batch
		LOOP
			seen := seen + 1;
			run.route_flow := lead.flow;
			run.route_at := lead.at;
			run.route_lead := lead.lead;
			BEGIN
				status := leadroute.route_stored(lead.flow, lead.lead);
				IF status = 'unrouted' THEN
					run.failed := run.failed + 1;
				ELSIF status IS NOT NULL THEN	/* else its row has gone meanwhile */
					run.routed := run.routed + 1;
				END IF;
			EXCEPTION WHEN OTHERS THEN
				run.failed := run.failed + 1;
				RAISE WARNING USING MESSAGE = format('lead %s of flow "%s" could not be routed', lead.lead, lead.flow), DETAIL = SQLERRM,
					HINT = 'It stays unrouted; call leadroute.catch_up() again when the cause is gone.';
			END;
		END LOOP;
		UPDATE leadroute.catch_ups c
			SET routed = run.routed, failed = run.failed, route_flow = run.route_flow, route_at = run.route_at, route_lead = run.route_lead,
				updated_at = clock_timestamp(), phase = CASE WHEN seen < batch THEN 'done' ELSE c.phase END,
				finished_at = CASE WHEN seen < batch THEN clock_timestamp() END
			WHERE c.flow = run.flow;
		IF seen < batch THEN
			UPDATE leadroute.attachments a SET caught_up_at = run.started_at WHERE a.flow = attachment.flow;
		END IF;
		RETURN seen < batch;
	END IF;
	RETURN true;
END
$$;
COMMENT ON FUNCTION leadroute.catch_up_batch_owned(regclass, integer) IS 'Does the work of catch_up_batch().';

/* The attached tables that the caller owns. */
CREATE FUNCTION leadroute.attached_tables() RETURNS SETOF regclass
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT leadroute.attachment_table(a) FROM leadroute.attachments a
	WHERE a.status = 'attached' AND leadroute.attachment_table(a) IS NOT NULL
	ORDER BY a.flow
$$;
COMMENT ON FUNCTION leadroute.attached_tables() IS 'The tables that are attached and fit.';

CREATE PROCEDURE leadroute.catch_up(relation regclass DEFAULT NULL, existing text DEFAULT NULL, newer_than interval DEFAULT NULL, batch integer DEFAULT 5000)
LANGUAGE plpgsql
AS $$
DECLARE
	leads	pg_catalog.regclass;
	tables	pg_catalog.regclass[];
	mode	pg_catalog.text;
	ended	boolean;
	more	boolean;
BEGIN
	IF relation IS NOT NULL THEN
		tables := ARRAY[relation];
	ELSE
		SELECT pg_catalog.array_agg(t.leads) INTO tables
		FROM leadroute.attached_tables() AS t(leads)
			JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) t.leads::pg_catalog.oid
		WHERE pg_catalog.pg_has_role(c.relowner, 'USAGE');
	END IF;
	IF tables IS NULL THEN
		RAISE NOTICE USING MESSAGE = 'no table of yours is attached', HINT = 'SELECT leadroute.attach(''public.leads'').';
		RETURN;
	END IF;
	FOREACH leads IN ARRAY tables LOOP
		mode := leadroute.catch_up_start(leads, existing, newer_than);
		LOOP
			ended := leadroute.catch_up_batch(leads, batch);
			more := NOT ended;
			CALL leadroute.commit_batch(more);
			EXIT WHEN NOT more;
		END LOOP;
		IF NOT ended THEN
			RAISE NOTICE USING MESSAGE = pg_catalog.format('one batch of %s is done', leads),
				HINT = 'Inside a transaction catch_up does one batch and commits nothing: call it again to go on, or outside of one.';
			RETURN;
		END IF;
	END LOOP;
END
$$;
COMMENT ON PROCEDURE leadroute.catch_up(regclass, text, interval, integer) IS
	'Records the rows that stood in a leads table (NULL: every attached table of yours) before the attach, so that no reload routes them, and their keys, so that who comes later is known as their duplicate; those that share keys among themselves are suggested (duplicate_candidates), never changed: existing => ''ignore'' (default; after the first run ''route'') no more than that, ''adopt'' also owner and place, ''route'' decides those submitted within newer_than. Also routes leads left unrouted. Commits after each batch and can be stopped and called again; in a transaction block it does one batch.';

CREATE VIEW leadroute.catch_up_progress AS
	SELECT c.flow, a.table_schema, a.table_name, c.existing, c.newer_than, c.phase,
		CASE WHEN c.phase IN ('walk') THEN round(100.0 * c.blocks_done / greatest(c.blocks, c.blocks_done, 1), 1) ELSE 100 END AS percent_read,
		c.recorded, c.adopted, c.routed, c.failed, c.started_at, c.updated_at, c.finished_at
	FROM leadroute.catch_ups c LEFT JOIN leadroute.attachments a ON a.flow = c.flow;
COMMENT ON VIEW leadroute.catch_up_progress IS 'How far leadroute.catch_up() is with each attached table, or was when it ended.';
COMMENT ON COLUMN leadroute.catch_up_progress.percent_read IS 'Share of the table''s blocks that were walked.';
COMMENT ON COLUMN leadroute.catch_up_progress.flow IS 'The attachment''s flow.';
COMMENT ON COLUMN leadroute.catch_up_progress.table_schema IS 'Schema of the leads table.';
COMMENT ON COLUMN leadroute.catch_up_progress.table_name IS 'Name of the leads table.';
COMMENT ON COLUMN leadroute.catch_up_progress.existing IS 'What becomes of rows that have no state.';
COMMENT ON COLUMN leadroute.catch_up_progress.newer_than IS 'For ''route'': only leads submitted within this time before the start.';
COMMENT ON COLUMN leadroute.catch_up_progress.phase IS 'walk (block by block), rest (rows that moved meanwhile), route (leads left unrouted), done.';
COMMENT ON COLUMN leadroute.catch_up_progress.recorded IS 'Leads recorded.';
COMMENT ON COLUMN leadroute.catch_up_progress.adopted IS 'Of these, with their owner.';
COMMENT ON COLUMN leadroute.catch_up_progress.routed IS 'Leads routed.';
COMMENT ON COLUMN leadroute.catch_up_progress.failed IS 'Leads whose routing failed.';
COMMENT ON COLUMN leadroute.catch_up_progress.started_at IS 'When the run started.';
COMMENT ON COLUMN leadroute.catch_up_progress.updated_at IS 'When the last batch ended.';
COMMENT ON COLUMN leadroute.catch_up_progress.finished_at IS 'When the run came to its end.';
