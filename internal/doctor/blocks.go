package doctor

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/internal/sshconfig"
)

// blockChecks are about lines that do not do what they seem to.
var blockChecks = []check{
	{"shadowed", Warning, "ssh takes the first value that it finds for a host, and blocks for all hosts belong to the end of the file",
		"move the line, or its block, before the one that wins; or take it out", findShadowed},
}

// findShadowed looks for lines of a host's own block whose keyword an earlier
// line has set already.
func findShadowed(s *setup) []Finding {
	var found []Finding
	for _, st := range s.statements {
		if !decides(st) {
			continue
		}
		for _, name := range named(st.Block) {
			h := s.byName[name]
			if h == nil || h.resolved == nil {
				continue
			}
			if winner, ok := winnerOver(s, st, h); ok {
				found = append(found, Finding{File: st.File, Line: st.Line, Hosts: []string{name},
					What: fmt.Sprintf("%s %s has no effect: %s comes first", st.Key, strings.Join(st.Args, " "), winner)})
			}
		}
	}
	return found
}

// decides tells the statements of which only the first counts.
func decides(st sshconfig.Statement) bool {
	switch st.Keyword {
	case "", "host", "match", "include", "ignoreunknown":
		return false
	}
	return !st.AddsUp && !st.Obsolete && !st.System && len(st.Args) > 0
}

// winnerOver describes the line that sets a statement's keyword for a host
// before it; ok is false when the statement wins, or both say the same.
func winnerOver(s *setup, st sshconfig.Statement, h *host) (string, bool) {
	from, ok := h.resolved.Origin(st.Keyword)
	other := st.Keyword
	if !ok && (other == "proxyjump" || other == "proxycommand") { // the first of the two wins
		other = map[string]string{"proxyjump": "proxycommand", "proxycommand": "proxyjump"}[other]
		from, ok = h.resolved.Origin(other)
	}
	if !ok || from.Line == 0 || (from.File == st.File && from.Line == st.Line) {
		return "", false
	}
	i := slices.IndexFunc(s.statements, func(w sshconfig.Statement) bool { return w.File == from.File && w.Line == from.Line })
	if i < 0 || (other == st.Keyword && slices.Equal(s.statements[i].Args, st.Args)) {
		return "", false
	}
	w := s.statements[i]
	if isGiven(s, from, st) {
		return fmt.Sprintf("%s %s on line %d (%s)", w.Key, strings.Join(w.Args, " "), w.Line, blockName(w.Block)), true
	}
	return "", false
}

// isGiven reports whether one line is read before another, and so wins over it.
func isGiven(s *setup, first sshconfig.Origin, st sshconfig.Statement) bool {
	for _, w := range s.statements {
		switch {
		case w.File == first.File && w.Line == first.Line:
			return true
		case w.File == st.File && w.Line == st.Line:
			return false
		}
	}
	return false
}

// blockName is how a block's first line reads.
func blockName(block []string) string {
	switch {
	case len(block) == 0:
		return "before every Host"
	case strings.HasPrefix(block[0], "Match "):
		return block[0]
	}
	return "Host " + strings.Join(block, " ")
}
