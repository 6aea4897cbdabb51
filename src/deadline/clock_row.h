/*
 * clock_row.h
 *		A stored clock, and what its steps make of it.
 *
 * Everything is made in the current context; strings of the policy are the configuration's.
 */
#ifndef LR_CLOCK_ROW_H
#define LR_CLOCK_ROW_H

#include "clock.h"

/* A step of a clock that is still to be done. */
typedef struct StepAhead
{
	const StepConfig *step;
	TimestampTz due_at;
} StepAhead;

/* A row of clocks, as far as its steps and its breach go. */
typedef struct ClockRow
{
	FlowConfig *config;
	Clock clock; /* its policy is NULL where there is none of that name any more; assigned_at is that of its owner */
	const char *policy;
	const char *metric;
	const char *owner; /* whom it counts for, or NULL */
	int32 round;
	bool finished;
	bool breached;		   /* its breach is told */
	TimestampTz paused_at; /* CLOCK_NEVER: it runs */
	int nsteps;			   /* to be done, in the order of when they are due */
	StepAhead *steps;
} ClockRow;

/* What a row says of its steps, and the configuration: those not done, of a clock that is paused those that were due before. Errors: those of calendars. */
extern void lr_clock_row(const Datum *values, const bool *nulls, ClockRow *row);

/* What its next_at is to be: its first step, or the breach until it is told; CLOCK_NEVER: nothing is to come. */
extern TimestampTz lr_clock_row_next(const ClockRow *row);

/* Whom a step's recipient stands for: a rep's key or a team's channel; NULL: there is nobody. owner and team may be NULL. */
extern const char *lr_clock_recipient(const FlowConfig *config, const char *owner, const char *team, const char *recipient);

#endif /* LR_CLOCK_ROW_H */
