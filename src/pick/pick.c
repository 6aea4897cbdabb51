/*
 * pick.c
 *		Who of a team gets a lead: who may, and who of these comes first.
 *
 * Most of what makes a member eligible is told by the configuration and the time: whether he is active, accepts leads,
 * is on leave, on shift (eligible.c). That is worked out once and holds until the next instant at which it may change
 * (PickTeam.from and until). What the lead itself asks for (skills, who let it lapse) comes on top, once a lead. What other leads
 * decide (open leads, caps) is looked at within lr_rotation_choose, under the flow's lock, where the choice is taken in
 * the same act: what two sessions see there, they see one after the other. Nothing in there may fail or allocate.
 *
 * A team is plain where nothing but turns tells its members apart, and all who can be picked today can be picked always:
 * then lr_rotation_take does it all.
 *
 * Round robin, and who was passed over. Pointers are virtual time: a turn adds step = SCALE / weight, the lowest goes
 * next. Who could not be picked for a while (off shift, full, without the skill) keeps his pointer and is behind; going by
 * it alone he would now get every lead until he has caught up: a morning flood. So a member counts as at most
 * PICK_SLACK of his turns behind the one who, among those that may be picked now, had the latest turn (the highest
 * pointer - step). What lies further back lapses when he is picked: his pointer makes up for it in the same turn,
 * and goes back with it. Where all members have been picked from alike nobody is behind that, so it changes nothing.
 * Who comes back from leave counts as level at his first pick; with on_return = catch_up the team's limit, or none,
 * stands for both.
 *
 * Memory: PickTeam lives with the configuration of its flow.
 */
#include "postgres.h"

#include <math.h>

#include "access/xlog.h"
#include "calendar.h"
#include "eligible.h"
#include "limit.h"
#include "pick_team.h"
#include "territory.h"
#include "utils/memutils.h"

/* Between the parts of the names that turns are counted under; no team's name has it. */
#define NAME_SEPARATOR "\x1f"

/* How many turns a member makes up who was passed over without leave. */
#define PICK_SLACK 2

/* The pointers that a team goes by. */
struct PickTurns
{
	struct PickTurns *next;
	const RuleConfig *rule; /* NULL: of all rules */
	RotationSlot **slots;
	RotationSlot *epoch; /* its pointer is the beginning of the week or month in which turns were last made equal; NULL: never */
};

/* A choice under way. */
typedef struct Choice
{
	const PickRequest *request;
	PickTeam *pick;
	const PickTurns *turns;
	bool takes;
	bool resets; /* a week or month has begun */
	bool by_turns;
	int64 latest; /* turn */
	int64 owed;	  /* by the one who is chosen */
	bool sticks;  /* he was not chosen among the others */
} Choice;

static PickTeam *pick_team(FlowConfig *config, TeamConfig *team);
static PickTurns *pick_turns(const PickRequest *request, PickTeam *pick);
static void find_team_meters(const TeamConfig *team, PickTeam *pick);
static bool is_plain(const FlowConfig *config, const TeamConfig *team);
static bool is_plain_request(const PickTeam *pick, const PickRequest *request);
static void weigh_members(const TeamConfig *team, PickTeam *pick);
static void refresh(FlowConfig *config, TeamConfig *team, TimestampTz at);
static bool turns_are_ready(const PickRequest *request, const PickTeam *pick);
static bool is_fresh(const PickTeam *pick, TimestampTz at);
static void look_at_lead(const PickRequest *request, PickTeam *pick);
static int choose(void *arg, int64 *step);
static int sticky_member(const PickRequest *request);
static int best_of(Choice *choice, int from, int to);
static void tally(const Choice *choice, int picked);
static void reset_turns(Choice *choice);
static int64 latest_turn(const Choice *choice);
static int64 lapsed_turns(const TeamConfig *team, const PickMember *member, const RotationStanding *standing, int64 latest);
static double load_of(const TeamConfig *team, const PickMember *member);
static PickReason load_reason(const Choice *choice, int member);

