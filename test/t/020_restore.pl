# An active, attached database through pg_dump and back: plain; custom format, four jobs; data only, into a
# database where the triggers stand already. Afterwards the same rows, the same triggers, the same
# turns, and the next lead goes to whom it would have gone. The leads table's schema sorts before leadroute's (crm)
# and after it (public), so that its rows come before our state and after it; with a unique key and without.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'leadroute'\nfsync = off\n");
$node->start;
$node->safe_psql('postgres', 'CREATE ROLE loader LOGIN');

# Everything that a database with leads may hold.
sub make_source
{
	my ($db, $table, $key) = @_;
	my ($schema) = split /\./, $table;
	my $partitioned = $db =~ /parts/;
	my $partitions = $partitioned ? "PARTITION BY LIST (source); CREATE TABLE $schema.web PARTITION OF $table FOR VALUES IN ('web', NULL);
		CREATE TABLE $schema.others PARTITION OF $table DEFAULT PARTITION BY LIST (is_deleted); CREATE TABLE $schema.rest PARTITION OF $schema.others DEFAULT" : '';
	my $flow_column = $partitioned ? ", flow_column => 'unit'" : '';
	my $unit = $partitioned ? q{(ARRAY['default', 'emea', 'none such'])[1 + g % 3]} : 'NULL';
	my $id = $key =~ /^text/ ? q{'L' || g} : 'g';
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->safe_psql($db, qq{
		SET client_min_messages = warning;
		CREATE EXTENSION leadroute CASCADE;
		GRANT leadroute_admin TO loader;
		CREATE SCHEMA IF NOT EXISTS $schema;
		GRANT ALL ON SCHEMA $schema TO loader;
		SET ROLE loader;
		CREATE TABLE $table (id $key, email text, country text, region text, employees integer, source text, is_deleted boolean, unit text,
			owner text, team text, territory text, routed_at timestamptz, route_reason text) $partitions;
		INSERT INTO $table (id, email, owner) SELECT $id, 'old' || g || '\@x.example', 'whoever' FROM generate_series(1, 20) g;
		SELECT leadroute.attach('$table', columns => '{"key": "id", "deleted": "is_deleted"}'$flow_column);
		RESET ROLE;
		CALL leadroute.catch_up('$table');
		INSERT INTO leadroute.reps (rep, active) SELECT 'r' || g, g <> 9 FROM generate_series(1, 10) g;
		INSERT INTO leadroute.teams (team) VALUES ('west'), ('inbound'), ('nobody');
		INSERT INTO leadroute.team_members (team, rep, weight) VALUES ('west', 'r1', 2), ('west', 'r2', 1), ('west', 'r3', 3),
			('inbound', 'r3', 1), ('inbound', 'r4', 1), ('inbound', 'r5', 1), ('inbound', 'r9', 1), ('inbound', 'r6', 0);
		INSERT INTO leadroute.queues (queue) VALUES ('desk');
		INSERT INTO leadroute.calendars (calendar, timezone, holidays) VALUES ('ny', 'America/New_York', '{us}');
		INSERT INTO leadroute.calendar_hours (calendar, weekday, opens, closes) SELECT 'ny', d, '22:00', '06:00' FROM generate_series(1, 5) d;
		INSERT INTO leadroute.holidays (list, day, closed_from) VALUES ('us', '2026-12-24', '13:00'), ('us', '2026-12-25', '00:00');
		INSERT INTO leadroute.territories (map, territory, area, team, rep) VALUES
			('us', 'all', 'country: us', 'inbound', NULL), ('us', 'pacific', 'country: us; region: ca, or, wa', 'west', NULL),
			('us', 'big', 'country: us; region: ca; employees: [500,)', NULL, 'r7');
		INSERT INTO leadroute.outbox_consumers (consumer, types) VALUES ('slack', '{assigned,queued}');
		INSERT INTO leadroute.rules (position, rule, condition, target, target_name, if_unavailable) VALUES
			(10, 'spam', 'source = ''spam''', 'discard', NULL, 'fallthrough'),
			(20, 'desk', 'source = ''desk''', 'queue', 'desk', 'fallthrough'),
			(30, 'away', 'source = ''away''', 'rep', 'r9', 'wait'),
			(40, 'partners', 'source = ''partner''', 'rep', 'r8', 'fallthrough'),
			(50, 'the map', NULL, 'territory', 'us', 'fallthrough'),
			(90, 'the rest', NULL, 'team', 'inbound', 'wait');
		INSERT INTO leadroute.sla_policies (policy, position, condition, metric, target, calendar) VALUES
			('web', 10, 'source = ''web''', 'first_touch', '10 min', NULL), ('rest', 20, NULL, 'first_touch', 'end of day + 1', 'ny'), ('follow', 10, NULL, 'next_touch', '2 days', 'owner');
		INSERT INTO leadroute.sla_steps (policy, at, action, recipient) VALUES ('web', '50%', 'remind', 'owner'), ('web', 'due + 20 min', 'reassign', NULL);
		DELETE FROM leadroute.touch_kinds WHERE kind = 'social';
		UPDATE leadroute.touch_kinds SET min_seconds = 30 WHERE kind = 'call';
		SELECT leadroute.load_stages();
		SELECT leadroute.activate();
	});
	$node->safe_psql($db, q{
		INSERT INTO leadroute.flows (flow, on_error, note) VALUES ('emea', 'fail', 'another unit');
		INSERT INTO leadroute.reps (flow, rep) VALUES ('emea', 'e1'), ('emea', 'e2');
		INSERT INTO leadroute.teams (flow, team) VALUES ('emea', 'all');
		INSERT INTO leadroute.team_members (flow, team, rep) VALUES ('emea', 'all', 'e1'), ('emea', 'all', 'e2');
		INSERT INTO leadroute.rules (flow, position, rule, target, target_name, if_unavailable) VALUES ('emea', 1, 'all', 'team', 'all', 'wait');
		SELECT leadroute.activate('emea');
	}) if $partitioned;
	my $many = qq{INSERT INTO $table (id, email, country, region, employees, source, owner, is_deleted, unit)
		SELECT $id, 'l' || g || '\@x.example', (ARRAY['US', 'us', 'DE', NULL])[1 + g % 4], (ARRAY['CA', 'or', 'NY'])[1 + g % 3], g * 13 % 1000,
			CASE g % 29 WHEN 3 THEN 'spam' WHEN 5 THEN 'desk' WHEN 7 THEN 'away' WHEN 11 THEN 'partner' ELSE 'web' END,
			CASE WHEN g % 31 = 0 THEN 'r10' WHEN g % 37 = 0 THEN '005crm' END, g % 41 = 0, $unit
		FROM generate_series};
	my $lead = $key =~ /^text/ ? sub { "'L$_[0]'" } : sub { $_[0] };
	$node->safe_psql($db, "$many(101, 250) g");
	$node->safe_psql($db, 'CALL leadroute.sweep()');
	$node->safe_psql($db, qq{
		$many(251, 300) g;
		DELETE FROM $table WHERE id IN (@{[join ', ', map { $lead->($_) } 110, 120, 130, 200, 299, 7]});
		UPDATE $table SET is_deleted = true WHERE id IN (@{[join ', ', map { $lead->($_) } 111, 112, 260]});
		UPDATE $table SET owner = 'r6' WHERE id IN (@{[join ', ', map { $lead->($_) } 140, 141, 270]});
		UPDATE $table SET owner = 'r4' WHERE id = @{[$lead->(105)]};
		UPDATE $table SET id = @{[$lead->(1000)]} WHERE id = @{[$lead->(150)]};
		SELECT leadroute.touch(@{[$lead->(160)]}, 'email'), leadroute.touch(@{[$lead->(161)]}, 'call'), leadroute.touch(@{[$lead->(162)]}, 'email', now() - interval '1 second');
		SET leadroute.enabled = off;
		$many(301, 302) g;
		RESET leadroute.enabled;
	});
	# leads that sales has looked at
	$node->safe_psql($db, q{
		SELECT CASE n WHEN 1 THEN leadroute.reject(lead, 'ENG-02', 'later') WHEN 2 THEN leadroute.reject(lead, 'FIT-01') WHEN 3 THEN leadroute.accept(lead)::text ELSE leadroute.feedback(lead, 4)::text END
		FROM (SELECT s.lead, row_number() OVER (ORDER BY s.lead) AS n FROM leadroute.lead_states s
			  WHERE s.flow = 'default' AND s.code = 'assigned' AND s.closed_at IS NULL ORDER BY s.lead LIMIT 4) l});
	# a member who joined late and one who paused: pointers that no count of leads tells
	$node->safe_psql($db, q{
		INSERT INTO leadroute.team_members (team, rep) VALUES ('west', 'r10');
		UPDATE leadroute.team_members SET weight = 5 WHERE team = 'west' AND rep = 'r2';
	});
	$node->safe_psql($db, "$many(303, 320) g");
	return;
}

