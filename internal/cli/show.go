package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/internal/inventory"
	"sallyport/internal/route"
	"sallyport/internal/sshconfig"
)

func (v *verbCommand) show() *cobra.Command {
	var asJSON, all bool
	cmd := &cobra.Command{
		Use: "show HOST", Short: "show what applies to a host, and where each value comes from",
		Long: `show prints the route to a host hop by hop, and every value that the
configuration gives it with the file and line that it comes from. With --all
the defaults too: then it is what "ssh -G" prints.`,
		Example: "  sally show web1\n  sally show web1 --json | jq '.values[] | select(.keyword == \"user\")'",
		Args:    wantsArgs(1, 1, "show needs one host"), ValidArgsFunction: v.completeHosts,
		RunE: func(cmd *cobra.Command, hosts []string) error {
			return v.failed(v.showHost(cmd.Context(), hosts[0], all, asJSON))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&all, "all", false, "print defaults too")
	return v.shaping(cmd)
}

// shownHost is a host as "show --json" prints it.
type shownHost struct {
	Name string `json:"name"`
	// File and Line are the Host line that names it; none for a host that only
	// patterns know.
	File   string       `json:"file,omitempty"`
	Line   int          `json:"line,omitempty"`
	Tags   []string     `json:"tags"`
	Route  []shownHop   `json:"route"`
	UsedBy []string     `json:"used_by"`
	Values []shownValue `json:"values"`
}

type shownHop struct {
	Name       string   `json:"name"`
	Host       string   `json:"hostname"`
	Port       int      `json:"port"`
	User       string   `json:"user"`
	KnownAs    string   `json:"known_as"`
	Identities []string `json:"identities"`
	Alternates []string `json:"alternates,omitempty"`
	Command    string   `json:"proxy_command,omitempty"`
}

type shownValue struct {
	Keyword string       `json:"keyword"`
	Value   string       `json:"value"`
	From    []shownPlace `json:"from"` // empty for a default
}

type shownPlace struct {
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	Flag string `json:"flag,omitempty"` // of the command line
}

func (v *verbCommand) showHost(ctx context.Context, name string, all, asJSON bool) error {
	files, err := v.loadConfig(v.config)
	if err != nil {
		return err
	}
	inv, err := v.destination(name)
	if err != nil {
		return err
	}
	q := sshconfig.Query{Host: inv.Host, Overrides: inv.Overrides}
	rt, err := route.Resolve(ctx, files, q)
	if err != nil {
		return err
	}
	r, err := files.Resolve(ctx, q)
	if err != nil {
		return err
	}
	s := shownHost{Name: inv.Host, Tags: tagsOf(r), UsedBy: []string{}, Values: shownValues(r, all)}
	if named := files.Naming(inv.Host); len(named) > 0 {
		s.File, s.Line = named[0].File, named[0].Line
	}
	for _, h := range rt.Hops {
		s.Route = append(s.Route, describeHop(h))
	}
	if hosts, err := v.loadInventory(); err == nil {
		s.UsedBy = whoOf(hosts.Dependents(inv.Host))
	}
	if asJSON {
		return printJSON(v.out, s)
	}
	v.printShown(s, rt)
	return nil
}

func tagsOf(r *sshconfig.Resolved) []string {
	tags := append([]string{}, r.Tags...)
	if r.Tag != "" && !slices.Contains(tags, r.Tag) {
		tags = append(tags, r.Tag)
	}
	return tags
}

func whoOf(dependents []inventory.Dependent) []string {
	who := []string{}
	for _, d := range dependents {
		who = append(who, d.Who)
	}
	return who
}

func describeHop(h route.Hop) shownHop {
	o := h.Options
	s := shownHop{
		Name: h.Name, Host: o.HostName, Port: o.Port, User: o.User, KnownAs: h.KnownAs(),
		Identities: []string{}, Command: o.Proxy.Command,
	}
	for _, a := range o.Connect.Alternates {
		s.Alternates = append(s.Alternates, a.String())
	}
	if o.Auth.IdentityFilesSet {
		s.Identities = append(s.Identities, o.Auth.IdentityFiles...)
	}
	return s
}

// shownValues are the values with their places; without all, those that
// something gives.
func shownValues(r *sshconfig.Resolved, all bool) []shownValue {
	values := []shownValue{}
	for _, val := range r.Values() {
		if len(val.From) == 0 && !all {
			continue
		}
		s := shownValue{Keyword: val.Keyword, Value: val.Value, From: []shownPlace{}}
		for _, o := range val.From {
			s.From = append(s.From, shownPlace{File: o.File, Line: o.Line, Flag: o.From})
		}
		values = append(values, s)
	}
	return values
}

func (v *verbCommand) printShown(s shownHost, rt route.Route) {
	out := func(format string, args ...any) {
		fmt.Fprintln(v.out, visible(fmt.Sprintf(format, args...)))
	}
	out("%s", rt)
	if s.File != "" {
		out("  in %s line %d", v.where(s.File), s.Line)
	}
	if len(s.Tags) > 0 {
		out("  tags: %s", strings.Join(s.Tags, " "))
	}
	if len(s.UsedBy) > 0 {
		out("  jump host of %s", strings.Join(s.UsedBy, ", "))
	}
	out("\nroute:")
	for i, h := range s.Route {
		out("  %d. %s", i+1, h.text(i))
	}
	out("\nvalues:")
	width := 0
	for _, val := range s.Values {
		width = max(width, min(len(val.Keyword)+1+len(val.Value), 48))
	}
	for _, val := range s.Values {
		out("  %-*s  %s", width, val.Keyword+" "+val.Value, v.places(val.From))
	}
}

// text is a hop in one line.
func (h shownHop) text(i int) string {
	text := fmt.Sprintf("%s: %s@%s port %d", h.Name, h.User, h.Host, h.Port)
	if h.KnownAs != h.Host {
		text += ", host key known as " + h.KnownAs
	}
	if len(h.Identities) > 0 {
		text += ", keys " + strings.Join(h.Identities, " ")
	}
	if len(h.Alternates) > 0 {
		text += ", else at " + strings.Join(h.Alternates, " ")
	}
	if h.Command != "" && i == 0 {
		text += ", by the command " + strconv.Quote(h.Command)
	}
	return text
}

func (v *verbCommand) places(from []shownPlace) string {
	var all []string
	for _, p := range from {
		if p.Flag != "" {
			all = append(all, p.Flag)
			continue
		}
		all = append(all, fmt.Sprintf("%s:%d", v.where(p.File), p.Line))
	}
	if len(all) == 0 {
		return "(default)"
	}
	return strings.Join(all, ", ")
}
