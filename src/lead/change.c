/*
 * change.c
 *		Rows of a leads table that change, stand, or go.
 *
 * A full-row sync sends the source's owner, or NULL, or blank scores with every UPDATE; that changes nothing. Only a third
 * value of the owner is a hand's. What an upsert's UPDATE gets through EXCLUDED is the decision that leadroute made for
 * the row that was not inserted, and no hand's either.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "change.h"
#include "clock_change.h"
#include "consent.h"
#include "duplicate.h"
#include "fmgr.h"
#include "leadroute.h"
#include "move.h"
#include "pick.h"
#include "qualify.h"
#include "reads.h"
#include "reason.h"
#include "rescore.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "waiting.h"
#include "watch.h"

PG_FUNCTION_INFO_V1(lr_update_matters);

/*
 * What update_matters() answers: what the BEFORE trigger that fired last found, for its own query. What a trigger, a constraint or a generated column
 * of the row does in between may fire others; nobody else's answer is taken for the row's.
 */
static MemoryContext matters_query = NULL;
static bool matters_last = false;

static FlowConfig *row_config(const LeadShape *shape, FlowConfig *attachment, TupleTableSlot *slot);
static bool changed_hands(const LeadShape *shape, TupleTableSlot *old, TupleTableSlot *new, HeapTuple newtuple, HeapTuple result);
static HeapTuple change(Arrival *arrival, Relation rel, HeapTuple newtuple, TupleTableSlot *old, TupleTableSlot *new, const char *flow);
static bool says_otherwise(const Arrival *arrival, TupleTableSlot *old, TupleTableSlot *new, bool *warned, Closing *closing);
static bool decides_again(Arrival *arrival, TupleTableSlot *old, const LeadState *state);
static void consent_changes(Arrival *arrival, const LeadState *state);
static bool may_be_given(Arrival *arrival);
static const char *qualifies(Arrival *arrival, const LeadState *state);
static HeapTuple redecide(Arrival *arrival, HeapTuple tuple, const LeadState *state, const char *by, bool *changed);
static bool goes_back(Arrival *arrival, const LeadState *state, LeadRow *row, Decision *decision);
static bool is_own(const Arrival *arrival);
static bool differs(const LeadColumn *column, const LeadShape *shape, TupleTableSlot *old, TupleTableSlot *new);
static bool changed_identity(const LeadShape *shape, TupleTableSlot *old, TupleTableSlot *new);
static int changed_outputs(const LeadShape *shape, const FlowConfig *config, TupleTableSlot *old, TupleTableSlot *new);
static HeapTuple keep_score(Arrival *arrival, HeapTuple tuple, const LeadState *state);
static HeapTuple keep_outputs(Arrival *arrival, HeapTuple newtuple, const LeadState *state, bool scored);
static bool came_from_excluded(Arrival *arrival);
static void follow_replacement(Arrival *arrival, TupleTableSlot *deleted);
static bool find_lead(Arrival *arrival, Relation rel, TupleTableSlot *slot, const char *flow);
static Pending *find_rekeyed(const Rekey *rekey);
static void told(const Arrival *arrival, TupleTableSlot *slot);
static bool *warned_after(void);
static void tell(const Arrival *arrival, const Closing *closing);
static bool stage_speaks(const Arrival *arrival, const Pending *pending, TupleTableSlot *slot, Closing *closing);
static void late_hand_over(Arrival *arrival, const char *lead, TupleTableSlot *slot);
static void left(const Arrival *arrival, TupleTableSlot *slot);
static bool is_exact(const Arrival *arrival);
static bool stands(const Arrival *arrival, TupleTableSlot *slot);
static void set(const Arrival *arrival, bool stands, const char *outcome);
static void came(const Arrival *arrival, TupleTableSlot *slot);
static void went(const Arrival *arrival, TupleTableSlot *slot, const char *outcome);
static CommandId row_command(TupleTableSlot *slot);

HeapTuple
lr_change(Relation rel, HeapTuple newtuple, TupleTableSlot *old, TupleTableSlot *new, const Bitmapset *updated,
		  const char *flow)
{
	MemoryContext query = MemoryContextGetParent(CurrentMemoryContext);
	FlowConfig *attachment;
	LeadShape *shape;
	FlowConfig *config;
	Arrival arrival;
	HeapTuple result = newtuple;

	/* the keys that an earlier statement changed, before this one changes them again */
	lr_effects_rename_now();

	attachment = lr_config_cached(flow);
	shape = attachment ? lr_lead_shape_cached(RelationGetRelid(rel), attachment) : NULL;
	config = shape ? row_config(shape, attachment, old) : NULL;
	/* most updates touch nothing of ours: tell so before anything is read */
	if (config && !lr_reads_changed(shape, config, updated, old, new))
		matters_last = shape->updates_after;
	else
	{
		arrival.matters = false;
		result = change(&arrival, rel, newtuple, old, new, flow);
		/* the configuration may have been read anew */
		attachment = lr_config_cached(flow);
		shape = attachment ? lr_lead_shape_cached(RelationGetRelid(rel), attachment) : NULL;
		matters_last = arrival.matters || shape == NULL || shape->updates_after || changed_hands(shape, old, new, newtuple, result);
	}
	matters_query = query;
	return result;
}

