//go:build unix

package forward

import (
	"io"
	"net"
	"syscall"
)

// rawSocket is the socket of a connection, nil for anything else.
func rawSocket(src io.Reader) (socket syscall.RawConn) {
	switch c := src.(type) {
	case *net.TCPConn:
		socket, _ = c.SyscallConn()
	case *net.UnixConn:
		socket, _ = c.SyscallConn()
	}
	return socket
}

// readSocket reads once; false makes the runtime wait for data and call again.
func (r *reader) readSocket(fd uintptr) bool {
	buf := buffers.Get().(*[largeBuffer]byte)
	for {
		r.n, r.err = syscall.Read(int(fd), buf[:])
		if r.err != syscall.EINTR {
			break
		}
	}
	if r.n > 0 {
		r.large = buf
		return true
	}
	buffers.Put(buf)
	return r.err != syscall.EAGAIN
}
