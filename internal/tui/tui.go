package tui

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"sallyport/internal/api"
)

// Inventory is the configuration's hosts.
type Inventory interface {
	// Hosts lists them at once, perhaps by name only; Details again with all
	// that is known, which may take a while.
	Hosts(ctx context.Context) ([]Host, error)
	Details(ctx context.Context) ([]Host, error)
	// Route resolves a destination without side effects: what is drawn when
	// it is selected.
	Route(ctx context.Context, destination string) (Route, error)
}

// Route is how a destination is reached.
type Route struct {
	Hops []Hop
	// Note is what the reader should know about it, "" for nothing.
	Note string
}

// Hop is one SSH endpoint of a route; Key is that of the route that ends
// there, as in api.Master.
type Hop struct{ Name, User, Addr, Key string }

// Daemon is what the screens ask of the daemon.
type Daemon interface {
	// Status is nil when none runs.
	Status(ctx context.Context) (*api.Status, error)
	// Measure makes a round trip over a live connection, and does not count
	// as its use.
	Measure(ctx context.Context, key string) (time.Duration, error)
	Down(ctx context.Context, key string) error
	// Logs calls emit for what is recorded and what comes, until ctx ends.
	Logs(ctx context.Context, emit func(api.Record)) error
}

// Commands runs our own verbs on the terminal, which the screen has left for
// them, and returns what went wrong, in one line.
type Commands interface {
	Run(verb Verb, args ...string) error
}

// Verb is what a command does to a host.
type Verb string

// The verbs that have a key.
const (
	Connect Verb = "connect"
	Up      Verb = "up"
	Forward Verb = "forward"
	Test    Verb = "test"
	Edit    Verb = "edit"
	Add     Verb = "add"
)

// Config is what the screens stand on.
type Config struct {
	Inventory Inventory
	Daemon    Daemon
	Commands  Commands
	// Pick ends the program when a host is chosen, instead of connecting and
	// coming back.
	Pick bool
	// In and Out are the terminal, Env its environment (TERM, NO_COLOR).
	In  io.Reader
	Out io.Writer
	Env []string
}

// ErrInterrupted is returned when ^C ended the program.
var ErrInterrupted = errors.New("interrupted")

// Run shows the screens until the user leaves. With Pick it returns the
// destination that was chosen, "" for none. Nothing of it runs on when it has
// returned.
func Run(ctx context.Context, c Config) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer cancel()
	m := newModel(ctx, c, &tasks)
	// The signals are ours: the library's own handler can wait for ever for a
	// program that ctx has ended.
	program := tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(c.In), tea.WithOutput(c.Out),
		tea.WithEnvironment(quietly(c.Env)), tea.WithColorProfile(colorprofile.Env(c.Env)), tea.WithFPS(30), tea.WithoutSignalHandler())
	last, err := program.Run()
	switch {
	case errors.Is(err, tea.ErrInterrupted):
		return "", ErrInterrupted
	case err != nil && ctx.Err() != nil:
		return "", context.Cause(ctx)
	case err != nil:
		return "", err
	}
	return last.(*model).picked, nil
}

// quietly is the environment of the screen: as if it were reached by ssh, so
// that the library asks the terminal no questions whose late answers a program
// that is started from here would read.
func quietly(env []string) []string {
	return append(env[:len(env):len(env)], "SSH_TTY=/dev/tty")
}

// leaving is a command that takes the terminal over.
type leaving struct{ run func() error }

func (l leaving) Run() error        { return l.run() }
func (leaving) SetStdin(io.Reader)  {}
func (leaving) SetStdout(io.Writer) {}
func (leaving) SetStderr(io.Writer) {}

var _ tea.ExecCommand = leaving{}
