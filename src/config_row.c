/*
 * config_row.c
 *		Rows of the configuration tables, as C wants them.
 *
 * For the files that read a part of the configuration (config.c and those that it calls). Between SPI_connect and SPI_finish as the
 * extension's owner; nothing is locked but what a query locks.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "config_row.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

uint64
lr_config_rows(const char *query, const char *flow)
{
	Oid types[1] = {TEXTOID};
	Datum values[1];
	SPIPlanPtr plan = SPI_prepare(query, 1, types);
	Snapshot snapshot;
	int result;

	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed for \"%s\": %s", query, SPI_result_code_string(SPI_result));
	values[0] = CStringGetTextDatum(flow);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	result = SPI_execute_snapshot(plan, values, NULL, snapshot, InvalidSnapshot, true, false, 0);
	UnregisterSnapshot(snapshot);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_snapshot failed for \"%s\": %s", query, SPI_result_code_string(result));
	return SPI_processed;
}

char *
lr_row_text(FlowConfig *config, uint64 row, int column)
{
	char *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);

	return value ? MemoryContextStrdup(config->mcxt, value) : NULL;
}

bool
lr_row_bool(uint64 row, int column)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

	return !isnull && DatumGetBool(value);
}

int
lr_row_int(uint64 row, int column)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? 0 : DatumGetInt32(value);
}

int64
lr_row_int64(uint64 row, int column)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

bool
lr_row_interval(uint64 row, int column, Interval *interval)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

	if (!isnull)
		*interval = *DatumGetIntervalP(value);
	return !isnull;
}

/* A number, or NO_LIMIT for NULL. */
int
lr_row_limit(uint64 row, int column)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? NO_LIMIT : DatumGetInt32(value);
}

TimestampTz
lr_row_time(uint64 row, int column, TimestampTz otherwise)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? otherwise : DatumGetTimestampTz(value);
}

struct varlena *
lr_row_varlena(FlowConfig *config, uint64 row, int column)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);
	struct varlena *plain;
	struct varlena *copy;

	if (isnull)
		return NULL;
	plain = PG_DETOAST_DATUM(value);
	copy = MemoryContextAlloc(config->mcxt, VARSIZE(plain));
	memcpy(copy, plain, VARSIZE(plain));
	return copy;
}

int
lr_row_word(uint64 row, int column, const char *const *words, int n)
{
	const char *word = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);

	for (int i = 0; i < n; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	elog(ERROR, "unrecognized word \"%s\" in the configuration", word);
}

/* The elements of a text[] without NULLs; none where it is NULL. */
const char **
lr_row_texts(FlowConfig *config, uint64 row, int column, int *n)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);
	Datum *elements;
	const char **texts;

	*n = 0;
	if (isnull)
		return NULL;
	deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, n);
	texts = MemoryContextAlloc(config->mcxt, Max(*n, 1) * sizeof(char *));
	for (int i = 0; i < *n; i++)
		texts[i] = MemoryContextStrdup(config->mcxt, TextDatumGetCString(elements[i]));
	return texts;
}
