package sshconfig

import (
	"slices"
	"strings"
)

// Statement is one line of a configuration that says something, whatever host
// it is for.
type Statement struct {
	Origin
	// Keyword is the keyword's name as "ssh -G" prints it, "" for one that is
	// not known; Key is as written.
	Keyword, Key string
	// Args is the value in words.
	Args []string
	// Block are the patterns of the Host line above or of this one, or the
	// condition of a Match line in one piece; nil for every host.
	Block []string
	// System is set for the system's file and what it includes.
	System bool
	// Obsolete is set for a keyword that OpenSSH ignores today, AddsUp for one
	// of which several lines count.
	Obsolete, AddsUp bool
	// Ignored is set for an unknown keyword that IgnoreUnknown names.
	Ignored bool
}

// Statements lists all lines, in the order in which they are read. Included
// files are followed when their names have no tokens; what cannot be read is
// left out.
func (f *Files) Statements() []Statement {
	var all []Statement
	ignored := strings.Join(f.IgnoredUnknown(), ",")
	f.statements(func(s *seenLine) {
		args, _ := splitArgs(strings.TrimLeft(s.rest, whitespace+"="), nil)
		st := Statement{
			Origin: Origin{File: s.file, Line: int(s.number)}, Key: s.key, Args: args, Block: slices.Clone(s.block),
			System: s.giver == giverSystem, AddsUp: s.kw.addsUp(),
		}
		switch kind := keywordTable[s.kw].kind; {
		case s.kw == noKeyword:
			st.Ignored = matchList(lowerASCII(s.key), ignored, true) == matched
		case kind == kindIgnore, kind == kindDeprecated, kind == kindUnsupported:
			st.Keyword, st.Obsolete = lowerASCII(s.key), true
		default:
			st.Keyword = s.kw.name()
		}
		all = append(all, st)
	})
	return all
}

// EveryHost reports whether the line is for every host.
func (s *Statement) EveryHost() bool { return everyHost(s.Block) }

// Several reports whether the line may be for more than one host.
func (s *Statement) Several() bool {
	return len(s.Block) != 1 || isPattern(s.Block[0]) || strings.HasPrefix(s.Block[0], "Match ")
}

// UserFile is the file that the user's configuration begins with.
func (f *Files) UserFile() string {
	for _, r := range f.roots {
		if r.giver == giverUser {
			return r.name
		}
	}
	return ""
}

// SystemFile is the system's file, "" when it is not read.
func (f *Files) SystemFile() string {
	for _, r := range f.roots {
		if r.giver == giverSystem {
			return r.name
		}
	}
	return ""
}

// SetLine gives the statement on a line, counted from 1, another value. It
// reports whether there is such a statement.
func (d *Document) SetLine(number int, value string) bool {
	i := number - 1
	if i < 0 || i >= len(d.lines) || d.lines[i].key == "" {
		return false
	}
	d.lines[i].replaceValue(value)
	return true
}

// AddLine puts a statement behind a line, counted from 1, in the manner of its
// block. It reports whether there is such a line.
func (d *Document) AddLine(number int, keyword, value string) bool {
	i := number - 1
	if i < 0 || i >= len(d.lines) {
		return false
	}
	d.insert(i+1, d.newLine(d.blockAt(i), keyword, value))
	return true
}

// DeleteLine takes a line away, counted from 1. It reports whether there is
// such a line.
func (d *Document) DeleteLine(number int) bool {
	i := number - 1
	if i < 0 || i >= len(d.lines) {
		return false
	}
	d.delete(i, i+1)
	return true
}

// Included lists the files that Include lines name and that exist, also those
// that may not be used.
func (f *Files) Included() []string {
	var all []string
	f.statements(func(s *seenLine) {
		if s.kw != kwInclude {
			return
		}
		words, _ := splitArgs(s.rest, nil)
		for _, w := range words {
			for _, name := range f.included(w, s.giver) {
				if !slices.Contains(all, name) {
					all = append(all, name)
				}
			}
		}
	})
	return all
}
