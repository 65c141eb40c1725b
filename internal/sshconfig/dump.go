package sshconfig

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Dump writes the options as "ssh -G" does, in its order and spelling, with
// keywords that 9.2 lacks at the end and only when they are set.
func (r *Resolved) Dump(w io.Writer) error {
	_, err := io.WriteString(w, r.dump())
	return err
}

// dumper collects the lines.
type dumper struct {
	*final
	b strings.Builder
}

func (f *final) dump() string {
	d := &dumper{final: f}
	d.line(kwHost, f.original)
	d.line(kwUser, f.user)
	d.line(kwHostName, f.host)
	d.line(kwPort, strconv.Itoa(f.port))
	for _, kw := range dumpFlags {
		if word := d.word(kw); word != "" {
			d.line(kw, word)
		}
	}
	for _, kw := range dumpNumbers {
		d.line(kw, strconv.FormatInt(f.num[kw], 10))
	}
	for _, kw := range dumpStrings {
		d.text(kw)
	}
	d.forwards()
	d.lists()
	d.special()
	d.later()
	return d.b.String()
}

func (d *dumper) line(kw keyword, value string) {
	d.b.WriteString(kw.name())
	d.b.WriteByte(' ')
	d.b.WriteString(value)
	d.b.WriteByte('\n')
}

// dumpFlags are the flags in the order of readconf.c: dump_client_config.
var dumpFlags = []keyword{
	kwAddressFamily, kwBatchMode, kwCanonicalizeFallbackLocal, kwCanonicalizeHostname,
	kwCheckHostIP, kwCompression, kwControlMaster, kwEnableSSHKeysign, kwClearAllForwardings,
	kwExitOnForwardFailure, kwFingerprintHash, kwForwardX11, kwForwardX11Trusted,
	kwGatewayPorts, kwGSSAPIAuthentication, kwGSSAPIKeyExchange, kwGSSAPIDelegateCredentials,
	kwGSSAPITrustDNS, kwGSSAPIRenewalForcesRekey, kwGSSAPIClientIdentity, kwGSSAPIServerIdentity,
	kwGSSAPIKexAlgorithms, kwHashKnownHosts, kwHostbasedAuthentication, kwIdentitiesOnly,
	kwKbdInteractiveAuthentication, kwNoHostAuthenticationForLocalhost,
	kwPasswordAuthentication, kwPermitLocalCommand, kwProxyUseFdpass, kwPubkeyAuthentication,
	kwRequestTTY, kwSessionType, kwStdinNull, kwForkAfterAuthentication,
	kwStreamLocalBindUnlink, kwStrictHostKeyChecking, kwTCPKeepAlive, kwTunnel,
	kwVerifyHostKeyDNS, kwVisualHostKey, kwUpdateHostKeys, kwEnableEscapeCommandline,
}

var dumpNumbers = []keyword{
	kwCanonicalizeMaxDots, kwConnectionAttempts, kwForwardX11Timeout, kwNumberOfPasswordPrompts,
	kwServerAliveCountMax, kwServerAliveInterval, kwRequiredRSASize,
}

var dumpStrings = []keyword{
	kwBindAddress, kwBindInterface, kwCiphers, kwControlPath, kwHostKeyAlgorithms,
	kwHostKeyAlias, kwHostbasedAcceptedAlgorithms, kwIdentityAgent, kwIgnoreUnknown,
	kwKbdInteractiveDevices, kwKexAlgorithms, kwCASignatureAlgorithms, kwLocalCommand,
	kwRemoteCommand, kwLogLevel, kwMACs, kwPKCS11Provider, kwSecurityKeyProvider,
	kwPreferredAuthentications, kwPubkeyAcceptedAlgorithms, kwRevokedHostKeys,
	kwXAuthLocation, kwKnownHostsCommand,
}

// askDumped are the flags that are printed by the first word of their table; the
// others are printed as yes and no.
var askDumped = map[keyword]bool{
	kwAddressFamily: true, kwVerifyHostKeyDNS: true, kwUpdateHostKeys: true,
	kwStrictHostKeyChecking: true, kwControlMaster: true, kwTunnel: true, kwRequestTTY: true,
	kwSessionType: true, kwCanonicalizeHostname: true, kwPubkeyAuthentication: true,
}

// word is how "ssh -G" prints a flag, or a string among the flags.
func (d *dumper) word(kw keyword) string {
	if keywordTable[kw].kind != kindFlag {
		return d.str[kw]
	}
	if askDumped[kw] {
		return stateWord(states(kw), d.num[kw])
	}
	return stateWord(yesNo, d.num[kw])
}

