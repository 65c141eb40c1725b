package hostkey

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// errReplaced reports that somebody else has put another file in the place of
// the one that was read.
var errReplaced = errors.New("replaced by another process")

// replaceFile puts what rewrite makes of path's content in its place, through
// a temporary file and a rename. flag is for opening path. Lines that others
// append meanwhile are kept.
func replaceFile(path string, flag int, rewrite func(old string) string) error {
	var err error
	for range 3 {
		if err = replaceOnce(path, flag, rewrite); !errors.Is(err, errReplaced) {
			break
		}
	}
	return err
}

func replaceOnce(path string, flag int, rewrite func(old string) string) error {
	f, err := openLocked(path, flag)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return err // a device has no lines to replace
	}
	old, err := readAll(f)
	if err != nil {
		return err
	}
	content := rewrite(old)
	if content == old {
		return nil
	}
	// Differs from OpenSSH: a symbolic link stays one.
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	temp, err := writeTemp(real, st, content)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	if !stillAt(f, path) {
		return &os.PathError{Op: "replace", Path: path, Err: errReplaced}
	}
	backUp(real)
	if err := os.Rename(temp, real); err != nil {
		return err
	}
	return keepTail(f, real)
}

// writeTemp writes content to a new file beside path, with the mode and, if
// that is possible, the owner of the old one.
func writeTemp(path string, old fs.FileInfo, content string) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return "", err
	}
	keepOwner(f, old)
	_, err = f.WriteString(content)
	err = errors.Join(err, f.Chmod(old.Mode().Perm()), f.Sync(), f.Close())
	if err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

// backUp keeps the old file as path.old, as OpenSSH does. A file system
// without hard links goes without.
func backUp(path string) {
	os.Remove(path + ".old")
	os.Link(path, path+".old")
}

// keepTail appends to path what others, who know nothing of our lock, have
// appended to the replaced file since it was read.
func keepTail(replaced *os.File, path string) error {
	tail, err := io.ReadAll(replaced)
	if err != nil || len(tail) == 0 {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(tail)
	return errors.Join(err, f.Close())
}
