/*
 * state.c
 *		Reading lead_states on the insert path, and the changes to it that are not inserts.
 *
 * Reading is an index probe with the newest snapshot, so that a lead that another session has just
 * committed is known here too, whatever the isolation level. The changes are rare or come in batches;
 * they run through SPI as the extension's owner, with triggers off by nature: lead_states has none that
 * fire on UPDATE.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "clock_change.h"
#include "compat.h"
#include "journal.h"
#include "leadroute.h"
#include "linked.h"
#include "miscadmin.h"
#include "owner.h"
#include "pick.h"
#include "rotation.h"
#include "route.h"
#include "score.h"
#include "state.h"
#include "storage/bufmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "waiting.h"

/*
 * The lead that was found last, where its state lies, and whether that is behind the one before it. Nothing needs to drop this: what is found
 * there is compared with what was asked for.
 */
static char last_lead[LEAD_KEY_MAX + 1] = "";
static ItemPointerData last_row;
static bool in_order = false;

static bool find(const char *flow, const char *lead, LeadState *state, Snapshot seen);
static TupleTableSlot *find_in_order(Relation rel, const char *flow, const char *lead, Snapshot seen);
static TupleTableSlot *find_by_index(Relation rel, LOCKMODE lock, const char *flow, const char *lead, Snapshot seen);
static void remember(const char *lead, const ItemPointerData *row);
static bool is_text(TupleTableSlot *slot, StateColumn column, const char *value);
static void read_state(TupleTableSlot *slot, LeadState *state);
static const char *state_text(TupleTableSlot *slot, StateColumn column);
static bool state_time(TupleTableSlot *slot, StateColumn column, TimestampTz *value);
static int state_consent(TupleTableSlot *slot);
static int state_int(TupleTableSlot *slot, StateColumn column);
static const char *state_number(TupleTableSlot *slot, StateColumn column);
static bool state_hundredths(TupleTableSlot *slot, StateColumn column, int64 *value);
static int state_texts(TupleTableSlot *slot, StateColumn column, const char ***texts);
static int state_tier(TupleTableSlot *slot);
static bool is_own_row(TupleTableSlot *slot);
static void close_states(const char *flow, Datum *values);
static Datum spi_texts(void);

bool
lr_state_find(const char *flow, const char *lead, LeadState *state)
{
	return find(flow, lead, state, NULL);
}

bool
lr_state_find_seen(const char *flow, const char *lead, LeadState *state)
{
	return find(flow, lead, state, GetActiveSnapshot());
}

/*
 * With a snapshot, or where that is NULL the newest. The locks are those that who decides takes next, to write, and keeps; who asks as his
 * statement sees it may be a report that runs long.
 */
static bool
find(const char *flow, const char *lead, LeadState *state, Snapshot seen)
{
	LOCKMODE lock = seen || RecoveryInProgress() ? AccessShareLock : RowExclusiveLock;
	Relation rel = table_open(lr_relation_oid("lead_states"), lock);
	TupleTableSlot *slot = find_in_order(rel, flow, lead, seen);

	if (slot == NULL)
		slot = find_by_index(rel, lock, flow, lead, seen);
	if (slot && state)
		read_state(slot, state);
	if (slot)
		ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	return slot != NULL;
}

/*
 * Who sends known leads again, or updates many, meets them in the order in which they once came, and so lie their states: where the last two were
 * neighbours, the next one is looked for behind them, for a tenth of what the index costs; and a lead that was just found where it was. Whatever
 * has become of the table meanwhile: a row that the snapshot shows and that has the key is the lead's.
 */
