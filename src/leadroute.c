/*
 * leadroute.c
 *		Module magic, settings, and one init call per module in a fixed order.
 */
#include "postgres.h"

#include <unistd.h>

#include "access/genam.h"
#include "access/xact.h"
#include "calendar.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "compat.h"
#include "config.h"
#include "config_share.h"
#include "domain.h"
#include "fmgr.h"
#include "lead.h"
#include "leadroute.h"
#include "map_share.h"
#include "miscadmin.h"
#include "pending.h"
#include "phone_sql.h"
#include "rotation.h"
#include "table_copy.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

PG_MODULE_MAGIC_EXT(.name = "leadroute", .version = LEADROUTE_VERSION);

void _PG_init(void);

bool lr_enabled = true;
char *lr_condition_extensions = NULL;

static char *lr_clock = NULL;
static int sweep_pause = 0; /* read by pause_sweep() in SQL */

typedef struct KnownRelation
{
	const char *name;
	Oid relid;
} KnownRelation;

static KnownRelation known_relations[48];
static int nknown_relations = 0;

static void know_relation(const char *name, Oid relid);
static void forget_relations(Datum arg, int cacheid, uint32 hashvalue);
static void load_companion(void);

/*
 * The clock is parsed when it is set, so that a bad value fails there and reading it costs nothing. What is kept is the instant in
 * digits, in UTC: a parallel worker takes over the settings one by one, and until it has come to timezone_abbreviations reading 'Z' (or any
 * other word) would follow a pointer that PostgreSQL has freed.
 */
static bool
clock_check(char **newval, void **extra, GucSource source)
{
	TimestampTz *instant;
	TimestampTz parsed;
	struct pg_tm tm;
	fsec_t fsec;
	char digits[MAXDATELEN + 1];
	char *kept;

	if (*newval == NULL || **newval == '\0')
		return true;
	/* a SET of a bad value raises timestamptz_in's own error */
	if (!IsTransactionState())
	{
		GUC_check_errdetail("It cannot be read where no session is under way yet, as in postgresql.conf.");
		GUC_check_errhint("Use SET in a session, or ALTER DATABASE or ALTER ROLE ... SET leadroute.clock.");
		return false;
	}
	parsed = DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in, CStringGetDatum(*newval),
													 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	if (TIMESTAMP_NOT_FINITE(parsed) || timestamp2tm(parsed, NULL, &tm, &fsec, NULL, NULL) != 0 || tm.tm_year <= 0)
	{
		GUC_check_errdetail("It must be an instant of our era.");
		return false;
	}
	snprintf(digits, sizeof(digits), "%04d-%02d-%02d %02d:%02d:%02d.%06d+00", tm.tm_year, tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int) fsec);
	instant = (TimestampTz *) lr_guc_malloc(sizeof(TimestampTz));
	kept = (char *) lr_guc_malloc(strlen(digits) + 1);
	if (instant == NULL || kept == NULL)
		return false;
	strcpy(kept, digits);
	lr_guc_free(*newval);
	*newval = kept;
	*instant = parsed;
	*extra = instant;
	return true;
}

static TimestampTz *lr_clock_instant = NULL;

static void
clock_assign(const char *newval, void *extra)
{
	lr_clock_instant = (TimestampTz *) extra;
}

TimestampTz
lr_now(void)
{
	return lr_clock_instant ? *lr_clock_instant : GetCurrentTimestamp();
}

bool
lr_clock_is_set(void)
{
	return lr_clock_instant != NULL;
}

bool
lr_installed(void)
{
	Oid schema = get_namespace_oid("leadroute", true);

	return OidIsValid(schema) && OidIsValid(get_relname_relid("lead_states", schema));
}

Oid
lr_schema_oid(void)
{
	return get_namespace_oid("leadroute", false);
}

