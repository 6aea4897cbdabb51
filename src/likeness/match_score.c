/*
 * match_score.c
 *		What two leads' values weigh together, as Fellegi and Sunter have it (1969).
 *
 * Each field that both leads have adds the binary logarithm of how much more often its level
 * of likeness is found between two rows of one lead than between rows of two. Three things are
 * not independent and are treated apart:
 * - first and last name may have changed places: then they weigh as far as they agree crosswise;
 * - what a company or a household shares (phone, company, address, place) is one evidence: all of
 *   it together counts up to a limit;
 * - and up to a lower limit where those it is about are known to differ (a name is different, or
 *   two companies at one address) or are unknown: colleagues share all of it.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "likeness.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(lr_likeness_sql);
PG_FUNCTION_INFO_V1(lr_match_score_sql);

#define MAX_FIELDS 64

/* names that have changed places: how much rarer than names that have not, in bits, and from where on it is believed */
#define SWAP_BITS 3.0
#define SWAP_LEAST 6.0

typedef struct Side
{
	Datum *value;
	bool *null;
} Side;

typedef struct Comparison
{
	int n;
	const float8 *weights; /* LR_ALIKE_LEVELS a field */
	Side exact;			   /* bits of an exact agreement with the left value; NULL: as the weights say */
	Side left;
	Side right;
	const LrMatchKind *kind;
	int level[MAX_FIELDS]; /* -1: not compared */
	double bits[MAX_FIELDS];
} Comparison;

/* The kinds of the call before: a run of find_duplicates() asks with the same ones some million times. */
typedef struct Kinds
{
	ArrayType *names;
	int n;
	LrMatchKind kind[MAX_FIELDS];
	TupleDesc desc;
} Kinds;


static Kinds *read_kinds(FunctionCallInfo fcinfo, ArrayType *names);
static void read_side(ArrayType *array, int n, Oid type, Side *side);
static int compare(const Comparison *c, int field, int other_field, double *bits);
static double most(const Comparison *c, int field);
static bool crosswise(Comparison *c, bool *swapped);
static bool is_name(LrMatchKind kind);
static bool is_context(LrMatchKind kind);

/* likeness(kind text, value text, other text) RETURNS text */
Datum
lr_likeness_sql(PG_FUNCTION_ARGS)
{
	text *name = PG_GETARG_TEXT_PP(0);
	text *left = PG_GETARG_TEXT_PP(1);
	text *right = PG_GETARG_TEXT_PP(2);
	LrMatchKind kind;

	if (!lr_match_kind(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name), &kind))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("kind cannot be \"%s\"", text_to_cstring(name)),
				 errhint("The kinds are those that leadroute.match_levels() lists.")));
	if (VARSIZE_ANY_EXHDR(left) == 0 || VARSIZE_ANY_EXHDR(right) == 0)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(lr_likeness_name(lr_likeness(kind, VARDATA_ANY(left), VARSIZE_ANY_EXHDR(left),
																  VARDATA_ANY(right), VARSIZE_ANY_EXHDR(right)))));
}

/*
 * match_score(kinds text[], weights float8[], exact_bits float8[], context_limit float8, conflict_limit float8,
 *			   match_values text[], other_values text[], at_least float8, OUT bits float8, OUT levels text[], OUT field_bits float8[])
 * NULL where the leads weigh less than at_least.
 */
