/*
 * ask.c
 *		Asking: explain for a stored lead and for a row, and deciding a stored lead (catch_up).
 *
 * A stored lead's row is read, and its outputs are written, as the owner of the leads table: whoever asks needs no
 * rights there, and the table's own triggers get no more than their owner's.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "arrival.h"
#include "ask.h"
#include "catalog/pg_type.h"
#include "consent.h"
#include "executor/spi.h"
#include "first_clock.h"
#include "fmgr.h"
#include "funcapi.h"
#include "leadroute.h"
#include "mask.h"
#include "miscadmin.h"
#include "owner.h"
#include "reason.h"
#include "route_clocks.h"
#include "stored.h"
#include "traits.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"
#include "watch.h"

PG_FUNCTION_INFO_V1(lr_explain_lead);
PG_FUNCTION_INFO_V1(lr_explain_row);
PG_FUNCTION_INFO_V1(lr_route_stored);
PG_FUNCTION_INFO_V1(lr_show_outputs);
PG_FUNCTION_INFO_V1(lr_library_ready);
PG_FUNCTION_INFO_V1(lr_settle);

static void explain_slot(FunctionCallInfo fcinfo, Relation rel, TupleTableSlot *slot, const char *attachment,
						 const char *flow, TimestampTz at);
static const char *explain_watched(ReturnSetInfo *rsinfo, const Arrival *arrival, const LeadRow *row);
static const char *shown_key(const Arrival *arrival, const LeadRow *row);
static void put_condition(ReturnSetInfo *rsinfo, const char *name, const char *condition, bool holds);
static void explain_events(ReturnSetInfo *rsinfo, const char *flow, const char *lead);
static void explain_score(ReturnSetInfo *rsinfo, Arrival *arrival, const LeadRow *row);
static void put_line(ReturnSetInfo *rsinfo, const TraceLine *line);
static bool lacks_account(const Arrival *arrival, const LeadState *state);
static void give_back(Relation rel, Arrival *arrival, const LeadState *state);

/* explain(lead text, flow text [, at timestamptz]): what was decided and why, then what would be decided now, or at an instant. */
Datum
lr_explain_lead(PG_FUNCTION_ARGS)
{
	char *lead = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *flow = text_to_cstring(PG_GETARG_TEXT_PP(1));
	FlowTable table;
	Relation rel;
	HeapTuple tuple;
	TupleTableSlot *slot;

	InitMaterializedSRF(fcinfo, 0);
	lr_pending_settle();
	table = lr_flow_table(flow);
	rel = table_open(table.relid, AccessShareLock);
	if (pg_class_aclcheck(table.relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, get_relkind_objtype(rel->rd_rel->relkind), RelationGetRelationName(rel));
	explain_events((ReturnSetInfo *) fcinfo->resultinfo, flow, lead);
	tuple = lr_stored_fetch(rel, &table, lead, GetUserId());
	if (tuple == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("lead \"%s\" is not in table \"%s\"", lead, RelationGetRelationName(rel)),
				 errhint("explain(row) answers for a row that is not stored.")));
	slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsHeapTuple);
	ExecStoreHeapTuple(tuple, slot, false);
	explain_slot(fcinfo, rel, slot, table.attachment, flow, PG_NARGS() > 2 ? PG_GETARG_TIMESTAMPTZ(2) : lr_now());
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, AccessShareLock);
	return (Datum) 0;
}

/* explain(row record, flow text): what an INSERT of this row would decide. */
Datum
lr_explain_row(PG_FUNCTION_ARGS)
{
	HeapTupleHeader header = PG_GETARG_HEAPTUPLEHEADER(0);
	char *flow = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Oid type = HeapTupleHeaderGetTypeId(header);
	Oid relid = get_typ_typrelid(type);
	FlowTable table;
	Relation rel;
	TupleTableSlot *slot;

	InitMaterializedSRF(fcinfo, 0);
	lr_pending_flush();
	table = lr_flow_table(flow);
	if (!OidIsValid(relid) || relid != table.relid)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the row is of type %s, not of the leads table of flow \"%s\"", format_type_be(type), flow),
				 errhint("Cast it, or fill one from JSON: SELECT * FROM leadroute.explain(jsonb_populate_record(NULL::%s, '{\"email\": \"…\"}')).",
						 quote_qualified_identifier(get_namespace_name(get_rel_namespace(table.relid)),
													get_rel_name(table.relid)))));
	rel = table_open(relid, AccessShareLock);
	slot = lr_lead_slot(rel, header);
	explain_slot(fcinfo, rel, slot, table.attachment, flow, lr_now());
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, AccessShareLock);
	return (Datum) 0;
}