# What is to be the same, in one text: what a dump has, and what follows from it. OIDs belong to a database; of the history there may be more.
sub picture
{
	my ($db, $table) = @_;
	my $text = '';
	my %columns = (attachments => q{to_jsonb(t) - 'relation'}, catch_ups => q{to_jsonb(t) - 'relation' - 'leaf'});
	for my $name (split /\n/, $node->safe_psql($db, q{
		SELECT c.relname FROM pg_class c JOIN pg_extension e ON e.extname = 'leadroute' AND (c.oid = ANY (e.extconfig) OR c.relname IN ('territory_sides', 'account_flows'))
		WHERE c.relnamespace = 'leadroute'::regnamespace AND c.relkind = 'r' AND c.relname NOT IN ('config_changes', 'rotation') ORDER BY 1}))
	{
		my $row = $columns{$name} // 'to_jsonb(t)';
		$text .= "-- $name\n" . $node->safe_psql($db, "SELECT $row FROM leadroute.$name t ORDER BY ($row)::text COLLATE \"C\"") . "\n";
	}
	$text .= "-- ledger\n" . $node->safe_psql($db, q{SELECT flow, team, rep, sum(pointer), sum(open) FROM leadroute.rotation
		GROUP BY 1, 2, 3 HAVING sum(pointer) <> 0 OR sum(open) <> 0 ORDER BY 1, 2, 3});
	$text .= "\n-- turns and places\n" . $node->safe_psql($db, 'SELECT * FROM leadroute.rep_load ORDER BY flow, team, rep');
	$text .= "\n-- business time\n" . $node->safe_psql($db, q{SELECT leadroute.business_add('ny', '2026-12-24 15:00 EST', '100 hours'), leadroute.business_close('ny', '2026-12-24 15:00 EST', 3)});
	$text .= "\n-- drift\n" . $node->safe_psql($db, 'SELECT * FROM leadroute.rotation_drift()');
	$text .= "\n-- sequences\n" . $node->safe_psql($db, q{SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2});
	$text .= "\n-- health\n" . $node->safe_psql($db, 'SELECT check_name, status, detail FROM leadroute.health');
	$text .= "\n-- triggers\n" . $node->safe_psql($db, qq{SELECT tgrelid::regclass, tgenabled, tgparentid <> 0, pg_get_triggerdef(oid) FROM pg_trigger
		WHERE (tgrelid = '$table'::regclass OR tgrelid IN (SELECT relid FROM pg_partition_tree('$table'))) AND NOT tgisinternal ORDER BY tgrelid::regclass::text, tgname});
	$text .= "\n-- leads\n" . $node->safe_psql($db, "SELECT t FROM $table t ORDER BY t.id, t::text COLLATE \"C\"");
	return "$text\n";
}

