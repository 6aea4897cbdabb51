/*
 * route.c
 *		The decision: pure in (row, configuration, time, pointers), used by the triggers, catch_up and explain.
 *
 * A plan belongs to a shape (lead.c) and a flow: conditions compiled for that relation when a lead first reaches
 * them, and the columns that a lead's point is made of. Its memory is a child of the shape's context.
 * A plan made under an older configuration is replaced when next asked for.
 */
#include "postgres.h"

#include "access/table.h"
#include "account.h"
#include "catalog/pg_type.h"
#include "condition.h"
#include "consent.h"
#include "executor/executor.h"
#include "facts.h"
#include "leadroute.h"
#include "map.h"
#include "pick.h"
#include "plan.h"
#include "point.h"
#include "protect.h"
#include "qualify.h"
#include "reason.h"
#include "route.h"
#include "route_clocks.h"
#include "ruleset.h"
#include "sticky.h"
#include "territory.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "waiting.h"
#include "watch.h"

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
	bool protected; /* may compile and evaluate anything */
	bool facts_ready;
	bool account_ready;	 /* looked up: account says what was found */
	bool account_filled; /* into the facts */
	bool score_filled;	 /* the same */
	bool *warned;
	AccountMatch account;
	bool stopped; /* a step may fail and is not protected: nothing is decided yet */
};

static void start_decision(Decision *decision, FlowConfig *config, const LeadRow *row);
static void walk_begin(void *arg);
static bool may_take_place(RouteWalk *walk, RepConfig *rep, const char *name);
static bool may_take_turn(RouteWalk *walk, const PickRequest *request);
static void walk_rules(void *arg);
static void walk_fallback(void *arg);
static bool cannot_fail(const RoutePlan *plan, int number);
static bool rule_holds(RouteWalk *walk, int number);
static void prepare_facts(RouteWalk *walk, const LrCondition *condition);
static void fill_facts(RouteWalk *walk);
static void fill_account_facts(RouteWalk *walk);
static void fill_score_facts(RouteWalk *walk);
static const AccountHit *find_account(RouteWalk *walk);
static void trace_account(RouteWalk *walk);
static bool apply_target(RouteWalk *walk, const RuleConfig *rule);
static const char *overflow(RouteWalk *walk);
static bool is_tried(const LeadRow *row, const char *rep);
static bool apply_territory(RouteWalk *walk, const RuleConfig *rule, char **why, const char **code);
static bool others_wait(RouteWalk *walk, const PickRequest *request);
static bool apply_hold(RouteWalk *walk, const RuleConfig *rule, char **why);
static void take_waiting_place(RouteWalk *walk);
static bool apply_team(RouteWalk *walk, const RuleConfig *rule, const char *name, char **why, const char **code);
static void find_sticky(RouteWalk *walk, PickRequest *request, StickyHit *hit);
static bool ask_skills(RouteWalk *walk, const RuleConfig *rule, PickRequest *request);
static bool apply_rep(RouteWalk *walk, const char *name, bool owns, char **why);
static bool apply_account_owner(RouteWalk *walk, char **why, const char **code);
static bool apply_owner(RouteWalk *walk, const char *owner, char **away, char **why);
static const char *stand_in(RouteWalk *walk, const char *owner, char **away);
static void keep_prediction(RouteWalk *walk);
static void trace_line(RouteWalk *walk, const char *item, const char *name, const char *verdict, const char *detail);
static void trace_team(RouteWalk *walk, const PickRequest *request, int picked);
static void trace_decision(RouteWalk *walk);
static void handle_failure(RouteWalk *walk, ErrorData *error, bool *warned);

RoutePlan *
lr_route_plan(LeadShape *shape, Relation rel, FlowConfig *config)
{
	RoutePlan *plan = lr_plan_find(shape, PLAN_ROUTE, config);
	MemoryContext mcxt;
	MemoryContext oldcontext;
	const Outlines *outlines;
	const char **conditions;

	if (plan)
		return plan;

	outlines = lr_outlines(shape, config);
	plan = lr_plan_make(sizeof(RoutePlan), config);
	mcxt = plan->base.mcxt;
	oldcontext = MemoryContextSwitchTo(mcxt);
	conditions = palloc(Max(config->nrules, 1) * sizeof(char *));
	for (int i = 0; i < config->nrules; i++)
		conditions[i] = config->rules[i].condition;
	lr_facts_scope(shape, &plan->scope);
	plan->rules = lr_ruleset_make(conditions, config->nrules, &plan->scope, outlines, mcxt);
	plan->skills = palloc0(Max(config->nrules, 1) * sizeof(LrCondition *));
	plan->facts = MakeSingleTupleTableSlot(plan->scope.facts, &TTSOpsVirtual);
	plan->account_facts = lr_facts_of_account(plan->scope.facts);
	plan->score_facts = lr_score_of_facts(plan->scope.facts);
	plan->econtext = CreateStandaloneExprContext();
	plan->point = lr_point_columns(config, shape);
	plan->policies = lr_policy_plan(config, &plan->scope, outlines, mcxt);
	MemoryContextSwitchTo(oldcontext);

	lr_plan_keep(shape, PLAN_ROUTE, plan);
	return plan;
}

