/*
 * direct.c
 *		Writing tables of leadroute's own without the executor.
 *
 * An executor's state for one row costs more than the row: most of it is reading what indexes a table has and compiling
 * their predicates. That is kept here for the session, and an index whose predicate none of the rows meets is not even opened.
 * Heap and indexes are written by calls of their own, so that a caller can do one after the other for all of his tables:
 * much of what a single lead costs is code that has to come into the processor's cache again.
 *
 * Memory: what is known of a table is in two contexts under CacheMemoryContext; what is replaced goes with the transaction,
 * since whoever has the table open may use it still.
 * Staleness: a relcache invalidation of the table, which any change of its columns or indexes sends. Who has locked the
 * table has received it.
 * Locks: RowExclusiveLock on the table, to the end of the transaction, and on the indexes that are written until they are, as the executor
 * has it: with those of all indexes a lead would need more locks than a backend has at hand, and the others are in a table that all
 * backends share.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_index.h"
#include "compat.h"
#include "direct.h"
#include "executor/executor.h"
#include "leadroute.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/prep.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

struct DirectShape
{
	MemoryContext mcxt;
	TupleDesc desc;
	TupleTableSlot **slots; /* of tuples */
	int nslots;
	int room;			 /* for them */
	TupleTableSlot *row; /* of values */
};

typedef struct DirectIndex
{
	Oid relid;
	bool primary;
	IndexInfo *info;	  /* NULL until it is opened */
	Bitmapset *needed;	  /* columns that the predicate demands not to be null */
	ExprState *predicate; /* or NULL */
} DirectIndex;

struct DirectIndexes
{
	MemoryContext mcxt;
	int n;
	bool plain;			  /* unique at once or not at all, and no exclusion constraint; else the executor writes them */
	ExprContext *context; /* of the predicates; NULL: there are none */
	DirectIndex index[FLEXIBLE_ARRAY_MEMBER];
};

/* An index of a table that is open. */
typedef struct DirectOpen
{
	Relation rel;	   /* NULL: nothing was written yet */
	void *cache;	   /* the access method's */
	List *expressions; /* prepared */
} DirectOpen;

static DirectTable *tables = NULL; /* that were asked for */

static DirectShape *shape_of(DirectTable *table);
static void relcache_callback(Datum arg, Oid relid);
static DirectIndexes *indexes_of(DirectTable *table, Relation rel);
static List *read_indexes(Relation rel);
static int compare_rows(const ListCell *a, const ListCell *b);
static void read_predicate(DirectIndex *index, HeapTuple row);
static void make_slots(DirectWrite *write, int n);
static bool meets(const DirectIndexes *indexes, int number, TupleTableSlot *slot);
static Relation open_index(DirectWrite *write, int number);
static bool insert_entry(DirectWrite *write, int number, TupleTableSlot *slot, bool claims);
static bool index_by_executor(DirectWrite *write, TupleTableSlot **slots, int n, bool claims, bool summarizing);

TupleDesc
lr_direct_desc(DirectTable *table)
{
	return shape_of(table)->desc;
}

static DirectShape *
shape_of(DirectTable *table)
{
	MemoryContext mcxt;
	MemoryContext oldcontext;
	DirectShape *shape;
	Relation rel;

	if (table->shape && !table->stale_shape)
		return table->shape;
	if (!OidIsValid(table->relid))
	{
		if (tables == NULL)
			CacheRegisterRelcacheCallback(relcache_callback, (Datum) 0);
		table->next = tables;
		tables = table;
	}
	table->relid = lr_relation_oid(table->name);
	rel = table_open(table->relid, RowExclusiveLock);
	if (RelationGetNumberOfAttributes(rel) != table->columns)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("relation \"leadroute.%s\" does not have the shape of this library", table->name),
				 errhint("Run ALTER EXTENSION leadroute UPDATE, or install the library that belongs to the extension's version.")));
	mcxt = AllocSetContextCreate(TopTransactionContext, "leadroute table", ALLOCSET_DEFAULT_SIZES);
	oldcontext = MemoryContextSwitchTo(mcxt);
	shape = palloc0(sizeof(DirectShape));
	shape->mcxt = mcxt;
	shape->desc = CreateTupleDescCopy(RelationGetDescr(rel));
	shape->row = MakeSingleTupleTableSlot(shape->desc, &TTSOpsVirtual);
	MemoryContextSwitchTo(oldcontext);
	table_close(rel, NoLock);

	if (table->shape)
		MemoryContextSetParent(table->shape->mcxt, TopTransactionContext);
	MemoryContextSetParent(mcxt, CacheMemoryContext);
	table->shape = shape;
	table->stale_shape = false;
	return shape;
}

