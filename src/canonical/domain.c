/*
 * domain.c
 *		Host names in one spelling (IDNA 2008, libidn2), and the domain that somebody
 *		registered, by the public suffix list (libpsl).
 *
 * The list is loaded once, by the server's first process for all that it forks (where the library is not preloaded, by
 * each at its first question), and kept: libpsl allocates it itself. libpsl takes the newer of the list that it was built with and
 * the one that the package publicsuffix keeps up to date; a new one counts when the server has been restarted.
 *
 * Nothing here raises an error for bad input: the result is NULL and *problem says why.
 */
#include "postgres.h"

#include <ctype.h>
#include <idn2.h>
#include <libpsl.h>

#include "access/detoast.h"
#include "compat.h"
#include "domain.h"
#include "fmgr.h"
#include "fold.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(lr_domain_key_sql);
PG_FUNCTION_INFO_V1(lr_domain_problem_sql);

static const psl_ctx_t *suffix_list = NULL;
static char suffix_list_version[128];

static char *key_of_datum(Datum datum, const char **problem);
static bool load_list(void);
static void sum_file(const char *name, char *version, Size size);
static void find_host(const char **data, int *len);
static const char *behind_http(const char *start, const char *end);
static const char *find_char(const char *data, int len, const char *chars);
static bool host_is_address(const char *host);
static char *convert_unicode(const char *data, int len, const char **problem);
static const char *check_ascii(const char *host, bool *encoded);

void
lr_domain_init(void)
{
	if (process_shared_preload_libraries_in_progress)
		(void) load_list();
}

/* domain_key(text) RETURNS text */
Datum
lr_domain_key_sql(PG_FUNCTION_ARGS)
{
	const char *problem;
	char *key = key_of_datum(PG_GETARG_DATUM(0), &problem);

	if (key == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(key));
}

/* domain_problem(text) RETURNS text */
Datum
lr_domain_problem_sql(PG_FUNCTION_ARGS)
{
	const char *problem;

	if (key_of_datum(PG_GETARG_DATUM(0), &problem) != NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(problem));
}

static char *
key_of_datum(Datum datum, const char **problem)
{
	text *input;

	if (toast_raw_datum_size(datum) - VARHDRSZ > LR_DOMAIN_MAX_URL)
	{
		*problem = "is too long";
		return NULL;
	}
	input = DatumGetTextPP(datum);
	return lr_domain_key(VARDATA_ANY(input), VARSIZE_ANY_EXHDR(input), problem);
}

/* The registrable domain of an e-mail address, host name or URL; palloc'd, NULL where there is none. */
char *
lr_domain_key(const char *data, int len, const char **problem)
{
	char *host;
	const char *domain;

	host = lr_domain_host(data, len, problem);
	if (host == NULL)
		return NULL;
	if (!load_list())
	{
		*problem = "cannot be looked up: libpsl has no public suffix list";
		return NULL;
	}
	domain = psl_registrable_domain(suffix_list, host);
	if (domain == NULL)
	{
		*problem = "is a public suffix, under which others register domains";
		return NULL;
	}
	return pstrdup(domain);
}

/* Loads the list where that has not been done. False where there is none. */
static bool
load_list(void)
{
	if (suffix_list != NULL)
		return true;
	/* which of the two psl_latest takes */
	if (psl_builtin_outdated() > 0 && psl_dist_filename() != NULL)
		sum_file(psl_dist_filename(), suffix_list_version, sizeof(suffix_list_version));
	else
		snprintf(suffix_list_version, sizeof(suffix_list_version), "%s, its own list %.16s", psl_get_version(),
				 psl_builtin_sha1sum() ? psl_builtin_sha1sum() : "");
	suffix_list = psl_latest(NULL);
	if (suffix_list == NULL)
		suffix_list = psl_builtin();
	return suffix_list != NULL;
}

/* A sum of the list's bytes: nothing in it, and no date that survives its package, says which it is. */
static void
sum_file(const char *name, char *version, Size size)
{
	uint64 sum = UINT64CONST(14695981039346656037);
	char buffer[8192];
	size_t n;
	FILE *file = AllocateFile(name, "rb");

	if (file == NULL)
	{
		snprintf(version, size, "%s, list unknown", psl_get_version());
		return;
	}
	while ((n = fread(buffer, 1, sizeof(buffer), file)) > 0)
		for (size_t i = 0; i < n; i++)
			sum = (sum ^ (unsigned char) buffer[i]) * UINT64CONST(1099511628211);
	FreeFile(file);
	snprintf(version, size, "%s, list %016llx", psl_get_version(), (unsigned long long) sum);
}

const char *
lr_domain_list_version(void)
{
	return load_list() ? suffix_list_version : "none";
}

const char *
lr_domain_idna_version(void)
{
	return idn2_check_version(NULL);
}

/* The host of an e-mail address, host name or URL, as lr_domain_ascii spells it. */
char *
lr_domain_host(const char *data, int len, const char **problem)
{
	lr_trim(&data, &len);
	find_host(&data, &len);
	return lr_domain_ascii(data, len, problem);
}

/*
 * A host name in lower case and ASCII, without the final dot; palloc'd. NULL where it is none
 * that the Internet's names allow: at least two labels, letters, digits and hyphens.
 */
