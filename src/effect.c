/*
 * effect.c
 *		Leads whose rows came and went: what counts is the net effect.
 *
 * Triggers fire in an order that is not the order of meaning: a writable CTE's DELETE + INSERT of one key fires
 * AFTER INSERT before AFTER DELETE, and a row that moves between partitions fires both and no AFTER UPDATE.
 * So each lead is counted, and what became of it is written before the transaction commits, or earlier where
 * somebody asks or RESOLVE_AT leads wait. A loader's DELETE and INSERT of unchanged leads in one transaction
 * comes to nothing and writes nothing.
 *
 * Each subtransaction has a level of its own, dropped by its abort and merged into its parent's by its commit.
 * Memory: TopTransactionContext.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "effect.h"
#include "state.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#define RESOLVE_AT 500000

typedef struct Effect
{
	const char *flow; /* these two are the key */
	const char *lead;
	const char *outcome;
	int32 net;
	bool marked;  /* a deleted column spoke */
	bool deleted; /* what it said last */
} Effect;

typedef struct Rename
{
	const char *flow;
	char *from;
	char *to;
	bool replaces; /* the lead that bore the new key before is gone already */
	struct Rename *next;
} Rename;

typedef struct EffectLevel
{
	struct EffectLevel *outer;
	SubTransactionId subid;
	MemoryContext mcxt;
	HTAB *effects;
	Rename *renames; /* newest first */
} EffectLevel;

static EffectLevel *levels = NULL; /* innermost first */

static EffectLevel *current_level(void);
static bool is_marked_deleted(const char *flow, const char *lead);
static bool is_gone(const char *flow, const char *lead);
static void add_rename(EffectLevel *level, const char *flow, const char *from, const char *to, bool replaces);
static Effect *effect_enter(EffectLevel *level, const char *flow, const char *lead);
static uint32 effect_hash(const void *key, Size size);
static int effect_match(const void *a, const void *b, Size size);
static void merge_level(EffectLevel *level, EffectLevel *into);
static void resolve_renames(EffectLevel *level);
static void resolve_level(EffectLevel *level);
static int compare_effects(const void *a, const void *b);
static int effect_verdict(const Effect *effect);

void
lr_effect_add(const char *flow, const char *lead, int delta, const char *outcome)
{
	EffectLevel *level = current_level();
	Effect *effect;

	if (hash_get_num_entries(level->effects) >= RESOLVE_AT)
	{
		lr_effects_resolve();
		level = current_level();
	}
	effect = effect_enter(level, flow, lead);
	effect->net += delta;
	if (outcome)
		effect->outcome = outcome;
	/* the row that comes is not marked as deleted, whatever the one before it was */
	if (delta > 0 && is_marked_deleted(flow, lead))
	{
		effect->marked = true;
		effect->deleted = false;
	}
}

/* What a deleted column said last in this transaction, where that is not written yet. */
static bool
is_marked_deleted(const char *flow, const char *lead)
{
	Effect probe = {.flow = flow, .lead = lead};

	for (EffectLevel *level = levels; level; level = level->outer)
	{
		Effect *effect = hash_search(level->effects, &probe, HASH_FIND, NULL);

		if (effect && effect->marked)
			return effect->deleted;
	}
	return false;
}

void
lr_effect_mark(const char *flow, const char *lead, bool deleted)
{
	EffectLevel *level = current_level();
	Effect *effect;

	if (hash_get_num_entries(level->effects) >= RESOLVE_AT)
	{
		lr_effects_resolve();
		level = current_level();
	}
	effect = effect_enter(level, flow, lead);
	effect->marked = true;
	effect->deleted = deleted;
	effect->outcome = "deleted";
}

void
lr_effect_rename(const char *flow, const char *from, const char *to)
{
	add_rename(current_level(), flow, from, to, is_gone(flow, to));
}

