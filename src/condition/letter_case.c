/*
 * letter_case.c
 *		lower() and upper() in conditions, at the cost of the letters.
 *
 * Core's take a text through wide characters, some thousand instructions for a job title, and conditions ask for the same title again and
 * again. Most texts are ASCII, and in nearly all collations their letters are those of the C locale (not in Turkish):
 * then no conversion is needed. What a collation does to ASCII is asked of it, whatever its provider; texts with other
 * letters go to core's function.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "leadroute.h"
#include "letter_case.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(lr_sql_lower);
PG_FUNCTION_INFO_V1(lr_sql_upper);

static bool has_functions(Node *node, void *context);
static Node *replace_functions(Node *node, void *context);
static bool is_plain(Oid collation);
static Oid our_function(const char *name);
static text *change_ascii(text *value, unsigned char (*change)(unsigned char));

Node *
lr_letter_case(Node *expr)
{
	/* most conditions have none, and a copy costs more than a look */
	return has_functions(expr, NULL) ? replace_functions(expr, NULL) : expr;
}

static bool
has_functions(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, FuncExpr) && (castNode(FuncExpr, node)->funcid == F_LOWER_TEXT || castNode(FuncExpr, node)->funcid == F_UPPER_TEXT))
		return true;
	return expression_tree_walker(node, has_functions, context);
}

static Node *
replace_functions(Node *node, void *context)
{
	Node *copy;
	FuncExpr *call;

	if (node == NULL)
		return NULL;
	copy = expression_tree_mutator(node, replace_functions, context);
	if (!IsA(copy, FuncExpr))
		return copy;
	call = (FuncExpr *) copy;
	if ((call->funcid == F_LOWER_TEXT || call->funcid == F_UPPER_TEXT) && is_plain(call->inputcollid))
	{
		Oid ours = our_function(call->funcid == F_LOWER_TEXT ? "lower_text" : "upper_text");

		/* an older extension under this library has none */
		if (OidIsValid(ours))
			call->funcid = ours;
	}
	return copy;
}

/* Whether the collation makes of ASCII what the C locale makes of it. */
static bool
is_plain(Oid collation)
{
	static Oid known = InvalidOid;
	static bool plain;
	char ascii[128];
	text *all;

	if (!OidIsValid(collation))
		return false; /* core's error */
	if (collation == known)
		return plain;
	for (int c = 1; c < 128; c++)
		ascii[c - 1] = (char) c;
	all = cstring_to_text_with_len(ascii, 127);
	plain = DatumGetBool(DirectFunctionCall2Coll(texteq, C_COLLATION_OID, DirectFunctionCall1Coll(lower, collation, PointerGetDatum(all)),
												 PointerGetDatum(change_ascii(all, pg_ascii_tolower)))) &&
			DatumGetBool(DirectFunctionCall2Coll(texteq, C_COLLATION_OID, DirectFunctionCall1Coll(upper, collation, PointerGetDatum(all)),
												 PointerGetDatum(change_ascii(all, pg_ascii_toupper))));
	known = collation;
	return plain;
}

static Oid
our_function(const char *name)
{
	oidvector *arguments = buildoidvector((Oid[]){TEXTOID}, 1);

	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name), PointerGetDatum(arguments),
						   ObjectIdGetDatum(lr_schema_oid()));
}

/* NULL where it is not all ASCII. */
static text *
change_ascii(text *value, unsigned char (*change)(unsigned char))
{
	const unsigned char *from = (const unsigned char *) VARDATA_ANY(value);
	int length = (int) VARSIZE_ANY_EXHDR(value);
	text *result = palloc(length + VARHDRSZ);
	unsigned char *to = (unsigned char *) VARDATA(result);

	for (int i = 0; i < length; i++)
	{
		if (IS_HIGHBIT_SET(from[i]))
		{
			pfree(result);
			return NULL;
		}
		to[i] = change(from[i]);
	}
	SET_VARSIZE(result, length + VARHDRSZ);
	return result;
}

/* lower_text(text), upper_text(text) */
Datum
lr_sql_lower(PG_FUNCTION_ARGS)
{
	text *value = PG_GETARG_TEXT_PP(0);
	text *result = change_ascii(value, pg_ascii_tolower);

	return result ? PointerGetDatum(result) : DirectFunctionCall1Coll(lower, PG_GET_COLLATION(), PointerGetDatum(value));
}

Datum
lr_sql_upper(PG_FUNCTION_ARGS)
{
	text *value = PG_GETARG_TEXT_PP(0);
	text *result = change_ascii(value, pg_ascii_toupper);

	return result ? PointerGetDatum(result) : DirectFunctionCall1Coll(upper, PG_GET_COLLATION(), PointerGetDatum(value));
}
