/*
 * rotation_sql.c
 *		Rotation as SQL sees it: reading, folding and editing the ledger, and members who join.
 *
 * Joining takes two steps. A row trigger notes at once who joins; a deferred constraint trigger settles all of
 * them when the transaction commits (or SET CONSTRAINTS asks for it), so that members who join together are told from
 * those who were there, in whatever order the rows of reps and team_members come. The notes live in
 * TopTransactionContext and follow subtransactions: a note goes with the level that made it, and what a level
 * settled is unsettled again when it aborts.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "leadroute.h"
#include "miscadmin.h"
#include "rotation.h"
#include "rotation_shmem.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(lr_sql_rotation_ready);
PG_FUNCTION_INFO_V1(lr_sql_rotation_member);
PG_FUNCTION_INFO_V1(lr_sql_rotation_team);
PG_FUNCTION_INFO_V1(lr_sql_rotation_open);
PG_FUNCTION_INFO_V1(lr_sql_rotation_raise);
PG_FUNCTION_INFO_V1(lr_sql_rotation_counts);
PG_FUNCTION_INFO_V1(lr_sql_rotation_tallies);
PG_FUNCTION_INFO_V1(lr_sql_rotation_reconcile);
PG_FUNCTION_INFO_V1(lr_sql_rotation_reconciled);
PG_FUNCTION_INFO_V1(lr_sql_rotation_reset);
PG_FUNCTION_INFO_V1(lr_sql_fold_rotation);
PG_FUNCTION_INFO_V1(lr_sql_rotation_edited);
PG_FUNCTION_INFO_V1(lr_sql_rotation_joining);
PG_FUNCTION_INFO_V1(lr_sql_rotation_joiners);
PG_FUNCTION_INFO_V1(lr_sql_rotation_join);

/* One row of team_members (team given) or reps (team NULL) that made somebody a member. */
typedef struct Joiner
{
	int nest_level;
	int settled_level; /* 0: not settled */
	bool returns;	   /* was there before, and comes back */
	char *flow;
	char *team;
	char *rep;
} Joiner;

static List *joiners = NIL;
static int unsettled = 0;
static int deepest_level = 0;

static bool folding = false;

static void check_trigger(FunctionCallInfo fcinfo, const char *name);
static char *column_value(HeapTuple tuple, TupleDesc descriptor, const char *column);
static bool same_value(TriggerData *trigger, const char *column);
static bool is_member(HeapTuple tuple, TupleDesc descriptor, bool of_team);

/* Whether shared memory answers for the ledger: preloaded, and not in recovery. */
Datum
lr_sql_rotation_ready(PG_FUNCTION_ARGS)
{
	if (!lr_rotation_available() || RecoveryInProgress())
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(true);
}

/* (flow, team, rep) -> (pointer, open), NULLs where shared memory does not answer. */
Datum
lr_sql_rotation_member(PG_FUNCTION_ARGS)
{
	char *rep = text_to_cstring(PG_GETARG_TEXT_PP(2));
	TupleDesc descriptor;
	Datum values[2] = {0, 0};
	bool nulls[2] = {true, true};

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (lr_rotation_available() && !RecoveryInProgress())
	{
		int64 pointer;
		int32 open;

		lr_rotation_read_members(text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)),
								 &rep, 1, &pointer, &open);
		values[0] = Int64GetDatum(pointer);
		values[1] = Int32GetDatum(open);
		nulls[0] = nulls[1] = false;
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}

