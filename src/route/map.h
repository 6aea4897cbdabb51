/*
 * map.h
 *		A named map of territories: which one covers a point.
 */
#ifndef LR_MAP_H
#define LR_MAP_H

#include "config.h"
#include "nodes/pg_list.h"
#include "utils/timestamp.h"

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

typedef struct TerritoryHit
{
	const char *territory;
	const char *team; /* may be NULL */
	const char *rep;  /* may be NULL */
	int precedence;
	struct varlena *area;
} TerritoryHit;

/*
 * Finds the innermost territory of the highest precedence that covers the point at that time; false where
 * none does. `chain`, if given, receives every covering TerritoryHit. Strings and areas are the
 * configuration's or in the current context.
 */
extern bool lr_map_find(FlowConfig *config, const char *map, struct varlena *point, TimestampTz at,
						TerritoryHit *hit, List **chain);

#endif /* LR_MAP_H */
