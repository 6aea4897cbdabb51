/*
 * mail.c
 *		Whether a domain is a public mail provider's or a disposable one, by the table
 *		leadroute.mail_domains.
 *
 * The table has some hundred rows, or 135,000 with the long lists. A session that asks now and then asks what another has shared
 * of it (config_share.c), where it lies, or else its primary
 * key; one that has asked as often as the table has pages reads it whole (table_copy.c), and answers from memory from
 * then on. So does the first one to ask a small table, for all that come after. All read with the newest snapshot, whoever asks.
 *
 * Memory: a byte of flags and the text of each
 * domain, one after the other, and a hash table (open addressing, three quarters full at most) of where each begins. With the
 * long lists some 5 MB in a session that has asked two thousand times, else nothing.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/table.h"
#include "common/hashfn.h"
#include "compat.h"
#include "config_share.h"
#include "domain.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "leadroute.h"
#include "mail.h"
#include "storage/bufmgr.h"
#include "table_copy.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
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

/* What the rows of one domain come to: before each text in MailTable. */
#define MAIL_IS_PUBLIC 0x01
#define MAIL_IS_DISPOSABLE 0x02
#define MAIL_IS_LOCAL 0x04 /* by a row that decides against the others */
#define MAIL_IS_THERE 0x08 /* so that no byte of flags is zero */

typedef struct MailTable
{
	MemoryContext mcxt;
	uint32 mask;	/* slots - 1, a power of two */
	uint32 used;	/* slots */
	uint32 *slots;	/* where in texts a domain's flags stand; 0: free */
	char *texts;	/* flags and terminated text, from 1 on */
	Size length;	/* of texts */
	Size allocated; /* for texts */
} MailTable;

/* What is shared: then slots and texts as in MailTable. */
typedef struct MailImage
{
	uint32 nslots;
	uint32 padding;
} MailImage;

/* A host that is looked for in what is shared. */
typedef struct MailQuestion
{
	const char *host;
	LrMailDomain *mail;
} MailQuestion;

/* Pages that a session reads for others that have not asked yet. */
#define MAIL_SMALL 16

/* Of all room for images, what this one may take. */
#define MAIL_SHARE 4

static uint64 mail_asked_at = 0;
static BlockNumber mail_asked = 0; /* times that the index was asked since then */

static void begin_mail(void *content, MemoryContext mcxt);
static void add_mail(void *content, TupleTableSlot *slot);
static void finish_mail(void *content);

static TableCopy mail_copy = {
	.relation = "mail_domains",
	.label = "mail domains",
	.size = sizeof(MailTable),
	.begin = begin_mail,
	.add = add_mail,
	.finish = finish_mail,
};

static void see_shared(const void *image, void *arg);
static bool table_is_worth_it(bool shares);
static void share(const MailTable *table, const SharePlace *place);
static void add_domain(MailTable *table, const char *domain, Size len, uint8 flags);
static void grow_slots(MailTable *table);
static uint32 *find_slot(const MailTable *table, const char *domain, Size len);
static void find_in_table(const MailTable *table, const char *host, LrMailDomain *mail);
static void find_by_index(const char *host, LrMailDomain *mail);
static uint8 row_flags(TupleTableSlot *slot);
static uint8 add_flags(uint8 flags, uint8 others);
static bool find_datum(Datum datum, LrMailDomain *mail);

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
	MailQuestion question = {.host = host, .mail = mail};
	SharePlace place;
	bool shares;

	mail->is_public = mail->is_disposable = false;
	if (lr_table_copy_is_current(&mail_copy))
	{
		find_in_table(lr_table_copy_content(&mail_copy), host, mail);
		return;
	}
	if (lr_share_see("mail", "", "", lr_relation_oid("mail_domains"), &place, see_shared, &question))
		return;
	/* what no callback follows is published once somebody has looked, with a flow: see config_share.c */
	shares = place.publishes && place.prepares == 0;
	if (table_is_worth_it(shares))
	{
		const MailTable *table = lr_table_copy_content(&mail_copy);

		if (shares)
			share(table, &place);
		find_in_table(table, host, mail);
	}
	else
		find_by_index(host, mail);
}

