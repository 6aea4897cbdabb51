/*
 * match_row.c
 *		Which rows of a leads table may be new to find_duplicates().
 *
 * A row version keeps the 32 bits of the transaction that wrote it, also when it is frozen. Read
 * as the most recent transaction with these bits it is never older than it is, so what is new is
 * never missed; a version from before a wraparound may be taken for new, and then its hash tells.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "fmgr.h"
#include "utils/xid8.h"

PG_FUNCTION_INFO_V1(lr_written_since);

/* written_since(row_xmin xid, since xid8) RETURNS boolean */
Datum
lr_written_since(PG_FUNCTION_ARGS)
{
	TransactionId xmin;
	FullTransactionId next;
	uint64 full;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_BOOL(true);
	xmin = PG_GETARG_TRANSACTIONID(0);
	if (!TransactionIdIsNormal(xmin))
		PG_RETURN_BOOL(false);
	/* no row that a snapshot of ours sees is younger than the next transaction */
	next = ReadNextFullTransactionId();
	full = (U64FromFullTransactionId(next) & ~UINT64CONST(0xffffffff)) | xmin;
	if (full >= U64FromFullTransactionId(next))
		full -= UINT64CONST(0x100000000);
	PG_RETURN_BOOL(full >= U64FromFullTransactionId(PG_GETARG_FULLTRANSACTIONID(1)));
}
