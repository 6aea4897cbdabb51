/*
 * outline.c
 *		What is known of conditions without compiling them.
 *
 * A session would have to compile each rule and criterion for its first lead, only to learn that most cannot hold for it and which columns they read.
 * That much is the same for all sessions, so whoever finds no outlines makes those of all the flow's conditions and shares them
 * (config_share.c); everybody else compiles a condition when it is to be evaluated. And he need not analyse it: looking up what operators and
 * functions mean is nine tenths of compiling in a session that knows nothing of the catalog yet, and what came of it lies in a second image, from which
 * each takes what he evaluates.
 *
 * Validity: an outline says what a text means for columns of certain names and types. Texts, columns, facts and leadroute.condition_extensions are
 * part of the image's name, and the image goes with any change of configuration. A test is shared only where nothing but
 * the server's own can change what it means: built-in operators, collations and types whose literals are the same for ever (not dates: 'today'). A
 * function or type that is dropped later is met by who compiles the condition, as before. Expressions are shared by the same measure: all
 * that they call, compare and hold is the server's own.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "condition.h"
#include "condition_check.h"
#include "config.h"
#include "config_share.h"
#include "expression.h"
#include "facts.h"
#include "leadroute.h"
#include "lib/stringinfo.h"
#include "nodes/nodeFuncs.h"
#include "outline.h"
#include "plan.h"
#include "protect.h"
#include "score.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

struct Outlines
{
	FlowPlan base;
	char *image; /* the images' name */
	HTAB *table; /* of OutlineEntry; NULL: there are none */
};

typedef struct OutlineEntry
{
	const char *text; /* the configuration's */
	Outline outline;
} OutlineEntry;

/* What one condition is outlined with. */
typedef struct Outlining
{
	const char *text;
	const LrConditionScope *scope;
	Outline *outline;
	StringInfo expressions;
} Outlining;

/* What stands before an expression in their image. */
typedef struct ExpressionHead
{
	uint64 hash; /* of the condition's text */
	bool cannot_fail;
} ExpressionHead;

/* Of all room for images, what the expressions of one flow may take. */
#define EXPRESSIONS_SHARE 8

static void fill(Outlines *outlines, LeadShape *shape);
static List *texts_of(const FlowConfig *config);
static List *add_text(List *texts, const char *text);
static char *image_name(const LrConditionScope *scope, List *texts);
static void add_desc(StringInfo name, TupleDesc desc);
static void publish(Outlines *outlines, const SharePlace *place, const LrConditionScope *scope, List *texts);
static void publish_one(const SharePlace *place, StringInfo image);
static void outline_one(void *arg);
static void put_expression(const Outlining *outlining, Expr *expr);
static bool is_passing(Node *node, void *context);
static bool is_lasting(const ConditionTest *test);
static bool is_lasting_type(Oid type);
static uint64 hash_of(const char *text);
static void put_outline(StringInfo image, const Outline *outline);
static void put_attributes(StringInfo image, const Bitmapset *attributes);
static void put_test(StringInfo image, const ConditionTest *test);
static void read_outlines(Outlines *outlines, const char *image, List *texts);
static Outline *get_outline(const char **at);
static Bitmapset *get_attributes(const char **at);
static ConditionTest *get_test(const char **at);
static void enter(Outlines *outlines, const char *text, const Outline *outline);
static uint32 hash_text(const void *key, Size size);
static int match_text(const void *a, const void *b, Size size);

const Outlines *
lr_outlines(LeadShape *shape, FlowConfig *config)
{
	Outlines *outlines = lr_plan_find(shape, PLAN_OUTLINES, config);
	MemoryContext oldcontext;

	if (outlines == NULL)
	{
		outlines = lr_plan_make(sizeof(Outlines), config);
		oldcontext = MemoryContextSwitchTo(outlines->base.mcxt);
		fill(outlines, shape);
		MemoryContextSwitchTo(oldcontext);
		lr_plan_keep(shape, PLAN_OUTLINES, outlines);
	}
	return outlines->table ? outlines : NULL;
}

const Outline *
lr_outline(const Outlines *outlines, const char *condition)
{
	const OutlineEntry *entry = outlines ? hash_search(outlines->table, &condition, HASH_FIND, NULL) : NULL;

	return entry ? &entry->outline : NULL;
}

