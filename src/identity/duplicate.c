/*
 * duplicate.c
 *		Leads that share a key with an earlier one.
 *
 * The unique index of leadroute.identities decides who came first, not a look-up: a new row claims its keys before
 * anything is decided (identity.c), and who finds one held by another lead is that one's duplicate. What holds a key may
 * be less than a lead: a row that was never inserted, one that this transaction deleted, a lead that is gone. Its key is
 * free and changes hands. A holder that is itself a duplicate stands for the one that it is a duplicate of.
 *
 * The decision for a duplicate of a lead without an owner is that lead's too. Its row must not be updated while the
 * statement runs (an UPDATE from a BEFORE trigger breaks batch upserts, MERGE and writable CTEs), so the result waits
 * here and is written by a command of its own: by an AFTER trigger, when somebody asks, and at the latest before commit.
 *
 * Memory: what waits is in TopTransactionContext, with the subtransaction that promised it.
 * Locks: a claim waits for the transaction that holds the key; nothing else here waits while a lead is decided.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "arrival.h"
#include "ask.h"
#include "catalog/pg_type.h"
#include "clock_change.h"
#include "compat.h"
#include "duplicate.h"
#include "first_clock.h"
#include "identity.h"
#include "journal.h"
#include "lead_hash.h"
#include "leadroute.h"
#include "linked.h"
#include "match.h"
#include "merge.h"
#include "owner.h"
#include "pick.h"
#include "protect.h"
#include "reason.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "waiting.h"

/* A chain of duplicates is one step long, but rows written by hand may say anything. */
#define CHAIN_AT_MOST 100

/* An earlier lead without an owner, and what it gets. */
typedef struct FirstResult
{
	const char *flow; /* these two are the key */
	const char *lead;
	const char *duplicate; /* whose decision it is */
	const char *status;
	const char *code;
	const char *rule;
	const char *owner;
	const char *team;
	const char *territory;
	const char *queue;
	const char *reason;
	TimestampTz at;
	TimestampTz held_until; /* 0: it is not held */
	double priority;
	SubTransactionId subid;
	bool has_turn;
	bool stands; /* the duplicate's row does */
} FirstResult;

/* What becomes of a text time that is none: now. */
typedef struct Submission
{
	const LeadRow *row;
	TimestampTz at;
} Submission;

/* A place to be taken. */
typedef struct Place
{
	Decision *decision;
	const char *team; /* "": of none */
} Place;

static HTAB *first_results = NULL;
static int nstanding = 0;

static bool claim_key(Arrival *arrival, IdentityTable *table, const MatchKey *key, bool is_new);
static bool returns(const Arrival *arrival, const FirstLead *first);
static bool judge(Arrival *arrival, const char *holder, FirstLead *first);
static bool is_gone(const Arrival *arrival, const char *lead, const LeadState *state);
static bool pending_stands(Arrival *arrival, const Pending *pending);
static bool scan_for(Relation rel, const LeadShape *shape, const char *lead);
static void first_from_pending(const Pending *pending, FirstLead *first);
static void first_from_state(const LeadState *state, FirstLead *first);
static void apply_promise(const char *flow, FirstLead *first);
static bool is_active(const FlowConfig *config, const char *owner);
static bool take_place(Decision *decision);
static void take_place_in(void *arg);
static void read_submitted(void *arg);
static void promise(const Arrival *arrival, const Decision *decision);
static FirstResult *find_result(const char *flow, const char *lead, HASHACTION action);
static void write_first(const FirstResult *result);
static void keep_place(const FirstResult *result, Oid *types, Datum *values, int n);
static void change_keys(Arrival *arrival, const char *old_lead, const MatchKey *were, int nwere, const MatchKey *are, int nare);
static void suggest(const Arrival *arrival, const char *other, const MatchKey *key);

