/*
 * config_row.h
 *		Rows of the configuration tables, as C wants them: for who reads a part of the configuration.
 */
#ifndef LR_CONFIG_ROW_H
#define LR_CONFIG_ROW_H

#include "config.h"
#include "utils/timestamp.h"

/* A query with the flow as $1 under the newest snapshot; rows are SPI_tuptable's. How many there are. */
extern uint64 lr_config_rows(const char *query, const char *flow);

/*
 * A value of the last query; rows from 0, columns from 1. What is pointed to lies in config->mcxt. NULL gives NULL, false, 0, NO_LIMIT,
 * or `otherwise`, and leaves an interval as it is.
 */
extern char *lr_row_text(FlowConfig *config, uint64 row, int column);
extern const char **lr_row_texts(FlowConfig *config, uint64 row, int column, int *n);
extern struct varlena *lr_row_varlena(FlowConfig *config, uint64 row, int column);
extern bool lr_row_bool(uint64 row, int column);
extern int lr_row_int(uint64 row, int column);
extern int lr_row_limit(uint64 row, int column);
extern int64 lr_row_int64(uint64 row, int column);
extern TimestampTz lr_row_time(uint64 row, int column, TimestampTz otherwise);

/* Whether there is one. */
extern bool lr_row_interval(uint64 row, int column, Interval *interval);

/* Which of the words it is; an error where it is none. */
extern int lr_row_word(uint64 row, int column, const char *const *words, int n);

/* The parts that other files read; each leaves a flow that has none of it as it is. */
extern void lr_stages_read_config(FlowConfig *config);	 /* config_stage.c */
extern void lr_policies_read_config(FlowConfig *config); /* config_clock.c */

#endif /* LR_CONFIG_ROW_H */
