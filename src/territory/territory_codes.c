/*
 * territory_codes.c
 *		Territories whose places are codes: the labels of sides that constrain a lead's country, region or postal code, as
 *		a lead's point has them (country.c).
 *
 * Works on cuts (territory.h). What is exactly one label, or is left out of something as one label, is a place, and
 * becomes its code. What is a prefix or a range stays one, of codes: of countries and regions at least one
 * must lie in it, of postal codes the blanks and marks go. The result is its own result.
 */
#include "postgres.h"

#include <ctype.h>

#include "catalog/pg_type.h"
#include "compat.h"
#include "country.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lead.h"
#include "territory.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(lr_territory_codes_sql);

/* One territory on its way; the first problem ends it. */
typedef struct Recoding
{
	const LrSide *countries;	 /* in codes; NULL: not constrained */
	const char *only;			 /* the one country that it constrains, or NULL */
	const char *default_country; /* of rows without one, or NULL */
	char *side;
	LeadInput place;
	char *problem;
	char *hint;
} Recoding;

static bool side_place(const LrSide *side, ArrayType *sides, ArrayType *canonicals, LeadInput *place);
static bool recode(Recoding *recoding, LrSide *side);
static bool is_single(LrCut low, LrCut high);
static bool add_code(Recoding *recoding, LrItems *items, LrCut label);
static const char *region_of_any(Recoding *recoding, const char *label, int len);
static void hint_nearest(Recoding *recoding, const char *label, int len);
static bool check_range(Recoding *recoding, const LrSide *side, const LrCut *cuts, int ncuts);
static bool allows_country(const Recoding *recoding, const char *country);
static bool cuts_have(const LrCut *cuts, int ncuts, const char *code);
static LrCut postal_cut(const Recoding *recoding, LrCut cut);
static bool keeps(LrCut cut);
static const char *postal_country(const Recoding *recoding);
static bool is_hyphen_range(const char *text, int len, const char **from, const char **to, int *digits);

/*
 * place_codes(area territory, sides text[], canonicals text[], default_country text): the territory with the codes of
 * its places; or what is wrong, and a hint. "without_country": it constrains a region and no country.
 */
Datum
lr_territory_codes_sql(PG_FUNCTION_ARGS)
{
	struct varlena *area = PG_GETARG_TERRITORY(0);
	ArrayType *names = PG_GETARG_ARRAYTYPE_P(1);
	ArrayType *canonicals = PG_GETARG_ARRAYTYPE_P(2);
	Recoding recoding = {.default_country = PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3))};
	LrSide sides[LR_TERRITORY_MAX_SIDES];
	LeadInput places[LR_TERRITORY_MAX_SIDES];
	bool is_place[LR_TERRITORY_MAX_SIDES];
	int nsides = 0;
	bool has_region = false;
	LrSideWalk walk;
	LrSideView view;
	TupleDesc desc;
	Datum values[4] = {0};
	bool nulls[4] = {false, true, true, false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	lr_side_walk(area, &walk);
	while (lr_side_walk_next(&walk, &view))
	{
		sides[nsides] = lr_side_from_view(&view);
		is_place[nsides] = !view.is_number && side_place(&sides[nsides], names, canonicals, &places[nsides]);
		nsides++;
	}

	/* the country first: the others are read in it */
	for (int step = 0; step < 2 && recoding.problem == NULL; step++)
	{
		for (int i = 0; i < nsides && recoding.problem == NULL; i++)
		{
			if (!is_place[i] || (places[i] == INPUT_COUNTRY) != (step == 0))
				continue;
			recoding.place = places[i];
			recoding.side = pnstrdup(sides[i].name, sides[i].name_len);
			has_region |= places[i] == INPUT_REGION;
			if (recode(&recoding, &sides[i]) && step == 0)
			{
				const char *code;
				int found = 0;
				int at = 0;

				recoding.countries = &sides[i];
				while ((code = lr_country_next(&at)) != NULL)
				{
					if (!cuts_have(sides[i].cuts, sides[i].ncuts, code))
						continue;
					recoding.only = found++ == 0 ? code : NULL;
				}
			}
		}
	}

	if (recoding.problem)
	{
		nulls[0] = true;
		nulls[1] = false;
		values[1] = CStringGetTextDatum(recoding.problem);
		nulls[2] = recoding.hint == NULL;
		if (recoding.hint)
			values[2] = CStringGetTextDatum(recoding.hint);
	}
	else if (LR_IS_EMPTY(area))
		values[0] = PointerGetDatum(area);
	else
	{
		(void) lr_territory_fits(sides, nsides, NULL);
		values[0] = PointerGetDatum(lr_territory_make(sides, nsides, 0));
	}
	values[3] = BoolGetDatum(has_region && recoding.countries == NULL);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/* What a side constrains, by the names that the caller gave. */
static bool
side_place(const LrSide *side, ArrayType *sides, ArrayType *canonicals, LeadInput *place)
{
	Datum *names;
	Datum *inputs;
	int nnames;
	int ninputs;

	deconstruct_array(sides, TEXTOID, -1, false, TYPALIGN_INT, &names, NULL, &nnames);
	deconstruct_array(canonicals, TEXTOID, -1, false, TYPALIGN_INT, &inputs, NULL, &ninputs);
	for (int i = 0; i < Min(nnames, ninputs); i++)
	{
		text *name = DatumGetTextPP(names[i]);

		if (lr_side_name_cmp(side->name, side->name_len, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)) != 0)
			continue;
		for (*place = INPUT_COUNTRY; *place <= INPUT_POSTAL_CODE; (*place)++)
		{
			if (strcmp(TextDatumGetCString(inputs[i]), lr_input_names[*place]) == 0)
				return true;
		}
	}
	return false;
}

