/*
 * likeness.c
 *		How alike two values of one kind are, as one of six levels.
 *
 * The values are canonical (match_value.c), so what is left to tell are slips and variants:
 * an edit distance in which two neighbours that changed places are one slip (Damerau 1964,
 * restricted), Jaro's and Winkler's likeness of names (Winkler 1990), and Dice's coefficient
 * of pairs of letters (Dice 1945) where words may stand in any order. Which level is what
 * evidence is not decided here: the weights are rows (match_weights).
 *
 * Everything works on buffers on the stack: a value counts up to MAX_LETTERS letters, and a
 * comparison is at most the square of that.
 */
#include "postgres.h"

#include "first_name.h"
#include "likeness.h"
#include "mb/pg_wchar.h"

#define MAX_LETTERS 160
#define MAX_WORDS 40

typedef struct Letters
{
	int n;
	pg_wchar c[MAX_LETTERS];
} Letters;

/* the words of a text, as places in its letters */
typedef struct Words
{
	int n;
	int letters; /* of all words */
	struct
	{
		const pg_wchar *c;
		int n;
	} word[MAX_WORDS];
} Words;

static const char *const kind_names[] = {
	"first_name", "last_name", "email", "phone", "company", "website", "address", "postal_code",
	"city", "region", "country", "birth_date", "identifier"};

static const char *const level_names[] = {"exact", "near", "similar", "close", "weak", "different"};

/* Mailboxes of a function, not of a person. */
static const char *const roles[] = {
	"accounts", "admin", "administrator", "billing", "booking", "bookings", "careers", "contact", "customerservice", "email", "enquiries", "enquiry", "finance",
	"help", "hello", "hr", "info", "information", "inquiries", "it", "jobs", "kontakt", "mail", "marketing", "me", "noreply", "no-reply", "office", "orders",
	"postmaster", "press", "purchasing", "reception", "reservations", "sales", "service", "shop", "store", "support", "team", "test", "vertrieb", "web", "webmaster"};

static void read_letters(const char *data, int len, Letters *letters);
static void read_words(const Letters *letters, Words *words);
static LrLikeness name_likeness(const Letters *left, const Letters *right, bool first_name);
static bool other_mailbox(const Letters *left, const Letters *right);
static void end_word(const Letters *local, bool last, Letters *word);
static LrLikeness email_likeness(const char *left, int left_len, const char *right, int right_len);
static LrLikeness phone_likeness(const char *left, int left_len, const char *right, int right_len);
static LrLikeness company_likeness(const Letters *left, const Letters *right);
static LrLikeness address_likeness(const Letters *left, const Letters *right);
static bool number_slip(const pg_wchar *left, int left_n, const pg_wchar *right, int right_n);
static LrLikeness date_likeness(const Letters *left, const Letters *right);
static LrLikeness code_likeness(const Letters *left, const Letters *right, int shortest);
static int day_number(const Letters *date);
static bool equal(const Letters *left, const Letters *right);
static bool starts_with(const Letters *text, const Letters *start);
static bool same_but_digits(const Letters *left, const Letters *right);
static int edits(const Letters *left, const Letters *right);
static double winkler(const Letters *left, const Letters *right);
static int loose_letters(const Letters *left, const Letters *right);
static double dice(const Words *left, const Words *right);
static int pairs_of(const Words *words, uint64 *pairs);
static int compare_pairs(const void *left, const void *right);
static int common_words(const Words *left, const Words *right);
static bool same_words(const Words *left, const Words *right);
static bool has_digit(const pg_wchar *c, int n);

bool
lr_match_kind(const char *data, int len, LrMatchKind *kind)
{
	for (int i = 0; i < (int) lengthof(kind_names); i++)
	{
		if (strlen(kind_names[i]) == (size_t) len && memcmp(kind_names[i], data, len) == 0)
		{
			*kind = (LrMatchKind) i;
			return true;
		}
	}
	return false;
}

const char *
lr_likeness_name(LrLikeness level)
{
	return level_names[level];
}

