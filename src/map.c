/*
 * map.c
 *		A named map of territories: which one covers a point.
 *
 * Territories of one map and precedence are nested or apart, so those that cover a point form a chain, and the
 * innermost is the one that all others contain.
 *
 * A map of up to TREE_TERRITORIES that always holds is read into a tree, each territory under the innermost that
 * contains it: a look-up asks the territories of one level until one covers the point, then those inside it. The tree
 * belongs to the session's configuration, and is dropped with it when a territory changes. In a larger map, or
 * one with precedences or times, a look-up is one scan of the GiST index behind territories_do_not_cross.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "config_row.h"
#include "leadroute.h"
#include "map.h"
#include "territory.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
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

typedef struct MapNode
{
	TerritoryHit territory;
	struct MapNode *inner;
	struct MapNode *next; /* of the same level */
} MapNode;

struct MapTree
{
	struct MapTree *next;
	MemoryContext mcxt;
	const char *flow;
	const char *map;
	bool whole; /* all of the map is in it; if not, the index is to be asked */
	MapNode *outermost;
};

typedef struct MapTree MapTree;

typedef struct Comparison
{
	int strategy;
	Oid argument; /* its type */
	Oid function;
} Comparison;

static Comparison comparisons[INDEX_DURING]; /* by column of the index */
static Oid compared_index = InvalidOid;		 /* whose they are */

static MapTree *tree_of(FlowConfig *config, const char *map);
static void tree_read(void *arg);
static int compare_nodes(const void *a, const void *b);
static void tree_add(MapTree *tree, MapNode *node);
static bool tree_find(const MapTree *tree, struct varlena *point, TerritoryHit *hit, List **chain);
static void add_to_chain(List **chain, const TerritoryHit *hit);
static bool index_find(const char *flow, const char *map, struct varlena *point, TimestampTz at,
					   TerritoryHit *hit, List **chain);
static void find_comparisons(Relation rel, Relation index);
static void find_comparison(Relation index, int column, Oid operator);
static void scan_key(ScanKey key, Relation index, int column, Datum argument);
static Oid own_operator(const char *schema, const char *name, Oid left, Oid right);
static const char *hit_text(TupleTableSlot *slot, int column);
static bool read_hit(TupleTableSlot *slot, struct varlena *point, bool recheck, TerritoryHit *hit);

bool
lr_map_find(FlowConfig *config, const char *map, struct varlena *point, TimestampTz at,
			TerritoryHit *hit, List **chain)
{
	MapTree *tree = tree_of(config, map);

	if (tree->whole)
		return tree_find(tree, point, hit, chain);
	return index_find(config->flow, map, point, at, hit, chain);
}

/* The map's tree, read when first asked for; lives as long as the configuration. */
static MapTree *
tree_of(FlowConfig *config, const char *map)
{
	MapTree *tree;
	MemoryContext mcxt;

	for (tree = config->maps; tree; tree = tree->next)
		if (strcmp(tree->map, map) == 0)
			return tree;

	mcxt = AllocSetContextCreate(CurrentMemoryContext, "leadroute map", ALLOCSET_SMALL_SIZES);
	tree = MemoryContextAllocZero(mcxt, sizeof(MapTree));
	tree->mcxt = mcxt;
	tree->flow = config->flow;
	tree->map = MemoryContextStrdup(mcxt, map);
	lr_config_reading("map", config->flow, map, lr_relation_oid("flows"), mcxt, tree_read, tree);
	MemoryContextSetParent(mcxt, config->mcxt);
	tree->next = config->maps;
	config->maps = tree;
	return tree;
}

