# What make demo shows: it runs without an error or warning, fits 120 columns, and is the same each time.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'leadroute'");
$node->start;

my @shown;
foreach my $database ('once', 'again')
{
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	my ($out, $err) = ('', '');
	my $ok = IPC::Run::run([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($database), '-f', 'test/demo.sql' ],
		'>', \$out, '2>', \$err);
	ok($ok, "the demo runs: $database") or diag($err);
	is($err, '', "the demo complains of nothing: $database");
	$out =~ s/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.\d]*\+\d\d/(instant)/g;
	utf8::decode($out);
	is((grep { length > 120 } split /\n/, $out)[0], undef, "the demo fits 120 columns: $database");
	push @shown, $out;
}
# the fraction of an instant has no fixed width, and the table follows it
s/[ -]{2,}/ /g foreach @shown;
is($shown[1], $shown[0], 'the demo shows the same each time');
like($shown[0], qr/Cook County.*\| fay/, 'a lead comes back with its owner');
like($shown[0], qr/same email as lead 5: gus has it/, 'a duplicate with that of its first');
like($shown[0], qr/rule "hot" \(5\): rep mia/, 'a score is read by a rule');
like($shown[0], qr/reassign \| 30 min reassign/, 'a deadline is acted on');
is($node->safe_psql('once', q{SELECT count(*) FROM leads WHERE owner IS NULL AND id NOT IN (SELECT lead::bigint FROM leadroute.lead_states WHERE status IN ('waiting', 'discarded'))}),
	'0', 'every lead has an owner or a reason');

$node->stop;
done_testing();
