package cli

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/internal/inventory"
	"sallyport/internal/sshconfig"
)

func (v *verbCommand) add() *cobra.Command {
	cmd := &cobra.Command{
		Use: "add NAME --host ADDRESS [flags]", Short: "add a host to the configuration",
		Long: `add writes a Host block into ~/.ssh/sally-hosts.conf, which ~/.ssh/config
includes with its first line from then on: plain ssh knows the host too.`,
		Example: `  sally add bastion --host bastion.example.org --user alice
  sally add web1 --host 10.0.0.5 --jump bastion --tag prod
  sally add db --host 10.0.0.7 --jump bastion -L 5432:localhost:5432 -o ServerAliveInterval=20`,
		Args: wantsArgs(0, 1, "add takes one name"),
	}
	f := v.newEntryFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name := strings.Join(args, "")
		if err := f.check(); err != nil {
			return err
		}
		if name == "" || !f.flags.Changed("host") {
			if !v.canAsk() {
				return usageError{"add needs a name and --host (which may be the same)"}
			}
			return v.failed(v.addForm(cmd.Context(), name, f))
		}
		var e sshconfig.Entry
		f.apply(&e)
		return v.failed(v.addHost(cmd.Context(), name, e, f))
	}
	return cmd
}

// addHost adds a host and tells its way.
func (v *verbCommand) addHost(ctx context.Context, name string, e sshconfig.Entry, f *entryFlags) error {
	c, err := v.updateInventory(f.dryRun, func(inv *inventory.Inventory) (*inventory.Change, error) {
		return inv.Add(ctx, name, e, f.options())
	})
	if err != nil || c == nil {
		return err
	}
	v.tellDone(ctx, name, "added to "+v.where(c.Files()[0]))
	if v.isVerb(name) {
		v.voice.say(levelInfo, fmt.Sprintf("sally: warning: %s is also a verb: reach the host by \"sally ssh %s\"", name, name))
	}
	if p, err := v.newSetupPlan(); err == nil && p.include.existed { // its list of hosts is of then
		v.voice.say(levelInfo, fmt.Sprintf("  hint: \"sally setup\" lets plain ssh share the connection to %s too", name))
	}
	return nil
}

// tellDone says what was done to a host, and what its way is now.
func (v *verbCommand) tellDone(ctx context.Context, name, what string) {
	way := name
	if inv, err := v.loadInventory(); err == nil {
		if h, ok := inv.Host(ctx, name); ok {
			way = routeText(h)
		}
	}
	fmt.Fprintf(v.out, "%s: %s (%s)\n", name, what, visible(way))
}

// routeText draws a host's route.
func routeText(h inventory.Host) string {
	return strings.Join(append(h.Jumps[:len(h.Jumps):len(h.Jumps)], h.Name), " → ")
}

func (v *verbCommand) edit() *cobra.Command {
	editor := false
	cmd := &cobra.Command{
		Use: "edit NAME [flags]", Short: "change a host of the configuration",
		Long: `edit changes the first Host block that gives the name, wherever it is. All else
in the file stays as it is. A flag with an empty value takes out what it would
set. Without flags it asks with a form, or opens the block in $EDITOR.`,
		Example: `  sally edit web1 --jump bastion,gate
  sally edit web1 --port '' --tag prod --tag eu
  sally edit web1 --editor`,
		Args: wantsArgs(1, 1, "edit needs one host"), ValidArgsFunction: v.completeHosts,
	}
	f := v.newEntryFlags(cmd)
	cmd.Flags().BoolVarP(&editor, "editor", "e", false, "open the block in $VISUAL or $EDITOR")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := f.check(); err != nil {
			return err
		}
		switch {
		case editor && f.given():
			return usageError{"edit changes the block by flags or in the editor, not both"}
		case editor:
			return v.failed(v.editText(cmd.Context(), args[0], f))
		case f.given():
			return v.failed(v.editHost(cmd.Context(), args[0], f.apply, f))
		case v.canAsk():
			return v.failed(v.editForm(cmd.Context(), args[0], f))
		}
		return usageError{"edit needs a flag that says what to change; \"sally edit --help\" lists them"}
	}
	return cmd
}

