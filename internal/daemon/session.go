package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"sallyport/internal/hop"
	"sallyport/internal/mux"
	"sallyport/internal/pool"
	"sallyport/internal/session"
	"sallyport/internal/stdio"
)

// OpenSession is mux.Handler's.
func (m *master) OpenSession(ctx context.Context, p mux.Peer, r *mux.SessionRequest, fds [3]*os.File) (mux.Session, error) {
	if err := m.permit(ctx, "session"); err != nil {
		return nil, m.refuse(err)
	}
	if _, err := m.need(ctx); err != nil {
		return nil, m.refuse(err)
	}
	if m.shared && p.WantsNoSession() {
		m.usedFor(pool.UseHold, "hold")
		m.sessions.Add(1)
		return &holding{master: m, fds: fds}, nil
	}
	m.usedFor(pool.UseSession, kindOf(r))
	req := session.Request{Command: r.Command, Subsystem: r.Subsystem, Env: r.Env, EscapeChar: -1, Hangup: m.hangup}
	if r.EscapeChar != mux.NoEscapeChar {
		req.EscapeChar = int(r.EscapeChar)
	}
	if r.TTY {
		req.PTY = newPTY(r.Term, fds[0])
		o := m.lease.Route().Target().Options.Session
		req.KeystrokeInterval, req.KeystrokeAlways = o.ObscureKeystrokeInterval, o.ObscureKeystrokeSet
	}
	var s *session.Session
	var leave func()
	err := m.onLivePath(ctx, func(ctx context.Context) (err error) {
		s, leave, err = m.startSession(ctx, req, r, fds[2])
		return err
	})
	if err != nil {
		return nil, m.refuse(m.openFailure(err))
	}
	streams, err := openStreams(fds)
	if err != nil {
		s.Close()
		leave()
		return nil, err
	}
	m.sessions.Add(1)
	return &passenger{master: m, session: s, leave: leave, streams: streams, fds: fds, peer: p, pid: p.PID}, nil
}

// errEnding answers what comes when the daemon ends.
var errEnding = errors.New("the daemon is ending")

// refuse ends a session that was not opened, with the reason where the
// client's user sees it.
func (m *master) refuse(err error) error {
	if m.server.ctx.Err() != nil {
		err = errEnding
	}
	if say := m.server.config.Say; say != nil && !m.shared {
		say(err)
		return mux.Refused{}
	}
	return mux.Refused{Reason: "sally: " + err.Error()}
}

// startSession starts a session, once the server has room for one more.
func (m *master) startSession(ctx context.Context, req session.Request, r *mux.SessionRequest, stderr *os.File) (s *session.Session, leave func(), _ error) {
	if s, leave := m.onSpare(req, r); s != nil {
		return s, leave, nil
	}
	noAgent, noDisplay := func() {}, func() {}
	takeBack := func() { noAgent(); noDisplay() }
	release, err := m.lease.Seat(ctx, pool.Opening{
		Open: func(conn pool.Conn, picky bool) error {
			if r.Agent {
				var err error
				noAgent, err = m.lendAgent(conn)
				if picky && errors.Is(err, errOtherAgent) {
					return pool.ErrElsewhere
				}
				if req.AgentForward = err == nil; !req.AgentForward && !errors.Is(err, errNoAgent) {
					sayTo(stderr, err)
				}
			}
			if r.X11 {
				noDisplay, req.X11 = m.lendDisplay(ctx, conn, stderr)
			}
			ctx, opened := whileAlive(ctx, conn)
			defer opened()
			var err error
			if s, err = session.Start(ctx, conn, req); err != nil {
				takeBack()
			}
			return err
		},
		Full: session.MaybeFull,
		Waiting: func(limit int) {
			sayTo(stderr, fmt.Errorf("%s allows %d sessions on a connection: waiting for one to end", m.lease.Route().Target(), limit))
		},
	})
	if err != nil {
		return nil, nil, err
	}
	return s, func() { takeBack(); release() }, nil
}

// sayTo writes a line to a client's standard error.
func sayTo(f *os.File, what error) {
	w, err := stdio.NewWriter(f)
	if err != nil {
		return
	}
	defer w.Close()
	_, _ = w.Write([]byte("sally: " + hop.Clean(what.Error()) + "\r\n"))
}

// newPTY imitates the terminal at f.
func newPTY(term string, f *os.File) *session.PTY {
	pty := &session.PTY{Term: term}
	if modes, err := session.ReadModes(f); err == nil {
		pty.Modes = modes
	}
	pty.Cols, pty.Rows, pty.WidthPx, pty.HeightPx, _ = session.ReadSize(f)
	return pty
}

// openFailure names the hop that did not open a channel: the target's own
// refusal, or the hop of the chain that was lost.
func (m *master) openFailure(err error) error {
	var refused *session.OpenError
	var dialled *hop.Error
	if errors.As(err, &dialled) {
		return err
	}
	if !errors.As(err, &refused) {
		if lost := m.lease.Failure(); lost != nil && !errors.Is(lost, hop.ErrClosed) {
			return lost
		} else if lost != nil {
			err = errEnded
		}
	}
	target := m.lease.Route().Target()
	return fmt.Errorf("%s: %w", target, err)
}

// lostWait is how long after a session that ended without a status its
// connection is given to end, for the reason to be known.
const lostWait = time.Second

