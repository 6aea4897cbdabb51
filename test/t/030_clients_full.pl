# Real clients, as they come from Debian and npm, insert leads and read back what was decided: psycopg 3, SQLAlchemy,
# node's pg and pg-copy-streams, knex, sequelize, pgloader. A client that is not installed is skipped by name; npm's
# are installed for the run into a folder of its own, never into the tree.
# apt: python3-psycopg python3-psycopg2 python3-sqlalchemy pgloader nodejs npm
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'leadroute'\nclient_min_messages = warning");
# pgloader cannot use a socket whose path is long
$node->append_conf('postgresql.conf', "listen_addresses = '127.0.0.1'");
$node->start;

my $begin = <<'SQL';
SET client_min_messages = warning;
CREATE EXTENSION leadroute CASCADE;
CREATE TABLE leads (id bigint PRIMARY KEY, email text, country text, owner text, team text, territory text, routed_at timestamptz, route_reason text);
INSERT INTO leadroute.reps (rep) SELECT unnest('{a1,a2,a3,b1,b2}'::text[]);
INSERT INTO leadroute.teams (team) VALUES ('a'), ('b');
INSERT INTO leadroute.team_members (team, rep) SELECT left(rep, 1), rep FROM leadroute.reps;
INSERT INTO leadroute.territories (map, territory, area, team) VALUES ('m', 'us', 'country: us', 'a');
INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (1, 'map', 'territory', 'm'), (2, 'rest', 'team', 'b');
SELECT leadroute.attach('leads');
SELECT leadroute.activate();
SQL
my $wrong = <<'SQL';
SELECT concat_ws('; ',
	(SELECT count(*) || ' leads without their state' FROM leads l LEFT JOIN leadroute.lead_states s ON s.lead = l.id::text
	  WHERE s.owner IS DISTINCT FROM l.owner OR s.closed_at IS NOT NULL OR l.owner IS NULL HAVING count(*) > 0),
	(SELECT count(*) || ' wrong teams' FROM leads WHERE left(owner, 1) <> CASE WHEN lower(country) = 'us' THEN 'a' ELSE 'b' END HAVING count(*) > 0),
	(SELECT 'events: ' || string_agg(kind || ' ' || n, ', ') FROM (SELECT kind, count(*) AS n FROM leadroute.events GROUP BY kind) e
	  WHERE kind <> 'decided' OR n <> (SELECT count(*) FROM leads)),
	(SELECT count(*) || ' states too many' FROM leadroute.lead_states s WHERE NOT EXISTS (SELECT FROM leads l WHERE l.id::text = s.lead) HAVING count(*) > 0),
	(SELECT string_agg(team || ' uneven', ', ') FROM (SELECT team FROM leadroute.rep_load GROUP BY team HAVING max(pointer) - min(pointer) > 1) u),
	(SELECT 'drift' FROM leadroute.rotation_drift() LIMIT 1))
SQL

# Runs a client in a database of its own; it prints how many leads it saw routed.
sub client
{
	my ($name, $count, @command) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, $begin);
	local $ENV{PGHOST} = '127.0.0.1';
	local $ENV{PGPORT} = $node->port;
	local $ENV{PGDATABASE} = $name;
	local $ENV{PGUSER} = $node->safe_psql($name, 'SELECT current_user');
	my ($out, $err) = run_command(\@command);
	like($out, qr/(^|\n)$count$/, "$name reads back what was decided") or diag("$out\n$err");
	is($node->safe_psql($name, $wrong), '', "$name: one state, one decision, the right owner");
	return;
}

sub has { return system("command -v $_[0] >/dev/null 2>&1") == 0; }

SKIP:
{
	skip 'python3-psycopg is not installed', 1 if system('python3 -c "import psycopg" 2>/dev/null') != 0;
	client('psycopg', 301, 'python3', 'test/clients/psycopg3.py');
}
SKIP:
{
	skip 'python3-sqlalchemy or python3-psycopg2 is not installed', 1 if system('python3 -c "import sqlalchemy, psycopg2" 2>/dev/null') != 0;
	client('sqlalchemy', 120, 'python3', 'test/clients/sqlalchemy_core.py');
}
SKIP:
{
	skip 'pgloader is not installed', 1 if !has('pgloader');
	$node->safe_psql('postgres', 'CREATE DATABASE pgloader');
	$node->safe_psql('pgloader', $begin);
	my $folder = PostgreSQL::Test::Utils::tempdir;
	my $user = $node->safe_psql('postgres', 'SELECT current_user');
	append_to_file("$folder/leads.csv", join('', "id,email,country\n", map { "$_,pgloader$_," . ($_ % 3 ? 'US' : '') . "\n" } 1 .. 500));
	append_to_file("$folder/leads.load", "LOAD CSV FROM '$folder/leads.csv' (id, email, country [null if blanks])\n"
			. "INTO postgresql://$user\@127.0.0.1:" . $node->port . "/pgloader TARGET TABLE leads (id, email, country)\n"
			. "WITH skip header = 1, fields terminated by ',';\n");
	command_ok([ 'pgloader', '--root-dir', $folder, "$folder/leads.load" ], 'pgloader');
	is($node->safe_psql('pgloader', 'SELECT count(*) FROM leads WHERE owner IS NOT NULL'), '500', 'pgloader loads all');
	is($node->safe_psql('pgloader', $wrong), '', 'pgloader: one state, one decision, the right owner');
}
SKIP:
{
	skip 'npm is not installed', 1 if !has('node') || !has('npm');
	my $modules = $ENV{LEADROUTE_NODE_MODULES};
	if (!$modules)
	{
		my $folder = PostgreSQL::Test::Utils::tempdir;
		local $ENV{HOME} = $folder;
		my ($out, $err) = run_command([ 'npm', 'install', '--prefix', $folder, '--no-audit', '--no-fund', 'pg@8', 'pg-copy-streams@6', 'knex@3', 'sequelize@6' ]);
		$modules = "$folder/node_modules";
		skip "npm could not install: $err", 1 if !-d "$modules/sequelize";
	}
	local $ENV{NODE_PATH} = $modules;
	client('node', 451, 'node', 'test/clients/node.js');
}

$node->stop('fast');
done_testing();
