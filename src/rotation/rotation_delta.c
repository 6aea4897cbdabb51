/*
 * rotation_delta.c
 *		What each (sub)transaction took, kept, raised and freed of members, until it ends.
 *
 * A RotationDelta is what one (sub)transaction level did to one
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
 *	tallies		leads by minute, with the same three parts; each minute becomes a row of its own in the ledger, of which the first
 *				carries pointer and open too. A fold keeps the minutes that caps ask for
 *
 * Locks: all fields of shared members under their partition's lock (rotation_shmem.c). Deltas change under it too
 * where shared memory changes with them, since an LWLock holds off the interrupts that could part the two. What can
 * fail (memory) comes before the first change.
 */
#include "postgres.h"

#include "access/xact.h"
#include "rotation_delta.h"
#include "rotation_ledger.h"
#include "utils/memutils.h"

static MemoryContext delta_context = NULL;
static RotationLevel *innermost = NULL;
static RotationDelta *free_deltas = NULL;
static RotationTally *free_tallies = NULL;
static RotationLevel *free_levels = NULL;
static bool reload_at_end = false;

bool lr_delta_frees = false;

static void settle_tallies(LedgerRows *rows, RotationSlot *slot, int64 pointer, int64 open);
static void at_transaction_end(XactEvent event, void *arg);
static void at_subtransaction_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg);
static void before_commit(void);
static bool touched(void);
static void after_commit(void);
static void after_abort(void);
static void forget_transaction(void);
static void merge_level(void);
static void add_delta(RotationDelta *to, RotationDelta *from);
static void merge_tallies(RotationDelta *to, RotationDelta *from);
static void abort_level(void);
static void give_back_delta(RotationDelta *delta);

void
lr_delta_init(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
}

bool
lr_rotation_write(void)
{
	LedgerRows rows;

	lr_ledger_begin(&rows);
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
			bool tallied = false;

			for (RotationDelta *each = slot->delta; each != NULL; each = each->outer)
			{
				pointer += each->pending_pointer;
				open += each->pending_open;
				tallied |= each->tallies != NULL;
			}
			if (tallied)
				settle_tallies(&rows, slot, pointer, open);
			else if (pointer != 0 || open != 0)
				lr_ledger_store(&rows, slot, pointer, open, NULL);
			if (pointer != 0 || open != 0)
			{
				RotationDelta *current = lr_delta_current(slot);

				current->pending_pointer -= pointer;
				current->pending_open -= (int32) open;
			}
		}
	}
	return lr_ledger_finish(&rows);
}

/* A row for each minute in which the member was given leads that are not written; the first carries pointer and open too. */
static void
settle_tallies(LedgerRows *rows, RotationSlot *slot, int64 pointer, int64 open)
{
	for (RotationDelta *each = slot->delta; each != NULL; each = each->outer)
	{
		for (RotationTally *tally = each->tallies; tally != NULL; tally = tally->next)
		{
			RotationTally sum = {.minute = tally->minute};

			/* the same minute of other levels, and of other numbers of meters, is settled with its first */
			for (RotationDelta *other = slot->delta; other != NULL; other = other->outer)
				for (RotationTally *part = other->tallies; part != NULL; part = part->next)
					if (part->minute == tally->minute)
						sum.pending += part->pending;
			if (sum.pending == 0)
				continue;
			lr_ledger_store(rows, slot, pointer, open, &sum);
			pointer = 0;
			open = 0;
			lr_delta_tally(lr_delta_current(slot), tally->minute, tally->nmeters)->pending -= sum.pending;
		}
	}
	if (pointer != 0 || open != 0)
		lr_ledger_store(rows, slot, pointer, open, NULL);
}

/* The delta of the slot at the current level, made where it is not there. */
RotationDelta *
lr_delta_current(RotationSlot *slot)
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

/* The delta's tally of a minute, made where it is not there. */
RotationTally *
lr_delta_tally(RotationDelta *delta, int32 minute, int32 nmeters)
{
	RotationTally *tally;

	for (tally = delta->tallies; tally != NULL; tally = tally->next)
		if (tally->minute == minute && tally->nmeters == nmeters)
			return tally;
	tally = free_tallies;
	if (tally == NULL)
		tally = MemoryContextAlloc(delta_context, sizeof(RotationTally));
	else
		free_tallies = tally->next;
	memset(tally, 0, sizeof(RotationTally));
	tally->minute = minute;
	tally->nmeters = nmeters;
	tally->next = delta->tallies;
	delta->tallies = tally;
	return tally;
}

/* Adds to some of a member's meters; a span that has given its slot to a later one is nobody's concern. Under the lock, exclusive. */
void
lr_delta_meter(SharedMember *member, int first, int last, int32 minute, int32 count, int32 uncommitted)
{
	for (int i = first; i < last; i++)
	{
		MeterSlot *slot = lr_meter_slot(member->meters[i], minute);

		if (slot == NULL)
			continue;
		slot->count += count;
		slot->uncommitted += uncommitted;
	}
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
			if (reload_at_end || touched())
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
	if (innermost == NULL && !reload_at_end)
		return;
	lr_rotation_write();
	lr_rotation_publish_commit(GetTopTransactionIdIfAny());
}

