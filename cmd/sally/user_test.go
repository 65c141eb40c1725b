package main_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport/internal/api"
	"sallyport/internal/sshtest"
)

// user is somebody with a runtime directory, and so a daemon, of his own.
type user struct {
	t      testing.TB
	dir    string // XDG_RUNTIME_DIR
	config string // for -F
}

// newUser makes a user of the chain's configuration. At the end of the test
// his daemon must end when told to, and leave nothing.
func newUser(t testing.TB, chain *sshtest.Chain) *user {
	t.Helper()
	return newUserWith(t, chain.ConfigFile())
}

func newUserWith(t testing.TB, config string) *user {
	t.Helper()
	dir, err := os.MkdirTemp("", "e2e")
	if err != nil {
		t.Fatal(err)
	}
	u := &user{t: t, dir: dir, config: config}
	t.Cleanup(u.leave)
	return u
}

// leave ends the daemon and looks for what must not be there.
func (u *user) leave() {
	defer os.RemoveAll(u.dir)
	if r := u.sally("quit"); r.code != 0 {
		u.t.Errorf("quit: %v", r)
	}
	if !poll(soon, func() bool { return len(u.processes("")) == 0 }) {
		u.t.Errorf("processes left: %v", u.processes(""))
	}
	if left, _ := filepath.Glob(filepath.Join(u.dir, "sally", "*.sock")); len(left) > 0 {
		u.t.Errorf("sockets left: %v", left)
	}
	reports, _ := filepath.Glob(filepath.Join(u.dir, "race.*"))
	for _, file := range reports {
		text, _ := os.ReadFile(file)
		u.t.Errorf("data race:\n%s", text)
	}
}

// processes lists the user's running programs whose command line begins with
// the program and has the given argument first; "" is all.
func (u *user) processes(argument string) []sshtest.Process {
	var found []sshtest.Process
	for _, p := range sshtest.ProcessesWith("XDG_RUNTIME_DIR=" + u.dir) {
		if strings.HasPrefix(p.Command, program+" "+argument) {
			found = append(found, p)
		}
	}
	return found
}

// cmd is a run of the program. It has no terminal, not even a controlling
// one, and no input.
func (u *user) cmd(args ...string) *exec.Cmd {
	c := exec.Command(program, append([]string{"-F", u.config}, args...)...)
	c.Env = u.env()
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return c
}

func (u *user) env() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TERM=xterm", "LC_ALL=C",
		"XDG_RUNTIME_DIR=" + u.dir, "XDG_DATA_HOME=" + filepath.Join(u.dir, "data"), "XDG_STATE_HOME=" + filepath.Join(u.dir, "state"),
		"GORACE=log_path=" + filepath.Join(u.dir, "race"),
	}
}

// tty runs the program on a terminal.
func (u *user) tty(args ...string) *sshtest.Console {
	u.t.Helper()
	return sshtest.Tty(u.t, u.cmd(args...))
}

// result is how a run ended.
type result struct {
	out, err string
	code     int
	took     time.Duration
}

// sally runs the program to its end, which must come soon.
func (u *user) sally(args ...string) result {
	u.t.Helper()
	return u.run(u.cmd(args...))
}

func (u *user) run(c *exec.Cmd) result {
	u.t.Helper()
	var out, errOut bytes.Buffer
	if c.Stdout == nil {
		c.Stdout = &out
	}
	c.Stderr = &errOut
	c.WaitDelay = soon
	start := time.Now()
	if err := c.Start(); err != nil {
		u.t.Fatal(err)
	}
	late := time.AfterFunc(6*soon, func() { c.Process.Kill() })
	err := c.Wait()
	if !late.Stop() {
		u.t.Errorf("%v was killed after %v", c.Args, 6*soon)
	}
	if err != nil && c.ProcessState == nil {
		u.t.Fatal(err)
	}
	return result{out.String(), errOut.String(), c.ProcessState.ExitCode(), time.Since(start)}
}

// must runs the program and wants exit code 0 and nothing on standard error.
func (u *user) must(args ...string) string {
	u.t.Helper()
	r := u.sally(args...)
	if r.code != 0 || r.err != "" {
		u.t.Fatalf("sally %q: exit code %d, stderr %q", args, r.code, r.err)
	}
	return r.out
}

// status is the daemon's, decoded from what a user sees.
func (u *user) status() api.Status {
	u.t.Helper()
	var s api.Status
	if err := json.Unmarshal([]byte(u.must("status", "--json")), &s); err != nil {
		u.t.Fatal(err)
	}
	return s
}

// master is a hop's connection in the status, nil if there is none.
func (u *user) master(hop string) *api.Master {
	u.t.Helper()
	for _, m := range u.status().Masters {
		if m.Hop == hop {
			return &m
		}
	}
	return nil
}

// live is a running session whose input is still open.
type live struct {
	t        testing.TB
	cmd      *exec.Cmd
	in       io.WriteCloser
	out, err *watched
	done     chan struct{}
}

// start starts our program and leaves its input open.
func (u *user) start(args ...string) *live {
	u.t.Helper()
	return u.begin(u.cmd(args...))
}

// begin starts a program and leaves its input open.
func (u *user) begin(c *exec.Cmd) *live {
	u.t.Helper()
	l := &live{t: u.t, cmd: c, out: newWatched(), err: newWatched(), done: make(chan struct{})}
	c.Stdout, c.Stderr = l.out, l.err
	var err error
	if l.in, err = c.StdinPipe(); err == nil {
		err = c.Start()
	}
	if err != nil {
		u.t.Fatal(err)
	}
	go func() { c.Wait(); close(l.done) }()
	u.t.Cleanup(func() {
		c.Process.Kill()
		<-l.done
	})
	return l
}

// expect waits for text on standard output.
func (l *live) expect(text string) {
	l.t.Helper()
	if !l.out.await(text, soon) {
		l.t.Fatalf("%v: no %q: stdout %q, stderr %q", l.cmd.Args, text, l.out, l.err)
	}
}

// wait waits for the end and returns the exit code.
func (l *live) wait(within time.Duration) int {
	l.t.Helper()
	select {
	case <-l.done:
	case <-time.After(within):
		l.t.Fatalf("%v: still running after %v: stdout %q, stderr %q", l.cmd.Args, within, l.out, l.err)
	}
	return l.cmd.ProcessState.ExitCode()
}

// pidOf is a process's id as in /proc.
func pidOf(p sshtest.Process) string { return strconv.Itoa(p.PID) }
