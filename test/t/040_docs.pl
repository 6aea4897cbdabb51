# The documents say what the server says: README's SQL runs and prints what stands there, doc/reference.md is current.
# `make doc` writes what is not.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf', <<'CONF');
shared_preload_libraries = 'pg_cron,leadroute'
cron.database_name = 'postgres'
cron.use_background_workers = on
max_worker_processes = 20
CONF
$node->start;

{
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	local $ENV{PGUSER} = $node->safe_psql('postgres', 'SELECT current_user');
	my $output = '';
	my $ok = IPC::Run::run([ $^X, 'test/doc.pl', 'check' ], '>', \$output, '2>&1');
	ok($ok, 'the documents are as the server has them') or diag($output);
	like($output, qr/^README\.md: [1-9]\d+ blocks ran$/m, 'the SQL of README.md ran');
}

$node->stop;
done_testing();
