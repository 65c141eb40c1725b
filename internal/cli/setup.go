package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/internal/sshconfig"
)

// setupFile is what "sally setup" writes beside the configuration, which
// includes it with its first line.
const setupFile = "sally.conf"

// createdMark in setupFile says that there was no configuration before.
const createdMark = "# There was no configuration before.\n"

// setupPlan is a change of the configuration, not made yet.
type setupPlan struct {
	config  setupChange // the file that ssh reads
	include setupChange // our own file
	line    string      // what config begins with
	created bool        // there is no config, or was none before setup
}

// setupChange is what is to become of one of the files.
type setupChange struct {
	*sshconfig.Draft
	before  string
	existed bool
	want    string
	exists  bool // afterwards
}

// setupChangeOf plans no change of a file.
func setupChangeOf(name string) (setupChange, error) {
	d, err := sshconfig.OpenDraft(name)
	if err != nil {
		return setupChange{}, fmt.Errorf("setup: %w", err)
	}
	c := setupChange{Draft: d}
	c.before, c.existed = d.Before()
	c.want, c.exists = c.before, c.existed
	return c, nil
}

func (c *setupChange) changes() bool { return c.want != c.before || c.exists != c.existed }

// write plans another text.
func (c *setupChange) write(text string) { c.want, c.exists = text, true }

// remove plans no file.
func (c *setupChange) remove() { c.want, c.exists = "", false }

// apply makes the change, unless somebody else has made one since.
func (c *setupChange) apply() error {
	if !c.changes() {
		return nil
	}
	var err error
	if c.exists {
		c.Document = sshconfig.ParseDocument(c.want)
		err = c.Save()
	} else {
		err = os.Remove(c.Name)
	}
	if err != nil {
		return fmt.Errorf("setup: %w", err)
	}
	return nil
}

// changes reports whether there is something to do.
func (p *setupPlan) changes() bool { return p.config.changes() || p.include.changes() }

// newSetupPlan looks at what is there.
func (v *verbCommand) newSetupPlan() (*setupPlan, error) {
	config := v.config
	if config == "" {
		env, err := sshconfig.DefaultEnv()
		if err != nil {
			return nil, err
		}
		config = filepath.Join(env.Home, ".ssh", "config")
	}
	config, err := filepath.Abs(config)
	if err != nil {
		return nil, err
	}
	include := filepath.Join(filepath.Dir(config), setupFile)
	if strings.ContainsAny(include, "\"\n*?[]") {
		return nil, fmt.Errorf("setup: %q cannot be included: its name means something else to ssh", include)
	}
	p := &setupPlan{line: "Include \"" + include + "\"\n"}
	if p.config, err = setupChangeOf(config); err != nil {
		return nil, err
	}
	if p.include, err = setupChangeOf(include); err != nil {
		return nil, err
	}
	p.created = !p.config.existed || strings.Contains(p.include.before, createdMark)
	return p, nil
}

// add plans the sharing of hosts.
func (p *setupPlan) add(content string) {
	if !strings.HasPrefix(p.config.before, p.line) {
		p.config.write(p.line + p.config.before)
	}
	if p.created {
		content += createdMark
	}
	p.include.write(content)
}

// remove plans to have everything as it was.
func (p *setupPlan) remove() {
	p.include.remove()
	rest := strings.Replace(p.config.before, p.line, "", 1)
	switch {
	case p.created && rest == "":
		p.config.remove()
	case p.config.existed:
		p.config.write(rest)
	}
}

// apply makes the change: our file is there whenever it is included.
func (p *setupPlan) apply() error {
	unlock, err := sshconfig.LockDir(filepath.Dir(p.config.Name))
	if err != nil {
		return fmt.Errorf("setup: %w", err)
	}
	defer unlock()
	first, second := &p.config, &p.include
	if p.include.exists {
		first, second = second, first
	}
	if err := first.apply(); err != nil {
		return err
	}
	err = second.apply()
	if err != nil && first.exists && !first.existed {
		err = errors.Join(err, os.Remove(first.Name))
	}
	return err
}

