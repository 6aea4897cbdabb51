# Another table takes the leads table's name: the triggers follow, leads keep what they have, new ones are routed by
# catch_up, those that do not come back close after a while. Nothing here ever fails somebody's DDL.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'leadroute'\nfsync = off\n");
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub at { return $node->safe_psql('postgres', "SET leadroute.clock = '$_[0]'; $_[1]"); }
sub said
{
	my ($statements) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', $statements);
	$err =~ s/^psql:<stdin>:\d+: //mg;
	return $err;
}
my $columns = 'id bigint PRIMARY KEY, email text, source text, owner text, team text';
sql(qq{
	CREATE ROLE loader LOGIN;
	CREATE SCHEMA crm AUTHORIZATION loader;
	SET client_min_messages = warning;
	CREATE EXTENSION leadroute CASCADE;
	SET ROLE loader;
	CREATE TABLE crm.leads ($columns);
	SELECT leadroute.attach('crm.leads');
	RESET ROLE;
	CALL leadroute.catch_up();
	INSERT INTO leadroute.reps (rep) VALUES ('a'), ('b'), ('c');
	INSERT INTO leadroute.teams (team) VALUES ('t');
	INSERT INTO leadroute.team_members (team, rep) VALUES ('t', 'a'), ('t', 'b'), ('t', 'c');
	INSERT INTO leadroute.queues (queue) VALUES ('desk');
	INSERT INTO leadroute.outbox_consumers (consumer, types) VALUES ('slack', '{assigned,queued}');
	INSERT INTO leadroute.rules (position, rule, condition, target, target_name, if_unavailable) VALUES
		(10, 'desk', 'source = ''desk''', 'queue', 'desk', 'fallthrough'),
		(90, 'rest', NULL, 'team', 't', 'wait');
	SELECT leadroute.activate();
	ALTER DATABASE postgres SET leadroute.clock = '2026-03-02 09:00Z';
	SET leadroute.clock = '2026-03-02 09:00Z';
	INSERT INTO crm.leads (id, source, owner) SELECT g, CASE g WHEN 20 THEN 'desk' ELSE 'web' END, '005x' FROM generate_series(1, 20) g;
	DELETE FROM crm.leads WHERE id = 19;
});
my $triggers = q{SELECT string_agg(concat(tgname, tgenabled), ' ' ORDER BY tgname) FROM pg_trigger WHERE tgrelid = 'crm.leads'::regclass AND NOT tgisinternal};
my $ours = sql($triggers);
is($ours, '0_leadrouteA 0_leadroute_statementA 0_leadroute_truncateA 0_leadroute_updateA zzz_leadrouteA', 'five triggers, ENABLE ALWAYS');
my $counts = q{SELECT (SELECT count(*) FROM leadroute.lead_states), (SELECT count(*) FROM leadroute.events), (SELECT count(*) FROM leadroute.outbox), (SELECT sum(open) FROM leadroute.rotation)};
my $owners = q{SELECT string_agg(id || coalesce(owner, '-'), ' ' ORDER BY id) FROM crm.leads WHERE id <= 20};
my $had = sql($owners);

