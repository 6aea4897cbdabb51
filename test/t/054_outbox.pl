# The outbox between sessions: the hint, when it is wanted; a message whose transaction commits late; two consumers of one name; two databases; a role without rights.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'leadroute'");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE other');
sub in_db { my ($database, $sql) = @_; return $node->safe_psql($database, $sql); }
sub sql { return in_db('postgres', $_[0]); }
sub session { return $node->background_psql($_[0] // 'postgres', on_error_die => 1); }

foreach my $database (qw(postgres other))
{
	in_db($database, q{
		SET client_min_messages = warning;
		CREATE EXTENSION leadroute CASCADE;
		CREATE TABLE leads (id bigint PRIMARY KEY, source text, submitted_at timestamptz, owner text);
		SELECT leadroute.attach('leads');
		INSERT INTO leadroute.reps (rep) VALUES ('ana'), ('bo');
		INSERT INTO leadroute.teams (team) VALUES ('west');
		INSERT INTO leadroute.team_members (team, rep) VALUES ('west', 'ana'), ('west', 'bo');
		INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (1, 'all', 'team', 'west');
		INSERT INTO leadroute.sla_policies (policy, position, metric, target) VALUES ('first', 10, 'first_touch', '1 day');
		INSERT INTO leadroute.sla_steps (policy, at, action, recipient) VALUES ('first', '50%', 'remind', 'owner');
		SELECT leadroute.activate();
		CALL leadroute.catch_up();
	});
}

# -- the hint
my $listener = session();
my $elsewhere = session('other');
$listener->query_safe('LISTEN leadroute');
$elsewhere->query_safe('LISTEN leadroute');
sub heard { my ($who) = @_; my @heard = ($who // $listener)->query_safe('SELECT 1') =~ /notification "leadroute" with payload "([^"]*)"/g; return join ' ', @heard; }

sql("INSERT INTO leadroute.outbox_consumers (consumer, types) VALUES ('slack', '{assigned,reassigned,reminder}')");
sql('INSERT INTO leads (id) VALUES (1)');
sql(q{SELECT leadroute.reassign(1, CASE owner WHEN 'ana' THEN 'bo' ELSE 'ana' END) FROM leads WHERE id = 1});
is(sql('SELECT count(*) FROM leadroute.outbox'), '2', 'two messages');
is(heard(), '', 'no hint where none is wanted');
sql('UPDATE leadroute.flows SET outbox_notify = true');
sql('INSERT INTO leads (id) SELECT g FROM generate_series(2, 30) g');
is(heard(), 'default', 'an INSERT sends one, however many messages it writes');
sql(q{BEGIN; INSERT INTO leads (id) VALUES (31); SELECT leadroute.reassign(31, CASE owner WHEN 'ana' THEN 'bo' ELSE 'ana' END) FROM leads WHERE id = 31; COMMIT});
is(heard(), 'default', 'a transaction sends one, whatever wrote in it');
sql('BEGIN; INSERT INTO leads (id) VALUES (32); ROLLBACK');
is(heard(), '', 'none of what is rolled back');
sql(q{SELECT leadroute.touch(2, 'call')});
is(heard(), '', 'none where no message is written');
sql(q{INSERT INTO leads (id, submitted_at) VALUES (33, now() - interval '11 h 59 min 59.9 s')});
is(heard(), 'default', 'a lead');
sql(q{SET leadroute.clock = 'tomorrow'; CALL leadroute.sweep(parts => '{steps}')});
is(heard(), 'default', 'and a sweep that reminds of it');
is(heard($elsewhere), '', 'the other database hears nothing of it');
sql('UPDATE leadroute.flows SET outbox_notify = false');
sql('INSERT INTO leads (id) VALUES (34)');
is(heard(), '', 'and it can be switched off');
$listener->quit;
$elsewhere->quit;

# -- a message that is written first and committed last is not overlooked
my $all = q{SELECT leadroute.outbox_ack('slack', ARRAY(SELECT id FROM leadroute.outbox_claim('slack', 10000)))};
sql($all);
my $claimed = q{SELECT string_agg(aggregateid, ' ' ORDER BY id) FROM leadroute.outbox_claim('slack', 10000)};
my $slow = session();
$slow->query_safe('BEGIN');
$slow->query_safe('INSERT INTO leads (id) VALUES (40)');
sql('INSERT INTO leads (id) VALUES (41)');
is(sql($claimed), '41', 'the one that is committed');
$slow->query_safe('COMMIT');
is(sql($claimed), '40', 'and then the other, although its id is lower');
sql($all);

# -- two consumers of one name: each message goes to one of them
sql('INSERT INTO leads (id) SELECT g FROM generate_series(50, 69) g');
$slow->query_safe('BEGIN');
my @first = split ' ', $slow->query_safe(q{SELECT string_agg(aggregateid, ' ') FROM leadroute.outbox_claim('slack', 8)});
my @second = split ' ', sql(q{SELECT string_agg(aggregateid, ' ') FROM leadroute.outbox_claim('slack', 100)});
is(scalar(@first), 8, 'the first has its eight');
my %first = map { $_ => 1 } @first;
is(scalar(grep { $first{$_} } @second), 0, 'the second has none of these, and waits for nothing');
$slow->query_safe('ROLLBACK');
push @second, split ' ', sql(q{SELECT string_agg(aggregateid, ' ') FROM leadroute.outbox_claim('slack', 100)});
is(join(' ', sort @second), join(' ', 50 .. 69), 'what the first let go of is given out again');
$slow->quit;

# -- rights: who has none claims nothing and sweeps nothing; an operator does, and needs no right on any table
sql('CREATE ROLE nobody LOGIN; CREATE ROLE op LOGIN IN ROLE leadroute_operator');
sub refused { my ($role, $sql) = @_; my ($rc, $out, $err) = $node->psql('postgres', "SET ROLE $role; $sql"); return $rc == 0 ? 'done' : $err =~ /(permission denied for \w+ \S+)/ ? $1 : $err; }
like(refused('nobody', q{SELECT * FROM leadroute.outbox_claim('slack')}), qr/^permission denied/, 'claims');
like(refused('nobody', q{SELECT leadroute.outbox_ack('slack', '{1}')}), qr/^permission denied/, 'acknowledges');
like(refused('nobody', 'CALL leadroute.sweep()'), qr/^permission denied/, 'sweeps');
like(refused('nobody', q{SELECT leadroute.tell_leads('default', '{1}', now())}), qr/^permission denied/, 'nor what a sweep is made of');
sql(q{UPDATE leadroute.sweep_parts SET batch = 10 WHERE part = 'steps'});
sql(q{INSERT INTO leads (id, submitted_at) SELECT 70 + g, now() - interval '13 h' FROM generate_series(1, 25) g; UPDATE leadroute.clocks SET steps_done = NULL, next_at = now() WHERE lead::int > 70});
sql(q{ALTER ROLE op SET leadroute.sweep_pause = '1ms'});
is(($node->psql('postgres', 'CALL leadroute.sweep()', extra_params => ['-U', 'op']))[2], '', 'an operator sweeps, and says how long he pauses between batches');
is(sql(q{SELECT count(*) FROM leadroute.sla_fired WHERE lead::int > 70}), '25', 'more than one of them');
is(sql(q{SELECT count(*) FROM leadroute.sweep_runs WHERE failing > 0}), '0', 'all of it');
like(refused('op', q{SELECT leadroute.tell_leads('default', '{1}', now())}), qr/^permission denied/, 'but not piece by piece');

# -- two databases: each sweeps its own
in_db($_, q{INSERT INTO leads (id, submitted_at) SELECT 100 + g, now() - interval '13 h' FROM generate_series(1, 30) g; UPDATE leadroute.clocks SET steps_done = NULL, next_at = now() WHERE lead::int > 100}) foreach qw(postgres other);
in_db('other', q{CALL leadroute.sweep(parts => '{steps}')});
is(in_db($_, q{SELECT count(*) FROM leadroute.sla_fired WHERE lead::int > 100}), $_ eq 'other' ? '30' : '0', "after a sweep of the other one: $_") foreach qw(postgres other);
in_db('postgres', q{CALL leadroute.sweep(parts => '{steps}')});
is(in_db($_, q{SELECT count(*) FROM leadroute.sla_fired WHERE lead::int > 100}), '30', "after both: $_") foreach qw(postgres other);

$node->stop;
done_testing();
