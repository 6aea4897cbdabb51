/*
 * target.c
 *		What a rule's target does with a lead: a team, a rep, the account's owner, a territory of a map, a queue, a hold, nobody.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "facts.h"
#include "leadroute.h"
#include "map.h"
#include "pick.h"
#include "qualify.h"
#include "reason.h"
#include "sticky.h"
#include "target.h"
#include "territory.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "waiting.h"
#include "watch.h"

static bool may_take_turn(RouteWalk *walk, const PickRequest *request);
static const char *overflow(RouteWalk *walk);
static bool is_tried(const LeadRow *row, const char *rep);
static bool apply_territory(RouteWalk *walk, const RuleConfig *rule, char **why, const char **code);
static char *uncovered(const char *map);
static bool others_wait(RouteWalk *walk, const PickRequest *request);
static bool apply_hold(RouteWalk *walk, const RuleConfig *rule, char **why);
static void take_waiting_place(RouteWalk *walk);
static void find_sticky(RouteWalk *walk, PickRequest *request, StickyHit *hit);
static bool ask_skills(RouteWalk *walk, const RuleConfig *rule, PickRequest *request);
static bool apply_account_owner(RouteWalk *walk, char **why, const char **code);
static const char *stand_in(RouteWalk *walk, const char *owner, char **away);
static void trace_team(RouteWalk *walk, const PickRequest *request, int picked);

/* Gives the lead to the rule's target; false where the rule falls through. */
bool
lr_target_apply(RouteWalk *walk, const RuleConfig *rule)
{
	Decision *decision = walk->decision;
	char *why = NULL;
	const char *code = NULL;
	PassedRule *passed;

	decision->rule = rule;
	decision->status = "assigned";
	decision->code = walk->row->unknown_flow ? "no_flow" : "assigned";
	switch (rule->target)
	{
		case TARGET_DISCARD:
			decision->status = "discarded";
			decision->code = "discarded";
			return true;
		case TARGET_QUEUE:
			decision->status = "waiting";
			decision->code = "queued";
			decision->queue = rule->target_name;
			return true;
		case TARGET_TERRITORY:
			if (apply_territory(walk, rule, &why, &code))
				return true;
			break;
		case TARGET_TEAM:
			if (lr_target_team(walk, rule, rule->target_name, &why, &code))
				return true;
			break;
		case TARGET_REP:
			code = "rep_unavailable";
			if (lr_target_rep(walk, rule->target_name, false, &why))
				return true;
			break;
		case TARGET_HOLD:
			if (apply_hold(walk, rule, &why))
				return true;
			break;
		case TARGET_ACCOUNT_OWNER:
			if (apply_account_owner(walk, &why, &code))
				return true;
			break;
		case TARGET_NURTURE:
			if (!lr_is_qualified(walk->row, walk->plan->base.config, walk->warned) || rule == &walk->plan->base.config->rules[walk->plan->base.config->nrules - 1])
			{
				decision->status = "nurture";
				decision->code = "nurtured";
				return true;
			}
			why = pstrdup("it is qualified");
			break;
	}

	if (walk->stopped)
	{
		decision->rule = NULL;
		decision->status = NULL;
		decision->code = NULL;
		decision->team = decision->territory = NULL;
		return false;
	}
	if ((rule->waits && rule->target != TARGET_HOLD && rule->target != TARGET_NURTURE) || (code && strcmp(code, CODE_ALL_TRIED) == 0 && overflow(walk)))
	{
		decision->status = "waiting";
		decision->code = code;
		/* it waits where a team would have taken it, else under the target's own name */
		decision->queue = decision->team ? decision->team : rule->target_name;
		if (rule->target == TARGET_ACCOUNT_OWNER)
			decision->queue = strcmp(code, "owner_inactive") == 0 ? walk->account.hits->owner : "account_owner";
		/* they are no team's any more: people take them from there */
		if (strcmp(code, CODE_ALL_TRIED) == 0 && overflow(walk))
		{
			decision->queue = overflow(walk);
			decision->team = NULL;
		}
		take_waiting_place(walk);
		return true;
	}
	lr_route_trace(walk, "rule", rule->rule, "falls through", why);
	passed = palloc(sizeof(PassedRule));
	passed->rule = rule;
	passed->why = why;
	decision->passed = lappend(decision->passed, passed);
	decision->rule = NULL;
	decision->status = NULL;
	decision->code = NULL;
	decision->team = decision->territory = decision->owner = NULL;
	return false;
}

