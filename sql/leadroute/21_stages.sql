/*
 * Stages: the life of a lead as rows. A flow without any has none, and nothing of them costs it anything.
 */
CREATE TABLE leadroute.stages (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	stage			text COLLATE "C" NOT NULL CHECK (stage <> '' AND stage <> '*'),
	position		integer NOT NULL,
	kind			text NOT NULL DEFAULT 'open' CHECK (kind IN ('open', 'closed', 'won')),
	beside			boolean NOT NULL DEFAULT false,
	entry_condition	text,
	max_age			interval CHECK (max_age > '0' AND max_age <= '1000 years'),
	next_stage		text COLLATE "C",
	touched_stage	text COLLATE "C",
	role			text CHECK (role IN ('accepted', 'nurture', 'recycled', 'archived')),
	note			text,
	PRIMARY KEY (flow, stage),
	UNIQUE (flow, position) DEFERRABLE INITIALLY IMMEDIATE,
	UNIQUE (flow, role) DEFERRABLE INITIALLY IMMEDIATE,
	CONSTRAINT stages_ageing_check CHECK ((max_age IS NULL) = (next_stage IS NULL))
);

CREATE TABLE leadroute.stage_transitions (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	from_stage		text COLLATE "C" NOT NULL,
	to_stage		text COLLATE "C" NOT NULL CHECK (to_stage <> ''),
	required		text[] COLLATE "C" CHECK (array_position(required, NULL) IS NULL),
	at_least		integer CHECK (at_least > 0),
	of_columns		text[] COLLATE "C" CHECK (array_position(of_columns, NULL) IS NULL),
	note			text,
	PRIMARY KEY (flow, from_stage, to_stage),
	CONSTRAINT stage_transitions_some_check CHECK ((at_least IS NULL) = (of_columns IS NULL) AND (at_least IS NULL OR at_least <= cardinality(of_columns)))
);

/* Why sales gave a lead back, and what becomes of it then. */
CREATE TABLE leadroute.rejection_reasons (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	code			text COLLATE "C" NOT NULL CHECK (code <> ''),
	reason			text NOT NULL,
	action			text NOT NULL CHECK (action IN ('nurture', 'recycle', 'archive')),
	return_after	interval CHECK (return_after > '0' AND return_after <= '1000 years'),
	date_column		text COLLATE "C",
	before_date		interval CHECK (before_date >= '0' AND before_date <= '1000 years'),
	min_touches		integer CHECK (min_touches > 0),
	note			text,
	PRIMARY KEY (flow, code),
	CONSTRAINT rejection_reasons_return_check CHECK (action = 'recycle' OR num_nonnulls(return_after, date_column, before_date) = 0),
	CONSTRAINT rejection_reasons_recycle_check CHECK (action <> 'recycle' OR num_nonnulls(return_after, date_column) > 0),
	CONSTRAINT rejection_reasons_date_check CHECK ((date_column IS NULL) = (before_date IS NULL))
);

COMMENT ON TABLE leadroute.stages IS 'The stages of a lead''s life, in their order. A flow that has none keeps no stages; load_stages() brings the usual ones.';
COMMENT ON COLUMN leadroute.stages.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.stages.stage IS 'Name of the stage: what the leads table''s stage column holds.';
COMMENT ON COLUMN leadroute.stages.position IS 'Order: by itself a lead only goes to stages of a higher position.';
COMMENT ON COLUMN leadroute.stages.kind IS 'open, closed or won: what a lead in it is, where the flow has no closed_when (closed) or won_when (won) of its own.';
COMMENT ON COLUMN leadroute.stages.beside IS 'Whether it stands beside the way (nurture, recycled): who does not come through it has skipped nothing.';
COMMENT ON COLUMN leadroute.stages.entry_condition IS 'SQL boolean expression over the lead''s columns and facts: where it holds, an earlier stage''s lead comes here by itself, if the transition is legal and nothing is missing for it. NULL: nobody comes here by himself.';
COMMENT ON COLUMN leadroute.stages.max_age IS 'How long a lead stays at most: then a sweep takes it to next_stage, if it lacks nothing for it. NULL: for ever.';
COMMENT ON COLUMN leadroute.stages.next_stage IS 'Where it goes when max_age has passed.';
COMMENT ON COLUMN leadroute.stages.touched_stage IS 'Where the first touch that counts takes a lead of this stage, as new to contacted; NULL: nowhere.';
COMMENT ON COLUMN leadroute.stages.role IS 'What leadroute itself uses the stage for: accepted (by accept()), nurture (by a rule or reject()), recycled, archived (by reject() and time); NULL: nothing. One stage each.';
COMMENT ON COLUMN leadroute.stages.note IS 'Free text of who wrote the row.';

COMMENT ON TABLE leadroute.stage_transitions IS 'From which stage a lead may go to which, and what its row must have for it. Where a flow has no rows here every change is legal.';
COMMENT ON COLUMN leadroute.stage_transitions.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.stage_transitions.from_stage IS 'The stage it leaves; ''*'': any. An empty text: of a new lead; where no row says so it may begin in any stage.';
COMMENT ON COLUMN leadroute.stage_transitions.to_stage IS 'The stage it enters; ''*'': any.';
COMMENT ON COLUMN leadroute.stage_transitions.required IS 'Columns of the leads table, by canonical or own name, that must have a value: not NULL, not blank, and a boolean true.';
COMMENT ON COLUMN leadroute.stage_transitions.at_least IS 'How many of of_columns must have a value.';
COMMENT ON COLUMN leadroute.stage_transitions.of_columns IS 'The columns of which at_least must have a value, as {budget,authority,need,timeline}.';
COMMENT ON COLUMN leadroute.stage_transitions.note IS 'Free text of who wrote the row.';

COMMENT ON TABLE leadroute.rejection_reasons IS 'The codes with which reject() gives a lead back, and what becomes of it.';
COMMENT ON COLUMN leadroute.rejection_reasons.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.rejection_reasons.code IS 'The code, as ENG-01.';
COMMENT ON COLUMN leadroute.rejection_reasons.reason IS 'What it says.';
COMMENT ON COLUMN leadroute.rejection_reasons.action IS 'nurture (no owner, until it is qualified), recycle (the same, and it comes back at a date) or archive (closed).';
COMMENT ON COLUMN leadroute.rejection_reasons.return_after IS 'Of recycle: how long after the rejection the lead comes back.';
COMMENT ON COLUMN leadroute.rejection_reasons.date_column IS 'Of recycle: a column of the leads table, by canonical or own name, that holds a date before which the lead comes back; where it holds none, return_after counts.';
COMMENT ON COLUMN leadroute.rejection_reasons.before_date IS 'How long before that date.';
COMMENT ON COLUMN leadroute.rejection_reasons.min_touches IS 'A rejection is flagged (rejections.flag) where fewer touches of the lead are known that count. NULL: not asked.';
COMMENT ON COLUMN leadroute.rejection_reasons.note IS 'Free text of who wrote the row.';
