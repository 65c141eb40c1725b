package sshconfig

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// randomCases may be raised for a long run: go test -run Random -sshconfig.cases 20000.
var randomCases = flag.Int("sshconfig.cases", 500, "random configurations that are compared with ssh -G")

// randomSeed repeats a run from one case on.
var randomSeed = flag.Uint64("sshconfig.seed", 1, "the seed of the first random configuration")

func TestRandomConfigurationsAgreeWithSSH(t *testing.T) {
	requireSSH(t)
	failed := 0
	for i := range uint64(*randomCases) {
		s := newRandomScenario(*randomSeed + i)
		if diff := s.compare(t); diff != "" {
			t.Errorf("seed %d: %s\n%s", *randomSeed+i, diff, s.text())
			if failed++; failed == 10 {
				t.Fatal("and maybe more")
			}
		}
	}
}

// TestRandomAccountsAgreeWithSSH is the same with names that resolve, and with
// the user's and the system's file.
func TestRandomAccountsAgreeWithSSH(t *testing.T) {
	requireSSH(t)
	a := newAccount(t)
	for i := range uint64(*randomCases) / 2 {
		s := newRandomAccount(*randomSeed+i, a)
		if diff := s.compare(t); diff != "" {
			t.Fatalf("seed %d: %s\n%s", *randomSeed+i, diff, s.text())
		}
	}
}

// newRandomAccount makes the account of a seed.
func newRandomAccount(seed uint64, a *account) *scenario {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 1)), resolving: true}
	s := &scenario{account: a, env: []string{"FOO=foo-value", "AGENT_SOCK=/tmp/agent.1", "NAMES=" + g.names()}}
	user := g.config(1 + g.IntN(12))
	for range 1 + g.IntN(4) { // what canonicalization goes by, early
		user = g.spaced(g.pick("CanonicalizeHostname", "CanonicalizeHostname", "Host"), g.pick("yes", "always", "*")) + user
	}
	user = g.pick("", "CanonicalDomains example.com real.net\n", "CanonicalDomains real.net\n") + user
	s.files = []scenarioFile{
		{"home/.ssh/config", 0o600, user}, {"system", 0o644, g.config(g.IntN(6))},
		{"inc1.conf", 0o600, "User from1\n"}, {"inc2.conf", 0o600, "Host *.net\nPort 2\n"}, {"inc3.conf", 0o600, "Match final\n"},
	}
	s.args = []string{g.pick("web1", "WEB2", "alpha", "db.example.com", "beta.", "x.y.z", "10.0.0.1", "alias")}
	return s
}

// names makes a name service.
func (g *generator) names() string {
	var out []string
	for _, name := range []string{"web1", "web2", "alpha", "db", "beta", "alias", "x.y.z"} {
		for _, domain := range []string{"", ".example.com", ".real.net"} {
			if g.IntN(3) == 0 {
				out = append(out, name+domain+"="+g.pick(name+domain, "c-"+name+".real.net", "other.org", "-bad"))
			}
		}
	}
	return strings.Join(out, " ")
}

// text shows a scenario in an error.
func (s *scenario) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "args: %q env: %q\n", s.args, s.env)
	for _, f := range s.files {
		fmt.Fprintf(&b, "-- %s --\n%s", f.name, f.text)
	}
	return b.String()
}

// generator makes random configurations.
type generator struct {
	*rand.Rand
	// wild is the chance in a thousand of a value that need not be good.
	wild      int
	includes  int
	canonical bool
	// resolving allows names to be looked up.
	resolving bool
}

// newRandomScenario makes the scenario of a seed.
func newRandomScenario(seed uint64) *scenario {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0))}
	if g.IntN(4) == 0 {
		g.wild = 15
	}
	g.canonical = g.IntN(3) == 0
	s := &scenario{
		env: []string{"FOO=foo-value", "EMPTY=", "AGENT_SOCK=/tmp/agent.1", "SSH_AUTH_SOCK=/tmp/a.sock"},
	}
	s.files = append(s.files, scenarioFile{"config", 0o600, g.config(3 + g.IntN(30))})
	for i := 1; i <= g.includes; i++ {
		mode := os.FileMode(0o600)
		if g.IntN(200) == 0 {
			mode = 0o606
		}
		extra := &generator{Rand: g.Rand, wild: g.wild, includes: 99, canonical: g.canonical}
		name := fmt.Sprintf("inc%d.conf", i)
		s.files = append(s.files, scenarioFile{name, mode, extra.config(1 + g.IntN(8))})
	}
	for g.IntN(3) == 0 {
		key, value := g.option()
		if strings.EqualFold(key, "Include") {
			continue
		}
		s.args = append(s.args, "-o", key+g.pick("=", " ", " = ", "= ")+value)
	}
	if g.IntN(8) == 0 {
		s.args = append(s.args, "-p", g.pick("22", "2222", "1"))
	}
	if g.IntN(8) == 0 {
		s.args = append(s.args, "-l", g.pick("bob", "al ice", "d@x"))
	}
	s.args = append(s.args, g.pick(hostPool...))
	if g.IntN(6) == 0 {
		s.args = append(s.args, g.pick("uptime", "ls -l"))
	}
	return s
}