static TupleTableSlot *
find_in_order(Relation rel, const char *flow, const char *lead, Snapshot seen)
{
	bool repeats = last_lead[0] && strcmp(lead, last_lead) == 0;
	TupleTableSlot *slot;
	IndexFetchTableData *fetch;
	ItemPointerData place;
	ItemPointerData row;
	Snapshot snapshot;
	bool again = false;
	bool found;

	if (!(in_order || repeats) || ItemPointerGetBlockNumber(&last_row) >= RelationGetNumberOfBlocks(rel))
		return NULL;
	place = last_row;
	if (!repeats)
		ItemPointerSetOffsetNumber(&place, OffsetNumberNext(ItemPointerGetOffsetNumber(&last_row)));
	row = place; /* fetching makes it the version's */
	slot = table_slot_create(rel, NULL);
	snapshot = RegisterSnapshot(seen ? seen : GetLatestSnapshot());
	fetch = table_index_fetch_begin(rel);
	found = table_index_fetch_tuple(fetch, &row, snapshot, slot, &again, NULL) && is_text(slot, STATE_LEAD, lead) && is_text(slot, STATE_FLOW, flow);
	table_index_fetch_end(fetch);
	UnregisterSnapshot(snapshot);
	if (found)
	{
		remember(lead, &place);
		return slot;
	}
	ExecDropSingleTupleTableSlot(slot);
	return NULL;
}

/*
 * Most leads are new, so the index is asked first whether it knows anything of the key, committed or not: that takes no snapshot, and locks no gap
 * of a serializable transaction, in which every other new lead is about to be written.
 */
static TupleTableSlot *
find_by_index(Relation rel, LOCKMODE lock, const char *flow, const char *lead, Snapshot seen)
{
	Relation index = lr_index_open(lr_relation_oid("lead_states_pkey"), lock);
	TupleTableSlot *slot = NULL;
	Snapshot snapshot = NULL;
	ScanKeyData keys[2];
	IndexScanDesc scan;
	ItemPointer entry;
	bool found = false;

	ScanKeyEntryInitialize(&keys[0], 0, 1, BTEqualStrategyNumber, InvalidOid, index->rd_indcollation[0],
						   F_TEXTEQ, CStringGetTextDatum(flow));
	ScanKeyEntryInitialize(&keys[1], 0, 2, BTEqualStrategyNumber, InvalidOid, index->rd_indcollation[1],
						   F_TEXTEQ, CStringGetTextDatum(lead));
	scan = lr_index_beginscan(rel, index, SnapshotAny, NULL, 2, 0);
	index_rescan(scan, keys, 2, NULL, 0);
	while (!found && (entry = index_getnext_tid(scan, ForwardScanDirection)) != NULL)
	{
		ItemPointerData place = *entry; /* fetching makes it the version's */

		if (slot == NULL)
		{
			slot = table_slot_create(rel, NULL);
			scan->xs_snapshot = snapshot = RegisterSnapshot(seen ? seen : GetLatestSnapshot());
		}
		found = index_fetch_heap(scan, slot);
		if (found)
			remember(lead, &place);
	}
	index_endscan(scan);
	if (snapshot)
		UnregisterSnapshot(snapshot);
	index_close(index, NoLock);
	if (found)
		return slot;
	in_order = false;
	if (slot)
		ExecDropSingleTupleTableSlot(slot);
	return NULL;
}

/* In order is what lies behind the last one, on its page or as the first of the next. Of a lead that was changed the old place counts. */
static void
remember(const char *lead, const ItemPointerData *row)
{
	BlockNumber last_block = ItemPointerGetBlockNumberNoCheck(&last_row);
	BlockNumber block = ItemPointerGetBlockNumber(row);
	OffsetNumber offset = ItemPointerGetOffsetNumber(row);

	if (strcmp(lead, last_lead) == 0)
		return;
	if (block == last_block)
		in_order = offset == OffsetNumberNext(ItemPointerGetOffsetNumberNoCheck(&last_row));
	else
		in_order = block == last_block + 1 && offset == FirstOffsetNumber;
	strlcpy(last_lead, lead, sizeof(last_lead));
	last_row = *row;
}

static bool
is_text(TupleTableSlot *slot, StateColumn column, const char *value)
{
	bool isnull;
	const text *stored = DatumGetTextPP(slot_getattr(slot, column + 1, &isnull));

	return VARSIZE_ANY_EXHDR(stored) == strlen(value) && memcmp(VARDATA_ANY(stored), value, VARSIZE_ANY_EXHDR(stored)) == 0;
}

