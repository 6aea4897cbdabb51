/*
 * map_image.c
 *		The territories of one map in memory, by what they hold.
 *
 * A side of an area is a sorted list of cuts (territory.h). All cuts of one side, of all areas of a group, cut its line into slices, within
 * which no area begins or ends: a point lies in one of them. Intervals of which one lies inside the other, or beside it, form a forest of
 * spans (one that crosses another is parted where that ends), and the areas that a point can be in by this side are those of the innermost span
 * around its slice, of the spans around that, and the rest, which the side does not constrain. Each of these is a group in turn, parted by another
 * side. So a look-up is a binary search or two and a handful of areas, and costs nearly the same for ten territories as for a million.
 *
 * Areas are numbered in the order in which they win: higher precedence first, and of one precedence the inner before the outer. So the answer is the
 * least number that holds the point, and an area that could not win is not even asked.
 *
 * Layout, one behind the other:
 *	MapImage, ImageArea[nareas], ImageSide[nsides]
 *	groups			each a list of areas (ImageList), or a side's cuts, slices and spans (ImageNode); a Link is an offset into them
 *	bytes			areas, names, each text of a team or rep once; all other offsets are into these
 *
 * Memory: an image is one chunk. A maker holds what is gathered and, while it makes the image, some hundred bytes an area.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "map_image.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "territory.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rangetypes.h"
#include "utils/typcache.h"

#define FEW 4					  /* areas are asked one by one */
#define SIDES_AT_HAND 32		  /* values of a point for which no memory is asked */
#define SAMPLE 1024				  /* areas by which sides are compared */
#define BUFFER_LIMIT 0xFFFF0000UL /* offsets are of four bytes */

typedef struct ImageArea
{
	uint32 area;
	uint32 territory;
	uint32 team; /* 0: NULL */
	uint32 rep;	 /* 0: NULL */
	int32 precedence;
	uint32 padding;
	TimestampTz from;
	TimestampTz to; /* not any more */
} ImageArea;

typedef struct ImageSide
{
	uint32 name;
	uint32 len;
} ImageSide;

/* 0: nobody; an odd number: one area, its number * 2 + 1; else where the group lies. */
typedef uint32 Link;

typedef struct ImageList
{
	uint32 n; /* not 0 */
	uint32 areas[FLEXIBLE_ARRAY_MEMBER];
} ImageList;

typedef struct ImageCut
{
	uint32 at;
	uint32 len;
} ImageCut;

typedef struct ImageSpan
{
	Link group;
	uint32 around; /* the next larger one's number and 1; 0: none */
} ImageSpan;

/*
 * Behind it: uint64 keys[ncuts], the first eight bytes of each cut; ImageCut cuts[ncuts]; ImageSpan spans[nspans]; uint32 innermost[ncuts + 1], the number
 * and 1 of the least span around a slice, which is what is from the cut before on up to the cut of the same number.
 */
typedef struct ImageNode
{
	uint32 zero; /* tells it from a list */
	uint32 side;
	Link rest;
	uint32 ncuts;
	uint32 nspans;
	uint32 padding;
} ImageNode;

struct MapImage
{
	uint64 size;
	uint32 nareas;
	uint32 nsides;
	Size sides; /* where they begin */
	Size groups;
	Size bytes;
	Link root;
	uint32 padding;
};

/* Grows; offsets into it stay. */
typedef struct Buffer
{
	char *data;
	Size len;
	Size room;
} Buffer;

typedef struct Text
{
	uint64 hash;
	uint32 at;
} Text;

struct MapMaker
{
	MemoryContext mcxt;
	TypeCacheEntry *range;
	HTAB *texts; /* of teams and reps */
	Buffer bytes;
	Buffer areas; /* ImageArea, offsets from the beginning of bytes */
	Buffer sides; /* ImageSide, likewise */
	Buffer groups;
};

/* One interval of one area, in slices. */
typedef struct Piece
{
	int from;
	int to; /* behind the last */
	uint32 area;
} Piece;

typedef struct Span
{
	int from;
	int to;
	int around; /* -1: none */
	int n;		/* of areas */
	int64 sum;	/* with those around */
} Span;

/* A cut of one piece. */
typedef struct PieceCut
{
	uint64 key;
	LrCut cut;
	int piece;
	bool ends;
} PieceCut;

