/*
 * closing.h
 *		Leads that are closed or won, and re-opened: by what their rows say, or by a hand.
 */
#ifndef LR_CLOSING_H
#define LR_CLOSING_H

#include "executor/tuptable.h"
#include "lead.h"

/* What a row says of its lead. */
typedef enum Verdict
{
	VERDICT_OPEN,
	VERDICT_CLOSED,
	VERDICT_WON
} Verdict;

typedef struct Closing
{
	Verdict verdict;
	TimestampTz at;	   /* DT_NOBEGIN: the row does not say */
	const char *value; /* a number as text, or NULL */
	bool by_stage;	   /* the lead's stage says so, and no condition of the flow */
} Closing;

/* The code of a lead that was closed when it arrived. */
#define CODE_ARRIVED_CLOSED "arrived_closed"

/* How lead_states.outcome and closed_by name what a row said. */
extern const char *lr_closing_outcome(Verdict verdict);
extern const char *lr_closing_condition(const Closing *closing);


/* What a row says that says so: its value and its time, no later than now. Strings are in the current context. */
extern void lr_closing_read(const LeadShape *shape, TupleTableSlot *slot, Verdict verdict, TimestampTz now,
							Closing *closing);

/* The row's column value where it is a plain number, as text in the current context; else NULL. */
extern const char *lr_closing_value(const LeadShape *shape, TupleTableSlot *slot);

extern Datum lr_closing_number(const char *value);

/* Whether two rows of a lead that both say closed differ in what is kept of it. */
extern bool lr_closing_differs(const Closing *a, const Closing *b);

/*
 * What the rows of these leads (or their stages: all or none) say now, all the same verdict: closes them, frees their places and keeps the value, or
 * re-opens what a row had closed. What a hand closed stays as it is. To say it twice is to say it once. Uses SPI.
 */
extern void lr_closings_write(const char *flow, Verdict verdict, char **leads, const Closing *closings, int n);

#endif /* LR_CLOSING_H */
