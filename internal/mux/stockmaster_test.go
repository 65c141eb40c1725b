package mux

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The tests in this file run our client against OpenSSH's own master.

// clientRun runs one session and returns what it did.
func clientRun(t testing.TB, c *Client, r SessionRequest, input string) result {
	t.Helper()
	ctx := testContext(t)
	fds, stdin, stdout, stderr := pipes(t)
	r.EscapeChar = NoEscapeChar
	s, err := c.Session(ctx, &r, fds)
	if err != nil {
		t.Fatal(err)
	}
	closeFiles(fds[:])
	go func() {
		_, _ = stdin.WriteString(input)
		stdin.Close()
	}()
	errText := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(stderr)
		errText <- string(b)
	}()
	out, _ := io.ReadAll(stdout)
	exit, err := s.Wait(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !exit.Known {
		return result{string(out), <-errText, -1}
	}
	return result{string(out), <-errText, int(exit.Status)}
}

func TestStockMasterSession(t *testing.T) {
	path, master := newTestServer(t).stockMaster(t)
	for _, status := range []int{0, 7, 255} {
		c := attach(t, path)
		if pid, err := c.Alive(testContext(t)); err != nil || int(pid) != master.Process.Pid {
			t.Errorf("Alive = %d, %v", pid, err)
		}
		got := clientRun(t, c, SessionRequest{Command: fmt.Sprintf("cat; echo e >&2; exit %d", status)}, "in")
		if want := (result{"in", "e\n", status}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if got := clientRun(t, attach(t, path), SessionRequest{Command: "kill -9 $$"}, ""); got.status != -1 {
		t.Errorf("killed command: %+v", got)
	}
}

func TestStockMasterForwards(t *testing.T) {
	path, _ := newTestServer(t).stockMaster(t)
	l := echoListener(t, "unix", filepath.Join(shortDir(t), "echo"))
	c, ctx := attach(t, path), testContext(t)
	local := Forward{Kind: ForwardLocal, ListenPath: filepath.Join(shortDir(t), "in"), ConnectPath: l.Addr().String()}
	for range 2 { // the same again is fine
		if _, err := c.OpenForward(ctx, local); err != nil {
			t.Fatal(err)
		}
	}
	echo(t, "unix", local.ListenPath)
	if err := c.CloseForward(ctx, local); err != nil {
		t.Error(err)
	}
	var re *RequestError
	if err := c.CloseForward(ctx, local); !errors.As(err, &re) || re.Reason != ErrNotForwarded.Error() {
		t.Errorf("second close: %v", err)
	}

	remote := Forward{Kind: ForwardRemote, ListenHost: "127.0.0.1", ConnectPath: l.Addr().String()}
	port, err := c.OpenForward(ctx, remote)
	if err != nil || port == 0 {
		t.Fatal(port, err)
	}
	if again, err := c.OpenForward(ctx, remote); err != nil || again != port {
		t.Errorf("the same again: port %d instead of %d, %v", again, port, err)
	}
	echo(t, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err := c.CloseForward(ctx, remote); err != nil {
		t.Error(err)
	}
	if _, err := c.OpenForward(ctx, Forward{Kind: ForwardLocal, ListenPort: 1}); !errors.As(err, &re) {
		t.Errorf("bad forward: %v", err)
	}
}

func TestStockMasterStdioForward(t *testing.T) {
	path, _ := newTestServer(t).stockMaster(t)
	l := echoListener(t, "tcp", "127.0.0.1:0")
	addr := l.Addr().(*net.TCPAddr)
	fds, stdin, stdout, _ := pipes(t)
	ctx := testContext(t)
	s, err := attach(t, path).StdioForward(ctx, &StdioForwardRequest{Host: "127.0.0.1", Port: addr.Port}, [2]*os.File(fds[:2]))
	if err != nil {
		t.Fatal(err)
	}
	closeFiles(fds[:])
	_, _ = stdin.WriteString("ping")
	stdin.Close()
	if out, _ := io.ReadAll(stdout); string(out) != "ping" {
		t.Errorf("got %q", out)
	}
	if exit, err := s.Wait(ctx, nil); err != nil || exit.Known {
		t.Errorf("Wait = %v, %v", exit, err)
	}
}

func TestStockMasterInfo(t *testing.T) {
	path, _ := newTestServer(t).stockMaster(t)
	c := attach(t, path)
	text, err := c.Info(testContext(t), "connection")
	var re *RequestError
	if c.Has("info") {
		if err != nil || text == "" {
			t.Errorf("%q, %v", text, err)
		}
	} else if !errors.As(err, &re) || !strings.Contains(re.Reason, "unsupported request") {
		t.Errorf("got %v", err)
	}
}

func TestStockMasterStopAndTerminate(t *testing.T) {
	path, _ := newTestServer(t).stockMaster(t)
	ctx := testContext(t)
	c := attach(t, path)
	if err := attach(t, path).StopListening(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Error("socket is still there:", err)
	}
	if err := c.Terminate(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Alive(ctx); !errors.Is(err, ErrLost) {
		t.Errorf("after the master ended: %v", err)
	}
}
