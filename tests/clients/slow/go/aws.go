package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	v1aws "github.com/aws/aws-sdk-go/aws"
	v1credentials "github.com/aws/aws-sdk-go/aws/credentials"
	v1session "github.com/aws/aws-sdk-go/aws/session"
	v1s3 "github.com/aws/aws-sdk-go/service/s3"
	v1manager "github.com/aws/aws-sdk-go/service/s3/s3manager"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
)

var name = aws.String(bucket)

// awsV2 is the AWS SDK for Go v2 with both of its managers for large objects.
func awsV2(p place) {
	ctx := context.Background()
	keys := credentials.NewStaticCredentialsProvider(access, secret, "")
	settings := given(config.LoadDefaultConfig(ctx, config.WithRegion(region),
		config.WithCredentialsProvider(keys), config.WithRetryMaxAttempts(1), config.WithLogger(logging.Nop{})))
	api := s3.NewFromConfig(settings, func(o *s3.Options) {
		o.BaseEndpoint, o.UsePathStyle = &p.url, true
	})
	get := func(key string) ([]byte, error) {
		got, err := api.GetObject(ctx, &s3.GetObjectInput{Bucket: name, Key: &key})
		if err != nil {
			return nil, err
		}
		defer got.Body.Close()
		return io.ReadAll(got.Body)
	}
	base := client{
		put: func(key string, data []byte) error {
			_, err := api.PutObject(ctx, &s3.PutObjectInput{Bucket: name, Key: &key, Body: reader(data)})
			return err
		},
		get: get,
		list: func(prefix string) ([]string, error) {
			var keys []string
			pages := s3.NewListObjectsV2Paginator(api, &s3.ListObjectsV2Input{Bucket: name, Prefix: &prefix})
			for pages.HasMorePages() {
				page, err := pages.NextPage(ctx)
				if err != nil {
					return nil, err
				}
				for _, object := range page.Contents {
					keys = append(keys, *object.Key)
				}
			}
			return keys, nil
		},
		remove: func(key string) error {
			_, err := api.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: name, Key: &key})
			return err
		},
		copy: func(from, to string) error {
			source := url.PathEscape(bucket + "/" + from)
			_, err := api.CopyObject(ctx, &s3.CopyObjectInput{Bucket: name, Key: &to, CopySource: &source})
			return err
		},
	}
	p.rounds("sdk", base)
	p.managers(ctx, api, base)
	p.checksums(ctx, api, get)
	p.answers(ctx, api)
	p.presigned(ctx, api)
}

// managers sends and reads in parts, with the manager of before 2026 and the one of now.
func (p place) managers(ctx context.Context, api *s3.Client, base client) {
	old := base
	up := manager.NewUploader(api, func(u *manager.Uploader) { u.PartSize = 5 * mib })
	down := manager.NewDownloader(api, func(d *manager.Downloader) { d.PartSize = 5 * mib })
	old.put = func(key string, data []byte) error {
		_, err := up.Upload(ctx, &s3.PutObjectInput{Bucket: name, Key: &key, Body: io.LimitReader(reader(data), 1<<40)})
		return err
	}
	old.get = func(key string) ([]byte, error) {
		buffer := manager.NewWriteAtBuffer(nil)
		_, err := down.Download(ctx, buffer, &s3.GetObjectInput{Bucket: name, Key: &key})
		return buffer.Bytes(), err
	}
	p.rounds("manager", old)
	transfer := base
	tm := transfermanager.New(api, func(o *transfermanager.Options) { o.PartSizeBytes = 5 * mib })
	transfer.put = func(key string, data []byte) error {
		_, err := tm.UploadObject(ctx, &transfermanager.UploadObjectInput{Bucket: name, Key: &key, Body: reader(data)})
		return err
	}
	transfer.get = func(key string) ([]byte, error) {
		got, err := tm.GetObject(ctx, &transfermanager.GetObjectInput{Bucket: name, Key: &key})
		if err != nil {
			return nil, err
		}
		return io.ReadAll(got.Body)
	}
	p.rounds("transfermanager", transfer)
}

// checksums has each algorithm verified in both directions, from a stream too.
func (p place) checksums(ctx context.Context, api *s3.Client, get func(string) ([]byte, error)) {
	data := large()
	for _, algorithm := range types.ChecksumAlgorithm("").Values() {
		key := "new/" + string(algorithm)
		input := &s3.PutObjectInput{Bucket: name, Key: &key, Body: reader(data), ChecksumAlgorithm: algorithm}
		_, err := api.PutObject(ctx, input)
		if err != nil && strings.Contains(err.Error(), "unknown checksum algorithm") {
			continue // this SDK knows its name and cannot compute it
		}
		must(err, algorithm)
		p.stored(key, data)
		same(key, given(get(key)), data)
		found := given(api.GetObjectAttributes(ctx, &s3.GetObjectAttributesInput{Bucket: name, Key: &key,
			ObjectAttributes: []types.ObjectAttributes{"ObjectSize", "Checksum", "ETag"}}))
		check(*found.ObjectSize == int64(len(data)) && found.Checksum != nil, algorithm, " of ", found)
	}
}

