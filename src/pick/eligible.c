/*
 * eligible.c
 *		Who may have a lead by what is configured, at an instant: active, in the team, accepting, not on leave, on shift, skilled.
 *
 * Reads the configuration and the calendars, which the session caches; what other leads decide is pick.c's. Answers come with the
 * time in which they hold, so that pick.c need not ask for each lead. No memory is kept, nothing locked.
 */
#include "postgres.h"

#include "calendar.h"
#include "eligible.h"

static bool is_on_shift(FlowConfig *config, const char *name, TimestampTz at, TimestampTz *from, TimestampTz *until);
static bool holds_until(TimestampTz boundary, TimestampTz at, TimestampTz *from, TimestampTz *until);
static bool has_skill(const RepConfig *rep, const SkillConfig *asked);

PickReason
lr_eligible_member(FlowConfig *config, const TeamConfig *team, int member, TimestampTz at, TimestampTz *from, TimestampTz *until)
{
	const MemberConfig *detail = &team->details[member];
	const RepConfig *rep = team->members[member];
	const char *calendar = team->hours == HOURS_TEAM ? team->calendar : NULL;

	if (rep == NULL)
		return PICK_NO_REP;
	if (!rep->active)
		return PICK_NOT_ACTIVE;
	if (team->weights[member] == 0)
		return PICK_NO_WEIGHT;
	if (holds_until(detail->joined_at, at, from, until))
		return PICK_NOT_JOINED;
	if (!holds_until(detail->left_at, at, from, until))
		return PICK_HAS_LEFT;
	if (team->hours == HOURS_REP)
		calendar = rep->calendar;
	return lr_eligible_rep(config, rep, calendar, at, from, until);
}

PickReason
lr_eligible_rep(FlowConfig *config, const RepConfig *rep, const char *calendar, TimestampTz at, TimestampTz *from,
				TimestampTz *until)
{
	if (!rep->accepting)
		return PICK_NOT_ACCEPTING;
	if (lr_eligible_on_leave(rep, at, from, until))
		return PICK_ON_LEAVE;
	return calendar && !is_on_shift(config, calendar, at, from, until) ? PICK_OFF_SHIFT : PICK_ELIGIBLE;
}

/* By a calendar; what it says holds from now until it closes or opens, a day at most. */
static bool
is_on_shift(FlowConfig *config, const char *name, TimestampTz at, TimestampTz *from, TimestampTz *until)
{
	LrCalendar *calendar = lr_calendar(config->flow, name);
	bool open = lr_calendar_is_open(calendar, at);
	TimestampTz limit = at + USECS_PER_DAY;

	*from = Max(*from, at);
	if (open)
		limit = lr_calendar_next_close(calendar, at, limit);
	else if (!lr_calendar_never_opens(calendar))
		limit = Min(limit, lr_calendar_next_open(calendar, at));
	*until = Min(*until, limit);
	return open;
}

bool
lr_eligible_on_leave(const RepConfig *rep, TimestampTz at, TimestampTz *from, TimestampTz *until)
{
	for (int i = 0; i < rep->nleaves; i++)
	{
		bool ahead = holds_until(rep->leave_begins[i], at, from, until);

		if (!ahead && holds_until(rep->leave_ends[i], at, from, until))
			return true;
	}
	return false;
}

/* Whether an instant is still ahead; the answer holds up to it, or from it on. */
static bool
holds_until(TimestampTz boundary, TimestampTz at, TimestampTz *from, TimestampTz *until)
{
	if (at < boundary)
	{
		*until = Min(*until, boundary);
		return true;
	}
	*from = Max(*from, boundary);
	return false;
}

int32
lr_eligible_return(const RepConfig *rep, TimestampTz at)
{
	TimestampTz last = DT_NOBEGIN;

	for (int i = 0; i < rep->nleaves; i++)
		if (rep->leave_ends[i] <= at)
			last = Max(last, rep->leave_ends[i]);
	return TIMESTAMP_IS_NOBEGIN(last) ? PG_INT32_MIN : lr_rotation_minute(last);
}

bool
lr_eligible_by_skills(const RepConfig *rep, const SkillConfig *skills, int nskills)
{
	for (int i = 0; i < nskills; i++)
		if (!has_skill(rep, &skills[i]))
			return false;
	return true;
}

static bool
has_skill(const RepConfig *rep, const SkillConfig *asked)
{
	int low = 0;
	int high = rep->nskills;

	while (low < high)
	{
		int middle = (low + high) / 2;

		if (rep->skills[middle].skill == asked->skill)
			return rep->skills[middle].level >= asked->level;
		if (rep->skills[middle].skill < asked->skill)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}
