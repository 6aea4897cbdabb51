/*
 * table_copy.h
 *		A small table of ours, read whole into a session's memory and forgotten when it changes.
 */
#ifndef LR_TABLE_COPY_H
#define LR_TABLE_COPY_H

#include "executor/tuptable.h"
#include "utils/rel.h"

/* A static of the file that uses it: the first part is its description, the rest belongs to table_copy.c. */
typedef struct TableCopy
{
	const char *relation; /* in schema leadroute; its triggers call table_changed() */
	const char *label;	  /* of the memory context; a literal */
	Size size;			  /* of the content's struct, which begins zeroed */
	void (*begin)(void *content, MemoryContext mcxt);
	void (*add)(void *content, TupleTableSlot *slot); /* a row; leaks into the caller's context but for what it puts into the content's */
	void (*finish)(void *content);					  /* or NULL */

	struct TableCopy *next; /* of those that were used */
	MemoryContext mcxt;
	void *content;
	Oid relid;
	uint64 changes; /* that this session has heard of */
	uint64 read;	/* of these, how many the content knows */
} TableCopy;

extern void lr_table_copy_init(void);

/* Opens the table, whose changes are heard of from then on. Read it with a snapshot taken after that. The caller closes it. */
extern Relation lr_table_copy_open(TableCopy *copy);

/* Whether the content is there and nothing has changed. */
extern bool lr_table_copy_is_current(const TableCopy *copy);

/* The content, read now unless it is current: with the newest snapshot, whoever asks. The session's, until the table changes. */
extern void *lr_table_copy_content(TableCopy *copy);

#endif /* LR_TABLE_COPY_H */
