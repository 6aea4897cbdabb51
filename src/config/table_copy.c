/*
 * table_copy.c
 *		A small table of ours, read whole into a session's memory and forgotten when it changes.
 *
 * A row trigger (table_changed, ENABLE ALWAYS) and one for TRUNCATE send a relcache invalidation of the table: others hear of it when
 * the change commits, the writer at his next command, and again should he roll back. The newest snapshot is read, as for
 * configuration, and whoever asks: who may insert a lead need not be able to read the table.
 *
 * Memory: one context a table under CacheMemoryContext, deleted whole when it is stale.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "leadroute.h"
#include "table_copy.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

static TableCopy *copies = NULL;

static void table_copy_relcache_callback(Datum arg, Oid relid);
static void read_table(TableCopy *copy);
static void scan_table(Relation rel, TableCopy *copy, void *content);

void
lr_table_copy_init(void)
{
	CacheRegisterRelcacheCallback(table_copy_relcache_callback, (Datum) 0);
}

static void
table_copy_relcache_callback(Datum arg, Oid relid)
{
	for (TableCopy *copy = copies; copy; copy = copy->next)
	{
		if (relid == InvalidOid || relid == copy->relid)
			copy->changes++;
	}
}

Relation
lr_table_copy_open(TableCopy *copy)
{
	Relation rel = table_open(lr_relation_oid(copy->relation), AccessShareLock);

	if (copy->relid == InvalidOid)
	{
		copy->next = copies;
		copies = copy;
	}
	copy->relid = RelationGetRelid(rel);
	return rel;
}

bool
lr_table_copy_is_current(const TableCopy *copy)
{
	return copy->content && copy->read == copy->changes;
}

void *
lr_table_copy_content(TableCopy *copy)
{
	if (!lr_table_copy_is_current(copy))
		read_table(copy);
	return copy->content;
}

static void
read_table(TableCopy *copy)
{
	MemoryContext mcxt;
	Relation rel;
	void *content;
	uint64 seen;

	if (copy->content)
	{
		copy->content = NULL;
		MemoryContextDelete(copy->mcxt);
	}

	/* the transaction's until it is whole */
	mcxt = AllocSetContextCreate(CurTransactionContext, "leadroute table", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSetIdentifier(mcxt, copy->label);
	content = MemoryContextAllocZero(mcxt, copy->size);
	copy->begin(content, mcxt);
	rel = lr_table_copy_open(copy);
	AcceptInvalidationMessages();
	seen = copy->changes;
	scan_table(rel, copy, content);
	table_close(rel, AccessShareLock);
	if (copy->finish)
		copy->finish(content);

	MemoryContextSetParent(mcxt, CacheMemoryContext);
	copy->mcxt = mcxt;
	copy->content = content;
	copy->read = seen;
}

static void
scan_table(Relation rel, TableCopy *copy, void *content)
{
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		copy->add(content, slot);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
}
