/*
 * watch.c
 *		The conditions of a flow that its rows are watched for, and the columns that they read.
 *
 * An UPDATE that changes none of these columns costs their comparison and nothing else. A Watch belongs to a shape (lead.c)
 * and a flow, as a RoutePlan does: its memory is a child of the shape's context, and one made under an older configuration is
 * replaced when next asked for.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "condition.h"
#include "consent.h"
#include "executor/executor.h"
#include "facts.h"
#include "outline.h"
#include "plan.h"
#include "protect.h"
#include "qualify.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "watch.h"

typedef enum WatchedCondition
{
	WATCH_CLOSED,
	WATCH_WON,
	WATCH_PRIORITY,
	WATCH_ROUTE,
	WATCH_SEGMENT,
	WATCH_INTENT,
	WATCH_TOUCHED,
	WATCH_MASK,
	WATCH_RULES /* two each from here on: hold_until, reroute_when; then the entry conditions of stages */
} WatchedCondition;

#define WATCH_HOLD(rule) (WATCH_RULES + 2 * (rule))
#define WATCH_REROUTE(rule) (WATCH_RULES + 2 * (rule) + 1)
#define WATCH_STAGE(config, stage) (WATCH_RULES + 2 * (config)->nrules + (stage))

typedef struct Watched
{
	const char *name; /* of the configuration's column */
	const char *text; /* NULL: there is none */
	Oid type;		  /* of its result */
	LrCondition *condition;
	ErrorData *error; /* why it does not compile */
} Watched;

struct Watch
{
	FlowPlan base;
	LeadShape *shape;
	LrConditionScope scope;
	ExprContext *econtext;
	TupleTableSlot *facts;
	const Outlines *outlines;
	Bitmapset *columns; /* attribute numbers */
	Bitmapset *score_facts;
	bool reads_score;		  /* some condition that an UPDATE is watched for does */
	Bitmapset *clock_columns; /* those of them that clocks depend on */
	bool clocks_read_score;
	Watched *conditions;
};

typedef struct Evaluation
{
	Watch *watch;
	Watched *watched;
	const LeadRow *row;
	bool *warned;
	bool holds;
	double number;
	MemoryContext mcxt; /* of the text */
	char *text;
} Evaluation;

static void watch_condition(Watch *watch, int which, const char *name, const char *text, Oid type);
static bool look_at(Watch *watch, Watched *watched, const Bitmapset **columns, const Bitmapset **facts);
static bool is_compiled(Watch *watch, Watched *watched);
static void watch_clocks(Watch *watch);
static void compile(void *arg);
static void add_required(Watch *watch, const TransitionConfig *transition);
static void add_column(Watch *watch, const LeadColumn *column);
static bool ask(Watch *watch, Evaluation *evaluation, bool *warned);
static bool holds(Watch *watch, int which, const LeadRow *row, bool *warned);
static void evaluate(void *arg);

Watch *
lr_watch(LeadShape *shape, FlowConfig *config)
{
	const Outlines *outlines;
	Watch *watch;
	MemoryContext oldcontext;

	/* a consent that is taken back is known at once in any flow */
	if (!config->watches && shape->consent.attno == 0)
		return NULL;
	watch = lr_plan_find(shape, PLAN_WATCH, config);
	if (watch)
		return watch;

	outlines = lr_outlines(shape, config);
	watch = lr_plan_make(sizeof(Watch), config);
	watch->outlines = outlines;
	oldcontext = MemoryContextSwitchTo(watch->base.mcxt);
	watch->shape = shape;
	lr_facts_scope(shape, &watch->scope);
	watch->score_facts = lr_score_of_facts(watch->scope.facts);
	watch->facts = MakeSingleTupleTableSlot(watch->scope.facts, &TTSOpsVirtual);
	watch->econtext = CreateStandaloneExprContext();
	watch->conditions = palloc0(WATCH_STAGE(config, config->nstages) * sizeof(Watched));
	watch_condition(watch, WATCH_CLOSED, "closed_when", config->closed_when, BOOLOID);
	watch_condition(watch, WATCH_WON, "won_when", config->won_when, BOOLOID);
	watch_condition(watch, WATCH_PRIORITY, "priority", config->priority, FLOAT8OID);
	watch_condition(watch, WATCH_ROUTE, "route_when", config->route_when, BOOLOID);
	watch_condition(watch, WATCH_SEGMENT, "segment", config->segment, TEXTOID);
	watch_condition(watch, WATCH_INTENT, "intent", config->intent, TEXTOID);
	watch_condition(watch, WATCH_MASK, "mask_when", config->mask_when, BOOLOID);
	for (int i = 0; i < config->nrules; i++)
	{
		const RuleConfig *rule = &config->rules[i];

		if (rule->hold_until)
			watch_condition(watch, WATCH_HOLD(i), psprintf("hold_until of rule \"%s\"", rule->rule), rule->hold_until, BOOLOID);
		if (rule->reroute_when)
			watch_condition(watch, WATCH_REROUTE(i), psprintf("reroute_when of rule \"%s\"", rule->rule), rule->reroute_when, BOOLOID);
	}
	for (int i = 0; i < config->nstages; i++)
		if (config->stages[i].entry_condition)
			watch_condition(watch, WATCH_STAGE(config, i), psprintf("entry_condition of stage \"%s\"", config->stages[i].stage),
							config->stages[i].entry_condition, BOOLOID);
	for (int i = 0; i < config->ntransitions; i++)
		add_required(watch, &config->transitions[i]);
	if (config->npolicies > 0)
		watch_clocks(watch);
	add_column(watch, &shape->consent);
	add_column(watch, &shape->value);
	add_column(watch, &shape->closed_at);
	MemoryContextSwitchTo(oldcontext);

	lr_plan_keep(shape, PLAN_WATCH, watch);
	return watch;
}

