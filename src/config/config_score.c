/*
 * config_score.c
 *		A flow's scoring as configured: the model that it uses, its criteria, the types of signals.
 *
 * Part of the session's cache of the configuration (config.c): read with it, in its memory, and dropped with it.
 */
#include "postgres.h"

#include "config_row.h"
#include "owner.h"
#include "score.h"
#include "utils/memutils.h"

static void read_types(FlowConfig *config, ScoringConfig *scoring);
static bool read_model(FlowConfig *config, ScoringConfig *scoring);
static void read_groups(FlowConfig *config, ScoringConfig *scoring);
static void read_criteria(FlowConfig *config, ScoringConfig *scoring);
static void read_criterion(FlowConfig *config, ScoringConfig *scoring, uint64 row, ScoringCriterion *criterion);
static int find_type(const ScoringConfig *scoring, const char *type);
static void read_marks(FlowConfig *config, ScoringConfig *scoring);
static ScorePoints most_points(const ScoringConfig *scoring, ScoreDimension dimension);

void
lr_score_read_config(FlowConfig *config)
{
	ScoringConfig *scoring = MemoryContextAllocZero(config->mcxt, sizeof(ScoringConfig));

	read_types(config, scoring);
	if (read_model(config, scoring))
	{
		read_groups(config, scoring);
		read_criteria(config, scoring);
		read_marks(config, scoring);
		for (int i = 0; i < SCORE_DIMENSIONS; i++)
			if (scoring->maxima[i] == 0)
				scoring->maxima[i] = most_points(scoring, (ScoreDimension) i);
	}
	if (scoring->model || scoring->ntypes > 0)
		config->scoring = scoring;
	else
		pfree(scoring);
}

static void
read_types(FlowConfig *config, ScoringConfig *scoring)
{
	static const char *const effects[] = {"none", "no_scoring", "no_consent", "no_outreach"};

	scoring->ntypes = (int) lr_config_rows("SELECT signal_type, high_intent, counts_for, effect FROM leadroute.signal_types"
										   " WHERE flow = $1 ORDER BY signal_type",
										   config->flow);
	scoring->duplicates = SIGNAL_UNKNOWN;
	if (scoring->ntypes == 0)
		return;
	scoring->types = MemoryContextAllocZero(config->mcxt, scoring->ntypes * sizeof(SignalType));
	for (int i = 0; i < scoring->ntypes; i++)
	{
		scoring->types[i].type = lr_row_text(i, 1);
		scoring->types[i].high_intent = lr_row_bool(i, 2);
		scoring->types[i].has_counts_for = lr_row_interval(i, 3, &scoring->types[i].counts_for);
		/* none, no_scoring, no_consent, no_outreach */
		scoring->types[i].effect = (1 << lr_row_word(i, 4, effects, lengthof(effects))) >> 1;
		scoring->effects |= scoring->types[i].effect;
		if (strcmp(scoring->types[i].type, "duplicate") == 0)
			scoring->duplicates = i;
	}
}

/* False where the flow uses none, or one that is not there: check_flow() tells. */
static bool
read_model(FlowConfig *config, ScoringConfig *scoring)
{
	if (lr_config_rows("SELECT m.model, (m.fit_weight * 10000)::int8, (m.engagement_weight * 10000)::int8,"
					   " (m.fit_max * 100)::int8, (m.engagement_max * 100)::int8, (m.threshold * 100)::int8,"
					   " (m.min_fit * 100)::int8, (m.min_engagement * 100)::int8, (m.borderline * 100)::int8"
					   " FROM leadroute.flows f JOIN leadroute.scoring_models m ON m.flow = f.flow AND m.model = f.scoring_model"
					   " WHERE f.flow = $1",
					   config->flow) == 0)
		return false;
	scoring->model = lr_row_text(0, 1);
	for (int i = 0; i < SCORE_DIMENSIONS; i++)
	{
		scoring->weights[i] = lr_row_int64(0, 2 + i);
		scoring->maxima[i] = lr_row_int64(0, 4 + i);
		scoring->minima[i] = lr_row_int64(0, 7 + i);
	}
	scoring->threshold = lr_row_int64(0, 6);
	scoring->borderline = lr_row_int64(0, 9);
	return true;
}

/* Those that criteria name, with their cap where they have one. */
static void
read_groups(FlowConfig *config, ScoringConfig *scoring)
{
	scoring->ngroups = (int) lr_config_rows("SELECT DISTINCT c.\"group\", (g.cap * 100)::int8, g.cap IS NOT NULL FROM leadroute.flows f"
											" JOIN leadroute.scoring_criteria c ON c.flow = f.flow AND c.model = f.scoring_model"
											" LEFT JOIN leadroute.scoring_groups g ON g.flow = c.flow AND g.model = c.model AND g.\"group\" = c.\"group\""
											" WHERE f.flow = $1 AND c.\"group\" IS NOT NULL ORDER BY 1",
											config->flow);
	scoring->groups = MemoryContextAllocZero(config->mcxt, Max(scoring->ngroups, 1) * sizeof(ScoringGroup));
	for (int i = 0; i < scoring->ngroups; i++)
	{
		scoring->groups[i].group = lr_row_text(i, 1);
		scoring->groups[i].has_cap = lr_row_bool(i, 3);
		scoring->groups[i].cap = lr_row_int64(i, 2);
	}
}

