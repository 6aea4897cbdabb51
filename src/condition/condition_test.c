/*
 * condition_test.c
 *		The tests that a condition demands, of equality and of what a text holds: what its index and its outline are made of.
 *
 * Pure in the expression; what is returned lies in the current memory context, the constants in the expression.
 */
#include "postgres.h"

#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "condition.h"
#include "condition_check.h"
#include "condition_test.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

static ConditionTest *equality(Oid operator, Oid collation, const Expr *left, const Expr *right, bool any_of);
static Datum *one_value(Datum value);
static List *elements(Datum array, Oid type);
static List *either(List *tests, List *others);
static ConditionTest *same_test(List *tests, const ConditionTest *like);
static List *like_pieces(Oid operator, const Expr * text, const Expr *pattern, bool any_of);
static char *longest_piece(Datum pattern);
static List *either_pieces(List *tests, List *others);

List *
lr_condition_tests(const Expr *expr)
{
	ListCell *cell;
	List *tests = NIL;

	if (IsA(expr, OpExpr))
	{
		const OpExpr *op = (const OpExpr *) expr;
		ConditionTest *test = NULL;

		if (list_length(op->args) == 2)
			test = equality(op->opno, op->inputcollid, linitial(op->args), lsecond(op->args), false);
		return test ? list_make1(test) : NIL;
	}
	if (IsA(expr, ScalarArrayOpExpr))
	{
		const ScalarArrayOpExpr *op = (const ScalarArrayOpExpr *) expr;
		ConditionTest *test = NULL;

		if (op->useOr)
			test = equality(op->opno, op->inputcollid, linitial(op->args), lsecond(op->args), true);
		return test ? list_make1(test) : NIL;
	}
	if (!IsA(expr, BoolExpr) || ((const BoolExpr *) expr)->boolop == NOT_EXPR)
		return NIL;
	foreach(cell, ((const BoolExpr *) expr)->args)
	{
		List *its = lr_condition_tests(lfirst(cell));

		if (((const BoolExpr *) expr)->boolop == AND_EXPR)
			tests = list_concat(tests, its);
		else
			tests = cell == list_head(((const BoolExpr *) expr)->args) ? its : either(tests, its);
	}
	return tests;
}

/* "column = constant" or "column = ANY (constant array)", either side first where the operator has a commutator; or NULL. */
static ConditionTest *
equality(Oid operator, Oid collation, const Expr *left, const Expr *right, bool any_of)
{
	RegProcedure function;
	RegProcedure hashes[2];
	const Const *constant;
	const Expr *column = left;
	ConditionTest *test;

	if (IsA(left, Const) && !any_of)
	{
		column = right;
		right = left;
		operator= get_commutator(operator);
	}
	while (IsA(column, RelabelType))
		column = ((const RelabelType *) column)->arg;
	if (!OidIsValid(operator) || !IsA(column, Var) || ((const Var *) column)->varno != OUTER_VAR || !IsA(right, Const))
		return NULL;
	function = get_opcode(operator);
	if (!op_hashjoinable(operator, exprType((const Node *) column)) || !get_op_hash_functions(operator, & hashes[0], &hashes[1]) ||
		!get_func_leakproof(function))
		return NULL;
	/* texts that differ as bytes may be equal under such a collation, and hash alike only with care */
	if (OidIsValid(collation) && !get_collation_isdeterministic(collation))
		return NULL;

	constant = (const Const *) right;
	test = palloc0(sizeof(ConditionTest));
	test->attno = ((const Var *) column)->varattno;
	test->operator= operator;
	test->function = function;
	test->hashes[0] = hashes[0];
	test->hashes[1] = hashes[1];
	test->collation = collation;
	test->type = any_of ? get_element_type(constant->consttype) : constant->consttype;
	if (any_of && !OidIsValid(test->type))
		return NULL;
	if (!constant->constisnull)
		test->values = any_of ? elements(constant->constvalue, test->type) : list_make1(one_value(constant->constvalue));
	return test;
}

static Datum *
one_value(Datum value)
{
	Datum *copy = palloc(sizeof(Datum));

	*copy = value;
	return copy;
}

static List *
elements(Datum array, Oid type)
{
	List *values = NIL;
	Datum *datums;
	bool *nulls;
	int n;
	int16 length;
	bool by_value;
	char align;

	get_typlenbyvalalign(type, &length, &by_value, &align);
	deconstruct_array(DatumGetArrayTypeP(array), type, length, by_value, align, &datums, &nulls, &n);
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			values = lappend(values, one_value(datums[i]));
	return values;
}

