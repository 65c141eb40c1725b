package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Config is what a run needs; Sally is required.
type Config struct {
	// Sally is the program measured, Peer the ssh-compatible one beside it:
	// "" is ssh in the PATH.
	Sally, Peer string
	// Only names the measures wanted; empty is all of them.
	Only []string
	// Quick takes fewer and smaller samples.
	Quick bool
	// Progress is told what is being measured; nil is nobody.
	Progress io.Writer
}

// measure is one thing that is measured; it may give several figures.
type measure struct {
	name, title string
	run         func(context.Context, *bench) error
}

// measures in the order in which they run: what is idle at the end was up
// before it.
var measures = []measure{
	{"startup", "start-up of the program itself", measureStartup},
	{"warm", "a command on a warm chain", measureWarm},
	{"attach", "stock client on our connection", measureAttach},
	{"forward", "pages through a forward", measureForward},
	{"cold", "opening a chain", measureCold},
	{"warm-far", "a command on a warm chain of slow links", measureWarmFar},
	{"cold-far", "opening a chain of slow links", measureColdFar},
	{"bulk", "data through two jumps", measureBulk},
	{"bulk-far", "data over a slow link", measureBulkFar},
	{"typing", "keystrokes beside a download and an upload", measureTyping},
	{"targets", "a hundred targets, and what they cost when idle", measureTargets},
}

// Names lists the measures, with what each is about.
func Names() []string {
	var names []string
	for _, m := range measures {
		names = append(names, fmt.Sprintf("%-9s %s", m.name, m.title))
	}
	return names
}

// bench is one run under way.
type bench struct {
	Config
	dir    string
	chain  *chain
	ours   *side
	peer   *side
	report *Report
}

// runTimeout bounds one command that is measured.
const runTimeout = 2 * time.Minute

// Run measures and reports. Everything that it starts ends with it. A measure
// that fails leaves the others alone: then there are a report and an error.
func Run(ctx context.Context, config Config) (*Report, error) {
	wanted, err := choose(config.Only)
	if err != nil {
		return nil, err
	}
	b := &bench{Config: config}
	if b.Progress == nil {
		b.Progress = io.Discard
	}
	defer b.close()
	if err := b.start(ctx); err != nil {
		return nil, err
	}
	var failed error
	for _, m := range wanted {
		begun := time.Now()
		fmt.Fprintf(b.Progress, "%s …", m.title)
		if err := m.run(ctx, b); err != nil {
			failed = errors.Join(failed, fmt.Errorf("measure %s: %w", m.name, err))
			fmt.Fprintf(b.Progress, " failed\n")
			if ctx.Err() != nil {
				break
			}
			continue
		}
		fmt.Fprintf(b.Progress, " %.1f s\n", time.Since(begun).Seconds())
	}
	b.report.finish()
	return b.report, failed
}

// ErrMeasure is the error of a run that wants an unknown measure.
var ErrMeasure = errors.New("no measure")

// choose finds the measures with these names; none means all.
func choose(names []string) ([]measure, error) {
	if len(names) == 0 {
		return measures, nil
	}
	for _, name := range names {
		if !slices.ContainsFunc(measures, func(m measure) bool { return m.name == name }) {
			return nil, fmt.Errorf("%w %q; there are:\n  %s", ErrMeasure, name, strings.Join(Names(), "\n  "))
		}
	}
	return slices.DeleteFunc(slices.Clone(measures), func(m measure) bool { return !slices.Contains(names, m.name) }), nil
}

// start makes the servers, the clients' files, and the report's head.
func (b *bench) start(ctx context.Context) error {
	if err := adoptOrphans(); err != nil {
		return err
	}
	var err error
	if b.Peer == "" {
		b.Peer = "ssh"
	}
	if b.Peer, err = exec.LookPath(b.Peer); err != nil {
		return fmt.Errorf("find the peer: %w", err)
	}
	if b.Peer, err = filepath.Abs(b.Peer); err != nil {
		return fmt.Errorf("find the peer: %w", err)
	}
	if b.dir, err = os.MkdirTemp("", "sally-bench-"); err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	if b.chain, err = newChain(ctx, b.dir); err != nil {
		return err
	}
	if b.peer, err = b.newSide("peer", b.Peer, "ControlMaster auto", "ControlPersist 900"); err != nil {
		return err
	}
	if b.ours, err = b.newSide("sally", b.Sally); err != nil {
		return err
	}
	b.report, err = b.newReport(ctx)
	return err
}

