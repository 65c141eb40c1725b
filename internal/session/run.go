package session

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Streams are the local ends of a session. Run cancels those that are a
// Canceler: Stdin when the remote program reads no more, all three when the
// session is ended from this side. A Read or a Write on any other stream may
// outlive Run when it is in progress then.
type Streams struct {
	// Stdin is read until it ends; an error other than io.EOF ends it too.
	// nil is empty.
	Stdin io.Reader
	// Stdout and Stderr get the output; nil throws it away.
	Stdout, Stderr io.Writer
	// Escape does what an escape key asks for that the session cannot do by
	// itself: all but EscapeDisconnect, EscapeHelp and EscapeBreak. The
	// answer is shown on Stderr. Standard input is not read until it
	// returns. nil says that the key is not available.
	Escape func(EscapeKey) string
	// Background prepares for the streams to be taken away while the session
	// goes on (EscapeBackground). Its error is shown, and nothing happens; so
	// does a nil function.
	Background func() error
}

// run is one call of Run.
type run struct {
	s          *Session
	in         source
	out, err   sink
	escape     func(EscapeKey) string
	background func() error
	send       func([]byte) error // input that was typed; set by inputWriter
	abort      context.CancelCauseFunc
	inputDone  chan struct{}
	outputDone chan struct{}
}

// Run copies the streams until the channel is closed and all output has been
// written, and returns how the remote program ended. It must be called once.
//
// A *RefusedError says that the server did not start the command,
// ErrDisconnected that the user ended the session, ErrBackground that he left it, an *IdleError that silence
// did, a *StreamError that
// output could not be written: the Exit is valid beside the last one. When
// ctx ends, the program is sent the request's Hangup, the channel is closed and
// Run returns ctx's error at once.
func (s *Session) Run(ctx context.Context, st Streams) (Exit, error) {
	ctx, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	r := &run{
		s:          s,
		in:         source{r: st.Stdin},
		out:        sink{name: "stdout", w: st.Stdout},
		err:        sink{name: "stderr", w: st.Stderr},
		escape:     st.Escape,
		background: st.Background,
		abort:      abort,
		inputDone:  make(chan struct{}),
		outputDone: make(chan struct{}),
	}
	r.start()
	if err := r.wait(ctx); err != nil {
		if err != ErrBackground {
			s.hangUp()
		}
		r.in.stop()
		r.out.stop()
		r.err.stop()
		return Exit{Lost: true}, err
	}
	return r.result()
}

// start starts the copying in both directions.
func (r *run) start() {
	var outputs sync.WaitGroup
	outputs.Go(func() { r.copyOutput(&r.out, r.s.ch, r.s.sendEOW) })
	outputs.Go(func() { r.copyOutput(&r.err, r.s.ch.Stderr(), func() {}) })
	r.s.work(func() { outputs.Wait(); close(r.outputDone) })
	// Not part of the session's work: a Stdin that cannot be broken off
	// keeps this one.
	go func() { r.copyInput(); close(r.inputDone) }()
}

// statusWait is how long a server may take, once both directions have ended, to
// tell how the program ended. OpenSSH closes at once, which its own server
// bears; one that answers a close with a close, as golang.org/x/crypto/ssh does,
// has no way to send the status any more.
const statusWait = 5 * time.Second

// wait returns when the channel is closed and the output is written, or with
// the reason why ctx ended.
func (r *run) wait(ctx context.Context) error {
	input, output, deaf, told, ended := r.inputDone, r.outputDone, r.s.deaf, r.s.told, r.s.ended
	silence := r.s.silence()
	var patience <-chan time.Time
	for output != nil || ended != nil {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-silence:
			return &IdleError{After: r.s.ch.(idler).TimedOut()}
		case <-deaf:
			deaf = nil
			r.in.stop()
		case <-input:
			input = nil
		case <-output:
			output = nil
		case <-told:
			told = nil
		case <-patience:
			r.s.Close()
		case <-ended:
			ended = nil
			r.in.stop()
		}
		switch {
		case input != nil || output != nil:
		case told == nil:
			// Both directions have ended: RFC 4254 §5.3 leaves it to
			// either side to close.
			r.s.Close()
		case patience == nil:
			patience = time.After(statusWait)
		}
	}
	return nil
}

