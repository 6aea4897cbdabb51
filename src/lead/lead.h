/*
 * lead.h
 *		A leads table as leadroute sees it: which column is which, and how to read and fill them.
 */
#ifndef LR_LEAD_H
#define LR_LEAD_H

#include "config.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "instant.h"
#include "utils/rel.h"

typedef enum LeadOutput
{
	OUTPUT_OWNER,
	OUTPUT_TEAM,
	OUTPUT_TERRITORY,
	OUTPUT_ROUTED_AT,
	OUTPUT_ROUTE_REASON,
	OUTPUT_ACCOUNT,
	OUTPUT_DUPLICATE_OF,
	OUTPUT_STAGE,
	OUTPUT_SCORE,
	OUTPUT_FIT,
	OUTPUT_ENGAGEMENT,
	OUTPUT_GRADE,
	OUTPUT_SLA_DUE_AT
} LeadOutput;

#define LEAD_OUTPUTS 13

/* Those that only a flow with a scoring model fills, as bits. */
#define SCORE_OUTPUTS (1 << OUTPUT_SCORE | 1 << OUTPUT_FIT | 1 << OUTPUT_ENGAGEMENT | 1 << OUTPUT_GRADE)

/* Bytes of a lead's key as text: with its flow it must fit into the rows of our indexes, a third of a page. */
#define LEAD_KEY_MAX 2000

/* Columns that say who the lead is (profile.c reads them); a condition may read any other. */
typedef enum LeadInput
{
	INPUT_EMAIL,
	INPUT_PHONE,
	INPUT_FIRST_NAME,
	INPUT_LAST_NAME,
	INPUT_COMPANY,
	INPUT_WEBSITE,
	INPUT_COUNTRY,
	INPUT_REGION,
	INPUT_POSTAL_CODE,
	INPUT_EXTERNAL_ID,
	INPUT_BIRTH_DATE,
	INPUT_CITY
} LeadInput;

#define LEAD_INPUTS 12

typedef struct LeadColumn
{
	AttrNumber attno; /* 0: the table has no such column */
	Oid type;
	int32 typmod;
	bool required; /* NOT NULL: told by the relation's own descriptor, copies do not keep it */
	bool padded;   /* a character(n), whose trailing blanks mean nothing */
	FmgrInfo output;
	FmgrInfo input; /* of output columns only */
	Oid ioparam;
} LeadColumn;

/* What is made for a shape and a flow together (plan.h). */
typedef enum PlanKind
{
	PLAN_OUTLINES,	 /* outline.c */
	PLAN_ROUTE,		 /* route.c */
	PLAN_WATCH,		 /* watch.c */
	PLAN_PREDICTION, /* predict.c */
	PLAN_SCORE,		 /* score.c */
	PLAN_READS		 /* reads.c */
} PlanKind;

#define PLAN_KINDS (PLAN_READS + 1)

typedef struct LeadShape
{
	Oid relid;
	const char *flow;		  /* the attachment's own flow */
	TupleDesc desc;			  /* a copy */
	AttachmentConfig columns; /* how the attachment maps columns: a copy */
	LeadColumn key;
	LeadColumn flow_column;
	LeadColumn deleted;
	LeadColumn submitted_at;
	InstantStyle submitted_style;
	LeadColumn inputs[LEAD_INPUTS];
	LeadColumn consent;
	LeadColumn value;
	LeadColumn name;   /* of a person, where first and last name stand in one */
	LeadColumn source; /* what brought the person: a form, a campaign */
	LeadColumn intent; /* of the source's own making */
	LeadColumn closed_at;
	InstantStyle closed_style;
	LeadColumn first_touch;
	InstantStyle first_touch_style;
	LeadColumn outputs[LEAD_OUTPUTS];
	const char *output_columns[LEAD_OUTPUTS]; /* their names in the table, whether or not they are there */
	bool fills_plainly;						  /* text and timestamptz all: filling the outputs cannot fail */
	bool guarded;							  /* a unique index of the table guards the key */
	Oid key_index;							  /* some btree that begins with the key, or InvalidOid */
	bool may_refuse;						  /* a row of a new key may yet be kept out: another unique index, a later trigger */
	bool watched;							  /* a user's AFTER ROW trigger for INSERT may read what was decided */
	bool updates_before;					  /* a trigger that fires before ours may change what an UPDATE makes of a row */
	bool updates_after;						  /* one that fires after ours may */
	struct FlowPlan *plans[PLAN_KINDS];		  /* plan.c: made for this shape, a list each */

	/* the cache's own */
	MemoryContext mcxt;
	uint64 generation; /* of the configuration it was made under */
	bool stale;
	struct LeadShape *next_retired;
} LeadShape;

