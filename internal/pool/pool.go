package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"sallyport/internal/hop"
	"sallyport/internal/route"
)

// drainGrace is how long leases may go on after a master's maximum age.
const drainGrace = 15 * time.Minute

// sweepEvery bounds how late an expiry is noticed after the machine slept,
// since timers do not run then.
const sweepEvery = 30 * time.Second

// Dialer makes the connection to the last hop of rt through via, which is nil
// for a route of one hop. It must end when ctx does.
type Dialer func(ctx context.Context, rt route.Route, via hop.Opener, ask hop.Asker) (Conn, error)

// Policy is how long a route's master is kept.
type Policy struct {
	// Persist is the idle time after which it is closed: 0 at once, negative never.
	Persist time.Duration
	// MaxAge is its longest life, 0 for none.
	MaxAge time.Duration
}

// Config is what a Pool needs; Dial and Policy are required.
type Config struct {
	Dial   Dialer
	Policy func(route.Route) Policy
	Log    *slog.Logger
	// Now is the clock for idle time and age, since any fixed point. It should
	// count time asleep. nil means the system's.
	Now func() time.Duration
}

// Pool owns the masters. It is safe for concurrent use.
type Pool struct {
	config Config
	tasks  sync.WaitGroup
	wake   chan struct{} // tells the janitor that an expiry changed
	stop   chan struct{}
	dials  startups

	// state: guarded by mu
	mu      sync.Mutex
	closed  bool
	started int                   // masters so far
	masters map[route.Key]*Master // dialling, up and suspect
	all     map[*Master]struct{}  // and silent or draining
	jumps   jumpWatch
	memory  memory
	keepers map[route.Key]map[*Keeper]struct{}
}

// ErrShutdown is returned by Get once the pool is closed.
var ErrShutdown = errors.New("shutting down")

// ErrDown is returned by Get when the master was closed, by Down, while it was
// being dialled.
var ErrDown = errors.New("closed while it was being connected")

// New starts an empty pool. Close it.
func New(c Config) *Pool {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = new(lifeClock).now
	}
	p := &Pool{
		config: c, wake: make(chan struct{}, 1), stop: make(chan struct{}),
		masters: map[route.Key]*Master{}, all: map[*Master]struct{}{},
		dials: startups{at: map[string]*queue{}},
	}
	p.jumps.look(c.Now())
	p.tasks.Go(p.janitor)
	return p
}

// Get lends the master of rt, dialling it if need be. Concurrent calls for one
// route wait for one dial. The error is the dial's, ctx's, or ErrShutdown.
func (p *Pool) Get(ctx context.Context, rt route.Route, h Holder, ask hop.Asker) (*Lease, error) {
	return p.get(ctx, rt.Key(), rt, h, ask)
}

func (p *Pool) get(ctx context.Context, key route.Key, rt route.Route, h Holder, ask hop.Asker) (*Lease, error) {
	h.Since = time.Now()
	for {
		lease, err := p.try(ctx, key, rt, h, ask)
		if lease != nil || err != nil {
			return lease, err
		}
	}
}

// try is get but for a master that turned out to be silent: then it returns
// nothing.
func (p *Pool) try(ctx context.Context, key route.Key, rt route.Route, h Holder, ask hop.Asker) (*Lease, error) {
	p.sweep()
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, ErrShutdown
	}
	m, leave := p.join(ctx, key, rt, ask)
	lease, verdict := p.hold(m, h)
	p.mu.Unlock()
	defer leave()
	return p.await(ctx, lease, verdict)
}

// hold makes a lease, and the verdict that has to be waited for, if m is
// suspect. The caller holds mu.
func (p *Pool) hold(m *Master, h Holder) (lease *Lease, verdict <-chan struct{}) {
	lease = m.lend(h)
	if m.state == Up && m.quiet() {
		// The request does not wait: it asks for an answer of its own.
		p.suspicious(m, 0)
	}
	if m.state == Suspect {
		verdict = m.verdict
	}
	return lease, verdict
}

// await waits until a lease can be used. It gives it back, and returns nothing,
// when the master has turned out to be silent.
func (p *Pool) await(ctx context.Context, lease *Lease, verdict <-chan struct{}) (*Lease, error) {
	m := lease.master
	select {
	case <-m.ready:
	case <-ctx.Done():
		lease.Release()
		return nil, ctx.Err()
	}
	if m.err != nil {
		return nil, m.err
	}
	if verdict == nil {
		return lease, nil
	}
	select {
	case <-verdict:
	case <-ctx.Done():
		lease.Release()
		return nil, ctx.Err()
	}
	if p.lent(m) {
		return lease, nil
	}
	lease.Release()
	return nil, nil
}

// lent reports whether m is one to be lent out.
func (p *Pool) lent(m *Master) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return m.state == Up
}

// join finds the master of a key or starts one, and waits with others for its
// dial. The caller holds mu.
func (p *Pool) join(ctx context.Context, key route.Key, rt route.Route, ask hop.Asker) (*Master, func()) {
	m := p.masters[key]
	if m != nil && m.state != Dialling {
		return m, func() {}
	}
	if m != nil {
		if leave := m.call.join(ctx, ask); leave != nil {
			return m, leave
		}
	}
	m, begin := p.start(key, rt, ask.Origin())
	leave := m.call.join(ctx, ask)
	p.tasks.Go(begin) // its first question finds who asked for it
	return m, leave
}

