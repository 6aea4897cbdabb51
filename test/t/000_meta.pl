# What the files of the house say of each other: the version stands in the control file, the rest follows it.
use strict;
use warnings;

use JSON::PP;
use Test::More;

sub slurp
{
	my $name = shift;
	open(my $file, '<', $name) or die "$name: $!";
	local $/;
	return scalar <$file>;
}

my ($version) = slurp('leadroute.control') =~ /^default_version\s*=\s*'([^']+)'/m;
like($version, qr/^\d+\.\d+\.\d+$/, 'the control file has a semantic version');

my $meta = JSON::PP->new->utf8->decode(slurp('META.json'));
is($meta->{version}, $version, 'META.json has the version of the control file');
is($meta->{provides}{leadroute}{version}, $version, 'so has what META.json provides');
ok(-e $meta->{provides}{leadroute}{$_}, "META.json's $_ is there") foreach qw(file docfile);
is($meta->{license}, 'postgresql', 'META.json names the licence');
foreach my $key (qw(name version abstract maintainer license provides meta-spec))
{
	ok(defined $meta->{$key}, "META.json has the mandatory key $key");
}
like(slurp('CHANGELOG.md'), qr/^## \Q$version\E\b/m, 'CHANGELOG.md speaks of this version');

done_testing();