int
lr_pick(const PickRequest *request, RotationTurn *turn, PickReason *why)
{
	TeamConfig *team = request->team;
	PickTeam *pick = pick_team(request->config, team);
	int index;

	*why = PICK_NO_REP;
	if (is_plain_request(pick, request) && !request->explains)
	{
		index = turn ? lr_rotation_take_at(pick->candidates, team->nmembers, request->at, turn)
					 : lr_rotation_peek(pick->candidates, team->nmembers);
		if (index >= 0)
			return index;
		for (int i = 0; i < team->nmembers; i++)
			pick->members[i].reason = pick->members[i].fixed;
	}
	else
	{
		Choice choice = {.request = request, .pick = pick, .takes = turn != NULL};

		if (pick->lacks_meters)
			find_team_meters(team, pick);
		if (!is_fresh(pick, request->at))
			refresh(request->config, team, request->at);
		look_at_lead(request, pick);
		choice.turns = pick_turns(request, pick);
		index = lr_rotation_choose(pick->slots, choice.turns->slots, team->nmembers, choose, &choice, request->at, turn);
	}
	for (int i = 0; index < 0 && i < team->nmembers; i++)
		*why = Max(*why, (PickReason) pick->members[i].reason);
	return index;
}

/* The team's part of this file, made when first asked for; what fails, fails before anything is kept. */
static PickTeam *
pick_team(FlowConfig *config, TeamConfig *team)
{
	PickTeam *pick = team->pick;
	int n = Max(team->nmembers, 1);

	if (pick)
		return pick;
	for (int i = 0; i < team->nmembers; i++)
		(void) lr_rotation_slot(config->flow, team->team, team->member_names[i]);

	pick = MemoryContextAllocZero(config->mcxt, sizeof(PickTeam));
	pick->members = MemoryContextAllocZero(config->mcxt, n * sizeof(PickMember));
	pick->slots = MemoryContextAllocZero(config->mcxt, n * sizeof(RotationSlot *));
	pick->candidates = MemoryContextAllocZero(config->mcxt, n * sizeof(RotationCandidate));
	pick->plain = is_plain(config, team);
	weigh_members(team, pick);
	for (int i = 0; i < team->nmembers; i++)
	{
		PickMember *member = &pick->members[i];
		TimestampTz from = DT_NOBEGIN;
		TimestampTz until = DT_NOEND;

		member->slot = pick->slots[i] = lr_rotation_slot(config->flow, team->team, team->member_names[i]);
		pick->has_calendars |= team->hours == HOURS_REP && team->members[i] && team->members[i]->calendar;
		pick->candidates[i].slot = member->slot;
		pick->candidates[i].step = member->step;
		if (pick->plain)
		{
			member->reason = member->fixed = lr_eligible_member(config, team, i, 0, &from, &until);
			pick->candidates[i].eligible = member->fixed == PICK_ELIGIBLE;
		}
	}
	pick->has_calendars |= team->hours == HOURS_TEAM && team->calendar;
	find_team_meters(team, pick);
	team->pick = pick;
	return pick;
}

/*
 * Where the team's turns are counted: under its own name; with scope rule, under its and the rule's; with scope flow, under
 * one that all teams share. A name that no team bears keeps them apart from places. What fails, fails before anything is kept.
 */
