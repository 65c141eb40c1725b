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
	// masterVar makes the child nothing but a master for others.
	masterVar = "SALLY_BACKGROUND_MASTER"
)

// background is the two halves of -f. The parent waits in the foreground until
// the child, which asks its questions on the same terminal, says that all is
// set up; then the parent exits and the child leaves the terminal.
type background struct {
	ready  *os.File
	master bool // it only keeps a connection for others
}

// newBackground takes up the child's role if the environment says so. What we
// start in turn (LocalCommand, SSH_ASKPASS, a ProxyCommand that is sally again)
// must not take it up as well, and a server must not be sent it.
func (a *App) newBackground() *background {
	number, master := a.Getenv(backgroundVar), a.Getenv(masterVar) != ""
	for _, name := range []string{backgroundVar, masterVar} {
		_ = os.Unsetenv(name)
		a.Environ = slices.DeleteFunc(slices.Clone(a.Environ), func(e string) bool { return strings.HasPrefix(e, name+"=") })
	}
	fd, err := strconv.Atoi(number)
	if err != nil || fd < 3 {
		return nil
	}
	unix.CloseOnExec(fd)
	return &background{ready: os.NewFile(uintptr(fd), "background"), master: master}
}

// detach tells the parent to exit and leaves its session.
func (b *background) detach() {
	if null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0); err == nil {
		_ = dupTo(int(null.Fd()), 0)
		if b.master { // whoever waits for the end of our output waits for the command, not for us
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
// exit code of the foreground part. A master is all that is left there.
func (a *App) runInBackground(master bool) (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	cmd := &exec.Cmd{Path: self, Args: a.Args, Stdin: a.Stdin, Stdout: a.Stdout, Stderr: a.Stderr, ExtraFiles: []*os.File{w}}
	cmd.Env = append(a.Environ, backgroundVar+"=3")
	if master {
		cmd.Env = append(cmd.Env, masterVar+"=1")
	}
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
