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
	('no_member',		'waiting',		'the team has no active member with a weight; the lead waits in the team''s queue'),
	('not_accepting',	'waiting',		'no member of the team accepts leads now; the lead waits in the team''s queue'),
	('on_leave',		'waiting',		'every member of the team who accepts leads is on leave; the lead waits in the team''s queue'),
	('no_skill',		'waiting',		'no member of the team who is there has the skills that the rule asks for; the lead waits in the team''s queue'),
	('off_shift',		'waiting',		'every member of the team who could take the lead is off shift; it waits in the team''s queue'),
	('no_capacity',		'waiting',		'every member of the team who could take the lead is at capacity; it waits in the team''s queue'),
	('capped',			'waiting',		'every member of the team who could take the lead has had as many as a cap allows; it waits in the team''s queue'),
	('no_territory',	'waiting',		'no territory of the map covers the lead; it waits in the map''s queue'),
	('rep_unavailable',	'waiting',		'the rep takes no lead now (not active or accepting, on leave, off shift, full); the lead waits in the rep''s queue'),
	('account_owner',	'assigned',		'the lead''s account has an owner; he, or while he is away his backup, gets it without a turn'),
	('no_account',		'waiting',		'the lead has no account, or its account has no owner; it waits in the queue account_owner'),
	('owner_inactive',	'waiting',		'the owner of the lead''s account is inactive or on leave, and so is whoever backs him up; it waits in his queue'),
	('buying_committee', 'any',			'so many people of the lead''s account have arrived that they are a buying committee'),
	('account_accepted', 'any',			'somebody accepted the account that was suggested for the lead'),
	('discarded',		'discarded',	'a rule discarded the lead'),
	('duplicate',		'duplicate',	'the lead shares a key with an earlier one, which has its owner; no turn was taken, and it counts as no load of its own'),
	('returning',		'assigned',		'the lead shares a key with one that is closed or old; the same owner has it again, without a turn'),
	('absorbed',		'merged',		'the lead shares a key with an earlier one; its values went into that, its row was not inserted'),
	('flow_off',		'unrouted',		'the flow was not active when the lead arrived'),
	('disabled',		'unrouted',		'leadroute.enabled was off in the session that wrote the lead'),
	('no_rule',			'unrouted',		'the flow is active, but no rule took the lead: its last rule has a condition'),
	('routing_error',	'unrouted',		'a decision failed and so did the fallback'),
	('no_library',		'unrouted',		'the library was not in shared_preload_libraries'),
	('pending',			'unrouted',		'the lead stood in the table before the attach, or came from a dump without its state; catch_up is to route it'),
	('deleted',			'unrouted',		'the row arrived marked as deleted'),
	('existing',		'ignored',		'the lead stood in the table before the attach'),
	('by_hand',			'assigned',		'a hand gave the lead to somebody else'),
	('restored',		'assigned',		'a deleted lead came back; it keeps what it had'),
	('gone',			'closed',		'the lead was not found again after a full refresh of the table, or went with a partition'),
	('moved',			'closed',		'the lead moved to another flow'),
	('not_ready',		'unrouted',		'the flow''s route_when does not hold for the row yet'),
	('no_consent',		'unrouted',		'the person may not be contacted: the flow gives leads out only with consent (flows.require_consent) and there is none yet, or a signal has taken the lead out of all outreach (signal_types.effect)'),
	('held',			'waiting',		'a rule holds the lead until it is enriched or a time has passed'),
	('enrichment_timeout', 'assigned',	'the lead was held, the time passed, and it was routed with what was known'),
	('arrived_closed',	'unrouted',		'the row was closed or won when it arrived; it is recorded and not routed'),
	('closed',			'closed',		'the row says that the lead is closed, or close() was called'),
	('won',				'closed',		'the row says that the lead is won, or close() was called with this outcome'),
	('from_queue',		'assigned',		'the lead waited for somebody of the team to have room'),
	('queued_behind',	'waiting',		'others wait for the team already; the lead joined its queue behind them'),
	('claimed',			'assigned',		'somebody took the lead from a queue'),
	('all_tried',		'waiting',		'everybody in the team has let the lead lapse before; it waits in the team''s overflow queue'),
	('reopened',		'assigned',		'the row no longer says that the lead is closed, or reopen() was called'),
	('nurtured',		'nurture',		'a rule nurtures the lead: it has no owner until it is qualified'),
	('mql_score',		'any',			'the lead is qualified by its points'),
	('mql_high_intent',	'any',			'the lead is qualified by a signal of high intent'),
	('mql_meeting',		'any',			'the lead is qualified: a meeting is booked'),
	('mql_approved',	'any',			'the lead is qualified: somebody approved it'),
	('borderline',		'any',			'the lead is nearly qualified, or a criterion asks for a review of it (scoring_criteria.review): it stands in the review queue'),
	('disqualified',	'closed',		'somebody looked at the lead and disqualified it'),
	('accepted',		'any',			'sales took the lead: accept()'),
	('rejected',		'nurture',		'sales gave the lead back (reject()); it is nurtured until it is qualified again'),
	('recycled',		'nurture',		'sales gave the lead back (reject()); it comes back at a date'),
	('archived',		'closed',		'the lead was given back for good, or had been nurtured or recycled as long as the flow allows'),
	('returned',		'assigned',		'a lead that was nurtured or recycled came back to the rep who had it'),
	('stage_entered',	'any',			'the lead came into a stage: it began there, or somebody said so'),
	('stage_advanced',	'any',			'the entry condition of a later stage holds'),
	('stage_touched',	'any',			'the first touch that counts took the lead on from the stage of new ones'),
	('stage_aged',		'any',			'the lead was in its stage as long as that allows'),
	('illegal_stage',	'any',			'the CRM moved the lead in a way that the flow does not allow; it is only reported'),
	('stage_incomplete', 'any',			'the CRM moved the lead to a stage for which it lacks something; it is only reported'),
	('unknown_stage',	'any',			'the CRM moved the lead to a stage that the flow does not have; it is only reported'),
	('too_old',			'any',			'the lead was submitted longer ago than the flow''s max_backdate when it arrived; it has no clock'),
	('touched',			'any',			'somebody touched the lead, and it counts'),
	('not_counted',		'any',			'a touch that does not count: its kind, its length, or its time before the lead was submitted'),
	('reply',			'any',			'the person got in touch'),
	('succeeded',		'assigned',		'the lead was a duplicate of one that is gone; it stands for the person now, with the owner that it had'),
	('asked_again',		'any',			'a duplicate of the lead met a tighter policy: its clock starts on the lead'),
	('met',				'any',			'a clock was stopped in time'),
	('breached',		'any',			'a clock was not stopped in time'),
	('sync_delay',		'any',			'a deadline, or steps on the way to it, had passed before the lead reached its owner'),
	('after_hours',		'any',			'a deadline was missed while the owner was off shift'),
	('overload',		'any',			'a deadline was missed by an owner at capacity'),
	('routing',			'any',			'a deadline was missed while the lead waited for an owner, or after it had changed hands'),
	('no_response',		'any',			'a deadline was missed and nothing but the owner explains it'),
	('superseded',		'any',			'a new owner or another policy opened the next round of a clock'),
	('cancelled',		'any',			'a clock ended without an outcome'),
	('requeued',		'waiting',		'a deadline passed and put the lead back into a queue'),
	('no_show',			'any',			'the person did not come to the meeting'),
	('threshold_reached', 'any',		'the lead''s score, fit and engagement have reached what its model asks for'),
	('threshold_lost',	'any',			'the lead''s score, fit or engagement no longer reaches what its model asks for');

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
	account			text COLLATE "C",
	account_by		text,
	duplicate_of	text COLLATE "C",
	won				boolean,
	value			numeric,
	closed_by		text,
	lapsed			text[] COLLATE "C",
	priority		double precision,
	queue_order		bigint,
	held_until		timestamptz,
	stage			text COLLATE "C",
	stage_at		timestamptz,
	source_stage	text COLLATE "C",
	mql_at			timestamptz,
	qualified_at	timestamptz,
	accepted_at		timestamptz,
	rejection		text COLLATE "C",
	rejected_at		timestamptz,
	rejected_score	numeric,
	recycles		integer,
	return_at		timestamptz,
	return_to		text COLLATE "C",
	archive_at		timestamptz,
	review_at		timestamptz,
	consent			boolean,
	name			text,
	company			text,
	source			text,
	intent			text,
	segment			text,
	tier			integer,
	assigned_at		timestamptz,
	first_touch_at	timestamptz,
	sla_due_at		timestamptz,
	score			numeric,
	fit				numeric,
	engagement		numeric,
	grade			text,
	scored_at		timestamptz,
	engagement_since	timestamptz,
	rescore_at		timestamptz,
	PRIMARY KEY (flow, lead)
) WITH (fillfactor = 90);
CREATE INDEX lead_states_account_idx ON leadroute.lead_states (flow, account, submitted_at) WHERE account IS NOT NULL AND duplicate_of IS NULL;
CREATE INDEX lead_states_unrouted_idx ON leadroute.lead_states (flow, submitted_at) WHERE status = 'unrouted';
CREATE INDEX lead_states_duplicate_idx ON leadroute.lead_states (flow, duplicate_of) WHERE duplicate_of IS NOT NULL;
CREATE INDEX lead_states_held_idx ON leadroute.lead_states (flow, held_until) WHERE held_until IS NOT NULL AND closed_at IS NULL;
CREATE INDEX lead_states_stage_idx ON leadroute.lead_states (flow, stage, stage_at) WHERE stage IS NOT NULL AND closed_at IS NULL;
CREATE INDEX lead_states_return_idx ON leadroute.lead_states (flow, (least(return_at, archive_at))) WHERE (return_at IS NOT NULL OR archive_at IS NOT NULL) AND closed_at IS NULL;
CREATE INDEX lead_states_review_idx ON leadroute.lead_states (flow, review_at) WHERE review_at IS NOT NULL AND closed_at IS NULL;
CREATE INDEX lead_states_rescore_idx ON leadroute.lead_states (flow, rescore_at) WHERE rescore_at IS NOT NULL AND closed_at IS NULL;
CREATE INDEX lead_states_waiting_idx ON leadroute.lead_states (flow, queue, priority DESC, submitted_at, queue_order) WHERE status = 'waiting' AND closed_at IS NULL;