static void
relcache_callback(Datum arg, Oid relid)
{
	for (DirectTable *table = tables; table; table = table->next)
		if (!OidIsValid(relid) || relid == table->relid)
			table->stale_shape = table->stale_indexes = true;
}

void
lr_direct_open(DirectTable *table, DirectWrite *write)
{
	DirectShape *shape = shape_of(table);

	write->table = table;
	write->rel = table_open(table->relid, RowExclusiveLock);
	write->indexes = indexes_of(table, write->rel);
	write->open = palloc0(Max(write->indexes->n, 1) * sizeof(DirectOpen));
	write->slots = shape->slots;
	write->row = shape->row;
	write->mcxt = CurrentMemoryContext;
	write->estate = NULL;
}

static DirectIndexes *
indexes_of(DirectTable *table, Relation rel)
{
	MemoryContext mcxt;
	MemoryContext oldcontext;
	DirectIndexes *indexes;
	List *rows;
	ListCell *cell;

	if (table->indexes && !table->stale_indexes)
		return table->indexes;
	/* an invalidation that comes while they are read is for the next time */
	if (table->indexes)
		MemoryContextSetParent(table->indexes->mcxt, TopTransactionContext);
	table->indexes = NULL;
	table->stale_indexes = false;
	mcxt = AllocSetContextCreate(TopTransactionContext, "leadroute indexes", ALLOCSET_SMALL_SIZES);
	oldcontext = MemoryContextSwitchTo(mcxt);
	rows = read_indexes(rel);
	indexes = palloc0(offsetof(DirectIndexes, index) + list_length(rows) * sizeof(DirectIndex));
	indexes->mcxt = mcxt;
	indexes->plain = true;
	foreach(cell, rows)
	{
		HeapTuple row = lfirst(cell);
		Form_pg_index form = (Form_pg_index) GETSTRUCT(row);
		DirectIndex *index = &indexes->index[indexes->n++];

		index->relid = form->indexrelid;
		index->primary = form->indisprimary;
		read_predicate(index, row);
		if (index->predicate && indexes->context == NULL)
			indexes->context = CreateStandaloneExprContext();
		if (form->indisexclusion || (form->indisunique && !form->indimmediate))
			indexes->plain = false;
	}
	list_free_deep(rows);
	MemoryContextSwitchTo(oldcontext);

	MemoryContextSetParent(mcxt, CacheMemoryContext);
	table->indexes = indexes;
	return indexes;
}

/* The rows of pg_index of those that are to be written, in the order in which everybody locks them. */
static List *
read_indexes(Relation rel)
{
	Relation catalog = table_open(IndexRelationId, AccessShareLock);
	List *rows = NIL;
	SysScanDesc scan;
	HeapTuple row;
	ScanKeyData key;

	ScanKeyInit(&key, Anum_pg_index_indrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(RelationGetRelid(rel)));
	scan = systable_beginscan(catalog, IndexIndrelidIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(row = systable_getnext(scan)))
		if (((Form_pg_index) GETSTRUCT(row))->indislive && ((Form_pg_index) GETSTRUCT(row))->indisready)
			rows = lappend(rows, heap_copytuple(row));
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	list_sort(rows, compare_rows);
	return rows;
}

static int
compare_rows(const ListCell *a, const ListCell *b)
{
	Oid left = ((Form_pg_index) GETSTRUCT((HeapTuple) lfirst(a)))->indexrelid;
	Oid right = ((Form_pg_index) GETSTRUCT((HeapTuple) lfirst(b)))->indexrelid;

	return left < right ? -1 : left > right;
}

/* As RelationGetIndexPredicate() makes it ready, which needs the index open: most rows are in few of the indexes, and opening one costs more. */
static void
read_predicate(DirectIndex *index, HeapTuple row)
{
	bool isnull;
	Datum nodes = SysCacheGetAttr(INDEXRELID, row, Anum_pg_index_indpred, &isnull);
	List *clauses;
	ListCell *cell;

	if (isnull)
		return;
	clauses = make_ands_implicit(canonicalize_qual((Expr *) eval_const_expressions(NULL, stringToNode(TextDatumGetCString(nodes))), false));
	foreach(cell, clauses)
	{
		NullTest *test = lfirst(cell);

		if (IsA(test, NullTest) && test->nulltesttype == IS_NOT_NULL && !test->argisrow && IsA(test->arg, Var) && ((Var *) test->arg)->varattno > 0)
			index->needed = bms_add_member(index->needed, ((Var *) test->arg)->varattno);
	}
	index->predicate = ExecInitQual((List *) expression_planner((Expr *) clauses), NULL);
}

