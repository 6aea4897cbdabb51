/*
 * route_walk.h
 *		A decision under way: for route.c, which walks the rules, and target.c, which gives the lead to one's target.
 */
#ifndef LR_ROUTE_WALK_H
#define LR_ROUTE_WALK_H

#include "account.h"
#include "condition.h"
#include "outline.h"
#include "plan.h"
#include "point.h"
#include "route.h"
#include "ruleset.h"

struct RoutePlan
{
	FlowPlan base;
	LrConditionScope scope;
	RuleSet *rules;
	LrCondition **skills; /* one a rule; NULL: asks for none, or not compiled yet */
	ExprContext *econtext;
	TupleTableSlot *facts;
	Bitmapset *account_facts; /* those that take a look-up */
	Bitmapset *score_facts;	  /* those that take the lead's score */
	LeadPoint *point;
	struct PolicyPlan *policies; /* route_clocks.c's */
};

/* A walk through the rules, resumable where protection is wanted. */
struct RouteWalk
{
	RoutePlan *plan;
	const LeadRow *row;
	RouteMode mode;
	List **trace;
	Decision *decision;
	int next;		/* rule to look at */
	bool begun;		/* with the rules: what fails before fails in none of them */
	bool protected; /* may compile and evaluate anything */
	bool facts_ready;
	bool account_ready;	 /* looked up: account says what was found */
	bool account_filled; /* into the facts */
	bool score_filled;	 /* the same */
	bool *warned;
	AccountMatch account;
	bool stopped; /* a step may fail and is not protected: nothing is decided yet */
};

/* The lead's account, looked up once a decision; NULL where it has none. */
extern const AccountHit *lr_route_account(RouteWalk *walk);

/* Before a condition is evaluated: the facts that it reads are there. */
extern void lr_route_prepare_facts(RouteWalk *walk, const LrCondition *condition);

#endif /* LR_ROUTE_WALK_H */
