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
	conns := make([]Conn, 0, len(p.all))
	for m := range p.all {
		list = append(list, m.status(p.config.Now()))
		conns = append(conns, m.conn)
	}
	p.mu.Unlock()
	for i, c := range conns {
		if c != nil {
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
		Key: m.key, Hop: target.Name, User: target.Options.User, Addr: target.Addr(),
		State: m.state, Since: m.since, Held: []Holder{},
		Ways: m.route.Ways(), Way: m.way, Sibling: m.key != m.route.Key(), SessionLimit: m.seats.learned(),
	}
	if parent, ok := m.route.Parent(); ok {
		s.Parent = parent.Key()
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
