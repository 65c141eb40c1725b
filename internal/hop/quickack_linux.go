package hop

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// smallRead is less than what a segment carries: what a sender that follows
// Nagle's algorithm may be holding more data back for.
const smallRead = 1400

// quickAck acknowledges small reads at once. A server does not set TCP_NODELAY
// while it is being logged in to: what it has to say in two parts takes until
// the first is acknowledged, and the kernel delays that by 40 ms.
type quickAck struct {
	net.Conn
	raw syscall.RawConn
	set func(fd uintptr)
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
	// The option does not last: the kernel goes back to delaying by itself.
	set := func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) }
	return &quickAck{Conn: c, raw: raw, set: set}
}

func (c *quickAck) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && n < smallRead && err == nil {
		_ = c.raw.Control(c.set)
	}
	return n, err
}
