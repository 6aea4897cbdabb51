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
 * can still hold a pointer to it (lr_config_collect).
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "config.h"
#include "email.h"
#include "fmgr.h"
#include "fold.h"
#include "leadroute.h"
#include "owner.h"
#include "predict.h"
#include "score.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(lr_config_changed);

#define UNKNOWN_FLOWS 4096

typedef struct FlowEntry
{
	char flow[NAMEDATALEN];
	FlowConfig *config;
} FlowEntry;

static HTAB *flow_cache = NULL;
static MemoryContext cache_context = NULL;
static uint64 generation = 1;
static FlowConfig *retired = NULL; /* replaced, perhaps still in use */
static Oid anchor_relid = InvalidOid;
static HTAB *unknown_flows = NULL; /* names that were looked for in vain, under unknown_generation */
static uint64 unknown_generation = 0;

static void config_relcache_callback(Datum arg, Oid relid);
static void make_cache(void);
static bool flow_is_unknown(const char *flow);
static void remember_unknown(const char *flow);
static FlowConfig *config_read(const char *flow);
static void read_flow(FlowConfig *config);
static void read_attachment(FlowConfig *config);
static void read_rules(FlowConfig *config);
static void read_reps(FlowConfig *config);
static void read_leaves(FlowConfig *config);
static void read_skills(FlowConfig *config);
static void read_teams(FlowConfig *config);
static void read_sides(FlowConfig *config);
static void read_match_rules(FlowConfig *config);
static void read_stages(FlowConfig *config);
static void read_transitions(FlowConfig *config);
static const char **row_texts(FlowConfig *config, uint64 row, int column, int *n);
static void read_sources(FlowConfig *config);
static int compare_sources(const void *a, const void *b);
static void read_policies(FlowConfig *config);
static void read_steps(FlowConfig *config);
static void read_outbox_types(FlowConfig *config);
static void read_accounts(FlowConfig *config);
static char *row_text(FlowConfig *config, uint64 row, int column);
static bool row_bool(uint64 row, int column);
static int row_int(uint64 row, int column);
static void row_interval(uint64 row, int column, Interval *interval);
static int row_limit(uint64 row, int column);
static TimestampTz row_time(uint64 row, int column, TimestampTz otherwise);
static struct varlena *row_varlena(FlowConfig *config, uint64 row, int column);
static int row_word(uint64 row, int column, const char *const *words, int n);
static CapConfig *row_caps(FlowConfig *config, uint64 row, int column, const char *zone, int *n);
static int64 row_int64(uint64 row, int column);
static DuplicatePolicy parse_policy(const char *name);
static RuleTarget parse_target(const char *name);

void
lr_config_init(void)
{
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
	if (entry && entry->config->generation == generation && strcmp(entry->config->flow, flow) == 0)
		return entry->config;
	return NULL;
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

/* Returns a configuration in a context of its own; reads as the extension's owner. */
static FlowConfig *
config_read(const char *flow)
{
	MemoryContext mcxt;
	FlowConfig *config;
	OwnerSession session;
	uint64 seen;

	if (anchor_relid == InvalidOid || get_relname_relid("flows", lr_schema_oid()) != anchor_relid)
		anchor_relid = lr_relation_oid("flows");

	/* the context belongs to the transaction until it is whole */
	mcxt = AllocSetContextCreate(CurTransactionContext, "leadroute flow", ALLOCSET_DEFAULT_SIZES);
	config = MemoryContextAllocZero(mcxt, sizeof(FlowConfig));
	config->mcxt = mcxt;
	config->flow = MemoryContextStrdup(mcxt, flow);

	lr_owner_begin(&session);
	AcceptInvalidationMessages();
	seen = generation;
	read_flow(config);
	read_attachment(config);
	read_rules(config);
	read_reps(config);
	read_teams(config);
	read_sides(config);
	read_match_rules(config);
	read_stages(config);
	read_sources(config);
	read_policies(config);
	read_outbox_types(config);
	read_accounts(config);
	lr_predict_read_config(config);
	lr_score_read_config(config);
	config->generation = seen;
	lr_owner_end(&session);

	return config;
}

uint64
lr_config_rows(const char *query, const char *flow)
{
	Oid types[1] = {TEXTOID};
	Datum values[1];
	SPIPlanPtr plan = SPI_prepare(query, 1, types);
	Snapshot snapshot;
	int result;

	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed for \"%s\": %s", query, SPI_result_code_string(SPI_result));
	values[0] = CStringGetTextDatum(flow);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	result = SPI_execute_snapshot(plan, values, NULL, snapshot, InvalidSnapshot, true, false, 0);
	UnregisterSnapshot(snapshot);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_snapshot failed for \"%s\": %s", query, SPI_result_code_string(result));
	return SPI_processed;
}

