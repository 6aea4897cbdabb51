/*
 * reassign.c
 *		reassign(), claim(), release() and reroute(): a lead that goes to somebody else by somebody's hand; and the sweep's lapse().
 *
 * All compare the owner that the caller's statement saw with the one that the lead has when its row is locked: who comes
 * second does not undo what he has not seen. To whom a lead goes by itself the rules say, less those who let it lapse.
 */
#include "postgres.h"

#include "fmgr.h"
#include "hand.h"
#include "leadroute.h"
#include "lifecycle.h"
#include "move.h"
#include "pick.h"
#include "utils/builtins.h"
#include "watch.h"

PG_FUNCTION_INFO_V1(lr_sql_reassign);
PG_FUNCTION_INFO_V1(lr_sql_claim);
PG_FUNCTION_INFO_V1(lr_sql_release);
PG_FUNCTION_INFO_V1(lr_sql_reroute);
PG_FUNCTION_INFO_V1(lr_sql_lapse);
PG_FUNCTION_INFO_V1(lr_sql_try_lead);

static void check_rep(const HandledLead *hand, const char *rep);
static void put_into_queue(HandledLead *hand, const char *queue, const char *why);
static void write_row(HandledLead *hand, const Move *move);

/* reassign(lead text, rep text, reason text, flow text) RETURNS boolean: whether it had another owner */
Datum
lr_sql_reassign(PG_FUNCTION_ARGS)
{
	HandledLead hand;
	char *rep;
	char *why;
	bool changed;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(3))
		PG_RETURN_NULL();
	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the rep must not be null"),
				 errhint("release() gives the lead to somebody else, reroute() asks the rules again.")));
	rep = text_to_cstring(PG_GETARG_TEXT_PP(1));
	why = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	lr_hand_open(&hand, text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(3)), LockWaitBlock);
	lr_hand_expect_seen(&hand);
	changed = !(hand.state.owner && strcmp(hand.state.status, "assigned") == 0 && strcmp(hand.state.owner, rep) == 0);
	if (changed)
	{
		check_rep(&hand, rep);
		lr_hand_give(&hand, rep, "reassigned", "by_hand",
					 psprintf("%s gave the lead to %s%s%s", hand.actor, rep, why ? ": " : "", why ? why : ""));
	}
	lr_hand_close(&hand);
	PG_RETURN_BOOL(changed);
}

/* claim(lead text, rep text, flow text) RETURNS boolean: whether it is his */
Datum
lr_sql_claim(PG_FUNCTION_ARGS)
{
	char *rep = text_to_cstring(PG_GETARG_TEXT_PP(1));
	HandledLead hand;
	bool his;
	bool waits;

	if (!lr_hand_open(&hand, text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(2)), LockWaitSkip))
		PG_RETURN_BOOL(false); /* somebody is about to have it */
	waits = strcmp(hand.state.status, "waiting") == 0;
	his = hand.state.owner && strcmp(hand.state.status, "assigned") == 0 && strcmp(hand.state.owner, rep) == 0;
	if (!his && hand.state.owner == NULL && !waits)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("lead \"%s\" does not wait to be claimed", hand.arrival.lead),
				 errdetail("Its status is %s, with code %s.", hand.state.status, hand.state.code),
				 errhint("leadroute.reassign() gives it to somebody all the same.")));
	if (waits && !his)
	{
		lr_hand_expect_open(&hand);
		check_rep(&hand, rep);
		lr_hand_give(&hand, rep, "claimed", "claimed", psprintf("%s took the lead from the queue", rep));
		his = true;
	}
	lr_hand_close(&hand);
	PG_RETURN_BOOL(his);
}

/* release(lead text, reason text, flow text) RETURNS text: who has it now */
Datum
lr_sql_release(PG_FUNCTION_ARGS)
{
	HandledLead hand;
	const char *owner;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	lr_hand_open(&hand, text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(2)), LockWaitBlock);
	lr_hand_expect_seen(&hand);
	lr_hand_expect_open(&hand);
	if (hand.state.owner == NULL || strcmp(hand.state.status, "assigned") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("lead \"%s\" has no owner who could release it", hand.arrival.lead),
				 errdetail("Its status is %s, with code %s.", hand.state.status, hand.state.code)));
	owner = lr_hand_decide_again(&hand, "released", hand.state.owner,
								 psprintf("%s gave it back%s%s", hand.state.owner, PG_ARGISNULL(1) ? "" : ": ",
										  PG_ARGISNULL(1) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(1))));
	lr_hand_close(&hand);
	if (owner == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(owner));
}

/* reroute(lead text, flow text) RETURNS text: who has it now */
Datum
lr_sql_reroute(PG_FUNCTION_ARGS)
{
	HandledLead hand;
	const char *owner;

	lr_hand_open(&hand, text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)), LockWaitBlock);
	lr_hand_expect_seen(&hand);
	lr_hand_expect_open(&hand);
	owner = lr_hand_decide_again(&hand, "rerouted", NULL, NULL);
	lr_hand_close(&hand);
	if (owner == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(owner));
}

