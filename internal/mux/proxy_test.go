package mux

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// proxySocket serves proxy clients on a connection to a real sshd.
func proxySocket(t testing.TB) (path string, up *testUpstream) {
	t.Helper()
	up = newTestServer(t).dial(t)
	path = listenAndServe(t, &shellHandler{openProxy: func(context.Context) (Upstream, error) { return up, nil }})
	return path, up
}

func TestStockProxy(t *testing.T) {
	path, _ := proxySocket(t)
	for _, status := range []int{0, 5, 44} {
		got := run(t, stockSSH(t, path, "-O", "proxy", "nowhere",
			fmt.Sprintf("cat; echo oops >&2; exit %d", status)), "over stdin")
		if want := (result{"over stdin", "oops\n", status}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestStockProxyTTY(t *testing.T) {
	path, _ := proxySocket(t)
	got := run(t, stockSSH(t, path, "-tt", "-O", "proxy", "nowhere", "tty; exit 3"), "")
	if !strings.HasPrefix(got.stdout, "/dev/pts/") || got.status != 3 {
		t.Errorf("got %+v", got)
	}
}

func TestStockProxyBulk(t *testing.T) {
	path, _ := proxySocket(t)
	data := make([]byte, 8<<20)
	rand.Read(data)
	got := run(t, stockSSH(t, path, "-O", "proxy", "nowhere", "cat"), string(data))
	if sha256.Sum256([]byte(got.stdout)) != sha256.Sum256(data) || got.status != 0 {
		t.Errorf("%d of %d bytes came back, status %d, %q", len(got.stdout), len(data), got.status, got.stderr)
	}
}

// proxyClient is an x/crypto client on a control socket, by itself, without
// our client.
func proxyClient(t testing.TB, path string) *ssh.Client {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	c, chans, reqs, err := ssh.NewControlClientConn(conn)
	if err != nil {
		t.Fatal(err)
	}
	cl := ssh.NewClient(c, chans, reqs)
	t.Cleanup(func() { cl.Close() })
	return cl
}

func TestProxyIndependentClient(t *testing.T) {
	path, _ := proxySocket(t)
	cl := proxyClient(t, path)
	for range 3 {
		s, err := cl.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		s.Stdin = strings.NewReader("abc")
		out, err := s.Output("cat; exit 9")
		var ee *ssh.ExitError
		if string(out) != "abc" || !errors.As(err, &ee) || ee.ExitStatus() != 9 {
			t.Errorf("%q, %v", out, err)
		}
	}
	if _, _, err := cl.SendRequest("keepalive@openssh.com", true, nil); err != nil {
		t.Error("keepalive:", err)
	}
	if ok, _, err := cl.SendRequest("no-more-sessions@openssh.com", true, nil); ok || err != nil {
		t.Error("no-more-sessions:", ok, err)
	}
	if s, err := cl.NewSession(); err != nil {
		t.Error("session after no-more-sessions:", err)
	} else if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestProxyOpenRefused(t *testing.T) {
	path, _ := proxySocket(t)
	_, _, err := proxyClient(t, path).OpenChannel("direct-streamlocal@openssh.com",
		new(encoder).string("/nonexistent/socket").string("").uint32(0).b)
	var oe *ssh.OpenChannelError
	if !errors.As(err, &oe) || oe.Reason != ssh.ConnectionFailed {
		t.Errorf("got %v", err)
	}
}

func TestProxyForwards(t *testing.T) {
	path, up := proxySocket(t)
	dir := shortDir(t)
	for _, network := range []string{"tcp", "unix"} {
		cl := proxyClient(t, path)
		addr := "127.0.0.1:0"
		if network == "unix" {
			addr = filepath.Join(dir, "fwd")
		}
		l, err := cl.Listen(network, addr)
		if err != nil {
			t.Fatal(network, err)
		}
		go func() {
			conn, err := l.Accept()
			if err == nil {
				_, _ = io.Copy(conn, conn)
				conn.Close()
			}
		}()
		echo(t, network, l.Addr().String())
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		cl.Close()
	}
	up.mu.Lock()
	defer up.mu.Unlock()
	if len(up.accept) != 0 {
		t.Errorf("forwards left: %v", up.accept)
	}
}

// echo sends bytes to addr and wants them back, then the end.
func echo(t *testing.T, network, addr string) {
	t.Helper()
	conn, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	data := bytes.Repeat([]byte("sally"), 100_000)
	go func() {
		_, _ = conn.Write(data)
		_ = conn.(interface{ CloseWrite() error }).CloseWrite()
	}()
	got, err := io.ReadAll(conn)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%s: %d of %d bytes came back, %v", network, len(got), len(data), err)
	}
}

// A client that does not read one channel must not hold up another.
func TestProxyStalledChannel(t *testing.T) {
	path, _ := proxySocket(t)
	cl := proxyClient(t, path)
	stalled, err := cl.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stalled.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := stalled.Start("cat /dev/zero"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s, err := cl.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		if out, err := s.Output("head -c 3000000 /dev/zero"); err != nil || len(out) != 3000000 {
			t.Fatalf("%d bytes, %v", len(out), err)
		}
	}
	stalled.Close()
}

// A request must get through to a program that reads nothing. (A signal would
// be one, but sshd 9.2 does not deliver signals for root.)
func TestProxyRequestPassesData(t *testing.T) {
	path, _ := proxySocket(t)
	ch, reqs, err := proxyClient(t, path).OpenChannel("session", nil)
	if err != nil {
		t.Fatal(err)
	}
	go ssh.DiscardRequests(reqs)
	if ok, err := ch.SendRequest("exec", true, new(encoder).string("sleep 1000").b); !ok || err != nil {
		t.Fatal(ok, err)
	}
	// More than sshd and we hold, so that the last write blocks.
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.Copy(ch, endless{})
	}()
	for range 10 {
		if ok, err := ch.SendRequest("no-such-request", true, nil); ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	ch.Close()
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

func TestClientProxy(t *testing.T) {
	path, _ := proxySocket(t)
	conn, chans, reqs, err := attach(t, path).Proxy(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	cl := ssh.NewClient(conn, chans, reqs)
	s, err := cl.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := s.Output("echo hello"); err != nil || string(out) != "hello\n" {
		t.Errorf("%q, %v", out, err)
	}
	cl.Close()
	_ = cl.Wait()
}

func TestClientProxyDenied(t *testing.T) {
	c := attach(t, listenAndServe(t, &shellHandler{}))
	_, _, _, err := c.Proxy(testContext(t))
	var re *RequestError
	if !errors.As(err, &re) || !re.Denied || re.Reason != "no proxies here" {
		t.Errorf("got %v", err)
	}
	if _, err := c.Alive(testContext(t)); err != nil {
		t.Error("after the denial:", err)
	}
}

func TestClientProxyStockMaster(t *testing.T) {
	path, _ := newTestServer(t).stockMaster(t)
	conn, chans, reqs, err := attach(t, path).Proxy(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	cl := ssh.NewClient(conn, chans, reqs)
	defer cl.Close()
	s, err := cl.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := s.Output("echo hello"); err != nil || string(out) != "hello\n" {
		t.Errorf("%q, %v", out, err)
	}
}

// Stock clients in proxy mode forward both ways, by Unix sockets too, which
// OpenSSH's own masters refuse for -R.
func TestStockProxyForwards(t *testing.T) {
	path, _ := proxySocket(t)
	dir := shortDir(t)
	l := echoListener(t, "unix", filepath.Join(dir, "echo"))
	for flag, listen := range map[string]string{"-L": dir + "/L", "-R": dir + "/R"} {
		cmd := stockSSH(t, path, "-O", "proxy", "-N", "-o", "ExitOnForwardFailure=yes",
			flag, listen+":"+l.Addr().String(), "nowhere")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for ctx := testContext(t); ; {
			conn, err := net.Dial("unix", listen)
			if err == nil {
				conn.Close()
				break
			}
			if ctx.Err() != nil {
				t.Fatalf("%s: %v", flag, err)
			}
			time.Sleep(5 * time.Millisecond)
		}
		echo(t, "unix", listen)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}
