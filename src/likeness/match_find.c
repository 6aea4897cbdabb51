/*
 * match_find.c
 *		For find_duplicates(): the leads that have a blocking key in common with new ones, and what each pair weighs.
 *
 * All look-ups go by the primary keys of match_values, match_keys and match_frequencies: an index probe a key, a row a partner. Of match_keys
 * only the index is read, and the table where a block seems too large. The index may still hold keys of leads that have them no more; what that costs is
 * a comparison that need not be: a partner's values are always read as they are now, and so is, of a key by a match rule, whether he has it.
 *
 * A block of more leads than block_limit is left out and told. A lead is compared with no more than pair_limit others, those that have most in common
 * with it, each key counted by how rare it is; who has a key by a match rule comes on top. Two leads that are both new are compared once.
 *
 * Memory: what concerns one lead is in a context that is reset; what lasts for the batch are the pairs of new leads, and the blocks that are too large.
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "access/itup.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "compat.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "leadroute.h"
#include "match_score.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(lr_match_find_sql);

/* columns of match_values, and of match_frequencies */
#define VALUES_COMPARED 4
#define VALUES_RULE_KEYS 5
#define VALUES_KEYS 6
#define FREQUENCIES_LEADS 4

/* a frequency counts as if so many leads more had been seen, with average values */
#define SMOOTHING 200.0
/* a value can be rarer than an average one by so much; how rare beyond that, few leads do not tell */
#define RAREST 0.25

#define RULE_PREFIX "rule "

/* A table that is read by its primary key. A scan keeps what it allocates when it is used, so it is used in the context it was begun in. */
typedef struct Probe
{
	Relation rel;
	Relation index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
	int nkeys;
	ScanKeyData keys[3];
	MemoryContext context;
} Probe;

/* The leads that have one of a lead's keys. */
typedef struct KeyBlock
{
	int64 key;
	const char *rule; /* the key by a match rule, or NULL */
	int n;
	char **members;
} KeyBlock;

typedef struct Partner
{
	const char *lead;
	List *rules;	 /* keys by match rules that both have */
	double evidence; /* how rare what they have in common is, in bits */
} Partner;

/* A lead's number, or its partner, by its key. */
typedef struct LeadEntry
{
	const char *lead; /* the hash key */
	int number;
	Partner *partner;
} LeadEntry;

/* Two leads of the batch, by their numbers. */
typedef struct PairKey
{
	int first;
	int second;
} PairKey;

typedef struct LargeBlock
{
	int64 key; /* the hash key */
	int64 times;
	const char *lead;
} LargeBlock;

typedef struct Finding
{
	ReturnSetInfo *result;
	Probe values;
	Probe keys;
	Probe frequencies;
	int block_limit;
	int pair_limit;
	double leads; /* how many there are */
	double at_least;
	Datum *fields;	 /* their names */
	double *matches; /* of fields that count by frequency: how often two rows of one lead agree */
	double *others;	 /* how often those of two leads do, for an average value */
	double *valued;	 /* how many leads have a value */
	Comparison comparison;
	HTAB *fresh; /* LeadEntry: the leads of the batch */
	HTAB *pairs; /* PairKey: of these, those that were compared */
	HTAB *large; /* LargeBlock */
	MemoryContext batch;
	int64 compared;
} Finding;

/* A lead of the batch. */
typedef struct Fresh
{
	const char *lead;
	int number;
	Datum *keys;
	int nkeys;
	Datum *rule_keys;
	int nrule_keys;
	bool weighed; /* whether it is known what exact agreements weigh */
} Fresh;

static void read_fields(FunctionCallInfo fcinfo, Finding *finding);
static double *read_numbers(ArrayType *array, int n, bool *null);
static void open_probe(Probe *probe, const char *table, const char *index, Datum flow, int nkeys, const Oid *types, Snapshot snapshot);
static void close_probe(Probe *probe);
static bool look_up(Probe *probe, Datum second, Datum third);
static double count_leads(Finding *finding);
static HTAB *lead_table(const char *name, long n, MemoryContext context);
static uint32 lead_hash(const void *key, Size size);
static int lead_match(const void *left, const void *right, Size size);
static void find(Finding *finding, const char *lead, int number);
static bool read_fresh(Finding *finding, Fresh *fresh);
static int read_block(Finding *finding, const Fresh *fresh, int64 key, KeyBlock *block);
static bool read_members(Finding *finding, KeyBlock *block, bool ask_table);
static const char *rule_of(const Fresh *fresh, int64 key);
static void note_large(Finding *finding, const KeyBlock *block, const char *lead);
static List *partners_of(Finding *finding, const Fresh *fresh, const KeyBlock *blocks, int n);
static int compare_partners(const ListCell *left, const ListCell *right);
static bool is_done(Finding *finding, const Fresh *fresh, const char *lead);
static void weigh_exact(Finding *finding, Fresh *fresh);
static bool compare_with(Finding *finding, Fresh *fresh, Partner *partner);
static Datum rules_of(Datum rule_keys, List *rules, bool *none);
static void put_pair(Finding *finding, const Fresh *fresh, const Partner *partner, Datum rules, bool no_rules);
static void put_large(Finding *finding);

