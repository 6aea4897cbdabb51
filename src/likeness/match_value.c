/*
 * match_value.c
 *		Values as leads are compared by them: the canonical key where there is one, else what is
 *		left without case, accents and punctuation.
 *
 * A value that is no valid e-mail or phone number is kept here, unlike in email_key() and
 * phone_key(): it identifies nobody, but a slip of the pen is what find_duplicates() looks for.
 * What says nothing (n/a, unknown, 00000) is NULL.
 */
#include "postgres.h"

#include <ctype.h>

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "company.h"
#include "compat.h"
#include "country.h"
#include "domain.h"
#include "email.h"
#include "fmgr.h"
#include "fold.h"
#include "match_value.h"
#include "mb/pg_wchar.h"
#include "phone.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(lr_match_value_sql);
PG_FUNCTION_INFO_V1(lr_match_values_sql);

/* bytes; what is longer is a story */
#define MAX_VALUE 500

/* How the words of an address are written short, and numbers in digits. */
static const struct
{
	const char *word;
	const char *key;
} address_words[] = {
	{"street", "st"}, {"str", "st"}, {"sts", "st"}, {"strasse", "st"}, {"road", "rd"}, {"avenue", "ave"}, {"av", "ave"}, {"aven", "ave"}, {"boulevard", "blvd"}, {"blv", "blvd"}, {"boul", "blvd"}, {"drive", "dr"}, {"lane", "ln"}, {"la", "ln"}, {"place", "pl"}, {"square", "sq"}, {"court", "ct"}, {"highway", "hwy"}, {"parkway", "pkwy"}, {"crescent", "cres"}, {"circuit", "cct"}, {"circle", "cir"}, {"close", "cl"}, {"terrace", "tce"}, {"ter", "tce"}, {"trail", "trl"}, {"suite", "ste"}, {"floor", "fl"}, {"building", "bldg"}, {"apartment", "apt"}, {"unit", "apt"}, {"mount", "mt"}, {"saint", "st"}, {"village", "vlge"}, {"retirement", "retrmnt"}, {"north", "n"}, {"south", "s"}, {"east", "e"}, {"west", "w"}, {"northeast", "ne"}, {"northwest", "nw"}, {"southeast", "se"}, {"southwest", "sw"}, {"first", "1st"}, {"second", "2nd"}, {"third", "3rd"}, {"fourth", "4th"}, {"fifth", "5th"}, {"sixth", "6th"}, {"seventh", "7th"}, {"eighth", "8th"}, {"ninth", "9th"}, {"tenth", "10th"}, {"eleventh", "11th"}, {"twelfth", "12th"}, {"one", "1"}, {"two", "2"}, {"three", "3"}, {"four", "4"}, {"five", "5"}, {"six", "6"}, {"seven", "7"}, {"eight", "8"}, {"nine", "9"}, {"ten", "10"}};

static char *fold_value(LrMatchKind kind, const char *data, int len, const char *country);
static char *in_latin(char *text);
static char *email_value(const char *data, int len);
static char *phone_value(const char *data, int len, const char *country);
static char *address_value(const char *words);
static char *date_value(const char *data, int len);
static char *join_words(char *words);

/* match_value(kind text, value text, country text) RETURNS text */
Datum
lr_match_value_sql(PG_FUNCTION_ARGS)
{
	text *name;
	text *value;
	LrMatchKind kind;
	char *key;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	name = PG_GETARG_TEXT_PP(0);
	if (!lr_match_kind(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name), &kind))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("kind cannot be \"%s\"", text_to_cstring(name)),
				 errhint("The kinds are those that leadroute.match_levels() lists.")));
	if (toast_raw_datum_size(PG_GETARG_DATUM(1)) - VARHDRSZ > (kind == LR_MATCH_WEBSITE ? LR_DOMAIN_MAX_URL : MAX_VALUE))
		PG_RETURN_NULL();
	value = PG_GETARG_TEXT_PP(1);
	key = lr_match_value(kind, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value),
						 PG_ARGISNULL(2) ? NULL : lr_country_of_datum(PG_GETARG_DATUM(2)));
	if (key == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(key));
}

