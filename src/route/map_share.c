/*
 * map_share.c
 *		Images of large maps that all sessions of the server look into.
 *
 * A map of a hundred thousand territories takes a tenth of a second and twenty megabytes to be made an image (map_image.c): no session makes
 * its own, and no lead waits for it. Until there is one, look-ups go through the index and are counted. When they have cost about as much as an image,
 * a background worker makes it, in a dynamic shared memory segment that is pinned, which every session maps when it looks into the map. Where no worker
 * can be had, or no memory, the index goes on answering.
 *
 * Validity is that of config_share.c, with a generation of its own that only changes of territories raise: an image is taken under the generation that
 * it was read under, and who has taken one hears by the usual invalidation when it ends, since it belongs to his configuration. Other
 * changes of the configuration leave images alone.
 *
 * Memory: a segment lives until its map has another one, until a session finds it out of date, or another map needs the room; and as long as
 * anybody maps it. leadroute.shared_maps bounds what is pinned. The directory's lock covers all slots but for their counters, which nobody needs
 * to be exact; it is held while a segment is mapped, so that none is unpinned meanwhile, and config_share.c's is taken within it.
 */
#include "postgres.h"

#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "config_share.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "leadroute.h"
#include "map_share.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "postmaster/bgworker.h"
#include "shared_memory.h"
#include "storage/bufmgr.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(lr_shared_maps);

PGDLLEXPORT void lr_map_share_main(Datum arg);

#define MAPS 64
#define MAP_NAME 128			 /* longer names are not shared */
#define MISSES_LEAST 1000		 /* look-ups through the index before an image is worth its making */
#define MISSES_A_BLOCK 2		 /* and for each block of the table */
#define ASKED_FOR 10 * 60 * 1000 /* ms: who asked for an image and got none asks again */

typedef struct MapSlot
{
	bool used;
	Oid database;
	Oid anchor;
	char flow[MAP_NAME];
	char map[MAP_NAME];
	pg_atomic_uint32 misses; /* since the last image was made */
	bool asked;				 /* a worker, who has not come to an end */
	TimestampTz asked_at;
	bool made; /* there is a segment, which is pinned */
	dsm_handle handle;
	Size size;
	int64 territories;
	uint64 generation; /* of territories, under which they were read */
	int64 images;	   /* that were made */
} MapSlot;

typedef struct SharedMaps
{
	LWLock *lock;
	pg_atomic_uint64 made; /* images, of all maps */
	MapSlot slots[MAPS];
} SharedMaps;

/* A segment that this session maps. */
typedef struct Mapped
{
	struct Mapped *next;
	dsm_handle handle;
	dsm_segment *segment;
	int users;
} Mapped;

/* What the worker makes. */
typedef struct Making
{
	int slot;
	Oid anchor;
	char flow[MAP_NAME];
	char map[MAP_NAME];
	SharePlace place;
} Making;

static int shared_megabytes = 256;
static SharedMaps *shared = NULL;
static Mapped *mapped_segments = NULL;

static Size shared_size(void);
static void start(void *memory, bool found, LWLockPadded *locks);
static MapSlot *find_slot(const MapSeat *seat);
static bool is_slot_of(const MapSlot *slot, const MapSeat *seat);
static const MapImage *map_segment(dsm_handle handle, MemoryContext mcxt);
static void leave_segment(void *arg);
static void drop_image(MapSlot *slot);
static bool is_current(const MapSlot *slot);
static int make_slot(const MapSeat *seat);
static void ask_for_image(int slot, const MapSeat *seat);
static void start_making(Making *making, int slot);
static MapMaker *read_territories(const Making *making);
static bool add_territory(MapMaker *maker, TupleTableSlot *row, const Making *making);
static bool is_text(Datum value, const char *text);
static const char *text_of(TupleTableSlot *row, int column);
static void publish(const Making *making, const MapImage *image);
static bool make_room(const MapSlot *slot, Size size);
static void end_making(const Making *making);

static SharedPart shared_part = {
	.name = "leadroute_maps",
	.locks = 1,
	.size = shared_size,
	.start = start,
};

void
lr_map_share_init(void)
{
	DefineCustomIntVariable("leadroute.shared_maps",
							"How much memory may hold maps of more than 1000 territories, for all sessions together.",
							"It is dynamic shared memory, taken when such a map is used. Where it is 0, or full, leads are looked up through the index.",
							&shared_megabytes, 256, 0, 3 * 1024, PGC_SIGHUP, GUC_UNIT_MB, NULL, NULL, NULL);
	lr_shared_memory_register(&shared_part);
}

static Size
shared_size(void)
{
	return sizeof(SharedMaps);
}

