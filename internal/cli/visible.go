package cli

import (
	"strings"
	"unicode"
)

// visible makes a text fit for a terminal, whoever wrote it: control
// characters but newline and tab, and characters that change the direction of
// text, are dropped. A return stays only before a newline, since alone it lets
// a server write over our own words.
func visible(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i, r := range s {
		switch {
		case r == '\n' || r == '\t':
		case r == '\r' && strings.HasPrefix(s[i+1:], "\n"):
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == unicode.ReplacementChar:
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// below makes a text of several lines fit to be printed, indented, below what
// it is about: its other lines stand further in than the first.
func below(s string) string {
	return strings.ReplaceAll(strings.TrimSpace(visible(s)), "\n", "\n      ")
}
