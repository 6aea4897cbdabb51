/*
 * territory_sel.c
 *		Selectivity of the operators on territories.
 *
 * Standard statistics serve: most common values and the histogram of the btree order
 * are samples, on which the operator itself is tried. Without them the defaults are small,
 * as maps are: few territories cover a lead, hardly any cross another.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_statistic.h"
#include "fmgr.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"

#define DEFAULT_SEL 0.0005
#define JOIN_SAMPLE 40

static int sample(VariableStatData *vardata, bool allowed, AttStatsSlot *slot, Datum *values);

PG_FUNCTION_INFO_V1(lr_territory_sel);
PG_FUNCTION_INFO_V1(lr_territory_joinsel);

Datum
lr_territory_sel(PG_FUNCTION_ARGS)
{
	PlannerInfo *root = (PlannerInfo *) PG_GETARG_POINTER(0);
	Oid operator= PG_GETARG_OID(1);
	List *args = (List *) PG_GETARG_POINTER(2);
	int varRelid = PG_GETARG_INT32(3);

	PG_RETURN_FLOAT8(generic_restriction_selectivity(root, operator, PG_GET_COLLATION(), args, varRelid, DEFAULT_SEL));
}

/* A few values of one column against a few of the other. */
Datum
lr_territory_joinsel(PG_FUNCTION_ARGS)
{
	PlannerInfo *root = (PlannerInfo *) PG_GETARG_POINTER(0);
	Oid operator= PG_GETARG_OID(1);
	List *args = (List *) PG_GETARG_POINTER(2);
	SpecialJoinInfo *sjinfo = (SpecialJoinInfo *) PG_GETARG_POINTER(4);
	VariableStatData left;
	VariableStatData right;
	bool reversed;
	AttStatsSlot left_slot;
	AttStatsSlot right_slot;
	Datum left_values[JOIN_SAMPLE];
	Datum right_values[JOIN_SAMPLE];
	FmgrInfo proc;
	int nleft;
	int nright;
	double selectivity = DEFAULT_SEL;

	get_join_variables(root, args, sjinfo, &left, &right, &reversed);
	fmgr_info(get_opcode(operator), &proc);
	nleft = sample(&left, statistic_proc_security_check(&left, proc.fn_oid), &left_slot, left_values);
	nright = sample(&right, statistic_proc_security_check(&right, proc.fn_oid), &right_slot, right_values);
	if (nleft > 0 && nright > 0)
	{
		int hits = 0;

		for (int i = 0; i < nleft; i++)
			for (int j = 0; j < nright; j++)
				if (DatumGetBool(FunctionCall2Coll(&proc, PG_GET_COLLATION(), left_values[i], right_values[j])))
					hits++;
		/* none found is no proof of none */
		selectivity = Max(hits, 0.5) / ((double) nleft * nright);
	}
	if (nleft > 0)
		free_attstatsslot(&left_slot);
	if (nright > 0)
		free_attstatsslot(&right_slot);
	ReleaseVariableStats(left);
	ReleaseVariableStats(right);
	CLAMP_PROBABILITY(selectivity);
	PG_RETURN_FLOAT8(selectivity);
}

/* Evenly chosen from the histogram; 0 where there is none, and the slot is not taken then. */
static int
sample(VariableStatData *vardata, bool allowed, AttStatsSlot *slot, Datum *values)
{
	int n;

	if (!allowed || !HeapTupleIsValid(vardata->statsTuple) ||
		!get_attstatsslot(slot, vardata->statsTuple, STATISTIC_KIND_HISTOGRAM, InvalidOid, ATTSTATSSLOT_VALUES))
		return 0;
	n = Min(slot->nvalues, JOIN_SAMPLE);
	if (n == 0)
		free_attstatsslot(slot);
	for (int i = 0; i < n; i++)
		values[i] = slot->values[(int64) i * slot->nvalues / n];
	return n;
}