# Each way puts a copy of the leads in their place, without id $gone and with id $new, all owners lost.
my $copy = 'INSERT INTO crm.staging (id, email, source) SELECT id, email, source FROM crm.leads';
my %swaps = (
	'DROP and RENAME' => "CREATE TABLE crm.staging ($columns); $copy; DROP TABLE crm.leads; ALTER TABLE crm.staging RENAME TO leads;",
	'DROP and RENAME in one transaction' => "BEGIN; CREATE TABLE crm.staging ($columns); $copy; DROP TABLE crm.leads; ALTER TABLE crm.staging RENAME TO leads; COMMIT;",
	'RENAME and RENAME' => "CREATE TABLE crm.staging ($columns); $copy; ALTER TABLE crm.leads RENAME TO leads_old; ALTER TABLE crm.staging RENAME TO leads; DROP TABLE crm.leads_old",
	'SET SCHEMA' => "CREATE SCHEMA stage; CREATE TABLE stage.leads ($columns); INSERT INTO stage.leads (id, email, source) SELECT id, email, source FROM crm.leads; DROP TABLE crm.leads; ALTER TABLE stage.leads SET SCHEMA crm; DROP SCHEMA stage",
	'ALTER SCHEMA RENAME' => "CREATE SCHEMA stage; CREATE TABLE stage.leads ($columns); INSERT INTO stage.leads (id, email, source) SELECT id, email, source FROM crm.leads; ALTER SCHEMA crm RENAME TO crm_old; ALTER SCHEMA stage RENAME TO crm; DROP SCHEMA crm_old CASCADE",
	'CREATE TABLE AS' => "CREATE TABLE kept AS SELECT * FROM crm.leads; DROP TABLE crm.leads; CREATE TABLE crm.leads AS SELECT id, email, source, NULL::text AS owner, NULL::text AS team FROM kept; ALTER TABLE crm.leads ADD PRIMARY KEY (id); DROP TABLE kept",
	'SELECT INTO' => "CREATE TABLE kept AS SELECT * FROM crm.leads; DROP TABLE crm.leads; SELECT id, email, source, NULL::text AS owner, NULL::text AS team INTO crm.leads FROM kept; ALTER TABLE crm.leads ADD PRIMARY KEY (id); DROP TABLE kept",
	'CREATE SCHEMA with the table' => "CREATE TABLE kept AS SELECT * FROM crm.leads; DROP SCHEMA crm CASCADE; CREATE SCHEMA crm CREATE TABLE leads ($columns); INSERT INTO crm.leads (id, email, source) SELECT id, email, source FROM kept; DROP TABLE kept",
);
my $new = 100;
for my $way (sort keys %swaps)
{
	my $before = sql($counts);
	is(said("SET client_min_messages = warning; $swaps{$way}"), '', "$way: nothing to say");
	is(sql($triggers), $ours, "$way: the triggers follow");
	is(sql($counts), $before, "$way: no decision, no event, no message, no place");
	is(sql('SELECT status, relation = \'crm.leads\'::regclass, replaced_at IS NOT NULL FROM leadroute.attachments'), 'attached|t|t', "$way: the swap is noted");
	is(sql("INSERT INTO crm.leads (id, source) VALUES ($new, 'web') RETURNING owner IS NOT NULL"), 't', "$way: the next lead is routed");
	# a full-row sync over the leads that were there gives them back what they had
	sql("UPDATE crm.leads SET email = 'x', owner = coalesce(owner, '005x') WHERE id <= 20");
	is(sql($owners), $had, "$way: known leads have their owners at the first touch");
	$new++;
}
is(sql("SELECT check_name FROM leadroute.health WHERE status <> 'ok' AND check_name <> 'gone leads'"), 'catch-up', 'health asks for a catch-up');
is(sql('CALL leadroute.catch_up()') . sql("SELECT count(*) FROM leadroute.health WHERE check_name = 'catch-up' AND status = 'ok'"), '1', 'which ends that');

