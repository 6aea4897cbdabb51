/*
 * notice.c
 *		Steps of deadlines that only tell somebody, and missed deadlines: done for many leads at once.
 *
 * They change nothing that another step depends on, so what is due of a hundred clocks is one query, and three kinds of rows written directly (direct.c, journal.c):
 * the log sla_fired, events, and the clocks' next versions. No triggers fire on these; the messages that the events would have been told by are
 * the caller's (sweep_steps() in SQL), who is told of them where a consumer asked.
 *
 * Locks: the caller holds the leads' rows of lead_states, and with them their clocks. A clock that has changed all the same, by somebody who did not
 * ask for the state, is an error (lock_not_available), and nothing is done.
 * Memory: SPI's; the answer in the caller's context.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "breach.h"
#include "catalog/pg_type.h"
#include "clock_row.h"
#include "direct.h"
#include "fmgr.h"
#include "funcapi.h"
#include "journal.h"
#include "leadroute.h"
#include "owner.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

PG_FUNCTION_INFO_V1(lr_sql_tell_leads);

/* The columns of sla_fired, as 77_steps.sql has them. */
typedef enum FiredColumn
{
	FIRED_FLOW,
	FIRED_LEAD,
	FIRED_POLICY,
	FIRED_ROUND,
	FIRED_STEP,
	FIRED_ACTION,
	FIRED_DUE_AT,
	FIRED_AT,
	FIRED_LATE_BY,
	FIRED_OWNER,
	FIRED_RECIPIENT,
	FIRED_RESULT,
	FIRED_COLUMNS
} FiredColumn;

/* What the query below adds to a clock's columns. */
typedef enum DueColumn
{
	DUE_TID = CLOCK_COLUMNS,
	DUE_OWNER,
	DUE_TEAM,
	DUE_REASON,
	DUE_COLUMNS
} DueColumn;

/* A clock of which something is due. */
typedef struct DueClock
{
	ClockRow row;
	const char *lead;
	const char *owner;	/* who has the lead now, or NULL */
	const char *team;	/* or NULL */
	const char *reason; /* of its breach, if that is due and by its events; or NULL */
	bool breaches;
	int nsteps; /* due, the first of row.steps */
	Datum *values;
	bool *nulls;
} DueClock;

/* One thing that is due. */
typedef struct Due
{
	const DueClock *clock;
	const StepConfig *step; /* NULL: the deadline, whose breach is told */
	TimestampTz due_at;
	const char *result; /* whom it is told, or NULL; the reason of a breach */
} Due;

/* What becomes of a batch. */
typedef struct Telling
{
	FlowConfig *config;
	TimestampTz instant;
	DueClock *clocks;
	int nclocks;
	Due *dues;
	int ndues;
	char **leads;
	int nleads;
} Telling;

static DirectTable fired_table = {"sla_fired", FIRED_COLUMNS};
static DirectTable clock_table = {"clocks", CLOCK_COLUMNS};

static void read_clocks(Telling *telling, Datum leads);
static bool read_clock(Telling *telling, HeapTuple tuple, TupleDesc desc, DueClock *clock);
static char *text_of(const Datum *values, const bool *nulls, int column);
static bool only_tells(const DueClock *clock);
static void list_dues(Telling *telling);
static int by_due(const void *a, const void *b);
static void write_fired(const Telling *telling);
static void write_events(const Telling *telling);
static char *reason_of(const Due *due);
static Datum path_of(const Due *due, TimestampTz instant);
static void add_value(JsonbParseState **json, const char *name, JsonbValue value);
static void add_key(JsonbParseState **json, const char *name);
static void add_text(JsonbParseState **json, const char *name, const char *text);
static void add_time(JsonbParseState **json, const char *name, TimestampTz value);
static char *instant_text(TimestampTz at);
static void move_clocks(const Telling *telling);
static Datum steps_done(const DueClock *clock);
static Datum messages(const Telling *telling, bool *isnull);

/*
 * tell_leads(flow, leads, instant, OUT told, OUT fired, OUT late, OUT messages): does what is due of those leads of which nothing but notices and breaches
 * is; answers which these are, how many steps that was, how late the latest, and what messages are to say.
 */
