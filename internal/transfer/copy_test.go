package transfer

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// noise is n bytes that do not compress and hold no run of zeros.
func noise(n int) string {
	r := rand.NewChaCha8(sha256.Sum256([]byte("noise")))
	b := make([]byte, n)
	r.Read(b)
	return string(b)
}

// describe lists a tree: names, modes, times and contents.
func describe(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		fmt.Fprintf(&b, "%q %v", name, info.Mode())
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			text, _ := os.Readlink(path)
			fmt.Fprintf(&b, " -> %q", text)
		case info.Mode().IsRegular():
			fmt.Fprintf(&b, " %d %x %d", info.Size(), sha256.Sum256([]byte(read(t, path))), info.ModTime().Unix())
		case info.IsDir():
			fmt.Fprintf(&b, " %d", info.ModTime().Unix())
		}
		b.WriteString("\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// tree makes one with everything in it that a copy keeps.
func tree(t testing.TB, dir string) {
	t.Helper()
	names := []string{"plain", "with space", "new\nline", "-dash", "--", "bad\xff\xfeutf8", "quote'\"$(x)`", "*", "a:b", strings.Repeat("n", 255)}
	for i, name := range names {
		write(t, filepath.Join(dir, name), noise(i*1000), 0o644)
	}
	write(t, filepath.Join(dir, "sub", "secret"), "secret", 0o600)
	write(t, filepath.Join(dir, "sub", "program"), "#!/bin/sh\n", 0o755)
	write(t, filepath.Join(dir, "sub", "readonly"), "r", 0o444)
	write(t, filepath.Join(dir, "sub", "empty"), "", 0o640)
	write(t, filepath.Join(dir, "locked", "in"), "x", 0o644)
	write(t, filepath.Join(dir, "big"), noise(5<<20+17), 0o644)
	os.Mkdir(filepath.Join(dir, "hollow"), 0o711)
	os.Symlink("sub/secret", filepath.Join(dir, "link"))
	os.Symlink("/does/not/exist", filepath.Join(dir, "dangling"))
	os.Symlink("sub", filepath.Join(dir, "dirlink"))
	old := time.Unix(1234567890, 0)
	for _, name := range []string{"plain", "sub/secret", "sub", "big", "hollow"} {
		if err := os.Chtimes(filepath.Join(dir, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	os.Chmod(filepath.Join(dir, "locked"), 0o555)
	t.Cleanup(func() { os.Chmod(filepath.Join(dir, "locked"), 0o755) })
}

// TestTree copies a tree there, back, and between two servers: all are equal.
func TestTree(t *testing.T) {
	here, there, beyond := t.TempDir(), t.TempDir(), t.TempDir()
	tree(t, filepath.Join(here, "x"))
	want := describe(t, filepath.Join(here, "x"))
	a, b := connect(t, there, nil), connect(t, beyond, nil)
	unlock := func(dir string) { t.Cleanup(func() { os.Chmod(filepath.Join(dir, "locked"), 0o755) }) }
	for _, step := range []struct {
		name, result string
		cfg          Config
	}{
		{"there", filepath.Join(there, "x"), Config{Sources: []Place{{nil, filepath.Join(here, "x")}}, Target: Place{a, "."}}},
		{"back", filepath.Join(here, "y"), Config{Sources: []Place{{a, "x"}}, Target: Place{nil, filepath.Join(here, "y")}}},
		{"between", filepath.Join(beyond, "new"), Config{Sources: []Place{{a, "x"}}, Target: Place{b, "new"}}},
		{"within", filepath.Join(beyond, "again"), Config{Sources: []Place{{b, "new/"}}, Target: Place{b, "again"}}},
		{"checked", filepath.Join(here, "z"), Config{Sources: []Place{{b, "again"}}, Target: Place{nil, filepath.Join(here, "z")}, Checksum: true}},
		{"over", filepath.Join(here, "z"), Config{Sources: []Place{{b, "again/."}}, Target: Place{nil, filepath.Join(here, "z")}}},
	} {
		t.Run(step.name, func(t *testing.T) {
			step.cfg.Recursive = true
			unlock(step.result)
			totals, book := mustCopy(t, step.cfg)
			if got := describe(t, step.result); got != want {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
			if totals.Files != 16 || totals.Links != 3 || totals.Dirs != 4 {
				t.Errorf("%+v", totals)
			}
			if n := len(book.of(Scanned)); n != 1 {
				t.Errorf("%d times scanned", n)
			}
			if n := len(book.of(Verified)); step.cfg.Checksum != (n == 16) {
				t.Errorf("%d verified", n)
			}
			noParts(t, here)
			noParts(t, there)
			noParts(t, beyond)
		})
	}
}

// TestFollow copies what links lead to, and no loop.
func TestFollow(t *testing.T) {
	here, there := t.TempDir(), t.TempDir()
	write(t, filepath.Join(there, "x", "d", "f"), "content", 0o644)
	os.Symlink("d", filepath.Join(there, "x", "l"))
	os.Symlink("../..", filepath.Join(there, "x", "d", "loop"))
	b := &book{}
	totals, err := Copy(t.Context(), Config{Sources: []Place{{connect(t, there, nil), "x"}}, Target: Place{nil, here},
		Recursive: true, Follow: true, Observe: b.observe})
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(here, "x", "l", "f")); got != "content" {
		t.Errorf("%q", got)
	}
	for _, e := range b.of(Failed) {
		if !strings.Contains(e.Err.Error(), "leads to a directory that it is in") {
			t.Errorf("%+v", e)
		}
	}
	if totals.Failed == 0 {
		t.Error("no loop told")
	}
}

// TestConflicts has directories where files should go, and the reverse.
func TestConflicts(t *testing.T) {
	for _, up := range []bool{true, false} {
		t.Run(fmt.Sprint("up ", up), func(t *testing.T) {
			from, to := t.TempDir(), t.TempDir()
			write(t, filepath.Join(from, "x", "file"), "f", 0o644)
			write(t, filepath.Join(from, "x", "dir", "f"), "f", 0o644)
			write(t, filepath.Join(from, "x", "good"), "f", 0o644)
			write(t, filepath.Join(to, "x", "file", "inside"), "kept", 0o644)
			write(t, filepath.Join(to, "x", "dir"), "kept", 0o644)
			cfg := Config{Sources: []Place{{nil, filepath.Join(from, "x")}}, Target: Place{connect(t, to, nil), "."}, Recursive: true}
			if !up {
				cfg.Sources, cfg.Target = []Place{{connect(t, from, nil), "x"}}, Place{nil, to}
			}
			b := &book{}
			cfg.Observe = b.observe
			totals, err := Copy(t.Context(), cfg)
			if err != nil || totals.Failed != 2 || totals.Files != 1 {
				t.Errorf("%v %+v %v", err, totals, b.of(Failed))
			}
			if read(t, filepath.Join(to, "x", "file", "inside")) != "kept" || read(t, filepath.Join(to, "x", "dir")) != "kept" {
				t.Error("something is lost")
			}
			noParts(t, to)
		})
	}
}

// TestLeavesOut copies the rest when something cannot be.
func TestLeavesOut(t *testing.T) {
	here, there := t.TempDir(), t.TempDir()
	x := filepath.Join(here, "x")
	write(t, filepath.Join(x, "good"), "g", 0o644)
	syscall.Mkfifo(filepath.Join(x, "pipe"), 0o644)
	syscall.Mkfifo(filepath.Join(there, "pipe"), 0o644)
	os.Symlink("pipe", filepath.Join(x, "link"))
	if os.Geteuid() != 0 { // root reads all
		write(t, filepath.Join(x, "unreadable"), "u", 0o000)
	}
	b := &book{}
	totals, err := Copy(t.Context(), Config{Sources: []Place{{nil, x}, {nil, filepath.Join(here, "missing")}}, Target: Place{connect(t, there, nil), "."},
		Recursive: true, Observe: b.observe})
	wantFailed := 1
	if os.Geteuid() != 0 {
		wantFailed = 2
	}
	if err != nil || totals.Files != 1 || totals.Links != 1 || totals.Skipped != 1 || totals.Failed != wantFailed {
		t.Errorf("%v %+v %v", err, totals, b.of(Failed))
	}
	if s := b.of(Skipped); len(s) != 1 || s[0].Text != "a named pipe" {
		t.Errorf("%+v", s)
	}
}

// TestSparse keeps holes both ways, and lets nothing of an old file through.
func TestSparse(t *testing.T) {
	here, there := t.TempDir(), t.TempDir()
	f, err := os.Create(filepath.Join(here, "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	f.WriteAt([]byte("begin"), 0)
	f.WriteAt([]byte("middle"), 40<<20)
	f.Truncate(80 << 20)
	f.Close()
	r := connect(t, there, nil)
	totals, _ := mustCopy(t, Config{Sources: []Place{{nil, filepath.Join(here, "sparse")}}, Target: Place{r, "copy"}})
	if totals.Bytes != 80<<20 {
		t.Errorf("%+v", totals)
	}
	mustCopy(t, Config{Sources: []Place{{r, "copy"}}, Target: Place{nil, filepath.Join(here, "back")}})
	want := sha256.Sum256([]byte(read(t, filepath.Join(here, "sparse"))))
	for _, path := range []string{filepath.Join(there, "copy"), filepath.Join(here, "back")} {
		var st syscall.Stat_t
		if err := syscall.Stat(path, &st); err != nil {
			t.Fatal(err)
		}
		if st.Blocks*512 > 1<<20 {
			t.Errorf("%s takes %d bytes", path, st.Blocks*512)
		}
		if sha256.Sum256([]byte(read(t, path))) != want {
			t.Errorf("%s differs", path)
		}
	}
}

// TestReplace replaces a file at once: whoever has the old one open keeps it,
// and a link on the command line stays one. In place the file is the same.
func TestReplace(t *testing.T) {
	here, there := t.TempDir(), t.TempDir()
	write(t, filepath.Join(here, "new"), "new", 0o644)
	write(t, filepath.Join(there, "old"), "old content", 0o644)
	os.Link(filepath.Join(there, "old"), filepath.Join(there, "other name"))
	r := connect(t, there, nil)
	mustCopy(t, Config{Sources: []Place{{nil, filepath.Join(here, "new")}}, Target: Place{r, "old"}})
	if read(t, filepath.Join(there, "old")) != "new" || read(t, filepath.Join(there, "other name")) != "old content" {
		t.Error("not replaced at once")
	}
	mustCopy(t, Config{Sources: []Place{{nil, filepath.Join(here, "new")}}, Target: Place{r, "other name"}, InPlace: true})
	if read(t, filepath.Join(there, "other name")) != "new" {
		t.Error("not written in place")
	}
	os.Symlink("old", filepath.Join(there, "link"))
	mustCopy(t, Config{Sources: []Place{{nil, filepath.Join(here, "new")}}, Target: Place{r, "link"}})
	if text, err := os.Readlink(filepath.Join(there, "link")); err != nil || text != "old" {
		t.Errorf("the link is %q, %v", text, err)
	}
	mustCopy(t, Config{Sources: []Place{{r, "old"}}, Target: Place{nil, "/dev/null"}})
	if info, err := os.Stat("/dev/null"); err != nil || info.Mode().IsRegular() {
		t.Fatalf("/dev/null: %v %v", info, err)
	}
}

// TestProc copies a file that says it is empty and is not.
func TestProc(t *testing.T) {
	here := t.TempDir()
	mustCopy(t, Config{Sources: []Place{{connect(t, here, nil), "/proc/version"}}, Target: Place{nil, here}})
	if got := read(t, filepath.Join(here, "version")); got == "" {
		t.Error("empty")
	}
}

// TestRequests is about what makes no sense.
func TestRequests(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "d", "f"), "f", 0o644)
	r := connect(t, dir, nil)
	for _, test := range []struct {
		cfg  Config
		want string
	}{
		{Config{Sources: []Place{{r, "d"}}, Target: Place{nil, dir}}, "-r copies trees"},
		{Config{Sources: []Place{{r, "d"}}, Target: Place{r, "d/inside"}, Recursive: true}, "into itself"},
		{Config{Sources: []Place{{r, "d/f"}}, Target: Place{r, "d/f"}}, "onto itself"},
		{Config{Sources: []Place{{r, "d/f"}}, Target: Place{nil, filepath.Join(dir, "none") + "/"}}, "no such directory"},
		{Config{Sources: []Place{{r, "none*"}}, Target: Place{nil, dir}}, "no file matches"},
		{Config{Sources: []Place{{r, "d/f"}, {r, "d"}}, Target: Place{nil, filepath.Join(dir, "none")}}, "existing directory"},
	} {
		b := &book{}
		test.cfg.Observe = b.observe
		totals, err := Copy(t.Context(), test.cfg)
		text := fmt.Sprint(err)
		for _, e := range b.of(Failed) {
			text += " " + e.Err.Error()
		}
		if !strings.Contains(text, test.want) || err == nil && totals.Failed == 0 {
			t.Errorf("%+v: %s, %+v; want %q", test.cfg, text, totals, test.want)
		}
	}
}

// TestGlob expands patterns with the names that are there.
func TestGlob(t *testing.T) {
	here, there := t.TempDir(), t.TempDir()
	for _, name := range []string{"a1/x.log", "a2/y.log", "a2/.z.log", "b/x.log", "a[1]/q"} {
		write(t, filepath.Join(there, name), name, 0o644)
	}
	r := connect(t, there, nil)
	mustCopy(t, Config{Sources: []Place{{r, "a?/*.log"}, {r, "a[1]/q"}}, Target: Place{nil, here}})
	entries, _ := os.ReadDir(here)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got := strings.Join(names, " "); got != "q x.log y.log" {
		t.Errorf("%q", got)
	}
}
