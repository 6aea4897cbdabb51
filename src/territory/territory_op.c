/*
 * territory_op.c
 *		SQL's operators and functions on territories, and the constructors.
 *
 * Values are only read where they lie; a short varlena header is kept.
 */
#include "postgres.h"

#include "compat.h"
#include "territory.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/rangetypes.h"
#include "utils/typcache.h"

static LrCut numeric_cut(Datum number);
static void start_constructor(text *name, LrSide *side);
static struct varlena *finish_constructor(LrItems *items, LrSide *side);

PG_FUNCTION_INFO_V1(lr_territory_contains_sql);
PG_FUNCTION_INFO_V1(lr_territory_contained_sql);
PG_FUNCTION_INFO_V1(lr_territory_overlaps_sql);
PG_FUNCTION_INFO_V1(lr_territory_crosses_sql);
PG_FUNCTION_INFO_V1(lr_territory_eq);
PG_FUNCTION_INFO_V1(lr_territory_ne);
PG_FUNCTION_INFO_V1(lr_territory_lt);
PG_FUNCTION_INFO_V1(lr_territory_le);
PG_FUNCTION_INFO_V1(lr_territory_gt);
PG_FUNCTION_INFO_V1(lr_territory_ge);
PG_FUNCTION_INFO_V1(lr_territory_cmp_sql);
PG_FUNCTION_INFO_V1(lr_territory_hash);
PG_FUNCTION_INFO_V1(lr_territory_hash_extended);
PG_FUNCTION_INFO_V1(lr_territory_intersect_sql);
PG_FUNCTION_INFO_V1(lr_territory_isempty);
PG_FUNCTION_INFO_V1(lr_territory_side);
PG_FUNCTION_INFO_V1(lr_territory_side_kind);
PG_FUNCTION_INFO_V1(lr_territory_side_names);
PG_FUNCTION_INFO_V1(lr_territory_from_labels);
PG_FUNCTION_INFO_V1(lr_territory_from_ranges);
PG_FUNCTION_INFO_V1(lr_territory_point_sql);

static bool find_side(struct varlena *t, text *name, LrSideView *view);

Datum
lr_territory_contains_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(lr_territory_contains(PG_GETARG_TERRITORY(0), PG_GETARG_TERRITORY(1)));
}

Datum
lr_territory_contained_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(lr_territory_contains(PG_GETARG_TERRITORY(1), PG_GETARG_TERRITORY(0)));
}

Datum
lr_territory_overlaps_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(lr_territory_overlaps(PG_GETARG_TERRITORY(0), PG_GETARG_TERRITORY(1)));
}

Datum
lr_territory_crosses_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(lr_territory_crosses(PG_GETARG_TERRITORY(0), PG_GETARG_TERRITORY(1)));
}

Datum
lr_territory_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(lr_territory_equal(PG_GETARG_TERRITORY(0), PG_GETARG_TERRITORY(1)));
}

Datum
lr_territory_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!lr_territory_equal(PG_GETARG_TERRITORY(0), PG_GETARG_TERRITORY(1)));
}

Datum
lr_territory_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(lr_territory_cmp(PG_GETARG_TERRITORY(0), PG_GETARG_TERRITORY(1)) < 0);
}

Datum
lr_territory_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(lr_territory_cmp(PG_GETARG_TERRITORY(0), PG_GETARG_TERRITORY(1)) <= 0);
}

Datum
lr_territory_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(lr_territory_cmp(PG_GETARG_TERRITORY(0), PG_GETARG_TERRITORY(1)) > 0);
}

Datum
lr_territory_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(lr_territory_cmp(PG_GETARG_TERRITORY(0), PG_GETARG_TERRITORY(1)) >= 0);
}

Datum
lr_territory_cmp_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(lr_territory_cmp(PG_GETARG_TERRITORY(0), PG_GETARG_TERRITORY(1)));
}

