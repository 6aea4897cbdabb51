/*
 * title.c
 *		What a job title says: seniority and department, by the patterns of leadroute.title_patterns.
 *
 * A title is folded (fold.c: case, accents, punctuation) and cut into words; letters with dots between (V.P.) are one word. A pattern is words that
 * follow each other, so nothing is found within a word unless the pattern says so with a star. Of all that match, the one with the highest precedence
 * decides, then the one of most words, most letters, a user's own before a shipped one, the one that begins first.
 *
 * The table has some hundred rows and is read whole by a session's first question (table_copy.c). A question's own memory is the caller's.
 */
#include "postgres.h"

#include "compat.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "fold.h"
#include "leadroute.h"
#include "mb/pg_wchar.h"
#include "table_copy.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(lr_seniority);
PG_FUNCTION_INFO_V1(lr_department);

/* Columns of leadroute.title_patterns, from 0. */
enum
{
	PATTERN_KIND,
	PATTERN_TEXT,
	PATTERN_VALUE,
	PATTERN_PRECEDENCE,
	PATTERN_SOURCE
};

/* What is read of a title. */
#define TITLE_BYTES 400
#define TITLE_WORDS 48
#define WORD_BYTES 64

/* How many words a star that stands alone may be. */
#define STAR_WORDS 3

typedef enum TitleKind
{
	TITLE_SENIORITY,
	TITLE_DEPARTMENT
} TitleKind;

#define TITLE_KINDS 2

typedef struct PatternWord
{
	const char *text; /* empty: a star alone */
	int length;
	bool begins; /* a star before it: the word ends so */
	bool ends;	 /* a star behind it: the word begins so */
} PatternWord;

typedef struct TitlePattern
{
	struct TitlePattern *next; /* with the same first word, or of those without a plain one */
	const char *value;
	int precedence;
	bool local;
	int letters;
	int nwords;
	PatternWord *words;
} TitlePattern;

typedef struct FirstWord
{
	char word[WORD_BYTES];
	TitlePattern *patterns;
} FirstWord;

typedef struct TitleTable
{
	MemoryContext mcxt;
	HTAB *first[TITLE_KINDS];
	TitlePattern *starred[TITLE_KINDS]; /* those whose first word has a star */
} TitleTable;

typedef struct TitleWords
{
	int n;
	char *words[TITLE_WORDS];
	int lengths[TITLE_WORDS];
} TitleWords;

static void begin_titles(void *content, MemoryContext mcxt);
static void add_title(void *content, TupleTableSlot *slot);

static TableCopy title_copy = {
	.relation = "title_patterns",
	.label = "title patterns",
	.size = sizeof(TitleTable),
	.begin = begin_titles,
	.add = add_title,
};

static Datum answer(FunctionCallInfo fcinfo, TitleKind kind);
static void add_patterns(TitleTable *table, TitleKind kind, char *text, const char *value, int precedence, bool local);
static void add_pattern(TitleTable *table, TitleKind kind, const char *text, const char *value, int precedence, bool local);
static char *spell_umlauts(const char *text);
static void cut_words(TitleWords *title, const char *data, int len);
static const TitlePattern *find_pattern(const TitleTable *table, TitleKind kind, const TitleWords *title);
static bool is_better(const TitlePattern *pattern, const TitlePattern *best);
static bool matches(const TitlePattern *pattern, int number, const TitleWords *title, int at);
static bool word_matches(const PatternWord *word, const char *text, int length);

/* seniority(title text) RETURNS text */
Datum
lr_seniority(PG_FUNCTION_ARGS)
{
	return answer(fcinfo, TITLE_SENIORITY);
}

/* department(title text) RETURNS text */
Datum
lr_department(PG_FUNCTION_ARGS)
{
	return answer(fcinfo, TITLE_DEPARTMENT);
}

static Datum
answer(FunctionCallInfo fcinfo, TitleKind kind)
{
	text *input = (text *) PG_DETOAST_DATUM_SLICE(PG_GETARG_DATUM(0), 0, TITLE_BYTES);
	TitleWords title;
	const TitlePattern *pattern;

	cut_words(&title, VARDATA_ANY(input), pg_mbcliplen(VARDATA_ANY(input), VARSIZE_ANY_EXHDR(input), TITLE_BYTES));
	if (title.n == 0)
		PG_RETURN_NULL();
	pattern = find_pattern(lr_table_copy_content(&title_copy), kind, &title);
	if (pattern == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(pattern->value));
}