static void
read_state(TupleTableSlot *slot, LeadState *state)
{
	state->status = state_text(slot, STATE_STATUS);
	state->code = state_text(slot, STATE_CODE);
	state->owner = state_text(slot, STATE_OWNER);
	state->source_owner = state_text(slot, STATE_SOURCE_OWNER);
	state->team = state_text(slot, STATE_TEAM);
	state->territory = state_text(slot, STATE_TERRITORY);
	state->queue = state_text(slot, STATE_QUEUE);
	state->rule = state_text(slot, STATE_RULE);
	state->reason = state_text(slot, STATE_REASON);
	state->account = state_text(slot, STATE_ACCOUNT);
	state->account_by = state_text(slot, STATE_ACCOUNT_BY);
	state->account_tier = state_tier(slot);
	state->outcome = state_text(slot, STATE_OUTCOME);
	state->duplicate_of = state_text(slot, STATE_DUPLICATE_OF);
	state->has_submitted_at = state_time(slot, STATE_SUBMITTED_AT, &state->submitted_at);
	state->has_routed_at = state_time(slot, STATE_ROUTED_AT, &state->routed_at);
	state->closed = state_time(slot, STATE_CLOSED_AT, &state->closed_at);
	state->closed_by = state_text(slot, STATE_CLOSED_BY);
	if (!state_time(slot, STATE_SLA_DUE_AT, &state->sla_due_at))
		state->sla_due_at = CLOCK_NEVER;
	if (!state_time(slot, STATE_FIRST_TOUCH_AT, &state->first_touch_at))
		state->first_touch_at = CLOCK_NEVER;
	state->value = state_number(slot, STATE_VALUE);
	state->stage = state_text(slot, STATE_STAGE);
	state->source_stage = state_text(slot, STATE_SOURCE_STAGE);
	(void) state_time(slot, STATE_STAGE_AT, &state->stage_at);
	(void) state_time(slot, STATE_REJECTED_AT, &state->rejected_at);
	state->recycles = state_int(slot, STATE_RECYCLES);
	state->return_to = state_text(slot, STATE_RETURN_TO);
	state->has_return_at = state_time(slot, STATE_RETURN_AT, &state->return_at);
	state->has_archive_at = state_time(slot, STATE_ARCHIVE_AT, &state->archive_at);
	state->is_accepted = !slot_attisnull(slot, STATE_ACCEPTED_AT + 1);
	state->consent = state_consent(slot);
	state->is_qualified = state_time(slot, STATE_QUALIFIED_AT, &state->qualified_at);
	state->has_mql_at = state_time(slot, STATE_MQL_AT, &state->mql_at);
	state->has_review_at = state_time(slot, STATE_REVIEW_AT, &state->review_at);
	state->has_rejected_score = state_hundredths(slot, STATE_REJECTED_SCORE, &state->rejected_score);
	state->nlapsed = state_texts(slot, STATE_LAPSED, &state->lapsed);
	state->touched = !slot_attisnull(slot, STATE_FIRST_TOUCH_AT + 1);
	state->has_score = state_hundredths(slot, STATE_SCORE, &state->score) & state_hundredths(slot, STATE_FIT, &state->fit) &
					   state_hundredths(slot, STATE_ENGAGEMENT, &state->engagement);
	state->grade = state_text(slot, STATE_GRADE);
	state->has_scored_at = state_time(slot, STATE_SCORED_AT, &state->scored_at);
	state->has_engagement_since = state_time(slot, STATE_ENGAGEMENT_SINCE, &state->engagement_since);
	state->own = is_own_row(slot);
}

