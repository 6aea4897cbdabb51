/*
 * consent.h
 *		Whether a lead's person has consented to be contacted.
 */
#ifndef LR_CONSENT_H
#define LR_CONSENT_H

#include "route.h"

/* What the row says, unless a signal unsubscribe (or spam_complaint) says otherwise: then no. Cheap where the table has no such column and the flow no such signals. */
extern Consent lr_consent(const LeadRow *row, FlowConfig *config, bool *warned);

/* Whether a signal of this type takes a consent back. */
extern bool lr_consent_reads(const char *type);

/* Fills facts.consent. */
extern void lr_consent_facts(TupleTableSlot *facts, const LeadRow *row, FlowConfig *config, bool *warned);

/* Whether the lead may be given out and told of, as far as that goes. */
extern bool lr_consent_suffices(const FlowConfig *config, Consent consent);

#endif /* LR_CONSENT_H */
