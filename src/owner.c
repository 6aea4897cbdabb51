/*
 * owner.c
 *		Running SQL of our own as the extension's owner.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "leadroute.h"
#include "miscadmin.h"
#include "owner.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

const char *lr_caller_search_path = NULL;

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
lr_owner_execute_nulls(const char *query, int nargs, Oid *types, Datum *values, const char *nulls, int expected)
{
	SPIPlanPtr plan = SPI_prepare(query, nargs, types);
	Snapshot snapshot;
	int result;

	if (plan == NULL)
		elog(ERROR, "SPI_prepare returned %s for \"%s\"", SPI_result_code_string(SPI_result), query);
	/* what another session has committed is known here too, whatever the isolation level */
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	result = SPI_execute_snapshot(plan, values, nulls, snapshot, InvalidSnapshot, false, true, 0);
	UnregisterSnapshot(snapshot);
	if (result != expected)
		elog(ERROR, "SPI_execute_snapshot returned %s for \"%s\"", SPI_result_code_string(result), query);
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
