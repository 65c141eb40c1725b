//go:build unix

package identity

import (
	"io/fs"
	"os"
	"syscall"
)

// isOurs tells whether a file belongs to the user.
func isOurs(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Getuid()
}
