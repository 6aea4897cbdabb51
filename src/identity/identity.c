/*
 * identity.c
 *		Keys that only one lead may hold.
 *
 * A claim is a speculative insertion into leadroute.identities, as INSERT … ON CONFLICT does it, but in the other
 * order: most keys are new, so it inserts provisionally first; only where the index says that another holds the key
 * does it take the row back, look who that is (waiting for his transaction, where it is in progress), and begin again
 * where he is gone.
 *
 * A key changes hands by an update of its row, which touches no index; who wants the key meanwhile waits for that, too.
 * Claims whose rows turn out not to have been inserted are undone later: the statement's end may touch no table.
 * Memory: what waits to be undone is in TopTransactionContext; all else is the caller's.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "compat.h"
#include "direct.h"
#include "executor/executor.h"
#include "identity.h"
#include "leadroute.h"
#include "miscadmin.h"
#include "subtransaction.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

enum
{
	IDENTITY_FLOW = 1,
	IDENTITY_KIND,
	IDENTITY_KEY,
	IDENTITY_LEAD,
	IDENTITY_COLUMNS = IDENTITY_LEAD
};

struct IdentityTable
{
	DirectWrite write;
	EState *estate; /* these two where a key is held already */
	ResultRelInfo *target;
	TupleTableSlot *slot;  /* to be inserted */
	TupleTableSlot *other; /* found, or NULL: none yet */
};

typedef struct Drop
{
	OfSubtransaction of;
	Claim claim;
} Drop;

static DirectTable identities = {"identities", IDENTITY_COLUMNS};
static List *drops = NIL; /* of Drop, in TopTransactionContext */

static ResultRelInfo *executor_target(IdentityTable *table);
static void fill_slot(TupleTableSlot *slot, const char *flow, const char *kind, const char *key, const char *lead);
static char *holder_of(IdentityTable *table, ItemPointer row, bool *unseen);
static void undo(IdentityTable *table, const Claim *claim);
static void forget(void *item);
static bool find_row(IdentityTable *table, Snapshot snapshot, const char *flow, const char *kind, const char *key);

IdentityTable *
lr_identity_open(void)
{
	IdentityTable *table = palloc(sizeof(IdentityTable));

	lr_direct_open(&identities, &table->write);
	table->estate = NULL;
	table->target = NULL;
	table->slot = table->write.row;
	table->other = NULL;
	return table;
}

void
lr_identity_close(IdentityTable *table)
{
	if (table->other)
		ExecDropSingleTupleTableSlot(table->other);
	if (table->target)
	{
		ExecCloseIndices(table->target);
		FreeExecutorState(table->estate);
	}
	lr_direct_close(&table->write);
	pfree(table);
}

/* What the executor needs to check a key, or to write another version of a row. */
static ResultRelInfo *
executor_target(IdentityTable *table)
{
	if (table->target)
		return table->target;
	table->estate = CreateExecutorState();
	table->target = makeNode(ResultRelInfo);
	InitResultRelInfo(table->target, table->write.rel, 1, NULL, 0);
	ExecOpenIndices(table->target, true);
	return table->target;
}

bool
lr_identity_claim(IdentityTable *table, const char *flow, const char *kind, const char *key, const char *lead,
				  Claim *claim, char **holder, bool *unseen)
{
	claim->previous = NULL;
	for (;;)
	{
		ItemPointerData invalid;
		ResultRelInfo *target;

		CHECK_FOR_INTERRUPTS();
		fill_slot(table->slot, flow, kind, key, lead);
		if (lr_direct_claim(&table->write))
		{
			claim->row = table->slot->tts_tid;
			return true;
		}
		fill_slot(table->slot, flow, kind, key, lead);
		ItemPointerSetInvalid(&invalid);
		target = executor_target(table);
		if (!lr_ExecCheckIndexConstraints(target, table->slot, table->estate, &claim->row, &invalid, NIL))
		{
			*holder = holder_of(table, &claim->row, unseen);
			if (*holder)
				return false;
		}
	}
}

