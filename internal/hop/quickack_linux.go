package hop

import (
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// quickAck acknowledges what has come before it waits for more. A server that
// follows Nagle's algorithm, as OpenSSH's does but for terminals, holds back the
// end of what it has to say until then, and the kernel would take 40 ms to
// acknowledge. One goroutine reads.
type quickAck struct {
	net.Conn
	raw  syscall.RawConn
	once func(fd uintptr) bool // reads once, as a value that costs nothing to pass

	// of the read in progress
	p   []byte
	n   int
	err error
}

// acknowledging makes a TCP connection acknowledge at once.
func acknowledging(c net.Conn) net.Conn {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return c
	}
	q := &quickAck{Conn: c, raw: raw}
	q.once = q.readOnce
	return q
}

// Read is net.Conn's.
func (c *quickAck) Read(p []byte) (int, error) {
	c.p = p
	if err := c.raw.Read(c.once); err != nil {
		return 0, err
	}
	switch {
	case c.err != nil:
		return 0, &net.OpError{Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError("read", c.err)}
	case c.n == 0 && len(p) > 0:
		return 0, io.EOF
	}
	return c.n, nil
}

// readOnce reads what is there; false has the runtime wait for more and call again. The
// option does not last: the kernel goes back to delaying by itself.
func (c *quickAck) readOnce(fd uintptr) bool {
	for {
		if c.n, c.err = syscall.Read(int(fd), c.p); c.err != syscall.EINTR {
			break
		}
	}
	if c.err != syscall.EAGAIN {
		return true
	}
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	return false
}
