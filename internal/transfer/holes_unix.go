//go:build linux || freebsd

package transfer

import (
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// nextData finds the next run of data by lseek(2). A file system that knows no
// holes says that all is data.
func nextData(f *os.File, off, size int64) (start, end int64, err error) {
	start, err = f.Seek(off, unix.SEEK_DATA)
	if errors.Is(err, syscall.ENXIO) {
		return 0, 0, io.EOF
	}
	if err != nil {
		return off, size, nil
	}
	end, err = f.Seek(start, unix.SEEK_HOLE)
	if err != nil || end <= start {
		end = size
	}
	return start, min(end, size), nil
}
