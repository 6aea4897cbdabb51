/*
 * state.h
 *		What leadroute knows of a lead: its row of lead_states.
 */
#ifndef LR_STATE_H
#define LR_STATE_H

#include "lead.h"
#include "utils/timestamp.h"

typedef struct LeadState
{
	const char *status;
	const char *code;
	const char *owner;
	const char *source_owner;
	const char *team;
	const char *territory;
	const char *queue;
	const char *rule;
	const char *reason;
	const char *account;
	const char *account_by;
	int account_tier; /* 0: none */
	const char *outcome;
	const char *duplicate_of;
	TimestampTz submitted_at;
	TimestampTz routed_at;
	bool has_submitted_at;
	bool has_routed_at;
	bool closed;
	TimestampTz closed_at;
	TimestampTz sla_due_at;		/* CLOCK_NEVER: no clock runs */
	TimestampTz first_touch_at; /* CLOCK_NEVER: none */
	const char *closed_by;
	const char *value;
	bool has_score;
	bool has_scored_at;
	TimestampTz scored_at;
	int64 score; /* in hundredths, and so are the next two */
	int64 fit;
	int64 engagement;
	const char *grade;
	bool has_engagement_since;
	TimestampTz engagement_since;
	int nlapsed;
	const char **lapsed;	  /* reps who had it and let it lapse */
	bool touched;			  /* somebody has been in touch with the person */
	const char *stage;		  /* NULL: its flow has no stages, or had none */
	const char *source_stage; /* the stage that the source last sent */
	TimestampTz stage_at;
	int consent;	   /* a Consent (route.h) */
	bool is_qualified; /* an MQL since its last rejection */
	TimestampTz qualified_at;
	bool has_mql_at;
	TimestampTz mql_at;
	bool has_review_at;
	TimestampTz review_at;
	bool has_rejected_score;
	int64 rejected_score;
	bool is_accepted;
	TimestampTz rejected_at;
	int recycles;
	const char *return_to; /* the rep who had it, of one that is away */
	bool has_return_at;
	TimestampTz return_at;
	bool has_archive_at;
	TimestampTz archive_at;
	bool own; /* this transaction wrote it */
} LeadState;

/* Whose place an open lead takes, as an SQL expression over lead_states; '': the team's queue (waiting.h); NULL: nobody's. */
#define LR_HOLDER "CASE status WHEN 'assigned' THEN owner WHEN 'waiting' THEN CASE WHEN team IS NOT NULL THEN '' END END"

/*
 * Reads a lead's state with the newest snapshot, the transaction's own written rows included. False
 * where there is none. Strings are in the current context.
 */
extern bool lr_state_find(const char *flow, const char *lead, LeadState *state);

/* The same as the caller's statement sees it. */
extern bool lr_state_find_seen(const char *flow, const char *lead, LeadState *state);

/* The deadline that a row is to show, after a move may have changed the lead's clocks. */
extern void lr_state_outputs_due(const FlowConfig *config, const char *lead, LeadOutputs *outputs);

/* Whether the state says that leadroute leaves the row's outputs alone: a lead from before the attach. */
extern bool lr_state_is_ignored(const LeadState *state);

/* Whether a decision is still to come (flow off, an error, deleted on arrival, …). */
extern bool lr_state_is_unrouted(const LeadState *state);

/* Whether its row is gone: deleted, not found again, or moved to another flow. What it held is free. */
extern bool lr_state_is_gone(const LeadState *state);

/* A hand gave an open lead to another: state, event, places. One lead at a time; uses SPI. */
extern void lr_state_hand_over(const char *flow, const char *lead, const char *owner, TimestampTz at);

/* What a known lead's row says now of the person's consent (a Consent). Uses SPI. */
extern void lr_state_set_consent(const char *flow, const char *lead, int consent);

/* Leads that went (closed as `outcome`), came back, or changed their keys; arrays of one length. Uses SPI. */
extern void lr_state_close(const char *flow, char **leads, int n, const char *outcome);
/* What closed leads held is nobody's: these keys, or where kinds and keys are NULL all of theirs. Uses SPI. */
extern void lr_state_release(const char *flow, char **leads, char **kinds, char **keys, int n);
extern void lr_state_restore(const char *flow, char **leads, int n);
extern void lr_state_rekey(const char *flow, char **from, char **to, int n, bool replaces);

/* Frees, or takes, as many places as the rows (team, holder, count) of the last query say; a NULL holder has none. Within SPI, as the extension's owner. */
extern void lr_state_free_places(const char *flow);
extern void lr_state_take_places(const char *flow);

/* Removes an unrouted or merged state, so that a decision can be written in its stead. */
extern void lr_state_remove(const char *flow, const char *lead);

/* The leads table of a flow was emptied: what is not found again will close as gone. */
extern void lr_state_refreshed(const char *flow);

#endif /* LR_STATE_H */
