package session

import (
	"context"
	"sync"

	"golang.org/x/crypto/ssh"
)

// Opener opens channels; an ssh.Conn is one. When it also has the method
// ServerVersion() []byte, as ssh.Conn does, an OpenSSH server is told when
// nobody reads the output any more. Its Typed(), if it has that, is called when
// somebody types into a terminal. It must not block.
type Opener interface {
	OpenChannel(name string, data []byte) (ssh.Channel, <-chan *ssh.Request, error)
}

// Session is one open session channel. It goes through three states:
//
//	starting  the channel is open, the requests are on their way
//	running   the server accepted the command; input may flow
//	ended     the channel is closed, by whichever side
//
// WindowChange and Close are legal in each, Signal and Break only when
// running. Run is called once, in any state.
type Session struct {
	// config: not changed after Start
	ch      ssh.Channel
	req     Request
	version []byte // the server's identification string, nil if not known
	typed   func() // somebody types

	// events
	refused chan *RefusedError // closed at the end of starting
	running chan struct{}      // closed when the command was accepted
	deaf    chan struct{}      // closed when the remote program stopped reading
	told    chan struct{}      // closed when the server told how the program ended
	ended   chan struct{}      // closed when the channel is closed
	done    chan struct{}      // closed when no goroutine is left

	closing sync.Once
	idle    sync.Once // closes done

	// state: guarded by mu
	mu      sync.Mutex
	started bool
	workers int    // goroutines that end with the channel
	resize  []byte // window-change that waits for the start
	exit    Exit
	err     error
}

// Start opens a session channel and begins to send what r asks for. It
// returns as soon as the server has confirmed the channel: an *OpenError
// holds the server's reason when it did not. That the server refuses the
// terminal is told by Refused, that it refuses the command by Run.
//
// When ctx ends first, Start returns at once and the channel is closed as
// soon as the server answers. ctx must end when the connection does:
// golang.org/x/crypto/ssh can leave an open that races with the end of its
// connection without an answer.
func Start(ctx context.Context, o Opener, r Request) (*Session, error) {
	messages, err := r.messages()
	if err != nil {
		return nil, err
	}
	ch, reqs, err := open(ctx, o)
	if err != nil {
		return nil, err
	}
	return begin(o, ch, reqs, r, messages), nil
}

// begin starts what r asks for on an open channel of o.
func begin(o Opener, ch ssh.Channel, reqs <-chan *ssh.Request, r Request, messages []message) *Session {
	s := &Session{
		ch:      ch,
		req:     r,
		version: serverVersion(o),
		typed:   typing(o, r),
		refused: make(chan *RefusedError, len(messages)),
		running: make(chan struct{}),
		deaf:    make(chan struct{}),
		told:    make(chan struct{}),
		ended:   make(chan struct{}),
		done:    make(chan struct{}),
		exit:    Exit{Lost: true},
	}
	s.typed() // a person who gets a terminal is about to
	s.work(func() { s.serve(reqs) })
	s.work(func() { s.send(messages) })
	return s
}

// work runs f in a goroutine that Done waits for.
func (s *Session) work(f func()) {
	s.mu.Lock()
	s.workers++
	s.mu.Unlock()
	go func() {
		f()
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.workers--; s.workers == 0 {
			s.idle.Do(func() { close(s.done) })
		}
	}()
}

type opened struct {
	ch   ssh.Channel
	reqs <-chan *ssh.Request
	err  error
}

// open opens the channel, or leaves the answer to be thrown away when ctx
// ends before it comes.
func open(ctx context.Context, o Opener) (ssh.Channel, <-chan *ssh.Request, error) {
	answer := make(chan opened, 1)
	go func() {
		ch, reqs, err := o.OpenChannel("session", nil)
		answer <- opened{ch, reqs, err}
	}()
	select {
	case a := <-answer:
		if a.err != nil {
			return nil, nil, openError(a.err)
		}
		return a.ch, a.reqs, nil
	case <-ctx.Done():
		go discard(answer)
		return nil, nil, context.Cause(ctx)
	}
}

// discard closes a channel that nobody waits for any more. It ends when the
// server answers or the connection does.
func discard(answer <-chan opened) {
	if a := <-answer; a.err == nil {
		a.ch.Close()
		ssh.DiscardRequests(a.reqs)
	}
}

func serverVersion(o Opener) []byte {
	if v, ok := o.(interface{ ServerVersion() []byte }); ok {
		return v.ServerVersion()
	}
	return nil
}