bool
lr_duplicate_identify(Arrival *arrival, bool is_new)
{
	IdentityTable *table;
	MatchKey *keys;
	bool known = false;
	int n = lr_match_keys(&arrival->profile, &keys);

	if (n == 0)
		return true;
	table = lr_identity_open();
	for (int i = 0; i < n && !known; i++)
		known = !claim_key(arrival, table, &keys[i], is_new);
	lr_identity_close(table);
	if (!known)
		return true;

	/* what was claimed until then is the lead's own UPDATE's to claim */
	for (int i = 0; i < arrival->nclaims; i++)
		lr_identity_drop_later(&arrival->claims[i], GetCurrentSubTransactionId());
	(void) lr_identity_drop_now();
	arrival->nclaims = 0;
	arrival->first.lead = NULL;
	return false;
}

/* False where the lead itself holds the key, and so is known. */
static bool
claim_key(Arrival *arrival, IdentityTable *table, const MatchKey *key, bool is_new)
{
	const char *flow = arrival->config->flow;
	FirstLead first;
	Claim claim;
	char *holder;
	bool unseen;

	for (;;)
	{
		if (lr_identity_claim(table, flow, key->kind, key->key, arrival->lead, &claim, &holder, &unseen))
		{
			lr_arrival_keep_claim(arrival, &claim);
			return true;
		}
		if (strcmp(holder, arrival->lead) == 0)
		{
			if (!is_new || !lr_state_find(flow, arrival->lead, NULL))
			{
				/* of a row that was never inserted, if not of one that stands already */
				if (lr_identity_drop_now())
					continue;
				return true;
			}
			return false;
		}
		if (judge(arrival, holder, &first))
		{
			if (lr_unmerged_lead && strcmp(lr_unmerged_lead, arrival->lead) == 0 && (lr_missing_lead == NULL || strcmp(lr_missing_lead, first.lead) == 0))
				return true;
			first.returns = returns(arrival, &first);
			if (!first.returns || unseen)
				break;
			/* who comes next is this one's duplicate */
			if (!lr_identity_take(table, &claim, arrival->lead))
				continue;
			lr_arrival_keep_claim(arrival, &claim);
			break;
		}
		if (lr_identity_drop_now())
			continue;
		if (lr_identity_take(table, &claim, arrival->lead))
		{
			lr_arrival_keep_claim(arrival, &claim);
			return true;
		}
	}
	if (unseen)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent update"),
				 errdetail("Lead \"%s\", which has the same %s, was written after this transaction began.", first.lead, key->kind),
				 errhint("The transaction might succeed if retried.")));
	/* with which of several it is one, the first rule says */
	if (arrival->first.lead == NULL)
	{
		first.match = key->kind;
		first.key = key->key;
		arrival->first = first;
	}
	return true;
}

/* Whether its person had been done with, or is so long ago that he asks anew. */
static bool
returns(const Arrival *arrival, const FirstLead *first)
{
	int64 after = arrival->config->returning_after;

	return first->closed || (after > 0 && first->has_submitted_at && lr_now() - first->submitted_at > after);
}

/* Whether the holder of a key is a lead, or stands for one; fills in which. False: the key is free. */
static bool
judge(Arrival *arrival, const char *holder, FirstLead *first)
{
	const char *flow = arrival->config->flow;
	FirstLead last = {0};
	const char *next = holder;

	for (int step = 0; next && step < CHAIN_AT_MOST && strcmp(next, arrival->lead) != 0; step++)
	{
		Pending *pending = lr_pending_find(flow, next);
		LeadState state;

		memset(first, 0, sizeof(FirstLead));
		first->lead = pstrdup(next);
		if (pending && pending->kind == PENDING_DECISION)
		{
			if (!pending->confirmed && pending->statement == arrival->statement && !pending_stands(arrival, pending))
			{
				lr_pending_drop(pending);
				break;
			}
			first_from_pending(pending, first);
			next = pending->more->link && strcmp(pending->outcome->status, "duplicate") == 0 ? pending->more->link->first : NULL;
		}
		else if (lr_state_find(flow, next, &state) && !is_gone(arrival, next, &state))
		{
			first_from_state(&state, first);
			next = strcmp(state.status, "duplicate") == 0 || strcmp(state.status, "merged") == 0 ? state.duplicate_of : NULL;
		}
		else
			break;
		last = *first;
		if (next == NULL)
		{
			apply_promise(flow, first);
			return true;
		}
	}
	/* what it was a duplicate of is gone: it stands for itself; a merged one has no row */
	*first = last;
	return last.lead && strcmp(last.status, "merged") != 0;
}

