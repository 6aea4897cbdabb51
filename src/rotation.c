/*
 * rotation.c
 *		Turns and places as transactions take, keep, free and lose them.
 *
 * Who owns what. A RotationSlot is this session's handle of a member: it lives in slot_context, below
 * CacheMemoryContext, until the session ends. A RotationDelta is what one (sub)transaction level did to one
 * member; deltas live in delta_context, below TopTransactionContext. A slot points to its innermost delta, a delta
 * to the same slot's next outer one, and each level chains its deltas: taking costs no look-up, and ending a level
 * costs its members, not its leads. A level that did nothing is not in the list of levels at all.
 *
 * What is in a delta, and when it counts:
 *	taken		in shared memory from the moment of taking, as uncommitted; goes back when the level aborts
 *	kept		the part of taken whose rows stand; the rest goes back when the transaction commits
 *	raised		added to the pointer in shared memory by the commit
 *	freed		taken off the open leads in shared memory by the commit
 *	pending		kept + raised - freed, less what this level wrote to the ledger. May be negative: a level writes
 *				what outer levels have pending too; when it aborts, its rows and its negative share go together.
 *
 * Locks: all fields of shared members under their partition's lock (rotation_shmem.c). Deltas change under it too
 * where shared memory changes with them, since an LWLock holds off the interrupts that could part the two. What can
 * fail (memory) comes before the first change.
 *
 * During recovery shared memory is not used: a slot has no shared member, and lr_rotation_peek and
 * lr_rotation_read answer from the ledger, read once a statement. After a promotion slots find their members.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "executor/tuptable.h"
#include "leadroute.h"
#include "miscadmin.h"
#include "rotation.h"
#include "rotation_shmem.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* Rows of the ledger handed to the table at a time. */
#define LEDGER_BATCH 100

/* A rep's open leads in the ledger, during recovery. */
typedef struct LedgerRep
{
	uint64 rep[2];
	int64 open;
} LedgerRep;

typedef struct RotationDelta RotationDelta;
typedef struct RotationLevel RotationLevel;

struct RotationSlot
{
	RotationKey key;	  /* hash key */
	SharedMember *shared; /* NULL during recovery */
	RotationDelta *delta; /* innermost level's, NULL outside of transactions that touched it */
	char *flow;
	char *team;
	char *rep;
	int64 ledger_pointer; /* during recovery only */
	int32 ledger_open;
	int32 ledger_rep_open;
};

struct RotationDelta
{
	RotationSlot *slot;
	RotationLevel *level;
	RotationDelta *outer; /* the same slot's, of an outer level */
	RotationDelta *next;  /* of the same level, or of the free list */
	int64 taken_pointer;
	int64 kept_pointer;
	int64 raised;
	int64 pending_pointer;
	int32 taken_open;
	int32 kept_open;
	int32 freed;
	int32 pending_open;
	int64 last_sequence;  /* the level's last turn of this member, 0 for none */
	int64 first_previous; /* his last turn before the level's unbroken run of turns */
	int32 first_previous_minute;
};

struct RotationLevel
{
	int nest_level;
	RotationLevel *outer;
	RotationDelta *deltas;
};

static MemoryContext slot_context = NULL;
static HTAB *slots = NULL;

static MemoryContext delta_context = NULL;
static RotationLevel *innermost = NULL;
static RotationDelta *free_deltas = NULL;
static RotationLevel *free_levels = NULL;
static bool reload_at_end = false;

/* the statement that last read the ledger, during recovery */
static TimestampTz ledger_read_at = 0;

