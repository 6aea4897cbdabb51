/*
 * ruleset.c
 *		The rules of a plan, indexed by the equality tests that they share.
 *
 * Most conditions demand that some column equal a constant or one of a list: country = 'US', industry IN (…). All
 * tests of one column by one operator make a switch: a hash table from constants to the rules that want them. One
 * look-up a switch then excludes every rule that wants another value, however many there are, and none of those is
 * evaluated. What a switch does not know is never excluded, so rules enter it when they are compiled, not before.
 *
 * Only operators and hash functions that are leakproof are used: an index that may fail would need protection.
 * Memory: everything lies in the plan's context and goes with it.
 */
#include "postgres.h"

#include "nodes/nodeFuncs.h"
#include "ruleset.h"
#include "utils/array.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#define WORD_BITS 64
#define WORDS(n) (((n) + WORD_BITS - 1) / WORD_BITS)

/* A constant of a switch and the rules that want it. */
typedef struct Wanted
{
	struct Wanted *next; /* of the same hash */
	Datum value;
	int nrules;
	int room;
	int *rules;
} Wanted;

typedef struct Bucket
{
	uint32 hash;
	Wanted *first;
	char status;
} Bucket;

#define SH_PREFIX bucket
#define SH_ELEMENT_TYPE Bucket
#define SH_KEY_TYPE uint32
#define SH_KEY hash
#define SH_HASH_KEY(table, key) (key)
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DEFINE
#define SH_DECLARE
#include "lib/simplehash.h"

/* The tests of one column by one operator. */
typedef struct Switch
{
	struct Switch *next;
	AttrNumber attno;
	Oid operator;
	Oid collation;
	FmgrInfo equal;
	FmgrInfo hash_column;
	FmgrInfo hash_constant;
	bool by_value; /* the constants */
	int16 length;
	uint64 *untested; /* the rules that do without this switch */
	bucket_hash *wanted;
} Switch;

struct RuleSet
{
	MemoryContext mcxt;
	int nrules;
	const char **texts;
	const LrConditionScope *scope;
	LrCondition **conditions; /* one a rule */
	Switch *switches;
	uint64 *possible; /* a bit a rule: what is left for the row */
	uint64 *passes;	  /* room for what one switch lets pass */
	bool looked;	  /* possible has been made for the row */
};

/* An equality test in a condition: the column must equal one of the values. */
typedef struct Test
{
	AttrNumber attno;
	Oid operator;
	Oid collation;
	Oid type;	  /* of the values */
	List *values; /* of Datum, as pointers to them; none: it can never hold */
} Test;

static void look(RuleSet *set, TupleTableSlot *row);
static void add_wanted(RuleSet *set, Switch *sw, Datum value);
static void enter_rule(RuleSet *set, int rule, const Test *test);
static Switch *switch_of(RuleSet *set, const Test *test);
static void want(RuleSet *set, Switch *sw, Datum value, int rule);
static List *tests_of(const Expr *expr);
static Test *equality(Oid operator, Oid collation, const Expr *left, const Expr *right, bool any_of);
static Datum *one_value(Datum value);
static List *elements(Datum array, Oid type);
static List *either(List *tests, List *others);
static Test *same_test(List *tests, const Test *like);

RuleSet *
lr_ruleset_make(const char *const *conditions, int n, const LrConditionScope *scope, MemoryContext mcxt)
{
	RuleSet *set = MemoryContextAllocZero(mcxt, sizeof(RuleSet));

	set->mcxt = mcxt;
	set->nrules = n;
	set->texts = MemoryContextAlloc(mcxt, Max(n, 1) * sizeof(char *));
	memcpy(set->texts, conditions, n * sizeof(char *));
	set->scope = scope;
	set->conditions = MemoryContextAllocZero(mcxt, Max(n, 1) * sizeof(LrCondition *));
	set->possible = MemoryContextAllocZero(mcxt, Max(WORDS(n), 1) * sizeof(uint64));
	return set;
}

void
lr_ruleset_start(RuleSet *set)
{
	set->looked = false;
}

