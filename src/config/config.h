/*
 * config.h
 *		A flow's configuration as this session holds it: a cache of the configuration tables.
 */
#ifndef LR_CONFIG_H
#define LR_CONFIG_H

#include "datatype/timestamp.h"
#include "rotation.h"
#include "utils/timestamp.h"

typedef enum RuleTarget
{
	TARGET_TERRITORY,
	TARGET_TEAM,
	TARGET_REP,
	TARGET_QUEUE,
	TARGET_DISCARD,
	TARGET_ACCOUNT_OWNER,
	TARGET_HOLD,
	TARGET_NURTURE
} RuleTarget;

#define NO_LIMIT (-1)
#define MAX_CAPS 3

/* At most so many leads in a time. */
typedef struct CapConfig
{
	int limit;
	RotationPeriod period;
	const char *zone;	  /* IANA; of periods by the clock */
	const char *text;	  /* as it is written: "3 per day" */
	RotationMeter *meter; /* limit.c's: found by the first pick; NULL on a standby */
} CapConfig;

typedef struct SkillConfig
{
	int skill; /* index in FlowConfig.skills */
	int level;
} SkillConfig;

typedef struct RepConfig
{
	const char *rep;
	bool active;
	bool accepting;
	int capacity;		  /* of open leads over all teams, or NO_LIMIT */
	const char *calendar; /* NULL: always on shift */
	const char *backup;	  /* who stands in for him, or NULL */
	const char *name;	  /* or NULL */
	const char *manager;  /* or NULL */
	int ncaps;
	CapConfig *caps;
	int nleaves; /* in order of their begin */
	TimestampTz *leave_begins;
	TimestampTz *leave_ends;
	int nskills; /* in order of their numbers */
	SkillConfig *skills;
	RotationSlot *slot; /* pick_rep.c's: of leads that belong to no team, found by the first pick */
} RepConfig;

typedef struct MemberConfig
{
	int capacity; /* of open leads from the team, or NO_LIMIT */
	int ncaps;
	CapConfig *caps;
	int rank;		   /* 0: none */
	double multiplier; /* of the member's claim; 1 where the team uses none */
	struct varlena *prefers;
	TimestampTz joined_at; /* DT_NOBEGIN: at once */
	TimestampTz left_at;   /* DT_NOEND: stays */
} MemberConfig;

typedef enum TeamStrategy
{
	STRATEGY_ROUND_ROBIN,
	STRATEGY_LEAST_LOADED,
	STRATEGY_RANKED
} TeamStrategy;

typedef enum TeamHours
{
	HOURS_NONE,
	HOURS_TEAM,
	HOURS_REP
} TeamHours;

typedef enum TeamScope
{
	SCOPE_TEAM,
	SCOPE_RULE,
	SCOPE_FLOW
} TeamScope;

typedef enum TeamReset
{
	RESET_NEVER,
	RESET_WEEKLY,
	RESET_MONTHLY
} TeamReset;

/* Whose earlier lead from the team decides who gets the next one, where he may have it. */
typedef enum TeamSticky
{
	STICKY_NONE,
	STICKY_IDENTITY, /* the same person's */
	STICKY_ACCOUNT	 /* or one of the same account */
} TeamSticky;

typedef struct TeamConfig
{
	const char *team;
	TeamStrategy strategy;
	bool most_free;
	TeamHours hours;
	const char *calendar; /* of the team, with HOURS_TEAM */
	const char *zone;	  /* of its days and weeks */
	bool levels;		  /* on_return = level */
	int catch_up_limit;	  /* in turns, or NO_LIMIT */
	const char *channel;  /* of messages to all of it, or NULL */
	TeamReset reset;
	TeamScope scope;
	TeamSticky sticky;
	int nmembers;
	RepConfig **members; /* in the order of their keys; NULL where the rep has no row */
	const char **member_names;
	int *weights;
	MemberConfig *details;
	bool prefers;		   /* some member prefers an area */
	struct PickTeam *pick; /* pick.c's: made by the first pick */
	RotationSlot *waiting; /* waiting.c's: the leads that wait for the team */
	const char *overflow;  /* the queue of leads that all members have let lapse; NULL: the team's own */
} TeamConfig;

typedef struct RuleConfig
{
	const char *rule;
	int position;
	const char *condition; /* NULL: always */
	RuleTarget target;
	const char *target_name;
	bool waits;				/* where the target can take no one: wait, or fall through */
	const char *skills;		/* expression that gives text[], or NULL */
	const char *hold_until; /* of a hold: NULL: only time ends it */
	Interval hold_for;
	const char *reroute_when; /* NULL: never */
} RuleConfig;

typedef enum ClockStart
{
	START_SUBMITTED,
	START_ASSIGNED,
	START_STAGE
} ClockStart;

/* Metrics that leadroute knows when to stop; METRIC_OTHER stops by its success condition only. */
typedef enum PolicyMetric
{
	METRIC_FIRST_TOUCH,
	METRIC_DECISION,
	METRIC_MEETING,
	METRIC_MEETING_HELD,
	METRIC_NEXT_TOUCH,
	METRIC_QUEUE_AGE,
	METRIC_STAGE_AGE,
	METRIC_OTHER
} PolicyMetric;

