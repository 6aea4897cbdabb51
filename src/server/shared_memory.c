/*
 * shared_memory.c
 *		The register of what modules have in the server's shared memory, and the two hooks by which they get it.
 *
 * Modules register in _PG_init, before the server asks how much memory its libraries want; sizes come from settings, so they are worked out
 * when it asks. The hooks chain to those of other libraries. The register is the postmaster's, who forks: sessions find their
 * modules' pointers set.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "shared_memory.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

static SharedPart *parts = NULL;
static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static void request(void);
static void startup(void);
static void start_part(const SharedPart *part);

void
lr_shared_memory_register(SharedPart *part)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	if (parts == NULL)
	{
		previous_request_hook = shmem_request_hook;
		shmem_request_hook = request;
		previous_startup_hook = shmem_startup_hook;
		shmem_startup_hook = startup;
	}
	part->next = parts;
	parts = part;
}

static void
request(void)
{
	if (previous_request_hook)
		previous_request_hook();
	for (const SharedPart *part = parts; part; part = part->next)
	{
		RequestAddinShmemSpace(MAXALIGN(part->size()));
		for (const SharedTable *table = part->tables; table < part->tables + SHARED_TABLES && table->name; table++)
			RequestAddinShmemSpace(hash_estimate_size(*table->room, table->entry_size));
		RequestNamedLWLockTranche(part->name, part->locks);
	}
}

static void
startup(void)
{
	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (const SharedPart *part = parts; part; part = part->next)
		start_part(part);
	LWLockRelease(AddinShmemInitLock);
}

static void
start_part(const SharedPart *part)
{
	bool found;
	void *memory = ShmemInitStruct(part->name, part->size(), &found);

	part->start(memory, found, found ? NULL : GetNamedLWLockTranche(part->name));
	for (const SharedTable *table = part->tables; table < part->tables + SHARED_TABLES && table->name; table++)
	{
		HASHCTL info = {.keysize = table->key_size, .entrysize = table->entry_size};

		*table->table = ShmemInitHash(table->name, *table->room, *table->room, &info, HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
	}
}

GucContext
lr_shared_memory_setting(void)
{
	return process_shared_preload_libraries_in_progress ? PGC_POSTMASTER : PGC_SIGHUP;
}
