package cli

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sallyport/internal/inventory"
	"sallyport/internal/sshconfig"
)

// loadInventory reads the hosts of the configuration.
func (v *verbCommand) loadInventory() (*inventory.Inventory, error) {
	return inventory.Load(v.config, sshconfig.Env{})
}

// updateInventory makes a change of the configuration, or shows it.
func (v *verbCommand) updateInventory(dryRun bool, plan func(*inventory.Inventory) (*inventory.Change, error)) (*inventory.Change, error) {
	if dryRun {
		inv, err := v.loadInventory()
		if err != nil {
			return nil, err
		}
		c, err := plan(inv)
		if err == nil && c != nil {
			v.warnOf(c)
			v.showChange(c)
		}
		return nil, err
	}
	c, err := inventory.Update(v.config, sshconfig.Env{}, plan)
	if err == nil && c != nil {
		v.warnOf(c)
	}
	return c, err
}

func (v *verbCommand) warnOf(c *inventory.Change) {
	for _, w := range c.Warnings {
		v.voice.say(levelInfo, "sally: warning: "+w)
	}
}

// showChange prints the lines that come and go.
func (v *verbCommand) showChange(c *inventory.Change) {
	texts := c.Texts()
	if len(texts) == 0 {
		fmt.Fprintln(v.out, "nothing to change")
	}
	for _, f := range texts {
		fmt.Fprintf(v.out, "%s:\n", visible(f.Name))
		for _, line := range lineChanges(f.Before, f.After) {
			fmt.Fprintln(v.out, " ", visible(line))
		}
	}
}

// lineChanges lists the lines between the first and the last that differ.
func lineChanges(before, after string) []string {
	a, b := splitLines(before), splitLines(after)
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	var out []string
	for _, l := range a {
		if !slices.Contains(b, l) {
			out = append(out, "- "+l)
		}
	}
	for _, l := range b {
		if !slices.Contains(a, l) || strings.TrimSpace(l) == "" {
			out = append(out, "+ "+l)
		}
	}
	return out
}

func splitLines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(strings.ReplaceAll(s, "\r\n", "\n"), "\n"), "\n")
}

// entryFlags are the flags that say what a host's block is to say.
type entryFlags struct {
	e        sshconfig.Entry
	jump     string
	port     string
	settings []string
	anyJump  bool
	dryRun   bool
	flags    *pflag.FlagSet
}

// entryFlagNames are those that change the block.
var entryFlagNames = []string{"host", "port", "user", "jump", "alternate", "identity", "local", "remote", "dynamic", "tag", "option"}

// newEntryFlags gives a verb these flags.
func (v *verbCommand) newEntryFlags(cmd *cobra.Command) *entryFlags {
	f := &entryFlags{flags: cmd.Flags()}
	f.flags.StringVar(&f.e.HostName, "host", "", "the `address` or name to connect to")
	f.flags.StringVarP(&f.port, "port", "p", "", "the `port`")
	f.flags.StringVarP(&f.e.User, "user", "l", "", "the `user` there")
	f.flags.StringVarP(&f.jump, "jump", "J", "", "the `hosts` to go through, parted by commas; \"none\" for a direct connection in any case")
	f.flags.StringArrayVar(&f.e.Alternates, "alternate", nil, "another `address` of the host, host:port or host; may be given again")
	f.flags.StringArrayVarP(&f.e.Identities, "identity", "i", nil, "log in with the key in `file`; may be given again")
	f.flags.StringArrayVarP(&f.e.Local, "local", "L", nil, "a `forward` from here, as with ssh -L; may be given again")
	f.flags.StringArrayVarP(&f.e.Remote, "remote", "R", nil, "a `forward` from there, as with ssh -R; may be given again")
	f.flags.StringArrayVarP(&f.e.Dynamic, "dynamic", "D", nil, "a SOCKS `forward`, as with ssh -D; may be given again")
	f.flags.StringArrayVar(&f.e.Tags, "tag", nil, "a `name` to find the host by; may be given again")
	f.flags.StringArrayVarP(&f.settings, "option", "o", nil, "any `Keyword=value` of ssh_config(5); an empty value takes the keyword out")
	f.flags.BoolVar(&f.anyJump, "force", false, "also when the configuration knows nothing of a jump host")
	f.flags.BoolVarP(&f.dryRun, "dry-run", "n", false, "show what would change")
	_ = cmd.RegisterFlagCompletionFunc("jump", v.completeJump)
	_ = cmd.RegisterFlagCompletionFunc("tag", v.completeTags)
	return f
}

