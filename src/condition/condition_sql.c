/*
 * condition_sql.c
 *		The SQL functions about conditions: entry points only, see condition.c.
 *
 * The relation that is asked about is opened with AccessShareLock, which is given
 * back before return. A flow's attachment is read without a look at privileges:
 * who may ask about a condition need not be able to read the configuration.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "condition.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "leadroute.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(lr_check_condition);
PG_FUNCTION_INFO_V1(lr_check_expression);
PG_FUNCTION_INFO_V1(lr_condition_columns_sql);
PG_FUNCTION_INFO_V1(lr_condition_holds_sql);

/* The output columns by their canonical names. */
static const char *const output_names[] = {
	"owner", "team", "territory", "account", "score", "fit", "engagement", "grade", "stage",
	"duplicate_of", "sla_due_at", "routed_at", "route_reason"};

/* What one call site keeps in fn_extra: the last condition, and what it was compiled for. */
typedef struct HoldsCache
{
	MemoryContext context;
	Oid type; /* the row's type */
	int32 typmod;
	char *flow;
	TupleDesc row;
	TupleDesc facts;
	TupleTableSlot *row_slot;
	TupleTableSlot *facts_slot;
	ExprContext *econtext;
	LrCondition *condition;
} HoldsCache;

static void check_source(const char *source, Oid relid, Oid type, const char *flow);
static Relation open_row_relation(Oid relid);
static void fill_scope(LrConditionScope *scope, TupleDesc row, Oid relid, const char *flow);
static Jsonb *read_mapping(const char *flow);
static const char *mapped_column(Jsonb *mapping, const char *name);
static HoldsCache *holds_prepare(FunctionCallInfo fcinfo, const char *source, Oid type, int32 typmod, const char *flow);
static void store_composite(TupleTableSlot *slot, HeapTupleHeader header, HeapTuple tuple);

/* check_condition(condition text, relation regclass, flow text) RETURNS void */
Datum
lr_check_condition(PG_FUNCTION_ARGS)
{
	check_source(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_OID(1), BOOLOID, text_to_cstring(PG_GETARG_TEXT_PP(2)));
	PG_RETURN_VOID();
}

/* check_expression(expression text, relation regclass, type regtype, flow text) RETURNS void */
Datum
lr_check_expression(PG_FUNCTION_ARGS)
{
	check_source(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_OID(1), PG_GETARG_OID(2),
				 text_to_cstring(PG_GETARG_TEXT_PP(3)));
	PG_RETURN_VOID();
}

static void
check_source(const char *source, Oid relid, Oid type, const char *flow)
{
	Relation rel = open_row_relation(relid);
	LrConditionScope scope;

	fill_scope(&scope, RelationGetDescr(rel), RelationGetRelid(rel), flow);
	(void) lr_condition_analyze(source, &scope, type);
	relation_close(rel, AccessShareLock);
}

/* condition_columns(condition text, relation regclass) RETURNS text[] */
Datum
lr_condition_columns_sql(PG_FUNCTION_ARGS)
{
	char *source = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Relation rel = open_row_relation(PG_GETARG_OID(1));
	LrConditionScope scope;
	Bitmapset *columns;
	Datum *names;
	int nnames = 0;
	int attno = -1;

	fill_scope(&scope, RelationGetDescr(rel), RelationGetRelid(rel), NULL);
	columns = lr_condition_attributes(lr_condition_analyze(source, &scope, BOOLOID), OUTER_VAR);
	names = (Datum *) palloc(sizeof(Datum) * Max(bms_num_members(columns), 1));
	while ((attno = bms_next_member(columns, attno)) >= 0)
		names[nnames++] = CStringGetTextDatum(NameStr(TupleDescAttr(RelationGetDescr(rel), attno - 1)->attname));
	relation_close(rel, AccessShareLock);
	PG_RETURN_ARRAYTYPE_P(construct_array(names, nnames, TEXTOID, -1, false, TYPALIGN_INT));
}

/* condition_holds(condition text, "row" record, facts leadroute.facts, flow text) RETURNS boolean */
Datum
lr_condition_holds_sql(PG_FUNCTION_ARGS)
{
	char *source;
	char *flow;
	HeapTupleHeader row;
	HeapTupleData row_tuple;
	HeapTupleData facts_tuple;
	HoldsCache *cache;
	Datum value;
	bool isnull;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(3))
		PG_RETURN_NULL();
	source = text_to_cstring(PG_GETARG_TEXT_PP(0));
	row = PG_GETARG_HEAPTUPLEHEADER(1);
	flow = text_to_cstring(PG_GETARG_TEXT_PP(3));
	cache = holds_prepare(fcinfo, source, HeapTupleHeaderGetTypeId(row), HeapTupleHeaderGetTypMod(row), flow);

	store_composite(cache->row_slot, row, &row_tuple);
	if (PG_ARGISNULL(2))
		ExecStoreAllNullTuple(cache->facts_slot);
	else
		store_composite(cache->facts_slot, PG_GETARG_HEAPTUPLEHEADER(2), &facts_tuple);

	ResetExprContext(cache->econtext);
	cache->econtext->ecxt_outertuple = cache->row_slot;
	cache->econtext->ecxt_innertuple = cache->facts_slot;
	value = lr_condition_value(cache->condition, cache->econtext, &isnull);
	ExecClearTuple(cache->row_slot);
	ExecClearTuple(cache->facts_slot);
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(value);
}

