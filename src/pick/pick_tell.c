/*
 * pick_tell.c
 *		What a pick has to say: why a member could not have a lead, who would have been next, and all of it in words.
 *
 * Speaks of the last pick of the team, as pick.c left it; takes nothing.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "pick_team.h"

/* By PickReason. */
static const struct
{
	const char *code;
	const char *text;
} reasons[PICK_REASONS] = {
	[PICK_ELIGIBLE] = {"assigned", "eligible"},
	[PICK_NO_REP] = {"no_member", "no row in reps"},
	[PICK_NOT_ACTIVE] = {"no_member", "not active"},
	[PICK_NO_WEIGHT] = {"no_member", "weight 0"},
	[PICK_NOT_JOINED] = {"no_member", "not joined yet"},
	[PICK_HAS_LEFT] = {"no_member", "has left the team"},
	[PICK_NOT_ACCEPTING] = {"not_accepting", "not accepting"},
	[PICK_ON_LEAVE] = {"on_leave", "on leave"},
	[PICK_TRIED] = {"all_tried", "let the lead lapse before"},
	[PICK_NO_SKILL] = {"no_skill", "lacks a skill"},
	[PICK_OFF_SHIFT] = {"off_shift", "off shift"},
	[PICK_NO_CAPACITY] = {"no_capacity", "at capacity"},
	[PICK_CAPPED] = {"capped", "at a cap"},
};

char *
lr_pick_obstacle(const PickRequest *request, int index)
{
	const TeamConfig *team = request->team;
	const PickMember *member = &team->pick->members[index];
	const MemberConfig *detail = &team->details[index];
	const RepConfig *rep = team->members[index];
	int64 pointer;
	int32 open;

	switch ((PickReason) member->reason)
	{
		case PICK_ELIGIBLE:
			return NULL;
		case PICK_NO_CAPACITY:
			lr_rotation_read(member->slot, &pointer, &open);
			if (detail->capacity != NO_LIMIT && open >= detail->capacity)
				return psprintf("at capacity %d/%d", open, detail->capacity);
			return psprintf("at capacity %d/%d over all teams", lr_rotation_rep_load(member->slot), rep->capacity);
		case PICK_CAPPED:
			for (int i = 0; i < detail->ncaps + rep->ncaps; i++)
			{
				const CapConfig *cap = i < detail->ncaps ? &detail->caps[i] : &rep->caps[i - detail->ncaps];
				int count = lr_rotation_metered(member->slot, cap->meter, request->at);

				if (count >= cap->limit)
					return psprintf("had %d of %s%s", count, cap->text, i < detail->ncaps ? "" : " over all teams");
			}
			return pstrdup("at a cap");
		default:
			return pstrdup(lr_pick_reason_text((PickReason) member->reason));
	}
}

int
lr_pick_position(const PickRequest *request, int index)
{
	const TeamConfig *team = request->team;
	const PickMember *members = team->pick->members;
	int position = 1;

	for (int i = 0; i < team->nmembers; i++)
		if (i != index && members[i].reason == PICK_ELIGIBLE &&
			(lr_pick_comes_before(&members[i].place, &members[index].place) ||
			 (i < index && !lr_pick_comes_before(&members[index].place, &members[i].place))))
			position++;
	return position;
}

const char *
lr_pick_code(PickReason reason)
{
	return reasons[reason].code;
}

const char *
lr_pick_reason_text(PickReason reason)
{
	return reasons[reason].text;
}

char *
lr_pick_summary(const TeamConfig *team)
{
	int counts[PICK_REASONS] = {0};
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < team->nmembers; i++)
		counts[team->pick->members[i].reason]++;
	for (int reason = PICK_REASONS - 1; reason > PICK_ELIGIBLE; reason--)
		if (counts[reason] > 0)
			appendStringInfo(&text, "%s%d %s", text.len ? ", " : "", counts[reason], reasons[reason].text);
	return text.data;
}

const char *
lr_pick_strategy(const TeamConfig *team)
{
	switch (team->strategy)
	{
		case STRATEGY_LEAST_LOADED:
			return team->most_free ? "most free" : "least loaded";
		case STRATEGY_RANKED:
			return "ranked";
		case STRATEGY_ROUND_ROBIN:
			break;
	}
	return "round robin";
}
