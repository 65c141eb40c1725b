package cli

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/api"
)

func (v *verbCommand) status() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "status", Short: "show the live connections as a tree", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			result, err := v.tell(cmd.Context(), &api.Request{Op: api.OpStatus})
			status := &api.Status{Masters: []api.Master{}}
			switch {
			case err == nil:
				status = result.Status
			case !errors.Is(err, errNoDaemon):
				return v.failed(err)
			}
			if asJSON {
				return v.printJSON(status)
			}
			v.printStatus(status)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (v *verbCommand) printStatus(s *api.Status) {
	if s.PID == 0 {
		fmt.Fprintln(v.out, "nothing is connected; no daemon is running")
		return
	}
	fmt.Fprintf(v.out, "daemon %d, for %s\n", s.PID, shortDuration(time.Since(s.Since)))
	v.printLocked(s.Locked)
	if len(s.Masters) == 0 {
		fmt.Fprintln(v.out, "nothing is connected")
	}
	v.printTree(s.Masters, 0, "", true)
	for _, k := range s.Kept {
		if k.State != "up" {
			fmt.Fprintf(v.out, "%s, pinned: %s\n", k.Host, k.State)
			if k.LastError != "" {
				fmt.Fprintf(v.out, "    %s\n", below(k.LastError))
			}
		}
	}
	v.printWaiting(s)
}

// printWaiting lists the pinned forwards whose connection is not there.
func (v *verbCommand) printWaiting(s *api.Status) {
	for _, f := range s.Pinned {
		if slices.ContainsFunc(s.Masters, func(m api.Master) bool { return m.Key == f.Key }) {
			continue
		}
		fmt.Fprintf(v.out, "%s over %s, %s\n", describeForward(f), f.Host, f.State)
		if f.LastError != "" {
			fmt.Fprintf(v.out, "    %s\n", below(f.LastError))
		}
	}
}

// printTree draws the masters that run through the given one, indented, each
// followed by those that run through it.
func (v *verbCommand) printTree(all []api.Master, through int, indent string, top bool) {
	here := api.Through(all, through)
	for i, m := range here {
		branch, below := "├─ ", "│  "
		if i == len(here)-1 {
			branch, below = "└─ ", "   "
		}
		if top {
			branch, below = "", ""
		}
		fmt.Fprintf(v.out, "%s%s%s\n", indent, branch, describeMaster(m))
		bar := "   "
		if len(api.Through(all, m.Number)) > 0 {
			bar = "│  "
		}
		for _, f := range m.Forwards {
			fmt.Fprintf(v.out, "%s%s%s\n", indent+below, bar, describeForward(f))
		}
		v.printTree(all, m.Number, indent+below, false)
	}
}

// describeForward is a forward in one line; what it carries follows when there
// is something to tell.
func describeForward(f api.Forward) string {
	parts := []string{fmt.Sprintf("forward %s %s to %s", f.Kind, f.Listen, f.Target)}
	if f.Target == "" {
		parts[0] = fmt.Sprintf("forward %s %s (SOCKS)", f.Kind, f.Listen)
	}
	if f.Pinned {
		parts = append(parts, ownerOf(f))
		if len(f.Addresses) == 0 {
			parts = append(parts, "not listening")
		}
	}
	if f.Total > 0 {
		parts = append(parts, plural(int(f.Connections), "connection"), fmt.Sprintf("in %s, out %s", size(int64(f.BytesIn)), size(int64(f.BytesOut))))
	}
	return strings.Join(parts, ", ")
}

func describeMaster(m api.Master) string {
	parts := []string{fmt.Sprintf("%s (%s@%s)", m.Hop, m.User, m.Addr), m.State}
	if m.SeveralAddresses {
		parts[0] += " at " + m.Address
	}
	if m.State != "dialling" {
		if m.Ways > 1 {
			parts = append(parts, fmt.Sprintf("way %d of %d", m.Way, m.Ways))
		}
		parts[1] += " " + shortDuration(time.Since(m.Since))
		switch {
		case m.SessionLimit > 0:
			parts = append(parts, fmt.Sprintf("%s of %d", plural(m.Sessions, "session"), m.SessionLimit))
		case m.Sessions > 0:
			parts = append(parts, plural(m.Sessions, "session"))
		}
		if m.Sibling {
			parts = append(parts, "second connection")
		}
		if m.Idle != nil {
			parts = append(parts, "idle "+shortDuration(time.Duration(*m.Idle)*time.Second))
		}
		if m.Expires != nil {
			parts = append(parts, "expires in "+shortDuration(time.Duration(*m.Expires)*time.Second))
		}
		parts = append(parts, fmt.Sprintf("in %s, out %s", size(m.BytesIn), size(m.BytesOut)))
	}
	return strings.Join(parts, ", ")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// size is a number of bytes for people.
func size(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	f, i := float64(n), 0
	for f >= 1000 && i < len(units)-1 {
		f /= 1000
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}

func mapKeys(m map[string]string) iter.Seq[string] { return maps.Keys(m) }
