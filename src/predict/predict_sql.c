/*
 * predict_sql.c
 *		predict() for rows: entry point only, see predict.c.
 *
 * The model is read as the extension's owner: who may ask about a row need not be able to read coefficients. A call site keeps the
 * model and the layout of its rows (fn_extra) until the configuration changes.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "ask.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "funcapi.h"
#include "owner.h"
#include "predict.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(lr_predict_row_sql);

typedef struct PredictSite
{
	MemoryContext mcxt;
	uint64 generation;
	Oid type;
	int32 typmod;
	char *flow;
	char *chosen; /* the model, or NULL: the published one */
	int version;
	PredictionModel *model;
	PredictionPlan *plan;
	TupleTableSlot *slot;
} PredictSite;

static PredictSite *find_site(FunctionCallInfo fcinfo, Oid type, int32 typmod, const char *flow, const char *chosen, int version);

/* predict("row" record, flow text, model text, version integer): probability, model, version, reasons. */
Datum
lr_predict_row_sql(PG_FUNCTION_ARGS)
{
	HeapTupleHeader header;
	HeapTupleData tuple;
	PredictSite *site;
	Prediction prediction;
	TupleDesc desc;
	Datum values[4];
	bool nulls[4] = {false};
	char *reasons[PREDICTION_REASONS];
	int version;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	header = PG_GETARG_HEAPTUPLEHEADER(0);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	site = find_site(fcinfo, HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header), text_to_cstring(PG_GETARG_TEXT_PP(1)),
					 PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2)), PG_ARGISNULL(3) ? 0 : PG_GETARG_INT32(3));
	if (site->model == NULL)
		PG_RETURN_NULL();
	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	ExecStoreHeapTuple(&tuple, site->slot, false);
	lr_predict_row(site->plan, site->slot, &prediction);
	ExecClearTuple(site->slot);

	for (int i = 0; i < prediction.nreasons; i++)
		reasons[i] = lr_predict_reason(site->model, &prediction.reasons[i]);
	values[0] = Float8GetDatum(prediction.probability);
	values[1] = CStringGetTextDatum(lr_predict_model(site->model, &version));
	values[2] = Int32GetDatum(version);
	values[3] = lr_text_array(reasons, prediction.nreasons);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

static PredictSite *
find_site(FunctionCallInfo fcinfo, Oid type, int32 typmod, const char *flow, const char *chosen, int version)
{
	PredictSite *site = fcinfo->flinfo->fn_extra;
	MemoryContext mcxt;
	MemoryContext oldcontext;
	FlowConfig *config = lr_config(flow);
	FlowTable table;
	TupleDesc row;

	if (site && site->generation == config->generation && site->type == type && site->typmod == typmod && strcmp(site->flow, flow) == 0 &&
		(chosen ? site->chosen && strcmp(site->chosen, chosen) == 0 : site->chosen == NULL) && site->version == version)
		return site;
	if (version != 0 && chosen == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a version is asked for, and no model"),
				 errhint("Name the model: predict(l, model => 'm', version => %d).", version)));
	if (site)
	{
		fcinfo->flinfo->fn_extra = NULL;
		MemoryContextDelete(site->mcxt);
	}
	mcxt = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "leadroute predict", ALLOCSET_DEFAULT_SIZES);
	oldcontext = MemoryContextSwitchTo(mcxt);
	site = palloc0(sizeof(PredictSite));
	site->mcxt = mcxt;
	site->generation = config->generation;
	site->type = type;
	site->typmod = typmod;
	site->flow = pstrdup(flow);
	site->chosen = chosen ? pstrdup(chosen) : NULL;
	site->version = version;
	/* a copy even of the published one: the configuration may be replaced between two rows */
	if (chosen == NULL && config->prediction)
		site->model = lr_predict_read(flow, lr_predict_model(config->prediction, &version), version, mcxt);
	else if (chosen)
		site->model = lr_predict_read(flow, chosen, version, mcxt);
	if (chosen && site->model == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 version != 0 ? errmsg("model \"%s\" of flow \"%s\" has no version %d", chosen, flow, version)
							  : errmsg("model \"%s\" of flow \"%s\" is not published", chosen, flow),
				 errhint("See leadroute.prediction_versions; SELECT leadroute.publish(%s) publishes the newest.", quote_literal_cstr(chosen))));
	if (site->model)
	{
		row = lookup_rowtype_tupdesc_copy(type, typmod);
		site->slot = MakeSingleTupleTableSlot(row, &TTSOpsHeapTuple);
		table = lr_flow_table_if_any(flow);
		site->plan = lr_predict_plan(site->model, row, table.attachment ? lr_config(table.attachment)->attachment : NULL, mcxt);
	}
	MemoryContextSwitchTo(oldcontext);
	fcinfo->flinfo->fn_extra = site;
	return site;
}