static void at_transaction_end(XactEvent event, void *arg);
static void at_subtransaction_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg);
static void before_commit(void);
static void after_commit(void);
static void after_abort(void);
static void forget_transaction(void);
static void merge_level(void);
static void abort_level(void);
static void give_back_delta(RotationDelta *delta);
static void add_delta(RotationDelta *to, const RotationDelta *from);
static RotationDelta *current_delta(RotationSlot *slot);
static SharedMember *attached(RotationSlot *slot);
static void read_ledger(void);
static int32 own_freed(const RotationSlot *slot);
static int pick(const RotationCandidate *candidates, int n);
static void take(RotationSlot *slot, RotationSlot *turns, int64 step, int32 minute, RotationTurn *turn);
static void count_take(RotationSlot *slot, RotationDelta *delta, int64 step, int32 places);
static void write_rows(Relation ledger, TupleTableSlot **rows, int n);

void
lr_rotation_init(void)
{
	lr_rotation_shmem_init();
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
}

bool
lr_rotation_available(void)
{
	return lr_rotation_shmem_available();
}

RotationSlot *
lr_rotation_slot(const char *flow, const char *team, const char *rep)
{
	RotationKey key = lr_rotation_key(flow, team, rep);
	RotationSlot *slot;
	bool found;

	if (slots == NULL)
	{
		HASHCTL info;

		if (slot_context == NULL)
			slot_context = AllocSetContextCreate(CacheMemoryContext, "leadroute rotation slots",
												 ALLOCSET_DEFAULT_SIZES);
		memset(&info, 0, sizeof(info));
		info.keysize = sizeof(RotationKey);
		info.entrysize = sizeof(RotationSlot);
		info.hcxt = slot_context;
		slots = hash_create("leadroute rotation slots", 64, &info, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}

	slot = hash_search(slots, &key, HASH_FIND, NULL);
	if (slot == NULL)
	{
		char *flow_copy = MemoryContextStrdup(slot_context, flow);
		char *team_copy = MemoryContextStrdup(slot_context, team);
		char *rep_copy = MemoryContextStrdup(slot_context, rep);

		slot = hash_search(slots, &key, HASH_ENTER, &found);
		memset((char *) slot + sizeof(RotationKey), 0, sizeof(RotationSlot) - sizeof(RotationKey));
		slot->flow = flow_copy;
		slot->team = team_copy;
		slot->rep = rep_copy;
		ledger_read_at = 0;
	}
	if (!RecoveryInProgress())
	{
		lr_rotation_load();
		attached(slot);
	}
	return slot;
}

RotationSlot *
lr_rotation_ready_slot(const char *flow, const char *team, const char *rep)
{
	RotationKey key = lr_rotation_key(flow, team, rep);
	RotationSlot *slot = slots ? hash_search(slots, &key, HASH_FIND, NULL) : NULL;

	return slot && slot->shared && lr_rotation_is_loaded() ? slot : NULL;
}

bool
lr_rotation_is_ready(const RotationCandidate *candidates, int n)
{
	for (int i = 0; i < n; i++)
		if (candidates[i].slot->shared == NULL)
			return false;
	return lr_rotation_is_loaded();
}

/* The slot's member in shared memory. Not during recovery. */
static SharedMember *
attached(RotationSlot *slot)
{
	if (unlikely(slot->shared == NULL))
		slot->shared = lr_rotation_member(&slot->key);
	return slot->shared;
}

int
lr_rotation_peek(const RotationCandidate *candidates, int n)
{
	uint32 partition;
	int index;

	if (n == 0)
		return -1;
	if (RecoveryInProgress())
	{
		read_ledger();
		return pick(candidates, n);
	}
	lr_rotation_load();
	for (int i = 0; i < n; i++)
		attached(candidates[i].slot);
	partition = candidates[0].slot->key.partition;
	lr_rotation_lock(partition, LW_SHARED);
	index = pick(candidates, n);
	lr_rotation_unlock(partition);
	return index;
}

/* The lowest pointer, of equals the one who waited longest, of those the first listed. Under the team's lock. */
static int
pick(const RotationCandidate *candidates, int n)
{
	int best = -1;
	int64 best_pointer = 0;
	int64 best_last = 0;

	for (int i = 0; i < n; i++)
	{
		const RotationSlot *slot = candidates[i].slot;
		int64 pointer;
		int64 last;

		if (!candidates[i].eligible)
			continue;
		pointer = slot->shared ? slot->shared->pointer : slot->ledger_pointer;
		last = slot->shared ? slot->shared->last : 0;
		if (best < 0 || pointer < best_pointer || (pointer == best_pointer && last < best_last))
		{
			best = i;
			best_pointer = pointer;
			best_last = last;
		}
	}
	return best;
}

/* Fills every slot of the session from the ledger's newest committed rows, once a statement. During recovery. */
static void
read_ledger(void)
{
	TimestampTz statement = GetCurrentStatementStartTimestamp();
	Relation ledger;
	Snapshot snapshot;
	HTAB *members;
	HTAB *reps;
	HASHCTL info;
	HASH_SEQ_STATUS scan;
	LedgerMember *entry;
	LedgerRep *rep;
	RotationSlot *slot;

	if (statement == ledger_read_at || slots == NULL)
		return;
	ledger = table_open(lr_relation_oid("rotation"), AccessShareLock);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	members = lr_rotation_ledger_hash();
	lr_rotation_sum_ledger(ledger, snapshot, members);
	UnregisterSnapshot(snapshot);
	table_close(ledger, AccessShareLock);

	memset(&info, 0, sizeof(info));
	info.keysize = sizeof(entry->key.rep);
	info.entrysize = sizeof(LedgerRep);
	info.hcxt = CurrentMemoryContext;
	reps = hash_create("leadroute ledger reps", 256, &info, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	hash_seq_init(&scan, members);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		bool found;

		rep = hash_search(reps, entry->key.rep, HASH_ENTER, &found);
		rep->open = (found ? rep->open : 0) + entry->open;
	}

	hash_seq_init(&scan, slots);
	while ((slot = hash_seq_search(&scan)) != NULL)
	{
		entry = hash_search(members, &slot->key, HASH_FIND, NULL);
		rep = hash_search(reps, slot->key.rep, HASH_FIND, NULL);
		slot->ledger_pointer = entry ? entry->pointer : 0;
		slot->ledger_open = entry ? (int32) entry->open : 0;
		slot->ledger_rep_open = rep ? (int32) rep->open : 0;
	}
	hash_destroy(reps);
	hash_destroy(members);
	ledger_read_at = statement;
}

void
lr_rotation_read(RotationSlot *slot, int64 *pointer, int32 *open)
{
	SharedMember *member;

	if (RecoveryInProgress())
	{
		read_ledger();
		*pointer = slot->ledger_pointer;
		*open = slot->ledger_open;
		return;
	}
	lr_rotation_load();
	member = attached(slot);
	lr_rotation_lock(slot->key.partition, LW_SHARED);
	*pointer = member->pointer;
	*open = member->open;
	lr_rotation_unlock(slot->key.partition);
}

int32
lr_rotation_rep_load(RotationSlot *slot)
{
	int32 open;

	if (RecoveryInProgress())
	{
		read_ledger();
		return lr_rotation_rep_open(slot);
	}
	lr_rotation_load();
	attached(slot);
	lr_rotation_lock(slot->key.partition, LW_SHARED);
	open = lr_rotation_rep_open(slot);
	lr_rotation_unlock(slot->key.partition);
	return open;
}

void
lr_rotation_read_members(const char *flow, const char *team, char **reps, int n, int64 *pointers, int32 *opens)
{
	RotationKey *keys = palloc(n * sizeof(RotationKey));
	SharedMember **members = palloc(n * sizeof(SharedMember *));

	lr_rotation_load();
	for (int i = 0; i < n; i++)
	{
		keys[i] = lr_rotation_key(flow, team, reps[i]);
		members[i] = lr_rotation_find_member(&keys[i]);
		pointers[i] = 0;
		opens[i] = 0;
	}
	if (n > 0)
		lr_rotation_lock(keys[0].partition, LW_SHARED);
	for (int i = 0; i < n; i++)
	{
		if (members[i] == NULL)
			continue;
		pointers[i] = members[i]->pointer;
		opens[i] = members[i]->open;
	}
	if (n > 0)
		lr_rotation_unlock(keys[0].partition);
	for (int i = 0; i < n; i++)
	{
		RotationSlot *slot = slots ? hash_search(slots, &keys[i], HASH_FIND, NULL) : NULL;

		for (RotationDelta *delta = slot ? slot->delta : NULL; delta != NULL; delta = delta->outer)
		{
			pointers[i] += delta->raised;
			opens[i] -= delta->freed;
		}
	}
	pfree(members);
	pfree(keys);
}

int
lr_rotation_take(const RotationCandidate *candidates, int n, RotationTurn *turn)
{
	uint32 partition;
	int index;

	if (n == 0)
		return -1;
	PreventCommandDuringRecovery("taking a turn");
	lr_rotation_load();
	for (int i = 0; i < n; i++)
		attached(candidates[i].slot);

	partition = candidates[0].slot->key.partition;
	lr_rotation_lock(partition, LW_EXCLUSIVE);
	index = pick(candidates, n);
	if (index >= 0)
		take(candidates[index].slot, candidates[index].slot, candidates[index].step, 0, turn);
	lr_rotation_unlock(partition);
	return index;
}

int
lr_rotation_choose(RotationSlot *const *slots, RotationSlot *const *turns, int n, RotationChoice choose, void *arg,
				   TimestampTz at, RotationTurn *turn)
{
	uint32 partition;
	int64 step = 0;
	int index;

	if (n == 0)
		return -1;
	if (RecoveryInProgress())
	{
		if (turn != NULL)
			PreventCommandDuringRecovery("taking a turn");
		read_ledger();
		return choose(arg, &step);
	}
	lr_rotation_load();
	for (int i = 0; i < n; i++)
	{
		attached(slots[i]);
		attached(turns[i]);
	}
	partition = slots[0]->key.partition;
	lr_rotation_lock(partition, turn ? LW_EXCLUSIVE : LW_SHARED);
	index = choose(arg, &step);
	if (index >= 0 && turn)
		take(slots[index], turns[index], step, lr_rotation_minute(at), turn);
	lr_rotation_unlock(partition);
	return index;
}

/* A turn and a place, counted for everybody. Under the lock, exclusive. */
static void
take(RotationSlot *slot, RotationSlot *turns, int64 step, int32 minute, RotationTurn *turn)
{
	RotationDelta *place = turns == slot ? NULL : current_delta(slot);
	RotationDelta *delta = current_delta(turns);
	SharedMember *member = turns->shared;

	turn->slot = slot;
	turn->turns = turns;
	turn->step = step;
	turn->previous = member->last;
	turn->previous_minute = member->last_minute;
	turn->sequence = lr_rotation_next_sequence(turns->key.partition);
	if (delta->last_sequence == 0 || member->last != delta->last_sequence)
	{
		delta->first_previous = member->last;
		delta->first_previous_minute = member->last_minute;
	}
	delta->last_sequence = turn->sequence;
	member->last = turn->sequence;
	member->last_minute = minute;
	count_take(turns, delta, step, place ? 0 : 1);
	if (place)
		count_take(slot, place, 0, 1);
}

int32
lr_rotation_minute(TimestampTz at)
{
	TimestampTz minute = at / USECS_PER_MINUTE;

	if (at < 0 && minute * USECS_PER_MINUTE != at)
		minute--;
	return (int32) Max(Min(minute, PG_INT32_MAX), PG_INT32_MIN);
}

void
lr_rotation_standing(const RotationSlot *slot, RotationStanding *standing)
{
	const SharedMember *member = slot->shared;

	standing->pointer = member ? member->pointer : slot->ledger_pointer;
	standing->last = member ? member->last : 0;
	standing->last_minute = member ? member->last_minute : 0;
}

int32
lr_rotation_open(const RotationSlot *slot)
{
	return (slot->shared ? slot->shared->open : slot->ledger_open) - own_freed(slot);
}

int32
lr_rotation_glance(const RotationSlot *slot)
{
	if (slot->shared && !lr_rotation_is_loaded())
		lr_rotation_load();
	return lr_rotation_open(slot);
}

/* What this transaction frees it may hand on: both count when it commits. */
static int32
own_freed(const RotationSlot *slot)
{
	int32 freed = 0;

	for (const RotationDelta *delta = slot->delta; delta != NULL; delta = delta->outer)
		freed += delta->freed;
	return freed;
}

int32
lr_rotation_rep_open(const RotationSlot *slot)
{
	int32 open = 0;

	if (slot->shared == NULL)
		return slot->ledger_rep_open;
	for (const SharedMember *member = slot->shared->rep->members; member != NULL; member = member->next)
		open += member->open;
	return open;
}

void
lr_rotation_take_place(RotationSlot *slot, RotationTurn *turn)
{
	PreventCommandDuringRecovery("taking a place");
	lr_rotation_load();
	attached(slot);

	memset(turn, 0, sizeof(RotationTurn));
	turn->slot = slot;
	turn->turns = slot;
	lr_rotation_lock(slot->key.partition, LW_EXCLUSIVE);
	count_take(slot, current_delta(slot), 0, 1);
	lr_rotation_unlock(slot->key.partition);
}

void
lr_rotation_take_places(RotationSlot *slot, int32 n)
{
	RotationDelta *delta;

	PreventCommandDuringRecovery("taking a place");
	lr_rotation_load();
	attached(slot);

	lr_rotation_lock(slot->key.partition, LW_EXCLUSIVE);
	delta = current_delta(slot);
	count_take(slot, delta, 0, n);
	delta->kept_open += n;
	delta->pending_open += n;
	lr_rotation_unlock(slot->key.partition);
}

/* Under the member's lock, exclusive. */
static void
count_take(RotationSlot *slot, RotationDelta *delta, int64 step, int32 places)
{
	SharedMember *member = slot->shared;

	member->pointer += step;
	member->pointer_uncommitted += step;
	member->open += places;
	member->open_uncommitted += places;
	delta->taken_pointer += step;
	delta->taken_open += places;
}

void
lr_rotation_give_back(RotationTurn *turn)
{
	RotationDelta *place = turn->turns == turn->slot ? NULL : current_delta(turn->slot);
	RotationDelta *delta = current_delta(turn->turns);
	SharedMember *member = turn->turns->shared;

	lr_rotation_lock(turn->slot->key.partition, LW_EXCLUSIVE);
	count_take(turn->turns, delta, -turn->step, place ? 0 : -1);
	if (place)
		count_take(turn->slot, place, 0, -1);
	if (turn->sequence != 0 && member->last == turn->sequence)
	{
		member->last = turn->previous;
		member->last_minute = turn->previous_minute;
		if (delta->last_sequence == turn->sequence)
			delta->last_sequence = turn->previous == delta->first_previous ? 0 : turn->previous;
	}
	lr_rotation_unlock(turn->slot->key.partition);
}

void
lr_rotation_confirm(RotationTurn *turn)
{
	RotationDelta *delta = current_delta(turn->slot);

	delta->kept_open++;
	delta->pending_open++;
	if (turn->turns != turn->slot)
		delta = current_delta(turn->turns);
	delta->kept_pointer += turn->step;
	delta->pending_pointer += turn->step;
}

void
lr_rotation_free_place(RotationSlot *slot, int32 n)
{
	RotationDelta *delta;

	PreventCommandDuringRecovery("freeing a place");
	attached(slot);
	delta = current_delta(slot);
	delta->freed += n;
	delta->pending_open -= n;
}

void
lr_rotation_raise(RotationSlot *slot, int64 raise)
{
	RotationDelta *delta;

	PreventCommandDuringRecovery("raising a pointer");
	attached(slot);
	delta = current_delta(slot);
	delta->raised += raise;
	delta->pending_pointer += raise;
}

/* The delta of the slot at the current level, made where it is not there. */
static RotationDelta *
current_delta(RotationSlot *slot)
{
	int nest_level = GetCurrentTransactionNestLevel();
	RotationDelta *delta = slot->delta;

	if (delta != NULL && delta->level->nest_level == nest_level)
		return delta;

	if (delta_context == NULL)
		delta_context = AllocSetContextCreate(TopTransactionContext, "leadroute rotation deltas",
											  ALLOCSET_DEFAULT_SIZES);
	if (free_deltas == NULL)
		free_deltas = MemoryContextAllocZero(delta_context, sizeof(RotationDelta));
	if (innermost == NULL || innermost->nest_level < nest_level)
	{
		RotationLevel *level = free_levels;

		if (level == NULL)
			level = MemoryContextAlloc(delta_context, sizeof(RotationLevel));
		else
			free_levels = level->outer;
		level->nest_level = nest_level;
		level->outer = innermost;
		level->deltas = NULL;
		innermost = level;
	}

	delta = free_deltas;
	free_deltas = delta->next;
	memset(delta, 0, sizeof(RotationDelta));
	delta->slot = slot;
	delta->level = innermost;
	delta->outer = slot->delta;
	delta->next = innermost->deltas;
	innermost->deltas = delta;
	slot->delta = delta;
	return delta;
}

bool
lr_rotation_write(void)
{
	Relation ledger = NULL;
	TupleDesc descriptor = NULL;
	TupleTableSlot *rows[LEDGER_BATCH];
	int made = 0;
	int n = 0;

	/*
	 * A member's innermost delta is where his pending sums are settled. current_delta may add deltas to the
	 * innermost level and so while this runs, but only in front of those that the loop is at.
	 */
	for (RotationLevel *level = innermost; level != NULL; level = level->outer)
	{
		for (RotationDelta *delta = level->deltas; delta != NULL; delta = delta->next)
		{
			RotationSlot *slot = delta->slot;
			int64 pointer = 0;
			int64 open = 0;
			TupleTableSlot *row;

			for (RotationDelta *each = slot->delta; each != NULL; each = each->outer)
			{
				pointer += each->pending_pointer;
				open += each->pending_open;
			}
			if (pointer == 0 && open == 0)
				continue;

			if (ledger == NULL)
			{
				ledger = table_open(lr_relation_oid("rotation"), RowExclusiveLock);
				/* not the relation's own descriptor, whose reference each slot would have to remember */
				descriptor = CreateTupleDescCopy(RelationGetDescr(ledger));
			}
			if (n == made)
				rows[made++] = MakeSingleTupleTableSlot(descriptor, &TTSOpsHeapTuple);
			row = rows[n++];
			{
				Datum values[5];
				bool nulls[5] = {false, false, false, false, false};

				values[0] = CStringGetTextDatum(slot->flow);
				values[1] = CStringGetTextDatum(slot->team);
				values[2] = CStringGetTextDatum(slot->rep);
				values[3] = Int64GetDatum(pointer);
				values[4] = Int32GetDatum((int32) open);
				ExecForceStoreHeapTuple(heap_form_tuple(descriptor, values, nulls), row, true);
			}
			{
				RotationDelta *current = current_delta(slot);

				current->pending_pointer -= pointer;
				current->pending_open -= (int32) open;
			}
			if (n == LEDGER_BATCH)
			{
				write_rows(ledger, rows, n);
				n = 0;
			}
		}
	}
	if (ledger == NULL)
		return false;
	if (n > 0)
		write_rows(ledger, rows, n);
	for (int i = 0; i < made; i++)
		ExecDropSingleTupleTableSlot(rows[i]);
	table_close(ledger, NoLock);
	return true;
}

static void
write_rows(Relation ledger, TupleTableSlot **rows, int n)
{
	if (n == 1)
		table_tuple_insert(ledger, rows[0], GetCurrentCommandId(true), 0, NULL);
	else
		table_multi_insert(ledger, rows, n, GetCurrentCommandId(true), 0, NULL);
	for (int i = 0; i < n; i++)
		ExecClearTuple(rows[i]);
}

void
lr_rotation_append(const char *flow, const char *team, const char *rep, int64 pointer, int32 open)
{
	Relation ledger = table_open(lr_relation_oid("rotation"), RowExclusiveLock);
	TupleTableSlot *row = MakeSingleTupleTableSlot(RelationGetDescr(ledger), &TTSOpsHeapTuple);
	Datum values[5];
	bool nulls[5] = {false, false, false, false, false};

	values[0] = CStringGetTextDatum(flow);
	values[1] = CStringGetTextDatum(team);
	values[2] = CStringGetTextDatum(rep);
	values[3] = Int64GetDatum(pointer);
	values[4] = Int32GetDatum(open);
	ExecForceStoreHeapTuple(heap_form_tuple(RelationGetDescr(ledger), values, nulls), row, true);
	write_rows(ledger, &row, 1);
	ExecDropSingleTupleTableSlot(row);
	table_close(ledger, NoLock);
}

bool
lr_rotation_touched(void)
{
	for (RotationLevel *level = innermost; level != NULL; level = level->outer)
		for (RotationDelta *delta = level->deltas; delta != NULL; delta = delta->next)
			if (delta->taken_pointer != 0 || delta->taken_open != 0 || delta->raised != 0 || delta->freed != 0)
				return true;
	return false;
}

void
lr_rotation_reload(bool now)
{
	if (!lr_rotation_shmem_available())
		return;
	reload_at_end = true;
	if (now)
		lr_rotation_mark_stale();
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			before_commit();
			break;
		case XACT_EVENT_PRE_PREPARE:
			if (reload_at_end || lr_rotation_touched())
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("cannot PREPARE a transaction that has routed leads"),
						 errdetail("Turns and places of its leads count for everybody until the transaction ends, and nothing tells leadroute when a prepared one does."),
						 errhint("Use COMMIT, or set leadroute.enabled to off and let leadroute.catch_up() route the leads.")));
			break;
		case XACT_EVENT_COMMIT:
			after_commit();
			break;
		case XACT_EVENT_ABORT:
			after_abort();
			break;
		case XACT_EVENT_PREPARE:
			forget_transaction();
			break;
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
			/* workers take nothing */
			break;
	}
}

