package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"

	"sallyport/internal/hop"
	"sallyport/internal/mux"
	"sallyport/internal/pool"
	"sallyport/internal/route"
)

// master is the mux.Handler of one client on one route's master.
type master struct {
	server *Server
	route  route.Route
	peer   mux.Peer
	origin func() hop.Origin // the client's surroundings
	// lease is nil for a client that came when the connection was ending: a
	// new one is made once it is needed.
	lease *pool.Lease
	// follow ends the serving with a lease's connection, and no more with that
	// of the lease before; set by serve.
	follow func(*pool.Lease)
	// shared is true for a client of a control socket, whose forwards belong
	// to the master; those of a command of ours end with it.
	shared bool
	// hangup is the signal for programs whose client goes away, "" for none.
	hangup string
	// holds is true for a command that only keeps the master (ssh -N).
	holds bool
	// detached is true for a client whose stdio forward outlives it.
	detached bool
	// sessions are those under way; they end by themselves with the connection.
	sessions tally
	// used is true once the client has asked for something: until then the end
	// of the connection is no end for him, he is given a new one.
	used atomic.Bool
}

// serve speaks with the client until it leaves or the connection that it is
// here for has ended. A session's user is told of that end first.
func (m *master) serve(ctx context.Context, conn *net.UnixConn, peer *mux.Peer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	unfollow := func() {}
	m.follow = func(lease *pool.Lease) {
		unfollow()
		followed, stop := context.WithCancel(ctx)
		unfollow = stop
		var stopped chan struct{}
		if l := m.server.liveOf(lease.Conn()); l != nil && m.holds {
			stopped = l.stopped
		}
		go func() {
			select {
			case <-lease.Conn().Done():
				m.sessions.Wait()
				if followed.Err() == nil && (m.holds || m.used.Load()) {
					cancel(m.farewell(lease))
				}
			case <-stopped:
				cancel(mux.Lost{Reason: lease.Route().Target().Name + ": the connection was told to stop"})
			case <-followed.Done():
			}
		}()
	}
	defer func() { unfollow() }()
	if m.lease != nil {
		m.follow(m.lease)
	}
	return mux.Serve(ctx, conn, m, mux.ServerConfig{Log: m.server.log, Peer: peer})
}

// farewell is what a client of ours that only keeps the connection is told about
// its end, nil for any other client.
func (m *master) farewell(lease *pool.Lease) error {
	if !m.holds || m.shared {
		return nil
	}
	if why := m.endOf(lease); why != nil {
		return mux.Lost{Reason: hop.Clean(why.Error())}
	}
	return nil
}

// endOf words the end of a connection.
func (m *master) endOf(lease *pool.Lease) error {
	failure := lease.Failure()
	if errors.Is(failure, hop.ErrClosed) {
		return fmt.Errorf("%s: connection closed", lease.Route().Target().Name)
	}
	return failure
}

// need is the client's hold on the master, which is dialled if it has gone.
func (m *master) need(ctx context.Context) (*pool.Lease, error) {
	m.used.Store(true)
	if m.lease != nil {
		return m.lease, nil
	}
	lease, err := m.server.pool.Get(ctx, m.route, m.holder(), outsider{m.origin})
	if err != nil {
		return nil, err
	}
	m.lease = lease
	m.follow(lease)
	return lease, nil
}

// whileAlive is ctx until conn ends: an open that races with that end may stay
// without an answer.
func whileAlive(ctx context.Context, conn pool.Conn) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-conn.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// errEnded answers a client whose connection is no more.
var errEnded = errors.New("the connection has ended")

// OpenForward is mux.Handler's.
func (m *master) OpenForward(ctx context.Context, _ mux.Peer, f mux.Forward) (uint32, error) {
	if err := m.permit(ctx, "forward"); err != nil {
		return 0, err
	}
	if _, err := m.need(ctx); err != nil {
		return 0, err
	}
	var port uint32
	err := m.onLivePath(ctx, func(ctx context.Context) (err error) {
		if err := m.lease.Conn().MayForward(); err != nil {
			return fmt.Errorf("%s: %w", m.lease.Route().Target(), err)
		}
		l := m.server.liveOf(m.lease.Conn())
		if l == nil {
			return errEnded
		}
		port, err = l.open(ctx, m, f)
		return err
	})
	return port, err
}

// CloseForward is mux.Handler's.
func (m *master) CloseForward(_ context.Context, _ mux.Peer, f mux.Forward) error {
	l := m.live()
	if l == nil {
		return mux.ErrNotForwarded
	}
	return l.cancel(f)
}

// live is what the daemon keeps for the client's connection, nil when there is
// none any more.
func (m *master) live() *live {
	if m.lease == nil {
		return nil
	}
	return m.server.liveOf(m.lease.Conn())
}

// Alive is mux.Handler's: SIGWINCH comes to this process. For a mere check it
// makes a round trip, so that a dead path does not look alive. A client that
// will open a session is not told: it would log in by itself.
func (m *master) Alive(ctx context.Context) (uint32, error) {
	pid := uint32(os.Getpid())
	if !m.shared || m.peer.ControlCommand() != "check" {
		return pid, nil
	}
	if m.lease == nil {
		return 0, errEnded
	}
	return pid, roundTrip(ctx, m.lease)
}

// roundTrip asks the server for an answer.
func roundTrip(ctx context.Context, lease *pool.Lease) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	_, err := lease.Conn().Ping(ctx)
	target := lease.Route().Target()
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return &hop.Error{Hop: target.Name, Addr: target.Addr(), Stage: hop.StageAlive,
			Err: &hop.TimeoutError{After: checkTimeout.String(), Doing: "no answer to keepalive"}}
	case err != nil:
		return lease.Failure()
	}
	return nil
}

// Terminate is mux.Handler's.
func (m *master) Terminate(ctx context.Context, _ mux.Peer) (func(), error) {
	if err := m.permit(ctx, "terminate"); err != nil {
		return nil, err
	}
	return func() { m.server.pool.Down(m.route.Key()) }, nil
}

// StopListening is mux.Handler's: the socket goes, sessions go on, and the
// master with the last of them.
func (m *master) StopListening(ctx context.Context, _ mux.Peer) error {
	if err := m.permit(ctx, "stop listening"); err != nil {
		return err
	}
	l := m.live()
	if l == nil {
		return errEnded
	}
	return l.stopListening()
}

// leave gives back what the client held.
func (m *master) leave() {
	if l := m.live(); l != nil {
		l.closeOwned(m)
	}
	if m.lease != nil {
		m.lease.Release()
	}
}
