/*
 * condition_check.c
 *		What a condition may call.
 *
 * A rule runs as whoever inserts, so it may call only what a superuser stands
 * for: what is built in, what belongs to leadroute, and what belongs to an
 * extension that leadroute.condition_extensions lists. Calls hide: in operators,
 * in casts (also by way of a type's input and output functions), in a domain's
 * checks, in the comparison of arrays, rows and ranges, in to_json's look for a
 * cast. So two things are walked: the functions of each node, and the types that
 * each node works with.
 *
 * Protocol: runs as the extension's owner under the fixed search_path (see
 * resolve_begin in condition.c), before anything of the expression is evaluated.
 * Literals of a type are converted while the expression is analysed; condition.c
 * asks lr_condition_check_type before each. Catalogs are read under AccessShareLock,
 * which is given back at once.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/pg_cast.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_range.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "compat.h"
#include "condition_check.h"
#include "leadroute.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"
#include "utils/varlena.h"

typedef struct CheckContext
{
	ParseState *pstate;
	LrConditionTrust *trust;
	Node *node;				/* the node whose functions are checked, NULL inside a domain's constraint */
	int location;			/* where to point */
	Oid domain;				/* inside a constraint of this domain, else InvalidOid */
	const char *constraint; /* its name */
} CheckContext;

/*
 * Built-in functions that are not volatile and still do more than compute: they
 * run SQL, run a type's input function by name, or take a transaction id.
 */
static const char *const refused_builtins[] = {
	"cursor_to_xml", "cursor_to_xmlschema",
	"database_to_xml", "database_to_xml_and_xmlschema", "database_to_xmlschema",
	"pg_current_xact_id", "pg_input_error_info", "pg_input_is_valid",
	"query_to_xml", "query_to_xml_and_xmlschema", "query_to_xmlschema",
	"schema_to_xml", "schema_to_xml_and_xmlschema", "schema_to_xmlschema",
	"table_to_xml", "table_to_xml_and_xmlschema", "table_to_xmlschema",
	"ts_rewrite", "ts_stat", "txid_current"};

static LrConditionTrust *look_up_trust(void);
static char *extension_schema(Oid extension);
static bool check_walker(Node *node, void *context);
static void refuse_kind(Node *node, CheckContext *context);
static void point_at_operator(Node *node, CheckContext *context);
static void check_row_fields(Node *node, CheckContext *context);
static bool check_input_types(Node *node, void *context);
static bool check_function(Oid function, void *context);
static bool is_trusted(Oid class_id, Oid object, LrConditionTrust *trust);
static bool is_refused_builtin(Oid function, Form_pg_proc proc);
static bool is_public(Oid function, HeapTuple tuple);
pg_noreturn static void refuse_function(Oid function, CheckContext *context, const char *detail);
static char *foreign_object_detail(Oid class_id, Oid object, bool *member);
static void check_type(Oid type, CheckContext *context);
pg_noreturn static void refuse_type(Oid type, CheckContext *context);
static void check_range(Oid type, CheckContext *context);
static void check_composite(Oid type, CheckContext *context);
static void check_domain(Oid type, CheckContext *context);
static void check_json_cast(Oid type, CheckContext *context);
static bool may_fail_walker(Node *node, void *context);
static bool is_plain_text_function(Node *node);
static bool is_libc_collation(Oid collation);
static bool is_whole_pattern(const Const *pattern);
static bool function_may_fail(Oid function, void *context);

/*
 * lr_condition_trust
 *		The same for the conditions of one command, as far as nothing was made in between: each condition would else look the extensions up
 *		in the catalog, which has no cache of them. The session's; it lives until the next call.
 */