/* Writes what is left, and tells loaders that this transaction's takes are about to become committed. */
static void
before_commit(void)
{
	if (innermost == NULL)
		return;
	lr_rotation_write();
	lr_rotation_publish_commit(GetTopTransactionIdIfAny());
}

/* Nothing here may fail. */
static void
after_commit(void)
{
	if (innermost != NULL)
	{
		bool unwritten = false;

		for (RotationDelta *delta = innermost->deltas; delta != NULL; delta = delta->next)
		{
			SharedMember *member = delta->slot->shared;

			lr_rotation_lock(delta->slot->key.partition, LW_EXCLUSIVE);
			member->pointer += delta->raised - (delta->taken_pointer - delta->kept_pointer);
			member->pointer_uncommitted -= delta->taken_pointer;
			member->open -= delta->freed + (delta->taken_open - delta->kept_open);
			member->open_uncommitted -= delta->taken_open;
			lr_rotation_unlock(delta->slot->key.partition);
			unwritten |= delta->pending_pointer != 0 || delta->pending_open != 0;
		}
		lr_rotation_publish_commit(InvalidTransactionId);

		/* confirmed after our PRE_COMMIT, against lr_rotation_init's order: the ledger is what counts */
		if (unwritten)
		{
			elog(WARNING, "turns were confirmed too late to be written down");
			lr_rotation_mark_stale();
		}
	}
	if (reload_at_end)
		lr_rotation_mark_stale();
	forget_transaction();
}

