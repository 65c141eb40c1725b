package pool

import (
	"context"
	"errors"
	"io"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/hop"
	"sallyport/internal/route"
)

// Conn is what a master needs of a live connection; *hop.Conn is one.
type Conn interface {
	hop.Opener
	SendRequest(name string, wantReply bool, payload []byte) (bool, []byte, error)
	HandleChannels(channelType string, f func(ssh.NewChannel))
	MayForward() error
	BindAgent(agent io.ReadWriter) error
	Ping(ctx context.Context) (time.Duration, error)
	// LastRTT is the last round trip that was seen; 0 for none.
	LastRTT() time.Duration
	Bytes() (in, out int64)
	// Heard is when the last bytes arrived.
	Heard() time.Time
	// OnQuiet has f called when an answer is owed and nothing at all comes.
	OnQuiet(f func())
	// Rest says whether nobody uses it for the time being; it does not block.
	Rest(unused bool)
	Info() hop.Info
	Done() <-chan struct{}
	Wait() error
	Close() error
	// Fail is Close for a reason, which Wait reports.
	Fail(reason error)
}

// Master is one authenticated connection to the end of a route. Its fields
// that change are guarded by the pool's lock.
type Master struct {
	// config: not changed after start
	pool   *Pool
	key    route.Key
	number int        // of no other master of the pool
	origin hop.Origin // of whoever asked for it first
	call   *call
	ready  chan struct{} // closed when the dial has ended
	gone   chan struct{} // closed when it is in no table any more
	// leaving is closed when it is lent to nobody any more.
	leaving chan struct{}
	seats   seats // of sessions

	// state: guarded by pool.mu
	state  State
	route  route.Route // not changed once it is up: its hops are the way that led there
	way    int         // which of the route's ways that is
	conn   Conn
	err    error // why the dial failed
	leases map[*Lease]struct{}
	parent *Lease
	// dropped is true when it was closed on purpose, by Down.
	dropped bool
	began   time.Duration // pool's clock: when it came up
	idle    time.Duration // when the last lease was released
	since   time.Time     // wall clock of began, for people

	probe   *probe        // under way, or nil
	verdict chan struct{} // while Suspect: closed when that ends
	silent  chan struct{} // closed when it becomes Silent, anew after that
	retired bool          // it was Draining, and is not lent out again
}

// Use says what a lease is for.
type Use string

// The uses of a lease.
const (
	UseHop     Use = "hop"     // a further hop's connection runs through it
	UseSession Use = "session" // a shell, command or subsystem
	UseForward Use = "forward"
	UseHold    Use = "hold"    // nothing but to keep it (ssh -N)
	UseRequest Use = "request" // up, check and other short business
	UseWatch   Use = "watch"   // a look at it, which does not count as use
)

// ErrNoMaster is returned by Find.
var ErrNoMaster = errors.New("no such connection is up")

// Holder describes who holds a lease, for status.
type Holder struct {
	Use Use
	// What is the child hop's name, or "shell", "command", "subsystem".
	What string
	// PID is the client process, 0 if there is none.
	PID   int
	Since time.Time
}

// Lease is somebody's hold on a master. Release it exactly once; further
// calls do nothing.
type Lease struct {
	master *Master
	holder Holder
}

// lend makes a lease. The caller holds the pool's lock.
func (m *Master) lend(h Holder) *Lease {
	l := &Lease{master: m, holder: h}
	m.leases[l] = struct{}{}
	m.rest()
	return l
}

// rest tells the connection, if there is one, whether it is in use. The caller
// holds the pool's lock.
func (m *Master) rest() {
	if m.conn != nil {
		m.conn.Rest(len(m.leases) == 0)
	}
}

// Conn is the master's connection.
func (l *Lease) Conn() Conn { return l.master.conn }

// Route is the master's.
func (l *Lease) Route() route.Route { return l.master.route }

// Key is the master's.
func (l *Lease) Key() route.Key { return l.master.key }

// Origin is the surroundings of whoever asked for the master first.
func (l *Lease) Origin() hop.Origin { return l.master.origin }

// Since is when the master came up.
func (l *Lease) Since() time.Time {
	l.master.pool.mu.Lock()
	defer l.master.pool.mu.Unlock()
	return l.master.since
}

// SetUse says what the lease is for from now on, for status.
func (l *Lease) SetUse(use Use, what string) {
	l.master.pool.mu.Lock()
	defer l.master.pool.mu.Unlock()
	l.holder.Use, l.holder.What = use, what
}

// HeldBy describes the lease's holder.
func (l *Lease) HeldBy() Holder {
	l.master.pool.mu.Lock()
	defer l.master.pool.mu.Unlock()
	return l.holder
}

// Failure is why the master's connection has ended, nil while it is alive.
// Behind a chain the cause is the first hop of it that ended.
func (l *Lease) Failure() error {
	select {
	case <-l.master.conn.Done():
	case <-time.After(failureWait):
		return nil
	}
	for m := l.master; ; {
		parent := l.master.pool.parentOf(m)
		if parent == nil || parent.Failure() == nil {
			return m.conn.Wait()
		}
		m = parent.master
	}
}

// failureWait is how long the ends of a chain's connections may lie apart.
const failureWait = 100 * time.Millisecond

// Release gives the master back.
func (l *Lease) Release() { l.master.pool.release(l) }

// expiry is when the master must go if nothing changes: the pool's clock, or
// false for never. The caller holds the pool's lock.
func (m *Master) expiry() (time.Duration, bool) {
	policy := m.pool.config.Policy(m.route)
	var at time.Duration
	var some bool
	earliest := func(t time.Duration) {
		if !some || t < at {
			at, some = t, true
		}
	}
	if len(m.leases) == 0 {
		switch {
		case m.retired || m.state == Silent || policy.Persist == 0:
			earliest(m.idle)
		case policy.Persist > 0:
			earliest(m.idle + policy.Persist)
		}
	}
	if policy.MaxAge > 0 {
		age := m.began + policy.MaxAge
		if m.retired {
			age += drainGrace
		}
		earliest(age)
	}
	return at, some
}
