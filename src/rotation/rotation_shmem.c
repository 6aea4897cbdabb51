/*
 * rotation_shmem.c
 *		Rotation's shared memory: the members of all teams of all databases, and how they are filled from the ledger.
 *
 * Locks, in the order in which they are taken:
 *	- the ledger's relation lock (AccessShareLock), before a session declares itself the loader: a session that waits
 *	  for a heavyweight lock must never be one that others wait for on a condition variable, where no deadlock is seen;
 *	- the directory lock covers the two hash tables: shared to find, exclusive to add or remove an entry;
 *	- partition locks, by hash of (database, flow), so that all members of a flow's teams lie under one, and what a rep
 *	  has in several teams can be counted and taken in one act: they cover the fields of SharedMember, the list of
 *	  members in SharedRep and the partition's sequence. A session holds one at a time; only the loader holds all, in
 *	  ascending order, for the instant of its snapshot;
 *	- SharedDatabase.mutex covers "loading" and changes of "loaded"; "wanted" and "loaded" are read without it.
 *
 * Entries never move. They are removed only for databases that no longer exist, when the table is full.
 *
 * Loading. What shared memory holds of a member is committed + uncommitted, the second part being counted apart, so
 * that "what shared memory takes for committed" is a difference. The loader takes a snapshot and those differences
 * at one instant, under all partition locks; what the ledger says less what shared memory took for committed is
 * a correction, and it is added afterwards: takes, commits and aborts that fall between are not disturbed. One
 * window needs care: a transaction between ProcArrayEndTransaction and its commit callback is visible to the
 * snapshot while its takes still count as uncommitted. So each session publishes its xid from PRE_COMMIT to the
 * end of the callback, and the loader tries again while a published xid is visible to its snapshot.
 *
 * Meters (rotation_meter.c) are loaded in the same way, span by span. One is made when a session first needs it, and
 * "wanted" grows before anybody can find it, so whoever uses it has waited for the load. What was given before has been
 * written into the ledger by whoever made the cap (count_before() in 45_rotation.sql), what was open then comes in when it commits.
 *
 * "wanted" grows when somebody changed the ledger by hand; loaded = wanted means ready. A new database wants 1.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xlog.h"
#include "common/hashfn.h"
#include "compat.h"
#include "executor/tuptable.h"
#include "leadroute.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "rotation_ledger.h"
#include "rotation_shmem.h"
#include "shared_memory.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/wait_event.h"


typedef struct SharedDatabase
{
	Oid database; /* hash key */
	bool loading;
	slock_t mutex;
	pg_atomic_uint64 wanted;
	pg_atomic_uint64 loaded;
	pg_atomic_uint64 drifted;	 /* members and spans that reconciling found wrong since the start */
	pg_atomic_uint64 reconciled; /* when it last looked, 0 for never */
	ConditionVariable finished;
} SharedDatabase;

typedef union SharedPartition
{
	int64 sequence;
	char padding[PG_CACHE_LINE_SIZE];
} SharedPartition;

typedef struct SharedRotation
{
	LWLockPadded *locks; /* ROTATION_PARTITIONS, then the directory's */
	SharedPartition partitions[ROTATION_PARTITIONS];
	pg_atomic_uint32 committing[FLEXIBLE_ARRAY_MEMBER]; /* xid by process number */
} SharedRotation;

static int max_members = 10000;
static const int max_databases = 1024;

static SharedRotation *shared = NULL;
static HTAB *shared_members = NULL;
static HTAB *shared_reps = NULL;
static HTAB *shared_meters = NULL;
static HTAB *shared_databases = NULL;

/* this session's database, once found */
static SharedDatabase *my_database = NULL;

