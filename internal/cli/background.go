//go:build unix

package cli

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// backgroundVar tells a child that it is the part of a command that goes into
// the background (-f), and on which descriptor to say when.
const (
	backgroundVar = "SALLY_BACKGROUND_FD"
	// roleVar says what the child is to be.
	roleVar = "SALLY_BACKGROUND_ROLE"
)

// The roles of a child.
const (
	roleCommand = "command" // all that the command line asks for
	roleMaster  = "master"  // a master for others and nothing else
	roleRider   = "rider"   // the session, on the master that is there now
)

// background is the two halves of -f. The parent waits in the foreground until
// the child, which asks its questions on the same terminal, says that all is
// set up; then the parent exits and the child leaves the terminal.
type background struct {
	ready *os.File
	role  string
}

// newBackground takes up the child's role if the environment says so. What we
// start in turn (LocalCommand, SSH_ASKPASS, a ProxyCommand that is sally again)
// must not take it up as well, and a server must not be sent it.
func (a *App) newBackground() *background {
	number, role := a.Getenv(backgroundVar), a.Getenv(roleVar)
	for _, name := range []string{backgroundVar, roleVar} {
		_ = os.Unsetenv(name)
		a.Environ = slices.DeleteFunc(slices.Clone(a.Environ), func(e string) bool { return strings.HasPrefix(e, name+"=") })
	}
	fd, err := strconv.Atoi(number)
	if err != nil || fd < 3 {
		return nil
	}
	unix.CloseOnExec(fd)
	return &background{ready: os.NewFile(uintptr(fd), "background"), role: role}
}

// is reports whether this process has the role; none has it in the foreground.
func (b *background) is(role string) bool { return b != nil && b.role == role }

// detach tells the parent to exit and leaves its session.
func (b *background) detach() {
	if null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0); err == nil {
		_ = dupTo(int(null.Fd()), 0)
		if b.role == roleMaster { // whoever waits for the end of our output waits for the command, not for us
			_ = dupTo(int(null.Fd()), 1)
			_ = dupTo(int(null.Fd()), 2)
		}
		null.Close()
	}
	_, _ = syscall.Setsid()
	_, _ = b.ready.Write([]byte{exitOK})
	b.ready.Close()
}

// runInBackground starts this command line again as the child and returns the
// exit code of the foreground part.
func (a *App) runInBackground(role string) (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	cmd := &exec.Cmd{Path: self, Args: a.Args, Stdin: a.Stdin, Stdout: a.Stdout, Stderr: a.Stderr, ExtraFiles: []*os.File{w}}
	cmd.Env = append(slices.Clone(a.Environ), backgroundVar+"=3", roleVar+"="+role)
	err = cmd.Start()
	w.Close()
	if err != nil {
		return 0, fmt.Errorf("go into the background: %w", err)
	}
	code := make([]byte, 1)
	if n, _ := r.Read(code); n == 1 {
		return int(code[0]), cmd.Process.Release()
	}
	err = cmd.Wait() // it failed before it was ready
	if cmd.ProcessState != nil && cmd.ProcessState.ExitCode() > 0 {
		return cmd.ProcessState.ExitCode(), nil
	}
	return exitSSH, err
}
