/*
 * stored.c
 *		A lead's row as it stands in its table: found by its key, locked, read, and its outputs written.
 *
 * Rows are read, and outputs written, as the owner of the leads table: whoever asks leadroute needs no rights on its
 * columns, and the table's own triggers get no more than their owner's.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lead.h"
#include "leadroute.h"
#include "miscadmin.h"
#include "owner.h"
#include "stored.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

static const char *key_column_of(const FlowTable *table);
static HeapTuple fetch(Relation rel, const FlowTable *table, const char *lead, Oid role, const char *what, const char *lock);
static char *qualified_type(Oid type, int32 typmod);
static HeapTuple row_of(Relation rel, MemoryContext context);

/* By the newest configuration, which the statement's snapshot may not show yet: the table may be detached by now. */
static const char *
key_column_of(const FlowTable *table)
{
	const AttachmentConfig *attachment = lr_config(table->attachment)->attachment;

	if (attachment == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("flow \"%s\" has no leads table", table->attachment),
				 errdetail("It was detached while this transaction ran.")));
	return attachment->key_column;
}

/* A type as a cast names it under any search_path, character(18) with its length. */
static char *
qualified_type(Oid type, int32 typmod)
{
	return format_type_extended(type, typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
}

HeapTuple
lr_stored_fetch(Relation rel, const FlowTable *table, const char *lead, Oid role)
{
	return fetch(rel, table, lead, role, "t", "");
}

HeapTuple
lr_stored_lock(Relation rel, const FlowTable *table, const char *lead, Oid role, LockWaitPolicy wait)
{
	const char *lock = wait == LockWaitSkip ? " FOR UPDATE SKIP LOCKED" : " FOR UPDATE";
	HeapTuple tuple;

	if (role == rel->rd_rel->relowner)
		return fetch(rel, table, lead, role, "t", lock);
	/* he needs SELECT on the key and UPDATE on some column, no more */
	tuple = fetch(rel, table, lead, role, "NULL::pg_catalog.record", lock);
	return tuple ? fetch(rel, table, lead, rel->rd_rel->relowner, "t", "") : NULL;
}

/* A row by its key's text, or NULL; in the current context. "what" is t, or for its mere existence another record. */
static HeapTuple
fetch(Relation rel, const FlowTable *table, const char *lead, Oid role, const char *what, const char *lock)
{
	const char *key_column = key_column_of(table);
	AttrNumber attno = get_attnum(RelationGetRelid(rel), key_column);
	Oid key_type;
	int32 key_typmod;
	Oid key_collation;
	char *query;
	Oid types[] = {TEXTOID};
	Datum values[] = {CStringGetTextDatum(lead)};
	MemoryContext context = CurrentMemoryContext;
	HeapTuple tuple = NULL;
	bool locks = lock[0] != '\0';
	OwnerSession session;
	Datum key;

	if (attno == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist", key_column, RelationGetRelationName(rel))));
	get_atttypetypmodcoll(RelationGetRelid(rel), attno, &key_type, &key_typmod, &key_collation);
	/* a type cuts what is too long for it when it is cast: the row of another lead must not be found */
	if (!lr_lead_key(key_type, key_typmod, lead, &key))
		return NULL;
	query = psprintf("SELECT %s FROM %s t WHERE t.%s = $1::%s LIMIT 1%s", what,
					 quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)), RelationGetRelationName(rel)),
					 quote_identifier(key_column), qualified_type(key_type, key_typmod), lock);
	lr_owner_begin(&session);
	/* who asks sees what the table's row security lets him see */
	SetUserIdAndSecContext(role, session.sec_context | SECURITY_LOCAL_USERID_CHANGE);
	if (locks)
		PushActiveSnapshot(GetTransactionSnapshot());
	lr_owner_read(query, lengthof(types), types, values, !locks);
	if (locks)
		PopActiveSnapshot();
	if (SPI_processed == 1)
		tuple = row_of(rel, context);
	lr_owner_end(&session);
	return tuple;
}

/* The record that the last query returned, in `context`; where it is none, an empty tuple that says "there". */
static HeapTuple
row_of(Relation rel, MemoryContext context)
{
	MemoryContext spi = MemoryContextSwitchTo(context);
	bool isnull;
	Datum row = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	HeapTuple tuple;

	if (isnull)
		tuple = palloc0(sizeof(HeapTupleData));
	else
	{
		HeapTupleHeader header = DatumGetHeapTupleHeader(row);
		HeapTupleData data;

		data.t_len = HeapTupleHeaderGetDatumLength(header);
		ItemPointerSetInvalid(&data.t_self);
		data.t_tableOid = RelationGetRelid(rel);
		data.t_data = header;
		tuple = heap_copytuple(&data);
	}
	MemoryContextSwitchTo(spi);
	return tuple;
}

