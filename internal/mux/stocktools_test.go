//go:build linux

package mux

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// viaSocket are the options that make scp and sftp ride a control socket.
func viaSocket(path string) []string {
	return []string{"-F", "none", "-o", "ControlPath=" + path, "-o", "ProxyCommand=false", "-q"}
}

func TestStockCopies(t *testing.T) {
	path := listenAndServe(t, &shellHandler{})
	dir := t.TempDir()
	data := make([]byte, 5<<20)
	rand.Read(data)
	src := filepath.Join(dir, "src")
	writeFile(t, src, string(data))
	for name, args := range map[string][]string{
		"scp":        {"scp", src, "nowhere:" + dir + "/scp"},
		"scp -O":     {"scp", "-O", src, "nowhere:" + dir + "/scp -O"},
		"scp back":   {"scp", "nowhere:" + src, dir + "/scp back"},
		"sftp fetch": {"sftp", "nowhere:" + src, dir + "/sftp fetch"},
	} {
		args[len(args)-1] = strings.ReplaceAll(args[len(args)-1], " ", "_")
		ctx := testContext(t)
		cmd := exec.CommandContext(ctx, args[0], append(viaSocket(path), args[1:]...)...)
		if got := run(t, cmd, ""); got.status != 0 {
			t.Errorf("%s: %+v", name, got)
			continue
		}
		back, err := os.ReadFile(filepath.Join(dir, strings.ReplaceAll(name, " ", "_")))
		if err != nil || !bytes.Equal(back, data) {
			t.Errorf("%s: %d bytes, %v", name, len(back), err)
		}
	}
}

func TestStockTTY(t *testing.T) {
	h := &shellHandler{}
	path := listenAndServe(t, h)
	cmd := stockSSH(t, path, "-t", "-e", "!", "nowhere", "stty size; echo $TERM; read line; echo got $line; exit 6")
	cmd.Env = append(os.Environ(), "TERM=vt52")
	ptmx, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 33, Cols: 77})
	if err != nil {
		t.Fatal(err)
	}
	defer ptmx.Close()
	var out bytes.Buffer
	for !strings.Contains(out.String(), "vt52") {
		b := make([]byte, 100)
		n, err := ptmx.Read(b)
		if err != nil {
			t.Fatalf("%v after %q", err, &out)
		}
		out.Write(b[:n])
	}
	for rawMode := false; !rawMode; { // which comes after the session has begun
		tio, err := unix.IoctlGetTermios(int(ptmx.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		rawMode = tio.Lflag&unix.ECHO == 0
	}
	if _, err := ptmx.WriteString("typed\r"); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(&out, ptmx)
	_ = cmd.Wait()
	for _, want := range []string{"33 77\r", "got typed\r\n", "Shared connection to nowhere closed."} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %q", want, &out)
		}
	}
	if got := cmd.ProcessState.ExitCode(); got != 6 {
		t.Errorf("exit status %d", got)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.sessions[0]; !r.TTY || r.Term != "vt52" || r.EscapeChar != '!' {
		t.Errorf("request %+v", r)
	}
}

// A server's refusal of a pty: the client is told and goes on.
func TestStockTTYAllocFail(t *testing.T) {
	h := &shellHandler{openSession: func(_ context.Context, _ *SessionRequest, fds [3]*os.File) (Session, error) {
		return funcSession(func(_ context.Context, fail func()) (Exit, error) {
			defer closeFiles(fds[:])
			fail()
			_, err := fds[1].WriteString("line\n")
			return Exit{Known: true, Status: 3}, err
		}), nil
	}}
	path := listenAndServe(t, h)
	got := run(t, stockSSH(t, path, "-tt", "nowhere", "x"), "")
	if got.stdout != "line\n" || got.status != 3 {
		t.Errorf("got %+v", got)
	}
}

// stdioDialer performs stdio forwards by dialling.
func stdioDialer(_ context.Context, r *StdioForwardRequest, fds [2]*os.File) (Session, error) {
	network, addr := "unix", r.Path
	if r.Path == "" {
		network, addr = "tcp", endpoint(r.Host, r.Port, "")
	}
	conn, err := net.Dial(network, addr)
	if err != nil {
		return nil, err
	}
	return funcSession(func(ctx context.Context, _ func()) (Exit, error) {
		defer closeFiles(fds[:])
		defer conn.Close()
		go func() {
			_, _ = io.Copy(conn, fds[0])
			_ = conn.(interface{ CloseWrite() error }).CloseWrite()
		}()
		_, err := io.Copy(fds[1], conn)
		return Exit{Known: true, Status: 99}, err // must not be sent
	}), nil
}

func TestStockStdioForward(t *testing.T) {
	path := listenAndServe(t, &shellHandler{openStdio: stdioDialer})
	l := echoListener(t, "tcp", "127.0.0.1:0")
	got := run(t, stockSSH(t, path, "-W", l.Addr().String(), "nowhere"), "there and back")
	if want := (result{"there and back", "", 0}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	dead := l.Addr().String()
	l.Close()
	got = run(t, stockSSH(t, path, "-W", dead, "nowhere"), "")
	if got.status != 255 || !strings.Contains(got.stderr, "connection refused") {
		t.Errorf("got %+v", got)
	}
}

// The client's death ends its session and nobody else's.
func TestStockClientKilled(t *testing.T) {
	ended := make(chan error, 1)
	h := &shellHandler{openSession: func(_ context.Context, _ *SessionRequest, fds [3]*os.File) (Session, error) {
		return funcSession(func(ctx context.Context, _ func()) (Exit, error) {
			defer closeFiles(fds[:])
			_, _ = fds[1].WriteString("up\n")
			<-ctx.Done()
			ended <- ctx.Err()
			return Exit{}, ctx.Err()
		}), nil
	}}
	path := listenAndServe(t, h)
	cmd := stockSSH(t, path, "nowhere", "x")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Process.Kill()
	<-ended
	_ = cmd.Wait()
}
