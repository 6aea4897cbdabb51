/*
 * pick_team.h
 *		What is kept of a team for picking. Private to pick*.c.
 */
#ifndef LR_PICK_TEAM_H
#define LR_PICK_TEAM_H

#include "pick.h"

/* Where a member comes in the order of a strategy; the least comes first. */
typedef struct Place
{
	bool preferred;
	int64 pointer;
	double load;
	int64 last;
} Place;

typedef struct PickMember
{
	RotationSlot *slot;
	int64 step;		/* of a turn */
	double share;	/* of the team's leads, in proportion */
	double room;	/* what his open leads are measured by, least_loaded */
	double rank;	/* ranked */
	bool rep_wide;	/* his load is that of all his teams */
	uint8 fixed;	/* PickReason by configuration and time */
	uint8 reason;	/* of the last pick */
	bool preferred; /* of the last pick */
	int32 returned; /* minute in which his last leave ended, or PG_INT32_MIN */
	Place place;	/* of the last pick */
} PickMember;

typedef struct PickTurns PickTurns;

typedef struct PickTeam
{
	bool plain;
	bool has_calendars;
	bool lacks_meters;			   /* made on a standby */
	RotationCandidate *candidates; /* of a plain team */
	PickMember *members;
	RotationSlot **slots;
	PickTurns *turns;	/* whose pointers: one, or one a rule */
	int32 period_begin; /* of the week or month that the turns are counted in, in minutes */
	int32 period_end;
	TimestampTz from;  /* PickMember.fixed holds from ... */
	TimestampTz until; /* ... until before this, */
	uint64 generation; /* and under these calendars */
} PickTeam;

/* Whether a place comes before another. */
static inline bool
lr_pick_comes_before(const Place *a, const Place *b)
{
	if (a->preferred != b->preferred)
		return a->preferred;
	if (a->pointer != b->pointer)
		return a->pointer < b->pointer;
	if (a->load != b->load)
		return a->load < b->load;
	return a->last < b->last;
}

#endif /* LR_PICK_TEAM_H */
