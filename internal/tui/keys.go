package tui

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// press is any key: first what lies above the screens, then what is the same
// on all of them, then the screen's own.
func (m *model) press(k tea.KeyPressMsg) tea.Cmd {
	key := k.String()
	switch {
	case key == "ctrl+c":
		return tea.Interrupt
	case key == "ctrl+z":
		return tea.Suspend
	case key == "ctrl+l":
		return tea.ClearScreen
	case m.question != nil:
		return m.answer(key)
	case m.entry != nil:
		return m.enter(k)
	case m.help:
		m.help = false
		return nil
	case key == "f1", key == "?" && m.hosts.query.text == "", key == "?" && m.screen != screenHosts:
		m.help = true
		return nil
	}
	if cmd, done := m.navigate(key); done {
		return cmd
	}
	switch m.screen {
	case screenMasters:
		return m.masters.press(m, key)
	case screenLogs:
		return m.logs.press(m, key)
	}
	return m.hosts.press(m, k)
}

// navigate changes between the screens.
func (m *model) navigate(key string) (tea.Cmd, bool) {
	switch key {
	case "tab":
		return m.show((m.screen + 1) % screens), true
	case "shift+tab":
		return m.show((m.screen + screens - 1) % screens), true
	case "alt+1", "f2":
		return m.show(screenHosts), true
	case "alt+2", "f3":
		return m.show(screenMasters), true
	case "alt+3", "f4":
		return m.show(screenLogs), true
	}
	if m.screen == screenHosts {
		return nil, false
	}
	switch key {
	case "1", "/", "esc":
		return m.show(screenHosts), true
	case "2":
		return m.show(screenMasters), true
	case "3":
		return m.show(screenLogs), true
	case "q":
		return tea.Quit, true
	}
	return nil, false
}

func (m *model) show(s screen) tea.Cmd {
	m.screen = s
	m.say("", nil)
	if s == screenLogs {
		return m.logs.start(m)
	}
	return nil
}

func (m *model) answer(key string) tea.Cmd {
	yes := m.question.yes
	switch key {
	case "y", "Y", "enter":
	case "n", "N", "esc", "q":
		yes = nil
	default:
		return nil
	}
	m.question = nil
	return yes
}

func (m *model) enter(k tea.KeyPressMsg) tea.Cmd {
	switch k.String() {
	case "esc":
		m.entry = nil
	case "enter":
		e := m.entry
		m.entry = nil
		if text := strings.TrimSpace(e.line.text); text != "" {
			return e.done(text)
		}
	default:
		m.entry.line.press(k)
	}
	return nil
}

// paste is text from the terminal's clipboard: only where a line is edited,
// and only its first line.
func (m *model) paste(text string) tea.Cmd {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	switch {
	case m.entry != nil:
		m.entry.line.insert(text)
	case m.screen == screenHosts && m.question == nil && !m.help:
		m.hosts.query.insert(text)
		return m.hosts.find(m)
	}
	return nil
}

// line is a line of text under edit. The cursor is at its end.
type line struct{ text string }

func (l *line) insert(text string) { l.text += clean(text) }

// press edits the line; false when the key is none of an editor's.
func (l *line) press(k tea.KeyPressMsg) bool {
	switch k.String() {
	case "backspace", "ctrl+h":
		if runes := []rune(l.text); len(runes) > 0 {
			l.text = string(runes[:len(runes)-1])
		}
	case "ctrl+u":
		l.text = ""
	case "ctrl+w":
		trimmed := strings.TrimRight(l.text, " ")
		l.text = trimmed[:strings.LastIndexByte(trimmed, ' ')+1]
	default:
		if k.Text == "" || k.Mod.Contains(tea.ModAlt) {
			return false
		}
		l.insert(k.Text)
	}
	return true
}

// cursor is a selection in a list that scrolls.
type cursor struct{ at, top int }

// move answers the keys that go through a list of n rows, of which page fit
// on the screen; false when it is none of them.
func (c *cursor) move(key string, n, page int) bool {
	page = max(1, page)
	switch key {
	case "up", "ctrl+p":
		c.at--
	case "down", "ctrl+n":
		c.at++
	case "pgup":
		c.at -= page
	case "pgdown":
		c.at += page
	case "home":
		c.at = 0
	case "end":
		c.at = n - 1
	default:
		return false
	}
	c.clamp(n)
	return true
}

func (c *cursor) clamp(n int) { c.at = max(0, min(c.at, n-1)) }

// window scrolls so that the selection shows, and returns which rows do.
func (c *cursor) window(n, page int) (from, to int) {
	c.clamp(n)
	if c.at < c.top {
		c.top = c.at
	}
	if c.at >= c.top+page {
		c.top = c.at - page + 1
	}
	c.top = max(0, min(c.top, n-page))
	return c.top, min(n, c.top+page)
}

// vi makes arrows of the letters of vi, on screens where nothing is typed.
func vi(key string) string {
	from := []string{"k", "j", "g", "G", "ctrl+b", "ctrl+f"}
	if i := slices.Index(from, key); i >= 0 {
		return []string{"up", "down", "home", "end", "pgup", "pgdown"}[i]
	}
	return key
}
