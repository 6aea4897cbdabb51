/*
 * Keys that are stored were made with certain versions of the libraries that know phone numbers, domains and places, and
 * with certain options of their flow. Where these have changed, health says so, and rekey() makes the keys anew: in
 * batches, each a transaction, so that a run can stop anywhere and go on. sweep() calls it.
 *
 * A run has two phases. leads: in order of their keys, each gets those of its keys that it lacks; one that is another
 * person's becomes a suggestion. keys: in order of the index, what no row has any more goes. A lead keeps being known by its old
 * keys until the second phase, so nothing is free in between.
 */
CREATE FUNCTION leadroute.canonical_versions(OUT library text, OUT version text) RETURNS SETOF record
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'lr_canonical_versions';
COMMENT ON FUNCTION leadroute.canonical_versions() IS
	'The versions of what canonical values are made with, in this session: names of places (iso-codes), leadroute''s own rules, encoding of domains (libidn2), phone numbers (libphonenumber and a sum of its tables), the public suffix list (libpsl and a sum of the list) and the server''s Unicode tables.';

CREATE TABLE leadroute.key_versions (
	flow			text COLLATE "C" NOT NULL,
	library			text COLLATE "C" NOT NULL,
	version			text NOT NULL,
	made_at			timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (flow, library)
);
COMMENT ON TABLE leadroute.key_versions IS 'With which versions of what the keys of a flow''s leads were made: written with the flow, and when rekey() has come to its end.';
COMMENT ON COLUMN leadroute.key_versions.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.key_versions.library IS 'As canonical_versions() names it; ''options'' are those of the flow.';
COMMENT ON COLUMN leadroute.key_versions.version IS 'The version, as text that differs where the data do.';
COMMENT ON COLUMN leadroute.key_versions.made_at IS 'When all keys were made with it.';