FlowTable
lr_flow_table(const char *flow)
{
	FlowTable table = lr_flow_table_if_any(flow);

	if (!OidIsValid(table.relid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("flow \"%s\" has no leads table", flow),
				 errhint("Attach one: SELECT leadroute.attach('public.leads', flow => %s).", quote_literal_cstr(flow))));
	return table;
}

FlowTable
lr_flow_table_if_any(const char *flow)
{
	Oid types[] = {TEXTOID};
	Datum values[] = {CStringGetTextDatum(flow)};
	MemoryContext context = CurrentMemoryContext;
	OwnerSession session;
	FlowTable table = {InvalidOid, NULL};

	lr_owner_begin(&session);
	lr_owner_read("SELECT to_regclass(format('%I.%I', a.table_schema, a.table_name))::oid::text, a.flow"
				  " FROM leadroute.attachments a WHERE a.flow = $1 OR a.flow_column IS NOT NULL"
				  " ORDER BY a.flow = $1 DESC, a.flow LIMIT 1",
				  lengthof(types), types, values, true);
	if (SPI_processed == 1 && lr_spi_text(0, 1))
	{
		table.relid = atooid(lr_spi_text(0, 1));
		table.attachment = MemoryContextStrdup(context, lr_spi_text(0, 2));
	}
	lr_owner_end(&session);
	return table;
}

static void
explain_slot(FunctionCallInfo fcinfo, Relation rel, TupleTableSlot *slot, const char *attachment, const char *flow, TimestampTz at)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Arrival arrival;
	LeadState state;
	List *trace = NIL;
	ListCell *cell;
	Decision decision;
	bool warned = false;
	bool routed = false;
	const char *code;
	LeadRow row = {.slot = slot, .operation = "INSERT", .at = at};
	TraceLine line = {.item = "flow"};

	lr_stored_arrival(&arrival, rel, slot, attachment, flow);
	row.shape = arrival.shape;
	row.profile = &arrival.profile;
	row.lead = arrival.lead;
	row.given_owner = arrival.given;
	row.given_account = lr_lead_word(&arrival.shape->outputs[OUTPUT_ACCOUNT], slot);
	row.unknown_flow = arrival.unknown_flow;
	row.memo = &arrival.memo;

	line.name = arrival.config->flow;
	line.verdict = !arrival.config->exists ? "does not exist" : arrival.config->active ? "active"
																					   : "off";
	if (arrival.lead && lr_state_find(arrival.config->flow, arrival.lead, &state))
	{
		line.detail = psprintf("lead \"%s\" is known (%s, %s): it would keep what it has; below, the decision on it as a new one",
							   arrival.lead, state.status, state.code);
		routed = !lr_state_is_unrouted(&state);
		lr_score_known(&arrival.memo, &state);
		/* the owner in a stored row is the decision, not what the source sent */
		row.given_owner = state.source_owner;
		row.given_account = state.account_by && strcmp(state.account_by, "given") == 0 ? state.account : NULL;
	}
	put_line(rsinfo, &line);
	if (lr_lead_is_deleted(arrival.shape, slot))
	{
		TraceLine deleted = {.item = "decision", .verdict = "deleted", .detail = "the row is marked as deleted: not routed"};

		put_line(rsinfo, &deleted);
		return;
	}
	explain_score(rsinfo, &arrival, &row);
	/* what a lead that has been routed has become since does not keep it from being asked about */
	code = explain_watched(rsinfo, &arrival, &row);
	lr_duplicate_look(&arrival);
	if (arrival.first.lead)
	{
		TraceLine duplicate = {.item = "duplicate", .name = arrival.first.lead, .verdict = "shares a key with it"};

		duplicate.detail = psprintf("%s %s; that lead is %s%s%s", arrival.first.match, shown_key(&arrival, &row), arrival.first.status,
									arrival.first.owner ? ", owner " : ", without owner", arrival.first.owner ? arrival.first.owner : "");
		put_line(rsinfo, &duplicate);
		row.first = arrival.first.lead;
	}
	if (code && !routed)
	{
		TraceLine recorded = {.item = "decision", .verdict = code};

		lr_route_unrouted(arrival.config, &row, code, &decision);
		recorded.detail = lr_route_reason(&decision);
		put_line(rsinfo, &recorded);
		return;
	}
	lr_traits_judge(&row, arrival.config, &warned);
	if (lr_duplicate_decide(&arrival, &row, ROUTE_PEEK, &decision))
	{
		TraceLine settled = {.item = "decision", .name = decision.owner, .verdict = decision.code, .detail = lr_route_reason(&decision)};

		put_line(rsinfo, &settled);
		lr_route_clocks(lr_route_plan(arrival.shape, rel, arrival.config), &row, ROUTE_PEEK, &warned, &trace, &decision);
		lr_first_clocks_trace(&decision, &trace);
		foreach(cell, trace)
			put_line(rsinfo, lfirst(cell));
		return;
	}
	lr_route_decide(lr_route_plan(arrival.shape, rel, arrival.config), &row, ROUTE_PEEK, &warned, &trace, &decision);
	decision.stage = arrival.stage;
	lr_route_clocks(lr_route_plan(arrival.shape, rel, arrival.config), &row, ROUTE_PEEK, &warned, &trace, &decision);
	foreach(cell, trace)
		put_line(rsinfo, lfirst(cell));
}

