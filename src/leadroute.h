/*
 * leadroute.h
 *		What every file of leadroute shares: the settings, and the order in which
 *		the modules start.
 */
#ifndef LEADROUTE_H
#define LEADROUTE_H

#include "storage/lockdefs.h"
#include "utils/guc.h"
#include "utils/relcache.h"
#include "utils/timestamp.h"

/* settings (leadroute.c) */
extern PGDLLIMPORT bool lr_enabled;				  /* leadroute.enabled */
extern PGDLLIMPORT char *lr_condition_extensions; /* leadroute.condition_extensions */

/* The instant of "now": leadroute.clock where it is set (tests), else the real one. */
extern TimestampTz lr_now(void);
extern bool lr_clock_is_set(void);

/* The role that owns the extension; names in conditions resolve as it. */
extern Oid lr_extension_owner(void);

/* Whether the extension is there in this database: a transaction that wrote leads may have dropped it. */
extern bool lr_installed(void);

/* Rows come from a dump, as pg_dump says: leads are taken as they are. leadroute.restoring() is the same in SQL. */
#define lr_restoring() (!check_function_bodies)

/* OID of the schema leadroute, of a relation in it; errors when it is not there. */
extern Oid lr_schema_oid(void);
extern Oid lr_relation_oid(const char *name);

/* Where the relation of that name, a literal, has this oid: what somebody has just read. */
extern void lr_relation_is(const char *name, Oid relid);

/* index_open(), whose first time costs a session less. */
extern Relation lr_index_open(Oid relid, LOCKMODE lock);

#endif /* LEADROUTE_H */
