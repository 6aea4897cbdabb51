/*
 * arrival.c
 *		A row on its way into a leads table.
 *
 * Order: is the lead known (waiting in memory, or with a state)? Where no unique index of the table guards the key, claim
 * it, and where another has it look again. Claim the keys that say who it is (duplicate.c). Then decide. What may fail for reasons of leadroute's own
 * (configuration, conditions, a full shared memory) is protected: a lead is never lost for it.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "arrival.h"
#include "catalog/pg_class.h"
#include "consent.h"
#include "identity.h"
#include "leadroute.h"
#include "merge.h"
#include "miscadmin.h"
#include "protect.h"
#include "qualify.h"
#include "reason.h"
#include "rescore.h"
#include "route_clocks.h"
#include "signals.h"
#include "traits.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "watch.h"

typedef struct Preparation
{
	Arrival *arrival;
	const char *flow;
} Preparation;

typedef struct Deciding
{
	Arrival *arrival;
	HeapTuple tuple;
	LeadRow row;
	Decision decision;
	const char *code; /* of a decision that needs no rule, or NULL */
	HeapTuple result;
} Deciding;

static void prepare(void *arg);
static void complain(Arrival *arrival, int sqlerrcode, const char *what, const char *hint);
static void let_states_come(void);
static void drop_if_not_inserted(Arrival *arrival);
static HeapTuple arrive_as_new(Arrival *arrival, HeapTuple tuple, bool replaces);
static bool claim_own_key(Arrival *arrival);
static HeapTuple give_back_known(Arrival *arrival, HeapTuple tuple, const LeadState *state);
static HeapTuple give_back_state(Arrival *arrival, HeapTuple tuple, const LeadState *state);
static void remember_last(Arrival *arrival, const char *owner);
static const char *judge(Arrival *arrival, const char *operation);
static void qualify(const Arrival *arrival, LeadRow *row, Decision *decision);
static void nurture(Arrival *arrival, LeadRow *row, const Decision *decision);
static void append_stage(Arrival *arrival, StageChange *change);
static bool keeps_stages(const Arrival *arrival);
static void fill(void *arg);

bool
lr_arrival_start(Arrival *arrival, Relation rel, TupleTableSlot *slot, const char *flow, Statement *statement)
{
	Preparation preparation = {arrival, flow};

	memset(arrival, 0, sizeof(Arrival));
	arrival->rel = rel;
	arrival->slot = slot;
	arrival->statement = statement;

	arrival->attachment = lr_config_cached(flow);
	if (arrival->attachment)
		arrival->shape = lr_lead_shape_cached(RelationGetRelid(rel), arrival->attachment);
	/* a flow column may name a flow that has not been read yet */
	if (arrival->shape == NULL || arrival->shape->flow_column.attno != 0)
		arrival->error = lr_protect(prepare, &preparation);
	else
		arrival->config = arrival->attachment;
	if (arrival->error)
	{
		if (arrival->attachment && arrival->attachment->fails)
			ReThrowError(arrival->error);
		complain(arrival, arrival->error->sqlerrcode, arrival->error->message, NULL);
		return false;
	}

	arrival->lead = lr_lead_text(&arrival->shape->key, slot);
	if (arrival->lead == NULL)
	{
		complain(arrival, ERRCODE_NOT_NULL_VIOLATION, psprintf("column \"%s\", the lead's key, is null", arrival->attachment->attachment->key_column),
				 "Each is decided when an UPDATE gives it a key.");
		return false;
	}
	if (strlen(arrival->lead) > LEAD_KEY_MAX)
	{
		const char *problem = psprintf("column \"%s\", the lead's key, is longer than %d bytes",
									   arrival->attachment->attachment->key_column, LEAD_KEY_MAX);

		if (arrival->attachment->fails)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("leadroute cannot route rows of \"%s\": %s", RelationGetRelationName(rel), problem)));
		complain(arrival, ERRCODE_PROGRAM_LIMIT_EXCEEDED, problem, "Each is decided when an UPDATE gives it a shorter key.");
		return false;
	}
	arrival->given = lr_lead_word(&arrival->shape->outputs[OUTPUT_OWNER], slot);
	arrival->given_stage = lr_stage_given(arrival->shape, arrival->config, slot);
	lr_profile_begin(&arrival->profile, arrival->shape, arrival->config, slot);
	return true;
}

