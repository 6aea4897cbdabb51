/*
 * rekey.c
 *		The keys of leads that a statement's rows change.
 *
 * They are noted here before the rows are written, so that all of them can be told at once (effect.c) where a user's trigger runs a
 * statement within it, and so that a row which leaves its partition is known where it arrives.
 *
 * Memory: the statement's (pending.c), which forgets its list before that goes.
 */
#include "postgres.h"

#include "effect.h"
#include "leadroute.h"
#include "pending.h"
#include "rekey.h"
#include "utils/memutils.h"

static RekeyList *lists = NULL; /* that have any, the newest statement first */
static int untold = 0;			/* of all lists */

static Rekey *find_in(RekeyList *list, const char *flow, const char *from, const char *to);

void
lr_rekeys_note(RekeyList *list, const char *flow, const char *from, const char *to, Oid relid, bool unique)
{
	static uint64 last_group = 0;
	Rekey *rekey;

	if (list->entries == NULL)
	{
		list->room = 16;
		list->entries = MemoryContextAlloc(list->mcxt, list->room * sizeof(Rekey));
		/* apart from command ids, which stand for statements that are not known */
		last_group += UINT64CONST(1) << 32;
		list->group = last_group;
	}
	else if (list->n == list->room)
	{
		list->entries = repalloc_huge(list->entries, 2 * (Size) list->room * sizeof(Rekey));
		list->room *= 2;
	}
	rekey = &list->entries[list->n];
	memset(rekey, 0, sizeof(Rekey));
	rekey->flow = MemoryContextStrdup(list->mcxt, flow);
	rekey->from = MemoryContextStrdup(list->mcxt, from);
	rekey->to = MemoryContextStrdup(list->mcxt, to);
	rekey->relid = relid;
	rekey->unique = unique;
	rekey->group = list->group;
	if (list->n == 0)
	{
		list->next = lists;
		lists = list;
	}
	list->n++;
	untold++;
}

Rekey *
lr_rekeys_arriving(const RekeyList *list, const char *flow, const char *lead, Oid relid)
{
	Rekey *rekey = list->n > 0 ? &list->entries[list->n - 1] : NULL;

	/* the INSERT of a row that moves follows its BEFORE UPDATE at once */
	if (rekey == NULL || rekey->arrives || rekey->told || rekey->relid == relid ||
		strcmp(rekey->to, lead) != 0 || strcmp(rekey->flow, flow) != 0)
		return NULL;
	return rekey;
}

Rekey *
lr_rekey_find(const char *flow, const char *from, const char *to)
{
	for (RekeyList *list = lists; list; list = list->next)
	{
		Rekey *rekey = find_in(list, flow, from, to);

		if (rekey)
		{
			list->stand = true;
			return rekey;
		}
	}
	return NULL;
}

static Rekey *
find_in(RekeyList *list, const char *flow, const char *from, const char *to)
{
	for (int i = 0; i < list->n; i++)
	{
		int at = (list->first + i) % list->n;
		Rekey *rekey = &list->entries[at];

		if ((from == NULL || strcmp(rekey->from, from) == 0) && (to == NULL || strcmp(rekey->to, to) == 0) &&
			strcmp(rekey->flow, flow) == 0)
		{
			list->first = at;
			return rekey;
		}
	}
	return NULL;
}

void
lr_rekeys_tell(void)
{
	if (untold == 0)
		return;
	for (RekeyList *list = lists; list; list = list->next)
	{
		if (!list->stand)
			continue;
		lr_statement_follow_rekeys(list->statement);
		for (int i = 0; i < list->n; i++)
			lr_rekey_tell(&list->entries[i]);
	}
}

void
lr_rekey_tell(Rekey *rekey)
{
	if (rekey->told)
		return;
	rekey->told = true;
	untold--;
	lr_effect_rename(rekey->flow, rekey->from, rekey->to, rekey->group, rekey->unique);
}

void
lr_rekeys_forget(RekeyList *list)
{
	RekeyList **link = &lists;

	if (list->n == 0)
		return;
	for (int i = 0; i < list->n; i++)
		untold -= !list->entries[i].told;
	list->n = 0;
	while (*link != list)
		link = &(*link)->next;
	*link = list->next;
}
