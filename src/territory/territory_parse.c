/*
 * territory_parse.c
 *		Text to territory.
 *
 *	territory	= "empty" | "{}" | side { ";" side } [ ";" ]
 *	side		= name ":" item { "," item }			a union
 *	item		= [ base ] { "!" base }					base but not ...; without base: everything but
 *	base		= label | label "*" | "*" | range | number | number range
 *	range		= [ label [ ">" ] ] ".." [ [ "<" | "=" ] label ]
 *
 * Labels are bare or double-quoted, folded, and end in a range at everything that begins
 * with the last one, unless "..<" (before it) or "..=" (it alone) says otherwise; ">.."
 * starts after the first. An item without base stands alone in its side: "!us, !ca"
 * would be everything, which nobody means.
 *
 * Faults are soft errors where the caller has a context for them: every function
 * returns false after one. Memory is the current context's and is left to it.
 */
#include "postgres.h"

#include "compat.h"
#include "territory.h"

#include "mb/pg_wchar.h"

typedef struct Parser
{
	const char *text; /* whole, for positions and messages */
	const char *p;
	const char *end;
	Node *escontext;
	const char *side; /* the side we are in, or NULL */
	int side_len;
} Parser;

static bool parse_sides(Parser *parser, struct varlena **result);
static bool parse_name(Parser *parser, const char **name, int *name_len);
static bool parse_item(Parser *parser, LrItems *items);
static bool parse_base(Parser *parser, LrItems *items, LrCut *cuts, int *ncuts);
static bool parse_number_range(Parser *parser, LrCut *cuts, int *ncuts);
static bool parse_number(Parser *parser, const char *stops, LrCut *number, bool *given);
static bool parse_label_base(Parser *parser, LrCut *cuts, int *ncuts);
static bool parse_label(Parser *parser, bool upper, LrCut *label, bool *given);
static bool parse_quoted(Parser *parser, StringInfo value);
static int pair_cmp(const void *a, const void *b);
static int side_by_name(const void *a, const void *b);
static bool fault(Parser *parser, const char *at, const char *format, ...) pg_attribute_printf(3, 4);
static void skip_blanks(Parser *parser);
static inline bool is_blank(char c);
static inline bool looking_at(const Parser *parser, const char *what);

/* Returns NULL after a soft error. */
struct varlena *
lr_territory_parse(const char *text, int len, Node *escontext)
{
	Parser parser = {text, text, text + len, escontext, NULL, 0};
	struct varlena *result = NULL;

	lr_check_encoding();
	if (!parse_sides(&parser, &result))
		return NULL;
	return result;
}

static bool
parse_sides(Parser *parser, struct varlena **result)
{
	LrSide sides[LR_TERRITORY_MAX_SIDES + 1];
	int nsides = 0;
	bool empty = false;

	skip_blanks(parser);
	if (looking_at(parser, "{"))
	{
		const char *start = parser->p++;

		skip_blanks(parser);
		if (!looking_at(parser, "}"))
			return fault(parser, start, "\"{\" begins \"{}\", everywhere, and nothing else");
		parser->p++;
		skip_blanks(parser);
		if (parser->p < parser->end)
			return fault(parser, parser->p, "nothing can follow \"{}\"");
		*result = lr_territory_make(NULL, 0, 0);
		return true;
	}
	if (parser->end - parser->p >= 5 && pg_strncasecmp(parser->p, "empty", 5) == 0)
	{
		const char *start = parser->p;

		parser->p += 5;
		skip_blanks(parser);
		if (parser->p == parser->end)
		{
			*result = lr_territory_empty();
			return true;
		}
		parser->p = start; /* a side of that name, or a fault */
	}
	if (parser->p == parser->end)
		return fault(parser, parser->p, "a side is missing; everywhere is \"{}\"");

	for (;;)
	{
		LrSide *side = &sides[nsides];
		LrItems items = {0};
		const char *start;

		skip_blanks(parser);
		if (parser->p == parser->end)
			break; /* after a last ";" */
		start = parser->p;
		if (nsides == LR_TERRITORY_MAX_SIDES)
			ereturn(parser->escontext, false,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("territory has too many sides"),
					 errdetail("At most %d are possible.", LR_TERRITORY_MAX_SIDES)));
		if (!parse_name(parser, &side->name, &side->name_len))
			return false;
		for (int i = 0; i < nsides; i++)
			if (lr_side_name_cmp(sides[i].name, sides[i].name_len, side->name, side->name_len) == 0)
				return fault(parser, start, "side \"%.*s\" is there twice", side->name_len, side->name);
		parser->side = side->name;
		parser->side_len = side->name_len;
		do
		{
			parser->p++; /* ":" or "," */
			if (!parse_item(parser, &items))
				return false;
		} while (looking_at(parser, ","));
		parser->side = NULL;
		lr_items_to_side(&items, side);
		empty = empty || side->ncuts == 0;
		nsides++;
		if (parser->p < parser->end)
			parser->p++; /* parse_item left us at ";" */
	}

	if (empty)
	{
		*result = lr_territory_empty();
		return true;
	}
	qsort(sides, nsides, sizeof(LrSide), side_by_name);
	if (!lr_territory_fits(sides, nsides, parser->escontext))
		return false;
	*result = lr_territory_make(sides, nsides, 0);
	return true;
}

