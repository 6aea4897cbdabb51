/*
 * config_share.c
 *		What one session has read of the configuration, for those that come after it: images in shared memory.
 *
 * A new connection would otherwise read every configuration table for its first lead. An image is what a session read (config_row.c:
 * answers to queries, word for word), under the names of what it is about. It is never more than a copy: whoever finds none reads the tables.
 *
 * Validity. A database has a generation, and an image the generation under which it was read; another one makes it void. A
 * transaction that changes the configuration (the triggers that send the invalidations call lr_share_changed()) raises the generation before it
 * commits, and is counted as a writer until others see its rows. Who finds a writer at work reads for himself and publishes nothing, and
 * so does who finds the generation raised while he read. So an image holds what was committed when its generation was looked at, and
 * whatever commits later has raised that first. Who takes an image hears by the usual invalidation of what commits after.
 *
 * A transaction with such changes that is prepared commits when nobody can tell. From its PREPARE on, and after a start or promotion
 * until somebody has looked, there are no images, until who would make one finds no prepared transaction in the cluster.
 *
 * No image is taken or made: in a transaction with changes of its own, on a standby (no callback runs where WAL is replayed), under a simulated
 * clock (the configuration read depends on it), in a parallel query, and in a restore.
 *
 * Memory: images lie one behind the other, and where there is no room left all of them go. One lock covers everything here; it is held for
 * copying an image. Counters are shared by databases whose numbers collide, which makes images void too often and never too late.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/parallel.h"
#include "access/twophase.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "common/hashfn.h"
#include "config_share.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "leadroute.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "shared_memory.h"
#include "storage/lwlock.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(lr_shared_configuration);

#define SHARE_COUNTERS 64

/* Of the databases with one remainder. */
typedef struct ShareCounters
{
	uint64 generation;
	uint64 maps;	 /* the same, raised by changes of territories only */
	uint32 writers;	 /* transactions with changes, between raising the generation and being over */
	uint32 prepares; /* not 0: one may be prepared; counts them */
} ShareCounters;

typedef struct SharedImages
{
	LWLock *lock;
	Size size;
	Size used;
	ShareCounters counters[SHARE_COUNTERS];
	pg_atomic_uint64 taken;
	uint64 published;
	uint64 emptied;
	char images[FLEXIBLE_ARRAY_MEMBER] pg_attribute_aligned(MAXIMUM_ALIGNOF);
} SharedImages;

typedef struct ImageEntry
{
	ShareKey key;
	uint64 generation;
	Size offset;
	Size size;
} ImageEntry;

/* What this session's transaction has done to the configuration. */
typedef enum OwnChanges
{
	CHANGES_NONE,
	CHANGES_MADE,
	CHANGES_ANNOUNCED
} OwnChanges;

static int shared_kilobytes = 16 * 1024;
static const int max_images = 4096;
static SharedImages *shared = NULL;
static HTAB *directory = NULL;
static OwnChanges changes = CHANGES_NONE;
static bool territories_changed = false; /* among them */
static bool committing = false;

static Size shared_size(void);
static void start(void *memory, bool found, LWLockPadded *locks);
static void raise_maps(void);
static void transaction_callback(XactEvent event, void *arg);
static void announce(bool prepares);
static ShareCounters *counters_of(Oid database);
static ShareCounters *my_counters(void);
static void note_place(SharePlace *place, bool found);
static bool holds(const ImageEntry *entry);
static bool shares(void);
static void make_key(ShareKey *key, const char *kind, const char *flow, const char *name, Oid anchor);
static void forget_images(void);

static SharedPart shared_part = {
	.name = "leadroute_configuration",
	.locks = 1,
	.size = shared_size,
	.start = start,
	.tables = {{"leadroute configuration images", &directory, &max_images, sizeof(ShareKey), sizeof(ImageEntry)}},
};

void
lr_share_init(void)
{
	DefineCustomIntVariable("leadroute.shared_configuration",
							"How much shared memory holds configuration that sessions have read, for new connections.",
							"Where it is 0, or full, each session reads the configuration tables itself.",
							&shared_kilobytes, 16 * 1024, 0, 1024 * 1024,
							lr_shared_memory_setting(), GUC_UNIT_KB, NULL, NULL, NULL);
	RegisterXactCallback(transaction_callback, NULL);
	lr_shared_memory_register(&shared_part);
}

static Size
shared_size(void)
{
	return add_size(offsetof(SharedImages, images), mul_size(shared_kilobytes, 1024));
}

static void
start(void *memory, bool found, LWLockPadded *locks)
{
	shared = memory;
	if (found)
		return;
	memset(shared, 0, offsetof(SharedImages, images));
	pg_atomic_init_u64(&shared->taken, 0);
	shared->lock = &locks->lock;
	shared->size = mul_size(shared_kilobytes, 1024);
	/* transactions may be prepared since before the start */
	for (int i = 0; i < SHARE_COUNTERS; i++)
		shared->counters[i].prepares = 1;
}

