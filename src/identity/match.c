/*
 * match.c
 *		From a lead's row to the keys by which it is known: match_rules over the row's canonical values.
 *
 * A key is text, as people would write it, and not a hash: it costs a microsecond more for two, but who holds an e-mail
 * address can be asked in SQL, and two different people never share one. Its kind is the kinds of its rule, joined by "+",
 * so that a rule may change its name and keep its keys. A key that would not fit into an index entry is none.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "ask.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "match.h"
#include "match_value.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(lr_lead_keys);
PG_FUNCTION_INFO_V1(lr_rule_keys);

#define MATCH_MAX_KEY 1000 /* bytes */

static int keys_by(LeadProfile *profile, int nrules, MatchKey **keys);
static char *rule_key(const MatchRule *rule, LeadProfile *profile);
static const char *value_of(LeadProfile *profile, MatchKind kind);
static const char *mailbox(const char *email);
static const char *birth_date(const LeadColumn *column, TupleTableSlot *slot);
static const char *compared(LrMatchKind kind, const char *value);
static void append_part(StringInfo key, const char *value);
static Datum keys_of_row(FunctionCallInfo fcinfo, bool suggesting);

int
lr_match_row(const LeadShape *shape, const FlowConfig *config, TupleTableSlot *slot, MatchKey **keys)
{
	LeadProfile profile;

	lr_profile_begin(&profile, shape, config, slot);
	return lr_match_keys(&profile, keys);
}

int
lr_match_keys(LeadProfile *profile, MatchKey **keys)
{
	return keys_by(profile, profile->config->nmatch_rules, keys);
}

/* By the first so many rules. */
static int
keys_by(LeadProfile *profile, int nrules, MatchKey **keys)
{
	const FlowConfig *config = profile->config;
	int n = 0;

	*keys = NULL;
	for (int i = 0; i < nrules; i++)
	{
		char *key = rule_key(&config->match_rules[i], profile);

		if (key == NULL)
			continue;
		if (*keys == NULL)
			*keys = palloc(nrules * sizeof(MatchKey));
		(*keys)[n].kind = config->match_rules[i].kind;
		(*keys)[n++].key = key;
	}
	return n;
}

static char *
rule_key(const MatchRule *rule, LeadProfile *profile)
{
	StringInfoData key;

	/* a column that the table does not have, or a name that the row does not, before a phone number is parsed */
	for (int i = rule->nkinds - 1; i >= 0; i--)
		if (value_of(profile, rule->kinds[i]) == NULL)
			return NULL;
	if (rule->nkinds == 1)
	{
		const char *value = value_of(profile, rule->kinds[0]);

		return strlen(value) > MATCH_MAX_KEY ? NULL : pstrdup(value);
	}
	initStringInfo(&key);
	for (int i = 0; i < rule->nkinds; i++)
	{
		if (i > 0)
			appendStringInfoChar(&key, '|');
		append_part(&key, value_of(profile, rule->kinds[i]));
	}
	return key.len > MATCH_MAX_KEY ? NULL : key.data;
}

static const char *
value_of(LeadProfile *profile, MatchKind kind)
{
	switch (kind)
	{
		case MATCH_EXTERNAL_ID:
			return lr_lead_word(&profile->shape->inputs[INPUT_EXTERNAL_ID], profile->slot);
		case MATCH_EMAIL:
			return lr_profile_email(profile);
		case MATCH_PHONE:
		{
			const char *phone = lr_profile_phone(profile);
			const char *extension = phone ? lr_profile_phone_extension(profile) : NULL;

			return extension ? psprintf("%s;ext=%s", phone, extension) : phone;
		}
		case MATCH_FIRST_NAME:
			return lr_profile_first_name(profile);
		case MATCH_LAST_NAME:
			return lr_profile_last_name(profile);
		case MATCH_COMPANY:
			return lr_profile_company(profile);
		case MATCH_WEBSITE:
			return lr_profile_website_domain(profile);
		case MATCH_POSTAL_CODE:
			return lr_profile_postal(profile);
		case MATCH_COUNTRY:
			return lr_profile_country(profile);
		case MATCH_MAILBOX:
			return mailbox(lr_profile_email(profile));
		case MATCH_BIRTH_DATE:
			return birth_date(&profile->shape->inputs[INPUT_BIRTH_DATE], profile->slot);
		case MATCH_CITY:
			return compared(LR_MATCH_CITY, lr_lead_word(&profile->shape->inputs[INPUT_CITY], profile->slot));
	}
	elog(ERROR, "unrecognized kind of key %d", (int) kind);
	return NULL;
}

