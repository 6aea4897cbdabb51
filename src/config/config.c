/*
 * config.c
 *		The session's cache of the configuration tables, a memory context per flow.
 *
 * Invalidation: row and TRUNCATE triggers on every configuration table (config_changed) send a relcache
 * invalidation of leadroute.flows, which follows the transaction: others hear of it when it commits, the
 * writer at his next command, and again should he roll back. The callback only counts. A configuration
 * whose count is old is read anew by the next lr_config() with the newest snapshot, never the
 * statement's or the transaction's: a REPEATABLE READ session would keep a stale rule for ever.
 *
 * Memory: a flow's context is deleted when it has been replaced, no statement has it pinned, and no trigger
 * can still hold a pointer to it (lr_config_collect). A session that meets many flows keeps those that it used last: what they take, with their plans and
 * calendars, is at most leadroute.session_configuration at the end of each transaction (lr_config_trim).
 */
#include "postgres.h"

#include "access/xact.h"
#include "calendar.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "config.h"
#include "config_row.h"
#include "config_share.h"
#include "consent.h"
#include "email.h"
#include "fmgr.h"
#include "fold.h"
#include "lead.h"
#include "leadroute.h"
#include "owner.h"
#include "predict.h"
#include "score.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(lr_config_changed);
PG_FUNCTION_INFO_V1(lr_table_changed);
PG_FUNCTION_INFO_V1(lr_forget_configuration);

#define UNKNOWN_FLOWS 4096

typedef struct FlowEntry
{
	char flow[NAMEDATALEN];
	FlowConfig *config;
	uint64 used; /* when it was last asked for, in questions */
} FlowEntry;

static int session_kilobytes = 32 * 1024;
static uint64 questions = 0;
static bool has_grown = false; /* since lr_config_trim() */

static HTAB *flow_cache = NULL;
static MemoryContext cache_context = NULL;
static uint64 generation = 1;
static FlowConfig *retired = NULL; /* replaced, perhaps still in use */
static Oid anchor_relid = InvalidOid;
static HTAB *unknown_flows = NULL; /* names that were looked for in vain, under unknown_generation */
static uint64 unknown_generation = 0;

static void config_relcache_callback(Datum arg, Oid relid);
static void make_cache(void);
static Size memory_used(void);
static FlowEntry *least_used(void);
static void forget_flow(FlowEntry *entry);
static bool flow_is_unknown(const char *flow);
static void remember_unknown(const char *flow);
static FlowConfig *config_read(const char *flow);
static void read_parts(void *arg);
static void read_relations(const FlowConfig *config);
static void read_flow(FlowConfig *config);
static void read_attachment(FlowConfig *config);
static void read_rules(FlowConfig *config);
static void read_reps(FlowConfig *config);
static void read_leaves(FlowConfig *config);
static void read_skills(FlowConfig *config);
static void read_teams(FlowConfig *config);
static void read_sides(FlowConfig *config);
static void read_match_rules(FlowConfig *config);
static void read_sources(FlowConfig *config);
static int compare_sources(const void *a, const void *b);
static void read_messages(FlowConfig *config);
static void read_accounts(FlowConfig *config);
static CapConfig *row_caps(FlowConfig *config, uint64 row, int column, const char *zone, int *n);
static DuplicatePolicy parse_policy(const char *name);
static RuleTarget parse_target(const char *name);

void
lr_config_init(void)
{
	DefineCustomIntVariable("leadroute.session_configuration",
							"How much memory a session keeps for the configuration of flows between transactions.",
							"Flows that it used least recently are forgotten, and read again when they are asked for.",
							&session_kilobytes, 32 * 1024, 64, MAX_KILOBYTES, PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);
	CacheRegisterRelcacheCallback(config_relcache_callback, (Datum) 0);
}

static void
config_relcache_callback(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == anchor_relid || anchor_relid == InvalidOid)
		generation++;
}

uint64
lr_config_generation(void)
{
	return generation;
}

FlowConfig *
lr_config_cached(const char *flow)
{
	char key[NAMEDATALEN];
	FlowEntry *entry;

	if (flow_cache == NULL)
		return NULL;
	strlcpy(key, flow, NAMEDATALEN);
	entry = hash_search(flow_cache, key, HASH_FIND, NULL);
	/* a name too long for the key is told by the configuration itself */
	if (entry == NULL || entry->config->generation != generation || strcmp(entry->config->flow, flow) != 0)
		return NULL;
	entry->used = ++questions;
	return entry->config;
}

