/*
 * sticky.c
 *		Who of a team has an earlier lead of the same person or account.
 *
 * Asked only of teams that are sticky. The same person is told by the keys that the lead has been looked up by
 * (duplicate.c): the earlier lead, and those that it came back after in its turn. The same account takes a probe of
 * lead_states_account_idx, newest first, with the newest snapshot; and since a statement writes its decisions when its rows
 * stand, those that wait are noted here, so that two people of one account in one INSERT meet the same rep. What another
 * session has not committed is not seen: nobody waits for it, and a rep whom a rollback would take away is no reason.
 *
 * A serializable transaction looks without a snapshot of its own: what it reads here is a hint, and a predicate lock
 * on the newest leads of an account would make its inserts fail each other.
 *
 * Memory: notes are in their statement's memory, the hash in TopTransactionContext.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "compat.h"
#include "effect.h"
#include "journal.h"
#include "lead_hash.h"
#include "leadroute.h"
#include "pending.h"
#include "state.h"
#include "sticky.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* Leads of an account that are looked at: most of a large one's may be other teams'. */
#define LOOKS_AT_MOST 100

/* How often a person may have come back. */
#define RETURNS_AT_MOST 20

/* Between the parts of a name; no team's name has it. */
#define NAME_SEPARATOR "\x1f"

/* Of one team and account. */
typedef struct StickyNotes
{
	char *flow; /* these two are the key */
	char *name;
	dlist_head notes; /* newest first */
} StickyNotes;

struct StickyNote
{
	dlist_node node;
	StickyNotes *notes;
	const char *lead;
	const char *owner;
};

static HTAB *noted = NULL;

static bool find_person(const FlowConfig *config, const TeamConfig *team, const char *lead, const char *first, StickyHit *hit);
static bool find_noted(const FlowConfig *config, const TeamConfig *team, const char *lead, const char *account, StickyHit *hit);
static bool find_stored(const FlowConfig *config, const TeamConfig *team, const char *lead, const char *account, StickyHit *hit);
static bool is_hit(const char *flow, const TeamConfig *team, TupleTableSlot *slot, const char *lead, StickyHit *hit);
static char *column_text(TupleTableSlot *slot, StateColumn column);
static StickyNotes *find_notes(const char *flow, const char *team, const char *account, HASHACTION action);

bool
lr_sticky_find(const FlowConfig *config, const TeamConfig *team, const char *lead, const char *first, const char *account, StickyHit *hit)
{
	hit->how = "sticky, same person";
	if (first && find_person(config, team, lead, first, hit))
		return true;
	hit->how = "sticky, same account";
	return account && team->sticky == STICKY_ACCOUNT &&
		   (find_noted(config, team, lead, account, hit) || find_stored(config, team, lead, account, hit));
}

/* The lead that it shares a key with, or the one that this came back after, and so on. */
static bool
find_person(const FlowConfig *config, const TeamConfig *team, const char *lead, const char *first, StickyHit *hit)
{
	for (int step = 0; first && step < RETURNS_AT_MOST && !(lead && strcmp(first, lead) == 0); step++)
	{
		const Pending *pending = lr_pending_find(config->flow, first);
		const char *its_team;
		LeadState state;

		hit->lead = first;
		if (pending && pending->kind == PENDING_DECISION)
		{
			its_team = pending->outcome->team;
			hit->owner = pending->outcome->owner;
			first = pending->more->link ? pending->more->link->first : NULL;
		}
		else if (lr_state_find(config->flow, first, &state))
		{
			its_team = state.team;
			hit->owner = state.owner;
			first = state.duplicate_of;
		}
		else
			return false;
		if (hit->owner && its_team && strcmp(its_team, team->team) == 0)
			return true;
	}
	return false;
}

static bool
find_noted(const FlowConfig *config, const TeamConfig *team, const char *lead, const char *account, StickyHit *hit)
{
	StickyNotes *notes = find_notes(config->flow, team->team, account, HASH_FIND);
	dlist_iter iter;

	if (notes == NULL)
		return false;
	dlist_foreach(iter, &notes->notes)
	{
		const StickyNote *note = dlist_container(StickyNote, node, iter.cur);

		if (lead && strcmp(note->lead, lead) == 0)
			continue;
		hit->lead = note->lead;
		hit->owner = note->owner;
		return true;
	}
	return false;
}