static void
fill_slot(TupleTableSlot *slot, const char *flow, const char *kind, const char *key, const char *lead)
{
	ExecClearTuple(slot);
	memset(slot->tts_isnull, false, IDENTITY_COLUMNS * sizeof(bool));
	slot->tts_values[IDENTITY_FLOW - 1] = CStringGetTextDatum(flow);
	slot->tts_values[IDENTITY_KIND - 1] = CStringGetTextDatum(kind);
	slot->tts_values[IDENTITY_KEY - 1] = CStringGetTextDatum(key);
	slot->tts_values[IDENTITY_LEAD - 1] = CStringGetTextDatum(lead);
	ExecStoreVirtualTuple(slot);
}

/* The lead of a row that was found to be there; NULL where it is gone again. */
static char *
holder_of(IdentityTable *table, ItemPointer row, bool *unseen)
{
	bool isnull;

	if (table->other == NULL)
		table->other = table_slot_create(table->write.rel, NULL);
	if (!table_tuple_fetch_row_version(table->write.rel, row, SnapshotAny, table->other))
		return NULL;
	*unseen = IsolationUsesXactSnapshot() &&
			  !TransactionIdIsCurrentTransactionId(DatumGetTransactionId(slot_getsysattr(table->other, MinTransactionIdAttributeNumber, &isnull))) &&
			  !table_tuple_satisfies_snapshot(table->write.rel, table->other, GetTransactionSnapshot());
	return TextDatumGetCString(slot_getattr(table->other, IDENTITY_LEAD, &isnull));
}

bool
lr_identity_take(IdentityTable *table, Claim *claim, const char *lead)
{
	TupleTableSlot *slot = table->slot;
	ResultRelInfo *target;
	TM_FailureData failure;
	LockTupleMode mode;
	lr_UpdateIndexes update_indexes;
	TM_Result result;
	bool unseen;
	char *previous;

	/* this very command may have written the row */
	CommandCounterIncrement();
	previous = holder_of(table, &claim->row, &unseen);
	if (previous == NULL)
		return false;
	slot_getallattrs(table->other);
	ExecClearTuple(slot);
	memcpy(slot->tts_values, table->other->tts_values, IDENTITY_COLUMNS * sizeof(Datum));
	memset(slot->tts_isnull, false, IDENTITY_COLUMNS * sizeof(bool));
	slot->tts_values[IDENTITY_LEAD - 1] = CStringGetTextDatum(lead);
	ExecStoreVirtualTuple(slot);
	result = table_tuple_update(table->write.rel, &claim->row, slot, GetCurrentCommandId(true), InvalidSnapshot, InvalidSnapshot,
								true, &failure, &mode, &update_indexes);
	if (result != TM_Ok)
		return false;
	/* the page had no room for another version: the index needs to know the new place */
	target = lr_indexes_need_update(update_indexes) ? executor_target(table) : NULL;
	if (target)
		(void) lr_ExecInsertIndexTuples(target, slot, table->estate, false, false, NULL, NIL, false);
	claim->row = slot->tts_tid;
	claim->previous = previous;
	return true;
}

char *
lr_identity_holder(const char *flow, const char *kind, const char *key)
{
	IdentityTable *table = lr_identity_open();
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	char *holder = NULL;
	bool isnull;

	if (find_row(table, snapshot, flow, kind, key))
		holder = TextDatumGetCString(slot_getattr(table->other, IDENTITY_LEAD, &isnull));
	UnregisterSnapshot(snapshot);
	lr_identity_close(table);
	return holder;
}

