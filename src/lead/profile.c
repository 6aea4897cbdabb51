/*
 * profile.c
 *		What a lead's row says of a person and a company, in canonical form; computed when asked for.
 *
 * A value is marked as known when it is there: where reading a column fails, the next who asks
 * tries again.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "ask.h"
#include "catalog/pg_type.h"
#include "company.h"
#include "compat.h"
#include "country.h"
#include "domain.h"
#include "email.h"
#include "fmgr.h"
#include "fold.h"
#include "funcapi.h"
#include "phone_sql.h"
#include "profile.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(lr_lead_profile_sql);

/* bytes; a longer text is no name of a person */
#define MAX_PERSON 200

typedef enum Known
{
	KNOWN_EMAIL = 1 << 0,
	KNOWN_MAIL = 1 << 1,
	KNOWN_EMAIL_DOMAIN = 1 << 2,
	KNOWN_WEBSITE_DOMAIN = 1 << 3,
	KNOWN_PHONE = 1 << 4,
	KNOWN_COMPANY = 1 << 5,
	KNOWN_FIRST_NAME = 1 << 6,
	KNOWN_LAST_NAME = 1 << 7,
	KNOWN_COUNTRY = 1 << 8,
	KNOWN_REGION = 1 << 9,
	KNOWN_POSTAL = 1 << 10
} Known;

/* What stands in a column. */
typedef enum Reading
{
	READ_NOTHING, /* no column, NULL, or blank */
	READ_TOO_LONG,
	READ_TEXT
} Reading;

static void learn(LeadProfile *profile, Known what, void (*compute)(LeadProfile *));
static Reading read_input(LeadProfile *profile, LeadInput input, int max, const char **data, int *len);
static void compute_email(LeadProfile *profile);
static void compute_mail(LeadProfile *profile);
static void compute_email_domain(LeadProfile *profile);
static void compute_website_domain(LeadProfile *profile);
static void compute_phone(LeadProfile *profile);
static void compute_company(LeadProfile *profile);
static void compute_first_name(LeadProfile *profile);
static void compute_last_name(LeadProfile *profile);
static const char *person_key(LeadProfile *profile, LeadInput input);
static void compute_country(LeadProfile *profile);
static void compute_region(LeadProfile *profile);
static void compute_postal(LeadProfile *profile);

void
lr_profile_begin(LeadProfile *profile, const LeadShape *shape, const FlowConfig *config, TupleTableSlot *slot)
{
	memset(profile, 0, sizeof(LeadProfile));
	profile->shape = shape;
	profile->config = config;
	profile->slot = slot;
	profile->mcxt = CurrentMemoryContext;
}

const char *
lr_profile_email(LeadProfile *profile)
{
	learn(profile, KNOWN_EMAIL, compute_email);
	return profile->email;
}

const char *
lr_profile_email_problem(LeadProfile *profile)
{
	learn(profile, KNOWN_EMAIL, compute_email);
	return profile->email_problem;
}

const LrMailDomain *
lr_profile_mail(LeadProfile *profile)
{
	learn(profile, KNOWN_MAIL, compute_mail);
	return &profile->mail;
}

const char *
lr_profile_email_domain(LeadProfile *profile)
{
	learn(profile, KNOWN_EMAIL_DOMAIN, compute_email_domain);
	return profile->email_domain;
}

const char *
lr_profile_website_domain(LeadProfile *profile)
{
	learn(profile, KNOWN_WEBSITE_DOMAIN, compute_website_domain);
	return profile->website_domain;
}

const char *
lr_profile_phone(LeadProfile *profile)
{
	learn(profile, KNOWN_PHONE, compute_phone);
	return profile->phone;
}

const char *
lr_profile_phone_problem(LeadProfile *profile)
{
	learn(profile, KNOWN_PHONE, compute_phone);
	return profile->phone_problem;
}

const char *
lr_profile_phone_extension(LeadProfile *profile)
{
	learn(profile, KNOWN_PHONE, compute_phone);
	return profile->phone && profile->number.extension[0] ? profile->number.extension : NULL;
}

const char *
lr_profile_company(LeadProfile *profile)
{
	learn(profile, KNOWN_COMPANY, compute_company);
	return profile->company;
}

const char *
lr_profile_first_name(LeadProfile *profile)
{
	learn(profile, KNOWN_FIRST_NAME, compute_first_name);
	return profile->first_name;
}