/* Holds the lead, unless what it waits for is there or the time has passed: then the rules below have it. */
static bool
apply_hold(RouteWalk *walk, const RuleConfig *rule, char **why)
{
	Decision *decision = walk->decision;
	FlowConfig *config = walk->plan->base.config;
	bool warned = walk->mode == ROUTE_PEEK;

	if (walk->row->released)
		*why = pstrdup("it has held the lead long enough");
	else if (rule->hold_until && lr_watch_hold_ends(lr_watch(walk->row->shape, config), (int) (rule - config->rules), walk->row, &warned))
		*why = pstrdup("what it waits for is there");
	else
	{
		decision->status = "waiting";
		decision->code = "held";
		decision->held_until = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(decision->at),
																	   IntervalPGetDatum(&rule->hold_for)));
		return true;
	}
	return false;
}

/* A lead that waits for a team counts as waiting, for everybody at once. */
static void
take_waiting_place(RouteWalk *walk)
{
	Decision *decision = walk->decision;
	TeamConfig *team = decision->team ? lr_config_team(walk->plan->base.config, decision->team) : NULL;

	/* one that is not there has no queue that is ever drained */
	if (team == NULL)
		decision->team = NULL;
	else if (walk->mode == ROUTE_TAKE)
	{
		lr_rotation_take_place(lr_waiting_slot(walk->plan->base.config, team), &decision->turn);
		decision->has_turn = true;
	}
}

/* The queue of leads that everybody in the team has let lapse; NULL where it has none. */
static const char *
overflow(RouteWalk *walk)
{
	TeamConfig *team = walk->decision->team ? lr_config_team(walk->plan->base.config, walk->decision->team) : NULL;

	return team ? team->overflow : NULL;
}

static bool
apply_territory(RouteWalk *walk, const RuleConfig *rule, char **why, const char **code)
{
	Decision *decision = walk->decision;
	TerritoryHit hit;
	List *chain = NIL;
	struct varlena *point = lr_point(walk->plan->point, walk->row, rule->target_name);
	ListCell *cell;

	if (walk->trace)
		lr_route_trace(walk, "point", rule->target_name, "is looked up", lr_territory_text(point));
	if (!lr_map_find(walk->plan->base.config, rule->target_name, point, decision->at, &hit,
					 walk->trace ? &chain : NULL))
	{
		*why = uncovered(rule->target_name);
		*code = "no_territory";
		lr_route_trace(walk, "territory", rule->target_name, "none", NULL);
		return false;
	}
	foreach(cell, chain)
	{
		TerritoryHit *covering = lfirst(cell);

		lr_route_trace(walk, "territory", covering->territory,
					   strcmp(covering->territory, hit.territory) == 0 ? "innermost" : "covers it too",
					   lr_territory_text(covering->area));
	}
	decision->territory = hit.territory;
	*code = "rep_unavailable";
	if (hit.rep && lr_target_rep(walk, hit.rep, false, why))
		return true;
	return !walk->stopped && hit.team && lr_target_team(walk, rule, hit.team, why, code);
}

/* Most leads of a map with gaps have it, so it is put together without a format. */
static char *
uncovered(const char *map)
{
	static const char before[] = "no territory of map \"";
	static const char after[] = "\" covers the lead";
	size_t len = strlen(map);
	char *why = palloc(sizeof(before) + len + sizeof(after));

	memcpy(why, before, sizeof(before) - 1);
	memcpy(why + sizeof(before) - 1, map, len);
	memcpy(why + sizeof(before) - 1 + len, after, sizeof(after));
	return why;
}

bool
lr_target_team(RouteWalk *walk, const RuleConfig *rule, const char *name, char **why, const char **code)
{
	Decision *decision = walk->decision;
	FlowConfig *config = walk->plan->base.config;
	TeamConfig *team = lr_config_team(config, name);
	PickRequest request = {.config = config, .team = team, .rule = rule, .at = decision->at, .ntried = walk->row->ntried, .tried = walk->row->tried, .explains = walk->trace != NULL};
	PickReason reason;
	StickyHit sticky;
	int picked;

	*code = "no_member";
	decision->team = team ? team->team : name;
	*code = "no_member";
	if (team == NULL)
	{
		*why = psprintf("team \"%s\" does not exist", name);
		lr_route_trace(walk, "team", name, "not there", NULL);
		return false;
	}
	if (!ask_skills(walk, rule, &request))
		return false;
	find_sticky(walk, &request, &sticky);
	if (!may_take_turn(walk, &request))
		return false;
	if (team->prefers)
		request.point = lr_point(walk->plan->point, walk->row, "");
	if (!walk->row->waited && others_wait(walk, &request))
	{
		*code = "queued_behind";
		*why = psprintf("others wait for team \"%s\" already", name);
		lr_route_trace(walk, "team", name, "others wait", psprintf("%d wait before it", lr_waiting_count(config, team)));
		return false;
	}
	if (walk->stopped)
		return false;
	picked = lr_pick(&request, walk->mode == ROUTE_TAKE ? &decision->turn : NULL, &reason);
	if (walk->trace)
		trace_team(walk, &request, picked);
	if (picked < 0)
	{
		*code = lr_pick_code(reason);
		*why = strcmp(*code, "no_member") == 0 ? psprintf("team \"%s\" has no eligible member", name)
											   : psprintf("team \"%s\" has no eligible member (%s)", name, lr_pick_summary(team));
		return false;
	}
	decision->has_turn = (walk->mode == ROUTE_TAKE);
	decision->owner = team->member_names[picked];
	decision->how = request.sticky && strcmp(decision->owner, request.sticky) == 0 ? sticky.how : lr_pick_strategy(team);
	decision->sticks = team->sticky == STICKY_ACCOUNT;
	return true;
}

