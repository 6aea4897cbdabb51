/*
 * country.c
 *		Codes of countries (ISO 3166-1) and their regions (ISO 3166-2) from what people
 *		write, and postal codes in one spelling.
 *
 * The names are constant tables in the library (country_data.h, made from Debian's
 * iso-codes by country_data.pl), so the functions are immutable and a look-up is a binary
 * search. Results that are const char * point into the tables.
 */
#include "postgres.h"

#include <ctype.h>

#include "access/detoast.h"
#include "compat.h"
#include "country.h"
#include "country_data.h"
#include "fmgr.h"
#include "fold.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

PG_FUNCTION_INFO_V1(lr_country_code_sql);
PG_FUNCTION_INFO_V1(lr_region_code_sql);
PG_FUNCTION_INFO_V1(lr_postal_key_sql);

/* Countries whose postal codes are digits only, and how many: what is shorter was a number on its way and lost its zeros. */
static const struct
{
	char country[3];
	int digits;
	bool plus_four; /* four more may follow */
} digit_codes[] = {
	{"us", 5, true},
	{"pr", 5, true},
	{"vi", 5, true},
	{"gu", 5, true},
	{"as", 5, true},
	{"mp", 5, true},
	{"au", 4, false},
	{"de", 5, false},
	{"es", 5, false},
	{"fi", 5, false},
	{"fr", 5, false},
	{"it", 5, false},
	{"kr", 5, false},
	{"mx", 5, false},
	{"no", 4, false},
};

static bool short_text(Datum datum, const char **data, int *len);
static char *name_key(const char *data, int len);
static const char *find_name(const LrPlaceName *names, int count, const char *key);
static const LrRegionRange *find_range(const char *country);
static int code_digits(const char *country, bool *plus_four);
static bool is_plus_four(const char *key);
static const char *find_nearest(const LrPlaceName *names, int count, const char *key, const char **name, int *distance);

/* country_code(country text) RETURNS text */
Datum
lr_country_code_sql(PG_FUNCTION_ARGS)
{
	const char *code = lr_country_of_datum(PG_GETARG_DATUM(0));

	if (code == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(code));
}

/* region_code(region text, country text) RETURNS text */
Datum
lr_region_code_sql(PG_FUNCTION_ARGS)
{
	const char *country = lr_country_of_datum(PG_GETARG_DATUM(1));
	const char *code;
	const char *data;
	int len;

	if (country == NULL || !short_text(PG_GETARG_DATUM(0), &data, &len))
		PG_RETURN_NULL();
	code = lr_region_code(data, len, country);
	if (code == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(code));
}

/* postal_key(postal_code text, country text) RETURNS text */
Datum
lr_postal_key_sql(PG_FUNCTION_ARGS)
{
	const char *country = NULL;
	char *key;
	const char *data;
	int len;

	if (PG_ARGISNULL(0) || !short_text(PG_GETARG_DATUM(0), &data, &len))
		PG_RETURN_NULL();
	if (!PG_ARGISNULL(1))
		country = lr_country_of_datum(PG_GETARG_DATUM(1));
	key = lr_postal_key(data, len, country);
	if (key == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(key));
}

/* The code of a country given as text, or NULL. */
const char *
lr_country_of_datum(Datum country)
{
	const char *data;
	int len;

	if (!short_text(country, &data, &len))
		return NULL;
	return lr_country_code(data, len);
}

/* The ISO 3166-1 alpha-2 code, in lower case, of a country's name or code; NULL where it is none. */
const char *
lr_country_code(const char *data, int len)
{
	const char *key = name_key(data, len);
	const char *code;
	const char *comma;

	lr_trim(&data, &len);
	/* NA is Namibia, N/A is not */
	if (len > 2 && strcmp(key, "na") == 0)
		return NULL;
	code = find_name(lr_country_names, lengthof(lr_country_names), key);
	/* Congo, Democratic Republic of the */
	if (code == NULL && (comma = memchr(data, ',', len)) != NULL && memchr(comma + 1, ',', data + len - comma - 1) == NULL)
	{
		char *turned = psprintf("%.*s %.*s", (int) (data + len - comma - 1), comma + 1, (int) (comma - data), data);

		code = find_name(lr_country_names, lengthof(lr_country_names), name_key(turned, strlen(turned)));
	}
	return code;
}

