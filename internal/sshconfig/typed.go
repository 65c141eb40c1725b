package sshconfig

import (
	"slices"
	"strings"
	"time"
)

// defaultMethods is the order of authentication when none is configured.
// sshconnect2.c: authmethods.
var defaultMethods = []string{"gssapi-with-mic", "hostbased", "publickey", "keyboard-interactive", "password"}

// on tells whether a flag is set to yes.
func (f *final) on(kw keyword) bool { return f.num[kw] == yes }

func (f *final) seconds(kw keyword) time.Duration {
	return time.Duration(f.num[kw]) * time.Second
}

// options makes the typed options. What ssh finds out only when it connects is
// an error here too, unless the query is for printing.
func (f *final) options() (*Options, error) {
	o := &Options{
		Original: f.original, HostName: f.host, User: f.user, Port: f.port, Tag: f.str[kwTag], Tags: f.vals[kwTags].list,
		Connect: f.connectOptions(), Transport: f.transportOptions(), Session: f.sessionOptions(),
		Forward: f.forwardOptions(), Control: f.controlOptions(),
	}
	o.Log = Log{
		Level: logLevels[f.num[kwLogLevel]], Verbose: noneEmpty(f.vals[kwLogVerbose].list),
		SyslogFacility: f.str[kwSyslogFacility],
	}
	for _, step := range []func(*Options) error{f.someAlgorithms, f.proxyOptions, f.hostKeyOptions, f.authOptions, f.commandOptions} {
		if err := step(o); err != nil && !f.query.PrintOnly {
			return nil, err
		}
	}
	return o, nil
}

// someAlgorithms refuses a list from which "-" has removed everything: to those
// who use a list, an empty one is one that was not configured.
func (f *final) someAlgorithms(*Options) error {
	for _, kw := range []keyword{
		kwCiphers, kwMACs, kwKexAlgorithms, kwHostKeyAlgorithms, kwPubkeyAcceptedAlgorithms, kwCASignatureAlgorithms,
	} {
		if len(f.algorithms[kw]) == 0 {
			return fatalf("%s %s: no algorithm is left", kw.name(), f.vals[kw].s)
		}
	}
	return nil
}

func (f *final) connectOptions() Connect {
	q := f.qos()
	c := Connect{
		AddressFamily: stateWord(states(kwAddressFamily), f.num[kwAddressFamily]),
		BindAddress:   f.str[kwBindAddress], BindInterface: f.str[kwBindInterface],
		Attempts: int(f.num[kwConnectionAttempts]), Timeout: f.seconds(kwConnectTimeout),
		TCPKeepAlive:        f.on(kwTCPKeepAlive),
		IPQoSInteractive:    int(q[0]),
		IPQoSBulk:           int(q[1]),
		ServerAliveInterval: f.seconds(kwServerAliveInterval),
		ServerAliveCountMax: int(f.num[kwServerAliveCountMax]),
		ServerAliveSet:      f.vals[kwServerAliveInterval].set,
		Alternates:          f.alternates(),
		AlternatePolicy:     "race",
	}
	if s := f.str[kwAlternatePolicy]; s != "" {
		c.AlternatePolicy = s
	}
	return c
}

// alternates are the values of AlternateAddress, which were checked when they
// were read.
func (f *final) alternates() []Address {
	var all []Address
	for _, s := range f.vals[kwAlternateAddress].list {
		if a, ok := parseAlternate(s, f.env); ok {
			all = append(all, a)
		}
	}
	return all
}

func (f *final) transportOptions() Transport {
	rekey := &f.vals[kwRekeyLimit]
	return Transport{
		Ciphers: f.algorithms[kwCiphers], MACs: f.algorithms[kwMACs],
		CiphersSet:           f.vals[kwCiphers].set,
		KexAlgorithms:        f.algorithms[kwKexAlgorithms],
		HostKeyAlgorithms:    f.algorithms[kwHostKeyAlgorithms],
		HostKeyAlgorithmsSet: f.vals[kwHostKeyAlgorithms].isWholeList(),
		Compression:          f.on(kwCompression),
		RekeyBytes:           uint64(max(rekey.n, 0)),
		RekeyInterval:        time.Duration(rekey.n2) * time.Second,
		VersionAddendum:      f.str[kwVersionAddendum],
	}
}

// askWord is a yes-no-ask flag's word.
func (f *final) askWord(kw keyword) string {
	if f.num[kw] == ask {
		return "ask"
	}
	return stateWord(yesNo, f.num[kw])
}

// strictWords are the values of StrictHostKeyChecking.
var strictWords = []string{strictNo: "no", strictNew: "accept-new", strictYes: "yes", strictAsk: "ask"}