/* What happened, append-only. */
CREATE TABLE leadroute.events (
	flow			text COLLATE "C" NOT NULL,
	lead			text COLLATE "C" NOT NULL,
	id				bigint NOT NULL DEFAULT leadroute.journal_id(),
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
	account			text COLLATE "C",
	over_cap		text,
	stage			text COLLATE "C",
	previous_stage	text COLLATE "C",
	consent			boolean,
	prediction		jsonb,
	PRIMARY KEY (flow, lead, id)
);
CREATE INDEX events_at_idx ON leadroute.events USING brin (at, id) WITH (pages_per_range = 8);

/* What sales gave back, and what became of it: one row a rejection. */
CREATE TABLE leadroute.rejections (
	flow			text COLLATE "C" NOT NULL,
	lead			text COLLATE "C" NOT NULL,
	id				bigint NOT NULL DEFAULT leadroute.journal_id(),
	at				timestamptz NOT NULL,
	code			text COLLATE "C" NOT NULL,
	note			text,
	actor			text,
	owner			text COLLATE "C",
	source			text,
	action			text NOT NULL,
	flag			text,
	cycle			integer,
	return_at		timestamptz,
	returned_at		timestamptz,
	returned_by		text,
	returned_to		text COLLATE "C",
	archived_at		timestamptz,
	PRIMARY KEY (flow, lead, id)
);
CREATE INDEX rejections_at_idx ON leadroute.rejections (flow, at);