/* ---- writers ---- */

void
lr_share_changed(bool territories)
{
	if (changes == CHANGES_NONE)
		changes = CHANGES_MADE;
	if (territories && !territories_changed)
	{
		territories_changed = true;
		if (changes == CHANGES_ANNOUNCED)
			raise_maps();
	}
	/* by a trigger of something that runs at commit, after our callback */
	if (changes == CHANGES_MADE && committing)
		announce(false);
}

/* What was announced before did not know of them. */
static void
raise_maps(void)
{
	if (shared == NULL)
		return;
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	my_counters()->maps++;
	LWLockRelease(shared->lock);
}

static void
transaction_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			committing = true;
			if (changes == CHANGES_MADE)
				announce(event == XACT_EVENT_PRE_PREPARE);
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			committing = false;
			if (changes == CHANGES_ANNOUNCED && shared)
			{
				LWLockAcquire(shared->lock, LW_EXCLUSIVE);
				my_counters()->writers--;
				LWLockRelease(shared->lock);
			}
			changes = CHANGES_NONE;
			territories_changed = false;
			break;
		default:
			break;
	}
}

/* Before it commits, so before anybody can see what it changed. */
static void
announce(bool prepares)
{
	if (shared)
	{
		LWLockAcquire(shared->lock, LW_EXCLUSIVE);
		my_counters()->generation++;
		if (territories_changed)
			my_counters()->maps++;
		my_counters()->writers++;
		if (prepares)
			my_counters()->prepares = Max(my_counters()->prepares + 1, 1);
		LWLockRelease(shared->lock);
	}
	changes = CHANGES_ANNOUNCED;
}

static ShareCounters *
my_counters(void)
{
	return counters_of(MyDatabaseId);
}

static ShareCounters *
counters_of(Oid database)
{
	return &shared->counters[database % SHARE_COUNTERS];
}

/* ---- readers ---- */

