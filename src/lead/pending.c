/*
 * pending.c
 *		Decisions that wait for their rows, statement by statement.
 *
 * A BEFORE ROW trigger decides; whether the row is really inserted only its AFTER ROW trigger knows (ON CONFLICT, a
 * BEFORE trigger of the user's that returns NULL). In between a decision waits here, with its turn.
 *
 * A statement is known by the memory context of its executor state, the parent of the context in which triggers are
 * called; a callback on that context tells that the statement is over, and what is still unconfirmed then was never
 * inserted: its turn goes back. Confirmed decisions become rows of the journal, written when no decision of
 * the statement is left open, every FLUSH_EVERY rows, at the end of the statement, when anybody asks, and before
 * commit.
 *
 * Memory: a context per statement under TopTransactionContext; an entry is some 150 bytes, and with a score, a clock and an account some
 * 850: a COPY keeps one per row until its AFTER triggers fire. What many leads share is an Outcome, made once.
 */
#include "postgres.h"

#include "access/xact.h"
#include "committee.h"
#include "duplicate.h"
#include "effect.h"
#include "handback.h"
#include "identity.h"
#include "journal.h"
#include "lead_hash.h"
#include "leadroute.h"
#include "linked.h"
#include "move.h"
#include "pending.h"
#include "qualify.h"
#include "reason.h"
#include "record.h"
#include "rescore.h"
#include "state.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "waiting.h"

#define FLUSH_EVERY 1000

/* Lives in the executor's context, so that either side may go first. */
typedef struct StatementRef
{
	MemoryContextCallback callback;
	Statement *statement;
} StatementRef;

struct Statement
{
	Statement *next;
	MemoryContext query; /* of the executor state */
	MemoryContext mcxt;
	StatementRef *ref; /* NULL when the statement is over */
	SubTransactionId subid;
	dlist_head entries; /* of Pending in the hash, newest first */
	uint32 open;		/* decisions neither confirmed nor dropped */
	uint32 unwritten;	/* confirmed ones that still stand in the hash */
	OutcomeSet outcomes;
	LastInsert last;
	Pending *newest; /* decision, as long as it waits for its row */
	RekeyList rekeys;
	bool warned;
};

const char *lr_own_lead = NULL;

static HTAB *pendings = NULL;
static Pending *single = NULL;		 /* the transaction's first, as long as it is there: most have no other */
static Statement *statements = NULL; /* newest first */
static Pending **confirmed = NULL;	 /* in the hash, their rows in the journal; TopTransactionContext */
static int nconfirmed = 0;
static int confirmed_room = 0;
static const PendingMore nothing_more = {0};

static void statement_over(void *arg);
static void drop_claims(const Pending *pending);
static void statement_free(Statement *statement);
static void statement_abandon(Statement *statement);
static Pending *pending_enter(Statement *statement, const char *flow, const char *lead);
static void pending_remove(Pending *pending);
static PendingMore *keep_more(Pending *pending);
static void add_more(Pending *pending, const Decision *decision);
static Pending *known_pending(Statement *statement, const char *flow, const char *lead, TimestampTz at);
static void keep_stages(Pending *pending, const StageChange *stages, const char *stage, const char *source);
static const Link *link_of(Statement *statement, const Decision *decision);
static void forget_clocks(Pending *pending);
static Decision decision_of(const Pending *pending);
static void remember_confirmed(Pending *pending);
static void forget_confirmed(void);
static void xact_callback(XactEvent event, void *arg);
static void subxact_callback(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *arg);

void
lr_pending_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
}

Statement *
lr_statement(void)
{
	MemoryContext query = MemoryContextGetParent(CurrentMemoryContext);
	Statement *statement;
	MemoryContext mcxt;

	for (statement = statements; statement; statement = statement->next)
		if (statement->query == query && statement->ref)
			return statement;

	/* nobody below us holds a configuration */
	if (statements == NULL && lr_own_lead == NULL)
	{
		lr_config_collect();
		lr_lead_collect();
	}
	mcxt = AllocSetContextCreate(TopTransactionContext, "leadroute statement", ALLOCSET_DEFAULT_SIZES);
	statement = MemoryContextAllocZero(mcxt, sizeof(Statement));
	statement->query = query;
	statement->mcxt = mcxt;
	statement->rekeys.statement = statement;
	statement->rekeys.mcxt = mcxt;
	dlist_init(&statement->entries);
	statement->subid = GetCurrentSubTransactionId();
	statement->ref = MemoryContextAlloc(query, sizeof(StatementRef));
	statement->ref->statement = statement;
	statement->ref->callback.func = statement_over;
	statement->ref->callback.arg = statement->ref;
	MemoryContextRegisterResetCallback(query, &statement->ref->callback);
	statement->next = statements;
	statements = statement;
	return statement;
}

