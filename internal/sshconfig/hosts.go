package sshconfig

import (
	"path/filepath"
	"slices"
	"strings"
)

// HostBlock is a name that a Host line gives literally.
type HostBlock struct {
	Name string
	File string
	Line int
	// System is set when the system's file gives the name, or one that it
	// includes.
	System bool
}

// Hosts lists the names that Host lines give without wildcards or negation, in
// the order of the files; the first line of a name counts. Included files
// are followed when their names have no tokens. It is meant for completion
// and listings, and leaves out what it cannot read.
func (f *Files) Hosts() []HostBlock {
	var blocks []HostBlock
	seen := make(map[string]bool)
	f.statements(func(s *seenLine) {
		if s.kw != kwHost {
			return
		}
		for _, name := range s.block {
			if name == "" || name[0] == '!' || strings.ContainsAny(name, "*?") || seen[name] {
				continue
			}
			seen[name] = true
			blocks = append(blocks, HostBlock{name, s.file, int(s.number), s.giver == giverSystem})
		}
	})
	return blocks
}

// seenLine is a line on a walk through the files.
type seenLine struct {
	*line
	file  string
	giver giver
	// block are the patterns of the Host line above or of this one, or the
	// condition of a Match line in one piece; nil at the top of a file.
	block []string
}

// statements walks through all lines, whatever host they are for. Included
// files are followed when their names have no tokens; what cannot be read is
// left out.
func (f *Files) statements(visit func(*seenLine)) {
	for _, r := range f.roots {
		f.walk(r.file, r.giver, nil, 0, visit)
	}
}

func (f *Files) walk(one *file, giver giver, block []string, depth int, visit func(*seenLine)) {
	if depth > maxDepth {
		return
	}
	for i := range one.lines {
		l := &one.lines[i]
		switch l.kw {
		case kwHost:
			block, _ = splitArgs(l.rest, nil)
		case kwMatch:
			block = []string{"Match " + l.rest}
		}
		visit(&seenLine{l, one.name, giver, block})
		if l.kw != kwInclude {
			continue
		}
		names, _ := splitArgs(l.rest, nil)
		for _, name := range names {
			for _, path := range f.included(name, giver) {
				if next, err := f.include(path); err == nil && next != nil {
					f.walk(next, giver, block, depth+1, visit)
				}
			}
		}
	}
}

// included lists the files that a word of Include names.
func (f *Files) included(word string, giver giver) []string {
	path, err := f.env.includePath(word, giver, nil)
	if err != nil {
		return nil
	}
	return f.expandGlob(path)
}

// JumpUse is a line that names jump hosts.
type JumpUse struct {
	File string
	Line int
	// Of are the patterns of the hosts that jump, one "Match …" for those of a
	// Match line, none for every host.
	Of []string
	// Hosts are the jump hosts, without user and port.
	Hosts []string
}

// JumpUses lists the lines that send hosts through others: ProxyJump,
// AlternateProxyJump, and "ssh -W" as ProxyCommand.
func (f *Files) JumpUses() []JumpUse {
	var uses []JumpUse
	f.statements(func(s *seenLine) {
		var hosts []string
		switch s.kw {
		case kwProxyJump:
			hosts = f.jumpHosts(strings.TrimLeft(s.rest, whitespace+"="))
		case kwAlternateProxyJump:
			args, _ := splitArgs(s.rest, nil)
			for _, a := range args {
				hosts = append(hosts, f.jumpHosts(a)...)
			}
		case kwProxyCommand:
			hosts = f.jumpHosts(CommandJump(s.rest))
		}
		if len(hosts) > 0 {
			uses = append(uses, JumpUse{s.file, int(s.number), s.block, hosts})
		}
	})
	return uses
}

func (f *Files) jumpHosts(spec string) []string {
	hops, err := ParseJump(spec, f.env)
	if err != nil {
		return nil
	}
	var hosts []string
	for _, h := range hops {
		hosts = append(hosts, h.Host)
	}
	return hosts
}

// CommandJump is the ProxyJump that a ProxyCommand like "ssh -W %h:%p bastion"
// amounts to, "" for another command.
func CommandJump(command string) string {
	words, ok := splitArgs(strings.TrimLeft(command, whitespace+"="), nil)
	if len(words) > 0 && words[0] == "exec" {
		words = words[1:]
	}
	if !ok || len(words) < 4 || filepath.Base(words[0]) != "ssh" {
		return ""
	}
	var user, port, host string
	forwards := false
	for i := 1; i < len(words); i++ {
		w := words[i]
		value := func() string { // of a flag: its rest, or the next word
			if len(w) > 2 {
				return w[2:]
			}
			if i++; i < len(words) {
				return words[i]
			}
			return ""
		}
		switch {
		case strings.HasPrefix(w, "-W"):
			forwards = value() == "%h:%p"
		case strings.HasPrefix(w, "-l"):
			user = value() + "@"
		case strings.HasPrefix(w, "-p"):
			port = ":" + value()
		case strings.HasPrefix(w, "-q"), strings.HasPrefix(w, "-x"), strings.HasPrefix(w, "-T"), strings.HasPrefix(w, "-a"):
			if len(w) > 2 {
				return ""
			}
		case strings.HasPrefix(w, "-") || host != "":
			return ""
		default:
			host = w
		}
	}
	if !forwards || host == "" || (user != "" && strings.Contains(host, "@")) {
		return ""
	}
	return user + host + port
}

