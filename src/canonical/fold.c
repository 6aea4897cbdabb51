/*
 * fold.c
 *		Text as canonical keys see it: Unicode compatibility forms, case and accents.
 *
 * Folding is NFKD, loss of accents where asked for, the simple case folding that labels of
 * territories use (territory_fold.h), and NFKC: full-width letters, ligatures and
 * decomposed text come to one spelling. Composing in the end keeps Hangul syllables and
 * kana with their sound marks whole. In a database of another encoding than UTF8 only
 * ASCII letters fold, since nothing else can be told.
 *
 * Normalization takes quadratic time where many combining marks follow each other: long text is folded in pieces of at most
 * PIECE bytes, cut where a character begins that joins no other, so that time is linear in the length. (Where a piece
 * has no such place, a hundred marks on one letter, the cut changes nothing that anybody could read.)
 */
#include "postgres.h"

#include <ctype.h>

#include "common/unicode_norm.h"
#include "fold.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "territory.h"

#define PIECE 128

static char *fold_piece(const char *data, int len, int options);
static int piece_length(const char *data, int len);
static char *fold_ascii(const char *data, int len);
static pg_wchar *decode(const char *data, int len);
static char *encode(const pg_wchar *chars, bool alikes);
static void strip_accents(pg_wchar *chars);
static const char *letter_alike(pg_wchar c);
static bool is_apostrophe(pg_wchar c);
static bool is_punctuation(pg_wchar c);
static bool is_blank(pg_wchar c);
static int compare_words(const void *key, const void *element);

/* What people and forms write where they say nothing, as lr_fold_words leaves it ("[not provided]", "N/A"); in order. */
static const char *const nothing[] = {
	"anonymous", "blank", "desconhecido", "desconocido", "empty", "inconnu", "k a", "keine angabe", "n a", "na", "nan", "nil", "no", "no name",
	"none", "noname", "not applicable", "not available", "not given", "not known", "not provided", "not specified", "null", "sconosciuto",
	"tba", "tbd", "test", "unbekannt", "undefined", "unknown", "unspecified", "xx", "xxx"};

/* The folded text, palloc'd and terminated. */
char *
lr_fold(const char *data, int len, int options)
{
	StringInfoData folded;
	int i;

	for (i = 0; i < len && !IS_HIGHBIT_SET(data[i]); i++)
		;
	if (i == len || GetDatabaseEncoding() != PG_UTF8)
		return fold_ascii(data, len);
	if (len <= PIECE)
		return fold_piece(data, len, options);
	initStringInfo(&folded);
	while (len > 0)
	{
		int piece = piece_length(data, len);

		appendStringInfoString(&folded, fold_piece(data, piece, options));
		data += piece;
		len -= piece;
	}
	return folded.data;
}

/* Where to cut: before the last ASCII character, else the last letter of a script that joins none, else any character. */
static int
piece_length(const char *data, int len)
{
	int letter = 0;
	int any = 0;
	int at = 0;

	if (len <= PIECE)
		return len;
	for (int i = PIECE; i >= PIECE / 2; i--)
	{
		if (!IS_HIGHBIT_SET(data[i]))
			return i;
	}
	while (at <= PIECE)
	{
		pg_wchar c = utf8_to_unicode((const unsigned char *) data + at);

		if (at > 0)
		{
			any = at;
			if ((c >= 0x00C0 && c < 0x0300) || (c >= 0x0370 && c < 0x0483) || (c >= 0x05D0 && c < 0x05EB) || (c >= 0x0620 && c < 0x064B) ||
				(c >= 0x3041 && c < 0x3097) || (c >= 0x309D && c < 0xA000) || (c >= 0xAC00 && c < 0xD7A4))
				letter = at;
		}
		at += pg_utf_mblen((const unsigned char *) data + at);
	}
	return letter > 0 ? letter : any;
}

