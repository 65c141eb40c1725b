package sshargs

import (
	"math"
	"slices"
	"strings"

	"sallyport/internal/sshconfig"
)

// flag is one letter of the command line.
type flag struct {
	letter   byte
	arg      string // the argument's name in the synopsis, "" when it takes none
	apply    func(p *parser, arg string) error
	obsolete bool // accepted or refused, but not shown
}

// flags are those of ssh(1), up to OpenSSH 10.5. -P takes an argument since
// OpenSSH 9.4; before, it was ignored.
var flags = []flag{
	{letter: '1', apply: refuseProtocol1, obsolete: true},
	{letter: '2', apply: ignore, obsolete: true},
	{letter: '4', apply: set("AddressFamily", "inet")},
	{letter: '6', apply: set("AddressFamily", "inet6")},
	{letter: 'A', apply: (*parser).forwardAgent},
	{letter: 'a', apply: set("ForwardAgent", "no")},
	{letter: 'C', apply: set("Compression", "yes")},
	{letter: 'f', apply: set("ForkAfterAuthentication", "yes", "StdinNull", "yes")},
	{letter: 'G', apply: func(p *parser, _ string) error { p.dump = true; return nil }},
	{letter: 'g', apply: set("GatewayPorts", "yes")},
	{letter: 'K', apply: set("GSSAPIAuthentication", "yes", "GSSAPIDelegateCredentials", "yes")},
	{letter: 'k', apply: set("GSSAPIDelegateCredentials", "no")},
	{letter: 'M', apply: (*parser).master},
	{letter: 'N', apply: (*parser).noSession},
	{letter: 'n', apply: set("StdinNull", "yes")},
	{letter: 'q', apply: set("LogLevel", "QUIET")},
	{letter: 's', apply: (*parser).subsystem},
	{letter: 'T', apply: set("RequestTTY", "no")},
	{letter: 't', apply: (*parser).tty},
	{letter: 'V', apply: (*parser).version},
	{letter: 'v', apply: (*parser).moreVerbose},
	{letter: 'X', apply: set("ForwardX11", "yes")},
	{letter: 'x', apply: set("ForwardX11", "no")},
	{letter: 'Y', apply: set("ForwardX11", "yes", "ForwardX11Trusted", "yes")},
	{letter: 'y', apply: func(p *parser, _ string) error { p.inv.Syslog = true; return nil }},
	{letter: 'Z', apply: func(p *parser, _ string) error { p.listKeys = true; return nil }},
	{letter: 'B', arg: "bind_interface", apply: assign("BindInterface")},
	{letter: 'b', arg: "bind_address", apply: assign("BindAddress")},
	{letter: 'c', arg: "cipher_spec", apply: (*parser).ciphers},
	{letter: 'D', arg: "[bind_address:]port", apply: (*parser).dynamicForward},
	{letter: 'E', arg: "log_file", apply: (*parser).logFile},
	{letter: 'e', arg: "escape_char", apply: (*parser).escape},
	{letter: 'F', arg: "config_file", apply: (*parser).configFile},
	{letter: 'I', arg: "pkcs11", apply: assign("PKCS11Provider")},
	{letter: 'i', arg: "identity_file", apply: offer("IdentityFile")},
	{letter: 'J', arg: "destination", apply: (*parser).jump},
	{letter: 'L', arg: "address", apply: (*parser).localForward},
	{letter: 'l', arg: "login_name", apply: offer("User")},
	{letter: 'm', arg: "mac_spec", apply: (*parser).macs},
	{letter: 'O', arg: "ctl_cmd", apply: (*parser).control},
	{letter: 'o', arg: "option", apply: (*parser).option},
	{letter: 'P', arg: "tag", apply: offer("Tag")},
	{letter: 'p', arg: "port", apply: (*parser).port},
	{letter: 'Q', arg: "query_option", apply: (*parser).query},
	{letter: 'R', arg: "address", apply: (*parser).remoteForward},
	{letter: 'S', arg: "ctl_path", apply: (*parser).controlPath},
	{letter: 'W', arg: "host:port", apply: (*parser).stdioForward},
	{letter: 'w', arg: "local_tun[:remote_tun]", apply: (*parser).tunnel},
}

func lookup(letter byte) *flag {
	i := slices.IndexFunc(flags, func(f flag) bool { return f.letter == letter })
	if i < 0 {
		return nil
	}
	return &flags[i]
}

// set stores fixed values, given as keyword, value, keyword, value …
func set(pairs ...string) func(*parser, string) error {
	return func(p *parser, _ string) error {
		for i := 0; i < len(pairs); i += 2 {
			p.set.force(pairs[i], pairs[i+1], p.flag)
		}
		return nil
	}
}

