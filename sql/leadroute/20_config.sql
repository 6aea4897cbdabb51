/*
 * Configuration: rows that people write. The flow leads every key. No foreign keys between
 * them: configuration may come in any order, and a restore brings it in any order;
 * leadroute.check_flow() says what is missing.
 */
/* What domains check by a function: an error that says what may stand there, which a constraint cannot. */
CREATE FUNCTION leadroute.is_caps(value text[]) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	cap		text;
	problem	text;
BEGIN
	IF value IS NULL THEN
		RETURN true;
	ELSIF array_ndims(value) IS DISTINCT FROM 1 THEN
		problem := 'caps are a list of one dimension, or NULL for none';
	ELSIF cardinality(value) > 3 THEN
		problem := format('caps are at most 3, not %s', cardinality(value));
	END IF;
	FOREACH cap IN ARRAY CASE WHEN problem IS NULL THEN value ELSE '{}' END LOOP
		IF cap IS NULL OR cap !~ '^[0-9]{1,9} per (rolling )?(hour|day|week|month)$' THEN
			problem := format('"%s" is no cap', cap);
			EXIT;
		END IF;
	END LOOP;
	IF problem IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = problem, DETAIL = 'A cap is a number of leads per hour, day, week or month.',
			HINT = 'Give ''{12 per day}'' by the clock, or back from now ''{20 per rolling week}''; up to three: ''{3 per hour,12 per day}''.';
	END IF;
	RETURN true;
END
$$;
COMMENT ON FUNCTION leadroute.is_caps(text[]) IS 'Internal: whether texts are caps; an error that says what is one (23514) where they are not.';

/* a domain, so that a team's and a rep's are told by one rule and one error */
CREATE DOMAIN leadroute.caps AS text[] COLLATE "C"
	CONSTRAINT caps_check CHECK (leadroute.is_caps(VALUE));
COMMENT ON DOMAIN leadroute.caps IS
	'Up to three limits on how many leads somebody gets: ''n per hour'', day, week or month by the clock, or ''n per rolling hour'', … back from now (a rolling month is 30 days).';

CREATE TABLE leadroute.flows (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default' PRIMARY KEY CHECK (flow <> ''),
	active			boolean NOT NULL DEFAULT false,
	checked			boolean NOT NULL DEFAULT false,
	on_error		text NOT NULL DEFAULT 'fallback' CHECK (on_error IN ('fallback', 'fail')),
	given_owner		text NOT NULL DEFAULT 'keep' CHECK (given_owner IN ('keep', 'route')),
	owner_master	text NOT NULL DEFAULT 'leadroute' CHECK (owner_master IN ('leadroute', 'crm')),
	timezone		text NOT NULL DEFAULT 'UTC',
	gone_after		interval NOT NULL DEFAULT '1 day' CHECK (gone_after >= '0' AND gone_after <= '1000 years'),
	email_strip_tags	boolean NOT NULL DEFAULT true,
	email_ignore_dots	boolean NOT NULL DEFAULT true,
	default_country	text COLLATE "C",
	buying_committee_size	integer DEFAULT 3 CHECK (buying_committee_size BETWEEN 2 AND 1000),
	buying_committee_window	interval NOT NULL DEFAULT '30 days' CHECK (buying_committee_window > '0' AND buying_committee_window <= '1000 years'),
	duplicate_policy	text NOT NULL DEFAULT 'link' CHECK (duplicate_policy IN ('link', 'merge', 'refuse')),
	replay_window	interval NOT NULL DEFAULT '5 min' CHECK (replay_window >= '0' AND replay_window <= '1000 years'),
	returning_after	interval CHECK (returning_after > '0' AND returning_after <= '1000 years'),
	closed_when		text,
	won_when		text,
	priority		text,
	route_when		text,
	note			text,
	first_stage		text COLLATE "C",
	stage_master	text NOT NULL DEFAULT 'enforce' CHECK (stage_master IN ('enforce', 'report')),
	recycle_limit	integer NOT NULL DEFAULT 3 CHECK (recycle_limit >= 0),
	archive_after	interval DEFAULT '6 months' CHECK (archive_after > '0' AND archive_after <= '1000 years'),
	require_consent	boolean NOT NULL DEFAULT false,
	segment			text,
	intent			text,
	max_backdate	interval NOT NULL DEFAULT '30 days' CHECK (max_backdate > '0' AND max_backdate <= '1000 years'),
	scoring_model	text COLLATE "C",
	touched_when	text,
	mask_when		text,
	link_template	text CHECK (link_template <> ''),
	outbox_notify	boolean NOT NULL DEFAULT false,
	events_keep		interval CHECK (events_keep >= '1 day' AND events_keep <= '1000 years'),
	signals_keep	interval CHECK (signals_keep >= '1 day' AND signals_keep <= '1000 years')
);

