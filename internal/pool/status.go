package pool

import (
	"sort"
	"time"

	"sallyport/internal/hop"
	"sallyport/internal/route"
)

// Status describes one master at one moment.
type Status struct {
	Key    route.Key
	Parent route.Key // "" for a first hop
	// Number tells masters of one key apart, of which all but one are being
	// replaced; Through is that of the one that it runs through, or is to, 0
	// while there is none.
	Number, Through int
	Lent            bool // to who asks; false for one that is being replaced
	Conn            Conn // nil while it is dialled
	// Sibling is true for a second connection to the same end, opened because
	// of SessionLimit: what the server allows on one, 0 while not known.
	Sibling      bool
	SessionLimit int
	Hop          string
	User         string
	Addr         string
	Route        []string
	Ways         int // how many ways in there are
	Way          int // the one in use, in the order of the configuration, from 0
	State        State
	Since        time.Time
	Held         []Holder       // oldest first
	Idle         *time.Duration // since the last lease ended; nil while there is one
	Expiry       *time.Duration // from now; nil for never
	In           int64
	Out          int64
	Info         *hop.Info
}

// Snapshot describes all masters, parents before children.
func (p *Pool) Snapshot() []Status {
	p.mu.Lock()
	list := make([]Status, 0, len(p.all))
	for m := range p.all {
		list = append(list, m.status(p.config.Now()))
	}
	p.mu.Unlock()
	for i := range list {
		if c := list[i].Conn; c != nil {
			list[i].In, list[i].Out = c.Bytes()
			info := c.Info()
			list[i].Info = &info
		}
	}
	sort.Slice(list, func(i, j int) bool {
		if a, b := len(list[i].Route), len(list[j].Route); a != b {
			return a < b
		}
		return list[i].Since.Before(list[j].Since)
	})
	return list
}

// status is m's part that the pool's lock guards; the caller holds it.
func (m *Master) status(now time.Duration) Status {
	target := m.route.Target()
	s := Status{
		Key: m.key, Number: m.number, Lent: m.pool.masters[m.key] == m, Conn: m.conn, Hop: target.Name, User: target.Options.User, Addr: target.Addr(),
		State: m.state, Since: m.since, Held: []Holder{},
		Ways: m.route.Ways(), Way: m.way, Sibling: m.key != m.route.Key(), SessionLimit: m.seats.learned(),
	}
	if parent, ok := m.route.Parent(); ok {
		s.Parent = parent.Key()
		if carrier := m.carrier(s.Parent); carrier != nil {
			s.Through = carrier.number
		}
	}
	for _, h := range m.route.Hops {
		s.Route = append(s.Route, h.Name)
	}
	for l := range m.leases {
		s.Held = append(s.Held, l.holder)
	}
	sort.Slice(s.Held, func(i, j int) bool { return s.Held[i].Since.Before(s.Held[j].Since) })
	if m.state == Dialling {
		return s
	}
	if len(m.leases) == 0 {
		idle := now - m.idle
		s.Idle = &idle
	}
	if at, some := m.expiry(); some {
		left := at - now
		s.Expiry = &left
	}
	return s
}

// carrier is the master that m runs through, or is dialled through, nil while
// there is none. The caller holds the pool's lock.
func (m *Master) carrier(parent route.Key) *Master {
	if m.parent != nil {
		return m.parent.master
	}
	return m.pool.masters[parent]
}
