/*
 * pending.h
 *		Decisions that wait for their rows, statement by statement.
 */
#ifndef LR_PENDING_H
#define LR_PENDING_H

#include "identity.h"
#include "lib/ilist.h"
#include "outcome.h"
#include "rekey.h"
#include "route.h"
#include "stage.h"
#include "sticky.h"

typedef enum PendingKind
{
	PENDING_DECISION,	/* a new lead: state, event and turn are written when the row stands */
	PENDING_HAND_OVER,	/* a hand gave a known lead to another */
	PENDING_REDECISION, /* the rules decided about a known lead again */
	PENDING_STAGE		/* nothing but a stage (of any kind there may be one beside) */
} PendingKind;

/* Of a lead that shares a key with an earlier one. */
typedef struct Link
{
	const char *first; /* the earlier one */
	const char *match; /* the kind of key */
	const char *ruled_status;
	const char *ruled_code;
	bool for_first;
	bool silent;
	int nasked;
	AskedClock *asked;
} Link;

#define PENDING_CLAIMS 2

/* What few leads of a statement have: it is not kept where there is nothing. */
typedef struct PendingMore
{
	const char *account; /* of a decision, or NULL */
	const char *account_by;
	const char *account_owner;
	int account_tier;
	const char *stands_in;
	const Link *link;			  /* or NULL */
	List *claims;				  /* of Claim: those that do not fit into the entry, and those taken from another */
	double priority;			  /* of one that waits */
	TimestampTz held_until;		  /* of one that is held, else 0 */
	const Closing *closing;		  /* of a lead that was closed when it arrived, else NULL */
	const char *stage;			  /* that the lead is in, or NULL */
	const char *source_stage;	  /* that its row brought, or NULL */
	TimestampTz stage_at;		  /* since when, or 0 */
	const StageChange *stages;	  /* what its row has changed; or NULL */
	const char *qualified_by;	  /* as in Decision, and the next ones */
	const char *qualified_reason; /* of a known lead that is an MQL now, or nearly: in one sentence */
	bool borderline;
	TimestampTz mql_at;
	TimestampTz qualified_at;
	Consent consent;
	bool has_consent; /* of a known lead: the above is what its row says now */
	const char *returned_by;
	StickyNote *sticky;			  /* of a team that goes by accounts, else NULL */
	const Prediction *prediction; /* or NULL */
	const LeadScore *score;		  /* NULL: the flow has no scoring model */
	bool has_sla;
	bool too_old;
	int nclocks;
	Clock *clocks; /* gone once they are written */
} PendingMore;

typedef struct Pending
{
	/* the key in the hash: strings of the statement */
	const char *flow;
	const char *lead;

	const Outcome *outcome;	  /* of a decision */
	const char *source_owner; /* the owner that the source sent; of a hand-over, the new owner */
	const PendingMore *more;  /* never NULL */
	Statement *statement;
	dlist_node node; /* in the statement's list, newest first */
	RotationTurn turn;
	TimestampTz at;
	TimestampTz submitted_at;
	Oid relid;								/* the table, or the partition, that the row is for; of a decision */
	ItemPointerData claims[PENDING_CLAIMS]; /* the identity rows that this lead claimed */
	uint8 nclaims;
	uint8 kind;
	bool has_turn;
	bool confirmed;
	bool for_insert; /* of a known lead: it is this row that was decided, and no UPDATE of the one that stands */
	bool replaces;	 /* a state that was never routed stands and gives way */
} Pending;

extern void lr_pending_init(void);

/* The lead whose outputs leadroute itself is writing into its row (ask.c): the triggers let that UPDATE be. */
extern const char *lr_own_lead;

/*
 * The statement that a BEFORE ROW trigger runs in, known by its executor state: call it in the memory context that
 * the executor called the trigger in.
 */
extern Statement *lr_statement(void);

/* Keeps it to one warning a statement. */
extern bool *lr_statement_warned(Statement *statement);

/* What the last BEFORE INSERT of the statement left in a row: an upsert shows it to UPDATE as EXCLUDED. */
typedef struct LastInsert
{
	Oid relid;
	char *lead;
	char *owner; /* NULL: none */
	char *stage; /* NULL: none, or it is the source's own */
	Datum key;
	bool key_by_value; /* else key is a copy in the statement's memory */
} LastInsert;

extern void lr_statement_set_last(Statement *statement, Oid relid, const char *lead, const char *owner,
								  Datum key, bool byval, int16 len);
extern void lr_statement_set_last_stage(Statement *statement, const char *stage);
extern const LastInsert *lr_statement_last(Statement *statement);
/* Whether the statement's last INSERT left this stage in its row, of leadroute's own making. */
extern bool lr_statement_last_stage(Statement *statement, const char *stage);

/* The keys of leads that the statement's rows change. */
extern RekeyList *lr_statement_rekeys(Statement *statement);

/* The hands' new owners that wait for their rows under the old ones go to the new ones. */
extern void lr_statement_follow_rekeys(Statement *statement);

/* The decision that waits, or has just been confirmed and perhaps not been written, for a lead; or NULL. */
extern Pending *lr_pending_find(const char *flow, const char *lead);

/* Keeps a decision until its row is confirmed. Strings are copied; the configuration is pinned. */
extern Pending *lr_pending_add(Statement *statement, const char *lead, const Decision *decision,
							   const char *source_owner);
extern Pending *lr_pending_add_hand_over(Statement *statement, const char *flow, const char *lead,
										 const char *owner, TimestampTz at);

/* The stages through which the row of a known lead has taken it; whatever else the row does waits with them. */
extern void lr_pending_add_stages(Statement *statement, const char *flow, const char *lead, const StageChange *stages,
								  const char *source, TimestampTz at);

/* The same for a known lead that its row makes an MQL (by what), or nearly one (NULL); the reason is a sentence. */
extern void lr_pending_add_qualified(Statement *statement, const char *flow, const char *lead, const char *by, const char *reason,
									 TimestampTz at);

/* The same for what the row of a known lead says of the person's consent. */
extern void lr_pending_add_consent(Statement *statement, const char *flow, const char *lead, Consent consent, TimestampTz at);

/*
 * An upsert's UPDATE: what its INSERT made of the stage of a known lead is not to be, but where it stands in the new row (*given) it is still what the
 * source sent, which is *given then.
 */
extern void lr_pending_take_stages(const char *flow, const char *lead, const char **given);

/* The identity rows that a decision's lead claimed: given back should its row not be inserted. */
extern void lr_pending_set_claims(Pending *pending, Oid relid, const Claim *claims, int n);

/* The statement's newest decision, where it still waits for its row. */
extern Pending *lr_statement_newest(Statement *statement);

/* Its row was not inserted: the turn goes back, as at the statement's end. */
extern void lr_pending_drop(Pending *pending);

/* The sentence of a decision that waits, in the current context. */
extern char *lr_pending_reason(const Pending *pending);

/* The row, in the slot, stands: the decision is written with the next flush, and at once where none waits before it. */
extern void lr_pending_confirm(Pending *pending, const LeadShape *shape, TupleTableSlot *slot);

/* Writes a decision on a row that needs no waiting (catch_up). */
extern void lr_pending_write(const char *lead, const Decision *decision, const char *source_owner, const LeadShape *shape,
							 TupleTableSlot *slot);

/* Writes everything that is confirmed: for whoever asks leadroute about a lead. */
extern void lr_pending_flush(void);

/* The same, and what has become of leads that came and went; at the latest before commit. */
extern void lr_pending_settle(void);

#endif /* LR_PENDING_H */
