# pg_cron calls the sweep: in its own database, from another one, by hand or through dblink; what it did stands in cron.job_run_details and jobs.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'leadroute'
cron.use_background_workers = on
});
$node->start;

sub in_db { my ($database, $sql) = @_; return $node->safe_psql($database, $sql); }
sub fails { my ($database, $sql) = @_; my ($rc, $out, $err) = $node->psql($database, $sql, on_error_stop => 1); return $rc == 0 ? "no error: $out" : $err; }
sub wait_for
{
	my ($database, $sql, $seconds) = @_;
	foreach (1 .. $seconds * 4)
	{
		return 1 if in_db($database, $sql) eq 't';
		usleep(250_000);
	}
	return 0;
}

sub make
{
	my ($database) = @_;
	in_db('postgres', "CREATE DATABASE $database") if $database ne 'postgres';
	in_db($database, q{
		SET client_min_messages = warning;
		CREATE EXTENSION leadroute CASCADE;
		CREATE TABLE leads (id bigint PRIMARY KEY, source text, owner text);
		SELECT leadroute.attach('leads');
		INSERT INTO leadroute.reps (rep) VALUES ('ana');
		INSERT INTO leadroute.rules (position, rule, target, target_name, hold_for) VALUES (5, 'later', 'hold', NULL, '1 s'), (10, 'all', 'rep', 'ana', NULL);
		UPDATE leadroute.rules SET condition = 'source = ''held''' WHERE rule = 'later';
		SELECT leadroute.activate();
		CALL leadroute.catch_up();
	});
}
make($_) foreach qw(crm other);

like(fails('crm', 'SELECT leadroute.schedule()'), qr/pg_cron is not in shared_preload_libraries.*HINT:  In postgresql.conf: shared_preload_libraries = 'pg_cron,leadroute' and cron.database_name = 'crm'/s, 'without pg_cron');

$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'pg_cron,leadroute'
cron.database_name = 'crm'
});
$node->restart;
like(fails('crm', 'SELECT leadroute.schedule()'), qr/extension "pg_cron" is not installed in this database.*CREATE EXTENSION pg_cron/s, 'not installed');
in_db('crm', 'CREATE EXTENSION pg_cron');
my $version = in_db('crm', q{SELECT extversion FROM pg_extension WHERE extname = 'pg_cron'});

# here
is(in_db('crm', 'SELECT leadroute.schedule()'), q{job "leadroute sweep crm" (* * * * *): CALL leadroute.sweep()}, 'scheduled here');
is(in_db('crm', q{SELECT jobname, schedule, command, database FROM cron.job}), q{leadroute sweep crm|* * * * *|CALL leadroute.sweep()|crm}, 'as pg_cron has it');
is(in_db('crm', q{SELECT leadroute.schedule('*/5 * * * *', '{keys,duplicates}', 'default')}),
	q{job "leadroute sweep crm of default: keys, duplicates" (*/5 * * * *): CALL leadroute.sweep(flow => 'default', parts => '{keys,duplicates}')}, 'some parts of a flow');
in_db('crm', q{SELECT leadroute.schedule('*/7 * * * *', '{keys,duplicates}', 'default')});
is(in_db('crm', q{SELECT count(*), min(schedule) FROM cron.job WHERE jobname LIKE '%keys%'}), '1|*/7 * * * *', 'again changes the schedule');
is(in_db('crm', q{SELECT string_agg(DISTINCT concat(part, ' ', job), ', ' ORDER BY concat(part, ' ', job)) FROM leadroute.jobs WHERE part IN ('keys', 'queues', 'turns')}),
	'keys leadroute sweep crm of default: keys, duplicates, queues leadroute sweep crm, turns leadroute sweep crm', 'jobs says which job runs what');
like(fails('crm', q{SELECT leadroute.schedule(parts => '{nonsense}')}), qr/the sweep has no part "nonsense"/, 'a part that is none');
like(fails('crm', q{SELECT leadroute.schedule(flow => 'nonsense')}), qr/flow "nonsense" does not exist/, 'a flow that is none');
if ($version =~ /^1\.[0-4]/)
{
	like(fails('crm', q{SELECT leadroute.schedule('10 seconds')}), qr/pg_cron $version is too old: 1.5 is needed.*know minutes/s, 'seconds need pg_cron 1.5');
}
else
{
	is(in_db('crm', q{SELECT leadroute.schedule('10 seconds', '{holds}')}), q{job "leadroute sweep crm: holds" (10 seconds): CALL leadroute.sweep(parts => '{holds}')}, 'seconds');
	in_db('crm', q{SELECT leadroute.unschedule('{holds}')});
}

