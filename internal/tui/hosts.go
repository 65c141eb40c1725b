package tui

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
)

// hostList is the picker.
type hostList struct {
	all    []candidate
	loaded bool
	query  line
	hits   []hit
	cursor cursor
	chosen bool // the selection is meant, though it may be the first

	wanted string // the destination whose route is shown, or will be
	routes map[string]routeOf
}

// routeOf is what the resolution of a destination gave.
type routeOf struct {
	route Route
	err   error
}

// routeDue says that a selection has stood long enough.
type routeDue struct{ destination string }

// routeMsg is a resolved route.
type routeMsg struct {
	destination string
	routeOf
}

// fill takes the inventory, the selection staying on its host.
func (l *hostList) fill(m *model, all []candidate) tea.Cmd {
	was, before := l.selected(), l.cursor
	l.all, l.loaded = all, true
	l.hits = parseQuery(l.query.text).search(l.all, l.hits)
	l.cursor = before
	for i, h := range l.hits {
		if h.Name == was && (before.at > 0 || l.chosen) { // who has not moved wants the best
			l.cursor.at = i
		}
	}
	l.cursor.clamp(len(l.hits))
	return l.look(m)
}

// find searches again, as what is typed has changed.
func (l *hostList) find(m *model) tea.Cmd {
	l.hits = parseQuery(l.query.text).search(l.all, l.hits)
	l.cursor, l.chosen = cursor{}, false
	return l.look(m)
}

// names are those of all hosts, nil when they are not known yet.
func (l *hostList) names() map[string]bool {
	if !l.loaded {
		return nil
	}
	names := make(map[string]bool, len(l.all))
	for _, c := range l.all {
		names[c.Name] = true
	}
	return names
}

// choose selects the host that was added since there were only those before,
// and forgets what is typed when that hides it.
func (l *hostList) choose(m *model, before map[string]bool) tea.Cmd {
	added := slices.IndexFunc(l.all, func(c candidate) bool { return !before[c.Name] })
	if added < 0 {
		return nil
	}
	isAdded := func(h hit) bool { return h.Name == l.all[added].Name }
	if !slices.ContainsFunc(l.hits, isAdded) {
		l.query.text = ""
		l.hits = parseQuery("").search(l.all, l.hits)
	}
	l.cursor.at, l.chosen = slices.IndexFunc(l.hits, isAdded), true
	return l.look(m)
}

// selected is the name of the selected host, "" for none.
func (l *hostList) selected() string {
	if l.cursor.at < len(l.hits) {
		return l.hits[l.cursor.at].Name
	}
	return ""
}

// destination is where Enter goes: the selected host, as the user that was
// typed in front, or what was typed when no host is like it.
func (l *hostList) destination() string {
	q := parseQuery(l.query.text)
	name := l.selected()
	if name == "" {
		typed := strings.TrimSpace(l.query.text)
		if strings.ContainsAny(typed, " #") || strings.HasPrefix(typed, "-") {
			return ""
		}
		return typed
	}
	if q.user != "" {
		return q.user + "@" + name
	}
	return name
}

// look asks for the route of the destination, once it has stood a moment.
func (l *hostList) look(m *model) tea.Cmd {
	l.wanted = l.destination()
	if _, have := l.routes[l.wanted]; have || l.wanted == "" {
		return nil
	}
	return after(settle, routeDue{l.wanted})
}

// resolve finds the route that is due, if it is still wanted.
func (m *model) resolve(due routeDue) tea.Cmd {
	if due.destination != m.hosts.wanted {
		return nil
	}
	return m.task(func(ctx context.Context) tea.Msg {
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		route, err := m.config.Inventory.Route(ctx, due.destination)
		return routeMsg{due.destination, routeOf{route, err}}
	})
}

func (l *hostList) press(m *model, k tea.KeyPressMsg) tea.Cmd {
	key := k.String()
	if l.cursor.move(key, len(l.hits), m.listHeight()) {
		l.chosen = false
		return l.look(m)
	}
	switch key {
	case "esc":
		if l.query.text == "" {
			return tea.Quit
		}
		l.query.text = ""
		return l.find(m)
	case "ctrl+d":
		if l.query.text == "" {
			return tea.Quit
		}
		return nil
	case "ctrl+r":
		clear(l.routes)
		return m.loadHosts(nil)
	case "alt+enter":
		if typed := strings.TrimSpace(l.query.text); typed != "" && !strings.HasPrefix(typed, "-") {
			return m.connect(typed)
		}
		return nil
	case "ctrl+a":
		return m.leave(Add, doneMsg{before: l.names()})
	}
	if cmd, done := m.act(key, l.destination(), l.key()); done {
		return cmd
	}
	if l.query.press(k) {
		return l.find(m)
	}
	return nil
}

// key is the route's key of the destination, "" while it is not known.
func (l *hostList) key() string {
	if hops := l.routes[l.wanted].route.Hops; len(hops) > 0 {
		return hops[len(hops)-1].Key
	}
	return ""
}

