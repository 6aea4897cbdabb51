# Steps of deadlines under fire: two sweeps and a crash in the middle of their batches, a prepared transaction that holds more leads than a sweep looks up at
# once, clocks whose lead is gone, a standby that takes over, a role that may sweep and nothing else. And a sweep has nothing compiled for its small batches.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'pg_stat_statements,leadroute'
pg_stat_statements.track = all
max_prepared_transactions = 4
jit = on
});
$node->start;

sub q1 { my ($sql) = @_; return $node->safe_psql('postgres', $sql); }

# so many leads at 09:00, whose reminder is due at 09:05
sub arrive { my ($n) = @_; q1(qq{SET leadroute.clock = '2026-03-02 09:00Z'; INSERT INTO leads (id) SELECT nextval('arrivals') FROM generate_series(1, $n)}); return; }
sub sweep { my ($time, $role) = @_; return q1(qq{SET leadroute.clock = '2026-03-02 ${time}Z'; } . ($role ? "SET ROLE $role; " : '') . q{CALL leadroute.sweep(parts => '{steps}')}); }

# how many leads have how many rows: of sla_fired, events, messages, steps that their clock knows of
sub done
{
	return q1(q{
		SELECT coalesce(string_agg(n || ' x ' || got, ', ' ORDER BY got), '')
		FROM (SELECT count(*) AS n, got
			  FROM (SELECT concat_ws(' ', (SELECT count(*) FROM leadroute.sla_fired f WHERE f.lead = c.lead), (SELECT count(*) FROM leadroute.events e WHERE e.lead = c.lead AND e.kind = 'reminder'),
						(SELECT count(*) FROM leadroute.outbox o WHERE o.aggregateid = c.lead AND o.type = 'reminder'), cardinality(coalesce(c.steps_done, '{}'))) AS got
					FROM leadroute.clocks c) l
			  GROUP BY got) g});
}

q1(q{
	SET client_min_messages = warning;
	CREATE EXTENSION pg_stat_statements;
	CREATE EXTENSION leadroute CASCADE;
	CREATE TABLE leads (id bigint PRIMARY KEY, email text, submitted_at timestamptz, owner text);
	CREATE SEQUENCE arrivals;
	SELECT leadroute.attach('leads');
	INSERT INTO leadroute.reps (rep) VALUES ('a'), ('b');
	INSERT INTO leadroute.teams (team) VALUES ('west');
	INSERT INTO leadroute.team_members (team, rep) VALUES ('west', 'a'), ('west', 'b');
	INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (1, 'all', 'team', 'west');
	INSERT INTO leadroute.sla_policies (policy, position, metric, target) VALUES ('first', 10, 'first_touch', '10 min');
	INSERT INTO leadroute.sla_steps (policy, at, action, recipient) VALUES ('first', '50%', 'remind', 'owner');
	INSERT INTO leadroute.outbox_consumers (consumer, types) VALUES ('slack', '{reminder}');
	SELECT leadroute.activate();
	CALL leadroute.catch_up();
	UPDATE leadroute.sweep_parts SET batch = 10 WHERE part = 'steps';
	CREATE ROLE sweeper;
	GRANT leadroute_operator TO sweeper;
});

# a role that may sweep, and nothing else; and nothing is compiled, though a plan that is held to an index looks as if it were worth it
arrive(30);
q1('SELECT pg_stat_statements_reset()');
sweep('09:05', 'sweeper');
is(done(), '30 x 1 1 1 1', 'a role that owns nothing and may read no lead');
is(q1('SELECT sum(jit_functions) FROM pg_stat_statements'), '0', 'nothing was compiled for it');
q1('TRUNCATE leadroute.clocks');

# a prepared transaction holds the first 500: a sweep looks up 200 at once
arrive(600);
q1(q{BEGIN; SELECT FROM leadroute.lead_states WHERE lead::bigint BETWEEN 31 AND 530 FOR UPDATE; PREPARE TRANSACTION 'far'});
sweep('09:05');
is(done(), '500 x 0 0 0 0, 100 x 1 1 1 1', 'leads behind those that a prepared transaction holds are not kept waiting');
sweep('09:05');
is(done(), '500 x 0 0 0 0, 100 x 1 1 1 1', 'nor is anything done twice');
$node->restart;
sweep('09:05');
is(done(), '500 x 0 0 0 0, 100 x 1 1 1 1', 'after a restart it holds them still');
q1(q{COMMIT PREPARED 'far'});
sweep('09:05');
is(done(), '600 x 1 1 1 1', 'and those when it has ended');
q1('TRUNCATE leadroute.clocks');

# clocks of leads of which nothing is there any more, and of leads that were deleted
arrive(400);
q1(q{SET session_replication_role = replica; DELETE FROM leadroute.lead_states WHERE lead::bigint BETWEEN 631 AND 930; RESET session_replication_role; DELETE FROM leads WHERE id BETWEEN 931 AND 990});
sweep('09:05');
is(done(), '360 x 0 0 0 0, 40 x 1 1 1 1', 'clocks without a lead are in nobody\'s way');
q1('TRUNCATE leadroute.clocks');

# the server crashes while two sweeps are at it: what is committed is whole, the rest is done by the next, nothing twice
arrive(3000);
foreach my $crash (1 .. 3)
{
	my $out = '';
	my @sweeps = map { IPC::Run::start(['psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', q{SET leadroute.clock = '2026-03-02 09:05Z'}, '-c', q{CALL leadroute.sweep(parts => '{steps}')}],
		'<', \undef, '>', \$out, '2>', \$out) } 1 .. 2;
	foreach (1 .. 500)
	{
		last if q1(q{SELECT count(*) FROM leadroute.sla_fired WHERE lead::bigint > 1030}) > 300 * $crash;
		usleep(5_000);
	}
	$node->stop('immediate');
	$_->finish foreach @sweeps;
	$node->start;
	like(done(), qr/^([0-9]+ x 0 0 0 0, )?[0-9]+ x 1 1 1 1$/, "crash $crash: each reminder is there whole, or not at all: " . done());
}
sweep('09:05');
is(done(), '3000 x 1 1 1 1', 'and the next sweep does the rest, nothing twice');
q1('TRUNCATE leadroute.clocks');

# a standby refuses, and goes on where it takes over
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
arrive(50);
q1(q{BEGIN; SET leadroute.clock = '2026-03-02 09:05Z'; CALL leadroute.sweep(parts => '{steps}'); COMMIT});
is(done(), '40 x 0 0 0 0, 10 x 1 1 1 1', 'one batch in a transaction block');
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
my ($status, $said, $error) = $standby->psql('postgres', q{SET leadroute.clock = '2026-03-02 09:05Z'; CALL leadroute.sweep(parts => '{steps}')});
like($error, qr/cannot execute .* (in a read-only transaction|during recovery)/, 'a standby does no steps');
$node->stop('immediate');
$standby->promote;
$node = $standby;
sweep('09:05');
is(done(), '50 x 1 1 1 1', 'it does them when it has taken over, each once');

$node->stop;
done_testing();
