/*
 * message.c
 *		A message to other systems about a lead that arrives.
 *
 * The fields are those of leadroute.lead_message(), which makes the payload of all other messages from lead_states: a
 * test compares the two. Here the state is not written yet, so they come from the decision and the cached configuration.
 * Most are not made here at all, but when they are claimed (leadroute.outbox_payload()).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/async.h"
#include "config.h"
#include "consent.h"
#include "fmgr.h"
#include "journal.h"
#include "lib/stringinfo.h"
#include "mask.h"
#include "mb/pg_wchar.h"
#include "message.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "watch.h"

PG_FUNCTION_INFO_V1(lr_sql_lead_link);

static void write_message(const char *type, const Message *message, const char *recipient, bool of_event);
static Jsonb *payload_of(const Message *message);
static bool is_masked(const Message *message);
static void add_value(JsonbParseState **json, const char *name, JsonbValue value);
static void add_number(JsonbParseState **json, const char *name, Numeric value);
static void add_text(JsonbParseState **json, const char *name, const char *value);
static void add_word(JsonbParseState **json, const char *name, const JournalRow *state, StateColumn column, const char *mask);
static char *word_of(const JournalRow *state, StateColumn column);
static void add_time(JsonbParseState **json, const char *name, TimestampTz value);
static const char *link_of(const char *template, const char *flow, const char *lead);
static void append_url_text(StringInfo url, const char *value);

void
lr_message_write(const char *type, const Message *message, const char *recipient)
{
	write_message(type, message, recipient, false);
}

void
lr_message_write_decision(const char *type, const Message *message, const char *recipient)
{
	/* what is not routed may have no event */
	write_message(type, message, recipient, strcmp(message->decision->status, "unrouted") != 0);
}

static void
write_message(const char *type, const Message *message, const char *recipient, bool of_event)
{
	const Decision *decision = message->decision;
	FlowConfig *config = decision->config;
	const MessageType *wanted = lr_config_message_type(config, type);
	JournalRow row;

	if (wanted == NULL || !lr_consent_suffices(config, decision->consent))
		return;
	if (recipient == NULL)
	{
		const TeamConfig *team = decision->owner || decision->team == NULL ? NULL : lr_config_team(config, decision->team);

		recipient = decision->owner ? decision->owner : team ? team->channel
															 : NULL;
	}
	lr_journal_begin_row(&row);
	lr_journal_set_text(&row, OUTBOX_FLOW, config->flow);
	lr_journal_set_text(&row, OUTBOX_AGGREGATETYPE, "lead");
	lr_journal_set_text(&row, OUTBOX_AGGREGATEID, message->lead);
	lr_journal_set_text(&row, OUTBOX_TYPE, type);
	if (!of_event || !wanted->claimed)
		lr_journal_set_datum(&row, OUTBOX_PAYLOAD, JsonbPGetDatum(payload_of(message)));
	lr_journal_set_time(&row, OUTBOX_CREATED_AT, decision->at);
	lr_journal_set_text(&row, OUTBOX_RECIPIENT, recipient);
	lr_journal_append(JOURNAL_OUTBOX, &row);
	if (config->outbox_notify)
		Async_Notify("leadroute", config->flow);
}

static Jsonb *
payload_of(const Message *message)
{
	const Decision *decision = message->decision;
	FlowConfig *config = decision->config;
	const RepConfig *owner = decision->owner ? lr_config_rep(config, decision->owner) : NULL;
	const TeamConfig *team = decision->team ? lr_config_team(config, decision->team) : NULL;
	bool masked = is_masked(message);
	JsonbParseState *json = NULL;

	(void) pushJsonbValue(&json, WJB_BEGIN_OBJECT, NULL);
	add_text(&json, "flow", config->flow);
	add_text(&json, "lead", message->lead);
	add_word(&json, "name", message->state, STATE_NAME, masked ? "name" : NULL);
	add_word(&json, "company", message->state, STATE_COMPANY, masked ? "text" : NULL);
	if (masked)
		add_value(&json, "masked", (JsonbValue){.type = jbvBool, .val.boolean = true});
	add_word(&json, "source", message->state, STATE_SOURCE, NULL);
	add_word(&json, "intent", message->state, STATE_INTENT, NULL);
	add_word(&json, "segment", message->state, STATE_SEGMENT, NULL);
	if (!message->state->nulls[STATE_TIER])
		add_number(&json, "tier", int64_to_numeric(DatumGetInt32(message->state->values[STATE_TIER])));
	if (!message->state->nulls[STATE_SCORE])
		add_number(&json, "score", DatumGetNumeric(message->state->values[STATE_SCORE]));
	add_word(&json, "grade", message->state, STATE_GRADE, NULL);
	add_word(&json, "stage", message->state, STATE_STAGE, NULL);
	add_text(&json, "code", decision->code);
	add_text(&json, "owner", decision->owner);
	add_text(&json, "owner_name", owner ? owner->name : NULL);
	add_text(&json, "manager", owner ? owner->manager : NULL);
	add_text(&json, "team", decision->team);
	add_text(&json, "channel", team ? team->channel : NULL);
	add_text(&json, "territory", decision->territory);
	add_text(&json, "queue", decision->queue);
	add_text(&json, "rule", decision->rule ? decision->rule->rule : NULL);
	add_text(&json, "reason", message->reason);
	add_text(&json, "account", decision->account);
	add_text(&json, "account_owner", decision->account_owner);
	add_text(&json, "duplicate_of", decision->duplicate_of);
	add_time(&json, "submitted_at", decision->submitted_at);
	if (strcmp(decision->status, "unrouted") != 0)
		add_time(&json, "routed_at", decision->at);
	if (!message->state->nulls[STATE_SLA_DUE_AT])
	{
		TimestampTz deadline = DatumGetTimestampTz(message->state->values[STATE_SLA_DUE_AT]);
		TimestampTz left = deadline - decision->at;

		add_time(&json, "deadline", deadline);
		/* rounded down, as floor() does it */
		add_number(&json, "seconds_left", int64_to_numeric(left / USECS_PER_SEC - (left % USECS_PER_SEC < 0)));
	}
	add_text(&json, "link", config->link_template ? link_of(config->link_template, config->flow, message->lead) : NULL);
	return JsonbValueToJsonb(pushJsonbValue(&json, WJB_END_OBJECT, NULL));
}

