//go:build unix

package sshconfig

import (
	"io/fs"
	"os"
	"syscall"
)

// links is how many names a file has.
func links(info fs.FileInfo) int {
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(sys.Nlink)
	}
	return 1
}

// keepOwner gives a file the owner of another where it has a different one.
func keepOwner(f *os.File, like fs.FileInfo) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	have, ok := info.Sys().(*syscall.Stat_t)
	want, ok2 := like.Sys().(*syscall.Stat_t)
	if !ok || !ok2 || (have.Uid == want.Uid && have.Gid == want.Gid) {
		return nil
	}
	return f.Chown(int(want.Uid), int(want.Gid))
}

// lock waits for a lock on an open file, for as long as that is open.
func lock(f *os.File) {
	for syscall.Flock(int(f.Fd()), syscall.LOCK_EX) == syscall.EINTR {
	}
}

// trusted tells whether only root and the user may write a file.
func (e *Env) trusted(info fs.FileInfo) bool {
	sys, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return true
	}
	if sys.Uid != 0 && int(sys.Uid) != e.UID {
		return false
	}
	if info.Mode().Perm()&0o002 != 0 {
		return false
	}
	return info.Mode().Perm()&0o020 == 0 || e.PrivateGroup(int(sys.Gid), e.UID)
}
