package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/internal/inventory"
)

func (v *verbCommand) importVerb() *cobra.Command {
	var format string
	var tags []string
	var dryRun, force bool
	cmd := &cobra.Command{
		Use: "import FILE", Short: "add the hosts of another program's list",
		Long: `import reads an Ansible inventory (INI or YAML), a table (CSV, as Termius and
others write it) or a known_hosts file, "-" for standard input, and adds its
hosts as "sally add" does. A host whose jump host is not known is left out and
named: it never becomes one that is connected to directly.`,
		Example: `  sally import --dry-run inventory.yml
  sally import --tag lab hosts.ini
  sally import ~/.ssh/known_hosts`,
		Args: wantsArgs(1, 1, "import needs one file, or - for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return v.failed(v.importFile(cmd.Context(), args[0], format, tags, inventory.Options{AnyJump: force}, dryRun))
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "the file's `format`: "+strings.Join(inventory.Formats, ", ")+"; else it is guessed")
	cmd.Flags().StringArrayVar(&tags, "tag", nil, "give every host this `tag` too; may be given again")
	_ = cmd.RegisterFlagCompletionFunc("tag", v.completeTags)
	_ = cmd.RegisterFlagCompletionFunc("format", completeWords(inventory.Formats))
	cmd.Flags().BoolVar(&force, "force", false, "take jump hosts that the configuration does not know")
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "show what would be written")
	return cmd
}

// errLeftOut says that not all hosts of an import are there now.
var errLeftOut = errors.New("some hosts were left out")

func (v *verbCommand) importFile(ctx context.Context, file, format string, tags []string, o inventory.Options, dryRun bool) error {
	hosts, notes, err := v.readForeign(ctx, file, format)
	if err != nil {
		return fmt.Errorf("import %s: %w", file, err)
	}
	for i := range hosts {
		for _, t := range tags {
			if e := &hosts[i].Entry; !slices.Contains(e.Tags, t) {
				e.Tags = append(e.Tags, t)
			}
		}
	}
	var outcomes []inventory.Outcome
	_, err = v.updateInventory(dryRun, func(inv *inventory.Inventory) (*inventory.Change, error) {
		c, out, err := inv.Import(ctx, hosts, o)
		outcomes = out
		return c, err
	})
	if err != nil {
		return err
	}
	for _, n := range notes {
		v.voice.say(levelInfo, "sally: "+file+": "+n)
	}
	return v.tellImported(ctx, outcomes, dryRun)
}

func (v *verbCommand) readForeign(ctx context.Context, file, format string) (hosts []inventory.Foreign, notes []string, err error) {
	read := func(r io.Reader) error {
		hosts, notes, err = inventory.Read(r, file, format)
		return err
	}
	if file == "-" {
		err = v.input(ctx, read)
		return hosts, notes, err
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	err = read(f)
	return hosts, notes, err
}

// tellImported says what became of each host.
func (v *verbCommand) tellImported(ctx context.Context, outcomes []inventory.Outcome, dryRun bool) error {
	inv, err := v.loadInventory()
	if err != nil {
		return err
	}
	ways := map[string]string{}
	if !dryRun {
		for _, h := range inv.Hosts(ctx) {
			ways[h.Name] = " (" + routeText(h) + ")"
		}
	}
	added, there, left := 0, 0, 0
	for _, o := range outcomes {
		switch {
		case o.Err == nil:
			added++
			fmt.Fprintf(v.out, "%s: added%s\n", visible(o.Name), visible(ways[o.Name]))
			for _, n := range o.Notes {
				v.voice.say(levelInfo, fmt.Sprintf("sally: %s: %s", o.Name, n))
			}
		case errors.Is(o.Err, inventory.ErrExists):
			there++
		default:
			left++
			v.voice.say(levelError, fmt.Sprintf("sally: %s: left out: %v", o.Name, o.Err))
		}
	}
	fmt.Fprintf(v.out, "%d added, %d there already, %d left out\n", added, there, left)
	if left > 0 {
		v.code = exitFailed
		return errLeftOut
	}
	return nil
}

func (v *verbCommand) export() *cobra.Command {
	var format string
	var tags []string
	cmd := &cobra.Command{
		Use: "export [--format FORMAT] [--tag TAG]… [HOST…]", Short: "write the hosts for another program",
		Long: `export writes the hosts of the configuration, or those named, with the values
that apply to them and their whole way, so that they can be used without it.`,
		Example: `  sally export --format ansible-yaml --tag prod > inventory.yml
  sally export --format csv > hosts.csv`,
		ValidArgsFunction: v.completeHosts,
		RunE: func(cmd *cobra.Command, hosts []string) error {
			return v.failed(v.exportHosts(cmd.Context(), format, tags, hosts))
		},
	}
	cmd.Flags().StringVar(&format, "format", "json", "`format`: "+strings.Join(inventory.ExportFormats, ", "))
	cmd.Flags().StringArrayVar(&tags, "tag", nil, "only hosts with this `tag`; given again, hosts with all of them")
	_ = cmd.RegisterFlagCompletionFunc("tag", v.completeTags)
	_ = cmd.RegisterFlagCompletionFunc("format", completeWords(inventory.ExportFormats))
	return cmd
}

func (v *verbCommand) exportHosts(ctx context.Context, format string, tags, names []string) error {
	inv, err := v.loadInventory()
	if err != nil {
		return err
	}
	for _, n := range names {
		if !inv.Has(n) {
			return fmt.Errorf("%s: %w", n, inventory.ErrUnknown)
		}
	}
	left, err := inv.Export(ctx, v.out, format, func(h inventory.Host) bool {
		return hasTags(h, tags) && (len(names) == 0 || slices.Contains(names, h.Name))
	})
	if err != nil {
		return err
	}
	if len(left) > 0 {
		v.voice.say(levelError, "sally: left out, since their way cannot be written: "+strings.Join(left, ", "))
		v.code = exitFailed
		return errLeftOut
	}
	return nil
}
