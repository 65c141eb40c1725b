package hostkey

import (
	"errors"
	"os"
	"time"
)

// How long a lock that somebody else holds is waited for. Our own writers
// hold one for milliseconds.
const (
	lockWait  = 2 * time.Second
	lockRetry = 5 * time.Millisecond
)

var errLocked = errors.New("locked by another process")

// openLocked opens path and locks it against our other writers until it is
// closed. What it returns is the file that path names, not one that has been
// replaced meanwhile. Where the file system has no locks it goes without.
func openLocked(path string, flag int) (*os.File, error) {
	for deadline := time.Now().Add(lockWait); ; {
		f, err := os.OpenFile(path, flag, 0o600)
		if err != nil {
			return nil, err
		}
		if tryLock(f) && stillAt(f, path) {
			return f, nil
		}
		f.Close()
		if time.Now().After(deadline) {
			return nil, &os.PathError{Op: "lock", Path: path, Err: errLocked}
		}
		time.Sleep(lockRetry)
	}
}

// stillAt reports whether path still names the open file f.
func stillAt(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Stat(path)
	return err == nil && os.SameFile(a, b)
}