// lost is what the user of a session is told about the end of its connection,
// nil for nothing. One that was closed on purpose has no failure to tell, and
// ssh's own clients have their line about it.
func (m *master) lost() error {
	failure := m.lease.Failure()
	if failure == nil { // the connection may end a little after its channels
		select {
		case <-m.lease.Conn().Done():
			failure = m.lease.Failure()
		case <-time.After(lostWait):
		}
	}
	switch {
	case failure == nil && m.server.config.Say == nil:
		return fmt.Errorf("%s: the session ended without an exit status", m.lease.Route().Target())
	case !errors.Is(failure, hop.ErrClosed):
		return failure
	case m.shared, m.server.config.Say != nil:
		return nil
	}
	return m.endOf(m.lease)
}

// streams are a client's three descriptors as a session uses them.
type streams struct {
	in       *stdio.Reader
	out, err *stdio.Writer
}

func openStreams(fds [3]*os.File) (s streams, err error) {
	if s.in, err = stdio.NewReader(fds[0]); err != nil {
		return s, err
	}
	if s.out, err = stdio.NewWriter(fds[1]); err != nil {
		s.in.Close()
		return s, err
	}
	if s.err, err = stdio.NewWriter(fds[2]); err != nil {
		s.in.Close()
		s.out.Close()
	}
	return s, err
}

func (s streams) close() {
	s.in.Close()
	s.out.Close()
	s.err.Close()
}

// passenger is one client's session: a mux.Session.
type passenger struct {
	master  *master
	session *session.Session
	leave   func() // gives the session's seat back
	streams streams
	fds     [3]*os.File
	peer    mux.Peer
	pid     int // the client's
}

// Run is mux.Session's.
func (p *passenger) Run(ctx context.Context, ttyAllocFailed func()) (mux.Exit, error) {
	defer p.master.sessions.Done()
	defer p.close()
	table := p.master.server.sessions
	table.add(p)
	defer table.remove(p)
	refusals := make(chan struct{})
	go func() {
		defer close(refusals)
		for r := range p.session.Refused() {
			if r.Request == "pty-req" {
				ttyAllocFailed()
			}
			p.say(r)
		}
	}()
	exit, err := p.session.Run(ctx, session.Streams{Stdin: p.streams.in, Stdout: p.streams.out, Stderr: p.streams.err, Escape: p.escape, Background: p.mayLeave})
	if errors.Is(err, session.ErrBackground) {
		p.goOn()
		return mux.Exit{Known: true}, nil
	}
	p.session.Close()
	if ctx.Err() == nil {
		p.explain(exit, err)
	}
	<-refusals
	if p.wanted(exit, err) {
		return mux.Exit{Known: true, Status: 255}, err
	}
	return mux.Exit{Known: !exit.Lost && exit.Signal == "", Status: uint32(exit.Status)}, err
}

// wanted reports whether a session without a status ended since somebody
// wanted it to: by its escape key, a signal, "sally down" or "sally quit". A
// command of ours is told so, and does not take its connection for lost; one that
// runs a program for nobody's terminal (sally run) asks only whether there is a status.
func (p *passenger) wanted(exit session.Exit, err error) bool {
	if p.master.shared || p.master.hangup != "" {
		return false
	}
	select {
	case <-p.master.server.quit:
		return true
	default:
	}
	return errors.Is(err, session.ErrDisconnected) || exit.Signal != "" ||
		exit.Lost && errors.Is(p.master.lease.Failure(), hop.ErrClosed)
}

func (p *passenger) close() {
	p.leave()
	p.master.ended()
	p.streams.close()
	for _, f := range p.fds {
		f.Close()
	}
}

// explain tells the client's user why there is no exit status.
func (p *passenger) explain(exit session.Exit, err error) {
	var refused *session.RefusedError
	var idle *session.IdleError
	switch {
	case errors.Is(err, session.ErrDisconnected):
	case errors.As(err, &refused), errors.As(err, &idle):
		p.say(fmt.Errorf("%s: %w", p.master.lease.Route().Target().Name, err))
	case exit.Lost:
		if lost := p.master.lost(); lost != nil {
			p.say(lost)
		}
	}
}

// say writes a line to the client's standard error, or to where its own
// messages go.
func (p *passenger) say(err error) {
	if say := p.master.server.config.Say; say != nil && !p.master.shared {
		say(err)
		return
	}
	_, _ = p.streams.err.Write([]byte("sally: " + hop.Clean(err.Error()) + "\r\n"))
}

// sessionTable knows the running sessions, for window changes.
type sessionTable struct {
	mu   sync.Mutex
	live map[*passenger]struct{}
}

func newSessionTable() *sessionTable { return &sessionTable{live: map[*passenger]struct{}{}} }

func (t *sessionTable) add(p *passenger) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.live[p] = struct{}{}
}

func (t *sessionTable) remove(p *passenger) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.live, p)
}

// Resize tells every session with a terminal how large that is now. Clients
// relay SIGWINCH by kill(2), which does not say whose window changed.
func (s *Server) Resize() {
	s.sessions.mu.Lock()
	defer s.sessions.mu.Unlock()
	for p := range s.sessions.live {
		if cols, rows, x, y, err := session.ReadSize(p.fds[0]); err == nil {
			go p.session.WindowChange(cols, rows, x, y)
		}
	}
}
