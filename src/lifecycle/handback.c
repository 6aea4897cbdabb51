/*
 * handback.c
 *		What sales says of a lead (accept(), reject(), feedback()), and how one that was given back returns or is archived.
 *
 * Locks as in hand.c: the row, then the state. The sweep's parts skip rows that somebody holds, look at the state again once the row is theirs, and
 * do each lead in a subtransaction of its own.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "clock_change.h"
#include "fmgr.h"
#include "handback.h"
#include "leadroute.h"
#include "lifecycle.h"
#include "miscadmin.h"
#include "owner.h"
#include "protect.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(lr_sql_accept);
PG_FUNCTION_INFO_V1(lr_sql_reject);
PG_FUNCTION_INFO_V1(lr_sql_feedback);
PG_FUNCTION_INFO_V1(lr_sql_approve);
PG_FUNCTION_INFO_V1(lr_sql_disqualify);
PG_FUNCTION_INFO_V1(lr_sql_end_absences);
PG_FUNCTION_INFO_V1(lr_sql_age_stages);

/* A row of rejection_reasons. */
typedef struct Reason
{
	const char *code;
	const char *reason;
	const char *action;
	const char *date_column;
	int min_touches; /* 0: not asked */
	bool has_after;
	Interval after;
	Interval before;
} Reason;

/* A lead for which time has passed. */
typedef struct Due
{
	const char *flow;
	const char *lead;
	bool done;
} Due;

static void read_reason(const HandledLead *hand, const char *code, Reason *reason);
static bool read_interval(int column, Interval *interval);
static TimestampTz return_time(HandledLead *hand, const Reason *reason);
static void read_date(void *arg);
static const char *count_touches(const HandledLead *hand, const Reason *reason);
static void note_rejection(const HandledLead *hand, const Reason *reason, const char *action, const char *note, const char *flag,
						   const TimestampTz *return_at);
static char *source_of(const HandledLead *hand);
static void go(HandledLead *hand, const char *role, const char *why);
static void log_event(const HandledLead *hand, const char *kind, const char *code, const char *reason);
static void stop_decision_clocks(const HandledLead *hand, const char *by);
static void archive(HandledLead *hand, const char *why);
static int each_due(FunctionCallInfo fcinfo, const char *query, ProtectedCall call, const char *what);
static void end_absence(void *arg);
static void age_stage(void *arg);

/* accept(lead text, flow text) RETURNS boolean: whether that is new */
Datum
lr_sql_accept(PG_FUNCTION_ARGS)
{
	HandledLead hand;
	bool changed;

	lr_hand_open(&hand, text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)), LockWaitBlock);
	lr_hand_expect_open(&hand);
	if (hand.state.owner == NULL || strcmp(hand.state.status, "assigned") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("lead \"%s\" has no owner who could accept it", hand.arrival.lead),
				 errdetail("Its status is %s, with code %s.", hand.state.status, hand.state.code),
				 errhint("leadroute.claim() takes it from a queue, leadroute.reassign() gives it to somebody.")));
	changed = !hand.state.is_accepted;
	if (changed)
	{
		Oid types[] = {TEXTOID, TEXTOID, TIMESTAMPTZOID};
		Datum values[] = {CStringGetTextDatum(hand.arrival.config->flow), CStringGetTextDatum(hand.arrival.lead), TimestampTzGetDatum(hand.at)};
		OwnerSession session;

		go(&hand, "accepted", psprintf("accepted by %s", hand.actor));
		lr_owner_begin(&session);
		lr_owner_execute("UPDATE leadroute.lead_states s SET accepted_at = $3 WHERE s.flow = $1 AND s.lead = $2", lengthof(types), types,
						 values, SPI_OK_UPDATE);
		lr_owner_end(&session);
		lr_clocks_met(hand.arrival.config->flow, hand.arrival.lead, "decision", "accepted", hand.actor, hand.at);
		log_event(&hand, "accepted", "accepted", psprintf("accepted by %s", hand.actor));
		stop_decision_clocks(&hand, "accepted");
	}
	lr_hand_close(&hand);
	PG_RETURN_BOOL(changed);
}

