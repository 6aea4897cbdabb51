/*
 * route.h
 *		The decision: which rule takes a lead, and who gets it.
 */
#ifndef LR_ROUTE_H
#define LR_ROUTE_H

#include "clock.h"
#include "closing.h"
#include "condition.h"
#include "lead.h"
#include "lib/stringinfo.h"
#include "predict.h"
#include "profile.h"
#include "score.h"

/* Whether a person has consented to be contacted. */
typedef enum Consent
{
	CONSENT_UNKNOWN, /* the row does not say */
	CONSENT_NO,
	CONSENT_YES,
	CONSENT_STOPPED /* no, and a signal takes the lead out of all outreach; kept as CONSENT_NO */
} Consent;

/* A lead about to be decided. Strings and slot are the caller's and stay until the decision is used. */
typedef struct LeadRow
{
	LeadShape *shape;
	TupleTableSlot *slot;
	LeadProfile *profile;	   /* what the row says of a person, in canonical form */
	const char *lead;		   /* the key as text; NULL in explain(row) of a row without one */
	const char *operation;	   /* INSERT, UPDATE, CATCH_UP, REROUTE, as facts.operation shows it */
	const char *given_owner;   /* the owner the row arrived with, or NULL */
	const char *given_account; /* what stood in its account column, or NULL */
	bool released;			   /* it was held, and the time has passed: no rule holds it any more */
	bool waited;			   /* it waits already, and goes before those that come */
	bool again;				   /* decided before: the owner that it arrived with has had his say */
	TimestampTz at;			   /* the instant of the decision */
	bool unknown_flow;		   /* the row named a flow that does not exist */
	int ntried;				   /* reps who had this lead and let it lapse: they are not asked again */
	const char *const *tried;
	const char *first; /* the earlier lead that it shares a key with, or NULL */
	const char *stage; /* that it is in; NULL: none */
	bool qualified;	   /* an MQL: no rule nurtures it */
	bool judged;	   /* segment and intent are known (traits.h) */
	const char *segment;
	const char *intent;
	PredictionMemo *prediction; /* what the flow's model says of it, once asked; or NULL: it is asked each time */
	ScoreMemo *memo;			/* keeps its score once it is worked out; NULL: it is worked out each time */
} LeadRow;

/* A rule whose condition held and whose target could take no one. */
typedef struct PassedRule
{
	const RuleConfig *rule;
	char *why;
} PassedRule;

/*
 * What was decided. Points into the configuration, which whoever keeps a decision keeps pinned, and, for
 * the names of territories and the passed rules, into the context that was current.
 */
typedef struct Decision
{
	FlowConfig *config;
	const char *status;		/* assigned, waiting, discarded, unrouted */
	const char *code;		/* of leadroute.codes */
	const RuleConfig *rule; /* NULL: no rule took part */
	const char *owner;
	const char *team;
	const char *territory;
	const char *queue;
	const char *account;
	const char *account_by;	   /* the step that found it: a literal */
	const char *account_owner; /* or NULL */
	int account_tier;		   /* 0: none */
	const char *segment;	   /* the row's, as it was then; or NULL */
	const char *intent;
	const char *stands_in; /* why the owner's backup has it: "mia is on leave: the backup bo"; NULL where none does */
	const char *over_cap;  /* limits that an owner whom nobody picked went beyond; NULL: none */
	const char *how;	   /* how the team picked, in words: a literal; NULL where none did */
	bool sticks;		   /* the team's next lead of the account goes to the same */
	TimestampTz at;
	TimestampTz submitted_at;
	RotationTurn turn;
	bool has_turn; /* a turn or a place was taken */
	List *passed;  /* of PassedRule */

	/* of a lead that shares a key with an earlier one (duplicate.c) */
	const char *duplicate_of; /* the earlier one, or NULL */
	const char *match;		  /* the kind of key they share */
	const char *ruled_status; /* what the rules said, where status and code say duplicate or returning; or NULL */
	const char *ruled_code;
	bool for_first;					  /* the result is the earlier one's too */
	bool silent;					  /* it says nothing new: nobody is told */
	const Closing *closing;			  /* of a lead that was closed when it arrived, else NULL */
	double priority;				  /* of one that waits */
	TimestampTz held_until;			  /* of one that is held, else 0 */
	const char *stage;				  /* that the lead is in; NULL: the flow has no stages */
	const char *source_stage;		  /* that its row arrived with, or NULL */
	TimestampTz stage_at;			  /* since when, or 0: since the decision */
	const struct StageChange *stages; /* how it came there */
	const char *qualified_by;		  /* what makes it an MQL now: a literal, or NULL */
	bool borderline;				  /* nearly: people are to look at it */
	TimestampTz mql_at;				  /* it was one before: since when first, and since when now; 0: not */
	TimestampTz qualified_at;
	Consent consent;
	const char *returned_by;	  /* what brought a lead back that was put away: a literal, or NULL */
	const Prediction *prediction; /* of the flow's published model, or NULL */
	const LeadScore *score;		  /* NULL: the flow has no scoring model */

	/* its clocks, where the flow has policies (lr_route_clocks) */
	bool has_sla; /* looked at */
	bool too_old;
	int nclocks;
	Clock *clocks;
	/* of a duplicate: the policies that its own row meets, for its first lead (first_clock.h) */
	int nasked;
	AskedClock *asked;
} Decision;