LrConditionTrust *
lr_condition_trust(void)
{
	static MemoryContext mcxt = NULL;
	static LrConditionTrust *trust = NULL;
	static TimestampTz statement = 0;
	static CommandId command = InvalidCommandId;
	static LocalTransactionId transaction = InvalidLocalTransactionId;
	static char *setting = NULL;
	MemoryContext caller;

	if (trust && statement == GetCurrentStatementStartTimestamp() && command == GetCurrentCommandId(false) &&
		transaction == lr_local_transaction() && strcmp(setting, lr_condition_extensions) == 0)
		return trust;
	trust = NULL;
	if (mcxt == NULL)
		mcxt = AllocSetContextCreate(CacheMemoryContext, "leadroute condition extensions", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(mcxt);
	caller = MemoryContextSwitchTo(mcxt);
	setting = pstrdup(lr_condition_extensions);
	statement = GetCurrentStatementStartTimestamp();
	command = GetCurrentCommandId(false);
	transaction = lr_local_transaction();
	trust = look_up_trust();
	MemoryContextSwitchTo(caller);
	return trust;
}

/*
 *		The allowed extensions that are installed, and the search_path that goes with them.
 *
 * leadroute itself needs no entry in the setting. A name that is not installed is skipped: the default
 * names citext, which is no requirement.
 */
static LrConditionTrust *
look_up_trust(void)
{
	LrConditionTrust *trust = (LrConditionTrust *) palloc0(sizeof(LrConditionTrust));
	StringInfoData path;
	List *names;
	List *schemas = list_make2(makeString(pstrdup("pg_catalog")), makeString(pstrdup("leadroute")));
	ListCell *lc;

	trust->extensions = list_make1_oid(get_extension_oid("leadroute", true));
	initStringInfo(&path);
	appendStringInfoString(&path, "pg_catalog, leadroute");

	/* the setting is a list of identifiers; a list that is none was refused when it was set */
	if (!SplitIdentifierString(pstrdup(lr_condition_extensions), ',', &names))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for parameter \"%s\": \"%s\"", "leadroute.condition_extensions",
						lr_condition_extensions),
				 errdetail("List syntax is invalid.")));
	foreach(lc, names)
	{
		Oid extension = get_extension_oid((char *) lfirst(lc), true);
		char *schema;

		if (!OidIsValid(extension))
			continue;
		trust->extensions = list_append_unique_oid(trust->extensions, extension);
		schema = extension_schema(extension);
		if (schema == NULL || list_member(schemas, makeString(schema)))
			continue;
		schemas = lappend(schemas, makeString(schema));
		appendStringInfo(&path, ", %s", quote_identifier(schema));
	}
	/* last, or temporary types would come before everything */
	appendStringInfoString(&path, ", pg_temp");
	trust->search_path = path.data;
	return trust;
}

/* The name of the schema that an extension was installed into, palloc'd. */
static char *
extension_schema(Oid extension)
{
	Relation rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	char *schema = NULL;

	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(extension));
	scan = systable_beginscan(rel, ExtensionOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		schema = get_namespace_name(((Form_pg_extension) GETSTRUCT(tuple))->extnamespace);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return schema;
}

void
lr_condition_check_expr(Node *expr, ParseState *pstate, LrConditionTrust *trust)
{
	CheckContext context = {0};

	context.pstate = pstate;
	context.trust = trust;
	check_walker(expr, &context);
}

void
lr_condition_check_type(Oid type, int location, ParseState *pstate, LrConditionTrust *trust)
{
	CheckContext context = {0};

	context.pstate = pstate;
	context.trust = trust;
	context.location = location;
	check_type(type, &context);
}

static bool
check_walker(Node *node, void *context)
{
	CheckContext *c = (CheckContext *) context;

	if (node == NULL)
		return false;
	check_stack_depth();
	if (!IsA(node, List) && !OidIsValid(c->domain))
	{
		int location = exprLocation(node);

		if (location >= 0)
			c->location = location;
	}
	refuse_kind(node, c);

	/* arguments first: what stands inside is named before what it is passed to */
	{
		int location = c->location;

		expression_tree_walker(node, check_walker, context);
		c->location = location;
	}

	c->node = node;
	point_at_operator(node, c);
	check_functions_in_node(node, check_function, context);
	switch (nodeTag(node))
	{
			/* these call nothing, whatever their types are */
		case T_List:
		case T_Var:
		case T_Const:
		case T_Param:
		case T_NullTest:
		case T_BooleanTest:
		case T_BoolExpr:
		case T_RelabelType:
		case T_CollateExpr:
		case T_NamedArgExpr:
		case T_CaseWhen:
		case T_CaseTestExpr:
		case T_CoerceToDomainValue:
		case T_FieldSelect:
		case T_CoalesceExpr:
		case T_CaseExpr:
			break;
		case T_MinMaxExpr:
		{
			TypeCacheEntry *entry = lookup_type_cache(exprType(node), TYPECACHE_CMP_PROC);

			if (OidIsValid(entry->cmp_proc))
				check_function(entry->cmp_proc, context);
			check_type(exprType(node), c);
			break;
		}
		case T_RowExpr:
			check_row_fields(node, c);
			break;
		default:
			check_type(exprType(node), c);
			expression_tree_walker(node, check_input_types, context);
			break;
	}
	return false;
}