/* A group of areas, parted by a side. */
typedef struct Parting
{
	int side;
	int ncuts;
	LrCut *cuts;
	int nspans;
	Span *spans;
	int nplaced;
	int *placed_span; /* of each piece, beside its area */
	uint32 *placed_area;
	int nrest;
	uint32 *rest;
	int64 worst; /* how many areas a point may have to ask */
} Parting;

/* A look-up. */
typedef struct Search
{
	const MapImage *image;
	struct varlena *point;
	TimestampTz at;
	LrCut *values; /* the point's, by side; those that it lacks have length -1 */
	uint32 best;   /* as many as there are areas: none yet */
	List **chain;
} Search;

typedef struct PieceHeap
{
	Piece *pieces;
	int n;
	int room;
} PieceHeap;

static uint32 put_bytes(Buffer *buffer, const void *data, Size len, Size align);
static uint32 put_text(MapMaker *maker, const char *text);
static bool read_during(MapMaker *maker, struct varlena *during, TimestampTz *from, TimestampTz *to);
static void note_sides(MapMaker *maker, struct varlena *area);
static int compare_areas(const void *a, const void *b, void *arg);
static Link put_group(MapMaker *maker, uint32 *areas, int n);
static bool choose(MapMaker *maker, const uint32 *areas, int n, Parting *parting);
static bool part(MapMaker *maker, const uint32 *areas, int n, int side, Parting *parting);
static Piece *pieces_of(MapMaker *maker, const uint32 *areas, int n, int side, Parting *parting, int *npieces);
static void number_cuts(PieceCut *cuts, int n, Piece *pieces, Parting *parting);
static bool make_forest(Piece *pieces, int n, Parting *parting);
static void add_span(Parting *parting, int *room, const Piece *piece, int around);
static Link put_node(MapMaker *maker, const Parting *parting);
static void fill_innermost(const Parting *parting, uint32 *innermost);
static uint32 *by_span(const Parting *parting, int **starts);
static Link put_list(MapMaker *maker, const uint32 *areas, int n);
static bool side_of(struct varlena *area, const char *name, int name_len, LrSideView *view);
static uint64 key_of(LrCut cut);
static int compare_cuts(const void *a, const void *b);
static int compare_pieces(const void *a, const void *b);
static int compare_numbers(const void *a, const void *b);
static void heap_push(PieceHeap *heap, Piece piece);
static Piece heap_pop(PieceHeap *heap);
static void find_values(Search *search);
static void search_group(Search *search, Link link);
static void search_node(Search *search, const ImageNode *node);
static void ask(Search *search, uint32 number);
static const ImageArea *areas_of(const MapImage *image);
static bool holds(const ImageArea *area, const char *bytes, struct varlena *point, TimestampTz at);
static void fill_hit(const ImageArea *area, const char *bytes, TerritoryHit *hit);
static void add_to_chain(const ImageArea *area, const char *bytes, List **chain);
static int compare_chain(const ListCell *a, const ListCell *b);

/* ---- gathering ---- */

