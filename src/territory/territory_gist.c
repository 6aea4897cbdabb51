/*
 * territory_gist.c
 *		GiST support for territories.
 *
 * A key is a territory too, the bounding box of what is below it: per side a bounded
 * number of intervals with shortened bounds; a side that one of them leaves open is
 * open. Small areas are their own leaf keys; large ones are widened, flagged
 * LR_TERRITORY_LOSSY and rechecked. Empty areas have no place in a box, so a key says
 * LR_TERRITORY_HAS_EMPTY where one is below it. Keys are never shown: shortened bounds
 * need not be valid text.
 *
 * A key stays below the size from which the server compresses index values: there is no
 * decompress function, so that keys are read where they lie on the page.
 *
 * Penalty and picksplit guess how likely a lead falls into a box. The width of an
 * interval is measured on 0..1: labels by their first characters, letters and digits
 * having most of the room; numbers by their logarithm. Only ratios count.
 */
#include "postgres.h"

#include "compat.h"
#include "territory.h"

#include <math.h>

#include "access/gist.h"
#include "access/heaptoast.h"
#include "access/stratnum.h"
#include "utils/memutils.h"

#define LEAF_INTERVALS 32
#define LEAF_CUT 40
#define LEAF_BYTES 480
#define INNER_INTERVALS 4
#define INNER_CUT 12
#define INNER_BYTES 240

StaticAssertDecl(LEAF_BYTES <= TOAST_INDEX_TARGET && INNER_BYTES <= TOAST_INDEX_TARGET,
				 "an index key must never be compressed");

#define LEAST_WIDTH 1e-5 /* of an interval: a single label */
#define SPLIT_PARTS 20	 /* where a page may be cut, in parts of its entries */

/* The opclass's strategy of "crosses"; the others are R-tree's numbers. */
#define CROSSES_STRATEGY 30

typedef struct SplitEntry
{
	struct varlena *key;
	OffsetNumber offset;
	bool has_side;
	LrSideView side; /* of the axis tried */
} SplitEntry;

static struct varlena *key_union(struct varlena **keys, int nkeys);
static struct varlena *key_make(LrSide *sides, int nsides, uint8 flags, int intervals, int cut_len, Size bytes);
static bool side_shorten(LrSide *side, int intervals, int cut_len);
static Size key_size(const LrSide *sides, int nsides);
static bool find_side(struct varlena *key, const char *name, int name_len, LrSideView *view);
static double side_width(bool is_number, const LrCut *cuts, int ncuts);
static double view_width(const LrSideView *view);
static double cut_position(bool is_number, LrCut cut);
static double key_log_volume(struct varlena *key);
static double log_growth(struct varlena *box, struct varlena *added);
static double hit_ratio(struct varlena *part, struct varlena *whole);
static int split_entry_cmp(const void *a, const void *b);
static int double_cmp_desc(const void *a, const void *b);

PG_FUNCTION_INFO_V1(lr_territory_gist_consistent);
PG_FUNCTION_INFO_V1(lr_territory_gist_union);
PG_FUNCTION_INFO_V1(lr_territory_gist_compress);
PG_FUNCTION_INFO_V1(lr_territory_gist_penalty);
PG_FUNCTION_INFO_V1(lr_territory_gist_picksplit);
PG_FUNCTION_INFO_V1(lr_territory_gist_same);