bool
lr_duplicate_is_there(Arrival *arrival, const char *lead)
{
	FirstLead first;

	return lead && judge(arrival, lead, &first);
}

/* Deleted, if its row has not come back in a statement that still runs. */
static bool
is_gone(const Arrival *arrival, const char *lead, const LeadState *state)
{
	Datum key;

	if (!lr_effect_is_gone(arrival->config->flow, lead) &&
		(!lr_state_is_gone(state) || lr_effect_is_back(arrival->config->flow, lead)))
		return false;
	return !lr_lead_key(arrival->shape->key.type, arrival->shape->key.typmod, lead, &key) || !lr_lead_stands(arrival->rel, arrival->shape, key);
}

/* Whether the row of a decision that waits is in its table by now. */
static bool
pending_stands(Arrival *arrival, const Pending *pending)
{
	Relation rel = table_open(pending->relid, AccessShareLock);
	LeadShape *shape = lr_lead_shape(rel, arrival->attachment);
	bool stands = true;
	Datum key;

	if (OidIsValid(shape->key_index))
		stands = lr_lead_key(shape->key.type, shape->key.typmod, pending->lead, &key) && lr_lead_stands(rel, shape, key);
	else if (shape->may_refuse)
		stands = scan_for(rel, shape, pending->lead);
	table_close(rel, AccessShareLock);
	return stands;
}

/* Where no index can tell: only two rows of one statement that are one person come here. */
static bool
scan_for(Relation rel, const LeadShape *shape, const char *lead)
{
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, SnapshotSelf, 0, NULL);
	bool found = false;

	while (!found && table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		char *key = lr_lead_text(&shape->key, slot);

		found = key && strcmp(key, lead) == 0;
		if (key)
			pfree(key);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	return found;
}

/* Strings are the statement's, which outlives whoever asks. */
static void
first_from_pending(const Pending *pending, FirstLead *first)
{
	first->status = pending->outcome->status;
	first->owner = pending->outcome->owner;
	first->team = pending->outcome->team;
	first->territory = pending->outcome->territory;
	first->account = pending->more->account;
	first->account_by = pending->more->account_by;
	first->account_tier = pending->more->account_tier;
	first->submitted_at = pending->submitted_at;
	first->routed_at = pending->at;
	first->has_submitted_at = first->has_routed_at = true;
}

static void
first_from_state(const LeadState *state, FirstLead *first)
{
	first->status = state->status;
	first->owner = state->owner;
	first->team = state->team;
	first->territory = state->territory;
	first->account = state->account;
	first->account_by = state->account_by;
	first->account_tier = state->account_tier;
	first->submitted_at = state->submitted_at;
	first->routed_at = state->routed_at;
	first->has_submitted_at = state->has_submitted_at;
	first->has_routed_at = state->has_routed_at;
	first->closed = state->closed;
}

/* A duplicate of this transaction has been decided for it already, and the result is not written yet. */
static void
apply_promise(const char *flow, FirstLead *first)
{
	FirstResult *result = find_result(flow, first->lead, HASH_FIND);

	if (result == NULL)
		return;
	first->status = result->status;
	first->owner = result->owner;
	first->team = result->team;
	first->territory = result->territory;
}

void
lr_duplicate_look(Arrival *arrival)
{
	MatchKey *keys;
	int n = lr_match_keys(&arrival->profile, &keys);

	for (int i = 0; i < n && arrival->first.lead == NULL; i++)
	{
		char *holder = lr_identity_holder(arrival->config->flow, keys[i].kind, keys[i].key);
		FirstLead first;

		if (holder == NULL || (arrival->lead && strcmp(holder, arrival->lead) == 0) || !judge(arrival, holder, &first))
			continue;
		first.match = keys[i].kind;
		first.key = keys[i].key;
		first.returns = returns(arrival, &first);
		arrival->first = first;
	}
}