static const char *
state_text(TupleTableSlot *slot, StateColumn column)
{
	bool isnull;
	Datum value = slot_getattr(slot, column + 1, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

static bool
state_time(TupleTableSlot *slot, StateColumn column, TimestampTz *value)
{
	bool isnull;
	Datum datum = slot_getattr(slot, column + 1, &isnull);

	*value = isnull ? 0 : DatumGetTimestampTz(datum);
	return !isnull;
}

static int
state_consent(TupleTableSlot *slot)
{
	bool isnull;
	Datum value = slot_getattr(slot, STATE_CONSENT + 1, &isnull);

	return isnull ? CONSENT_UNKNOWN : DatumGetBool(value) ? CONSENT_YES
														  : CONSENT_NO;
}

static int
state_int(TupleTableSlot *slot, StateColumn column)
{
	bool isnull;
	Datum value = slot_getattr(slot, column + 1, &isnull);

	return isnull ? 0 : DatumGetInt32(value);
}

static const char *
state_number(TupleTableSlot *slot, StateColumn column)
{
	bool isnull;
	Datum value = slot_getattr(slot, column + 1, &isnull);

	return isnull ? NULL : DatumGetCString(DirectFunctionCall1(numeric_out, value));
}

/* A number that we wrote with two decimals; false where it is NULL. By way of its text, which is cheaper than numeric arithmetic. */
static bool
state_hundredths(TupleTableSlot *slot, StateColumn column, int64 *value)
{
	const char *text = state_number(slot, column);
	char *end;

	*value = 0;
	if (text == NULL)
		return false;
	*value = strtoi64(text, &end, 10) * SCORE_POINT;
	if (end[0] == '.')
		*value += (text[0] == '-' ? -1 : 1) * ((end[1] - '0') * 10 + (end[1] && end[2] ? end[2] - '0' : 0));
	return true;
}

static int
state_texts(TupleTableSlot *slot, StateColumn column, const char ***texts)
{
	bool isnull;
	Datum value = slot_getattr(slot, column + 1, &isnull);
	Datum *elements;
	bool *nulls;
	int n;

	*texts = NULL;
	if (isnull)
		return 0;
	deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &n);
	*texts = palloc(Max(n, 1) * sizeof(char *));
	for (int i = 0; i < n; i++)
		(*texts)[i] = nulls[i] ? "" : TextDatumGetCString(elements[i]);
	return n;
}

static int
state_tier(TupleTableSlot *slot)
{
	bool isnull;
	Datum value = slot_getattr(slot, STATE_TIER + 1, &isnull);

	return isnull ? 0 : DatumGetInt32(value);
}

static bool
is_own_row(TupleTableSlot *slot)
{
	bool isnull;
	Datum xmin = slot_getsysattr(slot, MinTransactionIdAttributeNumber, &isnull);

	return TransactionIdIsCurrentTransactionId(DatumGetTransactionId(xmin));
}

void
lr_state_outputs_due(const FlowConfig *config, const char *lead, LeadOutputs *outputs)
{
	LeadState state;

	outputs->has_sla = config->has_clocks && lr_state_find(config->flow, lead, &state);
	outputs->sla_due_at = outputs->has_sla ? state.sla_due_at : CLOCK_NEVER;
}

bool
lr_state_is_ignored(const LeadState *state)
{
	return strcmp(state->status, "ignored") == 0;
}

bool
lr_state_is_unrouted(const LeadState *state)
{
	return strcmp(state->status, "unrouted") == 0;
}

bool
lr_state_is_gone(const LeadState *state)
{
	return state->closed && state->outcome &&
		   (strcmp(state->outcome, "deleted") == 0 || strcmp(state->outcome, "gone") == 0 || strcmp(state->outcome, "moved") == 0);
}

/* A text that outlives SPI's context. */
static text *
text_in(MemoryContext mcxt, const char *value)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(mcxt);
	text *copy = cstring_to_text(value);

	MemoryContextSwitchTo(oldcontext);
	return copy;
}

