# Roles that may INSERT and nothing else: their leads are routed, whatever their search_path, through functions and
# row security too; and they reach nothing of ours. What each of our roles may do.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'leadroute'\nfsync = off\n");
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]); }
# As a role: its rows, or its first error's SQLSTATE and text.
sub as
{
	my ($role, $statements) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', $statements, extra_params => [ '-U', $role, '-v', 'VERBOSITY=verbose' ]);
	return $err =~ /^.*?ERROR:  (.*)$/m ? $1 : $err ne '' ? $err : $out;
}
sub refused { my ($role, $statement, $what) = @_; return like(as($role, $statement), qr/^42501: (permission denied|must be owner)/, "$role: $what"); }

sql(q{
	CREATE ROLE loader LOGIN; CREATE ROLE form LOGIN; CREATE ROLE web LOGIN; CREATE ROLE tenant LOGIN; CREATE ROLE nobody LOGIN;
	CREATE ROLE reader LOGIN; CREATE ROLE operator LOGIN; CREATE ROLE admin LOGIN; CREATE ROLE monitor LOGIN IN ROLE pg_monitor;
	CREATE SCHEMA crm AUTHORIZATION loader;
	SET client_min_messages = warning;
	CREATE EXTENSION leadroute CASCADE;
	GRANT leadroute_reader TO reader; GRANT leadroute_operator TO operator; GRANT leadroute_admin TO admin;
	GRANT CREATE ON DATABASE postgres TO form;
	SET ROLE loader;
	CREATE TABLE crm.leads (id text PRIMARY KEY, email text, employees integer, region text, tenant text DEFAULT current_user, owner text, team text, territory text);
	GRANT USAGE ON SCHEMA crm TO PUBLIC;
	GRANT INSERT ON crm.leads TO form, tenant;
	GRANT SELECT (id), UPDATE (email) ON crm.leads TO form;
	CREATE FUNCTION crm.submit(id text, email text, employees integer, region text) RETURNS text LANGUAGE sql SECURITY DEFINER AS
		$$ INSERT INTO crm.leads (id, email, employees, region) VALUES (id, email, employees, region) RETURNING owner $$;
	SELECT leadroute.attach('crm.leads');
	RESET ROLE;
	CALL leadroute.catch_up('crm.leads');
});
# an admin configures
is(as('admin', q{
	SET client_min_messages = error; -- a region without its country draws a warning
	INSERT INTO leadroute.reps (rep) VALUES ('a'), ('b'), ('boss'), ('west');
	INSERT INTO leadroute.teams (team) VALUES ('t');
	INSERT INTO leadroute.team_members (team, rep) VALUES ('t', 'a'), ('t', 'b');
	INSERT INTO leadroute.queues (queue) VALUES ('desk');
	INSERT INTO leadroute.territories (map, territory, area, rep) VALUES ('us', 'pacific', 'region: ca, or', 'west');
	INSERT INTO leadroute.outbox_consumers (consumer, types) VALUES ('slack', '{assigned}');
	INSERT INTO leadroute.rules (position, rule, condition, target, target_name, if_unavailable) VALUES
		(10, 'big', 'employees + length(email) > 1000 AND lower(email) = ''x@x.example''', 'rep', 'boss', 'fallthrough'),
		(20, 'map', NULL, 'territory', 'us', 'fallthrough'),
		(90, 'rest', NULL, 'team', 't', 'wait');
	SELECT leadroute.activate()}), 'flow "default" is active', 'an admin configures and activates');

