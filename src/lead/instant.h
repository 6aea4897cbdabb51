/*
 * instant.h
 *		The moment that a column of a leads table holds.
 */
#ifndef LR_INSTANT_H
#define LR_INSTANT_H

#include "config.h"
#include "datatype/timestamp.h"
#include "executor/tuptable.h"

struct LeadColumn;

/* How a column writes instants, as its entry in the attachment's columns says. */
typedef struct InstantStyle
{
	const char *name; /* leadroute's for the column; NULL: it has none */
	const char *zone; /* of what says none */
	int dates;		  /* DATEORDER_...: which of 01/02/2026 is the day */
} InstantStyle;

/* The style of a column, in the current context: UTC and MDY where its entry does not say. */
extern InstantStyle lr_instant_style(const AttachmentConfig *columns, const char *name);

/*
 * The moment a column holds; false where it holds none. A number, and text that is one, is seconds, milliseconds or microseconds
 * since 1970. Session settings change nothing. Errors on text that is no time.
 */
extern bool lr_lead_instant(const struct LeadColumn *column, const InstantStyle *style, TupleTableSlot *slot, TimestampTz *at);

#endif
