/*
 * rotation_shmem.h
 *		The part of rotation that lies in shared memory. Private to rotation*.c; the lock protocol stands in
 *		rotation_shmem.c.
 */
#ifndef LR_ROTATION_SHMEM_H
#define LR_ROTATION_SHMEM_H

#include "port/atomics.h"
#include "rotation_meter.h"
#include "storage/lwlock.h"
#include "utils/hsearch.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#define ROTATION_PARTITIONS 32

/* Up to three caps each of member and rep, and as many that were changed since the server started. */
#define MEMBER_METERS 12
#define REP_METERS 6

/* A member's name in shared memory: 40 bytes, no padding. */
typedef struct RotationKey
{
	uint64 hash[2]; /* of flow, team and rep */
	uint64 rep[2];	/* of flow and rep */
	Oid database;
	uint32 partition; /* of database and flow: all that one pick may look at lies under one lock */
} RotationKey;

typedef struct SharedRep SharedRep;

/* A member in shared memory. Never moves. */
typedef struct SharedMember
{
	RotationKey key;
	SharedRep *rep;
	struct SharedMember *next; /* of the same rep */
	int64 pointer;			   /* counts what open transactions took */
	int64 pointer_uncommitted; /* the part of pointer that open transactions took */
	int64 last;				   /* partition's sequence at his last turn, 0 for none since the start */
	int32 last_minute;		   /* when that was, in minutes since 2000; 0 for none since the start */
	int32 open;				   /* counts what open transactions took, not what they freed */
	int32 open_uncommitted;
	double expected; /* for fairness(), since a sweep took it */
	uint32 passed[ROTATION_REASONS];
	int32 nmeters;						  /* only grows, in the order of making */
	RotationMeter *meters[MEMBER_METERS]; /* his own and his rep's */
} SharedMember;

/* A rep's name: 24 bytes, no padding. */
typedef struct RepKey
{
	uint64 hash[2]; /* of flow and rep */
	Oid database;
	uint32 partition;
} RepKey;

/* A rep, over all his teams. Never moves. */
struct SharedRep
{
	RepKey key;
	SharedMember *members;
	int32 nmeters;
	RotationMeter *meters[REP_METERS];
};

extern void lr_rotation_shmem_init(void);
extern bool lr_rotation_shmem_available(void);

/* The key of a member of the current database. */
extern RotationKey lr_rotation_key(const char *flow, const char *team, const char *rep);

/* Makes shared memory equal to the ledger where it is not; cheap where it is. Not during recovery. */
extern void lr_rotation_load(void);

/* Whether lr_rotation_load() has nothing to do. */
extern bool lr_rotation_is_loaded(void);

/* Asks for the ledger to be read again, at once. Does not throw: commit and abort callbacks call it. */
extern void lr_rotation_mark_stale(void);

/* The member of this key, found or made. */
extern SharedMember *lr_rotation_member(const RotationKey *key);

/* The member of this key, or NULL. */
extern SharedMember *lr_rotation_find_member(const RotationKey *key);

/* The rep of this key, over all his teams, or NULL. */
extern SharedRep *lr_rotation_find_rep(const RotationKey *key);

/*
 * The meter of a member or of his rep, found or made; one that is made asks for the ledger to be read again. Errors
 * where there is no room.
 */
extern RotationMeter *lr_rotation_find_meter(SharedMember *member, bool of_rep, RotationPeriod period, const char *zone);

/* What fairness() is told of a member since this was last taken; "takes" begins anew. False where he is not there. */
extern bool lr_rotation_tallies(const RotationKey *key, bool takes, double *expected, uint32 *passed);

/* Copies of a member's meters, up to MEMBER_METERS, as of one instant. */
extern int lr_rotation_meters(const RotationKey *key, RotationMeter *meters);

/*
 * Corrects shared memory by the ledger and returns how many members and spans were wrong: none, ever. When that was
 * done last, and how many were found since the server started.
 */
extern int64 lr_rotation_reconcile(void);
extern void lr_rotation_reconciled(TimestampTz *at, int64 *drifted);

extern void lr_rotation_lock(uint32 partition, LWLockMode mode);
extern void lr_rotation_unlock(uint32 partition);

/* The partition's next turn; under its lock, exclusive. */
extern int64 lr_rotation_next_sequence(uint32 partition);

/* Between PRE_COMMIT and the end of the commit callback: this session's transaction, for the loader. */
extern void lr_rotation_publish_commit(TransactionId xid);

#endif /* LR_ROTATION_SHMEM_H */
