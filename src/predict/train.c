/*
 * train.c
 *		train(): a predictive model is trained on a relation, measured, and its coefficients are stored as rows.
 *
 * The relation is read, and the label evaluated, as the caller; the version is written as the extension's owner, in one transaction with the
 * caller's. Locks: the model's row, from when the version is numbered to the end of the transaction, so that two who train one model at once
 * get two numbers; nobody who inserts leads reads it with a lock.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "fit.h"
#include "fmgr.h"
#include "funcapi.h"
#include "leadroute.h"
#include "miscadmin.h"
#include "owner.h"
#include "progress.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(lr_train);
PG_FUNCTION_INFO_V1(lr_measure);

/* Fewer of either outcome say little about anybody. */
#define LEAST_OUTCOMES 40

/* The parameters of train_version(), in their order. */
enum
{
	ARG_FLOW,
	ARG_MODEL,
	ARG_RELATION,
	ARG_LABEL,
	ARG_COLUMNS,
	ARG_CHOSEN,
	ARG_PLACEHOLDERS,
	ARG_NUMBERS,
	ARG_LEVELS,
	ARG_BIN_COLUMNS,
	ARG_BIN_COUNTS,
	ARG_BIN_BOUNDS,
	ARG_ORDER_BY,
	ARG_HOLDOUT,
	ARG_REFIT,
	ARG_COST,
	ARG_RARE,
	ARG_MAX_ROWS,
	ARG_SETTINGS,
	ARG_NOTE
};

typedef struct Split
{
	int32 *rows; /* those to learn from, then those held out */
	int32 ntrain;
	int32 nheld;
} Split;

static char **text_array(Datum array, int *n);
static BinRequest *bin_requests(FunctionCallInfo fcinfo, const Sample *sample);
static void refuse_few(const Sample *sample, const char *relation);
static void drop_identifiers(Sample *sample, bool chosen);
static int compare_numbers(const void *a, const void *b);
static int compare_ordinals(const void *a, const void *b, void *arg);
static void split_rows(Split *split, const Sample *sample, bool ordered, double holdout, uint64 seed);
static void tell_left_out(const Coding *coding);
static int store(FunctionCallInfo fcinfo, const Sample *sample, const Coding *coding, const FitReport *report, double seconds);
static void store_terms(const char *flow, const char *model, int version, const Coding *coding);
static Datum number_array(const double *numbers, int n);
static char *calibration_json(const FitReport *report);

/* train_version(...): trains, stores a version and returns its number. */
Datum
lr_train(PG_FUNCTION_ARGS)
{
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext, "leadroute training", ALLOCSET_DEFAULT_SIZES);
	MemoryContext oldcontext = MemoryContextSwitchTo(mcxt);
	TimestampTz began = GetCurrentTimestamp();
	double holdout = PG_GETARG_FLOAT8(ARG_HOLDOUT);
	int rare = PG_GETARG_INT32(ARG_RARE);
	double cost = PG_GETARG_FLOAT8(ARG_COST);
	SampleRequest request = {
		.relid = PG_GETARG_OID(ARG_RELATION),
		.label = text_to_cstring(PG_GETARG_TEXT_PP(ARG_LABEL)),
		.order_by = PG_ARGISNULL(ARG_ORDER_BY) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(ARG_ORDER_BY)),
		.max_rows = PG_GETARG_INT32(ARG_MAX_ROWS),
		.seed = 20261123,
	};
	Sample *sample;
	Split split;
	Coding *coding;
	BinRequest *bins;
	FitReport report;
	int version;

	request.columns = text_array(PG_GETARG_DATUM(ARG_COLUMNS), &request.ncolumns);
	request.placeholders = text_array(PG_GETARG_DATUM(ARG_PLACEHOLDERS), &request.nplaceholders);
	request.numbers = text_array(PG_GETARG_DATUM(ARG_NUMBERS), &request.nnumbers);
	request.levels = text_array(PG_GETARG_DATUM(ARG_LEVELS), &request.nlevels);
	lr_progress_begin(psprintf("leadroute.train, model \"%s\"", text_to_cstring(PG_GETARG_TEXT_PP(ARG_MODEL))));
	PG_TRY();
	{
		sample = lr_sample_read(&request);
		refuse_few(sample, get_rel_name(request.relid));
		drop_identifiers(sample, PG_GETARG_BOOL(ARG_CHOSEN));
		bins = bin_requests(fcinfo, sample);
		split_rows(&split, sample, request.order_by != NULL, holdout, request.seed);
		coding = lr_coding_make(sample, split.rows, split.ntrain, bins, rare);
		(void) lr_fit(coding, split.rows, split.ntrain, cost);
		lr_fit_measure(coding, split.rows + split.ntrain, split.nheld, &report);
		if (PG_GETARG_BOOL(ARG_REFIT) && split.nheld > 0)
		{
			coding = lr_coding_make(sample, split.rows, sample->nrows, bins, rare);
			(void) lr_fit(coding, split.rows, sample->nrows, cost);
		}
		tell_left_out(coding);
		version = store(fcinfo, sample, coding, &report, (double) (GetCurrentTimestamp() - began) / USECS_PER_SEC);
	}
	PG_FINALLY();
	{
		lr_progress_end();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(oldcontext);
	MemoryContextDelete(mcxt);
	PG_RETURN_INT32(version);
}

