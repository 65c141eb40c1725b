//go:build unix

package atomicfile_test

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"sallyport/internal/atomicfile"
)

// TestLeftovers: what a killed writer has left is removed, and nothing else.
func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	put := func(mode os.FileMode, names ...string) {
		t.Helper()
		for _, name := range names {
			if err := os.WriteFile(path(name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path(name), mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	others := []string{"file.", "file.1x", "file.old", "file1", "other.17", "xfile.17", "file.17.18", "locked.1"}
	put(0o600, others...)
	put(0o644, "file.3")
	if err := os.Mkdir(path("file.4"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("other.17", path("file.5")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path("file.6"), 0o600); err != nil {
		t.Fatal(err)
	}
	put(0o600, "file.7")
	writing, err := os.Open(path("file.7"))
	if err != nil {
		t.Fatal(err)
	}
	defer writing.Close()
	if err := syscall.Flock(int(writing.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	others = append(others, "file.3", "file.4", "file.5", "file.6", "file.7")
	check := func(want ...string) {
		t.Helper()
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var have []string
		for _, e := range entries {
			have = append(have, e.Name())
		}
		want = slices.Sorted(slices.Values(want))
		if !slices.Equal(have, want) {
			t.Errorf("there are %q, want %q", have, want)
		}
	}

	put(0o600, "file.1", "file.4294967295")
	if err := atomicfile.Write(path("file"), []byte("new")); err != nil {
		t.Fatal(err)
	}
	check(append(others, "file")...)
	put(0o600, "file.2")
	if err := atomicfile.Remove(path("file")); err != nil {
		t.Fatal(err)
	}
	check(others...)
}

// TestManyWriters of one file, some of which die, do not remove each other's.
func TestManyWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 50 {
				if i%10 == 0 {
					if f, err := os.CreateTemp(filepath.Dir(path), "file.*"); err == nil {
						f.Close()
					}
				}
				if err := atomicfile.Write(path, []byte("text")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if err := atomicfile.Write(path, []byte("text")); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
}