typedef enum PolicyChange
{
	CHANGE_KEEP,
	CHANGE_RETROACTIVE,
	CHANGE_RESTART
} PolicyChange;

/* What stands before a step's span. */
typedef enum StepBase
{
	STEP_FROM_START,
	STEP_FROM_DUE,
	STEP_OF_TARGET
} StepBase;

typedef struct StepConfig
{
	const char *step;
	StepBase base;
	double fraction; /* of the target */
	Interval span;
	bool before; /* the span lies before the deadline */
	bool acts;	 /* reassign, requeue, nurture: counts from the assignment where that is later */
	const char *action;
	const char *recipient; /* or NULL */
	const char *argument;  /* or NULL */
	const char *text;	   /* when and what, as people read it */
} StepConfig;

typedef struct PolicyConfig
{
	const char *policy;
	const char *condition; /* NULL: always */
	const char *metric;
	PolicyMetric kind;
	bool end_of_day; /* the target is the close of the n-th business day */
	int days;
	Interval target;
	const char *calendar; /* a name, "team", "owner"; NULL: 24x7 */
	ClockStart start;
	const char *stage;
	int npauses;
	const char **pauses; /* stages in which it stands still */
	const char *success; /* or NULL */
	PolicyChange on_change;
	int nsteps;
	StepConfig *steps;
} PolicyConfig;

/* What a match rule compares; the names that match_rules.kinds knows, in their order. */
typedef enum MatchKind
{
	MATCH_EXTERNAL_ID,
	MATCH_EMAIL,
	MATCH_PHONE,
	MATCH_FIRST_NAME,
	MATCH_LAST_NAME,
	MATCH_COMPANY,
	MATCH_WEBSITE,
	MATCH_POSTAL_CODE,
	MATCH_COUNTRY,
	MATCH_MAILBOX,
	MATCH_BIRTH_DATE,
	MATCH_CITY
} MatchKind;

#define MATCH_KINDS 12

typedef struct MatchRule
{
	const char *rule;
	const char *kind; /* the names of its kinds, joined by "+" */
	int nkinds;
	MatchKind kinds[MATCH_KINDS]; /* ascending */
} MatchRule;

typedef enum DuplicatePolicy
{
	DUPLICATE_LINK,
	DUPLICATE_MERGE,
	DUPLICATE_REFUSE
} DuplicatePolicy;

typedef enum StageKind
{
	STAGE_OPEN,
	STAGE_CLOSED,
	STAGE_WON
} StageKind;

typedef struct StageConfig
{
	const char *stage;
	StageKind kind;
	const char *entry_condition; /* NULL: nobody enters it by himself */
	const char *touched_stage;	 /* where a touch takes its leads, or NULL */
	const char *role;			 /* what leadroute uses it for, or NULL */
	const char *next_stage;		 /* where its leads go after max_age, or NULL */
	Interval max_age;
} StageConfig;

/* From one stage to another, and what the row must have for it. */
typedef struct TransitionConfig
{
	const char *from; /* "*": any; "": of a new lead */
	const char *to;
	int nrequired;
	const char **required;
	int at_least; /* of the columns: so many */
	int ncolumns;
	const char **columns;
} TransitionConfig;
/* What a lead's source says of how much it wants. */
typedef struct SourceConfig
{
	char *words; /* the source, folded */
	const char *intent;
} SourceConfig;

/* A type of message that a consumer asked for. */
typedef struct MessageType
{
	const char *type;
	bool claimed; /* all who asked take it with outbox_claim(), which can make the payload */
} MessageType;

/* How the flow's leads table names a column: canonical name to the column's own. */
typedef struct ColumnMapping
{
	const char *name;
	const char *column;
	const char *timezone; /* of a timestamp without one; NULL: UTC */
	const char *dates;	  /* the order of day, month and year in text: MDY, DMY, YMD; NULL: MDY */
} ColumnMapping;

typedef struct AttachmentConfig
{
	const char *key_column;
	const char *flow_column; /* NULL: every row is the attachment's flow's */
	int nmappings;
	ColumnMapping *mappings;
	bool broken;
	const char *problem;
} AttachmentConfig;

/* The side of a map, and so a column that a lead's point needs. */
typedef struct SideConfig
{
	const char *map;
	const char *side;
} SideConfig;

