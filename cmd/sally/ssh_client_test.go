package main_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sallyport/internal/sshtest"
)

// client is somebody's ssh: the stock one, or our program under that name. A
// test that is run against both says what people rely on, not what we do.
type client struct {
	t      testing.TB
	path   string
	config string   // for -F
	mark   string   // in the environment of all that it starts
	env    []string // more for the environment, or other values
	before []string // a command that runs the client: "unshare -m …"
}

// both runs a test against the stock ssh and against ours.
func both(t *testing.T, test func(*testing.T, *client)) {
	t.Helper()
	t.Parallel()
	t.Run("stock", func(t *testing.T) {
		t.Parallel()
		test(t, newClient(t, sshtest.Path(t, "ssh")))
	})
	t.Run("ours", func(t *testing.T) {
		t.Parallel()
		test(t, ourSSH(t))
	})
}

// ourSSH is the program called as ssh.
func ourSSH(t testing.TB) *client {
	t.Helper()
	link := filepath.Join(filepath.Dir(program), "ssh")
	if err := os.Symlink(filepath.Base(program), link); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	return newClient(t, link)
}

// newClient makes the client first, the hosts after it: at the end of the test
// the hosts go, and no process of the client may be left.
func newClient(t testing.TB, path string) *client {
	t.Helper()
	dir := t.TempDir()
	c := &client{t: t, path: path, config: "none", mark: "XDG_RUNTIME_DIR=" + dir}
	t.Cleanup(func() {
		left := func() []sshtest.Process { return sshtest.ProcessesWith(c.mark) }
		if !poll(soon, func() bool { return len(left()) == 0 }) {
			t.Errorf("processes left: %v", left())
			for _, p := range left() {
				syscall.Kill(p.PID, syscall.SIGKILL)
			}
		}
		reports, _ := filepath.Glob(filepath.Join(dir, "race.*"))
		for _, file := range reports {
			t.Errorf("data race:\n%s", readFile(t, file))
		}
	})
	return c
}

// ours says whether it is the program under test.
func (c *client) ours() bool { return filepath.Dir(c.path) == filepath.Dir(program) }

// use gives the client the configuration of a chain, with more lines before
// it, where they win.
func (c *client) use(chain *sshtest.Chain, lines ...string) {
	c.t.Helper()
	c.config = filepath.Join(c.t.TempDir(), "config")
	writeFile(c.t, c.config, strings.Join(lines, "\n")+"\n"+chain.Config())
}

// cmd is a run of the client without a terminal and without input.
func (c *client) cmd(args ...string) *exec.Cmd {
	all := append([]string{}, c.before...)
	all = append(append(all, c.path, "-F", c.config), args...)
	cmd := exec.Command(all[0], all[1:]...)
	cmd.Env = append([]string{
		"PATH=" + filepath.Dir(c.path) + ":" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TERM=xterm", "LC_ALL=C", "SHELL=/bin/sh",
		c.mark, "GORACE=log_path=" + filepath.Join(strings.TrimPrefix(c.mark, "XDG_RUNTIME_DIR="), "race"),
	}, c.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// run runs the client to its end.
func (c *client) run(args ...string) result {
	c.t.Helper()
	return c.end(c.cmd(args...))
}

func (c *client) end(cmd *exec.Cmd) result {
	c.t.Helper()
	return (&user{t: c.t}).run(cmd)
}

// must runs the client, wants exit code 0 and no word on standard error, and
// returns standard output.
func (c *client) must(args ...string) string {
	c.t.Helper()
	r := c.run(args...)
	if r.code != 0 || r.err != "" {
		c.t.Fatalf("ssh %q: exit code %d, stdout %q, stderr %q", args, r.code, r.out, r.err)
	}
	return r.out
}

// fails runs the client and wants exit code 255 and one of the texts on
// standard error.
func (c *client) fails(want []string, args ...string) result {
	c.t.Helper()
	r := c.run(args...)
	if r.code != 255 || r.out != "" || !containsAny(r.err, want) {
		c.t.Errorf("ssh %q: exit code %d, stdout %q, stderr lacks %q:\n%s", args, r.code, r.out, want, r.err)
	}
	return r
}

func containsAny(text string, any []string) bool {
	for _, a := range any {
		if strings.Contains(text, a) {
			return true
		}
	}
	return false
}

// start starts the client and leaves its input open.
func (c *client) start(args ...string) *live {
	c.t.Helper()
	cmd := c.cmd(args...)
	l := &live{t: c.t, cmd: cmd, out: newWatched(), err: newWatched(), done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = l.out, l.err
	cmd.WaitDelay = soon
	var err error
	if l.in, err = cmd.StdinPipe(); err == nil {
		err = cmd.Start()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	go func() { cmd.Wait(); close(l.done) }()
	c.t.Cleanup(func() {
		cmd.Process.Kill()
		<-l.done
	})
	return l
}

// tty runs the client on a terminal.
func (c *client) tty(args ...string) *sshtest.Console {
	c.t.Helper()
	return sshtest.Tty(c.t, c.cmd(args...))
}

// processes are the client's, also those that detached themselves.
func (c *client) processes() []sshtest.Process { return sshtest.ProcessesWith(c.mark) }

// address splits a host's address.
func address(t testing.TB, h *sshtest.Host) (ip, port string) {
	t.Helper()
	ip, port, err := net.SplitHostPort(h.Addr)
	if err != nil {
		t.Fatal(err)
	}
	return ip, port
}

// anyHost is a configuration for hosts that are named by their addresses: it
// has the keys and known_hosts of all.
func anyHost(chain *sshtest.Chain, names ...string) string {
	lines := []string{"Host *", "UserKnownHostsFile " + chain.KnownHostsFile(), "GlobalKnownHostsFile /dev/null", "StrictHostKeyChecking yes", "IdentitiesOnly yes"}
	for _, name := range names {
		lines = append(lines, "IdentityFile "+chain.Host(name).IdentityFile())
	}
	return strings.Join(lines, "\n  ") + "\n"
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
