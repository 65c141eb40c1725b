package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/api"
	"sallyport/internal/sshconfig"
)

func (v *verbCommand) forward() *cobra.Command {
	cmd := &cobra.Command{
		Use: "forward add | ls | rm", Short: "pin forwards to the daemon, list all forwards, end pinned ones",
		Long: `forward keeps forwards that belong to no command: the daemon listens at once,
brings the connection up when somebody uses the forward, and again whenever it
was lost. They stay until "sally forward rm" or "sally quit".`,
		Example: "  sally forward add web1 -L 5432:db:5432\n  sally forward ls\n  sally forward rm 1",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Sprintf("forward has no %q: add, ls and rm are there", args[0])}
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			return usageError{"forward needs to be told what: add, ls or rm"}
		},
	}
	cmd.AddCommand(v.forwardAdd(), v.forwardList(), v.forwardRemove())
	return cmd
}

// forwardFlag is a pflag.Value that collects forwards in the order of the
// command line.
type forwardFlag struct {
	kind string
	all  *[]api.ForwardSpec
}

func (f *forwardFlag) String() string { return "" }
func (f *forwardFlag) Type() string   { return "string" }
func (f *forwardFlag) Set(text string) error {
	spec, err := parseForward(f.kind, text)
	if err == nil {
		*f.all = append(*f.all, spec)
	}
	return err
}

// longestSocket is what fits in the address of a Unix socket.
const longestSocket = 107

// parseForward reads a forward as ssh's flags take it, and says what is wrong.
func parseForward(kind, text string) (api.ForwardSpec, error) {
	dynamic, remote := kind == api.ForwardDynamic, kind == api.ForwardRemote
	env, err := sshconfig.DefaultEnv()
	if err != nil {
		return api.ForwardSpec{}, err
	}
	spec, ok := sshconfig.ParseForward(text, dynamic, remote, env)
	if !ok && remote { // without a target it is SOCKS at the far end
		spec, ok = sshconfig.ParseForward(text, true, true, env)
	}
	if ok {
		return forwardOf(kind, spec), nil
	}
	for part := range strings.SplitSeq(text, ":") {
		if strings.Contains(part, "/") && len(part) > longestSocket {
			return api.ForwardSpec{}, fmt.Errorf("the socket's path has %d bytes, and at most %d are possible", len(part), longestSocket)
		}
	}
	want := "[address:]port:host:hostport, or the path of a Unix socket in the place of either end"
	if dynamic {
		want = "[address:]port, or the path of a Unix socket"
	}
	return api.ForwardSpec{}, fmt.Errorf("a %s forward is written %s", kind, want)
}

func forwardOf(kind string, s sshconfig.ForwardSpec) api.ForwardSpec {
	return api.ForwardSpec{
		Kind: kind, ListenHost: s.ListenHost, ListenPort: s.ListenPort, ListenPath: s.ListenPath,
		ConnectHost: s.ConnectHost, ConnectPort: s.ConnectPort, ConnectPath: s.ConnectPath,
	}
}

func (v *verbCommand) forwardAdd() *cobra.Command {
	r := &api.Request{Op: api.OpForwardAdd}
	var asJSON bool
	cmd := &cobra.Command{
		Use: "add HOST [-L …] [-R …] [-D …]", Short: "pin forwards over a host to the daemon",
		Long: `add has the daemon listen at once, and says at once when it cannot. The chain to
HOST is brought up by the first connection, or by --now; a forward with -R needs
it from the beginning. A connection that is lost comes back by itself. Without
-L, -R and -D, the forwards are those of the configuration (LocalForward and so on).`,
		Example: "  sally forward add web1 -L 5432:db:5432 --name db\n  sally forward add bastion -D 1080 --now\n" +
			"  sally forward add web1 -L /tmp/pg:/run/postgresql/.s.PGSQL.5432\n  sally forward add web1 -R 8080:localhost:3000",
		Args: wantsArgs(1, 1, "forward add needs one host"), ValidArgsFunction: v.completeHosts,
		RunE: func(cmd *cobra.Command, hosts []string) error {
			added, err := v.addForwards(cmd.Context(), hosts[0], r)
			if err != nil {
				return v.failed(err)
			}
			if asJSON {
				err = v.printJSON(added.Forwards)
			} else {
				for _, f := range added.Forwards {
					fmt.Fprintf(v.out, "%s: %s\n", f.ID, describeForward(f))
				}
			}
			return v.failed(errors.Join(err, unsaved(added, "added, but could not be put into")))
		},
	}
	for _, f := range []struct{ letter, name, kind, usage string }{
		{"L", "local", api.ForwardLocal, "listen here, connect from HOST: `[address:]port:host:hostport`"},
		{"R", "remote", api.ForwardRemote, "listen on HOST, connect from here: `[address:]port:host:hostport`"},
		{"D", "dynamic", api.ForwardDynamic, "listen here for SOCKS, connect from HOST: `[address:]port`"},
	} {
		cmd.Flags().VarP(&forwardFlag{f.kind, &r.Forwards}, f.name, f.letter, f.usage)
	}
	cmd.Flags().BoolVar(&r.Now, "now", false, "bring the connection up now, and keep it up")
	cmd.Flags().StringVar(&r.Name, "name", "", "a `name` for \"forward rm\"")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return v.shaping(cmd)
}

