/*
 * route_clocks.c
 *		Which policies give a lead its clocks: their conditions, compiled and indexed as rules are, asked with the facts of its decision.
 *
 * A PolicyPlan is part of a RoutePlan (route.c): same relation, same configuration, same memory.
 */
#include "postgres.h"

#include "calendar.h"
#include "lib/stringinfo.h"
#include "protect.h"
#include "route_clocks.h"
#include "ruleset.h"
#include "utils/builtins.h"

struct PolicyPlan
{
	const FlowConfig *config;
	const LrConditionScope *scope;
	MemoryContext mcxt;
	RuleSet *rules;
	LrCondition **successes; /* one a policy; NULL: not compiled yet */
	uint64 calendars;		 /* as they were when clocks last started well */
};

/* What begin_clocks() is called with. */
typedef struct Beginning
{
	PolicyPlan *policies;
	RouteWalk *walk;
	const LeadRow *row;
	Decision *decision;
	ClockLead lead;
	bool asks; /* of a duplicate: for its first lead */
} Beginning;

static bool asks_first(const Decision *decision);
static void begin_clocks(void *arg);
static bool clocks_cannot_fail(const PolicyPlan *plan);
static bool policy_holds(void *arg, int policy);
static LrCondition *success_of(PolicyPlan *plan, int policy);
static void trace_clocks(RouteWalk *walk, const Decision *decision);

PolicyPlan *
lr_policy_plan(const FlowConfig *config, const LrConditionScope *scope, const Outlines *outlines, MemoryContext mcxt)
{
	PolicyPlan *plan;
	const char **conditions;

	if (config->npolicies == 0)
		return NULL;
	plan = MemoryContextAllocZero(mcxt, sizeof(PolicyPlan));
	plan->config = config;
	plan->scope = scope;
	plan->mcxt = mcxt;
	conditions = palloc(config->npolicies * sizeof(char *));
	for (int i = 0; i < config->npolicies; i++)
		conditions[i] = config->policies[i].condition;
	plan->rules = lr_ruleset_make(conditions, config->npolicies, scope, outlines, mcxt);
	plan->successes = MemoryContextAllocZero(mcxt, config->npolicies * sizeof(LrCondition *));
	return plan;
}


ClockLead
lr_route_clock_lead(const Decision *decision)
{
	ClockLead lead = {
		.config = decision->config,
		.owner = decision->owner,
		.team = decision->team,
		.waits = strcmp(decision->status, "waiting") == 0 && decision->queue != NULL,
		.stage = decision->stage,
		.submitted_at = decision->submitted_at,
		.at = decision->at,
	};

	return lead;
}

void
lr_route_clocks(RoutePlan *plan, const LeadRow *row, RouteMode mode, bool *warned, List **trace, Decision *decision)
{
	PolicyPlan *policies = lr_route_policy_plan(plan);
	Beginning beginning;
	ErrorData *error = NULL;
	bool too_old;

	if (policies == NULL)
		return;
	beginning.asks = asks_first(decision);
	if (!beginning.asks && strcmp(decision->status, "assigned") != 0 && strcmp(decision->status, "waiting") != 0)
		return;
	beginning.policies = policies;
	beginning.walk = lr_route_walk(plan, row, mode, trace, decision);
	beginning.decision = decision;
	beginning.row = row;
	beginning.lead = lr_route_clock_lead(decision);
	decision->has_sla = !beginning.asks;
	too_old = lr_clock_too_old(&beginning.lead);
	decision->too_old = too_old && !beginning.asks;
	if (!too_old)
	{
		lr_ruleset_start(policies->rules);
		if (clocks_cannot_fail(policies))
			begin_clocks(&beginning);
		else
			error = lr_protect(begin_clocks, &beginning);
	}
	if (error)
	{
		decision->nclocks = decision->nasked = 0;
		if (decision->config->fails && mode == ROUTE_TAKE)
			ReThrowError(error);
		lr_route_trace(beginning.walk, "clock", NULL, "failed", error->message);
		if (mode == ROUTE_TAKE && !*warned)
		{
			*warned = true;
			ereport(WARNING,
					(errcode(error->sqlerrcode),
					 errmsg("leadroute could not start the clocks of a lead of flow \"%s\": %s", decision->config->flow, error->message),
					 errdetail("Lead \"%s\" is routed and has no deadline.", row->lead ? row->lead : ""),
					 errhint("SELECT * FROM leadroute.check_flow(%s) tells what is not valid.", quote_literal_cstr(decision->config->flow))));
		}
		return;
	}
	if (trace)
		trace_clocks(beginning.walk, decision);
}