/* What people of sales think of leads. */
CREATE TABLE leadroute.lead_feedback (
	flow			text COLLATE "C" NOT NULL,
	lead			text COLLATE "C" NOT NULL,
	id				bigint NOT NULL DEFAULT leadroute.journal_id(),
	at				timestamptz NOT NULL,
	rating			integer NOT NULL CHECK (rating BETWEEN 1 AND 5),
	comment			text,
	actor			text NOT NULL,
	owner			text COLLATE "C",
	source			text,
	PRIMARY KEY (flow, lead, id)
);
CREATE INDEX lead_feedback_at_idx ON leadroute.lead_feedback (flow, at);

/* Keys that identify a lead (kind "key": its own, where no unique index of the leads table guards it): the index decides a race. */
CREATE TABLE leadroute.identities (
	flow			text COLLATE "C" NOT NULL,
	kind			text COLLATE "C" NOT NULL,
	key				text COLLATE "C" NOT NULL,
	lead			text COLLATE "C" NOT NULL,
	PRIMARY KEY (flow, key, kind)	-- most are told apart by the key: the kind need not be compared
);

/* Messages for other systems: written only for the types that a consumer asked for. */
CREATE TABLE leadroute.outbox (
	id				bigint NOT NULL DEFAULT leadroute.journal_id(),
	aggregatetype	text NOT NULL,
	aggregateid		text NOT NULL,
	type			text NOT NULL,
	payload			jsonb,
	created_at		timestamptz NOT NULL,
	flow			text COLLATE "C" NOT NULL,
	recipient		text COLLATE "C",
	PRIMARY KEY (flow, id)
);

