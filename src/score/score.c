/*
 * score.c
 *		What a lead is worth: fit from its row, engagement from its signals, and the score of both.
 *
 * A ScorePlan belongs to a shape (lead.c) and a flow, as a RoutePlan does: the criteria's conditions, compiled when it is made, and
 * the columns that they read. Its memory is a child of the shape's context, and one made under an older configuration is replaced
 * when next asked for.
 *
 * Sums are integers, in hundredths of a point; what is divided (by the maxima, by the weights) is rounded once, at the end, half
 * away from zero, so that score_explain() and a query in numeric come to the same.
 */
#include "postgres.h"

#include "account.h"
#include "catalog/pg_type.h"
#include "condition.h"
#include "executor/executor.h"
#include "facts.h"
#include "plan.h"
#include "protect.h"
#include "qualify.h"
#include "route.h"
#include "ruleset.h"
#include "score.h"
#include "signals.h"
#include "state.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#ifndef HAVE_INT128
#error "leadroute needs 128-bit integers"
#endif

/* How often the stored score is looked at of a lead whose criteria read the time. */
#define CLOCK_LOOK USECS_PER_HOUR

typedef struct ScorePlan
{
	FlowPlan base;
	const Outlines *outlines;
	LeadShape *shape;
	LrConditionScope scope;
	ExprContext *econtext;
	TupleTableSlot *facts;
	Bitmapset *account_facts;
	Bitmapset *own_facts; /* that the score itself makes, but for signals */
	AttrNumber signals_fact;
	Bitmapset *columns;		  /* of the row that criteria read */
	bool reads_signals;		  /* some criterion does, or a condition of one */
	bool reads_clock;		  /* some condition reads facts.at */
	RuleSet *index;			  /* of the criteria that have an outline: which cannot hold */
	LrCondition **conditions; /* one a criterion; NULL: it has none, or one that does not compile, or is not compiled yet */
	ErrorData **errors;		  /* why not */
	bool *holds;			  /* of the row at hand */
	ScorePoints *groups;	  /* sums of the row at hand: one a group */
} ScorePlan;

/* The conditions of a plan asked about a row, in parts: see ask_conditions. */
typedef struct Scoring
{
	ScorePlan *plan;
	const LeadRow *row;
	const ScoreMemo *memo;
	const LeadSignals *signals;
	int next; /* criterion */
	bool protected;
	bool facts_ready;
	bool account_ready;
	bool signals_ready;
	TimestampTz submitted_at;
} Scoring;

static ScorePlan *score_plan(LeadShape *shape, FlowConfig *config);
static bool look_at_criterion(ScorePlan *plan, int number, const Outlines *outlines);
static void add_columns(ScorePlan *plan, const Bitmapset *columns, const Bitmapset *facts);
static void compile(void *arg);
static void work_out(const LeadRow *row, FlowConfig *config, ScoreMemo *memo, bool *warned, List **lines);
static bool needs_submitted_at(const ScoringConfig *scoring);
static void read_submitted_at(void *arg);
static void ask_conditions(Scoring *scoring, bool *warned);
static void ask_some(void *arg);
static bool ask(Scoring *scoring, LrCondition *condition);
static void fill_account(Scoring *scoring);
static void complain(const Scoring *scoring, int number, ErrorData *error, bool *warned);
static ScorePoints add_criterion(Scoring *scoring, int number, LeadScore *score, List **lines);
static ScorePoints hold(const ScoringConfig *config, ScoreDimension dimension, ScorePoints points, List **lines);
static ScorePoints exclude(const ScoringConfig *config, ScoreDimension dimension, ScorePoints points, const char *type, List **lines);
static ScorePoints part_of(ScorePoints points, ScorePoints maximum);
static ScorePoints combine(const ScoringConfig *config, const ScorePoints *points);
static int64 contribution(const ScoringConfig *config, ScoreDimension dimension, ScorePoints points);
static int64 divide(int128 numerator, int128 denominator);
static char *grade_of(const ScoringConfig *config, const LeadScore *score);
static const char *mark_of(const ScoringConfig *config, ScoreDimension dimension, ScorePoints points);
static int *count_types(const ScoringConfig *config, const LeadSignals *signals);
static void add_line(List **lines, const char *dimension, const char *item, const char *name, int signals, ScorePoints raw,
					 ScorePoints points, int64 contribution);