const char *
lr_profile_last_name(LeadProfile *profile)
{
	learn(profile, KNOWN_LAST_NAME, compute_last_name);
	return profile->last_name;
}

const char *
lr_profile_country(LeadProfile *profile)
{
	learn(profile, KNOWN_COUNTRY, compute_country);
	return profile->country;
}

const char *
lr_profile_region(LeadProfile *profile)
{
	learn(profile, KNOWN_REGION, compute_region);
	return profile->region;
}

const char *
lr_profile_postal(LeadProfile *profile)
{
	learn(profile, KNOWN_POSTAL, compute_postal);
	return profile->postal;
}

static void
learn(LeadProfile *profile, Known what, void (*compute)(LeadProfile *))
{
	MemoryContext oldcontext;

	if (profile->known & what)
		return;
	oldcontext = MemoryContextSwitchTo(profile->mcxt);
	compute(profile);
	MemoryContextSwitchTo(oldcontext);
	profile->known |= what;
}

/* The column's text without the blanks around it. One that is too long is not detoasted. */
static Reading
read_input(LeadProfile *profile, LeadInput input, int max, const char **data, int *len)
{
	const LeadColumn *column = &profile->shape->inputs[input];
	Datum value;
	bool isnull;

	if (column->attno == 0)
		return READ_NOTHING;
	value = slot_getattr(profile->slot, column->attno, &isnull);
	if (isnull)
		return READ_NOTHING;
	if (column->type == TEXTOID || column->type == VARCHAROID || column->type == BPCHAROID)
	{
		text *string;

		if (toast_raw_datum_size(value) - VARHDRSZ > max)
			return READ_TOO_LONG;
		string = DatumGetTextPP(value);
		*data = VARDATA_ANY(string);
		*len = VARSIZE_ANY_EXHDR(string);
	}
	else
	{
		*data = OutputFunctionCall(unconstify(FmgrInfo *, &column->output), value);
		*len = (int) strlen(*data);
		if (*len > max)
			return READ_TOO_LONG;
	}
	lr_trim(data, len);
	return *len > 0 ? READ_TEXT : READ_NOTHING;
}

static void
compute_email(LeadProfile *profile)
{
	const char *data;
	int len;

	switch (read_input(profile, INPUT_EMAIL, LR_EMAIL_MAX_INPUT, &data, &len))
	{
		case READ_NOTHING:
			break;
		case READ_TOO_LONG:
			profile->email_problem = "is too long";
			break;
		case READ_TEXT:
			profile->email = lr_email_key(data, len, profile->config->email_options, &profile->email_problem);
			if (profile->email)
				profile->email_problem = NULL;
			break;
	}
}

static void
compute_mail(LeadProfile *profile)
{
	const char *email = lr_profile_email(profile);

	if (email)
		lr_mail_find(strrchr(email, '@') + 1, &profile->mail);
}

static void
compute_email_domain(LeadProfile *profile)
{
	const char *email = lr_profile_email(profile);
	const char *problem;

	if (email)
	{
		const char *host = strrchr(email, '@') + 1;

		profile->email_domain = lr_domain_key(host, (int) strlen(host), &problem);
	}
}

static void
compute_website_domain(LeadProfile *profile)
{
	const char *problem;
	const char *data;
	int len;

	if (read_input(profile, INPUT_WEBSITE, LR_DOMAIN_MAX_URL, &data, &len) == READ_TEXT)
		profile->website_domain = lr_domain_key(data, len, &problem);
}

static void
compute_phone(LeadProfile *profile)
{
	LrPhoneProblem problem = LR_PHONE_FINE;
	const char *data;
	int len;

	switch (read_input(profile, INPUT_PHONE, LR_PHONE_MAX_INPUT, &data, &len))
	{
		case READ_NOTHING:
			return;
		case READ_TOO_LONG:
			problem = LR_PHONE_TOO_LONG;
			break;
		case READ_TEXT:
			(void) lr_profile_country(profile);
			problem = lr_phone_read(data, len, profile->home, &profile->number);
			break;
	}
	profile->phone_problem = lr_phone_problem_text(problem);
	profile->phone = problem == LR_PHONE_FINE ? profile->number.e164 : NULL;
}