/* Under a lock. */
static void
see_shared(const void *image, void *arg)
{
	const MailQuestion *question = arg;
	const MailImage *head = image;
	uint32 *slots = (uint32 *) (head + 1);
	MailTable table = {.mask = head->nslots - 1, .slots = head->nslots > 0 ? slots : NULL, .texts = (char *) (slots + head->nslots)};

	find_in_table(&table, question->host, question->mail);
}

/* Whether the index was asked as often as the table has pages, since it last changed; or it is a small one that others ask as well. */
static bool
table_is_worth_it(bool shares)
{
	Relation rel;
	bool result;

	if (mail_asked_at != mail_copy.changes)
	{
		mail_asked_at = mail_copy.changes;
		mail_asked = 0;
	}
	mail_asked++;
	/* its size is asked for at each doubling only */
	if ((mail_asked & (mail_asked - 1)) != 0)
		return false;
	rel = lr_table_copy_open(&mail_copy);
	result = mail_asked >= RelationGetNumberOfBlocks(rel) || (shares && RelationGetNumberOfBlocks(rel) <= MAIL_SMALL);
	table_close(rel, AccessShareLock);
	return result;
}

static void
share(const MailTable *table, const SharePlace *place)
{
	MailImage head = {.nslots = table->slots ? table->mask + 1 : 0};
	SharePiece pieces[] = {{&head, sizeof(head)},
						   {table->slots, head.nslots * sizeof(uint32)},
						   {table->texts, table->texts ? MAXALIGN(table->length) : 0}};

	if (pieces[1].size + pieces[2].size <= lr_share_size() / MAIL_SHARE)
		lr_share_publish(place, pieces, lengthof(pieces));
}

static void
begin_mail(void *content, MemoryContext mcxt)
{
	MailTable *table = content;

	table->mcxt = mcxt;
	table->length = 1;
}

static void
add_mail(void *content, TupleTableSlot *slot)
{
	bool isnull;
	text *domain = DatumGetTextPP(slot_getattr(slot, MAIL_DOMAIN + 1, &isnull));

	/* no look-up is for a longer one */
	if (VARSIZE_ANY_EXHDR(domain) <= LR_DOMAIN_MAX)
		add_domain(content, VARDATA_ANY(domain), VARSIZE_ANY_EXHDR(domain), row_flags(slot));
}

static void
finish_mail(void *content)
{
	MailTable *table = content;

	if (table->texts == NULL)
		return;
	/* to its end with nothing undefined: it may be shared */
	table->texts = repalloc_huge(table->texts, MAXALIGN(table->length));
	memset(table->texts + table->length, 0, MAXALIGN(table->length) - table->length);
}

static void
add_domain(MailTable *table, const char *domain, Size len, uint8 flags)
{
	uint32 *slot;

	if (table->slots == NULL || table->used >= table->mask / 4 * 3)
		grow_slots(table);
	slot = find_slot(table, domain, len);
	if (*slot != 0)
	{
		table->texts[*slot] = (char) add_flags((uint8) table->texts[*slot], flags);
		return;
	}
	if (table->length + len + 2 > table->allocated)
	{
		table->allocated = Max(8192, table->allocated * 2);
		table->texts = table->texts ? repalloc_huge(table->texts, table->allocated) : MemoryContextAllocHuge(table->mcxt, table->allocated);
	}
	*slot = (uint32) table->length;
	table->used++;
	table->texts[table->length++] = (char) flags;
	memcpy(table->texts + table->length, domain, len);
	table->length += len;
	table->texts[table->length++] = '\0';
	if (table->length > PG_UINT32_MAX - LR_DOMAIN_MAX - 2)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("table leadroute.%s is too large", "mail_domains")));
}

