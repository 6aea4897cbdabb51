/*
 * reason.c
 *		Why a lead was decided so, in one sentence, and the rules it was passed by.
 *
 * Functions of the decision alone: they read no table, take no lock and change nothing. Texts are made in the current
 * context.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "reason.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

static void append_named(StringInfo text, const char *before, const char *name, const char *after);
static const char *waiting_text(const char *code);
static Jsonb *make_path(const Decision *decision, bool with_match);
static void push_key(JsonbParseState **state, const char *key);
static void push_text(JsonbParseState **state, const char *key, const char *text);

char *
lr_route_reason(const Decision *decision)
{
	const char *code = decision->ruled_code ? decision->ruled_code : decision->code;
	const char *status = decision->ruled_status ? decision->ruled_status : decision->status;
	StringInfoData text;
	ListCell *cell;

	initStringInfo(&text);
	if (decision->duplicate_of)
	{
		appendStringInfo(&text, "%ssame %s as lead %s", strcmp(decision->code, "returning") == 0 ? "returning: " : "",
						 decision->match, decision->duplicate_of);
		if (decision->silent)
			appendStringInfoString(&text, ", sent again");
		if (decision->owner && decision->rule == NULL && decision->ruled_code == NULL && strcmp(decision->code, "given") != 0 &&
			strcmp(decision->code, "absorbed") != 0)
		{
			appendStringInfo(&text, strcmp(decision->code, "returning") == 0 ? ": %s, who had it, has it again" : ": %s has it", decision->owner);
			return text.data;
		}
		if (strcmp(decision->code, "absorbed") == 0)
		{
			appendStringInfoString(&text, ": merged into it");
			return text.data;
		}
		appendStringInfoString(&text, "; ");
	}
	/* what nearly every lead has: put together without formats, which cost more than all the rest */
	if (decision->rule)
	{
		char position[12];

		append_named(&text, "rule \"", decision->rule->rule, "\" (");
		pg_ltoa(decision->rule->position, position);
		append_named(&text, "", position, "): ");
	}
	if (decision->territory)
	{
		append_named(&text, "territory \"", decision->territory, "\" of map ");
		append_named(&text, "\"", decision->rule->target_name, "\", ");
	}
	if (decision->team)
		append_named(&text, "team \"", decision->team, "\", ");

	if (decision->rule && decision->rule->target == TARGET_ACCOUNT_OWNER && decision->account)
		appendStringInfo(&text, "account \"%s\" (by %s), ", decision->account, decision->account_by);

	if (strcmp(code, "given") == 0)
		appendStringInfo(&text, "the row arrived with owner %s, who keeps it", decision->owner);
	else if (decision->owner && (decision->stands_in || (decision->rule && decision->rule->target == TARGET_ACCOUNT_OWNER)))
		appendStringInfo(&text, "its owner %s", decision->stands_in ? decision->stands_in : decision->owner);
	else if (strcmp(code, "returned") == 0)
		appendStringInfo(&text, "%s, who had it, has it again", decision->owner);
	else if (decision->owner && decision->team && decision->how)
		append_named(&text, decision->how, ": ", decision->owner);
	else if (decision->owner)
		append_named(&text, "rep ", decision->owner, "");
	else if (strcmp(status, "discarded") == 0)
		appendStringInfoString(&text, "discarded");
	else if (strcmp(status, "nurture") == 0)
		appendStringInfoString(&text, "nurtured, without an owner");
	else if (strcmp(code, "held") == 0)
		appendStringInfo(&text, "held until %s at the latest", timestamptz_to_str(decision->held_until));
	else if (strcmp(code, CODE_NOT_READY) == 0)
		appendStringInfoString(&text, "the flow's route_when does not hold yet");
	else if (strcmp(code, CODE_NO_CONSENT) == 0)
		appendStringInfoString(&text, "not given out: the person has not consented");
	else if (strcmp(code, "queued") == 0)
		appendStringInfo(&text, "waits in queue \"%s\"", decision->queue);
	else if (strcmp(code, CODE_ARRIVED_CLOSED) == 0)
		appendStringInfoString(&text, "closed when it arrived, not routed");
	else if (strcmp(code, "no_account") == 0)
		appendStringInfo(&text, "%s: waits in queue \"%s\"", decision->account ? "which has no owner" : "no account", decision->queue);
	else if (strcmp(status, "waiting") == 0)
		appendStringInfo(&text, "%s: waits in queue \"%s\"", waiting_text(code), decision->queue);
	else
		appendStringInfo(&text, "not routed: %s", code);

	if (strcmp(code, "fallback") == 0)
		appendStringInfoString(&text, " (fallback: a decision failed)");
	else if (strcmp(code, "no_flow") == 0)
		appendStringInfoString(&text, " (the row's flow does not exist)");
	foreach(cell, decision->passed)
	{
		PassedRule *passed = lfirst(cell);

		char position[12];

		pg_ltoa(passed->rule->position, position);
		append_named(&text, "; rule \"", passed->rule->rule, "\" (");
		append_named(&text, position, ") held, but ", passed->why);
	}
	return text.data;
}

