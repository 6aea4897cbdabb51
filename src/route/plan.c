/*
 * plan.c
 *		What is made for a leads table and a flow together, and kept while both stay as they are: plans.
 *
 * A plan belongs to a shape (lead.c), whose memory its own is a child of, so it goes with the shape. One made under an older configuration is dropped
 * when the flow's is next asked for. Nobody holds a plan across that: whoever uses one asks for it anew with each row.
 */
#include "postgres.h"

#include "plan.h"
#include "utils/memutils.h"

void *
lr_plan_find(LeadShape *shape, PlanKind kind, const FlowConfig *config)
{
	for (FlowPlan **link = &shape->plans[kind]; *link; link = &(*link)->next)
	{
		FlowPlan *plan = *link;

		if (strcmp(plan->flow, config->flow) != 0)
			continue;
		if (plan->config == config && plan->generation == config->generation)
			return plan;
		*link = plan->next;
		MemoryContextDelete(plan->mcxt);
		break;
	}
	return NULL;
}

void *
lr_plan_make(Size size, FlowConfig *config)
{
	MemoryContext mcxt = AllocSetContextCreate(CurTransactionContext, "leadroute plan", ALLOCSET_SMALL_SIZES);
	FlowPlan *plan = MemoryContextAllocZero(mcxt, size);

	plan->mcxt = mcxt;
	plan->config = config;
	plan->generation = config->generation;
	plan->flow = MemoryContextStrdup(mcxt, config->flow);
	return plan;
}

void
lr_plan_keep(LeadShape *shape, PlanKind kind, void *plan)
{
	FlowPlan *kept = plan;

	MemoryContextSetParent(kept->mcxt, shape->mcxt);
	kept->next = shape->plans[kind];
	shape->plans[kind] = kept;
}

void
lr_plan_forget(LeadShape *shape, const char *flow)
{
	for (int kind = 0; kind < PLAN_KINDS; kind++)
		for (FlowPlan **link = &shape->plans[kind]; *link; link = &(*link)->next)
			if (strcmp((*link)->flow, flow) == 0)
			{
				FlowPlan *plan = *link;

				*link = plan->next;
				MemoryContextDelete(plan->mcxt);
				break;
			}
}