static void
grow_slots(MailTable *table)
{
	uint32 *old = table->slots;
	uint32 nold = old ? table->mask + 1 : 0;
	uint32 nslots = nold ? nold * 2 : 1024;

	table->slots = MemoryContextAllocExtended(table->mcxt, nslots * sizeof(uint32), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	table->mask = nslots - 1;
	for (uint32 i = 0; i < nold; i++)
	{
		if (old[i] != 0)
		{
			const char *domain = table->texts + old[i] + 1;

			*find_slot(table, domain, strlen(domain)) = old[i];
		}
	}
	if (old)
		pfree(old);
}

/* The slot of a domain, or the free one where it belongs. */
static uint32 *
find_slot(const MailTable *table, const char *domain, Size len)
{
	uint32 at = hash_bytes((const unsigned char *) domain, (int) len) & table->mask;

	while (table->slots[at] != 0)
	{
		const char *other = table->texts + table->slots[at] + 1;

		if (strncmp(other, domain, len) == 0 && other[len] == '\0')
			break;
		at = (at + 1) & table->mask;
	}
	return &table->slots[at];
}

static void
find_in_table(const MailTable *table, const char *host, LrMailDomain *mail)
{
	/* the domain above, unless that is a whole country or kind */
	for (; table->slots && strchr(host, '.'); host = strchr(host, '.') + 1)
	{
		uint32 at = *find_slot(table, host, strlen(host));

		if (at != 0)
		{
			mail->is_public = (table->texts[at] & MAIL_IS_PUBLIC) != 0;
			mail->is_disposable = (table->texts[at] & MAIL_IS_DISPOSABLE) != 0;
			return;
		}
	}
}

static void
find_by_index(const char *host, LrMailDomain *mail)
{
	Relation rel = lr_table_copy_open(&mail_copy);
	Relation index = lr_index_open(lr_relation_oid("mail_domains_pkey"), AccessShareLock);
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	IndexScanDesc scan = lr_index_beginscan(rel, index, snapshot, NULL, 1, 0);
	uint8 flags = 0;

	for (; flags == 0 && strchr(host, '.'); host = strchr(host, '.') + 1)
	{
		ScanKeyData key;

		ScanKeyEntryInitialize(&key, 0, 1, BTEqualStrategyNumber, InvalidOid, index->rd_indcollation[0],
							   F_TEXTEQ, CStringGetTextDatum(host));
		index_rescan(scan, &key, 1, NULL, 0);
		while (index_getnext_slot(scan, ForwardScanDirection, slot))
			flags = add_flags(flags, row_flags(slot));
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	mail->is_public = (flags & MAIL_IS_PUBLIC) != 0;
	mail->is_disposable = (flags & MAIL_IS_DISPOSABLE) != 0;
}

static uint8
row_flags(TupleTableSlot *slot)
{
	bool isnull;
	text *source = DatumGetTextPP(slot_getattr(slot, MAIL_SOURCE + 1, &isnull));
	uint8 flags = MAIL_IS_THERE;

	if (DatumGetBool(slot_getattr(slot, MAIL_PUBLIC + 1, &isnull)))
		flags |= MAIL_IS_PUBLIC;
	if (DatumGetBool(slot_getattr(slot, MAIL_DISPOSABLE + 1, &isnull)))
		flags |= MAIL_IS_DISPOSABLE;
	if (VARSIZE_ANY_EXHDR(source) == 5 && memcmp(VARDATA_ANY(source), "local", 5) == 0)
		flags |= MAIL_IS_LOCAL;
	return flags;
}

/* What two rows of one domain come to, in any order. */
static uint8
add_flags(uint8 flags, uint8 others)
{
	if (flags & MAIL_IS_LOCAL)
		return flags;
	return (others & MAIL_IS_LOCAL) ? others : flags | others;
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
