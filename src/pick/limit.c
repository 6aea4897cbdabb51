/*
 * limit.c
 *		What capacities and caps leave a rep.
 *
 * Open leads and meters are rotation's, in shared memory; who asks within a choice sees them held still (rotation.h), so nothing
 * here fails or allocates, but for lr_limit_count.
 */
#include "postgres.h"

#include "limit.h"

void
lr_limit_count(RotationSlot *slot, bool of_rep, CapConfig *caps, int n)
{
	for (int i = 0; i < n; i++)
		if (caps[i].meter == NULL)
			caps[i].meter = lr_rotation_meter(slot, of_rep, caps[i].period, caps[i].zone);
}

bool
lr_limit_full(const RepConfig *rep, const RotationSlot *slot)
{
	return rep->capacity != NO_LIMIT && lr_rotation_rep_open(slot) >= rep->capacity;
}

const CapConfig *
lr_limit_cap(const CapConfig *caps, int n, TimestampTz at)
{
	for (int i = 0; i < n; i++)
		if (caps[i].meter && lr_rotation_count(caps[i].meter, at) >= caps[i].limit)
			return &caps[i];
	return NULL;
}
