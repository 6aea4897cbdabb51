/*
 * point.c
 *		The lead as a point of the flow's maps: one label or number a side.
 *
 * Which columns of a table answer to which sides is worked out once a plan (route.c), in whose memory it lives; it goes stale
 * with the shape and the configuration, as the plan does. Nothing is locked.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "parser/parse_coerce.h"
#include "point.h"
#include "territory.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

typedef struct PointColumn
{
	const char *map;
	const char *side;
	LeadColumn column;
	bool is_number;
	bool is_place; /* a country, a region or a postal code, which the point has in canonical form */
	LeadInput place;
} PointColumn;

struct LeadPoint
{
	int ncolumns;
	PointColumn *columns;
};

static void find_side(LeadColumn *column, const LeadShape *shape, const char *side, MemoryContext mcxt);
static const char *place_code(LeadProfile *profile, LeadInput place);
static Datum as_numeric(const LeadColumn *column, Datum value, bool *isnull);

LeadPoint *
lr_point_columns(const FlowConfig *config, const LeadShape *shape)
{
	LeadPoint *points = palloc0(sizeof(LeadPoint));

	points->columns = palloc0(Max(config->nsides, 1) * sizeof(PointColumn));
	for (int i = 0; i < config->nsides; i++)
	{
		PointColumn *point = &points->columns[points->ncolumns];

		memset(point, 0, sizeof(PointColumn));
		find_side(&point->column, shape, config->sides[i].side, CurrentMemoryContext);
		if (point->column.attno == 0)
			continue;
		point->map = config->sides[i].map;
		point->side = config->sides[i].side;
		point->is_number = TypeCategory(getBaseType(point->column.type)) == TYPCATEGORY_NUMERIC;
		for (LeadInput input = INPUT_COUNTRY; !point->is_number && input <= INPUT_POSTAL_CODE; input++)
		{
			if (shape->inputs[input].attno == point->column.attno)
			{
				point->is_place = true;
				point->place = input;
			}
		}
		points->ncolumns++;
	}
	return points;
}

/* The mapped column, else the one of that name, else one that differs in case only: as leadroute.side_column() has it. */
static void
find_side(LeadColumn *column, const LeadShape *shape, const char *side, MemoryContext mcxt)
{
	const char *other = NULL;

	lr_lead_column(column, shape->desc, lr_column_name(&shape->columns, side), false, mcxt);
	if (column->attno == 0)
		lr_lead_column(column, shape->desc, side, false, mcxt);
	if (column->attno != 0)
		return;
	for (int i = 0; i < shape->desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(shape->desc, i);

		if (!attribute->attisdropped && attribute->attgenerated == '\0' && pg_strcasecmp(NameStr(attribute->attname), side) == 0 &&
			(other == NULL || strcmp(NameStr(attribute->attname), other) < 0))
			other = NameStr(attribute->attname);
	}
	lr_lead_column(column, shape->desc, other, false, mcxt);
}

struct varlena *
lr_point(const LeadPoint *points, const LeadRow *row, const char *map)
{
	LrPointSide *sides = palloc(Max(points->ncolumns, 1) * sizeof(LrPointSide));
	int n = 0;

	for (int i = 0; i < points->ncolumns; i++)
	{
		const PointColumn *point = &points->columns[i];
		LrPointSide *side = &sides[n];
		bool isnull;
		Datum value;

		if (strcmp(point->map, map) != 0)
			continue;
		memset(side, 0, sizeof(LrPointSide));
		side->side = point->side;
		side->is_number = point->is_number;
		if (point->is_number)
		{
			value = slot_getattr(row->slot, point->column.attno, &isnull);
			if (isnull)
				continue;
			side->number = as_numeric(&point->column, value, &isnull);
			if (isnull)
				continue;
		}
		else
		{
			side->label = point->is_place ? place_code(row->profile, point->place) : NULL;
			/* a place without a code is still another than those that have one */
			if (side->label == NULL)
				side->label = lr_lead_word(&point->column, row->slot);
			if (side->label == NULL)
				continue;
			side->label_len = (int) strlen(side->label);
		}
		n++;
	}
	return lr_territory_point(sides, n);
}

static const char *
place_code(LeadProfile *profile, LeadInput place)
{
	switch (place)
	{
		case INPUT_COUNTRY:
			return lr_profile_country(profile);
		case INPUT_REGION:
			return lr_profile_region(profile);
		case INPUT_POSTAL_CODE:
			return lr_profile_postal(profile);
		default:
			return NULL;
	}
}

static Datum
as_numeric(const LeadColumn *column, Datum value, bool *isnull)
{
	switch (getBaseType(column->type))
	{
		case NUMERICOID:
			return value;
		case INT2OID:
			return DirectFunctionCall1(int2_numeric, value);
		case INT4OID:
			return DirectFunctionCall1(int4_numeric, value);
		case INT8OID:
			return DirectFunctionCall1(int8_numeric, value);
		case FLOAT4OID:
			return DirectFunctionCall1(float4_numeric, value);
		case FLOAT8OID:
			return DirectFunctionCall1(float8_numeric, value);
		default:
			/* money, oid and the like: no number that a territory can mean */
			*isnull = true;
			return (Datum) 0;
	}
}
