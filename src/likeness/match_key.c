/*
 * match_key.c
 *		Blocking: the keys under which a lead's likes are looked for.
 *
 * Two leads are compared when they have one key in common. Each pass makes a few keys, and the
 * passes err in different places: exact values (an e-mail, the end of a phone number, a birth
 * date), sounds of names with a part of a date, a postal code or a place, and trigrams. For
 * trigrams a value is looked up by min-hashes of its set of trigrams (Broder 1997), BANDS keys
 * of two each: two sets that have the share s in common share a key with the probability
 * 1 - (1 - s * s) ^ BANDS. That finds what a trigram index finds, at the cost of BANDS look-ups
 * whatever the size of the table; an index scan over a frequent trigram grows with the table.
 *
 * A key is the pass's name, a colon and what the leads have in common, so that a block that is
 * too large can be told by name.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "likeness.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(lr_match_keys_sql);

#define BANDS 3
#define MAX_KEYS 96
#define MAX_PART 200

typedef struct Keys
{
	int n;
	char *key[MAX_KEYS];
} Keys;

static void email_keys(Keys *keys, const char *email, const char *sound[2]);
static void company_keys(Keys *keys, const char *company, const char *sound[2]);
static void website_keys(Keys *keys, const char *website, const char *sound[2]);
static void phone_keys(Keys *keys, const char *phone);
static void person_keys(Keys *keys, const char *name[2], const char *sound[2], const char *date, const char *postal, const char *city);
static void address_keys(Keys *keys, const char *address);
static void trigram_keys(Keys *keys, const char *pass, const char *value, const char *other);
static void add(Keys *keys, const char *pass, const char *part, const char *other);
static char *sound_of(const char *name);
static uint64 mix(uint64 x);

/* match_keys(kinds text[], match_values text[]) RETURNS text[] */
Datum
lr_match_keys_sql(PG_FUNCTION_ARGS)
{
	Datum *kinds;
	Datum *values;
	bool *no_kind;
	bool *null;
	int n;
	int n_values;
	char *first_of[LR_MATCH_IDENTIFIER + 1] = {NULL};
	const char *name[2];
	const char *sound[2];
	Keys keys = {0};
	Datum datums[MAX_KEYS];

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, TYPALIGN_INT, &kinds, &no_kind, &n);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &values, &null, &n_values);
	for (int pass = 0; pass < 2; pass++)
	{
		/* the second time all values that go together are known */
		name[0] = first_of[LR_MATCH_FIRST_NAME];
		name[1] = first_of[LR_MATCH_LAST_NAME];
		sound[0] = name[0] ? sound_of(name[0]) : NULL;
		sound[1] = name[1] ? sound_of(name[1]) : NULL;
		for (int i = 0; i < Min(n, n_values); i++)
		{
			LrMatchKind kind;
			char *value;

			if (no_kind[i] || null[i] || !lr_match_kind(VARDATA_ANY(DatumGetPointer(kinds[i])), VARSIZE_ANY_EXHDR(DatumGetPointer(kinds[i])), &kind))
				continue;
			value = TextDatumGetCString(values[i]);
			if (pass == 0)
			{
				if (first_of[kind] == NULL)
					first_of[kind] = value;
				continue;
			}
			switch (kind)
			{
				case LR_MATCH_EMAIL:
					email_keys(&keys, value, sound);
					break;
				case LR_MATCH_PHONE:
					phone_keys(&keys, value);
					break;
				case LR_MATCH_IDENTIFIER:
					add(&keys, "identifier", value, NULL);
					break;
				case LR_MATCH_COMPANY:
					company_keys(&keys, value, sound);
					add(&keys, "company+postal", sound_of(value), first_of[LR_MATCH_POSTAL_CODE]);
					break;
				case LR_MATCH_WEBSITE:
					website_keys(&keys, value, sound);
					break;
				case LR_MATCH_ADDRESS:
					address_keys(&keys, value);
					break;
				default:
					break;
			}
		}
	}
	person_keys(&keys, name, sound, first_of[LR_MATCH_BIRTH_DATE], first_of[LR_MATCH_POSTAL_CODE], first_of[LR_MATCH_CITY]);

	for (int i = 0; i < keys.n; i++)
		datums[i] = CStringGetTextDatum(keys.key[i]);
	PG_RETURN_ARRAYTYPE_P(construct_array(datums, keys.n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* The whole address, its local part, the domain with a name, trigrams of the local part: colleagues share the rest. A function's mailbox leads nowhere. */
static void
email_keys(Keys *keys, const char *email, const char *sound[2])
{
	const char *at = strrchr(email, '@');
	int width = at ? at - email : (int) strlen(email);

	if (lr_role_mailbox(email, width))
		return;
	add(keys, "email", email, NULL);
	trigram_keys(keys, "local part", pnstrdup(email, width), NULL);
	if (width >= 4)
		add(keys, "local part", pnstrdup(email, width), NULL);
	for (int i = 0; i < 2 && at && at[1]; i++)
		add(keys, "domain+name", at + 1, sound[i]);
}

/* The name and its trigrams; of a person's company trigrams together with the surname, since all its staff has the company in common. */
static void
company_keys(Keys *keys, const char *company, const char *sound[2])
{
	const char *name = sound[1] ? sound[1] : sound[0];

	trigram_keys(keys, name ? "company+name" : "company", company, name);
	if (name == NULL)
		add(keys, "company", company, NULL);
}

/* Of a company itself; of its people together with a name. */
static void
website_keys(Keys *keys, const char *website, const char *sound[2])
{
	if (sound[0] == NULL && sound[1] == NULL)
		add(keys, "website", website, NULL);
	for (int i = 0; i < 2; i++)
		add(keys, "domain+name", website, sound[i]);
}

static void
phone_keys(Keys *keys, const char *phone)
{
	int len = strlen(phone);

	add(keys, "phone", phone + Max(0, len - 9), NULL);
	add(keys, "phone's end", phone + Max(0, len - 7), NULL);
}

/* Names may have changed places, so they go in order of their sounds; each may be missing. */
static void
person_keys(Keys *keys, const char *name[2], const char *sound[2], const char *date, const char *postal, const char *city)
{
	char *place = city ? pnstrdup(city, pg_mbcliplen(city, strlen(city), 4)) : NULL;

	if (date)
		add(keys, "birth date", date, NULL);
	if (date && place && strlen(date) == 8)
		add(keys, "day+city", date + 4, place);
	for (int i = 0; i < 2; i++)
	{
		if (sound[i] == NULL)
			continue;
		if (date && strlen(date) == 8)
		{
			add(keys, "name+year", sound[i], pnstrdup(date, 4));
			add(keys, "name+day", sound[i], date + 4);
		}
		add(keys, "name+postal", sound[i], postal);
		add(keys, "name+city", name[i], place);
	}
	if (name[0] && name[1])
	{
		bool swap = strcmp(sound[0], sound[1]) > 0;
		bool swap_names = strcmp(name[0], name[1]) > 0;

		add(keys, "names' sound", sound[swap], sound[!swap]);
		add(keys, "names", name[swap_names], name[!swap_names]);
	}
}

/* Its first number with its longest word, and trigrams. */
static void
address_keys(Keys *keys, const char *address)
{
	const char *number = NULL;
	const char *longest = NULL;
	int number_width = 0;
	int longest_width = 0;

	trigram_keys(keys, "address", address, NULL);
	for (const char *word = address; *word;)
	{
		int width = strcspn(word, " ");

		if (*word >= '0' && *word <= '9')
		{
			if (number == NULL)
			{
				number = word;
				number_width = width;
			}
		}
		else if (width > longest_width)
		{
			longest = word;
			longest_width = width;
		}
		word += width + (word[width] == ' ');
	}
	if (number && longest)
		add(keys, "address", pnstrdup(number, number_width), pnstrdup(longest, longest_width));
}

/* The least hashes of the value's trigrams under BANDS pairs of functions. Padded as pg_trgm does it. */
static void
trigram_keys(Keys *keys, const char *pass, const char *value, const char *other)
{
	uint64 least[BANDS * 2];
	int len = Min((int) strlen(value), MAX_PART);
	char padded[MAX_PART + 4];
	char text[40];

	memcpy(padded, "  ", 2);
	memcpy(padded + 2, value, len);
	padded[len + 2] = ' ';
	memset(least, 0xff, sizeof(least));
	for (int i = 0; i + 3 <= len + 3; i++)
	{
		uint64 trigram = ((uint64) (unsigned char) padded[i] << 16) | ((uint64) (unsigned char) padded[i + 1] << 8) | (unsigned char) padded[i + 2];

		for (int f = 0; f < BANDS * 2; f++)
			least[f] = Min(least[f], mix(trigram + ((uint64) (f + 1) << 32)));
	}
	for (int band = 0; band < BANDS; band++)
	{
		snprintf(text, sizeof(text), "%d-%012llx", band + 1, (unsigned long long) (mix(least[band * 2] ^ (least[band * 2 + 1] >> 1)) & UINT64CONST(0xffffffffffff)));
		add(keys, psprintf("%s's trigrams", pass), text, other);
	}
}

/* A key, once. A pass of two parts has "+" in its name, and makes no key where the other part is missing. */
static void
add(Keys *keys, const char *pass, const char *part, const char *other)
{
	char *key;

	if (strchr(pass, '+') && other == NULL)
		return;
	if (strlen(part) > MAX_PART || keys->n == MAX_KEYS)
		return;
	key = other ? psprintf("%s:%s %s", pass, part, other) : psprintf("%s:%s", pass, part);
	for (int i = 0; i < keys->n; i++)
	{
		if (strcmp(keys->key[i], key) == 0)
			return;
	}
	keys->key[keys->n++] = key;
}

/* Russell's Soundex (1918) of a name in Latin letters; the beginning of any other. palloc'd. */
static char *
sound_of(const char *name)
{
	static const char codes[] = "01230120022455012623010202";
	char *sound = pstrdup("0000");
	int n = 1;
	char before;

	if (name[0] < 'a' || name[0] > 'z')
		return pnstrdup(name, pg_mbcliplen(name, strlen(name), 9));
	sound[0] = name[0];
	before = codes[name[0] - 'a'];
	for (const char *next = name + 1; *next && n < 4; next++)
	{
		char code;

		if (*next < 'a' || *next > 'z')
			continue;
		code = codes[*next - 'a'];
		if (code != '0' && code != before)
			sound[n++] = code;
		/* h and w do not part what sounds the same, vowels do */
		if (*next != 'h' && *next != 'w')
			before = code;
	}
	return sound;
}

/* Spreads the bits (the finalizer of splitmix64, by Steele, Lea and Flood 2014). */
static uint64
mix(uint64 x)
{
	x += UINT64CONST(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64CONST(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64CONST(0x94d049bb133111eb);
	return x ^ (x >> 31);
}