Datum
lr_territory_hash(PG_FUNCTION_ARGS)
{
	struct varlena *t = PG_GETARG_TERRITORY(0);

	return hash_any((const unsigned char *) VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
}

Datum
lr_territory_hash_extended(PG_FUNCTION_ARGS)
{
	struct varlena *t = PG_GETARG_TERRITORY(0);

	return hash_any_extended((const unsigned char *) VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t), PG_GETARG_INT64(1));
}

Datum
lr_territory_intersect_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(lr_territory_intersect(PG_GETARG_TERRITORY(0), PG_GETARG_TERRITORY(1)));
}

Datum
lr_territory_isempty(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(LR_IS_EMPTY(PG_GETARG_TERRITORY(0)));
}

/* The territory that constrains this side alone, and as t does. */
Datum
lr_territory_side(PG_FUNCTION_ARGS)
{
	struct varlena *t = PG_GETARG_TERRITORY(0);
	text *name = PG_GETARG_TEXT_PP(1);
	LrSideView view;
	LrSide side;

	if (LR_IS_EMPTY(t))
		PG_RETURN_POINTER(lr_territory_empty());
	if (!find_side(t, name, &view))
		PG_RETURN_POINTER(lr_territory_make(NULL, 0, 0));
	side = lr_side_from_view(&view);
	PG_RETURN_POINTER(lr_territory_make(&side, 1, 0));
}

/* side_kind(area territory, side text): what a territory that does not constrain the side says of it is labels. */
Datum
lr_territory_side_kind(PG_FUNCTION_ARGS)
{
	struct varlena *t = PG_GETARG_TERRITORY(0);
	text *name = PG_GETARG_TEXT_PP(1);
	LrSideView view;

	PG_RETURN_TEXT_P(cstring_to_text(find_side(t, name, &view) && view.is_number ? "number" : "label"));
}

static bool
find_side(struct varlena *t, text *name, LrSideView *view)
{
	LrSideWalk walk;

	lr_side_walk(t, &walk);
	while (lr_side_walk_next(&walk, view))
		if (lr_side_name_cmp(view->name, view->name_len, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)) == 0)
			return true;
	return false;
}

Datum
lr_territory_side_names(PG_FUNCTION_ARGS)
{
	FuncCallContext *call;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;
		LrSideInfo *sides;

		call = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		call->max_calls = lr_territory_sides(PG_GETARG_TERRITORY(0), &sides);
		call->user_fctx = sides;
		MemoryContextSwitchTo(old);
	}
	call = SRF_PERCALL_SETUP();
	if (call->call_cntr < call->max_calls)
	{
		/* the macro counts before it takes its argument */
		Datum name = CStringGetTextDatum(((LrSideInfo *) call->user_fctx)[call->call_cntr].name);

		SRF_RETURN_NEXT(call, name);
	}
	SRF_RETURN_DONE(call);
}

/* territory(side, labels): one side of exactly these labels; no character in them is special. */
Datum
lr_territory_from_labels(PG_FUNCTION_ARGS)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(1);
	Datum *labels;
	bool *nulls;
	int nlabels;
	LrItems items = {0};
	LrSide side;

	start_constructor(PG_GETARG_TEXT_PP(0), &side);
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &labels, &nulls, &nlabels);
	for (int i = 0; i < nlabels; i++)
	{
		text *label;
		LrCut cut;

		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("labels of a territory must not be null")));
		label = DatumGetTextPP(labels[i]);
		if (!lr_label_check(VARDATA_ANY(label), VARSIZE_ANY_EXHDR(label), &cut))
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("label of a territory is too long"),
					 errdetail("A label has at most %d bytes.", LR_TERRITORY_MAX_LABEL)));
		lr_items_add(&items, cut);
	}
	PG_RETURN_POINTER(finish_constructor(&items, &side));
}