static void
begin_titles(void *content, MemoryContext mcxt)
{
	TitleTable *table = content;

	table->mcxt = mcxt;
	for (int kind = 0; kind < TITLE_KINDS; kind++)
	{
		HASHCTL ctl = {.keysize = WORD_BYTES, .entrysize = sizeof(FirstWord), .hcxt = mcxt};

		table->first[kind] = hash_create("leadroute title words", 512, &ctl, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	}
}

static void
add_title(void *content, TupleTableSlot *slot)
{
	TitleTable *table = content;
	bool isnull;
	char *kind = TextDatumGetCString(slot_getattr(slot, PATTERN_KIND + 1, &isnull));
	char *pattern = TextDatumGetCString(slot_getattr(slot, PATTERN_TEXT + 1, &isnull));
	char *value = TextDatumGetCString(slot_getattr(slot, PATTERN_VALUE + 1, &isnull));
	char *source = TextDatumGetCString(slot_getattr(slot, PATTERN_SOURCE + 1, &isnull));
	int precedence = DatumGetInt32(slot_getattr(slot, PATTERN_PRECEDENCE + 1, &isnull));

	add_patterns(table, strcmp(kind, "seniority") == 0 ? TITLE_SENIORITY : TITLE_DEPARTMENT, pattern,
				 MemoryContextStrdup(table->mcxt, value), precedence, strcmp(source, "leadroute") != 0);
}

/* Umlauts are written in two ways: with the letter alone (accents fold away), or with an e behind it. */
static void
add_patterns(TitleTable *table, TitleKind kind, char *text, const char *value, int precedence, bool local)
{
	char *spelled = spell_umlauts(text);

	add_pattern(table, kind, text, value, precedence, local);
	if (spelled)
		add_pattern(table, kind, spelled, value, precedence, local);
}

/* NULL where there are none. */
static char *
spell_umlauts(const char *text)
{
	static const char *const umlauts[][2] = {{"ä", "ae"}, {"ö", "oe"}, {"ü", "ue"}, {"Ä", "Ae"}, {"Ö", "Oe"}, {"Ü", "Ue"}};
	char *spelled;
	char *out;
	bool any = false;

	if (GetDatabaseEncoding() != PG_UTF8)
		return NULL;
	/* an umlaut has two bytes too */
	spelled = out = pstrdup(text);
	while (*text)
	{
		int i;

		for (i = 0; i < (int) lengthof(umlauts); i++)
			if (strncmp(text, umlauts[i][0], strlen(umlauts[i][0])) == 0)
				break;
		if (i < (int) lengthof(umlauts))
		{
			memcpy(out, umlauts[i][1], 2);
			text += strlen(umlauts[i][0]);
			out += 2;
			any = true;
		}
		else
			*out++ = *text++;
	}
	*out = '\0';
	return any ? spelled : NULL;
}

static void
add_pattern(TitleTable *table, TitleKind kind, const char *text, const char *value, int precedence, bool local)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(table->mcxt);
	TitlePattern *pattern = palloc0(sizeof(TitlePattern));
	char *next = pstrdup(text);
	bool found;

	pattern->value = value;
	pattern->precedence = precedence;
	pattern->local = local;
	pattern->words = palloc0(TITLE_WORDS * sizeof(PatternWord));
	for (char *token = strtok_r(next, " \t\r\n", &next); token; token = strtok_r(NULL, " \t\r\n", &next))
	{
		int length = strlen(token);
		bool begins = token[0] == '*';
		bool ends = length > 0 && token[length - 1] == '*';
		TitleWords parts;

		cut_words(&parts, token, length);
		if (parts.n == 0 && begins && pattern->nwords < TITLE_WORDS)
			pattern->words[pattern->nwords++] = (PatternWord){.text = ""};
		for (int i = 0; i < parts.n && pattern->nwords < TITLE_WORDS; i++)
		{
			PatternWord *word = &pattern->words[pattern->nwords++];

			word->text = pstrdup(parts.words[i]);
			word->length = parts.lengths[i];
			word->begins = begins && i == 0;
			word->ends = ends && i == parts.n - 1;
			pattern->letters += word->length;
		}
	}
	MemoryContextSwitchTo(oldcontext);
	/* the table's constraint lets none through that has no letters */
	if (pattern->letters == 0)
		return;
	if (pattern->words[0].length == 0 || pattern->words[0].begins || pattern->words[0].ends)
	{
		pattern->next = table->starred[kind];
		table->starred[kind] = pattern;
	}
	else
	{
		FirstWord *first = hash_search(table->first[kind], pattern->words[0].text, HASH_ENTER, &found);

		pattern->next = found ? first->patterns : NULL;
		first->patterns = pattern;
	}
}