static char *
row_text(FlowConfig *config, uint64 row, int column)
{
	char *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);

	return value ? MemoryContextStrdup(config->mcxt, value) : NULL;
}

static bool
row_bool(uint64 row, int column)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

	return !isnull && DatumGetBool(value);
}

static int
row_int(uint64 row, int column)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? 0 : DatumGetInt32(value);
}

static int64
row_int64(uint64 row, int column)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

/* Left as it is where the value is NULL. */
static void
row_interval(uint64 row, int column, Interval *interval)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

	if (!isnull)
		*interval = *DatumGetIntervalP(value);
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
	config->active = row_bool(0, 1);
	config->fails = row_bool(0, 2);
	config->keeps_given = row_bool(0, 3);
	config->crm_is_master = row_bool(0, 4);
	config->email_options = (row_bool(0, 5) ? LR_EMAIL_TAGS : 0) | (row_bool(0, 6) ? LR_EMAIL_DOTS : 0);
	config->default_country = row_text(config, 0, 7);
	config->duplicate_policy = parse_policy(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 8));
	config->replay_window = row_int64(0, 9);
	config->returning_after = row_int64(0, 10);
	config->closed_when = row_text(config, 0, 11);
	config->won_when = row_text(config, 0, 12);
	config->priority = row_text(config, 0, 13);
	config->route_when = row_text(config, 0, 14);
	config->first_stage = row_text(config, 0, 15);
	config->stage_reports = row_bool(0, 16);
	config->segment = row_text(config, 0, 17);
	config->intent = row_text(config, 0, 18);
	config->watches = config->closed_when || config->won_when || config->priority || config->route_when || config->segment ||
					  config->intent;
	row_interval(0, 19, &config->max_backdate);
	config->touched_when = row_text(config, 0, 20);
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
	attachment->key_column = row_text(config, 0, 1);
	attachment->flow_column = row_text(config, 0, 2);
	attachment->broken = row_bool(0, 3);
	attachment->problem = row_text(config, 0, 4);

	attachment->nmappings = (int)
		lr_config_rows("SELECT m.key, CASE jsonb_typeof(m.value) WHEN 'object'"
					   " THEN m.value ->> 'column' ELSE m.value #>> '{}' END,"
					   " m.value ->> 'timezone'"
					   " FROM leadroute.attachments a, jsonb_each(a.columns) m"
					   " WHERE a.flow = $1",
					   config->flow);
	attachment->mappings = MemoryContextAllocZero(config->mcxt,
												  Max(attachment->nmappings, 1) * sizeof(ColumnMapping));
	for (int i = 0; i < attachment->nmappings; i++)
	{
		attachment->mappings[i].name = row_text(config, i, 1);
		attachment->mappings[i].column = row_text(config, i, 2);
		attachment->mappings[i].timezone = row_text(config, i, 3);
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

		rule->rule = row_text(config, i, 1);
		rule->position = row_int(i, 2);
		rule->condition = row_text(config, i, 3);
		rule->target = parse_target(SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 4));
		rule->target_name = row_text(config, i, 5);
		rule->waits = row_bool(i, 6) || i == config->nrules - 1; /* below the last is nothing to fall to */
		rule->skills = row_text(config, i, 7);
		config->asks_skills |= rule->skills != NULL;
		rule->hold_until = row_text(config, i, 8);
		row_interval(i, 9, &rule->hold_for);
		rule->reroute_when = row_text(config, i, 10);
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
					   " (SELECT f.timezone FROM leadroute.flows f WHERE f.flow = r.flow), r.backup"
					   " FROM leadroute.reps r WHERE r.flow = $1 ORDER BY r.rep",
					   config->flow);
	config->reps = MemoryContextAllocZero(config->mcxt, Max(config->nreps, 1) * sizeof(RepConfig));
	for (int i = 0; i < config->nreps; i++)
	{
		RepConfig *rep = &config->reps[i];

		rep->rep = row_text(config, i, 1);
		rep->active = row_bool(i, 2);
		rep->accepting = row_bool(i, 3);
		rep->capacity = row_limit(i, 4);
		rep->calendar = row_text(config, i, 5);
		rep->caps = row_caps(config, i, 6, row_text(config, i, 7), &rep->ncaps);
		rep->backup = row_text(config, i, 8);
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
		const char *name = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1);
		RepConfig *rep = lr_config_rep(config, name);
		uint64 end = row;
		int n;

		while (end < rows && strcmp(SPI_getvalue(SPI_tuptable->vals[end], SPI_tuptable->tupdesc, 1), name) == 0)
			end++;
		n = (int) (end - row);
		if (rep)
		{
			rep->leave_begins = MemoryContextAlloc(config->mcxt, n * sizeof(TimestampTz));
			rep->leave_ends = MemoryContextAlloc(config->mcxt, n * sizeof(TimestampTz));
			for (int i = 0; i < n; i++)
			{
				rep->leave_begins[i] = row_time(row + i, 2, DT_NOBEGIN);
				rep->leave_ends[i] = row_time(row + i, 3, DT_NOEND);
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
		config->skills[i] = row_text(config, i, 1);

	rows = lr_config_rows("SELECT rep, skill, level FROM leadroute.rep_skills WHERE flow = $1 ORDER BY rep, skill", config->flow);
	for (uint64 row = 0; row < rows;)
	{
		const char *name = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1);
		RepConfig *rep = lr_config_rep(config, name);
		uint64 end = row;
		int n;

		while (end < rows && strcmp(SPI_getvalue(SPI_tuptable->vals[end], SPI_tuptable->tupdesc, 1), name) == 0)
			end++;
		n = (int) (end - row);
		if (rep)
		{
			rep->skills = MemoryContextAlloc(config->mcxt, n * sizeof(SkillConfig));
			for (int i = 0; i < n; i++)
			{
				int skill = lr_config_skill(config, SPI_getvalue(SPI_tuptable->vals[row + i], SPI_tuptable->tupdesc, 2));

				/* one that another session has added in between: its invalidation is on its way */
				if (skill < 0)
					continue;
				rep->skills[rep->nskills].skill = skill;
				rep->skills[rep->nskills++].level = row_int(row + i, 3);
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
					   " t.on_return = 'level', t.catch_up_limit, t.reset, t.scope, t.overflow, t.sticky"
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
		int capacity = Max(row_int(i, 2), 1);

		team = &config->teams[i];
		team->team = row_text(config, i, 1);
		team->strategy = (TeamStrategy) row_word(i, 3, strategies, lengthof(strategies));
		team->most_free = row_bool(i, 4);
		team->hours = (TeamHours) row_word(i, 5, hours, lengthof(hours));
		team->calendar = row_text(config, i, 6);
		team->zone = row_text(config, i, 7);
		team->levels = row_bool(i, 8);
		team->catch_up_limit = row_limit(i, 9);
		team->reset = (TeamReset) row_word(i, 10, resets, lengthof(resets));
		team->scope = (TeamScope) row_word(i, 11, scopes, lengthof(scopes));
		team->members = MemoryContextAllocZero(config->mcxt, capacity * sizeof(RepConfig *));
		team->member_names = MemoryContextAllocZero(config->mcxt, capacity * sizeof(char *));
		team->weights = MemoryContextAllocZero(config->mcxt, capacity * sizeof(int));
		team->details = MemoryContextAllocZero(config->mcxt, capacity * sizeof(MemberConfig));
		team->nmembers = row_int(i, 2);
		team->overflow = row_text(config, i, 12);
		team->sticky = (TeamSticky) row_word(i, 13, stickies, lengthof(stickies));
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
			   strcmp(SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1), team->team) < 0)
			row++; /* members of a team that has no row */
		while (row < rows && found < team->nmembers &&
			   strcmp(SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1), team->team) == 0)
		{
			MemberConfig *member = &team->details[found];
			bool isnull;

			team->member_names[found] = row_text(config, row, 2);
			team->weights[found] = row_int(row, 3);
			team->members[found] = lr_config_rep(config, team->member_names[found]);
			member->capacity = row_limit(row, 4);
			member->caps = row_caps(config, row, 5, team->zone, &member->ncaps);
			member->rank = row_int(row, 6);
			member->multiplier = DatumGetFloat8(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 7, &isnull));
			member->prefers = row_varlena(config, row, 8);
			team->prefers |= member->prefers != NULL;
			member->joined_at = row_time(row, 9, DT_NOBEGIN);
			member->left_at = row_time(row, 10, DT_NOEND);
			found++;
			row++;
		}
		team->nmembers = found;
	}
}

