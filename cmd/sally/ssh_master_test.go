package main_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// master starts a master for jump that serves a control socket, and no session.
func (c *client) master(ctl string) *live {
	c.t.Helper()
	l := c.start("-S", ctl, "-M", "-N", "jump")
	await(c.t, "the socket is there", func() bool { _, err := os.Stat(ctl); return err == nil })
	return l
}

// TestSSHStopWithForwards: a master without a session ends after "-O stop",
// whatever it was asked to forward.
func TestSSHStopWithForwards(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := oneJump(t)
		c.use(chain)
		dir := t.TempDir()
		ctl, listen := filepath.Join(dir, "ctl"), filepath.Join(dir, "listen")
		master := c.master(ctl)
		c.must("-S", ctl, "-O", "forward", "-L", listen+":127.0.0.1:9", "jump")
		await(t, "it listens", func() bool { _, err := os.Stat(listen); return err == nil })
		c.run("-S", ctl, "-O", "stop", "jump")
		master.wait(soon)
	})
}

// TestSSHControlAnswers are for whoever asks: they go to standard error although
// messages go to a file, as scripts read the master's process from there.
func TestSSHControlAnswers(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		c.use(oneJump(t))
		dir := t.TempDir()
		ctl := filepath.Join(dir, "ctl")
		master := c.master(ctl)
		for _, test := range []struct{ command, want string }{
			{"check", fmt.Sprintf("Master running (pid=%d)", master.cmd.Process.Pid)}, {"exit", "Exit request sent."},
		} {
			r := c.run("-E", filepath.Join(dir, "log"), "-S", ctl, "-O", test.command, "jump")
			if r.code != 0 || strings.TrimRight(r.err, "\r\n") != test.want {
				t.Errorf("-O %s: %+v, want %q", test.command, r, test.want)
			}
		}
		master.wait(soon)
	})
}

// TestSSHControlForwards: all that can be done is done, and the exit codes are
// ssh's.
func TestSSHControlForwards(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		c.use(oneJump(t))
		dir := t.TempDir()
		ctl := filepath.Join(dir, "ctl")
		master := c.master(ctl)
		good, bad := dir+"/good:127.0.0.1:9", dir+"/none/bad:127.0.0.1:9"
		for _, test := range []struct {
			command []string
			code    int
			listens bool
		}{
			{[]string{"forward", "-L", bad, "-L", good}, 255, true},
			{[]string{"cancel", "-L", bad, "-L", good}, 0, false},
			{[]string{"cancel", "-L", good}, 0, false},
			{[]string{"cancel"}, 0, false},
			{[]string{"forward"}, 0, false},
			{[]string{"check", "-E", dir + "/none/log"}, 1, false},
		} {
			r := c.run(append(append([]string{"-S", ctl, "-O"}, test.command...), "jump")...)
			conn, err := net.Dial("unix", dir+"/good")
			if err == nil {
				conn.Close()
			}
			if r.code != test.code || (err == nil) != test.listens || strings.Contains(r.err, "forward") != slices.Contains(test.command, "-L") {
				t.Errorf("%q: %+v; %v", test.command, r, err)
			}
		}
		c.run("-S", ctl, "-O", "exit", "jump")
		master.wait(soon)
	})
}

// TestBackgroundBesideMaster: a command found another master at its control
// socket and goes into the background. That the master has ended meanwhile does
// not make it one, which would have nobody to end it.
func TestBackgroundBesideMaster(t *testing.T) {
	t.Parallel()
	c := ourSSH(t)
	c.use(oneJump(t))
	ready, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer ready.Close()
	ctl := filepath.Join(t.TempDir(), "ctl")
	cmd := c.cmd("-M", "-S", ctl, "-N", "jump")
	cmd.Env = append(cmd.Env, "SALLY_BACKGROUND_FD=3", "SALLY_BACKGROUND_ROLE=command", "SALLY_BACKGROUND_ALONE=1")
	cmd.ExtraFiles = []*os.File{theirs}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	defer cmd.Wait()
	defer cmd.Process.Kill()
	if n, err := ready.Read(make([]byte, 1)); n != 1 {
		t.Fatalf("it is not ready: %v", err)
	}
	if _, err := os.Stat(ctl); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is a master: %v", err)
	}
}
