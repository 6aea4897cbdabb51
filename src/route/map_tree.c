/*
 * map_tree.c
 *		The territories of one map in a session's memory, by what they hold.
 *
 * A side of an area is a sorted list of cuts (territory.h). All cuts of one side, of all areas that constrain it, cut its line into slices,
 * within which no area begins or ends: a point lies in one of them, and only the areas that hold that slice can contain it, beside those that
 * do not constrain the side. A node keeps the slices of the side that parts its areas best, and each slice is a node in turn. So a look-up is
 * a binary search a level, and costs nearly the same for ten territories as for a thousand. Making a node costs as much as asking its areas
 * a dozen times or more: who brings a lead or two on a connection of its own would pay for what nobody uses. So it is made by the
 * point that comes to a slice after some others, and until then the slice's areas are asked one by one.
 *
 * Memory: everything lies in the tree's context until that goes. An area stands in each slice that it holds. One that holds far more of them than it has
 * cuts, since others lie inside it, is asked by every point instead, as one is that does not constrain the side.
 */
#include "postgres.h"

#include "map_tree.h"
#include "territory.h"
#include "utils/memutils.h"

#define FEW 4			 /* areas are asked one by one */
#define LOOKS_BEFORE 8	 /* points that come to a slice before it is made a node */
#define SLICES_BEYOND 32 /* that an area may stand in, more than it has cuts */

/* Slices side by side. */
typedef struct Run
{
	int from;
	int to; /* behind the last */
} Run;

typedef struct Areas
{
	TerritoryHit **hits;
	int n;
} Areas;

typedef struct Slice
{
	Areas areas;
	int looks;			   /* before it was made a node */
	struct TreeNode *node; /* NULL: not made yet */
} Slice;

typedef struct TreeNode
{
	Areas always;	  /* asked by every point */
	const char *side; /* NULL: all are in `always` */
	int side_len;
	int ncuts;
	LrCut *cuts;
	Slice *slices; /* one more than cuts: what is from the cut before on up to the cut of the same number */
} TreeNode;

struct MapTree
{
	MemoryContext mcxt;
	Slice root; /* of no side: all areas */
};

static void ask(const Areas *areas, struct varlena *point, void (*found)(const TerritoryHit *hit, void *arg), void *arg);
static TreeNode *make_node(const Areas *areas, MemoryContext mcxt);
static bool next_side(const Areas *areas, const LrSideView *last, LrSideView *next);
static int cut_side(const Areas *areas, const LrSideView *side, LrCut **cuts);
static int worst_slice(const Areas *areas, const LrSideView *side, const LrCut *cuts, int ncuts, int *sizes);
static int slices_held(const TerritoryHit *hit, const LrSideView *side, const LrCut *cuts, int ncuts, Run **held);
static bool side_of(struct varlena *area, const char *name, int name_len, LrSideView *view);
static void fill_slices(TreeNode *node, const Areas *areas, const LrSideView *side, const int *sizes, MemoryContext mcxt);
static Areas room_for(int n, MemoryContext mcxt);
static int slice_of(LrCut value, const LrCut *cuts, int ncuts);
static int compare_cuts(const void *a, const void *b);

MapTree *
lr_map_tree_make(TerritoryHit *hits, int n, MemoryContext mcxt)
{
	MapTree *tree = MemoryContextAllocZero(mcxt, sizeof(MapTree));
	Areas all = room_for(n, mcxt);

	for (int i = 0; i < n; i++)
		all.hits[all.n++] = &hits[i];
	tree->mcxt = mcxt;
	tree->root.areas = all;
	return tree;
}

void
lr_map_tree_find(MapTree *tree, struct varlena *point, void (*found)(const TerritoryHit *hit, void *arg), void *arg)
{
	Slice *slice = &tree->root;

	while (slice->areas.n > FEW && (slice->node || slice->looks++ >= LOOKS_BEFORE))
	{
		LrSideView view;
		TreeNode *node;

		if (slice->node == NULL)
			slice->node = make_node(&slice->areas, tree->mcxt);
		node = slice->node;
		ask(&node->always, point, found, arg);
		if (node->side == NULL || !side_of(point, node->side, node->side_len, &view))
			return;
		slice = &node->slices[slice_of(lr_side_cut(&view, 0), node->cuts, node->ncuts)];
	}
	ask(&slice->areas, point, found, arg);
}

static void
ask(const Areas *areas, struct varlena *point, void (*found)(const TerritoryHit *hit, void *arg), void *arg)
{
	for (int i = 0; i < areas->n; i++)
		if (lr_territory_contains(areas->hits[i]->area, point))
			found(areas->hits[i], arg);
}

/* ---- making a node ---- */

static TreeNode *
make_node(const Areas *areas, MemoryContext mcxt)
{
	TreeNode *node = MemoryContextAllocZero(mcxt, sizeof(TreeNode));
	MemoryContext scratch;
	MemoryContext oldcontext;
	LrSideView side = {0};
	LrSideView best = {0};
	int least = areas->n;
	LrCut *cuts;
	int *sizes = NULL;

	node->always = *areas;
	scratch = AllocSetContextCreate(CurrentMemoryContext, "leadroute map", ALLOCSET_SMALL_SIZES);
	oldcontext = MemoryContextSwitchTo(scratch);
	while (next_side(areas, &side, &side))
	{
		int ncuts = cut_side(areas, &side, &cuts);
		int *these = palloc0((ncuts + 2) * sizeof(int));
		int worst = worst_slice(areas, &side, cuts, ncuts, these);

		if (worst < least)
		{
			least = worst;
			best = side;
			sizes = these;
			node->cuts = cuts;
			node->ncuts = ncuts;
		}
	}
	/* a side that leaves most of them together is not worth its search */
	if (sizes && least <= areas->n * 3 / 4)
	{
		node->cuts = memcpy(MemoryContextAlloc(mcxt, node->ncuts * sizeof(LrCut)), node->cuts, node->ncuts * sizeof(LrCut));
		fill_slices(node, areas, &best, sizes, mcxt);
	}
	MemoryContextSwitchTo(oldcontext);
	MemoryContextDelete(scratch);
	return node;
}

