/*
 * attach.c
 *		What attach, detach and catch_up need from C: proof that their caller owns the
 *		leads table, and whether a procedure may commit.
 *
 * The work itself is PL/pgSQL that runs as the extension's owner (SECURITY DEFINER,
 * nothing granted). There the caller cannot be seen any more: current_user is the
 * extension's owner, and GetOuterUserId() is the session's role, not the one of a
 * SECURITY DEFINER function that calls us. So each such function has a front door here,
 * SECURITY INVOKER, that checks GetUserId() and then calls the function of the same
 * name and arguments with "_owned" behind its name. A call through fmgr asks for no
 * EXECUTE privilege, which is why nobody needs one on the inner function.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "leadroute.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "owner.h"
#include "parser/parse_func.h"
#include "pending.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(lr_call_for_owner);
PG_FUNCTION_INFO_V1(lr_caller_is_admin);
PG_FUNCTION_INFO_V1(lr_may_commit);

static void require_owner(Oid relid);
static FmgrInfo *inner_function(FmgrInfo *flinfo);

/* Of the call that the door let in; false outside of it. */
static bool caller_is_admin = false;

/* The front door: first argument the table, which the caller must own. */
Datum
lr_call_for_owner(PG_FUNCTION_ARGS)
{
	LOCAL_FCINFO(inner, FUNC_MAX_ARGS);
	const char *outer_path = lr_caller_search_path;
	bool outer_admin = caller_is_admin;
	Datum result;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the leads table must not be null")));
	require_owner(PG_GETARG_OID(0));
	/* what this transaction did to the table's leads is written under the attachment as it was */
	lr_pending_settle();

	InitFunctionCallInfoData(*inner, inner_function(fcinfo->flinfo), PG_NARGS(),
							 PG_GET_COLLATION(), NULL, NULL);
	for (int i = 0; i < PG_NARGS(); i++)
		inner->args[i] = fcinfo->args[i];

	lr_caller_search_path = pstrdup(namespace_search_path);
	caller_is_admin = has_privs_of_role(GetUserId(), get_role_oid("leadroute_admin", false));
	PG_TRY();
	{
		result = FunctionCallInvoke(inner);
	}
	PG_FINALLY();
	{
		lr_caller_search_path = outer_path;
		caller_is_admin = outer_admin;
	}
	PG_END_TRY();
	fcinfo->isnull = inner->isnull;
	return result;
}

/* caller_is_admin(): what only the door can tell its inner function of who came. */
Datum
lr_caller_is_admin(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(caller_is_admin);
}

/* Errors, in core's words, unless the current user has the rights of the table's owner. */
static void
require_owner(Oid relid)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Form_pg_class form;
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	form = (Form_pg_class) GETSTRUCT(tuple);
	owner = form->relowner;
	if (!has_privs_of_role(GetUserId(), owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of table %s", NameStr(form->relname)),
				 errhint("Its owner is \"%s\".", GetUserNameFromId(owner, false))));
	ReleaseSysCache(tuple);
}

/* The function behind the door, looked up once per call site; lives in fn_mcxt. */
static FmgrInfo *
inner_function(FmgrInfo *flinfo)
{
	FmgrInfo *inner = (FmgrInfo *) flinfo->fn_extra;

	if (inner == NULL)
	{
		HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(flinfo->fn_oid));
		Form_pg_proc form;
		char *name;
		Oid function;

		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for function %u", flinfo->fn_oid);
		form = (Form_pg_proc) GETSTRUCT(tuple);
		name = psprintf("%s_owned", NameStr(form->proname));
		function = LookupFuncName(list_make2(makeString(get_namespace_name(form->pronamespace)),
											 makeString(name)),
								  form->pronargs, form->proargtypes.values, false);
		ReleaseSysCache(tuple);

		inner = (FmgrInfo *) MemoryContextAlloc(flinfo->fn_mcxt, sizeof(FmgrInfo));
		fmgr_info_cxt(function, inner, flinfo->fn_mcxt);
		flinfo->fn_extra = inner;
	}
	return inner;
}

/*
 * Whether the PL/pgSQL procedure that asks may COMMIT: false in a transaction block, in
 * a function, in a block with an EXCEPTION clause.
 */
Datum
lr_may_commit(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(SPI_inside_nonatomic_context());
}
