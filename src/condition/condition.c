/*
 * condition.c
 *		Conditions: parsed, checked, simplified, compiled, evaluated.
 *
 * The way of a text: core's grammar for a PL/pgSQL expression (so that positions
 * are the text's own), a walk over the raw tree that refuses what must not even
 * be analysed, core's transformExpr with hooks of ours for column names and
 * literals, the check of what is called (condition_check.c), and only then
 * core's constant folding, the first thing that runs any function.
 *
 * Literals are special: core converts an untyped literal while it analyses, and
 * the input function of an array, row or range type would run the checks of a
 * domain in it, as the extension's owner. So string literals go through the
 * analysis as parameters of type unknown, and are turned into constants by a
 * hook that checks the type first.
 *
 * Protocols: the analysis runs as the extension's owner with the search_path and
 * the literal-reading settings fixed (resolve_begin, resolve_end); an error leaves
 * both to the abort of the (sub)transaction. Evaluation runs as the current user.
 * No lock is left, no relation opened. Memory: see condition.h.
 */
#include "postgres.h"

#include "catalog/heap.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "condition.h"
#include "condition_check.h"
#include "executor/executor.h"
#include "expression.h"
#include "leadroute.h"
#include "letter_case.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/nodes.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_node.h"
#include "parser/parser.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/typcache.h"
#include "utils/varlena.h"

struct LrCondition
{
	MemoryContext context; /* holds this struct and everything it points to */
	char *text;
	Expr *expr;
	ExprState *state;
	ExprContext econtext; /* per-query memory is ours: a hashed IN list is built there at first use */
	Bitmapset *columns;
	Bitmapset *facts;
	bool cannot_fail;
};

/* What one analysis carries through core's hooks. */
typedef struct Analysis
{
	const char *text;
	const LrConditionScope *scope;
	ParseState *pstate;
	LrConditionTrust *trust;
	List *literals; /* char *, by number - 1 */
} Analysis;

/* The user and settings that resolve_begin switched. */
typedef struct Resolve
{
	Oid user;
	int security;
	int guc_level;
	ErrorContextCallback callback;
} Resolve;

/* A best match so far, for hints. */
typedef struct SimilarName
{
	const char *name;
	int distance;
} SimilarName;

static LrCondition *complete(const char *text, Expr *expr, MemoryContext context);
static void resolve_begin(Resolve *resolve, const char *text, LrConditionTrust **trust);
static void set_local(const char *name, const char *value);
static void resolve_end(Resolve *resolve);
static void condition_error_callback(void *arg);
static Expr *analyze(const char *text, const LrConditionScope *scope, Oid result_type, LrConditionTrust *trust);
static Node *parse_single_expression(const char *text, ParseState *pstate);
pg_noreturn static void refuse_clause(ParseState *pstate, Node *at, const char *what);
static bool prepare_raw_walker(Node *node, void *context);
static Node *resolve_column(ParseState *pstate, ColumnRef *cref);
static Node *resolve_bare(Analysis *a, const char *name, int location);
static Node *resolve_fact(Analysis *a, const char *name, int location);
static int find_attribute(TupleDesc desc, const char *name);
static Node *make_row_var(TupleDesc desc, int attno, int varno, int location);
pg_noreturn static void refuse_output(Analysis *a, int output, int location);
pg_noreturn static void refuse_unknown_column(Analysis *a, const char *name, int location);
pg_noreturn static void refuse_qualified(Analysis *a, ColumnRef *cref, const char *qualifier);
pg_noreturn static void refuse_whole_row(Analysis *a, int location);
static const char *similar_attribute(TupleDesc desc, const char *name);
static Node *literal_parameter(ParseState *pstate, ParamRef *ref);
static Node *coerce_literal(ParseState *pstate, Param *param, Oid type, int32 typmod, int location);
static Const *make_literal(Analysis *a, Param *param, int location);
static Node *replace_parameters(Node *node, void *context);
static bool attributes_walker(Node *node, void *context);

Expr *
lr_condition_analyze(const char *text, const LrConditionScope *scope, Oid result_type)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(caller, "leadroute condition analysis", ALLOCSET_SMALL_SIZES);
	LrConditionTrust *trust;
	Resolve resolve;
	Expr *expr;

	MemoryContextSwitchTo(scratch);
	resolve_begin(&resolve, text, &trust);
	expr = analyze(text, scope, result_type, trust);
	resolve_end(&resolve);
	MemoryContextSwitchTo(caller);
	expr = copyObject(expr);
	MemoryContextDelete(scratch);
	return expr;
}

