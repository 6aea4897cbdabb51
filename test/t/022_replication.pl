# Hot standby and promotion, logical replication of leads and of configuration, session_replication_role.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $settings = "shared_preload_libraries = 'leadroute'\nfsync = off\nmax_prepared_transactions = 4\n";
my $table = q{CREATE TABLE crm.leads (id bigint PRIMARY KEY, email text, source text, owner text, team text, routed_at timestamptz, route_reason text);};
my $configuration = q{
	INSERT INTO leadroute.reps (rep) VALUES ('a'), ('b'), ('c'), ('boss');
	INSERT INTO leadroute.teams (team) VALUES ('t');
	INSERT INTO leadroute.team_members (team, rep) VALUES ('t', 'a'), ('t', 'b'), ('t', 'c');
	INSERT INTO leadroute.queues (queue) VALUES ('desk');
	INSERT INTO leadroute.rules (position, rule, condition, target, target_name, if_unavailable) VALUES
		(10, 'vip', 'source = ''vip''', 'rep', 'boss', 'fallthrough'),
		(90, 'rest', NULL, 'team', 't', 'wait');
};
my $attach = q{SET client_min_messages = warning; SELECT leadroute.attach('crm.leads'); CALL leadroute.catch_up();};
my $extension = 'SET client_min_messages = warning; CREATE EXTENSION leadroute CASCADE; CREATE SCHEMA crm;';

sub healthy
{
	my ($node, $when) = @_;
	is($node->safe_psql('postgres', "SELECT check_name, detail FROM leadroute.health WHERE status = 'bad'"), '', "$when: in good health");
	is($node->safe_psql('postgres', 'SELECT * FROM leadroute.rotation_drift()'), '', "$when: turns and ledger agree");
	return;
}
sub state { return $_[0]->safe_psql('postgres', "SELECT status, code, owner, outcome FROM leadroute.lead_states WHERE lead = '$_[1]'"); }

# -- hot standby
my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 'logical');
$primary->append_conf('postgresql.conf', $settings);
$primary->start;
$primary->safe_psql('postgres', "$extension $table $attach $configuration SELECT leadroute.activate();");
is($primary->safe_psql('postgres', q{INSERT INTO crm.leads (id, source) VALUES (1, 'web'), (2, 'vip'), (3, 'web'), (4, 'web'), (5, 'web') RETURNING owner}),
	"a\nboss\nb\nc\na", 'routed on the primary');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$primary->backup('base');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->safe_psql('postgres', q{INSERT INTO crm.leads (id, source) VALUES (6, 'web')});
$primary->wait_for_catchup($standby, 'replay');

my $on_primary = $primary->safe_psql('postgres', 'SELECT item, name, verdict, detail FROM leadroute.explain(6)');
my $on_standby = $standby->safe_psql('postgres', 'SELECT item, name, verdict, detail FROM leadroute.explain(6)');
like($on_standby, qr/^decision\|c\|assigned\|/m, 'explain(id) on the standby says who would be next');
like($on_standby, qr/^event\|decided\|assigned\|.*round robin: b$/m, 'and what was decided');
is($on_standby, $on_primary, 'as on the primary');
my $row = q{SELECT item, name, verdict, detail FROM leadroute.explain(jsonb_populate_record(NULL::crm.leads, '{"id": 7, "source": "vip"}'))};
like($standby->safe_psql('postgres', $row), qr/^decision\|boss\|assigned\|/m, 'explain(row) on the standby');
is($standby->safe_psql('postgres', $row), $primary->safe_psql('postgres', $row), 'as on the primary');
my $one_by_one = join "\n", map { $standby->safe_psql('postgres', 'SELECT name FROM leadroute.explain(6) WHERE item = \'decision\'') } 1 .. 3;
is($one_by_one, "c\nc\nc", 'asking takes no turn');
is($standby->safe_psql('postgres', 'SELECT rep, pointer, open FROM leadroute.rep_load ORDER BY 1'),
	$primary->safe_psql('postgres', 'SELECT rep, pointer, open FROM leadroute.rep_load ORDER BY 1'), 'rep_load');
