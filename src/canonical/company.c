/*
 * company.c
 *		Names of companies in one spelling: folded words without the legal form.
 *
 * "The Acme Company, Inc." and "ACME" have one key. What goes are legal forms, at the end
 * and, where a country puts them there, at the beginning, and the article; words that tell
 * companies apart (group, holding, international) stay. One word always stays. Each rule is
 * applied until none applies, so that a key is its own key.
 */
#include "postgres.h"

#include <ctype.h>

#include "access/detoast.h"
#include "company.h"
#include "compat.h"
#include "fmgr.h"
#include "fold.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(lr_company_key_sql);

/*
 * Legal forms, as lr_fold_words() and join_letters() leave them ("S. à r.l." is sarl).
 * Where there are several ("pty ltd", "gmbh & co kg") each goes for itself.
 */
static const char *const forms_after[] = {
	"ab", "ad", "ag", "aktiengesellschaft", "aps", "as", "asa", "asi", "bhd", "bv", "bvba",
	"cjsc", "clg", "co", "company", "corp", "corporacion", "corporation", "cv", "cvba",
	"dac", "dd", "dmcc", "doo", "ead", "eg", "ehf", "eireli", "eirl", "eood", "etn", "eurl", "ev", "fzc", "fzco", "fze",
	"gbr", "gesmbh", "gmbh", "hf", "inc", "incorporated", "incorporation", "ivs", "jsc",
	"kb", "kda", "kft", "kg", "kgaa", "kk", "ks", "ky",
	"lda", "limitada", "limited", "llc", "lllp", "llp", "lp", "ltd", "ltda", "ltdsti",
	"mbh", "nv", "nyrt", "oao", "oe", "og", "ohg", "ojsc", "ooo", "oood", "ou", "oy", "oyj",
	"pao", "pbc", "pc", "pjsc", "plc", "pllc", "private", "proprietary", "pt", "pte", "pty", "publ", "pvba", "pvt",
	"qsc",
	"sa", "sab", "sae", "sagl", "sal", "saoc", "saog", "sapa", "sapi", "sarl", "sas", "sasu", "sau", "sc", "sca", "sce", "scop", "scrl", "scs", "sdn", "se", "seco", "sia", "sl", "slp", "slu", "snc", "sp", "spa", "spj", "spk", "spol", "spolka", "sprl", "sprlu", "srl", "srls", "sro", "sti",
	"tbk", "tov", "uab", "ug", "ulc", "unipessoal", "unlimited", "vof", "zao", "zoo", "zrt",
	"αε", "επε", "ικε",
	"ао", "зао", "оао", "ооо", "пао", "тов", "ад", "доо", "еад", "еоод", "оод", "тоо", "ват", "прат",
	"有", "株",
	"주", "유"};

static const char *const forms_before[] = {
	"ab", "cv", "oao", "ooo", "ou", "pao", "pt", "sia", "tov", "uab", "zao",
	"ао", "зао", "ип", "оао", "ооо", "пао", "тов", "тоо",
	"有", "株",
	"주", "유"};

/* Forms of several words that are no forms each for itself. */
static const char *const forms_of_words[] = {
	"ges mbh", "gesellschaft mbh", "gesellschaft mit beschrankter haftung", "limited liability company", "limited liability partnership", "public limited company", "joint stock company",
	"open joint stock company", "sociedad anonima", "sociedad limitada", "societe anonyme", "societa per azioni", "fz llc", "sp j", "sp k", "α ε", "ε π ε", "san ve tic", "san ve tic as", "san ve tic ltd sti", "sanayi ve ticaret", "sanayi ve ticaret anonim sirketi",
	"s de rl", "s de rl de cv", "sa de cv", "sab de cv", "sapi de cv", "ug haftungsbeschrankt", "et cie", "und co", "y cia", "e cia", "tic ltd sti", "tic as"};

/* The same before the name; longer ones first. */
static const char *const forms_of_words_before[] = {"cong ty tnhh mtv", "cong ty tnhh", "cong ty co phan", "cong ty cp", "cong ty"};

/* Forms that are written without a blank, before the name or behind it. */
static const char *const forms_attached[] = {
	"股份有限公司", "有限責任公司", "有限责任公司", "有限公司", "株式会社", "有限会社", "合同会社", "合資会社", "주식회사", "유한회사"};

/* What people write who have none; in order. */
static const char *const no_company[] = {
	"freelance", "freelancer", "individual", "no company", "not employed", "private individual", "retired", "selbststandig", "self", "self employed", "student", "unemployed"};

/* the words of a name, on their way to the key */
typedef struct Words
{
	char **word;
	int first;
	int count; /* of those that stay, from first on */
} Words;

static void split(char *text, Words *words);
static void join_letters(Words *words);
static bool strip_ends(Words *words);
static bool ends_in(const Words *words, const char *form, int *count);
static bool begins_with(const Words *words, const char *form, int *count);
static int words_of(const char *form);
static bool are_words(char *const *words, const char *form, int n);
static bool strip_attached(Words *words, bool *shorter);
static bool is_form(const char *word, const char *const *forms, int count);

/* company_key(company text) RETURNS text */
Datum
lr_company_key_sql(PG_FUNCTION_ARGS)
{
	Datum datum = PG_GETARG_DATUM(0);
	text *input;
	char *key;

	if (toast_raw_datum_size(datum) - VARHDRSZ > LR_COMPANY_MAX_INPUT)
		PG_RETURN_NULL();
	input = DatumGetTextPP(datum);
	key = lr_company_key(VARDATA_ANY(input), VARSIZE_ANY_EXHDR(input));
	if (key == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(key));
}