bool *
lr_statement_warned(Statement *statement)
{
	return &statement->warned;
}

void
lr_statement_set_last(Statement *statement, Oid relid, const char *lead, const char *owner,
					  Datum key, bool byval, int16 len)
{
	LastInsert *last = &statement->last;
	MemoryContext oldcontext = MemoryContextSwitchTo(statement->mcxt);

	if (last->lead)
	{
		pfree(last->lead);
		if (!last->key_by_value)
			pfree(DatumGetPointer(last->key));
	}
	if (last->owner)
		pfree(last->owner);
	last->relid = relid;
	last->lead = pstrdup(lead);
	last->owner = owner ? pstrdup(owner) : NULL;
	last->key = datumCopy(key, byval, len);
	last->key_by_value = byval;
	MemoryContextSwitchTo(oldcontext);
}

void
lr_statement_set_last_stage(Statement *statement, const char *stage)
{
	if (statement->last.stage)
		pfree(statement->last.stage);
	statement->last.stage = stage ? MemoryContextStrdup(statement->mcxt, stage) : NULL;
}

bool
lr_statement_last_stage(Statement *statement, const char *stage)
{
	return statement->last.stage && strcmp(statement->last.stage, stage) == 0;
}

const LastInsert *
lr_statement_last(Statement *statement)
{
	return statement->last.lead ? &statement->last : NULL;
}

RekeyList *
lr_statement_rekeys(Statement *statement)
{
	return &statement->rekeys;
}

/* Hands' new owners that wait for their rows, under keys that change now: all of them away, then to the new keys. */
void
lr_statement_follow_rekeys(Statement *statement)
{
	List *taken = NIL;
	ListCell *cell;

	for (int i = 0; i < statement->rekeys.n; i++)
	{
		const Rekey *rekey = &statement->rekeys.entries[i];
		Pending *pending = rekey->told ? NULL : lr_pending_find(rekey->flow, rekey->from);
		Pending *copy;

		if (pending == NULL || pending->statement != statement || pending->kind != PENDING_HAND_OVER || pending->confirmed)
			continue;
		copy = MemoryContextAlloc(statement->mcxt, sizeof(Pending));
		*copy = *pending;
		copy->lead = rekey->to;
		statement->open--;
		pending_remove(pending);
		taken = lappend(taken, copy);
	}
	foreach(cell, taken)
	{
		const Pending *copy = lfirst(cell);

		(void) lr_pending_add_hand_over(statement, copy->flow, copy->lead, copy->source_owner, copy->at);
	}
	list_free(taken);
}

/*
 * The executor state goes away. No catalog or table may be touched here; in an abort the turns
 * have gone back already or are about to, and giving one back twice is the rotation's to prevent.
 */
static void
statement_over(void *arg)
{
	StatementRef *ref = arg;
	Statement *statement = ref->statement;
	dlist_mutable_iter iter;

	if (statement == NULL)
		return;
	statement->ref = NULL;
	lr_rekeys_forget(&statement->rekeys);
	dlist_foreach_modify(iter, &statement->entries)
	{
		Pending *pending = dlist_container(Pending, node, iter.cur);

		if (!pending->confirmed)
			lr_pending_drop(pending);
	}
	if (statement->unwritten == 0)
		statement_free(statement);
}

void
lr_pending_drop(Pending *pending)
{
	Statement *statement = pending->statement;

	if (pending->has_turn)
		lr_rotation_give_back(&pending->turn);
	drop_claims(pending);
	if (pending->more->link && pending->more->link->for_first)
		lr_duplicate_first_forget(pending->flow, pending->more->link->first, pending->lead);
	statement->open--;
	pending_remove(pending);
}

static void
drop_claims(const Pending *pending)
{
	ListCell *cell;

	for (int i = 0; i < pending->nclaims; i++)
	{
		Claim claim = {.row = pending->claims[i]};

		lr_identity_drop_later(&claim, pending->statement->subid);
	}
	foreach(cell, pending->more->claims)
		lr_identity_drop_later(lfirst(cell), pending->statement->subid);
}