# -- who may only insert
my $insert = "INSERT INTO crm.leads (id, email, employees, region) VALUES";
is(as('form', "$insert ('1', 'x\@x.example', 5000, 'ny'), ('2', 'y', 1, 'CA'), ('3', 'y', 1, 'ny'), ('4', 'y', 1, 'ny')"), '', 'a role with INSERT only');
is(sql('SELECT string_agg(id || owner, \' \' ORDER BY id) FROM crm.leads'), '1boss 2west 3a 4b', 'its leads are routed by condition, map and team');
is(sql('SELECT (SELECT count(*) FROM leadroute.lead_states), (SELECT count(*) FROM leadroute.events), (SELECT count(*) FROM leadroute.outbox)'), '4|4|4', 'and written down');
is(as('form', "UPDATE crm.leads SET email = 'z' WHERE id = '3'"), '', 'it updates what it may');
is(as('form', "COPY crm.leads (id, region) FROM PROGRAM 'true'") =~ /^42501/ ? 1 : 0, 1, 'no program');
for my $relation (split /\n/, sql(q{SELECT relkind, relname FROM pg_class WHERE relnamespace = 'leadroute'::regnamespace AND relkind IN ('r', 'v', 'S', 'm') ORDER BY 1, 2}))
{
	my ($kind, $name) = split /\|/, $relation;
	refused('form', "SELECT * FROM leadroute.$name", "cannot read $name");
	refused('form', "DELETE FROM leadroute.$name", "cannot write $name") if $kind eq 'r';
}
refused('form', $_, $_) for ("SELECT leadroute.activate()", "CALL leadroute.sweep()", "SELECT leadroute.explain('1')", "SELECT leadroute.detach('crm.leads')",
	"SELECT leadroute.attach('crm.leads')", "CALL leadroute.catch_up('crm.leads')", "SELECT leadroute.route_stored('default', '1')", "SELECT leadroute.close_gone('default', 1)",
	"SELECT leadroute.rotation_open('default', 't', 'a', 5)", "SELECT leadroute.rotation_raise('default', 't', 'a', 5)", "SELECT leadroute.rotation_reset()",
	"SELECT leadroute.fold_rotation()", "SET leadroute.enabled = off", "SET leadroute.clock = '2000-01-01'");
# it may own a table, but not use our trigger functions on it to write states
like(as('form', 'CREATE SCHEMA mine; CREATE TABLE mine.leads (id text, owner text); CREATE TRIGGER mine BEFORE INSERT ON mine.leads FOR EACH ROW EXECUTE FUNCTION leadroute.lead_before(\'default\')'),
	qr/^42501: permission denied for function leadroute.lead_before/, 'our trigger functions are no role\'s to use');

# -- through a function of the table's owner, and under row security
is(as('web', "$insert ('5', 'y', 1, 'ny')") =~ /^42501: permission denied for table leads/ ? 1 : 0, 1, 'a role without INSERT');
is(as('web', "SELECT crm.submit('5', 'x\@x.example', 5000, 'ny'), crm.submit('6', 'y', 1, 'or')"), 'boss|west', 'through a SECURITY DEFINER function');
sql(q{SET ROLE loader; ALTER TABLE crm.leads ENABLE ROW LEVEL SECURITY; ALTER TABLE crm.leads FORCE ROW LEVEL SECURITY;
	CREATE POLICY own ON crm.leads TO tenant USING (tenant = current_user AND owner IS NULL) WITH CHECK (tenant = current_user);
	CREATE POLICY form ON crm.leads FOR INSERT TO form WITH CHECK (true);
	CREATE POLICY web ON crm.leads FOR ALL TO loader USING (true)});