/* Both values canonical and not empty. */
LrLikeness
lr_likeness(LrMatchKind kind, const char *left_data, int left_len, const char *right_data, int right_len)
{
	Letters left;
	Letters right;

	if (kind == LR_MATCH_EMAIL)
		return email_likeness(left_data, left_len, right_data, right_len);
	if (left_len == right_len && memcmp(left_data, right_data, left_len) == 0)
		return LR_ALIKE_EXACT;
	if (kind == LR_MATCH_WEBSITE || kind == LR_MATCH_COUNTRY)
		return LR_ALIKE_DIFFERENT;
	if (kind == LR_MATCH_PHONE)
		return phone_likeness(left_data, left_len, right_data, right_len);

	read_letters(left_data, left_len, &left);
	read_letters(right_data, right_len, &right);
	switch (kind)
	{
		case LR_MATCH_COMPANY:
			return company_likeness(&left, &right);
		case LR_MATCH_ADDRESS:
			return address_likeness(&left, &right);
		case LR_MATCH_BIRTH_DATE:
			return date_likeness(&left, &right);
		case LR_MATCH_POSTAL_CODE:
			return code_likeness(&left, &right, 4);
		case LR_MATCH_IDENTIFIER:
			return code_likeness(&left, &right, 5);
		default:
			return name_likeness(&left, &right, kind == LR_MATCH_FIRST_NAME);
	}
}

/* Whether the local part of an address is that of a function (info, sales), not of a person. */
bool
lr_role_mailbox(const char *local, int len)
{
	for (int i = 0; i < (int) lengthof(roles); i++)
	{
		if (strlen(roles[i]) == (size_t) len && memcmp(roles[i], local, len) == 0)
			return true;
	}
	return false;
}

static void
read_letters(const char *data, int len, Letters *letters)
{
	bool utf8 = GetDatabaseEncoding() == PG_UTF8;
	const unsigned char *next = (const unsigned char *) data;
	const unsigned char *end = next + len;

	letters->n = 0;
	while (next < end && letters->n < MAX_LETTERS)
	{
		int width = utf8 ? pg_utf_mblen(next) : 1;

		if (width > end - next)
			break;
		letters->c[letters->n++] = width == 1 ? *next : utf8_to_unicode(next);
		next += width;
	}
}

static void
read_words(const Letters *letters, Words *words)
{
	int i = 0;

	words->n = words->letters = 0;
	while (i < letters->n && words->n < MAX_WORDS)
	{
		int start = i;

		while (i < letters->n && letters->c[i] != ' ')
			i++;
		if (i > start)
		{
			words->word[words->n].c = letters->c + start;
			words->word[words->n].n = i - start;
			words->letters += i - start;
			words->n++;
		}
		i++;
	}
}

/* Names of people and places, without blanks. They differ. */
static LrLikeness
name_likeness(const Letters *left, const Letters *right, bool first_name)
{
	int longest = Max(left->n, right->n);
	int shortest = Min(left->n, right->n);
	int slips = edits(left, right);
	double likeness;

	if (first_name && slips <= 4 && lr_names_of_two(left->c, left->n, right->c, right->n))
		return LR_ALIKE_DIFFERENT;
	if ((slips == 1 && shortest >= 3) || (slips == 2 && shortest >= 7) || (slips == 3 && shortest >= 12))
		return LR_ALIKE_NEAR;
	/* the same letters in another order */
	if (shortest >= 4 && longest >= 5 && longest - shortest <= 1 && loose_letters(left, right) <= longest - shortest)
		return LR_ALIKE_NEAR;
	likeness = winkler(left, right);
	if (likeness >= 0.9 && shortest >= 4)
		return LR_ALIKE_NEAR;
	if ((likeness >= 0.8 && slips * 2 <= longest) || slips * 10 <= longest * 4)
		return LR_ALIKE_SIMILAR;
	/* a part of the name, or its first letter */
	if ((shortest >= 3 || (first_name && shortest == 1)) && (starts_with(left, right) || starts_with(right, left)))
		return LR_ALIKE_SIMILAR;
	if (first_name && lr_names_of_one(left->c, left->n, right->c, right->n))
		return LR_ALIKE_SIMILAR;
	return LR_ALIKE_DIFFERENT;
}

