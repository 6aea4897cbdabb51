/*
 * match_score.c
 *		What two leads' values weigh together, as Fellegi and Sunter have it (1969).
 *
 * Each field that both leads have adds the binary logarithm of how much more often its level
 * of likeness is found between two rows of one lead than between rows of two. Three things are
 * not independent and are treated apart:
 * - first and last name may have changed places: then they weigh as far as they agree crosswise;
 * - what a company or a household shares (phone, company, address, place) is one evidence: all of
 *   it together counts up to a limit;
 * - and up to a lower limit where those it is about are known to differ (a name is different, or
 *   two companies at one address) or are unknown: colleagues share all of it.
 */
#include "postgres.h"

#include "compat.h"
#include "fmgr.h"
#include "match_score.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(lr_likeness_sql);

/* names that have changed places: how much rarer than names that have not, in bits, and from where on it is believed */
#define SWAP_BITS 3.0
#define SWAP_LEAST 6.0

static bool says_the_name(const Comparison *c, int field);
static bool is_made_of(const Side *side, int field, int first, int last, int *number);
static int compare(const Comparison *c, int field, int other_field, double *bits);
static double most(const Comparison *c, int field);
static bool crosswise(Comparison *c);
static bool is_name(LrMatchKind kind);
static bool is_context(LrMatchKind kind);

/* likeness(kind text, value text, other text) RETURNS text */
Datum
lr_likeness_sql(PG_FUNCTION_ARGS)
{
	text *name = PG_GETARG_TEXT_PP(0);
	text *left = PG_GETARG_TEXT_PP(1);
	text *right = PG_GETARG_TEXT_PP(2);
	LrMatchKind kind;

	if (!lr_match_kind(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name), &kind))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("kind cannot be \"%s\"", text_to_cstring(name)),
				 errhint("The kinds are those that leadroute.match_levels() lists.")));
	if (VARSIZE_ANY_EXHDR(left) == 0 || VARSIZE_ANY_EXHDR(right) == 0)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(lr_likeness_name(lr_likeness(kind, VARDATA_ANY(left), VARSIZE_ANY_EXHDR(left),
																  VARDATA_ANY(right), VARSIZE_ANY_EXHDR(right)))));
}

bool
lr_match_weigh(Comparison *c, double at_least)
{
	bool named = false;
	bool conflict = false;
	bool people = false;
	int company = -1;
	double context = 0;
	double total = 0;
	double limit;
	double open = 0;

	c->swapped = false;
	/* names first: what they say bounds what the rest can */
	for (int i = 0; i < c->n; i++)
	{
		c->level[i] = -1;
		c->bits[i] = 0;
		if (!is_name(c->kind[i]))
			continue;
		people |= !c->left.null[i] || !c->right.null[i];
		c->level[i] = compare(c, i, i, &c->bits[i]);
	}
	named = crosswise(c);
	for (int i = 0; i < c->n; i++)
	{
		if (is_name(c->kind[i]))
		{
			conflict |= c->level[i] == LR_ALIKE_DIFFERENT;
			total += c->bits[i];
		}
		/* who is no person is the company */
		else if (!people && c->kind[i] == LR_MATCH_COMPANY)
		{
			c->level[i] = compare(c, i, i, &c->bits[i]);
			if (c->level[i] < 0)
				continue;
			named = true;
			company = i;
			conflict |= c->level[i] == LR_ALIKE_DIFFERENT;
			total += c->bits[i];
		}
		else if (!is_context(c->kind[i]))
			open += most(c, i);
	}
	limit = named && !conflict ? c->context_limit : c->conflict_limit;

	/* of its own, then what is shared; most pairs are out of reach before the dear comparisons */
	for (int i = 0; i < c->n; i++)
	{
		if (is_name(c->kind[i]) || is_context(c->kind[i]))
			continue;
		if (total + open + limit < at_least)
			return false;
		open -= most(c, i);
		c->level[i] = compare(c, i, i, &c->bits[i]);
		if (c->kind[i] == LR_MATCH_EMAIL && (c->level[i] == LR_ALIKE_SIMILAR || c->level[i] == LR_ALIKE_CLOSE) && says_the_name(c, i))
		{
			c->level[i] = LR_ALIKE_WEAK;
			c->bits[i] = Min(c->bits[i], c->weights[i * LR_ALIKE_LEVELS + LR_ALIKE_WEAK]);
		}
		/* a father and his son */
		if (c->kind[i] == LR_MATCH_BIRTH_DATE && c->level[i] == LR_ALIKE_DIFFERENT)
			limit = c->conflict_limit;
		total += c->bits[i];
	}
	if (total + limit < at_least)
		return false;
	for (int i = 0; i < c->n; i++)
	{
		if (!is_context(c->kind[i]) || i == company)
			continue;
		if (c->level[i] < 0)
			c->level[i] = compare(c, i, i, &c->bits[i]);
		context += c->bits[i];
	}
	total += Min(context, limit);
	if (total < at_least)
		return false;

	c->total = total;
	return true;
}

