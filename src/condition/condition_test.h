/*
 * condition_test.h
 *		The tests that a condition demands: of equality, and of what a text holds.
 */
#ifndef LR_CONDITION_TEST_H
#define LR_CONDITION_TEST_H

#include "access/attnum.h"
#include "nodes/pg_list.h"
#include "nodes/primnodes.h"

/* The row's column must equal one of the values. Operator and its hash functions are leakproof, the collation is deterministic. */
typedef struct ConditionTest
{
	AttrNumber attno;
	Oid operator;
	RegProcedure function;	/* the operator's */
	RegProcedure hashes[2]; /* of the column's type and of the values' */
	Oid collation;
	Oid type;	  /* of the values */
	List *values; /* of Datum, as pointers to them; none: it can never hold */
} ConditionTest;

/* The text that the expression gives must hold one of the pieces, byte for byte. It reads the row alone, takes any row, and gives the same whenever asked. */
typedef struct ConditionPieces
{
	Expr *expr;
	List *pieces; /* of C strings, none of them empty; none: it can never hold */
} ConditionPieces;

/* The tests without which an analysed expression is never true; a list of ConditionTest, in the current context. */
extern List *lr_condition_tests(const Expr *expr);

/* Likewise what LIKE demands; a list of ConditionPieces. */
extern List *lr_condition_pieces(const Expr *expr);

#endif /* LR_CONDITION_TEST_H */
