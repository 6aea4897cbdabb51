/*
 * score.h
 *		What a lead is worth: fit from its row, engagement from its signals, and the score of both.
 *
 * Points are counted in hundredths, as integers, so that sums are exact: a score is the sum of its reasons to the point.
 */
#ifndef LR_SCORE_H
#define LR_SCORE_H

#include "config.h"
#include "executor/tuptable.h"
#include "nodes/bitmapset.h"
#include "utils/snapshot.h"

struct LeadRow;
struct LeadShape;
struct LeadState;

typedef enum ScoreDimension
{
	SCORE_FIT,
	SCORE_ENGAGEMENT
} ScoreDimension;

#define SCORE_DIMENSIONS 2

/* One hundredth of a point, and of what fit, engagement and score are counted in (0 to 100). */
typedef int64 ScorePoints;
#define SCORE_POINT 100
#define SCORE_FULL (100 * SCORE_POINT)

typedef enum SignalDecay
{
	DECAY_NONE,
	DECAY_PER_PERIOD,
	DECAY_PER_PERIOD_INACTIVE,
	DECAY_HALF_LIFE
} SignalDecay;

#define SIGNAL_UNKNOWN (-1) /* a type that signal_types does not have */
#define SIGNAL_ANY (-2)		/* '*' */

/* What a signal does beside its points, signal_types.effect; a set of them. */
#define EFFECT_NO_SCORING 0x01	/* the lead is worth nothing */
#define EFFECT_NO_CONSENT 0x02	/* takes the person's consent back */
#define EFFECT_NO_OUTREACH 0x04 /* nobody gets the lead or hears of it, whatever the flow demands */

typedef struct ScoringCriterion
{
	const char *criterion;
	ScoreDimension dimension;
	int group;				 /* index of ScoringConfig.groups, or -1 */
	const char *condition;	 /* or NULL, and then */
	int type;				 /* index of ScoringConfig.types, SIGNAL_UNKNOWN or SIGNAL_ANY */
	const char *signal_type; /* its name */
	ScorePoints points;
	int min_count;
	bool has_within;
	Interval within;
	bool absent;
	bool per_event;
	ScorePoints max_points; /* 0: no limit */
	SignalDecay decay;
	ScorePoints decay_points;
	Interval decay_period;
	bool decays; /* its points have a sign that decays */
	bool review; /* who gets them is for people to look at */
} ScoringCriterion;

typedef struct ScoringGroup
{
	const char *group;
	bool has_cap;
	ScorePoints cap;
} ScoringGroup;

typedef struct SignalType
{
	const char *type;
	bool high_intent;
	int effect; /* 0, or one of EFFECT_... */
	bool has_counts_for;
	Interval counts_for;
} SignalType;

typedef struct GradeMark
{
	const char *mark;
	ScorePoints at_least;
} GradeMark;

/* A flow's scoring as configured; FlowConfig.scoring is NULL where it has neither a model nor types of signals. */
typedef struct ScoringConfig
{
	const char *model;					  /* NULL: none; then only the types say anything */
	int64 weights[SCORE_DIMENSIONS];	  /* in ten-thousandths */
	ScorePoints maxima[SCORE_DIMENSIONS]; /* 0: nothing gives points */
	ScorePoints threshold;
	ScorePoints minima[SCORE_DIMENSIONS]; /* of a lead that is qualified by its points */
	ScorePoints borderline;
	int ncriteria;
	ScoringCriterion *criteria; /* in order of dimension and name */
	int ngroups;
	ScoringGroup *groups;
	int ntypes;
	SignalType *types;			  /* in order of their names */
	int effects;				  /* that some of them have */
	bool reviews;				  /* some criterion does */
	int duplicates;				  /* the type that duplicates are signals of; SIGNAL_UNKNOWN: of none */
	int nmarks[SCORE_DIMENSIONS]; /* highest first */
	GradeMark *marks[SCORE_DIMENSIONS];
} ScoringConfig;

