#!/usr/bin/perl
# doc.pl: the documents that a running leadroute can vouch for.
#
#   test/doc.pl check        says what is not as the server says; exit status 1 where something is not
#   test/doc.pl write        writes it into the documents
#
# Reaches a server of version 15 or later by PGHOST, PGPORT and PGUSER (a superuser), in whose throw-away cluster it makes
# and drops databases, and a superuser postgres where the cluster's is called otherwise, since the documents show who did a
# thing; shared_preload_libraries must name pg_cron and leadroute. `make doc` and test/t/040_docs.pl call it.
#
# README.md, doc/*.md in the order in which it first links to them, then the others: blocks fenced as ```sql run in their order, each in a session of its own, in the database that
# the last comment <!-- database: NAME --> names; blocks before the first such comment are not run. A comment
# <!-- sql ... --> runs unseen. Where the next fence is ```text, it holds what psql prints; else an
# ERROR or WARNING is a fault. doc/reference.md is made whole, from the comments on the extension's objects.
use strict;
use warnings;
use open qw(:std :encoding(UTF-8));
use File::Basename;
use File::Temp;

my $mode = shift // '';
die "usage: test/doc.pl check | write\n" unless $mode eq 'check' || $mode eq 'write';
chdir dirname(__FILE__) . '/..' or die "cannot enter the tree: $!\n";
my $psql = $ENV{PSQL} // 'psql';
my $faults = 0;
my %databases;
$ENV{PSQLRC} = '/dev/null';
$ENV{PGOPTIONS} = '-c client_min_messages=notice -c timezone=UTC';
$ENV{PGCLIENTENCODING} = 'UTF8';
$ENV{LC_ALL} = 'C.UTF-8';

# Runs SQL as who types it into psql; returns what is printed, errors in their place.
sub run_sql
{
	my ($database, $sql, @options) = @_;
	my $file = File::Temp->new;
	binmode $file, ':encoding(UTF-8)';
	print $file "\\set SHOW_CONTEXT never\n$sql\n";
	close $file;
	open my $out, '-|', 'sh', '-c', 'exec "$@" <"$0" 2>&1', $file->filename, $psql, '-X', '-q', '-d', $database,
	  '-P', 'footer=off', '-P', 'pager=off', '-P', 'format=wrapped', '-P', 'columns=130', @options
	  or die "cannot run $psql: $!\n";
	my $printed = do { local $/; <$out> } // '';
	close $out;
	die "$psql: $printed\n" if ($? >> 8) == 2;
	$printed =~ s/[ \t]+$//mg;
	$printed =~ s/\A\n+//;
	$printed =~ s/\n+\z/\n/;
	return $printed;
}

sub enter_database
{
	my ($name) = @_;
	return $name if $name eq 'postgres' || $databases{$name}++;
	run_sql('postgres', "DROP DATABASE IF EXISTS $name;");
	my $printed = run_sql('postgres', "CREATE DATABASE $name;");
	die $printed if $printed =~ /ERROR/;
	return $name;
}

sub read_file
{
	my ($path) = @_;
	open my $in, '<', $path or die "$path: $!\n";
	local $/;
	return <$in>;
}

sub fault
{
	my ($where, $what) = @_;
	$faults++;
	print "$where: $what\n";
}

# Judges or replaces one document's text.
sub settle
{
	my ($path, $old, $new) = @_;
	return if $old eq $new;
	if ($mode eq 'write')
	{
		open my $out, '>', $path or die "$path: $!\n";
		print $out $new;
		close $out;
		print "$path written\n";
		return;
	}
	my ($is, $should) = (File::Temp->new, File::Temp->new);
	foreach ([ $is, $old ], [ $should, $new ])
	{
		binmode $_->[0], ':encoding(UTF-8)';
		print { $_->[0] } $_->[1];
		close $_->[0];
	}
	open my $diff, '-|', 'diff', '-u', '--label', $path, '--label', "$path as the server has it", "$is", "$should";
	my $differences = do { local $/; <$diff> };
	close $diff;
	fault($path, "not current; make doc writes it\n$differences");
}

# ---- README.md, doc/*.md ----------------------------------------------------------------------------

sub run_document
{
	my ($path) = @_;
	my $old = read_file($path);
	my ($new, $database) = ('');
	my $blocks = 0;

	while ($old =~ /\G(.*?)(^<!-- database: (\w+) -->\n|^<!-- sql\n(.*?)^-->\n|^```sql\n(.*?)^```\n(?:\n?^```text\n(.*?)^```\n)?|\z)/gms)
	{
		my ($before, $all, $enter, $hidden, $shown, $text) = ($1, $2, $3, $4, $5, $6);
		my $line = 1 + ($new =~ tr/\n//) + ($before =~ tr/\n//);
		$new .= $before;
		last if $all eq '';
		if (defined $enter)
		{
			$database = enter_database($enter);
			$new .= $all;
		}
		elsif (!defined $database)
		{
			$new .= $all;
		}
		else
		{
			$blocks++;
			my $printed = run_sql($database, $hidden // $shown);
			if (defined $text)
			{
				$new .= "```sql\n$shown```\n\n```text\n$printed```\n";
			}
			else
			{
				fault("$path, line $line", "\n$printed") if $printed =~ /^(ERROR|FATAL|WARNING|psql: )/m;
				$new .= $all;
			}
		}
	}
	settle($path, $old, $new);
	print "$path: $blocks blocks ran\n" if defined $database;
	return $blocks;
}

# README.md, those that it links to in their order, and the others.
sub documents
{
	my %seen = ('doc/reference.md' => 1);
	return grep { !$seen{$_}++ } ('README.md', read_file('README.md') =~ m{\]\((doc/\w+\.md)\)}g, sort glob('doc/*.md'));
}

# ---- doc/reference.md -------------------------------------------------------------------------------

sub reference
{
	my $database = enter_database('reference');
	my $printed = run_sql($database, 'SET client_min_messages = warning; CREATE EXTENSION leadroute CASCADE;');
	die $printed if $printed ne '';
	return run_sql($database, read_file('test/doc_reference.sql'), '-A', '-t', '-v', 'ON_ERROR_STOP=1');
}

run_sql('postgres', 'CREATE ROLE postgres SUPERUSER LOGIN;');
$ENV{PGUSER} = 'postgres';
my $blocks = 0;
$blocks += run_document($_) foreach documents();
fault('README.md', 'no block ran') unless $blocks;
my $current = -e 'doc/reference.md' ? read_file('doc/reference.md') : '';
settle('doc/reference.md', $current, reference());
run_sql('postgres', "DROP DATABASE $_;") foreach sort keys %databases;
print $faults ? "$faults faults\n" : "all documents are as the server has them\n";
exit($faults ? 1 : 0);