void
lr_state_hand_over(const char *flow, const char *lead, const char *owner, TimestampTz at)
{
	/* the last two, previous owner and what it went beyond, are of the event only */
	Oid types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TEXTOID, TEXTOID};
	Datum values[] = {CStringGetTextDatum(flow), CStringGetTextDatum(lead), CStringGetTextDatum(owner),
					  CStringGetTextDatum(GetUserNameFromId(GetSessionUserId(), false)), TimestampTzGetDatum(at), (Datum) 0, (Datum) 0};
	char nulls[] = {' ', ' ', ' ', ' ', ' ', 'n', 'n', '\0'};
	MemoryContext oldcontext = CurrentMemoryContext;
	OwnerSession saved;
	char *over_cap = NULL;
	bool changed;
	bool has_linked;

	lr_owner_begin(&saved);
	lr_owner_execute("WITH old AS (SELECT s.*, " LR_HOLDER " AS holder FROM leadroute.lead_states s WHERE s.flow = $1"
					 "   AND s.lead = $2 FOR UPDATE),"
					 " place AS (SELECT (SELECT m.team FROM leadroute.team_members m, old WHERE m.flow = $1"
					 "   AND m.team = old.team AND m.rep = $3) AS team),"
					 " changed AS (UPDATE leadroute.lead_states s SET owner = $3, source_owner = $3, team = place.team, status = 'assigned',"
					 "   code = 'by_hand', queue = NULL, held_until = NULL, return_at = NULL, return_to = NULL, archive_at = NULL, routed_at = $5, assigned_at = coalesce(s.assigned_at, $5),"
					 "   route_reason = format('by hand: %s gave the lead to %s', $4, $3)"
					 "   FROM place, old WHERE s.flow = $1 AND s.lead = $2 RETURNING s.*)"
					 " SELECT COALESCE(old.team, ''), old.holder, COALESCE(changed.team, ''), changed.owner,"
					 "   old.closed_at IS NULL AND old.holder IS NOT NULL,"
					 "   changed.closed_at IS NULL,"
					 "   old.owner IS NULL AND changed.closed_at IS NULL AND " LR_HAS_LINKED("$1", "$2") ", old.owner FROM old, changed",
					 5, types, values, SPI_OK_SELECT);
	changed = SPI_processed > 0;
	has_linked = changed && strcmp(lr_spi_text(0, 7), "t") == 0;
	if (changed && lr_spi_text(0, 8))
	{
		nulls[5] = ' ';
		values[5] = PointerGetDatum(text_in(oldcontext, lr_spi_text(0, 8)));
	}
	for (uint64 row = 0; row < SPI_processed && lr_rotation_available(); row++)
	{
		RotationTurn turn;

		if (strcmp(lr_spi_text(row, 5), "t") == 0)
		{
			lr_rotation_free_place(lr_rotation_slot(flow, lr_spi_text(row, 1), lr_spi_text(row, 2)), 1);
			lr_drain_want(flow);
		}
		if (strcmp(lr_spi_text(row, 6), "t") == 0)
		{
			over_cap = lr_pick_given(lr_config(flow), lr_spi_text(row, 3), owner, at, &turn);
			lr_rotation_confirm(&turn);
		}
	}
	if (over_cap)
	{
		nulls[6] = ' ';
		values[6] = PointerGetDatum(text_in(oldcontext, over_cap));
	}
	lr_owner_end(&saved);
	if (!changed)
		return;
	/* before the event, whose message says until when */
	lr_clocks_owner(flow, lead, at);
	lr_owner_begin(&saved);
	lr_owner_execute_nulls("INSERT INTO leadroute.events (flow, lead, at, kind, code, owner, previous_owner, team, territory, reason, actor, consent, over_cap)"
						   " SELECT s.flow, s.lead, $5, 'handed_over', 'by_hand', s.owner, $6, s.team, s.territory, s.route_reason, $4, s.consent, $7"
						   " FROM leadroute.lead_states s WHERE s.flow = $1 AND s.lead = $2",
						   lengthof(types), types, values, nulls, SPI_OK_INSERT);
	lr_owner_end(&saved);
	if (has_linked)
		lr_linked_follow(flow, lead, at);
}

void
lr_state_set_consent(const char *flow, const char *lead, int consent)
{
	Oid types[] = {TEXTOID, TEXTOID, BOOLOID};
	Datum values[] = {CStringGetTextDatum(flow), CStringGetTextDatum(lead), BoolGetDatum(consent == CONSENT_YES)};
	OwnerSession saved;

	lr_owner_begin(&saved);
	lr_owner_execute_nulls("UPDATE leadroute.lead_states s SET consent = $3 WHERE s.flow = $1 AND s.lead = $2", lengthof(types), types, values,
						   consent == CONSENT_UNKNOWN ? "  n" : "   ", SPI_OK_UPDATE);
	lr_owner_end(&saved);
}

