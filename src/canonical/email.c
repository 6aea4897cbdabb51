/*
 * email.c
 *		E-mail addresses in one spelling, for identity: two spellings of one mailbox have
 *		one key.
 *
 * The local part folds as people mean it, not as RFC 5321 allows it to be meant: no
 * provider of note tells Kim@ from kim@. Nothing here raises an error for bad input: the
 * result is NULL and *problem says why.
 */
#include "postgres.h"

#include <ctype.h>

#include "access/detoast.h"
#include "compat.h"
#include "domain.h"
#include "email.h"
#include "fmgr.h"
#include "fold.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(lr_email_key_sql);
PG_FUNCTION_INFO_V1(lr_email_problem_sql);

#define MAX_LOCAL 64

/* Providers for whom dots in the local part mean nothing, and the name that one of them goes by. */
static const struct
{
	const char *domain;
	const char *canonical;
} dotless[] = {
	{"gmail.com", "gmail.com"},
	{"googlemail.com", "gmail.com"},
	{"proton.me", "proton.me"},
	{"protonmail.com", "protonmail.com"},
	{"protonmail.ch", "protonmail.ch"},
	{"pm.me", "pm.me"},
};

static char *key_of_datum(Datum datum, int options, const char **problem);
static void find_address(const char **data, int *len);
static char *canonical_local(char *local, const char **problem);
static const char *check_local(const char *local, bool quoted);
static const char *find_dotless(const char *domain);

/* email_key(email text, strip_tags boolean, ignore_dots boolean) RETURNS text */
Datum
lr_email_key_sql(PG_FUNCTION_ARGS)
{
	const char *problem;
	char *key = key_of_datum(PG_GETARG_DATUM(0), (PG_GETARG_BOOL(1) ? LR_EMAIL_TAGS : 0) | (PG_GETARG_BOOL(2) ? LR_EMAIL_DOTS : 0), &problem);

	if (key == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(key));
}

/* email_problem(email text) RETURNS text */
Datum
lr_email_problem_sql(PG_FUNCTION_ARGS)
{
	const char *problem;

	if (key_of_datum(PG_GETARG_DATUM(0), LR_EMAIL_TAGS | LR_EMAIL_DOTS, &problem) != NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(problem));
}

static char *
key_of_datum(Datum datum, int options, const char **problem)
{
	text *input;

	if (toast_raw_datum_size(datum) - VARHDRSZ > LR_EMAIL_MAX_INPUT)
	{
		*problem = "is too long";
		return NULL;
	}
	input = DatumGetTextPP(datum);
	return lr_email_key(VARDATA_ANY(input), VARSIZE_ANY_EXHDR(input), options, problem);
}

/* The canonical address, palloc'd; NULL where it is none. */
char *
lr_email_key(const char *data, int len, int options, const char **problem)
{
	char *local;
	char *at;
	char *domain;
	const char *canonical;

	lr_trim(&data, &len);
	find_address(&data, &len);
	if (len == 0)
	{
		*problem = "is empty";
		return NULL;
	}
	local = lr_fold(data, len, 0);
	at = strrchr(local, '@');
	if (at == NULL)
	{
		*problem = "has no \"@\"";
		return NULL;
	}
	*at = '\0';
	domain = lr_domain_ascii(at + 1, strlen(at + 1), problem);
	if (domain == NULL)
		return NULL;
	local = canonical_local(local, problem);
	if (local == NULL)
		return NULL;

	if (local[0] != '"')
	{
		char *tag = strchr(local + 1, '+');

		if ((options & LR_EMAIL_TAGS) && tag != NULL)
			*tag = '\0';
		canonical = (options & LR_EMAIL_DOTS) ? find_dotless(domain) : NULL;
		if (canonical != NULL)
		{
			char *kept = local;
			const char *next;

			for (next = local; *next; next++)
			{
				if (*next != '.')
					*kept++ = *next;
			}
			*kept = '\0';
			domain = pstrdup(canonical);
		}
		/* a tag behind a dot leaves the dot */
		*problem = check_local(local, false);
		if (*problem != NULL)
			return NULL;
	}
	return psprintf("%s@%s", local, domain);
}

/* Narrows "mailto:kim@acme.example?subject=x", "Kim <kim@acme.example>", "'kim@acme.example'" and "kim@acme.example;" to the address. */
static void
find_address(const char **data, int *len)
{
	if (*len > 7 && pg_strncasecmp(*data, "mailto:", 7) == 0)
	{
		const char *query = memchr(*data, '?', *len);

		if (query != NULL)
			*len = query - *data;
		*data += 7;
		*len -= 7;
	}
	/* out of a list, or of a quotation */
	while (*len > 0 && strchr(",;", (*data)[*len - 1]) != NULL)
		(*len)--;
	if (*len > 2 && ((*data)[0] == '\'' || (*data)[0] == '"') && (*data)[*len - 1] == (*data)[0])
	{
		(*data)++;
		*len -= 2;
	}
	if (*len > 2 && (*data)[*len - 1] == '>')
	{
		int i;

		for (i = *len - 2; i >= 0 && (*data)[i] != '<'; i--)
			;
		if (i >= 0)
		{
			*data += i + 1;
			*len -= i + 2;
		}
	}
	lr_trim(data, len);
}

/* The local part, checked; quotes go where they are not needed. May change what it is given. */
static char *
canonical_local(char *local, const char **problem)
{
	int len = strlen(local);
	char *inner;
	int i;
	int n = 0;

	if (len < 2 || local[0] != '"' || local[len - 1] != '"')
	{
		*problem = check_local(local, false);
		return *problem == NULL ? local : NULL;
	}
	inner = palloc(len);
	for (i = 1; i < len - 1; i++)
	{
		if (i < len - 2 && local[i] == '\\')
			i++;
		else if (local[i] == '"' || local[i] == '\\')
		{
			*problem = "has a quote in its local part that does not end";
			return NULL;
		}
		inner[n++] = local[i];
	}
	inner[n] = '\0';
	if (check_local(inner, false) == NULL)
		return inner;
	*problem = check_local(inner, true);
	if (*problem != NULL || strpbrk(inner, "\"\\") != NULL)
	{
		if (*problem == NULL)
			*problem = "has quotes within the quotes of its local part";
		return NULL;
	}
	return psprintf("\"%s\"", inner);
}

/* What is wrong with a local part, or NULL. */
static const char *
check_local(const char *local, bool quoted)
{
	const char *c;

	if (local[0] == '\0')
		return "has nothing before the \"@\"";
	if (strlen(local) > MAX_LOCAL)
		return "has more than 64 bytes before the \"@\"";
	for (c = local; *c; c++)
	{
		if ((unsigned char) *c < 0x20 || *c == 0x7F)
			return "has control characters";
		if (quoted || IS_HIGHBIT_SET(*c) || isalnum((unsigned char) *c))
			continue;
		if (*c == '@')
			return "has more than one \"@\"";
		if (*c == ' ' || strchr(",;", *c) != NULL)
			return "has blanks or is more than one address";
		if (strchr("!#$%&'*+-/=?^_`{|}~.", *c) == NULL)
			return "has characters before the \"@\" that stand in quotes only";
		if (*c == '.' && (c == local || c[1] == '.' || c[1] == '\0'))
			return "has a dot too many before the \"@\"";
	}
	return NULL;
}

static const char *
find_dotless(const char *domain)
{
	int i;

	for (i = 0; i < lengthof(dotless); i++)
	{
		if (strcmp(dotless[i].domain, domain) == 0)
			return dotless[i].canonical;
	}
	return NULL;
}
