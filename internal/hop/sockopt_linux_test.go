package hop

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/sshconfig"
)

// TestLittleWaitsInTheKernel writes to a peer that does not read: what cannot be
// sent stays with the writer, where something urgent can go before it.
func TestLittleWaitsInTheKernel(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialer, err := newDialer(t.Context(), net.DefaultResolver, sshconfig.Connect{})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := dialer.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetWriteDeadline(time.Now().Add(time.Second))
	packet := make([]byte, 32<<10)
	for err == nil {
		_, err = conn.Write(packet)
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	unsent := 0
	if err := errors.Join(raw.Control(func(fd uintptr) { unsent, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQNSD) }), err); err != nil {
		t.Fatal(err)
	}
	if unsent == 0 || unsent > unsentBytes+2*len(packet) {
		t.Errorf("%d bytes wait in the kernel", unsent)
	}
}
