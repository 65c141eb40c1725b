package forward

import (
	"sync"
	"sync/atomic"
	"time"

	"sallyport/internal/sshconfig"
)

// State is a snapshot of one forward.
type State struct {
	Kind Kind
	Spec sshconfig.ForwardSpec
	// Listen holds the addresses that accept connections, with the port that
	// was chosen when 0 was asked for. It is empty once listening has stopped.
	Listen []string
	// Target is where connections go, "socks" when each says so itself.
	Target string
	// Active connections are open now; Total were accepted; Failed of those
	// never reached their target.
	Active, Total, Failed int64
	// Sent bytes went towards the target, Received bytes came from it.
	Sent, Received uint64
	// LastError is the newest reason why a connection failed, in the server's
	// words where it gave some; LastErrorAt is when.
	LastError   string
	LastErrorAt time.Time
}

// Stats count what a forward does.
type Stats struct {
	active, total, failed atomic.Int64
	bytes                 Counters

	mu          sync.Mutex
	lastError   string
	lastErrorAt time.Time
}

// Counters count the bytes of one or more spliced pairs while they run.
type Counters struct {
	// Sent counts a to b, Received b to a.
	Sent, Received atomic.Uint64
}

// begin counts a connection in and returns what counts it out.
func (s *Stats) begin() func() {
	s.total.Add(1)
	s.active.Add(1)
	return func() { s.active.Add(-1) }
}

// fail notes a connection that did not reach its target.
func (s *Stats) fail(err error) {
	s.failed.Add(1)
	s.note(err)
}

// Note keeps err as the newest reason why something did not work.
func (s *Stats) Note(err error) { s.note(err) }

// Idle is the state of a forward that does not listen.
func (s *Stats) Idle(spec sshconfig.ForwardSpec, remote bool) State {
	st := State{Kind: KindOf(spec, remote), Spec: spec, Target: targetOf(spec).String()}
	s.snapshot(&st)
	return st
}

func (s *Stats) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastError, s.lastErrorAt = err.Error(), time.Now()
}

// snapshot fills in the counted part of a State.
func (s *Stats) snapshot(st *State) {
	st.Active, st.Total, st.Failed = s.active.Load(), s.total.Load(), s.failed.Load()
	st.Sent, st.Received = s.bytes.Sent.Load(), s.bytes.Received.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	st.LastError, st.LastErrorAt = s.lastError, s.lastErrorAt
}
