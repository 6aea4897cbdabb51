/*
 * ruleset.h
 *		The rules of a plan: their conditions, compiled when first reached, and an index that tells without
 *		evaluating them which cannot hold.
 */
#ifndef LR_RULESET_H
#define LR_RULESET_H

#include "condition.h"
#include "outline.h"

typedef struct RuleSet RuleSet;

/*
 * Rules by their conditions, of which each may be NULL, over rows of a scope; the texts, the scope and the outlines, which may be NULL, must
 * outlive the set, which lies in mcxt, as a copy of the array does.
 */
extern RuleSet *lr_ruleset_make(const char *const *conditions, int n, const LrConditionScope *scope, const Outlines *outlines, MemoryContext mcxt);

/* A new row: what the index says of the row before is forgotten. */
extern void lr_ruleset_start(RuleSet *set);

/*
 * Whether the row in the slot fails a test, of equality or LIKE, that the rule's condition cannot hold without. Never fails; a
 * condition that has no outline and is not compiled yet is never excluded, nor by LIKE one that is not compiled.
 */
extern bool lr_ruleset_excludes(RuleSet *set, int rule, TupleTableSlot *row);

/* The first rule from this one on, or n, that the row is not known to fail: that many of lr_ruleset_excludes() in one. */
extern int lr_ruleset_next(RuleSet *set, int rule, TupleTableSlot *row);

/* A rule's condition: NULL where it has none or is not compiled yet. */
extern LrCondition *lr_ruleset_condition(const RuleSet *set, int rule);

/* The same, compiled now where it is not. Errors: those of lr_condition_compile, each time. */
extern LrCondition *lr_ruleset_compile(RuleSet *set, int rule);

#endif /* LR_RULESET_H */
