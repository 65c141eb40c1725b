package daemon

import (
	"context"
	"errors"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/mux"
	"sallyport/internal/pool"
	"sallyport/internal/sshconfig"
)

// OpenProxy is mux.Handler's: the client speaks SSH's connection protocol over
// its control connection.
func (m *master) OpenProxy(ctx context.Context, p mux.Peer) (mux.Upstream, error) {
	if err := m.permit(ctx, "proxy connection"); err != nil {
		return nil, err
	}
	if _, err := m.need(ctx); err != nil {
		return nil, err
	}
	// It stays on the connection that it is given: that had better be alive.
	err := m.onLivePath(ctx, func(ctx context.Context) error {
		_, err := m.lease.Conn().Ping(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	lease := m.lease
	l := m.server.liveOf(lease.Conn())
	if l == nil {
		return nil, errEnded
	}
	if sp := l.spares.stop(); sp != nil { // it opens its sessions when it likes
		m.server.serving.Go(sp.close)
	}
	return &upstream{live: l, lease: lease}, nil
}

// upstream is what a proxy client sees of a master.
type upstream struct {
	live  *live
	lease *pool.Lease
}

// OpenChannel is mux.Upstream's. A session takes one of the seats that the
// server allows, as any other does.
func (u *upstream) OpenChannel(ctx context.Context, kind string, extra []byte) (ch ssh.Channel, reqs <-chan *ssh.Request, err error) {
	ctx, heard := whileHeard(ctx, u.lease)
	defer heard()
	if kind != "session" {
		return u.opener(u.lease.Conn()).open(ctx, kind, extra)
	}
	u.lease.SetUse(pool.UseSession, "proxy")
	leave, err := u.lease.Seat(ctx, pool.Opening{
		Open: func(conn pool.Conn, _ bool) (err error) {
			ch, reqs, err = u.opener(conn).open(ctx, kind, extra)
			return err
		},
		Full: func(err error) bool {
			refused, ok := errors.AsType[*ssh.OpenChannelError](err)
			return ok && (refused.Reason == ssh.ConnectionFailed || refused.Reason == ssh.ResourceShortage)
		},
		Waiting: func(int) {},
	})
	if err != nil {
		return nil, nil, err
	}
	return ch, atEnd(reqs, leave), nil
}

func (u *upstream) opener(conn pool.Conn) opener {
	return opener{server: u.live.server, conn: conn, route: u.lease.Route()}
}

// openChannel opens a channel. When ctx ends first, it is closed as soon as the
// server answers.
func openChannel(ctx context.Context, conn pool.Conn, kind string, extra []byte) (ssh.Channel, <-chan *ssh.Request, error) {
	type answer struct {
		ch   ssh.Channel
		reqs <-chan *ssh.Request
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		ch, reqs, err := conn.OpenChannel(kind, extra)
		answers <- answer{ch, reqs, err}
	}()
	abandoned := func() {
		if a := <-answers; a.err == nil {
			_ = a.ch.Close()
			ssh.DiscardRequests(a.reqs)
		}
	}
	select {
	case a := <-answers:
		return a.ch, a.reqs, a.err
	case <-ctx.Done():
		go abandoned()
		return nil, nil, context.Cause(ctx)
	case <-conn.Done():
		go abandoned()
		return nil, nil, errEnded
	}
}

// atEnd passes requests on and calls f when the channel has ended.
func atEnd(in <-chan *ssh.Request, f func()) <-chan *ssh.Request {
	out := make(chan *ssh.Request)
	go func() {
		defer close(out)
		defer f()
		for r := range in {
			out <- r
		}
	}()
	return out
}

// Listen is mux.Upstream's.
func (u *upstream) Listen(ctx context.Context, l mux.RemoteListen, accept func(ssh.NewChannel)) (uint32, func() error, error) {
	spec := sshconfig.ForwardSpec{ListenHost: l.Host, ListenPort: int(l.Port), ListenPath: l.Path}
	if l.Host == "" && l.Path == "" {
		spec.ListenHost = "*" // RFC 4254 §7.1: all addresses
	}
	r, err := u.live.incoming.ListenRaw(ctx, spec, accept)
	if err != nil {
		return 0, nil, err
	}
	return uint32(r.Port()), r.Close, nil
}

// Close is mux.Upstream's.
func (u *upstream) Close() error { return nil }

// Done is mux.Upstream's.
func (u *upstream) Done() <-chan struct{} { return u.lease.Conn().Done() }
