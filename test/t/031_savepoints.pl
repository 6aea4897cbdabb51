# One session, random statements in random nested savepoints: what stands at the end agrees with the leads table.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use lib abs_path(dirname(__FILE__));
use Stress;

my $node = stress_node('primary');
stress_setup($node);

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub states { return sql("SELECT string_agg(concat_ws(' ', lead, status, owner, outcome), ', ' ORDER BY lead::bigint) FROM leadroute.lead_states WHERE lead IN ($_[0])"); }
sub owners { return map { split / / } split /\n/, sql('SELECT id, owner FROM leads') =~ s/\|/ /gr; }

# -- what was found by hand or at random, each by itself
sql('INSERT INTO leads (id) SELECT generate_series(1, 14)');
sql('BEGIN; DELETE FROM leads WHERE id = 1; SAVEPOINT s; INSERT INTO leads (id) VALUES (1); SELECT count(*) FROM leadroute.explain(1); RELEASE s; COMMIT');
is(states("'1'"), '1 assigned r1', 'deleted, inserted in a savepoint, asked about there');
sql('BEGIN; DELETE FROM leads WHERE id = 2; UPDATE leads SET id = 2 WHERE id = 3; COMMIT');
is(states("'2', '3'"), '2 assigned r3', 'a key takes the place of a deleted one');
sql('BEGIN; UPDATE leads SET id = 104 WHERE id = 4; SAVEPOINT s; INSERT INTO leads (id) VALUES (4); RELEASE s; COMMIT');
is(states("'4', '104'"), '4 assigned r1, 104 assigned r4', 'a key that moved away is new in a savepoint');
sql('BEGIN; UPDATE leads SET id = 113 WHERE id = 13; SAVEPOINT s; INSERT INTO leads (id) VALUES (13); ROLLBACK TO s; UPDATE leads SET id = 213 WHERE id = 113; COMMIT');
is(states("'13', '113', '213'"), '213 assigned r6', 'a key that moves twice, with a look-up between that is rolled back');
sql('BEGIN; WITH d AS (DELETE FROM leads WHERE id = 5 RETURNING id) INSERT INTO leads (id) SELECT id FROM d; DELETE FROM leads WHERE id = 5; COMMIT');
is(states("'5'"), '5 assigned r5 deleted', 'replaced by one statement, deleted by the next');
sql('BEGIN; UPDATE leads SET id = CASE id WHEN 6 THEN 1007 ELSE 1006 END WHERE id IN (6, 7); UPDATE leads SET id = id - 1000 WHERE id IN (1006, 1007); COMMIT');
is(states("'6', '7', '1006', '1007'"), '6 assigned r7, 7 assigned r6', 'keys change places');
sql(q{CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN BEGIN UPDATE leads SET owner = 'r7' WHERE id = NEW.id; IF NEW.id % 2 = 0 THEN RAISE EXCEPTION 'no'; END IF; EXCEPTION WHEN raise_exception THEN NULL; END; RETURN NULL; END $$;
	CREATE TRIGGER zz_meddle AFTER INSERT ON leads FOR EACH ROW EXECUTE FUNCTION meddle();
	INSERT INTO leads (id) SELECT generate_series(21, 24);
	DROP TRIGGER zz_meddle ON leads});
sql('ALTER TABLE leads DROP CONSTRAINT leads_pkey; ALTER TABLE leads ADD PRIMARY KEY (id) DEFERRABLE');
sql('INSERT INTO leads (id) SELECT generate_series(301, 304)');
sql('BEGIN; UPDATE leads SET id = 605 - id WHERE id > 300; SAVEPOINT s; INSERT INTO leads (id) VALUES (309); ROLLBACK TO s; UPDATE leads SET id = 301 + (id - 300) % 4 WHERE id > 300; COMMIT');
stress_whole($node, 'keys that change places in one statement', gone => 1, rekeyed => 1);
# a user's trigger that updates the table, when the first of two keys that change places has been told
sql('INSERT INTO leads (id) SELECT generate_series(401, 406)');
my %was = owners();
sql(q{CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN IF pg_trigger_depth() < 2 THEN UPDATE leads SET email = 'touched', owner = CASE WHEN NEW.id = 404 THEN 'r7' ELSE owner END WHERE id = NEW.id; END IF; RETURN NULL; END $$;
	CREATE TRIGGER zz_touch AFTER UPDATE ON leads FOR EACH ROW EXECUTE FUNCTION touch();
	UPDATE leads SET id = CASE id WHEN 401 THEN 402 ELSE 401 END WHERE id IN (401, 402);
	UPDATE leads SET id = 403 + (id - 402) % 4, owner = 'r6' WHERE id BETWEEN 403 AND 406;
	DROP TRIGGER zz_touch ON leads});
is(states("'401', '402', '403', '404', '405', '406'"),
	"401 assigned $was{402}, 402 assigned $was{401}, 403 assigned r6, 404 assigned r7, 405 assigned r6, 406 assigned r6",
	'keys that change places, and a trigger that updates the table meanwhile');
