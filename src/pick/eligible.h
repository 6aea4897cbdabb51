/*
 * eligible.h
 *		Who may have a lead by what is configured, at an instant.
 *
 * Functions that take from and until narrow [*from, *until) to where their answer stays the same. No memory is kept and no lock
 * taken; errors are those of reading calendars.
 */
#ifndef LR_ELIGIBLE_H
#define LR_ELIGIBLE_H

#include "pick.h"

/* A member of the team: PICK_ELIGIBLE, or the first thing that stands in his way. */
extern PickReason lr_eligible_member(FlowConfig *config, const TeamConfig *team, int member, TimestampTz at, TimestampTz *from,
									 TimestampTz *until);

/* An active rep, whatever his team, by the hours of a calendar (NULL: at any hour). */
extern PickReason lr_eligible_rep(FlowConfig *config, const RepConfig *rep, const char *calendar, TimestampTz at,
								  TimestampTz *from, TimestampTz *until);

extern bool lr_eligible_on_leave(const RepConfig *rep, TimestampTz at, TimestampTz *from, TimestampTz *until);

/* The minute in which the last of his leaves ended, or PG_INT32_MIN. */
extern int32 lr_eligible_return(const RepConfig *rep, TimestampTz at);

/* Whether he has all the skills that are asked for. */
extern bool lr_eligible_by_skills(const RepConfig *rep, const SkillConfig *skills, int nskills);

#endif /* LR_ELIGIBLE_H */
