/*
 * Messages for other systems.
 *
 * Written in the deciding transaction: those of an arriving lead by the journal (record.c), all others by a statement trigger on
 * events, which SQL fires and the journal does not: whoever inserts an event has its message written, with the same payload. Only
 * types that a consumer asked for. The payload of an arriving lead's is made when it is claimed, unless somebody reads the table.
 *
 * Delivered per consumer by outbox_claim(), which takes what is new into outbox_deliveries: nothing of that is on the insert path.
 * Ids mount with time, but commit in any order; so a consumer's mark stops before the oldest transaction that may still
 * write, and what stands behind it is looked for until it is found in outbox_deliveries.
 */

/* --- what a message shows --- */

CREATE FUNCTION leadroute.mask(kind text, value text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'lr_sql_mask';
COMMENT ON FUNCTION leadroute.mask(text, text) IS
	'A value that tells whom it is about, so that it no longer does: of an email the first letter and the domain, of a phone the last two digits, of a name the initials, of anything else the first letter. NULL for NULL.';

CREATE FUNCTION leadroute.is_masked(flow text, lead text) RETURNS boolean
LANGUAGE c STABLE STRICT COST 100 AS 'MODULE_PATHNAME', 'lr_sql_is_masked';
COMMENT ON FUNCTION leadroute.is_masked(text, text) IS
	'Whether the person of a lead is shown masked: he gave no consent, flows.mask_when holds for the row as it is now or fails, or there is no row to ask. Answers by the newest configuration; of the row it tells nothing else, so who asks needs no right to read it.';

CREATE FUNCTION leadroute.lead_link(template text, flow text, lead text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'lr_sql_lead_link';
COMMENT ON FUNCTION leadroute.lead_link(text, text, text) IS
	'flows.link_template with a flow and a lead''s key filled in as parts of a URL: all but letters, digits and -._~ as %XX of its UTF-8 bytes.';

/* By what stands in lead_states now. PL/pgSQL, for a function in SQL would be planned in each transaction. */
CREATE FUNCTION leadroute.lead_message(flow text, lead text, reason text DEFAULT NULL, extra jsonb DEFAULT '{}') RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	message	jsonb;
BEGIN
	SELECT jsonb_strip_nulls(jsonb_build_object(
			'flow', s.flow, 'lead', s.lead,
			'name', CASE WHEN m.masked THEN leadroute.mask('name', s.name) ELSE s.name END,
			'company', CASE WHEN m.masked THEN leadroute.mask('text', s.company) ELSE s.company END,
			'masked', nullif(m.masked, false),
			'source', s.source, 'intent', s.intent, 'segment', s.segment, 'tier', s.tier,
			'score', s.score, 'grade', s.grade, 'stage', s.stage,
			'code', s.code, 'owner', s.owner, 'owner_name', r.name, 'manager', r.manager, 'team', s.team, 'channel', t.channel,
			'territory', s.territory, 'queue', s.queue, 'rule', s.rule, 'reason', coalesce(lead_message.reason, s.route_reason),
			'account', s.account, 'duplicate_of', s.duplicate_of, 'submitted_at', s.submitted_at, 'routed_at', s.routed_at,
			'deadline', s.sla_due_at,
			'seconds_left', floor(extract(epoch FROM s.sla_due_at - leadroute.clock()))::bigint,
			'link', leadroute.lead_link(f.link_template, s.flow, s.lead)) || lead_message.extra)
	INTO message
	FROM leadroute.lead_states s
		LEFT JOIN leadroute.flows f ON f.flow = s.flow
		LEFT JOIN leadroute.reps r ON r.flow = s.flow AND r.rep = s.owner
		LEFT JOIN leadroute.teams t ON t.flow = s.flow AND t.team = s.team
		CROSS JOIN LATERAL (SELECT s.consent IS FALSE OR (f.mask_when IS NOT NULL AND leadroute.is_masked(s.flow, s.lead)) AS masked) m
	WHERE s.flow = lead_message.flow AND s.lead = lead_message.lead;
	RETURN message;
END
$$;
COMMENT ON FUNCTION leadroute.lead_message(text, text, text, jsonb) IS
	'What a message says of a lead as it is now, with a reason of its own and further fields: who it is (masked where is_masked()), how much it wants, who has it, whom it concerns, until when (seconds_left: negative once that has passed), why, and the link.';

/* --- from events to messages --- */

/* Inlined into what calls it, so that no statement that writes events plans it. */
CREATE FUNCTION leadroute.message_type(kind text, code text, stage text, owner text, previous_owner text, queue text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
	/* of one name */
	WHEN kind = ANY ('{breached,mql,review,rejected,recycled,returned}') THEN kind
	WHEN kind IN ('linked', 'followed') THEN 'duplicate'
	/* a lead that waited, and has an owner because the person has asked again; one that waits on is nothing new */
	WHEN kind = 'asked_again' THEN CASE WHEN owner IS NOT NULL THEN 'assigned' END
	WHEN kind = ANY ('{reassigned,claimed,released,rerouted,drained,hold_ended,offered,handed_over,lapsed,requeued}') THEN
		CASE WHEN owner IS NULL THEN CASE WHEN queue IS NOT NULL THEN 'queued' END
			 WHEN previous_owner IS NULL THEN 'assigned'
			 WHEN owner <> previous_owner THEN 'reassigned' END
	END;
COMMENT ON FUNCTION leadroute.message_type(text, text, text, text, text, text) IS
	'The type of message that an event is told by; NULL: by none. Those of arriving leads, buying committees, reminders, escalations, no-shows and what is resolved are written apart.';

CREATE FUNCTION leadroute.events_told() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	IF leadroute.restoring() OR NOT EXISTS (SELECT FROM leadroute.outbox_consumers) THEN
		RETURN NULL;
	END IF;
	PERFORM leadroute.write_message(n.flow, n.lead, m.type, n.at, n.reason,
									jsonb_strip_nulls(jsonb_build_object('previous_owner', n.previous_owner, 'actor', n.actor)
										/* nobody has it now: it concerns who leads him that had it */
										|| coalesce((SELECT jsonb_strip_nulls(jsonb_build_object('manager', r.manager)) FROM leadroute.reps r
													 WHERE n.owner IS NULL AND r.flow = n.flow AND r.rep = n.previous_owner), '{}')
										|| coalesce(n.path -> 0 -> 'message', '{}')))
	FROM new_rows n CROSS JOIN LATERAL (SELECT leadroute.message_type(n.kind, n.code, n.stage, n.owner, n.previous_owner, n.queue) AS type) m
	WHERE m.type IS NOT NULL
		AND EXISTS (SELECT FROM leadroute.outbox_consumers c WHERE c.flow = n.flow AND m.type = ANY (c.types))
	ORDER BY n.id;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION leadroute.events_told() IS 'Statement trigger on events: writes the messages of events that SQL inserts, of the types that a consumer asked for.';
CREATE TRIGGER events_told AFTER INSERT ON leadroute.events REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION leadroute.events_told();

/* As lr_consent_suffices() has it for those that the journal writes. */
CREATE FUNCTION leadroute.may_be_told(flow text, lead text) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
	told	boolean;
BEGIN
	SELECT coalesce(s.consent, NOT f.require_consent)
		OR (NOT f.require_consent AND NOT (
			EXISTS (SELECT FROM leadroute.signal_types t WHERE t.flow = s.flow AND t.effect = 'no_outreach')
			AND EXISTS (SELECT FROM leadroute.signals g JOIN leadroute.signal_types t ON t.flow = g.flow AND t.signal_type = g.type
						WHERE g.flow = s.flow AND t.effect = 'no_outreach' AND g.at <= leadroute.clock() AND (t.counts_for IS NULL OR g.at + t.counts_for > leadroute.clock())
							AND g.lead IN (SELECT s.lead UNION ALL
										   SELECT d.lead FROM leadroute.lead_states d WHERE d.flow = s.flow AND d.duplicate_of = s.lead AND d.status IN ('duplicate', 'merged')))))
	INTO told
	FROM leadroute.lead_states s JOIN leadroute.flows f ON f.flow = s.flow
	WHERE s.flow = may_be_told.flow AND s.lead = may_be_told.lead;
	RETURN told;
END
$$;
COMMENT ON FUNCTION leadroute.may_be_told(text, text) IS
	'Whether anybody may hear of a lead: it has the consent that its flow demands, and no signal has taken it out of all outreach.';

CREATE FUNCTION leadroute.message_recipient(payload jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN payload ? 'recipient' THEN payload ->> 'recipient' ELSE coalesce(payload ->> 'owner', payload ->> 'channel', payload ->> 'manager') END;
COMMENT ON FUNCTION leadroute.message_recipient(jsonb) IS 'Whom a message is for: the recipient that it names, be it nobody; else the owner, the team''s channel, the manager.';

CREATE FUNCTION leadroute.write_message(flow text, lead text, type text, at timestamptz, reason text DEFAULT NULL, extra jsonb DEFAULT '{}') RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	payload	jsonb;
BEGIN
	IF leadroute.may_be_told(flow, lead) THEN
		payload := leadroute.lead_message(flow, lead, reason, extra);
	END IF;
	IF payload IS NOT NULL THEN
		INSERT INTO leadroute.outbox (flow, aggregatetype, aggregateid, type, payload, created_at, recipient)
			VALUES (flow, 'lead', lead, type, payload, at, leadroute.message_recipient(payload));
	END IF;
END
$$;
COMMENT ON FUNCTION leadroute.write_message(text, text, text, timestamptz, text, jsonb) IS 'Internal: writes a message about a lead to the outbox, to the recipient that "extra" names, else its owner, its team''s channel, or who led the one that had it.';

/* The same for many, which is one statement: entry by entry of the arrays. */
CREATE FUNCTION leadroute.write_messages(flow text, at timestamptz, leads text[], types text[], reasons text[], extras jsonb[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	INSERT INTO leadroute.outbox (flow, aggregatetype, aggregateid, type, payload, created_at, recipient)
		SELECT write_messages.flow, 'lead', m.lead, m.type, p.payload, write_messages.at, leadroute.message_recipient(p.payload)
		FROM unnest(leads, types, reasons, extras) WITH ORDINALITY m(lead, type, reason, extra, n)
			CROSS JOIN LATERAL (SELECT leadroute.lead_message(write_messages.flow, m.lead, m.reason, m.extra) AS payload
								WHERE leadroute.may_be_told(write_messages.flow, m.lead) OFFSET 0) p
		WHERE p.payload IS NOT NULL
		ORDER BY m.n;
END
$$;
COMMENT ON FUNCTION leadroute.write_messages(text, timestamptz, text[], text[], text[], jsonb[]) IS 'Internal: writes messages about leads to the outbox, in this order, each as write_message() does.';

/* The hint, where a flow wants it: once a transaction, whatever it wrote. */
CREATE FUNCTION leadroute.outbox_hint() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	IF NOT leadroute.restoring() THEN
		PERFORM pg_notify('leadroute', f.flow) FROM leadroute.flows f
		WHERE f.outbox_notify AND f.flow IN (SELECT n.flow FROM new_rows n);
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION leadroute.outbox_hint() IS 'Statement trigger on outbox: NOTIFY leadroute where flows.outbox_notify says so; the journal does the same for what it writes.';
CREATE TRIGGER outbox_hint AFTER INSERT ON leadroute.outbox REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION leadroute.outbox_hint();

/* --- delivery --- */

/*
 * What the journal left out (message.c). Who got the lead, and why, is the event's: the state may have moved on since. What describes the
 * lead is the state's; where that is gone, or the lead bears another key now, the event alone speaks.
 */
CREATE FUNCTION leadroute.outbox_payload(message leadroute.outbox) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	decision	jsonb;
BEGIN
	IF message.payload IS NOT NULL THEN
		RETURN message.payload;
	END IF;
	SELECT jsonb_build_object('code', e.code, 'owner', e.owner, 'owner_name', r.name, 'manager', r.manager, 'team', e.team, 'channel', t.channel,
		'territory', e.territory, 'queue', e.queue, 'rule', e.rule, 'reason', e.reason, 'account', e.account, 'account_owner', a.owner, 'routed_at', e.at) INTO decision
	FROM leadroute.events e
		LEFT JOIN leadroute.reps r ON r.flow = e.flow AND r.rep = e.owner
		LEFT JOIN leadroute.teams t ON t.flow = e.flow AND t.team = e.team
		LEFT JOIN leadroute.accounts a ON a.flow = e.flow AND a.account = e.account
	WHERE e.flow = message.flow AND e.lead = message.aggregateid AND e.id < message.id AND e.kind IN ('decided', 'recorded')
	ORDER BY e.id DESC LIMIT 1;
	RETURN jsonb_strip_nulls(jsonb_build_object('flow', message.flow, 'lead', message.aggregateid)
		|| coalesce(leadroute.lead_message(message.flow, message.aggregateid), '{}') || coalesce(decision, '{}'));
END
$$;
COMMENT ON FUNCTION leadroute.outbox_payload(leadroute.outbox) IS
	'What a message says: its payload, and where that was left to be made (NULL), what the decision of the lead said, with what is known of the lead now.';

CREATE TABLE leadroute.outbox_cursors (
	flow			text COLLATE "C" NOT NULL,
	consumer		text COLLATE "C" NOT NULL,
	since			bigint NOT NULL,
	mark			bigint NOT NULL,
	expired			bigint NOT NULL DEFAULT 0,
	expired_at		timestamptz,
	PRIMARY KEY (flow, consumer)
);
COMMENT ON TABLE leadroute.outbox_cursors IS 'How far each consumer has come.';
COMMENT ON COLUMN leadroute.outbox_cursors.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.outbox_cursors.consumer IS 'The consumer.';
COMMENT ON COLUMN leadroute.outbox_cursors.since IS 'Messages with lower ids were written before it was registered and are not its.';
COMMENT ON COLUMN leadroute.outbox_cursors.mark IS 'Messages with lower ids have all been taken into outbox_deliveries.';
COMMENT ON COLUMN leadroute.outbox_cursors.expired IS 'How many messages a sweep deleted because it had not acknowledged them within keep.';
COMMENT ON COLUMN leadroute.outbox_cursors.expired_at IS 'When it last did.';
SELECT leadroute.restore_trigger('outbox_cursors');

CREATE TABLE leadroute.outbox_deliveries (
	flow			text COLLATE "C" NOT NULL,
	consumer		text COLLATE "C" NOT NULL,
	id				bigint NOT NULL,
	recipient		text COLLATE "C",
	visible_at		timestamptz NOT NULL,
	digest_at		timestamptz,
	attempts		integer NOT NULL DEFAULT 0,
	done_at			timestamptz,
	dead_at			timestamptz,
	problem			text,
	PRIMARY KEY (flow, consumer, id)
) WITH (fillfactor = 80);
CREATE INDEX outbox_deliveries_visible_idx ON leadroute.outbox_deliveries (flow, consumer, visible_at, id) WHERE done_at IS NULL AND dead_at IS NULL;
COMMENT ON TABLE leadroute.outbox_deliveries IS 'What has become of each message with each consumer; it goes with the message.';
COMMENT ON COLUMN leadroute.outbox_deliveries.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.outbox_deliveries.consumer IS 'The consumer.';
COMMENT ON COLUMN leadroute.outbox_deliveries.id IS 'The message.';
COMMENT ON COLUMN leadroute.outbox_deliveries.recipient IS 'Who is told.';
COMMENT ON COLUMN leadroute.outbox_deliveries.visible_at IS 'From when on it can be claimed: at once, after quiet hours or with a digest; while it is claimed, when that ends; after a failure, when it is tried again.';
COMMENT ON COLUMN leadroute.outbox_deliveries.digest_at IS 'The digest that it is gathered for; NULL: none.';
COMMENT ON COLUMN leadroute.outbox_deliveries.attempts IS 'How often it was claimed.';
COMMENT ON COLUMN leadroute.outbox_deliveries.done_at IS 'When it was acknowledged.';
COMMENT ON COLUMN leadroute.outbox_deliveries.dead_at IS 'When it was given up, after outbox_consumers.max_attempts: a dead letter.';
COMMENT ON COLUMN leadroute.outbox_deliveries.problem IS 'What the consumer said of its last failure.';

/* A new consumer begins with what is written from now on. */
CREATE FUNCTION leadroute.consumer_written() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	IF leadroute.restoring() THEN
		RETURN NULL;
	END IF;
	IF TG_OP = 'TRUNCATE' THEN
		DELETE FROM leadroute.outbox_cursors;
		DELETE FROM leadroute.outbox_deliveries;
		RETURN NULL;
	END IF;
	/* who reads the table from now on finds there what it would have claimed */
	IF TG_OP = 'UPDATE' AND NOT NEW.claims THEN
		UPDATE leadroute.outbox o SET payload = leadroute.outbox_payload(o) WHERE o.flow = NEW.flow AND o.payload IS NULL AND o.type = ANY (NEW.types);
	END IF;
	IF TG_OP <> 'INSERT' THEN
		IF TG_OP = 'UPDATE' AND (NEW.flow, NEW.consumer) = (OLD.flow, OLD.consumer) THEN
			RETURN NULL;
		END IF;
		DELETE FROM leadroute.outbox_cursors c WHERE c.flow = OLD.flow AND c.consumer = OLD.consumer;
		DELETE FROM leadroute.outbox_deliveries d WHERE d.flow = OLD.flow AND d.consumer = OLD.consumer;
	END IF;
	IF TG_OP <> 'DELETE' THEN
		INSERT INTO leadroute.outbox_cursors (flow, consumer, since, mark)
			SELECT NEW.flow, NEW.consumer, i.id, i.id FROM (SELECT leadroute.journal_id() AS id) i
			ON CONFLICT DO NOTHING;
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION leadroute.consumer_written() IS 'Trigger on outbox_consumers: a new one begins with what is written from now on; of one that goes nothing is kept.';
CREATE TRIGGER consumer_written AFTER INSERT OR DELETE OR UPDATE OF flow, consumer, types, claims ON leadroute.outbox_consumers
	FOR EACH ROW EXECUTE FUNCTION leadroute.consumer_written();
CREATE TRIGGER consumer_written_truncate AFTER TRUNCATE ON leadroute.outbox_consumers
	FOR EACH STATEMENT EXECUTE FUNCTION leadroute.consumer_written();

CREATE FUNCTION leadroute.recipient_written() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	PERFORM leadroute.check_zone(NEW.timezone);
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION leadroute.recipient_written() IS 'Trigger on outbox_recipients: refuses a zone that does not exist.';
CREATE TRIGGER recipient_written BEFORE INSERT OR UPDATE OF timezone ON leadroute.outbox_recipients
	FOR EACH ROW WHEN (NEW.timezone IS NOT NULL) EXECUTE FUNCTION leadroute.recipient_written();

/* By the clock on the recipient's wall; a time that a change of clocks leaves out counts as PostgreSQL reads it. */
CREATE FUNCTION leadroute.recipient_zone(recipient leadroute.outbox_recipients) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	RETURN coalesce((recipient).timezone,
					(SELECT c.timezone FROM leadroute.reps r JOIN leadroute.calendars c ON c.flow = r.flow AND c.calendar = r.calendar
					 WHERE r.flow = (recipient).flow AND r.rep = (recipient).recipient),
					(SELECT f.timezone FROM leadroute.flows f WHERE f.flow = (recipient).flow), 'UTC');
END
$$;
COMMENT ON FUNCTION leadroute.recipient_zone(leadroute.outbox_recipients) IS
	'The time zone of a recipient''s quiet hours and digests: his own, that of his calendar, the flow''s.';

CREATE FUNCTION leadroute.quiet_until(recipient leadroute.outbox_recipients, at timestamptz) RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	zone	text;
	wall	timestamp;
BEGIN
	IF (recipient).quiet_from IS NULL THEN
		RETURN NULL;
	END IF;
	zone := leadroute.recipient_zone(recipient);
	wall := at AT TIME ZONE zone;
	IF (recipient).quiet_from < (recipient).quiet_until THEN
		IF wall::time < (recipient).quiet_from OR wall::time >= (recipient).quiet_until THEN
			RETURN NULL;
		END IF;
	ELSIF wall::time >= (recipient).quiet_from THEN
		wall := wall + interval '1 day';
	ELSIF wall::time >= (recipient).quiet_until THEN
		RETURN NULL;
	END IF;
	RETURN (wall::date + (recipient).quiet_until) AT TIME ZONE zone;
END
$$;
COMMENT ON FUNCTION leadroute.quiet_until(leadroute.outbox_recipients, timestamptz) IS
	'Until when a recipient is not to be disturbed, where an instant lies in his quiet hours; NULL: it does not.';

/* When a message of an instant may reach a recipient who has a row. */
CREATE FUNCTION leadroute.delivery_time(recipient leadroute.outbox_recipients, type text, at timestamptz, OUT visible_at timestamptz, OUT digest_at timestamptz)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	zone	text;
	wall	timestamp;
	day		date;
BEGIN
	visible_at := at;
	IF type = ANY ((recipient).at_once) THEN
		RETURN;
	END IF;
	IF (recipient).digest <> 'none' THEN
		zone := leadroute.recipient_zone(recipient);
		wall := at AT TIME ZONE zone;
		day := wall::date;
		IF wall::time > (recipient).digest_at THEN
			day := day + 1;
		END IF;
		IF (recipient).digest = 'weekly' THEN
			day := day + ((recipient).digest_weekday - extract(isodow FROM day)::integer + 7) % 7;
		END IF;
		digest_at := (day + (recipient).digest_at) AT TIME ZONE zone;
		visible_at := digest_at;
	END IF;
	visible_at := coalesce(leadroute.quiet_until(recipient, visible_at), visible_at);
END
$$;
COMMENT ON FUNCTION leadroute.delivery_time(leadroute.outbox_recipients, text, timestamptz) IS
	'When a message may reach a recipient: with his next digest, after his quiet hours, or at once.';

/* Takes what is new for a consumer into outbox_deliveries; answers how many. Another session that is at it is left alone. */
CREATE FUNCTION leadroute.outbox_take(flow text, consumer text, whole boolean, batch integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	subject	leadroute.outbox_consumers;
	place	leadroute.outbox_cursors;
	settled	bigint;
	last	bigint;
	taken	integer;
BEGIN
	SELECT c.* INTO subject FROM leadroute.outbox_consumers c WHERE c.flow = outbox_take.flow AND c.consumer = outbox_take.consumer;
	SELECT c.* INTO place FROM leadroute.outbox_cursors c WHERE c.flow = outbox_take.flow AND c.consumer = outbox_take.consumer FOR UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN 0;
	END IF;
	/* whoever may still write had begun by then; he who is about to begin writes higher ids */
	SELECT (extract(epoch FROM least(min(a.xact_start), clock_timestamp() - interval '10 s') - '2000-01-01 00:00Z'::timestamptz) * 1000000)::bigint << 12 INTO settled
	FROM pg_stat_activity a WHERE a.datname = current_database() AND a.backend_xid IS NOT NULL;
	IF EXISTS (SELECT FROM pg_prepared_xacts p WHERE p.database = current_database()) THEN
		settled := place.mark;
	END IF;
	WITH fresh AS (
		SELECT o.id, o.recipient, o.type, o.created_at
		FROM leadroute.outbox o
		WHERE o.flow = outbox_take.flow AND o.id >= CASE WHEN whole THEN place.since ELSE place.mark END AND o.type = ANY (subject.types)
			AND NOT EXISTS (SELECT FROM leadroute.outbox_deliveries d
							WHERE d.flow = outbox_take.flow AND d.consumer = outbox_take.consumer AND d.id = o.id)
		ORDER BY o.id LIMIT batch
	), taken AS (
		INSERT INTO leadroute.outbox_deliveries (flow, consumer, id, recipient, visible_at, digest_at)
		SELECT outbox_take.flow, outbox_take.consumer, f.id, f.recipient, coalesce(t.visible_at, f.created_at), t.digest_at
		FROM fresh f
			LEFT JOIN leadroute.outbox_recipients r ON r.flow = outbox_take.flow AND r.recipient = f.recipient
			LEFT JOIN LATERAL leadroute.delivery_time(r, f.type, f.created_at) t ON r.recipient IS NOT NULL
		ON CONFLICT DO NOTHING
	)
	SELECT count(*), max(f.id) INTO taken, last FROM fresh f;
	/* a full batch may have left some behind it */
	settled := CASE WHEN taken = batch THEN least(settled, last) ELSE settled END;
	IF settled > place.mark THEN
		UPDATE leadroute.outbox_cursors c SET mark = settled WHERE c.flow = outbox_take.flow AND c.consumer = outbox_take.consumer;
	END IF;
	RETURN taken;
END
$$;
COMMENT ON FUNCTION leadroute.outbox_take(text, text, boolean, integer) IS
	'Part of outbox_claim(): takes messages that are new for a consumer, or (whole) all that it has not been given, into outbox_deliveries.';

CREATE FUNCTION leadroute.outbox_consumer(flow text, consumer text) RETURNS leadroute.outbox_consumers
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	subject	leadroute.outbox_consumers;
BEGIN
	SELECT c.* INTO subject FROM leadroute.outbox_consumers c WHERE c.flow = outbox_consumer.flow AND c.consumer = outbox_consumer.consumer;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = format('consumer "%s" does not exist', consumer),
			HINT = 'Insert it into leadroute.outbox_consumers, with the types of message that it wants.';
	ELSIF NOT subject.claims THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = format('consumer "%s" claims no messages', consumer),
			HINT = 'Set outbox_consumers.claims, or read the table.';
	END IF;
	RETURN subject;
END
$$;
COMMENT ON FUNCTION leadroute.outbox_consumer(text, text) IS 'Part of outbox_claim(): a consumer who claims. Errors: undefined_object, object_not_in_prerequisite_state.';

CREATE FUNCTION leadroute.outbox_claim(consumer text, n integer DEFAULT 100, visible_for interval DEFAULT '5 min', flow text DEFAULT 'default')
	RETURNS TABLE (id bigint, aggregatetype text, aggregateid text, type text, payload jsonb, created_at timestamptz, recipient text, digest_at timestamptz, attempt integer)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	subject	leadroute.outbox_consumers := leadroute.outbox_consumer(outbox_claim.flow, outbox_claim.consumer);
	instant	timestamptz := leadroute.clock();
BEGIN
	IF n IS NULL OR n < 1 OR visible_for IS NULL OR visible_for <= '0' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'n and visible_for must be greater than zero';
	END IF;
	PERFORM leadroute.outbox_take(subject.flow, subject.consumer, false, greatest(10 * n, 1000));
	/* what was not claimed in time, or failed, does not come in the quiet hours either */
	IF EXISTS (SELECT FROM leadroute.outbox_recipients r WHERE r.flow = subject.flow AND leadroute.quiet_until(r, instant) IS NOT NULL) THEN
		UPDATE leadroute.outbox_deliveries d SET visible_at = q.until
		FROM (SELECT w.id, r.until
			  FROM leadroute.outbox_deliveries w JOIN leadroute.outbox o ON o.flow = w.flow AND o.id = w.id
				JOIN (SELECT r.recipient, r.at_once, leadroute.quiet_until(r, instant) AS until FROM leadroute.outbox_recipients r WHERE r.flow = subject.flow) r ON r.recipient = w.recipient
			  WHERE w.flow = subject.flow AND w.consumer = subject.consumer AND w.done_at IS NULL AND w.dead_at IS NULL AND w.visible_at <= instant
				AND r.until IS NOT NULL AND o.type <> ALL (r.at_once)
			  FOR UPDATE OF w SKIP LOCKED) q
		WHERE d.flow = subject.flow AND d.consumer = subject.consumer AND d.id = q.id;
	END IF;
	/* claimed as often as it may be, and never acknowledged: it may be what kills its consumer */
	UPDATE leadroute.outbox_deliveries d SET dead_at = instant, problem = coalesce(d.problem, 'claimed, and neither acknowledged nor refused')
	WHERE (d.flow, d.consumer, d.id) IN (
		SELECT w.flow, w.consumer, w.id FROM leadroute.outbox_deliveries w
		WHERE w.flow = subject.flow AND w.consumer = subject.consumer AND w.done_at IS NULL AND w.dead_at IS NULL
			AND w.visible_at <= instant AND w.attempts >= subject.max_attempts
		ORDER BY w.id LIMIT 1000 FOR UPDATE SKIP LOCKED);
	RETURN QUERY
		WITH ready AS MATERIALIZED (
			SELECT w.id, w.recipient, w.digest_at FROM leadroute.outbox_deliveries w
			WHERE w.flow = subject.flow AND w.consumer = subject.consumer AND w.done_at IS NULL AND w.dead_at IS NULL AND w.visible_at <= instant
			ORDER BY w.visible_at, w.id LIMIT n FOR UPDATE SKIP LOCKED
		), together AS MATERIALIZED (
			/* a digest is not torn apart */
			SELECT w.id FROM leadroute.outbox_deliveries w
			WHERE w.flow = subject.flow AND w.consumer = subject.consumer AND w.done_at IS NULL AND w.dead_at IS NULL AND w.visible_at <= instant
				AND (w.recipient, w.digest_at) IN (SELECT r.recipient, r.digest_at FROM ready r WHERE r.digest_at IS NOT NULL)
			FOR UPDATE SKIP LOCKED
		), claimed AS (
			UPDATE leadroute.outbox_deliveries d SET visible_at = instant + visible_for, attempts = d.attempts + 1
			FROM (SELECT r.id FROM ready r UNION SELECT t.id FROM together t) c
			WHERE d.flow = subject.flow AND d.consumer = subject.consumer AND d.id = c.id
			RETURNING d.id, d.digest_at, d.attempts
		)
		SELECT o.id, o.aggregatetype, o.aggregateid, o.type,
			CASE WHEN p.payload ? 'deadline'
				 THEN p.payload || jsonb_build_object('seconds_left', floor(extract(epoch FROM (p.payload ->> 'deadline')::timestamptz - instant))::bigint)
				 ELSE p.payload END,
			o.created_at, o.recipient, c.digest_at, c.attempts
		FROM claimed c JOIN leadroute.outbox o ON o.flow = subject.flow AND o.id = c.id
			CROSS JOIN LATERAL (SELECT leadroute.outbox_payload(o) AS payload) p
		ORDER BY c.digest_at NULLS FIRST, o.recipient, o.id;
END
$$;
COMMENT ON FUNCTION leadroute.outbox_claim(text, integer, interval, text) IS
	'The next messages for a consumer, up to n, oldest first; until visible_for has passed nobody else gets them. Claimed together: all messages of one recipient''s digest (digest_at), even beyond n. What is neither acknowledged nor refused by then can be claimed again: a message is delivered at least once. seconds_left is as of now. Errors: undefined_object for a consumer that is not registered, invalid_parameter_value.';

CREATE FUNCTION leadroute.outbox_ack(consumer text, ids bigint[], flow text DEFAULT 'default') RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	subject	leadroute.outbox_consumers := leadroute.outbox_consumer(flow, consumer);
	changed	integer;
BEGIN
	UPDATE leadroute.outbox_deliveries d SET done_at = leadroute.clock()
	WHERE d.flow = subject.flow AND d.consumer = subject.consumer AND d.id = ANY (ids) AND d.done_at IS NULL AND d.attempts > 0;
	GET DIAGNOSTICS changed = ROW_COUNT;
	RETURN changed;
END
$$;
COMMENT ON FUNCTION leadroute.outbox_ack(text, bigint[], text) IS
	'Acknowledges messages that a consumer has claimed and delivered: it never gets them again. Answers how many were not acknowledged before; a dead letter is none any more. Errors as outbox_claim().';

CREATE FUNCTION leadroute.outbox_nack(consumer text, ids bigint[], retry_in interval DEFAULT NULL, problem text DEFAULT NULL, flow text DEFAULT 'default') RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	subject	leadroute.outbox_consumers := leadroute.outbox_consumer(flow, consumer);
	instant	timestamptz := leadroute.clock();
	changed	integer;
BEGIN
	UPDATE leadroute.outbox_deliveries d
		SET dead_at = CASE WHEN d.attempts >= subject.max_attempts THEN instant END,
			visible_at = instant + coalesce(outbox_nack.retry_in,
				least(subject.backoff * power(2, least(d.attempts - 1, 30)), greatest(subject.backoff, interval '1 hour'))),
			problem = coalesce(outbox_nack.problem, d.problem)
	WHERE d.flow = subject.flow AND d.consumer = subject.consumer AND d.id = ANY (ids) AND d.done_at IS NULL AND d.dead_at IS NULL AND d.attempts > 0;
	GET DIAGNOSTICS changed = ROW_COUNT;
	RETURN changed;
END
$$;
COMMENT ON FUNCTION leadroute.outbox_nack(text, bigint[], interval, text, text) IS
	'Refuses messages that a consumer has claimed and could not deliver: they can be claimed again after retry_in (NULL: outbox_consumers.backoff, doubled with each attempt, up to an hour), or are dead letters after max_attempts. Answers how many. Errors as outbox_claim().';

CREATE FUNCTION leadroute.outbox_revive(consumer text, ids bigint[] DEFAULT NULL, flow text DEFAULT 'default') RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	subject	leadroute.outbox_consumers := leadroute.outbox_consumer(flow, consumer);
	changed	integer;
BEGIN
	UPDATE leadroute.outbox_deliveries d SET dead_at = NULL, attempts = 0, visible_at = leadroute.clock()
	WHERE d.flow = subject.flow AND d.consumer = subject.consumer AND d.dead_at IS NOT NULL AND d.done_at IS NULL AND (ids IS NULL OR d.id = ANY (ids));
	GET DIAGNOSTICS changed = ROW_COUNT;
	RETURN changed;
END
$$;
COMMENT ON FUNCTION leadroute.outbox_revive(text, bigint[], text) IS 'Has dead letters of a consumer (NULL: all) delivered after all, with as many attempts as new ones. Answers how many. Errors as outbox_claim().';

/* --- retention, for the sweep --- */

CREATE FUNCTION leadroute.sweep_outbox(flow text, batch integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	instant	timestamptz := leadroute.clock();
	gone	integer;
BEGIN
	/* none is overlooked, even where the server's clock was set back */
	PERFORM leadroute.outbox_take(c.flow, c.consumer, true, batch) FROM leadroute.outbox_consumers c WHERE c.flow = sweep_outbox.flow AND c.claims;
	WITH due AS MATERIALIZED (
		SELECT o.id, o.type
		FROM leadroute.outbox o
		WHERE o.flow = sweep_outbox.flow
			AND NOT EXISTS (
				SELECT FROM leadroute.outbox_consumers c
					JOIN leadroute.outbox_cursors k ON k.flow = c.flow AND k.consumer = c.consumer
					LEFT JOIN leadroute.outbox_deliveries d ON d.flow = c.flow AND d.consumer = c.consumer AND d.id = o.id
				WHERE c.flow = o.flow AND o.type = ANY (c.types) AND o.created_at > instant - c.keep
					AND o.id >= k.since AND (NOT c.claims OR d.done_at IS NULL))
			/* nobody asks for it any more */
			AND (o.created_at < instant - interval '7 days' OR EXISTS (SELECT FROM leadroute.outbox_consumers c WHERE c.flow = o.flow AND o.type = ANY (c.types)))
		ORDER BY o.id LIMIT batch
		FOR UPDATE OF o SKIP LOCKED
	), lost AS (
		SELECT c.consumer, count(*) AS messages
		FROM due x JOIN leadroute.outbox_consumers c ON c.flow = sweep_outbox.flow AND c.claims AND x.type = ANY (c.types)
			JOIN leadroute.outbox_cursors k ON k.flow = c.flow AND k.consumer = c.consumer AND x.id >= k.since
			LEFT JOIN leadroute.outbox_deliveries d ON d.flow = c.flow AND d.consumer = c.consumer AND d.id = x.id
		WHERE d.done_at IS NULL
		GROUP BY c.consumer
	), told AS (
		UPDATE leadroute.outbox_cursors k SET expired = k.expired + l.messages, expired_at = instant
		FROM lost l WHERE k.flow = sweep_outbox.flow AND k.consumer = l.consumer
	), forgotten AS (
		DELETE FROM leadroute.outbox_deliveries d USING due x, leadroute.outbox_consumers c
		WHERE c.flow = sweep_outbox.flow AND d.flow = c.flow AND d.consumer = c.consumer AND d.id = x.id
	), deleted AS (
		DELETE FROM leadroute.outbox o USING due x WHERE o.flow = sweep_outbox.flow AND o.id = x.id RETURNING 1
	)
	SELECT count(*) INTO gone FROM deleted;
	RETURN gone;
END
$$;
COMMENT ON FUNCTION leadroute.sweep_outbox(text, integer) IS
	'Part of sweep(): deletes messages that all their consumers have acknowledged, or that have waited for longer than keep; answers how many.';

CREATE FUNCTION leadroute.sweep_events(flow text, batch integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp SET enable_seqscan = off
AS $$
#variable_conflict use_variable
DECLARE
	/* a value, not a volatile expression, which no index could be asked about */
	until	timestamptz := (SELECT leadroute.clock() - f.events_keep FROM leadroute.flows f WHERE f.flow = sweep_events.flow);
	gone	integer;
	steps	integer;
BEGIN
	DELETE FROM leadroute.events e
	WHERE e.ctid = ANY (ARRAY(
		SELECT w.ctid FROM leadroute.events w
		WHERE w.flow = sweep_events.flow AND w.at < until LIMIT batch FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS gone = ROW_COUNT;
	/* clocks know of their steps by steps_done */
	DELETE FROM leadroute.sla_fired d
	WHERE d.ctid = ANY (ARRAY(
		SELECT w.ctid FROM leadroute.sla_fired w
		WHERE w.flow = sweep_events.flow AND w.fired_at < until LIMIT batch - gone FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS steps = ROW_COUNT;
	RETURN gone + steps;
END
$$;
COMMENT ON FUNCTION leadroute.sweep_events(text, integer) IS 'Part of sweep(): deletes events, and the log of steps done, that are older than flows.events_keep; answers how many.';

INSERT INTO leadroute.sweep_parts (part, position, work, batch, batches, every, meaning) VALUES
	('outbox', 100, 'SELECT n, n = $2 FROM leadroute.sweep_outbox($1, $2) n', 5000, 1000, '1 hour', 'deletes messages that are delivered, or have waited too long'),
	('events', 110, 'SELECT n, n = $2 FROM leadroute.sweep_events($1, $2) n', 5000, 1000, '1 hour', 'deletes events, and the log of steps done, that are older than flows.events_keep');

/* --- alerts --- */

CREATE TABLE leadroute.health_states (
	check_name		text COLLATE "C" PRIMARY KEY,
	status			text NOT NULL,
	changed_at		timestamptz NOT NULL
);
COMMENT ON TABLE leadroute.health_states IS 'What each check of leadroute.health said when a sweep last looked, so that what turns bad is told once.';
COMMENT ON COLUMN leadroute.health_states.check_name IS 'The check.';
COMMENT ON COLUMN leadroute.health_states.status IS 'What it said.';
COMMENT ON COLUMN leadroute.health_states.changed_at IS 'Since when it says so.';

CREATE FUNCTION leadroute.sweep_alerts() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	told	integer;
BEGIN
	/* what takes a look at everything is not looked at where nobody listens */
	IF NOT EXISTS (SELECT FROM leadroute.outbox_consumers c WHERE 'alert' = ANY (c.types)) THEN
		RETURN 0;
	END IF;
	WITH seen AS MATERIALIZED (
		SELECT h.check_name, h.status, h.since, h.detail, h.run, s.status AS was
		FROM (SELECT h.*, row_number() OVER (PARTITION BY h.check_name ORDER BY array_position('{bad,warn,ok}', h.status)) AS n FROM leadroute.health h) h
			LEFT JOIN leadroute.health_states s ON s.check_name = h.check_name
		WHERE h.n = 1
	), kept AS (
		INSERT INTO leadroute.health_states AS s (check_name, status, changed_at)
		SELECT n.check_name, n.status, leadroute.clock() FROM seen n WHERE n.status IS DISTINCT FROM n.was
		ON CONFLICT (check_name) DO UPDATE SET status = EXCLUDED.status, changed_at = EXCLUDED.changed_at
	), alerts AS (
		INSERT INTO leadroute.outbox (flow, aggregatetype, aggregateid, type, payload, created_at)
		SELECT f.flow, 'health', n.check_name, 'alert',
			jsonb_strip_nulls(jsonb_build_object('flow', f.flow, 'check', n.check_name, 'status', n.status, 'was', n.was, 'since', n.since, 'reason', n.detail, 'run', n.run)),
			leadroute.clock()
		FROM seen n CROSS JOIN (SELECT DISTINCT c.flow FROM leadroute.outbox_consumers c WHERE 'alert' = ANY (c.types)) f
		WHERE n.status = 'bad' AND n.was IS DISTINCT FROM 'bad'
		RETURNING 1
	)
	SELECT count(*) INTO told FROM alerts;
	RETURN told;
END
$$;
COMMENT ON FUNCTION leadroute.sweep_alerts() IS 'Part of sweep(): writes a message of type alert for each check of leadroute.health that has turned bad since the last look; answers how many.';
INSERT INTO leadroute.sweep_parts (part, position, work, batches, per_flow, every, meaning) VALUES
	('alerts', 15, 'SELECT n, false FROM leadroute.sweep_alerts() n', 1, false, '1 min', 'tells what has turned bad in leadroute.health');