static void
prepare(void *arg)
{
	Preparation *preparation = arg;
	Arrival *arrival = preparation->arrival;

	arrival->attachment = lr_config(preparation->flow);
	if (arrival->attachment->attachment && arrival->attachment->attachment->broken)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the attachment of flow \"%s\" is broken: %s", preparation->flow,
						arrival->attachment->attachment->problem)));
	arrival->shape = lr_lead_shape(arrival->rel, arrival->attachment);
	arrival->config = lr_arrival_flow(arrival, arrival->slot, &arrival->unknown_flow);
}

FlowConfig *
lr_arrival_flow(Arrival *arrival, TupleTableSlot *slot, bool *unknown)
{
	FlowConfig *config;
	char *flow;

	*unknown = false;
	if (arrival->shape->flow_column.attno == 0)
		return arrival->attachment;
	flow = lr_lead_word(&arrival->shape->flow_column, slot);
	if (flow && lr_config_exists(flow))
	{
		config = lr_config(flow);
		/* a flow with a leads table of its own is no other table's: its owner answers for its leads */
		if (config->exists && (config->attachment == NULL || strcmp(flow, arrival->attachment->flow) == 0))
			return config;
	}
	*unknown = true;
	return arrival->attachment;
}

/* Once a statement: the row goes in, unrecorded; catch_up finds it. */
static void
complain(Arrival *arrival, int sqlerrcode, const char *what, const char *hint)
{
	bool *warned = lr_statement_warned(arrival->statement);

	if (*warned)
		return;
	*warned = true;
	ereport(WARNING,
			(errcode(sqlerrcode),
			 errmsg("leadroute cannot route rows of \"%s\": %s", RelationGetRelationName(arrival->rel), what),
			 errdetail("They are stored unrouted."),
			 errhint("%s", hint ? hint : "See SELECT * FROM leadroute.health; then CALL leadroute.catch_up().")));
}

HeapTuple
lr_arrive(Arrival *arrival, HeapTuple tuple)
{
	const char *flow = arrival->config->flow;
	Pending *pending;
	LeadState state;
	Rekey *rekey;

	/* a row that an UPDATE moves into this partition, under another key: its lead is the one it was */
	rekey = lr_rekeys_arriving(lr_statement_rekeys(arrival->statement), flow, arrival->lead, RelationGetRelid(arrival->rel));
	if (rekey)
	{
		rekey->arrives = true;
		return tuple;
	}
	if (lr_restoring())
		let_states_come();
	lr_effects_rename_now();
	drop_if_not_inserted(arrival);
	pending = lr_pending_find(flow, arrival->lead);
	if (pending)
		return lr_arrival_keep_pending(arrival, tuple, pending);
	if (lr_state_find(flow, arrival->lead, &state))
	{
		lr_score_known(&arrival->memo, &state);
		if (arrival->config->nstages > 0)
			lr_arrival_follow_stage(arrival, &state, "INSERT");
		/* it came marked as deleted, or closed, and no longer is: to be decided as new */
		if (lr_arrival_revives(arrival, &state, "INSERT"))
		{
			(void) lr_duplicate_identify(arrival, false);
			tuple = lr_arrival_decide(arrival, tuple, "INSERT", true);
			pending = lr_pending_find(flow, arrival->lead);
			if (pending)
				pending->for_insert = true;
			return tuple;
		}
		/* its values are the earlier lead's, for as long as that is there */
		if (strcmp(state.status, "merged") == 0)
		{
			if (!arrival->updates && lr_duplicate_is_there(arrival, state.duplicate_of))
				return NULL;
			return arrive_as_new(arrival, tuple, true);
		}
		return give_back_state(arrival, tuple, &state);
	}

	return arrive_as_new(arrival, tuple, false);
}

