/*
 * rotation.h
 *		Turns and places: who goes next in a team, and who holds how many open leads.
 *
 * A member's pointer grows by ROTATION_SCALE / weight with each turn; the lowest goes next, and of equals the one
 * who waited longest. What is taken counts at once for everybody, belongs to the (sub)transaction that took it and
 * goes back with its abort; what is freed counts when the transaction commits. The ledger leadroute.rotation makes
 * both durable: a member's pointer and open leads are the sums over his rows.
 *
 * Order of a lead's calls: lr_rotation_take, then lr_rotation_confirm once the row stands or lr_rotation_give_back
 * where it does not (newest first, where several go back), then lr_rotation_write. A turn that is neither confirmed
 * nor given back when the transaction commits goes back then.
 *
 * Nothing here may be called where lr_rotation_available() is false, except lr_rotation_append.
 */
#ifndef LR_ROTATION_H
#define LR_ROTATION_H

#include "datatype/timestamp.h"

/* One turn at weight 1: lcm(1..24), so that the steps of usual weights are whole numbers and weights add up exactly. */
#define ROTATION_SCALE INT64CONST(5354228880)

/* A session's handle of one member of one team; lives as long as the session, so that callers may keep it. */
typedef struct RotationSlot RotationSlot;

/* All members of one team are offered together, in listed order. */
typedef struct RotationCandidate
{
	RotationSlot *slot;
	int64 step; /* ROTATION_SCALE / weight */
	bool eligible;
} RotationCandidate;

/* The time that a cap counts leads in: of the clock of a zone, or back from now. */
typedef enum RotationPeriod
{
	PERIOD_HOUR,
	PERIOD_DAY,
	PERIOD_WEEK,
	PERIOD_MONTH,
	PERIOD_ROLLING_HOUR,
	PERIOD_ROLLING_DAY,
	PERIOD_ROLLING_WEEK,
	PERIOD_ROLLING_MONTH /* 30 days */
} RotationPeriod;

/* Counts the leads that a member, or his rep over all teams, is given in such a time; in shared memory. */
typedef struct RotationMeter RotationMeter;

/* What one lead took: kept by the caller until it is confirmed or given back. */
typedef struct RotationTurn
{
	RotationSlot *slot;	 /* whose place it is */
	RotationSlot *turns; /* whose turn: the same, unless the team's turns are counted elsewhere */
	int64 step;			 /* 0: a place without a turn */
	int64 sequence;		 /* 0: a place without a turn */
	int64 previous;		 /* the member's last turn before this one */
	int32 previous_minute;
	int32 minute;  /* of the decision */
	int32 nmeters; /* how many meters of the member count the lead */
	bool counts;   /* a lead that was given, and no mere place */
} RotationTurn;

/* Where a member stands, for who chooses among members. */
typedef struct RotationStanding
{
	int64 pointer;
	int64 last;		   /* order of his last turn since the server started, 0 for none */
	int32 last_minute; /* when that was, see lr_rotation_minute; 0 for none */
} RotationStanding;

/* Chooses a member: returns his index and sets the step that his pointer grows by, or returns -1. May neither fail nor allocate. */
typedef int (*RotationChoice)(void *arg, int64 *step);

/*
 * From _PG_init, before any module whose own commit callback confirms turns: callbacks registered later run
 * earlier, and what is confirmed after this module's own PRE_COMMIT would miss the ledger.
 */
extern void lr_rotation_init(void);

/* Whether the library was preloaded, so that shared memory is there. */
extern PGDLLEXPORT bool lr_rotation_available(void);

/* The handle of a member, found or made; loads the database first. Team "": places of leads that belong to no team. */
extern PGDLLEXPORT RotationSlot *lr_rotation_slot(const char *flow, const char *team, const char *rep);

/* The handle, or NULL where lr_rotation_slot() or a place taken of it might have to load or to make an entry, and fail. */
extern RotationSlot *lr_rotation_ready_slot(const char *flow, const char *team, const char *rep);

/* Whether a turn among these can be taken without loading or making an entry, so without failing. */
extern bool lr_rotation_is_ready(const RotationCandidate *candidates, int n);
extern bool lr_rotation_are_ready(RotationSlot *const *slots, int n);

/* Index of who would go next, -1 for nobody. Takes nothing; works during recovery, from the ledger. */
extern PGDLLEXPORT int lr_rotation_peek(const RotationCandidate *candidates, int n);

/* A member's pointer and open leads, uncommitted takes of all sessions included. Works during recovery. */
extern PGDLLEXPORT void lr_rotation_read(RotationSlot *slot, int64 *pointer, int32 *open);

/* The open leads of the member's rep over all his teams, in the same way. */
extern int32 lr_rotation_rep_load(RotationSlot *slot);

/* The same by his name; makes no slot. -1 where shared memory does not answer: not preloaded, or during recovery. */
extern int32 lr_rotation_rep_total(const char *flow, const char *rep);

/*
 * The same by names, for views: of n members of one team at one instant. Makes no slots, and counts what this
 * transaction frees or raises at its commit. Not during recovery.
 */