void
lr_pending_set_claims(Pending *pending, Oid relid, const Claim *claims, int n)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(pending->statement->mcxt);

	pending->relid = relid;
	for (int i = 0; i < n; i++)
	{
		Claim *more;

		if (claims[i].previous == NULL && pending->nclaims < PENDING_CLAIMS)
		{
			pending->claims[pending->nclaims++] = claims[i].row;
			continue;
		}
		more = palloc(sizeof(Claim));
		more->row = claims[i].row;
		more->previous = claims[i].previous ? pstrdup(claims[i].previous) : NULL;
		keep_more(pending)->claims = lappend(pending->more->claims, more);
	}
	MemoryContextSwitchTo(oldcontext);
}

static void
statement_free(Statement *statement)
{
	Statement **link = &statements;

	lr_rekeys_forget(&statement->rekeys);
	while (*link != statement)
		link = &(*link)->next;
	*link = statement->next;
	lr_outcomes_unpin(&statement->outcomes);
	MemoryContextDelete(statement->mcxt);
}

/* The statement's (sub)transaction aborts: the rotation undoes the turns by itself. */
static void
statement_abandon(Statement *statement)
{
	int kept = 0;
	dlist_mutable_iter iter;

	for (int i = 0; i < nconfirmed; i++)
		if (confirmed[i]->statement != statement)
			confirmed[kept++] = confirmed[i];
	nconfirmed = kept;
	dlist_foreach_modify(iter, &statement->entries)
		pending_remove(dlist_container(Pending, node, iter.cur));
	if (statement->ref)
		statement->ref->statement = NULL;
	statement_free(statement);
}

Pending *
lr_pending_find(const char *flow, const char *lead)
{
	Pending probe;

	if (single && strcmp(single->lead, lead) == 0 && strcmp(single->flow, flow) == 0)
		return single;
	if (pendings == NULL)
		return NULL;
	probe.flow = flow;
	probe.lead = lead;
	return hash_search(pendings, &probe, HASH_FIND, NULL);
}

/* A fresh entry; the caller has looked that none of the key stands there. */
static Pending *
pending_enter(Statement *statement, const char *flow, const char *lead)
{
	Pending *pending = NULL;
	bool found = single != NULL && lr_pending_find(flow, lead) == single;

	if (pendings == NULL && single == NULL)
		pending = single = MemoryContextAlloc(TopTransactionContext, sizeof(Pending));
	else if (!found)
	{
		Pending probe = {.flow = flow, .lead = unconstify(char *, lead)};

		if (pendings == NULL)
			pendings = lr_lead_hash_create("leadroute pending decisions", 256, sizeof(Pending), TopTransactionContext);
		pending = hash_search(pendings, &probe, HASH_ENTER, &found);
	}
	if (found)
		elog(ERROR, "lead \"%s\" of flow \"%s\" is pending already", lead, flow);
	memset(pending, 0, sizeof(Pending));
	pending->flow = flow;
	pending->lead = MemoryContextStrdup(statement->mcxt, lead);
	pending->statement = statement;
	pending->more = &nothing_more;
	dlist_push_head(&statement->entries, &pending->node);
	statement->open++;
	return pending;
}

static void
pending_remove(Pending *pending)
{
	if (pending->statement->newest == pending)
		pending->statement->newest = NULL;
	dlist_delete(&pending->node);
	if (pending->more->sticky)
		lr_sticky_forget(pending->more->sticky);
	if (pending == single)
	{
		pfree(single);
		single = NULL;
	}
	else
		hash_search(pendings, pending, HASH_REMOVE, NULL);
}

Pending *
lr_pending_add(Statement *statement, const char *lead, const Decision *decision, const char *source_owner)
{
	const Outcome *outcome = lr_outcome_keep(&statement->outcomes, decision, statement->mcxt);
	Pending *pending = pending_enter(statement, outcome->config->flow, lead);

	pending->kind = PENDING_DECISION;
	pending->outcome = outcome;
	pending->source_owner = source_owner ? MemoryContextStrdup(statement->mcxt, source_owner) : NULL;
	pending->at = decision->at;
	pending->submitted_at = decision->submitted_at;
	pending->turn = decision->turn;
	pending->has_turn = decision->has_turn;
	if (decision->account || decision->duplicate_of || decision->closing || decision->priority != 0 || decision->held_until != 0 ||
		decision->stage || decision->prediction || decision->score || decision->has_sla || decision->qualified_by ||
		decision->qualified_at != 0 || decision->returned_by || decision->consent != CONSENT_UNKNOWN)
		add_more(pending, decision);
	statement->newest = pending;
	return pending;
}

