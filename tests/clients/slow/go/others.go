package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	kitlog "github.com/go-kit/log"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/thanos-io/objstore/providers/s3"
	"gocloud.dev/blob"
	_ "gocloud.dev/blob/s3blob"
)

// minioGo is minio-go with its defaults, without keys, with signatures of version 2 and checksums.
func minioGo(p place) {
	for at, options := range map[string]*minio.Options{
		"v4":        {Creds: credentials.NewStaticV4(access, secret, ""), Region: region},
		"v2":        {Creds: credentials.NewStaticV2(access, secret, ""), Region: region},
		"anonymous": {Region: region},
		"trailing":  {Creds: credentials.NewStaticV4(access, secret, ""), TrailingHeaders: true},
	} {
		options.MaxRetries = 1
		api := given(minio.New(p.host, options))
		p.rounds("minio-go/"+at, minioClient(api, minio.PutObjectOptions{PartSize: 5 * mib}))
		if at == "trailing" {
			sums := minio.PutObjectOptions{PartSize: 5 * mib, Checksum: minio.ChecksumFullObjectCRC32C}
			p.rounds("minio-go/crc32c", minioClient(api, sums))
			p.composed(api)
		}
	}
}

func minioClient(api *minio.Client, options minio.PutObjectOptions) client {
	ctx := context.Background()
	return client{
		put: func(key string, data []byte) error {
			_, err := api.PutObject(ctx, bucket, key, reader(data), int64(len(data)), options)
			return err
		},
		get: func(key string) ([]byte, error) {
			got, err := api.GetObject(ctx, bucket, key, minio.GetObjectOptions{})
			if err != nil {
				return nil, err
			}
			return io.ReadAll(got)
		},
		list: func(prefix string) ([]string, error) {
			var keys []string
			for object := range api.ListObjects(ctx, bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
				if object.Err != nil {
					return nil, object.Err
				}
				keys = append(keys, object.Key)
			}
			return keys, nil
		},
		remove: func(key string) error {
			return api.RemoveObject(ctx, bucket, key, minio.RemoveObjectOptions{})
		},
		copy: func(from, to string) error {
			source := minio.CopySrcOptions{Bucket: bucket, Object: from}
			_, err := api.CopyObject(ctx, minio.CopyDestOptions{Bucket: bucket, Object: to}, source)
			return err
		},
	}
}

// composed joins two objects, streams one of unknown length, appends, and unpacks a snowball.
func (p place) composed(api *minio.Client) {
	ctx, data := context.Background(), large()
	given(api.PutObject(ctx, bucket, "new/stream", io.LimitReader(reader(data), 1<<40), -1, minio.PutObjectOptions{PartSize: 5 * mib}))
	p.stored("new/stream", data)
	source := minio.CopySrcOptions{Bucket: bucket, Object: "new/stream"}
	ranged := minio.CopySrcOptions{Bucket: bucket, Object: "new/stream", MatchRange: true, Start: 1, End: 9}
	given(api.ComposeObject(ctx, minio.CopyDestOptions{Bucket: bucket, Object: "new/composed"}, source, ranged))
	p.stored("new/composed", append(append([]byte{}, data...), data[1:10]...))
	given(api.PutObject(ctx, bucket, "new/log", strings.NewReader("one "), 4, minio.PutObjectOptions{}))
	given(api.AppendObject(ctx, bucket, "new/log", strings.NewReader("two"), 3, minio.AppendObjectOptions{}))
	p.stored("new/log", []byte("one two"))
	form := given(api.PresignedGetObject(ctx, bucket, "new/composed", 60e9, nil))
	answer := given(http.Get(form.String()))
	check(answer.StatusCode == 200, answer.Status)
	same("presigned", given(io.ReadAll(answer.Body))[:len(data)], data)
	doomed := make(chan minio.ObjectInfo)
	go func() {
		defer close(doomed)
		for _, key := range p.below("doomed") {
			doomed <- minio.ObjectInfo{Key: key}
		}
	}()
	for failed := range api.RemoveObjects(ctx, bucket, doomed, minio.RemoveObjectsOptions{}) {
		panic(failed)
	}
	check(len(p.left("doomed")) == 0, p.left("doomed"))
}

// gocloud is gocloud.dev/blob: the portable API of Go programs.
func gocloud(p place) {
	ctx := context.Background()
	must(os.Setenv("AWS_ACCESS_KEY_ID", access))
	must(os.Setenv("AWS_SECRET_ACCESS_KEY", secret))
	b := given(blob.OpenBucket(ctx, "s3://"+bucket+"?region="+region+"&use_path_style=true&endpoint="+p.url))
	defer b.Close()
	p.rounds("gocloud", client{
		put: func(key string, data []byte) error {
			return b.WriteAll(ctx, key, data, &blob.WriterOptions{BufferSize: 5 * mib, Metadata: map[string]string{"a": "b"}})
		},
		get: func(key string) ([]byte, error) { return b.ReadAll(ctx, key) },
		list: func(prefix string) ([]string, error) {
			var keys []string
			for pages := b.List(&blob.ListOptions{Prefix: prefix}); ; {
				object, err := pages.Next(ctx)
				if err == io.EOF {
					return keys, nil
				} else if err != nil {
					return nil, err
				}
				keys = append(keys, object.Key)
			}
		},
		remove: func(key string) error { return b.Delete(ctx, key) },
		copy:   func(from, to string) error { return b.Copy(ctx, to, from, nil) },
	})
	check(given(b.Exists(ctx, "before/plain.txt")) && !given(b.Exists(ctx, "none")), "exists")
}

// thanos is the object storage of Thanos, Cortex, Mimir and Loki.
func thanos(p place) {
	ctx := context.Background()
	config := strings.Join([]string{"bucket: " + bucket, "endpoint: " + p.host, "access_key: " + access,
		"secret_key: " + secret, "insecure: true", "region: " + region, "part_size: 5242880"}, "\n")
	b := given(s3.NewBucket(kitlog.NewNopLogger(), []byte(config), "lobos", nil))
	p.rounds("thanos", client{
		without: "empty.bin", // its Get takes the end of an empty object for an error
		put:     func(key string, data []byte) error { return b.Upload(ctx, key, reader(data)) },
		get: func(key string) ([]byte, error) {
			got, err := b.Get(ctx, key)
			if err != nil {
				return nil, err
			}
			return io.ReadAll(got)
		},
		list: func(prefix string) ([]string, error) {
			var keys []string
			var walk func(string) error
			walk = func(dir string) error {
				return b.Iter(ctx, dir, func(key string) error {
					if strings.HasSuffix(key, "/") {
						return walk(key)
					}
					keys = append(keys, filepath.Clean(key))
					return nil
				})
			}
			return keys, walk(prefix)
		},
		remove: func(key string) error { return b.Delete(ctx, key) },
	})
	part := given(b.GetRange(ctx, "before/plain.txt", 1, 2))
	check(len(given(io.ReadAll(part))) == 2, "range")
	check(given(b.Exists(ctx, "before/plain.txt")) && !given(b.Exists(ctx, "none")), "exists")
}