char *
lr_domain_ascii(const char *data, int len, const char **problem)
{
	char *host;
	bool encoded = false;
	int i;

	/* the final dot of an absolute name; full-width dots are mapped below */
	if (len > 1 && data[len - 1] == '.' && data[len - 2] != '.')
		len--;
	if (len == 0)
	{
		*problem = "has no domain";
		return NULL;
	}
	if (len > LR_DOMAIN_MAX * 4)
	{
		*problem = "has a domain that is too long";
		return NULL;
	}
	for (i = 0; i < len && !IS_HIGHBIT_SET(data[i]); i++)
		;
	if (i < len)
	{
		if (GetDatabaseEncoding() != PG_UTF8)
		{
			*problem = "has a domain with letters that are understood in UTF8 databases only";
			return NULL;
		}
		host = convert_unicode(data, len, problem);
		if (host == NULL)
			return NULL;
	}
	else
		host = lr_fold(data, len, 0);
	*problem = check_ascii(host, &encoded);
	if (*problem == NULL && encoded && i == len)
	{
		/* "xn--" must be what some name encodes to */
		host = convert_unicode(host, strlen(host), problem);
		if (host == NULL)
			return NULL;
		*problem = check_ascii(host, &encoded);
	}
	if (*problem == NULL && host_is_address(host))
		*problem = "has a numeric address, not a domain";
	return *problem == NULL ? host : NULL;
}

/* Narrows a URL, an e-mail address or a host with a port to the host. */
static void
find_host(const char **data, int *len)
{
	const char *start = *data;
	const char *end = start + *len;
	const char *found;

	/* "https//acme.example", "http:/acme.example", "http://https://acme.example" */
	while ((found = behind_http(start, end)) != NULL)
		start = found;
	for (found = start; found + 2 < end; found++)
	{
		if (memcmp(found, "://", 3) == 0)
		{
			start = found + 3;
			break;
		}
		/* a scheme is letters, digits and a few marks */
		if (!isalnum((unsigned char) *found) && strchr("+-.", *found) == NULL)
			break;
	}
	if (end - start >= 2 && start[0] == '/' && start[1] == '/')
		start += 2;
	if (end - start > 7 && pg_strncasecmp(start, "mailto:", 7) == 0)
		start += 7;
	end = find_char(start, end - start, "/?#\\");
	/* the last "@" ends a user's name, of an e-mail address or of a URL; "Kim <kim@acme.example>" ends in ">" */
	for (found = end; found > start && found[-1] != '@'; found--)
		;
	if (found > start)
	{
		start = found;
		end = find_char(start, end - start, ">");
	}
	/* a port: only digits, or nothing, after the last ":" */
	for (found = end; found > start && found[-1] >= '0' && found[-1] <= '9'; found--)
		;
	if (found > start && found[-1] == ':')
		end = found - 1;
	*data = start;
	*len = end - start;
	lr_trim(data, len);
}

/* What stands behind "http" or "https" and its marks, right or not; NULL where there are none. */
static const char *
behind_http(const char *start, const char *end)
{
	const char *next = start + 4;

	if (end - start <= 4 || pg_strncasecmp(start, "http", 4) != 0)
		return NULL;
	if (*next == 's' || *next == 'S')
		next++;
	start = next;
	while (next < end && (*next == ':' || *next == ';' || *next == '/'))
		next++;
	return next > start && next < end ? next : NULL;
}

/* The first of the characters, else the end. */
static const char *
find_char(const char *data, int len, const char *chars)
{
	int i;

	for (i = 0; i < len; i++)
	{
		if (data[i] != '\0' && strchr(chars, data[i]) != NULL)
			break;
	}
	return data + i;
}

/* IPv4 addresses, and whatever else browsers would take for a number: the last label is one. */
static bool
host_is_address(const char *host)
{
	const char *last = strrchr(host, '.') + 1;

	return strspn(last, "0123456789") == strlen(last);
}

/* Through libidn2, with the mapping of UTS 46 (case, width, full stops of other scripts). */
static char *
convert_unicode(const char *data, int len, const char **problem)
{
	char *input = pnstrdup(data, len);
	char *output = NULL;
	char *host;
	int result;

	result = idn2_to_ascii_8z(input, &output, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	pfree(input);
	if (result != IDN2_OK)
	{
		*problem = "has a domain that IDNA 2008 does not allow";
		return NULL;
	}
	host = pstrdup(output);
	idn2_free(output);
	return host;
}

/* What is wrong with a host name in ASCII, or NULL; *encoded says whether a label begins with "xn--". */
static const char *
check_ascii(const char *host, bool *encoded)
{
	const char *label = host;
	int labels = 0;

	if (strlen(host) > LR_DOMAIN_MAX)
		return "has a domain that is too long";
	for (;;)
	{
		int len = strcspn(label, ".");
		int i;

		if (len == 0)
			return "has a domain with an empty label";
		if (len > 63)
			return "has a domain with a label of more than 63 characters";
		for (i = 0; i < len; i++)
		{
			if (!((label[i] >= 'a' && label[i] <= 'z') || (label[i] >= '0' && label[i] <= '9') || label[i] == '-'))
				return "has a domain with characters that no domain has";
		}
		if (label[0] == '-' || label[len - 1] == '-')
			return "has a domain with a label that begins or ends with a hyphen";
		if (strncmp(label, "xn--", 4) == 0)
			*encoded = true;
		labels++;
		if (label[len] == '\0')
			break;
		label += len + 1;
	}
	return labels > 1 ? NULL : "has a domain without a dot";
}