sql('ALTER TABLE leads DROP CONSTRAINT leads_pkey; ALTER TABLE leads ADD PRIMARY KEY (id)');
stress_whole($node, 'cases by hand', gone => 1, rekeyed => 1);

# -- at random
srand(20261122);
my $next;
my $unguarded = 0;
sub any { return 1 + int rand 60; }
sub pick { return $_[ int rand @_ ]; }

# One statement, with no error that is not caught.
sub statement
{
	my ($table) = @_;
	my ($a, $b) = (any(), any());
	return loose_statement($table, $a, $b) if $unguarded;
	my $kind = int rand 11;
	return "INSERT INTO $table (id) SELECT i FROM generate_series($a, $a + @{[ int rand 5 ]}) i ON CONFLICT DO NOTHING;" if $kind < 2;
	return "INSERT INTO $table (id, email) VALUES ($a, 'x'), (@{[ ++$next ]}, 'y') ON CONFLICT (id) DO UPDATE SET email = EXCLUDED.email, owner = EXCLUDED.owner;" if $kind == 2;
	return "DELETE FROM $table WHERE id = $a;" if $kind == 3;
	return "DELETE FROM $table WHERE id BETWEEN $a AND $a + 3; INSERT INTO $table (id) SELECT generate_series($a, $a + 3);" if $kind == 4;
	return "WITH d AS (DELETE FROM $table WHERE id = $a RETURNING id) INSERT INTO $table (id) SELECT id FROM d;" if $kind == 5;
	return "UPDATE $table SET owner = '" . pick('r1', 'r2', 'r3') . "' WHERE id = $a;" if $kind == 6;
	return 'DO $do$ BEGIN BEGIN ' . "UPDATE $table SET id = $b WHERE id = $a;" . ' EXCEPTION WHEN unique_violation THEN NULL; END; END $do$;' if $kind < 8;
	return "UPDATE $table SET id = id + 1000000 WHERE id IN ($a, $b); UPDATE $table SET id = id - 1000000 WHERE id > 1000000;" if $kind == 8;
	return 'DO $do$ BEGIN BEGIN ' . "INSERT INTO $table (id) VALUES ($a), (@{[ ++$next ]});" . (rand() < 0.5 ? " RAISE EXCEPTION 'x';" : '')
		. ' EXCEPTION WHEN unique_violation OR raise_exception THEN '
		. "BEGIN DELETE FROM $table WHERE id = $a; INSERT INTO $table (id) VALUES ($b); EXCEPTION WHEN unique_violation THEN NULL; END; END; END \$do\$;" if $kind == 9;
	# an INSERT that fails after its first rows
	return 'DO $do$ BEGIN BEGIN ' . "INSERT INTO $table (id) SELECT CASE WHEN i = 4 THEN 1 / (i - 4) ELSE $a + i END FROM generate_series(1, 5) i ON CONFLICT DO NOTHING;"
		. ' EXCEPTION WHEN division_by_zero THEN NULL; END; END $do$;';
}

# The same for a table without a unique key.
sub loose_statement
{
	my ($table, $a, $b) = @_;
	my $kind = int rand 8;
	my $insert = "INSERT INTO $table (id) SELECT i FROM generate_series($a, $a + 4) i WHERE NOT EXISTS (SELECT FROM $table t WHERE t.id = i);";
	return $insert if $kind < 2;
	return "DELETE FROM $table WHERE id = $a;" if $kind == 2;
	return "DELETE FROM $table WHERE id BETWEEN $a AND $a + 3; $insert" if $kind == 3;
	return "WITH d AS (DELETE FROM $table WHERE id = $a RETURNING id) INSERT INTO $table (id) SELECT id FROM d;" if $kind == 4;
	return "UPDATE $table SET owner = '" . pick('r1', 'r2', 'r3') . "' WHERE id = $a;" if $kind == 5;
	return "UPDATE $table SET id = @{[ ++$next ]} WHERE id = $a;" if $kind == 6;
	return 'DO $do$ BEGIN BEGIN ' . $insert . " DELETE FROM $table WHERE id = $a; RAISE EXCEPTION 'x'; EXCEPTION WHEN raise_exception THEN $insert END; END \$do\$;";
}

sub transaction
{
	my ($table) = @_;
	my @open;
	my @lines = ('BEGIN;');
	for my $i (1 .. 3 + int rand 12)
	{
		my $what = rand;
		if ($what < 0.2) { push @open, 's' . @open; push @lines, "SAVEPOINT $open[-1];"; }
		elsif ($what < 0.3 && @open) { push @lines, 'ROLLBACK TO ' . $open[-1] . ';'; }
		elsif ($what < 0.4 && @open) { my $n = int rand @open; push @lines, 'RELEASE ' . $open[$n] . ';'; splice @open, $n; }
		elsif ($what < 0.45) { push @lines, 'SELECT leadroute.test_ask();'; }
		else { push @lines, statement($table); }
	}
	push @lines, rand() < 0.85 ? 'COMMIT;' : 'ROLLBACK;';
	return join("\n", @lines);
}