Datum
lr_sql_tell_leads(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext oldcontext;
	Telling telling = {0};
	OwnerSession session;
	TupleDesc desc;
	Datum values[4] = {0};
	bool nulls[4] = {false, false, false, false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	telling.instant = PG_GETARG_TIMESTAMPTZ(2);
	lr_owner_begin(&session);
	telling.config = lr_config(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	read_clocks(&telling, PG_GETARG_DATUM(1));
	list_dues(&telling);
	if (telling.ndues > 0)
	{
		write_fired(&telling);
		write_events(&telling);
		move_clocks(&telling);
	}

	oldcontext = MemoryContextSwitchTo(caller);
	values[0] = lr_text_array(telling.leads, telling.nleads);
	values[1] = Int32GetDatum(telling.ndues);
	nulls[2] = telling.ndues == 0;
	if (telling.ndues > 0)
		values[2] = DirectFunctionCall2(timestamp_mi, TimestampTzGetDatum(telling.instant), TimestampTzGetDatum(telling.dues[0].due_at));
	values[3] = messages(&telling, &nulls[3]);
	MemoryContextSwitchTo(oldcontext);
	lr_owner_end(&session);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/*
 * The clocks of these leads that are due. Lead by lead through the primary key: no index on next_at can be taken for it, whatever statistics say, since next_at
 * is compared here.
 */
static void
read_clocks(Telling *telling, Datum leads)
{
	QueryArguments arguments = {0};
	SPITupleTable *rows;
	uint64 n;
	DueClock *clocks;
	int kept = 0;
	int begin = 0;

	lr_argument_text(&arguments, telling->config->flow);
	lr_argument(&arguments, TEXTARRAYOID, leads, false);
	lr_argument_instant(&arguments, telling->instant);
	lr_owner_run("SELECT c.*, s.owner, s.team,"
				 " CASE WHEN c.breached_at IS NULL AND c.due_at < least(c.paused_at, $3) THEN " BREACH_BY_EVENTS("$3") " END"
																													   " FROM unnest($2) WITH ORDINALITY l(lead, n)"
																													   " CROSS JOIN LATERAL (SELECT c.*, c.ctid FROM leadroute.clocks c WHERE c.flow = $1 AND c.lead = l.lead AND c.finished_at IS NULL OFFSET 0) c"
																													   " CROSS JOIN LATERAL (SELECT s.owner, s.team FROM leadroute.lead_states s WHERE s.flow = $1 AND s.lead = l.lead LIMIT 1) s"
																													   " ORDER BY l.n",
				 &arguments, SPI_OK_SELECT);
	rows = SPI_tuptable;
	n = SPI_processed;
	Assert(rows->tupdesc->natts == DUE_COLUMNS);
	clocks = palloc(Max(n, 1) * sizeof(DueClock));
	telling->leads = palloc(Max(n, 1) * sizeof(char *));
	for (uint64 i = 0; i < n; i++)
		if (read_clock(telling, rows->vals[i], rows->tupdesc, &clocks[telling->nclocks]))
			telling->nclocks++;
	/* all clocks of a lead, or none */
	for (int i = 0; i < telling->nclocks; i++)
	{
		bool told = true;
		int end = begin;

		if (i + 1 < telling->nclocks && strcmp(clocks[i + 1].lead, clocks[begin].lead) == 0)
			continue;
		for (end = begin; end <= i; end++)
			told &= only_tells(&clocks[end]);
		if (told)
		{
			telling->leads[telling->nleads++] = unconstify(char *, clocks[begin].lead);
			memmove(&clocks[kept], &clocks[begin], (end - begin) * sizeof(DueClock));
			kept += end - begin;
		}
		begin = end;
	}
	telling->clocks = clocks;
	telling->nclocks = kept;
}

/* Whether something of it is due. */
static bool
read_clock(Telling *telling, HeapTuple tuple, TupleDesc desc, DueClock *clock)
{
	clock->values = palloc(DUE_COLUMNS * sizeof(Datum));
	clock->nulls = palloc(DUE_COLUMNS * sizeof(bool));
	heap_deform_tuple(tuple, desc, clock->values, clock->nulls);
	if (clock->nulls[CLOCK_NEXT_AT] || DatumGetTimestampTz(clock->values[CLOCK_NEXT_AT]) > telling->instant)
		return false;
	lr_clock_row(clock->values, clock->nulls, &clock->row);
	clock->lead = text_of(clock->values, clock->nulls, CLOCK_LEAD);
	clock->owner = text_of(clock->values, clock->nulls, DUE_OWNER);
	clock->team = text_of(clock->values, clock->nulls, DUE_TEAM);
	clock->reason = text_of(clock->values, clock->nulls, DUE_REASON);
	clock->breaches = !clock->row.breached && clock->row.clock.due_at < Min(clock->row.paused_at, telling->instant);
	clock->nsteps = 0;
	while (clock->nsteps < clock->row.nsteps && clock->row.steps[clock->nsteps].due_at <= telling->instant)
		clock->nsteps++;
	return clock->breaches || clock->nsteps > 0;
}

static char *
text_of(const Datum *values, const bool *nulls, int column)
{
	return nulls[column] ? NULL : TextDatumGetCString(values[column]);
}

static bool
only_tells(const DueClock *clock)
{
	if (clock->breaches && strcmp(clock->row.metric, "meeting_held") == 0)
		return false;
	for (int i = 0; i < clock->nsteps; i++)
		if (strcmp(clock->row.steps[i].step->action, "remind") != 0 && strcmp(clock->row.steps[i].step->action, "notify") != 0)
			return false;
	return true;
}

/* What is due, in the order in which it was. */
static void
list_dues(Telling *telling)
{
	int n = 0;

	for (int i = 0; i < telling->nclocks; i++)
		n += telling->clocks[i].nsteps + telling->clocks[i].breaches;
	telling->dues = palloc(Max(n, 1) * sizeof(Due));
	for (int i = 0; i < telling->nclocks; i++)
	{
		DueClock *clock = &telling->clocks[i];

		if (clock->breaches)
		{
			if (clock->reason == NULL)
				clock->reason = lr_breach_by_owner(&clock->row, clock->team);
			telling->dues[telling->ndues++] = (Due){clock, NULL, clock->row.clock.due_at, clock->reason};
		}
		for (int j = 0; j < clock->nsteps; j++)
		{
			const StepAhead *ahead = &clock->row.steps[j];

			telling->dues[telling->ndues++] =
				(Due){clock, ahead->step, ahead->due_at,
					  ahead->step->recipient ? lr_clock_recipient(telling->config, clock->owner, clock->team, ahead->step->recipient) : NULL};
		}
	}
	qsort(telling->dues, telling->ndues, sizeof(Due), by_due);
}

/* The deadline comes before what is due with it. */
static int
by_due(const void *a, const void *b)
{
	const Due *first = a;
	const Due *second = b;
	int order;

	if (first->due_at != second->due_at)
		return first->due_at < second->due_at ? -1 : 1;
	if ((first->step == NULL) != (second->step == NULL))
		return first->step == NULL ? -1 : 1;
	order = strcmp(first->clock->lead, second->clock->lead);
	if (order == 0)
		order = strcmp(first->clock->row.policy, second->clock->row.policy);
	if (order == 0)
		order = first->clock->row.round - second->clock->row.round;
	if (order == 0 && first->step)
		order = strcmp(first->step->step, second->step->step);
	return order;
}

static void
write_fired(const Telling *telling)
{
	DirectWrite write;
	HeapTuple rows[DIRECT_BATCH];
	int n = 0;

	lr_direct_open(&fired_table, &write);
	for (int i = 0; i < telling->ndues; i++)
	{
		const Due *due = &telling->dues[i];
		const DueClock *clock = due->clock;
		Datum values[FIRED_COLUMNS] = {0};
		bool nulls[FIRED_COLUMNS] = {false};

		if (due->step)
		{
			values[FIRED_FLOW] = clock->values[CLOCK_FLOW];
			values[FIRED_LEAD] = clock->values[CLOCK_LEAD];
			values[FIRED_POLICY] = clock->values[CLOCK_POLICY];
			values[FIRED_ROUND] = clock->values[CLOCK_ROUND];
			values[FIRED_STEP] = CStringGetTextDatum(due->step->step);
			values[FIRED_ACTION] = CStringGetTextDatum(due->step->action);
			values[FIRED_DUE_AT] = TimestampTzGetDatum(due->due_at);
			values[FIRED_AT] = TimestampTzGetDatum(telling->instant);
			values[FIRED_LATE_BY] = DirectFunctionCall2(timestamp_mi, TimestampTzGetDatum(telling->instant), TimestampTzGetDatum(due->due_at));
			values[FIRED_OWNER] = clock->values[DUE_OWNER];
			nulls[FIRED_OWNER] = clock->nulls[DUE_OWNER];
			values[FIRED_RECIPIENT] = due->result ? CStringGetTextDatum(due->result) : (Datum) 0;
			nulls[FIRED_RECIPIENT] = due->result == NULL;
			nulls[FIRED_RESULT] = true;
			rows[n++] = heap_form_tuple(lr_direct_desc(&fired_table), values, nulls);
		}
		if (n > 0 && (n == DIRECT_BATCH || i == telling->ndues - 1))
		{
			lr_direct_store(&write, rows, n);
			lr_direct_index(&write, n);
			n = 0;
		}
	}
	lr_direct_close(&write);
}

static void
write_events(const Telling *telling)
{
	JournalRow row;

	for (int i = 0; i < telling->ndues; i++)
	{
		const Due *due = &telling->dues[i];
		const DueClock *clock = due->clock;
		const char *reason;

		lr_journal_begin_row(&row);
		lr_journal_set_datum(&row, EVENT_FLOW, clock->values[CLOCK_FLOW]);
		lr_journal_set_datum(&row, EVENT_LEAD, clock->values[CLOCK_LEAD]);
		lr_journal_set_time(&row, EVENT_AT, telling->instant);
		if (due->step == NULL)
		{
			lr_journal_set_text(&row, EVENT_KIND, "breached");
			lr_journal_set_text(&row, EVENT_CODE, due->result);
			lr_journal_set_text(&row, EVENT_OWNER, clock->row.owner);
		}
		else
		{
			lr_journal_set_text(&row, EVENT_KIND, strcmp(due->step->action, "remind") == 0 ? "reminder" : "escalated");
			lr_journal_set_text(&row, EVENT_CODE, "breached");
			lr_journal_set_text(&row, EVENT_OWNER, clock->owner);
		}
		lr_journal_set_text(&row, EVENT_TEAM, clock->team);
		reason = reason_of(due);
		lr_journal_set_text(&row, EVENT_REASON, reason);
		lr_journal_set_datum(&row, EVENT_PATH, path_of(due, telling->instant));
		lr_journal_append(JOURNAL_EVENTS, &row);
	}
	lr_journal_flush();
}

static char *
reason_of(const Due *due)
{
	const ClockRow *row = &due->clock->row;
	char *deadline = instant_text(row->clock.due_at);

	if (due->step == NULL)
		return psprintf("%s of policy %s was due %s: %s", row->metric, row->policy, deadline, due->result);
	if (due->result)
		return psprintf("%s of policy %s, due %s: %s told %s", row->metric, row->policy, deadline, due->step->step, due->result);
	return psprintf("%s of policy %s, due %s: %s told nobody: there is no %s", row->metric, row->policy, deadline, due->step->step, due->step->recipient);
}

/* An instant as SQL's format() shows it. */
static char *
instant_text(TimestampTz at)
{
	return DatumGetCString(DirectFunctionCall1(timestamptz_out, TimestampTzGetDatum(at)));
}

static Datum
path_of(const Due *due, TimestampTz instant)
{
	const ClockRow *row = &due->clock->row;
	JsonbParseState *json = NULL;

	(void) pushJsonbValue(&json, WJB_BEGIN_ARRAY, NULL);
	(void) pushJsonbValue(&json, WJB_BEGIN_OBJECT, NULL);
	add_text(&json, "policy", row->policy);
	add_value(&json, "round", (JsonbValue){.type = jbvNumeric, .val.numeric = int64_to_numeric(row->round)});
	if (due->step == NULL)
	{
		add_text(&json, "metric", row->metric);
		add_time(&json, "due_at", due->due_at);
	}
	else
	{
		add_text(&json, "step", due->step->step);
		add_text(&json, "recipient", due->result);
		add_time(&json, "due", due->due_at);
		add_text(&json, "late_by",
				 DatumGetCString(DirectFunctionCall1(interval_out, DirectFunctionCall2(timestamp_mi, TimestampTzGetDatum(instant), TimestampTzGetDatum(due->due_at)))));
	}
	(void) pushJsonbValue(&json, WJB_END_OBJECT, NULL);
	return JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&json, WJB_END_ARRAY, NULL)));
}

