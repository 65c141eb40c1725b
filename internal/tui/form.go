package tui

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
)

// Form asks for several values on one screen.
type Form struct {
	Title  string
	Fields []FormField
	// Check says what the values come to, or what is wrong with them. It runs
	// beside the screen, a moment after each change, and before the form ends.
	Check func(ctx context.Context, values []string) (note string, err error)
	// In and Out are the terminal, Env its environment (TERM, NO_COLOR).
	In  io.Reader
	Out io.Writer
	Env []string
}

// FormField is one line of a form.
type FormField struct {
	Name, Hint, Value string
	// Fixed is a value that is only shown.
	Fixed bool
	// Choices offers values; nil for a field that is typed.
	Choices func(values []string) []Choice
}

// Choice is a value that a field may be given.
type Choice struct{ Value, Note string }

// ErrCancelled is returned when the user leaves a form without saving it.
var ErrCancelled = errors.New("cancelled")

// checkDelay is how long the user must stop before the values are looked at.
const checkDelay = 150 * time.Millisecond

// Run shows the form until it is saved, and returns the values, one for each
// field.
func (f Form) Run(ctx context.Context) ([]string, error) {
	m := &form{Form: f, ctx: ctx, style: newStyles(), width: 80, height: 24}
	for i, field := range f.Fields {
		m.lines = append(m.lines, line{field.Value})
		if field.Fixed && m.at == i {
			m.at++
		}
	}
	program := tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(f.In), tea.WithOutput(f.Out),
		tea.WithEnvironment(quietly(f.Env)), tea.WithColorProfile(colorprofile.Env(f.Env)), tea.WithFPS(30), tea.WithoutSignalHandler())
	_, err := program.Run()
	switch {
	case errors.Is(err, tea.ErrInterrupted):
		return nil, ErrInterrupted
	case err != nil && ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, err
	case !m.saved:
		return nil, ErrCancelled
	}
	return m.values(), nil
}

// form is a Form on the screen. The row behind the last field is the button.
type form struct {
	Form
	ctx           context.Context // ends the checks
	style         styles
	width, height int

	lines []line
	at    int
	list  *choices // open above the fields

	changes int // counts them, to know a check's answer from an older one's
	note    string
	err     error
	saving  bool // ends when the check has passed
	saved   bool
	leaving bool // asked whether to give up what was typed
}

// choices is the list of a field that is open.
type choices struct {
	all    []Choice
	filter line
	cursor cursor
}

// hits are the choices that the filter finds, those that begin with it first:
// a host is named in the notes of all that are reached through it.
func (c *choices) hits() []Choice {
	text := strings.ToLower(c.filter.text)
	var ranked [4][]Choice
	for _, one := range c.all {
		value := strings.ToLower(one.Value)
		rank := 3
		switch {
		case value == text:
			rank = 0
		case strings.HasPrefix(value, text):
			rank = 1
		case strings.Contains(value, text):
			rank = 2
		case !strings.Contains(value+" "+strings.ToLower(one.Note), text):
			continue
		}
		ranked[rank] = append(ranked[rank], one)
	}
	return slices.Concat(ranked[:]...)
}

// checkDue asks for a check of the values as they were after so many changes.
type checkDue struct{ changes int }

// checked is a check's answer.
type checked struct {
	changes int
	note    string
	err     error
}

func (m *form) Init() tea.Cmd { return m.check }

func (m *form) values() []string {
	values := make([]string, len(m.lines))
	for i, l := range m.lines {
		values[i] = strings.TrimSpace(l.text)
	}
	return values
}

// check looks at the values as they are.
func (m *form) check() tea.Msg { return m.checkOf(m.changes, m.values())() }

func (m *form) checkOf(changes int, values []string) tea.Cmd {
	return func() tea.Msg {
		note, err := m.Check(m.ctx, values)
		return checked{changes, note, err}
	}
}

// changed takes note of a change.
func (m *form) changed() tea.Cmd {
	m.changes++
	m.leaving = false
	n := m.changes
	return tea.Tick(checkDelay, func(time.Time) tea.Msg { return checkDue{n} })
}

