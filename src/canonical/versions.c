/*
 * versions.c
 *		Which data the canonical values are made with. A key that is stored was made with the versions of its time;
 *		leadroute.key_versions has them, and rekey() makes it anew where they differ (59_rekey.sql).
 *
 * They are those of the running process: libraries are replaced when the server restarts, the public suffix list
 * when a session first asks for it.
 */
#include "postgres.h"

#include "compat.h"
#include "country.h"
#include "domain.h"
#include "fmgr.h"
#include "funcapi.h"
#include "phone.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(lr_canonical_versions);

/* Of leadroute's own rules (fold.c, email.c, company.c, country.c): counts up when one of them gives another key. */
#define KEY_RULES "1"

/* canonical_versions(OUT library text, OUT version text) */
Datum
lr_canonical_versions(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char phone[128];
	const char *const rows[][2] = {
		{"iso-codes", lr_country_data_version()},
		{"leadroute", "rules " KEY_RULES},
		{"libidn2", lr_domain_idna_version()},
		{"libphonenumber", phone},
		{"libpsl", lr_domain_list_version()},
		{"unicode", LR_UNICODE_VERSION},
	};

	lr_phone_version(phone, sizeof(phone));
	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < (int) lengthof(rows); i++)
	{
		Datum values[] = {CStringGetTextDatum(rows[i][0]), CStringGetTextDatum(rows[i][1])};
		bool nulls[] = {false, false};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
