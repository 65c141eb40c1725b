package sshconfig

import (
	"strings"
)

// Limits of what a forward may name. NI_MAXHOST, sun_path, readconf.c: fwdarg.
const (
	maxHostLength   = 1024
	maxSocketPath   = 107
	maxForwardField = 255
)

// setForward accumulates LocalForward, RemoteForward and DynamicForward; a
// forward that is there already is not added again.
func (st *statement) setForward() error {
	arg, err := st.required()
	if err != nil {
		return err
	}
	dynamic, remote := st.kw == kwDynamicForward, st.kw == kwRemoteForward
	spec := arg
	if !dynamic {
		target, _ := st.next()
		switch {
		case target != "":
			spec = arg + ":" + target
		case remote:
			dynamic = true
		default:
			return st.bad("Missing target argument.")
		}
	}
	if len(spec) > maxForwardField {
		spec = spec[:maxForwardField]
	}
	fwd, ok := parseForward(spec, dynamic, remote, st.env)
	if !ok {
		return st.bad("Bad forwarding specification.")
	}
	if st.active {
		st.addForward(fwd, remote)
	}
	return nil
}

// addForward keeps local and dynamic forwards in one list, as ssh does.
func (st *statement) addForward(fwd forward, remote bool) {
	list := &st.localForwards
	if remote {
		list = &st.remoteForwards
	}
	for _, f := range *list {
		if f.ForwardSpec == fwd.ForwardSpec && f.dynamic == fwd.dynamic && f.listenAny == fwd.listenAny {
			return
		}
	}
	fwd.from = st.origin()
	*list = append(*list, fwd)
	v := st.val()
	v.set = true
	v.from = append(v.from, fwd.from)
}

// forward is a parsed forward.
type forward struct {
	ForwardSpec
	// dynamic forwards have no target: SOCKS chooses it.
	dynamic bool
	// hasHost tells a listen host that was given, be it empty, from none.
	hasHost   bool
	listenAny bool
	from      Origin
}

// ParseForward reads a forward as "ssh -L", "-R" and "-D" take it:
// [listenhost:]listenport|listenpath:connecthost:connectport|connectpath.
// dynamic is for specs without a target. Variables are expanded by env.
func ParseForward(spec string, dynamic, remote bool, env Env) (ForwardSpec, bool) {
	f, ok := parseForward(spec, dynamic, remote, &env)
	return f.spec(), ok
}

// field is one part of a forward's spec.
type field struct {
	s    string
	path bool // holds a slash
}

// parseForward reads a spec. readconf.c: parse_forward.
func parseForward(spec string, dynamic, remote bool, env *Env) (forward, bool) {
	s, err := env.expandEnv(spec)
	if err != nil {
		return forward{}, false
	}
	fields, ok := forwardFields(strings.TrimLeft(s, " \t\n\v\f\r"))
	if !ok {
		return forward{}, false
	}
	f, ok := forwardOf(fields, env)
	if !ok || !f.complete(len(fields), dynamic, remote) {
		return forward{}, false
	}
	if f.listenPortBad(remote) || len(f.ConnectHost) > maxHostLength || len(f.ListenHost) > maxHostLength ||
		len(f.ConnectPath) > maxSocketPath || len(f.ListenPath) > maxSocketPath {
		return forward{}, false
	}
	return f, true
}

// forwardFields splits a spec at its colons into at most four fields.
func forwardFields(s string) ([]field, bool) {
	var fields []field
	for s != "" {
		if len(fields) == 4 {
			return nil, false
		}
		f, rest, ok := forwardField(s)
		if !ok {
			return nil, false
		}
		fields = append(fields, f)
		s = rest
	}
	return fields, len(fields) > 0
}

// forwardField takes one field: "[…]" literally, else up to a colon with
// backslashes taken as escapes.
func forwardField(s string) (f field, rest string, ok bool) {
	if s[0] == '[' {
		end := strings.IndexByte(s, ']')
		if end < 0 || (end+1 < len(s) && s[end+1] != ':') {
			return field{}, "", false
		}
		f.s = s[1:end]
		f.path = strings.Contains(f.s, "/")
		return f, strings.TrimPrefix(s[end+1:], ":"), true
	}
	var b []byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case ':':
			f.s = string(b)
			return f, s[i+1:], true
		case '\\':
			i++
			if i == len(s) {
				return field{}, "", false
			}
			b = append(b, s[i])
		default:
			f.path = f.path || c == '/'
			b = append(b, c)
		}
	}
	f.s = string(b)
	return f, "", true
}

// forwardOf gives the fields their meaning by their number and by which are paths.
func forwardOf(fields []field, env *Env) (f forward, ok bool) {
	listenPort := func(i int) { f.ListenPort = env.port(fields[i].s) }
	listenHost := func(i int) { f.ListenHost, f.hasHost = fields[i].s, true }
	connect := func(i int) {
		f.ConnectHost, f.ConnectPort = fields[i].s, env.port(fields[i+1].s)
	}
	switch path := func(i int) bool { return fields[i].path }; len(fields) {
	case 1:
		f.dynamic = true
		if path(0) {
			f.ListenPath = fields[0].s
		} else {
			listenPort(0)
		}
	case 2:
		switch {
		case path(0) && path(1):
			f.ListenPath, f.ConnectPath = fields[0].s, fields[1].s
		case path(1):
			listenPort(0)
			f.ConnectPath = fields[1].s
		default:
			f.dynamic = true
			listenHost(0)
			listenPort(1)
		}
	case 3:
		switch {
		case path(0):
			f.ListenPath = fields[0].s
			connect(1)
		case path(2):
			listenHost(0)
			listenPort(1)
			f.ConnectPath = fields[2].s
		default:
			listenPort(0)
			connect(1)
		}
	case 4:
		listenHost(0)
		listenPort(1)
		connect(2)
	}
	f.listenAny = f.hasHost && f.ListenHost == ""
	return f, true
}

// complete tells whether a spec of n fields has what its kind needs.
func (f *forward) complete(n int, dynamic, remote bool) bool {
	if dynamic {
		return n <= 2
	}
	if n < 3 && f.ConnectPath == "" && f.ListenPath == "" {
		return false
	}
	return f.ConnectPort > 0 || f.ConnectPath != ""
}

func (f *forward) listenPortBad(remote bool) bool {
	if f.ListenPath != "" {
		return false
	}
	return f.ListenPort < 0 || (!remote && f.ListenPort == 0)
}
