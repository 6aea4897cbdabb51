/*
 * config_stage.c
 *		The part of the configuration that says where a lead is in its life: stages and the changes between them.
 */
#include "postgres.h"

#include "config.h"
#include "config_row.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

static void read_transitions(FlowConfig *config);

void
lr_stages_read_config(FlowConfig *config)
{
	static const char *const kinds[] = {"open", "closed", "won"};

	if (!config->exists)
		return;
	if (lr_config_rows("SELECT archive_after IS NOT NULL, archive_after, recycle_limit, require_consent FROM leadroute.flows WHERE flow = $1", config->flow) > 0)
	{
		config->archives = lr_row_bool(0, 1);
		lr_row_interval(0, 2, &config->archive_after);
		config->recycle_limit = lr_row_int(0, 3);
		config->require_consent = lr_row_bool(0, 4);
		config->watches |= config->require_consent;
	}
	config->nstages = (int)
		lr_config_rows("SELECT stage, kind, entry_condition, touched_stage, role, next_stage, max_age FROM leadroute.stages WHERE flow = $1 ORDER BY position", config->flow);
	if (config->nstages == 0)
		return;
	config->stages = MemoryContextAllocZero(config->mcxt, config->nstages * sizeof(StageConfig));
	for (int i = 0; i < config->nstages; i++)
	{
		config->stages[i].stage = lr_row_text(i, 1);
		config->stages[i].kind = lr_row_word(i, 2, kinds, lengthof(kinds));
		config->stages[i].entry_condition = lr_row_text(i, 3);
		config->stages[i].touched_stage = lr_row_text(i, 4);
		config->stages[i].role = lr_row_text(i, 5);
		config->stages[i].next_stage = lr_row_text(i, 6);
		lr_row_interval(i, 7, &config->stages[i].max_age);
	}
	config->watches = true;
	read_transitions(config);
}

static void
read_transitions(FlowConfig *config)
{
	config->ntransitions = (int)
		lr_config_rows("SELECT from_stage, to_stage, required, coalesce(at_least, 0), of_columns"
					   " FROM leadroute.stage_transitions WHERE flow = $1 ORDER BY from_stage = '*', from_stage, to_stage = '*', to_stage",
					   config->flow);
	config->transitions = MemoryContextAllocZero(config->mcxt, Max(config->ntransitions, 1) * sizeof(TransitionConfig));
	for (int i = 0; i < config->ntransitions; i++)
	{
		TransitionConfig *transition = &config->transitions[i];

		transition->from = lr_row_text(i, 1);
		transition->to = lr_row_text(i, 2);
		transition->required = lr_row_texts(config, i, 3, &transition->nrequired);
		transition->at_least = lr_row_int(i, 4);
		transition->columns = lr_row_texts(config, i, 5, &transition->ncolumns);
	}
}