/* Addresses, or what was written where one should stand. */
static LrLikeness
email_likeness(const char *left, int left_len, const char *right, int right_len)
{
	Letters whole[2];
	Letters local[2];
	Letters domain[2];
	const char *data[2] = {left, right};
	int len[2] = {left_len, right_len};
	bool role = false;
	bool same_domain;
	bool same_local;
	int shortest;
	int slips;
	int loose;

	for (int i = 0; i < 2; i++)
	{
		int at = len[i] - 1;

		while (at > 0 && data[i][at] != '@')
			at--;
		read_letters(data[i], len[i], &whole[i]);
		read_letters(data[i], at > 0 ? at : len[i], &local[i]);
		read_letters(data[i] + at + 1, at > 0 ? len[i] - at - 1 : 0, &domain[i]);
		role |= at > 0 && lr_role_mailbox(data[i], at);
	}
	same_domain = domain[0].n > 0 && equal(&domain[0], &domain[1]);
	if (role)
		return same_domain ? LR_ALIKE_WEAK : LR_ALIKE_DIFFERENT;
	if (equal(&whole[0], &whole[1]))
		return LR_ALIKE_EXACT;
	same_local = equal(&local[0], &local[1]);
	shortest = Min(whole[0].n, whole[1].n);
	slips = edits(&whole[0], &whole[1]);
	loose = loose_letters(&whole[0], &whole[1]);

	if (same_local && local[0].n >= 4 && domain[0].n > 0 && domain[1].n > 0 &&
		name_likeness(&domain[0], &domain[1], false) == LR_ALIKE_NEAR)
		return LR_ALIKE_NEAR;
	if (same_local && domain[0].n > 0 && domain[1].n > 0 && name_likeness(&domain[0], &domain[1], false) == LR_ALIKE_DIFFERENT)
		return local[0].n >= 6 ? LR_ALIKE_SIMILAR : LR_ALIKE_CLOSE;
	if (other_mailbox(&local[0], &local[1]))
		return LR_ALIKE_CLOSE;
	/* mailboxes have neighbours: maria.3 and maria.4, j.smith and k.smith, kim and tim */
	if (same_domain)
	{
		if (same_but_digits(&local[0], &local[1]))
			return LR_ALIKE_CLOSE;
		if (slips == 1 && local[0].n == local[1].n && local[0].c[0] != local[1].c[0])
			return LR_ALIKE_SIMILAR;
		if (Min(local[0].n, local[1].n) >= 6 && name_likeness(&local[0], &local[1], false) == LR_ALIKE_NEAR && slips <= 2)
			return LR_ALIKE_NEAR;
		if (Min(local[0].n, local[1].n) >= 4 && (slips == 1 || loose == 0))
			return LR_ALIKE_SIMILAR;
	}
	else if ((shortest >= 6 && slips <= Max(1, shortest / 8)) || (shortest >= 8 && loose <= 1))
		return LR_ALIKE_NEAR;
	if (shortest >= 10 && !same_domain && (slips <= shortest / 5 || (loose <= 2 && slips <= shortest / 3)))
		return LR_ALIKE_SIMILAR;
	if (same_local)
		return local[0].n >= 3 ? LR_ALIKE_SIMILAR : LR_ALIKE_CLOSE;
	if (Min(local[0].n, local[1].n) >= 5 && name_likeness(&local[0], &local[1], false) == LR_ALIKE_NEAR)
		return LR_ALIKE_CLOSE;
	return same_domain ? LR_ALIKE_WEAK : LR_ALIKE_DIFFERENT;
}

/* peter.muller and petra.muller, which are a slip apart and two people's. */
static bool
other_mailbox(const Letters *left, const Letters *right)
{
	Letters name[2];

	for (int end = 0; end < 2; end++)
	{
		end_word(left, end == 1, &name[0]);
		end_word(right, end == 1, &name[1]);
		if (!equal(&name[0], &name[1]) && lr_names_of_two(name[0].c, name[0].n, name[1].c, name[1].n))
			return true;
	}
	return false;
}

