/*
 * consent.c
 *		Whether a lead's person has consented to be contacted.
 *
 * The row's column says so in whatever words its source uses: the flow's own (leadroute.consent_words), else the usual English ones. A signal that takes it
 * back (signal_types.effect) counts from then on, whatever the row says, and also after the lead was recycled: what is reset then is engagement.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "config_row.h"
#include "consent.h"
#include "fold.h"
#include "utils/memutils.h"

typedef struct ConsentWord
{
	const char *word; /* folded */
	bool consents;
} ConsentWord;

static Consent row_consent(const LeadRow *row, const FlowConfig *config);
static Consent word_consent(const FlowConfig *config, const char *word);
static bool is_among(const char *word, const char *const *words, int n);

void
lr_consent_read_config(FlowConfig *config)
{
	config->nconsent_words = (int) lr_config_rows("SELECT word, consent FROM leadroute.consent_words WHERE flow = $1 ORDER BY word", config->flow);
	if (config->nconsent_words == 0)
		return;
	config->consent_words = MemoryContextAlloc(config->mcxt, config->nconsent_words * sizeof(ConsentWord));
	for (int i = 0; i < config->nconsent_words; i++)
	{
		char *word = lr_row_text(i, 1);

		word = lr_fold(word, (int) strlen(word), 0);
		config->consent_words[i].word = MemoryContextStrdup(config->mcxt, word);
		config->consent_words[i].consents = lr_row_bool(i, 2);
	}
}

Consent
lr_consent(const LeadRow *row, FlowConfig *config, bool *warned)
{
	int effects = config->scoring ? config->scoring->effects & (EFFECT_NO_CONSENT | EFFECT_NO_OUTREACH) : 0;

	if (effects != 0)
		effects &= lr_score(row, config, warned)->effects;
	if (effects & EFFECT_NO_OUTREACH)
		return CONSENT_STOPPED;
	return effects ? CONSENT_NO : row_consent(row, config);
}

static Consent
row_consent(const LeadRow *row, const FlowConfig *config)
{
	const LeadColumn *column = &row->shape->consent;
	Datum value;
	bool isnull;

	if (column->attno == 0)
		return CONSENT_UNKNOWN;
	if (column->type != BOOLOID)
		return word_consent(config, lr_lead_word(column, row->slot));
	value = slot_getattr(row->slot, column->attno, &isnull);
	if (isnull)
		return CONSENT_UNKNOWN;
	return DatumGetBool(value) ? CONSENT_YES : CONSENT_NO;
}

/* NULL, and a word that says neither, say nothing. */
static Consent
word_consent(const FlowConfig *config, const char *word)
{
	static const char *const yes[] = {"true", "t", "yes", "y", "1", "on", "granted", "given", "opt-in", "opt in", "optin", "opted in", "subscribed"};
	static const char *const no[] = {"false", "f", "no", "n", "0", "off", "denied", "withdrawn", "revoked", "opt-out", "opt out", "optout", "opted out", "unsubscribed"};

	if (word)
	{
		int len = (int) strlen(word);

		lr_trim(&word, &len);
		word = pnstrdup(word, len);
	}
	if (word && config->nconsent_words > 0)
	{
		const char *folded = lr_fold(word, (int) strlen(word), 0);

		for (int i = 0; i < config->nconsent_words; i++)
			if (strcmp(config->consent_words[i].word, folded) == 0)
				return config->consent_words[i].consents ? CONSENT_YES : CONSENT_NO;
	}
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
	return consent != CONSENT_STOPPED && (!config->require_consent || consent == CONSENT_YES);
}

bool
lr_consent_can_stop(const FlowConfig *config)
{
	return config->scoring && (config->scoring->effects & EFFECT_NO_OUTREACH);
}

bool
lr_consent_given(const LeadRow *row, FlowConfig *config, bool *warned)
{
	if (!config->require_consent && !lr_consent_can_stop(config))
		return true;
	return lr_consent_suffices(config, lr_consent(row, config, warned));
}

Consent
lr_consent_kept(Consent consent)
{
	return consent == CONSENT_STOPPED ? CONSENT_NO : consent;
}