/* What its outline does not tell of a condition that UPDATEs are watched for, compiling it does; others are compiled when they are asked. */
static void
watch_condition(Watch *watch, int which, const char *name, const char *text, Oid type)
{
	Watched *watched = &watch->conditions[which];
	const Bitmapset *columns;
	const Bitmapset *facts;

	watched->name = name;
	watched->text = text;
	watched->type = type;
	/* what is no condition is looked at when a lead is decided, or begins to wait, and then stays */
	if (text == NULL || type != BOOLOID || which == WATCH_MASK || !look_at(watch, watched, &columns, &facts))
		return;
	watch->columns = bms_add_members(watch->columns, columns);
	if (bms_is_member(lr_facts_of_prediction(watch->scope.facts), facts))
		watch->columns = bms_add_members(watch->columns, lr_predict_columns(watch->shape, watch->base.config));
	watch->reads_score |= bms_overlap(watch->score_facts, facts);
}

/* What a condition reads; false where it does not compile. */
static bool
look_at(Watch *watch, Watched *watched, const Bitmapset **columns, const Bitmapset **facts)
{
	const Outline *outline = lr_outline(watch->outlines, watched->text);

	if (outline)
	{
		*columns = outline->columns;
		*facts = outline->facts;
		return true;
	}
	if (!is_compiled(watch, watched))
		return false;
	*columns = lr_condition_columns(watched->condition);
	*facts = lr_condition_facts(watched->condition);
	return true;
}

/* Compiles it where it is not; false where it cannot be, and why stays with it. */
static bool
is_compiled(Watch *watch, Watched *watched)
{
	Evaluation evaluation = {.watch = watch, .watched = watched};
	MemoryContext oldcontext;

	if (watched->condition == NULL && watched->error == NULL)
	{
		oldcontext = MemoryContextSwitchTo(watch->base.mcxt);
		watched->error = lr_protect(compile, &evaluation);
		MemoryContextSwitchTo(oldcontext);
	}
	return watched->error == NULL;
}

/* The columns that policies read, and that tell a touch. */
static void
watch_clocks(Watch *watch)
{
	const FlowConfig *config = watch->base.config;
	Bitmapset *others = bms_copy(watch->columns);

	bms_free(watch->columns);
	watch->columns = NULL;
	watch_condition(watch, WATCH_TOUCHED, "touched_when", config->touched_when, BOOLOID);
	for (int i = 0; i < config->npolicies; i++)
	{
		const char *const texts[] = {config->policies[i].condition, config->policies[i].success};

		for (int j = 0; j < (int) lengthof(texts); j++)
		{
			Watched watched = {.text = texts[j], .type = BOOLOID};
			const Bitmapset *columns;
			const Bitmapset *facts;

			/* one that does not compile is told of where the policy is asked */
			if (texts[j] && look_at(watch, &watched, &columns, &facts))
			{
				watch->columns = bms_add_members(watch->columns, columns);
				watch->clocks_read_score |= bms_overlap(watch->score_facts, facts);
				if (bms_is_member(lr_facts_column(watch->scope.facts, "consent"), facts))
					add_column(watch, &watch->shape->consent);
			}
		}
	}
	watch->reads_score |= watch->clocks_read_score;
	add_column(watch, &watch->shape->first_touch);
	watch->clock_columns = watch->columns;
	watch->columns = bms_union(others, watch->clock_columns);
}

