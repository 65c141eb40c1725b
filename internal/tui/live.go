package tui

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"sallyport/internal/api"
)

// How much of the past is kept and how many connections are measured at once.
const (
	historyLength = 60
	measuredMost  = 64
)

// live is what the daemon last said, and how it got there.
type live struct {
	status *api.Status
	at     time.Time
	known  bool // the daemon has answered once, be it by its absence
	past   map[string]*history
}

// history is a connection's recent past.
type history struct {
	rtt       []time.Duration // the last ones; negative for one that did not come back
	measuring bool
	in, out   int64   // bytes at the last status
	rateIn    float64 // per second since the one before
	rateOut   float64
}

// rttMsg is the outcome of a round trip.
type rttMsg struct {
	key  string
	took time.Duration
	err  error
}

func (l *live) init() { l.past = map[string]*history{} }

// see takes a status; nil is no daemon.
func (l *live) see(s *api.Status, at time.Time) {
	if s == nil {
		s = &api.Status{}
	}
	seconds := at.Sub(l.at).Seconds()
	past := make(map[string]*history, len(s.Masters))
	for _, m := range s.Masters {
		h := l.past[m.Key]
		if h == nil {
			h = &history{in: m.BytesIn, out: m.BytesOut}
		}
		if seconds > 0 && m.BytesIn >= h.in && m.BytesOut >= h.out {
			h.rateIn, h.rateOut = float64(m.BytesIn-h.in)/seconds, float64(m.BytesOut-h.out)/seconds
		}
		h.in, h.out = m.BytesIn, m.BytesOut
		past[m.Key] = h
	}
	l.status, l.at, l.past, l.known = s, at, past, true
}

// master finds a live connection.
func (l *live) master(key string) (api.Master, bool) {
	if l.status != nil && key != "" {
		for _, m := range l.status.Masters {
			if m.Key == key {
				return m, true
			}
		}
	}
	return api.Master{}, false
}

// users says who would lose something when a master is closed: it, and all
// that runs through it. "" is nobody.
func (l *live) users(m api.Master) string {
	sessions, forwards, others := 0, 0, 0
	gone := map[string]bool{m.Key: true}
	for _, c := range l.status.Masters { // parents before children
		if gone[c.Parent] {
			gone[c.Key] = true
			others++
		}
		if gone[c.Key] {
			sessions += c.Sessions
			forwards += len(c.Forwards)
		}
	}
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{{sessions, "session"}, {forwards, "forward"}, {others, "other connection"}} {
		if p.n > 0 {
			parts = append(parts, plural(p.n, p.what))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	verb := " end with it"
	if len(parts) == 1 && strings.HasPrefix(parts[0], "1 ") {
		verb = " ends with it"
	}
	return strings.Join(parts, ", ") + verb
}

// measure makes round trips over the connections that are on the screen,
// unless one is still under way.
func (m *model) measure() tea.Cmd {
	var all []tea.Cmd
	for _, key := range m.watched() {
		h := m.live.past[key]
		if h == nil || h.measuring || len(all) == measuredMost {
			continue
		}
		h.measuring = true
		all = append(all, m.task(func(ctx context.Context) tea.Msg {
			ctx, cancel := context.WithTimeout(ctx, askTimeout)
			defer cancel()
			took, err := m.config.Daemon.Measure(ctx, key)
			return rttMsg{key, took, err}
		}))
	}
	return tea.Batch(all...)
}

// watched are the live connections that are on the screen.
func (m *model) watched() []string {
	var keys []string
	add := func(key string) {
		if c, ok := m.live.master(key); ok && c.State != "dialling" {
			keys = append(keys, key)
		}
	}
	switch m.screen {
	case screenHosts:
		for _, hop := range m.hosts.routes[m.hosts.wanted].route.Hops {
			add(hop.Key)
		}
	case screenMasters:
		for _, row := range m.masters.rows {
			add(row.key)
		}
	}
	return keys
}

// measured takes a round trip's outcome.
func (l *live) measured(r rttMsg) {
	h := l.past[r.key]
	if h == nil {
		return
	}
	h.measuring = false
	if r.err != nil {
		r.took = -1
	}
	h.rtt = append(h.rtt, r.took)
	h.rtt = h.rtt[max(0, len(h.rtt)-historyLength):]
}

// last is the newest round trip, false when there is none.
func (h *history) last() (time.Duration, bool) {
	if h == nil || len(h.rtt) == 0 {
		return 0, false
	}
	return h.rtt[len(h.rtt)-1], true
}

// sparks draws the newest round trips, n at most, between the least and the
// most of them; "×" is one that did not come back.
func (h *history) sparks(n int) string {
	if h == nil {
		return ""
	}
	shown := h.rtt[max(0, len(h.rtt)-n):]
	came := slices.DeleteFunc(slices.Clone(shown), func(d time.Duration) bool { return d < 0 })
	if len(came) == 0 {
		return strings.Repeat("×", len(shown))
	}
	least, most := slices.Min(came), slices.Max(came)
	bars := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	for _, d := range shown {
		switch {
		case d < 0:
			b.WriteRune('×')
		case most-least < most/8: // nearly the same: no drama
			b.WriteRune(bars[1])
		default:
			b.WriteRune(bars[int(d-least)*(len(bars)-1)/int(most-least)])
		}
	}
	return b.String()
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// size is a number of bytes for people.
func size(n float64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	i := 0
	for n >= 1000 && i < len(units)-1 {
		n /= 1000
		i++
	}
	if i == 0 || n >= 100 {
		return fmt.Sprintf("%.0f %s", n, units[i])
	}
	return fmt.Sprintf("%.1f %s", n, units[i])
}

// short is a duration for people, in five characters or so.
func short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