FlowConfig *
lr_config(const char *flow)
{
	char key[NAMEDATALEN];
	FlowConfig *config = lr_config_cached(flow);
	FlowEntry *entry;
	bool found;

	if (config)
		return config;
	config = config_read(flow);
	if (flow_cache == NULL)
		make_cache();
	MemoryContextSetParent(config->mcxt, cache_context);
	strlcpy(key, flow, NAMEDATALEN);
	entry = hash_search(flow_cache, key, HASH_ENTER, &found);
	if (found)
	{
		entry->config->next_retired = retired;
		retired = entry->config;
	}
	entry->config = config;
	entry->used = ++questions;
	has_grown = true;
	return config;
}

bool
lr_config_exists(const char *flow)
{
	FlowConfig *config = lr_config_cached(flow);
	OwnerSession session;
	uint64 seen;
	bool exists;

	if (config)
		return config->exists;
	if (flow_is_unknown(flow))
		return false;
	lr_owner_begin(&session);
	AcceptInvalidationMessages();
	seen = generation;
	exists = lr_config_rows("SELECT FROM leadroute.flows WHERE flow = $1", flow) > 0;
	lr_owner_end(&session);
	if (!exists && seen == generation)
		remember_unknown(flow);
	return exists;
}

static bool
flow_is_unknown(const char *flow)
{
	return unknown_flows && unknown_generation == generation && strlen(flow) < NAMEDATALEN &&
		   hash_search(unknown_flows, flow, HASH_FIND, NULL) != NULL;
}

