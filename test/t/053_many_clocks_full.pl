# A sweep costs what is due, not what exists: a thousand due steps among ten million open clocks. LEADROUTE_CLOCKS makes it another number.
use strict;
use warnings;

use List::Util qw(min);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $clocks = $ENV{LEADROUTE_CLOCKS} || 10_000_000;
my $few = 100_000;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'leadroute'
shared_buffers = 512MB
max_wal_size = 2GB
wal_level = minimal
max_wal_senders = 0
fsync = off
autovacuum = off
});
$node->start;
sub sql { return $node->safe_psql('postgres', $_[0], timeout => 1800); }

sql(q{
	SET client_min_messages = warning;
	CREATE EXTENSION leadroute CASCADE;
	CREATE TABLE leads (id text PRIMARY KEY, submitted_at timestamptz, owner text);
	SELECT leadroute.attach('leads');
	INSERT INTO leadroute.reps (rep, manager) SELECT 'r' || i, 'boss' FROM generate_series(1, 20) i;
	INSERT INTO leadroute.reps (rep) VALUES ('boss');
	INSERT INTO leadroute.teams (team) VALUES ('west');
	INSERT INTO leadroute.team_members (team, rep) SELECT 'west', 'r' || i FROM generate_series(1, 20) i;
	INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (1, 'all', 'team', 'west');
	INSERT INTO leadroute.sla_policies (policy, position, metric, target)
		SELECT 'p' || n, 10, m, '10 days' FROM unnest('{first_touch,decision,meeting,queue_age,next_touch}'::text[]) WITH ORDINALITY u(m, n);
	INSERT INTO leadroute.sla_steps (policy, at, action, recipient)
		SELECT policy, at, action, recipient FROM leadroute.sla_policies, (VALUES ('50%', 'remind', 'owner'), ('due', 'notify', 'manager')) s(at, action, recipient);
	SELECT leadroute.activate();
	CALL leadroute.catch_up();
});

# Five clocks a lead, straight into the tables, with the first step due five days after it came: two hundred leads every twelve seconds from the
# first on, so the thousand that a sweep finds lie at one end of the index, as they always do.
my $loaded = 0;
sub load
{
	my ($total) = @_;
	my ($from, $to) = ($loaded / 5 + 1, $total / 5);
	sql(qq{
		SET session_replication_role = replica;
		INSERT INTO leadroute.lead_states (flow, lead, status, code, owner, team, rule, submitted_at, routed_at, assigned_at, sla_due_at)
		SELECT 'default', lpad(i::text, 8, '0'), 'assigned', 'assigned', 'r' || 1 + i % 20, 'west', 'all', at, at, at, at + interval '10 days'
		FROM generate_series($from, $to) i, LATERAL (SELECT '2026-03-02 00:00Z'::timestamptz + i * interval '60 ms') l(at);
		INSERT INTO leadroute.clocks (flow, lead, policy, round, metric, owner, started_at, assigned_at, held_since, due_at, rep_due_at, risk_at, rep_risk_at, paused, next_at)
		SELECT 'default', lpad(i::text, 8, '0'), p.policy, 1, p.metric, 'r' || 1 + i % 20, at, at, at, at + interval '10 days', at + interval '10 days',
			at + interval '5 days', at + interval '5 days', 0, at + interval '5 days'
		FROM generate_series($from, $to) i, LATERAL (SELECT '2026-03-02 00:00Z'::timestamptz + i * interval '60 ms') l(at), leadroute.sla_policies p;
		VACUUM ANALYZE leadroute.clocks, leadroute.lead_states;
	});
	$loaded = $total;
	return;
}

# Twelve seconds on: a thousand steps are due. The first batch of a session reads the configuration; of the second the buffers are counted.
my $wave = 0;
sub due { $wave++; return "SET leadroute.clock = '" . sql(qq{SELECT '2026-03-07 00:00Z'::timestamptz + $wave * interval '12 s'}) . "'"; }
sub measure
{
	my $session = $node->background_psql('postgres', on_error_die => 1, timeout => 600);
	$session->query_safe(due());
	$session->query_safe(q{SELECT * FROM leadroute.sweep_steps('default', 100)});
	my ($buffers) = $session->query_safe(q{EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) SELECT * FROM leadroute.sweep_steps('default', 100)}) =~ /Buffers: shared (.*)/;
	my $pages = 0;
	$pages += $1 while $buffers =~ /(?:hit|read)=(\d+)/g;
	$session->query_safe(q{CALL leadroute.sweep(parts => '{steps}')});
	my @took;
	foreach (1 .. 3)
	{
		$session->query_safe(due());
		my $start = time;
		$session->query_safe(q{CALL leadroute.sweep(parts => '{steps}')});
		push @took, time - $start;
		is($session->query_safe(q{SELECT rows FROM leadroute.sweep_runs WHERE part = 'steps'}), '1000', 'a thousand steps were due, and done');
	}
	$session->quit;
	return ($pages, min(@took));
}

load($few);
my ($pages_few, $took_few) = measure();
my $start = time;
load($clocks);
diag(sprintf '%d open clocks loaded in %.0f s: %s', $clocks, time - $start, sql(q{SELECT pg_size_pretty(pg_total_relation_size('leadroute.clocks'))}));
my ($pages_many, $took_many) = measure();
diag(sprintf '100 steps: %d pages among %d open clocks, %d among %d; 1000 steps: %.3f s and %.3f s', $pages_few, $few, $pages_many, $clocks, $took_few, $took_many);
cmp_ok($pages_many, '<', 1.5 * $pages_few, 'a batch touches as many pages among all of them as among few, but for the height of the indexes');
cmp_ok($took_many, '<', 0.5, 'a thousand due steps take less than half a second');

# what finds them: one range of the partial index, in its order, and no more of it than is asked for
my $plan = sql(q{
	EXPLAIN (COSTS OFF) SELECT c.lead, c.next_at
	FROM leadroute.clocks c JOIN leadroute.lead_states s ON s.flow = c.flow AND s.lead = c.lead
	WHERE c.flow = 'default' AND c.next_at <= '2026-03-07 00:02Z' ORDER BY c.next_at LIMIT 100 FOR UPDATE OF s SKIP LOCKED});
like($plan, qr/^Limit\n\s+->  LockRows\n\s+->  Nested Loop\n\s+->  Index Scan using clocks_next_idx on clocks c\n.*\n\s+->  Index Scan using lead_states_pkey on lead_states s\n[^>]*$/, 'by the index, in order');

$node->stop;
done_testing();