MapMaker *
lr_map_maker_begin(void)
{
	HASHCTL info = {.keysize = sizeof(uint64), .entrysize = sizeof(Text), .hcxt = CurrentMemoryContext};
	MapMaker *maker = palloc0(sizeof(MapMaker));

	maker->mcxt = CurrentMemoryContext;
	maker->range = lookup_type_cache(TSTZRANGEOID, TYPECACHE_RANGE_INFO);
	maker->texts = hash_create("leadroute map texts", 64, &info, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	maker->bytes.room = maker->areas.room = maker->sides.room = maker->groups.room = 1024;
	maker->bytes.data = palloc(maker->bytes.room);
	maker->areas.data = palloc(maker->areas.room);
	maker->sides.data = palloc(maker->sides.room);
	maker->groups.data = palloc(maker->groups.room);
	/* no offset is 0 */
	maker->bytes.len = maker->groups.len = MAXIMUM_ALIGNOF;
	memset(maker->bytes.data, 0, MAXIMUM_ALIGNOF);
	memset(maker->groups.data, 0, MAXIMUM_ALIGNOF);
	return maker;
}

bool
lr_map_maker_add(MapMaker *maker, const TerritoryHit *territory, struct varlena *during)
{
	ImageArea area = {.precedence = territory->precedence};

	if (LR_IS_EMPTY(territory->area) || !read_during(maker, during, &area.from, &area.to))
		return true;
	if (lr_map_maker_size(maker) + VARSIZE_ANY(territory->area) > BUFFER_LIMIT / 2)
		return false;
	area.area = put_bytes(&maker->bytes, territory->area, VARSIZE_ANY(territory->area), sizeof(int32));
	area.territory = put_bytes(&maker->bytes, territory->territory, strlen(territory->territory) + 1, 1);
	area.team = put_text(maker, territory->team);
	area.rep = put_text(maker, territory->rep);
	note_sides(maker, territory->area);
	put_bytes(&maker->areas, &area, sizeof(area), MAXIMUM_ALIGNOF);
	return true;
}

/* Half-open: bounds are whole microseconds. False where it never holds. */
static bool
read_during(MapMaker *maker, struct varlena *during, TimestampTz *from, TimestampTz *to)
{
	RangeBound lower;
	RangeBound upper;
	bool empty;

	range_deserialize(maker->range, (RangeType *) during, &lower, &upper, &empty);
	if (empty)
		return false;
	*from = lower.infinite ? PG_INT64_MIN : DatumGetTimestampTz(lower.val);
	if (!lower.infinite && !lower.inclusive && *from < PG_INT64_MAX)
		(*from)++;
	*to = upper.infinite ? PG_INT64_MAX : DatumGetTimestampTz(upper.val);
	if (!upper.infinite && upper.inclusive && *to < PG_INT64_MAX)
		(*to)++;
	return true;
}

static uint32
put_text(MapMaker *maker, const char *text)
{
	uint64 hash;
	Text *known;
	bool found;

	if (text == NULL)
		return 0;
	hash = hash_bytes_extended((const unsigned char *) text, (int) strlen(text), 0);
	known = hash_search(maker->texts, &hash, HASH_ENTER, &found);
	if (!found || strcmp(maker->bytes.data + known->at, text) != 0)
		known->at = put_bytes(&maker->bytes, text, strlen(text) + 1, 1);
	return known->at;
}

/* Each name once. */
static void
note_sides(MapMaker *maker, struct varlena *area)
{
	LrSideWalk walk;
	LrSideView view;

	lr_side_walk(area, &walk);
	while (lr_side_walk_next(&walk, &view))
	{
		const ImageSide *sides = (const ImageSide *) maker->sides.data;
		int n = (int) (maker->sides.len / sizeof(ImageSide));
		ImageSide side = {.len = view.name_len};
		int i;

		for (i = 0; i < n; i++)
			if (sides[i].len == side.len && memcmp(maker->bytes.data + sides[i].name, view.name, side.len) == 0)
				break;
		if (i < n)
			continue;
		side.name = put_bytes(&maker->bytes, view.name, view.name_len, 1);
		put_bytes(&maker->sides, &side, sizeof(side), sizeof(uint32));
	}
}

/* Where it lies now. */
static uint32
put_bytes(Buffer *buffer, const void *data, Size len, Size align)
{
	Size at = TYPEALIGN(align, buffer->len);

	if (at + len > BUFFER_LIMIT)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("map of territories is too large for memory")));
	if (at + len > buffer->room)
	{
		buffer->room = Max(at + len, buffer->room * 2);
		buffer->data = repalloc_huge(buffer->data, buffer->room);
	}
	memset(buffer->data + buffer->len, 0, at - buffer->len);
	if (data)
		memcpy(buffer->data + at, data, len);
	else
		memset(buffer->data + at, 0, len);
	buffer->len = at + len;
	return (uint32) at;
}

Size
lr_map_maker_size(const MapMaker *maker)
{
	return maker->bytes.len + maker->areas.len + maker->groups.len;
}

/* ---- making ---- */