/* Replaces the cuts of a side; false, with the problem, where a place is not known. */
static bool
recode(Recoding *recoding, LrSide *side)
{
	LrItems items = {0}; /* what is in */
	LrItems gaps = {0};	 /* single labels that are left out of what is in */
	LrSide in = *side;
	LrSide out = *side;
	bool but = side->ncuts > 1 && (side->ncuts & 1) != 0 && side->cuts[0].len == 0; /* all but what it leaves out */
	int i = 0;

	while (i < side->ncuts)
	{
		LrCut range[2];
		int n = 0;

		if (i + 1 < side->ncuts && is_single(side->cuts[i], side->cuts[i + 1]))
		{
			if (!add_code(recoding, &items, side->cuts[i]))
				return false;
			i += 2;
			continue;
		}
		range[n++] = postal_cut(recoding, side->cuts[i]);
		for (; i + 2 < side->ncuts && is_single(side->cuts[i + 1], side->cuts[i + 2]); i += 2)
		{
			if (!add_code(recoding, &gaps, side->cuts[i + 1]))
				return false;
		}
		if (i + 1 < side->ncuts)
			range[n++] = postal_cut(recoding, side->cuts[i + 1]);
		if (!check_range(recoding, side, range, n))
			return false;
		/* a gap that is a prefix or a range */
		if (but && i + 2 < side->ncuts && !check_range(recoding, side, &side->cuts[i + 1], 2))
			return false;
		lr_items_add_range(&items, range, n);
		i += 2;
	}
	lr_items_to_side(&items, &in);
	if (gaps.npairs > 0)
	{
		lr_items_to_side(&gaps, &out);
		side->cuts = palloc_extended(sizeof(LrCut) * ((Size) in.ncuts + out.ncuts), MCXT_ALLOC_HUGE);
		side->ncuts = lr_cuts_combine(in.cuts, in.ncuts, out.cuts, out.ncuts, LR_EXCEPT, side->cuts);
	}
	else
		*side = in;
	return true;
}

/* Whether exactly one label lies between two cuts. */
static bool
is_single(LrCut low, LrCut high)
{
	return high.len == low.len + 1 && high.data[low.len] == 0x01 && memcmp(low.data, high.data, low.len) == 0;
}

