package inventory

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sallyport/internal/sshconfig"
)

// vars are an Ansible host's or group's variables, as text.
type vars map[string]string

// ansibleGroup is a group of an inventory.
type ansibleGroup struct {
	hosts    []string
	children []string
	vars     vars
}

// ansible is an inventory: its hosts in order, with their own variables.
type ansible struct {
	order  []string
	hosts  map[string]vars
	groups map[string]*ansibleGroup
	names  []string // of groups, in order
}

func newAnsible() *ansible {
	return &ansible{hosts: map[string]vars{}, groups: map[string]*ansibleGroup{}}
}

func (a *ansible) group(name string) *ansibleGroup {
	g, ok := a.groups[name]
	if !ok {
		g = &ansibleGroup{vars: vars{}}
		a.groups[name] = g
		a.names = append(a.names, name)
	}
	return g
}

func (a *ansible) host(name string) vars {
	v, ok := a.hosts[name]
	if !ok {
		v = vars{}
		a.hosts[name] = v
		a.order = append(a.order, name)
	}
	return v
}

// member puts a host into a group.
func (a *ansible) member(group, host string) vars {
	v := a.host(host)
	if g := a.group(group); !slices.Contains(g.hosts, host) {
		g.hosts = append(g.hosts, host)
	}
	return v
}

// groupsOf lists the groups of a host with those around them, farthest first,
// as their variables come: a group's own hosts override those of its parents.
func (a *ansible) groupsOf(host string) []string {
	depth := map[string]int{}
	var visit func(group string, d int)
	visit = func(group string, d int) {
		if d > len(a.names) || depth[group] >= d { // a loop of groups ends here
			return
		}
		depth[group] = d
		for _, parent := range a.names {
			if slices.Contains(a.groups[parent].children, group) {
				visit(parent, d+1)
			}
		}
	}
	for _, name := range a.names {
		if slices.Contains(a.groups[name].hosts, host) {
			visit(name, 1)
		}
	}
	var groups []string
	for _, name := range a.names {
		if depth[name] > 0 {
			groups = append(groups, name)
		}
	}
	slices.SortStableFunc(groups, func(x, y string) int { return depth[y] - depth[x] })
	return groups
}

// foreign turns the inventory into hosts.
func (a *ansible) foreign() []Foreign {
	var hosts []Foreign
	for _, name := range a.order {
		all := vars{}
		if g, ok := a.groups["all"]; ok {
			copyVars(all, g.vars)
		}
		var tags []string
		for _, g := range a.groupsOf(name) {
			copyVars(all, a.groups[g].vars)
			if g != "all" && g != "ungrouped" {
				tags = append(tags, g)
			}
		}
		slices.Sort(tags)
		copyVars(all, a.hosts[name])
		hosts = append(hosts, all.foreign(name, tags))
	}
	return hosts
}

func copyVars(to, from vars) {
	for k, v := range from {
		to[k] = v
	}
}

// first is the value of the first variable that is set.
func (v vars) first(names ...string) string {
	for _, n := range names {
		if s := strings.TrimSpace(v[n]); s != "" {
			return s
		}
	}
	return ""
}

// usedVars are the variables that say how a host is reached; a template in one
// of them means that we do not know.
var usedVars = []string{
	"ansible_host", "ansible_ssh_host", "ansible_port", "ansible_ssh_port", "ansible_user", "ansible_ssh_user",
	"ansible_ssh_private_key_file", "ansible_private_key_file", "ansible_connection",
	"ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args",
}