Datum
lr_territory_gist_consistent(PG_FUNCTION_ARGS)
{
	GISTENTRY *entry = (GISTENTRY *) PG_GETARG_POINTER(0);
	struct varlena *query = PG_GETARG_TERRITORY(1);
	StrategyNumber strategy = (StrategyNumber) PG_GETARG_UINT16(2);
	bool *recheck = (bool *) PG_GETARG_POINTER(4);
	struct varlena *key = (struct varlena *) DatumGetPointer(entry->key);
	bool exact = GIST_LEAF(entry) && (LR_FLAGS(key) & LR_TERRITORY_LOSSY) == 0;
	bool has_empty = (LR_FLAGS(key) & (LR_TERRITORY_HAS_EMPTY | LR_TERRITORY_EMPTY)) != 0;
	bool result;

	*recheck = !exact;
	switch (strategy)
	{
		case RTOverlapStrategyNumber:
			result = lr_territory_overlaps(key, query);
			break;
		case RTContainsStrategyNumber:
			result = lr_territory_contains(key, query);
			break;
		case RTContainedByStrategyNumber:
			if (exact)
				result = lr_territory_contains(query, key);
			else
				result = has_empty || lr_territory_overlaps(key, query);
			break;
		case RTSameStrategyNumber:
			if (exact)
				result = lr_territory_equal(key, query);
			else if (LR_IS_EMPTY(query))
				result = has_empty;
			else
				result = lr_territory_contains(key, query);
			break;
		case CROSSES_STRATEGY:
			if (exact)
				result = lr_territory_crosses(key, query);
			else
			{
				/* where the whole box lies strictly inside, so does all that is in it */
				result = lr_territory_overlaps(key, query) &&
						 (!lr_territory_contains(query, key) || lr_territory_contains(key, query));
			}
			break;
		default:
			elog(ERROR, "unrecognized strategy number: %d", strategy);
			result = false;
	}
	PG_RETURN_BOOL(result);
}

Datum
lr_territory_gist_union(PG_FUNCTION_ARGS)
{
	GistEntryVector *entries = (GistEntryVector *) PG_GETARG_POINTER(0);
	int *size = (int *) PG_GETARG_POINTER(1);
	struct varlena **keys = palloc(sizeof(struct varlena *) * entries->n);
	struct varlena *result;

	for (int i = 0; i < entries->n; i++)
		keys[i] = (struct varlena *) DatumGetPointer(entries->vector[i].key);
	result = key_union(keys, entries->n);
	*size = VARSIZE(result);
	PG_RETURN_POINTER(result);
}

/* The bounding box of keys, within an inner key's budget. */
static struct varlena *
key_union(struct varlena **keys, int nkeys)
{
	LrSide *sides;
	int nsides = 0;
	struct varlena *first = NULL;
	uint8 flags = 0;
	LrSideWalk walk;
	LrSideView view;

	for (int i = 0; i < nkeys; i++)
	{
		if ((LR_FLAGS(keys[i]) & (LR_TERRITORY_EMPTY | LR_TERRITORY_HAS_EMPTY)) != 0)
			flags |= LR_TERRITORY_HAS_EMPTY;
		if (!LR_IS_EMPTY(keys[i]) && (first == NULL || LR_NSIDES(keys[i]) < LR_NSIDES(first)))
			first = keys[i];
	}
	if (first == NULL)
		return lr_territory_empty();

	sides = palloc(sizeof(LrSide) * (LR_NSIDES(first) + 1));
	lr_side_walk(first, &walk);
	while (lr_side_walk_next(&walk, &view))
	{
		LrItems items = {0};
		LrSide *side = &sides[nsides];
		bool in_all = true;

		for (int i = 0; i < nkeys && in_all; i++)
		{
			LrSideView other;
			LrSide cuts;

			if (LR_IS_EMPTY(keys[i]))
				continue;
			in_all = find_side(keys[i], view.name, view.name_len, &other) && other.is_number == view.is_number;
			if (in_all)
			{
				cuts = lr_side_from_view(&other);
				lr_items_add_range(&items, cuts.cuts, cuts.ncuts);
				pfree(cuts.cuts);
			}
		}
		if (!in_all)
			continue;
		side->name = view.name;
		side->name_len = view.name_len;
		items.is_number = view.is_number;
		lr_items_to_side(&items, side);
		nsides++;
	}
	return key_make(sides, nsides, flags, INNER_INTERVALS, INNER_CUT, INNER_BYTES);
}

static bool
find_side(struct varlena *key, const char *name, int name_len, LrSideView *view)
{
	LrSideWalk walk;

	lr_side_walk(key, &walk);
	while (lr_side_walk_next(&walk, view))
	{
		int cmp = lr_side_name_cmp(view->name, view->name_len, name, name_len);

		if (cmp >= 0)
			return cmp == 0;
	}
	return false;
}

/*
 * Builds a key within a budget: first each side keeps to its number of intervals and
 * length of bounds, then all sides get coarser together, and at last sides are left out.
 */
