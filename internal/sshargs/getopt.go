package sshargs

import (
	"slices"
	"strings"
)

// scanner walks a command line as the getopt of OpenSSH's portable build does:
// flags may be bundled, a value is attached or the next word, and scanning
// stops at the first word that is no option, at "-" and after "--".
type scanner struct {
	args []string
	next int    // the word to be read next
	rest string // the unread part of a bundle
}

// flag returns the next flag and its value; ok is false at the end of the
// options.
func (s *scanner) flag() (f *flag, value string, ok bool, err error) {
	if s.rest == "" && !s.startWord() {
		return nil, "", false, nil
	}
	letter := s.rest[0]
	s.rest = s.rest[1:]
	f = lookup(letter)
	if f == nil {
		return nil, "", false, failUsage("unknown option -- " + printable(letter))
	}
	if f.arg == "" {
		return f, "", true, nil
	}
	if s.rest != "" {
		value, s.rest = s.rest, ""
		return f, value, true, nil
	}
	if s.next >= len(s.args) {
		return f, "", false, failUsage("option requires an argument -- " + string(letter))
	}
	s.next++
	return f, s.args[s.next-1], true, nil
}

// CutLong takes a long option, of which ssh(1) has none, out of the flags
// before the destination.
func CutLong(args []string, option string) (rest []string, found bool) {
	s := &scanner{args: args}
	for {
		if s.rest == "" && s.next < len(args) && args[s.next] == option {
			return append(args[:s.next:s.next], args[s.next+1:]...), true
		}
		if _, _, ok, err := s.flag(); !ok || err != nil {
			return args, false
		}
	}
}

// CutLongValue is CutLong for an option with a value, its own word or behind
// "=".
func CutLongValue(args []string, option string) (rest []string, value string, found bool, err error) {
	s := &scanner{args: args}
	for {
		if s.rest == "" && s.next < len(args) {
			at := s.next
			if word, is := strings.CutPrefix(args[at], option+"="); is {
				return append(args[:at:at], args[at+1:]...), word, true, nil
			}
			if args[at] == option {
				if at+1 == len(args) {
					return args, "", true, failUsage("option requires an argument -- " + option[2:])
				}
				return append(args[:at:at], args[at+2:]...), args[at+1], true, nil
			}
		}
		if _, _, ok, err := s.flag(); !ok || err != nil {
			return args, "", false, nil
		}
	}
}

// LongValued are the long options whose value is the next word.
var LongValued = []string{"--resume"}

// Operand finds the first word that is neither a flag nor a flag's argument:
// the destination, or what stands in its place; -1 when there is none. Long
// options, of which ssh(1) has none, are stepped over.
func Operand(args []string) int {
	s := &scanner{args: args}
	for {
		if s.long() != "" {
			continue
		}
		if _, _, ok, err := s.flag(); err != nil {
			return -1
		} else if !ok {
			break
		}
	}
	if s.next >= len(args) {
		return -1
	}
	return s.next
}

// HasLong reports whether a long option without a value is among the flags
// before the destination, and not a flag's value.
func HasLong(args []string, option string) bool {
	s := &scanner{args: args}
	for {
		switch s.long() {
		case option:
			return true
		case "":
			if _, _, ok, err := s.flag(); !ok || err != nil {
				return false
			}
		}
	}
}

// long steps over a long option, and its value if that is the next word; "" is
// none.
func (s *scanner) long() string {
	if s.rest != "" || s.next >= len(s.args) || len(s.args[s.next]) <= 2 || s.args[s.next][:2] != "--" {
		return ""
	}
	option := s.args[s.next]
	s.next++
	if slices.Contains(LongValued, option) && s.next < len(s.args) {
		s.next++
	}
	return option
}

// startWord takes the next word when it holds flags, and steps over a "--".
func (s *scanner) startWord() bool {
	if s.next >= len(s.args) {
		return false
	}
	word := s.args[s.next]
	if len(word) < 2 || word[0] != '-' {
		return false
	}
	s.next++
	if word == "--" {
		return false
	}
	s.rest = word[1:]
	return true
}

// terminated tells whether the word before the first operand is "--". Like
// ssh, it looks at the word alone: in "-l -- host" the "--" is a value, and
// still ends the options.
func (s *scanner) terminated() bool {
	return s.next > 0 && s.args[s.next-1] == "--"
}

// operands are the words that were not read.
func (s *scanner) operands() []string { return s.args[s.next:] }

func printable(c byte) string {
	if c < 0x20 || c >= 0x7f {
		return "?"
	}
	return string(rune(c))
}
