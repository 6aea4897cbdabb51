/*
 * coding.h
 *		How the columns of a sample become the features of a logistic regression.
 */
#ifndef LR_CODING_H
#define LR_CODING_H

#include "sample.h"

/* As prediction_coefficients.kind has it. */
typedef enum TermKind
{
	TERM_LEVEL,	  /* the value is this level */
	TERM_OTHER,	  /* it is one that was rare, or not met at all */
	TERM_MISSING, /* there is none */
	TERM_NUMBER,  /* the value less center, divided by scale, once it is held between low and high */
	TERM_BIN	  /* it is at least low and less than high */
} TermKind;

/* One feature. */
typedef struct Term
{
	int column; /* in the sample */
	TermKind kind;
	const char *level; /* TERM_LEVEL */
	double low;		   /* of TERM_NUMBER and TERM_BIN; -inf and inf where a bin has no end */
	double high;
	double center;
	double scale;
	int32 rows; /* that have it: of TERM_NUMBER, that have a value */
	double coefficient;
} Term;

typedef struct BinRequest
{
	int count;		/* bins with equally many rows; 0: by bounds; < 0: none */
	int nbounds;	/* ascending */
	double *bounds; /* where bins end and the next begin */
} BinRequest;

typedef struct CodedColumn
{
	bool left_out;	 /* nothing to learn from it */
	const char *why; /* then */
	int missing;	 /* terms by their index, or -1 */
	int other;
	int number;
	int first_bin;
	int nbins;
	int *levels; /* of each of the column's texts: a term */
} CodedColumn;

typedef struct Coding
{
	const Sample *sample;
	CodedColumn *columns;
	int nterms;
	int nallocated;
	Term *terms;
	double intercept;
} Coding;

/* A row's value of a feature; index counts from 0. */
typedef struct Feature
{
	int index;
	double value;
} Feature;

/*
 * Learns the coding from some rows of a sample. bins has one request a column. Levels of fewer than `rare` rows, and beyond the 200 most
 * frequent, are TERM_OTHER. In the current context.
 */
extern Coding *lr_coding_make(const Sample *sample, const int32 *rows, int32 nrows, const BinRequest *bins, int rare);

/* The features of a row that are not 0; `features` has room for one or two of each column. Their number. */
extern int lr_coding_row(const Coding *coding, int32 row, Feature *features);

/* What the coefficients say of a row: its log-odds. */
extern double lr_coding_logit(const Coding *coding, int32 row, Feature *features);

#endif /* LR_CODING_H */