/* Leads that wait go first. Where somebody could have this one, he could have one of them: a place that nobody handed on. */
static bool
others_wait(RouteWalk *walk, const PickRequest *request)
{
	PickReason ignored;

	if (request->team->waiting == NULL && !walk->protected && walk->mode == ROUTE_TAKE)
	{
		walk->stopped = true;
		return false;
	}
	if (lr_waiting_count(request->config, request->team) <= 0)
		return false;
	if (walk->mode == ROUTE_TAKE && lr_pick(request, NULL, &ignored) >= 0)
		lr_drain_want(request->config->flow);
	return true;
}

/* Who of a sticky team has an earlier lead. */
static void
find_sticky(RouteWalk *walk, PickRequest *request, StickyHit *hit)
{
	const AccountHit *account;

	if (request->team->sticky == STICKY_NONE)
		return;
	account = request->team->sticky == STICKY_ACCOUNT ? lr_route_account(walk) : NULL;
	if (!lr_sticky_find(request->config, request->team, walk->row->lead, walk->row->first, account ? account->account : NULL, hit))
		return;
	request->sticky = hit->owner;
	lr_route_trace(walk, "sticky", hit->owner, hit->how, psprintf("has lead %s", hit->lead));
}

/* The skills that the rule asks for, of this lead. False where that may fail and is not protected: the walk stops. */
static bool
ask_skills(RouteWalk *walk, const RuleConfig *rule, PickRequest *request)
{
	RoutePlan *plan = walk->plan;
	LrCondition **condition;
	SkillConfig *skills;
	ArrayType *array;
	Datum *names;
	bool *nulls;
	int n;
	Datum value;
	bool isnull;

	if (rule->skills == NULL)
		return true;
	condition = &plan->skills[rule - plan->base.config->rules];
	if (!walk->protected && walk->mode == ROUTE_TAKE && (*condition == NULL || !lr_condition_cannot_fail(*condition)))
	{
		walk->stopped = true;
		return false;
	}
	if (*condition == NULL)
		*condition = lr_condition_compile_as(rule->skills, &plan->scope, TEXTARRAYOID, plan->base.mcxt);
	lr_route_prepare_facts(walk, *condition);
	value = lr_condition_value(*condition, plan->econtext, &isnull);
	if (isnull)
		return true;

	array = DatumGetArrayTypeP(value);
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &n);
	skills = palloc(Max(n, 1) * sizeof(SkillConfig));
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			skills[request->nskills++] = lr_pick_skill(plan->base.config, TextDatumGetCString(names[i]));
	request->skills = skills;
	return true;
}

/* A rep by name; who owns the account has its leads also off shift, and beyond his limits. */
bool
lr_target_rep(RouteWalk *walk, const char *name, bool owns, char **why)
{
	Decision *decision = walk->decision;
	FlowConfig *config = walk->plan->base.config;
	RepConfig *rep = lr_config_rep(config, name);
	PickReason reason;

	if (rep == NULL)
	{
		*why = psprintf("rep \"%s\" does not exist", name);
		lr_route_trace(walk, "rep", name, "not there", NULL);
		return false;
	}
	if (is_tried(walk->row, name))
	{
		*why = psprintf("rep \"%s\" has let it lapse", name);
		lr_route_trace(walk, "rep", name, "has let it lapse", NULL);
		return false;
	}
	if (!lr_target_may_take(walk, rep, name))
		return false;
	if (!owns)
		reason = lr_pick_rep(config, rep, decision->at, walk->mode == ROUTE_TAKE ? &decision->turn : NULL);
	else if ((reason = lr_pick_owner(rep, decision->at)) == PICK_ELIGIBLE && walk->mode == ROUTE_TAKE)
		decision->over_cap = lr_pick_given(config, "", rep->rep, decision->at, &decision->turn);
	if (reason != PICK_ELIGIBLE)
	{
		*why = psprintf("rep \"%s\" is %s", name, lr_pick_reason_text(reason));
		lr_route_trace(walk, "rep", name, lr_pick_reason_text(reason), NULL);
		return false;
	}
	lr_route_trace(walk, "rep", name, "takes it", NULL);
	decision->owner = rep->rep;
	decision->has_turn = (walk->mode == ROUTE_TAKE);
	return true;
}