static struct varlena *
key_make(LrSide *sides, int nsides, uint8 flags, int intervals, int cut_len, Size bytes)
{
	bool lossy = false;

	for (int i = 0; i < nsides; i++)
		lossy |= side_shorten(&sides[i], intervals, cut_len);
	while (key_size(sides, nsides) > bytes)
	{
		lossy = true;
		if (intervals > 1)
			intervals /= 2;
		else if (cut_len > 6)
			cut_len /= 2;
		else
		{
			nsides--;
			continue;
		}
		for (int i = 0; i < nsides; i++)
			side_shorten(&sides[i], intervals, cut_len);
	}
	return lr_territory_make(sides, nsides, flags | (lossy ? LR_TERRITORY_LOSSY : 0));
}

static Size
key_size(const LrSide *sides, int nsides)
{
	Size size = VARHDRSZ + 2;

	for (int i = 0; i < nsides; i++)
	{
		size += 4 + sides[i].name_len + 2 * sides[i].ncuts;
		for (int j = 0; j < sides[i].ncuts; j++)
			size += sides[i].cuts[j].len;
	}
	return size;
}

/* Widens a side to so many intervals and bounds so long; returns whether anything changed. */
static bool
side_shorten(LrSide *side, int intervals, int cut_len)
{
	bool changed = false;
	int n = (side->ncuts + 1) / 2;

	for (int i = 0; i < side->ncuts; i++)
		changed |= side->cuts[i].len > cut_len;
	if (changed)
	{
		LrItems items = {0};

		for (int i = 0; i < side->ncuts; i += 2)
		{
			LrCut pair[2];
			int npair = 1;

			pair[0] = side->cuts[i];
			pair[0].len = Min(pair[0].len, cut_len); /* a beginning is never later */
			if (i + 1 < side->ncuts)
			{
				LrCut high = side->cuts[i + 1];
				int len = cut_len;

				if (high.len > cut_len)
				{
					/* after all that begins so; none after 0xFF */
					while (len > 0 && high.data[len - 1] == 0xFF)
						len--;
					if (len > 0)
					{
						high = lr_cut_copy(high.data, len);
						((uint8 *) high.data)[len - 1]++;
						pair[npair++] = high;
					}
				}
				else
					pair[npair++] = high;
			}
			lr_items_add_range(&items, pair, npair);
		}
		items.is_number = side->is_number;
		lr_items_to_side(&items, side);
		n = (side->ncuts + 1) / 2;
	}
	if (n > intervals)
	{
		/* keep the widest gaps */
		double *gaps = palloc(sizeof(double) * (n - 1));
		double *sorted = palloc(sizeof(double) * (n - 1));
		double least;
		int keep = intervals - 1;
		int out = 1;

		for (int i = 0; i < n - 1; i++)
			sorted[i] = gaps[i] = cut_position(side->is_number, side->cuts[2 * i + 2]) -
								  cut_position(side->is_number, side->cuts[2 * i + 1]);
		qsort(sorted, n - 1, sizeof(double), double_cmp_desc);
		least = keep > 0 ? sorted[keep - 1] : INFINITY;
		for (int i = 0; i < n - 1; i++)
		{
			if (keep > 0 && gaps[i] >= least)
			{
				side->cuts[out++] = side->cuts[2 * i + 1];
				side->cuts[out++] = side->cuts[2 * i + 2];
				keep--;
			}
		}
		if ((side->ncuts & 1) == 0)
			side->cuts[out++] = side->cuts[side->ncuts - 1];
		side->ncuts = out;
		changed = true;
		pfree(gaps);
		pfree(sorted);
	}
	return changed;
}

static int
double_cmp_desc(const void *a, const void *b)
{
	double left = *(const double *) a;
	double right = *(const double *) b;

	return left > right ? -1 : left < right ? 1
											: 0;
}

