/*
 * territory.h
 *		The type territory: a box, the product of sides; a side is a set of labels or
 *		of numbers.
 *
 * One idea carries the whole type: a set on an ordered line is the sorted list of the
 * cuts where membership changes. A cut is a byte string, compared as memcmp does and
 * then by length; a value x is in the set when an odd number of cuts are <= x. So two
 * equal sets have equal bytes, an odd number of cuts means "open at the top", a first
 * cut of length 0 means "open at the bottom", and labels and numbers share all code.
 *
 *	label s				the cuts s and s\x01 (\x01 is the first character: nothing lies between)
 *	prefix s*			s and the next string after all that begin with s (lr_label_next)
 *	number n			its order-keeping code (territory_cut.c) and that code followed by \x01
 *
 * A side that is not in the list is not constrained: every value and NULL are in it.
 * `region: *` is another thing, every label but not NULL.
 *
 * On disk, after the varlena header (all integers unaligned, little end first):
 *	1	flags: high four bits the format (1), low four LR_TERRITORY_*
 *	1	number of sides
 *	for each side, sorted by name:
 *	1	length of the name, then the name
 *	1	bit 0: numbers; bits 1-2: width w of the integers below (0: 1, 1: 2, 2: 4 bytes)
 *	w	number of cuts (at least 1)
 *	w*n	where each cut ends, counted from the start of the data
 *	...	data: the cuts, one after the other
 * The width is the least that holds both the number of cuts and the length of the data.
 */
#ifndef LR_TERRITORY_H
#define LR_TERRITORY_H

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "nodes/nodes.h"

/* Limits; the user's reference states them. */
#define LR_TERRITORY_MAX_SIDES 32
#define LR_TERRITORY_MAX_INTERVALS 10000	/* of one side */
#define LR_TERRITORY_MAX_LABEL 255			/* bytes, folded */
#define LR_TERRITORY_MAX_DIGITS 248			/* before, and after the decimal point */
#define LR_TERRITORY_MAX_SIZE (1024 * 1024) /* bytes */
#define LR_POINT_MAX_SIDES 255

#define LR_TERRITORY_FORMAT 0x10
#define LR_TERRITORY_EMPTY 0x01
#define LR_TERRITORY_HAS_EMPTY 0x02 /* index keys: an empty one is below */
#define LR_TERRITORY_LOSSY 0x04		/* index keys: larger than what it stands for */

/* ---- For routing ---- */

/* One column of a lead. Not passed at all where it is NULL. */
typedef struct LrPointSide
{
	const char *side; /* the side's name, exactly */
	bool is_number;
	const char *label; /* not folded yet, need not be terminated */
	int label_len;
	Datum number; /* numeric */
} LrPointSide;

/* What lr_territory_sides tells of a side. */
typedef struct LrSideInfo
{
	char *name; /* palloc'd, terminated */
	bool is_number;
} LrSideInfo;

/*
 * The territory that is exactly this point, palloc'd. Sides come in any order, names
 * are unique. A number that is NaN or infinite is left out, as a NULL is: the point then
 * lies outside every territory that constrains the side. Values beyond the limits are
 * shortened in a way that no territory can tell. At most LR_POINT_MAX_SIDES,
 * with names shorter than NAMEDATALEN.
 */
extern struct varlena *lr_territory_point(const LrPointSide *sides, int nsides);

/* All points of b are in a. Inputs detoasted, a short header may stay. Allocates nothing. */
extern bool lr_territory_contains(struct varlena *a, struct varlena *b);
extern bool lr_territory_overlaps(struct varlena *a, struct varlena *b);

/* They share points and neither lies strictly inside the other. */
extern bool lr_territory_crosses(struct varlena *a, struct varlena *b);

/*
 * The btree order. An area sorts before every other area that contains it, so that the
 * least of those that cover a lead is the innermost.
 */
extern int lr_territory_cmp(struct varlena *a, struct varlena *b);

/* Names and kinds of the sides, in order of name; returns how many. *sides is palloc'd. */
extern int lr_territory_sides(struct varlena *t, LrSideInfo **sides);

