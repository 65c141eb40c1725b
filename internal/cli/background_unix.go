//go:build unix

package cli

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// backgroundVar tells a child that it is the part of a command that goes into
// the background (-f), and on which descriptor to say when.
const (
	backgroundVar = "SALLY_BACKGROUND_FD"
	// roleVar says what the child is to be.
	roleVar = "SALLY_BACKGROUND_ROLE"
	// aloneVar says that the control socket is another master's: one that ends
	// meanwhile must not make the child the master.
	aloneVar = "SALLY_BACKGROUND_ALONE"
)

// background is the two halves of -f. The parent waits in the foreground until
// the child, which asks its questions on the same terminal, says that all is
// set up; then the parent exits and the child leaves the terminal.
type background struct {
	ready *os.File
	role  string
	alone bool
	left  atomic.Bool // the parent was told to exit
}

// newBackground takes up the child's role if the environment says so. What we
// start in turn (LocalCommand, SSH_ASKPASS, a ProxyCommand that is sally again)
// must not take it up as well, and a server must not be sent it.
func (a *App) newBackground() *background {
	number, role, alone := a.Getenv(backgroundVar), a.Getenv(roleVar), a.Getenv(aloneVar) != ""
	for _, name := range []string{backgroundVar, roleVar, aloneVar} {
		_ = os.Unsetenv(name)
		a.Environ = slices.DeleteFunc(slices.Clone(a.Environ), func(e string) bool { return strings.HasPrefix(e, name+"=") })
	}
	fd, err := strconv.Atoi(number)
	if err != nil || fd < 3 {
		return nil
	}
	unix.CloseOnExec(fd)
	return &background{ready: os.NewFile(uintptr(fd), "background"), role: role, alone: alone}
}

// is reports whether this process has the role; none has it in the foreground.
func (b *background) is(role string) bool { return b != nil && b.role == role }

// isAlone reports whether the parent has found another master.
func (b *background) isAlone() bool { return b.alone }

// detach tells the parent to exit and leaves its session. It lets go of
// standard input, and of the streams that are named: whoever waits for the end
// of our output waits for the command, not for us.
func (b *background) detach(streams ...int) {
	if null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0); err == nil {
		for _, fd := range append(streams, 0) {
			_ = dupTo(int(null.Fd()), fd)
		}
		null.Close()
	}
	_, _ = syscall.Setsid()
	b.left.Store(true)
	_, _ = b.ready.Write([]byte{exitOK})
	b.ready.Close()
}

// follow ends this process as a closed terminal would when the parent, which
// the shell waits for, is gone without a word.
func (b *background) follow() {
	go func() {
		_, _ = b.ready.Read(make([]byte, 1)) // the parent never writes
		if !b.left.Load() {
			_ = syscall.Kill(os.Getpid(), syscall.SIGHUP)
		}
	}()
}

// runWatched starts this command line again as a child in the foreground, on
// the same terminal, and passes it the signals that ctx ends by: so that "~&"
// can give the terminal back to the shell, which waits for this process, while
// the child lives on. (ssh(1) forks there; a program with threads cannot.)
func (a *App) runWatched(ctx context.Context) (int, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return 0, err
	}
	defer ours.Close()
	end, err := theirs.File()
	theirs.Close()
	if err != nil {
		return 0, err
	}
	cmd, err := a.again(roleSession, end)
	if err != nil {
		return 0, err
	}
	defer context.AfterFunc(ctx, func() {
		if s, ok := signalled(ctx); ok {
			_ = cmd.Process.Signal(s.signal)
		}
	})()
	defer a.endWith(cmd)()
	code := make([]byte, 1)
	if n, _ := ours.Read(code); n == 1 {
		return int(code[0]), cmd.Process.Release()
	}
	err = cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	if cmd.ProcessState.ExitCode() >= 0 {
		return cmd.ProcessState.ExitCode(), nil
	}
	return exitSSH, err
}

// endWith passes a child the signal that ends us by force, and gives it the time
// to put the terminal back, until done.
func (a *App) endWith(cmd *exec.Cmd) (done func()) {
	ended := make(chan struct{})
	stop := a.ending.atOnce(func(s os.Signal) {
		_ = cmd.Process.Signal(s)
		select {
		case <-ended:
		case <-time.After(endTime):
		}
	})
	return func() { close(ended); stop() }
}

// again starts this command line again as a child in a role; the child has
// the other end of our side's ready, which is closed here.
func (a *App) again(role string, ready *os.File) (*exec.Cmd, error) {
	defer ready.Close()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := &exec.Cmd{Path: self, Args: a.Args, Stdin: a.Stdin, Stdout: a.Stdout, Stderr: a.Stderr, ExtraFiles: []*os.File{ready}}
	cmd.Env = append(slices.Clone(a.Environ), backgroundVar+"=3", roleVar+"="+role)
	if a.alone {
		cmd.Env = append(cmd.Env, aloneVar+"=1")
	}
	return cmd, cmd.Start()
}

// runInBackground starts this command line again as the child and returns the
// exit code of the foreground part.
func (a *App) runInBackground(role string) (int, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	cmd, err := a.again(role, w)
	if err != nil {
		return 0, fmt.Errorf("go into the background: %w", err)
	}
	defer a.endWith(cmd)()
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