Datum
lr_territory_gist_compress(PG_FUNCTION_ARGS)
{
	GISTENTRY *entry = (GISTENTRY *) PG_GETARG_POINTER(0);
	GISTENTRY *result;
	struct varlena *t;
	struct varlena *key;
	LrSide *sides;
	int nsides = 0;
	LrSideWalk walk;
	LrSideView view;

	if (!entry->leafkey)
		PG_RETURN_POINTER(entry);
	t = PG_DETOAST_DATUM(entry->key);
	if (LR_IS_EMPTY(t))
		key = t;
	else
	{
		sides = palloc(sizeof(LrSide) * (LR_NSIDES(t) + 1));
		lr_side_walk(t, &walk);
		while (lr_side_walk_next(&walk, &view))
			sides[nsides++] = lr_side_from_view(&view);
		key = key_make(sides, nsides, 0, LEAF_INTERVALS, LEAF_CUT, LEAF_BYTES);
	}
	result = palloc(sizeof(GISTENTRY));
	gistentryinit(*result, PointerGetDatum(key), entry->rel, entry->page, entry->offset, false);
	PG_RETURN_POINTER(result);
}

/*
 * How much likelier a lead falls into the box when the new key is in it, as a logarithm;
 * among boxes that need not grow the smallest wins.
 */
Datum
lr_territory_gist_penalty(PG_FUNCTION_ARGS)
{
	struct varlena *box = (struct varlena *) DatumGetPointer(((GISTENTRY *) PG_GETARG_POINTER(0))->key);
	struct varlena *added = (struct varlena *) DatumGetPointer(((GISTENTRY *) PG_GETARG_POINTER(1))->key);
	float *penalty = (float *) PG_GETARG_POINTER(2);

	if (LR_IS_EMPTY(added))
		*penalty = (LR_FLAGS(box) & (LR_TERRITORY_EMPTY | LR_TERRITORY_HAS_EMPTY)) != 0 ? 0.0 : 1.0;
	else if (LR_IS_EMPTY(box))
		*penalty = 1000.0;
	else
	{
		double growth = log_growth(box, added);

		/* less than any growth; the logarithm of a volume is not below -15 a side */
		if (growth <= 0.0)
			growth = 1e-6 * Max(1.0, 600.0 + key_log_volume(box));
		*penalty = (float) growth;
	}
	PG_RETURN_POINTER(penalty);
}

static double
log_growth(struct varlena *box, struct varlena *added)
{
	LrSideWalk walk;
	LrSideView view;
	double growth = 0.0;

	lr_side_walk(box, &walk);
	while (lr_side_walk_next(&walk, &view))
	{
		double after = 2.0; /* open: every value, and NULL */
		double before;
		LrSideView other;

		if (find_side(added, view.name, view.name_len, &other) && other.is_number == view.is_number)
		{
			LrSide one;
			LrSide two;
			LrCut *both;
			int n;

			if (lr_side_contains(&view, &other))
				continue;
			one = lr_side_from_view(&view);
			two = lr_side_from_view(&other);
			both = palloc(sizeof(LrCut) * (one.ncuts + two.ncuts));
			n = lr_cuts_combine(one.cuts, one.ncuts, two.cuts, two.ncuts, LR_UNION, both);
			after = side_width(view.is_number, both, n);
			pfree(one.cuts);
			pfree(two.cuts);
			pfree(both);
		}
		before = view_width(&view);
		growth += log(Max(after / before, 1.001));
	}
	return growth;
}

static double
key_log_volume(struct varlena *key)
{
	LrSideWalk walk;
	LrSideView view;
	double volume = 0.0;

	lr_side_walk(key, &walk);
	while (lr_side_walk_next(&walk, &view))
		volume += log(view_width(&view) / 2.0);
	return volume;
}

static double
view_width(const LrSideView *view)
{
	double width = 0.0;

	for (int i = 0; i < view->ncuts; i += 2)
	{
		double low = cut_position(view->is_number, lr_side_cut(view, i));
		double high = i + 1 < view->ncuts ? cut_position(view->is_number, lr_side_cut(view, i + 1)) : 1.0;

		width += Max(high - low, LEAST_WIDTH);
	}
	return width;
}

static double
side_width(bool is_number, const LrCut *cuts, int ncuts)
{
	double width = 0.0;

	for (int i = 0; i < ncuts; i += 2)
	{
		double low = cut_position(is_number, cuts[i]);
		double high = i + 1 < ncuts ? cut_position(is_number, cuts[i + 1]) : 1.0;

		width += Max(high - low, LEAST_WIDTH);
	}
	return width;
}