// answers are errors, ranges, tags and many deletes.
func (p place) answers(ctx context.Context, api *s3.Client) {
	key := "new/once"
	input := func(data string) *s3.PutObjectInput {
		return &s3.PutObjectInput{Bucket: name, Key: &key, Body: strings.NewReader(data), IfNoneMatch: aws.String("*")}
	}
	given(api.PutObject(ctx, input("first")))
	_, err := api.PutObject(ctx, input("second"))
	var refusal smithy.APIError
	check(errors.As(err, &refusal) && refusal.ErrorCode() == "PreconditionFailed", err)
	_, err = api.GetObject(ctx, &s3.GetObjectInput{Bucket: name, Key: aws.String("none")})
	var none *types.NoSuchKey
	check(errors.As(err, &none), err)
	_, err = api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: name, Key: aws.String("none")})
	var missing *types.NotFound
	check(errors.As(err, &missing), err)
	tags := []types.Tag{{Key: aws.String("colour"), Value: aws.String("green +")}}
	given(api.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: name, Key: &key, Tagging: &types.Tagging{TagSet: tags}}))
	found := given(api.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: name, Key: &key}))
	check(len(found.TagSet) == 1 && *found.TagSet[0].Value == "green +", found.TagSet)
	part := given(api.GetObject(ctx, &s3.GetObjectInput{Bucket: name, Key: &key, Range: aws.String("bytes=1-3")}))
	same("range", given(io.ReadAll(part.Body)), []byte("irs"))
	var doomed []types.ObjectIdentifier
	for _, key := range p.below("doomed") {
		doomed = append(doomed, types.ObjectIdentifier{Key: aws.String(key)})
	}
	gone := given(api.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: name, Delete: &types.Delete{Objects: doomed}}))
	check(len(gone.Deleted) == len(doomed) && len(gone.Errors) == 0, gone.Errors)
	check(len(p.left("doomed")) == 0, p.left("doomed"))
}

// presigned URLs work in a client that knows no S3.
func (p place) presigned(ctx context.Context, api *s3.Client) {
	sign, key, data := s3.NewPresignClient(api), "new/presigned +%é", large()
	put := given(sign.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: name, Key: &key}))
	request := given(http.NewRequest(put.Method, put.URL, reader(data)))
	answer := given(http.DefaultClient.Do(request))
	check(answer.StatusCode == 200, "presigned put: ", answer.Status)
	p.stored(key, data)
	get := given(sign.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: name, Key: &key}))
	answer = given(http.Get(get.URL))
	same("presigned get", given(io.ReadAll(answer.Body)), data)
}

// awsV1 is the SDK of before, which is at its end and in many programs.
func awsV1(p place) {
	session := given(v1session.NewSession(&v1aws.Config{
		Credentials: v1credentials.NewStaticCredentials(access, secret, ""), Region: v1aws.String(region),
		Endpoint: &p.url, S3ForcePathStyle: v1aws.Bool(true), MaxRetries: v1aws.Int(0),
	}))
	api := v1s3.New(session)
	up := v1manager.NewUploader(session, func(u *v1manager.Uploader) { u.PartSize = 5 * mib })
	down := v1manager.NewDownloader(session, func(d *v1manager.Downloader) { d.PartSize = 5 * mib })
	p.rounds("v1", client{
		put: func(key string, data []byte) error {
			_, err := up.Upload(&v1manager.UploadInput{Bucket: name, Key: &key, Body: bytes.NewBuffer(data)})
			return err
		},
		get: func(key string) ([]byte, error) {
			buffer := v1aws.NewWriteAtBuffer(nil)
			_, err := down.Download(buffer, &v1s3.GetObjectInput{Bucket: name, Key: &key})
			return buffer.Bytes(), err
		},
		list: func(prefix string) ([]string, error) {
			var keys []string
			input := &v1s3.ListObjectsInput{Bucket: name, Prefix: &prefix}
			err := api.ListObjectsPages(input, func(page *v1s3.ListObjectsOutput, _ bool) bool {
				for _, object := range page.Contents {
					keys = append(keys, *object.Key)
				}
				return true
			})
			return keys, err
		},
		remove: func(key string) error {
			_, err := api.DeleteObject(&v1s3.DeleteObjectInput{Bucket: name, Key: &key})
			return err
		},
		copy: func(from, to string) error {
			source := url.PathEscape(bucket + "/" + from)
			_, err := api.CopyObject(&v1s3.CopyObjectInput{Bucket: name, Key: &to, CopySource: &source})
			return err
		},
	})
}
