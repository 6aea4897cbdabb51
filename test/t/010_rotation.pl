# Turns and places: concurrency, rollback, crash, restart, promotion, joining, folding, reload.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# The C interface, callable from SQL.
my $module = abs_path(dirname(__FILE__) . '/../modules/rotation');
my $pg_config = $ENV{PG_CONFIG} // 'pg_config';
system_or_bail('make', '-s', '-C', $module, "PG_CONFIG=$pg_config", 'rotation_test.so');

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'leadroute'
leadroute.max_members = 200
max_prepared_transactions = 2
max_connections = 40
autovacuum = off
});
$node->start;

my $functions = qq{
CREATE SCHEMA test;
CREATE FUNCTION test.take(text, text[], integer[], text) RETURNS text LANGUAGE c AS '$module/rotation_test', 'rotation_test_take';
CREATE FUNCTION test.peek(text, text[], integer[]) RETURNS text LANGUAGE c AS '$module/rotation_test', 'rotation_test_peek';
CREATE FUNCTION test.write() RETURNS boolean LANGUAGE c AS '$module/rotation_test', 'rotation_test_write';
CREATE FUNCTION test.cost(text, text[], integer[], integer, integer) RETURNS float8 LANGUAGE c AS '$module/rotation_test', 'rotation_test_cost';
CREATE FUNCTION test.linger(integer) RETURNS void LANGUAGE c AS '$module/rotation_test', 'rotation_test_linger';
-- a turn of a team as it is configured
CREATE FUNCTION test.turn(t text, fate text DEFAULT 'keep') RETURNS text LANGUAGE sql VOLATILE AS \$\$
	SELECT test.take(t, array_agg(m.rep ORDER BY m.rep), array_agg(CASE WHEN p.active THEN m.weight ELSE 0 END ORDER BY m.rep), fate)
	  FROM leadroute.team_members m JOIN leadroute.reps p USING (flow, rep) WHERE m.team = t \$\$;
CREATE FUNCTION test.next(t text) RETURNS text LANGUAGE sql VOLATILE AS \$\$
	SELECT test.peek(t, array_agg(m.rep ORDER BY m.rep), array_agg(CASE WHEN p.active THEN m.weight ELSE 0 END ORDER BY m.rep))
	  FROM leadroute.team_members m JOIN leadroute.reps p USING (flow, rep) WHERE m.team = t \$\$;
CREATE VIEW test.ledger AS SELECT team, rep, round(sum(pointer) / 5354228880, 3) AS pointer, sum(open) AS open FROM leadroute.rotation GROUP BY team, rep;
CREATE FUNCTION test.spread(t text) RETURNS numeric LANGUAGE sql AS 'SELECT max(pointer) - min(pointer) FROM leadroute.rep_load WHERE team = t';
CREATE FUNCTION test.members(t text, n integer) RETURNS void LANGUAGE sql VOLATILE AS \$\$
	INSERT INTO leadroute.reps (rep) SELECT t || i FROM generate_series(1, n) i;
	INSERT INTO leadroute.team_members (team, rep) SELECT t, t || i FROM generate_series(1, n) i; \$\$;
};
$node->safe_psql('postgres', "CREATE EXTENSION leadroute CASCADE; $functions");

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub load { return sql("SELECT string_agg(rep || '=' || trim_scale(pointer) || '/' || open, ' ' ORDER BY rep) FROM leadroute.rep_load WHERE team = '$_[0]'"); }
sub no_drift { is(sql('SELECT * FROM leadroute.rotation_drift()'), '', "shared memory equals the ledger: $_[0]"); }

# -- turns in order, and what gives them back
sql("SELECT test.members('a', 3)");
is(sql("SELECT string_agg(test.turn('a'), ' ') FROM generate_series(1, 4)"), 'a1 a2 a3 a1', 'equal members take turns in listed order');
is(sql("SELECT test.next('a')"), 'a2', 'peek says who is next');
is(sql("BEGIN; SELECT test.turn('a'); SELECT test.turn('a'); ROLLBACK; SELECT test.next('a')"), "a2\na3\na2", 'a rollback gives turns back');
is(sql("BEGIN; SAVEPOINT s; SELECT test.turn('a'); ROLLBACK TO s; SELECT test.turn('a'); RELEASE s; COMMIT; SELECT test.next('a')"),
	"a2\na2\na3", 'a savepoint gives its turn back, a released one keeps it');
