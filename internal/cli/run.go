package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"sallyport/internal/api"
	"sallyport/internal/fanout"
	"sallyport/internal/inventory"
	"sallyport/internal/mux"
	"sallyport/internal/route"
	"sallyport/internal/sshconfig"
)

// runFlags are those of run.
type runFlags struct {
	fanout.Config
	tags         []string
	files        []string
	prefix, json bool
	unordered    bool
	quiet, dry   bool
	stdin, tty   bool
	close        bool
}

func (v *verbCommand) run() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use: "run HOST… -- COMMAND…", Short: "run a command on many hosts",
		Long: `run runs a command on many hosts, so many at once, over the shared connections:
jump hosts are logged in to once. A host is a destination, or a pattern for the
hosts of the configuration; "!pattern" takes hosts away. Each host's output is
printed together, in the order of the hosts.

The exit code is 0 if the command's was 0 everywhere, else 1; 2 if the command
line makes no sense, or a pattern or tag is no host's.`,
		Example: `  sally run web1 web2 -- uptime
  sally run 'web*' '!web7' -P 10 -- sudo systemctl restart nginx
  sally run --tag prod --prefix -- journalctl -fu app
  sally run --hosts list.txt --timeout 30s --json -- df / | jq -c .
  sally run --tag db --dry-run -- reboot`,
		ValidArgsFunction: v.completeHosts,
		RunE: func(cmd *cobra.Command, words []string) error {
			dash := cmd.ArgsLenAtDash()
			if dash < 0 || dash == len(words) {
				return usageError{"run needs a command behind \"--\": sally run web1 web2 -- uptime"}
			}
			if err := v.checkRun(f); err != nil {
				return err
			}
			return v.failed(v.runEverywhere(cmd.Context(), words[:dash], strings.Join(words[dash:], " "), f))
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.tags, "tag", nil, "the hosts with this `tag`; given again, those with all of them")
	flags.StringArrayVar(&f.files, "hosts", nil, "the hosts that a `file` lists; - is standard input")
	flags.IntVarP(&f.Parallel, "parallel", "P", fanout.DefaultParallel, "this `number` of hosts at once")
	flags.DurationVar(&f.Timeout, "timeout", 0, "give each host this `duration`, logging in included; 0 for no bound")
	flags.DurationVar(&f.Total, "total-timeout", 0, "give all of it this `duration`; 0 for no bound")
	flags.BoolVar(&f.FailFast, "fail-fast", false, "begin with no more hosts once one has failed")
	flags.BoolVar(&f.prefix, "prefix", false, "print lines as they come, with the host before each")
	flags.BoolVar(&f.unordered, "unordered", false, "print hosts as they end")
	flags.BoolVar(&f.json, "json", false, "print lines and outcomes as JSON lines, as they come")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "neither progress nor summary")
	flags.BoolVar(&f.dry, "dry-run", false, "say which hosts and which way, and do nothing")
	flags.BoolVar(&f.stdin, "stdin", false, "give each host all of standard input")
	flags.BoolVarP(&f.tty, "tty", "t", false, "give the command a terminal, with which it ends when this does")
	flags.BoolVar(&f.close, "close", false, "close the connections to hosts that were not up before")
	_ = cmd.RegisterFlagCompletionFunc("tag", v.completeTags)
	cmd.MarkFlagsMutuallyExclusive("json", "prefix", "unordered")
	return v.shaping(cmd)
}

// checkRun refuses flags that make no sense, which would else be every host's
// error, or be taken for none.
func (v *verbCommand) checkRun(f runFlags) error {
	switch {
	case f.Parallel < 1:
		return usageError{fmt.Sprintf("run --parallel %d: at least one host at once", f.Parallel)}
	case f.Timeout < 0:
		return usageError{fmt.Sprintf("run --timeout %v: it cannot be negative", f.Timeout)}
	case f.Total < 0:
		return usageError{fmt.Sprintf("run --total-timeout %v: it cannot be negative", f.Total)}
	}
	_, err := v.destination("localhost") // for ssh's flags
	return err
}

// runEverywhere is the verb run.
func (v *verbCommand) runEverywhere(ctx context.Context, words []string, command string, f runFlags) error {
	v.voice.setLevel(levelInfo + v.verboseLevel())
	inv, err := v.loadInventory()
	if err != nil {
		return err
	}
	hosts, err := v.runHosts(ctx, inv, words, f)
	if err != nil {
		return err
	}
	files, err := v.loadConfig(v.config)
	if err != nil {
		return err
	}
	if err := v.misread(ctx, inv.Files(), hosts, command); err != nil {
		return err
	}
	r := &runner{verbCommand: v, flags: f, command: command, hosts: hosts, files: files}
	if f.dry {
		return r.dryRun(ctx)
	}
	if f.stdin {
		if err := r.keepStdin(ctx); err != nil {
			return err
		}
		defer os.Remove(r.stdin)
		defer r.ending.atOnce(func(os.Signal) { os.Remove(r.stdin) })()
	}
	if f.close {
		r.before = r.liveKeys(ctx)
	}
	r.show = r.newShow()
	f.Began, f.Ended = r.show.began, r.show.ended
	start := time.Now()
	outcomes := fanout.Run(ctx, f.Config, len(hosts), r.one)
	return r.show.end(outcomes, time.Since(start))
}