static bool
find_stored(const FlowConfig *config, const TeamConfig *team, const char *lead, const char *account, StickyHit *hit)
{
	Relation rel = table_open(lr_relation_oid("lead_states"), AccessShareLock);
	Relation index = lr_index_open(lr_relation_oid("lead_states_account_idx"), AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	Snapshot snapshot = IsolationIsSerializable() ? SnapshotSelf : RegisterSnapshot(GetLatestSnapshot());
	IndexScanDesc scan;
	ScanKeyData keys[2];
	bool found = false;

	ScanKeyEntryInitialize(&keys[0], 0, 1, BTEqualStrategyNumber, InvalidOid, index->rd_indcollation[0],
						   F_TEXTEQ, CStringGetTextDatum(config->flow));
	ScanKeyEntryInitialize(&keys[1], 0, 2, BTEqualStrategyNumber, InvalidOid, index->rd_indcollation[1],
						   F_TEXTEQ, CStringGetTextDatum(account));
	scan = lr_index_beginscan(rel, index, snapshot, NULL, 2, 0);
	index_rescan(scan, keys, 2, NULL, 0);
	for (int looks = 0; looks < LOOKS_AT_MOST && !found && index_getnext_slot(scan, BackwardScanDirection, slot); looks++)
		found = is_hit(config->flow, team, slot, lead, hit);
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	if (snapshot != SnapshotSelf)
		UnregisterSnapshot(snapshot);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	return found;
}

static bool
is_hit(const char *flow, const TeamConfig *team, TupleTableSlot *slot, const char *lead, StickyHit *hit)
{
	char *its_team = column_text(slot, STATE_TEAM);
	LeadState state = {0};

	if (its_team == NULL || strcmp(its_team, team->team) != 0 || (hit->owner = column_text(slot, STATE_OWNER)) == NULL)
		return false;
	/* deleted, it says nothing of anybody's account any more */
	state.outcome = column_text(slot, STATE_OUTCOME);
	state.closed = state.outcome != NULL;
	hit->lead = column_text(slot, STATE_LEAD);
	if (lr_state_is_gone(&state) || lr_effect_is_gone(flow, hit->lead))
		return false;
	return lead == NULL || strcmp(hit->lead, lead) != 0;
}

static char *
column_text(TupleTableSlot *slot, StateColumn column)
{
	bool isnull;
	Datum value = slot_getattr(slot, column + 1, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

StickyNote *
lr_sticky_note(const char *flow, const char *team, const char *account, const char *lead, const char *owner, MemoryContext context)
{
	StickyNote *note = MemoryContextAlloc(context, sizeof(StickyNote));

	note->notes = find_notes(flow, team, account, HASH_ENTER);
	note->lead = lead;
	note->owner = owner;
	dlist_push_head(&note->notes->notes, &note->node);
	return note;
}

/* HASH_FIND: NULL where there are none. */
static StickyNotes *
find_notes(const char *flow, const char *team, const char *account, HASHACTION action)
{
	StickyNotes probe = {.flow = unconstify(char *, flow)};
	StickyNotes *notes;
	bool found;

	if (noted == NULL && action == HASH_FIND)
		return NULL;
	if (noted == NULL)
		noted = lr_lead_hash_create("leadroute sticky decisions", 64, sizeof(StickyNotes), TopTransactionContext);
	probe.name = psprintf("%s" NAME_SEPARATOR "%s", team, account);
	notes = hash_search(noted, &probe, action, &found);
	if (action == HASH_ENTER && !found)
	{
		notes->flow = MemoryContextStrdup(TopTransactionContext, flow);
		notes->name = MemoryContextStrdup(TopTransactionContext, probe.name);
		dlist_init(&notes->notes);
	}
	pfree(probe.name);
	return notes;
}

void
lr_sticky_forget(StickyNote *note)
{
	StickyNotes *notes = note->notes;
	char *flow = notes->flow;
	char *name = notes->name;

	dlist_delete(&note->node);
	if (!dlist_is_empty(&notes->notes))
		return;
	(void) hash_search(noted, notes, HASH_REMOVE, NULL);
	pfree(flow);
	pfree(name);
}

void
lr_sticky_end(void)
{
	noted = NULL;
}
