package sshconfig

import (
	"strings"
)

// whitespace separates words; a form feed counts only at the end of a line.
const whitespace = " \t\r\n"

// The functions of this file run for every line of every file: they loop over
// bytes, which is several times faster than package strings for short sets.

// skipSpace drops leading whitespace.
func skipSpace(s string) string {
	i := 0
	for i < len(s) && isBlank(s[i]) {
		i++
	}
	return s[i:]
}

// isBlank tells the bytes of whitespace.
func isBlank(c byte) bool {
	return c == ' ' || c == '\t' || c == '\n' || c == '\r'
}

// trimEnd drops whitespace and form feeds at the end, but never the first byte.
func trimEnd(s string) string {
	n := len(s)
	for n > 1 && (isBlank(s[n-1]) || s[n-1] == '\f') {
		n--
	}
	return s[:n]
}

// wordEnd is where the first word of s ends for delimited, -1 for nowhere.
func wordEnd(s string) int {
	for i := range len(s) {
		if c := s[i]; isBlank(c) || c == '"' || c == '=' {
			return i
		}
	}
	return -1
}

// delimited takes one word off s as misc.c's strdelim does: words end at
// whitespace, at one "=" or at a double quote, and a quoted part runs to the
// next quote whatever stands between. more is false when nothing follows; ok is
// false when a quote is not closed.
func delimited(s string) (word, rest string, more, ok bool) {
	i := wordEnd(s)
	if i < 0 {
		return s, "", false, true
	}
	if s[i] == '"' {
		// The text before the quote stays part of the word.
		tail := s[i+1:]
		end := strings.IndexByte(tail, '"')
		if end < 0 {
			return "", "", false, false
		}
		word = tail[:end]
		if i > 0 {
			word = s[:i] + word
		}
		return word, skipSpace(tail[end+1:]), true, true
	}
	equals := s[i] == '='
	rest = skipSpace(s[i+1:])
	if !equals && strings.HasPrefix(rest, "=") {
		rest = skipSpace(rest[1:])
	}
	return s[:i], rest, true, true
}

// splitArgs splits a value into arguments as misc.c's argv_split does: single
// and double quotes, the escapes \\ \" \' and, outside quotes, "\ "; a "#" that
// starts a word ends the line. It appends to buf; ok is false when a quote is
// not closed.
func splitArgs(s string, buf []string) (args []string, ok bool) {
	for i := 0; i < len(s); {
		if s[i] == ' ' || s[i] == '\t' {
			i++
			continue
		}
		if s[i] == '#' {
			break
		}
		n, word, ok := oneArg(s[i:])
		if !ok {
			return buf, false
		}
		buf = append(buf, word)
		i += n
	}
	return buf, true
}

// oneArg reads the argument that starts s and tells its length there.
func oneArg(s string) (n int, word string, ok bool) {
	for n < len(s) && s[n] != ' ' && s[n] != '\t' {
		if s[n] == '"' || s[n] == '\'' || s[n] == '\\' {
			return quotedArg(s, n)
		}
		n++
	}
	return n, s[:n], true
}

// quotedArg goes on where oneArg met a quote or a backslash, at s[n].
func quotedArg(s string, n int) (int, string, bool) {
	b := append(make([]byte, 0, len(s)), s[:n]...)
	var quote byte
	for ; n < len(s); n++ {
		c := s[n]
		switch {
		case c == '\\' && n+1 < len(s) && escapable(s[n+1], quote):
			n++
			b = append(b, s[n])
		case quote == 0 && (c == ' ' || c == '\t'):
			return n, string(b), true
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		default:
			b = append(b, c)
		}
	}
	return n, string(b), quote == 0
}

// escapable tells whether a backslash before c is dropped.
func escapable(c, quote byte) bool {
	return c == '\'' || c == '"' || c == '\\' || (quote == 0 && c == ' ')
}

// Quote returns s so that a configuration line reads it as one argument with
// exactly that value. It is for flags that hand a value over unparsed, as
// "ssh -i" and "ssh -l" do. It is not for commands (ProxyCommand and the like),
// which take the rest of their line as it is.
func Quote(s string) string {
	// A "=" in front would be taken for the separator.
	if s != "" && s[0] != '=' && !strings.ContainsAny(s, " \t\r\n\f\"'\\#") {
		return s
	}
	r := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	return `"` + r.Replace(s) + `"`
}

// ParseOverride splits the argument of "ssh -o": "Keyword value",
// "Keyword=value" and the other forms that a line of a file may have. An empty
// or comment line gives an empty Override, which Resolve ignores.
func ParseOverride(arg, from string) Override {
	key, value := splitLine(arg)
	return Override{Keyword: key, Value: value, From: from}
}

// splitLine parts a line into its keyword and the rest; the keyword is "" when
// the line says nothing, the rest when the keyword stands alone.
func splitLine(s string) (key, rest string) {
	if i := strings.IndexByte(s, 0); i >= 0 {
		s = s[:i] // C strings end here
	}
	if s == "" {
		return "", ""
	}
	s = trimEnd(s)
	key, rest, more, ok := delimited(s)
	if ok && key == "" && more {
		key, rest, more, ok = delimited(rest)
	}
	if !ok || key == "" || key[0] == '#' {
		return "", ""
	}
	if !more {
		return key, ""
	}
	return key, skipSpace(rest)
}