void
lr_identity_give(IdentityTable *table, const char *flow, const char *kind, const char *key, const char *lead, const char *to)
{
	CommandCounterIncrement();
	for (;;)
	{
		Claim claim;
		TM_FailureData failure;
		bool isnull;

		CHECK_FOR_INTERRUPTS();
		/* what is the lead's is this transaction's or committed: others would wait for the row of the leads table */
		if (!find_row(table, SnapshotSelf, flow, kind, key) ||
			strcmp(TextDatumGetCString(slot_getattr(table->other, IDENTITY_LEAD, &isnull)), lead) != 0)
			return;
		claim.row = table->other->tts_tid;
		if (to ? lr_identity_take(table, &claim, to)
			   : table_tuple_delete(table->write.rel, &claim.row, GetCurrentCommandId(true), InvalidSnapshot, InvalidSnapshot, true,
									&failure, false) == TM_Ok)
			return;
	}
}

/* Leaves the row in table->other. */
static bool
find_row(IdentityTable *table, Snapshot snapshot, const char *flow, const char *kind, const char *key)
{
	Relation index = lr_direct_primary(&table->write);
	const char *const parts[] = {flow, key, kind}; /* in the index's order */
	ScanKeyData keys[lengthof(parts)];
	IndexScanDesc scan;
	bool found;

	for (int i = 0; i < (int) lengthof(parts); i++)
		ScanKeyEntryInitialize(&keys[i], 0, (AttrNumber) (i + 1), BTEqualStrategyNumber, InvalidOid, index->rd_indcollation[i],
							   F_TEXTEQ, CStringGetTextDatum(parts[i]));
	if (table->other == NULL)
		table->other = table_slot_create(table->write.rel, NULL);
	scan = lr_index_beginscan(table->write.rel, index, snapshot, NULL, lengthof(parts), 0);
	index_rescan(scan, keys, lengthof(parts), NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, table->other);
	if (found)
		ExecMaterializeSlot(table->other);
	index_endscan(scan);
	return found;
}

void
lr_identity_drop_later(const Claim *claim, SubTransactionId subid)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(TopTransactionContext);
	Drop *drop = palloc(sizeof(Drop));

	drop->claim.row = claim->row;
	drop->claim.previous = claim->previous ? pstrdup(claim->previous) : NULL;
	drop->of.subid = subid;
	drops = lappend(drops, drop);
	MemoryContextSwitchTo(oldcontext);
}

/*
 * True where there were any. Those of outer subtransactions wait until that is current again: a rollback of this one
 * would bring them back.
 */
bool
lr_identity_drop_now(void)
{
	SubTransactionId subid = GetCurrentSubTransactionId();
	IdentityTable *table = NULL;
	ListCell *cell;

	foreach(cell, drops)
	{
		Drop *drop = lfirst(cell);

		if (drop->of.subid != subid)
			continue;
		if (table == NULL)
		{
			CommandCounterIncrement();
			table = lr_identity_open();
		}
		undo(table, &drop->claim);
		drops = foreach_delete_current(drops, cell);
		forget(drop);
	}
	if (table == NULL)
		return false;
	lr_identity_close(table);
	CommandCounterIncrement();
	return true;
}

/* A later row may have taken the key over already: then it is that one's. */
static void
undo(IdentityTable *table, const Claim *claim)
{
	Claim undone = *claim;
	TM_FailureData failure;

	if (claim->previous)
		(void) lr_identity_take(table, &undone, claim->previous);
	else
		(void) table_tuple_delete(table->write.rel, &undone.row, GetCurrentCommandId(true), InvalidSnapshot, InvalidSnapshot, true,
								  &failure, false);
}

static void
forget(void *item)
{
	Drop *drop = item;

	if (drop->claim.previous)
		pfree(unconstify(char *, drop->claim.previous));
	pfree(drop);
}

void
lr_identity_abort(SubTransactionId subid)
{
	drops = lr_subtransaction_abort(drops, subid, forget);
}

void
lr_identity_reparent(SubTransactionId subid, SubTransactionId parent)
{
	lr_subtransaction_reparent(drops, subid, parent);
}

void
lr_identity_end(void)
{
	drops = NIL;
}
