package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/api"
	"sallyport/internal/daemon"
	"sallyport/internal/route"
)

// verbNames are the first words that are verbs and not hosts. "sally ssh NAME"
// reaches a host that is called like one.
var verbNames = []string{
	"add", "edit", "rm", "ls", "show", "import", "export",
	"up", "down", "status", "forward", "proxy", "check", "logs", "lock", "unlock", "quit", "demo", "setup",
	"tui", "bench",
	"cp", "run", "password",
	"test", "doctor", "version", "help", "completion", "daemon", "__complete", "__completeNoDesc",
}

func (a *App) isVerb(word string) bool { return slices.Contains(verbNames, word) }

// verbCommand is what the verbs share.
type verbCommand struct {
	*App
	config  string
	verbose int
	flags   []string // ssh's, that say which connection is meant
	code    int
}

// verbs runs a verb and returns its exit code.
func (a *App) verbs(args []string) int {
	return a.untilSignal(func(ctx context.Context) int { return a.verb(ctx, args) })
}

func (a *App) verb(ctx context.Context, args []string) int {
	v := &verbCommand{App: a}
	root := v.root()
	root.SetArgs(args)
	root.SetOut(a.out)
	root.SetErr(a.Stderr)
	err := root.ExecuteContext(ctx)
	if s, ok := signalled(ctx); ok {
		return s.code()
	}
	if err != nil {
		a.voice.complain(err)
		if v.code == 0 {
			v.code = exitUsage
		}
	}
	if lost, err := a.out.failed(); lost {
		if err != nil {
			a.voice.complain(err)
		}
		v.code = max(v.code, exitFailed)
	}
	return v.code
}

// printJSON prints a verb's answer for --json.
func (v *verbCommand) printJSON(value any) error {
	e := json.NewEncoder(v.out)
	e.SetIndent("", "  ")
	return v.failed(e.Encode(value))
}

func (v *verbCommand) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "sally [ssh's flags] [user@]HOST [command]",
		Short: "ssh through jump hosts: log in once per hop, then everything shares the open connections",
		Long: `sally walks the chain of jump hosts of your ssh configuration, checks every
hop's host key and authenticates to each by itself, then keeps one connection
per hop that every session, copy and target shares.

  sally web1                  a shell on web1, through whatever ProxyJump says
  sally web1 uptime           a command; its exit status is sally's
  sally -J bastion 10.0.0.5   ssh's flags are sally's
  sally status                what is connected, as a tree
  sally demo                  see it work, without touching anything of yours

"sally ssh …" is ssh(1) to the letter; a host that is called like a verb is
reached by it. Plain "ssh" finds the same hosts: your ~/.ssh/config is the
inventory.`,
		Version: v.Version, SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetVersionTemplate("sally {{.Version}}\n")
	root.PersistentFlags().StringVarP(&v.config, "config", "F", "", "read `file` instead of ~/.ssh/config and the system's file")
	root.PersistentFlags().CountVarP(&v.verbose, "verbose", "v", "say more about what is done; up to three times")
	root.SetFlagErrorFunc(misused)
	root.AddCommand(v.up(), v.down(), v.status(), v.forward(), v.proxy(), v.check(), v.logs(), v.lock(), v.unlock(), v.quit(), v.daemonVerb(), v.demo(), v.setup(), v.test(), v.doctor(), v.versionVerb())
	root.AddCommand(v.add(), v.edit(), v.rm(), v.ls(), v.show(), v.importVerb(), v.export())
	root.AddCommand(v.tui(), v.bench(), v.completionVerb())
	root.AddCommand(v.cp(), v.run(), v.password())
	root.SetHelpCommand(helpVerb())
	return root
}

// helpVerb is cobra's, which takes an unknown verb for a good question.
func helpVerb() *cobra.Command {
	return &cobra.Command{
		Use: "help [VERB]", Short: "show the help of a verb",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			var names []string
			if about, _, err := cmd.Root().Find(args); err == nil {
				for _, c := range about.Commands() {
					if c.IsAvailableCommand() {
						names = append(names, c.Name())
					}
				}
			}
			return beginning(names, word), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usageError{fmt.Sprintf("help knows no verb %q; \"sally help\" lists them", strings.Join(args, " "))}
			}
			about.InitDefaultHelpFlag()
			about.InitDefaultVersionFlag()
			return about.Help()
		},
	}
}

// failed makes err the verb's answer: exit code 1, not bad usage.
func (v *verbCommand) failed(err error) error {
	var usage usageError
	if err != nil && !errors.As(err, &usage) {
		v.code = exitFailed
	}
	return err
}

