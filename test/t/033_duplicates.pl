# Eight sessions insert the same thousand people in different orders, with rollbacks, to savepoints too, single rows, batches
# and upserts: a thousand originals, every other row linked to one that exists, no key of a lead that is not there.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use IPC::Run;
use List::Util qw(shuffle);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use lib abs_path(dirname(__FILE__));
use Stress;

my $sessions = 8;
my $people = 1000;
my $node = stress_node('primary', "deadlock_timeout = '200ms'");
stress_setup($node);
sub sql { return $node->safe_psql('postgres', $_[0]); }
sql('ALTER TABLE leads ADD phone text, ADD last_name text, ADD note text UNIQUE, ADD duplicate_of text');
sql("SELECT leadroute.attach('public.leads')");

# A spelling of a person: always the e-mail address, mostly the phone and name too.
sub person
{
	my ($n) = @_;
	my $way = int(rand(4));
	my $email = ("'p$n\@x.example'", "'P$n+web\@X.example'", "' p$n\@x.example '")[ int(rand(3)) ];
	my $phone = sprintf("'+1415555%04d', '%s'", 2000 + $n, ('Ng', 'NG', 'ng')[ int(rand(3)) ]);
	return $way == 0 ? "$email, NULL, NULL" : "$email, $phone";
}

sub insert { return 'INSERT INTO leads (email, phone, last_name) VALUES ' . join(', ', map { '(' . person($_) . ')' } @_) . ';'; }

# One session's script. Batches name people in ascending order, as a loader that sorts does; two in opposite orders may deadlock.
sub script
{
	my ($number, $sorted) = @_;
	my @order = shuffle(1 .. $people);
	my @lines;
	while (@order)
	{
		my @some = splice(@order, 0, 1 + int(rand(4)));
		@some = sort { $a <=> $b } @some if $sorted;
		my $kind = int(rand(8));
		if ($kind == 0)
		{
			push @lines, 'BEGIN; ' . insert(@some) . ' ROLLBACK;', map { insert($_) } @some;
		}
		elsif ($kind == 1)
		{
			my @rest = @some;
			my $first = shift @rest;
			push @lines, 'BEGIN; SAVEPOINT s; ' . insert($first) . ' ROLLBACK TO s; ' . insert($first) . ' COMMIT;', map { insert($_) } @rest;
		}
		elsif ($kind == 2)
		{
			# the second row of a person in one statement, and rows that ON CONFLICT keeps out
			push @lines, insert(map { ($_, $_) } @some),
				"INSERT INTO leads (email, note) SELECT 'p' || n || '\@x.example', 'one' FROM unnest('{" . join(',', @some) . "}'::int[]) n ON CONFLICT DO NOTHING;";
		}
		elsif ($kind == 3)
		{
			push @lines, 'BEGIN; ' . insert(@some) . ' DELETE FROM leads WHERE id = lastval(); COMMIT;', map { insert($_) } @some;
		}
		else { push @lines, insert(@some); }
	}
	return join("\n", @lines);
}

# Runs all sessions; answers what their errors say.
sub run_all
{
	my ($sorted) = @_;
	my (@runs, @errors);
	for my $number (1 .. $sessions)
	{
		srand(1000 * $number + ($sorted ? 1 : 0));
		my $file = $node->basedir . "/session_$number.sql";
		append_to_file($file, script($number, $sorted));
		push @runs, IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-f', $file ], '>', '/dev/null', '2>', \$errors[ $number - 1 ]);
	}
	$_->finish for @runs;
	unlink map { $node->basedir . "/session_$_.sql" } 1 .. $sessions;
	return join('', @errors);
}

