package transfer

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pkg/sftp"
)

// liar is a server that answers what a test wants.
type liar struct {
	list map[string][]fs.FileInfo // of directories
	link string                   // where every link leads
	data string                   // in every file
}

func (l liar) handlers() sftp.Handlers {
	return sftp.Handlers{FileGet: l, FilePut: l, FileCmd: l, FileList: l}
}

func (l liar) Fileread(*sftp.Request) (io.ReaderAt, error)  { return strings.NewReader(l.data), nil }
func (l liar) Filewrite(*sftp.Request) (io.WriterAt, error) { return nil, os.ErrPermission }
func (l liar) Filecmd(*sftp.Request) error                  { return os.ErrPermission }
func (l liar) Filelist(r *sftp.Request) (sftp.ListerAt, error) {
	switch r.Method {
	case "List":
		return listing(l.list[r.Filepath]), nil
	case "Readlink":
		return listing{lie{name: l.link}}, nil
	}
	if _, ok := l.list[r.Filepath]; ok {
		return listing{lie{name: "x", mode: fs.ModeDir | 0o755}}, nil
	}
	return listing{lie{name: "x", mode: 0o644, size: int64(len(l.data))}}, nil
}

func (l liar) Lstat(r *sftp.Request) (sftp.ListerAt, error) { return l.Filelist(r) }
func (l liar) Readlink(string) (string, error)              { return l.link, nil }

type listing []fs.FileInfo

func (l listing) ListAt(to []fs.FileInfo, off int64) (int, error) {
	if off >= int64(len(l)) {
		return 0, io.EOF
	}
	return copy(to, l[off:]), nil
}

// lie is a file as a server describes it.
type lie struct {
	name string
	mode fs.FileMode
	size int64
}

func (f lie) Name() string       { return f.name }
func (f lie) Size() int64        { return f.size }
func (f lie) Mode() fs.FileMode  { return f.mode }
func (f lie) ModTime() time.Time { return time.Unix(1e9, 0) }
func (f lie) IsDir() bool        { return f.mode.IsDir() }
func (f lie) Sys() any           { return nil }

// everything lists all that is under a directory.
func everything(t testing.TB, dir string) (names []string) {
	t.Helper()
	filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if name, _ := filepath.Rel(dir, path); err == nil && name != "." {
			names = append(names, name)
		}
		return err
	})
	return names
}

// TestHostileNames lists names that lead elsewhere: nothing is written outside
// of the target, whatever is made of them inside.
func TestHostileNames(t *testing.T) {
	outer := t.TempDir()
	target := filepath.Join(outer, "target")
	if err := os.Mkdir(target, 0o755); err != nil {
		t.Fatal(err)
	}
	file := func(name string) fs.FileInfo { return lie{name, 0o644, 4} }
	l := liar{data: "evil", list: map[string][]fs.FileInfo{"/x": {
		file("../up"), file("../../upper"), file("/etc/passwd-of-x"), file(".."), file("."), file(""), file("/"), file("a/../../b"), file("good"),
		lie{"..", fs.ModeDir | 0o755, 0}, lie{"../dir", fs.ModeDir | 0o755, 0}, lie{"../link", fs.ModeSymlink | 0o777, 0},
	}}, link: "/"}
	b := &book{}
	_, err := Copy(t.Context(), Config{Sources: []Place{{imagine(t, l.handlers()), "/x"}}, Target: Place{nil, target}, Recursive: true, Observe: b.observe})
	if err != nil {
		t.Error(err)
	}
	for _, name := range everything(t, outer) {
		if !strings.HasPrefix(name, "target") {
			t.Errorf("written outside: %s", name)
		}
	}
	if read(t, filepath.Join(target, "x", "good")) != "evil" {
		t.Error("the good one is missing")
	}
	if len(b.of(Failed)) == 0 {
		t.Error("nothing is told")
	}
	noParts(t, outer)
}

