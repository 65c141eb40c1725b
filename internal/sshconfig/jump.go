package sshconfig

import (
	"slices"
	"strings"
)

// jumpHost is one element of ProxyJump.
type jumpHost struct {
	user, host string
	port       int // -1 when not given
}

// setJump reads ProxyJump; the first of ProxyJump and ProxyCommand counts, but
// "ProxyJump none" only shuts out a later ProxyJump. Names on the command line
// must be harmless in a shell command.
func (st *statement) setJump() error {
	spec := strings.TrimLeft(st.raw, whitespace+"=")
	st.args = nil
	j, err := parseJump(spec, st.env)
	if err != nil {
		return st.bad("Invalid ProxyJump \"%s\"", spec)
	}
	if st.cmdline {
		if msg := unsafeHop(j, st.env); msg != "" {
			return st.bad("Invalid ProxyJump \"%s\": %s", spec, msg)
		}
	}
	none := strings.EqualFold(spec, jumpNone)
	if !st.active || st.jump.set || (!none && st.vals[kwProxyCommand].set) {
		return nil
	}
	st.jump, st.jump.set = j, true
	st.val().setString(spec, st.origin())
	if !none {
		st.vals[kwProxyCommand].setString("none", st.origin())
	}
	return nil
}

// unsafeHop names the first host or user that must not come from a command
// line, "" when all may. readconf.c: parse_jump, from 10.3 on and in Debian.
func unsafeHop(j jumpSpec, env *Env) string {
	hops := strings.Split(j.spec, ",")
	slices.Reverse(hops)
	for _, hop := range hops {
		h, _ := parseHop(hop, env)
		if !validHostName(h.host) && h.host != "" {
			return `invalid hostname "` + h.host + `"`
		}
		if !validUser(h.user) {
			return `invalid username "` + h.user + `"`
		}
	}
	return ""
}

// jumpNone is the value that means no jump host; it is kept with port 0.
const jumpNone = "none"

// jumpSpec is a parsed ProxyJump: the last hop, the ones before it as written,
// and all of it without a comment. set tells it from no ProxyJump.
type jumpSpec struct {
	jumpHost
	extra string
	spec  string
	set   bool
}

// errJump says that a ProxyJump cannot be read.
var errJump = fatalf("invalid ProxyJump")

// parseJump reads a ProxyJump value. readconf.c: parse_jump.
func parseJump(s string, env *Env) (jumpSpec, error) {
	if strings.EqualFold(s, "none") {
		return jumpSpec{jumpHost: jumpHost{host: jumpNone}}, nil // spec stays empty
	}
	spec, _, _ := strings.Cut(s, "#")
	// misc.c's rtrim cuts at the first space, not only at the last ones.
	if i := strings.IndexAny(spec, " \t\n\v\f\r"); i > 0 {
		spec = spec[:i]
	}
	out := jumpSpec{spec: spec}
	hops := strings.Split(spec, ",")
	for i, hop := range hops {
		j, ok := parseHop(hop, env)
		if !ok {
			return jumpSpec{}, errJump
		}
		if i == len(hops)-1 {
			out.jumpHost = j
		}
	}
	if i := strings.LastIndexByte(spec, ','); i > 0 {
		out.extra = spec[:i]
	}
	return out, nil
}

// parseHop reads [user@]host[:port] or an ssh:// URI.
func parseHop(s string, env *Env) (jumpHost, bool) {
	if uri, ok := strings.CutPrefix(s, "ssh://"); ok {
		return parseURI(uri, env)
	}
	return parseUserHostPort(s, env)
}

// ParseDestination reads what may stand for a host on ssh's command line:
// [user@]host or ssh://[user@]host[:port]. port is 0 when not given.
func ParseDestination(s string, env Env) (user, host string, port int, ok bool) {
	if uri, isURI := strings.CutPrefix(s, "ssh://"); isURI {
		j, ok := parseURI(uri, &env)
		return j.user, j.host, max(j.port, 0), ok
	}
	i := strings.LastIndexByte(s, '@')
	if i == 0 {
		return "", "", 0, false
	}
	if i < 0 {
		return "", s, 0, s != ""
	}
	return s[:i], s[i+1:], 0, s[i+1:] != ""
}