/* The first word of a mailbox, or the last. */
static void
end_word(const Letters *local, bool last, Letters *word)
{
	int n = 0;

	while (n < local->n && strchr("._-", (int) Min(local->c[last ? local->n - 1 - n : n], 0x7F)) == NULL)
		n++;
	word->n = n;
	memcpy(word->c, local->c + (last ? local->n - n : 0), sizeof(pg_wchar) * n);
}

/*
 * Whether mailboxes are made of their leads' names alone: kim.lee@ of one firm is no other evidence than that both are called Kim Lee. What stands beside the
 * names, a number, is one's own, where both have the same.
 */
bool
lr_mailbox_says_name(const char *email, int email_len, const char *first, int first_len, const char *last, int last_len, int *number)
{
	Letters whole;
	Letters name[2];
	Letters mailbox = {0};
	Letters made;

	*number = -1;
	read_letters(email, email_len, &whole);
	read_letters(first, first_len, &name[0]);
	read_letters(last, last_len, &name[1]);
	for (int i = 0; i < whole.n && whole.c[i] != '@'; i++)
	{
		if (whole.c[i] >= '0' && whole.c[i] <= '9')
			*number = Max(*number, 0) * 10 % 10000000 + (int) (whole.c[i] - '0');
		else if (whole.c[i] != '.' && whole.c[i] != '_' && whole.c[i] != '-')
			mailbox.c[mailbox.n++] = whole.c[i];
	}
	for (int i = 0; i < 2; i++)
	{
		/* both; one, with the other's initial before or behind; one alone */
		static const int shapes[][2] = {{MAX_LETTERS, MAX_LETTERS}, {1, MAX_LETTERS}, {MAX_LETTERS, 1}, {MAX_LETTERS, 0}};

		for (int shape = 0; shape < (int) lengthof(shapes); shape++)
		{
			int n[2] = {Min(name[i].n, shapes[shape][0]), Min(name[1 - i].n, shapes[shape][1])};
			int allowed;

			if (n[0] + n[1] > MAX_LETTERS || n[0] + n[1] < 2)
				continue;
			memcpy(made.c, name[i].c, sizeof(pg_wchar) * n[0]);
			memcpy(made.c + n[0], name[1 - i].c, sizeof(pg_wchar) * n[1]);
			made.n = n[0] + n[1];
			/* a slip, or "ue" for "u" */
			allowed = made.n >= 10 ? 2 : made.n >= 6 ? 1
													 : 0;
			if (abs(made.n - mailbox.n) <= allowed && edits(&made, &mailbox) <= allowed)
				return true;
		}
	}
	return false;
}

/* Digits, with or without "+" and country code. They differ as texts. */
static LrLikeness
phone_likeness(const char *left, int left_len, const char *right, int right_len)
{
	Letters digits[2];
	int tail = 0;
	int shortest;

	/* what both end in */
	while (tail < left_len && tail < right_len && left[left_len - 1 - tail] == right[right_len - 1 - tail])
		tail++;
	shortest = Min(left_len, right_len);
	if (left[0] != '+' || right[0] != '+')
	{
		/* one without its country code, or with a zero that others leave out */
		if (tail >= 9 || (tail >= 7 && tail >= shortest - 1))
			return LR_ALIKE_EXACT;
	}
	if (tail >= 7)
		return LR_ALIKE_NEAR;
	if (shortest < 7)
		return LR_ALIKE_DIFFERENT;
	read_letters(left + Max(0, left_len - 10), Min(left_len, 10), &digits[0]);
	read_letters(right + Max(0, right_len - 10), Min(right_len, 10), &digits[1]);
	if (edits(&digits[0], &digits[1]) <= 1)
		return LR_ALIKE_NEAR;
	/* the same exchange: an extension of one firm, or the house next door */
	if (digits[0].n == digits[1].n && digits[0].n >= 9 && memcmp(digits[0].c, digits[1].c, sizeof(pg_wchar) * (digits[0].n - 4)) == 0)
		return LR_ALIKE_CLOSE;
	return LR_ALIKE_DIFFERENT;
}

