/*
 * point.h
 *		The lead as a point of the flow's maps: one label or number a side.
 */
#ifndef LR_POINT_H
#define LR_POINT_H

#include "route.h"

typedef struct LeadPoint LeadPoint;

/*
 * Which columns of the row answer to the sides of the flow's maps, by the mapping of the attachment, which may be another
 * flow's. In the current context; points into the configuration, which must outlive it.
 */
extern LeadPoint *lr_point_columns(const FlowConfig *config, const LeadShape *shape);

/*
 * The point of a map ("": of the areas that members prefer) that only this lead fills, in the current context; a NULL column
 * takes no part in it. Locks nothing. Errors: those of the row's own values.
 */
extern struct varlena *lr_point(const LeadPoint *points, const LeadRow *row, const char *map);

#endif /* LR_POINT_H */