static Size shared_size(void);
static void start(void *memory, bool found, LWLockPadded *locks);
static void hash_names(const char *names, int length, uint64 *hash);
static SharedMember *enter_member(const RotationKey *key);
static bool has_room(const SharedMember *member, bool of_rep);
static void link_meter(SharedMember *member, bool of_rep, RotationMeter *meter);
static int64 correct_counts(HTAB *counts);
static bool database_is_gone(Oid database, const Oid *gone, int n);
static SharedDatabase *database_entry(void);
static int64 load_ledger(SharedDatabase *database, Relation ledger);
static void wait_for_loader(SharedDatabase *database);
static Snapshot snapshot_with_members(HTAB *members, HTAB *counts);
static bool commit_in_flight(Snapshot snapshot);
static void loading_ended(int code, Datum arg);
static bool remove_dropped_databases(void);
static int compare_oids(const void *a, const void *b);

static SharedPart shared_part = {
	.name = "leadroute_rotation",
	.locks = ROTATION_PARTITIONS + 1,
	.size = shared_size,
	.start = start,
	.tables = {
		{"leadroute rotation members", &shared_members, &max_members, sizeof(RotationKey), sizeof(SharedMember)},
		{"leadroute rotation reps", &shared_reps, &max_members, sizeof(RepKey), sizeof(SharedRep)},
		{"leadroute rotation meters", &shared_meters, &max_members, sizeof(MeterKey), sizeof(RotationMeter)},
		{"leadroute rotation databases", &shared_databases, &max_databases, sizeof(Oid), sizeof(SharedDatabase)},
	},
};

#define DIRECTORY_LOCK (&shared->locks[ROTATION_PARTITIONS].lock)

void
lr_rotation_shmem_init(void)
{
	DefineCustomIntVariable("leadroute.max_members",
							"How many members of teams, over all databases, shared memory has room for.",
							"A rep counts once for each team, and once more where leads without a team belong to him. There is room for as many caps.",
							&max_members, 10000, 100, 10000000,
							lr_shared_memory_setting(), 0, NULL, NULL, NULL);
	lr_shared_memory_register(&shared_part);
}

static Size
shared_size(void)
{
	return add_size(offsetof(SharedRotation, committing), mul_size(MaxBackends, sizeof(pg_atomic_uint32)));
}

static void
start(void *memory, bool found, LWLockPadded *locks)
{
	shared = memory;
	if (found)
		return;
	memset(shared, 0, shared_size());
	shared->locks = locks;
	for (int i = 0; i < MaxBackends; i++)
		pg_atomic_init_u32(&shared->committing[i], InvalidTransactionId);
}

bool
lr_rotation_shmem_available(void)
{
	return shared != NULL;
}

/* Two 64-bit hashes of the names with their terminating zeros, which no text contains. */
RotationKey
lr_rotation_key(const char *flow, const char *team, const char *rep)
{
	RotationKey key;
	StringInfoData names;
	int flow_length;
	int rep_length;

	/* flow, rep, team: the first, the first two and all of them are names of something */
	initStringInfo(&names);
	appendBinaryStringInfo(&names, flow, (int) strlen(flow) + 1);
	flow_length = names.len;
	appendBinaryStringInfo(&names, rep, (int) strlen(rep) + 1);
	rep_length = names.len;
	appendBinaryStringInfo(&names, team, (int) strlen(team) + 1);

	memset(&key, 0, sizeof(key));
	hash_names(names.data, names.len, key.hash);
	hash_names(names.data, rep_length, key.rep);
	key.database = MyDatabaseId;
	key.partition = (uint32) (hash_bytes_extended((unsigned char *) names.data, flow_length, MyDatabaseId) % ROTATION_PARTITIONS);
	pfree(names.data);
	return key;
}

static void
hash_names(const char *names, int length, uint64 *hash)
{
	hash[0] = hash_bytes_extended((const unsigned char *) names, length, 0);
	hash[1] = hash_bytes_extended((const unsigned char *) names, length, UINT64CONST(0x6c656164726f7574));
}

void
lr_rotation_lock(uint32 partition, LWLockMode mode)
{
	LWLockAcquire(&shared->locks[partition].lock, mode);
}

void
lr_rotation_unlock(uint32 partition)
{
	LWLockRelease(&shared->locks[partition].lock);
}

int64
lr_rotation_next_sequence(uint32 partition)
{
	return ++shared->partitions[partition].sequence;
}

