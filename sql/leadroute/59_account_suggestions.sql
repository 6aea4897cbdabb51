/*
 * Accounts whose names are like a lead's company: a review list. A likeness decides nothing; the lead has been routed
 * by then. Filled beside the insert path, by suggest_accounts().
 *
 * Likeness is pg_trgm's, over names in canonical form. pg_trgm is not required by the extension, only for this: the index
 * that makes it fast is made when it is first used, so that loads of accounts pay for it only where somebody wants
 * suggestions.
 */
CREATE TABLE leadroute.account_suggestions (
	flow			text COLLATE "C" NOT NULL,
	lead			text COLLATE "C" NOT NULL,
	account			text COLLATE "C" NOT NULL,
	likeness		real NOT NULL,
	company			text NOT NULL,
	name			text NOT NULL,
	status			text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'accepted', 'dismissed')),
	suggested_at	timestamptz NOT NULL,
	decided_at		timestamptz,
	decided_by		text,
	PRIMARY KEY (flow, lead, account)
);
CREATE INDEX account_suggestions_open_idx ON leadroute.account_suggestions (flow, likeness) WHERE status = 'open';

/* How far suggest_accounts() has come, in the order of events. */
CREATE TABLE leadroute.account_suggestion_runs (
	flow			text COLLATE "C" NOT NULL PRIMARY KEY,
	at				timestamptz NOT NULL,
	id				bigint NOT NULL,
	leads			bigint NOT NULL DEFAULT 0,
	suggested		bigint NOT NULL DEFAULT 0,
	updated_at		timestamptz NOT NULL
);

COMMENT ON TABLE leadroute.account_suggestions IS 'Leads without an account whose company is called much like one: to be looked at, then accept_account() or dismiss_account(). Filled by suggest_accounts().';
COMMENT ON COLUMN leadroute.account_suggestions.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.account_suggestions.lead IS 'The lead''s key, as text.';
COMMENT ON COLUMN leadroute.account_suggestions.account IS 'The account.';
COMMENT ON COLUMN leadroute.account_suggestions.likeness IS 'How alike the canonical names are, 0 to 1: similarity() of pg_trgm.';
COMMENT ON COLUMN leadroute.account_suggestions.company IS 'The lead''s company as it stood in its row.';
COMMENT ON COLUMN leadroute.account_suggestions.name IS 'The account''s name at that time.';
COMMENT ON COLUMN leadroute.account_suggestions.status IS 'open, accepted or dismissed.';
COMMENT ON COLUMN leadroute.account_suggestions.suggested_at IS 'When it was found.';
COMMENT ON COLUMN leadroute.account_suggestions.decided_at IS 'When somebody accepted or dismissed it.';
COMMENT ON COLUMN leadroute.account_suggestions.decided_by IS 'Who did.';

COMMENT ON TABLE leadroute.account_suggestion_runs IS 'How far leadroute.suggest_accounts() has come in each flow.';
COMMENT ON COLUMN leadroute.account_suggestion_runs.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.account_suggestion_runs.at IS 'Leads decided up to then have been compared.';
COMMENT ON COLUMN leadroute.account_suggestion_runs.id IS 'And of that instant, up to this event.';
COMMENT ON COLUMN leadroute.account_suggestion_runs.leads IS 'Leads compared so far.';
COMMENT ON COLUMN leadroute.account_suggestion_runs.suggested IS 'Suggestions made so far.';
COMMENT ON COLUMN leadroute.account_suggestion_runs.updated_at IS 'When the last batch ended.';

/*
 * One batch of the flow's leads, oldest first; answers whether there may be more. A transaction that is still open may
 * yet bring leads decided since it began, so none is passed over that is younger than the oldest one.
 */
CREATE FUNCTION leadroute.suggest_accounts_batch(flow text, batch integer, likeness real, again boolean) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	trgm		name;
	attachment	leadroute.attachments;
	leads		regclass;
	company		name;
	key_type	record;
	run			leadroute.account_suggestion_runs;
	horizon		timestamptz;
	keys		text[];
	found_now	bigint;