/*
 * lapse(flow text, lead text, requeue boolean, queue text, reason text) RETURNS text: a deadline has passed and takes the lead from
 * its owner, to whomever the rules say (also where it belongs to no team and no queue is named) or into a queue. busy: somebody holds the row, nothing was done; none: it has no owner, or is
 * closed; not_ready: it stays where it is, for route_when wants nobody to have it; assigned or waiting: what it is now. Waits for nobody.
 */
Datum
lr_sql_lapse(PG_FUNCTION_ARGS)
{
	HandledLead hand;
	const char *queue = PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3));
	const char *result = "none";
	char *why;

	for (int i = 0; i < 5; i++)
		if (PG_ARGISNULL(i) && i != 3)
			PG_RETURN_NULL();
	why = text_to_cstring(PG_GETARG_TEXT_PP(4));
	if (!lr_hand_open(&hand, text_to_cstring(PG_GETARG_TEXT_PP(1)), text_to_cstring(PG_GETARG_TEXT_PP(0)), LockWaitSkip))
		PG_RETURN_TEXT_P(cstring_to_text("busy"));
	hand.actor = NULL;
	hand.stays = NULL;
	if (!hand.state.closed && hand.state.owner && strcmp(hand.state.status, "assigned") == 0)
	{
		if (PG_GETARG_BOOL(2) && (queue || hand.state.team))
		{
			put_into_queue(&hand, queue, why);
			result = "waiting";
		}
		else
			result = lr_hand_decide_again(&hand, "lapsed", hand.state.owner, why) ? "assigned" : "waiting";
		if (hand.stays)
			result = hand.stays;
	}
	lr_hand_close(&hand);
	PG_RETURN_TEXT_P(cstring_to_text(result));
}

/* try_lead(flow text, lead text) RETURNS boolean: locks the row, unless somebody else holds it */
Datum
lr_sql_try_lead(PG_FUNCTION_ARGS)
{
	HandledLead hand;

	if (!lr_hand_open(&hand, text_to_cstring(PG_GETARG_TEXT_PP(1)), text_to_cstring(PG_GETARG_TEXT_PP(0)), LockWaitSkip))
		PG_RETURN_BOOL(false);
	lr_hand_close(&hand);
	PG_RETURN_BOOL(true);
}

/* The lead is this rep's from now on, who need not be of its team. */
void
lr_hand_give(HandledLead *hand, const char *rep, const char *kind, const char *code, const char *reason)
{
	TeamConfig *team = hand->state.team ? lr_config_team(hand->arrival.config, hand->state.team) : NULL;
	bool member = false;
	Move move = {
		.kind = kind,
		.actor = hand->actor,
		.status = "assigned",
		.code = code,
		.owner = rep,
		.keeps_rule = true,
		.territory = hand->state.territory,
		.reason = reason,
		.at = hand->at,
	};

	for (int i = 0; team && i < team->nmembers; i++)
		member |= strcmp(team->member_names[i], rep) == 0;
	move.team = member ? hand->state.team : NULL;
	/* a hand may go beyond his limits, and says so */
	if (!hand->state.closed && lr_rotation_available())
	{
		move.over_cap = lr_pick_given(hand->arrival.config, member ? team->team : "", rep, hand->at, &move.turn);
		move.has_turn = true;
	}
	lr_move(hand->arrival.config->flow, hand->arrival.lead, &move);
	write_row(hand, &move);
}

static void
check_rep(const HandledLead *hand, const char *rep)
{
	const RepConfig *config = lr_config_rep(hand->arrival.config, rep);

	if (config == NULL || !config->active)
		ereport(ERROR,
				(errcode(config ? ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE : ERRCODE_UNDEFINED_OBJECT),
				 config ? errmsg("rep \"%s\" is not active", rep) : errmsg("rep \"%s\" does not exist", rep),
				 errhint("leadroute.reps of flow \"%s\" lists them.", hand->arrival.config->flow)));
	if (!lr_lifecycle_consents(unconstify(HandledLead *, hand)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("lead \"%s\" cannot be given to anybody without its consent", hand->arrival.lead),
				 hand->arrival.config->require_consent ? errdetail("Flow \"%s\" demands it.", hand->arrival.config->flow)
													   : errdetail("A signal has taken the lead out of all outreach."),
				 hand->arrival.config->require_consent ? errhint("Set its consent column, or require_consent of the flow to false.")
													   : errhint("effect in leadroute.signal_types says which.")));
	if (!lr_hand_may_have(hand, rep))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("rep \"%s\" has let lead \"%s\" lapse before", rep, hand->arrival.lead),
				 errhint("An UPDATE of the lead's owner gives it to him all the same.")));
}