static void
append_named(StringInfo text, const char *before, const char *name, const char *after)
{
	appendStringInfoString(text, before);
	appendStringInfoString(text, name);
	appendStringInfoString(text, after);
}

/* Why a lead waits, by its code. */
static const char *
waiting_text(const char *code)
{
	static const char *const texts[][2] = {
		{"no_member", "no eligible member"},
		{"not_accepting", "nobody accepts leads now"},
		{"on_leave", "everybody is on leave"},
		{"all_tried", "everybody has let it lapse before"},
		{"no_skill", "nobody there has the skills"},
		{"off_shift", "everybody is off shift"},
		{"queued_behind", "others wait already"},
		{"no_capacity", "everybody is at capacity"},
		{"capped", "everybody is at a cap"},
		{"no_territory", "no territory of the map covers it"},
		{"rep_unavailable", "the rep is not available"},
		{"owner_inactive", "its owner is not available"},
	};

	for (int i = 0; i < (int) lengthof(texts); i++)
		if (strcmp(texts[i][0], code) == 0)
			return texts[i][1];
	return code;
}

Jsonb *
lr_route_path(const Decision *decision)
{
	return decision->passed == NIL ? NULL : make_path(decision, false);
}

Jsonb *
lr_route_path_of_duplicate(const Decision *decision)
{
	return make_path(decision, true);
}

static Jsonb *
make_path(const Decision *decision, bool with_match)
{
	JsonbParseState *state = NULL;
	ListCell *cell;

	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	if (with_match)
	{
		(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		push_text(&state, "match", decision->match);
		push_text(&state, "lead", decision->duplicate_of);
		(void) pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	foreach(cell, decision->passed)
	{
		PassedRule *passed = lfirst(cell);
		JsonbValue position = {.type = jbvNumeric, .val.numeric = int64_to_numeric(passed->rule->position)};

		(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		push_text(&state, "rule", passed->rule->rule);
		push_key(&state, "position");
		(void) pushJsonbValue(&state, WJB_VALUE, &position);
		push_text(&state, "why", passed->why);
		(void) pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

static void
push_key(JsonbParseState **state, const char *key)
{
	JsonbValue value = {.type = jbvString, .val.string = {.val = unconstify(char *, key), .len = (int) strlen(key)}};

	(void) pushJsonbValue(state, WJB_KEY, &value);
}

static void
push_text(JsonbParseState **state, const char *key, const char *text)
{
	JsonbValue value = {.type = jbvString, .val.string = {.val = unconstify(char *, text), .len = (int) strlen(text)}};

	push_key(state, key);
	(void) pushJsonbValue(state, WJB_VALUE, &value);
}
