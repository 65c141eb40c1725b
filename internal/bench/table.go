package bench

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Table writes the report for people.
func (r *Report) Table(w io.Writer) error {
	for _, line := range r.head() {
		fmt.Fprintln(w, line)
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "\tpeer\tsally\tratio\tto reach\t")
	for _, f := range r.Figures {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", f.Title, amount(f.Peer.Median, f.Unit), amount(f.Sally.Median, f.Unit), ratio(f.Ratio), r.goal(f), f.Verdict)
	}
	return t.Flush()
}

// head says what was measured, and where.
func (r *Report) head() []string {
	quick := ""
	if r.Quick {
		quick = "; a quick run: few and small samples"
	}
	return []string{
		fmt.Sprintf("%s; %s; %d cores; load %.2f before, %.2f after%s", r.System.Processor, r.System.Kernel, r.System.Cores, r.System.Load[0], r.System.Load[1], quick),
		fmt.Sprintf("sally: %s, %s; %s", r.Versions.Sally, r.Versions.Go, r.Algorithms["sally"].describe()),
		fmt.Sprintf("peer: %s; %s", r.Versions.Peer, r.Algorithms["peer"].describe()),
		fmt.Sprintf("server: %s", r.Versions.Server),
	}
}

// amount is a value with its unit, to three digits or so.
func amount(v float64, unit string) string {
	digits := 0
	switch {
	case v == 0:
	case v < 0.1:
		digits = 3
	case v < 10:
		digits = 2
	case v < 100:
		digits = 1
	}
	if unit == "" && v == float64(int(v)) {
		digits = 0
	}
	return strings.TrimSpace(fmt.Sprintf("%.*f %s", digits, v, unit))
}

func ratio(v float64) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", v)
}

// goal words what is to be reached.
func (r *Report) goal(f Figure) string {
	g := f.Goal
	if g == nil {
		return ""
	}
	sign := "≤"
	if f.More {
		sign = "≥"
	}
	switch {
	case g.Value:
		return sign + " " + amount(g.Bound, f.Unit)
	case g.Of != "":
		title := g.Of
		if other := r.figure(g.Of); other != nil {
			return fmt.Sprintf("%s %g × idle's %s", sign, g.Bound, amount(other.Sally.Median, f.Unit))
		}
		return fmt.Sprintf("%s %g × %s", sign, g.Bound, title)
	}
	return fmt.Sprintf("%s %g", sign, g.Bound)
}

// Markdown is the report for a document.
func (r *Report) Markdown() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Measured %s.\n\n", r.Date.Format("2006-01-02"))
	for _, line := range r.head() {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	fmt.Fprintf(&b, "\n| | peer | sally | ratio | to reach | |\n|---|---|---|---|---|---|\n")
	for _, f := range r.Figures {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", f.Title, spread(f.Peer, f.Unit), spread(f.Sally, f.Unit), ratio(f.Ratio), r.goal(f), f.Verdict)
	}
	return b.Bytes()
}

// spread is a median with the least and the greatest value.
func spread(s Samples, unit string) string {
	if len(s.Values) < 2 || s.Min == s.Max {
		return amount(s.Median, unit)
	}
	return fmt.Sprintf("%s (%s–%s)", amount(s.Median, unit), amount(s.Min, ""), amount(s.Max, ""))
}

// Marks of the part of a document that the benchmark writes.
const (
	docBegin = "<!-- bench: begin -->\n"
	docEnd   = "<!-- bench: end -->\n"
)

// Update puts the report between the marks of a document.
func (r *Report) Update(document []byte) ([]byte, error) {
	before, rest, begins := bytes.Cut(document, []byte(docBegin))
	_, after, ends := bytes.Cut(rest, []byte(docEnd))
	if !begins || !ends {
		return nil, fmt.Errorf("no lines %q and %q", strings.TrimSpace(docBegin), strings.TrimSpace(docEnd))
	}
	return bytes.Join([][]byte{before, []byte(docBegin), []byte("\n"), r.Markdown(), []byte("\n"), []byte(docEnd), after}, nil), nil
}