func (v *verbCommand) setup() *cobra.Command {
	var yes, remove bool
	cmd := &cobra.Command{
		Use: "setup [HOST…]", Short: "let plain ssh, scp, git and others share connections",
		Long: `setup adds one line to the top of ~/.ssh/config, which includes a file of its
own. From then on ssh, and what uses it, finds the connections to the hosts of
your configuration (or those named here; patterns work) shared by sally, and
has them brought up when they are not. Without sally ssh works as before.`,
		Example:           "  sally setup             for every host that ~/.ssh/config names\n  sally setup --remove    everything as it was",
		ValidArgsFunction: v.completeHosts,
		RunE: func(cmd *cobra.Command, hosts []string) error {
			return v.failed(v.runSetup(cmd.Context(), hosts, yes, remove))
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&remove, "remove", false, "undo it")
	return cmd
}

func (v *verbCommand) runSetup(ctx context.Context, hosts []string, yes, remove bool) error {
	p, err := v.newSetupPlan()
	if err != nil {
		return err
	}
	if remove {
		p.remove()
	} else {
		content, err := v.setupContent(ctx, p, hosts)
		if err != nil {
			return err
		}
		p.add(content)
	}
	if !p.changes() {
		fmt.Fprintln(v.out, "nothing to change")
		return nil
	}
	p.show(v.out)
	if !yes {
		if err := v.agreeTo(ctx, "setup"); err != nil {
			return err
		}
	}
	if err := p.apply(); err != nil {
		return err
	}
	fmt.Fprintln(v.out, "done")
	return nil
}

// setupContent is our file's text for the hosts.
func (v *verbCommand) setupContent(ctx context.Context, p *setupPlan, hosts []string) (string, error) {
	files, err := v.loadConfig(v.config)
	if err != nil {
		return "", fmt.Errorf("setup: the configuration must be correct first: %w", err)
	}
	if len(hosts) == 0 {
		for _, h := range files.Hosts() {
			hosts = append(hosts, h.Name)
		}
	}
	if len(hosts) == 0 {
		return "", fmt.Errorf("setup: %s names no host; name some: sally setup 'web*' bastion", p.config.Name)
	}
	for _, h := range hosts {
		if h == "" || strings.ContainsAny(h, " \t\"',#\n\\") {
			return "", fmt.Errorf("setup: %q cannot be a host", h)
		}
	}
	if _, err := files.Resolve(ctx, sshconfig.Query{Host: strings.Trim(hosts[0], "*?!")}); err != nil {
		return "", fmt.Errorf("setup: the configuration must be correct first: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("setup: %w", err)
	}
	dir, err := v.runtimeDir()
	if err != nil {
		return "", err
	}
	for _, name := range []string{self, string(dir)} {
		if strings.ContainsAny(name, "\"'\n\\$") {
			return "", fmt.Errorf("setup: %q cannot be written into a configuration", name)
		}
	}
	path := strings.ReplaceAll(string(dir), "%", "%%") + "/%C"
	return fmt.Sprintf(`# Written by "sally setup"; "sally setup --remove" takes it away.
# Connections to these hosts are shared by sally. Without it they are ssh's own.
Match originalhost %s exec "exec '%s'%s"
	ControlPath "%s"
`, strings.Join(hosts, ","), strings.ReplaceAll(self, "%", "%%"), quietCommand, path), nil
}

// show prints the change.
func (p *setupPlan) show(out io.Writer) {
	switch {
	case !p.config.changes():
	case !p.config.exists:
		fmt.Fprintf(out, "%s: remove, there was none before\n", p.config.Name)
	case len(p.config.want) > len(p.config.before):
		fmt.Fprintf(out, "%s: begin with the line\n  + %s", p.config.Name, p.line)
	default:
		fmt.Fprintf(out, "%s: without the line\n  - %s", p.config.Name, p.line)
	}
	switch {
	case !p.include.changes():
	case !p.include.exists:
		fmt.Fprintf(out, "%s: remove\n", p.include.Name)
	default:
		fmt.Fprintf(out, "%s:\n", p.include.Name)
		for _, line := range lineChanges(p.include.before, p.include.want) {
			fmt.Fprintln(out, " ", visible(line))
		}
	}
}

// errNotAgreed says that nothing was changed.
var errNotAgreed = errors.New("nothing was changed")

// agreeTo asks whether to go on with what a verb has shown.
func (v *verbCommand) agreeTo(ctx context.Context, verb string) error {
	if !isTerminal(v.Stdin) {
		return fmt.Errorf("%s: %w; --yes does it without asking", verb, errNotAgreed)
	}
	fmt.Fprint(v.out, "Do this? [y/N] ")
	var answer string
	err := v.input(ctx, func(r io.Reader) error {
		_, err := fmt.Fscanln(r, &answer)
		return err
	})
	if ctx.Err() != nil || err == io.EOF {
		fmt.Fprintln(v.out) // no Enter has ended the line
	}
	if a := strings.ToLower(answer); a != "y" && a != "yes" {
		return fmt.Errorf("%s: %w", verb, errNotAgreed)
	}
	return nil
}