/*
 * match_find(flow text, leads text[], fields text[], kinds text[], weights float8[], matches float8[], others float8[], valued float8[], context_bits float8,
 * conflict_bits float8, at_least float8, block_limit integer, pair_limit integer) RETURNS SETOF (lead, other, bits, levels, field_bits, rules, key, n):
 * a row a likely pair; a row with key and n a block that is too large; a row with n alone, the last: how many pairs were compared
 */
Datum
lr_match_find_sql(PG_FUNCTION_ARGS)
{
	Finding finding = {.block_limit = PG_GETARG_INT32(11), .pair_limit = PG_GETARG_INT32(12), .at_least = PG_GETARG_FLOAT8(10)};
	const Oid lead_types[] = {TEXTOID, TEXTOID};
	const Oid key_types[] = {TEXTOID, INT8OID};
	const Oid frequency_types[] = {TEXTOID, TEXTOID, TEXTOID};
	Datum flow = PG_GETARG_DATUM(0);
	Snapshot snapshot = GetActiveSnapshot();
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "leadroute match of a lead", ALLOCSET_DEFAULT_SIZES);
	HASHCTL pairs = {.keysize = sizeof(PairKey), .entrysize = sizeof(PairKey)};
	HASHCTL large = {.keysize = sizeof(int64), .entrysize = sizeof(LargeBlock)};
	Datum values[8] = {0};
	bool nulls[8] = {true, true, true, true, true, true, true, false};
	Datum *leads;
	bool *null;
	int n;

	InitMaterializedSRF(fcinfo, 0);
	finding.result = (ReturnSetInfo *) fcinfo->resultinfo;
	finding.batch = pairs.hcxt = large.hcxt = CurrentMemoryContext;
	read_fields(fcinfo, &finding);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &leads, &null, &n);
	finding.fresh = lead_table("leadroute match leads", n, CurrentMemoryContext);
	finding.pairs = hash_create("leadroute match pairs", 1024, &pairs, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	finding.large = hash_create("leadroute match blocks", 64, &large, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	for (int i = 0; i < n; i++)
	{
		const char *lead = null[i] ? "" : TextDatumGetCString(leads[i]);
		LeadEntry *entry = hash_search(finding.fresh, &lead, HASH_ENTER, NULL);

		entry->number = i;
	}
	open_probe(&finding.values, "match_values", "match_values_pkey", flow, 2, lead_types, snapshot);
	open_probe(&finding.keys, "match_keys", "match_keys_pkey", flow, 2, key_types, snapshot);
	finding.keys.scan->xs_want_itup = true;
	open_probe(&finding.frequencies, "match_frequencies", "match_frequencies_pkey", flow, 3, frequency_types, snapshot);
	finding.leads = count_leads(&finding);
	for (int i = 0; i < n; i++)
	{
		MemoryContext oldcontext = MemoryContextSwitchTo(work);

		CHECK_FOR_INTERRUPTS();
		if (!null[i])
			find(&finding, TextDatumGetCString(leads[i]), i);
		MemoryContextSwitchTo(oldcontext);
		MemoryContextReset(work);
	}
	close_probe(&finding.values);
	close_probe(&finding.keys);
	close_probe(&finding.frequencies);
	put_large(&finding);
	values[7] = Int64GetDatum(finding.compared);
	tuplestore_putvalues(finding.result->setResult, finding.result->setDesc, values, nulls);
	PG_RETURN_NULL();
}

/* What is compared, and what it weighs. */
static void
read_fields(FunctionCallInfo fcinfo, Finding *finding)
{
	Comparison *c = &finding->comparison;
	ArrayType *weights = PG_GETARG_ARRAYTYPE_P(4);
	Datum *kinds;
	bool *null;
	bool *counted;
	int n;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), TEXTOID, -1, false, TYPALIGN_INT, &finding->fields, &null, &n);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(3), TEXTOID, -1, false, TYPALIGN_INT, &kinds, &null, &c->n);
	if (n != c->n)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("there are %d fields and %d kinds", n, c->n)));
	if (n > MAX_FIELDS)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("%d fields are given, at most %d are compared", n, MAX_FIELDS)));
	if (ARR_HASNULL(weights) || ArrayGetNItems(ARR_NDIM(weights), ARR_DIMS(weights)) != n * LR_ALIKE_LEVELS)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("%d fields need %d weights", n, n * LR_ALIKE_LEVELS)));
	for (int i = 0; i < n; i++)
		if (null[i] || !lr_match_kind(VARDATA_ANY(DatumGetPointer(kinds[i])), VARSIZE_ANY_EXHDR(DatumGetPointer(kinds[i])), &c->kind[i]))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("kind cannot be \"%s\"", null[i] ? "NULL" : TextDatumGetCString(kinds[i]))));
	c->weights = (const float8 *) ARR_DATA_PTR(weights);
	c->context_limit = PG_GETARG_FLOAT8(8);
	c->conflict_limit = PG_GETARG_FLOAT8(9);
	counted = palloc(n * sizeof(bool));
	finding->matches = read_numbers(PG_GETARG_ARRAYTYPE_P(5), n, counted);
	for (int i = 0; i < n; i++)
		c->by_frequency[i] = !counted[i];
	finding->others = read_numbers(PG_GETARG_ARRAYTYPE_P(6), n, counted);
	finding->valued = read_numbers(PG_GETARG_ARRAYTYPE_P(7), n, counted);
}