static LrLikeness
company_likeness(const Letters *left, const Letters *right)
{
	Words words[2];
	int common;
	int shortest;
	int all;
	double likeness;

	read_words(left, &words[0]);
	read_words(right, &words[1]);
	if (same_words(&words[0], &words[1]))
		return LR_ALIKE_EXACT;
	common = common_words(&words[0], &words[1]);
	shortest = Min(words[0].letters, words[1].letters);
	all = words[0].letters + words[1].letters - common;
	likeness = dice(&words[0], &words[1]);
	/* nearly all of both, or all of the one in the other */
	if (common * 5 >= all * 4 || likeness >= 0.85 || (common == shortest && common >= 4))
		return LR_ALIKE_NEAR;
	if (common * 2 >= all || likeness >= 0.6 || (common >= 5 && common * 10 >= shortest * 7) || winkler(left, right) >= 0.88)
		return LR_ALIKE_SIMILAR;
	return LR_ALIKE_DIFFERENT;
}

/* Streets with numbers, in any order of words. */
static LrLikeness
address_likeness(const Letters *left, const Letters *right)
{
	Words words[2];
	int number[2];
	bool same_number = true;
	int common;
	int shortest;
	double likeness;

	read_words(left, &words[0]);
	read_words(right, &words[1]);
	if (same_words(&words[0], &words[1]))
		return LR_ALIKE_EXACT;
	for (int i = 0; i < 2; i++)
	{
		number[i] = 0;
		while (number[i] < words[i].n && !has_digit(words[i].word[number[i]].c, 1))
			number[i]++;
	}
	if (number[0] < words[0].n && number[1] < words[1].n)
		same_number = words[0].word[number[0]].n == words[1].word[number[1]].n &&
					  memcmp(words[0].word[number[0]].c, words[1].word[number[1]].c, sizeof(pg_wchar) * words[0].word[number[0]].n) == 0;
	common = common_words(&words[0], &words[1]);
	shortest = Min(words[0].letters, words[1].letters);
	likeness = dice(&words[0], &words[1]);
	if (same_number && ((common >= 6 && common * 20 >= shortest * 17) || likeness >= 0.85))
		return LR_ALIKE_NEAR;
	if (likeness >= 0.6 || (common >= 6 && common * 10 >= shortest * 7))
		return same_number || number_slip(words[0].word[number[0]].c, words[0].word[number[0]].n, words[1].word[number[1]].c, words[1].word[number[1]].n) ? LR_ALIKE_SIMILAR : LR_ALIKE_CLOSE;
	return LR_ALIKE_DIFFERENT;
}

/* House numbers of three digits or more a slip apart; of shorter ones it is the house next door. */
static bool
number_slip(const pg_wchar *left, int left_n, const pg_wchar *right, int right_n)
{
	Letters number[2];

	if (Max(left_n, right_n) < 3)
		return false;
	number[0].n = left_n;
	number[1].n = right_n;
	memcpy(number[0].c, left, sizeof(pg_wchar) * left_n);
	memcpy(number[1].c, right, sizeof(pg_wchar) * right_n);
	return edits(&number[0], &number[1]) <= 1;
}

/* Dates as YYYYMMDD. */
static LrLikeness
date_likeness(const Letters *left, const Letters *right)
{
	int slips = edits(left, right);
	bool year;
	bool month;
	bool day;
	int days;

	if (left->n != 8 || right->n != 8)
		return slips <= 1 ? LR_ALIKE_NEAR : LR_ALIKE_DIFFERENT;
	if (slips == 1)
		return LR_ALIKE_NEAR;
	year = memcmp(left->c, right->c, sizeof(pg_wchar) * 4) == 0;
	month = memcmp(left->c + 4, right->c + 4, sizeof(pg_wchar) * 2) == 0;
	day = memcmp(left->c + 6, right->c + 6, sizeof(pg_wchar) * 2) == 0;
	if (year && memcmp(left->c + 4, right->c + 6, sizeof(pg_wchar) * 2) == 0 && memcmp(left->c + 6, right->c + 4, sizeof(pg_wchar) * 2) == 0)
		return LR_ALIKE_NEAR;
	if (year + month + day == 2)
		return LR_ALIKE_SIMILAR;
	days = abs(day_number(left) - day_number(right));
	if (days <= 62)
		return LR_ALIKE_SIMILAR;
	/* one of sixty dates is two digits off */
	return days <= 400 || slips == 2 ? LR_ALIKE_CLOSE : LR_ALIKE_DIFFERENT;
}

