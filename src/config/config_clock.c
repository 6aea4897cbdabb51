/*
 * config_clock.c
 *		The part of the configuration that says until when: policies of deadlines and their steps.
 */
#include "postgres.h"

#include "config.h"
#include "config_row.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

static void read_steps(FlowConfig *config);

/* Deadlines, by metric and position: a metric's first whose condition holds is the lead's. */
void
lr_policies_read_config(FlowConfig *config)
{
	static const char *const metrics[] = {"first_touch", "decision", "meeting", "meeting_held", "next_touch", "queue_age", "stage_age"};
	static const char *const starts[] = {"submitted", "assigned", "stage_entered"};
	static const char *const changes[] = {"keep", "retroactive", "restart"};

	config->npolicies = (int)
		lr_config_rows("SELECT policy, condition, metric, target ~ '^end of day',"
					   " coalesce(substring(target FROM '^end of day . ([0-9]+)$')::int4, 0),"
					   " CASE WHEN target !~ '^end of day' THEN target::interval END, calendar, clock_start, stage,"
					   " pause_stages, success, on_change"
					   " FROM leadroute.sla_policies WHERE flow = $1 ORDER BY metric, position",
					   config->flow);
	config->has_clocks = config->npolicies > 0 ||
						 lr_config_rows("SELECT FROM leadroute.clocks WHERE flow = $1 AND next_at IS NOT NULL LIMIT 1", config->flow) > 0;
	if (config->npolicies == 0)
		return;
	config->policies = MemoryContextAllocZero(config->mcxt, config->npolicies * sizeof(PolicyConfig));
	for (int i = 0; i < config->npolicies; i++)
	{
		PolicyConfig *policy = &config->policies[i];

		policy->policy = lr_row_text(i, 1);
		policy->condition = lr_row_text(i, 2);
		policy->metric = lr_row_text(i, 3);
		for (policy->kind = 0; policy->kind < METRIC_OTHER; policy->kind++)
			if (strcmp(metrics[policy->kind], policy->metric) == 0)
				break;
		policy->end_of_day = lr_row_bool(i, 4);
		policy->days = lr_row_int(i, 5);
		lr_row_interval(i, 6, &policy->target);
		policy->calendar = lr_row_text(i, 7);
		policy->start = (ClockStart) lr_row_word(i, 8, starts, lengthof(starts));
		policy->stage = lr_row_text(i, 9);
		policy->pauses = lr_row_texts(config, i, 10, &policy->npauses);
		policy->success = lr_row_text(i, 11);
		policy->on_change = (PolicyChange) lr_row_word(i, 12, changes, lengthof(changes));
	}
	/* a policy that no longer holds, one met by what the row says, a touch that it tells: rows are watched for these */
	config->watches = true;
	read_steps(config);
}

static void
read_steps(FlowConfig *config)
{
	static const char *const bases[] = {"start", "due", "target"};
	uint64 rows = lr_config_rows("SELECT policy, step, CASE WHEN at ~ '%$' THEN 'target' WHEN at ~ '^due' THEN 'due' ELSE 'start' END,"
								 " CASE WHEN at ~ '%$' THEN rtrim(at, '%')::float8 / 100 ELSE 0 END,"
								 " CASE WHEN at = 'due' THEN '0' WHEN at ~ '^due' THEN substr(at, 7)::interval WHEN at !~ '%$' THEN at::interval END,"
								 " at ~ '^due - ', action = ANY ('{reassign,requeue,nurture}'), concat_ws(' ', at, action, recipient, argument), action, recipient, argument"
								 " FROM leadroute.sla_steps WHERE flow = $1 ORDER BY policy, step",
								 config->flow);

	for (int i = 0; i < config->npolicies; i++)
	{
		PolicyConfig *policy = &config->policies[i];

		policy->steps = MemoryContextAllocZero(config->mcxt, Max(rows, 1) * sizeof(StepConfig));
		for (uint64 row = 0; row < rows; row++)
		{
			StepConfig *step = &policy->steps[policy->nsteps];

			if (strcmp(lr_row_text(row, 1), policy->policy) != 0)
				continue;
			step->step = lr_row_text(row, 2);
			step->base = (StepBase) lr_row_word(row, 3, bases, lengthof(bases));
			step->fraction = lr_row_number(row, 4, 0);
			lr_row_interval(row, 5, &step->span);
			step->before = lr_row_bool(row, 6);
			step->acts = lr_row_bool(row, 7);
			step->text = lr_row_text(row, 8);
			step->action = lr_row_text(row, 9);
			step->recipient = lr_row_text(row, 10);
			step->argument = lr_row_text(row, 11);
			policy->nsteps++;
		}
	}
}
