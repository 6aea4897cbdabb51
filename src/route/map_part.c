/*
 * map_part.c
 *		A group of areas, parted by one of their sides.
 *
 * Memory: all in the current context; some hundred bytes for an area and an interval of it.
 */
#include "postgres.h"

#include "map_part.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#define SAMPLE 1024 /* areas by which sides are compared */

/* One interval of one area, in slices. */
typedef struct Piece
{
	int from;
	int to; /* behind the last */
	uint32 area;
} Piece;

/* A cut of one piece. */
typedef struct PieceCut
{
	uint64 key;
	LrCut cut;
	int piece;
	bool ends;
} PieceCut;

typedef struct PieceHeap
{
	Piece *pieces;
	int n;
	int room;
} PieceHeap;

static bool part(MapMaker *maker, const uint32 *areas, int n, int side, Parting *parting);
static Piece *pieces_of(MapMaker *maker, const uint32 *areas, int n, int side, Parting *parting, int *npieces);
static bool side_of(struct varlena *area, const char *name, int name_len, LrSideView *view);
static void number_cuts(PieceCut *cuts, int n, Piece *pieces, Parting *parting);
static int compare_cuts(const void *a, const void *b);
static bool make_forest(Piece *pieces, int n, Parting *parting);
static int compare_pieces(const void *a, const void *b);
static void add_span(Parting *parting, int *room, const Piece *piece, int around);
static void heap_push(PieceHeap *heap, Piece piece);
static Piece heap_pop(PieceHeap *heap);

bool
lr_map_part(MapMaker *maker, const uint32 *areas, int n, Parting *parting)
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
			out->key = lr_map_key(out->cut);
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

static int
compare_cuts(const void *a, const void *b)
{
	const PieceCut *left = a;
	const PieceCut *right = b;

	if (left->key != right->key)
		return left->key < right->key ? -1 : 1;
	return lr_cut_cmp(left->cut, right->cut);
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
	int places = room;
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
