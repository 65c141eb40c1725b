package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/internal/bench"
)

// benchFlags say what to measure and where to write it.
type benchFlags struct {
	config         bench.Config
	json, svg, doc string
}

func (v *verbCommand) bench() *cobra.Command {
	f := &benchFlags{}
	cmd := &cobra.Command{
		Use: "bench", Short: "measure sally beside ssh on this machine",
		Long: `bench starts three sshd of its own on loopback, as you, with keys and files in
a temporary directory, and runs ssh (with ControlMaster auto on every hop) and
sally through them in turns. It shows medians and their ratios, and what is
worse than ssh's as plainly as what is better. Nothing of yours is touched, and
nothing leaves the machine. It takes some minutes; sshd must be installed.

Measures:
  ` + strings.Join(bench.Names(), "\n  "),
		Example: `  sally bench --quick                     an impression, in a minute or two
  sally bench --only warm,cold            some of the measures
  sally bench --peer /opt/openssh/bin/ssh  beside another ssh
  sally bench --json run.json --svg run.svg`,
		Args: noArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error { return v.failed(v.runBench(cmd.Context(), f)) },
	}
	cmd.Flags().StringVar(&f.config.Peer, "peer", "", "the ssh-compatible `program` to compare with; ssh by default")
	cmd.Flags().StringSliceVar(&f.config.Only, "only", nil, "`measures` wanted, separated by commas")
	cmd.Flags().BoolVar(&f.config.Quick, "quick", false, "take fewer and smaller samples")
	cmd.Flags().StringVar(&f.json, "json", "", "write the report to `file` as JSON")
	cmd.Flags().StringVar(&f.svg, "svg", "", "draw the ratios into `file`")
	cmd.Flags().StringVar(&f.doc, "doc", "", "put the table between the marks of the Markdown `file`")
	return cmd
}

func (v *verbCommand) runBench(ctx context.Context, f *benchFlags) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	f.config.Sally, f.config.Progress = self, v.Stderr
	report, err := bench.Run(ctx, f.config)
	if errors.Is(err, bench.ErrMeasure) {
		return usageError{err.Error()}
	}
	if report == nil {
		return err
	}
	return errors.Join(err, report.Table(v.out), f.write(report))
}

// write writes the files that were asked for.
func (f *benchFlags) write(report *bench.Report) error {
	var failures []error
	if f.json != "" {
		text, err := report.JSON()
		failures = append(failures, err, bench.WriteFile(f.json, text))
	}
	if f.svg != "" {
		failures = append(failures, bench.WriteFile(f.svg, report.SVG()))
	}
	if f.doc != "" {
		text, err := os.ReadFile(f.doc)
		if err == nil {
			text, err = report.Update(text)
		}
		if err == nil {
			err = bench.WriteFile(f.doc, text)
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}
