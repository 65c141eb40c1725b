package daemon

import (
	"context"
	"errors"
	"sync"

	"sallyport/internal/pool"
)

// mayLeave decides about "~&" (ssh(1)): a stock client's session cannot be
// taken from its terminal, as with OpenSSH's own masters.
func (p *passenger) mayLeave() error {
	switch {
	case p.master.shared:
		return errors.New("this session rides on a master that other commands share")
	case p.master.server.config.Private && p.master.server.config.Background == nil:
		return errors.New("this command was not started with forwards")
	}
	return nil
}

// goOn keeps what a session has brought along until it is not used any more:
// its forwards take no more connections, and those there are go on, as do X11's.
// Then the connection is given back. The client is told that all went well.
func (p *passenger) goOn() {
	s := p.master.server
	leave := p.leave
	p.leave = func() {} // not with the client
	lease, err := s.pool.Find(p.master.lease.Key(), pool.Holder{Use: pool.UseForward, What: "background"})
	l := p.master.live()
	if err != nil || l == nil { // it ends anyhow
		p.session.Close()
		leave()
		return
	}
	drained := l.drainOwned(p.master)
	s.left.Go(func() {
		defer lease.Release()
		defer leave()
		defer drained()
		select {
		case <-p.session.Done():
		case <-s.ctx.Done():
			p.session.Close()
			return
		}
		select {
		case <-l.displays.gone():
		case <-lease.Conn().Done():
		case <-s.ctx.Done():
		}
	})
	if told := s.config.Background; told != nil {
		told()
	}
}

// drainOwned stops a client's forwards from taking connections and forgets
// whose they were; the returned function waits for the connections there are.
func (l *live) drainOwned(m *master) (wait func()) {
	var drains sync.WaitGroup
	l.mu.Lock()
	defer l.mu.Unlock()
	for spec, f := range l.forwards {
		if f.owner != m {
			continue
		}
		delete(l.forwards, spec)
		drains.Go(func() { f.drain(l.server.ctx) })
	}
	return drains.Wait
}

// drain takes no more connections, waits for those there are, and closes.
func (f *openForward) drain(ctx context.Context) {
	_ = f.listener.Drain(ctx)
	_ = f.close()
}

// AwaitBackground waits until sessions in the background have ended.
func (s *Server) AwaitBackground() { s.left.Wait() }
