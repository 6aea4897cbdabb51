/*
 * territory_cut.c
 *		The two ordered lines that territories are made of, as byte strings: folded
 *		labels, and numbers in an order-keeping code.
 *
 * Labels: the line is all strings over the folded alphabet, ordered by bytes (in UTF-8
 * that is by code point). Folding must give the same bytes on every machine and in
 * every release, as the bytes are in indexes; so it is neither the collation's nor the
 * C library's: ASCII everywhere, and where the database is UTF-8 a frozen table of
 * Unicode's simple case folding, one character to one character, so that prefixes
 * stay prefixes. Other multi-byte encodings are refused.
 *
 * Numbers: sign and weight in the first byte, then base-10000 digits of two bytes each,
 * the lowest bit saying that more follow, so that no code is the beginning of another;
 * a negative number is the complement of its opposite.
 *		0x80 zero; 0xC0 + w positive, w the weight (power of 10000) of the first digit,
 *		-62 <= w <= 61; 0x81 and 0xFF stand for points nearer to zero or larger.
 */
#include "postgres.h"

#include "compat.h"
#include "territory.h"
#include "territory_fold.h"

#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/fmgrprotos.h"

#define MIN_WEIGHT (-62)
#define MAX_WEIGHT 61
#define MAX_GROUPS 125 /* 124 that text can have, and one that says "and more" */

static pg_wchar fold_char(pg_wchar c);
static int last_char(LrCut cut, pg_wchar *c);
static LrCut replace_last(LrCut cut, int keep, pg_wchar c);
static int encode_number(bool negative, int weight, const int16 *groups, int ngroups, bool more, uint8 *code);

/* Territories need an encoding in which any string of characters can be cut anywhere. */
void
lr_check_encoding(void)
{
	if (pg_database_encoding_max_length() > 1 && GetDatabaseEncoding() != PG_UTF8)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("type territory is not supported for encoding \"%s\"", GetDatabaseEncodingName()),
				 errhint("Use a database in UTF8 or in a single-byte encoding.")));
}

/* Folds into result, which has room for LR_LABEL_FOLDED(len) bytes; returns the length. */
int
lr_label_fold(const char *label, int len, char *result)
{
	bool utf8 = GetDatabaseEncoding() == PG_UTF8;
	const unsigned char *p = (const unsigned char *) label;
	const unsigned char *end = p + len;
	unsigned char *out = (unsigned char *) result;

	while (p < end)
	{
		if (*p < 0x80 || !utf8)
		{
			*out++ = (*p >= 'A' && *p <= 'Z') ? *p + ('a' - 'A') : *p;
			p++;
		}
		else
		{
			int size = pg_utf_mblen(p);

			if (p + size > end)
				size = end - p; /* cannot happen in a valid string */
			if (size > 1)
			{
				pg_wchar c = fold_char(utf8_to_unicode(p));

				unicode_to_utf8(c, out);
				out += pg_utf_mblen(out);
			}
			else
				*out++ = *p;
			p += size;
		}
	}
	return (char *) out - result;
}

static pg_wchar
fold_char(pg_wchar c)
{
	int low = 0;
	int high = lengthof(lr_fold_runs) - 1;

	if (c < 0x80)
		return (c >= 'A' && c <= 'Z') ? c + ('a' - 'A') : c;
	while (low <= high)
	{
		int middle = (low + high) / 2;
		const LrFoldRun *run = &lr_fold_runs[middle];

		if (c < run->first)
			high = middle - 1;
		else if (c > run->last)
			low = middle + 1;
		else
			return (c - run->first) % run->step == 0 ? (pg_wchar) ((int32) c + run->delta) : c;
	}
	return c;
}

LrCut
lr_cut_copy(const void *data, int len)
{
	uint8 *copy = palloc(len + 1);
	LrCut cut = {copy, len};

	if (len > 0)
		memcpy(copy, data, len);
	copy[len] = '\0';
	return cut;
}

/* The cut just after exactly this label or number. */
LrCut
lr_cut_after(LrCut value)
{
	uint8 *copy = palloc(value.len + 1);
	LrCut cut = {copy, value.len + 1};

	if (value.len > 0)
		memcpy(copy, value.data, value.len);
	copy[value.len] = 0x01;
	return cut;
}

/*
 * The cut after everything that begins with the label: its last character is raised
 * to the next one that folding leaves alone. False where there is none (the label is
 * empty or of the last character alone): then nothing comes after.
 */