/* NULL elements are left out. */
static char **
text_array(Datum array, int *n)
{
	Datum *elements;
	bool *nulls;
	int nelements;
	char **texts;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &nelements);
	texts = palloc(Max(nelements, 1) * sizeof(char *));
	*n = 0;
	for (int i = 0; i < nelements; i++)
		if (!nulls[i])
			texts[(*n)++] = TextDatumGetCString(elements[i]);
	return texts;
}

/* What train() made of its parameter bins: a column, a number of bins (0: bounds), and the bounds with commas between. */
static BinRequest *
bin_requests(FunctionCallInfo fcinfo, const Sample *sample)
{
	BinRequest *requests = palloc0(Max(sample->ncolumns, 1) * sizeof(BinRequest));
	int n;
	char **columns = text_array(PG_GETARG_DATUM(ARG_BIN_COLUMNS), &n);
	char **counts = text_array(PG_GETARG_DATUM(ARG_BIN_COUNTS), &n);
	char **bounds = text_array(PG_GETARG_DATUM(ARG_BIN_BOUNDS), &n);

	for (int i = 0; i < sample->ncolumns; i++)
	{
		requests[i].count = -1;
		for (int b = 0; b < n; b++)
		{
			if (strcmp(columns[b], sample->columns[i].name) != 0 && strcmp(columns[b], "*") != 0)
				continue;
			if (requests[i].count >= 0 && strcmp(columns[b], "*") == 0)
				continue;
			requests[i].count = atoi(counts[b]);
			requests[i].nbounds = 0;
			requests[i].bounds = palloc((strlen(bounds[b]) / 2 + 1) * sizeof(double));
			for (char *next = bounds[b]; next && *next; next = strchr(next, ',') ? strchr(next, ',') + 1 : NULL)
				requests[i].bounds[requests[i].nbounds++] = strtod(next, NULL);
		}
	}
	return requests;
}

static void
refuse_few(const Sample *sample, const char *relation)
{
	int32 won = 0;

	for (int32 i = 0; i < sample->nrows; i++)
		won += sample->won[i];
	if (won < LEAST_OUTCOMES || sample->nrows - won < LEAST_OUTCOMES)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("too few outcomes to train on in \"%s\": %d yes and %d no", relation, won, sample->nrows - won),
				 errdetail("At least %d of either are needed; " INT64_FORMAT " rows have no outcome.", LEAST_OUTCOMES, sample->unknown),
				 errhint("Wait for more closed leads, or train on a longer time.")));
}

