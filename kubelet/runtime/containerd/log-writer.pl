# Log writer: takes one container's output out of its FIFOs into its log file, in CRI's format.
#
# A process of its own for each container, so that a line that was read and not yet written dies with no kill
# of containerd, kubelet or runtime server: it ends with the output, and with nothing else. In Perl, since it
# must be small and every Debian has it: 1 MB of its own, where Node would take 40. container-logs.ts starts
# it in a directory with stdout and stderr (the FIFOs of the container), stdout.attach and stderr.attach
# (those that containerd reads, for whoever attaches) and log (a link to the log file). The log comes first;
# someone attached who does not read holds the container up, as in Kubernetes.
#
# Argument: the number of clock_gettime(2) on this machine.
use strict;
use warnings;
use Fcntl qw(O_RDONLY O_WRONLY O_APPEND O_CREAT O_NONBLOCK F_SETFL);

use constant { CHUNK => 65_536, LINE => 16_384 };

my ($clock_gettime) = @ARGV;
my ($log, $log_identity, $second, $second_text) = (undef, '', -1, '');
$SIG{$_} = 'IGNORE' for qw(PIPE HUP INT TERM);

my %streams;
my @names = grep { -p $_ } qw(stdout stderr);
await_start();
for my $name (@names) {
  my $stream = { name => $name, rest => '' };
  attach($stream);
  sysopen($stream->{in}, $name, O_RDONLY | O_NONBLOCK) or next;
  $streams{fileno $stream->{in}} = $stream;
}
announce();

while (%streams) {
  my $ready = '';
  vec($ready, $_, 1) = 1 for keys %streams;
  next if select($ready, undef, undef, undef) <= 0;
  take($_) for grep { vec($ready, fileno $_->{in}, 1) } values %streams;
}
unlink 'pid';

# The container starts once its output is opened here. Before, containerd's end must be open: it would take the
# container for ended, and its output for whole, as soon as its process is.
sub await_start {
  my $wait = 0.001;
  while (grep { !-p "$_.attach" } @names) {
    exit if !-p $names[0];
    select undef, undef, undef, $wait;
    $wait *= 1.1 if $wait < 0.5;
  }
}

# Tells by whom the output is taken.
sub announce {
  open(my $file, '>', 'pid') or return;
  print {$file} $$;
}

sub take {
  my ($stream) = @_;
  my $count = sysread($stream->{in}, my $data, CHUNK);
  return if !defined $count;
  return ended($stream) if $count == 0;
  $stream->{rest} .= $data;
  my $whole = substr($stream->{rest}, 0, 1 + rindex($stream->{rest}, "\n"), '');
  my $text = lines($stream, $whole);
  $text .= part($stream, substr($stream->{rest}, 0, LINE, '')) while length $stream->{rest} > LINE;
  record($text) if length $text;
  pass_on($stream, $data);
}

sub ended {
  my ($stream) = @_;
  record(part($stream, $stream->{rest})) if length $stream->{rest};
  unlink $stream->{name};
  delete $streams{fileno $stream->{in}};
}

# Whole lines as they stand in the log: those that are too long in parts, the last of which is marked full.
sub lines {
  my ($stream, $text) = @_;
  return '' if !length $text;
  my $full = now() . " $stream->{name} F ";
  my $too_long = LINE + 1;
  return $text =~ s/^/$full/mgr if $text !~ /^[^\n]{$too_long}/m;
  my $lines = '';
  for my $line (split /^/m, $text) {
    $lines .= part($stream, substr($line, 0, LINE, '')) while length $line > LINE + 1;
    $lines .= $full . $line;
  }
  return $lines;
}

sub part {
  my ($stream, $text) = @_;
  return now() . " $stream->{name} P $text\n";
}

# A log that was moved away is left, and one under its name begun. On a full disk lines are lost, not the container.
sub record {
  my ($text) = @_;
  my $identity = join ' ', (stat 'log')[0, 1];
  if (!$log || $identity ne $log_identity) {
    undef $log;
    my $path = readlink 'log';
    sysopen($log, $path, O_WRONLY | O_APPEND | O_CREAT, 0640) or return undef $log;
    $log_identity = join ' ', (stat $log)[0, 1];
  }
  write_all($log, $text);
}

sub attach {
  my ($stream) = @_;
  sysopen(my $out, "$stream->{name}.attach", O_WRONLY | O_NONBLOCK) or return;
  fcntl($out, F_SETFL, 0);
  $stream->{out} = $out;
}

# While containerd is away, what would go to someone attached is dropped: so is their connection.
sub pass_on {
  my ($stream, $data) = @_;
  attach($stream) if !$stream->{out};
  delete $stream->{out} if $stream->{out} && !write_all($stream->{out}, $data);
}

sub write_all {
  my ($to, $text) = @_;
  while (length $text) {
    my $count = syswrite($to, $text);
    if (!defined $count) { next if $!{EINTR}; return 0 }
    substr($text, 0, $count, '');
  }
  return 1;
}

# RFC 3339 with nanoseconds.
sub now {
  my $time = pack 'q2', time, 0;
  syscall($clock_gettime, 0, $time) if $clock_gettime;
  my ($seconds, $nanos) = unpack 'q2', $time;
  if ($seconds != $second) {
    my ($s, $m, $h, $day, $month, $year) = gmtime $seconds;
    $second_text = sprintf '%04d-%02d-%02dT%02d:%02d:%02d', $year + 1900, $month + 1, $day, $h, $m, $s;
    $second = $seconds;
  }
  return sprintf '%s.%09dZ', $second_text, $nanos;
}