LrCondition *
lr_outline_compile(const Outlines *outlines, const char *condition, const LrConditionScope *scope, MemoryContext mcxt)
{
	const Outline *outline = lr_outline(outlines, condition);
	char *expression = NULL;
	const ExpressionHead *head;
	LrCondition *compiled;

	if (outline && outline->size > 0)
		expression = lr_share_find_part("expressions", outlines->base.flow, outlines->image, lr_relation_oid("flows"), outline->at, outline->size);
	head = (const ExpressionHead *) expression;
	if (head == NULL || head->hash != hash_of(condition))
		return lr_condition_compile(condition, scope, mcxt);
	compiled = lr_condition_revive(condition, expression + sizeof(ExpressionHead), head->cannot_fail, mcxt);
	pfree(expression);
	return compiled;
}

static void
fill(Outlines *outlines, LeadShape *shape)
{
	List *texts = texts_of(outlines->base.config);
	LrConditionScope scope;
	SharePlace place;
	const char *image;
	Size size;

	if (texts == NIL)
		return;
	lr_facts_scope(shape, &scope);
	outlines->image = image_name(&scope, texts);
	image = lr_share_find("outlines", outlines->base.flow, outlines->image, lr_relation_oid("flows"), &place, &size);
	if (image == NULL && (!place.publishes || place.prepares != 0))
		return;
	outlines->table = hash_create("leadroute outlines", list_length(texts),
								  &(HASHCTL){.keysize = sizeof(char *), .entrysize = sizeof(OutlineEntry), .hash = hash_text, .match = match_text, .hcxt = CurrentMemoryContext},
								  HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
	if (image)
		read_outlines(outlines, image, texts);
	else
		publish(outlines, &place, &scope, texts);
}

/* All the flow's conditions that give a boolean. */
static List *
texts_of(const FlowConfig *config)
{
	List *texts = NIL;

	for (int i = 0; i < config->nrules; i++)
	{
		texts = add_text(texts, config->rules[i].condition);
		texts = add_text(texts, config->rules[i].hold_until);
		texts = add_text(texts, config->rules[i].reroute_when);
	}
	for (int i = 0; config->scoring && i < config->scoring->ncriteria; i++)
		texts = add_text(texts, config->scoring->criteria[i].condition);
	for (int i = 0; i < config->npolicies; i++)
	{
		texts = add_text(texts, config->policies[i].condition);
		texts = add_text(texts, config->policies[i].success);
	}
	for (int i = 0; i < config->nstages; i++)
		texts = add_text(texts, config->stages[i].entry_condition);
	texts = add_text(texts, config->closed_when);
	texts = add_text(texts, config->won_when);
	texts = add_text(texts, config->route_when);
	return add_text(texts, config->touched_when);
}

static List *
add_text(List *texts, const char *text)
{
	return text ? lappend(texts, unconstify(char *, text)) : texts;
}

/* All that an outline depends on, as a hash of 128 bits. */
static char *
image_name(const LrConditionScope *scope, List *texts)
{
	StringInfoData name;
	ListCell *cell;
	uint64 hash[2];

	initStringInfo(&name);
	foreach(cell, texts)
		appendBinaryStringInfo(&name, lfirst(cell), (int) strlen(lfirst(cell)) + 1);
	add_desc(&name, scope->row);
	add_desc(&name, scope->facts);
	for (int i = 0; i < scope->noutputs; i++)
		appendBinaryStringInfo(&name, scope->outputs[i], (int) strlen(scope->outputs[i]) + 1);
	appendStringInfoString(&name, lr_condition_extensions);
	for (int i = 0; i < (int) lengthof(hash); i++)
		hash[i] = hash_bytes_extended((const unsigned char *) name.data, name.len, (uint64) i);
	pfree(name.data);
	return psprintf(UINT64_FORMAT "." UINT64_FORMAT, hash[0], hash[1]);
}

static void
add_desc(StringInfo name, TupleDesc desc)
{
	for (int i = 0; i < desc->natts; i++)
	{
		const FormData_pg_attribute *attribute = TupleDescAttr(desc, i);

		int32 words[] = {(int32) attribute->atttypid, attribute->atttypmod, (int32) attribute->attcollation, attribute->attisdropped, attribute->attgenerated};

		appendBinaryStringInfo(name, NameStr(attribute->attname), (int) strlen(NameStr(attribute->attname)) + 1);
		appendBinaryStringInfo(name, (const char *) words, sizeof(words));
	}
}

/* ---- made, for everybody ---- */

static void
publish(Outlines *outlines, const SharePlace *place, const LrConditionScope *scope, List *texts)
{
	MemoryContext mcxt = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(mcxt, "leadroute outline", ALLOCSET_DEFAULT_SIZES);
	StringInfoData image;
	StringInfoData expressions;
	SharePlace second;
	ListCell *cell;
	Size size;

	(void) lr_share_find("expressions", outlines->base.flow, outlines->image, lr_relation_oid("flows"), &second, &size);
	initStringInfo(&image);
	initStringInfo(&expressions);
	foreach(cell, texts)
	{
		Outline outline = {0};
		Outlining outlining = {.text = lfirst(cell), .scope = scope, .outline = &outline, .expressions = &expressions};
		bool known;

		MemoryContextSwitchTo(scratch);
		known = lr_protect(outline_one, &outlining) == NULL;
		MemoryContextSwitchTo(mcxt);
		appendBinaryStringInfo(&image, (char *) &known, sizeof(known));
		if (known)
			put_outline(&image, &outline);
		MemoryContextReset(scratch);
	}
	MemoryContextDelete(scratch);
	read_outlines(outlines, image.data, texts);
	publish_one(&second, &expressions);
	publish_one(place, &image);
}

static void
publish_one(const SharePlace *place, StringInfo image)
{
	while (image->len % MAXIMUM_ALIGNOF != 0)
		appendStringInfoChar(image, 0);
	lr_share_publish(place, &(SharePiece){.data = image->data, .size = image->len}, 1);
	pfree(image->data);
}

static void
outline_one(void *arg)
{
	Outlining *outlining = arg;
	Expr *expr = lr_condition_analyze(outlining->text, outlining->scope, BOOLOID);
	ListCell *cell;

	outlining->outline->columns = lr_condition_attributes(expr, OUTER_VAR);
	outlining->outline->facts = lr_condition_attributes(expr, INNER_VAR);
	foreach(cell, lr_condition_tests(expr))
		if (is_lasting(lfirst(cell)))
			outlining->outline->tests = lappend(outlining->outline->tests, lfirst(cell));
	if (!is_passing((Node *) expr, NULL))
		put_expression(outlining, expr);
}

static void
put_expression(const Outlining *outlining, Expr *expr)
{
	ExpressionHead head = {.hash = hash_of(outlining->text), .cannot_fail = lr_condition_takes_any_row((Node *) expr)};
	StringInfoData nodes;

	initStringInfo(&nodes);
	appendBinaryStringInfo(&nodes, (char *) &head, sizeof(ExpressionHead));
	if (!lr_expression_put(&nodes, expr) || outlining->expressions->len + nodes.len + MAXIMUM_ALIGNOF > lr_share_size() / EXPRESSIONS_SHARE)
		return;
	outlining->outline->at = outlining->expressions->len;
	outlining->outline->size = nodes.len;
	appendBinaryStringInfo(outlining->expressions, nodes.data, nodes.len);
}

/* Whether an expression calls, compares or holds what may mean something else to a later session: see the head of this file. */
static bool
is_passing(Node *node, void *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Const:
			if (!is_lasting_type(castNode(Const, node)->consttype) && !is_lasting_type(get_element_type(castNode(Const, node)->consttype)))
				return true;
			break;
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			if (((OpExpr *) node)->opno >= FirstNormalObjectId)
				return true;
			break;
		case T_ScalarArrayOpExpr:
			if (castNode(ScalarArrayOpExpr, node)->opno >= FirstNormalObjectId)
				return true;
			break;
		case T_FuncExpr:
			if (castNode(FuncExpr, node)->funcid >= FirstNormalObjectId)
				return true;
			break;
		case T_List:
		case T_Var:
		case T_BoolExpr:
		case T_NullTest:
		case T_BooleanTest:
		case T_RelabelType:
		case T_CoalesceExpr:
		case T_CaseExpr:
		case T_CaseWhen:
		case T_CaseTestExpr:
		case T_ArrayExpr:
			break;
		default:
			return true;
	}
	if (!IsA(node, List) && !IsA(node, CaseWhen) &&
		(exprType(node) >= FirstNormalObjectId || exprCollation(node) >= FirstNormalObjectId || exprInputCollation(node) >= FirstNormalObjectId))
		return true;
	return expression_tree_walker(node, is_passing, context);
}

