/*
 * stage.h
 *		The stage that a lead is in: where it begins, which changes are legal, and how it advances by itself.
 */
#ifndef LR_STAGE_H
#define LR_STAGE_H

#include "closing.h"
#include "route.h"
#include "watch.h"

/* One change of a lead's stage, in the order in which they happen. */
typedef struct StageChange
{
	struct StageChange *next;
	const char *from; /* NULL: it had none */
	const char *to;
	const char *code;	/* of leadroute.codes */
	const char *reason; /* in one sentence */
	const char *actor;	/* NULL: leadroute itself */
	TimestampTz at;
} StageChange;

/* NULL for a stage that the flow does not have, or NULL. */
extern const StageConfig *lr_stage_find(const FlowConfig *config, const char *stage);

/* Whether a lead in this stage is open, closed or won, as far as its stage says; open for one that the flow does not have. */
extern Verdict lr_stage_verdict(const FlowConfig *config, const char *stage);

/* The stage that is left out where a row, or nobody, says otherwise: the row's word, or NULL. */
extern const char *lr_stage_given(const LeadShape *shape, const FlowConfig *config, TupleTableSlot *slot);

/*
 * The stage in which a new lead begins: the one that its row names, else the flow's first; and from there as far as entry
 * conditions carry it. row->stage follows. Errors for a stage that is not there or not legal, unless the flow only reports. The
 * changes are in the current context.
 */
extern StageChange *lr_stage_begin(LeadRow *row, FlowConfig *config, const char *given, bool *warned);

/*
 * What becomes of a known lead in the stage row->stage: first what somebody wants (`wanted` with `actor`, or NULL), then what entry conditions
 * make of it. row->stage follows. NULL: nothing. Errors as above.
 */
extern StageChange *lr_stage_change(LeadRow *row, FlowConfig *config, const char *wanted, const char *actor, bool *warned);

/* The stage that leadroute uses for something (stages.role), or NULL. */
extern const char *lr_stage_of(const FlowConfig *config, const char *role);

/* What somebody wants, and no entry condition takes further. NULL: it is in that stage. Errors as lr_stage_change(). */
extern StageChange *lr_stage_want(LeadRow *row, FlowConfig *config, const char *to, const char *actor);

/* A change that leadroute makes, where it is legal and nothing is missing for it; else NULL. row->stage follows. */
extern StageChange *lr_stage_move(LeadRow *row, FlowConfig *config, const char *to, const char *code, const char *reason, const char *actor);

/* A lead that was put away is given out again: out of the stage for that, to the first. NULL: it is in another. row->stage follows. */
extern StageChange *lr_stage_restart(LeadRow *row, FlowConfig *config, const char *why);

/* Writes the changes of a known lead: state and events. source: what its row sent, or NULL. Uses SPI. */
extern void lr_stage_write(const char *flow, const char *lead, const StageChange *changes, const char *source);

/* What a change of stage says of the lead's being open, closed or won; false where it says nothing. */
extern bool lr_stage_says(const FlowConfig *config, const StageChange *changes, const LeadShape *shape, TupleTableSlot *slot,
						  TimestampTz now, Closing *closing);

#endif /* LR_STAGE_H */
