/*
 * feature.c
 *		A column's value as a predictive model sees it. Training and prediction read values here and nowhere else, so
 *		that a lead is coded when it is inserted as it was when the model was trained.
 *
 * Reading costs no lock and no look-up; a source belongs to whoever filled it in.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "compat.h"
#include "feature.h"
#include "fold.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

/* What is looked at of a long text: folding makes it longer or shorter by little. */
#define TEXT_LOOKED_AT 400

static FeatureKind kind_of(Oid type);
static int weekday_level(int32 day, int hour, char *level);
static int clip(const char *data, int len, char *level);

void
lr_feature_source(FeatureSource *source, TupleDesc desc, AttrNumber attno, MemoryContext mcxt)
{
	Form_pg_attribute attribute = TupleDescAttr(desc, attno - 1);
	Oid output;
	bool varlena;

	source->attno = attno;
	source->type = getBaseType(attribute->atttypid);
	source->kind = kind_of(source->type);
	getTypeOutputInfo(attribute->atttypid, &output, &varlena);
	fmgr_info_cxt(output, &source->output, mcxt);
}

static FeatureKind
kind_of(Oid type)
{
	switch (type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
			return FEATURE_NUMBER;
		case BOOLOID:
			return FEATURE_BOOL;
		case DATEOID:
			return FEATURE_DATE;
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return FEATURE_TIME;
		default:
			return FEATURE_TEXT;
	}
}

bool
lr_feature_number(FeatureSource *source, Datum value, double *number)
{
	char *word;

	switch (source->type)
	{
		case INT2OID:
			*number = DatumGetInt16(value);
			return true;
		case INT4OID:
			*number = DatumGetInt32(value);
			return true;
		case INT8OID:
			*number = (double) DatumGetInt64(value);
			return true;
		case FLOAT4OID:
			*number = DatumGetFloat4(value);
			return isfinite(*number);
		case FLOAT8OID:
			*number = DatumGetFloat8(value);
			return isfinite(*number);
		case NUMERICOID:
			*number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, value));
			return isfinite(*number);
		case BOOLOID:
			*number = DatumGetBool(value);
			return true;
		case TEXTOID:
		case VARCHAROID:
		{
			text *input = (text *) PG_DETOAST_DATUM_SLICE(value, 0, TEXT_LOOKED_AT);

			return lr_feature_parse(VARDATA_ANY(input), VARSIZE_ANY_EXHDR(input), number);
		}
		default:
			if (source->kind != FEATURE_TEXT)
				return false;
			word = OutputFunctionCall(&source->output, value);
			return lr_feature_parse(word, strlen(word), number);
	}
}

bool
lr_feature_parse(const char *data, int len, double *number)
{
	char copy[64];
	char *end;

	lr_trim(&data, &len);
	if (len == 0 || len >= (int) sizeof(copy))
		return false;
	/* what strtod takes beside numbers: nan, inf, hexadecimals */
	for (int i = 0; i < len; i++)
		if (strchr("0123456789+-.eE", data[i]) == NULL || data[i] == '\0')
			return false;
	memcpy(copy, data, len);
	copy[len] = '\0';
	errno = 0;
	*number = strtod(copy, &end);
	return *end == '\0' && end != copy && isfinite(*number);
}

int
lr_feature_level(FeatureSource *source, Datum value, char *level)
{
	switch (source->kind)
	{
		case FEATURE_BOOL:
			strcpy(level, DatumGetBool(value) ? "true" : "false");
			return strlen(level);
		case FEATURE_DATE:
		{
			DateADT date = DatumGetDateADT(value);

			return DATE_NOT_FINITE(date) ? 0 : weekday_level(date, -1, level);
		}
		case FEATURE_TIME:
		{
			Timestamp stamp = DatumGetTimestamp(value);
			int64 day = stamp / USECS_PER_DAY - (stamp % USECS_PER_DAY < 0 ? 1 : 0);

			if (TIMESTAMP_NOT_FINITE(stamp))
				return 0;
			return weekday_level((int32) day, (int) ((stamp - day * USECS_PER_DAY) / USECS_PER_HOUR), level);
		}
		default:
			break;
	}
	if (source->type == TEXTOID || source->type == VARCHAROID)
	{
		text *input = VARATT_IS_EXTENDED(DatumGetPointer(value)) && !VARATT_IS_SHORT(DatumGetPointer(value))
						  ? (text *) PG_DETOAST_DATUM_SLICE(value, 0, TEXT_LOOKED_AT)
						  : (text *) DatumGetPointer(value);

		return lr_feature_fold(VARDATA_ANY(input), VARSIZE_ANY_EXHDR(input), level);
	}
	else
	{
		char *word = OutputFunctionCall(&source->output, value);

		return lr_feature_fold(word, strlen(word), level);
	}
}

/* Days count from 2000-01-01, a Saturday. */
static int
weekday_level(int32 day, int hour, char *level)
{
	static const char *const names[] = {"sat", "sun", "mon", "tue", "wed", "thu", "fri"};
	int weekday = day % 7;

	if (weekday < 0)
		weekday += 7;
	if (hour < 0)
		return snprintf(level, LEVEL_MAX, "%s", names[weekday]);
	return snprintf(level, LEVEL_MAX, "%s %02d-%02d", names[weekday], hour / 4 * 4, hour / 4 * 4 + 4);
}

int
lr_feature_fold(const char *data, int len, char *level)
{
	int n = 0;
	bool ascii = true;

	if (len > TEXT_LOOKED_AT)
		len = pg_mbcliplen(data, len, TEXT_LOOKED_AT);
	lr_trim(&data, &len);
	for (int i = 0; i < len && ascii; i++)
		ascii = !IS_HIGHBIT_SET(data[i]);
	if (!ascii)
	{
		char *folded = lr_fold(data, len, 0);

		return clip(folded, strlen(folded), level);
	}
	for (; n < len && n < LEVEL_MAX; n++)
	{
		char c = data[n];

		level[n] = c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : (unsigned char) c < 0x20 || c == 0x7f ? ' '
																								  : c;
	}
	level[n] = '\0';
	return n;
}

static int
clip(const char *data, int len, char *level)
{
	if (len > LEVEL_MAX)
		len = pg_mbcliplen(data, len, LEVEL_MAX);
	memcpy(level, data, len);
	level[len] = '\0';
	for (int i = 0; i < len; i++)
		if ((unsigned char) level[i] < 0x20 || level[i] == 0x7f)
			level[i] = ' ';
	return len;
}
