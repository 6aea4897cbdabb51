/*
 * map_share.h
 *		Images of large maps that all sessions of the server look into.
 */
#ifndef LR_MAP_SHARE_H
#define LR_MAP_SHARE_H

#include "map_image.h"
#include "utils/rel.h"

/* What a session keeps of a map to ask for its image; begins zeroed but for the names, which live as long. */
typedef struct MapSeat
{
	const char *flow;
	const char *map;
	Oid anchor;	  /* as ShareKey has it */
	uint64 heard; /* how many images there had been when it looked last, and 1 */
	int slot;	  /* where its look-ups count, and 1; 0: not known yet */
} MapSeat;

extern void lr_map_share_init(void);

/*
 * The map's image if there is one that says what the tables say now, for whoever has heard the invalidations until now; it stays where it is until
 * mcxt is reset or deleted. NULL where there is none, which costs next to nothing as long as no image of any map is made.
 */
extern const MapImage *lr_map_share_take(MapSeat *seat, MemoryContext mcxt);

/* A look-up went through the index, and cost as much as so many: after enough of them the image is made, by another process. */
extern void lr_map_share_missed(MapSeat *seat, uint32 looks, Relation territories);

#endif /* LR_MAP_SHARE_H */
