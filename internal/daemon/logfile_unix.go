//go:build unix

package daemon

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// maxLogFile is the size at which the log file is begun anew; one old file is
// kept beside it.
const maxLogFile = 1 << 20

// logFile is the daemon's log on disk, of at most two files of maxLogFile. The
// logbook, which is its only writer, takes care of turns.
type logFile struct {
	path   string
	file   *os.File
	size   int64
	max    int64
	opened func(*os.File)
}

// openLog calls opened, unless nil, with each file that it begins.
func openLog(path string, max int64, opened func(*os.File)) (*logFile, error) {
	l := &logFile{path: path, max: max, opened: opened}
	if err := l.open(); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return l, nil
}

func (l *logFile) open() error {
	f, err := openPrivate(l.path, os.O_WRONLY|os.O_APPEND)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	l.file, l.size = f, info.Size()
	if l.opened != nil {
		l.opened(f)
	}
	return nil
}

// Write adds a line. When the next file cannot be made, the one there goes on
// from its beginning: the bound holds whatever happens.
func (l *logFile) Write(line []byte) (int, error) {
	if l.size > 0 && l.size+int64(len(line)) > l.max {
		l.turn()
	}
	n, err := l.file.Write(line)
	l.size += int64(n)
	return n, err
}

// turn makes the file the old one and begins anew.
func (l *logFile) turn() {
	old := l.file
	err := os.Rename(l.path, l.path+".old")
	if err == nil {
		err = l.open()
	}
	if err == nil {
		old.Close()
		return
	}
	if old.Truncate(0) == nil {
		l.size = 0
	}
}

func (l *logFile) Close() error { return l.file.Close() }

// openPrivate opens or makes a file of ours that nobody else can read or has
// another name for. What somebody put in its place (a link, a pipe that would
// hold us up) is refused.
func openPrivate(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, flags|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = isPrivate(info)
	}
	if err != nil {
		f.Close()
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return f, nil
}

func isPrivate(info fs.FileInfo) error {
	stat := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w: not a regular file", ErrUnsafeFile)
	case int(stat.Uid) != os.Geteuid():
		return fmt.Errorf("%w: it belongs to user %d", ErrUnsafeFile, stat.Uid)
	case stat.Nlink != 1:
		return fmt.Errorf("%w: it has %d names", ErrUnsafeFile, stat.Nlink)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%w: its mode is %04o", ErrUnsafeFile, info.Mode().Perm())
	}
	return nil
}
