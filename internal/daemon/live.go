package daemon

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/forward"
	"sallyport/internal/mux"
	"sallyport/internal/pool"
	"sallyport/internal/route"
	"sallyport/internal/sshconfig"
)

// live is what the daemon keeps for one live connection: its forwards and its
// control socket. It ends with the connection.
type live struct {
	server   *Server
	conn     pool.Conn
	route    route.Route
	incoming *forward.Incoming
	stopped  chan struct{} // closed by stopListening
	agent    lentAgent
	displays lentDisplays
	opened   atomic.Bool // a forward has reached its target
	spares   spares

	// state: guarded by mu
	mu       sync.Mutex
	forwards map[mux.Forward]*openForward
	controls []*control // one for each ControlPath it was asked for with
	closed   bool
}

// openForward is one forward and who asked for it.
type openForward struct {
	listener listening
	port     int     // chosen by the server for a remote port 0
	owner    *master // nil when it belongs to the master itself
	lease    *pool.Lease
	since    time.Time
}

// listening is a forward.Listener or a forward.RemoteListener.
type listening interface {
	State() forward.State
	StopListening()
	Drain(ctx context.Context) error
	Close() error
}

func (f *openForward) close() error {
	err := f.listener.Close()
	if f.lease != nil {
		f.lease.Release()
	}
	return err
}

// track keeps what belongs to conn until it ends.
func (s *Server) track(rt route.Route, conn pool.Conn) {
	l := &live{server: s, conn: conn, route: rt, incoming: forward.NewIncoming(conn), forwards: map[mux.Forward]*openForward{}, stopped: make(chan struct{})}
	for _, t := range forward.ChannelTypes() {
		conn.HandleChannels(t, func(nc ssh.NewChannel) {
			if err := s.padlock.check(); err != nil {
				_ = nc.Reject(ssh.Prohibited, err.Error())
				return
			}
			l.incoming.Handle(nc)
		})
	}
	conn.HandleChannels(agentChannel, l.serveAgent)
	conn.HandleChannels(x11Channel, l.serveX11)
	_ = l.offerControl(rt) // who attaches or brings it up hears why not
	s.mu.Lock()
	s.lives[conn] = l
	s.mu.Unlock()
	s.note(+1)
	s.serving.Go(func() {
		defer s.note(-1)
		<-conn.Done()
		s.mu.Lock()
		delete(s.lives, conn)
		s.mu.Unlock()
		l.close()
	})
}

func (s *Server) liveOf(conn pool.Conn) *live {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lives[conn]
}

// stopListening takes the control socket away; the master goes with its last
// session or connection, and what does nothing but hold it lets go: clients, and
// the forwards that belong to no client.
func (l *live) stopListening() error {
	if err := l.stopControls(); err != nil {
		return err
	}
	l.end(l.remove(func(_ mux.Forward, f *openForward) bool { return f.lease != nil }))
	return nil
}

func (l *live) stopControls() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.controls) == 0 {
		return errors.New("no control socket")
	}
	select {
	case <-l.stopped:
	default:
		close(l.stopped)
	}
	l.server.pool.Drain(l.route.Key())
	var err error
	for _, c := range l.controls {
		err = errors.Join(err, c.stopListening())
	}
	return err
}

// offerControl puts a control socket where rt, the route to this connection,
// says that ssh looks for one (ControlPath). Somebody else's there is left
// alone, and the log tells.
func (l *live) offerControl(rt route.Route) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	path := rt.Target().Options.Control.Path
	if path == "" || l.closed || slices.ContainsFunc(l.controls, func(c *control) bool { return c.at(path) }) {
		return nil
	}
	c, err := l.server.keepControl(rt)
	if err != nil {
		l.server.log.Warn("no control socket", "hop", rt.Target().Name, "err", err)
		return err
	}
	l.controls = append(l.controls, c)
	return nil
}