static HeapTuple
arrive_as_new(Arrival *arrival, HeapTuple tuple, bool replaces)
{
	const char *flow = arrival->config->flow;
	LeadState state;
	const char *code;
	bool closed;

	if (!arrival->shape->guarded && !claim_own_key(arrival) && !replaces && lr_state_find(flow, arrival->lead, &state))
		return give_back_known(arrival, tuple, &state);
	if (arrival->config->nstages > 0)
		lr_arrival_begin_stage(arrival, "INSERT");
	code = judge(arrival, "INSERT");
	/* one that is closed already is somebody too, but nothing is done about it */
	closed = code && strcmp(code, CODE_ARRIVED_CLOSED) == 0;
	if ((code == NULL || closed || CODE_WAITS_FOR_ROW(code)) && !lr_duplicate_identify(arrival, !replaces) && lr_state_find(flow, arrival->lead, &state))
		return give_back_known(arrival, tuple, &state);
	if (arrival->first.lead && !closed && !arrival->first.returns && !arrival->updates)
	{
		if (arrival->config->duplicate_policy == DUPLICATE_REFUSE)
			lr_duplicate_refuse(arrival);
		if (arrival->config->duplicate_policy == DUPLICATE_MERGE)
		{
			if (replaces)
				lr_state_remove(flow, arrival->lead);
			lr_arrival_link_score(arrival);
			lr_merge_absorb(arrival, tuple);
			return NULL;
		}
	}
	return lr_arrival_decide(arrival, tuple, "INSERT", replaces);
}

/* Where no unique index of the table guards the lead's key. False where another row of it has been faster. */
static bool
claim_own_key(Arrival *arrival)
{
	IdentityTable *table = lr_identity_open();
	Claim claim;
	char *holder;
	bool unseen;
	bool claimed = lr_identity_claim(table, arrival->config->flow, "key", arrival->lead, arrival->lead, &claim, &holder, &unseen);

	lr_identity_close(table);
	if (claimed)
		lr_arrival_keep_claim(arrival, &claim);
	return claimed;
}

void
lr_arrival_keep_claim(Arrival *arrival, const Claim *claim)
{
	if (arrival->claims == NULL)
		arrival->claims = palloc((arrival->config->nmatch_rules + 1) * sizeof(Claim));
	arrival->claims[arrival->nclaims++] = *claim;
}

/*
 * The jobs of a parallel restore bring leads, states and identities at once: each would wait for the others' keys, and fail.
 * So leads come in a transaction before or after the states, whose triggers (32_restored_state.sql) share this lock.
 */
static void
let_states_come(void)
{
	DirectFunctionCall2(pg_advisory_xact_lock_int4, Int32GetDatum(RelationRelationId),
						Int32GetDatum(lr_relation_oid("lead_states")));
}

/*
 * The statement's row before this one met ON CONFLICT, or a BEFORE trigger kept it out: its turn goes back now, so
 * that this row's rep is the one who would have got it. At the statement's end every second row of an upsert would
 * have passed the same members over.
 */
static void
drop_if_not_inserted(Arrival *arrival)
{
	Pending *newest = lr_statement_newest(arrival->statement);
	const LastInsert *last = lr_statement_last(arrival->statement);

	if (newest && newest->has_turn && arrival->shape->may_refuse && OidIsValid(arrival->shape->key_index) &&
		last->relid == RelationGetRelid(arrival->rel) && !lr_lead_stands(arrival->rel, arrival->shape, last->key))
		lr_pending_drop(newest);
}

