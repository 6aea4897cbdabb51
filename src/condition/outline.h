/*
 * outline.h
 *		What is known of conditions without compiling them.
 */
#ifndef LR_OUTLINE_H
#define LR_OUTLINE_H

#include "condition.h"
#include "condition_test.h"
#include "lead.h"
#include "nodes/bitmapset.h"

typedef struct Outlines Outlines;

/* Of a condition that gives a boolean; owned by the outlines. */
typedef struct Outline
{
	Bitmapset *columns; /* attribute numbers of the row, and of facts, that it reads */
	Bitmapset *facts;
	List *tests; /* of ConditionTest: some that it cannot hold without */
	Size at;	 /* where its expression stands in the image of expressions, and how long it is; 0: nowhere */
	Size size;
} Outline;

/*
 * The outlines of all the flow's conditions over rows of the shape, from shared memory or made for it; they live as long as the shape and the
 * configuration. NULL where nothing is shared. Conditions that do not compile have none.
 */
extern const Outlines *lr_outlines(LeadShape *shape, FlowConfig *config);

/* NULL where it has none, or outlines is NULL. */
extern const Outline *lr_outline(const Outlines *outlines, const char *condition);

/* lr_condition_compile(), from what another session has analysed where there is that. Outlines may be NULL, else they are those of the scope's rows. */
extern LrCondition *lr_outline_compile(const Outlines *outlines, const char *condition, const LrConditionScope *scope, MemoryContext mcxt);

#endif /* LR_OUTLINE_H */
