/*
 * rekey.h
 *		The keys of leads that a statement's rows change.
 */
#ifndef LR_REKEY_H
#define LR_REKEY_H

typedef struct Statement Statement;

/*
 * One of them, noted before the row is written: its AFTER trigger tells that it stands. Where the row leaves its partition it arrives
 * in another one instead, and no AFTER UPDATE fires.
 */
typedef struct Rekey
{
	const char *flow;
	const char *from;
	const char *to;
	uint64 group; /* of the statement */
	Oid relid;	  /* that the row was in */
	bool unique;  /* an index guards the key */
	bool arrives; /* as an INSERT, in another partition */
	bool told;	  /* effect.c knows it */
} Rekey;

/* Those of a statement; but for these two all zero when it is made. */
typedef struct RekeyList
{
	Statement *statement;
	MemoryContext mcxt; /* the statement's */
	struct RekeyList *next;
	Rekey *entries;
	int n;
	int room;
	uint64 group;
	int first;	/* where to look first: AFTER triggers come in the order of BEFORE triggers */
	bool stand; /* the first of these has come: all rows are there */
} RekeyList;

extern void lr_rekeys_note(RekeyList *list, const char *flow, const char *from, const char *to, Oid relid, bool unique);

/* The one whose row, of another relation than `relid`, is about to be inserted as `lead`; or NULL. */
extern Rekey *lr_rekeys_arriving(const RekeyList *list, const char *flow, const char *lead, Oid relid);

/* For AFTER triggers: that of a key, old or new (NULL: any), among the statements under way; or NULL. */
extern Rekey *lr_rekey_find(const char *flow, const char *from, const char *to);

/*
 * Tells effect.c the rest of what statements around the current one have changed, once their rows stand: half of it
 * would look as if one lead had taken another's key.
 */
extern void lr_rekeys_tell(void);
extern void lr_rekey_tell(Rekey *rekey);

/* The statement is over, or its subtransaction aborts: it has none left. */
extern void lr_rekeys_forget(RekeyList *list);

#endif /* LR_REKEY_H */