static double *
read_numbers(ArrayType *array, int n, bool *null)
{
	double *numbers = palloc0(n * sizeof(double));
	Datum *datums;
	bool *nulls;
	int found;

	deconstruct_array(array, FLOAT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &datums, &nulls, &found);
	if (found != n)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("there are %d fields and %d values", n, found)));
	for (int i = 0; i < n; i++)
	{
		null[i] = nulls[i];
		if (!nulls[i])
			numbers[i] = DatumGetFloat8(datums[i]);
	}
	return numbers;
}

/* The first column of each primary key is the flow; what the others are to be, each look-up says. */
static void
open_probe(Probe *probe, const char *table, const char *index, Datum flow, int nkeys, const Oid *types, Snapshot snapshot)
{
	probe->rel = table_open(lr_relation_oid(table), AccessShareLock);
	probe->index = index_open(lr_relation_oid(index), AccessShareLock);
	probe->slot = table_slot_create(probe->rel, NULL);
	probe->nkeys = nkeys;
	for (int i = 0; i < nkeys; i++)
		ScanKeyEntryInitialize(&probe->keys[i], 0, i + 1, BTEqualStrategyNumber, InvalidOid, probe->index->rd_indcollation[i],
							   types[i] == INT8OID ? F_INT8EQ : F_TEXTEQ, flow);
	probe->context = CurrentMemoryContext;
	probe->scan = lr_index_beginscan(probe->rel, probe->index, snapshot, NULL, nkeys, 0);
}

static void
close_probe(Probe *probe)
{
	index_endscan(probe->scan);
	ExecDropSingleTupleTableSlot(probe->slot);
	index_close(probe->index, AccessShareLock);
	table_close(probe->rel, AccessShareLock);
}

/* The one row with this key, in the probe's slot. */
static bool
look_up(Probe *probe, Datum second, Datum third)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(probe->context);
	bool found;

	probe->keys[1].sk_argument = second;
	if (probe->nkeys > 2)
		probe->keys[2].sk_argument = third;
	index_rescan(probe->scan, probe->keys, probe->nkeys, NULL, 0);
	found = index_getnext_slot(probe->scan, ForwardScanDirection, probe->slot);
	MemoryContextSwitchTo(oldcontext);
	return found;
}

/* Those whose values are known, as match_frequencies counts them. */
static double
count_leads(Finding *finding)
{
	Datum empty = CStringGetTextDatum("");
	bool isnull;

	return look_up(&finding->frequencies, empty, empty) ? Max(DatumGetInt64(slot_getattr(finding->frequencies.slot, FREQUENCIES_LEADS, &isnull)), 1) : 1;
}