Datum
lr_match_score_sql(PG_FUNCTION_ARGS)
{
	ArrayType *weights = PG_GETARG_ARRAYTYPE_P(1);
	double context_limit = PG_GETARG_FLOAT8(3);
	double conflict_limit = PG_GETARG_FLOAT8(4);
	double at_least = PG_ARGISNULL(7) ? -HUGE_VAL : PG_GETARG_FLOAT8(7);
	Kinds *kinds = read_kinds(fcinfo, PG_GETARG_ARRAYTYPE_P(0));
	Comparison *c = palloc(sizeof(Comparison));
	bool swapped = false;
	bool named = false;
	bool conflict = false;
	bool people = false;
	int company = -1;
	double context = 0;
	double total = 0;
	double limit;
	double open = 0;
	Datum result[3];
	bool result_null[3] = {false};
	Datum levels[MAX_FIELDS];
	Datum bits[MAX_FIELDS];
	bool field_null[MAX_FIELDS];
	int lower = 1;

	c->kind = kinds->kind;
	c->n = kinds->n;
	if (ARR_HASNULL(weights) || ArrayGetNItems(ARR_NDIM(weights), ARR_DIMS(weights)) != c->n * LR_ALIKE_LEVELS)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("%d fields need %d weights", c->n, c->n * LR_ALIKE_LEVELS)));
	c->weights = (const float8 *) ARR_DATA_PTR(weights);
	read_side(PG_GETARG_ARRAYTYPE_P(2), c->n, FLOAT8OID, &c->exact);
	read_side(PG_GETARG_ARRAYTYPE_P(5), c->n, TEXTOID, &c->left);
	read_side(PG_GETARG_ARRAYTYPE_P(6), c->n, TEXTOID, &c->right);

	/* names first: what they say bounds what the rest can */
	for (int i = 0; i < c->n; i++)
	{
		c->level[i] = -1;
		c->bits[i] = 0;
		if (!is_name(c->kind[i]))
			continue;
		people |= !c->left.null[i] || !c->right.null[i];
		c->level[i] = compare(c, i, i, &c->bits[i]);
	}
	named = crosswise(c, &swapped);
	for (int i = 0; i < c->n; i++)
	{
		if (is_name(c->kind[i]))
		{
			conflict |= c->level[i] == LR_ALIKE_DIFFERENT;
			total += c->bits[i];
		}
		/* who is no person is the company */
		else if (!people && c->kind[i] == LR_MATCH_COMPANY)
		{
			c->level[i] = compare(c, i, i, &c->bits[i]);
			if (c->level[i] < 0)
				continue;
			named = true;
			company = i;
			conflict |= c->level[i] == LR_ALIKE_DIFFERENT;
			total += c->bits[i];
		}
		else if (!is_context(c->kind[i]))
			open += most(c, i);
	}
	limit = named && !conflict ? context_limit : conflict_limit;

	/* of its own, then what is shared; most pairs are out of reach before the dear comparisons */
	for (int i = 0; i < c->n; i++)
	{
		if (is_name(c->kind[i]) || is_context(c->kind[i]))
			continue;
		if (total + open + limit < at_least)
			PG_RETURN_NULL();
		open -= most(c, i);
		c->level[i] = compare(c, i, i, &c->bits[i]);
		total += c->bits[i];
	}
	if (total + limit < at_least)
		PG_RETURN_NULL();
	for (int i = 0; i < c->n; i++)
	{
		if (!is_context(c->kind[i]) || i == company)
			continue;
		if (c->level[i] < 0)
			c->level[i] = compare(c, i, i, &c->bits[i]);
		context += c->bits[i];
	}
	total += Min(context, limit);
	if (total < at_least)
		PG_RETURN_NULL();

	for (int i = 0; i < c->n; i++)
	{
		field_null[i] = c->level[i] < 0;
		if (field_null[i])
			continue;
		levels[i] = CStringGetTextDatum(is_name(c->kind[i]) && swapped ? "swapped" : lr_likeness_name((LrLikeness) c->level[i]));
		bits[i] = Float8GetDatum(c->bits[i]);
	}
	result[0] = Float8GetDatum(total);
	result[1] = PointerGetDatum(construct_md_array(levels, field_null, 1, &c->n, &lower, TEXTOID, -1, false, TYPALIGN_INT));
	result[2] = PointerGetDatum(construct_md_array(bits, field_null, 1, &c->n, &lower, FLOAT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(kinds->desc, result, result_null)));
}

/* Kept with the call's expression. */
static Kinds *
read_kinds(FunctionCallInfo fcinfo, ArrayType *names)
{
	Kinds *kinds = fcinfo->flinfo->fn_extra;
	MemoryContext oldcontext;
	Datum *datums;
	bool *null;
	TupleDesc desc;

	if (kinds && VARSIZE(names) == VARSIZE(kinds->names) && memcmp(names, kinds->names, VARSIZE(names)) == 0)
		return kinds;
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	oldcontext = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	kinds = palloc(sizeof(Kinds));
	kinds->desc = BlessTupleDesc(CreateTupleDescCopy(desc));
	kinds->names = palloc(VARSIZE(names));
	memcpy(kinds->names, names, VARSIZE(names));
	MemoryContextSwitchTo(oldcontext);
	deconstruct_array(names, TEXTOID, -1, false, TYPALIGN_INT, &datums, &null, &kinds->n);
	if (kinds->n > MAX_FIELDS)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("%d fields are given, at most %d are compared", kinds->n, MAX_FIELDS)));
	for (int i = 0; i < kinds->n; i++)
		if (null[i] || !lr_match_kind(VARDATA_ANY(DatumGetPointer(datums[i])), VARSIZE_ANY_EXHDR(DatumGetPointer(datums[i])), &kinds->kind[i]))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("kind cannot be \"%s\"", null[i] ? "NULL" : TextDatumGetCString(datums[i]))));
	fcinfo->flinfo->fn_extra = kinds;
	return kinds;
}

