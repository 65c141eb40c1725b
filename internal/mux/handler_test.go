package mux

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// shellHandler runs sessions as local commands. Its zero value works; the
// function fields replace single answers.
type shellHandler struct {
	openSession func(ctx context.Context, r *SessionRequest, fds [3]*os.File) (Session, error)
	openStdio   func(ctx context.Context, r *StdioForwardRequest, fds [2]*os.File) (Session, error)
	openForward func(ctx context.Context, f Forward) (uint32, error)
	openProxy   func(ctx context.Context) (Upstream, error)
	deny        error // answer of Terminate and StopListening
	quit        func()

	mu       sync.Mutex
	sessions []SessionRequest
	forwards map[Forward]bool
	stopped  bool
}

func (h *shellHandler) OpenSession(ctx context.Context, _ Peer, r *SessionRequest, fds [3]*os.File) (Session, error) {
	h.mu.Lock()
	h.sessions = append(h.sessions, *r)
	h.mu.Unlock()
	if h.openSession != nil {
		return h.openSession(ctx, r, fds)
	}
	return &shellSession{r: r, fds: fds}, nil
}

func (h *shellHandler) OpenStdioForward(ctx context.Context, _ Peer, r *StdioForwardRequest, fds [2]*os.File) (Session, error) {
	if h.openStdio != nil {
		return h.openStdio(ctx, r, fds)
	}
	return nil, errors.New("no forwards here")
}

func (h *shellHandler) OpenForward(ctx context.Context, _ Peer, f Forward) (uint32, error) {
	if h.openForward != nil {
		return h.openForward(ctx, f)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.forwards == nil {
		h.forwards = make(map[Forward]bool)
	}
	h.forwards[f] = true
	return 4711, nil
}

func (h *shellHandler) CloseForward(_ context.Context, _ Peer, f Forward) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.forwards[f] {
		return ErrNotForwarded
	}
	delete(h.forwards, f)
	return nil
}

func (h *shellHandler) Alive(context.Context) (uint32, error) { return uint32(os.Getpid()), nil }

func (h *shellHandler) Terminate(context.Context, Peer) (func(), error) { return h.quit, h.deny }

func (h *shellHandler) StopListening(context.Context, Peer) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopped = h.deny == nil
	return h.deny
}

func (h *shellHandler) OpenProxy(ctx context.Context, _ Peer) (Upstream, error) {
	if h.openProxy != nil {
		return h.openProxy(ctx)
	}
	return nil, Denied{"no proxies here"}
}

func (h *shellHandler) Info(_ context.Context, _ Peer, name string) (string, error) {
	if name != "connection" {
		return "", errors.New("info request type not supported")
	}
	return "a connection\n", nil
}

// shellSession is a command run by /bin/sh.
type shellSession struct {
	r   *SessionRequest
	fds [3]*os.File
}

func (s *shellSession) Run(ctx context.Context, _ func()) (Exit, error) {
	defer closeFiles(s.fds[:])
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", s.r.Command)
	if s.r.Subsystem {
		cmd = exec.CommandContext(ctx, "/usr/lib/openssh/sftp-server")
	}
	if s.r.TTY {
		return s.runTTY(cmd)
	}
	cmd.Env = append(os.Environ(), s.r.Env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.fds[0], s.fds[1], s.fds[2]
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return exitOf(cmd.Run())
}

// runTTY gives the command a pty of the size of the client's.
func (s *shellSession) runTTY(cmd *exec.Cmd) (Exit, error) {
	size, err := pty.GetsizeFull(s.fds[0])
	if err != nil {
		return Exit{}, err
	}
	cmd.Env = append(os.Environ(), "TERM="+s.r.Term)
	ptmx, err := pty.StartWithSize(cmd, size)
	if err != nil {
		return Exit{}, err
	}
	defer ptmx.Close()
	stop, stopped, err := os.Pipe()
	if err != nil {
		return Exit{}, err
	}
	defer stop.Close()
	var typing sync.WaitGroup
	typing.Go(func() { copyUntil(ptmx, s.fds[0], stop) })
	_, _ = io.Copy(s.fds[1], ptmx) // ends with EIO
	stopped.Close()
	typing.Wait()
	return exitOf(cmd.Wait())
}

// copyUntil copies from a terminal until stop is closed: a plain read would
// outlive the session and take a key that was meant for somebody else.
func copyUntil(dst io.Writer, tty, stop *os.File) {
	b := make([]byte, 1000)
	for {
		fds := []unix.PollFd{{Fd: int32(tty.Fd()), Events: unix.POLLIN}, {Fd: int32(stop.Fd()), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err == unix.EINTR {
			continue
		} else if err != nil || fds[1].Revents != 0 {
			return
		}
		n, err := tty.Read(b)
		if err != nil {
			return
		}
		_, _ = dst.Write(b[:n])
	}
}

func exitOf(err error) (Exit, error) {
	var ee *exec.ExitError
	switch {
	case err == nil:
		return Exit{Known: true}, nil
	case errors.As(err, &ee) && ee.Exited():
		return Exit{Known: true, Status: uint32(ee.ExitCode())}, nil
	}
	return Exit{}, err
}

// funcSession is a session made of one function.
type funcSession func(ctx context.Context, ttyAllocFailed func()) (Exit, error)

func (f funcSession) Run(ctx context.Context, fail func()) (Exit, error) { return f(ctx, fail) }
