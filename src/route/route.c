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
#include "pick.h"
#include "plan.h"
#include "point.h"
#include "protect.h"
#include "qualify.h"
#include "reason.h"
#include "route.h"
#include "route_clocks.h"
#include "route_walk.h"
#include "ruleset.h"
#include "target.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

static void start_decision(Decision *decision, FlowConfig *config, const LeadRow *row);
static void walk_begin(void *arg);
static void walk_rules(void *arg);
static void walk_fallback(void *arg);
static bool cannot_fail(const RoutePlan *plan, int number);
static bool rule_holds(RouteWalk *walk, int number);
static void fill_facts(RouteWalk *walk);
static void fill_account_facts(RouteWalk *walk);
static void fill_score_facts(RouteWalk *walk);
static void trace_account(RouteWalk *walk);
static void keep_prediction(RouteWalk *walk);
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
	lr_route_prepare_facts(walk, condition);
	return lr_condition_holds(condition, walk->plan->econtext);
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
		const AccountHit *hit = lr_route_account(&walk);

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
		taken = lr_target_team(&walk, of, team, &why, &code);
	else if (rule && of->target == TARGET_ACCOUNT_OWNER)
		taken = lr_target_owner(&walk, queue, &away, &why);
	else
		taken = lr_target_rep(&walk, queue, false, &why);
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
		lr_route_trace(walk, "rep", given, "not kept", "the row arrived with an owner who is no active rep");
		return;
	}
	if (!lr_target_may_take(walk, rep, given))
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
 * Looks at the rules from walk->next on until one takes the lead. Unprotected, it stops before a condition that
 * is not compiled yet or that may fail, or a target that may, with the decision still open.
 */
static void
walk_rules(void *arg)
{
	RouteWalk *walk = arg;
	FlowConfig *config = walk->plan->base.config;

	walk->begun = true;
	for (; walk->next < config->nrules; walk->next++)
	{
		const RuleConfig *rule;

		/* who explains names each rule */
		if (walk->trace == NULL)
			walk->next = lr_ruleset_next(walk->plan->rules, walk->next, walk->row->slot);
		if (walk->next >= config->nrules)
			break;
		rule = &config->rules[walk->next];
		if (rule->condition)
		{
			bool excluded = lr_ruleset_excludes(walk->plan->rules, walk->next, walk->row->slot);

			if (!excluded && !walk->protected && !cannot_fail(walk->plan, walk->next))
				return;
			if (excluded || !rule_holds(walk, walk->next))
			{
				lr_route_trace(walk, "rule", rule->rule, "does not hold", rule->condition);
				continue;
			}
		}
		lr_route_trace(walk, "rule", rule->rule, "holds", rule->condition ? rule->condition : "always");
		if (lr_target_apply(walk, rule))
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

	lr_route_prepare_facts(walk, condition);
	return lr_condition_holds(condition, plan->econtext);
}

/* What an expression may read, before it is evaluated. */
void
lr_route_prepare_facts(RouteWalk *walk, const LrCondition *condition)
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

	lr_facts_account(plan->facts, lr_route_account(walk), plan->econtext->ecxt_per_tuple_memory);
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
const AccountHit *
lr_route_account(RouteWalk *walk)
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
		lr_route_trace(walk, "account", lr_account_step_name(step),
					   step == match->step	 ? "found"
					   : match->notes[step]	 ? match->notes[step]
					   : match->values[step] ? "no account"
											 : "nothing to look for",
					   match->values[step]);
	for (int i = 0; i < match->nhits; i++)
		lr_route_trace(walk, "account", match->hits[i].account,
					   i == 0 ? "is its account" : psprintf("passed over: %s", match->hits[i].decided),
					   lr_account_describe(&match->hits[i]));
}

/* The error undid what the walk did. Either the flow wants it, or the last rule's target takes the lead. */
static void
handle_failure(RouteWalk *walk, ErrorData *error, bool *warned)
{
	Decision *decision = walk->decision;
	FlowConfig *config = walk->plan->base.config;
	const char *rule = walk->begun && walk->next < config->nrules ? config->rules[walk->next].rule : NULL;
	ErrorData *again;

	if (config->fails && walk->mode == ROUTE_TAKE)
		ReThrowError(error);
	lr_route_trace(walk, rule ? "rule" : "lead", rule, "failed", error->message);

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
					  : errdetail("Lead \"%s\": %s.", walk->row->lead ? walk->row->lead : "",
								  again ? "it is stored unrouted" : "the last rule's target took it"),
				 errhint("%s%sSee SELECT * FROM leadroute.health; unrouted leads are decided by CALL leadroute.catch_up().",
						 error->hint ? error->hint : "", error->hint ? "\n" : "")));
	}
	if (!again && (strcmp(decision->code, "assigned") == 0 || strcmp(decision->code, "account_owner") == 0))
		decision->code = "fallback";
}

static void
walk_fallback(void *arg)
{
	RouteWalk *walk = arg;

	if (!lr_target_apply(walk, &walk->plan->base.config->rules[walk->plan->base.config->nrules - 1]))
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
		lr_route_trace(walk, "prediction", psprintf("%s, version %d", name, version), psprintf("%.4f", kept->probability), reasons.data);
	}
}

void
lr_route_trace(RouteWalk *walk, const char *item, const char *name, const char *verdict, const char *detail)
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
trace_decision(RouteWalk *walk)
{
	if (walk->trace)
		lr_route_trace(walk, "decision", walk->decision->owner ? walk->decision->owner : walk->decision->queue,
					   walk->decision->code, lr_route_reason(walk->decision));
}