/* reject(lead text, code text, note text, flow text) RETURNS text: what is done with it */
Datum
lr_sql_reject(PG_FUNCTION_ARGS)
{
	HandledLead hand;
	Reason reason;
	const char *note;
	const char *why;
	const char *action;
	const char *flag;
	TimestampTz return_at = 0;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(3))
		PG_RETURN_NULL();
	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a lead is not rejected without a code"),
				 errhint("leadroute.rejection_reasons lists them.")));
	note = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	lr_hand_open(&hand, text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(3)), LockWaitBlock);
	lr_hand_expect_seen(&hand);
	lr_hand_expect_open(&hand);
	read_reason(&hand, text_to_cstring(PG_GETARG_TEXT_PP(1)), &reason);
	if (strcmp(hand.state.status, "assigned") != 0 && strcmp(hand.state.status, "waiting") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("lead \"%s\" is with nobody who could reject it", hand.arrival.lead),
				 errdetail("Its status is %s, with code %s.", hand.state.status, hand.state.code)));
	why = psprintf("%s rejected it: %s, %s%s%s", hand.actor, reason.code, reason.reason, note ? ": " : "", note ? note : "");
	action = reason.action;
	if (strcmp(action, "recycle") == 0)
	{
		if (hand.state.recycles >= hand.arrival.config->recycle_limit)
		{
			action = "archive";
			why = psprintf("%s; it was recycled %d times already", why, hand.state.recycles);
		}
		else
			return_at = return_time(&hand, &reason);
	}
	flag = count_touches(&hand, &reason);
	note_rejection(&hand, &reason, action, note, flag, return_at ? &return_at : NULL);
	stop_decision_clocks(&hand, "rejected");
	if (strcmp(action, "archive") == 0)
		archive(&hand, why);
	else
	{
		bool recycles = strcmp(action, "recycle") == 0;

		lr_hand_put_away(&hand, "rejected", recycles ? "recycled" : "rejected", why);
		go(&hand, recycles ? "recycled" : "nurture", why);
	}
	if (strcmp(action, "archive") == 0)
		log_event(&hand, "rejected", "archived", why);
	else if (strcmp(action, "recycle") == 0)
		log_event(&hand, "recycled", "recycled", why);
	lr_hand_close(&hand);
	PG_RETURN_TEXT_P(cstring_to_text(action));
}

static void
read_reason(const HandledLead *hand, const char *code, Reason *reason)
{
	Oid types[] = {TEXTOID, TEXTOID};
	Datum values[] = {CStringGetTextDatum(hand->arrival.config->flow), CStringGetTextDatum(code)};
	MemoryContext context = CurrentMemoryContext;
	OwnerSession session;
	bool found;
	char *known = NULL;

	memset(reason, 0, sizeof(Reason));
	lr_owner_begin(&session);
	lr_owner_execute("SELECT r.reason, r.action, r.date_column, coalesce(r.min_touches, 0), r.return_after, coalesce(r.before_date, '0'),"
					 "   (SELECT string_agg(k.code, ', ' ORDER BY k.code) FROM leadroute.rejection_reasons k WHERE k.flow = $1)"
					 " FROM (SELECT) one LEFT JOIN leadroute.rejection_reasons r ON r.flow = $1 AND r.code = $2",
					 lengthof(types), types, values, SPI_OK_SELECT);
	found = lr_spi_text(0, 1) != NULL;
	if (found)
	{
		reason->code = MemoryContextStrdup(context, code);
		reason->reason = MemoryContextStrdup(context, lr_spi_text(0, 1));
		reason->action = MemoryContextStrdup(context, lr_spi_text(0, 2));
		reason->date_column = lr_spi_text(0, 3) ? MemoryContextStrdup(context, lr_spi_text(0, 3)) : NULL;
		reason->min_touches = atoi(lr_spi_text(0, 4));
		reason->has_after = read_interval(5, &reason->after);
		(void) read_interval(6, &reason->before);
	}
	else if (lr_spi_text(0, 7))
		known = MemoryContextStrdup(context, lr_spi_text(0, 7));
	lr_owner_end(&session);
	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("flow \"%s\" has no rejection reason \"%s\"", hand->arrival.config->flow, code),
				 known ? errdetail("It has: %s.", known) : errdetail("It has none."),
				 errhint("leadroute.rejection_reasons lists them; SELECT leadroute.load_stages() brings the usual ones.")));
}

