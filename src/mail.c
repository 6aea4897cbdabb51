/*
 * mail.c
 *		Whether a domain is a public mail provider's or a disposable one, by the table
 *		leadroute.mail_domains.
 *
 * The table is asked through its primary key each time, under the statement's snapshot: a
 * row that is written counts from the next statement on, and nothing is cached that would
 * have to be forgotten. It is read whoever asks: who may insert a lead need not be able to
 * read configuration.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "compat.h"
#include "domain.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "leadroute.h"
#include "mail.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(lr_is_public_mail_sql);
PG_FUNCTION_INFO_V1(lr_is_disposable_mail_sql);

/* Columns of leadroute.mail_domains, from 0. */
typedef enum MailColumn
{
	MAIL_DOMAIN,
	MAIL_SOURCE,
	MAIL_PUBLIC,
	MAIL_DISPOSABLE
} MailColumn;

static bool find_datum(Datum datum, LrMailDomain *mail);
static bool read_rows(TupleTableSlot *slot, IndexScanDesc scan, LrMailDomain *mail);

/* is_public_mail(address text) RETURNS boolean */
Datum
lr_is_public_mail_sql(PG_FUNCTION_ARGS)
{
	LrMailDomain mail;

	if (!find_datum(PG_GETARG_DATUM(0), &mail))
		PG_RETURN_NULL();
	PG_RETURN_BOOL(mail.is_public);
}

/* is_disposable_mail(address text) RETURNS boolean */
Datum
lr_is_disposable_mail_sql(PG_FUNCTION_ARGS)
{
	LrMailDomain mail;

	if (!find_datum(PG_GETARG_DATUM(0), &mail))
		PG_RETURN_NULL();
	PG_RETURN_BOOL(mail.is_disposable);
}

/*
 * What mail_domains says of a host (lower case, ASCII): of itself, else of the nearest domain above it.
 * A row with source "local" decides against the others.
 */
void
lr_mail_find(const char *host, LrMailDomain *mail)
{
	Relation rel = table_open(lr_relation_oid("mail_domains"), AccessShareLock);
	Relation index = index_open(lr_relation_oid("mail_domains_pkey"), AccessShareLock);
	Snapshot snapshot = RegisterSnapshot(ActiveSnapshotSet() ? GetActiveSnapshot() : GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	IndexScanDesc scan = lr_index_beginscan(rel, index, snapshot, NULL, 1, 0);
	ScanKeyData key;

	mail->is_public = mail->is_disposable = false;
	for (;;)
	{
		ScanKeyEntryInitialize(&key, 0, 1, BTEqualStrategyNumber, InvalidOid, index->rd_indcollation[0],
							   F_TEXTEQ, CStringGetTextDatum(host));
		index_rescan(scan, &key, 1, NULL, 0);
		if (read_rows(slot, scan, mail))
			break;
		/* the domain above, unless that is a whole country or kind */
		host = strchr(host, '.') + 1;
		if (strchr(host, '.') == NULL)
			break;
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
}

/* False where the text has no domain. */
static bool
find_datum(Datum datum, LrMailDomain *mail)
{
	text *input;
	const char *problem;
	char *host;

	if (toast_raw_datum_size(datum) - VARHDRSZ > LR_DOMAIN_MAX_URL)
		return false;
	input = DatumGetTextPP(datum);
	host = lr_domain_host(VARDATA_ANY(input), VARSIZE_ANY_EXHDR(input), &problem);
	if (host == NULL)
		return false;
	lr_mail_find(host, mail);
	return true;
}

/* The rows of one domain, taken together; false where there is none. */
static bool
read_rows(TupleTableSlot *slot, IndexScanDesc scan, LrMailDomain *mail)
{
	bool found = false;

	while (index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		bool isnull;
		text *source = DatumGetTextPP(slot_getattr(slot, MAIL_SOURCE + 1, &isnull));
		bool is_public = DatumGetBool(slot_getattr(slot, MAIL_PUBLIC + 1, &isnull));
		bool is_disposable = DatumGetBool(slot_getattr(slot, MAIL_DISPOSABLE + 1, &isnull));

		found = true;
		if (VARSIZE_ANY_EXHDR(source) == 5 && memcmp(VARDATA_ANY(source), "local", 5) == 0)
		{
			mail->is_public = is_public;
			mail->is_disposable = is_disposable;
			break;
		}
		mail->is_public |= is_public;
		mail->is_disposable |= is_disposable;
	}
	return found;
}
