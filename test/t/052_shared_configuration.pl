# What one session has read of the configuration is there for the next, and never longer than it is true.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'leadroute'\nfsync = off\nmax_prepared_transactions = 4\n");
$node->start;

# each a connection of its own
sub sql { return $node->safe_psql('postgres', $_[0]); }
sub shared { return sql("SELECT $_[0] FROM leadroute.shared_configuration()"); }
my $id = 0;
sub owner
{
	my ($country, $before) = @_;
	$id++;
	return sql(($before // '') . "INSERT INTO crm.leads (id, country, postal_code) VALUES ($id, '$country', '94105') RETURNING owner");
}
# An image is there for the next connection, whatever came before.
sub settled
{
	my ($name) = @_;
	owner('FR');
	my ($taken, $published) = split /\|/, shared('taken, published');
	owner('FR');
	my ($taken_now, $published_now) = split /\|/, shared('taken, published');
	cmp_ok($taken_now, '>', $taken, "$name: the next connection takes what was read");
	is($published_now, $published, "$name: and makes nothing anew");
	return;
}

sql(q{
	SET client_min_messages = warning;
	CREATE EXTENSION leadroute CASCADE;
	CREATE SCHEMA crm;
	CREATE TABLE crm.leads (id bigint PRIMARY KEY, email text, country text, postal_code text, owner text, team text, score numeric);
	INSERT INTO leadroute.calendars (calendar, timezone) VALUES ('ny', 'America/New_York');
	INSERT INTO leadroute.calendar_hours (calendar, weekday, opens, closes) SELECT 'ny', d, '00:00', '24:00' FROM generate_series(1, 7) d;
	INSERT INTO leadroute.reps (rep, calendar) VALUES ('ana', NULL), ('bo', NULL), ('cy', 'ny'), ('di', NULL), ('ed', NULL);
	INSERT INTO leadroute.teams (team) VALUES ('t'), ('shift');
	INSERT INTO leadroute.team_members (team, rep) VALUES ('t', 'ana'), ('shift', 'cy');
	UPDATE leadroute.teams SET hours = 'rep' WHERE team = 'shift';
	SELECT leadroute.attach('crm.leads');
	INSERT INTO leadroute.territories (map, territory, area, rep) VALUES ('m', 'west', 'country: mx; postal_code: 94*', 'di');
	INSERT INTO leadroute.rules (position, rule, condition, target, target_name, if_unavailable) VALUES
		(10, 'home', 'country = ''US''', 'rep', 'bo', 'fallthrough'),
		(20, 'shift', 'country = ''CA''', 'team', 'shift', 'fallthrough'),
		(30, 'map', 'country = ''MX''', 'territory', 'm', 'fallthrough'),
		(90, 'rest', NULL, 'team', 't', 'wait');
	SELECT leadroute.activate();
});

is(owner('US'), 'bo', 'a rule');
is(owner('CA'), 'cy', 'a calendar');
is(owner('MX'), 'di', 'a map');
settled('at first');
is(join(' ', owner('US'), owner('CA'), owner('MX'), owner('FR')), 'bo cy di ana', 'what was taken decides alike');

# every kind of change
my @changes = (
	['a rule', q{UPDATE leadroute.rules SET target_name = 'ed' WHERE rule = 'home'}, 'US', 'ed'],
	['a rep', q{UPDATE leadroute.reps SET active = false WHERE rep = 'ed'}, 'US', 'ana'],
	['a member', q{INSERT INTO leadroute.team_members (team, rep) VALUES ('t', 'bo'); DELETE FROM leadroute.team_members WHERE rep = 'ana'}, 'FR', 'bo'],
	['hours', q{DELETE FROM leadroute.calendar_hours; INSERT INTO leadroute.calendar_hours (calendar, weekday, opens, closes)
		SELECT 'ny', extract(isodow FROM now() + '3 days'), '09:00', '09:01'}, 'CA', 'bo'],
	['hours again', q{UPDATE leadroute.calendar_hours SET opens = '00:00', closes = '24:00'; INSERT INTO leadroute.calendar_hours (calendar, weekday, opens, closes)
		SELECT 'ny', d, '00:00', '24:00' FROM generate_series(1, 7) d WHERE d NOT IN (SELECT weekday FROM leadroute.calendar_hours)}, 'CA', 'cy'],
	['a territory', q{UPDATE leadroute.territories SET rep = 'bo'}, 'MX', 'bo'],
	['a new map', q{TRUNCATE leadroute.territories; INSERT INTO leadroute.territories (map, territory, area, rep) VALUES ('m', 'all', 'country: mx', 'di')}, 'MX', 'di'],
	['the score', q{INSERT INTO leadroute.scoring_models (model, fit_weight, engagement_weight, fit_max) VALUES ('s', 100, 0, 10);
		INSERT INTO leadroute.scoring_criteria (model, criterion, dimension, condition, points) VALUES ('s', 'c', 'fit', 'country = ''BR''', 10);
		UPDATE leadroute.flows SET scoring_model = 's'; INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES (5, 'hot', 'facts.score > 50', 'rep', 'di')}, 'BR', 'di'],
);
for my $change (@changes)
{
	my ($name, $statements, $country, $expected) = @$change;
	isnt(owner($country), $expected, "before: $name");
	settled($name);
	sql("BEGIN; $statements; COMMIT");
	is(owner($country), $expected, "$name: the next connection knows");
}

# what is not committed is its writer's alone
my $edit = q{UPDATE leadroute.rules SET target_name = 'cy' WHERE rule = 'hot'};
settled('before an open change');
my $writer = $node->background_psql('postgres', on_error_die => 1);
$writer->query_safe("BEGIN; $edit");
$id++;
is($writer->query_safe("INSERT INTO crm.leads (id, country) VALUES ($id, 'BR') RETURNING owner"), 'cy', 'who changed a rule uses it');
is(owner('BR'), 'di', 'nobody else does');
settled('beside an open change');
$writer->query_safe('ROLLBACK');
is(owner('BR'), 'di', 'nor when it is rolled back');
$id++;
is($writer->query_safe("INSERT INTO crm.leads (id, country) VALUES ($id, 'BR') RETURNING owner"), 'di', 'nor the writer himself');
$writer->query_safe("BEGIN; SAVEPOINT s; $edit; ROLLBACK TO s;");
$id++;
is($writer->query_safe("INSERT INTO crm.leads (id, country) VALUES ($id, 'BR') RETURNING owner"), 'di', 'nor after a savepoint');
$writer->query_safe('COMMIT');

# who reads while a change commits makes nothing of what he read: an old snapshot does not count
my $reader = $node->background_psql('postgres', on_error_die => 1);
$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM crm.leads;');
sql($edit);
$id++;
is($reader->query_safe("INSERT INTO crm.leads (id, country) VALUES ($id, 'BR') RETURNING owner"), 'cy', 'an old transaction reads the newest configuration');
$reader->query_safe('COMMIT');
is(owner('BR'), 'cy', 'as the next does');

# nor does what was read before it committed
sql("UPDATE leadroute.rules SET target_name = 'ana' WHERE rule = 'home'");
my $holder = $node->background_psql('postgres', on_error_die => 1);
$holder->query_safe("BEGIN; LOCK TABLE leadroute.teams IN ACCESS EXCLUSIVE MODE; UPDATE leadroute.rules SET target_name = 'di' WHERE rule = 'hot'");
$reader->query_until(qr/begun/, "\\echo begun\nINSERT INTO crm.leads (id, country) VALUES (2000, 'FR');\n");
$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT INTO crm.leads%'") or die;
$holder->query_safe('COMMIT');
$reader->query_safe('SELECT 1');
is(owner('BR'), 'di', 'who was reading while a change committed leaves nothing of it');
$holder->query_safe($edit);

# nor does it take the place of what another has read since. The reader is stopped in between: it would publish before anybody else.
my $process = $reader->query_safe('SELECT pg_backend_pid()');
sql("UPDATE leadroute.rules SET target_name = 'bo' WHERE rule = 'home'");
$holder->query_safe("BEGIN; LOCK TABLE leadroute.teams IN ACCESS EXCLUSIVE MODE");
$reader->query_until(qr/begun/, "\\echo begun\nINSERT INTO crm.leads (id, country) VALUES (2001, 'FR');\n");
$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND pid = $process") or die;
kill 'STOP', $process or die;
$holder->query_safe('COMMIT');
sql("UPDATE leadroute.rules SET target_name = 'di' WHERE rule = 'hot'");
is(owner('BR'), 'di', 'who came while another was reading');
my ($taken, $made) = split /\|/, shared('taken, published');
kill 'CONT', $process or die;
$reader->query_safe('SELECT 1');
is(owner('BR'), 'di', 'and who comes when that one is done');
is(shared('published'), $made, '... has what the former has left, not what was read before the change');
cmp_ok(shared('taken'), '>', $taken, '... and takes it');
$holder->query_safe($edit);
$holder->quit;

# prepared: committed by whoever, whenever
settled('before a prepared change');
sql("BEGIN; UPDATE leadroute.rules SET target_name = 'di' WHERE rule = 'hot'; PREPARE TRANSACTION 'change';");
is(owner('BR'), 'cy', 'a prepared change counts for nobody');
my $published = shared('published');
owner('FR');
is(shared('published'), $published, 'and while there is one nothing is shared');
sql("COMMIT PREPARED 'change'");
is(owner('BR'), 'di', 'from its commit on it does');
settled('after a prepared change');

sql("BEGIN; UPDATE leadroute.rules SET target_name = 'cy' WHERE rule = 'hot'; PREPARE TRANSACTION 'change';");
$writer->quit;
$reader->quit;
$node->stop('immediate');
$node->start;
is(owner('BR'), 'di', 'prepared before a crash');
is(owner('BR'), 'di', 'and looked at twice');
sql("COMMIT PREPARED 'change'");
is(owner('BR'), 'cy', 'committed after it');
settled('after the crash');

# rows that fire no trigger
sql('ALTER TABLE leadroute.rules DISABLE TRIGGER ALL');
owner('FR');
sql("UPDATE leadroute.rules SET target_name = 'di' WHERE rule = 'hot'");
sql('ALTER TABLE leadroute.rules ENABLE TRIGGER ALL; ALTER TABLE leadroute.rules ENABLE ALWAYS TRIGGER config_changed, ENABLE ALWAYS TRIGGER config_changed_truncate');
is(owner('BR'), 'di', 'rows loaded while the triggers were off');
settled('after an ALTER TABLE');
sql(q{SET session_replication_role = replica; UPDATE leadroute.rules SET target_name = 'cy' WHERE rule = 'hot'});
is(owner('BR'), 'cy', 'rows of a replication role');

# conditions of every kind, as the session that analyses them has them and as the next one does
my @kinds = (
	q{a = 'US'}, q{a IN ('US', 'CA')}, q{a IS DISTINCT FROM c}, q{nullif(a, c) IS NULL}, q{coalesce(a, c, 'none') = 'CA'},
	q{CASE a WHEN 'US' THEN n > 1 WHEN 'CA' THEN n IS NULL ELSE false END}, q{CASE WHEN n > 1 THEN 'US' ELSE c END = a}, q{(n > 1) IS NOT TRUE},
	q{NOT (a LIKE 'U%' OR lower(c) = 'us')}, q{n BETWEEN 1 AND 2}, q{a = ANY (ARRAY[c, 'CA'])}, q{a::varchar(1) = 'U'}, q{length(a) + n > 3}, q{n * 1.5 = 3},
	q{a > c COLLATE "C"}, q{NULL::boolean}, q{a IS NOT NULL AND (n IS NULL OR n <> ALL ('{1,3}'))},
);
my $rules = join ', ', map { "('k', " . (10 + $_) . ", 'kind $_', \$\$k = $_ AND ($kinds[$_])\$\$, 'rep', 'yes', 'fallthrough')" } 0 .. $#kinds;
my $truth = join ' ', map { "WHEN $_ THEN coalesce($kinds[$_], false)" } 0 .. $#kinds;
sql(qq{
	SET client_min_messages = warning;
	CREATE TABLE crm.kinds (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, k integer, a text, c text, n integer, owner text);
	SELECT leadroute.attach('crm.kinds', flow => 'k');
	INSERT INTO leadroute.reps (flow, rep) VALUES ('k', 'yes'), ('k', 'no');
	INSERT INTO leadroute.rules (flow, position, rule, condition, target, target_name, if_unavailable) VALUES $rules, ('k', 99, 'rest', NULL, 'rep', 'no', 'wait');
	SELECT leadroute.activate('k');
});
for my $session ('who analyses them', 'the next', 'and the next')
{
	my $all = scalar(@kinds) * 75;
	is(sql(qq{TRUNCATE crm.kinds; INSERT INTO crm.kinds (k, a, c, n) SELECT k, a, c, n FROM generate_series(0, $#kinds) k,
			unnest('{US,CA,us,X,NULL}'::text[]) a, unnest('{US,CA,NULL}'::text[]) c, unnest('{0,1,2,4,NULL}'::integer[]) n;
		SELECT count(*), count(*) FILTER (WHERE (owner = 'yes') IS DISTINCT FROM CASE k $truth END), count(DISTINCT k) FILTER (WHERE owner = 'yes') FROM crm.kinds}),
		"$all|0|" . (@kinds - 1), "conditions of every kind: $session");
}

# mail domains: the first to ask leaves the table for all others
sub is_public { return sql(q{SELECT leadroute.is_public_mail('a@corp.example')}); }
settled('before mail domains');
is(is_public(), 'f', 'a domain that nobody listed');
my ($seen, $asked) = split /\|/, shared('taken, published');
is(is_public(), 'f', 'nor later');
is(shared('published'), $asked, 'which is asked of what was shared');
cmp_ok(shared('taken'), '>', $seen, '... where it lies');
sql(q{BEGIN; INSERT INTO leadroute.mail_domains (domain, is_public) VALUES ('corp.example', true); ROLLBACK});
is(is_public(), 'f', 'rolled back');
sql(q{INSERT INTO leadroute.mail_domains (domain, is_public) VALUES ('corp.example', true)});
is(is_public(), 't', 'listed');
is(sql(q{SELECT leadroute.is_public_mail('a@mail.corp.example'), leadroute.is_public_mail('a@corp.test')}), 't|f', 'with what is below, and nothing else');
is(sql(q{BEGIN; DELETE FROM leadroute.mail_domains WHERE domain = 'corp.example'; SELECT leadroute.is_public_mail('a@corp.example')}), 'f', 'who takes it off knows');
is(is_public(), 't', 'and nobody else');
sql(q{BEGIN; DELETE FROM leadroute.mail_domains WHERE domain = 'corp.example'; PREPARE TRANSACTION 'mail'});
is(is_public(), 't', 'prepared');
sql(q{COMMIT PREPARED 'mail'});
is(is_public(), 'f', 'committed');
sql(q{TRUNCATE leadroute.mail_domains});
is(sql(q{SELECT leadroute.is_public_mail('a@gmail.com')}), 'f', 'an empty table');
is(sql(q{SELECT leadroute.is_public_mail('a@gmail.com')}), 'f', '... that is shared');
sql(q{INSERT INTO leadroute.mail_domains (domain, is_public) SELECT 'corp' || n || '.example', n % 2 = 0 FROM generate_series(1, 5000) n});
owner('FR');
$asked = shared('published');
is(sql(q{SELECT leadroute.is_public_mail('a@corp4000.example')}), 't', 'a large table');
is(shared('published'), $asked, '... is not read for one question');
is(sql(q{SELECT count(*) FILTER (WHERE leadroute.is_public_mail(format('a@corp%s.example', n))) FROM generate_series(1, 5000) n}), '2500', '... but for many');
cmp_ok(shared('published'), '>', $asked, '... and then it is shared');
$asked = shared('published');
is(sql(q{SELECT leadroute.is_public_mail('a@corp4000.example'), leadroute.is_public_mail('a@corp4001.example')}), 't|f', '... for whoever asks once');
is(shared('published'), $asked, '... and makes nothing anew');

# time off of long ago is not read: who simulates a clock reads for himself
sql(q{INSERT INTO leadroute.time_off (rep, during) VALUES ('cy', '[2020-01-01, 2020-02-01)')});
is(owner('BR'), 'cy', 'on leave once');
settled('with a leave of long ago');
$published = shared('published');
isnt(owner('BR', q{SET leadroute.clock = '2020-01-15 12:00+00'; }), 'cy', 'under that clock he is');
is(shared('published'), $published, 'which nobody shares');
is(owner('BR'), 'cy', 'and here he is not');

# what is known of conditions belongs to columns, which partitions have in an order of their own
sql(q{
	SET client_min_messages = warning;
	CREATE TABLE crm.parted (id bigint PRIMARY KEY, email text, country text, industry text, owner text) PARTITION BY RANGE (id);
	CREATE TABLE crm.one PARTITION OF crm.parted FOR VALUES FROM (1) TO (100);
	CREATE TABLE crm.two (owner text, industry text, id bigint NOT NULL, country text, email text);
	ALTER TABLE crm.parted ATTACH PARTITION crm.two FOR VALUES FROM (100) TO (200);
	SELECT leadroute.attach('crm.parted', flow => 'p');
	INSERT INTO leadroute.reps (flow, rep) VALUES ('p', 'x'), ('p', 'y');
	INSERT INTO leadroute.rules (flow, position, rule, condition, target, target_name, if_unavailable) VALUES
		('p', 10, 'us', 'country = ''US'' AND industry = ''it''', 'rep', 'x', 'fallthrough'), ('p', 90, 'rest', NULL, 'rep', 'y', 'wait');
	SELECT leadroute.activate('p');
});
for my $first (1, 101, 3, 103)
{
	is(sql("INSERT INTO crm.parted (id, country, industry) VALUES ($first, 'US', 'it') RETURNING owner"), 'x', "lead $first meets the rule");
	is(sql("INSERT INTO crm.parted (id, country, industry) VALUES ($first + 1, 'US', 'hr') RETURNING owner"), 'y', "the next does not");
}
sql('ALTER TABLE crm.parted RENAME country TO land; ALTER TABLE crm.parted RENAME industry TO country; ALTER TABLE crm.parted RENAME land TO industry');
for my $first (5, 105)
{
	is(sql("INSERT INTO crm.parted (id, country, industry) VALUES ($first, 'US', 'it') RETURNING owner"), 'x', "columns renamed: lead $first meets the rule");
}

# another extension of the same name
settled('before DROP EXTENSION');
sql(q{
	SET client_min_messages = error;
	DROP EXTENSION leadroute CASCADE;
	CREATE EXTENSION leadroute;
	INSERT INTO leadroute.reps (rep) VALUES ('zoe');
	INSERT INTO leadroute.queues (queue) VALUES ('desk');
	SELECT leadroute.attach('crm.leads');
	INSERT INTO leadroute.rules (position, rule, target, target_name, if_unavailable) VALUES (90, 'rest', 'rep', 'zoe', 'wait');
	SELECT leadroute.activate();
});
is(owner('BR'), 'zoe', 'another CREATE EXTENSION has its own');
settled('of another CREATE EXTENSION');

# a database like it
sql('CREATE DATABASE other TEMPLATE postgres');
$node->safe_psql('other', q{UPDATE leadroute.rules SET target = 'queue', target_name = 'desk'});
is($node->safe_psql('other', "INSERT INTO crm.leads (id, country) VALUES (1000, 'BR') RETURNING coalesce(owner, 'none')"), 'none', 'a copy of the database has its own');
is(owner('BR'), 'zoe', 'and this one too');

# no room at all, and little
for my $setting ('0', '64kB')
{
	$node->append_conf('postgresql.conf', "leadroute.shared_configuration = '$setting'");
	$node->restart;
	is(owner('BR'), 'zoe', "shared_configuration = $setting: read");
	is(owner('BR'), 'zoe', 'and read again');
}
is(shared('published > 0 AND bytes <= size'), 't', 'what has room is shared');
sql(q{INSERT INTO leadroute.reps (rep, name) SELECT 'r' || n, repeat('name ', 20) FROM generate_series(1, 1000) n});
is(owner('BR'), 'zoe', 'what has none is read');
is(shared('bytes <= size'), 't', 'and stays within');

done_testing();
