//go:build unix

package daemon

import (
	"io/fs"
	"os"
	"syscall"
)

// Supported tells whether this system can have the daemon: Unix can.
func Supported() error { return nil }

// suspend stops a client of ours, which puts its terminal back first.
func suspend(pid int) { _ = syscall.Kill(pid, syscall.SIGTSTP) }

// shutdownWrite tells the peer of a socket that nothing follows.
func shutdownWrite(f *os.File) {
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = syscall.Shutdown(int(fd), syscall.SHUT_WR) })
	}
}

// ownerOf is the user that a file belongs to.
func ownerOf(info fs.FileInfo) (int, bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(stat.Uid), true
}
