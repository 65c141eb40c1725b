package tui

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

// chrome is how many rows the frame takes: title, message and keys.
const chrome = 3

// styles are the looks. Each says something without colour too: by a letter,
// a mark, bold or reverse.
type styles struct {
	title, faint, key, mark, selected, cursor lipgloss.Style
	good, warn, bad, spark                    lipgloss.Style
}

// newStyles uses the terminal's own sixteen colours, which its user has made
// to be read.
func newStyles() styles {
	plain := lipgloss.NewStyle()
	return styles{
		title: plain.Bold(true), faint: plain.Faint(true), key: plain.Bold(true).Foreground(lipgloss.Cyan),
		mark: plain.Bold(true).Underline(true), selected: plain.Reverse(true), cursor: plain.Reverse(true),
		good: plain.Foreground(lipgloss.Green), warn: plain.Foreground(lipgloss.Yellow),
		bad: plain.Bold(true).Foreground(lipgloss.Red), spark: plain.Foreground(lipgloss.Blue),
	}
}

// View is tea.Model's.
func (m *model) View() tea.View {
	v := tea.NewView(strings.Join(m.draw(), "\n"))
	v.AltScreen = true
	v.WindowTitle = "sally"
	return v
}

// draw is the whole screen, a string for each row.
func (m *model) draw() []string {
	width, height := m.width, m.height
	if width < 20 || height < 6 {
		return []string{fit("sally: enlarge me", width)}
	}
	body := height - chrome
	var rows []string
	switch {
	case m.help:
		rows = m.drawHelp(width)
	case m.screen == screenMasters:
		rows = m.drawMasters(width, body)
	case m.screen == screenLogs:
		rows = m.drawLogs(width, body)
	default:
		rows = m.drawHosts(width, body)
	}
	rows = append([]string{m.drawTitle(width)}, pad(rows, body)...)
	return append(rows, m.drawMessage(width), m.drawKeys(width))
}

func (m *model) drawTitle(width int) string {
	var tabs []string
	for i, name := range []string{"Hosts", "Connections", "Logs"} {
		if screen(i) == m.screen {
			tabs = append(tabs, m.style.selected.Render(" "+name+" "))
		} else {
			tabs = append(tabs, " "+name+" ")
		}
	}
	state := ""
	switch {
	case !m.live.known:
	case m.live.status.PID == 0:
		state = "no daemon"
	default:
		sessions := 0
		for _, c := range m.live.status.Masters {
			sessions += c.Sessions
		}
		state = fmt.Sprintf("%d up · %s", len(m.live.status.Masters), plural(sessions, "session"))
	}
	return spread(m.style.title.Render("sally")+"  "+strings.Join(tabs, ""), m.style.faint.Render(state), width)
}

func (m *model) drawMessage(width int) string {
	switch {
	case m.question != nil:
		return fit(m.style.warn.Render(m.question.text)+" "+m.style.key.Render("y")+" / "+m.style.key.Render("n"), width)
	case m.entry != nil:
		return fit(m.style.key.Render(m.entry.prompt+": ")+m.entry.line.text+m.style.cursor.Render(" "), width)
	case m.failed:
		return m.style.bad.Render(fit(clean(m.message), width))
	}
	return fit(clean(m.message), width)
}

func (m *model) drawKeys(width int) string {
	if m.entry != nil {
		return m.style.faint.Render(fit(m.entry.hint, width))
	}
	var keys []string
	switch m.screen {
	case screenHosts:
		keys = []string{"⏎", "connect", "^O", "up", "^X", "down", "^F", "forward", "^T", "test", "^E", "edit", "Tab", "next", "F1", "help"}
	case screenMasters:
		keys = []string{"⏎", "connect", "d", "down", "f", "forward", "t", "test", "e", "edit", "Tab", "next", "?", "help", "q", "quit"}
	default:
		keys = []string{"↑↓", "scroll", "f", "follow", "v", "details", "Tab", "next", "?", "help", "q", "quit"}
	}
	var b strings.Builder
	for i := 0; i < len(keys); i += 2 {
		b.WriteString(m.style.key.Render(keys[i]) + " " + m.style.faint.Render(keys[i+1]) + "  ")
	}
	return fit(b.String(), width)
}

func (m *model) drawHelp(width int) []string {
	var rows []string
	for _, h := range [][2]string{
		{"Hosts", ""},
		{"type", "find: letters in order; several words must all be found"},
		{"#tag", "only hosts with that tag;  user@… logs in as user"},
		{"↑ ↓ PgUp PgDn", "select"},
		{"Enter", "connect; Alt-Enter to exactly what is typed"},
		{"^O  ^X", "bring the connection up, close it"},
		{"^F  ^T", "add a forward, test the route hop by hop"},
		{"^E  ^A  ^R", "edit the host, add one, read the files again"},
		{"Esc", "clear what is typed, then quit"},
		{"Connections", ""},
		{"Enter u d f t e", "as above; j and k move too"},
		{"Logs", ""},
		{"f  v", "follow the newest, show details"},
		{"everywhere", ""},
		{"Tab, F2 F3 F4", "change the screen;  ^L draw again;  ^Z suspend;  ^C leave"},
		{"○ ◌ ● ◐", "not connected, dialling, up, draining or in doubt"},
	} {
		if h[1] == "" {
			rows = append(rows, m.style.title.Render(h[0]))
			continue
		}
		rows = append(rows, fit("  "+m.style.key.Render(fit(h[0], 17))+h[1], width))
	}
	return append(rows, "", m.style.faint.Render("any key goes back"))
}

// roundTrip is a round-trip time in its style.
func (m *model) roundTrip(d time.Duration) string {
	if d < 0 {
		return m.style.bad.Render(plainRoundTrip(d))
	}
	return plainRoundTrip(d)
}

func plainRoundTrip(d time.Duration) string {
	if d < 0 {
		return "silent"
	}
	return short(d)
}

// spread puts one text at the left and one at the right.
func spread(left, behind string, width int) string {
	room := width - ansi.StringWidth(behind)
	if room < ansi.StringWidth(left)+1 {
		return fit(left, width)
	}
	return fit(left, room) + behind
}

// right aligns a plain text.
func right(s string, width int) string {
	return strings.Repeat(" ", max(0, width-ansi.StringWidth(s))) + s
}

// pad makes exactly n rows.
func pad(rows []string, n int) []string {
	for len(rows) < n {
		rows = append(rows, "")
	}
	return rows[:max(0, n)]
}

func at(rows []string, i int) string {
	if i < len(rows) {
		return rows[i]
	}
	return ""
}

func stripped(s string) string { return ansi.Strip(s) }
