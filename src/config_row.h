/*
 * config_row.h
 *		Rows of the configuration tables, as C wants them.
 */
#ifndef LR_CONFIG_ROW_H
#define LR_CONFIG_ROW_H

#include "config.h"
#include "config_share.h"
#include "nodes/pg_list.h"
#include "owner.h"

/* Queries that belong together, and are answered from shared memory where a session has asked them already. */
typedef struct ConfigReading
{
	SharePlace place;
	OwnerSession session;
	MemoryContext mcxt;	   /* keeps what was read */
	MemoryContext scratch; /* current while a shared image is read; NULL: the tables are, as the extension's owner */
	MemoryContext caller;
	char *image; /* the answers that are left of it; NULL: the tables are read */
	char *end;
	List *answers; /* those of the tables, to be shared */
} ConfigReading;

/*
 * Begins to read what a kind and names stand for: the same queries in the same order, wherever they have the same answers. Invalidations must have been
 * accepted and counted before. anchor is the table whose invalidation tells of changes. Every path ends with lr_reading_end(), or
 * where something failed lr_reading_drop().
 */
extern void lr_reading_begin(ConfigReading *reading, const char *kind, const char *flow, const char *name, Oid anchor, MemoryContext mcxt);
extern void lr_reading_end(ConfigReading *reading);
extern void lr_reading_drop(void);

/*
 * A query with the flow as $1, and where name is not NULL it as $2, under the newest snapshot (in a parallel query under its own). Its rows are what the
 * functions below read until the next query: how many there are. Outside of a reading between lr_owner_begin() and lr_owner_end(), which is
 * how long the rows live then.
 */
extern uint64 lr_config_rows(const char *query, const char *flow);
extern uint64 lr_config_rows_named(const char *query, const char *flow, const char *name);

/* How many rows the last query has. */
extern uint64 lr_rows(void);

/*
 * Values by row, from 0, and column, from 1. What lies in memory lives as long as the rows; it may be kept where a reading keeps them.
 * lr_row_text reads texts only, NULL for NULL.
 */
extern char *lr_row_text(uint64 row, int column);
extern bool lr_row_bool(uint64 row, int column);
extern int lr_row_int(uint64 row, int column);
extern int64 lr_row_int64(uint64 row, int column);
extern double lr_row_number(uint64 row, int column, double otherwise);
extern bool lr_row_interval(uint64 row, int column, Interval *interval);
extern int lr_row_limit(uint64 row, int column);
extern TimestampTz lr_row_time(uint64 row, int column, TimestampTz otherwise);
extern struct varlena *lr_row_varlena(uint64 row, int column);
/* A value that is not NULL, of a type passed by value. */
extern Datum lr_row_value(uint64 row, int column);
/* The number of a word among some. */
extern int lr_row_word(uint64 row, int column, const char *const *words, int n);
extern const char **lr_row_texts(FlowConfig *config, uint64 row, int column, int *n);

/* The parts of a flow's configuration that are files of their own. */
extern void lr_policies_read_config(FlowConfig *config);
extern void lr_stages_read_config(FlowConfig *config);

#endif /* LR_CONFIG_ROW_H */
