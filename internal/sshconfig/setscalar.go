package sshconfig

import (
	"math"
	"strconv"
	"strings"
)

// setForwardAgent reads "yes", "no", or a socket; a word and a socket do not
// shut each other out. readconf.c: oForwardAgent.
func (st *statement) setForwardAgent() error {
	arg, _ := st.next()
	if arg == "" {
		return st.bad("missing argument.")
	}
	if n, ok := stateValue(flagStates, arg); ok {
		st.number(n)
		return nil
	}
	st.number(yes)
	return st.agentPath(arg)
}

func (st *statement) setAgent() error {
	arg, err := st.required()
	if err != nil {
		return err
	}
	return st.agentPath(arg)
}

// agentPath checks and keeps a socket's path, which may name a variable.
func (st *statement) agentPath(arg string) error {
	if _, err := st.env.expandEnv(arg); err != nil {
		return st.bad("Invalid environment expansion %s.", arg)
	}
	if strings.HasPrefix(arg, "$") && !strings.HasPrefix(arg, "${") && !validEnvName(arg[1:]) {
		return st.bad("Invalid environment name %s.", arg)
	}
	v := st.val()
	if st.active && v.s == "" {
		v.s = arg
		v.from = append(v.from, st.origin())
	}
	return nil
}

// validEnvName tells whether a variable's name has letters, digits and "_" only.
func validEnvName(name string) bool {
	for i := range len(name) {
		if !isAlnum(name[i]) && name[i] != '_' {
			return false
		}
	}
	return name != ""
}

// setAddKeys reads AddKeysToAgent: a word, a time, or "confirm" and a time.
func (st *statement) setAddKeys() error {
	arg, _ := st.next()
	life, hasLife := st.next()
	n, isWord := stateValue(keyStates, arg)
	var seconds int64
	switch {
	case arg == "":
		return st.bad("missing argument.")
	case isWord && n == confirm && hasLife:
		var ok bool
		if seconds, ok = parseTime(life); !ok {
			return st.bad("invalid time value.")
		}
	case !isWord && !hasLife:
		var ok bool
		if seconds, ok = parseTime(arg); !ok {
			return st.bad("unsupported option")
		}
		n = yes
	case !isWord || hasLife:
		return st.bad("unsupported option")
	}
	st.pair(n, seconds)
	return nil
}

// pair sets both numbers of a keyword at once.
func (st *statement) pair(n, n2 int64) {
	if v := st.val(); st.active && !v.set {
		v.setNumber(n, st.origin())
		v.n2 = n2
	}
}

func (st *statement) setPort() error {
	arg, err := st.required()
	if err != nil {
		return err
	}
	port := st.env.port(arg)
	if port <= 0 {
		return st.bad("Bad port '%s'.", arg)
	}
	st.number(int64(port))
	return nil
}

// escapeNone is EscapeChar's value for "none".
const escapeNone = -1

func (st *statement) setEscape() error {
	arg, err := st.required()
	if err != nil {
		return err
	}
	switch {
	case arg == "none":
		st.number(escapeNone)
	case len(arg) == 1:
		st.number(int64(arg[0]))
	case len(arg) == 2 && arg[0] == '^' && arg[1] >= 64 && arg[1] < 128:
		st.number(int64(arg[1] & 31))
	default:
		return st.bad("Bad escape character.")
	}
	return nil
}

// logLevels are LogLevel's words in order. "DEBUG" is another name of "DEBUG1",
// and "SILENT", in Debian's package, of "QUIET"; "ssh -G" prints those.
var logLevels = []string{"QUIET", "FATAL", "ERROR", "INFO", "VERBOSE", "DEBUG1", "DEBUG2", "DEBUG3"}

// defaultLogLevel is the place of "INFO".
const defaultLogLevel = 3

func (st *statement) setLogLevel() error {
	arg, ok := st.next()
	word := strings.ToUpper(arg)
	switch word {
	case "DEBUG":
		word = "DEBUG1"
	case "SILENT":
		word = "QUIET"
	}
	for i, level := range logLevels {
		if word == level {
			st.number(int64(i))
			return nil
		}
	}
	return st.bad("unsupported log level '%s'", orNone(arg, ok))
}

// orNone is how ssh prints an argument that is missing.
func orNone(arg string, ok bool) string {
	if !ok {
		return "<NONE>"
	}
	return arg
}

var logFacilities = []string{
	"DAEMON", "USER", "AUTH", "AUTHPRIV",
	"LOCAL0", "LOCAL1", "LOCAL2", "LOCAL3", "LOCAL4", "LOCAL5", "LOCAL6", "LOCAL7",
}

