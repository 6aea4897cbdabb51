/*
 * config_row.h
 *		Rows of the configuration tables, as C wants them.
 */
#ifndef LR_CONFIG_ROW_H
#define LR_CONFIG_ROW_H

#include "config.h"

/*
 * Runs a function whose queries belong together: the same in the same order, wherever they have the same answers. They are answered from shared
 * memory where a session has asked them already for this kind and these names, else by the tables as the extension's owner. Invalidations must have
 * been accepted and counted before; anchor is the table whose invalidation tells of changes. Rows live in mcxt. What the function allocates
 * elsewhere is gone when it has returned.
 */
extern void lr_config_reading(const char *kind, const char *flow, const char *name, Oid anchor, MemoryContext mcxt, void (*read)(void *), void *arg);

/*
 * In a reading: what make() makes of rows that it reads itself, shared in their place: one piece of memory without pointers, NULL for none. What is
 * returned is aligned and lives as the rows of a reading; what make() allocates in its memory context does not. It is worth its making only where the
 * reading is shared.
 */
extern void *lr_config_made(const char *what, void *(*make)(void *arg, Size *size), void *arg);
extern bool lr_config_is_shared(void);

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
