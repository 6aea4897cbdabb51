/*
 * touch.c
 *		touch(): somebody got in touch with a lead.
 *
 * The door is that of hand.c: the lead's row is locked by whoever has the right, then its state and clocks (lead_touched() in 73_clocks.sql).
 * A lead that was merged into another has no row: its touch is one of that other.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "hand.h"
#include "leadroute.h"
#include "owner.h"
#include "pending.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(lr_sql_touch);

/* touch(lead text, kind text, at timestamptz, by text, seconds numeric, flow text) RETURNS boolean: whether it counts */
Datum
lr_sql_touch(PG_FUNCTION_ARGS)
{
	Oid types[] = {TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TEXTOID, NUMERICOID, TEXTOID};
	Datum values[lengthof(types)];
	char nulls[] = "       ";
	HandledLead hand;
	LeadState state;
	OwnerSession session;
	const char *flow;
	const char *lead;
	const char *merged = NULL;
	bool counts;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(5))
		PG_RETURN_NULL();
	lead = text_to_cstring(PG_GETARG_TEXT_PP(0));
	flow = text_to_cstring(PG_GETARG_TEXT_PP(5));
	lr_pending_settle();
	if (lr_state_find(flow, lead, &state) && strcmp(state.status, "merged") == 0 && state.duplicate_of)
	{
		merged = lead;
		lead = state.duplicate_of;
	}
	lr_hand_open(&hand, lead, flow, LockWaitBlock);
	values[0] = CStringGetTextDatum(hand.arrival.config->flow);
	values[1] = CStringGetTextDatum(hand.arrival.lead);
	values[2] = PG_GETARG_DATUM(1);
	values[3] = PG_ARGISNULL(2) ? TimestampTzGetDatum(hand.at) : PG_GETARG_DATUM(2);
	values[4] = PG_ARGISNULL(3) ? CStringGetTextDatum(hand.actor) : PG_GETARG_DATUM(3);
	values[5] = PG_ARGISNULL(4) ? (Datum) 0 : PG_GETARG_DATUM(4);
	nulls[5] = PG_ARGISNULL(4) ? 'n' : ' ';
	values[6] = merged ? CStringGetTextDatum(merged) : (Datum) 0;
	nulls[6] = merged ? ' ' : 'n';
	lr_owner_begin(&session);
	lr_owner_execute_nulls("SELECT leadroute.lead_touched($1, $2, $3, $4, $5, $6, $7)", lengthof(types), types, values, nulls, SPI_OK_SELECT);
	counts = SPI_processed > 0 && lr_spi_text(0, 1) && strcmp(lr_spi_text(0, 1), "t") == 0;
	lr_owner_end(&session);
	lr_hand_close(&hand);
	PG_RETURN_BOOL(counts);
}
