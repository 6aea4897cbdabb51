/*
 * breach.h
 *		Why a deadline was missed.
 *
 * What the events of the lead say of it comes first, and is SQL that a query over clocks can carry along; what remains is a matter of who has the lead.
 */
#ifndef LR_BREACH_H
#define LR_BREACH_H

#include "clock_row.h"

/*
 * SQL: the reason by the events of the lead, or NULL. c: columns of clocks; "at": an instant, as SQL. Never a set of events that stands alone, so that none is
 * hashed: each EXISTS is a probe of events_pkey.
 */
#define BREACH_BY_EVENTS(at)                                                                                                                       \
	"CASE WHEN c.assigned_at IS NULL AND NOT EXISTS (SELECT FROM leadroute.events e WHERE e.flow = c.flow AND e.lead = c.lead"                     \
	" AND e.kind IN ('decided', 'recorded') AND e.at <= c.due_at) THEN 'sync_delay'"                                                               \
	" WHEN c.assigned_at IS NULL OR c.due_at < c.assigned_at OR (c.assigned_at > c.started_at AND c.rep_due_at >= " at ") THEN"                    \
	" CASE WHEN c.assigned_at IS NULL OR EXISTS (SELECT FROM leadroute.events e WHERE e.flow = c.flow AND e.lead = c.lead AND e.queue IS NOT NULL" \
	" AND e.at < c.assigned_at AND e.owner IS NULL) THEN 'routing' ELSE 'sync_delay' END"                                                          \
	" WHEN EXISTS (SELECT FROM leadroute.events e WHERE e.flow = c.flow AND e.lead = c.lead AND e.previous_owner IS NOT NULL"                      \
	" AND e.previous_owner IS DISTINCT FROM e.owner AND e.at > c.assigned_at AND e.at <= c.due_at) THEN 'routing' END"

/*
 * The reason where the events say none: overload, after_hours or no_response. team: the lead's, or NULL. Errors: those of calendars. Uses SPI, where shared
 * memory does not know how many leads the owner has.
 */
extern const char *lr_breach_by_owner(const ClockRow *row, const char *team);

#endif /* LR_BREACH_H */