// start makes a master that is dialled by begin. The caller holds mu.
func (p *Pool) start(key route.Key, rt route.Route, origin hop.Origin) (m *Master, begin func()) {
	ctx, cancel := context.WithCancel(context.Background())
	p.started++
	m = &Master{
		pool: p, key: key, number: p.started, route: rt, origin: origin, state: Dialling, ready: make(chan struct{}), gone: make(chan struct{}), leaving: make(chan struct{}),
		call: &call{cancel: cancel}, leases: map[*Lease]struct{}{}, since: time.Now(), silent: make(chan struct{}),
	}
	p.masters[m.key] = m
	p.all[m] = struct{}{}
	return m, func() { p.run(ctx, m) }
}

// run is a master's life: it dials, waits for the end, and gives the parent
// back.
func (p *Pool) run(ctx context.Context, m *Master) {
	defer m.call.cancel()
	r, err := p.dial(ctx, m)
	conn := r.conn
	if r.parent != nil {
		defer r.parent.Release()
	}
	if !p.dialled(m, r, err) {
		if conn != nil {
			conn.Close()
			conn.Wait()
		}
		return
	}
	p.config.Log.Info("master up", "hop", m.route.Target().Name, "route", m.route.String())
	err = conn.Wait()
	p.config.Log.Info("master closed", "hop", m.route.Target().Name, "err", err)
	p.remove(m)
}

func (p *Pool) parentOf(m *Master) *Lease {
	p.mu.Lock()
	defer p.mu.Unlock()
	return m.parent
}

// Find lends a master that is up, without dialling. The error is ErrNoMaster.
func (p *Pool) Find(key route.Key, h Holder) (*Lease, error) {
	h.Since = time.Now()
	p.sweep()
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.masters[key]
	if m == nil || m.state == Dialling {
		return nil, ErrNoMaster
	}
	return m.lend(h), nil
}

// Join is Find, but waits for a dial or a probe that is under way.
func (p *Pool) Join(ctx context.Context, key route.Key, h Holder) (*Lease, error) {
	h.Since = time.Now()
	p.sweep()
	p.mu.Lock()
	m := p.masters[key]
	if m == nil {
		p.mu.Unlock()
		return nil, ErrNoMaster
	}
	lease, verdict := p.hold(m, h)
	p.mu.Unlock()
	lease, err := p.await(ctx, lease, verdict)
	if lease == nil && (err == nil || ctx.Err() == nil) {
		return nil, ErrNoMaster
	}
	return lease, err
}

// dialled publishes the outcome of a dial; false when the master is not up.
func (p *Pool) dialled(m *Master, r reached, err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer close(m.ready)
	switch {
	case p.closed:
		err = ErrShutdown
	case m.state == Closed && !m.call.gaveUp():
		err = fmt.Errorf("%s: %w", m.route.Target(), ErrDown)
	case m.state == Closed && err == nil:
		err = context.Canceled
	}
	if err != nil {
		m.err = err
		m.become(Closed)
		return false
	}
	m.conn, m.parent, m.route, m.way = r.conn, r.parent, r.route, r.way
	m.rest()
	p.memory.keep(m.key, r.route)
	m.become(Up)
	m.began, m.since = p.config.Now(), time.Now()
	m.idle = m.began
	m.conn.OnQuiet(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.suspicious(m, 0)
	})
	p.poke()
	p.wakeKeepers(m.key)
	return true
}

func (p *Pool) remove(m *Master) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m.become(Closed)
}

func (p *Pool) release(l *Lease) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := l.master
	if _, held := m.leases[l]; !held {
		return
	}
	delete(m.leases, l)
	m.rest()
	if len(m.leases) == 0 {
		if l.holder.Use != UseWatch {
			m.idle = p.config.Now()
		}
		p.poke()
	}
}

// Down closes the master of a route, its sibling, those that they replaced, and
// all that runs through them. It reports whether there was one.
func (p *Pool) Down(key route.Key) bool {
	p.mu.Lock()
	var conns []Conn
	was := false
	for m := range p.all {
		if m.key != key && m.key != siblingKey(key) {
			continue
		}
		was, m.dropped = true, true
		if conn := p.kill(m); conn != nil {
			conns = append(conns, conn)
		}
	}
	p.mu.Unlock()
	for _, conn := range conns {
		conn.Close()
	}
	return was
}

// Drain makes the master of a route and its sibling go once their leases have
// ended; new requests dial anew.
func (p *Pool) Drain(key route.Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range []route.Key{key, siblingKey(key)} {
		if m := p.masters[k]; m != nil && m.state != Dialling {
			m.become(Draining)
			p.poke()
		}
	}
}

// kill marks a master closed and gives the connection to close, if any. The
// caller holds mu.
func (p *Pool) kill(m *Master) Conn {
	m.become(Closed)
	m.call.cancel()
	return m.conn
}

// Close ends every master and waits until nothing runs any more.
func (p *Pool) Close() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.closed = true
	close(p.stop)
	var keepers []*Keeper
	for _, some := range p.keepers {
		for k := range some {
			keepers = append(keepers, k)
		}
	}
	var conns []Conn
	for m := range p.all {
		if conn := p.kill(m); conn != nil {
			conns = append(conns, conn)
		}
	}
	p.mu.Unlock()
	for _, c := range conns {
		c.Close()
	}
	for _, k := range keepers {
		k.Close()
	}
	p.tasks.Wait()
}

// AwaitIdle returns when the pool has no masters, or ctx has ended.
func (p *Pool) AwaitIdle(ctx context.Context) {
	for {
		var one *Master
		p.mu.Lock()
		for one = range p.all {
			break
		}
		p.mu.Unlock()
		if one == nil {
			return
		}
		select {
		case <-one.gone:
		case <-ctx.Done():
			return
		}
	}
}

// Idle reports whether the pool has no masters at all.
func (p *Pool) Idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.all) == 0
}