void
lr_state_close(const char *flow, char **leads, int n, const char *outcome)
{
	Oid types[] = {TEXTOID, TEXTARRAYOID, TEXTOID, TIMESTAMPTZOID};
	Datum values[] = {CStringGetTextDatum(flow), lr_text_array(leads, n), CStringGetTextDatum(outcome),
					  TimestampTzGetDatum(lr_now())};
	OwnerSession saved;

	lr_owner_begin(&saved);
	/* a lead of which nothing is known stood there before the attach: its key is recorded, so that it never counts as new */
	lr_owner_execute("INSERT INTO leadroute.lead_states (flow, lead, status, code, closed_at, outcome)"
					 " SELECT $1, l.lead, 'ignored', 'existing', $4, $3 FROM unnest($2) l(lead)"
					 " WHERE NOT EXISTS (SELECT FROM leadroute.lead_states s WHERE s.flow = $1 AND s.lead = l.lead)"
					 " ON CONFLICT DO NOTHING",
					 lengthof(types), types, values, SPI_OK_INSERT);
	close_states(flow, values);
	lr_owner_end(&saved);
}

/* Closes states and frees their places; values: flow, leads, outcome, the time. Within SPI, as the extension's owner. */
static void
close_states(const char *flow, Datum *values)
{
	Oid types[] = {TEXTOID, TEXTARRAYOID, TEXTOID, TIMESTAMPTZOID};

	lr_owner_execute("WITH closed AS (UPDATE leadroute.lead_states s SET closed_at = $4, outcome = $3"
					 "   FROM unnest($2) l(lead)"
					 "   WHERE s.flow = $1 AND s.lead = l.lead AND s.closed_at IS NULL RETURNING s.*),"
					 " logged AS (INSERT INTO leadroute.events (flow, lead, at, kind, code, owner, team, reason)"
					 "   SELECT flow, lead, $4, 'closed', $3, owner, team, format('closed: %s', $3) FROM closed"
					 "   WHERE status <> 'ignored')"
					 " SELECT COALESCE(team, ''), " LR_HOLDER ", count(*) FROM closed"
					 " WHERE " LR_HOLDER " IS NOT NULL GROUP BY 1, 2",
					 lengthof(types), types, values, SPI_OK_SELECT);
	lr_state_free_places(flow);
	lr_clocks_closed(flow, values[1], TextDatumGetCString(values[2]), DatumGetTimestampTz(values[3]));
}

void
lr_state_free_places(const char *flow)
{
	for (uint64 row = 0; row < SPI_processed && lr_rotation_available(); row++)
		if (lr_spi_text(row, 2))
		{
			lr_rotation_free_place(lr_rotation_slot(flow, lr_spi_text(row, 1), lr_spi_text(row, 2)),
								   atoi(lr_spi_text(row, 3)));
			lr_drain_want(flow);
		}
}

void
lr_state_release(const char *flow, char **leads, char **kinds, char **keys, int n)
{
	Oid types[] = {TEXTOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID};
	Datum values[] = {CStringGetTextDatum(flow), lr_text_array(leads, n), kinds ? lr_text_array(kinds, n) : (Datum) 0,
					  keys ? lr_text_array(keys, n) : (Datum) 0};
	OwnerSession saved;

	lr_owner_begin(&saved);
	if (keys)
		lr_owner_execute("DELETE FROM leadroute.identities i USING unnest($2, $3, $4) k(lead, kind, key)"
						 " WHERE i.flow = $1 AND i.kind = k.kind AND i.key = k.key AND i.lead = k.lead",
						 lengthof(types), types, values, SPI_OK_DELETE);
	else
		lr_owner_execute("DELETE FROM leadroute.identities i USING unnest($2) k(lead)"
						 " WHERE i.flow = $1 AND i.kind <> 'key' AND i.lead = k.lead",
						 2, types, values, SPI_OK_DELETE);
	lr_owner_end(&saved);
}

