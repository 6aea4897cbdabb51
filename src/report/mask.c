/*
 * mask.c
 *		A value about a person, shown so that it does not tell whom it is about: leadroute.mask().
 *
 * Pure functions of their arguments. One letter is one character of the database's encoding.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "mask.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/formatting.h"

PG_FUNCTION_INFO_V1(lr_sql_mask);

/* Digits of a phone number that are shown, and how many it must have for that. */
#define SHOWN_DIGITS 2
#define MIN_DIGITS 5

static char *mask_phone(const char *value);
static char *mask_name(const char *value);

/* mask(kind text, value text) RETURNS text */
Datum
lr_sql_mask(PG_FUNCTION_ARGS)
{
	char *kind = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *value = text_to_cstring(PG_GETARG_TEXT_PP(1));

	PG_RETURN_TEXT_P(cstring_to_text(lr_mask(kind, value)));
}

char *
lr_mask(const char *kind, const char *value)
{
	const char *domain = strrchr(value, '@');

	if (*value == '\0')
		return pstrdup("");
	if (strcmp(kind, "phone") == 0)
		return mask_phone(value);
	if (strcmp(kind, "name") == 0)
		return mask_name(value);
	if (strcmp(kind, "email") != 0 || domain == value)
		domain = NULL;
	return psprintf("%.*s***%s", pg_mblen(value), value, domain ? domain : "");
}

/* Every digit but the last two; of a short number these too. */
static char *
mask_phone(const char *value)
{
	char *masked = pstrdup(value);
	int digits = 0;
	int shown = 0;

	for (const char *c = value; *c; c++)
		digits += *c >= '0' && *c <= '9';
	for (char *c = masked; *c; c++)
		if (*c >= '0' && *c <= '9' && (digits < MIN_DIGITS || ++shown <= digits - SHOWN_DIGITS))
			*c = '*';
	return masked;
}

/* The first letter of each word. */
static char *
mask_name(const char *value)
{
	static const char blanks[] = " \t\r\n\f\v";
	StringInfoData initials;

	initStringInfo(&initials);
	for (value += strspn(value, blanks); *value; value += strspn(value, blanks))
	{
		appendStringInfo(&initials, "%s%s.", initials.len ? " " : "", str_toupper(value, pg_mblen(value), DEFAULT_COLLATION_OID));
		value += strcspn(value, blanks);
	}
	return initials.data;
}