/* The flow whose rows a row is one of, where it is known without reading anything; NULL: it is to be looked up. */
static FlowConfig *
row_config(const LeadShape *shape, FlowConfig *attachment, TupleTableSlot *slot)
{
	const char *flow;
	FlowConfig *config;

	if (shape->flow_column.attno == 0)
		return attachment;
	flow = lr_lead_word(&shape->flow_column, slot);
	config = flow ? lr_config_cached(flow) : NULL;
	/* as lr_arrival_flow() has it */
	if (config && config->exists && (config->attachment == NULL || strcmp(flow, attachment->flow) == 0))
		return config;
	return NULL;
}

/* Whether the row that is to be stored has another key, flow or owner than the old one, or is marked as deleted where that was not. */
static bool
changed_hands(const LeadShape *shape, TupleTableSlot *old, TupleTableSlot *new, HeapTuple newtuple, HeapTuple result)
{
	const LeadColumn *const columns[] = {&shape->key, &shape->flow_column, &shape->deleted, &shape->outputs[OUTPUT_OWNER]};

	if (result == NULL)
		return false;
	for (int i = 0; i < (int) lengthof(columns); i++)
	{
		Form_pg_attribute attribute;
		bool old_null;
		bool new_null;
		Datum old_value;
		Datum new_value;

		if (columns[i]->attno == 0)
			continue;
		if (result == newtuple)
		{
			if (differs(columns[i], shape, old, new))
				return true;
			continue;
		}
		attribute = TupleDescAttr(shape->desc, columns[i]->attno - 1);
		old_value = slot_getattr(old, columns[i]->attno, &old_null);
		new_value = heap_getattr(result, columns[i]->attno, shape->desc, &new_null);
		if (old_null != new_null || (!old_null && !datum_image_eq(old_value, new_value, attribute->attbyval, attribute->attlen)))
			return true;
	}
	return false;
}