/* The second half of the ISO 3166-2 code, in lower case, of a region of the country; NULL where it has none of that name. */
const char *
lr_region_code(const char *data, int len, const char *country)
{
	const LrRegionRange *range = find_range(country);
	const char *code;

	if (range == NULL)
		return NULL;
	lr_trim(&data, &len);
	code = find_name(lr_region_names + range->first, range->count, name_key(data, len));
	/* US-CA */
	if (code == NULL && len > 3 && pg_strncasecmp(data, country, 2) == 0 && !isalnum((unsigned char) data[2]) && !IS_HIGHBIT_SET(data[2]))
		code = find_name(lr_region_names + range->first, range->count, name_key(data + 3, len - 3));
	return code;
}

/*
 * A postal code's letters and digits (ASCII's, after folding: no country has others), without the country's
 * sign before them, in lower case, palloc'd; NULL where nothing is left. A ZIP+4 keeps its hyphen, so that the five digits are a label's beginning.
 */
char *
lr_postal_key(const char *data, int len, const char *country)
{
	char *key;
	char *out;
	const char *next;
	bool plus_four;
	int digits = code_digits(country, &plus_four);

	lr_trim(&data, &len);
	key = lr_fold(data, len, LR_FOLD_ACCENTS);
	/* "D-80331", "SE-111 22", "PL 00-950", "GB-SW1A 1AA" */
	for (next = key; *next >= 'a' && *next <= 'z'; next++)
		;
	if (country != NULL && ((next > key && next - key <= 3 && *next == '-' && isdigit((unsigned char) next[1])) ||
							(next - key == 2 && (*next == '-' || *next == ' ') && next[1] && strncmp(key, country, 2) == 0)))
		key += next - key + 1;
	/* a number on its way through a spreadsheet */
	len = strlen(key);
	if (len > 2 && strcmp(key + len - 2, ".0") == 0 && (digits > 0 || strspn(key, "0123456789") == len - 2))
		key[len - 2] = '\0';
	/* nobody else writes it so */
	if (country == NULL && is_plus_four(key))
		return key;

	for (next = out = key; *next; next++)
	{
		if (!IS_HIGHBIT_SET(*next) && isalnum((unsigned char) *next))
			*out++ = *next;
	}
	*out = '\0';
	len = out - key;
	if (len == 0)
		return NULL;
	if (digits == 0 || strspn(key, "0123456789") != len)
		return key;
	if (plus_four && len > 5)
	{
		char *four = key + len - 4;

		if (len > 9 || len < 7)
			return key;
		return psprintf("%.*s%.*s-%s", 9 - len, "00", len - 4, key, four);
	}
	if (len < digits && len >= 3)
		return psprintf("%.*s%s", digits - len, "000", key);
	return key;
}

/*
 * The beginning of a postal code, as lr_postal_key would have it begin, palloc'd; perhaps "". Nothing is known of
 * lost zeros here.
 */
char *
lr_postal_part(const char *data, int len, const char *country)
{
	char *key;
	char *out;
	const char *next;
	bool plus_four;

	(void) code_digits(country, &plus_four);
	lr_trim(&data, &len);
	key = lr_fold(data, len, LR_FOLD_ACCENTS);
	for (next = out = key; *next; next++)
	{
		bool hyphen = *next == '-' && (plus_four || country == NULL) && out - key == 5 && strspn(key, "0123456789") >= 5;

		if (hyphen || (!IS_HIGHBIT_SET(*next) && isalnum((unsigned char) *next)))
			*out++ = *next;
	}
	*out = '\0';
	return key;
}

/* The codes of all countries, one a call, from *at = 0 on; NULL at the end. */
const char *
lr_country_next(int *at)
{
	static const char *codes[26 * 26];
	static int ncodes = 0;

	if (ncodes == 0)
	{
		/* a code is among its country's names */
		for (int i = 0; i < lengthof(lr_country_names); i++)
		{
			if (strcmp(lr_country_names[i].name, lr_country_names[i].code) == 0)
				codes[ncodes++] = lr_country_names[i].code;
		}
	}
	return *at < ncodes ? codes[(*at)++] : NULL;
}

/* The same for a country's regions; a code can come more than once. */
const char *
lr_region_next(const char *country, int *at)
{
	const LrRegionRange *range = find_range(country);

	if (range == NULL || *at >= range->count)
		return NULL;
	return lr_region_names[range->first + (*at)++].code;
}

