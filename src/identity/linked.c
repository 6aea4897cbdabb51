/*
 * linked.c
 *		Duplicates and what becomes of their first lead: they have the owner that it gets later, and its place when it is gone.
 *
 * A duplicate of a lead without an owner may end without one too: both wait, or were discarded. Whoever gives the first
 * an owner then gives it to them, in the same transaction. They take no turn and no place, as any duplicate. What is under
 * way for one of them in the running statement goes before: a hand that gives it to somebody.
 *
 * A duplicate that is being inserted and its first lead that is being deleted, or said to be another's duplicate (accept_duplicate), know nothing of each other: neither waits. Whichever transaction is the
 * second to commit sees the other's work when it commits (effect.c, lr_linked_before_commit) and puts things right; only where the two commit at the same instant
 * neither does, and the sweep finds that (leadroute.sweep_orphans).
 *
 * Memory: the first leads of a transaction's duplicates, and those that it has linked, up to NOTED_AT_MOST, in TopTransactionContext.
 *
 * Order of locks: the first's row and state, which the caller holds, then of each duplicate, in the order of their keys, its
 * row and its state.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "journal.h"
#include "lead_hash.h"
#include "leadroute.h"
#include "linked.h"
#include "owner.h"
#include "pending.h"
#include "state.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* of more a bulk load's commit would take long to look: the sweep does */
#define NOTED_AT_MOST 20000

PG_FUNCTION_INFO_V1(lr_sql_hold_rows);
PG_FUNCTION_INFO_V1(lr_sql_note_first);

static HTAB *noted = NULL; /* of LeadKey */

static char **linked_leads(const char *flow, const char *first, bool skips, int *n);
static bool stands_for_itself(const LeadState *state);
static void leave_to_sweep(const LeadKey *first);
static bool row_stands(Relation rel, const FlowTable *table, const char *lead);
static bool hold(Relation rel, const FlowTable *table, const char *lead, bool waits);
static void follow(const char *flow, const char *first, const char *lead, TimestampTz at);

void
lr_linked_follow(const char *flow, const char *first, TimestampTz at)
{
	FlowTable table = lr_flow_table_if_any(flow);
	Relation rel;
	char **leads;
	int n;

	if (!OidIsValid(table.relid))
		return;
	leads = linked_leads(flow, first, false, &n);
	rel = table_open(table.relid, RowExclusiveLock);
	for (int i = 0; i < n; i++)
	{
		Pending *pending = lr_pending_find(flow, leads[i]);

		if (pending && !pending->confirmed)
			continue;
		if (lr_stored_lock(rel, &table, leads[i], rel->rd_rel->relowner, LockWaitBlock))
			follow(flow, first, leads[i], at);
	}
	table_close(rel, NoLock);
}

/* Those that have no owner, in the current context; locked, with `skips` less those whose state somebody else holds. */
static char **
linked_leads(const char *flow, const char *first, bool skips, int *n)
{
	Oid types[] = {TEXTOID, TEXTOID};
	Datum values[] = {CStringGetTextDatum(flow), CStringGetTextDatum(first)};
	MemoryContext context = CurrentMemoryContext;
	OwnerSession session;
	char **leads;
	char *query = psprintf("SELECT d.lead FROM leadroute.lead_states d WHERE d.flow = $1 AND d.duplicate_of = $2"
						   " AND d.status = 'duplicate' AND d.owner IS NULL AND d.closed_at IS NULL ORDER BY d.lead%s",
						   skips ? " FOR UPDATE SKIP LOCKED" : "");

	lr_owner_begin(&session);
	lr_owner_execute(query, lengthof(types), types, values, SPI_OK_SELECT);
	*n = (int) SPI_processed;
	leads = MemoryContextAlloc(context, (*n + 1) * sizeof(char *));
	for (int i = 0; i < *n; i++)
		leads[i] = MemoryContextStrdup(context, lr_spi_text(i, 1));
	lr_owner_end(&session);
	return leads;
}

void
lr_linked_succeed(const char *flow, char **gone, int n)
{
	Oid types[] = {TEXTOID, TEXTARRAYOID};
	Datum values[] = {CStringGetTextDatum(flow), lr_text_array(gone, n)};
	OwnerSession session;

	if (lr_config(flow)->nmatch_rules == 0)
		return;
	lr_journal_flush();
	lr_owner_begin(&session);
	lr_owner_execute("SELECT leadroute.succeed_leads($1, $2)", lengthof(types), types, values, SPI_OK_SELECT);
	lr_owner_end(&session);
}

void
lr_linked_note(const char *flow, const char *first)
{
	LeadKey probe = {flow, first};
	LeadKey *entry;
	bool found;

	if (noted == NULL)
		noted = lr_lead_hash_create("leadroute first leads", 16, sizeof(LeadKey), TopTransactionContext);
	if (hash_get_num_entries(noted) >= NOTED_AT_MOST)
		return;
	entry = hash_search(noted, &probe, HASH_ENTER, &found);
	if (found)
		return;
	entry->flow = MemoryContextStrdup(TopTransactionContext, flow);
	entry->lead = MemoryContextStrdup(TopTransactionContext, first);
}

