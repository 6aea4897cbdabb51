/*
 * account.c
 *		Which account a lead belongs to.
 *
 * Accounts are data, a million of them: no session holds any. A look-up is an index probe a step with the newest snapshot,
 * so an account that another session has committed counts at once, whatever the isolation level, and nothing has to
 * be invalidated. Only whether a flow has accounts, and aliases, at all is kept with its configuration (FlowConfig.has_accounts,
 * has_aliases), so that a flow without any pays nothing; account_written() notes the first one in account_flows, which drops configurations.
 *
 * The order among several candidates of the deciding step, here and nowhere else (compare_hits):
 *	1. company name	the lead's company is the candidate's name as it is written; then in canonical form, or an alias of it
 *	2. active owner	one whose owner is an active rep before one who has none
 *	3. tier			1 before 2 before 3 before none
 *	4. parent		one whose parent is no candidate before its children
 *	5. key			the lowest, byte by byte
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "account.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "company.h"
#include "compat.h"
#include "domain.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "leadroute.h"
#include "mail.h"
#include "nodes/tidbitmap.h"
#include "owner.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(lr_account_written);
PG_FUNCTION_INFO_V1(lr_find_account_sql);

/* Columns of leadroute.accounts, account_domains and account_aliases (sql/leadroute/42_accounts.sql). */
enum
{
	ACCOUNT_FLOW = 1,
	ACCOUNT_KEY,
	ACCOUNT_NAME,
	ACCOUNT_OWNER,
	ACCOUNT_TIER,
	ACCOUNT_PARENT
};

enum
{
	DOMAIN_FLOW = 1,
	DOMAIN_DOMAIN,
	DOMAIN_ACCOUNT
};

enum
{
	ALIAS_FLOW = 1,
	ALIAS_KIND,
	ALIAS_KEY,
	ALIAS_ACCOUNT
};

/* Of the rows that an index names; more than that are whole pages. */
#define INDEX_ROWS_MEMORY 65536

/* A table with the index to probe it by, open. */
typedef struct Probe
{
	Relation rel;
	Relation index;
	TupleTableSlot *slot;
} Probe;

typedef struct Finding
{
	FlowConfig *config;
	Snapshot snapshot;
	Probe accounts; /* opened for the first that a key names */
	AccountHit *hits;
	int nhits;
} Finding;

/* The arguments of find_account(). */
typedef struct Question
{
	FlowConfig *config;
	const char *texts[ACCOUNT_STEPS];
} Question;

static const char *const step_names[ACCOUNT_STEPS] = {"given", "website", "email", "alias"};

static void find_given(Finding *finding, const char *key, const char **note);
static void find_by_domain(Finding *finding, const char *domain, const char **note);
static bool index_has(const char *table, const char *index, Snapshot snapshot, const char *key);
static void find_by_alias(Finding *finding, const char *kind, const char *alias, const char **note);
static void find_named(Finding *finding, Probe *probe, IndexScanDesc scan, int nkeys, const char *const *keys, int column, const char **note);
static bool add_hit(Finding *finding, const char *account);
static void judge_names(Finding *finding, const char *company, const char *written);
static void judge_owners(Finding *finding);
static int compare_hits(const void *a, const void *b, void *difference);
static void probe_open(Probe *probe, const char *table, const char *index);
static void probe_close(Probe *probe);
static IndexScanDesc probe_begin(Probe *probe, Snapshot snapshot, StrategyNumber equal, int nkeys, const char *const *keys);
static void fill_key(ScanKey scankey, Relation index, int column, StrategyNumber equal, const char *key);
static bool slot_holds(TupleTableSlot *slot, int nkeys, const char *const *keys);
static const char *slot_text(TupleTableSlot *slot, int column);
static const char *question_value(void *source, int step, const char **note);
static const char *domain_of(const char *text, const char **note);
static HeapTuple with_domain_key(Relation rel, HeapTuple tuple);
static void check_alias(Relation rel, HeapTuple tuple);
static void tell_first(Relation rel, HeapTuple tuple, bool aliases);
static char *tuple_text(Relation rel, HeapTuple tuple, int column);