is(as('tenant', "$insert ('7', 'y', 1, 'ny'), ('8', 'y', 1, 'ny')"), '', 'under row security');
is(as('form', "$insert ('9', 'y', 1, 'ny')"), '', 'of a policy for INSERT only');
like(as('tenant', "INSERT INTO crm.leads (id, tenant) VALUES ('10', 'form')"), qr/^42501: new row violates row-level security policy/, 'a row that the policy refuses');
is(as('tenant', "INSERT INTO crm.leads (id, tenant) VALUES ('10', 'form') ON CONFLICT DO NOTHING") =~ /^42501/ ? 1 : 0, 1, 'with ON CONFLICT too');
is(sql('SELECT string_agg(id || owner, \' \' ORDER BY id::int) FROM crm.leads WHERE id::int > 6'), '7a 8b 9a', 'routed; a refused row took no turn');
is(sql("SELECT count(*) FROM leadroute.lead_states WHERE lead = '10'"), '0', 'and has no state');
is(sql('SELECT * FROM leadroute.rotation_drift()'), '', 'turns and ledger agree');
# DELETE + INSERT of a row whose SELECT the policy denies is known all the same
is(sql("DELETE FROM crm.leads WHERE id = '7'; SET ROLE tenant; $insert ('7', 'y', 1, 'ny'); RESET ROLE; SELECT owner FROM crm.leads WHERE id = '7'"), 'a', 'a known lead keeps its owner');
# catch_up sees the rows as their owner does
sql("SET leadroute.enabled = off; $insert ('11', 'y', 1, 'ny')");
is(as('loader', 'CALL leadroute.catch_up()'), '', 'the owner catches up under row security');
is(sql("SELECT owner IS NOT NULL FROM crm.leads WHERE id = '11'"), 't', 'routed');
sql('ALTER TABLE crm.leads DISABLE ROW LEVEL SECURITY');

