/*
 * territory_io.c
 *		Territories out as text, and in and out as binary and jsonb.
 *
 * Every set has one text. A side that reaches from the bottom to the top is written as
 * what it leaves out ("!us !ca"); a prefix with single labels or prefixes taken out of it
 * as such ("94* !94105"); all else as a list of labels, prefixes and ranges. Binary is a
 * version byte and the text, so that it is as strict as text and no client encoding can
 * cut a label. jsonb is an object of arrays of the same items: {"region": ["ca", "or"]}.
 */
#include "postgres.h"

#include "compat.h"
#include "territory.h"

#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#define WIRE_VERSION 1

/* Items as they are written. */
typedef struct Writer
{
	char **items;
	int nitems;
	int maxitems;
} Writer;

static char **side_items(const LrSideView *view, int *nitems);
static void write_labels(const LrSideView *view, Writer *writer);
static int write_prefix(const LrSideView *view, int at, Writer *writer);
static bool append_simple_label(StringInfo buf, LrCut low, LrCut high);
static void append_label_range(StringInfo buf, LrCut low, bool has_high, LrCut high);
static void append_label(StringInfo buf, LrCut label);
static bool ends_exactly(LrCut cut, LrCut *label);
static bool readable_end(LrCut cut);
static void append_number_range(StringInfo buf, LrCut low, bool has_high, LrCut high);
static void append_name(StringInfo buf, const char *name, int len);
static void add_item(Writer *writer, char *item);
static bool json_side(const JsonbValue *value, const char *name, int name_len, LrSide *side);
static void json_item(const JsonbValue *value, const char *name, int name_len, LrItems *items);

PG_FUNCTION_INFO_V1(lr_territory_in);
PG_FUNCTION_INFO_V1(lr_territory_out);
PG_FUNCTION_INFO_V1(lr_territory_recv);
PG_FUNCTION_INFO_V1(lr_territory_send);
PG_FUNCTION_INFO_V1(lr_territory_from_jsonb);
PG_FUNCTION_INFO_V1(lr_territory_to_jsonb);

Datum
lr_territory_in(PG_FUNCTION_ARGS)
{
	char *text = PG_GETARG_CSTRING(0);
	struct varlena *result = lr_territory_parse(text, strlen(text), fcinfo->context);

	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(result);
}

Datum
lr_territory_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(lr_territory_text(PG_GETARG_TERRITORY(0)));
}

Datum
lr_territory_recv(PG_FUNCTION_ARGS)
{
	StringInfo buf = (StringInfo) PG_GETARG_POINTER(0);
	int version = pq_getmsgint(buf, 1);
	int len;
	char *text;

	if (version != WIRE_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("unsupported %s version number %d", "territory", version)));
	text = pq_getmsgtext(buf, buf->len - buf->cursor, &len);
	PG_RETURN_POINTER(lr_territory_parse(text, len, NULL));
}