/* A second row of one key before the first is written: they are one lead. */
HeapTuple
lr_arrival_keep_pending(Arrival *arrival, HeapTuple tuple, Pending *pending)
{
	LeadOutputs outputs = {0};

	if (pending->kind != PENDING_DECISION || strcmp(pending->outcome->status, "unrouted") == 0)
	{
		remember_last(arrival, NULL);
		return tuple;
	}
	outputs.owner = pending->outcome->owner;
	outputs.team = pending->outcome->team;
	outputs.territory = pending->outcome->territory;
	outputs.routed_at = pending->at;
	outputs.has_routed_at = true;
	outputs.route_reason = lr_pending_reason(pending);
	outputs.account = pending->more->account;
	outputs.duplicate_of = pending->more->link ? pending->more->link->first : NULL;
	outputs.stage = pending->more->stage;
	if (pending->more->score)
		lr_arrival_show_score(&outputs, pending->more->score);
	outputs.has_sla = pending->more->has_sla;
	outputs.sla_due_at = lr_clocks_due(pending->more->clocks, pending->more->nclocks);
	remember_last(arrival, outputs.owner);
	return lr_lead_fill(arrival->shape, tuple, &outputs, ALL_OUTPUTS);
}

/* One that another session has just made known. */
static HeapTuple
give_back_known(Arrival *arrival, HeapTuple tuple, const LeadState *state)
{
	if (arrival->config->nstages > 0)
		lr_arrival_follow_stage(arrival, state, "INSERT");
	return give_back_state(arrival, tuple, state);
}

static HeapTuple
give_back_state(Arrival *arrival, HeapTuple tuple, const LeadState *state)
{
	LeadOutputs outputs;
	const char *owner = NULL;
	TimestampTz now = lr_now();

	/* what leadroute has not decided is the user's own */
	if (lr_state_is_ignored(state) || lr_state_is_unrouted(state))
	{
		remember_last(arrival, NULL);
		return lr_arrival_keep_stages(arrival, tuple, now);
	}
	if (lr_state_is_gone(state) && !lr_effect_is_back(arrival->config->flow, arrival->lead))
		lr_duplicate_take_back(arrival);
	if (lr_arrival_is_hand(arrival, state, arrival->given) &&
		lr_pending_add_hand_over(arrival->statement, arrival->config->flow, arrival->lead, arrival->given, now))
		owner = arrival->given;
	tuple = lr_arrival_keep_stages(arrival, tuple, now);
	lr_arrival_outputs(arrival, state, owner, now, &outputs);
	(void) lr_arrival_rescore(arrival, state, "INSERT", lr_statement_warned(arrival->statement), &outputs);
	/* a hand's value that an upsert shows to its UPDATE is still the hand's */
	remember_last(arrival, owner ? NULL : outputs.owner);
	return lr_lead_fill(arrival->shape, tuple, &outputs, ALL_OUTPUTS);
}

HeapTuple
lr_arrival_keep_stages(Arrival *arrival, HeapTuple tuple, TimestampTz at)
{
	const LeadOutputs outputs = {.stage = arrival->stage};

	if (arrival->stages)
		lr_pending_add_stages(arrival->statement, arrival->config->flow, arrival->lead, arrival->stages, arrival->given_stage, at);
	return arrival->stage ? lr_lead_fill(arrival->shape, tuple, &outputs, 1 << OUTPUT_STAGE) : tuple;
}

static void
remember_last(Arrival *arrival, const char *owner)
{
	bool isnull;
	AttrNumber attno = arrival->shape->key.attno;
	Form_pg_attribute attribute = TupleDescAttr(arrival->shape->desc, attno - 1);

	lr_statement_set_last(arrival->statement, RelationGetRelid(arrival->rel), arrival->lead, owner,
						  slot_getattr(arrival->slot, attno, &isnull), attribute->attbyval, attribute->attlen);
	if (arrival->config->nstages > 0)
		lr_statement_set_last_stage(arrival->statement, arrival->given_stage ? NULL : arrival->stage);
}

bool
lr_arrival_is_hand(const Arrival *arrival, const LeadState *state, const char *owner)
{
	if (owner == NULL || (state->owner && strcmp(owner, state->owner) == 0))
		return false;
	if (arrival->config->crm_is_master)
		return true;
	return !(state->source_owner && strcmp(owner, state->source_owner) == 0);
}

