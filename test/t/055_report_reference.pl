# Each report against a reference in SQL that knows the base tables and the words of the columns alone (test/reports), over a history of leads with
# pauses, restarts, hand-overs, duplicates, breaches that turned met, leads that came too late, were nurtured, recycled, archived, discarded or deleted.
# LEADROUTE_FULL: 5,000 leads.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($leads, $step, $hours) = $ENV{LEADROUTE_FULL} ? (5000, 50, 15) : (600, 20, 52);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'leadroute'\nclient_min_messages = error\nfsync = off\njit = off");
$node->start;
$node->safe_psql('postgres', slurp_file('test/reports/history.sql'));
$node->safe_psql('postgres', "CALL lr.history($leads, $step, $hours, '2026-02-01 00:00Z', 20)", timeout => 1800);

sub sql { return $node->safe_psql('postgres', shift); }

# the history has what the reports are about
sub has
{
	my ($what, $query) = @_;
	my $n = sql("SELECT count(*) FROM $query");
	cmp_ok($n, '>', 0, "$what: $n");
	return;
}

has('clocks that were paused', 'leadroute.clocks WHERE paused > 0');
has('clocks that stand still', 'leadroute.clocks WHERE paused_at IS NOT NULL AND outcome IS NULL');
has('clocks that stand still and were never anybody\'s', 'leadroute.clocks WHERE paused_at IS NOT NULL AND outcome IS NULL AND assigned_at IS NULL');
has('later rounds', 'leadroute.clocks WHERE round > 1');
has('breaches that turned met', q{leadroute.clocks WHERE outcome = 'met' AND breached_at IS NOT NULL});
has('met by the rep alone', q{leadroute.clocks WHERE outcome = 'breached' AND rep_outcome = 'met'});
has('duplicates', q{leadroute.lead_states WHERE status = 'duplicate'});
has('leads that waited', q{leadroute.lead_states WHERE status = 'waiting'});
has('leads that were nurtured', q{leadroute.events WHERE code IN ('nurtured', 'rejected')});
has('leads that were recycled', 'leadroute.lead_states WHERE recycles > 0');
has('leads that came back', q{leadroute.events WHERE code = 'returned'});
has('leads that were too old', q{leadroute.events WHERE code = 'too_old'});
has('leads that were discarded', q{leadroute.lead_states WHERE status = 'discarded'});
has('leads that were deleted', q{leadroute.lead_states WHERE outcome = 'deleted'});
has('leads that were won', 'leadroute.lead_states WHERE won');
has('meetings that were held', q{leadroute.signals WHERE type = 'meeting_held'});

# what the sweeps have kept so far, by the changes of each lead, is what the base tables say; once a little later, with deadlines that nobody swept
my $clock = sql(sprintf("SELECT (timestamptz '2026-02-01 00:00Z' + %s * interval '1 hour' + interval '11 hours')", $leads / $step * $hours));

sub compare
{
	my ($rebuild) = @_;
	my $sweep = "CALL leadroute.sweep('default', '{reports}');\n" x 6;
	my $by = join ',', map { "'$_'" } qw(total day week rep team source segment tier rule speed policy);
	my $report = 'item text, leads bigint, duplicates bigint, assigned bigint, kept_pct numeric, fallback_pct numeric, open bigint, touched bigint, touched_pct numeric, s1 numeric, s2 numeric, h1 numeric, h2 numeric, h3 numeric, h4 numeric, '
		. 'met bigint, breached bigint, met_pct numeric, rep_met bigint, rep_breached bigint, rep_met_pct numeric, converted bigint, conversion_pct numeric, won bigint, lost bigint, win_pct numeric, value numeric, as_of timestamptz';
	my $views = 'sla_compliance,breach_reasons,response_times,speed_buckets,routing_accuracy,rule_performance,lead_aging,rep_scorecard,contact_by_hour,funnel,sla_status,queue,escalations,'
		. 'stage_history,stage_skips,stage_times,recycling_report,lead_feedback_report,clock_states,stale_leads,trend_7_30';
	# a row that was written without any effect on its lead is looked at when the figures are made anew
	$views .= ',data_quality' if $rebuild;
	my $out = $node->safe_psql('postgres', "SET leadroute.clock = '$clock';\n"
		. ($rebuild ? "DO \$\$ BEGIN PERFORM leadroute.rebuild_reports(); END \$\$;\n" : '') . $sweep
		. "DROP SCHEMA IF EXISTS want CASCADE;\n" . slurp_file('test/reports/reference.sql') . "\n"
		. "SELECT v, d.* FROM unnest('{$views}'::text[]) v, want.diff(format('SELECT * FROM leadroute.%I WHERE flow = ''default''', v), format('SELECT * FROM want.%I', v)) d;\n"
		. "SELECT 'report by ' || b, d.* FROM unnest(ARRAY[$by]) b, want.diff(format('SELECT * FROM leadroute.report(''2025-12-20'', ''2026-04-20'', %L)', b), format('SELECT * FROM want.report(''2025-12-20'', ''2026-04-20'', %L) AS r($report)', b)) d;\n"
		. q{SELECT 'compare_periods', d.* FROM want.diff($$SELECT * FROM leadroute.compare_periods('2026-02-03', '2026-02-20', '2026-03-01', '2026-03-28')$$,
			$$SELECT a.metric, a.value, b.value AS second, b.value - a.value, want.pct(b.value - a.value, abs(a.value)) FROM want.figures('2026-02-03', '2026-02-20') a JOIN want.figures('2026-03-01', '2026-03-28') b USING (metric)$$) d;}, timeout => 1800);
	foreach my $line (split /\n/, $out)
	{
		my ($what, $had, $missing, $surplus, $example) = split /\|/, $line, 5;
		ok($had > 0 && $missing == 0 && $surplus == 0, ($rebuild ? 'made anew: ' : '') . "$what, $had rows") or diag("$missing missing, $surplus too many: $example");
	}
	return;
}

compare(0);
compare(1);
$node->stop;
done_testing();
