/*
 * closing.c
 *		Leads that are closed or won, and re-opened: by what their rows say, or by a hand.
 *
 * What a row says is noted by its AFTER trigger (change.c, effect.c) and written with the other effects, at the latest
 * before commit: a lead that a transaction closes and re-opens was never closed. A hand's close() is written at once; from then
 * on the row has no say, until reopen(). The place is freed when the transaction commits (rotation.c).
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "clock_change.h"
#include "closing.h"
#include "compat.h"
#include "leadroute.h"
#include "owner.h"
#include "parser/parse_coerce.h"
#include "protect.h"
#include "state.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

typedef struct ReadInstant
{
	const LeadShape *shape;
	TupleTableSlot *slot;
	TimestampTz at;
	bool found;
} ReadInstant;

static void read_closed_at(void *arg);
static const char *number_text(const char *word);

const char *
lr_closing_outcome(Verdict verdict)
{
	return verdict == VERDICT_WON ? "won" : "closed";
}

const char *
lr_closing_condition(const Closing *closing)
{
	if (closing->by_stage)
		return "stage";
	return closing->verdict == VERDICT_WON ? "won_when" : "closed_when";
}

void
lr_closing_read(const LeadShape *shape, TupleTableSlot *slot, Verdict verdict, TimestampTz now, Closing *closing)
{
	ReadInstant instant = {.shape = shape, .slot = slot};

	memset(closing, 0, sizeof(Closing));
	closing->verdict = verdict;
	closing->at = DT_NOBEGIN;
	if (verdict == VERDICT_OPEN)
		return;
	closing->value = lr_closing_value(shape, slot);
	/* text that is no time is none; a time to come is the CRM's forecast */
	if (lr_protect(read_closed_at, &instant) == NULL && instant.found && instant.at < now)
		closing->at = instant.at;
}

const char *
lr_closing_value(const LeadShape *shape, TupleTableSlot *slot)
{
	return number_text(lr_lead_word(&shape->value, slot));
}

static void
read_closed_at(void *arg)
{
	ReadInstant *instant = arg;

	instant->found = lr_lead_instant(&instant->shape->closed_at, &instant->shape->closed_style, instant->slot, &instant->at);
}

/* The word itself where it is a plain number, else NULL. */
static const char *
number_text(const char *word)
{
	const char *c = word;
	int digits = 0;

	if (word == NULL)
		return NULL;
	c += strspn(c, " \t\r\n");
	if (*c == '-' || *c == '+')
		c++;
	for (; isdigit((unsigned char) *c); c++)
		digits++;
	if (*c == '.')
		for (c++; isdigit((unsigned char) *c); c++)
			digits++;
	c += strspn(c, " \t\r\n");
	return digits > 0 && digits < 1000 && *c == '\0' ? word : NULL;
}

bool
lr_closing_differs(const Closing *a, const Closing *b)
{
	if (a->verdict != b->verdict)
		return true;
	if (a->verdict == VERDICT_OPEN)
		return false;
	if ((a->value == NULL) != (b->value == NULL))
		return true;
	if (a->at != b->at)
		return true;
	return a->value && DatumGetInt32(DirectFunctionCall2(numeric_cmp, lr_closing_number(a->value), lr_closing_number(b->value))) != 0;
}