/* Open what a lead's row can be described by. */
static Relation
open_row_relation(Oid relid)
{
	Relation rel = relation_open(relid, AccessShareLock);

	switch (rel->rd_rel->relkind)
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_FOREIGN_TABLE:
		case RELKIND_COMPOSITE_TYPE:
			return rel;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("\"%s\" is not a table", RelationGetRelationName(rel)),
					 errhint("A condition is written for a leads table or a composite type.")));
	}
	return NULL; /* keep the compiler quiet */
}

/* The scope of a row in a flow; without a flow nothing counts as an output column. */
static void
fill_scope(LrConditionScope *scope, TupleDesc row, Oid relid, const char *flow)
{
	memset(scope, 0, sizeof(LrConditionScope));
	scope->row = row;
	scope->facts = lr_facts_desc();
	scope->relid = relid;
	if (flow)
	{
		Jsonb *mapping = read_mapping(flow);
		const char **outputs = (const char **) palloc(sizeof(output_names));
		int i;

		for (i = 0; i < lengthof(output_names); i++)
			outputs[i] = mapped_column(mapping, output_names[i]);
		scope->outputs = outputs;
		scope->output_names = output_names;
		scope->noutputs = lengthof(output_names);
	}
}

/* The column mapping of a flow's attachment, palloc'd; NULL if there is none. */
static Jsonb *
read_mapping(const char *flow)
{
	Relation rel = table_open(lr_relation_oid("attachments"), AccessShareLock);
	TupleDesc desc = RelationGetDescr(rel);
	AttrNumber flow_attno = get_attnum(RelationGetRelid(rel), "flow");
	AttrNumber columns_attno = get_attnum(RelationGetRelid(rel), "columns");
	Snapshot snapshot = RegisterSnapshot(GetActiveSnapshot());
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, snapshot, 0, NULL);
	Jsonb *mapping = NULL;
	HeapTuple tuple;

	while (mapping == NULL && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool isnull;
		char *name = TextDatumGetCString(heap_getattr(tuple, flow_attno, desc, &isnull));

		if (strcmp(name, flow) == 0)
			mapping = DatumGetJsonbPCopy(heap_getattr(tuple, columns_attno, desc, &isnull));
		pfree(name);
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
	return mapping;
}

/* The column that bears a canonical name: {"name": "column"} or {"name": {"column": "column", ...}}. */
static const char *
mapped_column(Jsonb *mapping, const char *name)
{
	JsonbValue buffer;
	JsonbValue *value;

	if (mapping == NULL)
		return name;
	value = getKeyJsonValueFromContainer(&mapping->root, name, strlen(name), &buffer);
	if (value && value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data))
		value = getKeyJsonValueFromContainer(value->val.binary.data, "column", strlen("column"), NULL);
	if (value == NULL || value->type != jbvString)
		return name;
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/* The condition compiled for this row type, from the call site's cache where it was the last one. */
static HoldsCache *
holds_prepare(FunctionCallInfo fcinfo, const char *source, Oid type, int32 typmod, const char *flow)
{
	HoldsCache *cache = (HoldsCache *) fcinfo->flinfo->fn_extra;
	MemoryContext caller;
	MemoryContext context;
	LrConditionScope scope;

	if (cache && cache->type == type && cache->typmod == typmod && strcmp(cache->flow, flow) == 0 &&
		strcmp(lr_condition_text(cache->condition), source) == 0)
		return cache;
	if (cache)
	{
		fcinfo->flinfo->fn_extra = NULL;
		MemoryContextDelete(cache->context);
	}

	context = AllocSetContextCreate(CurrentMemoryContext, "leadroute condition_holds", ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(context);
	cache = (HoldsCache *) palloc0(sizeof(HoldsCache));
	cache->context = context;
	cache->type = type;
	cache->typmod = typmod;
	cache->flow = pstrdup(flow);
	cache->row = lookup_rowtype_tupdesc_copy(type, typmod);
	fill_scope(&scope, cache->row, type == RECORDOID ? InvalidOid : get_typ_typrelid(type), flow);
	cache->facts = scope.facts;
	cache->row_slot = MakeTupleTableSlot(cache->row, &TTSOpsHeapTuple);
	cache->facts_slot = MakeTupleTableSlot(cache->facts, &TTSOpsHeapTuple);
	cache->condition = lr_condition_compile(source, &scope, context);
	cache->econtext = CreateStandaloneExprContext();
	MemoryContextSwitchTo(caller);

	MemoryContextSetParent(context, fcinfo->flinfo->fn_mcxt);
	fcinfo->flinfo->fn_extra = cache;
	return cache;
}

static void
store_composite(TupleTableSlot *slot, HeapTupleHeader header, HeapTuple tuple)
{
	tuple->t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple->t_self);
	tuple->t_tableOid = InvalidOid;
	tuple->t_data = header;
	ExecForceStoreHeapTuple(tuple, slot, false);
}