/* Postal codes and numbers of people: one slip. */
static LrLikeness
code_likeness(const Letters *left, const Letters *right, int shortest)
{
	return Min(left->n, right->n) >= shortest && edits(left, right) <= 1 ? LR_ALIKE_NEAR : LR_ALIKE_DIFFERENT;
}

/* Days on a scale on which months have their true length, give or take two. */
static int
day_number(const Letters *date)
{
	int part[3] = {0, 0, 0};

	for (int i = 0; i < 8; i++)
	{
		int at = i < 4 ? 0 : i < 6 ? 1
								   : 2;

		part[at] = part[at] * 10 + (int) date->c[i] - '0';
	}
	return part[0] * 365 + part[0] / 4 + part[1] * 3044 / 100 + part[2];
}

static bool
equal(const Letters *left, const Letters *right)
{
	return left->n == right->n && memcmp(left->c, right->c, sizeof(pg_wchar) * left->n) == 0;
}

static bool
starts_with(const Letters *text, const Letters *start)
{
	return text->n >= start->n && memcmp(text->c, start->c, sizeof(pg_wchar) * start->n) == 0;
}

/* Whether both have digits, and they alone differ. */
static bool
same_but_digits(const Letters *left, const Letters *right)
{
	int i = 0;
	int j = 0;

	if (!has_digit(left->c, left->n) || !has_digit(right->c, right->n))
		return false;
	while (true)
	{
		while (i < left->n && has_digit(left->c + i, 1))
			i++;
		while (j < right->n && has_digit(right->c + j, 1))
			j++;
		if (i == left->n || j == right->n)
			return i == left->n && j == right->n;
		if (left->c[i++] != right->c[j++])
			return false;
	}
}

