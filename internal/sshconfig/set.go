package sshconfig

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Limits of OpenSSH. readconf.h: SSH_MAX_*.
const (
	maxIdentityFiles    = 100
	maxCertificateFiles = 100
	maxKnownHostsFiles  = 32
	maxCanonicalDomains = 32
)

// statement is one line on its way into the values.
type statement struct {
	*pass
	kw keyword
	// key is the keyword as written, for messages.
	key string
	// raw is the rest of the line, args its arguments that are not yet read.
	raw  string
	args []string
	file string
	line int
	// cmdline is set for an override, and from is its origin.
	cmdline bool
	from    string
	// active tells whether the line applies to the host; lines that do not
	// are only checked.
	active bool
	// giver tells who says this line.
	giver giver
}

// giver is who gives a value; a file named by several is kept for each.
type giver uint8

const (
	giverSystem giver = iota // the system's file
	giverUser                // the user's file, or -o
	giverFlag                // -i
)

// stop is an error that ends everything at once, where other bad lines are
// counted and the file is read to its end.
type stop struct{ err error }

func (s *stop) Error() string { return s.err.Error() }
func (s *stop) Unwrap() error { return s.err }

// bad is an error at this line.
func (st *statement) bad(format string, args ...any) *Error {
	return &Error{
		File: st.file, Line: st.line, Keyword: lowerASCII(st.key),
		Msg: fmt.Sprintf(format, args...),
	}
}

// stop is bad for what ssh calls fatal.
func (st *statement) stop(format string, args ...any) error {
	return &stop{st.bad(format, args...)}
}

func (st *statement) origin() Origin {
	if st.cmdline {
		return Origin{From: st.from}
	}
	return Origin{File: st.file, Line: st.line}
}

// next takes an argument; ok is false when there is none.
func (st *statement) next() (arg string, ok bool) {
	if len(st.args) == 0 {
		return "", false
	}
	arg, st.args = st.args[0], st.args[1:]
	return arg, true
}

// required takes an argument that must not be empty.
func (st *statement) required() (string, error) {
	arg, _ := st.next()
	if arg == "" {
		return "", st.bad("Missing argument.")
	}
	return arg, nil
}

// val is the keyword's value.
func (st *statement) val() *value { return &st.vals[st.kw] }

// number sets the keyword's number when the line is active.
func (st *statement) number(n int64) {
	if st.active {
		st.val().setNumber(n, st.origin())
	}
}

// str sets the keyword's string when the line is active.
func (st *statement) str(s string) {
	if st.active {
		st.val().setString(s, st.origin())
	}
}

// apply reads the arguments of one line. readconf.c: process_config_line_depth.
func (st *statement) apply() error {
	if st.raw == "" {
		return st.bad("no argument after keyword \"%s\"", lowerASCII(st.key))
	}
	if st.kw == noKeyword {
		return st.unknown()
	}
	var ok bool
	if st.args, ok = splitArgs(st.raw, st.argbuf[:0]); !ok {
		return st.bad("invalid quotes")
	}
	if err := st.dispatch(); err != nil {
		return err
	}
	if len(st.args) > 0 {
		return st.bad("keyword %s extra arguments at end of line", lowerASCII(st.key))
	}
	return nil
}

// unknown handles a keyword that is not in the table.
func (st *statement) unknown() error {
	key := lowerASCII(st.key)
	if v := &st.vals[kwIgnoreUnknown]; !v.set || matchList(key, v.s, true) != matched {
		err := st.bad("Bad configuration option: %s", key)
		err.colon = true
		return err
	}
	if _, ok := splitArgs(st.raw, st.argbuf[:0]); !ok {
		return st.bad("invalid quotes")
	}
	st.trace("%s line %d: Ignored unknown option \"%s\"", st.file, st.line, key)
	return nil
}

// dispatch reads the arguments by the keyword's kind.
func (st *statement) dispatch() error {
	switch keywordTable[st.kw].kind {
	case kindHost:
		return st.setHost()
	case kindMatch:
		return st.setMatch()
	case kindInclude:
		return st.setInclude()
	case kindIgnore:
		st.args = nil
		return nil
	case kindDeprecated:
		st.trace("%s line %d: Deprecated option \"%s\"", st.file, st.line, lowerASCII(st.key))
		st.args = nil
		return nil
	case kindUnsupported:
		st.warn(st.bad("Unsupported option \"%s\"", lowerASCII(st.key)).Error())
		st.args = nil
		return nil
	case kindFlag:
		return st.setFlag()
	case kindInt:
		return st.setInt()
	case kindTime:
		return st.setTime()
	case kindString:
		return st.setStringArg()
	case kindCommand:
		return st.setCommand()
	default:
		return st.dispatchSpecial()
	}
}

