/*
 * consent.c
 *		Whether a lead's person has consented to be contacted.
 *
 * The row's column says so in whatever words its source uses. A signal that takes it back counts from then on, whatever the row says, and also after the
 * lead was recycled: what is reset then is engagement.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "consent.h"

static Consent word_consent(const char *word);
static bool is_among(const char *word, const char *const *words, int n);

Consent
lr_consent(const LeadRow *row, FlowConfig *config, bool *warned)
{
	const LeadColumn *column = &row->shape->consent;
	const ScoringConfig *scoring = config->scoring;
	Consent consent = CONSENT_UNKNOWN;
	bool asks = false;

	if (column->attno != 0 && column->type == BOOLOID)
	{
		bool isnull;
		Datum value = slot_getattr(row->slot, column->attno, &isnull);

		if (!isnull)
			consent = DatumGetBool(value) ? CONSENT_YES : CONSENT_NO;
	}
	else if (column->attno != 0)
		consent = word_consent(lr_lead_word(column, row->slot));
	for (int i = 0; scoring && i < scoring->ntypes && !asks; i++)
		asks = lr_consent_reads(scoring->types[i].type);
	if (asks && consent != CONSENT_NO)
	{
		ScoreMemo memo = {0};
		LeadRow whole = *row;
		const LeadScore *score;

		if (row->memo && row->memo->has_since)
		{
			memo = *row->memo;
			memo.done = memo.has_since = false;
			whole.memo = &memo;
		}
		score = lr_score(&whole, config, warned);
		for (int i = 0; score->counts && i < scoring->ntypes; i++)
			if (score->counts[i] > 0 && lr_consent_reads(scoring->types[i].type))
				return CONSENT_NO;
	}
	return consent;
}

bool
lr_consent_reads(const char *type)
{
	static const char *const types[] = {"unsubscribe", "unsubscribed", "spam_complaint"};

	return is_among(type, types, lengthof(types));
}

/* NULL, and a word that says neither, say nothing. */
static Consent
word_consent(const char *word)
{
	static const char *const yes[] = {"true", "t", "yes", "y", "1", "on", "granted", "given", "opt-in", "opt in", "optin", "opted in", "subscribed"};
	static const char *const no[] = {"false", "f", "no", "n", "0", "off", "denied", "withdrawn", "revoked", "opt-out", "opt out", "optout", "opted out", "unsubscribed"};

	if (word && is_among(word, yes, lengthof(yes)))
		return CONSENT_YES;
	return word && is_among(word, no, lengthof(no)) ? CONSENT_NO : CONSENT_UNKNOWN;
}

static bool
is_among(const char *word, const char *const *words, int n)
{
	for (int i = 0; i < n; i++)
		if (pg_strcasecmp(word, words[i]) == 0)
			return true;
	return false;
}

void
lr_consent_facts(TupleTableSlot *facts, const LeadRow *row, FlowConfig *config, bool *warned)
{
	TupleDesc desc = facts->tts_tupleDescriptor;

	for (int i = 0; i < desc->natts; i++)
		if (strcmp(NameStr(TupleDescAttr(desc, i)->attname), "consent") == 0)
		{
			Consent consent = lr_consent(row, config, warned);

			facts->tts_values[i] = BoolGetDatum(consent == CONSENT_YES);
			facts->tts_isnull[i] = consent == CONSENT_UNKNOWN;
		}
}

bool
lr_consent_suffices(const FlowConfig *config, Consent consent)
{
	return !config->require_consent || consent == CONSENT_YES;
}
