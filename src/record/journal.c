/*
 * journal.c
 *		Direct, buffered writes of lead_states, events, outbox, committee_checks and clocks.
 *
 * A row is formed when it is appended and waits with the number of the subtransaction that
 * appended it; an abort drops that subtransaction's rows, a commit hands them to the parent.
 * A flush writes the rows of the current subtransaction, no others (a savepoint's rollback would
 * take them along): the heaps of all tables, the ledger of turns (rotation.c), then the indexes; and advances
 * the command counter. No SPI, no triggers, no privileges (direct.c): these tables
 * carry neither CHECK constraints nor foreign keys for that reason.
 *
 * Memory: the rows live in a context of the session, reset by a flush that leaves none and at the transaction's end; the
 * arrays in another.
 * Locks: RowExclusiveLock on the tables written, held to the end of the transaction.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "compat.h"
#include "direct.h"
#include "fmgr.h"
#include "journal.h"
#include "leadroute.h"
#include "rotation.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define FIRST_ROOM 16			   /* rows of a table: most statements write few */
#define JOURNAL_ID_PROCESS_BITS 12 /* 50 bits of microseconds last to the year 2071 */

PG_FUNCTION_INFO_V1(lr_sql_journal_id);

typedef struct JournalBuffer
{
	DirectTable table;
	int id_column; /* or -1 */
	HeapTuple *tuples;
	SubTransactionId *subids;
	int room; /* of these two arrays */
	int count;
} JournalBuffer;

static JournalBuffer buffers[JOURNAL_TABLES] = {
	[JOURNAL_STATES] = {{"lead_states", STATE_COLUMNS}, -1},
	[JOURNAL_EVENTS] = {{"events", EVENT_COLUMNS}, EVENT_ID},
	[JOURNAL_OUTBOX] = {{"outbox", OUTBOX_COLUMNS}, OUTBOX_ID},
	[JOURNAL_CHECKS] = {{"committee_checks", CHECK_COLUMNS}, -1},
	[JOURNAL_CLOCKS] = {{"clocks", CLOCK_COLUMNS}, -1},
};

static MemoryContext journal_context = NULL; /* the arrays: the session's */
static MemoryContext row_context = NULL;	 /* the rows that wait */

static void make_room(JournalBuffer *buffer);
static bool write_batch(SubTransactionId subid);
static int take_rows(JournalBuffer *buffer, SubTransactionId subid);

void
lr_journal_begin_row(JournalRow *row)
{
	memset(row->nulls, true, sizeof(row->nulls));
	row->text_used = 0;
}

void
lr_journal_set_text(JournalRow *row, int column, const char *value)
{
	Size length;

	if (value == NULL)
		return;
	length = strlen(value);
	/* most are short: they need no memory of their own and no alignment */
	if (length + VARHDRSZ_SHORT <= VARATT_SHORT_MAX && row->text_used + length + VARHDRSZ_SHORT <= JOURNAL_TEXT_ROOM)
	{
		char *text = row->text + row->text_used;

		SET_VARSIZE_SHORT(text, length + VARHDRSZ_SHORT);
		memcpy(VARDATA_SHORT(text), value, length);
		row->text_used += (int) (length + VARHDRSZ_SHORT);
		row->values[column] = PointerGetDatum(text);
	}
	else
		row->values[column] = PointerGetDatum(cstring_to_text_with_len(value, (int) length));
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

	if (buffer->count >= DIRECT_BATCH)
		lr_journal_flush();
	if (buffer->count == buffer->room)
		make_room(buffer);

	if (buffer->id_column >= 0)
	{
		row->values[buffer->id_column] = Int64GetDatum(lr_journal_id());
		row->nulls[buffer->id_column] = false;
	}
	if (row_context == NULL)
		row_context = AllocSetContextCreate(CacheMemoryContext, "leadroute journal rows", ALLOCSET_DEFAULT_SIZES);
	oldcontext = MemoryContextSwitchTo(row_context);
	buffer->tuples[buffer->count] = heap_form_tuple(lr_direct_desc(&buffer->table), row->values, row->nulls);
	MemoryContextSwitchTo(oldcontext);
	buffer->subids[buffer->count] = GetCurrentSubTransactionId();
	buffer->count++;
}

static void
make_room(JournalBuffer *buffer)
{
	if (journal_context == NULL)
		journal_context = AllocSetContextCreate(CacheMemoryContext, "leadroute journal", ALLOCSET_DEFAULT_SIZES);
	if (buffer->room == 0)
	{
		buffer->tuples = MemoryContextAlloc(journal_context, FIRST_ROOM * sizeof(HeapTuple));
		buffer->subids = MemoryContextAlloc(journal_context, FIRST_ROOM * sizeof(SubTransactionId));
		buffer->room = FIRST_ROOM;
		return;
	}
	buffer->tuples = repalloc(buffer->tuples, 2 * buffer->room * sizeof(HeapTuple));
	buffer->subids = repalloc(buffer->subids, 2 * buffer->room * sizeof(SubTransactionId));
	buffer->room *= 2;
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

	while (write_batch(subid))
		;
	for (int i = 0; i < JOURNAL_TABLES; i++)
		left += buffers[i].count;
	if (row_context && left == 0)
		MemoryContextReset(row_context);
	CommandCounterIncrement();
}

/* Writes the ledger and up to DIRECT_BATCH rows of each table. True where more of them are left. */
static bool
write_batch(SubTransactionId subid)
{
	static MemoryContext write_context = NULL;
	MemoryContext oldcontext;
	DirectWrite writes[JOURNAL_TABLES];
	int counts[JOURNAL_TABLES];
	bool more = false;

	if (write_context == NULL)
		write_context = AllocSetContextCreate(CacheMemoryContext, "leadroute journal write", ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(write_context);
	oldcontext = MemoryContextSwitchTo(write_context);
	for (int i = 0; i < JOURNAL_TABLES; i++)
	{
		int waiting = take_rows(&buffers[i], subid);

		counts[i] = Min(waiting, DIRECT_BATCH);
		more |= waiting > DIRECT_BATCH;
		if (counts[i] == 0)
			continue;
		lr_direct_open(&buffers[i].table, &writes[i]);
		lr_direct_store(&writes[i], buffers[i].tuples, counts[i]);
	}
	(void) lr_rotation_write();
	for (int i = 0; i < JOURNAL_TABLES; i++)
	{
		JournalBuffer *buffer = &buffers[i];
		int count = counts[i];

		if (count == 0)
			continue;
		lr_direct_index(&writes[i], count);
		lr_direct_close(&writes[i]);
		buffer->count -= count;
		memmove(buffer->tuples, buffer->tuples + count, buffer->count * sizeof(HeapTuple));
		memmove(buffer->subids, buffer->subids + count, buffer->count * sizeof(SubTransactionId));
	}
	MemoryContextSwitchTo(oldcontext);
	return more;
}

/* Brings the subtransaction's rows to the front of the buffer; returns how many they are. */
static int
take_rows(JournalBuffer *buffer, SubTransactionId subid)
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
	if (row_context)
		MemoryContextReset(row_context);
}
