/*
 * subtransaction.c
 *		Lists of what waits in memory for the subtransaction that it belongs to.
 *
 * Memory: list and items are the caller's, in TopTransactionContext. What a rolled back subtransaction left there is freed at once: a
 * function that catches an error a row opens one a row.
 */
#include "postgres.h"

#include "subtransaction.h"

List *
lr_subtransaction_abort(List *items, SubTransactionId subid, void (*forget)(void *item))
{
	ListCell *cell;

	foreach(cell, items)
	{
		OfSubtransaction *item = lfirst(cell);

		if (item->subid != subid)
			continue;
		items = foreach_delete_current(items, cell);
		forget(item);
	}
	return items;
}

void
lr_subtransaction_reparent(List *items, SubTransactionId subid, SubTransactionId parent)
{
	ListCell *cell;

	foreach(cell, items)
	{
		OfSubtransaction *item = lfirst(cell);

		if (item->subid == subid)
			item->subid = parent;
	}
}