static bool
read_interval(int column, Interval *interval)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &isnull);

	if (!isnull)
		*interval = *DatumGetIntervalP(value);
	return !isnull;
}

typedef struct ReadDate
{
	const HandledLead *hand;
	LeadColumn column;
	TimestampTz at;
	bool found;
} ReadDate;

/* When a recycled lead comes back: before the date that its row has, else so long after now. Where the date is too near, now. */
static TimestampTz
return_time(HandledLead *hand, const Reason *reason)
{
	ReadDate read = {.hand = hand};
	AttrNumber attno = reason->date_column ? lr_lead_attno(hand->arrival.shape, reason->date_column) : InvalidAttrNumber;
	TimestampTz at;

	if (attno != InvalidAttrNumber)
	{
		lr_lead_column(&read.column, hand->arrival.shape->desc, NameStr(TupleDescAttr(hand->arrival.shape->desc, attno - 1)->attname), false,
					   CurrentMemoryContext);
		/* text that is no date is none */
		if (lr_protect(read_date, &read) == NULL && read.found && read.at > hand->at)
		{
			at = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_mi_interval, TimestampTzGetDatum(read.at),
														 IntervalPGetDatum(&reason->before)));
			return Max(at, hand->at);
		}
	}
	if (!reason->has_after)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("lead \"%s\" has no date to come back before", hand->arrival.lead),
				 errdetail("Rejection reason \"%s\" asks for a date to come in column \"%s\".", reason->code, reason->date_column),
				 errhint("Fill it in, or give the reason a return_after.")));
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(hand->at), IntervalPGetDatum(&reason->after)));
}

static void
read_date(void *arg)
{
	ReadDate *read = arg;
	const InstantStyle style = {NULL, "UTC", DATEORDER_MDY};

	read->found = lr_lead_instant(&read->column, &style, read->hand->slot, &read->at);
}

/* What is odd about a rejection: fewer touches are known than it takes. */
static const char *
count_touches(const HandledLead *hand, const Reason *reason)
{
	Oid types[] = {TEXTOID, TEXTOID};
	Datum values[] = {CStringGetTextDatum(hand->arrival.config->flow), CStringGetTextDatum(hand->arrival.lead)};
	OwnerSession session;
	int known;

	if (reason->min_touches == 0)
		return NULL;
	lr_owner_begin(&session);
	lr_owner_execute("SELECT leadroute.counted_touches($1, $2)", lengthof(types), types, values, SPI_OK_SELECT);
	known = atoi(lr_spi_text(0, 1));
	lr_owner_end(&session);
	return known < reason->min_touches ? psprintf("%d of %d touches known", known, reason->min_touches) : NULL;
}

