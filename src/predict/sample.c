/*
 * sample.c
 *		Reading the rows that a predictive model is trained on.
 *
 * The query runs as the caller, with his privileges and row security, and in his snapshot. What is kept of a row is a number or the index of a
 * level for each column, in arrays of the caller's memory context: 12 bytes a value, never the row.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "progress.h"
#include "sample.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#define FETCHED_AT_ONCE 1000

/* Numbers written as text that have fewer different values are levels: 1 to 5 stars. */
#define LEAST_NUMBERS 20

typedef struct LevelEntry
{
	char level[LEVEL_MAX + 1];
	int32 id;
} LevelEntry;

/* What stands for nothing. */
typedef struct Placeholders
{
	int n;
	char (*levels)[LEVEL_MAX + 1];
	double *numbers; /* NaN: it is none */
} Placeholders;

static char *make_query(const SampleRequest *request, bool *label_is_column);
static void begin_column(Sample *sample, int number, const SampleRequest *request, TupleDesc desc);
static bool is_named(char **names, int n, const char *name);
static void read_row(Sample *sample, int32 at, HeapTuple tuple, TupleDesc desc, const Placeholders *placeholders);
static void read_placeholders(Placeholders *placeholders, const SampleRequest *request);
static bool outcome(FeatureSource *source, Datum value, bool isnull, const char *label, bool *won);
static int32 level_id(SampleColumn *column, const char *level);
static void settle_column(SampleColumn *column);

Sample *
lr_sample_read(const SampleRequest *request)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext row_context = AllocSetContextCreate(context, "leadroute sample row", ALLOCSET_DEFAULT_SIZES);
	Sample *sample = palloc0(sizeof(Sample));
	Placeholders placeholders;
	FeatureSource label;
	bool label_is_column;
	char *query = make_query(request, &label_is_column);
	pg_prng_state random;
	SPIPlanPtr plan;
	Portal portal;
	bool begun = false;

	pg_prng_seed(&random, request->seed);
	read_placeholders(&placeholders, request);
	sample->ncolumns = request->ncolumns;
	sample->columns = palloc0(sample->ncolumns * sizeof(SampleColumn));
	sample->max_rows = request->max_rows;
	sample->won = palloc(sample->max_rows * sizeof(bool));
	sample->ordinal = palloc_extended(sample->max_rows * sizeof(int64), MCXT_ALLOC_HUGE);

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	plan = SPI_prepare(query, 0, NULL);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare returned %s", SPI_result_code_string(SPI_result));
	portal = SPI_cursor_open(NULL, plan, NULL, NULL, true);
	for (;;)
	{
		SPI_cursor_fetch(portal, true, FETCHED_AT_ONCE);
		if (!begun)
		{
			MemoryContextSwitchTo(context);
			for (int i = 0; i < sample->ncolumns; i++)
				begin_column(sample, i, request, SPI_tuptable->tupdesc);
			lr_feature_source(&label, SPI_tuptable->tupdesc, sample->ncolumns + 1, context);
			begun = true;
		}
		if (SPI_processed == 0)
			break;
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			HeapTuple tuple = SPI_tuptable->vals[i];
			bool isnull;
			Datum value = heap_getattr(tuple, sample->ncolumns + 1, SPI_tuptable->tupdesc, &isnull);
			bool won;
			int32 at;

			MemoryContextReset(row_context);
			MemoryContextSwitchTo(row_context);
			if (!outcome(&label, value, isnull, request->label, &won))
			{
				sample->unknown++;
				continue;
			}
			/* each of the rows seen is kept with the same probability */
			at = sample->nrows;
			if (at == sample->max_rows)
			{
				uint64 draw = pg_prng_uint64_range(&random, 0, (uint64) sample->seen);

				sample->seen++;
				if (draw >= (uint64) sample->max_rows)
					continue;
				at = (int32) draw;
			}
			else
			{
				sample->nrows++;
				sample->seen++;
			}
			sample->won[at] = won;
			sample->ordinal[at] = sample->seen;
			read_row(sample, at, tuple, SPI_tuptable->tupdesc, &placeholders);
		}
		MemoryContextSwitchTo(context);
		SPI_freetuptable(SPI_tuptable);
		lr_progress("reading " INT64_FORMAT " rows", sample->seen + sample->unknown);
	}
	SPI_cursor_close(portal);
	SPI_finish();
	MemoryContextSwitchTo(context);
	MemoryContextDelete(row_context);
	for (int i = 0; i < sample->ncolumns; i++)
		settle_column(&sample->columns[i]);
	return sample;
}

/* The columns, then the label. */
static char *
make_query(const SampleRequest *request, bool *label_is_column)
{
	StringInfoData query;
	char *name = get_rel_name(request->relid);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", request->relid)));
	*label_is_column = get_attnum(request->relid, request->label) > 0;
	initStringInfo(&query);
	appendStringInfoString(&query, "SELECT ");
	for (int i = 0; i < request->ncolumns; i++)
		appendStringInfo(&query, "%s, ", quote_identifier(request->columns[i]));
	if (*label_is_column)
		appendStringInfoString(&query, quote_identifier(request->label));
	else
		appendStringInfo(&query, "(%s\n)::pg_catalog.bool", request->label);
	appendStringInfo(&query, " FROM %s", quote_qualified_identifier(get_namespace_name(get_rel_namespace(request->relid)), name));
	if (request->order_by)
		appendStringInfo(&query, " ORDER BY %s", quote_identifier(request->order_by));
	return query.data;
}

