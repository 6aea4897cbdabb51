/*
 * move.c
 *		A known lead that moves from one holder to another: its state, the event, the places.
 *
 * The caller holds the lead's row in its table (stored.c); the state's row is locked here, second. Who is the holder of a
 * place stands in LR_HOLDER (state.h).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "clock_change.h"
#include "linked.h"
#include "move.h"
#include "owner.h"
#include "reason.h"
#include "state.h"
#include "utils/builtins.h"
#include "waiting.h"

static void free_old_place(const char *flow);
static void take_new_place(const char *flow, const Move *move);

void
lr_move_of(const Decision *decision, Move *move)
{
	const Jsonb *path = lr_route_path(decision);

	memset(move, 0, sizeof(Move));
	move->status = decision->status;
	move->code = decision->code;
	move->owner = decision->owner;
	move->team = decision->team;
	move->territory = decision->territory;
	move->queue = decision->queue;
	move->rule = decision->rule ? decision->rule->rule : NULL;
	move->reason = lr_route_reason(decision);
	move->path = path ? JsonbToCString(NULL, &unconstify(Jsonb *, path)->root, (int) VARSIZE(path)) : NULL;
	move->account = decision->account;
	move->account_by = decision->account_by;
	move->over_cap = decision->over_cap;
	move->turn = decision->turn;
	move->has_turn = decision->has_turn;
	move->at = decision->at;
	move->priority = decision->priority;
	move->held_until = decision->held_until;
}

bool
lr_decision_is_same(const LeadState *state, const Decision *decision)
{
	const char *a = decision->owner ? state->owner : state->queue;
	const char *b = decision->owner ? decision->owner : decision->queue;

	return strcmp(state->status, decision->status) == 0 && (a == b || (a && b && strcmp(a, b) == 0));
}

void
lr_move(const char *flow, const char *lead, const Move *move)
{
	const char *const texts[] = {flow, lead, move->status, move->code, move->owner, move->team, move->territory, move->queue,
								 move->rule, move->reason, move->path, move->lapses, move->kind, move->actor, move->over_cap};
	const char *const accounts[] = {move->account, move->account_by};
	QueryArguments arguments = {0};
	MemoryContext oldcontext = CurrentMemoryContext;
	char *was_owner = NULL;
	bool has_linked;
	OwnerSession session;

	lr_argument_texts(&arguments, texts, lengthof(texts));
	lr_argument_instant(&arguments, move->at);
	lr_argument(&arguments, BOOLOID, BoolGetDatum(move->keeps_rule), false);
	lr_argument(&arguments, FLOAT8OID, Float8GetDatum(move->priority), false);
	lr_argument_texts(&arguments, accounts, lengthof(accounts));
	lr_argument(&arguments, TIMESTAMPTZOID, TimestampTzGetDatum(move->held_until), move->held_until == 0);

	lr_owner_begin(&session);
	lr_owner_run("WITH was AS (SELECT s.*, " LR_HOLDER " AS holder FROM leadroute.lead_states s"
				 "   WHERE s.flow = $1 AND s.lead = $2 FOR UPDATE),"
				 " moved AS (UPDATE leadroute.lead_states s SET status = $3, code = $4, owner = $5, team = $6,"
				 "     territory = CASE WHEN $17 THEN s.territory ELSE $7 END, queue = $8,"
				 "     rule = CASE WHEN $17 THEN s.rule ELSE $9 END, routed_at = $16, route_reason = $10,"
				 "     priority = CASE WHEN $3 = 'waiting' THEN $18 END,"
				 "     queue_order = CASE WHEN $3 = 'waiting' THEN leadroute.journal_id() END,"
				 "     return_at = CASE WHEN $3 = 'nurture' THEN s.return_at END,"
				 "     return_to = CASE WHEN $3 = 'nurture' THEN coalesce(s.owner, s.return_to) END,"
				 "     archive_at = CASE WHEN $3 = 'nurture' THEN (SELECT $16 + f.archive_after FROM leadroute.flows f WHERE f.flow = $1) END,"
				 "     held_until = $21, assigned_at = coalesce(s.assigned_at, CASE WHEN $5 IS NOT NULL THEN $16 END), source_owner = coalesce(s.source_owner, s.owner),"
				 "     account = coalesce($19, s.account), account_by = CASE WHEN $19 IS NULL THEN s.account_by ELSE $20 END,"
				 "     lapsed = CASE WHEN $12 IS NULL OR $12 = ANY (s.lapsed) THEN s.lapsed ELSE array_append(s.lapsed, $12) END"
				 "   FROM was WHERE s.flow = $1 AND s.lead = $2 RETURNING s.*)"
				 " SELECT coalesce(w.team, ''), CASE WHEN w.closed_at IS NULL THEN w.holder END, coalesce(m.team, ''),"
				 "   CASE WHEN m.closed_at IS NULL THEN m.holder END,"
				 "   CASE WHEN w.owner IS NULL AND m.owner IS NOT NULL AND m.closed_at IS NULL AND " LR_HAS_LINKED("$1", "$2") " THEN 't' END, w.owner"
																															   " FROM was w, (SELECT " LR_HOLDER " AS holder, owner, team, closed_at FROM moved) m",
				 &arguments, SPI_OK_SELECT);
	if (SPI_processed != 1)
		elog(ERROR, "lead \"%s\" of flow \"%s\" has no state", lead, flow);
	has_linked = lr_spi_text(0, 5) != NULL;
	if (lr_spi_text(0, 6))
		was_owner = MemoryContextStrdup(oldcontext, lr_spi_text(0, 6));
	free_old_place(flow);
	take_new_place(flow, move);
	lr_owner_end(&session);
	/* before the event, whose message says until when */
	lr_clocks_owner(flow, lead, move->at);
	lr_argument_text(&arguments, was_owner);
	lr_owner_begin(&session);
	lr_owner_run("INSERT INTO leadroute.events (flow, lead, at, kind, code, rule, owner, previous_owner, team, territory, queue, reason, path, actor, account, over_cap, consent)"
				 " SELECT s.flow, s.lead, $16, $13, s.code, s.rule, s.owner, $22, s.team, s.territory, s.queue, s.route_reason, $11::jsonb, $14, s.account, $15, s.consent"
				 " FROM leadroute.lead_states s WHERE s.flow = $1 AND s.lead = $2",
				 &arguments, SPI_OK_INSERT);
	lr_owner_end(&session);
	if (has_linked)
		lr_linked_follow(flow, lead, move->at);
}

static void
free_old_place(const char *flow)
{
	if (lr_spi_text(0, 2) && lr_rotation_available())
	{
		lr_rotation_free_place(lr_rotation_slot(flow, lr_spi_text(0, 1), lr_spi_text(0, 2)), 1);
		lr_drain_want(flow);
	}
}

/* A closed lead takes no place: what a decision took for it goes back. */
static void
take_new_place(const char *flow, const Move *move)
{
	RotationTurn turn = move->turn;

	if (!lr_rotation_available())
		return;
	if (move->has_turn && lr_spi_text(0, 4))
		lr_rotation_confirm(&turn);
	else if (move->has_turn)
		lr_rotation_give_back(&turn);
	else if (lr_spi_text(0, 4))
		lr_rotation_take_places(lr_rotation_slot(flow, lr_spi_text(0, 3), lr_spi_text(0, 4)), 1);
}