// Update is tea.Model's.
func (m *form) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case checkDue:
		if msg.changes == m.changes {
			return m, m.checkOf(m.changes, m.values())
		}
	case checked:
		if msg.changes != m.changes {
			return m, nil
		}
		m.note, m.err = msg.note, msg.err
		if m.saving && m.err == nil {
			m.saved = true
			return m, tea.Quit
		}
		m.saving = false
	case tea.PasteMsg:
		text, _, _ := strings.Cut(strings.TrimSpace(msg.Content), "\n")
		if l := m.typed(); l != nil {
			l.insert(text)
			return m, m.changed()
		}
	case tea.KeyPressMsg:
		return m, m.press(msg)
	}
	return m, nil
}

// typed is the line that keys go into, nil on the button.
func (m *form) typed() *line {
	switch {
	case m.list != nil:
		return &m.list.filter
	case m.at < len(m.lines) && !m.Fields[m.at].Fixed:
		return &m.lines[m.at]
	}
	return nil
}

func (m *form) press(k tea.KeyPressMsg) tea.Cmd {
	key := k.String()
	switch {
	case key == "ctrl+c":
		return tea.Interrupt
	case key == "ctrl+l":
		return tea.ClearScreen
	case m.list != nil:
		return m.pressList(k)
	}
	switch key {
	case "esc":
		if m.changes == 0 || m.leaving {
			return tea.Quit
		}
		m.leaving = true
		return nil
	case "ctrl+s":
		return m.save()
	case "up", "shift+tab":
		m.move(-1)
	case "down", "tab":
		m.move(1)
	case "ctrl+space", "ctrl+@", "right":
		m.open()
	case "enter":
		return m.enter()
	default:
		if l := m.typed(); l != nil && l.press(k) {
			return m.changed()
		}
	}
	m.leaving = false
	return nil
}

// enter goes on: from an empty field with a list into that, from the button to
// the end.
func (m *form) enter() tea.Cmd {
	switch {
	case m.at == len(m.lines):
		return m.save()
	case m.lines[m.at].text == "" && m.Fields[m.at].Choices != nil && m.open():
	default:
		m.move(1)
	}
	return nil
}

// save ends the form once its values were found good.
func (m *form) save() tea.Cmd {
	m.saving = true
	return m.checkOf(m.changes, m.values())
}

// move goes to another row, past those that cannot be changed.
func (m *form) move(by int) {
	for next := m.at + by; next >= 0 && next <= len(m.lines); next += by {
		if next == len(m.lines) || !m.Fields[next].Fixed {
			m.at = next
			return
		}
	}
}

// open shows the choices of a field, if it has any.
func (m *form) open() bool {
	if m.at == len(m.lines) || m.Fields[m.at].Choices == nil {
		return false
	}
	all := m.Fields[m.at].Choices(m.values())
	if len(all) == 0 {
		return false
	}
	m.list = &choices{all: all}
	return true
}

func (m *form) pressList(k tea.KeyPressMsg) tea.Cmd {
	hits := m.list.hits()
	switch key := k.String(); key {
	case "esc", "left":
		m.list = nil
	case "enter":
		list := m.list
		m.list = nil
		if list.cursor.clamp(len(hits)); len(hits) > 0 {
			m.take(hits[list.cursor.at].Value)
			return m.changed()
		}
	default:
		if !m.list.cursor.move(key, len(hits), m.listRows()) {
			m.list.filter.press(k)
			m.list.cursor = cursor{}
		}
	}
	return nil
}

// take puts a choice into the field: behind a comma that ends it, else in the
// place of what is there.
func (m *form) take(value string) {
	l := &m.lines[m.at]
	before := strings.TrimRight(l.text, " ")
	if !strings.HasSuffix(before, ",") {
		before = ""
	}
	l.text = before + clean(value)
}

// View is tea.Model's.
func (m *form) View() tea.View {
	v := tea.NewView(strings.Join(m.draw(), "\n"))
	v.AltScreen = true
	v.WindowTitle = "sally"
	return v
}

