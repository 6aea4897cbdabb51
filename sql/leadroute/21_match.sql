/*
 * Which keys make two leads one person, and what a merge does with each column.
 */
CREATE TABLE leadroute.match_rules (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	rule			text COLLATE "C" NOT NULL CHECK (rule <> ''),
	position		integer NOT NULL,
	kinds			text[] NOT NULL,
	action			text NOT NULL DEFAULT 'act' CHECK (action IN ('act', 'suggest')),
	note			text,
	PRIMARY KEY (flow, rule),
	UNIQUE (flow, position) DEFERRABLE INITIALLY IMMEDIATE,
	CONSTRAINT match_rules_kinds_check CHECK (
		cardinality(kinds) BETWEEN 1 AND 12 AND array_position(kinds, NULL) IS NULL
		AND kinds <@ '{external_id,email,phone,first_name,last_name,company,website,postal_code,country,mailbox,birth_date,city}'),
	CONSTRAINT match_rules_wide_check CHECK (kinds && '{external_id,email,phone}' OR cardinality(kinds) >= 2 OR action = 'suggest')
);

/* What a merge does with a column of the leads table; fill_blank where there is no row. */
CREATE TABLE leadroute.merge_columns (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	column_name		text COLLATE "C" NOT NULL CHECK (column_name <> ''),
	keeps			text NOT NULL CHECK (keeps IN ('fill_blank', 'latest', 'first', 'never')),
	note			text,
	PRIMARY KEY (flow, column_name)
);

COMMENT ON TABLE leadroute.match_rules IS 'Which keys make two leads one person. A rule that acts is a unique key: who loses the race for it is the duplicate. A rule that suggests is looked at by find_duplicates() only: leads with equal keys stay two and are written to duplicate_candidates. A new flow begins with four rows: external id, e-mail, phone with last name act; phone alone suggests.';
COMMENT ON COLUMN leadroute.match_rules.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.match_rules.rule IS 'Name of the rule.';
COMMENT ON COLUMN leadroute.match_rules.position IS 'Order, lowest first: where a lead shares keys with several, the first rule says with which it is one.';
COMMENT ON COLUMN leadroute.match_rules.kinds IS 'What must be equal, all of them, in canonical form and none blank: external_id, email, phone, first_name, last_name, company, website (its registrable domain), postal_code, country, mailbox (an e-mail''s part before the @, of four letters or more and no function''s as info), birth_date, city.';
COMMENT ON COLUMN leadroute.match_rules.action IS '''act'' (duplicates are linked, merged or refused, see flows.duplicate_policy) or ''suggest'' (find_duplicates() writes pairs with equal keys to duplicate_candidates, whatever they score; a key that more leads have than match_settings.block_limit is listed in match_blocks instead). A change compares all leads anew. A rule that acts knows the leads that come from then on; CALL leadroute.catch_up() adds the keys of those that stand.';
COMMENT ON COLUMN leadroute.match_rules.note IS 'Free text of who wrote the row.';

COMMENT ON TABLE leadroute.merge_columns IS 'What flows.duplicate_policy = ''merge'' does with each column of the leads table; a column without a row is filled where it is blank.';
COMMENT ON COLUMN leadroute.merge_columns.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.merge_columns.column_name IS 'The column, by its own name in the leads table.';
COMMENT ON COLUMN leadroute.merge_columns.keeps IS '''fill_blank'' (the first lead''s value, the other''s where it is blank), ''latest'' (of the one that was submitted last), ''first'' (of the one that was submitted first; either way the other''s where that is blank), or ''never'' (the first lead''s stays, blank or not).';
COMMENT ON COLUMN leadroute.merge_columns.note IS 'Free text of who wrote the row.';

/* As the library reads them: two rules that compare the same are one, and one that acts comes first. */
CREATE FUNCTION leadroute.match_rules_of(flow text, OUT rule text, OUT kind text, OUT action text) RETURNS SETOF record
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT DISTINCT ON (k.kind) m.rule, k.kind, m.action
	FROM leadroute.match_rules m
		CROSS JOIN LATERAL (
			SELECT string_agg(a.kind, '+' ORDER BY a.n) AS kind
			FROM unnest('{external_id,email,phone,first_name,last_name,company,website,postal_code,country,mailbox,birth_date,city}'::text[])
				WITH ORDINALITY a(kind, n)
			WHERE a.kind = ANY (m.kinds)) k
	WHERE m.flow = match_rules_of.flow
	ORDER BY k.kind, m.action, m.position, m.rule
$$;
COMMENT ON FUNCTION leadroute.match_rules_of(text) IS
	'The match rules of a flow with the kind of their keys: what they compare, in a fixed order, joined by "+". Of two that compare the same one that acts counts, then the first.';

CREATE FUNCTION leadroute.rule_label(flow text, kind text) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT 'rule: ' || coalesce((SELECT r.rule FROM leadroute.match_rules_of(rule_label.flow) r WHERE r.kind = rule_label.kind), rule_label.kind)
$$;
COMMENT ON FUNCTION leadroute.rule_label(text, text) IS
	'How duplicate_candidates.evidence names the rule by whose kind of key two leads are alike: "rule: " and its name, or the kind where the flow has no such rule any more.';