/* A side's name up to its ":"; bare ones fold as SQL's identifiers do. */
static bool
parse_name(Parser *parser, const char **name, int *name_len)
{
	const char *start = parser->p;
	StringInfoData value;

	initStringInfo(&value);
	if (looking_at(parser, "\""))
	{
		if (!parse_quoted(parser, &value))
			return false;
	}
	else
	{
		while (parser->p < parser->end && !is_blank(*parser->p) && strchr(":;,*!\"[](){}", *parser->p) == NULL)
		{
			char c = *parser->p++;

			appendStringInfoCharMacro(&value, c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
		}
	}
	skip_blanks(parser);
	if (!looking_at(parser, ":"))
	{
		if (parser->p == parser->end)
			return fault(parser, parser->p, "\":\" is missing after the name of a side");
		return fault(parser, parser->p, "unexpected \"%.*s\" where \":\" should follow the name of a side",
					 pg_mblen(parser->p), parser->p);
	}
	if (value.len == 0)
		return fault(parser, start, "the name of a side is missing");
	if (value.len >= NAMEDATALEN)
		return fault(parser, start, "the name of a side is longer than %d bytes", NAMEDATALEN - 1);
	*name = value.data;
	*name_len = value.len;
	return true;
}

/* One item up to the "," or ";" or end behind it. */
static bool
parse_item(Parser *parser, LrItems *items)
{
	const char *start;
	LrCut *cuts = palloc(sizeof(LrCut) * 2);
	int ncuts = 0;
	LrItems without = {0};

	skip_blanks(parser);
	start = parser->p;
	if (items->alone)
		return fault(parser, start, "\"!\" without anything before it stands alone in its side; \"!a !b\" is neither a nor b");
	if (parser->p == parser->end || *parser->p == ',' || *parser->p == ';')
		return fault(parser, start, "a label or a number is missing");

	if (*parser->p != '!')
	{
		if (!parse_base(parser, items, cuts, &ncuts))
			return false;
	}
	else
	{
		if (items->any)
			return fault(parser, start, "\"!\" without anything before it stands alone in its side; \"!a !b\" is neither a nor b");
		items->alone = true;
		cuts[0] = lr_cut_copy("", 0);
		ncuts = 1;
	}
	items->any = true;

	skip_blanks(parser);
	while (looking_at(parser, "!"))
	{
		LrCut out[2];
		int nout;

		parser->p++;
		skip_blanks(parser);
		if (!parse_base(parser, items, out, &nout))
			return false;
		lr_items_add_range(&without, out, nout);
		skip_blanks(parser);
	}
	if (without.npairs > 0)
	{
		LrSide gone;
		LrCut *rest;

		lr_items_to_side(&without, &gone);
		rest = palloc_extended(sizeof(LrCut) * ((Size) ncuts + gone.ncuts), MCXT_ALLOC_HUGE);
		ncuts = lr_cuts_combine(cuts, ncuts, gone.cuts, gone.ncuts, LR_EXCEPT, rest);
		cuts = rest;
	}
	if (parser->p < parser->end && *parser->p != ',' && *parser->p != ';')
		return fault(parser, parser->p, "unexpected \"%.*s\"", pg_mblen(parser->p), parser->p);
	lr_items_add_range(items, cuts, ncuts);
	return true;
}

static bool
parse_base(Parser *parser, LrItems *items, LrCut *cuts, int *ncuts)
{
	bool is_number = looking_at(parser, "[") || looking_at(parser, "(");

	if (items->kind_known && items->is_number != is_number)
		return fault(parser, parser->p, "a side has labels or numbers, not both");
	items->kind_known = true;
	items->is_number = is_number;
	return is_number ? parse_number_range(parser, cuts, ncuts) : parse_label_base(parser, cuts, ncuts);
}

/* [n] or a range in brackets, as a range type writes it */
static bool
parse_number_range(Parser *parser, LrCut *cuts, int *ncuts)
{
	const char *start = parser->p;
	bool low_in = *parser->p++ == '[';
	bool high_in;
	bool has_low;
	bool has_high;
	LrCut low;
	LrCut high;
	int cmp;

	*ncuts = 0;
	if (!parse_number(parser, ",])", &low, &has_low))
		return false;
	if (parser->p < parser->end && *parser->p != ',')
	{
		if (*parser->p != ']' || !low_in)
			return fault(parser, start, "one number is written \"[n]\"");
		if (!has_low)
			return fault(parser, parser->p, "a number is missing");
		parser->p++;
		cuts[0] = low;
		cuts[1] = lr_cut_after(low);
		*ncuts = 2;
		return true;
	}
	if (parser->p < parser->end)
	{
		parser->p++;
		if (!parse_number(parser, "])", &high, &has_high))
			return false;
	}
	if (parser->p == parser->end)
		return fault(parser, parser->p, "\"]\" or \")\" is missing");
	high_in = *parser->p++ == ']';

	if (has_low && has_high)
	{
		cmp = lr_cut_cmp(low, high);
		if (cmp > 0)
			return fault(parser, start, "range lower bound must be less than or equal to range upper bound");
		if (cmp == 0 && !(low_in && high_in))
			return true; /* nothing lies in it */
	}
	cuts[(*ncuts)++] = !has_low ? lr_cut_copy("", 0) : low_in ? low
															  : lr_cut_after(low);
	if (has_high)
		cuts[(*ncuts)++] = high_in ? lr_cut_after(high) : high;
	return true;
}

/* A number up to one of the stops; *given says whether there is one. */
static bool
parse_number(Parser *parser, const char *stops, LrCut *number, bool *given)
{
	const char *start;
	const char *last;
	uint8 code[LR_NUMBER_MAX_CODE];
	const char *why = NULL;
	int len;

	skip_blanks(parser);
	start = parser->p;
	while (parser->p < parser->end && strchr(stops, *parser->p) == NULL && *parser->p != ';')
		parser->p++;
	last = parser->p;
	while (last > start && is_blank(last[-1]))
		last--;
	*given = last > start;
	if (parser->p < parser->end && *parser->p == ';')
		return fault(parser, parser->p, "\"]\" or \")\" is missing");
	if (!*given)
		return true;
	len = lr_number_from_text(start, last - start, code, &why);
	if (len == 0)
	{
		int shown = pg_mbcliplen(start, last - start, 40);

		return fault(parser, start, "\"%.*s\"%s %s", shown, start, shown < last - start ? "..." : "", why);
	}
	*number = lr_cut_copy(code, len);
	return true;
}

/* label, label*, *, or a range of labels */
static bool
parse_label_base(Parser *parser, LrCut *cuts, int *ncuts)
{
	const char *start = parser->p;
	LrCut label;
	LrCut high;
	bool given;
	bool after = false;
	char how = '\0';

	*ncuts = 0;
	if (!parse_label(parser, false, &label, &given))
		return false;
	if (looking_at(parser, "*"))
	{
		parser->p++;
		cuts[(*ncuts)++] = given ? label : lr_cut_copy("", 0);
		if (given && lr_label_next(label, &high))
			cuts[(*ncuts)++] = high;
		return true;
	}
	if (given && looking_at(parser, ">.."))
	{
		after = true;
		parser->p++;
	}
	if (!looking_at(parser, ".."))
	{
		if (!given)
		{
			if (parser->p == parser->end)
				return fault(parser, start, "a label or a number is missing");
			return fault(parser, start, "unexpected \"%.*s\"", pg_mblen(start), start);
		}
		cuts[0] = label;
		cuts[1] = lr_cut_after(label);
		*ncuts = 2;
		return true;
	}

	parser->p += 2;
	if (looking_at(parser, "<") || looking_at(parser, "="))
		how = *parser->p++;
	cuts[(*ncuts)++] = !given ? lr_cut_copy("", 0) : after ? lr_cut_after(label)
														   : label;
	skip_blanks(parser);
	if (!parse_label(parser, true, &high, &given))
		return false;
	if (!given)
	{
		if (how != '\0')
			return fault(parser, parser->p, "a label is missing after \"..%c\"", how);
		return true;
	}
	if (how == '<')
		cuts[(*ncuts)++] = high;
	else if (how == '=')
		cuts[(*ncuts)++] = lr_cut_after(high);
	else
	{
		LrCut next;

		if (lr_label_next(high, &next))
			cuts[(*ncuts)++] = next;
	}
	if (*ncuts == 2)
	{
		int cmp = lr_cut_cmp(cuts[0], cuts[1]);

		if (cmp > 0 || (cmp == 0 && how == '\0' && !after))
			return fault(parser, start, "the range ends before it begins");
		if (cmp == 0)
			*ncuts = 0;
	}
	return true;
}

/* A label, folded, where there is one; upper says that a range's ".." came before it. */
static bool
parse_label(Parser *parser, bool upper, LrCut *label, bool *given)
{
	const char *start = parser->p;
	StringInfoData value;
	char *folded;
	int len;

	initStringInfo(&value);
	*given = true;
	if (looking_at(parser, "\""))
	{
		if (!parse_quoted(parser, &value))
			return false;
		skip_blanks(parser);
	}
	else
	{
		while (parser->p < parser->end && strchr(",;:*!\"[({", *parser->p) == NULL &&
			   !looking_at(parser, "..") && !looking_at(parser, ">.."))
			parser->p++;
		len = parser->p - start;
		while (len > 0 && is_blank(start[len - 1]))
			len--;
		if (len == 0)
		{
			*given = false;
			return true;
		}
		appendBinaryStringInfo(&value, start, len);
	}
	if (upper && looking_at(parser, "*"))
		return fault(parser, parser->p, "a range needs no \"*\": it ends after everything that begins with its last label");
	folded = palloc(LR_LABEL_FOLDED(value.len));
	len = lr_label_fold(value.data, value.len, folded);
	if (len > LR_TERRITORY_MAX_LABEL)
		return fault(parser, start, "a label is longer than %d bytes", LR_TERRITORY_MAX_LABEL);
	*label = lr_cut_copy(folded, len);
	pfree(folded);
	pfree(value.data);
	return true;
}

/* "..." with "" for a quote */
static bool
parse_quoted(Parser *parser, StringInfo value)
{
	const char *start = parser->p++;

	for (;;)
	{
		if (parser->p == parser->end)
			return fault(parser, start, "the quote is not closed");
		if (*parser->p == '"')
		{
			parser->p++;
			if (!looking_at(parser, "\""))
				return true;
		}
		appendStringInfoCharMacro(value, *parser->p);
		parser->p++;
	}
}

/* Adds the intervals that the cuts bound. */
void
lr_items_add_range(LrItems *items, const LrCut *cuts, int ncuts)
{
	for (int i = 0; i < ncuts; i += 2)
	{
		if (items->npairs == items->maxpairs)
		{
			items->maxpairs = Max(8, items->maxpairs * 2);
			items->cuts = items->cuts == NULL ? palloc(sizeof(LrCut) * 2 * items->maxpairs) : repalloc_huge(items->cuts, sizeof(LrCut) * 2 * items->maxpairs);
		}
		items->cuts[2 * items->npairs] = cuts[i];
		if (i + 1 < ncuts)
			items->cuts[2 * items->npairs + 1] = cuts[i + 1];
		else
			items->cuts[2 * items->npairs + 1].len = -1;
		items->npairs++;
	}
}

/* The union of what was added, as cuts; name and name_len are left alone. */
void
lr_items_to_side(LrItems *items, LrSide *side)
{
	int n = 0;

	side->is_number = items->is_number;
	side->cuts = palloc_extended(sizeof(LrCut) * (2 * (Size) items->npairs + 1), MCXT_ALLOC_HUGE);
	qsort(items->cuts, items->npairs, 2 * sizeof(LrCut), pair_cmp);
	for (int i = 0; i < items->npairs; i++)
	{
		LrCut low = items->cuts[2 * i];
		LrCut high = items->cuts[2 * i + 1];

		if ((n & 1) != 0)
			break; /* open at the top */
		if (n > 0 && lr_cut_cmp(low, side->cuts[n - 1]) <= 0)
		{
			/* touches what we have: take its end back */
			if (high.len >= 0 && lr_cut_cmp(high, side->cuts[n - 1]) <= 0)
				continue;
			n--;
		}
		else
			side->cuts[n++] = low;
		if (high.len >= 0)
			side->cuts[n++] = high;
	}
	side->ncuts = n;
}

static int
pair_cmp(const void *a, const void *b)
{
	return lr_cut_cmp(*(const LrCut *) a, *(const LrCut *) b);
}

static int
side_by_name(const void *a, const void *b)
{
	const LrSide *left = a;
	const LrSide *right = b;

	return lr_side_name_cmp(left->name, left->name_len, right->name, right->name_len);
}

/* One item on its own, for jsonb. */
bool
lr_items_parse(LrItems *items, const char *text, int len, Node *escontext, const char *name, int name_len)
{
	Parser parser = {text, text, text + len, escontext, name, name_len};

	if (!parse_item(&parser, items))
		return false;
	if (parser.p < parser.end)
		return fault(&parser, parser.p, "unexpected \"%c\"", *parser.p);
	return true;
}

/* Adds exactly one label or number, given by its cut. */
void
lr_items_add(LrItems *items, LrCut value)
{
	LrCut cuts[2] = {value, lr_cut_after(value)};

	lr_items_add_range(items, cuts, 2);
}

/* Folds a label given as a value; false where it is too long. */
bool
lr_label_check(const char *label, int len, LrCut *cut)
{
	char *folded = palloc(LR_LABEL_FOLDED(len));
	int folded_len = lr_label_fold(label, len, folded);

	*cut = lr_cut_copy(folded, folded_len);
	pfree(folded);
	return folded_len <= LR_TERRITORY_MAX_LABEL;
}

/* Always false, so that callers can return it. */
static bool
fault(Parser *parser, const char *at, const char *format, ...)
{
	StringInfoData what;
	int position = pg_mbstrlen_with_len(parser->text, at - parser->text) + 1;

	initStringInfo(&what);
	for (;;)
	{
		va_list args;
		int needed;

		va_start(args, format);
		needed = appendStringInfoVA(&what, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&what, needed);
	}
	if (parser->side != NULL)
		ereturn(parser->escontext, false,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type %s: \"%s\"", "territory",
						pnstrdup(parser->text, parser->end - parser->text)),
				 errdetail("At character %d, in side \"%s\": %s.",
						   position, pnstrdup(parser->side, parser->side_len), what.data)));
	ereturn(parser->escontext, false,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input syntax for type %s: \"%s\"", "territory",
					pnstrdup(parser->text, parser->end - parser->text)),
			 errdetail("At character %d: %s.", position, what.data)));
}

static void
skip_blanks(Parser *parser)
{
	while (parser->p < parser->end && is_blank(*parser->p))
		parser->p++;
}

static inline bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline bool
looking_at(const Parser *parser, const char *what)
{
	int len = strlen(what);

	return parser->end - parser->p >= len && memcmp(parser->p, what, len) == 0;
}
