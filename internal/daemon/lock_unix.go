//go:build unix

package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// ErrRunning says that another daemon has the runtime directory.
var ErrRunning = errors.New("a daemon is already running")

// lock is an flock(2) on a file; the kernel gives it back when the process
// dies, however it dies.
type lock struct{ f *os.File }

func openLock(path string) (*os.File, error) {
	f, err := openPrivate(path, os.O_RDWR)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	return f, nil
}

// tryLock takes the lock or returns ErrRunning.
func tryLock(path string) (*lock, error) {
	f, err := openLock(path)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrRunning
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return &lock{f}, nil
}

// still reports whether path is the file that is locked: the directory may
// have been removed and made anew under us.
func (l *lock) still(path string) bool {
	a, errA := l.f.Stat()
	b, errB := os.Lstat(path)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

func (l *lock) release() { l.f.Close() }

// StartLock makes commands that find no daemon start one of them only. It
// waits until ctx ends.
func (d Dir) StartLock(ctx context.Context) (release func(), err error) {
	path := filepath.Join(string(d), startName)
	for {
		l, err := tryLock(path)
		if err == nil {
			return l.release, nil
		}
		if !errors.Is(err, ErrRunning) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for %s: %w", path, ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}
