/*
 * lead.c
 *		A leads table as leadroute sees it.
 *
 * A shape is cached per relation (a partition is a relation of its own) and flow of the attachment. It goes stale with a
 * relcache invalidation of its relation, and with any change of configuration (config.c counts those).
 * Memory: one context per shape under CacheMemoryContext, which also holds the plans that route.c
 * compiles for it; deleted when it has been replaced and no trigger can still hold a pointer to it (lr_lead_collect).
 */
#include "postgres.h"

#include <ctype.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/partition.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "clock.h"
#include "compat.h"
#include "lead.h"
#include "leadroute.h"
#include "mb/pg_wchar.h"
#include "parser/parse_coerce.h"
#include "plan.h"
#include "protect.h"
#include "score.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

const char *const lr_output_names[LEAD_OUTPUTS] = {"owner", "team", "territory", "routed_at", "route_reason", "account", "duplicate_of",
												   "stage", "score", "fit", "engagement", "grade", "sla_due_at"};
const char *const lr_input_names[LEAD_INPUTS] = {"email", "phone", "first_name", "last_name", "company",
												 "website", "country", "region", "postal_code", "external_id",
												 "birth_date", "city"};

typedef struct Taking
{
	const LeadColumn *column;
	const char *text;
} Taking;

typedef struct KeyReading
{
	Oid type;
	int32 typmod;
	const char *lead;
	Datum key;
} KeyReading;

static List *shapes = NIL;		  /* of LeadShape, in shape_context */
static LeadShape *retired = NULL; /* replaced, perhaps still in use */
static MemoryContext shape_context = NULL;

static void shape_relcache_callback(Datum arg, Oid relid);
static LeadShape *shape_make(Relation rel, const FlowConfig *attachment);
static void copy_mappings(AttachmentConfig *copy, const AttachmentConfig *columns);
static void find_key_indexes(LeadShape *shape, Relation rel, const char *key);
static void look_at_triggers(LeadShape *shape, Relation rel);
static bool plainly_fits(Oid type, const char *lead);
static void read_key(void *arg);
static bool is_btree(Oid index);
static bool is_number(int output);
static bool takes_number(const LeadColumn *column);
static Datum number_datum(const LeadColumn *column, int64 hundredths);
static void take(void *arg);
static bool is_of_the_system(const LeadShape *shape, Form_pg_attribute attribute);

void
lr_lead_init(void)
{
	CacheRegisterRelcacheCallback(shape_relcache_callback, (Datum) 0);
}

static void
shape_relcache_callback(Datum arg, Oid relid)
{
	ListCell *cell;

	foreach(cell, shapes)
	{
		LeadShape *shape = lfirst(cell);

		if (relid == InvalidOid || shape->relid == relid)
			shape->stale = true;
	}
}

LeadShape *
lr_lead_shape_cached(Oid relid, const FlowConfig *attachment)
{
	ListCell *cell;

	foreach(cell, shapes)
	{
		LeadShape *shape = lfirst(cell);

		if (shape->relid == relid && !shape->stale && shape->generation == attachment->generation &&
			strcmp(shape->flow, attachment->flow) == 0)
			return shape;
	}
	return NULL;
}

LeadShape *
lr_lead_shape(Relation rel, const FlowConfig *attachment)
{
	LeadShape *shape = lr_lead_shape_cached(RelationGetRelid(rel), attachment);
	MemoryContext oldcontext;
	ListCell *cell;

	if (shape)
		return shape;
	foreach(cell, shapes)
	{
		shape = lfirst(cell);
		/* stale ones of other tables go too: those may be gone for good */
		if (!shape->stale && (shape->relid != RelationGetRelid(rel) || strcmp(shape->flow, attachment->flow) != 0))
			continue;
		shapes = foreach_delete_current(shapes, cell);
		shape->next_retired = retired;
		retired = shape;
	}

	if (shape_context == NULL)
		shape_context = AllocSetContextCreate(CacheMemoryContext, "leadroute leads tables",
											  ALLOCSET_DEFAULT_SIZES);
	shape = shape_make(rel, attachment);
	oldcontext = MemoryContextSwitchTo(shape_context);
	shapes = lappend(shapes, shape);
	MemoryContextSwitchTo(oldcontext);
	MemoryContextSetParent(shape->mcxt, shape_context);
	return shape;
}