bool
lr_ruleset_excludes(RuleSet *set, int rule, TupleTableSlot *row)
{
	if (set->switches == NULL)
		return false;
	if (!set->looked)
		look(set, row);
	return (set->possible[rule / WORD_BITS] & UINT64CONST(1) << rule % WORD_BITS) == 0;
}

/* Asks each switch once; a NULL equals nothing. */
static void
look(RuleSet *set, TupleTableSlot *row)
{
	int nwords = WORDS(set->nrules);

	memset(set->possible, 0xFF, nwords * sizeof(uint64));
	for (Switch *sw = set->switches; sw; sw = sw->next)
	{
		bool isnull;
		Datum value = slot_getattr(row, sw->attno, &isnull);

		memcpy(set->passes, sw->untested, nwords * sizeof(uint64));
		if (!isnull)
			add_wanted(set, sw, value);
		for (int word = 0; word < nwords; word++)
			set->possible[word] &= set->passes[word];
	}
	set->looked = true;
}

/* Constants that differ as bytes may both equal the value: 1.0 and 1.00. */
static void
add_wanted(RuleSet *set, Switch *sw, Datum value)
{
	uint32 hash = DatumGetUInt32(FunctionCall1Coll(&sw->hash_column, sw->collation, value));
	Bucket *bucket = bucket_lookup(sw->wanted, hash);

	for (Wanted *wanted = bucket ? bucket->first : NULL; wanted; wanted = wanted->next)
	{
		if (!DatumGetBool(FunctionCall2Coll(&sw->equal, sw->collation, value, wanted->value)))
			continue;
		for (int i = 0; i < wanted->nrules; i++)
			set->passes[wanted->rules[i] / WORD_BITS] |= UINT64CONST(1) << wanted->rules[i] % WORD_BITS;
	}
}

LrCondition *
lr_ruleset_condition(const RuleSet *set, int rule)
{
	return set->conditions[rule];
}

LrCondition *
lr_ruleset_compile(RuleSet *set, int rule)
{
	LrCondition *condition = set->conditions[rule];
	ListCell *cell;

	if (condition)
		return condition;
	condition = lr_condition_compile(set->texts[rule], set->scope, set->mcxt);
	foreach(cell, tests_of(lr_condition_expr(condition)))
		enter_rule(set, rule, lfirst(cell));
	set->conditions[rule] = condition;
	return condition;
}

/* First what it wants, then that it is tested: half of this, where memory runs out, excludes nothing wrongly. */
static void
enter_rule(RuleSet *set, int rule, const Test *test)
{
	Switch *sw = switch_of(set, test);
	ListCell *cell;

	foreach(cell, test->values)
		want(set, sw, *(Datum *) lfirst(cell), rule);
	sw->untested[rule / WORD_BITS] &= ~(UINT64CONST(1) << rule % WORD_BITS);
}

static Switch *
switch_of(RuleSet *set, const Test *test)
{
	MemoryContext oldcontext;
	Switch *sw;
	RegProcedure hash_column;
	RegProcedure hash_constant;
	int nwords = Max(WORDS(set->nrules), 1);

	for (sw = set->switches; sw; sw = sw->next)
		if (sw->attno == test->attno && sw->operator== test->operator&& sw->collation == test->collation)
			return sw;

	oldcontext = MemoryContextSwitchTo(set->mcxt);
	sw = palloc0(sizeof(Switch));
	sw->attno = test->attno;
	sw->operator= test->operator;
	sw->collation = test->collation;
	if (!get_op_hash_functions(test->operator, & hash_column, &hash_constant))
		elog(ERROR, "operator %u has no hash functions", test->operator);
	fmgr_info_cxt(get_opcode(test->operator), &sw->equal, set->mcxt);
	fmgr_info_cxt(hash_column, &sw->hash_column, set->mcxt);
	fmgr_info_cxt(hash_constant, &sw->hash_constant, set->mcxt);
	get_typlenbyval(test->type, &sw->length, &sw->by_value);
	sw->untested = palloc(nwords * sizeof(uint64));
	memset(sw->untested, 0xFF, nwords * sizeof(uint64));
	if (set->passes == NULL)
		set->passes = palloc(nwords * sizeof(uint64));
	sw->wanted = bucket_create(set->mcxt, 16, NULL);
	MemoryContextSwitchTo(oldcontext);

	sw->next = set->switches;
	set->switches = sw;
	return sw;
}

