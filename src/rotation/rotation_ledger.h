/*
 * rotation_ledger.h
 *		The ledger of turns and places, leadroute.rotation. Private to rotation*.c.
 */
#ifndef LR_ROTATION_LEDGER_H
#define LR_ROTATION_LEDGER_H

#include "access/htup.h"
#include "rotation_delta.h"

/* Rows of the ledger handed to the table at a time. */
#define LEDGER_BATCH 100

/* The ledger's columns. */
typedef enum LedgerColumn
{
	LEDGER_FLOW,
	LEDGER_TEAM,
	LEDGER_REP,
	LEDGER_POINTER,
	LEDGER_OPEN,
	LEDGER_MINUTE,
	LEDGER_LEADS,
	LEDGER_COLUMNS
} LedgerColumn;

/* Rows on their way into the ledger. */
typedef struct LedgerRows
{
	HeapTuple rows[LEDGER_BATCH];
	int n;
	bool any;
} LedgerRows;

/* A member's sums in the ledger, and what shared memory took for committed when they were read. */
typedef struct LedgerMember
{
	RotationKey key;
	int64 pointer;
	int64 open;
	int64 shared_pointer;
	int64 shared_open;
} LedgerMember;

/* What the ledger says of a span of a meter, and what shared memory took for committed when it was read. */
typedef struct LedgerCount
{
	struct
	{
		RotationMeter *meter;
		int64 begin;
	} key;
	int32 end;
	int32 shared;
	int64 leads;
} LedgerCount;

extern void lr_ledger_begin(LedgerRows *rows);

/* Adds a row; with a tally, one that says how many leads were given in a minute. */
extern void lr_ledger_store(LedgerRows *rows, const RotationSlot *slot, int64 pointer, int64 open,
							const RotationTally *tally);

/* Writes what is left of them; returns whether there were any. */
extern bool lr_ledger_finish(LedgerRows *rows);

/* Adds the ledger's rows that the snapshot sees into a hash of LedgerMember, and of LedgerCount unless counts is NULL. */
extern HTAB *lr_rotation_ledger_hash(void);
extern void lr_rotation_sum_ledger(Relation ledger, Snapshot snapshot, HTAB *members, HTAB *counts);

/* A hash of LedgerCount, and the entry of a meter's span in it. */
extern HTAB *lr_rotation_count_hash(void);
extern LedgerCount *lr_rotation_find_count(HTAB *counts, RotationMeter *meter, int32 begin, int32 end);

#endif /* LR_ROTATION_LEDGER_H */