static void explain_weights(const ScoringConfig *config, List **lines);
static Datum signals_fact(const LeadScore *score);

static const char *const dimension_names[SCORE_DIMENSIONS] = {"fit", "engagement"};

static ScorePlan *
score_plan(LeadShape *shape, FlowConfig *config)
{
	ScorePlan *plan = lr_plan_find(shape, PLAN_SCORE, config);
	MemoryContext oldcontext;
	const Outlines *outlines;
	const char **texts;

	if (plan)
		return plan;

	outlines = lr_outlines(shape, config);
	plan = lr_plan_make(sizeof(ScorePlan), config);
	oldcontext = MemoryContextSwitchTo(plan->base.mcxt);
	plan->shape = shape;
	plan->outlines = outlines;
	lr_facts_scope(shape, &plan->scope);
	plan->facts = MakeSingleTupleTableSlot(plan->scope.facts, &TTSOpsVirtual);
	plan->econtext = CreateStandaloneExprContext();
	plan->account_facts = lr_facts_of_account(plan->scope.facts);
	plan->own_facts = lr_score_of_facts(plan->scope.facts);
	plan->signals_fact = lr_facts_column(plan->scope.facts, "signals");
	plan->own_facts = bms_del_member(plan->own_facts, plan->signals_fact);
	plan->conditions = palloc0(Max(config->scoring->ncriteria, 1) * sizeof(LrCondition *));
	plan->errors = palloc0(Max(config->scoring->ncriteria, 1) * sizeof(ErrorData *));
	plan->holds = palloc0(Max(config->scoring->ncriteria, 1) * sizeof(bool));
	plan->groups = palloc0(Max(config->scoring->ngroups, 1) * sizeof(ScorePoints));
	/* without a model only the counts of signals are asked for */
	plan->reads_signals = config->scoring->model == NULL;
	/* some say something whatever gives points */
	for (int i = 0; i < config->scoring->ntypes; i++)
		plan->reads_signals |= lr_qualify_reads(&config->scoring->types[i]) || config->scoring->types[i].effect != 0;
	texts = palloc0(Max(config->scoring->ncriteria, 1) * sizeof(char *));
	for (int i = 0; i < config->scoring->ncriteria; i++)
		if (look_at_criterion(plan, i, outlines))
			texts[i] = config->scoring->criteria[i].condition;
	plan->index = lr_ruleset_make(texts, config->scoring->ncriteria, &plan->scope, outlines, plan->base.mcxt);
	MemoryContextSwitchTo(oldcontext);

	lr_plan_keep(shape, PLAN_SCORE, plan);
	return plan;
}

/* Which columns and signals it reads: true where an outline tells, else it is compiled. */
static bool
look_at_criterion(ScorePlan *plan, int number, const Outlines *outlines)
{
	const ScoringCriterion *criterion = &plan->base.config->scoring->criteria[number];
	Scoring compiling = {.plan = plan, .next = number};
	const Outline *outline;

	if (criterion->condition == NULL)
	{
		plan->reads_signals |= criterion->type != SIGNAL_UNKNOWN;
		return false;
	}
	outline = lr_outline(outlines, criterion->condition);
	if (outline && !bms_overlap(plan->own_facts, outline->facts))
	{
		add_columns(plan, outline->columns, outline->facts);
		return true;
	}
	plan->errors[number] = lr_protect(compile, &compiling);
	if (plan->errors[number] == NULL)
		add_columns(plan, lr_condition_columns(plan->conditions[number]), lr_condition_facts(plan->conditions[number]));
	return false;
}

