// Go clients, one by name: every awkward name of a folder and a large object go round.
//
// Usage: clients NAME URL HOME
package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	bucket = "photos"
	region = "eu-south-2"
	access = "any-key"
	secret = "any-secret"
	mib    = 1 << 20
)

// place is where the server is and the folder that it serves.
type place struct{ url, host, home string }

// client is what a round trip needs; what a client lacks stays nil.
type client struct {
	put    func(key string, data []byte) error
	get    func(key string) ([]byte, error)
	list   func(prefix string) ([]string, error)
	remove func(key string) error
	copy   func(from, to string) error
	// The end of the names that the client cannot say.
	without string
}

var programs = map[string]func(place){
	"aws-sdk-go-v2": awsV2,
	"aws-sdk-go-v1": awsV1,
	"minio-go":      minioGo,
	"gocloud":       gocloud,
	"thanos":        thanos,
}

func main() {
	log.SetFlags(0)
	program := programs[os.Args[1]]
	if program == nil {
		log.Fatalf("%s is none of the Go clients", os.Args[1])
	}
	url := strings.TrimSuffix(os.Args[2], "/")
	program(place{url, strings.TrimPrefix(url, "http://"), os.Args[3]})
}

// must ends the program with what failed.
func must(err error, what ...any) {
	if err != nil {
		panic(fmt.Sprint(append(what, ": ", err)...))
	}
}

// given is a value without its error.
func given[T any](value T, err error) T {
	must(err)
	return value
}

func check(ok bool, what ...any) {
	if !ok {
		panic(fmt.Sprint(what...))
	}
}

func same(what string, got, wanted []byte) {
	check(sha256.Sum256(got) == sha256.Sum256(wanted), what, ": ", len(got), " bytes for ", len(wanted))
}

func (p place) disk(key string) string { return filepath.Join(p.home, bucket, key) }

func (p place) stored(key string, data []byte) {
	same(key+" on disk", given(os.ReadFile(p.disk(key))), data)
}

// below are the keys of all files of a folder, relative to the bucket.
func (p place) below(dir string) []string {
	var keys []string
	must(filepath.WalkDir(p.disk(dir), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			keys = append(keys, given(filepath.Rel(p.disk(""), path)))
		}
		return err
	}))
	slices.Sort(keys)
	return keys
}

// large is one byte over two parts of 8 MiB.
func large() []byte {
	data := make([]byte, 16*mib+1)
	given(rand.Read(data))
	return data
}

func (p place) rounds(at string, c client) {
	wanted := map[string][]byte{at + "/in parts.bin": large()}
	for _, key := range p.below("before") {
		if c.without != "" && strings.HasSuffix(key, c.without) {
			continue
		}
		data := given(os.ReadFile(p.disk(key)))
		same(key, given(c.get(key)), data)
		wanted[at+strings.TrimPrefix(key, "before")] = data
	}
	for key, data := range wanted {
		must(c.put(key, data), "put ", key)
		p.stored(key, data)
		same(key, given(c.get(key)), data)
	}
	if c.list != nil {
		for _, dir := range []string{at, "many"} {
			found := given(c.list(dir + "/"))
			slices.Sort(found)
			check(slices.Equal(found, p.below(dir)), "list of ", dir, ": ", found)
		}
	}
	if c.copy != nil {
		for _, name := range []string{"plain.txt", "with some spaces.txt", "in parts.bin"} {
			must(c.copy(at+"/"+name, at+"-copy/"+name), "copy ", name)
			p.stored(at+"-copy/"+name, wanted[at+"/"+name])
		}
	}
	_, err := c.get(at + "/missing")
	check(err != nil, "a missing key was found")
	for key := range wanted {
		must(c.remove(key), "remove ", key)
	}
	check(len(p.left(at)) == 0, "left: ", p.left(at))
}

// left are the files that are still below a folder, which may be gone itself.
func (p place) left(dir string) []string {
	if _, err := os.Stat(p.disk(dir)); os.IsNotExist(err) {
		return nil
	}
	return p.below(dir)
}

func reader(data []byte) *bytes.Reader { return bytes.NewReader(data) }