static void
compile(void *arg)
{
	Evaluation *evaluation = arg;
	Watch *watch = evaluation->watch;
	Watched *watched = evaluation->watched;

	watched->condition = watched->type == BOOLOID ? lr_outline_compile(watch->outlines, watched->text, &watch->scope, watch->base.mcxt)
												  : lr_condition_compile_as(watched->text, &watch->scope, watched->type, watch->base.mcxt);
}

/* What a lead lacks for a stage may come with any UPDATE. */
static void
add_required(Watch *watch, const TransitionConfig *transition)
{
	for (int i = 0; i < transition->nrequired + transition->ncolumns; i++)
	{
		const char *name = i < transition->nrequired ? transition->required[i] : transition->columns[i - transition->nrequired];
		AttrNumber attno = lr_lead_attno(watch->shape, name);

		if (attno != InvalidAttrNumber)
			watch->columns = bms_add_member(watch->columns, attno);
	}
}

static void
add_column(Watch *watch, const LeadColumn *column)
{
	if (column->attno != 0)
		watch->columns = bms_add_member(watch->columns, column->attno);
}

bool
lr_watch_reads_score(const Watch *watch)
{
	return watch && watch->reads_score;
}

bool
lr_watch_changed(const Watch *watch, TupleTableSlot *old, TupleTableSlot *new)
{
	return watch && (lr_lead_any_differs(watch->shape, watch->columns, old, new) || (watch->reads_score && lr_score_changed(watch->shape, watch->base.config, old, new)));
}

bool
lr_watch_clocks_changed(const Watch *watch, TupleTableSlot *old, TupleTableSlot *new)
{
	return watch && (lr_lead_any_differs(watch->shape, watch->clock_columns, old, new) || (watch->clocks_read_score && lr_score_changed(watch->shape, watch->base.config, old, new)));
}

bool
lr_watch_clocks_read_score(const Watch *watch)
{
	return watch && watch->clocks_read_score;
}

Bitmapset *
lr_watch_columns(const Watch *watch)
{
	return watch ? watch->columns : NULL;
}

Verdict
lr_watch_verdict(Watch *watch, const LeadRow *row, bool *warned)
{
	if (watch == NULL)
		return VERDICT_OPEN;
	if (holds(watch, WATCH_WON, row, warned))
		return VERDICT_WON;
	return holds(watch, WATCH_CLOSED, row, warned) ? VERDICT_CLOSED : VERDICT_OPEN;
}

static bool
holds(Watch *watch, int which, const LeadRow *row, bool *warned)
{
	Evaluation evaluation = {.watch = watch, .watched = &watch->conditions[which], .row = row};

	return ask(watch, &evaluation, warned) && evaluation.holds;
}

bool
lr_watch_ready(Watch *watch, const LeadRow *row, bool *warned)
{
	Evaluation evaluation = {.watch = watch, .row = row};

	if (watch == NULL)
		return true;
	evaluation.watched = &watch->conditions[WATCH_ROUTE];
	return !ask(watch, &evaluation, warned) || evaluation.holds;
}

bool
lr_watch_touched(Watch *watch, const LeadRow *row, bool *warned)
{
	return watch && watch->base.config->npolicies > 0 && holds(watch, WATCH_TOUCHED, row, warned);
}

bool
lr_watch_masks(Watch *watch, const LeadRow *row, bool *warned)
{
	Evaluation evaluation = {.watch = watch, .watched = &watch->conditions[WATCH_MASK], .row = row};

	return !ask(watch, &evaluation, warned) || evaluation.holds;
}

bool
lr_watch_hold_ends(Watch *watch, int rule, const LeadRow *row, bool *warned)
{
	return watch && holds(watch, WATCH_HOLD(rule), row, warned);
}

bool
lr_watch_reroutes(Watch *watch, int rule, const LeadRow *row, bool *warned)
{
	return watch && holds(watch, WATCH_REROUTE(rule), row, warned);
}

bool
lr_watch_enters(Watch *watch, int stage, const LeadRow *row, bool *warned)
{
	return watch && holds(watch, WATCH_STAGE(watch->base.config, stage), row, warned);
}

