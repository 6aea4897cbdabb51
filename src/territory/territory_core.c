/*
 * territory_core.c
 *		Territories as bytes: walking, building, and the algebra of cuts.
 *
 * Everything that compares works on the datum where it lies and allocates nothing: it
 * runs per lead and per index tuple. What builds pallocs in the current context; the
 * cuts of an LrSide point into whatever they were taken from.
 */
#include "postgres.h"

#include "compat.h"
#include "territory.h"

#include "common/hashfn.h"
#include "mb/pg_wchar.h"

#define POINT_MAX_LABEL (LR_TERRITORY_MAX_LABEL + 8)

static inline uint32 read_int(const uint8 *p, int width);
static inline void write_int(uint8 *p, int width, uint32 value);
static int width_for(const LrSide *side, uint32 *data_len);
static int cuts_until(const LrSideView *view, int from, LrCut value);
static int side_cmp(const LrSideView *a, const LrSideView *b);
static bool side_overlaps(const LrSideView *a, const LrSideView *b);
static int point_side_cmp(const void *a, const void *b);

void
lr_side_walk(struct varlena *t, LrSideWalk *walk)
{
	const uint8 *body = (const uint8 *) VARDATA_ANY(t);

	walk->left = body[1];
	walk->next = body + 2;
}

bool
lr_side_walk_next(LrSideWalk *walk, LrSideView *view)
{
	const uint8 *p = walk->next;

	if (walk->left == 0)
		return false;
	walk->left--;
	view->name_len = *p++;
	view->name = (const char *) p;
	p += view->name_len;
	view->is_number = (*p & 0x01) != 0;
	view->width = 1 << (*p++ >> 1);
	view->ncuts = read_int(p, view->width);
	view->ends = p + view->width;
	view->data = view->ends + view->width * view->ncuts;
	walk->next = view->data + read_int(view->ends + view->width * (view->ncuts - 1), view->width);
	return true;
}

static inline uint32
read_int(const uint8 *p, int width)
{
	if (width == 1)
		return p[0];
	if (width == 2)
		return p[0] | (uint32) p[1] << 8;
	return p[0] | (uint32) p[1] << 8 | (uint32) p[2] << 16 | (uint32) p[3] << 24;
}

static inline void
write_int(uint8 *p, int width, uint32 value)
{
	for (int i = 0; i < width; i++, value >>= 8)
		p[i] = value & 0xFF;
}

LrCut
lr_side_cut(const LrSideView *view, int i)
{
	uint32 start = i == 0 ? 0 : read_int(view->ends + view->width * (i - 1), view->width);
	LrCut cut;

	cut.data = view->data + start;
	cut.len = read_int(view->ends + view->width * i, view->width) - start;
	return cut;
}

LrSide
lr_side_from_view(const LrSideView *view)
{
	LrSide side;

	side.name = view->name;
	side.name_len = view->name_len;
	side.is_number = view->is_number;
	side.ncuts = view->ncuts;
	side.cuts = palloc(sizeof(LrCut) * view->ncuts);
	for (int i = 0; i < view->ncuts; i++)
		side.cuts[i] = lr_side_cut(view, i);
	return side;
}

int
lr_side_name_cmp(const char *a, int a_len, const char *b, int b_len)
{
	int cmp = memcmp(a, b, Min(a_len, b_len));

	return cmp != 0 ? cmp : a_len - b_len;
}

int
lr_cut_cmp(LrCut a, LrCut b)
{
	int cmp = memcmp(a.data, b.data, Min(a.len, b.len));

	return cmp != 0 ? cmp : a.len - b.len;
}

/* Writes the cuts of the combined set to result, which has room for na + nb; returns how many. */
int
lr_cuts_combine(const LrCut *a, int na, const LrCut *b, int nb, LrSetOp op, LrCut *result)
{
	int n = 0;
	int i = 0;
	int j = 0;
	bool inside = false;

	while (i < na || j < nb)
	{
		int cmp = i >= na ? 1 : j >= nb ? -1
										: lr_cut_cmp(a[i], b[j]);
		LrCut cut = cmp <= 0 ? a[i] : b[j];
		bool in_a;
		bool in_b;
		bool now;

		if (cmp <= 0)
			i++;
		if (cmp >= 0)
			j++;
		in_a = (i & 1) != 0;
		in_b = (j & 1) != 0;
		now = op == LR_UNION ? in_a || in_b : op == LR_INTERSECT ? in_a && in_b
																 : in_a && !in_b;
		if (now != inside)
		{
			result[n++] = cut;
			inside = now;
		}
	}
	return n;
}

/*
 * Builds the datum from sides sorted by name. A side without cuts makes the whole empty.
 * Limits are the caller's: lr_territory_fits().
 */
