/*
 * condition_test.h
 *		The equality tests that a condition demands.
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
	Oid collation;
	Oid type;	  /* of the values */
	List *values; /* of Datum, as pointers to them; none: it can never hold */
} ConditionTest;

/* The tests without which an analysed expression is never true; a list of ConditionTest, in the current context. */
extern List *lr_condition_tests(const Expr *expr);

#endif /* LR_CONDITION_TEST_H */