static void
want(RuleSet *set, Switch *sw, Datum value, int rule)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(set->mcxt);
	uint32 hash = DatumGetUInt32(FunctionCall1Coll(&sw->hash_constant, sw->collation, value));
	Wanted *wanted;
	Bucket *bucket;
	bool found;

	bucket = bucket_insert(sw->wanted, hash, &found);
	if (!found)
		bucket->first = NULL;
	for (wanted = bucket->first; wanted; wanted = wanted->next)
		if (datum_image_eq(value, wanted->value, sw->by_value, sw->length))
			break;
	if (wanted == NULL)
	{
		wanted = palloc0(sizeof(Wanted));
		wanted->value = datumCopy(value, sw->by_value, sw->length);
		wanted->room = 4;
		wanted->rules = palloc(wanted->room * sizeof(int));
		wanted->next = bucket->first;
		bucket->first = wanted;
	}
	if (wanted->nrules == wanted->room)
	{
		wanted->rules = repalloc(wanted->rules, 2 * wanted->room * sizeof(int));
		wanted->room *= 2;
	}
	wanted->rules[wanted->nrules++] = rule;
	MemoryContextSwitchTo(oldcontext);
}

/* The tests without which an expression is never true; a list of Test, in the current context. */
static List *
tests_of(const Expr *expr)
{
	ListCell *cell;
	List *tests = NIL;

	if (IsA(expr, OpExpr))
	{
		const OpExpr *op = (const OpExpr *) expr;
		Test *test = NULL;

		if (list_length(op->args) == 2)
			test = equality(op->opno, op->inputcollid, linitial(op->args), lsecond(op->args), false);
		return test ? list_make1(test) : NIL;
	}
	if (IsA(expr, ScalarArrayOpExpr))
	{
		const ScalarArrayOpExpr *op = (const ScalarArrayOpExpr *) expr;
		Test *test = NULL;

		if (op->useOr)
			test = equality(op->opno, op->inputcollid, linitial(op->args), lsecond(op->args), true);
		return test ? list_make1(test) : NIL;
	}
	if (!IsA(expr, BoolExpr) || ((const BoolExpr *) expr)->boolop == NOT_EXPR)
		return NIL;
	foreach(cell, ((const BoolExpr *) expr)->args)
	{
		List *its = tests_of(lfirst(cell));

		if (((const BoolExpr *) expr)->boolop == AND_EXPR)
			tests = list_concat(tests, its);
		else
			tests = cell == list_head(((const BoolExpr *) expr)->args) ? its : either(tests, its);
	}
	return tests;
}

/* "column = constant" or "column = ANY (constant array)", either side first where the operator has a commutator; or NULL. */
static Test *
equality(Oid operator, Oid collation, const Expr *left, const Expr *right, bool any_of)
{
	RegProcedure hashes[2];
	const Const *constant;
	const Expr *column = left;
	Test *test;

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
	if (!op_hashjoinable(operator, exprType((const Node *) column)) || !get_op_hash_functions(operator, & hashes[0], &hashes[1]) ||
		!get_func_leakproof(get_opcode(operator)))
		return NULL;
	/* texts that differ as bytes may be equal under such a collation, and hash alike only with care */
	if (OidIsValid(collation) && !get_collation_isdeterministic(collation))
		return NULL;

	constant = (const Const *) right;
	test = palloc0(sizeof(Test));
	test->attno = ((const Var *) column)->varattno;
	test->operator= operator;
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
		Test *test = lfirst(cell);
		Test *other = same_test(others, test);

		if (other == NULL)
			continue;
		test->values = list_concat(test->values, other->values);
		both = lappend(both, test);
	}
	return both;
}

static Test *
same_test(List *tests, const Test *like)
{
	ListCell *cell;

	foreach(cell, tests)
	{
		Test *test = lfirst(cell);

		if (test->attno == like->attno && test->operator== like->operator&& test->collation == like->collation &&
										  test->type == like->type)
			return test;
	}
	return NULL;
}
