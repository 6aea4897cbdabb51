/*
 * coding.c
 *		How the columns of a sample become the features of a logistic regression.
 *
 * A column of levels is one feature a level, and one each for what is missing and for what is rare; a number is itself,
 * standardised, or one feature a bin, and one for what is missing. No level is left out as the base: the penalty makes the solution unique,
 * and a level that training never met counts as nothing where there is no TERM_OTHER. predict.c reads the same terms from their rows.
 */
#include "postgres.h"

#include <math.h>

#include "coding.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#define MOST_LEVELS 200

typedef struct LevelCount
{
	int32 id;
	int32 rows;
	const char *text;
} LevelCount;

static void code_levels(Coding *coding, int number, const int32 *rows, int32 nrows, int rare);
static void code_number(Coding *coding, int number, const int32 *rows, int32 nrows, const BinRequest *bins);
static int code_bins(Coding *coding, int number, const double *values, int32 nvalues, const BinRequest *bins);
static int add_term(Coding *coding, int column, TermKind kind, int32 rows);
static int compare_counts(const void *a, const void *b);
static int compare_doubles(const void *a, const void *b);

Coding *
lr_coding_make(const Sample *sample, const int32 *rows, int32 nrows, const BinRequest *bins, int rare)
{
	Coding *coding = palloc0(sizeof(Coding));

	coding->sample = sample;
	coding->columns = palloc0(sample->ncolumns * sizeof(CodedColumn));
	for (int i = 0; i < sample->ncolumns; i++)
	{
		CodedColumn *coded = &coding->columns[i];

		coded->missing = coded->other = coded->number = coded->first_bin = -1;
		if (sample->columns[i].is_number)
			code_number(coding, i, rows, nrows, &bins[i]);
		else
			code_levels(coding, i, rows, nrows, rare);
	}
	return coding;
}

static void
code_levels(Coding *coding, int number, const int32 *rows, int32 nrows, int rare)
{
	const SampleColumn *column = &coding->sample->columns[number];
	CodedColumn *coded = &coding->columns[number];
	LevelCount *counts = palloc_extended(Max(column->ntexts, 1) * sizeof(LevelCount), MCXT_ALLOC_HUGE);
	int32 missing = 0;
	int32 others = 0;
	int met = 0;

	for (int32 i = 0; i < column->ntexts; i++)
		counts[i] = (LevelCount){.id = i, .text = column->texts[i]};
	for (int32 i = 0; i < nrows; i++)
	{
		int32 level = column->levels[rows[i]];

		if (level < 0)
			missing++;
		else
			counts[level].rows++;
	}
	CHECK_FOR_INTERRUPTS();
	coded->levels = palloc_extended(Max(column->ntexts, 1) * sizeof(int), MCXT_ALLOC_HUGE);
	for (int32 i = 0; i < column->ntexts; i++)
	{
		coded->levels[i] = -1;
		met += counts[i].rows > 0;
	}
	if (met + (missing > 0) < 2)
	{
		coded->left_out = true;
		coded->why = "has one value only";
		return;
	}
	qsort(counts, column->ntexts, sizeof(LevelCount), compare_counts);
	for (int32 i = 0; i < column->ntexts; i++)
	{
		if (i >= MOST_LEVELS || counts[i].rows < rare)
		{
			others += counts[i].rows;
			continue;
		}
		coded->levels[counts[i].id] = add_term(coding, number, TERM_LEVEL, counts[i].rows);
		coding->terms[coded->levels[counts[i].id]].level = counts[i].text;
	}
	if (missing > 0)
		coded->missing = add_term(coding, number, TERM_MISSING, missing);
	if (others > 0)
	{
		coded->other = add_term(coding, number, TERM_OTHER, others);
		for (int32 i = 0; i < column->ntexts; i++)
			if (coded->levels[i] < 0)
				coded->levels[i] = coded->other;
	}
	pfree(counts);
}

