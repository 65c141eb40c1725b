package daemon

import (
	"context"
	"errors"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/hop"
	"sallyport/internal/pool"
	"sallyport/internal/route"
)

// maxMoves is how many connections may be lost under one request before it is
// given up.
const maxMoves = 2

// errSilent ends an opening on a connection whose server does not answer.
var errSilent = errors.New("the server does not answer")

// onLivePath calls open, which uses the client's connection. When that falls
// silent or is lost before open has returned, open is called again with a new
// one: what the server has not confirmed has not begun.
func (m *master) onLivePath(ctx context.Context, open func(context.Context) error) error {
	m.sessions.Add(1) // the end of a connection that is left is not the client's
	defer m.sessions.Done()
	for moves := 0; ; moves++ {
		watched, stop := whileHeard(ctx, m.lease)
		err := open(watched)
		// An opener that open uses may have seen the silence before watched has.
		silent := errors.Is(context.Cause(watched), errSilent) || errors.Is(err, errSilent)
		stop()
		if err == nil || ctx.Err() != nil || moves == maxMoves || !(silent || m.lostUnder(err)) {
			return err
		}
		if err := m.move(ctx); err != nil {
			return err
		}
	}
}

// lostUnder reports whether an opening failed because its connection has ended,
// and not on purpose.
func (m *master) lostUnder(err error) bool {
	if refused, ok := errors.AsType[*ssh.OpenChannelError](err); ok && refused != nil {
		return false
	}
	lost := m.lease.Failure()
	return lost != nil && !errors.Is(lost, hop.ErrClosed)
}

// whileHeard is ctx until the connection is found to be silent.
func whileHeard(ctx context.Context, lease *pool.Lease) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	silent := lease.Silent()
	go func() {
		select {
		case <-silent:
			cancel(errSilent)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// move gives the client a hold on a new connection for the one it has.
func (m *master) move(ctx context.Context) error {
	old := m.lease
	lease, err := m.server.pool.Get(ctx, m.route, old.HeldBy(), outsider{m.origin})
	if err != nil {
		return err
	}
	m.lease = lease
	m.follow(lease)
	old.Release()
	return nil
}

// opener opens channels on a connection, until it is found to be silent. It is
// a forward.Opener.
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
	lease, err := o.server.pool.Find(o.route.Key(), pool.Holder{Use: pool.UseRequest, What: "open"})
	if err == nil {
		defer lease.Release()
		if lease.Conn() == o.conn { // else it is replaced already, and ends by itself
			var heard func()
			ctx, heard = whileHeard(ctx, lease)
			defer heard()
		}
	}
	ch, reqs, err := openChannel(ctx, o.conn, kind, extra)
	if l := o.server.liveOf(o.conn); l != nil && err == nil {
		l.opened.Store(true)
	}
	return ch, reqs, err
}

// HasOpened is forward.Experienced's.
func (o opener) HasOpened() bool {
	l := o.server.liveOf(o.conn)
	return l != nil && l.opened.Load()
}