// verboseLevel is how much -v adds: once is DEBUG1.
func (v *verbCommand) verboseLevel() int {
	if v.verbose == 0 {
		return 0
	}
	return min(v.verbose, 3) + 1
}

// completeHosts offers the names of the configuration.
func (v *verbCommand) completeHosts(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
	return hostsLike(v.configuredHosts(v.config), word), cobra.ShellCompDirectiveNoFileComp
}

func (v *verbCommand) up() *cobra.Command {
	quiet, pin := false, false
	cmd := &cobra.Command{
		Use: "up HOST…", Short: "bring up the connections to hosts and keep them",
		Example:           "  sally up web1 web2      both, at once; shared jump hosts are asked once\n  sally up --pin web1     and make it again by itself when it is lost",
		ValidArgsFunction: v.completeHosts,
		RunE: func(cmd *cobra.Command, hosts []string) error {
			if quiet {
				return v.quietUp(cmd.Context())
			}
			if len(hosts) == 0 {
				return usageError{"up needs at least one host"}
			}
			routes, heard, err := v.resolve(cmd.Context(), hosts)
			if err != nil {
				return v.failed(err)
			}
			if err := v.tellGaps(heard, false); err != nil {
				return v.failed(err)
			}
			return v.failed(v.upAll(cmd.Context(), routes, pin))
		},
	}
	cmd.Flags().BoolVar(&pin, "pin", false, "keep them up until down: made again when lost, without asking anybody")
	cmd.Flags().BoolVar(&quiet, "quiet", false, "serve the Match exec that setup writes: bring up what the calling ssh wants")
	return v.shaping(cmd)
}

// upAll brings the routes up at once and reports each as it gets there.
func (v *verbCommand) upAll(ctx context.Context, routes []route.Route, pin bool) error {
	who := v.newPerson()
	var mu sync.Mutex
	var failures []error
	var tasks sync.WaitGroup
	for _, rt := range routes {
		tasks.Go(func() {
			start := time.Now()
			result, err := v.ask(ctx, api.OpUp, rt, who, pin)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				failures = append(failures, err)
			case result.Fresh:
				fmt.Fprintf(v.out, "%s: up in %s (%s)\n", rt.Target().Name, shortDuration(time.Since(start)), rt)
			default:
				fmt.Fprintf(v.out, "%s: already up (%s)\n", rt.Target().Name, rt)
			}
		})
	}
	tasks.Wait()
	for i, err := range failures {
		if i < len(failures)-1 {
			v.voice.complain(err)
		}
	}
	if len(failures) == 0 {
		return nil
	}
	return failures[len(failures)-1]
}

// ask makes a request about a route, starting the daemon if need be.
func (v *verbCommand) ask(ctx context.Context, op api.Op, rt route.Route, who api.Person, pin bool) (*api.Result, error) {
	r := v.request(op, rt)
	r.Debug, r.Pin = v.verbose, pin
	v.voice.setLevel(levelInfo + v.verboseLevel())
	conn, result, err := v.do(ctx, v.needDaemon, r, who)
	if err == nil {
		conn.Close()
	}
	return result, err
}

func (v *verbCommand) down() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "down HOST… | --all", Short: "close the connections to hosts, and all that run through them",
		Example:           "  sally down web1         its jump hosts stay up for others\n  sally down --all",
		ValidArgsFunction: v.completeHosts,
		RunE: func(cmd *cobra.Command, hosts []string) error {
			if all == (len(hosts) > 0) {
				return usageError{"down needs at least one host, or --all"}
			}
			return v.failed(v.downHosts(cmd.Context(), hosts, all))
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "close every connection")
	return v.shaping(cmd)
}