bool
lr_label_next(LrCut label, LrCut *next)
{
	while (label.len > 0)
	{
		bool utf8 = GetDatabaseEncoding() == PG_UTF8;
		pg_wchar most = utf8 ? 0x10FFFF : 0xFF;
		pg_wchar c;
		int keep = last_char(label, &c);

		while (c < most)
		{
			c++;
			if (utf8 && c >= 0xD800 && c <= 0xDFFF)
				c = 0xE000;
			if ((utf8 || c < 0x80) && fold_char(c) != c)
				continue;
			*next = replace_last(label, keep, c);
			return true;
		}
		label.len = keep;
	}
	return false;
}

/* The label that lr_label_next() raises to this cut, which is not empty and does not end with \x01. */
LrCut
lr_label_previous(LrCut cut)
{
	bool utf8 = GetDatabaseEncoding() == PG_UTF8;
	pg_wchar c;
	int keep = last_char(cut, &c);

	do
	{
		c--;
		if (utf8 && c >= 0xD800 && c <= 0xDFFF)
			c = 0xD7FF;
	} while (c > 1 && (utf8 || c < 0x80) && fold_char(c) != c);
	return replace_last(cut, keep, c);
}

/* The last character; returns the length of what stands before it. */
static int
last_char(LrCut cut, pg_wchar *c)
{
	int keep = cut.len - 1;

	if (GetDatabaseEncoding() == PG_UTF8)
	{
		while (keep > 0 && (cut.data[keep] & 0xC0) == 0x80)
			keep--;
		*c = utf8_to_unicode(cut.data + keep);
	}
	else
		*c = cut.data[keep];
	return keep;
}

static LrCut
replace_last(LrCut cut, int keep, pg_wchar c)
{
	uint8 *copy = palloc(keep + 5);
	LrCut result = {copy, keep + 1};

	memcpy(copy, cut.data, keep);
	if (GetDatabaseEncoding() == PG_UTF8)
	{
		unicode_to_utf8(c, copy + keep);
		result.len = keep + pg_utf_mblen(copy + keep);
	}
	else
		copy[keep] = (uint8) c;
	return result;
}

/*
 * The code of a decimal number, as numeric writes it, without blanks. Returns its
 * length, or 0 with *why set: what is wrong, to follow the number in a sentence.
 */
int
lr_number_from_text(const char *text, int len, uint8 *code, const char **why)
{
	const char *p = text;
	const char *end = text + len;
	bool negative = false;
	char digits[2 * LR_TERRITORY_MAX_DIGITS + 8];
	int ndigits = 0;
	int point = 0;	  /* digits before the decimal point */
	int trailing = 0; /* zeros seen since the last other digit */
	bool seen_point = false;
	bool any = false;
	int weight;
	int ngroups;
	int first;
	int16 groups[MAX_GROUPS];

	if (p < end && (*p == '+' || *p == '-'))
		negative = *p++ == '-';
	for (; p < end; p++)
	{
		if (*p == '.' && !seen_point)
		{
			seen_point = true;
			continue;
		}
		if (*p < '0' || *p > '9')
			break;
		any = true;
		if (*p == '0' && ndigits == 0)
			point -= seen_point ? 1 : 0; /* leading zeros */
		else if (*p == '0')
		{
			trailing++;
			point += seen_point ? 0 : 1;
		}
		else
		{
			point += seen_point ? 0 : 1;
			if (ndigits + trailing >= (int) sizeof(digits))
			{
				*why = "has too many digits";
				return 0;
			}
			memset(digits + ndigits, '0', trailing);
			ndigits += trailing;
			trailing = 0;
			digits[ndigits++] = *p;
		}
	}
	if (any && p < end && (*p == 'e' || *p == 'E'))
	{
		int exponent = 0;
		bool minus = false;
		const char *start;

		p++;
		if (p < end && (*p == '+' || *p == '-'))
			minus = *p++ == '-';
		for (start = p; p < end && *p >= '0' && *p <= '9'; p++)
			exponent = Min(exponent * 10 + (*p - '0'), 100000);
		if (p == start)
			any = false;
		point += minus ? -exponent : exponent;
	}
	if (!any || p < end)
	{
		*why = "is not a number";
		return 0;
	}
	if (ndigits == 0)
	{
		code[0] = 0x80;
		return 1;
	}
	if (point > LR_TERRITORY_MAX_DIGITS || ndigits - point > LR_TERRITORY_MAX_DIGITS)
	{
		*why = "has too many digits";
		return 0;
	}

	/* groups of four, aligned at the decimal point */
	weight = point > 0 ? (point - 1) / 4 : -((4 - point) / 4);
	first = point - 4 * weight;
	ngroups = (ndigits - first + 3) / 4 + 1;
	if (ndigits <= first)
		ngroups = 1;
	for (int i = 0, at = first - 4; i < ngroups; i++, at += 4)
	{
		int group = 0;

		for (int j = at; j < at + 4; j++)
			group = group * 10 + (j >= 0 && j < ndigits ? digits[j] - '0' : 0);
		groups[i] = group;
	}
	return encode_number(negative, weight, groups, ngroups, false, code);
}