// labelWidth is that of the names of fields.
const labelWidth = 14

func (m *form) draw() []string {
	if m.width < 20 || m.height < 6 {
		return []string{fit("sally: enlarge me", m.width)}
	}
	rows := []string{m.style.title.Render(fit("sally  "+clean(m.Title), m.width)), ""}
	body := m.height - 5
	if m.list != nil {
		rows = append(rows, m.drawList()...)
	} else {
		rows = append(rows, m.drawFields(body)...)
	}
	return append(append(pad(rows, m.height-3), m.drawNote()...), m.drawFormKeys())
}

func (m *form) drawFields(height int) []string {
	var rows []string
	for i, f := range m.Fields {
		text := clean(m.lines[i].text)
		if tail := []rune(text); i == m.at && len(tail) > m.width-labelWidth-4 {
			text = "…" + string(tail[len(tail)-(m.width-labelWidth-5):])
		}
		mark, style := "  ", m.style.faint
		if i == m.at {
			mark, style = "> ", m.style.key
			text += m.style.cursor.Render(" ")
		}
		rows = append(rows, fit(mark+style.Render(fit(f.Name, labelWidth))+text, m.width))
	}
	button := "  [ Save ]"
	if m.at == len(m.lines) {
		button = "> " + m.style.selected.Render("[ Save ]")
	}
	rows = append(rows, "", button)
	if m.at < len(m.Fields) && len(rows)+2 <= height {
		rows = append(rows, "", m.style.faint.Render(fit("  "+m.Fields[m.at].Hint, m.width)))
	}
	first := max(0, min(m.at-height/2, len(rows)-height))
	return slices.Clip(rows[first:])
}

func (m *form) listRows() int { return max(1, m.height-7) }

func (m *form) drawList() []string {
	hits := m.list.hits()
	rows := []string{fit("  "+m.style.key.Render(m.Fields[m.at].Name+": ")+m.list.filter.text+m.style.cursor.Render(" "), m.width)}
	from, to := m.list.cursor.window(len(hits), m.listRows())
	for i := from; i < to; i++ {
		text := fit("    "+fit(clean(hits[i].Value), 28)+" "+clean(hits[i].Note), m.width)
		if i == m.list.cursor.at {
			text = m.style.selected.Render(fit("  > "+fit(clean(hits[i].Value), 28)+" "+clean(hits[i].Note), m.width))
		}
		rows = append(rows, text)
	}
	if len(hits) == 0 {
		rows = append(rows, m.style.faint.Render("    nothing is like it"))
	}
	return rows
}

// drawNote says what the values come to, in two rows.
func (m *form) drawNote() []string {
	switch {
	case m.leaving:
		return []string{m.style.warn.Render(fit("Leave without saving? Esc again does.", m.width)), ""}
	case m.err != nil:
		text := clean(m.err.Error())
		rest := []rune(text)
		if len(rest) > m.width {
			return []string{m.style.bad.Render(string(rest[:m.width])), m.style.bad.Render(fit(string(rest[m.width:]), m.width))}
		}
		return []string{m.style.bad.Render(text), ""}
	}
	first, second, _ := strings.Cut(m.note, "\n")
	return []string{m.style.good.Render(fit(clean(first), m.width)), m.style.warn.Render(fit(clean(second), m.width))}
}

func (m *form) drawFormKeys() string {
	keys := []string{"↑↓ Tab", "move", "^S", "save", "Esc", "leave"}
	switch {
	case m.list != nil:
		keys = []string{"type", "find", "↑↓", "select", "⏎", "take", "Esc", "back"}
	case m.at < len(m.Fields) && m.Fields[m.at].Choices != nil:
		keys = append([]string{"→", "list"}, keys...)
	}
	var b strings.Builder
	for i := 0; i < len(keys); i += 2 {
		b.WriteString(m.style.key.Render(keys[i]) + " " + m.style.faint.Render(keys[i+1]) + "  ")
	}
	return fit(b.String(), m.width)
}
