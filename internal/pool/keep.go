package pool

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"sallyport/internal/hop"
	"sallyport/internal/route"
)

// How a Keeper tries again.
const (
	keepFirst = 500 * time.Millisecond // after the first failure; doubled by each further one
	keepCap   = 3 * time.Second        // so that a host that is back is noticed soon
	keepLong  = 10 * time.Minute       // an outage of that length is not over in seconds:
	keepSlow  = time.Minute            // then this is the cap
	// keepGap bounds how often requests make a keeper dial a host that is down.
	keepGap = 250 * time.Millisecond
	// keepRefused is how long a refusal that trying again does not change is
	// repeated to whoever asks.
	keepRefused = 10 * time.Second
	// keepStable is how long a connection must have lived for its loss to be
	// no continuation of the failures before it.
	keepStable = 30 * time.Second
)

// KeepState is what a Keeper does at the moment.
type KeepState string

// The states of a Keeper.
const (
	KeepIdle     KeepState = "idle"     // nobody has asked, or it was closed on purpose
	KeepDialling KeepState = "dialling" // the route is being dialled
	KeepUp       KeepState = "up"       // it holds a lease
	KeepWaiting  KeepState = "waiting"  // it dials again after a pause
	KeepRefused  KeepState = "refused"  // dialling again would change nothing
)

// KeepConfig is what a Keeper needs. The zero value works.
type KeepConfig struct {
	Holder Holder
	// Ask answers what a dial asks that a request has caused; dials that nobody
	// waits for ask nobody. nil asks nobody at all.
	Ask hop.Asker
	// Now dials at once and for as long as it takes. Else the first request
	// does, and only what was up is restored.
	Now bool
	// Up, when set, is called with each lease, in a goroutine of its own. ctx
	// ends when nothing new should use it; the lease is held until Up returns.
	Up func(ctx context.Context, l *Lease)
}

// Keeper keeps the master of a route up:
//
//	idle ──▶ dialling ──▶ up
//	 ▲        ▲   │       │ lost, or leaving
//	 │        │   ├──▶ waiting ──▶ dialling
//	 │        │   └──▶ refused
//	 └────────┴───────────┘ closed on purpose
//
// A failure is tried again with exponential back-off and jitter, and at once
// when somebody asks. What a person would have to see to (a question, a host
// key, a login that is refused) is tried again only when somebody asks, or
// when the master is up by other means. A master that was closed on purpose is
// dialled again when somebody asks. Get and Close are legal in every state.
type Keeper struct {
	// config: not changed after Keep
	pool   *Pool
	route  route.Route
	config KeepConfig
	cancel context.CancelFunc
	wake   chan struct{} // somebody asks, or the master is up
	tasks  sync.WaitGroup

	// state: guarded by mu
	mu       sync.Mutex
	state    KeepState
	current  *kept    // nil unless up
	outcome  *outcome // of the dial under way, or of the next one
	asked    bool     // by Get, since the last dial began
	silent   bool     // the last dial asks nobody
	retries  bool     // dial again without being asked
	pause    time.Duration
	failures int
	down     time.Time // since when it is not up, zero while it is
	failed   time.Time // when the last dial failed
	err      error     // why it is not up
	erred    time.Time // when that was
	closed   bool
}

// outcome is how a dial ends.
type outcome struct {
	done chan struct{}
	err  error // read after done
}

// kept is a lease with several users: the keeper, and those who got it from
// the keeper and go on while it has a newer one.
type kept struct {
	lease *Lease
	refs  int // guarded by the keeper's mu
}

// Keep starts a Keeper. Close it; the pool's end closes it too.
func (p *Pool) Keep(rt route.Route, c KeepConfig) *Keeper {
	if c.Ask == nil {
		c.Ask = silent{}
	}
	ctx, cancel := context.WithCancel(context.Background())
	k := &Keeper{
		pool: p, route: rt, config: c, cancel: cancel, wake: make(chan struct{}, 1),
		state: KeepIdle, outcome: &outcome{done: make(chan struct{})}, retries: c.Now, down: time.Now(),
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		cancel()
	} else {
		if p.keepers == nil {
			p.keepers = map[route.Key]map[*Keeper]struct{}{}
		}
		if p.keepers[rt.Key()] == nil {
			p.keepers[rt.Key()] = map[*Keeper]struct{}{}
		}
		p.keepers[rt.Key()][k] = struct{}{}
	}
	k.tasks.Go(func() { k.run(ctx) })
	return k
}