static void
begin_column(Sample *sample, int number, const SampleRequest *request, TupleDesc desc)
{
	SampleColumn *column = &sample->columns[number];
	HASHCTL ctl = {.keysize = LEVEL_MAX + 1, .entrysize = sizeof(LevelEntry), .hcxt = CurrentMemoryContext};
	bool as_number;
	bool as_level;

	column->name = request->columns[number];
	lr_feature_source(&column->source, desc, number + 1, CurrentMemoryContext);
	as_number = is_named(request->numbers, request->nnumbers, column->name);
	as_level = is_named(request->levels, request->nlevels, column->name);
	column->asked = as_number || as_level;
	column->is_number = as_number || (!as_level && column->source.kind == FEATURE_NUMBER);
	column->all_numbers = !column->asked && column->source.kind == FEATURE_TEXT;
	column->whole = true;
	if (column->is_number || column->all_numbers)
		column->numbers = palloc_extended(sample->max_rows * sizeof(double), MCXT_ALLOC_HUGE);
	if (!column->is_number)
	{
		column->levels = palloc_extended(sample->max_rows * sizeof(int32), MCXT_ALLOC_HUGE);
		column->dictionary = hash_create("leadroute levels", 64, &ctl, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	}
}

static bool
is_named(char **names, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static void
read_placeholders(Placeholders *placeholders, const SampleRequest *request)
{
	placeholders->n = request->nplaceholders;
	placeholders->levels = palloc0(Max(placeholders->n, 1) * sizeof(*placeholders->levels));
	placeholders->numbers = palloc0(Max(placeholders->n, 1) * sizeof(double));
	for (int i = 0; i < placeholders->n; i++)
	{
		const char *text = request->placeholders[i];

		(void) lr_feature_fold(text, strlen(text), placeholders->levels[i]);
		if (!lr_feature_parse(text, strlen(text), &placeholders->numbers[i]))
			placeholders->numbers[i] = NAN;
	}
}

static void
read_row(Sample *sample, int32 at, HeapTuple tuple, TupleDesc desc, const Placeholders *placeholders)
{
	for (int i = 0; i < sample->ncolumns; i++)
	{
		SampleColumn *column = &sample->columns[i];
		char level[LEVEL_MAX + 1] = "";
		double number = NAN;
		bool isnull;
		Datum value = heap_getattr(tuple, i + 1, desc, &isnull);

		if (!isnull && column->levels)
		{
			(void) lr_feature_level(&column->source, value, level);
			for (int p = 0; p < placeholders->n; p++)
				if (strcmp(level, placeholders->levels[p]) == 0)
					level[0] = '\0';
		}
		if (!isnull && column->numbers && (column->is_number || (column->all_numbers && level[0])))
		{
			if (!lr_feature_number(&column->source, value, &number))
				number = NAN;
			for (int p = 0; p < placeholders->n; p++)
				if (number == placeholders->numbers[p])
					number = NAN;
		}
		if (column->is_number || column->all_numbers)
		{
			column->numbers[at] = number;
			column->whole &= isnan(number) || number == rint(number);
		}
		if (column->levels)
		{
			column->levels[at] = level[0] ? level_id(column, level) : -1;
			/* 02134 is a label, not a number */
			if (level[0] && (isnan(number) || (level[0] == '0' && level[1] >= '0' && level[1] <= '9')))
				column->all_numbers = false;
		}
	}
}

static int32
level_id(SampleColumn *column, const char *level)
{
	bool found;
	LevelEntry *entry = hash_search(column->dictionary, level, HASH_ENTER, &found);

	if (found)
		return entry->id;
	if (column->ntexts == column->nallocated)
	{
		MemoryContext oldcontext = MemoryContextSwitchTo(GetMemoryChunkContext(column->levels));

		column->nallocated = Max(64, column->nallocated * 2);
		column->texts = column->texts ? repalloc_huge(column->texts, column->nallocated * sizeof(char *))
									  : palloc(column->nallocated * sizeof(char *));
		MemoryContextSwitchTo(oldcontext);
	}
	column->texts[column->ntexts] = entry->level;
	entry->id = column->ntexts++;
	return entry->id;
}

/* Text whose values are all numbers, and many, is numbers: loaders write everything as text. */
static void
settle_column(SampleColumn *column)
{
	if (column->levels && column->all_numbers && column->ntexts >= LEAST_NUMBERS)
		column->is_number = true;
}

/* False where the row has no outcome yet. */
static bool
outcome(FeatureSource *source, Datum value, bool isnull, const char *label, bool *won)
{
	char *word;
	char level[LEVEL_MAX + 1];
	double number;

	if (isnull)
		return false;
	if (source->kind == FEATURE_BOOL)
	{
		*won = DatumGetBool(value);
		return true;
	}
	if (source->kind == FEATURE_NUMBER)
	{
		if (!lr_feature_number(source, value, &number))
			return false;
		*won = number != 0;
		return true;
	}
	if (lr_feature_level(source, value, level) == 0)
		return false;
	if (parse_bool(level, won))
		return true;
	if (lr_feature_parse(level, strlen(level), &number))
	{
		*won = number != 0;
		return true;
	}
	word = OutputFunctionCall(&source->output, value);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("\"%s\" in column \"%s\" is neither yes nor no", word, label),
			 errhint("Give a condition as the label, such as %s.",
					 quote_literal_cstr(psprintf("%s = %s", quote_identifier(label), quote_literal_cstr(word))))));
	return false; /* not reached */
}
