/*
 * journal.c
 *		Direct, buffered writes of lead_states, events, outbox, committee_checks and clocks.
 *
 * A row is formed when it is appended and waits with the number of the subtransaction that
 * appended it; an abort drops that subtransaction's rows, a commit hands them to the parent.
 * A flush writes the rows of the current subtransaction, no others (a savepoint's rollback would
 * take them along), by multi-insert with their index entries, then the ledger of turns
 * (rotation.c), and advances the command counter. No SPI, no triggers, no privileges: these tables
 * carry neither CHECK constraints nor foreign keys for that reason.
 *
 * Memory: the rows live in one context under TopTransactionContext, reset by a flush that leaves none; the slots and
 * the copied row descriptors live in a context of their own under CacheMemoryContext for the session.
 * Locks: RowExclusiveLock on the tables written, held to the end of the transaction.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "compat.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "journal.h"
#include "leadroute.h"
#include "rotation.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#define JOURNAL_BATCH 1000
#define JOURNAL_ID_PROCESS_BITS 12 /* 50 bits of microseconds last to the year 2071 */

PG_FUNCTION_INFO_V1(lr_sql_journal_id);

typedef struct JournalBuffer
{
	const char *name;
	int columns;
	int id_column; /* or -1 */
	Oid relid;
	TupleDesc desc; /* a copy: not reference counted */
	TupleTableSlot **slots;
	int slots_made;
	HeapTuple *tuples;
	SubTransactionId *subids;
	int room; /* of these two arrays */
	int count;
} JournalBuffer;

static JournalBuffer buffers[JOURNAL_TABLES] = {
	[JOURNAL_STATES] = {"lead_states", STATE_COLUMNS, -1},
	[JOURNAL_EVENTS] = {"events", EVENT_COLUMNS, EVENT_ID},
	[JOURNAL_OUTBOX] = {"outbox", OUTBOX_COLUMNS, OUTBOX_ID},
	[JOURNAL_CHECKS] = {"committee_checks", CHECK_COLUMNS, -1},
	[JOURNAL_CLOCKS] = {"clocks", CLOCK_COLUMNS, -1},
};

static MemoryContext journal_context = NULL; /* descriptors, slots, arrays: the session's */
static MemoryContext row_context = NULL;	 /* the rows that wait */
static bool journal_stale = true;			 /* a table was altered, dropped or made anew */

static void journal_ready(void);
static void journal_relcache_callback(Datum arg, Oid relid);
static int journal_take(JournalBuffer *buffer, SubTransactionId subid);
static void journal_write(JournalBuffer *buffer, int count);

void
lr_journal_begin_row(JournalRow *row)
{
	memset(row->nulls, true, sizeof(row->nulls));
}

void
lr_journal_set_text(JournalRow *row, int column, const char *value)
{
	if (value == NULL)
		return;
	row->values[column] = CStringGetTextDatum(value);
	row->nulls[column] = false;
}

void
lr_journal_set_time(JournalRow *row, int column, TimestampTz value)
{
	row->values[column] = TimestampTzGetDatum(value);
	row->nulls[column] = false;
}

void
lr_journal_set_datum(JournalRow *row, int column, Datum value)
{
	row->values[column] = value;
	row->nulls[column] = false;
}

void
lr_journal_append(JournalTable table, JournalRow *row)
{
	JournalBuffer *buffer = &buffers[table];
	MemoryContext oldcontext;

	journal_ready();
	if (buffer->count >= JOURNAL_BATCH)
		lr_journal_flush();
	if (buffer->count == buffer->room)
	{
		buffer->room *= 2;
		buffer->tuples = repalloc(buffer->tuples, buffer->room * sizeof(HeapTuple));
		buffer->subids = repalloc(buffer->subids, buffer->room * sizeof(SubTransactionId));
	}

	if (buffer->id_column >= 0)
	{
		row->values[buffer->id_column] = Int64GetDatum(lr_journal_id());
		row->nulls[buffer->id_column] = false;
	}
	if (row_context == NULL)
		row_context = AllocSetContextCreate(TopTransactionContext, "leadroute journal rows",
											ALLOCSET_DEFAULT_SIZES);
	oldcontext = MemoryContextSwitchTo(row_context);
	buffer->tuples[buffer->count] = heap_form_tuple(buffer->desc, row->values, row->nulls);
	MemoryContextSwitchTo(oldcontext);
	buffer->subids[buffer->count] = GetCurrentSubTransactionId();
	buffer->count++;
}

