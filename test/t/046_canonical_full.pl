# The canonical functions under valgrind, in a single-user server: what they lose (memory that nobody points to any more, reads of what
# nobody wrote), and how many instructions an input of twice the length takes.
# apt: valgrind
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'valgrind is not installed' if system('valgrind --version >/dev/null 2>&1') != 0;
my $node = PostgreSQL::Test::Cluster->new('valgrind');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'leadroute'");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION leadroute CASCADE');
$node->stop;
my $folder = $PostgreSQL::Test::Utils::tmp_check;

# Runs statements, one a line, in a server under a tool of valgrind; answers what the tool wrote.
sub under
{
	my ($tool, $name, @statements) = @_;
	my ($sql, $log, $out) = map { "$folder/valgrind_$name.$_" } qw(sql log out);

	append_to_file($sql, join("\n", @statements) . "\n");
	my $options = $tool eq 'memcheck' ? "--leak-check=full --log-file=$log" : "--callgrind-out-file=$log";
	is(system("valgrind --tool=$tool $options postgres --single -D '" . $node->data_dir . "' postgres < '$sql' > '$out' 2>&1"), 0, "$name runs");
	unlike(slurp_file($out), qr/ERROR|PANIC|FATAL/, "$name raises no error");
	return slurp_file($log);
}

# -- memory: a hundred rounds lose what eleven hundred lose
my $fuzz = q{SELECT count(leadroute.email_key(v)), count(leadroute.email_problem(v)), count(leadroute.domain_key(v)), count(leadroute.domain_key(v || '.com')), count(leadroute.email_key('x@' || v || '.de')), count(leadroute.company_key(v)), }
  . q{count(leadroute.country_code(v)), count(leadroute.region_code(v, 'us')), count(leadroute.postal_key(v, 'us')), count(leadroute.phone_key(v, 'us')), count(leadroute.phone_key('+1415' || (2000000 + i), v)), }
  . q{count(leadroute.phone_extension('(415) 200-7986 x' || i, 'us')), count(leadroute.is_public_mail(v || '@m' || i || '.com')), count(leadroute.company_key(repeat(v, 30))), count(leadroute.email_key(repeat(v, 30))) FROM generate_series(1, %d) i, }
  . q{LATERAL (SELECT (ARRAY['a', 'ü', 'İ', '日本', 'xn--', 'xn--mller-kva', '😀', chr(769), 'א', '(415) 200-7986 x12', '+49 30 901820', 'Acme GmbH', 'Kim@Müller.de', 'https://www.acme.co.uk/x'])[1 + i % 14] || CASE WHEN i % 3 = 0 THEN i::text ELSE '' END AS v) x};
my (%definite, %all);
for my $rounds (100, 1100)
{
	my $log = under('memcheck', "memory_$rounds", sprintf($fuzz, $rounds));

	unlike($log, qr/Invalid (read|write)|uninitialised/, "$rounds rounds touch nothing that is not theirs");
	for my $kind ('definitely lost', 'indirectly lost', 'possibly lost', 'still reachable')
	{
		my ($bytes) = $log =~ /$kind: ([\d,]+) bytes/ or die "valgrind says nothing of $kind";

		$bytes =~ tr/,//d;
		$definite{$rounds} += $bytes if $kind =~ /(definitely|indirectly)/;
		$all{$rounds} += $bytes;
	}
}
is($definite{1100}, $definite{100}, 'eleven times the calls lose no byte more');
cmp_ok($all{1100} - $all{100}, '<', 100_000, 'and keep hardly more: the libraries\' patterns');
note("lost: $definite{100} bytes by the server itself, $definite{1100} after 11 times the calls; kept: $all{100} and $all{1100}");

# -- time: the worst inputs that are read at all, in lengths that double
my $patterns = q{CREATE TEMP TABLE p AS SELECT v, left(repeat(v, 9000), 9000) AS t FROM unnest(ARRAY['a', '.', ' ', '@', '+', '"', '/', 'a.', 'é', chr(769), chr(803) || chr(769), 'a' || chr(803) || chr(769), chr(1456) || chr(1463), chr(44032) || chr(837), }
  . q{'😀', 'א', '株式会社 ', '株式会社', 'Inc ', 'Acme Inc ', 'a b ', '& ', '1', '(4) ', 'xn--', '<', chr(92), 'ß', chr(836), 'x 1', '1-', '12#', ';ext=1', '(1', '[1]']) v};
my %read = (
	'leadroute.email_key(x), leadroute.email_problem(x || \'@a.de\')' => 480,
	'leadroute.domain_key(x), leadroute.domain_key(\'http://\' || x || \'.com/\')' => 1900,
	'leadroute.company_key(x)' => 240,
	'leadroute.country_code(x), leadroute.region_code(x, \'us\'), leadroute.postal_key(x, \'us\')' => 48,
	'leadroute.phone_key(x, \'us\')' => 60);
my %instructions;
for my $length (1, 2, 4)
{
	my @statements = ($patterns);

	push @statements, map { "SELECT $_ FROM p, LATERAL (SELECT left(t, ($read{$_} * $length / octet_length(v) * length(v))::integer) AS x) l, generate_series(1, 4)" } sort keys %read;
	under('callgrind', "time_$length", @statements);
	for (split /\n/, `callgrind_annotate --inclusive=yes --threshold=100 '$folder/valgrind_time_$length.log' 2>/dev/null`)
	{
		$instructions{$2}{$length} = $1 =~ tr/,//dr if /^\s*([\d,]+).*:lr_(email_key|email_problem|domain_key|company_key|country_code|region_code|postal_key|phone_key)_sql /;
	}
}
is(scalar keys %instructions, 8, 'all functions are counted');
for my $function (sort keys %instructions)
{
	my %n = %{ $instructions{$function} };

	cmp_ok($n{2} / $n{1}, '<', 2.5, "$function: twice the length");
	cmp_ok($n{4} / $n{2}, '<', 2.5, "$function: and twice again");
	note("$function: $n{1}, $n{2}, $n{4} instructions");
}

# what is too long is not read: a megabyte takes what ten kilobytes take, but for making it
my %long;
for my $length (10_000, 1_000_000)
{
	under('callgrind', "long_$length", "SELECT leadroute.email_key(x), leadroute.email_problem(x), leadroute.domain_key(x), leadroute.company_key(x), leadroute.country_code(x), leadroute.region_code(x, x), leadroute.postal_key(x, x), leadroute.phone_key(x, x) FROM repeat('é(4', $length / 4) x, generate_series(1, 100)");
	$long{$length} += $1 =~ tr/,//dr for `callgrind_annotate --inclusive=yes --threshold=100 '$folder/valgrind_long_$length.log' 2>/dev/null` =~ /^\s*([\d,]+).*:lr_\w+_sql /mg;
}
cmp_ok($long{1_000_000}, '<', 1.01 * $long{10_000}, 'a megabyte of anything is not read');
done_testing();
