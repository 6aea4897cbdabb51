# A consumer that posts to Slack's webhook (a local HTTP server here), killed again and again: nothing is lost, nothing is posted again after its acknowledgement.
# Debian's nodejs and node-pg (.ci/run installs them where it can), else what LEADROUTE_NODE_MODULES holds or npm brings.
use strict;
use warnings;

use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node_js = `command -v node 2>/dev/null`;
chomp $node_js;
plan skip_all => 'node is not installed' if $node_js eq '';
sub has_pg { return system("$node_js -e 'require(\"pg\"); fetch' >/dev/null 2>&1") == 0; }
$ENV{NODE_PATH} //= $ENV{LEADROUTE_NODE_MODULES} // '/usr/share/nodejs';
if (!has_pg() && system('command -v npm >/dev/null 2>&1') == 0)
{
	my $folder = PostgreSQL::Test::Utils::tempdir;
	local $ENV{HOME} = $folder;
	run_command([ 'npm', 'install', '--prefix', $folder, '--no-audit', '--no-fund', 'pg@8' ]);
	$ENV{NODE_PATH} = "$folder/node_modules";
}
plan skip_all => 'the module pg is not installed (apt install node-pg, or npm)' if !has_pg();

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'leadroute'");
$node->start;
sub sql { my ($sql) = @_; return $node->safe_psql('postgres', $sql); }

sql(q{
	SET client_min_messages = warning;
	CREATE EXTENSION leadroute CASCADE;
	CREATE TABLE leads (id bigint PRIMARY KEY, first_name text, company text, owner text);
	SELECT leadroute.attach('leads');
	UPDATE leadroute.flows SET link_template = 'https://crm.example/leads/{lead}';
	INSERT INTO leadroute.reps (rep, name) VALUES ('ana', 'Ana'), ('bo', 'Bo');
	INSERT INTO leadroute.teams (team, channel) VALUES ('west', '#west');
	INSERT INTO leadroute.team_members (team, rep) VALUES ('west', 'ana'), ('west', 'bo');
	INSERT INTO leadroute.rules (position, rule, target, target_name) VALUES (1, 'all', 'team', 'west');
	SELECT leadroute.activate();
	INSERT INTO leadroute.outbox_consumers (consumer, types, max_attempts, backoff) VALUES ('slack', '{assigned,reassigned}', 100, '1 s');
});

# Slack: takes posts, some of which it refuses; notes each that it took
my $log = PostgreSQL::Test::Utils::tempdir() . '/posts';
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $server_js = PostgreSQL::Test::Utils::tempdir() . '/slack_server.js';
PostgreSQL::Test::Utils::append_to_file($server_js, q{
	const fs = require('fs');
	let n = 0;
	require('http').createServer((request, response) => {
		let body = '';
		request.on('data', (part) => { body += part; });
		request.on('end', () => {
			if (++n % 7 === 0) { response.writeHead(500); response.end('later'); return; }
			const post = JSON.parse(body);
			if (typeof post.text !== 'string' || !Array.isArray(post.blocks) || post.blocks.some((b) => b.type !== 'section' || b.text.type !== 'mrkdwn')) { response.writeHead(400); response.end('invalid_blocks'); return; }
			fs.appendFileSync(process.argv[3], JSON.stringify({ ids: request.headers['idempotency-key'].split(','), channel: post.channel, text: post.blocks[0].text.text, at: Date.now() }) + '\n');
			setTimeout(() => { response.end('ok'); }, 3);
		});
	}).listen(Number(process.argv[2]), '127.0.0.1', () => console.log('listening'));
});
my ($server_out, $server_err) = ('', '');
my $server = IPC::Run::start([ $node_js, $server_js, $port, $log ], '>', \$server_out, '2>', \$server_err);
$server->pump until $server_out =~ /listening/;

local $ENV{PGHOST} = $node->host;
local $ENV{PGPORT} = $node->port;
local $ENV{PGDATABASE} = 'postgres';
local $ENV{VISIBLE_FOR} = '1 s';
my $script = 'test/consumer/slack.js';

# two of it run at once and are killed without warning, while leads arrive
my $acknowledged = '';
my $inserted = 0;
my $killed = 0;
foreach my $round (1 .. 8)
{
	my @out = ('', '');
	my @running = map { my $i = $_; IPC::Run::start([ $node_js, $script, 'slack', "http://127.0.0.1:$port/" ], '>', \$out[$i], '2>', \my $err) } 0, 1;
	sql("INSERT INTO leads SELECT i, 'Kim ' || i, 'Acme', NULL FROM generate_series($inserted + 1, $inserted + 25) i");
	$inserted += 25;
	my $until = time + 10;
	$running[0]->pump_nb, $running[1]->pump_nb, usleep(10_000) until ($out[0] . $out[1]) =~ /acknowledged(?:.*\n.*acknowledged){3}/s || time > $until;
	foreach (@running) { $_->kill_kill(grace => 0); $killed++; }
	$acknowledged .= $out[0] . $out[1];
}
# and one runs to the end
my ($out, $err) = ('', '');
foreach (1 .. 60)
{
	IPC::Run::run([ $node_js, $script, 'slack', "http://127.0.0.1:$port/", 'once' ], '>', \$out, '2>', \$err) or diag($err);
	$acknowledged .= $out;
	last if sql('SELECT count(*) FROM leadroute.outbox_deliveries WHERE done_at IS NULL') eq '0' && sql('SELECT count(*) FROM leadroute.outbox_deliveries') eq $inserted;
	usleep(500_000);
}
is($killed, 16, 'sixteen consumers were killed');
is(sql('SELECT count(*) FROM leadroute.outbox'), $inserted, 'a message for each lead');
is(sql('SELECT count(*) FROM leadroute.outbox_deliveries WHERE done_at IS NOT NULL'), $inserted, 'each was acknowledged');

my (%posted, %last_post, $first);
foreach (split /\n/, PostgreSQL::Test::Utils::slurp_file($log))
{
	$first = $_ if /"text":"\*assigned\*: <https:\/\/crm\.example\/leads\/1\|Kim 1, Acme> → (Ana|Bo)/;
	/"ids":\["(\d+)"\].*"at":(\d+)/ or die "strange: $_";
	$posted{$1}++;
	$last_post{$1} = $2;
}
is(scalar(keys %posted), $inserted, 'nothing is lost: each was posted');
ok($first, 'in Slack\'s format, with name, link and owner');
# what was acknowledged before a kill was never posted again: the posts of an id after its ack would be more than its attempts
is(sql('SELECT count(*) FROM leadroute.outbox_deliveries d WHERE d.attempts < 1'), '0', 'each was claimed');
my $again = join ',', grep { $posted{$_} > 1 } sort keys %posted;
is($again eq '' ? '0' : sql("SELECT count(*) FROM leadroute.outbox_deliveries WHERE id IN ($again) AND attempts < 2"), '0', 'who was posted twice had been claimed again, for want of an ack');
my (%acked, @late);
while ($acknowledged =~ /acknowledged (\d+) at (\d+)/g)
{
	$acked{$1}++;
	push @late, $1 if $last_post{$1} > $2;
}
is(join(',', @late), '', 'no post came after the acknowledgement');
is(join(',', grep { $acked{$_} > 1 } keys %acked), '', 'and nothing was acknowledged twice: after its ack nobody gets it');
is($node->safe_psql('postgres', q{SELECT count(*) FROM leadroute.outbox_claim('slack')}), '0', 'nothing is left');

$server->kill_kill(grace => 0);
$node->stop;
done_testing();