LrCondition *
lr_condition_compile(const char *text, const LrConditionScope *scope, MemoryContext mcxt)
{
	return lr_condition_compile_as(text, scope, BOOLOID, mcxt);
}

LrCondition *
lr_condition_compile_as(const char *text, const LrConditionScope *scope, Oid result_type, MemoryContext mcxt)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(caller, "leadroute condition analysis", ALLOCSET_SMALL_SIZES);
	MemoryContext context;
	LrConditionTrust *trust;
	LrCondition *condition;
	Resolve resolve;
	Expr *expr;

	MemoryContextSwitchTo(scratch);
	resolve_begin(&resolve, text, &trust);
	expr = analyze(text, scope, result_type, trust);

	/* still as the owner: the executor looks at EXECUTE privileges while it compiles */
	context = AllocSetContextCreate(scratch, "leadroute condition", ALLOCSET_SMALL_SIZES);
	MemoryContextSwitchTo(context);
	condition = complete(text, copyObject(expr), context);
	condition->cannot_fail = lr_condition_takes_any_row((Node *) condition->expr);
	resolve_end(&resolve);

	MemoryContextSetParent(context, mcxt);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(scratch);
	return condition;
}

LrCondition *
lr_condition_revive(const char *text, const char *nodes, bool cannot_fail, MemoryContext mcxt)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "leadroute condition", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	LrCondition *condition;
	int security;
	Oid user;

	/* nothing resolves any more, so no setting matters */
	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(lr_extension_owner(), security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	condition = complete(text, lr_expression_get(nodes), context);
	condition->cannot_fail = cannot_fail;
	SetUserIdAndSecContext(user, security);

	MemoryContextSetParent(context, mcxt);
	MemoryContextSwitchTo(caller);
	return condition;
}

/* In the condition's own context, which hangs under one of the caller's until this is done, so that a failure leaves nothing behind. */
static LrCondition *
complete(const char *text, Expr *expr, MemoryContext context)
{
	LrCondition *condition = palloc0(sizeof(LrCondition));

	condition->context = context;
	condition->text = pstrdup(text);
	condition->expr = expr;
	condition->state = ExecInitExpr((Expr *) lr_letter_case((Node *) expr), NULL);
	condition->econtext.type = T_ExprContext;
	condition->econtext.ecxt_per_query_memory = context;
	condition->columns = lr_condition_attributes(expr, OUTER_VAR);
	condition->facts = lr_condition_attributes(expr, INNER_VAR);
	return condition;
}