/* Of a row whose columns that are ours may have changed. */
static HeapTuple
change(Arrival *arrival, Relation rel, HeapTuple newtuple, TupleTableSlot *old, TupleTableSlot *new, const char *flow)
{
	LeadState state;
	LeadShape *shape;
	char *old_lead;
	FlowConfig *old_config;
	bool unknown;
	bool changed;
	bool watched;
	bool redecided;
	bool scored;
	bool consents;
	const char *by;
	Closing closing;

	if (!lr_arrival_start(arrival, rel, new, flow, lr_statement()) || is_own(arrival))
		return newtuple;
	shape = arrival->shape;
	old_config = lr_arrival_flow(arrival, old, &unknown);
	old_lead = lr_lead_text(&shape->key, old);
	if (strcmp(old_config->flow, arrival->config->flow) != 0 || old_lead == NULL || strlen(old_lead) > LEAD_KEY_MAX)
	{
		arrival->updates = true;
		return lr_arrive(arrival, newtuple); /* there it is known, or new */
	}

	/*
	 * The key may change with the rest: the state still stands at the old one. Here and not when the row stands: an AFTER trigger that fires for these columns would keep them from being
	 * dropped, and one that fires for all would cost each UPDATE.
	 */
	if (arrival->config->nmatch_rules > 0 &&
		(changed_identity(shape, old, new) || differs(&shape->key, shape, old, new)))
		lr_duplicate_follow(arrival, old, old_lead, new);
	if (strcmp(old_lead, arrival->lead) != 0)
		lr_rekeys_note(lr_statement_rekeys(arrival->statement), arrival->config->flow, old_lead, arrival->lead, RelationGetRelid(rel),
					   shape->guarded);
	changed = changed_outputs(shape, arrival->config, old, new) != 0 || differs(&shape->deleted, shape, old, new);
	watched = lr_watch_changed(lr_watch(shape, arrival->config), old, new);
	scored = lr_score_changed(shape, arrival->config, old, new);
	if (!changed && !watched && !scored)
		return newtuple;
	if (watched)
		arrival->matters = says_otherwise(arrival, old, new, lr_statement_warned(arrival->statement), &closing) ||
						   lr_watch_clocks_changed(lr_watch(shape, arrival->config), old, new);
	if (lr_pending_find(arrival->config->flow, old_lead))
		lr_pending_flush();
	if (!lr_state_find(arrival->config->flow, old_lead, &state))
	{
		/* decided in an outer subtransaction, by a statement that goes on: written when that is current again */
		Pending *pending = lr_pending_find(arrival->config->flow, old_lead);

		return pending ? lr_arrival_keep_pending(arrival, newtuple, pending) : newtuple;
	}
	if (lr_state_is_ignored(&state))
		return newtuple;
	lr_score_known(&arrival->memo, &state);
	if (arrival->config->nstages > 0)
	{
		/* what leadroute made of a row that an upsert did not insert is nobody's wish */
		if (arrival->given_stage && lr_statement_last_stage(arrival->statement, arrival->given_stage))
			arrival->given_stage = NULL;
		lr_pending_take_stages(arrival->config->flow, arrival->lead, &arrival->given_stage);
		lr_arrival_follow_stage(arrival, &state, "UPDATE");
		if (arrival->stages)
			changed = watched = arrival->matters = true;
	}
	if (lr_state_is_unrouted(&state))
	{
		/* what an upsert's INSERT has decided was for another row */
		Pending *pending = lr_pending_find(arrival->config->flow, arrival->lead);

		if (pending && pending->kind == PENDING_DECISION && !pending->confirmed && pending->statement == arrival->statement)
		{
			if (arrival->given && came_from_excluded(arrival))
				arrival->given = pending->source_owner ? pstrdup(pending->source_owner) : NULL;
			lr_pending_drop(pending);
		}
		else if (pending)
			return lr_arrival_keep_pending(arrival, newtuple, pending);
		if (!lr_arrival_revives(arrival, &state, "UPDATE"))
		{
			arrival->lead = old_lead;
			newtuple = lr_arrival_keep_stages(arrival, newtuple, lr_now());
			if (scored)
				(void) qualifies(arrival, &state);
			return state.has_score && (scored || changed) ? keep_score(arrival, newtuple, &state) : newtuple;
		}
		arrival->matters = true;
		(void) lr_duplicate_identify(arrival, false);
		return lr_arrival_decide(arrival, newtuple, "UPDATE", true);
	}
	arrival->lead = old_lead;
	consents = differs(&shape->consent, shape, old, new);
	by = scored ? qualifies(arrival, &state) : NULL;
	if ((by && strcmp(state.status, "nurture") == 0 && may_be_given(arrival)) || (watched && decides_again(arrival, old, &state)))
	{
		newtuple = redecide(arrival, newtuple, &state, by, &redecided);
		if (redecided)
		{
			if (consents)
				consent_changes(arrival, &state);
			return lr_arrival_keep_stages(arrival, newtuple, lr_now());
		}
		if (by && strcmp(state.status, "nurture") == 0)
			lr_pending_add_qualified(arrival->statement, arrival->config->flow, arrival->lead, by, arrival->qualified_reason, lr_now());
	}
	if (consents)
		consent_changes(arrival, &state);
	return changed || scored ? keep_outputs(arrival, newtuple, &state, scored) : newtuple;
}

/* Of a lead that is not ready: it has a score, and nothing else that leadroute has decided. */
static HeapTuple
keep_score(Arrival *arrival, HeapTuple tuple, const LeadState *state)
{
	LeadOutputs outputs = {0};

	if (lr_arrival_rescore(arrival, state, "UPDATE", lr_statement_warned(arrival->statement), &outputs))
		arrival->matters = true;
	return lr_lead_fill(arrival->shape, tuple, &outputs, SCORE_OUTPUTS);
}

/* Whether an UPDATE of a known lead's row ends its hold, or turns its rule's reroute_when true; a hand's owner in the row goes before. */
static bool
decides_again(Arrival *arrival, TupleTableSlot *old, const LeadState *state)
{
	FlowConfig *config = arrival->config;
	bool *warned = lr_statement_warned(arrival->statement);
	LeadRow was = lr_arrival_row(arrival, old, "UPDATE");
	LeadRow is = lr_arrival_row(arrival, arrival->slot, "UPDATE");
	Watch *watch = lr_watch(arrival->shape, config);
	ScoreMemo before = arrival->memo;
	Closing closing;
	int rule = 0;

	before.done = false;
	was.memo = &before;

	while (rule < config->nrules && !(state->rule && strcmp(config->rules[rule].rule, state->rule) == 0))
		rule++;
	if (rule == config->nrules || state->closed || strcmp(state->code, "by_hand") == 0 ||
		(lr_arrival_is_hand(arrival, state, arrival->given) && !came_from_excluded(arrival)))
		return false;
	if (strcmp(state->code, "held") == 0)
	{
		if (!lr_watch_hold_ends(watch, rule, &is, warned))
			return false;
	}
	else if ((strcmp(state->status, "assigned") != 0 && strcmp(state->status, "waiting") != 0) || state->touched ||
			 lr_watch_reroutes(watch, rule, &was, warned) || !lr_watch_reroutes(watch, rule, &is, warned))
		return false;
	return lr_arrival_reason(arrival, &is, warned, &closing) == NULL;
}

