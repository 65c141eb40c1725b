package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
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
	config  string // the file that ssh reads, links resolved
	include string // our own file
	line    string // what config begins with

	created       bool // there is no config, or was none before setup
	before, after []byte
	ours, want    []byte // include's content, nil for no file
}

// changes reports whether there is something to do.
func (p *setupPlan) changes() bool {
	return !bytes.Equal(p.before, p.after) || !bytes.Equal(p.ours, p.want)
}

// newSetupPlan looks at what is there.
func (v *verbCommand) newSetupPlan() (*setupPlan, error) {
	p := &setupPlan{config: v.config}
	if p.config == "" {
		env, err := sshconfig.DefaultEnv()
		if err != nil {
			return nil, err
		}
		p.config = filepath.Join(env.Home, ".ssh", "config")
	}
	var err error
	if p.config, err = filepath.Abs(p.config); err != nil {
		return nil, err
	}
	p.include = filepath.Join(filepath.Dir(p.config), setupFile)
	if strings.ContainsAny(p.include, "\"\n*?[]") {
		return nil, fmt.Errorf("setup: %q cannot be included: its name means something else to ssh", p.include)
	}
	p.line = "Include \"" + p.include + "\"\n"
	if real, err := filepath.EvalSymlinks(p.config); err == nil {
		p.config = real
	}
	if p.before, err = os.ReadFile(p.config); errors.Is(err, fs.ErrNotExist) {
		p.created = true
	} else if err != nil {
		return nil, fmt.Errorf("setup: %w", err)
	}
	if p.ours, err = os.ReadFile(p.include); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("setup: %w", err)
	}
	p.created = p.created || bytes.Contains(p.ours, []byte(createdMark))
	p.after, p.want = p.before, p.ours
	return p, nil
}

// add plans the sharing of hosts.
func (p *setupPlan) add(content string) {
	if !bytes.HasPrefix(p.before, []byte(p.line)) {
		p.after = append([]byte(p.line), p.before...)
	}
	if p.created {
		content += createdMark
	}
	p.want = []byte(content)
}

// remove plans to have everything as it was.
func (p *setupPlan) remove() {
	p.want = nil
	p.after = bytes.Replace(p.before, []byte(p.line), nil, 1)
	if p.created && len(p.after) == 0 {
		p.after = nil
	}
}

// apply makes the change: our file is there whenever it is included.
func (p *setupPlan) apply() error {
	if p.want != nil {
		if err := replaceFile(p.include, p.want); err != nil {
			return err
		}
	}
	switch {
	case bytes.Equal(p.before, p.after):
	case p.after == nil:
		if err := os.Remove(p.config); err != nil {
			return fmt.Errorf("setup: %w", err)
		}
	default:
		if err := replaceFile(p.config, p.after); err != nil {
			return err
		}
	}
	if p.want == nil && p.ours != nil {
		if err := os.Remove(p.include); err != nil {
			return fmt.Errorf("setup: %w", err)
		}
	}
	return nil
}

// replaceFile gives a file new content at once, or not at all. It keeps the
// mode and, where it may, the owner; a new file is 0600.
func replaceFile(path string, content []byte) error {
	mode := fs.FileMode(0o600)
	old, statErr := os.Stat(path)
	if statErr == nil {
		mode = old.Mode().Perm()
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("setup: %w", err)
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".sally-setup-")
	if err != nil {
		return fmt.Errorf("setup: %w", err)
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(content)
	err = errors.Join(err, temp.Chmod(mode), temp.Sync())
	if statErr == nil {
		keepOwner(temp, old)
	}
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("setup: %w", err)
	}
	return nil
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
		fmt.Fprintln(v.Stdout, "nothing to change")
		return nil
	}
	p.show(v)
	if !yes {
		if err := v.agreeTo("setup"); err != nil {
			return err
		}
	}
	if err := p.apply(); err != nil {
		return err
	}
	fmt.Fprintln(v.Stdout, "done")
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
		return "", fmt.Errorf("setup: %s names no host; name some: sally setup 'web*' bastion", p.config)
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
func (p *setupPlan) show(v *verbCommand) {
	out := v.Stdout
	switch {
	case bytes.Equal(p.before, p.after):
	case p.after == nil:
		fmt.Fprintf(out, "%s: remove, there was none before\n", p.config)
	case len(p.after) > len(p.before):
		fmt.Fprintf(out, "%s: begin with the line\n  + %s", p.config, p.line)
	default:
		fmt.Fprintf(out, "%s: without the line\n  - %s", p.config, p.line)
	}
	switch {
	case bytes.Equal(p.ours, p.want):
	case p.want == nil:
		fmt.Fprintf(out, "%s: remove\n", p.include)
	default:
		fmt.Fprintf(out, "%s:\n", p.include)
		for line := range strings.Lines(string(p.want)) {
			fmt.Fprint(out, "  + ", line)
		}
	}
}

// errNotAgreed says that nothing was changed.
var errNotAgreed = errors.New("nothing was changed")

// agreeTo asks whether to go on with what a verb has shown.
func (v *verbCommand) agreeTo(verb string) error {
	if !isTerminal(v.Stdin) {
		return fmt.Errorf("%s: %w; --yes does it without asking", verb, errNotAgreed)
	}
	fmt.Fprint(v.Stdout, "Do this? [y/N] ")
	var answer string
	_, _ = fmt.Fscanln(v.Stdin, &answer)
	if a := strings.ToLower(answer); a != "y" && a != "yes" {
		return fmt.Errorf("%s: %w", verb, errNotAgreed)
	}
	return nil
}
