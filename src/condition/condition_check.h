/*
 * condition_check.h
 *		What a condition may call: internal to condition.c and condition_check.c.
 */
#ifndef LR_CONDITION_CHECK_H
#define LR_CONDITION_CHECK_H

#include "nodes/primnodes.h"
#include "parser/parse_node.h"

/* Whose objects a condition may use. */
typedef struct LrConditionTrust
{
	List *extensions;  /* OIDs: leadroute and those that the setting names, where installed */
	char *search_path; /* the path under which names resolve */
} LrConditionTrust;

/* Read the setting and the installed extensions; in the current memory context. */
extern LrConditionTrust *lr_condition_trust(void);

/*
 * Throw for everything in an analysed expression that a condition must not
 * contain. Nothing of the expression has been evaluated before: the caller
 * folds constants only after this returned.
 */
extern void lr_condition_check_expr(Node *expr, ParseState *pstate, LrConditionTrust *trust);

/*
 * Throw if working with values of the type (its input function among others)
 * could run what a condition must not call. location is a byte offset or -1.
 */
extern void lr_condition_check_type(Oid type, int location, ParseState *pstate, LrConditionTrust *trust);

/* True if no value of its inputs can make the expression fail. */
extern bool lr_condition_takes_any_row(Node *expr);

#endif /* LR_CONDITION_CHECK_H */
