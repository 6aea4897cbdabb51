/*
 * rotation.c
 *		Turns and places as transactions take, keep, free and lose them.
 *
 * A RotationSlot is this session's handle of a member: it lives in slot_context, below CacheMemoryContext, until the
 * session ends. What is taken is noted in the slot's delta (rotation_delta.c), which gives it back or keeps it.
 *
 * Locks: all fields of shared members under their partition's lock (rotation_shmem.c). What can fail (memory, time
 * zones) comes before the first change.
 *
 * During recovery shared memory is not used: a slot has no shared member, and lr_rotation_peek and
 * lr_rotation_read answer from the ledger, read once a statement. After a promotion slots find their members.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "leadroute.h"
#include "miscadmin.h"
#include "rotation.h"
#include "rotation_delta.h"
#include "rotation_ledger.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* A rep's open leads in the ledger, during recovery. */
typedef struct LedgerRep
{
	uint64 rep[2];
	int64 open;
} LedgerRep;

static MemoryContext slot_context = NULL;
static HTAB *known_slots = NULL; /* of RotationSlot */

/* the statement that last read the ledger, during recovery */
static TimestampTz ledger_read_at = 0;

static SharedMember *attached(RotationSlot *slot);
static void read_ledger(void);
static int32 own_freed(const RotationSlot *slot);
static int32 rep_open(const SharedRep *rep);
static int pick(const RotationCandidate *candidates, int n);
static bool has_slots(const SharedMember *member, int32 minute);
static void make_slots(SharedMember *member, int32 minute);
static void take(RotationSlot *slot, RotationSlot *turns, int64 step, int32 minute, RotationTurn *turn);
static void count_lead(RotationSlot *slot, int32 minute, RotationTurn *turn);
static void count_take(RotationSlot *slot, RotationDelta *delta, int64 step, int32 places);

