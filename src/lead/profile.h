/*
 * profile.h
 *		What a lead's row says of a person and a company, in canonical form.
 *
 * lr_profile_begin reads nothing. Each value is computed when it is first asked for, once a row, and what it takes is computed
 * with it; who asks again gets the same pointer. Values live in the context that was current at lr_profile_begin
 * (the row's), whichever is current when they are asked for, and the slot must hold the row until then.
 *
 * No value is an error: what is blank, too long or not valid is NULL. (A column's own output function may raise one, where it is
 * of a type of the user's.)
 *
 *	value						takes also		costs about
 *	lr_profile_country			-				0.2 us
 *	lr_profile_region			country			0.7 us
 *	lr_profile_postal			country			0.2 us
 *	lr_profile_email, _problem	-				0.4 us, more where it is not ASCII
 *	lr_profile_mail				e-mail			0.3 us from memory; 2 us by the index
 *	lr_profile_email_domain		e-mail			0.7 us
 *	lr_profile_website_domain	-				1 us
 *	lr_profile_phone, _problem	country			18 us; 8 where it is in E.164 already
 *	lr_profile_company			-				1 us
 *	lr_profile_first_name		-				0.3 us
 *	lr_profile_last_name		-				0.3 us
 *
 * The country that phones, regions and postal codes are read in is the row's; where it has none, flows.default_country;
 * where it names one that nobody knows, none.
 */
#ifndef LR_PROFILE_H
#define LR_PROFILE_H

#include "lead.h"
#include "mail.h"
#include "phone.h"

typedef struct LeadProfile
{
	const LeadShape *shape;
	const FlowConfig *config; /* of the flow that decides the row: its options */
	TupleTableSlot *slot;
	MemoryContext mcxt; /* of the values */
	uint32 known;		/* bit mask of what has been computed; the fields below are profile.c's */

	const char *email;
	const char *email_problem;
	const char *email_domain;
	const char *website_domain;
	LrMailDomain mail;
	const char *phone; /* points into number, or NULL */
	LrPhone number;
	const char *phone_problem;
	const char *company;
	const char *first_name;
	const char *last_name;
	const char *country;
	const char *home; /* the country that the row is read in */
	const char *region;
	const char *postal;
} LeadProfile;

extern void lr_profile_begin(LeadProfile *profile, const LeadShape *shape, const FlowConfig *config, TupleTableSlot *slot);

/* email_key() with the flow's options. */
extern const char *lr_profile_email(LeadProfile *profile);
/* Why there is none: email_problem(); NULL also where the row has no e-mail. */
extern const char *lr_profile_email_problem(LeadProfile *profile);
/* What mail_domains says of the e-mail's domain; both false where there is no e-mail. Reads that table: may error as any reader. */
extern const LrMailDomain *lr_profile_mail(LeadProfile *profile);
/* The registrable domains: domain_key(). */
extern const char *lr_profile_email_domain(LeadProfile *profile);
extern const char *lr_profile_website_domain(LeadProfile *profile);
/* E.164: phone_key(); a toll-free number or a placeholder is none. */
extern const char *lr_profile_phone(LeadProfile *profile);
extern const char *lr_profile_phone_problem(LeadProfile *profile);
/* The digits of its extension, or NULL. */
extern const char *lr_profile_phone_extension(LeadProfile *profile);
/* company_key(). */
extern const char *lr_profile_company(LeadProfile *profile);
/* Folded words: no accents, case or punctuation. */
extern const char *lr_profile_first_name(LeadProfile *profile);
extern const char *lr_profile_last_name(LeadProfile *profile);
/* country_code() of the row's own country: flows.default_country is not it. */
extern const char *lr_profile_country(LeadProfile *profile);
/* region_code() and postal_key() in the country that the row is read in. */
extern const char *lr_profile_region(LeadProfile *profile);
extern const char *lr_profile_postal(LeadProfile *profile);

#endif /* LR_PROFILE_H */