var hostPool = []string{
	"alpha", "Alpha", "beta", "web1", "web2", "web10", "db.example.com", "DB.Example.Com", "10.0.0.1",
	"10.0.0.001", "127.1", "::1", "0::1", "fe80::1%lo", "a_b", "x.y.z", "h%h", "1.2.3", "0x7f.1", "::ffff:1.2.3.4",
}

func (g *generator) pick(from ...string) string { return from[g.IntN(len(from))] }

// config makes n lines with some blocks among them.
func (g *generator) config(n int) string {
	var b strings.Builder
	for range n {
		b.WriteString(g.line())
	}
	return b.String()
}

func (g *generator) line() string {
	switch n := g.IntN(100); {
	case n < 14:
		return g.spaced(g.mangle("Host"), g.hostPatterns())
	case n < 24:
		return g.spaced(g.mangle("Match"), g.matchLine())
	case n < 27:
		return g.pick("# comment\n", "\n", "  \t\n", "#\n", " # Port 99\n", " \f\n \n")
	case n < 30 && g.includes < 3:
		g.includes++
		return g.spaced(g.mangle("Include"), g.pick(
			fmt.Sprintf("$DIR/inc%d.conf", g.includes), fmt.Sprintf("$DIR/inc%d.*", g.includes),
			"$DIR/inc?.conf", "$DIR/none*.conf $DIR/missing"))
	}
	key, value := g.option()
	return g.spaced(g.mangle(key), value)
}

// spaced joins a keyword and its value in one of the ways that are allowed.
func (g *generator) spaced(key, value string) string {
	if g.IntN(30) == 0 && !strings.EqualFold(key, "RevokedHostKeys") {
		key = `"` + key + `"`
	}
	lead := g.pick("", "", "", "  ", "\t", " \t ")
	sep := g.pick(" ", " ", " ", "=", " = ", "\t", "  ", "= ", " =")
	tail := g.pick("", "", "", "", " ", "\t", "\r", " \f")
	return lead + key + sep + value + tail + "\n"
}

// mangle changes the case of a keyword.
func (g *generator) mangle(key string) string {
	switch g.IntN(4) {
	case 0:
		return strings.ToLower(key)
	case 1:
		return strings.ToUpper(key)
	}
	return key
}

func (g *generator) hostPatterns() string {
	var out []string
	for range 1 + g.IntN(3) {
		p := g.pick("*", "web*", "web?", "alpha", "Alpha", "beta", "*.example.com", "db.*", "10.*", "x.y.z",
			"?????", "*eb1*", "::1", "127.0.0.1", "10.0.0.1", "foo", "**", "real.example.org")
		if g.IntN(5) == 0 {
			p = "!" + p
		}
		if g.IntN(15) == 0 {
			p = `"` + p + `"`
		}
		out = append(out, p)
	}
	return strings.Join(out, g.pick(" ", "  ", "\t")) + g.pick("", "", "", " # note", " #")
}

func (g *generator) matchLine() string {
	if g.IntN(12) == 0 {
		return g.pick("all", "!all", "all # x", "ALL")
	}
	var out []string
	for range 1 + g.IntN(3) {
		out = append(out, g.criterion())
	}
	if g.IntN(20) == 0 {
		out = append(out, g.pick("all", "!all"))
	}
	return strings.Join(out, " ") + g.pick("", "", "", "", " # note")
}