void
lr_lead_collect(void)
{
	while (retired)
	{
		LeadShape *shape = retired;

		retired = shape->next_retired;
		MemoryContextDelete(shape->mcxt);
	}
}

Size
lr_lead_memory(void)
{
	return shape_context ? MemoryContextMemAllocated(shape_context, true) : 0;
}

void
lr_lead_forget_flow(const char *flow)
{
	ListCell *cell;

	foreach(cell, shapes)
		lr_plan_forget(lfirst(cell), flow);
}

static LeadShape *
shape_make(Relation rel, const FlowConfig *attachment)
{
	AttachmentConfig *columns = attachment->attachment;
	MemoryContext mcxt = AllocSetContextCreate(CurTransactionContext, "leadroute leads table",
											   ALLOCSET_SMALL_SIZES);
	MemoryContext oldcontext = MemoryContextSwitchTo(mcxt);
	LeadShape *shape = palloc0(sizeof(LeadShape));

	if (columns == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no leads table is attached for flow \"%s\"", attachment->flow),
				 errhint("Run SELECT leadroute.attach(%s, flow => %s).",
						 quote_literal_cstr(quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
																	   RelationGetRelationName(rel))),
						 quote_literal_cstr(attachment->flow))));
	shape->mcxt = mcxt;
	shape->relid = RelationGetRelid(rel);
	shape->flow = pstrdup(attachment->flow);
	shape->generation = attachment->generation;
	shape->desc = CreateTupleDescCopy(RelationGetDescr(rel));

	copy_mappings(&shape->columns, columns);

	lr_lead_column(&shape->key, shape->desc, columns->key_column, false, mcxt);
	if (shape->key.attno == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist",
						columns->key_column, RelationGetRelationName(rel)),
				 errdetail("It is the key by which flow \"%s\" knows its leads.", attachment->flow),
				 errhint("Run leadroute.attach() again with columns => '{\"key\": \"…\"}'.")));
	if (columns->flow_column)
		lr_lead_column(&shape->flow_column, shape->desc, columns->flow_column, false, mcxt);
	/* a column that merely bears the name "deleted" means nothing: it counts where it is mapped */
	if (lr_column_is_mapped(columns, "deleted"))
		lr_lead_column(&shape->deleted, shape->desc, lr_column_name(columns, "deleted"), false, mcxt);
	lr_lead_column(&shape->submitted_at, shape->desc, lr_column_name(columns, "submitted_at"), false, mcxt);
	shape->submitted_style = lr_instant_style(columns, "submitted_at");
	for (int i = 0; i < LEAD_INPUTS; i++)
		lr_lead_column(&shape->inputs[i], shape->desc, lr_column_name(columns, lr_input_names[i]), false, mcxt);
	lr_lead_column(&shape->consent, shape->desc, lr_column_name(columns, "consent"), false, mcxt);
	lr_lead_column(&shape->value, shape->desc, lr_column_name(columns, "value"), false, mcxt);
	lr_lead_column(&shape->name, shape->desc, lr_column_name(columns, "name"), false, mcxt);
	lr_lead_column(&shape->source, shape->desc, lr_column_name(columns, "source"), false, mcxt);
	lr_lead_column(&shape->intent, shape->desc, lr_column_name(columns, "intent"), false, mcxt);
	lr_lead_column(&shape->closed_at, shape->desc, lr_column_name(columns, "closed_at"), false, mcxt);
	shape->closed_style = lr_instant_style(columns, "closed_at");
	lr_lead_column(&shape->first_touch, shape->desc, lr_column_name(columns, "first_touch_at"), false, mcxt);
	shape->first_touch_style = lr_instant_style(columns, "first_touch_at");
	shape->fills_plainly = true;
	for (int i = 0; i < LEAD_OUTPUTS; i++)
	{
		const char *name = lr_column_name(columns, lr_output_names[i]);

		lr_lead_column(&shape->outputs[i], RelationGetDescr(rel), name, true, mcxt);
		/* a column that no flow fills has no name that a condition could meet */
		shape->output_columns[i] = name ? pstrdup(name) : "";
		shape->fills_plainly &= shape->outputs[i].attno == 0 || shape->outputs[i].type == TEXTOID ||
								((i == OUTPUT_ROUTED_AT || i == OUTPUT_SLA_DUE_AT) && shape->outputs[i].type == TIMESTAMPTZOID) ||
								(is_number(i) && takes_number(&shape->outputs[i]));
	}
	find_key_indexes(shape, rel, columns->key_column);
	look_at_triggers(shape, rel);
	MemoryContextSwitchTo(oldcontext);
	return shape;
}

