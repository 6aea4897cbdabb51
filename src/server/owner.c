/*
 * owner.c
 *		Running SQL of our own as the extension's owner.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "leadroute.h"
#include "miscadmin.h"
#include "owner.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define KEPT_PLANS 128

typedef struct KeptPlan
{
	uint64 hash; /* of the text; key */
	const char *query;
	SPIPlanPtr plan;
} KeptPlan;

const char *lr_caller_search_path = NULL;

static HTAB *plans = NULL;

static SPIPlanPtr kept_plan(const char *query, int nargs, Oid *types);

void
lr_owner_begin(OwnerSession *session)
{
	GetUserIdAndSecContext(&session->userid, &session->sec_context);
	SetUserIdAndSecContext(lr_extension_owner(), session->sec_context | SECURITY_LOCAL_USERID_CHANGE);
	session->guc_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

void
lr_owner_become(const OwnerSession *session, Oid table_owner)
{
	SetUserIdAndSecContext(table_owner, session->sec_context | SECURITY_LOCAL_USERID_CHANGE);
	if (lr_caller_search_path)
		(void) set_config_option("search_path", lr_caller_search_path, PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
}

void
lr_owner_end(const OwnerSession *session)
{
	SPI_finish();
	AtEOXact_GUC(true, session->guc_level);
	SetUserIdAndSecContext(session->userid, session->sec_context);
}

void
lr_owner_execute(const char *query, int nargs, Oid *types, Datum *values, int expected)
{
	lr_owner_execute_nulls(query, nargs, types, values, NULL, expected);
}

void
lr_owner_run(const char *query, QueryArguments *arguments, int expected)
{
	lr_owner_execute_nulls(query, arguments->n, arguments->types, arguments->values, arguments->nulls, expected);
}

void
lr_owner_execute_nulls(const char *query, int nargs, Oid *types, Datum *values, const char *nulls, int expected)
{
	SPIPlanPtr plan = kept_plan(query, nargs, types);
	Snapshot snapshot;
	int result;

	/* what another session has committed is known here too, whatever the isolation level */
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	result = SPI_execute_snapshot(plan, values, nulls, snapshot, InvalidSnapshot, false, true, 0);
	UnregisterSnapshot(snapshot);
	if (result != expected)
		elog(ERROR, "SPI_execute_snapshot returned %s for \"%s\"", SPI_result_code_string(result), query);
}

void
lr_owner_read(const char *query, int nargs, Oid *types, Datum *values, bool read_only)
{
	int result = SPI_execute_plan(kept_plan(query, nargs, types), values, NULL, read_only, 0);

	if (result != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_plan returned %s for \"%s\"", SPI_result_code_string(result), query);
}

/* The plan of a query of ours. A text that is made anew each time fills the table sooner or later: from then on its plans are SPI's. */
static SPIPlanPtr
kept_plan(const char *query, int nargs, Oid *types)
{
	uint64 hash = hash_bytes_extended((const unsigned char *) query, strlen(query), 0);
	KeptPlan *kept;
	SPIPlanPtr plan;

	if (plans == NULL)
	{
		HASHCTL ctl = {.keysize = sizeof(uint64), .entrysize = sizeof(KeptPlan)};

		plans = hash_create("leadroute plans", KEPT_PLANS, &ctl, HASH_ELEM | HASH_BLOBS);
	}
	kept = hash_search(plans, &hash, HASH_FIND, NULL);
	if (kept && strcmp(kept->query, query) == 0)
		return kept->plan;
	plan = SPI_prepare(query, nargs, types);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare returned %s for \"%s\"", SPI_result_code_string(SPI_result), query);
	if (kept || hash_get_num_entries(plans) >= KEPT_PLANS)
		return plan;
	query = MemoryContextStrdup(CacheMemoryContext, query);
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "SPI_keepplan failed for \"%s\"", query);
	kept = hash_search(plans, &hash, HASH_ENTER, NULL);
	kept->query = query;
	kept->plan = plan;
	return plan;
}

void
lr_argument(QueryArguments *arguments, Oid type, Datum value, bool isnull)
{
	Assert(arguments->n < QUERY_ARGUMENTS);
	arguments->types[arguments->n] = type;
	arguments->values[arguments->n] = value;
	arguments->nulls[arguments->n++] = isnull ? 'n' : ' ';
}

void
lr_argument_text(QueryArguments *arguments, const char *text)
{
	lr_argument(arguments, TEXTOID, text ? CStringGetTextDatum(text) : (Datum) 0, text == NULL);
}

void
lr_argument_texts(QueryArguments *arguments, const char *const *texts, int n)
{
	for (int i = 0; i < n; i++)
		lr_argument_text(arguments, texts[i]);
}

void
lr_argument_instant(QueryArguments *arguments, TimestampTz at)
{
	lr_argument(arguments, TIMESTAMPTZOID, TimestampTzGetDatum(at), false);
}

char *
lr_spi_text(uint64 row, int column)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

Datum
lr_text_array(char **strings, int n)
{
	Datum *elements = palloc(Max(n, 1) * sizeof(Datum));
	bool *nulls = palloc(Max(n, 1) * sizeof(bool));
	int dims[] = {n};
	int lbs[] = {1};

	for (int i = 0; i < n; i++)
	{
		nulls[i] = (strings[i] == NULL);
		elements[i] = strings[i] ? CStringGetTextDatum(strings[i]) : (Datum) 0;
	}
	if (n == 0)
		return PointerGetDatum(construct_empty_array(TEXTOID));
	return PointerGetDatum(construct_md_array(elements, nulls, 1, dims, lbs, TEXTOID, -1, false, TYPALIGN_INT));
}
