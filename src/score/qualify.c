/*
 * qualify.c
 *		Whether a lead is qualified (an MQL), nearly so, and what is written when it becomes one.
 *
 * By its points (score.c), or by a signal of high intent, or by a meeting that is booked; and it stays so until it is rejected. Points and signals are those
 * of the row's memo. A lead that was rejected and nurtured keeps its points: it is qualified again by more of them than it had, or by a
 * signal since; one that was recycled has none of its engagement left.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "leadroute.h"
#include "owner.h"
#include "qualify.h"
#include "utils/builtins.h"

#define MEETING_SIGNAL "meeting_booked"

static bool has_meeting(const LeadScore *score);
static const char *signal_of(const LeadScore *score);
static void write_mark(FlowConfig *config, const char *lead, const char *type, const char *code, const char *reason, const char *actor,
					   TimestampTz at, const char *set);

const char *
lr_qualified_by(const LeadRow *row, FlowConfig *config, bool *warned)
{
	const ScoreMemo *memo = row->memo;
	const LeadScore *score;
	const char *by;

	if (config->scoring == NULL)
		return NULL;
	score = lr_score(row, config, warned);
	/* somebody is to look first: approve() */
	if (score->review)
		return NULL;
	by = signal_of(score);
	if (memo && memo->rejected)
	{
		if (by)
		{
			ScoreMemo since = *memo;
			LeadRow anew = *row;

			since.done = false;
			since.since = memo->has_since ? Max(memo->since, memo->rejected_at) : memo->rejected_at;
			since.has_since = true;
			anew.memo = &since;
			by = signal_of(lr_score(&anew, config, warned));
		}
		if (by == NULL && lr_score_qualifies(score) && score->score > memo->rejected_score)
			by = "score";
		return by;
	}
	if (by == NULL && lr_score_qualifies(score))
		by = "score";
	return by;
}

/* What its signals make of it. */
static const char *
signal_of(const LeadScore *score)
{
	if (lr_score_high_intent(score))
		return "high_intent";
	return has_meeting(score) ? "meeting" : NULL;
}

bool
lr_qualify_reads(const SignalType *type)
{
	return type->high_intent || strcmp(type->type, MEETING_SIGNAL) == 0;
}

static bool
has_meeting(const LeadScore *score)
{
	for (int i = 0; score->counts && i < score->scoring->ntypes; i++)
		if (score->counts[i] > 0 && strcmp(score->scoring->types[i].type, MEETING_SIGNAL) == 0)
			return true;
	return false;
}

bool
lr_is_qualified(const LeadRow *row, FlowConfig *config, bool *warned)
{
	return row->qualified || (row->memo && row->memo->qualified) || lr_qualified_by(row, config, warned) != NULL;
}

bool
lr_is_borderline(const LeadRow *row, FlowConfig *config, bool *warned)
{
	const ScoringConfig *scoring = config->scoring;
	const LeadScore *score;

	if (scoring == NULL || scoring->model == NULL || (scoring->borderline == 0 && !scoring->reviews) || lr_is_qualified(row, config, warned))
		return false;
	score = lr_score(row, config, warned);
	if (row->memo && row->memo->rejected && score->score <= row->memo->rejected_score)
		return false;
	if (score->review)
		return true;
	return scoring->borderline > 0 && !(score->effects & EFFECT_NO_SCORING) && score->score >= scoring->threshold - scoring->borderline;
}

void
lr_qualify_facts(TupleTableSlot *facts, const LeadRow *row, FlowConfig *config, bool *warned)
{
	TupleDesc desc = facts->tts_tupleDescriptor;

	for (int i = 0; i < desc->natts; i++)
		if (strcmp(NameStr(TupleDescAttr(desc, i)->attname), "is_mql") == 0)
		{
			facts->tts_values[i] = BoolGetDatum(lr_is_qualified(row, config, warned));
			facts->tts_isnull[i] = false;
		}
}

const char *
lr_qualify_code(const char *by)
{
	return psprintf("mql_%s", by);
}

const char *
lr_qualify_reason(const char *by, const LeadScore *score)
{
	if (strcmp(by, "score") == 0)
		return psprintf("qualified: score %s, fit %s, engagement %s; threshold %s", lr_score_text(score->score), lr_score_text(score->fit),
						lr_score_text(score->engagement), lr_score_text(score->scoring->threshold));
	return strcmp(by, "meeting") == 0 ? "qualified: a meeting is booked" : "qualified: a signal of high intent";
}

const char *
lr_review_reason(const LeadScore *score)
{
	if (score->review)
		return psprintf("criterion \"%s\" asks for a review: score %s, fit %s, engagement %s", score->review, lr_score_text(score->score),
						lr_score_text(score->fit), lr_score_text(score->engagement));
	return psprintf("nearly qualified: score %s, fit %s, engagement %s; threshold %s", lr_score_text(score->score), lr_score_text(score->fit),
					lr_score_text(score->engagement), lr_score_text(score->scoring->threshold));
}

void
lr_qualify_write(FlowConfig *config, const char *lead, const char *by, const char *reason, const char *actor, TimestampTz at)
{
	write_mark(config, lead, "mql", lr_qualify_code(by), reason, actor, at,
			   "mql_at = coalesce(s.mql_at, $7), qualified_at = $7, review_at = NULL");
}

void
lr_review_write(FlowConfig *config, const char *lead, const char *reason, TimestampTz at)
{
	write_mark(config, lead, "review", "borderline", reason, NULL, at, "review_at = $7");
}

/* State and event, which the message follows (events_told()); `set` is a piece of an UPDATE of ours. */
static void
write_mark(FlowConfig *config, const char *lead, const char *type, const char *code, const char *reason, const char *actor, TimestampTz at,
		   const char *set)
{
	const char *const texts[] = {config->flow, lead, type, code, reason, actor};
	QueryArguments arguments = {0};
	OwnerSession session;

	lr_argument_texts(&arguments, texts, lengthof(texts));
	lr_argument_instant(&arguments, at);
	lr_owner_begin(&session);
	lr_owner_run(psprintf("WITH marked AS (UPDATE leadroute.lead_states s SET %s WHERE s.flow = $1 AND s.lead = $2 RETURNING s.*)"
						  " INSERT INTO leadroute.events (flow, lead, at, kind, code, owner, team, reason, actor)"
						  " SELECT m.flow, m.lead, $7, $3, $4, m.owner, m.team, $5, $6 FROM marked m",
						  set),
				 &arguments, SPI_OK_INSERT);
	lr_owner_end(&session);
}
