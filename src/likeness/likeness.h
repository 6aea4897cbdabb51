/*
 * likeness.h
 *		How alike two values of one kind are.
 */
#ifndef LR_LIKENESS_H
#define LR_LIKENESS_H

/* What a value is; the order is that of kind_names in likeness.c. */
typedef enum LrMatchKind
{
	LR_MATCH_FIRST_NAME,
	LR_MATCH_LAST_NAME,
	LR_MATCH_EMAIL,
	LR_MATCH_PHONE,
	LR_MATCH_COMPANY,
	LR_MATCH_WEBSITE,
	LR_MATCH_ADDRESS,
	LR_MATCH_POSTAL_CODE,
	LR_MATCH_CITY,
	LR_MATCH_REGION,
	LR_MATCH_COUNTRY,
	LR_MATCH_BIRTH_DATE,
	LR_MATCH_IDENTIFIER
} LrMatchKind;

/* How alike, best first; the order is that of the weights in an array, and of level_names in likeness.c. */
typedef enum LrLikeness
{
	LR_ALIKE_EXACT,
	LR_ALIKE_NEAR,	  /* a slip of the pen */
	LR_ALIKE_SIMILAR, /* a variant, or two slips */
	LR_ALIKE_CLOSE,	  /* something in common that is hardly chance */
	LR_ALIKE_WEAK,	  /* something in common that says nothing of the person */
	LR_ALIKE_DIFFERENT,
	LR_ALIKE_LEVELS
} LrLikeness;

extern bool lr_match_kind(const char *data, int len, LrMatchKind *kind);
extern const char *lr_likeness_name(LrLikeness level);
extern LrLikeness lr_likeness(LrMatchKind kind, const char *left, int left_len, const char *right, int right_len);
extern bool lr_role_mailbox(const char *local, int len);

/* Whether an e-mail's mailbox is made of a person's names (canonical values) alone, but for digits: these into *number, -1 without any. */
extern bool lr_mailbox_says_name(const char *email, int email_len, const char *first, int first_len, const char *last, int last_len, int *number);

#endif