/* A number, or NO_LIMIT for NULL. */
static int
row_limit(uint64 row, int column)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? NO_LIMIT : DatumGetInt32(value);
}

static TimestampTz
row_time(uint64 row, int column, TimestampTz otherwise)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? otherwise : DatumGetTimestampTz(value);
}

static struct varlena *
row_varlena(FlowConfig *config, uint64 row, int column)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);
	struct varlena *plain;
	struct varlena *copy;

	if (isnull)
		return NULL;
	plain = PG_DETOAST_DATUM(value);
	copy = MemoryContextAlloc(config->mcxt, VARSIZE(plain));
	memcpy(copy, plain, VARSIZE(plain));
	return copy;
}

static int
row_word(uint64 row, int column, const char *const *words, int n)
{
	const char *word = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);

	for (int i = 0; i < n; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	elog(ERROR, "unrecognized word \"%s\" in the configuration", word);
}

/* Caps as the domain leadroute.caps has them, joined by commas: "3 per day,10 per rolling week". */
static CapConfig *
row_caps(FlowConfig *config, uint64 row, int column, const char *zone, int *n)
{
	static const char *const units[] = {"hour", "day", "week", "month"};
	char *text = row_text(config, row, column);
	CapConfig *caps;
	char *rest;

	*n = 0;
	if (text == NULL)
		return NULL;
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
		config->sides[i].map = row_text(config, i, 1);
		config->sides[i].side = row_text(config, i, 2);
	}
}

