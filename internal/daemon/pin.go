package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/api"
	"sallyport/internal/forward"
	"sallyport/internal/hop"
	"sallyport/internal/pool"
	"sallyport/internal/route"
	"sallyport/internal/sshconfig"
)

// How a forward that cannot listen tries again.
const (
	listenPause   = time.Second
	listenLongest = 15 * time.Second
)

// pinSet is what was pinned by one request: forwards over one route, which
// share what keeps its master up.
type pinSet struct {
	// config: not changed after it was made
	server *Server
	name   string
	route  route.Route
	origin hop.Origin // of whoever pinned it
	now    bool       // keep the route up from the beginning
	since  time.Time
	pins   []*pin
	ctx    context.Context // ends with the last of the pins
	cancel context.CancelFunc

	ready  chan struct{} // closed when keeper is there
	keeper *pool.Keeper
}

// pin is a forward that belongs to the daemon.
type pin struct {
	// config: not changed after it was made
	set    *pinSet
	id     string
	asked  api.ForwardSpec
	spec   sshconfig.ForwardSpec
	remote bool
	stats  *forward.Stats
	ctx    context.Context // ends when the pin is removed
	cancel context.CancelFunc
	tasks  sync.WaitGroup
	first  chan error // how the first attempt of a remote one to listen ended

	// state: guarded by mu
	mu       sync.Mutex
	listener listening // nil while it does not listen
	port     int       // that a server chose
}

// newPin makes a pin that does nothing yet.
func newPin(set *pinSet, id string, asked api.ForwardSpec) *pin {
	p := &pin{
		set: set, id: id, asked: asked, remote: asked.Kind == api.ForwardRemote, stats: new(forward.Stats), first: make(chan error, 1),
		spec: specOf(asked),
	}
	p.ctx, p.cancel = context.WithCancel(set.ctx)
	return p
}

// specOf is a forward of the api in the terms of package forward.
func specOf(f api.ForwardSpec) sshconfig.ForwardSpec {
	return sshconfig.ForwardSpec{
		ListenHost: f.ListenHost, ListenPort: f.ListenPort, ListenPath: f.ListenPath,
		ConnectHost: f.ConnectHost, ConnectPort: f.ConnectPort, ConnectPath: f.ConnectPath,
	}
}

// check finds what cannot work.
func (p *pin) check() error {
	kinds := []string{api.ForwardLocal, api.ForwardRemote, api.ForwardDynamic}
	if !slices.Contains(kinds, p.asked.Kind) {
		return fmt.Errorf("%q is no kind of forward", p.asked.Kind)
	}
	return forward.Check(p.spec, p.remote)
}

// keep begins to keep the route's master up: from now on, or from the first
// connection.
func (s *pinSet) keep() {
	c := pool.KeepConfig{
		Holder: pool.Holder{Use: pool.UseForward, What: "pinned " + s.ids()},
		Ask:    outsider{known(s.origin)}, Now: s.now,
	}
	for _, p := range s.pins {
		if p.remote {
			c.Now, c.Up = true, s.up
		}
	}
	s.keeper = s.server.pool.Keep(s.route, c)
	close(s.ready)
}

func (s *pinSet) ids() string {
	if len(s.pins) == 1 {
		return s.pins[0].id
	}
	return s.pins[0].id + "-" + s.pins[len(s.pins)-1].id
}

// needsMaster reports whether the set is of no use without a connection.
func (s *pinSet) needsMaster() bool {
	for _, p := range s.pins {
		if p.remote {
			return true
		}
	}
	return s.now
}

// close ends the set and waits until nothing of it runs.
func (s *pinSet) close() {
	s.cancel()
	for _, p := range s.pins {
		p.close()
	}
	select {
	case <-s.ready:
		s.keeper.Close()
	default:
	}
}

// OpenChannel is forward.Opener's, for the local forwards of the set: the route
// is dialled if need be. A connection that turns out to be lost or silent is
// left for a new one.
func (s *pinSet) OpenChannel(kind string, extra []byte) (ssh.Channel, <-chan *ssh.Request, error) {
	select {
	case <-s.ready:
	case <-s.ctx.Done():
		return nil, nil, forward.ErrClosed
	}
	for again := true; ; again = false {
		lease, done, err := s.keeper.Get(s.ctx)
		if err != nil {
			return nil, nil, s.wording(err)
		}
		ch, reqs, err := opener{server: s.server, conn: lease.Conn(), route: s.route}.open(s.ctx, kind, extra)
		if err == nil {
			return ch, atEnd(reqs, done), nil
		}
		done()
		var refused *ssh.OpenChannelError
		if !again || errors.As(err, &refused) || errors.Is(err, hop.ErrMayNotForward) || s.ctx.Err() != nil {
			return nil, nil, err
		}
		waitLeft(s.ctx, lease)
	}
}

