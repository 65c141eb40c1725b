package main_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/internal/sshtest"
)

// echoServer sends back what it is sent.
func echoServer(t testing.TB) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
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
			go func() { io.Copy(conn, conn); conn.Close() }()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

// echoes reports whether what is sent to a port comes back.
func echoes(network, addr string) bool {
	conn, err := net.DialTimeout(network, addr, soon)
	if err != nil {
		return false
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(soon))
	if _, err := io.WriteString(conn, "ping"); err != nil {
		return false
	}
	answer := make([]byte, 4)
	_, err = io.ReadFull(conn, answer)
	return err == nil && string(answer) == "ping"
}

// TestHold: "ssh -N -L" through a master stays, where OpenSSH's runs a shell
// and leaves at once.
func TestHold(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "target"})
	u := setUp(t, c)
	u.mustSSH("target", "true")
	path := filepath.Join(u.dir, "fwd")
	l := u.begin(u.stock("ssh", "-F", u.config, "-N", "-L", fmt.Sprintf("%s:127.0.0.1:%d", path, echoServer(t)), "target"))
	await(t, "the forward works", func() bool { return echoes("unix", path) })
	select {
	case <-l.done:
		t.Fatalf("it left: %q", l.err)
	case <-time.After(300 * time.Millisecond):
	}
	if r := u.ssh("-O", "exit", "target"); r.code != 0 {
		t.Errorf("exit: %+v", r)
	}
	if code := l.wait(soon); code != 255 {
		t.Errorf("exit code %d, stderr %q", code, l.err)
	}
	wantOneLogin(t, c, "target")
}

// TestOwnAgent: each client's own agent is forwarded, not that of whoever
// came first.
func TestOwnAgent(t *testing.T) {
	t.Parallel()
	sshtest.Require(t, "ssh-agent", "ssh-add", "ssh-keygen")
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "target"})
	u := setUp(t, c)
	u.mustSSH("target", "true") // without any agent
	for _, name := range []string{"first", "second"} {
		key := filepath.Join(u.dir, name)
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", key).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		socket := key + ".agent"
		agent := u.begin(u.stock("ssh-agent", "-D", "-a", socket))
		agent.expect("SSH_AUTH_SOCK")
		add := u.stock("ssh-add", "-q", key)
		add.Env = append(add.Env, "SSH_AUTH_SOCK="+socket)
		if r := u.run(add); r.code != 0 {
			t.Fatalf("ssh-add: %+v", r)
		}
		list := u.stock("ssh", "-F", u.config, "-A", "target", "ssh-add -l")
		list.Env = append(list.Env, "SSH_AUTH_SOCK="+socket)
		if r := u.run(list); r.code != 0 || !strings.Contains(r.out, " "+name+" ") || strings.Count(r.out, "\n") != 1 {
			t.Errorf("%s: %+v", name, r)
		}
		list = u.stock("ssh", "-F", u.config, "-a", "target", "ssh-add -l")
		list.Env = append(list.Env, "SSH_AUTH_SOCK="+socket)
		if r := u.run(list); r.code == 0 {
			t.Errorf("%s without -A: %+v", name, r)
		}
	}
	wantOneLogin(t, c, "target")
}

// TestTwoAgents: clients with different agents at the same time each have
// their own, the second on a connection apart.
func TestTwoAgents(t *testing.T) {
	t.Parallel()
	sshtest.Require(t, "ssh-agent", "ssh-add", "ssh-keygen")
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "target"})
	u := setUp(t, c)
	u.mustSSH("target", "true")
	var sessions []*live
	var keys []string
	for range 2 {
		key := newKey(t, "ed25519")
		out, err := exec.Command("ssh-keygen", "-l", "-f", key).Output()
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, strings.Fields(string(out))[1])
		cmd := u.stock("ssh", "-F", u.config, "-A", "target", "echo ready; read go; ssh-add -l")
		cmd.Env = append(cmd.Env, "SSH_AUTH_SOCK="+agentWith(t, key))
		sessions = append(sessions, u.begin(cmd))
	}
	for _, s := range sessions {
		s.expect("ready")
	}
	for i, s := range sessions {
		fmt.Fprintln(s.in, "go")
		code := s.wait(soon)
		if out := s.out.String(); code != 0 || !strings.Contains(out, keys[i]) || strings.Count(out, "\n") != 2 || s.err.String() != "" {
			t.Errorf("session %d: exit code %d, stdout %q, stderr %q; want the key %s", i, code, out, s.err, keys[i])
		}
	}
	if n := len(u.status().Masters); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

