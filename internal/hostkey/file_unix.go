//go:build unix

package hostkey

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// tryLock locks f until it is closed, and returns false when somebody else
// has it. A file system without locks has every file locked at once.
func tryLock(f *os.File) bool {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	return !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR)
}

// keepOwner gives f the owner of another file, if that is possible.
func keepOwner(f *os.File, like fs.FileInfo) {
	if sys, ok := like.Sys().(*syscall.Stat_t); ok {
		f.Chown(int(sys.Uid), int(sys.Gid)) // only root needs it and can do it
	}
}
