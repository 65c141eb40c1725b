package atomicfile_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"sallyport/internal/atomicfile"
)

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "on the way")
	path := filepath.Join(dir, "file")
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 20 {
				if err := atomicfile.Write(path, []byte{byte('a' + i), byte('a' + i)}); err != nil {
					t.Error(err)
				}
				if text, err := os.ReadFile(path); err != nil || len(text) != 2 || text[0] != text[1] {
					t.Errorf("%q, %v", text, err)
				}
			}
		})
	}
	all.Wait()
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestWriteFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.Mkdir(path, 0o700); err != nil { // cannot be replaced by a file
		t.Fatal(err)
	}
	if err := atomicfile.Write(path, []byte("x")); err == nil {
		t.Error("a directory was replaced")
	}
	if err := atomicfile.Write(filepath.Join("/dev/null", "x"), nil); err == nil {
		t.Error("a file below a device was written")
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
}
