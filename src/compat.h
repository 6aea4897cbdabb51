/*
 * compat.h
 *		The only file with version conditionals: PostgreSQL 15 to 18. A shim takes the
 *		newest signature. Include it after postgres.h and the server's headers.
 */
#ifndef LR_COMPAT_H
#define LR_COMPAT_H

#include "access/tableam.h"
#include "executor/executor.h"
#include "storage/proc.h"

/* ---- 16 ---- */

/* VARDATA and its kin left postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#if PG_VERSION_NUM < 160000

/* Soft errors came with 16; before it, bad input is always an error. */
#define errsave(context, ...)        \
	do                               \
	{                                \
		(void) (context);            \
		ereport(ERROR, __VA_ARGS__); \
	} while (0)
#define ereturn(context, dummy_value, ...) \
	do                                     \
	{                                      \
		(void) (context);                  \
		ereport(ERROR, __VA_ARGS__);       \
		return dummy_value;                \
	} while (0)

#define lr_ExecInsertIndexTuples(rri, slot, estate, update, nodup, conflict, arbiters, summarizing) \
	ExecInsertIndexTuples(rri, slot, estate, update, nodup, conflict, arbiters)

typedef bool lr_UpdateIndexes;
#define lr_indexes_need_update(update_indexes) (update_indexes)
#define lr_indexes_are_summarizing(update_indexes) false
#define lr_index_needs_update(update_indexes, info) (update_indexes)
#else
typedef TU_UpdateIndexes lr_UpdateIndexes;
#define lr_indexes_need_update(update_indexes) ((update_indexes) != TU_None)
#define lr_indexes_are_summarizing(update_indexes) ((update_indexes) == TU_Summarizing)
#define lr_index_needs_update(update_indexes, info) ((update_indexes) == TU_All || ((update_indexes) == TU_Summarizing && (info)->ii_Summarizing))
#define lr_ExecInsertIndexTuples(rri, slot, estate, update, nodup, conflict, arbiters, summarizing) \
	ExecInsertIndexTuples(rri, slot, estate, update, nodup, conflict, arbiters, summarizing)
#endif

/* What a check hook leaves for its assign hook is the server's to free: with free() before 16, within its own memory since. */
#if PG_VERSION_NUM < 160000
#define lr_guc_malloc(size) malloc(size)
#define lr_guc_free(value) free(value)
#else
#define lr_guc_malloc(size) guc_malloc(LOG, size)
#define lr_guc_free(value) guc_free(value)
#endif

/* ---- 17 ---- */

/* the index of this session's PGPROC, its transaction's number; infinite intervals; an index may keep something open between rows */
#if PG_VERSION_NUM < 170000
#define lr_index_insert_cleanup(index, info) ((void) (index), (void) (info))
#define INTERVAL_IS_NOEND(interval) ((void) (interval), false)
#define INTERVAL_NOT_FINITE(interval) ((void) (interval), false)
#define MyProcNumber (MyProc->pgprocno)
#define lr_local_transaction() (MyProc->lxid)
#else
#define lr_local_transaction() (MyProc->vxid.lxid)
#define lr_index_insert_cleanup(index, info) index_insert_cleanup(index, info)
#endif

/* Of the tables that normalize text. */
#if PG_VERSION_NUM >= 170000
#include "common/unicode_version.h"
#define LR_UNICODE_VERSION PG_UNICODE_VERSION
#elif PG_VERSION_NUM >= 160000
#define LR_UNICODE_VERSION "15.0"
#else
#define LR_UNICODE_VERSION "14.0"
#endif

/* ---- 18 ---- */

#if PG_VERSION_NUM < 180000
#define PG_MODULE_MAGIC_EXT(...) PG_MODULE_MAGIC
#define pg_noreturn pg_attribute_noreturn()
#define lr_ExecCheckIndexConstraints(rri, slot, estate, conflict, tid, arbiters) \
	ExecCheckIndexConstraints(rri, slot, estate, conflict, arbiters)
#define lr_index_beginscan(heap, index, snapshot, instrument, nkeys, norderbys) \
	index_beginscan(heap, index, snapshot, nkeys, norderbys)
#define lr_index_beginscan_bitmap(index, snapshot, nkeys) index_beginscan_bitmap(index, snapshot, nkeys)
#else
#define lr_ExecCheckIndexConstraints(rri, slot, estate, conflict, tid, arbiters) \
	ExecCheckIndexConstraints(rri, slot, estate, conflict, tid, arbiters)
#define lr_index_beginscan(heap, index, snapshot, instrument, nkeys, norderbys) \
	index_beginscan(heap, index, snapshot, instrument, nkeys, norderbys)
#define lr_index_beginscan_bitmap(index, snapshot, nkeys) index_beginscan_bitmap(index, snapshot, NULL, nkeys)
#endif

#endif /* LR_COMPAT_H */