func (v *verbCommand) downHosts(ctx context.Context, hosts []string, all bool) error {
	if all {
		result, err := v.tell(ctx, &api.Request{Op: api.OpDown, All: true})
		if errors.Is(err, errNoDaemon) {
			return nil
		}
		if err == nil {
			fmt.Fprintf(v.out, "closed %d connections\n", len(result.Closed))
		}
		return err
	}
	routes, err := v.routes(ctx, hosts)
	if err != nil {
		return err
	}
	var failures []error
	for _, rt := range routes {
		if err := v.downOne(ctx, rt); err != nil {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// drainOne leaves the connection of a route to those who use it now.
func (a *App) drainOne(ctx context.Context, rt route.Route) error {
	if _, err := a.tell(ctx, &api.Request{Op: api.OpDown, Drain: true, Key: string(rt.Key())}); err != nil {
		return fmt.Errorf("%s: %w", rt.Target().Name, err)
	}
	fmt.Fprintf(a.out, "%s: closes with its last session\n", rt.Target().Name)
	return nil
}

// downOne closes the connection of a route.
func (a *App) downOne(ctx context.Context, rt route.Route) error {
	if _, err := a.tell(ctx, &api.Request{Op: api.OpDown, Key: string(rt.Key())}); err != nil {
		return fmt.Errorf("%s: %w", rt.Target().Name, err)
	}
	fmt.Fprintf(a.out, "%s: closed\n", rt.Target().Name)
	return nil
}

func (v *verbCommand) check() *cobra.Command {
	return v.shaping(&cobra.Command{
		Use: "check HOST…", Short: "make a round trip to hosts over their live connections",
		Long: "check makes a round trip to the end of each host's live connection, within 5\nseconds, and prints its time. It never dials: a host that is not connected is\nsaid to be so, with exit code 1.",
		Args: wantsArgs(1, many, "check needs at least one host"), ValidArgsFunction: v.completeHosts,
		RunE: func(cmd *cobra.Command, hosts []string) error {
			routes, err := v.routes(cmd.Context(), hosts)
			if err != nil {
				return v.failed(err)
			}
			var failures []error
			for _, rt := range routes {
				if err := v.checkOne(cmd.Context(), rt); err != nil {
					failures = append(failures, asDormant(rt, err))
				}
			}
			return v.failed(errors.Join(failures...))
		},
	})
}

// checkOne makes a round trip and prints its time.
func (a *App) checkOne(ctx context.Context, rt route.Route) error {
	result, err := a.tell(ctx, &api.Request{Op: api.OpCheck, Key: string(rt.Key())})
	if err != nil {
		return hostError(rt, err)
	}
	rtt := time.Duration(result.RTT * float64(time.Second))
	fmt.Fprintf(a.out, "%s: alive, round trip %s (%s)\n", rt.Target().Name, shortDuration(rtt), rt)
	return nil
}

// dormant is the error of a check of a host that is not connected.
type dormant struct {
	error
	host string
}

func (e dormant) Unwrap() error { return e.error }

// asDormant tells a host that is not connected from one that does not answer.
func asDormant(rt route.Route, err error) error {
	var e *api.Error
	if errors.Is(err, errNoDaemon) || (errors.As(err, &e) && e.Code == api.CodeNoMaster) {
		return dormant{err, rt.Target().Name}
	}
	return err
}

// hostError names the host of an error that does not.
func hostError(rt route.Route, err error) error {
	var e *api.Error
	if errors.As(err, &e) && e.Code == api.CodeHop {
		return err
	}
	return fmt.Errorf("%s: %w", rt.Target().Name, err)
}

func (v *verbCommand) daemonVerb() *cobra.Command {
	var dir string
	var readyFD int
	var idle time.Duration
	cmd := &cobra.Command{
		Use: "daemon", Short: "be the daemon; commands start it by themselves", Args: noArgs, Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				d, err := v.runtimeDir()
				if err != nil {
					return v.failed(err)
				}
				dir = string(d)
			}
			ready := os.Stderr
			if readyFD > 0 {
				ready = os.NewFile(uintptr(readyFD), "ready")
			}
			return v.failed(v.runDaemon(daemon.Dir(dir), idle, ready))
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "runtime `directory`")
	cmd.Flags().IntVar(&readyFD, "ready-fd", 0, "`descriptor` to write \"ready\" to")
	cmd.Flags().DurationVar(&idle, "idle-exit", daemon.DefaultIdleExit, "end after so long without connections")
	return cmd
}

// runDaemon becomes the daemon. Signals are its own business.
func (v *verbCommand) runDaemon(dir daemon.Dir, idle time.Duration, ready *os.File) error {
	instance, err := daemon.Listen(dir, v.Version, idle)
	if err != nil {
		switch {
		case ready == os.Stderr:
		case errors.Is(err, daemon.ErrRunning): // there is what our parent wants
			fmt.Fprintln(ready, "ready")
			ready.Close()
		default:
			fmt.Fprintln(ready, err)
			ready.Close()
		}
		return err
	}
	fmt.Fprintln(ready, "ready")
	if ready != os.Stderr {
		ready.Close()
	}
	daemon.EaseCollector()
	daemon.EaseScheduler()
	return instance.Run(context.Background())
}
