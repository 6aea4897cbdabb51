# Leads from many sessions: turns in a row, rollbacks, crash and promotion in the middle, joiners, batches, isolation levels.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use lib abs_path(dirname(__FILE__));
use Stress;

my $node = stress_node('primary', 'max_prepared_transactions = 2');
stress_setup($node);

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub session { return $_[0]->background_psql('postgres', on_error_die => 1); }

# -- 16 sessions, no rollback: nobody is ever ahead by more than one turn, open ones included
my $insert = "INSERT INTO leads (email) VALUES ('a');";

my $look = "SELECT max(pointer) - min(pointer) FROM leadroute.rep_load WHERE team = 't'";
sql("CREATE PROCEDURE look(n integer, INOUT worst numeric DEFAULT 0) LANGUAGE plpgsql AS \$\$
	BEGIN FOR i IN 1 .. n LOOP worst := greatest(worst, ($look)); END LOOP; END \$\$");
my $watch = session($node);
my ($worst, $observations) = (0, 0);
my $sessions = IPC::Run::start([ stress_pgbench($node, 16, 300, [ $insert, 1 ]) ], '>', '/dev/null', '2>', \my $complaints);
while ($sessions->pumpable)
{
	# many looks a call, each with a snapshot of its own
	my $spread = $watch->query_safe('CALL look(100)');
	$worst = $spread if $spread > $worst;
	$observations += 100;
	$sessions->pump_nb;
}
ok($sessions->finish, '16 sessions of single-row inserts') or diag $complaints;
cmp_ok($observations, '>', 500, 'the team was looked at while they ran');
cmp_ok($worst, '<=', 1, "members never differ by more than 1 ($observations looks)");
is(sql('SELECT count(*) FROM leads'), 16 * 300, 'every lead is in');
is(sql("SELECT max(n) - min(n) <= 1 AND min(n) > 0 AND count(*) = 7 FROM (SELECT count(*) n FROM leads GROUP BY owner) x"), 't', 'shared out to one');
stress_whole($node, '16 sessions');

# -- a third rolled back, some to savepoints
my @mixed = (
	[ $insert, 4 ],
	[ "BEGIN; $insert $insert ROLLBACK;", 1 ],
	[ "BEGIN; $insert SAVEPOINT s; $insert ROLLBACK TO s; $insert COMMIT;", 1 ]);
command_ok([ stress_pgbench($node, 16, 200, @mixed) ], '16 sessions, a third of them with rollbacks');
stress_whole($node, 'rollbacks');
# 16 transactions gave back two turns each at the most
sql("INSERT INTO leads (email) SELECT 'a' FROM generate_series(1, 32)");
cmp_ok(stress_spread($node, 't'), '<=', 1, 'members differ by at most 1 once as many further leads are in as were given back');
is(sql("SELECT sum(pointer) = (SELECT count(*) FROM leads) FROM leadroute.rep_load WHERE team = 't'"), 't', 'a turn for each lead that stands');

# -- kill -9 in the middle
$watch->quit;
$sessions = IPC::Run::start([ stress_pgbench($node, 16, 100000, @mixed) ], '>', '/dev/null', '2>', '/dev/null');
$node->poll_query_until('postgres', 'SELECT count(*) > 9000 FROM leads') or die 'no leads came in';
$node->kill9;
$sessions->finish;
stress_restart($node);
stress_whole($node, 'kill -9 and restart');
sql("INSERT INTO leads (email) SELECT 'a' FROM generate_series(1, 48)");
cmp_ok(stress_spread($node, 't'), '<=', 1, 'members differ by at most 1 after kill -9');
is(sql("SELECT sum(pointer) = (SELECT count(*) FROM leads) FROM leadroute.rep_load WHERE team = 't'"), 't', 'a turn for each lead that stands after kill -9');

# -- a fifth member joins after 100,000 leads; kill -9; the next fifty are shared by five
sql(q{INSERT INTO leadroute.reps (rep) SELECT 'j' || i FROM generate_series(1, 5) i;
	INSERT INTO leadroute.teams (team) VALUES ('j'), ('w');
	INSERT INTO leadroute.team_members (team, rep) SELECT 'j', 'j' || i FROM generate_series(1, 4) i;
	INSERT INTO leadroute.team_members (team, rep) VALUES ('w', 'r1'), ('w', 'r2');
	INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES
		(1, 'j', $$country = 'j'$$, 'team', 'j'), (2, 'w', $$country = 'w'$$, 'team', 'w');
	INSERT INTO leads (country) SELECT 'j' FROM generate_series(1, 100000)});
is(sql("SELECT string_agg(owner || ' ' || n, ', ' ORDER BY owner) FROM (SELECT owner, count(*) n FROM leads WHERE country = 'j' GROUP BY owner) x"),
	'j1 25000, j2 25000, j3 25000, j4 25000', '100,000 leads for four');
sql("INSERT INTO leadroute.team_members (team, rep) VALUES ('j', 'j5')");
$node->kill9;
stress_restart($node);
sql("INSERT INTO leads (country, email) SELECT 'j', 'late' FROM generate_series(1, 50)");
is(sql("SELECT string_agg(owner || ' ' || n, ', ' ORDER BY owner) FROM (SELECT owner, count(*) n FROM leads WHERE country = 'j' AND email = 'late' GROUP BY owner) x"),
	'j1 10, j2 10, j3 10, j4 10, j5 10', 'a joiner gets his fifth, no flood, also after kill -9');

# -- a changed weight changes later turns only
sql("INSERT INTO leads (country) SELECT 'w' FROM generate_series(1, 200)");
is(sql("SELECT string_agg(owner || ' ' || n, ', ' ORDER BY owner) FROM (SELECT owner, count(*) n FROM leads WHERE country = 'w' GROUP BY owner) x"), 'r1 100, r2 100', 'weights alike');
sql("UPDATE leadroute.team_members SET weight = 2 WHERE team = 'w' AND rep = 'r1'");
sql("INSERT INTO leads (country, email) SELECT 'w', 'late' FROM generate_series(1, 30)");
is(sql("SELECT string_agg(owner || ' ' || n, ', ' ORDER BY owner) FROM (SELECT owner, count(*) n FROM leads WHERE country = 'w' AND email = 'late' GROUP BY owner) x"), 'r1 20, r2 10', 'weight 1 to 2: the next thirty go 20 and 10');
stress_whole($node, 'joiners and weights');

# -- 20-row statements over ten teams
sql(q{INSERT INTO leadroute.teams (team) SELECT 'b' || i FROM generate_series(0, 9) i;
	INSERT INTO leadroute.team_members (team, rep) SELECT 'b' || i, 'r' || r FROM generate_series(0, 9) i, generate_series(1, 7) r;
	INSERT INTO leadroute.rules (position, rule, condition, target, target_name)
		SELECT 10 + i, 'b' || i, format('country = %L', 'b' || i), 'team', 'b' || i FROM generate_series(0, 9) i});
command_ok([ stress_pgbench($node, 8, 50,
	[ "INSERT INTO leads (country) SELECT 'b' || (i % 10) FROM generate_series(1, 20) i ORDER BY random();", 1 ]) ], '8 sessions of 20-row statements over 10 teams');
is(sql("SELECT count(*) FROM leads WHERE team ~ '^b[0-9]\$' AND team = country"), 8 * 50 * 20, 'all in, no deadlock');
is(sql("SELECT max(n) - min(n) <= 1 AND count(*) = 70 FROM (SELECT count(*) n FROM leads WHERE country ~ '^b[0-9]\$' GROUP BY team, owner) x GROUP BY ()"), 't', 'shared out in each team');
stress_whole($node, '20-row statements');

# -- a long COPY that stays open does not make another session's insert wait
my $copy = session($node);
my $pid = $copy->query_safe('SELECT pg_backend_pid()');
sql('CREATE TABLE staged AS SELECT i + 1000000 AS id FROM generate_series(1, 20000) i');
my $rows = $node->basedir . '/rows';
sql("COPY staged TO '$rows'");
sub turns { return sql("SELECT sum(pointer) FROM leadroute.rep_load WHERE team = 't'"); }
my $turns = turns();
$copy->query_safe("BEGIN; COPY leads (id) FROM '$rows'");
is(sql("SET lock_timeout = '2s'; SET statement_timeout = '10s'; INSERT INTO leads (id) VALUES (1020001) RETURNING owner IS NOT NULL"), 't',
	'a lead of the same team goes in beside an open COPY');
is(sql("SELECT count(*) FROM leads WHERE id > 1000000"), '1', 'while the COPY is open');
# -- terminated with its turns open
sql("SELECT pg_terminate_backend($pid, 20000)");
eval { $copy->quit };
sql('DELETE FROM leads WHERE id = 1020001');
stress_whole($node, 'a terminated session', gone => 1);
is(turns(), $turns + 1 . '.000000', 'the turns of a terminated session went back');

# -- terminated in the middle of a COPY
sql("COPY (SELECT i + 2000000 FROM generate_series(1, 300000) i) TO '$rows'");
$copy = $node->background_psql('postgres', on_error_die => 1);
$pid = $copy->query_safe('SELECT pg_backend_pid()');
$copy->query_until(qr/started/, "\\echo started\nCOPY leads (id) FROM '$rows';\n");
$node->poll_query_until('postgres', "SELECT sum(pointer) > $turns + 1000 FROM leadroute.rep_load WHERE team = 't'") or die 'the COPY took no turns';
sql("SELECT pg_terminate_backend($pid, 20000)");
eval { $copy->quit };
is(turns(), $turns + 1 . '.000000', 'terminated in the middle of a COPY: its turns went back');
stress_whole($node, 'terminated in the middle of a COPY', gone => 1);

# -- two-phase commit
my ($rc, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nBEGIN; $insert PREPARE TRANSACTION 'p'");
like($err, qr/ERROR:  0A000: cannot PREPARE a transaction that has routed leads\n.*DETAIL:  .*\nHINT:  Use COMMIT/, 'PREPARE TRANSACTION is refused where a lead was routed');
is(sql("BEGIN; SELECT count(*) > 0 FROM leads; SELECT count(*) > 0 FROM leadroute.explain(1); PREPARE TRANSACTION 'p'; COMMIT PREPARED 'p'"), "t\nt", 'and not where leads were only read');
is(sql("BEGIN; SAVEPOINT s; $insert ROLLBACK TO s; PREPARE TRANSACTION 'p'; COMMIT PREPARED 'p'; SELECT 'done'"), 'done', 'nor where all of it was rolled back');
stress_whole($node, 'two-phase commit', gone => 1);

# -- isolation levels: configuration and known leads by the newest snapshot
sub owners { return $_[0]->query_safe("SELECT string_agg(owner, ' ' ORDER BY id) FROM leads WHERE id BETWEEN $_[1] AND $_[1] + 99"); }
for my $level ('REPEATABLE READ', 'SERIALIZABLE')
{
	my $old = session($node);
	my $key = $level eq 'SERIALIZABLE' ? 4000000 : 3000000;
	$old->query_safe("BEGIN ISOLATION LEVEL $level; SELECT count(*) FROM leads; SELECT count(*) FROM leadroute.rules");
	$old->query_safe("INSERT INTO leads (id, country) VALUES ($key, 'x')");
	sql(q{INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES (500, 'x', $$country = 'x'$$, 'rep', 'j1')});
	$old->query_safe("INSERT INTO leads (id, country) VALUES ($key + 1, 'x')");
	like(owners($old, $key), qr/^r\d j1$/, "$level: a rule that another session committed meanwhile decides the next lead");

	# its own changes, until they are rolled back
	$old->query_safe(q{SAVEPOINT s; INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES (400, 'y', $$country = 'x'$$, 'rep', 'j2')});
	$old->query_safe("INSERT INTO leads (id, country) VALUES ($key + 2, 'x')");
	like(owners($old, $key), qr/ j1 j2$/, "$level: so does its own rule");
	is(sql("INSERT INTO leads (id, country) VALUES ($key + 50, 'x') RETURNING owner"), 'j1', "$level: which nobody else sees");
	$old->query_safe("ROLLBACK TO s; INSERT INTO leads (id, country) VALUES ($key + 3, 'x')");
	like(owners($old, $key), qr/ j1 j1$/, "$level: until ROLLBACK TO");
	$old->query_safe('COMMIT');
	sql("DELETE FROM leadroute.rules WHERE rule = 'x'");

	# a lead that another session has made known
	$old->query_safe("BEGIN ISOLATION LEVEL $level; SELECT count(*) FROM leads");
	my $was = sql("INSERT INTO leads (id) VALUES ($key + 60) RETURNING owner");
	sql("DELETE FROM leads WHERE id = $key + 60");
	is($old->query_safe("INSERT INTO leads (id) VALUES ($key + 60) RETURNING owner"), $was, "$level: a lead that another session made known meanwhile");
	$old->query('COMMIT');
	$old->quit;
	is(sql("SELECT count(*) FROM leadroute.events WHERE lead = ($key + 60)::text AND kind = 'decided'"), '1', "$level: it was decided once");
}

# -- promotion in the middle
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
my $lead = sql("INSERT INTO leads (email) VALUES ('x') RETURNING id");
$node->wait_for_catchup($standby);
# who of equals goes next is not in the ledger: who waited longest is known to the primary's memory only
my $explain = "SELECT string_agg(e::text, E'\\n') FROM leadroute.explain($lead) e WHERE e::text !~ '^.\\d+,(rep|decision),'";
is($standby->safe_psql('postgres', $explain), sql($explain), 'a standby explains a lead as the primary does');
($rc, $out, $err) = $standby->psql('postgres', $insert);
like($err, qr/cannot execute INSERT in a read-only transaction/, 'and takes no lead');
my $before = sql('SELECT count(*) FROM leads');
$sessions = IPC::Run::start([ stress_pgbench($node, 16, 100000, @mixed) ], '>', '/dev/null', '2>', '/dev/null');
$node->poll_query_until('postgres', "SELECT count(*) > $before + 2000 FROM leads") or die 'no leads came in';
$node->stop('immediate');
$sessions->finish;
$standby->promote;
stress_whole($standby, 'promotion', gone => 1);
cmp_ok($standby->safe_psql('postgres', 'SELECT count(*) FROM leads'), '>', $before, 'leads came along');
$standby->safe_psql('postgres', "INSERT INTO leads (email) SELECT 'a' FROM generate_series(1, 48)");
cmp_ok(stress_spread($standby, 't'), '<=', 1, 'members differ by at most 1 after a promotion');
$standby->stop('fast');

done_testing();