// Close gives the master up and waits until nothing runs any more. Leases that
// were got go on until they are given back.
func (k *Keeper) Close() {
	p := k.pool
	p.mu.Lock()
	delete(p.keepers[k.route.Key()], k)
	if len(p.keepers[k.route.Key()]) == 0 {
		delete(p.keepers, k.route.Key())
	}
	p.mu.Unlock()
	k.cancel()
	k.tasks.Wait()
}

// Get is the keeper's lease; the master is dialled first if need be. done gives
// it back. The error is that of the dial, or of one just before whose answer
// would be the same.
func (k *Keeper) Get(ctx context.Context) (l *Lease, done func(), err error) {
	for {
		k.mu.Lock()
		switch {
		case k.closed:
			err = ErrShutdown
		case k.current != nil && !k.current.lease.left():
			l, done = k.current.lease, k.use(k.current)
		case k.state == KeepRefused && time.Since(k.failed) < keepRefused:
			err = k.err
		}
		next := k.outcome
		if l == nil && err == nil {
			k.asked = true
		}
		k.mu.Unlock()
		if l != nil || err != nil {
			return l, done, err
		}
		k.Wake()
		select {
		case <-next.done:
			if next.err != nil {
				return nil, nil, next.err
			}
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
}

// Wake makes a keeper that is not up dial now.
func (k *Keeper) Wake() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// State tells how the keeper is doing, and why it is not up.
func (k *Keeper) State() (KeepState, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.state, k.err
}

// Erred is when what State tells has happened, zero for nothing.
func (k *Keeper) Erred() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.erred
}

// use counts a user of a lease in and returns what counts it out. The caller
// holds mu.
func (k *Keeper) use(u *kept) (done func()) {
	u.refs++
	return sync.OnceFunc(func() {
		k.mu.Lock()
		u.refs--
		last := u.refs == 0
		k.mu.Unlock()
		if last {
			u.lease.Release()
		}
	})
}

// run is the keeper's life.
func (k *Keeper) run(ctx context.Context) {
	defer k.end()
	for k.turn(ctx) {
		lease, err := k.pool.Get(ctx, k.route, k.config.Holder, k.dialling())
		switch {
		case ctx.Err() != nil:
			if lease != nil {
				lease.Release()
			}
			return
		case err != nil:
			k.fail(err)
		default:
			k.hold(ctx, lease)
		}
	}
}

// end tells those who wait.
func (k *Keeper) end() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed, k.state = true, KeepIdle
	k.outcome.err = ErrShutdown
	close(k.outcome.done)
}

// turn waits until it is time to dial; false when ctx has ended.
func (k *Keeper) turn(ctx context.Context) bool {
	k.mu.Lock()
	var due <-chan time.Time
	if k.retries {
		timer := time.NewTimer(k.pause)
		defer timer.Stop()
		due = timer.C
	}
	failed := k.failed
	k.mu.Unlock()
	select {
	case <-ctx.Done():
		return false
	case <-due:
		return true
	case <-k.wake:
	}
	return wait(ctx, keepGap-time.Since(failed))
}

// wait pauses; false when ctx has ended.
func wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// dialling notes that a dial begins, and tells whom it may ask.
func (k *Keeper) dialling() hop.Asker {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.state = KeepDialling
	k.silent, k.asked = !k.asked, false
	if !k.silent {
		return k.config.Ask
	}
	return silent{k.config.Ask.Origin()}
}

// fail notes how a dial failed, and settles when the next one is.
func (k *Keeper) fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err, k.failed = err, time.Now()
	k.erred = k.failed
	k.failures++
	k.retries = k.retries || k.config.Now
	switch {
	case errors.Is(err, ErrShutdown), errors.Is(err, ErrDown): // somebody has closed it meanwhile
		k.state, k.retries = KeepIdle, false
	case final(err):
		k.state, k.retries = KeepRefused, false
	case k.retries:
		k.state, k.pause = KeepWaiting, backoff(k.failures, time.Since(k.down))
		if failedLogin(err) != nil { // servers count those, and shut out who has many
			k.pause = backoff(10, keepLong+1)
		}
	default:
		k.state = KeepIdle
	}
	if k.silent && k.asked && errors.Is(err, hop.ErrNobody) { // who asks meanwhile can perhaps be asked
		k.Wake()
		return
	}
	k.publish(err)
}