/* match_values(kinds text[], raw text[], country text) RETURNS text[]: a value a field, in their order */
Datum
lr_match_values_sql(PG_FUNCTION_ARGS)
{
	const char *country = PG_ARGISNULL(2) ? NULL : lr_country_of_datum(PG_GETARG_DATUM(2));
	Datum *kinds;
	Datum *values;
	bool *no_kind;
	bool *null;
	int n;
	int n_values;
	int lower = 1;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, TYPALIGN_INT, &kinds, &no_kind, &n);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &values, &null, &n_values);
	if (n != n_values)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("there are %d kinds and %d values", n, n_values)));
	for (int i = 0; i < n; i++)
	{
		LrMatchKind kind;
		char *key = NULL;

		if (no_kind[i] || !lr_match_kind(VARDATA_ANY(DatumGetPointer(kinds[i])), VARSIZE_ANY_EXHDR(DatumGetPointer(kinds[i])), &kind))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("kind cannot be \"%s\"", no_kind[i] ? "NULL" : TextDatumGetCString(kinds[i]))));
		if (!null[i])
		{
			int len = VARSIZE_ANY_EXHDR(DatumGetPointer(values[i]));

			if (len <= (kind == LR_MATCH_WEBSITE ? LR_DOMAIN_MAX_URL : MAX_VALUE))
				key = lr_match_value(kind, VARDATA_ANY(DatumGetPointer(values[i])), len, country);
		}
		null[i] = key == NULL;
		values[i] = key == NULL ? (Datum) 0 : CStringGetTextDatum(key);
	}
	PG_RETURN_ARRAYTYPE_P(construct_md_array(values, null, 1, &n, &lower, TEXTOID, -1, false, TYPALIGN_INT));
}

/* The value as it is compared, palloc'd; NULL where it says nothing. "country" is a code or NULL. */
char *
lr_match_value(LrMatchKind kind, const char *data, int len, const char *country)
{
	char *key;

	lr_trim(&data, &len);
	if (len == 0)
		return NULL;
	switch (kind)
	{
		case LR_MATCH_EMAIL:
			key = email_value(data, len);
			break;
		case LR_MATCH_PHONE:
			key = phone_value(data, len, country);
			break;
		case LR_MATCH_WEBSITE:
		{
			const char *problem;

			key = lr_domain_key(data, len, &problem);
			break;
		}
		case LR_MATCH_POSTAL_CODE:
			key = lr_postal_key(data, len, country);
			if (key && strspn(key, "0") == strlen(key))
				key = NULL;
			break;
		case LR_MATCH_BIRTH_DATE:
			key = date_value(data, len);
			break;
		default:
			key = fold_value(kind, data, len, country);
			break;
	}
	return key && *key ? key : NULL;
}

static char *
fold_value(LrMatchKind kind, const char *data, int len, const char *country)
{
	char *words = lr_fold_words(data, len);
	const char *code = NULL;

	if (lr_says_nothing(words))
		return NULL;
	switch (kind)
	{
		case LR_MATCH_COMPANY:
			return lr_company_key(data, len);
		case LR_MATCH_ADDRESS:
			return address_value(words);
		case LR_MATCH_REGION:
			if (country)
				code = lr_region_code(data, len, country);
			break;
		case LR_MATCH_COUNTRY:
			code = lr_country_code(data, len);
			break;
		case LR_MATCH_FIRST_NAME:
		case LR_MATCH_LAST_NAME:
		case LR_MATCH_CITY:
			return in_latin(join_words(words));
		default:
			break;
	}
	return code ? pstrdup(code) : join_words(words);
}

/* Cyrillic and Greek letters as a passport has them, near enough for a likeness: Щербаков is shcherbakov. The text is folded, so й is и and ё is е. */
static char *
in_latin(char *text)
{
	static const char *const cyrillic[] = {
		"a", "b", "v", "g", "d", "e", "zh", "z", "i", "i", "k", "l", "m", "n", "o", "p", "r", "s", "t", "u", "f", "kh", "ts", "ch", "sh", "shch", "", "y", "", "e", "yu", "ya",
		"e", "e", "dj", "g", "e", "dz", "i", "i", "j", "lj", "nj", "c", "k", "i", "u", "dz"};
	static const char *const greek[] = {
		"a", "v", "g", "d", "e", "z", "i", "th", "i", "k", "l", "m", "n", "x", "o", "p", "r", "s", "s", "t", "y", "f", "ch", "ps", "o"};
	char *key;
	char *out;

	if (GetDatabaseEncoding() != PG_UTF8)
		return text;
	/* two bytes become four letters at most */
	out = key = palloc(strlen(text) * 2 + 1);
	while (*text)
	{
		int width = pg_utf_mblen((const unsigned char *) text);
		const char *latin = NULL;

		if (width == 2)
		{
			pg_wchar letter = utf8_to_unicode((const unsigned char *) text);

			if (letter >= 0x430 && letter < 0x430 + lengthof(cyrillic))
				latin = cyrillic[letter - 0x430];
			else if (letter >= 0x3B1 && letter < 0x3B1 + lengthof(greek))
				latin = greek[letter - 0x3B1];
			else if (letter == 0x491)
				latin = "g";
		}
		if (latin)
		{
			memcpy(out, latin, strlen(latin));
			out += strlen(latin);
		}
		else
		{
			memcpy(out, text, width);
			out += width;
		}
		text += width;
	}
	*out = '\0';
	return key;
}

