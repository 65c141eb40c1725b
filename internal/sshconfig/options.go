package sshconfig

import (
	"net"
	"strconv"
	"time"
)

// Options is everything that ssh_config(5) says about one host, after
// precedence, canonicalization, the second pass and token expansion: the same
// values that "ssh -G" prints. It is plain data: it can be encoded as JSON,
// sent to another process and compared.
//
// The groups follow who needs the values, so that each consumer is given its
// own group and not the whole.
type Options struct {
	// Original is the host as the user typed it (%n).
	Original string
	// HostName is the name or address to connect to (HostName after token
	// expansion and canonicalization; %h).
	HostName string
	// User is the remote user (%r).
	User string
	// Port is the remote port (%p), 1 to 65535.
	Port int
	// Tag is the value of Tag.
	Tag string
	// Tags are our Tags: names by which hosts are found, and nothing else.
	Tags []string

	Proxy     Proxy
	Connect   Connect
	Transport Transport
	HostKey   HostKey
	Auth      Auth
	Session   Session
	Forward   Forward
	Control   Control
	Log       Log
}

// Proxy says how the way to a host is found.
type Proxy struct {
	// Jump is the unexpanded ProxyJump value: "" when none applies
	// (including an explicit "none").
	Jump string
	// Command is ProxyCommand with its tokens expanded, "" when none applies.
	// ProxyJump and ProxyCommand exclude each other; the first one wins.
	Command string
	// UseFdpass is ProxyUseFdpass.
	UseFdpass bool
	// Alternates are our AlternateProxyJump chains, in order; each is a
	// ProxyJump value or "none".
	Alternates []string
}

// Connect says how a transport connection to the host is made.
type Connect struct {
	AddressFamily string // "any", "inet" or "inet6"
	BindAddress   string
	BindInterface string
	// Attempts is ConnectionAttempts, at least 1.
	Attempts int
	// Timeout is ConnectTimeout; 0 when it is not set.
	Timeout time.Duration
	// TCPKeepAlive is on by default.
	TCPKeepAlive bool
	// IPQoS holds the DSCP/TOS values for interactive and for bulk sessions,
	// -1 for "none" (leave the operating system's default).
	IPQoSInteractive, IPQoSBulk int
	// ServerAliveInterval is 0 when keepalives are off; ServerAliveSet tells
	// an explicit value from the default.
	ServerAliveInterval time.Duration
	ServerAliveCountMax int
	ServerAliveSet      bool
	// Alternates are our AlternateAddress values, in order.
	Alternates []Address
	// AlternatePolicy is "race" (default) or "order".
	AlternatePolicy string
}

// Address is another address of a host.
type Address struct {
	Host string
	Port int // 0 for the host's
}

// String is the address as it is configured.
func (a Address) String() string {
	if a.Port == 0 {
		return a.Host
	}
	return net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
}

// Transport is what is negotiated in the key exchange. The lists are fully
// resolved (the +, -, ^ prefixes are applied to OpenSSH's defaults); an
// algorithm that the transport lacks is still listed here.
type Transport struct {
	Ciphers []string
	// CiphersSet is false when the list is the default one, whose order may
	// then follow what the machine is good at.
	CiphersSet        bool
	MACs              []string
	KexAlgorithms     []string
	HostKeyAlgorithms []string
	// HostKeyAlgorithmsSet is false when the list is the default one, also
	// with names added (+) or removed (-): its order may then follow what is
	// known of the host. sshconnect2.c: ssh_kex2.
	HostKeyAlgorithmsSet bool
	Compression          bool
	// RekeyBytes is the volume after which new keys are made, 0 for the
	// transport's default; RekeyInterval likewise, 0 for never by time.
	RekeyBytes    uint64
	RekeyInterval time.Duration
	// VersionAddendum is appended to our identification string; "" for none.
	VersionAddendum string
}

// HostKey says how a host's key is checked and remembered.
type HostKey struct {
	// Alias is HostKeyAlias, "" when not set.
	Alias string
	// UserFiles and GlobalFiles are the known_hosts files, absolute; empty for "none".
	UserFiles, GlobalFiles []string
	// StrictHostKeyChecking is "yes", "accept-new", "ask" or "no".
	StrictHostKeyChecking string
	CheckHostIP           bool
	HashKnownHosts        bool
	// KnownHostsCommand has the tokens that are known before the key
	// exchange expanded only when it is run: it is kept unexpanded here.
	KnownHostsCommand string
	// RevokedHostKeys are files: OpenSSH takes several from 10.0 on.
	RevokedHostKeys       []string
	CASignatureAlgorithms []string
	RequiredRSASize       int
	UpdateHostKeys        string // "yes", "no" or "ask"
	VerifyHostKeyDNS      string // "yes", "no" or "ask"
	VisualHostKey         bool
	FingerprintHash       string // "sha256" or "md5"
	// NoHostAuthenticationForLocalhost skips the check for loopback addresses.
	NoHostAuthenticationForLocalhost bool
}

