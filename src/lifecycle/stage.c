/*
 * stage.c
 *		The stage that a lead is in: where it begins, which changes are legal, and how it advances by itself.
 *
 * Stages and their transitions are rows of the configuration, of which a session has its copy. A change is judged where the row
 * is locked (the BEFORE trigger, or a hand's door) by the state as it is, and written when the row stands. What a lead lacks for a stage
 * is looked for in its row. A flow without stages never comes here.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "clock_change.h"
#include "leadroute.h"
#include "owner.h"
#include "stage.h"
#include "utils/array.h"
#include "utils/builtins.h"

static int find(const FlowConfig *config, const char *stage);
static const char *first_stage(const FlowConfig *config);
static const TransitionConfig *transition(const FlowConfig *config, const char *from, const char *to, bool *legal);
static StageChange *ask(LeadRow *row, FlowConfig *config, const char *wanted, const char *actor);
static bool report(const LeadRow *row, const FlowConfig *config, const char *to, StageChange *change);
static char *missing(const LeadRow *row, const TransitionConfig *way);
static bool has_value(const LeadRow *row, const char *name);
static char *ways(const FlowConfig *config, const char *from);
static StageChange *advance(LeadRow *row, FlowConfig *config, bool *warned);
static StageChange *make_change(LeadRow *row, const char *to, const char *code, const char *reason, const char *actor);
static StageChange *last_of(StageChange *changes);

/* The number of a stage, or -1. */
static int
find(const FlowConfig *config, const char *stage)
{
	for (int i = 0; stage && i < config->nstages; i++)
		if (strcmp(config->stages[i].stage, stage) == 0)
			return i;
	return -1;
}

const StageConfig *
lr_stage_find(const FlowConfig *config, const char *stage)
{
	int number = find(config, stage);

	return number < 0 ? NULL : &config->stages[number];
}

Verdict
lr_stage_verdict(const FlowConfig *config, const char *stage)
{
	const StageConfig *found = lr_stage_find(config, stage);

	if (found && found->kind == STAGE_WON && config->won_when == NULL)
		return VERDICT_WON;
	if (found && found->kind == STAGE_CLOSED && config->closed_when == NULL)
		return VERDICT_CLOSED;
	return VERDICT_OPEN;
}

const char *
lr_stage_given(const LeadShape *shape, const FlowConfig *config, TupleTableSlot *slot)
{
	return config->nstages > 0 ? lr_lead_word(&shape->outputs[OUTPUT_STAGE], slot) : NULL;
}

/* The stage in which a new lead begins whose row names none; NULL: the flow has no such. */
static const char *
first_stage(const FlowConfig *config)
{
	const char *first = config->first_stage;

	for (int i = 0; first == NULL && i < config->nstages; i++)
		if (config->stages[i].kind == STAGE_OPEN && config->stages[i].entry_condition == NULL)
			first = config->stages[i].stage;
	return lr_stage_find(config, first) ? first : NULL;
}

StageChange *
lr_stage_restart(LeadRow *row, FlowConfig *config, const char *why)
{
	const StageConfig *stage = lr_stage_find(config, row->stage);
	const char *first = first_stage(config);

	if (stage == NULL || stage->role == NULL || (strcmp(stage->role, "nurture") != 0 && strcmp(stage->role, "recycled") != 0) || first == NULL)
		return NULL;
	return lr_stage_move(row, config, first, "returned", psprintf("stage: %s, then %s: %s", stage->stage, first, why), NULL);
}

StageChange *
lr_stage_begin(LeadRow *row, FlowConfig *config, const char *given, bool *warned)
{
	const char *first;
	StageChange *change = NULL;

	row->stage = NULL;
	if (given)
		change = ask(row, config, given, NULL);
	if (change == NULL)
	{
		first = first_stage(config);
		if (first == NULL)
			return NULL;
		change = make_change(row, first, "stage_entered", psprintf("began in stage %s", first), NULL);
	}
	change->next = advance(row, config, warned);
	return change;
}

