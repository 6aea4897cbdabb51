/*
 * rotation_test.c
 *		The interfaces of src/rotation/rotation.h and src/pick/pick.h from SQL, for test/t/010_rotation.pl and 011_pick_cost_full.pl.
 */
#include "postgres.h"

#include <sys/resource.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "pick.h"
#include "portability/instr_time.h"
#include "rotation.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(rotation_test_take);
PG_FUNCTION_INFO_V1(rotation_test_peek);
PG_FUNCTION_INFO_V1(rotation_test_write);
PG_FUNCTION_INFO_V1(rotation_test_cost);
PG_FUNCTION_INFO_V1(rotation_test_linger);
PG_FUNCTION_INFO_V1(rotation_test_pick_cost);

void		_PG_init(void);

static int	linger = 0;

static void linger_at_commit(XactEvent event, void *arg);

static RotationCandidate *candidates_from(FunctionCallInfo fcinfo, char ***names, int *n);
static double cpu_seconds(void);

void
_PG_init(void)
{
	/* registered after leadroute's own, so it runs before it */
	RegisterXactCallback(linger_at_commit, NULL);
}

/* Widens the window in which a transaction is visible and leadroute's commit callback has not run. */
static void
linger_at_commit(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT && linger > 0)
		pg_usleep(linger * 1000L);
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT)
		linger = 0;
}

/* (milliseconds): for this transaction */
Datum
rotation_test_linger(PG_FUNCTION_ARGS)
{
	linger = PG_GETARG_INT32(0);
	PG_RETURN_VOID();
}

/* (team, reps, weights, fate) -> who got the turn. Fates: keep, give back, leave; weight 0 is not eligible. */
Datum
rotation_test_take(PG_FUNCTION_ARGS)
{
	char	  **names;
	int			n;
	RotationCandidate *candidates = candidates_from(fcinfo, &names, &n);
	char	   *fate = text_to_cstring(PG_GETARG_TEXT_PP(3));
	RotationTurn turn;
	int			index = lr_rotation_take(candidates, n, &turn);

	if (index < 0)
		PG_RETURN_NULL();
	if (strcmp(fate, "keep") == 0)
		lr_rotation_confirm(&turn);
	else if (strcmp(fate, "give back") == 0)
		lr_rotation_give_back(&turn);
	else if (strcmp(fate, "leave") != 0)
		elog(ERROR, "unknown fate \"%s\"", fate);
	PG_RETURN_TEXT_P(cstring_to_text(names[index]));
}

/* (team, reps, weights) -> who would get it. */
Datum
rotation_test_peek(PG_FUNCTION_ARGS)
{
	char	  **names;
	int			n;
	RotationCandidate *candidates = candidates_from(fcinfo, &names, &n);
	int			index = lr_rotation_peek(candidates, n);

	if (index < 0)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(names[index]));
}

Datum
rotation_test_write(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(lr_rotation_write());
}

/* (team, reps, weights, turns, turns before each write) -> nanoseconds a turn */
Datum
rotation_test_cost(PG_FUNCTION_ARGS)
{
	char	  **names;
	int			n;
	RotationCandidate *candidates = candidates_from(fcinfo, &names, &n);
	int			turns = PG_GETARG_INT32(3);
	int			every = PG_GETARG_INT32(4);
	instr_time	start;
	instr_time	elapsed;

	INSTR_TIME_SET_CURRENT(start);
	for (int i = 1; i <= turns; i++)
	{
		RotationTurn turn;

		if (lr_rotation_take(candidates, n, &turn) < 0)
			elog(ERROR, "nobody is eligible");
		lr_rotation_confirm(&turn);
		if (every > 0 && i % every == 0)
			lr_rotation_write();
	}
	INSTR_TIME_SET_CURRENT(elapsed);
	INSTR_TIME_SUBTRACT(elapsed, start);
	PG_RETURN_FLOAT8(INSTR_TIME_GET_DOUBLE(elapsed) * 1e9 / turns);
}

/* (team, picks) -> microseconds of this process's CPU time a pick, its turn kept; the team of flow default as it is configured */
Datum
rotation_test_pick_cost(PG_FUNCTION_ARGS)
{
	static const RuleConfig rule = {.rule = "test"};
	FlowConfig *config = lr_config("default");
	int			picks = PG_GETARG_INT32(1);
	PickRequest request = {.config = config, .team = lr_config_team(config, text_to_cstring(PG_GETARG_TEXT_PP(0))), .rule = &rule, .at = GetCurrentTimestamp()};
	double		start = 0;

	/* the first finds slots and hours */
	for (int i = 0; i <= picks; i++)
	{
		RotationTurn turn;
		PickReason	why;

		if (i == 1)
			start = cpu_seconds();
		if (lr_pick(&request, &turn, &why) < 0)
			elog(ERROR, "nobody is eligible: reason %d", (int) why);
		lr_rotation_confirm(&turn);
	}
	PG_RETURN_FLOAT8((cpu_seconds() - start) * 1e6 / picks);
}

static double
cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static RotationCandidate *
candidates_from(FunctionCallInfo fcinfo, char ***names, int *n)
{
	char	   *team = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Datum	   *reps;
	Datum	   *weights;
	int			nweights;
	RotationCandidate *candidates;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &reps, NULL, n);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), INT4OID, sizeof(int32), true, TYPALIGN_INT, &weights, NULL, &nweights);
	if (*n != nweights)
		elog(ERROR, "%d reps have %d weights", *n, nweights);
	candidates = palloc(sizeof(RotationCandidate) * Max(*n, 1));
	*names = palloc(sizeof(char *) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		int32		weight = DatumGetInt32(weights[i]);

		(*names)[i] = TextDatumGetCString(reps[i]);
		candidates[i].slot = lr_rotation_slot("default", team, (*names)[i]);
		candidates[i].eligible = weight > 0;
		candidates[i].step = weight > 0 ? ROTATION_SCALE / weight : 0;
	}
	return candidates;
}