/* Whether a lead's row went in this transaction, and that is not written yet. */
static bool
is_gone(const char *flow, const char *lead)
{
	Effect probe = {.flow = flow, .lead = lead};

	for (EffectLevel *level = levels; level; level = level->outer)
	{
		Effect *effect = hash_search(level->effects, &probe, HASH_FIND, NULL);

		if (effect == NULL)
			continue;
		probe.net += effect->net;
		if (effect->marked && !probe.marked)
		{
			probe.marked = true;
			probe.deleted = effect->deleted;
		}
	}
	return effect_verdict(&probe) < 0;
}

static void
add_rename(EffectLevel *level, const char *flow, const char *from, const char *to, bool replaces)
{
	Rename *rename = MemoryContextAlloc(level->mcxt, sizeof(Rename));

	rename->flow = MemoryContextStrdup(level->mcxt, flow);
	rename->from = MemoryContextStrdup(level->mcxt, from);
	rename->to = MemoryContextStrdup(level->mcxt, to);
	rename->replaces = replaces;
	rename->next = level->renames;
	level->renames = rename;
}

void
lr_effects_rename_now(void)
{
	if (levels && levels->renames && levels->subid == GetCurrentSubTransactionId())
		resolve_renames(levels);
}

/* The level of the current subtransaction, made when first needed. */
static EffectLevel *
current_level(void)
{
	SubTransactionId subid = GetCurrentSubTransactionId();
	HASHCTL ctl = {.keysize = 2 * sizeof(char *), .entrysize = sizeof(Effect), .hash = effect_hash, .match = effect_match};
	MemoryContext mcxt;
	EffectLevel *level;

	if (levels && levels->subid == subid)
		return levels;
	mcxt = AllocSetContextCreate(TopTransactionContext, "leadroute effects", ALLOCSET_DEFAULT_SIZES);
	level = MemoryContextAllocZero(mcxt, sizeof(EffectLevel));
	level->mcxt = mcxt;
	level->subid = subid;
	ctl.hcxt = mcxt;
	level->effects = hash_create("leadroute effects", 64, &ctl,
								 HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
	level->outer = levels;
	levels = level;
	return level;
}

static Effect *
effect_enter(EffectLevel *level, const char *flow, const char *lead)
{
	Effect probe = {.flow = flow, .lead = lead};
	bool found;
	Effect *effect = hash_search(level->effects, &probe, HASH_ENTER, &found);

	if (!found)
	{
		effect->flow = MemoryContextStrdup(level->mcxt, flow);
		effect->lead = MemoryContextStrdup(level->mcxt, lead);
		effect->outcome = "deleted";
		effect->net = 0;
		effect->marked = effect->deleted = false;
	}
	return effect;
}

static uint32
effect_hash(const void *key, Size size)
{
	const Effect *effect = key;

	return hash_combine(string_hash(effect->lead, 1024), string_hash(effect->flow, 1024));
}

static int
effect_match(const void *a, const void *b, Size size)
{
	const Effect *x = a;
	const Effect *y = b;

	return strcmp(x->lead, y->lead) != 0 || strcmp(x->flow, y->flow) != 0;
}

/*
 * Writes what the current subtransaction's level holds. What belongs to an outer one waits until that is current again:
 * written here, it would go with a rollback of this one.
 */
void
lr_effects_resolve(void)
{
	EffectLevel *level = levels;

	if (level == NULL || level->subid != GetCurrentSubTransactionId())
		return;
	resolve_renames(level);
	resolve_level(level);
	levels = level->outer;
	MemoryContextDelete(level->mcxt);
}

static void
resolve_renames(EffectLevel *level)
{
	while (level->renames)
	{
		const char *flow = level->renames->flow;
		Rename *rest = NULL;
		int n = 0;
		int ngone = 0;
		char **from;
		char **to;
		char **gone;

		for (Rename *rename = level->renames; rename; rename = rename->next)
			n++;
		from = palloc(n * sizeof(char *));
		to = palloc(n * sizeof(char *));
		gone = palloc(n * sizeof(char *));
		n = 0;
		for (Rename *rename = level->renames, *next; rename; rename = next)
		{
			next = rename->next;
			if (strcmp(rename->flow, flow) == 0)
			{
				from[n] = rename->from;
				to[n++] = rename->to;
				if (rename->replaces)
				{
					Effect *effect = effect_enter(level, flow, rename->to);

					/* written here and now: from now on the key is the other lead's */
					gone[ngone++] = rename->to;
					effect->net++;
					effect->deleted = false;
				}
			}
			else
			{
				rename->next = rest;
				rest = rename;
			}
		}
		level->renames = rest;
		if (ngone > 0)
			lr_state_close(flow, gone, ngone, "deleted");
		lr_state_rekey(flow, from, to, n);
	}
}

/* What the counts say: -1 the lead is gone, 1 it is back, 0 nothing. */
static int
effect_verdict(const Effect *effect)
{
	if (effect->marked && effect->deleted)
		return -1;
	if (effect->net < 0)
		return -1;
	return (effect->net > 0 || effect->marked) ? 1 : 0;
}

static void
resolve_level(EffectLevel *level)
{
	long n = hash_get_num_entries(level->effects);
	Effect **effects;
	char **leads;
	HASH_SEQ_STATUS status;
	Effect *effect;
	long count = 0;

	if (n == 0)
		return;
	effects = MemoryContextAllocHuge(level->mcxt, n * sizeof(Effect *));
	leads = MemoryContextAllocHuge(level->mcxt, n * sizeof(char *));
	hash_seq_init(&status, level->effects);
	while ((effect = hash_seq_search(&status)) != NULL)
		if (effect_verdict(effect) != 0)
			effects[count++] = effect;
	qsort(effects, count, sizeof(Effect *), compare_effects);

	/* runs of one flow, verdict and outcome, in the order of the keys, so that two sessions cannot deadlock */
	for (long i = 0; i < count;)
	{
		const Effect *first = effects[i];
		int run = 0;

		while (i < count && run < 10000 && strcmp(effects[i]->flow, first->flow) == 0 &&
			   effect_verdict(effects[i]) == effect_verdict(first) &&
			   strcmp(effects[i]->outcome, first->outcome) == 0)
			leads[run++] = unconstify(char *, effects[i++]->lead);
		if (effect_verdict(first) < 0)
			lr_state_close(first->flow, leads, run, first->outcome);
		else
			lr_state_restore(first->flow, leads, run);
	}
}

static int
compare_effects(const void *a, const void *b)
{
	const Effect *x = *(Effect *const *) a;
	const Effect *y = *(Effect *const *) b;
	int result = strcmp(x->flow, y->flow);

	if (result == 0)
		result = effect_verdict(x) - effect_verdict(y);
	if (result == 0)
		result = strcmp(x->outcome, y->outcome);
	return result != 0 ? result : strcmp(x->lead, y->lead);
}

void
lr_effects_abort(SubTransactionId subid)
{
	if (levels && levels->subid == subid)
	{
		EffectLevel *level = levels;

		levels = level->outer;
		MemoryContextDelete(level->mcxt);
	}
}

void
lr_effects_reparent(SubTransactionId subid, SubTransactionId parent)
{
	EffectLevel *level = levels;

	if (level == NULL || level->subid != subid)
		return;
	if (level->outer && level->outer->subid == parent)
	{
		levels = level->outer;
		merge_level(level, levels);
		MemoryContextDelete(level->mcxt);
	}
	else
		level->subid = parent;
}

static void
merge_level(EffectLevel *level, EffectLevel *into)
{
	HASH_SEQ_STATUS status;
	Effect *effect;
	Rename *oldest = NULL;

	hash_seq_init(&status, level->effects);
	while ((effect = hash_seq_search(&status)) != NULL)
	{
		Effect *merged = effect_enter(into, effect->flow, effect->lead);

		merged->net += effect->net;
		merged->outcome = effect->outcome;
		if (effect->marked)
		{
			merged->marked = true;
			merged->deleted = effect->deleted;
		}
	}
	/* turn the list round, so that the newest stays in front */
	while (level->renames)
	{
		Rename *rename = level->renames;

		level->renames = rename->next;
		rename->next = oldest;
		oldest = rename;
	}
	for (; oldest; oldest = oldest->next)
		add_rename(into, oldest->flow, oldest->from, oldest->to, oldest->replaces);
}

void
lr_effects_end(void)
{
	levels = NULL;
}