static void
add_value(JsonbParseState **json, const char *name, JsonbValue value)
{
	add_key(json, name);
	(void) pushJsonbValue(json, WJB_VALUE, &value);
}

static void
add_key(JsonbParseState **json, const char *name)
{
	JsonbValue key = {.type = jbvString};

	key.val.string.val = unconstify(char *, name);
	key.val.string.len = (int) strlen(name);
	(void) pushJsonbValue(json, WJB_KEY, &key);
}

/* The text is not copied until the object is complete; NULL is null. */
static void
add_text(JsonbParseState **json, const char *name, const char *text)
{
	JsonbValue value = {.type = jbvNull};

	if (text)
	{
		value.type = jbvString;
		value.val.string.val = unconstify(char *, text);
		value.val.string.len = (int) strlen(text);
	}
	add_value(json, name, value);
}

static void
add_time(JsonbParseState **json, const char *name, TimestampTz value)
{
	char *text = palloc(MAXDATELEN + 1);

	JsonEncodeDateTime(text, TimestampTzGetDatum(value), TIMESTAMPTZOID, NULL);
	add_text(json, name, text);
}

/* The clocks' next versions. */
static void
move_clocks(const Telling *telling)
{
	DirectWrite write;

	lr_direct_open(&clock_table, &write);
	for (int i = 0; i < telling->nclocks; i++)
	{
		DueClock *clock = &telling->clocks[i];
		ClockRow *row = &clock->row;
		TimestampTz next;

		if (clock->nsteps > 0)
		{
			clock->values[CLOCK_STEPS_DONE] = steps_done(clock);
			clock->nulls[CLOCK_STEPS_DONE] = false;
			row->steps += clock->nsteps;
			row->nsteps -= clock->nsteps;
		}
		if (clock->breaches)
		{
			clock->values[CLOCK_BREACHED_AT] = TimestampTzGetDatum(telling->instant);
			clock->values[CLOCK_BREACH_REASON] = CStringGetTextDatum(clock->reason);
			clock->nulls[CLOCK_BREACHED_AT] = clock->nulls[CLOCK_BREACH_REASON] = false;
			row->breached = true;
		}
		next = lr_clock_row_next(row);
		clock->values[CLOCK_NEXT_AT] = TimestampTzGetDatum(next);
		clock->nulls[CLOCK_NEXT_AT] = next == CLOCK_NEVER;
		if (!lr_direct_update(&write, (ItemPointer) DatumGetPointer(clock->values[DUE_TID]), heap_form_tuple(lr_direct_desc(&clock_table), clock->values, clock->nulls)))
			ereport(ERROR,
					(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
					 errmsg("a clock of lead \"%s\" has changed meanwhile", clock->lead),
					 errdetail("Somebody has written policy \"%s\", round %d, without a lock on the lead's row of lead_states.", row->policy, row->round)));
	}
	lr_direct_close(&write);
	CommandCounterIncrement();
}