# Lines that only one of two texts has; a whole picture is too long to read.
sub differences
{
	my ($got, $expected) = @_;
	my %count;
	$count{$_}++ for split /\n/, $got;
	$count{$_}-- for split /\n/, $expected;
	return join("\n", map { ($count{$_} > 0 ? '+ ' : '- ') . $_ } grep { $count{$_} != 0 } sort keys %count);
}

sub history { return $node->safe_psql($_[0], 'SELECT c FROM leadroute.config_changes c ORDER BY c.id'); }

# The same new leads, with ids that no sequence gives.
sub next_leads
{
	my ($db, $table, $key) = @_;
	my $id = $key =~ /^text/ ? q{'N' || g} : 'g + 5000';
	my $sql = qq{SET leadroute.clock = '2026-03-03 10:00Z';
		INSERT INTO $table (id, email, country, region, employees, source, unit)
		SELECT $id, 'n' || g, (ARRAY['us', 'us', 'de'])[1 + g % 3], (ARRAY['ca', 'or', 'ny', 'wa'])[1 + g % 4], 10, 'web', CASE WHEN g % 3 = 1 THEN 'emea' END FROM generate_series(1, 30) g
		RETURNING id, owner, team, territory, route_reason};
	my ($rc, $out, $err) = $node->psql($db, $sql);
	is($err, '', "$db: the next leads: no error, no warning");
	return $out;
}

