/*
 * fit.c
 *		Regularised logistic regression by LIBLINEAR (solver L2R_LR, a trust region Newton method), and its measures.
 *
 * LIBLINEAR looks at no interrupts, and leaving it by a longjmp, from the only callback that it has, would lose what it has allocated. So
 * it runs in rounds: each continues from the last one's solution (init_sol) to a gradient that is a fraction of it, a Newton step or
 * two, and between them interrupts are looked at. The solution of the problem is unique and the last round's tolerance decides how near
 * it comes, so rounds change it as little as the tolerance does; they cost three more looks at the data each. A cancellation
 * waits for its round: some tenths of a second with 100,000 rows of 20 columns (measured in test/t/048_train.pl).
 *
 * Memory: what LIBLINEAR allocates within train() it frees there, except the model, whose coefficients are copied into memory that is ours
 * already before it is freed: between the two nothing can fail. The problem is palloc'd. It does not check malloc(): lr_fit asks
 * for what it will take first, and gives it back.
 */
#include "postgres.h"

#include <linear.h>
#include <math.h>
#include <stdlib.h>

#include "fit.h"
#include "miscadmin.h"
#include "progress.h"
#include "utils/memutils.h"

/* The intercept is the coefficient of a feature of this value, so its penalty is a hundredth of that of others. */
#define INTERCEPT_VALUE 10.0

/* Each round's tolerance: gradients as parts of that at 0, times the share of the rarer outcome. */
#define FIRST_TOLERANCE 0.1
#define LAST_TOLERANCE 1e-6
#define TOLERANCE_STEP 0.1

typedef struct Judged
{
	double probability;
	bool won;
} Judged;

static void be_silent(const char *text);
static void expect_memory(int32 nrows, int nterms);
static void make_problem(struct problem *problem, const Coding *coding, const int32 *rows, int32 nrows);
static int compare_judged(const void *a, const void *b);

int
lr_fit(Coding *coding, const int32 *rows, int32 nrows, double cost)
{
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext, "leadroute fit", ALLOCSET_DEFAULT_SIZES);
	MemoryContext oldcontext = MemoryContextSwitchTo(mcxt);
	struct problem problem;
	struct parameter parameter;
	double *solution;
	const char *fault;
	int round = 0;

	make_problem(&problem, coding, rows, nrows);
	solution = palloc0(problem.n * sizeof(double));
	memset(&parameter, 0, sizeof(parameter));
	parameter.solver_type = L2R_LR;
	parameter.C = cost;
	parameter.init_sol = solution;
#if LIBLINEAR_VERSION >= 240
	parameter.regularize_bias = 1; /* of a bias that LIBLINEAR adds: there is none */
#endif
	set_print_string_function(be_silent);
	for (parameter.eps = FIRST_TOLERANCE; parameter.eps >= LAST_TOLERANCE * 0.99; parameter.eps *= TOLERANCE_STEP)
	{
		struct model *model;

		lr_progress("fitting, round %d of %d", ++round, (int) rint(log10(FIRST_TOLERANCE / LAST_TOLERANCE)) + 1);
		CHECK_FOR_INTERRUPTS();
		fault = check_parameter(&problem, &parameter);
		if (fault)
			elog(ERROR, "LIBLINEAR refuses its parameters: %s", fault);
		expect_memory(nrows, problem.n);

		/* nothing below may raise an error until the model is gone */
		model = train(&problem, &parameter);
		memcpy(solution, model->w, problem.n * sizeof(double));
		free_and_destroy_model(&model);
	}
	CHECK_FOR_INTERRUPTS();
	for (int i = 0; i < coding->nterms; i++)
		coding->terms[i].coefficient = solution[i];
	coding->intercept = solution[coding->nterms] * INTERCEPT_VALUE;
	MemoryContextSwitchTo(oldcontext);
	MemoryContextDelete(mcxt);
	return round;
}

static void
be_silent(const char *text)
{
}

/* LIBLINEAR dies where malloc() finds none. */
static void
expect_memory(int32 nrows, int nterms)
{
	/* per row: perm, data_label, x twice, y, C, z, D; per term: w, w0, w_new, s, r, g, M, d, Hd, z */
	Size size = (Size) nrows * (2 * sizeof(int) + 6 * sizeof(double)) + (Size) nterms * 12 * sizeof(double);
	void *probe = malloc(size);

	if (probe == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("LIBLINEAR needs %zu bytes.", size)));
	free(probe);
}