// Auth says how we prove who we are.
type Auth struct {
	// IdentityFiles are absolute paths in the order of the configuration; the
	// default files when none is configured (IdentityFilesSet is then false).
	IdentityFiles    []string
	IdentityFilesSet bool
	CertificateFiles []string
	IdentitiesOnly   bool
	// Agent is the path of the agent's socket after IdentityAgent and
	// SSH_AUTH_SOCK of the asking process; "" when there is none.
	Agent string
	// AgentSet is true when IdentityAgent named the agent.
	AgentSet bool
	// PreferredAuthentications is the order of methods; the default order
	// when not set.
	PreferredAuthentications []string
	Publickey                bool
	// UnboundPubkey and HostboundPubkey split PubkeyAuthentication's values
	// "unbound" and "host-bound"; both are true for "yes".
	UnboundPubkey, HostboundPubkey bool
	Password                       bool
	KbdInteractive                 bool
	KbdInteractiveDevices          string
	GSSAPI, GSSAPIDelegate         bool
	Hostbased                      bool
	HostbasedAcceptedAlgorithms    []string
	EnableSSHKeysign               bool
	PubkeyAcceptedAlgorithms       []string
	NumberOfPasswordPrompts        int
	BatchMode                      bool
	// AddKeysToAgent is "no", "yes", "ask", "confirm"; AddKeysLifetime bounds
	// the key's life in the agent, 0 for no bound.
	AddKeysToAgent      string
	AddKeysLifetime     time.Duration
	PKCS11Provider      string
	SecurityKeyProvider string
	// PasswordCommand and OTPCommand are ours; "" when not set.
	PasswordCommand, OTPCommand string
}

// Session says what is asked of the host once we are in.
type Session struct {
	// RemoteCommand has its tokens expanded.
	RemoteCommand string
	RequestTTY    string // "no", "yes", "force" or "auto"
	SessionType   string // "none", "subsystem" or "default"
	SendEnv       []string
	// SetEnv holds NAME=VALUE entries; the first of a name wins.
	SetEnv                  []string
	StdinNull               bool
	ForkAfterAuthentication bool
	PermitLocalCommand      bool
	LocalCommand            string // tokens expanded
	EscapeChar              int    // the byte, or -1 for "none"
	EnableEscapeCommandline bool
	// ObscureKeystrokeTiming tells whether it is on, ObscureKeystrokeSet whether
	// somebody said so: it is on by default.
	ObscureKeystrokeTiming   bool
	ObscureKeystrokeSet      bool
	ObscureKeystrokeInterval time.Duration
	ChannelTimeout           ChannelTimeouts
	XAuthLocation            string
	// ResumeWith is ours: "tmux", "screen" or "auto", ":" and a session's name
	// perhaps; "" for none.
	ResumeWith   string
	Tunnel       string
	TunnelDevice string
}

// Forward lists what is forwarded and how.
type Forward struct {
	// Local, Remote and Dynamic forwards as accumulated, in order.
	Local, Remote, Dynamic []ForwardSpec
	ExitOnFailure          bool
	ClearAll               bool
	GatewayPorts           bool
	StreamLocalBindMask    uint32
	StreamLocalBindUnlink  bool
	// PermitRemoteOpen is as configured: "any", "none" or host:port patterns.
	PermitRemoteOpen []string
	// Agent is "no", "yes", or the path of the socket to forward (ForwardAgent).
	Agent           string
	X11, X11Trusted bool
	// X11Timeout bounds untrusted forwarding, 0 for no bound.
	X11Timeout time.Duration
}

// ForwardSpec is one LocalForward, RemoteForward or DynamicForward.
type ForwardSpec struct {
	// ListenHost is "" when not given (GatewayPorts decides), "*" for any.
	ListenHost string
	ListenPort int
	// ListenPath is set for a Unix socket.
	ListenPath string
	// ConnectHost is "" for a dynamic forward.
	ConnectHost string
	ConnectPort int
	ConnectPath string
}

// Control is connection sharing.
type Control struct {
	// Master is ControlMaster: "no", "yes", "ask", "auto" or "autoask".
	Master string
	// Path is ControlPath with its tokens expanded, "" for none.
	Path string
	// Persist is how long a master stays after its last use; PersistSet is
	// false when the keyword is absent. PersistForever stands for "yes" and 0.
	Persist        time.Duration
	PersistSet     bool
	PersistForever bool
	// MaxAge is our ControlMaxAge, 0 when not set.
	MaxAge time.Duration
	// Remember is our RememberHost: the host may be listed as recently used.
	Remember bool
}

// Log is how much is said.
type Log struct {
	// Level is one of QUIET, FATAL, ERROR, INFO, VERBOSE, DEBUG1, DEBUG2, DEBUG3.
	Level          string
	Verbose        []string
	SyslogFacility string
}