is(sql("BEGIN; SELECT test.turn('a', 'give back'); SELECT test.turn('a', 'give back'); COMMIT; SELECT test.next('a')"),
	"a3\na3\na3", 'a row that was not inserted costs no turn');
is(sql("BEGIN; SELECT test.turn('a', 'leave'); COMMIT; SELECT test.next('a')"), "a3\na3", 'a turn that nobody confirmed goes back at commit');
is(load('a'), 'a1=2/2 a2=2/2 a3=1/1', 'pointers and places');
no_drift('after rollbacks');

# -- written inside a savepoint that rolls back, with what the outer level had pending
sql("BEGIN; SELECT test.turn('a'); SAVEPOINT s; SELECT test.turn('a'); SELECT test.write(); ROLLBACK TO s; COMMIT");
is(load('a'), 'a1=2/2 a2=2/2 a3=2/2', 'the outer turn stays');
no_drift('after a write that rolled back to a savepoint');
sql("BEGIN; SELECT test.turn('a'); SAVEPOINT s; SELECT test.turn('a'); SELECT test.write(); RELEASE s; SELECT test.turn('a'); COMMIT");
no_drift('after a write in a released savepoint');
is(sql("SELECT count(*) FROM (SELECT test.turn('a', 'keep') FROM generate_series(1, 30000)) x"), '30000', 'many turns');
is(sql("SELECT count(*) < 40 FROM leadroute.rotation"), 't', 'one transaction appends a row a member, not a lead');
sql(q{DO $$ BEGIN FOR i IN 1 .. 300 LOOP
	BEGIN PERFORM test.turn('a'); IF i % 3 = 0 THEN RAISE EXCEPTION 'x'; END IF; EXCEPTION WHEN raise_exception THEN NULL; END;
END LOOP; END $$});
is(sql("SELECT test.spread('a') <= 1"), 't', 'subtransactions, a third rolled back: nobody is ahead');
no_drift('after many subtransactions');

# -- places: taken at once, free at commit
sql("SELECT leadroute.rotation_open('default', '', 'a1', 3)");
my $holder = $node->background_psql('postgres', on_error_die => 1);
sub shared { return sql("SELECT open FROM leadroute.rotation_member('default', '', 'a1')"); }
$holder->query_safe("BEGIN; SELECT leadroute.rotation_open('default', '', 'a1', -2)");
is(shared(), '3', 'a freed place is not free before the commit');
$holder->query_safe("SELECT leadroute.rotation_open('default', '', 'a1', 1)");
is(shared(), '4', 'a taken one counts at once');
$holder->query_safe('COMMIT');
is(shared(), '2', 'both after the commit');
$holder->query_safe("BEGIN; SELECT leadroute.rotation_open('default', '', 'a1', -1); SELECT leadroute.rotation_open('default', '', 'a1', 5); ROLLBACK");
is(shared(), '2', 'neither after a rollback');
no_drift('after places');

# -- a terminated session
my $before = load('a');
my $pid = $holder->query_safe('SELECT pg_backend_pid()');
$holder->query_safe("BEGIN; SELECT test.turn('a'); SAVEPOINT s; SELECT test.turn('a'); SELECT test.write()");
isnt(load('a'), $before, 'open turns count');
sql("SELECT pg_terminate_backend($pid, 10000)");
is(load('a'), $before, 'a terminated session gives back');
eval { $holder->quit };

