package forward

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"sallyport/internal/sshconfig"
)

// Listener is a local or a dynamic forward. It listens from ListenLocal until
// StopListening or Close; its connections go on until they end, or Close.
// It outlives SSH connections: each channel is asked for anew.
type Listener struct {
	// config: not changed after ListenLocal
	opener    Opener
	kind      Kind
	spec      sshconfig.ForwardSpec
	opts      Options
	listeners []net.Listener
	addrs     []string

	accepting sync.WaitGroup
	conns     *group
	seats     seats
	stop      sync.Once
	stopped   chan struct{}
}

// ListenLocal starts a local forward, or a dynamic one when spec has no
// target. Port 0 lets the system choose. ctx bounds the call. The errors are
// *SpecError and *ListenError; nothing is opened through opener before a
// connection arrives.
func ListenLocal(ctx context.Context, opener Opener, spec sshconfig.ForwardSpec, opts Options) (*Listener, error) {
	if err := Check(spec, false); err != nil {
		return nil, err
	}
	opts.fill()
	listeners, err := listen(ctx, spec, &opts)
	if err != nil {
		return nil, err
	}
	l := &Listener{
		opener: opener, kind: KindOf(spec, false), spec: spec, opts: opts,
		listeners: listeners, conns: newGroup(), seats: opts.Limit.seats(), stopped: make(chan struct{}),
	}
	for _, ln := range listeners {
		l.addrs = append(l.addrs, ln.Addr().String())
	}
	for _, ln := range listeners {
		l.accepting.Go(func() { l.accept(ln) })
	}
	return l, nil
}

// Port is the TCP port that is listened on, 0 for a Unix socket.
func (l *Listener) Port() int {
	if a, ok := l.listeners[0].Addr().(*net.TCPAddr); ok {
		return a.Port
	}
	return 0
}

// State tells how the forward is doing.
func (l *Listener) State() State {
	st := State{Kind: l.kind, Spec: l.spec, Target: targetOf(l.spec).String()}
	select {
	case <-l.stopped:
	default:
		st.Listen = l.addrs
	}
	l.opts.Stats.snapshot(&st)
	return st
}

// StopListening takes no more connections and leaves those there are.
func (l *Listener) StopListening() {
	l.stop.Do(func() {
		close(l.stopped)
		closeListeners(l.listeners)
	})
	l.accepting.Wait()
}

// Drain stops listening and waits until the connections have ended. When ctx
// ends before, they are closed and its error is returned.
func (l *Listener) Drain(ctx context.Context) error {
	l.StopListening()
	return l.conns.drain(ctx)
}

// Close stops listening, ends all connections and waits until nothing that the
// forward started runs. A channel ends when the server has confirmed that, or
// with its SSH connection. Only an open that the server has not answered yet
// is not waited for: should the channel still come, it is closed.
func (l *Listener) Close() error {
	l.StopListening()
	l.conns.close()
	return nil
}

// accept takes connections until the listener is closed. When the process or
// the system runs out of something, it waits and tries again.
func (l *Listener) accept(ln net.Listener) {
	const longest = time.Second
	pause := 5 * time.Millisecond
	for {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			pause = 5 * time.Millisecond
			l.take(conn.(Stream), conn.RemoteAddr())
			continue
		case errors.Is(err, net.ErrClosed):
			return
		}
		l.opts.Stats.note(err)
		l.opts.Log.Warn("accept failed", "forward", Describe(l.spec), "err", err)
		select {
		case <-time.After(pause):
			pause = min(2*pause, longest)
		case <-l.stopped:
			return
		}
	}
}

// take serves a connection once there is a seat for it. Nothing is accepted
// meanwhile.
func (l *Listener) take(conn Stream, peer net.Addr) {
	if !l.seats.take(l.stopped, l.full) {
		_ = conn.Close()
		return
	}
	l.conns.add(conn)
	started := l.conns.run(func() {
		defer l.seats.free()
		defer l.conns.remove(conn)
		l.serve(conn, peer)
	})
	if !started {
		l.seats.free()
		_ = conn.Close()
	}
}

// full notes that a connection has to wait.
func (l *Listener) full(err error) {
	l.opts.Stats.note(err)
	l.opts.Log.Debug("connection waits", "forward", Describe(l.spec), "err", err)
}

// serve carries one connection to its target.
func (l *Listener) serve(conn Stream, peer net.Addr) {
	defer conn.Close()
	defer l.opts.Stats.begin()()
	log := l.opts.Log.With("forward", Describe(l.spec), "peer", peer.String())

	t := targetOf(l.spec)
	var request *socksRequest
	if l.kind == Dynamic {
		var err error
		if request, err = handshake(conn, l.opts.SOCKSTimeout); err != nil {
			l.fail(log, err)
			return
		}
		t, conn = request.target, &prefixed{Stream: conn, head: request.rest}
	}
	ch, err := open(l.conns.ctx, l.opener, t, peer)
	if err != nil {
		l.fail(log, err)
		if request != nil {
			_, _ = conn.Write(request.refusal(err))
		}
		return
	}
	l.conns.add(ch)
	defer l.conns.remove(ch)
	if request != nil {
		if _, err := conn.Write(request.success()); err != nil {
			_ = ch.Close()
			return
		}
	}
	log.Debug("connection opened", "target", t.String())
	err = Splice(conn, ch, &l.opts.Stats.bytes)
	log.Debug("connection closed", "target", t.String(), "err", err)
}

func (l *Listener) fail(log *slog.Logger, err error) {
	if errors.Is(err, ErrClosed) {
		return
	}
	l.opts.Stats.fail(err)
	log.Debug("connection failed", "err", err)
}