MapImage *
lr_map_image_make(MapMaker *maker)
{
	uint32 n = (uint32) (maker->areas.len / sizeof(ImageArea));
	ImageArea *areas = (ImageArea *) maker->areas.data;
	MemoryContext caller = MemoryContextSwitchTo(maker->mcxt);
	MapImage head = {.nareas = n, .nsides = (uint32) (maker->sides.len / sizeof(ImageSide))};
	uint32 *all = MemoryContextAllocHuge(maker->mcxt, Max(n, 1) * sizeof(uint32));
	MapImage *image;

	qsort_arg(areas, n, sizeof(ImageArea), compare_areas, maker);
	for (uint32 i = 0; i < n; i++)
		all[i] = i;
	head.root = put_group(maker, all, (int) n);
	pfree(all);
	MemoryContextSwitchTo(caller);

	head.sides = sizeof(MapImage) + maker->areas.len;
	head.groups = MAXALIGN(head.sides + maker->sides.len);
	head.bytes = MAXALIGN(head.groups + maker->groups.len);
	head.size = MAXALIGN(head.bytes + maker->bytes.len);
	image = MemoryContextAllocExtended(caller, head.size, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	*image = head;
	memcpy((char *) image + sizeof(MapImage), maker->areas.data, maker->areas.len);
	memcpy((char *) image + head.sides, maker->sides.data, maker->sides.len);
	memcpy((char *) image + head.groups, maker->groups.data, maker->groups.len);
	memcpy((char *) image + head.bytes, maker->bytes.data, maker->bytes.len);
	return image;
}

static int
compare_areas(const void *a, const void *b, void *arg)
{
	const ImageArea *left = a;
	const ImageArea *right = b;
	char *bytes = ((MapMaker *) arg)->bytes.data;

	if (left->precedence != right->precedence)
		return left->precedence > right->precedence ? -1 : 1;
	return lr_territory_cmp((struct varlena *) (bytes + left->area), (struct varlena *) (bytes + right->area));
}

/* The areas' numbers in order. */
static Link
put_group(MapMaker *maker, uint32 *areas, int n)
{
	MemoryContext scratch;
	MemoryContext caller;
	Parting parting;
	Link node;

	CHECK_FOR_INTERRUPTS();
	check_stack_depth();
	if (n == 0)
		return 0;
	if (n == 1)
		return areas[0] * 2 + 1;
	if (n <= FEW)
		return put_list(maker, areas, n);

	scratch = AllocSetContextCreate(CurrentMemoryContext, "leadroute map group", ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(scratch);
	node = choose(maker, areas, n, &parting) ? put_node(maker, &parting) : put_list(maker, areas, n);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(scratch);
	return node;
}

static Link
put_list(MapMaker *maker, const uint32 *areas, int n)
{
	uint32 count = (uint32) n;
	Link list = put_bytes(&maker->groups, &count, sizeof(count), MAXIMUM_ALIGNOF);

	put_bytes(&maker->groups, areas, n * sizeof(uint32), sizeof(uint32));
	return list;
}

/* Parts the group by the side that parts it best. False where all leave most of it together, which is not worth a search. */
static bool
choose(MapMaker *maker, const uint32 *areas, int n, Parting *parting)
{
	int nsides = (int) (maker->sides.len / sizeof(ImageSide));
	int few = Min(n, SAMPLE);
	uint32 *sample = palloc(few * sizeof(uint32));
	int64 *worst = palloc(nsides * sizeof(int64));

	for (int i = 0; i < few; i++)
		sample[i] = areas[(int64) i * n / few];
	for (int side = 0; side < nsides; side++)
	{
		MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "leadroute map side", ALLOCSET_SMALL_SIZES);
		MemoryContext caller = MemoryContextSwitchTo(scratch);

		worst[side] = part(maker, sample, few, side, parting) ? parting->worst : PG_INT64_MAX;
		MemoryContextSwitchTo(caller);
		MemoryContextDelete(scratch);
	}
	for (;;)
	{
		int best = -1;

		for (int side = 0; side < nsides; side++)
			if (worst[side] <= few * 3 / 4 && (best < 0 || worst[side] < worst[best]))
				best = side;
		if (best < 0)
			return false;
		/* the sample may have flattered it */
		if (part(maker, areas, n, best, parting) && parting->worst <= (int64) n * 3 / 4)
			return true;
		worst[best] = PG_INT64_MAX;
	}
}

/* Everything in the current context. False where too many intervals cross each other. */
static bool
part(MapMaker *maker, const uint32 *areas, int n, int side, Parting *parting)
{
	Piece *pieces;
	int npieces;

	memset(parting, 0, sizeof(Parting));
	parting->side = side;
	pieces = pieces_of(maker, areas, n, side, parting, &npieces);
	if (npieces == 0)
	{
		parting->worst = n;
		return true;
	}
	if (!make_forest(pieces, npieces, parting))
		return false;
	for (int i = 0; i < parting->nspans; i++)
	{
		Span *span = &parting->spans[i];

		span->sum = span->n + (span->around < 0 ? 0 : parting->spans[span->around].sum);
		parting->worst = Max(parting->worst, span->sum);
	}
	parting->worst += parting->nrest;
	return true;
}

/* The intervals of all areas that constrain the side, in slices; the other areas are the rest. Fills the cuts. */
static Piece *
pieces_of(MapMaker *maker, const uint32 *areas, int n, int side, Parting *parting, int *npieces)
{
	const ImageSide *named = &((const ImageSide *) maker->sides.data)[side];
	const char *name = maker->bytes.data + named->name;
	const ImageArea *all = (const ImageArea *) maker->areas.data;
	int room = n + 16;
	PieceCut *cuts = MemoryContextAllocHuge(CurrentMemoryContext, 2 * room * sizeof(PieceCut));
	Piece *pieces = MemoryContextAllocHuge(CurrentMemoryContext, room * sizeof(Piece));
	int ncuts = 0;

	*npieces = 0;
	parting->rest = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(uint32));
	for (int i = 0; i < n; i++)
	{
		LrSideView view;

		if (!side_of((struct varlena *) (maker->bytes.data + all[areas[i]].area), name, (int) named->len, &view))
		{
			parting->rest[parting->nrest++] = areas[i];
			continue;
		}
		if (*npieces + (view.ncuts + 1) / 2 > room)
		{
			room = Max(2 * room, *npieces + (view.ncuts + 1) / 2);
			cuts = repalloc_huge(cuts, 2 * room * sizeof(PieceCut));
			pieces = repalloc_huge(pieces, room * sizeof(Piece));
		}
		for (int cut = 0; cut < view.ncuts; cut++)
		{
			PieceCut *out = &cuts[ncuts++];

			if ((cut & 1) == 0)
				pieces[(*npieces)++] = (Piece){.to = -1, .area = areas[i]};
			out->cut = lr_side_cut(&view, cut);
			out->key = key_of(out->cut);
			out->piece = *npieces - 1;
			out->ends = (cut & 1) != 0;
		}
	}
	number_cuts(cuts, ncuts, pieces, parting);
	for (int i = 0; i < *npieces; i++)
		if (pieces[i].to < 0)
			pieces[i].to = parting->ncuts + 1;
	pfree(cuts);
	return pieces;
}

