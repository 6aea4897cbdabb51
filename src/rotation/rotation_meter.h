/*
 * rotation_meter.h
 *		Counts of leads by time, for caps. Private to rotation*.c; the protocol stands in rotation_meter.c.
 */
#ifndef LR_ROTATION_METER_H
#define LR_ROTATION_METER_H

#include "rotation.h"

#define METER_SLOTS 32
#define METER_ZONE_LENGTH 64

/* A span of time, in minutes since 2000, and how many leads were given in it; begin = end: not in use. */
typedef struct MeterSlot
{
	int32 begin;
	int32 end;
	int32 count;	   /* counts what open transactions took */
	int32 uncommitted; /* the part of count that open transactions took */
} MeterSlot;

/* A meter's name: 40 bytes, no padding. */
typedef struct MeterKey
{
	uint64 hash[2]; /* of the member, or of the rep */
	uint64 zone;
	Oid database;
	uint32 partition;
	uint32 of_rep;
	uint32 kind; /* RotationPeriod */
} MeterKey;

/* Never moves, never goes while its database is there. */
struct RotationMeter
{
	MeterKey key;
	char zone[METER_ZONE_LENGTH]; /* does not change */
	int32 latest;				  /* slot used last */
	MeterSlot slots[METER_SLOTS];
};

/* The span of a meter that holds a minute. May read time zone files; not under a lock. */
extern void lr_meter_span(const RotationMeter *meter, int32 minute, int32 *begin, int32 *end);

/* The hour, day, ISO week or month of a zone that holds a minute. The same holds. */
extern void lr_meter_clock_span(RotationPeriod period, const char *zone_name, int32 minute, int32 *begin, int32 *end);

/* The slot of a minute, or NULL where there is none (yet). Under the lock. */
extern MeterSlot *lr_meter_slot(RotationMeter *meter, int32 minute);

/* Whether it has slots for later spans only. Under the lock. */
extern bool lr_meter_is_past(const RotationMeter *meter, int32 minute);

/* Makes a slot for a span; NULL where the meter's other spans are all later. Under the lock, exclusive. */
extern MeterSlot *lr_meter_make_slot(RotationMeter *meter, int32 begin, int32 end);

/* How many leads count at a minute: in its span, or back from it. Under the lock. */
extern int32 lr_meter_count(RotationMeter *meter, int32 minute);

#endif /* LR_ROTATION_METER_H */
