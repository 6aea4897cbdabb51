# A database with the extension and nothing else but a calendar survives pg_dump and a restore by another superuser: the
# schema comes before the extension then, owned by the superuser who made it.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'leadroute'");
$node->start;
$node->safe_psql('postgres', 'CREATE ROLE first SUPERUSER LOGIN; CREATE ROLE second SUPERUSER LOGIN; CREATE DATABASE source; CREATE DATABASE target;');
$node->safe_psql('source', 'SET ROLE first; SET client_min_messages = warning; CREATE EXTENSION leadroute CASCADE;');

$node->safe_psql('source', q{SET ROLE first; INSERT INTO leadroute.calendars (calendar, timezone, holidays) VALUES ('ny', 'America/New_York', '{us}');
	INSERT INTO leadroute.calendar_hours (calendar, weekday, opens, closes) SELECT 'ny', d, '09:00', '17:00' FROM generate_series(1, 5) d;
	INSERT INTO leadroute.holidays (list, day) VALUES ('us', '2026-05-25')});

my $dump = $node->basedir . '/source.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, '-d', $node->connstr('source') ], 'pg_dump');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-U', 'second', '-f', $dump, '-d', $node->connstr('target') ], 'restore by another superuser');

my $query = q{SELECT extversion, nspname, pg_get_userbyid(nspowner) FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'leadroute'};
is($node->safe_psql('target', $query), $node->safe_psql('source', $query), 'same extension, same schema, same owner');

is($node->safe_psql('target', q{SELECT leadroute.business_add('ny', '2026-05-22 16:00 EDT', '2 hours') = '2026-05-26 10:00 EDT'}), 't', 'the calendar, its hours and its holidays are there');

$node->stop;
done_testing();
