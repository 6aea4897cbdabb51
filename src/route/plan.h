/*
 * plan.h
 *		What is made for a leads table and a flow together, and kept while both stay as they are: plans.
 */
#ifndef LR_PLAN_H
#define LR_PLAN_H

#include "lead.h"

/* The first member of every plan. */
typedef struct FlowPlan
{
	struct FlowPlan *next; /* of the same shape and kind */
	MemoryContext mcxt;	   /* holds the plan and what belongs to it */
	FlowConfig *config;
	uint64 generation; /* of the configuration it was made under */
	const char *flow;
} FlowPlan;

/* The shape's plan of a kind for a flow, or NULL where it has none; one made under an older configuration is dropped. */
extern void *lr_plan_find(LeadShape *shape, PlanKind kind, const FlowConfig *config);

/* An empty plan in a context of its own, which is the transaction's until lr_plan_keep() gives it to the shape. */
extern void *lr_plan_make(Size size, FlowConfig *config);
extern void lr_plan_keep(LeadShape *shape, PlanKind kind, void *plan);

/* Drops the shape's plans for a flow. */
extern void lr_plan_forget(LeadShape *shape, const char *flow);

#endif /* LR_PLAN_H */
