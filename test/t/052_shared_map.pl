# A large map that is asked much becomes one image for all sessions, which says what SQL says, and never longer than it is true.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'leadroute'\nfsync = off\nautovacuum = off\nmax_prepared_transactions = 4\nrestart_after_crash = on\n");
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub shared { return sql("SELECT $_[0] FROM leadroute.shared_maps() WHERE map = '" . ($_[1] // 'm') . "'"); }

my $n = 0;
# As many leads, some with columns that are NULL, values that no territory has.
sub leads
{
	my ($count) = @_;
	$n += $count;
	return "INSERT INTO crm.leads (id, country, region, postal_code, employees) SELECT i, (ARRAY['US', 'DE', 'FR'])[1 + floor(random() * 3)],
		nullif(floor(random() * 12)::integer, 0)::text, CASE WHEN random() < 0.95 THEN lpad(floor(random() * 1100)::text, 5, '0') END, nullif(floor(random() * 120)::integer, 0)
		FROM generate_series(" . ($n - $count + 1) . ", $n) i;";
}
# Leads that have another territory than the slow way finds.
sub wrong
{
	my ($map, $count) = @_;
	return sql("UPDATE leadroute.rules SET target_name = '$map' WHERE rule = 'map' AND target_name <> '$map';"
		. leads($count)
		. "SELECT count(*), min(to_jsonb(l)::text), min(r.territory) FROM crm.leads l
		LEFT JOIN LATERAL (SELECT t.territory FROM leadroute.territories t WHERE t.map = '$map' AND t.during @> now()
				AND t.area OPERATOR(leadroute.@>) leadroute.territory_point(jsonb_build_object('country', lower(l.country), 'region', l.region, 'postal_code', l.postal_code, 'employees', l.employees))
			ORDER BY t.precedence DESC, t.area USING OPERATOR(leadroute.<) LIMIT 1) r ON true
		WHERE l.id > $n - $count AND l.territory IS DISTINCT FROM r.territory HAVING count(*) > 0");
}
# Asks until there is an image; $asked: look-ups through the index since (one may have been under way when it was published).
my $asked;
sub make
{
	my ($name, $map) = @_;
	sql(leads(4000));
	ok($node->poll_query_until('postgres', "SELECT in_memory FROM leadroute.shared_maps() WHERE map = '" . ($map // 'm') . "'"), "$name: an image is made");
	$asked = shared('missed', $map);
	cmp_ok($asked, '<=', 1, "$name: and used at once");
	return;
}
# A lead at one place.
sub at
{
	my ($postal, $employees) = @_;
	$n++;
	return "INSERT INTO crm.leads (id, country, postal_code, employees) VALUES ($n, 'US', '$postal', $employees) RETURNING territory";
}

sql(q{
	SET client_min_messages = warning;
	CREATE EXTENSION leadroute CASCADE;
	CREATE SCHEMA crm;
	CREATE TABLE crm.leads (id bigint PRIMARY KEY, country text, region text, postal_code text, employees integer, owner text, territory text);
	SELECT leadroute.attach('crm.leads');
	INSERT INTO leadroute.reps (rep) VALUES ('ana'), ('bo');
	INSERT INTO leadroute.rules (position, rule, target, target_name, if_unavailable) VALUES (10, 'map', 'territory', 'm', 'fallthrough'), (99, 'rest', 'rep', 'ana', 'wait');
	/* prefixes of three lengths, lists, bands that cross others elsewhere, regions; all nested or apart */
	INSERT INTO leadroute.territories (map, territory, area, rep)
		SELECT 'm', concat_ws(' ', prefix, band), concat_ws('; ', 'country: us', 'postal_code: ' || prefix || '*', 'employees: ' || band)::leadroute.territory, 'bo'
		  FROM (SELECT lpad(i::text, 5, '0') AS prefix, NULL AS band FROM generate_series(0, 999) i
			UNION ALL SELECT lpad(i::text, 5, '0'), CASE i % 2 WHEN 0 THEN format('[%s,%s)', b, b + 10) ELSE format('[%s,%s)', b - 5, b + 7) END FROM generate_series(0, 999) i, generate_series(10, 90, 20) b WHERE i % 3 > 0
			UNION ALL SELECT lpad(i::text, 4, '0'), NULL FROM generate_series(0, 99) i WHERE i % 4 > 0
			UNION ALL SELECT lpad(i::text, 3, '0'), NULL FROM generate_series(0, 9) i) t;
	INSERT INTO leadroute.territories (map, territory, area, rep)
		SELECT 'm', 'list ' || g, format('country: de; postal_code: %s', string_agg(lpad((g + 20 * k)::text, 5, '0'), ', '))::leadroute.territory, 'bo'
		  FROM generate_series(0, 18) g, generate_series(0, 49) k GROUP BY g;
	INSERT INTO leadroute.territories (map, territory, area, rep) VALUES ('m', 'elsewhere', 'country: !us !de; region: 1, 3, 7', 'bo'), ('m', 'all', '{}', 'bo');
	SELECT leadroute.activate();
});
cmp_ok(sql('SELECT count(*) FROM leadroute.territories'), '>', 4000, 'a map of some thousand territories');
is(wrong('m', 500), '', 'the index finds what SQL finds');
is(shared('in_memory'), 'f', 'which makes no image yet');
make('at first');
is(shared('territories'), sql("SELECT count(*) FROM leadroute.territories WHERE map = 'm'"), 'of all territories');
is(wrong('m', 3000), '', 'the image finds what SQL finds');
cmp_ok(sql("SELECT count(DISTINCT territory) FROM crm.leads WHERE id > $n - 3000"), '>', 500, '... in much of the map');
is(shared('missed'), $asked, '... and nobody asked the index');

# what is not committed is its writer's alone
my $reader = $node->background_psql('postgres', on_error_die => 1);
my $writer = $node->background_psql('postgres', on_error_die => 1);
my $cut = sub { return "UPDATE leadroute.territories SET area = 'country: us; postal_code: 00000*; employees: [90,$_[0]]' WHERE territory = '00000'" };
is($reader->query_safe(at('00000', 50)), '00000', 'a session that stays');
$writer->query_safe('BEGIN');
is($writer->query_safe(at('00000', 50)), '00000', 'and one');
$writer->query_safe($cut->(99));
is($writer->query_safe(at('00000', 50)), '000', 'that changes a territory sees that');
is($reader->query_safe(at('00000', 50)), '00000', 'nobody else does');
is(sql(at('00000', 50)), '00000', 'nor who comes');
$writer->query_safe('ROLLBACK');
is($writer->query_safe(at('00000', 50)), '00000', 'nor the writer, once it is rolled back');
is(shared('in_memory, made, missed'), "t|1|$asked", 'the image is the same all the time');
$writer->query_safe('BEGIN; SAVEPOINT s; ' . $cut->(98) . '; ROLLBACK TO s');
is($writer->query_safe(at('00000', 50)), '00000', 'nor after a savepoint');
$writer->query_safe('COMMIT');

# another change of the configuration leaves it alone, though sessions read theirs anew
make('again');
my $made = shared('made');
sql("UPDATE leadroute.rules SET note = 'new' WHERE rule = 'map'");
is($reader->query_safe(at('00000', 50)), '00000', 'after another rule');
is(shared('in_memory, made, missed'), "t|$made|$asked", 'the image is the same');

# committed: at once, for all
sql($cut->(97));
is($reader->query_safe(at('00000', 50)), '000', 'a change that commits is known to a session that has the image');
is(sql(at('00000', 50)), '000', 'and to who comes');
is(shared('in_memory'), 'f', 'it ends the image');

# open while the image is made
$writer->query_safe('BEGIN; ' . $cut->(96));
make('beside an open change');
is($reader->query_safe(at('00000', 96)), '00000', 'with an image that does not know it');
$writer->query_safe('COMMIT');
is($reader->query_safe(at('00000', 97)), '000', 'it counts from its commit');
is(sql(at('00000', 97)), '000', 'for all');

# prepared: committed by whoever, whenever
make('before a prepared change');
sql("BEGIN; UPDATE leadroute.territories SET area = 'country: us; postal_code: 00000*; employees: [90,95]' WHERE territory = '00000'; PREPARE TRANSACTION 'change'");
is($reader->query_safe(at('00000', 96)), '00000', 'a prepared change counts for nobody');
sql(leads(6000));
is(shared('in_memory'), 'f', 'and while there is one no image is made');
sql("COMMIT PREPARED 'change'");
is($reader->query_safe(at('00000', 96)), '000', 'from its commit on it does');
make('after a prepared change');
is(wrong('m', 1000), '', '... of what is true');
$writer->quit;

# times and precedences; a session that had the image of the other map keeps it
sql(q{
	INSERT INTO leadroute.territories (map, territory, area, rep, during, precedence)
		SELECT 'timed', concat_ws(' ', i, t), format('country: us; postal_code: %s', lpad(i::text, 5, '0'))::leadroute.territory, 'bo', v.during, v.precedence
		  FROM generate_series(0, 599) i, (VALUES ('past', '(,2020-01-01)'::tstzrange, 0), ('now', '[2020-01-01,2100-01-01)', 0), ('then', '[2100-01-01,)', 7)) v(t, during, precedence)
		UNION ALL SELECT 'timed', 'first', 'region: 1..4; postal_code: 00100..00199', 'bo', '(,)', 5
		UNION ALL SELECT 'timed', 'over', 'employees: [1,50]', 'bo', '(2000-01-01,2000-01-02]', 9;
});
is(wrong('timed', 500), '', 'times and precedences by the index');
make('of times', 'timed');
is(wrong('timed', 2000), '', '... and by the image');
is(shared('missed', 'timed'), $asked, '... alone');
is(wrong('m', 500), '', 'two maps');
sql("DELETE FROM leadroute.territories WHERE map = 'timed'");

# a small map is one image too, made by the first who asks it, without a worker
sql(q{
	INSERT INTO leadroute.territories (map, territory, area, rep, during, precedence)
		SELECT 'small', concat_ws(' ', i, t), format('country: us; postal_code: %s*', lpad(i::text, 4, '0'))::leadroute.territory, 'bo', v.during, v.precedence
		  FROM generate_series(0, 99) i, (VALUES ('past', '(,2020-01-01)'::tstzrange, 0), ('now', '[2020-01-01,2100-01-01)', 0), ('then', '[2100-01-01,)', 7)) v(t, during, precedence)
		UNION ALL SELECT 'small', 'first', 'region: 1..4; postal_code: 00100..00199', 'bo', '(,)', 5
		UNION ALL SELECT 'small', 'around', 'country: us', 'bo', '(,)', 0;
});
is(wrong('small', 500), '', 'a small map, of who makes its image');
is(wrong('small', 500), '', '... and of who comes then');
is(shared('count(*)', 'small'), 0, '... without a worker');
sql("UPDATE leadroute.territories SET area = 'country: de' WHERE territory = 'around'");
is(wrong('small', 500), '', '... and when it has changed');
is(wrong('m', 100), '', 'a large one beside it');
sql("DELETE FROM leadroute.territories WHERE map = 'small'");

# a server that falls and gets up has none, and makes another
make('before a crash');
my $pid = $reader->query_safe('SELECT pg_backend_pid()');
my $started = sql('SELECT pg_postmaster_start_time()');
kill 'KILL', $pid;
$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM leadroute.shared_maps()") or die;
is(sql('SELECT pg_postmaster_start_time()'), $started, 'the server got up by itself');
eval { $reader->quit };
is(shared('count(*)'), 0, 'after a crash nothing is there');
is(wrong('m', 500), '', 'the index answers');
make('after a crash');
is(wrong('m', 500), '', 'the new one answers');

# without room, without workers
$node->append_conf('postgresql.conf', 'leadroute.shared_maps = 0');
$node->restart;
sql(leads(4000));
is(shared('count(*)'), 0, 'shared_maps = 0: none');
is(wrong('m', 500), '', '... and the index answers');
$node->append_conf('postgresql.conf', "leadroute.shared_maps = 1\nmax_worker_processes = 0");
$node->restart;
sql(leads(4000));
is(shared('in_memory'), 'f', 'no worker: none');
sql("INSERT INTO leadroute.territories (map, territory, area, rep) SELECT 'm', repeat('long ', 100) || i, format('country: us; postal_code: 99999; employees: [%s]', i)::leadroute.territory, 'bo' FROM generate_series(1, 3000) i");
$node->append_conf('postgresql.conf', 'max_worker_processes = 4');
$node->restart;
my $log = -s $node->logfile;
sql(leads(4000));
ok($node->wait_for_log(qr/map "m" of flow "default" is looked up through its index/, $log), 'too large: the log says so');
is(shared('in_memory'), 'f', '... none');
is(wrong('m', 500), '', '... and the index answers');

# nothing holds a database, nor another extension
$node->append_conf('postgresql.conf', 'leadroute.shared_maps = 64');
$node->restart;
make('at last');
sql('DROP EXTENSION leadroute CASCADE; CREATE EXTENSION leadroute');
is(sql('SELECT count(*) FROM leadroute.shared_maps()'), 0, 'another extension has no maps');
$node->safe_psql('template1', 'DROP DATABASE postgres');
pass('a database can be dropped');
$node->stop;
done_testing();
