/*
 * merge.c
 *		The policy `merge`: a duplicate's row is not inserted, its values go into the earlier lead's.
 *
 * The row is skipped by the BEFORE trigger, so the user's statement reports one row fewer. The earlier lead's row is
 * updated by a command of its own after the statement (duplicate.c says when), as the owner of the leads table and
 * through its triggers like any UPDATE of his. What becomes of each column leadroute.merge_columns says. The absorbed row, and what
 * it changed, is kept in an event of the earlier lead: unmerge() brings it back from there. Where the earlier lead's row turns out to be gone, as
 * it is if another session was deleting it, the row is inserted after all: no lead is lost to a race.
 *
 * Memory: rows that wait are copies in TopTransactionContext, with the subtransaction that absorbed them.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "arrival.h"
#include "ask.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "journal.h"
#include "leadroute.h"
#include "merge.h"
#include "miscadmin.h"
#include "owner.h"
#include "protect.h"
#include "subtransaction.h"
#include "traits.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(lr_unmerge);

typedef struct Merge
{
	OfSubtransaction of;
	const char *flow;
	const char *first;
	const char *lead;
	const char *match;
	Datum row; /* of a partition, that one's type */
	Oid rowtype;
	TimestampTz at;
	bool newer; /* it was submitted after the earlier lead */
	bool fails; /* on_error = fail */
	bool again; /* what it was to be merged into before was gone */
} Merge;

/* A column that a merge may write. */
typedef struct MergeColumn
{
	char *name;
	bool takes_new; /* its value is the first choice, else the earlier lead's */
} MergeColumn;

const char *lr_unmerged_lead = NULL;
const char *lr_missing_lead = NULL;

static List *merges = NIL; /* of Merge, in TopTransactionContext */

static List *ready_merges(SubTransactionId subid);
static void write_merge(void *arg);
static char *root_name(Relation rel);
static char *key_condition(Relation rel, const FlowConfig *attachment, const char *alias, int parameter);
static List *merge_columns(Relation rel, const FlowConfig *attachment, const Merge *merge);
static char *spi_value(MemoryContext context, uint64 row, int column);
static void update_first(Relation rel, const FlowConfig *attachment, const Merge *merge, List *columns, char **row, char **before, char **after);
static char *row_json(const Merge *merge);
static void write_event(const Merge *merge, const char *row, const char *before, const char *after);
static void insert_row(Relation rel, const char *lead, const char *missing, const char *row);
static char *column_list(Relation rel);
static void forget(void *item);
static void restore_first(Relation rel, const FlowConfig *attachment, const char *first, const char *changed);

void
lr_merge_absorb(Arrival *arrival, HeapTuple tuple)
{
	const FirstLead *first = &arrival->first;
	Decision decision = {
		.config = arrival->config,
		.status = "merged",
		.code = "absorbed",
		.owner = first->owner,
		.at = lr_now(),
		.duplicate_of = first->lead,
		.match = first->match,
	};
	LeadRow row = lr_arrival_row(arrival, arrival->slot, "INSERT");
	MemoryContext oldcontext;
	Merge *merge;

	decision.submitted_at = lr_duplicate_submitted_at(&row);
	decision.silent = lr_duplicate_says_nothing_new(arrival, decision.at);
	lr_traits_judge(&row, arrival->config, lr_statement_warned(arrival->statement));
	decision.segment = row.segment;
	decision.intent = row.intent;
	lr_arrival_clocks(arrival, &row, lr_statement_warned(arrival->statement), &decision);
	lr_pending_write(arrival->lead, &decision, arrival->given, arrival->shape, arrival->slot);
	/* the next row of its key is to find it */
	lr_journal_flush();

	oldcontext = MemoryContextSwitchTo(TopTransactionContext);
	merge = palloc0(sizeof(Merge));
	merge->flow = pstrdup(arrival->config->flow);
	merge->first = pstrdup(first->lead);
	merge->lead = pstrdup(arrival->lead);
	merge->match = pstrdup(first->match);
	/* core's own way: COPY's tuples are not what a composite value needs */
	merge->row = heap_copy_tuple_as_datum(tuple, RelationGetDescr(arrival->rel));
	merge->rowtype = arrival->rel->rd_rel->reltype;
	merge->at = decision.at;
	merge->newer = !first->has_submitted_at || decision.submitted_at >= first->submitted_at;
	merge->fails = arrival->config->fails;
	merge->again = lr_missing_lead != NULL;
	merge->of.subid = GetCurrentSubTransactionId();
	merges = lappend(merges, merge);
	MemoryContextSwitchTo(oldcontext);
}

