/*
 * rotation_ledger.c
 *		The ledger of turns and places, leadroute.rotation: appending its rows, and summing them.
 *
 * Rows are written past triggers and privileges, and are never updated. Summing needs a snapshot of the caller's.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tableam.h"
#include "direct.h"
#include "leadroute.h"
#include "miscadmin.h"
#include "rotation_ledger.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"

static DirectTable ledger_table = {"rotation", LEDGER_COLUMNS};

static void write_rows(LedgerRows *rows);
static void count_row(HTAB *counts, const RotationKey *key, int32 minute, int32 leads);

void
lr_ledger_begin(LedgerRows *rows)
{
	rows->n = 0;
	rows->any = false;
}

void
lr_ledger_store(LedgerRows *rows, const RotationSlot *slot, int64 pointer, int64 open, const RotationTally *tally)
{
	Datum values[LEDGER_COLUMNS];
	bool nulls[LEDGER_COLUMNS] = {false};

	if (rows->n == LEDGER_BATCH)
		write_rows(rows);
	values[LEDGER_FLOW] = CStringGetTextDatum(slot->flow);
	values[LEDGER_TEAM] = CStringGetTextDatum(slot->team);
	values[LEDGER_REP] = CStringGetTextDatum(slot->rep);
	values[LEDGER_POINTER] = Int64GetDatum(pointer);
	values[LEDGER_OPEN] = Int32GetDatum((int32) open);
	nulls[LEDGER_MINUTE] = nulls[LEDGER_LEADS] = tally == NULL;
	values[LEDGER_MINUTE] = tally ? TimestampTzGetDatum((TimestampTz) tally->minute * USECS_PER_MINUTE) : (Datum) 0;
	values[LEDGER_LEADS] = tally ? Int32GetDatum(tally->pending) : (Datum) 0;
	rows->rows[rows->n++] = heap_form_tuple(lr_direct_desc(&ledger_table), values, nulls);
	rows->any = true;
}

static void
write_rows(LedgerRows *rows)
{
	DirectWrite write;

	lr_direct_open(&ledger_table, &write);
	lr_direct_store(&write, rows->rows, rows->n);
	lr_direct_index(&write, rows->n);
	lr_direct_close(&write);
	for (int i = 0; i < rows->n; i++)
		heap_freetuple(rows->rows[i]);
	rows->n = 0;
}

bool
lr_ledger_finish(LedgerRows *rows)
{
	if (rows->n > 0)
		write_rows(rows);
	return rows->any;
}

void
lr_rotation_append(const char *flow, const char *team, const char *rep, int64 pointer, int32 open)
{
	LedgerRows rows;
	RotationSlot slot = {.flow = unconstify(char *, flow), .team = unconstify(char *, team), .rep = unconstify(char *, rep)};

	lr_ledger_begin(&rows);
	lr_ledger_store(&rows, &slot, pointer, open, NULL);
	(void) lr_ledger_finish(&rows);
}

HTAB *
lr_rotation_ledger_hash(void)
{
	HASHCTL info;

	memset(&info, 0, sizeof(info));
	info.keysize = sizeof(RotationKey);
	info.entrysize = sizeof(LedgerMember);
	info.hcxt = CurrentMemoryContext;
	return hash_create("leadroute rotation ledger", 256, &info, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

HTAB *
lr_rotation_count_hash(void)
{
	HASHCTL info;

	memset(&info, 0, sizeof(info));
	info.keysize = sizeof(((LedgerCount *) NULL)->key);
	info.entrysize = sizeof(LedgerCount);
	info.hcxt = CurrentMemoryContext;
	return hash_create("leadroute rotation ledger counts", 256, &info, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

LedgerCount *
lr_rotation_find_count(HTAB *counts, RotationMeter *meter, int32 begin, int32 end)
{
	LedgerCount probe;
	LedgerCount *count;
	bool found;

	memset(&probe, 0, sizeof(probe));
	probe.key.meter = meter;
	probe.key.begin = begin;
	count = hash_search(counts, &probe.key, HASH_ENTER, &found);
	if (!found)
	{
		count->end = end;
		count->shared = 0;
		count->leads = 0;
	}
	return count;
}

/* A row of the ledger that counts leads, for all meters of its member. */
static void
count_row(HTAB *counts, const RotationKey *key, int32 minute, int32 leads)
{
	SharedMember *member = lr_rotation_member(key);
	RotationMeter *meters[MEMBER_METERS];
	int n;

	lr_rotation_lock(key->partition, LW_SHARED);
	n = member->nmeters;
	memcpy(meters, member->meters, n * sizeof(RotationMeter *));
	lr_rotation_unlock(key->partition);
	for (int i = 0; i < n; i++)
	{
		int32 begin;
		int32 end;

		lr_meter_span(meters[i], minute, &begin, &end);
		lr_rotation_find_count(counts, meters[i], begin, end)->leads += leads;
	}
}

void
lr_rotation_sum_ledger(Relation ledger, Snapshot snapshot, HTAB *members, HTAB *counts)
{
	TupleTableSlot *row = table_slot_create(ledger, NULL);
	TableScanDesc scan = table_beginscan(ledger, snapshot, 0, NULL);
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext, "leadroute rotation row",
													  ALLOCSET_SMALL_SIZES);

	while (table_scan_getnextslot(scan, ForwardScanDirection, row))
	{
		MemoryContext caller_context;
		RotationKey key;
		LedgerMember *entry;
		bool found;

		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(row);
		caller_context = MemoryContextSwitchTo(row_context);
		key = lr_rotation_key(TextDatumGetCString(row->tts_values[LEDGER_FLOW]),
							  TextDatumGetCString(row->tts_values[LEDGER_TEAM]),
							  TextDatumGetCString(row->tts_values[LEDGER_REP]));
		MemoryContextSwitchTo(caller_context);
		MemoryContextReset(row_context);

		entry = hash_search(members, &key, HASH_ENTER, &found);
		if (!found)
			memset((char *) entry + sizeof(RotationKey), 0, sizeof(LedgerMember) - sizeof(RotationKey));
		entry->pointer += DatumGetInt64(row->tts_values[LEDGER_POINTER]);
		entry->open += DatumGetInt32(row->tts_values[LEDGER_OPEN]);
		if (counts && !row->tts_isnull[LEDGER_MINUTE] && !row->tts_isnull[LEDGER_LEADS])
			count_row(counts, &key, lr_rotation_minute(DatumGetTimestampTz(row->tts_values[LEDGER_MINUTE])),
					  DatumGetInt32(row->tts_values[LEDGER_LEADS]));
	}
	MemoryContextDelete(row_context);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(row);
}
