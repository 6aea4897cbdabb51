/*
 * compat.h
 *		The only file that knows server versions. A shim takes the newest signature.
 */
#ifndef LR_COMPAT_H
#define LR_COMPAT_H

#include "executor/executor.h"

#if PG_VERSION_NUM < 160000
#define lr_ExecInsertIndexTuples(rri, slot, estate, update, nodup, conflict, arbiters, summarizing) \
	ExecInsertIndexTuples(rri, slot, estate, update, nodup, conflict, arbiters)
#else
#define lr_ExecInsertIndexTuples(rri, slot, estate, update, nodup, conflict, arbiters, summarizing) \
	ExecInsertIndexTuples(rri, slot, estate, update, nodup, conflict, arbiters, summarizing)
#endif

#if PG_VERSION_NUM < 180000
#define lr_ExecCheckIndexConstraints(rri, slot, estate, conflict, tid, arbiters) \
	ExecCheckIndexConstraints(rri, slot, estate, conflict, arbiters)
#define lr_index_beginscan(heap, index, snapshot, instrument, nkeys, norderbys) \
	index_beginscan(heap, index, snapshot, nkeys, norderbys)
#else
#define lr_ExecCheckIndexConstraints(rri, slot, estate, conflict, tid, arbiters) \
	ExecCheckIndexConstraints(rri, slot, estate, conflict, tid, arbiters)
#define lr_index_beginscan(heap, index, snapshot, instrument, nkeys, norderbys) \
	index_beginscan(heap, index, snapshot, instrument, nkeys, norderbys)
#endif

/* the index of this session's PGPROC */
#if PG_VERSION_NUM < 170000
#include "storage/proc.h"
#define MyProcNumber (MyProc->pgprocno)
#endif

#endif							/* LR_COMPAT_H */
