package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/api"
	"sallyport/internal/inventory"
	"sallyport/internal/recent"
	"sallyport/internal/route"
	"sallyport/internal/sshargs"
	"sallyport/internal/sshconfig"
	"sallyport/internal/tui"
)

// wantsPicker reports whether a command line has no word at all, at most a
// file of configuration, and a person is there to choose.
func (a *App) wantsPicker(args []string) bool {
	switch {
	case len(args) == 0:
	case len(args) == 1 && strings.HasPrefix(args[0], "-F") && len(args[0]) > 2:
	case len(args) == 2 && args[0] == "-F":
	default:
		return false
	}
	return isTerminal(a.Stdin) && isTerminal(a.Stdout) && a.Getenv("TERM") != "dumb" && a.Getenv("TERM") != ""
}

func (v *verbCommand) tui() *cobra.Command {
	var pick bool
	cmd := &cobra.Command{
		Use: "tui", Short: "pick hosts and watch connections on a full screen", Args: noArgs,
		Long: `tui shows the hosts of your configuration, the way to the selected one, the live
connections and the daemon's log. Type to find a host, Enter connects; F1 lists
the keys. "sally" alone does the same, and ends with the session of the host
that was picked.`,
		Example: "  sally                pick a host and go there\n  sally tui            come back after each session",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return v.failed(v.showTUI(pick))
		},
	}
	cmd.Flags().BoolVar(&pick, "pick", false, "end with the session of the host that is picked")
	return cmd
}

// showTUI runs the screens, and with pick the session that was chosen.
func (v *verbCommand) showTUI(pick bool) error {
	if !isTerminal(v.Stdin) || !isTerminal(v.Stdout) {
		return errors.New("tui needs a terminal; \"sally status\" shows the connections without")
	}
	if t := v.Getenv("TERM"); t == "" || t == "dumb" {
		return fmt.Errorf("tui needs a terminal that can move its cursor, and TERM is %q; \"sally status\" shows the connections without", t)
	}
	var picked string
	var err error
	if forced := v.untilHangup(func(ctx context.Context) int {
		picked, err = tui.Run(ctx, tui.Config{
			Inventory: &screenHosts{verbCommand: v}, Daemon: screenDaemon{v}, Commands: screenCommands{v},
			Pick: pick, In: v.Stdin, Out: v.Stdout, Env: v.Environ,
		})
		return exitOK
	}); forced != exitOK {
		v.code = forced
		return nil
	}
	var ended interrupted
	switch {
	case errors.As(err, &ended):
		v.code = ended.code()
		return nil
	case errors.Is(err, tui.ErrInterrupted):
		v.code = interrupted{syscall.SIGINT}.code()
		return nil
	case err != nil || picked == "":
		return err
	}
	v.code = (&App{
		Args: append([]string{"sally"}, v.commandLine(tui.Connect, picked)...), Stdin: v.Stdin, Stdout: v.Stdout, Stderr: v.Stderr,
		Getenv: v.Getenv, Environ: v.Environ, Version: v.Version, Dir: v.Dir,
	}).Run()
	return nil
}

// untilHangup is untilSignal with the signals that end the screen. ^C is not one
// of them: on the screen it is a key, and a program that runs from there has it
// for itself.
func (v *verbCommand) untilHangup(run func(context.Context) int) int {
	v.ending.elsewhere.Add(1) // and it stays so: the session that is picked has an ending of its own
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	screen := &ending{}
	defer screen.keep(v.Stdin)()
	return screen.until(signals, run)
}

// screenHosts is the configuration as the screens see it.
type screenHosts struct{ *verbCommand }

// Hosts is tui.Inventory's.
func (s *screenHosts) Hosts(context.Context) ([]tui.Host, error) {
	files, err := s.loadConfig(s.config)
	if err != nil {
		return nil, err
	}
	used := map[string]time.Time{}
	if file, err := s.recentFile(); err == nil {
		entries, _ := file.Load() // without it the order is the files'
		for _, e := range entries {
			used[e.Host] = e.Used
		}
	}
	var hosts []tui.Host
	for _, h := range files.Hosts() {
		hosts = append(hosts, tui.Host{Name: h.Name, Used: used[h.Name]})
	}
	return hosts, nil
}

// Details is tui.Inventory's: the hosts resolved, with what their keywords say.
func (s *screenHosts) Details(ctx context.Context) ([]tui.Host, error) {
	hosts, err := s.Hosts(ctx)
	if err != nil {
		return nil, err
	}
	env, err := s.configEnv()
	if err != nil {
		return nil, err
	}
	known, err := inventory.Load(s.config, env)
	if err != nil {
		return nil, err
	}
	byName := map[string]inventory.Host{}
	for _, h := range known.Hosts(ctx) {
		byName[h.Name] = h
	}
	for i := range hosts {
		h := byName[hosts[i].Name]
		hosts[i].Tags, hosts[i].Detail = h.Tags, h.HostName
	}
	return hosts, nil
}

