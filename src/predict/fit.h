/*
 * fit.h
 *		Regularised logistic regression, and how good it is on rows that it has not seen.
 */
#ifndef LR_FIT_H
#define LR_FIT_H

#include "coding.h"

/*
 * Finds the coefficients of a coding from some rows of its sample, with the penalty 1/2 |w|^2 + cost * loss; the intercept is
 * practically free of it. Returns the number of rounds. Errors: out of memory; interrupts.
 */
extern int lr_fit(Coding *coding, const int32 *rows, int32 nrows, double cost);

#define CALIBRATION_BINS 10

typedef struct FitReport
{
	int32 rows;
	int32 won;
	bool has_auc; /* there are rows of both outcomes */
	double auc;	  /* the chance that a won one has more than a lost one; a tie counts half */
	double brier; /* mean squared error of the probability */
	double log_loss;
	double calibration_error; /* mean distance of probability and share of won ones over the tenths, weighted by their rows */
	int ntenths;
	int32 tenth_rows[CALIBRATION_BINS]; /* by the probability, the lowest first */
	double tenth_predicted[CALIBRATION_BINS];
	double tenth_won[CALIBRATION_BINS];
} FitReport;

extern void lr_fit_measure(const Coding *coding, const int32 *rows, int32 nrows, FitReport *report);

/* The same of probabilities and outcomes; both are sorted by it. */
extern void lr_fit_report(double *probabilities, bool *won, int32 nrows, FitReport *report);

extern const char *lr_fit_library(void);

#endif /* LR_FIT_H */
