package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"sallyport/internal/mux"
	"sallyport/internal/pool"
	"sallyport/internal/route"
)

// controls are the control sockets where ssh looks for them (ControlPath). One
// path serves one route.
type controls struct {
	mu      sync.Mutex
	byPath  map[string]*control
	guarded bool // guardControls runs
}

// control is the socket of a route. It is there while the route has a live
// connection; a client that had connected before it went is served all the
// same, by a new connection if need be.
type control struct {
	server   *Server
	route    route.Route
	key      route.Key // the route's
	listener *mux.Listener
	gone     chan struct{} // closed when it listens no more

	lives  int  // connections that keep it; guarded by controls.mu
	unable bool // could not be made again; guardControls'
}

// PathTakenError says that two routes have the same ControlPath. A client that
// looks there cannot say which of them it means.
type PathTakenError struct {
	Path, By string
}

func (e *PathTakenError) Error() string {
	return fmt.Sprintf("control socket %s serves %s: a path for each route is needed (with %%C, or %%r@%%h:%%p)", e.Path, e.By)
}

// keepControl makes the control socket of a route, or keeps the one there.
func (s *Server) keepControl(rt route.Route) (*control, error) {
	path := rt.Target().Options.Control.Path
	s.controls.mu.Lock()
	defer s.controls.mu.Unlock()
	if c := s.controls.byPath[path]; c != nil {
		if c.key != rt.Key() {
			return nil, &PathTakenError{Path: path, By: c.route.String()}
		}
		c.lives++
		return c, nil
	}
	listener, err := mux.Listen(path)
	if err != nil {
		return nil, err
	}
	c := &control{server: s, route: rt, key: rt.Key(), listener: listener, gone: make(chan struct{}), lives: 1}
	s.controls.byPath[path] = c
	s.note(+1)
	s.serving.Go(func() { defer s.note(-1); c.accept() })
	if !s.controls.guarded {
		s.controls.guarded = true
		s.serving.Go(s.guardControls)
	}
	return c, nil
}

// at reports whether the socket is at path and listens.
func (c *control) at(path string) bool {
	select {
	case <-c.gone:
		return false
	default:
		return c.listener.Path() == path
	}
}

// release lets the socket go with the last connection that keeps it.
func (c *control) release() {
	c.server.controls.mu.Lock()
	defer c.server.controls.mu.Unlock()
	if c.lives--; c.lives == 0 {
		_ = c.stop()
	}
}

// stopListening removes the socket, whoever keeps it.
func (c *control) stopListening() error {
	c.server.controls.mu.Lock()
	defer c.server.controls.mu.Unlock()
	return c.stop()
}

// stop ends the listening; the caller holds controls.mu.
func (c *control) stop() error {
	select {
	case <-c.gone:
		return nil
	default:
	}
	close(c.gone)
	delete(c.server.controls.byPath, c.listener.Path())
	return c.listener.Close()
}

// accept serves the clients of the socket.
func (c *control) accept() {
	for {
		conn, peer, err := c.listener.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				c.server.log.Warn("control socket", "hop", c.route.Target().Name, "err", err)
			}
			return
		}
		c.server.note(+1)
		c.server.serving.Go(func() {
			defer c.server.note(-1)
			c.serve(conn, peer)
		})
	}
}

// joinTimeout bounds the wait for a connection that is nearly there before a
// client is greeted.
const joinTimeout = 2 * time.Second

// serve speaks with one client.
func (c *control) serve(conn *net.UnixConn, peer mux.Peer) {
	m := &master{server: c.server, route: c.route, peer: peer, origin: lookUp(peer), shared: true}
	defer m.leave()
	ctx, cancel := context.WithTimeout(c.server.ctx, joinTimeout)
	defer cancel()
	if lease, err := c.server.pool.Join(ctx, c.key, m.holder()); err == nil {
		m.lease = lease
	}
	if err := m.serve(c.server.ctx, conn, &peer); err != nil {
		c.server.log.Debug("control client ended", "err", err)
	}
}

// note counts what may still need the server: live connections, control
// sockets and their clients.
func (s *Server) note(delta int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.riders += delta
	close(s.changed)
	s.changed = make(chan struct{})
}

// AwaitIdle returns when no connection is left and nobody is about to need
// one, or ctx has ended.
func (s *Server) AwaitIdle(ctx context.Context) {
	for {
		s.pool.AwaitIdle(ctx)
		s.mu.Lock()
		idle, changed := s.riders == 0 && s.pool.Idle(), s.changed
		s.mu.Unlock()
		if idle {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// holder describes a control client for status, as long as it is not known
// what it is here for.
func (m *master) holder() pool.Holder {
	return pool.Holder{Use: pool.UseRequest, What: "control client", PID: m.peer.PID}
}

// usedFor notes what a control client is here for. One of ours has said so.
func (m *master) usedFor(use pool.Use, what string) {
	if m.shared {
		m.lease.SetUse(use, what)
	}
}

// kindOf names what a session runs.
func kindOf(r *mux.SessionRequest) string {
	switch {
	case r.Subsystem:
		return "subsystem"
	case r.Command != "":
		return "command"
	}
	return "shell"
}

// controlOf is the path of a route's control socket, "" when it has none.
func (s *Server) controlOf(key route.Key) string {
	s.controls.mu.Lock()
	defer s.controls.mu.Unlock()
	for path, c := range s.controls.byPath {
		if c.key == key {
			return path
		}
	}
	return ""
}