StageChange *
lr_stage_change(LeadRow *row, FlowConfig *config, const char *wanted, const char *actor, bool *warned)
{
	StageChange *change = NULL;

	if (row->stage == NULL)
		return lr_stage_begin(row, config, wanted, warned);
	if (wanted && strcmp(wanted, row->stage) != 0)
		change = ask(row, config, wanted, actor);
	if (change == NULL)
		return advance(row, config, warned);
	change->next = advance(row, config, warned);
	return change;
}

const char *
lr_stage_of(const FlowConfig *config, const char *role)
{
	for (int i = 0; i < config->nstages; i++)
		if (config->stages[i].role && strcmp(config->stages[i].role, role) == 0)
			return config->stages[i].stage;
	return NULL;
}

StageChange *
lr_stage_want(LeadRow *row, FlowConfig *config, const char *to, const char *actor)
{
	if (row->stage && strcmp(to, row->stage) == 0)
		return NULL;
	return ask(row, config, to, actor);
}

StageChange *
lr_stage_move(LeadRow *row, FlowConfig *config, const char *to, const char *code, const char *reason, const char *actor)
{
	const TransitionConfig *way;
	bool legal;

	if (lr_stage_find(config, to) == NULL || (row->stage && strcmp(row->stage, to) == 0))
		return NULL;
	way = transition(config, row->stage ? row->stage : "", to, &legal);
	if (!legal || (way && missing(row, way)))
		return NULL;
	return make_change(row, to, code, reason, actor);
}

/* The row of stage_transitions that stands for a change, or NULL; the most special first. Where there are none at all everything is legal. */
static const TransitionConfig *
transition(const FlowConfig *config, const char *from, const char *to, bool *legal)
{
	bool restricted = false;

	*legal = true;
	for (int i = 0; i < config->ntransitions; i++)
	{
		const TransitionConfig *way = &config->transitions[i];
		bool any = strcmp(way->from, "*") == 0;

		/* how a new lead may begin is restricted only where a row says so */
		if (strcmp(way->from, from) != 0 && (!any || *from == '\0'))
		{
			restricted |= *from != '\0' && *way->from != '\0';
			continue;
		}
		restricted = true;
		if (strcmp(way->to, to) == 0 || strcmp(way->to, "*") == 0)
			return way;
	}
	*legal = !restricted;
	return NULL;
}

/* Somebody wants the lead in another stage. NULL: where the flow only reports, its row said nothing. */
static StageChange *
ask(LeadRow *row, FlowConfig *config, const char *wanted, const char *actor)
{
	StageChange *change;
	const char *from = row->stage;

	change = palloc0(sizeof(StageChange));
	change->from = from;
	change->to = wanted;
	change->code = "stage_entered";
	change->reason = from ? psprintf("stage: %s, then %s", from, wanted) : psprintf("began in stage %s", wanted);
	change->actor = actor;
	change->at = row->at;
	report(row, config, wanted, change);
	row->stage = wanted;
	return change;
}

/* Whether a change is as it should be; if not, an error, or where the flow says so the change says what is not. */
static bool
report(const LeadRow *row, const FlowConfig *config, const char *to, StageChange *change)
{
	const char *from = row->stage ? row->stage : "";
	const char *lead = row->lead ? row->lead : "";
	const TransitionConfig *way;
	char *lacks;
	bool legal;
	/* what stood there before is as it is */
	bool reports = config->stage_reports || strcmp(row->operation, "CATCH_UP") == 0;

	if (lr_stage_find(config, to) == NULL)
	{
		if (!reports)
			ereport(ERROR,
					(errcode(ERRCODE_CHECK_VIOLATION),
					 errmsg("stage \"%s\" of flow \"%s\" does not exist", to, config->flow),
					 errdetail("It was asked for lead \"%s\".", lead),
					 errhint("Insert it into leadroute.stages, or set stage_master of the flow to 'report' where the CRM is the master.")));
		change->code = "unknown_stage";
		change->reason = psprintf("%s, which the flow does not have", change->reason);
		return false;
	}
	way = transition(config, from, to, &legal);
	if (!legal)
	{
		if (!reports)
			ereport(ERROR,
					(errcode(ERRCODE_CHECK_VIOLATION),
					 *from ? errmsg("lead \"%s\" cannot go from stage \"%s\" to stage \"%s\"", lead, from, to)
						   : errmsg("lead \"%s\" cannot begin in stage \"%s\"", lead, to),
					 errdetail("Flow \"%s\" allows: %s.", config->flow, ways(config, from)),
					 errhint("Insert the way into leadroute.stage_transitions, or set stage_master of the flow to 'report' where the CRM is the master.")));
		change->code = "illegal_stage";
		change->reason = psprintf("%s, which is no way of the flow", change->reason);
		return false;
	}
	lacks = way ? missing(row, way) : NULL;
	if (lacks == NULL)
		return true;
	if (!reports)
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("lead \"%s\" lacks what stage \"%s\" requires", lead, to),
				 errdetail("%s.", lacks),
				 errhint("Fill in the columns in the same UPDATE or before it.")));
	change->code = "stage_incomplete";
	change->reason = psprintf("%s; %s", change->reason, lacks);
	return false;
}