/* (flow, team, reps) -> a row (pointer, open) each, as of one instant. */
Datum
lr_sql_rotation_team(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	bool ready = lr_rotation_available() && !RecoveryInProgress();
	Datum *elements;
	bool *isnull;
	int n;
	char **reps;
	int64 *pointers;
	int32 *opens;

	InitMaterializedSRF(fcinfo, 0);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), TEXTOID, -1, false, TYPALIGN_INT, &elements, &isnull, &n);
	reps = palloc(n * sizeof(char *));
	pointers = palloc0(n * sizeof(int64));
	opens = palloc0(n * sizeof(int32));
	for (int i = 0; i < n; i++)
		reps[i] = isnull[i] ? pstrdup("") : TextDatumGetCString(elements[i]);
	if (ready)
		lr_rotation_read_members(text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)),
								 reps, n, pointers, opens);
	for (int i = 0; i < n; i++)
	{
		Datum values[2] = {Int64GetDatum(pointers[i]), Int32GetDatum(opens[i])};
		bool nulls[2] = {!ready || isnull[i], !ready || isnull[i]};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* (flow, team, rep, delta): places of leads that SQL adopts, closes or hands over. */
Datum
lr_sql_rotation_open(PG_FUNCTION_ARGS)
{
	char *flow = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *team = text_to_cstring(PG_GETARG_TEXT_PP(1));
	char *rep = text_to_cstring(PG_GETARG_TEXT_PP(2));
	int32 delta = PG_GETARG_INT32(3);

	if (delta == 0)
		PG_RETURN_VOID();
	if (!lr_rotation_available())
		lr_rotation_append(flow, team, rep, 0, delta);
	else if (delta > 0)
		lr_rotation_take_places(lr_rotation_slot(flow, team, rep), delta);
	else
		lr_rotation_free_place(lr_rotation_slot(flow, team, rep), -delta);
	PG_RETURN_VOID();
}

/* (flow, team, rep, raise): a joiner's start. */
Datum
lr_sql_rotation_raise(PG_FUNCTION_ARGS)
{
	char *flow = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *team = text_to_cstring(PG_GETARG_TEXT_PP(1));
	char *rep = text_to_cstring(PG_GETARG_TEXT_PP(2));
	int64 raise = PG_GETARG_INT64(3);

	if (raise <= 0)
		PG_RETURN_VOID();
	if (lr_rotation_available())
		lr_rotation_raise(lr_rotation_slot(flow, team, rep), raise);
	else
		lr_rotation_append(flow, team, rep, raise, 0);
	PG_RETURN_VOID();
}

/* (flow, team, rep) -> a row (of_rep, period, zone, begins, ends, leads) for each span in which a cap counts leads of the member. */
Datum
lr_sql_rotation_counts(PG_FUNCTION_ARGS)
{
	static const char *const periods[] = {"hour", "day", "week", "month", "rolling hour", "rolling day", "rolling week", "rolling month"};
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	RotationMeter *meters = palloc(MEMBER_METERS * sizeof(RotationMeter));
	RotationKey key;
	int n = 0;

	InitMaterializedSRF(fcinfo, 0);
	if (lr_rotation_available() && !RecoveryInProgress())
	{
		lr_rotation_load();
		key = lr_rotation_key(text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)),
							  text_to_cstring(PG_GETARG_TEXT_PP(2)));
		n = lr_rotation_meters(&key, meters);
	}
	for (int i = 0; i < n; i++)
	{
		for (int j = 0; j < METER_SLOTS; j++)
		{
			const MeterSlot *slot = &meters[i].slots[j];
			Datum values[6];
			bool nulls[6] = {false};

			if (slot->begin == slot->end)
				continue;
			values[0] = BoolGetDatum(meters[i].key.of_rep != 0);
			values[1] = CStringGetTextDatum(periods[meters[i].key.kind]);
			values[2] = CStringGetTextDatum(meters[i].zone);
			values[3] = TimestampTzGetDatum((TimestampTz) slot->begin * USECS_PER_MINUTE);
			values[4] = TimestampTzGetDatum((TimestampTz) slot->end * USECS_PER_MINUTE);
			values[5] = Int32GetDatum(slot->count);
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		}
	}
	return (Datum) 0;
}