/* Whether this transaction took, freed or raised anything that it still has. */
static bool
touched(void)
{
	for (RotationLevel *level = innermost; level != NULL; level = level->outer)
		for (RotationDelta *delta = level->deltas; delta != NULL; delta = delta->next)
			if (delta->taken_pointer != 0 || delta->taken_open != 0 || delta->raised != 0 || delta->freed != 0)
				return true;
	return false;
}

/* Nothing here may fail. */
static void
after_commit(void)
{
	if (innermost != NULL)
	{
		bool unwritten = false;
		bool unmetered = false;

		for (RotationDelta *delta = innermost->deltas; delta != NULL; delta = delta->next)
		{
			SharedMember *member = delta->slot->shared;

			lr_rotation_lock(delta->slot->key.partition, LW_EXCLUSIVE);
			member->pointer += delta->raised - (delta->taken_pointer - delta->kept_pointer);
			member->pointer_uncommitted -= delta->taken_pointer;
			member->open -= delta->freed + (delta->taken_open - delta->kept_open);
			member->open_uncommitted -= delta->taken_open;
			for (RotationTally *tally = delta->tallies; tally != NULL; tally = tally->next)
			{
				lr_delta_meter(member, 0, tally->nmeters, tally->minute, tally->kept - tally->taken, -tally->taken);
				/* meters made since: they have not counted it, and where they have no slot for it they are read anew */
				for (int i = tally->nmeters; i < member->nmeters; i++)
					unmetered |= lr_meter_slot(member->meters[i], tally->minute) == NULL;
				lr_delta_meter(member, tally->nmeters, member->nmeters, tally->minute, tally->kept, 0);
				unwritten |= tally->pending != 0;
			}
			lr_rotation_unlock(delta->slot->key.partition);
			unwritten |= delta->pending_pointer != 0 || delta->pending_open != 0;
		}
		if (unmetered)
			lr_rotation_mark_stale();
		/* confirmed after our PRE_COMMIT, against lr_rotation_init's order: the ledger is what counts */
		if (unwritten)
		{
			elog(WARNING, "turns were confirmed too late to be written down");
			lr_rotation_mark_stale();
		}
	}
	if (reload_at_end)
		lr_rotation_mark_stale();
	if (innermost != NULL || reload_at_end)
		lr_rotation_publish_commit(InvalidTransactionId);
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
	{
		lr_rotation_mark_stale();
		lr_rotation_publish_commit(InvalidTransactionId);
	}
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
	free_tallies = NULL;
	free_levels = NULL;
	if (delta_context != NULL)
		MemoryContextDelete(delta_context);
	delta_context = NULL;
	reload_at_end = false;
	lr_delta_frees = false;
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
add_delta(RotationDelta *to, RotationDelta *from)
{
	to->taken_pointer += from->taken_pointer;
	to->kept_pointer += from->kept_pointer;
	to->raised += from->raised;
	to->pending_pointer += from->pending_pointer;
	to->taken_open += from->taken_open;
	to->kept_open += from->kept_open;
	to->freed += from->freed;
	to->pending_open += from->pending_open;
	merge_tallies(to, from);
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

/* Needs no memory. */
static void
merge_tallies(RotationDelta *to, RotationDelta *from)
{
	RotationTally *tally;

	while ((tally = from->tallies) != NULL)
	{
		RotationTally *same = to->tallies;

		from->tallies = tally->next;
		while (same != NULL && (same->minute != tally->minute || same->nmeters != tally->nmeters))
			same = same->next;
		if (same == NULL)
		{
			tally->next = to->tallies;
			to->tallies = tally;
			continue;
		}
		same->taken += tally->taken;
		same->kept += tally->kept;
		same->pending += tally->pending;
		tally->next = free_tallies;
		free_tallies = tally;
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
	RotationTally *tally;

	lr_rotation_lock(delta->slot->key.partition, LW_EXCLUSIVE);
	member->pointer -= delta->taken_pointer;
	member->pointer_uncommitted -= delta->taken_pointer;
	member->open -= delta->taken_open;
	member->open_uncommitted -= delta->taken_open;
	while ((tally = delta->tallies) != NULL)
	{
		delta->tallies = tally->next;
		lr_delta_meter(member, 0, tally->nmeters, tally->minute, -tally->taken, -tally->taken);
		tally->next = free_tallies;
		free_tallies = tally;
	}
	if (delta->last_sequence != 0 && member->last == delta->last_sequence)
	{
		member->last = delta->first_previous;
		member->last_minute = delta->first_previous_minute;
	}
	lr_rotation_unlock(delta->slot->key.partition);
}
