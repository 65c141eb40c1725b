//go:build !linux

package transfer

import (
	"io/fs"
	"time"

	"github.com/pkg/sftp"
)

// accessTime is a file's, or its modification time where that is not known.
func accessTime(info fs.FileInfo) time.Time {
	if sys, ok := info.Sys().(*sftp.FileStat); ok {
		return time.Unix(int64(sys.Atime), 0)
	}
	return info.ModTime()
}