/* Names come from rows, as many as there are: a table of some thousand is begun anew when it is full. */
static void
remember_unknown(const char *flow)
{
	if (strlen(flow) >= NAMEDATALEN)
		return;
	if (unknown_flows && (unknown_generation != generation || hash_get_num_entries(unknown_flows) >= UNKNOWN_FLOWS))
	{
		hash_destroy(unknown_flows);
		unknown_flows = NULL;
	}
	if (unknown_flows == NULL)
	{
		HASHCTL ctl = {.keysize = NAMEDATALEN, .entrysize = NAMEDATALEN, .hcxt = CacheMemoryContext};

		unknown_flows = hash_create("leadroute unknown flows", 64, &ctl, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
		unknown_generation = generation;
	}
	(void) hash_search(unknown_flows, flow, HASH_ENTER, NULL);
}

static void
make_cache(void)
{
	HASHCTL ctl = {.keysize = NAMEDATALEN, .entrysize = sizeof(FlowEntry)};

	cache_context = AllocSetContextCreate(CacheMemoryContext, "leadroute configuration", ALLOCSET_DEFAULT_SIZES);
	ctl.hcxt = cache_context;
	flow_cache = hash_create("leadroute flows", 16, &ctl, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
}

void
lr_config_pin(FlowConfig *config)
{
	config->pins++;
}

void
lr_config_unpin(FlowConfig *config)
{
	Assert(config->pins > 0);
	config->pins--;
}

void
lr_config_collect(void)
{
	FlowConfig **link = &retired;

	while (*link)
	{
		FlowConfig *config = *link;

		if (config->pins > 0)
			link = &config->next_retired;
		else
		{
			*link = config->next_retired;
			MemoryContextDelete(config->mcxt);
		}
	}
}

/* To three quarters of the limit, so that not each new flow has to look for another's room. */
void
lr_config_trim(void)
{
	Size limit = (Size) session_kilobytes * 1024;
	FlowEntry *entry;

	if (!has_grown)
		return;
	has_grown = false;
	if (memory_used() <= limit)
		return;
	while (memory_used() > limit / 4 * 3 && (entry = least_used()) != NULL)
		forget_flow(entry);
}

static Size
memory_used(void)
{
	return MemoryContextMemAllocated(cache_context, true) + lr_lead_memory() + lr_calendar_memory();
}

/* Of those that a statement does not use still, if there is one. */
static FlowEntry *
least_used(void)
{
	FlowEntry *least = NULL;
	HASH_SEQ_STATUS status;
	FlowEntry *entry;

	hash_seq_init(&status, flow_cache);
	while ((entry = hash_seq_search(&status)) != NULL)
		if (entry->config->pins == 0 && (least == NULL || entry->used < least->used))
			least = entry;
	return least;
}

static void
forget_flow(FlowEntry *entry)
{
	FlowConfig *config = entry->config;

	lr_lead_forget_flow(config->flow);
	lr_calendar_forget_flow(config->flow);
	(void) hash_search(flow_cache, entry->flow, HASH_REMOVE, NULL);
	MemoryContextDelete(config->mcxt);
}

/* Returns a configuration in a context of its own: what another session has read, else read as the extension's owner. */
static FlowConfig *
config_read(const char *flow)
{
	MemoryContext mcxt;
	FlowConfig *config;

	if (anchor_relid == InvalidOid || get_relname_relid("flows", lr_schema_oid()) != anchor_relid)
		anchor_relid = lr_relation_oid("flows");

	/* the context belongs to the transaction until it is whole */
	mcxt = AllocSetContextCreate(CurTransactionContext, "leadroute flow", ALLOCSET_DEFAULT_SIZES);
	config = MemoryContextAllocZero(mcxt, sizeof(FlowConfig));
	config->mcxt = mcxt;
	config->flow = MemoryContextStrdup(mcxt, flow);

	AcceptInvalidationMessages();
	config->generation = generation;
	lr_config_reading("flow", flow, "", anchor_relid, mcxt, read_parts, config);
	return config;
}

static void
read_parts(void *arg)
{
	FlowConfig *config = arg;

	read_relations(config);
	read_flow(config);
	read_attachment(config);
	read_rules(config);
	read_reps(config);
	read_teams(config);
	read_sides(config);
	read_match_rules(config);
	lr_stages_read_config(config);
	read_sources(config);
	lr_policies_read_config(config);
	read_messages(config);
	read_accounts(config);
	lr_predict_read_config(config);
	lr_score_read_config(config);
	lr_consent_read_config(config);
}

/*
 * Tables that a lead needs, by which a session would ask the catalog one after the other. First of all, before anything can have heard that one has
 * another name by now. Indexes are not among them: REINDEX CONCURRENTLY puts another in their place and tells nobody.
 */
static void
read_relations(const FlowConfig *config)
{
	static const char *const names[] = {"account_domains", "accounts", "calendars", "clocks", "events", "identities",
										"lead_states", "mail_domains", "outbox", "rotation", "territories"};
	int n = (int) lr_config_rows("SELECT c.relname::text, c.oid::int8 FROM pg_catalog.pg_class c"
								 " WHERE c.relnamespace = 'leadroute'::regnamespace AND c.relkind = 'r' AND $1 IS NOT NULL"
								 " AND c.relname IN ('account_domains', 'accounts', 'calendars', 'clocks', 'events', 'identities',"
								 " 'lead_states', 'mail_domains', 'outbox', 'rotation', 'territories')",
								 config->flow);

	for (int i = 0; i < n; i++)
		lr_relation_is(names[lr_row_word(i, 1, names, lengthof(names))], (Oid) lr_row_int64(i, 2));
}

static void
read_flow(FlowConfig *config)
{
	if (lr_config_rows("SELECT active, on_error = 'fail', given_owner = 'keep',"
					   " owner_master = 'crm', email_strip_tags, email_ignore_dots, default_country,"
					   " duplicate_policy, (extract(epoch FROM replay_window) * 1000000)::int8,"
					   " coalesce((extract(epoch FROM returning_after) * 1000000)::int8, 0),"
					   " closed_when, won_when, priority, route_when, first_stage, stage_master = 'report', segment, intent, max_backdate, touched_when"
					   " FROM leadroute.flows WHERE flow = $1",
					   config->flow) == 0)
		return;
	config->exists = true;
	config->active = lr_row_bool(0, 1);
	config->fails = lr_row_bool(0, 2);
	config->keeps_given = lr_row_bool(0, 3);
	config->crm_is_master = lr_row_bool(0, 4);
	config->email_options = (lr_row_bool(0, 5) ? LR_EMAIL_TAGS : 0) | (lr_row_bool(0, 6) ? LR_EMAIL_DOTS : 0);
	config->default_country = lr_row_text(0, 7);
	config->duplicate_policy = parse_policy(lr_row_text(0, 8));
	config->replay_window = lr_row_int64(0, 9);
	config->returning_after = lr_row_int64(0, 10);
	config->closed_when = lr_row_text(0, 11);
	config->won_when = lr_row_text(0, 12);
	config->priority = lr_row_text(0, 13);
	config->route_when = lr_row_text(0, 14);
	config->first_stage = lr_row_text(0, 15);
	config->stage_reports = lr_row_bool(0, 16);
	config->segment = lr_row_text(0, 17);
	config->intent = lr_row_text(0, 18);
	config->watches = config->closed_when || config->won_when || config->priority || config->route_when || config->segment ||
					  config->intent;
	lr_row_interval(0, 19, &config->max_backdate);
	config->touched_when = lr_row_text(0, 20);
}

static DuplicatePolicy
parse_policy(const char *name)
{
	static const char *const names[] = {"link", "merge", "refuse"};

	for (int i = 0; i < (int) lengthof(names); i++)
		if (strcmp(name, names[i]) == 0)
			return (DuplicatePolicy) i;
	elog(ERROR, "unrecognized duplicate policy \"%s\"", name);
}

static void
read_attachment(FlowConfig *config)
{
	AttachmentConfig *attachment;

	if (lr_config_rows("SELECT key_column::text, flow_column::text,"
					   " status = 'broken', problem"
					   " FROM leadroute.attachments WHERE flow = $1",
					   config->flow) == 0)
		return;
	attachment = MemoryContextAllocZero(config->mcxt, sizeof(AttachmentConfig));
	attachment->key_column = lr_row_text(0, 1);
	attachment->flow_column = lr_row_text(0, 2);
	attachment->broken = lr_row_bool(0, 3);
	attachment->problem = lr_row_text(0, 4);

	attachment->nmappings = (int)
		lr_config_rows("SELECT m.key, CASE jsonb_typeof(m.value) WHEN 'object'"
					   " THEN m.value ->> 'column' ELSE m.value #>> '{}' END,"
					   " m.value ->> 'timezone', m.value ->> 'dates'"
					   " FROM leadroute.attachments a, jsonb_each(a.columns) m"
					   " WHERE a.flow = $1",
					   config->flow);
	attachment->mappings = MemoryContextAllocZero(config->mcxt,
												  Max(attachment->nmappings, 1) * sizeof(ColumnMapping));
	for (int i = 0; i < attachment->nmappings; i++)
	{
		attachment->mappings[i].name = lr_row_text(i, 1);
		attachment->mappings[i].column = lr_row_text(i, 2);
		attachment->mappings[i].timezone = lr_row_text(i, 3);
		attachment->mappings[i].dates = lr_row_text(i, 4);
	}
	config->attachment = attachment;
}

static void
read_rules(FlowConfig *config)
{
	config->nrules = (int)
		lr_config_rows("SELECT rule, position, condition, target, target_name, if_unavailable = 'wait', skills,"
					   " hold_until, hold_for, reroute_when"
					   " FROM leadroute.rules WHERE flow = $1 ORDER BY position",
					   config->flow);
	config->rules = MemoryContextAllocZero(config->mcxt, Max(config->nrules, 1) * sizeof(RuleConfig));
	for (int i = 0; i < config->nrules; i++)
	{
		RuleConfig *rule = &config->rules[i];

		rule->rule = lr_row_text(i, 1);
		rule->position = lr_row_int(i, 2);
		rule->condition = lr_row_text(i, 3);
		rule->target = parse_target(lr_row_text(i, 4));
		rule->target_name = lr_row_text(i, 5);
		rule->waits = lr_row_bool(i, 6) || i == config->nrules - 1; /* below the last is nothing to fall to */
		rule->skills = lr_row_text(i, 7);
		config->asks_skills |= rule->skills != NULL;
		rule->hold_until = lr_row_text(i, 8);
		lr_row_interval(i, 9, &rule->hold_for);
		rule->reroute_when = lr_row_text(i, 10);
		config->watches |= rule->hold_until || rule->reroute_when;
	}
}

static RuleTarget
parse_target(const char *name)
{
	static const char *const names[] = {"territory", "team", "rep", "queue", "discard", "account_owner", "hold", "nurture"};

	for (int i = 0; i < (int) lengthof(names); i++)
		if (strcmp(name, names[i]) == 0)
			return (RuleTarget) i;
	elog(ERROR, "unrecognized rule target \"%s\"", name);
}

static void
read_reps(FlowConfig *config)
{
	config->nreps = (int)
		lr_config_rows("SELECT r.rep, r.active, r.accepting, r.capacity, r.calendar, array_to_string(r.caps, ','),"
					   " (SELECT f.timezone FROM leadroute.flows f WHERE f.flow = r.flow), r.backup, r.name, r.manager"
					   " FROM leadroute.reps r WHERE r.flow = $1 ORDER BY r.rep",
					   config->flow);
	config->reps = MemoryContextAllocZero(config->mcxt, Max(config->nreps, 1) * sizeof(RepConfig));
	for (int i = 0; i < config->nreps; i++)
	{
		RepConfig *rep = &config->reps[i];

		rep->rep = lr_row_text(i, 1);
		rep->active = lr_row_bool(i, 2);
		rep->accepting = lr_row_bool(i, 3);
		rep->capacity = lr_row_limit(i, 4);
		rep->calendar = lr_row_text(i, 5);
		rep->caps = row_caps(config, i, 6, lr_row_text(i, 7), &rep->ncaps);
		rep->backup = lr_row_text(i, 8);
		rep->name = lr_row_text(i, 9);
		rep->manager = lr_row_text(i, 10);
	}
	read_leaves(config);
	read_skills(config);
}

/* Of the last year, of now and to come. */
static void
read_leaves(FlowConfig *config)
{
	uint64 rows = lr_config_rows("SELECT rep, lower(during), upper(during) FROM leadroute.time_off"
								 " WHERE flow = $1 AND (upper_inf(during) OR upper(during) > leadroute.clock() - interval '1 year')"
								 " ORDER BY rep, during",
								 config->flow);

	for (uint64 row = 0; row < rows;)
	{
		const char *name = lr_row_text(row, 1);
		RepConfig *rep = lr_config_rep(config, name);
		uint64 end = row;
		int n;

		while (end < rows && strcmp(lr_row_text(end, 1), name) == 0)
			end++;
		n = (int) (end - row);
		if (rep)
		{
			rep->leave_begins = MemoryContextAlloc(config->mcxt, n * sizeof(TimestampTz));
			rep->leave_ends = MemoryContextAlloc(config->mcxt, n * sizeof(TimestampTz));
			for (int i = 0; i < n; i++)
			{
				rep->leave_begins[i] = lr_row_time(row + i, 2, DT_NOBEGIN);
				rep->leave_ends[i] = lr_row_time(row + i, 3, DT_NOEND);
			}
			rep->nleaves = n;
		}
		row = end;
	}
}

/* Skills are compared by their numbers in the flow: a rule's are looked up once a lead, not once a member. */
static void
read_skills(FlowConfig *config)
{
	uint64 rows;

	if (!config->asks_skills)
		return;
	config->nskills = (int) lr_config_rows("SELECT DISTINCT skill FROM leadroute.rep_skills WHERE flow = $1 ORDER BY skill",
										   config->flow);
	config->skills = MemoryContextAllocZero(config->mcxt, Max(config->nskills, 1) * sizeof(char *));
	for (int i = 0; i < config->nskills; i++)
		config->skills[i] = lr_row_text(i, 1);

	rows = lr_config_rows("SELECT rep, skill, level FROM leadroute.rep_skills WHERE flow = $1 ORDER BY rep, skill", config->flow);
	for (uint64 row = 0; row < rows;)
	{
		const char *name = lr_row_text(row, 1);
		RepConfig *rep = lr_config_rep(config, name);
		uint64 end = row;
		int n;

		while (end < rows && strcmp(lr_row_text(end, 1), name) == 0)
			end++;
		n = (int) (end - row);
		if (rep)
		{
			rep->skills = MemoryContextAlloc(config->mcxt, n * sizeof(SkillConfig));
			for (int i = 0; i < n; i++)
			{
				int skill = lr_config_skill(config, lr_row_text(row + i, 2));

				/* one that another session has added in between: its invalidation is on its way */
				if (skill < 0)
					continue;
				rep->skills[rep->nskills].skill = skill;
				rep->skills[rep->nskills++].level = lr_row_int(row + i, 3);
			}
		}
		row = end;
	}
}

static void
read_teams(FlowConfig *config)
{
	TeamConfig *team = NULL;
	uint64 rows;
	uint64 row = 0;

	config->nteams = (int)
		lr_config_rows("SELECT t.team, (SELECT count(*)::int4 FROM leadroute.team_members m"
					   " WHERE m.flow = t.flow AND m.team = t.team), t.strategy, t.most_free, t.hours, t.calendar,"
					   " coalesce(t.timezone, (SELECT f.timezone FROM leadroute.flows f WHERE f.flow = t.flow), 'UTC'),"
					   " t.on_return = 'level', t.catch_up_limit, t.reset, t.scope, t.overflow, t.sticky, t.channel"
					   " FROM leadroute.teams t WHERE t.flow = $1 ORDER BY t.team",
					   config->flow);
	config->teams = MemoryContextAllocZero(config->mcxt, Max(config->nteams, 1) * sizeof(TeamConfig));
	for (int i = 0; i < config->nteams; i++)
	{
		static const char *const strategies[] = {"round_robin", "least_loaded", "ranked"};
		static const char *const hours[] = {"none", "team", "rep"};
		static const char *const resets[] = {"never", "weekly", "monthly"};
		static const char *const scopes[] = {"team", "rule", "flow"};
		static const char *const stickies[] = {"none", "identity", "account"};
		int capacity = Max(lr_row_int(i, 2), 1);

		team = &config->teams[i];
		team->team = lr_row_text(i, 1);
		team->strategy = (TeamStrategy) lr_row_word(i, 3, strategies, lengthof(strategies));
		team->most_free = lr_row_bool(i, 4);
		team->hours = (TeamHours) lr_row_word(i, 5, hours, lengthof(hours));
		team->calendar = lr_row_text(i, 6);
		team->zone = lr_row_text(i, 7);
		team->levels = lr_row_bool(i, 8);
		team->catch_up_limit = lr_row_limit(i, 9);
		team->reset = (TeamReset) lr_row_word(i, 10, resets, lengthof(resets));
		team->scope = (TeamScope) lr_row_word(i, 11, scopes, lengthof(scopes));
		team->members = MemoryContextAllocZero(config->mcxt, capacity * sizeof(RepConfig *));
		team->member_names = MemoryContextAllocZero(config->mcxt, capacity * sizeof(char *));
		team->weights = MemoryContextAllocZero(config->mcxt, capacity * sizeof(int));
		team->details = MemoryContextAllocZero(config->mcxt, capacity * sizeof(MemberConfig));
		team->nmembers = lr_row_int(i, 2);
		team->overflow = lr_row_text(i, 12);
		team->sticky = (TeamSticky) lr_row_word(i, 13, stickies, lengthof(stickies));
		team->channel = lr_row_text(i, 14);
	}

	rows = lr_config_rows("SELECT m.team, m.rep, m.weight, m.capacity, array_to_string(m.caps, ','), m.rank,"
						  " CASE t.multiplier WHEN 'attainment' THEN a.attainment WHEN '1/attainment' THEN 1 / a.attainment ELSE 1 END::float8,"
						  " m.prefers, m.joined_at, m.left_at"
						  " FROM leadroute.team_members m LEFT JOIN leadroute.teams t ON t.flow = m.flow AND t.team = m.team"
						  " CROSS JOIN LATERAL (SELECT least(greatest(coalesce(m.attainment, 1), 0.01), 100) AS attainment) a"
						  " WHERE m.flow = $1 ORDER BY m.team, m.rep",
						  config->flow);
	for (int i = 0; i < config->nteams; i++)
	{
		int found = 0;

		team = &config->teams[i];
		while (row < rows &&
			   strcmp(lr_row_text(row, 1), team->team) < 0)
			row++; /* members of a team that has no row */
		while (row < rows && found < team->nmembers &&
			   strcmp(lr_row_text(row, 1), team->team) == 0)
		{
			MemberConfig *member = &team->details[found];

			team->member_names[found] = lr_row_text(row, 2);
			team->weights[found] = lr_row_int(row, 3);
			team->members[found] = lr_config_rep(config, team->member_names[found]);
			member->capacity = lr_row_limit(row, 4);
			member->caps = row_caps(config, row, 5, team->zone, &member->ncaps);
			member->rank = lr_row_int(row, 6);
			member->multiplier = lr_row_number(row, 7, 1);
			member->prefers = lr_row_varlena(row, 8);
			team->prefers |= member->prefers != NULL;
			member->joined_at = lr_row_time(row, 9, DT_NOBEGIN);
			member->left_at = lr_row_time(row, 10, DT_NOEND);
			found++;
			row++;
		}
		team->nmembers = found;
	}
}

/* Caps as the domain leadroute.caps has them, joined by commas: "3 per day,10 per rolling week". */
static CapConfig *
row_caps(FlowConfig *config, uint64 row, int column, const char *zone, int *n)
{
	static const char *const units[] = {"hour", "day", "week", "month"};
	const char *written = lr_row_text(row, column);
	char *text;
	CapConfig *caps;
	char *rest;

	*n = 0;
	if (written == NULL)
		return NULL;
	text = MemoryContextStrdup(config->mcxt, written);
	caps = MemoryContextAllocZero(config->mcxt, MAX_CAPS * sizeof(CapConfig));
	for (char *word = strtok_r(text, ",", &rest); word && *n < MAX_CAPS; word = strtok_r(NULL, ",", &rest))
	{
		CapConfig *cap = &caps[(*n)++];
		bool rolling = strstr(word, " rolling ") != NULL;

		cap->limit = atoi(word);
		/* back from now is the same everywhere */
		cap->zone = rolling ? "UTC" : zone;
		cap->text = word;
		for (int i = 0; i < (int) lengthof(units); i++)
			if (strcmp(units[i], strrchr(word, ' ') + 1) == 0)
				cap->period = (RotationPeriod) (rolling ? PERIOD_ROLLING_HOUR + i : PERIOD_HOUR + i);
	}
	return caps;
}

static void
read_sides(FlowConfig *config)
{
	config->nsides = (int)
		lr_config_rows("SELECT map, side FROM leadroute.territory_sides"
					   " WHERE flow = $1 ORDER BY map, side",
					   config->flow);
	config->sides = MemoryContextAllocZero(config->mcxt, Max(config->nsides, 1) * sizeof(SideConfig));
	for (int i = 0; i < config->nsides; i++)
	{
		config->sides[i].map = lr_row_text(i, 1);
		config->sides[i].side = lr_row_text(i, 2);
	}
}

/* Those that act, then those that suggest. Two rules that compare the same are one: the first. */
static void
read_match_rules(FlowConfig *config)
{
	uint64 rows = lr_config_rows("SELECT min(m.rule), string_agg(k.kind, '+' ORDER BY k.n), array_to_string(array_agg(k.n - 1 ORDER BY k.n), ','), m.action"
								 " FROM leadroute.match_rules m CROSS JOIN LATERAL (SELECT a.kind, min(a.n) AS n"
								 "   FROM unnest('{external_id,email,phone,first_name,last_name,company,website,postal_code,country,mailbox,birth_date,city}'::text[])"
								 "     WITH ORDINALITY a(kind, n) WHERE a.kind = ANY (m.kinds) GROUP BY 1) k"
								 " WHERE m.flow = $1 GROUP BY m.action, m.position, m.rule ORDER BY m.action, m.position, m.rule",
								 config->flow);

	config->match_rules = MemoryContextAllocZero(config->mcxt, Max(rows, 1) * sizeof(MatchRule));
	for (uint64 row = 0; row < rows; row++)
	{
		int known = config->nmatch_rules + config->nsuggest_rules;
		MatchRule *rule = &config->match_rules[known];
		bool twice = false;

		rule->rule = lr_row_text(row, 1);
		rule->kind = lr_row_text(row, 2);
		for (char *number = lr_row_text(row, 3); number; number = strchr(number, ',') ? strchr(number, ',') + 1 : NULL)
			rule->kinds[rule->nkinds++] = (MatchKind) atoi(number);
		for (int i = 0; i < known; i++)
			twice |= strcmp(config->match_rules[i].kind, rule->kind) == 0;
		if (twice)
			memset(rule, 0, sizeof(MatchRule));
		else if (strcmp(lr_row_text(row, 4), "act") == 0)
			config->nmatch_rules++;
		else
			config->nsuggest_rules++;
	}
}

/* Of two that read alike the first by its name counts. */
static void
read_sources(FlowConfig *config)
{
	uint64 rows = lr_config_rows("SELECT s.source, s.intent FROM leadroute.sources s WHERE s.flow = $1 ORDER BY s.source", config->flow);

	config->sources = MemoryContextAllocZero(config->mcxt, Max(rows, 1) * sizeof(SourceConfig));
	for (uint64 row = 0; row < rows; row++)
	{
		const char *source = lr_row_text(row, 1);
		char *words = lr_fold_words(source, (int) strlen(source));
		bool twice = false;

		for (int i = 0; i < config->nsources; i++)
			twice |= strcmp(config->sources[i].words, words) == 0;
		if (twice)
			continue;
		config->sources[config->nsources].words = MemoryContextStrdup(config->mcxt, words);
		config->sources[config->nsources++].intent = lr_row_text(row, 2);
	}
	qsort(config->sources, config->nsources, sizeof(SourceConfig), compare_sources);
}

static int
compare_sources(const void *a, const void *b)
{
	return strcmp(((const SourceConfig *) a)->words, ((const SourceConfig *) b)->words);
}

static void
read_messages(FlowConfig *config)
{
	if (lr_config_rows("SELECT link_template, mask_when, outbox_notify FROM leadroute.flows WHERE flow = $1", config->flow) > 0)
	{
		config->link_template = lr_row_text(0, 1);
		config->mask_when = lr_row_text(0, 2);
		config->outbox_notify = lr_row_bool(0, 3);
		config->watches |= config->mask_when != NULL;
	}
	config->noutbox_types = (int)
		lr_config_rows("SELECT t.type, bool_and(c.claims) FROM leadroute.outbox_consumers c, unnest(c.types) t(type)"
					   " WHERE c.flow = $1 GROUP BY 1 ORDER BY 1",
					   config->flow);
	config->outbox_types = MemoryContextAllocZero(config->mcxt, Max(config->noutbox_types, 1) * sizeof(MessageType));
	for (int i = 0; i < config->noutbox_types; i++)
	{
		config->outbox_types[i].type = lr_row_text(i, 1);
		config->outbox_types[i].claimed = lr_row_bool(i, 2);
	}
}

/* Not the accounts: no session holds those (account.c). */
static void
read_accounts(FlowConfig *config)
{
	config->has_accounts = lr_config_rows("SELECT FROM leadroute.account_flows WHERE flow = $1 AND NOT aliases", config->flow) > 0;
	config->has_aliases = lr_config_rows("SELECT FROM leadroute.account_flows WHERE flow = $1 AND aliases", config->flow) > 0;
	if (lr_config_rows("SELECT buying_committee_size, buying_committee_window FROM leadroute.flows WHERE flow = $1",
					   config->flow) == 0)
		return;
	config->committee_size = lr_row_int(0, 1);
	lr_row_interval(0, 2, &config->committee_window);
}

static int
compare_rep(const void *key, const void *element)
{
	return strcmp(key, ((const RepConfig *) element)->rep);
}

RepConfig *
lr_config_rep(const FlowConfig *config, const char *rep)
{
	return bsearch(rep, config->reps, config->nreps, sizeof(RepConfig), compare_rep);
}

static int
compare_team(const void *key, const void *element)
{
	return strcmp(key, ((const TeamConfig *) element)->team);
}

TeamConfig *
lr_config_team(const FlowConfig *config, const char *team)
{
	return bsearch(team, config->teams, config->nteams, sizeof(TeamConfig), compare_team);
}

static int
compare_skill(const void *key, const void *element)
{
	return strcmp(key, *(const char *const *) element);
}

int
lr_config_skill(const FlowConfig *config, const char *skill)
{
	const char **found = bsearch(skill, config->skills, config->nskills, sizeof(char *), compare_skill);

	return found ? (int) (found - config->skills) : -1;
}

const MessageType *
lr_config_message_type(const FlowConfig *config, const char *type)
{
	for (int i = 0; i < config->noutbox_types; i++)
		if (strcmp(config->outbox_types[i].type, type) == 0)
			return &config->outbox_types[i];
	return NULL;
}

static const ColumnMapping *
find_mapping(const AttachmentConfig *attachment, const char *name)
{
	for (int i = 0; attachment && i < attachment->nmappings; i++)
		if (strcmp(attachment->mappings[i].name, name) == 0)
			return &attachment->mappings[i];
	return NULL;
}

bool
lr_column_is_mapped(const AttachmentConfig *attachment, const char *name)
{
	return find_mapping(attachment, name) != NULL;
}

const char *
lr_column_name(const AttachmentConfig *attachment, const char *name)
{
	const ColumnMapping *mapping = find_mapping(attachment, name);

	return mapping ? mapping->column : name;
}

const char *
lr_column_timezone(const AttachmentConfig *attachment, const char *name)
{
	const ColumnMapping *mapping = find_mapping(attachment, name);

	return mapping ? mapping->timezone : NULL;
}

const char *
lr_column_dates(const AttachmentConfig *attachment, const char *name)
{
	const ColumnMapping *mapping = find_mapping(attachment, name);

	return mapping ? mapping->dates : NULL;
}

/*
 * The trigger on every configuration table: drops the cached configuration of all sessions when, and
 * if, the change commits.
 */
Datum
lr_config_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by trigger manager", "config_changed")));
	CacheInvalidateRelcacheByRelid(lr_relation_oid("flows"));
	lr_share_changed(RelationGetRelid(((TriggerData *) fcinfo->context)->tg_relation) == lr_relation_oid("territories"));
	return PointerGetDatum(NULL);
}

/* Of changes that no trigger tells of. */
Datum
lr_forget_configuration(PG_FUNCTION_ARGS)
{
	CacheInvalidateRelcacheByRelid(lr_relation_oid("flows"));
	CacheInvalidateRelcacheByRelid(lr_relation_oid("calendars"));
	lr_share_changed(true);
	PG_RETURN_VOID();
}

/* The trigger on a table that sessions hold a copy of (table_copy.c): forgotten when, and if, the change commits. */
Datum
lr_table_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by trigger manager", "table_changed")));
	CacheInvalidateRelcacheByRelid(RelationGetRelid(((TriggerData *) fcinfo->context)->tg_relation));
	lr_share_changed(false);
	return PointerGetDatum(NULL);
}