/* Nothing where the flow has no scoring model. */
static void
explain_score(ReturnSetInfo *rsinfo, Arrival *arrival, const LeadRow *row)
{
	bool warned = false;
	const LeadScore *score;
	TraceLine line = {.item = "score", .verdict = "below the threshold"};

	if (arrival->config->scoring == NULL || arrival->config->scoring->model == NULL)
		return;
	lr_duplicate_look(arrival);
	if (arrival->first.lead && !arrival->first.returns)
		arrival->memo.is_duplicate = true;
	score = lr_score(row, arrival->config, &warned);
	line.name = lr_score_text(score->score);
	if (lr_score_qualifies(score))
		line.verdict = "qualified by its points";
	else if (lr_score_high_intent(score))
		line.verdict = "qualified by a signal of high intent";
	line.detail = psprintf("fit %s, engagement %s%s%s", lr_score_text(score->fit), lr_score_text(score->engagement), score->grade ? ", grade " : "",
						   score->grade ? score->grade : "");
	put_line(rsinfo, &line);
}

/* What the flow asks of a row before any rule; the code of a lead that would only be recorded, or NULL. */
static const char *
explain_watched(ReturnSetInfo *rsinfo, const Arrival *arrival, const LeadRow *row)
{
	const FlowConfig *config = arrival->config;
	Watch *watch = lr_watch(arrival->shape, arrival->config);
	bool warned = false;
	Verdict verdict = lr_watch_verdict(watch, row, &warned);
	bool ready;

	put_condition(rsinfo, "won_when", config->won_when, verdict == VERDICT_WON);
	if (verdict != VERDICT_WON)
		put_condition(rsinfo, "closed_when", config->closed_when, verdict == VERDICT_CLOSED);
	if (verdict != VERDICT_OPEN)
		return CODE_ARRIVED_CLOSED;
	ready = lr_watch_ready(watch, row, &warned);
	put_condition(rsinfo, "route_when", config->route_when, ready);
	if (config->require_consent || lr_consent_can_stop(config))
	{
		Consent consent = lr_consent(row, arrival->config, &warned);
		bool suffices = lr_consent_suffices(config, consent);
		TraceLine line = {.item = "flow", .name = "require_consent", .verdict = suffices ? "holds" : "does not hold", .detail = "the lead's consent"};

		if (consent == CONSENT_STOPPED)
		{
			line.name = "outreach";
			line.detail = "a signal has taken the lead out of it";
		}
		if (config->require_consent || !suffices)
			put_line(rsinfo, &line);
		if (!suffices)
			return CODE_NO_CONSENT;
	}
	return ready ? NULL : CODE_NOT_READY;
}

/* What it shares with its first lead: masked where messages and views mask what they say of a person. */
static const char *
shown_key(const Arrival *arrival, const LeadRow *row)
{
	FlowConfig *config = arrival->config;
	bool warned = false;
	Consent consent = lr_consent_kept(lr_consent(row, config, &warned));

	if (consent != CONSENT_NO && !(config->mask_when && lr_watch_masks(lr_watch(arrival->shape, config), row, &warned)))
		return arrival->first.key;
	return lr_mask("email", arrival->first.key);
}

/* A condition of the flow; nothing where it has none. */
static void
put_condition(ReturnSetInfo *rsinfo, const char *name, const char *condition, bool holds)
{
	TraceLine line = {.item = name, .verdict = holds ? "holds" : "does not hold", .detail = condition};

	if (condition)
		put_line(rsinfo, &line);
}