static char *
fold_piece(const char *data, int len, int options)
{
	char *folded;
	char *encoded;
	pg_wchar *chars;
	int folded_len;

	chars = unicode_normalize(UNICODE_NFKD, decode(data, len));
	if (options & LR_FOLD_ACCENTS)
		strip_accents(chars);
	encoded = encode(chars, (options & LR_FOLD_ACCENTS) != 0);
	len = strlen(encoded);
	folded = palloc(LR_LABEL_FOLDED(len) + 1);
	folded_len = lr_label_fold(encoded, len, folded);

	/* folding can make a capital's alike out of a small one (Ø is ø only now) */
	chars = unicode_normalize(UNICODE_NFKD, decode(folded, folded_len));
	if (options & LR_FOLD_ACCENTS)
		strip_accents(chars);
	encoded = encode(chars, (options & LR_FOLD_ACCENTS) != 0);
	chars = unicode_normalize(UNICODE_NFKC, decode(encoded, strlen(encoded)));
	return encode(chars, false);
}

/*
 * The folded words of a name without accents: letters and digits, one blank between words. "&" is the
 * word "and", apostrophes vanish, all other punctuation parts words. palloc'd.
 */
char *
lr_fold_words(const char *data, int len)
{
	char *folded = lr_fold(data, len, LR_FOLD_ACCENTS);
	char *words = palloc(strlen(folded) * 5 + 1);
	char *out = words;
	bool utf8 = GetDatabaseEncoding() == PG_UTF8;
	const char *next;
	int width;

	for (next = folded; *next; next += width)
	{
		pg_wchar c = (unsigned char) *next;

		width = 1;
		if (utf8 && IS_HIGHBIT_SET(*next))
		{
			width = pg_utf_mblen((const unsigned char *) next);
			c = utf8_to_unicode((const unsigned char *) next);
		}
		if (is_apostrophe(c))
			continue;
		if (!(c < 0x80 ? isalnum((int) c) : !utf8 || !is_punctuation(c)))
		{
			if (c == '&')
			{
				memcpy(out, " and ", 5);
				out += 5;
			}
			else
				*out++ = ' ';
			continue;
		}
		memcpy(out, next, width);
		out += width;
	}
	*out = '\0';

	/* one blank between words, none around them */
	for (next = out = words; *next; next++)
	{
		if (*next != ' ' || (out > words && out[-1] != ' '))
			*out++ = *next;
	}
	if (out > words && out[-1] == ' ')
		out--;
	*out = '\0';
	return words;
}

/* Whether such words are what is written where there is nothing to say: they identify nobody. */
bool
lr_says_nothing(const char *words)
{
	return lr_words_among(words, nothing, lengthof(nothing));
}

/* Whether these words are among others, which are in order. */
bool
lr_words_among(const char *words, const char *const *others, int n)
{
	return bsearch(words, others, n, sizeof(*others), compare_words) != NULL;
}

static int
compare_words(const void *key, const void *element)
{
	return strcmp(key, *(const char *const *) element);
}

/* Takes blanks off both ends: Unicode's too, and the invisible characters that copying from a web page brings. */
void
lr_trim(const char **data, int *len)
{
	const char *start = *data;
	const char *end = start + *len;
	bool utf8 = GetDatabaseEncoding() == PG_UTF8;

	while (start < end)
	{
		int width = utf8 ? pg_utf_mblen((const unsigned char *) start) : 1;

		if (width > end - start || (!utf8 && IS_HIGHBIT_SET(*start)) ||
			!is_blank(width == 1 ? (unsigned char) *start : utf8_to_unicode((const unsigned char *) start)))
			break;
		start += width;
	}
	while (end > start)
	{
		const char *last = end - 1;

		while (utf8 && last > start && (*last & 0xC0) == 0x80)
			last--;
		if ((!utf8 && IS_HIGHBIT_SET(*last)) ||
			!is_blank(end - last == 1 ? (unsigned char) *last : utf8_to_unicode((const unsigned char *) last)))
			break;
		end = last;
	}
	*data = start;
	*len = end - start;
}

static char *
fold_ascii(const char *data, int len)
{
	char *folded = palloc(len + 1);
	int i;

	for (i = 0; i < len; i++)
		folded[i] = (data[i] >= 'A' && data[i] <= 'Z') ? data[i] + ('a' - 'A') : data[i];
	folded[len] = '\0';
	return folded;
}