/* Buying committees: the unique key decides who tells. Written directly too (committee.c). */
CREATE TABLE leadroute.buying_committees (
	flow			text COLLATE "C" NOT NULL,
	account			text COLLATE "C" NOT NULL,
	number			integer NOT NULL,
	formed_at		timestamptz NOT NULL,
	people			integer NOT NULL,
	lead			text COLLATE "C" NOT NULL,
	PRIMARY KEY (flow, account, number)
);

/* Accounts that may have one, which the sweep is to look at: not dumped, the numbers are this cluster's. */
CREATE TABLE leadroute.committee_checks (
	flow			text COLLATE "C" NOT NULL,
	account			text COLLATE "C" NOT NULL,
	at				timestamptz NOT NULL,
	waits_for		xid8 NOT NULL
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
	open			integer NOT NULL,
	minute			timestamptz,
	leads			integer
);

/* How far catch_up is: one row an attachment, kept after its end as the record of the last run. */
CREATE TABLE leadroute.catch_ups (
	flow			text COLLATE "C" NOT NULL PRIMARY KEY,
	relation		oid NOT NULL,
	existing		text NOT NULL CHECK (existing IN ('ignore', 'adopt', 'route')),
	newer_than		interval,
	phase			text NOT NULL CHECK (phase IN ('walk', 'rest', 'route', 'done')),
	leaf			oid,
	next_block		bigint NOT NULL DEFAULT 0,
	blocks_done		bigint NOT NULL DEFAULT 0,
	blocks			bigint NOT NULL DEFAULT 0,
	recorded		bigint NOT NULL DEFAULT 0,
	adopted			bigint NOT NULL DEFAULT 0,
	routed			bigint NOT NULL DEFAULT 0,
	failed			bigint NOT NULL DEFAULT 0,
	route_flow		text COLLATE "C",
	route_at		timestamptz,
	route_lead		text COLLATE "C",
	started_at		timestamptz NOT NULL,
	updated_at		timestamptz NOT NULL,
	finished_at		timestamptz
);

COMMENT ON TABLE leadroute.codes IS 'The closed list of codes: every outcome carries one.';
COMMENT ON COLUMN leadroute.codes.code IS 'The code.';
COMMENT ON COLUMN leadroute.codes.status IS 'The status of a lead with this code; any: an event that changes none.';
COMMENT ON COLUMN leadroute.codes.meaning IS 'What it says.';