/* Reads a map with the newest snapshot, no further than is needed to see that it is too large. */
static void
tree_read(void *arg)
{
	MapTree *tree = arg;
	MapNode *nodes;
	MapNode **order;
	int n;

	(void) lr_config_rows_named("SELECT count(*) <= " CppAsString2(TREE_TERRITORIES) " AND coalesce(sum(pg_column_size(t.area)) <= " CppAsString2(TREE_BYTES)
								" AND bool_and(lower_inf(t.during) AND upper_inf(t.during)) AND min(t.precedence) = max(t.precedence), true)"
								" FROM (SELECT area, during, precedence FROM leadroute.territories WHERE flow = $1 AND map = $2"
								" LIMIT " CppAsString2(TREE_TERRITORIES) " + 1) t",
								tree->flow, tree->map);
	tree->whole = lr_row_bool(0, 1);
	if (!tree->whole)
		return;

	n = (int) lr_config_rows_named("SELECT territory, team, rep, precedence, area FROM leadroute.territories"
								   " WHERE flow = $1 AND map = $2 ORDER BY territory",
								   tree->flow, tree->map);
	nodes = MemoryContextAllocZero(tree->mcxt, Max(n, 1) * sizeof(MapNode));
	order = palloc(Max(n, 1) * sizeof(MapNode *));
	for (int i = 0; i < n; i++)
	{
		nodes[i].territory = (TerritoryHit){.territory = lr_row_text(i, 1), .team = lr_row_text(i, 2), .rep = lr_row_text(i, 3), .precedence = lr_row_int(i, 4), .area = lr_row_varlena(i, 5)};
		order[i] = &nodes[i];
	}
	qsort(order, n, sizeof(MapNode *), compare_nodes);
	for (int i = 0; i < n; i++)
		tree_add(tree, order[i]);
}

/* Containing areas first: lr_territory_cmp has them last. */
static int
compare_nodes(const void *a, const void *b)
{
	return lr_territory_cmp((*(MapNode *const *) b)->territory.area, (*(MapNode *const *) a)->territory.area);
}

/* Those that contain the node's area are in the tree already. */
static void
tree_add(MapTree *tree, MapNode *node)
{
	MapNode **level = &tree->outermost;
	MapNode *other = *level;

	while (other)
	{
		if (lr_territory_contains(other->territory.area, node->territory.area))
		{
			level = &other->inner;
			other = *level;
		}
		else
			other = other->next;
	}
	node->next = *level;
	*level = node;
}

static bool
tree_find(const MapTree *tree, struct varlena *point, TerritoryHit *hit, List **chain)
{
	const MapNode *node = tree->outermost;
	bool found = false;

	while (node)
	{
		if (lr_territory_contains(node->territory.area, point))
		{
			*hit = node->territory;
			found = true;
			if (chain)
				add_to_chain(chain, hit);
			node = node->inner;
		}
		else
			node = node->next;
	}
	return found;
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
	Relation index = index_open(lr_relation_oid("territories_do_not_cross"), AccessShareLock);
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	IndexScanDesc scan;
	ScanKeyData keys[4];
	bool found = false;

	find_comparisons(rel, index);
	scan_key(&keys[0], index, INDEX_AREA, PointerGetDatum(point));
	scan_key(&keys[1], index, INDEX_FLOW, CStringGetTextDatum(flow));
	scan_key(&keys[2], index, INDEX_MAP, CStringGetTextDatum(map));
	scan_key(&keys[3], index, INDEX_DURING, TimestampTzGetDatum(at));
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

/* How the index's columns are compared; looked up once for an index. */
static void
find_comparisons(Relation rel, Relation index)
{
	Oid area = TupleDescAttr(RelationGetDescr(rel), TERRITORY_AREA - 1)->atttypid;

	if (compared_index == RelationGetRelid(index))
		return;
	compared_index = InvalidOid;
	find_comparison(index, INDEX_AREA, own_operator("leadroute", "@>", area, area));
	find_comparison(index, INDEX_FLOW, own_operator("pg_catalog", "=", TEXTOID, TEXTOID));
	find_comparison(index, INDEX_MAP, own_operator("pg_catalog", "=", TEXTOID, TEXTOID));
	find_comparison(index, INDEX_DURING, own_operator("pg_catalog", "@>", ANYRANGEOID, ANYELEMENTOID));
	compared_index = RelationGetRelid(index);
}

static void
find_comparison(Relation index, int column, Oid operator)
{
	Comparison *comparison = &comparisons[column - 1];
	Oid left;

	get_op_opfamily_properties(operator, index->rd_opfamily[column - 1], false, &comparison->strategy, &left,
							   &comparison->argument);
	comparison->function = get_opcode(operator);
}

static void
scan_key(ScanKey key, Relation index, int column, Datum argument)
{
	const Comparison *comparison = &comparisons[column - 1];

	ScanKeyEntryInitialize(key, 0, column, comparison->strategy, comparison->argument,
						   index->rd_indcollation[column - 1], comparison->function, argument);
}

static Oid
own_operator(const char *schema, const char *name, Oid left, Oid right)
{
	Oid operator= OpernameGetOprid(list_make2(makeString(unconstify(char *, schema)),
											  makeString(unconstify(char *, name))),
								   left, right);

	if (!OidIsValid(operator))
		elog(ERROR, "operator %s.%s is not there", schema, name);
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