/* UTF-8 to code points, terminated by 0 as unicode_normalize wants them. */
static pg_wchar *
decode(const char *data, int len)
{
	pg_wchar *chars = palloc(sizeof(pg_wchar) * (len + 1));
	const unsigned char *next = (const unsigned char *) data;
	const unsigned char *end = next + len;
	int n = 0;

	while (next < end)
	{
		int width = pg_utf_mblen(next);

		if (width > end - next)
			break;
		chars[n++] = utf8_to_unicode(next);
		next += width;
	}
	chars[n] = 0;
	return chars;
}

/* Code points to UTF-8; with alikes, letters without a decomposition become their likes. */
static char *
encode(const pg_wchar *chars, bool alikes)
{
	int n;
	int len = 0;
	char *data;

	for (n = 0; chars[n]; n++)
		;
	data = palloc(n * 4 + 1);
	for (n = 0; chars[n]; n++)
	{
		const char *alike = alikes ? letter_alike(chars[n]) : NULL;

		if (alike)
		{
			memcpy(data + len, alike, strlen(alike));
			len += strlen(alike);
			continue;
		}
		unicode_to_utf8(chars[n], (unsigned char *) data + len);
		len += pg_utf_mblen((unsigned char *) data + len);
	}
	data[len] = '\0';
	return data;
}

/* The accents of Latin, Greek and Cyrillic, and the points of Hebrew and Arabic; not the marks that make letters in other scripts. */
static void
strip_accents(pg_wchar *chars)
{
	pg_wchar *kept = chars;

	for (; *chars; chars++)
	{
		pg_wchar c = *chars;

		if ((c >= 0x0300 && c <= 0x036F) || (c >= 0x1AB0 && c <= 0x1AFF) || (c >= 0x1DC0 && c <= 0x1DFF) ||
			(c >= 0x20D0 && c <= 0x20FF) || (c >= 0xFE20 && c <= 0xFE2F) ||
			(c >= 0x0591 && c <= 0x05BD) || c == 0x05BF || c == 0x05C1 || c == 0x05C2 ||
			(c >= 0x064B && c <= 0x065F) || c == 0x0670)
			continue;
		*kept++ = c;
	}
	*kept = 0;
}

static const char *
letter_alike(pg_wchar c)
{
	switch (c)
	{
		case 0x00DF:
		case 0x1E9E:
			return "ss";
		case 0x00C6:
		case 0x00E6:
			return "ae";
		case 0x0152:
		case 0x0153:
			return "oe";
		case 0x00D8:
		case 0x00F8:
			return "o";
		case 0x0110:
		case 0x0111:
		case 0x00D0:
		case 0x00F0:
			return "d";
		case 0x0141:
		case 0x0142:
			return "l";
		case 0x0126:
		case 0x0127:
			return "h";
		case 0x0131:
			return "i";
		case 0x0166:
		case 0x0167:
			return "t";
		case 0x00DE:
		case 0x00FE:
			return "th";
		default:
			return NULL;
	}
}

static bool
is_apostrophe(pg_wchar c)
{
	return c == '\'' || c == '`' || c == 0xB4 || c == 0x02B9 || c == 0x02BB || c == 0x02BC || c == 0x02BE || c == 0x02BF ||
		   c == 0x2018 || c == 0x2019 || c == 0x201B || c == 0x2032;
}

/* Beyond ASCII. NFKC has done away with the full-width forms. */
static bool
is_punctuation(pg_wchar c)
{
	return c <= 0xBF || c == 0xD7 || c == 0xF7 || (c >= 0x02B0 && c <= 0x02FF) || c == 0x060C || (c >= 0x2000 && c <= 0x2BFF) ||
		   (c >= 0x3000 && c <= 0x3004) || (c >= 0x3008 && c <= 0x303F) || c == 0x30FB || (c >= 0xE000 && c <= 0xF8FF) ||
		   c == 0xFEFF || (c >= 0xFFF0 && c <= 0xFFFF) || c >= 0x1F000;
}

static bool
is_blank(pg_wchar c)
{
	return c <= 0x20 || c == 0x7F || c == 0xA0 || c == 0xAD || c == 0x1680 || (c >= 0x2000 && c <= 0x200F) ||
		   (c >= 0x2028 && c <= 0x202F) || (c >= 0x205F && c <= 0x2064) || (c >= 0x2066 && c <= 0x2069) ||
		   c == 0x3000 || c == 0xFEFF;
}