/* What is not kept for every lead; made when first asked for. */
static PendingMore *
keep_more(Pending *pending)
{
	if (pending->more == &nothing_more)
		pending->more = MemoryContextAllocZero(pending->statement->mcxt, sizeof(PendingMore));
	return unconstify(PendingMore *, pending->more);
}

static void
add_more(Pending *pending, const Decision *decision)
{
	Statement *statement = pending->statement;
	PendingMore *more = keep_more(pending);

	if (decision->duplicate_of)
		more->link = link_of(statement, decision);
	if (decision->account)
	{
		more->account = MemoryContextStrdup(statement->mcxt, decision->account);
		more->account_by = decision->account_by ? MemoryContextStrdup(statement->mcxt, decision->account_by) : NULL;
		if (decision->account_owner)
			more->account_owner = MemoryContextStrdup(statement->mcxt, decision->account_owner);
		more->account_tier = decision->account_tier;
		if (decision->stands_in)
			more->stands_in = MemoryContextStrdup(statement->mcxt, decision->stands_in);
		if (decision->sticks)
			more->sticky = lr_sticky_note(pending->flow, pending->outcome->team, more->account, pending->lead, pending->outcome->owner, statement->mcxt);
	}
	more->priority = decision->priority;
	more->held_until = decision->held_until;
	more->qualified_by = decision->qualified_by;
	more->borderline = decision->borderline;
	more->mql_at = decision->mql_at;
	more->qualified_at = decision->qualified_at;
	more->returned_by = decision->returned_by;
	more->consent = decision->consent;
	if (decision->stage)
	{
		keep_stages(pending, decision->stages, decision->stage, decision->source_stage);
		more->stage_at = decision->stage_at;
	}
	if (decision->prediction)
	{
		Prediction *prediction = MemoryContextAlloc(statement->mcxt, sizeof(Prediction));

		*prediction = *decision->prediction;
		more->prediction = prediction;
	}
	if (decision->score)
	{
		LeadScore *score = MemoryContextAlloc(statement->mcxt, sizeof(LeadScore));

		*score = *decision->score;
		score->counts = NULL;
		if (score->grade)
			score->grade = MemoryContextStrdup(statement->mcxt, score->grade);
		more->score = score;
	}
	more->has_sla = decision->has_sla;
	more->too_old = decision->too_old;
	if (decision->nclocks > 0)
	{
		more->clocks = MemoryContextAlloc(statement->mcxt, decision->nclocks * sizeof(Clock));
		memcpy(more->clocks, decision->clocks, decision->nclocks * sizeof(Clock));
		more->nclocks = decision->nclocks;
	}
	if (decision->closing)
	{
		Closing *closing = MemoryContextAlloc(statement->mcxt, sizeof(Closing));

		*closing = *decision->closing;
		if (closing->value)
			closing->value = MemoryContextStrdup(statement->mcxt, closing->value);
		more->closing = closing;
	}
}

static void
keep_stages(Pending *pending, const StageChange *stages, const char *stage, const char *source)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(pending->statement->mcxt);
	PendingMore *more = keep_more(pending);
	StageChange *kept = NULL;
	StageChange **link = &kept;

	for (; stages; stages = stages->next)
	{
		StageChange *change = palloc(sizeof(StageChange));

		*change = *stages;
		change->next = NULL;
		change->from = stages->from ? pstrdup(stages->from) : NULL;
		change->to = pstrdup(stages->to);
		change->reason = pstrdup(stages->reason);
		change->actor = stages->actor ? pstrdup(stages->actor) : NULL;
		*link = change;
		link = &change->next;
	}
	more->stages = kept;
	more->stage = pstrdup(stage);
	more->source_stage = source ? pstrdup(source) : NULL;
	MemoryContextSwitchTo(oldcontext);
}