void
lr_arrival_outputs(const Arrival *arrival, const LeadState *state, const char *owner, TimestampTz at,
				   LeadOutputs *outputs)
{
	memset(outputs, 0, sizeof(LeadOutputs));
	outputs->owner = state->owner;
	outputs->team = state->team;
	outputs->territory = state->territory;
	outputs->routed_at = state->routed_at;
	outputs->has_routed_at = state->has_routed_at;
	outputs->route_reason = state->reason;
	outputs->account = state->account;
	outputs->duplicate_of = state->duplicate_of;
	outputs->stage = arrival->stage ? arrival->stage : state->stage;
	/* a flow without a model leaves the columns to the user */
	outputs->has_score = state->has_score && arrival->config->scoring && arrival->config->scoring->model;
	outputs->score = state->score;
	outputs->fit = state->fit;
	outputs->engagement = state->engagement;
	outputs->grade = state->grade;
	outputs->has_sla = arrival->config->has_clocks;
	outputs->sla_due_at = state->sla_due_at;
	if (owner)
	{
		TeamConfig *team = state->team ? lr_config_team(arrival->config, state->team) : NULL;
		bool member = false;

		for (int i = 0; team && i < team->nmembers; i++)
			member |= strcmp(team->member_names[i], owner) == 0;
		outputs->owner = owner;
		outputs->team = member ? state->team : NULL;
		outputs->routed_at = at;
		outputs->has_routed_at = true;
		outputs->route_reason = psprintf("by hand: %s gave the lead to %s",
										 GetUserNameFromId(GetSessionUserId(), false), owner);
	}
}

HeapTuple
lr_arrival_decide(Arrival *arrival, HeapTuple tuple, const char *operation, bool replaces)
{
	Deciding deciding = {
		.arrival = arrival,
		.tuple = tuple,
		.result = tuple,
		.row = lr_arrival_row(arrival, arrival->slot, operation),
		.code = judge(arrival, operation),
	};
	Decision *decision = &deciding.decision;
	ErrorData *error = NULL;
	Pending *pending;

	lr_arrival_link_score(arrival);
	lr_traits_judge(&deciding.row, arrival->config, lr_statement_warned(arrival->statement));
	/* planning allocates and reads; deciding protects itself */
	if (deciding.code)
	{
		lr_route_unrouted(arrival->config, &deciding.row, deciding.code, decision);
		if (strcmp(deciding.code, CODE_ARRIVED_CLOSED) == 0)
			decision->closing = &arrival->closing;
		decision->duplicate_of = arrival->first.lead;
		decision->match = arrival->first.match;
	}
	else if (!lr_duplicate_decide(arrival, &deciding.row, ROUTE_TAKE, decision))
	{
		lr_arrival_route(arrival, &deciding.row, lr_statement_warned(arrival->statement), decision);
		lr_duplicate_mark(arrival, ROUTE_TAKE, decision);
	}
	if (deciding.code == NULL || CODE_WAITS_FOR_ROW(deciding.code))
		decision->score = lr_arrival_score(arrival, &deciding.row, lr_statement_warned(arrival->statement));
	lr_arrival_give_stage(arrival, &deciding.row, decision);
	lr_arrival_clocks(arrival, &deciding.row, lr_statement_warned(arrival->statement), decision);
	if (strcmp(decision->status, "unrouted") != 0 || arrival->stage || decision->score)
	{
		if (arrival->shape->fills_plainly)
			fill(&deciding);
		else
			error = lr_protect(fill, &deciding);
	}
	if (error)
	{
		/* an output column refuses the value: the lead goes in as it came */
		if (arrival->config->fails)
			ReThrowError(error);
		if (decision->has_turn)
			lr_rotation_give_back(&decision->turn);
		if (decision->for_first)
			lr_duplicate_first_forget(arrival->config->flow, decision->duplicate_of, arrival->lead);
		lr_route_unrouted(arrival->config, &deciding.row, "routing_error", decision);
		decision->duplicate_of = arrival->first.lead;
		decision->match = arrival->first.match;
		lr_arrival_give_stage(arrival, &deciding.row, decision);
		arrival->error = error;
		complain(arrival, error->sqlerrcode, error->message, NULL);
	}

	pending = lr_pending_add(arrival->statement, arrival->lead, decision, arrival->given);
	pending->replaces = replaces;
	lr_pending_set_claims(pending, RelationGetRelid(arrival->rel), arrival->claims, arrival->nclaims);
	/* what the source gave is no decision of ours: in EXCLUDED it is the source's still */
	remember_last(arrival, decision->owner && arrival->given && strcmp(decision->owner, arrival->given) == 0 ? NULL : decision->owner);
	return deciding.result;
}

