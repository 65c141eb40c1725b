//go:build !unix

package forward

import (
	"io"
	"net"
	"os"
	"syscall"
)

// descriptors is a guess: there is no such limit here.
func descriptors() int { return 1024 }

// openSocket listens on a new Unix socket; who may connect to it is the
// directory's business.
func openSocket(path string, _ os.FileMode) (net.Listener, error) {
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	info, err := os.Lstat(path)
	if err != nil {
		_ = ln.Close()
		return nil, err
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	return &socketListener{Listener: ln, path: path, info: info}, nil
}

// rawSocket is nil: a socket is read as anything else is.
func rawSocket(io.Reader) syscall.RawConn { return nil }

// readSocket is never called without a raw socket.
func (r *reader) readSocket(uintptr) bool { return true }