/* The rejection as a row, and in the state; the lead goes after that. */
static void
note_rejection(const HandledLead *hand, const Reason *reason, const char *action, const char *note, const char *flag,
			   const TimestampTz *return_at)
{
	const char *const texts[] = {hand->arrival.config->flow, hand->arrival.lead, reason->code, note, hand->actor, hand->state.owner,
								 source_of(hand), action, flag};
	QueryArguments arguments = {0};
	OwnerSession session;

	lr_argument_texts(&arguments, texts, lengthof(texts));
	lr_argument_instant(&arguments, hand->at);
	lr_argument(&arguments, TIMESTAMPTZOID, return_at ? TimestampTzGetDatum(*return_at) : (Datum) 0, return_at == NULL);
	lr_owner_begin(&session);
	lr_owner_run("WITH said AS (UPDATE leadroute.lead_states s SET rejection = $3, rejected_at = $10, accepted_at = NULL, qualified_at = NULL, review_at = NULL,"
				 "     rejected_score = CASE WHEN $8 = 'nurture' THEN coalesce(s.score, 0) END,"
				 "     engagement_since = CASE WHEN $8 = 'recycle' THEN $10 ELSE s.engagement_since END,"
				 "     recycles = CASE WHEN $8 = 'recycle' THEN coalesce(s.recycles, 0) + 1 ELSE s.recycles END, return_at = $11"
				 "   WHERE s.flow = $1 AND s.lead = $2 RETURNING s.*)"
				 " INSERT INTO leadroute.rejections (flow, lead, at, code, note, actor, owner, source, action, flag, cycle, return_at, archived_at)"
				 " SELECT $1, $2, $10, $3, $4, $5, $6, $7, $8, $9, CASE WHEN $8 = 'recycle' THEN said.recycles END, $11,"
				 "   CASE WHEN $8 = 'archive' THEN $10 END FROM said",
				 &arguments, SPI_OK_INSERT);
	lr_owner_end(&session);
	lr_clocks_met(hand->arrival.config->flow, hand->arrival.lead, "decision", "rejected", hand->actor, hand->at);
}

/* What the row says in the column that attach() knows as source; NULL without one. */
static char *
source_of(const HandledLead *hand)
{
	const AttrNumber attno = lr_lead_attno(hand->arrival.shape, "source");
	LeadColumn column;

	if (attno == InvalidAttrNumber)
		return NULL;
	lr_lead_column(&column, hand->arrival.shape->desc, NameStr(TupleDescAttr(hand->arrival.shape->desc, attno - 1)->attname), false,
				   CurrentMemoryContext);
	return lr_lead_word(&column, hand->slot);
}

/* Into the stage that leadroute uses for this, where the flow has one; judged like anybody's wish. */
static void
go(HandledLead *hand, const char *role, const char *why)
{
	FlowConfig *config = hand->arrival.config;
	const char *stage = lr_stage_of(config, role);
	LeadRow row;
	StageChange *change;

	if (stage == NULL || hand->arrival.stage == NULL)
		return;
	row = lr_arrival_row(&hand->arrival, hand->slot, "UPDATE");
	row.at = hand->at;
	change = lr_stage_want(&row, config, stage, hand->actor);
	if (change)
		change->reason = psprintf("%s: %s", change->reason, why);
	lr_lifecycle_write(hand, change);
}

static void
log_event(const HandledLead *hand, const char *kind, const char *code, const char *reason)
{
	const char *const texts[] = {hand->arrival.config->flow, hand->arrival.lead, kind, code, reason, hand->actor};
	QueryArguments arguments = {0};
	OwnerSession session;

	lr_argument_texts(&arguments, texts, lengthof(texts));
	lr_argument_instant(&arguments, hand->at);
	lr_argument_text(&arguments, hand->state.owner);
	lr_owner_begin(&session);
	lr_owner_run("INSERT INTO leadroute.events (flow, lead, at, kind, code, owner, previous_owner, team, reason, actor)"
				 " SELECT s.flow, s.lead, $7, $3, $4, s.owner, CASE WHEN s.owner IS NULL THEN $8 END, s.team, $5, $6"
				 " FROM leadroute.lead_states s WHERE s.flow = $1 AND s.lead = $2",
				 &arguments, SPI_OK_INSERT);
	lr_owner_end(&session);
}

/* Sales has decided about the lead: its clocks of that metric are over. */
static void
stop_decision_clocks(const HandledLead *hand, const char *by)
{
	Oid types[] = {TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TEXTOID};
	Datum values[] = {CStringGetTextDatum(hand->arrival.config->flow), CStringGetTextDatum(hand->arrival.lead), CStringGetTextDatum(by),
					  TimestampTzGetDatum(hand->at), CStringGetTextDatum(hand->actor)};
	OwnerSession session;

	if (!hand->arrival.config->has_clocks)
		return;
	lr_owner_begin(&session);
	lr_owner_execute("SELECT leadroute.clocks_met($1, $2, 'decision', $3, $4, $5)", lengthof(types), types, values, SPI_OK_SELECT);
	lr_owner_end(&session);
}

