/*
 * match_score.h
 *		What two leads' values weigh together.
 */
#ifndef LR_MATCH_SCORE_H
#define LR_MATCH_SCORE_H

#include "likeness.h"

#define MAX_FIELDS 64

/* A lead's values, a field each, as deconstruct_array() gives them. */
typedef struct Side
{
	Datum *value;
	bool *null;
} Side;

typedef struct Comparison
{
	/* the caller's */
	int n;
	LrMatchKind kind[MAX_FIELDS];
	const float8 *weights; /* LR_ALIKE_LEVELS a field */
	double context_limit;
	double conflict_limit;
	bool by_frequency[MAX_FIELDS]; /* then exact[] is what an exact agreement with the left value weighs, else the weights say it */
	double exact[MAX_FIELDS];
	Side left;
	Side right;
	/* the answer's */
	double total;
	bool swapped;		   /* the names have changed places */
	int level[MAX_FIELDS]; /* -1: not compared */
	double bits[MAX_FIELDS];
} Comparison;

/* False where the leads weigh less than at_least: then the answer is not filled. */
extern bool lr_match_weigh(Comparison *c, double at_least);

/* The name of a field's level of likeness; NULL where it was not compared. */
extern const char *lr_match_level(const Comparison *c, int field);

#endif /* LR_MATCH_SCORE_H */