RouteWalk *
lr_route_walk(RoutePlan *plan, const LeadRow *row, RouteMode mode, List **trace, Decision *decision)
{
	RouteWalk *walk = palloc0(sizeof(RouteWalk));

	walk->plan = plan;
	walk->row = row;
	walk->mode = mode;
	walk->trace = trace;
	walk->decision = decision;
	walk->warned = palloc(sizeof(bool));
	*walk->warned = true; /* the decision has */
	ResetExprContext(plan->econtext);
	return walk;
}

struct PolicyPlan *
lr_route_policy_plan(const RoutePlan *plan)
{
	return plan->policies;
}

bool
lr_route_holds(RouteWalk *walk, LrCondition *condition)
{
	prepare_facts(walk, condition);
	return lr_condition_holds(condition, walk->plan->econtext);
}

void
lr_route_trace(RouteWalk *walk, const char *item, const char *name, const char *verdict, const char *detail)
{
	trace_line(walk, item, name, verdict, detail);
}

static void
start_decision(Decision *decision, FlowConfig *config, const LeadRow *row)
{
	memset(decision, 0, sizeof(Decision));
	decision->config = config;
	decision->at = row->at;
	decision->submitted_at = row->at;
	decision->segment = row->segment;
	decision->intent = row->intent;
}

void
lr_route_unrouted(FlowConfig *config, const LeadRow *row, const char *code, Decision *decision)
{
	start_decision(decision, config, row);
	decision->status = "unrouted";
	decision->code = code;
}

void
lr_route_decide(RoutePlan *plan, const LeadRow *row, RouteMode mode, bool *warned,
				List **trace, Decision *decision)
{
	PredictionMemo memo = {.done = false};
	LeadRow asked = *row;
	RouteWalk walk = {.plan = plan, .row = &asked, .mode = mode, .trace = trace, .decision = decision, .warned = warned};
	ErrorData *error = NULL;
	const LeadColumn *submitted = &row->shape->submitted_at;

	if (asked.prediction == NULL)
		asked.prediction = &memo;
	start_decision(decision, plan->base.config, row);
	ResetExprContext(plan->econtext);
	lr_ruleset_start(plan->rules);

	/* a time that comes as text, or as what is none, is read under protection, and so is the rest then */
	if (submitted->attno != 0 && submitted->type != TIMESTAMPTZOID && submitted->type != TIMESTAMPOID && submitted->type != DATEOID)
		error = lr_protect(walk_begin, &walk);
	else
		walk_begin(&walk);
	if (walk.stopped)
	{
		walk.protected = true;
		walk.stopped = false;
		error = lr_protect(walk_begin, &walk);
	}
	else if (error == NULL && decision->status == NULL)
		walk_rules(&walk);
	if (error == NULL && decision->status == NULL)
	{
		walk.protected = true;
		error = lr_protect(walk_rules, &walk);
	}
	if (error)
		handle_failure(&walk, error, warned);
	if (row->released && strcmp(decision->code, "assigned") == 0)
		decision->code = "enrichment_timeout";
	if (strcmp(decision->status, "unrouted") != 0)
	{
		/* it is known and counted by its account whatever the rules ask */
		const AccountHit *hit = find_account(&walk);

		decision->account = hit ? hit->account : NULL;
		decision->account_by = hit ? lr_account_step_name(walk.account.step) : NULL;
		decision->account_owner = hit ? hit->owner : NULL;
		decision->account_tier = hit ? hit->tier : 0;
		keep_prediction(&walk);
	}
	trace_decision(&walk);
}