/* What the row says now of the person's consent waits for it to stand. */
static void
consent_changes(Arrival *arrival, const LeadState *state)
{
	LeadRow row = lr_arrival_row(arrival, arrival->slot, "UPDATE");
	Consent consent = lr_consent(&row, arrival->config, lr_statement_warned(arrival->statement));

	if (lr_consent_kept(consent) == (Consent) state->consent)
		return;
	lr_pending_add_consent(arrival->statement, arrival->config->flow, arrival->lead, consent, row.at);
	arrival->matters = true;
}

/* As far as the person's consent goes. */
static bool
may_be_given(Arrival *arrival)
{
	LeadRow row = lr_arrival_row(arrival, arrival->slot, "UPDATE");

	return lr_consent_given(&row, arrival->config, lr_statement_warned(arrival->statement));
}

/* What makes the row's lead an MQL now that it was not; NULL: nothing. That, and whether it is nearly one, waits for the row. */
static const char *
qualifies(Arrival *arrival, const LeadState *state)
{
	FlowConfig *config = arrival->config;
	bool *warned = lr_statement_warned(arrival->statement);
	LeadRow row = lr_arrival_row(arrival, arrival->slot, "UPDATE");
	const char *by;

	if (config->scoring == NULL || state->is_qualified || state->closed || strcmp(state->status, "duplicate") == 0 || strcmp(state->status, "merged") == 0)
		return NULL;
	by = lr_qualified_by(&row, config, warned);
	if (by)
		arrival->qualified_reason = lr_qualify_reason(by, lr_score(&row, config, warned));
	else if (!state->has_review_at && lr_is_borderline(&row, config, warned))
		arrival->qualified_reason = lr_review_reason(lr_score(&row, config, warned));
	else
		return NULL;
	arrival->qualified_by = by;
	arrival->matters = true;
	/* with a decision it goes along, else by itself */
	if (!(by && strcmp(state->status, "nurture") == 0))
		lr_pending_add_qualified(arrival->statement, config->flow, arrival->lead, by, arrival->qualified_reason, row.at);
	return by;
}

/* The rep who had it has it again, if he is still there. */
static bool
goes_back(Arrival *arrival, const LeadState *state, LeadRow *row, Decision *decision)
{
	const RepConfig *rep = state->return_to ? lr_config_rep(arrival->config, state->return_to) : NULL;

	for (int i = 0; i < state->nlapsed; i++)
		if (rep && strcmp(state->lapsed[i], rep->rep) == 0)
			rep = NULL;
	if (rep == NULL || !rep->active || !lr_rotation_available())
		return false;
	lr_route_unrouted(arrival->config, row, "returned", decision);
	decision->status = "assigned";
	decision->owner = rep->rep;
	decision->submitted_at = state->has_submitted_at ? state->submitted_at : row->at;
	decision->over_cap = lr_pick_given(arrival->config, "", rep->rep, row->at, &decision->turn);
	decision->has_turn = true;
	return true;
}

/*
 * The rules decide again, in this statement; *changed is false where they say what they said. A lead that was put away and is qualified now, by
 * `by`, goes back to who had it.
 */
static HeapTuple
redecide(Arrival *arrival, HeapTuple tuple, const LeadState *state, const char *by, bool *changed)
{
	LeadRow row = lr_arrival_row(arrival, arrival->slot, "UPDATE");
	Decision decision;
	LeadOutputs outputs = {0};
	Pending *pending;

	*changed = false;
	row.given_owner = state->source_owner;
	row.again = true;
	row.ntried = state->nlapsed;
	row.tried = (const char *const *) state->lapsed;
	row.first = state->duplicate_of;
	row.qualified = by != NULL;
	if (lr_pending_find(arrival->config->flow, arrival->lead))
		return tuple;
	if (by == NULL || !goes_back(arrival, state, &row, &decision))
		lr_arrival_route(arrival, &row, lr_statement_warned(arrival->statement), &decision);
	if (by)
	{
		decision.returned_by = strcmp(by, "score") == 0 ? "qualified" : by;
		lr_arrival_restart_stage(arrival, &row, arrival->qualified_reason);
	}
	if (strcmp(decision.status, "unrouted") == 0 || lr_decision_is_same(state, &decision))
	{
		if (decision.has_turn)
			lr_rotation_give_back(&decision.turn);
		return tuple;
	}
	outputs.owner = decision.owner;
	outputs.team = decision.team;
	outputs.territory = decision.territory;
	outputs.routed_at = decision.at;
	outputs.has_routed_at = true;
	outputs.route_reason = lr_route_reason(&decision);
	outputs.account = decision.account ? decision.account : state->account;
	outputs.duplicate_of = state->duplicate_of;
	outputs.stage = arrival->stage;
	(void) lr_arrival_rescore(arrival, state, "UPDATE", lr_statement_warned(arrival->statement), &outputs);
	pending = lr_pending_add(arrival->statement, arrival->lead, &decision, state->source_owner);
	pending->kind = PENDING_REDECISION;
	if (by)
		lr_pending_add_qualified(arrival->statement, arrival->config->flow, arrival->lead, by, arrival->qualified_reason, row.at);
	arrival->matters = true;
	*changed = true;
	return lr_lead_fill(arrival->shape, tuple, &outputs, ALL_OUTPUTS);
}

