/*
 * outcome.c
 *		What the decisions of one statement say, each once: most of a COPY's leads share theirs with thousands.
 *
 * Memory: an outcome and its texts live in the statement's context. Configurations that outcomes point into are pinned until the set
 * is unpinned.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "leadroute.h"
#include "outcome.h"
#include "reason.h"
#include "utils/memutils.h"

static int outcome_match(const void *a, const void *b, Size size);
static bool same_text(const char *a, const char *b);
static bool same_passed(const List *a, const List *b);
static Outcome *find_outcome(OutcomeSet *set, const Outcome *probe, MemoryContext mcxt, bool *found);
static uint32 outcome_hash(const void *key, Size size);

const Outcome *
lr_outcome_keep(OutcomeSet *set, const Decision *decision, MemoryContext mcxt)
{
	Outcome probe = {
		.config = decision->config,
		.status = decision->status,
		.code = decision->code,
		.rule = decision->rule,
		.owner = decision->owner,
		.team = decision->team,
		.territory = decision->territory,
		.queue = decision->queue,
		.over_cap = decision->over_cap,
		.segment = decision->segment,
		.intent = decision->intent,
		.how = decision->how,
		.passed = decision->passed,
	};
	Outcome *outcome;
	const Jsonb *path;
	bool found = false;
	MemoryContext oldcontext;

	if (set->first == NULL)
		set->first = outcome = MemoryContextAlloc(mcxt, sizeof(Outcome));
	else if (outcome_match(set->first, &probe, sizeof(Outcome)) == 0)
		return set->first;
	else
		outcome = find_outcome(set, &probe, mcxt, &found);
	if (found)
		return outcome;

	path = lr_route_path(decision);
	oldcontext = MemoryContextSwitchTo(mcxt);
	*outcome = probe;
	if (probe.owner)
		outcome->owner = pstrdup(probe.owner);
	if (probe.team)
		outcome->team = pstrdup(probe.team);
	if (probe.territory)
		outcome->territory = pstrdup(probe.territory);
	if (probe.queue)
		outcome->queue = pstrdup(probe.queue);
	if (probe.over_cap)
		outcome->over_cap = pstrdup(probe.over_cap);
	if (probe.segment)
		outcome->segment = pstrdup(probe.segment);
	if (probe.intent)
		outcome->intent = pstrdup(probe.intent);
	if (probe.passed)
	{
		ListCell *cell;

		outcome->path = memcpy(palloc(VARSIZE(path)), path, VARSIZE(path));
		outcome->passed = NIL;
		foreach(cell, decision->passed)
		{
			PassedRule *passed = palloc(sizeof(PassedRule));

			*passed = *(PassedRule *) lfirst(cell);
			passed->why = pstrdup(passed->why);
			outcome->passed = lappend(outcome->passed, passed);
		}
	}
	if (!list_member_ptr(set->pinned, decision->config))
	{
		lr_config_pin(decision->config);
		set->pinned = lappend(set->pinned, decision->config);
	}
	MemoryContextSwitchTo(oldcontext);
	return outcome;
}

static int
outcome_match(const void *a, const void *b, Size size)
{
	const Outcome *x = a;
	const Outcome *y = b;

	return !(x->config == y->config && x->rule == y->rule && same_text(x->code, y->code) &&
			 same_text(x->status, y->status) && same_text(x->owner, y->owner) && same_text(x->team, y->team) &&
			 same_text(x->territory, y->territory) && same_text(x->queue, y->queue) &&
			 same_text(x->over_cap, y->over_cap) && same_text(x->how, y->how) && same_passed(x->passed, y->passed) &&
			 same_text(x->segment, y->segment) && same_text(x->intent, y->intent));
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool
same_passed(const List *a, const List *b)
{
	if (list_length(a) != list_length(b))
		return false;
	for (int i = 0; i < list_length(a); i++)
	{
		const PassedRule *x = list_nth(a, i);
		const PassedRule *y = list_nth(b, i);

		if (x->rule != y->rule || strcmp(x->why, y->why) != 0)
			return false;
	}
	return true;
}

static Outcome *
find_outcome(OutcomeSet *set, const Outcome *probe, MemoryContext mcxt, bool *found)
{
	if (set->others == NULL)
	{
		HASHCTL ctl = {.keysize = sizeof(Outcome), .entrysize = sizeof(Outcome), .hash = outcome_hash, .match = outcome_match, .hcxt = mcxt};

		set->others = hash_create("leadroute outcomes", 64, &ctl,
								  HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
	}
	return hash_search(set->others, probe, HASH_ENTER, found);
}

static uint32
outcome_hash(const void *key, Size size)
{
	const Outcome *outcome = key;
	uint32 hash = hash_combine(outcome->rule ? (uint32) outcome->rule->position : 0, string_hash(outcome->code, 1024));

	if (outcome->owner)
		hash = hash_combine(hash, string_hash(outcome->owner, 1024));
	if (outcome->territory)
		hash = hash_combine(hash, string_hash(outcome->territory, 1024));
	return hash;
}

void
lr_outcomes_unpin(OutcomeSet *set)
{
	ListCell *cell;

	foreach(cell, set->pinned)
		lr_config_unpin(lfirst(cell));
}