is($standby->safe_psql('postgres', "SELECT string_agg(check_name || ' ' || coalesce(detail, ''), ', ') FROM leadroute.health WHERE status <> 'ok'"), '', 'health');
my ($rc, $out, $err) = $standby->psql('postgres', "INSERT INTO crm.leads (id, source) VALUES (7, 'web')");
like($err, qr/cannot execute INSERT in a read-only transaction/, 'an INSERT is refused by the server, not by us');

# a session that asked before sees what changed since
my $reader = $standby->background_psql('postgres', on_error_die => 1);
is($reader->query_safe("SELECT name FROM leadroute.explain(6) WHERE item = 'decision'"), 'c', 'a session on the standby');
$primary->safe_psql('postgres', "UPDATE leadroute.reps SET active = false WHERE rep = 'c'");
$primary->wait_for_catchup($standby, 'replay');
is($reader->query_safe("SELECT name FROM leadroute.explain(6) WHERE item = 'decision'"), 'a', 'learns of changed configuration');
$primary->safe_psql('postgres', "UPDATE leadroute.reps SET active = true WHERE rep = 'c'");
$primary->wait_for_catchup($standby, 'replay');

# a transaction that has taken a turn cannot be prepared
($rc, $out, $err) = $primary->psql('postgres', "\\set VERBOSITY verbose\nBEGIN; INSERT INTO crm.leads (id, source) VALUES (7, 'web'); PREPARE TRANSACTION 'p'");
like($err, qr/ERROR:  0A000: cannot PREPARE a transaction that has routed leads.*HINT:/s, 'PREPARE TRANSACTION after routing is refused with a hint');
is($primary->safe_psql('postgres', 'SELECT count(*) FROM crm.leads WHERE id = 7'), '0', 'nothing of it stands');
is($primary->safe_psql('postgres', "BEGIN; UPDATE crm.leads SET email = 'x' WHERE id = 6; PREPARE TRANSACTION 'p'; COMMIT PREPARED 'p'; SELECT email FROM crm.leads WHERE id = 6"),
	'x', 'one that routed nothing can be prepared');
# the ledger knows pointers, not who of equals waited longest: no tie that this would break
is($primary->safe_psql('postgres', "INSERT INTO crm.leads (id, source) VALUES (8, 'web') RETURNING owner"), 'c', 'who came back takes his turn');
healthy($primary, 'primary');
$primary->wait_for_catchup($standby, 'replay');

# -- promotion
my $load = $primary->safe_psql('postgres', 'SELECT rep, pointer, open FROM leadroute.rep_load ORDER BY 1');
my $next = $primary->safe_psql('postgres', "BEGIN; INSERT INTO crm.leads (id, source) SELECT g, 'web' FROM generate_series(11, 20) g RETURNING id, owner, route_reason; ROLLBACK");
$primary->stop('immediate');
$standby->promote;
is($standby->safe_psql('postgres', 'SELECT rep, pointer, open FROM leadroute.rep_load ORDER BY 1'), $load, 'after promotion: the same pointers and places');
is($reader->query_safe("INSERT INTO crm.leads (id, source) SELECT g, 'web' FROM generate_series(11, 20) g RETURNING id, owner, route_reason"), $next,
	'the next leads go to whom they would have gone, in a session from before');
$reader->quit;
healthy($standby, 'promoted');
is($standby->safe_psql('postgres', 'SELECT count(*), count(DISTINCT id) FROM leadroute.events'), '17|17', 'events go on');