// result is the outcome of a session that ended by itself.
func (r *run) result() (Exit, error) {
	r.s.mu.Lock()
	exit, err := r.s.exit, r.s.err
	r.s.mu.Unlock()
	return exit, errors.Join(err, r.out.failure(), r.err.failure())
}

// copyOutput writes what src yields to dst, and reads on without writing when
// dst fails, so that the other streams go on. failed is called once then.
func (r *run) copyOutput(dst *sink, src io.Reader, failed func()) {
	ok := true
	pump(src, func(p []byte) error {
		if !ok {
			return nil
		}
		if _, err := dst.Write(p); err != nil {
			ok = false
			if err != errStopped { // nobody has gone who might come back to read
				failed()
			}
		}
		return nil
	})
}

// copyInput sends Stdin once the command is accepted, then end of file. The
// remote program may go on writing: a half-close.
func (r *run) copyInput() {
	select {
	case <-r.s.running:
	case <-r.s.ended:
		return
	}
	write, flush := r.inputWriter()
	err := pump(&r.in, write)
	flush()
	if err == nil && !r.in.stopped.Load() {
		r.s.ch.CloseWrite()
	}
}

// inputWriter sends what it is given; flush is called when all is.
func (r *run) inputWriter() (send func([]byte) error, flush func()) {
	send, flush = r.s.write, func() {}
	if r.s.req.PTY == nil {
		return send, flush
	}
	if r.s.obscures() {
		var waiting atomic.Bool
		o := newObscurer(r.s.req.KeystrokeInterval, send, func() { r.s.sendChaff(&waiting) })
		r.s.work(func() { o.run(r.s.ended) })
		send, flush = o.write, o.flush
	}
	if r.s.req.EscapeChar < 0 {
		return send, flush
	}
	r.send = send
	return NewEscapeFilter(byte(r.s.req.EscapeChar), send, r.doEscape).Feed, flush
}

// doEscape does what an escape key asks for.
func (r *run) doEscape(k EscapeKey) error {
	char := byte(r.s.req.EscapeChar)
	text := ""
	switch {
	case k == EscapeDisconnect:
		r.abort(ErrDisconnected)
		return ErrDisconnected
	case k == EscapeHelp:
		text = EscapeHelpText(char)
	case k == EscapeBreak:
		text = escapeName(char) + "B\r\n"
		r.s.Break(breakLength)
	case k == EscapeBackground && r.background != nil:
		return r.leave()
	case r.escape != nil:
		text = r.escape(k)
	default:
		text = escapeName(char) + k.String() + " is not available here\r\n"
	}
	r.err.Write([]byte(text))
	return nil
}

// leave is "~&": the program gets an end of file, as if it had been typed, and
// the streams are given up. clientloop.c: process_escapes.
func (r *run) leave() error {
	name := escapeName(byte(r.s.req.EscapeChar)) + EscapeBackground.String()
	if err := r.background(); err != nil {
		r.err.Write([]byte(name + " is not available: " + err.Error() + "\r\n"))
		return nil
	}
	r.err.Write([]byte(name + " [backgrounded]\r\n"))
	_ = r.send([]byte{endOfFile})
	r.abort(ErrBackground)
	return ErrBackground
}

// endOfFile is what Ctrl-D types.
const endOfFile = 4

// breakLength is how long ssh(1) asks for, in milliseconds.
const breakLength = 1000

// sendEOW tells an OpenSSH server that nobody reads the output any more, so
// that the remote program gets SIGPIPE. Other servers may choke on it
// (OpenSSH's PROTOCOL, §2.1), so their output is thrown away.
func (s *Session) sendEOW() {
	if bytes.Contains(s.version, []byte("OpenSSH")) {
		s.ch.SendRequest("eow@openssh.com", false, nil)
	}
}

// write sends input, in packets that fit into those of the hops before.
func (s *Session) write(p []byte) error {
	s.typed()
	for len(p) > 0 {
		n := min(len(p), bulkPacket)
		if _, err := s.ch.Write(p[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}