# -- new leads in the new table; some that are not there any more
my $events = sql('SELECT count(*) FROM leadroute.events');
sql("CREATE TABLE crm.staging ($columns); $copy; DELETE FROM crm.staging WHERE id IN (3, 4, 5, 20);
	INSERT INTO crm.staging (id, source) SELECT g, CASE g WHEN 206 THEN 'desk' ELSE 'web' END FROM generate_series(201, 206) g;
	DROP TABLE crm.leads; ALTER TABLE crm.staging RENAME TO leads;");
is(sql('SELECT count(*) FROM crm.leads WHERE owner IS NOT NULL'), '0', 'a swap of a table with new leads');
at('2026-03-02 10:00Z', 'CALL leadroute.catch_up()');
is(sql("SELECT string_agg(format('%s %s/%s', lead, status, code), ', ' ORDER BY lead) FROM leadroute.lead_states WHERE lead LIKE '20_'"),
	'201 assigned/assigned, 202 assigned/assigned, 203 assigned/assigned, 204 assigned/assigned, 205 assigned/assigned, 206 waiting/queued', 'catch_up routes the unknown ones');
is(sql('SELECT count(*) FROM leadroute.events') - $events, 6, 'and no others');
is(sql("SELECT count(*) FROM crm.leads l JOIN leadroute.lead_states s ON s.lead = l.id::text WHERE l.id > 200 AND l.owner IS NOT DISTINCT FROM s.owner AND l.team IS NOT DISTINCT FROM s.team"), '6', 'outputs filled in the table');
is(sql('SELECT count(DISTINCT lead) = count(*) FROM leadroute.events WHERE kind = \'decided\''), 't', 'one decision a lead');

# -- those that were not found again
my $open = sql("SELECT string_agg(rep || ' ' || n, ', ' ORDER BY rep) FROM (SELECT rep, sum(open) n FROM leadroute.rotation GROUP BY 1) x");
at('2026-03-03 08:00Z', 'CALL leadroute.sweep()');
is(sql("SELECT count(*) FROM leadroute.lead_states WHERE outcome = 'gone'"), '0', 'nothing is gone before gone_after');
sql("UPDATE leadroute.attachments SET refreshed_at = '2026-03-02 09:30Z'");
at('2026-03-03 09:00Z', 'CALL leadroute.sweep()');
is(sql("SELECT count(*) FROM leadroute.lead_states WHERE outcome = 'gone'"), '0', 'nor a little before');
at('2026-03-03 10:00Z', 'CALL leadroute.sweep()');
is(sql("SELECT string_agg(lead, ' ' ORDER BY lead) FROM leadroute.lead_states WHERE outcome = 'gone' AND closed_at = '2026-03-03 10:00Z'"), '20 3 4 5', 'then they close as gone');
is(sql("SELECT outcome, closed_at < '2026-03-03' FROM leadroute.lead_states WHERE lead = '19'"), 'deleted|t', 'one deleted long ago stays deleted');
is(sql("SELECT count(*) FROM leadroute.events WHERE code = 'gone'"), '4', 'an event each');
isnt(sql("SELECT string_agg(rep || ' ' || n, ', ' ORDER BY rep) FROM (SELECT rep, sum(open) n FROM leadroute.rotation GROUP BY 1) x"), $open, 'places are free');
my $balance = q{SELECT sum(open) = (SELECT count(*) FROM leadroute.lead_states WHERE status = 'assigned' AND closed_at IS NULL) FROM leadroute.rotation};
is(sql($balance), 't', 'as many are taken as leads are open');
at('2026-03-03 11:00Z', 'CALL leadroute.sweep()');
is(sql("SELECT count(*) FROM leadroute.events WHERE code = 'gone'"), '4', 'another sweep finds nothing');

# -- and come back after all
is(sql("INSERT INTO crm.leads (id, source) VALUES (3, 'web'), (20, 'desk') RETURNING owner"), "c\n", 'one that comes back has what it had');
is(sql("SELECT lead, status, closed_at IS NULL, outcome FROM leadroute.lead_states WHERE lead IN ('3', '20') ORDER BY 1"), "20|waiting|t|\n3|assigned|t|", 'and is open again');
is(sql($balance), 't', 'its place is taken');
is(sql('SELECT * FROM leadroute.rotation_drift()'), '', 'turns and ledger agree');

# -- a table that does not fit
my $err = said("CREATE TABLE crm.staging (nr bigint, email text); ALTER TABLE crm.leads RENAME TO leads_old; ALTER TABLE crm.staging RENAME TO leads;");
like($err, qr/^WARNING:  leads of flow "default" are not routed: table crm.leads does not fit its attachment\nDETAIL:  .*\nHINT:/m, 'a table without the key: a WARNING');
unlike($err, qr/ERROR/, 'and no error');
is(sql('SELECT status, problem IS NOT NULL FROM leadroute.attachments'), 'broken|t', 'the attachment is broken');
is(sql("SELECT status FROM leadroute.health WHERE check_name = 'attachment'"), 'bad', 'health is bad');
is(said("INSERT INTO crm.leads VALUES (1, 'x')"), '', 'rows go in');
is(sql("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'crm.leads_old'::regclass"), '0', 'the table that had the name lost the triggers');
like(said('CALL leadroute.catch_up()'), qr/no table of yours is attached|is broken/, 'catch_up says so');
is(said('ALTER TABLE crm.leads RENAME TO wrong; ALTER TABLE crm.leads_old RENAME TO leads;'), '', 'the right one back');
is(sql($triggers), $ours, 'has the triggers again');
is(sql('SELECT status, problem IS NULL FROM leadroute.attachments'), 'attached|t', 'attached');
is(sql("INSERT INTO crm.leads (id) VALUES (301) RETURNING owner IS NOT NULL"), 't', 'routed');
is(sql("SELECT check_name FROM leadroute.health WHERE status = 'bad'"), '', 'health');

# a column that the attachment names goes, under the same table
sql("ALTER TABLE crm.leads ADD COLUMN mail text; SET client_min_messages = warning; SELECT leadroute.attach('crm.leads', columns => '{\"email\": \"mail\"}')");
$err = said('ALTER TABLE crm.leads DROP COLUMN mail');
like($err, qr/^WARNING:  leads of flow "default" are not routed.*column "mail" of table crm.leads does not exist/ms, 'a mapped column dropped: a WARNING');
$err = said("INSERT INTO crm.leads (id, source) VALUES (302, 'web'), (303, 'web')");
is(scalar(() = $err =~ /^WARNING/mg), 1, 'rows go in with one WARNING');
is(sql('SELECT count(*) FROM crm.leads WHERE id IN (302, 303)'), '2', 'they stand');
is(said('ALTER TABLE crm.leads ADD COLUMN mail text'), '', 'the column comes back');
is(sql('SELECT status FROM leadroute.attachments'), 'attached', 'attached again');
is(sql("CALL leadroute.catch_up(); SELECT count(*) FROM crm.leads WHERE id IN (302, 303) AND owner IS NOT NULL"), '2', 'catch_up routes what came meanwhile');

# a view in the table's place, then none
is(said("ALTER TABLE crm.leads RENAME TO hidden; CREATE VIEW crm.leads AS SELECT * FROM crm.hidden"), '', 'a view takes the name');
$err = said("CREATE TABLE crm.something (x int)");
unlike($err, qr/ERROR/, 'no error in other DDL');
is(said("DROP VIEW crm.leads; ALTER TABLE crm.hidden RENAME TO leads"), '', 'and gives it back');
is(sql("INSERT INTO crm.leads (id) VALUES (304) RETURNING owner IS NOT NULL"), 't', 'routed');
is(sql($triggers), $ours, 'the triggers stand');

sql("SET client_min_messages = warning; SELECT leadroute.attach('crm.leads'); ALTER SCHEMA crm OWNER TO loader; ALTER TABLE crm.leads OWNER TO loader");
# another role's DDL, with a search_path of his; he may not even read our tables
is(said("SET ROLE loader; CREATE FUNCTION crm.format(text, VARIADIC text[]) RETURNS text LANGUAGE plpgsql AS \$\$ BEGIN RAISE EXCEPTION 'caught'; END \$\$;
	SET search_path = crm, pg_catalog; CREATE TABLE next_leads ($columns); DROP TABLE leads; ALTER TABLE next_leads RENAME TO leads"), '', 'a loader\'s own DDL, hostile search_path');
is(sql($triggers), $ours, 'the triggers follow');
# where our own tables cannot be read, a WARNING only
my $holder = $node->background_psql('postgres', on_error_die => 1);
$holder->query_safe('BEGIN; LOCK TABLE leadroute.attachments');
$err = said("SET lock_timeout = '50ms'; CREATE TABLE crm.any_table (x int)");
like($err, qr/^WARNING:  leadroute could not look whether a leads table was replaced/m, 'a failure of ours is a WARNING');
is(sql('SELECT count(*) FROM crm.any_table'), '0', 'the DDL stands');
$holder->query_safe('ROLLBACK');
is(sql("INSERT INTO crm.leads (id) VALUES (305) RETURNING owner IS NOT NULL"), 't', 'routed');
# somebody who writes to the old table for long does not let the swap wait for ever
$holder->query_safe("CREATE TABLE crm.staging ($columns); ALTER TABLE crm.leads RENAME TO leads_old");
$holder->query_safe("BEGIN; INSERT INTO crm.leads_old (id) VALUES (311)");
$err = said('ALTER TABLE crm.staging RENAME TO leads');
like($err, qr/^WARNING:  could not take leadroute's triggers off table crm.leads_old.*HINT:  .*leadroute.detach\('crm.leads_old'\)/ms, 'where a lock is not to be had, a WARNING');
unlike($err, qr/ERROR/, 'and no error');
is(sql($triggers), $ours, 'the new table has the triggers');
is(sql("INSERT INTO crm.leads (id) VALUES (312) RETURNING owner IS NOT NULL"), 't', 'and routes');
$holder->query_safe('COMMIT');
$holder->quit;
sql("SELECT leadroute.detach('crm.leads_old')");
is(sql("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'crm.leads_old'::regclass"), '0', 'detach takes them off the old one');
is(sql('SELECT status FROM leadroute.attachments') . sql($triggers), "attached$ours", 'and leaves the new one alone');
# somebody who reads the new table for long
sql("CREATE TABLE crm.staging ($columns)");
$holder = $node->background_psql('postgres', on_error_die => 1);
$holder->query_safe('BEGIN; SELECT count(*) FROM crm.staging');
like(said("SET lock_timeout = '200ms'; DROP TABLE crm.leads; ALTER TABLE crm.staging RENAME TO leads"), qr/ERROR:  canceling statement due to lock timeout/, 'the server itself waits for readers');
$holder->query_safe('COMMIT');
$holder->quit;
is(said('ALTER TABLE crm.staging RENAME TO leads'), '', 'then the name is taken');
is(sql($triggers), $ours, 'with the triggers');
is(sql('SELECT * FROM leadroute.rotation_drift()'), '', 'turns and ledger agree');

# -- DROP EXTENSION while attached
my ($rc, $out, $refused) = $node->psql('postgres', 'DROP EXTENSION leadroute');
like($refused, qr/ERROR:  cannot drop extension leadroute because other objects depend on it\nDETAIL:  trigger .* on table crm.leads depends on function leadroute.*\nHINT:/s, 'DROP EXTENSION while attached is refused');
is(sql("INSERT INTO crm.leads (id) VALUES (306) RETURNING owner IS NOT NULL"), 't', 'and nothing is gone');
sql("SELECT leadroute.detach('crm.leads'); DROP EXTENSION leadroute");
is(sql('SELECT count(*) FROM crm.leads WHERE id = 306'), '1', 'detached, it can be dropped; the leads stay');
is(sql("INSERT INTO crm.leads (id) VALUES (307) RETURNING id"), '307', 'and rows go in as into any table');
is(said("SET client_min_messages = warning; CREATE EXTENSION leadroute CASCADE; SELECT leadroute.attach('crm.leads'); DROP EXTENSION leadroute CASCADE; CREATE TABLE crm.other (x int)"), '', 'CASCADE takes the triggers along');
is(sql($triggers), '', 'all of them');

# -- partitions that come with rows, and go with theirs
sql(q{
	SET client_min_messages = warning;
	ALTER DATABASE postgres RESET leadroute.clock;
	RESET leadroute.clock;
	DROP TABLE crm.leads;
	CREATE EXTENSION IF NOT EXISTS leadroute CASCADE;
	CREATE TABLE crm.leads (id bigint, day date, owner text) PARTITION BY RANGE (day);
	CREATE TABLE crm.leads_1 PARTITION OF crm.leads FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
	CREATE TABLE crm.leads_2 PARTITION OF crm.leads FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
	INSERT INTO leadroute.reps (rep) VALUES ('a');
	INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (90, 'rest', 'rep', 'a');
	SELECT leadroute.attach('crm.leads');
	SELECT leadroute.activate();
	INSERT INTO crm.leads (id, day) VALUES (1, '2026-01-05'), (2, '2026-02-05'), (3, '2026-02-06');
	CREATE TABLE crm.leads_3 (id bigint, day date, owner text);
	ALTER TABLE crm.leads ATTACH PARTITION crm.leads_3 FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
});
my $behind = q{SELECT string_agg(concat_ws(': ', check_name, detail), '; ' ORDER BY check_name) FROM leadroute.health WHERE check_name IN ('catch-up', 'gone leads', 'event trigger') AND status <> 'ok'};
is(sql($behind), '', 'a partition that is empty is no news');
sql(q{
	CREATE TABLE crm.leads_4 (id bigint, day date, owner text);
	INSERT INTO crm.leads_4 VALUES (4, '2026-04-05');
	ALTER TABLE crm.leads ATTACH PARTITION crm.leads_4 FOR VALUES FROM ('2026-04-01') TO ('2026-05-01');
});
is(sql($behind), 'catch-up: rows of table crm.leads from before the table was replaced, got a partition or got its triggers back are not recorded', 'one with rows is told');
sql(q{CALL leadroute.catch_up('crm.leads')});
is(sql($behind), '', 'until they are recorded');
is(sql(q{SELECT string_agg(lead || status, ' ' ORDER BY lead) FROM leadroute.lead_states}), '1assigned 2assigned 3assigned 4assigned', 'and decided, as what a replaced table brings is');
my $still_open = q{SELECT string_agg(lead, ' ' ORDER BY lead) FROM leadroute.lead_states WHERE closed_at IS NULL};
my $late = q{SET leadroute.clock = '2030-01-01'; CALL leadroute.sweep(); RESET leadroute.clock;};
sql('ALTER TABLE crm.leads DETACH PARTITION crm.leads_1');
sql($late);
is(sql($still_open), '2 3 4', 'the leads of a partition that was detached close as gone');
sql('UPDATE leadroute.attachments SET refreshed_at = NULL, gone_at = NULL');
sql('DROP TABLE crm.leads_2');
sql($late);
is(sql($still_open), '4', 'and so do those of one that was dropped');
is(sql(q{SELECT string_agg(lead || outcome, ' ' ORDER BY lead) FROM leadroute.lead_states WHERE closed_at IS NOT NULL}), '1gone 2gone 3gone', 'with this outcome');
is(sql('SELECT * FROM leadroute.rotation_drift()'), '', 'turns and ledger agree');
sql(q{DROP TRIGGER zzz_leadroute ON crm.leads; INSERT INTO crm.leads VALUES (5, '2026-04-06'); SET client_min_messages = warning; SELECT leadroute.attach('crm.leads')});
like(sql($behind), qr/^catch-up: rows of table crm.leads from before .*got its triggers back are not recorded$/, 'rows that came while a trigger was missing are told');
sql(q{CALL leadroute.catch_up('crm.leads')});
is(sql($behind), '', 'until they are recorded');
sql('ALTER EVENT TRIGGER leadroute_partition_dropped DISABLE');
is(sql($behind), 'event trigger: event trigger "leadroute_partition_dropped", which notices that a partition was dropped, is not ENABLE ALWAYS', 'an event trigger that is off is told');

$node->stop;
done_testing();
