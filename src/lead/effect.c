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
 * Where an index of the table tells which rows bear a key, what stands after a row's trigger is the truth, and the last
 * one counts (lr_effect_set); elsewhere rows are counted (lr_effect_add).
 *
 * Each subtransaction has a level of its own, dropped by its abort and merged into its parent's by its commit. A level
 * that is written while an outer one has effects too stays, and writes the same once more after it is merged: the
 * outer one's may say otherwise of a lead, and to close or restore twice is to do it once.
 *
 * Key changes of one statement happen at once, those of different ones one after another. A look-up in a nested
 * subtransaction needs those of outer ones in place: they are written there, and again where that is rolled back.
 * Memory: TopTransactionContext.
 */
#include "postgres.h"

#include "access/xact.h"
#include "effect.h"
#include "lead_hash.h"
#include "linked.h"
#include "pending.h"
#include "state.h"
#include "utils/memutils.h"

#define RESOLVE_AT 1000000
#define KEYS_AT_MOST 20000 /* a level; from there on one look through identities is cheaper */
#define RUN_AT_MOST 100000 /* leads a query: each may read all of lead_states */

typedef struct Effect
{
	const char *flow; /* these two are the key */
	const char *lead;
	const char *outcome;
	int32 net;
	uint64 group; /* the key change that brought `brought` of net with it, from another key */
	int32 brought;
	Oid partition; /* where it stands, if exact and the key may be in others too */
	bool exact;	   /* net is what stands, whatever outer levels counted */
	bool marked;   /* a deleted column spoke */
	bool deleted;  /* what it said last */
	int nkeys;	   /* of the row that went; -1: none did */
	MatchKey *keys;
	bool said;		 /* the row's conditions spoke */
	Closing closing; /* what they said last */
} Effect;

typedef struct Rename
{
	const char *flow;
	char *from;
	char *to;
	uint64 group;			  /* those of one happen at once */
	bool replaces;			  /* the lead that bore the new key before is gone */
	SubTransactionId written; /* the subtransaction that wrote it, or none yet */
	struct Rename *next;
} Rename;

typedef struct EffectLevel
{
	struct EffectLevel *outer;
	SubTransactionId subid;
	MemoryContext mcxt;
	HTAB *effects;
	Rename *renames; /* oldest first */
	Rename *last_rename;
	int nkeys;	 /* of all its effects */
	bool forgot; /* there were too many to keep */
} EffectLevel;

static EffectLevel *levels = NULL; /* innermost first */

static Effect *next_effect(const char *flow, const char *lead);
static Effect effect_total(const char *flow, const char *lead);
static EffectLevel *current_level(void);
static void keep_keys(EffectLevel *level, Effect *effect, const MatchKey *keys, int n);
static void effect_say(EffectLevel *level, Effect *effect, const Closing *closing);
static void add_rename(EffectLevel *level, const Rename *from);
static Effect *effect_enter(EffectLevel *level, const char *flow, const char *lead);
static void merge_level(EffectLevel *level, EffectLevel *into);
static void write_renames(EffectLevel *level);
static void renames_written(SubTransactionId from, SubTransactionId to);
static void resolve_level(EffectLevel *level);
static void release_keys(EffectLevel *level, Effect **effects, int n);
static int compare_effects(const void *a, const void *b);
static void succeed_gone(Effect **effects, long count, char **leads);
static void write_said(EffectLevel *level, bool of_gone);
static int compare_said(const void *a, const void *b);
static int effect_verdict(const Effect *effect);

void
lr_effect_add(const char *flow, const char *lead, int delta, const char *outcome)
{
	Effect *effect = next_effect(flow, lead);

	effect->net += delta;
	if (delta > 0)
		effect->marked = false;
	if (outcome)
		effect->outcome = outcome;
}

