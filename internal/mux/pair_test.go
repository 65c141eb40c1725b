package mux

import (
	"context"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// testTimeout bounds whatever a test waits for; no test is right because of it.
const testTimeout = 60 * time.Second

func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	t.Cleanup(cancel)
	return ctx
}

// socketPair returns the two ends of a connection.
func socketPair(t testing.TB) (a, b *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	conns := make([]*net.UnixConn, 2)
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "pair")
		c, err := net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		conns[i] = c.(*net.UnixConn)
		t.Cleanup(func() { c.Close() })
	}
	return conns[0], conns[1]
}

// serve runs Serve on one end and returns the other, and a function that
// waits for Serve's verdict.
func serve(t testing.TB, h Handler, cfg ServerConfig) (client *net.UnixConn, wait func() error) {
	t.Helper()
	ours, theirs := socketPair(t)
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- Serve(ctx, ours, h, cfg) }()
	done := false
	wait = func() error {
		done = true
		select {
		case err := <-result:
			return err
		case <-time.After(testTimeout):
			t.Fatal("Serve does not return")
			return nil
		}
	}
	t.Cleanup(func() {
		cancel()
		theirs.Close()
		if !done {
			_ = wait()
		}
	})
	return theirs, wait
}

// echoListener sends back what it gets.
func echoListener(t testing.TB, network, addr string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return l
}
