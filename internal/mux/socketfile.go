//go:build unix

package mux

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// A fileID tells a file from another that took its name.
type fileID struct{ dev, ino uint64 }

func identify(path string) (fileID, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return fileID{}, &os.PathError{Op: "lstat", Path: path, Err: err}
	}
	return fileID{uint64(st.Dev), st.Ino}, nil
}

// moveInto gives the socket at temp the name path, replacing a stale socket
// but nothing else.
func moveInto(temp, path string) error {
	defer lockDir(filepath.Dir(path))()
	for range 3 { // each round a process without our lock may have been faster
		err := moveExclusive(temp, path)
		if !errors.Is(err, os.ErrExist) {
			return err
		}
		if err := removeStale(path); err != nil {
			return err
		}
	}
	return &InUseError{Path: path, Live: true}
}

// lockDir keeps others of us from replacing sockets in dir at the same time.
// It gives up after a second, or where directories cannot be locked: the lock
// makes a race that hardly ever happens impossible, no more.
func lockDir(dir string) (unlock func()) {
	f, err := os.Open(dir)
	if err != nil {
		return func() {}
	}
	for range 100 {
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != unix.EWOULDBLOCK {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return func() { _ = f.Close() }
}

// moveExclusive fails with os.ErrExist when there is something at path.
func moveExclusive(temp, path string) error {
	err := os.Link(temp, path)
	switch {
	case err == nil:
		return os.Remove(temp)
	case !lacksHardLinks(err):
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return &os.LinkError{Op: "rename", Old: temp, New: path, Err: os.ErrExist}
	}
	return os.Rename(temp, path)
}

func lacksHardLinks(err error) bool {
	for _, e := range []error{unix.EPERM, unix.ENOTSUP, unix.EOPNOTSUPP, unix.ENOSYS, unix.EMLINK} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// removeStale removes a socket that refuses connections. The file is moved
// aside first and tried again: if somebody has put a live one there in the
// meantime, it goes back. (Comparing inodes would not do: they are reused at
// once.)
func removeStale(path string) error {
	if err := isStale(path); err != nil {
		return ignoreMissing(err)
	}
	aside := tempName(path)
	if err := os.Rename(path, aside); err != nil {
		return ignoreMissing(err)
	}
	defer os.Remove(aside)
	if isStale(aside) != nil {
		_ = os.Link(aside, path)
		return &InUseError{Path: path, Live: true}
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// isStale returns nil for a socket that refuses connections, the reason why
// path must stay otherwise.
func isStale(path string) error {
	fi, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if fi.Mode().Type() != os.ModeSocket {
		return &InUseError{Path: path}
	}
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	switch {
	case err == nil:
		_ = conn.Close()
		return &InUseError{Path: path, Live: true}
	case errors.Is(err, unix.ECONNREFUSED):
		return nil
	case errors.Is(err, unix.EAGAIN): // its backlog is full
		return &InUseError{Path: path, Live: true}
	}
	return fmt.Errorf("%w: %w", &InUseError{Path: path}, err)
}