bool
lr_duplicate_decide(Arrival *arrival, const LeadRow *row, RouteMode mode, Decision *decision)
{
	const FirstLead *first = &arrival->first;

	if (first->lead == NULL || first->owner == NULL)
		return false;
	if (first->returns && !is_active(arrival->config, first->owner))
		return false;
	/* the row brought an owner who is to keep it */
	if (row->given_owner && (arrival->config->crm_is_master || (arrival->config->keeps_given && is_active(arrival->config, row->given_owner))))
		return false;

	memset(decision, 0, sizeof(Decision));
	decision->config = arrival->config;
	decision->at = row->at;
	decision->status = "duplicate";
	decision->code = "duplicate";
	decision->owner = first->owner;
	decision->team = first->team;
	decision->territory = first->territory;
	decision->account = first->account;
	decision->account_by = first->account_by;
	decision->account_tier = first->account_tier;
	decision->segment = row->segment;
	decision->intent = row->intent;
	decision->duplicate_of = first->lead;
	decision->match = first->match;
	decision->submitted_at = lr_duplicate_submitted_at(row);
	if (first->returns)
	{
		decision->status = "assigned";
		decision->code = "returning";
		return mode == ROUTE_PEEK || take_place(decision);
	}
	decision->silent = lr_duplicate_says_nothing_new(arrival, row->at);
	return true;
}

static bool
is_active(const FlowConfig *config, const char *owner)
{
	const RepConfig *rep = lr_config_rep(config, owner);

	return rep && rep->active;
}

/* The place that a returning lead has with its owner, and no turn; false where shared memory has no room for him. */
static bool
take_place(Decision *decision)
{
	Place place = {.decision = decision, .team = ""};
	TeamConfig *team = decision->team ? lr_config_team(decision->config, decision->team) : NULL;

	for (int i = 0; team && i < team->nmembers; i++)
		if (strcmp(team->member_names[i], decision->owner) == 0)
			place.team = team->team;
	if (place.team[0] == '\0')
		decision->team = NULL;
	if (place.team[0] == '\0')
		team = NULL;
	if (lr_pick_given_is_ready(decision->config, team, decision->owner))
		take_place_in(&place);
	else if (lr_protect(take_place_in, &place))
		return false;
	return true;
}

static void
take_place_in(void *arg)
{
	Place *place = arg;
	Decision *decision = place->decision;

	decision->over_cap = lr_pick_given(decision->config, place->team, decision->owner, decision->at, &decision->turn);
	decision->has_turn = true;
}

/* A column of text may hold what is no time: then it is now. */
TimestampTz
lr_duplicate_submitted_at(const LeadRow *row)
{
	Submission submission = {.row = row, .at = row->at};
	Oid type = row->shape->submitted_at.type;

	if (type == TIMESTAMPTZOID || type == TIMESTAMPOID || type == DATEOID || row->shape->submitted_at.attno == 0)
		read_submitted(&submission);
	else
		(void) lr_protect(read_submitted, &submission);
	return submission.at;
}

static void
read_submitted(void *arg)
{
	Submission *submission = arg;

	submission->at = lr_lead_submitted_at(submission->row->shape, submission->row->slot, submission->row->at);
}

/* The same identity within the replay window, and every column that a person or a form fills is as it was. */
bool
lr_duplicate_says_nothing_new(const Arrival *arrival, TimestampTz at)
{
	const FirstLead *first = &arrival->first;

	if (arrival->config->replay_window == 0 || !first->has_routed_at ||
		at - first->routed_at > arrival->config->replay_window || at < first->routed_at)
		return false;
	return lr_lead_repeats(arrival->rel, arrival->shape, first->lead, arrival->slot);
}