// close ends every process and removes every file.
func (b *bench) close() {
	endDescendants()
	if b.chain != nil {
		b.chain.close()
	}
	if b.dir != "" {
		_ = os.RemoveAll(b.dir)
	}
}

// rounds is the number of samples, a few of them for a quick run.
func (b *bench) rounds(n int) int {
	if b.Quick {
		return max(2, n/5)
	}
	return n
}

// inTurns calls f for both sides n times, each of them first in every second
// round: what disturbs the machine disturbs both.
func (b *bench) inTurns(n int, f func(*side) error) error {
	for i := range n {
		sides := []*side{b.peer, b.ours}
		if i%2 == 1 {
			slices.Reverse(sides)
		}
		for _, s := range sides {
			if err := f(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// side is one of the two clients that are compared.
type side struct {
	name   string // what its files are called
	path   string
	config string // of ssh
	env    []string
	chain  *chain
	said   *os.File // its standard error
	ours   bool
}

func (b *bench) newSide(name, path string, lines ...string) (*side, error) {
	s := &side{name: name, path: path, ours: name == "sally", chain: b.chain, config: filepath.Join(b.dir, name+".conf")}
	run := filepath.Join(b.dir, name)
	if err := os.Mkdir(run, 0o700); err != nil {
		return nil, err
	}
	lines = append(lines, "ControlPath "+filepath.Join(run, "%n"))
	if err := os.WriteFile(s.config, []byte(b.chain.clientConfig(lines)), 0o600); err != nil {
		return nil, err
	}
	s.env = append(os.Environ(), "XDG_RUNTIME_DIR="+run, "SSH_AUTH_SOCK=", "SSH_ASKPASS=")
	var err error
	s.said, err = os.OpenFile(filepath.Join(b.dir, name+".log"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	return s, err
}

// command is the client, called as ssh is.
func (s *side) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.path, append([]string{"-F", s.config}, args...)...)
	cmd.Env, cmd.Dir, cmd.Stderr = s.env, "/", s.said
	return cmd
}

// run runs the client to its end and returns how long that took.
func (s *side) run(ctx context.Context, args ...string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	return s.timed(s.command(ctx, args...))
}

// timed runs a command from its start to its end.
func (s *side) timed(cmd *exec.Cmd) (time.Duration, error) {
	begun := time.Now()
	err := cmd.Run()
	took := time.Since(begun)
	if err != nil {
		return 0, s.failure(cmd, err)
	}
	return took, nil
}

// failure words the end of a command with what it said last.
func (s *side) failure(cmd *exec.Cmd, err error) error {
	said, _ := os.ReadFile(s.said.Name())
	if len(said) > 500 {
		said = said[len(said)-500:]
	}
	return fmt.Errorf("%s: %w; it said %q", strings.Join(cmd.Args, " "), err, said)
}

// disconnect ends every connection of the client, and what keeps them, but for
// our daemon, which has none left then.
func (s *side) disconnect(ctx context.Context) error {
	if s.ours {
		cmd := exec.CommandContext(ctx, s.path, "down", "--all")
		cmd.Env, cmd.Stderr = s.env, s.said
		var exit *exec.ExitError
		if err := cmd.Run(); err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) {
			return s.failure(cmd, err)
		}
		return nil
	}
	endProcesses(s.processes())
	sockets, err := filepath.Glob(s.socket("*"))
	for _, path := range sockets {
		err = errors.Join(err, os.RemoveAll(path))
	}
	return err
}

// socket is where a socket of the client is, by its name.
func (s *side) socket(name string) string {
	return filepath.Join(strings.TrimSuffix(s.config, ".conf"), name)
}

// processes lists the client's, masters and daemon included.
func (s *side) processes() []int {
	return slices.DeleteFunc(descendants(s.chain.pids()), func(pid int) bool { return isProgram(pid, ourProgram()) != s.ours })
}
