// The AWS SDK for JavaScript, version 2, in maintenance but everywhere.
process.env.AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE = "1";
const { default: AWS } = await import("aws-sdk");
const { bucket: Bucket, keys, region, rounds, url } = await import("./rounds.js");

for (const signatureVersion of ["v4", "v2"]) {
  const options = { s3ForcePathStyle: true, signatureVersion, maxRetries: 0 };
  const s3 = new AWS.S3({ endpoint: url, region, ...keys, ...options });
  const list = async (Prefix) => {
    const found = [];
    let ContinuationToken;
    do {
      const page = await s3.listObjectsV2({ Bucket, Prefix, ContinuationToken }).promise();
      found.push(...page.Contents.map((entry) => entry.Key));
      ContinuationToken = page.NextContinuationToken;
    } while (ContinuationToken);
    return found;
  };
  await rounds(`sdk2 ${signatureVersion}`, {
    put: (Key, Body) => s3.upload({ Bucket, Key, Body }, { partSize: 5 << 20 }).promise(),
    get: async (Key) => (await s3.getObject({ Bucket, Key }).promise()).Body,
    remove: (Key) => s3.deleteObject({ Bucket, Key }).promise(),
    copy: (from, Key) =>
      s3.copyObject({ Bucket, Key, CopySource: `${Bucket}/${encodeURIComponent(from)}` }).promise(),
    list,
  });
}
