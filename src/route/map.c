/*
 * map.c
 *		A named map of territories: which one covers a point.
 *
 * Territories of one map and precedence are nested or apart, so those that cover a point form a chain, and the
 * innermost is the one that all others contain.
 *
 * A map of up to KEPT_TERRITORIES is an image in memory (map_image.c), which one session makes and the others copy, as what is read of the configuration;
 * where nothing is shared, each reads the territories. It belongs to the session's configuration, and is dropped with it when a territory changes. Of
 * a larger one all sessions look into one image (map_share.c), once it is asked much; until then, and where there can be none, a look-up is one scan of
 * the GiST index behind territories_do_not_cross.
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
#include "map_image.h"
#include "map_share.h"
#include "territory.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rangetypes.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* Columns of the constraint's index. */
enum
{
	INDEX_AREA = 1,
	INDEX_FLOW,
	INDEX_MAP,
	INDEX_PRECEDENCE,
	INDEX_DURING
};

#define KEPT_TERRITORIES 1000
#define KEPT_BYTES 1048576 /* of areas */
#define LOOKS_BEFORE 16	   /* at a map that is read for one session, until its image is made: asking each costs less for a lead or two */
#define LOOKS_OF_FIRST 20  /* what a session's first look-up through the index costs in those that follow: its 45 support functions are looked up */

/* What a session keeps of a map. */
typedef struct KeptMap
{
	struct KeptMap *next;
	MemoryContext mcxt;
	const char *flow;
	const char *map;
	MapMaker *maker; /* of a small map that is not shared, until there is an image */
	int looks;
	MapSeat seat; /* of a large one */
	const MapImage *image;
} KeptMap;

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
static void *make_shared(void *arg, Size *size);
static MapMaker *read_small(const KeptMap *kept, MemoryContext mcxt);
static bool kept_find(KeptMap *kept, struct varlena *point, TimestampTz at, TerritoryHit *hit, List **chain);
static void make_image(KeptMap *kept);
static void add_to_chain(List **chain, const TerritoryHit *hit);
static bool index_find(KeptMap *kept, struct varlena *point, TimestampTz at, TerritoryHit *hit, List **chain);
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

	if (kept->image)
		return lr_map_image_find(kept->image, point, at, hit, chain);
	if (kept->maker)
		return kept_find(kept, point, at, hit, chain);
	kept->image = lr_map_share_take(&kept->seat, kept->mcxt);
	if (kept->image)
		return lr_map_image_find(kept->image, point, at, hit, chain);
	return index_find(kept, point, at, hit, chain);
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
	kept->seat = (MapSeat){.flow = kept->flow, .map = kept->map, .anchor = lr_relation_oid("flows")};
	kept->image = lr_map_share_take(&kept->seat, mcxt);
	if (kept->image == NULL)
		lr_config_reading("map", config->flow, map, lr_relation_oid("flows"), mcxt, read_map, kept);
	MemoryContextSetParent(mcxt, config->mcxt);
	kept->next = config->maps;
	config->maps = kept;
	return kept;
}

static void
read_map(void *arg)
{
	KeptMap *kept = arg;

	if (lr_config_is_shared())
		kept->image = lr_config_made("image", make_shared, kept);
	else
		kept->maker = read_small(kept, kept->mcxt);
}

static void *
make_shared(void *arg, Size *size)
{
	MapMaker *maker = read_small(arg, CurrentMemoryContext);
	MapImage *image;

	if (maker == NULL)
		return NULL;
	image = lr_map_image_make(maker);
	*size = lr_map_image_size(image);
	return image;
}

/* The map with the newest snapshot, read no further than is needed to see that it is too large; then NULL. In mcxt: a query leaves SPI's own the current one. */
static MapMaker *
read_small(const KeptMap *kept, MemoryContext mcxt)
{
	MemoryContext caller;
	MapMaker *maker;
	uint64 n;

	(void) lr_config_rows_named("SELECT count(*) <= " CppAsString2(KEPT_TERRITORIES) " AND coalesce(sum(pg_column_size(t.area)) <= " CppAsString2(KEPT_BYTES) ", true)"
																																							  " FROM (SELECT area FROM leadroute.territories WHERE flow = $1 AND map = $2 LIMIT " CppAsString2(KEPT_TERRITORIES) " + 1) t",
								kept->flow, kept->map);
	if (!lr_row_bool(0, 1))
		return NULL;

	n = lr_config_rows_named("SELECT territory, team, rep, precedence, area, during FROM leadroute.territories"
							 " WHERE flow = $1 AND map = $2 ORDER BY territory, during",
							 kept->flow, kept->map);
	caller = MemoryContextSwitchTo(mcxt);
	maker = lr_map_maker_begin();
	for (uint64 i = 0; i < n; i++)
	{
		TerritoryHit hit = {
			.territory = lr_row_text(i, 1),
			.team = lr_row_text(i, 2),
			.rep = lr_row_text(i, 3),
			.precedence = lr_row_int(i, 4),
			.area = lr_row_varlena(i, 5),
		};

		(void) lr_map_maker_add(maker, &hit, lr_row_varlena(i, 6));
	}
	MemoryContextSwitchTo(caller);
	return maker;
}

/* Of a small map: asks its territories one by one, and soon its image. */
static bool
kept_find(KeptMap *kept, struct varlena *point, TimestampTz at, TerritoryHit *hit, List **chain)
{
	if (kept->looks++ < LOOKS_BEFORE)
		return lr_map_maker_find(kept->maker, point, at, hit, chain);
	make_image(kept);
	return lr_map_image_find(kept->image, point, at, hit, chain);
}

static void
make_image(KeptMap *kept)
{
	MemoryContext caller = MemoryContextSwitchTo(kept->mcxt);

	kept->image = lr_map_image_make(kept->maker);
	kept->maker = NULL;
	MemoryContextSwitchTo(caller);
}

static void
add_to_chain(List **chain, const TerritoryHit *hit)
{
	TerritoryHit *kept = palloc(sizeof(TerritoryHit));

	*kept = *hit;
	*chain = lappend(*chain, kept);
}

static bool
index_find(KeptMap *kept, struct varlena *point, TimestampTz at, TerritoryHit *hit, List **chain)
{
	Relation rel = table_open(lr_relation_oid("territories"), AccessShareLock);
	Relation index = lr_index_open(lr_relation_oid("territories_do_not_cross"), AccessShareLock);
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	IndexScanDesc scan;
	ScanKeyData keys[4];
	bool found = false;

	lr_map_share_missed(&kept->seat, compared_index == RelationGetRelid(index) ? 1 : LOOKS_OF_FIRST, rel);
	find_comparison(rel, index);
	scan_key(&keys[0], index, INDEX_AREA, &area_contains, PointerGetDatum(point));
	scan_key(&keys[1], index, INDEX_FLOW, &text_equals, CStringGetTextDatum(kept->flow));
	scan_key(&keys[2], index, INDEX_MAP, &text_equals, CStringGetTextDatum(kept->map));
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
	Oid operator= OpernameGetOprid(list_make2(makeString(pstrdup("leadroute")), makeString(unconstify(char *, name))), type, type);

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
