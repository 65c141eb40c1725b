package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Handler performs requests. Its methods are called concurrently; ctx ends
// when the client leaves. An *Error is sent as it is, any other error as
// CodeFailed.
type Handler interface {
	Up(ctx context.Context, r *Request, ask *Asker) (*Result, error)
	// Attach returns what serves the connection once the client was told.
	Attach(ctx context.Context, r *Request, ask *Asker) (Attachment, error)
	Down(ctx context.Context, r *Request) (*Result, error)
	Status(ctx context.Context, r *Request) (*Result, error)
	Check(ctx context.Context, r *Request) (*Result, error)
	// Logs calls emit for each record; it returns at the end of the log, or
	// follows it until ctx ends.
	Logs(ctx context.Context, r *Request, emit func(Record) error) error
	// ForwardAdd pins forwards to the daemon; ask serves a route that is
	// brought up at once.
	ForwardAdd(ctx context.Context, r *Request, ask *Asker) (*Result, error)
	Forwards(ctx context.Context, r *Request) (*Result, error)
	ForwardRemove(ctx context.Context, r *Request) (*Result, error)
	// Quit agrees or not; the returned function is called after the client
	// was told.
	Quit(ctx context.Context, r *Request) (func(), error)
	Lock(ctx context.Context, r *Request, ask *Asker) (*Result, error)
	Unlock(ctx context.Context, r *Request, ask *Asker) (*Result, error)
}

// Attachment takes a connection over after an attach.
type Attachment interface {
	// Serve speaks the next protocol until it ends. It does not close conn.
	Serve(ctx context.Context, conn *net.UnixConn) error
	// Close is called when Serve will not be.
	Close()
}

// patience bounds the waits for a client.
type patience struct {
	request time.Duration // until it has sent its request
	send    time.Duration // until it has taken a message
}

// Serve performs the one request of a connection. It does not close conn.
func Serve(ctx context.Context, conn *net.UnixConn, h Handler) error {
	return serve(ctx, conn, h, patience{request: 10 * time.Second, send: 10 * time.Second})
}

func serve(ctx context.Context, conn *net.UnixConn, h Handler, wait patience) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	conn.SetReadDeadline(time.Now().Add(wait.request))
	r, err := readRequest(conn)
	var other *Error
	if errors.As(err, &other) {
		conn.SetWriteDeadline(time.Now().Add(wait.send))
		return writeRefusal(conn, other)
	}
	if err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	conn.SetReadDeadline(time.Time{})
	s := &serving{conn: conn, ask: &Asker{conn: conn, leave: cancel, patience: wait.send, pending: map[int]chan answer{}}}
	s.ask.debug = r.Debug
	stop := s.listen(cancel)
	defer stop()
	return s.perform(ctx, h, r, stop)
}

// readRequest reads the two messages that a client begins with. The error has
// CodeVersion when the second cannot be understood.
func readRequest(conn net.Conn) (*Request, error) {
	said, err := readBody(conn)
	if err != nil {
		return nil, err
	}
	if err := checkHello(said); err != nil {
		return nil, err
	}
	r := new(Request)
	return r, readMessage(conn, r)
}

// serving is one request under way.
type serving struct {
	conn *net.UnixConn
	ask  *Asker
}

func (s *serving) perform(ctx context.Context, h Handler, r *Request, stop func()) error {
	var result *Result
	var err error
	switch r.Op {
	case OpUp:
		result, err = h.Up(ctx, r, s.ask)
	case OpAttach:
		return s.attach(ctx, h, r, stop)
	case OpDown:
		result, err = h.Down(ctx, r)
	case OpStatus:
		result, err = h.Status(ctx, r)
	case OpLock:
		result, err = h.Lock(ctx, r, s.ask)
	case OpUnlock:
		result, err = h.Unlock(ctx, r, s.ask)
	case OpCheck:
		result, err = h.Check(ctx, r)
	case OpLogs:
		err = h.Logs(ctx, r, func(rec Record) error { return s.ask.send(event{Log: &rec}) })
	case OpForwardAdd:
		result, err = h.ForwardAdd(ctx, r, s.ask)
	case OpForwards:
		result, err = h.Forwards(ctx, r)
	case OpForwardRemove:
		result, err = h.ForwardRemove(ctx, r)
	case OpQuit:
		quit, err := h.Quit(ctx, r)
		if err == nil {
			defer quit()
		}
		return s.finish(nil, err)
	default:
		err = &Error{Code: CodeBad, Message: fmt.Sprintf("unknown operation %q", r.Op)}
	}
	return s.finish(result, err)
}