/* (flow, team, rep, takes) -> (expected, passed): figures for fairness() since they were last taken; no values where there are none. */
Datum
lr_sql_rotation_tallies(PG_FUNCTION_ARGS)
{
	TupleDesc descriptor;
	double expected = 0;
	uint32 passed[ROTATION_REASONS] = {0};
	Datum counts[ROTATION_REASONS];
	Datum values[2];
	bool nulls[2] = {false, false};

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (lr_rotation_available() && !RecoveryInProgress())
	{
		RotationKey key = lr_rotation_key(text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)),
										  text_to_cstring(PG_GETARG_TEXT_PP(2)));

		(void) lr_rotation_tallies(&key, PG_GETARG_BOOL(3), &expected, passed);
	}
	for (int i = 0; i < ROTATION_REASONS; i++)
		counts[i] = Int64GetDatum(passed[i]);
	values[0] = Float8GetDatum(expected);
	values[1] = PointerGetDatum(construct_array(counts, ROTATION_REASONS, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}

/* How many members and spans shared memory had wrong: corrected now. NULL where shared memory does not answer. */
Datum
lr_sql_rotation_reconcile(PG_FUNCTION_ARGS)
{
	if (!lr_rotation_available() || RecoveryInProgress())
		PG_RETURN_NULL();
	PG_RETURN_INT64(lr_rotation_reconcile());
}

/* When that was done last (NULL: not since the start), and how many were found since the start. */
Datum
lr_sql_rotation_reconciled(PG_FUNCTION_ARGS)
{
	TupleDesc descriptor;
	TimestampTz at = 0;
	int64 drifted = 0;
	Datum values[2];
	bool nulls[2] = {false, false};

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (lr_rotation_available() && !RecoveryInProgress())
		lr_rotation_reconciled(&at, &drifted);
	values[0] = TimestampTzGetDatum(at);
	nulls[0] = at == 0;
	values[1] = Int64GetDatum(drifted);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}

/* By the install script: what an earlier installation in this database left in shared memory is read away. */
Datum
lr_sql_rotation_reset(PG_FUNCTION_ARGS)
{
	lr_rotation_reload(true);
	PG_RETURN_VOID();
}

/* (flow or NULL): one row for each member's many. Returns how many rows it folded. Waits for nobody. */
Datum
lr_sql_fold_rotation(PG_FUNCTION_ARGS)
{
	Oid types[1] = {TEXTOID};
	Datum values[1];
	char nulls[1] = {' '};
	int64 folded = 0;

	if (PG_ARGISNULL(0))
		nulls[0] = 'n';
	else
		values[0] = PG_GETARG_DATUM(0);

	/* an old snapshot does not tell which minutes are asked for, nor may they change while somebody counts them */
	if (IsolationUsesXactSnapshot() ||
		!DatumGetBool(DirectFunctionCall2(pg_try_advisory_xact_lock_shared_int4, Int32GetDatum(RelationRelationId),
										  Int32GetDatum(lr_relation_oid("rotation")))))
		PG_RETURN_INT64(0);
	SPI_connect();
	folding = true;
	PG_TRY();
	{
		bool isnull;

		if (SPI_execute_with_args("WITH horizon AS MATERIALIZED ("
								  "  SELECT f.flow, leadroute.clock() - CASE WHEN c.caps ~ 'month' THEN interval '32 days' WHEN c.caps ~ 'week' THEN interval '8 days'"
								  "    WHEN c.caps ~ 'day' THEN interval '2 days' WHEN c.caps <> '' THEN interval '2 hours' ELSE interval '-1 minute' END AS since"
								  "  FROM (SELECT DISTINCT r.flow FROM leadroute.rotation r WHERE $1 IS NULL OR r.flow = $1) f"
								  "  CROSS JOIN LATERAL (SELECT concat((SELECT string_agg(array_to_string(p.caps, ','), ',') FROM leadroute.reps p WHERE p.flow = f.flow),"
								  "    (SELECT string_agg(array_to_string(m.caps, ','), ',') FROM leadroute.team_members m WHERE m.flow = f.flow)) AS caps) c),"
								  /* a member's sums in one row; leads by the minute for two hours, then by the quarter of an hour, as long as a cap may ask */
								  " standing AS (SELECT r.ctid AS place, r.minute, r.minute < h.since AS old, r.pointer <> 0 OR r.open <> 0 AS sums,"
								  "  count(*) FILTER (WHERE r.pointer <> 0 OR r.open <> 0) OVER (PARTITION BY r.flow, r.team, r.rep) AS members,"
								  "  count(*) OVER (PARTITION BY r.flow, r.team, r.rep, leadroute.rotation_bin(r.minute, leadroute.clock())) AS binned"
								  "  FROM leadroute.rotation r JOIN horizon h ON h.flow = r.flow),"
								  " chosen AS (SELECT r.ctid AS place FROM leadroute.rotation r WHERE r.ctid = ANY (ARRAY("
								  "    SELECT s.place FROM standing s WHERE (s.sums AND s.members > 1) OR (NOT s.sums AND s.minute IS NULL)"
								  "      OR (s.minute IS NOT NULL AND (s.old OR s.binned > 1))))"
								  "  FOR UPDATE OF r SKIP LOCKED),"
								  " taken AS (DELETE FROM leadroute.rotation r USING chosen c WHERE r.ctid = c.place"
								  "  RETURNING r.flow, r.team, r.rep, r.pointer, r.open, r.minute, r.leads),"
								  " put AS (INSERT INTO leadroute.rotation (flow, team, rep, pointer, open)"
								  "  SELECT t.flow, t.team, t.rep, sum(t.pointer)::bigint, sum(t.open)::integer FROM taken t"
								  "  GROUP BY t.flow, t.team, t.rep HAVING sum(t.pointer) <> 0 OR sum(t.open) <> 0),"
								  " put_leads AS (INSERT INTO leadroute.rotation (flow, team, rep, pointer, open, minute, leads)"
								  "  SELECT t.flow, t.team, t.rep, 0, 0, max(t.minute), sum(t.leads)::integer"
								  "  FROM taken t JOIN horizon h ON h.flow = t.flow WHERE t.minute >= h.since"
								  "  GROUP BY t.flow, t.team, t.rep, leadroute.rotation_bin(t.minute, leadroute.clock()) HAVING sum(t.leads) <> 0)"
								  " SELECT count(*) FROM taken",
								  1, types, values, nulls, false, 0) != SPI_OK_SELECT ||
			SPI_processed != 1)
			elog(ERROR, "folding the ledger returned no count");
		folded = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	}
	PG_FINALLY();
	{
		folding = false;
	}
	PG_END_TRY();
	SPI_finish();
	PG_RETURN_INT64(folded);
}

/* Statement trigger of the ledger: somebody else than leadroute wrote it. */
Datum
lr_sql_rotation_edited(PG_FUNCTION_ARGS)
{
	check_trigger(fcinfo, "rotation_edited");
	if (!folding)
		lr_rotation_reload(false);
	PG_RETURN_POINTER(NULL);
}

/* Row trigger of team_members and reps: notes who joins. */
Datum
lr_sql_rotation_joining(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc descriptor;
	HeapTuple tuple;
	bool of_team;
	Joiner *joiner;
	MemoryContext caller_context;

	check_trigger(fcinfo, "rotation_joining");
	descriptor = RelationGetDescr(trigger->tg_relation);
	of_team = SPI_fnumber(descriptor, "team") > 0;
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
	{
		tuple = trigger->tg_newtuple;
		if (is_member(trigger->tg_trigtuple, descriptor, of_team) &&
			same_value(trigger, "flow") && same_value(trigger, "rep") &&
			(!of_team || same_value(trigger, "team")))
			PG_RETURN_POINTER(NULL);
	}
	else
		tuple = trigger->tg_trigtuple;
	if (!is_member(tuple, descriptor, of_team))
		PG_RETURN_POINTER(NULL);

	caller_context = MemoryContextSwitchTo(TopTransactionContext);
	joiner = palloc(sizeof(Joiner));
	joiner->nest_level = GetCurrentTransactionNestLevel();
	joiner->settled_level = 0;
	joiner->returns = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event);
	joiner->flow = column_value(tuple, descriptor, "flow");
	joiner->team = of_team ? column_value(tuple, descriptor, "team") : NULL;
	joiner->rep = column_value(tuple, descriptor, "rep");
	joiners = lappend(joiners, joiner);
	MemoryContextSwitchTo(caller_context);
	unsettled++;
	deepest_level = Max(deepest_level, joiner->nest_level);
	PG_RETURN_POINTER(NULL);
}