/* After a crash, all segments have gone with the slots that knew them. */
static void
start(void *memory, bool found, LWLockPadded *locks)
{
	shared = memory;
	if (found)
		return;
	memset(shared, 0, sizeof(SharedMaps));
	shared->lock = &locks->lock;
	pg_atomic_init_u64(&shared->made, 0);
	for (int i = 0; i < MAPS; i++)
		pg_atomic_init_u32(&shared->slots[i].misses, 0);
}

/* ---- sessions ---- */

const MapImage *
lr_map_share_take(MapSeat *seat, MemoryContext mcxt)
{
	const MapImage *image = NULL;
	bool stale = false;
	uint64 made;
	MapSlot *slot;

	if (shared == NULL || (made = pg_atomic_read_u64(&shared->made)) + 1 == seat->heard || !lr_share_takes())
		return NULL;
	seat->heard = made + 1;

	LWLockAcquire(shared->lock, LW_SHARED);
	slot = find_slot(seat);
	if (slot && slot->made)
	{
		stale = !is_current(slot);
		if (!stale)
			image = map_segment(slot->handle, mcxt);
	}
	LWLockRelease(shared->lock);

	if (stale)
	{
		LWLockAcquire(shared->lock, LW_EXCLUSIVE);
		slot = find_slot(seat);
		if (slot && slot->made && !is_current(slot))
			drop_image(slot);
		LWLockRelease(shared->lock);
	}
	return image;
}

/* Under the lock; NULL where there is none. */
static MapSlot *
find_slot(const MapSeat *seat)
{
	for (int i = 0; i < MAPS; i++)
		if (is_slot_of(&shared->slots[i], seat))
			return &shared->slots[i];
	return NULL;
}

static bool
is_slot_of(const MapSlot *slot, const MapSeat *seat)
{
	return slot->used && slot->database == MyDatabaseId && slot->anchor == seat->anchor && strcmp(slot->map, seat->map) == 0 && strcmp(slot->flow, seat->flow) == 0;
}

static bool
is_current(const MapSlot *slot)
{
	return slot->generation == lr_share_maps_generation(slot->database);
}

/* Until mcxt goes. NULL where the segment is not there. */
static const MapImage *
map_segment(dsm_handle handle, MemoryContext mcxt)
{
	MemoryContextCallback *callback = MemoryContextAllocZero(mcxt, sizeof(MemoryContextCallback));
	Mapped *mapped;

	for (mapped = mapped_segments; mapped; mapped = mapped->next)
		if (mapped->handle == handle)
			break;
	if (mapped == NULL)
	{
		dsm_segment *segment;

		mapped = MemoryContextAllocZero(CacheMemoryContext, sizeof(Mapped));
		segment = dsm_attach(handle);
		if (segment == NULL)
		{
			pfree(mapped);
			return NULL;
		}
		dsm_pin_mapping(segment);
		mapped->handle = handle;
		mapped->segment = segment;
		mapped->next = mapped_segments;
		mapped_segments = mapped;
	}
	mapped->users++;
	callback->func = leave_segment;
	callback->arg = mapped;
	MemoryContextRegisterResetCallback(mcxt, callback);
	return dsm_segment_address(mapped->segment);
}

static void
leave_segment(void *arg)
{
	Mapped *mapped = arg;
	Mapped **link = &mapped_segments;

	if (--mapped->users > 0)
		return;
	while (*link != mapped)
		link = &(*link)->next;
	*link = mapped->next;
	dsm_detach(mapped->segment);
	pfree(mapped);
}

/* Under the lock, alone. Who maps the segment keeps it. */
static void
drop_image(MapSlot *slot)
{
	dsm_unpin_segment(slot->handle);
	slot->made = false;
	slot->size = 0;
}

void
lr_map_share_missed(MapSeat *seat, uint32 looks, Relation territories)
{
	uint32 before;
	uint32 misses;

	if (shared == NULL || shared_megabytes == 0 || !lr_share_takes())
		return;
	if (seat->slot == 0)
		seat->slot = make_slot(seat) + 1;
	if (seat->slot == 0)
		return;
	before = pg_atomic_fetch_add_u32(&shared->slots[seat->slot - 1].misses, looks);
	misses = before + looks;
	if (before / MISSES_LEAST != misses / MISSES_LEAST && misses / MISSES_A_BLOCK >= RelationGetNumberOfBlocks(territories))
		ask_for_image(seat->slot - 1, seat);
}