void
lr_duplicate_mark(Arrival *arrival, RouteMode mode, Decision *decision)
{
	const FirstLead *first = &arrival->first;

	if (first->lead == NULL)
		return;
	decision->duplicate_of = first->lead;
	decision->match = first->match;
	if (first->returns)
	{
		if (strcmp(decision->status, "assigned") == 0)
		{
			decision->ruled_status = decision->status;
			decision->ruled_code = decision->code;
			decision->code = "returning";
		}
		return;
	}
	/* a lead from before the attach is left as it is */
	if (strcmp(first->status, "ignored") == 0 || strcmp(decision->status, "unrouted") == 0 || first->owner)
		return;
	decision->ruled_status = decision->status;
	decision->ruled_code = decision->code;
	decision->status = "duplicate";
	decision->code = "duplicate";
	decision->for_first = true;
	decision->silent = lr_duplicate_says_nothing_new(arrival, decision->at);
	if (mode == ROUTE_TAKE)
		promise(arrival, decision);
}

static void
promise(const Arrival *arrival, const Decision *decision)
{
	FirstResult *result = find_result(arrival->config->flow, decision->duplicate_of, HASH_ENTER);
	MemoryContext oldcontext = MemoryContextSwitchTo(TopTransactionContext);

	nstanding -= result->stands;
#define KEEP(string) ((string) ? pstrdup(string) : NULL)
	result->duplicate = pstrdup(arrival->lead);
	result->status = decision->ruled_status;
	result->code = decision->ruled_code;
	result->rule = KEEP(decision->rule ? decision->rule->rule : NULL);
	result->owner = KEEP(decision->owner);
	result->team = KEEP(decision->team);
	result->territory = KEEP(decision->territory);
	result->queue = KEEP(decision->queue);
	result->reason = psprintf("asked again as lead %s: %s", arrival->lead, lr_route_reason(decision));
	result->at = decision->at;
	result->held_until = decision->held_until;
	result->priority = decision->priority;
	result->subid = GetCurrentSubTransactionId();
	result->has_turn = decision->has_turn;
	result->stands = false;
#undef KEEP
	MemoryContextSwitchTo(oldcontext);
}

static FirstResult *
find_result(const char *flow, const char *lead, HASHACTION action)
{
	FirstResult probe = {.flow = flow, .lead = lead};
	FirstResult *result;
	bool found;

	if (first_results == NULL)
	{
		if (action != HASH_ENTER)
			return NULL;
		first_results = lr_lead_hash_create("leadroute results for earlier leads", 64, sizeof(FirstResult), TopTransactionContext);
	}
	result = hash_search(first_results, &probe, action, &found);
	if (action == HASH_ENTER && !found)
	{
		memset(result, 0, sizeof(FirstResult));
		result->flow = MemoryContextStrdup(TopTransactionContext, flow);
		result->lead = MemoryContextStrdup(TopTransactionContext, lead);
	}
	return result;
}

void
lr_duplicate_first_stands(const char *flow, const char *first)
{
	FirstResult *result = find_result(flow, first, HASH_FIND);

	if (result && !result->stands)
	{
		result->stands = true;
		nstanding++;
	}
}

void
lr_duplicate_first_forget(const char *flow, const char *first, const char *lead)
{
	FirstResult *result = find_result(flow, first, HASH_FIND);

	if (result && strcmp(result->duplicate, lead) == 0)
	{
		nstanding -= result->stands;
		(void) find_result(flow, first, HASH_REMOVE);
	}
}

bool
lr_duplicate_firsts_wait(void)
{
	return nstanding > 0 || lr_merges_wait() || lr_first_clocks_are_many();
}