void
lr_effect_set(const char *flow, const char *lead, bool stands, Oid partition, const char *outcome)
{
	Effect *effect = next_effect(flow, lead);

	if (!stands && OidIsValid(partition))
	{
		Effect total = effect_total(flow, lead);

		if (total.exact && total.net > 0 && total.partition != partition)
			return;
	}
	effect->exact = true;
	effect->marked = false;
	effect->net = stands ? 1 : -1;
	effect->partition = partition;
	if (outcome)
		effect->outcome = outcome;
}

void
lr_effect_forget(const char *flow, const char *lead)
{
	Effect *effect = next_effect(flow, lead);

	effect->exact = true;
	effect->marked = false;
	effect->net = 0;
}

void
lr_effect_mark(const char *flow, const char *lead, bool deleted)
{
	Effect *effect = next_effect(flow, lead);

	effect->marked = true;
	effect->deleted = deleted;
	effect->outcome = "deleted";
}

void
lr_effect_said(const char *flow, const char *lead, const Closing *closing)
{
	Effect *effect = next_effect(flow, lead);

	effect_say(current_level(), effect, closing);
}

static void
effect_say(EffectLevel *level, Effect *effect, const Closing *closing)
{
	effect->said = true;
	effect->closing = *closing;
	if (closing->value)
		effect->closing.value = MemoryContextStrdup(level->mcxt, closing->value);
}

const Closing *
lr_effect_last_said(const char *flow, const char *lead)
{
	Effect probe = {.flow = flow, .lead = lead};

	for (EffectLevel *level = levels; level; level = level->outer)
	{
		Effect *effect = hash_search(level->effects, &probe, HASH_FIND, NULL);

		if (effect && effect->said)
			return &effect->closing;
	}
	return NULL;
}

/* The current level's entry of a lead; writes those that wait where they are too many. */
static Effect *
next_effect(const char *flow, const char *lead)
{
	if (hash_get_num_entries(current_level()->effects) >= RESOLVE_AT)
		lr_effects_resolve();
	return effect_enter(current_level(), flow, lead);
}

void
lr_effect_rename(const char *flow, const char *from, const char *to, uint64 group, bool unique)
{
	EffectLevel *level = current_level();
	Effect *effect;
	Effect was = effect_total(flow, from);
	const Closing *said = lr_effect_last_said(flow, from);
	Effect is = effect_total(flow, to);
	Rename rename = {
		.flow = flow,
		.from = unconstify(char *, from),
		.to = unconstify(char *, to),
		.group = group,
		.replaces = unique || effect_verdict(&is) < 0,
	};

	add_rename(level, &rename);
	if (said)
	{
		effect_say(level, effect_enter(level, flow, to), said);
		effect_enter(level, flow, from)->said = false;
	}
	if (unique)
		return;
	/* what was counted goes along, but not what another key has brought at the same time */
	effect = effect_enter(level, flow, from);
	if (effect->group == group)
		was.net -= effect->brought;
	effect->net -= was.net;
	/* the one that is gone is closed when this is written */
	effect = effect_enter(level, flow, to);
	if (effect_verdict(&is) < 0)
	{
		effect->net -= is.net;
		effect->deleted = false;
	}
	effect->net += was.net;
	if (effect->group != group)
		effect->brought = 0;
	effect->group = group;
	effect->brought += was.net;
}

/* What all levels together say of a lead. */
static Effect
effect_total(const char *flow, const char *lead)
{
	Effect total = {.flow = flow, .lead = lead};

	for (EffectLevel *level = levels; level; level = level->outer)
	{
		Effect *effect = hash_search(level->effects, &total, HASH_FIND, NULL);

		if (effect == NULL)
			continue;
		total.net += effect->net;
		if (effect->marked && !total.marked)
		{
			total.marked = true;
			total.deleted = effect->deleted;
		}
		if (effect->exact)
		{
			total.exact = true;
			total.partition = effect->partition;
			break;
		}
	}
	return total;
}