void
lr_rotation_publish_commit(TransactionId xid)
{
	pg_atomic_write_u32(&shared->committing[MyProcNumber], xid);
	pg_memory_barrier();
}

void
lr_rotation_mark_stale(void)
{
	if (my_database == NULL)
	{
		/* a database that nobody has used yet has nothing to read again */
		LWLockAcquire(DIRECTORY_LOCK, LW_SHARED);
		my_database = hash_search(shared_databases, &MyDatabaseId, HASH_FIND, NULL);
		LWLockRelease(DIRECTORY_LOCK);
	}
	if (my_database != NULL)
		pg_atomic_fetch_add_u64(&my_database->wanted, 1);
}

SharedMember *
lr_rotation_find_member(const RotationKey *key)
{
	SharedMember *member;

	LWLockAcquire(DIRECTORY_LOCK, LW_SHARED);
	member = hash_search(shared_members, key, HASH_FIND, NULL);
	LWLockRelease(DIRECTORY_LOCK);
	return member;
}

SharedRep *
lr_rotation_find_rep(const RotationKey *key)
{
	RepKey rep_key = {{key->rep[0], key->rep[1]}, key->database, key->partition};
	SharedRep *rep;

	LWLockAcquire(DIRECTORY_LOCK, LW_SHARED);
	rep = hash_search(shared_reps, &rep_key, HASH_FIND, NULL);
	LWLockRelease(DIRECTORY_LOCK);
	return rep;
}

SharedMember *
lr_rotation_member(const RotationKey *key)
{
	SharedMember *member = lr_rotation_find_member(key);

	if (member != NULL)
		return member;

	do
	{
		LWLockAcquire(DIRECTORY_LOCK, LW_EXCLUSIVE);
		member = enter_member(key);
		LWLockRelease(DIRECTORY_LOCK);
	} while (member == NULL && remove_dropped_databases());

	if (member == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("out of shared memory for members of teams"),
				 errdetail("There is room for %d members over all databases.", max_members),
				 errhint("Raise leadroute.max_members and restart the server.")));
	return member;
}

/* Finds or makes a member and its rep, NULL where there is no room. Under the directory lock, exclusive. */
static SharedMember *
enter_member(const RotationKey *key)
{
	RepKey rep_key = {{key->rep[0], key->rep[1]}, key->database, key->partition};
	SharedMember *member;
	SharedRep *rep;
	bool found;

	member = hash_search(shared_members, key, HASH_ENTER_NULL, &found);
	if (member == NULL || found)
		return member;
	memset((char *) member + sizeof(RotationKey), 0, sizeof(SharedMember) - sizeof(RotationKey));

	/* there are no more reps than members, so there is room */
	rep = hash_search(shared_reps, &rep_key, HASH_ENTER_NULL, &found);
	if (rep == NULL)
	{
		hash_search(shared_members, key, HASH_REMOVE, NULL);
		return NULL;
	}
	if (!found)
		memset((char *) rep + sizeof(RepKey), 0, sizeof(SharedRep) - sizeof(RepKey));
	lr_rotation_lock(key->partition, LW_EXCLUSIVE);
	member->rep = rep;
	member->next = rep->members;
	member->nmeters = rep->nmeters;
	memcpy(member->meters, rep->meters, rep->nmeters * sizeof(RotationMeter *));
	rep->members = member;
	lr_rotation_unlock(key->partition);
	return member;
}

bool
lr_rotation_tallies(const RotationKey *key, bool takes, double *expected, uint32 *passed)
{
	SharedMember *member = lr_rotation_find_member(key);

	if (member == NULL)
		return false;
	lr_rotation_lock(key->partition, takes ? LW_EXCLUSIVE : LW_SHARED);
	*expected = member->expected;
	memcpy(passed, member->passed, sizeof(member->passed));
	if (takes)
	{
		member->expected = 0;
		memset(member->passed, 0, sizeof(member->passed));
	}
	lr_rotation_unlock(key->partition);
	return true;
}