// HasOpened is forward.Experienced's.
func (s *pinSet) HasOpened() bool {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	for _, l := range s.server.lives {
		if l.route.Key() == s.route.Key() && l.opened.Load() {
			return true
		}
	}
	return false
}

// waitLeft waits, not for long, until the keeper must have seen that a
// connection is no good.
func waitLeft(ctx context.Context, lease *pool.Lease) {
	select {
	case <-lease.Leaving():
	case <-lease.Conn().Done():
	case <-ctx.Done():
	case <-time.After(time.Second):
	}
}

// wording says what a person can do about a dial that needs one.
func (s *pinSet) wording(err error) error {
	if errors.Is(err, hop.ErrNobody) {
		return fmt.Errorf("needs an answer: run \"sally up %s\" (%w)", s.route.Target().Name, err)
	}
	return err
}

// up serves the remote forwards while a connection is there.
func (s *pinSet) up(ctx context.Context, lease *pool.Lease) {
	l := s.server.liveOf(lease.Conn())
	if l == nil {
		return
	}
	var all sync.WaitGroup
	for _, p := range s.pins {
		if p.remote {
			all.Go(func() { p.serveRemote(ctx, l) })
		}
	}
	all.Wait()
}

// options are the forward's.
func (p *pin) options() forward.Options {
	o := p.set.server.forwardOptions(p.set.route)
	o.Stats = p.stats
	return o
}

// listenHere starts a local forward.
func (p *pin) listenHere(ctx context.Context, o forward.Options) error {
	l, err := forward.ListenLocal(ctx, p.set, p.spec, o)
	if err != nil {
		return err
	}
	p.listens(l)
	return nil
}

// listens notes the listener; it is closed at once when the pin has gone.
func (p *pin) listens(l listening) {
	p.mu.Lock()
	p.listener = l
	p.mu.Unlock()
	if p.ctx.Err() != nil {
		_ = l.Close()
	}
}

// listenAgain starts a local forward of a daemon that has died. What it left
// of a socket is removed; a port that another program has by now is waited for.
func (p *pin) listenAgain() {
	p.tasks.Go(func() {
		o := p.options()
		for pause := listenPause; p.ctx.Err() == nil; pause = min(2*pause, listenLongest) {
			removeDeadSocket(p.spec.ListenPath)
			err := p.listenHere(p.ctx, o)
			if err == nil {
				return
			}
			p.stats.Note(err)
			p.set.server.log.Warn("pinned forward does not listen", "hop", p.set.route.Target().Name, "forward", p.describe(), "err", err)
			p.pause(p.ctx, pause)
		}
	})
}

// serveRemote has the server listen until ctx ends. A refusal may come from
// what is left of the connection before, and is tried again.
func (p *pin) serveRemote(ctx context.Context, l *live) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)()
	for pause := listenPause; ctx.Err() == nil; pause = min(2*pause, listenLongest) {
		r, err := p.listenThere(ctx, l)
		select {
		case p.first <- err:
		default:
		}
		if err == nil {
			p.listens(r)
			<-ctx.Done()
			p.unlisten(r)
			return
		}
		if ctx.Err() == nil {
			p.stats.Note(err)
			p.set.server.log.Warn("pinned forward does not listen", "hop", p.set.route.Target().Name, "forward", p.describe(), "err", err)
		}
		p.pause(ctx, pause)
	}
}

// listenThere asks the server to listen; where it chose the port, for the same
// one again if it can be had.
func (p *pin) listenThere(ctx context.Context, l *live) (*forward.RemoteListener, error) {
	spec := p.spec
	chooses := spec.ListenPath == "" && spec.ListenPort == 0
	if p.mu.Lock(); chooses {
		spec.ListenPort = p.port
	}
	p.mu.Unlock()
	r, err := l.incoming.Listen(ctx, spec, p.options())
	var refused *forward.RefusedError
	if spec.ListenPort != 0 && chooses && errors.As(err, &refused) {
		r, err = l.incoming.Listen(ctx, p.spec, p.options())
	}
	if err == nil && chooses {
		p.mu.Lock()
		p.port = r.Port()
		p.mu.Unlock()
	}
	return r, err
}

// unlisten leaves a connection: those that run over it go on, unless the pin
// is removed.
func (p *pin) unlisten(r *forward.RemoteListener) {
	p.mu.Lock()
	p.listener = nil
	p.mu.Unlock()
	_ = r.Drain(p.ctx)
}

// pause waits before the next attempt.
func (p *pin) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// close ends the forward and its connections.
func (p *pin) close() {
	p.cancel()
	p.tasks.Wait()
	p.mu.Lock()
	l := p.listener
	p.listener = nil
	p.mu.Unlock()
	if l != nil {
		_ = l.Close()
	}
}

func (p *pin) describe() string { return forward.Describe(p.spec) }

// state tells how the forward is doing.
func (p *pin) state() forward.State {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		return p.listener.State()
	}
	return p.stats.Idle(p.spec, p.remote)
}