bool
lr_effect_is_gone(const char *flow, const char *lead)
{
	Effect total;

	if (levels == NULL)
		return false;
	total = effect_total(flow, lead);
	return effect_verdict(&total) < 0;
}

bool
lr_effect_is_back(const char *flow, const char *lead)
{
	Effect total;

	if (levels == NULL)
		return false;
	total = effect_total(flow, lead);
	return effect_verdict(&total) > 0;
}

void
lr_effect_keys(const char *flow, const char *lead, const MatchKey *keys, int n)
{
	keep_keys(current_level(), effect_enter(current_level(), flow, lead), keys, n);
}

static void
keep_keys(EffectLevel *level, Effect *effect, const MatchKey *keys, int n)
{
	if (level->nkeys + n > KEYS_AT_MOST)
	{
		level->forgot = true;
		return;
	}
	level->nkeys += n;
	effect->nkeys = n;
	effect->keys = MemoryContextAlloc(level->mcxt, Max(n, 1) * sizeof(MatchKey));
	for (int i = 0; i < n; i++)
	{
		effect->keys[i].kind = MemoryContextStrdup(level->mcxt, keys[i].kind);
		effect->keys[i].key = MemoryContextStrdup(level->mcxt, keys[i].key);
	}
}

int
lr_effect_find_keys(const char *flow, const char *lead, const MatchKey **keys)
{
	Effect probe = {.flow = flow, .lead = lead};

	for (EffectLevel *level = levels; level; level = level->outer)
	{
		Effect *effect = hash_search(level->effects, &probe, HASH_FIND, NULL);

		if (effect && effect->nkeys >= 0)
		{
			*keys = effect->keys;
			return effect->nkeys;
		}
	}
	return -1;
}

static void
add_rename(EffectLevel *level, const Rename *from)
{
	Rename *rename = MemoryContextAlloc(level->mcxt, sizeof(Rename));

	*rename = *from;
	rename->flow = MemoryContextStrdup(level->mcxt, from->flow);
	rename->from = MemoryContextStrdup(level->mcxt, from->from);
	rename->to = MemoryContextStrdup(level->mcxt, from->to);
	rename->next = NULL;
	if (level->renames)
		level->last_rename->next = rename;
	else
		level->renames = rename;
	level->last_rename = rename;
}

void
lr_effects_rename_now(void)
{
	lr_rekeys_tell();
	for (EffectLevel *level = levels; level; level = level->outer)
		if (level->renames)
		{
			write_renames(levels);
			return;
		}
}

/* The level of the current subtransaction, made when first needed. */
static EffectLevel *
current_level(void)
{
	SubTransactionId subid = GetCurrentSubTransactionId();
	MemoryContext mcxt;
	EffectLevel *level;

	if (levels && levels->subid == subid)
		return levels;
	mcxt = AllocSetContextCreate(TopTransactionContext, "leadroute effects", ALLOCSET_DEFAULT_SIZES);
	level = MemoryContextAllocZero(mcxt, sizeof(EffectLevel));
	level->mcxt = mcxt;
	level->subid = subid;
	level->effects = lr_lead_hash_create("leadroute effects", 64, sizeof(Effect), mcxt);
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
		effect->net = effect->brought = 0;
		effect->group = 0;
		effect->partition = InvalidOid;
		effect->nkeys = -1;
		effect->keys = NULL;
		effect->exact = effect->marked = effect->deleted = effect->said = false;
	}
	return effect;
}

/*
 * Writes what the current subtransaction's level holds. What belongs to an outer one waits until that is current again:
 * written here, it would go with a rollback of this one.
 */
void
lr_effects_resolve(void)
{
	EffectLevel *level = levels;

	lr_effects_rename_now();
	if (level == NULL || level->subid != GetCurrentSubTransactionId())
		return;
	resolve_level(level);
	if (level->outer)
		return;
	levels = NULL;
	MemoryContextDelete(level->mcxt);
}

