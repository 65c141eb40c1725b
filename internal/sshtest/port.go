package sshtest

import (
	"net"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// reservedPort is a port that nobody else is given while the test runs, whether
// or not somebody listens on it: a socket is bound to it and does not listen.
type reservedPort struct {
	addr string // "ip:port"
}

// reservePort reserves a free port on a local IP address.
func reservePort(t testing.TB, ip string) *reservedPort {
	t.Helper()
	parsed := net.ParseIP(ip)
	if parsed == nil {
		t.Fatalf("%q is not an IP address", ip)
	}
	family, sa := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Addr: [16]byte(parsed.To16())})
	if v4 := parsed.To4(); v4 != nil {
		family, sa = unix.AF_INET, &unix.SockaddrInet4{Addr: [4]byte(v4)}
	}
	syscall.ForkLock.RLock() // as there is no SOCK_CLOEXEC everywhere
	fd, err := unix.Socket(family, unix.SOCK_STREAM, 0)
	unix.CloseOnExec(fd)
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	// Lets a listener that sets it too, as Go's do, have the same port.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, sa); err != nil {
		t.Fatalf("bind to %s: %v", ip, err)
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port := 0
	switch b := bound.(type) {
	case *unix.SockaddrInet4:
		port = b.Port
	case *unix.SockaddrInet6:
		port = b.Port
	}
	return &reservedPort{net.JoinHostPort(ip, strconv.Itoa(port))}
}

// RefusedPort is the address of a port that refuses connections, and stays so
// for the whole test.
func RefusedPort(t testing.TB) string {
	t.Helper()
	return reservePort(t, "127.0.0.1").addr
}

// RefusedPort6 is one of IPv6: what is free in one family need not be in the
// other.
func RefusedPort6(t testing.TB) string {
	t.Helper()
	return reservePort(t, "::1").addr
}
