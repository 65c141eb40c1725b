package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/api"
	"sallyport/internal/doctor"
	"sallyport/internal/sshconfig"
)

const (
	// doctorTimeout bounds an examination.
	doctorTimeout = 30 * time.Second
	// doctorPatience bounds the question to our own daemon.
	doctorPatience = 3 * time.Second
)

func (v *verbCommand) doctor() *cobra.Command {
	var asJSON, fix, yes bool
	cmd := &cobra.Command{
		Use: "doctor [HOST…]", Short: "find the traps of your ssh setup, say why they hurt, and fix what is safe to fix",
		Long: `doctor reads your ssh configuration as it is written and as it applies to each
host (or to those named here), your keys, certificates and agents, control sockets,
known_hosts and sally's own directory. What is not as it should be is reported with
file and line, the reason and the cure; --fix shows the changes that are safe to
make and makes them when you agree.

It uses no network, asks for no passphrase and runs no command of the
configuration.`,
		Example: "  sally doctor                everything\n" +
			"  sally doctor web1           what concerns one host\n" +
			"  sally doctor --fix          show what can be mended, and mend it when you agree\n" +
			"  sally doctor --json | jq -r '.findings[] | \"\\(.id) \\(.file):\\(.line)\"'",
		ValidArgsFunction: v.completeHosts,
		RunE: func(cmd *cobra.Command, hosts []string) error {
			if asJSON && fix && !yes {
				return usageError{"--json with --fix needs --yes: there is nobody to ask"}
			}
			return v.failed(v.runDoctor(cmd.Context(), hosts, doctorFlags{asJSON: asJSON, fix: fix, yes: yes}))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&fix, "fix", false, "show what can be mended safely, and mend it")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask before mending")
	return cmd
}

type doctorFlags struct{ asJSON, fix, yes bool }

// runDoctor examines the setup, mends it if that is wanted, and reports what
// is left. What it finds is no error of ours, but exit code 1 when it is bad.
func (v *verbCommand) runDoctor(ctx context.Context, hosts []string, flags doctorFlags) error {
	report, err := v.examine(ctx, hosts)
	if err != nil {
		return err
	}
	if flags.fix {
		changed, err := v.mend(ctx, report, flags)
		if err != nil {
			return err
		}
		if changed {
			if report, err = v.examine(ctx, hosts); err != nil {
				return err
			}
		}
	}
	if report.Worst() {
		v.code = exitFailed
	}
	if flags.asJSON {
		return v.printJSON(report)
	}
	v.printFindings(report, flags.fix)
	return nil
}

// examine runs the checks.
func (v *verbCommand) examine(ctx context.Context, hosts []string) (*doctor.Report, error) {
	env, err := sshconfig.DefaultEnv()
	if err != nil {
		return nil, err
	}
	env.HashJump = sync.OnceValue(func() bool { return sshHashesJump(v.Getenv("PATH")) })
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	report, err := doctor.Run(ctx, doctor.Config{File: v.config, Env: env, Hosts: hosts, Daemon: v.daemonState(ctx)})
	if err == nil && errors.Is(ctx.Err(), context.Canceled) {
		err = context.Cause(ctx)
	}
	return report, err
}

// daemonState asks our own daemon, if there is one, for its version.
func (v *verbCommand) daemonState(ctx context.Context) doctor.Daemon {
	state := doctor.Daemon{Ours: v.Version}
	dir, err := v.runtimeDir()
	if err != nil {
		state.DirErr = err
		return state
	}
	state.Dir = string(dir)
	if state.DirErr = dir.Check(); state.DirErr != nil {
		return state
	}
	ctx, cancel := context.WithTimeout(ctx, doctorPatience)
	defer cancel()
	result, err := v.tell(ctx, &api.Request{Op: api.OpStatus})
	var other *api.Error
	switch {
	case err == nil && result.Status != nil:
		state.Version = result.Status.Version
	case errors.Is(err, errNoDaemon):
	case errors.As(err, &other) && other.Code == api.CodeVersion:
		state.Version = "of another kind"
	default:
		state.Err = err
	}
	return state
}

// mend shows what can be fixed and fixes it; changed is false when there was
// nothing.
func (v *verbCommand) mend(ctx context.Context, report *doctor.Report, flags doctorFlags) (changed bool, err error) {
	plan, err := doctor.NewPlan(report.Findings)
	if err != nil {
		return false, err
	}
	if plan.Empty() {
		if !flags.asJSON {
			fmt.Fprintf(v.out, "nothing here can be mended without you\n\n")
		}
		return false, nil
	}
	if !flags.asJSON {
		for _, c := range plan.Changes() {
			fmt.Fprintf(v.out, "%s:\n", visible(c.File))
			for _, line := range numberedChanges(c.Before, c.After) {
				fmt.Fprintln(v.out, " ", visible(line))
			}
		}
		for _, command := range plan.Commands() {
			fmt.Fprintln(v.out, visible(command))
		}
	}
	if !flags.yes {
		if err := v.agreeTo(ctx, "doctor"); err != nil {
			return false, err
		}
	}
	if err := plan.Apply(); err != nil {
		return true, fmt.Errorf("doctor: %w", err)
	}
	if !flags.asJSON {
		fmt.Fprintf(v.out, "done\n\n")
	}
	return true, nil
}

// printFindings prints the report, worst first.
func (v *verbCommand) printFindings(r *doctor.Report, mended bool) {
	home, _ := os.UserHomeDir()
	fixable := 0
	counts := map[doctor.Severity]int{}
	for _, f := range r.Findings {
		counts[f.Severity]++
		if f.Fixable {
			fixable++
		}
	}
	for _, a := range alike(r.Findings) {
		fmt.Fprint(v.out, visible(a.describe(home)))
	}
	if len(r.Findings) == 0 {
		fmt.Fprintln(v.out, visible("nothing found: "+describeChecked(r.Checked)))
		return
	}
	var parts []string
	for _, s := range []doctor.Severity{doctor.Error, doctor.Warning, doctor.Note} {
		if counts[s] > 0 {
			parts = append(parts, plural(counts[s], string(s)))
		}
	}
	text := strings.Join(parts, ", ")
	if fixable > 0 && !mended {
		text += fmt.Sprintf("; \"sally doctor --fix\" can mend %d", fixable)
	}
	fmt.Fprintf(v.out, "%s\nlooked at: %s\n", text, visible(describeChecked(r.Checked)))
}

// ailment is a finding that may be on several lines of a file.
type ailment struct {
	doctor.Finding
	lines []string
}

// alike joins findings of which only the line differs, where the first of them
// is: a keyword may stand in a thousand blocks.
func alike(findings []doctor.Finding) []*ailment {
	var all []*ailment
	seen := map[string]*ailment{}
	for _, f := range findings {
		key := fmt.Sprintf("%q", []string{f.ID, f.File, f.What, f.Why, f.Fix, strings.Join(f.Hosts, "\n")})
		a := seen[key]
		if a == nil {
			a = &ailment{Finding: f}
			all, seen[key] = append(all, a), a
		}
		if f.Line > 0 {
			a.lines = append(a.lines, strconv.Itoa(f.Line))
		}
	}
	return all
}

// describe is a finding in a few lines.
func (f *ailment) describe(home string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", f.Severity, f.What)
	if len(f.Hosts) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(few(f.Hosts), ", "))
	}
	fmt.Fprintf(&b, "  [%s]\n", f.ID)
	if f.File != "" {
		at := f.File
		if home != "" && strings.HasPrefix(at, home+"/") {
			at = "~" + at[len(home):]
		}
		if len(f.lines) > 0 {
			at += ":" + strings.Join(few(f.lines), ", ")
		}
		fmt.Fprintf(&b, "   at: %s\n", at)
	}
	fmt.Fprintf(&b, "  why: %s\n  fix: %s\n\n", f.Why, f.Fix)
	return b.String()
}

// describeChecked says in a line what was looked at.
func describeChecked(c doctor.Checked) string {
	text := fmt.Sprintf("%s of %s, %s, %s, %s, %s, %s", plural(c.Checks, "check"), plural(len(c.Files), "configuration file"), plural(c.Hosts, "host"),
		plural(c.Keys, "key"), plural(c.Agents, "agent"), plural(len(c.KnownHosts), "known_hosts file"), plural(c.Sockets, "control socket"))
	if c.Cut {
		text += "; not all, since time was up"
	}
	if c.Unresolved > 0 {
		text += fmt.Sprintf("\nwhat applies to %s is not known: correct the errors, then ask again", plural(c.Unresolved, "host"))
	}
	return text
}