/* Those that act, then those that suggest. Two rules that compare the same are one: the first. */
static void
read_stages(FlowConfig *config)
{
	static const char *const kinds[] = {"open", "closed", "won"};

	if (!config->exists)
		return;
	if (lr_config_rows("SELECT archive_after IS NOT NULL, archive_after, recycle_limit, require_consent FROM leadroute.flows WHERE flow = $1", config->flow) > 0)
	{
		config->archives = row_bool(0, 1);
		row_interval(0, 2, &config->archive_after);
		config->recycle_limit = row_int(0, 3);
		config->require_consent = row_bool(0, 4);
		config->watches |= config->require_consent;
	}
	config->nstages = (int)
		lr_config_rows("SELECT stage, kind, entry_condition, touched_stage, role, next_stage, max_age FROM leadroute.stages WHERE flow = $1 ORDER BY position", config->flow);
	if (config->nstages == 0)
		return;
	config->stages = MemoryContextAllocZero(config->mcxt, config->nstages * sizeof(StageConfig));
	for (int i = 0; i < config->nstages; i++)
	{
		config->stages[i].stage = row_text(config, i, 1);
		config->stages[i].kind = row_word(i, 2, kinds, lengthof(kinds));
		config->stages[i].entry_condition = row_text(config, i, 3);
		config->stages[i].touched_stage = row_text(config, i, 4);
		config->stages[i].role = row_text(config, i, 5);
		config->stages[i].next_stage = row_text(config, i, 6);
		row_interval(i, 7, &config->stages[i].max_age);
	}
	config->watches = true;
	read_transitions(config);
}

