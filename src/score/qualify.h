/*
 * qualify.h
 *		Whether a lead is qualified (an MQL), nearly so, and what is written when it becomes one.
 */
#ifndef LR_QUALIFY_H
#define LR_QUALIFY_H

#include "route.h"

/*
 * What makes a row's lead an MQL now: "score", "high_intent" or "meeting" (literals); NULL: nothing. Of one that was rejected and nurtured only what is new
 * since counts. Cheap where the flow has no scoring.
 */
extern const char *lr_qualified_by(const LeadRow *row, FlowConfig *config, bool *warned);

/* Whether it is one, or has been since its last rejection: facts.is_mql. */
extern bool lr_is_qualified(const LeadRow *row, FlowConfig *config, bool *warned);

/* Whether it is not, but nearly: people are to look at it. */
extern bool lr_is_borderline(const LeadRow *row, FlowConfig *config, bool *warned);

/* Whether a signal of this type may make a lead an MQL. */
extern bool lr_qualify_reads(const SignalType *type);

/* Fills facts.is_mql. */
extern void lr_qualify_facts(TupleTableSlot *facts, const LeadRow *row, FlowConfig *config, bool *warned);

/* The code of the event, and why, in one sentence. */
extern const char *lr_qualify_code(const char *by);
extern const char *lr_qualify_reason(const char *by, const LeadScore *score);

extern const char *lr_review_reason(const LeadScore *score);

/* A known lead is an MQL from now on, or waits for review: state, event, message. Uses SPI. */
extern void lr_qualify_write(FlowConfig *config, const char *lead, const char *by, const char *reason, const char *actor, TimestampTz at);
extern void lr_review_write(FlowConfig *config, const char *lead, const char *reason, TimestampTz at);

#endif /* LR_QUALIFY_H */
