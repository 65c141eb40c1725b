package mux

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// The tests in this file run OpenSSH's own client against Serve.

// listenAndServe serves h on a control socket until the test ends.
func listenAndServe(t testing.TB, h Handler) (path string) {
	t.Helper()
	path = filepath.Join(shortDir(t), "ctl")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, peer, err := l.Accept()
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
				return
			}
			wg.Go(func() {
				if err := Serve(ctx, conn, h, ServerConfig{Peer: &peer}); err != nil && ctx.Err() == nil {
					t.Errorf("Serve: %v", err)
				}
			})
		}
	})
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		cancel()
		wg.Wait()
	})
	return path
}

// shortDir is t.TempDir with a path that leaves room in a sockaddr_un.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mux")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// stockSSH returns a stock client that can go nowhere but through the socket.
func stockSSH(t testing.TB, path string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	t.Cleanup(cancel)
	base := []string{"-F", "none", "-S", path, "-o", "ProxyCommand=false"}
	cmd := exec.CommandContext(ctx, "ssh", append(base, args...)...)
	cmd.WaitDelay = time.Second
	return cmd
}

type result struct {
	stdout, stderr string
	status         int
}

func run(t testing.TB, cmd *exec.Cmd, stdin string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errOut
	err := cmd.Run()
	var ee *exec.ExitError
	if err != nil && !errors.As(err, &ee) {
		t.Fatal(err)
	}
	return result{out.String(), errOut.String(), cmd.ProcessState.ExitCode()}
}

func TestStockSession(t *testing.T) {
	h := &shellHandler{}
	path := listenAndServe(t, h)
	for _, status := range []int{0, 1, 7, 44, 255} {
		cmd := stockSSH(t, path, "-o", "SetEnv=GREETING=hi", "nowhere",
			fmt.Sprintf("cat; echo $GREETING >&2; exit %d", status))
		got := run(t, cmd, "over stdin")
		want := result{"over stdin", "hi\n", status}
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestStockControlCommands(t *testing.T) {
	quit := make(chan struct{}, 1)
	h := &shellHandler{quit: func() { quit <- struct{}{} }}
	path := listenAndServe(t, h)
	for _, tt := range []struct {
		args []string
		want result
	}{
		{[]string{"-O", "check"}, result{"", fmt.Sprintf("Master running (pid=%d)\r\n", os.Getpid()), 0}},
		{[]string{"-O", "forward", "-L", "1234:web:80"}, result{}},
		{[]string{"-O", "forward", "-R", "0:web:80"}, result{stdout: "4711\n"}},
		{[]string{"-O", "forward", "-D", "1080"}, result{}},
		{[]string{"-O", "forward", "-L", "/a/b:/c/d"}, result{}},
		{[]string{"-O", "cancel", "-L", "1234:web:80"}, result{}},
		{[]string{"-O", "cancel", "-L", "1234:web:80"}, result{stderr: "port not forwarded"}},
		{[]string{"-O", "stop"}, result{stderr: "Stop listening request sent.\r\n"}},
		{[]string{"-O", "exit"}, result{stderr: "Exit request sent.\r\n"}},
	} {
		got := run(t, stockSSH(t, path, append(tt.args, "nowhere")...), "")
		if got.stdout != tt.want.stdout || !strings.Contains(got.stderr, tt.want.stderr) || got.status != tt.want.status {
			t.Errorf("%v: got %+v, want %+v", tt.args, got, tt.want)
		}
	}
	<-quit
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.stopped {
		t.Error("StopListening was not called")
	}
	for _, f := range []Forward{
		{Kind: ForwardRemote, ListenPort: 0, ConnectHost: "web", ConnectPort: 80},
		{Kind: ForwardDynamic, ListenPort: 1080, ConnectHost: "socks"},
		{Kind: ForwardLocal, ListenPath: "/a/b", ConnectPath: "/c/d"},
	} {
		if !h.forwards[f] {
			t.Errorf("forward %v was not opened: %v", f, h.forwards)
		}
	}
}

func TestStockDenied(t *testing.T) {
	path := listenAndServe(t, &shellHandler{deny: Denied{"not today"}})
	for _, verb := range []string{"exit", "stop"} {
		got := run(t, stockSSH(t, path, "-O", verb, "nowhere"), "")
		if got.status != 255 || !strings.Contains(got.stderr, "not today") {
			t.Errorf("%s: %+v", verb, got)
		}
	}
}

func TestStockRefused(t *testing.T) {
	h := &shellHandler{openSession: func(context.Context, *SessionRequest, [3]*os.File) (Session, error) {
		return nil, Refused{"jump1: no more sessions"}
	}}
	path := listenAndServe(t, h)
	got := run(t, stockSSH(t, path, "nowhere", "true"), "")
	if want := (result{"", "jump1: no more sessions\r\n", 255}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestStockNoSessionFlag(t *testing.T) {
	path := filepath.Join(shortDir(t), "ctl")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, tt := range []struct {
		args []string
		want bool
	}{
		{[]string{"-N", "nowhere"}, true},
		{[]string{"nowhere", "-fnNT"}, true},
		{[]string{"nowhere", "echo", "-N"}, false},
	} {
		cmd := stockSSH(t, path, tt.args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		conn, peer, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if got := peer.WantsNoSession(); got != tt.want || peer.PID != cmd.Process.Pid {
			t.Errorf("%v: WantsNoSession of %+v = %v", tt.args, peer, got)
		}
		conn.Close()
		_ = cmd.Wait()
	}
}
