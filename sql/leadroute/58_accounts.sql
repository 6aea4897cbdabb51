/*
 * Accounts: asking for one, keeping them in step with a table of the CRM, and what has become of them.
 *
 * Nothing here runs code of the CRM table's owner: columns are read through format('%s'), which calls a type's output
 * function, and compared in their own type only where that is a built-in one.
 */
CREATE FUNCTION leadroute.find_account(website text DEFAULT NULL, email text DEFAULT NULL, company text DEFAULT NULL,
	given text DEFAULT NULL, flow text DEFAULT 'default',
	OUT rank integer, OUT account text, OUT name text, OUT owner text, OUT tier integer, OUT step text, OUT value text, OUT decided text)
RETURNS SETOF record
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_find_account_sql';
COMMENT ON FUNCTION leadroute.find_account(text, text, text, text, text) IS
	'The account of a lead with these values, as routing finds it: rank 1, and behind it the other candidates. The first of these steps that finds any decides: given (it is an account''s key, or an alias of kind key), website (its registrable domain is the account''s), email (the same, unless it is public mail), alias (company is an alias of kind name). Among candidates, in this order: the company''s name (as written, then in canonical form or by an alias), an active owner, the lower tier, the parent before its children, the lower key; decided says which of these put it there. No row where there is none, or where more than 100 accounts share the domain. No errors.';

/* --- the columns of a CRM's table --- */

CREATE FUNCTION leadroute.account_columns(relation regclass, columns jsonb, OUT canonical text, OUT attname name, OUT told boolean) RETURNS SETOF record
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT k.canonical,
		CASE WHEN columns ? k.canonical THEN (columns->>k.canonical)::name
			 WHEN k.canonical = 'key' THEN coalesce(leadroute.find_key(relation, '{}'), l.attname)
			 ELSE l.attname END,
		columns ? k.canonical
	FROM (VALUES ('key', '{id,accountid,companyid,hsobjectid,account,key}'::text[]),
				 ('name', '{name,accountname,companyname,company}'),
				 ('website', '{website,websiteurl,url}'),
				 ('domain', '{domain,domains,emaildomain,companydomain,hsadditionaldomains}'),
				 ('owner', '{owner,ownerid,hubspotownerid,accountowner,ownerkey}'),
				 ('tier', '{tier,accounttier,tierc,accounttierc,customertier,hstargetaccount}'),
				 ('parent', '{parent,parentid,parentaccountid,hsparentcompanyid,parentcompanyid}'),
				 ('deleted', '{isdeleted,fivetrandeleted,deleted,archived,sdcdeletedat}')) k(canonical, names)
		CROSS JOIN LATERAL leadroute.usual_column(relation, k.names) l(attname)
$$;
COMMENT ON FUNCTION leadroute.account_columns(regclass, jsonb) IS
	'Which column of a CRM''s accounts table is which: key, name, website, domain, owner, tier, parent, deleted, as told in columns, else by the names that Salesforce, HubSpot and loaders give them.';

/* What keeps a table from being followed, in one text; NULL where nothing does. */
CREATE FUNCTION leadroute.account_fault(relation regclass, columns jsonb) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT f.fault
	FROM (
		SELECT 1 AS rank, format('"%s" in columns is not a name that leadroute knows for accounts', e.key) AS fault
		FROM jsonb_each(columns) e
		WHERE e.key NOT IN (SELECT c.canonical FROM leadroute.account_columns(relation, '{}') c)
		UNION ALL
		SELECT 2, format('"%s" in columns is not the name of a column', e.key) FROM jsonb_each(columns) e WHERE jsonb_typeof(e.value) NOT IN ('string', 'null')
		UNION ALL
		SELECT 3, format('column "%s" of table %s does not exist', c.attname, relation)
		FROM leadroute.account_columns(relation, columns) c
		WHERE c.told AND c.attname IS NOT NULL
			AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = c.attname AND a.attnum > 0 AND NOT a.attisdropped)
		UNION ALL
		/* NULL in a transition table, while the whole table shows its values */
		SELECT 3, format('column "%s" of table %s is a virtual generated column and cannot serve as "%s": triggers do not see its values', c.attname, relation, c.canonical)
		FROM leadroute.account_columns(relation, columns) c
			JOIN pg_attribute a ON a.attrelid = relation AND a.attname = c.attname AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = 'v'
		UNION ALL
		SELECT 4, format('table %s has no column that names an account', relation)
		FROM leadroute.account_columns(relation, columns) c WHERE c.canonical = 'key' AND c.attname IS NULL
		UNION ALL
		SELECT 5, format('%s is not a table', relation) FROM pg_class c WHERE c.oid = relation AND c.relkind NOT IN ('r', 'p')
	) f
	ORDER BY f.rank LIMIT 1
$$;
COMMENT ON FUNCTION leadroute.account_fault(regclass, jsonb) IS 'Why a table cannot be followed with these columns; NULL where it can.';