void
lr_arrival_give_stage(Arrival *arrival, LeadRow *row, Decision *decision)
{
	bool told = true; /* what fails has been told when the lead was decided */

	decision->consent = lr_consent(row, arrival->config, &told);
	/* a duplicate's is the first one's */
	if (strcmp(decision->status, "duplicate") == 0)
		return;
	if (arrival->config->scoring && decision->closing == NULL)
		qualify(arrival, row, decision);
	if (arrival->stage == NULL)
		return;
	if (strcmp(decision->status, "nurture") == 0)
		nurture(arrival, row, decision);
	decision->stages = arrival->stages;
	decision->stage = arrival->stage;
	decision->stage_at = arrival->stages ? 0 : arrival->stage_at;
	decision->source_stage = arrival->given_stage;
}

/* Whether it is an MQL; one that was stays it. */
static void
qualify(const Arrival *arrival, LeadRow *row, Decision *decision)
{
	bool told = true; /* what fails has been told when the lead was decided */

	decision->mql_at = arrival->memo.mql_at;
	decision->qualified_at = arrival->memo.qualified ? arrival->memo.qualified_at : 0;
	if (arrival->memo.qualified)
		return;
	decision->qualified_by = lr_qualified_by(row, arrival->config, &told);
	if (decision->qualified_by == NULL)
		decision->borderline = lr_is_borderline(row, arrival->config, &told);
}

/* What a rule nurtures is in that stage, where the flow has it and it is legal. */
static void
nurture(Arrival *arrival, LeadRow *row, const Decision *decision)
{
	row->stage = arrival->stage;
	append_stage(arrival, lr_stage_move(row, arrival->config, lr_stage_of(arrival->config, "nurture"), "nurtured", lr_route_reason(decision), NULL));
}

void
lr_arrival_restart_stage(Arrival *arrival, LeadRow *row, const char *why)
{
	row->stage = arrival->stage;
	append_stage(arrival, lr_stage_restart(row, arrival->config, why));
}

static void
append_stage(Arrival *arrival, StageChange *change)
{
	StageChange *last = unconstify(StageChange *, arrival->stages);

	if (change == NULL)
		return;
	while (last && last->next)
		last = last->next;
	if (last)
		last->next = change;
	else
		arrival->stages = change;
	arrival->stage = change->to;
}

void
lr_arrival_link_score(Arrival *arrival)
{
	if (arrival->config->scoring == NULL || arrival->first.lead == NULL || arrival->first.returns)
		return;
	/* a duplicate's signals are its first one's: those that came before it too, and itself */
	if (!arrival->memo.is_duplicate &&
		(arrival->config->scoring->duplicates != SIGNAL_UNKNOWN || lr_signals_exist(arrival->config->flow, arrival->lead)))
		lr_rescore_want(arrival->config->flow, arrival->first.lead);
	arrival->memo.is_duplicate = true;
	arrival->memo.done = false;
}

const LeadScore *
lr_arrival_score(const Arrival *arrival, const LeadRow *row, bool *warned)
{
	const LeadScore *score = lr_score(row, arrival->config, warned);

	if (score->scoring && score->scoring->ntypes > 0)
		lr_rescore_arrived(arrival->config, arrival->lead);
	return score->scoring && score->scoring->model ? score : NULL;
}

