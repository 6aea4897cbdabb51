# Real exports, as they are, through the statements that loaders send: 6,468 leads of a course provider (names with
# blanks, a column without a name) and two exports of Salesforce (mixed case, text keys, a byte-order mark, compound
# JSON, an OwnerId in every row), the larger routed by a map of some 1,000 territories made of the ZIP codes of the
# United States (CR line ends). After each statement: one state and one decision a lead, an owner that a
# reference in SQL allows, no lead in other hands, members that differ by at most one.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $data = $ENV{LEADROUTE_DATA};
plan skip_all => 'the real exports are not here (LEADROUTE_DATA)' if !$data || !-d $data;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'leadroute'\nclient_min_messages = warning\njit = off");
$node->start;

sub slurp
{
	my $name = shift;
	open(my $file, '<:raw', "$data/$name") or die "$name: $!";
	local $/;
	return scalar <$file>;
}

# The fields of one line of CSV.
sub fields
{
	my ($line) = @_;
	my @fields;
	while ($line =~ /\G(?:"((?:[^"]|"")*)"|([^,]*))(,|\z)/g)
	{
		my ($quoted, $plain, $end) = ($1, $2, $3);
		push @fields, defined $quoted ? $quoted =~ s/""/"/gr : length $plain ? $plain : undef;
		last if $end eq '';
	}
	return @fields;
}

