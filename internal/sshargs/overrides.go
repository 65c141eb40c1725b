package sshargs

import (
	"strings"

	"sallyport/internal/sshconfig"
)

// overrides collects keywords in the order in which they take precedence.
// Most flags store their value whatever was there before; "-o" and a few
// flags store it only when the keyword has none yet. As the first value of a
// keyword wins, the former go to the front, one for each keyword.
type overrides struct {
	forced, offered []sshconfig.Override
}

// force makes value the keyword's value. It is quoted as needed.
func (o *overrides) force(keyword, value, from string) {
	v := sshconfig.Override{Keyword: keyword, Value: sshconfig.Quote(value), From: from}
	for i := range o.forced {
		if o.forced[i].Keyword == keyword {
			o.forced[i] = v
			return
		}
	}
	o.forced = append(o.forced, v)
}

// offer sets the keyword if it has no value yet, or adds to a keyword that
// accumulates. raw is already spelt as in a configuration file.
func (o *overrides) offer(keyword, raw, from string) {
	o.offered = append(o.offered, sshconfig.Override{Keyword: keyword, Value: raw, From: from})
}

func (o *overrides) list() []sshconfig.Override {
	return append(o.forced, o.offered...)
}

// value is the first value of a keyword (in lower case) so far, unquoted.
func (o *overrides) value(keyword string) (string, bool) {
	for _, list := range [][]sshconfig.Override{o.forced, o.offered} {
		for _, v := range list {
			if equalFold(v.Keyword, keyword) {
				return unquote(v.Value), true
			}
		}
	}
	return "", false
}

func equalFold(a, b string) bool { return strings.EqualFold(a, b) }

const blanks = " \t\r\n\f\v"

// unquote gives the first argument of a configuration line's value.
func unquote(s string) string {
	var out strings.Builder
	var open byte
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s) && (strings.IndexByte(`"'\`, s[i+1]) >= 0 || open == 0 && s[i+1] == ' '):
			i++
			out.WriteByte(s[i])
		case open == 0 && (c == '"' || c == '\''):
			open = c
		case open != 0 && c == open:
			open = 0
		case open == 0 && (c == ' ' || c == '\t'):
			return out.String()
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}