/* The intercept is the last feature. */
static void
make_problem(struct problem *problem, const Coding *coding, const int32 *rows, int32 nrows)
{
	int most = coding->sample->ncolumns;
	Feature *features = palloc(Max(most, 1) * sizeof(Feature));
	Size used = 0;
	Size allocated = (Size) nrows * 4 + most + 2;
	struct feature_node *nodes = palloc_extended(allocated * sizeof(struct feature_node), MCXT_ALLOC_HUGE);
	Size *begins = palloc_extended((Size) nrows * sizeof(Size), MCXT_ALLOC_HUGE);

	memset(problem, 0, sizeof(struct problem));
	problem->l = nrows;
	problem->n = coding->nterms + 1;
	problem->bias = -1;
	problem->y = palloc_extended((Size) nrows * sizeof(double), MCXT_ALLOC_HUGE);
	problem->x = palloc_extended((Size) nrows * sizeof(struct feature_node *), MCXT_ALLOC_HUGE);
	for (int32 i = 0; i < nrows; i++)
	{
		int n = lr_coding_row(coding, rows[i], features);

		if (i % 4096 == 0)
			CHECK_FOR_INTERRUPTS();
		if (used + n + 2 > allocated)
		{
			allocated = allocated * 2 + n;
			nodes = repalloc_huge(nodes, allocated * sizeof(struct feature_node));
		}
		problem->y[i] = coding->sample->won[rows[i]] ? 1 : -1;
		begins[i] = used;
		for (int f = 0; f < n; f++)
			nodes[used++] = (struct feature_node){.index = features[f].index + 1, .value = features[f].value};
		nodes[used++] = (struct feature_node){.index = problem->n, .value = INTERCEPT_VALUE};
		nodes[used++] = (struct feature_node){.index = -1};
	}
	for (int32 i = 0; i < nrows; i++)
		problem->x[i] = nodes + begins[i];
}

void
lr_fit_measure(const Coding *coding, const int32 *rows, int32 nrows, FitReport *report)
{
	Feature *features = palloc(Max(coding->sample->ncolumns, 1) * sizeof(Feature));
	double *probabilities = palloc_extended(Max(nrows, 1) * sizeof(double), MCXT_ALLOC_HUGE);
	bool *won = palloc_extended(Max(nrows, 1) * sizeof(bool), MCXT_ALLOC_HUGE);

	for (int32 i = 0; i < nrows; i++)
	{
		if (i % 4096 == 0)
			CHECK_FOR_INTERRUPTS();
		probabilities[i] = 1 / (1 + exp(-lr_coding_logit(coding, rows[i], features)));
		won[i] = coding->sample->won[rows[i]];
	}
	lr_fit_report(probabilities, won, nrows, report);
}

void
lr_fit_report(double *probabilities, bool *won, int32 nrows, FitReport *report)
{
	Judged *judged = palloc_extended(Max(nrows, 1) * sizeof(Judged), MCXT_ALLOC_HUGE);
	double ranks = 0; /* of the won ones, twice */

	memset(report, 0, sizeof(FitReport));
	report->rows = nrows;
	for (int32 i = 0; i < nrows; i++)
	{
		double p = Min(Max(probabilities[i], 1e-15), 1 - 1e-15);

		judged[i] = (Judged){.probability = probabilities[i], .won = won[i]};
		report->won += won[i];
		report->brier += (probabilities[i] - won[i]) * (probabilities[i] - won[i]) / nrows;
		report->log_loss -= log(won[i] ? p : 1 - p) / nrows;
	}
	qsort(judged, nrows, sizeof(Judged), compare_judged);
	for (int32 i = 0; i < nrows;)
	{
		int32 end = i;
		int32 won_here = 0;

		while (end < nrows && judged[end].probability == judged[i].probability)
			won_here += judged[end++].won;
		/* ranks i + 1 to end, the middle of them each */
		ranks += (double) won_here * ((double) i + 1 + end);
		i = end;
	}
	report->has_auc = report->won > 0 && report->won < nrows;
	if (report->has_auc)
		report->auc = (ranks / 2 - (double) report->won * (report->won + 1.0) / 2) / ((double) report->won * (nrows - report->won));
	report->ntenths = Min(nrows, CALIBRATION_BINS);
	for (int tenth = 0; tenth < report->ntenths; tenth++)
	{
		int32 begin = (int32) ((int64) nrows * tenth / report->ntenths);
		int32 end = (int32) ((int64) nrows * (tenth + 1) / report->ntenths);

		for (int32 i = begin; i < end; i++)
		{
			report->tenth_predicted[tenth] += judged[i].probability / (end - begin);
			report->tenth_won[tenth] += (double) judged[i].won / (end - begin);
		}
		report->tenth_rows[tenth] = end - begin;
		report->calibration_error += fabs(report->tenth_predicted[tenth] - report->tenth_won[tenth]) * (end - begin) / nrows;
	}
	for (int32 i = 0; i < nrows; i++)
	{
		probabilities[i] = judged[i].probability;
		won[i] = judged[i].won;
	}
	pfree(judged);
}

static int
compare_judged(const void *a, const void *b)
{
	double x = ((const Judged *) a)->probability;
	double y = ((const Judged *) b)->probability;

	return x < y ? -1 : x > y;
}

const char *
lr_fit_library(void)
{
	return psprintf("LIBLINEAR %d.%02d", liblinear_version / 100, liblinear_version % 100);
}