COMMENT ON TABLE leadroute.lead_states IS 'One row a lead, whatever the loader does to the leads table.';
COMMENT ON COLUMN leadroute.lead_states.flow IS 'The flow that decided.';
COMMENT ON COLUMN leadroute.lead_states.lead IS 'The lead''s key, as text.';
COMMENT ON COLUMN leadroute.lead_states.status IS 'assigned, waiting, discarded, duplicate, merged, unrouted or ignored.';
COMMENT ON COLUMN leadroute.lead_states.code IS 'Why; see leadroute.codes.';
COMMENT ON COLUMN leadroute.lead_states.owner IS 'The rep who has the lead.';
COMMENT ON COLUMN leadroute.lead_states.source_owner IS 'The owner that the source last sent: sending it again is no hand-over.';
COMMENT ON COLUMN leadroute.lead_states.team IS 'The team the owner was picked from, or that the lead waits for.';
COMMENT ON COLUMN leadroute.lead_states.territory IS 'The territory that covered the lead.';
COMMENT ON COLUMN leadroute.lead_states.queue IS 'The queue the lead waits in.';
COMMENT ON COLUMN leadroute.lead_states.rule IS 'The rule that won.';
COMMENT ON COLUMN leadroute.lead_states.submitted_at IS 'When the person asked.';
COMMENT ON COLUMN leadroute.lead_states.routed_at IS 'When leadroute decided.';
COMMENT ON COLUMN leadroute.lead_states.route_reason IS 'The decision in one line.';
COMMENT ON COLUMN leadroute.lead_states.closed_at IS 'When the lead was closed.';
COMMENT ON COLUMN leadroute.lead_states.outcome IS 'What came of it: won, closed, what close() was told; deleted, gone or moved where the row went.';
COMMENT ON COLUMN leadroute.lead_states.won IS 'Whether it was won; NULL while it is open, and where the row went.';
COMMENT ON COLUMN leadroute.lead_states.value IS 'What it is worth, in the units of the leads table''s column value or of close(): as the row said when the lead was decided, and once it is closed what it was worth then.';
COMMENT ON COLUMN leadroute.lead_states.name IS 'The person''s name as it was when the lead was decided: first and last name, or the column name where there is neither. At most 200 characters, as the next four. Personal data. NULL for leads from before the attach.';
COMMENT ON COLUMN leadroute.lead_states.company IS 'The company as it was written when the lead was decided.';
COMMENT ON COLUMN leadroute.lead_states.source IS 'What brought the lead, as its column source said when it was decided.';
COMMENT ON COLUMN leadroute.lead_states.intent IS 'How much the lead wanted it when it was decided, high, medium or low by custom: by flows.intent, the row''s column intent, or leadroute.sources.';
COMMENT ON COLUMN leadroute.lead_states.segment IS 'What flows.segment gave when the lead was decided.';
COMMENT ON COLUMN leadroute.lead_states.tier IS 'The tier of its account when the lead was decided, 1 (matters most) to 3; NULL: none.';
COMMENT ON COLUMN leadroute.lead_states.closed_by IS 'closed_when or won_when where the row says so, which may take it back; else the role that called close(). NULL where the row went.';
COMMENT ON COLUMN leadroute.lead_states.lapsed IS 'Reps who had the lead and let it lapse or gave it back: it never goes to them again by itself.';
COMMENT ON COLUMN leadroute.lead_states.priority IS 'Which of the leads that wait goes first: the highest; flows.priority as it was when the lead began to wait, 0 without one.';
COMMENT ON COLUMN leadroute.lead_states.queue_order IS 'Which goes first of those that have the same priority and were submitted at the same time: the lowest. From the clock, no sequence.';
COMMENT ON COLUMN leadroute.lead_states.held_until IS 'Of a lead that is held: when it is routed at the latest.';
COMMENT ON COLUMN leadroute.lead_states.stage IS 'The stage that the lead is in; NULL where its flow had none when it last looked, and of duplicates.';
COMMENT ON COLUMN leadroute.lead_states.stage_at IS 'Since when.';
COMMENT ON COLUMN leadroute.lead_states.source_stage IS 'The stage that the source last sent: sending it again is no change.';
COMMENT ON COLUMN leadroute.lead_states.mql_at IS 'When the lead was first qualified (MQL): by its points, a high-intent signal, a booked meeting, or approve().';
COMMENT ON COLUMN leadroute.lead_states.qualified_at IS 'Since when it is, its last rejection left behind; NULL: it is not.';
COMMENT ON COLUMN leadroute.lead_states.accepted_at IS 'When accept() last took it.';
COMMENT ON COLUMN leadroute.lead_states.rejection IS 'The code with which reject() last gave it back.';
COMMENT ON COLUMN leadroute.lead_states.rejected_at IS 'When that was.';
COMMENT ON COLUMN leadroute.lead_states.rejected_score IS 'The score it had then: by its points alone a lead that is nurtured since is qualified again only with more. NULL of a recycled one, whose engagement begins anew.';
COMMENT ON COLUMN leadroute.lead_states.recycles IS 'How often it was recycled; NULL: never.';
COMMENT ON COLUMN leadroute.lead_states.return_at IS 'Of a recycled lead that is away: when it comes back.';
COMMENT ON COLUMN leadroute.lead_states.return_to IS 'Of one that is nurtured or recycled: the rep who had it, to whom it goes back if he is still there.';
COMMENT ON COLUMN leadroute.lead_states.archive_at IS 'Of one that is nurtured or recycled: when it is archived if nothing happens first.';
COMMENT ON COLUMN leadroute.lead_states.review_at IS 'Since when it stands in the review queue: nearly qualified or wanted there by a criterion, for approve() or disqualify() to say.';
COMMENT ON COLUMN leadroute.lead_states.consent IS 'Whether the person had consented when the lead was last decided: the row''s consent, less an unsubscribe; NULL where the row says nothing.';
COMMENT ON COLUMN leadroute.lead_states.assigned_at IS 'When the lead got its first owner; from submitted_at to then is the system''s delay, from then to first_touch_at the rep''s.';
COMMENT ON COLUMN leadroute.lead_states.first_touch_at IS 'The first touch that counts, by its own time, however late it was told; NULL: none.';
COMMENT ON COLUMN leadroute.lead_states.sla_due_at IS 'The next deadline of the clocks that run; NULL: none runs.';
COMMENT ON COLUMN leadroute.lead_states.score IS 'The score as of scored_at, 0 to 100; NULL where the flow has no scoring model. leadroute.score() answers for any instant.';
COMMENT ON COLUMN leadroute.lead_states.fit IS 'The fit as of scored_at, 0 to 100.';
COMMENT ON COLUMN leadroute.lead_states.engagement IS 'The engagement as of scored_at, 0 to 100.';
COMMENT ON COLUMN leadroute.lead_states.grade IS 'The grade as of scored_at: leadroute.grades.';
COMMENT ON COLUMN leadroute.lead_states.scored_at IS 'When the score was last worked out.';
COMMENT ON COLUMN leadroute.lead_states.engagement_since IS 'Signals before this no longer count: the lead was recycled then. NULL: all count.';
COMMENT ON COLUMN leadroute.lead_states.rescore_at IS 'When decay, or a time that passes, next changes the score: the sweep works it out anew then. NULL: never.';
COMMENT ON COLUMN leadroute.lead_states.account IS 'The account that the lead belongs to, as found when it was decided; it stays when the account is deleted.';
COMMENT ON COLUMN leadroute.lead_states.account_by IS 'What found the account: given (the row''s account column), website, email, alias, or accepted (a suggestion).';
COMMENT ON COLUMN leadroute.lead_states.duplicate_of IS 'The earlier lead of the same person; never itself one with status duplicate or merged while its first one stands.';