bool
lr_route_waiting(RoutePlan *plan, const LeadRow *row, const char *rule, const char *team, const char *queue, Decision *decision)
{
	static const RuleConfig no_rule = {.rule = ""};
	LeadRow waited = *row;
	RouteWalk walk = {.plan = plan, .row = &waited, .mode = ROUTE_TAKE, .decision = decision, .protected = true};
	const RuleConfig *of = &no_rule;
	const char *code;
	char *why;
	char *away;
	bool taken;

	waited.waited = true;
	start_decision(decision, plan->base.config, row);
	ResetExprContext(plan->econtext);
	lr_ruleset_start(plan->rules);
	decision->submitted_at = lr_lead_submitted_at(row->shape, row->slot, decision->at);
	for (int i = 0; rule && i < plan->base.config->nrules; i++)
		if (strcmp(plan->base.config->rules[i].rule, rule) == 0)
			of = &plan->base.config->rules[i];
	if (team)
		taken = apply_team(&walk, of, team, &why, &code);
	else if (rule && of->target == TARGET_ACCOUNT_OWNER)
		taken = apply_owner(&walk, queue, &away, &why);
	else
		taken = apply_rep(&walk, queue, false, &why);
	if (!taken)
		return false;
	decision->status = "assigned";
	decision->code = "from_queue";
	return true;
}

/* What comes before the rules: the time of the request, and the owner that the row brought. */
static void
walk_begin(void *arg)
{
	RouteWalk *walk = arg;
	Decision *decision = walk->decision;
	FlowConfig *config = walk->plan->base.config;
	const char *given = walk->row->given_owner;
	RepConfig *rep;

	decision->submitted_at = lr_lead_submitted_at(walk->row->shape, walk->row->slot, decision->at);
	if (given == NULL || walk->row->again || (!config->keeps_given && !config->crm_is_master))
		return;
	rep = lr_config_rep(config, given);
	if (!(rep && rep->active) && !config->crm_is_master)
	{
		trace_line(walk, "rep", given, "not kept", "the row arrived with an owner who is no active rep");
		return;
	}
	if (!may_take_place(walk, rep, given))
		return;
	decision->status = "assigned";
	decision->code = "given";
	decision->owner = given;
	if (walk->mode == ROUTE_TAKE)
	{
		decision->over_cap = lr_pick_given(config, "", given, decision->at, &decision->turn);
		decision->has_turn = true;
	}
}

/*
 * Whether a place can be taken here: shared memory may have no room for a member who was not asked for before. Where
 * not, the walk stops, to be repeated under protection.
 */
static bool
may_take_place(RouteWalk *walk, RepConfig *rep, const char *name)
{
	if (!walk->protected && walk->mode == ROUTE_TAKE && !lr_pick_rep_is_ready(walk->plan->base.config, rep, name))
		walk->stopped = true;
	return !walk->stopped;
}

/* The same for a turn. */
static bool
may_take_turn(RouteWalk *walk, const PickRequest *request)
{
	if (!walk->protected && walk->mode == ROUTE_TAKE && !lr_pick_is_ready(request))
		walk->stopped = true;
	return !walk->stopped;
}

/*
 * Looks at the rules from walk->next on until one takes the lead. Unprotected, it stops before a condition that
 * is not compiled yet or that may fail, or a target that may, with the decision still open.
 */
static void
walk_rules(void *arg)
{
	RouteWalk *walk = arg;
	FlowConfig *config = walk->plan->base.config;

	for (; walk->next < config->nrules; walk->next++)
	{
		const RuleConfig *rule = &config->rules[walk->next];

		if (rule->condition)
		{
			bool excluded = lr_ruleset_excludes(walk->plan->rules, walk->next, walk->row->slot);

			if (!excluded && !walk->protected && !cannot_fail(walk->plan, walk->next))
				return;
			if (excluded || !rule_holds(walk, walk->next))
			{
				trace_line(walk, "rule", rule->rule, "does not hold", rule->condition);
				continue;
			}
		}
		trace_line(walk, "rule", rule->rule, "holds", rule->condition ? rule->condition : "always");
		if (apply_target(walk, rule))
			return;
		if (walk->stopped)
		{
			walk->stopped = false;
			return;
		}
	}
	walk->decision->status = "unrouted";
	walk->decision->code = "no_rule";
}

static bool
cannot_fail(const RoutePlan *plan, int number)
{
	LrCondition *condition = lr_ruleset_condition(plan->rules, number);

	return condition && lr_condition_cannot_fail(condition);
}

/* A condition that no longer compiles raises its error for each lead. */
static bool
rule_holds(RouteWalk *walk, int number)
{
	RoutePlan *plan = walk->plan;
	LrCondition *condition = lr_ruleset_compile(plan->rules, number);

	prepare_facts(walk, condition);
	return lr_condition_holds(condition, plan->econtext);
}

/* What an expression may read, before it is evaluated. */
static void
prepare_facts(RouteWalk *walk, const LrCondition *condition)
{
	RoutePlan *plan = walk->plan;

	if (!walk->facts_ready)
		fill_facts(walk);
	if (!walk->account_filled && bms_overlap(plan->account_facts, lr_condition_facts(condition)))
		fill_account_facts(walk);
	if (!walk->score_filled && bms_overlap(plan->score_facts, lr_condition_facts(condition)))
		fill_score_facts(walk);
	plan->econtext->ecxt_outertuple = walk->row->slot;
	plan->econtext->ecxt_innertuple = plan->facts;
}