Relation
lr_direct_primary(DirectWrite *write)
{
	int number = 0;

	while (number < write->indexes->n && !write->indexes->index[number].primary)
		number++;
	if (number == write->indexes->n)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("relation \"leadroute.%s\" does not have a primary key", write->table->name)));
	return open_index(write, number);
}

void
lr_direct_store(DirectWrite *write, HeapTuple *tuples, int n)
{
	make_slots(write, n);
	for (int i = 0; i < n; i++)
	{
		ExecStoreHeapTuple(tuples[i], write->slots[i], false);
		write->slots[i]->tts_tableOid = write->table->relid;
	}
	/* one row by the code that has just inserted the lead and its keys */
	if (n == 1)
		table_tuple_insert(write->rel, write->slots[0], GetCurrentCommandId(true), 0, NULL);
	else
		table_multi_insert(write->rel, write->slots, n, GetCurrentCommandId(true), 0, NULL);
}

/* Whoever has the table open may use the array of before still, so it is left. */
static void
make_slots(DirectWrite *write, int n)
{
	DirectShape *shape = shape_of(write->table);
	MemoryContext oldcontext = MemoryContextSwitchTo(shape->mcxt);

	if (n > shape->room)
	{
		int room = n == 1 ? 1 : DIRECT_BATCH;
		TupleTableSlot **slots = palloc(room * sizeof(TupleTableSlot *));

		if (shape->nslots > 0)
			memcpy(slots, shape->slots, shape->nslots * sizeof(TupleTableSlot *));
		shape->slots = slots;
		shape->room = room;
	}
	for (; shape->nslots < n; shape->nslots++)
		shape->slots[shape->nslots] = MakeSingleTupleTableSlot(shape->desc, &TTSOpsHeapTuple);
	MemoryContextSwitchTo(oldcontext);
	write->slots = shape->slots;
}

void
lr_direct_index(DirectWrite *write, int n)
{
	const DirectIndexes *indexes = write->indexes;

	if (!indexes->plain)
		(void) index_by_executor(write, write->slots, n, false, false);
	else
		for (int i = 0; i < indexes->n; i++)
			for (int row = 0; row < n; row++)
				if (meets(indexes, i, write->slots[row]))
					(void) insert_entry(write, i, write->slots[row], false);
	for (int row = 0; row < n; row++)
		ExecClearTuple(write->slots[row]);
}

bool
lr_direct_update(DirectWrite *write, ItemPointer row, HeapTuple tuple)
{
	const DirectIndexes *indexes = write->indexes;
	TupleTableSlot *slot;
	TM_FailureData failure;
	LockTupleMode mode;
	lr_UpdateIndexes update_indexes;

	make_slots(write, 1);
	slot = write->slots[0];
	ExecStoreHeapTuple(tuple, slot, false);
	slot->tts_tableOid = write->table->relid;
	if (table_tuple_update(write->rel, row, slot, GetCurrentCommandId(true), InvalidSnapshot, InvalidSnapshot, true, &failure, &mode, &update_indexes) != TM_Ok)
	{
		ExecClearTuple(slot);
		return false;
	}
	if (lr_indexes_need_update(update_indexes) && indexes->plain)
	{
		for (int i = 0; i < indexes->n; i++)
		{
			if (!meets(indexes, i, slot))
				continue;
			(void) open_index(write, i);
			if (lr_index_needs_update(update_indexes, indexes->index[i].info))
				(void) insert_entry(write, i, slot, false);
		}
	}
	else if (lr_indexes_need_update(update_indexes))
		(void) index_by_executor(write, &slot, 1, false, lr_indexes_are_summarizing(update_indexes));
	ExecClearTuple(slot);
	return true;
}

bool
lr_direct_claim(DirectWrite *write)
{
	const DirectIndexes *indexes = write->indexes;
	TransactionId xid = GetCurrentTransactionId();
	uint32 token = SpeculativeInsertionLockAcquire(xid);
	bool alone = true;

	table_tuple_insert_speculative(write->rel, write->row, GetCurrentCommandId(true), 0, NULL, token);
	if (!indexes->plain)
		alone = index_by_executor(write, &write->row, 1, true, false);
	else
		for (int i = 0; i < indexes->n; i++)
			if (meets(indexes, i, write->row))
				alone &= insert_entry(write, i, write->row, true);
	table_tuple_complete_speculative(write->rel, write->row, token, alone);
	SpeculativeInsertionLockRelease(xid);
	return alone;
}