// act does what a key asks for on a host, on any screen.
func (m *model) act(key, destination, routeKey string) (tea.Cmd, bool) {
	verb := map[string]Verb{"enter": Connect, "ctrl+o": Up, "ctrl+x": "down", "ctrl+f": Forward, "ctrl+t": Test, "ctrl+e": Edit}[key]
	if verb == "" {
		return nil, false
	}
	if destination == "" {
		m.say("no host is selected", nil)
		return nil, true
	}
	name := clean(destination)
	switch verb {
	case Connect:
		return m.connect(destination), true
	case "down":
		return m.down(routeKey, destination), true
	case Up:
		return m.run(Up, name+": up", destination), true
	case Forward:
		m.askForward(destination)
		return nil, true
	case Edit:
		_, host, found := cutLast(destination, "@")
		if !found {
			host = destination
		}
		return m.run(Edit, "", host), true
	}
	return m.run(verb, "", destination), true
}

func cutLast(s, sep string) (before, behind string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func (m *model) askForward(destination string) {
	m.entry = &entry{
		prompt: "Forward over " + clean(destination),
		hint:   "8080:localhost:80 listens here, -R 9000:localhost:3000 there, -D 1080 is a SOCKS proxy",
		done: func(text string) tea.Cmd {
			return m.run(Forward, "", append([]string{destination}, strings.Fields(text)...)...)
		},
	}
}

// listHeight is how many rows the picker has.
func (m *model) listHeight() int { return max(1, m.height-chrome-1) }

// drawHosts is the picker: the list, and the selected host beside or below.
func (m *model) drawHosts(width, height int) []string {
	l := &m.hosts
	prompt := m.style.key.Render("› ") + clean(l.query.text) + m.style.cursor.Render(" ")
	count := m.style.faint.Render(fmt.Sprintf("%d of %d", len(l.hits), len(l.all)))
	rows := []string{spread(prompt, count, width)}
	height--
	if width >= 72 {
		left := max(28, min(48, width*2/5))
		list, detail := m.hostRows(left, height), m.drawDetail(width-left-3, height)
		for i := range height {
			rows = append(rows, fit(at(list, i), left)+m.style.faint.Render(" │ ")+at(detail, i))
		}
		return rows
	}
	below := 0
	if height >= 12 {
		below = height * 2 / 5
	}
	rows = append(rows, pad(m.hostRows(width, height-below), height-below)...)
	if below > 0 {
		rows = append(rows, m.style.faint.Render(strings.Repeat("─", width)))
		rows = append(rows, m.drawDetail(width, below-1)...)
	}
	return rows
}

func (m *model) hostRows(width, height int) []string {
	l := &m.hosts
	if len(l.hits) == 0 {
		return m.noHosts(width)
	}
	var rows []string
	from, to := l.cursor.window(len(l.hits), height)
	up := m.upNames()
	for i := from; i < to; i++ {
		rows = append(rows, m.hostRow(l.hits[i], i == l.cursor.at, up[l.hits[i].Name], width))
	}
	return rows
}

func (m *model) noHosts(width int) []string {
	l := &m.hosts
	switch {
	case !l.loaded:
		return []string{m.style.faint.Render("reading the configuration …")}
	case l.destination() != "":
		return []string{m.style.selected.Render(fit("▸ "+clean(l.destination())+" (as typed)", width))}
	case len(l.all) == 0:
		return []string{"No hosts in the configuration.", m.style.faint.Render("Type a host's name, or ^A to add one.")}
	}
	return []string{m.style.faint.Render("no host is like this")}
}

// upNames are the hosts that have a connection.
func (m *model) upNames() map[string]string {
	up := map[string]string{}
	if m.live.status != nil {
		for _, c := range m.live.status.Masters {
			up[c.Hop] = c.State
		}
	}
	return up
}

func (m *model) hostRow(h hit, selected bool, state string, width int) string {
	name := h.shown
	if !selected {
		name = m.marked(h.shown, h.marks)
	}
	row := m.symbol(state) + " " + name
	if selected {
		row = plainSymbol(state) + " " + name
	}
	for _, t := range h.Tags {
		tag := " #" + clean(t)
		if !selected {
			tag = m.style.faint.Render(tag)
		}
		row += tag
	}
	if !selected {
		return "  " + row
	}
	return m.style.selected.Render(fit("▸ "+row, width))
}

// marked underlines the letters that matched.
func (m *model) marked(name string, marks uint64) string {
	if marks == 0 {
		return name
	}
	var b strings.Builder
	for i, r := range name {
		if i < 64 && marks>>i&1 == 1 {
			b.WriteString(m.style.mark.Render(string(r)))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// drawDetail is the selected host and the way to it.
func (m *model) drawDetail(width, height int) []string {
	l := &m.hosts
	if l.wanted == "" {
		return nil
	}
	rows := []string{m.style.title.Render(fit(clean(l.wanted), width)), ""}
	found, known := l.routes[l.wanted]
	switch {
	case !known:
		return append(rows, m.style.faint.Render("…"))
	case found.err != nil:
		rows = append(rows, wrap(m.style.bad, clean(found.err.Error()), width)...)
		return rows[:min(len(rows), max(0, height))]
	}
	rows = append(rows, m.drawRoute(found.route, width)...)
	if found.route.Note != "" {
		rows = append(rows, "")
		rows = append(rows, wrap(m.style.faint, found.route.Note, width)...)
	}
	if h, ok := l.hit(); ok && !h.Used.IsZero() {
		rows = append(rows, "", m.style.faint.Render("last used "+short(time.Since(h.Used))+" ago"))
	}
	if len(rows) > height {
		rows = rows[:max(0, height)]
	}
	return rows
}

func (l *hostList) hit() (hit, bool) {
	if l.cursor.at < len(l.hits) {
		return l.hits[l.cursor.at], true
	}
	return hit{}, false
}
