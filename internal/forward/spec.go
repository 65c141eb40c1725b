package forward

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"

	"sallyport/internal/sshconfig"
)

// Kind is what a forward does.
type Kind string

const (
	Local         Kind = "local"          // we listen, the far side connects
	Dynamic       Kind = "dynamic"        // we listen and speak SOCKS
	Remote        Kind = "remote"         // the far side listens, we connect
	RemoteDynamic Kind = "remote-dynamic" // the far side listens, we speak SOCKS
)

// Options hold what applies to every forward. The zero value works.
type Options struct {
	// GatewayPorts makes a local forward without a listen host accept
	// connections from other machines.
	GatewayPorts bool
	// AddressFamily is "any" or "", "inet" or "inet6"; it bounds the addresses
	// that are listened on and dialled.
	AddressFamily string
	// SocketMode holds the permissions of a Unix socket we listen on; 0 stands
	// for 0600.
	SocketMode os.FileMode
	// SocketUnlink removes an old socket at the path first
	// (StreamLocalBindUnlink).
	SocketUnlink bool
	// PermitRemoteOpen bounds where a remote dynamic forward may connect:
	// "any", "none" or host:port patterns. Empty permits any.
	PermitRemoteOpen []string
	// SOCKSTimeout bounds the SOCKS handshake of one connection; 0 stands for
	// one minute.
	SOCKSTimeout time.Duration
	// Stats is where the forward counts; nil makes new ones. Giving those of an
	// earlier forward continues its totals.
	Stats *Stats
	// Limit bounds the connections, together with those of other forwards that
	// were given the same one; nil makes one of its own.
	Limit *Limit
	// Log gets a line for each connection at debug level; nil logs nothing.
	Log *slog.Logger
}

// OptionsFrom takes from a host's configuration what this package honours.
func OptionsFrom(c sshconfig.Forward) Options {
	return Options{
		GatewayPorts:     c.GatewayPorts,
		SocketMode:       0o777 &^ os.FileMode(c.StreamLocalBindMask&0o777),
		SocketUnlink:     c.StreamLocalBindUnlink,
		PermitRemoteOpen: c.PermitRemoteOpen,
	}
}

func (o *Options) fill() {
	if o.SocketMode == 0 {
		o.SocketMode = 0o600
	}
	if o.SOCKSTimeout == 0 {
		o.SOCKSTimeout = time.Minute
	}
	if o.Stats == nil {
		o.Stats = new(Stats)
	}
	if o.Limit == nil {
		o.Limit = SystemLimit()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// SpecError is a specification that cannot work, found before anything is
// listened on or dialled.
type SpecError struct {
	Spec   sshconfig.ForwardSpec
	Reason string
}

func (e *SpecError) Error() string {
	return fmt.Sprintf("forward %s: %s", Describe(e.Spec), e.Reason)
}

// maxSocketPath is what fits in sockaddr_un with its NUL byte.
const maxSocketPath = len(socketAddress{}.Path) - 1

// Check tells what is wrong with a specification. remote says who listens.
func Check(spec sshconfig.ForwardSpec, remote bool) error {
	bad := func(format string, args ...any) error {
		return &SpecError{Spec: spec, Reason: fmt.Sprintf(format, args...)}
	}
	switch {
	case spec.ListenPort < 0 || spec.ListenPort > 65535:
		return bad("listen port %d is out of range", spec.ListenPort)
	case spec.ConnectPort < 0 || spec.ConnectPort > 65535:
		return bad("connect port %d is out of range", spec.ConnectPort)
	case spec.ConnectHost != "" && spec.ConnectPath != "":
		return bad("both a host and a socket to connect to")
	case spec.ConnectHost != "" && spec.ConnectPort == 0:
		return bad("no port to connect to")
	case !remote && len(spec.ListenPath) > maxSocketPath:
		return bad("socket path of %d bytes, at most %d fit", len(spec.ListenPath), maxSocketPath)
	case remote && len(spec.ConnectPath) > maxSocketPath:
		return bad("socket path of %d bytes, at most %d fit", len(spec.ConnectPath), maxSocketPath)
	}
	return nil
}

// KindOf tells a specification's kind; remote says who listens.
func KindOf(spec sshconfig.ForwardSpec, remote bool) Kind {
	dynamic := spec.ConnectPath == "" && spec.ConnectHost == ""
	switch {
	case remote && dynamic:
		return RemoteDynamic
	case remote:
		return Remote
	case dynamic:
		return Dynamic
	}
	return Local
}

// Describe writes a specification as "listener to target", or "listener
// (SOCKS)".
func Describe(spec sshconfig.ForwardSpec) string { return describe(listenName(spec), spec) }

func describe(listener string, spec sshconfig.ForwardSpec) string {
	to := targetOf(spec)
	if to == (target{}) {
		return listener + " (SOCKS)"
	}
	return listener + " to " + to.String()
}

func listenName(spec sshconfig.ForwardSpec) string {
	switch {
	case spec.ListenPath != "":
		return spec.ListenPath
	case spec.ListenHost == "":
		return strconv.Itoa(spec.ListenPort)
	}
	return net.JoinHostPort(spec.ListenHost, strconv.Itoa(spec.ListenPort))
}

// target is what one connection goes to: a host and port, or a Unix socket.
type target struct {
	host string
	port int
	path string
}

func targetOf(spec sshconfig.ForwardSpec) target {
	return target{host: spec.ConnectHost, port: spec.ConnectPort, path: spec.ConnectPath}
}

// String names the target; one that SOCKS will choose is "socks".
func (t target) String() string {
	switch {
	case t.path != "":
		return t.path
	case t.host == "" && t.port == 0:
		return "socks"
	}
	return net.JoinHostPort(t.host, strconv.Itoa(t.port))
}
