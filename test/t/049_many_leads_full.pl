# find_duplicates() over a million leads (LEADROUTE_LEADS: as many) with names, companies and towns as skewed as real ones: no block and no lead makes it
# compare more than the settings allow, what was planted is found, a second run looks at nothing, and after a thousand changed leads at these alone.
# Counts, not times.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $leads = $ENV{LEADROUTE_LEADS} || 1_000_000;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'leadroute'\nclient_min_messages = warning\nfsync = off\nshared_buffers = '1GB'\nmax_wal_size = '4GB'");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION leadroute CASCADE; CREATE SCHEMA test');
my ($folder) = grep { -d } 'test/quality', '../../test/quality';
is($node->psql('postgres', "\\set n $leads\n" . slurp_file("$folder/many.sql"), on_error_stop => 1), 0, "$leads leads");
$node->safe_psql('postgres', "SELECT leadroute.attach('public.leads')");

my $session = $node->background_psql('postgres', on_error_stop => 1, timeout => 100_000);
my $pid = $session->query_safe('SELECT pg_backend_pid()');

# a run: rows written since the last, leads that were compared, pairs, blocks too large, pages read of the leads table
sub run
{
	my ($what) = @_;
	$session->query_safe('CALL leadroute.find_duplicates()');
	my ($private) = slurp_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+) kB/m;
	my ($phase, @run) = split /\|/, $node->safe_psql('postgres', 'SELECT phase, written, changed, compared, suggested, oversized, round(extract(epoch FROM finished_at - started_at)) FROM leadroute.match_runs');
	note(sprintf('%s: %d rows, %d leads compared, %d pairs (%.1f a lead), %d suggested, %d times a block was too large, %d s; %d kB of the session\'s own memory',
			$what, @run[0 .. 2], $run[2] / ($run[1] || 1), @run[3 .. 5], $private // -1));
	is($phase, 'done', "$what: done");
	cmp_ok($private, '<', 200_000, "$what: in bounded memory") if $private;
	return @run;
}

# pairs by keys of match rules come on top of pair_limit, those of a block that both leads were new in count once
my ($pair_limit, $block_limit) = split /\|/, $node->safe_psql('postgres', 'SELECT pair_limit, block_limit FROM leadroute.match_defaults()');
my @run = run('first run');
is("$run[0]|$run[1]", "$leads|$leads", 'every lead is valued and compared');
cmp_ok($run[2], '<=', $leads * $pair_limit * 1.5, "$pair_limit pairs a lead, on average, and those by match rules");
my $blocks = $node->safe_psql('postgres', 'SELECT count(*) FROM leadroute.match_blocks');
my $largest = $node->safe_psql('postgres', 'SELECT max(n) FROM (SELECT count(*) AS n FROM leadroute.match_keys GROUP BY flow, key) k');
note("$blocks blocks are larger than $block_limit, the largest has $largest leads");
if ($leads >= 100_000)
{
	cmp_ok($blocks, '>', 0, 'large blocks are listed');
	cmp_ok($largest, '>', $block_limit, 'and passed by, as they are');
}

# what was planted: a second row of a person with slips, short names, other addresses, or nearly nothing left
my ($planted, $found, $suggested, $right) = split /\|/, $node->safe_psql('postgres', <<'SQL');
SELECT count(*), count(d.lead), (SELECT count(*) FROM leadroute.duplicate_candidates WHERE score >= 0.5),
	(SELECT count(*) FROM leadroute.duplicate_candidates d JOIN test.pairs p ON p.lead IN (d.lead::bigint, d.other::bigint) AND p.of IN (d.lead::bigint, d.other::bigint) WHERE d.score >= 0.5)
FROM test.pairs p LEFT JOIN leadroute.duplicate_candidates d ON d.flow = 'default' AND d.score >= 0.5
	AND d.lead = least(p.lead::text COLLATE "C", p.of::text) AND d.other = greatest(p.lead::text COLLATE "C", p.of::text)
SQL
note("planted $planted, found $found; suggested with a score of 0.5 or more $suggested, of these planted $right");
cmp_ok($found / $planted, '>=', 0.6, 'most second rows are found');

@run = run('second run');
is("$run[0]|$run[1]|$run[2]", '0|0|0', 'it looks at no row');

# every thousandth lead: another first name, which is one of many; and as many rows written that say what they said
my $step = int($leads / 1000);
$node->safe_psql('postgres', "UPDATE leads SET first_name = 'Zoe' WHERE id % $step = 0; UPDATE leads SET phone = phone WHERE id % $step = 1");
my $changed = $node->safe_psql('postgres', "SELECT count(*) FROM leads WHERE id % $step = 0");
my $touched = $node->safe_psql('postgres', "SELECT count(*) FROM leads WHERE id % $step IN (0, 1)");
@run = run("after $changed changed leads");
is($run[0], $touched, 'rows that were written are looked at, and no others');
is($run[1], $changed, 'leads that have changed are compared, and no others');
# their partners by a rule's key come on top
cmp_ok($run[2], '<=', $changed * ($pair_limit + $block_limit), 'each with its likes only');
is($node->safe_psql('postgres', "SELECT count(*) FROM leadroute.match_values v JOIN leads l ON l.id = v.lead::bigint WHERE l.id % $step = 0 AND 'zoe' <> ALL (v.compared)"), 0, 'by their new values');

$session->quit;
$node->stop;
done_testing();