/* Refuse the kinds of expression that a condition cannot contain at all. */
static void
refuse_kind(Node *node, CheckContext *context)
{
	bool is_set = false;

	switch (nodeTag(node))
	{
		case T_SubLink:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot use subquery in condition"),
					 errhint("A condition sees one lead: the row's columns and the row \"facts\"."),
					 parser_errposition(context->pstate, context->location)));
			break;
		case T_Aggref:
			ereport(ERROR,
					(errcode(ERRCODE_GROUPING_ERROR),
					 errmsg("aggregate functions are not allowed in conditions"),
					 errhint("A condition sees one lead: the row's columns and the row \"facts\"."),
					 parser_errposition(context->pstate, context->location)));
			break;
		case T_GroupingFunc:
			ereport(ERROR,
					(errcode(ERRCODE_GROUPING_ERROR),
					 errmsg("grouping operations are not allowed in conditions"),
					 errhint("A condition sees one lead: the row's columns and the row \"facts\"."),
					 parser_errposition(context->pstate, context->location)));
			break;
		case T_WindowFunc:
			ereport(ERROR,
					(errcode(ERRCODE_WINDOWING_ERROR),
					 errmsg("window functions are not allowed in conditions"),
					 errhint("A condition sees one lead: the row's columns and the row \"facts\"."),
					 parser_errposition(context->pstate, context->location)));
			break;
		case T_NextValueExpr:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
					 errmsg("conditions must not take values of a sequence"),
					 parser_errposition(context->pstate, context->location)));
			break;
		case T_FuncExpr:
			is_set = ((FuncExpr *) node)->funcretset;
			break;
		case T_OpExpr:
			is_set = ((OpExpr *) node)->opretset;
			break;
		default:
			break;
	}
	if (is_set)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-returning functions are not allowed in conditions"),
				 errhint("A condition has one value for each lead."),
				 parser_errposition(context->pstate, context->location)));
}

/* As core does: an operator's fault is shown at the operator, not where its left operand begins. */
static void
point_at_operator(Node *node, CheckContext *context)
{
	int location = -1;

	if (OidIsValid(context->domain))
		return;
	if (IsA(node, OpExpr) || IsA(node, DistinctExpr) || IsA(node, NullIfExpr))
		location = ((OpExpr *) node)->location;
	else if (IsA(node, ScalarArrayOpExpr))
		location = ((ScalarArrayOpExpr *) node)->location;
	if (location >= 0)
		context->location = location;
}

/* An anonymous row hides its fields' types from whatever it is passed to. */
static void
check_row_fields(Node *node, CheckContext *context)
{
	ListCell *lc;

	check_type(exprType(node), context);
	foreach(lc, ((RowExpr *) node)->args)
		check_type(exprType((Node *) lfirst(lc)), context);
}

/* Called for each direct child of a node: checks its type, goes no deeper. */
static bool
check_input_types(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, List))
		return expression_tree_walker(node, check_input_types, context);
	check_type(exprType(node), (CheckContext *) context);
	return false;
}

/* A check_function_callback: throws, or returns false for "go on". */
static bool
check_function(Oid function, void *context)
{
	CheckContext *c = (CheckContext *) context;
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc proc;
	int i;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	proc = (Form_pg_proc) GETSTRUCT(tuple);

	if (function < FirstNormalObjectId)
	{
		if (is_refused_builtin(function, proc))
			refuse_function(function, c, "It does more than compute a value from its arguments.");
		if (!is_public(function, tuple))
			refuse_function(function, c, "Not everybody may call it, and a condition runs as whoever writes a lead.");
	}
	else
	{
		bool member;

		if (!is_trusted(ProcedureRelationId, function, c->trust))
			refuse_function(function, c, foreign_object_detail(ProcedureRelationId, function, &member));
		/* who owns an extension, but is no superuser, can add what he likes to it */
		if (proc->proowner != lr_extension_owner() && !superuser_arg(proc->proowner))
			refuse_function(function, c,
							psprintf("It belongs to role \"%s\", which is neither a superuser nor the owner of leadroute.",
									 GetUserNameFromId(proc->proowner, false)));
	}

	if (proc->provolatile == PROVOLATILE_VOLATILE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("functions in conditions must not be volatile"),
				 OidIsValid(c->domain) ? errdetail("Function %s in constraint \"%s\" of domain %s is volatile.",
												   format_procedure(function), c->constraint, format_type_be(c->domain))
									   : errdetail("Function %s is volatile: its value may change without its arguments changing.",
												   format_procedure(function)),
				 errhint("The instant of the decision is facts.at."),
				 parser_errposition(c->pstate, c->location)));

	/* input functions take a type by its number, and would run a domain's checks unseen */
	if (c->node && IsA(c->node, FuncExpr))
		for (i = 0; i < proc->pronargs; i++)
			if (proc->proargtypes.values[i] == CSTRINGOID || proc->proargtypes.values[i] == INTERNALOID)
				refuse_function(function, c,
								psprintf("It takes an argument of type %s.",
										 format_type_be(proc->proargtypes.values[i])));
	ReleaseSysCache(tuple);
	return false;
}

