/*
 * What leads do. Append-only: a row written by SQL, COPY or any driver scores its lead anew in the same statement
 * (71_scoring.sql). No foreign key: a signal may come before its lead.
 */
CREATE TABLE leadroute.signals (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	lead			text COLLATE "C" NOT NULL CHECK (lead <> ''),
	id				bigint NOT NULL DEFAULT leadroute.journal_id(),
	type			text COLLATE "C" NOT NULL CHECK (type <> ''),
	at				timestamptz NOT NULL CHECK (at >= '1900-01-01 00:00+00' AND at < '3000-01-01 00:00+00'),
	event_id		text COLLATE "C" CHECK (event_id <> ''),
	detail			jsonb,
	created_at		timestamptz NOT NULL,
	PRIMARY KEY (flow, lead, id)
);

/* The keys of signals that have one: the unique index decides which of two comes first, in a race too. */
CREATE TABLE leadroute.signal_events (
	flow			text COLLATE "C" NOT NULL,
	event_id		text COLLATE "C" NOT NULL,
	PRIMARY KEY (flow, event_id)
);

/*
 * Leads whose signals came while nobody knew them, or could not be counted at once: looked at again by who commits last, and by
 * the sweep. Not dumped, the numbers are this cluster's.
 */
CREATE TABLE leadroute.pending_rescores (
	flow			text COLLATE "C" NOT NULL,
	lead			text COLLATE "C" NOT NULL,
	at				timestamptz NOT NULL,
	waits_for		xid8
);
CREATE INDEX pending_rescores_lead_idx ON leadroute.pending_rescores (flow, lead);

/* How far the sweep is with the leads of a flow whose scoring was changed. */
CREATE TABLE leadroute.rescore_walks (
	flow			text COLLATE "C" PRIMARY KEY,
	since			timestamptz NOT NULL,
	after_lead		text COLLATE "C" NOT NULL DEFAULT ''
);

/* How far the sweep is with the signals of a flow that do not stay for ever. */
CREATE TABLE leadroute.signal_walks (
	flow			text COLLATE "C" PRIMARY KEY,
	after_lead		text COLLATE "C" NOT NULL DEFAULT '',
	after_id		bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE leadroute.signal_walks IS 'How far the sweep has come with the signals that flows.signals_keep lets go, in the order of their leads.';
COMMENT ON COLUMN leadroute.signal_walks.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.signal_walks.after_lead IS 'The lead of the last signal that was looked at.';
COMMENT ON COLUMN leadroute.signal_walks.after_id IS 'The id of that signal.';

COMMENT ON TABLE leadroute.rescore_walks IS 'Flows whose scoring was changed: the sweep works out the scores of their open leads anew, in the order of their keys.';
COMMENT ON COLUMN leadroute.rescore_walks.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.rescore_walks.since IS 'When it was last changed.';
COMMENT ON COLUMN leadroute.rescore_walks.after_lead IS 'The last lead that is done.';

COMMENT ON TABLE leadroute.signals IS 'What leads do: visits, clicks, requests. Append-only; a row scores its lead anew in the same statement. It may come late, out of order, before its lead, or for a duplicate: then it counts for the first one.';
COMMENT ON COLUMN leadroute.signals.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.signals.lead IS 'The lead''s key, as text; as it was sent, that of a duplicate too.';
COMMENT ON COLUMN leadroute.signals.id IS 'Tells the signals of a lead apart: a time and a process, from no sequence.';
COMMENT ON COLUMN leadroute.signals.type IS 'What happened, of signal_types; another type is kept, counts for nothing, and is listed in unknown_signals.';
COMMENT ON COLUMN leadroute.signals.at IS 'When it happened; default: now. One in the future counts from then on.';
COMMENT ON COLUMN leadroute.signals.event_id IS 'The source''s own id of it, unique in the flow: a second row with the same one is dropped without an error, and the count of inserted rows says so. NULL: none, each row counts.';
COMMENT ON COLUMN leadroute.signals.detail IS 'Whatever the source says of it; leadroute does not read it.';
COMMENT ON COLUMN leadroute.signals.created_at IS 'When it was written; default: now.';

COMMENT ON TABLE leadroute.signal_events IS 'The event ids of signals: the unique index lets each in once.';
COMMENT ON COLUMN leadroute.signal_events.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.signal_events.event_id IS 'The id, as signals.event_id has it.';

COMMENT ON TABLE leadroute.pending_rescores IS 'Leads with signals that could not be counted at once: nobody knew the lead yet, or the flow was off. The sweep works out the score of those that are known by then.';
COMMENT ON COLUMN leadroute.pending_rescores.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.pending_rescores.lead IS 'The lead''s key, as text.';
COMMENT ON COLUMN leadroute.pending_rescores.at IS 'When the signal was written.';
COMMENT ON COLUMN leadroute.pending_rescores.waits_for IS 'Transactions below this number must have ended: they may have brought the lead without seeing the signal. NULL until the sweep first saw the row.';