// TestHostileLinks lists one name as a link and as a directory, to have files
// written where the link leads; and links that were there already.
func TestHostileLinks(t *testing.T) {
	outer := t.TempDir()
	target, victim := filepath.Join(outer, "target"), filepath.Join(outer, "victim")
	for _, dir := range []string{target, victim, filepath.Join(target, "x")} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	os.Symlink(victim, filepath.Join(target, "x", "earlier"))
	os.Symlink("../../victim/new", filepath.Join(target, "x", "file"))
	dir := func(name string) fs.FileInfo { return lie{name, fs.ModeDir | 0o755, 0} }
	l := liar{data: "evil", link: victim, list: map[string][]fs.FileInfo{
		"/x":         {lie{"trap", fs.ModeSymlink | 0o777, 0}, dir("trap"), dir("earlier"), lie{"file", 0o644, 4}},
		"/x/trap":    {lie{"in", 0o644, 4}},
		"/x/earlier": {lie{"in", 0o644, 4}},
	}}
	for range 3 { // the second time the link is there
		b := &book{}
		if _, err := Copy(t.Context(), Config{Sources: []Place{{imagine(t, l.handlers()), "/x"}}, Target: Place{nil, target}, Recursive: true, Observe: b.observe}); err != nil {
			t.Error(err)
		}
		if names := everything(t, victim); len(names) > 0 {
			t.Fatalf("written through a link: %v", names)
		}
		if !slices.ContainsFunc(b.of(Failed), func(e Event) bool { return errors.Is(e.Err, errOutside) }) ||
			!slices.ContainsFunc(b.of(Failed), func(e Event) bool { return errors.Is(e.Err, errTwice) }) {
			t.Errorf("%v", b.of(Failed))
		}
	}
	if info, err := os.Lstat(filepath.Join(target, "x", "file")); err != nil || !info.Mode().IsRegular() {
		t.Errorf("the file did not replace the link: %v", err)
	}
}

// TestHostileSizes is a server whose sizes are not those of its files.
func TestHostileSizes(t *testing.T) {
	for _, size := range []int64{5, 1 << 40, 1<<63 - 1, -1} {
		dir := t.TempDir()
		l := liar{data: "evil", list: map[string][]fs.FileInfo{"/x": {lie{"f", 0o644, size}}}}
		b := &book{}
		totals, err := Copy(t.Context(), Config{Sources: []Place{{imagine(t, l.handlers()), "/x"}}, Target: Place{nil, dir}, Recursive: true, Observe: b.observe})
		if err != nil || totals.Failed != 1 || totals.Files != 0 {
			t.Errorf("size %d: %v %+v %v", size, err, totals, b.of(Failed))
		}
		if got := everything(t, dir); !slices.Equal(got, []string{"x"}) {
			t.Errorf("size %d: %v", size, got)
		}
	}
}

// TestHostileDepth is a directory that is in itself, for ever.
func TestHostileDepth(t *testing.T) {
	dir := t.TempDir()
	b := &book{}
	totals, err := Copy(t.Context(), Config{Sources: []Place{{imagine(t, abyss{}.handlers()), "/x"}}, Target: Place{nil, dir}, Recursive: true, Observe: b.observe})
	if err != nil || totals.Failed != 1 || !errors.Is(b.of(Failed)[0].Err, errTooDeep) {
		t.Errorf("%v %+v %.300v", err, totals, b.of(Failed))
	}
}

// abyss has one directory in each directory.
type abyss struct{ liar }

func (a abyss) handlers() sftp.Handlers {
	return sftp.Handlers{FileGet: a, FilePut: a, FileCmd: a, FileList: a}
}
func (abyss) Filelist(*sftp.Request) (sftp.ListerAt, error) {
	return listing{lie{"d", fs.ModeDir | 0o755, 0}}, nil
}

// TestSilentServer says nothing, or nonsense: the start ends.
func TestSilentServer(t *testing.T) {
	for _, word := range []string{"", "SSH-2.0-x\r\n", "\x00\x00\x00\x05\x02\x00\x00\x00\x01", "\xff\xff\xff\xff\x02", "Welcome to web1!\n"} {
		ourIn, theirOut := io.Pipe()
		theirIn, ourOut := io.Pipe()
		go io.Copy(io.Discard, theirIn)
		go func() { io.WriteString(theirOut, word); theirOut.Close() }()
		r, err := NewRemote(t.Context(), Far{Host: "evil", SFTP: memory{ourIn, ourOut, func() { ourIn.Close(); ourOut.Close() }}})
		if err == nil {
			t.Errorf("%q is taken for SFTP", word)
			r.Close()
		}
		theirIn.Close()
	}
}
