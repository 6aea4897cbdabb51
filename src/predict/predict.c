/*
 * predict.c
 *		What a trained model says of a row.
 *
 * The published model of a flow is part of its configuration (FlowConfig.prediction): its coefficients, by column, with a hash table of a
 * column's levels. A plan lays it out for a leads table: which of the table's columns answers to which of the model's. It belongs to the shape (lead.c)
 * as a RoutePlan does, in a child of its context, and one made under an older configuration is replaced when next asked for.
 * A prediction reads each column once, allocates nothing that outlives it and takes no lock.
 *
 * A column that the table has not, or a value that is missing where training never met one, counts as nothing: the prior of a ridge
 * regression. So does a level that training did not meet, unless it knows what rare ones are worth.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "config_row.h"
#include "executor/executor.h"
#include "feature.h"
#include "owner.h"
#include "plan.h"
#include "predict.h"
#include "protect.h"
#include "route.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* PredictionReason.term beside those of levels and bins. */
#define TERM_IS_MISSING (-1)
#define TERM_IS_OTHER (-2)
#define TERM_IS_NUMBER (-3)

typedef struct PredictionLevel
{
	const char *level;
	double effect; /* of a placeholder: that of what is missing */
	bool missing;
} PredictionLevel;

typedef struct PredictionColumn
{
	const char *name;
	bool is_number;
	double average; /* effect in training */
	double missing;
	double other;
	/* of a number */
	bool has_slope;
	double slope;
	double center;
	double scale;
	double low;
	double high;
	int nbins;
	double *bin_lows; /* ascending; the first is -inf */
	double *bin_effects;
	/* of levels */
	int nlevels;
	PredictionLevel *levels;
	uint32 mask;  /* slots - 1, a power of two */
	int32 *slots; /* of levels, -1: free; at most half of them are used */
} PredictionColumn;

struct PredictionModel
{
	const char *model;
	int version;
	double intercept;
	int ncolumns;
	PredictionColumn *columns;
	int nplaceholders; /* that are numbers */
	double *placeholders;
};

struct PredictionPlan
{
	MemoryContext mcxt;
	MemoryContext scratch;
	PredictionModel *model;
	FeatureSource *sources; /* one a column; attno 0: the table has none */
	bool may_fail;			/* some type's output function may */
	bool warned;
};

/* The one for leads of a flow. */
typedef struct ShapePlan
{
	FlowPlan base;
	PredictionPlan *prediction;
} ShapePlan;

typedef struct PredictCall
{
	PredictionPlan *plan;
	TupleTableSlot *slot;
	Prediction *prediction;
} PredictCall;

static PredictionModel *read_model(MemoryContext mcxt, const char *flow, const char *chosen);
static PredictionColumn *add_column(PredictionModel *model, const char *name, MemoryContext mcxt);
static void add_row(PredictionModel *model, PredictionColumn *column, uint64 row, MemoryContext mcxt);
static void finish_column(PredictionModel *model, PredictionColumn *column, char **placeholders, int nplaceholders, MemoryContext mcxt);
static int32 *find_slot(const PredictionColumn *column, const char *level, int len);
static PredictionPlan *shape_plan(LeadShape *shape, FlowConfig *config);
static AttrNumber find_attribute(TupleDesc desc, const char *name, bool exactly);
static bool is_plain(const FeatureSource *source);
static void predict_protected(void *arg);
static double column_effect(PredictionPlan *plan, int number, TupleTableSlot *slot, PredictionReason *reason);
static double number_effect(const PredictionModel *model, const PredictionColumn *column, PredictionReason *reason);

/* ---- the model, from its rows ---- */

void
lr_predict_read_config(FlowConfig *config)
{
	config->prediction = read_model(config->mcxt, config->flow, "v.version = m.published");
}