bool
lr_arrival_rescore(const Arrival *arrival, const LeadState *state, const char *operation, bool *warned, LeadOutputs *outputs)
{
	const ScoringConfig *scoring = arrival->config->scoring;
	const LeadScore *score;
	LeadRow row;

	if (scoring == NULL || scoring->model == NULL)
		return false;
	row = lr_arrival_row(arrival, arrival->slot, operation);
	score = lr_score(&row, arrival->config, warned);
	lr_arrival_show_score(outputs, score);
	return !state->has_score || state->score != score->score || state->fit != score->fit || state->engagement != score->engagement ||
		   (state->grade == NULL) != (score->grade == NULL) || (state->grade && strcmp(state->grade, score->grade) != 0);
}

void
lr_arrival_show_score(LeadOutputs *outputs, const LeadScore *score)
{
	outputs->has_score = true;
	outputs->score = score->score;
	outputs->fit = score->fit;
	outputs->engagement = score->engagement;
	outputs->grade = score->grade;
}

/* lr_arrival_reason, asked once for the row of an arrival. */
static const char *
judge(Arrival *arrival, const char *operation)
{
	if (!arrival->judged)
	{
		LeadRow row = lr_arrival_row(arrival, arrival->slot, operation);

		arrival->code = lr_arrival_reason(arrival, &row, lr_statement_warned(arrival->statement), &arrival->closing);
		arrival->judged = true;
	}
	return arrival->code;
}

LeadRow
lr_arrival_row(const Arrival *arrival, TupleTableSlot *slot, const char *operation)
{
	LeadRow row = {
		.shape = arrival->shape,
		.slot = slot,
		.profile = slot == arrival->slot ? unconstify(LeadProfile *, &arrival->profile) : NULL,
		.lead = arrival->lead,
		.operation = operation,
		.given_owner = arrival->given,
		.given_account = lr_lead_word(&arrival->shape->outputs[OUTPUT_ACCOUNT], slot),
		.at = lr_now(),
		.unknown_flow = arrival->unknown_flow,
		.first = arrival->first.lead,
		.stage = arrival->stage,
		.memo = slot == arrival->slot ? unconstify(ScoreMemo *, &arrival->memo) : NULL,
	};

	return row;
}

void
lr_arrival_begin_stage(Arrival *arrival, const char *operation)
{
	LeadRow row;

	if (arrival->stage || !keeps_stages(arrival))
		return;
	row = lr_arrival_row(arrival, arrival->slot, operation);
	arrival->stages = lr_stage_begin(&row, arrival->config, arrival->given_stage, lr_statement_warned(arrival->statement));
	arrival->stage = row.stage;
}

/* A lead that is only recorded, or whose state comes from a dump, has none yet. */
static bool
keeps_stages(const Arrival *arrival)
{
	return arrival->config->nstages > 0 && arrival->config->active && lr_enabled && !lr_restoring();
}

void
lr_arrival_follow_stage(Arrival *arrival, const LeadState *state, const char *operation)
{
	const char *wanted = arrival->given_stage;
	LeadRow row;

	/* those of another's lead, or of one that leadroute leaves alone, are the source's */
	if (!keeps_stages(arrival) || lr_state_is_ignored(state) || strcmp(state->status, "duplicate") == 0 || strcmp(state->status, "merged") == 0)
		return;
	arrival->stage = state->stage;
	arrival->stage_at = state->stage_at;
	if (wanted && state->stage &&
		(strcmp(wanted, state->stage) == 0 || (state->source_stage && strcmp(wanted, state->source_stage) == 0)))
		wanted = NULL;
	row = lr_arrival_row(arrival, arrival->slot, operation);
	arrival->stages = lr_stage_change(&row, arrival->config, wanted, GetUserNameFromId(GetSessionUserId(), false),
									  lr_statement_warned(arrival->statement));
	arrival->stage = row.stage;
}