bool
lr_merges_wait(void)
{
	return merges != NIL;
}

void
lr_merge_write(void)
{
	List *ready;
	ListCell *cell;

	/* one that found nothing to be merged into may be to be merged into another now */
	while ((ready = ready_merges(GetCurrentSubTransactionId())) != NIL)
		foreach(cell, ready)
		{
			Merge *merge = lfirst(cell);
			ErrorData *error = NULL;

			if (merge->fails)
				write_merge(merge);
			else
				error = lr_protect(write_merge, merge);
			if (error == NULL)
				continue;
			ereport(WARNING,
					(errcode(error->sqlerrcode),
					 errmsg("leadroute could not merge lead \"%s\" into lead \"%s\": %s", merge->lead, merge->first, error->message),
					 errdetail("Its row is kept in an event of lead \"%s\".", merge->first),
					 errhint("SELECT leadroute.unmerge(%s, %s) makes it a lead of its own.", quote_literal_cstr(merge->lead),
							 quote_literal_cstr(merge->flow))));
			write_event(merge, NULL, NULL, NULL);
		}
}

/* Those that a subtransaction absorbed, which wait no more. */
static List *
ready_merges(SubTransactionId subid)
{
	List *ready = NIL;
	ListCell *cell;

	foreach(cell, merges)
		if (((Merge *) lfirst(cell))->of.subid == subid)
		{
			ready = lappend(ready, lfirst(cell));
			merges = foreach_delete_current(merges, cell);
		}
	return ready;
}

static void
write_merge(void *arg)
{
	Merge *merge = arg;
	FlowTable table = lr_flow_table_if_any(merge->flow);
	FlowConfig *attachment;
	Relation rel;
	char *row = NULL;
	char *before = NULL;
	char *after = NULL;

	/* dropped, or detached, in the same transaction */
	if (!OidIsValid(table.relid))
		return;
	attachment = lr_config(table.attachment);
	if (attachment->attachment == NULL)
		return;
	rel = table_open(table.relid, RowExclusiveLock);
	update_first(rel, attachment, merge, merge_columns(rel, attachment, merge), &row, &before, &after);
	if (before)
		write_event(merge, row, before, after);
	else
	{
		/* deleted by whoever held it just now, or not loaded again yet: it can take nothing in */
		lr_state_remove(merge->flow, merge->lead);
		insert_row(rel, merge->lead, merge->again ? NULL : merge->first, row);
	}
	table_close(rel, NoLock);
	lr_pending_flush();
}

static char *
root_name(Relation rel)
{
	return quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)), RelationGetRelationName(rel));
}