/* As leadroute.is_masked(): no consent, or the flow's mask_when. */
static bool
is_masked(const Message *message)
{
	FlowConfig *config = message->decision->config;
	LeadShape *shape = unconstify(LeadShape *, message->shape);
	bool warned = false;
	LeadRow row = {
		.shape = shape,
		.slot = message->slot,
		.lead = message->lead,
		.operation = "INSERT",
		.at = message->decision->at,
		.first = message->decision->duplicate_of,
	};

	if (!message->state->nulls[STATE_CONSENT] && !DatumGetBool(message->state->values[STATE_CONSENT]))
		return true;
	if (config->mask_when == NULL)
		return false;
	row.stage = word_of(message->state, STATE_STAGE);
	row.segment = word_of(message->state, STATE_SEGMENT);
	row.intent = word_of(message->state, STATE_INTENT);
	row.given_owner = word_of(message->state, STATE_SOURCE_OWNER);
	row.judged = true;
	return lr_watch_masks(lr_watch(shape, config), &row, &warned);
}

static void
add_value(JsonbParseState **json, const char *name, JsonbValue value)
{
	JsonbValue key = {.type = jbvString};

	key.val.string.val = unconstify(char *, name);
	key.val.string.len = (int) strlen(name);
	(void) pushJsonbValue(json, WJB_KEY, &key);
	(void) pushJsonbValue(json, WJB_VALUE, &value);
}

static void
add_number(JsonbParseState **json, const char *name, Numeric value)
{
	add_value(json, name, (JsonbValue){.type = jbvNumeric, .val.numeric = value});
}

/* The text is not copied until the object is complete. */
static void
add_text(JsonbParseState **json, const char *name, const char *value)
{
	JsonbValue text = {.type = jbvString};

	if (value == NULL)
		return;
	text.val.string.val = unconstify(char *, value);
	text.val.string.len = (int) strlen(value);
	add_value(json, name, text);
}

/* A text of the state; where a mask is named, as that shows it. */
static void
add_word(JsonbParseState **json, const char *name, const JournalRow *state, StateColumn column, const char *mask)
{
	char *value = word_of(state, column);

	add_text(json, name, mask && value ? lr_mask(mask, value) : value);
}

static char *
word_of(const JournalRow *state, StateColumn column)
{
	return state->nulls[column] ? NULL : TextDatumGetCString(state->values[column]);
}

/* As to_jsonb() writes an instant. */
static void
add_time(JsonbParseState **json, const char *name, TimestampTz value)
{
	char *text = palloc(MAXDATELEN + 1);

	JsonEncodeDateTime(text, TimestampTzGetDatum(value), TIMESTAMPTZOID, NULL);
	add_text(json, name, text);
}

/* lead_link(template, flow, lead) */
Datum
lr_sql_lead_link(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(link_of(text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)), text_to_cstring(PG_GETARG_TEXT_PP(2)))));
}

/* flows.link_template with its words filled in. */
static const char *
link_of(const char *template, const char *flow, const char *lead)
{
	StringInfoData url;

	initStringInfo(&url);
	while (*template)
	{
		if (strncmp(template, "{lead}", 6) == 0)
		{
			append_url_text(&url, lead);
			template += 6;
		}
		else if (strncmp(template, "{flow}", 6) == 0)
		{
			append_url_text(&url, flow);
			template += 6;
		}
		else
			appendStringInfoChar(&url, *template ++);
	}
	return url.data;
}

static void
append_url_text(StringInfo url, const char *value)
{
	const char *utf8 = pg_server_to_any(value, (int) strlen(value), PG_UTF8);

	for (; *utf8; utf8++)
	{
		unsigned char c = (unsigned char) *utf8;

		if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || strchr("-._~", c))
			appendStringInfoChar(url, c);
		else
			appendStringInfo(url, "%%%02X", c);
	}
}