static void
fill_facts(RouteWalk *walk)
{
	RoutePlan *plan = walk->plan;

	lr_facts_fill(plan->facts, plan->base.config, walk->row, walk->decision->submitted_at, plan->econtext->ecxt_per_tuple_memory);
	walk->facts_ready = true;
}

/* A look-up costs more than most rules, so it is made when the first condition reads it. */
static void
fill_account_facts(RouteWalk *walk)
{
	RoutePlan *plan = walk->plan;

	lr_facts_account(plan->facts, find_account(walk), plan->econtext->ecxt_per_tuple_memory);
	walk->account_filled = true;
}

/* The same for the score: most flows have rules that read none. */
static void
fill_score_facts(RouteWalk *walk)
{
	RoutePlan *plan = walk->plan;
	const LeadScore *score = lr_score(walk->row, plan->base.config, walk->warned);
	MemoryContext oldcontext = MemoryContextSwitchTo(plan->econtext->ecxt_per_tuple_memory);

	lr_score_facts(plan->facts, score);
	lr_consent_facts(plan->facts, walk->row, plan->base.config, walk->warned);
	if (plan->base.config->scoring)
		lr_qualify_facts(plan->facts, walk->row, plan->base.config, walk->warned);
	MemoryContextSwitchTo(oldcontext);
	walk->score_filled = true;
}

/* The lead's account, looked up once a decision; NULL where it has none. */
static const AccountHit *
find_account(RouteWalk *walk)
{
	if (!walk->account_ready)
	{
		(void) lr_account_find(walk->plan->base.config, lr_route_account_value, unconstify(LeadRow *, walk->row), &walk->account);
		walk->account_ready = true;
		if (walk->trace)
			trace_account(walk);
	}
	return walk->account.nhits > 0 ? walk->account.hits : NULL;
}

const char *
lr_route_account_value(void *source, int step, const char **note)
{
	const LeadRow *row = source;

	switch (step)
	{
		case ACCOUNT_GIVEN:
			return row->given_account;
		case ACCOUNT_WEBSITE:
			return lr_profile_website_domain(row->profile);
		case ACCOUNT_EMAIL:
			if (lr_profile_email_domain(row->profile) && lr_profile_mail(row->profile)->is_public)
			{
				*note = "public mail";
				return NULL;
			}
			return lr_profile_email_domain(row->profile);
		case ACCOUNT_ALIAS:
			return lr_profile_company(row->profile);
		default:
			return lr_lead_word(&row->shape->inputs[INPUT_COMPANY], row->slot);
	}
}

static void
trace_account(RouteWalk *walk)
{
	const AccountMatch *match = &walk->account;

	for (int step = 0; walk->plan->base.config->has_accounts && step < ACCOUNT_STEPS && step <= match->step; step++)
		trace_line(walk, "account", lr_account_step_name(step),
				   step == match->step	 ? "found"
				   : match->notes[step]	 ? match->notes[step]
				   : match->values[step] ? "no account"
										 : "nothing to look for",
				   match->values[step]);
	for (int i = 0; i < match->nhits; i++)
		trace_line(walk, "account", match->hits[i].account,
				   i == 0 ? "is its account" : psprintf("passed over: %s", match->hits[i].decided),
				   lr_account_describe(&match->hits[i]));
}