Datum
lr_territory_send(PG_FUNCTION_ARGS)
{
	char *text = lr_territory_text(PG_GETARG_TERRITORY(0));
	StringInfoData buf;

	pq_begintypsend(&buf);
	pq_sendint8(&buf, WIRE_VERSION);
	pq_sendtext(&buf, text, strlen(text));
	pfree(text);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

char *
lr_territory_text(struct varlena *t)
{
	LrSideWalk walk;
	LrSideView view;
	StringInfoData buf;

	if (LR_IS_EMPTY(t))
		return pstrdup("empty");
	if (LR_NSIDES(t) == 0)
		return pstrdup("{}");
	initStringInfo(&buf);
	lr_side_walk(t, &walk);
	while (lr_side_walk_next(&walk, &view))
	{
		int nitems;
		char **items = side_items(&view, &nitems);

		if (buf.len > 0)
			appendStringInfoString(&buf, "; ");
		append_name(&buf, view.name, view.name_len);
		for (int i = 0; i < nitems; i++)
		{
			appendStringInfoString(&buf, i == 0 ? ": " : ", ");
			appendStringInfoString(&buf, items[i]);
		}
	}
	return buf.data;
}

/* The items of a side, as text, in order. */
static char **
side_items(const LrSideView *view, int *nitems)
{
	Writer writer = {0};

	if (view->ncuts > 1 && (view->ncuts & 1) != 0 && lr_side_cut(view, 0).len == 0)
	{
		/* bottom to top with gaps: what it leaves out */
		StringInfoData buf;

		initStringInfo(&buf);
		for (int i = 1; i < view->ncuts; i += 2)
		{
			appendStringInfoString(&buf, i == 1 ? "!" : " !");
			if (view->is_number)
				append_number_range(&buf, lr_side_cut(view, i), true, lr_side_cut(view, i + 1));
			else if (!append_simple_label(&buf, lr_side_cut(view, i), lr_side_cut(view, i + 1)))
				append_label_range(&buf, lr_side_cut(view, i), true, lr_side_cut(view, i + 1));
		}
		add_item(&writer, buf.data);
	}
	else if (view->is_number)
	{
		for (int i = 0; i < view->ncuts; i += 2)
		{
			bool has_high = i + 1 < view->ncuts;
			LrCut low = lr_side_cut(view, i);
			StringInfoData buf;

			initStringInfo(&buf);
			append_number_range(&buf, low, has_high, has_high ? lr_side_cut(view, i + 1) : low);
			add_item(&writer, buf.data);
		}
	}
	else
		write_labels(view, &writer);
	*nitems = writer.nitems;
	return writer.items;
}

static void
write_labels(const LrSideView *view, Writer *writer)
{
	int at = 0;

	while (at < view->ncuts)
	{
		bool has_high = at + 1 < view->ncuts;
		LrCut low = lr_side_cut(view, at);
		LrCut high = has_high ? lr_side_cut(view, at + 1) : low;
		StringInfoData buf;
		int after;

		initStringInfo(&buf);
		if (has_high && append_simple_label(&buf, low, high))
		{
			add_item(writer, buf.data);
			at += 2;
		}
		else if ((after = write_prefix(view, at, writer)) > at)
			at = after;
		else
		{
			append_label_range(&buf, low, has_high, high);
			add_item(writer, buf.data);
			at += 2;
		}
	}
}

/*
 * Where the intervals from "at" on are one prefix but for single labels and prefixes,
 * writes them as such and returns the cut behind them; else returns "at".
 */
static int
write_prefix(const LrSideView *view, int at, Writer *writer)
{
	LrCut low = lr_side_cut(view, at);
	LrCut prefix;
	LrCut end;
	bool without_itself = ends_exactly(low, &prefix);
	StringInfoData buf;

	if (!without_itself)
		prefix = low;
	if (prefix.len == 0 || !lr_label_next(prefix, &end))
		return at;
	initStringInfo(&buf);
	append_label(&buf, prefix);
	appendStringInfoChar(&buf, '*');
	if (without_itself)
	{
		appendStringInfoString(&buf, " !");
		append_label(&buf, prefix);
	}
	for (int i = at + 1; i < view->ncuts; i += 2)
	{
		LrCut high = lr_side_cut(view, i);
		int cmp = lr_cut_cmp(high, end);

		if (cmp == 0)
		{
			add_item(writer, buf.data);
			return i + 1;
		}
		if (cmp > 0 || i + 1 == view->ncuts)
			break;
		appendStringInfoString(&buf, " !");
		if (!append_simple_label(&buf, high, lr_side_cut(view, i + 1)))
			break;
	}
	pfree(buf.data);
	return at;
}

/* A single label or a prefix. */
static bool
append_simple_label(StringInfo buf, LrCut low, LrCut high)
{
	LrCut label;
	LrCut next;
	bool prefix;

	if (ends_exactly(high, &label) && lr_cut_cmp(low, label) == 0)
	{
		append_label(buf, low);
		return true;
	}
	if (low.len == 0 || !lr_label_next(low, &next))
		return false;
	prefix = lr_cut_cmp(next, high) == 0;
	pfree((void *) next.data);
	if (prefix)
	{
		append_label(buf, low);
		appendStringInfoChar(buf, '*');
	}
	return prefix;
}

static void
append_label_range(StringInfo buf, LrCut low, bool has_high, LrCut high)
{
	LrCut label;

	if (low.len == 0 && !has_high)
	{
		appendStringInfoChar(buf, '*');
		return;
	}
	if (ends_exactly(low, &label))
	{
		append_label(buf, label);
		appendStringInfoChar(buf, '>');
	}
	else if (low.len > 0)
		append_label(buf, low);
	appendStringInfoString(buf, "..");
	if (!has_high)
		return;
	if (ends_exactly(high, &label))
	{
		appendStringInfoChar(buf, '=');
		append_label(buf, label);
		return;
	}
	label = lr_label_previous(high);
	if (readable_end(label) || !readable_end(high))
		append_label(buf, label);
	else
	{
		appendStringInfoChar(buf, '<');
		append_label(buf, high);
	}
}

/* Quoted where it must be. */
static void
append_label(StringInfo buf, LrCut label)
{
	const char *data = (const char *) label.data;
	bool quote = label.len == 0;

	for (int i = 0; i < label.len && !quote; i++)
	{
		char c = data[i];
		bool outer = i == 0 || i == label.len - 1;

		quote = strchr(",;:*!\"[]({})<>=", c) != NULL || (c >= '\t' && c <= '\r') || (outer && c == ' ') ||
				(c == '.' && (outer || data[i + 1] == '.'));
	}
	if (!quote)
	{
		appendBinaryStringInfo(buf, data, label.len);
		return;
	}
	appendStringInfoChar(buf, '"');
	for (int i = 0; i < label.len; i++)
	{
		if (data[i] == '"')
			appendStringInfoChar(buf, '"');
		appendStringInfoChar(buf, data[i]);
	}
	appendStringInfoChar(buf, '"');
}

/* Whether a cut is "just after exactly this label". */
static bool
ends_exactly(LrCut cut, LrCut *label)
{
	if (cut.len == 0 || cut.data[cut.len - 1] != 0x01)
		return false;
	label->data = cut.data;
	label->len = cut.len - 1;
	return true;
}

static bool
readable_end(LrCut cut)
{
	uint8 last = cut.data[cut.len - 1];

	return (last >= '0' && last <= '9') || (last >= 'a' && last <= 'z') || last >= 0x80;
}

static void
append_number_range(StringInfo buf, LrCut low, bool has_high, LrCut high)
{
	StringInfoData low_text;
	StringInfoData high_text;
	bool low_in = false;
	bool high_in = false;

	initStringInfo(&low_text);
	initStringInfo(&high_text);
	if (low.len > 0)
		low_in = lr_number_to_text(low, &low_text) == low.len;
	if (has_high)
		high_in = lr_number_to_text(high, &high_text) < high.len;
	if (low_in && high_in && strcmp(low_text.data, high_text.data) == 0)
		appendStringInfo(buf, "[%s]", low_text.data);
	else
		appendStringInfo(buf, "%c%s,%s%c", low_in ? '[' : '(', low_text.data, high_text.data, high_in ? ']' : ')');
	pfree(low_text.data);
	pfree(high_text.data);
}

/* A side's name, quoted where the parser would read it otherwise. */
static void
append_name(StringInfo buf, const char *name, int len)
{
	bool quote = false;

	for (int i = 0; i < len && !quote; i++)
		quote = !((name[i] >= 'a' && name[i] <= 'z') || (name[i] >= '0' && name[i] <= '9') ||
				  name[i] == '_' || name[i] == '$' || IS_HIGHBIT_SET(name[i]));
	if (!quote)
	{
		appendBinaryStringInfo(buf, name, len);
		return;
	}
	appendStringInfoChar(buf, '"');
	for (int i = 0; i < len; i++)
	{
		if (name[i] == '"')
			appendStringInfoChar(buf, '"');
		appendStringInfoChar(buf, name[i]);
	}
	appendStringInfoChar(buf, '"');
}

static void
add_item(Writer *writer, char *item)
{
	if (writer->nitems == writer->maxitems)
	{
		writer->maxitems = Max(8, writer->maxitems * 2);
		writer->items = writer->items == NULL ? palloc(sizeof(char *) * writer->maxitems) : repalloc(writer->items, sizeof(char *) * writer->maxitems);
	}
	writer->items[writer->nitems++] = item;
}

Datum
lr_territory_to_jsonb(PG_FUNCTION_ARGS)
{
	struct varlena *t = PG_GETARG_TERRITORY(0);
	LrSideWalk walk;
	LrSideView view;
	JsonbParseState *state = NULL;
	JsonbValue value;
	JsonbValue *result;

	if (LR_IS_EMPTY(t))
	{
		value.type = jbvString;
		value.val.string.val = pstrdup("empty");
		value.val.string.len = 5;
		PG_RETURN_JSONB_P(JsonbValueToJsonb(&value));
	}
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	lr_side_walk(t, &walk);
	while (lr_side_walk_next(&walk, &view))
	{
		int nitems;
		char **items = side_items(&view, &nitems);

		value.type = jbvString;
		value.val.string.val = pnstrdup(view.name, view.name_len);
		value.val.string.len = view.name_len;
		pushJsonbValue(&state, WJB_KEY, &value);
		pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
		for (int i = 0; i < nitems; i++)
		{
			value.type = jbvString;
			value.val.string.val = items[i];
			value.val.string.len = strlen(items[i]);
			pushJsonbValue(&state, WJB_ELEM, &value);
		}
		pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	}
	result = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	PG_RETURN_JSONB_P(JsonbValueToJsonb(result));
}

/*
 * {"side": item | [item, ...], ...} or "empty"; an item is a string as in text, or a JSON
 * number n for [n]. Names are taken as they stand.
 */
Datum
lr_territory_from_jsonb(PG_FUNCTION_ARGS)
{
	Jsonb *jsonb = PG_GETARG_JSONB_P(0);
	JsonbIterator *it;
	JsonbValue value;
	JsonbIteratorToken token;
	LrSide sides[LR_TERRITORY_MAX_SIDES + 1];
	int nsides = 0;
	bool empty = false;

	lr_check_encoding();
	if (JB_ROOT_IS_SCALAR(jsonb) && JsonbExtractScalar(&jsonb->root, &value) && value.type == jbvString &&
		value.val.string.len == 5 && memcmp(value.val.string.val, "empty", 5) == 0)
		PG_RETURN_POINTER(lr_territory_empty());
	if (!JB_ROOT_IS_OBJECT(jsonb))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cannot cast this jsonb value to type territory"),
				 errdetail("It must be an object of sides, or the string \"empty\".")));

	it = JsonbIteratorInit(&jsonb->root);
	token = JsonbIteratorNext(&it, &value, true); /* the object's begin */
	while ((token = JsonbIteratorNext(&it, &value, true)) == WJB_KEY)
	{
		LrSide *side = &sides[nsides];

		if (nsides == LR_TERRITORY_MAX_SIDES)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("territory has too many sides"),
					 errdetail("At most %d are possible.", LR_TERRITORY_MAX_SIDES)));
		side->name = pnstrdup(value.val.string.val, value.val.string.len);
		side->name_len = value.val.string.len;
		if (side->name_len == 0 || side->name_len >= NAMEDATALEN)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid name of a side: \"%s\"", side->name),
					 errdetail("A name has 1 to %d bytes.", NAMEDATALEN - 1)));
		(void) JsonbIteratorNext(&it, &value, true);
		if (!json_side(&value, side->name, side->name_len, side))
			empty = true;
		nsides++;
	}
	if (empty)
		PG_RETURN_POINTER(lr_territory_empty());
	for (int i = 1; i < nsides; i++)
	{
		/* jsonb sorts keys by length first */
		LrSide side = sides[i];
		int j = i;

		for (; j > 0 && lr_side_name_cmp(sides[j - 1].name, sides[j - 1].name_len, side.name, side.name_len) > 0; j--)
			sides[j] = sides[j - 1];
		sides[j] = side;
	}
	lr_territory_fits(sides, nsides, NULL);
	PG_RETURN_POINTER(lr_territory_make(sides, nsides, 0));
}