# What must hold, whatever happened.
sub whole
{
	my ($what) = @_;
	is(sql("SELECT count(DISTINCT regexp_replace(leadroute.email_key(email), '\@.*', '')) FROM leads WHERE duplicate_of IS NULL"), $people, "$what: a thousand people are there");
	is(sql('SELECT count(*) FROM leads WHERE duplicate_of IS NULL'), $people, "$what: each once as an original");
	is(sql('SELECT count(*) FROM leads d WHERE duplicate_of IS NOT NULL AND NOT EXISTS (SELECT FROM leads o WHERE o.id::text = d.duplicate_of AND o.duplicate_of IS NULL
		AND leadroute.email_key(o.email) = leadroute.email_key(d.email))'), 0, "$what: every other row is linked to an original that is the same person");
	cmp_ok(sql('SELECT count(*) FROM leads WHERE duplicate_of IS NOT NULL'), '>', 6 * $people, "$what: and there are many of them");
	is(sql('SELECT count(*) FROM leads d JOIN leads o ON o.id::text = d.duplicate_of WHERE o.owner IS DISTINCT FROM d.owner'), 0, "$what: who has its owner");
	is(sql('SELECT count(*) FROM leadroute.identities i WHERE NOT EXISTS (SELECT FROM leads l, leadroute.lead_keys(l) k WHERE l.id::text = i.lead AND k.kind = i.kind AND k.key = i.key)'),
		0, "$what: no key of a lead that is not there");
	is(sql("SELECT count(*) FROM leads l, leadroute.lead_keys(l) k WHERE l.duplicate_of IS NULL AND NOT EXISTS
		(SELECT FROM leadroute.identities i WHERE i.kind = k.kind AND i.key = k.key AND i.lead = l.id::text)"), 0, "$what: the originals hold their keys");
	is(sql("SELECT count(*) FROM leadroute.identities WHERE kind = 'email'"), $people, "$what: one key a person");
	is(sql("SELECT sum(open) FROM leadroute.rep_load"), $people, "$what: a place for each original, none for the others");
	is(sql('SELECT count(*) FROM leadroute.rotation_drift()'), 0, "$what: memory and ledger agree");
	return;
}

my $errors = run_all(1);
unlike($errors, qr/ERROR:  (?!deadlock detected|current transaction is aborted)/, 'no error but deadlocks');
note(sprintf('%d deadlocks of statements in one order', scalar(() = $errors =~ /deadlock detected/g)));
# who lost a deadlock sends his rows again, one by one
sql(join("\n", map { insert($_) } 1 .. $people));
whole('ascending orders');

sql('TRUNCATE leads, leadroute.lead_states, leadroute.identities, leadroute.events, leadroute.rotation');
$node->restart;
$errors = run_all(0);
unlike($errors, qr/ERROR:  (?!deadlock detected|current transaction is aborted)/, 'no error but deadlocks, any order');
note(sprintf('%d deadlocks of statements in any order', scalar(() = $errors =~ /deadlock detected/g)));
sql(join("\n", map { insert($_) } 1 .. $people));
whole('any order');

# -- one session, random statements in random nested savepoints: keys are those of rows that stand
sql('TRUNCATE leads, leadroute.lead_states, leadroute.identities, leadroute.events, leadroute.rotation');
$node->restart;
srand(77);
sub pick { return $_[ int rand @_ ]; }
sub id { return 1 + int rand 30; }
sub mail { return "'m" . (1 + int rand 12) . "\@x.example'"; }

sub statement
{
	my ($a, $b) = (id(), id());
	my $kind = int rand 10;
	return "INSERT INTO leads (id, email) SELECT i, 'm' || i % 12 + 1 || '\@x.example' FROM generate_series($a, $a + @{[ int rand 4 ]}) i ON CONFLICT DO NOTHING;" if $kind < 2;
	return "INSERT INTO leads (id, email) VALUES ($a, " . mail() . "), (@{[ 100 + $a ]}, " . mail() . ') ON CONFLICT (id) DO UPDATE SET email = EXCLUDED.email, owner = EXCLUDED.owner;' if $kind == 2;
	return "DELETE FROM leads WHERE id = $a;" if $kind == 3;
	return "DELETE FROM leads WHERE id BETWEEN $a AND $a + 3; INSERT INTO leads (id, email) SELECT i, " . mail() . " FROM generate_series($a, $a + 3) i;" if $kind == 4;
	return "WITH d AS (DELETE FROM leads WHERE id = $a RETURNING id) INSERT INTO leads (id, email) SELECT id, " . mail() . ' FROM d;' if $kind == 5;
	return 'UPDATE leads SET email = ' . pick(mail(), 'NULL') . " WHERE id IN ($a, $b);" if $kind < 8;
	return "DO \$do\$ BEGIN BEGIN UPDATE leads SET id = $b, email = " . pick('email', mail()) . " WHERE id = $a; EXCEPTION WHEN unique_violation THEN NULL; END; END \$do\$;" if $kind == 8;
	return "UPDATE leads SET phone = '+1415555" . (2000 + int rand 6) . "', last_name = 'Ng' WHERE id = $a;";
}

sub statements
{
	my ($depth) = @_;
	my $text = '';
	for (1 .. 1 + int rand 4)
	{
		$text .= $depth < 3 && rand() < 0.25 ? "SAVEPOINT s$depth; " . statements($depth + 1) . pick("ROLLBACK TO s$depth; ", '') . "RELEASE s$depth; " : statement() . ' ';
	}
	return $text;
}

my $orphans = "SELECT string_agg(concat_ws(' ', i.kind, i.key, i.lead), ', ' ORDER BY i.kind, i.key) FROM leadroute.identities i
	WHERE NOT EXISTS (SELECT FROM leads l, leadroute.lead_keys(l) k WHERE l.id::text = i.lead AND k.kind = i.kind AND k.key = i.key)";
my $failed = '';
for my $round (1 .. 100)
{
	my $script = 'BEGIN; ' . statements(0) . pick('COMMIT;', 'COMMIT;', 'COMMIT;', 'ROLLBACK;');
	sql($script);
	my $found = sql($orphans);
	next if $found eq '';
	$failed = "round $round leaves keys of no row: $found\n$script";
	last;
}
is($failed, '', 'after random statements every key is one of a row that stands');
stress_whole($node, 'random statements', gone => 1, rekeyed => 1);

done_testing();