static void
read_transitions(FlowConfig *config)
{
	config->ntransitions = (int)
		lr_config_rows("SELECT from_stage, to_stage, required, coalesce(at_least, 0), of_columns"
					   " FROM leadroute.stage_transitions WHERE flow = $1 ORDER BY from_stage = '*', from_stage, to_stage = '*', to_stage",
					   config->flow);
	config->transitions = MemoryContextAllocZero(config->mcxt, Max(config->ntransitions, 1) * sizeof(TransitionConfig));
	for (int i = 0; i < config->ntransitions; i++)
	{
		TransitionConfig *transition = &config->transitions[i];

		transition->from = row_text(config, i, 1);
		transition->to = row_text(config, i, 2);
		transition->required = row_texts(config, i, 3, &transition->nrequired);
		transition->at_least = row_int(i, 4);
		transition->columns = row_texts(config, i, 5, &transition->ncolumns);
	}
}

/* The elements of a text[] without NULLs; none where it is NULL. */
static const char **
row_texts(FlowConfig *config, uint64 row, int column, int *n)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);
	Datum *elements;
	const char **texts;

	*n = 0;
	if (isnull)
		return NULL;
	deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, n);
	texts = MemoryContextAlloc(config->mcxt, Max(*n, 1) * sizeof(char *));
	for (int i = 0; i < *n; i++)
		texts[i] = MemoryContextStrdup(config->mcxt, TextDatumGetCString(elements[i]));
	return texts;
}

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

		rule->rule = row_text(config, row, 1);
		rule->kind = row_text(config, row, 2);
		for (char *number = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 3); number; number = strchr(number, ',') ? strchr(number, ',') + 1 : NULL)
			rule->kinds[rule->nkinds++] = (MatchKind) atoi(number);
		for (int i = 0; i < known; i++)
			twice |= strcmp(config->match_rules[i].kind, rule->kind) == 0;
		if (twice)
			memset(rule, 0, sizeof(MatchRule));
		else if (strcmp(SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 4), "act") == 0)
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
		const char *source = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1);
		char *words = lr_fold_words(source, (int) strlen(source));
		bool twice = false;

		for (int i = 0; i < config->nsources; i++)
			twice |= strcmp(config->sources[i].words, words) == 0;
		if (twice)
			continue;
		config->sources[config->nsources].words = MemoryContextStrdup(config->mcxt, words);
		config->sources[config->nsources++].intent = row_text(config, row, 2);
	}
	qsort(config->sources, config->nsources, sizeof(SourceConfig), compare_sources);
}

static int
compare_sources(const void *a, const void *b)
{
	return strcmp(((const SourceConfig *) a)->words, ((const SourceConfig *) b)->words);
}

/* Deadlines, by metric and position: a metric's first whose condition holds is the lead's. */
static void
read_policies(FlowConfig *config)
{
	static const char *const metrics[] = {"first_touch", "decision", "meeting", "meeting_held", "next_touch", "queue_age", "stage_age"};
	static const char *const starts[] = {"submitted", "assigned", "stage_entered"};
	static const char *const changes[] = {"keep", "retroactive", "restart"};

	config->npolicies = (int)
		lr_config_rows("SELECT policy, condition, metric, target ~ '^end of day',"
					   " coalesce(substring(target FROM '^end of day . ([0-9]+)$')::int4, 0),"
					   " CASE WHEN target !~ '^end of day' THEN target::interval END, calendar, clock_start, stage,"
					   " pause_stages, success, on_change, max_rounds"
					   " FROM leadroute.sla_policies WHERE flow = $1 ORDER BY metric, position",
					   config->flow);
	config->has_clocks = config->npolicies > 0 ||
						 lr_config_rows("SELECT FROM leadroute.clocks WHERE flow = $1 AND next_at IS NOT NULL LIMIT 1", config->flow) > 0;
	if (config->npolicies == 0)
		return;
	config->policies = MemoryContextAllocZero(config->mcxt, config->npolicies * sizeof(PolicyConfig));
	for (int i = 0; i < config->npolicies; i++)
	{
		PolicyConfig *policy = &config->policies[i];

		policy->policy = row_text(config, i, 1);
		policy->condition = row_text(config, i, 2);
		policy->metric = row_text(config, i, 3);
		for (policy->kind = 0; policy->kind < METRIC_OTHER; policy->kind++)
			if (strcmp(metrics[policy->kind], policy->metric) == 0)
				break;
		policy->end_of_day = row_bool(i, 4);
		policy->days = row_int(i, 5);
		row_interval(i, 6, &policy->target);
		policy->calendar = row_text(config, i, 7);
		policy->start = (ClockStart) row_word(i, 8, starts, lengthof(starts));
		policy->stage = row_text(config, i, 9);
		policy->pauses = row_texts(config, i, 10, &policy->npauses);
		policy->success = row_text(config, i, 11);
		policy->on_change = (PolicyChange) row_word(i, 12, changes, lengthof(changes));
		policy->max_rounds = row_int(i, 13);
	}
	/* a policy that no longer holds, one met by what the row says, a touch that it tells: rows are watched for these */
	config->watches = true;
	read_steps(config);
}