/* Built in, or a member of an allowed extension. */
static bool
is_trusted(Oid class_id, Oid object, LrConditionTrust *trust)
{
	if (object < FirstNormalObjectId)
		return true;
	return list_member_oid(trust->extensions, getExtensionOfObject(class_id, object));
}

static bool
is_refused_builtin(Oid function, Form_pg_proc proc)
{
	int i;

	for (i = 0; i < lengthof(refused_builtins); i++)
		if (strcmp(NameStr(proc->proname), refused_builtins[i]) == 0)
			return true;
	return false;
}

/*
 * May everybody execute a built-in function? The condition is compiled as the owner of the extension, so
 * that a plain role's leads are routed; that must not open what an administrator closed.
 */
static bool
is_public(Oid function, HeapTuple tuple)
{
	bool no_acl;
	NameData grantee;

	(void) SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_proacl, &no_acl);
	if (no_acl)
		return true;
	namestrcpy(&grantee, "public");
	return DatumGetBool(DirectFunctionCall3(has_function_privilege_name_id, NameGetDatum(&grantee),
											ObjectIdGetDatum(function), CStringGetTextDatum("EXECUTE")));
}

/* Name what the user wrote: the operator or the cast where the function is hidden behind one. */
static void
refuse_function(Oid function, CheckContext *context, const char *detail)
{
	Oid opno = InvalidOid;
	Node *node = context->node;
	char *what;
	bool member = false;

	if (!is_trusted(ProcedureRelationId, function, context->trust))
		(void) foreign_object_detail(ProcedureRelationId, function, &member);

	if (OidIsValid(context->domain))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("domain %s is not allowed in conditions", format_type_be(context->domain)),
				 errdetail("Its constraint \"%s\" calls function %s. %s", context->constraint,
						   format_procedure(function), detail),
				 errhint("Conditions use what is built in, what leadroute brings, and the extensions listed in leadroute.condition_extensions."),
				 parser_errposition(context->pstate, context->location)));

	if (node && (IsA(node, OpExpr) || IsA(node, DistinctExpr) || IsA(node, NullIfExpr)))
		opno = ((OpExpr *) node)->opno;
	else if (node && IsA(node, ScalarArrayOpExpr))
		opno = ((ScalarArrayOpExpr *) node)->opno;

	if (OidIsValid(opno))
		what = psprintf("operator %s", format_operator(opno));
	else if (node && IsA(node, FuncExpr) && ((FuncExpr *) node)->funcformat != COERCE_EXPLICIT_CALL &&
			 ((FuncExpr *) node)->args != NIL)
		what = psprintf("cast from type %s to type %s",
						format_type_be(exprType((Node *) linitial(((FuncExpr *) node)->args))),
						format_type_be(((FuncExpr *) node)->funcresulttype));
	else if (node && IsA(node, CoerceViaIO))
		what = psprintf("cast from type %s to type %s",
						format_type_be(exprType((Node *) ((CoerceViaIO *) node)->arg)),
						format_type_be(((CoerceViaIO *) node)->resulttype));
	else
		what = psprintf("function %s", format_procedure(function));

	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("%s is not allowed in conditions", what),
			 strncmp(what, "function", 8) == 0 ? errdetail("%s", detail) : errdetail("It calls function %s. %s", format_procedure(function), detail),
			 member ? errhint("A superuser may add the extension to leadroute.condition_extensions.") : errhint("Conditions use what is built in, what leadroute brings, and the extensions listed in leadroute.condition_extensions."),
			 parser_errposition(context->pstate, context->location)));
}