/*
 * An id without a sequence: a sequence's nextval would become the session's lastval(), which drivers read to
 * learn the key of the lead that they inserted. The time in microseconds stands before the number of the session's
 * process entry, so that ids of all sessions differ and mount with time; within a session they always do.
 */
int64
lr_journal_id(void)
{
	static int64 last_instant = 0;
	int64 instant = GetCurrentTimestamp();

	if (instant <= last_instant)
		instant = last_instant + 1;
	last_instant = instant;
	return (instant << JOURNAL_ID_PROCESS_BITS) | (MyProcNumber & ((1 << JOURNAL_ID_PROCESS_BITS) - 1));
}

/* journal_id(): the same for SQL, as the columns' default. */
Datum
lr_sql_journal_id(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(lr_journal_id());
}

void
lr_journal_flush(void)
{
	SubTransactionId subid = GetCurrentSubTransactionId();
	int left = 0;

	for (int i = 0; i < JOURNAL_TABLES; i++)
	{
		JournalBuffer *buffer = &buffers[i];
		int count = journal_take(buffer, subid);

		for (int done = 0; done < count; done += JOURNAL_BATCH)
			journal_write(buffer, Min(count - done, JOURNAL_BATCH));
		left += buffer->count;
	}
	(void) lr_rotation_write();
	if (row_context && left == 0)
		MemoryContextReset(row_context);
	CommandCounterIncrement();
}

/* Brings the subtransaction's rows to the front of the buffer; returns how many they are. */
static int
journal_take(JournalBuffer *buffer, SubTransactionId subid)
{
	int taken = 0;

	for (int row = 0; row < buffer->count; row++)
	{
		HeapTuple tuple = buffer->tuples[row];

		if (buffer->subids[row] != subid)
			continue;
		if (row != taken)
		{
			buffer->tuples[row] = buffer->tuples[taken];
			buffer->subids[row] = buffer->subids[taken];
			buffer->tuples[taken] = tuple;
			buffer->subids[taken] = subid;
		}
		taken++;
	}
	return taken;
}

void
lr_journal_forget(SubTransactionId subid)
{
	for (int i = 0; i < JOURNAL_TABLES; i++)
	{
		JournalBuffer *buffer = &buffers[i];
		int kept = 0;

		for (int row = 0; row < buffer->count; row++)
		{
			if (buffer->subids[row] == subid)
				continue;
			buffer->tuples[kept] = buffer->tuples[row];
			buffer->subids[kept] = buffer->subids[row];
			kept++;
		}
		buffer->count = kept;
	}
}

void
lr_journal_reparent(SubTransactionId subid, SubTransactionId parent)
{
	for (int i = 0; i < JOURNAL_TABLES; i++)
		for (int row = 0; row < buffers[i].count; row++)
			if (buffers[i].subids[row] == subid)
				buffers[i].subids[row] = parent;
}

void
lr_journal_end(void)
{
	for (int i = 0; i < JOURNAL_TABLES; i++)
		buffers[i].count = 0;
	row_context = NULL; /* went with TopTransactionContext */
}