/* See the head of this file. */
static bool
is_lasting(const ConditionTest *test)
{
	return test->operator<FirstNormalObjectId && test->collation<FirstNormalObjectId && is_lasting_type(test->type);
}

static bool
is_lasting_type(Oid type)
{
	static const Oid types[] = {TEXTOID, VARCHAROID, BPCHAROID, INT2OID, INT4OID, INT8OID, NUMERICOID, BOOLOID, UUIDOID};

	for (int i = 0; i < (int) lengthof(types); i++)
		if (type == types[i])
			return true;
	return false;
}

static uint64
hash_of(const char *text)
{
	return hash_bytes_extended((const unsigned char *) text, (int) strlen(text), 0);
}

static void
put_outline(StringInfo image, const Outline *outline)
{
	int ntests = list_length(outline->tests);
	ListCell *cell;

	put_attributes(image, outline->columns);
	put_attributes(image, outline->facts);
	appendBinaryStringInfo(image, (char *) &outline->at, sizeof(outline->at));
	appendBinaryStringInfo(image, (char *) &outline->size, sizeof(outline->size));
	appendBinaryStringInfo(image, (char *) &ntests, sizeof(ntests));
	foreach(cell, outline->tests)
		put_test(image, lfirst(cell));
}

static void
put_attributes(StringInfo image, const Bitmapset *attributes)
{
	int n = bms_num_members(attributes);
	int attribute = -1;

	appendBinaryStringInfo(image, (char *) &n, sizeof(n));
	while ((attribute = bms_next_member(attributes, attribute)) >= 0)
		appendBinaryStringInfo(image, (char *) &attribute, sizeof(attribute));
}

