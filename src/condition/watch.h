/*
 * watch.h
 *		The conditions of a flow that its rows are watched for: when a lead is closed or won, may be routed, is decided again.
 */
#ifndef LR_WATCH_H
#define LR_WATCH_H

#include "closing.h"
#include "route.h"

/* The conditions compiled for a shape and a flow; lives as long as the shape and the configuration. */
typedef struct Watch Watch;

/*
 * What is watched in rows of this shape in this flow; NULL where the flow watches for nothing. A condition that does not
 * compile fails whenever it is asked.
 */
extern Watch *lr_watch(LeadShape *shape, FlowConfig *config);

/* Whether an UPDATE changed a column that a watched condition reads, or the lead's value or time of closing. */
extern bool lr_watch_changed(const Watch *watch, TupleTableSlot *old, TupleTableSlot *new);

/* The columns that such conditions read, and those, beside what criteria read (lr_score_columns). */
extern Bitmapset *lr_watch_columns(const Watch *watch);

/* Whether a signal may change what such a condition says. */
extern bool lr_watch_reads_score(const Watch *watch);
/* Whether it changed one that policies read, or that tells a touch. */
extern bool lr_watch_clocks_changed(const Watch *watch, TupleTableSlot *old, TupleTableSlot *new);
/* Whether policies read the lead's score. */
extern bool lr_watch_clocks_read_score(const Watch *watch);

/*
 * What the row says of its lead. A condition that fails counts as false, with a WARNING unless *warned, or is an
 * error where the flow says on_error = fail.
 */
extern Verdict lr_watch_verdict(Watch *watch, const LeadRow *row, bool *warned);

/* Whether the row may be routed: the flow's route_when. One that fails keeps no lead back. */
extern bool lr_watch_ready(Watch *watch, const LeadRow *row, bool *warned);

/* Whether the flow's touched_when holds; false where there is none, or it fails. */
extern bool lr_watch_touched(Watch *watch, const LeadRow *row, bool *warned);
/* Whether the flow's mask_when holds; true also where it fails, which is a WARNING as above. Not asked of UPDATEs. */
extern bool lr_watch_masks(Watch *watch, const LeadRow *row, bool *warned);

/* Whether a rule's hold_until, or its reroute_when, holds; numbers as in the configuration. False where there is none, or it fails. */
extern bool lr_watch_hold_ends(Watch *watch, int rule, const LeadRow *row, bool *warned);
extern bool lr_watch_reroutes(Watch *watch, int rule, const LeadRow *row, bool *warned);

/* Whether a stage's entry condition holds; numbers as in the configuration. False where there is none, or it fails. */
extern bool lr_watch_enters(Watch *watch, int stage, const LeadRow *row, bool *warned);
/* The expressions of a flow that give text. */
typedef enum WatchText
{
	WATCH_TEXT_SEGMENT,
	WATCH_TEXT_INTENT
} WatchText;

/* What one says of the row, in the current context. NULL where there is none, it is NULL, or it fails (as above). */
extern const char *lr_watch_text(Watch *watch, WatchText which, const LeadRow *row, bool *warned);

/* Which of the leads that wait goes first: the highest. 0 where the flow has no priority, it is NULL, or it fails (as above). */
extern double lr_watch_priority(Watch *watch, const LeadRow *row, bool *warned);

#endif /* LR_WATCH_H */
