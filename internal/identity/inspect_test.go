package identity

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestInspect(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode fs.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if f := Inspect(filepath.Join(dir, "none")); !errors.Is(f.Err, fs.ErrNotExist) {
		t.Errorf("a missing file: %+v", f)
	}
	if f := Inspect(write("junk", "junk\n", 0o600)); !errors.Is(f.Err, ErrInvalidFormat) {
		t.Errorf("junk: %+v", f)
	}
	if f := Inspect(write("open", "junk\n", 0o644)); !errors.Is(f.Err, ErrBadPermissions) {
		t.Errorf("a file that others may read: %+v", f)
	}
	if f := Inspect(write("pub", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBtdvIH8hJ6mzuW1e4q5T9y7mRQnZ8c3b5V8m2yq7c0k me\n", 0o600)); f.Err != nil || !f.Public || f.Type != "ED25519" {
		t.Errorf("a public half: %+v", f)
	}
}