# -- a hostile search_path: whatever is planted there is not run by us, nor found by conditions
sql('CREATE SCHEMA evil AUTHORIZATION form');
like(as('form', q{
	CREATE TABLE evil.loot (who text, what text); GRANT INSERT ON evil.loot TO PUBLIC;
	CREATE FUNCTION evil.lower(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO evil.loot VALUES (current_user, 'lower'); RETURN 'x@x.example'; END $$;
	CREATE FUNCTION evil.length(text) RETURNS integer LANGUAGE plpgsql AS $$ BEGIN INSERT INTO evil.loot VALUES (current_user, 'length'); RETURN 5000; END $$;
	CREATE FUNCTION evil.format(text, VARIADIC text[]) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO evil.loot VALUES (current_user, 'format'); RETURN ''; END $$;
	CREATE FUNCTION evil.more(integer, integer) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN INSERT INTO evil.loot VALUES (current_user, '>'); RETURN true; END $$;
	CREATE OPERATOR evil.> (FUNCTION = evil.more, LEFTARG = integer, RIGHTARG = integer);
	CREATE FUNCTION evil.same(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN INSERT INTO evil.loot VALUES (current_user, '='); RETURN true; END $$;
	CREATE OPERATOR evil.= (FUNCTION = evil.same, LEFTARG = text, RIGHTARG = text);
	CREATE FUNCTION evil.covers(leadroute.territory, leadroute.territory) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN INSERT INTO evil.loot VALUES (current_user, '@>'); RETURN true; END $$;
	CREATE OPERATOR evil.@> (FUNCTION = evil.covers, LEFTARG = leadroute.territory, RIGHTARG = leadroute.territory);
	CREATE TABLE evil.rules (LIKE pg_catalog.pg_class); CREATE TABLE evil.lead_states (x int); CREATE TABLE evil.reps (x int);
	CREATE VIEW evil.attachments AS SELECT 1 AS flow;
	SELECT 'planted'}), qr/^planted$/, 'a role plants what our SQL might name');
is(as('form', "SET search_path = evil, pg_catalog; CREATE TEMP TABLE flows (x int); CREATE TEMP TABLE lead_states (x int); CREATE TEMP TABLE events (x int);
	$insert ('21', 'y', 1, 'ny'), ('22', 'x\@x.example', 5000, 'ny'), ('23', 'y', 1, 'or'); UPDATE crm.leads SET email = 'q'"), '', 'and inserts with it in front');
is(sql("SELECT string_agg(id || owner, ' ' ORDER BY id) FROM crm.leads WHERE id LIKE '2_'"), '21a 22boss 23west', 'routed as ever') or note(sql('SELECT * FROM leadroute.rep_load'));
is(as('form', "SET search_path = evil, pg_catalog; SET ROLE form; SELECT 1"), '1', 'a session with it');
sql("SET search_path = evil, pg_catalog; DELETE FROM crm.leads WHERE id OPERATOR(pg_catalog.=) '21'");
is(sql("SELECT outcome FROM leadroute.lead_states WHERE lead = '21'"), 'deleted', 'a DELETE under it');
sql("SET search_path = evil, pg_catalog; SET leadroute.enabled = off; INSERT INTO crm.leads (id, email, employees, region) VALUES ('24', 'y', 1, 'or')");
sql('SET search_path = evil, pg_catalog; CALL leadroute.catch_up()');
is(sql("SELECT owner FROM crm.leads WHERE id = '24'"), 'west', 'catch_up under it');
sql('SET search_path = evil, pg_catalog; CALL leadroute.sweep()');
sql("SET search_path = evil, pg_catalog; SELECT pg_catalog.count(*) FROM leadroute.health; SELECT * FROM leadroute.explain('22'); SELECT * FROM leadroute.check_flow()");
sql("SET search_path = evil, pg_catalog; SET client_min_messages = error; SELECT leadroute.detach('crm.leads'); SELECT leadroute.attach('crm.leads'); CREATE TABLE crm.x (i int); DROP TABLE crm.x");
sql("SET search_path = evil, pg_catalog; SET client_min_messages = error; UPDATE leadroute.rules SET note = 'x'; INSERT INTO leadroute.territories (map, territory, area, rep) VALUES ('us', 'portland', 'region: or; email: y', 'boss')");
is(sql('SELECT * FROM evil.loot'), '', 'nothing planted was ever run by us, for whomever');
is(sql('SELECT * FROM leadroute.rotation_drift()'), '', 'turns and ledger agree');

# -- the reader, the operator, the admin, monitoring
is(as('reader', 'SELECT count(*) > 0 FROM leadroute.events, leadroute.rules, leadroute.lead_states, leadroute.rep_load, leadroute.health'), 't', 'a reader reads');
refused('reader', $_, $_) for ("UPDATE leadroute.rules SET note = 'x'", "SELECT leadroute.activate()", "CALL leadroute.sweep()", "DELETE FROM leadroute.events", "SET leadroute.enabled = off");
is(as('operator', 'CALL leadroute.sweep()'), '', 'an operator sweeps');
is(as('operator', 'SELECT count(*) > 0 FROM leadroute.events'), 't', 'and reads');
refused('operator', $_, $_) for ("UPDATE leadroute.rules SET note = 'x'", "SELECT leadroute.activate()", "SELECT leadroute.deactivate()", "DELETE FROM leadroute.lead_states", "SET leadroute.enabled = off");
is(as('admin', "UPDATE leadroute.rules SET note = 'x' WHERE rule = 'rest'; DELETE FROM leadroute.territories WHERE territory = 'portland'; SELECT leadroute.deactivate() IS NOT NULL, leadroute.activate() IS NOT NULL; CALL leadroute.sweep()"), 't|t', 'an admin configures, sweeps');
is(as('admin', 'SET leadroute.enabled = off; SELECT 1'), '1', 'and may switch routing off');
refused('admin', $_, $_) for ("DELETE FROM leadroute.lead_states", "INSERT INTO leadroute.events (flow, lead, at, kind, code) VALUES ('default', '1', now(), 'x', 'x')", "UPDATE leadroute.config_changes SET note = 'x'",
	"DELETE FROM leadroute.rotation", "INSERT INTO leadroute.attachments (table_schema, table_name, key_column) VALUES ('a', 'b', 'c')", "SELECT leadroute.attach('crm.leads')", "SELECT leadroute.detach('crm.leads')",
	"CALL leadroute.catch_up('crm.leads')", "SELECT * FROM crm.leads", "SELECT leadroute.route_stored('default', '1')");
is(as('monitor', "SELECT count(*) > 5 FROM leadroute.health"), 't', 'pg_monitor reads the health view');
refused('monitor', 'SELECT * FROM leadroute.rules', 'and no more');
refused('nobody', 'SELECT * FROM leadroute.health', 'health');
is(sql("SELECT string_agg(DISTINCT actor, ' ' ORDER BY actor) FROM leadroute.config_changes"), join(' ', sort('admin', 'loader', sql('SELECT session_user'))), 'the history names who did it');

$node->stop;
done_testing();