static void
copy_mappings(AttachmentConfig *copy, const AttachmentConfig *columns)
{
	copy->nmappings = columns->nmappings;
	copy->mappings = palloc0(Max(columns->nmappings, 1) * sizeof(ColumnMapping));
	for (int i = 0; i < columns->nmappings; i++)
	{
		const ColumnMapping *mapping = &columns->mappings[i];

		copy->mappings[i].name = pstrdup(mapping->name);
		copy->mappings[i].column = mapping->column ? pstrdup(mapping->column) : NULL;
		copy->mappings[i].timezone = mapping->timezone ? pstrdup(mapping->timezone) : NULL;
		copy->mappings[i].dates = mapping->dates ? pstrdup(mapping->dates) : NULL;
	}
}

/* Fills in a column by its name; attno stays 0 where there is none. */
void
lr_lead_column(LeadColumn *column, TupleDesc desc, const char *name, bool fills, MemoryContext mcxt)
{
	memset(column, 0, sizeof(LeadColumn));
	/* mapped to null: none */
	if (name == NULL)
		return;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		Oid function;
		bool varlena;

		if (attribute->attisdropped || strcmp(NameStr(attribute->attname), name) != 0)
			continue;
		column->attno = attribute->attnum;
		column->type = attribute->atttypid;
		column->typmod = attribute->atttypmod;
		column->required = attribute->attnotnull;
		column->padded = getBaseType(column->type) == BPCHAROID;
		getTypeOutputInfo(column->type, &function, &varlena);
		fmgr_info_cxt(function, &column->output, mcxt);
		if (fills)
		{
			getTypeInputInfo(column->type, &function, &column->ioparam);
			fmgr_info_cxt(function, &column->input, mcxt);
		}
		return;
	}
}

AttrNumber
lr_lead_attno(const LeadShape *shape, const char *name)
{
	const char *column = lr_column_name(&shape->columns, name);

	for (int i = 0; column && i < shape->desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(shape->desc, i);

		if (!attribute->attisdropped && strcmp(NameStr(attribute->attname), column) == 0)
			return attribute->attnum;
	}
	return InvalidAttrNumber;
}

/*
 * Is the key guarded by a unique index on it alone, over all partitions? And by which index of this
 * relation can a key be looked up?
 */
static void
find_key_indexes(LeadShape *shape, Relation rel, const char *key)
{
	Relation root = rel;
	AttrNumber root_attno;
	List *indexes;
	ListCell *cell;

	if (rel->rd_rel->relispartition)
		root = table_open(llast_oid(get_partition_ancestors(RelationGetRelid(rel))), AccessShareLock);
	root_attno = get_attnum(RelationGetRelid(root), key);

	indexes = RelationGetIndexList(root);
	foreach(cell, indexes)
	{
		HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));
		Form_pg_index index;

		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for index %u", lfirst_oid(cell));
		index = (Form_pg_index) GETSTRUCT(tuple);
		if (index->indisunique && index->indimmediate && index->indisvalid && index->indnkeyatts == 1 &&
			index->indkey.values[0] == root_attno && heap_attisnull(tuple, Anum_pg_index_indpred, NULL))
			shape->guarded = true;
		ReleaseSysCache(tuple);
	}
	list_free(indexes);
	if (root != rel)
		table_close(root, AccessShareLock);

	indexes = RelationGetIndexList(rel);
	foreach(cell, indexes)
	{
		HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));
		Form_pg_index index;

		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for index %u", lfirst_oid(cell));
		index = (Form_pg_index) GETSTRUCT(tuple);
		if ((index->indisunique || index->indisexclusion) &&
			!(index->indnkeyatts == 1 && index->indkey.values[0] == shape->key.attno))
			shape->may_refuse = true;
		if (index->indisvalid && index->indkey.values[0] == shape->key.attno &&
			heap_attisnull(tuple, Anum_pg_index_indpred, NULL) &&
			is_btree(lfirst_oid(cell)))
			shape->key_index = lfirst_oid(cell);
		ReleaseSysCache(tuple);
	}
	list_free(indexes);
}

