package transfer

import (
	"io/fs"
	"syscall"
	"time"

	"github.com/pkg/sftp"
)

// accessTime is a file's, or its modification time where that is not known.
func accessTime(info fs.FileInfo) time.Time {
	switch sys := info.Sys().(type) {
	case *sftp.FileStat:
		return time.Unix(int64(sys.Atime), 0)
	case *syscall.Stat_t:
		return time.Unix(sys.Atim.Unix())
	}
	return info.ModTime()
}