/* The code of the country whose name or code is most like the text; *distance: letters that differ. For hints: it looks at all. */
const char *
lr_country_nearest(const char *data, int len, const char **name, int *distance)
{
	return find_nearest(lr_country_names, lengthof(lr_country_names), name_key(data, len), name, distance);
}

/* The same for the regions of a country; NULL where none are known. */
const char *
lr_region_nearest(const char *data, int len, const char *country, const char **name, int *distance)
{
	const LrRegionRange *range = find_range(country);

	if (range == NULL)
		return NULL;
	return find_nearest(lr_region_names + range->first, range->count, name_key(data, len), name, distance);
}

const char *
lr_country_data_version(void)
{
	return LR_COUNTRY_DATA_VERSION;
}

/* The bytes of a text that may be a name; false where it is too long for one, which is not detoasted. */
static bool
short_text(Datum datum, const char **data, int *len)
{
	text *input;

	if (toast_raw_datum_size(datum) - VARHDRSZ > LR_PLACE_MAX_INPUT)
		return false;
	input = DatumGetTextPP(datum);
	*data = VARDATA_ANY(input);
	*len = VARSIZE_ANY_EXHDR(input);
	return true;
}

/* A name as the tables hold it: folded words without blanks and without an article before or behind them. */
static char *
name_key(const char *data, int len)
{
	char *key = lr_fold_words(data, len);
	char *out = key;
	const char *next;

	/* Bahamas, The */
	len = strlen(key);
	if (len >= 7 && strcmp(key + len - 4, " the") == 0)
		key[len - 4] = '\0';
	for (next = key; *next; next++)
	{
		if (*next != ' ')
			*out++ = *next;
	}
	*out = '\0';
	if (strncmp(key, "the", 3) == 0 && strlen(key) >= 7)
		key += 3;
	return key;
}

static const char *
find_name(const LrPlaceName *names, int count, const char *key)
{
	int low = 0;
	int high = count - 1;

	while (low <= high)
	{
		int middle = (low + high) / 2;
		int cmp = strcmp(key, names[middle].name);

		if (cmp == 0)
			return names[middle].code;
		if (cmp < 0)
			high = middle - 1;
		else
			low = middle + 1;
	}
	return NULL;
}

static const LrRegionRange *
find_range(const char *country)
{
	int low = 0;
	int high = lengthof(lr_region_ranges) - 1;

	while (low <= high)
	{
		int middle = (low + high) / 2;
		int cmp = strcmp(country, lr_region_ranges[middle].country);

		if (cmp == 0)
			return &lr_region_ranges[middle];
		if (cmp < 0)
			high = middle - 1;
		else
			low = middle + 1;
	}
	return NULL;
}

/* 95199-0001 */
static bool
is_plus_four(const char *key)
{
	return strlen(key) == 10 && strspn(key, "0123456789") == 5 && key[5] == '-' && strspn(key + 6, "0123456789") == 4;
}

/* By Levenshtein's distance; of equals the one that begins alike longest. */
static const char *
find_nearest(const LrPlaceName *names, int count, const char *key, const char **name, int *distance)
{
	const char *code = NULL;
	int best_alike = 0;
	int len = strlen(key);

	*distance = len;
	if (len > LR_PLACE_MAX_INPUT)
		return NULL;
	for (int i = 0; i < count; i++)
	{
		int other = varstr_levenshtein_less_equal(key, len, names[i].name, strlen(names[i].name), 1, 1, 1, *distance, true);
		int alike = 0;

		while (key[alike] && key[alike] == names[i].name[alike])
			alike++;
		if (other < *distance || (other == *distance && code && alike > best_alike))
		{
			code = names[i].code;
			*name = names[i].name;
			*distance = other;
			best_alike = alike;
		}
	}
	return code;
}

/* How many digits a postal code of the country has; 0 where it is not of digits only, or not known. */
static int
code_digits(const char *country, bool *plus_four)
{
	int i;

	*plus_four = false;
	for (i = 0; country != NULL && i < lengthof(digit_codes); i++)
	{
		if (strcmp(digit_codes[i].country, country) == 0)
		{
			*plus_four = digit_codes[i].plus_four;
			return digit_codes[i].digits;
		}
	}
	return 0;
}