/* Sorts the cuts, each once, and tells the pieces their slices: the one behind the n-th cut, from 0, is n + 1. */
static void
number_cuts(PieceCut *cuts, int n, Piece *pieces, Parting *parting)
{
	parting->cuts = MemoryContextAllocHuge(CurrentMemoryContext, Max(n, 1) * sizeof(LrCut));
	qsort(cuts, n, sizeof(PieceCut), compare_cuts);
	for (int i = 0; i < n; i++)
	{
		if (i == 0 || compare_cuts(&cuts[i - 1], &cuts[i]) != 0)
			parting->cuts[parting->ncuts++] = cuts[i].cut;
		if (cuts[i].ends)
			pieces[cuts[i].piece].to = parting->ncuts;
		else
			pieces[cuts[i].piece].from = parting->ncuts;
	}
}

/*
 * Spans from the pieces: larger ones before those inside. A piece that crosses the end of a span is parted there, and what is
 * behind waits for its turn. False where that makes far more of them.
 */
static bool
make_forest(Piece *pieces, int n, Parting *parting)
{
	int64 most = (int64) n * 4 + 1000;
	int room = n + 16;
	int places = n + 16;
	int innermost = -1;
	PieceHeap cut_off = {.room = 16, .pieces = palloc(16 * sizeof(Piece))};

	qsort(pieces, n, sizeof(Piece), compare_pieces);
	parting->spans = MemoryContextAllocHuge(CurrentMemoryContext, room * sizeof(Span));
	parting->placed_span = MemoryContextAllocHuge(CurrentMemoryContext, places * sizeof(int));
	parting->placed_area = MemoryContextAllocHuge(CurrentMemoryContext, places * sizeof(uint32));
	for (int next = 0; next < n || cut_off.n > 0;)
	{
		Piece piece = cut_off.n > 0 && (next == n || compare_pieces(&cut_off.pieces[0], &pieces[next]) < 0) ? heap_pop(&cut_off) : pieces[next++];

		while (innermost >= 0 && parting->spans[innermost].to <= piece.from)
			innermost = parting->spans[innermost].around;
		if (innermost >= 0 && piece.to > parting->spans[innermost].to)
		{
			Piece behind = {.from = parting->spans[innermost].to, .to = piece.to, .area = piece.area};

			piece.to = behind.from;
			heap_push(&cut_off, behind);
		}
		if (innermost < 0 || parting->spans[innermost].from != piece.from || parting->spans[innermost].to != piece.to)
		{
			add_span(parting, &room, &piece, innermost);
			innermost = parting->nspans - 1;
		}
		if (parting->nplaced == most)
			return false;
		if (parting->nplaced == places)
		{
			places *= 2;
			parting->placed_span = repalloc_huge(parting->placed_span, places * sizeof(int));
			parting->placed_area = repalloc_huge(parting->placed_area, places * sizeof(uint32));
		}
		parting->spans[innermost].n++;
		parting->placed_span[parting->nplaced] = innermost;
		parting->placed_area[parting->nplaced++] = piece.area;
	}
	return true;
}