/* The test itself, with the number of its values in the place of their list; then each with its length before it. */
static void
put_test(StringInfo image, const ConditionTest *test)
{
	int nvalues = list_length(test->values);
	int16 length;
	bool by_value;
	ListCell *cell;

	get_typlenbyval(test->type, &length, &by_value);
	appendBinaryStringInfo(image, (char *) test, sizeof(ConditionTest));
	appendBinaryStringInfo(image, (char *) &nvalues, sizeof(nvalues));
	foreach(cell, test->values)
	{
		Datum value = *(Datum *) lfirst(cell);
		int size = by_value ? 0 : (int) datumGetSize(value, by_value, length);

		appendBinaryStringInfo(image, (char *) &size, sizeof(size));
		if (by_value)
			appendBinaryStringInfo(image, (char *) &value, sizeof(value));
		else
			appendBinaryStringInfo(image, DatumGetPointer(value), size);
	}
}

/* ---- taken ---- */

static void
read_outlines(Outlines *outlines, const char *image, List *texts)
{
	ListCell *cell;

	foreach(cell, texts)
		if (*(const bool *) image++)
			enter(outlines, lfirst(cell), get_outline(&image));
}

static void
get(void *to, const char **at, Size size)
{
	memcpy(to, *at, size);
	*at += size;
}

static Outline *
get_outline(const char **at)
{
	Outline *outline = palloc0(sizeof(Outline));
	int ntests;

	outline->columns = get_attributes(at);
	outline->facts = get_attributes(at);
	get(&outline->at, at, sizeof(outline->at));
	get(&outline->size, at, sizeof(outline->size));
	get(&ntests, at, sizeof(ntests));
	for (int i = 0; i < ntests; i++)
		outline->tests = lappend(outline->tests, get_test(at));
	return outline;
}

static Bitmapset *
get_attributes(const char **at)
{
	Bitmapset *attributes = NULL;
	int attribute;
	int n;

	get(&n, at, sizeof(n));
	for (int i = 0; i < n; i++)
	{
		get(&attribute, at, sizeof(attribute));
		attributes = bms_add_member(attributes, attribute);
	}
	return attributes;
}

static ConditionTest *
get_test(const char **at)
{
	ConditionTest *test = palloc(sizeof(ConditionTest));
	int nvalues;

	get(test, at, sizeof(ConditionTest));
	test->values = NIL;
	get(&nvalues, at, sizeof(nvalues));
	for (int i = 0; i < nvalues; i++)
	{
		Datum *value = palloc(sizeof(Datum));
		int size;

		get(&size, at, sizeof(size));
		if (size == 0)
			get(value, at, sizeof(Datum));
		else
		{
			*value = PointerGetDatum(palloc(size));
			get(DatumGetPointer(*value), at, size);
		}
		test->values = lappend(test->values, value);
	}
	return test;
}

static void
enter(Outlines *outlines, const char *text, const Outline *outline)
{
	OutlineEntry *entry = hash_search(outlines->table, &text, HASH_ENTER, NULL);

	entry->outline = *outline;
}

static uint32
hash_text(const void *key, Size size)
{
	const char *text = *(const char *const *) key;

	return hash_bytes((const unsigned char *) text, (int) strlen(text));
}

static int
match_text(const void *a, const void *b, Size size)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}
