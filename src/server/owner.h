/*
 * owner.h
 *		Running SQL of our own as the extension's owner, whoever the caller is.
 */
#ifndef LR_OWNER_H
#define LR_OWNER_H

#include "executor/spi.h"

typedef struct OwnerSession
{
	Oid userid;
	int sec_context;
	int guc_level;
} OwnerSession;

/*
 * Becomes the extension's owner with search_path = pg_catalog, pg_temp and connects to SPI. An error in
 * between is undone by the abort of the (sub)transaction, as for a SECURITY DEFINER function.
 */
extern void lr_owner_begin(OwnerSession *session);
extern void lr_owner_end(const OwnerSession *session);

/*
 * The search_path of a caller who has the rights of the leads table's owner, while he is inside a front door
 * (attach.c); NULL elsewhere. The table's own triggers find names by it, as in an UPDATE of his.
 */
extern const char *lr_caller_search_path;

/* Becomes the owner of a leads table instead, between lr_owner_begin() and lr_owner_end(); his triggers may run. */
extern void lr_owner_become(const OwnerSession *session, Oid table_owner);

/*
 * Runs a writing query under a fresh snapshot; errors unless SPI answers `expected`. The session keeps the plan, known by the
 * query's text, whose arguments are of the same types each time.
 */
extern void lr_owner_execute(const char *query, int nargs, Oid *types, Datum *values, int expected);

/* The same where a value may be NULL: nulls as SPI_execute_plan takes them. */
extern void lr_owner_execute_nulls(const char *query, int nargs, Oid *types, Datum *values, const char *nulls, int expected);

/* Runs a SELECT with a kept plan as the caller's statement sees things; one that locks rows (not read_only) with the active snapshot too, as a command of its own. */
extern void lr_owner_read(const char *query, int nargs, Oid *types, Datum *values, bool read_only);

#define QUERY_ARGUMENTS 32

/* A query's arguments, one after the other from $1; begins as {0}. A text that is NULL is a NULL. */
typedef struct QueryArguments
{
	int n;
	Oid types[QUERY_ARGUMENTS];
	Datum values[QUERY_ARGUMENTS];
	char nulls[QUERY_ARGUMENTS + 1];
} QueryArguments;

extern void lr_argument(QueryArguments *arguments, Oid type, Datum value, bool isnull);
extern void lr_argument_text(QueryArguments *arguments, const char *text);
extern void lr_argument_texts(QueryArguments *arguments, const char *const *texts, int n);
extern void lr_argument_instant(QueryArguments *arguments, TimestampTz at);
extern void lr_owner_run(const char *query, QueryArguments *arguments, int expected);

/* A value of the last query as text, in SPI's context; NULL for NULL. Columns count from 1. */
extern char *lr_spi_text(uint64 row, int column);

/* An array of texts; a NULL string is a NULL element. */
extern Datum lr_text_array(char **strings, int n);

#endif /* LR_OWNER_H */