/* As the extension's owner: the executor looks at EXECUTE privileges while it compiles. */
ExprState *
lr_condition_part(Expr *part)
{
	ExprState *state;
	Oid user;
	int security;

	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(lr_extension_owner(), security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	state = ExecInitExpr((Expr *) lr_letter_case((Node *) part), NULL);
	SetUserIdAndSecContext(user, security);
	return state;
}

/*
 * Become the extension's owner, with settings under which a text means the same for everybody. Settings are
 * touched only where they differ; errors from here on carry the condition's text.
 */
static void
resolve_begin(Resolve *resolve, const char *text, LrConditionTrust **trust)
{
	GetUserIdAndSecContext(&resolve->user, &resolve->security);
	SetUserIdAndSecContext(lr_extension_owner(),
						   resolve->security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	resolve->guc_level = NewGUCNestLevel();
	*trust = lr_condition_trust();
	set_local("search_path", (*trust)->search_path);
	if (!standard_conforming_strings)
		set_local("standard_conforming_strings", "on");
	if (Transform_null_equals)
		set_local("transform_null_equals", "off");
	if (DateStyle != USE_ISO_DATES || DateOrder != DATEORDER_MDY)
		set_local("DateStyle", "ISO, MDY");
	if (IntervalStyle != INTSTYLE_POSTGRES)
		set_local("IntervalStyle", "postgres");
	if (strcmp(pg_get_timezone_name(session_timezone), "UTC") != 0)
		set_local("TimeZone", "UTC");

	resolve->callback.callback = condition_error_callback;
	resolve->callback.arg = unconstify(char *, text);
	resolve->callback.previous = error_context_stack;
	error_context_stack = &resolve->callback;
}

static void
set_local(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

static void
resolve_end(Resolve *resolve)
{
	error_context_stack = resolve->callback.previous;
	AtEOXact_GUC(true, resolve->guc_level);
	SetUserIdAndSecContext(resolve->user, resolve->security);
}

/* A position is one in the condition's text, not in the statement that the client sent. */
static void
condition_error_callback(void *arg)
{
	const char *text = (const char *) arg;
	int position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery(text);
	}
	else
		errcontext("condition \"%s\"", text);
}

/* The whole way from text to a simplified expression, in the current memory context, as the owner. */
static Expr *
analyze(const char *text, const LrConditionScope *scope, Oid result_type, LrConditionTrust *trust)
{
	ParseState *pstate = make_parsestate(NULL);
	Analysis analysis = {0};
	Node *expr;

	analysis.text = text;
	analysis.scope = scope;
	analysis.pstate = pstate;
	analysis.trust = trust;
	pstate->p_sourcetext = text;
	pstate->p_pre_columnref_hook = resolve_column;
	pstate->p_paramref_hook = literal_parameter;
	pstate->p_coerce_param_hook = coerce_literal;
	pstate->p_ref_hook_state = &analysis;

	expr = parse_single_expression(text, pstate);
	prepare_raw_walker(expr, &analysis);
	expr = transformExpr(pstate, expr, EXPR_KIND_OTHER);

	/* what is refused is refused as what it is, not for its type */
	if (exprType(expr) != result_type && exprType(expr) != UNKNOWNOID)
		lr_condition_check_expr(expr, pstate, trust);
	if (result_type == BOOLOID)
		expr = coerce_to_boolean(pstate, expr, "condition");
	else if (OidIsValid(result_type))
		expr = coerce_to_specific_type(pstate, expr, result_type, "condition");
	else if (exprType(expr) == UNKNOWNOID)
		expr = coerce_to_specific_type(pstate, expr, TEXTOID, "condition");
	expr = replace_parameters(expr, &analysis);
	assign_expr_collations(pstate, expr);
	lr_condition_check_expr(expr, pstate, trust);

	expr = (Node *) expression_planner((Expr *) expr);
	/* a default argument comes in only now */
	if (contain_volatile_functions(expr))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("functions in conditions must not be volatile"),
				 errdetail("The default of a function's argument is volatile."),
				 errhint("Write the argument out.")));
	convert_saop_to_hashed_saop(expr);
	free_parsestate(pstate);
	return (Expr *) expr;
}

/* Core's grammar takes "expression FROM ... WHERE ..." here: a condition is the expression and nothing else. */
static Node *
parse_single_expression(const char *text, ParseState *pstate)
{
	List *trees = raw_parser(text, RAW_PARSE_PLPGSQL_EXPR);
	SelectStmt *select = castNode(SelectStmt, linitial_node(RawStmt, trees)->stmt);
	ResTarget *target;

	if (select->targetList == NIL && select->whereClause)
		refuse_clause(pstate, select->whereClause, "a WHERE clause");
	if (select->targetList == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("syntax error at end of input"),
				 errdetail("A condition is one boolean expression."),
				 errhint("Leave the condition NULL where there is none."),
				 parser_errposition(pstate, strlen(text))));
	if (select->distinctClause)
		refuse_clause(pstate, (Node *) linitial(select->targetList), "DISTINCT");
	if (list_length(select->targetList) > 1)
		refuse_clause(pstate, (Node *) lsecond(select->targetList), "a second expression");
	target = linitial_node(ResTarget, select->targetList);
	if (target->name)
		refuse_clause(pstate, (Node *) target, psprintf("an alias, \"%s\"", target->name));
	if (select->fromClause)
		refuse_clause(pstate, (Node *) select->fromClause, "a FROM clause");
	if (select->whereClause)
		refuse_clause(pstate, select->whereClause, "a WHERE clause");
	if (select->groupClause)
		refuse_clause(pstate, (Node *) select->groupClause, "a GROUP BY clause");
	if (select->havingClause)
		refuse_clause(pstate, select->havingClause, "a HAVING clause");
	if (select->windowClause)
		refuse_clause(pstate, (Node *) select->windowClause, "a WINDOW clause");
	if (select->sortClause)
		refuse_clause(pstate, (Node *) select->sortClause, "an ORDER BY clause");
	if (select->limitCount || select->limitOffset)
		refuse_clause(pstate, select->limitCount ? select->limitCount : select->limitOffset, "a LIMIT or OFFSET clause");
	if (select->lockingClause)
		refuse_clause(pstate, NULL, "a locking clause");
	return target->val;
}