// assign stores the argument; the last such flag wins, also over -o. An empty
// argument leaves the keyword alone: no keyword takes one.
func assign(keyword string) func(*parser, string) error {
	return func(p *parser, v string) error {
		if v != "" {
			p.set.force(keyword, v, p.flag)
		}
		return nil
	}
}

// offer stores the argument if the keyword has none yet, or adds it.
func offer(keyword string) func(*parser, string) error {
	return func(p *parser, v string) error {
		p.set.offer(keyword, sshconfig.Quote(v), p.flag)
		return nil
	}
}

func ignore(*parser, string) error { return nil }

func refuseProtocol1(*parser, string) error {
	return fail("SSH protocol v.1 is no longer supported")
}

// forwardAgent keeps a socket path that an earlier -o ForwardAgent gave.
func (p *parser) forwardAgent(string) error {
	v, ok := p.set.value("forwardagent")
	if !ok || equalFold(v, "yes") || equalFold(v, "no") {
		p.set.force("ForwardAgent", "yes", p.flag)
	}
	return nil
}

// master is -M; given twice, or after ControlMaster yes, it asks first.
func (p *parser) master(string) error {
	mode := "yes"
	if v, _ := p.set.value("controlmaster"); equalFold(v, "yes") {
		mode = "ask"
	}
	p.set.force("ControlMaster", mode, p.flag)
	return nil
}

func (p *parser) noSession(string) error {
	if v, ok := p.set.value("sessiontype"); ok && !equalFold(v, "none") {
		return fail("Cannot specify -N with -s/SessionType")
	}
	p.set.force("SessionType", "none", p.flag)
	p.set.force("RequestTTY", "no", p.flag)
	return nil
}

func (p *parser) subsystem(string) error {
	if v, ok := p.set.value("sessiontype"); ok && !equalFold(v, "subsystem") {
		return fail("Cannot specify -s with -N/SessionType")
	}
	p.set.force("SessionType", "subsystem", p.flag)
	return nil
}

// tty is -t; given twice, or after RequestTTY yes, it forces a terminal.
func (p *parser) tty(string) error {
	mode := "yes"
	if v, _ := p.set.value("requesttty"); equalFold(v, "yes") {
		mode = "force"
	}
	p.set.force("RequestTTY", mode, p.flag)
	return nil
}

func (p *parser) version(string) error {
	p.inv.Action, p.done = ActionVersion, true
	return nil
}

func (p *parser) query(v string) error {
	p.inv.Action, p.inv.Query, p.done = ActionQuery, v, true
	return nil
}

// levels are LogLevel's values, in order; "DEBUG" is another name of DEBUG1.
var levels = []string{"QUIET", "FATAL", "ERROR", "INFO", "VERBOSE", "DEBUG1", "DEBUG2", "DEBUG3"}

// moreVerbose is -v: the first sets DEBUG1, each further one raises whatever
// level is in effect, so "-vq" is quiet and "-vqv" is FATAL.
func (p *parser) moreVerbose(string) error {
	level := "DEBUG1"
	if p.verbose {
		v, _ := p.set.value("loglevel")
		i := slices.IndexFunc(levels, func(l string) bool { return equalFold(l, v) })
		level = levels[min(i+1, len(levels)-1)]
	}
	p.verbose = true
	p.inv.Verbose++
	p.set.force("LogLevel", level, p.flag)
	return nil
}

// ciphers checks what sshconfig cannot: -c takes "+" and "^", but not "-".
func (p *parser) ciphers(v string) error {
	if v == "" || v[0] == '-' {
		return fail("Unknown cipher type '%s'", v)
	}
	p.set.force("Ciphers", v, p.flag)
	return nil
}

// macs is -m, which takes a plain list only.
func (p *parser) macs(v string) error {
	if v == "" || strings.IndexByte("+-^", v[0]) >= 0 {
		return fail("Unknown mac type '%s'", v)
	}
	p.set.force("MACs", v, p.flag)
	return nil
}

func (p *parser) escape(v string) error {
	caret := len(v) == 2 && v[0] == '^' && v[1] >= 64 && v[1] < 128
	if !caret && len(v) != 1 && v != "none" {
		return fail("Bad escape character '%s'.", v)
	}
	p.set.force("EscapeChar", v, p.flag)
	return nil
}

// jump is -J. It excludes an earlier -o ProxyJump or ProxyCommand.
func (p *parser) jump(v string) error {
	if old, ok := p.set.value("proxyjump"); ok && old != "" {
		return fail("Only a single -J option is permitted (use commas to separate multiple jump hops)")
	}
	if _, ok := p.set.value("proxycommand"); ok {
		return fail("Cannot specify -J with ProxyCommand")
	}
	v, _, _ = strings.Cut(v, "#") // a comment, as in a file
	v = strings.Trim(v, blanks)
	if !validJump(v) {
		return fail("Invalid -J argument")
	}
	p.set.offer("ProxyJump", v, p.flag)
	return nil
}