static PickTurns *
pick_turns(const PickRequest *request, PickTeam *pick)
{
	const TeamConfig *team = request->team;
	FlowConfig *config = request->config;
	const RuleConfig *rule = team->scope == SCOPE_RULE ? request->rule : NULL;
	PickTurns *turns = pick->turns;
	char *name;
	RotationSlot *epoch = NULL;

	while (turns != NULL && turns->rule != rule)
		turns = turns->next;
	if (turns == NULL)
	{
		name = team->scope == SCOPE_FLOW ? pstrdup(NAME_SEPARATOR)
			   : rule					 ? psprintf("%s" NAME_SEPARATOR "%s", team->team, rule->rule)
										 : pstrdup(team->team);
		for (int i = 0; i < team->nmembers; i++)
			(void) lr_rotation_slot(config->flow, name, team->member_names[i]);
		if (team->reset != RESET_NEVER)
			epoch = lr_rotation_slot(config->flow, psprintf("%s" NAME_SEPARATOR, name), "");

		turns = MemoryContextAllocZero(config->mcxt, sizeof(PickTurns));
		turns->rule = rule;
		turns->slots = MemoryContextAllocZero(config->mcxt, Max(team->nmembers, 1) * sizeof(RotationSlot *));
		turns->epoch = epoch;
		for (int i = 0; i < team->nmembers; i++)
			turns->slots[i] = lr_rotation_slot(config->flow, name, team->member_names[i]);
		turns->next = pick->turns;
		pick->turns = turns;
	}
	if (turns->epoch)
		lr_rotation_attach(turns->epoch);
	if (turns->epoch && !(pick->period_begin <= lr_rotation_minute(request->at) && lr_rotation_minute(request->at) < pick->period_end))
		lr_rotation_period(team->reset == RESET_WEEKLY ? PERIOD_WEEK : PERIOD_MONTH, team->zone, request->at,
						   &pick->period_begin, &pick->period_end);
	return turns;
}

/* A standby has none: they are found after its promotion. */
static void
find_team_meters(const TeamConfig *team, PickTeam *pick)
{
	pick->lacks_meters = RecoveryInProgress();
	for (int i = 0; i < team->nmembers; i++)
	{
		lr_limit_count(pick->slots[i], false, team->details[i].caps, team->details[i].ncaps);
		if (team->members[i])
			lr_limit_count(pick->slots[i], true, team->members[i]->caps, team->members[i]->ncaps);
	}
}

/* Whether turns alone decide, today and always, for a lead that asks for nothing. */
static bool
is_plain(const FlowConfig *config, const TeamConfig *team)
{
	if (team->strategy != STRATEGY_ROUND_ROBIN || team->scope != SCOPE_TEAM || team->reset != RESET_NEVER ||
		config->asks_skills || (team->hours == HOURS_TEAM && team->calendar))
		return false;
	for (int i = 0; i < team->nmembers; i++)
	{
		const MemberConfig *member = &team->details[i];
		const RepConfig *rep = team->members[i];

		if (member->capacity != NO_LIMIT || member->ncaps > 0 || member->prefers ||
			!TIMESTAMP_IS_NOBEGIN(member->joined_at) || !TIMESTAMP_IS_NOEND(member->left_at))
			return false;
		if (rep && (rep->capacity != NO_LIMIT || rep->ncaps > 0 || rep->nleaves > 0 ||
					(team->hours == HOURS_REP && rep->calendar)))
			return false;
	}
	return true;
}

static bool
is_plain_request(const PickTeam *pick, const PickRequest *request)
{
	return pick->plain && request->ntried == 0 && request->sticky == NULL;
}

/* What a turn costs each, and what his load is measured by. */
static void
weigh_members(const TeamConfig *team, PickTeam *pick)
{
	int largest = 0;

	for (int i = 0; i < team->nmembers; i++)
		largest = Max(largest, team->details[i].capacity);
	for (int i = 0; i < team->nmembers; i++)
	{
		const MemberConfig *detail = &team->details[i];
		const RepConfig *rep = team->members[i];
		PickMember *member = &pick->members[i];
		int weight = team->weights[i];

		if (weight > 0)
			member->step = detail->multiplier == 1 ? ROTATION_SCALE / weight
												   : Max((int64) rint(ROTATION_SCALE / (weight * detail->multiplier)), 1);

		member->share = weight * detail->multiplier;

		/* who has no limit of his own counts as having the largest of the team, where there is any */
		member->rep_wide = detail->capacity == NO_LIMIT && rep && rep->capacity != NO_LIMIT;
		if (member->rep_wide)
			member->room = rep->capacity;
		else if (detail->capacity != NO_LIMIT)
			member->room = detail->capacity;
		else
			member->room = largest > 0 ? largest : Max(weight, 1);
		member->room *= detail->multiplier;
		member->rank = (detail->rank > 0 ? detail->rank : PG_INT32_MAX) / detail->multiplier;
	}
}