/* What the table's other row triggers may do to a row beside ours; they fire in the order of their names. */
static void
look_at_triggers(LeadShape *shape, Relation rel)
{
	for (int i = 0; rel->trigdesc && i < rel->trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &rel->trigdesc->triggers[i];

		if (!TRIGGER_FOR_ROW(trigger->tgtype))
			continue;
		if (TRIGGER_FOR_BEFORE(trigger->tgtype) && TRIGGER_FOR_UPDATE(trigger->tgtype))
		{
			shape->updates_before |= strcmp(trigger->tgname, "zzz_leadroute") < 0;
			shape->updates_after |= strcmp(trigger->tgname, "zzz_leadroute") > 0;
		}
		if (!TRIGGER_FOR_INSERT(trigger->tgtype))
			continue;
		if (TRIGGER_FOR_AFTER(trigger->tgtype) && !trigger->tgisinternal && strcmp(trigger->tgname, "0_leadroute") != 0)
			shape->watched = true;
		if (TRIGGER_FOR_BEFORE(trigger->tgtype) && strcmp(trigger->tgname, "zzz_leadroute") > 0)
			shape->may_refuse = true;
	}
}

static bool
is_number(int output)
{
	return output == OUTPUT_SCORE || output == OUTPUT_FIT || output == OUTPUT_ENGAGEMENT;
}

/* Whether any number from 0 to 100 fits, so that filling it cannot fail. */
static bool
takes_number(const LeadColumn *column)
{
	switch (column->type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
			return true;
		case NUMERICOID:
			return column->typmod < 0;
		default:
			return false;
	}
}

char *
lr_lead_number(const LeadColumn *column, int64 hundredths)
{
	Oid type;

	if (column->attno == 0)
		return NULL;
	type = getBaseType(column->type);
	return type == INT2OID || type == INT4OID || type == INT8OID ? psprintf(INT64_FORMAT, (hundredths + 50) / 100) : lr_score_text(hundredths);
}

/* Of hundredths; a whole number's column has them rounded. */
static Datum
number_datum(const LeadColumn *column, int64 hundredths)
{
	switch (column->type)
	{
		case INT2OID:
			return Int16GetDatum((int16) ((hundredths + 50) / 100));
		case INT4OID:
			return Int32GetDatum((int32) ((hundredths + 50) / 100));
		case INT8OID:
			return Int64GetDatum((hundredths + 50) / 100);
		case FLOAT4OID:
			return Float4GetDatum((float4) hundredths / 100);
		case FLOAT8OID:
			return Float8GetDatum((float8) hundredths / 100);
		default:
			return lr_score_numeric(hundredths);
	}
}

static bool
is_btree(Oid index)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(index));
	Form_pg_class form;
	bool result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for index %u", index);
	form = (Form_pg_class) GETSTRUCT(tuple);
	result = form->relkind == RELKIND_INDEX && form->relam == BTREE_AM_OID;
	ReleaseSysCache(tuple);
	return result;
}

char *
lr_lead_text(const LeadColumn *column, TupleTableSlot *slot)
{
	Datum value;
	char *word;
	bool isnull;

	if (column->attno == 0)
		return NULL;
	value = slot_getattr(slot, column->attno, &isnull);
	if (isnull)
		return NULL;
	if (column->type == TEXTOID || column->type == VARCHAROID)
		return TextDatumGetCString(value);
	word = OutputFunctionCall(unconstify(FmgrInfo *, &column->output), value);
	if (column->padded)
		for (size_t length = strlen(word); length > 0 && word[length - 1] == ' '; length--)
			word[length - 1] = '\0';
	return word;
}