/* Gives the lead to the rule's target; false where the rule falls through. */
static bool
apply_target(RouteWalk *walk, const RuleConfig *rule)
{
	Decision *decision = walk->decision;
	char *why = NULL;
	const char *code = NULL;
	PassedRule *passed;

	decision->rule = rule;
	decision->status = "assigned";
	decision->code = walk->row->unknown_flow ? "no_flow" : "assigned";
	switch (rule->target)
	{
		case TARGET_DISCARD:
			decision->status = "discarded";
			decision->code = "discarded";
			return true;
		case TARGET_QUEUE:
			decision->status = "waiting";
			decision->code = "queued";
			decision->queue = rule->target_name;
			return true;
		case TARGET_TERRITORY:
			if (apply_territory(walk, rule, &why, &code))
				return true;
			break;
		case TARGET_TEAM:
			if (apply_team(walk, rule, rule->target_name, &why, &code))
				return true;
			break;
		case TARGET_REP:
			code = "rep_unavailable";
			if (apply_rep(walk, rule->target_name, false, &why))
				return true;
			break;
		case TARGET_HOLD:
			if (apply_hold(walk, rule, &why))
				return true;
			break;
		case TARGET_ACCOUNT_OWNER:
			if (apply_account_owner(walk, &why, &code))
				return true;
			break;
		case TARGET_NURTURE:
			if (!lr_is_qualified(walk->row, walk->plan->base.config, walk->warned) || rule == &walk->plan->base.config->rules[walk->plan->base.config->nrules - 1])
			{
				decision->status = "nurture";
				decision->code = "nurtured";
				return true;
			}
			why = pstrdup("it is qualified");
			break;
	}

	if (walk->stopped)
	{
		decision->rule = NULL;
		decision->status = NULL;
		decision->code = NULL;
		decision->team = decision->territory = NULL;
		return false;
	}
	if ((rule->waits && rule->target != TARGET_HOLD && rule->target != TARGET_NURTURE) || (code && strcmp(code, CODE_ALL_TRIED) == 0 && overflow(walk)))
	{
		decision->status = "waiting";
		decision->code = code;
		/* it waits where a team would have taken it, else under the target's own name */
		decision->queue = decision->team ? decision->team : rule->target_name;
		if (rule->target == TARGET_ACCOUNT_OWNER)
			decision->queue = strcmp(code, "owner_inactive") == 0 ? walk->account.hits->owner : "account_owner";
		/* they are no team's any more: people take them from there */
		if (strcmp(code, CODE_ALL_TRIED) == 0 && overflow(walk))
		{
			decision->queue = overflow(walk);
			decision->team = NULL;
		}
		take_waiting_place(walk);
		return true;
	}
	trace_line(walk, "rule", rule->rule, "falls through", why);
	passed = palloc(sizeof(PassedRule));
	passed->rule = rule;
	passed->why = why;
	decision->passed = lappend(decision->passed, passed);
	decision->rule = NULL;
	decision->status = NULL;
	decision->code = NULL;
	decision->team = decision->territory = decision->owner = NULL;
	return false;
}

/* Holds the lead, unless what it waits for is there or the time has passed: then the rules below have it. */
static bool
apply_hold(RouteWalk *walk, const RuleConfig *rule, char **why)
{
	Decision *decision = walk->decision;
	FlowConfig *config = walk->plan->base.config;
	bool warned = walk->mode == ROUTE_PEEK;

	if (walk->row->released)
		*why = pstrdup("it has held the lead long enough");
	else if (rule->hold_until && lr_watch_hold_ends(lr_watch(walk->row->shape, config), (int) (rule - config->rules), walk->row, &warned))
		*why = pstrdup("what it waits for is there");
	else
	{
		decision->status = "waiting";
		decision->code = "held";
		decision->held_until = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(decision->at),
																	   IntervalPGetDatum(&rule->hold_for)));
		return true;
	}
	return false;
}

/* A lead that waits for a team counts as waiting, for everybody at once. */
static void
take_waiting_place(RouteWalk *walk)
{
	Decision *decision = walk->decision;
	TeamConfig *team = decision->team ? lr_config_team(walk->plan->base.config, decision->team) : NULL;

	/* one that is not there has no queue that is ever drained */
	if (team == NULL)
		decision->team = NULL;
	else if (walk->mode == ROUTE_TAKE)
	{
		lr_rotation_take_place(lr_waiting_slot(walk->plan->base.config, team), &decision->turn);
		decision->has_turn = true;
	}
}

/* The queue of leads that everybody in the team has let lapse; NULL where it has none. */
static const char *
overflow(RouteWalk *walk)
{
	TeamConfig *team = walk->decision->team ? lr_config_team(walk->plan->base.config, walk->decision->team) : NULL;

	return team ? team->overflow : NULL;
}

static bool
apply_territory(RouteWalk *walk, const RuleConfig *rule, char **why, const char **code)
{
	Decision *decision = walk->decision;
	TerritoryHit hit;
	List *chain = NIL;
	struct varlena *point = lr_point(walk->plan->point, walk->row, rule->target_name);
	ListCell *cell;

	if (walk->trace)
		trace_line(walk, "point", rule->target_name, "is looked up", lr_territory_text(point));
	if (!lr_map_find(walk->plan->base.config, rule->target_name, point, decision->at, &hit,
					 walk->trace ? &chain : NULL))
	{
		*why = psprintf("no territory of map \"%s\" covers the lead", rule->target_name);
		*code = "no_territory";
		trace_line(walk, "territory", rule->target_name, "none", NULL);
		return false;
	}
	foreach(cell, chain)
	{
		TerritoryHit *covering = lfirst(cell);

		trace_line(walk, "territory", covering->territory,
				   strcmp(covering->territory, hit.territory) == 0 ? "innermost" : "covers it too",
				   lr_territory_text(covering->area));
	}
	decision->territory = hit.territory;
	*code = "rep_unavailable";
	if (hit.rep && apply_rep(walk, hit.rep, false, why))
		return true;
	return !walk->stopped && hit.team && apply_team(walk, rule, hit.team, why, code);
}