bool
lr_pick_is_ready(const PickRequest *request)
{
	PickTeam *pick = request->team->pick;

	if (pick == NULL || pick->lacks_meters || !lr_rotation_is_ready(pick->candidates, request->team->nmembers))
		return false;
	if (is_plain_request(pick, request))
		return true;
	return (!pick->has_calendars || is_fresh(pick, request->at)) && turns_are_ready(request, pick);
}

static bool
turns_are_ready(const PickRequest *request, const PickTeam *pick)
{
	const TeamConfig *team = request->team;
	const PickTurns *turns = pick->turns;

	while (turns != NULL && turns->rule != (team->scope == SCOPE_RULE ? request->rule : NULL))
		turns = turns->next;
	if (turns == NULL || !lr_rotation_are_ready(turns->slots, team->nmembers))
		return false;
	return turns->epoch == NULL || lr_rotation_are_ready(&turns->epoch, 1);
}

static bool
is_fresh(const PickTeam *pick, TimestampTz at)
{
	return pick->from <= at && at < pick->until && (!pick->has_calendars || pick->generation == lr_calendar_generation());
}

/* Works out what configuration and time say of each member, and until when. */
static void
refresh(FlowConfig *config, TeamConfig *team, TimestampTz at)
{
	PickTeam *pick = team->pick;
	TimestampTz from = DT_NOBEGIN;
	TimestampTz until = DT_NOEND;
	uint64 generation = lr_calendar_generation();

	/* an error leaves what is known unusable */
	pick->from = pick->until = 0;
	for (int i = 0; i < team->nmembers; i++)
	{
		pick->members[i].fixed = lr_eligible_member(config, team, i, at, &from, &until);
		pick->members[i].returned = team->members[i] ? lr_eligible_return(team->members[i], at) : PG_INT32_MIN;
	}
	pick->from = from;
	pick->until = until;
	pick->generation = generation;
}

/* What the lead asks for, on top of what holds for all leads now. */
static void
look_at_lead(const PickRequest *request, PickTeam *pick)
{
	const TeamConfig *team = request->team;
	bool asks = request->point || request->ntried > 0 || request->nskills > 0;

	for (int i = 0; i < team->nmembers; i++)
	{
		PickMember *member = &pick->members[i];
		bool tried = false;

		if (!asks)
		{
			member->reason = member->fixed;
			member->preferred = false;
			continue;
		}

		member->reason = member->fixed;
		member->preferred = request->point && team->details[i].prefers &&
							lr_territory_contains(team->details[i].prefers, request->point);
		if (member->reason != PICK_ELIGIBLE && member->reason < PICK_TRIED)
			continue;
		for (int j = 0; j < request->ntried && !tried; j++)
			tried = strcmp(request->tried[j], team->member_names[i]) == 0;
		if (tried)
			member->reason = PICK_TRIED;
		else if (request->nskills > 0 && !lr_eligible_by_skills(team->members[i], request->skills, request->nskills))
			member->reason = PICK_NO_SKILL;
	}
}

SkillConfig
lr_pick_skill(const FlowConfig *config, const char *text)
{
	const char *level = strstr(text, ">=");
	SkillConfig asked = {.level = level ? atoi(level + 2) : 1};

	asked.skill = lr_config_skill(config, level ? pnstrdup(text, level - text) : text);
	return asked;
}