static void
compute_company(LeadProfile *profile)
{
	const char *data;
	int len;

	if (read_input(profile, INPUT_COMPANY, LR_COMPANY_MAX_INPUT, &data, &len) == READ_TEXT)
		profile->company = lr_company_key(data, len);
}

static void
compute_first_name(LeadProfile *profile)
{
	profile->first_name = person_key(profile, INPUT_FIRST_NAME);
}

static void
compute_last_name(LeadProfile *profile)
{
	profile->last_name = person_key(profile, INPUT_LAST_NAME);
}

static const char *
person_key(LeadProfile *profile, LeadInput input)
{
	const char *data;
	const char *key;
	int len;

	if (read_input(profile, input, MAX_PERSON, &data, &len) != READ_TEXT)
		return NULL;
	key = lr_fold_words(data, len);
	return key[0] && !lr_says_nothing(key) ? key : NULL;
}

static void
compute_country(LeadProfile *profile)
{
	const char *data;
	int len;

	switch (read_input(profile, INPUT_COUNTRY, LR_PLACE_MAX_INPUT, &data, &len))
	{
		case READ_NOTHING:
			profile->home = profile->config->default_country;
			break;
		case READ_TOO_LONG:
			break;
		case READ_TEXT:
			profile->home = profile->country = lr_country_code(data, len);
			break;
	}
}

static void
compute_region(LeadProfile *profile)
{
	const char *data;
	int len;

	(void) lr_profile_country(profile);
	if (profile->home && read_input(profile, INPUT_REGION, LR_PLACE_MAX_INPUT, &data, &len) == READ_TEXT)
		profile->region = lr_region_code(data, len, profile->home);
}

static void
compute_postal(LeadProfile *profile)
{
	const char *data;
	int len;

	(void) lr_profile_country(profile);
	if (read_input(profile, INPUT_POSTAL_CODE, LR_PLACE_MAX_INPUT, &data, &len) == READ_TEXT)
		profile->postal = lr_postal_key(data, len, profile->home);
}

/* lead_profile(lead record, flow text): all of it, as one row. */
Datum
lr_lead_profile_sql(PG_FUNCTION_ARGS)
{
	HeapTupleHeader header = PG_GETARG_HEAPTUPLEHEADER(0);
	char *flow = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Oid relid = get_typ_typrelid(HeapTupleHeaderGetTypeId(header));
	FlowConfig *config = lr_config(flow);
	FlowConfig *attachment = config->attachment ? config : lr_config(lr_flow_table(flow).attachment);
	Relation rel;
	TupleTableSlot *slot;
	LeadProfile profile;
	TupleDesc desc;
	Datum values[15];
	bool nulls[15] = {false};
	HeapTuple result;
	int n = 0;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the row is of type %s, not of a table", format_type_be(HeapTupleHeaderGetTypeId(header))),
				 errhint("Name the leads table's alias: SELECT p.* FROM public.leads l, leadroute.lead_profile(l) p.")));
	rel = table_open(relid, AccessShareLock);
	slot = lr_lead_slot(rel, header);
	/* as a row is decided whose flow is unknown */
	lr_profile_begin(&profile, lr_lead_shape(rel, attachment), config->exists ? config : attachment, slot);
	{
		const char *const texts[] = {
			lr_profile_email(&profile),
			lr_profile_email_problem(&profile),
			lr_profile_email_domain(&profile),
			lr_profile_website_domain(&profile),
			lr_profile_phone(&profile),
			lr_profile_phone_extension(&profile),
			lr_profile_phone_problem(&profile),
			lr_profile_company(&profile),
			lr_profile_first_name(&profile),
			lr_profile_last_name(&profile),
			lr_profile_country(&profile),
			lr_profile_region(&profile),
			lr_profile_postal(&profile),
		};
		const LrMailDomain *mail = lr_profile_mail(&profile);

		for (; n < (int) lengthof(texts); n++)
		{
			nulls[n] = (texts[n] == NULL);
			values[n] = texts[n] ? CStringGetTextDatum(texts[n]) : (Datum) 0;
		}
		nulls[n] = nulls[n + 1] = (profile.email == NULL);
		values[n] = BoolGetDatum(mail->is_public);
		values[n + 1] = BoolGetDatum(mail->is_disposable);
	}
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, AccessShareLock);
	result = heap_form_tuple(BlessTupleDesc(desc), values, nulls);
	return HeapTupleGetDatum(result);
}
