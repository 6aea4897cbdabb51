# What fails never costs a lead: the library not loaded, routing switched off, conditions that fail or no longer
# compile, a full shared memory. What the user himself ends is not swallowed.
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

# What a statement says beside its rows; psql shows WARNING and ERROR on stderr.
sub said
{
	my ($statements) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$statements");
	$err =~ s/^psql:<stdin>:\d+: //mg;
	return wantarray ? ($err, $out) : $err;
}
sub warnings { return scalar(() = $_[0] =~ /^WARNING:/mg); }

sql(q{
	CREATE ROLE loader LOGIN;
	CREATE SCHEMA crm AUTHORIZATION loader;
	SET client_min_messages = warning;
	CREATE EXTENSION leadroute CASCADE;
	SET ROLE loader;
	CREATE TABLE crm.leads (id bigint PRIMARY KEY, email text, employees integer, source text, owner text, team text, routed_at timestamptz, route_reason text);
	CREATE TABLE crm.audit (id bigint, who text, session text, path text);
	/* as users write them: names found by the session's own search_path */
	CREATE FUNCTION crm.audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		INSERT INTO audit VALUES (NEW.id, current_user, session_user, current_setting('search_path')); RETURN NEW; END $$;
	CREATE TRIGGER audit BEFORE UPDATE ON crm.leads FOR EACH ROW EXECUTE FUNCTION crm.audit();
	SELECT leadroute.attach('crm.leads');
	RESET ROLE;
	INSERT INTO leadroute.reps (rep) VALUES ('a'), ('b'), ('c'), ('last');
	INSERT INTO leadroute.teams (team) VALUES ('t');
	INSERT INTO leadroute.team_members (team, rep) VALUES ('t', 'a'), ('t', 'b'), ('t', 'c');
	INSERT INTO leadroute.rules (position, rule, condition, target, target_name, if_unavailable) VALUES
		(10, 'team', 'source = ''web''', 'team', 't', 'fallthrough'),
		(90, 'rest', NULL, 'rep', 'last', 'wait');
	SELECT leadroute.activate();
	CALL leadroute.catch_up();
	GRANT SELECT ON crm.audit TO PUBLIC;
	ALTER ROLE loader SET search_path = crm, public;
});

# -- without the library
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
my $copy = "COPY crm.leads (id, source) FROM PROGRAM 'seq -f \"%.0f,web\" 1 1000' CSV";
my $err = said($copy);
is(warnings($err), 1, 'without the library a COPY warns once');
like($err, qr/^WARNING:  55000: leadroute must be loaded via shared_preload_libraries to route leads\nDETAIL:  The leads of this statement are stored unrouted\.\nHINT:/m, 'and says why');
unlike($err, qr/ERROR/, 'no error');
is(sql('SELECT count(*), count(owner) FROM crm.leads'), '1000|0', 'the rows stand');
is(sql('SELECT status, code, count(*) FROM leadroute.lead_states GROUP BY 1, 2'), 'unrouted|no_library|1000', 'recorded as unrouted');
is(sql("SELECT status FROM leadroute.health WHERE check_name = 'library'"), 'bad', 'health says so');
$err = said('CALL leadroute.catch_up()');
is(sql('SELECT status, code, count(*) FROM leadroute.lead_states GROUP BY 1, 2'), 'unrouted|no_library|1000', 'catch_up cannot help yet');
is(said("UPDATE leadroute.flows SET on_error = 'fail'; INSERT INTO crm.leads (id, source) VALUES (1001, 'web')") =~ /ERROR:  55000: leadroute must be loaded/ ? 1 : 0,
	1, 'on_error = fail: an error');
is(sql('SELECT count(*) FROM crm.leads WHERE id = 1001'), '0', 'and no row');
sql("UPDATE leadroute.flows SET on_error = 'fallback'");

# -- and back
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'leadroute'");
$node->restart;
is(sql("SELECT status FROM leadroute.health WHERE check_name = 'library'"), 'ok', 'the library is back');
is(said("SET search_path = crm, public; CALL leadroute.catch_up()"), '', 'catch_up without a word');
is(sql('SELECT status, code, count(*) FROM leadroute.lead_states GROUP BY 1, 2'), 'assigned|assigned|1000', 'routes them all');
is(sql("SELECT string_agg(format('%s %s', owner, n), ', ' ORDER BY owner) FROM (SELECT owner, count(*) n FROM crm.leads GROUP BY 1) x"),
	'a 334, b 333, c 333', 'in turn');