// Hop is one element of a ProxyJump list.
type Hop struct {
	User string // "" when not given
	Host string
	Port int // 0 when not given
}

// ParseJump reads a ProxyJump value into its hops, in the order in which they
// are passed. It is empty for "none" and "".
func ParseJump(s string, env Env) ([]Hop, error) {
	if s == "" || strings.EqualFold(s, "none") {
		return nil, nil
	}
	j, err := parseJump(s, &env)
	if err != nil {
		return nil, fatalf("Invalid ProxyJump \"%s\"", s)
	}
	var hops []Hop
	for part := range strings.SplitSeq(j.spec, ",") {
		h, _ := parseHop(part, &env)
		hops = append(hops, Hop{User: h.user, Host: h.host, Port: max(h.port, 0)})
	}
	return hops, nil
}

// parseUserHostPort reads [user@]host[:port]; a host in brackets may hold
// colons. misc.c: parse_user_host_port.
func parseUserHostPort(s string, env *Env) (jumpHost, bool) {
	j := jumpHost{port: -1}
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		if i == 0 {
			return j, false
		}
		j.user, s = s[:i], s[i+1:]
	}
	host, port, more, ok := hostDelimited(s, false)
	if !ok || host == "" {
		return j, false
	}
	j.host = cleanHost(host)
	if more && port != "" {
		if j.port = env.port(port); j.port <= 0 {
			return j, false
		}
	}
	return j, true
}

// hostDelimited takes a host off s up to ":" (or "/" when slash is allowed; it
// is an error otherwise). more tells that something followed. misc.c: hpdelim2.
func hostDelimited(s string, slash bool) (host, rest string, more, ok bool) {
	i := 0
	if strings.HasPrefix(s, "[") {
		if i = strings.IndexByte(s, ']') + 1; i == 0 {
			return "", "", false, false
		}
	} else if i = strings.IndexAny(s, ":/"); i < 0 {
		i = len(s)
	}
	switch {
	case i == len(s):
		return s, "", false, true
	case s[i] == ':' || (s[i] == '/' && slash):
		return s[:i], s[i+1:], true, true
	}
	return "", "", false, false
}

// cleanHost drops the brackets around an address.
func cleanHost(s string) string {
	if len(s) > 1 && s[0] == '[' && s[len(s)-1] == ']' {
		return s[1 : len(s)-1]
	}
	return s
}

// parseURI reads what follows "ssh://": [user[;params]@]host[:port][/]; a path
// is refused. misc.c: parse_uri.
func parseURI(s string, env *Env) (jumpHost, bool) {
	j := jumpHost{port: -1}
	if user, rest, ok := strings.Cut(s, "@"); ok {
		user, _, _ = strings.Cut(user, ";")
		if user == "" {
			return j, false
		}
		if j.user, ok = urlDecode(user); !ok {
			return j, false
		}
		s = rest
	}
	host, rest, more, ok := hostDelimited(s, true)
	if !ok || host == "" {
		return j, false
	}
	colon := more && s[len(host)] == ':'
	j.host = cleanHost(host)
	if _, msg := validDomain(j.host); msg != "" {
		return j, false
	}
	// valid_domain takes the final dot away in place.
	j.host = strings.TrimSuffix(j.host, ".")
	if colon && rest != "" {
		var port string
		port, rest, _ = strings.Cut(rest, "/")
		if j.port = env.port(port); j.port <= 0 {
			return j, false
		}
	}
	return j, rest == ""
}

// urlDecode undoes %XX and "+".
func urlDecode(s string) (string, bool) {
	var b []byte
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '+':
			b = append(b, ' ')
		case '%':
			if i+2 >= len(s) {
				return "", false
			}
			hi, lo := unhex(s[i+1]), unhex(s[i+2])
			if hi < 0 || lo < 0 {
				return "", false
			}
			b = append(b, byte(hi<<4|lo))
			i += 2
		default:
			b = append(b, s[i])
		}
	}
	return string(b), true
}

func unhex(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}
