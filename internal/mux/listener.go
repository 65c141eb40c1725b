//go:build unix

package mux

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxPath is the longest path that a client can name, which needs room for a
// NUL: 107 bytes on Linux, 103 on macOS.
const maxPath = len(unix.RawSockaddrUnix{}.Path) - 1

// A Listener is a control socket at a path where clients look for it. It
// appears there at once in a usable state (mode 0600, listening) and goes away
// without a client being turned down.
//
//	listening --Close--> draining --Accept has returned all--> closed
//
// Restore is legal while listening only; the rest at any time.
type Listener struct {
	// config: not changed after Listen
	path string

	// state: guarded by mu
	mu      sync.Mutex
	ln      *net.UnixListener
	id      fileID
	pending []*net.UnixConn // accepted while a listener was being closed
	closed  bool
}

// Listen makes a control socket at path. A socket that refuses connections is
// a dead process's and is replaced; anything else is an InUseError.
func Listen(path string) (*Listener, error) {
	l := &Listener{path: path}
	ln, id, err := listenAt(path)
	if err != nil {
		return nil, err
	}
	l.ln, l.id = ln, id
	return l, nil
}

// Path returns where the socket is.
func (l *Listener) Path() string { return l.path }

// Accept returns the next client. Clients of other users, root excepted, are
// turned away before. After Close it returns the clients that had connected
// before, and then net.ErrClosed.
func (l *Listener) Accept() (*net.UnixConn, Peer, error) {
	for {
		conn, err := l.accept()
		if err != nil {
			return nil, Peer{}, err
		}
		p, err := PeerOf(conn)
		if err == nil && p.Trusted() {
			return conn, p, nil
		}
		_ = conn.Close()
	}
}

func (l *Listener) accept() (*net.UnixConn, error) {
	for {
		conn, ln, closed := l.next()
		if conn != nil {
			return conn, nil
		}
		if closed {
			return nil, net.ErrClosed
		}
		conn, err := ln.AcceptUnix()
		switch {
		case err == nil:
			return conn, nil
		case errors.Is(err, net.ErrClosed): // closed, or replaced by Restore
		case isShortage(err):
			time.Sleep(50 * time.Millisecond) // others must free something first
		default:
			return nil, err
		}
	}
}

// next returns a waiting client, or else the socket to wait on.
func (l *Listener) next() (conn *net.UnixConn, ln *net.UnixListener, closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending) > 0 {
		conn = l.pending[0]
		l.pending = l.pending[1:]
	}
	return conn, l.ln, l.closed
}

func isShortage(err error) bool {
	for _, e := range []error{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Close removes the socket's name if it is still ours, keeps those who have
// connected for Accept to return, and closes the socket: in this order, no
// client meets a socket that nobody will answer.
func (l *Listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	if l.missing() {
		return l.drain()
	}
	err := os.Remove(l.path)
	return errors.Join(err, l.drain())
}

// Missing reports whether the path no longer leads to this socket. A stock
// client removes it by mistake when it saw the one before refuse connections.
func (l *Listener) Missing() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.missing()
}

func (l *Listener) missing() bool {
	id, err := identify(l.path)
	return err != nil || id != l.id
}

// Restore puts a new socket at the path when it is missing. Accept goes on as
// if nothing had happened.
func (l *Listener) Restore() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return net.ErrClosed
	}
	if !l.missing() {
		return nil
	}
	ln, id, err := listenAt(l.path)
	if err != nil {
		return err
	}
	err = l.drain()
	l.ln, l.id = ln, id
	return err
}

// drain accepts who has connected and closes the socket.
func (l *Listener) drain() error {
	raw, err := l.ln.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			for {
				conn, err := acceptNow(int(fd))
				if err == unix.EINTR {
					continue
				}
				if err != nil {
					return
				}
				l.pending = append(l.pending, conn)
			}
		})
	}
	return errors.Join(err, l.ln.Close())
}

// acceptNow accepts a client that has connected already; fd does not block.
func acceptNow(fd int) (*net.UnixConn, error) {
	syscall.ForkLock.RLock()
	nfd, _, err := unix.Accept(fd)
	if err == nil {
		unix.CloseOnExec(nfd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(nfd), "control client")
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UnixConn), nil
}

// listenAt makes a listening socket under a temporary name and moves it to
// path, so that no client finds it half made.
func listenAt(path string) (*net.UnixListener, fileID, error) {
	temp := tempName(path)
	if len(path) > maxPath || len(temp) > maxPath {
		return nil, fileID{}, &PathTooLongError{Path: path, Max: maxPath}
	}
	ln, err := listenPrivate(temp)
	if err != nil {
		return nil, fileID{}, fmt.Errorf("control socket %s: %w", path, err)
	}
	id, err := identify(temp)
	if err == nil {
		err = moveInto(temp, path)
	}
	if err != nil {
		_ = os.Remove(temp)
		_ = ln.Close()
		return nil, fileID{}, err
	}
	return ln, id, nil
}

// tempName returns a name beside path that is hardly ever longer.
func tempName(path string) string {
	dir, base := filepath.Split(path)
	name := ".s" + rand.Text()[:8]
	return filepath.Join(dir, name[:min(len(name), max(5, len(base)))])
}

// listenPrivate listens on a new socket that is never open to others. Linux
// makes the file with the mode of the descriptor; elsewhere the mode follows,
// before the file gets its real name.
func listenPrivate(path string) (*net.UnixListener, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = unix.Fchmod(int(fd), 0o600) })
	}}
	l, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	ln := l.(*net.UnixListener)
	ln.SetUnlinkOnClose(false)
	if err := os.Chmod(path, 0o600); err != nil {
		_ = os.Remove(path)
		_ = ln.Close()
		return nil, err
	}
	return ln, nil
}
