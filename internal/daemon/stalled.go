package daemon

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/mux"
	"sallyport/internal/pool"
	"sallyport/internal/route"
	"sallyport/internal/session"
)

// openPatience is how long a server may take to open a session before it is
// asked whether it is there at all.
const openPatience = 5 * time.Second

// errSilent ends an opening on a connection whose server does not answer.
var errSilent = errors.New("the server does not answer")

// startAnew is startSession. When the connection turns out to be silent, no
// more is opened on it, and the session is on a new one.
func (m *master) startAnew(ctx context.Context, req session.Request, r *mux.SessionRequest, stderr *os.File) (*session.Session, func(), error) {
	watched, stop := m.server.whileAnswering(ctx, m.lease.Route())
	s, leave, err := m.startSession(watched, req, r, stderr)
	silent := errors.Is(context.Cause(watched), errSilent)
	if stop(); err == nil || !silent || ctx.Err() != nil {
		return s, leave, err
	}
	m.sessions.Add(1) // the old connection's end is not the client's
	defer m.sessions.Done()
	defer m.lease.Release()
	m.lease.SetUse(pool.UseRequest, "silent")
	holder := pool.Holder{Use: pool.UseSession, What: kindOf(r), PID: m.peer.PID}
	lease, err := m.server.pool.Get(ctx, m.route, holder, outsider{m.origin})
	if err != nil {
		return nil, nil, err
	}
	m.lease = lease
	m.follow(lease)
	return m.startSession(ctx, req, r, stderr)
}

// whileAnswering is ctx until the server at the end of a route is found to be
// silent: then errSilent is its cause.
func (s *Server) whileAnswering(ctx context.Context, rt route.Route) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	check := time.AfterFunc(openPatience, func() {
		if s.drainSilent(ctx, rt) {
			cancel(errSilent)
		}
	})
	return ctx, func() { check.Stop(); cancel(nil) }
}

// opener opens channels on a connection, and asks the server whether it is
// there when that takes long. It is a forward.Opener.
type opener struct {
	server *Server
	conn   pool.Conn
	route  route.Route
}

// OpenChannel is forward.Opener's. The error is errSilent when the server does
// not answer.
func (o opener) OpenChannel(kind string, extra []byte) (ssh.Channel, <-chan *ssh.Request, error) {
	return o.open(o.server.ctx, kind, extra)
}

func (o opener) open(ctx context.Context, kind string, extra []byte) (ssh.Channel, <-chan *ssh.Request, error) {
	ctx, stop := o.server.whileAnswering(ctx, o.route)
	defer stop()
	return openChannel(ctx, o.conn, kind, extra)
}

// drainSilent lets no more use be made of those connections along a route that
// do not answer. It reports whether the last one is among them.
func (s *Server) drainSilent(ctx context.Context, rt route.Route) (last bool) {
	var checks sync.WaitGroup
	target := rt.Key()
	for to, ok := rt, true; ok; to, ok = to.Parent() {
		checks.Go(func() {
			lease, err := s.pool.Find(to.Key(), pool.Holder{Use: pool.UseRequest, What: "check"})
			if err != nil {
				return
			}
			defer lease.Release()
			if err := roundTrip(ctx, lease); err != nil && ctx.Err() == nil {
				s.log.Warn("silent connection", "hop", to.Target().Name, "err", err)
				s.pool.Drain(to.Key())
				if to.Key() == target {
					last = true
				}
			}
		})
	}
	checks.Wait()
	return last
}