// text writes a string option when it is set.
func (d *dumper) text(kw keyword) {
	switch {
	case keywordTable[kw].kind == kindAlgorithms:
		d.line(kw, strings.Join(d.algorithms[kw], ","))
	case kw == kwLogLevel:
		d.line(kw, logLevelText(logLevels[d.num[kw]]))
	case kw == kwRevokedHostKeys:
		if list := noneEmpty(d.vals[kw].list); len(list) > 0 {
			d.line(kw, strings.Join(list, " "))
		}
	case d.str[kw] != "":
		d.line(kw, d.str[kw])
	}
}

// logLevelText is the name that "ssh -G" prefers.
func logLevelText(level string) string {
	switch level {
	case "DEBUG1":
		return "DEBUG"
	case "QUIET":
		return "SILENT"
	}
	return level
}

// forwards writes the three kinds of forward. A target "socks" makes a forward
// dynamic to "ssh -G", and one to a socket is printed under both names, as in
// readconf.c: dump_cfg_forwards.
func (d *dumper) forwards() {
	for _, f := range d.localForwards {
		if f.dynamic || f.ConnectHost == socksHost || f.ConnectPath != "" {
			d.line(kwDynamicForward, f.listen())
		}
	}
	for _, f := range d.localForwards {
		if !f.dynamic && f.ConnectHost != socksHost {
			d.line(kwLocalForward, f.listen()+" "+f.connect())
		}
	}
	for _, f := range d.remoteForwards {
		d.line(kwRemoteForward, f.listen()+" "+f.connect())
	}
}

// socksHost is the target that stands for none in ssh.
const socksHost = "socks"

func (f *forward) listen() string {
	switch {
	case f.ListenPath != "":
		return f.ListenPath
	case f.hasHost:
		return fmt.Sprintf("[%s]:%d", f.ListenHost, f.ListenPort)
	}
	return strconv.Itoa(f.ListenPort)
}

func (f *forward) connect() string {
	switch {
	case f.dynamic:
		return "[" + socksHost + "]:0"
	case f.ConnectPath != "":
		return f.ConnectPath
	}
	return fmt.Sprintf("[%s]:%d", f.ConnectHost, f.ConnectPort)
}

// lists writes the options with several values.
func (d *dumper) lists() {
	d.each(kwIdentityFile, d.identities)
	d.oneLine(kwCanonicalDomains, d.vals[kwCanonicalDomains].list)
	d.each(kwCertificateFile, d.vals[kwCertificateFile].list)
	d.oneLine(kwGlobalKnownHostsFile, d.globalHosts)
	d.oneLine(kwUserKnownHostsFile, d.userHosts)
	d.each(kwSendEnv, d.vals[kwSendEnv].list)
	d.each(kwSetEnv, d.vals[kwSetEnv].list)
	d.oneLine(kwLogVerbose, d.vals[kwLogVerbose].list)
	opens := d.vals[kwPermitRemoteOpen].list
	if len(opens) == 0 {
		opens = []string{"any"}
	}
	d.oneLine(kwPermitRemoteOpen, opens)
}

func (d *dumper) each(kw keyword, list []string) {
	for _, s := range list {
		d.line(kw, s)
	}
}

func (d *dumper) oneLine(kw keyword, list []string) {
	if len(list) == 0 {
		list = []string{"none"}
	}
	d.line(kw, strings.Join(list, " "))
}

// special writes the options with a form of their own.
func (d *dumper) special() {
	d.addKeys()
	if s := d.str[kwForwardAgent]; s != "" {
		d.line(kwForwardAgent, s)
	} else {
		d.line(kwForwardAgent, stateWord(yesNo, d.num[kwForwardAgent]))
	}
	if v := &d.vals[kwConnectTimeout]; v.set {
		d.line(kwConnectTimeout, strconv.FormatInt(v.n, 10))
	} else {
		d.line(kwConnectTimeout, "none")
	}
	d.line(kwTunnelDevice, d.tunnelDevice())
	// The capital letter is OpenSSH's.
	rules := d.cnameRules()
	if len(rules) == 0 {
		rules = []string{"none"}
	}
	fmt.Fprintf(&d.b, "canonicalizePermittedcnames %s\n", strings.Join(rules, " "))
	if v := &d.vals[kwControlPersist]; v.n2 != 0 {
		d.line(kwControlPersist, strconv.FormatInt(v.n2, 10))
	} else {
		d.line(kwControlPersist, stateWord(yesNo, v.n))
	}
	d.line(kwEscapeChar, escapeText(d.num[kwEscapeChar]))
	q := d.qos()
	d.line(kwIPQoS, qosText(q[0])+" "+qosText(q[1]))
	rekey := &d.vals[kwRekeyLimit]
	d.line(kwRekeyLimit, fmt.Sprintf("%d %d", rekey.n, rekey.n2))
	d.line(kwStreamLocalBindMask, fmt.Sprintf("0%o", d.num[kwStreamLocalBindMask]))
	d.line(kwSyslogFacility, d.str[kwSyslogFacility])
	d.proxy()
}