static HTAB *
lead_table(const char *name, long n, MemoryContext context)
{
	HASHCTL control = {.keysize = sizeof(char *), .entrysize = sizeof(LeadEntry), .hash = lead_hash, .match = lead_match, .hcxt = context};

	return hash_create(name, Max(n, 16), &control, HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
}

static uint32
lead_hash(const void *key, Size size)
{
	const char *lead = *(const char *const *) key;

	return string_hash(lead, strlen(lead) + 1);
}

static int
lead_match(const void *left, const void *right, Size size)
{
	return strcmp(*(const char *const *) left, *(const char *const *) right);
}

static void
find(Finding *finding, const char *lead, int number)
{
	Fresh fresh = {.lead = lead, .number = number};
	KeyBlock *blocks;
	List *partners;
	ListCell *cell;
	int n = 0;
	int room = finding->pair_limit;

	if (!read_fresh(finding, &fresh))
		return;
	blocks = palloc(Max(fresh.nkeys, 1) * sizeof(KeyBlock));
	for (int i = 0; i < fresh.nkeys; i++)
		n += read_block(finding, &fresh, DatumGetInt64(fresh.keys[i]), &blocks[n]);
	partners = partners_of(finding, &fresh, blocks, n);
	foreach(cell, partners)
	{
		Partner *partner = lfirst(cell);

		if (partner->rules)
			(void) compare_with(finding, &fresh, partner);
		else if (room > 0 && compare_with(finding, &fresh, partner))
			room--;
	}
}

/* What is known of a new lead, copied: its slot is used for its partners. */
static bool
read_fresh(Finding *finding, Fresh *fresh)
{
	TupleTableSlot *slot = finding->values.slot;
	Comparison *c = &finding->comparison;
	bool isnull;
	bool *null;
	int n;

	if (!look_up(&finding->values, CStringGetTextDatum(fresh->lead), 0))
		return false;
	deconstruct_array(DatumGetArrayTypePCopy(slot_getattr(slot, VALUES_KEYS, &isnull)), INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &fresh->keys, &null, &fresh->nkeys);
	deconstruct_array(DatumGetArrayTypePCopy(slot_getattr(slot, VALUES_RULE_KEYS, &isnull)), TEXTOID, -1, false, TYPALIGN_INT, &fresh->rule_keys, &null, &fresh->nrule_keys);
	deconstruct_array(DatumGetArrayTypePCopy(slot_getattr(slot, VALUES_COMPARED, &isnull)), TEXTOID, -1, false, TYPALIGN_INT, &c->left.value, &c->left.null, &n);
	if (n != c->n)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("there are %d fields and %d values", c->n, n),
				 errhint("The fields have changed: CALL leadroute.find_duplicates().")));
	return true;
}

/* How many blocks it is: 1, or 0 where nobody else is in it, or too many are. */
static int
read_block(Finding *finding, const Fresh *fresh, int64 key, KeyBlock *block)
{
	LargeBlock *large = hash_search(finding->large, &key, HASH_FIND, NULL);

	block->key = key;
	if (large)
	{
		large->times++;
		return 0;
	}
	/* entries that nobody stands behind any more make no block too large */
	if (!read_members(finding, block, false) && !read_members(finding, block, true))
	{
		note_large(finding, block, fresh->lead);
		return 0;
	}
	block->rule = rule_of(fresh, key);
	return block->n > 1;
}

/*
 * False where it is too large. In the index a lead stands once for each version of its row, one after the other, and for those that are dead too unless
 * the table is asked.
 */
static bool
read_members(Finding *finding, KeyBlock *block, bool ask_table)
{
	Probe *probe = &finding->keys;
	int room = 16;

	block->n = 0;
	block->members = palloc(room * sizeof(char *));
	probe->keys[1].sk_argument = Int64GetDatum(block->key);
	for (bool first = true;; first = false)
	{
		MemoryContext oldcontext = MemoryContextSwitchTo(probe->context);
		bool more;
		bool isnull;
		Datum lead;
		int width;

		if (first)
			index_rescan(probe->scan, probe->keys, probe->nkeys, NULL, 0);
		more = ask_table ? index_getnext_slot(probe->scan, ForwardScanDirection, probe->slot) : index_getnext_tid(probe->scan, ForwardScanDirection) != NULL;
		MemoryContextSwitchTo(oldcontext);
		if (!more)
			return true;
		lead = index_getattr(probe->scan->xs_itup, 3, probe->scan->xs_itupdesc, &isnull);
		width = VARSIZE_ANY_EXHDR(DatumGetPointer(lead));
		if (block->n > 0 && strncmp(block->members[block->n - 1], VARDATA_ANY(DatumGetPointer(lead)), width) == 0 && block->members[block->n - 1][width] == '\0')
			continue;
		if (block->n == finding->block_limit)
			return false;
		if (block->n == room)
		{
			room *= 2;
			block->members = repalloc(block->members, room * sizeof(char *));
		}
		block->members[block->n++] = pnstrdup(VARDATA_ANY(DatumGetPointer(lead)), width);
	}
}