bool
lr_hand_may_have(const HandledLead *hand, const char *rep)
{
	for (int i = 0; i < hand->state.nlapsed; i++)
		if (strcmp(hand->state.lapsed[i], rep) == 0)
			return false;
	return true;
}

void
lr_hand_expect_open(const HandledLead *hand)
{
	if (hand->state.closed)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("lead \"%s\" is closed", hand->arrival.lead),
				 errhint("leadroute.reopen() opens it again.")));
}

/* The rules decide once more, as for a new lead, but nobody gets it who let it lapse. Returns the owner, or NULL. */
const char *
lr_hand_decide_again(HandledLead *hand, const char *kind, const char *lapses, const char *why)
{
	Arrival *arrival = &hand->arrival;
	LeadRow row = lr_arrival_row(arrival, hand->slot, "REROUTE");
	const char **tried = palloc((hand->state.nlapsed + 1) * sizeof(char *));
	Decision decision;
	Closing closing;
	bool warned = false;
	const char *code;
	Move move;

	for (int i = 0; i < hand->state.nlapsed; i++)
		tried[row.ntried++] = hand->state.lapsed[i];
	if (lapses)
		tried[row.ntried++] = lapses;
	row.tried = tried;
	row.again = true;
	row.first = hand->state.duplicate_of;
	row.qualified = hand->qualified;
	row.given_owner = hand->state.source_owner;
	/* the account that it has, whoever found it, as long as that is there */
	if (hand->state.account)
		row.given_account = hand->state.account;
	row.at = hand->at;
	code = lr_arrival_reason(arrival, &row, &warned, &closing);
	if (code == NULL)
	{
		lr_arrival_route(arrival, &row, &warned, &decision);
		if (decision.account && hand->state.account && strcmp(decision.account, hand->state.account) == 0)
			decision.account_by = hand->state.account_by;
		if (strcmp(decision.status, "unrouted") == 0)
			code = decision.code;
	}
	/* no error for what would be one at each later try */
	if (code && strcmp(code, "not_ready") == 0 && strcmp(kind, "lapsed") == 0)
	{
		hand->stays = "not_ready";
		return hand->state.owner;
	}
	if (code)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("lead \"%s\" cannot be routed: %s", arrival->lead, code),
				 errhint("leadroute.codes says what the code means.")));
	if (lapses == NULL && lr_decision_is_same(&hand->state, &decision))
	{
		if (decision.has_turn)
			lr_rotation_give_back(&decision.turn);
		return hand->state.owner;
	}
	lr_move_of(&decision, &move);
	move.kind = kind;
	move.actor = hand->actor;
	move.lapses = lapses;
	if (why)
		move.reason = psprintf("%s; %s", why, move.reason);
	lr_move(arrival->config->flow, arrival->lead, &move);
	write_row(hand, &move);
	return move.owner;
}

void
lr_hand_put_away(HandledLead *hand, const char *kind, const char *code, const char *reason)
{
	const Move move = {
		.kind = kind,
		.actor = hand->actor,
		.status = "nurture",
		.code = code,
		.keeps_rule = true,
		.territory = hand->state.territory,
		.reason = reason,
		.at = hand->at,
	};

	write_row(hand, &move);
	lr_move(hand->arrival.config->flow, hand->arrival.lead, &move);
}

/* Back to those who wait: for a team (its own, where none is named), or in a queue of another name. */
static void
put_into_queue(HandledLead *hand, const char *queue, const char *why)
{
	FlowConfig *config = hand->arrival.config;
	LeadRow row = lr_arrival_row(&hand->arrival, hand->slot, "REROUTE");
	bool warned = false;
	Move move = {
		.kind = "requeued",
		.actor = hand->actor,
		.status = "waiting",
		.code = "requeued",
		.keeps_rule = true,
		.territory = hand->state.territory,
		.lapses = hand->state.owner,
		.at = hand->at,
	};

	move.queue = queue ? queue : hand->state.team;
	move.team = lr_config_team(config, move.queue) ? move.queue : NULL;
	move.reason = psprintf("%s; waits in queue \"%s\"", why, move.queue);
	row.at = hand->at;
	if (config->priority)
		move.priority = lr_watch_priority(lr_watch(hand->arrival.shape, config), &row, &warned);
	write_row(hand, &move);
	lr_move(config->flow, hand->arrival.lead, &move);
}

/* The outputs go into the row. */
static void
write_row(HandledLead *hand, const Move *move)
{
	LeadOutputs outputs = {
		.owner = move->owner,
		.team = move->team,
		.territory = move->territory,
		.routed_at = move->at,
		.has_routed_at = true,
		.route_reason = move->reason,
		.account = move->account ? move->account : hand->state.account,
		.duplicate_of = hand->state.duplicate_of,
		.stage = hand->arrival.stage,
	};

	lr_state_outputs_due(hand->arrival.config, hand->arrival.lead, &outputs);
	lr_stored_write(hand->rel, &hand->arrival, &outputs);
}
