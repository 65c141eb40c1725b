package daemon

import (
	"bytes"
	"context"
	"sync"
	"time"

	"sallyport/internal/mux"
	"sallyport/internal/pool"
	"sallyport/internal/session"
)

// spareLife is how long a session channel is kept ready on a connection that
// has just had a session.
const spareLife = 30 * time.Second

// A session that starts on a spare has no opening that could be made again when
// the path turns out to be dead: its command may have arrived. So a spare is
// used only while the server was heard of lately, which it is asked for as long
// as there is a spare; and kept only where a round trip is worth that.
const (
	spareFresh = 2 * time.Second
	spareWorth = 10 * time.Millisecond
	spareSure  = 100 * time.Millisecond
)

// spares are the channels kept ready on one connection: one at most.
type spares struct {
	mu    sync.Mutex
	ready *spare
	next  *nextSpare // nil for none
	never bool       // a client that opens sessions by itself has come
}

// nextSpare is a spare that is being made.
type nextSpare struct {
	asked bool          // the server has been asked for it
	off   bool          // it must not be asked any more
	done  chan struct{} // closed when it is there, or will not be
}

// spare is a channel that the next session starts on.
type spare struct {
	channel *session.Spare
	release func() // gives its seat back
}

// take hands the spare over, if there is one. One that the server has been asked
// for is waited for, a while, since its seat may be the only one; before that
// it is called off, and the session opens a channel by itself.
func (s *spares) take(while time.Duration) *spare {
	s.mu.Lock()
	next := s.next
	if next != nil && !next.asked {
		next.off, next = true, nil
	}
	s.mu.Unlock()
	if next != nil {
		select {
		case <-next.done:
		case <-time.After(while):
		}
	}
	return s.handOver()
}

// handOver is the spare that is there.
func (s *spares) handOver() *spare {
	s.mu.Lock()
	defer s.mu.Unlock()
	sp := s.ready
	s.ready = nil
	return sp
}

// withdraw takes back a spare that nobody has taken.
func (s *spares) withdraw(sp *spare) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ready != sp {
		return false
	}
	s.ready = nil
	return true
}

// begin reports whether a spare is to be made.
func (s *spares) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.never || s.next != nil || s.ready != nil {
		return false
	}
	s.next = &nextSpare{done: make(chan struct{})}
	return true
}

// ask reports whether the server may be asked for the spare now.
func (s *spares) ask() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next.asked = !s.next.off
	return s.next.asked
}

// made puts a spare there, or nil for none; false when it is not wanted any more.
func (s *spares) made(sp *spare) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.next.done)
	s.next = nil
	if sp == nil || s.never {
		return false
	}
	s.ready = sp
	return true
}

// stop ends the making of spares, and hands over the one there is.
func (s *spares) stop() *spare {
	s.mu.Lock()
	s.never = true
	s.mu.Unlock()
	return s.handOver()
}

func (sp *spare) close() {
	sp.channel.Close()
	sp.release()
}

// keepSpare opens a channel for the session after one that has ended, and keeps
// it for a while. It is for OpenSSH's servers, of which it is known that an
// unused channel costs them nothing.
func (l *live) keepSpare(lease *pool.Lease) {
	if l.server.config.Private || !bytes.Contains([]byte(l.conn.Info().ServerVersion), []byte("OpenSSH")) || !l.spares.begin() {
		return
	}
	l.server.serving.Go(func() {
		sp := l.openSpare(lease)
		if !l.spares.made(sp) {
			if sp != nil {
				sp.close()
			}
			return
		}
		l.attend(sp)
		if l.spares.withdraw(sp) {
			sp.close()
		}
	})
}

// attend keeps a spare usable until it is gone or its life is over.
func (l *live) attend(sp *spare) {
	ctx, cancel := context.WithTimeout(l.server.ctx, spareLife)
	defer cancel()
	fresh := time.NewTicker(spareFresh / 2)
	defer fresh.Stop()
	for {
		select {
		case <-sp.channel.Gone():
			return
		case <-ctx.Done():
			return
		case <-l.conn.Done():
			return
		case <-fresh.C:
			// It seemed far when the machine was busy, perhaps.
			if rtt, err := l.conn.Ping(ctx); err != nil || rtt < spareWorth {
				return
			}
		}
	}
}

// isFar reports whether a round trip takes long, or every one of a few that take
// less: one alone may have met a busy machine.
func isFar(ctx context.Context, conn pool.Conn) (bool, error) {
	if last := conn.LastRTT(); last > 0 && last < spareWorth {
		return false, nil
	}
	for range 3 {
		switch rtt, err := conn.Ping(ctx); {
		case err != nil || rtt < spareWorth:
			return false, err
		case rtt >= spareSure:
			return true, nil
		}
	}
	return true, nil
}

// openSpare opens a spare channel if that takes nobody's seat; else it is nil.
func (l *live) openSpare(lease *pool.Lease) *spare {
	ctx, cancel := context.WithTimeout(l.server.ctx, spareLife)
	defer cancel()
	ctx, opened := whileAlive(ctx, l.conn)
	defer opened()
	// sshd has room for another session some time after it has closed the
	// channel of the last, and before it answers what is asked then.
	if far, err := isFar(ctx, l.conn); err != nil || !far || !l.spares.ask() {
		return nil
	}
	sp := &spare{}
	var ok bool
	sp.release, ok = lease.SpareSeat(func(conn pool.Conn) (err error) {
		sp.channel, err = session.OpenSpare(ctx, conn)
		return err
	})
	if !ok {
		return nil
	}
	return sp
}

// onSpare starts a session on the connection's spare channel, if there is one;
// else s is nil. A session that announces an agent or a display takes the usual
// way, and the spare's seat if need be.
func (m *master) onSpare(req session.Request, r *mux.SessionRequest) (s *session.Session, leave func()) {
	l := m.server.liveOf(m.lease.Conn())
	if l == nil {
		return nil, nil
	}
	sp := l.spares.take(2 * l.conn.LastRTT())
	switch {
	case sp == nil:
		return nil, nil
	case r.Agent || r.X11, time.Since(l.conn.Heard()) > spareFresh:
		m.server.serving.Go(sp.close)
		return nil, nil
	}
	s, ok := session.StartOn(sp.channel, l.conn, req)
	if !ok {
		sp.release()
		return nil, nil
	}
	m.lease.Probe()
	return s, sp.release
}

// ended is called when a session of the client has ended.
func (m *master) ended() {
	if l := m.server.liveOf(m.lease.Conn()); l != nil && m.server.ctx.Err() == nil {
		l.keepSpare(m.lease)
	}
}
