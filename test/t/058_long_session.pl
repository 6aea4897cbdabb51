# A session that has everything in memory: what another session commits counts for its next statement, what another rolls back never does; and
# one that meets ever more flows keeps no more of them than it may.
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

sql(q{
	SET client_min_messages = warning;
	CREATE EXTENSION leadroute CASCADE;
	CREATE SCHEMA crm;
	CREATE TABLE crm.leads (id bigint PRIMARY KEY, email text, country text, lot text, owner text, team text, territory text, score numeric, sla_due_at timestamptz);
	INSERT INTO leadroute.calendars (calendar, timezone, holidays) VALUES ('ny', 'America/New_York', '{us}');
	INSERT INTO leadroute.calendar_hours (calendar, weekday, opens, closes) SELECT 'ny', d, '00:00', '24:00' FROM generate_series(1, 7) d;
	INSERT INTO leadroute.reps (rep, calendar) VALUES ('ana', NULL), ('bo', NULL), ('cy', 'ny'), ('di', NULL), ('ed', NULL);
	INSERT INTO leadroute.teams (team, hours) VALUES ('t', DEFAULT), ('shift', 'rep'), ('other', DEFAULT);
	INSERT INTO leadroute.team_members (team, rep) VALUES ('t', 'ana'), ('shift', 'cy'), ('other', 'di');
	INSERT INTO leadroute.territories (map, territory, area, team) VALUES ('m', 'north', 'lot: n', 'other'), ('m', 'south', 'lot: s', 'other');
	INSERT INTO leadroute.scoring_models (model, fit_weight, engagement_weight, fit_max) VALUES ('s', 100, 0, 100);
	INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, condition, points) VALUES ('s', 'c', 'fit', 'country = ''BR''', 10);
	INSERT INTO leadroute.holidays (list, day, holiday) VALUES ('us', '2020-01-01', 'New Year''s Day');
	SELECT leadroute.attach('crm.leads');
	UPDATE leadroute.flows SET scoring_model = 's';
	INSERT INTO leadroute.sla_policies (policy, position, metric, target, calendar) VALUES ('p', 10, 'first_touch', '1 hour', 'ny');
	INSERT INTO leadroute.rules (position, rule, condition, target, target_name, if_unavailable) VALUES
		(10, 'home', 'country = ''US''', 'rep', 'bo', 'fallthrough'),
		(20, 'shift', 'country = ''CA''', 'team', 'shift', 'fallthrough'),
		(30, 'map', 'country = ''MX''', 'territory', 'm', 'fallthrough'),
		(40, 'webmail', 'country = ''FR'' AND is_public_mail(email)', 'rep', 'ed', 'fallthrough'),
		(90, 'rest', NULL, 'team', 't', 'wait');
	SELECT leadroute.activate();
});

my $id = 0;
my $session = $node->background_psql('postgres', on_error_die => 1);
$session->query_safe("SET timezone = 'UTC'");
# What the long session's next statement makes of a lead.
sub asks
{
	my ($columns, $values, $answer) = @_;
	$id++;
	return $session->query_safe("INSERT INTO crm.leads (id, $columns) VALUES ($id, $values) RETURNING coalesce(($answer)::text, 'none')");
}
sub owner { return asks('country, lot', "'$_[0]', 'n'", 'owner'); }