char *
lr_lead_word(const LeadColumn *column, TupleTableSlot *slot)
{
	char *text = lr_lead_text(column, slot);

	if (text == NULL || text[strspn(text, " \t\r\n")] == '\0')
		return NULL;
	return text;
}

bool
lr_lead_is_deleted(const LeadShape *shape, TupleTableSlot *slot)
{
	char *word;
	bool deleted;
	bool isnull;

	if (shape->deleted.attno == 0)
		return false;
	if (shape->deleted.type == BOOLOID)
	{
		Datum value = slot_getattr(slot, shape->deleted.attno, &isnull);

		return !isnull && DatumGetBool(value);
	}
	/* a time of deletion, as some loaders have, means deleted as soon as it is there */
	if (TypeCategory(shape->deleted.type) == TYPCATEGORY_DATETIME)
	{
		(void) slot_getattr(slot, shape->deleted.attno, &isnull);
		return !isnull;
	}
	word = lr_lead_word(&shape->deleted, slot);
	return word != NULL && parse_bool(word, &deleted) && deleted;
}

TimestampTz
lr_lead_submitted_at(const LeadShape *shape, TupleTableSlot *slot, TimestampTz now)
{
	TimestampTz at;

	return lr_lead_instant(&shape->submitted_at, &shape->submitted_style, slot, &at) && at <= now ? at : now;
}

bool
lr_lead_takes(const LeadColumn *column, const char *text)
{
	Taking taking = {column, text};

	if (column->type == TEXTOID)
		return true;
	if (column->type == VARCHAROID || column->type == BPCHAROID)
		return column->typmod < VARHDRSZ || pg_mbstrlen(text) <= column->typmod - VARHDRSZ;
	return lr_protect(take, &taking) == NULL;
}

static void
take(void *arg)
{
	const Taking *taking = arg;

	(void) InputFunctionCall(unconstify(FmgrInfo *, &taking->column->input), unconstify(char *, taking->text),
							 taking->column->ioparam, taking->column->typmod);
}

HeapTuple
lr_lead_fill(const LeadShape *shape, HeapTuple tuple, const LeadOutputs *outputs, int which)
{
	int columns[LEAD_OUTPUTS];
	Datum values[LEAD_OUTPUTS];
	bool nulls[LEAD_OUTPUTS];
	int n = 0;

	for (int i = 0; i < LEAD_OUTPUTS; i++)
	{
		const LeadColumn *column = &shape->outputs[i];
		const char *text = NULL;
		int64 number;

		if (column->attno == 0 || (which & (1 << i)) == 0)
			continue;
		switch ((LeadOutput) i)
		{
			case OUTPUT_OWNER:
				text = outputs->owner;
				break;
			case OUTPUT_TEAM:
				text = outputs->team;
				break;
			case OUTPUT_TERRITORY:
				text = outputs->territory;
				break;
			case OUTPUT_ACCOUNT:
				if (outputs->account && lr_lead_takes(column, outputs->account))
					text = outputs->account;
				break;
			case OUTPUT_DUPLICATE_OF:
				text = outputs->duplicate_of;
				break;
			case OUTPUT_STAGE:
				text = outputs->stage;
				break;
			case OUTPUT_ROUTE_REASON:
				text = outputs->route_reason;
				/* a sentence may be cut where its column is narrow, a key may not */
				if (text && (column->type == VARCHAROID || column->type == BPCHAROID) && column->typmod > VARHDRSZ)
					text = pnstrdup(text, pg_mbcharcliplen(text, (int) strlen(text), column->typmod - VARHDRSZ));
				break;
			case OUTPUT_ROUTED_AT:
			case OUTPUT_SLA_DUE_AT:
				if (i == OUTPUT_SLA_DUE_AT && !outputs->has_sla)
					continue;
				if (i == OUTPUT_SLA_DUE_AT ? outputs->sla_due_at != CLOCK_NEVER : outputs->has_routed_at)
				{
					TimestampTz at = i == OUTPUT_SLA_DUE_AT ? outputs->sla_due_at : outputs->routed_at;

					if (column->type == TIMESTAMPTZOID)
					{
						columns[n] = column->attno;
						values[n] = TimestampTzGetDatum(at);
						nulls[n++] = false;
						continue;
					}
					text = timestamptz_to_str(at);
				}
				break;
			case OUTPUT_SCORE:
			case OUTPUT_FIT:
			case OUTPUT_ENGAGEMENT:
				if (!outputs->has_score)
					continue;
				number = i == OUTPUT_SCORE ? outputs->score : i == OUTPUT_FIT ? outputs->fit
																			  : outputs->engagement;
				if (takes_number(column))
				{
					columns[n] = column->attno;
					values[n] = number_datum(column, number);
					nulls[n++] = false;
					continue;
				}
				text = lr_lead_number(column, number);
				break;
			case OUTPUT_GRADE:
				if (!outputs->has_score)
					continue;
				text = outputs->grade;
				break;
		}
		/* a lead that waits has no owner; where the column must have a value it keeps the source's */
		if (text == NULL && (column->required || i == OUTPUT_ACCOUNT || i == OUTPUT_STAGE))
			continue;
		columns[n] = column->attno;
		nulls[n] = (text == NULL);
		if (text == NULL)
			values[n] = (Datum) 0;
		else if (column->type == TEXTOID)
			values[n] = CStringGetTextDatum(text);
		else
			values[n] = InputFunctionCall(unconstify(FmgrInfo *, &column->input), unconstify(char *, text),
										  column->ioparam, column->typmod);
		n++;
	}
	if (n == 0)
		return tuple;
	return heap_modify_tuple_by_cols(tuple, shape->desc, n, columns, values, nulls);
}