/* Writes the key changes of a level, those of outer ones first; those of one group and flow at once. */
static void
write_renames(EffectLevel *level)
{
	SubTransactionId subid = GetCurrentSubTransactionId();
	Rename *rename;

	if (level->outer)
		write_renames(level->outer);
	rename = level->renames;
	while (rename)
	{
		const Rename *first = rename;
		Rename *end;
		int n = 0;
		char **from;
		char **to;

		if (rename->written != InvalidSubTransactionId)
		{
			rename = rename->next;
			continue;
		}
		for (end = rename; end && end->written == InvalidSubTransactionId && end->group == first->group &&
						   end->replaces == first->replaces && strcmp(end->flow, first->flow) == 0;
			 end = end->next)
			n++;
		from = palloc(n * sizeof(char *));
		to = palloc(n * sizeof(char *));
		for (n = 0; rename != end; rename = rename->next)
		{
			from[n] = rename->from;
			to[n++] = rename->to;
			rename->written = subid;
		}
		lr_state_rekey(first->flow, from, to, n, first->replaces);
		pfree(from);
		pfree(to);
	}
	/* no rollback but this level's own can undo these */
	if (level->subid == subid)
		level->renames = level->last_rename = NULL;
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
	write_said(level, true);

	/* runs of one flow, verdict and outcome, in the order of the keys, so that two sessions cannot deadlock */
	for (long i = 0; i < count;)
	{
		const Effect *first = effects[i];
		int run = 0;

		while (i < count && run < RUN_AT_MOST && strcmp(effects[i]->flow, first->flow) == 0 &&
			   effect_verdict(effects[i]) == effect_verdict(first) &&
			   strcmp(effects[i]->outcome, first->outcome) == 0)
			leads[run++] = unconstify(char *, effects[i++]->lead);
		if (effect_verdict(first) < 0)
		{
			lr_state_close(first->flow, leads, run, first->outcome);
			release_keys(level, effects + i - run, run);
		}
		else
			lr_state_restore(first->flow, leads, run);
	}
	succeed_gone(effects, count, leads);
	write_said(level, false);
}

/* Once it is known which duplicates are gone too; `leads` has room for all. */
static void
succeed_gone(Effect **effects, long count, char **leads)
{
	for (long i = 0; i < count;)
	{
		const Effect *first = effects[i];
		int run = 0;

		for (; i < count && run < RUN_AT_MOST && strcmp(effects[i]->flow, first->flow) == 0; i++)
			if (effect_verdict(effects[i]) < 0)
				leads[run++] = unconstify(char *, effects[i]->lead);
		if (run > 0)
			lr_linked_succeed(first->flow, leads, run);
	}
}

/*
 * What rows said of their leads, in runs of one flow and verdict: of those that are gone before they close as gone, of the
 * others once those that came back are restored.
 */
static void
write_said(EffectLevel *level, bool of_gone)
{
	long n = 0;
	Effect **effects;
	char **leads;
	Closing *closings;
	HASH_SEQ_STATUS status;
	Effect *effect;

	hash_seq_init(&status, level->effects);
	while ((effect = hash_seq_search(&status)) != NULL)
		n += effect->said && (effect_verdict(effect) < 0) == of_gone;
	if (n == 0)
		return;
	effects = MemoryContextAllocHuge(level->mcxt, n * sizeof(Effect *));
	leads = MemoryContextAllocHuge(level->mcxt, n * sizeof(char *));
	closings = MemoryContextAllocHuge(level->mcxt, n * sizeof(Closing));
	n = 0;
	hash_seq_init(&status, level->effects);
	while ((effect = hash_seq_search(&status)) != NULL)
		if (effect->said && (effect_verdict(effect) < 0) == of_gone)
			effects[n++] = effect;
	qsort(effects, n, sizeof(Effect *), compare_said);
	for (long i = 0; i < n;)
	{
		const Effect *first = effects[i];
		int run = 0;

		for (; i < n && run < RUN_AT_MOST && strcmp(effects[i]->flow, first->flow) == 0 &&
			   effects[i]->closing.verdict == first->closing.verdict && effects[i]->closing.by_stage == first->closing.by_stage;
			 i++, run++)
		{
			leads[run] = unconstify(char *, effects[i]->lead);
			closings[run] = effects[i]->closing;
		}
		lr_closings_write(first->flow, first->closing.verdict, leads, closings, run);
	}
}