void
lr_pending_add_stages(Statement *statement, const char *flow, const char *lead, const StageChange *stages, const char *source,
					  TimestampTz at)
{
	Pending *pending = known_pending(statement, flow, lead, at);
	const StageChange *last = stages;

	while (last->next)
		last = last->next;
	if (!pending->confirmed)
		keep_stages(pending, stages, last->to, source);
}

/* What waits for the row of a known lead. */
static Pending *
known_pending(Statement *statement, const char *flow, const char *lead, TimestampTz at)
{
	Pending *pending = lr_pending_find(flow, lead);

	/* one that is confirmed is as good as written */
	if (pending && pending->confirmed)
	{
		lr_pending_flush();
		pending = lr_pending_find(flow, lead);
	}
	if (pending == NULL)
	{
		pending = pending_enter(statement, MemoryContextStrdup(statement->mcxt, flow), lead);
		pending->kind = PENDING_STAGE;
		pending->at = at;
	}
	return pending;
}

void
lr_pending_add_qualified(Statement *statement, const char *flow, const char *lead, const char *by, const char *reason, TimestampTz at)
{
	Pending *pending = known_pending(statement, flow, lead, at);
	PendingMore *more;

	if (pending->confirmed || pending->kind == PENDING_DECISION)
		return;
	more = keep_more(pending);
	more->qualified_by = by;
	more->qualified_reason = MemoryContextStrdup(pending->statement->mcxt, reason);
}

void
lr_pending_add_consent(Statement *statement, const char *flow, const char *lead, Consent consent, TimestampTz at)
{
	Pending *pending = known_pending(statement, flow, lead, at);
	PendingMore *more;

	if (pending->confirmed || pending->kind == PENDING_DECISION)
		return;
	more = keep_more(pending);
	more->consent = consent;
	more->has_consent = true;
}

void
lr_pending_take_stages(const char *flow, const char *lead, const char **given)
{
	Pending *pending = lr_pending_find(flow, lead);
	PendingMore *more;

	if (pending == NULL || pending->confirmed || pending->kind == PENDING_DECISION || pending->more->stages == NULL)
		return;
	more = keep_more(pending);
	if (*given && strcmp(*given, more->stage) == 0)
		*given = more->source_stage;
	more->stages = NULL;
}

static const Link *
link_of(Statement *statement, const Decision *decision)
{
	Link *link = MemoryContextAlloc(statement->mcxt, sizeof(Link));

	link->first = MemoryContextStrdup(statement->mcxt, decision->duplicate_of);
	link->match = decision->match; /* the configuration's, which the outcome has pinned */
	link->ruled_status = decision->ruled_status;
	link->ruled_code = decision->ruled_code;
	link->for_first = decision->for_first;
	link->silent = decision->silent;
	link->nasked = decision->nasked;
	link->asked = NULL;
	if (decision->nasked > 0)
	{
		link->asked = MemoryContextAlloc(statement->mcxt, decision->nasked * sizeof(AskedClock));
		memcpy(link->asked, decision->asked, decision->nasked * sizeof(AskedClock));
	}
	return link;
}

Pending *
lr_statement_newest(Statement *statement)
{
	return statement->newest;
}

Pending *
lr_pending_add_hand_over(Statement *statement, const char *flow, const char *lead, const char *owner, TimestampTz at)
{
	Pending *pending = lr_pending_find(flow, lead);

	if (pending && pending->kind == PENDING_HAND_OVER && !pending->confirmed)
	{
		pending->source_owner = MemoryContextStrdup(statement->mcxt, owner);
		pending->at = at;
		return pending;
	}
	if (pending && pending->kind == PENDING_STAGE && !pending->confirmed)
	{
		pending->kind = PENDING_HAND_OVER;
		pending->source_owner = MemoryContextStrdup(statement->mcxt, owner);
		return pending;
	}
	if (pending)
		return NULL; /* decided in this very statement: no hand has had it yet */
	pending = pending_enter(statement, MemoryContextStrdup(statement->mcxt, flow), lead);
	pending->kind = PENDING_HAND_OVER;
	pending->source_owner = MemoryContextStrdup(statement->mcxt, owner);
	pending->at = at;
	return pending;
}

