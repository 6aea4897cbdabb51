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

COMMENT ON TABLE leadroute.match_rules IS 'Which keys make two leads one person. A rule that acts is a unique key: who loses the race for it is the duplicate. A rule that suggests is looked at by find_duplicates() only. A new flow begins with four rows: external id, e-mail, phone with last name act; phone alone suggests.';
COMMENT ON COLUMN leadroute.match_rules.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.match_rules.rule IS 'Name of the rule.';
COMMENT ON COLUMN leadroute.match_rules.position IS 'Order, lowest first: where a lead shares keys with several, the first rule says with which it is one.';
COMMENT ON COLUMN leadroute.match_rules.kinds IS 'What must be equal, all of them, in canonical form and none blank: external_id, email, phone, first_name, last_name, company, website (its registrable domain), postal_code, country, mailbox (an e-mail''s part before the @, of four letters or more and no function''s as info), birth_date, city.';
COMMENT ON COLUMN leadroute.match_rules.action IS '''act'' (duplicates are linked, merged or refused, see flows.duplicate_policy) or ''suggest''. A rule that acts knows the leads that come from then on; CALL leadroute.catch_up() adds the keys of those that stand.';
COMMENT ON COLUMN leadroute.match_rules.note IS 'Free text of who wrote the row.';

COMMENT ON TABLE leadroute.merge_columns IS 'What flows.duplicate_policy = ''merge'' does with each column of the leads table; a column without a row is filled where it is blank.';
COMMENT ON COLUMN leadroute.merge_columns.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.merge_columns.column_name IS 'The column, by its own name in the leads table.';
COMMENT ON COLUMN leadroute.merge_columns.keeps IS '''fill_blank'' (the first lead''s value, the other''s where it is blank), ''latest'' (of the one that was submitted last), ''first'' (of the one that was submitted first; either way the other''s where that is blank), or ''never'' (the first lead''s stays, blank or not).';
COMMENT ON COLUMN leadroute.merge_columns.note IS 'Free text of who wrote the row.';