PredictionModel *
lr_predict_read(const char *flow, const char *model, int version, MemoryContext mcxt)
{
	OwnerSession session;
	PredictionModel *result;
	char *chosen = version > 0 ? psprintf("m.model = %s AND v.version = %d", quote_literal_cstr(model), version)
							   : psprintf("m.model = %s AND v.version = m.published", quote_literal_cstr(model));

	lr_owner_begin(&session);
	result = read_model(mcxt, flow, chosen);
	lr_owner_end(&session);
	return result;
}

static PredictionModel *
read_model(MemoryContext mcxt, const char *flow, const char *chosen)
{
	PredictionModel *model;
	PredictionColumn *column = NULL;
	char **placeholders;
	uint64 rows;
	int nplaceholders;

	if (lr_config_rows(psprintf("SELECT m.model, v.version, v.intercept, array_to_json(v.placeholders)::text"
								" FROM leadroute.prediction_models m JOIN leadroute.prediction_versions v ON v.flow = m.flow AND v.model = m.model"
								" WHERE m.flow = $1 AND %s",
								chosen),
					   flow) == 0)
		return NULL;
	model = MemoryContextAllocZero(mcxt, sizeof(PredictionModel));
	model->model = MemoryContextStrdup(mcxt, lr_row_text(0, 1));
	model->version = lr_row_int(0, 2);
	model->intercept = lr_row_number(0, 3, 0);

	nplaceholders = (int) lr_config_rows(psprintf("SELECT p FROM leadroute.prediction_models m JOIN leadroute.prediction_versions v ON v.flow = m.flow"
												  " AND v.model = m.model, unnest(v.placeholders) p WHERE m.flow = $1 AND p IS NOT NULL AND %s",
												  chosen),
										 flow);
	placeholders = palloc(Max(nplaceholders, 1) * sizeof(char *));
	model->placeholders = MemoryContextAllocZero(mcxt, Max(nplaceholders, 1) * sizeof(double));
	for (int i = 0; i < nplaceholders; i++)
	{
		placeholders[i] = lr_row_text(i, 1);
		if (lr_feature_parse(placeholders[i], strlen(placeholders[i]), &model->placeholders[model->nplaceholders]))
			model->nplaceholders++;
	}

	rows = lr_config_rows(psprintf("SELECT c.\"column\", c.kind, c.term, c.low, c.high, c.center, c.scale, c.rows, c.coefficient,"
								   " count(*) OVER (PARTITION BY c.\"column\")::int4, c.term"
								   " FROM leadroute.prediction_models m JOIN leadroute.prediction_versions v ON v.flow = m.flow AND v.model = m.model"
								   " JOIN leadroute.prediction_coefficients c ON c.flow = v.flow AND c.model = v.model AND c.version = v.version"
								   " WHERE m.flow = $1 AND %s ORDER BY c.\"column\", c.low NULLS FIRST, c.kind, c.term",
								   chosen),
						  flow);
	model->columns = MemoryContextAllocZero(mcxt, Max(rows, 1) * sizeof(PredictionColumn));
	for (uint64 row = 0; row < rows; row++)
	{
		const char *name = lr_row_text(row, 1);

		if (column == NULL || strcmp(column->name, name) != 0)
		{
			if (column)
				finish_column(model, column, placeholders, nplaceholders, mcxt);
			column = add_column(model, name, mcxt);
			column->levels = MemoryContextAllocZero(mcxt, (lr_row_int(row, 10) + nplaceholders) * sizeof(PredictionLevel));
			column->bin_lows = MemoryContextAllocZero(mcxt, lr_row_int(row, 10) * sizeof(double));
			column->bin_effects = MemoryContextAllocZero(mcxt, lr_row_int(row, 10) * sizeof(double));
		}
		add_row(model, column, row, mcxt);
	}
	if (column)
		finish_column(model, column, placeholders, nplaceholders, mcxt);
	return model;
}

static PredictionColumn *
add_column(PredictionModel *model, const char *name, MemoryContext mcxt)
{
	PredictionColumn *column = &model->columns[model->ncolumns++];

	column->name = MemoryContextStrdup(mcxt, name);
	column->scale = 1;
	return column;
}