// typing is the opener's Typed, for a session with a terminal.
func typing(o Opener, r Request) func() {
	if t, ok := o.(interface{ Typed() }); ok && r.PTY != nil {
		return t.Typed
	}
	return func() {}
}

// send sends the start-up messages in order. The last one is the command.
func (s *Session) send(messages []message) {
	defer close(s.refused)
	for _, m := range messages {
		ok, err := s.ch.SendRequest(m.name, m.reply, m.payload)
		if err != nil {
			return // the channel is closed: serve reports it
		}
		if !m.reply || ok {
			continue
		}
		refused := &RefusedError{Request: m.name}
		if m.fatal {
			s.mu.Lock()
			s.err = refused
			s.mu.Unlock()
			s.Close()
			return
		}
		s.refused <- refused
	}
	s.markStarted()
}

// markStarted lets input and window changes flow. Sizes that were told until
// now go out first, so that the last one wins.
func (s *Session) markStarted() {
	close(s.running)
	for {
		s.mu.Lock()
		resize := s.resize
		s.resize = nil
		s.started = resize == nil
		s.mu.Unlock()
		if resize == nil {
			return
		}
		s.ch.SendRequest("window-change", false, resize)
	}
}

// serve answers the server's requests until the channel is closed. It must go
// on until then: an unread request stops the whole connection.
func (s *Session) serve(reqs <-chan *ssh.Request) {
	for r := range reqs {
		s.handle(r)
	}
	close(s.ended)
}

func (s *Session) handle(r *ssh.Request) {
	known := false
	switch r.Type {
	case "exit-status", "exit-signal":
		var e Exit
		if e, known = parseExit(r.Type, r.Payload); known {
			s.mu.Lock()
			s.exit = e
			s.mu.Unlock()
			closeOnce(s.told)
		}
	case "eow@openssh.com":
		known = true
		closeOnce(s.deaf)
	}
	// keepalive@openssh.com is refused by stock clients too; any answer will do.
	r.Reply(known, nil)
}

// closeOnce closes c unless it is; only serve's goroutine does.
func closeOnce(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}

// Refused yields the requests that the server refused while the session goes
// on without them: "pty-req" and "x11-req". It is closed when the server has
// accepted the command or the channel has ended. Nobody need read it.
func (s *Session) Refused() <-chan *RefusedError { return s.refused }

// Done is closed when the channel is closed on both sides and nothing that
// Start or Run began is still running. After Close that takes an answer from
// the server, or the end of the connection.
func (s *Session) Done() <-chan struct{} { return s.done }

// Close asks the server to close the channel. It does not wait, see Done.
func (s *Session) Close() error {
	// A write to a stalled transport blocks, the caller must not.
	s.closing.Do(func() { s.work(func() { s.ch.Close() }) })
	return nil
}

// hangUp is Close for a session whose program is still running: it is told to
// end first. Without a terminal a server leaves it running.
func (s *Session) hangUp() {
	s.closing.Do(func() {
		s.work(func() {
			if s.req.Hangup != "" {
				_ = s.Signal(s.req.Hangup)
			}
			s.ch.Close()
		})
	})
}

// WindowChange tells the size of the terminal, in characters and in pixels:
// RFC 4254 §6.7. Before the start only the last size is kept, and then sent.
func (s *Session) WindowChange(cols, rows, widthPx, heightPx int) error {
	p := ssh.Marshal(struct{ Cols, Rows, Width, Height uint32 }{size(cols), size(rows), size(widthPx), size(heightPx)})
	s.mu.Lock()
	if !s.started {
		s.resize = p
		s.mu.Unlock()
		return nil
	}
	s.mu.Unlock()
	return s.tell("window-change", p)
}

// Signal delivers a signal, named without SIG, to the remote program:
// RFC 4254 §6.9. The server does not say whether it did.
func (s *Session) Signal(name string) error {
	return s.tell("signal", ssh.Marshal(struct{ Name string }{name}))
}

// Break asks for a break of the given length on the remote terminal: RFC 4335.
func (s *Session) Break(milliseconds uint32) error {
	return s.tell("break", ssh.Marshal(struct{ Length uint32 }{milliseconds}))
}

// tell sends a request that has no answer.
func (s *Session) tell(name string, payload []byte) error {
	select {
	case <-s.running:
	default:
		return ErrNotStarted
	}
	_, err := s.ch.SendRequest(name, false, payload)
	return err
}