CREATE TABLE leadroute.attachments (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default' PRIMARY KEY,
	table_schema	name NOT NULL,
	table_name		name NOT NULL,
	relation		oid,
	key_column		name NOT NULL,
	flow_column		name,
	columns			jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(columns) = 'object'),
	status			text NOT NULL DEFAULT 'attached' CHECK (status IN ('attached', 'broken')),
	problem			text,
	attached_at		timestamptz NOT NULL DEFAULT now(),
	refreshed_at	timestamptz,
	caught_up_at	timestamptz,
	gone_at			timestamptz,
	replaced_at		timestamptz,
	note			text
);

CREATE TABLE leadroute.rules (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	rule			text COLLATE "C" NOT NULL CHECK (rule <> ''),
	position		integer NOT NULL,
	condition		text,
	target			text NOT NULL CHECK (target IN ('territory', 'team', 'rep', 'queue', 'discard', 'account_owner', 'hold', 'nurture')),
	target_name		text COLLATE "C",
	if_unavailable	text NOT NULL DEFAULT 'fallthrough' CHECK (if_unavailable IN ('fallthrough', 'wait')),
	skills			text,
	hold_until		text,
	hold_for		interval CHECK (hold_for > '0' AND hold_for <= '1000 years'),
	reroute_when	text,
	note			text,
	PRIMARY KEY (flow, rule),
	UNIQUE (flow, position) DEFERRABLE INITIALLY IMMEDIATE,
	CONSTRAINT rules_target_name_of_territory_team_rep_and_queue_alone CHECK ((target IN ('discard', 'account_owner', 'hold', 'nurture')) = (target_name IS NULL)),
	CONSTRAINT rules_hold_check CHECK ((target = 'hold') = (hold_for IS NOT NULL) AND (hold_until IS NULL OR target = 'hold'))
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
	accepting		boolean NOT NULL DEFAULT true,
	calendar		text COLLATE "C",
	manager			text COLLATE "C",
	backup			text COLLATE "C",
	capacity		integer CHECK (capacity >= 0),
	caps			leadroute.caps,
	note			text,
	PRIMARY KEY (flow, rep)
);

CREATE TABLE leadroute.rep_skills (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	rep				text COLLATE "C" NOT NULL,
	skill			text COLLATE "C" NOT NULL CHECK (skill <> '' AND skill !~ '>='),
	level			integer NOT NULL DEFAULT 1 CHECK (level BETWEEN 1 AND 100),
	note			text,
	PRIMARY KEY (flow, rep, skill)
);

CREATE TABLE leadroute.time_off (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	rep				text COLLATE "C" NOT NULL,
	during			tstzrange NOT NULL CHECK (NOT isempty(during)),
	reason			text,
	note			text,
	PRIMARY KEY (flow, rep, during)
);

CREATE TABLE leadroute.teams (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	team			text COLLATE "C" NOT NULL CHECK (team <> '' AND team !~ '[[:cntrl:]]'),
	strategy		text NOT NULL DEFAULT 'round_robin' CHECK (strategy IN ('round_robin', 'least_loaded', 'ranked')),
	most_free		boolean NOT NULL DEFAULT false,
	multiplier		text NOT NULL DEFAULT 'none' CHECK (multiplier IN ('none', 'attainment', '1/attainment')),
	hours			text NOT NULL DEFAULT 'rep' CHECK (hours IN ('none', 'team', 'rep')),
	calendar		text COLLATE "C",
	timezone		text,
	on_return		text NOT NULL DEFAULT 'level' CHECK (on_return IN ('level', 'catch_up')),
	catch_up_limit	integer CHECK (catch_up_limit >= 0),
	reset			text NOT NULL DEFAULT 'never' CHECK (reset IN ('never', 'weekly', 'monthly')),
	scope			text NOT NULL DEFAULT 'team' CHECK (scope IN ('team', 'rule', 'flow')),
	sticky			text NOT NULL DEFAULT 'none' CHECK (sticky IN ('none', 'identity', 'account')),
	overflow		text COLLATE "C",
	on_leave		text NOT NULL DEFAULT 'sweep' CHECK (on_leave IN ('sweep', 'at_once', 'keep')),
	note			text,
	channel			text CHECK (channel <> ''),
	PRIMARY KEY (flow, team),
	CONSTRAINT teams_most_free_check CHECK (NOT most_free OR strategy = 'least_loaded'),
	CONSTRAINT teams_on_return_limit_check CHECK (catch_up_limit IS NULL OR on_return = 'catch_up'),
	CONSTRAINT teams_reset_scope_check CHECK (reset = 'never' OR scope <> 'flow'),
	CONSTRAINT teams_calendar_check CHECK (calendar IS NULL OR hours = 'team')
);

