# Perl's Net::Amazon::S3: with_net.pl URL HOME SIGNATURE
use strict;
use warnings;
use Net::Amazon::S3;
use Net::Amazon::S3::Authorization::Basic;
use Net::Amazon::S3::Vendor::Generic;

my ($url, $home, $signature) = @ARGV;
(my $host = $url) =~ s{^http://}{};
my $s3 = Net::Amazon::S3->new(
    authorization_context => Net::Amazon::S3::Authorization::Basic->new(
        aws_access_key_id => 'any-key', aws_secret_access_key => 'any-secret'),
    vendor => Net::Amazon::S3::Vendor::Generic->new(
        host => $host, use_https => 0, use_virtual_host => 0,
        authorization_method => "Net::Amazon::S3::$signature",
        default_region => 'eu-south-2'),
    retry => 0,
);
my $bucket = $s3->bucket('photos');
sub disk { my ($key) = @_; open my $file, '<:raw', "$home/photos/$key" or die "$key: $!"; local $/; <$file> }
for my $name ('plain.txt', 'with some spaces.txt', 'a+b.txt', 'one/two/three/four/five/leaf.bin', '100%.txt') {
    my $data = disk("before/$name");
    $bucket->add_key("perl/$name", $data, { content_type => 'text/x-check', 'x-amz-meta-a' => 'b' }) or die $s3->errstr;
    die "$name on disk" unless disk("perl/$name") eq $data;
    my $got = $bucket->get_key("perl/$name") or die "$name: " . ($s3->errstr // 'none');
    die $name unless $got->{value} eq $data and $got->{content_type} eq 'text/x-check';
    $bucket->copy_key("perl/copy", "/photos/before/plain.txt") or die $s3->errstr;
    $bucket->delete_key("perl/$name") or die $s3->errstr;
    die "$name is still there" if -e "$home/photos/perl/$name";
}
my $all = $bucket->list_all({ prefix => 'many/' }) or die $s3->errstr;
die scalar @{ $all->{keys} } unless @{ $all->{keys} } == 2500;
die 'a missing key was found' if $bucket->get_key('none');