static void
refuse_clause(ParseState *pstate, Node *at, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_SYNTAX_ERROR),
			 errmsg("condition must be a single expression"),
			 errdetail("It has %s.", what),
			 errhint("Write one boolean expression over the lead's columns, as it would stand after WHERE."),
			 parser_errposition(pstate, at ? exprLocation(at) : -1)));
}

/*
 * Over the raw tree: refuse subqueries, which would open relations, and parameters; make string literals
 * parameters of ours, in place.
 */
static bool
prepare_raw_walker(Node *node, void *context)
{
	Analysis *a = (Analysis *) context;

	if (node == NULL)
		return false;
	check_stack_depth();
	switch (nodeTag(node))
	{
		case T_SubLink:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot use subquery in condition"),
					 errhint("A condition sees one lead: the row's columns and the row \"facts\"."),
					 parser_errposition(a->pstate, ((SubLink *) node)->location)));
			break;
		case T_ParamRef:
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_PARAMETER),
					 errmsg("there is no parameter $%d", ((ParamRef *) node)->number),
					 errhint("A condition sees one lead: the row's columns and the row \"facts\"."),
					 parser_errposition(a->pstate, ((ParamRef *) node)->location)));
			break;
		case T_TypeName:
			return false; /* type modifiers are constants, and stay */
		case T_A_Const:
		{
			A_Const *constant = (A_Const *) node;

			if (!constant->isnull && IsA(&constant->val, String))
			{
				ParamRef *ref = (ParamRef *) node;
				int location = constant->location;

				StaticAssertStmt(sizeof(ParamRef) <= sizeof(A_Const), "a literal has no room for a parameter");
				a->literals = lappend(a->literals, strVal(&constant->val));
				ref->type = T_ParamRef;
				ref->number = list_length(a->literals);
				ref->location = location;
			}
			return false;
		}
		default:
			break;
	}
	return raw_expression_tree_walker(node, prepare_raw_walker, context);
}

/* Core's hook before a column is looked up: there is nothing else to look up, so it returns or throws. */
static Node *
resolve_column(ParseState *pstate, ColumnRef *cref)
{
	Analysis *a = (Analysis *) pstate->p_ref_hook_state;
	Node *last = (Node *) llast(cref->fields);
	int depth = list_length(cref->fields);
	const char *qualifier;

	if (IsA(last, A_Star))
		refuse_whole_row(a, cref->location);
	if (depth == 1)
		return resolve_bare(a, strVal(last), cref->location);
	qualifier = strVal(list_nth(cref->fields, depth - 2));
	if (depth == 2 && a->scope->facts && strcmp(qualifier, "facts") == 0)
		return resolve_fact(a, strVal(last), cref->location);
	refuse_qualified(a, cref, qualifier);
	return NULL; /* keep the compiler quiet */
}

static Node *
resolve_bare(Analysis *a, const char *name, int location)
{
	const LrConditionScope *scope = a->scope;
	int attno = find_attribute(scope->row, name);
	Form_pg_attribute attribute;
	int i;

	if (attno == InvalidAttrNumber)
		refuse_unknown_column(a, name, location);
	attribute = TupleDescAttr(scope->row, attno - 1);
	for (i = 0; i < scope->noutputs; i++)
		if (strcmp(scope->outputs[i], name) == 0)
			refuse_output(a, i, location);
	if (attribute->attgenerated)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("condition cannot reference generated column \"%s\"", name),
				 errdetail("Generated columns are computed after a lead was routed; until then they are null."),
				 errhint("Write the column's generation expression in the condition instead."),
				 parser_errposition(a->pstate, location)));
	return make_row_var(scope->row, attno, OUTER_VAR, location);
}

static Node *
resolve_fact(Analysis *a, const char *name, int location)
{
	int attno = find_attribute(a->scope->facts, name);

	if (attno == InvalidAttrNumber)
	{
		const char *similar = similar_attribute(a->scope->facts, name);

		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column facts.%s does not exist", name),
				 similar ? errhint("Perhaps you meant to reference the column \"facts.%s\".", similar) : errhint("The type leadroute.facts lists what leadroute knows of a lead."),
				 parser_errposition(a->pstate, location)));
	}
	return make_row_var(a->scope->facts, attno, INNER_VAR, location);
}

/* The number of an attribute that is there, or InvalidAttrNumber. */
static int
find_attribute(TupleDesc desc, const char *name)
{
	int i;

	for (i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (!attribute->attisdropped && strcmp(NameStr(attribute->attname), name) == 0)
			return i + 1;
	}
	return InvalidAttrNumber;
}

