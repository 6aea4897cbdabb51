/*
 * consent.h
 *		Whether a lead's person has consented to be contacted.
 */
#ifndef LR_CONSENT_H
#define LR_CONSENT_H

#include "route.h"

/* Reads a flow's own words into config->mcxt; within SPI, as the extension's owner (config.c). */
extern void lr_consent_read_config(FlowConfig *config);

/* What the row says, unless a signal says otherwise. Cheap where the table has no such column and the flow no such signals. */
extern Consent lr_consent(const LeadRow *row, FlowConfig *config, bool *warned);

/* As lead_states and events have it. */
extern Consent lr_consent_kept(Consent consent);

/* Fills facts.consent. */
extern void lr_consent_facts(TupleTableSlot *facts, const LeadRow *row, FlowConfig *config, bool *warned);

/* Whether the lead may be given out and told of, as far as that goes; and whether the flow has signals that say no to it whatever else is said. */
extern bool lr_consent_suffices(const FlowConfig *config, Consent consent);
extern bool lr_consent_can_stop(const FlowConfig *config);

/* The same of a row; free where the flow does not ask. */
extern bool lr_consent_given(const LeadRow *row, FlowConfig *config, bool *warned);

#endif /* LR_CONSENT_H */