void
lr_rotation_init(void)
{
	lr_rotation_shmem_init();
	lr_delta_init();
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

	if (known_slots == NULL)
	{
		HASHCTL info;

		if (slot_context == NULL)
			slot_context = AllocSetContextCreate(CacheMemoryContext, "leadroute rotation slots",
												 ALLOCSET_DEFAULT_SIZES);
		memset(&info, 0, sizeof(info));
		info.keysize = sizeof(RotationKey);
		info.entrysize = sizeof(RotationSlot);
		info.hcxt = slot_context;
		known_slots = hash_create("leadroute rotation slots", 64, &info, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}

	slot = hash_search(known_slots, &key, HASH_FIND, NULL);
	if (slot == NULL)
	{
		char *flow_copy = MemoryContextStrdup(slot_context, flow);
		char *team_copy = MemoryContextStrdup(slot_context, team);
		char *rep_copy = MemoryContextStrdup(slot_context, rep);

		slot = hash_search(known_slots, &key, HASH_ENTER, &found);
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
	RotationSlot *slot = known_slots ? hash_search(known_slots, &key, HASH_FIND, NULL) : NULL;

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

bool
lr_rotation_are_ready(RotationSlot *const *members, int n)
{
	for (int i = 0; i < n; i++)
		if (members[i]->shared == NULL)
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

	if (statement == ledger_read_at || known_slots == NULL)
		return;
	ledger = table_open(lr_relation_oid("rotation"), AccessShareLock);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	members = lr_rotation_ledger_hash();
	lr_rotation_sum_ledger(ledger, snapshot, members, NULL);
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

	hash_seq_init(&scan, known_slots);
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

int32
lr_rotation_rep_total(const char *flow, const char *rep)
{
	RotationKey key;
	SharedRep *shared;
	int32 open;

	if (!lr_rotation_available() || RecoveryInProgress())
		return -1;
	key = lr_rotation_key(flow, "", rep);
	lr_rotation_load();
	shared = lr_rotation_find_rep(&key);
	if (shared == NULL)
		return 0;
	lr_rotation_lock(key.partition, LW_SHARED);
	open = rep_open(shared);
	lr_rotation_unlock(key.partition);
	return Max(open, 0);
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
		RotationSlot *slot = known_slots ? hash_search(known_slots, &keys[i], HASH_FIND, NULL) : NULL;

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
	return lr_rotation_take_at(candidates, n, lr_now(), turn);
}

int
lr_rotation_take_at(const RotationCandidate *candidates, int n, TimestampTz at, RotationTurn *turn)
{
	uint32 partition;
	int32 minute = lr_rotation_minute(at);
	int index;

	if (n == 0)
		return -1;
	PreventCommandDuringRecovery("taking a turn");
	lr_rotation_load();
	for (int i = 0; i < n; i++)
		attached(candidates[i].slot);

	partition = candidates[0].slot->key.partition;
	for (;;)
	{
		RotationSlot *slot;

		lr_rotation_lock(partition, LW_EXCLUSIVE);
		index = pick(candidates, n);
		slot = index < 0 ? NULL : candidates[index].slot;
		if (slot == NULL || has_slots(slot->shared, minute))
			break;
		lr_rotation_unlock(partition);
		make_slots(slot->shared, minute);
	}
	if (index >= 0)
		take(candidates[index].slot, candidates[index].slot, candidates[index].step, minute, turn);
	lr_rotation_unlock(partition);
	return index;
}

int
lr_rotation_choose(RotationSlot *const *slots, RotationSlot *const *turns, int n, RotationChoice choose, void *arg,
				   TimestampTz at, RotationTurn *turn)
{
	uint32 partition;
	int32 minute = lr_rotation_minute(at);
	int64 step;
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
		if (turns[i] != slots[i])
			attached(turns[i]);
	}
	partition = slots[0]->key.partition;
	for (;;)
	{
		step = 0;
		lr_rotation_lock(partition, turn ? LW_EXCLUSIVE : LW_SHARED);
		index = choose(arg, &step);
		if (index < 0 || turn == NULL || has_slots(slots[index]->shared, minute))
			break;
		lr_rotation_unlock(partition);
		make_slots(slots[index]->shared, minute);
	}
	if (index >= 0 && turn)
		take(slots[index], turns[index], step, minute, turn);
	lr_rotation_unlock(partition);
	return index;
}

/* Whether all meters of a member can count a lead of a minute; one whose slots are all of later times never will. Under the lock. */
static bool
has_slots(const SharedMember *member, int32 minute)
{
	for (int i = 0; i < member->nmeters; i++)
		if (lr_meter_slot(member->meters[i], minute) == NULL && !lr_meter_is_past(member->meters[i], minute))
			return false;
	return true;
}

/* Makes the spans that has_slots misses. Without the lock: time zones may be read. */
static void
make_slots(SharedMember *member, int32 minute)
{
	RotationMeter *meters[MEMBER_METERS];
	int n;

	lr_rotation_lock(member->key.partition, LW_SHARED);
	n = member->nmeters;
	memcpy(meters, member->meters, n * sizeof(RotationMeter *));
	lr_rotation_unlock(member->key.partition);
	for (int i = 0; i < n; i++)
	{
		int32 begin;
		int32 end;

		lr_meter_span(meters[i], minute, &begin, &end);
		lr_rotation_lock(member->key.partition, LW_EXCLUSIVE);
		if (lr_meter_slot(meters[i], minute) == NULL)
			(void) lr_meter_make_slot(meters[i], begin, end);
		lr_rotation_unlock(member->key.partition);
	}
}

/* A turn and a place, counted for everybody. Under the lock, exclusive. */
static void
take(RotationSlot *slot, RotationSlot *turns, int64 step, int32 minute, RotationTurn *turn)
{
	RotationDelta *place = turns == slot ? NULL : lr_delta_current(slot);
	RotationDelta *delta = lr_delta_current(turns);
	SharedMember *member = turns->shared;

	count_lead(slot, minute, turn);
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

/*
 * Counts a lead in the member's meters, and, whether he has any or not, in its minute: a cap that is made meanwhile counts it.
 * Under the lock, exclusive; the first change of a taking, since it may need memory.
 */
static void
count_lead(RotationSlot *slot, int32 minute, RotationTurn *turn)
{
	SharedMember *member = slot->shared;

	turn->minute = minute;
	turn->nmeters = member->nmeters;
	turn->counts = true;
	lr_delta_tally(lr_delta_current(slot), minute, member->nmeters)->taken++;
	lr_delta_meter(member, 0, member->nmeters, minute, 1, 1);
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

void
lr_rotation_tally(RotationSlot *slot, int reason, double expected)
{
	SharedMember *member = slot->shared;

	if (reason >= 0)
		member->passed[reason]++;
	member->expected += expected;
}

bool
lr_rotation_can_count(const RotationSlot *slot, TimestampTz at)
{
	return has_slots(slot->shared, lr_rotation_minute(at));
}

void
lr_rotation_attach(RotationSlot *slot)
{
	if (!RecoveryInProgress())
		attached(slot);
}

void
lr_rotation_lift(RotationSlot *slot, int64 by)
{
	RotationDelta *delta = lr_delta_current(slot);

	count_take(slot, delta, by, 0);
	delta->kept_pointer += by;
	delta->pending_pointer += by;
}

void
lr_rotation_period(RotationPeriod period, const char *zone, TimestampTz at, int32 *begin, int32 *end)
{
	lr_meter_clock_span(period, zone, lr_rotation_minute(at), begin, end);
}

int32
lr_rotation_count(RotationMeter *meter, TimestampTz at)
{
	return lr_meter_count(meter, lr_rotation_minute(at));
}

int32
lr_rotation_metered(RotationSlot *slot, RotationMeter *meter, TimestampTz at)
{
	int32 count;

	lr_rotation_load();
	lr_rotation_lock(slot->key.partition, LW_SHARED);
	count = lr_rotation_count(meter, at);
	lr_rotation_unlock(slot->key.partition);
	return count;
}

RotationMeter *
lr_rotation_meter(RotationSlot *slot, bool of_rep, RotationPeriod period, const char *zone)
{
	if (RecoveryInProgress())
		return NULL;
	return lr_rotation_find_meter(attached(slot), of_rep, period, zone);
}

int32
lr_rotation_rep_open(const RotationSlot *slot)
{
	return slot->shared ? rep_open(slot->shared->rep) : slot->ledger_rep_open;
}

/* Under the partition's lock. */
static int32
rep_open(const SharedRep *rep)
{
	int32 open = 0;

	for (const SharedMember *member = rep->members; member != NULL; member = member->next)
	{
		const RotationSlot *own = lr_delta_frees ? hash_search(known_slots, &member->key, HASH_FIND, NULL) : NULL;

		open += member->open - (own ? own_freed(own) : 0);
	}
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
	count_take(slot, lr_delta_current(slot), 0, 1);
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
	delta = lr_delta_current(slot);
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
	RotationDelta *place = turn->turns == turn->slot ? NULL : lr_delta_current(turn->slot);
	RotationDelta *delta = lr_delta_current(turn->turns);
	SharedMember *member = turn->turns->shared;
	RotationTally *tally = turn->counts ? lr_delta_tally(place ? place : delta, turn->minute, turn->nmeters) : NULL;

	lr_rotation_lock(turn->slot->key.partition, LW_EXCLUSIVE);
	if (tally)
	{
		tally->taken--;
		lr_delta_meter(turn->slot->shared, 0, turn->nmeters, turn->minute, -1, -1);
	}
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
	RotationDelta *delta = lr_delta_current(turn->slot);

	if (turn->counts)
	{
		RotationTally *tally = lr_delta_tally(delta, turn->minute, turn->nmeters);

		tally->kept++;
		tally->pending++;
	}
	delta->kept_open++;
	delta->pending_open++;
	if (turn->turns != turn->slot)
		delta = lr_delta_current(turn->turns);
	delta->kept_pointer += turn->step;
	delta->pending_pointer += turn->step;
}

void
lr_rotation_free_place(RotationSlot *slot, int32 n)
{
	RotationDelta *delta;

	PreventCommandDuringRecovery("freeing a place");
	attached(slot);
	delta = lr_delta_current(slot);
	delta->freed += n;
	delta->pending_open -= n;
	lr_delta_frees = true;
}

void
lr_rotation_raise(RotationSlot *slot, int64 raise)
{
	RotationDelta *delta;

	PreventCommandDuringRecovery("raising a pointer");
	attached(slot);
	delta = lr_delta_current(slot);
	delta->raised += raise;
	delta->pending_pointer += raise;
}