static void
add_span(Parting *parting, int *room, const Piece *piece, int around)
{
	if (parting->nspans == *room)
	{
		*room *= 2;
		parting->spans = repalloc_huge(parting->spans, *room * sizeof(Span));
	}
	parting->spans[parting->nspans++] = (Span){.from = piece->from, .to = piece->to, .around = around};
}

/* The node, and the groups that hang on it. */
static Link
put_node(MapMaker *maker, const Parting *parting)
{
	ImageNode head = {.side = (uint32) parting->side, .ncuts = (uint32) parting->ncuts, .nspans = (uint32) parting->nspans};
	Link node = put_bytes(&maker->groups, &head, sizeof(head), MAXIMUM_ALIGNOF);
	int ncuts = parting->ncuts;
	uint32 keys = put_bytes(&maker->groups, NULL, ncuts * sizeof(uint64), 1);
	uint32 cuts = put_bytes(&maker->groups, NULL, ncuts * sizeof(ImageCut), 1);
	uint32 spans = put_bytes(&maker->groups, NULL, parting->nspans * sizeof(ImageSpan), 1);
	uint32 innermost = put_bytes(&maker->groups, NULL, (ncuts + 1) * sizeof(uint32), 1);
	int *starts;
	uint32 *areas;
	Link rest;

	for (int i = 0; i < ncuts; i++)
	{
		LrCut cut = parting->cuts[i];

		((uint64 *) (maker->groups.data + keys))[i] = key_of(cut);
		((ImageCut *) (maker->groups.data + cuts))[i] = (ImageCut){.at = (uint32) ((const char *) cut.data - maker->bytes.data), .len = (uint32) cut.len};
	}
	fill_innermost(parting, (uint32 *) (maker->groups.data + innermost));
	areas = by_span(parting, &starts);
	for (int i = 0; i < parting->nspans; i++)
	{
		Link group = put_group(maker, areas + starts[i], starts[i + 1] - starts[i]);

		((ImageSpan *) (maker->groups.data + spans))[i] = (ImageSpan){.group = group, .around = (uint32) (parting->spans[i].around + 1)};
	}
	rest = put_group(maker, parting->rest, parting->nrest);
	((ImageNode *) (maker->groups.data + node))->rest = rest;
	return node;
}

/* Zeros before; the spans come in order of where they begin, the larger first. */
static void
fill_innermost(const Parting *parting, uint32 *innermost)
{
	int at = 0;
	int last = -1;

	for (int i = 0; i <= parting->nspans; i++)
	{
		int from = i < parting->nspans ? parting->spans[i].from : parting->ncuts + 1;

		while (last >= 0 && parting->spans[last].to <= from)
		{
			while (at < parting->spans[last].to)
				innermost[at++] = (uint32) (last + 1);
			last = parting->spans[last].around;
		}
		while (at < from)
			innermost[at++] = (uint32) (last + 1);
		if (i < parting->nspans)
			last = i;
	}
}

/* The areas in order of their spans, and of their numbers; *starts has one more than there are spans. */
static uint32 *
by_span(const Parting *parting, int **starts)
{
	uint32 *areas = MemoryContextAllocHuge(CurrentMemoryContext, parting->nplaced * sizeof(uint32));
	int *filled = MemoryContextAllocHuge(CurrentMemoryContext, parting->nspans * sizeof(int));
	int at = 0;

	*starts = MemoryContextAllocHuge(CurrentMemoryContext, (parting->nspans + 1) * sizeof(int));
	for (int i = 0; i < parting->nspans; i++)
	{
		(*starts)[i] = filled[i] = at;
		at += parting->spans[i].n;
	}
	(*starts)[parting->nspans] = at;
	for (int i = 0; i < parting->nplaced; i++)
		areas[filled[parting->placed_span[i]]++] = parting->placed_area[i];
	for (int i = 0; i < parting->nspans; i++)
		qsort(areas + (*starts)[i], parting->spans[i].n, sizeof(uint32), compare_numbers);
	pfree(filled);
	return areas;
}