static void
explain_events(ReturnSetInfo *rsinfo, const char *flow, const char *lead)
{
	Oid types[] = {TEXTOID, TEXTOID};
	Datum values[] = {CStringGetTextDatum(flow), CStringGetTextDatum(lead)};
	OwnerSession session;

	lr_owner_begin(&session);
	if (SPI_execute_with_args("SELECT e.kind, e.code, concat_ws(': ', date_trunc('second', e.at)::text, e.reason), e.actor FROM leadroute.events e"
							  " WHERE e.flow = $1 AND e.lead = $2 ORDER BY e.id",
							  lengthof(types), types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read leadroute.events");
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		TraceLine line = {.item = "event", .name = lr_spi_text(row, 1), .verdict = lr_spi_text(row, 2), .detail = lr_spi_text(row, 3)};

		put_line(rsinfo, &line);
	}
	lr_owner_end(&session);
}

static void
put_line(ReturnSetInfo *rsinfo, const TraceLine *line)
{
	const char *const texts[] = {line->item, line->name, line->verdict, line->detail};
	Datum values[5];
	bool nulls[5] = {false};

	values[0] = Int32GetDatum((int32) tuplestore_tuple_count(rsinfo->setResult) + 1);
	for (int i = 0; i < (int) lengthof(texts); i++)
	{
		nulls[i + 1] = (texts[i] == NULL);
		values[i + 1] = texts[i] ? CStringGetTextDatum(texts[i]) : (Datum) 0;
	}
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * route_stored(flow text, lead text): decides a lead whose row stands and that nobody has decided; gives one that is
 * known its outputs. Returns its status.
 */
Datum
lr_route_stored(PG_FUNCTION_ARGS)
{
	char *flow = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *lead = text_to_cstring(PG_GETARG_TEXT_PP(1));
	FlowTable table = lr_flow_table(flow);
	Relation rel = table_open(table.relid, RowExclusiveLock);
	HeapTuple tuple;
	TupleTableSlot *slot;
	Arrival arrival;
	LeadState state;
	bool known;
	const char *said;

	lr_pending_settle();
	tuple = lr_stored_lock(rel, &table, lead, rel->rd_rel->relowner, LockWaitBlock);
	if (tuple == NULL)
	{
		table_close(rel, NoLock);
		PG_RETURN_NULL(); /* the row has gone since */
	}
	slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsHeapTuple);
	ExecStoreHeapTuple(tuple, slot, false);
	lr_stored_arrival(&arrival, rel, slot, table.attachment, flow);
	known = lr_state_find(arrival.config->flow, lead, &state);
	if (known)
		lr_score_known(&arrival.memo, &state);
	if (known && !lr_state_is_unrouted(&state))
	{
		if (!lr_state_is_ignored(&state))
			give_back(rel, &arrival, &state);
		said = state.status;
	}
	else
		said = lr_decide_stored(&arrival, known ? &state : NULL, "CATCH_UP");
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	PG_RETURN_TEXT_P(cstring_to_text(said));
}

const char *
lr_decide_stored(Arrival *arrival, const LeadState *known, const char *operation)
{
	LeadRow row = lr_arrival_row(arrival, arrival->slot, operation);
	bool warned = false;
	Closing closing;
	Decision decision;
	LeadOutputs outputs = {0};
	const char *code;
	bool recorded;

	if (known && known->stage)
		lr_arrival_follow_stage(arrival, known, operation);
	else
		lr_arrival_begin_stage(arrival, operation);
	row.stage = arrival->stage;
	code = lr_arrival_reason(arrival, &row, &warned, &closing);
	lr_traits_judge(&row, arrival->config, &warned);
	recorded = code && (strcmp(code, CODE_ARRIVED_CLOSED) == 0 || CODE_WAITS_FOR_ROW(code));
	if (code)
	{
		lr_route_unrouted(arrival->config, &row, code, &decision);
		if (strcmp(code, CODE_ARRIVED_CLOSED) == 0)
			decision.closing = &closing;
	}
	else
	{
		/* its row stands: what it claims stays claimed, and where keys are an earlier lead's it is linked, whatever the policy */
		(void) lr_duplicate_identify(arrival, false);
		lr_arrival_link_score(arrival);
		row.first = arrival->first.lead;
		if (!lr_duplicate_decide(arrival, &row, ROUTE_TAKE, &decision))
		{
			lr_arrival_route(arrival, &row, &warned, &decision);
			lr_duplicate_mark(arrival, ROUTE_TAKE, &decision);
		}
		lr_arrival_give_stage(arrival, &row, &decision);
		lr_arrival_clocks(arrival, &row, &warned, &decision);
	}
	if (code == NULL || CODE_WAITS_FOR_ROW(code))
		decision.score = lr_arrival_score(arrival, &row, &warned);
	if (decision.score)
		lr_arrival_show_score(&outputs, decision.score);

	if (recorded)
	{
		/* recorded, not routed */
		if (known)
			lr_state_remove(arrival->config->flow, arrival->lead);
		lr_arrival_give_stage(arrival, &row, &decision);
		outputs.stage = arrival->stages ? arrival->stage : NULL;
		if (decision.score || arrival->stages)
			lr_stored_write_some(arrival->rel, arrival, &outputs, SCORE_OUTPUTS | 1 << OUTPUT_STAGE);
		lr_pending_write(arrival->lead, &decision, arrival->given, arrival->shape, arrival->slot);
		lr_pending_flush();
		return code;
	}
	if (strcmp(decision.status, "unrouted") != 0)
	{
		outputs.owner = decision.owner;
		outputs.team = decision.team;
		outputs.territory = decision.territory;
		outputs.routed_at = decision.at;
		outputs.has_routed_at = true;
		outputs.route_reason = lr_route_reason(&decision);
		outputs.account = decision.account;
		outputs.duplicate_of = decision.duplicate_of;
		outputs.has_sla = decision.has_sla;
		outputs.sla_due_at = lr_clocks_due(decision.clocks, decision.nclocks);
		if (known)
			lr_state_remove(arrival->config->flow, arrival->lead);
		outputs.stage = arrival->stage;
		lr_stored_write(arrival->rel, arrival, &outputs);
		lr_pending_write(arrival->lead, &decision, arrival->given, arrival->shape, arrival->slot);
		lr_pending_flush();
		lr_duplicate_write_firsts();
	}
	return decision.status;
}

/*
 * A row that another table brought back stands without what leadroute knows of its lead: it gets its outputs, unless a
 * hand's owner stands in it, who has the lead then.
 */
static void
give_back(Relation rel, Arrival *arrival, const LeadState *state)
{
	LeadOutputs outputs;
	const char *hand = lr_arrival_is_hand(arrival, state, arrival->given) ? arrival->given : NULL;

	if (arrival->given && state->owner && strcmp(arrival->given, state->owner) == 0 && !lacks_account(arrival, state))
		return;
	lr_arrival_outputs(arrival, state, hand, lr_now(), &outputs);
	lr_stored_write(rel, arrival, &outputs);
	if (hand)
		lr_state_hand_over(arrival->config->flow, arrival->lead, hand, outputs.routed_at);
	lr_pending_flush();
}

/* show_outputs(flow text, lead text): the row of a lead shows what its state has become. */
Datum
lr_show_outputs(PG_FUNCTION_ARGS)
{
	lr_pending_settle();
	lr_stored_outputs(text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)));
	PG_RETURN_VOID();
}