/* Those of outer subtransactions wait until that is current again: a rollback of this one would undo them. */
void
lr_duplicate_write_firsts(void)
{
	SubTransactionId subid = GetCurrentSubTransactionId();
	List *ready = NIL;
	HASH_SEQ_STATUS status;
	FirstResult *result;
	ListCell *cell;
	bool outside;

	if (!lr_duplicate_firsts_wait() && !lr_first_clocks_wait())
		return;
	/* at commit no statement is under way that would have one */
	outside = !ActiveSnapshotSet();
	if (outside)
		PushActiveSnapshot(GetTransactionSnapshot());
	if (lr_merges_wait())
	{
		lr_pending_flush();
		lr_merge_write();
	}
	if (first_results)
		hash_seq_init(&status, first_results);
	while (first_results && (result = hash_seq_search(&status)) != NULL)
	{
		FirstResult *copy;

		if (!result->stands || result->subid != subid)
			continue;
		copy = palloc(sizeof(FirstResult));
		*copy = *result;
		ready = lappend(ready, copy);
		nstanding--;
		(void) hash_search(first_results, result, HASH_REMOVE, NULL);
	}
	foreach(cell, ready)
		write_first(lfirst(cell));
	/* places that the losers of a race keep are in the ledger */
	if (ready)
		lr_journal_flush();
	/* by then the first ones have the owners that duplicates got them */
	lr_first_clocks_write();
	if (outside)
		PopActiveSnapshot();
}

void
lr_duplicate_before_commit(void)
{
	OwnerSession session;

	/* the deferred triggers have fired; what a row's UPDATE would queue for them now would never be */
	if (!lr_duplicate_firsts_wait() || !lr_installed())
		return;
	lr_owner_begin(&session);
	if (SPI_execute("SET CONSTRAINTS ALL IMMEDIATE", false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not set constraints immediate");
	lr_owner_end(&session);
}

/* State and event, then the row; where somebody gave it to another meanwhile, the duplicate keeps its place itself. */
static void
write_first(const FirstResult *result)
{
	Oid types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TEXTOID, TIMESTAMPTZOID, FLOAT8OID};
	const char *const texts[] = {result->flow, result->lead, result->status, result->code, result->owner, result->team,
								 result->territory, result->queue, result->rule, result->reason, NULL, result->duplicate};
	Datum values[lengthof(types)];
	char nulls[lengthof(types) + 1];
	OwnerSession session;
	bool written;

	/* '' stands for NULL among texts */
	memset(nulls, ' ', lengthof(types));
	nulls[lengthof(types)] = '\0';
	for (int i = 0; i < (int) lengthof(texts); i++)
		values[i] = CStringGetTextDatum(texts[i] ? texts[i] : "");
	values[10] = TimestampTzGetDatum(result->at);
	values[12] = TimestampTzGetDatum(result->held_until);
	if (result->held_until == 0)
		nulls[12] = 'n';
	values[13] = Float8GetDatum(result->priority);

	lr_owner_begin(&session);
	lr_owner_execute_nulls("WITH old AS (SELECT s.lead, s.team, " LR_HOLDER " AS holder FROM leadroute.lead_states s WHERE s.flow = $1 AND s.lead = $2"
						   "   AND s.closed_at IS NULL AND s.owner IS NULL AND s.status <> ALL ('{ignored,merged,duplicate}') FOR UPDATE),"
						   " changed AS (UPDATE leadroute.lead_states s SET status = $3, code = $4, owner = nullif($5, ''), team = nullif($6, ''),"
						   "   territory = nullif($7, ''), queue = nullif($8, ''), rule = nullif($9, ''), route_reason = $10, routed_at = $11,"
						   "   assigned_at = coalesce(s.assigned_at, CASE WHEN $5 <> '' THEN $11 END), held_until = $13,"
						   "   return_at = CASE WHEN $3 = 'nurture' THEN s.return_at END,"
						   "   archive_at = CASE WHEN $3 = 'nurture' THEN (SELECT $11 + f.archive_after FROM leadroute.flows f WHERE f.flow = $1) END,"
						   "   priority = CASE WHEN $3 = 'waiting' THEN $14 END,"
						   "   queue_order = CASE WHEN $3 = 'waiting' THEN coalesce(s.queue_order, leadroute.journal_id()) END"
						   "   FROM old WHERE s.flow = $1 AND s.lead = old.lead RETURNING s.*)"
						   " SELECT coalesce(old.team, ''), old.holder, 1 FROM old, changed",
						   lengthof(types), types, values, nulls, SPI_OK_SELECT);
	written = SPI_processed > 0;
	/* it waits for nobody any more */
	lr_state_free_places(result->flow);
	lr_owner_end(&session);
	if (written)
	{
		/* before the event, whose message says until when */
		lr_clocks_owner(result->flow, result->lead, result->at);
		lr_owner_begin(&session);
		lr_owner_execute_nulls("INSERT INTO leadroute.events (flow, lead, at, kind, code, rule, owner, team, territory, queue, reason)"
							   " SELECT s.flow, s.lead, $11, 'asked_again', s.code, s.rule, s.owner, s.team, s.territory, s.queue, $10 FROM leadroute.lead_states s WHERE s.flow = $1 AND s.lead = $2",
							   lengthof(types), types, values, nulls, SPI_OK_INSERT);
		lr_owner_end(&session);
		lr_stored_outputs(result->flow, result->lead);
	}
	/* others that came before it, or it itself where the first has got an owner meanwhile */
	if (result->owner || !written)
		lr_linked_follow(result->flow, result->lead, result->at);
	if (!written && result->has_turn)
		keep_place(result, types, values, lengthof(texts));
}

/* The duplicate's own, and it is no mere duplicate then; one that only waited, and has the first one's owner now, waits no more. */
static void
keep_place(const FirstResult *result, Oid *types, Datum *values, int n)
{
	OwnerSession session;

	lr_owner_begin(&session);
	lr_owner_execute("UPDATE leadroute.lead_states s SET status = $3, code = $4 WHERE s.flow = $1 AND s.lead = $12 AND s.status = 'duplicate'"
					 " AND s.owner IS NOT DISTINCT FROM nullif($5, '')"
					 " AND concat($2, $6, $7, $8, $9, $10, $11) IS NOT NULL",
					 n, types, values, SPI_OK_UPDATE);
	if (SPI_processed == 0 && result->owner == NULL && result->team)
		lr_rotation_free_place(lr_rotation_slot(result->flow, result->team, WAITING_MEMBER), 1);
	lr_owner_end(&session);
}

void
lr_duplicate_refuse(const Arrival *arrival)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("lead \"%s\" is a duplicate of lead \"%s\"", arrival->lead, arrival->first.lead),
			 errdetail("Key (%s)=(%s) is held by that one; flow \"%s\" refuses duplicates.", arrival->first.match,
					   arrival->first.key, arrival->config->flow),
			 errhint("Update lead \"%s\", or let duplicates in with flows.duplicate_policy = 'link' or 'merge'.", arrival->first.lead)));
}

