/*
 * target.h
 *		What a rule's target does with a lead.
 *
 * Each answers whether the lead is settled; where not, *why and *code say for the reason what stood in the way. Under ROUTE_TAKE turns and places
 * are taken. A walk that is not protected may stop instead (walk->stopped), with nothing decided, to be repeated under protection.
 */
#ifndef LR_TARGET_H
#define LR_TARGET_H

#include "route_walk.h"

/* Gives the lead to the rule's target; false where the rule falls through. */
extern bool lr_target_apply(RouteWalk *walk, const RuleConfig *rule);

extern bool lr_target_team(RouteWalk *walk, const RuleConfig *rule, const char *name, char **why, const char **code);
extern bool lr_target_rep(RouteWalk *walk, const char *name, bool owns, char **why);

/* Whose is what he owns: he himself, or who stands in for him; *away: why he does not. */
extern bool lr_target_owner(RouteWalk *walk, const char *owner, char **away, char **why);

/* False, and the walk stopped, where a place cannot be taken without protection. */
extern bool lr_target_may_take(RouteWalk *walk, RepConfig *rep, const char *name);

#endif /* LR_TARGET_H */