bool
lr_lead_stands(Relation rel, const LeadShape *shape, Datum key)
{
	TupleTableSlot *slot;
	bool found;

	if (!OidIsValid(shape->key_index))
		return false;
	slot = table_slot_create(rel, NULL);
	found = lr_lead_fetch(rel, shape, key, slot);
	ExecDropSingleTupleTableSlot(slot);
	return found;
}

bool
lr_lead_fetch(Relation rel, const LeadShape *shape, Datum key, TupleTableSlot *slot)
{
	Relation index;
	IndexScanDesc scan;
	ScanKeyData scankey;
	Oid operator;
	bool found;

	if (!OidIsValid(shape->key_index))
		return false;
	index = lr_index_open(shape->key_index, AccessShareLock);
	operator= get_opfamily_member(index->rd_opfamily[0], index->rd_opcintype[0], index->rd_opcintype[0],
								  BTEqualStrategyNumber);
	if (!OidIsValid(operator))
		elog(ERROR, "missing operator %d(%u,%u) in opfamily %u", BTEqualStrategyNumber, index->rd_opcintype[0],
			 index->rd_opcintype[0], index->rd_opfamily[0]);
	ScanKeyEntryInitialize(&scankey, 0, 1, BTEqualStrategyNumber, InvalidOid, index->rd_indcollation[0],
						   get_opcode(operator), key);
	scan = lr_index_beginscan(rel, index, SnapshotSelf, NULL, 1, 0);
	index_rescan(scan, &scankey, 1, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, slot);
	if (found)
		ExecMaterializeSlot(slot);
	index_endscan(scan);
	index_close(index, AccessShareLock);
	return found;
}

bool
lr_lead_repeats(Relation rel, const LeadShape *shape, const char *lead, TupleTableSlot *slot)
{
	TupleTableSlot *other;
	Datum key;
	bool same;

	if (!OidIsValid(shape->key_index))
		return false;
	if (!lr_lead_key(shape->key.type, shape->key.typmod, lead, &key))
		return false;
	other = table_slot_create(rel, NULL);
	same = lr_lead_fetch(rel, shape, key, other);
	for (int i = 0; same && i < shape->desc->natts; i++)
	{
		/* the relation's own descriptor knows of defaults */
		Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(rel), i);
		bool null;
		bool other_null;
		Datum value;
		Datum other_value;

		if (attribute->attisdropped || attribute->attgenerated || is_of_the_system(shape, attribute))
			continue;
		value = slot_getattr(slot, attribute->attnum, &null);
		other_value = slot_getattr(other, attribute->attnum, &other_null);
		same = null == other_null && (null || datum_image_eq(value, other_value, attribute->attbyval, attribute->attlen));
	}
	ExecDropSingleTupleTableSlot(other);
	return same;
}