/* "alias.key = $n::type" */
static char *
key_condition(Relation rel, const FlowConfig *attachment, const char *alias, int parameter)
{
	LeadShape *shape = lr_lead_shape(rel, attachment);

	return psprintf("%s.%s OPERATOR(pg_catalog.=) $%d::%s", alias, quote_identifier(attachment->attachment->key_column), parameter,
					format_type_extended(shape->key.type, shape->key.typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
}

/* The columns that a merge may write; neither the key nor what is leadroute's own. */
static List *
merge_columns(Relation rel, const FlowConfig *attachment, const Merge *merge)
{
	Oid types[] = {TEXTOID, OIDOID};
	Datum values[] = {CStringGetTextDatum(merge->flow), ObjectIdGetDatum(RelationGetRelid(rel))};
	LeadShape *shape = lr_lead_shape(rel, attachment);
	MemoryContext context = CurrentMemoryContext;
	OwnerSession session;
	List *columns = NIL;

	lr_owner_begin(&session);
	lr_owner_execute("SELECT a.attname::text, a.attnum::text, coalesce(m.keeps, 'fill_blank') FROM pg_attribute a"
					 " LEFT JOIN leadroute.merge_columns m ON m.flow = $1 AND m.column_name = a.attname::text"
					 " WHERE a.attrelid = $2 AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity <> 'a'"
					 " AND coalesce(m.keeps, '') <> 'never' ORDER BY a.attnum",
					 lengthof(types), types, values, SPI_OK_SELECT);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		AttrNumber attno = (AttrNumber) atoi(lr_spi_text(row, 2));
		const char *keeps = lr_spi_text(row, 3);
		bool ours = attno == shape->key.attno || attno == shape->flow_column.attno || attno == shape->deleted.attno;
		MemoryContext oldcontext;
		MergeColumn *column;

		for (int i = 0; i < LEAD_OUTPUTS; i++)
			ours |= attno == shape->outputs[i].attno;
		if (ours)
			continue;
		oldcontext = MemoryContextSwitchTo(context);
		column = palloc(sizeof(MergeColumn));
		column->name = pstrdup(quote_identifier(lr_spi_text(row, 1)));
		column->takes_new = (strcmp(keeps, "latest") == 0 && merge->newer) || (strcmp(keeps, "first") == 0 && !merge->newer);
		columns = lappend(columns, column);
		MemoryContextSwitchTo(oldcontext);
	}
	lr_owner_end(&session);
	return columns;
}

static char *
spi_value(MemoryContext context, uint64 row, int column)
{
	char *value = lr_spi_text(row, column);

	return value ? MemoryContextStrdup(context, value) : NULL;
}

/* The absorbed row, and the earlier lead's before and after it, as JSON text in the current context; NULL where there is none. */
static void
update_first(Relation rel, const FlowConfig *attachment, const Merge *merge, List *columns, char **row, char **before, char **after)
{
	Oid types[] = {merge->rowtype, TEXTOID};
	Datum values[] = {merge->row, CStringGetTextDatum(merge->first)};
	char *key = key_condition(rel, attachment, "t", 2);
	char *name = root_name(rel);
	MemoryContext context = CurrentMemoryContext;
	StringInfoData set;
	StringInfoData differs;
	OwnerSession session;
	ListCell *cell;

	initStringInfo(&set);
	initStringInfo(&differs);
	foreach(cell, columns)
	{
		const MergeColumn *column = lfirst(cell);
		const char *choice = column->takes_new ? "n" : "t";
		const char *other = column->takes_new ? "t" : "n";
		char *value = psprintf("CASE WHEN btrim(format('%%s', %s.%s)) <> '' THEN %s.%s ELSE %s.%s END", choice, column->name, choice,
							   column->name, other, column->name);

		appendStringInfo(&set, "%s%s = %s", set.len ? ", " : "", column->name, value);
		appendStringInfo(&differs, "%sformat('%%L', t.%s) <> format('%%L', %s)", differs.len ? " OR " : "", column->name, value);
	}

	lr_owner_begin(&session);
	lr_owner_become(&session, rel->rd_rel->relowner);
	PushActiveSnapshot(GetTransactionSnapshot());
	if (SPI_execute_with_args(psprintf("SELECT to_jsonb($1), (SELECT to_jsonb(t) FROM %s t WHERE %s FOR UPDATE)", name, key), lengthof(types), types,
							  values, NULL, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read lead \"%s\"", merge->first);
	*row = spi_value(context, 0, 1);
	*before = spi_value(context, 0, 2);
	PopActiveSnapshot();
	if (*before && columns)
	{
		char *update = psprintf("UPDATE %s t SET %s FROM jsonb_populate_record(NULL::%s, to_jsonb($1)) n WHERE %s AND (%s) RETURNING to_jsonb(t)",
								name, set.data, name, key, differs.data);

		PushActiveSnapshot(GetTransactionSnapshot());
		if (SPI_execute_with_args(update, lengthof(types), types, values, NULL, false, 0) != SPI_OK_UPDATE_RETURNING)
			elog(ERROR, "could not run \"%s\"", update);
		if (SPI_processed > 0)
			*after = spi_value(context, 0, 1);
		PopActiveSnapshot();
	}
	lr_owner_end(&session);
}

/* The absorbed row as JSON text, in the current context. No plan is kept: a table that takes the place of this one has rows of another type. */
static char *
row_json(const Merge *merge)
{
	Oid types[] = {merge->rowtype};
	Datum values[] = {merge->row};
	MemoryContext context = CurrentMemoryContext;
	OwnerSession session;
	char *json;

	lr_owner_begin(&session);
	if (SPI_execute_with_args("SELECT to_jsonb($1)", lengthof(types), types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read the row of lead \"%s\"", merge->lead);
	json = spi_value(context, 0, 1);
	lr_owner_end(&session);
	return json;
}

/* Of the earlier lead: the absorbed row, and what it changed. */
static void
write_event(const Merge *merge, const char *row, const char *before, const char *after)
{
	Oid types[] = {TEXTOID, TEXTOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	Datum values[] = {CStringGetTextDatum(merge->flow), CStringGetTextDatum(merge->first), TimestampTzGetDatum(merge->at),
					  CStringGetTextDatum(merge->lead), CStringGetTextDatum(row ? row : row_json(merge)),
					  CStringGetTextDatum(before ? before : "{}"), CStringGetTextDatum(after ? after : "{}"),
					  CStringGetTextDatum(merge->match)};
	OwnerSession session;

	lr_owner_begin(&session);
	lr_owner_execute("INSERT INTO leadroute.events (flow, lead, at, kind, code, reason, path)"
					 " SELECT $1, $2, $3, 'absorbed', 'absorbed', format('lead %s (same %s) was merged into it', $4, $8),"
					 "   jsonb_build_array(jsonb_build_object('lead', $4, 'match', $8, 'row', $5::jsonb, 'changed',"
					 "     coalesce((SELECT jsonb_object_agg(a.key, jsonb_build_object('from', b.value, 'to', a.value))"
					 "       FROM jsonb_each($7::jsonb) a JOIN jsonb_each($6::jsonb) b ON b.key = a.key WHERE a.value <> b.value), '{}')))",
					 lengthof(types), types, values, SPI_OK_INSERT);
	lr_owner_end(&session);
}

/* unmerge(lead text, flow text): the absorbed row is a lead of its own again. */
Datum
lr_unmerge(PG_FUNCTION_ARGS)
{
	char *lead = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *flow = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Oid types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	Datum values[lengthof(types)] = {CStringGetTextDatum(flow), CStringGetTextDatum(lead), (Datum) 0,
									 CStringGetTextDatum(GetUserNameFromId(GetSessionUserId(), false))};
	MemoryContext context = CurrentMemoryContext;
	FlowTable table;
	FlowConfig *attachment;
	LeadState state;
	OwnerSession session;
	Relation rel;
	char *row;
	char *changed;

	lr_pending_settle();
	table = lr_flow_table(flow);
	attachment = lr_config(table.attachment);
	if (!lr_state_find(flow, lead, &state) || strcmp(state.status, "merged") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("lead \"%s\" of flow \"%s\" was not merged into another", lead, flow),
				 errhint("leadroute.lead_states has those that were: status = 'merged'.")));
	values[2] = CStringGetTextDatum(state.duplicate_of);

	lr_owner_begin(&session);
	lr_owner_execute("SELECT e.path -> 0 -> 'row', e.path -> 0 -> 'changed' FROM leadroute.events e"
					 " WHERE e.flow = $1 AND e.lead = $3 AND e.kind = 'absorbed' AND e.path -> 0 ->> 'lead' = $2 ORDER BY e.id DESC LIMIT 1",
					 3, types, values, SPI_OK_SELECT);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("the row of lead \"%s\" is not kept any more", lead),
				 errdetail("The event of lead \"%s\" that kept it was removed.", state.duplicate_of),
				 errhint("Insert the row anew, as another lead.")));
	row = spi_value(context, 0, 1);
	changed = spi_value(context, 0, 2);
	lr_owner_end(&session);

	rel = table_open(table.relid, RowExclusiveLock);
	lr_state_remove(flow, lead);
	/* keys that only the merge gave the other are free then */
	restore_first(rel, attachment, state.duplicate_of, changed);
	insert_row(rel, lead, NULL, row);
	lr_pending_flush();
	table_close(rel, NoLock);

	lr_owner_begin(&session);
	lr_owner_execute("INSERT INTO leadroute.events (flow, lead, at, kind, code, owner, team, reason, actor)"
					 " SELECT s.flow, s.lead, leadroute.clock(), 'unmerged', s.code, s.owner, s.team, format('was merged into lead %s', $3), $4"
					 " FROM leadroute.lead_states s WHERE s.flow = $1 AND s.lead = $2"
					 " UNION ALL SELECT s.flow, s.lead, leadroute.clock(), 'unmerged', s.code, s.owner, s.team, format('lead %s, once merged into it, is one of its own', $2), $4"
					 " FROM leadroute.lead_states s WHERE s.flow = $1 AND s.lead = $3",
					 lengthof(types), types, values, SPI_OK_INSERT);
	lr_owner_end(&session);
	lr_pending_flush();
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("lead %s is a lead of its own", lead)));
}