void
lr_duplicate_follow(Arrival *arrival, TupleTableSlot *old, const char *old_lead, TupleTableSlot *new)
{
	MatchKey *were;
	MatchKey *are;
	int nwere = lr_match_row(arrival->shape, arrival->config, old, &were);
	int nare = lr_match_row(arrival->shape, arrival->config, new, &are);

	if (strcmp(old_lead, arrival->lead) != 0 || !lr_match_equal(were, nwere, are, nare))
		change_keys(arrival, old_lead, were, nwere, are, nare);
}

void
lr_duplicate_take_back(Arrival *arrival)
{
	const MatchKey *were = NULL;
	MatchKey *are;
	int nwere = lr_effect_find_keys(arrival->config->flow, arrival->lead, &were);
	int nare = lr_match_row(arrival->shape, arrival->config, arrival->slot, &are);

	if (nwere < 0 || !lr_match_equal(were, nwere, are, nare))
		change_keys(arrival, arrival->lead, were, Max(nwere, 0), are, nare);
}

void
lr_duplicate_release_later(const Arrival *arrival, TupleTableSlot *slot)
{
	MatchKey *keys;
	int n;

	if (arrival->config->nmatch_rules == 0)
		return;
	n = lr_match_row(arrival->shape, arrival->config, slot, &keys);
	lr_effect_keys(arrival->config->flow, arrival->lead, keys, n);
}

