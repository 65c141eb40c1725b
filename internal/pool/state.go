package pool

import "slices"

// State is where a master is in its life.
//
//	Dialling ──▶ Up ◀──▶ Suspect ──▶ Silent ──▶ Closed
//	    │         │▲        │           ││         ▲
//	    │         │└────────┼───────────┘│         │
//	    │         └─▶ Draining ◀─────────┘         │
//	    └─────────────────┴────────────────────────┘
//
// Dialling: requests wait for the one dial. Up: it is lent out. Suspect: it is
// probed, and new requests wait for the verdict. Silent: it did not answer the
// probe in time; it is replaced by the next request and closed if it goes on
// like that, but comes back if it answers before. Draining: it is replaced, by
// its age or otherwise; leases go on for a grace, new requests dial anew.
// Closed: it is in no table any more. Every state may end in Closed.
type State string

// The states of a master.
const (
	Dialling State = "dialling"
	Up       State = "up"
	Suspect  State = "suspect"
	Silent   State = "silent"
	Draining State = "draining"
	Closed   State = "closed"
)

// follows says which states may follow which, but for Closed, which ends all.
var follows = map[State][]State{
	Dialling: {Up},
	Up:       {Suspect, Silent, Draining},
	Suspect:  {Up, Silent, Draining},
	Silent:   {Up, Draining},
	Draining: {Silent},
}

// become is the only place where a master's state changes. The caller holds
// the pool's lock.
func (m *Master) become(next State) {
	if next == m.state {
		return
	}
	if next != Closed && !slices.Contains(follows[m.state], next) {
		panic("pool: " + string(m.state) + " became " + string(next))
	}
	m.pool.config.Log.Debug("master", "hop", m.route.Target().Name, "was", string(m.state), "state", string(next))
	was := m.state
	m.state = next
	switch next {
	case Suspect:
		m.verdict = make(chan struct{})
	case Silent:
		close(m.silent)
	case Draining:
		m.retired = true
	case Up:
		if was == Silent {
			m.leaving = make(chan struct{})
		}
	}
	switch {
	case was == Suspect:
		close(m.verdict)
	case was == Silent && next != Closed: // it may be so again, Draining as well as Up
		m.silent = make(chan struct{})
	}
	inTable := next == Dialling || next == Up || next == Suspect
	switch current := m.pool.masters[m.key]; {
	case inTable:
		m.pool.masters[m.key] = m
	case current == m:
		delete(m.pool.masters, m.key)
		close(m.leaving)
	}
	if _, tabled := m.pool.all[m]; tabled && next == Closed {
		delete(m.pool.all, m)
		close(m.gone)
	}
}