/*
 * A value of a type that a condition must not work with may still be tested for NULL, so nothing is refused
 * for its type alone: what is done with it is checked later, and a literal that takes its type when it does.
 */
static Node *
make_row_var(TupleDesc desc, int attno, int varno, int location)
{
	Form_pg_attribute attribute = TupleDescAttr(desc, attno - 1);
	Var *var = makeVar(varno, attno, attribute->atttypid, attribute->atttypmod, attribute->attcollation, 0);

	var->location = location;
	return (Node *) var;
}

/* Say which fact to read instead: the one of that name, or what the row arrived with. */
static void
refuse_output(Analysis *a, int output, int location)
{
	const LrConditionScope *scope = a->scope;
	const char *name = scope->output_names ? scope->output_names[output] : scope->outputs[output];
	char *given = psprintf("given_%s", name);
	const char *hint;

	if (scope->facts && find_attribute(scope->facts, name) != InvalidAttrNumber)
		hint = psprintf("Use facts.%s.", quote_identifier(name));
	else if (scope->facts && find_attribute(scope->facts, given) != InvalidAttrNumber)
		hint = psprintf("Use facts.%s for what the row arrived with.", quote_identifier(given));
	else
		hint = "What leadroute knows of a lead while it decides stands in the row facts.";
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
			 errmsg("condition cannot reference output column \"%s\"", scope->outputs[output]),
			 errdetail("leadroute fills this column with the outcome of its decision."),
			 errhint("%s", hint),
			 parser_errposition(a->pstate, location)));
}

static void
refuse_unknown_column(Analysis *a, const char *name, int location)
{
	const LrConditionScope *scope = a->scope;
	const char *relation = OidIsValid(scope->relid) ? get_rel_name(scope->relid) : NULL;
	const char *similar;

	if (SystemAttributeByName(name) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("condition cannot reference system column \"%s\"", name),
				 errdetail("A lead is routed before its row is stored, and has no system columns yet."),
				 parser_errposition(a->pstate, location)));
	if ((scope->facts && strcmp(name, "facts") == 0) || (relation && strcmp(name, relation) == 0))
		refuse_whole_row(a, location);

	similar = similar_attribute(scope->row, name);
	if (similar == NULL && scope->facts && find_attribute(scope->facts, name) != InvalidAttrNumber)
		similar = psprintf("facts.%s", name);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("column \"%s\" does not exist", name),
			 similar ? errhint("Perhaps you meant to reference the column \"%s\".", similar)
					 : errhint("Should it be a text, write it in single quotes: %s.", quote_literal_cstr(name)),
			 parser_errposition(a->pstate, location)));
}

/* leads.country, NEW.country, address.city: none of them a name that a condition knows. */
static void
refuse_qualified(Analysis *a, ColumnRef *cref, const char *qualifier)
{
	const char *name = strVal(llast(cref->fields));
	bool is_column = find_attribute(a->scope->row, name) != InvalidAttrNumber;
	bool is_row = find_attribute(a->scope->row, qualifier) != InvalidAttrNumber;

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_TABLE),
			 errmsg("missing FROM-clause entry for table \"%s\"", qualifier),
			 is_row		 ? errhint("A field of the column \"%s\" is written (%s).%s.", qualifier,
								   quote_identifier(qualifier), quote_identifier(name))
			 : is_column ? errhint("Columns of the lead stand bare: write %s.", quote_identifier(name))
						 : errhint("A condition sees one lead: the row's columns and the row \"facts\"."),
			 parser_errposition(a->pstate, cref->location)));
}

static void
refuse_whole_row(Analysis *a, int location)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot use whole-row variable in condition"),
			 errhint("Name the columns: those of the lead bare, those of facts as facts.x."),
			 parser_errposition(a->pstate, location)));
}

/* The attribute whose name is nearest, as near as core's own hint demands; NULL if none is. */
static const char *
similar_attribute(TupleDesc desc, const char *name)
{
	SimilarName best = {NULL, 4};
	int length = strlen(name);
	int i;

	for (i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		const char *candidate = NameStr(attribute->attname);
		int distance;

		if (attribute->attisdropped)
			continue;
		distance = varstr_levenshtein_less_equal(name, length, candidate, strlen(candidate), 1, 1, 1,
												 best.distance - 1, true);
		/* core: no hint when more than half of the name differs */
		if (distance < best.distance && distance <= pg_mbstrlen(name) / 2)
		{
			best.name = candidate;
			best.distance = distance;
		}
	}
	return best.name;
}