bool
lr_account_find(FlowConfig *config, AccountValue value, void *source, AccountMatch *match)
{
	Finding finding = {.config = config};

	memset(match, 0, sizeof(AccountMatch));
	match->step = ACCOUNT_STEPS;
	if (!config->has_accounts)
		return false;
	finding.hits = palloc(ACCOUNT_CANDIDATES * sizeof(AccountHit));
	finding.snapshot = RegisterSnapshot(GetLatestSnapshot());
	for (int step = 0; step < ACCOUNT_STEPS && finding.nhits == 0; step++)
	{
		if (step == ACCOUNT_ALIAS && !config->has_aliases)
		{
			match->notes[step] = "no aliases";
			continue;
		}
		match->values[step] = value(source, step, &match->notes[step]);
		if (match->values[step] == NULL)
			continue;
		if (step == ACCOUNT_GIVEN)
			find_given(&finding, match->values[step], &match->notes[step]);
		else if (step == ACCOUNT_ALIAS)
			find_by_alias(&finding, "name", match->values[step], &match->notes[step]);
		else
			find_by_domain(&finding, match->values[step], &match->notes[step]);
		if (finding.nhits > 0)
			match->step = step;
	}
	match->hits = finding.hits;
	match->nhits = finding.nhits;
	if (finding.nhits > 1)
	{
		const char *note = NULL;
		const char *company = value(source, ACCOUNT_ALIAS, &note);

		if (company)
			judge_names(&finding, company, value(source, ACCOUNT_STEPS, &note));
		judge_owners(&finding);
		qsort_arg(finding.hits, finding.nhits, sizeof(AccountHit), compare_hits, NULL);
		for (int i = 1; i < finding.nhits; i++)
			(void) compare_hits(&finding.hits[i - 1], &finding.hits[i], (void *) &finding.hits[i].decided);
		finding.hits[0].decided = finding.hits[1].decided;
	}
	else if (finding.nhits == 1)
		finding.hits[0].decided = "only candidate";
	if (finding.accounts.rel)
		probe_close(&finding.accounts);
	UnregisterSnapshot(finding.snapshot);
	return match->nhits > 0;
}

static void
find_given(Finding *finding, const char *key, const char **note)
{
	if (!add_hit(finding, key) && finding->config->has_aliases)
		find_by_alias(finding, "key", key, note);
}

static void
find_by_domain(Finding *finding, const char *domain, const char **note)
{
	const char *const keys[] = {finding->config->flow, domain};
	char *hashed[] = {psprintf("%s %s", finding->config->flow, domain)};
	Probe domains;

	/* most domains are no account's, and among many a btree compares twenty before it says so */
	if (!index_has("account_domains", "account_domains_hash_idx", finding->snapshot, hashed[0]))
		return;
	probe_open(&domains, "account_domains", "account_domains_hash_idx");
	find_named(finding, &domains, probe_begin(&domains, finding->snapshot, HTEqualStrategyNumber, lengthof(hashed), (const char *const *) hashed),
			   lengthof(keys), keys, DOMAIN_ACCOUNT, note);
	probe_close(&domains);
}

/*
 * Whether the hash index has an entry of the key, which may be another's or a row's that is gone. Mostly it has none: then the table is locked but not
 * opened, which in a new session costs more than the whole look-up (its columns' defaults, its triggers).
 */
static bool
index_has(const char *table, const char *index, Snapshot snapshot, const char *key)
{
	Oid relid = lr_relation_oid(table);
	TIDBitmap *rows = tbm_create(INDEX_ROWS_MEMORY, NULL);
	ScanKeyData scankey;
	IndexScanDesc scan;
	Relation rel;
	bool any;

	/* before the index, as everybody locks them */
	LockRelationOid(relid, AccessShareLock);
	rel = lr_index_open(lr_relation_oid(index), AccessShareLock);
	fill_key(&scankey, rel, 1, HTEqualStrategyNumber, key);
	scan = lr_index_beginscan_bitmap(rel, snapshot, 1);
	index_rescan(scan, &scankey, 1, NULL, 0);
	index_getbitmap(scan, rows);
	any = !tbm_is_empty(rows);
	index_endscan(scan);
	index_close(rel, AccessShareLock);
	UnlockRelationOid(relid, AccessShareLock);
	tbm_free(rows);
	return any;
}

static void
find_by_alias(Finding *finding, const char *kind, const char *alias, const char **note)
{
	const char *const keys[] = {finding->config->flow, kind, alias};
	Probe aliases;

	probe_open(&aliases, "account_aliases", "account_aliases_pkey");
	find_named(finding, &aliases, probe_begin(&aliases, finding->snapshot, BTEqualStrategyNumber, lengthof(keys), keys),
			   lengthof(keys), keys, ALIAS_ACCOUNT, note);
	probe_close(&aliases);
}