void
lr_stored_arrival(Arrival *arrival, Relation rel, TupleTableSlot *slot, const char *attachment, const char *flow)
{
	memset(arrival, 0, sizeof(Arrival));
	arrival->rel = rel;
	arrival->slot = slot;
	arrival->attachment = lr_config(attachment);
	arrival->shape = lr_lead_shape(rel, arrival->attachment);
	if (arrival->shape->flow_column.attno != 0)
		arrival->config = lr_arrival_flow(arrival, slot, &arrival->unknown_flow);
	else
		arrival->config = lr_config(flow);
	arrival->lead = lr_lead_text(&arrival->shape->key, slot);
	arrival->given = lr_lead_word(&arrival->shape->outputs[OUTPUT_OWNER], slot);
	arrival->given_stage = lr_stage_given(arrival->shape, arrival->config, slot);
	lr_profile_begin(&arrival->profile, arrival->shape, arrival->config, slot);
}

void
lr_stored_write(Relation rel, const Arrival *arrival, const LeadOutputs *outputs)
{
	lr_stored_write_some(rel, arrival, outputs, ALL_OUTPUTS);
}

void
lr_stored_write_stage(Relation rel, const Arrival *arrival, const char *stage)
{
	const LeadOutputs outputs = {.stage = stage};

	lr_stored_write_some(rel, arrival, &outputs, 1 << OUTPUT_STAGE);
}

void
lr_stored_write_some(Relation rel, const Arrival *arrival, const LeadOutputs *outputs, int which)
{
	const char *const texts[LEAD_OUTPUTS] = {
		[OUTPUT_OWNER] = outputs->owner,
		[OUTPUT_TEAM] = outputs->team,
		[OUTPUT_TERRITORY] = outputs->territory,
		[OUTPUT_ROUTED_AT] = outputs->has_routed_at ? pstrdup(timestamptz_to_str(outputs->routed_at)) : NULL,
		[OUTPUT_ROUTE_REASON] = outputs->route_reason,
		[OUTPUT_ACCOUNT] = outputs->account,
		[OUTPUT_DUPLICATE_OF] = outputs->duplicate_of,
		[OUTPUT_STAGE] = outputs->stage,
		[OUTPUT_SCORE] = outputs->has_score ? lr_lead_number(&arrival->shape->outputs[OUTPUT_SCORE], outputs->score) : NULL,
		[OUTPUT_FIT] = outputs->has_score ? lr_lead_number(&arrival->shape->outputs[OUTPUT_FIT], outputs->fit) : NULL,
		[OUTPUT_ENGAGEMENT] = outputs->has_score ? lr_lead_number(&arrival->shape->outputs[OUTPUT_ENGAGEMENT], outputs->engagement) : NULL,
		[OUTPUT_GRADE] = outputs->grade,
		[OUTPUT_SLA_DUE_AT] = outputs->has_sla && outputs->sla_due_at != CLOCK_NEVER ? pstrdup(timestamptz_to_str(outputs->sla_due_at)) : NULL,
	};
	QueryArguments arguments = {0};
	StringInfoData query;
	OwnerSession session;
	const char *key_column = arrival->attachment->attachment->key_column;

	initStringInfo(&query);
	for (int i = 0; i < LEAD_OUTPUTS; i++)
	{
		const LeadColumn *column = &arrival->shape->outputs[i];

		if (column->attno == 0 || (which & (1 << i)) == 0 || (texts[i] == NULL && (column->required || i == OUTPUT_ACCOUNT || i == OUTPUT_STAGE)) ||
			(i == OUTPUT_ACCOUNT && !lr_lead_takes(column, texts[i])) || (!outputs->has_score && (SCORE_OUTPUTS & (1 << i)) != 0) ||
			(i == OUTPUT_SLA_DUE_AT && !outputs->has_sla))
			continue;
		lr_argument_text(&arguments, texts[i]);
		appendStringInfo(&query, "%s %s = $%d::%s", arguments.n == 1 ? "" : ",", quote_identifier(arrival->shape->output_columns[i]), arguments.n,
						 qualified_type(column->type, column->typmod));
	}
	if (arguments.n == 0)
		return;
	lr_argument_text(&arguments, arrival->lead);

	lr_owner_begin(&session);
	lr_owner_become(&session, rel->rd_rel->relowner);
	PushActiveSnapshot(GetTransactionSnapshot());
	lr_own_lead = arrival->lead;
	PG_TRY();
	{
		char *update = psprintf("UPDATE %s SET%s WHERE %s OPERATOR(pg_catalog.=) $%d::%s",
								quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
														   RelationGetRelationName(rel)),
								query.data, quote_identifier(key_column), arguments.n,
								qualified_type(arrival->shape->key.type, arrival->shape->key.typmod));

		if (SPI_execute_with_args(update, arguments.n, arguments.types, arguments.values, arguments.nulls, false, 0) != SPI_OK_UPDATE)
			elog(ERROR, "could not run \"%s\"", update);
	}
	PG_FINALLY();
	{
		lr_own_lead = NULL;
	}
	PG_END_TRY();
	PopActiveSnapshot();
	lr_owner_end(&session);
}
