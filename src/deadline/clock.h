/*
 * clock.h
 *		Clocks of a lead: which policies give it one, and when they are due.
 */
#ifndef LR_CLOCK_H
#define LR_CLOCK_H

#include "config.h"
#include "utils/timestamp.h"

/* Stands for an instant that there is none of. */
#define CLOCK_NEVER DT_NOEND

/* A clock by what its deadlines follow from. Strings are borrowed. */
typedef struct Clock
{
	const PolicyConfig *policy;
	const char *runs_by; /* a calendar's name; NULL: 24x7 */
	bool starts;		 /* with its lead: a calendar that it cannot run by is an error. One that runs goes on around the clock */
	TimestampTz started_at;
	TimestampTz assigned_at; /* CLOCK_NEVER: nobody has had the lead yet */
	TimestampTz held_since;	 /* since when its present owner has it; CLOCK_NEVER: nobody does */
	int64 paused;			 /* microseconds of business time */
	TimestampTz due_at;
	TimestampTz rep_due_at; /* CLOCK_NEVER: none */
	TimestampTz risk_at;
	TimestampTz rep_risk_at;
	TimestampTz next_at; /* CLOCK_NEVER: no sweep looks at it */
	bool breached;		 /* its breach is told */
	uint32 skipped;		 /* steps due before the lead reached its owner: bits, of the first 32 */
} Clock;

/* A clock that a duplicate's row asks for, of its first lead. */
typedef struct AskedClock
{
	const PolicyConfig *policy;
	TimestampTz started_at;
} AskedClock;

/* Whether a policy's condition holds for the lead at hand. */
typedef bool (*PolicyTest)(void *arg, int policy);

/* Who has a lead, when clocks start. */
typedef struct ClockLead
{
	FlowConfig *config;
	const char *owner; /* or NULL */
	const char *team;  /* or NULL */
	bool waits;		   /* in a queue */
	const char *stage; /* or NULL */
	TimestampTz submitted_at;
	TimestampTz at; /* of the decision */
} ClockLead;

/* The first policy of each metric (and stage) whose test passes, in order; *policies is palloced. Returns how many. */
extern int lr_clock_policies(const FlowConfig *config, PolicyTest test, void *arg, int **policies);

/*
 * The clocks that a newly decided lead starts at once, palloced; returns how many. Steps that were due before it reached its owner are skipped. Errors: those
 * of calendars.
 */
extern int lr_clocks_begin(const ClockLead *lead, const int *policies, int npolicies, Clock **clocks);

/* Those that a duplicate asks for by policies that it meets, palloced; what starts by waiting, touches, meetings or stages is the first lead's own matter. */
extern int lr_clocks_ask(const ClockLead *lead, const int *policies, int npolicies, AskedClock **asked);

/* Whether it arrived too late for any clock (flows.max_backdate). */
extern bool lr_clock_too_old(const ClockLead *lead);

/* The earliest deadline, or CLOCK_NEVER. */
extern TimestampTz lr_clocks_due(const Clock *clocks, int n);

/* Fills due_at, rep_due_at, risk_at and rep_risk_at from the rest. Errors: those of calendars. */
extern void lr_clock_reckon(const char *flow, Clock *clock);

/* When a step is due; CLOCK_NEVER: not while nobody has the lead. */
extern TimestampTz lr_clock_step_due(const char *flow, const Clock *clock, const StepConfig *step);

/* The name of the calendar that a policy's clock runs by for who has the lead, or NULL: 24x7. */
extern const char *lr_clock_calendar(const FlowConfig *config, const PolicyConfig *policy, const char *owner, const char *team);

/* The name of the calendar that a clock goes by which has started: around the clock where its own is gone, or never opens. */
extern const char *lr_clock_runs_by(const char *flow, const char *runs_by);

extern const PolicyConfig *lr_config_policy(const FlowConfig *config, const char *policy);

/*
 * What is written of the clocks of a new lead: rows, and one event where steps were skipped or a deadline was over; or of one that is too old. Returns the
 * type of the message that goes with that event, and *said what it says; NULL: none. In the current context.
 */
extern const char *lr_clocks_record(const ClockLead *lead, const char *key, const Clock *clocks, int n, bool too_old, const char **said);

#endif /* LR_CLOCK_H */