func (f *final) hostKeyOptions(o *Options) error {
	o.HostKey = HostKey{
		Alias: f.str[kwHostKeyAlias], UserFiles: f.userHosts,
		StrictHostKeyChecking: strictWords[f.num[kwStrictHostKeyChecking]],
		CheckHostIP:           f.on(kwCheckHostIP), HashKnownHosts: f.on(kwHashKnownHosts),
		KnownHostsCommand:                f.str[kwKnownHostsCommand],
		CASignatureAlgorithms:            f.algorithms[kwCASignatureAlgorithms],
		RequiredRSASize:                  int(f.num[kwRequiredRSASize]),
		UpdateHostKeys:                   f.askWord(kwUpdateHostKeys),
		VerifyHostKeyDNS:                 f.askWord(kwVerifyHostKeyDNS),
		VisualHostKey:                    f.on(kwVisualHostKey),
		FingerprintHash:                  strings.ToLower(f.str[kwFingerprintHash]),
		NoHostAuthenticationForLocalhost: f.on(kwNoHostAuthenticationForLocalhost),
	}
	for _, name := range f.globalHosts {
		name, err := f.env.ExpandHome(name)
		if err != nil {
			return err
		}
		o.HostKey.GlobalFiles = append(o.HostKey.GlobalFiles, name)
	}
	revoked, err := f.paths(noneEmpty(f.vals[kwRevokedHostKeys].list))
	if err != nil {
		return err
	}
	o.HostKey.RevokedHostKeys = revoked
	return nil
}

