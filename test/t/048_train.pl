# 048_train.pl: train() on real leads beside scikit-learn on the same features; progress and cancellation.
# apt: python3-sklearn
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $node = PostgreSQL::Test::Cluster->new('train');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'leadroute'");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION leadroute CASCADE');

sub sql { return $node->safe_psql('postgres', shift); }

SKIP:
{
	my $file = ($ENV{LEADROUTE_DATA} // '') . '/x_education/leads_early.csv';
	skip 'the real leads are not there: ../shared/data/x_education', 1 unless -r $file;

	# columns by the names of the file; its last one has none
	open my $csv, '<', $file or die "$file: $!";
	my $header = <$csv>;
	close $csv;
	$header =~ s/[\r\n]+$//;
	my @columns = map { $_ eq '' ? 'nothing' : $_ } split /,/, $header, -1;
	sql('CREATE TABLE leads (' . join(', ', map { "\"$_\" " . (/^(Converted|Lead Number|TotalVisits|Total Time Spent on Website)$/ ? 'integer' : /^Page Views/ ? 'numeric' : 'text') } @columns) . ')');
	$node->safe_psql('postgres', "\\copy leads from '$file' with (format csv, header)");
	is(sql('SELECT count(*) FROM leads'), '6468', 'the leads are there');

	# what is known at intake and from the web session
	my @late = ('Prospect ID', 'Lead Number', 'Converted', 'Tags', 'Lead Quality', 'Lead Profile', 'Last Activity', 'Last Notable Activity', 'nothing');
	my @early = grep { my $c = $_; !/^Asymmetrique/ && !grep { $_ eq $c } @late } @columns;
	my $early = "'{" . join(',', map { "\"$_\"" } @early) . "}'";

	# twice: all numbers as they are, and in tenths; trained on the first 70 % by number, asked about the rest
	for my $bins ('{}', '{"*": 10}')
	{
		sql("SELECT leadroute.train('m', 'leads', 'Converted', $early, placeholders => '{Select}', bins => '$bins', order_by => 'Lead Number', holdout => 0.3, refit => false)");
	}
	my @reports = map { [split /\|/] } split /\n/, sql('SELECT auc, brier, rows, held_out, seconds FROM leadroute.prediction_versions ORDER BY version');
	is("$reports[0][2] $reports[0][3]", '6468 1940', 'the last 30 % are held out');
	cmp_ok($reports[0][4], '<', 2, "training on 6,468 rows takes less than two seconds: $reports[0][4]");
	is( sql(q{SELECT abs(m.auc - v.auc) < 1e-9 AND abs(m.brier - v.brier) < 1e-9
		FROM (SELECT array_agg(p.probability) p, array_agg("Converted" = 1) w FROM (SELECT * FROM leads ORDER BY "Lead Number" OFFSET 4528) l, leadroute.predict(l, model => 'm', version => 1) p) x,
			leadroute.measure(x.p, x.w) m, leadroute.prediction_versions v WHERE v.version = 1}),
		't', 'predict() on them says what train() reported');

	# a relation of the first 70 % alone, trained whole: what somebody with later leads would do
	sql('CREATE VIEW first AS SELECT * FROM leads ORDER BY "Lead Number" LIMIT 4528');
	sql("SELECT leadroute.train('first', 'first', 'Converted', $early, placeholders => '{Select}')");
	my $kept = sql(q{SELECT m.auc FROM (SELECT array_agg(p.probability) p, array_agg("Converted" = 1) w FROM (SELECT * FROM leads ORDER BY "Lead Number" OFFSET 4528) l, leadroute.predict(l, model => 'first', version => 1) p) x, leadroute.measure(x.p, x.w) m});
	cmp_ok(abs($kept - $reports[0][0]), '<', 1e-5, 'with the second fit all of them are learnt from');

	my $python = '/usr/bin/python3';
	skip "scikit-learn is not there: install python3-sklearn", 1 if system("$python -c 'import sklearn' 2>/dev/null") != 0;
	my $script = <<'PYTHON';
import csv, sys, collections
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score, brier_score_loss
rows = sorted(csv.DictReader(open(sys.argv[1])), key=lambda r: int(r['Lead Number']))
columns = sys.argv[2].split('|')
numbers = ['TotalVisits', 'Total Time Spent on Website', 'Page Views Per Visit']
y = np.array([int(r['Converted']) for r in rows])
cut = len(rows) - int(len(rows) * 0.3)
for bins in (False, True):
    features = []
    for c in columns:
        values = [r[c].strip().lower() for r in rows]
        values = ['' if v == 'select' else v for v in values]
        if c in numbers:
            n = np.array([float(v) if v else np.nan for v in values])
            missing = np.isnan(n)
            if bins:
                known = np.sort(n[:cut][~missing[:cut]])
                bounds = np.unique([known[len(known) * i // 10] for i in range(1, 10)])
                part = np.digitize(n, bounds)
                features += [(part == i) & ~missing for i in range(len(bounds) + 1)]
            else:
                z = (n - np.nanmean(n[:cut])) / np.nanstd(n[:cut])
                z[missing] = 0
                features.append(z)
            features.append(missing)
        else:
            counts = collections.Counter(values[:cut])
            frequent = [v for v, k in counts.items() if k >= 10 or v == '']
            features += [np.array([v == f for v in values]) for f in frequent]
            features.append(np.array([v not in frequent for v in values]))
    x = np.column_stack(features).astype(float)
    p = LogisticRegression(max_iter=3000).fit(x[:cut], y[:cut]).predict_proba(x[cut:])[:, 1]
    print(roc_auc_score(y[cut:], p), brier_score_loss(y[cut:], p))
PYTHON
	my ($out, $err) = ('', '');
	my $path = PostgreSQL::Test::Utils::tempdir() . '/compare.py';
	open my $py, '>', $path or die $!;
	print $py $script;
	close $py;
	ok(IPC::Run::run([ $python, $path, $file, join('|', @early) ], '>', \$out, '2>', \$err), 'scikit-learn answers') or diag $err;
	my @theirs = map { [split] } split /\n/, $out;
	for my $i (0, 1)
	{
		my $how = ('numbers as they are', 'numbers in tenths')[$i];
		note sprintf '%s: AUC %.5f here, %.5f there; Brier %.5f here, %.5f there', $how, $reports[$i][0], $theirs[$i][0], $reports[$i][1], $theirs[$i][1];
		cmp_ok(abs($reports[$i][0] - $theirs[$i][0]), '<', 0.005, "AUC as scikit-learn's, $how");
		cmp_ok(abs($reports[$i][1] - $theirs[$i][1]), '<', 0.005, "Brier score as scikit-learn's, $how");
	}
}

# A long one: it shows how far it has come, and can be cancelled while it reads and while it fits.
sql(q{CREATE TABLE much AS SELECT i % 3 = 0 AS won, (i::bigint * 7919 % 1009)::float8 AS a, (i::bigint * 104729 % 997)::float8 AS b, md5((i % 150)::text) AS c, md5((i % 190)::text) AS d, i % 7 AS e
	FROM generate_series(1, 400000) i});
for my $phase ('reading', 'fitting')
{
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	$session->query_until(qr/begun/, "SET application_name = 'long';\n\\echo begun\nSELECT leadroute.train('long', 'much', 'won', cost => 1000, max_rows => 400000);\n");
	my $shown = '';
	for (1 .. 1200)
	{
		$shown = sql("SELECT query FROM pg_stat_activity WHERE application_name = 'long'");
		last if $shown =~ /leadroute.train, model "long": $phase/;
		sleep 0.05;
	}
	like($shown, qr/^leadroute.train, model "long": $phase\b.*; .*SELECT leadroute.train\(/s, "$phase shows in pg_stat_activity, before the query");
	my $began = time;
	sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'long'");
	ok($node->poll_query_until('postgres', "SELECT state = 'idle' FROM pg_stat_activity WHERE application_name = 'long'"), "and is cancelled while $phase");
	my $took = time - $began;
	note sprintf 'cancelled while %s after %.2f s', $phase, $took;
	cmp_ok($took, '<', 15, 'soon');
	is(sql("SELECT count(*) FROM leadroute.prediction_models WHERE model = 'long'"), '0', 'nothing of it stays');
	$session->quit;
}

# What it takes it gives back: the process is no larger after ten rounds than after three.
my $sizes = sql(q{DO $$ BEGIN
	FOR i IN 1..13 LOOP
		PERFORM leadroute.train('again', 'part', 'won', rare => 1);
		IF i IN (3, 13) THEN INSERT INTO sizes SELECT i, (regexp_match(pg_read_file('/proc/self/status'), 'RssAnon:\s+(\d+)'))[1]::int; END IF;
	END LOOP; END $$; SELECT max(kb) - min(kb) FROM sizes}
	=~ s/^/CREATE TABLE sizes (i int, kb int); CREATE TABLE part AS SELECT * FROM much LIMIT 20000; /r);
cmp_ok((split /\n/, $sizes)[-1], '<', 4096, 'no memory is lost, in kB: ' . $sizes);

$node->stop;
done_testing();
