/*
 * route_clocks.h
 *		The policies of a flow as a plan has them: which of them give a lead its clocks.
 */
#ifndef LR_ROUTE_CLOCKS_H
#define LR_ROUTE_CLOCKS_H

#include "condition.h"
#include "outline.h"
#include "route.h"

typedef struct PolicyPlan PolicyPlan;

/* In mcxt, with which it goes; NULL where the flow has no policies. The scope must outlive it. */
extern PolicyPlan *lr_policy_plan(const FlowConfig *config, const LrConditionScope *scope, const Outlines *outlines, MemoryContext mcxt);

/*
 * The clocks that a decision starts: for each metric of the first policy whose condition holds. A failure starts none, with a WARNING unless
 * *warned, or is an error where the flow says on_error = fail. Nothing is looked at where the flow has no policies.
 */
extern void lr_route_clocks(RoutePlan *plan, const LeadRow *row, RouteMode mode, bool *warned, List **trace,
							Decision *decision);

/* The policies that hold for a row, as lr_clock_policies(). May error. */
extern int lr_route_policies(RoutePlan *plan, const LeadRow *row, Decision *decision, int **policies);

/* Whether a policy's success condition holds; false where it has none. May error. */
extern bool lr_route_succeeds(RoutePlan *plan, const LeadRow *row, Decision *decision, int policy);

/* What clocks are to know of a decision. */
extern ClockLead lr_route_clock_lead(const Decision *decision);

#endif /* LR_ROUTE_CLOCKS_H */
