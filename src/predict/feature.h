/*
 * feature.h
 *		A column's value as a predictive model sees it: a number, or a level.
 */
#ifndef LR_FEATURE_H
#define LR_FEATURE_H

#include "access/tupdesc.h"
#include "fmgr.h"

/* Bytes of a level; longer text is cut. */
#define LEVEL_MAX 100

typedef enum FeatureKind
{
	FEATURE_NUMBER, /* of a number's type */
	FEATURE_TEXT,	/* text, and any type by its output function */
	FEATURE_BOOL,
	FEATURE_DATE, /* a day of the week, of a time with the four hours of the day: in UTC */
	FEATURE_TIME
} FeatureKind;

typedef struct FeatureSource
{
	AttrNumber attno;
	FeatureKind kind;
	Oid type; /* of a domain: what it is made of */
	FmgrInfo output;
} FeatureSource;

/* Fills in the source for a column; what it allocates is in mcxt. */
extern void lr_feature_source(FeatureSource *source, TupleDesc desc, AttrNumber attno, MemoryContext mcxt);

/* The number of a value; false where it has none: text that is no number, NaN, infinity. */
extern bool lr_feature_number(FeatureSource *source, Datum value, double *number);

/*
 * The level of a value, in `level` (LEVEL_MAX + 1 bytes), without blanks around it, upper case or control characters. Its length; 0
 * where the value is blank. Garbage goes into the current context.
 */
extern int lr_feature_level(FeatureSource *source, Datum value, char *level);

/* The same of a text: what a user calls a placeholder. */
extern int lr_feature_fold(const char *data, int len, char *level);

/* Reads a whole text as a number, blanks around it aside; false where it is none. */
extern bool lr_feature_parse(const char *data, int len, double *number);

#endif /* LR_FEATURE_H */