int
lr_rotation_meters(const RotationKey *key, RotationMeter *meters)
{
	SharedMember *member = lr_rotation_find_member(key);
	int n;

	if (member == NULL)
		return 0;
	lr_rotation_lock(key->partition, LW_SHARED);
	n = member->nmeters;
	for (int i = 0; i < n; i++)
		meters[i] = *member->meters[i];
	lr_rotation_unlock(key->partition);
	return n;
}

RotationMeter *
lr_rotation_find_meter(SharedMember *member, bool of_rep, RotationPeriod period, const char *zone)
{
	MeterKey key;
	RotationMeter *meter;
	bool full = false;

	if (strlen(zone) >= METER_ZONE_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("time zone \"%s\" is too long a name for caps", zone)));
	memset(&key, 0, sizeof(key));
	memcpy(key.hash, of_rep ? member->key.rep : member->key.hash, sizeof(key.hash));
	key.zone = hash_bytes_extended((const unsigned char *) zone, (int) strlen(zone), 0);
	key.database = member->key.database;
	key.partition = member->key.partition;
	key.of_rep = of_rep;
	key.kind = period;

	LWLockAcquire(DIRECTORY_LOCK, LW_SHARED);
	meter = hash_search(shared_meters, &key, HASH_FIND, NULL);
	LWLockRelease(DIRECTORY_LOCK);
	if (meter != NULL)
		return meter;
	do
	{
		LWLockAcquire(DIRECTORY_LOCK, LW_EXCLUSIVE);
		meter = hash_search(shared_meters, &key, HASH_FIND, NULL);
		if (meter == NULL)
		{
			lr_rotation_lock(key.partition, LW_EXCLUSIVE);
			full = !has_room(member, of_rep);
			if (!full && (meter = hash_search(shared_meters, &key, HASH_ENTER_NULL, NULL)) != NULL)
			{
				memset((char *) meter + sizeof(MeterKey), 0, sizeof(RotationMeter) - sizeof(MeterKey));
				strlcpy(meter->zone, zone, METER_ZONE_LENGTH);
				link_meter(member, of_rep, meter);
				/* before anybody else can find it */
				lr_rotation_mark_stale();
			}
			lr_rotation_unlock(key.partition);
		}
		LWLockRelease(DIRECTORY_LOCK);
	} while (meter == NULL && !full && remove_dropped_databases());

	if (meter == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("out of shared memory for caps"),
				 full ? errdetail("The caps of one member were changed too often since the server started.")
					  : errdetail("There is room for %d caps over all databases.", max_members),
				 full ? errhint("Restart the server.") : errhint("Raise leadroute.max_members and restart the server.")));
	return meter;
}

/* Whether a further meter can be linked. Under the lock. */
static bool
has_room(const SharedMember *member, bool of_rep)
{
	if (!of_rep)
		return member->nmeters < MEMBER_METERS;
	if (member->rep->nmeters >= REP_METERS)
		return false;
	for (const SharedMember *each = member->rep->members; each != NULL; each = each->next)
		if (each->nmeters >= MEMBER_METERS)
			return false;
	return true;
}

/* From now on the meter counts. Under the lock, exclusive. */
static void
link_meter(SharedMember *member, bool of_rep, RotationMeter *meter)
{
	if (!of_rep)
	{
		member->meters[member->nmeters++] = meter;
		return;
	}
	member->rep->meters[member->rep->nmeters++] = meter;
	for (SharedMember *each = member->rep->members; each != NULL; each = each->next)
		each->meters[each->nmeters++] = meter;
}

/*
 * Frees the entries of databases that are gone. Nobody can be connected to them, so nobody holds their addresses.
 * Returns whether anything was freed.
 */