static Decision
decision_of(const Pending *pending)
{
	const Outcome *outcome = pending->outcome;
	Decision decision = {
		.config = outcome->config,
		.status = outcome->status,
		.code = outcome->code,
		.rule = outcome->rule,
		.owner = outcome->owner,
		.team = outcome->team,
		.territory = outcome->territory,
		.queue = outcome->queue,
		.over_cap = outcome->over_cap,
		.segment = outcome->segment,
		.intent = outcome->intent,
		.how = outcome->how,
		.passed = outcome->passed,
		.account = pending->more->account,
		.account_by = pending->more->account_by,
		.account_owner = pending->more->account_owner,
		.account_tier = pending->more->account_tier,
		.stands_in = pending->more->stands_in,
		.at = pending->at,
		.submitted_at = pending->submitted_at,
		.closing = pending->more->closing,
		.priority = pending->more->priority,
		.held_until = pending->more->held_until,
		.stage = pending->more->stage,
		.source_stage = pending->more->source_stage,
		.stage_at = pending->more->stage_at,
		.stages = pending->more->stages,
		.prediction = pending->more->prediction,
		.qualified_by = pending->more->qualified_by,
		.borderline = pending->more->borderline,
		.mql_at = pending->more->mql_at,
		.qualified_at = pending->more->qualified_at,
		.returned_by = pending->more->returned_by,
		.consent = pending->more->consent,
		.score = pending->more->score,
		.has_sla = pending->more->has_sla,
		.too_old = pending->more->too_old,
		.nclocks = pending->more->nclocks,
		.clocks = pending->more->clocks,
	};

	if (pending->more->link)
	{
		decision.duplicate_of = pending->more->link->first;
		decision.match = pending->more->link->match;
		decision.ruled_status = pending->more->link->ruled_status;
		decision.ruled_code = pending->more->link->ruled_code;
		decision.for_first = pending->more->link->for_first;
		decision.silent = pending->more->link->silent;
		decision.nasked = pending->more->link->nasked;
		decision.asked = pending->more->link->asked;
	}
	return decision;
}

char *
lr_pending_reason(const Pending *pending)
{
	Decision decision = decision_of(pending);

	return lr_route_reason(&decision);
}

void
lr_pending_confirm(Pending *pending, const LeadShape *shape, TupleTableSlot *slot)
{
	Statement *statement = pending->statement;

	/* a row of the lead in a savepoint within its statement may go again: its own row is still to come */
	if (pending->confirmed || statement->subid != GetCurrentSubTransactionId())
		return;
	if (nconfirmed >= FLUSH_EVERY)
		lr_pending_flush();
	pending->confirmed = true;
	if (statement->newest == pending)
		statement->newest = NULL;
	remember_confirmed(pending);
	statement->unwritten++;
	statement->open--;

	if (pending->more->has_consent)
	{
		lr_journal_flush();
		lr_state_set_consent(pending->flow, pending->lead, pending->more->consent);
	}
	if (pending->kind == PENDING_HAND_OVER)
	{
		lr_journal_flush();
		lr_state_hand_over(pending->flow, pending->lead, pending->source_owner, pending->at);
	}
	else if (pending->kind == PENDING_STAGE)
		lr_journal_flush();
	else if (pending->kind == PENDING_REDECISION)
	{
		Decision decision = decision_of(pending);
		Move move;

		lr_journal_flush();
		lr_move_of(&decision, &move);
		move.turn = pending->turn;
		move.has_turn = pending->has_turn;
		move.kind = decision.returned_by ? "returned" : "rerouted";
		lr_move(pending->flow, pending->lead, &move);
		if (decision.returned_by)
			lr_handback_returned(pending->flow, pending->lead, decision.returned_by, decision.owner, decision.at);
	}
	else
	{
		Decision decision = decision_of(pending);

		if (pending->replaces)
			lr_state_remove(pending->flow, pending->lead);
		if (pending->has_turn)
			lr_rotation_confirm(&pending->turn);
		lr_record(pending->lead, &decision, pending->source_owner, pending->outcome->path, shape, slot);
		forget_clocks(pending);
		if (decision.for_first)
			lr_duplicate_first_stands(pending->flow, decision.duplicate_of);
	}
	if (pending->kind != PENDING_DECISION && pending->more->stages)
		lr_stage_write(pending->flow, pending->lead, pending->more->stages, pending->more->source_stage);
	if (pending->kind != PENDING_DECISION && pending->more->qualified_reason)
	{
		FlowConfig *config = lr_config(pending->flow);

		if (pending->more->qualified_by)
			lr_qualify_write(config, pending->lead, pending->more->qualified_by, pending->more->qualified_reason, NULL, pending->at);
		else
			lr_review_write(config, pending->lead, pending->more->qualified_reason, pending->at);
	}
	if (statement->open == 0)
		lr_pending_flush();
}