// TestExitIsNoFailure: who rides a connection that is closed on purpose hears
// of no failure.
func TestExitIsNoFailure(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "target"})
	u := setUp(t, c)
	u.mustSSH("target", "true")
	stock := func(args ...string) *exec.Cmd { return u.stock("ssh", append([]string{"-F", u.config}, args...)...) }
	const wait = "echo ready; read x"
	plain := u.begin(stock("target", wait))
	tty := u.begin(stock("-tt", "target", wait))
	hold := u.begin(stock("-N", "-v", "target"))
	ours := u.start("target", wait)
	for _, s := range []*live{plain, tty, ours} {
		s.expect("ready")
	}
	if !hold.err.await("mux_client_request_session: master session id", soon) {
		t.Fatalf("no session for -N: %q", hold.err)
	}
	if r := u.ssh("-O", "exit", "target"); r.code != 0 {
		t.Fatalf("exit: %+v", r)
	}
	for _, tt := range []struct {
		client    *live
		name, err string
	}{
		{plain, "stock", ""},
		{tty, "stock with a terminal", "Shared connection to 127.0.0.1 closed.\r\n"},
		{ours, "ours", "sally: target: connection closed\r\n"},
	} {
		if code := tt.client.wait(soon); code != 255 || tt.client.err.String() != tt.err {
			t.Errorf("%s: exit code %d, stderr %q; want 255 and %q", tt.name, code, tt.client.err, tt.err)
		}
	}
	if code := hold.wait(soon); code != 255 || strings.Contains(hold.err.String(), "sally: ") {
		t.Errorf("-N: exit code %d, stderr %q", code, hold.err)
	}
}

// TestWhatControlClientsDo: status tells what each is here for, and counts only
// those that have a session.
func TestWhatControlClientsDo(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "target"})
	u := setUp(t, c)
	u.mustSSH("target", "true")
	wants := func(sessions int, want ...string) {
		t.Helper()
		await(t, fmt.Sprintf("%q", want), func() bool {
			m := u.master("target")
			var got []string
			for _, h := range m.Held {
				got = append(got, h.Use+" "+h.What)
			}
			return m.Sessions == sessions && slices.Equal(got, want)
		})
	}
	wants(0)
	idle, err := net.Dial("unix", u.master("target").Control)
	if err != nil {
		t.Fatal(err)
	}
	wants(0, "request control client")
	idle.Close()
	wants(0)
	for _, tt := range []struct {
		args     []string
		sessions int
		want     string
	}{
		{[]string{"target", "cat"}, 1, "session command"},
		{[]string{"-T", "target"}, 1, "session shell"},
		{[]string{"-s", "target", "sftp"}, 1, "session subsystem"},
		{[]string{"-N", "target"}, 0, "hold hold"},
		{[]string{"-W", fmt.Sprint("127.0.0.1:", echoServer(t)), "target"}, 0, "forward stdio forward"},
	} {
		l := u.begin(u.stock("ssh", append([]string{"-F", u.config}, tt.args...)...))
		wants(tt.sessions, tt.want)
		l.cmd.Process.Kill()
		wants(0)
	}
}

// TestAsk: with ControlMaster ask, the owner of the connection is asked about
// each client, and one that is turned down does not log in by itself.
func TestAskBeforeSharing(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "target", ClientConfig: []string{"ControlMaster ask"}})
	u := newUser(t, c)
	asked := filepath.Join(u.dir, "asked")
	answer := filepath.Join(u.dir, "answer")
	askpass := filepath.Join(u.dir, "askpass")
	sshtest.WriteProgram(t, askpass, fmt.Sprintf("#!/bin/sh\necho \"$1\" >>%s\nexec test -e %s\n", asked, answer))
	path := filepath.Join(u.dir, "ctl")
	owner := u.cmd("ssh", "-S", path, "-N", "target")
	owner.Env = append(owner.Env, "SSH_ASKPASS="+askpass, "SSH_ASKPASS_REQUIRE=force")
	u.begin(owner)
	await(t, "the socket is there", func() bool { _, err := os.Stat(path); return err == nil })
	r := u.ssh("-o", "ControlMaster=no", "-S", path, "target", "true")
	if r.code != 255 || !strings.Contains(r.err, "Permission denied") {
		t.Errorf("denied: %+v", r)
	}
	writeFile(t, answer, "")
	if r := u.ssh("-o", "ControlMaster=no", "-S", path, "target", "echo yes"); r.code != 0 || r.out != "yes\n" {
		t.Errorf("allowed: %+v", r)
	}
	if r := u.ssh("-o", "ControlMaster=no", "-S", path, "-O", "check", "target"); r.code != 0 {
		t.Errorf("check: %+v", r)
	}
	if got := readFile(t, asked); got != strings.Repeat("Allow shared session to 127.0.0.1? \n", 2) {
		t.Errorf("asked %q", got)
	}
	wantOneLogin(t, c, "target")
}