static bool
remove_dropped_databases(void)
{
	Oid *databases;
	int n = 0;
	int gone = 0;
	HASH_SEQ_STATUS scan;
	SharedMember *member;
	SharedRep *rep;
	RotationMeter *meter;
	SharedDatabase *database;
	bool removed = false;

	databases = palloc(sizeof(Oid) * max_databases);
	LWLockAcquire(DIRECTORY_LOCK, LW_SHARED);
	hash_seq_init(&scan, shared_databases);
	while ((database = hash_seq_search(&scan)) != NULL)
		databases[n++] = database->database;
	LWLockRelease(DIRECTORY_LOCK);

	for (int i = 0; i < n; i++)
		if (!SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(databases[i])))
			databases[gone++] = databases[i];
	if (gone == 0)
	{
		pfree(databases);
		return false;
	}
	qsort(databases, gone, sizeof(Oid), compare_oids);

	LWLockAcquire(DIRECTORY_LOCK, LW_EXCLUSIVE);
	hash_seq_init(&scan, shared_members);
	while ((member = hash_seq_search(&scan)) != NULL)
		if (database_is_gone(member->key.database, databases, gone))
			removed |= hash_search(shared_members, &member->key, HASH_REMOVE, NULL) != NULL;
	hash_seq_init(&scan, shared_meters);
	while ((meter = hash_seq_search(&scan)) != NULL)
		if (database_is_gone(meter->key.database, databases, gone))
			removed |= hash_search(shared_meters, &meter->key, HASH_REMOVE, NULL) != NULL;
	hash_seq_init(&scan, shared_reps);
	while ((rep = hash_seq_search(&scan)) != NULL)
		if (database_is_gone(rep->key.database, databases, gone))
			removed |= hash_search(shared_reps, &rep->key, HASH_REMOVE, NULL) != NULL;
	for (int i = 0; i < gone; i++)
		removed |= hash_search(shared_databases, &databases[i], HASH_REMOVE, NULL) != NULL;
	LWLockRelease(DIRECTORY_LOCK);
	pfree(databases);
	return removed;
}

static bool
database_is_gone(Oid database, const Oid *gone, int n)
{
	return bsearch(&database, gone, n, sizeof(Oid), compare_oids) != NULL;
}

static int
compare_oids(const void *a, const void *b)
{
	Oid left = *(const Oid *) a;
	Oid right = *(const Oid *) b;

	return (left > right) - (left < right);
}

/* The current database's entry, found or made. */
static SharedDatabase *
database_entry(void)
{
	SharedDatabase *database;

	if (my_database != NULL)
		return my_database;
	do
	{
		bool found;

		LWLockAcquire(DIRECTORY_LOCK, LW_EXCLUSIVE);
		database = hash_search(shared_databases, &MyDatabaseId, HASH_ENTER_NULL, &found);
		if (database != NULL && !found)
		{
			database->loading = false;
			SpinLockInit(&database->mutex);
			pg_atomic_init_u64(&database->wanted, 1);
			pg_atomic_init_u64(&database->loaded, 0);
			pg_atomic_init_u64(&database->drifted, 0);
			pg_atomic_init_u64(&database->reconciled, 0);
			ConditionVariableInit(&database->finished);
		}
		LWLockRelease(DIRECTORY_LOCK);
	} while (database == NULL && remove_dropped_databases());

	if (database == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many databases use leadroute"),
				 errdetail("One server has room for %d of them.", max_databases)));
	my_database = database;
	return database;
}

bool
lr_rotation_is_loaded(void)
{
	return my_database != NULL &&
		   pg_atomic_read_u64(&my_database->loaded) == pg_atomic_read_u64(&my_database->wanted);
}

void
lr_rotation_load(void)
{
	SharedDatabase *database = database_entry();

	while (pg_atomic_read_u64(&database->loaded) != pg_atomic_read_u64(&database->wanted))
	{
		Relation ledger = table_open(lr_relation_oid("rotation"), AccessShareLock);
		bool loading;
		bool ready;

		/* somebody may have loaded it while we waited for the lock */
		SpinLockAcquire(&database->mutex);
		ready = pg_atomic_read_u64(&database->loaded) == pg_atomic_read_u64(&database->wanted);
		loading = database->loading;
		if (!ready)
			database->loading = true;
		SpinLockRelease(&database->mutex);

		if (!ready && !loading)
			(void) load_ledger(database, ledger);
		table_close(ledger, AccessShareLock);
		if (ready || !loading)
			continue;
		wait_for_loader(database);
	}
}

