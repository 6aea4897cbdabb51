# mail_domains through dump and restore: what ships comes with CREATE EXTENSION, what others brought with the dump.
# And a server without the library preloaded, where libphonenumber's tables are read by the session that asks first.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('canonical');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE a; CREATE DATABASE b; CREATE DATABASE latin ENCODING LATIN1 TEMPLATE template0');
$node->safe_psql('a', 'CREATE EXTENSION leadroute CASCADE');
is($node->safe_psql('a', "SELECT leadroute.phone_key('(415) 200-7986', 'us')"), '+14152007986', 'without shared_preload_libraries');

my $shipped = $node->safe_psql('a', 'SELECT count(*) FROM leadroute.mail_domains');
$node->safe_psql('a', "INSERT INTO leadroute.mail_domains (domain, source, is_public) VALUES ('acme.example', 'a list', true);
	INSERT INTO leadroute.mail_domains (domain, note) VALUES ('gmail.com', 'ours')");
my $file = "$PostgreSQL::Test::Utils::tmp_check/a.dump";
$node->command_ok([ 'pg_dump', '-Fc', '-f', $file, 'a' ], 'dump');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', 'b', $file ], 'restore');
is($node->safe_psql('b', 'SELECT count(*) FROM leadroute.mail_domains'), $shipped + 2, 'every row is there once');
is($node->safe_psql('b', "SELECT leadroute.is_public_mail('acme.example'), leadroute.is_public_mail('gmail.com'), leadroute.is_public_mail('yahoo.com')"), 't|f|t', 'and counts');

# another encoding: nothing fails, ASCII folds
$node->safe_psql('latin', 'CREATE EXTENSION leadroute CASCADE');
is($node->safe_psql('latin', "SELECT leadroute.email_key('KIM' || chr(228) || '\@Acme.com') = 'kim' || chr(228) || '\@acme.com', leadroute.email_key('kim\@m' || chr(252) || 'ller.de') IS NULL,
	leadroute.company_key('Caf' || chr(233) || ' GmbH') = 'caf' || chr(233), leadroute.country_code('Germany'), leadroute.phone_key('+1 415' || chr(160) || '2007986')"), 't|t|t|de|+14152007986', 'LATIN1');
is($node->safe_psql('latin', "SELECT count(*) FROM generate_series(128, 255) c, LATERAL (SELECT leadroute.email_key(chr(c) || '\@a.com'), leadroute.email_key('a\@' || chr(c) || '.com'), leadroute.domain_key(chr(c) || '.com'),
	leadroute.company_key('a' || chr(c)), leadroute.country_code(chr(c)), leadroute.region_code(chr(c), 'us'), leadroute.postal_key(chr(c) || '1', 'us'), leadroute.phone_key(chr(c) || '1', 'us'), leadroute.is_public_mail(chr(c) || '.com')) x"), '128', 'no character of it is an error');
$node->stop;
done_testing();