static void
after_abort(void)
{
	if (innermost != NULL)
	{
		while (innermost != NULL)
			abort_level();
		/* where before_commit had been reached */
		lr_rotation_publish_commit(InvalidTransactionId);
	}
	if (reload_at_end)
		lr_rotation_mark_stale();
	forget_transaction();
}

static void
forget_transaction(void)
{
	for (RotationLevel *level = innermost; level != NULL; level = level->outer)
		for (RotationDelta *delta = level->deltas; delta != NULL; delta = delta->next)
			delta->slot->delta = NULL;
	innermost = NULL;
	free_deltas = NULL;
	free_levels = NULL;
	if (delta_context != NULL)
		MemoryContextDelete(delta_context);
	delta_context = NULL;
	reload_at_end = false;
	lr_rotation_joins_end();
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	int nest_level;

	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	nest_level = GetCurrentTransactionNestLevel();
	lr_rotation_joins_end_sub(nest_level, event == SUBXACT_EVENT_COMMIT_SUB);
	if (innermost == NULL || innermost->nest_level < nest_level)
		return;
	if (event == SUBXACT_EVENT_COMMIT_SUB)
		merge_level();
	else
		abort_level();
}

/* The innermost level's deltas become its parent's. Needs no memory. */
static void
merge_level(void)
{
	RotationLevel *level = innermost;
	RotationLevel *outer = level->outer;
	RotationDelta *delta;

	level->nest_level--;
	if (outer == NULL || outer->nest_level < level->nest_level)
		return;

	innermost = outer;
	while ((delta = level->deltas) != NULL)
	{
		level->deltas = delta->next;
		if (delta->outer != NULL && delta->outer->level == outer)
		{
			add_delta(delta->outer, delta);
			delta->slot->delta = delta->outer;
			delta->next = free_deltas;
			free_deltas = delta;
		}
		else
		{
			delta->level = outer;
			delta->next = outer->deltas;
			outer->deltas = delta;
		}
	}
	level->outer = free_levels;
	free_levels = level;
}

