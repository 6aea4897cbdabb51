/*
 * account.h
 *		Which account a lead belongs to: the look-up and the one order among candidates.
 */
#ifndef LR_ACCOUNT_H
#define LR_ACCOUNT_H

#include "config.h"

/* Steps, tried in this order: the first that finds an account decides. */
typedef enum AccountStep
{
	ACCOUNT_GIVEN,	 /* the row's account column bears an account's key, or another key of it */
	ACCOUNT_WEBSITE, /* the registrable domain of the website */
	ACCOUNT_EMAIL,	 /* that of the e-mail address, unless it is public mail */
	ACCOUNT_ALIAS	 /* the company's canonical name is an alias */
} AccountStep;

#define ACCOUNT_STEPS 4

/* What more accounts than this share, a domain of free web pages perhaps, is nobody's. */
#define ACCOUNT_CANDIDATES 100

typedef struct AccountHit
{
	const char *account;
	const char *name;	 /* or NULL */
	const char *owner;	 /* a rep's key, or NULL */
	int tier;			 /* 0: none */
	const char *parent;	 /* or NULL */
	const char *decided; /* what put it behind the one before it; of the first, before the second */
	int same_name;		 /* 2: as written, 1: in canonical form or by an alias, 0: another */
	bool has_owner;		 /* an active rep */
	bool below;			 /* its parent is a candidate too */
} AccountHit;

/*
 * What a step looks for, NULL where the lead has no such value; *note may say why. In the current context. Of
 * ACCOUNT_STEPS: the company as it is written.
 */
typedef const char *(*AccountValue)(void *source, int step, const char **note);

typedef struct AccountMatch
{
	int step;						   /* an AccountStep, or ACCOUNT_STEPS where none found an account */
	const char *values[ACCOUNT_STEPS]; /* what was looked for, up to that step */
	const char *notes[ACCOUNT_STEPS];  /* why nothing was, or NULL */
	int nhits;
	AccountHit *hits; /* best first */
} AccountMatch;

/*
 * Looks the account up with the newest snapshot: an index probe a step, whatever the number of accounts. False where
 * there is none. What it returns is in the current context. The company is also asked for where several candidates
 * stand, to compare names. Locks: AccessShareLock while it reads. Errors: those of reading tables.
 */
extern bool lr_account_find(FlowConfig *config, AccountValue value, void *source, AccountMatch *match);

/* The step's name as find_account() and lead_states.account_by have it: given, website, email, alias. */
extern const char *lr_account_step_name(int step);

/* One candidate in words, as explain() has it: its owner and tier. */
extern char *lr_account_describe(const AccountHit *hit);

#endif /* LR_ACCOUNT_H */