static void
add_columns(ScorePlan *plan, const Bitmapset *columns, const Bitmapset *facts)
{
	plan->columns = bms_add_members(plan->columns, columns);
	plan->reads_signals |= bms_is_member(plan->signals_fact, facts);
	plan->reads_clock |= bms_is_member(lr_facts_column(plan->scope.facts, "at"), facts);
	if (bms_is_member(lr_facts_of_prediction(plan->scope.facts), facts))
		plan->columns = bms_add_members(plan->columns, lr_predict_columns(plan->shape, plan->base.config));
	if (bms_overlap(plan->account_facts, facts))
	{
		static const LeadInput inputs[] = {INPUT_EMAIL, INPUT_WEBSITE, INPUT_COMPANY};

		for (int i = 0; i < (int) lengthof(inputs); i++)
			if (plan->shape->inputs[inputs[i]].attno != 0)
				plan->columns = bms_add_member(plan->columns, plan->shape->inputs[inputs[i]].attno);
	}
}

static void
compile(void *arg)
{
	Scoring *compiling = arg;
	ScorePlan *plan = compiling->plan;
	LrCondition *condition = lr_outline_compile(plan->outlines, plan->base.config->scoring->criteria[compiling->next].condition, &plan->scope, plan->base.mcxt);

	if (bms_overlap(plan->own_facts, lr_condition_facts(condition)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
				 errmsg("criterion cannot reference what the criteria make: facts.score, fit, engagement, grade, is_mql or consent")));
	plan->conditions[compiling->next] = condition;
}

void
lr_score_known(ScoreMemo *memo, const LeadState *state)
{
	memo->done = false;
	memo->is_known = true;
	memo->is_duplicate = strcmp(state->status, "duplicate") == 0 || strcmp(state->status, "merged") == 0;
	memo->has_since = state->has_engagement_since;
	memo->since = state->engagement_since;
	memo->qualified = state->is_qualified;
	memo->qualified_at = state->qualified_at;
	memo->mql_at = state->has_mql_at ? state->mql_at : 0;
	memo->rejected = state->has_rejected_score;
	memo->rejected_score = state->rejected_score;
	memo->rejected_at = state->rejected_at;
	memo->has_submitted_at = state->has_submitted_at;
	memo->submitted_at = state->submitted_at;
}

const LeadScore *
lr_score(const LeadRow *row, FlowConfig *config, bool *warned)
{
	static const LeadScore none = {.scoring = NULL};
	ScoreMemo *memo = row->memo;

	if (config->scoring == NULL)
		return &none;
	if (memo == NULL)
		memo = palloc0(sizeof(ScoreMemo));
	if (!memo->done)
	{
		work_out(row, config, memo, warned, NULL);
		memo->done = true;
	}
	return &memo->score;
}

const LeadScore *
lr_score_explain(const LeadRow *row, FlowConfig *config, bool *warned, List **lines)
{
	ScoreMemo *memo = palloc0(sizeof(ScoreMemo));

	if (row->memo)
		*memo = *row->memo;
	if (config->scoring)
		work_out(row, config, memo, warned, lines);
	return &memo->score;
}