/*
 * update_matters(): the WHEN of the AFTER UPDATE trigger, evaluated after the row's own BEFORE trigger, in the same memory context: whether the AFTER
 * trigger has anything to do. Where another row's trigger fired in between it has to look for itself.
 */
Datum
lr_update_matters(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(matters_last || matters_query != MemoryContextGetParent(CurrentMemoryContext));
}

/* Whether the row says otherwise of its lead, being closed or won, than it did before, and what. */
static bool
says_otherwise(const Arrival *arrival, TupleTableSlot *old, TupleTableSlot *new, bool *warned, Closing *closing)
{
	Watch *watch = lr_watch(arrival->shape, arrival->config);
	LeadRow was = lr_arrival_row(arrival, old, "UPDATE");
	LeadRow is = lr_arrival_row(arrival, new, "UPDATE");
	Closing before;

	lr_closing_read(arrival->shape, old, lr_watch_verdict(watch, &was, warned), was.at, &before);
	lr_closing_read(arrival->shape, new, lr_watch_verdict(watch, &is, warned), is.at, closing);
	return lr_closing_differs(&before, closing);
}

/* leadroute itself writes this row's outputs */
static bool
is_own(const Arrival *arrival)
{
	return lr_own_lead && strcmp(lr_own_lead, arrival->lead) == 0;
}

static bool
differs(const LeadColumn *column, const LeadShape *shape, TupleTableSlot *old, TupleTableSlot *new)
{
	return column->attno != 0 && lr_lead_differs(shape, column->attno, old, new);
}

/* Whether a column that match rules may compare has changed. */
static bool
changed_identity(const LeadShape *shape, TupleTableSlot *old, TupleTableSlot *new)
{
	for (int i = 0; i < LEAD_INPUTS; i++)
		if (differs(&shape->inputs[i], shape, old, new))
			return true;
	return false;
}

/* A bit for each output column that the statement changes; the stage is the user's own in a flow without stages. */
static int
changed_outputs(const LeadShape *shape, const FlowConfig *config, TupleTableSlot *old, TupleTableSlot *new)
{
	bool scores = config->scoring && config->scoring->model;
	int changed = 0;

	/* a flow without a model leaves the score's columns to the user */
	for (int i = 0; i < LEAD_OUTPUTS; i++)
		if ((i != OUTPUT_STAGE || config->nstages > 0) && (scores || (SCORE_OUTPUTS & (1 << i)) == 0) && differs(&shape->outputs[i], shape, old, new))
			changed |= 1 << i;
	return changed;
}

static HeapTuple
keep_outputs(Arrival *arrival, HeapTuple newtuple, const LeadState *state, bool scored)
{
	LeadOutputs outputs;
	const char *owner = NULL;
	TimestampTz now = lr_now();

	if (lr_arrival_is_hand(arrival, state, arrival->given) && !came_from_excluded(arrival) &&
		lr_pending_add_hand_over(arrival->statement, arrival->config->flow, arrival->lead, arrival->given, now))
		owner = arrival->given;
	newtuple = lr_arrival_keep_stages(arrival, newtuple, now);
	lr_arrival_outputs(arrival, state, owner, now, &outputs);
	if (scored && lr_arrival_rescore(arrival, state, "UPDATE", lr_statement_warned(arrival->statement), &outputs))
		arrival->matters = true;
	return lr_lead_fill(arrival->shape, newtuple, &outputs, ALL_OUTPUTS);
}

/*
 * Is the new owner what leadroute itself put into the row that the statement tried to insert just before? Either the
 * conflict was on the key, or the row that was to be inserted is not there.
 */
static bool
came_from_excluded(Arrival *arrival)
{
	const LastInsert *last = lr_statement_last(arrival->statement);

	if (last == NULL || last->owner == NULL || strcmp(last->owner, arrival->given) != 0)
		return false;
	/* an upsert's UPDATE is of the very partition that its row was meant for */
	if (last->relid != RelationGetRelid(arrival->rel))
		return false;
	if (strcmp(last->lead, arrival->lead) == 0)
		return true;
	/* where no index tells, at least an upsert needs a unique one */
	if (!OidIsValid(arrival->shape->key_index))
		return arrival->shape->may_refuse;
	return !lr_lead_stands(arrival->rel, arrival->shape, last->key);
}

