/*
 * record.c
 *		What a decision writes: state, event, messages.
 *
 * Rows go to the journal, which copies them and writes them in batches: its locks are the only ones. Texts are made here, not
 * while the lead waits for its row, and in a context that the next record resets.
 */
#include "postgres.h"

#include "committee.h"
#include "config.h"
#include "consent.h"
#include "first_clock.h"
#include "journal.h"
#include "leadroute.h"
#include "linked.h"
#include "message.h"
#include "qualify.h"
#include "reason.h"
#include "record.h"
#include "route_clocks.h"
#include "stage.h"
#include "traits.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

static void write_state(const Message *message, JournalRow *state, const char *source_owner, bool routed);
static void set_outcome(JournalRow *state, const Decision *decision);
static void set_waiting(JournalRow *state, const Decision *decision);
static void set_closing(JournalRow *state, const Decision *decision);
static void set_score(JournalRow *state, const LeadScore *score);
static void set_lifecycle(JournalRow *state, const Decision *decision);
static void write_decided(const Message *message, const Jsonb *path);
static void write_qualified(const Message *message);
static void write_stage(const char *lead, const Decision *decision, const StageChange *change);
static void write_outbox(const Message *message);

void
lr_record(const char *lead, const Decision *decision, const char *source_owner, const Jsonb *path, const LeadShape *shape,
		  TupleTableSlot *slot)
{
	static MemoryContext row_context = NULL;
	MemoryContext oldcontext;
	JournalRow state;
	bool routed = strcmp(decision->status, "unrouted") != 0;
	Message message = {.lead = lead, .decision = decision, .state = &state, .shape = shape, .slot = slot};

	if (row_context == NULL)
		row_context = AllocSetContextCreate(CacheMemoryContext, "leadroute row", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(row_context);
	oldcontext = MemoryContextSwitchTo(row_context);
	message.reason = lr_route_reason(decision);

	write_state(&message, &state, source_owner, routed);
	/* a lead that arrived while the flow was off, or from a dump, is recorded, not decided */
	if (routed || (decision->config->active && !lr_restoring()))
		write_decided(&message, path);
	if (!lr_restoring())
		for (const StageChange *change = decision->stages; change; change = change->next)
			write_stage(lead, decision, change);
	if ((decision->qualified_by || decision->borderline) && decision->config->active && !lr_restoring())
		write_qualified(&message);
	if (decision->config->noutbox_types > 0)
		write_outbox(&message);
	if (decision->nclocks > 0 || decision->too_old)
	{
		ClockLead clocked = lr_route_clock_lead(decision);
		const char *type = lr_clocks_record(&clocked, lead, decision->clocks, decision->nclocks, decision->too_old, &message.reason);

		if (type)
			lr_message_write(type, &message, NULL);
	}
	if (decision->nasked > 0)
		lr_first_clocks_ask(lead, decision);
	if (decision->account && decision->duplicate_of == NULL)
		lr_committee_arrived(decision);
	MemoryContextSwitchTo(oldcontext);
}

/* The lead's state. */
static void
write_state(const Message *message, JournalRow *state, const char *source_owner, bool routed)
{
	const Decision *decision = message->decision;

	lr_journal_begin_row(state);
	lr_journal_set_text(state, STATE_FLOW, decision->config->flow);
	lr_journal_set_text(state, STATE_LEAD, message->lead);
	set_outcome(state, decision);
	lr_journal_set_text(state, STATE_SOURCE_OWNER, source_owner);
	lr_journal_set_time(state, STATE_SUBMITTED_AT, decision->submitted_at);
	if (routed)
	{
		lr_journal_set_time(state, STATE_ROUTED_AT, decision->at);
		lr_journal_set_text(state, STATE_REASON, message->reason);
	}
	set_waiting(state, decision);
	lr_traits_write(state, message->shape, message->slot);
	lr_journal_set_text(state, STATE_INTENT, decision->intent);
	lr_journal_set_text(state, STATE_SEGMENT, decision->segment);
	if (decision->account_tier != 0)
		lr_journal_set_datum(state, STATE_TIER, Int32GetDatum(decision->account_tier));
	if (decision->closing)
		set_closing(state, decision);
	if (decision->score)
		set_score(state, decision->score);
	set_lifecycle(state, decision);
	if (decision->nclocks > 0)
		lr_journal_set_time(state, STATE_SLA_DUE_AT, lr_clocks_due(decision->clocks, decision->nclocks));
	lr_journal_append(JOURNAL_STATES, state);
}

/* What became of the lead: status, code and whose it is. */
static void
set_outcome(JournalRow *state, const Decision *decision)
{
	lr_journal_set_text(state, STATE_STATUS, decision->status);
	lr_journal_set_text(state, STATE_CODE, decision->code);
	lr_journal_set_text(state, STATE_OWNER, decision->owner);
	if (decision->owner)
		lr_journal_set_time(state, STATE_ASSIGNED_AT, decision->at);
	lr_journal_set_text(state, STATE_TEAM, decision->team);
	lr_journal_set_text(state, STATE_TERRITORY, decision->territory);
	lr_journal_set_text(state, STATE_QUEUE, decision->queue);
	lr_journal_set_text(state, STATE_RULE, decision->rule ? decision->rule->rule : NULL);
	lr_journal_set_text(state, STATE_ACCOUNT, decision->account);
	lr_journal_set_text(state, STATE_ACCOUNT_BY, decision->account_by);
	lr_journal_set_text(state, STATE_DUPLICATE_OF, decision->duplicate_of);
	if (decision->duplicate_of && strcmp(decision->status, "duplicate") == 0)
		lr_linked_note(decision->config->flow, decision->duplicate_of);
	/* marked as deleted is as good as gone: a reload of the row is nothing new */
	if (strcmp(decision->code, "deleted") == 0)
	{
		lr_journal_set_time(state, STATE_CLOSED_AT, decision->at);
		lr_journal_set_text(state, STATE_OUTCOME, "deleted");
	}
}

/* Until when, and where in the queue, a lead that nobody has waits. */
static void
set_waiting(JournalRow *state, const Decision *decision)
{
	if (decision->held_until != 0)
		lr_journal_set_time(state, STATE_HELD_UNTIL, decision->held_until);
	if (strcmp(decision->status, "nurture") == 0 && decision->config->archives)
		lr_journal_set_datum(state, STATE_ARCHIVE_AT,
							 DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(decision->at),
												 IntervalPGetDatum(&decision->config->archive_after)));
	if (strcmp(decision->status, "waiting") == 0)
	{
		lr_journal_set_datum(state, STATE_PRIORITY, Float8GetDatum(decision->priority));
		lr_journal_set_datum(state, STATE_QUEUE_ORDER, Int64GetDatum(lr_journal_id()));
	}
}

