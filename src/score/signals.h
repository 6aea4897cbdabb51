/*
 * signals.h
 *		A lead's signals: read, and what they are worth at an instant.
 */
#ifndef LR_SIGNALS_H
#define LR_SIGNALS_H

#include "score.h"
#include "utils/snapshot.h"

typedef struct LeadSignal
{
	TimestampTz at;
	int type; /* index of ScoringConfig.types */
} LeadSignal;

/* Those of a lead that count at an instant, oldest first. */
typedef struct LeadSignals
{
	int n;
	LeadSignal *signals;
	TimestampTz next; /* when the next one begins or ceases to count, DT_NOEND: never */
	int effects;	  /* of types: also of signals from before the reset */
	int excludes;	  /* a type that has EFFECT_NO_SCORING, where that is among them */
} LeadSignals;

/*
 * Reads the signals of known types by index probes, in the current context: the lead's own, and where it has a state those of its
 * duplicates. Locks: AccessShareLock on signals and lead_states.
 */
extern void lr_signals_read(const char *flow, const char *lead, const ScoringConfig *scoring, const ScoreMemo *memo, TimestampTz at,
							LeadSignals *signals);

/* Whether any signal bears the lead's key. */
extern bool lr_signals_exist(const char *flow, const char *lead);

/* What a criterion makes of them. */
typedef struct SignalWorth
{
	int signals;		/* that it counts */
	ScorePoints raw;	/* before decay and its own limit */
	ScorePoints points; /* after */
	TimestampTz next;	/* when time alone next changes that, DT_NOEND: never */
} SignalWorth;

/* `since` is what absence counts from where no signal came: when the lead was submitted, or its signals were reset. */
extern void lr_signals_worth(const ScoringCriterion *criterion, const LeadSignals *signals, TimestampTz at, TimestampTz since,
							 SignalWorth *worth);

#endif /* LR_SIGNALS_H */