static void
read_criteria(FlowConfig *config, ScoringConfig *scoring)
{
	scoring->ncriteria = (int) lr_config_rows("SELECT c.criterion, c.dimension, c.\"group\", c.condition, c.signal_type, (c.points * 100)::int8,"
											  " c.min_count::int8, c.within, c.absent, c.per_event, (c.max_points * 100)::int8, c.decay,"
											  " (c.decay_points * 100)::int8, c.decay_period, c.points > 0 OR c.decays_negative, c.review"
											  " FROM leadroute.flows f JOIN leadroute.scoring_criteria c ON c.flow = f.flow AND c.model = f.scoring_model"
											  " WHERE f.flow = $1 ORDER BY c.dimension = 'engagement', c.criterion",
											  config->flow);
	scoring->criteria = MemoryContextAllocZero(config->mcxt, Max(scoring->ncriteria, 1) * sizeof(ScoringCriterion));
	for (int i = 0; i < scoring->ncriteria; i++)
		read_criterion(config, scoring, i, &scoring->criteria[i]);
}

static void
read_criterion(FlowConfig *config, ScoringConfig *scoring, uint64 row, ScoringCriterion *criterion)
{
	static const char *const decays[] = {"none", "per_period", "per_period_inactive", "half_life"};
	const char *group = lr_row_text(row, 3);
	const char *decay = lr_row_text(row, 12);

	criterion->criterion = lr_row_text(row, 1);
	criterion->dimension = strcmp(lr_row_text(row, 2), "fit") == 0 ? SCORE_FIT : SCORE_ENGAGEMENT;
	criterion->group = -1;
	for (int i = 0; group && i < scoring->ngroups; i++)
		if (strcmp(scoring->groups[i].group, group) == 0)
			criterion->group = i;
	criterion->condition = lr_row_text(row, 4);
	criterion->signal_type = lr_row_text(row, 5);
	if (criterion->signal_type)
		criterion->type = find_type(scoring, criterion->signal_type);
	criterion->points = lr_row_int64(row, 6);
	criterion->min_count = (int) lr_row_int64(row, 7);
	criterion->has_within = lr_row_interval(row, 8, &criterion->within);
	criterion->absent = lr_row_bool(row, 9);
	criterion->per_event = lr_row_bool(row, 10);
	criterion->max_points = lr_row_int64(row, 11);
	for (int i = 0; i < (int) lengthof(decays); i++)
		if (strcmp(decay, decays[i]) == 0)
			criterion->decay = (SignalDecay) i;
	criterion->decay_points = lr_row_int64(row, 13);
	(void) lr_row_interval(row, 14, &criterion->decay_period);
	criterion->decays = criterion->decay != DECAY_NONE && lr_row_bool(row, 15);
	criterion->review = lr_row_bool(row, 16);
	scoring->reviews |= criterion->review;
}

static int
find_type(const ScoringConfig *scoring, const char *type)
{
	if (strcmp(type, "*") == 0)
		return SIGNAL_ANY;
	for (int i = 0; i < scoring->ntypes; i++)
		if (strcmp(scoring->types[i].type, type) == 0)
			return i;
	return SIGNAL_UNKNOWN;
}

static void
read_marks(FlowConfig *config, ScoringConfig *scoring)
{
	uint64 rows = lr_config_rows("SELECT g.dimension = 'engagement', g.mark, (g.at_least * 100)::int8"
								 " FROM leadroute.flows f JOIN leadroute.grades g ON g.flow = f.flow AND g.model = f.scoring_model"
								 " WHERE f.flow = $1 ORDER BY g.at_least DESC, g.mark",
								 config->flow);

	for (int i = 0; i < SCORE_DIMENSIONS; i++)
		scoring->marks[i] = MemoryContextAllocZero(config->mcxt, Max(rows, 1) * sizeof(GradeMark));
	for (uint64 row = 0; row < rows; row++)
	{
		int dimension = lr_row_bool(row, 1) ? SCORE_ENGAGEMENT : SCORE_FIT;
		GradeMark *mark = &scoring->marks[dimension][scoring->nmarks[dimension]++];

		mark->mark = lr_row_text(row, 2);
		mark->at_least = lr_row_int64(row, 3);
	}
}

/* All positive points that the criteria of a dimension can give, those of a group no more than its cap. */
static ScorePoints
most_points(const ScoringConfig *scoring, ScoreDimension dimension)
{
	ScorePoints *groups = palloc0(Max(scoring->ngroups, 1) * sizeof(ScorePoints));
	ScorePoints most = 0;

	for (int i = 0; i < scoring->ncriteria; i++)
	{
		const ScoringCriterion *criterion = &scoring->criteria[i];
		ScorePoints points = criterion->max_points > 0 ? criterion->max_points : criterion->points;

		if (criterion->dimension != dimension || criterion->points < 0)
			continue;
		if (criterion->group >= 0)
			groups[criterion->group] += points;
		else
			most += points;
	}
	for (int i = 0; i < scoring->ngroups; i++)
		most += scoring->groups[i].has_cap ? Min(groups[i], scoring->groups[i].cap) : groups[i];
	return most;
}