static void
add_delta(RotationDelta *to, const RotationDelta *from)
{
	to->taken_pointer += from->taken_pointer;
	to->kept_pointer += from->kept_pointer;
	to->raised += from->raised;
	to->pending_pointer += from->pending_pointer;
	to->taken_open += from->taken_open;
	to->kept_open += from->kept_open;
	to->freed += from->freed;
	to->pending_open += from->pending_open;
	if (from->last_sequence != 0)
	{
		/* where somebody else had a turn between, that one's is what an abort restores */
		if (to->last_sequence == 0 || from->first_previous != to->last_sequence)
		{
			to->first_previous = from->first_previous;
			to->first_previous_minute = from->first_previous_minute;
		}
		to->last_sequence = from->last_sequence;
	}
}

/* What the innermost level took goes back. Needs no memory. */
static void
abort_level(void)
{
	RotationLevel *level = innermost;
	RotationDelta *delta;

	innermost = level->outer;
	while ((delta = level->deltas) != NULL)
	{
		level->deltas = delta->next;
		give_back_delta(delta);
		delta->slot->delta = delta->outer;
		delta->next = free_deltas;
		free_deltas = delta;
	}
	level->outer = free_levels;
	free_levels = level;
}

static void
give_back_delta(RotationDelta *delta)
{
	SharedMember *member = delta->slot->shared;

	lr_rotation_lock(delta->slot->key.partition, LW_EXCLUSIVE);
	member->pointer -= delta->taken_pointer;
	member->pointer_uncommitted -= delta->taken_pointer;
	member->open -= delta->taken_open;
	member->open_uncommitted -= delta->taken_open;
	if (delta->last_sequence != 0 && member->last == delta->last_sequence)
	{
		member->last = delta->first_previous;
		member->last_minute = delta->first_previous_minute;
	}
	lr_rotation_unlock(delta->slot->key.partition);
}