/* Closed for good; nobody has its place any more. */
static void
archive(HandledLead *hand, const char *why)
{
	(void) lr_hand_end(hand, "archived", "archived", why, false, (Datum) 0);
	lr_handback_returned(hand->arrival.config->flow, hand->arrival.lead, NULL, NULL, hand->at);
	go(hand, "archived", why);
}

void
lr_handback_returned(const char *flow, const char *lead, const char *by, const char *to, TimestampTz at)
{
	Oid types[] = {TEXTOID, TEXTOID, TIMESTAMPTZOID, TEXTOID, TEXTOID};
	Datum values[] = {CStringGetTextDatum(flow), CStringGetTextDatum(lead), TimestampTzGetDatum(at), by ? CStringGetTextDatum(by) : (Datum) 0,
					  to ? CStringGetTextDatum(to) : (Datum) 0};
	char nulls[] = {' ', ' ', ' ', by ? ' ' : 'n', to ? ' ' : 'n', '\0'};
	OwnerSession session;

	lr_owner_begin(&session);
	lr_owner_execute_nulls("UPDATE leadroute.rejections r SET returned_by = $4, returned_to = $5,"
						   "   returned_at = CASE WHEN $4 IS NOT NULL THEN $3 END, archived_at = CASE WHEN $4 IS NULL THEN $3 END"
						   " WHERE r.flow = $1 AND r.lead = $2 AND r.returned_at IS NULL AND r.archived_at IS NULL",
						   lengthof(types), types, values, nulls, SPI_OK_UPDATE);
	lr_owner_end(&session);
}

void
lr_handback_return(HandledLead *hand, const char *by, const char *why)
{
	FlowConfig *config = hand->arrival.config;
	const char *old = hand->state.return_to;
	const RepConfig *rep = old ? lr_config_rep(config, old) : NULL;
	Oid types[] = {TEXTOID, TEXTOID};
	Datum values[] = {CStringGetTextDatum(config->flow), CStringGetTextDatum(hand->arrival.lead)};
	OwnerSession session;

	/* no rule nurtures it again */
	hand->qualified = true;
	if (rep && rep->active && lr_hand_may_have(hand, old))
		lr_hand_give(hand, old, "returned", "returned", psprintf("%s: %s, who had it, has it again", why, old));
	else
		old = lr_hand_decide_again(hand, "returned", NULL, why);
	lr_handback_returned(config->flow, hand->arrival.lead, by, old, hand->at);
	lr_owner_begin(&session);
	lr_owner_execute("UPDATE leadroute.lead_states s SET return_at = NULL WHERE s.flow = $1 AND s.lead = $2 AND s.return_at IS NOT NULL",
					 lengthof(types), types, values, SPI_OK_UPDATE);
	lr_owner_end(&session);
	hand->state.status = old ? "assigned" : "waiting";
	hand->state.owner = old;
	lr_lifecycle_restart(hand, why);
}

