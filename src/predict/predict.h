/*
 * predict.h
 *		What a trained model says of a row: the probability of its outcome, and why.
 */
#ifndef LR_PREDICT_H
#define LR_PREDICT_H

#include "config.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "nodes/bitmapset.h"

struct LeadRow;
struct LeadShape;

#define PREDICTION_REASONS 3

/* A version of a model, as its rows have it. */
typedef struct PredictionModel PredictionModel;

/* One of the columns that told most, against the average of the rows that the model was trained on. */
typedef struct PredictionReason
{
	int16 column;
	int16 term;	   /* of its levels or bins; or one of the model's own numbers for missing, other and a plain number */
	float effect;  /* in log-odds */
	double number; /* the value, of a number */
} PredictionReason;

typedef struct Prediction
{
	double probability;
	int nreasons;
	PredictionReason reasons[PREDICTION_REASONS]; /* the strongest first */
} Prediction;

/* Kept beside a row that is asked about more than once: zeroed, nothing is known yet. */
typedef struct PredictionMemo
{
	bool done;
	bool there;
	Prediction prediction;
} PredictionMemo;

/* Reads the flow's published model, if it has one, into config->mcxt; within SPI, as the extension's owner (config.c). */
extern void lr_predict_read_config(FlowConfig *config);

/* The same for one version of one model, into any memory context; NULL where there is none. Connects to SPI itself. */
extern PredictionModel *lr_predict_read(const char *flow, const char *model, int version, MemoryContext mcxt);

extern const char *lr_predict_model(const PredictionModel *model, int *version);

/*
 * What the flow's published model says of a row; NULL where there is none, or where a value cannot be read (a WARNING says so, once
 * a session and plan). Takes no lock and reads no table. In row->prediction where that is, else in the current context.
 */
extern const Prediction *lr_predict(const struct LeadRow *row, FlowConfig *config);

/* The columns of a leads table that the flow's published model reads; NULL: it has none. */
extern Bitmapset *lr_predict_columns(struct LeadShape *shape, FlowConfig *config);

/* A model laid out for rows of any type; how columns are called by `mapping`, which may be NULL. Lives in mcxt. */
typedef struct PredictionPlan PredictionPlan;
extern PredictionPlan *lr_predict_plan(PredictionModel *model, TupleDesc desc, const AttachmentConfig *mapping, MemoryContext mcxt);
extern void lr_predict_row(PredictionPlan *plan, TupleTableSlot *slot, Prediction *prediction);

/* A reason in words: "Lead Source = olark chat (+0.81)". */
extern char *lr_predict_reason(const PredictionModel *model, const PredictionReason *reason);
/* A prediction as events.prediction has it: JSON text. */
extern char *lr_predict_json(const PredictionModel *model, const Prediction *prediction);

#endif /* LR_PREDICT_H */