/* Folded words; single letters that follow each other (c.e.o.) are one. In the current context. */
static void
cut_words(TitleWords *title, const char *data, int len)
{
	char *next = lr_fold_words(data, len);
	bool joins = false;

	title->n = 0;
	while (*next && title->n < TITLE_WORDS)
	{
		char *end = strchr(next, ' ');
		int length = end ? end - next : (int) strlen(next);
		bool single = length == 1 && *next >= 'a' && *next <= 'z';

		if (length >= WORD_BYTES)
			length = pg_mbcliplen(next, length, WORD_BYTES - 1);
		if (single && joins && title->lengths[title->n - 1] < WORD_BYTES - 1)
		{
			char *last = title->words[title->n - 1];

			last[title->lengths[title->n - 1]++] = *next;
			last[title->lengths[title->n - 1]] = '\0';
		}
		else
		{
			char *word = palloc(WORD_BYTES);

			memcpy(word, next, length);
			word[length] = '\0';
			title->words[title->n] = word;
			title->lengths[title->n++] = length;
		}
		joins = single;
		next = end ? end + 1 : next + strlen(next);
	}
}

static const TitlePattern *
find_pattern(const TitleTable *table, TitleKind kind, const TitleWords *title)
{
	const TitlePattern *best = NULL;

	for (int at = 0; at < title->n; at++)
	{
		FirstWord *first = hash_search(table->first[kind], title->words[at], HASH_FIND, NULL);

		for (TitlePattern *pattern = first ? first->patterns : NULL; pattern; pattern = pattern->next)
			if (is_better(pattern, best) && matches(pattern, 0, title, at))
				best = pattern;
		for (TitlePattern *pattern = table->starred[kind]; pattern; pattern = pattern->next)
			if (is_better(pattern, best) && matches(pattern, 0, title, at))
				best = pattern;
	}
	return best;
}

/* Of equal ones the first stays; those that begin at one place differ in their words or are the same. */
static bool
is_better(const TitlePattern *pattern, const TitlePattern *best)
{
	if (best == NULL)
		return true;
	if (pattern->precedence != best->precedence)
		return pattern->precedence > best->precedence;
	if (pattern->nwords != best->nwords)
		return pattern->nwords > best->nwords;
	if (pattern->letters != best->letters)
		return pattern->letters > best->letters;
	return pattern->local && !best->local;
}

/* Whether the pattern's words from `number` on stand in the title from `at` on. */
static bool
matches(const TitlePattern *pattern, int number, const TitleWords *title, int at)
{
	const PatternWord *word = &pattern->words[number];

	if (number == pattern->nwords)
		return true;
	if (at >= title->n)
		return false;
	if (word->length == 0)
	{
		for (int skipped = 1; skipped <= STAR_WORDS && at + skipped <= title->n; skipped++)
			if (matches(pattern, number + 1, title, at + skipped))
				return true;
		return false;
	}
	return word_matches(word, title->words[at], title->lengths[at]) && matches(pattern, number + 1, title, at + 1);
}

static bool
word_matches(const PatternWord *word, const char *text, int length)
{
	if (length < word->length)
		return false;
	if (word->begins && word->ends)
		return strstr(text, word->text) != NULL;
	if (word->begins)
		return memcmp(text + length - word->length, word->text, word->length) == 0;
	return (word->ends || length == word->length) && memcmp(text, word->text, word->length) == 0;
}
