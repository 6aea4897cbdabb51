/*
 * outcome.h
 *		What the decisions of one statement say, each once.
 */
#ifndef LR_OUTCOME_H
#define LR_OUTCOME_H

#include "nodes/pg_list.h"
#include "route.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"

/* What many leads of a statement share. */
typedef struct Outcome
{
	FlowConfig *config;
	const char *status;
	const char *code;
	const RuleConfig *rule;
	const char *owner;
	const char *team;
	const char *territory;
	const char *queue;
	const char *over_cap;
	const char *segment;
	const char *intent;
	const char *how;   /* a literal */
	List *passed;	   /* of PassedRule */
	const Jsonb *path; /* of these: lr_route_path() */
} Outcome;

/* All zero when it is empty. */
typedef struct OutcomeSet
{
	Outcome *first; /* most statements have no other */
	HTAB *others;	/* or NULL */
	List *pinned;	/* of FlowConfig */
} OutcomeSet;

/* That of a decision, which is added where it is the first such, with copies of its texts in mcxt; its configuration is pinned. */
extern const Outcome *lr_outcome_keep(OutcomeSet *set, const Decision *decision, MemoryContext mcxt);

/* The set's memory goes next. */
extern void lr_outcomes_unpin(OutcomeSet *set);

#endif /* LR_OUTCOME_H */
