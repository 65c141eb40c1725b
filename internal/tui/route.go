package tui

import (
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"sallyport/internal/api"
)

// drawRoute draws the way to a host: in one line, then hop by hop with its
// state.
//
//	you → bastion → gate → web1
//
//	● bastion  alice@bastion.example.org:22
//	│ up 3 min  0.4 ms ▂▂▃▂
//	○ web1     alice@10.0.0.7:22
func (m *model) drawRoute(r Route, width int) []string {
	names := []string{m.style.faint.Render("you")}
	for _, h := range r.Hops {
		names = append(names, clean(h.Name))
	}
	rows := wrap(lipgloss.NewStyle(), strings.Join(names, " → "), width)
	rows = append(rows, "")
	for i, h := range r.Hops {
		master, up := m.live.master(h.Key)
		state := master.State
		rows = append(rows, fit(m.symbol(state)+" "+m.style.title.Render(clean(h.Name))+"  "+m.style.faint.Render(address(h)), width))
		line := m.style.faint.Render("│ ")
		if i == len(r.Hops)-1 {
			line = "  "
		}
		told := m.style.faint.Render("not connected")
		if up {
			told = m.describe(master)
		}
		rows = append(rows, fit(line+told, width))
	}
	return rows
}

func address(h Hop) string {
	if h.User == "" {
		return clean(h.Addr)
	}
	return clean(h.User + "@" + h.Addr)
}

// describe is a connection's state in one line.
func (m *model) describe(c api.Master) string {
	parts := []string{m.state(c.State)}
	if c.State != "dialling" {
		parts[0] += " " + short(m.live.at.Sub(c.Since))
		if rtt, ok := m.live.past[c.Key].last(); ok {
			parts = append(parts, m.roundTrip(rtt)+" "+m.style.spark.Render(m.live.past[c.Key].sparks(12)))
		}
		if c.Sessions > 0 {
			parts = append(parts, plural(c.Sessions, "session"))
		}
	}
	return strings.Join(parts, "  ")
}

// symbol shows a state with one character, which says it without colour too.
func (m *model) symbol(state string) string {
	return m.stateStyle(state).Render(plainSymbol(state))
}

func plainSymbol(state string) string {
	switch state {
	case "":
		return "○"
	case "up":
		return "●"
	case "dialling":
		return "◌"
	}
	return "◐" // draining, suspect and whatever comes
}

func (m *model) stateStyle(state string) lipgloss.Style {
	switch state {
	case "":
		return m.style.faint
	case "up":
		return m.style.good
	}
	return m.style.warn
}

func (m *model) state(state string) string { return m.stateStyle(state).Render(clean(state)) }

// wrap breaks a text into lines of a width, in one style.
func wrap(style lipgloss.Style, text string, width int) []string {
	if width < 1 {
		return nil
	}
	rows := strings.Split(ansi.Wrap(text, width, ""), "\n")
	for i := range rows {
		rows[i] = style.Render(rows[i])
	}
	return rows
}