func (s *serving) attach(ctx context.Context, h Handler, r *Request, stop func()) error {
	a, err := h.Attach(ctx, r, s.ask)
	if err != nil {
		return s.finish(nil, err)
	}
	stop() // from here on, what arrives belongs to the next protocol
	if err := s.finish(&Result{}, nil); err != nil {
		a.Close()
		return err
	}
	return a.Serve(ctx, s.conn)
}

// finish sends the result or the error.
func (s *serving) finish(result *Result, err error) error {
	if err == nil {
		if result == nil {
			result = &Result{}
		}
		if err = s.ask.send(event{Result: result}); !errors.Is(err, errTooLong) {
			return err
		}
	}
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Code: CodeFailed, Message: err.Error()}
	}
	return s.ask.send(event{Error: e})
}

// listen reads the client's answers until stop is called or the client leaves,
// which cancels the request.
func (s *serving) listen(cancel func()) (stop func()) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			var a answer
			err := readMessage(s.conn, &a)
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				return // stopped
			}
			if err != nil {
				cancel()
				return
			}
			s.ask.answered(a)
		}
	}()
	return sync.OnceFunc(func() {
		s.conn.SetReadDeadline(time.Unix(1, 0))
		<-ended
		s.conn.SetReadDeadline(time.Time{})
	})
}

// Asker reaches the person behind a request.
type Asker struct {
	conn  net.Conn
	debug int

	leave    func() // ends the request
	patience time.Duration

	sending sync.Mutex // one message at a time
	broken  error      // why no more can be sent; guarded by sending

	// state: guarded by mu
	mu      sync.Mutex
	last    int
	pending map[int]chan answer
}

// Errors of Ask.
var (
	ErrNobody    = errors.New("nobody to ask")
	ErrCancelled = errors.New("cancelled")
)

// Debug is the level of debugging notices the client wants, 0 for none.
func (a *Asker) Debug() int { return a.debug }

// Ask returns the person's answer, ErrNobody or ErrCancelled when there is
// none, or ctx's error.
func (a *Asker) Ask(ctx context.Context, q Question) (string, error) {
	reply := make(chan answer, 1)
	a.mu.Lock()
	a.last++
	q.ID = a.last
	a.pending[q.ID] = reply
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		delete(a.pending, q.ID)
		a.mu.Unlock()
	}()
	if err := a.send(event{Ask: &q}); err != nil {
		return "", err
	}
	select {
	case r := <-reply:
		switch r.Refused {
		case "":
			return r.Text, nil
		case "nobody":
			return "", ErrNobody
		}
		return "", ErrCancelled
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// Tell shows a notice. A client that has left does not matter here.
func (a *Asker) Tell(n Notice) { _ = a.send(event{Tell: &n}) }

func (a *Asker) answered(r answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if reply := a.pending[r.ID]; reply != nil {
		delete(a.pending, r.ID)
		reply <- r
	}
}

// send sends one message. A client that does not take it is given up: half a
// message may have gone out, and others who wait for the same connection
// must not wait for him time and again.
func (a *Asker) send(e event) error {
	a.sending.Lock()
	defer a.sending.Unlock()
	if a.broken != nil {
		return a.broken
	}
	a.conn.SetWriteDeadline(time.Now().Add(a.patience))
	switch err := writeMessage(a.conn, &e); {
	case errors.Is(err, errTooLong):
		return err // nothing went out
	case err != nil:
		a.broken = fmt.Errorf("tell the client: %w", err)
		a.leave()
		return a.broken
	}
	a.conn.SetWriteDeadline(time.Time{})
	return nil
}
