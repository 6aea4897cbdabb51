/*
 * identity.c
 *		Keys that only one lead may hold.
 *
 * A claim is a speculative insertion into leadroute.identities, as INSERT … ON CONFLICT does it: look, insert
 * provisionally, and where the index says that another was faster, take the row back and look again.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "compat.h"
#include "executor/executor.h"
#include "identity.h"
#include "leadroute.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

enum
{
	IDENTITY_FLOW = 1,
	IDENTITY_KIND,
	IDENTITY_KEY,
	IDENTITY_LEAD
};

typedef struct Drop
{
	ItemPointerData claim;
	SubTransactionId subid;
} Drop;

static List *drops = NIL; /* of Drop, in TopTransactionContext */

static bool insert_speculatively(ResultRelInfo *target, TupleTableSlot *slot, EState *estate);

bool
lr_identity_claim(const char *flow, const char *kind, const char *key, const char *lead,
				  ItemPointer claim, char **holder)
{
	Relation rel = table_open(lr_relation_oid("identities"), RowExclusiveLock);
	EState *estate = CreateExecutorState();
	ResultRelInfo *target = makeNode(ResultRelInfo);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TupleTableSlot *other = NULL;
	ItemPointerData conflict;
	bool claimed;

	InitResultRelInfo(target, rel, 1, NULL, 0);
	ExecOpenIndices(target, true);
	ExecClearTuple(slot);
	memset(slot->tts_isnull, false, 4 * sizeof(bool));
	slot->tts_values[IDENTITY_FLOW - 1] = CStringGetTextDatum(flow);
	slot->tts_values[IDENTITY_KIND - 1] = CStringGetTextDatum(kind);
	slot->tts_values[IDENTITY_KEY - 1] = CStringGetTextDatum(key);
	slot->tts_values[IDENTITY_LEAD - 1] = CStringGetTextDatum(lead);
	ExecStoreVirtualTuple(slot);

	for (;;)
	{
		ItemPointerData invalid;

		CHECK_FOR_INTERRUPTS();
		ItemPointerSetInvalid(&invalid);
		if (lr_ExecCheckIndexConstraints(target, slot, estate, &conflict, &invalid, NIL))
		{
			claimed = insert_speculatively(target, slot, estate);
			if (claimed)
			{
				*claim = slot->tts_tid;
				break;
			}
			continue;
		}
		other = table_slot_create(rel, NULL);
		claimed = !table_tuple_fetch_row_version(rel, &conflict, SnapshotAny, other);
		if (!claimed)
		{
			bool isnull;

			*holder = TextDatumGetCString(slot_getattr(other, IDENTITY_LEAD, &isnull));
			break;
		}
		ExecDropSingleTupleTableSlot(other);
		other = NULL;
	}

	if (other)
		ExecDropSingleTupleTableSlot(other);
	ExecDropSingleTupleTableSlot(slot);
	ExecCloseIndices(target);
	FreeExecutorState(estate);
	table_close(rel, NoLock);
	return claimed;
}

static bool
insert_speculatively(ResultRelInfo *target, TupleTableSlot *slot, EState *estate)
{
	Relation rel = target->ri_RelationDesc;
	bool conflict = false;
	uint32 token = SpeculativeInsertionLockAcquire(GetCurrentTransactionId());

	table_tuple_insert_speculative(rel, slot, GetCurrentCommandId(true), 0, NULL, token);
	(void) lr_ExecInsertIndexTuples(target, slot, estate, false, true, &conflict, NIL, false);
	table_tuple_complete_speculative(rel, slot, token, !conflict);
	SpeculativeInsertionLockRelease(GetCurrentTransactionId());
	return !conflict;
}

void
lr_identity_drop_later(ItemPointer claim, SubTransactionId subid)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(TopTransactionContext);
	Drop *drop = palloc(sizeof(Drop));

	drop->claim = *claim;
	drop->subid = subid;
	drops = lappend(drops, drop);
	MemoryContextSwitchTo(oldcontext);
}

/* Those of outer subtransactions wait until that is current again: a rollback of this one would bring them back. */
void
lr_identity_drop_now(void)
{
	SubTransactionId subid = GetCurrentSubTransactionId();
	Relation rel = NULL;
	ListCell *cell;

	foreach(cell, drops)
	{
		Drop *drop = lfirst(cell);

		if (drop->subid != subid)
			continue;
		if (rel == NULL)
		{
			CommandCounterIncrement();
			rel = table_open(lr_relation_oid("identities"), RowExclusiveLock);
		}
		simple_heap_delete(rel, &drop->claim);
		drops = foreach_delete_current(drops, cell);
	}
	if (rel == NULL)
		return;
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

void
lr_identity_abort(SubTransactionId subid)
{
	ListCell *cell;

	foreach(cell, drops)
		if (((Drop *) lfirst(cell))->subid == subid)
			drops = foreach_delete_current(drops, cell);
}

void
lr_identity_reparent(SubTransactionId subid, SubTransactionId parent)
{
	ListCell *cell;

	foreach(cell, drops)
		if (((Drop *) lfirst(cell))->subid == subid)
			((Drop *) lfirst(cell))->subid = parent;
}

void
lr_identity_end(void)
{
	drops = NIL;
}