/* The accounts that the rows name whose first columns are the keys; what more than ACCOUNT_CANDIDATES of them share tells nothing. Ends the scan. */
static void
find_named(Finding *finding, Probe *probe, IndexScanDesc scan, int nkeys, const char *const *keys, int column, const char **note)
{
	int seen = 0;

	while (seen <= ACCOUNT_CANDIDATES && index_getnext_slot(scan, ForwardScanDirection, probe->slot))
	{
		if (scan->xs_recheck && !slot_holds(probe->slot, nkeys, keys))
			continue;
		if (++seen > ACCOUNT_CANDIDATES)
		{
			finding->nhits = 0;
			*note = "shared by too many accounts";
		}
		else
			(void) add_hit(finding, slot_text(probe->slot, column));
	}
	index_endscan(scan);
}

/* A domain or an alias may stand of an account that is not there (yet). */
static bool
add_hit(Finding *finding, const char *account)
{
	const char *const keys[] = {finding->config->flow, account};
	IndexScanDesc scan;
	TupleTableSlot *slot;
	bool found;

	if (finding->accounts.rel == NULL)
		probe_open(&finding->accounts, "accounts", "accounts_pkey");
	scan = probe_begin(&finding->accounts, finding->snapshot, BTEqualStrategyNumber, lengthof(keys), keys);
	slot = finding->accounts.slot;
	found = index_getnext_slot(scan, ForwardScanDirection, slot);
	if (found)
	{
		AccountHit *hit = &finding->hits[finding->nhits++];
		bool isnull;
		Datum tier = slot_getattr(slot, ACCOUNT_TIER, &isnull);

		memset(hit, 0, sizeof(AccountHit));
		hit->account = slot_text(slot, ACCOUNT_KEY);
		hit->name = slot_text(slot, ACCOUNT_NAME);
		hit->owner = slot_text(slot, ACCOUNT_OWNER);
		hit->tier = isnull ? 0 : DatumGetInt32(tier);
		hit->parent = slot_text(slot, ACCOUNT_PARENT);
	}
	index_endscan(scan);
	ExecClearTuple(slot);
	return found;
}

/* Whose name, or alias, is the lead's company? */
static void
judge_names(Finding *finding, const char *company, const char *written)
{
	const char *const keys[] = {finding->config->flow, "name", company};
	Probe aliases;
	IndexScanDesc scan;

	for (int i = 0; i < finding->nhits; i++)
	{
		AccountHit *hit = &finding->hits[i];
		char *key = hit->name ? lr_company_key(hit->name, (int) strlen(hit->name)) : NULL;

		if (key && strcmp(key, company) == 0)
			hit->same_name = written && pg_strcasecmp(hit->name, written) == 0 ? 2 : 1;
	}
	if (!finding->config->has_aliases)
		return;
	probe_open(&aliases, "account_aliases", "account_aliases_pkey");
	scan = probe_begin(&aliases, finding->snapshot, BTEqualStrategyNumber, lengthof(keys), keys);
	for (int seen = 0; seen < ACCOUNT_CANDIDATES && index_getnext_slot(scan, ForwardScanDirection, aliases.slot); seen++)
	{
		const char *account = slot_text(aliases.slot, ALIAS_ACCOUNT);

		for (int i = 0; i < finding->nhits; i++)
			if (finding->hits[i].same_name == 0 && strcmp(finding->hits[i].account, account) == 0)
				finding->hits[i].same_name = 1;
	}
	index_endscan(scan);
	probe_close(&aliases);
}

/* Who has an active owner, and who stands below another candidate? */
static void
judge_owners(Finding *finding)
{
	for (int i = 0; i < finding->nhits; i++)
	{
		AccountHit *hit = &finding->hits[i];
		RepConfig *rep = hit->owner ? lr_config_rep(finding->config, hit->owner) : NULL;

		hit->has_owner = rep && rep->active;
		for (int j = 0; hit->parent && !hit->below && j < finding->nhits; j++)
			hit->below = strcmp(finding->hits[j].account, hit->parent) == 0;
	}
}

/* *difference, if asked for, is what told them apart. */
static int
compare_hits(const void *a, const void *b, void *difference)
{
	const AccountHit *x = a;
	const AccountHit *y = b;
	const char *ignored;
	const char **decided = difference ? (const char **) difference : &ignored;

	*decided = "company name";
	if (x->same_name != y->same_name)
		return x->same_name > y->same_name ? -1 : 1;
	*decided = "active owner";
	if (x->has_owner != y->has_owner)
		return x->has_owner ? -1 : 1;
	*decided = "tier";
	if (x->tier != y->tier)
		return (x->tier ? x->tier : PG_INT32_MAX) < (y->tier ? y->tier : PG_INT32_MAX) ? -1 : 1;
	*decided = "parent";
	if (x->below != y->below)
		return x->below ? 1 : -1;
	*decided = "key";
	return strcmp(x->account, y->account);
}

