package sshargs

import (
	"os"
	"strings"

	"sallyport/internal/sshconfig"
)

// parseForward reads a forward as -L, -R and -D take it. value is the same as
// LocalForward, RemoteForward and DynamicForward take it: the listener is one
// argument, the target, if any, another.
func parseForward(s string, dynamic, remote bool) (spec sshconfig.ForwardSpec, value string, ok bool) {
	spec, ok = sshconfig.ParseForward(s, dynamic, remote, environment())
	if !ok {
		return spec, "", false
	}
	fields := splitForward(strings.TrimLeft(expandEnv(s), blanks))
	listeners := len(fields)
	switch {
	case spec.ConnectPath != "":
		listeners--
	case spec.ConnectPort != 0:
		listeners -= 2
	}
	value = sshconfig.Quote(strings.Join(fields[:listeners], ":"))
	if listeners < len(fields) {
		value += " " + sshconfig.Quote(strings.Join(fields[listeners:], ":"))
	}
	return spec, value, true
}

// splitForward cuts a valid specification at its colons, but not at those in
// brackets or behind a backslash. The fields keep their quoting.
func splitForward(s string) []string {
	var fields []string
	for s != "" {
		end := 0
		for end < len(s) && s[end] != ':' {
			switch {
			case s[end] == '[' && end == 0:
				end = strings.IndexByte(s, ']')
			case s[end] == '\\':
				end++
			}
			end++
		}
		fields = append(fields, s[:end])
		s = strings.TrimPrefix(s[end:], ":")
	}
	return fields
}

// expandEnv replaces ${NAME} in a specification that is known to be valid.
// It has to be done before splitting: a variable may hold several fields.
func expandEnv(s string) string {
	before, behind, found := strings.Cut(s, "${")
	name, rest, closed := strings.Cut(behind, "}")
	if !found || !closed {
		return s
	}
	return before + os.Getenv(name) + expandEnv(rest)
}