/* A lead's score at an instant. */
typedef struct LeadScore
{
	ScoringConfig *scoring; /* NULL: there is none; its model may be NULL too, and then only counts is told */
	ScorePoints score;
	ScorePoints fit;
	ScorePoints engagement;
	const char *grade;	/* or NULL; in the context that was current, as counts is */
	int *counts;		/* of signals that still count, one a type; NULL: no signal of a known type */
	int effects;		/* of signals that still count */
	const char *review; /* the criterion that wants the lead looked at; NULL: none does */
	TimestampTz at;
	TimestampTz next; /* when time alone next changes it, DT_NOEND: never */
	bool has_since;	  /* signals before `since` did not count */
	TimestampTz since;
} LeadScore;

/* One line of score_explain(): what a criterion, or a limit, brings. The contributions of all lines are the score. */
typedef struct ScoreLine
{
	const char *dimension; /* fit, engagement, score */
	const char *item;	   /* criterion, cap, floor, ceiling, exclusion, weight, rounding */
	const char *name;
	int signals; /* that it counts; -1: none belong to it */
	ScorePoints raw;
	ScorePoints points; /* after decay and limits of its own */
	int64 contribution; /* to the score, in ten-thousandths */
} ScoreLine;

/*
 * What belongs to a row that is asked for its score, kept beside it: the score is worked out once, when first asked for. Zeroed
 * it is a new lead's.
 */
typedef struct ScoreMemo
{
	bool done;
	bool is_known;	   /* has a state: leads may be its duplicates, whose signals are its own */
	bool is_duplicate; /* its signals are its first one's */
	bool has_since;
	TimestampTz since; /* signals before this do not count */
	bool has_submitted_at;
	TimestampTz submitted_at;
	bool qualified; /* it is an MQL, whatever its score is now */
	TimestampTz qualified_at;
	TimestampTz mql_at; /* when it was first; 0: never */
	bool rejected;		/* it was rejected and nurtured: with this score, at this time */
	ScorePoints rejected_score;
	TimestampTz rejected_at;
	Snapshot snapshot; /* that signals are read with; NULL: everything that is there */
	int nskipped;	   /* signals that are left out, by id, ascending */
	const int64 *skipped;
	LeadScore score;
} ScoreMemo;

/* Reads a flow's scoring into config->mcxt; within SPI, as the extension's owner (config.c). */
extern void lr_score_read_config(FlowConfig *config);

/* What is known of a lead with a state, before its row is asked for its score. */
extern void lr_score_known(ScoreMemo *memo, const struct LeadState *state);

/*
 * The score of a row in a flow. row->memo, where there is one, keeps it; what it points to lies in the context that was current
 * when it was worked out. A criterion that fails counts as false, with a WARNING unless *warned, or is an error where the flow says
 * on_error = fail. Reads signals by one index probe where the flow has types of them. Cheap where config->scoring is NULL.
 */
extern const LeadScore *lr_score(const struct LeadRow *row, FlowConfig *config, bool *warned);

/* The same, and how it comes about: lines is a List of ScoreLine. */
extern const LeadScore *lr_score_explain(const struct LeadRow *row, FlowConfig *config, bool *warned, List **lines);

/* Whether an UPDATE changed a column that a criterion reads. */
extern bool lr_score_changed(struct LeadShape *shape, FlowConfig *config, TupleTableSlot *old, TupleTableSlot *new);
/* Those columns, as attribute numbers; the plan's own. */
extern Bitmapset *lr_score_columns(struct LeadShape *shape, FlowConfig *config);

/* Whether a score qualifies a lead by its points: the threshold and both minima. */
extern bool lr_score_qualifies(const LeadScore *score);

/* Whether the lead has a signal, still counting, of a type of high intent. */
extern bool lr_score_high_intent(const LeadScore *score);

/* Hundredths as a numeric with two decimals, and as text. */
extern Datum lr_score_numeric(ScorePoints points);
extern char *lr_score_text(ScorePoints points);

/* The columns of facts that lr_score_facts fills, in the current context. */
extern Bitmapset *lr_score_of_facts(TupleDesc desc);
/* Fills them; texts go into the current context. */
extern void lr_score_facts(TupleTableSlot *facts, const LeadScore *score);

#endif /* LR_SCORE_H */
