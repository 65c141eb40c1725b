package main_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"sallyport/internal/sshtest"
)

// stock is one of OpenSSH's programs, or one that runs ssh, as this user has
// it. It has no terminal.
func (u *user) stock(program string, args ...string) *exec.Cmd {
	u.t.Helper()
	c := exec.Command(sshtest.Path(u.t, program), args...)
	c.Env = u.env()
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return c
}

// ssh runs the stock client with the user's configuration.
func (u *user) ssh(args ...string) result {
	u.t.Helper()
	return u.run(u.stock("ssh", append([]string{"-F", u.config}, args...)...))
}

// mustSSH wants exit code 0 and nothing on standard error.
func (u *user) mustSSH(args ...string) string {
	u.t.Helper()
	r := u.ssh(args...)
	if r.code != 0 || r.err != "" {
		u.t.Fatalf("ssh %q: exit code %d, stderr %q", args, r.code, r.err)
	}
	return r.out
}

// setUp lets plain ssh share the connections to every host of the chain.
func setUp(t testing.TB, c *sshtest.Chain) *user {
	t.Helper()
	sshtest.Require(t, "ssh")
	u := newUser(t, c)
	u.must("setup", "--yes")
	return u
}

func TestSetup(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config, kept := filepath.Join(dir, "config"), filepath.Join(dir, "dotfiles")
	text := "# mine, without a newline at the end\nHost web db # two\n  User me\nHost *.lan\n  Compression yes"
	if err := os.WriteFile(kept, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(kept, config); err != nil {
		t.Fatal(err)
	}
	u := newUserWith(t, config)
	if r := u.sally("setup"); r.code != 1 || !strings.Contains(r.out, "+ Include") || readFile(t, config) != text {
		t.Errorf("without anybody to agree: %+v", r)
	}
	u.must("setup", "--yes")
	if !strings.HasPrefix(readFile(t, config), "Include ") || !strings.HasSuffix(readFile(t, config), "\n"+text) {
		t.Errorf("config is %q", readFile(t, config))
	}
	ours := filepath.Join(dir, "sally.conf")
	if !strings.Contains(readFile(t, ours), "Match originalhost web,db exec") {
		t.Errorf("our file is %q", readFile(t, ours))
	}
	if out := u.must("setup", "--yes"); out != "nothing to change\n" {
		t.Errorf("the second time: %q", out)
	}
	if out := u.must("setup", "--yes", "only"); !strings.Contains(out, "\n  - Match originalhost web,db exec ") || !strings.Contains(out, "\n  + Match originalhost only exec ") {
		t.Errorf("what goes and comes: %q", out)
	}
	if !strings.Contains(readFile(t, ours), "Match originalhost only exec") || strings.Count(readFile(t, config), "Include") != 1 {
		t.Errorf("with a host: %q, %q", readFile(t, ours), readFile(t, config))
	}
	u.must("setup", "--remove", "--yes")
	info, err := os.Stat(kept)
	if err != nil || info.Mode().Perm() != 0o640 || readFile(t, kept) != text {
		t.Errorf("removed: mode %v, %q, %v", info.Mode(), readFile(t, kept), err)
	}
	if link, err := os.Readlink(config); err != nil || link != kept {
		t.Errorf("the link is %q, %v", link, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 2 {
		t.Errorf("left: %v", left)
	}
}

// TestSetupRefuses a configuration that ssh would refuse too.
func TestSetupRefuses(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "config")
	writeFile(t, config, "Host web\n  Usr me\n")
	u := newUserWith(t, config)
	r := u.sally("setup", "--yes")
	if r.code != 1 || !strings.Contains(r.err, "line 2") {
		t.Errorf("%+v", r)
	}
	if got := readFile(t, config); strings.Contains(got, "Include") {
		t.Errorf("config is %q", got)
	}
}

// TestSetupKeepsWhatOthersWrite: an editor saves while setup asks, and a file has
// a second name, which a new file in its place would lose.
func TestSetupKeepsWhatOthersWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := filepath.Join(dir, "config")
	writeFile(t, config, "Host web\n")
	u := newUserWith(t, config)
	con := u.tty("setup")
	con.Expect("[y/N]", soon)
	writeFile(t, config, "Host web\n  User me\n")
	con.Send("y\r")
	con.Expect("changed meanwhile; nothing was written", soon)
	if code := con.Wait(soon); code != 1 || readFile(t, config) != "Host web\n  User me\n" {
		t.Errorf("exit code %d, config %q", code, readFile(t, config))
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
	if err := os.Link(config, filepath.Join(dir, "second")); err != nil {
		t.Fatal(err)
	}
	wantError(t, u.sally("setup", "--yes"), "setup: ", "has 2 names (hard links)")
}

// TestPlainSSHWorks where sally cannot: it is not there, or fails.
func TestPlainSSHWorks(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "target"})
	u := setUp(t, c)
	ours := filepath.Join(c.Dir(), "sally.conf")
	text := readFile(t, ours)
	for _, command := range []string{"/nonexistent/sally", "false"} {
		writeFile(t, ours, strings.ReplaceAll(text, program, command))
		if r := u.ssh("target", "echo plain"); r.code != 0 || r.out != "plain\n" {
			t.Errorf("%s: %+v", command, r)
		}
	}
	if m := u.master("target"); m != nil {
		t.Errorf("master: %+v", m)
	}
}

