/*
 * calendar.h
 *		Business time: the calendars of a flow, by name.
 *
 *	LrCalendar *calendar = lr_calendar(flow, "ny");
 *	due = lr_calendar_add(calendar, submitted_at, 4 * USECS_PER_HOUR);
 *
 * Memory: a calendar is the session's and is never freed or moved, so a pointer to it may be kept for as long as one likes, in
 * a configuration's cache too. What it holds is read by the first question, and again by the first after a change of
 * the configuration has committed (or the session's own has been rolled back), with the newest snapshot.
 *
 * Errors: each function may raise what reading tables raises, undefined_object where the calendar does not exist (any more), invalid_parameter_value where this server does not know its zone,
 * and datetime_field_overflow where the answer cannot be expressed. Those that wait for a calendar to open (add, next_open,
 * close) raise object_not_in_prerequisite_state where it is never open.
 *
 * Cost: well under a microsecond each, whatever lies between the instants, but for the first after a change (about
 * a millisecond). lr_calendar_is_open answers from memory while it neither opens nor closes: some nanoseconds.
 *
 * Instants may be infinite only where it is said.
 */
#ifndef LR_CALENDAR_H
#define LR_CALENDAR_H

#include "utils/timestamp.h"

#define LR_CALENDAR_ALWAYS "24x7" /* the calendar that every flow has, in the flow's zone */

typedef struct LrCalendar LrCalendar;

extern void lr_calendar_init(void);

/* What calendars take; and drops what a flow's were compiled to, which is read again when asked for. For transaction end, when nobody uses any. */
extern Size lr_calendar_memory(void);
extern void lr_calendar_forget_flow(const char *flow);

/* Counts the changes of any calendar that this session has heard of: for who keeps an answer. */
extern uint64 lr_calendar_generation(void);

/* The calendar of that name; raises undefined_object where there is none. */
extern LrCalendar *lr_calendar(const char *flow, const char *name);

/* The same, but NULL where there is none. */
extern LrCalendar *lr_calendar_find(const char *flow, const char *name);

/* Whether it has no hours at all. */
extern bool lr_calendar_never_opens(LrCalendar *calendar);

/* Why nothing can wait for it, to be read after its name ("is never open"); NULL where nothing is wrong. Raises no error about the calendar. */
extern const char *lr_calendar_problem(LrCalendar *calendar);

extern bool lr_calendar_is_open(LrCalendar *calendar, TimestampTz at);

/* Open microseconds from one instant to another; negative where `to` comes first. */
extern int64 lr_calendar_between(LrCalendar *calendar, TimestampTz from, TimestampTz to);

/* The first instant that so many open microseconds lie after `from`; negative: the last that so many lie before it. */
extern TimestampTz lr_calendar_add(LrCalendar *calendar, TimestampTz from, int64 usecs);

/* First the interval's days, which are business days, then its time, which is open time; months are refused. May be infinite. */
extern TimestampTz lr_calendar_add_interval(LrCalendar *calendar, TimestampTz from, const Interval *interval);

/* The instant itself where it is open then, else when it next opens. May be infinite. */
extern TimestampTz lr_calendar_next_open(LrCalendar *calendar, TimestampTz at);

/* The end of the open time in which an open instant lies, or limit where that comes first. */
extern TimestampTz lr_calendar_next_close(LrCalendar *calendar, TimestampTz at, TimestampTz limit);

/* The close of the n-th business day after that of `from`, n >= 0. May be infinite. */
extern TimestampTz lr_calendar_close(LrCalendar *calendar, TimestampTz from, int n);

/* Midnight, at which a local day (days since 2000-01-01) begins. */
extern TimestampTz lr_calendar_midnight(LrCalendar *calendar, int64 day);

#endif /* LR_CALENDAR_H */