void
lr_linked_before_commit(void)
{
	HASH_SEQ_STATUS status;
	LeadKey *entry;
	List *gone = NIL;
	ListCell *cell;
	bool outside = !ActiveSnapshotSet();

	if (noted == NULL || !lr_installed())
		return;
	if (outside)
		PushActiveSnapshot(GetTransactionSnapshot());
	hash_seq_init(&status, noted);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		LeadState state;

		if (lr_state_find(entry->flow, entry->lead, &state) && !stands_for_itself(&state))
			gone = lappend(gone, entry);
	}
	foreach(cell, gone)
	{
		entry = lfirst(cell);
		/* what has become of it, a snapshot that is older does not show */
		if (IsolationUsesXactSnapshot())
			leave_to_sweep(entry);
		else
			lr_linked_succeed(entry->flow, unconstify(char **, &entry->lead), 1);
	}
	lr_journal_flush();
	if (outside)
		PopActiveSnapshot();
}

/* Neither gone nor a duplicate itself. */
static bool
stands_for_itself(const LeadState *state)
{
	if (state->duplicate_of && (strcmp(state->status, "duplicate") == 0 || strcmp(state->status, "merged") == 0))
		return false;
	return !lr_state_is_gone(state);
}

static void
leave_to_sweep(const LeadKey *first)
{
	Oid types[] = {TEXTOID, TEXTOID};
	Datum values[] = {CStringGetTextDatum(first->flow), CStringGetTextDatum(first->lead)};
	OwnerSession session;

	lr_owner_begin(&session);
	lr_owner_execute("INSERT INTO leadroute.pending_heirs (flow, lead, gone, at) VALUES ($1, $2, true, leadroute.clock()) ON CONFLICT DO NOTHING",
					 lengthof(types), types, values, SPI_OK_INSERT);
	lr_owner_end(&session);
}

/* note_first(flow text, first text) RETURNS void */
Datum
lr_sql_note_first(PG_FUNCTION_ARGS)
{
	lr_linked_note(text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)));
	PG_RETURN_VOID();
}

void
lr_linked_end(void)
{
	noted = NULL;
}

bool
lr_linked_lock(Relation rel, const FlowTable *table, const char *flow, const char *first)
{
	int n;
	int nlocked;
	char **leads = linked_leads(flow, first, false, &n);

	if (n == 0)
		return true;
	for (int i = 0; i < n; i++)
		if (!hold(rel, table, leads[i], false))
			return false;
	(void) linked_leads(flow, first, true, &nlocked);
	return nlocked >= n;
}

/* False, where it does not wait, if somebody else has the lead's row; a lead without one is no hindrance. */
static bool
hold(Relation rel, const FlowTable *table, const char *lead, bool waits)
{
	return lr_stored_lock(rel, table, lead, rel->rd_rel->relowner, waits ? LockWaitBlock : LockWaitSkip) != NULL || waits || !row_stands(rel, table, lead);
}

static bool
row_stands(Relation rel, const FlowTable *table, const char *lead)
{
	return lr_stored_fetch(rel, table, lead, rel->rd_rel->relowner) != NULL;
}

/* hold_rows(flow text, leads text[], waits boolean) RETURNS boolean */
Datum
lr_sql_hold_rows(PG_FUNCTION_ARGS)
{
	FlowTable table = lr_flow_table_if_any(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	bool waits = PG_GETARG_BOOL(2);
	bool held = true;
	Relation rel;
	Datum *leads;
	bool *null;
	int n;

	if (!OidIsValid(table.relid))
		PG_RETURN_BOOL(true);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &leads, &null, &n);
	rel = table_open(table.relid, RowExclusiveLock);
	for (int i = 0; i < n && held; i++)
		held = null[i] || hold(rel, &table, TextDatumGetCString(leads[i]), waits);
	table_close(rel, NoLock);
	PG_RETURN_BOOL(held);
}

/* The caller holds the duplicate's row. Somebody may have given it an owner meanwhile. */
static void
follow(const char *flow, const char *first, const char *lead, TimestampTz at)
{
	Oid types[] = {TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID};
	Datum values[] = {CStringGetTextDatum(flow), CStringGetTextDatum(first), CStringGetTextDatum(lead), TimestampTzGetDatum(at)};
	OwnerSession session;
	bool followed;

	lr_owner_begin(&session);
	lr_owner_execute("WITH followed AS (UPDATE leadroute.lead_states d SET owner = f.owner, team = f.team, territory = f.territory,"
					 "   queue = NULL, rule = NULL, priority = NULL, queue_order = NULL, held_until = NULL, routed_at = $4,"
					 "   code = 'duplicate', route_reason = format('duplicate of lead %s: %s has it', f.lead, f.owner)"
					 "   FROM leadroute.lead_states f WHERE f.flow = $1 AND f.lead = $2 AND f.owner IS NOT NULL AND f.closed_at IS NULL"
					 "     AND d.flow = $1 AND d.lead = $3 AND d.duplicate_of = $2 AND d.status = 'duplicate' AND d.owner IS NULL"
					 "     AND d.closed_at IS NULL RETURNING d.*)"
					 " INSERT INTO leadroute.events (flow, lead, at, kind, code, owner, team, territory, reason)"
					 " SELECT flow, lead, $4, 'followed', 'duplicate', owner, team, territory, route_reason FROM followed",
					 lengthof(types), types, values, SPI_OK_INSERT);
	followed = SPI_processed > 0;
	lr_owner_end(&session);
	if (followed)
		lr_stored_outputs(flow, lead);
}
