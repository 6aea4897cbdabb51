/*
 * trigger.c
 *		The triggers on a leads table: they check how they are called, then call a module.
 *
 * The first argument of each is the flow of the attachment. leadroute.attach() creates them.
 */
#include "postgres.h"

#include "change.h"
#include "commands/trigger.h"
#include "duplicate.h"
#include "fmgr.h"
#include "leadroute.h"
#include "pending.h"
#include "rescore.h"
#include "state.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(lr_lead_before);
PG_FUNCTION_INFO_V1(lr_lead_after);
PG_FUNCTION_INFO_V1(lr_lead_statement);

static TriggerData *trigger_data(FunctionCallInfo fcinfo, const char *name, const char **flow);

/* BEFORE INSERT OR UPDATE FOR EACH ROW */
Datum
lr_lead_before(PG_FUNCTION_ARGS)
{
	const char *flow;
	TriggerData *data = trigger_data(fcinfo, "lead_before", &flow);
	Arrival arrival;

	if (!TRIGGER_FIRED_BEFORE(data->tg_event) || !TRIGGER_FIRED_FOR_ROW(data->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be fired BEFORE ROW", "lead_before")));

	if (TRIGGER_FIRED_BY_INSERT(data->tg_event))
	{
		if (!lr_arrival_start(&arrival, data->tg_relation, data->tg_trigslot, flow, lr_statement()))
			return PointerGetDatum(data->tg_trigtuple);
		return PointerGetDatum(lr_arrive(&arrival, data->tg_trigtuple));
	}
	if (TRIGGER_FIRED_BY_UPDATE(data->tg_event))
	{
		return PointerGetDatum(lr_change(data->tg_relation, data->tg_newtuple, data->tg_trigslot, data->tg_newslot,
										 data->tg_updatedcols, flow));
	}
	ereport(ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg("function \"%s\" must be fired for INSERT or UPDATE", "lead_before")));
}

/* AFTER INSERT OR UPDATE OR DELETE FOR EACH ROW */
Datum
lr_lead_after(PG_FUNCTION_ARGS)
{
	const char *flow;
	TriggerData *data = trigger_data(fcinfo, "lead_after", &flow);

	if (!TRIGGER_FIRED_AFTER(data->tg_event) || !TRIGGER_FIRED_FOR_ROW(data->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be fired AFTER ROW", "lead_after")));

	if (TRIGGER_FIRED_BY_INSERT(data->tg_event))
		lr_row_inserted(data->tg_relation, data->tg_trigslot, flow);
	else if (TRIGGER_FIRED_BY_UPDATE(data->tg_event))
		lr_row_updated(data->tg_relation, data->tg_trigslot, data->tg_newslot, flow);
	else
		lr_row_deleted(data->tg_relation, data->tg_trigslot, flow);
	return PointerGetDatum(NULL);
}

/* AFTER INSERT, DELETE or TRUNCATE FOR EACH STATEMENT: a moment to write early; nothing depends on it but TRUNCATE. */
Datum
lr_lead_statement(PG_FUNCTION_ARGS)
{
	const char *flow;
	TriggerData *data = trigger_data(fcinfo, "lead_statement", &flow);

	if (!TRIGGER_FIRED_AFTER(data->tg_event) || !TRIGGER_FIRED_FOR_STATEMENT(data->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be fired AFTER STATEMENT", "lead_statement")));

	lr_pending_flush();
	lr_duplicate_write_firsts();
	lr_rescore_write_wanted();
	if (TRIGGER_FIRED_BY_TRUNCATE(data->tg_event))
		lr_state_refreshed(flow);
	return PointerGetDatum(NULL);
}

static TriggerData *
trigger_data(FunctionCallInfo fcinfo, const char *name, const char **flow)
{
	TriggerData *data = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by trigger manager", name)));
	if (data->tg_trigger->tgnargs != 1)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" takes the flow as its argument", name),
				 errhint("Attach the table with leadroute.attach(), which creates the triggers.")));
	*flow = data->tg_trigger->tgargs[0];
	return data;
}