int64
lr_rotation_reconcile(void)
{
	SharedDatabase *database = database_entry();
	bool mine = false;
	uint64 wanted;
	int64 drifted;

	while (!mine)
	{
		Relation ledger;

		lr_rotation_load();
		ledger = table_open(lr_relation_oid("rotation"), AccessShareLock);
		wanted = pg_atomic_read_u64(&database->wanted);
		SpinLockAcquire(&database->mutex);
		mine = !database->loading && pg_atomic_read_u64(&database->loaded) == wanted;
		if (mine)
			database->loading = true;
		SpinLockRelease(&database->mutex);
		if (mine)
			drifted = load_ledger(database, ledger);
		table_close(ledger, AccessShareLock);
		if (!mine)
			wait_for_loader(database);
	}
	/* somebody has written the ledger by hand meanwhile: what was found is his */
	if (pg_atomic_read_u64(&database->wanted) != wanted)
		return 0;
	pg_atomic_fetch_add_u64(&database->drifted, drifted);
	pg_atomic_write_u64(&database->reconciled, (uint64) lr_now());
	return drifted;
}

void
lr_rotation_reconciled(TimestampTz *at, int64 *drifted)
{
	SharedDatabase *database = database_entry();

	*at = (TimestampTz) pg_atomic_read_u64(&database->reconciled);
	*drifted = (int64) pg_atomic_read_u64(&database->drifted);
}

