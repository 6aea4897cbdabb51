/*
 * committee.c
 *		Buying committees: so many people of one account within a window, told once.
 *
 * When a lead's state is written, the states of its account that are in the window are counted twice at most. The first
 * count sees what other sessions have written and not committed yet. So of any number of sessions that bring the
 * people of a committee at once, at least the last one to write sees them all. Where too few are seen, that is all. Else the second count,
 * of what is committed (or our own), decides: enough of it, and the committee is claimed; too few, and a row in
 * committee_checks leaves it to the sweep, which looks again when every transaction that may have been counted is over.
 *
 * A claim is a row of buying_committees, its key the account and the number of the committee, inserted speculatively without
 * waiting for anybody: where another session's claim stands in the way, committed or not, that one tells, and what a
 * rollback of it would lose is again left to the sweep. So no insert waits here, and no committee is lost or told twice.
 *
 * Memory: what waits for the journal is in TopTransactionContext, by subtransaction, and freed by the check.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "committee.h"
#include "compat.h"
#include "executor/executor.h"
#include "journal.h"
#include "leadroute.h"
#include "owner.h"
#include "storage/lmgr.h"
#include "subtransaction.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

/* Columns of leadroute.buying_committees (sql/leadroute/30_state.sql). */
enum
{
	COMMITTEE_FLOW = 1,
	COMMITTEE_ACCOUNT,
	COMMITTEE_NUMBER,
	COMMITTEE_FORMED_AT,
	COMMITTEE_PEOPLE,
	COMMITTEE_LEAD,
	COMMITTEE_COLUMNS = COMMITTEE_LEAD
};

typedef struct Contact
{
	OfSubtransaction of;
	char *flow;
	char *account;
	char *account_owner; /* or NULL */
	TimestampTz at;
	TimestampTz since; /* the window's start */
	int size;
	bool wants_message;
} Contact;

static List *contacts = NIL; /* of Contact, in TopTransactionContext */

static void check_contact(const Contact *contact);
static int count_people(const Contact *contact, Snapshot snapshot, char **last);
static int next_number(const Contact *contact, bool *open);
static bool claim(const Contact *contact, int number, const char *lead);
static void tell(const Contact *contact, const char *lead);
static void leave_to_sweep(const Contact *contact);
static void free_contact(void *item);

void
lr_committee_arrived(const Decision *decision)
{
	const FlowConfig *config = decision->config;
	MemoryContext oldcontext;
	Contact *contact;

	if (config->committee_size == 0)
		return;
	oldcontext = MemoryContextSwitchTo(TopTransactionContext);
	contact = palloc0(sizeof(Contact));
	contact->of.subid = GetCurrentSubTransactionId();
	contact->flow = pstrdup(config->flow);
	contact->account = pstrdup(decision->account);
	contact->account_owner = decision->account_owner ? pstrdup(decision->account_owner) : NULL;
	contact->at = decision->at;
	contact->since = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_mi_interval, TimestampTzGetDatum(decision->at),
															 IntervalPGetDatum(&config->committee_window)));
	contact->size = config->committee_size;
	contact->wants_message = lr_config_message_type(config, "buying_committee") != NULL;
	contacts = lappend(contacts, contact);
	MemoryContextSwitchTo(oldcontext);
}

bool
lr_committee_check(void)
{
	SubTransactionId subid = GetCurrentSubTransactionId();
	MemoryContext scratch;
	MemoryContext oldcontext;
	bool checked = false;

	if (contacts == NIL)
		return false;
	scratch = AllocSetContextCreate(CurrentMemoryContext, "leadroute committees", ALLOCSET_DEFAULT_SIZES);
	oldcontext = MemoryContextSwitchTo(scratch);
	for (int i = 0; i < list_length(contacts);)
	{
		Contact *contact = list_nth(contacts, i);

		if (contact->of.subid != subid)
		{
			i++;
			continue;
		}
		/* out of the list first: what a message asks for may come here again */
		contacts = list_delete_nth_cell(contacts, i);
		check_contact(contact);
		free_contact(contact);
		MemoryContextReset(scratch);
		checked = true;
	}
	MemoryContextSwitchTo(oldcontext);
	MemoryContextDelete(scratch);
	return checked;
}

