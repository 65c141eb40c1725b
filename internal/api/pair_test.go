package api

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// soon bounds what should take milliseconds; reaching it is a failure.
const soon = 20 * time.Second

// pair is two ends of a connection; the test closes them at its end.
func pair(t testing.TB) (client, server *net.UnixConn) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.DialUnix("unix", nil, l.Addr().(*net.UnixAddr)); err != nil {
		t.Fatal(err)
	}
	if server, err = l.AcceptUnix(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

// handler is a Handler whose operations are functions; those that are nil
// succeed. calls counts what reached it.
type handler struct {
	up     func(ctx context.Context, r *Request, ask *Asker) (*Result, error)
	attach func(ctx context.Context, r *Request, ask *Asker) (Attachment, error)
	logs   func(ctx context.Context, r *Request, emit func(Record) error) error
	status *Status
	quit   func()

	mu    sync.Mutex
	calls []Op
}

func (h *handler) called(r *Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, r.Op)
}

func (h *handler) Up(ctx context.Context, r *Request, ask *Asker) (*Result, error) {
	h.called(r)
	if h.up == nil {
		return &Result{Key: r.Key}, nil
	}
	return h.up(ctx, r, ask)
}

func (h *handler) Attach(ctx context.Context, r *Request, ask *Asker) (Attachment, error) {
	h.called(r)
	if h.attach == nil {
		return nil, errors.New("nothing to attach to")
	}
	return h.attach(ctx, r, ask)
}

func (h *handler) Down(_ context.Context, r *Request) (*Result, error) {
	h.called(r)
	return &Result{Closed: []string{r.Key}}, nil
}

func (h *handler) ForwardAdd(_ context.Context, r *Request, _ *Asker) (*Result, error) {
	h.called(r)
	return &Result{}, nil
}

func (h *handler) Forwards(_ context.Context, r *Request) (*Result, error) {
	h.called(r)
	return &Result{}, nil
}

func (h *handler) ForwardRemove(_ context.Context, r *Request) (*Result, error) {
	h.called(r)
	return &Result{}, nil
}

func (h *handler) Status(_ context.Context, r *Request) (*Result, error) {
	h.called(r)
	return &Result{Status: h.status}, nil
}

func (h *handler) Check(_ context.Context, r *Request) (*Result, error) {
	h.called(r)
	return nil, &Error{Code: CodeNoMaster, Message: "not connected"}
}

func (h *handler) Logs(ctx context.Context, r *Request, emit func(Record) error) error {
	h.called(r)
	if h.logs == nil {
		return nil
	}
	return h.logs(ctx, r, emit)
}

func (h *handler) Lock(_ context.Context, r *Request, _ *Asker) (*Result, error) {
	h.called(r)
	return &Result{}, nil
}

func (h *handler) Unlock(_ context.Context, r *Request, _ *Asker) (*Result, error) {
	h.called(r)
	return &Result{}, nil
}

func (h *handler) Quit(_ context.Context, r *Request) (func(), error) {
	h.called(r)
	return h.quit, nil
}

// impatient is for tests in which a client keeps the server waiting.
var impatient = patience{request: 50 * time.Millisecond, send: 50 * time.Millisecond}

// start serves one connection; the error arrives once Serve has returned.
func start(t testing.TB, conn *net.UnixConn, h Handler, wait patience) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		err := serve(t.Context(), conn, h, wait)
		conn.Close()
		done <- err
	}()
	return done
}

var patient = patience{request: soon, send: soon}

// end is what Serve returned, which must be soon.
func end(t testing.TB, done <-chan error) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(soon):
		t.Fatal("the server still waits")
		return nil
	}
}

// someone answers questions with a function.
type someone struct {
	answer  func(q Question) (string, error)
	notices []Notice
}

func (s *someone) Ask(_ context.Context, q Question) (string, error) { return s.answer(q) }
func (s *someone) Tell(n Notice)                                     { s.notices = append(s.notices, n) }