# asks about some lead that stands, where one does: what waits is written then
sub asker
{
	my ($table) = @_;
	sql("CREATE OR REPLACE FUNCTION leadroute.test_ask() RETURNS void LANGUAGE plpgsql AS \$\$ DECLARE k bigint;
		BEGIN SELECT id INTO k FROM $table ORDER BY id LIMIT 1; IF k IS NOT NULL THEN PERFORM leadroute.explain(k); END IF; END \$\$");
}

my $rounds = $ENV{LEADROUTE_FULL} ? 100 : 10;
sub rounds
{
	my ($what) = @_;
	$next = 1000;
	asker('leads');
	for my $round (1 .. $rounds)
	{
		my $script = join("\n", map { transaction('leads') } 1 .. 20);
		my ($rc, $out, $err) = $node->psql('postgres', $script, on_error_stop => 0);
		my $problems = sql(q{
			SELECT string_agg(concat_ws(' ', 'row', l.id, l.owner, 'state', s.lead, s.owner, s.outcome), '; ')
			  FROM leads l FULL JOIN (SELECT * FROM leadroute.lead_states WHERE closed_at IS NULL) s ON s.lead = l.id::text
			 WHERE l.id IS NULL OR s.lead IS NULL OR s.owner IS DISTINCT FROM l.owner});
		next if $err eq '' && $problems eq '';
		is("$err$problems", '', "$what: round $round");
		diag "the script of the round:\n$script";
		last;
	}
	stress_whole($node, "$what, $rounds rounds at random", gone => 1, rekeyed => 1);
	return;
}
rounds('one table');

# -- partitioned by the key: one that changes may leave its partition
sql(q{SELECT leadroute.detach('public.leads'); DROP TABLE leads;
	DELETE FROM leadroute.lead_states; DELETE FROM leadroute.events; DELETE FROM leadroute.identities; DELETE FROM leadroute.rotation;
	CREATE TABLE leads (id bigint PRIMARY KEY, email text, country text, owner text, team text) PARTITION BY RANGE (id);
	CREATE TABLE leads_1 PARTITION OF leads FOR VALUES FROM (0) TO (30);
	CREATE TABLE leads_2 PARTITION OF leads DEFAULT;
	SELECT leadroute.attach('public.leads')});
sql('INSERT INTO leads (id) SELECT generate_series(1, 7)');
%was = owners();
sql('UPDATE leads SET id = id + 100 WHERE id <= 4');
is(states("'1', '101', '2', '102', '3', '103', '4', '104'"), join(', ', map { 100 + $_ . " assigned $was{$_}" } 1 .. 4), 'a key that changes takes the lead into another partition');
my %next = map { ("r$_" => 'r' . ($_ % 7 + 1)) } 1 .. 7;
sql(q{UPDATE leads SET id = id - 100, owner = 'r' || substr(owner, 2)::integer % 7 + 1 WHERE id IN (101, 102)});
is(states("'1', '101', '2', '102'"), "1 assigned $next{$was{1}}, 2 assigned $next{$was{2}}", 'and a hand gives it to another in the same UPDATE');
is(sql("SELECT string_agg(kind || ' ' || count, ', ' ORDER BY kind) FROM (SELECT kind, count(*) FROM leadroute.events GROUP BY 1) e"),
	'decided 7, handed_over 2, rekeyed 6', 'no lead was closed or decided anew');
rounds('partitioned table');

# -- no unique key: leads are claimed, rows of one key are one lead
for my $index (1, 0)
{
	sql(q{SELECT leadroute.detach('public.leads'); DROP TABLE leads;
		DELETE FROM leadroute.lead_states; DELETE FROM leadroute.events; DELETE FROM leadroute.identities; DELETE FROM leadroute.rotation;
		CREATE TABLE leads (id bigint, email text, country text, owner text, team text)} . ($index ? '; CREATE INDEX ON leads (id)' : '') .
		q{; SELECT leadroute.attach('public.leads')});
	sql('INSERT INTO leads (id) SELECT generate_series(1, 7)');
	%was = owners();
	sql('BEGIN; WITH d AS (DELETE FROM leads WHERE id = 1 RETURNING id) INSERT INTO leads (id) SELECT id FROM d; DELETE FROM leads WHERE id = 1; COMMIT');
	is(states("'1'"), "1 assigned $was{1} deleted", 'replaced by one statement, deleted by the next, no unique index');
	sql('DELETE FROM leads WHERE id = 2; BEGIN; INSERT INTO leads (id) VALUES (2); UPDATE leads SET id = CASE id WHEN 2 THEN 3 ELSE 2 END WHERE id IN (2, 3); COMMIT');
	is(states("'2', '3'"), "2 assigned $was{3}, 3 assigned $was{2}", 'a lead that came back changes places with another');
	$unguarded = 1;
	rounds($index ? 'a key that an index does not guard' : 'a key without an index');
}

$node->stop('fast');

done_testing();
