/*
 * first_clock.c
 *		Clocks that a duplicate's own row starts on its first lead.
 *
 * A duplicate has no clocks: its person is the first lead's. Where its row meets a tighter policy than the clocks that this one has running,
 * the person asks for more than anybody watches over, and the policy's clock starts on the first (leadroute.clocks_asked, which says what is
 * tighter). Which policies the row meets is asked when it is decided; they wait with the decision (Link.asked), and once the row stands here,
 * until a command of its own may write them.
 *
 * Locks: that function locks the first lead's state, which orders it with touches, closing and hand-overs, but waits for nobody:
 * what another session holds is left in leadroute.pending_clocks to the sweep.
 * Memory: what waits is in TopTransactionContext, with the subtransaction whose row it is.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "first_clock.h"
#include "journal.h"
#include "owner.h"
#include "pending.h"
#include "subtransaction.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* A COPY of duplicates need not keep what it may write. */
#define MANY 1000

/* What one duplicate's row asks for by one policy. */
typedef struct Request
{
	OfSubtransaction of;
	const char *flow;
	const char *first;
	const char *duplicate;
	const char *policy;
	TimestampTz started_at;
	TimestampTz at;
} Request;

static List *requests = NIL; /* of Request, in the order of their rows */

static void write_flow(const char *flow, List *ready);
static Datum text_column(List *ready, size_t offset);
static Datum time_column(List *ready, size_t offset);
static void forget(void *item);

void
lr_first_clocks_ask(const char *lead, const Decision *decision)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(TopTransactionContext);

	for (int i = 0; i < decision->nasked; i++)
	{
		Request *request = palloc(sizeof(Request));

		request->flow = pstrdup(decision->config->flow);
		request->first = pstrdup(decision->duplicate_of);
		request->duplicate = pstrdup(lead);
		request->policy = pstrdup(decision->asked[i].policy->policy);
		request->started_at = decision->asked[i].started_at;
		request->at = decision->at;
		request->of.subid = GetCurrentSubTransactionId();
		requests = lappend(requests, request);
	}
	MemoryContextSwitchTo(oldcontext);
}

bool
lr_first_clocks_wait(void)
{
	return requests != NIL;
}

bool
lr_first_clocks_are_many(void)
{
	return list_length(requests) >= MANY;
}

void
lr_first_clocks_write(void)
{
	SubTransactionId subid = GetCurrentSubTransactionId();
	List *ready = NIL;
	ListCell *cell;

	foreach(cell, requests)
	{
		Request *request = lfirst(cell);

		/* a rollback of this subtransaction would undo what outer ones ask for; a first one may be in a statement around this one */
		if (request->of.subid != subid || lr_pending_find(request->flow, request->first))
			continue;
		ready = lappend(ready, request);
		requests = foreach_delete_current(requests, cell);
	}
	while (ready)
	{
		const char *flow = ((Request *) linitial(ready))->flow;
		List *of_flow = NIL;

		foreach(cell, ready)
		{
			Request *request = lfirst(cell);

			if (strcmp(request->flow, flow) != 0)
				continue;
			of_flow = lappend(of_flow, request);
			ready = foreach_delete_current(ready, cell);
		}
		write_flow(flow, of_flow);
		foreach(cell, of_flow)
			forget(lfirst(cell));
	}
}

static void
write_flow(const char *flow, List *ready)
{
	Oid types[] = {TEXTOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID};
	Datum values[] = {CStringGetTextDatum(flow), text_column(ready, offsetof(Request, first)), text_column(ready, offsetof(Request, duplicate)),
					  text_column(ready, offsetof(Request, policy)), time_column(ready, offsetof(Request, started_at)),
					  time_column(ready, offsetof(Request, at))};
	OwnerSession session;

	lr_journal_flush();
	lr_owner_begin(&session);
	lr_owner_execute("SELECT leadroute.clocks_asked($1, $2, $3, $4, $5, $6)", lengthof(types), types, values, SPI_OK_SELECT);
	lr_owner_end(&session);
}

static Datum
text_column(List *ready, size_t offset)
{
	char **strings = palloc(list_length(ready) * sizeof(char *));
	ListCell *cell;

	foreach(cell, ready)
		strings[foreach_current_index(cell)] = *(char **) ((char *) lfirst(cell) + offset);
	return lr_text_array(strings, list_length(ready));
}

static Datum
time_column(List *ready, size_t offset)
{
	Datum *times = palloc(list_length(ready) * sizeof(Datum));
	ListCell *cell;

	foreach(cell, ready)
		times[foreach_current_index(cell)] = TimestampTzGetDatum(*(TimestampTz *) ((char *) lfirst(cell) + offset));
	return PointerGetDatum(construct_array(times, list_length(ready), TIMESTAMPTZOID, sizeof(TimestampTz), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

static void
forget(void *item)
{
	Request *request = item;

	pfree(unconstify(char *, request->flow));
	pfree(unconstify(char *, request->first));
	pfree(unconstify(char *, request->duplicate));
	pfree(unconstify(char *, request->policy));
	pfree(request);
}

void
lr_first_clocks_trace(const Decision *decision, List **trace)
{
	Oid types[] = {TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID};
	MemoryContext context = CurrentMemoryContext;

	for (int i = 0; i < decision->nasked; i++)
	{
		const PolicyConfig *policy = decision->asked[i].policy;
		Datum values[] = {CStringGetTextDatum(decision->config->flow), CStringGetTextDatum(decision->duplicate_of),
						  CStringGetTextDatum(policy->policy), TimestampTzGetDatum(decision->asked[i].started_at)};
		OwnerSession session;
		MemoryContext oldcontext;
		TraceLine *line;
		bool starts;
		char *why;

		lr_owner_begin(&session);
		lr_owner_execute("SELECT w.why IS NULL, coalesce(w.why, 'nothing tighter runs there') FROM (SELECT leadroute.clock_not_asked($1, $2, $3, $4) AS why) w",
						 lengthof(types), types, values, SPI_OK_SELECT);
		starts = strcmp(lr_spi_text(0, 1), "t") == 0;
		why = MemoryContextStrdup(context, lr_spi_text(0, 2));
		lr_owner_end(&session);

		oldcontext = MemoryContextSwitchTo(context);
		line = palloc0(sizeof(TraceLine));
		line->item = "clock";
		line->name = policy->policy;
		line->verdict = starts ? "starts on the first" : "is not needed";
		line->detail = psprintf("%s of lead \"%s\", from %s: %s", policy->metric, decision->duplicate_of,
								timestamptz_to_str(decision->asked[i].started_at), why);
		*trace = lappend(*trace, line);
		MemoryContextSwitchTo(oldcontext);
	}
}

void
lr_first_clocks_abort(SubTransactionId subid)
{
	requests = lr_subtransaction_abort(requests, subid, forget);
}

void
lr_first_clocks_reparent(SubTransactionId subid, SubTransactionId parent)
{
	lr_subtransaction_reparent(requests, subid, parent);
}

void
lr_first_clocks_end(void)
{
	requests = NIL;
}