/* What the row lacks for a change, in words; NULL: nothing. */
static char *
missing(const LeadRow *row, const TransitionConfig *way)
{
	StringInfoData text;
	int found = 0;

	initStringInfo(&text);
	for (int i = 0; i < way->nrequired; i++)
		if (!has_value(row, way->required[i]))
			appendStringInfo(&text, "%s%s", text.len ? ", " : "Without a value: ", way->required[i]);
	for (int i = 0; i < way->ncolumns; i++)
		found += has_value(row, way->columns[i]);
	if (found < way->at_least)
	{
		appendStringInfo(&text, "%s%d of these must have a value, and %d ha%s: ", text.len ? "; " : "", way->at_least, found, found == 1 ? "s" : "ve");
		for (int i = 0; i < way->ncolumns; i++)
			appendStringInfo(&text, "%s%s", i ? ", " : "", way->columns[i]);
	}
	return text.len ? text.data : NULL;
}

/* Blank text is no value, and neither is false: a box that nobody has ticked. */
static bool
has_value(const LeadRow *row, const char *name)
{
	AttrNumber attno = lr_lead_attno(row->shape, name);
	LeadColumn column;
	Form_pg_attribute attribute;
	bool isnull;
	Datum value;

	if (attno == InvalidAttrNumber)
		return false;
	attribute = TupleDescAttr(row->shape->desc, attno - 1);
	value = slot_getattr(row->slot, attno, &isnull);
	if (isnull)
		return false;
	if (attribute->atttypid == BOOLOID)
		return DatumGetBool(value);
	if (attribute->attlen != -1)
		return true;
	lr_lead_column(&column, row->shape->desc, NameStr(attribute->attname), false, CurrentMemoryContext);
	return lr_lead_word(&column, row->slot) != NULL;
}

/* Where a lead may go from a stage, in the order of the stages. */
static char *
ways(const FlowConfig *config, const char *from)
{
	StringInfoData text;
	bool legal;

	initStringInfo(&text);
	for (int i = 0; i < config->nstages; i++)
		if (strcmp(config->stages[i].stage, from) != 0)
		{
			(void) transition(config, from, config->stages[i].stage, &legal);
			if (legal)
				appendStringInfo(&text, "%s%s", text.len ? ", " : "", config->stages[i].stage);
		}
	return text.len ? text.data : pstrdup("none");
}

/*
 * As far forward as entry conditions and legal ways carry the lead: to the next stage whose condition holds, and on from there. One
 * for which something is missing ends the walk. A lead that is closed or won by its stage stays there.
 */
