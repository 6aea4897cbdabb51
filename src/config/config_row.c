/*
 * config_row.c
 *		Rows of the configuration tables, as C wants them.
 *
 * For the files that read a part of the configuration (config.c and those that it calls, calendar.c). The answer to a query is one piece of
 * memory without pointers, so that the answers of a reading, one behind the other, are what another session needs to do without its
 * queries (config_share.c). Where something is made of rows that each session would have to make anew, that is shared in their place. An answer holds the columns' types, a cell for each value, and behind these what is passed by reference: a variable-length value
 * with a header of four bytes and a zero behind it.
 *
 * Tables are read by SPI as the extension's owner; nothing is locked but what a query locks.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "compat.h"
#include "config_row.h"
#include "config_share.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "owner.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define CELL_NULL (-1)
#define CELL_VALUE (-2)

typedef struct Cell
{
	int64 size; /* CELL_NULL, CELL_VALUE, or bytes at the offset */
	union
	{
		int64 value;
		int64 offset; /* from where the answer begins */
	};
} Cell;

typedef struct Answer
{
	uint64 query; /* its hash */
	uint64 size;
	uint64 nrows;
	uint64 ncolumns;
	Oid types[FLEXIBLE_ARRAY_MEMBER]; /* then, aligned, the cells by row */
} Answer;

/* Queries that belong together. */
typedef struct Reading
{
	MemoryContext mcxt; /* keeps the answers */
	SharePlace place;
	char *image; /* what is left of the one that was found; NULL: the tables are read */
	char *end;
	List *answers; /* of the tables, to be shared */
} Reading;

static Reading *reading = NULL; /* under way */
static Answer *answer = NULL;	/* of the last query */

static void read_image(void (*read)(void *), void *arg);
static void read_tables(void (*read)(void *), void *arg);
static Answer *make_answer(uint64 hash, void *(*make)(void *arg, Size *size), void *arg);
static Answer *next_of_image(uint64 query);
static Answer *ask(const char *query, const char *flow, const char *name);
static void put_cell(StringInfo data, int at, Datum value, Form_pg_attribute attribute);
static Size cells_at(int ncolumns);
static const Cell *cell_of(uint64 row, int column);
static void *bytes_of(const Cell *cell);

/* ---- readings ---- */

void
lr_config_reading(const char *kind, const char *flow, const char *name, Oid anchor, MemoryContext mcxt, void (*read)(void *), void *arg)
{
	MemoryContext caller = MemoryContextSwitchTo(mcxt);
	Reading begun = {.mcxt = mcxt};
	Size size;

	Assert(reading == NULL);
	begun.image = lr_share_find(kind, flow, name, anchor, &begun.place, &size);
	begun.end = begun.image + size;
	MemoryContextSwitchTo(caller);
	PG_TRY();
	{
		reading = &begun;
		if (begun.image)
			read_image(read, arg);
		else
			read_tables(read, arg);
	}
	PG_FINALLY();
	{
		reading = NULL;
		answer = NULL;
	}
	PG_END_TRY();
}

static void
read_image(void (*read)(void *), void *arg)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "leadroute configuration", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(scratch);

	read(arg);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(scratch);
}

static void
read_tables(void (*read)(void *), void *arg)
{
	OwnerSession session;
	SharePiece *pieces;
	ListCell *lc;

	lr_owner_begin(&session);
	lr_share_look(&reading->place);
	read(arg);
	pieces = palloc(list_length(reading->answers) * sizeof(SharePiece));
	foreach(lc, reading->answers)
		pieces[foreach_current_index(lc)] = (SharePiece){.data = lfirst(lc), .size = ((Answer *) lfirst(lc))->size};
	lr_share_publish(&reading->place, pieces, list_length(reading->answers));
	lr_owner_end(&session);
}

bool
lr_config_is_shared(void)
{
	return reading->image || reading->place.publishes;
}

/* Stands among the answers as one without rows and columns. */
void *
lr_config_made(const char *what, void *(*make)(void *arg, Size *size), void *arg)
{
	uint64 hash = hash_bytes_extended((const unsigned char *) what, (int) strlen(what), 0);
	Answer *made = reading->image ? next_of_image(hash) : make_answer(hash, make, arg);

	return made->size > cells_at(0) ? (char *) made + cells_at(0) : NULL;
}

