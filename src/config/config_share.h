/*
 * config_share.h
 *		What one session has read of the configuration, for those that come after it: images in shared memory.
 */
#ifndef LR_CONFIG_SHARE_H
#define LR_CONFIG_SHARE_H

#include "postgres_ext.h"

typedef struct ShareKey
{
	Oid database;
	Oid anchor; /* the table whose invalidations sessions hear: another CREATE EXTENSION has another */
	uint64 names[2];
} ShareKey;

/* Where an image belongs, and whether what is read now may become one. */
typedef struct SharePlace
{
	ShareKey key;
	bool publishes;
	bool clears; /* no transaction is prepared: see config_share.c */
	uint64 generation;
	uint64 maps; /* the generation of territories */
	uint32 prepares;
} SharePlace;

/* A part of an image. */
typedef struct SharePiece
{
	const void *data;
	Size size; /* a multiple of MAXIMUM_ALIGNOF */
} SharePiece;

extern void lr_share_init(void);

/*
 * The image of a kind and names (of a flow, of something in it), copied into the current memory context, or NULL. What it holds is what
 * the tables say now, for whoever has heard the invalidations until now. Where there is none, *place says whether what the caller
 * reads from here on may become one.
 */
extern void *lr_share_find(const char *kind, const char *flow, const char *name, Oid anchor, SharePlace *place, Size *size);

/*
 * The same where the image is large: it stays where it is, and see() looks at it under a lock, so it may neither raise an error nor
 * allocate. False where there is none.
 */
extern bool lr_share_see(const char *kind, const char *flow, const char *name, Oid anchor, SharePlace *place, void (*see)(const void *image, void *arg), void *arg);

/* A part of an image, which ends in a byte of zero that does not count; NULL where the image is not there any more, or is none of this size. */
extern char *lr_share_find_part(const char *kind, const char *flow, const char *name, Oid anchor, Size offset, Size size);

/* What there is room for in all. */
extern Size lr_share_size(void);

/* Between lr_owner_begin() and the first query of what is to be published. */
extern void lr_share_look(SharePlace *place);
extern void lr_share_publish(const SharePlace *place, const SharePiece *pieces, int n);

/* The transaction changes what images are made of, territories too; they are void when it commits, and it neither takes nor makes any itself. */
extern void lr_share_changed(bool territories);

/*
 * For images of maps, which lie elsewhere (map_share.c): a place for what is read from here on, the generation of territories, which only their changes
 * raise, whether what was read at a place may be an image still, and whether this transaction may take any.
 */
extern void lr_share_maps_place(SharePlace *place);
extern uint64 lr_share_maps_generation(Oid database);
extern bool lr_share_maps_hold(const SharePlace *place);
extern bool lr_share_takes(void);

#endif /* LR_CONFIG_SHARE_H */
