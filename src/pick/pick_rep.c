/*
 * pick_rep.c
 *		A rep whom no team picks: one whom a rule names, who owns the account, whom the row or a hand brought.
 *
 * As with a pick, what other leads leave him is looked at where his place is taken, in one act. Who is given a lead goes beyond
 * his limits, which is noted.
 */
#include "postgres.h"

#include "eligible.h"
#include "lib/stringinfo.h"
#include "limit.h"
#include "pick_team.h"

/* The choice of a rep by himself. */
typedef struct RepChoice
{
	const RepConfig *rep;
	RotationSlot *slot;
	TimestampTz at;
	PickReason reason;
} RepChoice;

/* A limit that a lead goes beyond: a cap, or a capacity. */
typedef struct GivenOver
{
	const CapConfig *cap;
	int capacity;
} GivenOver;

/* A lead that is given, and what it goes beyond. */
typedef struct GivenChoice
{
	RepConfig *rep;
	const MemberConfig *detail;
	RotationSlot *slot;
	TimestampTz at;
	int nover;
	GivenOver over[2 * MAX_CAPS + 2];
} GivenChoice;

static RotationSlot *rep_slot(FlowConfig *config, RepConfig *rep);
static int choose_rep(void *arg, int64 *step);
static int choose_given(void *arg, int64 *step);
static void note_over(GivenChoice *choice, const CapConfig *caps, int n);

PickReason
lr_pick_owner(const RepConfig *rep, TimestampTz at)
{
	TimestampTz from = DT_NOBEGIN;
	TimestampTz until = DT_NOEND;

	if (!rep->active)
		return PICK_NOT_ACTIVE;
	return lr_eligible_on_leave(rep, at, &from, &until) ? PICK_ON_LEAVE : PICK_ELIGIBLE;
}

PickReason
lr_pick_rep(FlowConfig *config, RepConfig *rep, TimestampTz at, RotationTurn *turn)
{
	TimestampTz from = DT_NOBEGIN;
	TimestampTz until = DT_NOEND;
	RepChoice choice = {.rep = rep, .at = at};

	if (!rep->active)
		return PICK_NOT_ACTIVE;
	choice.reason = lr_eligible_rep(config, rep, rep->calendar, at, &from, &until);
	if (choice.reason != PICK_ELIGIBLE)
		return choice.reason;
	choice.slot = rep_slot(config, rep);
	(void) lr_rotation_choose(&choice.slot, &choice.slot, 1, choose_rep, &choice, at, turn);
	return choice.reason;
}

static RotationSlot *
rep_slot(FlowConfig *config, RepConfig *rep)
{
	RotationSlot *slot = rep->slot ? rep->slot : lr_rotation_slot(config->flow, "", rep->rep);

	/* a standby has no meters: found after its promotion */
	if (rep->slot == NULL || (rep->ncaps > 0 && rep->caps[0].meter == NULL))
		lr_limit_count(slot, true, rep->caps, rep->ncaps);
	rep->slot = slot;
	return slot;
}

static int
choose_rep(void *arg, int64 *step)
{
	RepChoice *choice = arg;

	if (lr_limit_full(choice->rep, choice->slot))
		choice->reason = PICK_NO_CAPACITY;
	else if (lr_limit_cap(choice->rep->caps, choice->rep->ncaps, choice->at))
		choice->reason = PICK_CAPPED;
	return choice->reason == PICK_ELIGIBLE ? 0 : -1;
}

char *
lr_pick_given(FlowConfig *config, const char *team_name, const char *name, TimestampTz at, RotationTurn *turn)
{
	GivenChoice choice = {.rep = lr_config_rep(config, name), .at = at};
	TeamConfig *team = team_name[0] ? lr_config_team(config, team_name) : NULL;
	int index = team ? team->nmembers - 1 : -1;
	StringInfoData text;

	while (index >= 0 && strcmp(team->member_names[index], name) != 0)
		index--;
	if (index >= 0)
	{
		choice.slot = lr_pick_slot(config, team, index);
		choice.detail = &team->details[index];
	}
	else if (choice.rep && team_name[0] == '\0')
		choice.slot = rep_slot(config, choice.rep);
	else
		choice.slot = lr_rotation_slot(config->flow, team_name, name);
	(void) lr_rotation_choose(&choice.slot, &choice.slot, 1, choose_given, &choice, at, turn);

	if (choice.nover == 0)
		return NULL;
	initStringInfo(&text);
	for (int i = 0; i < choice.nover; i++)
	{
		if (choice.over[i].cap)
			appendStringInfo(&text, "%s%s", i > 0 ? ", " : "", choice.over[i].cap->text);
		else
			appendStringInfo(&text, "%scapacity %d", i > 0 ? ", " : "", choice.over[i].capacity);
	}
	return text.data;
}

/* He has it in any case; what it goes beyond is noted in the same act. */
static int
choose_given(void *arg, int64 *step)
{
	GivenChoice *choice = arg;

	choice->nover = 0;
	if (choice->detail)
	{
		if (choice->detail->capacity != NO_LIMIT && lr_rotation_open(choice->slot) >= choice->detail->capacity)
			choice->over[choice->nover++] = (GivenOver){NULL, choice->detail->capacity};
		note_over(choice, choice->detail->caps, choice->detail->ncaps);
	}
	if (choice->rep)
	{
		if (lr_limit_full(choice->rep, choice->slot))
			choice->over[choice->nover++] = (GivenOver){NULL, choice->rep->capacity};
		note_over(choice, choice->rep->caps, choice->rep->ncaps);
	}
	return 0;
}

static void
note_over(GivenChoice *choice, const CapConfig *caps, int n)
{
	for (int i = 0; i < n; i++)
		if (lr_limit_cap(&caps[i], 1, choice->at))
			choice->over[choice->nover++] = (GivenOver){&caps[i], 0};
}

bool
lr_pick_given_is_ready(FlowConfig *config, TeamConfig *team, const char *rep)
{
	if (team == NULL)
		return lr_pick_rep_is_ready(config, lr_config_rep(config, rep), rep);
	return team->pick && !team->pick->lacks_meters && lr_rotation_is_ready(team->pick->candidates, team->nmembers);
}

bool
lr_pick_rep_is_ready(FlowConfig *config, RepConfig *rep, const char *name)
{
	if (rep && (rep->calendar || (rep->ncaps > 0 && rep->slot == NULL)))
		return false;
	return lr_rotation_ready_slot(config->flow, "", name) != NULL;
}
