#!/usr/bin/perl
# mail_domains.pl: the long lists of public and disposable mail domains, as SQL for psql. `make -s mail-domains` calls it.
#
#   make -s mail-domains | psql -d mydb
#
# Fetches the newest npm packages free-email-domains and disposable-email-domains (with npm, into a scratch
# directory) and writes one transaction that replaces the rows of these two sources in leadroute.mail_domains. Rows of
# other sources, shipped and local ones, stay. Domains that are not in ASCII are left out.
use strict;
use warnings;
use File::Temp qw(tempdir);
use JSON::PP;

my @lists = (
	{ source => 'free-email-domains', file => 'domains.json', column => 'is_public' },
	{ source => 'disposable-email-domains', file => 'index.json', column => 'is_disposable' });
my $scratch = tempdir('leadroute.XXXXXX', TMPDIR => 1, CLEANUP => 1);

sub fetch
{
	my ($list) = @_;
	my $package = $list->{source};
	open my $npm, '-|', qw(npm pack --silent --pack-destination), $scratch, $package or die "npm: $!\n";
	chomp(my $archive = join '', <$npm>);
	close $npm or die "npm could not fetch $package\n";
	$archive = (split /\n/, $archive)[-1];
	open my $tar, '-|', 'tar', '-xzOf', "$scratch/$archive", "package/$list->{file}" or die "tar: $!\n";
	my $text = do { local $/; <$tar> };
	close $tar or die "$archive holds no $list->{file}\n";
	my ($version) = $archive =~ /-([0-9][^-]*)\.tgz$/;
	my %domains = map { lc($_) => 1 } grep { /^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$/ } @{ decode_json($text) };
	die "$package $version: only " . keys(%domains) . " domains\n" if keys %domains < 1000;
	return ($version, sort keys %domains);
}

my @fetched = map { [ $_, fetch($_) ] } @lists;
print "BEGIN;\n";
for my $entry (@fetched)
{
	my ($list, $version, @domains) = @$entry;
	print "DELETE FROM leadroute.mail_domains WHERE source = '$list->{source}';\n",
	  "COPY leadroute.mail_domains (domain, source, $list->{column}, note) FROM stdin;\n",
	  (map { "$_\t$list->{source}\ttrue\tversion $version\n" } @domains), "\\.\n";
}
print "COMMIT;\nANALYZE leadroute.mail_domains;\n";
