package sshconfig

import (
	"net/netip"
	"strings"
)

// setMatch evaluates a Match line. readconf.c: match_cfg_line.
func (st *statement) setMatch() error {
	if st.cmdline {
		return fatalf("Host directive not supported as a command-line option")
	}
	st.args = nil
	criteria, err := st.criteria()
	if err != nil {
		return err
	}
	result := true
	for _, c := range criteria {
		ok, err := st.criterion(c, result)
		if err != nil {
			return err
		}
		if ok == c.negated {
			result = false
		}
	}
	*st.state = result && !st.neverMatch
	return nil
}

// criterion is one condition of a Match line.
type criterion struct {
	name    string // in lower case
	negated bool
	arg     string
}

// criteria reads the conditions of a Match line: first as 9.2 splits it, and,
// when that makes no sense, as OpenSSH 10 does (with single quotes and
// backslashes).
func (st *statement) criteria() ([]criterion, error) {
	cs, err := st.parseCriteria(&wordReader{rest: st.raw, more: true})
	if err == nil {
		return cs, nil
	}
	if e, ok := err.(*Error); ok && !strings.Contains(e.Msg, "extra arguments") {
		e.Msg = "Bad Match condition: " + e.Msg
	}
	args, ok := splitArgs(st.raw, nil)
	if !ok || !strings.ContainsAny(st.raw, `'\`) {
		return nil, err
	}
	if later, err := st.parseCriteria(&wordReader{args: args, split: true}); err == nil {
		return later, nil
	}
	return nil, err
}

// wordReader gives the words of a Match line one by one.
type wordReader struct {
	rest string // when split is false: what delimited has yet to read
	more bool
	args []string // when split is true
	// split says that the words are args.
	split bool
}

// next returns a word; ok is false at the end of the line or, in rest, at a
// quote that is not closed.
func (w *wordReader) next() (word string, ok bool) {
	if !w.split {
		if !w.more {
			return "", false
		}
		word, w.rest, w.more, ok = delimited(w.rest)
		return word, ok
	}
	if len(w.args) == 0 {
		return "", false
	}
	word = w.args[0]
	w.args = w.args[1:]
	// "host=x" is two words.
	if name, arg, ok := strings.Cut(word, "="); ok && matchNames[lowerASCII(strings.TrimPrefix(name, "!"))] {
		word = name
		w.args = append([]string{arg}, w.args...)
	}
	return word, true
}

// empty tells whether nothing is left.
func (w *wordReader) empty() bool {
	if w.split {
		return len(w.args) == 0
	}
	return !w.more || w.rest == ""
}

// matchNames are the criteria that take an argument.
var matchNames = map[string]bool{
	"host": true, "originalhost": true, "user": true, "localuser": true, "exec": true,
	// From OpenSSH 9.4 (tagged, localnetwork), 10.0 (command, version) and 10.1
	// (sessiontype).
	"tagged": true, "localnetwork": true, "command": true, "version": true, "sessiontype": true,
}

// parseCriteria reads all conditions.
func (st *statement) parseCriteria(w *wordReader) ([]criterion, error) {
	var cs []criterion
	counted := 0
	for {
		word, ok := w.next()
		if !ok || word == "" {
			break
		}
		if word[0] == '#' {
			return st.finish(cs, counted)
		}
		name, negated := strings.CutPrefix(word, "!")
		c := criterion{name: lowerASCII(name), negated: negated}
		if c.name == "all" {
			arg, _ := w.next()
			if counted > 1 || (arg != "" && arg[0] != '#') {
				return nil, st.bad("'%s' cannot be combined with other Match attributes", word)
			}
			if arg == "" && !w.empty() {
				return nil, st.bad("keyword match extra arguments at end of line")
			}
			return append(cs, c), nil
		}
		counted++
		if c.name != "final" && c.name != "canonical" {
			if c.arg, ok = w.next(); c.missing(ok) {
				return nil, st.bad("Missing Match criteria for %s", name)
			}
			if !matchNames[c.name] {
				return nil, st.bad("Unsupported Match attribute %s", name)
			}
		}
		cs = append(cs, c)
	}
	if counted > 0 && !w.empty() {
		return nil, st.bad("keyword match extra arguments at end of line")
	}
	return st.finish(cs, counted)
}

// missing tells whether a criterion lacks its argument; tagged and command may
// have an empty one.
func (c *criterion) missing(ok bool) bool {
	if ok && c.arg == "" && (c.name == "tagged" || c.name == "command") {
		return false
	}
	return c.arg == "" || c.arg[0] == '#'
}

func (st *statement) finish(cs []criterion, counted int) ([]criterion, error) {
	if counted == 0 {
		return nil, st.bad("One or more attributes required for Match")
	}
	return cs, nil
}

// criterion evaluates one condition, without its negation. so is what the ones
// before it say: a command is not run in vain.
func (st *statement) criterion(c criterion, so bool) (bool, error) {
	switch c.name {
	case "all":
		return true, nil
	case "final", "canonical":
		if c.name == "final" && !st.final {
			st.wantFinal = true
		}
		return st.final, nil
	case "host":
		host, err := st.matchHost()
		return matchList(lowerASCII(host), c.arg, true) == matched, err
	case "originalhost":
		return matchList(lowerASCII(st.original), c.arg, true) == matched, nil
	case "user":
		return matchList(st.remoteUser(), c.arg, false) == matched, nil
	case "localuser":
		return matchList(st.env.LocalUser, c.arg, false) == matched, nil
	case "tagged":
		return matchOrEmpty(st.vals[kwTag].s, c.arg), nil
	case "command":
		return matchOrEmpty(st.query.Command, c.arg), nil
	case "sessiontype":
		return matchList(st.sessionKind(), c.arg, false) == matched, nil
	case "version":
		return matchList(Version, c.arg, false) == matched, nil
	case "localnetwork":
		return st.matchNetwork(c.arg)
	}
	return st.matchExec(c.arg, so)
}

// Version is the OpenSSH that the package stands for, for "Match version".
const Version = "OpenSSH_9.2p1"

// matchOrEmpty matches an empty string only with an empty list.
func matchOrEmpty(s, list string) bool {
	if s == "" {
		return list == ""
	}
	return matchList(s, list, false) == matched
}

// matchHost is the host that "Match host" looks at: after HostName as known so far.
func (st *statement) matchHost() (string, error) {
	if v := &st.vals[kwHostName]; v.set && !st.final {
		return st.env.expandTokens(v.s, tokens{'h': always(st.host)})
	}
	return st.host, nil
}

// remoteUser is the remote user as known so far.
func (st *statement) remoteUser() string {
	if v := &st.vals[kwUser]; v.set {
		return v.s
	}
	return st.env.LocalUser
}

// sessionKind is what "Match sessiontype" looks at.
func (st *statement) sessionKind() string {
	switch n := st.vals[kwSessionType].orNumber(sessionDefault); {
	case n == sessionSubsystem:
		return "subsystem"
	case n == sessionNone:
		return "none"
	case st.query.Command != "":
		return "exec"
	}
	return "shell"
}

// matchNetwork tells whether an address of this machine is in a list of
// networks.
func (st *statement) matchNetwork(list string) (bool, error) {
	var nets []netip.Prefix
	for s := range strings.SplitSeq(list, ",") {
		p, err := netip.ParsePrefix(s)
		if a, addrErr := netip.ParseAddr(s); addrErr == nil {
			p, err = a.Prefix(a.BitLen())
		}
		if err != nil || p != p.Masked() {
			return false, st.bad("Invalid network entry \"%s\"", s)
		}
		nets = append(nets, p)
	}
	addrs, err := st.env.Addresses()
	if err != nil {
		return false, st.stop("match localnetwork: %v", err)
	}
	for _, a := range addrs {
		for _, n := range nets {
			if n.Contains(a) {
				return true, nil
			}
		}
	}
	return false, nil
}

// matchExec runs a command, unless the line fails already or can have no effect.
func (st *statement) matchExec(command string, so bool) (bool, error) {
	s, err := st.subject()
	if err != nil {
		return false, err
	}
	cmd, err := st.env.expandTokens(command, st.env.tokens(s))
	if err != nil || !so || st.neverMatch {
		return false, err
	}
	ok, err := st.exec(cmd)
	if err != nil {
		return false, st.stop("match exec '%s' error: %v", clip(cmd), err)
	}
	return ok, nil
}

// subject is what tokens speak of while files are being read.
func (st *statement) subject() (subject, error) {
	host, err := st.matchHost()
	if err != nil {
		return subject{}, err
	}
	s := subject{
		original: st.original, host: host, alias: host, user: st.remoteUser(),
		port: int(st.vals[kwPort].orNumber(defaultPort)),
	}
	if v := &st.vals[kwHostKeyAlias]; v.set {
		s.alias = v.s
	}
	if st.jump.set && !strings.EqualFold(st.jump.host, jumpNone) {
		s.jump = st.jump.host
	}
	return s, nil
}