CREATE TABLE leadroute.team_members (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	team			text COLLATE "C" NOT NULL,
	rep				text COLLATE "C" NOT NULL,
	weight			integer NOT NULL DEFAULT 1 CHECK (weight BETWEEN 0 AND 1000),
	capacity		integer CHECK (capacity >= 0),
	caps			leadroute.caps,
	rank			integer CHECK (rank >= 1),
	attainment		numeric CHECK (attainment >= 0),
	prefers			leadroute.territory,
	joined_at		timestamptz,
	left_at			timestamptz,
	note			text,
	PRIMARY KEY (flow, team, rep),
	CONSTRAINT team_members_left_at_check CHECK (left_at > joined_at)
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
	CONSTRAINT territories_during_check CHECK (NOT isempty(during)),
	CONSTRAINT territories_target_check CHECK (num_nonnulls(team, rep) >= 1),
	CONSTRAINT territories_do_not_cross
		EXCLUDE USING gist (area WITH OPERATOR(leadroute.?#), flow WITH =, map WITH =, precedence WITH =, during WITH &&)
);

/* The names of the sides that a flow's maps constrain: what a lead's point is made of. Kept by a trigger on territories; only grows. */
CREATE TABLE leadroute.territory_sides (
	flow			text COLLATE "C" NOT NULL,
	map				text COLLATE "C" NOT NULL,
	side			text COLLATE "C" NOT NULL,
	kind			text NOT NULL CHECK (kind IN ('label', 'number')),
	place			text CHECK (place IN ('country', 'region', 'postal_code')),
	PRIMARY KEY (flow, map, side)
);

/* Who reads the outbox: a message is written only for the types that somebody asked for. */
/* Types of messages; of another nothing would ever come. */
CREATE FUNCTION leadroute.is_message_types(value text[]) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	known	constant text[] := '{assigned,reassigned,queued,reminder,escalated,breached,resolved,routing_error,fallback,mql,review,rejected,recycled,returned,duplicate,account_contact,buying_committee,no_show,alert}';
	other	text;
BEGIN
	SELECT t INTO other FROM unnest(value) t WHERE t IS NULL OR t <> ALL (known) LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = format('there are no messages of type "%s"', other),
			HINT = format('Types are %s.', array_to_string(known, ', '));
	END IF;
	RETURN true;
END
$$;
COMMENT ON FUNCTION leadroute.is_message_types(text[]) IS 'Internal: whether texts are types of messages; an error that says what is one (23514) where they are not.';

CREATE DOMAIN leadroute.message_types AS text[]
	CONSTRAINT message_types_check CHECK (leadroute.is_message_types(VALUE));
COMMENT ON DOMAIN leadroute.message_types IS
	'Types of messages: assigned, reassigned, queued, reminder, escalated, breached, resolved, routing_error, fallback, mql, review, rejected, recycled, returned, duplicate, account_contact, buying_committee, no_show, alert.';

CREATE TABLE leadroute.outbox_consumers (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	consumer		text COLLATE "C" NOT NULL CHECK (consumer <> ''),
	types			leadroute.message_types NOT NULL,
	note			text,
	claims			boolean NOT NULL DEFAULT true,
	max_attempts	integer NOT NULL DEFAULT 10 CHECK (max_attempts BETWEEN 1 AND 1000),
	backoff			interval NOT NULL DEFAULT '1 min' CHECK (backoff > '0' AND backoff <= '1000 years'),
	keep			interval NOT NULL DEFAULT '7 days' CHECK (keep > '0' AND keep <= '1000 years'),
	PRIMARY KEY (flow, consumer)
);

CREATE TABLE leadroute.outbox_recipients (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	recipient		text COLLATE "C" NOT NULL CHECK (recipient <> ''),
	timezone		text,
	quiet_from		time,
	quiet_until		time,
	digest			text NOT NULL DEFAULT 'none' CHECK (digest IN ('none', 'daily', 'weekly')),
	digest_at		time NOT NULL DEFAULT '08:00',
	digest_weekday	integer NOT NULL DEFAULT 1 CHECK (digest_weekday BETWEEN 1 AND 7),
	at_once			leadroute.message_types NOT NULL DEFAULT '{}',
	note			text,
	PRIMARY KEY (flow, recipient),
	CONSTRAINT outbox_recipients_quiet_check CHECK ((quiet_from IS NULL) = (quiet_until IS NULL) AND quiet_from <> quiet_until)
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


COMMENT ON TABLE leadroute.flows IS 'A flow is one business unit''s or tenant''s whole routing: it leads every key. Most installations have one, ''default''.';
COMMENT ON COLUMN leadroute.flows.flow IS 'Name of the flow.';
COMMENT ON COLUMN leadroute.flows.active IS 'Whether leads are routed; set by leadroute.activate() and deactivate(). While off, leads are recorded as unrouted.';
COMMENT ON COLUMN leadroute.flows.checked IS 'Whether the configuration was found complete; from then on a commit that leaves an active flow incomplete is refused. A new or restored flow is unchecked.';
COMMENT ON COLUMN leadroute.flows.on_error IS 'What a failure of leadroute''s own does: ''fallback'' (the last rule''s target, else stored unrouted, with a WARNING) or ''fail'' (the statement).';
COMMENT ON COLUMN leadroute.flows.given_owner IS 'A new lead that arrives with an owner: ''keep'' (an active rep''s key stays) or ''route''.';
COMMENT ON COLUMN leadroute.flows.owner_master IS 'Who is master of the owner column: ''leadroute'', or ''crm'', whose changes then are hand-overs.';
COMMENT ON COLUMN leadroute.flows.timezone IS 'IANA zone of "day" and "hour" in views, and of times of meetings that name none.';
COMMENT ON COLUMN leadroute.flows.gone_after IS 'After a full refresh of the leads table, how long until leads not found again are closed as gone.';
COMMENT ON COLUMN leadroute.flows.email_strip_tags IS 'Whether kim+demo@acme.example is the person kim@acme.example: as email_key() takes it.';
COMMENT ON COLUMN leadroute.flows.email_ignore_dots IS 'Whether dots before the "@" mean nothing at the providers that ignore them (Gmail, Proton): as email_key() takes it.';
COMMENT ON COLUMN leadroute.flows.default_country IS 'The country in which phone numbers, regions and postal codes of rows without a country are read; its ISO code, made of any spelling that country_code() knows. NULL: none. A territory that constrains the country still leaves such rows out.';
COMMENT ON COLUMN leadroute.flows.buying_committee_size IS 'How many people of one account, within buying_committee_window, make a buying committee: an event and a message, once. NULL: none does.';
COMMENT ON COLUMN leadroute.flows.buying_committee_window IS 'Within which they arrive, by submitted_at; and how long until another committee of the account is told.';
COMMENT ON COLUMN leadroute.flows.duplicate_policy IS 'What becomes of a new lead that shares a key (match_rules) with an earlier one: ''link'' (the row stays, duplicate_of names the first), ''merge'' (the row is not inserted, its values go into the first by merge_columns) or ''refuse'' (a unique_violation that names the first).';
COMMENT ON COLUMN leadroute.flows.replay_window IS 'A duplicate that says nothing new within this time after the first was decided (a double click) is linked in silence: nobody is told. 0: never.';
COMMENT ON COLUMN leadroute.flows.returning_after IS 'A duplicate of a lead submitted longer ago than this is a returning lead, as that of a closed one is: it goes to the same owner if he is active, else it is routed afresh. NULL: age makes none.';
COMMENT ON COLUMN leadroute.flows.closed_when IS 'SQL boolean expression over the lead''s columns and facts: when it turns true in a row the lead is closed and its owner''s place free, when it turns false the lead is open again. NULL: never (a lead marked as deleted is closed in any case).';
COMMENT ON COLUMN leadroute.flows.priority IS 'SQL expression over the lead''s columns and facts that gives a number: of leads that wait for a team the highest goes first, of equal ones the one submitted first. NULL: all are equal.';
COMMENT ON COLUMN leadroute.flows.route_when IS 'SQL boolean expression over the lead''s columns and facts: until it holds a lead is recorded and its duplicates are known, but it has no owner (code not_ready); the INSERT, UPDATE or MERGE that makes it hold routes it in that statement, once. NULL: always.';
COMMENT ON COLUMN leadroute.flows.segment IS 'SQL expression over the lead''s columns and facts that gives text, as CASE WHEN employees > 500 THEN ''enterprise'' ELSE ''smb'' END: what reports group leads by. Worked out before the rules, which may read it as facts.segment, and kept in lead_states; facts of the account are not known to it. NULL: leads have no segment.';
COMMENT ON COLUMN leadroute.flows.intent IS 'SQL expression over the lead''s columns and facts (facts.segment too) that gives text: how much the lead wants it, high, medium or low by custom. Where it is NULL, or gives NULL, the row''s own column intent counts, then leadroute.sources. facts.intent in conditions.';
COMMENT ON COLUMN leadroute.flows.won_when IS 'The same for leads that are won: closed, and counted with their value.';
COMMENT ON COLUMN leadroute.flows.first_stage IS 'The stage in which a new lead begins whose row names none; NULL: the first open one without an entry condition.';
COMMENT ON COLUMN leadroute.flows.stage_master IS 'What a change of stage that is not legal, or for which something is missing, is: an error (''enforce''), or, where the CRM is the master, an event (''report'').';
COMMENT ON COLUMN leadroute.flows.recycle_limit IS 'How often a lead is recycled at most; a further rejection that would archives it.';
COMMENT ON COLUMN leadroute.flows.archive_after IS 'How long a lead that was nurtured or recycled is kept before it is archived, if nothing else happens first; NULL: for ever.';
COMMENT ON COLUMN leadroute.flows.require_consent IS 'Whether a lead may be given out, and told to anyone, only with its consent (a consent column that says yes, and no unsubscribe since).';
COMMENT ON COLUMN leadroute.flows.max_backdate IS 'A lead submitted longer ago than this when it arrives is routed and gets no clock (an event with code too_old says so).';
COMMENT ON COLUMN leadroute.flows.touched_when IS 'SQL boolean expression over the lead''s columns and facts, of a flow with sla_policies: an UPDATE that makes it hold is a touch of the kind recorded, as is one that fills the mapped column first_touch_at with its time. NULL: none is.';
COMMENT ON COLUMN leadroute.flows.mask_when IS 'SQL boolean expression over the lead''s columns and facts: where it holds, or fails, messages, views and explain show the person masked (see mask()); so they do where the person gave no consent. NULL: only then.';
COMMENT ON COLUMN leadroute.flows.link_template IS 'The link to a lead that messages carry: {lead} and {flow} in it stand for the lead''s key and the flow, as a URL takes them.';
COMMENT ON COLUMN leadroute.flows.outbox_notify IS 'Whether a transaction that writes messages ends in NOTIFY leadroute, with the flow as its payload. Only a hint to claim at once: it takes a lock that all such commits of the database wait for.';
COMMENT ON COLUMN leadroute.flows.signals_keep IS 'How long signals stay that no longer count, at least a day from when they were written: those for which signal_types.counts_for has passed, and those of types that it does not have. A sweep deletes older ones, and forgets their event ids. NULL: for ever. Signals that may still count stay whatever their age, those of a type without counts_for therefore always, so that no score of today or later changes; score() for an instant before, and calibrate(), know no more than what stands there.';
COMMENT ON COLUMN leadroute.flows.events_keep IS 'How long events stay, at least a day: a sweep deletes older ones. NULL: for ever. Views and fairness() know no more than what stands there.';
COMMENT ON COLUMN leadroute.flows.note IS 'Free text of who wrote the row; kept with each change in config_changes.';
COMMENT ON COLUMN leadroute.flows.scoring_model IS 'The scoring model that its leads are scored by; NULL: none, leads have no score.';

COMMENT ON TABLE leadroute.attachments IS 'Which table a flow''s leads stand in, remembered by name: loaders drop tables and rename others into their place. Written by leadroute.attach() and detach().';
COMMENT ON COLUMN leadroute.attachments.flow IS 'The flow; with flow_column, the one for rows that name no known flow.';
COMMENT ON COLUMN leadroute.attachments.table_schema IS 'Schema of the leads table.';
COMMENT ON COLUMN leadroute.attachments.table_name IS 'Name of the leads table.';
COMMENT ON COLUMN leadroute.attachments.relation IS 'OID of the table that bore the name when the triggers were put on it; of this database only, taken anew when the row is restored. (Not regclass: pg_upgrade refuses such columns.)';
COMMENT ON COLUMN leadroute.attachments.key_column IS 'The column that names a lead.';
COMMENT ON COLUMN leadroute.attachments.flow_column IS 'The column in which each row names its flow; NULL where the table serves one flow.';
COMMENT ON COLUMN leadroute.attachments.columns IS 'Canonical name to column, where they differ: "EmailAddress", {"column": "createdate", "timezone": "UTC", "dates": "DMY"}, or null for none.';
COMMENT ON COLUMN leadroute.attachments.status IS '''attached'', or ''broken'': the table that bears the name does not fit.';
COMMENT ON COLUMN leadroute.attachments.problem IS 'Why the attachment is broken.';
COMMENT ON COLUMN leadroute.attachments.attached_at IS 'When leadroute.attach() was first called.';
COMMENT ON COLUMN leadroute.attachments.refreshed_at IS 'When another table last took the name, TRUNCATE emptied it, or a partition may have gone: leads that are not found in it again are closed a while later.';
COMMENT ON COLUMN leadroute.attachments.caught_up_at IS 'When leadroute.catch_up() last came to its end, or an empty table was attached; NULL before that.';
COMMENT ON COLUMN leadroute.attachments.gone_at IS 'When a sweep last closed the leads that a full refresh did not bring back.';
COMMENT ON COLUMN leadroute.attachments.replaced_at IS 'When another table last took the name, or a partition with rows was attached: it may hold leads that no trigger saw, until catch_up() has come to its end.';
COMMENT ON COLUMN leadroute.attachments.note IS 'Free text of who wrote the row.';

COMMENT ON TABLE leadroute.rules IS 'The routing rules of a flow, tried in order of position: the first whose condition holds and whose target can take the lead wins.';
COMMENT ON COLUMN leadroute.rules.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.rules.rule IS 'Name of the rule, as explanations show it.';
COMMENT ON COLUMN leadroute.rules.position IS 'Order among the flow''s rules, lowest first.';
COMMENT ON COLUMN leadroute.rules.condition IS 'SQL boolean expression over the lead''s columns and facts; NULL means always. An active flow''s last rule has none.';
COMMENT ON COLUMN leadroute.rules.target IS 'territory (the innermost of a map), team, rep, account_owner (the owner of the lead''s account), queue, hold (until hold_until holds or hold_for has passed: then the rules decide again without this one), nurture (no owner and stage nurture, until the lead is qualified) or discard.';
COMMENT ON COLUMN leadroute.rules.target_name IS 'The map, team, rep or queue; NULL for account_owner, hold, nurture and discard.';
COMMENT ON COLUMN leadroute.rules.if_unavailable IS 'When the target can take no one now: ''fallthrough'' to the next rule, or ''wait'' in its queue. The last rule waits.';
COMMENT ON COLUMN leadroute.rules.skills IS 'SQL expression over the lead''s columns and facts that gives text[]: the skills a member must have, as in array[''lang:'' || language]; ''name>=3'' asks for a level. NULL, and NULL elements, ask for nothing.';
COMMENT ON COLUMN leadroute.rules.hold_until IS 'With hold: SQL boolean expression over the lead''s columns and facts; a lead for which it holds already is not held, and the UPDATE that makes it hold decides the lead again in the same statement. NULL: only time ends the hold.';
COMMENT ON COLUMN leadroute.rules.hold_for IS 'With hold: how long at most; then a sweep has the lead routed with what is known, code enrichment_timeout.';
COMMENT ON COLUMN leadroute.rules.reroute_when IS 'SQL boolean expression over the lead''s columns and facts: an UPDATE that turns it true decides a lead of this rule again in the same statement, unless a hand has given it to somebody; the same owner is no change. NULL: never.';
COMMENT ON COLUMN leadroute.rules.note IS 'Free text of who wrote the row.';

COMMENT ON TABLE leadroute.queues IS 'Where leads wait for somebody to claim them.';
COMMENT ON COLUMN leadroute.queues.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.queues.queue IS 'Name of the queue.';
COMMENT ON COLUMN leadroute.queues.note IS 'Free text of who wrote the row.';

COMMENT ON TABLE leadroute.reps IS 'People who own leads.';
COMMENT ON COLUMN leadroute.reps.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.reps.rep IS 'The rep''s key: what the leads table''s owner column holds.';
COMMENT ON COLUMN leadroute.reps.name IS 'Display name.';
COMMENT ON COLUMN leadroute.reps.email IS 'E-mail address.';
COMMENT ON COLUMN leadroute.reps.active IS 'Whether the rep takes leads at all.';
COMMENT ON COLUMN leadroute.reps.accepting IS 'Whether the rep takes leads now: the live toggle, for a break or a meeting.';
COMMENT ON COLUMN leadroute.reps.calendar IS 'His business hours; NULL: always on shift. Counted in teams with hours = ''rep''.';
COMMENT ON COLUMN leadroute.reps.manager IS 'The rep he reports to. A chain of managers never comes back to where it began.';
COMMENT ON COLUMN leadroute.reps.backup IS 'The rep who gets the leads of his accounts while he is inactive or on leave, or that one''s backup. A chain of backups never comes back to where it began.';
COMMENT ON COLUMN leadroute.reps.capacity IS 'Most open leads he is picked for, over all teams and those he has without a team; NULL: no limit.';
COMMENT ON COLUMN leadroute.reps.caps IS 'Up to three limits, over all teams, on how many leads he gets in a time: ''{3 per day,10 per rolling week}''. Days and hours in the flow''s zone.';
COMMENT ON COLUMN leadroute.reps.note IS 'Free text of who wrote the row.';

COMMENT ON TABLE leadroute.rep_skills IS 'What reps can do: a rule''s skills ask for it.';
COMMENT ON COLUMN leadroute.rep_skills.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.rep_skills.rep IS 'The rep.';
COMMENT ON COLUMN leadroute.rep_skills.skill IS 'The skill, as ''lang:fr''; compared letter by letter.';
COMMENT ON COLUMN leadroute.rep_skills.level IS 'How well, 1 to 100: a rule may ask for ''lang:fr>=3''.';
COMMENT ON COLUMN leadroute.rep_skills.note IS 'Free text of who wrote the row.';

COMMENT ON TABLE leadroute.time_off IS 'When reps are away: nobody is picked while he is.';
COMMENT ON COLUMN leadroute.time_off.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.time_off.rep IS 'The rep.';
COMMENT ON COLUMN leadroute.time_off.during IS 'From when until when.';
COMMENT ON COLUMN leadroute.time_off.reason IS 'Why: holiday, sick, training.';
COMMENT ON COLUMN leadroute.time_off.note IS 'Free text of who wrote the row.';

COMMENT ON TABLE leadroute.teams IS 'Reps who share leads.';
COMMENT ON COLUMN leadroute.teams.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.teams.team IS 'Name of the team.';
COMMENT ON COLUMN leadroute.teams.strategy IS 'How a member is picked: round_robin (turns by weight), least_loaded (lowest open leads ÷ capacity; without capacities, ÷ weight) or ranked (lowest rank first, until he is full). Ties go to the one who waited longest.';
COMMENT ON COLUMN leadroute.teams.most_free IS 'With least_loaded: the largest number of free places goes first, not the lowest share.';
COMMENT ON COLUMN leadroute.teams.multiplier IS 'What a member''s claim is multiplied by: ''attainment'' (top performers get more) or ''1/attainment'' (who is below quota gets more) of team_members; round_robin: his weight, least_loaded: his capacity, ranked: 1/rank.';
COMMENT ON COLUMN leadroute.teams.hours IS 'Whose business hours say who is on shift: ''rep'' (each his own calendar), ''team'' (the team''s calendar) or ''none'' (always).';
COMMENT ON COLUMN leadroute.teams.calendar IS 'The team''s business hours, with hours = ''team''.';
COMMENT ON COLUMN leadroute.teams.timezone IS 'IANA zone of the hours, days, weeks and months of caps and of reset; NULL: the flow''s.';
COMMENT ON COLUMN leadroute.teams.on_return IS 'Who comes back from leave or becomes active or accepting again: ''level'' (goes on beside the others) or ''catch_up'' (makes up the turns he missed).';
COMMENT ON COLUMN leadroute.teams.catch_up_limit IS 'With catch_up: how many turns he makes up at most; NULL: all.';
COMMENT ON COLUMN leadroute.teams.reset IS 'When all members'' turns are made equal: never, weekly (Monday 00:00) or monthly (the 1st, 00:00) in the team''s zone; not with scope flow.';
COMMENT ON COLUMN leadroute.teams.scope IS 'Whose turns they are: ''team'' (one rotation), ''rule'' (a rotation for each rule that sends leads here) or ''flow'' (one rotation with all other teams of scope flow).';
COMMENT ON COLUMN leadroute.teams.sticky IS 'Who had an earlier lead of the same person (''identity'': one that shares a key) or also of the same account (''account'') from this team gets the next one, before the strategy is asked. It is a pick like any other: he must be eligible, and it is his turn. The latest such lead counts, who has it now, of an account among its newest 100; what another session is about to commit is not seen.';
COMMENT ON COLUMN leadroute.teams.channel IS 'Where messages to the whole team go, as the consumer understands it: a Slack channel, a mail address.';
COMMENT ON COLUMN leadroute.teams.on_leave IS 'When a member is deactivated or a time off of his begins, his open leads that nobody has touched yet are offered to others, by the rules, less himself: by the next ''sweep'', ''at_once'' when the deactivation commits (else by the sweep), or never (''keep''). What nobody else can have stays his. Leads of no team go by the sweep.';
COMMENT ON COLUMN leadroute.teams.overflow IS 'The queue for leads that every member has let lapse or given back (code all_tried); NULL: as the rule''s if_unavailable says, in the team''s own queue.';
COMMENT ON COLUMN leadroute.teams.note IS 'Free text of who wrote the row.';

COMMENT ON TABLE leadroute.team_members IS 'Who belongs to which team.';
COMMENT ON COLUMN leadroute.team_members.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.team_members.team IS 'The team.';
COMMENT ON COLUMN leadroute.team_members.rep IS 'The rep.';
COMMENT ON COLUMN leadroute.team_members.weight IS 'Share of the turns, relative to the other members; 0 pauses. A change counts for later turns only.';
COMMENT ON COLUMN leadroute.team_members.capacity IS 'Most open leads from this team he is picked for; NULL: no limit.';
COMMENT ON COLUMN leadroute.team_members.caps IS 'Up to three limits on how many leads of this team he gets in a time: ''{3 per day,10 per rolling week}''. Days and hours in the team''s zone.';
COMMENT ON COLUMN leadroute.team_members.rank IS 'With strategy ranked: 1 goes first; NULL goes last.';
COMMENT ON COLUMN leadroute.team_members.attainment IS 'Quota attainment, 1 = 100 %, for teams.multiplier; counts as 0.01 to 100, NULL as 1.';
COMMENT ON COLUMN leadroute.team_members.prefers IS 'An area: leads in it go to members who prefer it first, then to the rest.';
COMMENT ON COLUMN leadroute.team_members.joined_at IS 'Takes no leads before; NULL: at once.';
COMMENT ON COLUMN leadroute.team_members.left_at IS 'Takes no leads from then on; NULL: stays.';
COMMENT ON COLUMN leadroute.team_members.note IS 'Free text of who wrote the row.';

COMMENT ON TABLE leadroute.territories IS 'Maps: areas that are nested or apart, each with a team or a rep. The innermost that covers a lead is its territory.';
COMMENT ON COLUMN leadroute.territories.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.territories.map IS 'The map, which a rule names.';
COMMENT ON COLUMN leadroute.territories.territory IS 'Name of the territory.';
COMMENT ON COLUMN leadroute.territories.area IS 'What it covers; each side is named for the leads column it constrains.';
COMMENT ON COLUMN leadroute.territories.precedence IS 'Highest first, for maps that must cross on purpose.';
COMMENT ON COLUMN leadroute.territories.during IS 'When it holds: next quarter''s map can be loaded today.';
COMMENT ON COLUMN leadroute.territories.team IS 'The team whose members take its leads.';
COMMENT ON COLUMN leadroute.territories.rep IS 'The rep who takes its leads.';
COMMENT ON COLUMN leadroute.territories.note IS 'Free text of who wrote the row.';

COMMENT ON TABLE leadroute.territory_sides IS 'The sides that a flow''s maps constrain: what a lead''s point is made of. Kept by a trigger on territories; only grows. No dump keeps it: territories bring it back.';
COMMENT ON COLUMN leadroute.territory_sides.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.territory_sides.map IS 'The map.';
COMMENT ON COLUMN leadroute.territory_sides.side IS 'Name of the side.';
COMMENT ON COLUMN leadroute.territory_sides.kind IS '''label'' or ''number''.';
COMMENT ON COLUMN leadroute.territory_sides.place IS '''country'', ''region'' or ''postal_code'' where the side''s column is that one by the flow''s mapping: its labels are codes then. NULL: neither, or no table is attached.';

COMMENT ON TABLE leadroute.config_changes IS 'Every change of a configuration row, with who made it and the note it carried.';
COMMENT ON COLUMN leadroute.config_changes.flow IS 'The flow; ''*'' for TRUNCATE, which empties all.';
COMMENT ON COLUMN leadroute.config_changes.id IS 'A uuid, so that restored rows never collide with those written meanwhile.';
COMMENT ON COLUMN leadroute.config_changes.at IS 'When the row was written.';
COMMENT ON COLUMN leadroute.config_changes.actor IS 'The session''s user.';
COMMENT ON COLUMN leadroute.config_changes.relation IS 'The configuration table.';
COMMENT ON COLUMN leadroute.config_changes.operation IS 'INSERT, UPDATE, DELETE or TRUNCATE.';
COMMENT ON COLUMN leadroute.config_changes.old IS 'The row before.';
COMMENT ON COLUMN leadroute.config_changes.new IS 'The row after.';
COMMENT ON COLUMN leadroute.config_changes.note IS 'The row''s note.';

COMMENT ON TABLE leadroute.outbox_consumers IS 'Who reads the outbox, and which types of message.';
COMMENT ON COLUMN leadroute.outbox_consumers.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.outbox_consumers.consumer IS 'Name of the consumer.';
COMMENT ON COLUMN leadroute.outbox_consumers.types IS 'The types it wants; see the domain message_types.';
COMMENT ON COLUMN leadroute.outbox_consumers.note IS 'Free text of who wrote the row.';
COMMENT ON COLUMN leadroute.outbox_consumers.claims IS 'Whether it takes its messages with outbox_claim(); false: it reads the table or its change stream, and rows stay for keep.';
COMMENT ON COLUMN leadroute.outbox_consumers.max_attempts IS 'After how many attempts a message is a dead letter.';
COMMENT ON COLUMN leadroute.outbox_consumers.backoff IS 'How long after a first failed attempt a message can be claimed again; twice that after the second, and so on, up to an hour (or this, where it is longer).';
COMMENT ON COLUMN leadroute.outbox_consumers.keep IS 'How long a message waits for this consumer; then a sweep deletes it, and health warns.';

COMMENT ON TABLE leadroute.outbox_recipients IS 'When who is told gets messages: quiet hours, digests. Who has no row gets them at once.';
COMMENT ON COLUMN leadroute.outbox_recipients.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.outbox_recipients.recipient IS 'A rep''s key, or a team''s channel.';
COMMENT ON COLUMN leadroute.outbox_recipients.timezone IS 'The zone of the times here; NULL: that of the rep''s calendar, else the flow''s.';
COMMENT ON COLUMN leadroute.outbox_recipients.quiet_from IS 'From this time of day on messages wait; NULL: never.';
COMMENT ON COLUMN leadroute.outbox_recipients.quiet_until IS 'Until this time of day, the next day''s where it is the earlier one.';
COMMENT ON COLUMN leadroute.outbox_recipients.digest IS 'daily, weekly: messages are gathered and can be claimed together; none: one by one.';
COMMENT ON COLUMN leadroute.outbox_recipients.digest_at IS 'When that is, by the clock on the wall.';
COMMENT ON COLUMN leadroute.outbox_recipients.digest_weekday IS 'Of a weekly digest: the ISO weekday, 1 = Monday.';
COMMENT ON COLUMN leadroute.outbox_recipients.at_once IS 'Types of message that wait for neither.';
COMMENT ON COLUMN leadroute.outbox_recipients.note IS 'Free text of who wrote the row.';