/* The rows that it is made of are nobody's afterwards. */
static Answer *
make_answer(uint64 hash, void *(*make)(void *arg, Size *size), void *arg)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "leadroute configuration", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(scratch);
	Reading outer = *reading;
	Size size = 0;
	const void *data;
	Answer *made;

	reading->mcxt = scratch;
	reading->answers = NIL;
	data = make(arg, &size);
	reading->mcxt = outer.mcxt;
	reading->answers = outer.answers;
	MemoryContextSwitchTo(caller);

	made = MemoryContextAllocExtended(reading->mcxt, cells_at(0) + MAXALIGN(size), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	made->query = hash;
	made->size = cells_at(0) + MAXALIGN(size);
	if (size > 0)
		memcpy((char *) made + cells_at(0), data, size);
	MemoryContextDelete(scratch);
	if (reading->place.publishes)
		reading->answers = lappend(reading->answers, made);
	return made;
}

/* ---- queries ---- */

uint64
lr_config_rows(const char *query, const char *flow)
{
	return lr_config_rows_named(query, flow, NULL);
}

uint64
lr_config_rows_named(const char *query, const char *flow, const char *name)
{
	uint64 hash = hash_bytes_extended((const unsigned char *) query, (int) strlen(query), 0);

	if (reading && reading->image)
		answer = next_of_image(hash);
	else
	{
		answer = ask(query, flow, name);
		answer->query = hash;
		if (reading && reading->place.publishes)
			reading->answers = lappend(reading->answers, answer);
	}
	return answer->nrows;
}

static Answer *
next_of_image(uint64 query)
{
	Answer *next = (Answer *) reading->image;

	if (reading->image >= reading->end || next->query != query)
		elog(ERROR, "the shared configuration answers another query");
	reading->image += next->size;
	return next;
}

/* Asks the tables; what it returns lies in the reading's memory, else in SPI's. */
static Answer *
ask(const char *query, const char *flow, const char *name)
{
	Oid types[2] = {TEXTOID, TEXTOID};
	Datum values[2];
	SPIPlanPtr plan = SPI_prepare(query, name ? 2 : 1, types);
	Snapshot snapshot;
	StringInfoData data;
	TupleDesc desc;
	Answer *asked;
	int result;

	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed for \"%s\": %s", query, SPI_result_code_string(SPI_result));
	values[0] = CStringGetTextDatum(flow);
	values[1] = name ? CStringGetTextDatum(name) : (Datum) 0;
	snapshot = RegisterSnapshot(IsInParallelMode() ? GetActiveSnapshot() : GetLatestSnapshot());
	result = SPI_execute_snapshot(plan, values, NULL, snapshot, InvalidSnapshot, true, false, 0);
	UnregisterSnapshot(snapshot);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_snapshot failed for \"%s\": %s", query, SPI_result_code_string(result));

	desc = SPI_tuptable->tupdesc;
	initStringInfo(&data);
	enlargeStringInfo(&data, cells_at(desc->natts));
	data.len = cells_at(desc->natts);
	memset(data.data, 0, data.len);
	for (int i = 0; i < desc->natts; i++)
		((Answer *) data.data)->types[i] = getBaseType(TupleDescAttr(desc, i)->atttypid);
	if (SPI_processed > 0)
	{
		int cells = (int) mul_size(mul_size(SPI_processed, desc->natts), sizeof(Cell));
		int at = data.len;

		enlargeStringInfo(&data, cells);
		memset(data.data + data.len, 0, cells);
		data.len += cells;
		for (uint64 row = 0; row < SPI_processed; row++)
			for (int i = 0; i < desc->natts; i++, at += sizeof(Cell))
			{
				bool isnull;
				Datum value = SPI_getbinval(SPI_tuptable->vals[row], desc, i + 1, &isnull);

				if (isnull)
					((Cell *) (data.data + at))->size = CELL_NULL;
				else
					put_cell(&data, at, value, TupleDescAttr(desc, i));
			}
	}

	asked = reading ? MemoryContextAllocHuge(reading->mcxt, data.len) : palloc(data.len);
	memcpy(asked, data.data, data.len);
	asked->size = data.len;
	asked->nrows = SPI_processed;
	asked->ncolumns = desc->natts;
	pfree(data.data);
	SPI_freetuptable(SPI_tuptable);
	SPI_freeplan(plan);
	return asked;
}