// Route is tui.Inventory's. It runs no command of a "Match exec": to look at
// a host must not do anything.
func (s *screenHosts) Route(ctx context.Context, destination string) (tui.Route, error) {
	asked := false
	env, err := s.configEnv()
	if err != nil {
		return tui.Route{}, err
	}
	env.LookupHost = func(context.Context, string, string) (string, error) {
		asked = true
		return "", errors.New("names are not looked up for a picture")
	}
	env.Exec = func(_ context.Context, command string) (bool, error) {
		ours := isQuietCommand(command)
		asked = asked || !ours
		return ours, nil
	}
	files, err := sshconfig.Load(s.config, env)
	if err != nil {
		return tui.Route{}, err
	}
	inv, err := sshargs.Parse([]string{"--", destination})
	if err != nil {
		return tui.Route{}, fmt.Errorf("%q is no destination", destination)
	}
	rt, err := route.Resolve(ctx, files, sshconfig.Query{Host: inv.Host, Overrides: inv.Overrides})
	if err != nil {
		return tui.Route{}, err
	}
	shown := tui.Route{}
	for i, h := range rt.Hops {
		part := route.Route{Hops: rt.Hops[:i+1]}
		shown.Hops = append(shown.Hops, tui.Hop{Name: h.Name, User: h.Options.User, Addr: h.Addr(), Key: string(part.Key())})
	}
	if asked {
		shown.Note = "A \"Match exec\" or CanonicalizeHostname has a say in this: the way is certain only when you connect."
	}
	return shown, nil
}

// screenDaemon is the daemon as the screens see it; it is never started from
// here.
type screenDaemon struct{ *verbCommand }

// Status is tui.Daemon's.
func (s screenDaemon) Status(ctx context.Context) (*api.Status, error) {
	result, err := s.tell(ctx, &api.Request{Op: api.OpStatus})
	if errors.Is(err, errNoDaemon) || errors.Is(err, api.ErrDaemonGone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return result.Status, nil
}

// Measure is tui.Daemon's.
func (s screenDaemon) Measure(ctx context.Context, key string) (time.Duration, error) {
	result, err := s.tell(ctx, &api.Request{Op: api.OpCheck, Key: key, Watch: true})
	if err != nil {
		return 0, err
	}
	return time.Duration(result.RTT * float64(time.Second)), nil
}

// Down is tui.Daemon's.
func (s screenDaemon) Down(ctx context.Context, key string) error {
	_, err := s.tell(ctx, &api.Request{Op: api.OpDown, Key: key})
	return err
}

// Logs is tui.Daemon's.
func (s screenDaemon) Logs(ctx context.Context, emit func(api.Record)) error {
	conn, err := s.dialDaemon(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return api.Logs(ctx, conn, &api.Request{Op: api.OpLogs, Follow: true, Debug: 3}, emit)
}

// screenCommands runs our verbs from the screens: each as a program of its
// own on the terminal, as a shell would.
type screenCommands struct{ *verbCommand }

// commandLine is what a verb of the screens is as arguments.
func (v *verbCommand) commandLine(verb tui.Verb, args ...string) []string {
	var line []string
	if v.config != "" {
		line = []string{"-F", v.config}
	}
	switch verb {
	case tui.Connect:
		return append(append(line, "--"), args...)
	case tui.Forward:
		if len(args) > 1 && !strings.HasPrefix(args[1], "-") {
			args = slices.Insert(slices.Clone(args), 1, "-L")
		}
		return append(append(line, "forward", "add", "--now"), args...)
	}
	return append(append(line, string(verb)), args...)
}

// Run is tui.Commands's.
func (s screenCommands) Run(verb tui.Verb, args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("run %s: %w", verb, err)
	}
	cmd := exec.Command(self, s.commandLine(verb, args...)...)
	cmd.Args[0] = "sally"
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = s.Stdin, s.Stdout, s.Stderr, s.Environ
	ignored := make(chan os.Signal, 1)
	signal.Notify(ignored, syscall.SIGINT, syscall.SIGQUIT) // they are the command's
	defer signal.Stop(ignored)
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit):
		return fmt.Errorf("run %s: %w", verb, err)
	case err == nil && verb != tui.Test:
		return nil
	case verb == tui.Connect && exit.ExitCode() != exitSSH:
		return nil // the remote command's own status
	}
	s.awaitEnter()
	if err != nil {
		return fmt.Errorf("%s: it ended with exit code %d", strings.Join(append([]string{string(verb)}, args...), " "), exit.ExitCode())
	}
	return nil
}

// awaitEnter leaves what a command has printed on the terminal until it was
// read.
func (s screenCommands) awaitEnter() {
	fmt.Fprint(s.out, "\n-- Enter goes back to the screen --")
	buf := make([]byte, 64)
	for {
		n, err := s.Stdin.Read(buf)
		if err != nil || strings.ContainsAny(string(buf[:n]), "\r\n") {
			return
		}
	}
}

// recentFile is where the hosts are kept that were used last.
func (a *App) recentFile() (recent.File, error) {
	state := a.Getenv("XDG_STATE_HOME")
	if filepath.IsAbs(state) {
		return recent.Path(state, ""), nil
	}
	u, err := user.Current()
	if err != nil {
		return "", fmt.Errorf("find home directory: %w", err)
	}
	return recent.Path("", u.HomeDir), nil
}

// remember puts the target of a session among the recent hosts, when a person
// went there: whoever has no terminal needs no list.
func (c *sshCommand) remember() {
	if c.face != faceSally || c.private || !isTerminal(c.Stdin) || !c.options.Control.Remember {
		return
	}
	file, err := c.recentFile()
	if err == nil {
		err = file.Add(c.route.Target().Name, time.Now())
	}
	if err != nil {
		c.voice.say(levelVerbose, err.Error())
	}
}
