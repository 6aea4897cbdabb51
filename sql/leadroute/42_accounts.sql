/*
 * Accounts: companies that have an owner. Data rather than configuration, a million of them: no session keeps
 * any, a look-up is an index probe with the newest snapshot (account.c), so a change counts at once and invalidates
 * nothing. No foreign keys, as in all of the configuration: a domain may come before its account, and what stands of
 * an account that is not there means nothing.
 *
 * Their history is kept as that of the configuration, except where it would cost more than it tells: see
 * account_history().
 */
CREATE TABLE leadroute.accounts (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	account			text COLLATE "C" NOT NULL CHECK (account <> ''),
	name			text,
	owner			text COLLATE "C" CHECK (owner <> ''),
	tier			integer CHECK (tier BETWEEN 1 AND 3),
	parent			text COLLATE "C" CHECK (parent <> account),
	synced			boolean NOT NULL DEFAULT false,
	note			text,
	PRIMARY KEY (flow, account)
);
CREATE INDEX accounts_owner_idx ON leadroute.accounts (flow, owner) WHERE owner IS NOT NULL;
CREATE INDEX accounts_parent_idx ON leadroute.accounts (flow, parent) WHERE parent IS NOT NULL;

CREATE TABLE leadroute.account_domains (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	domain			text COLLATE "C" NOT NULL,
	account			text COLLATE "C" NOT NULL CHECK (account <> ''),
	synced			boolean NOT NULL DEFAULT false,
	note			text,
	PRIMARY KEY (flow, domain, account)
);
CREATE INDEX account_domains_account_idx ON leadroute.account_domains (flow, account);
/* each lead's domain is looked up, and most are no account's: one page says so, whatever the number of domains (account.c) */
CREATE INDEX account_domains_hash_idx ON leadroute.account_domains USING hash ((flow || ' ' || domain));

CREATE TABLE leadroute.account_aliases (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	kind			text COLLATE "C" NOT NULL DEFAULT 'name' CHECK (kind IN ('name', 'key')),
	alias_key		text COLLATE "C" GENERATED ALWAYS AS (CASE kind WHEN 'name' THEN leadroute.company_key(alias) ELSE alias END) STORED,
	account			text COLLATE "C" NOT NULL CHECK (account <> ''),
	alias			text NOT NULL CHECK (alias <> ''),
	note			text,
	PRIMARY KEY (flow, kind, alias_key, account)
);
CREATE INDEX account_aliases_account_idx ON leadroute.account_aliases (flow, account);

/* Which flows have, or had, accounts, and aliases of them: the others' leads are not looked up. Kept by account_written(); only grows. */
CREATE TABLE leadroute.account_flows (
	flow			text COLLATE "C" NOT NULL,
	aliases			boolean NOT NULL,
	PRIMARY KEY (flow, aliases)
);

COMMENT ON TABLE leadroute.accounts IS 'Companies: who owns their leads. Written by people, or kept in step with a table of the CRM by leadroute.attach_accounts().';
COMMENT ON COLUMN leadroute.accounts.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.accounts.account IS 'The account''s key, as the CRM has it: what the leads table''s account column holds.';
COMMENT ON COLUMN leadroute.accounts.name IS 'The company''s name. Likeness to it only suggests (account_suggestions); to make a name decide, write it into account_aliases.';
COMMENT ON COLUMN leadroute.accounts.owner IS 'The rep who owns the account: gets its leads where a rule''s target is account_owner.';
COMMENT ON COLUMN leadroute.accounts.tier IS 'How much it matters, 1 most; NULL: none. facts.account_tier in conditions.';
COMMENT ON COLUMN leadroute.accounts.parent IS 'The account that it belongs to. An error where that makes a circle.';
COMMENT ON COLUMN leadroute.accounts.synced IS 'Whether attach_accounts() brought it, and takes it away with its row. Changes by the sync are not kept in config_changes.';
COMMENT ON COLUMN leadroute.accounts.note IS 'Free text of who wrote the row.';