void
lr_stored_outputs(const char *flow, const char *lead)
{
	FlowTable table = lr_flow_table_if_any(flow);
	Relation rel;
	HeapTuple tuple;
	TupleTableSlot *slot;
	Arrival arrival;
	LeadState state;

	if (!OidIsValid(table.relid))
		return;
	rel = table_open(table.relid, RowExclusiveLock);
	tuple = lr_stored_lock(rel, &table, lead, rel->rd_rel->relowner, LockWaitBlock);
	if (tuple && lr_state_find(flow, lead, &state))
	{
		LeadOutputs outputs;

		slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsHeapTuple);
		ExecStoreHeapTuple(tuple, slot, false);
		lr_stored_arrival(&arrival, rel, slot, table.attachment, flow);
		lr_arrival_outputs(&arrival, &state, NULL, lr_now(), &outputs);
		lr_stored_write(rel, &arrival, &outputs);
		ExecDropSingleTupleTableSlot(slot);
	}
	table_close(rel, NoLock);
}

/* Whether the row's account column has yet to hear of the lead's account (accept_account). */
static bool
lacks_account(const Arrival *arrival, const LeadState *state)
{
	const LeadColumn *column = &arrival->shape->outputs[OUTPUT_ACCOUNT];
	const char *account;

	if (state->account == NULL || column->attno == 0)
		return false;
	account = lr_lead_word(column, arrival->slot);
	return account == NULL || strcmp(account, state->account) != 0;
}

/* settle(): writes what waits of this transaction's leads, their closing too. */
Datum
lr_settle(PG_FUNCTION_ARGS)
{
	lr_pending_settle();
	PG_RETURN_VOID();
}

/* library_ready(): whether turns can be taken, that is, whether the server preloaded the library. */
Datum
lr_library_ready(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(lr_rotation_available());
}