// dispatchSpecial is dispatch for kinds that few keywords have.
func (st *statement) dispatchSpecial() error {
	switch keywordTable[st.kw].kind {
	case kindIdentity:
		return st.setIdentity()
	case kindFiles:
		return st.setList(maxKnownHostsFiles)
	case kindRevoked:
		return st.setRevoked()
	case kindLogVerbose:
		return st.setLogVerbose()
	case kindAlternates:
		return st.setAlternates()
	case kindPolicy:
		return st.setPolicy()
	case kindResume:
		return st.setResume()
	case kindTags:
		return st.setTags()
	case kindForward:
		return st.setForward()
	case kindPermitOpen:
		return st.setPermitOpen()
	case kindJump:
		return st.setJump()
	case kindAlgorithms:
		return st.setAlgorithms()
	case kindGsskex:
		return st.setGSSKex()
	case kindDomains:
		return st.setDomains()
	case kindCnames:
		return st.setCNAMEs()
	case kindSendEnv:
		return st.setSendEnv()
	case kindSetEnv:
		return st.setSetEnv()
	default:
		return st.dispatchScalar()
	}
}

// dispatchScalar is dispatch for the remaining keywords with odd values.
func (st *statement) dispatchScalar() error {
	switch keywordTable[st.kw].kind {
	case kindForwardAgent:
		return st.setForwardAgent()
	case kindAddKeys:
		return st.setAddKeys()
	case kindAgent:
		return st.setAgent()
	case kindPort:
		return st.setPort()
	case kindEscape:
		return st.setEscape()
	case kindFacility:
		return st.setFacility()
	case kindLogLevel:
		return st.setLogLevel()
	case kindRekey:
		return st.setRekey()
	case kindPersist:
		return st.setPersist()
	case kindTunnelDevice:
		return st.setTunnelDevice()
	case kindIpqos:
		return st.setIPQoS()
	case kindMask:
		return st.setMask()
	case kindDigest:
		return st.setDigest()
	case kindKeystroke:
		return st.setKeystroke()
	case kindChannelTimeout:
		return st.setChannelTimeout()
	case kindAddendum:
		return st.setAddendum()
	case kindRefuse:
		return st.setRefuse()
	}
	return st.bad("keyword %s is not implemented", st.kw.name())
}

func (st *statement) setFlag() error {
	arg, _ := st.next()
	if arg == "" {
		return st.bad("missing argument.")
	}
	n, ok := stateValue(states(st.kw), arg)
	if !ok {
		return st.bad("unsupported option \"%s\".", arg)
	}
	st.number(n)
	return nil
}

func (st *statement) setInt() error {
	arg, _ := st.next()
	n, msg := atoi(arg)
	if msg != "" {
		return st.bad("integer value %s.", msg)
	}
	st.number(n)
	return nil
}

func (st *statement) setTime() error {
	arg, _ := st.next()
	if arg == "" {
		return st.bad("missing time value.")
	}
	if arg == "none" {
		return nil // as if it had not been said: a later line may set it
	}
	n, ok := parseTime(arg)
	if !ok {
		return st.bad("invalid time value.")
	}
	st.number(n)
	return nil
}

func (st *statement) setStringArg() error {
	arg, err := st.required()
	if err != nil {
		return err
	}
	st.str(arg)
	return nil
}

// setCommand takes the rest of the line as it stands, comments and all.
func (st *statement) setCommand() error {
	command := strings.TrimLeft(st.raw, whitespace+"=")
	st.args = nil
	st.str(command)
	return nil
}

// setIdentity accumulates IdentityFile and CertificateFile; a name is kept once
// for each giver.
func (st *statement) setIdentity() error {
	arg, err := st.required()
	if err != nil || !st.active {
		return err
	}
	v := st.val()
	if st.kw == kwIdentityFile && len(v.list) >= maxIdentityFiles {
		return st.bad("Too many identity files specified (max %d).", maxIdentityFiles)
	}
	if st.kw == kwCertificateFile && len(v.list) >= maxCertificateFiles {
		return st.bad("Too many certificate files specified (max %d).", maxCertificateFiles)
	}
	class := &st.class[st.kw-kwIdentityFile]
	for i, name := range v.list {
		if name == arg && (*class)[i] == st.giver {
			return nil
		}
	}
	*class = append(*class, st.giver)
	v.add(arg, st.origin())
	return nil
}