func (l *live) close() {
	l.mu.Lock()
	forwards, controls := l.forwards, l.controls
	l.forwards, l.closed = nil, true
	l.mu.Unlock()
	for _, c := range controls {
		c.release()
	}
	for _, f := range forwards {
		f.close()
	}
	l.incoming.Close()
}

// open starts a forward, or finds the same one live.
func (l *live) open(ctx context.Context, m *master, f mux.Forward) (uint32, error) {
	l.mu.Lock()
	existing, closed := l.forwards[f], l.forwards == nil
	l.mu.Unlock()
	switch {
	case closed:
		return 0, errEnded
	case existing != nil:
		return uint32(existing.port), nil
	}
	opened, err := l.start(ctx, f)
	if err != nil {
		return 0, err
	}
	if m.shared {
		holder := pool.Holder{Use: pool.UseForward, What: f.String()}
		opened.lease, _ = l.server.pool.Find(l.route.Key(), holder)
	} else {
		opened.owner = m
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.forwards == nil || l.forwards[f] != nil {
		defer opened.close()
		return 0, errEnded
	}
	l.forwards[f] = opened
	return uint32(opened.port), nil
}

// start listens here or asks the server to.
func (l *live) start(ctx context.Context, f mux.Forward) (*openForward, error) {
	opts := l.server.forwardOptions(l.route)
	if f.Kind == mux.ForwardRemote {
		r, err := l.incoming.Listen(ctx, forwardSpec(f), opts)
		if err != nil {
			return nil, err
		}
		port := 0
		if f.ListenPath == "" && f.ListenPort == 0 {
			port = r.Port()
		}
		return &openForward{listener: r, port: port, since: time.Now()}, nil
	}
	listener, err := forward.ListenLocal(ctx, opener{server: l.server, conn: l.conn, route: l.route}, forwardSpec(f), opts)
	if err != nil {
		return nil, err
	}
	return &openForward{listener: listener, since: time.Now()}, nil
}

// forwardOptions are those of the forwards of a route.
func (s *Server) forwardOptions(rt route.Route) forward.Options {
	opts := forward.OptionsFrom(rt.Target().Options.Forward)
	opts.AddressFamily = rt.Target().Options.Connect.AddressFamily
	opts.Limit = s.carries
	opts.Log = s.log.With("hop", rt.Target().Name)
	return opts
}

// cancel ends a forward: new connections are refused, running ones go on.
func (l *live) cancel(f mux.Forward) error {
	cancelled := l.remove(func(spec mux.Forward, _ *openForward) bool { return spec == f })
	if len(cancelled) == 0 {
		return mux.ErrNotForwarded
	}
	l.end(cancelled)
	return nil
}

// end refuses new connections of forwards; they end with the running ones.
func (l *live) end(forwards []*openForward) {
	for _, f := range forwards {
		f.listener.StopListening()
		l.server.serving.Go(func() { f.drain(l.server.ctx) })
	}
}

// remove takes forwards out of the table.
func (l *live) remove(which func(mux.Forward, *openForward) bool) []*openForward {
	l.mu.Lock()
	defer l.mu.Unlock()
	var removed []*openForward
	for spec, f := range l.forwards {
		if which(spec, f) {
			removed = append(removed, f)
			delete(l.forwards, spec)
		}
	}
	return removed
}

// closeOwned ends the forwards that a client asked for, when it has gone.
func (l *live) closeOwned(m *master) {
	for _, f := range l.remove(func(_ mux.Forward, f *openForward) bool { return f.owner == m }) {
		f.close()
	}
}

// forwardSpec is a client's forward in the terms of package forward.
func forwardSpec(f mux.Forward) sshconfig.ForwardSpec {
	spec := sshconfig.ForwardSpec{
		ListenHost: f.ListenHost, ListenPort: f.ListenPort, ListenPath: f.ListenPath,
		ConnectHost: f.ConnectHost, ConnectPort: f.ConnectPort, ConnectPath: f.ConnectPath,
	}
	if f.IsDynamic() {
		spec.ConnectHost, spec.ConnectPort = "", 0
	}
	return spec
}