# -- session_replication_role
my $node = $standby;
is($node->safe_psql('postgres', "SET session_replication_role = replica; INSERT INTO crm.leads (id, source) VALUES (31, 'vip') RETURNING owner"), 'boss', 'session_replication_role = replica: routed');
is(state($node, 31), 'assigned|assigned|boss|', 'and written down');
is($node->safe_psql('postgres', "SET session_replication_role = replica; UPDATE crm.leads SET owner = NULL WHERE id = 31 RETURNING owner"), 'boss', 'kept');
is($node->safe_psql('postgres', "SET session_replication_role = replica; UPDATE crm.leads SET owner = 'a' WHERE id = 31 RETURNING owner"), 'a', 'handed over');
is(state($node, 31), 'assigned|by_hand|a|', 'by hand');
$node->safe_psql('postgres', "SET session_replication_role = replica; DELETE FROM crm.leads WHERE id = 31");
is(state($node, 31), 'assigned|by_hand|a|deleted', 'closed');
$node->safe_psql('postgres', "SET session_replication_role = local; INSERT INTO crm.leads (id, source) VALUES (32, 'vip')");
is(state($node, 32), 'assigned|assigned|boss|', 'session_replication_role = local');
healthy($node, 'session_replication_role');
$standby->stop;

# -- logical replication of leads: a bare table here, an attached one there
my $publisher = PostgreSQL::Test::Cluster->new('publisher');
$publisher->init(allows_streaming => 'logical');
$publisher->append_conf('postgresql.conf', $settings);
$publisher->start;
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init(allows_streaming => 'logical');
$subscriber->append_conf('postgresql.conf', $settings);
$subscriber->start;
$publisher->safe_psql('postgres', "CREATE SCHEMA crm; $table INSERT INTO crm.leads (id, source) SELECT g, CASE g WHEN 5 THEN 'vip' ELSE 'web' END FROM generate_series(1, 10) g;
	CREATE PUBLICATION leads FOR TABLE crm.leads;");
$subscriber->safe_psql('postgres', "$extension $table $attach $configuration SELECT leadroute.activate();");
my $connection = $publisher->connstr . ' dbname=postgres';
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION leads CONNECTION '$connection' PUBLICATION leads");
$subscriber->wait_for_subscription_sync($publisher, 'leads');
sub owners { return $subscriber->safe_psql('postgres', "SELECT string_agg(owner || n, ' ' ORDER BY owner) FROM (SELECT owner, count(*) n FROM crm.leads WHERE $_[0] GROUP BY 1) x"); }
is(owners('true'), 'a3 b3 boss1 c3', 'the initial copy is routed');
is($subscriber->safe_psql('postgres', 'SELECT count(*), count(DISTINCT lead) FROM leadroute.events'), '10|10', 'an event each');

sub replicate { $publisher->safe_psql('postgres', $_[0]); $publisher->wait_for_catchup('leads'); return; }
replicate("INSERT INTO crm.leads (id, source) SELECT g, 'web' FROM generate_series(11, 19) g");
is(owners('id > 10'), 'a3 b3 c3', 'applied INSERTs are routed');
replicate("INSERT INTO crm.leads (id, source) VALUES (20, 'vip')");
is(owners('id = 20'), 'boss1', 'by the rules');
my $before = $subscriber->safe_psql('postgres', 'SELECT id, owner, team, routed_at, route_reason FROM crm.leads ORDER BY id');
replicate("UPDATE crm.leads SET email = 'x' || id || '\@x.example'");
is($subscriber->safe_psql('postgres', 'SELECT count(*) FROM crm.leads WHERE email IS NOT NULL'), '20', 'applied UPDATEs arrive');
is($subscriber->safe_psql('postgres', 'SELECT id, owner, team, routed_at, route_reason FROM crm.leads ORDER BY id'), $before, 'and keep owners: NULL in a whole row changes nothing');
replicate("UPDATE crm.leads SET owner = 'c' WHERE id = 20");
is(state($subscriber, 20), 'assigned|by_hand|c|', 'an owner that the origin sets is a hand-over');
replicate("UPDATE crm.leads SET id = 120 WHERE id = 19");
is($subscriber->safe_psql('postgres', "SELECT string_agg(lead, ' ') FROM leadroute.lead_states WHERE lead IN ('19', '120')"), '120', 'an applied change of the key takes the state along');
replicate('DELETE FROM crm.leads WHERE id IN (1, 120)');
is($subscriber->safe_psql('postgres', "SELECT lead, outcome FROM leadroute.lead_states WHERE closed_at IS NOT NULL ORDER BY lead"), "1|deleted\n120|deleted", 'applied DELETEs close');
healthy($subscriber, 'subscriber');
is($subscriber->safe_psql('postgres', 'SELECT sum(open) FROM leadroute.rotation'), '18', 'and free places');
replicate('BEGIN; DELETE FROM crm.leads WHERE id = 2; INSERT INTO crm.leads (id, source) VALUES (2, \'web\'); COMMIT');
is(state($subscriber, 2), $subscriber->safe_psql('postgres', "SELECT 'assigned|assigned|' || owner || '|' FROM crm.leads WHERE id = 2"), 'DELETE and INSERT in one transaction is nothing');
is($subscriber->safe_psql('postgres', "SELECT count(*) FROM leadroute.events WHERE lead = '2'"), '1', 'and no event');
replicate('TRUNCATE crm.leads');
is($subscriber->safe_psql('postgres', 'SELECT count(*) FROM crm.leads'), '0', 'an applied TRUNCATE');
is($subscriber->safe_psql('postgres', 'SELECT refreshed_at IS NOT NULL FROM leadroute.attachments'), 't', 'is a full refresh');
is($subscriber->safe_psql('postgres', 'SELECT count(*) FROM leadroute.lead_states WHERE closed_at IS NULL'), '18', 'leads keep their state');
replicate("INSERT INTO crm.leads (id, source) SELECT g, 'web' FROM generate_series(2, 21) g WHERE g <> 19");
is($subscriber->safe_psql('postgres', "SELECT count(*) FROM leadroute.events WHERE kind = 'decided'"), '21', 'those that come back are not decided again');
is($subscriber->safe_psql('postgres', q{SELECT count(*) FROM crm.leads l JOIN leadroute.lead_states s ON s.lead = l.id::text WHERE l.owner = s.owner}), '19', 'and have their owners');
healthy($subscriber, 'after a full refresh');
# a big transaction, streamed in parts
$publisher->append_conf('postgresql.conf', 'logical_decoding_work_mem = 64kB');
$publisher->reload;
$subscriber->safe_psql('postgres', 'ALTER SUBSCRIPTION leads SET (streaming = on)');
replicate("INSERT INTO crm.leads (id, source) SELECT g, 'web' FROM generate_series(10001, 13000) g");
is(owners('id > 10000'), 'a1000 b1000 c1000', 'a big transaction');
replicate("BEGIN; INSERT INTO crm.leads (id, source) SELECT g, 'web' FROM generate_series(20001, 23000) g; SAVEPOINT s;
	INSERT INTO crm.leads (id, source) SELECT g, 'web' FROM generate_series(30001, 33000) g; ROLLBACK TO s; COMMIT");
is(owners('id > 20000'), 'a1000 b1000 c1000', 'another with a savepoint rolled back');
# from 16 on a worker beside the others may apply the parts as they come; from 18 on it does by default
SKIP:
{
	skip 'no parallel apply before PostgreSQL 16', 3 if $subscriber->pg_version < 16;
	$subscriber->safe_psql('postgres', 'ALTER SUBSCRIPTION leads SET (streaming = parallel)');
	replicate("BEGIN; INSERT INTO crm.leads (id, source) SELECT g, 'web' FROM generate_series(40001, 43000) g; SAVEPOINT s;
		INSERT INTO crm.leads (id, source) SELECT g, 'web' FROM generate_series(50001, 53000) g; ROLLBACK TO s;
		DELETE FROM crm.leads WHERE id > 42997; COMMIT");
	is(owners('id > 40000'), 'a999 b999 c999', 'one that a parallel worker applies, with a savepoint rolled back');
	replicate("BEGIN; INSERT INTO crm.leads (id, source) SELECT g, 'web' FROM generate_series(60001, 63000) g; ROLLBACK");
	is(owners('id > 40000'), 'a999 b999 c999', 'and one that is rolled back whole');
	is($subscriber->safe_psql('postgres', 'SELECT count(*) > 0 FROM pg_stat_subscription WHERE leader_pid IS NOT NULL'), 't', 'there is such a worker');
}
healthy($subscriber, 'after streamed transactions');

# -- logical replication of configuration: a second node with its own leads
my $tables = join ', ', map { "leadroute.$_" } qw(flows rules queues reps teams team_members territories outbox_consumers);
my $second = PostgreSQL::Test::Cluster->new('second');
$second->init(allows_streaming => 'logical');
$second->append_conf('postgresql.conf', $settings);
$second->start;
$second->safe_psql('postgres', "$extension $table");
$subscriber->safe_psql('postgres', "CREATE PUBLICATION configuration FOR TABLE $tables");
$connection = $subscriber->connstr . ' dbname=postgres';
$second->safe_psql('postgres', "CREATE SUBSCRIPTION configuration CONNECTION '$connection' PUBLICATION configuration");
$second->wait_for_subscription_sync($subscriber, 'configuration');
$second->safe_psql('postgres', $attach);
my $session = $second->background_psql('postgres', on_error_die => 1);
is($session->query_safe("INSERT INTO crm.leads (id, source) VALUES (1, 'vip'), (2, 'web'), (3, 'web') RETURNING owner"), "boss\na\nb", 'a second node routes by replicated configuration');
sub configure { $subscriber->safe_psql('postgres', $_[0]); $subscriber->wait_for_catchup('configuration'); return; }
configure("UPDATE leadroute.rules SET condition = 'source = ''very''' WHERE rule = 'vip'");
is($session->query_safe("INSERT INTO crm.leads (id, source) VALUES (4, 'vip'), (5, 'very') RETURNING owner"), "c\nboss", 'an open session learns of an applied UPDATE');
configure("INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES (20, 'desk', 'source = ''desk''', 'queue', 'desk')");
is($session->query_safe("INSERT INTO crm.leads (id, source) VALUES (6, 'desk'); SELECT status, queue FROM leadroute.lead_states WHERE lead = '6'"), 'waiting|desk', 'of an INSERT');
configure("UPDATE leadroute.reps SET active = false WHERE rep = 'boss'");
is($session->query_safe("INSERT INTO crm.leads (id, source) VALUES (7, 'very') RETURNING owner"), 'a', 'of a leave');
configure("DELETE FROM leadroute.rules WHERE rule = 'desk'");
is($session->query_safe("INSERT INTO crm.leads (id, source) VALUES (8, 'desk') RETURNING owner"), 'b', 'of a DELETE');
configure("BEGIN; TRUNCATE leadroute.outbox_consumers; INSERT INTO leadroute.outbox_consumers (consumer, types) VALUES ('x', '{assigned}'); COMMIT");
is($session->query_safe("INSERT INTO crm.leads (id, source) VALUES (9, 'web'); SELECT count(*) FROM leadroute.outbox"), '1', 'of a TRUNCATE and an INSERT');
configure(q{INSERT INTO leadroute.territories (map, territory, area, team) VALUES ('m', 'web', 'source: web', 't');
	INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (5, 'map', 'territory', 'm')});
is($session->query_safe("INSERT INTO crm.leads (id, source) VALUES (10, 'web') RETURNING id; SELECT territory FROM leadroute.lead_states WHERE lead = '10'"), "10\nweb", 'of a map, with its sides');
configure(q{INSERT INTO leadroute.reps (rep) VALUES ('d'); INSERT INTO leadroute.team_members (team, rep) VALUES ('t', 'd')});
my $lowest = $second->safe_psql('postgres', "SELECT min(pointer) FROM leadroute.rep_load WHERE team = 't' AND rep <> 'd'");
is($second->safe_psql('postgres', "SELECT pointer FROM leadroute.rep_load WHERE rep = 'd'"), $lowest, 'a joiner starts at this node\'s lowest pointer');
$session->quit;
healthy($second, 'second node');
is($second->safe_psql('postgres', 'SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> \'r\''), '0', 'the subscription is well');

$_->stop for ($second, $subscriber, $publisher);
done_testing();
