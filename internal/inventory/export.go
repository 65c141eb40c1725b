package inventory

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"sallyport/internal/route"
	"sallyport/internal/sshconfig"
)

// ExportFormats are what Export writes.
var ExportFormats = []string{"ansible-ini", "ansible-yaml", "csv", "json"}

// exported is a host with all that another program needs to reach it without
// our configuration.
type exported struct {
	Name       string   `json:"name"`
	HostName   string   `json:"hostname"`
	Port       int      `json:"port"`
	User       string   `json:"user"`
	Jump       []string `json:"jump"`
	Alternates []string `json:"alternates"`
	Identities []string `json:"identities"`
	Tags       []string `json:"tags"`

	Command string `json:"proxy_command,omitempty"`

	// way are the jump hosts with user, address and port.
	way []string
}

// Export writes the hosts that want picks in a format. What is written are the
// values that apply, so that it holds without the configuration. The names of
// the hosts that have no way, or one that the format cannot say, and so are not
// written, are returned.
func (v *Inventory) Export(ctx context.Context, w io.Writer, format string, want func(Host) bool) (left []string, err error) {
	hosts := []exported{}
	res := route.NewMemory(v.files)
	for _, h := range v.Hosts(ctx) {
		if !want(h) {
			continue
		}
		if h.Err != nil || (format == "csv" && h.Command != "") {
			left = append(left, h.Name)
			continue
		}
		res.Passing = h.Name
		e, err := exportHost(ctx, res, h)
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, e)
	}
	switch format {
	case "ansible-ini":
		err = writeAnsibleINI(w, hosts)
	case "ansible-yaml":
		err = writeAnsibleYAML(w, hosts)
	case "csv":
		err = writeCSV(w, hosts)
	case "json":
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		err = e.Encode(hosts)
	default:
		err = fmt.Errorf("format %q is not one of %s", format, strings.Join(ExportFormats, ", "))
	}
	return left, err
}

func exportHost(ctx context.Context, res route.Resolver, h Host) (exported, error) {
	rt, err := route.Resolve(ctx, printing{res}, sshconfig.Query{Host: h.Name})
	if err != nil {
		return exported{}, err
	}
	o := rt.Target().Options
	e := exported{
		Name: h.Name, HostName: h.HostName, Port: h.Port, User: h.User, Command: h.Command,
		Jump: orEmpty(h.Jumps), Alternates: []string{}, Tags: orEmpty(h.Tags), Identities: []string{},
	}
	for _, a := range o.Connect.Alternates {
		e.Alternates = append(e.Alternates, a.String())
	}
	if o.Auth.IdentityFilesSet {
		e.Identities = orEmpty(o.Auth.IdentityFiles)
	}
	for _, hop := range rt.Hops[:len(rt.Hops)-1] {
		e.way = append(e.way, hop.Options.User+"@"+net.JoinHostPort(hop.Options.HostName, strconv.Itoa(hop.Options.Port)))
	}
	return e, nil
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// ansibleVars are a host's variables, in order.
func (e *exported) ansibleVars() [][2]string {
	v := [][2]string{{"ansible_host", e.HostName}, {"ansible_port", strconv.Itoa(e.Port)}, {"ansible_user", e.User}}
	if len(e.Identities) > 0 {
		v = append(v, [2]string{"ansible_ssh_private_key_file", e.Identities[0]})
	}
	switch {
	case len(e.way) > 0:
		v = append(v, [2]string{"ansible_ssh_common_args", "-o ProxyJump=" + strings.Join(e.way, ",")})
	case e.Command != "":
		v = append(v, [2]string{"ansible_ssh_common_args", `-o ProxyCommand="` + escape(e.Command, `"\`) + `"`})
	}
	return v
}

// escape puts a backslash before some characters.
func escape(s, which string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune(which, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// byTag lists tags in order, each with its hosts.
func byTag(hosts []exported) (tags []string, members map[string][]string) {
	members = map[string][]string{}
	for _, h := range hosts {
		for _, t := range h.Tags {
			members[t] = append(members[t], h.Name)
		}
	}
	for t := range members {
		tags = append(tags, t)
	}
	slices.Sort(tags)
	return tags, members
}

func writeAnsibleINI(w io.Writer, hosts []exported) error {
	var b strings.Builder
	for _, h := range hosts {
		b.WriteString(h.Name)
		for _, kv := range h.ansibleVars() {
			b.WriteString(" " + kv[0] + "=" + iniQuote(kv[1]))
		}
		b.WriteByte('\n')
	}
	tags, members := byTag(hosts)
	for _, t := range tags {
		fmt.Fprintf(&b, "\n[%s]\n%s\n", t, strings.Join(members[t], "\n"))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// iniQuote quotes a value as Ansible's shell-like splitting reads it.
func iniQuote(s string) string {
	if s != "" && !strings.ContainsAny(s, " \t'\"\\#;=") {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'"
}

func writeAnsibleYAML(w io.Writer, hosts []exported) error {
	list := &yaml.Node{Kind: yaml.MappingNode}
	for _, h := range hosts {
		host := &yaml.Node{Kind: yaml.MappingNode}
		for _, kv := range h.ansibleVars() {
			value := text(kv[1])
			if kv[0] == "ansible_port" {
				value = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: kv[1]}
			}
			host.Content = append(host.Content, text(kv[0]), value)
		}
		list.Content = append(list.Content, text(h.Name), host)
	}
	all := &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{text("hosts"), list}}
	tags, members := byTag(hosts)
	if len(tags) > 0 {
		children := &yaml.Node{Kind: yaml.MappingNode}
		for _, t := range tags {
			in := &yaml.Node{Kind: yaml.MappingNode}
			for _, name := range members[t] {
				in.Content = append(in.Content, text(name), &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle})
			}
			group := &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{text("hosts"), in}}
			children.Content = append(children.Content, text(t), group)
		}
		all.Content = append(all.Content, text("children"), children)
	}
	e := yaml.NewEncoder(w)
	e.SetIndent(2)
	if err := e.Encode(&yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{text("all"), all}}); err != nil {
		return err
	}
	return e.Close()
}

// text is a string, quoted where it would be read as something else.
func text(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	return n
}

func writeCSV(w io.Writer, hosts []exported) error {
	c := csv.NewWriter(w)
	_ = c.Write([]string{"name", "hostname", "port", "user", "jump", "alternates", "identities", "tags"})
	for _, h := range hosts {
		_ = c.Write([]string{
			h.Name, h.HostName, strconv.Itoa(h.Port), h.User, strings.Join(h.Jump, ","),
			strings.Join(h.Alternates, ";"), strings.Join(h.Identities, ";"), strings.Join(h.Tags, ","),
		})
	}
	c.Flush()
	return c.Error()
}