# name, what another session does, what the lead is asked for before and after it, and what is to be different
my $us = ['country', q{'US'}, 'owner'];
my $ca = ['country', q{'CA'}, 'owner'];
my $mx = ['country, lot', q{'MX', 'n'}, q{coalesce(territory, 'nowhere') || ' ' || owner}];
my $de = ['country', q{'DE'}, 'owner'];
my $due = ['country', q{'DE'}, q{sla_due_at < statement_timestamp() + interval '2 hours'}];
my @changes = (
	['a rule', q{UPDATE leadroute.rules SET target_name = 'ed' WHERE rule = 'home'}, $us, 'bo', 'ed'],
	['a condition', q{UPDATE leadroute.rules SET condition = 'country = ''JP''' WHERE rule = 'home'}, $us, 'ed', 'ana'],
	['a condition again', q{UPDATE leadroute.rules SET condition = 'country = ''US''' WHERE rule = 'home'}, $us, 'ana', 'ed'],
	['a new rule', q{INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES (5, 'first', 'country = ''US''', 'rep', 'di')}, $us, 'ed', 'di'],
	['a rule less', q{DELETE FROM leadroute.rules WHERE rule = 'first'}, $us, 'di', 'ed'],
	['a rep', q{UPDATE leadroute.reps SET active = false WHERE rep = 'ed'}, $us, 'ed', 'ana'],
	['a rep again', q{UPDATE leadroute.reps SET active = true WHERE rep = 'ed'}, $us, 'ana', 'ed'],
	['a leave', q{INSERT INTO leadroute.time_off (rep, during) VALUES ('ed', tstzrange(now() - interval '1 day', now() + interval '9 days'))}, $us, 'ed', 'ana'],
	['a member', q{INSERT INTO leadroute.team_members (team, rep) VALUES ('t', 'bo'); DELETE FROM leadroute.team_members WHERE rep = 'ana'}, $de, 'ana', 'bo'],
	['a team', q{UPDATE leadroute.teams SET hours = 'none' WHERE team = 'shift'; UPDATE leadroute.team_members SET rep = 'di' WHERE team = 'shift'}, $ca, 'cy', 'di'],
	['a team again', q{UPDATE leadroute.teams SET hours = 'rep' WHERE team = 'shift'; UPDATE leadroute.team_members SET rep = 'cy' WHERE team = 'shift'}, $ca, 'di', 'cy'],
	['hours', q{DELETE FROM leadroute.calendar_hours; INSERT INTO leadroute.calendar_hours (calendar, weekday, opens, closes)
		SELECT 'ny', extract(isodow FROM now() + interval '3 days'), '09:00', '09:01'}, $ca, 'cy', 'bo'],
	['hours again', q{DELETE FROM leadroute.calendar_hours; INSERT INTO leadroute.calendar_hours (calendar, weekday, opens, closes)
		SELECT 'ny', d, '00:00', '24:00' FROM generate_series(1, 7) d}, $ca, 'bo', 'cy'],
	['holidays', q{INSERT INTO leadroute.holidays (list, day, holiday) SELECT 'us', current_date + d, 'holiday' FROM generate_series(-3, 3) d}, $ca, 'cy', 'bo'],
	['holidays less', q{DELETE FROM leadroute.holidays WHERE day > '2020-01-01'}, $ca, 'bo', 'cy'],
	['the hours of a deadline', q{DELETE FROM leadroute.calendar_hours; INSERT INTO leadroute.calendar_hours (calendar, weekday, opens, closes)
		SELECT 'ny', extract(isodow FROM now() + interval '3 days'), '09:00', '12:00'}, $due, 'true', 'false'],
	['a policy', q{UPDATE leadroute.sla_policies SET calendar = NULL}, $due, 'false', 'true'],
	['a territory', q{UPDATE leadroute.territories SET area = 'lot: n, x', territory = 'far north' WHERE territory = 'north'}, $mx, 'north di', 'far north di'],
	['a territory\'s team', q{UPDATE leadroute.territories SET team = 't' WHERE territory = 'far north'}, $mx, 'far north di', 'far north bo'],
	['a large map', q{INSERT INTO leadroute.territories (map, territory, area, team) SELECT 'm', 'far ' || n, format('lot: far%s', n)::leadroute.territory, 't' FROM generate_series(1, 1100) n;
		UPDATE leadroute.territories SET territory = 'Nord' WHERE territory = 'far north'}, $mx, 'far north bo', 'Nord bo'],
	['a territory of a large map', q{DELETE FROM leadroute.territories WHERE territory = 'Nord'}, $mx, 'Nord bo', 'nowhere bo'],
	['an empty map', q{TRUNCATE leadroute.territories; INSERT INTO leadroute.territories (map, territory, area, team) VALUES ('m', 'all', '{}', 'other')}, $mx, 'nowhere bo', 'all di'],
	['a criterion', q{UPDATE leadroute.scoring_criteria SET points = 70}, ['country', q{'BR'}, 'score::integer'], '10', '70'],
	['what a criterion asks', q{UPDATE leadroute.scoring_criteria SET condition = 'country = ''PE'''}, ['country', q{'BR'}, 'score::integer'], '70', '0'],
	['public mail', q{INSERT INTO leadroute.mail_domains (domain, is_public) VALUES ('corp.example', true)}, ['country, email', q{'FR', format('a%s@corp.example', random())}, 'owner'], 'bo', 'ed'],
);