/* feedback(lead text, rating integer, comment text, flow text) RETURNS void */
Datum
lr_sql_feedback(PG_FUNCTION_ARGS)
{
	Oid types[] = {TEXTOID, TEXTOID, INT4OID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TEXTOID, TEXTOID};
	Datum values[8];
	char nulls[] = "        ";
	HandledLead hand;
	OwnerSession session;
	AttrNumber attno;
	const char *source = NULL;
	int rating;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(3))
		PG_RETURN_NULL();
	rating = PG_ARGISNULL(1) ? 0 : PG_GETARG_INT32(1);
	if (rating < 1 || rating > 5)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a lead is rated from 1 to 5"),
				 errhint("1 is a waste of time, 5 is the kind of which more are wanted.")));
	lr_hand_open(&hand, text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(3)), LockWaitBlock);
	attno = lr_lead_attno(hand.arrival.shape, "source");
	if (attno != InvalidAttrNumber)
	{
		LeadColumn column;

		lr_lead_column(&column, hand.arrival.shape->desc, NameStr(TupleDescAttr(hand.arrival.shape->desc, attno - 1)->attname), false,
					   CurrentMemoryContext);
		source = lr_lead_word(&column, hand.slot);
	}
	values[0] = CStringGetTextDatum(hand.arrival.config->flow);
	values[1] = CStringGetTextDatum(hand.arrival.lead);
	values[2] = Int32GetDatum(rating);
	values[3] = PG_ARGISNULL(2) ? (Datum) 0 : PG_GETARG_DATUM(2);
	nulls[3] = PG_ARGISNULL(2) ? 'n' : ' ';
	values[4] = CStringGetTextDatum(hand.actor);
	values[5] = TimestampTzGetDatum(hand.at);
	values[6] = hand.state.owner ? CStringGetTextDatum(hand.state.owner) : (Datum) 0;
	nulls[6] = hand.state.owner ? ' ' : 'n';
	values[7] = source ? CStringGetTextDatum(source) : (Datum) 0;
	nulls[7] = source ? ' ' : 'n';
	lr_owner_begin(&session);
	lr_owner_execute_nulls("INSERT INTO leadroute.lead_feedback (flow, lead, rating, comment, actor, at, owner, source)"
						   " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
						   lengthof(types), types, values, nulls, SPI_OK_INSERT);
	lr_owner_end(&session);
	lr_hand_close(&hand);
	PG_RETURN_VOID();
}

/* approve(lead text, flow text) RETURNS boolean: whether it was none before */
Datum
lr_sql_approve(PG_FUNCTION_ARGS)
{
	HandledLead hand;
	bool changed;

	lr_hand_open(&hand, text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)), LockWaitBlock);
	lr_hand_expect_open(&hand);
	if (lr_state_is_ignored(&hand.state) || strcmp(hand.state.status, "duplicate") == 0 || strcmp(hand.state.status, "merged") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("lead \"%s\" is none to be approved", hand.arrival.lead),
				 errdetail("Its status is %s, with code %s.", hand.state.status, hand.state.code)));
	changed = !hand.state.is_qualified;
	if (changed)
	{
		lr_lifecycle_qualified(&hand, "approved", psprintf("qualified: approved by %s", hand.actor));
		lr_lifecycle_follow(&hand);
	}
	lr_hand_close(&hand);
	PG_RETURN_BOOL(changed);
}

/* disqualify(lead text, reason text, flow text) RETURNS boolean: whether that closed it */
Datum
lr_sql_disqualify(PG_FUNCTION_ARGS)
{
	HandledLead hand;
	const char *why;
	bool changed;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	lr_hand_open(&hand, text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(2)), LockWaitBlock);
	why = psprintf("disqualified by %s%s%s", hand.actor, PG_ARGISNULL(1) ? "" : ": ", PG_ARGISNULL(1) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(1)));
	changed = !hand.state.closed;
	if (changed)
	{
		(void) lr_hand_end(&hand, "disqualified", "disqualified", why, false, (Datum) 0);
		go(&hand, "archived", why);
	}
	lr_hand_close(&hand);
	PG_RETURN_BOOL(changed);
}

/* end_absences(flow text, batch integer) RETURNS integer: part of the sweep */
Datum
lr_sql_end_absences(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(each_due(fcinfo, "SELECT s.lead FROM leadroute.lead_states s"
									 " WHERE s.flow = $1 AND s.closed_at IS NULL AND (s.return_at IS NOT NULL OR s.archive_at IS NOT NULL)"
									 "   AND least(s.return_at, s.archive_at) <= $3 ORDER BY least(s.return_at, s.archive_at), s.lead LIMIT $2",
							 end_absence, "could not be brought back or archived"));
}