/* A row that was absorbed, as JSON text, is a lead of its own: of its keys it has those that nobody else has. With `missing` only where it is no duplicate but of that one. */
static void
insert_row(Relation rel, const char *lead, const char *missing, const char *row)
{
	const char *outer = lr_unmerged_lead;
	const char *outer_missing = lr_missing_lead;

	lr_unmerged_lead = lead;
	lr_missing_lead = missing;
	PG_TRY();
	{
		Oid types[] = {JSONBOID};
		Datum values[] = {DirectFunctionCall1(jsonb_in, CStringGetDatum(row))};
		char *columns = column_list(rel);
		char *insert = psprintf("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM jsonb_populate_record(NULL::%s, $1)",
								root_name(rel), columns, columns, root_name(rel));
		OwnerSession session;

		lr_owner_begin(&session);
		lr_owner_become(&session, rel->rd_rel->relowner);
		PushActiveSnapshot(GetTransactionSnapshot());
		if (SPI_execute_with_args(insert, 1, types, values, NULL, false, 0) != SPI_OK_INSERT)
			elog(ERROR, "could not run \"%s\"", insert);
		PopActiveSnapshot();
		lr_owner_end(&session);
	}
	PG_FINALLY();
	{
		lr_unmerged_lead = outer;
		lr_missing_lead = outer_missing;
	}
	PG_END_TRY();
}