COMMENT ON TABLE leadroute.events IS 'What happened to leads, append-only.';
COMMENT ON COLUMN leadroute.events.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.events.lead IS 'The lead''s key, as text.';
COMMENT ON COLUMN leadroute.events.id IS 'Order of a lead''s events: a time and a process, from no sequence, so that lastval() stays the lead''s.';
COMMENT ON COLUMN leadroute.events.at IS 'When it happened.';
COMMENT ON COLUMN leadroute.events.kind IS 'What kind of event.';
COMMENT ON COLUMN leadroute.events.code IS 'Outcome; see leadroute.codes.';
COMMENT ON COLUMN leadroute.events.rule IS 'The rule that won.';
COMMENT ON COLUMN leadroute.events.owner IS 'The owner after it.';
COMMENT ON COLUMN leadroute.events.previous_owner IS 'The owner before it.';
COMMENT ON COLUMN leadroute.events.team IS 'The team.';
COMMENT ON COLUMN leadroute.events.territory IS 'The territory.';
COMMENT ON COLUMN leadroute.events.queue IS 'The queue.';
COMMENT ON COLUMN leadroute.events.reason IS 'The decision in one line.';
COMMENT ON COLUMN leadroute.events.path IS 'The steps that led to it.';
COMMENT ON COLUMN leadroute.events.over_cap IS 'The limits of the owner that this lead went beyond, as ''3 per day'' or ''capacity 40''; NULL: none. A pick never does: an owner that the row brought, an account''s owner, a hand may.';
COMMENT ON COLUMN leadroute.events.stage IS 'The stage after it, of a change of stage.';
COMMENT ON COLUMN leadroute.events.previous_stage IS 'The stage before it; NULL: none.';
COMMENT ON COLUMN leadroute.events.consent IS 'Of a decision: whether the person had consented; NULL where the row said nothing.';
COMMENT ON COLUMN leadroute.events.prediction IS 'Of a decision in a flow with a published predictive model: the probability, the model with its version, and the strongest reasons (log-odds against the average lead of the training).';
COMMENT ON COLUMN leadroute.events.actor IS 'Who did it; NULL for leadroute itself.';
COMMENT ON COLUMN leadroute.events.account IS 'The account of the lead.';

