/*
 * piece.h
 *		Which rules a text may meet that ask for pieces of it: title LIKE '%chief%'.
 */
#ifndef LR_PIECE_H
#define LR_PIECE_H

#include "condition_test.h"
#include "nodes/execnodes.h"

typedef struct PieceIndex PieceIndex;

/* Of one expression, which is copied, in mcxt; for up to that many rules. Errors: those of lr_condition_part(). */
extern PieceIndex *lr_pieces_make(const Expr *expr, int nrules, MemoryContext mcxt);
extern bool lr_pieces_are_of(const PieceIndex *index, const Expr *expr);

/* From now on the rule is met only by texts that hold one of its pieces. */
extern void lr_pieces_add(PieceIndex *index, int rule, const List *pieces);

/* Sets *passes, a bit a rule in words of 64, to the rules that the row may meet. Never fails. */
extern void lr_pieces_find(PieceIndex *index, TupleTableSlot *row, uint64 *passes);

#endif /* LR_PIECE_H */