Datum
lr_closing_number(const char *value)
{
	return DirectFunctionCall3(numeric_in, CStringGetDatum(value), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
}

void
lr_closings_write(const char *flow, Verdict verdict, char **leads, const Closing *closings, int n)
{
	Oid types[] = {TEXTOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID, TEXTOID, TEXTOID, TIMESTAMPTZOID};
	char **numbers = palloc(Max(n, 1) * sizeof(char *));
	Datum *times = palloc(Max(n, 1) * sizeof(Datum));
	Datum values[7];
	OwnerSession saved;

	for (int i = 0; i < n; i++)
	{
		numbers[i] = unconstify(char *, closings[i].value);
		times[i] = TimestampTzGetDatum(closings[i].at);
	}
	values[0] = CStringGetTextDatum(flow);
	values[1] = lr_text_array(leads, n);
	values[2] = lr_text_array(numbers, n);
	values[3] = PointerGetDatum(construct_array(times, n, TIMESTAMPTZOID, sizeof(TimestampTz), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[4] = CStringGetTextDatum(lr_closing_outcome(verdict));
	values[5] = CStringGetTextDatum(n > 0 ? lr_closing_condition(&closings[0]) : "");
	values[6] = TimestampTzGetDatum(lr_now());

	lr_owner_begin(&saved);
	if (verdict == VERDICT_OPEN)
	{
		lr_owner_execute("WITH reopened AS (UPDATE leadroute.lead_states s"
						 "   SET closed_at = NULL, outcome = NULL, won = NULL, closed_by = NULL"
						 "   FROM unnest($2) l(lead)"
						 "   WHERE s.flow = $1 AND s.lead = l.lead AND (s.closed_by = 'stage') = ($6 = 'stage') AND s.closed_by = ANY ('{closed_when,won_when,stage}') RETURNING s.*),"
						 " logged AS (INSERT INTO leadroute.events (flow, lead, at, kind, code, owner, team, reason)"
						 "   SELECT flow, lead, $7, 'reopened', 'reopened', owner, team, CASE $6 WHEN 'stage' THEN 'its stage' ELSE 'the row' END || ' no longer says that the lead is closed'"
						 "   FROM reopened WHERE status <> 'ignored')"
						 " SELECT coalesce(team, ''), " LR_HOLDER ", count(*) FROM reopened WHERE " LR_HOLDER " IS NOT NULL GROUP BY 1, 2",
						 lengthof(types), types, values, SPI_OK_SELECT);
		lr_state_take_places(flow);
		lr_clocks_reopened(flow, values[1], DatumGetTimestampTz(values[6]));
	}
	else
	{
		lr_owner_execute("WITH said AS (SELECT DISTINCT ON (l.lead) l.lead, l.value::numeric AS value, l.at FROM (SELECT u.lead, u.value, nullif(u.at, '-infinity') AS at FROM unnest($2, $3, $4) u(lead, value, at)) l),"
						 " was AS (SELECT s.lead, s.closed_at, s.outcome, s.value FROM leadroute.lead_states s JOIN said ON said.lead = s.lead"
						 "   WHERE s.flow = $1 AND (s.closed_at IS NULL OR s.closed_by = ANY ('{closed_when,won_when,stage}'))"
						 "   ORDER BY s.lead FOR UPDATE OF s),"
						 " closed AS (UPDATE leadroute.lead_states s SET closed_at = coalesce(said.at, was.closed_at, $7), outcome = $5, won = ($5 = 'won'),"
						 "     value = said.value, closed_by = $6"
						 "   FROM was JOIN said ON said.lead = was.lead WHERE s.flow = $1 AND s.lead = was.lead"
						 "     AND (was.closed_at, s.outcome, s.value) IS DISTINCT FROM (coalesce(said.at, was.closed_at), $5, said.value)"
						 "   RETURNING s.*, was.closed_at IS NULL AS turned, (was.outcome, was.value) IS DISTINCT FROM ($5, said.value) AS told),"
						 " logged AS (INSERT INTO leadroute.events (flow, lead, at, kind, code, owner, team, reason)"
						 "   SELECT flow, lead, $7, 'closed', $5, owner, team, concat_ws(', ', format('%s: %s says so', $5, CASE $6 WHEN 'stage' THEN 'its stage' ELSE 'the row' END), 'value ' || value)"
						 "   FROM closed WHERE told AND status <> 'ignored')"
						 " SELECT coalesce(team, ''), " LR_HOLDER ", count(*) FROM closed WHERE turned AND " LR_HOLDER " IS NOT NULL GROUP BY 1, 2",
						 lengthof(types), types, values, SPI_OK_SELECT);
		lr_state_free_places(flow);
		lr_clocks_closed(flow, values[1], lr_closing_outcome(verdict), DatumGetTimestampTz(values[6]));
	}
	lr_owner_end(&saved);
}
