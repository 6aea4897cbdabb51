/*
 * expression.h
 *		Analysed expressions as bytes that another session of the same server reads.
 */
#ifndef LR_EXPRESSION_H
#define LR_EXPRESSION_H

#include "lib/stringinfo.h"
#include "nodes/primnodes.h"

/* Appends the expression. False where it holds a node that is not known here; what was appended until then means nothing. */
extern bool lr_expression_put(StringInfo image, const Expr *expr);

/* A copy in the current memory context. */
extern Expr *lr_expression_get(const char *image);

#endif /* LR_EXPRESSION_H */