// foreign makes a host of its variables.
func (v vars) foreign(name string, tags []string) Foreign {
	f := Foreign{Name: name}
	f.Entry.Tags = tags
	for _, used := range usedVars {
		if strings.Contains(v[used], "{{") {
			f.Err = fmt.Errorf("%s is a template, %q", used, v[used])
			return f
		}
	}
	if kind := v.first("ansible_connection"); kind != "" && kind != "ssh" && kind != "smart" && kind != "paramiko" {
		f.Err = fmt.Errorf("it is not reached by ssh: ansible_connection is %s", kind)
		return f
	}
	f.Entry.HostName = v.first("ansible_host", "ansible_ssh_host")
	f.Entry.User = v.first("ansible_user", "ansible_ssh_user")
	if key := v.first("ansible_ssh_private_key_file", "ansible_private_key_file"); key != "" {
		f.Entry.Identities = []string{key}
	}
	if port := v.first("ansible_port", "ansible_ssh_port"); port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			f.Err = fmt.Errorf("%q is no port", port)
			return f
		}
		f.Entry.Port = int(n)
	}
	for _, secret := range []string{"ansible_password", "ansible_ssh_pass", "ansible_ssh_password", "ansible_become_password", "ansible_become_pass"} {
		if v[secret] != "" {
			f.note("%s was left out: passwords are not kept in a configuration", secret)
		}
	}
	for _, args := range []string{"ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args"} {
		if err := f.sshArgs(v[args]); err != nil && f.Err == nil {
			f.Err = fmt.Errorf("%s: %w", args, err)
		}
	}
	return f
}

// sshArgs takes over flags of ssh.
func (f *Foreign) sshArgs(args string) error {
	words, ok := shellWords(args)
	if !ok {
		return errors.New("a quote is not closed")
	}
	for i := 0; i < len(words); i++ {
		w := words[i]
		if len(w) < 2 || w[0] != '-' {
			return fmt.Errorf("%q is no flag", w)
		}
		value := w[2:]
		if value == "" && strings.ContainsRune("oJilpF", rune(w[1])) {
			if i++; i == len(words) {
				return fmt.Errorf("%s needs a value", w)
			}
			value = words[i]
		}
		switch w[1] {
		case 'J':
			f.Entry.Jump = strings.Split(value, ",")
		case 'o':
			if err := f.sshOption(value); err != nil {
				return err
			}
		case 'i':
			f.Entry.Identities = append(f.Entry.Identities, value)
		case 'l':
			f.Entry.User = value
		default:
			f.note("the flag %s of ssh was left out", w)
		}
	}
	return nil
}

// leftOut are options that Ansible users set for Ansible's sake, and that would
// weaken or break every other use of the host.
var leftOut = map[string]bool{
	"stricthostkeychecking": true, "userknownhostsfile": true, "controlmaster": true, "controlpersist": true,
	"controlpath": true, "loglevel": true, "batchmode": true,
}

// sshOption takes over an option of "ssh -o".
func (f *Foreign) sshOption(text string) error {
	o := sshconfig.ParseOverride(text, "")
	switch key := strings.ToLower(o.Keyword); {
	case key == "" || o.Value == "":
		return fmt.Errorf("%q is no option", text)
	case key == "proxyjump":
		f.Entry.Jump = strings.Split(o.Value, ",")
	case key == "proxycommand":
		command := o.Value
		if words, ok := shellWords(command); ok && len(words) == 1 {
			command = words[0] // quoted once more
		}
		if jump := sshconfig.CommandJump(command); jump != "" {
			f.Entry.Jump = []string{jump}
			return nil
		}
		f.Settings = append(f.Settings, sshconfig.Setting{Keyword: "ProxyCommand", Values: []string{command}})
	case leftOut[key]:
		f.note("%s was left out", o.Keyword)
	default:
		f.Settings = append(f.Settings, sshconfig.Setting{Keyword: o.Keyword, Values: []string{o.Value}})
	}
	return nil
}

// shellWords splits as a shell does without expansions.
func shellWords(s string) (words []string, ok bool) {
	var b strings.Builder
	quote, inWord := rune(0), false
	escaped := false
	for _, r := range s {
		switch {
		case escaped:
			b.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, inWord = true, true
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				b.WriteRune(r)
			}
		case r == '"' || r == '\'':
			quote, inWord = r, true
		case r == ' ' || r == '\t' || r == '\n':
			if inWord {
				words = append(words, b.String())
				b.Reset()
			}
			inWord = false
		default:
			b.WriteRune(r)
			inWord = true
		}
	}
	if inWord {
		words = append(words, b.String())
	}
	return words, quote == 0 && !escaped
}
