/*
 * map_tree.h
 *		The territories of one map in a session's memory, by what they hold.
 */
#ifndef LR_MAP_TREE_H
#define LR_MAP_TREE_H

#include "map.h"

typedef struct MapTree MapTree;

/* Of n hits and their areas, which must live as long as mcxt; what is made, at once or at look-ups, lies there. */
extern MapTree *lr_map_tree_make(TerritoryHit *hits, int n, MemoryContext mcxt);

/* The hits whose areas contain the point, one after the other to `found`, in no order. Allocates in the tree's context only. */
extern void lr_map_tree_find(MapTree *tree, struct varlena *point, void (*found)(const TerritoryHit *hit, void *arg), void *arg);

#endif /* LR_MAP_TREE_H */
