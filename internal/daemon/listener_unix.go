//go:build unix

package daemon

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
)

// listener is the daemon's socket, which restore makes again when somebody has
// removed it: a daemon that nobody can reach holds the lock all the same.
type listener struct {
	path string

	// state: guarded by mu
	mu     sync.Mutex
	ln     *net.UnixListener
	file   os.FileInfo // of ln
	closed bool
}

func newListener(path string) (*listener, error) {
	l := &listener{path: path}
	if err := l.listen(); err != nil {
		return nil, err
	}
	return l, nil
}

// listen replaces whatever is at the path: the lock says that no live daemon
// listens there. The caller holds mu, or is the only one to have l.
func (l *listener) listen() error {
	if err := os.Remove(l.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove stale socket: %w", err)
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: l.path, Net: "unix"})
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	ln.SetUnlinkOnClose(false)
	err = os.Chmod(l.path, 0o600) // the directory is 0700 already; a umask would be that of our children, too
	file, statErr := os.Lstat(l.path)
	if err = errors.Join(err, statErr); err != nil {
		ln.Close()
		return fmt.Errorf("listen: %w", err)
	}
	if l.ln != nil {
		l.ln.Close()
	}
	l.ln, l.file = ln, file
	return nil
}

// restore reports whether the socket was missing.
func (l *listener) restore() (missing bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, err := os.Lstat(l.path)
	if l.closed || err == nil && os.SameFile(now, l.file) {
		return false, nil
	}
	return true, l.listen()
}

// accept returns the next client; net.ErrClosed after close.
func (l *listener) accept() (*net.UnixConn, error) {
	for {
		ln, closed := l.current()
		if closed {
			return nil, net.ErrClosed
		}
		conn, err := ln.AcceptUnix()
		if !errors.Is(err, net.ErrClosed) { // else it was closed, or replaced
			return conn, err
		}
	}
}

func (l *listener) current() (ln *net.UnixListener, closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ln, l.closed
}

// close listens no more, and leaves the file.
func (l *listener) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.ln.Close()
}
