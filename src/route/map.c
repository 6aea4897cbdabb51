/*
 * map.c
 *		A named map of territories: which one covers a point.
 *
 * Territories of one map and precedence are nested or apart, so those that cover a point form a chain, and the
 * innermost is the one that all others contain.
 *
 * A map of up to TREE_TERRITORIES that always holds is read into memory (map_tree.c). That belongs to the session's
 * configuration, and is dropped with it when a territory changes. In a larger map, or one with precedences or
 * times, a look-up is one scan of the GiST index behind territories_do_not_cross.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "config_row.h"
#include "leadroute.h"
#include "map.h"
#include "map_tree.h"
#include "territory.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rangetypes.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* Columns of leadroute.territories (sql/leadroute/20_config.sql). */
enum
{
	TERRITORY_FLOW = 1,
	TERRITORY_MAP,
	TERRITORY_NAME,
	TERRITORY_AREA,
	TERRITORY_PRECEDENCE,
	TERRITORY_DURING,
	TERRITORY_TEAM,
	TERRITORY_REP
};

/* Columns of the constraint's index. */
enum
{
	INDEX_AREA = 1,
	INDEX_FLOW,
	INDEX_MAP,
	INDEX_PRECEDENCE,
	INDEX_DURING
};

#define TREE_TERRITORIES 1000
#define TREE_BYTES 1048576 /* of areas */

/* What a session keeps of a map. */
typedef struct KeptMap
{
	struct KeptMap *next;
	MemoryContext mcxt;
	const char *flow;
	const char *map;
	MapTree *tree; /* NULL: the index is to be asked */
} KeptMap;

typedef struct Innermost
{
	bool found;
	TerritoryHit *hit;
	List **chain;
} Innermost;

/* How a column of the index is compared: the server's own operators are the same everywhere. */
typedef struct Comparison
{
	int strategy;
	Oid argument; /* its type */
	Oid function;
} Comparison;

static const Comparison text_equals = {BTEqualStrategyNumber, TEXTOID, F_TEXTEQ};
static const Comparison range_holds = {RANGESTRAT_CONTAINS_ELEM, ANYELEMENTOID, F_RANGE_CONTAINS_ELEM};
static Comparison area_contains;
static Oid compared_index = InvalidOid; /* whose it is */

static KeptMap *kept_map(FlowConfig *config, const char *map);
static void read_map(void *arg);
static bool tree_find(MapTree *tree, struct varlena *point, TerritoryHit *hit, List **chain);
static void note_hit(const TerritoryHit *hit, void *arg);
static int compare_hits(const ListCell *a, const ListCell *b);
static void add_to_chain(List **chain, const TerritoryHit *hit);
static bool index_find(const char *flow, const char *map, struct varlena *point, TimestampTz at,
					   TerritoryHit *hit, List **chain);
static void find_comparison(Relation rel, Relation index);
static void scan_key(ScanKey key, Relation index, int column, const Comparison *comparison, Datum argument);
static Oid own_operator(const char *name, Oid type);
static const char *hit_text(TupleTableSlot *slot, int column);
static bool read_hit(TupleTableSlot *slot, struct varlena *point, bool recheck, TerritoryHit *hit);

bool
lr_map_find(FlowConfig *config, const char *map, struct varlena *point, TimestampTz at,
			TerritoryHit *hit, List **chain)
{
	KeptMap *kept = kept_map(config, map);

	if (kept->tree)
		return tree_find(kept->tree, point, hit, chain);
	return index_find(config->flow, map, point, at, hit, chain);
}

/* Read when first asked for; lives as long as the configuration. */
static KeptMap *
kept_map(FlowConfig *config, const char *map)
{
	KeptMap *kept;
	MemoryContext mcxt;

	for (kept = config->maps; kept; kept = kept->next)
		if (strcmp(kept->map, map) == 0)
			return kept;

	mcxt = AllocSetContextCreate(CurrentMemoryContext, "leadroute map", ALLOCSET_SMALL_SIZES);
	kept = MemoryContextAllocZero(mcxt, sizeof(KeptMap));
	kept->mcxt = mcxt;
	kept->flow = config->flow;
	kept->map = MemoryContextStrdup(mcxt, map);
	lr_config_reading("map", config->flow, map, lr_relation_oid("flows"), mcxt, read_map, kept);
	MemoryContextSetParent(mcxt, config->mcxt);
	kept->next = config->maps;
	config->maps = kept;
	return kept;
}

/* Reads a map with the newest snapshot, no further than is needed to see that it is too large. */
static void
read_map(void *arg)
{
	KeptMap *kept = arg;
	TerritoryHit *hits;
	int n;

	(void) lr_config_rows_named("SELECT count(*) <= " CppAsString2(TREE_TERRITORIES) " AND coalesce(sum(pg_column_size(t.area)) <= " CppAsString2(TREE_BYTES) " AND bool_and(lower_inf(t.during) AND upper_inf(t.during)) AND min(t.precedence) = max(t.precedence), true)"
																																							  " FROM (SELECT area, during, precedence FROM leadroute.territories WHERE flow = $1 AND map = $2"
																																							  " LIMIT " CppAsString2(TREE_TERRITORIES) " + 1) t",
								kept->flow, kept->map);
	if (!lr_row_bool(0, 1))
		return;

	n = (int) lr_config_rows_named("SELECT territory, team, rep, precedence, area FROM leadroute.territories"
								   " WHERE flow = $1 AND map = $2 ORDER BY territory",
								   kept->flow, kept->map);
	hits = MemoryContextAlloc(kept->mcxt, Max(n, 1) * sizeof(TerritoryHit));
	for (int i = 0; i < n; i++)
		hits[i] = (TerritoryHit){
			.territory = lr_row_text(i, 1),
			.team = lr_row_text(i, 2),
			.rep = lr_row_text(i, 3),
			.precedence = lr_row_int(i, 4),
			.area = lr_row_varlena(i, 5),
		};
	kept->tree = lr_map_tree_make(hits, n, kept->mcxt);
}

