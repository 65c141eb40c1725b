package cli

import (
	"os"

	"golang.org/x/sys/unix"
)

// widen lets a pipe hold more, so that the daemon and we wait for each other
// less often. Where the user's limit forbids it the pipe stays as it is.
func widen(f *os.File) {
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 1<<20) })
	}
}