/* A column that says nothing of what the person said. */
static bool
is_of_the_system(const LeadShape *shape, Form_pg_attribute attribute)
{
	char category = TypeCategory(getBaseType(attribute->atttypid));

	for (int i = 0; i < LEAD_OUTPUTS; i++)
		if (shape->outputs[i].attno == attribute->attnum)
			return true;
	return attribute->attnum == shape->key.attno || attribute->attnum == shape->submitted_at.attno || attribute->attidentity ||
		   category == TYPCATEGORY_DATETIME ||
		   (attribute->atthasdef && (category == TYPCATEGORY_NUMERIC || getBaseType(attribute->atttypid) == UUIDOID));
}

bool
lr_lead_any_differs(const LeadShape *shape, const Bitmapset *columns, TupleTableSlot *old, TupleTableSlot *new)
{
	int attno = -1;

	while ((attno = bms_next_member(unconstify(Bitmapset *, columns), attno)) >= 0)
		if (lr_lead_differs(shape, (AttrNumber) attno, old, new))
			return true;
	return false;
}

bool
lr_lead_differs(const LeadShape *shape, AttrNumber attno, TupleTableSlot *old, TupleTableSlot *new)
{
	Form_pg_attribute attribute = TupleDescAttr(shape->desc, attno - 1);
	bool old_null;
	bool new_null;
	Datum old_value = slot_getattr(old, attno, &old_null);
	Datum new_value = slot_getattr(new, attno, &new_null);

	if (old_null || new_null)
		return old_null != new_null;
	if (attribute->attbyval)
		return old_value != new_value;
	/* the very bytes, compressed or out of line as they may be */
	if (attribute->attlen == -1)
	{
		Size size = VARSIZE_ANY(DatumGetPointer(old_value));

		if (size == VARSIZE_ANY(DatumGetPointer(new_value)) && memcmp(DatumGetPointer(old_value), DatumGetPointer(new_value), size) == 0)
			return false;
	}
	return !datum_image_eq(old_value, new_value, attribute->attbyval, attribute->attlen);
}

bool
lr_lead_key(Oid type, int32 typmod, const char *lead, Datum *key)
{
	KeyReading reading = {type, typmod, lead};

	if (!plainly_fits(type, lead))
	{
		if (lr_protect(read_key, &reading) != NULL)
			return false;
	}
	else
		read_key(&reading);
	*key = reading.key;
	return true;
}

/* What needs no subtransaction to find out, for the types that keys mostly have. */
static bool
plainly_fits(Oid type, const char *lead)
{
	size_t length = strlen(lead);

	switch (type)
	{
		case TEXTOID:
			return true;
		case INT4OID:
			return length > 0 && length <= 9 && strspn(lead, "0123456789") == length;
		case INT8OID:
			return length > 0 && length <= 18 && strspn(lead, "0123456789") == length;
		case UUIDOID:
			for (size_t i = 0; i < length; i++)
				if (i == 8 || i == 13 || i == 18 || i == 23 ? lead[i] != '-' : !isxdigit((unsigned char) lead[i]))
					return false;
			return length == 36;
		default:
			return false;
	}
}

static void
read_key(void *arg)
{
	KeyReading *reading = arg;
	Oid input;
	Oid ioparam;

	getTypeInputInfo(reading->type, &input, &ioparam);
	reading->key = OidInputFunctionCall(input, unconstify(char *, reading->lead), ioparam, reading->typmod);
}

TupleTableSlot *
lr_lead_slot(Relation rel, HeapTupleHeader row)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsHeapTuple);
	HeapTuple tuple = palloc(sizeof(HeapTupleData));

	tuple->t_len = HeapTupleHeaderGetDatumLength(row);
	ItemPointerSetInvalid(&tuple->t_self);
	tuple->t_tableOid = RelationGetRelid(rel);
	tuple->t_data = row;
	/* the slot frees what is palloc'd here, not the value that it points to */
	ExecStoreHeapTuple(tuple, slot, true);
	return slot;
}
