package sshtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// Console is a program on a terminal, and somebody who reads and types. Every
// failure ends the test and shows what was on the terminal.
type Console struct {
	t     testing.TB
	cmd   *exec.Cmd
	pty   *os.File
	first unix.Termios
	done  chan struct{} // closed when the program has ended and its output is read

	// state: guarded by mu
	mu      sync.Mutex
	all     strings.Builder
	matched int           // bytes of all that Expect has used up
	changed chan struct{} // closed when something was added
	ended   bool
}

// Tty starts cmd as the leader of a session on a new terminal of 80 × 24. Its
// standard streams are the terminal unless they are set. At the end of the test
// the program is killed if it still runs.
func Tty(t testing.TB, cmd *exec.Cmd) *Console {
	t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	c := &Console{t: t, cmd: cmd, pty: interruptible(t, master), done: make(chan struct{}), changed: make(chan struct{})}
	c.Resize(80, 24)
	c.first = c.Termios()
	if err := startOn(cmd, tty); err != nil {
		c.pty.Close()
		t.Fatal(err)
	}
	go c.read()
	t.Cleanup(c.close)
	return c
}

// startOn starts cmd with tty as its controlling terminal, and as each standard
// stream that is not set. When all are set, cmd gets the tty as an extra
// descriptor: the kernel wants the process to hold its controlling terminal.
func startOn(cmd *exec.Cmd, tty *os.File) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid = true
	cmd.SysProcAttr.Setctty = true
	at := -1
	if cmd.Stderr == nil {
		cmd.Stderr, at = tty, 2
	}
	if cmd.Stdout == nil {
		cmd.Stdout, at = tty, 1
	}
	if cmd.Stdin == nil {
		cmd.Stdin, at = tty, 0
	}
	if at < 0 {
		at = 3 + len(cmd.ExtraFiles)
		cmd.ExtraFiles = append(cmd.ExtraFiles, tty)
	}
	cmd.SysProcAttr.Ctty = at
	return cmd.Start()
}

// interruptible replaces a file by one whose Read ends when it is closed.
func interruptible(t testing.TB, f *os.File) *os.File {
	t.Helper()
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), f.Name())
}

// read collects the terminal's output. It ends when nobody has the terminal
// open any more.
func (c *Console) read() {
	defer close(c.done)
	buf := make([]byte, 4096)
	for {
		n, err := c.pty.Read(buf)
		c.mu.Lock()
		c.all.Write(buf[:n])
		c.ended = err != nil
		close(c.changed)
		c.changed = make(chan struct{})
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (c *Console) close() {
	if c.cmd.ProcessState == nil {
		c.cmd.Process.Kill()
		c.cmd.Wait()
	}
	c.pty.Close()
	<-c.done
}

// Expect waits until text appears in the output after the last match, and
// returns everything from there to the end of text.
func (c *Console) Expect(text string, within time.Duration) string {
	c.t.Helper()
	timer := time.NewTimer(within)
	defer timer.Stop()
	for {
		found, changed, ended := c.match(text)
		if found != "" {
			return found
		}
		if ended {
			c.t.Fatalf("want %q, but the terminal was closed\n%s", text, c.Transcript())
		}
		select {
		case <-changed:
		case <-timer.C:
			c.t.Fatalf("no %q within %v\n%s", text, within, c.Transcript())
		}
	}
}

func (c *Console) match(text string) (found string, changed <-chan struct{}, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rest := c.all.String()[c.matched:]
	i := strings.Index(rest, text)
	if i < 0 {
		return "", c.changed, c.ended
	}
	end := i + len(text)
	c.matched += end
	return rest[:end], nil, false
}

// Output is everything that was on the terminal so far.
func (c *Console) Output() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all.String()
}

// Transcript is Output in a form for messages, with control characters spelled
// out and a mark at the end of the last match.
func (c *Console) Transcript() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	b.WriteString("--- terminal:\n")
	all := c.all.String()
	for line := range strings.Lines(all[:c.matched]) {
		fmt.Fprintf(&b, "  %q\n", line)
	}
	b.WriteString("--- not matched:\n")
	for line := range strings.Lines(all[c.matched:]) {
		fmt.Fprintf(&b, "  %q\n", line)
	}
	return b.String()
}

// Send types text. "\r" is the Enter key, "\x03" is ^C, "\x04" is ^D.
func (c *Console) Send(text string) {
	c.t.Helper()
	if _, err := c.pty.WriteString(text); err != nil {
		c.t.Fatalf("type %q: %v\n%s", text, err, c.Transcript())
	}
}

// Resize changes the terminal's size, in characters, and signals SIGWINCH.
func (c *Console) Resize(columns, rows int) {
	c.t.Helper()
	ws := &unix.Winsize{Col: uint16(columns), Row: uint16(rows)}
	c.control("resize", func(fd int) error { return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, ws) })
}

// FirstTermios is the terminal's state before the program was started.
func (c *Console) FirstTermios() unix.Termios { return c.first }

// Termios is the terminal's state: its modes can be compared before and after.
func (c *Console) Termios() unix.Termios {
	c.t.Helper()
	var state unix.Termios
	c.control("read the modes", func(fd int) error {
		got, err := unix.IoctlGetTermios(fd, ioctlGetTermios)
		if err == nil {
			state = *got
		}
		return err
	})
	return state
}

func (c *Console) control(what string, f func(fd int) error) {
	c.t.Helper()
	raw, err := c.pty.SyscallConn()
	if err == nil {
		ctlErr := raw.Control(func(fd uintptr) { err = f(int(fd)) })
		err = errors.Join(err, ctlErr)
	}
	if err != nil {
		c.t.Fatalf("%s: %v", what, err)
	}
}

// PID is the program's process id.
func (c *Console) PID() int { return c.cmd.Process.Pid }

// Wait waits for the program to end and returns its exit status, or minus the
// number of the signal that ended it.
func (c *Console) Wait(within time.Duration) int {
	c.t.Helper()
	ended := make(chan struct{})
	go func() {
		c.cmd.Wait()
		close(ended)
	}()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		c.cmd.Process.Kill()
		<-ended
		c.t.Fatalf("still running after %v\n%s", within, c.Transcript())
	}
	c.settle()
	if ws := c.cmd.ProcessState.Sys().(syscall.WaitStatus); ws.Signaled() {
		return -int(ws.Signal())
	}
	return c.cmd.ProcessState.ExitCode()
}

// settle waits for the rest of the output, unless something that the program
// left keeps the terminal open.
func (c *Console) settle() {
	select {
	case <-c.done:
	case <-time.After(time.Second):
	}
}
