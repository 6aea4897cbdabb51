/*
 * lifecycle.c
 *		What a lead's life brings outside of its own INSERT and UPDATE: somebody's hand, a touch, a signal, time.
 *
 * The door is that of hand.c: the lead's row is locked first, then its state, by whoever has the right to. A stage is judged by the row as it
 * is then, so of two who move one lead the second starts from where the first has left it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "consent.h"
#include "effect.h"
#include "fmgr.h"
#include "handback.h"
#include "leadroute.h"
#include "lifecycle.h"
#include "owner.h"
#include "qualify.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "waiting.h"

PG_FUNCTION_INFO_V1(lr_sql_set_stage);
PG_FUNCTION_INFO_V1(lr_sql_touch_moves_stage);

static void expect_stages(const HandledLead *hand);
static void qualify(HandledLead *hand, const LeadRow *row, bool *warned);
static void touched(HandledLead *hand);

/* set_stage(lead text, stage text, reason text, flow text) RETURNS text: the stage that it is in now */
Datum
lr_sql_set_stage(PG_FUNCTION_ARGS)
{
	HandledLead hand;
	LeadRow row;
	StageChange *changes;
	const char *stage;
	bool warned = false;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(3))
		PG_RETURN_NULL();
	lr_hand_open(&hand, text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(3)), LockWaitBlock);
	expect_stages(&hand);
	stage = text_to_cstring(PG_GETARG_TEXT_PP(1));
	row = lr_arrival_row(&hand.arrival, hand.slot, "UPDATE");
	row.at = hand.at;
	changes = lr_stage_change(&row, hand.arrival.config, stage, hand.actor, &warned);
	if (changes && changes->actor && !PG_ARGISNULL(2))
		changes->reason = psprintf("%s: %s", changes->reason, text_to_cstring(PG_GETARG_TEXT_PP(2)));
	lr_lifecycle_write(&hand, changes);
	stage = hand.arrival.stage;
	lr_hand_close(&hand);
	PG_RETURN_TEXT_P(cstring_to_text(stage));
}

static void
expect_stages(const HandledLead *hand)
{
	const FlowConfig *config = hand->arrival.config;

	if (config->nstages == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("flow \"%s\" has no stages", config->flow),
				 errhint("Insert them into leadroute.stages, or SELECT leadroute.load_stages(%s).", quote_literal_cstr(config->flow))));
	if (lr_state_is_ignored(&hand->state) || hand->state.duplicate_of)
	{
		bool ignored = lr_state_is_ignored(&hand->state);

		if (ignored || strcmp(hand->state.status, "duplicate") == 0 || strcmp(hand->state.status, "merged") == 0)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("lead \"%s\" is in no stage", hand->arrival.lead),
					 ignored ? errdetail("It stood in the table before that was attached, and leadroute leaves it alone.")
							 : errdetail("It is a duplicate of lead \"%s\", whose stage counts.", hand->state.duplicate_of)));
	}
}

void
lr_lifecycle_write(HandledLead *hand, const StageChange *changes)
{
	Arrival *arrival = &hand->arrival;
	const StageChange *last = changes;
	Closing closing;

	if (changes == NULL)
		return;
	while (last->next)
		last = last->next;
	arrival->stage = last->to;
	lr_stored_write_stage(hand->rel, arrival, last->to);
	lr_stage_write(arrival->config->flow, arrival->lead, changes, NULL);
	if (lr_stage_says(arrival->config, changes, arrival->shape, hand->slot, hand->at, &closing))
	{
		lr_effect_said(arrival->config->flow, arrival->lead, &closing);
		if (closing.verdict != VERDICT_OPEN)
			lr_drain_want(arrival->config->flow);
	}
}

void
lr_lifecycle_follow(HandledLead *hand)
{
	LeadRow row;
	bool warned = false;

	if (hand->state.closed || strcmp(hand->state.status, "duplicate") == 0 || strcmp(hand->state.status, "merged") == 0)
		return;
	row = lr_arrival_row(&hand->arrival, hand->slot, "SIGNAL");
	row.at = hand->at;
	if (hand->arrival.config->scoring)
	{
		Consent consent = lr_consent_kept(lr_consent(&row, hand->arrival.config, &warned));

		if (consent != (Consent) hand->state.consent)
			lr_state_set_consent(hand->arrival.config->flow, hand->arrival.lead, consent);
		hand->state.consent = consent;
	}
	if (hand->arrival.config->scoring && !hand->arrival.memo.qualified)
		qualify(hand, &row, &warned);
	if (hand->arrival.config->nstages == 0 || hand->arrival.stage == NULL)
		return;
	row.stage = hand->arrival.stage;
	lr_lifecycle_write(hand, lr_stage_change(&row, hand->arrival.config, NULL, NULL, &warned));
}