/* The key by a match rule that this is the hash of, or NULL. */
static const char *
rule_of(const Fresh *fresh, int64 key)
{
	for (int i = 0; i < fresh->nrule_keys; i++)
	{
		text *rule = DatumGetTextPP(fresh->rule_keys[i]);

		if ((int64) DatumGetUInt64(hash_any_extended((const unsigned char *) VARDATA_ANY(rule), VARSIZE_ANY_EXHDR(rule), 0)) == key)
			return text_to_cstring(rule);
	}
	return NULL;
}

static void
note_large(Finding *finding, const KeyBlock *block, const char *lead)
{
	bool found;
	LargeBlock *large = hash_search(finding->large, &block->key, HASH_ENTER, &found);

	if (!found)
	{
		large->times = 0;
		large->lead = MemoryContextStrdup(finding->batch, lead);
	}
	large->times++;
}

/* Who has a key in common with it, each once. Where there are more than can be compared those come first that have most in common, by how rare that is. */
static List *
partners_of(Finding *finding, const Fresh *fresh, const KeyBlock *blocks, int n)
{
	HTAB *known = lead_table("leadroute match partners", 256, CurrentMemoryContext);
	List *partners = NIL;

	for (int i = 0; i < n; i++)
	{
		const KeyBlock *block = &blocks[i];
		double bits = log2(finding->leads / block->n);

		for (int j = 0; j < block->n; j++)
		{
			const char *lead = block->members[j];
			LeadEntry *entry;
			bool found;

			if (strcmp(lead, fresh->lead) == 0)
				continue;
			entry = hash_search(known, &lead, HASH_ENTER, &found);
			if (!found)
			{
				entry->partner = palloc0(sizeof(Partner));
				entry->partner->lead = lead;
				partners = lappend(partners, entry->partner);
			}
			entry->partner->evidence += bits;
			if (block->rule)
				entry->partner->rules = lappend(entry->partner->rules, unconstify(char *, block->rule));
		}
	}
	if (list_length(partners) > finding->pair_limit)
		list_sort(partners, compare_partners);
	return partners;
}

/* Who has most in common first. */
static int
compare_partners(const ListCell *left, const ListCell *right)
{
	const Partner *a = lfirst(left);
	const Partner *b = lfirst(right);

	if (a->evidence != b->evidence)
		return a->evidence > b->evidence ? -1 : 1;
	return strcmp(a->lead, b->lead);
}

/* Whether both are new, and were compared when the other was looked at. */
static bool
is_done(Finding *finding, const Fresh *fresh, const char *lead)
{
	LeadEntry *entry = hash_search(finding->fresh, &lead, HASH_FIND, NULL);
	PairKey pair;
	bool found;

	if (entry == NULL)
		return false;
	pair.first = Min(entry->number, fresh->number);
	pair.second = Max(entry->number, fresh->number);
	(void) hash_search(finding->pairs, &pair, HASH_ENTER, &found);
	return found;
}

/* What exact agreements with a new lead's values weigh: a frequent value's less, a rare one's more. */
static void
weigh_exact(Finding *finding, Fresh *fresh)
{
	Comparison *c = &finding->comparison;

	if (fresh->weighed)
		return;
	fresh->weighed = true;
	for (int i = 0; i < c->n; i++)
	{
		double leads = 0;
		bool isnull;

		if (!c->by_frequency[i] || c->left.null[i])
			continue;
		if (look_up(&finding->frequencies, finding->fields[i], c->left.value[i]))
			leads = DatumGetInt64(slot_getattr(finding->frequencies.slot, FREQUENCIES_LEADS, &isnull));
		c->exact[i] = log2(finding->matches[i] / Max((leads + SMOOTHING * finding->others[i]) / (finding->valued[i] + SMOOTHING), finding->others[i] * RAREST));
	}
}

