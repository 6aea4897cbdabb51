/*
 * clock_change.h
 *		What clocks that run make of what happens to their leads.
 */
#ifndef LR_CLOCK_CHANGE_H
#define LR_CLOCK_CHANGE_H

#include "arrival.h"

/*
 * Each is called after the leads' states have been written and their rows are locked by that; nothing is done where the flow has no clocks. Use SPI. Errors:
 * those of calendars and conditions.
 */
extern void lr_clocks_owner(const char *flow, const char *lead, TimestampTz at);
extern void lr_clocks_closed(const char *flow, Datum leads, const char *outcome, TimestampTz at);
extern void lr_clocks_reopened(const char *flow, Datum leads, TimestampTz at);
extern void lr_clocks_rekey(const char *flow, Datum from, Datum to);
extern void lr_clocks_stage(const char *flow, const char *lead, const char *was, const char *becomes, TimestampTz at);

/* What a metric asks for has happened; actor may be NULL. */
extern void lr_clocks_met(const char *flow, const char *lead, const char *metric, const char *by, const char *actor, TimestampTz at);

/* A lead's key as the array that the above take. */
extern Datum lr_clocks_lead(const char *lead);

/*
 * A row of a known lead stands with other values than before: success conditions, other policies, a touch that a mapped column tells. old is NULL where
 * the row was inserted. A failure is a WARNING unless *warned, or an error where the flow says on_error = fail.
 */
extern void lr_clocks_row(Arrival *arrival, TupleTableSlot *old, TupleTableSlot *new, bool *warned);

#endif /* LR_CLOCK_CHANGE_H */
