# The AWS SDK for Ruby: with_aws.rb URL HOME
require "aws-sdk-s3"
require "net/http"
require "stringio"

url, home = ARGV
disk = ->(key) { File.binread(File.join(home, "photos", key)) }
same = ->(what, got, wanted) { raise "#{what}: #{got.bytesize} bytes for #{wanted.bytesize}" unless got.b == wanted.b }
s3 = Aws::S3::Client.new(endpoint: url, region: "eu-south-2", access_key_id: "any-key",
                         secret_access_key: "any-secret", force_path_style: true, retry_limit: 0)
bucket = Aws::S3::Resource.new(client: s3).bucket("photos")
names = Dir.glob("**/*", File::FNM_DOTMATCH, base: "#{home}/photos/before").select do |name|
  File.file?("#{home}/photos/before/#{name}")
end
names.each do |name|
  data = disk.call("before/#{name}")
  same.call(name, bucket.object("before/#{name}").get.body.read, data)
  bucket.object("ruby/#{name}").put(body: data, metadata: { "a" => "b" })
  same.call("#{name} on disk", disk.call("ruby/#{name}"), data)
end
large = Random.new(1).bytes((16 << 20) + 1)
File.binwrite("#{home}/local/large", large)
bucket.object("new/file +").upload_file("#{home}/local/large", multipart_threshold: 5 << 20)
same.call("parts", disk.call("new/file +"), large)
bucket.object("new/stream").upload_stream(part_size: 5 << 20) { |out| out.binmode; out << large }
same.call("stream", disk.call("new/stream"), large)
bucket.object("new/file +").download_file("#{home}/local/back", chunk_size: 5 << 20, mode: "get_range")
same.call("back", File.binread("#{home}/local/back"), large)
bucket.object("new/copy").copy_from(bucket: "photos", key: "new/file +")
same.call("copy", disk.call("new/copy"), large)
bucket.object("new/copy").copy_from({ bucket: "photos", key: "new/file +" }, multipart_copy: true, content_length: large.bytesize)
same.call("copy in parts", disk.call("new/copy"), large)
raise "list" unless bucket.objects(prefix: "many/").count == 2500
same.call("presigned", Net::HTTP.get(URI(bucket.object("new/copy").presigned_url(:get))), large)
begin
  bucket.object("none").get
  raise "a missing key was found"
rescue Aws::S3::Errors::NoSuchKey
end
bucket.objects(prefix: "doomed/").batch_delete!
raise "doomed" unless Dir.glob("#{home}/photos/doomed/*").empty?