static void
wait_for_loader(SharedDatabase *database)
{
	bool loading;

	ConditionVariablePrepareToSleep(&database->finished);
	for (;;)
	{
		SpinLockAcquire(&database->mutex);
		loading = database->loading;
		SpinLockRelease(&database->mutex);
		if (!loading)
			break;
		ConditionVariableSleep(&database->finished, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
}

/*
 * Corrects shared memory by the ledger; returns how many members and recent spans were wrong. The caller has set
 * "loading", which ends here in every case.
 */
static int64
load_ledger(SharedDatabase *database, Relation ledger)
{
	volatile int64 corrected = 0;

	PG_ENSURE_ERROR_CLEANUP(loading_ended, PointerGetDatum(database));
	{
		uint64 wanted = pg_atomic_read_u64(&database->wanted);
		HTAB *members = lr_rotation_ledger_hash();
		HTAB *counts = lr_rotation_count_hash();
		Snapshot snapshot;
		HASH_SEQ_STATUS scan;
		LedgerMember *entry;

		pg_memory_barrier();
		snapshot = snapshot_with_members(members, counts);
		lr_rotation_sum_ledger(ledger, snapshot, members, counts);
		UnregisterSnapshot(snapshot);

		hash_seq_init(&scan, members);
		while ((entry = hash_seq_search(&scan)) != NULL)
		{
			int64 pointer = entry->pointer - entry->shared_pointer;
			int64 open = entry->open - entry->shared_open;
			SharedMember *member;

			if (pointer == 0 && open == 0)
				continue;
			corrected++;
			member = lr_rotation_member(&entry->key);
			lr_rotation_lock(entry->key.partition, LW_EXCLUSIVE);
			member->pointer += pointer;
			member->open += (int32) open;
			lr_rotation_unlock(entry->key.partition);
		}
		hash_destroy(members);
		corrected += correct_counts(counts);
		hash_destroy(counts);
		pg_atomic_write_u64(&database->loaded, wanted);
	}
	PG_END_ENSURE_ERROR_CLEANUP(loading_ended, PointerGetDatum(database));
	loading_ended(0, PointerGetDatum(database));
	return corrected;
}

/* Also called where the loader failed or was terminated: the next user tries again. */
static void
loading_ended(int code, Datum arg)
{
	SharedDatabase *database = (SharedDatabase *) DatumGetPointer(arg);

	SpinLockAcquire(&database->mutex);
	database->loading = false;
	SpinLockRelease(&database->mutex);
	ConditionVariableBroadcast(&database->finished);
}

/*
 * A registered snapshot of what is committed (the own transaction's rows not among it), and into "members", of the
 * same instant, what shared memory takes for committed.
 */
static Snapshot
snapshot_with_members(HTAB *members, HTAB *counts)
{
	Snapshot snapshot;
	HASH_SEQ_STATUS scan;
	SharedMember *member;
	RotationMeter *meter;

	for (;;)
	{
		LWLockAcquire(DIRECTORY_LOCK, LW_SHARED);
		for (int i = 0; i < ROTATION_PARTITIONS; i++)
			lr_rotation_lock(i, LW_EXCLUSIVE);
		snapshot = RegisterSnapshot(GetLatestSnapshot());
		if (!commit_in_flight(snapshot))
			break;
		for (int i = 0; i < ROTATION_PARTITIONS; i++)
			lr_rotation_unlock(i);
		LWLockRelease(DIRECTORY_LOCK);
		UnregisterSnapshot(snapshot);
		CHECK_FOR_INTERRUPTS();
		pg_usleep(100L);
	}

	/* command 0 sees nothing that this transaction inserted and everything that it deleted */
	snapshot->curcid = FirstCommandId;

	hash_seq_init(&scan, shared_members);
	while ((member = hash_seq_search(&scan)) != NULL)
	{
		LedgerMember *entry;

		if (member->key.database != MyDatabaseId)
			continue;
		entry = hash_search(members, &member->key, HASH_ENTER, NULL);
		entry->pointer = 0;
		entry->open = 0;
		entry->shared_pointer = member->pointer - member->pointer_uncommitted;
		entry->shared_open = member->open - member->open_uncommitted;
	}
	hash_seq_init(&scan, shared_meters);
	while ((meter = hash_seq_search(&scan)) != NULL)
	{
		if (meter->key.database != MyDatabaseId)
			continue;
		for (int i = 0; i < METER_SLOTS; i++)
		{
			const MeterSlot *slot = &meter->slots[i];
			LedgerCount *count;

			if (slot->begin == slot->end)
				continue;
			count = lr_rotation_find_count(counts, meter, slot->begin, slot->end);
			count->shared = slot->count - slot->uncommitted;
		}
	}
	for (int i = 0; i < ROTATION_PARTITIONS; i++)
		lr_rotation_unlock(i);
	LWLockRelease(DIRECTORY_LOCK);
	return snapshot;
}

/* Whether somebody is visible as committed whose commit callback has not finished; takes microseconds to end. */
static bool
commit_in_flight(Snapshot snapshot)
{
	for (int i = 0; i < MaxBackends; i++)
	{
		TransactionId xid = pg_atomic_read_u32(&shared->committing[i]);

		if (TransactionIdIsValid(xid) && !XidInMVCCSnapshot(xid, snapshot))
			return true;
	}
	return false;
}

/*
 * Spans that are older than a meter has slots for are left out: nobody asks for them. Returns how many of those that are
 * asked for now were wrong: older ones a fold may have put together or forgotten.
 */
static int64
correct_counts(HTAB *counts)
{
	HASH_SEQ_STATUS scan;
	LedgerCount *count;
	int32 now = lr_rotation_minute(lr_now());
	int64 corrected = 0;

	hash_seq_init(&scan, counts);
	while ((count = hash_seq_search(&scan)) != NULL)
	{
		RotationMeter *meter = count->key.meter;
		MeterSlot *slot;

		if (count->leads == count->shared)
			continue;
		lr_rotation_lock(meter->key.partition, LW_EXCLUSIVE);
		slot = lr_meter_make_slot(meter, (int32) count->key.begin, count->end);
		if (slot)
			slot->count += (int32) count->leads - count->shared;
		lr_rotation_unlock(meter->key.partition);
		if (meter->key.kind >= PERIOD_ROLLING_HOUR ? count->key.begin >= now - 60 : count->end > now)
			corrected++;
	}
	return corrected;
}
