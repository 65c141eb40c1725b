package pool

import (
	"context"
	"time"

	"sallyport/internal/hop"
)

// The bounds of a probe, from its start. They are counted in steps that were
// lived through, so that a process that was stopped does not blame its peers.
const (
	probeStep    = 100 * time.Millisecond
	answerSoon   = 500 * time.Millisecond // then it is suspect, and the masters it runs through are probed too
	answerWithin = 3 * time.Second        // then it is replaced
	answerAtAll  = 15 * time.Second       // then it is closed
)

// quietAfter is how long nothing was heard of a master that is probed when
// somebody wants to use it. One that is busy costs nothing.
const quietAfter = time.Second

// probe is a question to a master's server, whether it is there.
type probe struct {
	began time.Time
	// age is how long it has lasted; guarded by pool.mu.
	age time.Duration
}

// suspicious has m probed, if it is not already. age is how long the question
// has been open, elsewhere. The caller holds mu.
func (p *Pool) suspicious(m *Master, age time.Duration) {
	switch {
	case p.closed || m.conn == nil || m.state == Closed:
		return
	case m.probe != nil:
		m.probe.age = max(m.probe.age, age)
	default:
		pr := &probe{began: time.Now(), age: age}
		m.probe = pr
		p.tasks.Go(func() { p.runProbe(m, pr) })
	}
	if age >= answerSoon && m.state == Up {
		m.become(Suspect)
	}
}

// Suspect has every master probed at once: the machine was asleep, or its
// network has changed. Requests wait until theirs has answered.
func (p *Pool) Suspect(why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.suspectAll(why)
}

// suspectAll is Suspect for a caller who holds mu.
func (p *Pool) suspectAll(why string) {
	if len(p.all) > 0 {
		p.config.Log.Info("probing every connection", "err", why)
	}
	for m := range p.all {
		// The question begins now: the servers have all of the time.
		p.suspicious(m, 0)
		if m.state == Up {
			m.become(Suspect)
		}
	}
}

// runProbe asks m's server for an answer, and acts on it or on its absence.
func (p *Pool) runProbe(m *Master, pr *probe) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	answered := make(chan struct{})
	p.tasks.Go(func() {
		if _, err := m.conn.Ping(ctx); err == nil {
			close(answered)
		}
	})
	step := time.NewTicker(probeStep)
	defer step.Stop()
	for {
		select {
		case <-answered:
			p.vindicate(m)
			return
		case <-m.conn.Done():
			return
		case <-step.C:
		}
		if m.conn.Heard().After(pr.began) {
			p.vindicate(m)
			return
		}
		if p.proceed(m, pr) {
			m.conn.Fail(noAnswer(answerAtAll))
			return
		}
	}
}

// noAnswer is why a silent connection is closed.
func noAnswer(after time.Duration) error {
	return &hop.TimeoutError{After: after.String(), Doing: "no answer"}
}

// vindicate ends a probe that was answered.
func (p *Pool) vindicate(m *Master) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m.probe = nil
	replaced := p.masters[m.key] != nil && p.masters[m.key] != m
	switch {
	case m.state == Silent && (m.retired || replaced):
		m.become(Draining)
		p.poke()
	case m.state == Silent || m.state == Suspect:
		m.become(Up)
	}
}

// proceed notes that a step has gone by without an answer. It reports whether
// that was the last.
func (p *Pool) proceed(m *Master, pr *probe) (lost bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pr.age += probeStep
	switch {
	case m.state == Closed || pr.age < answerSoon:
	case pr.age >= answerAtAll:
		return true
	case pr.age >= answerWithin && m.state != Silent:
		p.silence(m)
	case m.state == Up:
		m.become(Suspect)
		for parent := m.parent; parent != nil; parent = parent.master.parent {
			p.suspicious(parent.master, pr.age)
		}
	}
	return false
}

// silence takes m, and what runs through it, from those that are lent out. The
// caller holds mu.
func (p *Pool) silence(m *Master) {
	p.config.Log.Warn("no answer, to be replaced", "hop", m.route.Target().Name, "took", answerWithin)
	m.become(Silent)
	p.poke()
	for child := range p.all {
		if child.parent != nil && child.parent.master == m && child.state != Silent {
			p.suspicious(child, answerWithin)
		}
	}
}

// quiet reports whether nothing has been heard of m for a while. The caller
// holds mu.
func (m *Master) quiet() bool { return time.Since(m.conn.Heard()) > quietAfter }

// Probe has the master asked whether it is there.
func (l *Lease) Probe() {
	l.master.pool.mu.Lock()
	defer l.master.pool.mu.Unlock()
	l.master.pool.suspicious(l.master, 0)
}

// Silent is closed when the master does not answer any more: who waits for
// something of it had better get another. One that answers again later is not
// silent then.
func (l *Lease) Silent() <-chan struct{} {
	l.master.pool.mu.Lock()
	defer l.master.pool.mu.Unlock()
	return l.master.silent
}