/* Names are literals. Remembered until a relation or schema of the database is made, altered or dropped. */
Oid
lr_relation_oid(const char *name)
{
	static bool registered = false;
	Oid relid;

	for (int i = 0; i < nknown_relations; i++)
		if (strcmp(known_relations[i].name, name) == 0)
			return known_relations[i].relid;

	/* before lr_relation_is() tells any: the configuration is looked for by a name */
	if (!registered)
	{
		CacheRegisterSyscacheCallback(RELNAMENSP, forget_relations, (Datum) 0);
		CacheRegisterSyscacheCallback(NAMESPACENAME, forget_relations, (Datum) 0);
		registered = true;
	}
	relid = get_relname_relid(name, lr_schema_oid());
	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"leadroute.%s\" does not exist", name),
				 errhint("Install the extension with CREATE EXTENSION leadroute CASCADE.")));
	know_relation(name, relid);
	return relid;
}

void
lr_relation_is(const char *name, Oid relid)
{
	for (int i = 0; i < nknown_relations; i++)
		if (strcmp(known_relations[i].name, name) == 0)
			return;
	know_relation(name, relid);
}

static void
know_relation(const char *name, Oid relid)
{
	if (nknown_relations == (int) lengthof(known_relations))
		return;
	known_relations[nknown_relations].name = name;
	known_relations[nknown_relations++].relid = relid;
}

static void
forget_relations(Datum arg, int cacheid, uint32 hashvalue)
{
	nknown_relations = 0;
}

/*
 * The relation cache asks for the options of each column of an index, one by one, a look-up in the catalog each. All of them read at once
 * are in the syscache when it does.
 */
Relation
lr_index_open(Oid relid, LOCKMODE lock)
{
	static Oid opened[32];
	static int nopened = 0;

	for (int i = 0; i < nopened; i++)
		if (opened[i] == relid)
			return index_open(relid, lock);
	if (nopened < (int) lengthof(opened))
	{
		opened[nopened++] = relid;
		ReleaseSysCacheList(SearchSysCacheList1(ATTNUM, ObjectIdGetDatum(relid)));
	}
	return index_open(relid, lock);
}

Oid
lr_extension_owner(void)
{
	HeapTuple tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(lr_schema_oid()));
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for schema leadroute");
	owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
	ReleaseSysCache(tuple);
	return owner;
}

/*
 * btree_gist's functions are behind the index of territories, so the first look-up in a large map would load its library: a search for each
 * of its symbols in all libraries that are here, a millisecond of each new connection's first lead. What the server's first process has
 * loaded its children have. That there is none is for CREATE EXTENSION to tell.
 */
static void
load_companion(void)
{
	char path[MAXPGPATH];

	snprintf(path, sizeof(path), "%s/btree_gist%s", pkglib_path, DLSUFFIX);
	if (process_shared_preload_libraries_in_progress && access(path, R_OK) == 0)
		load_file(path, false);
}

void
_PG_init(void)
{
	DefineCustomBoolVariable("leadroute.enabled",
							 "Whether leads are routed in this session.",
							 "Where off, leads are stored and recorded as unrouted, for leadroute.catch_up().",
							 &lr_enabled, true, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("leadroute.clock",
							   "The instant that leadroute takes for now; empty means the real one.",
							   "For tests and simulations.",
							   &lr_clock, "", PGC_SUSET, 0, clock_check, clock_assign, NULL);
	DefineCustomIntVariable("leadroute.sweep_pause",
							"How long a sweep pauses after each batch that it has committed.",
							"Leaves the machine to others while there is much to do.",
							&sweep_pause, 0, 0, 60 * 1000, PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomStringVariable("leadroute.condition_extensions",
							   "Extensions whose functions, operators and casts a condition may use.",
							   NULL,
							   &lr_condition_extensions, "citext", PGC_SUSET, GUC_LIST_INPUT, NULL, NULL, NULL);

	/* the rotation first: its commit callback must run after the one that confirms turns */
	lr_rotation_init();
	lr_share_init();
	lr_map_share_init();
	lr_config_init();
	lr_calendar_init();
	lr_lead_init();
	lr_pending_init();
	lr_phone_init();
	lr_domain_init();
	lr_table_copy_init();

	load_companion();

	MarkGUCPrefixReserved("leadroute");
}