COMMENT ON TABLE leadroute.rejections IS 'Leads that reject() gave back, and what became of them.';
COMMENT ON COLUMN leadroute.rejections.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.rejections.lead IS 'The lead''s key, as text.';
COMMENT ON COLUMN leadroute.rejections.id IS 'Order of a lead''s rejections.';
COMMENT ON COLUMN leadroute.rejections.at IS 'When it was given back.';
COMMENT ON COLUMN leadroute.rejections.code IS 'Why; see rejection_reasons.';
COMMENT ON COLUMN leadroute.rejections.note IS 'What reject() was told beside the code.';
COMMENT ON COLUMN leadroute.rejections.actor IS 'The role that called reject().';
COMMENT ON COLUMN leadroute.rejections.owner IS 'The rep who had the lead.';
COMMENT ON COLUMN leadroute.rejections.source IS 'The source in the lead''s row then, where it has such a column.';
COMMENT ON COLUMN leadroute.rejections.action IS 'What was done: nurture, recycle or archive; archive too where the lead had been recycled as often as the flow allows.';
COMMENT ON COLUMN leadroute.rejections.flag IS 'What is odd about it: fewer touches are known than the code presupposes. NULL: nothing.';
COMMENT ON COLUMN leadroute.rejections.cycle IS 'Of a recycled lead: how often it has been, this time included.';
COMMENT ON COLUMN leadroute.rejections.return_at IS 'Of a recycled lead: when it was to come back.';
COMMENT ON COLUMN leadroute.rejections.returned_at IS 'When it was given out again; NULL: not yet.';
COMMENT ON COLUMN leadroute.rejections.returned_by IS 'What brought it back: date, qualified (its points), high_intent, or hand.';
COMMENT ON COLUMN leadroute.rejections.returned_to IS 'Who got it then; NULL: nobody, it waits.';
COMMENT ON COLUMN leadroute.rejections.archived_at IS 'When it was archived, at once or because the time for it was over.';
COMMENT ON TABLE leadroute.lead_feedback IS 'What people think of leads: feedback().';
COMMENT ON COLUMN leadroute.lead_feedback.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.lead_feedback.lead IS 'The lead''s key, as text.';
COMMENT ON COLUMN leadroute.lead_feedback.id IS 'Order of a lead''s feedback.';
COMMENT ON COLUMN leadroute.lead_feedback.at IS 'When it was given.';
COMMENT ON COLUMN leadroute.lead_feedback.rating IS 'How good the lead is: 1 (waste of time) to 5 (more of these).';
COMMENT ON COLUMN leadroute.lead_feedback.comment IS 'In words.';
COMMENT ON COLUMN leadroute.lead_feedback.actor IS 'The role that gave it.';
COMMENT ON COLUMN leadroute.lead_feedback.owner IS 'Who had the lead then.';
COMMENT ON COLUMN leadroute.lead_feedback.source IS 'The source in the lead''s row then, where it has such a column.';

COMMENT ON TABLE leadroute.identities IS 'Keys that identify a lead: the unique index decides a race.';
COMMENT ON COLUMN leadroute.identities.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.identities.kind IS 'What kind of key: the kinds of its match rule, joined by "+", or "key".';
COMMENT ON COLUMN leadroute.identities.key IS 'The key in canonical form; of several kinds, joined by "|".';
COMMENT ON COLUMN leadroute.identities.lead IS 'The lead that holds it.';

