package mux

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
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
	cmd.Env = append(os.Environ(), s.r.Env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.fds[0], s.fds[1], s.fds[2]
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err := cmd.Run()
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

var _ io.Closer = (*Client)(nil)