// runHosts is which hosts are meant.
func (v *verbCommand) runHosts(ctx context.Context, inv *inventory.Inventory, words []string, f runFlags) ([]string, error) {
	for _, name := range f.files {
		listed, err := v.readHosts(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("--hosts %s: %w", name, err)
		}
		words = append(words[:len(words):len(words)], listed...)
	}
	var names []string
	for _, h := range inv.Names() {
		names = append(names, h.Name)
	}
	if len(f.tags) > 0 {
		before := len(words)
		for _, h := range inv.Hosts(ctx) {
			var bad *sshconfig.BadLines
			if errors.As(h.Err, &bad) { // nobody knows its tags
				return nil, bad
			}
			if hasTags(h, f.tags) {
				words = append(words, h.Name)
			}
		}
		if len(words) == before {
			return nil, usageError{"no host has the tag " + strings.Join(f.tags, " and ")}
		}
	}
	hosts, err := fanout.Select(words, names)
	switch {
	case err != nil:
		return nil, usageError{err.Error()}
	case len(hosts) == 0:
		return nil, usageError{"run needs hosts: names, patterns, --tag or --hosts"}
	}
	return hosts, nil
}

// misread is what is wrong with a line of the configuration when it is the
// same for every host, and so to be told once; else nil. files run no commands
// and look nothing up.
func (v *verbCommand) misread(ctx context.Context, files *sshconfig.Files, hosts []string, command string) error {
	var same error
	for _, h := range hosts {
		inv, err := v.destination(h)
		if err != nil {
			return nil
		}
		_, err = files.Resolve(ctx, sshconfig.Query{Host: inv.Host, Overrides: presentIdentities(inv.Overrides), Command: command})
		var line *sshconfig.Error
		if !errors.As(err, &line) || line.File == "" || same != nil && err.Error() != same.Error() {
			return nil
		}
		same = err
	}
	return same
}

