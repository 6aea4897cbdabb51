/*
 * message.c
 *		A message to other systems about a lead that arrives.
 *
 * The fields are those of leadroute.lead_message(), which makes the payload of all other messages from lead_states: a
 * test compares the two. Here the state is not written yet, so they come from the decision and the cached configuration.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/async.h"
#include "config.h"
#include "journal.h"
#include "mb/pg_wchar.h"
#include "message.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"

static void add_text(StringInfo json, const char *name, const char *value);
static void add_time(StringInfo json, const char *name, TimestampTz value);
static const char *link_of(const FlowConfig *config, const char *lead);
static void append_url_text(StringInfo url, const char *value);

void
lr_message_write(const char *type, const char *lead, const Decision *decision, const char *reason, const char *recipient)
{
	const FlowConfig *config = decision->config;
	const RepConfig *owner;
	const TeamConfig *team;
	StringInfoData json;
	JournalRow row;

	if (!lr_config_wants_outbox(config, type))
		return;
	owner = decision->owner ? lr_config_rep(config, decision->owner) : NULL;
	team = decision->team ? lr_config_team(config, decision->team) : NULL;
	if (recipient == NULL)
		recipient = decision->owner ? decision->owner : team ? team->channel
															 : NULL;

	initStringInfo(&json);
	add_text(&json, "flow", config->flow);
	add_text(&json, "lead", lead);
	add_text(&json, "code", decision->code);
	add_text(&json, "owner", decision->owner);
	add_text(&json, "owner_name", owner ? owner->name : NULL);
	add_text(&json, "manager", owner ? owner->manager : NULL);
	add_text(&json, "team", decision->team);
	add_text(&json, "channel", team ? team->channel : NULL);
	add_text(&json, "territory", decision->territory);
	add_text(&json, "queue", decision->queue);
	add_text(&json, "rule", decision->rule ? decision->rule->rule : NULL);
	add_text(&json, "reason", reason);
	add_text(&json, "account", decision->account);
	add_text(&json, "account_owner", decision->account_owner);
	add_text(&json, "duplicate_of", decision->duplicate_of);
	add_time(&json, "submitted_at", decision->submitted_at);
	if (strcmp(decision->status, "unrouted") != 0)
		add_time(&json, "routed_at", decision->at);
	add_text(&json, "link", link_of(config, lead));
	appendStringInfoChar(&json, '}');

	lr_journal_begin_row(&row);
	lr_journal_set_text(&row, OUTBOX_FLOW, config->flow);
	lr_journal_set_text(&row, OUTBOX_AGGREGATETYPE, "lead");
	lr_journal_set_text(&row, OUTBOX_AGGREGATEID, lead);
	lr_journal_set_text(&row, OUTBOX_TYPE, type);
	lr_journal_set_datum(&row, OUTBOX_PAYLOAD, DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
	lr_journal_set_time(&row, OUTBOX_CREATED_AT, decision->at);
	lr_journal_set_text(&row, OUTBOX_RECIPIENT, recipient);
	lr_journal_append(JOURNAL_OUTBOX, &row);
	if (config->outbox_notify)
		lr_message_hint(config->flow);
}

void
lr_message_hint(const char *flow)
{
	Async_Notify("leadroute", flow);
}

static void
add_text(StringInfo json, const char *name, const char *value)
{
	if (value == NULL)
		return;
	appendStringInfo(json, "%s\"%s\": ", json->len ? ", " : "{", name);
	escape_json(json, value);
}

/* As to_jsonb() writes an instant. */
static void
add_time(StringInfo json, const char *name, TimestampTz value)
{
	char text[MAXDATELEN + 1];

	JsonEncodeDateTime(text, TimestampTzGetDatum(value), TIMESTAMPTZOID, NULL);
	add_text(json, name, text);
}

/* flows.link_template with its words filled in, as leadroute.lead_link() does it. */
static const char *
link_of(const FlowConfig *config, const char *lead)
{
	StringInfoData url;
	const char *at = config->link_template;

	if (at == NULL)
		return NULL;
	initStringInfo(&url);
	while (*at)
	{
		if (strncmp(at, "{lead}", 6) == 0)
		{
			append_url_text(&url, lead);
			at += 6;
		}
		else if (strncmp(at, "{flow}", 6) == 0)
		{
			append_url_text(&url, config->flow);
			at += 6;
		}
		else
			appendStringInfoChar(&url, *at++);
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