/* The same as lr_arrival_start for an AFTER trigger, which has nothing to say where it fails. */
static bool
find_lead(Arrival *arrival, Relation rel, TupleTableSlot *slot, const char *flow)
{
	bool unknown;

	memset(arrival, 0, sizeof(Arrival));
	arrival->rel = rel;
	arrival->slot = slot;
	arrival->attachment = lr_config(flow);
	if (arrival->attachment->attachment == NULL || arrival->attachment->attachment->broken)
		return false;
	arrival->shape = lr_lead_shape(rel, arrival->attachment);
	arrival->config = lr_arrival_flow(arrival, slot, &unknown);
	arrival->lead = lr_lead_text(&arrival->shape->key, slot);
	return arrival->lead != NULL && strlen(arrival->lead) <= LEAD_KEY_MAX;
}

void
lr_row_inserted(Relation rel, TupleTableSlot *slot, const char *flow)
{
	Arrival arrival;
	Pending *pending;
	Rekey *rekey;
	bool decided;
	bool speaks;
	Closing by_stage;

	if (!find_lead(&arrival, rel, slot, flow))
		return;
	rekey = lr_rekey_find(arrival.config->flow, NULL, arrival.lead);
	if (rekey && rekey->arrives)
	{
		pending = find_rekeyed(rekey);
		if (pending)
			lr_pending_confirm(pending, arrival.shape, slot);
		lr_pending_flush();
		lr_rekey_tell(rekey);
		if (arrival.config->nmatch_rules > 0)
		{
			lr_effects_rename_now();
			lr_duplicate_take_back(&arrival);
		}
		came(&arrival, slot);
		return;
	}
	pending = lr_pending_find(arrival.config->flow, arrival.lead);
	/* of one that came marked as deleted before, this transaction may have noted so */
	decided = pending && pending->kind == PENDING_DECISION && !pending->replaces;
	speaks = stage_speaks(&arrival, pending, slot, &by_stage);
	if (pending)
		lr_pending_confirm(pending, arrival.shape, slot);
	if (speaks)
		tell(&arrival, &by_stage);
	/* a user's trigger for this very row, which fires next, may look the lead up */
	if (pending && arrival.shape->watched)
		lr_pending_flush();
	/* after the statement's rows: an earlier lead's row may be updated now */
	if (lr_duplicate_firsts_wait())
	{
		lr_pending_flush();
		lr_duplicate_write_firsts();
	}
	lr_drain_ask();
	if (decided && arrival.config->npolicies > 0 && arrival.shape->first_touch.attno != 0 &&
		!slot_attisnull(slot, arrival.shape->first_touch.attno))
		lr_clocks_row(&arrival, NULL, slot, warned_after());
	if (decided)
		return;
	lr_rescore_row(&arrival, slot, "INSERT", warned_after());
	/* a known lead: it may have been gone */
	if (lr_effect_is_gone(arrival.config->flow, arrival.lead))
		lr_duplicate_take_back(&arrival);
	came(&arrival, slot);
	told(&arrival, slot);
	if (arrival.config->npolicies > 0)
		lr_clocks_row(&arrival, NULL, slot, warned_after());
}

/* A row of a known lead that was inserted may say otherwise of it than is known. */
static void
told(const Arrival *arrival, TupleTableSlot *slot)
{
	Watch *watch = lr_watch(arrival->shape, arrival->config);
	LeadRow row = lr_arrival_row(arrival, slot, "INSERT");
	const Closing *last;
	Closing known = {.at = DT_NOBEGIN};
	Closing closing;
	LeadState state;

	if (watch == NULL)
		return;
	lr_closing_read(arrival->shape, slot, lr_watch_verdict(watch, &row, warned_after()), row.at, &closing);
	last = lr_effect_last_said(arrival->config->flow, arrival->lead);
	if (last == NULL)
	{
		if (!lr_state_find(arrival->config->flow, arrival->lead, &state))
			return;
		if (state.closed_by && strcmp(state.closed_by, "won_when") == 0)
			known.verdict = VERDICT_WON;
		else if (state.closed_by && strcmp(state.closed_by, "closed_when") == 0)
			known.verdict = VERDICT_CLOSED;
		known.value = state.value;
		/* where the row tells no time, the one that was noted stands for it */
		known.at = closing.at == DT_NOBEGIN ? DT_NOBEGIN : state.closed_at;
		last = &known;
	}
	/* what its stage said in this transaction stands where the conditions say nothing */
	if (last->by_stage && closing.verdict == VERDICT_OPEN)
		return;
	if (lr_closing_differs(last, &closing))
		lr_effect_said(arrival->config->flow, arrival->lead, &closing);
}

/* One WARNING for each of the client's statements: AFTER triggers know no other. */
static bool *
warned_after(void)
{
	static bool warned = false;
	static TimestampTz statement = 0;

	if (statement != GetCurrentStatementStartTimestamp())
		warned = false;
	statement = GetCurrentStatementStartTimestamp();
	return &warned;
}