/* The rows noted in this transaction: (flow, team or NULL, rep, settled, returns). */
Datum
lr_sql_rotation_joiners(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell *cell;

	InitMaterializedSRF(fcinfo, 0);
	foreach(cell, joiners)
	{
		Joiner *joiner = lfirst(cell);
		Datum values[5];
		bool nulls[5] = {false, false, false, false, false};

		values[0] = CStringGetTextDatum(joiner->flow);
		if (joiner->team != NULL)
			values[1] = CStringGetTextDatum(joiner->team);
		else
			nulls[1] = true;
		values[2] = CStringGetTextDatum(joiner->rep);
		values[3] = BoolGetDatum(joiner->settled_level != 0);
		values[4] = BoolGetDatum(joiner->returns);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* Deferred constraint trigger of team_members and reps: the first to fire settles all joiners. */
Datum
lr_sql_rotation_join(PG_FUNCTION_ARGS)
{
	ListCell *cell;
	Oid ledger;
	List *flows = NIL;
	int nest_level = GetCurrentTransactionNestLevel();

	check_trigger(fcinfo, "rotation_join");
	if (unsettled == 0)
		PG_RETURN_POINTER(NULL);

	/* Two transactions whose members join one flow go one after the other: the second sees the first's raises. */
	ledger = lr_relation_oid("rotation");
	foreach(cell, joiners)
	{
		Joiner *joiner = lfirst(cell);

		if (joiner->settled_level == 0)
			flows = list_append_unique_oid(flows, hash_bytes((unsigned char *) joiner->flow, strlen(joiner->flow)));
	}
	list_sort(flows, list_oid_cmp);
	foreach(cell, flows)
		LockDatabaseObject(ledger, lfirst_oid(cell), 0, ExclusiveLock);

	SPI_connect();
	if (SPI_execute("SELECT leadroute.rotation_settle_joins()", false, 0) != SPI_OK_SELECT)
		elog(ERROR, "settling joiners failed");
	SPI_finish();

	foreach(cell, joiners)
	{
		Joiner *joiner = lfirst(cell);

		if (joiner->settled_level == 0)
			joiner->settled_level = nest_level;
	}
	unsettled = 0;
	deepest_level = Max(deepest_level, nest_level);
	PG_RETURN_POINTER(NULL);
}

void
lr_rotation_joins_end_sub(int nest_level, bool committed)
{
	ListCell *cell;

	if (deepest_level < nest_level)
		return;
	foreach(cell, joiners)
	{
		Joiner *joiner = lfirst(cell);

		if (joiner->nest_level >= nest_level)
		{
			if (!committed)
			{
				if (joiner->settled_level == 0)
					unsettled--;
				joiners = foreach_delete_current(joiners, cell);
				continue;
			}
			joiner->nest_level = nest_level - 1;
		}
		if (joiner->settled_level >= nest_level)
		{
			if (!committed)
				unsettled++;
			joiner->settled_level = committed ? nest_level - 1 : 0;
		}
	}
	deepest_level = nest_level - 1;
}

/* The memory goes with its transaction. */
void
lr_rotation_joins_end(void)
{
	joiners = NIL;
	unsettled = 0;
	deepest_level = 0;
}

static void
check_trigger(FunctionCallInfo fcinfo, const char *name)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by trigger manager", name)));
}

/* Whether a row of team_members or reps makes its rep somebody who takes turns. */
static bool
is_member(HeapTuple tuple, TupleDesc descriptor, bool of_team)
{
	bool isnull;
	Datum value = SPI_getbinval(tuple, descriptor, SPI_fnumber(descriptor, of_team ? "weight" : "active"), &isnull);

	if (isnull)
		return false;
	if (of_team)
		return DatumGetInt32(value) > 0;
	return DatumGetBool(value) &&
		   DatumGetBool(SPI_getbinval(tuple, descriptor, SPI_fnumber(descriptor, "accepting"), &isnull)) && !isnull;
}

static bool
same_value(TriggerData *trigger, const char *column)
{
	TupleDesc descriptor = RelationGetDescr(trigger->tg_relation);

	return strcmp(column_value(trigger->tg_trigtuple, descriptor, column),
				  column_value(trigger->tg_newtuple, descriptor, column)) == 0;
}

/* The text of a key column, in the current context. */
static char *
column_value(HeapTuple tuple, TupleDesc descriptor, const char *column)
{
	char *value = SPI_getvalue(tuple, descriptor, SPI_fnumber(descriptor, column));

	if (value == NULL)
		elog(ERROR, "column \"%s\" of a joining member is null", column);
	return value;
}
