/*
 * Duplicates whose first lead has gone: one of them is the person's lead then. It takes over keys, owner and place in the transaction that took the first
 * away (linked.c), so that who comes next is its duplicate. Nothing of that touches the leads table, which may not be written when that transaction
 * commits: the sweep writes the rows' outputs, and looks for those that a race has left behind, a duplicate that came while its first was being deleted.
 */
CREATE TABLE leadroute.pending_heirs (
	flow			text COLLATE "C" NOT NULL,
	lead			text COLLATE "C" NOT NULL,
	gone			boolean NOT NULL,
	at				timestamptz NOT NULL,
	PRIMARY KEY (flow, lead, gone)
);
SELECT leadroute.restore_trigger('pending_heirs');
COMMENT ON TABLE leadroute.pending_heirs IS 'What the sweep is to do about duplicates whose first lead has gone.';
COMMENT ON COLUMN leadroute.pending_heirs.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.pending_heirs.lead IS 'The lead''s key, as text.';
COMMENT ON COLUMN leadroute.pending_heirs.gone IS 'Whether it has gone, or become a duplicate, and duplicates of it that somebody held are to have another first lead; else its row is to show what its state says.';
COMMENT ON COLUMN leadroute.pending_heirs.at IS 'Since when.';

/* The gone lead's clocks that nobody stopped are the heir's to keep: by the policies of its own row, from when it asked. */
CREATE FUNCTION leadroute.heir_clocks(flow text, heir text, gone text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	state	leadroute.lead_states;
	next	record;
BEGIN
	IF NOT EXISTS (SELECT FROM leadroute.clocks c WHERE c.flow = heir_clocks.flow AND c.lead = heir_clocks.gone AND c.ended_by LIKE 'closed: %') THEN
		RETURN;
	END IF;
	SELECT s.* INTO state FROM leadroute.lead_states s WHERE s.flow = heir_clocks.flow AND s.lead = heir_clocks.heir;
	FOR next IN
		SELECT p.policy, CASE p.clock_start WHEN 'submitted' THEN coalesce(state.submitted_at, state.routed_at) ELSE state.routed_at END AS started_at
		FROM leadroute.lead_policies(flow, heir) h JOIN leadroute.sla_policies p ON p.flow = heir_clocks.flow AND p.policy = h.policy
		WHERE p.clock_start <> 'stage_entered' AND p.metric NOT IN ('next_touch', 'meeting_held', 'queue_age')
			AND EXISTS (SELECT FROM leadroute.clocks c WHERE c.flow = heir_clocks.flow AND c.lead = heir_clocks.gone AND c.metric = p.metric AND c.ended_by LIKE 'closed: %')
			AND NOT EXISTS (SELECT FROM leadroute.clocks c WHERE c.flow = heir_clocks.flow AND c.lead = heir_clocks.heir AND c.metric = p.metric)
			/* a touch of its own that the gone lead had not heard of yet */
			AND NOT (p.metric = 'first_touch' AND EXISTS (SELECT FROM leadroute.events e WHERE e.flow = heir_clocks.flow AND e.lead = heir_clocks.heir
														  AND e.kind = 'touched' AND e.at >= coalesce(state.submitted_at, state.routed_at)))
		ORDER BY p.policy
	LOOP
		PERFORM leadroute.start_clock(flow, heir, next.policy, next.started_at, state.owner, state.team, coalesce(state.routed_at, next.started_at), leadroute.clock());
	END LOOP;
	PERFORM leadroute.refresh_due(flow, heir);
END
$$;
COMMENT ON FUNCTION leadroute.heir_clocks(text, text, text) IS 'Part of succeed_lead(): the clocks that the closing of the gone lead cut off start for its heir, whose row''s policies they follow; what was due before now counts as done.';

CREATE FUNCTION leadroute.succeed_lead(flow text, gone text) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	first	leadroute.lead_states;
	heir	leadroute.lead_states;
	other	leadroute.lead_states;
	became	leadroute.lead_states;
	next	text;
	at		timestamptz := leadroute.clock();
BEGIN
	SELECT s.* INTO first FROM leadroute.lead_states s WHERE s.flow = succeed_lead.flow AND s.lead = succeed_lead.gone;
	IF first.status IN ('duplicate', 'merged') AND first.duplicate_of IS NOT NULL THEN
		next := leadroute.relink_duplicates(flow, gone, false);
		/* where that one is gone too, they are its heirs */
		RETURN leadroute.succeed_lead(flow, next);
	ELSIF first.closed_at IS NULL OR first.outcome <> ALL ('{deleted,gone,moved}') THEN
		RETURN NULL;
	END IF;
	FOR heir IN
		SELECT d.* FROM leadroute.lead_states d
		WHERE d.flow = succeed_lead.flow AND d.duplicate_of = succeed_lead.gone AND d.status = 'duplicate' AND d.closed_at IS NULL
		ORDER BY coalesce(d.submitted_at, d.routed_at), d.lead
	LOOP
		PERFORM FROM leadroute.lead_states d
		WHERE d.flow = heir.flow AND d.lead = heir.lead AND d.duplicate_of = succeed_lead.gone AND d.status = 'duplicate' AND d.closed_at IS NULL FOR UPDATE SKIP LOCKED;
		IF NOT FOUND OR NOT EXISTS (SELECT FROM leadroute.standing_keys(flow, ARRAY[heir.lead], true)) THEN
			INSERT INTO leadroute.pending_heirs (flow, lead, gone, at) VALUES (succeed_lead.flow, succeed_lead.gone, true, at) ON CONFLICT DO NOTHING;
			CONTINUE;
		END IF;
		/* somebody with the same key has come since, or a duplicate before this one has taken its place */
		SELECT o.* INTO other
		FROM leadroute.standing_keys(flow, ARRAY[heir.lead], true) k
			JOIN leadroute.identities i ON i.flow = heir.flow AND i.kind = k.kind AND i.key = k.key AND i.lead <> heir.lead
			JOIN leadroute.lead_states h ON h.flow = heir.flow AND h.lead = i.lead AND h.closed_at IS NULL
			JOIN leadroute.lead_states o ON o.flow = heir.flow AND o.lead = coalesce(h.duplicate_of, h.lead) AND o.lead <> heir.lead AND o.closed_at IS NULL
		ORDER BY k.kind, k.key LIMIT 1;
		IF NOT FOUND AND became.lead IS NOT NULL THEN
			other := became;
		END IF;
		IF other.lead IS NOT NULL THEN
			UPDATE leadroute.lead_states s SET duplicate_of = other.lead, owner = coalesce(other.owner, s.owner), team = coalesce(other.team, s.team), territory = coalesce(other.territory, s.territory),
				route_reason = format('duplicate of lead %s: lead %s is gone', other.lead, gone)
			WHERE s.flow = heir.flow AND s.lead = heir.lead;
			INSERT INTO leadroute.events (flow, lead, at, kind, code, owner, previous_owner, team, territory, reason)
				VALUES (heir.flow, heir.lead, at, 'linked', 'duplicate', coalesce(other.owner, heir.owner), heir.owner, coalesce(other.team, heir.team), coalesce(other.territory, heir.territory),
						format('duplicate of lead %s: lead %s is gone', other.lead, gone));
		ELSE
			INSERT INTO leadroute.identities AS i (flow, kind, key, lead)
				SELECT heir.flow, k.kind, k.key, heir.lead FROM leadroute.standing_keys(flow, ARRAY[heir.lead], true) k WHERE k.kind IS NOT NULL
				ON CONFLICT ON CONSTRAINT identities_pkey DO UPDATE SET lead = EXCLUDED.lead
					WHERE EXISTS (SELECT FROM leadroute.lead_states h WHERE h.flow = i.flow AND h.lead = i.lead AND (h.closed_at IS NOT NULL OR h.duplicate_of = succeed_lead.gone));
			UPDATE leadroute.lead_states s
				SET duplicate_of = NULL, code = 'succeeded', route_reason = format('lead %s is gone: its duplicate stands for the person', gone),
					status = CASE WHEN s.owner IS NOT NULL THEN 'assigned' WHEN s.queue IS NOT NULL THEN 'waiting' WHEN first.status = 'nurture' THEN 'nurture' ELSE 'discarded' END,
					priority = CASE WHEN s.owner IS NULL AND s.queue IS NOT NULL THEN coalesce(s.priority, 0) END,
					queue_order = CASE WHEN s.owner IS NULL AND s.queue IS NOT NULL THEN leadroute.journal_id() END,
					assigned_at = CASE WHEN s.owner IS NOT NULL THEN coalesce(s.assigned_at, s.routed_at) END
				WHERE s.flow = heir.flow AND s.lead = heir.lead
				RETURNING s.* INTO became;
			IF became.owner IS NOT NULL OR (became.status = 'waiting' AND became.team IS NOT NULL) THEN
				PERFORM leadroute.rotation_open(became.flow, coalesce(became.team, ''), coalesce(became.owner, ''), 1);
			END IF;
			INSERT INTO leadroute.events (flow, lead, at, kind, code, owner, team, territory, queue, reason)
				VALUES (became.flow, became.lead, at, 'succeeded', 'succeeded', became.owner, became.team, became.territory, became.queue, became.route_reason);
			/* what was merged into the first is known by the heir */
			UPDATE leadroute.lead_states s SET duplicate_of = became.lead WHERE s.flow = became.flow AND s.duplicate_of = succeed_lead.gone AND s.status = 'merged';
			PERFORM leadroute.heir_clocks(became.flow, became.lead, gone);
		END IF;
		INSERT INTO leadroute.pending_heirs (flow, lead, gone, at) VALUES (heir.flow, heir.lead, false, at) ON CONFLICT DO NOTHING;
	END LOOP;
	RETURN became.lead;
END
$$;
COMMENT ON FUNCTION leadroute.succeed_lead(text, text) IS
	'Where a lead is gone that has duplicates: the one that asked first takes its place (code succeeded) with keys, owner and a place of its own, without a turn, and the others are its duplicates; or all are another lead''s that has one of their keys by now, or whose duplicate the lead itself has become. Answers the heir, NULL where there is none. What others hold is left in pending_heirs to the sweep, which also writes the rows.';

CREATE FUNCTION leadroute.succeed_leads(flow text, gone text[]) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	first	text;
	n		integer := 0;
BEGIN
	FOR first IN
		SELECT g.lead FROM unnest(gone) g(lead)
		WHERE EXISTS (SELECT FROM leadroute.lead_states d WHERE d.flow = succeed_leads.flow AND d.duplicate_of = g.lead AND d.status = 'duplicate' AND d.closed_at IS NULL)
		ORDER BY g.lead COLLATE "C"
	LOOP
		PERFORM leadroute.succeed_lead(flow, first);
		n := n + 1;
	END LOOP;
	RETURN n;
END
$$;
COMMENT ON FUNCTION leadroute.succeed_leads(text, text[]) IS 'succeed_lead() for those of some leads that are gone and have duplicates; answers how many these are.';

CREATE FUNCTION leadroute.sweep_heirs(flow text, batch integer) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, leadroute, pg_temp
SET lock_timeout = '50ms'
AS $$
DECLARE
	pending	leadroute.pending_heirs;
	n		integer := 0;
BEGIN
	FOR pending IN
		SELECT p.* FROM leadroute.pending_heirs p WHERE p.flow = sweep_heirs.flow ORDER BY p.gone DESC, p.at, p.lead LIMIT batch FOR UPDATE SKIP LOCKED
	LOOP
		BEGIN
			DELETE FROM leadroute.pending_heirs p WHERE p.flow = pending.flow AND p.lead = pending.lead AND p.gone = pending.gone;
			IF pending.gone THEN
				PERFORM leadroute.succeed_lead(pending.flow, pending.lead);
				/* locked still: the row is there again */
				IF NOT EXISTS (SELECT FROM leadroute.pending_heirs p WHERE p.flow = pending.flow AND p.lead = pending.lead AND p.gone) THEN
					n := n + 1;
				END IF;
			ELSE
				PERFORM leadroute.show_outputs(pending.flow, pending.lead);
				n := n + 1;
			END IF;
		EXCEPTION WHEN lock_not_available THEN
			NULL;	/* somebody writes the row: the next sweep */
		END;
	END LOOP;
	RETURN n;
END
$$;
COMMENT ON FUNCTION leadroute.sweep_heirs(text, integer) IS 'Part of sweep(): does what stands in pending_heirs; answers how many. A row that somebody holds for longer than 50 ms is left for the next.';

/* A duplicate that was inserted while its first was being deleted, or made a duplicate: neither transaction has seen the other. */
CREATE FUNCTION leadroute.sweep_orphans(flow text, batch integer) RETURNS integer
LANGUAGE sql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	SELECT leadroute.succeed_leads(sweep_orphans.flow, coalesce(array_agg(o.duplicate_of), '{}'))
	FROM (SELECT DISTINCT d.duplicate_of
		  FROM leadroute.lead_states d JOIN leadroute.lead_states f ON f.flow = d.flow AND f.lead = d.duplicate_of
		  WHERE d.flow = sweep_orphans.flow AND d.duplicate_of IS NOT NULL AND d.status = 'duplicate' AND d.closed_at IS NULL
			AND (f.closed_at IS NOT NULL AND f.outcome = ANY ('{deleted,gone,moved}') OR f.status IN ('duplicate', 'merged') AND f.duplicate_of IS NOT NULL)
			AND NOT EXISTS (SELECT FROM leadroute.pending_heirs p WHERE p.flow = d.flow AND p.lead = d.duplicate_of AND p.gone)
		  LIMIT batch) o
$$;
COMMENT ON FUNCTION leadroute.sweep_orphans(text, integer) IS 'Part of sweep(): finds duplicates whose first lead is gone, or is a duplicate itself, and gives them one; answers how many first leads these were.';

INSERT INTO leadroute.sweep_parts (part, position, work, batch, batches, every, many, meaning) VALUES
	('orphans', 51, 'SELECT n, n > 0 FROM leadroute.sweep_orphans($1, $2) n', 1000, 1000, '1 hour', false, 'finds duplicates that came while their first lead was being deleted or linked'),
	('heirs', 52, 'SELECT n, n > 0 FROM leadroute.sweep_heirs($1, $2) n', 100, 1000, '0', true, 'shows in their rows who stands for a person whose first lead has gone');