static void
put_cell(StringInfo data, int at, Datum value, Form_pg_attribute attribute)
{
	Cell cell = {.size = CELL_VALUE};
	const void *bytes;
	int padded;

	if (attribute->attbyval)
	{
		cell.value = (int64) value;
		memcpy(data->data + at, &cell, sizeof(Cell));
		return;
	}
	if (attribute->attlen == -1)
	{
		bytes = PG_DETOAST_DATUM(value);
		cell.size = VARSIZE(bytes);
	}
	else if (attribute->attlen > 0)
	{
		bytes = DatumGetPointer(value);
		cell.size = attribute->attlen;
	}
	else
		elog(ERROR, "unexpected type %u in the configuration", attribute->atttypid);
	cell.offset = data->len;
	padded = MAXALIGN(cell.size + 1);
	enlargeStringInfo(data, padded);
	memset(data->data + data->len, 0, padded);
	memcpy(data->data + data->len, bytes, cell.size);
	data->len += padded;
	memcpy(data->data + at, &cell, sizeof(Cell));
}

static Size
cells_at(int ncolumns)
{
	return MAXALIGN(offsetof(Answer, types) + ncolumns * sizeof(Oid));
}

/* ---- values ---- */

uint64
lr_rows(void)
{
	return answer->nrows;
}

static const Cell *
cell_of(uint64 row, int column)
{
	const Cell *cells = (const Cell *) ((char *) answer + cells_at((int) answer->ncolumns));

	Assert(row < answer->nrows && column >= 1 && (uint64) column <= answer->ncolumns);
	return &cells[row * answer->ncolumns + column - 1];
}

static void *
bytes_of(const Cell *cell)
{
	return (char *) answer + cell->offset;
}

char *
lr_row_text(uint64 row, int column)
{
	const Cell *cell = cell_of(row, column);

	if (cell->size == CELL_NULL)
		return NULL;
	if (answer->types[column - 1] != TEXTOID)
		elog(ERROR, "column %d of the configuration is no text", column);
	return VARDATA(bytes_of(cell));
}

bool
lr_row_bool(uint64 row, int column)
{
	const Cell *cell = cell_of(row, column);

	return cell->size != CELL_NULL && DatumGetBool((Datum) cell->value);
}

int
lr_row_int(uint64 row, int column)
{
	const Cell *cell = cell_of(row, column);

	return cell->size == CELL_NULL ? 0 : DatumGetInt32((Datum) cell->value);
}

int64
lr_row_int64(uint64 row, int column)
{
	const Cell *cell = cell_of(row, column);

	return cell->size == CELL_NULL ? 0 : DatumGetInt64((Datum) cell->value);
}

double
lr_row_number(uint64 row, int column, double otherwise)
{
	const Cell *cell = cell_of(row, column);

	if (cell->size == CELL_NULL)
		return otherwise;
	return answer->types[column - 1] == FLOAT8OID ? DatumGetFloat8((Datum) cell->value) : (double) DatumGetInt64((Datum) cell->value);
}

bool
lr_row_interval(uint64 row, int column, Interval *interval)
{
	const Cell *cell = cell_of(row, column);

	if (cell->size == CELL_NULL)
		return false;
	*interval = *(Interval *) bytes_of(cell);
	return true;
}

int
lr_row_limit(uint64 row, int column)
{
	const Cell *cell = cell_of(row, column);

	return cell->size == CELL_NULL ? NO_LIMIT : DatumGetInt32((Datum) cell->value);
}

TimestampTz
lr_row_time(uint64 row, int column, TimestampTz otherwise)
{
	const Cell *cell = cell_of(row, column);

	return cell->size == CELL_NULL ? otherwise : DatumGetTimestampTz((Datum) cell->value);
}

struct varlena *
lr_row_varlena(uint64 row, int column)
{
	const Cell *cell = cell_of(row, column);

	return cell->size == CELL_NULL ? NULL : bytes_of(cell);
}

Datum
lr_row_value(uint64 row, int column)
{
	const Cell *cell = cell_of(row, column);

	if (cell->size != CELL_VALUE)
		elog(ERROR, "unexpected null value in column %d", column);
	return (Datum) cell->value;
}

int
lr_row_word(uint64 row, int column, const char *const *words, int n)
{
	const char *word = lr_row_text(row, column);

	for (int i = 0; word && i < n; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	elog(ERROR, "unrecognized word \"%s\" in the configuration", word ? word : "");
}

const char **
lr_row_texts(FlowConfig *config, uint64 row, int column, int *n)
{
	struct varlena *array = lr_row_varlena(row, column);
	Datum *elements;
	bool *nulls;
	const char **texts;
	int all;

	*n = 0;
	if (array == NULL)
		return NULL;
	deconstruct_array((ArrayType *) array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &all);
	texts = MemoryContextAlloc(config->mcxt, Max(all, 1) * sizeof(char *));
	for (int i = 0; i < all; i++)
		if (!nulls[i])
			texts[(*n)++] = MemoryContextStrdup(config->mcxt, TextDatumGetCString(elements[i]));
	return texts;
}
