/*
 * Configuration: rows that people write. The flow leads every key. No foreign keys between
 * them: configuration may come in any order, and a restore brings it in any order;
 * leadroute.check_flow() says what is missing.
 */
CREATE TABLE leadroute.flows (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default' PRIMARY KEY CHECK (flow <> ''),
	active			boolean NOT NULL DEFAULT false,
	checked			boolean NOT NULL DEFAULT false,
	on_error		text NOT NULL DEFAULT 'fallback' CHECK (on_error IN ('fallback', 'fail')),
	given_owner		text NOT NULL DEFAULT 'keep' CHECK (given_owner IN ('keep', 'route')),
	owner_master	text NOT NULL DEFAULT 'leadroute' CHECK (owner_master IN ('leadroute', 'crm')),
	timezone		text NOT NULL DEFAULT 'UTC',
	gone_after		interval NOT NULL DEFAULT '1 day' CHECK (gone_after >= '0'),
	note			text
);

CREATE TABLE leadroute.attachments (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default' PRIMARY KEY,
	table_schema	name NOT NULL,
	table_name		name NOT NULL,
	key_column		name NOT NULL,
	flow_column		name,
	columns			jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(columns) = 'object'),
	status			text NOT NULL DEFAULT 'attached' CHECK (status IN ('attached', 'broken', 'detached')),
	problem			text,
	attached_at		timestamptz NOT NULL DEFAULT now(),
	refreshed_at	timestamptz,
	caught_up_at	timestamptz,
	note			text,
	UNIQUE (flow, table_schema, table_name)
);

CREATE TABLE leadroute.rules (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	rule			text COLLATE "C" NOT NULL CHECK (rule <> ''),
	position		integer NOT NULL,
	condition		text,
	target			text NOT NULL CHECK (target IN ('territory', 'team', 'rep', 'queue', 'discard')),
	target_name		text COLLATE "C",
	if_unavailable	text NOT NULL DEFAULT 'fallthrough' CHECK (if_unavailable IN ('fallthrough', 'wait')),
	note			text,
	PRIMARY KEY (flow, rule),
	UNIQUE (flow, position) DEFERRABLE INITIALLY IMMEDIATE,
	CONSTRAINT rules_target_name_check CHECK ((target = 'discard') = (target_name IS NULL))
);

CREATE TABLE leadroute.queues (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	queue			text COLLATE "C" NOT NULL CHECK (queue <> ''),
	note			text,
	PRIMARY KEY (flow, queue)
);

CREATE TABLE leadroute.reps (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	rep				text COLLATE "C" NOT NULL CHECK (rep <> ''),
	name			text,
	email			text,
	active			boolean NOT NULL DEFAULT true,
	note			text,
	PRIMARY KEY (flow, rep)
);

CREATE TABLE leadroute.teams (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	team			text COLLATE "C" NOT NULL CHECK (team <> ''),
	strategy		text NOT NULL DEFAULT 'round_robin' CHECK (strategy IN ('round_robin')),
	note			text,
	PRIMARY KEY (flow, team)
);

CREATE TABLE leadroute.team_members (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	team			text COLLATE "C" NOT NULL,
	rep				text COLLATE "C" NOT NULL,
	weight			integer NOT NULL DEFAULT 1 CHECK (weight BETWEEN 0 AND 1000),
	note			text,
	PRIMARY KEY (flow, team, rep)
);

CREATE TABLE leadroute.territories (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	map				text COLLATE "C" NOT NULL CHECK (map <> ''),
	territory		text COLLATE "C" NOT NULL CHECK (territory <> ''),
	area			leadroute.territory NOT NULL,
	precedence		integer NOT NULL DEFAULT 0,
	during			tstzrange NOT NULL DEFAULT '(,)',
	team			text COLLATE "C",
	rep				text COLLATE "C",
	note			text,
	PRIMARY KEY (flow, map, territory, during),
	CONSTRAINT territories_target_check CHECK (num_nonnulls(team, rep) >= 1),
	CONSTRAINT territories_do_not_cross
		EXCLUDE USING gist (area WITH OPERATOR(leadroute.?#), flow WITH =, map WITH =, precedence WITH =, during WITH &&)
);

/* The names of the sides that a flow's maps constrain: what a lead's point is made of. Kept by a trigger on territories; only grows. */
CREATE TABLE leadroute.territory_sides (
	flow			text COLLATE "C" NOT NULL,
	map				text COLLATE "C" NOT NULL,
	side			text COLLATE "C" NOT NULL,
	PRIMARY KEY (flow, map, side)
);

CREATE TABLE leadroute.config_changes (
	flow			text COLLATE "C" NOT NULL,
	id				uuid NOT NULL DEFAULT gen_random_uuid(),
	at				timestamptz NOT NULL DEFAULT clock_timestamp(),
	actor			text NOT NULL DEFAULT session_user,
	relation		name NOT NULL,
	operation		text NOT NULL CHECK (operation IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')),
	old				jsonb,
	new				jsonb,
	note			text,
	PRIMARY KEY (flow, id)
);
CREATE INDEX ON leadroute.config_changes (flow, at);

