/*
 * State: what leadroute writes. On the insert path these are written directly (journal.c): no
 * triggers, foreign keys or CHECK constraints are enforced there, so there are none.
 */

/* The closed list of codes: every outcome carries one. */
CREATE TABLE leadroute.codes (
	code			text COLLATE "C" PRIMARY KEY,
	status			text NOT NULL,
	meaning			text NOT NULL
);
INSERT INTO leadroute.codes VALUES
	('assigned',		'assigned',		'a rule''s target took the lead'),
	('given',			'assigned',		'the row arrived with the key of an active rep, who keeps it; no turn was taken'),
	('adopted',			'assigned',		'the lead stood in the table before the attach, with an owner'),
	('no_flow',			'assigned',		'the row named a flow that does not exist; the attachment''s own flow decided'),
	('fallback',		'assigned',		'a decision failed; the last rule''s target took the lead'),
	('queued',			'waiting',		'a rule sent the lead to a queue'),
	('no_member',		'waiting',		'the team has no eligible member; the lead waits in the team''s queue'),
	('no_territory',	'waiting',		'no territory of the map covers the lead; it waits in the map''s queue'),
	('rep_unavailable',	'waiting',		'the rep is not active; the lead waits in the rep''s queue'),
	('discarded',		'discarded',	'a rule discarded the lead'),
	('flow_off',		'unrouted',		'the flow was not active when the lead arrived'),
	('disabled',		'unrouted',		'leadroute.enabled was off in the session that wrote the lead'),
	('routing_error',	'unrouted',		'a decision failed and so did the fallback'),
	('no_library',		'unrouted',		'the library was not in shared_preload_libraries'),
	('deleted',			'unrouted',		'the row arrived marked as deleted'),
	('existing',		'ignored',		'the lead stood in the table before the attach'),
	('by_hand',			'assigned',		'a hand gave the lead to somebody else'),
	('restored',		'assigned',		'a deleted lead came back; it keeps what it had'),
	('gone',			'closed',		'the lead was not found again after a full refresh of the table'),
	('moved',			'closed',		'the lead moved to another flow');

/* One row a lead, whatever the loader does to the leads table. */
CREATE TABLE leadroute.lead_states (
	flow			text COLLATE "C" NOT NULL,
	lead			text COLLATE "C" NOT NULL,
	status			text NOT NULL,
	code			text NOT NULL,
	owner			text COLLATE "C",
	source_owner	text,
	team			text COLLATE "C",
	territory		text COLLATE "C",
	queue			text COLLATE "C",
	rule			text COLLATE "C",
	submitted_at	timestamptz,
	routed_at		timestamptz,
	route_reason	text,
	closed_at		timestamptz,
	outcome			text,
	PRIMARY KEY (flow, lead)
) WITH (fillfactor = 90);
CREATE INDEX lead_states_unrouted_idx ON leadroute.lead_states (flow, submitted_at) WHERE status = 'unrouted';
CREATE INDEX lead_states_waiting_idx ON leadroute.lead_states (flow, queue, submitted_at) WHERE status = 'waiting';

/* What happened, append-only. */
CREATE TABLE leadroute.events (
	flow			text COLLATE "C" NOT NULL,
	lead			text COLLATE "C" NOT NULL,
	id				bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
	at				timestamptz NOT NULL,
	kind			text NOT NULL,
	code			text NOT NULL,
	rule			text COLLATE "C",
	owner			text COLLATE "C",
	previous_owner	text,
	team			text COLLATE "C",
	territory		text COLLATE "C",
	queue			text COLLATE "C",
	reason			text,
	path			jsonb,
	actor			text,
	PRIMARY KEY (flow, lead, id)
);
CREATE INDEX events_at_idx ON leadroute.events USING brin (at);

/* Keys that identify a lead where no unique index of the leads table guards them: the index decides a race. */
CREATE TABLE leadroute.identities (
	flow			text COLLATE "C" NOT NULL,
	kind			text COLLATE "C" NOT NULL,
	key				text COLLATE "C" NOT NULL,
	lead			text COLLATE "C" NOT NULL,
	PRIMARY KEY (flow, kind, key)
);

/* Messages for other systems: written only for the types that a consumer asked for. */
CREATE TABLE leadroute.outbox (
	flow			text COLLATE "C" NOT NULL,
	id				bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
	aggregatetype	text NOT NULL,
	aggregateid		text NOT NULL,
	type			text NOT NULL,
	payload			jsonb NOT NULL,
	created_at		timestamptz NOT NULL,
	PRIMARY KEY (flow, id)
);
CREATE TABLE leadroute.outbox_consumers (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	consumer		text COLLATE "C" NOT NULL,
	types			text[] NOT NULL,
	note			text,
	PRIMARY KEY (flow, consumer)
);

/*
 * The ledger of turns and places: a member's pointer is sum(pointer), his open leads are sum(open), over
 * all his rows. A decision appends, a sweep folds many rows into one; nobody updates, so nobody waits.
 */
CREATE TABLE leadroute.rotation (
	flow			text COLLATE "C" NOT NULL,
	team			text COLLATE "C" NOT NULL,
	rep				text COLLATE "C" NOT NULL,
	pointer			bigint NOT NULL,
	open			integer NOT NULL
);