/* Whether the lead has become an MQL, or nearly one; an MQL that was put away is given out at once. */
static void
qualify(HandledLead *hand, const LeadRow *row, bool *warned)
{
	FlowConfig *config = hand->arrival.config;
	const char *by = lr_qualified_by(row, config, warned);
	const LeadScore *score = lr_score(row, config, warned);

	if (by)
		lr_lifecycle_qualified(hand, by, lr_qualify_reason(by, score));
	else if (!hand->state.has_review_at && lr_is_borderline(row, config, warned))
		lr_review_write(config, hand->arrival.lead, lr_review_reason(score), hand->at);
}

void
lr_lifecycle_qualified(HandledLead *hand, const char *by, const char *reason)
{
	lr_qualify_write(hand->arrival.config, hand->arrival.lead, by, reason, hand->actor, hand->at);
	hand->arrival.memo.qualified = true;
	hand->state.is_qualified = true;
	if (strcmp(hand->state.status, "nurture") == 0 && lr_lifecycle_consents(hand))
		lr_handback_return(hand, strcmp(by, "score") == 0 ? "qualified" : by, reason);
}

/* touch_moves_stage(flow text, lead text): for who has counted a touch and has no lead in hand */
Datum
lr_sql_touch_moves_stage(PG_FUNCTION_ARGS)
{
	HandledLead hand;
	const char *flow = text_to_cstring(PG_GETARG_TEXT_PP(0));

	if (lr_config(flow)->nstages > 0 && lr_hand_open_own(&hand, text_to_cstring(PG_GETARG_TEXT_PP(1)), flow, LockWaitBlock))
	{
		touched(&hand);
		lr_hand_close(&hand);
	}
	PG_RETURN_VOID();
}

/* Takes the lead on where its stage says so (stages.touched_stage). */
static void
touched(HandledLead *hand)
{
	const FlowConfig *config = hand->arrival.config;
	const StageConfig *stage = lr_stage_find(config, hand->arrival.stage);
	LeadRow row;

	if (stage == NULL || stage->touched_stage == NULL || hand->state.closed)
		return;
	row = lr_arrival_row(&hand->arrival, hand->slot, "UPDATE");
	row.at = hand->at;
	lr_lifecycle_write(hand, lr_stage_move(&row, hand->arrival.config, stage->touched_stage, "stage_touched",
										   psprintf("stage: %s, then %s, as it was touched", stage->stage, stage->touched_stage), NULL));
}

bool
lr_lifecycle_aged(HandledLead *hand)
{
	const FlowConfig *config = hand->arrival.config;
	const StageConfig *stage = lr_stage_find(config, hand->arrival.stage);
	LeadRow row;
	StageChange *change;

	if (stage == NULL || stage->next_stage == NULL ||
		DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(hand->state.stage_at),
												IntervalPGetDatum(&stage->max_age))) > hand->at)
		return false;
	row = lr_arrival_row(&hand->arrival, hand->slot, "UPDATE");
	row.at = hand->at;
	change = lr_stage_move(&row, hand->arrival.config, stage->next_stage, "stage_aged",
						   psprintf("stage: %s, then %s, as it was there for the time it may be", stage->stage, stage->next_stage), NULL);
	lr_lifecycle_write(hand, change);
	return change != NULL;
}

void
lr_lifecycle_restart(HandledLead *hand, const char *why)
{
	LeadRow row;

	lr_lifecycle_follow(hand);
	row = lr_arrival_row(&hand->arrival, hand->slot, "UPDATE");
	row.at = hand->at;
	lr_lifecycle_write(hand, lr_stage_restart(&row, hand->arrival.config, why));
}

bool
lr_lifecycle_consents(HandledLead *hand)
{
	LeadRow row;
	bool warned = false;

	row = lr_arrival_row(&hand->arrival, hand->slot, "UPDATE");
	row.at = hand->at;
	return lr_consent_given(&row, hand->arrival.config, &warned);
}