/* The slot of the map, made where it has none; -1 where it can have none. One whose image is out of date goes for it. */
static int
make_slot(const MapSeat *seat)
{
	MapSlot *slot;

	if (strlen(seat->flow) >= MAP_NAME || strlen(seat->map) >= MAP_NAME)
		return -1;
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	slot = find_slot(seat);
	for (int i = 0; i < MAPS && slot == NULL; i++)
		if (!shared->slots[i].used)
			slot = &shared->slots[i];
	for (int i = 0; i < MAPS && slot == NULL; i++)
		if (!shared->slots[i].made || !is_current(&shared->slots[i]))
			slot = &shared->slots[i];
	if (slot && !is_slot_of(slot, seat))
	{
		if (slot->made)
			drop_image(slot);
		slot->used = true;
		slot->database = MyDatabaseId;
		slot->anchor = seat->anchor;
		strlcpy(slot->flow, seat->flow, MAP_NAME);
		strlcpy(slot->map, seat->map, MAP_NAME);
		slot->asked = false;
		slot->images = 0;
		pg_atomic_write_u32(&slot->misses, 0);
	}
	LWLockRelease(shared->lock);
	return slot ? (int) (slot - shared->slots) : -1;
}

/* Once; a worker that did not come to an end is given some minutes. */
static void
ask_for_image(int slot, const MapSeat *seat)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_library_name = "leadroute",
		.bgw_function_name = "lr_map_share_main",
		.bgw_type = "leadroute map",
		.bgw_main_arg = Int32GetDatum(slot),
	};
	MapSlot *asked = &shared->slots[slot];
	bool ask;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	ask = is_slot_of(asked, seat) && (!asked->asked || TimestampDifferenceExceeds(asked->asked_at, GetCurrentTimestamp(), ASKED_FOR));
	if (ask)
	{
		asked->asked = true;
		asked->asked_at = GetCurrentTimestamp();
	}
	LWLockRelease(shared->lock);
	if (!ask)
		return;

	snprintf(worker.bgw_name, sizeof(worker.bgw_name), "leadroute map %.60s", seat->map);
	if (RegisterDynamicBackgroundWorker(&worker, NULL))
		return;
	/* all workers are busy: after as many look-ups again */
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	if (is_slot_of(asked, seat))
		asked->asked = false;
	LWLockRelease(shared->lock);
}

/* ---- the worker ---- */

void
lr_map_share_main(Datum arg)
{
	Making making;
	MapMaker *maker;
	MapImage *image = NULL;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(shared->slots[DatumGetInt32(arg)].database, InvalidOid, 0);

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, "making the image of a map of territories");
	start_making(&making, DatumGetInt32(arg));
	if (making.place.publishes)
	{
		maker = read_territories(&making);
		if (maker)
			image = lr_map_image_make(maker);
		if (image)
			publish(&making, image);
	}
	end_making(&making);
	PopActiveSnapshot();
	CommitTransactionCommand();
	proc_exit(0);
}

/* Where the image belongs, and whether what is read from here on may be one. */
static void
start_making(Making *making, int slot)
{
	memset(making, 0, sizeof(Making));
	making->slot = slot;
	LWLockAcquire(shared->lock, LW_SHARED);
	making->anchor = shared->slots[slot].anchor;
	strlcpy(making->flow, shared->slots[slot].flow, MAP_NAME);
	strlcpy(making->map, shared->slots[slot].map, MAP_NAME);
	LWLockRelease(shared->lock);

	/* another CREATE EXTENSION has another anchor */
	if (!lr_installed() || lr_relation_oid("flows") != making->anchor)
		return;
	lr_share_maps_place(&making->place);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	lr_share_look(&making->place);
	SPI_finish();
}

/* With the newest snapshot. NULL where they take more memory than there may be. */
static MapMaker *
read_territories(const Making *making)
{
	Relation rel = table_open(lr_relation_oid("territories"), AccessShareLock);
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *row = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	MapMaker *maker = lr_map_maker_begin();
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "leadroute map row", ALLOCSET_DEFAULT_SIZES);
	bool fits = true;

	while (fits && table_scan_getnextslot(scan, ForwardScanDirection, row))
	{
		MemoryContext caller = MemoryContextSwitchTo(scratch);

		CHECK_FOR_INTERRUPTS();
		fits = add_territory(maker, row, making) && lr_map_maker_size(maker) / (1024 * 1024) < (Size) shared_megabytes;
		MemoryContextSwitchTo(caller);
		MemoryContextReset(scratch);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(row);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
	if (!fits)
		ereport(LOG,
				(errmsg("map \"%s\" of flow \"%s\" is looked up through its index", making->map, making->flow),
				 errdetail("Its territories take more memory than leadroute.shared_maps = %d MB.", shared_megabytes)));
	return fits ? maker : NULL;
}