/* The row came closed. */
static void
set_closing(JournalRow *state, const Decision *decision)
{
	const Closing *closing = decision->closing;

	lr_journal_set_time(state, STATE_CLOSED_AT, closing->at == DT_NOBEGIN ? decision->at : closing->at);
	lr_journal_set_text(state, STATE_OUTCOME, lr_closing_outcome(closing->verdict));
	lr_journal_set_datum(state, STATE_WON, BoolGetDatum(closing->verdict == VERDICT_WON));
	if (closing->value)
		lr_journal_set_datum(state, STATE_VALUE, lr_closing_number(closing->value));
	lr_journal_set_text(state, STATE_CLOSED_BY, lr_closing_condition(closing));
}

static void
set_score(JournalRow *state, const LeadScore *score)
{
	lr_journal_set_datum(state, STATE_SCORE, lr_score_numeric(score->score));
	lr_journal_set_datum(state, STATE_FIT, lr_score_numeric(score->fit));
	lr_journal_set_datum(state, STATE_ENGAGEMENT, lr_score_numeric(score->engagement));
	lr_journal_set_text(state, STATE_GRADE, score->grade);
	lr_journal_set_time(state, STATE_SCORED_AT, score->at);
	if (score->has_since)
		lr_journal_set_time(state, STATE_ENGAGEMENT_SINCE, score->since);
	if (score->next != DT_NOEND)
		lr_journal_set_time(state, STATE_RESCORE_AT, score->next);
}

/* Stage, consent, and since when the lead is qualified. */
static void
set_lifecycle(JournalRow *state, const Decision *decision)
{
	if (decision->stage)
	{
		lr_journal_set_text(state, STATE_STAGE, decision->stage);
		lr_journal_set_time(state, STATE_STAGE_AT, decision->stage_at ? decision->stage_at : decision->at);
		lr_journal_set_text(state, STATE_SOURCE_STAGE, decision->source_stage);
	}
	if (decision->consent != CONSENT_UNKNOWN)
		lr_journal_set_datum(state, STATE_CONSENT, BoolGetDatum(decision->consent == CONSENT_YES));
	if (decision->qualified_by || decision->qualified_at != 0)
		lr_journal_set_time(state, STATE_QUALIFIED_AT, decision->qualified_at != 0 ? decision->qualified_at : decision->at);
	if (decision->qualified_by || decision->mql_at != 0)
		lr_journal_set_time(state, STATE_MQL_AT, decision->mql_at != 0 ? decision->mql_at : decision->at);
	if (decision->borderline)
		lr_journal_set_time(state, STATE_REVIEW_AT, decision->at);
}

