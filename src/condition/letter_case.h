/*
 * letter_case.h
 *		lower() and upper() in conditions, at the cost of the letters.
 */
#ifndef LR_LETTER_CASE_H
#define LR_LETTER_CASE_H

#include "nodes/nodes.h"

/*
 * An expression with core's lower(text) and upper(text) replaced by functions of ours that say the same, where the collation allows
 * it. The rest is copied into the current context. Reads the catalogs; locks nothing.
 */
extern Node *lr_letter_case(Node *expr);

#endif /* LR_LETTER_CASE_H */