struct varlena *
lr_territory_make(const LrSide *sides, int nsides, uint8 flags)
{
	Size size = VARHDRSZ + 2;
	struct varlena *t;
	uint8 *p;

	for (int i = 0; i < nsides; i++)
	{
		uint32 data_len;
		int width = width_for(&sides[i], &data_len);

		if (sides[i].ncuts == 0)
			return lr_territory_empty();
		size += 2 + sides[i].name_len + (Size) width * (sides[i].ncuts + 1) + data_len;
	}
	t = palloc(size);
	SET_VARSIZE(t, size);
	p = (uint8 *) VARDATA(t);
	*p++ = LR_TERRITORY_FORMAT | flags;
	*p++ = nsides;
	for (int i = 0; i < nsides; i++)
	{
		const LrSide *side = &sides[i];
		uint32 data_len;
		int width = width_for(side, &data_len);
		uint32 end = 0;
		uint8 *data;

		*p++ = side->name_len;
		memcpy(p, side->name, side->name_len);
		p += side->name_len;
		*p++ = (side->is_number ? 0x01 : 0) | (width == 1 ? 0 : width == 2 ? 1 << 1
																		   : 2 << 1);
		write_int(p, width, side->ncuts);
		p += width;
		data = p + (Size) width * side->ncuts;
		for (int j = 0; j < side->ncuts; j++)
		{
			if (side->cuts[j].len > 0)
				memcpy(data + end, side->cuts[j].data, side->cuts[j].len);
			end += side->cuts[j].len;
			write_int(p, width, end);
			p += width;
		}
		p = data + end;
	}
	Assert((char *) p == (char *) t + size);
	return t;
}

static int
width_for(const LrSide *side, uint32 *data_len)
{
	uint32 most = 0;

	for (int i = 0; i < side->ncuts; i++)
		most += side->cuts[i].len;
	*data_len = most;
	most = Max(most, (uint32) side->ncuts);
	return most <= 0xFF ? 1 : most <= 0xFFFF ? 2
											 : 4;
}

struct varlena *
lr_territory_empty(void)
{
	return lr_territory_make(NULL, 0, LR_TERRITORY_EMPTY);
}

/* Whether sides keep within the limits; raises or saves the error where they do not. */
bool
lr_territory_fits(const LrSide *sides, int nsides, Node *escontext)
{
	Size size = VARHDRSZ + 2;

	if (nsides > LR_TERRITORY_MAX_SIDES)
		ereturn(escontext, false,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("territory has too many sides"),
				 errdetail("It has %d sides; at most %d are possible.", nsides, LR_TERRITORY_MAX_SIDES)));
	for (int i = 0; i < nsides; i++)
	{
		uint32 data_len;
		int width = width_for(&sides[i], &data_len);
		int intervals = (sides[i].ncuts + 1) / 2;

		if (intervals > LR_TERRITORY_MAX_INTERVALS)
			ereturn(escontext, false,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("territory has too many intervals in side \"%s\"",
							pnstrdup(sides[i].name, sides[i].name_len)),
					 errdetail("It has %d intervals; at most %d are possible in one side.",
							   intervals, LR_TERRITORY_MAX_INTERVALS)));
		size += 2 + sides[i].name_len + (Size) width * (sides[i].ncuts + 1) + data_len;
	}
	if (size > LR_TERRITORY_MAX_SIZE)
		ereturn(escontext, false,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("territory is too large"),
				 errdetail("It takes %zu bytes; at most %d are possible.", size, LR_TERRITORY_MAX_SIZE)));
	return true;
}

bool
lr_territory_contains(struct varlena *a, struct varlena *b)
{
	LrSideWalk walk_a;
	LrSideWalk walk_b;
	LrSideView side_a;
	LrSideView side_b;
	bool more_b;

	if (LR_IS_EMPTY(b))
		return true;
	if (LR_IS_EMPTY(a))
		return false;
	lr_side_walk(a, &walk_a);
	lr_side_walk(b, &walk_b);
	more_b = lr_side_walk_next(&walk_b, &side_b);
	while (lr_side_walk_next(&walk_a, &side_a))
	{
		int cmp = 1;

		while (more_b &&
			   (cmp = lr_side_name_cmp(side_a.name, side_a.name_len, side_b.name, side_b.name_len)) > 0)
			more_b = lr_side_walk_next(&walk_b, &side_b);
		if (!more_b || cmp != 0)
			return false; /* a constrains what b leaves open */
		if (side_a.is_number != side_b.is_number || !lr_side_contains(&side_a, &side_b))
			return false;
	}
	return true;
}