sub restored
{
	my ($db, $source, $table, $key, $picture, $history, $next) = @_;
	my $differences = differences(picture($db, $table), $picture);
	# leads that came before their states have claimed their keys
	$differences =~ s/^\+ \{"key": "(L\d+)", "flow": "default", "kind": "key", "lead": "\1"\}\n?//mg if $db eq 'crm_text_attached';
	is($differences, '', "$db: same rows, triggers, turns, sequences, health");
	my %have = map { $_ => 1 } split /\n/, history($db);
	is(join("\n", grep { !$have{$_} } split /\n/, $history), '', "$db: the history is there");
	# the ledger knows pointers, not who of equals waited longest: what two of a team may have swapped
	my $got = next_leads($db, $table, $key);
	$_ = join "\n", sort map { s/^\d+\|//r } split /\n/ for $source =~ /parts/ ? ($got, $next) : ();
	is(differences($got, $next), '', "$db: the next leads go to whom they would have gone");
	is($node->safe_psql($db, "SELECT count(*), count(DISTINCT id) FROM leadroute.events WHERE kind = 'decided' AND (lead LIKE 'N%' OR length(lead) = 4 AND lead LIKE '50%')"),
		'30|30', "$db: and are written down");
	is($node->safe_psql($db, "SELECT check_name, detail FROM leadroute.health WHERE status = 'bad'"), '', "$db: in good health");
	return;
}

my $directory = $node->basedir;
my @restore = ('psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1');
my %kinds = (
	crm_bigint => [ 'crm.leads', 'bigint PRIMARY KEY' ],
	crm_text => [ 'crm.leads', 'text' ],
	crm_parts => [ 'crm.leads', 'bigint' ],
	public_bigint => [ 'public.leads', 'bigint' ],
	public_text => [ 'public.leads', 'text PRIMARY KEY' ]);
for my $kind (sort keys %kinds)
{
	my ($table, $key) = @{ $kinds{$kind} };
	make_source($kind, $table, $key);
	my $picture = picture($kind, $table);
	my $history = history($kind);
	like($picture, qr/^-- leads\n(?:.*\n){200}/m, "$kind: a source with leads");
	ok($node->safe_psql($kind, q{SELECT (SELECT count(*) FROM leadroute.rejections) = 2 AND (SELECT count(*) FROM leadroute.lead_feedback) = 1
		AND (SELECT count(*) FROM leadroute.lead_states WHERE stage IN ('sal', 'nurture', 'recycled')) = 3}) eq 't', "$kind: with lives of their own");
	for my $code ('assigned', 'given', 'queued', 'rep_unavailable', 'discarded', 'disabled', 'deleted', 'existing', 'by_hand')
	{
		ok($node->safe_psql($kind, "SELECT count(*) > 0 FROM leadroute.lead_states WHERE code = '$code'") eq 't', "$kind: among them $code");
	}
	my $source = $node->connstr($kind);
	$node->command_ok([ 'pg_dump', '-f', "$directory/$kind.sql", '-d', $source ], "$kind: pg_dump");
	$node->command_ok([ 'pg_dump', '-Fc', '-f', "$directory/$kind.dump", '-d', $source ], "$kind: pg_dump -Fc");
	$node->command_ok([ 'pg_dump', '-s', '-f', "$directory/$kind.schema.sql", '-d', $source ], "$kind: pg_dump --schema-only");
	$node->command_ok([ 'pg_dump', '-a', '-f', "$directory/$kind.data.sql", '-d', $source ], "$kind: pg_dump --data-only");

	$node->safe_psql('postgres', "CREATE DATABASE ${kind}_$_") for ('plain', 'jobs', 'data', 'attached', 'datajobs');
	my $next = next_leads($kind, $table, $key);

	$node->command_ok([ @restore, '-f', "$directory/$kind.sql", '-d', $node->connstr("${kind}_plain") ], "$kind: restore, plain");
	restored("${kind}_plain", $kind, $table, $key, $picture, $history, $next);

	$node->command_ok([ 'pg_restore', '--exit-on-error', '-j', 4, '-d', $node->connstr("${kind}_jobs"), "$directory/$kind.dump" ], "$kind: restore, four jobs");
	restored("${kind}_jobs", $kind, $table, $key, $picture, $history, $next);

	$node->command_ok([ @restore, '-f', "$directory/$kind.schema.sql", '-d', $node->connstr("${kind}_data") ], "$kind: restore, the schema");
	$node->command_ok([ @restore, '-f', "$directory/$kind.data.sql", '-d', $node->connstr("${kind}_data") ], "$kind: restore, the data");
	restored("${kind}_data", $kind, $table, $key, $picture, $history, $next);

	next if $kind =~ /parts/;

	# the same where somebody has attached the table anew
	$node->command_ok([ @restore, '-f', "$directory/$kind.schema.sql", '-d', $node->connstr("${kind}_attached") ], "$kind: restore, the schema again");
	$node->safe_psql("${kind}_attached", qq{SELECT leadroute.attach('$table', columns => '{"key": "id", "deleted": "is_deleted"}')});
	$node->command_ok([ @restore, '-f', "$directory/$kind.data.sql", '-d', $node->connstr("${kind}_attached") ], "$kind: restore, the data over an attached table");
	restored("${kind}_attached", $kind, $table, $key, $picture, $history, $next);

	# --disable-triggers ends with ENABLE TRIGGER ALL, which is not ENABLE ALWAYS: the event trigger mends that where the
	# attachment comes later, else health says so, and what to run
	if ($kind =~ /bigint/)
	{
		my $db = "${kind}_datajobs";
		$node->command_ok([ @restore, '-f', "$directory/$kind.schema.sql", '-d', $node->connstr($db) ], "$kind: restore, the schema once more");
		$node->command_ok([ 'pg_restore', '--exit-on-error', '-a', '--disable-triggers', '-d', $node->connstr($db), "$directory/$kind.dump" ], "$kind: restore, the data with triggers disabled");
		my $leads = "SELECT t FROM $table t ORDER BY t.id";
		is($node->safe_psql($db, $leads), join("\n", $picture =~ /^-- leads\n(.*)\n\z/ms), "$db: same leads");
		is($node->safe_psql($db, "SELECT check_name FROM leadroute.health WHERE status = 'bad'"), ($kind =~ /^crm/ ? '' : "triggers\n") . "territory sides\nown triggers", "$db: health says what is not as it should be");
		for my $run (split /; (?=SELECT)|\n/, $node->safe_psql($db, "SELECT run FROM leadroute.health WHERE status = 'bad'"))
		{
			$node->safe_psql($db, "SET client_min_messages = warning; $run");
		}
		my $again = picture($db, $table);
		my $pattern = qr/^[+-] (\{.*"attached_at".*|catch-up\|.*)\n?/m;
		my $differences = differences($again, $picture);
		$differences =~ s/$pattern//g;
		is($differences, '', "$db: then all is as it was");
		is(differences(next_leads($db, $table, $key), $next), '', "$db: the next leads go to whom they would have gone");
		next;
	}

	$node->command_ok([ @restore, '-f', "$directory/$kind.schema.sql", '-d', $node->connstr("${kind}_datajobs") ], "$kind: restore, the schema once more");
	$node->command_ok([ 'pg_restore', '--exit-on-error', '-a', '-j', 4, '-d', $node->connstr("${kind}_datajobs"), "$directory/$kind.dump" ], "$kind: restore, the data in four jobs");
	restored("${kind}_datajobs", $kind, $table, $key, $picture, $history, $next);
}

$node->stop;
done_testing();