/* Looks the tables up, once a session and after each change of their definition. */
static void
journal_ready(void)
{
	static bool registered = false;
	MemoryContext oldcontext;

	if (!journal_stale)
		return;
	if (!registered)
	{
		CacheRegisterRelcacheCallback(journal_relcache_callback, (Datum) 0);
		registered = true;
	}
	for (int i = 0; i < JOURNAL_TABLES; i++)
		if (buffers[i].count > 0)
			return; /* rows of the old shape wait: look again after the flush */

	if (journal_context)
		MemoryContextReset(journal_context);
	else
		journal_context = AllocSetContextCreate(CacheMemoryContext, "leadroute journal",
												ALLOCSET_DEFAULT_SIZES);
	oldcontext = MemoryContextSwitchTo(journal_context);
	for (int i = 0; i < JOURNAL_TABLES; i++)
	{
		JournalBuffer *buffer = &buffers[i];
		Relation rel;

		buffer->relid = lr_relation_oid(buffer->name);
		rel = table_open(buffer->relid, RowExclusiveLock);
		if (RelationGetNumberOfAttributes(rel) != buffer->columns)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("relation \"leadroute.%s\" does not have the shape of this library", buffer->name),
					 errhint("Run ALTER EXTENSION leadroute UPDATE, or install the library that belongs to the extension's version.")));
		buffer->desc = CreateTupleDescCopy(RelationGetDescr(rel));
		buffer->slots = palloc0(JOURNAL_BATCH * sizeof(TupleTableSlot *));
		buffer->slots_made = 0;
		buffer->room = JOURNAL_BATCH;
		buffer->tuples = palloc(buffer->room * sizeof(HeapTuple));
		buffer->subids = palloc(buffer->room * sizeof(SubTransactionId));
		table_close(rel, NoLock);
	}
	MemoryContextSwitchTo(oldcontext);
	journal_stale = false;
}

static void
journal_relcache_callback(Datum arg, Oid relid)
{
	if (relid == InvalidOid)
		journal_stale = true;
	for (int i = 0; i < JOURNAL_TABLES; i++)
		if (buffers[i].relid == relid)
			journal_stale = true;
}

/* Writes the first `count` rows and takes them out of the buffer. */
static void
journal_write(JournalBuffer *buffer, int count)
{
	MemoryContext write_context = AllocSetContextCreate(CurrentMemoryContext, "leadroute journal write",
														ALLOCSET_DEFAULT_SIZES);
	MemoryContext oldcontext;
	Relation rel = table_open(buffer->relid, RowExclusiveLock);
	EState *estate;
	ResultRelInfo *target;

	oldcontext = MemoryContextSwitchTo(journal_context);
	for (; buffer->slots_made < count; buffer->slots_made++)
		buffer->slots[buffer->slots_made] = MakeSingleTupleTableSlot(buffer->desc, &TTSOpsHeapTuple);
	MemoryContextSwitchTo(write_context);

	estate = CreateExecutorState();
	target = makeNode(ResultRelInfo);
	InitResultRelInfo(target, rel, 1, NULL, 0);
	ExecOpenIndices(target, false);

	for (int i = 0; i < count; i++)
	{
		ExecStoreHeapTuple(buffer->tuples[i], buffer->slots[i], false);
		buffer->slots[i]->tts_tableOid = buffer->relid;
	}
	table_multi_insert(rel, buffer->slots, count, GetCurrentCommandId(true), 0, NULL);
	for (int i = 0; i < count; i++)
	{
		if (target->ri_NumIndices > 0)
			lr_ExecInsertIndexTuples(target, buffer->slots[i], estate, false, false, NULL, NIL, false);
		ResetPerTupleExprContext(estate);
		ExecClearTuple(buffer->slots[i]);
	}
	ExecCloseIndices(target);
	FreeExecutorState(estate);
	table_close(rel, NoLock);
	MemoryContextSwitchTo(oldcontext);
	MemoryContextDelete(write_context);

	buffer->count -= count;
	memmove(buffer->tuples, buffer->tuples + count, buffer->count * sizeof(HeapTuple));
	memmove(buffer->subids, buffer->subids + count, buffer->count * sizeof(SubTransactionId));
}