/* Leads that wait go first. Where somebody could have this one, he could have one of them: a place that nobody handed on. */
static bool
others_wait(RouteWalk *walk, const PickRequest *request)
{
	PickReason ignored;

	if (request->team->waiting == NULL && !walk->protected && walk->mode == ROUTE_TAKE)
	{
		walk->stopped = true;
		return false;
	}
	if (lr_waiting_count(request->config, request->team) <= 0)
		return false;
	if (walk->mode == ROUTE_TAKE && lr_pick(request, NULL, &ignored) >= 0)
		lr_drain_want(request->config->flow);
	return true;
}

static bool
apply_team(RouteWalk *walk, const RuleConfig *rule, const char *name, char **why, const char **code)
{
	Decision *decision = walk->decision;
	FlowConfig *config = walk->plan->base.config;
	TeamConfig *team = lr_config_team(config, name);
	PickRequest request = {.config = config, .team = team, .rule = rule, .at = decision->at, .ntried = walk->row->ntried, .tried = walk->row->tried, .explains = walk->trace != NULL};
	PickReason reason;
	StickyHit sticky;
	int picked;

	*code = "no_member";
	decision->team = team ? team->team : name;
	*code = "no_member";
	if (team == NULL)
	{
		*why = psprintf("team \"%s\" does not exist", name);
		trace_line(walk, "team", name, "not there", NULL);
		return false;
	}
	if (!ask_skills(walk, rule, &request))
		return false;
	find_sticky(walk, &request, &sticky);
	if (!may_take_turn(walk, &request))
		return false;
	if (team->prefers)
		request.point = lr_point(walk->plan->point, walk->row, "");
	if (!walk->row->waited && others_wait(walk, &request))
	{
		*code = "queued_behind";
		*why = psprintf("others wait for team \"%s\" already", name);
		trace_line(walk, "team", name, "others wait", psprintf("%d wait before it", lr_waiting_count(config, team)));
		return false;
	}
	if (walk->stopped)
		return false;
	picked = lr_pick(&request, walk->mode == ROUTE_TAKE ? &decision->turn : NULL, &reason);
	if (walk->trace)
		trace_team(walk, &request, picked);
	if (picked < 0)
	{
		*code = lr_pick_code(reason);
		*why = strcmp(*code, "no_member") == 0 ? psprintf("team \"%s\" has no eligible member", name)
											   : psprintf("team \"%s\" has no eligible member (%s)", name, lr_pick_summary(team));
		return false;
	}
	decision->has_turn = (walk->mode == ROUTE_TAKE);
	decision->owner = team->member_names[picked];
	decision->how = request.sticky && strcmp(decision->owner, request.sticky) == 0 ? sticky.how : lr_pick_strategy(team);
	decision->sticks = team->sticky == STICKY_ACCOUNT;
	return true;
}

/* Who of a sticky team has an earlier lead. */
static void
find_sticky(RouteWalk *walk, PickRequest *request, StickyHit *hit)
{
	const AccountHit *account;

	if (request->team->sticky == STICKY_NONE)
		return;
	account = request->team->sticky == STICKY_ACCOUNT ? find_account(walk) : NULL;
	if (!lr_sticky_find(request->config, request->team, walk->row->lead, walk->row->first, account ? account->account : NULL, hit))
		return;
	request->sticky = hit->owner;
	trace_line(walk, "sticky", hit->owner, hit->how, psprintf("has lead %s", hit->lead));
}

/* The skills that the rule asks for, of this lead. False where that may fail and is not protected: the walk stops. */
static bool
ask_skills(RouteWalk *walk, const RuleConfig *rule, PickRequest *request)
{
	RoutePlan *plan = walk->plan;
	LrCondition **condition;
	SkillConfig *skills;
	ArrayType *array;
	Datum *names;
	bool *nulls;
	int n;
	Datum value;
	bool isnull;

	if (rule->skills == NULL)
		return true;
	condition = &plan->skills[rule - plan->base.config->rules];
	if (!walk->protected && walk->mode == ROUTE_TAKE && (*condition == NULL || !lr_condition_cannot_fail(*condition)))
	{
		walk->stopped = true;
		return false;
	}
	if (*condition == NULL)
		*condition = lr_condition_compile_as(rule->skills, &plan->scope, TEXTARRAYOID, plan->base.mcxt);
	prepare_facts(walk, *condition);
	value = lr_condition_value(*condition, plan->econtext, &isnull);
	if (isnull)
		return true;

	array = DatumGetArrayTypeP(value);
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &n);
	skills = palloc(Max(n, 1) * sizeof(SkillConfig));
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			skills[request->nskills++] = lr_pick_skill(plan->base.config, TextDatumGetCString(names[i]));
	request->skills = skills;
	return true;
}