/* Works the score out into memo->score, and its reasons into *lines unless that is NULL. */
static void
work_out(const LeadRow *row, FlowConfig *config, ScoreMemo *memo, bool *warned, List **lines)
{
	ScoringConfig *model = config->scoring;
	Scoring scoring = {.plan = score_plan(row->shape, config), .row = row, .memo = memo, .submitted_at = row->at};
	LeadScore *score = &memo->score;
	LeadSignals signals = {.next = DT_NOEND};
	ScorePoints points[SCORE_DIMENSIONS] = {0};

	memset(score, 0, sizeof(LeadScore));
	score->scoring = model;
	score->at = row->at;
	score->has_since = memo->has_since;
	score->since = memo->since;
	if (scoring.plan->reads_signals)
		lr_signals_read(config->flow, row->lead, model, memo, row->at, &signals);
	score->next = signals.next;
	score->effects = signals.effects;
	score->counts = count_types(model, &signals);
	if (model->model == NULL)
		return;

	scoring.signals = &signals;
	if (memo->has_submitted_at)
		scoring.submitted_at = memo->submitted_at;
	else if (needs_submitted_at(model))
		(void) lr_protect(read_submitted_at, &scoring);
	ask_conditions(&scoring, warned);
	/* nobody knows when such a condition turns */
	if (scoring.plan->reads_clock)
		score->next = Min(score->next, row->at + CLOCK_LOOK);
	for (int i = 0, dimension = 0; dimension < SCORE_DIMENSIONS; dimension++)
	{
		memset(scoring.plan->groups, 0, model->ngroups * sizeof(ScorePoints));
		for (; i < model->ncriteria && model->criteria[i].dimension == (ScoreDimension) dimension; i++)
			points[dimension] += add_criterion(&scoring, i, score, lines);
		for (int group = 0; group < model->ngroups; group++)
		{
			const ScoringGroup *capped = &model->groups[group];
			ScorePoints beyond = capped->has_cap ? Max(scoring.plan->groups[group] - capped->cap, 0) : 0;

			points[dimension] -= beyond;
			if (lines && beyond > 0)
				add_line(lines, dimension_names[dimension], "cap", capped->group, -1, -beyond, -beyond,
						 contribution(model, (ScoreDimension) dimension, -beyond));
		}
		points[dimension] = hold(model, (ScoreDimension) dimension, points[dimension], lines);
		if (signals.effects & EFFECT_NO_SCORING)
			points[dimension] = exclude(model, (ScoreDimension) dimension, points[dimension], model->types[signals.excludes].type, lines);
	}
	score->fit = part_of(points[SCORE_FIT], model->maxima[SCORE_FIT]);
	score->engagement = part_of(points[SCORE_ENGAGEMENT], model->maxima[SCORE_ENGAGEMENT]);
	score->score = combine(model, points);
	score->grade = grade_of(model, score);
	if (lines)
	{
		int64 sum = 0;
		ListCell *cell;

		foreach(cell, *lines)
			sum += ((ScoreLine *) lfirst(cell))->contribution;
		explain_weights(model, lines);
		if (sum != score->score * 100)
			add_line(lines, "score", "rounding", "to two decimals", -1, 0, 0, score->score * 100 - sum);
	}
}

/* Whether a criterion counts from there. */
static bool
needs_submitted_at(const ScoringConfig *scoring)
{
	for (int i = 0; i < scoring->ncriteria; i++)
		if (scoring->criteria[i].absent)
			return true;
	return false;
}

/* One that cannot be read leaves the instant of the decision. */
static void
read_submitted_at(void *arg)
{
	Scoring *scoring = arg;

	scoring->submitted_at = lr_lead_submitted_at(scoring->row->shape, scoring->row->slot, scoring->row->at);
}

/* Fills plan->holds. What may fail runs in a subtransaction, all of it in one unless some of it does fail. */
static void
ask_conditions(Scoring *scoring, bool *warned)
{
	ScorePlan *plan = scoring->plan;
	int ncriteria = plan->base.config->scoring->ncriteria;

	ResetExprContext(plan->econtext);
	lr_ruleset_start(plan->index);
	memset(plan->holds, 0, ncriteria * sizeof(bool));
	ask_some(scoring);
	scoring->protected = true;
	while (scoring->next < ncriteria)
	{
		ErrorData *error = plan->errors[scoring->next];

		if (error == NULL)
			error = lr_protect(ask_some, scoring);
		if (error)
		{
			complain(scoring, scoring->next, error, warned);
			plan->holds[scoring->next] = false;
			scoring->next++;
		}
	}
}

/* From scoring->next on: to the first that does not compile, or unprotected to the first that may fail. */
static void
ask_some(void *arg)
{
	Scoring *scoring = arg;
	ScorePlan *plan = scoring->plan;
	int ncriteria = plan->base.config->scoring->ncriteria;

	for (; scoring->next < ncriteria; scoring->next++)
	{
		LrCondition *condition = plan->conditions[scoring->next];

		if (plan->errors[scoring->next])
			return;
		if (plan->base.config->scoring->criteria[scoring->next].condition == NULL ||
			lr_ruleset_excludes(plan->index, scoring->next, scoring->row->slot))
			continue;
		if (condition == NULL)
		{
			if (!scoring->protected)
				return;
			compile(scoring);
			condition = plan->conditions[scoring->next];
		}
		/* facts may take the time of the request, which may come as text */
		if (!scoring->protected && (!lr_condition_cannot_fail(condition) || !bms_is_empty(lr_condition_facts(condition))))
			return;
		plan->holds[scoring->next] = ask(scoring, condition);
	}
}

