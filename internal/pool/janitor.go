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
	jumped := p.jumps.look(now)
	next := sweepEvery
	var expired, silent []Conn
	for m := range p.all {
		if m.state == Dialling {
			continue
		}
		at, some := m.expiry()
		switch {
		case !some:
		case at > now:
			next = min(next, at-now)
		case (m.state == Up || m.state == Suspect) && len(m.leases) > 0:
			m.become(Draining)
			p.config.Log.Info("maximum age reached, draining", "hop", m.route.Target().Name)
			next = min(next, time.Second)
		case m.state == Silent:
			silent = append(silent, p.kill(m))
		default:
			p.config.Log.Info("expired", "hop", m.route.Target().Name)
			expired = append(expired, p.kill(m))
		}
	}
	if jumped > jumpAtLeast { // before anybody is lent what has slept
		p.suspectAll("the clock has jumped by " + jumped.Round(time.Second).String())
	}
	p.mu.Unlock()
	for _, conn := range expired {
		conn.Close()
	}
	for _, conn := range silent {
		conn.Fail(noAnswer(answerWithin))
	}
	return max(next, time.Millisecond)
}
