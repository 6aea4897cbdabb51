/*
 * direct.h
 *		Tables of leadroute's own that C writes without the executor: their heap and their indexes.
 *
 * No triggers, constraints or privileges are looked at. What the session knows of a table (descriptor, indexes, compiled
 * predicates) is kept from one statement to the next; relations are opened anew each time.
 */
#ifndef LR_DIRECT_H
#define LR_DIRECT_H

#include "executor/tuptable.h"
#include "utils/rel.h"

#define DIRECT_BATCH 1000

typedef struct DirectShape DirectShape;
typedef struct DirectIndexes DirectIndexes;

/* A static variable: name and columns are given, the rest is direct.c's. */
typedef struct DirectTable
{
	const char *name;
	int columns; /* the table has so many, or is not this library's */

	struct DirectTable *next;
	Oid relid;
	DirectShape *shape; /* NULL: not known yet */
	DirectIndexes *indexes;
	bool stale_shape;
	bool stale_indexes;
} DirectTable;

/* A table that is open. */
typedef struct DirectWrite
{
	DirectTable *table;
	Relation rel;
	DirectIndexes *indexes;
	struct DirectOpen *open; /* an entry an index */
	TupleTableSlot **slots;	 /* the shape's */
	TupleTableSlot *row;	 /* the shape's, of values: what is to be claimed */
	MemoryContext mcxt;
	struct EState *estate; /* for expressions of indexes, or NULL */
} DirectWrite;

/* The table's columns: a copy that is not reference counted and lives to the end of the transaction at least. */
extern TupleDesc lr_direct_desc(DirectTable *table);

/* Opens in the current context, with RowExclusiveLock, which stays to the end of the transaction. Nothing need be closed after an error. */
extern void lr_direct_open(DirectTable *table, DirectWrite *write);
extern void lr_direct_close(DirectWrite *write);

/* The index of the table's primary key, opened with a writer's lock; it is closed with the table. */
extern Relation lr_direct_primary(DirectWrite *write);

/*
 * Writes rows into the heap, at most DIRECT_BATCH; and then their index entries, which may error (a unique key). The tuples
 * are the caller's and stay so. Both may leave something behind in the current context.
 */
extern void lr_direct_store(DirectWrite *write, HeapTuple *tuples, int n);
extern void lr_direct_index(DirectWrite *write, int n);

/*
 * Puts a new version in the place of a row, with the same primary key, and its index entries. Waits for who is changing the row; false where it was changed or
 * deleted since the caller read it, and nothing is done. The tuple is the caller's.
 */
extern bool lr_direct_update(DirectWrite *write, ItemPointer row, HeapTuple tuple);

/*
 * Inserts write->row provisionally, as INSERT ... ON CONFLICT does. False where a unique index has an equal key, committed or
 * not: the row is taken back. Waits for nobody.
 */
extern bool lr_direct_claim(DirectWrite *write);

#endif /* LR_DIRECT_H */