/* territory(side, ranges): one side of these numbers */
Datum
lr_territory_from_ranges(PG_FUNCTION_ARGS)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(1);
	Datum *ranges;
	bool *nulls;
	int nranges;
	TypeCacheEntry *range_type = lookup_type_cache(NUMRANGEOID, TYPECACHE_RANGE_INFO);
	LrItems items = {0};
	LrSide side;

	start_constructor(PG_GETARG_TEXT_PP(0), &side);
	items.is_number = true;
	deconstruct_array(array, NUMRANGEOID, range_type->typlen, range_type->typbyval, range_type->typalign,
					  &ranges, &nulls, &nranges);
	for (int i = 0; i < nranges; i++)
	{
		RangeBound low;
		RangeBound high;
		bool empty;
		LrCut cuts[2];
		int ncuts = 0;

		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("ranges of a territory must not be null")));
		range_deserialize(range_type, DatumGetRangeTypeP(ranges[i]), &low, &high, &empty);
		if (empty)
			continue;
		if (low.infinite)
			cuts[ncuts++] = lr_cut_copy("", 0);
		else
		{
			LrCut cut = numeric_cut(low.val);

			cuts[ncuts++] = low.inclusive ? cut : lr_cut_after(cut);
		}
		if (!high.infinite)
		{
			LrCut cut = numeric_cut(high.val);

			cuts[ncuts++] = high.inclusive ? lr_cut_after(cut) : cut;
		}
		lr_items_add_range(&items, cuts, ncuts);
	}
	PG_RETURN_POINTER(finish_constructor(&items, &side));
}

/* Through text, so that what text refuses is refused here. */
static LrCut
numeric_cut(Datum number)
{
	char *text = DatumGetCString(DirectFunctionCall1(numeric_out, number));
	uint8 code[LR_NUMBER_MAX_CODE];
	const char *why = NULL;
	int len = lr_number_from_text(text, strlen(text), code, &why);

	if (len == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("number cannot bound a territory"),
				 errdetail("It must be finite, with at most %d digits before and after the decimal point.",
						   LR_TERRITORY_MAX_DIGITS)));
	return lr_cut_copy(code, len);
}

static void
start_constructor(text *name, LrSide *side)
{
	lr_check_encoding();
	side->name = text_to_cstring(name);
	side->name_len = VARSIZE_ANY_EXHDR(name);
	if (side->name_len == 0 || side->name_len >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid name of a side: \"%s\"", side->name),
				 errdetail("A name has 1 to %d bytes.", NAMEDATALEN - 1)));
}

static struct varlena *
finish_constructor(LrItems *items, LrSide *side)
{
	lr_items_to_side(items, side);
	lr_territory_fits(side, 1, NULL);
	return lr_territory_make(side, 1, 0);
}

/* territory_point(lead): what routing makes of a lead's columns, from {"column": value} */
Datum
lr_territory_point_sql(PG_FUNCTION_ARGS)
{
	Jsonb *lead = PG_GETARG_JSONB_P(0);
	JsonbIterator *it;
	JsonbValue value;
	LrPointSide sides[LR_POINT_MAX_SIDES];
	int nsides = 0;

	lr_check_encoding();
	if (!JB_ROOT_IS_OBJECT(lead))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a point must be a jsonb object")));
	it = JsonbIteratorInit(&lead->root);
	(void) JsonbIteratorNext(&it, &value, true); /* the object's begin */
	while (JsonbIteratorNext(&it, &value, true) == WJB_KEY)
	{
		LrPointSide side = {0};

		side.side = pnstrdup(value.val.string.val, value.val.string.len);
		(void) JsonbIteratorNext(&it, &value, true);
		if (value.type == jbvString)
		{
			side.label = value.val.string.val;
			side.label_len = value.val.string.len;
		}
		else if (value.type == jbvBool)
		{
			side.label = value.val.boolean ? "true" : "false";
			side.label_len = strlen(side.label);
		}
		else if (value.type == jbvNumeric)
		{
			side.is_number = true;
			side.number = NumericGetDatum(value.val.numeric);
		}
		else
			continue; /* null, or nothing that a territory can constrain */
		/* no territory can name such a side */
		if (side.side[0] == '\0' || strlen(side.side) >= NAMEDATALEN)
			continue;
		if (nsides == LR_POINT_MAX_SIDES)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("a point has at most %d sides", LR_POINT_MAX_SIDES)));
		sides[nsides++] = side;
	}
	PG_RETURN_POINTER(lr_territory_point(sides, nsides));
}