static void
check_contact(const Contact *contact)
{
	SnapshotData dirty;
	Snapshot snapshot;
	int number;
	int people;
	char *lead;
	bool open;

	InitDirtySnapshot(dirty);
	if (count_people(contact, &dirty, NULL) < contact->size)
		return;
	number = next_number(contact, &open);
	if (number == 0 && !open)
		return;
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	people = count_people(contact, snapshot, &lead);
	UnregisterSnapshot(snapshot);
	if (number > 0 && people >= contact->size && claim(contact, number, lead))
		tell(contact, lead);
	else
		leave_to_sweep(contact);
}

/*
 * The account's leads that arrived in the window, counted in that order and no further than needed; *last is who completes
 * it. The index knows no duplicates: they are the person that is counted already.
 */
static int
count_people(const Contact *contact, Snapshot snapshot, char **last)
{
	Relation rel = table_open(lr_relation_oid("lead_states"), AccessShareLock);
	Relation index = lr_index_open(lr_relation_oid("lead_states_account_idx"), AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	IndexScanDesc scan;
	ScanKeyData keys[3];
	int people = 0;

	ScanKeyEntryInitialize(&keys[0], 0, 1, BTEqualStrategyNumber, InvalidOid, index->rd_indcollation[0],
						   F_TEXTEQ, CStringGetTextDatum(contact->flow));
	ScanKeyEntryInitialize(&keys[1], 0, 2, BTEqualStrategyNumber, InvalidOid, index->rd_indcollation[1],
						   F_TEXTEQ, CStringGetTextDatum(contact->account));
	ScanKeyEntryInitialize(&keys[2], 0, 3, BTGreaterStrategyNumber, InvalidOid, InvalidOid,
						   F_TIMESTAMPTZ_GT, TimestampTzGetDatum(contact->since));
	scan = lr_index_beginscan(rel, index, snapshot, NULL, lengthof(keys), 0);
	index_rescan(scan, keys, lengthof(keys), NULL, 0);
	while (people < contact->size && index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		bool isnull;

		/* the same person once more */
		if (!slot_attisnull(slot, STATE_DUPLICATE_OF + 1))
			continue;
		if (++people == contact->size && last)
			*last = TextDatumGetCString(slot_getattr(slot, STATE_LEAD + 1, &isnull));
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	return people;
}

/*
 * The number of the account's next committee; 0 where its last one was told within the window. *open: by a
 * transaction that has not ended.
 */
static int
next_number(const Contact *contact, bool *open)
{
	Relation rel = table_open(lr_relation_oid("buying_committees"), AccessShareLock);
	Relation index = lr_index_open(lr_relation_oid("buying_committees_pkey"), AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	SnapshotData dirty;
	IndexScanDesc scan;
	ScanKeyData keys[2];
	int number = 1;

	*open = false;
	InitDirtySnapshot(dirty);
	ScanKeyEntryInitialize(&keys[0], 0, 1, BTEqualStrategyNumber, InvalidOid, index->rd_indcollation[0],
						   F_TEXTEQ, CStringGetTextDatum(contact->flow));
	ScanKeyEntryInitialize(&keys[1], 0, 2, BTEqualStrategyNumber, InvalidOid, index->rd_indcollation[1],
						   F_TEXTEQ, CStringGetTextDatum(contact->account));
	scan = lr_index_beginscan(rel, index, &dirty, NULL, lengthof(keys), 0);
	index_rescan(scan, keys, lengthof(keys), NULL, 0);
	/* the newest first */
	if (index_getnext_slot(scan, BackwardScanDirection, slot))
	{
		bool isnull;

		*open = TransactionIdIsValid(dirty.xmin);
		number = DatumGetInt32(slot_getattr(slot, COMMITTEE_NUMBER, &isnull)) + 1;
		if (*open || DatumGetTimestampTz(slot_getattr(slot, COMMITTEE_FORMED_AT, &isnull)) > contact->since)
			number = 0;
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	return number;
}

/* Whether the committee is ours to tell. Waits for nobody: a partial check of uniqueness does not. */
static bool
claim(const Contact *contact, int number, const char *lead)
{
	Relation rel = table_open(lr_relation_oid("buying_committees"), RowExclusiveLock);
	EState *estate = CreateExecutorState();
	ResultRelInfo *target = makeNode(ResultRelInfo);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	bool conflict = false;
	uint32 token;

	InitResultRelInfo(target, rel, 1, NULL, 0);
	ExecOpenIndices(target, true);
	ExecClearTuple(slot);
	memset(slot->tts_isnull, false, COMMITTEE_COLUMNS * sizeof(bool));
	slot->tts_values[COMMITTEE_FLOW - 1] = CStringGetTextDatum(contact->flow);
	slot->tts_values[COMMITTEE_ACCOUNT - 1] = CStringGetTextDatum(contact->account);
	slot->tts_values[COMMITTEE_NUMBER - 1] = Int32GetDatum(number);
	slot->tts_values[COMMITTEE_FORMED_AT - 1] = TimestampTzGetDatum(contact->at);
	slot->tts_values[COMMITTEE_PEOPLE - 1] = Int32GetDatum(contact->size);
	slot->tts_values[COMMITTEE_LEAD - 1] = CStringGetTextDatum(lead);
	ExecStoreVirtualTuple(slot);

	token = SpeculativeInsertionLockAcquire(GetCurrentTransactionId());
	table_tuple_insert_speculative(rel, slot, GetCurrentCommandId(true), 0, NULL, token);
	(void) lr_ExecInsertIndexTuples(target, slot, estate, false, true, &conflict, NIL, false);
	table_tuple_complete_speculative(rel, slot, token, !conflict);
	SpeculativeInsertionLockRelease(GetCurrentTransactionId());

	ExecDropSingleTupleTableSlot(slot);
	ExecCloseIndices(target);
	FreeExecutorState(estate);
	table_close(rel, NoLock);
	return !conflict;
}

/* Event and message; the sweep writes the same (leadroute.check_committees). */
static void
tell(const Contact *contact, const char *lead)
{
	char *reason = psprintf("%d people of account \"%s\" have arrived", contact->size, contact->account);
	JournalRow row;

	lr_journal_begin_row(&row);
	lr_journal_set_text(&row, EVENT_FLOW, contact->flow);
	lr_journal_set_text(&row, EVENT_LEAD, lead);
	lr_journal_set_time(&row, EVENT_AT, contact->at);
	lr_journal_set_text(&row, EVENT_KIND, "buying_committee");
	lr_journal_set_text(&row, EVENT_CODE, "buying_committee");
	lr_journal_set_text(&row, EVENT_OWNER, contact->account_owner);
	lr_journal_set_text(&row, EVENT_REASON, reason);
	lr_journal_set_text(&row, EVENT_ACCOUNT, contact->account);
	lr_journal_append(JOURNAL_EVENTS, &row);

	if (contact->wants_message)
	{
		OwnerSession session;
		QueryArguments arguments = {0};

		/* the lead's state is there, which the message shows */
		lr_journal_flush();
		lr_owner_begin(&session);
		lr_argument_text(&arguments, contact->flow);
		lr_argument_text(&arguments, contact->account);
		lr_argument_text(&arguments, contact->account_owner);
		lr_argument_text(&arguments, lead);
		lr_argument(&arguments, INT4OID, Int32GetDatum(contact->size), false);
		lr_argument_instant(&arguments, contact->at);
		lr_argument_text(&arguments, reason);
		lr_owner_run("SELECT leadroute.committee_message($1, $2, $3, $4, $5, $6, $7)", &arguments, SPI_OK_SELECT);
		lr_owner_end(&session);
	}
}

/* Every transaction that has been counted has a lower number than the next one. */
static void
leave_to_sweep(const Contact *contact)
{
	JournalRow row;

	lr_journal_begin_row(&row);
	lr_journal_set_text(&row, CHECK_FLOW, contact->flow);
	lr_journal_set_text(&row, CHECK_ACCOUNT, contact->account);
	lr_journal_set_time(&row, CHECK_AT, contact->at);
	lr_journal_set_datum(&row, CHECK_WAITS_FOR, FullTransactionIdGetDatum(ReadNextFullTransactionId()));
	lr_journal_append(JOURNAL_CHECKS, &row);
}

static void
free_contact(void *item)
{
	Contact *contact = item;

	pfree(contact->flow);
	pfree(contact->account);
	if (contact->account_owner)
		pfree(contact->account_owner);
	pfree(contact);
}

void
lr_committee_abort(SubTransactionId subid)
{
	contacts = lr_subtransaction_abort(contacts, subid, free_contact);
}

void
lr_committee_reparent(SubTransactionId subid, SubTransactionId parent)
{
	lr_subtransaction_reparent(contacts, subid, parent);
}

void
lr_committee_end(void)
{
	contacts = NIL; /* went with TopTransactionContext */
}
