/*
 * map_part.h
 *		A group of areas, parted by one of their sides.
 *
 * All cuts of a side, of all areas of the group, cut its line into slices, within which no area begins or ends: a point lies in one of them. Intervals of
 * which one lies inside the other, or beside it, form a forest of spans; one that crosses another is parted where that ends.
 */
#ifndef LR_MAP_PART_H
#define LR_MAP_PART_H

#include "map_layout.h"

typedef struct Span
{
	int from;
	int to;
	int around; /* -1: none */
	int n;		/* of areas */
	int64 sum;	/* with those around */
} Span;

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

/*
 * The group of the areas with these numbers, parted by the side that parts it best; everything in the current context, cuts in the maker's bytes. False where
 * all sides leave most of it together, which is not worth a search.
 */
extern bool lr_map_part(MapMaker *maker, const uint32 *areas, int n, Parting *parting);

#endif /* LR_MAP_PART_H */