/* The chain has the outermost first. */
static bool
tree_find(MapTree *tree, struct varlena *point, TerritoryHit *hit, List **chain)
{
	Innermost innermost = {.hit = hit, .chain = chain};

	lr_map_tree_find(tree, point, note_hit, &innermost);
	if (chain)
		list_sort(*chain, compare_hits);
	return innermost.found;
}

/* Those that cover a point are nested, and lr_territory_cmp has the inner one first. */
static void
note_hit(const TerritoryHit *hit, void *arg)
{
	Innermost *innermost = arg;

	if (innermost->chain)
		add_to_chain(innermost->chain, hit);
	if (!innermost->found || lr_territory_cmp(hit->area, innermost->hit->area) < 0)
		*innermost->hit = *hit;
	innermost->found = true;
}

static int
compare_hits(const ListCell *a, const ListCell *b)
{
	return lr_territory_cmp(((TerritoryHit *) lfirst(b))->area, ((TerritoryHit *) lfirst(a))->area);
}

static void
add_to_chain(List **chain, const TerritoryHit *hit)
{
	TerritoryHit *kept = palloc(sizeof(TerritoryHit));

	*kept = *hit;
	*chain = lappend(*chain, kept);
}

static bool
index_find(const char *flow, const char *map, struct varlena *point, TimestampTz at,
		   TerritoryHit *hit, List **chain)
{
	Relation rel = table_open(lr_relation_oid("territories"), AccessShareLock);
	Relation index = lr_index_open(lr_relation_oid("territories_do_not_cross"), AccessShareLock);
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	IndexScanDesc scan;
	ScanKeyData keys[4];
	bool found = false;

	find_comparison(rel, index);
	scan_key(&keys[0], index, INDEX_AREA, &area_contains, PointerGetDatum(point));
	scan_key(&keys[1], index, INDEX_FLOW, &text_equals, CStringGetTextDatum(flow));
	scan_key(&keys[2], index, INDEX_MAP, &text_equals, CStringGetTextDatum(map));
	scan_key(&keys[3], index, INDEX_DURING, &range_holds, TimestampTzGetDatum(at));
	scan = lr_index_beginscan(rel, index, snapshot, NULL, lengthof(keys), 0);
	index_rescan(scan, keys, lengthof(keys), NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		TerritoryHit candidate;

		if (!read_hit(slot, point, scan->xs_recheck, &candidate))
			continue;
		if (chain)
			add_to_chain(chain, &candidate);
		if (!found || candidate.precedence > hit->precedence ||
			(candidate.precedence == hit->precedence && lr_territory_contains(hit->area, candidate.area)))
			*hit = candidate;
		found = true;
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	return found;
}

/* How areas are; looked up once for an index. */
static void
find_comparison(Relation rel, Relation index)
{
	Oid area = TupleDescAttr(RelationGetDescr(rel), TERRITORY_AREA - 1)->atttypid;
	Oid operator;
	Oid left;

	if (compared_index == RelationGetRelid(index))
		return;
	compared_index = InvalidOid;
	operator= own_operator("@>", area);
	get_op_opfamily_properties(operator, index->rd_opfamily[INDEX_AREA - 1], false, &area_contains.strategy, &left, &area_contains.argument);
	area_contains.function = get_opcode(operator);
	compared_index = RelationGetRelid(index);
}

static void
scan_key(ScanKey key, Relation index, int column, const Comparison *comparison, Datum argument)
{
	ScanKeyEntryInitialize(key, 0, column, comparison->strategy, comparison->argument,
						   index->rd_indcollation[column - 1], comparison->function, argument);
}

static Oid
own_operator(const char *name, Oid type)
{
	Oid operator= OpernameGetOprid(list_make2(makeString("leadroute"), makeString(unconstify(char *, name))), type, type);

	if (!OidIsValid(operator))
		elog(ERROR, "operator leadroute.%s is not there", name);
	return operator;
}

/* GiST answers for the area may be lossy; the other columns' classes are exact. */
static bool
read_hit(TupleTableSlot *slot, struct varlena *point, bool recheck, TerritoryHit *hit)
{
	bool isnull;

	hit->area = (struct varlena *) PG_DETOAST_DATUM_COPY(slot_getattr(slot, TERRITORY_AREA, &isnull));
	if (recheck && !lr_territory_contains(hit->area, point))
		return false;
	hit->territory = hit_text(slot, TERRITORY_NAME);
	hit->team = hit_text(slot, TERRITORY_TEAM);
	hit->rep = hit_text(slot, TERRITORY_REP);
	hit->precedence = DatumGetInt32(slot_getattr(slot, TERRITORY_PRECEDENCE, &isnull));
	return true;
}

static const char *
hit_text(TupleTableSlot *slot, int column)
{
	bool isnull;
	Datum value = slot_getattr(slot, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}