bool
lr_side_contains(const LrSideView *a, const LrSideView *b)
{
	int at = 0;

	for (int i = 0; i < b->ncuts; i += 2)
	{
		at = cuts_until(a, at, lr_side_cut(b, i));
		if ((at & 1) == 0)
			return false;
		if (at == a->ncuts)
			return true; /* open at the top from here */
		if (i + 1 == b->ncuts || lr_cut_cmp(lr_side_cut(b, i + 1), lr_side_cut(a, at)) > 0)
			return false;
	}
	return true;
}

/* How many cuts are not after the value; those before "from" are known not to be. */
static int
cuts_until(const LrSideView *view, int from, LrCut value)
{
	int low = from;
	int high = view->ncuts;

	while (low < high)
	{
		int middle = low + (high - low) / 2;

		if (lr_cut_cmp(lr_side_cut(view, middle), value) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool
lr_territory_overlaps(struct varlena *a, struct varlena *b)
{
	LrSideWalk walk_a;
	LrSideWalk walk_b;
	LrSideView side_a;
	LrSideView side_b;
	bool more_a;
	bool more_b;

	if (LR_IS_EMPTY(a) || LR_IS_EMPTY(b))
		return false;
	lr_side_walk(a, &walk_a);
	lr_side_walk(b, &walk_b);
	more_a = lr_side_walk_next(&walk_a, &side_a);
	more_b = lr_side_walk_next(&walk_b, &side_b);
	while (more_a && more_b)
	{
		int cmp = lr_side_name_cmp(side_a.name, side_a.name_len, side_b.name, side_b.name_len);

		if (cmp == 0 && (side_a.is_number != side_b.is_number || !side_overlaps(&side_a, &side_b)))
			return false;
		if (cmp <= 0)
			more_a = lr_side_walk_next(&walk_a, &side_a);
		if (cmp >= 0)
			more_b = lr_side_walk_next(&walk_b, &side_b);
	}
	return true;
}

static bool
side_overlaps(const LrSideView *a, const LrSideView *b)
{
	int at = 0;

	if (a->ncuts < b->ncuts)
	{
		const LrSideView *swap = a;

		a = b;
		b = swap;
	}
	for (int i = 0; i < b->ncuts; i += 2)
	{
		at = cuts_until(a, at, lr_side_cut(b, i));
		if ((at & 1) != 0)
			return true;
		if (at == a->ncuts)
			return false;
		if (i + 1 == b->ncuts || lr_cut_cmp(lr_side_cut(a, at), lr_side_cut(b, i + 1)) < 0)
			return true;
	}
	return false;
}

bool
lr_territory_crosses(struct varlena *a, struct varlena *b)
{
	return lr_territory_overlaps(a, b) && lr_territory_contains(a, b) == lr_territory_contains(b, a);
}

/* Equal areas have equal bytes. */
bool
lr_territory_equal(struct varlena *a, struct varlena *b)
{
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		   memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

/*
 * Empty first, then more sides before fewer, then side by side. What lies strictly
 * inside another area comes before it: it has more sides, or the same sides and, at the
 * first difference, a lower bound further up or an upper bound further down.
 */
int
lr_territory_cmp(struct varlena *a, struct varlena *b)
{
	LrSideWalk walk_a;
	LrSideWalk walk_b;
	LrSideView side_a;
	LrSideView side_b;

	if (LR_IS_EMPTY(a) || LR_IS_EMPTY(b))
		return (int) LR_IS_EMPTY(b) - (int) LR_IS_EMPTY(a);
	if (LR_NSIDES(a) != LR_NSIDES(b))
		return LR_NSIDES(b) - LR_NSIDES(a);
	lr_side_walk(a, &walk_a);
	lr_side_walk(b, &walk_b);
	while (lr_side_walk_next(&walk_a, &side_a))
	{
		int cmp;

		lr_side_walk_next(&walk_b, &side_b);
		cmp = lr_side_name_cmp(side_a.name, side_a.name_len, side_b.name, side_b.name_len);
		if (cmp == 0)
			cmp = (int) side_a.is_number - (int) side_b.is_number;
		if (cmp == 0)
			cmp = side_cmp(&side_a, &side_b);
		if (cmp != 0)
			return cmp;
	}
	return 0;
}

static int
side_cmp(const LrSideView *a, const LrSideView *b)
{
	for (int i = 0; i < a->ncuts && i < b->ncuts; i++)
	{
		int cmp = lr_cut_cmp(lr_side_cut(a, i), lr_side_cut(b, i));

		if (cmp != 0)
			return (i & 1) == 0 ? -cmp : cmp;
	}
	/* one list is the beginning of the other: where it ends inside, it is open at the top, so larger */
	if (a->ncuts == b->ncuts)
		return 0;
	if (a->ncuts < b->ncuts)
		return (a->ncuts & 1) != 0 ? 1 : -1;
	return (b->ncuts & 1) != 0 ? -1 : 1;
}

struct varlena *
lr_territory_intersect(struct varlena *a, struct varlena *b)
{
	LrSideWalk walk_a;
	LrSideWalk walk_b;
	LrSideView side_a;
	LrSideView side_b;
	bool more_a;
	bool more_b;
	LrSide *sides;
	int nsides = 0;

	if (LR_IS_EMPTY(a) || LR_IS_EMPTY(b))
		return lr_territory_empty();
	sides = palloc(sizeof(LrSide) * (LR_NSIDES(a) + LR_NSIDES(b) + 1));
	lr_side_walk(a, &walk_a);
	lr_side_walk(b, &walk_b);
	more_a = lr_side_walk_next(&walk_a, &side_a);
	more_b = lr_side_walk_next(&walk_b, &side_b);
	while (more_a || more_b)
	{
		int cmp = !more_a ? 1 : !more_b ? -1
										: lr_side_name_cmp(side_a.name, side_a.name_len, side_b.name, side_b.name_len);

		if (cmp == 0)
		{
			LrSide one = lr_side_from_view(&side_a);
			LrSide two = lr_side_from_view(&side_b);
			LrSide both = one;

			both.cuts = palloc(sizeof(LrCut) * (one.ncuts + two.ncuts));
			both.ncuts = one.is_number != two.is_number ? 0 : lr_cuts_combine(one.cuts, one.ncuts, two.cuts, two.ncuts, LR_INTERSECT, both.cuts);
			if (both.ncuts == 0)
				return lr_territory_empty();
			sides[nsides++] = both;
		}
		else
			sides[nsides++] = lr_side_from_view(cmp < 0 ? &side_a : &side_b);
		if (cmp <= 0)
			more_a = lr_side_walk_next(&walk_a, &side_a);
		if (cmp >= 0)
			more_b = lr_side_walk_next(&walk_b, &side_b);
	}
	lr_territory_fits(sides, nsides, NULL);
	return lr_territory_make(sides, nsides, 0);
}

int
lr_territory_sides(struct varlena *t, LrSideInfo **sides)
{
	LrSideWalk walk;
	LrSideView view;
	int n = 0;

	*sides = palloc(sizeof(LrSideInfo) * (LR_NSIDES(t) + 1));
	lr_side_walk(t, &walk);
	while (lr_side_walk_next(&walk, &view))
	{
		(*sides)[n].name = pnstrdup(view.name, view.name_len);
		(*sides)[n].is_number = view.is_number;
		n++;
	}
	return n;
}

/*
 * One allocation for the datum and, while it is built, one for each value. A label is
 * cut off behind the longest that a territory can hold: no bound can tell the rest.
 */
struct varlena *
lr_territory_point(const LrPointSide *sides, int nsides)
{
	const LrPointSide **sorted = palloc(sizeof(LrPointSide *) * (nsides + 1));
	LrSide *built = palloc(sizeof(LrSide) * (nsides + 1));
	LrCut *cuts = palloc(sizeof(LrCut) * 2 * (nsides + 1));
	int n = 0;

	if (nsides > LR_POINT_MAX_SIDES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a point has at most %d sides", LR_POINT_MAX_SIDES)));
	for (int i = 0; i < nsides; i++)
		sorted[i] = &sides[i];
	if (nsides > 1)
		qsort(sorted, nsides, sizeof(LrPointSide *), point_side_cmp);
	for (int i = 0; i < nsides; i++)
	{
		const LrPointSide *side = sorted[i];
		LrSide *out = &built[n];
		uint8 *value;
		int len;

		if (side->is_number)
		{
			value = palloc(LR_NUMBER_MAX_CODE + 1);
			len = lr_number_from_numeric(side->number, value);
			if (len == 0)
				continue;
		}
		else
		{
			/* folding shortens to a third at most */
			int take = pg_mbcliplen(side->label, side->label_len,
									Min(side->label_len, 4 * POINT_MAX_LABEL));

			value = palloc(LR_LABEL_FOLDED(take) + 1);
			len = lr_label_fold(side->label, take, (char *) value);
			if (len > POINT_MAX_LABEL)
				len = pg_mbcliplen((char *) value, len, POINT_MAX_LABEL);
		}
		value[len] = 0x01;
		out->name = side->side;
		out->name_len = strlen(side->side);
		out->is_number = side->is_number;
		out->ncuts = 2;
		out->cuts = &cuts[2 * n];
		out->cuts[0].data = out->cuts[1].data = value;
		out->cuts[0].len = len;
		out->cuts[1].len = len + 1;
		n++;
	}
	return lr_territory_make(built, n, 0);
}

static int
point_side_cmp(const void *a, const void *b)
{
	const char *left = (*(const LrPointSide *const *) a)->side;
	const char *right = (*(const LrPointSide *const *) b)->side;

	return lr_side_name_cmp(left, strlen(left), right, strlen(right));
}