func (g *generator) criterion() string {
	neg := g.pick("", "", "", "!")
	sep := g.pick(" ", " ", "=", " = ")
	list := func(from ...string) string {
		l := g.pick(from...)
		for g.IntN(3) == 0 {
			l += "," + g.pick("", "!") + g.pick(from...)
		}
		if g.IntN(6) == 0 {
			l = `"` + l + `"`
		}
		return l
	}
	switch g.IntN(10) {
	case 0, 1:
		return neg + g.pick("host", "Host", "HOST") + sep + list("web*", "alpha", "*.example.com", "beta", "real*", "*", "10.0.0.1", "WEB1")
	case 2:
		return neg + "originalhost" + sep + list("web*", "alpha", "ALPHA", "*.example.com", "10.*")
	case 3:
		return neg + "user" + sep + list("root", "bob", "al*", "deploy", "*")
	case 4:
		return neg + "localuser" + sep + list("root", "nobody", "*", "r?ot")
	case 5:
		return neg + g.pick("final", "FINAL")
	case 6:
		return neg + "canonical"
	case 7:
		return neg + "exec" + g.pick(" ", "=") + g.pick(
			"true", "false", `"test %p = 22"`, `"[ %h = alpha ]"`, `"[ '%r' = bob -o %u = root ]"`,
			`"test %n = %k"`, `"test -n %C -a %i = 0"`, `"test %L%% = %l%%"`, `"exit 3"`)
	case 8:
		if g.IntN(1000) < g.wild {
			return g.pick("bogus x", "host", "user # c", `exec "echo %q"`, "all host x")
		}
	}
	return neg + "host" + sep + list("web1", "alpha", "!beta,*")
}

// option makes one keyword with a value.
func (g *generator) option() (key, value string) {
	if g.IntN(1000) < g.wild {
		return g.wildOption()
	}
	o := optionPool[g.IntN(len(optionPool))]
	keys := strings.Fields(o.keys)
	key = keys[g.IntN(len(keys))]
	switch o.values {
	case flags:
		value = g.pick("yes", "no", "true", "false", "YES", "No")
	case times:
		value = g.pick("0", "5", "1m", "1h30m", "90S", "2d", "1w", "none", "+3", "\"1h 5\"")
	case numbers:
		value = g.pick("0", "1", "2", "7", "+4", "100", "2147483647")
	case lists:
		value = g.algorithmList(key)
	case canonical:
		// No name may be looked up here.
		value = "no"
		if g.canonical || g.resolving {
			value = g.pick("no", "yes", "always")
		}
	case cnames:
		value = "none"
		if g.resolving {
			value = g.pick("none", "*", "*.example.com:*.real.net", "*:other.org,c-*", "WEB*:*.Real.net x:y")
		}
	case domains:
		value = "none"
		if !g.canonical || g.resolving {
			value = g.pick("none", "example.com", "Example.COM real.net.", "a_b")
		}
	default:
		values := strings.Split(o.values, "|")
		value = values[g.IntN(len(values))]
	}
	if o.quote && g.IntN(10) == 0 && !strings.ContainsAny(value, "\"'\\ #") && value != "" {
		value = g.pick(`"`+value+`"`, `'`+value+`'`, `"`+value[:1]+`"`+value[1:], value+`""`)
	}
	if o.quote && g.IntN(12) == 0 {
		value += g.pick(" # comment", "  #", " #x")
	}
	return key, value
}

// wildOption makes what may be an error.
func (g *generator) wildOption() (key, value string) {
	key = g.pick("Port", "User", "ForwardAgent", "Ciphers", "LocalForward", "RekeyLimit", "ProxyJump", "Bogus",
		"ControlPersist", "IPQoS", "EscapeChar", "StrictHostKeyChecking", "TunnelDevice",
		"PermitRemoteOpen", "AddKeysToAgent", "LogLevel", "SetEnv", "SendEnv", "UserKnownHostsFile",
		"IdentityAgent", "ConnectTimeout", "NumberOfPasswordPrompts", "StreamLocalBindMask", "HostKeyAlgorithms",
		"KexAlgorithms", "CanonicalizePermittedCNAMEs", "RhostsRSAAuthentication", "Tunnel", "RequestTTY",
		"ControlPath", "RemoteCommand", "HostName", "FingerprintHash", "SyslogFacility", "MACs", "IdentityFile",
		"RemoteForward", "DynamicForward", "ConnectionAttempts")
	value = g.pick("", `""`, "bad", "-1", "70000", "0", "a b", "a b c", `"open`, "12x", "%z", "${NOPE}", "${FOO", "+",
		"none", "none x", "99999999999", "1:2:3", "[a", "^", "~bob!", "yes yes", "# only", "a,,b", "!x", "-", "ssh",
		"0x20", "08", "^[", "^]x", "%%", "$FOO", "$A-B", "1.5G", "12Q", "5G x", "16", "1K 1h", "*", "-*", "+*sha1*")
	return key, value
}