/* The event of the decision. */
static void
write_decided(const Message *message, const Jsonb *path)
{
	const Decision *decision = message->decision;
	JournalRow row;

	lr_journal_begin_row(&row);
	lr_journal_set_text(&row, EVENT_FLOW, decision->config->flow);
	lr_journal_set_text(&row, EVENT_LEAD, message->lead);
	lr_journal_set_time(&row, EVENT_AT, decision->at);
	lr_journal_set_text(&row, EVENT_KIND, decision->closing || CODE_WAITS_FOR_ROW(decision->code) ? "recorded" : "decided");
	lr_journal_set_text(&row, EVENT_CODE, decision->code);
	lr_journal_set_text(&row, EVENT_RULE, decision->rule ? decision->rule->rule : NULL);
	lr_journal_set_text(&row, EVENT_OWNER, decision->owner);
	lr_journal_set_text(&row, EVENT_TEAM, decision->team);
	lr_journal_set_text(&row, EVENT_TERRITORY, decision->territory);
	lr_journal_set_text(&row, EVENT_QUEUE, decision->queue);
	lr_journal_set_text(&row, EVENT_REASON, message->reason);
	if (decision->duplicate_of)
		path = lr_route_path_of_duplicate(decision);
	lr_journal_set_text(&row, EVENT_OVER_CAP, decision->over_cap);
	if (decision->consent != CONSENT_UNKNOWN)
		lr_journal_set_datum(&row, EVENT_CONSENT, BoolGetDatum(decision->consent == CONSENT_YES));
	if (path)
		lr_journal_set_datum(&row, EVENT_PATH, JsonbPGetDatum(path));
	lr_journal_set_text(&row, EVENT_ACCOUNT, decision->account);
	if (decision->prediction)
		lr_journal_set_datum(&row, EVENT_PREDICTION,
							 DirectFunctionCall1(jsonb_in, CStringGetDatum(lr_predict_json(decision->config->prediction, decision->prediction))));
	lr_journal_append(JOURNAL_EVENTS, &row);
}

/* A new lead that is an MQL, or nearly one: an event, and a message. */
static void
write_qualified(const Message *message)
{
	const Decision *decision = message->decision;
	Message told = *message;
	const char *by = decision->qualified_by;
	const char *reason = by ? lr_qualify_reason(by, decision->score) : lr_review_reason(decision->score);
	JournalRow row;

	lr_journal_begin_row(&row);
	lr_journal_set_text(&row, EVENT_FLOW, decision->config->flow);
	lr_journal_set_text(&row, EVENT_LEAD, message->lead);
	lr_journal_set_time(&row, EVENT_AT, decision->at);
	lr_journal_set_text(&row, EVENT_KIND, by ? "mql" : "review");
	lr_journal_set_text(&row, EVENT_CODE, by ? lr_qualify_code(by) : "borderline");
	lr_journal_set_text(&row, EVENT_OWNER, decision->owner);
	lr_journal_set_text(&row, EVENT_TEAM, decision->team);
	lr_journal_set_text(&row, EVENT_REASON, reason);
	lr_journal_append(JOURNAL_EVENTS, &row);
	told.reason = reason;
	lr_message_write(by ? "mql" : "review", &told, NULL);
}

/* The event of a stage that a new lead has come to. */
static void
write_stage(const char *lead, const Decision *decision, const StageChange *change)
{
	JournalRow row;

	lr_journal_begin_row(&row);
	lr_journal_set_text(&row, EVENT_FLOW, decision->config->flow);
	lr_journal_set_text(&row, EVENT_LEAD, lead);
	lr_journal_set_time(&row, EVENT_AT, change->at);
	lr_journal_set_text(&row, EVENT_KIND, "stage");
	lr_journal_set_text(&row, EVENT_CODE, change->code);
	lr_journal_set_text(&row, EVENT_OWNER, decision->owner);
	lr_journal_set_text(&row, EVENT_TEAM, decision->team);
	lr_journal_set_text(&row, EVENT_REASON, change->reason);
	lr_journal_set_text(&row, EVENT_ACTOR, change->actor);
	lr_journal_set_text(&row, EVENT_STAGE, change->to);
	lr_journal_set_text(&row, EVENT_PREVIOUS_STAGE, change->from);
	lr_journal_append(JOURNAL_EVENTS, &row);
}

/* What became of the lead; and the owner of its account hears of the contact, whoever got it. */
static void
write_outbox(const Message *message)
{
	const Decision *decision = message->decision;
	const char *type = NULL;

	if (strcmp(decision->code, "fallback") == 0 || strcmp(decision->code, "routing_error") == 0)
		type = decision->code;
	else if (strcmp(decision->status, "duplicate") == 0 || strcmp(decision->status, "merged") == 0)
	{
		/* sent again: nobody needs to hear of it */
		if (decision->silent)
			return;
		type = "duplicate";
	}
	else if (strcmp(decision->status, "assigned") == 0)
		type = "assigned";
	else if (strcmp(decision->status, "waiting") == 0)
		type = "queued";
	if (type)
		lr_message_write_decision(type, message, NULL);
	if (decision->account_owner)
		lr_message_write_decision("account_contact", message, decision->account_owner);
}