void
lr_state_restore(const char *flow, char **leads, int n)
{
	Oid types[] = {TEXTOID, TEXTARRAYOID, TIMESTAMPTZOID};
	Datum values[] = {CStringGetTextDatum(flow), lr_text_array(leads, n), TimestampTzGetDatum(lr_now())};
	OwnerSession saved;

	lr_owner_begin(&saved);
	lr_owner_execute("WITH restored AS (UPDATE leadroute.lead_states s SET closed_at = NULL, outcome = NULL"
					 "   FROM unnest($2) l(lead)"
					 "   WHERE s.flow = $1 AND s.lead = l.lead AND s.closed_at IS NOT NULL"
					 "   AND s.outcome = ANY ('{deleted,gone,moved}') RETURNING s.*),"
					 " logged AS (INSERT INTO leadroute.events (flow, lead, at, kind, code, owner, team, reason)"
					 "   SELECT flow, lead, $3, 'restored', 'restored', owner, team, 'the row came back; the lead keeps what it had' FROM restored"
					 "   WHERE status <> 'ignored')"
					 " SELECT COALESCE(team, ''), " LR_HOLDER ", count(*) FROM restored"
					 " WHERE " LR_HOLDER " IS NOT NULL GROUP BY 1, 2",
					 lengthof(types), types, values, SPI_OK_SELECT);
	lr_state_take_places(flow);
	lr_clocks_reopened(flow, values[1], DatumGetTimestampTz(values[2]));
	lr_owner_end(&saved);
}

void
lr_state_take_places(const char *flow)
{
	for (uint64 row = 0; row < SPI_processed && lr_rotation_available(); row++)
		if (lr_spi_text(row, 2))
			lr_rotation_take_places(lr_rotation_slot(flow, lr_spi_text(row, 1), lr_spi_text(row, 2)), atoi(lr_spi_text(row, 3)));
}

void
lr_state_rekey(const char *flow, char **from, char **to, int n, bool replaces)
{
	Oid types[] = {TEXTOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZOID};
	Datum values[] = {CStringGetTextDatum(flow), lr_text_array(from, n), lr_text_array(to, n),
					  TimestampTzGetDatum(lr_now())};
	OwnerSession saved;

	lr_owner_begin(&saved);
	/* in two steps, so that keys may change places: first out of the way, then to the new ones */
	lr_owner_execute("UPDATE leadroute.lead_states s SET lead = concat(chr(1), s.lead)"
					 " FROM unnest($2) l(lead)"
					 " WHERE s.flow = $1 AND s.lead = l.lead",
					 lengthof(types), types, values, SPI_OK_UPDATE);
	/* who bore the new key is gone: close that lead, where it is not among those that move */
	if (replaces)
	{
		lr_owner_execute("SELECT DISTINCT l.new FROM unnest($2, $3) l(old, new)"
						 " WHERE EXISTS (SELECT FROM leadroute.lead_states o WHERE o.flow = $1 AND o.lead = concat(chr(1), l.old))"
						 " AND EXISTS (SELECT FROM leadroute.lead_states o WHERE o.flow = $1 AND o.lead = l.new AND o.closed_at IS NULL)",
						 lengthof(types), types, values, SPI_OK_SELECT);
		if (SPI_processed > 0)
		{
			Datum replaced[] = {values[0], spi_texts(), CStringGetTextDatum("deleted"), values[3]};

			close_states(flow, replaced);
		}
	}
	/* a state that stands at the new key belongs to a row that is gone: the key's row is this lead now */
	lr_owner_execute("WITH gone AS (DELETE FROM leadroute.lead_states s USING unnest($2, $3) l(old, new)"
					 "   WHERE s.flow = $1 AND s.lead = l.new"
					 "   AND s.closed_at IS NOT NULL AND EXISTS (SELECT FROM leadroute.lead_states o WHERE o.flow = $1"
					 "     AND o.lead = concat(chr(1), l.old)) RETURNING s.*)"
					 " INSERT INTO leadroute.events (flow, lead, at, kind, code, owner, team, reason, path)"
					 " SELECT flow, lead, $4, 'replaced', code, owner, team, 'the lead that bore this key is gone, and another bears it now',"
					 "   jsonb_build_array(jsonb_build_object('submitted_at', submitted_at)) FROM gone"
					 " WHERE status <> 'ignored'",
					 lengthof(types), types, values, SPI_OK_INSERT);
	lr_owner_execute("WITH pick AS (SELECT DISTINCT ON (l.new) l.old, l.new FROM unnest($2, $3) l(old, new)"
					 "   WHERE EXISTS (SELECT FROM leadroute.lead_states o WHERE o.flow = $1 AND o.lead = concat(chr(1), l.old))"
					 "   AND NOT EXISTS (SELECT FROM leadroute.lead_states o WHERE o.flow = $1 AND o.lead = l.new)"
					 "   ORDER BY l.new, l.old),"
					 " moved AS (UPDATE leadroute.lead_states s SET lead = l.new"
					 "   FROM pick l"
					 "   WHERE s.flow = $1 AND s.lead = concat(chr(1), l.old)"
					 "   RETURNING l.old, s.*)"
					 " INSERT INTO leadroute.events (flow, lead, at, kind, code, owner, team, reason, path)"
					 " SELECT flow, lead, $4, 'rekeyed', code, owner, team, format('the lead''s key was %s before', old),"
					 "   jsonb_build_array(jsonb_build_object('was', old)) FROM moved"
					 " WHERE status <> 'ignored'",
					 lengthof(types), types, values, SPI_OK_INSERT);
	lr_clocks_rekey(flow, values[1], values[2]);
	/* where another row bears the new key (no unique index guards it), that one is the lead, and this one's is gone */
	lr_owner_execute("UPDATE leadroute.lead_states s SET lead = l.old"
					 " FROM unnest($2) l(old)"
					 " WHERE s.flow = $1 AND s.lead = concat(chr(1), l.old) RETURNING s.lead",
					 lengthof(types), types, values, SPI_OK_UPDATE_RETURNING);
	if (SPI_processed > 0)
	{
		Datum merged[] = {values[0], spi_texts(), CStringGetTextDatum("deleted"), values[3]};

		close_states(flow, merged);
	}
	/* keys of match rules have followed their row (duplicate.c); those that are its duplicates go on pointing to it */
	lr_owner_execute("UPDATE leadroute.lead_states s SET duplicate_of = l.new FROM unnest($2, $3) l(old, new)"
					 " WHERE s.flow = $1 AND s.duplicate_of = l.old",
					 lengthof(types), types, values, SPI_OK_UPDATE);
	/* and its signals stay its own */
	lr_owner_execute("UPDATE leadroute.signals g SET lead = l.new FROM unnest($2, $3) l(old, new) WHERE g.flow = $1 AND g.lead = l.old",
					 lengthof(types), types, values, SPI_OK_UPDATE);
	/* keys may change places here too: first all of them away */
	lr_owner_execute("DELETE FROM leadroute.identities i USING unnest($2, $3) l(old, new)"
					 " WHERE i.flow = $1 AND i.kind = 'key' AND i.key = l.old RETURNING l.new",
					 lengthof(types), types, values, SPI_OK_DELETE_RETURNING);
	if (SPI_processed > 0)
	{
		values[1] = spi_texts();
		lr_owner_execute("INSERT INTO leadroute.identities (flow, kind, key, lead)"
						 " SELECT $1, 'key', l.new, l.new FROM unnest($2) l(new) ON CONFLICT DO NOTHING",
						 lengthof(types), types, values, SPI_OK_INSERT);
	}
	lr_owner_end(&saved);
}

