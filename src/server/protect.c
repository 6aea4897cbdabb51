/*
 * protect.c
 *		Running what may fail without losing the lead.
 */
#include "postgres.h"

#include "access/xact.h"
#include "protect.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

static bool must_rise(int sqlerrcode);

ErrorData *
lr_protect(ProtectedCall call, void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	/* what the call allocates belongs to the caller */
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		call(arg);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;

	if (error && must_rise(error->sqlerrcode))
		ReThrowError(error);
	return error;
}

static bool
must_rise(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case MAKE_SQLSTATE('4', '0', '0', '0', '0'): /* transaction rollback */
		case MAKE_SQLSTATE('5', '7', '0', '0', '0'): /* operator intervention */
		case MAKE_SQLSTATE('5', '8', '0', '0', '0'): /* system error */
		case MAKE_SQLSTATE('X', 'X', '0', '0', '0'): /* internal error: hiding it would hide corruption */
			return sqlerrcode != ERRCODE_INTERNAL_ERROR;
		default:
			return false;
	}
}