/* The new owner that a hand gave a lead, in the UPDATE that changes its key; or NULL. */
static Pending *
find_rekeyed(const Rekey *rekey)
{
	/* its state bears the new key as soon as that is told */
	if (rekey->told)
		lr_effects_rename_now();
	return lr_pending_find(rekey->flow, rekey->told ? rekey->to : rekey->from);
}

/*
 * A foreign key's ON UPDATE runs its BEFORE triggers in a statement of its own, and its AFTER triggers only when that one
 * is over and has forgotten what waited.
 */
static void
late_hand_over(Arrival *arrival, const char *lead, TupleTableSlot *slot)
{
	const LeadColumn *routed_at = &arrival->shape->outputs[OUTPUT_ROUTED_AT];
	TimestampTz at = lr_now();
	LeadState state;

	/* the time that the BEFORE trigger wrote */
	if (routed_at->attno != 0 && routed_at->type == TIMESTAMPTZOID)
	{
		bool isnull;
		Datum value = slot_getattr(slot, routed_at->attno, &isnull);

		if (!isnull)
			at = DatumGetTimestampTz(value);
	}
	arrival->given = lr_lead_word(&arrival->shape->outputs[OUTPUT_OWNER], slot);
	lr_pending_flush();
	if (lr_state_find(arrival->config->flow, lead, &state) && !lr_state_is_ignored(&state) && !lr_state_is_unrouted(&state) &&
		lr_arrival_is_hand(arrival, &state, arrival->given))
		lr_state_hand_over(arrival->config->flow, lead, arrival->given, at);
}

void
lr_row_updated(Relation rel, TupleTableSlot *old, TupleTableSlot *new, const char *flow)
{
	Arrival was;
	Arrival is;
	Pending *pending;
	Rekey *rekey = NULL;
	bool nameless; /* the row had no key before */
	bool moved;	   /* by name: a configuration may have been read anew in between */
	bool renamed;
	bool gone;
	bool decided;
	bool warned = true;
	bool speaks;
	Closing by_stage;
	Closing closing;

	nameless = !find_lead(&was, rel, old, flow);
	if (!find_lead(&is, rel, new, flow))
	{
		/* its key was taken away: nobody finds its row any more */
		if (!nameless && !is_own(&was))
			went(&was, old, "deleted");
		return;
	}
	if (is_own(&is))
		return;

	pending = lr_pending_find(is.config->flow, is.lead);
	moved = nameless || strcmp(was.config->flow, is.config->flow) != 0;
	renamed = !moved && strcmp(was.lead, is.lead) != 0;
	if (renamed)
		rekey = lr_rekey_find(is.config->flow, was.lead, is.lead);
	if (rekey && (pending == NULL || pending->kind == PENDING_HAND_OVER))
		pending = find_rekeyed(rekey);
	/* an upsert's row was decided and did not come in, and the one that stands stays as it is */
	if (pending && pending->for_insert && !pending->confirmed)
	{
		lr_pending_drop(pending);
		pending = NULL;
	}
	decided = pending && pending->kind == PENDING_DECISION && !pending->replaces;
	speaks = stage_speaks(&is, pending, new, &by_stage);
	if (pending)
		lr_pending_confirm(pending, is.shape, new);

	if (moved)
	{
		if (!nameless)
			went(&was, old, "moved");
		if (pending == NULL || pending->kind != PENDING_DECISION)
		{
			came(&is, new);
			told(&is, new);
		}
		return;
	}
	if (pending == NULL && differs(&is.shape->outputs[OUTPUT_OWNER], is.shape, old, new))
		late_hand_over(&is, was.lead, new);
	if (renamed)
	{
		lr_pending_flush();
		if (rekey)
			lr_rekey_tell(rekey);
		else
			lr_effect_rename(is.config->flow, was.lead, is.lead, row_command(new), is.shape->guarded);
		left(&was, old);
	}
	gone = lr_lead_is_deleted(is.shape, new);
	if (gone != lr_lead_is_deleted(was.shape, old) && !decided)
	{
		if (gone)
			lr_drain_want(is.config->flow);
		if (is_exact(&is))
			set(&is, !gone, gone ? "deleted" : NULL);
		else
			lr_effect_mark(is.config->flow, is.lead, gone);
	}
	else if (renamed && is_exact(&is) && !gone)
		set(&is, true, NULL);
	if (!decided && lr_score_changed(is.shape, is.config, old, new))
		lr_rescore_row(&is, new, "UPDATE", &warned);
	if (speaks)
		tell(&is, &by_stage);
	/* the BEFORE trigger has warned of what failed; what a condition says goes before what the stage says, unless it says nothing */
	if (lr_watch_changed(lr_watch(is.shape, is.config), old, new) && says_otherwise(&is, old, new, &warned, &closing) &&
		!(speaks && closing.verdict == VERDICT_OPEN))
	{
		tell(&is, &closing);
	}
	if (!decided && !moved && lr_watch_clocks_changed(lr_watch(is.shape, is.config), old, new))
		lr_clocks_row(&is, old, new, warned_after());
	lr_drain_ask();
}