/* Who the lead sticks to, if he may have it, else the best of all who may. */
static int
choose(void *arg, int64 *step)
{
	Choice *choice = arg;
	const PickRequest *request = choice->request;
	int sticky = sticky_member(request);
	int index = -1;
	int64 owed = 0;

	if (choice->turns->epoch)
		reset_turns(choice);
	choice->by_turns = request->team->strategy == STRATEGY_ROUND_ROBIN && !choice->resets;
	if (choice->by_turns && !choice->pick->plain)
		choice->latest = latest_turn(choice);
	if (sticky >= 0)
	{
		index = best_of(choice, sticky, sticky + 1);
		owed = choice->owed;
	}
	choice->sticks = index >= 0;
	if (!choice->sticks || request->explains)
	{
		int best = best_of(choice, 0, request->team->nmembers);

		if (!choice->sticks)
		{
			index = best;
			owed = choice->owed;
		}
	}
	if (index >= 0)
		*step = owed + choice->pick->members[index].step;
	if (choice->takes && (index < 0 || lr_rotation_can_count(choice->pick->slots[index], request->at)))
		tally(choice, index);
	return index;
}

/* The index of the rep whom the lead sticks to; -1 where there is none, or he is no member. */
static int
sticky_member(const PickRequest *request)
{
	int index = request->sticky ? request->team->nmembers - 1 : -1;

	while (index >= 0 && strcmp(request->team->member_names[index], request->sticky) != 0)
		index--;
	return index;
}

/*
 * The best of some who may; -1 where none may. Members are compared first and looked at closely only where they come before
 * the best so far: a look at open leads and caps costs more than a comparison.
 */
static int
best_of(Choice *choice, int from, int to)
{
	const TeamConfig *team = choice->request->team;
	int index = -1;

	choice->owed = 0;
	for (int i = from; i < to; i++)
	{
		PickMember *member = &choice->pick->members[i];
		Place *place = &member->place;
		RotationStanding standing;
		int64 owed = 0;
		bool wanted;

		if (member->reason == PICK_NO_REP)
			continue;
		/* a choice that is made anew looks at limits anew */
		if (member->reason >= PICK_NO_CAPACITY)
			member->reason = PICK_ELIGIBLE;
		lr_rotation_standing(choice->turns->slots[i], &standing);
		if (choice->by_turns && !choice->pick->plain)
			owed = lapsed_turns(team, member, &standing, choice->latest);
		place->preferred = member->preferred;
		place->pointer = choice->by_turns ? standing.pointer + owed : 0;
		place->load = team->strategy == STRATEGY_ROUND_ROBIN ? 0 : load_of(team, member);
		place->last = standing.last;
		if (member->reason != PICK_ELIGIBLE)
			continue;
		wanted = index < 0 || lr_pick_comes_before(place, &choice->pick->members[index].place);
		if (!wanted && !choice->request->explains)
			continue;
		member->reason = load_reason(choice, i);
		if (!wanted || member->reason != PICK_ELIGIBLE)
			continue;
		index = i;
		choice->owed = owed;
	}
	return index;
}

/*
 * Counts, for fairness(), what each member could expect of this pick, and who was passed over: whose turn had come
 * before the one who was picked, if he could have been. A look at limits stops at the first who may, so of those who
 * come later nobody knows, and nobody needs to.
 */
static void
tally(const Choice *choice, int picked)
{
	const TeamConfig *team = choice->request->team;
	const PickMember *members = choice->pick->members;
	double shares = 0;

	/* nobody else could expect it */
	if (choice->sticks)
	{
		lr_rotation_tally(choice->pick->slots[picked], -1, 1);
		return;
	}
	for (int i = 0; i < team->nmembers; i++)
	{
		PickReason reason = (PickReason) members[i].reason;

		if (reason == PICK_ELIGIBLE)
			shares += members[i].share;
		else if (reason >= PICK_NOT_ACCEPTING && (picked < 0 || lr_pick_comes_before(&members[i].place, &members[picked].place)))
			lr_rotation_tally(choice->pick->slots[i], reason - PICK_NOT_ACCEPTING, 0);
	}
	if (picked < 0)
		return;
	shares = 1 / shares;
	for (int i = 0; i < team->nmembers; i++)
		if (members[i].reason == PICK_ELIGIBLE)
			lr_rotation_tally(choice->pick->slots[i], -1, members[i].share * shares);
}