const char *
lr_match_level(const Comparison *c, int field)
{
	if (c->level[field] < 0)
		return NULL;
	return is_name(c->kind[field]) && c->swapped ? "swapped" : lr_likeness_name((LrLikeness) c->level[field]);
}

/* Whether the mailboxes of both say no more than the names, which have been compared. */
static bool
says_the_name(const Comparison *c, int field)
{
	int first = -1;
	int last = -1;
	int number[2];

	for (int i = c->n - 1; i >= 0; i--)
	{
		if (c->kind[i] == LR_MATCH_FIRST_NAME)
			first = i;
		else if (c->kind[i] == LR_MATCH_LAST_NAME)
			last = i;
	}
	if (first < 0 || last < 0 || c->level[first] < 0 || c->level[last] < 0)
		return false;
	return is_made_of(&c->left, field, first, last, &number[0]) && is_made_of(&c->right, field, first, last, &number[1]) &&
		   (number[0] != number[1] || number[0] < 0);
}

static bool
is_made_of(const Side *side, int field, int first, int last, int *number)
{
	struct varlena *email = (struct varlena *) DatumGetPointer(side->value[field]);
	struct varlena *first_name = (struct varlena *) DatumGetPointer(side->value[first]);
	struct varlena *last_name = (struct varlena *) DatumGetPointer(side->value[last]);

	return lr_mailbox_says_name(VARDATA_ANY(email), VARSIZE_ANY_EXHDR(email), VARDATA_ANY(first_name), VARSIZE_ANY_EXHDR(first_name),
								VARDATA_ANY(last_name), VARSIZE_ANY_EXHDR(last_name), number);
}

/* The left lead's field against the right one's; what it weighs into *bits. -1 where one is missing. */
static int
compare(const Comparison *c, int field, int other_field, double *bits)
{
	LrLikeness level;
	struct varlena *left;
	struct varlena *right;

	*bits = 0;
	if (c->left.null[field] || c->right.null[other_field])
		return -1;
	left = (struct varlena *) DatumGetPointer(c->left.value[field]);
	right = (struct varlena *) DatumGetPointer(c->right.value[other_field]);
	level = lr_likeness(c->kind[field], VARDATA_ANY(left), VARSIZE_ANY_EXHDR(left), VARDATA_ANY(right), VARSIZE_ANY_EXHDR(right));
	if (level == LR_ALIKE_EXACT && c->by_frequency[field])
		*bits = c->exact[field];
	else
		*bits = c->weights[field * LR_ALIKE_LEVELS + level];
	return level;
}

/* What a field can weigh at most. */
static double
most(const Comparison *c, int field)
{
	double bits = 0;

	for (int level = 0; level < LR_ALIKE_LEVELS; level++)
		bits = Max(bits, c->weights[field * LR_ALIKE_LEVELS + level]);
	return c->by_frequency[field] ? Max(bits, c->exact[field]) : bits;
}

/*
 * Whether names were compared. Where they agree better crosswise, that is what they weigh: half of it stands
 * at each, so that evidence adds up.
 */
static bool
crosswise(Comparison *c)
{
	int first = -1;
	int last = -1;
	int level[2];
	double bits[2];
	double straight;

	for (int i = c->n - 1; i >= 0; i--)
	{
		if (c->kind[i] == LR_MATCH_FIRST_NAME)
			first = i;
		else if (c->kind[i] == LR_MATCH_LAST_NAME)
			last = i;
	}
	if (first < 0 || last < 0)
		return (first >= 0 && c->level[first] >= 0) || (last >= 0 && c->level[last] >= 0);
	straight = c->bits[first] + c->bits[last];
	level[0] = compare(c, first, last, &bits[0]);
	level[1] = compare(c, last, first, &bits[1]);
	if ((level[0] >= 0 || level[1] >= 0) && bits[0] + bits[1] - SWAP_BITS > Max(straight, SWAP_LEAST))
	{
		c->level[first] = level[0];
		c->level[last] = level[1];
		c->bits[first] = bits[0] - (level[0] < 0 ? 0 : level[1] < 0 ? SWAP_BITS
																	: SWAP_BITS / 2);
		c->bits[last] = bits[1] - (level[1] < 0 ? 0 : level[0] < 0 ? SWAP_BITS
																   : SWAP_BITS / 2);
		c->swapped = true;
	}
	return c->level[first] >= 0 || c->level[last] >= 0;
}

static bool
is_name(LrMatchKind kind)
{
	return kind == LR_MATCH_FIRST_NAME || kind == LR_MATCH_LAST_NAME;
}

/* What those have in common who work or live together. */
static bool
is_context(LrMatchKind kind)
{
	switch (kind)
	{
		case LR_MATCH_PHONE:
		case LR_MATCH_COMPANY:
		case LR_MATCH_WEBSITE:
		case LR_MATCH_ADDRESS:
		case LR_MATCH_POSTAL_CODE:
		case LR_MATCH_CITY:
		case LR_MATCH_REGION:
		case LR_MATCH_COUNTRY:
			return true;
		default:
			return false;
	}
}
