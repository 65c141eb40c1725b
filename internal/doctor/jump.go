package doctor

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"sallyport/internal/route"
	"sallyport/internal/sshconfig"
)

// jumpChecks are about the ways to hosts.
var jumpChecks = []check{
	{"jump-loop", Error, "the way to the host never ends, so it cannot be reached", "end the chain with \"ProxyJump none\" in the block of its first host", findLoops},
	{"jump-undefined", Warning, "no Host block is about the jump host, and its name looks like an alias: ssh asks the name server for it, with your local user and port 22",
		"correct the name, or add a block: sally add", findUndefined},
	{"jump-command", Note, "a jump host behind a ProxyCommand is a separate login each time, which no connection of sally's shares, and its failures have no names",
		"write ProxyJump instead", findCommands},
}

func findLoops(s *setup) []Finding {
	var found []Finding
	for _, h := range s.hosts {
		if h.err == nil || s.general.err != nil {
			continue // what is wrong for every host is config-syntax's
		}
		f := Finding{Hosts: []string{h.name}, What: h.err.Error()}
		var loop *route.LoopError
		var where *sshconfig.Error
		switch {
		case errors.As(h.err, &loop):
		case errors.As(h.err, &where) && where.Line > 0:
			f.File, f.Line, f.What = where.File, where.Line, where.Msg
			f.Why, f.Fix = "the way to the host cannot be found", "correct the line"
		case errors.As(h.err, &where) && strings.Contains(where.Msg, "jumphost loop"): // ssh's word for a host that is its own
		default:
			f.Why, f.Fix = "the way to the host cannot be found", "correct its ProxyJump"
		}
		if h.resolved != nil {
			f = at(h, "proxyjump", f)
		}
		if f.File == "" {
			f = s.placeOfJump(h.name, f)
		}
		found = append(found, f)
	}
	return found
}

// placeOfJump finds the ProxyJump line of a host that could not be resolved.
func (s *setup) placeOfJump(name string, f Finding) Finding {
	for _, use := range s.files.JumpUses() {
		for _, of := range use.Of {
			if of == name {
				f.File, f.Line = use.File, use.Line
				return f
			}
		}
	}
	return f
}

func findUndefined(s *setup) []Finding {
	var found []Finding
	if s.files == nil {
		return nil
	}
	names := make([]string, 0, len(s.hosts))
	for _, b := range s.files.Hosts() {
		names = append(names, b.Name)
	}
	known := make(map[string]bool)
	knows := func(jump string) bool {
		if _, asked := known[jump]; !asked {
			known[jump] = s.files.Knows(jump)
		}
		return known[jump]
	}
	for _, use := range s.files.JumpUses() {
		for _, jump := range use.Hosts {
			if knows(jump) || strings.ContainsAny(jump, ".%") || isAddress(jump) || jump == "localhost" || jump == "none" {
				continue
			}
			f := Finding{File: use.File, Line: use.Line, Hosts: named(use.Of), What: fmt.Sprintf("jump host %q is not defined", jump)}
			if near := nearest(jump, names); near != "" {
				f.Fix = fmt.Sprintf("did you mean %s? Else add a block: sally add %s", near, jump)
			}
			found = append(found, f)
		}
	}
	return found
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

func findCommands(s *setup) []Finding {
	var found []Finding
	for _, st := range s.statements {
		if st.Keyword != "proxycommand" || st.System {
			continue
		}
		jump := sshconfig.CommandJump(strings.Join(st.Args, " "))
		if jump == "" {
			continue
		}
		found = append(found, Finding{File: st.File, Line: st.Line, Hosts: named(st.Block),
			What: "ProxyCommand runs ssh to go through " + jump, Fix: "write \"ProxyJump " + jump + "\" instead",
			Fixes: []Fix{{Op: AddLine, File: st.File, Line: st.Line, Keyword: "ProxyJump", Value: jump}, {Op: DeleteLine, File: st.File, Line: st.Line}}})
	}
	return found
}
