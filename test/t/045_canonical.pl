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

# the long lists, as `make mail-domains` brings them: npm itself is not asked, its packages are
my $packages = "$PostgreSQL::Test::Utils::tmp_check/npm";
mkdir $packages;
my %lists = (
	'free-email-domains' => [ 'domains.json', 14000, 'free' ],
	'disposable-email-domains' => [ 'index.json', 121000, 'throwaway' ]);
for my $package (keys %lists)
{
	my ($name, $count, $stem) = @{ $lists{$package} };
	mkdir "$packages/$package";
	mkdir "$packages/$package/package";
	append_to_file("$packages/$package/package/$name", '[' . join(', ', map { qq("$stem-mail-$_.example") } 1 .. $count) . ', "Upper.Example", "münchen.example", "nodot"]');
	system('tar', '-czf', "$packages/$package-9.9.9.tgz", '-C', "$packages/$package", 'package') == 0 or die;
}
append_to_file("$packages/npm", <<"SH");
#!/bin/sh
# npm pack --silent --pack-destination DIRECTORY PACKAGE
[ "\$1 \$2 \$3" = 'pack --silent --pack-destination' ] || exit 1
cp "$packages/\$5-9.9.9.tgz" "\$4" && echo "\$5-9.9.9.tgz"
SH
chmod 0755, "$packages/npm";
my ($script) = grep { -e } 'sql/mail_domains.pl', '../../sql/mail_domains.pl';
my $watcher = $node->background_psql('a', on_error_stop => 1);
is($watcher->query_safe("SELECT count(*) FILTER (WHERE leadroute.is_public_mail('kim\@free-mail-' || i || '.example')) FROM generate_series(1, 100) i"), '0', 'a session that has read the table');
for my $round (1, 2)
{
	my $load = "PATH='$packages':\$PATH perl $script";
	my $psql = join ' ', map { "'$_'" } 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('a');
	is(system('bash', '-c', "set -o pipefail; $load | $psql"), 0, "the lists are loaded ($round)");
}
is($node->safe_psql('a', "SELECT count(*) FILTER (WHERE source = 'free-email-domains' AND is_public AND NOT is_disposable AND note = 'version 9.9.9'),
	count(*) FILTER (WHERE source = 'disposable-email-domains' AND is_disposable AND NOT is_public), count(*) FILTER (WHERE source = 'leadroute'), count(*) FILTER (WHERE source NOT IN ('leadroute', 'free-email-domains', 'disposable-email-domains'))
	FROM leadroute.mail_domains"), "14001|121001|$shipped|2", 'replaced, and nothing else is');
is($watcher->query_safe("SELECT count(*) FILTER (WHERE leadroute.is_public_mail('kim\@free-mail-' || i || '.example')), count(*) FILTER (WHERE leadroute.is_disposable_mail('x.throwaway-mail-' || i || '.example')),
	count(*) FILTER (WHERE leadroute.is_public_mail('acme' || i || '.example')), bool_or(leadroute.is_public_mail('gmail.com')), bool_and(leadroute.is_public_mail('upper.example')) FROM generate_series(1, 14000) i"), '14000|14000|0|f|t', 'the session hears of it');
my $memory = $watcher->query_safe("SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE ident = 'mail domains'");
cmp_ok($memory, '>', 2_000_000, 'it has them in memory');
cmp_ok($memory, '<', 6_000_000, 'in a few megabytes');
note("135,000 domains: $memory bytes");
my ($plan) = split /^Planning:/m, $watcher->query_safe("EXPLAIN (ANALYZE, BUFFERS, COSTS off, TIMING off, SUMMARY off) SELECT count(leadroute.is_disposable_mail('x.throwaway-mail-' || i || '.example')) FROM generate_series(1, 1000) i");
unlike($plan, qr/Buffers/, 'and reads no page for a look-up');
$watcher->quit;
is($node->safe_psql('a', "SELECT count(*) FROM (SELECT leadroute.is_public_mail('gmail.com')) x, pg_backend_memory_contexts WHERE ident = 'mail domains'"), '0', 'a session that asks once has none');

# another encoding: nothing fails, ASCII folds
$node->safe_psql('latin', 'CREATE EXTENSION leadroute CASCADE');
is($node->safe_psql('latin', "SELECT leadroute.email_key('KIM' || chr(228) || '\@Acme.com') = 'kim' || chr(228) || '\@acme.com', leadroute.email_key('kim\@m' || chr(252) || 'ller.de') IS NULL,
	leadroute.company_key('Caf' || chr(233) || ' GmbH') = 'caf' || chr(233), leadroute.country_code('Germany'), leadroute.phone_key('+1 415' || chr(160) || '2007986')"), 't|t|t|de|+14152007986', 'LATIN1');
is($node->safe_psql('latin', "SELECT count(*) FROM generate_series(128, 255) c, LATERAL (SELECT leadroute.email_key(chr(c) || '\@a.com'), leadroute.email_key('a\@' || chr(c) || '.com'), leadroute.domain_key(chr(c) || '.com'),
	leadroute.company_key('a' || chr(c)), leadroute.country_code(chr(c)), leadroute.region_code(chr(c), 'us'), leadroute.postal_key(chr(c) || '1', 'us'), leadroute.phone_key(chr(c) || '1', 'us'), leadroute.is_public_mail(chr(c) || '.com')) x"), '128', 'no character of it is an error');
$node->stop;
done_testing();
