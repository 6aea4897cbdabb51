/*
 * ruleset.c
 *		The rules of a plan, indexed by the equality tests that they share.
 *
 * Most conditions demand that some column equal a constant or one of a list: country = 'US', industry IN (…). All
 * tests of one column by one operator make a switch: a hash table from constants to the rules that want them. One
 * look-up a switch then excludes every rule that wants another value, however many there are, and none of those is
 * evaluated. What LIKE demands of a text is looked up likewise (piece.c). What a switch does not know is never excluded: rules enter it with their outline (outline.c), where there is one, else when they are compiled.
 *
 * Only operators and hash functions that are leakproof are used: an index that may fail would need protection.
 * Memory: everything lies in the plan's context and goes with it.
 */
#include "postgres.h"

#include "condition_test.h"
#include "piece.h"
#include "port/pg_bitutils.h"
#include "ruleset.h"
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
	uint64 *bits; /* a bit a rule instead, where they are more than there are words; or NULL */
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
	const Outlines *outlines;
	LrCondition **conditions; /* one a rule */
	bool *entered;			  /* the same: its tests are in the switches */
	Switch *switches;
	List *pieces;	  /* of PieceIndex, one an expression */
	uint64 *possible; /* a bit a rule: what is left for the row */
	uint64 *passes;	  /* room for what one switch or expression lets pass */
	bool looked;	  /* possible has been made for the row */
};

static bool is_indexed(const RuleSet *set);
static void look(RuleSet *set, TupleTableSlot *row);
static void leave_passes(RuleSet *set);
static void add_wanted(RuleSet *set, Switch *sw, Datum value);
static void enter_tests(RuleSet *set, int rule, List *tests);
static void enter_rule(RuleSet *set, int rule, const ConditionTest *test);
static Switch *switch_of(RuleSet *set, const ConditionTest *test);
static void want(RuleSet *set, Switch *sw, Datum value, int rule);
static void want_rule(Wanted *wanted, int rule);
static void enter_pieces(RuleSet *set, int rule, List *tests);

RuleSet *
lr_ruleset_make(const char *const *conditions, int n, const LrConditionScope *scope, const Outlines *outlines, MemoryContext mcxt)
{
	RuleSet *set = MemoryContextAllocZero(mcxt, sizeof(RuleSet));

	set->mcxt = mcxt;
	set->nrules = n;
	set->texts = MemoryContextAlloc(mcxt, Max(n, 1) * sizeof(char *));
	memcpy(set->texts, conditions, n * sizeof(char *));
	set->scope = scope;
	set->outlines = outlines;
	set->conditions = MemoryContextAllocZero(mcxt, Max(n, 1) * sizeof(LrCondition *));
	set->entered = MemoryContextAllocZero(mcxt, Max(n, 1) * sizeof(bool));
	set->possible = MemoryContextAllocZero(mcxt, Max(WORDS(n), 1) * sizeof(uint64));
	set->passes = MemoryContextAllocZero(mcxt, Max(WORDS(n), 1) * sizeof(uint64));
	for (int i = 0; i < n; i++)
	{
		const Outline *outline = conditions[i] ? lr_outline(outlines, conditions[i]) : NULL;

		if (outline)
			enter_tests(set, i, outline->tests);
	}
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
	if (!is_indexed(set))
		return false;
	if (!set->looked)
		look(set, row);
	return (set->possible[rule / WORD_BITS] & UINT64CONST(1) << rule % WORD_BITS) == 0;
}

int
lr_ruleset_next(RuleSet *set, int rule, TupleTableSlot *row)
{
	int word = rule / WORD_BITS;
	uint64 left;

	if (rule >= set->nrules || !is_indexed(set))
		return rule;
	if (!set->looked)
		look(set, row);
	left = set->possible[word] & PG_UINT64_MAX << rule % WORD_BITS;
	while (left == 0 && ++word < WORDS(set->nrules))
		left = set->possible[word];
	/* bits behind the last rule are set too */
	return left == 0 ? set->nrules : Min(word * WORD_BITS + pg_rightmost_one_pos64(left), set->nrules);
}

static bool
is_indexed(const RuleSet *set)
{
	return set->switches || set->pieces;
}

/* Asks each switch and each expression once; a NULL equals nothing. */
static void
look(RuleSet *set, TupleTableSlot *row)
{
	int nwords = WORDS(set->nrules);
	ListCell *cell;

	memset(set->possible, 0xFF, nwords * sizeof(uint64));
	for (Switch *sw = set->switches; sw; sw = sw->next)
	{
		bool isnull;
		Datum value = slot_getattr(row, sw->attno, &isnull);

		memcpy(set->passes, sw->untested, nwords * sizeof(uint64));
		if (!isnull)
			add_wanted(set, sw, value);
		leave_passes(set);
	}
	foreach(cell, set->pieces)
	{
		lr_pieces_find(lfirst(cell), row, set->passes);
		leave_passes(set);
	}
	set->looked = true;
}