/* In a new week or month all members are lifted to the one who is ahead; who only looks takes them for equal. */
static void
reset_turns(Choice *choice)
{
	int n = choice->request->team->nmembers;
	int64 highest = PG_INT64_MIN;
	RotationStanding standing;
	int64 ahead;

	lr_rotation_standing(choice->turns->epoch, &standing);
	ahead = choice->pick->period_begin - standing.pointer;
	choice->resets = ahead > 0;
	if (!choice->resets || !choice->takes)
		return;
	for (int i = 0; i < n; i++)
	{
		lr_rotation_standing(choice->turns->slots[i], &standing);
		highest = Max(highest, standing.pointer);
	}
	for (int i = 0; i < n; i++)
	{
		lr_rotation_standing(choice->turns->slots[i], &standing);
		if (standing.pointer < highest)
			lr_rotation_lift(choice->turns->slots[i], highest - standing.pointer);
	}
	lr_rotation_lift(choice->turns->epoch, ahead);
	choice->resets = false;
}

/* The latest of the last turns of all who may be picked: time as the rotation counts it. */
static int64
latest_turn(const Choice *choice)
{
	int64 latest = PG_INT64_MIN;

	for (int i = 0; i < choice->request->team->nmembers; i++)
	{
		const PickMember *member = &choice->pick->members[i];
		RotationStanding standing;

		if (member->reason != PICK_ELIGIBLE)
			continue;
		lr_rotation_standing(choice->turns->slots[i], &standing);
		latest = Max(latest, standing.pointer - member->step);
	}
	return latest;
}

/* What a member has missed beyond what he makes up. */
static int64
lapsed_turns(const TeamConfig *team, const PickMember *member, const RotationStanding *standing, int64 latest)
{
	int turns = PICK_SLACK;

	if (!team->levels)
	{
		if (team->catch_up_limit == NO_LIMIT)
			return 0;
		turns = team->catch_up_limit;
	}
	else if (standing->last_minute < member->returned)
		turns = 0;
	return Max(latest - turns * member->step - standing->pointer, 0);
}

/* How loaded a member is, or how far down he ranks: the least comes first. */
static double
load_of(const TeamConfig *team, const PickMember *member)
{
	int32 open;

	if (team->strategy == STRATEGY_RANKED)
		return member->rank;
	open = member->rep_wide ? lr_rotation_rep_open(member->slot) : lr_rotation_open(member->slot);
	return team->most_free ? open - member->room : open / Max(member->room, 1e-9);
}

/* What other leads leave him. */
static PickReason
load_reason(const Choice *choice, int index)
{
	const TeamConfig *team = choice->request->team;
	const MemberConfig *detail = &team->details[index];
	const RepConfig *rep = team->members[index];
	const RotationSlot *slot = choice->pick->slots[index];

	if ((detail->capacity != NO_LIMIT && lr_rotation_open(slot) >= detail->capacity) || lr_limit_full(rep, slot))
		return PICK_NO_CAPACITY;
	if (lr_limit_cap(detail->caps, detail->ncaps, choice->request->at) || lr_limit_cap(rep->caps, rep->ncaps, choice->request->at))
		return PICK_CAPPED;
	return PICK_ELIGIBLE;
}

RotationSlot *
lr_pick_slot(FlowConfig *config, TeamConfig *team, int member)
{
	return pick_team(config, team)->slots[member];
}