/* Whoever sends the same again within the replay window asks for nothing new. */
static bool
asks_first(const Decision *decision)
{
	return decision->duplicate_of && !decision->silent &&
		   (strcmp(decision->status, "duplicate") == 0 || strcmp(decision->status, "merged") == 0);
}

static void
begin_clocks(void *arg)
{
	Beginning *beginning = arg;
	Decision *decision = beginning->decision;
	int *policies;
	int n = lr_clock_policies(decision->config, policy_holds, beginning, &policies);

	if (beginning->asks)
	{
		decision->nasked = lr_clocks_ask(&beginning->lead, policies, n, &decision->asked);
		return;
	}
	decision->nclocks = lr_clocks_begin(&beginning->lead, policies, n, &decision->clocks);
	beginning->policies->calendars = lr_calendar_generation();
}

/* Calendars that were good for the lead before are good for this one, but for that of an owner, who may be another. */
static bool
clocks_cannot_fail(const PolicyPlan *plan)
{
	if (plan->calendars != lr_calendar_generation())
		return false;
	for (int i = 0; i < plan->config->npolicies; i++)
	{
		const PolicyConfig *policy = &plan->config->policies[i];
		LrCondition *condition = lr_ruleset_condition(plan->rules, i);

		if (policy->condition && (condition == NULL || !lr_condition_cannot_fail(condition)))
			return false;
		if (policy->calendar && (strcmp(policy->calendar, "owner") == 0 || strcmp(policy->calendar, "team") == 0))
			return false;
	}
	return true;
}

static bool
policy_holds(void *arg, int policy)
{
	Beginning *beginning = arg;
	RuleSet *rules = beginning->policies->rules;

	return !lr_ruleset_excludes(rules, policy, beginning->row->slot) && lr_route_holds(beginning->walk, lr_ruleset_compile(rules, policy));
}

int
lr_route_policies(RoutePlan *plan, const LeadRow *row, Decision *decision, int **policies)
{
	Beginning beginning = {
		.policies = lr_route_policy_plan(plan),
		.walk = lr_route_walk(plan, row, ROUTE_PEEK, NULL, decision),
		.row = row,
	};

	if (beginning.policies)
		lr_ruleset_start(beginning.policies->rules);
	return lr_clock_policies(decision->config, policy_holds, &beginning, policies);
}

bool
lr_route_succeeds(RoutePlan *plan, const LeadRow *row, Decision *decision, int policy)
{
	PolicyPlan *policies = lr_route_policy_plan(plan);

	return policies && policies->config->policies[policy].success &&
		   lr_route_holds(lr_route_walk(plan, row, ROUTE_PEEK, NULL, decision), success_of(policies, policy));
}

/* Compiled when first asked for. */
static LrCondition *
success_of(PolicyPlan *plan, int policy)
{
	if (plan->successes[policy] == NULL)
		plan->successes[policy] = lr_condition_compile(plan->config->policies[policy].success, plan->scope, plan->mcxt);
	return plan->successes[policy];
}

static void
trace_clocks(RouteWalk *walk, const Decision *decision)
{
	if (decision->too_old)
		lr_route_trace(walk, "clock", NULL, "too_old", "submitted before the flow's max_backdate: no clock");
	for (int i = 0; i < decision->nclocks; i++)
	{
		const Clock *clock = &decision->clocks[i];
		StringInfoData detail;

		initStringInfo(&detail);
		appendStringInfo(&detail, "%s by %s, from %s", clock->policy->metric, clock->runs_by ? clock->runs_by : LR_CALENDAR_ALWAYS,
						 timestamptz_to_str(clock->started_at));
		appendStringInfo(&detail, "; due %s", timestamptz_to_str(clock->due_at));
		if (clock->rep_due_at != CLOCK_NEVER)
			appendStringInfo(&detail, ", for the rep %s", timestamptz_to_str(clock->rep_due_at));
		lr_route_trace(walk, "clock", clock->policy->policy, clock->breached ? "starts past due" : "starts", detail.data);
	}
}