static void
probe_open(Probe *probe, const char *table, const char *index)
{
	probe->rel = table_open(lr_relation_oid(table), AccessShareLock);
	probe->index = lr_index_open(lr_relation_oid(index), AccessShareLock);
	probe->slot = table_slot_create(probe->rel, NULL);
}

static void
probe_close(Probe *probe)
{
	ExecDropSingleTupleTableSlot(probe->slot);
	index_close(probe->index, AccessShareLock);
	table_close(probe->rel, AccessShareLock);
}

/* All keys are texts, compared from the index's first column on. */
static IndexScanDesc
probe_begin(Probe *probe, Snapshot snapshot, StrategyNumber equal, int nkeys, const char *const *keys)
{
	ScanKeyData scankeys[3];
	IndexScanDesc scan;

	for (int i = 0; i < nkeys; i++)
		fill_key(&scankeys[i], probe->index, i + 1, equal, keys[i]);
	scan = lr_index_beginscan(probe->rel, probe->index, snapshot, NULL, nkeys, 0);
	index_rescan(scan, scankeys, nkeys, NULL, 0);
	return scan;
}

static void
fill_key(ScanKey scankey, Relation index, int column, StrategyNumber equal, const char *key)
{
	ScanKeyEntryInitialize(scankey, 0, (AttrNumber) column, equal, InvalidOid, index->rd_indcollation[column - 1], F_TEXTEQ, CStringGetTextDatum(key));
}

/* The first columns of a row, which an index has found by their hash only. */
static bool
slot_holds(TupleTableSlot *slot, int nkeys, const char *const *keys)
{
	for (int i = 0; i < nkeys; i++)
		if (strcmp(slot_text(slot, i + 1), keys[i]) != 0)
			return false;
	return true;
}

