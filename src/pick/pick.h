/*
 * pick.h
 *		Who of a team gets a lead: who may, and who of these comes first.
 */
#ifndef LR_PICK_H
#define LR_PICK_H

#include "config.h"

/*
 * Why a member cannot have a lead, in the order in which it is looked at: the further down, the nearer he was. A team that
 * has nobody tells the farthest that any of its members came.
 */
typedef enum PickReason
{
	PICK_ELIGIBLE,
	PICK_NO_REP,
	PICK_NOT_ACTIVE,
	PICK_NO_WEIGHT,
	PICK_NOT_JOINED,
	PICK_HAS_LEFT,
	PICK_NOT_ACCEPTING,
	PICK_ON_LEAVE,
	PICK_TRIED,
	PICK_NO_SKILL,
	PICK_OFF_SHIFT,
	PICK_NO_CAPACITY,
	PICK_CAPPED
} PickReason;

#define PICK_REASONS (PICK_CAPPED + 1)

/* What is asked. Everything is the caller's. */
typedef struct PickRequest
{
	FlowConfig *config;
	TeamConfig *team;
	const RuleConfig *rule;
	TimestampTz at; /* the instant of the decision */
	int nskills;
	const SkillConfig *skills; /* that the rule asks for, by lr_pick_skill */
	int ntried;
	const char *const *tried; /* reps who let this lead lapse */
	struct varlena *point;	  /* of the lead among the areas that members prefer, or NULL */
	const char *sticky;		  /* the rep who goes before all others where he may have it, or NULL */
	bool explains;			  /* lr_pick_obstacle is asked for members */
} PickRequest;

/*
 * Picks a member and takes his turn; with turn NULL takes nothing. Returns his index among the team's members; -1 for
 * nobody, then *why is what stands in the way. Errors: those of lr_rotation_load, and of reading calendars.
 */
extern PGDLLEXPORT int lr_pick(const PickRequest *request, RotationTurn *turn, PickReason *why);

/* Whether lr_pick cannot fail now. */
extern bool lr_pick_is_ready(const PickRequest *request);

/* A skill as a rule asks for it: 'name', or 'name>=level'. One that no rep has is number -1. */
extern SkillConfig lr_pick_skill(const FlowConfig *config, const char *text);

/*
 * A rep by himself, for a rule that names him: takes his place where he may have a lead, unless turn is NULL. Returns
 * PICK_ELIGIBLE, or why he may not.
 */
extern PickReason lr_pick_rep(FlowConfig *config, RepConfig *rep, TimestampTz at, RotationTurn *turn);

/* Whether a rep can have what is his own: he is active and not on leave; else why not. */
extern PickReason lr_pick_owner(const RepConfig *rep, TimestampTz at);

/*
 * A lead that nobody picks an owner for: the row brought him, or a hand gives it to him. It counts for him, as a member of
 * the team unless that is "". Returns the limits that it goes beyond, "3 per day, capacity 40",
 * in the current context, or NULL.
 */
extern char *lr_pick_given(FlowConfig *config, const char *team, const char *rep, TimestampTz at, RotationTurn *turn);

extern bool lr_pick_given_is_ready(FlowConfig *config, TeamConfig *team, const char *rep);

/* Whether lr_pick_rep and lr_pick_given (without a team) cannot fail now; rep NULL: of a name that no rep bears. */
extern bool lr_pick_rep_is_ready(FlowConfig *config, RepConfig *rep, const char *name);

/* Of the last lr_pick of this team: why a member could not have the lead, in words with figures; NULL where he could. In the current context. */
extern char *lr_pick_obstacle(const PickRequest *request, int member);

/* Of the last lr_pick of this team that explains: whether he is, or would be if he could, the first, the second, ... */
extern int lr_pick_position(const PickRequest *request, int member);

/* The code of a lead that nobody could have, and how many members for which reason: "2 off shift, 1 at capacity". */
extern const char *lr_pick_code(PickReason reason);
extern char *lr_pick_summary(const TeamConfig *team);

/* A reason, a strategy in words. */
extern const char *lr_pick_reason_text(PickReason reason);
extern const char *lr_pick_strategy(const TeamConfig *team);

/* A member's place of this team, for who shows figures. */
extern RotationSlot *lr_pick_slot(FlowConfig *config, TeamConfig *team, int member);

#endif /* LR_PICK_H */
