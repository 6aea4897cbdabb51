/*
 * map_image.c
 *		Looking up a point in the image of a map.
 *
 * A group of areas is a short list, or parted by a side (map_part.h): the areas that a point can be in by that side are those of the innermost span around
 * its slice, of the spans around that, and the rest, which the side does not constrain. Each of these is a group in turn. So a look-up is a binary search
 * or two and a handful of areas, and costs nearly the same for ten territories as for a million. The answer is the least number that holds
 * the point, and an area that could not win is not even asked.
 *
 * An image is only read; nothing is allocated but what a caller asks for.
 */
#include "postgres.h"

#include "map_layout.h"

#define SIDES_AT_HAND 32 /* values of a point for which no memory is asked */

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

static void find_values(Search *search);
static void search_group(Search *search, Link link);
static void search_node(Search *search, const ImageNode *node);
static void ask(Search *search, uint32 number);
static const ImageArea *areas_of(const MapImage *image);
static bool holds(const ImageArea *area, const char *bytes, struct varlena *point, TimestampTz at);
static void fill_hit(const ImageArea *area, const char *bytes, TerritoryHit *hit);
static void add_to_chain(const ImageArea *area, const char *bytes, List **chain);
static int compare_chain(const ListCell *a, const ListCell *b);

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
	uint64 key = lr_map_key(value);
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
		if (best == NULL || lr_map_compare_areas(&areas[i], best, maker->bytes.data) < 0)
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
