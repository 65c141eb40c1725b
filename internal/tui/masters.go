package tui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"sallyport/internal/api"
)

// masterList is the screen of the live connections.
type masterList struct {
	rows   []masterRow
	cursor cursor
	key    string // of the selected one, which stays selected
}

// masterRow is a connection in the tree.
type masterRow struct {
	api.Master
	key    string
	branch string
}

// arrange makes the tree of the newest status.
func (l *masterList) arrange(m *model) {
	l.rows = l.rows[:0]
	l.grow(m.live.status.Masters, 0, "", true)
	for i, r := range l.rows {
		if r.key == l.key {
			l.cursor.at = i
		}
	}
	l.cursor.clamp(len(l.rows))
	l.remember()
}

// grow adds the connections that run through one, each followed by its own.
func (l *masterList) grow(all []api.Master, through int, indent string, top bool) {
	here := api.Through(all, through)
	for i, c := range here {
		branch, below := "├─ ", "│  "
		if i == len(here)-1 {
			branch, below = "└─ ", "   "
		}
		if top {
			branch, below = "", ""
		}
		l.rows = append(l.rows, masterRow{c, c.Key, indent + branch})
		if c.Number != 0 && len(l.rows) <= len(all) {
			l.grow(all, c.Number, indent+below, false)
		}
	}
}

func (l *masterList) remember() {
	l.key = ""
	if l.cursor.at < len(l.rows) {
		l.key = l.rows[l.cursor.at].key
	}
}

func (l *masterList) selected() (masterRow, bool) {
	if l.cursor.at < len(l.rows) {
		return l.rows[l.cursor.at], true
	}
	return masterRow{}, false
}

func (l *masterList) press(m *model, key string) tea.Cmd {
	if l.cursor.move(vi(key), len(l.rows), m.height/2) {
		l.remember()
		return nil
	}
	row, ok := l.selected()
	if !ok {
		return nil
	}
	letters := map[string]string{"c": "enter", "u": "ctrl+o", "d": "ctrl+x", "x": "ctrl+x", "f": "ctrl+f", "t": "ctrl+t", "e": "ctrl+e"}
	if long := letters[key]; long != "" {
		key = long
	}
	cmd, _ := m.act(key, row.Hop, row.key)
	return cmd
}

// The columns' widths behind the tree.
const (
	stateColumn    = 16
	sessionsColumn = 5
	bytesColumn    = 9
	rttColumn      = 8
)

// columns is what fits into a width.
type columns struct {
	tree, sparks int
	bytes        bool
}

func columnsFor(width int) columns {
	c := columns{bytes: width >= 76}
	rest := width - 1 - stateColumn - sessionsColumn - rttColumn
	if c.bytes {
		rest -= 2 * bytesColumn
	}
	c.sparks = max(0, min(20, rest-26))
	c.tree = max(12, rest-c.sparks-1)
	return c
}

func (m *model) drawMasters(width, height int) []string {
	l := &m.masters
	if len(l.rows) == 0 {
		text := "Nothing is connected."
		switch {
		case !m.live.known:
			text = "asking the daemon …"
		case m.live.status.PID == 0:
			text = "Nothing is connected; no daemon is running. It starts with the first connection."
		}
		return wrap(m.style.faint, text, width)
	}
	c := columnsFor(width)
	head := fit("connection", c.tree) + " " + fit("state", stateColumn) + right("sess", sessionsColumn)
	if c.bytes {
		head += right("in", bytesColumn) + right("out", bytesColumn)
	}
	head += right("rtt", rttColumn)
	rows := []string{m.style.faint.Render(fit(head, width))}
	detail := m.masterDetail(width)
	detail = detail[:min(len(detail), max(0, height/2))]
	page := max(1, height-2-len(detail))
	from, to := l.cursor.window(len(l.rows), page)
	for i := from; i < to; i++ {
		rows = append(rows, m.masterRow(l.rows[i], i == l.cursor.at, c, width))
	}
	rows = append(pad(rows, height-1-len(detail)), m.style.faint.Render(strings.Repeat("─", width)))
	return append(rows, detail...)
}

func (m *model) masterRow(r masterRow, selected bool, c columns, width int) string {
	state, told, symbol := r.State, "", plainSymbol(r.State)
	if state != "dialling" {
		told = " " + short(m.live.at.Sub(r.Since))
	}
	past := m.live.past[r.key]
	rtt, spark := "", ""
	if d, ok := past.last(); ok {
		rtt, spark = plainRoundTrip(d), past.sparks(c.sparks)
	}
	sessions := ""
	if r.Sessions > 0 {
		sessions = fmt.Sprint(r.Sessions)
	}
	name := clean(r.Hop)
	if n := len(r.Forwards); n > 0 {
		name += fmt.Sprintf(" ⇄%d", n)
	}
	tail := right(sessions, sessionsColumn)
	if c.bytes {
		tail += right(size(float64(r.BytesIn)), bytesColumn) + right(size(float64(r.BytesOut)), bytesColumn)
	}
	tail += right(rtt, rttColumn)
	if selected {
		return m.style.selected.Render(fit(fit("▸ "+r.branch+symbol+" "+name, c.tree)+" "+fit(clean(state)+told, stateColumn)+tail+" "+spark, width))
	}
	return fit(fit("  "+m.style.faint.Render(r.branch)+m.symbol(state)+" "+name, c.tree)+" "+
		fit(m.state(state)+told, stateColumn)+tail+" "+m.style.spark.Render(spark), width)
}

// masterDetail is all about the selected connection.
func (m *model) masterDetail(width int) []string {
	r, ok := m.masters.selected()
	if !ok {
		return nil
	}
	past := m.live.past[r.key]
	rows := []string{fit(m.style.title.Render(clean(r.Hop))+"  "+clean(strings.Join(r.Route, " → "))+"  "+
		m.style.faint.Render(clean(r.User+"@"+r.Addr)), width)}
	add := func(label, text string) {
		if text != "" {
			rows = append(rows, fit(m.style.faint.Render(fit(label, 10))+clean(text), width))
		}
	}
	if past != nil {
		add("traffic", fmt.Sprintf("in %s/s, out %s/s", size(past.rateIn), size(past.rateOut)))
	}
	add("server", r.Server)
	add("login", join(r.Auth, r.Cipher, r.Kex))
	add("ends", ending(r.Master))
	for _, h := range r.Held {
		text := join(h.Use, h.What, short(m.live.at.Sub(h.Since)))
		if h.PID != 0 {
			text += fmt.Sprintf(", process %d", h.PID)
		}
		add("used by", text)
	}
	for _, f := range r.Forwards {
		to := f.Target
		if to == "" {
			to = "wherever asked (SOCKS)"
		}
		add("forward", fmt.Sprintf("%s %s → %s", f.Kind, f.Listen, to))
	}
	add("socket", r.Control)
	return rows
}

// ending is when a connection will be closed if nothing changes.
func ending(c api.Master) string {
	var parts []string
	if c.Idle != nil {
		parts = append(parts, "idle for "+short(time.Duration(*c.Idle)*time.Second))
	}
	if c.Expires != nil {
		parts = append(parts, "expires in "+short(time.Duration(*c.Expires)*time.Second))
	}
	return strings.Join(parts, ", ")
}

func join(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", ")
}
