/*
 * match.h
 *		The keys by which a lead's row says who it is.
 */
#ifndef LR_MATCH_H
#define LR_MATCH_H

#include "profile.h"

typedef struct MatchKey
{
	const char *kind; /* the configuration's */
	const char *key;
} MatchKey;

/*
 * The keys of a row by the rules of its flow that act, in their order. Returns how many; the array and the keys are in
 * the current context. A rule of which a value is missing makes no key.
 */
extern int lr_match_keys(LeadProfile *profile, MatchKey **keys);

/* The same for a row and its flow. */
extern int lr_match_row(const LeadShape *shape, const FlowConfig *config, TupleTableSlot *slot, MatchKey **keys);

/* Whether two lists, of lr_match_keys, say the same. */
extern bool lr_match_equal(const MatchKey *a, int na, const MatchKey *b, int nb);
extern bool lr_match_contains(const MatchKey *keys, int n, const MatchKey *key);

#endif /* LR_MATCH_H */