sub identifier { my $name = shift; return '"' . ($name =~ s/"/""/gr) . '"'; }
sub literal { my $value = shift; return defined $value ? "'" . ($value =~ s/'/''/gr) . "'" : 'NULL'; }

my $check = <<'SQL';
CREATE TABLE test.owned (lead text PRIMARY KEY, owner text);
CREATE FUNCTION test.audit(leads bigint, rows_too boolean DEFAULT true) RETURNS text LANGUAGE sql VOLATILE AS $$
	WITH stored AS MATERIALIZED (SELECT * FROM test.leads()), states AS MATERIALIZED (SELECT * FROM leadroute.lead_states),
	decided AS MATERIALIZED (SELECT * FROM leadroute.events WHERE kind = 'decided'),
	wrong (what) AS (
		SELECT format('%s rows', count(*)) FROM stored HAVING count(*) <> audit.leads
		UNION ALL
		SELECT format('%s leads without one open state', count(*)) FROM stored l LEFT JOIN states s USING (lead)
		 WHERE s.lead IS NULL OR s.closed_at IS NOT NULL HAVING count(*) > 0
		UNION ALL
		SELECT format('%s states without a row', count(*)) FROM states s LEFT JOIN stored l USING (lead) WHERE l.lead IS NULL HAVING count(*) > 0
		UNION ALL
		SELECT format('lead %s has %s decisions', s.lead, count(e.id)) FROM states s LEFT JOIN decided e USING (lead) GROUP BY s.lead HAVING count(e.id) <> 1
		UNION ALL
		SELECT format('%s %s', count(*), kind) FROM leadroute.events WHERE kind <> 'decided' GROUP BY kind
		UNION ALL
		SELECT format('lead %s: the reference says %s %s, decided was %s %s %s', s.lead, r.rule, r.owners, s.rule, s.status, s.owner)
		  FROM states s LEFT JOIN test.reference r USING (lead)
		 WHERE s.rule IS DISTINCT FROM r.rule OR (s.owner = ANY (r.owners)) IS DISTINCT FROM (CASE WHEN r.owners IS NOT NULL THEN true END)
		UNION ALL
		SELECT format('lead %s: owner %s in the row, %s in its state', s.lead, l.owner, s.owner) FROM stored l JOIN states s USING (lead)
		 WHERE rows_too AND l.owner IS DISTINCT FROM s.owner
		UNION ALL
		SELECT format('lead %s changed hands', s.lead) FROM states s JOIN test.owned o USING (lead) WHERE s.owner IS DISTINCT FROM o.owner
		UNION ALL
		SELECT format('members of %s differ by %s', team, max(n) - min(n))
		  FROM (SELECT m.team, m.rep, count(e.id) AS n FROM leadroute.team_members m LEFT JOIN decided e ON e.team = m.team AND e.owner = m.rep GROUP BY 1, 2) x
		 GROUP BY team HAVING max(n) - min(n) > 1
		UNION ALL
		SELECT format('%s turns, %s decisions with one', (SELECT sum(pointer)::bigint FROM leadroute.rep_load), count(*)) FROM decided WHERE team IS NOT NULL AND owner IS NOT NULL
		HAVING count(*) <> (SELECT sum(pointer)::bigint FROM leadroute.rep_load)
		UNION ALL
		SELECT 'drift ' || d FROM leadroute.rotation_drift() d),
	kept AS (INSERT INTO test.owned SELECT lead, owner FROM states ON CONFLICT DO NOTHING)
	SELECT coalesce((SELECT string_agg(what, '; ') FROM (SELECT what FROM wrong ORDER BY what LIMIT 8) w), '')
$$;
SQL

# Loads one export in every shape, the next slice of its leads with each.
sub route_export
{
	my (%export) = @_;
	my $name = $export{name};
	my $sql = sub { return $node->safe_psql($name, "SET client_min_messages = warning;\n" . join("\n", @_, '')) };

	my $file = slurp($export{file});
	my ($header, @lines) = split /\r\n|\r|\n/, $file =~ s/^\x{EF}\x{BB}\x{BF}//r;
	my $count = @lines;
	my @columns = map { identifier($_ // 'column without a name') } fields($header);
	my $list = join(', ', @columns);
	my $key = identifier($export{key});
	my %type = map { identifier($_) => $export{types}{$_} } keys %{ $export{types} };
	my $values = join(', ', map { $type{$_} ? "b.$_\::$type{$_}" : "b.$_" } @columns);
	my $set = join(', ', map { "$_ = " . ($type{$_} ? "b.$_\::$type{$_}" : "b.$_") } @columns);
	my $excluded = join(', ', map { "$_ = EXCLUDED.$_" } @columns);
	my $create = sub {
		my ($table, $guard) = @_;
		return "CREATE TABLE $table (" . join(', ', (map { "$_ " . ($type{$_} // 'text') } @columns), @{ $export{outputs} }) . ');'
			. ($guard ? "ALTER TABLE $table ADD PRIMARY KEY ($key);" : "CREATE INDEX ON $table ($key);");
	};

	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$sql->('CREATE EXTENSION leadroute CASCADE; CREATE SCHEMA test; CREATE SCHEMA staging;',
		'CREATE TABLE test.raw (n integer GENERATED ALWAYS AS IDENTITY, ' . join(', ', map { "$_ text" } @columns) . ');',
		"CREATE FUNCTION test.batch(upto bigint) RETURNS SETOF test.raw LANGUAGE sql STABLE AS 'SELECT * FROM test.raw WHERE n <= upto ORDER BY n';",
		"CREATE FUNCTION test.leads(OUT lead text, OUT owner text) RETURNS SETOF record LANGUAGE plpgsql AS 'BEGIN RETURN QUERY SELECT l.$key\::text, l.$export{owner}\::text FROM leads l; END';");
	# the file as it is, byte-order mark and all
	my $path = "$data/$export{file}";
	$sql->("\\copy test.raw ($list) FROM '$path' (FORMAT csv, HEADER)");
	is($sql->('SELECT count(*) FROM test.raw'), $count, "$name: $count leads");
	$sql->($create->('leads', 1), $export{configuration}->($sql), $check);
	$sql->("SELECT leadroute.attach('leads', columns => " . literal($export{mapping}) . "); SELECT leadroute.activate();");

	my $step = int($count / 12) + 1;
	my $upto = 0;
	my $next = sub { $upto += $step; $upto = $count if $upto > $count; return $upto; };
	my $good = sub { my ($what, $rows_too) = @_; is($sql->("SELECT test.audit($upto, " . ($rows_too // 'true') . ")"), '', "$name: $what"); };
	my $from;

	$next->();
	$sql->("COPY leads ($list) FROM STDIN (FORMAT csv);", @lines[ 0 .. $upto - 1 ], '\.');
	$good->('COPY from STDIN');

	$from = $upto;
	$next->();
	while ($from < $upto)
	{
		my $to = $from + 200 < $upto ? $from + 200 : $upto;
		$sql->("INSERT INTO leads ($list) VALUES " . join(', ', map { '(' . join(', ', map { literal($_) } fields($_)) . ')' } @lines[ $from .. $to - 1 ]));
		$from = $to;
	}
	$good->('multi-row INSERT');

	$sql->('INSERT INTO leads (' . $list . ') SELECT ' . $values . ' FROM test.batch(' . $next->() . ") b ON CONFLICT ($key) DO UPDATE SET $excluded");
	$good->('ON CONFLICT on the key DO UPDATE');
	$sql->("INSERT INTO leads ($list) SELECT $values FROM test.batch(" . $next->() . ") b ON CONFLICT ($key) DO NOTHING");
	$good->('ON CONFLICT on the key DO NOTHING');

	my $other = identifier($export{other});
	$sql->("CREATE UNIQUE INDEX other_key ON leads ($other)");
	# what meets it has a key of its own
	my $others = join(', ', map { $_ eq $key ? $export{other_key} : $type{$_} ? "b.$_\::$type{$_}" : "b.$_" } @columns);
	$sql->("INSERT INTO leads ($list) SELECT $others FROM test.batch($upto) b ON CONFLICT ($other) DO NOTHING");
	$good->('ON CONFLICT on another column DO NOTHING');
	my $but_key = join(', ', map { "$_ = EXCLUDED.$_" } grep { $_ ne $key } @columns);
	$sql->("INSERT INTO leads ($list) SELECT $others FROM test.batch($upto) b ON CONFLICT ($other) DO UPDATE SET $but_key"
			. join('', map { ", $_ = EXCLUDED.$_" } map { (split / /)[0] } @{ $export{outputs} }));
	$good->('ON CONFLICT on another column DO UPDATE, outputs too');
	$sql->('DROP INDEX other_key');

	$sql->("MERGE INTO leads l USING test.batch(" . $next->() . ") b ON l.$key = b.$key" . ($type{$key} ? "::$type{$key}" : '')
			. " WHEN MATCHED THEN UPDATE SET $set WHEN NOT MATCHED THEN INSERT ($list) VALUES ($values)");
	$good->('MERGE');

	my $same = "b.$key" . ($type{$key} ? "::$type{$key}" : '');
	$sql->("BEGIN; CREATE TEMP TABLE batch AS SELECT * FROM test.batch(" . $next->() . "); UPDATE leads l SET $set FROM batch b WHERE l.$key = $same;",
		"INSERT INTO leads ($list) SELECT $values FROM batch b LEFT JOIN leads l ON l.$key = $same WHERE l.$key IS NULL; COMMIT;");
	$good->('a temporary table, UPDATE, then INSERT of the others');
	$sql->("BEGIN; CREATE TEMP TABLE batch AS SELECT * FROM test.batch(" . $next->() . ");",
		"INSERT INTO leads ($list) SELECT $values FROM batch b LEFT JOIN leads l ON l.$key = $same WHERE l.$key IS NULL;",
		"UPDATE leads l SET $set FROM batch b WHERE l.$key = $same; COMMIT;");
	$good->('INSERT, then UPDATE of all');
	$sql->("BEGIN; DELETE FROM leads; INSERT INTO leads ($list) SELECT $values FROM test.batch(" . $next->() . ') b; COMMIT;');
	$good->('DELETE and INSERT');
	$sql->("BEGIN; TRUNCATE leads; INSERT INTO leads ($list) SELECT $values FROM test.batch(" . $next->() . ') b; COMMIT;');
	$good->('TRUNCATE and reload');

	# what comes with a swap is there before the triggers are: catch_up routes what is new
	$sql->('BEGIN;', $create->('leads_tmp', 0), "INSERT INTO leads_tmp ($list) SELECT $values FROM test.batch(" . $next->() . ') b; DROP TABLE leads; ALTER TABLE leads_tmp RENAME TO leads; COMMIT;');
	$sql->("CALL leadroute.catch_up('leads')");
	$good->('DROP and RENAME', 'false');
	is($sql->("SELECT count(*) FROM pg_index WHERE indrelid = 'leads'::regclass AND indisunique"), '0', "$name: no unique key from here on");
	$sql->("WITH d AS (DELETE FROM leads l USING test.batch($upto) b WHERE b.n < 0 AND l.$key = $same), u AS (UPDATE leads l SET $set FROM test.batch($upto) b WHERE l.$key = $same)",
		"INSERT INTO leads ($list) SELECT $values FROM test.batch(" . $next->() . ") b WHERE NOT EXISTS (SELECT FROM leads l WHERE l.$key = $same)");
	$good->('WITH … DELETE, UPDATE, INSERT … WHERE NOT EXISTS', 'false');
	$upto = $count;
	$sql->('BEGIN;', $create->('staging.leads', 1), "INSERT INTO staging.leads ($list) SELECT $values FROM test.batch($count) b; DROP TABLE leads; ALTER TABLE staging.leads SET SCHEMA public; COMMIT;",
		"CALL leadroute.catch_up('leads')");
	$good->('SET SCHEMA', 'false');
	$sql->("UPDATE leads l SET $set FROM test.batch($count) b WHERE l.$key = $same") for 1 .. 3;
	$good->('full-row UPDATEs, three times', 'false');
	return;
}

# -- X Education: names with blanks, uuid keys
route_export(
	name => 'x_education', file => 'x_education/leads_early.csv', key => 'Prospect ID', other => 'Lead Number', owner => 'owner',
	other_key => 'md5(b."Prospect ID")::uuid', types => { 'Prospect ID' => 'uuid', 'Lead Number' => 'bigint', 'Total Time Spent on Website' => 'integer' },
	outputs => [ 'owner text', 'team text', 'territory text', 'routed_at timestamptz', 'route_reason text' ],
	mapping => '{"key": "Prospect ID", "country": "Country", "source": "Lead Source"}',
	configuration => sub { return <<'SQL' });
INSERT INTO leadroute.reps (rep) SELECT unnest('{m1,m2,i1,i2,i3,a1,r1,r2,o1,o2,o3,o4}'::text[]);
INSERT INTO leadroute.teams (team) VALUES ('m'), ('i'), ('a'), ('r'), ('o');
INSERT INTO leadroute.team_members (team, rep) SELECT left(rep, 1), rep FROM leadroute.reps;
INSERT INTO leadroute.queues (queue) VALUES ('hot');
INSERT INTO leadroute.territories (map, territory, area, team) VALUES ('world', 'india', 'country: India', 'i'),
	('world', 'mumbai', 'country: india; city: mumbai, "thane & outskirts"', 'm'), ('world', 'abroad', 'country: !india', 'a');
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES
	(10, 'opted out', $$"Do Not Email" = 'Yes' AND "Do Not Call" = 'Yes'$$, 'discard', NULL),
	(20, 'hot', $$"Total Time Spent on Website" > 1500 AND "What is your current occupation" = 'Working Professional'$$, 'queue', 'hot'),
	(30, 'references', $$"Lead Source" IN ('Reference', 'Welingak Website')$$, 'team', 'r'),
	(40, 'world', NULL, 'territory', 'world'), (99, 'rest', NULL, 'team', 'o');
CREATE VIEW test.reference AS
	SELECT lead, rule, CASE rule WHEN 'references' THEN '{r1,r2}' WHEN 'rest' THEN '{o1,o2,o3,o4}'
		WHEN 'world' THEN CASE WHEN country <> 'India' THEN '{a1}' WHEN city IN ('Mumbai', 'Thane & Outskirts') THEN '{m1,m2}' ELSE '{i1,i2,i3}' END END::text[] AS owners
	  FROM (SELECT "Prospect ID" AS lead, "Country" AS country, "City" AS city,
				CASE WHEN "Do Not Email" = 'Yes' AND "Do Not Call" = 'Yes' THEN 'opted out'
					 WHEN "Total Time Spent on Website"::integer > 1500 AND "What is your current occupation" = 'Working Professional' THEN 'hot'
					 WHEN "Lead Source" IN ('Reference', 'Welingak Website') THEN 'references'
					 WHEN "Country" IS NOT NULL THEN 'world' ELSE 'rest' END AS rule FROM test.raw) x;
SQL

# -- Salesforce, by the ZIP codes of the United States
my $zips = "$data/us_zip/zip_code_database.csv";
my $members = <<'SQL';
INSERT INTO leadroute.reps (rep) SELECT team || n FROM unnest('{n,s,e,w,x}'::text[]) team, generate_series(1, 3) n;
INSERT INTO leadroute.teams (team) SELECT DISTINCT left(rep, 1) FROM leadroute.reps;
INSERT INTO leadroute.team_members (team, rep) SELECT left(rep, 1), rep FROM leadroute.reps;
SQL
route_export(
	name => 'salesforce_export', file => 'salesforce_export/Lead.csv', key => 'Id', other => 'External_id__c', owner => '"OwnerId"',
	other_key => q{'00X' || b."External_id__c"}, types => { Address => 'jsonb', AnnualRevenue => 'numeric(38,9)', NumberOfEmployees => 'integer', CreatedDate => 'timestamptz' },
	outputs => ['team text'],
	mapping => '{"key": "Id", "owner": "OwnerId", "deleted": "IsDeleted", "country": "Country", "region": "State", "postal_code": "PostalCode", "employees": "NumberOfEmployees",'
	  . ' "source": "LeadSource", "submitted_at": "CreatedDate", "email": "Email"}',
	configuration => sub {
		my $sql = shift;
		$sql->("CREATE TABLE test.zips (zip text, city text, state text);\n\\copy test.zips FROM '$zips' (FORMAT csv, DELIMITER ';', HEADER)");
		return $members . <<'SQL' });
DO $$ BEGIN ASSERT (SELECT count(*) FROM test.zips) > 40000, 'the ZIP codes'; END $$;
/* a prefix of three that one state has alone is a territory, else the codes are named */
CREATE TABLE test.areas AS
	WITH parts AS (SELECT left(zip, 3) AS prefix, state, array_agg(zip ORDER BY zip) AS zips, count(*) OVER (PARTITION BY left(zip, 3)) AS states
					 FROM test.zips GROUP BY left(zip, 3), state)
	SELECT state || ' ' || prefix AS territory, prefix, state, states = 1 AS alone, zips,
		(ARRAY['n', 's', 'e', 'w'])[1 + (ascii(state) + ascii(substr(state, 2))) % 4] AS team FROM parts;
INSERT INTO leadroute.territories (map, territory, area, team)
	SELECT 'zip', territory, format('country: us; postal_code: %s', CASE WHEN alone THEN prefix || '*' ELSE array_to_string(zips, ', ') END)::leadroute.territory, team FROM test.areas
	UNION ALL VALUES ('zip', 'us', 'country: us'::leadroute.territory, 'x');
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES
	(10, 'open', $$"Status" = 'Open' AND "LeadSource" = 'Web'$$, 'rep', 'x1'), (20, 'map', NULL, 'territory', 'zip'), (99, 'rest', NULL, 'team', 'x');
CREATE VIEW test.reference AS
	SELECT "Id" AS lead, CASE WHEN "Status" = 'Open' AND "LeadSource" = 'Web' THEN 'open' WHEN lower("Country") = 'us' THEN 'map' ELSE 'rest' END AS rule,
		CASE WHEN "Status" = 'Open' AND "LeadSource" = 'Web' THEN '{x1}'::text[]
			 ELSE (SELECT array_agg(coalesce(CASE WHEN lower("Country") = 'us' THEN a.team END, 'x') || i)
					 FROM generate_series(1, 3) i LEFT JOIN test.areas a ON CASE WHEN a.alone THEN a.prefix = left(zip, 3) ELSE zip = ANY (a.zips) END) END AS owners
	  /* the export lost the zeros that some codes begin with */
	  FROM test.raw, LATERAL (SELECT CASE WHEN "PostalCode" ~ '^\d{3,4}$' THEN lpad("PostalCode", 5, '0') ELSE "PostalCode" END) z(zip);
SQL
cmp_ok($node->safe_psql('salesforce_export', 'SELECT count(*) FROM leadroute.territories'), '>', 900, 'a map of ZIP codes');
cmp_ok($node->safe_psql('salesforce_export', "SELECT count(DISTINCT territory) FROM leadroute.lead_states WHERE rule = 'map'"), '>', 10, 'in many of its territories');
cmp_ok($node->safe_psql('salesforce_export', q{SELECT count(*) FROM leadroute.lead_states s JOIN test.raw r ON r."Id" = s.lead WHERE s.territory <> 'us' AND r."PostalCode" ~ '^\d{3,4}$'}), '>', 0,
	'among them leads whose postal code lost its zero');
is($node->safe_psql('salesforce_export', 'SELECT count(*) FROM leadroute.lead_states WHERE source_owner IS NULL'), '0', 'the OwnerId that the source sent is remembered');

route_export(
	name => 'salesforce_devorg', file => 'salesforce_devorg/Lead.csv', key => 'Id', other => 'Email', owner => '"OwnerId"',
	other_key => q{'00X' || b."Email"}, types => { IsDeleted => 'boolean', NumberOfEmployees => 'integer', AnnualRevenue => 'bigint' },
	outputs => ['route_reason text'],
	mapping => '{"key": "Id", "owner": "OwnerId", "deleted": "IsDeleted", "industry": "Industry", "source": "LeadSource", "annual_revenue": "AnnualRevenue", "email": "Email"}',
	configuration => sub { return $members . <<'SQL' });
INSERT INTO leadroute.territories (map, territory, area, team) VALUES ('industries', 'fields', 'industry: agriculture, energy, utilities', 'n'),
	('industries', 'large', 'industry: !agriculture !energy !utilities; annual_revenue: [1000000000,)', 's'), ('industries', 'other', 'industry: !agriculture !energy !utilities', 'e');
INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES
	(10, 'converted', '"IsConverted"::boolean', 'rep', 'w1'), (20, 'industries', NULL, 'territory', 'industries'), (99, 'rest', NULL, 'team', 'x');
CREATE VIEW test.reference AS
	SELECT "Id" AS lead, CASE WHEN "IsConverted" = 'TRUE' THEN 'converted' WHEN "Industry" IS NULL THEN 'rest' ELSE 'industries' END AS rule,
		CASE WHEN "IsConverted" = 'TRUE' THEN '{w1}' WHEN "Industry" IS NULL THEN '{x1,x2,x3}' WHEN "Industry" IN ('Agriculture', 'Energy', 'Utilities') THEN '{n1,n2,n3}'
			 WHEN "AnnualRevenue"::numeric >= 1000000000 THEN '{s1,s2,s3}' ELSE '{e1,e2,e3}' END::text[] AS owners FROM test.raw;
SQL

$node->stop('fast');
done_testing();