CREATE TABLE leadroute.rekeys (
	flow			text COLLATE "C" NOT NULL PRIMARY KEY,
	versions		jsonb NOT NULL,
	phase			text NOT NULL DEFAULT 'leads' CHECK (phase IN ('leads', 'keys')),
	after_lead		text COLLATE "C" NOT NULL DEFAULT '',
	after_kind		text COLLATE "C" NOT NULL DEFAULT '',
	after_key		text COLLATE "C" NOT NULL DEFAULT '',
	leads			bigint NOT NULL DEFAULT 0,
	added			bigint NOT NULL DEFAULT 0,
	removed			bigint NOT NULL DEFAULT 0,
	suggested		bigint NOT NULL DEFAULT 0,
	started_at		timestamptz NOT NULL DEFAULT clock_timestamp(),
	updated_at		timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE leadroute.rekeys IS 'Runs of rekey() that have not come to their end: where they are.';
COMMENT ON COLUMN leadroute.rekeys.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.rekeys.versions IS 'The versions that the run makes keys with; where they change meanwhile it begins anew.';
COMMENT ON COLUMN leadroute.rekeys.phase IS '''leads'' (each gets the keys that it lacks), then ''keys'' (what no row has any more goes).';
COMMENT ON COLUMN leadroute.rekeys.after_lead IS 'The last lead that was looked at.';
COMMENT ON COLUMN leadroute.rekeys.after_kind IS 'The kind of the last key that was looked at.';
COMMENT ON COLUMN leadroute.rekeys.after_key IS 'The last key that was looked at.';
COMMENT ON COLUMN leadroute.rekeys.leads IS 'How many leads were looked at.';
COMMENT ON COLUMN leadroute.rekeys.added IS 'How many keys were added, or went to the lead whose row has them now.';
COMMENT ON COLUMN leadroute.rekeys.removed IS 'How many keys went that no row has any more.';
COMMENT ON COLUMN leadroute.rekeys.suggested IS 'How many keys are two people''s: suggested in duplicate_candidates.';
COMMENT ON COLUMN leadroute.rekeys.started_at IS 'When the run began.';
COMMENT ON COLUMN leadroute.rekeys.updated_at IS 'When its last batch was done.';

/* What a flow's keys would be made with now. */
CREATE FUNCTION leadroute.flow_versions(flow text, OUT library text, OUT version text) RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT v.library, v.version FROM leadroute.canonical_versions() v
	UNION ALL
	SELECT 'options', format('tags %s, dots %s, country %s', CASE WHEN f.email_strip_tags THEN 'stripped' ELSE 'kept' END,
							 CASE WHEN f.email_ignore_dots THEN 'ignored' ELSE 'kept' END, coalesce(f.default_country, 'none'))
	FROM leadroute.flows f WHERE f.flow = flow_versions.flow
$$;
COMMENT ON FUNCTION leadroute.flow_versions(text) IS 'With which versions, and which options of the flow, keys are made now.';

/* Flows whose keys were made otherwise. */
CREATE FUNCTION leadroute.stale_keys(OUT flow text, OUT library text, OUT was text, OUT is_now text, OUT since timestamptz) RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT f.flow, v.library, k.version, v.version, k.made_at
	FROM leadroute.flows f
		CROSS JOIN LATERAL leadroute.flow_versions(f.flow) v
		LEFT JOIN leadroute.key_versions k ON k.flow = f.flow AND k.library = v.library
	WHERE k.version IS DISTINCT FROM v.version
	ORDER BY 1, 2
$$;
COMMENT ON FUNCTION leadroute.stale_keys() IS 'What has changed since the keys of a flow were made, a row each: rekey() makes them anew.';

CREATE FUNCTION leadroute.note_key_versions(flow text) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	DELETE FROM leadroute.key_versions k WHERE k.flow = note_key_versions.flow;
	INSERT INTO leadroute.key_versions (flow, library, version)
		SELECT note_key_versions.flow, v.library, v.version FROM leadroute.flow_versions(note_key_versions.flow) v;
$$;
COMMENT ON FUNCTION leadroute.note_key_versions(text) IS 'Notes that all keys of a flow are made as keys are made now.';

/* A new flow has no keys; a restored one has those of its dump, and what they were made with is in it. */
CREATE FUNCTION leadroute.flow_keys() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	IF TG_OP = 'DELETE' THEN
		IF NOT leadroute.restoring() THEN
			DELETE FROM leadroute.key_versions k WHERE k.flow = OLD.flow;
			DELETE FROM leadroute.rekeys r WHERE r.flow = OLD.flow;
		END IF;
	ELSIF NOT leadroute.restoring() AND ((TG_OP = 'INSERT' AND NOT EXISTS (SELECT FROM leadroute.key_versions k WHERE k.flow = NEW.flow))
										 OR (TG_OP = 'UPDATE' AND NOT EXISTS (SELECT FROM leadroute.lead_states s WHERE s.flow = NEW.flow))) THEN
		PERFORM leadroute.note_key_versions(NEW.flow);
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION leadroute.flow_keys() IS 'Trigger on flows: notes with which versions and options the keys of a flow without leads will be made.';
CREATE TRIGGER flow_keys AFTER INSERT OR DELETE OR UPDATE OF email_strip_tags, email_ignore_dots, default_country ON leadroute.flows
	FOR EACH ROW EXECUTE FUNCTION leadroute.flow_keys();
ALTER TABLE leadroute.flows ENABLE ALWAYS TRIGGER flow_keys;

/* The restored rows replace what attach() or a restored flow's trigger noted. */
SELECT leadroute.restore_trigger('key_versions');

/* The keys of some leads, by their rows: those that stand in the table and were decided or adopted. The rows stay as they are to the end of the batch. */
CREATE FUNCTION leadroute.standing_keys(in_flow text, leads text[], skips boolean DEFAULT false, OUT lead text, OUT kind text, OUT key text) RETURNS SETOF record
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	attachment	leadroute.attachments := leadroute.flow_attachment(in_flow);
	relation	regclass := leadroute.attachment_table(attachment);
BEGIN
	RETURN QUERY EXECUTE format($keys$
		WITH rows AS MATERIALIZED (
			SELECT l.lead, t AS r
			FROM unnest($2) l(lead) JOIN %1$s t ON %2$s
			WHERE %3$s
			FOR SHARE OF t %4$s)
		SELECT r.lead, k.kind, k.key
		FROM rows r LEFT JOIN LATERAL leadroute.lead_keys(r.r, $1) k ON true$keys$,
		relation,
		/* an operator of a type from elsewhere need not be in the search_path */
		(SELECT CASE WHEN t.typnamespace = 'pg_catalog'::regnamespace THEN format('t.%I = l.lead::%s', a.attname, format_type(a.atttypid, a.atttypmod))
					 ELSE format('format(''%%s'', t.%I) = l.lead', a.attname) END
		 FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = relation AND a.attname = attachment.key_column),
		CASE WHEN attachment.flow_column IS NULL THEN 'true'
			 ELSE format('coalesce((SELECT f.flow FROM leadroute.flows f WHERE f.flow = format(''%%s'', t.%I)), %L) = $1', attachment.flow_column, attachment.flow) END,
		CASE WHEN skips THEN 'SKIP LOCKED' ELSE '' END)
		USING in_flow, leads;
END
$$;
COMMENT ON FUNCTION leadroute.standing_keys(text, text[], boolean) IS 'Part of rekey(): the keys that the rows of some leads have now, and a row without a kind for a row that has none; with skips nothing of rows that others hold.';

/* One batch; answers whether there is more to do. Waits for nobody for long: 50 ms, then it is an error and the batch is tried again. */
CREATE FUNCTION leadroute.rekey_batch(flow text, batch integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
SET session_replication_role = replica	/* what it writes is no restored row (32_restored_state.sql) */
SET lock_timeout = '50ms'
AS $$
#variable_conflict use_variable
DECLARE
	run			leadroute.rekeys;
	versions	jsonb;
	leads		text[];
	wanted		record;
	holder		text;
	original	text;
	theirs		text;
	gone		integer;
BEGIN
	IF NOT pg_try_advisory_xact_lock(hashtext('leadroute.rekeys'), hashtext(flow)) THEN
		RETURN false;	/* another session is at it */
	END IF;
	SELECT r.* INTO run FROM leadroute.rekeys r WHERE r.flow = rekey_batch.flow;
	SELECT jsonb_object_agg(v.library, v.version) INTO versions FROM leadroute.flow_versions(flow) v;
	IF run.flow IS NULL OR run.versions <> versions THEN
		IF NOT EXISTS (SELECT FROM leadroute.lead_states s WHERE s.flow = rekey_batch.flow) THEN
			PERFORM leadroute.note_key_versions(flow);
			RETURN false;
		END IF;
		DELETE FROM leadroute.rekeys r WHERE r.flow = rekey_batch.flow;
		INSERT INTO leadroute.rekeys (flow, versions) VALUES (flow, versions) RETURNING * INTO run;
	END IF;

	IF leadroute.attachment_table(leadroute.flow_attachment(flow)) IS NULL THEN
		RETURN false;	/* there is nothing to read now */
	ELSIF run.phase = 'leads' THEN
		SELECT array_agg(s.lead), max(s.lead), count(*) INTO leads, theirs, gone
		FROM (SELECT s.lead FROM leadroute.lead_states s
			  WHERE s.flow = rekey_batch.flow AND s.lead > run.after_lead ORDER BY s.lead LIMIT batch) s;
		IF leads IS NULL THEN
			UPDATE leadroute.rekeys r SET phase = 'keys', updated_at = clock_timestamp() WHERE r.flow = rekey_batch.flow;
			RETURN true;
		END IF;
		run.after_lead := theirs;
		run.leads := run.leads + gone;
		/* what is recorded only has no keys: it gets them when it is decided */
		FOR wanted IN
			SELECT k.lead, k.kind, k.key, s.duplicate_of
			FROM leadroute.standing_keys(flow, leads) k
				JOIN leadroute.lead_states s ON s.flow = rekey_batch.flow AND s.lead = k.lead
				LEFT JOIN leadroute.identities i ON i.flow = rekey_batch.flow AND i.kind = k.kind AND i.key = k.key
			WHERE k.kind IS NOT NULL AND s.status NOT IN ('unrouted', 'merged') AND i.lead IS DISTINCT FROM k.lead
			ORDER BY k.kind, k.key, k.lead
		LOOP
			INSERT INTO leadroute.identities (flow, kind, key, lead) VALUES (flow, wanted.kind, wanted.key, wanted.lead)
				ON CONFLICT DO NOTHING;
			IF FOUND THEN
				run.added := run.added + 1;
				CONTINUE;
			END IF;
			SELECT i.lead INTO holder FROM leadroute.identities i WHERE i.flow = rekey_batch.flow AND i.kind = wanted.kind AND i.key = wanted.key;
			CONTINUE WHEN holder IS NULL OR holder = wanted.lead;
			/* one person already: the lead, the holder, or both are linked to one */
			SELECT coalesce(s.duplicate_of, s.lead) INTO original FROM leadroute.lead_states s WHERE s.flow = rekey_batch.flow AND s.lead = holder;
			CONTINUE WHEN original = coalesce(wanted.duplicate_of, wanted.lead) OR holder = wanted.duplicate_of;
			/* it was the holder's, whose row says otherwise now, or who is gone */
			IF original IS NULL OR (original = holder AND NOT EXISTS (
					SELECT FROM leadroute.standing_keys(flow, ARRAY[holder]) k WHERE k.kind = wanted.kind AND k.key = wanted.key)) THEN
				UPDATE leadroute.identities i SET lead = wanted.lead
				WHERE i.flow = rekey_batch.flow AND i.kind = wanted.kind AND i.key = wanted.key AND i.lead = holder;
				run.added := run.added + 1;
				CONTINUE;
			END IF;
			INSERT INTO leadroute.duplicate_candidates (flow, lead, other, score, evidence, found_at, scored_at)
				VALUES (flow, least(coalesce(wanted.duplicate_of, wanted.lead), original COLLATE "C"), greatest(coalesce(wanted.duplicate_of, wanted.lead), original COLLATE "C"), 1,
						jsonb_build_object(leadroute.rule_label(flow, wanted.kind), '{"likeness": "exact"}'::jsonb), leadroute.clock(), leadroute.clock())
				ON CONFLICT DO NOTHING;
			run.suggested := run.suggested + 1;
		END LOOP;
	ELSE
		SELECT array_agg(DISTINCT i.lead), (array_agg(i.kind ORDER BY i.key DESC, i.kind DESC))[1], (array_agg(i.key ORDER BY i.key DESC, i.kind DESC))[1]
			INTO leads, run.after_kind, run.after_key
		FROM (SELECT i.kind, i.key, i.lead FROM leadroute.identities i
			  WHERE i.flow = rekey_batch.flow AND (i.key, i.kind) > (run.after_key, run.after_kind) AND i.kind <> 'key'
			  ORDER BY i.key, i.kind LIMIT batch) i;
		IF leads IS NULL THEN
			DELETE FROM leadroute.rekeys r WHERE r.flow = rekey_batch.flow;
			PERFORM leadroute.note_key_versions(flow);
			RETURN false;
		END IF;
		/* a lead without a row keeps its keys while it is open: a loader may bring it back */
		WITH standing AS MATERIALIZED (SELECT k.* FROM leadroute.standing_keys(flow, leads) k)
		DELETE FROM leadroute.identities i
		USING leadroute.rekeys r
		WHERE r.flow = rekey_batch.flow AND i.flow = r.flow
			AND (i.key, i.kind) > (r.after_key, r.after_kind) AND (i.key, i.kind) <= (run.after_key, run.after_kind) AND i.kind <> 'key'
			AND i.lead IN (SELECT k.lead FROM standing k)
			AND NOT EXISTS (SELECT FROM standing k WHERE k.lead = i.lead AND k.kind = i.kind AND k.key = i.key);
		GET DIAGNOSTICS gone = ROW_COUNT;
		run.removed := run.removed + gone;
	END IF;
	UPDATE leadroute.rekeys r
		SET after_lead = run.after_lead, after_kind = run.after_kind, after_key = run.after_key, leads = run.leads, added = run.added,
			removed = run.removed, suggested = run.suggested, updated_at = clock_timestamp()
	WHERE r.flow = rekey_batch.flow;
	RETURN true;
END
$$;
COMMENT ON FUNCTION leadroute.rekey_batch(text, integer) IS
	'Part of rekey(): some leads of a flow get the keys that they lack, or some keys go that no row has; answers whether there is more to do. Locks the leads'' rows FOR SHARE. Errors: lock_not_available where a row or key is being written for longer than 50 ms.';

/* The same where the flow's keys are stale; a batch that would have to wait is left for the next sweep. */
CREATE FUNCTION leadroute.sweep_keys(flow text, batch integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM leadroute.flow_versions(sweep_keys.flow) v
				   WHERE NOT EXISTS (SELECT FROM leadroute.key_versions k WHERE k.flow = sweep_keys.flow AND k.library = v.library AND k.version = v.version)) THEN
		RETURN false;
	END IF;
	RETURN leadroute.rekey_batch(sweep_keys.flow, batch);
EXCEPTION WHEN lock_not_available THEN
	RETURN false;
END
$$;
COMMENT ON FUNCTION leadroute.sweep_keys(text, integer) IS 'Part of sweep(): one batch of rekey() where the keys of a flow were made with other versions; answers whether there is more to do.';

CREATE FUNCTION leadroute.rekey_result(flow text) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT format('flow "%s": %s leads, %s keys added, %s removed, %s suggested as duplicates', r.flow, r.leads, r.added, r.removed, r.suggested)
	FROM leadroute.rekeys r WHERE r.flow = rekey_result.flow
$$;
COMMENT ON FUNCTION leadroute.rekey_result(text) IS 'Part of rekey(): where a run is, as a sentence; NULL where there is none.';

CREATE PROCEDURE leadroute.rekey(flow text DEFAULT NULL, batch integer DEFAULT 1000)
LANGUAGE plpgsql
AS $$
DECLARE
	swept	pg_catalog.text;
	result	pg_catalog.text;
	more	boolean;
	goes_on	boolean;
	waits	integer;
BEGIN
	FOREACH swept IN ARRAY ARRAY(SELECT f FROM leadroute.flows_to_sweep(flow) AS f) LOOP
		waits := 0;
		result := NULL;
		LOOP
			BEGIN
				/* fewer at a time where they are written to meanwhile */
				more := leadroute.rekey_batch(swept, greatest(batch OPERATOR(pg_catalog./) (1 OPERATOR(pg_catalog.+) waits), 1));
				waits := 0;
			EXCEPTION WHEN lock_not_available THEN
				/* somebody writes these leads: a little later */
				waits := waits OPERATOR(pg_catalog.+) 1;
				IF waits OPERATOR(pg_catalog.>) 100 THEN
					RAISE;
				END IF;
				more := true;
			END;
			result := coalesce(leadroute.rekey_result(swept), result);
			goes_on := more;
			CALL leadroute.commit_batch(goes_on);
			IF more AND NOT goes_on THEN
				RETURN;
			END IF;
			EXIT WHEN NOT more;
			IF waits OPERATOR(pg_catalog.>) 0 THEN
				PERFORM pg_catalog.pg_sleep(0.1);
			END IF;
		END LOOP;
		RAISE NOTICE USING MESSAGE = coalesce(result, pg_catalog.format('flow "%s": nothing to do here', swept));
	END LOOP;
END
$$;
COMMENT ON PROCEDURE leadroute.rekey(text, integer) IS
	'Makes the keys of a flow''s leads (NULL: of all flows, one after the other) anew, with the libraries and options of now: after an upgrade of them, or when flows.email_strip_tags, email_ignore_dots or default_country have changed. A key that two leads have then is suggested in duplicate_candidates; nothing is merged. Commits after each batch; a run that stops goes on where it was. In a transaction block it does one batch and commits nothing.';