/* False where the area does not constrain the side. */
static bool
side_of(struct varlena *area, const char *name, int name_len, LrSideView *view)
{
	LrSideWalk walk;

	lr_side_walk(area, &walk);
	while (lr_side_walk_next(&walk, view))
		if (view->name_len == name_len && memcmp(view->name, name, name_len) == 0)
			return true;
	return false;
}

/* The first eight bytes, such that numbers compare as they do; equal ones say nothing. */
static uint64
key_of(LrCut cut)
{
	uint64 key = 0;

	if (cut.len > 0)
		memcpy(&key, cut.data, Min(cut.len, (int) sizeof(key)));
	return pg_ntoh64(key);
}

static int
compare_cuts(const void *a, const void *b)
{
	const PieceCut *left = a;
	const PieceCut *right = b;

	if (left->key != right->key)
		return left->key < right->key ? -1 : 1;
	return lr_cut_cmp(left->cut, right->cut);
}

static int
compare_pieces(const void *a, const void *b)
{
	const Piece *left = a;
	const Piece *right = b;

	if (left->from != right->from)
		return left->from < right->from ? -1 : 1;
	return left->to == right->to ? 0 : left->to > right->to ? -1
															: 1;
}

static int
compare_numbers(const void *a, const void *b)
{
	uint32 left = *(const uint32 *) a;
	uint32 right = *(const uint32 *) b;

	return left < right ? -1 : left > right;
}

static void
heap_push(PieceHeap *heap, Piece piece)
{
	int at = heap->n++;

	if (at == heap->room)
	{
		heap->room *= 2;
		heap->pieces = repalloc_huge(heap->pieces, heap->room * sizeof(Piece));
	}
	for (; at > 0 && compare_pieces(&piece, &heap->pieces[(at - 1) / 2]) < 0; at = (at - 1) / 2)
		heap->pieces[at] = heap->pieces[(at - 1) / 2];
	heap->pieces[at] = piece;
}

static Piece
heap_pop(PieceHeap *heap)
{
	Piece least = heap->pieces[0];
	Piece last = heap->pieces[--heap->n];
	int at = 0;

	for (;;)
	{
		int child = 2 * at + 1;

		if (child + 1 < heap->n && compare_pieces(&heap->pieces[child + 1], &heap->pieces[child]) < 0)
			child++;
		if (child >= heap->n || compare_pieces(&last, &heap->pieces[child]) <= 0)
			break;
		heap->pieces[at] = heap->pieces[child];
		at = child;
	}
	heap->pieces[at] = last;
	return least;
}

Size
lr_map_image_size(const MapImage *image)
{
	return image->size;
}

int64
lr_map_image_territories(const MapImage *image)
{
	return image->nareas;
}

/* ---- looking up ---- */

bool
lr_map_maker_find(const MapMaker *maker, struct varlena *point, TimestampTz at, TerritoryHit *hit, List **chain)
{
	const ImageArea *areas = (const ImageArea *) maker->areas.data;
	const ImageArea *best = NULL;
	int n = (int) (maker->areas.len / sizeof(ImageArea));

	for (int i = 0; i < n; i++)
	{
		if (!holds(&areas[i], maker->bytes.data, point, at))
			continue;
		if (best == NULL || compare_areas(&areas[i], best, unconstify(MapMaker *, maker)) < 0)
			best = &areas[i];
		if (chain)
			add_to_chain(&areas[i], maker->bytes.data, chain);
	}
	if (best)
		fill_hit(best, maker->bytes.data, hit);
	if (chain)
		list_sort(*chain, compare_chain);
	return best != NULL;
}

bool
lr_map_image_find(const MapImage *image, struct varlena *point, TimestampTz at, TerritoryHit *hit, List **chain)
{
	Search search = {.image = image, .point = point, .at = at, .best = image->nareas, .chain = chain};
	LrCut values[SIDES_AT_HAND];

	search.values = image->nsides <= SIDES_AT_HAND ? values : palloc(image->nsides * sizeof(LrCut));
	find_values(&search);
	search_group(&search, image->root);
	if (search.best < image->nareas)
		fill_hit(&areas_of(image)[search.best], (const char *) image + image->bytes, hit);
	if (chain)
		list_sort(*chain, compare_chain);
	return search.best < image->nareas;
}