/* Most partial indexes are of columns that a new lead does not have: its row need not be taken apart to see that. */
static bool
meets(const DirectIndexes *indexes, int number, TupleTableSlot *slot)
{
	ExprState *predicate = indexes->index[number].predicate;
	int column = -1;
	bool met;

	if (predicate == NULL)
		return true;
	while (TTS_IS_HEAPTUPLE(slot) && (column = bms_next_member(indexes->index[number].needed, column)) >= 0)
		if (heap_attisnull(((HeapTupleTableSlot *) slot)->tuple, column, NULL))
			return false;
	indexes->context->ecxt_scantuple = slot;
	met = ExecQual(predicate, indexes->context);
	ResetExprContext(indexes->context);
	return met;
}

static Relation
open_index(DirectWrite *write, int number)
{
	DirectIndex *index = &write->indexes->index[number];
	DirectOpen *open = &write->open[number];

	if (open->rel == NULL)
		open->rel = lr_index_open(index->relid, RowExclusiveLock);
	if (index->info == NULL)
	{
		MemoryContext oldcontext = MemoryContextSwitchTo(write->indexes->mcxt);

		index->info = BuildIndexInfo(open->rel);
		MemoryContextSwitchTo(oldcontext);
	}
	return open->rel;
}

/* True, unless it claims a unique key and another row may have it. The index stays open, and locked, until the table is closed. */
static bool
insert_entry(DirectWrite *write, int number, TupleTableSlot *slot, bool claims)
{
	const DirectIndex *index = &write->indexes->index[number];
	DirectOpen *open = &write->open[number];
	Relation rel = open_index(write, number);
	Datum values[INDEX_MAX_KEYS];
	bool nulls[INDEX_MAX_KEYS];
	IndexUniqueCheck check = UNIQUE_CHECK_NO;
	bool alone;

	if (index->info->ii_Unique)
		check = claims ? UNIQUE_CHECK_PARTIAL : UNIQUE_CHECK_YES;
	if (index->info->ii_Expressions == NIL)
		FormIndexDatum(index->info, slot, NULL, values, nulls);
	else
	{
		if (write->estate == NULL)
			write->estate = CreateExecutorState();
		GetPerTupleExprContext(write->estate)->ecxt_scantuple = slot;
		index->info->ii_ExpressionsState = open->expressions;
		FormIndexDatum(index->info, slot, write->estate, values, nulls);
		open->expressions = index->info->ii_ExpressionsState;
		index->info->ii_ExpressionsState = NIL;
	}
	/* what an access method keeps from row to row is this writer's */
	index->info->ii_AmCache = open->cache;
	index->info->ii_Context = write->mcxt;
	alone = index_insert(rel, values, nulls, &slot->tts_tid, write->rel, check, false, index->info);
	open->cache = index->info->ii_AmCache;
	if (write->estate)
		ResetPerTupleExprContext(write->estate);
	return alone || check != UNIQUE_CHECK_PARTIAL;
}

/* Where an administrator has made a constraint that takes more: as the executor does it. */
static bool
index_by_executor(DirectWrite *write, TupleTableSlot **slots, int n, bool claims, bool summarizing)
{
	EState *estate = CreateExecutorState();
	ResultRelInfo *target = makeNode(ResultRelInfo);
	bool conflict = false;

	InitResultRelInfo(target, write->rel, 1, NULL, 0);
	ExecOpenIndices(target, claims);
	for (int i = 0; i < n; i++)
	{
		(void) lr_ExecInsertIndexTuples(target, slots[i], estate, false, claims, claims ? &conflict : NULL, NIL, summarizing);
		ResetPerTupleExprContext(estate);
	}
	ExecCloseIndices(target);
	FreeExecutorState(estate);
	return !conflict;
}

void
lr_direct_close(DirectWrite *write)
{
	for (int i = 0; i < write->indexes->n; i++)
	{
		DirectOpen *open = &write->open[i];

		if (open->rel == NULL)
			continue;
		write->indexes->index[i].info->ii_AmCache = open->cache;
		lr_index_insert_cleanup(open->rel, write->indexes->index[i].info);
		index_close(open->rel, RowExclusiveLock);
	}
	if (write->estate)
		FreeExecutorState(write->estate);
	table_close(write->rel, NoLock);
	pfree(write->open);
}
