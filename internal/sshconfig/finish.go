package sshconfig

import (
	"strings"
)

// Defaults that several places need. readconf.c: fill_default_options; Debian's
// package sets ForwardX11Trusted and IPQoS differently from upstream.
const (
	defaultPort        = 22
	defaultMaxDots     = 1
	defaultX11Timeout  = 1200
	defaultMask        = 0o177
	defaultRSASize     = 1024
	defaultAliveCount  = 3
	defaultPrompts     = 3
	defaultEscape      = '~'
	batchAliveInterval = 300
	defaultXAuth       = "/usr/bin/xauth"
	defaultSKProvider  = "internal"
	defaultFacility    = "USER"
	defaultDigest      = "SHA256"

	defaultQoSInteractive = 0x10 // lowdelay
	defaultQoSBulk        = 0x08 // throughput
)

// defaultIdentities are tried when no IdentityFile is configured.
var defaultIdentities = []string{
	"~/.ssh/id_rsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ecdsa_sk", "~/.ssh/id_ed25519",
	"~/.ssh/id_ed25519_sk", "~/.ssh/id_xmss", "~/.ssh/id_dsa",
}

var (
	defaultGlobalHosts = []string{"/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"}
	defaultUserHosts   = []string{"~/.ssh/known_hosts", "~/.ssh/known_hosts2"}
)

// final holds what the values come to: defaults are filled in and tokens
// expanded. The typed options and the dump are made from it.
type final struct {
	*pass
	user   string
	port   int
	tokens tokens
	// str are the string options that are set, after "none" was taken for
	// unset where it means that, and with tokens expanded as "ssh -G" shows.
	str [numKeywords]string
	// algorithms are the lists after + - ^ and patterns.
	algorithms [numKeywords][]string
	// num are flags and integers with their defaults.
	num [numKeywords]int64

	identities  []string
	userHosts   []string
	globalHosts []string
}