/* The code of a lead whose flow says that it is not to be routed yet. */
#define CODE_NOT_READY "not_ready"
/* The code of a lead that its flow gives out only with a consent that it lacks. */
#define CODE_NO_CONSENT "no_consent"
/* Whether it is one of these: recorded, until its row or a signal says otherwise. */
#define CODE_WAITS_FOR_ROW(code) (strcmp(code, CODE_NOT_READY) == 0 || strcmp(code, CODE_NO_CONSENT) == 0)

/* The code of a lead that everybody who could have it has let lapse. */
#define CODE_ALL_TRIED "all_tried"

typedef enum RouteMode
{
	ROUTE_TAKE, /* the turn is the lead's */
	ROUTE_PEEK	/* explain: nothing is taken */
} RouteMode;

/* One line of explain(). */
typedef struct TraceLine
{
	const char *item; /* flow, rule, point, territory, team, rep, decision */
	const char *name;
	const char *verdict;
	const char *detail;
} TraceLine;

typedef struct RoutePlan RoutePlan;

/* For lr_account_find: what a row (a LeadRow) says of its account, step by step. */
extern const char *lr_route_account_value(void *source, int step, const char **note);

/* The plan for deciding rows of this shape in this flow; lives as long as the shape and the configuration. */
extern RoutePlan *lr_route_plan(LeadShape *shape, Relation rel, FlowConfig *config);

/*
 * Decides. Evaluation that may fail runs in an internal subtransaction; a failure becomes the last rule's target
 * (code fallback) with a WARNING, or where that fails too an unrouted lead (routing_error), or, where the
 * flow says on_error = fail, an error. *warned, shared by a statement, keeps it to one WARNING.
 * trace, if not NULL, collects TraceLines.
 */
extern void lr_route_decide(RoutePlan *plan, const LeadRow *row, RouteMode mode, bool *warned,
							List **trace, Decision *decision);

/*
 * For conditions about a lead other than those of rules (route_clocks.c): a walk in the current context, whose facts are made once. The decision says
 * when the lead was submitted. lr_route_holds() may error.
 */
typedef struct RouteWalk RouteWalk;
extern RouteWalk *lr_route_walk(RoutePlan *plan, const LeadRow *row, RouteMode mode, List **trace, Decision *decision);
extern bool lr_route_holds(RouteWalk *walk, LrCondition *condition);
extern void lr_route_trace(RouteWalk *walk, const char *item, const char *name, const char *verdict, const char *detail);
extern struct PolicyPlan *lr_route_policy_plan(const RoutePlan *plan);

/* A decision that needs no rule: unrouted, or the owner that the row brought. */
extern void lr_route_unrouted(FlowConfig *config, const LeadRow *row, const char *code, Decision *decision);

/*
 * Picks for a lead that waits: by the rule that made it wait a member of the team, or where that is NULL the rep whose queue it
 * is, and takes his turn. False where nobody can have it. May error.
 */
extern bool lr_route_waiting(RoutePlan *plan, const LeadRow *row, const char *rule, const char *team, const char *queue,
							 Decision *decision);

#endif /* LR_ROUTE_H */