/* What names a row says nothing of the next one. Columns that the caller named stay. */
static void
drop_identifiers(Sample *sample, bool chosen)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < sample->ncolumns && !chosen;)
	{
		SampleColumn *column = &sample->columns[i];
		int32 values = 0;
		bool identifier;

		if (column->is_number)
		{
			/* different whole numbers, one a row: a key */
			double *sorted;
			int32 different = 0;

			for (int32 row = 0; row < sample->nrows; row++)
				values += !isnan(column->numbers[row]);
			identifier = false;
			if (column->whole && values > 50 && values == sample->nrows)
			{
				double last = NAN;

				sorted = palloc_extended(values * sizeof(double), MCXT_ALLOC_HUGE);
				memcpy(sorted, column->numbers, values * sizeof(double));
				qsort(sorted, values, sizeof(double), compare_numbers);
				for (int32 row = 0; row < values; row++)
				{
					different += !(sorted[row] == last);
					last = sorted[row];
				}
				identifier = different == values;
				pfree(sorted);
			}
		}
		else
		{
			for (int32 row = 0; row < sample->nrows; row++)
				values += column->levels[row] >= 0;
			identifier = column->ntexts > 50 && column->ntexts > values / 2;
		}
		if (identifier)
		{
			appendStringInfo(&names, "%s\"%s\"", names.len ? ", " : "", column->name);
			memmove(column, column + 1, (sample->ncolumns - i - 1) * sizeof(SampleColumn));
			sample->ncolumns--;
		}
		else
			i++;
	}
	if (names.len)
		ereport(NOTICE,
				(errmsg("columns that name a lead are left out: %s", names.data),
				 errhint("Give the columns yourself to keep them.")));
}

static int
compare_numbers(const void *a, const void *b)
{
	double x = *(const double *) a;
	double y = *(const double *) b;

	return x < y ? -1 : x > y;
}

static int
compare_ordinals(const void *a, const void *b, void *arg)
{
	const int64 *ordinal = arg;
	int64 x = ordinal[*(const int32 *) a];
	int64 y = ordinal[*(const int32 *) b];

	return x < y ? -1 : x > y;
}

/* Held out are the last ones of an order, else a random part drawn from the seed. */
static void
split_rows(Split *split, const Sample *sample, bool ordered, double holdout, uint64 seed)
{
	split->rows = palloc_extended((Size) sample->nrows * sizeof(int32), MCXT_ALLOC_HUGE);
	for (int32 i = 0; i < sample->nrows; i++)
		split->rows[i] = i;
	if (ordered)
		qsort_arg(split->rows, sample->nrows, sizeof(int32), compare_ordinals, sample->ordinal);
	else
	{
		pg_prng_state random;

		pg_prng_seed(&random, seed);
		for (int32 i = sample->nrows - 1; i > 0; i--)
		{
			int32 other = (int32) pg_prng_uint64_range(&random, 0, i);
			int32 row = split->rows[i];

			split->rows[i] = split->rows[other];
			split->rows[other] = row;
		}
	}
	split->nheld = (int32) (sample->nrows * holdout);
	split->ntrain = sample->nrows - split->nheld;
}

static void
tell_left_out(const Coding *coding)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < coding->sample->ncolumns; i++)
		if (coding->columns[i].left_out)
			appendStringInfo(&names, "%s\"%s\" (%s)", names.len ? ", " : "", coding->sample->columns[i].name, coding->columns[i].why);
	if (names.len)
		ereport(NOTICE, (errmsg("columns that tell nothing are left out: %s", names.data)));
	if (coding->nterms == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no column is left to train on")));
}