/* --- the sync: queries made from the columns --- */

/* A column as text, blank as NULL. */
CREATE FUNCTION leadroute.account_value(found jsonb, canonical text) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT CASE WHEN found->>canonical IS NULL THEN 'NULL::text' ELSE format('nullif(btrim(format(''%%s'', t.%I)), '''')', found->>canonical) END
$$;
COMMENT ON FUNCTION leadroute.account_value(jsonb, text) IS 'Part of the sync of accounts: the SQL of a column''s value as text, NULL where it is blank.';

/* Whether a row counts: a mark of deletion is true, or a time. */
CREATE FUNCTION leadroute.account_live(found jsonb) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT CASE WHEN found->>'deleted' IS NULL THEN 'true'
				ELSE format('coalesce(lower(%s), ''f'') IN (''f'', ''false'', ''0'', ''n'', ''no'', ''off'')', leadroute.account_value(found, 'deleted')) END
$$;
COMMENT ON FUNCTION leadroute.account_live(jsonb) IS 'Part of the sync of accounts: the SQL of whether a row is not marked as deleted.';

/*
 * Takes over what differs and writes nothing else. Only columns that the table has are taken, so a tier given by hand
 * stays where the CRM has none.
 *
 * Statistics may be of before the load, or of other flows: so the flow comes from a sub-select and synced through
 * coalesce(), which the planner knows nothing of. Estimates of one row where there are a million would make it loop over the
 * statement's rows for each.
 */
CREATE FUNCTION leadroute.account_take_query(found jsonb, source text, parents boolean) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT format($take$
		WITH src AS MATERIALIZED (
			SELECT DISTINCT ON (s.account) s.account, s.name, s.owner, s.tier, s.parent,
				CASE WHEN s.domains IS NULL THEN array_remove(ARRAY[leadroute.domain_key(s.website)], NULL)
					 ELSE ARRAY(SELECT DISTINCT leadroute.domain_key(p)
								FROM regexp_split_to_table(s.domains, '[;,[:space:]]+') p WHERE leadroute.domain_key(p) IS NOT NULL
								UNION SELECT leadroute.domain_key(s.website) WHERE leadroute.domain_key(s.website) IS NOT NULL) END AS wanted
			FROM (SELECT %1$s AS account, %2$s AS name, %3$s AS owner, substring(%4$s FROM '^\D*([1-3])(?:\.0+)?\D*$')::integer AS tier,
						nullif(%5$s, %1$s) AS parent, %6$s AS website, %7$s AS domains
				  FROM %8$s t WHERE %9$s) s
			WHERE s.account IS NOT NULL
			ORDER BY s.account
		), changed AS (
			INSERT INTO leadroute.accounts AS a (flow, account, synced%10$s)
			SELECT $1, s.account, true%11$s
			FROM src s LEFT JOIN leadroute.accounts k ON k.flow = (SELECT $1) AND k.account = s.account
			WHERE k.account IS NULL OR NOT coalesce(k.synced, false)%12$s
			ON CONFLICT (flow, account) DO UPDATE SET synced = true%13$s
		), lost AS (
			DELETE FROM leadroute.account_domains d USING src s
			WHERE d.flow = (SELECT $1) AND d.account = s.account AND coalesce(d.synced, false) AND NOT d.domain = ANY (s.wanted)
		)
		INSERT INTO leadroute.account_domains (flow, domain, account, synced)
		SELECT $1, w.domain, s.account, true
		FROM src s CROSS JOIN LATERAL unnest(s.wanted) w(domain)
			LEFT JOIN leadroute.account_domains d ON d.flow = (SELECT $1) AND d.domain = w.domain AND d.account = s.account
		WHERE d.account IS NULL
		ON CONFLICT DO NOTHING$take$,
		leadroute.account_value(found, 'key'), leadroute.account_value(found, 'name'), leadroute.account_value(found, 'owner'),
		leadroute.account_value(found, 'tier'), leadroute.account_value(found, 'parent'), leadroute.account_value(found, 'website'),
		leadroute.account_value(found, 'domain'), source, leadroute.account_live(found),
		c.names, c.ours, c.differ, c.sets)
	FROM (SELECT coalesce(string_agg(format(', %I', k), '' ORDER BY k), '') AS names,
				coalesce(string_agg(format(', s.%I', k), '' ORDER BY k), '') AS ours,
				coalesce(string_agg(format(' OR k.%1$I IS DISTINCT FROM s.%1$I', k), '' ORDER BY k), '') AS differ,
				coalesce(string_agg(format(', %1$I = EXCLUDED.%1$I', k), '' ORDER BY k), '') AS sets
		  FROM unnest('{name,owner,tier,parent}'::text[]) k
		  WHERE found->>k IS NOT NULL AND (parents OR k <> 'parent')) c
$$;
COMMENT ON FUNCTION leadroute.account_take_query(jsonb, text, boolean) IS 'Part of the sync of accounts: the SQL that takes over the rows of a table or transition table; $1 is the flow.';

/*
 * Takes away the accounts of rows of old_rows that are gone from the whole table: one that a statement deleted and put
 * back stays. Of an UPDATE only those are looked at whose key is in no new row.
 */
CREATE FUNCTION leadroute.account_drop_query(found jsonb, updated boolean, relation regclass, key_type oid) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT format($drop$
		WITH gone AS MATERIALIZED (
			SELECT DISTINCT ON (1) %1$s AS account%2$s FROM old_rows t%3$s
		), dropped AS (
			DELETE FROM leadroute.accounts a USING gone g
			WHERE a.flow = (SELECT $1) AND a.account = g.account AND coalesce(a.synced, false)
				AND NOT EXISTS (SELECT FROM %4$s t WHERE %5$s AND %6$s)
			RETURNING a.account
		)
		DELETE FROM leadroute.account_domains d USING dropped x
		WHERE d.flow = (SELECT $1) AND d.account = x.account AND coalesce(d.synced, false)$drop$,
		leadroute.account_value(found, 'key'),
		CASE WHEN t.builtin THEN format(', t.%I AS native', found->>'key') ELSE '' END,
		CASE WHEN updated THEN format(' WHERE NOT EXISTS (SELECT FROM (SELECT %1$s AS account FROM new_rows t WHERE %2$s) n WHERE n.account = %1$s)',
									  leadroute.account_value(found, 'key'), leadroute.account_live(found)) ELSE '' END,
		relation,
		CASE WHEN t.builtin THEN format('t.%I = g.native', found->>'key') ELSE format('%s = g.account', leadroute.account_value(found, 'key')) END,
		leadroute.account_live(found))
	FROM (SELECT EXISTS (SELECT FROM pg_type y WHERE y.oid = key_type AND y.typnamespace = 'pg_catalog'::regnamespace AND y.typtype = 'b') AS builtin) t
$$;
COMMENT ON FUNCTION leadroute.account_drop_query(jsonb, boolean, regclass, oid) IS 'Part of the sync of accounts: the SQL that takes away the accounts of rows that do not stand any more; $1 is the flow.';

CREATE FUNCTION leadroute.account_key_type(relation regclass, found jsonb) RETURNS oid
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$ SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = found->>'key' AND a.attnum > 0 AND NOT a.attisdropped $$;
COMMENT ON FUNCTION leadroute.account_key_type(regclass, jsonb) IS 'The type of the column that names an account.';

/*
 * Statements that write, and those that compare the whole table, exclude each other: a comparison must not put back what a
 * statement has changed since it looked.
 */
CREATE FUNCTION leadroute.lock_account_sync(flow text, whole boolean) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	IF whole THEN
		PERFORM pg_advisory_xact_lock(hashtext('leadroute.account_attachments'), hashtext(flow));
	ELSE
		PERFORM pg_advisory_xact_lock_shared(hashtext('leadroute.account_attachments'), hashtext(flow));
	END IF;
END
$$;
COMMENT ON FUNCTION leadroute.lock_account_sync(text, boolean) IS 'Part of the sync of accounts: to the end of the transaction; statements share it, a comparison of the whole table has it alone.';

/* The trigger: what the CRM's sync tool did. Whatever fails is a WARNING and left to the sweep: a load is not lost for it. */
CREATE FUNCTION leadroute.accounts_follow() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
SET client_min_messages = warning
AS $$
DECLARE
	attachment	leadroute.account_attachments;
	cause		text;
BEGIN
	SELECT a.* INTO attachment FROM leadroute.account_attachments a WHERE a.flow = TG_ARGV[0] AND a.relation = TG_RELID;
	IF NOT FOUND OR attachment.status = 'broken' THEN
		RETURN NULL;
	END IF;
	BEGIN
		PERFORM leadroute.lock_account_sync(attachment.flow, false);
		IF TG_OP = 'TRUNCATE' THEN
			UPDATE leadroute.account_attachments a SET refreshed_at = clock_timestamp() WHERE a.flow = attachment.flow;
			RETURN NULL;
		END IF;
		IF TG_OP IN ('INSERT', 'UPDATE') THEN
			BEGIN
				EXECUTE leadroute.account_take_query(attachment.found, 'new_rows', true) USING attachment.flow;
			EXCEPTION WHEN check_violation THEN
				cause := SQLERRM;
				EXECUTE leadroute.account_take_query(attachment.found, 'new_rows', false) USING attachment.flow;
				RAISE WARNING USING MESSAGE = format('the parents of these accounts of flow "%s" were not taken over: %s', attachment.flow, cause),
					HINT = 'Mend them in the CRM.';
			END;
		END IF;
		IF TG_OP IN ('DELETE', 'UPDATE') THEN
			EXECUTE leadroute.account_drop_query(attachment.found, TG_OP = 'UPDATE', TG_RELID, leadroute.account_key_type(TG_RELID, attachment.found))
				USING attachment.flow;
		END IF;
	EXCEPTION WHEN serialization_failure OR deadlock_detected THEN
		RAISE;
	WHEN OTHERS THEN
		cause := SQLERRM;
		UPDATE leadroute.account_attachments a SET behind_since = coalesce(a.behind_since, clock_timestamp()), problem = cause WHERE a.flow = attachment.flow;
		RAISE WARNING USING MESSAGE = format('accounts of flow "%s" do not follow table %s', attachment.flow, TG_RELID::regclass),
			DETAIL = cause, HINT = 'CALL leadroute.sweep() compares the whole table; leadroute.health tells whether that helped.';
	END;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION leadroute.accounts_follow() IS 'Statement trigger on an attached accounts table: takes over what differs, writes nothing where nothing does.';

/* Compares the whole table. */
CREATE FUNCTION leadroute.compare_accounts(attachment leadroute.account_attachments) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	began	timestamptz := clock_timestamp();
	cause	text;
BEGIN
	PERFORM leadroute.lock_account_sync(attachment.flow, true);
	BEGIN
		EXECUTE leadroute.account_take_query(attachment.found, attachment.relation::regclass::text, true) USING attachment.flow;
	EXCEPTION WHEN check_violation THEN
		cause := SQLERRM;
		EXECUTE leadroute.account_take_query(attachment.found, attachment.relation::regclass::text, false) USING attachment.flow;
		RAISE WARNING USING MESSAGE = format('the parents of accounts of flow "%s" were not taken over: %s', attachment.flow, cause),
			HINT = 'Mend them in the CRM.';
	END;
	UPDATE leadroute.account_attachments a SET behind_since = NULL, problem = NULL, compared_at = began WHERE a.flow = attachment.flow;
END
$$;
COMMENT ON FUNCTION leadroute.compare_accounts(leadroute.account_attachments) IS 'Part of attach_accounts() and sweep(): takes over what differs in the whole table.';

/* Of tables that a flow follows beside its leads: accounts, activities. */
CREATE FUNCTION leadroute.put_source_triggers(relation regclass, prefix text, events text[], function name, arguments text[], tries integer DEFAULT 100)
	RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
SET client_min_messages = warning
AS $$
DECLARE
	event	text;
	trigger	name;
BEGIN
	PERFORM leadroute.lock_briefly(relation, 'SHARE ROW EXCLUSIVE', tries);
	FOREACH event IN ARRAY events LOOP
		trigger := format('%s_%s', prefix, event);
		EXECUTE format('CREATE OR REPLACE TRIGGER %I AFTER %s ON %s %s FOR EACH STATEMENT EXECUTE FUNCTION leadroute.%I(%s)', trigger, event, relation,
					   CASE event WHEN 'insert' THEN 'REFERENCING NEW TABLE AS new_rows' WHEN 'delete' THEN 'REFERENCING OLD TABLE AS old_rows'
								  WHEN 'update' THEN 'REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows' END,
					   function, (SELECT string_agg(quote_literal(a.argument), ', ' ORDER BY a.n) FROM unnest(arguments) WITH ORDINALITY a(argument, n)));
		EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', relation, trigger);
	END LOOP;
END
$$;
COMMENT ON FUNCTION leadroute.put_source_triggers(regclass, text, text[], name, text[], integer) IS
	'Internal: puts statement triggers, prefix_insert and so on, on a table that leadroute follows, in place of any that stand there.';

CREATE FUNCTION leadroute.take_source_triggers(relation regclass, function regprocedure, tries integer DEFAULT 100) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	trigger	name;
	taken	integer := 0;
BEGIN
	FOR trigger IN SELECT t.tgname FROM pg_trigger t WHERE t.tgrelid = relation AND NOT t.tgisinternal AND t.tgfoid = function LOOP
		IF taken = 0 THEN
			PERFORM leadroute.lock_briefly(relation, 'ACCESS EXCLUSIVE', tries);
		END IF;
		EXECUTE format('DROP TRIGGER %I ON %s', trigger, relation);
		taken := taken + 1;
	END LOOP;
	RETURN taken;
END
$$;
COMMENT ON FUNCTION leadroute.take_source_triggers(regclass, regprocedure, integer) IS
	'Internal: takes the triggers that call a function off a table; answers how many there were.';

CREATE FUNCTION leadroute.put_account_triggers(attachment leadroute.account_attachments, tries integer DEFAULT 100) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT leadroute.put_source_triggers(attachment.relation::regclass, 'leadroute_accounts', '{insert,update,delete,truncate}', 'accounts_follow',
										 ARRAY[attachment.flow], tries)
$$;
COMMENT ON FUNCTION leadroute.put_account_triggers(leadroute.account_attachments, integer) IS 'Puts leadroute''s triggers on an accounts table, in place of any that stand there.';

/* --- attach and detach: front doors as those of leads (50_attach.sql, attach.c) --- */

CREATE FUNCTION leadroute.attach_accounts(relation regclass, columns jsonb DEFAULT '{}', flow text DEFAULT 'default') RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_call_for_owner';
COMMENT ON FUNCTION leadroute.attach_accounts(regclass, jsonb, text) IS
	'Keeps leadroute.accounts and account_domains in step with a table of the CRM that the caller, a member of leadroute_admin, owns: takes over what stands there and then what each statement changes. columns maps key, name, website, domain, owner, tier, parent and deleted where they are not found by their usual names; what the table has not is left to hands. Called again it changes the mapping. Answers how many accounts there are.';

CREATE FUNCTION leadroute.detach_accounts(relation regclass) RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_call_for_owner';
COMMENT ON FUNCTION leadroute.detach_accounts(regclass) IS 'Ends what attach_accounts() began; the accounts stay.';

/* What the front doors of tables that a flow follows beside its leads have in common. */
CREATE FUNCTION leadroute.expect_source(relation regclass, columns jsonb, flow text, what text, why text, example text) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	fault	text;
BEGIN
	IF NOT leadroute.caller_is_admin() THEN
		RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = format('permission denied to attach %s of table %s', what, relation),
			DETAIL = why, HINT = 'A member of leadroute_admin may, or a superuser.';
	ELSIF coalesce(flow, '') = '' OR columns IS NULL OR jsonb_typeof(columns) <> 'object' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = CASE WHEN coalesce(flow, '') = '' THEN 'a flow has a name' ELSE 'columns must be a JSON object' END, HINT = example;
	END IF;
	SELECT CASE WHEN c.relkind NOT IN ('r', 'p') THEN 'It is not a table.' WHEN c.relpersistence = 't' THEN 'It is a temporary table.' WHEN c.relispartition THEN 'It is a partition.'
				WHEN c.relnamespace::regnamespace::text IN ('leadroute', 'pg_catalog', 'information_schema') THEN 'It is a system table.' END INTO fault
	FROM pg_class c WHERE c.oid = relation;
	IF fault IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'wrong_object_type', MESSAGE = format('table %s cannot be followed', relation), DETAIL = fault;
	END IF;
END
$$;
COMMENT ON FUNCTION leadroute.expect_source(regclass, jsonb, text, text, text, text) IS
	'Part of attach_accounts() and attach_activities(): refuses who may not, a mapping that is none, and what is no table to follow.';

CREATE FUNCTION leadroute.attach_accounts_owned(relation regclass, columns jsonb, flow text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	source		record;
	fault		text;
	attachment	leadroute.account_attachments;
	other		leadroute.account_attachments;
	known		bigint;
BEGIN
	PERFORM leadroute.expect_source(relation, columns, flow, 'accounts', 'Accounts decide who gets the leads of a flow.',
									'SELECT leadroute.attach_accounts(''public.accounts'', columns => ''{"tier": "Tier__c"}'').');
	SELECT c.relname, n.nspname INTO source FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation;
	fault := leadroute.account_fault(relation, columns);
	IF fault IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = CASE WHEN fault LIKE '%is not a table' THEN 'wrong_object_type' WHEN fault LIKE '%in columns%' THEN 'invalid_parameter_value'
									 WHEN fault LIKE '%virtual generated column%' THEN 'invalid_column_definition' ELSE 'undefined_column' END,
			MESSAGE = fault,
			HINT = 'columns maps leadroute''s name to the table''s: ''{"key": "Id", "name": "Name", "website": "Website", "owner": "OwnerId", "tier": "Tier__c", "parent": "ParentId"}'', or to null.';
	END IF;
	SELECT a.* INTO other FROM leadroute.account_attachments a
	WHERE (a.flow <> attach_accounts_owned.flow AND a.relation = attach_accounts_owned.relation::oid)
		OR (a.flow = attach_accounts_owned.flow AND a.relation <> attach_accounts_owned.relation::oid AND leadroute.table_named(a.table_schema, a.table_name) IS NOT NULL)
	LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'object_in_use',
			MESSAGE = format('accounts of flow "%s" follow table %s already', other.flow, format('%I.%I', other.table_schema, other.table_name)),
			HINT = 'Detach it first: SELECT leadroute.detach_accounts(…).';
	END IF;

	INSERT INTO leadroute.flows (flow) VALUES (attach_accounts_owned.flow) ON CONFLICT DO NOTHING;
	INSERT INTO leadroute.account_attachments AS a (flow, table_schema, table_name, columns, found)
		VALUES (attach_accounts_owned.flow, source.nspname, source.relname, attach_accounts_owned.columns,
				(SELECT jsonb_object_agg(c.canonical, c.attname) FROM leadroute.account_columns(relation, columns) c))
		ON CONFLICT ON CONSTRAINT account_attachments_pkey DO UPDATE
			SET table_schema = EXCLUDED.table_schema, table_name = EXCLUDED.table_name, relation = EXCLUDED.relation,
				columns = EXCLUDED.columns, found = EXCLUDED.found, status = 'attached', problem = NULL, refreshed_at = clock_timestamp()
		RETURNING a.* INTO attachment;
	/* the triggers' lock keeps writers out until what stands there has been taken over */
	PERFORM leadroute.put_account_triggers(attachment);
	PERFORM leadroute.compare_accounts(attachment);
	SELECT count(*) INTO known FROM leadroute.accounts a WHERE a.flow = attachment.flow AND a.synced;
	RETURN format('accounts of flow "%s" follow %s (%s): %s there now', flow, relation,
				  (SELECT string_agg(format('%s %s', f.key, f.value), ', ' ORDER BY array_position('{key,name,website,domain,owner,tier,parent,deleted}', f.key))
				   FROM jsonb_each_text(jsonb_strip_nulls(attachment.found)) f), known);
END
$$;
COMMENT ON FUNCTION leadroute.attach_accounts_owned(regclass, jsonb, text) IS 'Does the work of attach_accounts() once the caller is known to own the table.';

CREATE FUNCTION leadroute.detach_accounts_owned(relation regclass) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	left_over	text;
BEGIN
	DELETE FROM leadroute.account_attachments a
		WHERE a.relation = detach_accounts_owned.relation::oid OR leadroute.table_named(a.table_schema, a.table_name) = detach_accounts_owned.relation
		RETURNING a.flow INTO left_over;
	IF leadroute.take_source_triggers(relation, 'leadroute.accounts_follow()') = 0 AND left_over IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('table %s is not followed', relation),
			HINT = 'leadroute.account_attachments lists those that are.';
	END IF;
	RETURN format('accounts follow %s no more; they stay as they are', relation);
END
$$;
COMMENT ON FUNCTION leadroute.detach_accounts_owned(regclass) IS 'Does the work of detach_accounts() once the caller is known to own the table.';

/* Part of the event trigger table_replaced(): another table took the name, or the table was altered. */
CREATE FUNCTION leadroute.follow_account_names() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	attachment	leadroute.account_attachments;
	now_there	regclass;
	fault		text;
BEGIN
	FOR attachment IN
		SELECT a.* FROM leadroute.account_attachments a
		WHERE leadroute.table_named(a.table_schema, a.table_name) IS NOT NULL
			AND (leadroute.table_named(a.table_schema, a.table_name) IS DISTINCT FROM a.relation
				 OR EXISTS (SELECT FROM pg_event_trigger_ddl_commands() d
							WHERE d.classid = 'pg_class'::regclass AND d.objid = a.relation AND d.command_tag = 'ALTER TABLE'))
	LOOP
		now_there := leadroute.table_named(attachment.table_schema, attachment.table_name);
		BEGIN
			fault := leadroute.account_fault(now_there, attachment.columns);
			IF now_there = attachment.relation AND attachment.status = 'attached' AND fault IS NULL
				AND attachment.found = (SELECT jsonb_object_agg(c.canonical, c.attname) FROM leadroute.account_columns(now_there, attachment.columns) c) THEN
				CONTINUE;
			END IF;
			IF now_there <> attachment.relation AND EXISTS (SELECT FROM pg_class c WHERE c.oid = attachment.relation) THEN
				PERFORM leadroute.take_source_triggers(attachment.relation, 'leadroute.accounts_follow()', 20);
			END IF;
			UPDATE leadroute.account_attachments a
				SET relation = now_there, problem = fault, status = CASE WHEN fault IS NULL THEN 'attached' ELSE 'broken' END,
					found = coalesce((SELECT jsonb_object_agg(c.canonical, c.attname) FROM leadroute.account_columns(now_there, a.columns) c), '{}'),
					refreshed_at = CASE WHEN a.relation = now_there THEN a.refreshed_at ELSE clock_timestamp() END,
					behind_since = coalesce(a.behind_since, clock_timestamp())
				WHERE a.flow = attachment.flow
				RETURNING a.* INTO attachment;
			IF fault IS NULL THEN
				PERFORM leadroute.put_account_triggers(attachment, 20);
			ELSE
				RAISE WARNING USING MESSAGE = format('accounts of flow "%s" do not follow table %s', attachment.flow, now_there), DETAIL = fault,
					HINT = format('Change the table, or attach it again: SELECT leadroute.attach_accounts(%L, …).', now_there);
			END IF;
		EXCEPTION WHEN OTHERS THEN
			fault := SQLERRM;
			RAISE WARNING USING MESSAGE = format('accounts of flow "%s" do not follow table %s', attachment.flow, now_there), DETAIL = fault,
				HINT = format('Attach it again: SELECT leadroute.attach_accounts(%L).', now_there);
			UPDATE leadroute.account_attachments a SET relation = now_there, status = 'broken', problem = fault, behind_since = coalesce(a.behind_since, clock_timestamp())
				WHERE a.flow = attachment.flow;
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION leadroute.follow_account_names() IS 'Part of table_replaced(): puts the triggers on another table that takes the name of an attached accounts table.';

/* --- the sweep --- */

/* A table that another one replaced, or a statement that could not be followed; and accounts that a refresh did not bring back. */
CREATE FUNCTION leadroute.sweep_accounts(flow text) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	attachment	leadroute.account_attachments;
	cause		text;
	gone		bigint := 0;
BEGIN
	SELECT a.* INTO attachment FROM leadroute.account_attachments a
	WHERE a.flow = sweep_accounts.flow AND a.status = 'attached' AND leadroute.table_named(a.table_schema, a.table_name) = a.relation;
	IF NOT FOUND THEN
		RETURN 0;
	END IF;
	BEGIN
		IF attachment.behind_since IS NOT NULL THEN
			PERFORM leadroute.compare_accounts(attachment);
		END IF;
		IF attachment.refreshed_at IS NOT NULL AND (attachment.gone_at IS NULL OR attachment.gone_at < attachment.refreshed_at)
			AND leadroute.clock() >= attachment.refreshed_at + (SELECT f.gone_after FROM leadroute.flows f WHERE f.flow = attachment.flow) THEN
			PERFORM leadroute.lock_account_sync(attachment.flow, true);
			EXECUTE format($gone$
				WITH there AS MATERIALIZED (SELECT DISTINCT %1$s AS account FROM %2$s t WHERE %3$s), dropped AS (
					DELETE FROM leadroute.accounts a WHERE a.flow = (SELECT $1) AND coalesce(a.synced, false)
						AND NOT EXISTS (SELECT FROM there t WHERE t.account = a.account)
					RETURNING a.account
				), lost AS (
					DELETE FROM leadroute.account_domains d USING dropped x WHERE d.flow = (SELECT $1) AND d.account = x.account AND coalesce(d.synced, false)
				)
				SELECT count(*) FROM dropped$gone$,
				leadroute.account_value(attachment.found, 'key'), attachment.relation::regclass, leadroute.account_live(attachment.found))
				INTO gone USING attachment.flow;
			UPDATE leadroute.account_attachments a SET gone_at = leadroute.clock() WHERE a.flow = attachment.flow;
		END IF;
	EXCEPTION WHEN serialization_failure OR deadlock_detected THEN
		RAISE;
	WHEN OTHERS THEN
		cause := SQLERRM;
		UPDATE leadroute.account_attachments a SET behind_since = coalesce(a.behind_since, clock_timestamp()), problem = cause WHERE a.flow = attachment.flow;
		RAISE WARNING USING MESSAGE = format('accounts of flow "%s" could not be compared with table %s', attachment.flow, attachment.relation::regclass), DETAIL = cause;
	END;
	RETURN gone::integer;
END
$$;
COMMENT ON FUNCTION leadroute.sweep_accounts(text) IS
	'Part of sweep(): compares accounts with their table where they may differ, and takes those away that a full refresh did not bring back; answers how many.';

/* What a race of several sessions missed (committee.c): event and message are those of the insert path. */
CREATE FUNCTION leadroute.committee_message(flow text, account text, owner text, lead text, people integer, at timestamptz, reason text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	payload	jsonb := jsonb_strip_nulls(jsonb_build_object('flow', flow, 'lead', lead, 'account', account, 'account_owner', owner, 'people', people, 'reason', reason));
BEGIN
	/* nobody hears who it is without the consent that its flow demands */
	IF NOT EXISTS (SELECT FROM leadroute.flows f WHERE f.flow = committee_message.flow AND f.require_consent
				   AND NOT EXISTS (SELECT FROM leadroute.lead_states s WHERE s.flow = committee_message.flow AND s.lead = committee_message.lead AND s.consent)) THEN
		payload := leadroute.lead_message(flow, lead, reason, payload);
	END IF;
	INSERT INTO leadroute.outbox (flow, recipient, aggregatetype, aggregateid, type, payload, created_at)
		VALUES (flow, owner, 'account', account, 'buying_committee', payload, at);
END
$$;
COMMENT ON FUNCTION leadroute.committee_message(text, text, text, text, integer, timestamptz, text) IS
	'Internal: writes the message that tells an account''s owner of a buying committee, with the lead that completed it.';

CREATE FUNCTION leadroute.check_committees(flow text) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	subject	leadroute.flows;
	due		record;
	number	integer;
	last	record;
	holder	text;
	told	integer := 0;
BEGIN
	SELECT f.* INTO subject FROM leadroute.flows f WHERE f.flow = check_committees.flow;
	FOR due IN
		WITH taken AS (
			DELETE FROM leadroute.committee_checks c
			WHERE c.ctid = ANY (ARRAY(SELECT w.ctid FROM leadroute.committee_checks w
									  WHERE w.flow = check_committees.flow AND w.waits_for <= pg_snapshot_xmin(pg_current_snapshot())
									  FOR UPDATE SKIP LOCKED))
			RETURNING c.account, c.at
		)
		SELECT t.account, max(t.at) AS at FROM taken t GROUP BY t.account ORDER BY t.account
	LOOP
		SELECT b.number, b.formed_at INTO last FROM leadroute.buying_committees b
		WHERE b.flow = subject.flow AND b.account = due.account ORDER BY b.number DESC LIMIT 1;
		CONTINUE WHEN subject.buying_committee_size IS NULL OR last.formed_at > due.at - subject.buying_committee_window;
		number := coalesce(last.number, 0) + 1;
		INSERT INTO leadroute.buying_committees (flow, account, number, formed_at, people, lead)
			SELECT subject.flow, due.account, number, due.at, subject.buying_committee_size, p.lead
			FROM (SELECT s.lead FROM leadroute.lead_states s
				  WHERE s.flow = subject.flow AND s.account = due.account AND s.submitted_at > due.at - subject.buying_committee_window
					AND s.duplicate_of IS NULL
				  ORDER BY s.submitted_at, s.lead OFFSET subject.buying_committee_size - 1 LIMIT 1) p
			ON CONFLICT DO NOTHING
			RETURNING buying_committees.lead, buying_committees.people INTO last;
		CONTINUE WHEN NOT FOUND;
		told := told + 1;
		SELECT a.owner INTO holder FROM leadroute.accounts a WHERE a.flow = subject.flow AND a.account = due.account;
		INSERT INTO leadroute.events (flow, lead, at, kind, code, owner, reason, account)
			VALUES (subject.flow, last.lead, due.at, 'buying_committee', 'buying_committee', holder,
					format('%s people of account "%s" have arrived', last.people, due.account), due.account);
		IF EXISTS (SELECT FROM leadroute.outbox_consumers c WHERE c.flow = subject.flow AND 'buying_committee' = ANY (c.types)) THEN
			PERFORM leadroute.committee_message(subject.flow, due.account, holder, last.lead, last.people, due.at, format('%s people of account "%s" have arrived', last.people, due.account));
		END IF;
	END LOOP;
	RETURN told;
END
$$;
COMMENT ON FUNCTION leadroute.check_committees(text) IS
	'Part of sweep(): counts the people of accounts who arrived in transactions at the same time, once these are over; answers how many committees it told.';

/* --- what has become of them --- */

CREATE VIEW leadroute.account_status AS
	SELECT a.flow, a.account, a.name, a.owner, a.tier, a.parent, l.leads, l.open, l.owners, l.last_arrival, c.formed_at AS committee_at, c.lead AS committee_lead, l.score
	FROM leadroute.accounts a
		CROSS JOIN LATERAL (
			SELECT count(*) AS leads, count(*) FILTER (WHERE s.status IN ('assigned', 'waiting') AND s.closed_at IS NULL) AS open,
				array_agg(DISTINCT s.owner ORDER BY s.owner) FILTER (WHERE s.owner IS NOT NULL AND s.closed_at IS NULL) AS owners,
				max(s.submitted_at) AS last_arrival, sum(s.score) AS score
			FROM leadroute.lead_states s WHERE s.flow = a.flow AND s.account = a.account AND s.duplicate_of IS NULL) l
		LEFT JOIN LATERAL (
			SELECT b.formed_at, b.lead FROM leadroute.buying_committees b
			WHERE b.flow = a.flow AND b.account = a.account ORDER BY b.number DESC LIMIT 1) c ON true;
COMMENT ON VIEW leadroute.account_status IS
	'What has become of an account''s leads. Cheap for one account (WHERE account = …), not for all of a million.';
COMMENT ON COLUMN leadroute.account_status.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.account_status.account IS 'The account''s key.';
COMMENT ON COLUMN leadroute.account_status.name IS 'The company''s name.';
COMMENT ON COLUMN leadroute.account_status.owner IS 'The rep who owns the account.';
COMMENT ON COLUMN leadroute.account_status.tier IS '1 to 3, or NULL.';
COMMENT ON COLUMN leadroute.account_status.parent IS 'The account that it belongs to.';
COMMENT ON COLUMN leadroute.account_status.leads IS 'How many leads it has or had; duplicates are the leads that they are of.';
COMMENT ON COLUMN leadroute.account_status.open IS 'Of these, assigned or waiting and not closed.';
COMMENT ON COLUMN leadroute.account_status.owners IS 'Who has the open ones; more than one where not all went by account_owner.';
COMMENT ON COLUMN leadroute.account_status.last_arrival IS 'When the last one asked.';
COMMENT ON COLUMN leadroute.account_status.committee_at IS 'When its newest buying committee formed.';
COMMENT ON COLUMN leadroute.account_status.score IS 'The sum of its leads'' scores, as stored; duplicates have none of their own in it. NULL where none has one.';
COMMENT ON COLUMN leadroute.account_status.committee_lead IS 'The lead that completed that one.';