static bool
ask(Scoring *scoring, LrCondition *condition)
{
	ScorePlan *plan = scoring->plan;
	const LeadRow *row = scoring->row;
	Bitmapset *facts = lr_condition_facts(condition);

	if (!scoring->facts_ready && !bms_is_empty(facts))
	{
		lr_facts_fill(plan->facts, plan->base.config, row,
					  scoring->memo->has_submitted_at ? scoring->memo->submitted_at : lr_lead_submitted_at(row->shape, row->slot, row->at),
					  plan->econtext->ecxt_per_tuple_memory);
		scoring->facts_ready = true;
	}
	if (!scoring->account_ready && row->profile && bms_overlap(plan->account_facts, facts))
		fill_account(scoring);
	if (!scoring->signals_ready && bms_is_member(plan->signals_fact, facts))
	{
		MemoryContext oldcontext = MemoryContextSwitchTo(plan->econtext->ecxt_per_tuple_memory);

		plan->facts->tts_values[plan->signals_fact - 1] = signals_fact(&scoring->memo->score);
		plan->facts->tts_isnull[plan->signals_fact - 1] = plan->base.config->scoring->ntypes == 0;
		MemoryContextSwitchTo(oldcontext);
		scoring->signals_ready = true;
	}
	plan->econtext->ecxt_outertuple = row->slot;
	plan->econtext->ecxt_innertuple = plan->facts;
	return lr_condition_holds(condition, plan->econtext);
}

static void
fill_account(Scoring *scoring)
{
	ScorePlan *plan = scoring->plan;
	AccountMatch match;

	(void) lr_account_find(plan->base.config, lr_route_account_value, unconstify(LeadRow *, scoring->row), &match);
	lr_facts_account(plan->facts, match.nhits > 0 ? match.hits : NULL, plan->econtext->ecxt_per_tuple_memory);
	scoring->account_ready = true;
}

static void
complain(const Scoring *scoring, int number, ErrorData *error, bool *warned)
{
	const FlowConfig *config = scoring->plan->base.config;

	if (config->fails)
		ReThrowError(error);
	if (*warned)
		return;
	*warned = true;
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("criterion \"%s\" of flow \"%s\" failed: %s", config->scoring->criteria[number].criterion, config->flow, error->message),
			 errdetail("It gives no points to lead \"%s\".", scoring->row->lead ? scoring->row->lead : ""),
			 errhint("Correct it in leadroute.scoring_criteria; SELECT * FROM leadroute.check_flow(%s) tells what is not valid.",
					 quote_literal_cstr(config->flow))));
}

/* The points that a criterion gives, which its group has counted too. */
static ScorePoints
add_criterion(Scoring *scoring, int number, LeadScore *score, List **lines)
{
	const ScoringConfig *config = scoring->plan->base.config->scoring;
	const ScoringCriterion *criterion = &config->criteria[number];
	SignalWorth worth = {.signals = -1, .next = DT_NOEND};

	if (criterion->condition)
		worth.raw = worth.points = scoring->plan->holds[number] ? criterion->points : 0;
	else if (scoring->signals->n > 0 || criterion->absent)
	{
		TimestampTz since = scoring->submitted_at;

		if (scoring->memo->has_since && scoring->memo->since <= scoring->row->at)
			since = Max(since, scoring->memo->since);
		lr_signals_worth(criterion, scoring->signals, scoring->row->at, since, &worth);
		score->next = Min(score->next, worth.next);
	}
	if (criterion->group >= 0)
		scoring->plan->groups[criterion->group] += worth.points;
	if (criterion->review && worth.points != 0 && score->review == NULL)
		score->review = criterion->criterion;
	if (lines && worth.raw != 0)
		add_line(lines, dimension_names[criterion->dimension], "criterion", criterion->criterion, worth.signals, worth.raw, worth.points,
				 contribution(config, criterion->dimension, worth.points));
	return worth.points;
}

/* Between nothing and the dimension's maximum. */
static ScorePoints
hold(const ScoringConfig *config, ScoreDimension dimension, ScorePoints points, List **lines)
{
	ScorePoints held = Min(Max(points, 0), config->maxima[dimension]);

	if (lines && held != points)
		add_line(lines, dimension_names[dimension], held > points ? "floor" : "ceiling", held > points ? "not below 0" : "not above 100", -1,
				 held - points, held - points, contribution(config, dimension, held - points));
	return held;
}