/* False where the index names a lead that is there no more. */
static bool
compare_with(Finding *finding, Fresh *fresh, Partner *partner)
{
	Comparison *c = &finding->comparison;
	TupleTableSlot *slot = finding->values.slot;
	Datum rules = 0;
	bool no_rules = true;
	bool isnull;
	int n;

	if (is_done(finding, fresh, partner->lead))
		return true;
	if (!look_up(&finding->values, CStringGetTextDatum(partner->lead), 0))
		return false;
	weigh_exact(finding, fresh);
	/* the slot keeps the row in its place until the next look-up */
	deconstruct_array(DatumGetArrayTypeP(slot_getattr(slot, VALUES_COMPARED, &isnull)), TEXTOID, -1, false, TYPALIGN_INT, &c->right.value, &c->right.null, &n);
	if (n != c->n)
		return false;
	finding->compared++;
	if (partner->rules)
		rules = rules_of(slot_getattr(slot, VALUES_RULE_KEYS, &isnull), partner->rules, &no_rules);
	if (lr_match_weigh(c, no_rules ? finding->at_least : -HUGE_VAL))
		put_pair(finding, fresh, partner, rules, no_rules);
	return true;
}

/* The kinds of the rules by which both have the same key; *none where it is no rule. */
static Datum
rules_of(Datum rule_keys, List *rules, bool *none)
{
	Datum *datums;
	bool *null;
	int n;
	Datum *kinds = palloc(list_length(rules) * sizeof(Datum));
	int nkinds = 0;
	ListCell *cell;

	deconstruct_array(DatumGetArrayTypeP(rule_keys), TEXTOID, -1, false, TYPALIGN_INT, &datums, &null, &n);
	foreach(cell, rules)
	{
		const char *rule = lfirst(cell);
		const char *kind = rule + strlen(RULE_PREFIX);

		for (int i = 0; i < n; i++)
		{
			if (strlen(rule) != VARSIZE_ANY_EXHDR(DatumGetPointer(datums[i])) ||
				memcmp(rule, VARDATA_ANY(DatumGetPointer(datums[i])), strlen(rule)) != 0)
				continue;
			kinds[nkinds++] = PointerGetDatum(cstring_to_text_with_len(kind, strcspn(kind, ":")));
			break;
		}
	}
	*none = nkinds == 0;
	return PointerGetDatum(construct_array(kinds, nkinds, TEXTOID, -1, false, TYPALIGN_INT));
}

static void
put_pair(Finding *finding, const Fresh *fresh, const Partner *partner, Datum rules, bool no_rules)
{
	const Comparison *c = &finding->comparison;
	bool before = strcmp(fresh->lead, partner->lead) < 0;
	int n = c->n;
	int lower = 1;
	Datum levels[MAX_FIELDS];
	Datum bits[MAX_FIELDS];
	bool null[MAX_FIELDS];
	Datum values[8] = {0};
	bool nulls[8] = {false, false, false, false, false, no_rules, true, true};

	for (int i = 0; i < n; i++)
	{
		const char *level = lr_match_level(c, i);

		null[i] = level == NULL;
		if (null[i])
			continue;
		levels[i] = CStringGetTextDatum(level);
		bits[i] = Float8GetDatum(c->bits[i]);
	}
	values[0] = CStringGetTextDatum(before ? fresh->lead : partner->lead);
	values[1] = CStringGetTextDatum(before ? partner->lead : fresh->lead);
	values[2] = Float8GetDatum(c->total);
	values[3] = PointerGetDatum(construct_md_array(levels, null, 1, &n, &lower, TEXTOID, -1, false, TYPALIGN_INT));
	values[4] = PointerGetDatum(construct_md_array(bits, null, 1, &n, &lower, FLOAT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[5] = rules;
	tuplestore_putvalues(finding->result->setResult, finding->result->setDesc, values, nulls);
}

static void
put_large(Finding *finding)
{
	HASH_SEQ_STATUS status;
	LargeBlock *large;

	hash_seq_init(&status, finding->large);
	while ((large = hash_seq_search(&status)) != NULL)
	{
		Datum values[8] = {[0] = CStringGetTextDatum(large->lead), [6] = Int64GetDatum(large->key), [7] = Int64GetDatum(large->times)};
		bool nulls[8] = {false, true, true, true, true, true, false, false};

		tuplestore_putvalues(finding->result->setResult, finding->result->setDesc, values, nulls);
	}
}
