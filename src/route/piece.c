/*
 * piece.c
 *		Which rules a text may meet that ask for pieces of it: title LIKE '%chief%'.
 *
 * Each piece is filed under three of its bytes in a row, the three that the fewest others are filed under. A text is then walked through once: for each three bytes
 * of it that some piece is filed under, that piece is compared. So many rules over one expression cost one evaluation of that and one walk, and only those
 * whose piece is there are evaluated, by LIKE itself. A rule with a piece of less than three bytes is not filed, and always evaluated.
 *
 * Memory: everything lies in the rules' context and goes with it.
 */
#include "postgres.h"

#include "condition.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "piece.h"
#include "utils/memutils.h"

#define WORD_BITS 64
#define GRAM 3
#define SEEN_BITS 4096

typedef struct Piece
{
	struct Piece *next; /* of the same three bytes */
	int rule;
	int at; /* where these begin in it */
	int len;
	char text[FLEXIBLE_ARRAY_MEMBER];
} Piece;

typedef struct Gram
{
	uint32 bytes;
	int npieces;
	Piece *first;
	char status;
} Gram;

#define SH_PREFIX gram
#define SH_ELEMENT_TYPE Gram
#define SH_KEY_TYPE uint32
#define SH_KEY bytes
#define SH_HASH_KEY(table, key) ((key) *UINT32_C(2654435769))
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DEFINE
#define SH_DECLARE
#include "lib/simplehash.h"

struct PieceIndex
{
	MemoryContext mcxt;
	Expr *expr;
	ExprState *state;
	ExprContext *econtext;
	int nwords;
	uint64 *untested; /* the rules that it knows nothing of */
	gram_hash *grams;
	uint64 seen[SEEN_BITS / WORD_BITS]; /* which three bytes there may be: most of a text's are none */
};

static void file(PieceIndex *index, int rule, const char *text);
static uint32 gram_of(const char *at);
static uint32 seen_bit(uint32 bytes);

PieceIndex *
lr_pieces_make(const Expr *expr, int nrules, MemoryContext mcxt)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(mcxt);
	PieceIndex *index = palloc0(sizeof(PieceIndex));

	index->mcxt = mcxt;
	index->expr = copyObject(unconstify(Expr *, expr));
	index->state = lr_condition_part(index->expr);
	index->econtext = CreateStandaloneExprContext();
	index->nwords = Max((nrules + WORD_BITS - 1) / WORD_BITS, 1);
	index->untested = palloc(index->nwords * sizeof(uint64));
	memset(index->untested, 0xFF, index->nwords * sizeof(uint64));
	index->grams = gram_create(mcxt, 16, NULL);
	MemoryContextSwitchTo(oldcontext);
	return index;
}

bool
lr_pieces_are_of(const PieceIndex *index, const Expr *expr)
{
	return equal(index->expr, expr);
}

/* First the pieces, then that the rule is tested: half of this, where memory runs out, excludes nothing wrongly. */
void
lr_pieces_add(PieceIndex *index, int rule, const List *pieces)
{
	ListCell *cell;

	foreach(cell, pieces)
		if (strlen(lfirst(cell)) < GRAM)
			return;
	foreach(cell, pieces)
		file(index, rule, lfirst(cell));
	index->untested[rule / WORD_BITS] &= ~(UINT64CONST(1) << rule % WORD_BITS);
}

static void
file(PieceIndex *index, int rule, const char *text)
{
	int len = (int) strlen(text);
	Piece *piece = MemoryContextAlloc(index->mcxt, offsetof(Piece, text) + len);
	int least = INT_MAX;
	Gram *gram;
	bool found;

	piece->rule = rule;
	piece->len = len;
	memcpy(piece->text, text, len);
	for (int at = 0; at + GRAM <= len; at++)
	{
		const Gram *known = gram_lookup(index->grams, gram_of(text + at));
		int npieces = known ? known->npieces : 0;

		/* the last of equals: what patterns differ in stands behind as often as before, but a blank before is common */
		if (npieces > least)
			continue;
		least = npieces;
		piece->at = at;
	}
	gram = gram_insert(index->grams, gram_of(text + piece->at), &found);
	if (!found)
	{
		gram->npieces = 0;
		gram->first = NULL;
	}
	piece->next = gram->first;
	gram->first = piece;
	gram->npieces++;
	index->seen[seen_bit(gram->bytes) / WORD_BITS] |= UINT64CONST(1) << seen_bit(gram->bytes) % WORD_BITS;
}

static uint32
gram_of(const char *at)
{
	const uint8 *bytes = (const uint8 *) at;

	return (uint32) bytes[0] << 16 | (uint32) bytes[1] << 8 | bytes[2];
}

static uint32
seen_bit(uint32 bytes)
{
	return bytes * UINT32_C(2654435769) >> 20;
}

void
lr_pieces_find(PieceIndex *index, TupleTableSlot *row, uint64 *passes)
{
	bool isnull;
	Datum value;
	const text *whole;
	const char *data;
	int len;

	ResetExprContext(index->econtext);
	index->econtext->ecxt_outertuple = row;
	value = ExecEvalExprSwitchContext(index->state, index->econtext, &isnull);
	memcpy(passes, index->untested, index->nwords * sizeof(uint64));
	if (isnull)
		return;

	whole = (const text *) PG_DETOAST_DATUM_PACKED(value);
	data = VARDATA_ANY(whole);
	len = (int) VARSIZE_ANY_EXHDR(whole);
	for (int at = 0; at + GRAM <= len; at++)
	{
		uint32 bytes = gram_of(data + at);
		uint32 bit = seen_bit(bytes);
		const Gram *gram;

		if ((index->seen[bit / WORD_BITS] & UINT64CONST(1) << bit % WORD_BITS) == 0)
			continue;
		gram = gram_lookup(index->grams, bytes);
		for (const Piece *piece = gram ? gram->first : NULL; piece; piece = piece->next)
			if (at >= piece->at && at - piece->at + piece->len <= len && memcmp(data + at - piece->at, piece->text, piece->len) == 0)
				passes[piece->rule / WORD_BITS] |= UINT64CONST(1) << piece->rule % WORD_BITS;
	}
	if ((const void *) whole != (const void *) DatumGetPointer(value))
		pfree(unconstify(text *, whole));
}
