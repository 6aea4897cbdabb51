/*
 * journal.h
 *		Rows that leadroute writes on the insert path, gathered and written many at a time.
 */
#ifndef LR_JOURNAL_H
#define LR_JOURNAL_H

#include "utils/timestamp.h"

/* The tables the journal writes; the attribute numbers are those of sql/leadroute/30_state.sql and 31_clocks.sql. */
typedef enum JournalTable
{
	JOURNAL_STATES,
	JOURNAL_EVENTS,
	JOURNAL_OUTBOX,
	JOURNAL_CHECKS,
	JOURNAL_CLOCKS
} JournalTable;

#define JOURNAL_TABLES 5

typedef enum StateColumn
{
	STATE_FLOW,
	STATE_LEAD,
	STATE_STATUS,
	STATE_CODE,
	STATE_OWNER,
	STATE_SOURCE_OWNER,
	STATE_TEAM,
	STATE_TERRITORY,
	STATE_QUEUE,
	STATE_RULE,
	STATE_SUBMITTED_AT,
	STATE_ROUTED_AT,
	STATE_REASON,
	STATE_CLOSED_AT,
	STATE_OUTCOME,
	STATE_ACCOUNT,
	STATE_ACCOUNT_BY,
	STATE_DUPLICATE_OF,
	STATE_WON,
	STATE_VALUE,
	STATE_CLOSED_BY,
	STATE_LAPSED,
	STATE_PRIORITY,
	STATE_QUEUE_ORDER,
	STATE_HELD_UNTIL,
	STATE_STAGE,
	STATE_STAGE_AT,
	STATE_SOURCE_STAGE,
	STATE_MQL_AT,
	STATE_QUALIFIED_AT,
	STATE_ACCEPTED_AT,
	STATE_REJECTION,
	STATE_REJECTED_AT,
	STATE_REJECTED_SCORE,
	STATE_RECYCLES,
	STATE_RETURN_AT,
	STATE_RETURN_TO,
	STATE_ARCHIVE_AT,
	STATE_REVIEW_AT,
	STATE_CONSENT,
	STATE_NAME,
	STATE_COMPANY,
	STATE_SOURCE,
	STATE_INTENT,
	STATE_SEGMENT,
	STATE_TIER,
	STATE_ASSIGNED_AT,
	STATE_FIRST_TOUCH_AT,
	STATE_SLA_DUE_AT,
	STATE_SCORE,
	STATE_FIT,
	STATE_ENGAGEMENT,
	STATE_GRADE,
	STATE_SCORED_AT,
	STATE_ENGAGEMENT_SINCE,
	STATE_RESCORE_AT,
	STATE_COLUMNS
} StateColumn;

typedef enum EventColumn
{
	EVENT_FLOW,
	EVENT_LEAD,
	EVENT_ID,
	EVENT_AT,
	EVENT_KIND,
	EVENT_CODE,
	EVENT_RULE,
	EVENT_OWNER,
	EVENT_PREVIOUS_OWNER,
	EVENT_TEAM,
	EVENT_TERRITORY,
	EVENT_QUEUE,
	EVENT_REASON,
	EVENT_PATH,
	EVENT_ACTOR,
	EVENT_ACCOUNT,
	EVENT_OVER_CAP,
	EVENT_STAGE,
	EVENT_PREVIOUS_STAGE,
	EVENT_CONSENT,
	EVENT_PREDICTION,
	EVENT_COLUMNS
} EventColumn;

typedef enum OutboxColumn
{
	OUTBOX_ID,
	OUTBOX_AGGREGATETYPE,
	OUTBOX_AGGREGATEID,
	OUTBOX_TYPE,
	OUTBOX_PAYLOAD,
	OUTBOX_CREATED_AT,
	OUTBOX_FLOW,
	OUTBOX_RECIPIENT,
	OUTBOX_COLUMNS
} OutboxColumn;

typedef enum CheckColumn
{
	CHECK_FLOW,
	CHECK_ACCOUNT,
	CHECK_AT,
	CHECK_WAITS_FOR,
	CHECK_COLUMNS
} CheckColumn;

typedef enum ClockColumn
{
	CLOCK_FLOW,
	CLOCK_LEAD,
	CLOCK_POLICY,
	CLOCK_ROUND,
	CLOCK_METRIC,
	CLOCK_OWNER,
	CLOCK_RUNS_BY,
	CLOCK_STARTED_AT,
	CLOCK_ASSIGNED_AT,
	CLOCK_HELD_SINCE,
	CLOCK_DUE_AT,
	CLOCK_REP_DUE_AT,
	CLOCK_RISK_AT,
	CLOCK_REP_RISK_AT,
	CLOCK_PAUSED_AT,
	CLOCK_PAUSED,
	CLOCK_NEXT_AT,
	CLOCK_STEPS_DONE,
	CLOCK_BREACHED_AT,
	CLOCK_FINISHED_AT,
	CLOCK_OUTCOME,
	CLOCK_REP_OUTCOME,
	CLOCK_BREACH_REASON,
	CLOCK_ENDED_BY,
	CLOCK_ASKED_BY,
	CLOCK_COLUMNS
} ClockColumn;

#define JOURNAL_MAX_COLUMNS 64
#define JOURNAL_TEXT_ROOM 512

/*
 * One row under construction. Strings are borrowed until lr_journal_append returns; a NULL string is an
 * SQL NULL.
 */
typedef struct JournalRow
{
	Datum values[JOURNAL_MAX_COLUMNS];
	bool nulls[JOURNAL_MAX_COLUMNS];
	int text_used;
	char text[JOURNAL_TEXT_ROOM]; /* short values, as a row holds them */
} JournalRow;

extern void lr_journal_begin_row(JournalRow *row);
extern void lr_journal_set_text(JournalRow *row, int column, const char *value);
extern void lr_journal_set_time(JournalRow *row, int column, TimestampTz value);
extern void lr_journal_set_datum(JournalRow *row, int column, Datum value);

/* Copies the row; writes the table's rows when DIRECT_BATCH wait. The id column is filled here. */
extern void lr_journal_append(JournalTable table, JournalRow *row);

/* An id for a row of events or outbox: unlike any other session's, greater than this session's before it. */
extern int64 lr_journal_id(void);

/* Writes all rows that wait, and the ledger; a following command of the transaction sees them. */
extern void lr_journal_flush(void);

/* Forgets what waits: the (sub)transaction that appended it is aborting. */
extern void lr_journal_forget(SubTransactionId subid);
extern void lr_journal_reparent(SubTransactionId subid, SubTransactionId parent);
extern void lr_journal_end(void);

#endif /* LR_JOURNAL_H */