/* The columns that a row brings. */
static char *
column_list(Relation rel)
{
	TupleDesc desc = RelationGetDescr(rel);
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (!attribute->attisdropped && !attribute->attgenerated)
			appendStringInfo(&list, "%s%s", list.len ? ", " : "", quote_identifier(NameStr(attribute->attname)));
	}
	return list.data;
}

/* What the merge changed in the earlier lead goes back, where nobody has changed it since. */
static void
restore_first(Relation rel, const FlowConfig *attachment, const char *first, const char *changed)
{
	Oid types[] = {JSONBOID, TEXTOID};
	Datum values[] = {DirectFunctionCall1(jsonb_in, CStringGetDatum(changed)), CStringGetTextDatum(first)};
	TupleDesc desc = RelationGetDescr(rel);
	char *key = key_condition(rel, attachment, "t", 2);
	StringInfoData set;
	OwnerSession session;

	initStringInfo(&set);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		const char *name = quote_identifier(NameStr(attribute->attname));
		const char *literal = quote_literal_cstr(NameStr(attribute->attname));

		if (attribute->attisdropped || attribute->attgenerated || attribute->attidentity || attribute->attnum == lr_lead_shape(rel, attachment)->key.attno)
			continue;
		appendStringInfo(&set, "%s%s = CASE WHEN $1 ? %s AND to_jsonb(t.%s) IS NOT DISTINCT FROM nullif($1 -> %s -> 'to', 'null') THEN n.%s ELSE t.%s END",
						 set.len ? ", " : "", name, literal, name, literal, name, name);
	}
	lr_owner_begin(&session);
	lr_owner_become(&session, rel->rd_rel->relowner);
	PushActiveSnapshot(GetTransactionSnapshot());
	if (SPI_execute_with_args(psprintf("UPDATE %s t SET %s FROM jsonb_populate_record(NULL::%s,"
									   " (SELECT coalesce(jsonb_object_agg(c.key, c.value -> 'from'), '{}') FROM jsonb_each($1) c)) n WHERE %s AND $1 <> '{}'",
									   root_name(rel), set.data, root_name(rel), key),
							  lengthof(types), types, values, NULL, false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "could not restore lead \"%s\"", first);
	PopActiveSnapshot();
	lr_owner_end(&session);
}

static void
forget(void *item)
{
	Merge *merge = item;

	pfree(unconstify(char *, merge->flow));
	pfree(unconstify(char *, merge->first));
	pfree(unconstify(char *, merge->lead));
	pfree(unconstify(char *, merge->match));
	pfree(DatumGetPointer(merge->row));
	pfree(merge);
}

void
lr_merge_abort(SubTransactionId subid)
{
	merges = lr_subtransaction_abort(merges, subid, forget);
}

void
lr_merge_reparent(SubTransactionId subid, SubTransactionId parent)
{
	lr_subtransaction_reparent(merges, subid, parent);
}

void
lr_merge_end(void)
{
	merges = NIL;
}