// IgnoredUnknown lists the patterns of every IgnoreUnknown line.
func (f *Files) IgnoredUnknown() []string {
	var patterns []string
	f.statements(func(s *seenLine) {
		if s.kw != kwIgnoreUnknown {
			return
		}
		args, _ := splitArgs(s.rest, nil)
		for _, a := range args {
			for p := range strings.SplitSeq(a, ",") {
				if p != "" && !slices.Contains(patterns, p) {
					patterns = append(patterns, p)
				}
			}
		}
	})
	return patterns
}

// OwnKeywords are Sallyport's own, as they are written, which OpenSSH takes for
// mistakes unless IgnoreUnknown names them.
func OwnKeywords() []string {
	var names []string
	for kw := kwAlternateAddress; kw < numKeywords; kw++ {
		names = append(names, ownSpelling[kw])
	}
	return names
}

// ownSpelling is how Sallyport's keywords are written.
var ownSpelling = map[keyword]string{
	kwAlternateAddress: "AlternateAddress", kwAlternateProxyJump: "AlternateProxyJump",
	kwAlternatePolicy: "AlternatePolicy", kwControlMaxAge: "ControlMaxAge",
	kwPasswordCommand: "PasswordCommand", kwOTPCommand: "OTPCommand", kwTags: "Tags",
	kwRememberHost: "RememberHost", kwResumeWith: "ResumeWith",
}

// Bare is a line that ssh would stop at.
type Bare struct {
	Origin
	Keyword string // as written
}

// Unshielded lists the lines with a keyword that OpenSSH takes for a mistake,
// because the first IgnoreUnknown for every host does not name it, or comes
// later.
func (f *Files) Unshielded() []Bare {
	var bare []Bare
	ignored, set := "", false
	f.statements(func(s *seenLine) {
		switch {
		case s.kw == kwIgnoreUnknown && !set && everyHost(s.block):
			if args, ok := splitArgs(s.rest, nil); ok && len(args) > 0 {
				ignored, set = args[0], true
			}
		case s.kw >= kwAlternateAddress && matchList(s.kw.name(), ignored, true) != matched:
			bare = append(bare, Bare{Origin{File: s.file, Line: int(s.number)}, s.key})
		}
	})
	return bare
}

// everyHost tells the blocks whose lines are for every host.
func everyHost(block []string) bool {
	return len(block) == 0 || (len(block) == 1 && (block[0] == "*" || strings.EqualFold(strings.TrimSpace(block[0]), "Match all")))
}

// Naming lists every Host line that gives a name literally.
func (f *Files) Naming(name string) []HostBlock {
	var lines []HostBlock
	f.statements(func(s *seenLine) {
		if s.kw == kwHost && slices.Contains(s.block, name) {
			lines = append(lines, HostBlock{name, s.file, int(s.number), s.giver == giverSystem})
		}
	})
	return lines
}

// Knows reports whether a Host line is about a host: literally, or by a
// pattern that says more than that it matches everything.
func (f *Files) Knows(host string) bool {
	known := false
	f.statements(func(s *seenLine) {
		if s.kw != kwHost || known {
			return
		}
		for _, p := range s.block {
			negated := strings.HasPrefix(p, "!")
			if matchPattern(host, strings.TrimPrefix(p, "!")) {
				known = !negated && (known || strings.Trim(p, "*?.") != "")
				if negated {
					return
				}
			}
		}
	})
	return known
}

// Reads reports whether every host's configuration has a file in it: one of
// those that Load names, or one that these include outside of Host and Match.
func (f *Files) Reads(name string) bool {
	if slices.ContainsFunc(f.roots, func(r root) bool { return r.name == name }) {
		return true
	}
	found := false
	f.statements(func(s *seenLine) {
		if s.kw != kwInclude || !everyHost(s.block) || found {
			return
		}
		words, _ := splitArgs(s.rest, nil)
		for _, w := range words {
			path, err := f.env.includePath(w, s.giver, nil)
			if matches, bad := filepath.Match(path, name); err == nil && (path == name || (bad == nil && matches)) {
				found = true
			}
		}
	})
	return found
}

// Gives reports whether a line is in a block whose Host line gives a name
// literally.
func (f *Files) Gives(where Origin, name string) bool {
	gives := false
	f.statements(func(s *seenLine) {
		if s.file == where.File && int(s.number) == where.Line {
			gives = gives || slices.Contains(s.block, name)
		}
	})
	return gives
}