# an admin who may not use pg_cron's schema is told what a superuser runs
in_db('crm', 'CREATE ROLE adm LOGIN IN ROLE leadroute_admin');
my $told = in_db('crm', q{SET ROLE adm; SELECT leadroute.schedule(parts => '{queues}')});
is($told, q{not scheduled yet (permission denied for schema cron). As a superuser in database "crm", where pg_cron lives: SELECT cron.schedule_in_database('leadroute sweep crm: queues', '* * * * *', 'CALL leadroute.sweep(parts => ''{queues}'')', 'crm', 'adm')}, 'who may not schedule is told');
is(in_db('crm', q{SELECT DISTINCT cron_status FROM leadroute.jobs WHERE part = 'queues'}), 'not in pg_cron', 'jobs says that nobody did');
is(in_db('crm', q{SELECT status || ' ' || detail FROM leadroute.health WHERE check_name = 'schedule'}), 'warn job "leadroute sweep crm: queues": not in pg_cron', 'health too');
$told =~ s/.*lives: //s;
in_db('crm', $told);
is(in_db('crm', q{SELECT cron_status FROM leadroute.jobs WHERE part = 'queues'}), 'scheduled', 'what it says can be run');
is(in_db('crm', q{SELECT status FROM leadroute.health WHERE check_name = 'schedule'}), 'ok', 'and health is content');
like(in_db('crm', q{SET ROLE adm; SELECT leadroute.unschedule('{queues}')}), qr/^still scheduled \(permission denied for schema cron\)\. As who scheduled it, in database "crm", where pg_cron lives: SELECT cron\.unschedule\('leadroute sweep crm: queues'\)$/, 'and unscheduled');
in_db('crm', q{GRANT USAGE ON SCHEMA cron TO adm; SET SESSION AUTHORIZATION adm; SELECT leadroute.schedule(parts => '{queues}')});
is(in_db('crm', q{SELECT username FROM cron.job WHERE jobname LIKE '%queues'}), 'adm', 'who may schedule runs it as himself');
is(in_db('crm', q{SET SESSION AUTHORIZATION adm; SELECT leadroute.unschedule('{queues}')}), 'job "leadroute sweep crm: queues" is gone', 'gone');
like(fails('crm', q{SELECT leadroute.unschedule('{queues}')}), qr/job "leadroute sweep crm: queues" was not scheduled/, 'twice');

# from another database: what to run there; with dblink it is done
$told = in_db('other', 'SELECT leadroute.schedule()');
is($told, q{not scheduled yet. As a superuser in database "crm", where pg_cron lives: SELECT cron.schedule_in_database('leadroute sweep other', '* * * * *', 'CALL leadroute.sweep()', 'other')}, 'pg_cron lives elsewhere');
$told =~ s/.*lives: //s;
in_db('crm', $told);
is(in_db('crm', q{SELECT database FROM cron.job WHERE jobname = 'leadroute sweep other'}), 'other', 'the statement schedules it');
is(in_db('other', q{SELECT DISTINCT cron_status FROM leadroute.jobs}), 'elsewhere', 'which the other database cannot see');
in_db('crm', q{SELECT cron.unschedule('leadroute sweep other')});
in_db('other', 'CREATE EXTENSION dblink');
is(in_db('other', 'SELECT leadroute.schedule()'), q{job "leadroute sweep other" (* * * * *): CALL leadroute.sweep()}, 'through dblink');
is(in_db('other', q{SELECT DISTINCT cron_status FROM leadroute.jobs}), 'scheduled', 'which the other database knows');

# it runs: a lead that was held is routed by pg_cron, in both databases
in_db($_, q{INSERT INTO leads VALUES (1, 'held')}) foreach qw(crm other);
is(in_db($_, 'SELECT coalesce(owner, code) FROM leadroute.lead_states'), 'held', "$_: held") foreach qw(crm other);
ok(wait_for($_, q{SELECT owner IS NOT DISTINCT FROM 'ana' FROM leads}, 130), "$_: pg_cron's sweep routes it") foreach qw(crm other);
ok(wait_for('crm', q{SELECT count(DISTINCT jobid) >= 2 FROM cron.job_run_details WHERE status = 'succeeded' AND command = 'CALL leadroute.sweep()'}, 10), 'pg_cron says that both succeeded')
	or diag(in_db('crm', 'SELECT * FROM cron.job_run_details'));
is(in_db('crm', q{SELECT count(*) FROM cron.job_run_details WHERE status = 'failed'}), '0', 'and none failed');
is(in_db('crm', q{SELECT rows || ' ' || failing || ' ' || cron_status || ' ' || (last_run >= cron_run)::text FROM leadroute.jobs WHERE part = 'holds'}), '1 0 succeeded true', 'so do jobs');
is(in_db('other', q{SELECT rows FROM leadroute.jobs WHERE part = 'holds'}), '1', 'in the other database too');

# a lead that breaches meanwhile goes to somebody else
in_db('crm', q{
	INSERT INTO leadroute.reps (rep) VALUES ('bo');
	INSERT INTO leadroute.teams (team) VALUES ('both');
	INSERT INTO leadroute.team_members (team, rep) VALUES ('both', 'ana'), ('both', 'bo');
	UPDATE leadroute.rules SET target = 'team', target_name = 'both' WHERE rule = 'all';
	INSERT INTO leadroute.sla_policies (policy, position, metric, target) VALUES ('quick', 10, 'first_touch', '1 s');
	INSERT INTO leadroute.sla_steps (policy, at, action) VALUES ('quick', 'due', 'reassign');
});
in_db('crm', q{INSERT INTO leads VALUES (2, 'web')});
my $had = in_db('crm', q{SELECT owner FROM leads WHERE id = 2});
ok(wait_for('crm', qq{SELECT owner <> '$had' FROM leads WHERE id = 2}, 130), 'pg_cron reassigns a lead that breached');
is(in_db('crm', q{SELECT concat_ws(' ', action, owner, late_by < '2 min') FROM leadroute.sla_fired}), "reassign $had t", 'as sla_fired says');
ok(wait_for('crm', q{SELECT count(*) = 1 FROM leadroute.jobs WHERE part = 'steps' AND runs > 1 AND cron_status = 'succeeded' AND errors = 0}, 10), 'and jobs');

is(in_db('other', 'SELECT leadroute.unschedule()'), 'job "leadroute sweep other" is gone', 'unscheduled through dblink');
is(in_db('crm', 'SELECT leadroute.unschedule()'), 'job "leadroute sweep crm" is gone', 'unscheduled here');
is(in_db('crm', q{SELECT count(*) FROM cron.job WHERE jobname NOT LIKE '%keys%'}), '0', 'no job is left');

$node->stop;
done_testing();