void
lr_state_remove(const char *flow, const char *lead)
{
	Oid types[] = {TEXTOID, TEXTOID};
	Datum values[] = {CStringGetTextDatum(flow), CStringGetTextDatum(lead)};
	OwnerSession saved;

	lr_owner_begin(&saved);
	lr_owner_execute("DELETE FROM leadroute.lead_states s WHERE s.flow = $1"
					 " AND s.lead = $2 AND s.status = ANY ('{unrouted,ignored,merged}')",
					 lengthof(types), types, values, SPI_OK_DELETE);
	lr_owner_end(&saved);
}

void
lr_state_refreshed(const char *flow)
{
	Oid types[] = {TEXTOID, TIMESTAMPTZOID};
	Datum values[] = {CStringGetTextDatum(flow), TimestampTzGetDatum(lr_now())};
	OwnerSession saved;

	lr_owner_begin(&saved);
	lr_owner_execute("UPDATE leadroute.attachments SET refreshed_at = $2 WHERE flow = $1",
					 lengthof(types), types, values, SPI_OK_UPDATE);
	lr_owner_end(&saved);
}

/* The first column of the last query's rows. */
static Datum
spi_texts(void)
{
	int n = (int) SPI_processed;
	char **texts = palloc(Max(n, 1) * sizeof(char *));

	for (int row = 0; row < n; row++)
		texts[row] = lr_spi_text(row, 1);
	return lr_text_array(texts, n);
}