// check reads what the flags say.
func (f *entryFlags) check() error {
	f.e.Jump = withoutEmpty(strings.Split(f.jump, ","))
	if f.port != "" {
		n, err := strconv.ParseUint(f.port, 10, 16)
		if err != nil || n == 0 {
			return usageError{fmt.Sprintf("%q is no port", f.port)}
		}
		f.e.Port = int(n)
	}
	for _, list := range []*[]string{&f.e.Alternates, &f.e.Identities, &f.e.Local, &f.e.Remote, &f.e.Dynamic, &f.e.Tags} {
		*list = withoutEmpty(*list)
	}
	return nil
}

// given reports whether one of the flags that change the block was used.
func (f *entryFlags) given() bool { return slices.ContainsFunc(entryFlagNames, f.flags.Changed) }

// apply puts what was given into an entry; an empty value takes it out.
func (f *entryFlags) apply(e *sshconfig.Entry) {
	for name, set := range map[string]func(){
		"host": func() { e.HostName = f.e.HostName }, "port": func() { e.Port = f.e.Port },
		"user": func() { e.User = f.e.User }, "jump": func() { e.Jump = f.e.Jump },
		"alternate": func() { e.Alternates = f.e.Alternates }, "identity": func() { e.Identities = f.e.Identities },
		"local": func() { e.Local = f.e.Local }, "remote": func() { e.Remote = f.e.Remote },
		"dynamic": func() { e.Dynamic = f.e.Dynamic }, "tag": func() { e.Tags = f.e.Tags },
	} {
		if f.flags.Changed(name) {
			set()
		}
	}
}

func withoutEmpty(list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return strings.TrimSpace(s) == "" })
}

// options are the edit's, with the keywords of --option.
func (f *entryFlags) options() inventory.Options {
	o := inventory.Options{AnyJump: f.anyJump}
	for _, s := range f.settings {
		given := sshconfig.ParseOverride(s, "")
		if given.Keyword == "" {
			given.Keyword = s // refused, with its name
		}
		at := slices.IndexFunc(o.Settings, func(s sshconfig.Setting) bool { return strings.EqualFold(s.Keyword, given.Keyword) })
		if at < 0 {
			o.Settings = append(o.Settings, sshconfig.Setting{Keyword: given.Keyword})
			at = len(o.Settings) - 1
		}
		if given.Value != "" {
			o.Settings[at].Values = append(o.Settings[at].Values, given.Value)
		}
	}
	return o
}

// where names a file for people: with "~" for the home directory.
func (v *verbCommand) where(file string) string {
	if env, err := sshconfig.DefaultEnv(); err == nil {
		if rest, ok := strings.CutPrefix(file, env.Home+string(os.PathSeparator)); ok {
			return "~" + string(os.PathSeparator) + rest
		}
	}
	return file
}

// inventoryHint says what may be done about an error of an edit.
func inventoryHint(err error) string {
	var used *inventory.InUseError
	switch {
	case errors.As(err, &used):
		return fmt.Sprintf("give them another way first, or remove them: sally edit HOST --jump …, sally rm HOST; then sally rm %s", used.Host)
	case errors.Is(err, inventory.ErrNoJump):
		return "sally add it first; --force takes a name that only the name server knows"
	case errors.Is(err, inventory.ErrExists):
		return "sally edit changes it"
	case errors.Is(err, sshconfig.ErrChanged):
		return "somebody else wrote the file at the same time; look at it and try again"
	}
	return ""
}