/* age_stages(flow text, batch integer) RETURNS integer: part of the sweep */
Datum
lr_sql_age_stages(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(each_due(fcinfo, "SELECT s.lead FROM leadroute.stages g CROSS JOIN LATERAL (SELECT l.lead, l.stage_at FROM leadroute.lead_states l"
									 "   WHERE l.flow = $1 AND l.stage = g.stage AND l.closed_at IS NULL AND l.stage_at <= $3 - g.max_age"
									 "   ORDER BY l.stage_at LIMIT 10 * $2) s"
									 " WHERE g.flow = $1 AND g.max_age IS NOT NULL ORDER BY s.stage_at, s.lead LIMIT 10 * $2",
							 age_stage, "could not go on to its next stage"));
}

/* Calls a function for each lead that a query finds due, each in a subtransaction; answers how many it did something for. */
static int
each_due(FunctionCallInfo fcinfo, const char *query, ProtectedCall call, const char *what)
{
	Oid types[] = {TEXTOID, INT4OID, TIMESTAMPTZOID};
	Datum values[] = {PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), TimestampTzGetDatum(lr_now())};
	Due due = {.flow = text_to_cstring(PG_GETARG_TEXT_PP(0))};
	MemoryContext context = CurrentMemoryContext;
	MemoryContext lead_context = AllocSetContextCreate(context, "leadroute due lead", ALLOCSET_DEFAULT_SIZES);
	OwnerSession session;
	char **leads;
	int n;
	int done = 0;

	if (!OidIsValid(lr_flow_table_if_any(due.flow).relid))
		return 0;
	lr_pending_settle();
	lr_owner_begin(&session);
	lr_owner_execute(query, lengthof(types), types, values, SPI_OK_SELECT);
	n = (int) SPI_processed;
	leads = MemoryContextAlloc(context, Max(n, 1) * sizeof(char *));
	for (int i = 0; i < n; i++)
		leads[i] = MemoryContextStrdup(context, lr_spi_text(i, 1));
	lr_owner_end(&session);
	for (int i = 0; i < n && done < PG_GETARG_INT32(1); i++)
	{
		ErrorData *error;

		CHECK_FOR_INTERRUPTS();
		due.lead = leads[i];
		due.done = false;
		MemoryContextSwitchTo(lead_context);
		error = lr_protect(call, &due);
		if (error)
			ereport(WARNING,
					(errcode(error->sqlerrcode), errmsg("lead \"%s\" of flow \"%s\" %s: %s", due.lead, due.flow, what, error->message),
					 error->detail ? errdetail("%s", error->detail) : 0));
		MemoryContextSwitchTo(context);
		MemoryContextReset(lead_context);
		done += error == NULL && due.done;
	}
	MemoryContextDelete(lead_context);
	return done;
}

/* Of two timers the first to fire wins. */
static void
end_absence(void *arg)
{
	Due *due = arg;
	HandledLead hand;

	if (!lr_hand_open_own(&hand, due->lead, due->flow, LockWaitSkip))
		return;
	if (!hand.state.closed && strcmp(hand.state.status, "nurture") == 0)
	{
		bool returns = hand.state.has_return_at && hand.state.return_at <= hand.at && lr_lifecycle_consents(&hand);

		if (returns && !(hand.state.has_archive_at && hand.state.archive_at <= hand.state.return_at))
		{
			lr_handback_return(&hand, "date", "the date of its return has come");
			due->done = true;
		}
		else if (hand.state.has_archive_at && hand.state.archive_at <= hand.at)
		{
			archive(&hand, "nothing has come of it in the time that the flow gives it");
			due->done = true;
		}
	}
	lr_hand_close(&hand);
}

static void
age_stage(void *arg)
{
	Due *due = arg;
	HandledLead hand;

	if (!lr_hand_open_own(&hand, due->lead, due->flow, LockWaitSkip))
		return;
	if (!hand.state.closed)
		due->done = lr_lifecycle_aged(&hand);
	lr_hand_close(&hand);
}
