/*
 * rotation_delta.h
 *		What each (sub)transaction took of members. Private to rotation*.c; the protocol stands in rotation_delta.c.
 */
#ifndef LR_ROTATION_DELTA_H
#define LR_ROTATION_DELTA_H

#include "rotation.h"
#include "rotation_shmem.h"

typedef struct RotationDelta RotationDelta;
typedef struct RotationLevel RotationLevel;
typedef struct RotationTally RotationTally;

struct RotationSlot
{
	RotationKey key;	  /* hash key */
	SharedMember *shared; /* NULL during recovery */
	RotationDelta *delta; /* innermost level's, NULL outside of transactions that touched it */
	char *flow;
	char *team;
	char *rep;
	int64 ledger_pointer; /* during recovery only */
	int32 ledger_open;
	int32 ledger_rep_open;
};

/* What a level gave a member in a minute, where a cap counts it: as a delta's taken, kept and pending. */
struct RotationTally
{
	RotationTally *next;
	int32 minute;
	int32 nmeters; /* the first so many of his meters have counted it */
	int32 taken;
	int32 kept;
	int32 pending;
};

struct RotationDelta
{
	RotationSlot *slot;
	RotationLevel *level;
	RotationDelta *outer; /* the same slot's, of an outer level */
	RotationDelta *next;  /* of the same level, or of the free list */
	int64 taken_pointer;
	int64 kept_pointer;
	int64 raised;
	int64 pending_pointer;
	int32 taken_open;
	int32 kept_open;
	int32 freed;
	int32 pending_open;
	int64 last_sequence;  /* the level's last turn of this member, 0 for none */
	int64 first_previous; /* his last turn before the level's unbroken run of turns */
	int32 first_previous_minute;
	RotationTally *tallies; /* of members whose leads a cap counts */
};

struct RotationLevel
{
	int nest_level;
	RotationLevel *outer;
	RotationDelta *deltas;
};

extern void lr_delta_init(void);

/* Whether this transaction has freed a place, in a part of it that may have been rolled back. */
extern bool lr_delta_frees;

/* The delta of the slot at the current level, made where it is not there. */
extern RotationDelta *lr_delta_current(RotationSlot *slot);

/* The delta's tally of a minute, made where it is not there. */
extern RotationTally *lr_delta_tally(RotationDelta *delta, int32 minute, int32 nmeters);

/* Adds to some of a member's meters, where they have the span. Under the lock, exclusive. */
extern void lr_delta_meter(SharedMember *member, int first, int last, int32 minute, int32 count, int32 uncommitted);

#endif /* LR_ROTATION_DELTA_H */