// TestQueriesDoNotDial: ssh -G and ssh -O bring nothing up, and find what is.
func TestQueriesDoNotDial(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "target"})
	u := setUp(t, c)
	path := ""
	for line := range strings.Lines(u.ssh("-G", "target").out) {
		if rest, ok := strings.CutPrefix(line, "controlpath "); ok {
			path = strings.TrimSpace(rest)
		}
	}
	if r := u.ssh("-O", "check", "target"); r.code != 255 || !strings.Contains(r.err, "No such file") {
		t.Errorf("check of nothing: %+v", r)
	}
	if n := c.Host("target").Connections(); n != 0 {
		t.Fatalf("%d connections", n)
	}
	if out := u.mustSSH("target", "echo one"); out != "one\n" {
		t.Errorf("%q", out)
	}
	if got := u.master("target").Control; path == "" || got != path {
		t.Errorf("control socket at %q, ssh looks at %q", got, path)
	}
	if r := u.ssh("-O", "check", "target"); r.code != 0 || !strings.Contains(r.err, "Master running (pid=") {
		t.Errorf("check: %+v", r)
	}
	if r := u.ssh("-O", "exit", "target"); r.code != 0 {
		t.Errorf("exit: %+v", r)
	}
	await(t, "the connection is gone", func() bool { return u.master("target") == nil })
	if _, err := net.Dial("unix", path); err == nil {
		t.Error("the socket is still there")
	}
	wantOneLogin(t, c, "target")
}

// TestColdSSHs starts 50 stock clients at once when nothing runs.
func TestColdSSHs(t *testing.T) {
	for _, limit := range []int{10, 3} {
		t.Run(fmt.Sprint("MaxSessions ", limit), func(t *testing.T) {
			c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump1"}, sshtest.HostConfig{Name: "jump2"},
				sshtest.HostConfig{Name: "target", ExtraConfig: []string{fmt.Sprint("MaxSessions ", limit)}})
			u := setUp(t, c)
			results := make([]result, 50)
			var clients sync.WaitGroup
			for i := range results {
				clients.Go(func() { results[i] = u.ssh("target", fmt.Sprint("echo number ", i)) })
			}
			clients.Wait()
			for i, r := range results {
				if r.code != 0 || r.out != fmt.Sprintf("number %d\n", i) || strings.Contains(r.err, "mux") || strings.Contains(r.err, "sally") {
					t.Errorf("client %d: exit code %d, stdout %q, stderr %q", i, r.code, r.out, r.err)
				}
			}
			wantOneLogin(t, c, "jump1", "jump2", "target")
		})
	}
}

// TestOnePathTwoRoutes: before OpenSSH 9.6, %C is the same whatever the jump
// host. A client must never reach the wrong one.
func TestOnePathTwoRoutes(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump1"},
		sshtest.HostConfig{Name: "jump2", Via: "none"}, sshtest.HostConfig{Name: "target", Via: "jump1"})
	u := setUp(t, c)
	for _, way := range []struct{ jump, addr string }{{"jump1", c.Host("jump1").Addr}, {"jump2", c.Host("jump2").Addr}} {
		before := c.Host(way.jump).Connections()
		r := u.ssh("-J", way.jump, "target", "echo there")
		if r.code != 0 || r.out != "there\n" {
			t.Errorf("through %s: %+v", way.jump, r)
		}
		if c.Host(way.jump).Connections() == before {
			t.Errorf("the way did not lead through %s", way.jump)
		}
	}
}