// TestSocketComesBack when a client has removed it.
func TestSocketComesBack(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "target"})
	u := setUp(t, c)
	u.mustSSH("target", "true")
	path := u.master("target").Control
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	await(t, "the socket is back", func() bool { _, err := os.Stat(path); return err == nil })
	if r := u.ssh("-o", "ControlPath="+path, "target", "echo back"); r.out != "back\n" {
		t.Errorf("%+v", r)
	}
	wantOneLogin(t, c, "target")
}

// TestDeadPathIsNotAlive: a check is a round trip.
func TestDeadPathIsNotAlive(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "target"})
	u := setUp(t, c)
	u.mustSSH("target", "true")
	c.Host("target").Freeze()
	r := u.ssh("-O", "check", "target")
	if r.code != 255 || r.took > soon {
		t.Errorf("%+v", r)
	}
	c.Host("target").Thaw()
	if r := u.ssh("-O", "check", "target"); r.code != 0 {
		t.Errorf("thawed: %+v", r)
	}
}

// TestRefusalIsFinal: a server that allows no session says so on the client's
// standard error, and there is no second login.
func TestRefusalIsFinal(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "target", ExtraConfig: []string{"MaxSessions 0"}})
	u := setUp(t, c)
	r := u.ssh("target", "true")
	if r.code != 255 || !strings.Contains(r.err, "open failed") {
		t.Errorf("%+v", r)
	}
	wantOneLogin(t, c, "target")
}

// TestExpiryRace starts clients all the time while the connection expires as
// soon as nobody uses it: none is turned away.
func TestExpiryRace(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "target", ClientConfig: []string{"ControlPersist 1"}})
	u := setUp(t, c)
	for i := range 12 {
		time.Sleep(time.Second + time.Duration(i-6)*5*time.Millisecond) // around the expiry
		if r := u.ssh("target", "echo here"); r.code != 0 || r.out != "here\n" || r.err != "" {
			t.Errorf("client %d: %+v", i, r)
		}
	}
}

// TestInfo shows what is known of a connection, to our own client.
func TestInfo(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "target"})
	u := setUp(t, c)
	u.mustSSH("target", "true")
	if out := u.must("ssh", "-O", "conninfo", "target"); !strings.Contains(out, c.Host("target").Addr) {
		t.Errorf("conninfo: %q", out)
	}
	l := u.begin(u.stock("ssh", "-F", u.config, "target", "echo open; cat"))
	l.expect("open")
	if out := u.must("ssh", "-O", "channels", "target"); !strings.Contains(out, fmt.Sprint("pid ", l.cmd.Process.Pid)) {
		t.Errorf("channels: %q", out)
	}
	if out := u.must("ssh", "-O", "proxy", "target", "echo through a proxy"); out != "through a proxy\n" {
		t.Errorf("proxy: %q", out)
	}
	l.in.Close()
	l.wait(soon)
	wantOneLogin(t, c, "target")
}

// TestControlPathNowhere cannot be listened on: whoever wants to share a
// connection is told that it would not be.
func TestControlPathNowhere(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		c.use(oneJump(t))
		path := filepath.Join(t.TempDir(), "missing", "socket")
		for _, options := range [][]string{{"-M"}, {"-o", "ControlMaster=auto"}, {"-o", "ControlMaster=auto", "-o", "ControlPersist=1m"}} {
			r := c.fails([]string{"no such file or directory", "No such file or directory"}, append(options, "-S", path, "jump", "true")...)
			if !strings.Contains(r.err, path) {
				t.Errorf("%q: which? %s", options, r.err)
			}
		}
		if out := c.must("-S", path, "jump", "echo in"); out != "in\n" {
			t.Errorf("without ControlMaster: %q", out)
		}
	})
}