static void
read_steps(FlowConfig *config)
{
	static const char *const bases[] = {"start", "due", "target"};
	uint64 rows = lr_config_rows("SELECT policy, step, CASE WHEN at ~ '%$' THEN 'target' WHEN at ~ '^due' THEN 'due' ELSE 'start' END,"
								 " CASE WHEN at ~ '%$' THEN rtrim(at, '%')::float8 / 100 ELSE 0 END,"
								 " CASE WHEN at = 'due' THEN '0' WHEN at ~ '^due' THEN substr(at, 7)::interval WHEN at !~ '%$' THEN at::interval END,"
								 " at ~ '^due - ', action = ANY ('{reassign,requeue,nurture}'), concat_ws(' ', at, action, recipient, argument)"
								 " FROM leadroute.sla_steps WHERE flow = $1 ORDER BY policy, step",
								 config->flow);

	for (int i = 0; i < config->npolicies; i++)
	{
		PolicyConfig *policy = &config->policies[i];

		policy->steps = MemoryContextAllocZero(config->mcxt, Max(rows, 1) * sizeof(StepConfig));
		for (uint64 row = 0; row < rows; row++)
		{
			StepConfig *step = &policy->steps[policy->nsteps];
			bool isnull;

			if (strcmp(SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1), policy->policy) != 0)
				continue;
			step->step = row_text(config, row, 2);
			step->base = (StepBase) row_word(row, 3, bases, lengthof(bases));
			step->fraction = DatumGetFloat8(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 4, &isnull));
			row_interval(row, 5, &step->span);
			step->before = row_bool(row, 6);
			step->acts = row_bool(row, 7);
			step->text = row_text(config, row, 8);
			policy->nsteps++;
		}
	}
}

static void
read_outbox_types(FlowConfig *config)
{
	config->noutbox_types = (int)
		lr_config_rows("SELECT DISTINCT t.type FROM leadroute.outbox_consumers c, unnest(c.types) t(type)"
					   " WHERE c.flow = $1 ORDER BY 1",
					   config->flow);
	config->outbox_types = MemoryContextAllocZero(config->mcxt, Max(config->noutbox_types, 1) * sizeof(char *));
	for (int i = 0; i < config->noutbox_types; i++)
		config->outbox_types[i] = row_text(config, i, 1);
}

/* Not the accounts: no session holds those (account.c). */
static void
read_accounts(FlowConfig *config)
{
	bool isnull;

	config->has_accounts = lr_config_rows("SELECT FROM leadroute.account_flows WHERE flow = $1", config->flow) > 0;
	if (lr_config_rows("SELECT buying_committee_size, buying_committee_window FROM leadroute.flows WHERE flow = $1",
					   config->flow) == 0)
		return;
	config->committee_size = row_int(0, 1);
	config->committee_window = *DatumGetIntervalP(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));
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

bool
lr_config_wants_outbox(const FlowConfig *config, const char *type)
{
	for (int i = 0; i < config->noutbox_types; i++)
		if (strcmp(config->outbox_types[i], type) == 0)
			return true;
	return false;
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
	return PointerGetDatum(NULL);
}