void *
lr_share_find(const char *kind, const char *flow, const char *name, Oid anchor, SharePlace *place, Size *size)
{
	const ImageEntry *entry;
	void *image = NULL;

	memset(place, 0, sizeof(SharePlace));
	if (!shares())
		return NULL;
	make_key(&place->key, kind, flow, name, anchor);

	LWLockAcquire(shared->lock, LW_SHARED);
	entry = hash_search(directory, &place->key, HASH_FIND, NULL);
	if (entry && holds(entry))
	{
		*size = entry->size;
		image = MemoryContextAllocExtended(CurrentMemoryContext, entry->size, MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
		if (image)
		{
			memcpy(image, shared->images + entry->offset, entry->size);
			pg_atomic_fetch_add_u64(&shared->taken, 1);
		}
	}
	note_place(place, image != NULL);
	LWLockRelease(shared->lock);
	return image;
}

/* Under the lock. */
static void
note_place(SharePlace *place, bool found)
{
	const ShareCounters *counters = my_counters();

	place->publishes = !found && counters->writers == 0;
	place->generation = counters->generation;
	place->maps = counters->maps;
	place->prepares = counters->prepares;
}

bool
lr_share_see(const char *kind, const char *flow, const char *name, Oid anchor, SharePlace *place, void (*see)(const void *image, void *arg), void *arg)
{
	const ImageEntry *entry;
	bool found;

	memset(place, 0, sizeof(SharePlace));
	if (!shares())
		return false;
	make_key(&place->key, kind, flow, name, anchor);

	LWLockAcquire(shared->lock, LW_SHARED);
	entry = hash_search(directory, &place->key, HASH_FIND, NULL);
	found = entry && holds(entry);
	if (found)
	{
		see(shared->images + entry->offset, arg);
		pg_atomic_fetch_add_u64(&shared->taken, 1);
	}
	note_place(place, found);
	LWLockRelease(shared->lock);
	return found;
}

char *
lr_share_find_part(const char *kind, const char *flow, const char *name, Oid anchor, Size offset, Size size)
{
	const ImageEntry *entry;
	ShareKey key;
	char *copy;

	if (!shares())
		return NULL;
	make_key(&key, kind, flow, name, anchor);
	copy = palloc(size + 1);
	copy[size] = '\0';

	LWLockAcquire(shared->lock, LW_SHARED);
	entry = hash_search(directory, &key, HASH_FIND, NULL);
	if (entry && holds(entry) && offset + size <= entry->size)
		memcpy(copy, shared->images + entry->offset + offset, size);
	else
		size = 0;
	LWLockRelease(shared->lock);
	return size > 0 ? copy : NULL;
}

/* Under the lock. */
static bool
holds(const ImageEntry *entry)
{
	return entry->generation == my_counters()->generation && my_counters()->prepares == 0;
}

Size
lr_share_size(void)
{
	return shared ? shared->size : 0;
}

static bool
shares(void)
{
	return lr_share_takes() && shared->size > 0;
}

bool
lr_share_takes(void)
{
	return shared && changes == CHANGES_NONE && !RecoveryInProgress() && !IsInParallelMode() && check_function_bodies && !lr_clock_is_set();
}

void
lr_share_maps_place(SharePlace *place)
{
	memset(place, 0, sizeof(SharePlace));
	if (!lr_share_takes())
		return;
	LWLockAcquire(shared->lock, LW_SHARED);
	note_place(place, false);
	LWLockRelease(shared->lock);
}

uint64
lr_share_maps_generation(Oid database)
{
	uint64 maps;

	LWLockAcquire(shared->lock, LW_SHARED);
	maps = counters_of(database)->maps;
	LWLockRelease(shared->lock);
	return maps;
}

/*
 * No writer was at work when it was read, and whoever may have changed a territory since, or prepared that, has raised their generation. Who was
 * prepared before is none, or it does not publish.
 */
bool
lr_share_maps_hold(const SharePlace *place)
{
	return place->publishes && lr_share_takes() && lr_share_maps_generation(MyDatabaseId) == place->maps;
}

/* Two 64-bit hashes of the names with their terminating zeros, which no text contains. */
static void
make_key(ShareKey *key, const char *kind, const char *flow, const char *name, Oid anchor)
{
	static const uint64 seeds[] = {0, UINT64CONST(0x6c656164726f7574)};

	memset(key, 0, sizeof(ShareKey));
	key->database = MyDatabaseId;
	key->anchor = anchor;
	for (int i = 0; i < (int) lengthof(seeds); i++)
	{
		uint64 hash = hash_bytes_extended((const unsigned char *) kind, (int) strlen(kind) + 1, seeds[i]);

		hash = hash_bytes_extended((const unsigned char *) flow, (int) strlen(flow) + 1, hash);
		key->names[i] = hash_bytes_extended((const unsigned char *) name, (int) strlen(name) + 1, hash);
	}
}

void
lr_share_look(SharePlace *place)
{
	if (!place->publishes || place->prepares == 0)
		return;
	if (max_prepared_xacts > 0)
	{
		if (SPI_execute("SELECT FROM pg_catalog.pg_prepared_xacts LIMIT 1", true, 1) != SPI_OK_SELECT)
			elog(ERROR, "could not read pg_prepared_xacts");
		place->publishes = SPI_processed == 0;
	}
	place->clears = place->publishes;
}

void
lr_share_publish(const SharePlace *place, const SharePiece *pieces, int n)
{
	ShareCounters *counters;
	ImageEntry *entry;
	Size size = 0;
	bool found;

	for (int i = 0; i < n; i++)
		size += pieces[i].size;
	if (!place->publishes || !shares() || size > shared->size)
		return;
	counters = my_counters();

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	if (counters->generation == place->generation && counters->prepares == place->prepares)
	{
		if (place->clears)
			counters->prepares = 0;
		if (shared->used + size > shared->size || hash_get_num_entries(directory) >= max_images)
			forget_images();
		entry = hash_search(directory, &place->key, HASH_ENTER, &found);
		if (!found || entry->generation != place->generation)
		{
			entry->generation = place->generation;
			entry->offset = shared->used;
			shared->published++;
			entry->size = size;
			for (int i = 0; i < n; i++)
			{
				memcpy(shared->images + shared->used, pieces[i].data, pieces[i].size);
				shared->used += pieces[i].size;
			}
		}
	}
	LWLockRelease(shared->lock);
}

static void
forget_images(void)
{
	HASH_SEQ_STATUS status;
	ImageEntry *entry;

	hash_seq_init(&status, directory);
	while ((entry = hash_seq_search(&status)) != NULL)
		(void) hash_search(directory, &entry->key, HASH_REMOVE, NULL);
	shared->used = 0;
	shared->emptied++;
}

/* ---- asking ---- */

Datum
lr_shared_configuration(PG_FUNCTION_ARGS)
{
	Datum values[6] = {0};
	bool nulls[6] = {true, true, true, true, true, true};
	TupleDesc desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (shared)
	{
		memset(nulls, false, sizeof(nulls));
		LWLockAcquire(shared->lock, LW_SHARED);
		values[0] = Int32GetDatum((int32) hash_get_num_entries(directory));
		values[1] = Int64GetDatum((int64) shared->used);
		values[2] = Int64GetDatum((int64) shared->size);
		values[3] = Int64GetDatum((int64) pg_atomic_read_u64(&shared->taken));
		values[4] = Int64GetDatum((int64) shared->published);
		values[5] = Int64GetDatum((int64) shared->emptied);
		LWLockRelease(shared->lock);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