/* Where a cut lies on 0..1. */
static double
cut_position(bool is_number, LrCut cut)
{
	static const double powers[] = {1.0, 1e4, 1e8, 1e12};
	double position = 0.0;
	double room = 1.0;

	if (cut.len == 0)
		return 0.0;
	if (is_number)
	{
		uint8 mask = cut.data[0] < 0x80 ? 0xFF : 0x00;
		double size = 0.0;

		if (cut.data[0] != 0x80)
		{
			int weight = (cut.data[0] ^ mask) - 0xC0;
			double digits = 1.0;

			if (cut.len >= 3)
				digits = ((cut.data[1] ^ mask) << 8 | (cut.data[2] ^ mask)) >> 1;
			if (cut.len >= 5)
				digits += (((cut.data[3] ^ mask) << 8 | (cut.data[4] ^ mask)) >> 1) / 10000.0;
			size = log1p(Max(digits, 0.0) * (weight >= 0 && weight < (int) lengthof(powers) ? powers[weight] : pow(10000.0, weight)));
		}
		size = size / (size + 8.0);
		return mask == 0 ? 0.5 + size / 2 : 0.5 - size / 2;
	}
	for (int i = 0; i < cut.len && room > 1e-15; i++)
	{
		uint8 c = cut.data[i];

		/* 48 parts: 3 below the digits, one a digit, 1 between, one a letter, 8 above */
		if (c < '0')
		{
			position += room * c / 16.0 / 48;
			room /= 16.0 * 48;
		}
		else if (c <= '9')
		{
			position += room * (3 + c - '0') / 48;
			room /= 48;
		}
		else if (c < 'a')
		{
			position += room * (13 + (c - '9' - 1) / 39.0) / 48;
			room /= 39.0 * 48;
		}
		else if (c <= 'z')
		{
			position += room * (14 + c - 'a') / 48;
			room /= 48;
		}
		else
		{
			position += room * (40 + (c - 'z' - 1) / 16.625) / 48;
			room /= 16.625 * 48;
		}
	}
	return Min(position, 1.0);
}

/*
 * Tries every side as an axis: entries that leave it open first, then by their bounds;
 * cuts where the two halves together are least often looked into.
 */