/* Returns whether anything is in the side. */
static bool
json_side(const JsonbValue *value, const char *name, int name_len, LrSide *side)
{
	LrItems items = {0};

	if (value->type != jbvBinary)
		json_item(value, name, name_len, &items);
	else
	{
		JsonbIterator *it = JsonbIteratorInit(value->val.binary.data);
		JsonbValue item;

		if (JsonbIteratorNext(&it, &item, true) != WJB_BEGIN_ARRAY)
			json_item(value, name, name_len, &items);
		while (JsonbIteratorNext(&it, &item, true) == WJB_ELEM)
			json_item(&item, name, name_len, &items);
	}
	/* an empty array: no value is in it */
	lr_items_to_side(&items, side);
	return side->ncuts > 0;
}

static void
json_item(const JsonbValue *value, const char *name, int name_len, LrItems *items)
{
	if (value->type == jbvString)
		lr_items_parse(items, value->val.string.val, value->val.string.len, NULL, name, name_len);
	else if (value->type == jbvNumeric)
	{
		char *number = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
		char *item = psprintf("[%s]", number);

		lr_items_parse(items, item, strlen(item), NULL, name, name_len);
	}
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cannot cast this jsonb value to type territory"),
				 errdetail("Side \"%s\" must be a string, a number or an array of them.", name)));
}
