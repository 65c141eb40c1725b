package sshargs

import (
	"errors"
	"strings"

	"sallyport/internal/sshconfig"
)

// forwardKind selects the rules for a forward's specification.
type forwardKind int

const (
	forwardLocal forwardKind = iota
	forwardRemote
	forwardDynamic
	forwardRemoteDynamic
)

func (k forwardKind) dynamic() bool { return k == forwardDynamic || k == forwardRemoteDynamic }
func (k forwardKind) remote() bool  { return k == forwardRemote || k == forwardRemoteDynamic }

const (
	maxHost = 1024 // below NI_MAXHOST
	maxPath = 107  // what fits in sockaddr_un on Linux, with its NUL
)

var errForward = errors.New("bad forwarding specification")

// field is one part of a specification; path tells a Unix socket from a host
// or port. An escaped slash does not make a path.
type field struct {
	text string
	path bool
}

// forwardSpec is a specification taken apart.
type forwardSpec struct {
	listen      field // a path, or the port
	listenHost  string
	hasHost     bool // listenHost was given, if only as ""
	listenPort  int
	connect     field // a path or a host; empty for a dynamic forward
	connectPort int
}

// parseForward reads [listenhost:]listenport:connecthost:connectport, where
// either end may be a path, or [listenhost:]listenport for the dynamic kinds
// (readconf.c: parse_forward). ${VAR} is expanded first.
func parseForward(s string, kind forwardKind, env func(string) (string, bool)) (*forwardSpec, error) {
	s, ok := expandEnv(s, env)
	if !ok {
		return nil, errForward
	}
	fields, ok := splitForward(strings.TrimLeft(s, blanks))
	if !ok {
		return nil, errForward
	}
	f, ok := assignFields(fields)
	if !ok || !f.valid(kind, len(fields)) {
		return nil, errForward
	}
	return f, nil
}

// splitForward splits at colons. Brackets quote a whole field, a backslash one
// character (readconf.c: parse_fwd_field).
func splitForward(s string) (fields []field, ok bool) {
	for s != "" {
		if len(fields) == 4 {
			return nil, false
		}
		f, rest, ok := cutField(s)
		if !ok {
			return nil, false
		}
		fields = append(fields, f)
		s = rest
	}
	return fields, len(fields) > 0
}

func cutField(s string) (f field, rest string, ok bool) {
	if s[0] == '[' {
		end := strings.IndexByte(s, ']')
		if end < 0 || end+1 < len(s) && s[end+1] != ':' {
			return f, "", false
		}
		f = field{text: s[1:end], path: strings.Contains(s[1:end], "/")}
		return f, strings.TrimPrefix(s[end+1:], ":"), true
	}
	var text strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
			if i == len(s) {
				return f, "", false
			}
		case '/':
			f.path = true
		case ':':
			f.text = text.String()
			return f, s[i+1:], true
		}
		text.WriteByte(s[i])
	}
	f.text = text.String()
	return f, "", true
}

// assignFields gives each field its meaning by their number and by which are
// paths.
func assignFields(f []field) (*forwardSpec, bool) {
	spec := &forwardSpec{}
	listenFields := len(f)
	switch {
	case len(f) == 2 && f[1].path:
		spec.connect, listenFields = f[1], 1
	case len(f) == 3 && f[2].path && !f[0].path:
		spec.connect, listenFields = f[2], 2
	case len(f) >= 3:
		spec.connect, listenFields = field{text: f[len(f)-2].text}, len(f)-2
		port, ok := parsePort(f[len(f)-1].text)
		if !ok {
			return nil, false
		}
		spec.connectPort = port
	}
	if listenFields == 1 && f[0].path {
		spec.listen = f[0]
		return spec, true
	}
	if listenFields == 2 {
		spec.listenHost, spec.hasHost = f[0].text, true
	}
	port, ok := parsePort(f[listenFields-1].text)
	spec.listen, spec.listenPort = f[listenFields-1], port
	spec.listen.path = false
	return spec, ok
}

// valid applies the limits of readconf.c: parse_forward. n is the number of
// fields.
func (f *forwardSpec) valid(kind forwardKind, n int) bool {
	if kind.dynamic() {
		if n > 2 {
			return false
		}
	} else if n < 3 && !f.connect.path && !f.listen.path || f.connectPort == 0 && !f.connect.path {
		return false
	}
	if f.listen.path && len(f.listen.text) > maxPath || f.connect.path && len(f.connect.text) > maxPath {
		return false
	}
	return len(f.listenHost) <= maxHost && len(f.connect.text) <= maxHost &&
		(f.listen.path || kind.remote() || f.listenPort != 0)
}

// keyword spells the specification as LocalForward, RemoteForward and
// DynamicForward take it: one argument for the listener, one for the target.
func (f *forwardSpec) keyword() string {
	listen := escapeField(f.listen.text, f.listen.path)
	if !f.listen.path {
		listen = itoa(f.listenPort)
		if f.hasHost {
			listen = escapeField(f.listenHost, false) + ":" + listen
		}
	}
	switch {
	case f.connect.path:
		return sshconfig.Quote(listen) + " " + sshconfig.Quote(escapeField(f.connect.text, true))
	case f.connectPort != 0:
		return sshconfig.Quote(listen) + " " + sshconfig.Quote(escapeField(f.connect.text, false)+":"+itoa(f.connectPort))
	}
	return sshconfig.Quote(listen)
}

// escapeField quotes a field so that it is read back as it is.
func escapeField(s string, path bool) string {
	slash := strings.Contains(s, "/") && !path
	if !slash && !strings.ContainsAny(s, `:\[`) && strings.TrimLeft(s, blanks) == s {
		return s
	}
	if !slash && !strings.Contains(s, "]") {
		return "[" + s + "]"
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if strings.IndexByte(`:\[`+blanks, s[i]) >= 0 || slash && s[i] == '/' {
			out.WriteByte('\\')
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

// expandEnv replaces ${NAME}; an unset variable or an unclosed brace is an
// error (misc.c: dollar_expand).
func expandEnv(s string, env func(string) (string, bool)) (string, bool) {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(s, "${")
		out.WriteString(before)
		if !found {
			return out.String(), true
		}
		name, rest, closed := strings.Cut(after, "}")
		value, ok := env(name)
		if !closed || !ok {
			return "", false
		}
		out.WriteString(value)
		s = rest
	}
}