const (
	flags   = "\x00flags"
	times   = "\x00times"
	numbers = "\x00numbers"
	lists   = "\x00lists"
	// Canonicalization is either asked for or has domains.
	canonical = "\x00canonical"
	domains   = "\x00domains"
	cnames    = "\x00cnames"
)

// optionPool holds keywords with values parted by "|"; quote allows quotes and
// comments to be added.
var optionPool = []struct {
	keys   string
	values string
	quote  bool
}{
	{"BatchMode CheckHostIP TCPKeepAlive KeepAlive ForwardX11 ForwardX11Trusted GatewayPorts HashKnownHosts", flags, true},
	{"PasswordAuthentication KbdInteractiveAuthentication ChallengeResponseAuthentication HostbasedAuthentication", flags, true},
	{"ExitOnForwardFailure", "no", true}, // with yes, ssh -G looks for the agent's socket
	{"EnableSSHKeysign IdentitiesOnly NoHostAuthenticationForLocalhost PermitLocalCommand", flags, true},
	{"ProxyUseFdpass StdinNull StreamLocalBindUnlink VisualHostKey EnableEscapeCommandline GSSAPIAuthentication", flags, true},
	{"GSSAPIDelegateCredentials GSSAPIKeyExchange GSSAPITrustDNS GSSAPIRenewalForcesRekey CanonicalizeFallbackLocal", flags, true},
	{"ClearAllForwardings", "no|no|no|yes", true},
	{"DSAAuthentication PubkeyAuthentication", "yes|no|unbound|host-bound|TRUE", true},
	{"Compression", "yes|no|YES", true},
	{"VerifyHostKeyDNS UpdateHostKeys", "yes|no|ask|Ask", true},
	{"StrictHostKeyChecking", "yes|no|ask|off|accept-new|true", true},
	{"AddressFamily", "any|inet|inet6|ANY", true},
	{"ControlMaster", "yes|no|ask|auto|autoask|true", true},
	{"Tunnel", "yes|no|ethernet|point-to-point", true},
	{"RequestTTY", "yes|no|force|auto", true},
	{"SessionType", "none|subsystem|default", true},
	{"CanonicalizeHostname", canonical, true},
	{"CanonicalizeMaxDots", "0|1|5", true},
	{"ConnectTimeout ServerAliveInterval ProtocolKeepAlives SetupTimeOut ForwardX11Timeout", times, true},
	{"NumberOfPasswordPrompts ServerAliveCountMax RequiredRSASize", numbers, true},
	{"ConnectionAttempts", "1|2|30", true},
	{"Port", "22|2222|1|65535|ssh|+80|https", true},
	{"User", "bob|alice|deploy|root|d%x|al\\ ice|\"with space\"|'single'|$FOO", true},
	{"HostName", "real.example.org|%h.example.org|10.1.2.3|REAL.Example|%%h|x-%h-%h|::1|127.1|web1", true},
	{"HostKeyAlias", "Alias|k1", true},
	{"BindAddress BindInterface KbdInteractiveDevices PreferredAuthentications PKCS11Provider SmartcardDevice", "a|b,c|none", true},
	{"SecurityKeyProvider XAuthLocation GSSAPIClientIdentity GSSAPIServerIdentity", "/x/y|none|$FOO|internal", true},
	{"RevokedHostKeys", "/etc/revoked|none|~/r", true},
	{"IdentityFile IdentityFile IdentityFile2 CertificateFile", "~/.ssh/a|~/.ssh/b|/k/%r@%h|none|\"/with space\"|${FOO}/k|~/.ssh/a", true},
	{"IdentityAgent", "none|SSH_AUTH_SOCK|~/agent|$AGENT_SOCK|${AGENT_SOCK}|/run/%u/%i|/a/%n-%k", true},
	{"ForwardAgent", "yes|no|$AGENT_SOCK|${AGENT_SOCK}", true},
	{"ProxyCommand", "none|nc %h %p|ssh -W %h:%p gw # c|= x|\"a b\" 'c'|NONE", false},
	{"ProxyJump", "none|gw|user@gw:2222|a,b,c|ssh://u@gw:22|[::1]:22|10.9.8.7|a@b@c|gw # note|NONE|none # note|x:ssh", false},
	{"LocalCommand RemoteCommand KnownHostsCommand", "echo %h|none|echo 'a b' # c|/bin/x %% %n|NONE", false},
	{"ControlPath", "none|~/c-%C|/tmp/%r@%h:%p|/x/%L-%l-%n|/x/${FOO}/%i-%u-%k-%d", true},
	{"ControlPersist", "yes|no|5|1h|0|true|false", true},
	{"GlobalKnownHostsFile UserKnownHostsFile", "none|/a|/a /b|~/.ssh/known_hosts|~/k/%h %%x|\"/a b\" c|${FOO}|NONE", true},
	{"LogLevel", "quiet|FATAL|Error|INFO|verbose|debug|DEBUG1|debug2|DEBUG3", true},
	{"SyslogFacility", "user|AUTH|local0|LOCAL7|Daemon|authpriv", true},
	{"LogVerbose", "none|kex.c:*:1000|a b c|*", true},
	{"SendEnv", "LANG LC_*|A|-LC_*|-*|B C -A", true},
	{"SetEnv", "A=1|A=1 B=2 A=3|X=\"a b\"|Y=|A=9", true},
	{"LocalForward", "8080 web:80|127.0.0.1:81 [::1]:82|*:83 h:84|/tmp/l.sock /tmp/r.sock|85 /tmp/%h.sock|[::1]:86 h:ssh|:87 x:1|8080 web:80|88 socks:1080|${FOO}/s h:1", false},
	{"RemoteForward", "8080 web:80|0 h:1|9000|*:83 h:84|/tmp/l.sock /tmp/%r.sock|85 /tmp/r.sock|[::1]:9001|0", false},
	{"DynamicForward", "1080|127.0.0.1:1081|*:1082|[::1]:1083|/tmp/dyn.sock|:1084", true},
	{"PermitRemoteOpen", "any|none|a:1 b:*|[::1]:22|h:ssh|ANY", true},
	{"EscapeChar", "~|none|^A|^?|%|^[|\\\\|^@|^]", false},
	{"RekeyLimit", "default|1G|500M|16|default none|1.5G 1h|4k none|0|1g 30|B", true},
	{"TunnelDevice", "any|0|1:2|any:3|4:any|ANY", true},
	{"IPQoS", "af21 cs1|none|ef|0x10|lowdelay throughput|le none|cs0|26|0x20 010|0", true},
	{"StreamLocalBindMask", "0177|077|0|644|0777x", true},
	{"FingerprintHash", "md5|sha256|SHA512|sha1", true},
	{"CanonicalDomains", domains, true},
	{"CanonicalizePermittedCNAMEs", cnames, true},
	{"AddKeysToAgent", "yes|no|ask|confirm|confirm 5m|1h|30", true},
	{"Ciphers MACs KexAlgorithms HostKeyAlgorithms CASignatureAlgorithms PubkeyAcceptedAlgorithms PubkeyAcceptedKeyTypes HostbasedAcceptedAlgorithms HostbasedKeyTypes", lists, true},
	{"GSSAPIKexAlgorithms", "gss-gex-sha1-|gss-group14-sha256-,gss-nistp256-sha256-", true},
	{"IgnoreUnknown", "foo*,bar|*|Foo", true},
	{"Protocol Cipher UsePrivilegedPort UseRoaming", "1|2|x y|\"a\" b", false},
	{"ForkAfterAuthentication", "no|no|no|yes", true},
}