// paths expands each of a list, without the ones that are "none".
func (f *final) paths(list []string) ([]string, error) {
	var out []string
	for _, s := range list {
		if strings.EqualFold(s, "none") {
			continue
		}
		s, err := f.path(s)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// proxyTokens are the ones that ProxyCommand takes. ssh_config(5), TOKENS.
const proxyTokens = "hknpr"

func (f *final) proxyOptions(o *Options) error {
	o.Proxy = Proxy{
		Jump: f.jump.spec, UseFdpass: f.on(kwProxyUseFdpass),
		Alternates: f.vals[kwAlternateProxyJump].list,
	}
	t := make(tokens)
	for i := range len(proxyTokens) {
		t[proxyTokens[i]] = f.tokens[proxyTokens[i]]
	}
	var err error
	o.Proxy.Command, err = f.env.expandTokens(f.str[kwProxyCommand], t)
	return err
}

func (f *final) authOptions(o *Options) error {
	add := &f.vals[kwAddKeysToAgent]
	pubkey := f.num[kwPubkeyAuthentication]
	o.Auth = Auth{
		IdentityFilesSet: f.vals[kwIdentityFile].set, IdentitiesOnly: f.on(kwIdentitiesOnly),
		PreferredAuthentications: slices.Clone(defaultMethods),
		Publickey:                pubkey != pubkeyNo,
		UnboundPubkey:            pubkey&pubkeyUnbound != 0, HostboundPubkey: pubkey&pubkeyHostBound != 0,
		Password:       f.on(kwPasswordAuthentication),
		KbdInteractive: f.on(kwKbdInteractiveAuthentication), KbdInteractiveDevices: f.str[kwKbdInteractiveDevices],
		GSSAPI: f.on(kwGSSAPIAuthentication), GSSAPIDelegate: f.on(kwGSSAPIDelegateCredentials),
		Hostbased: f.on(kwHostbasedAuthentication), EnableSSHKeysign: f.on(kwEnableSSHKeysign),
		HostbasedAcceptedAlgorithms: f.algorithms[kwHostbasedAcceptedAlgorithms],
		PubkeyAcceptedAlgorithms:    f.algorithms[kwPubkeyAcceptedAlgorithms],
		NumberOfPasswordPrompts:     int(f.num[kwNumberOfPasswordPrompts]),
		BatchMode:                   f.on(kwBatchMode),
		AddKeysToAgent:              []string{no: "no", yes: "yes", ask: "ask", confirm: "confirm"}[add.n],
		AddKeysLifetime:             time.Duration(add.n2) * time.Second,
		PKCS11Provider:              f.str[kwPKCS11Provider],
		SecurityKeyProvider:         f.variable(f.str[kwSecurityKeyProvider]),
		PasswordCommand:             f.str[kwPasswordCommand],
		OTPCommand:                  f.str[kwOTPCommand],
	}
	if s := f.str[kwPreferredAuthentications]; s != "" {
		o.Auth.PreferredAuthentications = strings.Split(s, ",")
	}
	o.Auth.Agent, o.Auth.AgentSet = f.agent()
	var err error
	if o.Auth.IdentityFiles, err = f.paths(f.identities); err != nil {
		return err
	}
	o.Auth.CertificateFiles, err = f.paths(f.vals[kwCertificateFile].list)
	return err
}

// variable is the value of the environment variable that "$NAME" names, or s.
func (f *final) variable(s string) string {
	if len(s) > 1 && s[0] == '$' {
		v, _ := f.env.Getenv(s[1:])
		return v
	}
	return s
}

// agentVariable names the agent's socket.
const agentVariable = "SSH_AUTH_SOCK"

// agent is the socket of the agent to ask; set tells that IdentityAgent chose it.
func (f *final) agent() (path string, set bool) {
	switch s := f.str[kwIdentityAgent]; s {
	case "", agentVariable:
		path, _ = f.env.Getenv(agentVariable)
		return path, false
	case "none":
		return "", true
	default:
		return f.variable(s), true
	}
}

func (f *final) sessionOptions() Session {
	keystroke := f.num[kwObscureKeystrokeTiming]
	return Session{
		RemoteCommand: f.str[kwRemoteCommand],
		RequestTTY:    []string{ttyAuto: "auto", ttyNo: "no", ttyYes: "yes", ttyForce: "force"}[f.num[kwRequestTTY]],
		SessionType:   stateWord(states(kwSessionType), f.num[kwSessionType]),
		SendEnv:       f.vals[kwSendEnv].list, SetEnv: f.vals[kwSetEnv].list,
		StdinNull: f.on(kwStdinNull), ForkAfterAuthentication: f.on(kwForkAfterAuthentication),
		PermitLocalCommand: f.on(kwPermitLocalCommand), EscapeChar: int(f.num[kwEscapeChar]),
		EnableEscapeCommandline:  f.on(kwEnableEscapeCommandline),
		ObscureKeystrokeTiming:   keystroke > 0,
		ObscureKeystrokeSet:      f.vals[kwObscureKeystrokeTiming].set,
		ObscureKeystrokeInterval: time.Duration(keystroke) * time.Millisecond,
		ChannelTimeout:           channelTimeouts(f.vals[kwChannelTimeout].list),
		XAuthLocation:            f.str[kwXAuthLocation],
		ResumeWith:               strings.TrimPrefix(f.str[kwResumeWith], "no"),
		Tunnel:                   []string{tunnelNo: "no", tunnelPointToPoint: "point-to-point", tunnelEthernet: "ethernet"}[f.num[kwTunnel]],
		TunnelDevice:             f.tunnelDevice(),
	}
}

// commandOptions expands the tokens of commands: LocalCommand has %T besides.
func (f *final) commandOptions(o *Options) error {
	for _, s := range []*string{&o.Auth.PasswordCommand, &o.Auth.OTPCommand} {
		var err error
		if *s, err = f.env.expandTokens(*s, f.tokens); err != nil {
			return err
		}
	}
	t := make(tokens, len(f.tokens)+1)
	for k, v := range f.tokens {
		t[k] = v
	}
	t['T'] = always("NONE") // no tunnel interface is known before the connection
	s, err := f.env.expandTokens(f.str[kwLocalCommand], t)
	if err != nil && !o.Session.PermitLocalCommand {
		err = nil // it is never run
	}
	o.Session.LocalCommand = s
	return err
}

func (f *final) forwardOptions() Forward {
	fw := Forward{
		ExitOnFailure: f.on(kwExitOnForwardFailure), ClearAll: f.on(kwClearAllForwardings),
		GatewayPorts: f.on(kwGatewayPorts), StreamLocalBindMask: uint32(f.num[kwStreamLocalBindMask]),
		StreamLocalBindUnlink: f.on(kwStreamLocalBindUnlink),
		PermitRemoteOpen:      f.vals[kwPermitRemoteOpen].list,
		Agent:                 stateWord(yesNo, f.num[kwForwardAgent]),
		X11:                   f.on(kwForwardX11), X11Trusted: f.on(kwForwardX11Trusted),
		X11Timeout: f.seconds(kwForwardX11Timeout),
	}
	if len(fw.PermitRemoteOpen) == 0 {
		fw.PermitRemoteOpen = []string{"any"}
	}
	if s := f.str[kwForwardAgent]; s != "" && f.on(kwForwardAgent) {
		if fw.Agent = f.variable(s); fw.Agent == "" {
			fw.Agent = "no"
		}
	}
	for _, l := range f.localForwards {
		if l.dynamic || l.ConnectHost == socksHost && l.ConnectPath == "" && l.ConnectPort == 0 {
			fw.Dynamic = append(fw.Dynamic, l.spec())
		} else {
			fw.Local = append(fw.Local, l.spec())
		}
	}
	for _, r := range f.remoteForwards {
		fw.Remote = append(fw.Remote, r.spec())
	}
	return fw
}

// spec is the forward for those who perform it: an empty host that was given
// means any address.
func (f *forward) spec() ForwardSpec {
	s := f.ForwardSpec
	if f.hasHost && s.ListenHost == "" {
		s.ListenHost = "*"
	}
	return s
}

func (f *final) controlOptions() Control {
	v := &f.vals[kwControlPersist]
	return Control{
		Master: []string{
			masterNo: "no", masterYes: "yes", masterAsk: "ask", masterAuto: "auto", masterAutoAsk: "autoask",
		}[f.num[kwControlMaster]],
		Path:    f.str[kwControlPath],
		Persist: time.Duration(v.n2) * time.Second, PersistSet: v.set,
		PersistForever: v.n == yes && v.n2 == 0, MaxAge: f.seconds(kwControlMaxAge),
		Remember: f.on(kwRememberHost),
	}
}
