/*
 * hint.c
 *		What to do about errors of the server's own that leadroute's triggers cause.
 *
 * ALTER COLUMN TYPE refuses a column that a trigger's WHEN names, before any event trigger could help. The WHEN is what
 * makes an UPDATE of other columns cost nothing; so the error says which trigger to drop, and the event trigger for
 * ALTER TABLE puts it back (50_attach.sql).
 */
#include "postgres.h"

#include "hint.h"

static emit_log_hook_type previous_hook = NULL;

static void add_hint(ErrorData *edata);

void
lr_hint_init(void)
{
	previous_hook = emit_log_hook;
	emit_log_hook = add_hint;
}

/* Called with the message complete and not yet sent, in its own memory context. */
static void
add_hint(ErrorData *edata)
{
	if (edata->elevel == ERROR && edata->sqlerrcode == ERRCODE_FEATURE_NOT_SUPPORTED && edata->hint == NULL &&
		edata->detail && strstr(edata->detail, " 0_leadroute_update "))
		edata->hint = MemoryContextStrdup(edata->assoc_context,
										  _("DROP TRIGGER \"0_leadroute_update\" first, in the same transaction: "
											"leadroute puts it back after the ALTER TABLE."));
	if (previous_hook)
		previous_hook(edata);
}