BEGIN
	SELECT n.nspname INTO trgm FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm';
	IF trgm IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = 'extension "pg_trgm" is not installed',
			DETAIL = 'Names are compared by their trigrams.', HINT = 'CREATE EXTENSION pg_trgm.';
	ELSIF batch IS NULL OR batch < 1 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'batch must be at least 1';
	ELSIF likeness IS NULL OR NOT likeness BETWEEN 0.1 AND 1 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'likeness must be between 0.1 and 1';
	END IF;
	attachment := leadroute.flow_attachment(flow);
	leads := leadroute.attachment_table(attachment);
	company := leadroute.mapped_column(attachment.columns, 'company');
	IF leads IS NULL OR NOT EXISTS (SELECT FROM leadroute.accounts a WHERE a.flow = suggest_accounts_batch.flow)
		OR NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = leads AND a.attname = company AND a.attnum > 0 AND NOT a.attisdropped) THEN
		RETURN false;
	END IF;
	IF to_regclass('leadroute.accounts_name_likeness_idx') IS NULL THEN
		EXECUTE format('CREATE INDEX accounts_name_likeness_idx ON leadroute.accounts USING gin (leadroute.company_key(name) %I.gin_trgm_ops)', trgm);
	END IF;
	SELECT format_type(a.atttypid, a.atttypmod) AS name, t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype = 'b' AS builtin INTO key_type
	FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
	WHERE a.attrelid = leads AND a.attname = attachment.key_column;

	INSERT INTO leadroute.account_suggestion_runs AS r (flow, at, id, updated_at) VALUES (flow, '-infinity', 0, clock_timestamp())
		ON CONFLICT ON CONSTRAINT account_suggestion_runs_pkey DO UPDATE
			SET at = CASE WHEN again THEN '-infinity' ELSE r.at END, id = CASE WHEN again THEN 0 ELSE r.id END
		RETURNING r.* INTO run;
	SELECT least(min(a.xact_start), leadroute.clock()) INTO horizon
	FROM pg_stat_activity a
	WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.backend_xid IS NOT NULL;
	SELECT array_agg(d.lead ORDER BY d.at, d.id), max(d.at) INTO keys, run.at
	FROM (SELECT e.lead, e.at, e.id FROM leadroute.events e
		  WHERE e.flow = suggest_accounts_batch.flow AND e.at >= run.at AND (e.at, e.id) > (run.at, run.id) AND e.at <= horizon
			AND e.kind = 'decided' AND e.account IS NULL
		  ORDER BY e.at, e.id LIMIT batch) d;
	IF keys IS NULL THEN
		RETURN false;
	END IF;
	SELECT max(e.id) INTO run.id FROM leadroute.events e
	WHERE e.flow = suggest_accounts_batch.flow AND e.at = run.at AND e.kind = 'decided' AND e.lead = ANY (keys);

	PERFORM set_config('pg_trgm.similarity_threshold', likeness::text, true);
	EXECUTE format($suggest$
		WITH named AS MATERIALIZED (
			SELECT k.lead, left(format('%%s', t.%1$I), 1000) AS company, leadroute.company_key(format('%%s', t.%1$I)) AS key
			FROM unnest($2) k(lead) JOIN %2$s t ON %3$s
			WHERE EXISTS (SELECT FROM leadroute.lead_states s
						  WHERE s.flow = $1 AND s.lead = k.lead AND s.account IS NULL AND s.closed_at IS NULL AND s.status IN ('assigned', 'waiting'))
		), made AS (
			INSERT INTO leadroute.account_suggestions (flow, lead, account, likeness, company, name, suggested_at)
			SELECT $1, n.lead, a.account, a.likeness, n.company, a.name, leadroute.clock()
			FROM named n
				CROSS JOIN LATERAL (
					SELECT a.account, a.name, %4$I.similarity(leadroute.company_key(a.name), n.key) AS likeness
					FROM leadroute.accounts a
					WHERE a.flow = $1 AND leadroute.company_key(a.name) OPERATOR(%4$I.%%) n.key
					ORDER BY 3 DESC, a.account LIMIT 3) a
			WHERE n.key IS NOT NULL
			ON CONFLICT DO NOTHING
			RETURNING 1
		)
		SELECT count(*) FROM made$suggest$,
		company, leads,
		CASE WHEN key_type.builtin THEN format('t.%I = k.lead::%s', attachment.key_column, key_type.name)
			 ELSE format('format(''%%s'', t.%I) = k.lead', attachment.key_column) END, trgm)
		INTO found_now USING flow, keys;
	UPDATE leadroute.account_suggestion_runs r
		SET at = run.at, id = run.id, leads = r.leads + cardinality(keys), suggested = r.suggested + found_now, updated_at = clock_timestamp()
		WHERE r.flow = run.flow;
	RETURN cardinality(keys) = batch;
END
$$;
COMMENT ON FUNCTION leadroute.suggest_accounts_batch(text, integer, real, boolean) IS 'Part of suggest_accounts(): compares the next leads of a flow; answers whether there may be more.';

CREATE PROCEDURE leadroute.suggest_accounts(flow text DEFAULT NULL, batch integer DEFAULT 500, likeness real DEFAULT 0.5, again boolean DEFAULT false)
LANGUAGE plpgsql
AS $$
DECLARE
	looked_at	pg_catalog.text;
	first		pg_catalog.bool;
	more		boolean;