is(sql('SELECT count(*) FROM crm.leads l JOIN leadroute.lead_states s ON s.lead = l.id::text
		WHERE (l.owner, l.team, l.routed_at, l.route_reason) IS NOT DISTINCT FROM (s.owner, s.team, s.routed_at, s.route_reason)'),
	'1000', 'and fills the outputs as the state has them');
is(sql('SELECT who, session = session_user, count(*) FROM crm.audit GROUP BY 1, 2'), 'loader|t|1000', 'the user\'s own triggers ran as the table\'s owner');
is(sql('SELECT count(*) FROM leadroute.events'), '2000', 'an event for each arrival and each decision');
is(sql('SELECT * FROM leadroute.rotation_drift()'), '', 'turns and ledger agree');
is(sql("SELECT status FROM leadroute.health WHERE check_name = 'unrouted leads'"), 'ok', 'none is left');

# -- switched off in a session
sql("TRUNCATE crm.audit");
sql("SET leadroute.enabled = off; INSERT INTO crm.leads (id, source) VALUES (2001, 'web'), (2002, 'web')");
is(sql('SELECT status, code, owner FROM leadroute.lead_states WHERE lead IN (\'2001\', \'2002\')'), "unrouted|disabled|\nunrouted|disabled|", 'leadroute.enabled = off: recorded');
like(said("SET ROLE loader; SET leadroute.enabled = off"), qr/ERROR:  42501/, 'which not everybody may set');
is($node->safe_psql('postgres', 'CALL leadroute.catch_up()', extra_params => [ '-U', 'loader' ]), '', 'the owner of the table catches up');
is(sql("SELECT count(*) FROM crm.leads WHERE id IN (2001, 2002) AND owner IN ('a', 'b', 'c')"), '2', 'routed');
is(sql('SELECT DISTINCT who FROM crm.audit'), 'loader', 'his triggers are his');

# -- a condition that fails for some rows
sql(q{INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES (5, 'small', '1000 / employees > 100', 'team', 't')});
($err, my $out) = said(q{INSERT INTO crm.leads (id, employees, source) SELECT g, g % 5, 'x' FROM generate_series(3001, 3010) g RETURNING id, owner IS NOT NULL, owner = 'last'});
is($out, join("\n", map { "$_|t|" . ($_ % 5 ? 'f' : 't') } 3001 .. 3010), 'the rows that fail go to the last rule\'s target, the others as ever');
is(warnings($err), 1, 'one WARNING a statement');
like($err, qr/^WARNING:  22012: leadroute could not decide a lead of flow "default": division by zero\nDETAIL:  Rule "small" failed for lead "3005"; the last rule's target took it\.\nHINT:/m, 'which says what failed');
is(sql(q{SELECT code, count(*) FROM leadroute.lead_states WHERE lead LIKE '30__' GROUP BY 1 ORDER BY 1}), "assigned|8\nfallback|2", 'code fallback');
is(sql("SELECT status FROM leadroute.health WHERE check_name = 'fallback share'"), 'warn', 'health knows');
$err = said(q{INSERT INTO crm.leads (id, employees, source) VALUES (3011, 0, 'x'); INSERT INTO crm.leads (id, employees, source) VALUES (3012, 0, 'x')});
is(warnings($err), 2, 'the next statement warns anew');
is(sql('SELECT * FROM leadroute.rotation_drift()'), '', 'no turn is lost');
# what an evaluation error takes back writes nothing, so it takes no transaction id of its own
is(sql(q{BEGIN; INSERT INTO crm.leads (id, employees, source) SELECT g, 0, 'x' FROM generate_series(3101, 3200) g;
	SELECT pg_current_xact_id()::text::bigint - (SELECT min(xmin::text::bigint) FROM crm.leads WHERE id BETWEEN 3101 AND 3200); COMMIT}), '0', 'no transaction id is spent on it');
my $xid = sql('SELECT pg_current_xact_id()');
sql(q{SET client_min_messages = error; INSERT INTO crm.leads (id, employees, source) SELECT g, 0, 'x' FROM generate_series(3201, 3300) g});
is(sql('SELECT pg_current_xact_id()') - $xid, 2, 'a hundred failures: one transaction id');

sql("UPDATE leadroute.flows SET on_error = 'fail'");
like(said("INSERT INTO crm.leads (id, employees, source) VALUES (3301, 0, 'x')"), qr/^ERROR:  22012: division by zero/m, 'on_error = fail gives the error');
is(sql("SELECT count(*) FROM crm.leads WHERE id = 3301"), '0', 'and no row');
is(said("INSERT INTO crm.leads (id, employees, source) VALUES (3302, 1, 'x')"), '', 'others go on');
is(sql("SELECT verdict, detail FROM leadroute.explain(3302) WHERE item = 'decision'") =~ /^assigned/ ? 1 : 0, 1, 'explain answers');
like(sql("SELECT item, verdict, detail FROM leadroute.explain(jsonb_populate_record(NULL::crm.leads, '{\"id\": 9, \"employees\": 0}'))"),
	qr/^rule\|failed\|division by zero$/m, 'and says what would fail');
sql("UPDATE leadroute.flows SET on_error = 'fallback'");

# -- conditions that no longer compile
sql(q{DELETE FROM leadroute.rules WHERE rule = 'small'; ALTER TABLE crm.leads ADD COLUMN tier integer;
	INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES (5, 'tier', 'tier > 1', 'team', 't')});
is(said("INSERT INTO crm.leads (id, tier) VALUES (4001, 2)"), '', 'a condition on a column');
my $other = $node->background_psql('postgres', on_error_die => 1);
$other->query_safe("INSERT INTO crm.leads (id, tier) VALUES (4002, 2)");
sql('ALTER TABLE crm.leads DROP COLUMN tier');
($err, $out) = said("INSERT INTO crm.leads (id) VALUES (4003), (4004) RETURNING owner");
is($out, "last\nlast", 'that is dropped: the last rule\'s target');
is(warnings($err), 1, 'with one WARNING');
like($err, qr/column "tier" does not exist/, 'that names it');
$other->query_safe("SET client_min_messages = error; INSERT INTO crm.leads (id) VALUES (4005)");
is(sql("SELECT code FROM leadroute.lead_states WHERE lead IN ('4003', '4004', '4005')"), "fallback\nfallback\nfallback", 'in a session that had it compiled, too');
like(sql("SELECT detail FROM leadroute.health WHERE check_name = 'flow complete'"), qr/tier/, 'health names the rule');
is(sql(q{DELETE FROM leadroute.rules WHERE rule = 'tier'; SELECT 1}), '1', 'it can be taken out');
sql(q{CREATE EXTENSION citext; INSERT INTO leadroute.rules (position, rule, condition, target, target_name)
	VALUES (5, 'citext', 'source::public.citext = ''WEB''::public.citext', 'team', 't')});
is(sql("INSERT INTO crm.leads (id, source) VALUES (4101, 'Web') RETURNING team"), 't', 'a condition with functions of an extension');
sql('DROP EXTENSION citext');
($err, $out) = said("INSERT INTO crm.leads (id, source) VALUES (4102, 'Web') RETURNING owner");
is($out, 'last', 'that is dropped');
is(warnings($err), 1, 'warns once');
sql("DELETE FROM leadroute.rules WHERE rule = 'citext'");
$other->quit;

# -- an output column that refuses the value
sub retype { return sql("SET client_min_messages = warning; SELECT leadroute.detach('crm.leads'); ALTER TABLE crm.leads ALTER COLUMN owner TYPE $_[0]; SELECT leadroute.attach('crm.leads'); CALL leadroute.catch_up()"); }
sql("INSERT INTO leadroute.reps (rep) VALUES ('long'); UPDATE leadroute.rules SET target_name = 'long' WHERE rule = 'rest'");
retype('varchar(3) USING left(owner, 3)');
($err, $out) = said("INSERT INTO crm.leads (id, source) VALUES (4201, 'x'), (4202, 'web') RETURNING id, owner IS NOT NULL");
is($out, "4201|f\n4202|t", 'a column too narrow for the owner: the lead goes in as it came');
is(warnings($err), 1, 'with a WARNING');
is(sql("SELECT code FROM leadroute.lead_states WHERE lead = '4201'"), 'routing_error', 'code routing_error');
is(sql("SELECT status FROM leadroute.health WHERE check_name = 'routing errors'"), 'bad', 'health is bad');
retype('text');
is(said('SET search_path = crm; CALL leadroute.catch_up()'), '', 'catch_up when the cause is gone');
is(sql("SELECT owner FROM crm.leads WHERE id = 4201"), 'long', 'routed');
is(sql('SELECT * FROM leadroute.rotation_drift()'), '', 'turns and ledger agree');

# -- what the user ends, ends
sql(q{INSERT INTO leadroute.rules (position, rule, condition, target, target_name)
	VALUES (5, 'slow', 'length(repeat(source, 1000000)) > 0 AND md5(repeat(source, 1000000)) < ''a''', 'team', 't')});
like(said("SET statement_timeout = 200; INSERT INTO crm.leads (id, source) SELECT g, repeat('abcd', 12) FROM generate_series(5001, 5020) g"),
	qr/^ERROR:  57014: canceling statement due to statement timeout/m, 'statement_timeout inside a condition');
is(sql('SELECT count(*) FROM crm.leads WHERE id BETWEEN 5001 AND 5020'), '0', 'no row stands');
my $slow = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $slow->query_safe('SELECT pg_backend_pid()');
$slow->query_until(qr/started/, "\\echo started\nINSERT INTO crm.leads (id, source) SELECT g, repeat('abcd', 12) FROM generate_series(5001, 5200) g;\n");
ok($node->poll_query_until('postgres', "SELECT state = 'active' AND query LIKE 'INSERT%' FROM pg_stat_activity WHERE pid = $pid"), 'a session at work');
sql("SELECT pg_cancel_backend($pid)");
ok($node->poll_query_until('postgres', "SELECT state = 'idle' FROM pg_stat_activity WHERE pid = $pid"), 'pg_cancel_backend ends it');
is(sql('SELECT count(*) FROM crm.leads WHERE id BETWEEN 5001 AND 5200'), '0', 'no row stands');
is(($slow->query("SELECT 'alive'"))[0], 'alive', 'the session lives');
eval { $slow->quit };
sql("DELETE FROM leadroute.rules WHERE rule = 'slow'");
is(sql('SELECT * FROM leadroute.rotation_drift()'), '', 'turns and ledger agree');

# -- a full shared memory
sql(q{INSERT INTO leadroute.reps (rep) SELECT 'many' || g FROM generate_series(1, 200) g;
	INSERT INTO leadroute.teams (team) VALUES ('many');
	INSERT INTO leadroute.team_members (team, rep) SELECT 'many', 'many' || g FROM generate_series(1, 200) g;
	INSERT INTO leadroute.rules (position, rule, condition, target, target_name) VALUES (5, 'many', 'source = ''many''', 'team', 'many')});
$node->append_conf('postgresql.conf', 'leadroute.max_members = 100');
$node->restart;
($err, $out) = said("INSERT INTO crm.leads (id, source) SELECT g, CASE g % 2 WHEN 0 THEN 'many' ELSE 'x' END FROM generate_series(6001, 6020) g RETURNING id");
is(scalar(split /\n/, $out), 20, 'more members than leadroute.max_members: the rows stand');
is(warnings($err), 1, 'one WARNING');
is(sql("SELECT count(*), count(*) FILTER (WHERE status = 'unrouted' AND code = 'routing_error' OR status = 'assigned') FROM leadroute.lead_states WHERE lead LIKE '60__'"), '20|20', 'each lead has a state');
$node->append_conf('postgresql.conf', 'leadroute.max_members = 4096');
$node->restart;
is(said('SET search_path = crm; CALL leadroute.catch_up()'), '', 'with room again, catch_up');
is(sql("SELECT count(*) FROM crm.leads WHERE id BETWEEN 6001 AND 6020 AND owner IS NULL"), '0', 'nothing is lost');
is(sql('SELECT * FROM leadroute.rotation_drift()'), '', 'turns and ledger agree');

# -- keys that fit into no index
sql(q{CREATE TABLE crm.wide (id text, owner text); SELECT leadroute.attach('crm.wide', 'wide'); INSERT INTO leadroute.reps (flow, rep) VALUES ('wide', 'a');
	INSERT INTO leadroute.rules (flow, position, rule, target, target_name) VALUES ('wide', 1, 'all', 'rep', 'a'); SELECT leadroute.activate('wide')});
my $wide = q{INSERT INTO crm.wide (id) SELECT string_agg(md5(n::text || g), '') FROM generate_series(1, 3) n, generate_series(1, 100 * n - 90) g GROUP BY n ORDER BY n};
($err) = said($wide);
is($err, "WARNING:  54000: leadroute cannot route rows of \"wide\": column \"id\", the lead's key, is longer than 2000 bytes\nDETAIL:  They are stored unrouted.\n"
	. "HINT:  Each is decided when an UPDATE gives it a shorter key.\nLOCATION:  complain, arrival.c:" . ($err =~ /arrival\.c:(\d+)/ ? $1 : '-'), 'a key that is too long: a warning');
is(sql(q{SELECT string_agg(coalesce(owner, '-'), ' ' ORDER BY length(id)) FROM crm.wide}), 'a - -', 'the leads stand');
is(said(q{UPDATE crm.wide SET owner = 'b' WHERE length(id) > 2000; UPDATE crm.wide SET id = id || id; DELETE FROM crm.wide WHERE length(id) > 2000}) =~ /ERROR/, '', 'can be changed and deleted');
is(said(q{INSERT INTO crm.wide (id) SELECT string_agg(md5(g::text), '') FROM generate_series(1, 100) g; CALL leadroute.catch_up('crm.wide')}) =~ /ERROR/, '', 'and do not stop catch_up');
like(said("UPDATE leadroute.flows SET on_error = 'fail' WHERE flow = 'wide'; $wide"), qr/^ERROR:  54000: leadroute cannot route rows of "wide": column "id", the lead's key, is longer than 2000 bytes$/m, 'on_error = fail: an error');

# -- an owner that the table's own foreign key blanks
sql('CREATE TABLE crm.users (id text PRIMARY KEY); CREATE TABLE crm.referring (id int PRIMARY KEY, owner text REFERENCES crm.users ON DELETE SET NULL, team text REFERENCES crm.users ON DELETE SET NULL)');
like(said("SELECT leadroute.attach('crm.referring', 'referring')"), qr/^WARNING:  01000: foreign key "referring_owner_fkey" of table crm\.referring is ON DELETE SET NULL, but leadroute puts the owner back$(?!.*foreign key)/ms, 'ON DELETE SET NULL');
sql("SELECT leadroute.detach('crm.referring'); ALTER TABLE crm.referring DROP CONSTRAINT referring_owner_fkey, ADD FOREIGN KEY (owner) REFERENCES crm.users ON UPDATE SET DEFAULT");
like(said("SELECT leadroute.attach('crm.referring', 'referring')"), qr/^WARNING:  01000: foreign key "referring_owner_fkey" of table crm\.referring is ON UPDATE SET DEFAULT/m, 'ON UPDATE SET DEFAULT');
sql("SELECT leadroute.detach('crm.referring')");

# -- the types of the columns, which no trigger's WHEN names
sql('CREATE TABLE crm.typed (id int PRIMARY KEY, owner varchar(10), source text)');
sql("SELECT leadroute.attach('crm.typed', 'typed')");
is(said('ALTER TABLE crm.typed ALTER owner TYPE text, ALTER id TYPE bigint, ALTER source TYPE varchar(20)'), '', 'ALTER COLUMN TYPE of any column');
is(sql(q{SELECT count(*), string_agg(DISTINCT tgenabled::text, '') FROM pg_trigger WHERE tgrelid = 'crm.typed'::regclass AND NOT tgisinternal}), '5|A', 'all triggers stand');
sql(q{INSERT INTO leadroute.reps (flow, rep) VALUES ('typed', 'a rep of a longer name'); INSERT INTO leadroute.rules (flow, position, rule, target, target_name) VALUES ('typed', 1, 'all', 'rep', 'a rep of a longer name'); SELECT leadroute.activate('typed')});
is(sql('INSERT INTO crm.typed (id) VALUES (3000000000) RETURNING owner'), 'a rep of a longer name', 'and route');
sql("SELECT leadroute.detach('crm.typed')");

# -- the triggers on leadroute's own tables
sql('ALTER TABLE leadroute.rules ENABLE TRIGGER ALL; ALTER TABLE leadroute.reps DISABLE TRIGGER config_written_insert; DROP TRIGGER config_written_delete ON leadroute.queues');
is(sql(q{SELECT status, detail, run FROM leadroute.health WHERE check_name = 'own triggers'}), 'bad|trigger "config_written_delete" of table leadroute.queues is missing; '
	. 'trigger "config_written_insert" of table leadroute.reps is disabled; trigger "config_changed" of table leadroute.rules is not ENABLE ALWAYS; '
	. 'trigger "config_changed_truncate" of table leadroute.rules is not ENABLE ALWAYS|SELECT leadroute.enable_triggers()', 'health names triggers that do not stand as they were made');
is(sql('SET ROLE leadroute_admin; SELECT leadroute.enable_triggers()'), '3 triggers enabled', 'and an admin mends them');
is(sql(q{SELECT detail FROM leadroute.health WHERE check_name = 'own triggers'}), 'trigger "config_written_delete" of table leadroute.queues is missing', 'but for one that is gone');

# -- a clock in the server's configuration
$node->append_conf('postgresql.conf', "leadroute.clock = '2026-03-02 10:00Z'");
$node->restart;
like(slurp_file($node->logfile), qr/invalid value for parameter "leadroute\.clock": "2026-03-02 10:00Z"\n.*DETAIL:  It cannot be read where no session is under way yet, as in postgresql\.conf\.\n.*HINT:  Use SET in a session/, 'a clock in postgresql.conf says where it can be set');

$node->stop;
done_testing();
