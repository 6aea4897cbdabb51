/*
 * outline.h
 *		What is known of conditions without compiling them.
 */
#ifndef LR_OUTLINE_H
#define LR_OUTLINE_H

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
} Outline;

/*
 * The outlines of all the flow's conditions over rows of the shape, from shared memory or made for it; they live as long as the shape and the
 * configuration. NULL where nothing is shared. Conditions that do not compile have none.
 */
extern const Outlines *lr_outlines(LeadShape *shape, FlowConfig *config);

/* NULL where it has none, or outlines is NULL. */
extern const Outline *lr_outline(const Outlines *outlines, const char *condition);

#endif /* LR_OUTLINE_H */