static Node *
literal_parameter(ParseState *pstate, ParamRef *ref)
{
	Param *param = makeNode(Param);

	param->paramkind = PARAM_EXTERN;
	param->paramid = ref->number;
	param->paramtype = UNKNOWNOID;
	param->paramtypmod = -1;
	param->paramcollid = InvalidOid;
	param->location = ref->location;
	return (Node *) param;
}

/* A literal is to become a value of a type: look at the type, then do what core does with a constant. */
static Node *
coerce_literal(ParseState *pstate, Param *param, Oid type, int32 typmod, int location)
{
	Analysis *a = (Analysis *) pstate->p_ref_hook_state;

	if (param->paramtype != UNKNOWNOID)
		return NULL;
	lr_condition_check_type(type, param->location, pstate, a->trust);
	return coerce_type(pstate, (Node *) make_literal(a, param, param->location), UNKNOWNOID, type, typmod,
					   COERCION_IMPLICIT, COERCE_IMPLICIT_CAST, location);
}

static Const *
make_literal(Analysis *a, Param *param, int location)
{
	Const *literal = makeConst(UNKNOWNOID, -1, InvalidOid, -2,
							   CStringGetDatum((char *) list_nth(a->literals, param->paramid - 1)),
							   false, false);

	literal->location = location;
	return literal;
}

/* Literals that took no type, as in format('%s', 'x'), become what core makes of them. */
static Node *
replace_parameters(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Param))
		return (Node *) make_literal((Analysis *) context, (Param *) node, ((Param *) node)->location);
	return expression_tree_mutator(node, replace_parameters, context);
}

Bitmapset *
lr_condition_attributes(const Expr *expr, int varno)
{
	struct
	{
		int varno;
		Bitmapset *attributes;
	} context = {varno, NULL};

	attributes_walker((Node *) expr, &context);
	return context.attributes;
}

static bool
attributes_walker(Node *node, void *context)
{
	struct
	{
		int varno;
		Bitmapset *attributes;
	} *c = context;

	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		if (((Var *) node)->varno == c->varno)
			c->attributes = bms_add_member(c->attributes, ((Var *) node)->varattno);
		return false;
	}
	return expression_tree_walker(node, attributes_walker, context);
}

bool
lr_condition_holds(LrCondition *condition, ExprContext *econtext)
{
	bool isnull;
	Datum value = lr_condition_value(condition, econtext, &isnull);

	return !isnull && DatumGetBool(value);
}

/*
 * The caller's slots and per-tuple memory, our per-query memory: what an expression step keeps (the hash
 * of an IN list) must live as long as the step does.
 */
Datum
lr_condition_value(LrCondition *condition, ExprContext *econtext, bool *isnull)
{
	ExprContext *own = &condition->econtext;
	ErrorContextCallback callback;
	Datum value;

	own->ecxt_outertuple = econtext->ecxt_outertuple;
	own->ecxt_innertuple = econtext->ecxt_innertuple;
	own->ecxt_per_tuple_memory = econtext->ecxt_per_tuple_memory;
	if (condition->cannot_fail)
		return ExecEvalExprSwitchContext(condition->state, own, isnull);

	callback.callback = condition_error_callback;
	callback.arg = condition->text;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	value = ExecEvalExprSwitchContext(condition->state, own, isnull);
	error_context_stack = callback.previous;
	return value;
}

Bitmapset *
lr_condition_columns(const LrCondition *condition)
{
	return condition->columns;
}

Bitmapset *
lr_condition_facts(const LrCondition *condition)
{
	return condition->facts;
}

bool
lr_condition_cannot_fail(const LrCondition *condition)
{
	return condition->cannot_fail;
}

const Expr *
lr_condition_expr(const LrCondition *condition)
{
	return condition->expr;
}

const char *
lr_condition_text(const LrCondition *condition)
{
	return condition->text;
}

TupleDesc
lr_facts_desc(void)
{
	Oid type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("facts"),
							   ObjectIdGetDatum(lr_schema_oid()));

	if (!OidIsValid(type))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("type \"%s\" does not exist", "leadroute.facts"),
				 errhint("Install the extension with CREATE EXTENSION leadroute CASCADE.")));
	return lookup_rowtype_tupdesc_copy(type, -1);
}