static bool
is_tried(const LeadRow *row, const char *rep)
{
	for (int i = 0; i < row->ntried; i++)
		if (strcmp(row->tried[i], rep) == 0)
			return true;
	return false;
}

/*
 * Whether a place can be taken here: shared memory may have no room for a member who was not asked for before. Where
 * not, the walk stops, to be repeated under protection.
 */
bool
lr_target_may_take(RouteWalk *walk, RepConfig *rep, const char *name)
{
	if (!walk->protected && walk->mode == ROUTE_TAKE && !lr_pick_rep_is_ready(walk->plan->base.config, rep, name))
		walk->stopped = true;
	return !walk->stopped;
}

/* The same for a turn. */
static bool
may_take_turn(RouteWalk *walk, const PickRequest *request)
{
	if (!walk->protected && walk->mode == ROUTE_TAKE && !lr_pick_is_ready(request))
		walk->stopped = true;
	return !walk->stopped;
}

/* The owner of the lead's account takes it without a turn; it counts as load. */
static bool
apply_account_owner(RouteWalk *walk, char **why, const char **code)
{
	const AccountHit *hit = lr_route_account(walk);
	char *away;

	*code = "no_account";
	if (hit == NULL)
	{
		*why = pstrdup("the lead has no account");
		return false;
	}
	if (hit->owner == NULL)
	{
		*why = psprintf("account \"%s\" has no owner", hit->account);
		return false;
	}
	*code = "owner_inactive";
	if (!lr_target_owner(walk, hit->owner, &away, why))
	{
		if (!walk->stopped && away)
			*why = psprintf("rep \"%s\" is %s, and %s", hit->owner, away, *why);
		if (!walk->stopped)
			*why = psprintf("the owner of account \"%s\" cannot take it: %s", hit->account, *why);
		return false;
	}
	if (strcmp(walk->decision->code, "assigned") == 0)
		walk->decision->code = "account_owner";
	return true;
}

/* Gives the lead to an owner or who stands in for him; *away as stand_in() has it. */
bool
lr_target_owner(RouteWalk *walk, const char *owner, char **away, char **why)
{
	const char *rep = stand_in(walk, owner, away);

	if (!lr_target_rep(walk, rep, true, why))
		return false;
	if (*away)
		walk->decision->stands_in = psprintf("%s is %s: the backup %s", owner, *away, rep);
	return true;
}

/*
 * Who has what is an owner's: he himself, else the first of his chain of backups who is active and not on leave, else its
 * last. *away says why others than the owner were passed over, NULL where it is he.
 */
static const char *
stand_in(RouteWalk *walk, const char *owner, char **away)
{
	const FlowConfig *config = walk->plan->base.config;
	const char *name = owner;

	*away = NULL;
	/* rows that were restored, or written by the table's owner, may form a circle */
	for (int step = 0; step < config->nreps; step++)
	{
		const RepConfig *rep = lr_config_rep(config, name);
		PickReason reason = rep ? lr_pick_owner(rep, walk->decision->at) : PICK_NO_REP;

		if (reason == PICK_ELIGIBLE || rep == NULL || rep->backup == NULL)
			break;
		lr_route_trace(walk, "rep", name, lr_pick_reason_text(reason), psprintf("its backup is %s", rep->backup));
		*away = *away ? psprintf("%s, the backup %s is %s", *away, name, lr_pick_reason_text(reason)) : pstrdup(lr_pick_reason_text(reason));
		name = rep->backup;
	}
	return name;
}

static void
trace_team(RouteWalk *walk, const PickRequest *request, int picked)
{
	TeamConfig *team = request->team;

	lr_route_trace(walk, "team", team->team, picked < 0 ? "no eligible member" : "takes it",
				   psprintf("%d member%s, %s", team->nmembers, team->nmembers == 1 ? "" : "s", lr_pick_strategy(team)));
	for (int i = 0; i < team->nmembers; i++)
	{
		char *obstacle = lr_pick_obstacle(request, i);
		int64 pointer;
		int32 open;

		lr_rotation_read(lr_pick_slot(request->config, team, i), &pointer, &open);
		lr_route_trace(walk, "rep", team->member_names[i],
					   obstacle ? psprintf("passed over: %s", obstacle) : i == picked ? "goes next"
																					  : "waits for a turn",
					   psprintf("weight %d, turns %.6g, open %d; %s %d", team->weights[i], (double) pointer / ROTATION_SCALE, open,
								obstacle ? "would be number" : "number", lr_pick_position(request, i)));
	}
}