/* The canonical name, palloc'd; NULL where there is no letter or digit in it, and where it is none (N/A, self-employed). */
char *
lr_company_key(const char *data, int len)
{
	Words words;
	char *text = lr_fold_words(data, len);
	int room = strlen(text) + 1;
	bool shorter = false;
	char *key;
	char *out;
	int i;

	split(text, &words);
	if (words.count == 0)
		return NULL;
	join_letters(&words);
	/* taking words off puts no others beside each other, but a word that gets shorter may be a letter now */
	while (strip_ends(&words) || strip_attached(&words, &shorter))
	{
		if (shorter)
			join_letters(&words);
		shorter = false;
	}
	out = key = palloc(room);
	for (i = words.first; i < words.first + words.count; i++)
	{
		int width = strlen(words.word[i]);

		if (out > key)
			*out++ = ' ';
		memcpy(out, words.word[i], width);
		out += width;
	}
	*out = '\0';
	return lr_says_nothing(key) || lr_words_among(key, no_company, lengthof(no_company)) ? NULL : key;
}

/* Cuts the text into its words, in place. */
static void
split(char *text, Words *words)
{
	char *next = text;

	words->word = palloc(sizeof(char *) * (strlen(text) / 2 + 1));
	words->first = words->count = 0;
	while (*next)
	{
		char *end = next + strcspn(next, " ");
		bool last = *end == '\0';

		*end = '\0';
		words->word[words->count++] = next;
		next = last ? end : end + 1;
	}
}

/* Single letters that follow each other are one word: "I.B.M.", "S. A.", "J. P. Morgan". */
static void
join_letters(Words *words)
{
	int end = words->first + words->count;
	int kept = words->first;
	int i = kept;

	while (i < end)
	{
		int run = i;

		while (run < end && isalpha((unsigned char) words->word[run][0]) && words->word[run][1] == '\0')
			run++;
		if (run - i > 1)
		{
			char *joined = palloc(run - i + 1);
			int n = 0;

			for (; i < run; i++)
				joined[n++] = words->word[i][0];
			joined[n] = '\0';
			words->word[kept++] = joined;
		}
		else
			words->word[kept++] = words->word[i++];
	}
	words->count = kept - words->first;
}

/* Takes words off an end, where they are an article, a legal form or an "and" that lost its neighbour. */
static bool
strip_ends(Words *words)
{
	const char *first = words->word[words->first];
	const char *last = words->word[words->first + words->count - 1];
	int n;
	int i;

	if (words->count < 2)
		return false;
	if (strcmp(first, "the") == 0 || strcmp(first, "and") == 0)
	{
		words->first++;
		words->count--;
		return true;
	}
	for (i = 0; i < lengthof(forms_of_words); i++)
	{
		if (ends_in(words, forms_of_words[i], &n))
		{
			words->count -= n;
			return true;
		}
	}
	if (strcmp(last, "the") == 0 || strcmp(last, "and") == 0 || is_form(last, forms_after, lengthof(forms_after)))
	{
		words->count--;
		return true;
	}
	for (i = 0; i < lengthof(forms_of_words_before); i++)
	{
		if (begins_with(words, forms_of_words_before[i], &n))
		{
			words->first += n;
			words->count -= n;
			return true;
		}
	}
	if (is_form(first, forms_before, lengthof(forms_before)))
	{
		words->first++;
		words->count--;
		return true;
	}
	return false;
}

/* Whether the last words, and not all of them, are those of the form; *count says how many. */
static bool
ends_in(const Words *words, const char *form, int *count)
{
	*count = words_of(form);
	return *count < words->count && are_words(words->word + words->first + words->count - *count, form, *count);
}

/* The same of the first words. */
static bool
begins_with(const Words *words, const char *form, int *count)
{
	*count = words_of(form);
	return *count < words->count && are_words(words->word + words->first, form, *count);
}

static int
words_of(const char *form)
{
	int n = 1;

	for (; *form; form++)
		n += *form == ' ';
	return n;
}

static bool
are_words(char *const *words, const char *form, int n)
{
	for (int i = 0; i < n; i++)
	{
		int width = strcspn(form, " ");

		if (strncmp(words[i], form, width) != 0 || words[i][width] != '\0')
			return false;
		form += width + (form[width] == ' ');
	}
	return true;
}

/* Takes a form off that is written without a blank; *shorter where the word stays. */
static bool
strip_attached(Words *words, bool *shorter)
{
	int i;

	for (i = 0; i < lengthof(forms_attached); i++)
	{
		int width = strlen(forms_attached[i]);
		char **first = &words->word[words->first];
		char **last = &words->word[words->first + words->count - 1];
		int first_width = strlen(*first);
		int last_width = strlen(*last);

		if (first_width >= width && memcmp(*first, forms_attached[i], width) == 0)
		{
			if (first_width > width)
			{
				*first += width;
				*shorter = true;
				return true;
			}
			if (words->count > 1)
			{
				words->first++;
				words->count--;
				return true;
			}
		}
		if (last_width >= width && memcmp(*last + last_width - width, forms_attached[i], width) == 0)
		{
			if (last_width > width)
			{
				(*last)[last_width - width] = '\0';
				*shorter = true;
				return true;
			}
			if (words->count > 1)
			{
				words->count--;
				return true;
			}
		}
	}
	return false;
}

static bool
is_form(const char *word, const char *const *forms, int count)
{
	int i;

	for (i = 0; i < count; i++)
	{
		if (forms[i][0] == word[0] && strcmp(forms[i], word) == 0)
			return true;
	}
	return false;
}
