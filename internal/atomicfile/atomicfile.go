// Package atomicfile replaces small files of ours as a whole: a reader sees the
// old one or the new one, and a crash or a full disk leaves the old one. It
// knows nothing of what is in them. Files of the user's, which may be links or
// have modes of their own, are sshconfig's and hostkey's business.
package atomicfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Write puts data at path with mode 0600. Its directory is made, with mode
// 0700, if it is missing. On an error the old file is as it was. Several may
// write the same file at a time. What writers that were killed have left beside
// it is removed.
func Write(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	removeLeftovers(path)
	f, err := create(path)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // in vain once it has its name
	defer f.Close()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return rename(f, path)
}

// Remove removes the file at path, and what Write would have removed.
func Remove(path string) error {
	removeLeftovers(path)
	return os.Remove(path)
}

// create makes the file that is to become path. It has one of the names that
// belong to path, is 0600 and claimed.
func create(path string) (*os.File, error) {
	for range 10 { // between the two it may be taken for a leftover
		f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
		if err != nil || claim(f) {
			return f, err
		}
		f.Close()
	}
	return nil, errors.New("write " + path + ": others remove what is new there")
}

// removeLeftovers removes what create made for writers that are no more.
func removeLeftovers(path string) {
	dir := filepath.Dir(path)
	all, _ := os.ReadDir(dir)
	for _, one := range all {
		number, ours := strings.CutPrefix(one.Name(), filepath.Base(path)+".")
		if ours && number != "" && strings.Trim(number, "0123456789") == "" && one.Type().IsRegular() {
			removeAbandoned(filepath.Join(dir, one.Name()))
		}
	}
}