/* Nothing: a signal of that type takes the lead out of scoring. */
static ScorePoints
exclude(const ScoringConfig *config, ScoreDimension dimension, ScorePoints points, const char *type, List **lines)
{
	if (lines && points != 0)
		add_line(lines, dimension_names[dimension], "exclusion", type, -1, -points, -points, contribution(config, dimension, -points));
	return 0;
}

/* 100 times the points by the maximum, in hundredths. */
static ScorePoints
part_of(ScorePoints points, ScorePoints maximum)
{
	return maximum > 0 ? divide((int128) points * SCORE_FULL, maximum) : 0;
}

/* The weighted mean of both dimensions, in hundredths. */
static ScorePoints
combine(const ScoringConfig *config, const ScorePoints *points)
{
	/* a dimension in which nothing gives points is 0, whatever it is divided by */
	ScorePoints fit_max = Max(config->maxima[SCORE_FIT], 1);
	ScorePoints engagement_max = Max(config->maxima[SCORE_ENGAGEMENT], 1);
	int128 sum = (int128) config->weights[SCORE_FIT] * points[SCORE_FIT] * engagement_max +
				 (int128) config->weights[SCORE_ENGAGEMENT] * points[SCORE_ENGAGEMENT] * fit_max;

	return divide(sum * SCORE_FULL, (int128) (config->weights[SCORE_FIT] + config->weights[SCORE_ENGAGEMENT]) * fit_max * engagement_max);
}

/* What points of a dimension bring the score, in ten-thousandths. */
static int64
contribution(const ScoringConfig *config, ScoreDimension dimension, ScorePoints points)
{
	if (config->maxima[dimension] == 0)
		return 0;
	return divide((int128) config->weights[dimension] * points * SCORE_FULL * 100,
				  (int128) (config->weights[SCORE_FIT] + config->weights[SCORE_ENGAGEMENT]) * config->maxima[dimension]);
}

/* Rounded half away from zero, as numeric does; the denominator is positive. */
static int64
divide(int128 numerator, int128 denominator)
{
	int128 half = numerator < 0 ? -denominator : denominator;

	return (int64) ((2 * numerator + half) / (2 * denominator));
}

static char *
grade_of(const ScoringConfig *config, const LeadScore *score)
{
	const char *fit = mark_of(config, SCORE_FIT, score->fit);
	const char *engagement = mark_of(config, SCORE_ENGAGEMENT, score->engagement);

	if (fit == NULL && engagement == NULL)
		return NULL;
	return psprintf("%s%s", fit ? fit : "", engagement ? engagement : "");
}

static const char *
mark_of(const ScoringConfig *config, ScoreDimension dimension, ScorePoints points)
{
	for (int i = 0; i < config->nmarks[dimension]; i++)
		if (points >= config->marks[dimension][i].at_least)
			return config->marks[dimension][i].mark;
	return NULL;
}

static int *
count_types(const ScoringConfig *config, const LeadSignals *signals)
{
	int *counts;

	if (signals->n == 0)
		return NULL;
	counts = palloc0(config->ntypes * sizeof(int));
	for (int i = 0; i < signals->n; i++)
		counts[signals->signals[i].type]++;
	return counts;
}

static void
add_line(List **lines, const char *dimension, const char *item, const char *name, int signals, ScorePoints raw, ScorePoints points,
		 int64 contribution)
{
	ScoreLine *line = palloc(sizeof(ScoreLine));

	line->dimension = dimension;
	line->item = item;
	line->name = name;
	line->signals = signals;
	line->raw = raw;
	line->points = points;
	line->contribution = contribution;
	*lines = lappend(*lines, line);
}

/* Each contribution has its dimension's weight in it: these rows say which. */
static void
explain_weights(const ScoringConfig *config, List **lines)
{
	int64 total = config->weights[SCORE_FIT] + config->weights[SCORE_ENGAGEMENT];

	for (int i = 0; i < SCORE_DIMENSIONS; i++)
		add_line(lines, dimension_names[i], "weight",
				 psprintf("%s%% of the score; %s points are 100", lr_score_text(divide((int128) config->weights[i] * SCORE_FULL, total)),
						  lr_score_text(config->maxima[i])),
				 -1, 0, 0, 0);
}