static void
code_number(Coding *coding, int number, const int32 *rows, int32 nrows, const BinRequest *bins)
{
	const SampleColumn *column = &coding->sample->columns[number];
	CodedColumn *coded = &coding->columns[number];
	double *values = palloc_extended(Max(nrows, 1) * sizeof(double), MCXT_ALLOC_HUGE);
	int32 n = 0;
	double sum = 0;
	double squares = 0;
	int terms = 0;

	for (int32 i = 0; i < nrows; i++)
		if (!isnan(column->numbers[rows[i]]))
			values[n++] = column->numbers[rows[i]];
	qsort(values, n, sizeof(double), compare_doubles);
	CHECK_FOR_INTERRUPTS();
	if (n > 0 && values[0] < values[n - 1])
	{
		if (bins->count >= 0)
			terms = code_bins(coding, number, values, n, bins);
		else
		{
			Term *term;

			for (int32 i = 0; i < n; i++)
				sum += values[i] / n;
			for (int32 i = 0; i < n; i++)
				squares += (values[i] - sum) / n * (values[i] - sum);
			/* numbers so far apart that their squares leave the type are no measure of anything */
			if (isfinite(squares) && squares > 0)
			{
				coded->number = add_term(coding, number, TERM_NUMBER, n);
				term = &coding->terms[coded->number];
				term->center = sum;
				term->scale = sqrt(squares);
				term->low = values[0];
				term->high = values[n - 1];
				terms = 1;
			}
		}
	}
	if (n < nrows && n > 0)
		coded->missing = add_term(coding, number, TERM_MISSING, nrows - n);
	coded->left_out = terms == 0 && coded->missing < 0;
	coded->why = n == 0 ? "has no value" : "has one value only";
	pfree(values);
}

/* Half-open: a number is in one bin. The values are sorted. */
static int
code_bins(Coding *coding, int number, const double *values, int32 nvalues, const BinRequest *bins)
{
	CodedColumn *coded = &coding->columns[number];
	int most = bins->count > 0 ? bins->count - 1 : bins->nbounds;
	double *bounds = palloc(Max(most, 1) * sizeof(double));
	int nbounds = 0;
	int32 at = 0;

	for (int i = 0; i < most; i++)
	{
		double bound = bins->count > 0 ? values[(int64) nvalues * (i + 1) / bins->count] : bins->bounds[i];

		/* many rows of one value: fewer bins */
		if (bound > values[0] && bound <= values[nvalues - 1] && (nbounds == 0 || bound > bounds[nbounds - 1]))
			bounds[nbounds++] = bound;
	}
	for (int i = 0; i <= nbounds; i++)
	{
		int32 begin = at;
		int index;

		while (at < nvalues && (i == nbounds || values[at] < bounds[i]))
			at++;
		index = add_term(coding, number, TERM_BIN, at - begin);
		coding->terms[index].low = i == 0 ? -INFINITY : bounds[i - 1];
		coding->terms[index].high = i == nbounds ? INFINITY : bounds[i];
		if (i == 0)
			coded->first_bin = index;
	}
	coded->nbins = nbounds + 1;
	return coded->nbins;
}

static int
add_term(Coding *coding, int column, TermKind kind, int32 rows)
{
	if (coding->nterms == coding->nallocated)
	{
		coding->nallocated = Max(64, coding->nallocated * 2);
		coding->terms = coding->terms ? repalloc(coding->terms, coding->nallocated * sizeof(Term)) : palloc(coding->nallocated * sizeof(Term));
	}
	coding->terms[coding->nterms] = (Term){.column = column, .kind = kind, .rows = rows};
	return coding->nterms++;
}

int
lr_coding_row(const Coding *coding, int32 row, Feature *features)
{
	int n = 0;

	for (int i = 0; i < coding->sample->ncolumns; i++)
	{
		const SampleColumn *column = &coding->sample->columns[i];
		const CodedColumn *coded = &coding->columns[i];
		int index;
		double value = 1;

		if (coded->left_out)
			continue;
		if (!column->is_number)
		{
			int32 level = column->levels[row];

			index = level < 0 ? coded->missing : coded->levels[level];
		}
		else if (isnan(column->numbers[row]))
			index = coded->missing;
		else if (coded->nbins > 0)
		{
			index = coded->first_bin;
			while (index < coded->first_bin + coded->nbins - 1 && column->numbers[row] >= coding->terms[index].high)
				index++;
		}
		else
		{
			index = coded->number;
			if (index >= 0)
			{
				const Term *term = &coding->terms[index];

				value = (Min(Max(column->numbers[row], term->low), term->high) - term->center) / term->scale;
			}
		}
		if (index >= 0 && value != 0)
			features[n++] = (Feature){.index = index, .value = value};
	}
	return n;
}

double
lr_coding_logit(const Coding *coding, int32 row, Feature *features)
{
	double logit = coding->intercept;
	int n = lr_coding_row(coding, row, features);

	for (int i = 0; i < n; i++)
		logit += coding->terms[features[i].index].coefficient * features[i].value;
	return logit;
}

/* Most rows first. */
static int
compare_counts(const void *a, const void *b)
{
	const LevelCount *x = a;
	const LevelCount *y = b;

	return x->rows != y->rows ? (x->rows > y->rows ? -1 : 1) : strcmp(x->text, y->text);
}

static int
compare_doubles(const void *a, const void *b)
{
	double x = *(const double *) a;
	double y = *(const double *) b;

	return x < y ? -1 : x > y;
}
