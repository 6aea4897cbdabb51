/*
 * lead_hash.c
 *		Hash tables whose entries belong to leads, by flow and key.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "lead_hash.h"

static uint32 lead_hash(const void *key, Size size);
static int lead_match(const void *a, const void *b, Size size);

HTAB *
lr_lead_hash_create(const char *name, long entries, Size entrysize, MemoryContext mcxt)
{
	HASHCTL ctl = {.keysize = sizeof(LeadKey), .entrysize = entrysize, .hash = lead_hash, .match = lead_match, .hcxt = mcxt};

	return hash_create(name, entries, &ctl, HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
}

static uint32
lead_hash(const void *key, Size size)
{
	const LeadKey *lead = key;

	return hash_combine(string_hash(lead->lead, 1024), string_hash(lead->flow, 1024));
}

static int
lead_match(const void *a, const void *b, Size size)
{
	const LeadKey *x = a;
	const LeadKey *y = b;

	return strcmp(x->lead, y->lead) != 0 || strcmp(x->flow, y->flow) != 0;
}