// setFacility does not ask whether the line applies to the host, as ssh does
// not. readconf.c: oLogFacility.
func (st *statement) setFacility() error {
	arg, ok := st.next()
	for _, f := range logFacilities {
		if strings.EqualFold(arg, f) {
			st.val().setString(f, st.origin())
			return nil
		}
	}
	return st.bad("unsupported log facility '%s'", orNone(arg, ok))
}

// minRekeyBytes is the least RekeyLimit but 0.
const minRekeyBytes = 16

func (st *statement) setRekey() error {
	arg, _ := st.next()
	if arg == "" {
		return st.bad("Missing argument.")
	}
	var n int64
	if arg != "default" {
		var msg string
		if n, msg = parseScaled(arg); msg != "" {
			return st.bad("Bad number '%s': %s", arg, msg)
		}
		if n != 0 && n < minRekeyBytes {
			return st.bad("RekeyLimit too small")
		}
	}
	st.number(n)
	interval, ok := st.next()
	if !ok || interval == "none" {
		return nil
	}
	if interval == "" {
		return st.bad("missing time value.")
	}
	seconds, ok := parseTime(interval)
	if !ok {
		return st.bad("invalid time value.")
	}
	if v := st.val(); st.active && !v.set2 {
		v.set2, v.n2 = true, seconds
	}
	return nil
}

// setPersist reads a word in lower case only, or a time.
func (st *statement) setPersist() error {
	arg, _ := st.next()
	if arg == "" {
		return st.bad("Missing ControlPersist argument.")
	}
	switch arg {
	case "no", "false":
		st.pair(no, 0)
	case "yes", "true":
		st.pair(yes, 0)
	default:
		seconds, ok := parseTime(arg)
		if !ok {
			return st.bad("Bad ControlPersist argument.")
		}
		st.pair(yes, seconds)
	}
	return nil
}

// tunnelAny is TunnelDevice's "any". misc.h: SSH_TUNID_*.
const (
	tunnelAny = -1
	maxTunnel = math.MaxInt32 - 2
)

func (st *statement) setTunnelDevice() error {
	arg, err := st.required()
	if err != nil {
		return err
	}
	local, remote, both := strings.Cut(arg, ":")
	if !both {
		remote = "any"
	}
	l, okLocal := tunnelUnit(local)
	r, okRemote := tunnelUnit(remote)
	if !okLocal || !okRemote {
		return st.bad("Bad tun device.")
	}
	st.pair(l, r)
	return nil
}

func tunnelUnit(s string) (int64, bool) {
	if strings.EqualFold(s, "any") {
		return tunnelAny, true
	}
	n, msg := boundedInt(s, maxTunnel)
	return n, msg == ""
}

// qosNone leaves the system's default.
const qosNone = -1

// qosNames are the values that have names, in the order in which "ssh -G"
// looks for one. misc.c: ipqos.
var qosNames = []state{
	{"none", qosNone},
	{"af11", 0x28}, {"af12", 0x30}, {"af13", 0x38},
	{"af21", 0x48}, {"af22", 0x50}, {"af23", 0x58},
	{"af31", 0x68}, {"af32", 0x70}, {"af33", 0x78},
	{"af41", 0x88}, {"af42", 0x90}, {"af43", 0x98},
	{"cs0", 0x00}, {"cs1", 0x20}, {"cs2", 0x40}, {"cs3", 0x60},
	{"cs4", 0x80}, {"cs5", 0xa0}, {"cs6", 0xc0}, {"cs7", 0xe0},
	{"ef", 0xb8}, {"le", 0x04},
	{"lowdelay", 0x10}, {"throughput", 0x08}, {"reliability", 0x04},
}

func (st *statement) setIPQoS() error {
	arg, _ := st.next()
	n, ok := parseQoS(arg)
	if !ok {
		return st.bad("Bad IPQoS value: %s", arg)
	}
	n2 := n
	if arg, ok := st.next(); ok {
		if n2, ok = parseQoS(arg); !ok {
			return st.bad("Bad IPQoS value: %s", arg)
		}
	}
	st.pair(n, n2)
	return nil
}

func parseQoS(s string) (int64, bool) {
	if n, ok := stateValue(qosNames, s); ok {
		return n, true
	}
	n, ok := parseAnyBase(s)
	return n, ok && n >= 0 && n <= 255
}