Datum
lr_territory_gist_picksplit(PG_FUNCTION_ARGS)
{
	GistEntryVector *entries = (GistEntryVector *) PG_GETARG_POINTER(0);
	GIST_SPLITVEC *split = (GIST_SPLITVEC *) PG_GETARG_POINTER(1);
	int n = entries->n - 1;
	struct varlena **keys = palloc(sizeof(struct varlena *) * (n + 1));
	SplitEntry *sorted = palloc(sizeof(SplitEntry) * n);
	OffsetNumber *best = palloc(sizeof(OffsetNumber) * n);
	int best_at = n / 2;
	double best_cost = INFINITY;
	LrSide *axes = palloc(sizeof(LrSide) * 64);
	int naxes = 0;
	struct varlena *whole;
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "territory picksplit", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);

	for (int i = 0; i < n; i++)
	{
		LrSideWalk walk;
		LrSideView view;

		keys[i] = (struct varlena *) DatumGetPointer(entries->vector[i + FirstOffsetNumber].key);
		best[i] = i + FirstOffsetNumber;
		lr_side_walk(keys[i], &walk);
		while (lr_side_walk_next(&walk, &view))
		{
			bool known = naxes == 64;

			for (int j = 0; j < naxes && !known; j++)
				known = lr_side_name_cmp(axes[j].name, axes[j].name_len, view.name, view.name_len) == 0;
			if (!known)
			{
				axes[naxes].name = view.name;
				axes[naxes++].name_len = view.name_len;
			}
		}
	}
	whole = key_union(keys, n);

	for (int axis = 0; axis < naxes; axis++)
	{
		int starts[SPLIT_PARTS + 2];
		struct varlena *parts[SPLIT_PARTS + 1];
		int nparts = 0;
		int open = 0;

		for (int i = 0; i < n; i++)
		{
			sorted[i].key = keys[i];
			sorted[i].offset = i + FirstOffsetNumber;
			sorted[i].has_side = !LR_IS_EMPTY(keys[i]) &&
								 find_side(keys[i], axes[axis].name, axes[axis].name_len, &sorted[i].side);
			open += sorted[i].has_side ? 0 : 1;
		}
		qsort(sorted, n, sizeof(SplitEntry), split_entry_cmp);

		/* part boundaries: every tenth, and where the open ones end */
		for (int i = 0; i < SPLIT_PARTS; i++)
		{
			int at = (int) ((int64) n * i / SPLIT_PARTS);

			if (open > 0 && nparts > 0 && starts[nparts - 1] < open && open < at)
				starts[nparts++] = open;
			if (nparts == 0 || at > starts[nparts - 1])
				starts[nparts++] = at;
		}
		starts[nparts] = n;
		for (int i = 0; i < nparts; i++)
		{
			struct varlena **members = palloc(sizeof(struct varlena *) * (starts[i + 1] - starts[i] + 1));

			for (int j = starts[i]; j < starts[i + 1]; j++)
				members[j - starts[i]] = sorted[j].key;
			parts[i] = key_union(members, starts[i + 1] - starts[i]);
		}
		for (int i = 1; i < nparts; i++)
		{
			double share = (double) starts[i] / n;
			double cost;

			if ((share < 0.2 || share > 0.8) && !(starts[i] == open && share >= 0.05 && share <= 0.95) && n > 4)
				continue;
			cost = hit_ratio(key_union(parts, i), whole) + hit_ratio(key_union(parts + i, nparts - i), whole) +
				   0.1 * fabs(share - 0.5);
			if (cost < best_cost)
			{
				best_cost = cost;
				best_at = starts[i];
				for (int j = 0; j < n; j++)
					best[j] = sorted[j].offset;
			}
		}
	}
	best_at = Max(1, Min(best_at, n - 1));
	MemoryContextSwitchTo(old);

	split->spl_left = palloc(sizeof(OffsetNumber) * (n + 1));
	split->spl_right = palloc(sizeof(OffsetNumber) * (n + 1));
	split->spl_nleft = best_at;
	split->spl_nright = n - best_at;
	for (int i = 0; i < n; i++)
	{
		if (i < best_at)
			split->spl_left[i] = best[i];
		else
			split->spl_right[i - best_at] = best[i];
	}
	for (int i = 0; i < n; i++)
		keys[i] = (struct varlena *) DatumGetPointer(entries->vector[best[i]].key);
	split->spl_ldatum = PointerGetDatum(key_union(keys, best_at));
	split->spl_rdatum = PointerGetDatum(key_union(keys + best_at, n - best_at));
	MemoryContextDelete(scratch);
	PG_RETURN_POINTER(split);
}

static int
split_entry_cmp(const void *a, const void *b)
{
	const SplitEntry *left = a;
	const SplitEntry *right = b;
	int cmp = (int) left->has_side - (int) right->has_side;

	if (cmp == 0 && left->has_side)
	{
		cmp = (int) left->side.is_number - (int) right->side.is_number;
		if (cmp == 0)
			cmp = lr_cut_cmp(lr_side_cut(&left->side, 0), lr_side_cut(&right->side, 0));
		if (cmp == 0)
			cmp = lr_cut_cmp(lr_side_cut(&left->side, left->side.ncuts - 1),
							 lr_side_cut(&right->side, right->side.ncuts - 1));
	}
	return cmp != 0 ? cmp : (int) left->offset - (int) right->offset;
}

/* How much of what falls into the whole falls into the part. */
static double
hit_ratio(struct varlena *part, struct varlena *whole)
{
	if (LR_IS_EMPTY(part) || LR_IS_EMPTY(whole))
		return 0.0;
	return exp(Min(0.0, key_log_volume(part) - key_log_volume(whole)));
}

Datum
lr_territory_gist_same(PG_FUNCTION_ARGS)
{
	bool *result = (bool *) PG_GETARG_POINTER(2);

	*result = lr_territory_equal(PG_GETARG_TERRITORY(0), PG_GETARG_TERRITORY(1));
	PG_RETURN_POINTER(result);
}