COMMENT ON TABLE leadroute.outbox IS 'Messages for other systems, in the deciding transaction, only of types that a consumer asked for; the columns stand in the order that Debezium''s outbox event router expects.';
COMMENT ON COLUMN leadroute.outbox.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.outbox.id IS 'Order of messages.';
COMMENT ON COLUMN leadroute.outbox.aggregatetype IS 'What the message is about.';
COMMENT ON COLUMN leadroute.outbox.aggregateid IS 'Which one.';
COMMENT ON COLUMN leadroute.outbox.type IS 'What happened.';
COMMENT ON COLUMN leadroute.outbox.payload IS 'The message; NULL: it says what the decision of an arriving lead says, and all who asked for it claim it: outbox_payload() makes it.';
COMMENT ON COLUMN leadroute.outbox.recipient IS 'Who is told: a rep''s key, or a team''s channel; NULL: nobody in particular.';
COMMENT ON COLUMN leadroute.outbox.created_at IS 'When it was written.';

COMMENT ON TABLE leadroute.buying_committees IS 'Buying committees that have been told: so many people of an account arrived within the window of its flow.';
COMMENT ON COLUMN leadroute.buying_committees.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.buying_committees.account IS 'The account.';
COMMENT ON COLUMN leadroute.buying_committees.number IS 'Counts the account''s committees, from 1.';
COMMENT ON COLUMN leadroute.buying_committees.formed_at IS 'When the person who completed it was decided on.';
COMMENT ON COLUMN leadroute.buying_committees.people IS 'How many people it takes: flows.buying_committee_size at that time.';
COMMENT ON COLUMN leadroute.buying_committees.lead IS 'The lead that completed it.';

COMMENT ON TABLE leadroute.committee_checks IS 'Accounts whose people arrived in transactions at the same time: the sweep counts them when all of these are over.';
COMMENT ON COLUMN leadroute.committee_checks.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.committee_checks.account IS 'The account.';
COMMENT ON COLUMN leadroute.committee_checks.at IS 'The end of the window to count in.';
COMMENT ON COLUMN leadroute.committee_checks.waits_for IS 'Transactions below this number must have ended.';

COMMENT ON TABLE leadroute.catch_ups IS 'How far leadroute.catch_up() is with an attachment, or was when it ended; read it through catch_up_progress.';
COMMENT ON COLUMN leadroute.catch_ups.flow IS 'The attachment''s flow.';
COMMENT ON COLUMN leadroute.catch_ups.relation IS 'OID of the table it walks: another one in its place starts a new run.';
COMMENT ON COLUMN leadroute.catch_ups.existing IS 'What becomes of rows that have no state.';
COMMENT ON COLUMN leadroute.catch_ups.newer_than IS 'For ''route'': only leads submitted within this time before the start.';
COMMENT ON COLUMN leadroute.catch_ups.phase IS 'walk (block by block), rest (rows that moved meanwhile), route (leads left unrouted), done.';
COMMENT ON COLUMN leadroute.catch_ups.leaf IS 'OID of the partition it walks now.';
COMMENT ON COLUMN leadroute.catch_ups.next_block IS 'The block to go on from.';
COMMENT ON COLUMN leadroute.catch_ups.blocks_done IS 'Blocks walked.';
COMMENT ON COLUMN leadroute.catch_ups.blocks IS 'Blocks of the table when the run started.';
COMMENT ON COLUMN leadroute.catch_ups.recorded IS 'Leads recorded.';
COMMENT ON COLUMN leadroute.catch_ups.adopted IS 'Of these, with their owner.';
COMMENT ON COLUMN leadroute.catch_ups.routed IS 'Leads routed.';
COMMENT ON COLUMN leadroute.catch_ups.failed IS 'Leads whose routing failed.';
COMMENT ON COLUMN leadroute.catch_ups.route_flow IS 'Position among the unrouted leads: flow.';
COMMENT ON COLUMN leadroute.catch_ups.route_at IS 'Position among the unrouted leads: submitted_at.';
COMMENT ON COLUMN leadroute.catch_ups.route_lead IS 'Position among the unrouted leads: key.';
COMMENT ON COLUMN leadroute.catch_ups.started_at IS 'When the run started.';
COMMENT ON COLUMN leadroute.catch_ups.updated_at IS 'When the last batch ended.';
COMMENT ON COLUMN leadroute.catch_ups.finished_at IS 'When the run came to its end.';