/*
 * The code of a numeric, for a point: 0 where it is NaN or infinite. What is beyond the
 * limits lands where it belongs among the numbers that are not.
 */
int
lr_number_from_numeric(Datum number, uint8 *code)
{
	bytea *wire = DatumGetByteaPP(DirectFunctionCall1(numeric_send, number));
	StringInfoData buf;
	int ndigits;
	int weight;
	int sign;
	int ngroups = 0;
	bool more = false; /* digits that no code has room for */
	int16 groups[MAX_GROUPS];

	buf.data = VARDATA_ANY(wire);
	buf.len = buf.maxlen = VARSIZE_ANY_EXHDR(wire);
	buf.cursor = 0;
	ndigits = (int16) pq_getmsgint(&buf, 2);
	weight = (int16) pq_getmsgint(&buf, 2);
	sign = pq_getmsgint(&buf, 2);
	pq_getmsgint(&buf, 2); /* display scale */
	if (sign != 0x0000 && sign != 0x4000)
		return 0;
	for (int i = 0; i < ndigits; i++)
	{
		int group = pq_getmsgint(&buf, 2);

		if (ngroups == 0 && group == 0)
			weight--;
		else if (ngroups < MAX_GROUPS)
			groups[ngroups++] = group;
		else if (group != 0)
			more = true;
	}
	pfree(wire);
	if (ngroups == 0)
	{
		code[0] = 0x80;
		return 1;
	}
	return encode_number(sign == 0x4000, weight, groups, ngroups, more, code);
}

static int
encode_number(bool negative, int weight, const int16 *groups, int ngroups, bool more, uint8 *code)
{
	int len = 1;

	while (ngroups > 1 && groups[ngroups - 1] == 0 && !more)
		ngroups--;
	if (weight > MAX_WEIGHT)
		code[0] = 0xFF;
	else if (weight < MIN_WEIGHT)
		code[0] = 0x81;
	else
	{
		code[0] = 0xC0 + weight;
		for (int i = 0; i < ngroups; i++)
		{
			uint16 digit = groups[i] << 1 | (i < ngroups - 1 || more ? 1 : 0);

			code[len++] = digit >> 8;
			code[len++] = digit & 0xFF;
		}
	}
	if (negative)
		for (int i = 0; i < len; i++)
			code[i] = ~code[i];
	return len;
}

/* Appends the number that a cut begins with, as decimal text; returns the length of its code. */
int
lr_number_to_text(LrCut cut, StringInfo buf)
{
	bool negative = cut.data[0] < 0x80;
	uint8 mask = negative ? 0xFF : 0x00;
	uint8 head = cut.data[0] ^ mask;
	int weight = (int) head - 0xC0;
	int len = 1;
	bool more = true;
	StringInfoData digits;
	int point;
	int start = 0;

	if (cut.data[0] == 0x80)
	{
		appendStringInfoChar(buf, '0');
		return 1;
	}
	if (weight > MAX_WEIGHT || weight < MIN_WEIGHT)
	{
		/* only a point can be there */
		if (negative)
			appendStringInfoChar(buf, '-');
		appendStringInfo(buf, "1e%s%d", weight > 0 ? "" : "-", LR_TERRITORY_MAX_DIGITS + 1);
		return 1;
	}

	initStringInfo(&digits);
	while (more && len + 2 <= cut.len)
	{
		uint16 digit = (cut.data[len] ^ mask) << 8 | (cut.data[len + 1] ^ mask);

		appendStringInfo(&digits, "%04d", digit >> 1);
		more = (digit & 1) != 0;
		len += 2;
	}
	point = 4 * (weight + 1);
	while (digits.len > 0 && digits.data[digits.len - 1] == '0')
		digits.len--;
	while (start < digits.len && digits.data[start] == '0')
		start++;
	if (negative)
		appendStringInfoChar(buf, '-');
	if (point <= start)
	{
		/* all digits are behind the point: 0.00ddd */
		appendStringInfoString(buf, "0.");
		for (int i = point; i < start; i++)
			appendStringInfoChar(buf, '0');
		appendBinaryStringInfo(buf, digits.data + start, digits.len - start);
	}
	else
	{
		for (int i = start; i < Max(point, digits.len); i++)
		{
			if (i == point)
				appendStringInfoChar(buf, '.');
			appendStringInfoChar(buf, i < digits.len ? digits.data[i] : '0');
		}
	}
	pfree(digits.data);
	return len;
}
