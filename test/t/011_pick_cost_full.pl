# What a pick costs, in CPU time of the session: under 3 us from 10 members, under 50 us from 1,000, whatever the strategy.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $module = abs_path(dirname(__FILE__) . '/../modules/rotation');
my $pg_config = $ENV{PG_CONFIG} // 'pg_config';
system_or_bail('make', '-s', '-C', $module, "PG_CONFIG=$pg_config", 'rotation_test.so');

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'leadroute'");
$node->start;
$node->safe_psql('postgres', qq{
	CREATE EXTENSION leadroute CASCADE;
	CREATE FUNCTION public.pick_cost(text, integer) RETURNS float8 LANGUAGE c AS '$module/rotation_test', 'rotation_test_pick_cost';
	INSERT INTO leadroute.flows (flow) VALUES ('default');
	INSERT INTO leadroute.calendars (calendar, timezone) VALUES ('always', 'America/New_York');
	INSERT INTO leadroute.calendar_hours (calendar, weekday, opens, closes) SELECT 'always', d, '00:00', '24:00' FROM generate_series(1, 7) d;
	INSERT INTO leadroute.reps (rep, calendar) SELECT 'r' || i, 'always' FROM generate_series(1, 1000) i;
	INSERT INTO leadroute.teams (team, strategy, hours)
		SELECT format('%s %s', s, n), CASE s WHEN 'turns' THEN 'round_robin' ELSE s END, CASE s WHEN 'turns' THEN 'none' ELSE 'rep' END
		FROM unnest('{turns,round_robin,least_loaded,ranked}'::text[]) s, unnest('{10,1000}'::integer[]) n;
	-- turns: by weight alone; the others with hours, capacities and a cap each
	INSERT INTO leadroute.team_members (team, rep, weight, capacity, caps, rank)
		SELECT t.team, 'r' || i, 1 + i % 3, CASE WHEN t.hours = 'rep' THEN 1000000 END, CASE WHEN t.hours = 'rep' THEN '{1000000 per day}'::text[] END, i
		FROM leadroute.teams t, generate_series(1, split_part(t.team, ' ', 2)::integer) i;
});
for my $strategy (qw(turns round_robin least_loaded ranked))
{
	for my $case ([ 10, 20000, 3 ], [ 1000, 2000, 50 ])
	{
		my ($members, $picks, $limit) = @$case;
		# the least of three: what another process takes from the caches is not the pick's
		my $cost = $node->safe_psql('postgres', "SELECT round(min(pick_cost('$strategy $members', $picks))::numeric, 2) FROM generate_series(1, 3)");
		cmp_ok($cost, '<', $limit, "$strategy, $members members: $cost us");
	}
}
$node->stop;
done_testing();