// parseAnyBase is strtol in base 0 of the whole string.
func parseAnyBase(s string) (int64, bool) {
	t := strings.TrimLeft(s, " \t\n\v\f\r")
	sign := ""
	if t != "" && (t[0] == '-' || t[0] == '+') {
		sign, t = t[:1], t[1:]
	}
	base := 10
	switch {
	case len(t) > 2 && (t[:2] == "0x" || t[:2] == "0X"):
		base, t = 16, t[2:]
	case len(t) > 1 && t[0] == '0':
		base, t = 8, t[1:]
	}
	if t == "" || t[0] == '-' || t[0] == '+' {
		return 0, false
	}
	n, err := strconv.ParseInt(sign+t, base, 64)
	return n, err == nil
}

// setMask sets the mask whatever the host and whatever was set before, as ssh
// does. readconf.c: oStreamLocalBindMask.
func (st *statement) setMask() error {
	arg, _ := st.next()
	if arg == "" {
		return st.bad("Missing StreamLocalBindMask argument.")
	}
	n, ok := leadingOctal(arg)
	if !ok || n < 0 || n > 0o777 {
		return st.bad("Bad mask.")
	}
	*st.val() = value{set: true, n: n, from: []Origin{st.origin()}}
	return nil
}

// leadingOctal is strtol in base 8; what follows the digits is ignored.
func leadingOctal(s string) (int64, bool) {
	t := strings.TrimLeft(s, " \t\n\v\f\r")
	end := 0
	if t != "" && (t[0] == '-' || t[0] == '+') {
		end = 1
	}
	for end < len(t) && t[end] >= '0' && t[end] <= '7' {
		end++
	}
	n, err := strconv.ParseInt(t[:end], 8, 64)
	return n, err == nil
}

// digests are the hashes that FingerprintHash may name. digest-openssl.c.
var digests = []string{"MD5", "SHA1", "SHA256", "SHA384", "SHA512"}

func (st *statement) setDigest() error {
	arg, _ := st.next()
	if arg == "" {
		return st.bad("Missing argument.")
	}
	for _, d := range digests {
		if strings.EqualFold(d, arg) {
			st.str(d)
			return nil
		}
	}
	return st.bad("Invalid hash algorithm \"%s\".", arg)
}

// Bounds of ObscureKeystrokeTiming in milliseconds. OpenSSH 9.5.
const (
	defaultKeystroke = 20
	maxKeystroke     = 1000
)

func (st *statement) setKeystroke() error {
	arg, _ := st.next()
	if len(st.args) > 0 {
		return st.bad("invalid arguments")
	}
	interval, isInterval := strings.CutPrefix(arg, "interval:")
	switch {
	case arg == "":
		return st.bad("missing argument")
	case arg == "yes" || arg == "true":
		st.number(defaultKeystroke)
	case arg == "no" || arg == "false":
		st.number(0)
	case isInterval:
		n, msg := atoi(interval)
		if msg != "" {
			return st.bad("integer value %s.", msg)
		}
		if n == 0 || n > maxKeystroke {
			return st.bad("value out of range.")
		}
		st.number(n)
	default:
		return st.bad("unsupported argument \"%s\"", arg)
	}
	return nil
}

// setChannelTimeout reads "type=interval" words. OpenSSH 9.5.
func (st *statement) setChannelTimeout() error {
	words, err := st.words(nil)
	if err != nil {
		return err
	}
	if len(words) == 0 {
		return st.stop("no %s specified", lowerASCII(st.key))
	}
	for _, w := range words {
		if strings.EqualFold(w, "none") {
			continue
		}
		kind, interval, ok := strings.Cut(w, "=")
		if _, isTime := parseTime(interval); !ok || kind == "" || !isTime {
			return st.stop("invalid channel timeout %s", w)
		}
	}
	st.setWords(words)
	return nil
}

// setAddendum reads VersionAddendum up to a comment. OpenSSH 10.3.
func (st *statement) setAddendum() error {
	text, _, _ := strings.Cut(st.raw, "#")
	text = strings.TrimRight(text, whitespace)
	st.args = nil
	if strings.ContainsRune(text, '\r') {
		return st.stop("Invalid %s argument", lowerASCII(st.key))
	}
	if strings.EqualFold(text, "none") {
		text = ""
	}
	st.str(text)
	return nil
}

// setRefuse ends everything when the line applies. OpenSSH 10.1.
func (st *statement) setRefuse() error {
	arg, err := st.required()
	if err != nil {
		return err
	}
	if st.active {
		return st.stop("RefuseConnection: %s", arg)
	}
	return nil
}