/* Where an object that is not allowed comes from; *member tells whether an extension brings it. */
static char *
foreign_object_detail(Oid class_id, Oid object, bool *member)
{
	Oid extension = getExtensionOfObject(class_id, object);

	*member = OidIsValid(extension);
	if (*member)
		return psprintf("It belongs to extension \"%s\", which leadroute.condition_extensions does not list.",
						get_extension_name(extension));
	return pstrdup("It is neither built in nor part of an extension.");
}

/* See lr_condition_check_type. */
static void
check_type(Oid type, CheckContext *context)
{
	Oid element;

	/* what is built in calls what is built in; RECORD's fields are checked where they are put together */
	if (type < FirstNormalObjectId)
		return;
	check_stack_depth();
	element = get_element_type(type);
	if (OidIsValid(element))
	{
		check_type(element, context);
		return;
	}
	if (is_trusted(TypeRelationId, type, context->trust))
		return;

	switch (get_typtype(type))
	{
		case TYPTYPE_ENUM:
			break;
		case TYPTYPE_COMPOSITE:
			check_composite(type, context);
			break;
		case TYPTYPE_DOMAIN:
			check_domain(type, context);
			check_type(getBaseType(type), context);
			break;
		case TYPTYPE_RANGE:
			check_range(type, context);
			break;
		case TYPTYPE_MULTIRANGE:
			check_range(get_multirange_range(type), context);
			break;
		default:
			refuse_type(type, context);
	}
	check_json_cast(type, context);
}

static void
refuse_type(Oid type, CheckContext *context)
{
	bool member;
	char *detail = foreign_object_detail(TypeRelationId, type, &member);

	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("type %s is not allowed in conditions", format_type_be(type)),
			 errdetail("%s", detail),
			 member ? errhint("A superuser may add the extension to leadroute.condition_extensions.") : errhint("Conditions use what is built in, what leadroute brings, and the extensions listed in leadroute.condition_extensions."),
			 parser_errposition(context->pstate, context->location)));
}

/* A range type's functions: those of its operator class, its canonical function, and its subtype's. */
static void
check_range(Oid type, CheckContext *context)
{
	HeapTuple tuple = SearchSysCache1(RANGETYPE, ObjectIdGetDatum(type));
	Form_pg_range range;
	bool allowed;
	Oid subtype;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for range type %u", type);
	range = (Form_pg_range) GETSTRUCT(tuple);
	subtype = range->rngsubtype;
	allowed = is_trusted(OperatorClassRelationId, range->rngsubopc, context->trust) &&
			  (!OidIsValid(range->rngcanonical) || is_trusted(ProcedureRelationId, range->rngcanonical, context->trust));
	ReleaseSysCache(tuple);
	if (!allowed)
		refuse_type(type, context);
	check_type(subtype, context);
}

static void
check_composite(Oid type, CheckContext *context)
{
	TupleDesc desc = lookup_rowtype_tupdesc_copy(type, -1);
	int i;

	for (i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (!attribute->attisdropped)
			check_type(attribute->atttypid, context);
	}
	FreeTupleDesc(desc);
}

/*
 * A domain's own CHECK constraints, as they stand in the catalog: the type cache holds them planned, with
 * a user's SQL function perhaps already replaced by its body of that moment.
 */
