/*
 * map.c
 *		A named map of territories: which one covers a point.
 *
 * The look-up is one scan of the GiST index behind territories_do_not_cross. Territories of one map and
 * precedence are nested or apart, so those that cover a point form a chain, and the innermost is the one
 * that all others contain.
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
#include "leadroute.h"
#include "map.h"
#include "territory.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
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

static void scan_key(ScanKey key, Relation index, int column, Oid operator, Datum argument);
static Oid own_operator(const char *schema, const char *name, Oid left, Oid right);
static const char *hit_text(TupleTableSlot *slot, int column);
static bool read_hit(TupleTableSlot *slot, struct varlena *point, bool recheck, TerritoryHit *hit);

bool
lr_map_find(const char *flow, const char *map, struct varlena *point, TimestampTz at,
			TerritoryHit *hit, List **chain)
{
	Relation rel = table_open(lr_relation_oid("territories"), AccessShareLock);
	Relation index = index_open(lr_relation_oid("territories_do_not_cross"), AccessShareLock);
	Oid area_type = TupleDescAttr(RelationGetDescr(rel), TERRITORY_AREA - 1)->atttypid;
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	IndexScanDesc scan;
	ScanKeyData keys[4];
	bool found = false;

	scan_key(&keys[0], index, INDEX_AREA, own_operator("leadroute", "@>", area_type, area_type),
			 PointerGetDatum(point));
	scan_key(&keys[1], index, INDEX_FLOW, own_operator("pg_catalog", "=", TEXTOID, TEXTOID),
			 CStringGetTextDatum(flow));
	scan_key(&keys[2], index, INDEX_MAP, own_operator("pg_catalog", "=", TEXTOID, TEXTOID),
			 CStringGetTextDatum(map));
	scan_key(&keys[3], index, INDEX_DURING, own_operator("pg_catalog", "@>", ANYRANGEOID, ANYELEMENTOID),
			 TimestampTzGetDatum(at));
	scan = lr_index_beginscan(rel, index, snapshot, NULL, lengthof(keys), 0);
	index_rescan(scan, keys, lengthof(keys), NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		TerritoryHit candidate;

		if (!read_hit(slot, point, scan->xs_recheck, &candidate))
			continue;
		if (chain)
		{
			TerritoryHit *kept = palloc(sizeof(TerritoryHit));

			*kept = candidate;
			*chain = lappend(*chain, kept);
		}
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

static void
scan_key(ScanKey key, Relation index, int column, Oid operator, Datum argument)
{
	int strategy;
	Oid left;
	Oid right;

	get_op_opfamily_properties(operator, index->rd_opfamily[column - 1], false, &strategy, &left, &right);
	ScanKeyEntryInitialize(key, 0, column, strategy, right, index->rd_indcollation[column - 1],
						   get_opcode(operator), argument);
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
