/*
 * expression.c
 *		Analysed expressions as bytes that another session of the same server reads.
 *
 * stringToNode() reads each number of each field from text: 18,000 instructions a condition, where this takes 1,400 (outline.c). Who
 * writes and who reads are processes of one server with one library, so a node is its struct, byte for byte; behind it stand its children in the
 * order of its fields, then the bytes of a constant that is passed by reference. Pointers in it mean nothing until they are read. Only the nodes below are
 * known, which are those that outline.c shares; what else they point to (varnullingrels of a Var) an expression that is not planned does not have.
 */
#include "postgres.h"

#include "expression.h"
#include "nodes/pg_list.h"
#include "utils/datum.h"

#define CHILDREN 3

/* Where a struct holds its children. */
typedef struct NodeLayout
{
	NodeTag tag;
	Size size;
	int nchildren;
	Size children[CHILDREN];
} NodeLayout;

#define LAYOUT_0(type)             \
	{                              \
		T_##type, sizeof(type), 0, \
		{                          \
			0                      \
		}                          \
	}
#define LAYOUT_1(type, a)          \
	{                              \
		T_##type, sizeof(type), 1, \
		{                          \
			offsetof(type, a)      \
		}                          \
	}
#define LAYOUT_2(type, a, b)                     \
	{                                            \
		T_##type, sizeof(type), 2,               \
		{                                        \
			offsetof(type, a), offsetof(type, b) \
		}                                        \
	}
#define LAYOUT_3(type, a, b, c)                                     \
	{                                                               \
		T_##type, sizeof(type), 3,                                  \
		{                                                           \
			offsetof(type, a), offsetof(type, b), offsetof(type, c) \
		}                                                           \
	}

static const NodeLayout layouts[] = {
	LAYOUT_0(Var),
	LAYOUT_0(Const),
	LAYOUT_1(OpExpr, args),
	LAYOUT_1(FuncExpr, args),
	LAYOUT_1(BoolExpr, args),
	LAYOUT_1(ScalarArrayOpExpr, args),
	LAYOUT_1(NullTest, arg),
	LAYOUT_1(BooleanTest, arg),
	LAYOUT_1(RelabelType, arg),
	LAYOUT_1(CoalesceExpr, args),
	LAYOUT_3(CaseExpr, arg, args, defresult),
	LAYOUT_2(CaseWhen, expr, result),
	LAYOUT_0(CaseTestExpr),
	LAYOUT_1(ArrayExpr, elements),
	{T_DistinctExpr, sizeof(OpExpr), 1, {offsetof(OpExpr, args)}},
	{T_NullIfExpr, sizeof(OpExpr), 1, {offsetof(OpExpr, args)}},
};

static const NodeLayout *layout_of(NodeTag tag);
static bool put_node(StringInfo image, const Node *node);
static bool put_list(StringInfo image, const List *list);
static void put_constant(StringInfo image, const Const *constant);
static Node *get_node(const char **at);
static List *get_list(const char **at);
static void get_constant(const char **at, Const *constant);
static void get(void *to, const char **at, Size size);

bool
lr_expression_put(StringInfo image, const Expr *expr)
{
	return put_node(image, (const Node *) expr);
}

static const NodeLayout *
layout_of(NodeTag tag)
{
	for (int i = 0; i < (int) lengthof(layouts); i++)
		if (layouts[i].tag == tag)
			return &layouts[i];
	return NULL;
}

/* The tag first; T_Invalid stands for no node. */
static bool
put_node(StringInfo image, const Node *node)
{
	NodeTag tag = node ? nodeTag(node) : T_Invalid;
	const NodeLayout *layout;

	appendBinaryStringInfo(image, (const char *) &tag, sizeof(tag));
	if (node == NULL)
		return true;
	if (tag == T_List)
		return put_list(image, (const List *) node);
	layout = layout_of(tag);
	if (layout == NULL)
		return false;
	appendBinaryStringInfo(image, (const char *) node, (int) layout->size);
	for (int i = 0; i < layout->nchildren; i++)
		if (!put_node(image, *(Node *const *) ((const char *) node + layout->children[i])))
			return false;
	if (tag == T_Const)
		put_constant(image, (const Const *) node);
	return true;
}

static bool
put_list(StringInfo image, const List *list)
{
	int n = list_length(list);
	ListCell *cell;

	appendBinaryStringInfo(image, (const char *) &n, sizeof(n));
	foreach(cell, list)
		if (!put_node(image, lfirst(cell)))
			return false;
	return true;
}

static void
put_constant(StringInfo image, const Const *constant)
{
	Size size;

	if (constant->constisnull || constant->constbyval)
		return;
	size = datumGetSize(constant->constvalue, false, constant->constlen);
	appendBinaryStringInfo(image, (const char *) &size, sizeof(size));
	appendBinaryStringInfo(image, DatumGetPointer(constant->constvalue), (int) size);
}

Expr *
lr_expression_get(const char *image)
{
	return (Expr *) get_node(&image);
}

static Node *
get_node(const char **at)
{
	const NodeLayout *layout;
	NodeTag tag;
	Node *node;

	get(&tag, at, sizeof(tag));
	if (tag == T_Invalid)
		return NULL;
	if (tag == T_List)
		return (Node *) get_list(at);
	layout = layout_of(tag);
	if (layout == NULL)
		elog(ERROR, "unexpected node %d in a shared expression", (int) tag);
	node = palloc(layout->size);
	get(node, at, layout->size);
	for (int i = 0; i < layout->nchildren; i++)
		*(Node **) ((char *) node + layout->children[i]) = get_node(at);
	if (tag == T_Const)
		get_constant(at, (Const *) node);
	return node;
}

static List *
get_list(const char **at)
{
	List *list = NIL;
	int n;

	get(&n, at, sizeof(n));
	for (int i = 0; i < n; i++)
		list = lappend(list, get_node(at));
	return list;
}

static void
get_constant(const char **at, Const *constant)
{
	Size size;
	char *value;

	if (constant->constisnull || constant->constbyval)
		return;
	get(&size, at, sizeof(size));
	value = palloc(size);
	get(value, at, size);
	constant->constvalue = PointerGetDatum(value);
}

static void
get(void *to, const char **at, Size size)
{
	memcpy(to, *at, size);
	*at += size;
}
