/*
 * lead_hash.h
 *		Hash tables whose entries belong to leads, by flow and key.
 */
#ifndef LR_LEAD_HASH_H
#define LR_LEAD_HASH_H

#include "utils/hsearch.h"

/* An entry's struct begins with these two; a look-up passes one of them, or a whole entry. */
typedef struct LeadKey
{
	const char *flow;
	const char *lead;
} LeadKey;

/* An empty table in a context of its own below mcxt, with which it goes. The strings of an entry are its maker's. */
extern HTAB *lr_lead_hash_create(const char *name, long entries, Size entrysize, MemoryContext mcxt);

#endif /* LR_LEAD_HASH_H */
