/*
 * report.c
 *		Lists of numbers in order, as the reports keep them: leadroute.merge_numbers().
 *
 * A pure function of its arguments. What a day's figures hold of times is such a list, a number a lead; a lead that changed takes its
 * number out and puts another in, which must not cost a sort.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"

PG_FUNCTION_INFO_V1(lr_sql_merge_numbers);

typedef struct Numbers
{
	const int32 *values;
	int count;
} Numbers;

static Numbers numbers_of(FunctionCallInfo fcinfo, int argument);

/* merge_numbers(numbers integer[], comes integer[], goes integer[]) RETURNS integer[] */
Datum
lr_sql_merge_numbers(PG_FUNCTION_ARGS)
{
	Numbers stay = numbers_of(fcinfo, 0);
	Numbers come = numbers_of(fcinfo, 1);
	Numbers go = numbers_of(fcinfo, 2);
	int count = stay.count + come.count - go.count;
	ArrayType *result;
	int32 *out;
	int s = 0, c = 0, g = 0, n = 0;

	if (count > 0)
	{
		Size size = ARR_OVERHEAD_NONULLS(1) + (Size) count * sizeof(int32);

		result = palloc0(size);
		SET_VARSIZE(result, size);
		result->ndim = 1;
		result->dataoffset = 0;
		result->elemtype = INT4OID;
		ARR_DIMS(result)
		[0] = count;
		ARR_LBOUND(result)
		[0] = 1;
		out = (int32 *) ARR_DATA_PTR(result);
	}
	else
	{
		result = NULL;
		out = NULL;
	}
	while (s < stay.count || c < come.count)
	{
		int32 value = c >= come.count || (s < stay.count && stay.values[s] <= come.values[c]) ? stay.values[s++] : come.values[c++];

		if (g < go.count && go.values[g] == value)
			g++;
		else if (n < count)
			out[n++] = value;
		else
			break;
	}
	if (g < go.count || n < count)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("a number that is to go is not in the list"),
						errhint("Have the reports worked out anew: SELECT leadroute.rebuild_reports().")));
	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_ARRAYTYPE_P(result);
}

static Numbers
numbers_of(FunctionCallInfo fcinfo, int argument)
{
	Numbers numbers = {NULL, 0};

	if (!PG_ARGISNULL(argument))
	{
		ArrayType *array = PG_GETARG_ARRAYTYPE_P(argument);

		if (ARR_NDIM(array) > 1 || ARR_ELEMTYPE(array) != INT4OID || array_contains_nulls(array))
			elog(ERROR, "not a list of numbers");
		numbers.values = (const int32 *) ARR_DATA_PTR(array);
		numbers.count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	}
	return numbers;
}