/* What an output column is to hold; NULL text is an SQL NULL. */
typedef struct LeadOutputs
{
	const char *owner;
	const char *team;
	const char *territory;
	TimestampTz routed_at;
	bool has_routed_at;
	const char *route_reason;
	const char *account;
	const char *duplicate_of;
	const char *stage; /* NULL: the column stays as it is */
	bool has_score;	   /* else the next four are left as they are */
	int64 score;	   /* in hundredths, and so are the next two */
	int64 fit;
	int64 engagement;
	const char *grade;
	TimestampTz sla_due_at; /* CLOCK_NEVER: none */
	bool has_sla;			/* else the column is the source's own */
} LeadOutputs;

extern const char *const lr_output_names[LEAD_OUTPUTS];
extern const char *const lr_input_names[LEAD_INPUTS];

extern void lr_lead_init(void);

/*
 * The shape of a relation under its attachment, cached in the session until the relation or any
 * configuration changes. Errors where the key's column is not there. It lives, even where it is
 * replaced meanwhile, until lr_lead_collect.
 */
extern LeadShape *lr_lead_shape(Relation rel, const FlowConfig *attachment);
/* The session's copy where it still holds, else NULL: cannot fail. */
extern LeadShape *lr_lead_shape_cached(Oid relid, const FlowConfig *attachment);

/* Frees what was replaced: for the start of a statement when none is under way, and transaction end. */
extern void lr_lead_collect(void);

/* What shapes and plans take; and drops the plans of a flow. For transaction end too. */
extern Size lr_lead_memory(void);
extern void lr_lead_forget_flow(const char *flow);

/* A column's value as text in the current context; NULL for NULL and for a column that is not there. */
extern char *lr_lead_text(const LeadColumn *column, TupleTableSlot *slot);

/* Like lr_lead_text, but blank is NULL too: loaders write '' for nothing. */
extern char *lr_lead_word(const LeadColumn *column, TupleTableSlot *slot);

extern bool lr_lead_is_deleted(const LeadShape *shape, TupleTableSlot *slot);

/* The moment the person asked: NULL or later than now means now. May error on text that is no time. */
extern TimestampTz lr_lead_submitted_at(const LeadShape *shape, TupleTableSlot *slot, TimestampTz now);

/*
 * Whether a column takes a text that leadroute does not choose, an account's key: a number's column takes no letters. What it
 * does not take is left out; cannot fail.
 */
extern bool lr_lead_takes(const LeadColumn *column, const char *text);

/* Hundredths, none of them negative, as text that a column of numbers takes: a whole number's has them rounded. NULL for one that is not there. */
extern char *lr_lead_number(const LeadColumn *column, int64 hundredths);

/*
 * Replaces the output columns of a tuple. `which` is a bit mask of 1 << LeadOutput. Returns a new tuple in
 * the current context, or the same one where no column is there. A value that there is none of leaves a
 * NOT NULL column as it is, and the account, which a CRM may know better. Errors: those of a column's type.
 */
extern HeapTuple lr_lead_fill(const LeadShape *shape, HeapTuple tuple, const LeadOutputs *outputs, int which);

/*
 * Whether a row with this key stands in the relation, the transaction's own uncommitted work included; false where
 * no index can tell (key_index).
 */
extern bool lr_lead_stands(Relation rel, const LeadShape *shape, Datum key);
/* The same, and the row, in a slot of table_slot_create(). */
extern bool lr_lead_fetch(Relation rel, const LeadShape *shape, Datum key, TupleTableSlot *slot);

/*
 * Whether the row of a lead in the relation says the same as the slot: all columns but the key, the outputs, times, and
 * what the database fills in by itself (numbers and uuids with a default). False where no index can find the row.
 */
extern bool lr_lead_repeats(Relation rel, const LeadShape *shape, const char *lead, TupleTableSlot *slot);

/* A lead's key as its column's type has it; false where the type has no such value: the flow knew it from another table, perhaps. */
extern bool lr_lead_key(Oid type, int32 typmod, const char *lead, Datum *key);

/* The column of the table that answers to a canonical name, or to its own; InvalidAttrNumber where none does. */
extern AttrNumber lr_lead_attno(const LeadShape *shape, const char *name);

/* Whether two rows have different values in a column, by their bytes. */
extern bool lr_lead_differs(const LeadShape *shape, AttrNumber attno, TupleTableSlot *old, TupleTableSlot *new);
/* Whether they have in any of several. */
extern bool lr_lead_any_differs(const LeadShape *shape, const Bitmapset *columns, TupleTableSlot *old, TupleTableSlot *new);

extern void lr_lead_column(LeadColumn *column, TupleDesc desc, const char *name, bool fills, MemoryContext mcxt);

/* A row of the table, passed to a function as a composite value, in a slot of its own: the caller drops it. The value must outlive it. */
extern TupleTableSlot *lr_lead_slot(Relation rel, HeapTupleHeader row);

#endif /* LR_LEAD_H */