extern void lr_rotation_read_members(const char *flow, const char *team, char **reps, int n, int64 *pointers,
									 int32 *opens);

/* Picks and takes: adds the step and a place. Returns the index, -1 for nobody (nothing is taken then). */
extern int lr_rotation_take_at(const RotationCandidate *candidates, int n, TimestampTz at, RotationTurn *turn);

/* The same, now. */
extern PGDLLEXPORT int lr_rotation_take(const RotationCandidate *candidates, int n, RotationTurn *turn);

/*
 * Calls "choose" with the flow's counters held still, and takes what it chose in the same act; with turn NULL it takes
 * nothing, and works during recovery. slots are the members' places, turns their pointers; all of one flow.
 */
extern int lr_rotation_choose(RotationSlot *const *slots, RotationSlot *const *turns, int n, RotationChoice choose,
							  void *arg, TimestampTz at, RotationTurn *turn);

/* Before a choice that looks at further slots than its members': after a promotion they find their members. */
extern void lr_rotation_attach(RotationSlot *slot);

/* For use within a choice: where a member stands, his open leads (less what this transaction frees), and those of his rep over all teams. */
extern void lr_rotation_standing(const RotationSlot *slot, RotationStanding *standing);
extern int32 lr_rotation_open(const RotationSlot *slot);
extern int32 lr_rotation_rep_open(const RotationSlot *slot);

/* For use within a choice that takes: lifts a pointer at once, whatever becomes of the lead. May run out of memory. */
extern void lr_rotation_lift(RotationSlot *slot, int64 by);

/* The period by the clock of a zone that holds an instant, in minutes. Reads time zones: not within a choice. */
extern void lr_rotation_period(RotationPeriod period, const char *zone, TimestampTz at, int32 *begin, int32 *end);

/* What fairness() is told of a member: the reasons for which he was passed over, in this order, and what he could expect. */
#define ROTATION_REASONS 7

/*
 * For use within a choice that takes: counts one reason, unless it is negative, and a part of a pick that he could expect.
 * Figures for reading: what rolls back stays counted, a crash forgets what no sweep has written down.
 */
extern void lr_rotation_tally(RotationSlot *slot, int reason, double expected);

/* For use within a choice: whether a lead can be counted; where not, the choice is made once more when it can. */
extern bool lr_rotation_can_count(const RotationSlot *slot, TimestampTz at);

/* For use within a choice: the leads that count in a meter at an instant. */
extern int32 lr_rotation_count(RotationMeter *meter, TimestampTz at);

/* The same outside of one. */
extern int32 lr_rotation_metered(RotationSlot *slot, RotationMeter *meter, TimestampTz at);

/*
 * The meter of a member, or of his rep, found or made, so that from now on all leads are counted in it; what was given
 * before comes from the ledger. NULL during recovery: nobody counts there.
 */
extern RotationMeter *lr_rotation_meter(RotationSlot *slot, bool of_rep, RotationPeriod period, const char *zone);

/* Open leads without a lock, less what this transaction frees. Errors: those of lr_rotation_load. */
extern int32 lr_rotation_glance(const RotationSlot *slot);

/* An instant in minutes since 2000, downwards. */
extern int32 lr_rotation_minute(TimestampTz at);

/* A place without a turn: account owners, given owners. */
extern PGDLLEXPORT void lr_rotation_take_place(RotationSlot *slot, RotationTurn *turn);

/* n places whose leads stand already: taken and confirmed in one. */
extern PGDLLEXPORT void lr_rotation_take_places(RotationSlot *slot, int32 n);

/* The row was not inserted: turn and place go back at once. */
extern PGDLLEXPORT void lr_rotation_give_back(RotationTurn *turn);

/* The row is there: the turn becomes part of what lr_rotation_write appends. */
extern PGDLLEXPORT void lr_rotation_confirm(RotationTurn *turn);

/* A lead was closed, deleted or handed over: n places become free when the transaction commits. */
extern PGDLLEXPORT void lr_rotation_free_place(RotationSlot *slot, int32 n);

/* Lifts a member's pointer by "raise" when the transaction commits: a joiner's start. */
extern PGDLLEXPORT void lr_rotation_raise(RotationSlot *slot, int64 raise);

/* Appends what is confirmed, freed and raised and not yet written, one row a member. Returns whether it wrote. */
extern PGDLLEXPORT bool lr_rotation_write(void);

/* Makes everybody read the ledger again once this transaction has ended; with "now", this session at once too. */
extern void lr_rotation_reload(bool now);

/* Appends one row to the ledger, past triggers and shared memory: where the library was not preloaded. */
extern void lr_rotation_append(const char *flow, const char *team, const char *rep, int64 pointer, int32 open);

/* Members who joined in this transaction (rotation_sql.c), told about (sub)transaction ends. */
extern void lr_rotation_joins_end_sub(int nest_level, bool committed);
extern void lr_rotation_joins_end(void);

#endif /* LR_ROTATION_H */