static bool
is_tried(const LeadRow *row, const char *rep)
{
	for (int i = 0; i < row->ntried; i++)
		if (strcmp(row->tried[i], rep) == 0)
			return true;
	return false;
}

/* A rep by name; who owns the account has its leads also off shift, and beyond his limits. */
static bool
apply_rep(RouteWalk *walk, const char *name, bool owns, char **why)
{
	Decision *decision = walk->decision;
	FlowConfig *config = walk->plan->base.config;
	RepConfig *rep = lr_config_rep(config, name);
	PickReason reason;

	if (rep == NULL)
	{
		*why = psprintf("rep \"%s\" does not exist", name);
		trace_line(walk, "rep", name, "not there", NULL);
		return false;
	}
	if (is_tried(walk->row, name))
	{
		*why = psprintf("rep \"%s\" has let it lapse", name);
		trace_line(walk, "rep", name, "has let it lapse", NULL);
		return false;
	}
	if (!may_take_place(walk, rep, name))
		return false;
	if (!owns)
		reason = lr_pick_rep(config, rep, decision->at, walk->mode == ROUTE_TAKE ? &decision->turn : NULL);
	else if ((reason = lr_pick_owner(rep, decision->at)) == PICK_ELIGIBLE && walk->mode == ROUTE_TAKE)
		decision->over_cap = lr_pick_given(config, "", rep->rep, decision->at, &decision->turn);
	if (reason != PICK_ELIGIBLE)
	{
		*why = psprintf("rep \"%s\" is %s", name, lr_pick_reason_text(reason));
		trace_line(walk, "rep", name, lr_pick_reason_text(reason), NULL);
		return false;
	}
	trace_line(walk, "rep", name, "takes it", NULL);
	decision->owner = rep->rep;
	decision->has_turn = (walk->mode == ROUTE_TAKE);
	return true;
}

/* The owner of the lead's account takes it without a turn; it counts as load. */
static bool
apply_account_owner(RouteWalk *walk, char **why, const char **code)
{
	const AccountHit *hit = find_account(walk);
	char *away;

	*code = "no_account";
	if (hit == NULL)
	{
		*why = pstrdup("the lead has no account");
		return false;
	}
	if (hit->owner == NULL)
	{
		*why = psprintf("account \"%s\" has no owner", hit->account);
		return false;
	}
	*code = "owner_inactive";
	if (!apply_owner(walk, hit->owner, &away, why))
	{
		if (!walk->stopped && away)
			*why = psprintf("rep \"%s\" is %s, and %s", hit->owner, away, *why);
		if (!walk->stopped)
			*why = psprintf("the owner of account \"%s\" cannot take it: %s", hit->account, *why);
		return false;
	}
	if (strcmp(walk->decision->code, "assigned") == 0)
		walk->decision->code = "account_owner";
	return true;
}

/* Gives the lead to an owner or who stands in for him; *away as stand_in() has it. */
static bool
apply_owner(RouteWalk *walk, const char *owner, char **away, char **why)
{
	const char *rep = stand_in(walk, owner, away);

	if (!apply_rep(walk, rep, true, why))
		return false;
	if (*away)
		walk->decision->stands_in = psprintf("%s is %s: the backup %s", owner, *away, rep);
	return true;
}

/*
 * Who has what is an owner's: he himself, else the first of his chain of backups who is active and not on leave, else its
 * last. *away says why others than the owner were passed over, NULL where it is he.
 */
static const char *
stand_in(RouteWalk *walk, const char *owner, char **away)
{
	const FlowConfig *config = walk->plan->base.config;
	const char *name = owner;

	*away = NULL;
	/* rows that were restored, or written by the table's owner, may form a circle */
	for (int step = 0; step < config->nreps; step++)
	{
		const RepConfig *rep = lr_config_rep(config, name);
		PickReason reason = rep ? lr_pick_owner(rep, walk->decision->at) : PICK_NO_REP;

		if (reason == PICK_ELIGIBLE || rep == NULL || rep->backup == NULL)
			break;
		trace_line(walk, "rep", name, lr_pick_reason_text(reason), psprintf("its backup is %s", rep->backup));
		*away = *away ? psprintf("%s, the backup %s is %s", *away, name, lr_pick_reason_text(reason)) : pstrdup(lr_pick_reason_text(reason));
		name = rep->backup;
	}
	return name;
}