/* An UPDATE never fails for it, and where another holds the new key the two stay two: people may say that they are one. */
static void
change_keys(Arrival *arrival, const char *old_lead, const MatchKey *were, int nwere, const MatchKey *are, int nare)
{
	const char *flow = arrival->config->flow;
	IdentityTable *table = lr_identity_open();

	for (int i = 0; i < nwere; i++)
	{
		bool stays = lr_match_contains(are, nare, &were[i]);

		if (!stays || strcmp(old_lead, arrival->lead) != 0)
			lr_identity_give(table, flow, were[i].kind, were[i].key, old_lead, stays ? arrival->lead : NULL);
	}
	for (int i = 0; i < nare; i++)
	{
		FirstLead first;
		Claim claim;
		char *holder;
		bool unseen;

		if (lr_match_contains(were, nwere, &are[i]))
			continue;
		while (!lr_identity_claim(table, flow, are[i].kind, are[i].key, arrival->lead, &claim, &holder, &unseen) &&
			   strcmp(holder, arrival->lead) != 0)
		{
			if (judge(arrival, holder, &first))
			{
				suggest(arrival, first.lead, &are[i]);
				break;
			}
			if (!lr_identity_drop_now() && lr_identity_take(table, &claim, arrival->lead))
				break;
		}
	}
	lr_identity_close(table);
	CommandCounterIncrement();
}

static void
suggest(const Arrival *arrival, const char *other, const MatchKey *key)
{
	Oid types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID};
	Datum values[] = {CStringGetTextDatum(arrival->config->flow), CStringGetTextDatum(arrival->lead), CStringGetTextDatum(other),
					  CStringGetTextDatum(key->kind), TimestampTzGetDatum(lr_now())};
	OwnerSession session;

	lr_pending_flush();
	lr_owner_begin(&session);
	lr_owner_execute("WITH told AS (INSERT INTO leadroute.events (flow, lead, at, kind, code, reason)"
					 " SELECT $1, $2, $5, 'key_taken', 'duplicate', format('its row has the same %s as lead %s now', $4, $3)"
					 " WHERE NOT EXISTS (SELECT FROM leadroute.lead_states s WHERE s.flow = $1 AND"
					 "   (s.lead, s.duplicate_of) IN (VALUES ($2, $3), ($3, $2))) RETURNING 1)"
					 " INSERT INTO leadroute.duplicate_candidates (flow, lead, other, score, evidence, found_at, scored_at)"
					 " SELECT $1, least($2 COLLATE \"C\", $3), greatest($2 COLLATE \"C\", $3), 1,"
					 "   jsonb_build_object(leadroute.rule_label($1, $4), '{\"likeness\": \"exact\"}'::jsonb), $5, $5"
					 " FROM told ON CONFLICT DO NOTHING",
					 lengthof(types), types, values, SPI_OK_INSERT);
	lr_owner_end(&session);
}

void
lr_duplicate_abort(SubTransactionId subid)
{
	HASH_SEQ_STATUS status;
	FirstResult *result;

	lr_merge_abort(subid);
	lr_first_clocks_abort(subid);
	if (first_results == NULL)
		return;
	hash_seq_init(&status, first_results);
	while ((result = hash_seq_search(&status)) != NULL)
		if (result->subid == subid)
		{
			nstanding -= result->stands;
			(void) hash_search(first_results, result, HASH_REMOVE, NULL);
		}
}

void
lr_duplicate_reparent(SubTransactionId subid, SubTransactionId parent)
{
	HASH_SEQ_STATUS status;
	FirstResult *result;

	lr_merge_reparent(subid, parent);
	lr_first_clocks_reparent(subid, parent);
	if (first_results == NULL)
		return;
	hash_seq_init(&status, first_results);
	while ((result = hash_seq_search(&status)) != NULL)
		if (result->subid == subid)
			result->subid = parent;
}

void
lr_duplicate_end(void)
{
	first_results = NULL;
	nstanding = 0;
	lr_merge_end();
	lr_first_clocks_end();
}
