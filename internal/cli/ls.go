package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/internal/api"
	"sallyport/internal/inventory"
	"sallyport/internal/sshconfig"
)

func (v *verbCommand) ls() *cobra.Command {
	var tags []string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "ls [--tag TAG]… [--json]", Short: "list the hosts of the configuration as a tree by jump host",
		Long: `ls lists the names that Host lines give, each under the host that it jumps
through, with what is connected now. "Match exec" commands are not run, and no
name is looked up.`,
		Example: "  sally ls --tag prod\n  sally ls --json | jq -r '.[].name'", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return v.failed(v.list(cmd.Context(), tags, asJSON))
		},
	}
	cmd.Flags().StringArrayVar(&tags, "tag", nil, "only hosts with this `tag`; given again, hosts with all of them")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	_ = cmd.RegisterFlagCompletionFunc("tag", v.completeTags)
	return cmd
}

// completeTags offers the tags there are.
func (v *verbCommand) completeTags(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	inv, err := v.loadInventory()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var tags []string
	for _, h := range inv.Hosts(cmd.Context()) {
		tags = append(tags, h.Tags...)
	}
	slices.Sort(tags)
	return slices.Compact(tags), cobra.ShellCompDirectiveNoFileComp
}

// listedHost is a host as "ls --json" prints it.
type listedHost struct {
	Name    string   `json:"name"`
	Host    string   `json:"hostname,omitempty"`
	Port    int      `json:"port,omitempty"`
	User    string   `json:"user,omitempty"`
	Route   []string `json:"route"` // the host itself comes last
	Command string   `json:"proxy_command,omitempty"`
	Tags    []string `json:"tags"`
	File    string   `json:"file"`
	Line    int      `json:"line"`
	// State is that of the connection now, "" for none.
	State string `json:"state,omitempty"`
	Error string `json:"error,omitempty"`
}

func (v *verbCommand) list(ctx context.Context, tags []string, asJSON bool) error {
	inv, err := v.loadInventory()
	if err != nil {
		return err
	}
	states := v.liveStates(ctx)
	hosts := []listedHost{}
	var bad *sshconfig.BadLines // it is every host's, and said once
	for _, h := range inv.Hosts(ctx) {
		if errors.As(h.Err, &bad) && !asJSON {
			h.Err = nil
		}
		if hasTags(h, tags) {
			hosts = append(hosts, describeHost(h, states))
		}
	}
	switch {
	case asJSON:
		err = printJSON(v.out, hosts)
	case len(hosts) == 0:
		fmt.Fprintln(v.out, "no hosts")
	default:
		v.printHostTree(hosts)
	}
	if bad != nil {
		return bad
	}
	return err
}

func printJSON(w io.Writer, what any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(what)
}

func hasTags(h inventory.Host, tags []string) bool {
	return !slices.ContainsFunc(tags, func(t string) bool { return !slices.Contains(h.Tags, t) })
}

func describeHost(h inventory.Host, states map[string]string) listedHost {
	l := listedHost{
		Name: h.Name, Host: h.HostName, Port: h.Port, User: h.User, Command: h.Command, Tags: h.Tags,
		Route: append(h.Jumps[:len(h.Jumps):len(h.Jumps)], h.Name), File: h.File, Line: h.Line,
	}
	if l.Tags == nil {
		l.Tags = []string{}
	}
	if h.Err != nil {
		l.Error = h.Err.Error()
	}
	l.State = states[pathKey(l.Route)]
	return l
}

// liveStates are the states of the connections by their route; none without a
// daemon.
func (v *verbCommand) liveStates(ctx context.Context) map[string]string {
	states := map[string]string{}
	result, err := v.tell(ctx, &api.Request{Op: api.OpStatus})
	if err != nil {
		return states
	}
	for _, m := range result.Status.Masters {
		states[pathKey(m.Route)] = m.State
	}
	return states
}

func pathKey(names []string) string { return strings.Join(names, "\x00") }

// hostNode is a host of the tree, or a jump host that no Host line names.
type hostNode struct {
	name     string
	host     *listedHost
	children []*hostNode
	below    map[string]*hostNode
}

func (n *hostNode) child(name string) *hostNode {
	if c, ok := n.below[name]; ok {
		return c
	}
	c := &hostNode{name: name}
	if n.below == nil {
		n.below = map[string]*hostNode{}
	}
	n.below[name] = c
	n.children = append(n.children, c)
	return c
}

// printHostTree draws the hosts, each under the one that it jumps through.
func (v *verbCommand) printHostTree(hosts []listedHost) {
	root := &hostNode{}
	for i := range hosts {
		n := root
		for _, name := range hosts[i].Route {
			n = n.child(name)
		}
		n.host = &hosts[i]
	}
	for _, n := range root.children {
		fmt.Fprintln(v.out, visible(describeNode(n)))
		v.printHostsBelow(n, "")
	}
}

func (v *verbCommand) printHostsBelow(n *hostNode, indent string) {
	for i, c := range n.children {
		branch, below := "├─ ", "│  "
		if i == len(n.children)-1 {
			branch, below = "└─ ", "   "
		}
		fmt.Fprintln(v.out, indent+branch+visible(describeNode(c)))
		v.printHostsBelow(c, indent+below)
	}
}

func describeNode(n *hostNode) string {
	h := n.host
	if h == nil {
		return n.name
	}
	text := n.name
	if h.Host != "" {
		text += fmt.Sprintf(" (%s@%s)", h.User, net.JoinHostPort(h.Host, strconv.Itoa(h.Port)))
	}
	if len(h.Tags) > 0 {
		text += " [" + strings.Join(h.Tags, " ") + "]"
	}
	if h.Command != "" {
		text += " by a ProxyCommand"
	}
	if h.State != "" {
		text += ", " + h.State
	}
	if h.Error != "" {
		text += ": " + h.Error
	}
	return text
}
