/*
 * traits.c
 *		What reports group leads by, kept in lead_states as it was when a lead was decided.
 *
 * Segment and intent are worked out in BEFORE, since rules may read them; the words that nobody asks for before the lead is
 * written down are read from the row when it stands, so that a COPY keeps none of them in memory. A flow without expressions and
 * sources, and a table without the columns, pays for neither. Texts are cut: a row of lead_states stays small whatever a
 * form sent.
 */
#include "postgres.h"

#include "closing.h"
#include "fold.h"
#include "mb/pg_wchar.h"
#include "traits.h"
#include "watch.h"

/* Characters of a word that lead_states keeps. */
#define TRAIT_LENGTH 200

static const char *intent_of_source(const FlowConfig *config, const LeadRow *row);
static int compare_sources(const void *a, const void *b);
static const char *clip(const char *word);
static const char *name_of(const LeadShape *shape, TupleTableSlot *slot);

void
lr_traits_judge(LeadRow *row, FlowConfig *config, bool *warned)
{
	if (row->judged)
		return;
	row->judged = true;
	if (config->segment)
		row->segment = clip(lr_watch_text(lr_watch(row->shape, config), WATCH_TEXT_SEGMENT, row, warned));
	if (config->intent)
		row->intent = clip(lr_watch_text(lr_watch(row->shape, config), WATCH_TEXT_INTENT, row, warned));
	if (row->intent == NULL)
		row->intent = clip(lr_lead_word(&row->shape->intent, row->slot));
	if (row->intent == NULL && config->nsources > 0)
		row->intent = intent_of_source(config, row);
}

static const char *
intent_of_source(const FlowConfig *config, const LeadRow *row)
{
	const char *word = lr_lead_word(&row->shape->source, row->slot);
	SourceConfig wanted;
	const SourceConfig *found;

	if (word == NULL)
		return NULL;
	wanted.words = lr_fold_words(word, (int) strlen(word));
	found = bsearch(&wanted, config->sources, config->nsources, sizeof(SourceConfig), compare_sources);
	return found ? found->intent : NULL;
}

static int
compare_sources(const void *a, const void *b)
{
	return strcmp(((const SourceConfig *) a)->words, ((const SourceConfig *) b)->words);
}

/* A word as it is kept; NULL for NULL and for one of blanks. */
static const char *
clip(const char *word)
{
	int length;

	if (word == NULL || word[strspn(word, " \t\r\n")] == '\0')
		return NULL;
	length = (int) strlen(word);
	if (length <= TRAIT_LENGTH)
		return word;
	return pnstrdup(word, pg_mbcharcliplen(word, length, TRAIT_LENGTH));
}

void
lr_traits_write(JournalRow *state, const LeadShape *shape, TupleTableSlot *slot)
{
	const char *value = lr_closing_value(shape, slot);

	lr_journal_set_text(state, STATE_NAME, clip(name_of(shape, slot)));
	lr_journal_set_text(state, STATE_COMPANY, clip(lr_lead_word(&shape->inputs[INPUT_COMPANY], slot)));
	lr_journal_set_text(state, STATE_SOURCE, clip(lr_lead_word(&shape->source, slot)));
	if (value)
		lr_journal_set_datum(state, STATE_VALUE, lr_closing_number(value));
}

/* First and last name; where the table has neither, or they are blank, its column name. */
static const char *
name_of(const LeadShape *shape, TupleTableSlot *slot)
{
	const char *first = lr_lead_word(&shape->inputs[INPUT_FIRST_NAME], slot);
	const char *last = lr_lead_word(&shape->inputs[INPUT_LAST_NAME], slot);

	if (first && last)
		return psprintf("%s %s", first, last);
	if (first || last)
		return first ? first : last;
	return lr_lead_word(&shape->name, slot);
}
