/*
 * arrival.h
 *		A row on its way into a leads table: known, or new and to be decided.
 */
#ifndef LR_ARRIVAL_H
#define LR_ARRIVAL_H

#include "duplicate.h"
#include "effect.h"
#include "identity.h"
#include "pending.h"
#include "state.h"

/* A row, its table, and what is known of both before anything is decided. */
typedef struct Arrival
{
	Relation rel;
	TupleTableSlot *slot;
	FlowConfig *attachment; /* the flow that the trigger names */
	FlowConfig *config;		/* the flow that decides this row */
	LeadShape *shape;
	LeadProfile profile; /* computes when asked */
	Statement *statement;
	char *lead;				   /* the key as text; NULL where the row has none */
	char *given;			   /* the owner in the row, or NULL */
	const char *given_stage;   /* the stage in the row; NULL: none, or the flow has no stages */
	const char *stage;		   /* that the lead is in, as far as it is known */
	TimestampTz stage_at;	   /* since when; 0: since now */
	const StageChange *stages; /* how it came there with this row, or NULL */
	bool unknown_flow;
	bool updates;	 /* its row stands already, in another flow: it cannot be kept out */
	bool matters;	 /* an UPDATE: something waits that only the AFTER trigger may write */
	FirstLead first; /* the earlier lead of the same person, where there is one */
	Claim *claims;	 /* the keys that were this row's to claim */
	int nclaims;
	bool judged;				  /* the next two are told */
	const char *code;			  /* why it is only recorded, or NULL */
	Closing closing;			  /* of one that is closed */
	ErrorData *error;			  /* why the above could not be had */
	const char *qualified_by;	  /* what makes a known lead an MQL with this row, or NULL */
	const char *qualified_reason; /* why it is, or nearly is */
	ScoreMemo memo;				  /* of the slot's row */
} Arrival;

/*
 * Finds configuration, shape, key and flow of a row. False where that fails: the row is nobody's, and the statement
 * has been warned, unless the flow says on_error = fail (an error).
 */
extern bool lr_arrival_start(Arrival *arrival, Relation rel, TupleTableSlot *slot, const char *flow,
							 Statement *statement);

/* The flow that decides a row, as its flow column names it. */
extern FlowConfig *lr_arrival_flow(Arrival *arrival, TupleTableSlot *slot, bool *unknown);

/*
 * BEFORE INSERT: gives a known lead back what it had, decides a new one. Returns the tuple to insert, or NULL where the row
 * is merged into an earlier lead's.
 */
extern HeapTuple lr_arrive(Arrival *arrival, HeapTuple tuple);

/*
 * Decides a row that is new in its flow and keeps the decision for its AFTER trigger; "replaces" where a state that was
 * never routed stands. Returns the tuple with its outputs.
 */
extern HeapTuple lr_arrival_decide(Arrival *arrival, HeapTuple tuple, const char *operation, bool replaces);

/* The code of a lead that is only recorded; NULL where it is to be decided. *closing is filled for CODE_ARRIVED_CLOSED. */
extern const char *lr_arrival_reason(const Arrival *arrival, const LeadRow *row, bool *warned, Closing *closing);

/* Whether a lead that was recorded and not routed (it came deleted, or closed) is to be decided by the row as it is now. */
extern bool lr_arrival_revives(Arrival *arrival, const LeadState *state, const char *operation);

/* The row as conditions see it. */
extern LeadRow lr_arrival_row(const Arrival *arrival, TupleTableSlot *slot, const char *operation);

/* Decides by the rules and takes the turn; one that waits gets its priority. */
extern void lr_arrival_route(const Arrival *arrival, LeadRow *row, bool *warned, Decision *decision);

/* Adds the clocks that the decision starts, where the flow has policies. */
extern void lr_arrival_clocks(const Arrival *arrival, const LeadRow *row, bool *warned, Decision *decision);

/* What a lead has that is decided and not yet written, filled into a further row of its key. */
extern HeapTuple lr_arrival_keep_pending(Arrival *arrival, HeapTuple tuple, Pending *pending);

/* Keeps a claim with an arrival: its decision gives it back should the row not be inserted. */
extern void lr_arrival_keep_claim(Arrival *arrival, const Claim *claim);

/* The stage of a new lead, before anything asks for it. Errors as lr_stage_begin(). */
extern void lr_arrival_begin_stage(Arrival *arrival, const char *operation);

/*
 * The stage of a known lead by its row as it is now: what the row brings that is neither what the lead is in nor what the source sent
 * before, and what entry conditions make of it. What changes waits in arrival->stages. Errors as lr_stage_change().
 */
extern void lr_arrival_follow_stage(Arrival *arrival, const LeadState *state, const char *operation);

/* The stage goes with the lead's decision, which writes it; what a rule nurtures comes into that stage. */
extern void lr_arrival_give_stage(Arrival *arrival, LeadRow *row, Decision *decision);

/* A lead that was put away is given out again with this row: it leaves the stage for that. */
extern void lr_arrival_restart_stage(Arrival *arrival, LeadRow *row, const char *why);

/* What lr_arrival_follow_stage() found waits for the row to stand, and goes into it. */
extern HeapTuple lr_arrival_keep_stages(Arrival *arrival, HeapTuple tuple, TimestampTz at);

/* Whether an owner in a row is a third value: neither leadroute's, nor what the source sent before. */
extern bool lr_arrival_is_hand(const Arrival *arrival, const LeadState *state, const char *owner);

/* What the outputs of a known lead are; of one that a hand gives to `owner`, if not NULL, in this very row, at `at`. */
extern void lr_arrival_outputs(const Arrival *arrival, const LeadState *state, const char *owner, TimestampTz at,
							   LeadOutputs *outputs);

/*
 * Works out the score of a known lead's row, as it is in the slot, for its outputs. Whether it is another than the state has;
 * false where the flow has no scoring model. The memo knows the state (lr_score_known).
 */
extern bool lr_arrival_rescore(const Arrival *arrival, const LeadState *state, const char *operation, bool *warned, LeadOutputs *outputs);

/* The earlier lead of an arrival is found: its signals are that one's. */
extern void lr_arrival_link_score(Arrival *arrival);

/* The score of a lead that is being decided; NULL where the flow has no scoring model. */
extern const LeadScore *lr_arrival_score(const Arrival *arrival, const LeadRow *row, bool *warned);

/* The outputs that a score is. */
extern void lr_arrival_show_score(LeadOutputs *outputs, const LeadScore *score);

#define ALL_OUTPUTS ((1 << LEAD_OUTPUTS) - 1)

#endif /* LR_ARRIVAL_H */