static StageChange *
advance(LeadRow *row, FlowConfig *config, bool *warned)
{
	Watch *watch = lr_watch(row->shape, config);
	StageChange *first = NULL;
	StageChange **link = &first;
	int number = find(config, row->stage);

	if (number < 0)
		return NULL;
	for (int next = number + 1; next < config->nstages && config->stages[number].kind == STAGE_OPEN; next++)
	{
		const StageConfig *stage = &config->stages[next];
		const TransitionConfig *way;
		bool legal;

		if (stage->entry_condition == NULL)
			continue;
		way = transition(config, row->stage, stage->stage, &legal);
		if (!legal || !lr_watch_enters(watch, next, row, warned))
			continue;
		if (way && missing(row, way))
			break;
		*link = make_change(row, stage->stage, "stage_advanced",
							psprintf("stage: %s, then %s, as its entry condition holds", row->stage, stage->stage), NULL);
		link = &(*link)->next;
		number = next;
	}
	return first;
}

static StageChange *
make_change(LeadRow *row, const char *to, const char *code, const char *reason, const char *actor)
{
	StageChange *change = palloc0(sizeof(StageChange));

	change->from = row->stage;
	change->to = to;
	change->code = code;
	change->reason = reason;
	change->actor = actor;
	change->at = row->at;
	row->stage = to;
	return change;
}

static StageChange *
last_of(StageChange *changes)
{
	while (changes->next)
		changes = changes->next;
	return changes;
}

bool
lr_stage_says(const FlowConfig *config, const StageChange *changes, const LeadShape *shape, TupleTableSlot *slot, TimestampTz now,
			  Closing *closing)
{
	Verdict was;
	Verdict is;

	if (changes == NULL)
		return false;
	was = lr_stage_verdict(config, changes->from);
	is = lr_stage_verdict(config, last_of(unconstify(StageChange *, changes))->to);
	if (was == is)
		return false;
	lr_closing_read(shape, slot, is, now, closing);
	closing->by_stage = true;
	return true;
}

void
lr_stage_write(const char *flow, const char *lead, const StageChange *changes, const char *source)
{
	Oid types[] = {TEXTOID, TEXTOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZOID, TEXTOID};
	Datum values[lengthof(types)];
	char nulls[] = "         ";
	char **texts[5];
	OwnerSession session;
	int n = 0;

	for (const StageChange *change = changes; change; change = change->next)
		n++;
	for (int i = 0; i < (int) lengthof(texts); i++)
		texts[i] = palloc(Max(n, 1) * sizeof(char *));
	n = 0;
	for (const StageChange *change = changes; change; change = change->next, n++)
	{
		texts[0][n] = unconstify(char *, change->from);
		texts[1][n] = unconstify(char *, change->to);
		texts[2][n] = unconstify(char *, change->code);
		texts[3][n] = unconstify(char *, change->reason);
		texts[4][n] = unconstify(char *, change->actor);
	}
	values[0] = CStringGetTextDatum(flow);
	values[1] = CStringGetTextDatum(lead);
	for (int i = 0; i < (int) lengthof(texts); i++)
		values[2 + i] = lr_text_array(texts[i], n);
	values[7] = TimestampTzGetDatum(n > 0 ? changes->at : lr_now());
	values[8] = source ? CStringGetTextDatum(source) : (Datum) 0;
	nulls[8] = source ? ' ' : 'n';

	lr_owner_begin(&session);
	lr_owner_execute_nulls("WITH moved AS (UPDATE leadroute.lead_states s SET stage = coalesce(($4)[cardinality($4)], s.stage),"
						   "     stage_at = CASE WHEN cardinality($4) > 0 THEN $8 ELSE s.stage_at END, source_stage = coalesce($9, s.source_stage)"
						   "   WHERE s.flow = $1 AND s.lead = $2 RETURNING s.*)"
						   " INSERT INTO leadroute.events (flow, lead, at, kind, code, owner, team, reason, actor, stage, previous_stage)"
						   " SELECT m.flow, m.lead, $8, 'stage', c.code, m.owner, m.team, c.reason, c.actor, c.stage, c.previous"
						   " FROM moved m, unnest($3, $4, $5, $6, $7) WITH ORDINALITY c(previous, stage, code, reason, actor, n) ORDER BY c.n",
						   lengthof(types), types, values, nulls, SPI_OK_INSERT);
	lr_owner_end(&session);
	if (n > 0)
		lr_clocks_stage(flow, lead, texts[0][0], texts[1][n - 1], changes->at);
}
