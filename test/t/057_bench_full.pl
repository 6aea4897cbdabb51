# The bench runs on what leadroute writes today, at sizes that measure nothing: each part ends, the floor writes what leadroute
# writes, a history is leads to leadroute, and the targets say of every line what was measured or that it was not run.
use strict;
use warnings;

use File::Temp;
use PostgreSQL::Test::Utils;
use Test::More;

my $out = File::Temp->newdir;
local %ENV = (%ENV, BENCH => 'quick', BENCH_OUT => "$out", BENCH_SAMPLE => 300, BENCH_CLIENTS => '1 8', BENCH_ROUNDS => 1, BENCH_SECONDS => 3, BENCH_ROWS => '2000 4000',
	BENCH_BESIDE_ROWS => 2000, BENCH_SIZES_history => '6000 10000', BENCH_CURVES => 'rules territories', BENCH_SIZES_rules => '10 50', BENCH_SIZES_territories => '0 100',
	BENCH_LEADS => 500, BENCH_TERRITORIES => 200, BENCH_CONNECTIONS => 3, BENCH_SIZES_connect => '1 5');
# the server of this run, which PGXS's tests know by their path
my $pg_config = `which pg_config`;
chomp $pg_config;
$ENV{PG_CONFIG} //= $pg_config;
delete @ENV{qw(MAKEFLAGS MAKELEVEL MFLAGS)};

my @parts = qw(rows single bulk batches beside connect growth history);
my $said = '';
my $ok = IPC::Run::run([ 'test/bench/run', @parts ], '>', \$said, '2>&1', IPC::Run::timeout(1500));
ok($ok, 'all parts ran') or diag($said);
ok(-s "$out/$_.figures" && -s "$out/$_.run", "$_: its figures are kept") for @parts;

# part, kind, variant, clients, size, round, metric, value
my %value;
for my $line (split /\n/, slurp_file("$out/rows.figures"))
{
	my ($part, $kind, $variant, undef, undef, undef, $metric, $value) = split /\t/, $line;
	$value{"$variant $kind $metric"} = $value;
}
cmp_ok(abs($value{'f1 total rows'} - $value{'lr total rows'}), '<', 0.2, 'the floor writes as many rows as leadroute');
cmp_ok(abs($value{'f1 total bytes'} / $value{'lr total bytes'} - 1), '<', 0.1, '... and as many bytes');
is($value{"f1 $_ rows"}, 1, "... $_ among them") for qw(leads lead_states events);
like($said, qr/^\| $_/m, "the targets have the line \"$_\"")
  for ('single-row, synchronous commit, of F1: 1 client', 'WAL a lead', 'COPY of 200 k, of F1', 'COPY of 1 M', 'upsert of known', 'UPDATE that touches', '1,000 rules against 50',
	'territory look-up', 'first lead of a new connection', '10 M leads of history', 'p99 / p50', 'P1 itself');
like($said, qr/^\d\d lines: /m, 'and are summed up');

done_testing();
