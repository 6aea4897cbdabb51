/*
 * shared_memory.h
 *		A place in the server's shared memory, for those modules that need one.
 */
#ifndef LR_SHARED_MEMORY_H
#define LR_SHARED_MEMORY_H

#include "storage/lwlock.h"
#include "utils/guc.h"
#include "utils/hsearch.h"

#define SHARED_TABLES 4

/* A hash table of fixed size, keyed by its entries' first bytes. */
typedef struct SharedTable
{
	const char *name;
	HTAB **table;	 /* where its module finds it */
	const int *room; /* entries: a setting, read when the memory is asked for */
	Size key_size;
	Size entry_size;
} SharedTable;

/* What a module has there: one struct, its locks, and hash tables. */
typedef struct SharedPart
{
	const char *name; /* of the struct in pg_shmem_allocations, of its locks as wait events */
	int locks;
	Size (*size)(void); /* of the struct, by the settings */

	/*
	 * The struct is there, and after it come the tables. Not found: it is to be filled, whatever is in it, and the locks are its own. A
	 * server that starts again after a crash calls this again, with new memory. Runs under AddinShmemInitLock, and not at all
	 * where the library is not preloaded.
	 */
	void (*start)(void *memory, bool found, LWLockPadded *locks);

	SharedTable tables[SHARED_TABLES]; /* the first one without a name ends them */
	struct SharedPart *next;		   /* the register's */
} SharedPart;

/* Called from _PG_init with a part that stays; does nothing where the library is not preloaded. */
extern void lr_shared_memory_register(SharedPart *part);

/* Of a setting by which memory is asked for: the server refuses new postmaster settings once it runs; where not preloaded, it means nothing. */
extern GucContext lr_shared_memory_setting(void);

#endif /* LR_SHARED_MEMORY_H */