static void
check_domain(Oid type, CheckContext *context)
{
	CheckContext inner = *context;
	Relation rel = table_open(ConstraintRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	HeapTuple typtup = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	Oid base;

	if (!HeapTupleIsValid(typtup))
		elog(ERROR, "cache lookup failed for type %u", type);
	base = ((Form_pg_type) GETSTRUCT(typtup))->typbasetype;
	ReleaseSysCache(typtup);

	inner.domain = type;
	inner.node = NULL;
	ScanKeyInit(&key, Anum_pg_constraint_contypid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(type));
	scan = systable_beginscan(rel, ConstraintTypidIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool isnull;
		Datum bin = fastgetattr(tuple, Anum_pg_constraint_conbin, RelationGetDescr(rel), &isnull);

		if (isnull)
			continue; /* NOT NULL, which has no expression */
		inner.constraint = NameStr(((Form_pg_constraint) GETSTRUCT(tuple))->conname);
		check_walker((Node *) stringToNode(TextDatumGetCString(bin)), &inner);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);

	/* a domain over a domain brings that one's constraints */
	check_type(base, context);
}

/* to_json and its kin look for a user type's cast to json, and call it. */
static void
check_json_cast(Oid type, CheckContext *context)
{
	HeapTuple tuple = SearchSysCache2(CASTSOURCETARGET, ObjectIdGetDatum(type), ObjectIdGetDatum(JSONOID));
	Oid function;

	if (!HeapTupleIsValid(tuple))
		return;
	function = ((Form_pg_cast) GETSTRUCT(tuple))->castfunc;
	ReleaseSysCache(tuple);
	if (OidIsValid(function) && !is_trusted(ProcedureRelationId, function, context->trust))
		refuse_type(type, context);
}

bool
lr_condition_takes_any_row(Node *expr)
{
	return !may_fail_walker(expr, NULL);
}

/* Unknown kinds of node may fail. */
static bool
may_fail_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_List:
		case T_Var:
		case T_Const:
		case T_BoolExpr:
		case T_NullTest:
		case T_BooleanTest:
		case T_RelabelType:
		case T_CollateExpr:
		case T_CoalesceExpr:
		case T_CaseExpr:
		case T_CaseWhen:
		case T_CaseTestExpr:
		case T_FuncExpr:
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
		case T_ScalarArrayOpExpr:
		case T_RowCompareExpr:
			break;
		case T_MinMaxExpr:
		{
			TypeCacheEntry *entry = lookup_type_cache(exprType(node), TYPECACHE_CMP_PROC);

			if (!OidIsValid(entry->cmp_proc) || !get_func_leakproof(entry->cmp_proc))
				return true;
			break;
		}
		default:
			return true;
	}
	if (is_plain_text_function(node))
		return expression_tree_walker(node, may_fail_walker, context);
	if (check_functions_in_node(node, function_may_fail, NULL))
		return true;
	return expression_tree_walker(node, may_fail_walker, context);
}

/*
 * lower(), upper() and LIKE are not marked as leakproof, but under a collation of the C library they take any text; a
 * pattern must be known and not end in a lone backslash.
 */
static bool
is_plain_text_function(Node *node)
{
	Oid function = InvalidOid;
	Oid collation;
	List *args;

	if (IsA(node, FuncExpr))
	{
		function = ((FuncExpr *) node)->funcid;
		collation = ((FuncExpr *) node)->inputcollid;
		args = ((FuncExpr *) node)->args;
	}
	else if (IsA(node, OpExpr))
	{
		function = get_opcode(((OpExpr *) node)->opno);
		collation = ((OpExpr *) node)->inputcollid;
		args = ((OpExpr *) node)->args;
	}
	else
		return false;
	switch (function)
	{
		case F_LOWER_TEXT:
		case F_UPPER_TEXT:
			return is_libc_collation(collation);
		case F_TEXTLIKE:
		case F_TEXTNLIKE:
			return is_libc_collation(collation) && IsA(lsecond(args), Const) && is_whole_pattern(lsecond(args));
		default:
			return false;
	}
}

static bool
is_libc_collation(Oid collation)
{
	HeapTuple tuple;
	bool libc;

	if (collation == C_COLLATION_OID)
		return true;
	if (collation == DEFAULT_COLLATION_OID)
	{
		tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(MyDatabaseId));
		libc = HeapTupleIsValid(tuple) && ((Form_pg_database) GETSTRUCT(tuple))->datlocprovider == COLLPROVIDER_LIBC;
	}
	else
	{
		tuple = SearchSysCache1(COLLOID, ObjectIdGetDatum(collation));
		libc = HeapTupleIsValid(tuple) && ((Form_pg_collation) GETSTRUCT(tuple))->collprovider == COLLPROVIDER_LIBC;
	}
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return libc;
}

static bool
is_whole_pattern(const Const *pattern)
{
	bool escaped = false;
	char *string;

	if (pattern->constisnull)
		return true;
	string = TextDatumGetCString(pattern->constvalue);
	for (const char *at = string; *at; at++)
		escaped = *at == '\\' && !escaped;
	pfree(string);
	return !escaped;
}

static bool
function_may_fail(Oid function, void *context)
{
	return !get_func_leakproof(function);
}