/* Insertions, deletions, replacements, and neighbours that changed places. */
static int
edits(const Letters *left, const Letters *right)
{
	int rows[3][MAX_LETTERS + 1];
	int *before = rows[0];
	int *last = rows[1];
	int *row = rows[2];

	for (int j = 0; j <= right->n; j++)
		last[j] = j;
	for (int i = 1; i <= left->n; i++)
	{
		int *spare = before;

		row[0] = i;
		for (int j = 1; j <= right->n; j++)
		{
			int least = last[j - 1] + (left->c[i - 1] != right->c[j - 1]);

			least = Min(least, Min(last[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && left->c[i - 1] == right->c[j - 2] && left->c[i - 2] == right->c[j - 1])
				least = Min(least, before[j - 2] + 1);
			row[j] = least;
		}
		before = last;
		last = row;
		row = spare;
	}
	return last[right->n];
}

/* Jaro's likeness with Winkler's bonus for a common beginning, 0 to 1. */
static double
winkler(const Letters *left, const Letters *right)
{
	bool taken_left[MAX_LETTERS] = {false};
	bool taken_right[MAX_LETTERS] = {false};
	int reach = Max(0, Max(left->n, right->n) / 2 - 1);
	int matches = 0;
	int out_of_order = 0;
	int beginning = 0;
	int k = 0;
	double jaro;

	for (int i = 0; i < left->n; i++)
	{
		for (int j = Max(0, i - reach); j < Min(right->n, i + reach + 1); j++)
		{
			if (!taken_right[j] && left->c[i] == right->c[j])
			{
				taken_left[i] = taken_right[j] = true;
				matches++;
				break;
			}
		}
	}
	if (matches == 0)
		return 0;
	for (int i = 0; i < left->n; i++)
	{
		if (!taken_left[i])
			continue;
		while (!taken_right[k])
			k++;
		out_of_order += left->c[i] != right->c[k];
		k++;
	}
	while (beginning < 4 && beginning < left->n && beginning < right->n && left->c[beginning] == right->c[beginning])
		beginning++;
	jaro = ((double) matches / left->n + (double) matches / right->n + (matches - out_of_order / 2.0) / matches) / 3;
	return jaro + beginning * 0.1 * (1 - jaro);
}

/* How many letters the one has that the other has not, both ways, wherever they stand. */
static int
loose_letters(const Letters *left, const Letters *right)
{
	bool taken[MAX_LETTERS] = {false};
	int loose = right->n;

	for (int i = 0; i < left->n; i++)
	{
		int j = 0;

		while (j < right->n && (taken[j] || right->c[j] != left->c[i]))
			j++;
		if (j < right->n)
		{
			taken[j] = true;
			loose--;
		}
		else
			loose++;
	}
	return loose;
}

/* Dice's coefficient of pairs of neighbouring letters, blanks left out. */
static double
dice(const Words *left, const Words *right)
{
	uint64 pairs_left[MAX_LETTERS];
	uint64 pairs_right[MAX_LETTERS];
	int n_left = pairs_of(left, pairs_left);
	int n_right = pairs_of(right, pairs_right);
	int i = 0;
	int j = 0;
	int common = 0;

	while (i < n_left && j < n_right)
	{
		if (pairs_left[i] == pairs_right[j])
		{
			common++;
			i++;
			j++;
		}
		else if (pairs_left[i] < pairs_right[j])
			i++;
		else
			j++;
	}
	return n_left + n_right == 0 ? 0 : 2.0 * common / (n_left + n_right);
}

static int
pairs_of(const Words *words, uint64 *pairs)
{
	pg_wchar before = 0;
	int n = 0;

	for (int i = 0; i < words->n; i++)
	{
		for (int j = 0; j < words->word[i].n; j++)
		{
			if (before)
				pairs[n++] = ((uint64) before << 32) | words->word[i].c[j];
			before = words->word[i].c[j];
		}
	}
	qsort(pairs, n, sizeof(uint64), compare_pairs);
	return n;
}

static int
compare_pairs(const void *left, const void *right)
{
	uint64 a = *(const uint64 *) left;
	uint64 b = *(const uint64 *) right;

	return a < b ? -1 : a > b;
}

/* The letters of the words that both have; of long words one letter may differ, of numbers none. */
static int
common_words(const Words *left, const Words *right)
{
	static const int shortest[] = {1, 4};
	bool taken_left[MAX_WORDS] = {false};
	bool taken_right[MAX_WORDS] = {false};
	int common = 0;

	for (int slips = 0; slips <= 1; slips++)
	{
		for (int i = 0; i < left->n; i++)
		{
			for (int j = 0; j < right->n && !taken_left[i]; j++)
			{
				Letters a;
				Letters b;

				if (taken_right[j] || left->word[i].n < shortest[slips] || right->word[j].n < shortest[slips] ||
					abs(left->word[i].n - right->word[j].n) > slips)
					continue;
				a.n = left->word[i].n;
				b.n = right->word[j].n;
				memcpy(a.c, left->word[i].c, sizeof(pg_wchar) * a.n);
				memcpy(b.c, right->word[j].c, sizeof(pg_wchar) * b.n);
				if (slips == 0 ? !equal(&a, &b)
							   : (equal(&a, &b) || has_digit(a.c, a.n) || has_digit(b.c, b.n) || edits(&a, &b) > 1))
					continue;
				taken_left[i] = taken_right[j] = true;
				common += Min(a.n, b.n);
			}
		}
	}
	return common;
}

static bool
same_words(const Words *left, const Words *right)
{
	bool taken[MAX_WORDS] = {false};

	if (left->n != right->n || left->letters != right->letters)
		return false;
	for (int i = 0; i < left->n; i++)
	{
		int j = 0;

		while (j < right->n && (taken[j] || left->word[i].n != right->word[j].n ||
								memcmp(left->word[i].c, right->word[j].c, sizeof(pg_wchar) * left->word[i].n) != 0))
			j++;
		if (j == right->n)
			return false;
		taken[j] = true;
	}
	return true;
}

static bool
has_digit(const pg_wchar *c, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (c[i] >= '0' && c[i] <= '9')
			return true;
	}
	return false;
}