/* A COPY of a million leads need not keep what is written. */
static void
forget_clocks(Pending *pending)
{
	PendingMore *more = unconstify(PendingMore *, pending->more);

	if (more->nclocks == 0)
		return;
	more->nclocks = 0;
	pfree(more->clocks);
}

void
lr_pending_write(const char *lead, const Decision *decision, const char *source_owner, const LeadShape *shape, TupleTableSlot *slot)
{
	RotationTurn turn = decision->turn;

	if (decision->has_turn)
		lr_rotation_confirm(&turn);
	lr_record(lead, decision, source_owner, lr_route_path(decision), shape, slot);
	if (decision->for_first)
		lr_duplicate_first_stands(decision->config->flow, decision->duplicate_of);
}

void
lr_pending_flush(void)
{
	lr_identity_drop_now();
	lr_journal_flush();
	if (lr_committee_check())
		lr_journal_flush();
	forget_confirmed();
}

static void
remember_confirmed(Pending *pending)
{
	if (confirmed == NULL)
	{
		confirmed_room = 8;
		confirmed = MemoryContextAlloc(TopTransactionContext, confirmed_room * sizeof(Pending *));
	}
	else if (nconfirmed == confirmed_room)
	{
		confirmed_room *= 2;
		confirmed = repalloc(confirmed, confirmed_room * sizeof(Pending *));
	}
	confirmed[nconfirmed++] = pending;
}

/* What is written is found in lead_states from now on; the journal writes what belongs to this subtransaction. */
static void
forget_confirmed(void)
{
	SubTransactionId subid = GetCurrentSubTransactionId();
	int kept = 0;

	for (int i = 0; i < nconfirmed; i++)
	{
		Statement *statement = confirmed[i]->statement;

		if (statement->subid != subid)
		{
			confirmed[kept++] = confirmed[i];
			continue;
		}
		statement->unwritten--;
		pending_remove(confirmed[i]);
	}
	nconfirmed = kept;
	for (Statement *statement = statements, *next; statement; statement = next)
	{
		next = statement->next;
		if (statement->ref == NULL && statement->unwritten == 0)
			statement_free(statement);
	}
}

void
lr_pending_settle(void)
{
	/* DROP EXTENSION in the transaction that wrote: there is nowhere to write to any more */
	if ((statements || lr_effects_wait()) && !lr_installed())
	{
		lr_journal_end();
		lr_effects_end();
		lr_identity_end();
		lr_committee_end();
		lr_duplicate_end();
		return;
	}
	lr_pending_flush();
	lr_duplicate_write_firsts();
	lr_effects_resolve();
	lr_journal_flush();
}

static void
xact_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			lr_duplicate_before_commit();
			lr_pending_settle();
			lr_linked_before_commit();
			lr_rescore_before_commit();
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			while (statements)
				statement_abandon(statements);
			pendings = NULL;
			single = NULL;
			confirmed = NULL;
			nconfirmed = confirmed_room = 0;
			lr_journal_end();
			lr_drain_end();
			lr_effects_end();
			lr_identity_end();
			lr_committee_end();
			lr_duplicate_end();
			lr_linked_end();
			lr_sticky_end();
			lr_rescore_end();
			lr_config_collect();
			lr_lead_collect();
			lr_config_trim();
			break;
		default:
			break;
	}
}

static void
subxact_callback(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		for (Statement *statement = statements, *next; statement; statement = next)
		{
			next = statement->next;
			if (statement->subid == subid)
				statement_abandon(statement);
		}
		lr_journal_forget(subid);
		lr_effects_abort(subid);
		lr_drain_abort(subid);
		lr_identity_abort(subid);
		lr_committee_abort(subid);
		lr_duplicate_abort(subid);
	}
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		for (Statement *statement = statements; statement; statement = statement->next)
			if (statement->subid == subid)
				statement->subid = parent;
		lr_journal_reparent(subid, parent);
		lr_effects_reparent(subid, parent);
		lr_drain_reparent(subid, parent);
		lr_identity_reparent(subid, parent);
		lr_committee_reparent(subid, parent);
		lr_duplicate_reparent(subid, parent);
	}
}