func (v *verbCommand) readHosts(ctx context.Context, name string) (hosts []string, err error) {
	if name == "-" {
		err = v.input(ctx, func(r io.Reader) error {
			hosts, err = fanout.ReadHosts(r)
			return err
		})
		return hosts, err
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return fanout.ReadHosts(file)
}

// runner is one run of the verb.
type runner struct {
	*verbCommand
	flags   runFlags
	command string
	hosts   []string
	files   *sshconfig.Files
	stdin   string          // a file that holds standard input, "" for none
	before  map[string]bool // keys of connections that were up
	show    *runShow

	resolving sync.Mutex
}

// route resolves one of the hosts.
func (r *runner) route(ctx context.Context, host string) (route.Route, error) {
	r.resolving.Lock()
	defer r.resolving.Unlock()
	inv, err := r.destination(host)
	if err != nil {
		return route.Route{}, err
	}
	heard := &wishes{files: r.files}
	rt, err := route.Resolve(ctx, heard, sshconfig.Query{Host: inv.Host, Overrides: presentIdentities(inv.Overrides), Command: r.command})
	if err != nil {
		return rt, err
	}
	for _, g := range gaps {
		if g.unsafe && len(heard.askedBy(g)) > 0 {
			return rt, fmt.Errorf("%s: %s", g.keyword, g.instead)
		}
	}
	return rt, nil
}

// dryRun prints each host and its route.
func (r *runner) dryRun(ctx context.Context) error {
	bad := 0
	for _, h := range r.hosts {
		rt, err := r.route(ctx, h)
		if err != nil {
			bad++
		}
		r.printPlanned(h, rt, err)
	}
	if !r.flags.json {
		fmt.Fprintf(r.out, "would run on %s: %s\n", plural(len(r.hosts)-bad, "host"), r.command)
	}
	if bad > 0 {
		return fmt.Errorf("%s cannot be reached as configured", plural(bad, "host"))
	}
	return nil
}

// printPlanned prints the way to a host, or why there is none.
func (r *runner) printPlanned(host string, rt route.Route, problem error) {
	switch {
	case r.flags.json:
		m := map[string]any{"event": "host", "host": host, "ok": problem == nil}
		if problem == nil {
			m["route"] = hopNames(rt)
		} else {
			m["error"] = strings.ToValidUTF8(problem.Error(), string(utf8.RuneError))
		}
		printLine(r.out, m)
	case problem != nil:
		fmt.Fprintf(r.out, "%s: %v\n", host, problem)
	default:
		fmt.Fprintf(r.out, "%s (%s)\n", host, rt)
	}
}

// hopNames are a route's, in order.
func hopNames(rt route.Route) []string {
	names := make([]string, len(rt.Hops))
	for i, h := range rt.Hops {
		names[i] = h.Name
	}
	return names
}

// keepStdin puts standard input where each host can read all of it.
func (r *runner) keepStdin(ctx context.Context) error {
	file, err := os.CreateTemp("", "sally-stdin-")
	if err != nil {
		return fmt.Errorf("keep standard input: %w", err)
	}
	r.stdin = file.Name()
	err = r.input(ctx, func(in io.Reader) error {
		_, err := io.Copy(file, in)
		return err
	})
	if err = errors.Join(err, file.Close()); err != nil {
		os.Remove(r.stdin)
		return fmt.Errorf("keep standard input: %w", err)
	}
	return nil
}

// liveKeys are the keys of the connections that are up.
func (r *runner) liveKeys(ctx context.Context) map[string]bool {
	keys := map[string]bool{}
	if result, err := r.tell(ctx, &api.Request{Op: api.OpStatus}); err == nil && result.Status != nil {
		for _, m := range result.Status.Masters {
			keys[m.Key] = true
		}
	}
	return keys
}

// one runs the command on a host.
func (r *runner) one(ctx context.Context, i int) (int, error) {
	rt, err := r.route(ctx, r.hosts[i])
	if err != nil {
		return 0, err
	}
	f := &far{verbCommand: r.verbCommand, route: rt, options: rt.Target().Options, who: r.show.person}
	stdout, stderr, done := r.show.output(i)
	defer done()
	code, err := f.command(ctx, r, stdout, stderr)
	if r.flags.close && !r.before[string(rt.Key())] {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_, _ = r.tell(ctx, &api.Request{Op: api.OpDown, Drain: true, Key: string(rt.Key())})
	}
	return code, err
}

// hangupSignal is what a remote command gets whose run is interrupted.
const hangupSignal = "TERM"

// errNoStatus says that a command ended without an exit code.
var errNoStatus = errors.New("it ended without an exit code: by a signal, or with its connection")

// command runs the command to its end. What it says is written to the two
// writers, in pieces of any size.
func (f *far) command(ctx context.Context, r *runner, stdout, stderr io.Writer) (int, error) {
	client, err := f.attach(ctx, "command", hangupSignal)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	input := os.DevNull
	if r.stdin != "" {
		input = r.stdin
	}
	p, err := newPumps(input, stdout, stderr)
	if err != nil {
		return 0, err
	}
	defer p.wait()
	request := &mux.SessionRequest{Command: r.command, TTY: r.flags.tty, Term: r.Getenv("TERM"), EscapeChar: mux.NoEscapeChar,
		Env: sessionEnv(r.Environ, f.options.Session)}
	session, err := client.Session(ctx, request, p.theirs)
	p.give()
	if err != nil {
		return 0, err
	}
	exit, err := session.Wait(ctx, func() {})
	if err != nil {
		p.cut()
		return 0, err
	}
	if !exit.Known {
		return 0, errNoStatus
	}
	return int(exit.Status), nil
}

// pumps carry a session's output to writers.
type pumps struct {
	theirs [3]*os.File
	ours   []*os.File
	all    sync.WaitGroup
}

func newPumps(input string, stdout, stderr io.Writer) (*pumps, error) {
	p := &pumps{}
	var err error
	if p.theirs[0], err = os.Open(input); err != nil {
		return nil, err
	}
	for i, to := range []io.Writer{stdout, stderr} {
		r, w, err := os.Pipe()
		if err != nil {
			p.give()
			p.cut()
			return nil, err
		}
		p.theirs[i+1] = w
		p.ours = append(p.ours, r)
		p.all.Go(func() {
			_, _ = io.CopyBuffer(onlyWriter{to}, r, make([]byte, 8<<10))
			r.Close() // the command sees that nobody reads any more
		})
	}
	return p, nil
}

// onlyWriter hides what else a writer can do, so that the buffer is used.
type onlyWriter struct{ io.Writer }

// give closes the ends that the session has now.
func (p *pumps) give() {
	for _, f := range p.theirs {
		if f != nil {
			f.Close()
		}
	}
}

// cut ends the carrying of a session that goes on without us.
func (p *pumps) cut() {
	for _, f := range p.ours {
		f.Close()
	}
}

func (p *pumps) wait() { p.all.Wait() }
