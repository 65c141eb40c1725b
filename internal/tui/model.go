package tui

import (
	"context"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"sallyport/internal/api"
)

// screen is one of the views.
type screen int

const (
	screenHosts screen = iota
	screenMasters
	screenLogs
	screens // how many
)

// How often the daemon is asked, and how long a question may take.
const (
	statusEvery  = time.Second
	measureEvery = 2 * time.Second
	askTimeout   = 3 * time.Second
	// settle is how long a selection must stand before its route is resolved.
	settle = 60 * time.Millisecond
)

// model is the program's state. Update alone changes it.
type model struct {
	// config: not changed after newModel
	ctx    context.Context
	config Config
	tasks  *sync.WaitGroup
	style  styles

	width, height int
	sized         bool
	screen        screen
	help          bool
	question      *confirmation
	entry         *entry
	message       string // the last action's outcome
	failed        bool
	picked        string

	hosts   hostList
	live    live
	masters masterList
	logs    logView
}

func newModel(ctx context.Context, c Config, tasks *sync.WaitGroup) *model {
	m := &model{ctx: ctx, config: c, tasks: tasks, style: newStyles(), width: 80, height: 24}
	m.hosts.routes = map[string]routeOf{}
	m.live.init()
	m.logs.follow = true
	return m
}

// The messages of our own.
type (
	hostsMsg struct {
		all    []candidate
		err    error
		detail bool
		// before are the names there were when a host was to be added, else nil.
		before map[string]bool
	}
	statusMsg struct {
		status *api.Status
		at     time.Time
		err    error
	}
	statusTick  struct{}
	measureTick struct{}
	doneMsg     struct {
		text string
		err  error
		// reload is set when the configuration may have changed.
		reload bool
		// before is hostsMsg's.
		before map[string]bool
	}
)

// task makes a command of work that ends with the program.
func (m *model) task(f func(ctx context.Context) tea.Msg) tea.Cmd {
	return func() tea.Msg {
		m.tasks.Add(1)
		defer m.tasks.Done()
		return f(m.ctx)
	}
}

// Init is tea.Model's.
func (m *model) Init() tea.Cmd {
	return tea.Batch(m.loadHosts(nil), m.askStatus(), after(measureEvery/2, measureTick{}))
}

func after(d time.Duration, msg tea.Msg) tea.Cmd {
	return tea.Tick(d, func(time.Time) tea.Msg { return msg })
}

func (m *model) loadHosts(before map[string]bool) tea.Cmd {
	return m.task(func(ctx context.Context) tea.Msg {
		hosts, err := m.config.Inventory.Hosts(ctx)
		return hostsMsg{all: candidates(hosts), err: err, before: before}
	})
}

func (m *model) loadDetails() tea.Cmd {
	return m.task(func(ctx context.Context) tea.Msg {
		hosts, err := m.config.Inventory.Details(ctx)
		return hostsMsg{all: candidates(hosts), err: err, detail: true}
	})
}

func (m *model) askStatus() tea.Cmd {
	return m.task(func(ctx context.Context) tea.Msg {
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		status, err := m.config.Daemon.Status(ctx)
		return statusMsg{status, time.Now(), err}
	})
}

// Update is tea.Model's.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		return m, m.resize(msg)
	case tea.KeyPressMsg:
		return m, m.press(msg)
	case tea.PasteMsg:
		return m, m.paste(msg.Content)
	case hostsMsg:
		return m, m.listed(msg)
	case routeDue:
		return m, m.resolve(msg)
	case routeMsg:
		m.hosts.routes[msg.destination] = msg.routeOf
		return m, nil
	case doneMsg:
		return m, m.finished(msg)
	case batchMsg:
		return m, m.logs.add(m, msg)
	}
	return m, m.heard(msg)
}

// resize takes the window's size, the first one too. The library scrolls with
// margins and puts them back for the height that it knows; when the window
// grows at that moment the terminal keeps them. So they are taken away, and
// all is drawn anew.
func (m *model) resize(msg tea.WindowSizeMsg) tea.Cmd {
	first := !m.sized
	if same := m.width == msg.Width && m.height == msg.Height; same && !first {
		return nil // told after each command
	}
	m.width, m.height, m.sized = msg.Width, msg.Height, true
	if first {
		return nil
	}
	return tea.Sequence(tea.Raw(ansi.SetTopBottomMargins(0, 0)), tea.ClearScreen)
}

// listed takes the inventory, first by name and then in full.
func (m *model) listed(msg hostsMsg) tea.Cmd {
	if msg.err != nil {
		m.say("", msg.err)
		m.hosts.loaded = true
		return nil
	}
	cmd := m.hosts.fill(m, msg.all)
	if msg.before != nil {
		cmd = tea.Batch(cmd, m.hosts.choose(m, msg.before))
	}
	if msg.detail || len(msg.all) == 0 {
		return cmd
	}
	return tea.Batch(cmd, m.loadDetails())
}

// heard is about what the daemon says.
func (m *model) heard(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case statusMsg:
		if msg.err != nil {
			m.say("", msg.err)
		}
		m.live.see(msg.status, msg.at)
		m.masters.arrange(m)
		return after(statusEvery, statusTick{})
	case statusTick:
		return m.askStatus()
	case measureTick:
		return tea.Batch(m.measure(), after(measureEvery, measureTick{}))
	case logRetry:
		if m.screen == screenLogs {
			return m.logs.start(m)
		}
	case rttMsg:
		m.live.measured(msg)
	}
	return nil
}

// finished takes an action's outcome.
func (m *model) finished(d doneMsg) tea.Cmd {
	m.say(d.text, d.err)
	var again tea.Cmd
	if d.reload {
		clear(m.hosts.routes)
		again = m.loadHosts(d.before)
	}
	return again
}

// say puts an outcome into the bottom line.
func (m *model) say(text string, err error) {
	m.message, m.failed = text, err != nil
	if err != nil {
		m.message = err.Error()
	}
}

// run leaves the screen for one of our commands and comes back.
func (m *model) run(verb Verb, text string, args ...string) tea.Cmd {
	return m.leave(verb, doneMsg{text: text}, args...)
}

// leave is run with what is to be known when it comes back.
func (m *model) leave(verb Verb, done doneMsg, args ...string) tea.Cmd {
	m.say("", nil)
	command := leaving{func() error { return m.config.Commands.Run(verb, args...) }}
	return tea.Exec(command, func(err error) tea.Msg {
		done.err, done.reload = err, true
		return done
	})
}

// connect goes to a destination, here or as the program's result.
func (m *model) connect(destination string) tea.Cmd {
	if m.config.Pick {
		m.picked = destination
		return tea.Quit
	}
	return m.run(Connect, "back from "+clean(destination), destination)
}

// down closes a connection, after a question when somebody uses it.
func (m *model) down(key, name string) tea.Cmd {
	master, ok := m.live.master(key)
	if !ok {
		m.say(clean(name)+" is not connected", nil)
		return nil
	}
	closing := m.task(func(ctx context.Context) tea.Msg {
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		return doneMsg{text: clean(name) + ": closed", err: m.config.Daemon.Down(ctx, key)}
	})
	if used := m.live.users(master); used != "" {
		m.question = &confirmation{text: "Close " + clean(name) + "? " + used + ".", yes: closing}
		return nil
	}
	return closing
}

// confirmation is a question that waits for y or n.
type confirmation struct {
	text string
	yes  tea.Cmd
}

// entry is a line that is asked for.
type entry struct {
	prompt, hint string
	line         line
	done         func(text string) tea.Cmd
}