// editHost changes a host's block.
func (v *verbCommand) editHost(ctx context.Context, name string, edit func(*sshconfig.Entry), f *entryFlags) error {
	return v.changeHost(ctx, name, f, func(inv *inventory.Inventory) (*inventory.Change, error) {
		return inv.Edit(ctx, name, edit, f.options())
	})
}

// changeHost makes a change of one host and tells of it.
func (v *verbCommand) changeHost(ctx context.Context, name string, f *entryFlags, plan func(*inventory.Inventory) (*inventory.Change, error)) error {
	changed := ""
	c, err := v.updateInventory(f.dryRun, func(inv *inventory.Inventory) (*inventory.Change, error) {
		c, err := plan(inv)
		if err == nil {
			changed = strings.Join(c.Files(), ", ")
		}
		return c, err
	})
	if err != nil || c == nil {
		return err
	}
	if changed == "" {
		fmt.Fprintf(v.out, "%s: nothing to change\n", name)
		return nil
	}
	v.tellDone(ctx, name, "changed in "+v.where(changed))
	return nil
}

// editText lets the user's editor change the block.
func (v *verbCommand) editText(ctx context.Context, name string, f *entryFlags) error {
	inv, err := v.loadInventory()
	if err != nil {
		return err
	}
	before, err := inv.Text(name)
	if err != nil {
		return err
	}
	after, err := v.inEditor(ctx, before)
	if err != nil {
		return err
	}
	if after == before {
		fmt.Fprintf(v.out, "%s: nothing to change\n", name)
		return nil
	}
	err = v.changeHost(ctx, name, f, func(inv *inventory.Inventory) (*inventory.Change, error) {
		return inv.Replace(ctx, name, before, after)
	})
	if err != nil {
		if kept, writeErr := keepText(after); writeErr == nil {
			return fmt.Errorf("%w (your text is kept in %s)", err, kept)
		}
	}
	return err
}

// keepText saves what somebody typed.
func keepText(text string) (string, error) {
	file, err := os.CreateTemp("", "sally-edit-*.conf")
	if err != nil {
		return "", err
	}
	defer file.Close()
	_, err = file.WriteString(text)
	return file.Name(), err
}

// inEditor gives what the user's editor makes of a text.
func (v *verbCommand) inEditor(ctx context.Context, text string) (string, error) {
	editor := v.Getenv("VISUAL")
	if editor == "" {
		editor = v.Getenv("EDITOR")
	}
	if editor == "" {
		editor = "vi"
	}
	name, err := keepText(text)
	if err != nil {
		return "", err
	}
	defer os.Remove(name)
	// The variable may hold flags, so a shell takes it apart, as git does.
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", editor+` "$1"`, "sh", name)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = v.Stdin, v.Stdout, v.Stderr, v.Environ
	defer v.ending.lend()()
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("run %s: %w; nothing was changed", editor, err)
	}
	after, err := os.ReadFile(name)
	return string(after), err
}

func (v *verbCommand) rm() *cobra.Command {
	dryRun := false
	cmd := &cobra.Command{
		Use: "rm HOST…", Short: "remove hosts from the configuration",
		Long: `rm takes the names off their Host lines; a block without another name goes as a
whole. A host that others jump through stays, and they are named: without it
they would be connected to directly.`,
		Example: "  sally rm web1", Args: wantsArgs(1, many, "rm needs at least one host"), ValidArgsFunction: v.completeHosts,
		RunE: func(cmd *cobra.Command, hosts []string) error {
			for _, name := range hosts {
				if err := v.removeHost(cmd.Context(), name, dryRun); err != nil {
					return v.failed(err)
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "show what would change")
	return cmd
}

func (v *verbCommand) removeHost(ctx context.Context, name string, dryRun bool) error {
	var files []string
	c, err := v.updateInventory(dryRun, func(inv *inventory.Inventory) (*inventory.Change, error) {
		c, err := inv.Remove(ctx, name)
		if err == nil {
			files = c.Files()
		}
		return c, err
	})
	if err == nil && c != nil {
		fmt.Fprintf(v.out, "%s: removed from %s\n", name, v.where(strings.Join(files, ", ")))
	}
	return err
}

// canAsk reports whether there is a terminal for a form.
func (v *verbCommand) canAsk() bool { return isTerminal(v.Stdin) && isTerminal(v.Stdout) }