# -- two-phase commit
my ($rc, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nBEGIN; SELECT test.turn('a'); PREPARE TRANSACTION 'p'");
like($err, qr/ERROR:  0A000: cannot PREPARE a transaction that has routed leads/, 'PREPARE is refused');
is(load('a'), $before, 'and gives back');
is(sql("BEGIN; SELECT test.turn('a', 'give back') IS NOT NULL; PREPARE TRANSACTION 'p'; COMMIT PREPARED 'p'"), 't', 'not where nothing was taken');

# -- joining and weights
sql("SELECT test.members('j', 4)");
sql("SELECT count(test.turn('j')) FROM generate_series(1, 10000)");
sql("INSERT INTO leadroute.team_members (team, rep) VALUES ('j', 'j5')");
sql("INSERT INTO leadroute.reps (rep) VALUES ('j5')");
is(sql("SELECT pointer FROM leadroute.rep_load WHERE rep = 'j5'"), '2500.000000', 'a joiner starts at the lowest pointer');
no_drift('after a joiner');
is(sql("SELECT string_agg(n || '', ' ') FROM (SELECT count(*) n FROM (SELECT test.turn('j') r FROM generate_series(1, 50) OFFSET 0) x GROUP BY r) y"),
	'10 10 10 10 10', 'and gets as many as the others');
sql("UPDATE leadroute.reps SET active = false WHERE rep = 'j5'");
sql("SELECT count(test.turn('j')) FROM generate_series(1, 400)");
sql("UPDATE leadroute.reps SET active = true WHERE rep = 'j5'");
is(sql("SELECT test.spread('j')"), '0.000000', 'who comes back starts there too');
sql("UPDATE leadroute.team_members SET weight = 0 WHERE rep = 'j5'");
sql("SELECT count(test.turn('j')) FROM generate_series(1, 400)");
sql("BEGIN; UPDATE leadroute.team_members SET weight = 1 WHERE rep = 'j5'; ROLLBACK");
is(sql("SELECT test.spread('j')"), '100.000000', 'a rolled-back return raises nobody');
sql("BEGIN; SAVEPOINT s; UPDATE leadroute.team_members SET weight = 1 WHERE rep = 'j5'; SET CONSTRAINTS ALL IMMEDIATE; ROLLBACK TO s;
	UPDATE leadroute.team_members SET weight = 1 WHERE rep = 'j5'; COMMIT");
is(sql("SELECT test.spread('j')"), '0.000000', 'settled in a savepoint that rolled back, then again');
sql("BEGIN; SET CONSTRAINTS ALL IMMEDIATE; UPDATE leadroute.team_members SET weight = 0 WHERE rep = 'j5';
	UPDATE leadroute.team_members SET weight = 1 WHERE rep = 'j5'; UPDATE leadroute.team_members SET note = 'x' WHERE rep = 'j5'; COMMIT");
is(sql("SELECT test.spread('j')"), '0.000000', 'raised once, however often the row is written');
sql("BEGIN; INSERT INTO leadroute.team_members (team, rep) VALUES ('j', 'j6'), ('j', 'j7'); INSERT INTO leadroute.reps (rep) VALUES ('j6'), ('j7'); COMMIT");
is(sql("SELECT test.spread('j')"), '0.000000', 'two who join together start alike');
no_drift('after joiners');
sql("SELECT test.members('w', 2)");
sql("SELECT count(test.turn('w')) FROM generate_series(1, 200)");
sql("UPDATE leadroute.team_members SET weight = 2 WHERE rep = 'w1'");
is(sql("SELECT string_agg(r || ' ' || n, ', ' ORDER BY r) FROM (SELECT r, count(*) n FROM (SELECT test.turn('w') r FROM generate_series(1, 30) OFFSET 0) x GROUP BY r) y"),
	'w1 20, w2 10', 'a changed weight changes later turns only');

# -- fold
my $ledger = sql('SELECT * FROM test.ledger WHERE pointer <> 0 OR open <> 0 ORDER BY 1, 2');
$holder = $node->background_psql('postgres', on_error_die => 1);
$holder->query_safe("BEGIN; SELECT test.turn('a'); SELECT test.write(); SELECT leadroute.fold_rotation()");
is(sql("SELECT leadroute.fold_rotation() >= 0"), 't', 'two folds do not wait for each other');
$holder->query_safe('ROLLBACK');
ok(sql('SELECT leadroute.fold_rotation()') > 0, 'fold');
is(sql('SELECT leadroute.fold_rotation()'), '0', 'nothing is left to fold');
is(sql('SELECT * FROM test.ledger WHERE pointer <> 0 OR open <> 0 ORDER BY 1, 2'), $ledger, 'folding changes no sum');
no_drift('after folds');

# -- editing the ledger while others have turns open
sql("SELECT test.members('e', 2)");
sql("SELECT count(test.turn('e')) FROM generate_series(1, 10)");
$holder->query_safe("BEGIN; SELECT test.turn('e')");
my $second = $node->background_psql('postgres', on_error_die => 1);
$second->query_safe("BEGIN; SELECT test.turn('e'); SELECT test.write()");
sql("INSERT INTO leadroute.rotation VALUES ('default', 'e', 'e1', 5354228880 * 10, 100)");
is(load('e'), 'e1=16/106 e2=6/6', 'an edit counts at commit, beside open turns');
$holder->query_safe('COMMIT');
$second->query_safe('ROLLBACK');
is(load('e'), 'e1=16/106 e2=5/5', 'and what was open ends as it should');
no_drift('after an edit');
is(sql("BEGIN; INSERT INTO leadroute.rotation VALUES ('default', 'e', 'e1', 1, 1); ROLLBACK; SELECT 1"), '1', 'an edit that rolls back');
no_drift('after an edit that rolled back');

# a reload while a transaction is visible and its commit callback has not run
sql('CREATE TABLE test.visible ()');
$holder->query_safe("BEGIN; SELECT test.turn('e'); INSERT INTO test.visible DEFAULT VALUES; SELECT test.linger(2000)");
$before = load('e');
$holder->query_until(qr/committing/, "\\echo committing\nCOMMIT;\n");
$node->poll_query_until('postgres', 'SELECT count(*) = 1 FROM test.visible') or die 'the transaction never committed';
sql("INSERT INTO leadroute.rotation VALUES ('default', 'x', 'x', 1, 0)");
is(load('e'), $before, 'a reload during a commit counts nothing twice');
no_drift('after a reload during a commit');
$holder->query_safe("BEGIN; SELECT test.turn('e', 'give back'); ROLLBACK");
sql("DELETE FROM leadroute.rotation WHERE ctid IN (SELECT ctid FROM leadroute.rotation WHERE team = 'e' AND rep = 'e2' AND pointer = 5354228880 AND open = 1 LIMIT 1)");
is(load('e'), 'e1=16/106 e2=5/5', 'one turn deleted by hand');

# the newest ledger, also in a transaction with an old snapshot
$holder->query_safe("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM leadroute.rotation");
sql("INSERT INTO leadroute.rotation VALUES ('default', 'e', 'e2', 5354228880 * 20, 0)");
is($holder->query_safe("SELECT test.turn('e')"), 'e1', 'an old snapshot goes by the newest ledger');
$holder->query_safe('ROLLBACK');
sql("DELETE FROM leadroute.rotation WHERE team = 'e' AND pointer = 5354228880 * 20");
is(load('e'), 'e1=16/106 e2=5/5', 'rows deleted by hand');

# a reload in the session that has itself written rows
sql("BEGIN; SELECT test.turn('e'); SELECT test.write(); SELECT leadroute.rotation_reset(); SELECT test.turn('e'); COMMIT");
is(load('e'), 'e1=16/106 e2=7/7', 'a reload between own turns counts none twice');
no_drift('after a reload between own turns');
$second->quit;

# -- many sessions, a third rolled back, some to savepoints, reloads and folds among them
sql("SELECT test.members('c', 7)");
my %script = (
	commit => "SELECT test.turn('c');",
	rollback => "BEGIN; SELECT test.turn('c'); SELECT test.turn('c'); ROLLBACK;",
	savepoint => "BEGIN; SELECT test.turn('c'); SAVEPOINT s; SELECT test.turn('c'); SELECT test.write(); ROLLBACK TO s; SELECT test.turn('c'); COMMIT;",
	fold => "SELECT leadroute.fold_rotation();",
	edit => "INSERT INTO leadroute.rotation VALUES ('default', 'x', 'x', 1, 0);");
my $directory = PostgreSQL::Test::Utils::tempdir;
my @files;
for my $name (sort keys %script)
{
	append_to_file("$directory/$name.sql", "$script{$name}\n");
	push @files, '-f', "$directory/$name.sql@" . ($name eq 'fold' || $name eq 'edit' ? 1 : 10);
}
command_ok([ 'pgbench', '-n', '-c', 16, '-j', 2, '-t', 150, '--random-seed=7', @files, '-h', $node->host, '-p', $node->port, 'postgres' ],
	'16 sessions');
no_drift('after 16 sessions with rollbacks, folds and edits');
sql("SELECT count(test.turn('c')) FROM generate_series(1, 40)");
ok(sql("SELECT test.spread('c')") <= 1, 'members differ by at most one');
is(sql("SELECT sum(pointer) FROM leadroute.rep_load WHERE team = 'c'"), sql("SELECT sum(open) FROM leadroute.rep_load WHERE team = 'c'") . '.000000', 'a place a turn');

# -- crash, restart
my $standing = sql('SELECT * FROM leadroute.rep_load ORDER BY 1, 2, 3');
$holder->query_safe("BEGIN; SELECT test.turn('c'); SELECT test.write()");
my $postmaster = $node->{_pid};
$node->kill9;
for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
{
	last unless kill(0, $postmaster);
	select(undef, undef, undef, 0.1);
}
# the dead postmaster's sessions may hold its memory for a moment
my $started = 0;
for (1 .. $PostgreSQL::Test::Utils::timeout_default)
{
	last if $started = $node->start(fail_ok => 1);
	sleep 1;
}
ok($started, 'starts again after kill -9');
is(sql('SELECT * FROM leadroute.rep_load ORDER BY 1, 2, 3'), $standing, 'the same after a crash, without what was open');
no_drift('after a crash');
$node->restart;
command_ok([ 'pgbench', '-n', '-c', 16, '-j', 2, '-t', 5, '-f', "$directory/savepoint.sql", '-h', $node->host, '-p', $node->port, 'postgres' ],
	'16 sessions, the first of which loads');
no_drift('after loading under load');
eval { $holder->quit };
my $next = sql("SELECT test.next('e')");
$node->stop('fast');
$node->start;
is(sql("SELECT test.next('e')"), $next, 'the same after a restart');

# -- standby and promotion
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
sql("SELECT test.turn('e')");
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', 'SELECT * FROM leadroute.rep_load ORDER BY 1, 2, 3'),
	sql('SELECT * FROM leadroute.rep_load ORDER BY 1, 2, 3'), 'a standby reads the ledger');
is($standby->safe_psql('postgres', "SELECT test.next('e')"), sql("SELECT test.next('e')"), 'and can say who is next');
is($standby->safe_psql('postgres', "SELECT test.next('e'), test.next('w')"), sql("SELECT test.next('e'), test.next('w')"), 'of two teams in one statement');
($rc, $out, $err) = $standby->psql('postgres', "SELECT test.turn('e')");
like($err, qr/cannot execute taking a turn during recovery/, 'and takes nothing');
my $across = $standby->background_psql('postgres', on_error_die => 1);
$next = $across->query_safe("SELECT test.next('e')");
$node->stop('fast');
$standby->promote;
is($across->query_safe("SELECT test.turn('e')"), $next, 'a session that saw the promotion goes on');
$across->quit;
is($standby->safe_psql('postgres', 'SELECT * FROM leadroute.rotation_drift()'), '', 'shared memory equals the ledger: after a promotion');
$standby->stop('fast');

# -- without the library
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->start;
is(sql("SELECT rotation_ready FROM leadroute.rotation_ready()"), 'f', 'not preloaded');
sql("INSERT INTO leadroute.team_members (team, rep) VALUES ('c', 'a1'), ('c', 'a2')");
ok(sql("SELECT test.spread('c')") <= 1, 'a joiner starts at the lowest pointer of the ledger');
sql("SELECT leadroute.rotation_open('default', '', 'a1', 7)");
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'leadroute'\n");
$node->restart;
is(shared(), '9', 'places of the time without the library');
no_drift('after a time without the library');

# -- dropped and made again; full
sql("DROP EXTENSION leadroute CASCADE; CREATE EXTENSION leadroute CASCADE");
sql("DROP SCHEMA test CASCADE; $functions SELECT test.members('e', 2)");
is(load('e'), 'e1=0/0 e2=0/0', 'a new installation begins at nothing');
is(sql("BEGIN; DROP EXTENSION leadroute CASCADE; ROLLBACK; SELECT test.turn('e')"), 'e1', 'a drop that rolled back');
no_drift('in a new installation');
($rc, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT count(leadroute.rotation_open('default', '', 'f' || i, 1)) FROM generate_series(1, 2000) i");
like($err, qr/ERROR:  53400: out of shared memory for members of teams.*HINT:  Raise leadroute.max_members/s, 'no room');
is(sql("SELECT test.turn('e')"), 'e2', 'those who are there go on');
no_drift('after no room');

# -- room of dropped databases is used again
$node->append_conf('postgresql.conf', "leadroute.max_members = 400\n");
$node->restart;
for my $i (1 .. 3)
{
	$node->safe_psql('postgres', 'CREATE DATABASE other');
	$node->safe_psql('other', "CREATE EXTENSION leadroute CASCADE; SELECT count(leadroute.rotation_open('default', '', 'f' || i, 1)) FROM generate_series(1, 250) i");
	is($node->safe_psql('other', 'SELECT count(*) FROM leadroute.rotation_drift()'), '0', "database $i");
	$node->safe_psql('postgres', 'DROP DATABASE other');
}

$node->stop('fast');
done_testing();
