package daemon_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"sallyport/internal/api"
	"sallyport/internal/daemon"
	"sallyport/internal/mux"
	"sallyport/internal/route"
	"sallyport/internal/sshconfig"
	"sallyport/internal/sshtest"
)

// soon bounds what should take milliseconds.
const soon = 20 * time.Second

// upWithSocket brings the host "target" up in a server of this process and
// returns the path of its control socket.
func upWithSocket(t testing.TB, account *sshtest.Account, sshd ...string) (path string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "daemon")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path = filepath.Join(dir, "ctl")
	chain := sshtest.NewChain(t, sshtest.HostConfig{Name: "target", Account: account,
		ExtraConfig: sshd, ClientConfig: []string{"ControlPath " + path}})
	files, err := sshconfig.Load(chain.ConfigFile(), sshconfig.Env{})
	if err != nil {
		t.Fatal(err)
	}
	rt, err := route.Resolve(t.Context(), files, sshconfig.Query{Host: "target"})
	if err != nil {
		t.Fatal(err)
	}
	server := daemon.New(daemon.Config{})
	t.Cleanup(server.Close)
	ours, theirs := socketPair(t)
	defer ours.Close()
	server.Serve(theirs)
	result, err := api.Do(t.Context(), ours, &api.Request{Op: api.OpUp, Route: rt.Encode()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if result.Control != path {
		t.Fatalf("control socket is at %q, want %q", result.Control, path)
	}
	return path
}

func socketPair(t testing.TB) (a, b *net.UnixConn) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var conns [2]*net.UnixConn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "socketpair")
		c, err := net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		conns[i] = c.(*net.UnixConn)
	}
	return conns[0], conns[1]
}

// oneSession runs a command through the control socket.
func oneSession(ctx context.Context, path string, null *os.File, command string) (mux.Exit, error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return mux.Exit{}, err
	}
	client, err := mux.NewClient(ctx, conn)
	if err != nil {
		return mux.Exit{}, err
	}
	defer client.Close()
	if _, err := client.Alive(ctx); err != nil {
		return mux.Exit{}, err
	}
	r := &mux.SessionRequest{Command: command, EscapeChar: mux.NoEscapeChar}
	s, err := client.Session(ctx, r, [3]*os.File{null, null, null})
	if err != nil {
		return mux.Exit{}, err
	}
	return s.Wait(ctx, nil)
}

// maxThreads is what the runtime may come to have, whatever the rounds: one for
// each blocking call of the sessions of one round.
const maxThreads = 150

// footprint is what sessions may not leave behind.
type footprint struct{ goroutines, descriptors, threads int }

func measure(t *testing.T) footprint {
	t.Helper()
	count := func(dir string) int {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	return footprint{runtime.NumGoroutine(), count("/proc/self/fd"), count("/proc/self/task")}
}

// TestSessionsLeaveNothing opens and closes many sessions at once, many times.
func TestSessionsLeaveNothing(t *testing.T) {
	path := upWithSocket(t, sshtest.NewAccount(t), "MaxSessions 200")
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	round := func() {
		var sessions sync.WaitGroup
		for i := range 100 {
			sessions.Go(func() {
				exit, err := oneSession(t.Context(), path, null, "exit 3")
				if err != nil || !exit.Known || exit.Status != 3 {
					t.Errorf("session %d: %+v, %v", i, exit, err)
				}
			})
		}
		sessions.Wait()
	}
	var before, after footprint
	settled := func() bool {
		after = measure(t)
		return after.goroutines <= before.goroutines && after.descriptors <= before.descriptors
	}
	before = measure(t)
	for range rounds {
		round()
	}
	// A channel may be kept ready for half a minute, if the machine was so busy
	// that the server seemed far.
	for end := time.Now().Add(soon + 30*time.Second); !settled() && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	if !settled() || after.threads > maxThreads {
		t.Errorf("before %+v, after %d rounds of 100 sessions %+v", before, rounds, after)
	}
}