/* Adds the code of the place that a label names; false, with the problem, where there is none. */
static bool
add_code(Recoding *recoding, LrItems *items, LrCut label)
{
	const char *text = (const char *) label.data;
	const char *code = NULL;
	const char *from;
	const char *to;
	int digits;
	int at = 0;

	switch (recoding->place)
	{
		case INPUT_COUNTRY:
			code = lr_country_code(text, label.len);
			break;
		case INPUT_REGION:
			/* a country whose regions nobody lists: a lead's region stays as it is written, too */
			if (recoding->only && lr_region_next(recoding->only, &at) == NULL)
				code = pnstrdup(text, label.len);
			else if (recoding->only)
				code = lr_region_code(text, label.len, recoding->only);
			else
				code = region_of_any(recoding, text, label.len);
			break;
		default:
			if (is_hyphen_range(text, label.len, &from, &to, &digits))
			{
				recoding->problem = psprintf("side \"%s\": \"%s\" is no postal code", recoding->side, pnstrdup(text, label.len));
				recoding->hint = psprintf("From one to the other is %.*s..%.*s.", digits, from, digits, to);
				break;
			}
			code = lr_postal_key(text, label.len, postal_country(recoding));
			if (code == NULL)
			{
				recoding->problem = psprintf("side \"%s\": \"%s\" is no postal code", recoding->side, pnstrdup(text, label.len));
				recoding->hint = pstrdup("A postal code has letters or digits.");
			}
			break;
	}
	if (code == NULL)
	{
		if (recoding->problem == NULL)
			hint_nearest(recoding, text, label.len);
		return false;
	}
	lr_items_add(items, lr_cut_copy(code, (int) strlen(code)));
	return true;
}

/* The code of a region of any of the countries: a code of one of them stays itself; a name must mean the same code in all. */
static const char *
region_of_any(Recoding *recoding, const char *label, int len)
{
	const char *country;
	const char *code = NULL;
	StringInfoData several;
	bool differ = false;
	int at = 0;

	initStringInfo(&several);
	while ((country = lr_country_next(&at)) != NULL)
	{
		const char *found = allows_country(recoding, country) ? lr_region_code(label, len, country) : NULL;

		if (found == NULL)
			continue;
		if ((int) strlen(found) == len && memcmp(found, label, len) == 0)
			return found;
		differ |= code && strcmp(code, found) != 0;
		code = found;
		appendStringInfo(&several, "%s\"%s\" in %s", several.len ? ", " : "", found, country);
	}
	if (!differ)
		return code;
	/* rows without a country are read in the default one */
	if (recoding->countries == NULL && recoding->default_country &&
		(code = lr_region_code(label, len, recoding->default_country)) != NULL)
		return code;
	recoding->problem = psprintf("side \"%s\": region \"%s\" has several codes", recoding->side, pnstrdup(label, len));
	recoding->hint = psprintf("Constrain the country, or give the code: %s.", several.data);
	return NULL;
}

/* The problem of a place that is not known, with the likest as a hint. */
static void
hint_nearest(Recoding *recoding, const char *label, int len)
{
	const char *text = pnstrdup(label, len);
	const char *code = NULL;
	const char *name = NULL;
	int distance = len;
	const char *country = NULL;

	if (recoding->place == INPUT_COUNTRY)
	{
		recoding->problem = psprintf("side \"%s\": no country is known as \"%s\"", recoding->side, text);
		code = lr_country_nearest(label, len, &name, &distance);
	}
	else if (recoding->only)
	{
		recoding->problem = psprintf("side \"%s\": country \"%s\" has no region \"%s\"", recoding->side, recoding->only, text);
		code = lr_region_nearest(label, len, recoding->only, &name, &distance);
	}
	else
	{
		const char *other;
		int at = 0;

		recoding->problem = psprintf(recoding->countries ? "side \"%s\": none of the countries has a region \"%s\""
														 : "side \"%s\": no country has a region \"%s\"",
									 recoding->side, text);
		while ((other = lr_country_next(&at)) != NULL)
		{
			const char *other_name;
			int other_distance;
			const char *found = allows_country(recoding, other) ? lr_region_nearest(label, len, other, &other_name, &other_distance) : NULL;

			if (found && (code == NULL || other_distance < distance))
			{
				code = found;
				name = other_name;
				distance = other_distance;
				country = other;
			}
		}
	}
	if (code == NULL)
		recoding->hint = psprintf("Name the %s, or give its ISO 3166 code.", recoding->place == INPUT_COUNTRY ? "country" : "region");
	else if (strcmp(code, name) == 0)
		recoding->hint = psprintf("The nearest is \"%s\"%s%s.", code, country ? " of country " : "", country ? country : "");
	else
		recoding->hint = psprintf("The nearest is \"%s\" (%s)%s%s.", code, name, country ? " of country " : "", country ? country : "");
}

