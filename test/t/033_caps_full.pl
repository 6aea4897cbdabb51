# The stress of 033_caps.pl for a minute.
use strict;
use warnings;

use File::Basename qw(dirname);

$ENV{CAPS_SECONDS} = 60;
my $file = dirname(__FILE__) . '/033_caps.pl';
do $file or die $@ || "$file: $!";