/* What holds whichever of two arms does: the tests that both have, of the values of either. */
static List *
either(List *tests, List *others)
{
	List *both = NIL;
	ListCell *cell;

	foreach(cell, tests)
	{
		ConditionTest *test = lfirst(cell);
		ConditionTest *other = same_test(others, test);

		if (other == NULL)
			continue;
		test->values = list_concat(test->values, other->values);
		both = lappend(both, test);
	}
	return both;
}

static ConditionTest *
same_test(List *tests, const ConditionTest *like)
{
	ListCell *cell;

	foreach(cell, tests)
	{
		ConditionTest *test = lfirst(cell);

		if (test->attno == like->attno && test->operator== like->operator&& test->collation == like->collation &&
										  test->type == like->type)
			return test;
	}
	return NULL;
}

List *
lr_condition_pieces(const Expr *expr)
{
	ListCell *cell;
	List *tests = NIL;

	if (IsA(expr, OpExpr) && list_length(((const OpExpr *) expr)->args) == 2)
		return like_pieces(((const OpExpr *) expr)->opno, linitial(((const OpExpr *) expr)->args), lsecond(((const OpExpr *) expr)->args), false);
	if (IsA(expr, ScalarArrayOpExpr) && ((const ScalarArrayOpExpr *) expr)->useOr)
		return like_pieces(((const ScalarArrayOpExpr *) expr)->opno, linitial(((const ScalarArrayOpExpr *) expr)->args), lsecond(((const ScalarArrayOpExpr *) expr)->args), true);
	if (!IsA(expr, BoolExpr) || ((const BoolExpr *) expr)->boolop == NOT_EXPR)
		return NIL;
	foreach(cell, ((const BoolExpr *) expr)->args)
	{
		List *its = lr_condition_pieces(lfirst(cell));

		if (((const BoolExpr *) expr)->boolop == AND_EXPR)
			tests = list_concat(tests, its);
		else
			tests = cell == list_head(((const BoolExpr *) expr)->args) ? its : either_pieces(tests, its);
	}
	return tests;
}

/*
 * What "text LIKE pattern", or LIKE ANY of constant patterns, demands of the text. What takes any row compares byte by byte: the collation is the C library's,
 * and so deterministic.
 */
static List *
like_pieces(Oid operator, const Expr * text, const Expr *pattern, bool any_of)
{
	ConditionPieces *test;
	const Const *constant;
	List *patterns;
	ListCell *cell;

	if (operator!= OID_TEXT_LIKE_OP || !IsA(pattern, Const) || !lr_condition_takes_any_row((Node *) text) || contain_volatile_functions((Node *) text) ||
		!bms_is_empty(lr_condition_attributes(text, INNER_VAR)))
		return NIL;
	constant = (const Const *) pattern;
	test = palloc0(sizeof(ConditionPieces));
	test->expr = (Expr *) unconstify(Expr *, text);
	if (constant->constisnull)
		return list_make1(test);
	patterns = any_of ? elements(constant->constvalue, TEXTOID) : list_make1(one_value(constant->constvalue));
	foreach(cell, patterns)
	{
		char *piece = longest_piece(*(Datum *) lfirst(cell));

		/* any text may match, or fail */
		if (*piece == '\0')
			return NIL;
		test->pieces = lappend(test->pieces, piece);
	}
	return list_make1(test);
}

/* The longest run of characters that stand for themselves; empty where there is none, or the pattern is none. */
static char *
longest_piece(Datum pattern)
{
	char *string = TextDatumGetCString(pattern);
	char *piece = palloc(strlen(string) + 1);
	char *longest = pstrdup("");
	int len = 0;

	for (const char *at = string;; at++)
	{
		if (*at != '\0' && *at != '%' && *at != '_')
		{
			/* LIKE fails where a text brings it here */
			if (*at == '\\' && *++at == '\0')
				return pstrdup("");
			piece[len++] = *at;
			continue;
		}
		piece[len] = '\0';
		if (len > (int) strlen(longest))
			longest = pstrdup(piece);
		len = 0;
		if (*at == '\0')
			return longest;
	}
}

/* As either() for tests: those of one expression, with the pieces of either arm. */
static List *
either_pieces(List *tests, List *others)
{
	List *both = NIL;
	ListCell *cell;
	ListCell *other;

	foreach(cell, tests)
	{
		ConditionPieces *test = lfirst(cell);

		foreach(other, others)
		{
			if (!equal(test->expr, ((ConditionPieces *) lfirst(other))->expr))
				continue;
			test->pieces = list_concat(test->pieces, ((ConditionPieces *) lfirst(other))->pieces);
			both = lappend(both, test);
			break;
		}
	}
	return both;
}