// algorithmList makes a list for a keyword of algorithms.
func (g *generator) algorithmList(key string) string {
	pool := []string{"ssh-ed25519", "rsa-sha2-512", "ssh-rsa", "ecdsa-*", "*cert*", "ssh-dss", "sk-*", "rsa", "*"}
	switch key {
	case "Ciphers":
		pool = []string{"aes128-ctr", "aes256-gcm@openssh.com", "3des-cbc", "aes128-cbc", "chacha20-poly1305@openssh.com"}
	case "MACs":
		pool = []string{"hmac-md5", "hmac-sha2-256", "umac-64@openssh.com", "hmac-sha1-96", "hmac-sha2-512-etm@openssh.com"}
	case "KexAlgorithms":
		pool = []string{"curve25519-sha256", "diffie-hellman-group1-sha1", "ecdh-sha2-nistp256", "sntrup761x25519-sha512@openssh.com"}
	}
	prefix := g.pick("", "", "+", "-", "^")
	if prefix == "-" {
		pool = append(pool, "*sha1*", "*gcm*", "*-cbc", "hmac-*", "ecdh*,!*384", "*@openssh.com", "nothing")
	}
	var out []string
	for range 1 + g.IntN(3) {
		out = append(out, g.pick(pool...))
	}
	if prefix == "" {
		out = append(out, pool[0]) // a list that matches nothing is an error only here
	}
	return prefix + strings.Join(out, ",")
}