// publish ends the wait of those who asked. The caller holds mu.
func (k *Keeper) publish(err error) {
	k.outcome.err = err
	close(k.outcome.done)
	k.outcome = &outcome{done: make(chan struct{})}
}

// final tells failures that come back whenever the same is tried.
func final(err error) bool {
	if errors.Is(err, hop.ErrNobody) || errors.Is(err, hop.ErrCancelled) {
		return true
	}
	var failed *hop.Error
	if !errors.As(err, &failed) {
		return false
	}
	refused := failedLogin(err)
	return failed.Stage == hop.StageHostKey || refused != nil && refused.Err == nil
}

// failedLogin is the login that failed, be it that the connection was lost in
// the middle of it, nil if none did.
func failedLogin(err error) *hop.AuthError {
	var refused *hop.AuthError
	errors.As(err, &refused)
	return refused
}

// backoff is the pause after a number of failures in a row, during an outage
// of a length: half of it is left to chance, so that not all who lost the same
// host come back at once.
func backoff(failures int, outage time.Duration) time.Duration {
	longest := keepCap
	if outage > keepLong {
		longest = keepSlow
	}
	pause := longest
	if shift := failures - 1; shift < 10 {
		pause = min(longest, keepFirst<<shift)
	}
	return pause/2 + rand.N(pause/2)
}

// hold keeps a lease until its master ends or leaves, or ctx ends.
func (k *Keeper) hold(ctx context.Context, lease *Lease) {
	k.mu.Lock()
	u := &kept{lease: lease}
	done := k.use(u)
	k.state, k.current, k.err, k.down, k.asked = KeepUp, u, nil, time.Time{}, false
	k.publish(nil)
	if k.config.Up != nil {
		upCtx, stop := context.WithCancel(ctx)
		defer stop()
		upDone := k.use(u)
		k.tasks.Go(func() {
			defer upDone()
			k.config.Up(upCtx, lease)
		})
	}
	began := time.Now()
	k.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-lease.Leaving():
	case <-lease.Conn().Done():
	}
	k.lost(lease, time.Since(began))
	done()
}

// lost settles what follows the end of a lease that was held for so long.
func (k *Keeper) lost(lease *Lease, held time.Duration) {
	dropped := lease.dropped()
	why := lease.ended()
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.asked { // else somebody has seen before us that it is no good
		select {
		case <-k.wake: // that was about this lease
		default:
		}
	}
	k.current, k.down = nil, time.Now()
	if held >= keepStable {
		k.failures = 0
	}
	if dropped {
		k.state, k.retries, k.err = KeepIdle, false, nil
		return
	}
	k.state, k.retries, k.err, k.erred = KeepWaiting, true, why, time.Now()
	if k.pause = rand.N(keepGap); k.failures > 0 {
		k.pause = backoff(k.failures, 0)
	}
	k.failures++
}

// Leaving is closed when the master is lent to nobody any more: it drains or
// has ended, or does not answer. One that answers again is not leaving then.
func (l *Lease) Leaving() <-chan struct{} {
	l.master.pool.mu.Lock()
	defer l.master.pool.mu.Unlock()
	return l.master.leaving
}

// left reports whether the master is leaving.
func (l *Lease) left() bool {
	select {
	case <-l.Leaving():
		return true
	default:
		return false
	}
}

// dropped reports whether the master, or one that it runs through, was closed
// by Down.
func (l *Lease) dropped() bool {
	p := l.master.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	for m := l.master; m != nil; {
		if m.dropped {
			return true
		}
		if m.parent == nil {
			return false
		}
		m = m.parent.master
	}
	return false
}

// ended is why the connection has ended, nil while it has not.
func (l *Lease) ended() error {
	select {
	case <-l.Conn().Done():
		return l.Failure()
	default:
		return nil
	}
}

// WakeKeepers makes the keepers that wait to dial again do so now.
func (p *Pool) WakeKeepers() {
	var all []*Keeper
	p.mu.Lock()
	for _, some := range p.keepers {
		for k := range some {
			all = append(all, k)
		}
	}
	p.mu.Unlock()
	for _, k := range all {
		if state, _ := k.State(); state == KeepWaiting {
			k.Wake()
		}
	}
}

// wakeKeepers tells those who keep a route that its master is up. The caller
// holds mu.
func (p *Pool) wakeKeepers(key route.Key) {
	for k := range p.keepers[key] {
		k.Wake()
	}
}
