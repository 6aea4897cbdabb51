/*
 * phone_sql.c
 *		The SQL functions about phone numbers; phone.cpp has the knowledge.
 *
 * phone_key and phone_extension of one value are asked for after each other, so each call
 * site parses for itself: some 20 microseconds, 10 where the value is in E.164 already.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "compat.h"
#include "country.h"
#include "fmgr.h"
#include "fold.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "phone_sql.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(lr_phone_key_sql);
PG_FUNCTION_INFO_V1(lr_phone_extension_sql);
PG_FUNCTION_INFO_V1(lr_phone_problem_sql);

static LrPhoneProblem parse_arguments(FunctionCallInfo fcinfo, LrPhone *phone);

void
lr_phone_init(void)
{
	if (process_shared_preload_libraries_in_progress)
		lr_phone_load();
}

/* phone_key(phone text, region text) RETURNS text */
Datum
lr_phone_key_sql(PG_FUNCTION_ARGS)
{
	LrPhone phone;

	if (PG_ARGISNULL(0) || parse_arguments(fcinfo, &phone) != LR_PHONE_FINE)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(phone.e164));
}

/* phone_extension(phone text, region text) RETURNS text */
Datum
lr_phone_extension_sql(PG_FUNCTION_ARGS)
{
	LrPhone phone;

	if (PG_ARGISNULL(0) || parse_arguments(fcinfo, &phone) != LR_PHONE_FINE || phone.extension[0] == '\0')
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(phone.extension));
}

/* phone_problem(phone text, region text) RETURNS text */
Datum
lr_phone_problem_sql(PG_FUNCTION_ARGS)
{
	LrPhone phone;
	const char *problem;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	problem = lr_phone_problem_text(parse_arguments(fcinfo, &phone));
	if (problem == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(problem));
}

/* The arguments (phone, region), phone not NULL. A region that is NULL or no country is none. */
static LrPhoneProblem
parse_arguments(FunctionCallInfo fcinfo, LrPhone *phone)
{
	text *input;

	/* blanks around it count too: nobody's number has a page of them */
	if (toast_raw_datum_size(PG_GETARG_DATUM(0)) - VARHDRSZ > LR_PHONE_MAX_INPUT)
		return LR_PHONE_TOO_LONG;
	input = PG_GETARG_TEXT_PP(0);
	return lr_phone_read(VARDATA_ANY(input), VARSIZE_ANY_EXHDR(input),
						 PG_ARGISNULL(1) ? NULL : lr_country_of_datum(PG_GETARG_DATUM(1)), phone);
}

/* lr_phone_parse for text of the database's encoding, blanks around it, and a country by its code (NULL: not known). */
LrPhoneProblem
lr_phone_read(const char *data, int len, const char *country, LrPhone *phone)
{
	char region[3] = "";

	lr_trim(&data, &len);
	if (GetDatabaseEncoding() != PG_UTF8)
	{
		/* libphonenumber reads UTF-8; what is not ASCII can only be a mark between digits */
		char *copy = pnstrdup(data, len);
		int i;

		for (i = 0; i < len; i++)
		{
			if (IS_HIGHBIT_SET(copy[i]))
				copy[i] = ' ';
		}
		data = copy;
	}
	if (country != NULL)
	{
		region[0] = pg_ascii_toupper(country[0]);
		region[1] = pg_ascii_toupper(country[1]);
	}
	return lr_phone_parse(data, len, region, phone);
}

/* Why a number has no key, to be read after "the number"; NULL where it has one. */
const char *
lr_phone_problem_text(LrPhoneProblem problem)
{
	switch (problem)
	{
		case LR_PHONE_FINE:
			return NULL;
		case LR_PHONE_NO_NUMBER:
			return "is no phone number";
		case LR_PHONE_NO_COUNTRY:
			return "has no country code, and no country is known to read it in";
		case LR_PHONE_UNKNOWN_CODE:
			return "has a country code that no country has";
		case LR_PHONE_TOO_SHORT:
			return "is too short";
		case LR_PHONE_TOO_LONG:
			return "is too long";
		case LR_PHONE_INVALID:
			return "is a number that its country does not give out";
		case LR_PHONE_SERVICE:
			return "is toll-free or another service, nobody's own";
		case LR_PHONE_PLACEHOLDER:
			return "is a placeholder, nobody's own";
		case LR_PHONE_FAILED:
			return "could not be read: libphonenumber failed";
	}
	return NULL; /* keep compiler quiet */
}