typedef struct FlowConfig
{
	const char *flow;
	bool exists; /* a row of leadroute.flows says so */
	bool active;
	bool fails;					 /* on_error = fail */
	bool keeps_given;			 /* given_owner = keep */
	bool crm_is_master;			 /* owner_master = crm */
	int email_options;			 /* LR_EMAIL_TAGS | LR_EMAIL_DOTS: what an e-mail's key leaves out */
	const char *default_country; /* the code in which a row without a country is read; NULL: none */
	DuplicatePolicy duplicate_policy;
	int64 replay_window;	  /* microseconds; 0: a duplicate always counts */
	int64 returning_after;	  /* the same; 0: never */
	int nmatch_rules;		  /* that act */
	int nsuggest_rules;		  /* behind those, for find_duplicates() only */
	MatchRule *match_rules;	  /* those that act, then those that suggest, in order of position; none twice */
	const char *closed_when;  /* NULL: never */
	const char *won_when;	  /* NULL: never */
	const char *route_when;	  /* NULL: always */
	const char *touched_when; /* NULL: never */
	const char *priority;	  /* of leads that wait; NULL: all alike */
	int nstages;			  /* 0: the flow has no stages, and nothing of them is looked at */
	StageConfig *stages;	  /* in order of position */
	int ntransitions;		  /* 0: every change is legal */
	TransitionConfig *transitions;
	const char *first_stage; /* of a new lead that has none; NULL: the first that is open */
	bool require_consent;	 /* nobody gets or hears of a lead without its consent */
	int nconsent_words;		 /* of the flow's own */
	struct ConsentWord *consent_words;
	int recycle_limit; /* how often a lead is recycled */
	bool archives;	   /* what is nurtured is archived after a time */
	Interval archive_after;
	bool stage_reports;	 /* stage_master = report: an illegal change is an event, no error */
	const char *segment; /* expressions that give text; NULL: there is none */
	const char *intent;
	int nsources;
	SourceConfig *sources;		  /* in order of their words */
	bool watches;				  /* there is a condition that UPDATEs are watched for; a consent column always is */
	AttachmentConfig *attachment; /* NULL where the flow has no table of its own */
	int nrules;
	RuleConfig *rules; /* in order of position */
	int nteams;
	TeamConfig *teams; /* in order of their keys */
	int nreps;
	RepConfig *reps; /* in order of their keys */
	int nskills;
	const char **skills; /* that some rep has, in order */
	bool asks_skills;	 /* some rule does */
	int nsides;
	SideConfig *sides;
	const char *link_template; /* NULL: messages carry no link */
	const char *mask_when;	   /* NULL: never */
	bool outbox_notify;		   /* who writes messages hints at them */
	int noutbox_types;
	MessageType *outbox_types;
	bool has_clocks;					/* there are policies, or clocks of those that were there */
	int npolicies;						/* 0: no clock ever starts, and nothing of them is looked at */
	PolicyConfig *policies;				/* by metric, then position */
	Interval max_backdate;				/* a lead that is older gets no clock */
	struct PredictionModel *prediction; /* predict.h; NULL: no model is published */
	bool has_accounts;					/* else no look-up is worth its while */
	bool has_aliases;					/* the same of account_aliases */
	int committee_size;					/* persons of an account that make a buying committee; 0: none does */
	Interval committee_window;			/* within which they arrive */
	struct KeptMap *maps;				/* map.c's: read when first asked for */
	struct ScoringConfig *scoring;		/* score.h; NULL: neither a model nor types of signals */

	/* the cache's own */
	MemoryContext mcxt; /* holds all of the above */
	uint64 generation;
	int pins;
	struct FlowConfig *next_retired;
} FlowConfig;

extern void lr_config_init(void);

/*
 * The flow's configuration, read with the newest snapshot unless the session's copy still holds. Never
 * NULL: an unknown flow has exists = false. It lives, even where it is replaced meanwhile, until lr_config_collect. Errors: those of
 * reading tables. Locks: AccessShareLock on the configuration tables while it reads.
 */
extern PGDLLEXPORT FlowConfig *lr_config(const char *flow);
/* The session's copy where it still holds, else NULL: reads nothing, cannot fail. */
extern FlowConfig *lr_config_cached(const char *flow);
/* Whether a row of leadroute.flows bears the name: for names that rows bring, of which there may be any number. */
extern bool lr_config_exists(const char *flow);
extern void lr_config_pin(FlowConfig *config);
extern void lr_config_unpin(FlowConfig *config);

/* Frees what was replaced and is not pinned: for the start of a statement when none is under way, and transaction end. */
extern void lr_config_collect(void);

/* Forgets the flows that were used least recently, where the session has too many; for transaction end, when nobody holds any. */
extern void lr_config_trim(void);

/* Counts the changes of any configuration that this session has heard of. */
extern uint64 lr_config_generation(void);

extern RepConfig *lr_config_rep(const FlowConfig *config, const char *rep);
extern PGDLLEXPORT TeamConfig *lr_config_team(const FlowConfig *config, const char *team);
/* The number of a skill that some rep has, or -1. */
extern int lr_config_skill(const FlowConfig *config, const char *skill);
/* NULL where no consumer asked for such messages. */
extern const MessageType *lr_config_message_type(const FlowConfig *config, const char *type);

/* The column that answers to a canonical name: the mapped one, else the name itself. */
extern const char *lr_column_name(const AttachmentConfig *attachment, const char *name);
extern bool lr_column_is_mapped(const AttachmentConfig *attachment, const char *name);
extern const char *lr_column_timezone(const AttachmentConfig *attachment, const char *name);
extern const char *lr_column_dates(const AttachmentConfig *attachment, const char *name);

#endif /* LR_CONFIG_H */