static const char *
slot_text(TupleTableSlot *slot, int column)
{
	bool isnull;
	Datum value = slot_getattr(slot, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

const char *
lr_account_step_name(int step)
{
	return step_names[step];
}

char *
lr_account_describe(const AccountHit *hit)
{
	char *owner = hit->owner ? psprintf("owner %s", hit->owner) : pstrdup("no owner");

	return hit->tier ? psprintf("%s, tier %d", owner, hit->tier) : owner;
}

/*
 * find_account(website, email, company, account, flow): the candidates of the deciding step, best first, as routing
 * finds them.
 */
Datum
lr_find_account_sql(PG_FUNCTION_ARGS)
{
	/* by step */
	static const int arguments[ACCOUNT_STEPS] = {3, 0, 1, 2};
	Question question;
	AccountMatch match;
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(4))
		return (Datum) 0;
	question.config = lr_config(text_to_cstring(PG_GETARG_TEXT_PP(4)));
	for (int step = 0; step < ACCOUNT_STEPS; step++)
		question.texts[step] = PG_ARGISNULL(arguments[step]) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(arguments[step]));
	(void) lr_account_find(question.config, question_value, &question, &match);
	for (int i = 0; i < match.nhits; i++)
	{
		const AccountHit *hit = &match.hits[i];
		const char *const texts[] = {hit->account, hit->name, hit->owner, NULL, step_names[match.step],
									 match.values[match.step], hit->decided};
		Datum values[lengthof(texts) + 1];
		bool nulls[lengthof(texts) + 1] = {false};

		values[0] = Int32GetDatum(i + 1);
		for (int column = 0; column < (int) lengthof(texts); column++)
		{
			nulls[column + 1] = texts[column] == NULL;
			values[column + 1] = texts[column] ? CStringGetTextDatum(texts[column]) : (Datum) 0;
		}
		nulls[4] = hit->tier == 0;
		values[4] = Int32GetDatum(hit->tier);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

static const char *
question_value(void *source, int step, const char **note)
{
	const Question *question = source;
	const char *text = question->texts[Min(step, ACCOUNT_ALIAS)];
	LrMailDomain mail;
	const char *domain;
	const char *host;
	const char *problem;

	if (text == NULL || text[strspn(text, " \t\r\n")] == '\0')
		return NULL;
	switch (step)
	{
		case ACCOUNT_GIVEN:
			return text;
		case ACCOUNT_WEBSITE:
			return domain_of(text, note);
		case ACCOUNT_EMAIL:
			domain = domain_of(text, note);
			if (domain == NULL)
				return NULL;
			host = lr_domain_host(text, (int) strlen(text), &problem);
			lr_mail_find(host, &mail);
			if (mail.is_public)
			{
				*note = "public mail";
				return NULL;
			}
			return domain;
		case ACCOUNT_ALIAS:
			return lr_company_key(text, (int) strlen(text));
		default:
			return text;
	}
}

static const char *
domain_of(const char *text, const char **note)
{
	const char *problem;
	const char *domain;

	if (strlen(text) > LR_DOMAIN_MAX_URL)
	{
		*note = "is too long";
		return NULL;
	}
	domain = lr_domain_key(text, (int) strlen(text), &problem);
	if (domain == NULL)
		*note = problem;
	return domain;
}

/*
 * account_written(): BEFORE ROW trigger on accounts, account_domains and account_aliases; ENABLE ALWAYS. A domain is stored as
 * its registrable domain, a name that is none is refused; what a dump or another node brings is taken as it is. The
 * first account of a flow, and its first alias, is told to all sessions.
 */
Datum
lr_account_written(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	HeapTuple tuple;
	const char *table;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigger->tg_event) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be fired BEFORE ROW", "account_written")));
	tuple = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : trigger->tg_trigtuple;
	table = RelationGetRelationName(trigger->tg_relation);
	if (strcmp(table, "account_domains") != 0)
		tell_first(trigger->tg_relation, tuple, strcmp(table, "account_aliases") == 0);
	if (strcmp(table, "accounts") != 0 && SessionReplicationRole != SESSION_REPLICATION_ROLE_REPLICA && check_function_bodies)
	{
		if (strcmp(table, "account_domains") == 0)
			tuple = with_domain_key(trigger->tg_relation, tuple);
		else
			check_alias(trigger->tg_relation, tuple);
	}
	return PointerGetDatum(tuple);
}

static HeapTuple
with_domain_key(Relation rel, HeapTuple tuple)
{
	char *domain = tuple_text(rel, tuple, DOMAIN_DOMAIN);
	const char *problem = NULL;
	const char *key;
	int column = DOMAIN_DOMAIN;
	Datum value;
	bool isnull = false;

	if (domain == NULL)
		return tuple; /* core refuses it */
	key = domain_of(domain, &problem);
	if (key == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid domain: \"%s\"", pnstrdup(domain, 200)),
				 errdetail("The address %s.", problem),
				 errhint("Give the domain that the company registered, as acme.co.uk; an e-mail address or URL does as well.")));
	if (strcmp(key, domain) == 0)
		return tuple;
	value = CStringGetTextDatum(key);
	return heap_modify_tuple_by_cols(tuple, RelationGetDescr(rel), 1, &column, &value, &isnull);
}

static void
check_alias(Relation rel, HeapTuple tuple)
{
	/* alias_key is generated: it comes after BEFORE triggers */
	AttrNumber attno = SPI_fnumber(RelationGetDescr(rel), "alias");
	char *alias = tuple_text(rel, tuple, attno);
	char *kind = tuple_text(rel, tuple, ALIAS_KIND);

	if (alias && kind && strcmp(kind, "name") == 0 && lr_company_key(alias, (int) strlen(alias)) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid company name: \"%s\"", pnstrdup(alias, 200)),
				 errdetail("A name has letters or digits, and at most 1000 bytes.")));
}

/*
 * That a flow has accounts, or aliases, is written down once, for good: account_flows only grows, so a session that knows it knows
 * what all others know, or will when this transaction commits. All three tables begin with the flow.
 */
static void
tell_first(Relation rel, HeapTuple tuple, bool aliases)
{
	char *flow = tuple_text(rel, tuple, ACCOUNT_FLOW);
	Oid types[] = {TEXTOID, BOOLOID};
	Datum values[] = {(Datum) 0, BoolGetDatum(aliases)};
	const FlowConfig *config;
	OwnerSession session;

	if (flow == NULL)
		return;
	config = lr_config(flow);
	if (aliases ? config->has_aliases : config->has_accounts)
		return;
	values[0] = CStringGetTextDatum(flow);
	lr_owner_begin(&session);
	lr_owner_execute("INSERT INTO leadroute.account_flows (flow, aliases) VALUES ($1, $2) ON CONFLICT DO NOTHING",
					 lengthof(types), types, values, SPI_OK_INSERT);
	lr_owner_end(&session);
}

static char *
tuple_text(Relation rel, HeapTuple tuple, int column)
{
	bool isnull;
	Datum value = heap_getattr(tuple, column, RelationGetDescr(rel), &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}