static void
read_side(ArrayType *array, int n, Oid type, Side *side)
{
	int found;

	if (type == TEXTOID)
		deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &side->value, &side->null, &found);
	else
		deconstruct_array(array, FLOAT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &side->value, &side->null, &found);
	if (found != n)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("there are %d fields and %d values", n, found),
				 errhint("The fields have changed: CALL leadroute.find_duplicates().")));
}

/* The left lead's field against the right one's; what it weighs into *bits. -1 where one is missing. */
static int
compare(const Comparison *c, int field, int other_field, double *bits)
{
	LrLikeness level;
	struct varlena *left;
	struct varlena *right;

	*bits = 0;
	if (c->left.null[field] || c->right.null[other_field])
		return -1;
	left = (struct varlena *) DatumGetPointer(c->left.value[field]);
	right = (struct varlena *) DatumGetPointer(c->right.value[other_field]);
	level = lr_likeness(c->kind[field], VARDATA_ANY(left), VARSIZE_ANY_EXHDR(left), VARDATA_ANY(right), VARSIZE_ANY_EXHDR(right));
	if (level == LR_ALIKE_EXACT && !c->exact.null[field])
		*bits = DatumGetFloat8(c->exact.value[field]);
	else
		*bits = c->weights[field * LR_ALIKE_LEVELS + level];
	return level;
}

/* What a field can weigh at most. */
static double
most(const Comparison *c, int field)
{
	double bits = 0;

	for (int level = 0; level < LR_ALIKE_LEVELS; level++)
		bits = Max(bits, c->weights[field * LR_ALIKE_LEVELS + level]);
	return c->exact.null[field] ? bits : Max(bits, DatumGetFloat8(c->exact.value[field]));
}

/*
 * Whether names were compared. Where they agree better crosswise, that is what they weigh: half of it stands
 * at each, so that evidence adds up.
 */
static bool
crosswise(Comparison *c, bool *swapped)
{
	int first = -1;
	int last = -1;
	int level[2];
	double bits[2];
	double straight;

	for (int i = c->n - 1; i >= 0; i--)
	{
		if (c->kind[i] == LR_MATCH_FIRST_NAME)
			first = i;
		else if (c->kind[i] == LR_MATCH_LAST_NAME)
			last = i;
	}
	if (first < 0 || last < 0)
		return (first >= 0 && c->level[first] >= 0) || (last >= 0 && c->level[last] >= 0);
	straight = c->bits[first] + c->bits[last];
	level[0] = compare(c, first, last, &bits[0]);
	level[1] = compare(c, last, first, &bits[1]);
	if ((level[0] >= 0 || level[1] >= 0) && bits[0] + bits[1] - SWAP_BITS > Max(straight, SWAP_LEAST))
	{
		c->level[first] = level[0];
		c->level[last] = level[1];
		c->bits[first] = bits[0] - (level[0] < 0 ? 0 : level[1] < 0 ? SWAP_BITS
																	: SWAP_BITS / 2);
		c->bits[last] = bits[1] - (level[1] < 0 ? 0 : level[0] < 0 ? SWAP_BITS
																   : SWAP_BITS / 2);
		*swapped = true;
	}
	return c->level[first] >= 0 || c->level[last] >= 0;
}

static bool
is_name(LrMatchKind kind)
{
	return kind == LR_MATCH_FIRST_NAME || kind == LR_MATCH_LAST_NAME;
}

/* What those have in common who work or live together. */
static bool
is_context(LrMatchKind kind)
{
	switch (kind)
	{
		case LR_MATCH_PHONE:
		case LR_MATCH_COMPANY:
		case LR_MATCH_WEBSITE:
		case LR_MATCH_ADDRESS:
		case LR_MATCH_POSTAL_CODE:
		case LR_MATCH_CITY:
		case LR_MATCH_REGION:
		case LR_MATCH_COUNTRY:
			return true;
		default:
			return false;
	}
}
