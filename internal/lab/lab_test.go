package lab

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sallyport/internal/sshtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func startLab(t *testing.T, o Options) *Network {
	t.Helper()
	if _, err := exec.LookPath("ssh"); err != nil {
		t.Fatal("no ssh: install the package openssh-client")
	}
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	n, err := Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// sshCommand is a stock ssh that reads only the network's config.
func (n *Network) sshCommand(ctx context.Context, args ...string) *exec.Cmd {
	args = append([]string{"-F", n.ConfigFile(), "-o", "BatchMode=yes"}, args...)
	return exec.CommandContext(ctx, "ssh", args...)
}

// result is what a command left.
type result struct {
	stdout, stderr string
	status         int
}

func (n *Network) run(t *testing.T, stdin io.Reader, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := n.sshCommand(ctx, args...)
	var out, errOut bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{out.String(), errOut.String(), cmd.ProcessState.ExitCode()}
}

func TestCommandThroughTheChain(t *testing.T) {
	n := startLab(t, Options{})
	for range 2 {
		r := n.run(t, nil, "target", "echo out; echo err >&2; exit 7")
		if want := (result{"out\n", "err\n", 7}); r != want {
			t.Fatalf("got %+v, want %+v", r, want)
		}
	}
	for i, h := range n.Hops() {
		sessions, forwards := 0, 2
		if h.Name == "target" {
			sessions, forwards = 2, 0
		}
		if h.Logins() != 2 || h.Connections() != 2 || h.Sessions() != sessions || h.Forwards() != forwards {
			t.Errorf("hop %d, %s: %d logins, %d connections, %d sessions, %d forwards",
				i, h.Name, h.Logins(), h.Connections(), h.Sessions(), h.Forwards())
		}
	}
}

func TestSeveralTargetsBehindOneJump(t *testing.T) {
	n := startLab(t, Options{Jumps: 1, Targets: 3})
	for i := 1; i <= 3; i++ {
		name := fmt.Sprintf("target%d", i)
		if r := n.run(t, nil, name, "basename $HOME"); r.stdout != name+"\n" {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestExitStatus(t *testing.T) {
	n := startLab(t, Options{Jumps: 1})
	for command, want := range map[string]int{
		"true": 0, "exit 44": 44, "exit 255": 255, "no-such-command": 127, "kill -TERM $$": 255,
	} {
		if r := n.run(t, nil, "target", command); r.status != want {
			t.Errorf("%q: status %d, want %d; stderr %q", command, r.status, want, r.stderr)
		}
	}
}

func TestTheTargetIsReachableOnlyThroughTheChain(t *testing.T) {
	n := startLab(t, Options{})
	for _, h := range n.Hops()[1:] {
		got, err := readAll(h.Addr)
		if len(got) > 0 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s said %q to a stranger, error %v; want a reset", h.Name, got, err)
		}
		if h.Connections() != 0 {
			t.Errorf("%s counts %d connections", h.Name, h.Connections())
		}
	}
	if r := n.run(t, nil, "-o", "ProxyJump=none", "target", "true"); r.status != 255 {
		t.Errorf("direct: %+v", r)
	}
	if r := n.run(t, nil, "-o", "ProxyJump=jump1", "target", "true"); r.status != 255 {
		t.Errorf("around jump2: %+v", r)
	}
}

// readAll connects and reads to the end.
func readAll(addr string) ([]byte, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return io.ReadAll(c)
}

func TestJumpHostsOnlyRoute(t *testing.T) {
	n := startLab(t, Options{})
	if r := n.run(t, nil, "jump1", "true"); r.status != 255 || !strings.Contains(r.stderr, "only routes") {
		t.Errorf("session on a jump host: %+v", r)
	}
	stranger, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	for _, addr := range []string{stranger.Addr().String(), "target:22"} {
		if r := n.run(t, nil, "-W", addr, "jump1"); r.status == 0 || !strings.Contains(r.stderr, "prohibited") {
			t.Errorf("%s through jump1: %+v", addr, r)
		}
	}
	r := n.run(t, nil, "-W", "target:22", "jump2")
	if !strings.HasPrefix(r.stdout, "SSH-2.0-") {
		t.Errorf("the target by name through jump2: %+v", r)
	}
}

func TestManyMegabytesEachWay(t *testing.T) {
	n := startLab(t, Options{})
	data := make([]byte, transferSize)
	rand.Read(data)
	want := fmt.Sprintf("%x", sha256.Sum256(data))
	start := time.Now()
	r := n.run(t, bytes.NewReader(data), "target", "tee copy | sha256sum")
	up := time.Since(start)
	if !strings.HasPrefix(r.stdout, want) {
		t.Fatalf("up: %+v, want %s", r, want)
	}
	start = time.Now()
	r = n.run(t, nil, "target", "cat copy")
	if got := fmt.Sprintf("%x", sha256.Sum256([]byte(r.stdout))); got != want || r.status != 0 {
		t.Fatalf("down: %d bytes, sum %s, want %s, status %d", len(r.stdout), got, want, r.status)
	}
	t.Logf("%d MiB through 2 jumps: up %v, down %v", transferSize>>20, up, time.Since(start))
}

func TestEnvironmentAndHome(t *testing.T) {
	n := startLab(t, Options{Jumps: 1})
	r := n.run(t, nil, "-o", "SetEnv=LC_X=yes LANG=C SECRET=no", "target", `echo "$LC_X $LANG [$SECRET] $USER"; pwd`)
	want := "yes C [] demo\n" + filepath.Join(n.Dir(), "target") + "\n"
	if r.stdout != want {
		t.Errorf("got %q, want %q", r.stdout, want)
	}
}

// Only the first hop: ssh -F hands the file's name to a ProxyJump unquoted.
func TestOddDirectory(t *testing.T) {
	n := startLab(t, Options{Dir: filepath.Join(t.TempDir(), "a 100% odd directory")})
	r := n.run(t, nil, "-W", "jump2:22", "jump1")
	if !strings.HasPrefix(r.stdout, "SSH-2.0-") {
		t.Errorf("%+v", r)
	}
}

func TestFilesAreForTheOwnerOnly(t *testing.T) {
	n := startLab(t, Options{Dir: filepath.Join(t.TempDir(), "new")})
	err := filepath.Walk(n.Dir(), func(p string, fi os.FileInfo, err error) error {
		if err == nil && fi.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", p, fi.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestForwardOnTheTargetReachesLoopbackOnly(t *testing.T) {
	n := startLab(t, Options{Jumps: 1})
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	go func() {
		c, err := echo.Accept()
		if err != nil {
			return
		}
		io.Copy(c, c)
		c.Close()
	}()
	if r := n.run(t, strings.NewReader("there and back"), "-W", echo.Addr().String(), "target"); r.stdout != "there and back" {
		t.Errorf("%+v", r)
	}
	if r := n.run(t, nil, "-W", "192.0.2.1:80", "target"); r.status == 0 || !strings.Contains(r.stderr, "prohibited") {
		t.Errorf("beyond loopback: %+v", r)
	}
}

func TestSecondFactor(t *testing.T) {
	n := startLab(t, Options{SecondFactor: true})
	if len(n.Code()) != 6 {
		t.Fatalf("code %q", n.Code())
	}
	for code, want := range map[string]int{n.Code(): 0, "wrong": 255} {
		answer := filepath.Join(t.TempDir(), "answer")
		sshtest.WriteProgram(t, answer, "#!/bin/sh\necho "+code+"\n")
		cmd := exec.CommandContext(t.Context(), "ssh", "-F", n.ConfigFile(), "target", "true")
		cmd.Env = append(os.Environ(), "SSH_ASKPASS="+answer, "SSH_ASKPASS_REQUIRE=force")
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("code %s: status %d, want %d: %s", code, got, want, out)
		}
	}
	if got := n.Hops()[0].Logins(); got != 1 {
		t.Errorf("jump1 counts %d logins, want 1", got)
	}
}