bool
lr_arrival_revives(Arrival *arrival, const LeadState *state, const char *operation)
{
	if (!lr_state_is_unrouted(state))
		return false;
	if (strcmp(state->code, "deleted") == 0)
		return !lr_lead_is_deleted(arrival->shape, arrival->slot);
	if (strcmp(state->code, CODE_ARRIVED_CLOSED) != 0 && !CODE_WAITS_FOR_ROW(state->code))
		return false;
	return judge(arrival, operation) == NULL;
}

const char *
lr_arrival_reason(const Arrival *arrival, const LeadRow *row, bool *warned, Closing *closing)
{
	Watch *watch;
	Verdict verdict;
	bool by_stage;

	if (lr_lead_is_deleted(arrival->shape, row->slot))
		return "deleted";
	/* its state comes from the dump too, or has none: catch_up */
	if (lr_restoring())
		return "pending";
	if (!arrival->config->exists || !arrival->config->active)
		return "flow_off";
	if (!lr_enabled)
		return "disabled";
	if (!lr_rotation_available())
	{
		if (arrival->config->fails)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("leadroute must be loaded via shared_preload_libraries to route leads")));
		if (!*warned)
			ereport(WARNING,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("leadroute must be loaded via shared_preload_libraries to route leads"),
					 errdetail("The leads of this statement are stored unrouted."),
					 errhint("Add leadroute to shared_preload_libraries, restart, then CALL leadroute.catch_up().")));
		*warned = true;
		return "no_library";
	}
	watch = lr_watch(arrival->shape, arrival->config);
	verdict = lr_watch_verdict(watch, row, warned);
	by_stage = verdict == VERDICT_OPEN && row->stage;
	if (by_stage)
		verdict = lr_stage_verdict(arrival->config, row->stage);
	if (verdict != VERDICT_OPEN)
	{
		lr_closing_read(arrival->shape, row->slot, verdict, row->at, closing);
		closing->by_stage = by_stage;
		return CODE_ARRIVED_CLOSED;
	}
	if (!lr_consent_given(row, arrival->config, warned))
		return CODE_NO_CONSENT;
	if (!lr_watch_ready(watch, row, warned))
		return CODE_NOT_READY;
	return NULL;
}

void
lr_arrival_route(const Arrival *arrival, LeadRow *row, bool *warned, Decision *decision)
{
	lr_traits_judge(row, arrival->config, warned);
	lr_route_decide(lr_route_plan(arrival->shape, arrival->rel, arrival->config), row, ROUTE_TAKE, warned, NULL, decision);
	if (arrival->config->priority && strcmp(decision->status, "waiting") == 0)
		decision->priority = lr_watch_priority(lr_watch(arrival->shape, arrival->config), row, warned);
}

void
lr_arrival_clocks(const Arrival *arrival, const LeadRow *row, bool *warned, Decision *decision)
{
	if (arrival->config->npolicies > 0)
		lr_route_clocks(lr_route_plan(arrival->shape, arrival->rel, arrival->config), row, ROUTE_TAKE, warned, NULL, decision);
}

static void
fill(void *arg)
{
	Deciding *deciding = arg;
	const Decision *decision = &deciding->decision;
	LeadOutputs outputs = {
		.owner = decision->owner,
		.team = decision->team,
		.territory = decision->territory,
		.routed_at = decision->at,
		.has_routed_at = true,
		.account = decision->account,
		.duplicate_of = decision->duplicate_of,
		.stage = deciding->arrival->stage,
		.has_sla = decision->has_sla,
		.sla_due_at = lr_clocks_due(decision->clocks, decision->nclocks),
	};
	/* what is not ready has a score, and no owner to show */
	bool routed = strcmp(decision->status, "unrouted") != 0;

	if (decision->score)
		lr_arrival_show_score(&outputs, decision->score);
	if (routed && deciding->arrival->shape->outputs[OUTPUT_ROUTE_REASON].attno != 0)
		outputs.route_reason = lr_route_reason(decision);
	deciding->result = lr_lead_fill(deciding->arrival->shape, deciding->tuple, &outputs, routed ? ALL_OUTPUTS : SCORE_OUTPUTS | 1 << OUTPUT_STAGE);
}
