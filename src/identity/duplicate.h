/*
 * duplicate.h
 *		Leads that share a key with an earlier one.
 */
#ifndef LR_DUPLICATE_H
#define LR_DUPLICATE_H

#include "route.h"

struct Arrival;

/* The earlier lead of the same person, as it stands now. */
typedef struct FirstLead
{
	const char *lead;  /* NULL: there is none */
	const char *match; /* the kind of key that both have; the configuration's */
	const char *key;
	const char *status;
	const char *owner;
	const char *team;
	const char *territory;
	const char *account;
	const char *account_by;
	int account_tier;
	TimestampTz submitted_at;
	TimestampTz routed_at;
	bool has_submitted_at;
	bool has_routed_at;
	bool closed;
	bool returns; /* its person comes back: it is closed, or old */
} FirstLead;

/*
 * Claims the keys of an arrival's row and finds the earlier lead, if any (arrival->first, arrival->claims). False where
 * the lead itself holds one of them and so is known by now, if `is_new`: look again; nothing is claimed then. Waits for
 * transactions that hold one of the keys. Errors: serialization_failure where the key's holder cannot be seen by the
 * transaction's snapshot.
 */
extern bool lr_duplicate_identify(struct Arrival *arrival, bool is_new);

/* Finds the earlier lead without claiming anything: explain. */
extern void lr_duplicate_look(struct Arrival *arrival);

/* Whether a lead that another was merged into has not gone since. */
extern bool lr_duplicate_is_there(struct Arrival *arrival, const char *lead);

/* Decides a duplicate that needs no rule: the earlier lead has an owner. False where the rules are to be asked. */
extern bool lr_duplicate_decide(struct Arrival *arrival, const LeadRow *row, RouteMode mode, Decision *decision);

/* What the rules decided, as a duplicate has it. */
extern void lr_duplicate_mark(struct Arrival *arrival, RouteMode mode, Decision *decision);

/* When a person asked, however the row says so. */
extern TimestampTz lr_duplicate_submitted_at(const LeadRow *row);

/* Whether the row repeats the earlier lead's within the replay window. */
extern bool lr_duplicate_says_nothing_new(const struct Arrival *arrival, TimestampTz at);

/* The policy `refuse`: the unique_violation. */
extern void lr_duplicate_refuse(const struct Arrival *arrival);

/* The keys of a standing lead's row are others now: they follow, where nobody else holds them. */
extern void lr_duplicate_follow(struct Arrival *arrival, TupleTableSlot *old, const char *old_lead, TupleTableSlot *new);

/* A known lead's row comes back: its keys are its own again, where nobody took them meanwhile. */
extern void lr_duplicate_take_back(struct Arrival *arrival);

/* A row went: what it held is nobody's when its lead is closed. */
extern void lr_duplicate_release_later(const struct Arrival *arrival, TupleTableSlot *slot);

/*
 * What a duplicate's decision means for an earlier lead that had no owner: promised when it is decided, kept when the
 * duplicate's row stands, written by a command of its own after the statement. The first two touch no table.
 */
extern void lr_duplicate_first_stands(const char *flow, const char *first);
extern void lr_duplicate_first_forget(const char *flow, const char *first, const char *lead);
extern bool lr_duplicate_firsts_wait(void);
extern void lr_duplicate_write_firsts(void);
/* What is written from now on queues nothing for the end of the transaction: that is here. */
extern void lr_duplicate_before_commit(void);

extern void lr_duplicate_abort(SubTransactionId subid);
extern void lr_duplicate_reparent(SubTransactionId subid, SubTransactionId parent);
extern void lr_duplicate_end(void);

#endif /* LR_DUPLICATE_H */
