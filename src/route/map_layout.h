/*
 * map_layout.h
 *		How the image of a map is laid out, for the files that make it and read it.
 *
 * One behind the other:
 *	MapImage, ImageArea[nareas], ImageSide[nsides]
 *	groups			each a list of areas (ImageList), or a side's cuts, slices and spans (ImageNode); a Link is an offset into them
 *	bytes			areas, names, each text of a team or rep once; all other offsets are into these
 *
 * Areas are numbered in the order in which they win: higher precedence first, and of one precedence the inner before the outer.
 */
#ifndef LR_MAP_LAYOUT_H
#define LR_MAP_LAYOUT_H

#include "map_image.h"
#include "port/pg_bswap.h"
#include "territory.h"
#include "utils/hsearch.h"
#include "utils/typcache.h"

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
typedef struct MapBuffer
{
	char *data;
	Size len;
	Size room;
} MapBuffer;

struct MapMaker
{
	MemoryContext mcxt;
	TypeCacheEntry *range;
	HTAB *texts; /* of teams and reps */
	MapBuffer bytes;
	MapBuffer areas; /* ImageArea, offsets from the beginning of bytes */
	MapBuffer sides; /* ImageSide, likewise */
	MapBuffer groups;
};

/* The order of areas of a maker, for qsort_arg; arg: its bytes. */
extern int lr_map_compare_areas(const void *a, const void *b, void *arg);

/* The first eight bytes, such that numbers compare as they do; equal ones say nothing. */
static inline uint64
lr_map_key(LrCut cut)
{
	uint64 key = 0;

	if (cut.len > 0)
		memcpy(&key, cut.data, Min(cut.len, (int) sizeof(key)));
	return pg_ntoh64(key);
}

#endif /* LR_MAP_LAYOUT_H */
