package main_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/sshtest"
)

// tool is a stock program that runs ssh by itself.
type tool struct {
	name string
	run  func(t *testing.T, u *user, dir string)
}

// done runs a command that must succeed and returns its output.
func (u *user) done(c *exec.Cmd) string {
	u.t.Helper()
	r := u.run(c)
	if r.code != 0 {
		u.t.Errorf("%v: exit code %d, stdout %q, stderr %q", c.Args, r.code, r.out, r.err)
	}
	return r.out
}

// wantSame compares a copy.
func wantSame(t testing.TB, file string, want []byte) {
	t.Helper()
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes instead of %d, or others: %v", file, len(got), len(want), err)
	}
}

// copies runs a copying command for each direction: from and to stand for the
// arguments "LOCAL" and "target:REMOTE".
func copies(command func(u *user, from, to string) *exec.Cmd) func(*testing.T, *user, string) {
	return func(t *testing.T, u *user, dir string) {
		data := make([]byte, 1<<20)
		rand.Read(data)
		local, remote, back := filepath.Join(dir, "local"), filepath.Join(dir, "remote"), filepath.Join(dir, "back")
		if err := os.WriteFile(local, data, 0o600); err != nil {
			t.Fatal(err)
		}
		u.done(command(u, local, "target:"+remote))
		wantSame(t, remote, data)
		u.done(command(u, "target:"+remote, back))
		wantSame(t, back, data)
	}
}

var tools = []tool{
	{"ssh", func(t *testing.T, u *user, _ string) {
		if out := u.mustSSH("target", "echo out; exit 0"); out != "out\n" {
			t.Errorf("%q", out)
		}
		if r := u.ssh("target", "exit 7"); r.code != 7 {
			t.Errorf("%+v", r)
		}
	}},
	{"ssh on a terminal", func(t *testing.T, u *user, _ string) {
		c := u.stock("ssh", "-F", u.config, "-t", "target", "tty; stty size; read x; echo got $x")
		c.SysProcAttr = nil
		console := sshtest.Tty(t, c)
		console.Expect("/dev/pts/", soon)
		console.Expect("24 80", soon)
		console.Send("a line\r")
		console.Expect("got a line", soon)
		if code := console.Wait(soon); code != 0 {
			t.Errorf("exit code %d", code)
		}
	}},
	{"scp", copies(func(u *user, from, to string) *exec.Cmd { return u.stock("scp", "-q", "-F", u.config, from, to) })},
	{"scp, the old protocol", copies(func(u *user, from, to string) *exec.Cmd {
		return u.stock("scp", "-O", "-q", "-F", u.config, from, to)
	})},
	{"rsync", copies(func(u *user, from, to string) *exec.Cmd {
		return u.stock("rsync", "-a", "-e", "ssh -F "+u.config, from, to)
	})},
	{"sftp", func(t *testing.T, u *user, dir string) {
		data := make([]byte, 1<<20)
		rand.Read(data)
		local, remote, back := filepath.Join(dir, "local"), filepath.Join(dir, "remote"), filepath.Join(dir, "back")
		if err := os.WriteFile(local, data, 0o600); err != nil {
			t.Fatal(err)
		}
		c := u.stock("sftp", "-q", "-b", "-", "-F", u.config, "target")
		c.Stdin = strings.NewReader(fmt.Sprintf("put %s %s\nget %s %s\n", local, remote, remote, back))
		u.done(c)
		wantSame(t, back, data)
	}},
	{"git", func(t *testing.T, u *user, dir string) {
		git := func(args ...string) string {
			c := u.stock("git", append([]string{"-c", "user.name=n", "-c", "user.email=e@x"}, args...)...)
			c.Env = append(c.Env, "GIT_SSH_COMMAND=ssh -F "+u.config, "GIT_CONFIG_GLOBAL=/dev/null")
			return u.done(c)
		}
		bare, work, again := filepath.Join(dir, "bare"), filepath.Join(dir, "work"), filepath.Join(dir, "again")
		git("init", "-q", "--bare", bare)
		git("clone", "-q", "target:"+bare, work)
		writeFile(t, filepath.Join(work, "file"), "content\n")
		git("-C", work, "add", "file")
		git("-C", work, "commit", "-q", "-m", "one")
		git("-C", work, "push", "-q", "origin", "HEAD")
		git("clone", "-q", "target:"+bare, again)
		if got := readFile(t, filepath.Join(again, "file")); got != "content\n" {
			t.Errorf("cloned %q", got)
		}
	}},
	{"ssh -W", func(t *testing.T, u *user, _ string) {
		c := u.stock("ssh", "-F", u.config, "-W", fmt.Sprintf("127.0.0.1:%d", echoServer(t)), "target")
		c.Stdin = strings.NewReader("there and back")
		if out := u.done(c); out != "there and back" {
			t.Errorf("%q", out)
		}
	}},
}

// TestStockTools runs each tool when nothing is up, and again. On every hop
// that is one login.
func TestStockTools(t *testing.T) {
	t.Parallel()
	for _, tool := range tools {
		t.Run(tool.name, func(t *testing.T) {
			t.Parallel()
			c := twoJumps(t)
			u := setUp(t, c)
			for _, when := range []string{"cold", "warm"} {
				dir := filepath.Join(u.dir, when)
				if err := os.Mkdir(dir, 0o700); err != nil {
					t.Fatal(err)
				}
				tool.run(t, u, dir)
			}
			wantOneLogin(t, c, "jump1", "jump2", "target")
			if u.master("target") == nil {
				t.Error("it was not through sally")
			}
		})
	}
}

// TestProxyCommandThroughUs is a stock ssh that knows nothing of us but its
// ProxyCommand.
func TestProxyCommandThroughUs(t *testing.T) {
	t.Parallel()
	c := twoJumps(t)
	u := newUser(t, c)
	for range 2 {
		r := u.ssh("-J", "none", "-o", fmt.Sprintf("ProxyCommand %s -F %s -W %%h:%%p jump2", program, u.config), "target", "echo there")
		if r.code != 0 || r.out != "there\n" {
			t.Errorf("%+v", r)
		}
	}
	wantOneLogin(t, c, "jump1", "jump2")
}

// TestAutossh keeps a forward open across the end of the connection.
func TestAutossh(t *testing.T) {
	t.Parallel()
	sshtest.Require(t, "autossh")
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "target"})
	u := setUp(t, c)
	path := filepath.Join(u.dir, "fwd")
	auto := u.stock("autossh", "-M", "0", "-F", u.config, "-N", "-o", "StreamLocalBindUnlink=yes",
		"-L", fmt.Sprintf("%s:127.0.0.1:%d", path, echoServer(t)), "target")
	auto.Env = append(auto.Env, "AUTOSSH_GATETIME=0", "AUTOSSH_PATH="+sshtest.Path(t, "ssh"))
	l := u.begin(auto)
	await(t, "the forward works", func() bool { return echoes("unix", path) })
	if r := u.ssh("-O", "exit", "target"); r.code != 0 {
		t.Errorf("exit: %+v", r)
	}
	await(t, "the forward works again", func() bool {
		return c.Host("target").AcceptedLogins() == 2 && echoes("unix", path)
	})
	l.cmd.Process.Signal(os.Interrupt)
	l.wait(soon)
}
