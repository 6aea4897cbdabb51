# Caps under many sessions: never exceeded, exact after rollbacks, deadlocks, terminated sessions, a crash and a restart.
use strict;
use warnings;

use File::Basename qw(dirname);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib dirname(__FILE__);
use Caps;
use Stress;

my $node = stress_node('primary', 'deadlock_timeout = 20ms', 'log_min_messages = fatal');
sub sql { return $node->safe_psql('postgres', $_[0]); }
caps_setup($node);
note "no cap was exceeded where this has no rows:\n$Caps::violations";

my $killed = caps_stress($node, $ENV{LEADROUTE_FULL} ? 60 : 8);
cmp_ok($killed, '>', 0, "sessions were terminated: $killed");
my $decided = sql("SELECT count(*) FILTER (WHERE owner IS NOT NULL) || ' picked, ' || count(*) FILTER (WHERE path::text ~ 'at a cap') || ' capped' FROM leadroute.events WHERE kind = 'decided'");
note $decided;
like($decided, qr/^[1-9]\d\d+ picked, [1-9]\d\d+ capped$/, 'leads were picked for, and held back by caps');
is(sql('SELECT count(DISTINCT owner) FROM leads'), '20', 'all reps had some');
caps_whole($node, '32 sessions');

# a violation that was planted is found: of each kind
for my $plant ([ 'member, hour', "SELECT 'default', 'p' || i, at, 'decided', 'assigned', owner, team FROM leadroute.events e, generate_series(1, 5) i WHERE e.id = f.id" ],
	[ 'rep, rolling hour', "SELECT 'default', 'p' || i, at + i * interval '1 second', 'decided', 'assigned', owner, 'x' || i FROM leadroute.events e, generate_series(1, 11) i WHERE e.id = f.id" ],
	[ 'rep, day', "SELECT 'default', 'p' || i, date_trunc('day', at, 'UTC') + i * interval '20 minutes', 'decided', 'assigned', owner, 'x' || i FROM leadroute.events e, generate_series(1, 61) i WHERE e.id = f.id" ],
	[ 'member, rolling day', "SELECT 'default', 'p' || i, at + i * interval '40 minutes', 'decided', 'assigned', owner, team FROM leadroute.events e, generate_series(1, 31) i WHERE e.id = f.id" ])
{
	my ($cap, $rows) = @$plant;
	like(sql("BEGIN; INSERT INTO leadroute.events (flow, lead, at, kind, code, owner, team) SELECT p.* FROM (SELECT id FROM leadroute.events WHERE kind = 'decided' AND owner = 'r1' ORDER BY id LIMIT 1) f,
		LATERAL ($rows) p; SELECT DISTINCT cap FROM ($Caps::violations) v; ROLLBACK"), qr/^\Q$cap\E$/m, "a planted violation is found: $cap");
}

# -- the counts of today after a crash and a restart
my $clock = sql('SELECT max(at) FROM leadroute.events');
my $counts = "SET leadroute.clock = '$clock'; SELECT m.team, m.rep, c.of_rep, c.period, c.begins, c.leads FROM leadroute.team_members m,
	LATERAL leadroute.rotation_counts('default', m.team, m.rep) c WHERE c.ends > leadroute.clock() AND c.period !~ 'rolling' AND c.leads > 0 ORDER BY 1, 2, 3, 4, 5";
# a session that asks for the caps has them counted
my $touch = "SET leadroute.clock = '$clock'; SELECT count(*) FROM generate_series(0, 4) t, LATERAL leadroute.explain(jsonb_populate_record(NULL::leads, jsonb_build_object('id', 0, 'product', t)))";
my $before = sql($counts);
cmp_ok(length $before, '>', 0, 'counts of the current hour and day');
my $holder = $node->background_psql('postgres', on_error_die => 1);
$holder->query_safe("SET leadroute.clock = '$clock'; BEGIN; INSERT INTO leads (email, product) SELECT 'x', i % 6 FROM generate_series(1, 60) i; SELECT 1");
$node->kill9;
eval { $holder->quit };
stress_restart($node);
sql($touch);
is(sql($counts), $before, 'the same after kill -9, without what was open');
$node->restart;
sql($touch);
is(sql($counts), $before, 'and after a restart');
caps_whole($node, 'a crash and a restart');
is(sql("SET leadroute.clock = '$clock'; INSERT INTO leads (email, product) SELECT 'x', i % 6 FROM generate_series(1, 2000) i; SELECT count(*) FROM ($Caps::violations) v"), '0', 'caps go on from there');

# -- a cap that is new counts from its first use on
sql(q{INSERT INTO leadroute.reps (rep) VALUES ('n'); INSERT INTO leadroute.teams (team) VALUES ('new'); INSERT INTO leadroute.team_members (team, rep) VALUES ('new', 'n');
	INSERT INTO leadroute.rules (position, rule, condition, target, target_name, if_unavailable) VALUES (50, 'new', 'product = $$new$$', 'team', 'new', 'fallthrough')});
$holder = $node->background_psql('postgres', on_error_die => 1);
my $insert = "SET leadroute.clock = '$clock'; INSERT INTO leads (email, product) VALUES ('x', 'new') RETURNING coalesce(owner, '-')";
$holder->query_safe("SET leadroute.clock = '$clock'; BEGIN; INSERT INTO leads (email, product) VALUES ('x', 'new')");
sql("UPDATE leadroute.team_members SET caps = '{2 per day}' WHERE team = 'new'");
is(sql($insert), 'n', 'the first after the cap');
# a session that has not heard of the cap counts for it
$holder->query_safe("INSERT INTO leads (email, product) VALUES ('x', 'new')");
is(sql($insert), '-', 'a second one, still open, counts');
$holder->query_safe('ROLLBACK');
is(sql($insert) . sql($insert), 'n-', 'until it is rolled back');
sql("UPDATE leadroute.team_members SET caps = '{2 per day,1 per hour}' WHERE team = 'new'");
is(sql($insert), '-', 'a second cap knows what the first had counted');
is(sql("SET leadroute.clock = '$clock'; SELECT * FROM leadroute.cap_drift()"), '', 'and so does the ledger');
$holder->quit;

# -- drift is found, corrected and shown
sql("CALL leadroute.sweep()");
is(sql("SELECT status FROM leadroute.health WHERE check_name = 'turns'"), 'ok', 'health: turns are right');

$node->stop('fast');
done_testing();