double
lr_watch_priority(Watch *watch, const LeadRow *row, bool *warned)
{
	Evaluation evaluation = {.watch = watch, .row = row};

	if (watch == NULL)
		return 0;
	evaluation.watched = &watch->conditions[WATCH_PRIORITY];
	return ask(watch, &evaluation, warned) ? evaluation.number : 0;
}

const char *
lr_watch_text(Watch *watch, WatchText which, const LeadRow *row, bool *warned)
{
	Evaluation evaluation = {.watch = watch, .row = row, .mcxt = CurrentMemoryContext};

	if (watch == NULL)
		return NULL;
	evaluation.watched = &watch->conditions[which == WATCH_TEXT_SEGMENT ? WATCH_SEGMENT : WATCH_INTENT];
	return ask(watch, &evaluation, warned) ? evaluation.text : NULL;
}

/* False where there is no such condition, and where it failed. */
static bool
ask(Watch *watch, Evaluation *evaluation, bool *warned)
{
	Watched *watched = evaluation->watched;
	ErrorData *error = NULL;

	if (watched->text == NULL)
		return false;
	evaluation->warned = warned;
	if (!is_compiled(watch, watched))
		error = watched->error;
	else if (lr_condition_cannot_fail(watched->condition) && bms_is_empty(lr_condition_facts(watched->condition)))
		evaluate(evaluation);
	else
		error = lr_protect(evaluate, evaluation);
	if (error == NULL)
		return true;

	if (watch->base.config->fails)
		ReThrowError(error);
	if (!*warned)
	{
		*warned = true;
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("%s of flow \"%s\" failed: %s", watched->name, watch->base.flow, error->message),
				 errdetail("It counts as %s for lead \"%s\".", watched->type == TEXTOID ? "NULL" : watched->type == FLOAT8OID															 ? "0"
																							   : watched == &watch->conditions[WATCH_ROUTE] || watched == &watch->conditions[WATCH_MASK] ? "true"
																																														 : "false",
						   evaluation->row->lead ? evaluation->row->lead : ""),
				 errhint("Correct it in leadroute.%s; SELECT * FROM leadroute.check_flow(%s) tells what is not valid.",
						 watched < &watch->conditions[WATCH_RULES]							? "flows"
						 : watched < &watch->conditions[WATCH_STAGE(watch->base.config, 0)] ? "rules"
																							: "stages",
						 quote_literal_cstr(watch->base.flow))));
	}
	return false;
}

static void
evaluate(void *arg)
{
	Evaluation *evaluation = arg;
	Watch *watch = evaluation->watch;
	const LeadRow *row = evaluation->row;

	ResetExprContext(watch->econtext);
	if (!bms_is_empty(lr_condition_facts(evaluation->watched->condition)))
		lr_facts_fill(watch->facts, watch->base.config, row, lr_lead_submitted_at(row->shape, row->slot, row->at),
					  watch->econtext->ecxt_per_tuple_memory);
	if (bms_overlap(watch->score_facts, lr_condition_facts(evaluation->watched->condition)))
	{
		const LeadScore *score = lr_score(row, watch->base.config, evaluation->warned);
		MemoryContext oldcontext = MemoryContextSwitchTo(watch->econtext->ecxt_per_tuple_memory);

		lr_score_facts(watch->facts, score);
		lr_consent_facts(watch->facts, row, watch->base.config, evaluation->warned);
		if (watch->base.config->scoring)
			lr_qualify_facts(watch->facts, row, watch->base.config, evaluation->warned);
		MemoryContextSwitchTo(oldcontext);
	}
	watch->econtext->ecxt_outertuple = row->slot;
	watch->econtext->ecxt_innertuple = watch->facts;
	if (evaluation->watched->type == BOOLOID)
		evaluation->holds = lr_condition_holds(evaluation->watched->condition, watch->econtext);
	else if (evaluation->watched->type == TEXTOID)
	{
		bool isnull;
		Datum value = lr_condition_value(evaluation->watched->condition, watch->econtext, &isnull);
		MemoryContext oldcontext = MemoryContextSwitchTo(evaluation->mcxt);

		evaluation->text = isnull ? NULL : TextDatumGetCString(value);
		MemoryContextSwitchTo(oldcontext);
	}
	else
	{
		bool isnull;
		Datum value = lr_condition_value(evaluation->watched->condition, watch->econtext, &isnull);

		evaluation->number = isnull || isnan(DatumGetFloat8(value)) ? 0 : DatumGetFloat8(value);
	}
}
