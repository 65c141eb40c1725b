package daemon

import (
	"context"
	"errors"
	"net"
	"sync"

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
	control  *mux.Listener // nil without a ControlPath
	stopped  chan struct{} // closed by stopListening

	// state: guarded by mu
	mu       sync.Mutex
	forwards map[mux.Forward]*openForward
}

// openForward is one forward and who asked for it.
type openForward struct {
	listener interface{ Close() error }
	port     int     // chosen by the server for a remote port 0
	owner    *master // nil when it belongs to the master itself
	lease    *pool.Lease
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
		conn.HandleChannels(t, l.incoming.Handle)
	}
	l.listenControl()
	s.mu.Lock()
	s.lives[conn] = l
	s.mu.Unlock()
	s.serving.Go(func() {
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
// session, and those who do nothing but hold it let go.
func (l *live) stopListening() error {
	if l.control == nil {
		return errors.New("no control socket")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.stopped:
	default:
		close(l.stopped)
	}
	l.server.pool.Drain(l.route.Key())
	return l.control.Close()
}

func (l *live) close() {
	if l.control != nil {
		l.control.Close()
	}
	l.mu.Lock()
	forwards := l.forwards
	l.forwards = nil
	l.mu.Unlock()
	for _, f := range forwards {
		f.close()
	}
	l.incoming.Close()
}

// listenControl puts a control socket where ssh looks for it (ControlPath).
// Somebody else's socket there is left alone.
func (l *live) listenControl() {
	path := l.route.Target().Options.Control.Path
	if path == "" {
		return
	}
	log := l.server.log.With("hop", l.route.Target().Name)
	listener, err := mux.Listen(path)
	if err != nil {
		log.Warn("no control socket", "reason", err)
		return
	}
	l.control = listener
	l.server.serving.Go(func() { l.acceptControl(listener) })
	l.server.serving.Go(func() { l.guardControl(listener) })
}

// acceptControl serves the clients of the control socket.
func (l *live) acceptControl(listener *mux.Listener) {
	for {
		conn, peer, err := listener.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				l.server.log.Warn("control socket", "hop", l.route.Target().Name, "reason", err)
			}
			return
		}
		l.server.serving.Go(func() {
			holder := pool.Holder{Use: pool.UseSession, What: "control client", PID: peer.PID}
			lease, err := l.server.pool.Find(l.route.Key(), holder)
			if err != nil {
				conn.Close()
				return
			}
			defer lease.Release()
			m := &master{server: l.server, lease: lease, shared: true}
			if err := m.serve(l.server.ctx, conn, &peer); err != nil {
				l.server.log.Debug("control client ended", "reason", err)
			}
		})
	}
}

// guardControl makes the socket again when a client has removed it.
func (l *live) guardControl(listener *mux.Listener) {
	ctx, cancel := context.WithCancel(l.server.ctx)
	defer cancel()
	go func() {
		select {
		case <-l.conn.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	for listener.WaitMissing(ctx, controlPoll) == nil {
		if err := listener.Restore(); err != nil {
			l.server.log.Warn("control socket not restored", "hop", l.route.Target().Name, "reason", err)
			return
		}
	}
}

// open starts a forward, or finds the same one live.
func (l *live) open(ctx context.Context, m *master, f mux.Forward) (uint32, error) {
	l.mu.Lock()
	existing, closed := l.forwards[f], l.forwards == nil
	l.mu.Unlock()
	switch {
	case closed:
		return 0, errors.New("the connection has ended")
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
		return 0, errors.New("the connection has ended")
	}
	l.forwards[f] = opened
	return uint32(opened.port), nil
}

// start listens here or asks the server to.
func (l *live) start(ctx context.Context, f mux.Forward) (*openForward, error) {
	opts := forward.OptionsFrom(l.route.Target().Options.Forward)
	opts.AddressFamily = l.route.Target().Options.Connect.AddressFamily
	opts.Log = l.server.log.With("hop", l.route.Target().Name)
	if f.Kind == mux.ForwardRemote {
		r, err := l.incoming.Listen(ctx, forwardSpec(f), opts)
		if err != nil {
			return nil, err
		}
		port := 0
		if f.ListenPath == "" && f.ListenPort == 0 {
			port = r.Port()
		}
		return &openForward{listener: r, port: port}, nil
	}
	listener, err := forward.ListenLocal(ctx, l.conn, forwardSpec(f), opts)
	if err != nil {
		return nil, err
	}
	return &openForward{listener: listener}, nil
}

// cancel ends a forward: new connections are refused, running ones go on.
func (l *live) cancel(f mux.Forward) error {
	l.mu.Lock()
	opened := l.forwards[f]
	delete(l.forwards, f)
	l.mu.Unlock()
	if opened == nil {
		return mux.ErrNotForwarded
	}
	if s, ok := opened.listener.(interface{ StopListening() }); ok {
		s.StopListening()
		l.server.serving.Go(func() {
			if d, ok := opened.listener.(interface{ Drain(context.Context) error }); ok {
				_ = d.Drain(l.server.ctx)
			}
			_ = opened.close()
		})
		return nil
	}
	return opened.close()
}

// closeOwned ends the forwards that a client asked for, when it has gone.
func (l *live) closeOwned(m *master) {
	var owned []*openForward
	l.mu.Lock()
	for spec, f := range l.forwards {
		if f.owner == m {
			owned = append(owned, f)
			delete(l.forwards, spec)
		}
	}
	l.mu.Unlock()
	for _, f := range owned {
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