COMMENT ON TABLE leadroute.account_domains IS 'Which domains are whose. One may belong to several accounts: find_account() has the order. One of more than 100 accounts is nobody''s.';
COMMENT ON COLUMN leadroute.account_domains.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.account_domains.domain IS 'The registrable domain, as domain_key() spells it: a URL, host or e-mail address that is written here becomes that.';
COMMENT ON COLUMN leadroute.account_domains.account IS 'The account.';
COMMENT ON COLUMN leadroute.account_domains.synced IS 'Whether attach_accounts() brought it.';
COMMENT ON COLUMN leadroute.account_domains.note IS 'Free text of who wrote the row.';

COMMENT ON TABLE leadroute.account_aliases IS 'Other names and keys of accounts, which decide as domains do: a lead whose company is called so belongs to the account.';
COMMENT ON COLUMN leadroute.account_aliases.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.account_aliases.kind IS '''name'': of the company; ''key'': another system''s key, or one from before a merge, in the row''s account column.';
COMMENT ON COLUMN leadroute.account_aliases.alias_key IS 'What is compared: company_key() of a name, a key as it is.';
COMMENT ON COLUMN leadroute.account_aliases.account IS 'The account.';
COMMENT ON COLUMN leadroute.account_aliases.alias IS 'The name or key as it was written.';
COMMENT ON COLUMN leadroute.account_aliases.note IS 'Free text of who wrote the row.';

COMMENT ON TABLE leadroute.account_flows IS 'Flows that have or had accounts; written with the first one, so that leads of other flows are not looked up.';
COMMENT ON COLUMN leadroute.account_flows.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.account_flows.aliases IS 'False: it has accounts. True: it has aliases.';

CREATE FUNCTION leadroute.account_written() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'lr_account_written';
COMMENT ON FUNCTION leadroute.account_written() IS
	'Trigger on accounts, account_domains and account_aliases: stores a domain as its registrable domain, refuses a name that is none, notes that a flow has accounts.';

DO $do$
DECLARE
	relation	text;
BEGIN
	FOREACH relation IN ARRAY ARRAY['accounts', 'account_domains', 'account_aliases'] LOOP
		EXECUTE pg_catalog.format($$
			CREATE TRIGGER account_written BEFORE INSERT OR UPDATE ON leadroute.%1$I
				FOR EACH ROW EXECUTE FUNCTION leadroute.account_written();
			ALTER TABLE leadroute.%1$I ENABLE ALWAYS TRIGGER account_written$$, relation);
	END LOOP;
END
$do$;
SELECT leadroute.invalidation_triggers('account_flows');

/*
 * No account is above itself. Set by set, after the statement: rows may come in any order. Writers of parents take turns
 * until commit, so that two of them cannot close a circle between them.
 */
CREATE FUNCTION leadroute.account_parents() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	circle	record;
BEGIN
	IF leadroute.restoring() OR NOT EXISTS (SELECT FROM new_rows n WHERE n.parent IS NOT NULL) THEN
		RETURN NULL;
	END IF;
	PERFORM pg_advisory_xact_lock(hashtext('leadroute.accounts'), hashtext(f.flow))
	FROM (SELECT DISTINCT n.flow FROM new_rows n WHERE n.parent IS NOT NULL ORDER BY n.flow) f;
	WITH RECURSIVE above(flow, account, parent) AS (
		SELECT n.flow, n.account, n.parent FROM new_rows n WHERE n.parent IS NOT NULL
		UNION
		SELECT u.flow, u.account, a.parent
		FROM above u JOIN leadroute.accounts a ON a.flow = u.flow AND a.account = u.parent
		WHERE a.parent IS NOT NULL AND u.parent <> u.account
	)
	SELECT u.flow, u.account INTO circle FROM above u WHERE u.parent = u.account ORDER BY u.flow, u.account LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'check_violation',
			MESSAGE = format('account "%s" would be above itself', circle.account),
			DETAIL = format('Its parents are %s.', (
				WITH RECURSIVE chain(step, account) AS (
					SELECT 1, a.parent FROM leadroute.accounts a WHERE a.flow = circle.flow AND a.account = circle.account
					UNION ALL
					SELECT c.step + 1, a.parent FROM chain c JOIN leadroute.accounts a ON a.flow = circle.flow AND a.account = c.account
					WHERE c.account <> circle.account AND c.step < 100
				)
				SELECT string_agg(format('"%s"', c.account), ', ' ORDER BY c.step) FROM chain c)),
			HINT = 'Set the parent of one of them to NULL.',
			SCHEMA = 'leadroute', TABLE = 'accounts', COLUMN = 'parent', CONSTRAINT = 'accounts_parent_circle';
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION leadroute.account_parents() IS 'Statement trigger on accounts: refuses a parent that makes a circle.';
CREATE TRIGGER account_parents_insert AFTER INSERT ON leadroute.accounts REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION leadroute.account_parents();
CREATE TRIGGER account_parents_update AFTER UPDATE ON leadroute.accounts REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION leadroute.account_parents();

/*
 * History of accounts, domains and aliases in config_changes: row by row where a statement wrote up to 100 of a flow,
 * which is what people do by hand; of more only how many, or a load of a million would be written twice over; of
 * what attach_accounts() keeps in step nothing: the CRM is its history. Rows that an UPDATE left as they were do not count.
 */
CREATE FUNCTION leadroute.account_history() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	own		text := format('leadroute.%I', TG_TABLE_NAME);
	key		text[] := CASE TG_TABLE_NAME WHEN 'accounts' THEN '{flow,account}' WHEN 'account_domains' THEN '{flow,domain,account}'
										 WHEN 'account_aliases' THEN '{flow,kind,alias_key,account}' ELSE '{flow}' END::text[];
	changes	text;
	many	record;
BEGIN
	IF leadroute.restoring() THEN
		RETURN NULL;
	ELSIF TG_OP = 'TRUNCATE' THEN
		INSERT INTO leadroute.config_changes (flow, relation, operation) VALUES ('*', TG_TABLE_NAME, TG_OP);
		RETURN NULL;
	END IF;
	changes := CASE TG_OP
		WHEN 'INSERT' THEN format('new_rows n LEFT JOIN %s o ON false', own)
		WHEN 'DELETE' THEN format('old_rows o LEFT JOIN %s n ON false', own)
		ELSE format('old_rows o FULL JOIN new_rows n ON %s',
					(SELECT string_agg(format('o.%I = n.%I', k, k), ' AND ') FROM unnest(key) k)) END
		|| ' WHERE n IS DISTINCT FROM o'
		|| CASE WHEN TG_TABLE_NAME IN ('accounts', 'account_domains') THEN ' AND NOT (coalesce(n.synced, true) AND coalesce(o.synced, true))' ELSE '' END;
	FOR many IN EXECUTE format('SELECT coalesce(n.flow, o.flow) AS flow, count(*) AS rows FROM %s GROUP BY 1', changes) LOOP
		IF many.rows <= 100 THEN
			EXECUTE format($kept$
				INSERT INTO leadroute.config_changes (flow, relation, operation, old, new, note)
				SELECT $1, $2, $3, to_jsonb(o), to_jsonb(n), coalesce(n.note, o.note) FROM %s AND coalesce(n.flow, o.flow) = $1$kept$, changes)
				USING many.flow, TG_TABLE_NAME, TG_OP;
		ELSE
			INSERT INTO leadroute.config_changes (flow, relation, operation, new)
				VALUES (many.flow, TG_TABLE_NAME, TG_OP, jsonb_build_object('rows', many.rows));
		END IF;
	END LOOP;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION leadroute.account_history() IS
	'Statement trigger on accounts, account_domains and account_aliases: keeps up to 100 changed rows of a statement in config_changes, of more only their number.';

/* a data-only restore of the CRM's table has brought synced ones before the dump brings them */
SELECT leadroute.configuration_table('accounts', 'account_history', NULL, restored => true);
SELECT leadroute.configuration_table('account_domains', 'account_history', NULL, restored => true);
SELECT leadroute.configuration_table('account_aliases', 'account_history', NULL);

/* Tables of the CRM that accounts are kept in step with. Remembered by name, as the leads table is. */
CREATE TABLE leadroute.account_attachments (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default' PRIMARY KEY,
	table_schema	name NOT NULL,
	table_name		name NOT NULL,
	relation		oid,
	columns			jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(columns) = 'object'),
	found			jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(found) = 'object'),
	status			text NOT NULL DEFAULT 'attached' CHECK (status IN ('attached', 'broken')),
	problem			text,
	attached_at		timestamptz NOT NULL DEFAULT now(),
	refreshed_at	timestamptz,
	behind_since	timestamptz,
	compared_at		timestamptz,
	gone_at			timestamptz,
	note			text
);
COMMENT ON TABLE leadroute.account_attachments IS 'Which table of the CRM a flow''s accounts are kept in step with. Written by leadroute.attach_accounts() and detach_accounts().';
COMMENT ON COLUMN leadroute.account_attachments.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.account_attachments.table_schema IS 'Schema of the table.';
COMMENT ON COLUMN leadroute.account_attachments.table_name IS 'Name of the table.';
COMMENT ON COLUMN leadroute.account_attachments.relation IS 'OID of the table that bore the name when the triggers were put on it; of this database only, taken anew when the row is restored.';
COMMENT ON COLUMN leadroute.account_attachments.columns IS 'The columns that attach_accounts() was told: "name": "Name", or null for none.';
COMMENT ON COLUMN leadroute.account_attachments.found IS 'The columns that are read: those told, and those found by their usual names.';
COMMENT ON COLUMN leadroute.account_attachments.status IS '''attached'', or ''broken'': the table that bears the name does not fit.';
COMMENT ON COLUMN leadroute.account_attachments.problem IS 'Why it is broken, or what the last statement that could not be followed met.';
COMMENT ON COLUMN leadroute.account_attachments.attached_at IS 'When leadroute.attach_accounts() was first called.';
COMMENT ON COLUMN leadroute.account_attachments.refreshed_at IS 'When another table last took the name, or TRUNCATE emptied it: accounts not found again go after flows.gone_after.';
COMMENT ON COLUMN leadroute.account_attachments.behind_since IS 'Since when the accounts may differ from the table; NULL: they do not. A sweep compares them.';
COMMENT ON COLUMN leadroute.account_attachments.compared_at IS 'When the whole table was last compared.';
COMMENT ON COLUMN leadroute.account_attachments.gone_at IS 'When a sweep last took accounts away that a full refresh did not bring back.';
COMMENT ON COLUMN leadroute.account_attachments.note IS 'Free text of who wrote the row.';

CREATE FUNCTION leadroute.account_attachment_written() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	NEW.relation := leadroute.table_named(NEW.table_schema, NEW.table_name);
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION leadroute.account_attachment_written() IS 'Trigger on account_attachments: notes the OID of the table that bears the name in this database.';
CREATE TRIGGER account_attachment_written BEFORE INSERT ON leadroute.account_attachments
	FOR EACH ROW EXECUTE FUNCTION leadroute.account_attachment_written();
ALTER TABLE leadroute.account_attachments ENABLE ALWAYS TRIGGER account_attachment_written;
CREATE TRIGGER account_history_insert AFTER INSERT ON leadroute.account_attachments REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION leadroute.account_history();
CREATE TRIGGER account_history_delete AFTER DELETE ON leadroute.account_attachments REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION leadroute.account_history();
SELECT leadroute.restore_trigger('account_attachments');
