package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sallyport/internal/route"
	"sallyport/internal/sshargs"
	"sallyport/internal/sshconfig"
)

// shapingFlags are those of ssh's flags that say which connection is meant:
// verbs about hosts take them too.
var shapingFlags = []struct{ letter, name, value, usage string }{
	{"l", "login", "user", "log in as `user`"},
	{"p", "port", "port", "connect to this `port`"},
	{"o", "option", "option", "an `option` as in the configuration file: \"Keyword=value\""},
	{"J", "jump", "hosts", "go through these `hosts`"},
	{"i", "identity", "file", "log in with the key in `file`"},
}

// shaping lets a verb take the flags that shape connections.
func (v *verbCommand) shaping(cmd *cobra.Command) *cobra.Command {
	for _, f := range shapingFlags {
		cmd.Flags().VarP(&sshFlag{"-" + f.letter, &v.flags}, f.name, f.letter, f.usage)
	}
	_ = cmd.RegisterFlagCompletionFunc("jump", v.completeJump)
	return cmd
}

// sshFlag is a pflag.Value that keeps what was given as ssh has it.
type sshFlag struct {
	flag string
	all  *[]string
}

func (f *sshFlag) String() string { return "" }
func (f *sshFlag) Type() string   { return "string" }
func (f *sshFlag) Set(value string) error {
	*f.all = append(*f.all, f.flag, value)
	return nil
}

var _ pflag.Value = (*sshFlag)(nil)

// usageError is a command line of a verb that makes no sense.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

// wantsArgs checks the number of a verb's arguments.
func wantsArgs(atLeast, atMost int, otherwise string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < atLeast || len(args) > atMost {
			return usageError{otherwise}
		}
		return nil
	}
}

// verbName is what a command is called after "sally".
func verbName(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
}

// noArgs is for a verb that takes none.
func noArgs(cmd *cobra.Command, args []string) error {
	return wantsArgs(0, 0, verbName(cmd)+" takes no arguments")(cmd, args)
}

// many is no bound on the number of arguments.
const many = 1 << 20

// misused words a flag that a verb does not have.
func misused(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return usageError{fmt.Sprintf("%s: %v", verbName(cmd), err)}
	}
	flag := "--" + unknown.GetSpecifiedName()
	if group := unknown.GetSpecifiedShortnames(); group != "" {
		flag = "-" + unknown.GetSpecifiedName()
	}
	name := verbName(cmd)
	host, _, _ := strings.Cut(name, " ")
	return usageError{fmt.Sprintf("%s takes no %s (\"sally %s --help\" lists its flags; a host of that name is reached by \"sally ssh %s\")",
		name, flag, name, host)}
}

// destination reads a verb's host with the flags given to the verb, as the
// command line of a session with the same would be.
func (v *verbCommand) destination(host string) (*sshargs.Invocation, error) {
	inv, err := sshargs.Parse(slices.Concat(v.flags, []string{"--", host}))
	var usage *sshargs.UsageError
	if errors.As(err, &usage) {
		if usage.Text == "" {
			return nil, usageError{fmt.Sprintf("%q is no destination: [user@]host or ssh://[user@]host[:port] is one", host)}
		}
		return nil, usageError{usage.Text}
	}
	return inv, err
}

// routes resolves the hosts of a verb that opens no connections.
func (v *verbCommand) routes(ctx context.Context, hosts []string) ([]route.Route, error) {
	routes, _, err := v.resolve(ctx, hosts)
	return routes, err
}

// resolve gives the hosts' routes and what their configuration asks for.
func (v *verbCommand) resolve(ctx context.Context, hosts []string) ([]route.Route, *wishes, error) {
	files, err := v.loadConfig(v.config)
	if err != nil {
		return nil, nil, err
	}
	var routes []route.Route
	heard := &wishes{files: files}
	for i, h := range hosts {
		inv, err := v.destination(h)
		if err != nil {
			return nil, nil, err
		}
		if i == 0 { // the warning is the same for the others
			v.warnMissingIdentities(inv.Overrides)
		}
		rt, err := route.Resolve(ctx, heard, sshconfig.Query{Host: inv.Host, Overrides: presentIdentities(inv.Overrides)})
		if err != nil {
			return nil, nil, err
		}
		routes = append(routes, rt)
	}
	return routes, heard, nil
}