static int
store(FunctionCallInfo fcinfo, const Sample *sample, const Coding *coding, const FitReport *report, double seconds)
{
	char *flow = text_to_cstring(PG_GETARG_TEXT_PP(ARG_FLOW));
	char *model = text_to_cstring(PG_GETARG_TEXT_PP(ARG_MODEL));
	Oid key_types[] = {TEXTOID, TEXTOID};
	Datum key[] = {PG_GETARG_DATUM(ARG_FLOW), PG_GETARG_DATUM(ARG_MODEL)};
	Oid types[] = {TEXTOID, TEXTOID, INT4OID, OIDOID, TEXTOID, TEXTARRAYOID, JSONBOID, INT8OID, INT4OID, INT4OID, INT4OID, INT4OID,
				   FLOAT8OID, FLOAT8OID, FLOAT8OID, FLOAT8OID, JSONBOID, FLOAT8OID, FLOAT8OID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TEXTOID};
	Datum values[lengthof(types)];
	char nulls[lengthof(types) + 1];
	MemoryContext context = CurrentMemoryContext;
	Oid caller = GetUserId();
	OwnerSession session;
	int32 won = 0;
	int version;
	int n = 0;

	for (int32 i = 0; i < sample->nrows; i++)
		won += sample->won[i];
	lr_owner_begin(&session);
	lr_owner_execute("INSERT INTO leadroute.prediction_models (flow, model) VALUES ($1, $2) ON CONFLICT DO NOTHING", 2, key_types, key, SPI_OK_INSERT);
	lr_owner_execute("SELECT FROM leadroute.prediction_models m WHERE m.flow = $1 AND m.model = $2 FOR UPDATE", 2, key_types, key, SPI_OK_SELECT);
	lr_owner_execute("SELECT coalesce(max(v.version), 0) + 1 FROM leadroute.prediction_versions v WHERE v.flow = $1 AND v.model = $2",
					 2, key_types, key, SPI_OK_SELECT);
	version = atoi(lr_spi_text(0, 1));

	memset(nulls, ' ', lengthof(types));
	nulls[lengthof(types)] = '\0';
	MemoryContextSwitchTo(context);
	values[n++] = key[0];
	values[n++] = key[1];
	values[n++] = Int32GetDatum(version);
	values[n++] = PG_GETARG_DATUM(ARG_RELATION);
	values[n++] = PG_GETARG_DATUM(ARG_LABEL);
	values[n++] = PG_GETARG_DATUM(ARG_PLACEHOLDERS);
	values[n++] = PG_GETARG_DATUM(ARG_SETTINGS);
	values[n++] = Int64GetDatum(sample->seen + sample->unknown);
	values[n++] = Int32GetDatum(sample->nrows);
	values[n++] = Int32GetDatum(won);
	values[n++] = Int32GetDatum(report->rows);
	values[n++] = Int32GetDatum(report->won);
	if (!report->has_auc)
		nulls[n] = 'n';
	values[n++] = Float8GetDatum(report->auc);
	for (int i = 0; i < 3; i++)
		if (report->rows == 0)
			nulls[n + i] = 'n';
	values[n++] = Float8GetDatum(report->brier);
	values[n++] = Float8GetDatum(report->log_loss);
	values[n++] = Float8GetDatum(report->calibration_error);
	values[n++] = DirectFunctionCall1(jsonb_in, CStringGetDatum(calibration_json(report)));
	values[n++] = Float8GetDatum(coding->intercept);
	values[n++] = Float8GetDatum(seconds);
	values[n++] = CStringGetTextDatum(lr_fit_library());
	values[n++] = CStringGetTextDatum(GetUserNameFromId(caller, false));
	values[n++] = TimestampTzGetDatum(lr_now());
	if (PG_ARGISNULL(ARG_NOTE))
		nulls[n] = 'n';
	values[n] = PG_ARGISNULL(ARG_NOTE) ? (Datum) 0 : PG_GETARG_DATUM(ARG_NOTE);
	lr_owner_execute_nulls("INSERT INTO leadroute.prediction_versions (flow, model, version, relation, label, placeholders, settings, rows_read, rows, won,"
						   " held_out, held_out_won, auc, brier, log_loss, calibration_error, calibration, intercept, seconds, library, trained_by, trained_at, note)"
						   " VALUES ($1, $2, $3, $4::regclass::text, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)",
						   lengthof(types), types, values, nulls, SPI_OK_INSERT);
	store_terms(flow, model, version, coding);
	lr_owner_end(&session);
	return version;
}