static void
tell(const Arrival *arrival, const Closing *closing)
{
	lr_effect_said(arrival->config->flow, arrival->lead, closing);
	if (closing->verdict != VERDICT_OPEN)
		lr_drain_want(arrival->config->flow);
}

/* Whether a stage that waits for this row closes its lead, or opens it; a new one's decision says so itself. */
static bool
stage_speaks(const Arrival *arrival, const Pending *pending, TupleTableSlot *slot, Closing *closing)
{
	if (pending == NULL || pending->kind == PENDING_DECISION || pending->more->stages == NULL)
		return false;
	return lr_stage_says(arrival->config, pending->more->stages, arrival->shape, slot, lr_now(), closing);
}

void
lr_row_deleted(Relation rel, TupleTableSlot *slot, const char *flow)
{
	Arrival arrival;
	Rekey *rekey;

	if (!find_lead(&arrival, rel, slot, flow))
		return;
	rekey = lr_rekey_find(arrival.config->flow, arrival.lead, NULL);
	if (rekey && rekey->arrives)
	{
		left(&arrival, slot);
		return;
	}
	if (lr_pending_find(arrival.config->flow, arrival.lead))
		return;
	/* another row of the key stands: the one that a statement put in this one's place, or a second of a table without a unique key */
	if (!stands(&arrival, slot))
		went(&arrival, slot, "deleted");
	else if (arrival.config->nmatch_rules > 0)
		follow_replacement(&arrival, slot);
	lr_drain_ask();
}

/* The row that a statement put in a deleted one's place may say otherwise who it is. */
static void
follow_replacement(Arrival *arrival, TupleTableSlot *deleted)
{
	TupleTableSlot *standing = table_slot_create(arrival->rel, NULL);
	bool isnull;

	if (lr_lead_fetch(arrival->rel, arrival->shape, slot_getattr(deleted, arrival->shape->key.attno, &isnull), standing))
		lr_duplicate_follow(arrival, deleted, arrival->lead, standing);
	ExecDropSingleTupleTableSlot(standing);
}

/* The lead of a row goes on under another key: its own is a second row's, or nobody's. */
static void
left(const Arrival *arrival, TupleTableSlot *slot)
{
	if (!is_exact(arrival))
		return;
	if (stands(arrival, slot))
		set(arrival, true, NULL);
	else
		lr_effect_forget(arrival->config->flow, arrival->lead);
}

/* Whether this table's (partition's) index tells what stands: elsewhere rows are counted. */
static bool
is_exact(const Arrival *arrival)
{
	return OidIsValid(arrival->shape->key_index);
}

static bool
stands(const Arrival *arrival, TupleTableSlot *slot)
{
	bool isnull;

	return lr_lead_stands(arrival->rel, arrival->shape, slot_getattr(slot, arrival->shape->key.attno, &isnull));
}

static void
set(const Arrival *arrival, bool stands, const char *outcome)
{
	/* where no index of all partitions guards the key, another may bear it too */
	bool partial = arrival->rel->rd_rel->relispartition && !arrival->shape->guarded;

	lr_effect_set(arrival->config->flow, arrival->lead, stands, partial ? RelationGetRelid(arrival->rel) : InvalidOid,
				  outcome);
}

static void
came(const Arrival *arrival, TupleTableSlot *slot)
{
	bool deleted = lr_lead_is_deleted(arrival->shape, slot);

	/* what became of it stands in its state; where the attachment came after the row, its BEFORE trigger has not waited for that */
	if (deleted && lr_restoring())
		return;
	if (is_exact(arrival))
		set(arrival, !deleted, deleted ? "deleted" : NULL);
	else if (deleted)
		lr_effect_mark(arrival->config->flow, arrival->lead, true);
	else
		lr_effect_add(arrival->config->flow, arrival->lead, 1, NULL);
}

static void
went(const Arrival *arrival, TupleTableSlot *slot, const char *outcome)
{
	lr_drain_want(arrival->config->flow);
	lr_duplicate_release_later(arrival, slot);
	if (is_exact(arrival))
		set(arrival, false, outcome);
	/* a row that was marked as deleted has taken its lead along already: one that comes back counts as new */
	else if (lr_lead_is_deleted(arrival->shape, slot))
		lr_effect_mark(arrival->config->flow, arrival->lead, true);
	else
		lr_effect_add(arrival->config->flow, arrival->lead, -1, outcome);
}

/* The command that wrote a row of this transaction. */
static CommandId
row_command(TupleTableSlot *slot)
{
	bool isnull;

	return DatumGetCommandId(slot_getsysattr(slot, MinCommandIdAttributeNumber, &isnull));
}
