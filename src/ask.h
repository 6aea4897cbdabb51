/*
 * ask.h
 *		The leads table that answers for a flow.
 */
#ifndef LR_ASK_H
#define LR_ASK_H

typedef struct FlowTable
{
	Oid relid;
	char *attachment; /* the flow of its attachment */
} FlowTable;

/* The leads table that serves a flow; an error where there is none. In the current context. */
extern FlowTable lr_flow_table(const char *flow);

#endif /* LR_ASK_H */