var controlCommands = []string{"check", "conninfo", "channels", "forward", "exit", "stop", "cancel", "proxy"}

func (p *parser) control(v string) error {
	switch {
	case p.inv.StdioForward != nil:
		return fail("Cannot specify multiplexing command with -W")
	case p.inv.Control != "":
		return fail("Multiplexing command already specified")
	case !slices.Contains(controlCommands, v):
		return fail("Invalid multiplex command.")
	}
	p.inv.Control = v
	return nil
}

func (p *parser) controlPath(v string) error {
	if v == "" {
		v = "none"
	}
	p.set.force("ControlPath", v, p.flag)
	return nil
}

// logFile is -E. An empty name is that of no file, and not "none given".
func (p *parser) logFile(v string) error {
	if v == "" {
		return fail("Couldn't open logfile : No such file or directory")
	}
	p.inv.LogFile = v
	return nil
}

// configFile is -F; as with logFile, nothing else is read in its place.
func (p *parser) configFile(v string) error {
	if v == "" {
		return fail("Can't open user config file : No such file or directory")
	}
	p.inv.ConfigFile = v
	return nil
}

func (p *parser) option(v string) error {
	o := sshconfig.ParseOverride(v, p.flag)
	if o.Keyword != "" { // neither an empty line nor a comment
		p.set.offer(o.Keyword, o.Value, o.From)
	}
	return nil
}

// port is -p; like ssh, it does not look at a value that comes too late.
func (p *parser) port(v string) error {
	if _, ok := p.set.value("port"); ok {
		return nil
	}
	port, ok := parsePort(v)
	if !ok || port == 0 {
		return fail("Bad port '%s'", v)
	}
	p.set.offer("Port", itoa(port), p.flag)
	return nil
}

func (p *parser) localForward(v string) error {
	_, value, ok := parseForward(v, false, false)
	if !ok {
		return fail("Bad local forwarding specification '%s'", v)
	}
	p.set.offer("LocalForward", value, p.flag)
	return nil
}

func (p *parser) remoteForward(v string) error {
	_, value, ok := parseForward(v, false, true)
	if !ok {
		_, value, ok = parseForward(v, true, true)
	}
	if !ok {
		return fail("Bad remote forwarding specification '%s'", v)
	}
	p.set.offer("RemoteForward", value, p.flag)
	return nil
}

func (p *parser) dynamicForward(v string) error {
	spec, value, ok := parseForward(v, true, false)
	if !ok {
		return fail("Bad dynamic forwarding specification '%s'", v)
	}
	keyword := "DynamicForward"
	if spec.ConnectPath != "" { // "-D 8080:/socket" is what -L makes of it
		keyword = "LocalForward"
	}
	p.set.offer(keyword, value, p.flag)
	return nil
}

// stdioForward is -W. Differs from OpenSSH: a port without a host is an error
// here; there, it silently forwards nothing.
func (p *parser) stdioForward(v string) error {
	if p.inv.StdioForward != nil {
		return fail("stdio forward already specified")
	}
	if p.inv.Control != "" {
		return fail("Cannot specify stdio forward with -O")
	}
	spec, _, ok := parseForward(v, true, false)
	noHost := spec.ListenHost == "" || spec.ListenHost == "*" // not given, or empty
	if !ok || noHost && spec.ListenPath == "" {
		return fail("Bad stdio forwarding specification '%s'", v)
	}
	p.inv.StdioForward = &sshconfig.ForwardSpec{
		ConnectHost: spec.ListenHost, ConnectPort: spec.ListenPort, ConnectPath: spec.ListenPath,
	}
	p.set.force("RequestTTY", "no", p.flag)
	p.set.force("SessionType", "none", p.flag)
	return nil
}

// tunnel is -w LOCAL[:REMOTE], each a number or "any".
func (p *parser) tunnel(v string) error {
	local, remote, _ := strings.Cut(v, ":")
	if !validTunnel(local) || strings.Contains(v, ":") && !validTunnel(remote) {
		return fail("Bad tun device '%s'", v)
	}
	p.set.offer("Tunnel", "point-to-point", p.flag)
	p.set.force("TunnelDevice", v, p.flag)
	return nil
}

func validTunnel(s string) bool {
	if equalFold(s, "any") {
		return true
	}
	n, ok := number(s)
	return ok && n >= 0 && n <= math.MaxInt32-2
}