/* An address's part before the @, where it tells somebody: not of a function, not of three letters. */
static const char *
mailbox(const char *email)
{
	const char *at = email ? strrchr(email, '@') : NULL;

	if (at == NULL || at - email < 4 || lr_role_mailbox(email, at - email))
		return NULL;
	return pnstrdup(email, at - email);
}

/* YYYYMMDD, whatever the session's DateStyle is. */
static const char *
birth_date(const LeadColumn *column, TupleTableSlot *slot)
{
	int year;
	int month;
	int day;
	Datum value;
	bool isnull;

	if (column->attno == 0 || column->type != DATEOID)
		return compared(LR_MATCH_BIRTH_DATE, lr_lead_word(column, slot));
	value = slot_getattr(slot, column->attno, &isnull);
	if (isnull || DATE_NOT_FINITE(DatumGetDateADT(value)))
		return NULL;
	j2date(DatumGetDateADT(value) + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	return compared(LR_MATCH_BIRTH_DATE, psprintf("%04d-%02d-%02d", year, month, day));
}

/* As find_duplicates() compares it. */
static const char *
compared(LrMatchKind kind, const char *value)
{
	return value ? lr_match_value(kind, value, strlen(value), NULL) : NULL;
}

/* A separator within a value is escaped. */
static void
append_part(StringInfo key, const char *value)
{
	for (; *value; value++)
	{
		if (*value == '|' || *value == '\\')
			appendStringInfoChar(key, '\\');
		appendStringInfoChar(key, *value);
	}
}

bool
lr_match_contains(const MatchKey *keys, int n, const MatchKey *key)
{
	for (int i = 0; i < n; i++)
		if (strcmp(keys[i].kind, key->kind) == 0 && strcmp(keys[i].key, key->key) == 0)
			return true;
	return false;
}

bool
lr_match_equal(const MatchKey *a, int na, const MatchKey *b, int nb)
{
	if (na != nb)
		return false;
	for (int i = 0; i < na; i++)
		if (strcmp(a[i].kind, b[i].kind) != 0 || strcmp(a[i].key, b[i].key) != 0)
			return false;
	return true;
}

/* lead_keys(lead record, flow text): the keys of a row by the rules that act. */
Datum
lr_lead_keys(PG_FUNCTION_ARGS)
{
	return keys_of_row(fcinfo, false);
}

/* rule_keys(lead record, flow text): by those that suggest too. */
Datum
lr_rule_keys(PG_FUNCTION_ARGS)
{
	return keys_of_row(fcinfo, true);
}

static Datum
keys_of_row(FunctionCallInfo fcinfo, bool suggesting)
{
	HeapTupleHeader header = PG_GETARG_HEAPTUPLEHEADER(0);
	char *flow = text_to_cstring(PG_GETARG_TEXT_PP(1));
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid relid = get_typ_typrelid(HeapTupleHeaderGetTypeId(header));
	FlowConfig *config;
	FlowConfig *attachment;
	Relation rel;
	TupleTableSlot *slot;
	LeadProfile profile;
	MatchKey *keys;
	int n;

	InitMaterializedSRF(fcinfo, 0);
	config = lr_config(flow);
	attachment = config->attachment ? config : lr_config(lr_flow_table(flow).attachment);
	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the row is of type %s, not of a table", format_type_be(HeapTupleHeaderGetTypeId(header))),
				 errhint("Name the leads table's alias: SELECT k.* FROM public.leads l, leadroute.lead_keys(l) k.")));
	rel = table_open(relid, AccessShareLock);
	slot = lr_lead_slot(rel, header);
	lr_profile_begin(&profile, lr_lead_shape(rel, attachment), config->exists ? config : attachment, slot);
	n = keys_by(&profile, profile.config->nmatch_rules + (suggesting ? profile.config->nsuggest_rules : 0), &keys);
	for (int i = 0; i < n; i++)
	{
		Datum values[] = {CStringGetTextDatum(keys[i].kind), CStringGetTextDatum(keys[i].key)};
		bool nulls[] = {false, false};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, AccessShareLock);
	return (Datum) 0;
}
