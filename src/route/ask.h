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
/* The same; relid is InvalidOid where there is none. */
extern FlowTable lr_flow_table_if_any(const char *flow);

/*
 * Decides a lead that stands in its table, whose row the caller holds (stored.c), and that nobody has decided; `known` is its
 * state where it has one. Returns its status, or the code of what is only recorded.
 */
struct Arrival;
struct LeadState;
extern const char *lr_decide_stored(struct Arrival *arrival, const struct LeadState *known, const char *operation);

/* Writes into a stored lead's row the outputs that its state says, past our own triggers; nothing where it is not there. */
extern void lr_stored_outputs(const char *flow, const char *lead);

#endif /* LR_ASK_H */