/* A prefix or a range is of codes, so some code lies in it; one of postal codes must not have become empty. */
static bool
check_range(Recoding *recoding, const LrSide *side, const LrCut *cuts, int ncuts)
{
	const char *country;
	const char *code;
	LrSide range = *side;
	int at = 0;

	if (recoding->place == INPUT_POSTAL_CODE)
	{
		if (ncuts == 1 || lr_cut_cmp(cuts[0], cuts[1]) < 0)
			return true;
		recoding->problem = psprintf("side \"%s\": a range ends before it begins", recoding->side);
		recoding->hint = pstrdup("Postal codes are compared without blanks and marks.");
		return false;
	}
	while ((country = lr_country_next(&at)) != NULL)
	{
		int region = 0;

		if (recoding->place == INPUT_COUNTRY)
		{
			if (cuts_have(cuts, ncuts, country))
				return true;
			continue;
		}
		if (!allows_country(recoding, country))
			continue;
		/* where nobody lists the regions any may be there */
		code = lr_region_next(country, &region);
		if (code == NULL && recoding->only)
			return true;
		for (; code; code = lr_region_next(country, &region))
		{
			if (cuts_have(cuts, ncuts, code))
				return true;
		}
	}
	range.cuts = unconstify(LrCut *, cuts);
	range.ncuts = ncuts;
	recoding->problem = psprintf("no %s has a code in \"%s\"", recoding->place == INPUT_COUNTRY ? "country" : "region",
								 lr_territory_text(lr_territory_make(&range, 1, 0)));
	recoding->hint = pstrdup("Prefixes and ranges of countries and regions are of their codes; name them one by one.");
	return false;
}

static bool
allows_country(const Recoding *recoding, const char *country)
{
	return recoding->countries == NULL || cuts_have(recoding->countries->cuts, recoding->countries->ncuts, country);
}

static bool
cuts_have(const LrCut *cuts, int ncuts, const char *code)
{
	LrCut value = {(const uint8 *) code, (int) strlen(code)};
	int n = 0;

	while (n < ncuts && lr_cut_cmp(cuts[n], value) <= 0)
		n++;
	return (n & 1) != 0;
}

/*
 * A bound of postal codes without blanks and marks. One that is the next string after all that begin with a label
 * (lr_label_next) can end in a mark where that label does not: then it is that label which loses them.
 */
static LrCut
postal_cut(const Recoding *recoding, LrCut cut)
{
	const char *country = postal_country(recoding);
	bool after = cut.len > 0 && cut.data[cut.len - 1] == 0x01;
	LrCut label = {cut.data, cut.len - (after ? 1 : 0)};
	LrCut result;
	char *part;

	if (recoding->place != INPUT_POSTAL_CODE || cut.len == 0)
		return cut;
	if (!after && !keeps(cut) && !IS_HIGHBIT_SET(cut.data[cut.len - 1]))
	{
		LrCut previous = lr_label_previous(cut);

		part = keeps(previous) ? lr_postal_part((const char *) previous.data, previous.len, country) : pstrdup("");
		if (part[0] && lr_label_next(lr_cut_copy(part, (int) strlen(part)), &result))
			return result;
	}
	part = lr_postal_part((const char *) label.data, label.len, country);
	result = lr_cut_copy(part, (int) strlen(part));
	return after ? lr_cut_after(result) : result;
}

/* Whether it ends in a letter, a digit, or the hyphen that some postal codes keep. */
static bool
keeps(LrCut cut)
{
	uint8 last = cut.data[cut.len - 1];

	return last == '-' || (!IS_HIGHBIT_SET(last) && isalnum(last));
}

static const char *
postal_country(const Recoding *recoding)
{
	return recoding->countries ? recoding->only : recoding->default_country;
}

/*
 * 90000-96162: as a code it would be the single 9000096162, and cover nothing. Codes that have a hyphen (94105-1234, 1000-001) have
 * other lengths before and after it.
 */
static bool
is_hyphen_range(const char *text, int len, const char **from, const char **to, int *digits)
{
	const char *end = text + len;
	const char *at = text;
	int more;

	for (*from = at; at < end && isdigit((unsigned char) *at); at++)
		;
	*digits = (int) (at - text);
	while (at < end && *at == ' ')
		at++;
	if (at < end && *at == '-')
		at++;
	else if (end - at >= 3 && memcmp(at, "\xe2\x80\x93", 3) == 0) /* a dash */
		at += 3;
	else
		return false;
	while (at < end && *at == ' ')
		at++;
	for (*to = at; at < end && isdigit((unsigned char) *at); at++)
		;
	more = (int) (at - *to);
	return at == end && more == *digits && (more == 4 || more == 5) && memcmp(*from, *to, more) < 0;
}