// addForwards resolves the host and asks the daemon for its forwards.
func (v *verbCommand) addForwards(ctx context.Context, host string, r *api.Request) (*api.Result, error) {
	routes, heard, err := v.resolve(ctx, []string{host})
	if err != nil {
		return nil, err
	}
	if err := v.tellGaps(heard, false); err != nil {
		return nil, err
	}
	rt := routes[0]
	if len(r.Forwards) == 0 {
		r.Forwards = ownForwards(rt.Target().Options.Forward)
	}
	if len(r.Forwards) == 0 {
		return nil, usageError{fmt.Sprintf("forward add needs at least one of -L, -R and -D: the configuration has none for %s", host)}
	}
	full := v.request(r.Op, rt)
	full.Forwards, full.Name, full.Now = r.Forwards, r.Name, r.Now
	full.Debug = v.verbose
	v.voice.setLevel(levelInfo + v.verboseLevel())
	conn, result, err := v.do(ctx, v.needDaemon, full, v.newPerson())
	if err != nil {
		return nil, err
	}
	conn.Close()
	return result, nil
}

// unsavedError says that the next daemon will not find what was done.
type unsavedError struct{ text string }

func (e unsavedError) Error() string { return e.text }

// unsaved is the error of a change that is not in the daemon's file.
func unsaved(r *api.Result, what string) error {
	if r.Unsaved == "" {
		return nil
	}
	subject := "the forward is "
	if len(r.Forwards) > 1 {
		subject = "the forwards are "
	}
	return unsavedError{subject + what + " " + r.Unsaved}
}

// ownForwards are those of a host's configuration.
func ownForwards(f sshconfig.Forward) []api.ForwardSpec {
	var all []api.ForwardSpec
	if f.ClearAll {
		return nil
	}
	for _, some := range []struct {
		kind  string
		specs []sshconfig.ForwardSpec
	}{{api.ForwardLocal, f.Local}, {api.ForwardDynamic, f.Dynamic}, {api.ForwardRemote, f.Remote}} {
		for _, s := range some.specs {
			all = append(all, forwardOf(some.kind, s))
		}
	}
	return all
}

func (v *verbCommand) forwardList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "list all forwards, those of commands included", Args: noArgs,
		Example: "  sally forward ls\n  sally forward ls --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			result, err := v.tell(cmd.Context(), &api.Request{Op: api.OpForwards})
			list := []api.Forward{}
			switch {
			case err == nil:
				list = append(list, result.Forwards...)
			case !errors.Is(err, errNoDaemon):
				return v.failed(err)
			}
			if asJSON {
				return v.printJSON(list)
			}
			v.printForwards(list)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// printForwards prints a table, and below each forward what went wrong last.
func (v *verbCommand) printForwards(list []api.Forward) {
	if len(list) == 0 {
		fmt.Fprintln(v.out, "no forwards")
		return
	}
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tHOST\tKIND\tLISTENS\tTARGET\tOWNER\tCONNECTION\tNOW\tTOTAL\tIN\tOUT")
	for _, f := range list {
		id, target := f.ID, f.Target
		if id == "" {
			id = "-"
		}
		if target == "" {
			target = "(SOCKS)"
		}
		state := f.State
		if !f.Pinned {
			state = "up"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", id, f.Host, f.Kind, listensAt(f), target,
			ownerOf(f), state, f.Connections, f.Total, size(int64(f.BytesIn)), size(int64(f.BytesOut)))
	}
	w.Flush()
	for i, line := range strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n") {
		fmt.Fprintln(v.out, visible(line))
		if i == 0 || list[i-1].LastError == "" {
			continue
		}
		f := list[i-1]
		when := ""
		if f.LastErrorAt != nil {
			when = ", " + shortDuration(time.Since(*f.LastErrorAt)) + " ago"
		}
		fmt.Fprintf(v.out, "    last error%s: %s\n", when, below(f.LastError))
	}
}

// listensAt is what accepts connections, or would.
func listensAt(f api.Forward) string {
	if len(f.Addresses) == 0 {
		return f.Listen + " (not listening)"
	}
	return strings.Join(f.Addresses, ",")
}

// ownerOf names whom a forward belongs to.
func ownerOf(f api.Forward) string {
	switch {
	case f.Name != "":
		return "pinned as " + f.Name
	case f.Pinned:
		return "pinned"
	case f.PID != 0:
		return strings.TrimSpace(fmt.Sprintf("%s %d", f.Command, f.PID))
	}
	return "connection"
}

func (v *verbCommand) forwardRemove() *cobra.Command {
	return &cobra.Command{
		Use: "rm ID|NAME… | all", Aliases: []string{"remove"}, Short: "end pinned forwards and their connections",
		Example: "  sally forward rm 3\n  sally forward rm db\n  sally forward rm all",
		Args:    wantsArgs(1, many, "forward rm needs an id, a name, or all"), ValidArgsFunction: v.completePins,
		RunE: func(cmd *cobra.Command, ids []string) error {
			r := &api.Request{Op: api.OpForwardRemove, IDs: ids}
			if len(ids) == 1 && ids[0] == "all" {
				r.All, r.IDs = true, nil
			}
			result, err := v.tell(cmd.Context(), r)
			if errors.Is(err, errNoDaemon) && r.All {
				return nil
			}
			if err != nil {
				return v.failed(err)
			}
			for _, f := range result.Forwards {
				fmt.Fprintf(v.out, "%s: removed (%s over %s)%s\n", f.ID, describeForward(f), f.Host, ended(f.Connections))
			}
			return v.failed(unsaved(result, "ended, but could not be taken out of"))
		},
	}
}

// ended says how many connections went with a forward.
func ended(n int64) string {
	if n == 0 {
		return ""
	}
	return ", with " + plural(int(n), "connection")
}

// completePins offers the ids and names of pinned forwards.
func (v *verbCommand) completePins(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	words := []string{"all"}
	if result, err := v.tell(cmd.Context(), &api.Request{Op: api.OpForwards}); err == nil {
		for _, f := range result.Forwards {
			if f.Pinned {
				words = append(words, f.ID+"\t"+describeForward(f))
			}
			if f.Name != "" {
				words = append(words, f.Name)
			}
		}
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}