static int
compare_said(const void *a, const void *b)
{
	const Effect *x = *(Effect *const *) a;
	const Effect *y = *(Effect *const *) b;
	int result = strcmp(x->flow, y->flow);

	if (result == 0)
		result = (int) x->closing.verdict - (int) y->closing.verdict;
	if (result == 0)
		result = (int) x->closing.by_stage - (int) y->closing.by_stage;
	return result != 0 ? result : strcmp(x->lead, y->lead);
}

/* The keys of closed leads of one flow are nobody's. */
static void
release_keys(EffectLevel *level, Effect **effects, int n)
{
	int count = 0;
	char **leads;
	char **kinds;
	char **keys;

	if (level->forgot)
	{
		leads = palloc(n * sizeof(char *));
		for (int i = 0; i < n; i++)
			leads[i] = unconstify(char *, effects[i]->lead);
		lr_state_release(effects[0]->flow, leads, NULL, NULL, n);
		pfree(leads);
		return;
	}
	for (int i = 0; i < n; i++)
		count += Max(effects[i]->nkeys, 0);
	if (count == 0)
		return;
	leads = palloc(count * sizeof(char *));
	kinds = palloc(count * sizeof(char *));
	keys = palloc(count * sizeof(char *));
	count = 0;
	for (int i = 0; i < n; i++)
		for (int k = 0; k < effects[i]->nkeys; k++)
		{
			leads[count] = unconstify(char *, effects[i]->lead);
			kinds[count] = unconstify(char *, effects[i]->keys[k].kind);
			keys[count++] = unconstify(char *, effects[i]->keys[k].key);
		}
	lr_state_release(effects[0]->flow, leads, kinds, keys, count);
	pfree(leads);
	pfree(kinds);
	pfree(keys);
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
	renames_written(subid, InvalidSubTransactionId);
}

/* What one subtransaction wrote is another's, or undone. */
static void
renames_written(SubTransactionId from, SubTransactionId to)
{
	for (EffectLevel *level = levels; level; level = level->outer)
		for (Rename *rename = level->renames; rename; rename = rename->next)
			if (rename->written == from)
				rename->written = to;
}

void
lr_effects_reparent(SubTransactionId subid, SubTransactionId parent)
{
	EffectLevel *level = levels;

	renames_written(subid, parent);
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

	into->forgot |= level->forgot;
	hash_seq_init(&status, level->effects);
	while ((effect = hash_seq_search(&status)) != NULL)
	{
		Effect *merged = effect_enter(into, effect->flow, effect->lead);

		if (effect->exact)
		{
			merged->exact = true;
			merged->marked = false;
			merged->net = effect->net;
			merged->partition = effect->partition;
		}
		else
			merged->net += effect->net;
		merged->outcome = effect->outcome;
		if (effect->nkeys >= 0)
			keep_keys(into, merged, effect->keys, effect->nkeys);
		if (effect->marked)
		{
			merged->marked = true;
			merged->deleted = effect->deleted;
		}
		if (effect->said)
			effect_say(into, merged, &effect->closing);
	}
	for (Rename *rename = level->renames; rename; rename = rename->next)
		if (rename->written == InvalidSubTransactionId)
			add_rename(into, rename);
}

bool
lr_effects_wait(void)
{
	return levels != NULL;
}

void
lr_effects_end(void)
{
	levels = NULL;
}