bool
lr_score_changed(LeadShape *shape, FlowConfig *config, TupleTableSlot *old, TupleTableSlot *new)
{
	return lr_lead_any_differs(shape, lr_score_columns(shape, config), old, new);
}

Bitmapset *
lr_score_columns(LeadShape *shape, FlowConfig *config)
{
	return config->scoring && config->scoring->model ? score_plan(shape, config)->columns : NULL;
}

bool
lr_score_qualifies(const LeadScore *score)
{
	const ScoringConfig *scoring = score->scoring;

	return scoring && scoring->model && !(score->effects & EFFECT_NO_SCORING) && score->score >= scoring->threshold && score->fit >= scoring->minima[SCORE_FIT] &&
		   score->engagement >= scoring->minima[SCORE_ENGAGEMENT];
}

bool
lr_score_high_intent(const LeadScore *score)
{
	for (int i = 0; score->counts && i < score->scoring->ntypes; i++)
		if (score->counts[i] > 0 && score->scoring->types[i].high_intent)
			return true;
	return false;
}

Datum
lr_score_numeric(ScorePoints points)
{
	return NumericGetDatum(int64_div_fast_to_numeric(points, 2));
}

char *
lr_score_text(ScorePoints points)
{
	ScorePoints size = points < 0 ? -points : points;

	return psprintf("%s" INT64_FORMAT ".%02d", points < 0 ? "-" : "", size / SCORE_POINT, (int) (size % SCORE_POINT));
}

Bitmapset *
lr_score_of_facts(TupleDesc desc)
{
	static const char *const names[] = {"score", "fit", "engagement", "grade", "signals", "is_mql", "consent"};
	Bitmapset *columns = NULL;

	for (int i = 0; i < desc->natts; i++)
		for (int name = 0; name < (int) lengthof(names); name++)
			if (strcmp(NameStr(TupleDescAttr(desc, i)->attname), names[name]) == 0)
				columns = bms_add_member(columns, i + 1);
	return columns;
}

void
lr_score_facts(TupleTableSlot *facts, const LeadScore *score)
{
	TupleDesc desc = facts->tts_tupleDescriptor;
	bool scored = score->scoring && score->scoring->model;

	for (int i = 0; i < desc->natts; i++)
	{
		const char *name = NameStr(TupleDescAttr(desc, i)->attname);

		if (scored && (strcmp(name, "score") == 0 || strcmp(name, "fit") == 0 || strcmp(name, "engagement") == 0))
		{
			ScorePoints points = name[0] == 's' ? score->score : name[0] == 'f' ? score->fit
																				: score->engagement;

			facts->tts_values[i] = Float8GetDatum((double) points / SCORE_POINT);
			facts->tts_isnull[i] = false;
		}
		else if (scored && strcmp(name, "grade") == 0)
		{
			facts->tts_values[i] = score->grade ? CStringGetTextDatum(score->grade) : (Datum) 0;
			facts->tts_isnull[i] = score->grade == NULL;
		}
		else if (score->scoring && score->scoring->ntypes > 0 && strcmp(name, "signals") == 0)
		{
			facts->tts_values[i] = signals_fact(score);
			facts->tts_isnull[i] = false;
		}
	}
}

/* Type and number, in the current context. */
static Datum
signals_fact(const LeadScore *score)
{
	JsonbParseState *state = NULL;
	JsonbValue *object;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; score->counts && i < score->scoring->ntypes; i++)
	{
		JsonbValue key = {.type = jbvString};
		JsonbValue value = {.type = jbvNumeric};

		if (score->counts[i] == 0)
			continue;
		key.val.string.val = unconstify(char *, score->scoring->types[i].type);
		key.val.string.len = (int) strlen(score->scoring->types[i].type);
		value.val.numeric = int64_to_numeric(score->counts[i]);
		(void) pushJsonbValue(&state, WJB_KEY, &key);
		(void) pushJsonbValue(&state, WJB_VALUE, &value);
	}
	object = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return JsonbPGetDatum(JsonbValueToJsonb(object));
}