func (d *dumper) addKeys() {
	v := &d.vals[kwAddKeysToAgent]
	switch {
	case v.n2 > 0 && v.n == confirm:
		d.line(kwAddKeysToAgent, fmt.Sprintf("confirm %d", v.n2))
	case v.n2 > 0:
		d.line(kwAddKeysToAgent, strconv.FormatInt(v.n2, 10))
	default:
		d.line(kwAddKeysToAgent, stateWord(keyStates, v.n))
	}
}

// tunnelDevice is TunnelDevice as "local:remote".
func (f *final) tunnelDevice() string {
	unit := func(n int64) string {
		if n == tunnelAny {
			return "any"
		}
		return strconv.FormatInt(n, 10)
	}
	v := &f.vals[kwTunnelDevice]
	if !v.set {
		return "any:any"
	}
	return unit(v.n) + ":" + unit(v.n2)
}

// qos are the values for interactive and for bulk sessions.
func (f *final) qos() [2]int64 {
	if v := &f.vals[kwIPQoS]; v.set {
		return [2]int64{v.n, v.n2}
	}
	return [2]int64{defaultQoSInteractive, defaultQoSBulk}
}

func qosText(n int64) string {
	for _, s := range qosNames {
		if s.value == n {
			return s.word
		}
	}
	return fmt.Sprintf("0x%02x", n)
}

// escapeText is how vis(3) shows the escape character.
func escapeText(n int64) string {
	if n == escapeNone {
		return "none"
	}
	c := byte(n)
	switch {
	case c == '\\':
		return `\\`
	case c > ' ' && c < 0x7f:
		return string(c)
	}
	meta := ""
	if c&0x80 != 0 {
		meta = "M"
		c &= 0x7f
	}
	switch {
	case c == ' ' && meta == "":
		return `\040`
	case c == ' ':
		return `\240`
	case c == 0x7f:
		return `\` + meta + "^?"
	case c < ' ':
		return `\` + meta + "^" + string(c+'@')
	}
	return `\` + meta + "-" + string(c)
}

// proxy writes ProxyCommand, or ProxyJump with brackets around an address.
func (d *dumper) proxy() {
	if !d.jump.set {
		d.text(kwProxyCommand)
		return
	}
	var b strings.Builder
	if d.jump.extra != "" {
		b.WriteString(d.jump.extra + ",")
	}
	if d.jump.user != "" {
		b.WriteString(d.jump.user + "@")
	}
	if strings.Contains(d.jump.host, ":") || strings.Trim(d.jump.host, "0123456789.") == "" {
		b.WriteString("[" + d.jump.host + "]")
	} else {
		b.WriteString(d.jump.host)
	}
	if d.jump.port > 0 {
		b.WriteString(":" + strconv.Itoa(d.jump.port))
	}
	d.line(kwProxyJump, b.String())
}

// later writes what 9.2 does not know, as far as it is set.
func (d *dumper) later() {
	for kw := kwTag; kw < numKeywords; kw++ {
		v := &d.vals[kw]
		switch {
		case !v.set:
		case kw == kwObscureKeystrokeTiming:
			d.line(kw, keystrokeText(v.n))
		case len(v.list) > 0:
			d.line(kw, strings.Join(v.list, " "))
		case keywordTable[kw].kind == kindFlag:
			d.line(kw, stateWord(yesNo, v.n))
		case keywordTable[kw].kind == kindTime:
			d.line(kw, strconv.FormatInt(v.n, 10))
		default:
			d.line(kw, d.str[kw])
		}
	}
}

func keystrokeText(n int64) string {
	switch n {
	case 0:
		return "no"
	case defaultKeystroke:
		return "yes"
	}
	return "interval:" + strconv.FormatInt(n, 10)
}
