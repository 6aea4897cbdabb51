# A ladder of 5, 15, 30 and 60 minutes, exactly one event at each: with two sweeps at once, with twenty runs queued, with the server down from minute 3
# to minute 75, and with a sweep that is killed between two batches. Simulated time.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $leads = 40;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'leadroute'
max_connections = 60
});
$node->start;

sub q1 { my ($sql) = @_; return $node->safe_psql('postgres', $sql); }
sub arrive { my ($first) = @_; q1(qq{SET leadroute.clock = '2026-03-02 09:00Z'; INSERT INTO leads (id) SELECT $first + g FROM generate_series(1, $leads) g}); return; }

# a psql that does these statements, one after the other, at that time of the day; it runs until finish()
sub start
{
	my ($said, $time, @statements) = @_;
	return IPC::Run::start(['psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), map { ('-c', $_) } "SET leadroute.clock = '2026-03-02 ${time}Z'", @statements],
		'<', \undef, '>', $said, '2>', $said);
}

# so many of them at once; answers what any of them said
sub at_once
{
	my ($sessions, $time, @statements) = @_;
	my @said = ('') x $sessions;
	my @runs = map { start(\$_, $time, @statements) } @said;
	$_->finish foreach @runs;
	return join '', @said;
}

# of the leads of a test: the steps as sla_fired has them, and the events; the same for all of them is one line
sub ladder
{
	my ($first) = @_;
	return q1(qq{
		SELECT string_agg(DISTINCT l.steps, ' / ')
		FROM (SELECT string_agg(concat_ws(' ', to_char(due_at AT TIME ZONE 'UTC', 'HH24:MI'), action, CASE WHEN late_by > '0' THEN 'late ' || to_char(late_by, 'HH24:MI') END), ', ' ORDER BY due_at) AS steps
			  FROM leads d LEFT JOIN leadroute.sla_fired f ON f.lead = d.id::text WHERE d.id > $first AND d.id <= $first + $leads GROUP BY d.id) l});
}
sub events
{
	my ($first) = @_;
	return q1(qq{
		SELECT string_agg(DISTINCT l.events, ' / ')
		FROM (SELECT string_agg(kind, ' ' ORDER BY id) AS events FROM leadroute.events
			  WHERE lead::int > $first AND lead::int <= $first + $leads AND kind <> 'breached' GROUP BY lead) l});
}
sub reassigned
{
	my ($first) = @_;
	return q1(qq{SELECT count(*) FILTER (WHERE lapsed = ARRAY[was.owner] AND s.owner <> was.owner) || ' of ' || count(*)
		FROM leadroute.lead_states s JOIN was USING (lead) WHERE s.lead::int > $first AND s.lead::int <= $first + $leads});
}

q1(q{
	SET client_min_messages = warning;
	CREATE EXTENSION leadroute CASCADE;
	CREATE TABLE leads (id bigint PRIMARY KEY, submitted_at timestamptz, owner text);
	SELECT leadroute.attach('leads');
	INSERT INTO leadroute.reps (rep, manager, backup) VALUES ('a', 'mia', 'bo'), ('b', 'mia', 'bo'), ('c', 'mia', 'bo'), ('bo', NULL, NULL), ('mia', NULL, NULL);
	INSERT INTO leadroute.teams (team) VALUES ('west');
	INSERT INTO leadroute.team_members (team, rep) VALUES ('west', 'a'), ('west', 'b'), ('west', 'c');
	INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (1, 'all', 'team', 'west');
	SELECT leadroute.load_sla_template('first_contact');
	INSERT INTO leadroute.outbox_consumers (consumer, types) VALUES ('slack', '{reassigned,reminder,escalated}');
	SELECT leadroute.activate();
	CALL leadroute.catch_up();
	UPDATE leadroute.sweep_parts SET batch = 7 WHERE part = 'steps';
	CREATE VIEW was AS SELECT lead, owner FROM leadroute.events WHERE kind = 'decided';
});
my $four = '09:05 remind, 09:15 notify, 09:30 notify, 10:00 reassign';
my $said = 'decided reminder escalated escalated lapsed';
my @minutes = qw(09:04:59 09:05 09:05:01 09:14 09:15 09:16 09:30 09:59:59 10:00 10:00);

# two sweeps at once
arrive(0);
is(at_once(2, $_, 'CALL leadroute.sweep()'), '', "two sweeps at $_") foreach @minutes;
is(ladder(0), $four, 'two sweeps: exactly one at 5, 15, 30 and 60 minutes');
is(events(0), $said, 'and so the events');
is(reassigned(0), "$leads of $leads", 'each lead has changed hands once');
is(q1('SELECT string_agg(format($$%s %s$$, type, n), $$, $$ ORDER BY type) FROM (SELECT type, count(*) AS n FROM leadroute.outbox GROUP BY 1) t'),
	"escalated @{[2 * $leads]}, reassigned $leads, reminder $leads", 'and so the messages');
q1('DELETE FROM leadroute.clocks');

# twenty runs queued, all at once and one after the other
arrive(100);
is(at_once(20, $_, 'CALL leadroute.sweep()'), '', "twenty sweeps at $_") foreach qw(09:05 09:15 09:30 10:00);
is(at_once(1, '10:00', ('CALL leadroute.sweep()') x 20), '', 'and twenty, one after the other');
is(ladder(100), $four, 'twenty runs: the same four');
is(events(100), $said, 'and so the events');
is(reassigned(100), "$leads of $leads", 'each lead has changed hands once');
is(q1(q{SELECT string_agg(part, ' ') FROM leadroute.sweep_runs WHERE failures > 0}), '', 'no part failed');
q1('DELETE FROM leadroute.clocks');

# the server is down from minute 3 to minute 75
arrive(200);
is(at_once(1, '09:03', 'CALL leadroute.sweep()'), '', 'minute 3');
$node->stop('immediate');
$node->start;
is(at_once(2, '10:15', 'CALL leadroute.sweep()'), '', 'minute 75');
is(ladder(200), '09:05 remind late 01:10, 09:15 notify late 01:00, 09:30 notify late 00:45, 10:00 reassign late 00:15', 'an outage: four rows in order, with late_by');
is(q1(q{SELECT string_agg(DISTINCT steps, ' / ') FROM (SELECT string_agg(coalesce(path -> 0 ->> 'step', kind), ', ' ORDER BY id) AS steps FROM leadroute.events
	WHERE lead::int > 200 AND lead::int <= 240 AND kind NOT IN ('decided', 'breached') GROUP BY lead) l}),
	'5 min remind owner, 15 min notify backup, 30 min notify manager, lapsed', 'the events in the order in which they were due');
is(reassigned(200), "$leads of $leads", 'one reassignment');
is(q1(q{SELECT string_agg(DISTINCT messages, ' / ') FROM (SELECT string_agg(type || ' ' || CASE recipient WHEN 'bo' THEN 'bo' WHEN 'mia' THEN 'mia' ELSE 'owner' END, ', ' ORDER BY id) AS messages
	FROM leadroute.outbox WHERE aggregateid::int > 200 AND aggregateid::int <= 240 GROUP BY aggregateid) m}), 'reassigned owner, reminder owner, escalated bo, escalated mia', 'one message to each, in the order of their steps');
is(at_once(1, '10:15:01', q{CALL leadroute.sweep(parts => '{steps}')}, q{SELECT rows FROM leadroute.sweep_runs WHERE part = 'steps'}), "0\n", 'the next run finds nothing due');
q1('DELETE FROM leadroute.clocks');

# a sweep is killed between two batches: what it committed stays, the rest is done by the next, nothing twice
arrive(300);
my $out = '';
my $sweep = start(\$out, '09:05', q{SET leadroute.sweep_pause = '60s'}, q{CALL leadroute.sweep(parts => '{steps}')});
foreach (1 .. 200)
{
	last if q1('SELECT count(*) FROM leadroute.sla_fired WHERE lead::int > 300') > 0;
	usleep(50_000);
}
usleep(200_000);
is(q1('SELECT count(*) FROM leadroute.sla_fired WHERE lead::int > 300'), '7', 'one batch is committed, and the sweep pauses');
is(q1(q{SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.wait_event = 'PgSleep' AND (l.relation::regclass::text LIKE 'leadroute.%' OR l.locktype = 'advisory')}), '0', 'which locks nothing meanwhile');
$node->stop('immediate');
$sweep->finish;
$node->start;
is(at_once(2, '09:05', 'CALL leadroute.sweep()'), '', 'after the crash');
is(ladder(300), '09:05 remind', 'each lead has its one reminder');
is(events(300), 'decided reminder', 'and its one event');
is(q1(q{SELECT count(*) FROM leadroute.outbox WHERE aggregateid::int > 300 AND type = 'reminder'}), $leads, 'and message');

q1('DELETE FROM leadroute.clocks');

# somebody holds a lead while the sweep comes by, and lets it go: the same sweep comes back for it
arrive(400);
my $holder = $node->background_psql('postgres', on_error_die => 1);
$holder->query_safe(q{BEGIN; SELECT FROM leadroute.lead_states WHERE lead = '401' FOR UPDATE});
$out = '';
$sweep = start(\$out, '09:05', q{SET leadroute.sweep_pause = '500ms'}, q{CALL leadroute.sweep(parts => '{steps}')});
foreach (1 .. 200)
{
	last if q1('SELECT count(*) FROM leadroute.sla_fired WHERE lead::int > 400') > 0;
	usleep(20_000);
}
is(q1(q{SELECT count(*) FROM leadroute.sla_fired WHERE lead = '401'}), '0', 'what somebody holds is left');
$holder->query_safe('COMMIT');
$holder->quit;
$sweep->finish;
is($out, '', 'the sweep has ended');
is(ladder(400), '09:05 remind', 'and has done it at its end');
q1('DELETE FROM leadroute.clocks');

# a long snapshot keeps what each batch leaves of the index: not each goes through all that those before it have left
q1(q{
	UPDATE leadroute.sweep_parts SET batch = 20 WHERE part = 'steps';
	CREATE SEQUENCE arrivals START 10000;
	SET leadroute.clock = '2026-03-02 09:00Z';
	INSERT INTO leads (id) SELECT nextval('arrivals') FROM generate_series(1, 2100);
	VACUUM ANALYZE leadroute.clocks});
my $reader = $node->background_psql('postgres', on_error_die => 1);
$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM leads');
my $entries = q{SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'clocks_next_idx'};
my $before = q1($entries);
is(at_once(1, '09:05', q{CALL leadroute.sweep(parts => '{steps}')}), '', 'under a long snapshot');
is(q1(q{SELECT rows || ' in ' || batches FROM leadroute.sweep_runs WHERE part = 'steps'}), '2100 in 106', 'all are done, in many batches');
my $read = q1($entries) - $before;
cmp_ok($read, '<', 8 * 2100, "entries of the index that were read, dead ones too: $read");
$reader->quit;

$node->stop;
done_testing();