static void
add_row(PredictionModel *model, PredictionColumn *column, uint64 row, MemoryContext mcxt)
{
	const char *kind = lr_row_text(row, 2);
	double effect = lr_row_number(row, 9, 0);

	if (strcmp(kind, "missing") == 0)
		column->missing = effect;
	else if (strcmp(kind, "other") == 0)
		column->other = effect;
	else if (strcmp(kind, "number") == 0)
	{
		column->is_number = column->has_slope = true;
		column->slope = effect;
		column->low = lr_row_number(row, 4, -get_float8_infinity());
		column->high = lr_row_number(row, 5, get_float8_infinity());
		column->center = lr_row_number(row, 6, 0);
		column->scale = lr_row_number(row, 7, 1);
	}
	else if (strcmp(kind, "bin") == 0)
	{
		column->is_number = true;
		column->bin_lows[column->nbins] = lr_row_number(row, 4, -get_float8_infinity());
		column->bin_effects[column->nbins++] = effect;
	}
	else
		column->levels[column->nlevels++] = (PredictionLevel){.level = MemoryContextStrdup(mcxt, lr_row_text(row, 3)), .effect = effect};
}

static void
finish_column(PredictionModel *model, PredictionColumn *column, char **placeholders, int nplaceholders, MemoryContext mcxt)
{
	uint32 nslots = 4;
	double sum = 0;
	double rows = 0;

	for (uint64 row = 0; row < lr_rows(); row++)
	{
		double n = lr_row_number(row, 8, 0);

		if (strcmp(lr_row_text(row, 1), column->name) != 0)
			continue;
		rows += n;
		/* a standardised number's average effect is none */
		if (strcmp(lr_row_text(row, 2), "number") != 0)
			sum += n * lr_row_number(row, 9, 0);
	}
	column->average = rows > 0 ? sum / rows : 0;
	if (column->is_number)
		return;
	for (int i = 0; i < nplaceholders; i++)
	{
		char level[LEVEL_MAX + 1];

		if (lr_feature_fold(placeholders[i], strlen(placeholders[i]), level) > 0)
			column->levels[column->nlevels++] = (PredictionLevel){.level = MemoryContextStrdup(mcxt, level), .effect = column->missing, .missing = true};
	}
	while (nslots < (uint32) column->nlevels * 2)
		nslots *= 2;
	column->mask = nslots - 1;
	column->slots = MemoryContextAlloc(mcxt, nslots * sizeof(int32));
	memset(column->slots, 0xff, nslots * sizeof(int32));
	for (int i = 0; i < column->nlevels; i++)
		*find_slot(column, column->levels[i].level, strlen(column->levels[i].level)) = i;
}

/* The slot of a level, or the free one where it belongs. */
static int32 *
find_slot(const PredictionColumn *column, const char *level, int len)
{
	uint32 at = hash_bytes((const unsigned char *) level, len) & column->mask;

	while (column->slots[at] >= 0 && strcmp(column->levels[column->slots[at]].level, level) != 0)
		at = (at + 1) & column->mask;
	return &column->slots[at];
}

const char *
lr_predict_model(const PredictionModel *model, int *version)
{
	*version = model->version;
	return model->model;
}

/* ---- a row ---- */

