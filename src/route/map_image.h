/*
 * map_image.h
 *		The territories of one map in memory, by what they hold.
 */
#ifndef LR_MAP_IMAGE_H
#define LR_MAP_IMAGE_H

#include "map.h"

/* One piece of memory without pointers: it can be copied to wherever 8 bytes are aligned, and read there by many at once. */
typedef struct MapImage MapImage;

typedef struct MapMaker MapMaker;

/* Gathers territories for an image, in the current memory context. */
extern MapMaker *lr_map_maker_begin(void);

/* `during` is a tstzrange. What is passed is copied. False where there is no room left for more. */
extern bool lr_map_maker_add(MapMaker *maker, const TerritoryHit *territory, struct varlena *during);

/* What was gathered takes so much until now. */
extern Size lr_map_maker_size(const MapMaker *maker);

/* As lr_map_image_find, before there is an image: asks one territory after the other. Strings and areas are the maker's. */
extern bool lr_map_maker_find(const MapMaker *maker, struct varlena *point, TimestampTz at, TerritoryHit *hit, List **chain);

/* The image, in the current context. Nothing can be added any more, but what the maker was asked before stays. */
extern MapImage *lr_map_image_make(MapMaker *maker);
extern Size lr_map_image_size(const MapImage *image);
extern int64 lr_map_image_territories(const MapImage *image);

/* As lr_map_find. Strings and areas are the image's. */
extern bool lr_map_image_find(const MapImage *image, struct varlena *point, TimestampTz at, TerritoryHit *hit, List **chain);

#endif /* LR_MAP_IMAGE_H */