/* The error undid what the walk did. Either the flow wants it, or the last rule's target takes the lead. */
static void
handle_failure(RouteWalk *walk, ErrorData *error, bool *warned)
{
	Decision *decision = walk->decision;
	FlowConfig *config = walk->plan->base.config;
	const char *rule = walk->next < config->nrules ? config->rules[walk->next].rule : NULL;
	ErrorData *again;

	if (config->fails && walk->mode == ROUTE_TAKE)
		ReThrowError(error);
	trace_line(walk, "rule", rule, "failed", error->message);

	start_decision(decision, config, walk->row);
	walk->protected = true;
	again = config->nrules > 0 ? lr_protect(walk_fallback, walk) : error;
	if (again)
	{
		start_decision(decision, config, walk->row);
		decision->status = "unrouted";
		decision->code = "routing_error";
	}
	if (walk->mode == ROUTE_TAKE && !*warned)
	{
		*warned = true;
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("leadroute could not decide a lead of flow \"%s\": %s", config->flow, error->message),
				 rule ? errdetail("Rule \"%s\" failed for lead \"%s\"; %s.", rule,
								  walk->row->lead ? walk->row->lead : "",
								  again ? "the lead is stored unrouted" : "the last rule's target took it")
					  : errdetail("Lead \"%s\"; %s.", walk->row->lead ? walk->row->lead : "",
								  again ? "the lead is stored unrouted" : "the last rule's target took it"),
				 errhint("See SELECT * FROM leadroute.health; unrouted leads are decided by CALL leadroute.catch_up().")));
	}
	if (!again && (strcmp(decision->code, "assigned") == 0 || strcmp(decision->code, "account_owner") == 0))
		decision->code = "fallback";
}

static void
walk_fallback(void *arg)
{
	RouteWalk *walk = arg;

	if (!apply_target(walk, &walk->plan->base.config->rules[walk->plan->base.config->nrules - 1]))
		elog(ERROR, "the last rule fell through");
}

/* What the flow's model said of the row is kept with the decision, whether or not a rule asked for it. */
static void
keep_prediction(RouteWalk *walk)
{
	const PredictionModel *model = walk->plan->base.config->prediction;
	const Prediction *prediction = lr_predict(walk->row, walk->plan->base.config);
	Prediction *kept;
	int version;

	if (prediction == NULL)
		return;
	kept = palloc(sizeof(Prediction));
	*kept = *prediction;
	walk->decision->prediction = kept;
	if (walk->trace)
	{
		const char *name = lr_predict_model(model, &version);
		StringInfoData reasons;

		initStringInfo(&reasons);
		for (int i = 0; i < kept->nreasons; i++)
			appendStringInfo(&reasons, "%s%s", i ? ", " : "", lr_predict_reason(model, &kept->reasons[i]));
		trace_line(walk, "prediction", psprintf("%s, version %d", name, version), psprintf("%.4f", kept->probability), reasons.data);
	}
}

static void
trace_line(RouteWalk *walk, const char *item, const char *name, const char *verdict, const char *detail)
{
	TraceLine *line;

	if (walk->trace == NULL)
		return;
	line = palloc(sizeof(TraceLine));
	line->item = item;
	line->name = name;
	line->verdict = verdict;
	line->detail = detail;
	*walk->trace = lappend(*walk->trace, line);
}

static void
trace_team(RouteWalk *walk, const PickRequest *request, int picked)
{
	TeamConfig *team = request->team;

	trace_line(walk, "team", team->team, picked < 0 ? "no eligible member" : "takes it",
			   psprintf("%d members, %s", team->nmembers, lr_pick_strategy(team)));
	for (int i = 0; i < team->nmembers; i++)
	{
		char *obstacle = lr_pick_obstacle(request, i);
		int64 pointer;
		int32 open;

		lr_rotation_read(lr_pick_slot(request->config, team, i), &pointer, &open);
		trace_line(walk, "rep", team->member_names[i],
				   obstacle ? psprintf("passed over: %s", obstacle) : i == picked ? "goes next"
																				  : "waits for a turn",
				   psprintf("weight %d, turns %.6g, open %d; %s %d", team->weights[i], (double) pointer / ROTATION_SCALE, open,
							obstacle ? "would be number" : "number", lr_pick_position(request, i)));
	}
}

static void
trace_decision(RouteWalk *walk)
{
	if (walk->trace)
		trace_line(walk, "decision", walk->decision->owner ? walk->decision->owner : walk->decision->queue,
				   walk->decision->code, lr_route_reason(walk->decision));
}
