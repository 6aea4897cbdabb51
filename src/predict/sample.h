/*
 * sample.h
 *		The rows that a predictive model is trained on, as they were read.
 */
#ifndef LR_SAMPLE_H
#define LR_SAMPLE_H

#include "feature.h"
#include "utils/hsearch.h"

typedef struct SampleColumn
{
	const char *name;
	FeatureSource source;
	bool is_number;	  /* else it has levels */
	bool asked;		  /* the caller said which */
	bool all_numbers; /* of text: so far, or in the end, every value is one */
	bool whole;		  /* all are whole numbers */
	double *numbers;  /* of each row; NaN: missing */
	int32 *levels;	  /* of each row, an index in texts; -1: missing */
	char **texts;
	int32 ntexts;
	int32 nallocated;
	HTAB *dictionary;
} SampleColumn;

typedef struct Sample
{
	int ncolumns;
	SampleColumn *columns;
	int32 nrows;
	int32 max_rows;
	bool *won;		/* of each row */
	int64 *ordinal; /* of each row: where it came in its order */
	int64 seen;		/* rows that had an outcome */
	int64 unknown;	/* rows that had none: not in the sample */
} Sample;

typedef struct SampleRequest
{
	Oid relid;
	const char *label; /* a column, or an SQL expression */
	int ncolumns;
	char **columns;
	int nnumbers; /* columns that are to be numbers, and levels, whatever their type */
	char **numbers;
	int nlevels;
	char **levels;
	int nplaceholders;
	char **placeholders;
	const char *order_by; /* a column, or NULL */
	int32 max_rows;
	uint64 seed;
} SampleRequest;

/*
 * Reads the relation as the caller, row by row through a cursor; of more than max_rows rows with an outcome a random part is kept, drawn
 * from the seed. In the current context. SPI must not be connected. Errors: those of the query; an outcome that is neither yes nor no.
 */
extern Sample *lr_sample_read(const SampleRequest *request);

#endif /* LR_SAMPLE_H */