for my $change (@changes)
{
	my ($name, $statements, $question, $before, $after) = @$change;
	sql('DELETE FROM leadroute.time_off') if $name eq 'public mail';
	is(asks(@$question), $before, "$name: before");
	sql("BEGIN; $statements; ROLLBACK");
	is(asks(@$question), $before, '... rolled back by another session');
	sql("BEGIN; SAVEPOINT s; $statements; ROLLBACK TO s; COMMIT");
	is(asks(@$question), $before, '... to a savepoint');
	sql("BEGIN; $statements; COMMIT");
	is(asks(@$question), $after, '... committed');
}

$session->quit;

# 150 flows of one table, each with rules of its own: what the session keeps of them between transactions
my $flows = 150;
sql(qq{
	CREATE TABLE crm.units (id bigint PRIMARY KEY, unit text, country text, owner text, sla_due_at timestamptz);
	INSERT INTO leadroute.flows (flow) SELECT 'u0' UNION ALL SELECT 'u' || f FROM generate_series(1, $flows) f;
	INSERT INTO leadroute.calendars (flow, calendar, timezone) SELECT 'u' || f, 'c', 'Europe/Berlin' FROM generate_series(0, $flows) f;
	INSERT INTO leadroute.calendar_hours (flow, calendar, weekday, opens, closes) SELECT 'u' || f, 'c', d, '00:00', '24:00' FROM generate_series(0, $flows) f, generate_series(1, 7) d;
	INSERT INTO leadroute.reps (flow, rep, calendar) SELECT 'u' || f, r || f, 'c' FROM generate_series(0, $flows) f, unnest('{even,odd}'::text[]) r;
	INSERT INTO leadroute.rules (flow, position, rule, condition, target, target_name)
		SELECT 'u' || f, n, 'rule ' || n, format('country = ''C%s'' AND length(unit) > 0', n), 'rep', CASE n % 2 WHEN 0 THEN 'even' ELSE 'odd' END || f FROM generate_series(0, $flows) f, generate_series(1, 30) n;
	INSERT INTO leadroute.rules (flow, position, rule, target, target_name) SELECT 'u' || f, 99, 'rest', 'rep', 'even' || f FROM generate_series(0, $flows) f;
	INSERT INTO leadroute.sla_policies (flow, policy, position, metric, target, calendar) SELECT 'u' || f, 'p', 10, 'first_touch', '1 hour', 'c' FROM generate_series(0, $flows) f;
	SELECT leadroute.attach('crm.units', flow => 'u0', flow_column => 'unit');
	SELECT leadroute.activate('u' || f) FROM generate_series(0, $flows) f;
});

# Inserts a lead of each flow, each in a transaction of its own, all of them twice. Returns the peak of kB that such a session keeps, and how many went wrong.
sub kept
{
	my ($limit, $first) = @_;
	my $long = $node->background_psql('postgres', on_error_die => 1);
	my ($peak, $wrong) = (0, 0);
	$long->query_safe("SET leadroute.session_configuration = '$limit'");
	for my $round (0, 1)
	{
		for my $flow (1 .. $flows)
		{
			my $key = $first + $round * $flows + $flow;
			my $rule = 1 + $flow % 30;
			my $owner = $long->query_safe("INSERT INTO crm.units (id, unit, country) VALUES ($key, 'u$flow', 'C$rule') RETURNING owner");
			$wrong++ if $owner ne ($rule % 2 ? 'odd' : 'even') . $flow;
			next if $flow % 25 != 0;
			my $kb = $long->query_safe(q{SELECT (sum(total_bytes) / 1024)::integer FROM pg_backend_memory_contexts
				WHERE name IN ('leadroute flow', 'leadroute plan', 'leadroute condition', 'leadroute hours', 'leadroute outlines', 'leadroute map')});
			$peak = $kb if $kb > $peak;
		}
	}
	$long->quit;
	return ($peak, $wrong);
}

my ($all, $wrong) = kept('1GB', 0);
is($wrong, 0, "a session that keeps $flows flows routes them all");
cmp_ok($all, '>', 6 * 1024, 'which is what the limit is for');
my ($some, $also_wrong) = kept('2MB', 2 * $flows);
is($also_wrong, 0, 'so does one that keeps few');
# the transaction that asks has room beside them for no flow
cmp_ok($some, '<=', 2 * 1024, 'and takes no more than it may');
cmp_ok($some, '>', 256, 'but keeps what it may');

done_testing();