/* The point's value by the image's numbers of sides; none: a length of -1. */
static void
find_values(Search *search)
{
	const MapImage *image = search->image;
	const ImageSide *sides = (const ImageSide *) ((const char *) image + image->sides);
	const char *bytes = (const char *) image + image->bytes;
	LrSideWalk walk;
	LrSideView view;

	for (uint32 side = 0; side < image->nsides; side++)
		search->values[side].len = -1;
	lr_side_walk(search->point, &walk);
	while (lr_side_walk_next(&walk, &view))
		for (uint32 side = 0; side < image->nsides; side++)
			if (sides[side].len == (uint32) view.name_len && memcmp(bytes + sides[side].name, view.name, view.name_len) == 0)
			{
				search->values[side] = lr_side_cut(&view, 0);
				break;
			}
}

static void
search_group(Search *search, Link link)
{
	while (link != 0)
	{
		const char *group = (const char *) search->image + search->image->groups + link;
		const ImageNode *node = (const ImageNode *) group;

		if (link & 1)
		{
			ask(search, link / 2);
			return;
		}
		if (node->zero != 0)
		{
			const ImageList *list = (const ImageList *) group;

			for (uint32 i = 0; i < list->n; i++)
				ask(search, list->areas[i]);
			return;
		}
		if (search->values[node->side].len >= 0)
			search_node(search, node);
		link = node->rest;
	}
}

static void
search_node(Search *search, const ImageNode *node)
{
	const uint64 *keys = (const uint64 *) (node + 1);
	const ImageCut *cuts = (const ImageCut *) (keys + node->ncuts);
	const ImageSpan *spans = (const ImageSpan *) (cuts + node->ncuts);
	const uint32 *innermost = (const uint32 *) (spans + node->nspans);
	const uint8 *bytes = (const uint8 *) search->image + search->image->bytes;
	LrCut value = search->values[node->side];
	uint64 key = key_of(value);
	uint32 from = 0;
	uint32 to = node->ncuts;

	/* how many cuts are at the value or before it */
	while (from < to)
	{
		uint32 middle = from + (to - from) / 2;
		bool before = keys[middle] < key;

		if (keys[middle] == key)
			before = lr_cut_cmp((LrCut){.data = bytes + cuts[middle].at, .len = (int) cuts[middle].len}, value) <= 0;
		if (before)
			from = middle + 1;
		else
			to = middle;
	}
	for (uint32 span = innermost[from]; span != 0; span = spans[span - 1].around)
		search_group(search, spans[span - 1].group);
}

/* Whether the area holds the point, unless another has won already. */
static void
ask(Search *search, uint32 number)
{
	const ImageArea *area = &areas_of(search->image)[number];
	const char *bytes = (const char *) search->image + search->image->bytes;

	if (search->chain == NULL && number >= search->best)
		return;
	if (!holds(area, bytes, search->point, search->at))
		return;
	search->best = Min(search->best, number);
	if (search->chain)
		add_to_chain(area, bytes, search->chain);
}

static const ImageArea *
areas_of(const MapImage *image)
{
	return (const ImageArea *) (image + 1);
}

static bool
holds(const ImageArea *area, const char *bytes, struct varlena *point, TimestampTz at)
{
	return area->from <= at && at < area->to && lr_territory_contains((struct varlena *) unconstify(char *, bytes + area->area), point);
}

static void
fill_hit(const ImageArea *area, const char *bytes, TerritoryHit *hit)
{
	*hit = (TerritoryHit){
		.territory = bytes + area->territory,
		.team = area->team ? bytes + area->team : NULL,
		.rep = area->rep ? bytes + area->rep : NULL,
		.precedence = area->precedence,
		.area = (struct varlena *) unconstify(char *, bytes + area->area),
	};
}

static void
add_to_chain(const ImageArea *area, const char *bytes, List **chain)
{
	TerritoryHit *kept = palloc(sizeof(TerritoryHit));

	fill_hit(area, bytes, kept);
	*chain = lappend(*chain, kept);
}

/* Who wins is the last. */
static int
compare_chain(const ListCell *a, const ListCell *b)
{
	const TerritoryHit *left = lfirst(a);
	const TerritoryHit *right = lfirst(b);

	if (left->precedence != right->precedence)
		return left->precedence < right->precedence ? -1 : 1;
	return lr_territory_cmp(right->area, left->area);
}