const Prediction *
lr_predict(const LeadRow *row, FlowConfig *config)
{
	PredictionMemo *memo = row->prediction;
	PredictionPlan *plan;
	PredictCall call;

	if (config->prediction == NULL)
		return NULL;
	if (memo == NULL)
		memo = palloc0(sizeof(PredictionMemo));
	if (memo->done)
		return memo->there ? &memo->prediction : NULL;
	memo->done = true;
	plan = shape_plan(row->shape, config);
	call = (PredictCall){.plan = plan, .slot = row->slot, .prediction = &memo->prediction};
	if (plan->may_fail)
	{
		ErrorData *error = lr_protect(predict_protected, &call);

		if (error)
		{
			if (config->fails)
				ReThrowError(error);
			if (!plan->warned)
				ereport(WARNING,
						(errcode(error->sqlerrcode),
						 errmsg("model \"%s\" of flow \"%s\" cannot read a lead: %s", plan->model->model, config->flow, error->message),
						 errdetail("Lead \"%s\" has no probability. Further ones are not reported in this session.", row->lead ? row->lead : "")));
			plan->warned = true;
			return NULL;
		}
	}
	else
		lr_predict_row(plan, row->slot, &memo->prediction);
	memo->there = true;
	return &memo->prediction;
}

static void
predict_protected(void *arg)
{
	PredictCall *call = arg;

	lr_predict_row(call->plan, call->slot, call->prediction);
}

static PredictionPlan *
shape_plan(LeadShape *shape, FlowConfig *config)
{
	ShapePlan *plan = lr_plan_find(shape, PLAN_PREDICTION, config);

	if (plan == NULL)
	{
		plan = lr_plan_make(sizeof(ShapePlan), config);
		plan->prediction = lr_predict_plan(config->prediction, shape->desc, &shape->columns, plan->base.mcxt);
		lr_plan_keep(shape, PLAN_PREDICTION, plan);
	}
	return plan->prediction;
}

PredictionPlan *
lr_predict_plan(PredictionModel *model, TupleDesc desc, const AttachmentConfig *mapping, MemoryContext mcxt)
{
	PredictionPlan *plan = MemoryContextAllocZero(mcxt, sizeof(PredictionPlan));

	plan->mcxt = mcxt;
	plan->scratch = AllocSetContextCreate(mcxt, "leadroute prediction scratch", ALLOCSET_SMALL_SIZES);
	plan->model = model;
	plan->sources = MemoryContextAllocZero(mcxt, Max(model->ncolumns, 1) * sizeof(FeatureSource));
	for (int i = 0; i < model->ncolumns; i++)
	{
		const char *name = model->columns[i].name;
		AttrNumber attno = 0;

		/* the column of that name; else what a canonical name stands for; else one that differs in case */
		attno = find_attribute(desc, name, true);
		if (attno == 0 && mapping && lr_column_is_mapped(mapping, name) && lr_column_name(mapping, name))
			attno = find_attribute(desc, lr_column_name(mapping, name), true);
		if (attno == 0)
			attno = find_attribute(desc, name, false);
		if (attno == 0)
			continue;
		lr_feature_source(&plan->sources[i], desc, attno, mcxt);
		plan->may_fail |= !is_plain(&plan->sources[i]);
	}
	return plan;
}

static AttrNumber
find_attribute(TupleDesc desc, const char *name, bool exactly)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (!attribute->attisdropped &&
			(exactly ? strcmp(NameStr(attribute->attname), name) : pg_strcasecmp(NameStr(attribute->attname), name)) == 0)
			return attribute->attnum;
	}
	return 0;
}

/* Of these no value can make its reading fail. */
static bool
is_plain(const FeatureSource *source)
{
	return source->kind != FEATURE_TEXT || source->type == TEXTOID || source->type == VARCHAROID || source->type == BPCHAROID;
}

Bitmapset *
lr_predict_columns(LeadShape *shape, FlowConfig *config)
{
	Bitmapset *columns = NULL;

	if (config->prediction)
	{
		PredictionPlan *plan = shape_plan(shape, config);

		for (int i = 0; i < plan->model->ncolumns; i++)
			if (plan->sources[i].attno != 0)
				columns = bms_add_member(columns, plan->sources[i].attno);
	}
	return columns;
}