static void
store_terms(const char *flow, const char *model, int version, const Coding *coding)
{
	static const char *const kinds[] = {"level", "other", "missing", "number", "bin"};
	Oid types[] = {TEXTOID, TEXTOID, INT4OID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID,
				   FLOAT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID};
	Datum values[lengthof(types)];
	int n = coding->nterms;
	char **columns = palloc(n * sizeof(char *));
	char **kind = palloc(n * sizeof(char *));
	char **terms = palloc(n * sizeof(char *));
	double *numbers[6];

	for (int i = 0; i < (int) lengthof(numbers); i++)
		numbers[i] = palloc(n * sizeof(double));
	for (int i = 0; i < n; i++)
	{
		const Term *term = &coding->terms[i];
		bool bounded = term->kind == TERM_NUMBER || term->kind == TERM_BIN;

		columns[i] = unconstify(char *, coding->sample->columns[term->column].name);
		kind[i] = unconstify(char *, kinds[term->kind]);
		terms[i] = term->kind == TERM_LEVEL ? unconstify(char *, term->level) : pstrdup("");
		if (term->kind == TERM_BIN)
			terms[i] = psprintf("[%s,%s)", isinf(term->low) ? "" : float8out_internal(term->low),
								isinf(term->high) ? "" : float8out_internal(term->high));
		/* NaN becomes NULL */
		numbers[0][i] = bounded && !isinf(term->low) ? term->low : NAN;
		numbers[1][i] = bounded && !isinf(term->high) ? term->high : NAN;
		numbers[2][i] = term->kind == TERM_NUMBER ? term->center : NAN;
		numbers[3][i] = term->kind == TERM_NUMBER ? term->scale : NAN;
		numbers[4][i] = term->rows;
		numbers[5][i] = term->coefficient;
	}
	values[0] = CStringGetTextDatum(flow);
	values[1] = CStringGetTextDatum(model);
	values[2] = Int32GetDatum(version);
	values[3] = lr_text_array(columns, n);
	values[4] = lr_text_array(kind, n);
	values[5] = lr_text_array(terms, n);
	for (int i = 0; i < (int) lengthof(numbers); i++)
		values[6 + i] = number_array(numbers[i], n);
	lr_owner_execute("INSERT INTO leadroute.prediction_coefficients (flow, model, version, \"column\", kind, term, low, high, center, scale, rows, coefficient)"
					 " SELECT $1, $2, $3, t.c, t.k, t.t, nullif(t.l, 'NaN'), nullif(t.h, 'NaN'), nullif(t.m, 'NaN'), nullif(t.s, 'NaN'), t.r::int8, t.w"
					 " FROM unnest($4, $5, $6, $7, $8, $9, $10, $11, $12) t(c, k, t, l, h, m, s, r, w)",
					 lengthof(types), types, values, SPI_OK_INSERT);
}

static Datum
number_array(const double *numbers, int n)
{
	Datum *elements = palloc(n * sizeof(Datum));

	for (int i = 0; i < n; i++)
		elements[i] = Float8GetDatum(numbers[i]);
	return PointerGetDatum(construct_array(elements, n, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

static char *
calibration_json(const FitReport *report)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	for (int i = 0; i < report->ntenths; i++)
		appendStringInfo(&json, "%s{\"rows\": %d, \"predicted\": %.4f, \"won\": %.4f}", i ? ", " : "",
						 report->tenth_rows[i], report->tenth_predicted[i], report->tenth_won[i]);
	appendStringInfoChar(&json, ']');
	return json.data;
}

/* measure(probabilities float8[], won boolean[]): AUC, Brier score, log loss, calibration error and tenths. */
Datum
lr_measure(PG_FUNCTION_ARGS)
{
	Datum *values;
	Datum *outcomes;
	bool *nulls;
	bool *outcome_nulls;
	int n;
	int noutcomes;
	double *probabilities;
	bool *won;
	FitReport report;
	TupleDesc desc;
	Datum result[5];
	bool isnull[5] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &values, &nulls, &n);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), BOOLOID, 1, true, TYPALIGN_CHAR, &outcomes, &outcome_nulls, &noutcomes);
	if (n != noutcomes)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("there are %d probabilities and %d outcomes", n, noutcomes)));
	probabilities = palloc(Max(n, 1) * sizeof(double));
	won = palloc(Max(n, 1) * sizeof(bool));
	noutcomes = 0;
	for (int i = 0; i < n; i++)
	{
		if (nulls[i] || outcome_nulls[i])
			continue;
		probabilities[noutcomes] = DatumGetFloat8(values[i]);
		won[noutcomes++] = DatumGetBool(outcomes[i]);
	}
	lr_fit_report(probabilities, won, noutcomes, &report);
	result[0] = Float8GetDatum(report.auc);
	isnull[0] = !report.has_auc;
	result[1] = Float8GetDatum(report.brier);
	result[2] = Float8GetDatum(report.log_loss);
	result[3] = Float8GetDatum(report.calibration_error);
	isnull[1] = isnull[2] = isnull[3] = noutcomes == 0;
	result[4] = DirectFunctionCall1(jsonb_in, CStringGetDatum(calibration_json(&report)));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), result, isnull)));
}