/* Those that were, and those that are done now. */
static Datum
steps_done(const DueClock *clock)
{
	Datum *names = NULL;
	bool *nulls = NULL;
	int before = 0;
	int n = 0;
	Datum *all;

	if (!clock->nulls[CLOCK_STEPS_DONE])
		deconstruct_array(DatumGetArrayTypeP(clock->values[CLOCK_STEPS_DONE]), TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &before);
	all = palloc((before + clock->nsteps) * sizeof(Datum));
	for (int i = 0; i < before; i++)
		if (!nulls[i])
			all[n++] = names[i];
	for (int i = 0; i < clock->nsteps; i++)
		all[n++] = CStringGetTextDatum(clock->row.steps[i].step->step);
	return PointerGetDatum(construct_array(all, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* What is to be said of them where a consumer asked for it, in their order: {lead, reason} of a breach, {lead, who, line} of a notice. */
static Datum
messages(const Telling *telling, bool *isnull)
{
	bool breaches = lr_config_message_type(telling->config, "breached") != NULL;
	bool notices = lr_config_message_type(telling->config, "reminder") || lr_config_message_type(telling->config, "escalated");
	JsonbParseState *json = NULL;
	int n = 0;

	(void) pushJsonbValue(&json, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < telling->ndues; i++)
	{
		const Due *due = &telling->dues[i];
		const ClockRow *row = &due->clock->row;

		if (due->step ? !notices : !breaches)
			continue;
		n++;
		(void) pushJsonbValue(&json, WJB_BEGIN_OBJECT, NULL);
		add_text(&json, "lead", due->clock->lead);
		if (due->step == NULL)
			add_text(&json, "reason", reason_of(due));
		else
		{
			add_text(&json, "who", due->result);
			add_key(&json, "line");
			(void) pushJsonbValue(&json, WJB_BEGIN_OBJECT, NULL);
			add_text(&json, "policy", row->policy);
			add_text(&json, "metric", row->metric);
			add_value(&json, "round", (JsonbValue){.type = jbvNumeric, .val.numeric = int64_to_numeric(row->round)});
			add_text(&json, "step", due->step->step);
			add_text(&json, "action", due->step->action);
			add_text(&json, "recipient_role", due->step->recipient);
			add_time(&json, "step_due", due->due_at);
			add_time(&json, "deadline", row->clock.due_at);
			add_text(&json, "reason", psprintf("%s of policy %s, due %s", row->metric, row->policy, instant_text(row->clock.due_at)));
			(void) pushJsonbValue(&json, WJB_END_OBJECT, NULL);
		}
		(void) pushJsonbValue(&json, WJB_END_OBJECT, NULL);
	}
	*isnull = n == 0;
	return JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&json, WJB_END_ARRAY, NULL)));
}
