//go:build unix

package atomicfile

import (
	"errors"
	"os"
	"syscall"
)

// A file that is being written is locked (flock(2)) until it has its name. The
// kernel gives the lock back however the writer dies, so what can be locked is
// abandoned. Where the file system knows no locks, nothing is removed.

// claim marks a new file as one that is being written; false when somebody was
// faster and removes it.
func claim(f *os.File) bool {
	err := lock(f)
	return !errors.Is(err, syscall.EWOULDBLOCK) && named(f)
}

// removeAbandoned removes a file that nobody writes any more. It must be as
// create makes them, and ours.
func removeAbandoned(name string) {
	f, err := os.OpenFile(name, os.O_RDWR|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Mode() != 0o600 {
		return
	}
	if sys, ok := info.Sys().(*syscall.Stat_t); !ok || int(sys.Uid) != os.Geteuid() {
		return
	}
	if lock(f) == nil && named(f) {
		_ = os.Remove(name)
	}
}

// rename gives a file its name while it is still locked.
func rename(f *os.File, path string) error { return os.Rename(f.Name(), path) }

func lock(f *os.File) error {
	for {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// named reports whether f still has the name that it was opened by.
func named(f *os.File) bool {
	opened, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(f.Name())
	return err == nil && os.SameFile(opened, there)
}