/* Canonical text, palloc'd. */
extern char *lr_territory_text(struct varlena *t);

/* ---- Inside territory_*.c ---- */

typedef struct LrCut
{
	const uint8 *data;
	int len;
} LrCut;

/* A side being built or combined. */
typedef struct LrSide
{
	const char *name;
	int name_len;
	bool is_number;
	int ncuts;
	LrCut *cuts;
} LrSide;

/* A side as it lies in a datum. */
typedef struct LrSideView
{
	const char *name;
	int name_len;
	bool is_number;
	uint8 width; /* of the integers, 1, 2 or 4 */
	int ncuts;
	const uint8 *ends;
	const uint8 *data;
} LrSideView;

/* A walk over the sides of a datum. */
typedef struct LrSideWalk
{
	const uint8 *next;
	int left;
} LrSideWalk;

/* What the items of a side have in common, and what they came to; zeroed to begin. */
typedef struct LrItems
{
	bool any;	/* an item was read */
	bool alone; /* it has no base */
	bool is_number;
	bool kind_known;
	LrCut *cuts; /* intervals in pairs, unsorted; length -1: open at the top */
	int npairs;
	int maxpairs;
} LrItems;

typedef enum LrSetOp
{
	LR_UNION,
	LR_INTERSECT,
	LR_EXCEPT
} LrSetOp;

#define LR_FLAGS(t) (*(const uint8 *) VARDATA_ANY(t))
#define LR_IS_EMPTY(t) ((LR_FLAGS(t) & LR_TERRITORY_EMPTY) != 0)
#define LR_NSIDES(t) (((const uint8 *) VARDATA_ANY(t))[1])

#define PG_GETARG_TERRITORY(n) PG_GETARG_VARLENA_PP(n)

/* territory_core.c */
extern void lr_side_walk(struct varlena *t, LrSideWalk *walk);
extern bool lr_side_walk_next(LrSideWalk *walk, LrSideView *view);
extern LrCut lr_side_cut(const LrSideView *view, int i);
extern LrSide lr_side_from_view(const LrSideView *view);
extern int lr_side_name_cmp(const char *a, int a_len, const char *b, int b_len);
extern int lr_cut_cmp(LrCut a, LrCut b);
extern int lr_cuts_combine(const LrCut *a, int na, const LrCut *b, int nb, LrSetOp op, LrCut *result);
extern bool lr_side_contains(const LrSideView *a, const LrSideView *b);
extern struct varlena *lr_territory_make(const LrSide *sides, int nsides, uint8 flags);
extern struct varlena *lr_territory_empty(void);
extern struct varlena *lr_territory_intersect(struct varlena *a, struct varlena *b);
extern bool lr_territory_equal(struct varlena *a, struct varlena *b);
extern bool lr_territory_fits(const LrSide *sides, int nsides, Node *escontext);

/* territory_cut.c */
extern void lr_check_encoding(void);
extern int lr_label_fold(const char *label, int len, char *result);
extern LrCut lr_cut_copy(const void *data, int len);
extern LrCut lr_cut_after(LrCut value);
extern bool lr_label_next(LrCut label, LrCut *next);
extern LrCut lr_label_previous(LrCut cut);
extern int lr_number_from_text(const char *text, int len, uint8 *code, const char **why);
extern int lr_number_from_numeric(Datum number, uint8 *code);
extern int lr_number_to_text(LrCut cut, StringInfo buf);

/* the longest code of a number, point or not; the growth of a label when it folds */
#define LR_NUMBER_MAX_CODE 256
#define LR_LABEL_FOLDED(len) ((len) *2 + 1)

/* territory_parse.c */
extern struct varlena *lr_territory_parse(const char *text, int len, Node *escontext);
extern bool lr_items_parse(LrItems *items, const char *text, int len, Node *escontext,
						   const char *name, int name_len);
extern void lr_items_add(LrItems *items, LrCut value);
extern void lr_items_add_range(LrItems *items, const LrCut *cuts, int ncuts);
extern void lr_items_to_side(LrItems *items, LrSide *side);
extern bool lr_label_check(const char *label, int len, LrCut *cut);

#endif /* LR_TERRITORY_H */
