/*
 * number.c
 *		The number in what people and exports write for one: 1,234, $1M-$5M, 10,001+, 51-200 employees.
 *
 * Of a band it is the lower end, which is what "at least" asks for. Pure: no settings, no tables.
 */
#include "postgres.h"

#include <ctype.h>
#include <math.h>

#include "compat.h"
#include "fmgr.h"
#include "leadroute.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

PG_FUNCTION_INFO_V1(lr_number_of);

/* More digits than a double keeps. */
#define NUMBER_DIGITS 15

static const char *first_digit(const char *text, const char *end);
static bool is_below(const char *text, const char *digits);
static const char *read_number(const char *at, const char *end, double *number);
static const char *read_group(const char *at, const char *end, bool points);
static const char *read_scale(const char *at, const char *end, double *scale);
static const char *skip_range(const char *at, const char *end);
static bool is_word(const char *at, size_t length, const char *word);

/* number_of(value text): NULL where there is none. */
Datum
lr_number_of(PG_FUNCTION_ARGS)
{
	text *value = PG_GETARG_TEXT_PP(0);
	const char *text = VARDATA_ANY(value);
	const char *end = text + VARSIZE_ANY_EXHDR(value);
	const char *digits = first_digit(text, end);
	const char *at;
	double number;
	double scale;

	if (digits == NULL)
		PG_RETURN_NULL();
	at = read_number(digits, end, &number);
	if (at == NULL)
		PG_RETURN_NULL();
	at = read_scale(at, end, &scale);
	if (scale == 1 && (at = skip_range(at, end)) != NULL)
	{
		/* 10-50 million: the first end is one of millions too */
		double upper;

		at = first_digit(at, end);
		if (at != NULL && (at = read_number(at, end, &upper)) != NULL)
		{
			(void) read_scale(at, end, &scale);
			if (number > upper)
				scale = 1;
		}
	}
	number *= scale;
	if (is_below(text, digits))
		number = 0;
	if (digits > text && digits[-1] == '-' && (digits == text + 1 || isspace((unsigned char) digits[-2])))
		number = -number;
	PG_RETURN_DATUM(DirectFunctionCall1(float8_numeric, Float8GetDatum(number)));
}

static const char *
first_digit(const char *text, const char *end)
{
	for (; text < end; text++)
		if (isdigit((unsigned char) *text))
			return text;
	return NULL;
}

/* <10, under 1M, up to 50: whatever that is, it begins at nothing. */
static bool
is_below(const char *text, const char *digits)
{
	static const char *const words[] = {"less", "under", "below", "up", "fewer", "max"};

	for (const char *at = text; at < digits; at++)
	{
		if (*at == '<')
			return true;
		for (size_t i = 0; i < lengthof(words); i++)
			if ((at == text || !isalpha((unsigned char) at[-1])) && is_word(at, digits - at, words[i]))
				return true;
	}
	return false;
}

/* Where the number ends; NULL where it has more digits than count. */
static const char *
read_number(const char *at, const char *end, double *number)
{
	const char *group;
	bool points = false; /* part groups: one did */
	int since = 0;		 /* digits since the last mark */
	double unit = 1;
	int digits = 0;

	*number = 0;
	while (at < end && isdigit((unsigned char) *at))
	{
		*number = *number * 10 + (*at++ - '0');
		if (++digits > NUMBER_DIGITS)
			return NULL;
		since++;
		group = since <= 3 ? read_group(at, end, points) : NULL;
		if (group)
		{
			points = *at == '.';
			since = 0;
			at = group;
		}
	}
	if (at + 1 < end && (*at == '.' || *at == ',') && isdigit((unsigned char) at[1]))
		for (at++; at < end && isdigit((unsigned char) *at); at++)
			if (++digits <= NUMBER_DIGITS)
			{
				unit *= 10;
				*number = *number * 10 + (*at - '0');
			}
	*number /= unit;
	return at;
}

/*
 * Where three digits begin that a mark parts from those before; NULL where none do. A single point is a decimal one, as
 * everywhere in SQL; `points` tells that one has parted groups before.
 */
static const char *
read_group(const char *at, const char *end, bool points)
{
	const char *next = at;

	if (end - at >= 5 && memcmp(at, "\xc2\xa0", 2) == 0) /* a blank that does not break */
		next += 2;
	else if (end - at >= 4 && (*at == ',' || *at == '\'' || *at == ' ' || *at == '.'))
		next++;
	else
		return NULL;
	for (int i = 0; i < 3; i++)
		if (!isdigit((unsigned char) next[i]))
			return NULL;
	if (next + 3 < end && isdigit((unsigned char) next[3]))
		return NULL;
	if (*at == '.' && !points && !(next + 3 < end && next[3] == '.'))
		return NULL;
	return next;
}

/* k, M, bn and the like, where no other letters follow; 1 and the same place where there is none. */
static const char *
read_scale(const char *at, const char *end, double *scale)
{
	static const struct
	{
		const char *word;
		double scale;
	} words[] = {{"k", 1e3}, {"thousand", 1e3}, {"m", 1e6}, {"mm", 1e6}, {"mn", 1e6}, {"mio", 1e6}, {"mil", 1e6}, {"million", 1e6}, {"millions", 1e6}, {"b", 1e9}, {"bn", 1e9}, {"billion", 1e9}, {"billions", 1e9}};
	const char *from = at;

	while (from < end && *from == ' ')
		from++;
	for (size_t i = 0; i < lengthof(words); i++)
		if (is_word(from, end - from, words[i].word))
		{
			*scale = words[i].scale;
			return from + strlen(words[i].word);
		}
	*scale = 1;
	return at;
}

/* Past a sign or word between two ends; NULL where there is none. */
static const char *
skip_range(const char *at, const char *end)
{
	while (at < end && *at == ' ')
		at++;
	if (at < end && *at == '-')
		return at + 1;
	if (end - at >= 3 && (memcmp(at, "\xe2\x80\x93", 3) == 0 || memcmp(at, "\xe2\x80\x94", 3) == 0)) /* dashes */
		return at + 3;
	return is_word(at, end - at, "to") ? at + 2 : NULL;
}

/* Does the word stand there, in any case, with no letter after it? */
static bool
is_word(const char *at, size_t length, const char *word)
{
	size_t n = strlen(word);

	return n <= length && pg_strncasecmp(at, word, n) == 0 && (n == length || !isalpha((unsigned char) at[n]));
}