static bool
add_territory(MapMaker *maker, TupleTableSlot *row, const Making *making)
{
	TerritoryHit hit = {0};
	bool isnull;

	slot_getallattrs(row);
	if (!is_text(row->tts_values[TERRITORY_MAP - 1], making->map) || !is_text(row->tts_values[TERRITORY_FLOW - 1], making->flow))
		return true;
	hit.territory = text_of(row, TERRITORY_NAME);
	hit.team = text_of(row, TERRITORY_TEAM);
	hit.rep = text_of(row, TERRITORY_REP);
	hit.precedence = DatumGetInt32(slot_getattr(row, TERRITORY_PRECEDENCE, &isnull));
	hit.area = (struct varlena *) PG_DETOAST_DATUM(slot_getattr(row, TERRITORY_AREA, &isnull));
	return lr_map_maker_add(maker, &hit, (struct varlena *) PG_DETOAST_DATUM(slot_getattr(row, TERRITORY_DURING, &isnull)));
}

static bool
is_text(Datum value, const char *text)
{
	const struct varlena *detoasted = PG_DETOAST_DATUM_PACKED(value);

	return VARSIZE_ANY_EXHDR(detoasted) == strlen(text) && memcmp(VARDATA_ANY(detoasted), text, strlen(text)) == 0;
}

static const char *
text_of(TupleTableSlot *row, int column)
{
	return row->tts_isnull[column - 1] ? NULL : TextDatumGetCString(row->tts_values[column - 1]);
}

/* An error here, as where the system has no memory for the segment, is told in the log, and the index goes on answering. */
static void
publish(const Making *making, const MapImage *image)
{
	Size size = lr_map_image_size(image);
	MapSlot *slot = &shared->slots[making->slot];
	dsm_segment *segment;
	bool fits;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	fits = make_room(slot, size);
	LWLockRelease(shared->lock);
	if (!fits)
	{
		ereport(LOG,
				(errmsg("map \"%s\" of flow \"%s\" is looked up through its index", making->map, making->flow),
				 errdetail("With the other maps it takes more memory than leadroute.shared_maps = %d MB.", shared_megabytes)));
		return;
	}
	segment = dsm_create(size, 0);
	memcpy(dsm_segment_address(segment), image, size);

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	if (slot->used && slot->database == MyDatabaseId && slot->anchor == making->anchor && strcmp(slot->map, making->map) == 0 &&
		strcmp(slot->flow, making->flow) == 0 && lr_share_maps_hold(&making->place))
	{
		if (slot->made)
			drop_image(slot);
		dsm_pin_segment(segment);
		slot->made = true;
		slot->handle = dsm_segment_handle(segment);
		slot->size = size;
		slot->territories = lr_map_image_territories(image);
		slot->generation = making->place.maps;
		slot->images++;
		pg_atomic_write_u32(&slot->misses, 0);
		pg_atomic_fetch_add_u64(&shared->made, 1);
	}
	LWLockRelease(shared->lock);
	dsm_detach(segment);
}

/* Under the lock, alone: what is out of date makes room, and the map's own earlier image. */
static bool
make_room(const MapSlot *slot, Size size)
{
	Size taken = size;

	for (int i = 0; i < MAPS; i++)
	{
		MapSlot *other = &shared->slots[i];

		if (other->made && (other == slot || !is_current(other)))
			drop_image(other);
		taken += other->made ? other->size : 0;
	}
	return taken <= (Size) shared_megabytes * 1024 * 1024;
}

/* Whoever needs the image still may ask again, unless there was no room: then after some minutes. */
static void
end_making(const Making *making)
{
	MapSlot *slot = &shared->slots[making->slot];

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	if (slot->made || !lr_share_maps_hold(&making->place))
		slot->asked = false;
	LWLockRelease(shared->lock);
}

/* ---- asking ---- */

Datum
lr_shared_maps(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	Oid anchor = lr_relation_oid("flows");

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; shared && i < MAPS; i++)
	{
		MapSlot *slot = &shared->slots[i];
		Datum values[7] = {0};
		bool nulls[7] = {0};

		LWLockAcquire(shared->lock, LW_SHARED);
		if (!slot->used || slot->database != MyDatabaseId || slot->anchor != anchor)
		{
			LWLockRelease(shared->lock);
			continue;
		}
		values[0] = CStringGetTextDatum(slot->flow);
		values[1] = CStringGetTextDatum(slot->map);
		values[2] = BoolGetDatum(slot->made && is_current(slot));
		values[3] = Int64GetDatum(slot->territories);
		nulls[3] = nulls[4] = !slot->made;
		values[4] = Int64GetDatum((int64) slot->size);
		values[5] = Int64GetDatum(slot->images);
		values[6] = Int64GetDatum(pg_atomic_read_u32(&slot->misses));
		LWLockRelease(shared->lock);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