/* The first side, in order of name, after `last` that one of the areas constrains. A side without a name comes before all. */
static bool
next_side(const Areas *areas, const LrSideView *last, LrSideView *next)
{
	LrSideView least = {0};

	for (int i = 0; i < areas->n; i++)
	{
		LrSideWalk walk;
		LrSideView view;

		lr_side_walk(areas->hits[i]->area, &walk);
		while (lr_side_walk_next(&walk, &view))
		{
			if (last->name && lr_side_name_cmp(view.name, view.name_len, last->name, last->name_len) <= 0)
				continue;
			if (least.name == NULL || lr_side_name_cmp(view.name, view.name_len, least.name, least.name_len) < 0)
				least = view;
			break;
		}
	}
	*next = least;
	return least.name != NULL;
}

/* Where the areas' sets on a side begin and end, sorted, each once. */
static int
cut_side(const Areas *areas, const LrSideView *side, LrCut **cuts)
{
	LrSideView view;
	int all = 0;
	int n = 0;

	for (int i = 0; i < areas->n; i++)
		if (side_of(areas->hits[i]->area, side->name, side->name_len, &view))
			all += view.ncuts;
	*cuts = palloc(all * sizeof(LrCut));
	all = 0;
	for (int i = 0; i < areas->n; i++)
		if (side_of(areas->hits[i]->area, side->name, side->name_len, &view))
			for (int cut = 0; cut < view.ncuts; cut++)
				(*cuts)[all++] = lr_side_cut(&view, cut);
	qsort(*cuts, all, sizeof(LrCut), compare_cuts);
	for (int i = 0; i < all; i++)
		if (n == 0 || lr_cut_cmp((*cuts)[n - 1], (*cuts)[i]) != 0)
			(*cuts)[n++] = (*cuts)[i];
	return n;
}

/* How many areas a point may have to ask by this side. sizes[]: how many stand in each slice, and behind these, how many in none. */
static int
worst_slice(const Areas *areas, const LrSideView *side, const LrCut *cuts, int ncuts, int *sizes)
{
	int worst = 0;

	for (int i = 0; i < areas->n; i++)
	{
		Run *held;
		int n = slices_held(areas->hits[i], side, cuts, ncuts, &held);

		if (n < 0)
			sizes[ncuts + 1]++;
		for (int set = 0; set < n; set++)
			for (int slice = held[set].from; slice < held[set].to; slice++)
				sizes[slice]++;
	}
	for (int slice = 0; slice <= ncuts; slice++)
		worst = Max(worst, sizes[slice]);
	return worst + sizes[ncuts + 1];
}

/* The slices that an area holds; how many runs of them, or -1 where it is every point's. */
static int
slices_held(const TerritoryHit *hit, const LrSideView *side, const LrCut *cuts, int ncuts, Run **held)
{
	LrSideView view;
	int slices = 0;
	int n = 0;

	if (!side_of(hit->area, side->name, side->name_len, &view))
		return -1;
	*held = palloc((view.ncuts + 1) / 2 * sizeof(Run));
	for (int cut = 0; cut < view.ncuts; cut += 2, n++)
	{
		Run *run = &(*held)[n];

		run->from = slice_of(lr_side_cut(&view, cut), cuts, ncuts);
		run->to = cut + 1 < view.ncuts ? slice_of(lr_side_cut(&view, cut + 1), cuts, ncuts) : ncuts + 1;
		slices += run->to - run->from;
		if (slices > view.ncuts + SLICES_BEYOND)
			return -1;
	}
	return n;
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

static void
fill_slices(TreeNode *node, const Areas *areas, const LrSideView *side, const int *sizes, MemoryContext mcxt)
{
	node->side = side->name;
	node->side_len = side->name_len;
	node->always = room_for(sizes[node->ncuts + 1], mcxt);
	node->slices = MemoryContextAllocZero(mcxt, (node->ncuts + 1) * sizeof(Slice));
	for (int slice = 0; slice <= node->ncuts; slice++)
		node->slices[slice].areas = room_for(sizes[slice], mcxt);
	for (int i = 0; i < areas->n; i++)
	{
		Run *held;
		int n = slices_held(areas->hits[i], side, node->cuts, node->ncuts, &held);

		if (n < 0)
			node->always.hits[node->always.n++] = areas->hits[i];
		for (int set = 0; set < n; set++)
			for (int slice = held[set].from; slice < held[set].to; slice++)
			{
				Areas *there = &node->slices[slice].areas;

				there->hits[there->n++] = areas->hits[i];
			}
	}
}

/* None yet. */
static Areas
room_for(int n, MemoryContext mcxt)
{
	return (Areas){.hits = n > 0 ? MemoryContextAlloc(mcxt, n * sizeof(TerritoryHit *)) : NULL};
}

/* How many cuts are at the value or before it. */
static int
slice_of(LrCut value, const LrCut *cuts, int ncuts)
{
	int from = 0;
	int to = ncuts;

	while (from < to)
	{
		int middle = (from + to) / 2;

		if (lr_cut_cmp(cuts[middle], value) <= 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static int
compare_cuts(const void *a, const void *b)
{
	return lr_cut_cmp(*(const LrCut *) a, *(const LrCut *) b);
}