// words reads a list in which "none" must stand alone and nothing is empty.
// check, which may be nil, looks at each word in turn and may replace it.
func (st *statement) words(check func(string) (string, error)) ([]string, error) {
	words := st.args
	st.args = nil
	for i, w := range words {
		if w == "" {
			return nil, st.bad("keyword %s empty argument", lowerASCII(st.key))
		}
		if len(words) > 1 && strings.EqualFold(w, "none") {
			return nil, st.bad("keyword %s \"none\" argument must appear alone.", lowerASCII(st.key))
		}
		if check == nil {
			continue
		}
		var err error
		if words[i], err = check(w); err != nil {
			return nil, err
		}
	}
	return words, nil
}

// setWords keeps the first list that is not empty.
func (st *statement) setWords(words []string) {
	v := st.val()
	if st.active && !v.set && len(words) > 0 {
		v.set = true
		v.list = append([]string(nil), words...)
		v.from = append(v.from, st.origin())
	}
}

func (st *statement) setList(limit int) error {
	words, err := st.words(nil)
	if err != nil {
		return err
	}
	if st.active && !st.val().set && len(words) > limit {
		return st.bad("too many %s entries.", lowerASCII(st.key))
	}
	st.setWords(words)
	return nil
}

// setRevoked takes several files as OpenSSH does from 10.0 on.
func (st *statement) setRevoked() error {
	words, err := st.words(nil)
	if err != nil {
		return err
	}
	if len(words) == 0 {
		return st.bad("Missing argument.")
	}
	st.setWords(words)
	return nil
}

// setLogVerbose keeps one pattern only: readconf.c stops at the first, since it
// looks at the count that it has just raised.
func (st *statement) setLogVerbose() error {
	words, err := st.words(nil)
	if err != nil {
		return err
	}
	if len(words) > 1 {
		words = words[:1]
	}
	st.setWords(words)
	return nil
}

// setAlternates accumulates AlternateAddress and AlternateProxyJump.
func (st *statement) setAlternates() error {
	words := st.args
	st.args = nil
	if len(words) == 0 {
		return st.bad("Missing argument.")
	}
	for _, w := range words {
		if !st.validAlternate(w) {
			return st.bad("Bad %s \"%s\".", st.kw.name(), w)
		}
	}
	if st.active {
		for _, w := range words {
			st.val().add(w, st.origin())
		}
	}
	return nil
}

// validAlternate checks one word of AlternateAddress or AlternateProxyJump.
func (st *statement) validAlternate(w string) bool {
	if st.kw == kwAlternateProxyJump { // "none" is a direct way
		_, err := parseJump(w, st.env)
		return err == nil
	}
	_, ok := parseAlternate(w, st.env)
	return ok
}

// parseAlternate reads a word of AlternateAddress: host, host:port, or an IPv6
// address, which needs brackets only before a port.
func parseAlternate(w string, env *Env) (Address, bool) {
	if ip, err := netip.ParseAddr(w); err == nil && ip.Is6() {
		return Address{Host: w}, true
	}
	j, ok := parseUserHostPort(w, env)
	return Address{Host: j.host, Port: max(j.port, 0)}, ok && j.user == ""
}

func (st *statement) setPolicy() error {
	arg, err := st.required()
	if err != nil {
		return err
	}
	arg = lowerASCII(arg)
	if arg != "race" && arg != "order" {
		return st.bad("unsupported option \"%s\".", arg)
	}
	st.str(arg)
	return nil
}

// setResume reads "no" or a program, and perhaps the name of its session.
func (st *statement) setResume() error {
	arg, err := st.required()
	if err != nil {
		return err
	}
	tool, name, named := strings.Cut(arg, ":")
	switch tool = lowerASCII(tool); {
	case tool != "no" && tool != "auto" && tool != "tmux" && tool != "screen", named && (tool == "no" || !isSessionName(name)):
		return st.bad("unsupported option \"%s\".", arg)
	case named:
		tool += ":" + name
	}
	st.str(tool)
	return nil
}

// isSessionName accepts what tmux, screen and every shell take as it is.
func isSessionName(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == "" && name[0] != '-'
}

// setTags accumulates the words of Tags, each once.
func (st *statement) setTags() error {
	words := st.args
	st.args = nil
	for _, w := range words {
		if w == "" || strings.Contains(w, ",") {
			return st.bad("Bad tag \"%s\".", w)
		}
		if st.active && !slices.Contains(st.val().list, w) {
			st.val().add(w, st.origin())
		}
	}
	return nil
}