// finish fills in defaults, expands and checks. It follows ssh.c's main after
// the files have been read.
func (p *pass) finish() (*Resolved, error) {
	f := &final{pass: p}
	for _, step := range []func() error{
		f.fillNumbers, f.fillStrings, f.fillAlgorithms, f.checkJump, f.check, f.expandAll,
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	opts, err := f.options()
	if err != nil {
		return nil, err
	}
	r := &Resolved{Options: *opts, Warnings: p.warnings, Trace: p.traced, dump: f.dump, from: f.origins()}
	return r, nil
}

// origins gathers where the values came from.
func (f *final) origins() map[keyword][]Origin {
	out := make(map[keyword][]Origin)
	for kw := range numKeywords {
		if from := f.vals[kw].from; len(from) > 0 {
			out[kw] = from
		}
	}
	return out
}

// numberDefaults are the defaults of flags and integers that are not 0.
var numberDefaults = map[keyword]int64{
	kwForwardX11Trusted: yes, kwForwardX11Timeout: defaultX11Timeout,
	kwPubkeyAuthentication: pubkeyAll, kwPasswordAuthentication: yes,
	kwKbdInteractiveAuthentication: yes, kwStrictHostKeyChecking: strictAsk,
	kwTCPKeepAlive: yes, kwConnectionAttempts: 1, kwEscapeChar: defaultEscape,
	kwNumberOfPasswordPrompts: defaultPrompts, kwServerAliveCountMax: defaultAliveCount,
	kwStreamLocalBindMask: defaultMask, kwLogLevel: defaultLogLevel,
	kwSessionType: sessionDefault, kwCanonicalizeMaxDots: defaultMaxDots,
	kwCanonicalizeFallbackLocal: yes, kwRequiredRSASize: defaultRSASize,
	kwObscureKeystrokeTiming: defaultKeystroke, kwPort: defaultPort, kwWarnWeakCrypto: yes, kwRememberHost: yes,
}

// fillNumbers sets the numbers, those that depend on others last.
func (f *final) fillNumbers() error {
	for kw := range numKeywords {
		if v := &f.vals[kw]; v.set {
			f.num[kw] = v.n
		} else {
			f.num[kw] = numberDefaults[kw]
		}
	}
	if f.query.StdioForward {
		for _, kw := range []keyword{kwExitOnForwardFailure, kwClearAllForwardings} {
			f.num[kw] = f.vals[kw].orNumber(yes)
		}
	}
	if f.num[kwClearAllForwardings] == yes {
		f.localForwards, f.remoteForwards = nil, nil
		f.num[kwTunnel] = tunnelNo
	}
	// Debian's patch keepalive-extensions.
	if !f.vals[kwServerAliveInterval].set && f.num[kwBatchMode] == yes {
		f.num[kwServerAliveInterval] = batchAliveInterval
	}
	if !f.vals[kwUpdateHostKeys].set {
		hosts := f.vals[kwUserKnownHostsFile].list
		usual := len(hosts) == 0 || (len(hosts) == 1 && hosts[0] == defaultUserHosts[0])
		if f.num[kwVerifyHostKeyDNS] == no && usual {
			f.num[kwUpdateHostKeys] = yes
		}
	}
	f.port = int(f.num[kwPort])
	return nil
}

// noneClears are the strings for which "none" means unset.
var noneClears = []keyword{
	kwLocalCommand, kwRemoteCommand, kwProxyCommand, kwControlPath, kwPKCS11Provider,
	kwSecurityKeyProvider, kwKnownHostsCommand, kwPasswordCommand, kwOTPCommand,
}

func (f *final) fillStrings() error {
	for kw := range numKeywords {
		f.str[kw] = f.vals[kw].s
	}
	setDefault := func(kw keyword, s string) {
		if !f.vals[kw].set {
			f.str[kw] = s
		}
	}
	setDefault(kwXAuthLocation, defaultXAuth)
	setDefault(kwSecurityKeyProvider, defaultSKProvider)
	setDefault(kwSyslogFacility, defaultFacility)
	setDefault(kwFingerprintHash, defaultDigest)
	setDefault(kwGSSAPIKexAlgorithms, defaultGSSKex)
	setDefault(kwUser, f.env.LocalUser)
	for _, kw := range noneClears {
		if strings.EqualFold(f.str[kw], "none") {
			f.str[kw] = ""
		}
	}
	f.user = f.str[kwUser]
	f.str[kwHostKeyAlias] = lowerASCII(f.str[kwHostKeyAlias])
	if f.jump.host == jumpNone && f.jump.port == 0 && f.jump.user == "" {
		f.jump = jumpSpec{}
	}
	f.identities = listOr(f.vals[kwIdentityFile].list, defaultIdentities)
	f.globalHosts = listOr(f.vals[kwGlobalKnownHostsFile].list, defaultGlobalHosts)
	f.userHosts = listOr(f.vals[kwUserKnownHostsFile].list, defaultUserHosts)
	return nil
}

func listOr(list, def []string) []string {
	if len(list) > 0 {
		return append([]string(nil), list...)
	}
	return append([]string(nil), def...)
}

func (f *final) fillAlgorithms() error {
	for _, kw := range []keyword{
		kwCiphers, kwMACs, kwKexAlgorithms, kwHostbasedAcceptedAlgorithms,
		kwPubkeyAcceptedAlgorithms, kwCASignatureAlgorithms, kwHostKeyAlgorithms,
	} {
		list, ok := algorithmsOf(kw).assemble(f.vals[kw].s)
		if !ok {
			return fatalf("%s: invalid argument", kw.name())
		}
		f.algorithms[kw] = list
	}
	return nil
}

// checkJump refuses a jump host that is the destination itself.
func (f *final) checkJump() error {
	if !f.jump.set {
		return nil
	}
	port, user := f.jump.port, f.jump.user
	if port <= 0 {
		port = defaultPort
	}
	if user == "" {
		user = f.user
	}
	if f.jump.host == f.host && port == f.port && user == f.user {
		return fatalf("jumphost loop via %s", f.jump.host)
	}
	if f.str[kwProxyCommand] != "" {
		return fatalf("inconsistent options: ProxyCommand+ProxyJump")
	}
	f.num[kwProxyUseFdpass] = no
	return nil
}

// check refuses what contradicts itself, and turns off what cannot work.
func (f *final) check() error {
	if f.str[kwProxyCommand] == "-" && f.num[kwProxyUseFdpass] == yes {
		return fatalf("ProxyCommand=- and ProxyUseFDPass are incompatible")
	}
	command := f.query.Command != "" || f.str[kwRemoteCommand] != ""
	if f.num[kwUpdateHostKeys] == ask {
		shared := f.num[kwControlPersist] != no && f.str[kwControlPath] != ""
		if shared || command || f.num[kwRequestTTY] == ttyNo && f.vals[kwRequestTTY].set ||
			f.num[kwLogLevel] < defaultLogLevel {
			f.num[kwUpdateHostKeys] = no
		}
	}
	if f.num[kwConnectionAttempts] <= 0 {
		return fatalf("Invalid number of ConnectionAttempts")
	}
	if f.query.Command != "" && f.str[kwRemoteCommand] != "" {
		return fatalf("Cannot execute command-line and remote command.")
	}
	if f.num[kwForkAfterAuthentication] == yes && !command && f.num[kwSessionType] != sessionNone {
		return fatalf("Cannot fork into background without a command to execute.")
	}
	return nil
}

// expandAll expands tokens in what "ssh -G" shows expanded.
func (f *final) expandAll() error {
	s := subject{
		original: f.original, host: f.host, alias: f.original, user: f.user, port: f.port, jump: f.jump.host,
	}
	if f.vals[kwHostKeyAlias].set {
		s.alias = f.str[kwHostKeyAlias]
	}
	f.expandUser(&s)
	f.tokens = f.env.tokens(s)
	var err error
	if f.str[kwRemoteCommand], err = f.env.expandTokens(f.str[kwRemoteCommand], f.tokens); err != nil {
		return err
	}
	for _, kw := range []keyword{kwControlPath, kwIdentityAgent, kwForwardAgent} {
		if f.str[kw], err = f.path(f.str[kw]); err != nil {
			return err
		}
	}
	f.globalHosts = noneEmpty(f.globalHosts)
	f.userHosts = noneEmpty(f.userHosts)
	for i, name := range f.userHosts {
		if f.userHosts[i], err = f.path(name); err != nil {
			return err
		}
	}
	if err := f.expandForwards(f.localForwards); err != nil {
		return err
	}
	return f.expandForwards(f.remoteForwards)
}

// expandUser expands tokens and variables in a User of a file, as OpenSSH does
// from 10.0 on. Differs from OpenSSH: a name that cannot be expanded, or not to
// a harmless one, is taken literally as 9.2 does.
func (f *final) expandUser(s *subject) {
	v := &f.vals[kwUser]
	if !v.set || v.from[0].File == "" {
		return
	}
	t := f.env.tokens(*s)
	delete(t, 'r')
	delete(t, 'C')
	user, err := f.env.expandBoth(f.user, t)
	if err == nil && validUser(user) {
		f.user, s.user = user, user
	}
}

// noneEmpty makes an empty list of "none".
func noneEmpty(list []string) []string {
	if len(list) == 1 && strings.EqualFold(list[0], "none") {
		return nil
	}
	return list
}

// path expands "~", tokens and variables.
func (f *final) path(s string) (string, error) {
	s, err := f.env.ExpandHome(s)
	if err != nil {
		return "", err
	}
	return f.env.expandBoth(s, f.tokens)
}

// expandForwards expands tokens in the paths of sockets.
func (f *final) expandForwards(list []forward) error {
	for i := range list {
		for _, s := range []*string{&list[i].ListenPath, &list[i].ConnectPath} {
			var err error
			if *s, err = f.env.expandTokens(*s, f.tokens); err != nil {
				return err
			}
		}
	}
	return nil
}