BEGIN
	FOREACH looked_at IN ARRAY ARRAY(SELECT f FROM leadroute.flows_to_sweep(flow) AS f) LOOP
		first := again;
		LOOP
			more := leadroute.suggest_accounts_batch(looked_at, batch, likeness, first);
			first := false;
			CALL leadroute.commit_batch(more);
			EXIT WHEN NOT more;
		END LOOP;
	END LOOP;
END
$$;
COMMENT ON PROCEDURE leadroute.suggest_accounts(text, integer, real, boolean) IS
	'Compares the companies of leads that came since it last ran, and have no account, with the names of accounts, and writes up to three a lead that are at least so much alike (pg_trgm''s similarity) into account_suggestions. For pg_cron. again => true looks at all leads once more, after accounts have come. Commits after each batch; in a transaction block it does one. Needs pg_trgm; makes an index on accounts when first called.';

CREATE FUNCTION leadroute.accept_account(lead text, account text, alias boolean DEFAULT false, flow text DEFAULT 'default') RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	suggestion	leadroute.account_suggestions;
	had			text;
BEGIN
	SELECT s.* INTO suggestion FROM leadroute.account_suggestions s
	WHERE s.flow = accept_account.flow AND s.lead = accept_account.lead AND s.account = accept_account.account FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'no_data_found',
			MESSAGE = format('account "%s" was not suggested for lead "%s"', account, lead), HINT = 'leadroute.account_suggestions has the list.';
	END IF;
	UPDATE leadroute.account_suggestions s SET status = 'accepted', decided_at = leadroute.clock(), decided_by = session_user
		WHERE s.flow = suggestion.flow AND s.lead = suggestion.lead AND s.account = suggestion.account;
	UPDATE leadroute.account_suggestions s SET status = 'dismissed', decided_at = leadroute.clock(), decided_by = session_user
		WHERE s.flow = suggestion.flow AND s.lead = suggestion.lead AND s.account <> suggestion.account AND s.status = 'open';
	SELECT s.account INTO had FROM leadroute.lead_states s WHERE s.flow = suggestion.flow AND s.lead = suggestion.lead FOR UPDATE;
	IF had IS DISTINCT FROM suggestion.account THEN
		UPDATE leadroute.lead_states s SET account = suggestion.account, account_by = 'accepted' WHERE s.flow = suggestion.flow AND s.lead = suggestion.lead;
		INSERT INTO leadroute.events (flow, lead, at, kind, code, owner, reason, actor, account)
			SELECT s.flow, s.lead, leadroute.clock(), 'account', 'account_accepted', s.owner,
				format('%s says that it belongs to account "%s"', session_user, suggestion.account), session_user, suggestion.account
			FROM leadroute.lead_states s WHERE s.flow = suggestion.flow AND s.lead = suggestion.lead;
		/* one more of its people: the sweep counts them when this has been committed */
		INSERT INTO leadroute.committee_checks (flow, account, at, waits_for)
			VALUES (suggestion.flow, suggestion.account, leadroute.clock(), (pg_current_xact_id()::text::numeric + 1)::text::xid8);
		PERFORM leadroute.route_stored(suggestion.flow, suggestion.lead);
	END IF;
	IF alias THEN
		INSERT INTO leadroute.account_aliases (flow, kind, alias, account, note)
			VALUES (suggestion.flow, 'name', suggestion.company, suggestion.account, 'accepted by ' || session_user) ON CONFLICT DO NOTHING;
	END IF;
	RETURN format('lead "%s" belongs to account "%s"', lead, account)
		|| CASE WHEN alias THEN format(', and so do those of company "%s" from now on', suggestion.company) ELSE '' END;
END
$$;
COMMENT ON FUNCTION leadroute.accept_account(text, text, boolean, text) IS
	'Accepts a suggestion: the lead belongs to the account; its owner stays. alias => true also makes the company''s name an alias, so that the next lead of it belongs there by itself. Other suggestions for the lead are dismissed.';

CREATE FUNCTION leadroute.dismiss_account(lead text, account text, flow text DEFAULT 'default') RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	UPDATE leadroute.account_suggestions s SET status = 'dismissed', decided_at = leadroute.clock(), decided_by = session_user
		WHERE s.flow = dismiss_account.flow AND s.lead = dismiss_account.lead AND s.account = dismiss_account.account;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'no_data_found',
			MESSAGE = format('account "%s" was not suggested for lead "%s"', account, lead), HINT = 'leadroute.account_suggestions has the list.';
	END IF;
END
$$;
COMMENT ON FUNCTION leadroute.dismiss_account(text, text, text) IS 'Dismisses a suggestion; it is not made again.';

SELECT leadroute.for_other_keys('accept_account', 'dismiss_account');
