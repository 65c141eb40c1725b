package pool

import (
	"time"
)

// poke tells the janitor to look again. It never blocks.
func (p *Pool) poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// janitor closes masters when they expire.
func (p *Pool) janitor() {
	timer := time.NewTimer(sweepEvery)
	defer timer.Stop()
	for {
		timer.Reset(p.sweep())
		select {
		case <-p.stop:
			return
		case <-p.wake:
		case <-timer.C:
		}
	}
}

// sweep closes what has expired and returns when to look again.
func (p *Pool) sweep() time.Duration {
	p.mu.Lock()
	now := p.config.Now()
	next := sweepEvery
	var expired []Conn
	for m := range p.all {
		if m.state == Dialling {
			continue
		}
		at, some := m.expiry()
		switch {
		case !some:
		case at > now:
			next = min(next, at-now)
		case m.state == Up && len(m.leases) > 0:
			m.state = Draining
			p.withdraw(m)
			p.config.Log.Info("maximum age reached, draining", "hop", m.route.Target().Name)
			next = min(next, time.Second)
		default:
			p.config.Log.Info("expired", "hop", m.route.Target().Name)
			expired = append(expired, p.kill(m))
		}
	}
	p.mu.Unlock()
	for _, conn := range expired {
		conn.Close()
	}
	return max(next, time.Millisecond)
}