static void
leave_passes(RuleSet *set)
{
	uint64 *possible = set->possible;
	const uint64 *passes = set->passes;

	for (int word = 0; word < WORDS(set->nrules); word++)
		possible[word] &= passes[word];
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
		for (int word = 0; wanted->bits && word < WORDS(set->nrules); word++)
			set->passes[word] |= wanted->bits[word];
		for (int i = 0; wanted->bits == NULL && i < wanted->nrules; i++)
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

	if (condition)
		return condition;
	condition = lr_outline_compile(set->outlines, set->texts[rule], set->scope, set->mcxt);
	if (!set->entered[rule])
		enter_tests(set, rule, lr_condition_tests(lr_condition_expr(condition)));
	enter_pieces(set, rule, lr_condition_pieces(lr_condition_expr(condition)));
	set->conditions[rule] = condition;
	return condition;
}

static void
enter_tests(RuleSet *set, int rule, List *tests)
{
	ListCell *cell;

	foreach(cell, tests)
		enter_rule(set, rule, lfirst(cell));
	set->entered[rule] = true;
}

/* First what it wants, then that it is tested: half of this, where memory runs out, excludes nothing wrongly. */
static void
enter_rule(RuleSet *set, int rule, const ConditionTest *test)
{
	Switch *sw = switch_of(set, test);
	ListCell *cell;

	foreach(cell, test->values)
		want(set, sw, *(Datum *) lfirst(cell), rule);
	sw->untested[rule / WORD_BITS] &= ~(UINT64CONST(1) << rule % WORD_BITS);
}

static Switch *
switch_of(RuleSet *set, const ConditionTest *test)
{
	MemoryContext oldcontext;
	Switch *sw;
	int nwords = Max(WORDS(set->nrules), 1);

	for (sw = set->switches; sw; sw = sw->next)
		if (sw->attno == test->attno && sw->operator== test->operator&& sw->collation == test->collation)
			return sw;

	oldcontext = MemoryContextSwitchTo(set->mcxt);
	sw = palloc0(sizeof(Switch));
	sw->attno = test->attno;
	sw->operator= test->operator;
	sw->collation = test->collation;
	fmgr_info_cxt(test->function, &sw->equal, set->mcxt);
	fmgr_info_cxt(test->hashes[0], &sw->hash_column, set->mcxt);
	fmgr_info_cxt(test->hashes[1], &sw->hash_constant, set->mcxt);
	get_typlenbyval(test->type, &sw->length, &sw->by_value);
	sw->untested = palloc(nwords * sizeof(uint64));
	memset(sw->untested, 0xFF, nwords * sizeof(uint64));
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
	if (wanted->bits == NULL && wanted->nrules > WORDS(set->nrules))
	{
		uint64 *bits = palloc0(WORDS(set->nrules) * sizeof(uint64));

		for (int i = 0; i < wanted->nrules; i++)
			bits[wanted->rules[i] / WORD_BITS] |= UINT64CONST(1) << wanted->rules[i] % WORD_BITS;
		wanted->bits = bits;
		pfree(wanted->rules);
		wanted->rules = NULL;
	}
	if (wanted->bits)
		wanted->bits[rule / WORD_BITS] |= UINT64CONST(1) << rule % WORD_BITS;
	else
		want_rule(wanted, rule);
	MemoryContextSwitchTo(oldcontext);
}

static void
want_rule(Wanted *wanted, int rule)
{
	if (wanted->nrules == wanted->room)
	{
		wanted->rules = repalloc(wanted->rules, 2 * wanted->room * sizeof(int));
		wanted->room *= 2;
	}
	wanted->rules[wanted->nrules++] = rule;
}

/* Outlines do not have these: an expression is no use to another session. */
static void
enter_pieces(RuleSet *set, int rule, List *tests)
{
	ListCell *cell;
	ListCell *known;

	foreach(cell, tests)
	{
		const ConditionPieces *test = lfirst(cell);
		PieceIndex *index = NULL;

		foreach(known, set->pieces)
			if (lr_pieces_are_of(lfirst(known), test->expr))
				index = lfirst(known);
		if (index == NULL)
		{
			MemoryContext oldcontext;

			index = lr_pieces_make(test->expr, set->nrules, set->mcxt);
			oldcontext = MemoryContextSwitchTo(set->mcxt);
			set->pieces = lappend(set->pieces, index);
			MemoryContextSwitchTo(oldcontext);
		}
		lr_pieces_add(index, rule, test->pieces);
	}
}
