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
)

// Write puts data at path with mode 0600. Its directory is made, with mode
// 0700, if it is missing. On an error the old file is as it was.
func Write(path string, data []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(f.Name(), path)
}