void
lr_predict_row(PredictionPlan *plan, TupleTableSlot *slot, Prediction *prediction)
{
	PredictionModel *model = plan->model;
	MemoryContext oldcontext = MemoryContextSwitchTo(plan->scratch);
	double logit = model->intercept;

	prediction->nreasons = 0;
	for (int i = 0; i < model->ncolumns; i++)
	{
		PredictionReason reason = {.column = i};
		double effect = column_effect(plan, i, slot, &reason);
		int at;

		logit += effect;
		reason.effect = (float) (effect - model->columns[i].average);
		if (reason.effect == 0)
			continue;
		for (at = prediction->nreasons; at > 0 && fabsf(prediction->reasons[at - 1].effect) < fabsf(reason.effect); at--)
			if (at < PREDICTION_REASONS)
				prediction->reasons[at] = prediction->reasons[at - 1];
		if (at < PREDICTION_REASONS)
		{
			prediction->reasons[at] = reason;
			prediction->nreasons = Min(prediction->nreasons + 1, PREDICTION_REASONS);
		}
	}
	prediction->probability = 1 / (1 + exp(-logit));
	MemoryContextSwitchTo(oldcontext);
	MemoryContextReset(plan->scratch);
}

static double
column_effect(PredictionPlan *plan, int number, TupleTableSlot *slot, PredictionReason *reason)
{
	const PredictionColumn *column = &plan->model->columns[number];
	FeatureSource *source = &plan->sources[number];
	char level[LEVEL_MAX + 1];
	Datum value;
	bool isnull = true;
	int32 found;
	int len;

	if (source->attno != 0)
		value = slot_getattr(slot, source->attno, &isnull);
	reason->term = TERM_IS_MISSING;
	if (isnull)
		return column->missing;
	if (column->is_number)
		return lr_feature_number(source, value, &reason->number) ? number_effect(plan->model, column, reason) : column->missing;

	len = lr_feature_level(source, value, level);
	if (len == 0)
		return column->missing;
	found = *find_slot(column, level, len);
	if (found < 0)
	{
		reason->term = TERM_IS_OTHER;
		return column->other;
	}
	if (!column->levels[found].missing)
		reason->term = (int16) found;
	return column->levels[found].effect;
}

static double
number_effect(const PredictionModel *model, const PredictionColumn *column, PredictionReason *reason)
{
	double number = reason->number;

	for (int i = 0; i < model->nplaceholders; i++)
		if (number == model->placeholders[i])
			return column->missing;
	if (column->nbins > 0)
	{
		int bin = column->nbins - 1;

		while (bin > 0 && number < column->bin_lows[bin])
			bin--;
		reason->term = (int16) bin;
		return column->bin_effects[bin];
	}
	reason->term = TERM_IS_NUMBER;
	if (!column->has_slope)
		return 0;
	return column->slope * (Min(Max(number, column->low), column->high) - column->center) / column->scale;
}

/* ---- in words ---- */

char *
lr_predict_reason(const PredictionModel *model, const PredictionReason *reason)
{
	const PredictionColumn *column = &model->columns[reason->column];

	if (reason->term == TERM_IS_MISSING)
		return psprintf("%s is missing (%+.2f)", column->name, reason->effect);
	if (reason->term == TERM_IS_OTHER)
		return psprintf("%s is a rare one (%+.2f)", column->name, reason->effect);
	if (column->is_number)
		return psprintf("%s = %.10g (%+.2f)", column->name, reason->number, reason->effect);
	return psprintf("%s = %s (%+.2f)", column->name, column->levels[reason->term].level, reason->effect);
}

char *
lr_predict_json(const PredictionModel *model, const Prediction *prediction)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfo(&json, "{\"probability\": %.4f, \"model\": ", prediction->probability);
	escape_json(&json, model->model);
	appendStringInfo(&json, ", \"version\": %d, \"reasons\": [", model->version);
	for (int i = 0; i < prediction->nreasons; i++)
	{
		if (i > 0)
			appendStringInfoString(&json, ", ");
		escape_json(&json, lr_predict_reason(model, &prediction->reasons[i]));
	}
	appendStringInfoString(&json, "]}");
	return json.data;
}