static char *
email_value(const char *data, int len)
{
	const char *problem;
	char *key = lr_email_key(data, len, LR_EMAIL_TAGS | LR_EMAIL_DOTS, &problem);
	char *folded;

	if (key)
		return key;
	folded = lr_fold(data, len, 0);
	if (lr_says_nothing(lr_fold_words(data, len)) || strlen(folded) < 5)
		return NULL;
	return folded;
}

static char *
phone_value(const char *data, int len, const char *country)
{
	LrPhone phone;
	LrPhoneProblem problem;
	char region[3] = "";
	char *digits;
	int n = 0;
	int same = 0;

	if (len > LR_PHONE_MAX_INPUT)
		return NULL;
	if (GetDatabaseEncoding() != PG_UTF8)
	{
		/* libphonenumber reads UTF-8; what is not ASCII can only be a mark between digits */
		char *copy = pnstrdup(data, len);

		for (int i = 0; i < len; i++)
		{
			if (IS_HIGHBIT_SET(copy[i]))
				copy[i] = ' ';
		}
		data = copy;
	}
	if (country)
	{
		/* libphonenumber wants capitals */
		region[0] = toupper((unsigned char) country[0]);
		region[1] = toupper((unsigned char) country[1]);
	}
	problem = lr_phone_parse(data, len, region, &phone);
	if (problem == LR_PHONE_FINE)
		return pstrdup(phone.e164);
	if (problem == LR_PHONE_SERVICE || problem == LR_PHONE_PLACEHOLDER)
		return NULL;
	digits = palloc(len + 1);
	for (int i = 0; i < len; i++)
	{
		if (isdigit((unsigned char) data[i]))
		{
			same += n > 0 && digits[n - 1] == data[i];
			digits[n++] = data[i];
		}
	}
	digits[n] = '\0';
	return n < 6 || n > 18 || same >= n - 2 ? NULL : digits;
}

static char *
address_value(const char *words)
{
	char *key = palloc(strlen(words) * 2 + 1);
	char *out = key;

	while (*words)
	{
		int width = strcspn(words, " ");
		const char *word = words;
		int word_width = width;

		for (int i = 0; i < (int) lengthof(address_words); i++)
		{
			if (strlen(address_words[i].word) == (size_t) width && memcmp(address_words[i].word, words, width) == 0)
			{
				word = address_words[i].key;
				word_width = strlen(word);
				break;
			}
		}
		if (out > key)
			*out++ = ' ';
		memcpy(out, word, word_width);
		out += word_width;
		words += width;
		if (*words == ' ')
			words++;
	}
	*out = '\0';
	return key;
}

/*
 * YYYYMMDD out of digits in the order year, month, day, or with the year behind (the month first, unless it
 * cannot be one: a swap is near, not different). NULL for anything else, and for the dates that systems put
 * where they know none.
 */
static char *
date_value(const char *data, int len)
{
	int part[3] = {0, 0, 0};
	int width[3] = {0, 0, 0};
	int n = 0;
	int i;
	char *key;

	for (i = 0; i < len && n < 3; i++)
	{
		if (isdigit((unsigned char) data[i]))
		{
			if (width[n] == 8)
				return NULL;
			part[n] = part[n] * 10 + data[i] - '0';
			width[n]++;
		}
		else if (width[n] > 0)
		{
			/* what follows a blank after three parts is a time of day */
			n++;
		}
	}
	if (n < 3 && width[n] > 0)
		n++;
	if (n == 1 && width[0] == 8)
	{
		part[2] = part[0] % 100;
		part[1] = part[0] / 100 % 100;
		part[0] = part[0] / 10000;
	}
	else if (n == 3 && width[2] == 4 && width[0] <= 2 && width[1] <= 2)
	{
		int year = part[2];

		part[2] = part[0] > 12 ? part[0] : part[1];
		part[1] = part[0] > 12 ? part[1] : part[0];
		part[0] = year;
	}
	else if (n != 3 || width[0] != 4 || width[1] > 2 || width[2] > 2)
		return NULL;
	if (part[0] < 1800 || (part[1] <= 1 && part[2] <= 1 && (part[0] == 1900 || part[0] == 1970)))
		return NULL;
	key = palloc(9);
	snprintf(key, 9, "%04d%02d%02d", part[0] % 10000, part[1] % 100, part[2] % 100);
	return key;
}

/* Without its blanks, in place. */
static char *
join_words(char *words)
{
	char *out = words;

	for (char *next = words; *next; next++)
	{
		if (*next != ' ')
			*out++ = *next;
	}
	*out = '\0';
	return words;
}
