package mux

import (
	"fmt"
	"math"
	"net"
	"strconv"
)

// NoEscapeChar as SessionRequest.EscapeChar turns escape sequences off.
const NoEscapeChar = math.MaxUint32

// maxEnv is how many environment strings of a request are kept. mux.c:
// MUX_MAX_ENV_VARS.
const maxEnv = 4096

// portPath stands in a port field for "the host field is a path".
// mux.c: PORT_STREAMLOCAL, -2.
const portPath = math.MaxUint32 - 1

// SessionRequest asks for a session on the master's target. PROTOCOL.mux §2.
type SessionRequest struct {
	// TTY, X11 and Agent ask for a pty, X11 forwarding and agent forwarding.
	TTY, X11, Agent bool
	// Subsystem makes Command the name of a subsystem.
	Subsystem bool
	// EscapeChar is the byte that starts an escape sequence, or NoEscapeChar.
	EscapeChar uint32
	// Term is the client's TERM, "" when it has none.
	Term string
	// Command is what to run; "" is a shell.
	Command string
	// Env holds NAME=VALUE entries, as the client's SendEnv and SetEnv chose
	// them; at most 4096.
	Env []string
}

// StdioForwardRequest asks for the client's standard streams to be joined to
// an address as seen from the target ("ssh -W"). PROTOCOL.mux §3.
type StdioForwardRequest struct {
	// Host and Port are the address; Port is 0 to 65535.
	Host string
	Port int
	// Path, when not empty, is a Unix socket's path instead.
	Path string
}

// ForwardKind is the direction of a Forward.
type ForwardKind uint32

// The kinds of forward. PROTOCOL.mux §11: MUX_FWD_*.
const (
	ForwardLocal   ForwardKind = 1
	ForwardRemote  ForwardKind = 2
	ForwardDynamic ForwardKind = 3
)

// Forward is a forward to open or close, as the client wrote it. Forwards are
// the same when all fields are equal, so they can be compared with ==.
type Forward struct {
	Kind ForwardKind
	// ListenHost is "" for what GatewayPorts says, "*" for any address.
	ListenHost string
	// ListenPort is 0 to 65535; 0 lets the far end of a remote forward choose.
	ListenPort int
	// ListenPath, when not empty, is a Unix socket's path instead.
	ListenPath string
	// ConnectHost is "socks" with port 0 for a dynamic forward, local or
	// remote.
	ConnectHost string
	ConnectPort int
	// ConnectPath, when not empty, is a Unix socket's path instead.
	ConnectPath string
}

// IsDynamic reports whether the destinations of f are named by SOCKS requests.
func (f Forward) IsDynamic() bool {
	return f.Kind == ForwardDynamic ||
		f.Kind == ForwardRemote && f.ConnectPath == "" && f.ConnectPort == 0
}

// String is for logs and errors: "local 127.0.0.1:80 to web:80".
func (f Forward) String() string {
	kind := map[ForwardKind]string{
		ForwardLocal: "local", ForwardRemote: "remote", ForwardDynamic: "dynamic",
	}[f.Kind]
	from := endpoint(f.ListenHost, f.ListenPort, f.ListenPath)
	if f.IsDynamic() {
		return fmt.Sprintf("%s %s (SOCKS)", kind, from)
	}
	return fmt.Sprintf("%s %s to %s", kind, from,
		endpoint(f.ConnectHost, f.ConnectPort, f.ConnectPath))
}

func endpoint(host string, port int, path string) string {
	if path != "" {
		return path
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

func (r *SessionRequest) encode(id uint32) []byte {
	e := newEncoder(reqNewSession).uint32(id).string("")
	e.bool(r.TTY).bool(r.X11).bool(r.Agent).bool(r.Subsystem)
	e.uint32(r.EscapeChar).string(r.Term).string(r.Command)
	for _, s := range r.Env {
		e.string(s)
	}
	return e.packet()
}

func decodeSession(d *decoder) (*SessionRequest, error) {
	d.bytes() // reserved
	r := &SessionRequest{TTY: d.bool(), X11: d.bool(), Agent: d.bool(), Subsystem: d.bool()}
	r.EscapeChar, r.Term, r.Command = d.uint32(), d.string(), d.string()
	for d.more() && len(r.Env) < maxEnv {
		r.Env = append(r.Env, d.string())
	}
	return r, d.err
}

func (r *StdioForwardRequest) encode(id uint32) []byte {
	e := newEncoder(reqStdioForward).uint32(id).string("")
	appendEndpoint(e, r.Host, r.Port, r.Path)
	return e.packet()
}

func decodeStdioForward(d *decoder) (*StdioForwardRequest, error) {
	d.bytes() // reserved
	r := new(StdioForwardRequest)
	var err error
	if r.Host, r.Port, r.Path, err = decodeEndpoint(d); d.err != nil {
		err = d.err
	}
	return r, err
}

func (f Forward) encode(kind, id uint32) []byte {
	e := newEncoder(kind).uint32(id).uint32(uint32(f.Kind))
	appendEndpoint(e, f.ListenHost, f.ListenPort, f.ListenPath)
	appendEndpoint(e, f.ConnectHost, f.ConnectPort, f.ConnectPath)
	return e.packet()
}

// errBadForward says that a forward was understood and makes no sense.
type errBadForward struct{ reason string }

func (e errBadForward) Error() string { return "invalid forwarding request: " + e.reason }

// decodeForward returns an errBadForward for what deserves an answer, another
// error for what cannot be decoded.
func decodeForward(d *decoder) (Forward, error) {
	f := Forward{Kind: ForwardKind(d.uint32())}
	var errListen, errConnect error
	f.ListenHost, f.ListenPort, f.ListenPath, errListen = decodeEndpoint(d)
	f.ConnectHost, f.ConnectPort, f.ConnectPath, errConnect = decodeEndpoint(d)
	switch {
	case d.err != nil:
		return f, d.err
	case errListen != nil:
		return f, errListen
	case errConnect != nil:
		return f, errConnect
	}
	return f, f.check()
}

// check holds what mux.c: mux_master_process_open_fwd checks.
func (f Forward) check() error {
	switch {
	case f.Kind < ForwardLocal || f.Kind > ForwardDynamic:
		return errBadForward{fmt.Sprintf("unknown type %d", f.Kind)}
	case f.Kind == ForwardDynamic && f.ListenPath != "":
		return errBadForward{"a dynamic forward cannot listen on a path"}
	case f.Kind == ForwardLocal && f.ConnectPath == "" && f.ConnectPort == 0:
		return errBadForward{"no connect port"}
	case f.Kind != ForwardDynamic && f.ConnectHost == "" && f.ConnectPath == "":
		return errBadForward{"no connect host"}
	}
	return nil
}

func appendEndpoint(e *encoder, host string, port int, path string) {
	if path != "" {
		e.string(path).uint32(portPath)
		return
	}
	e.string(host).uint32(uint32(port))
}

func decodeEndpoint(d *decoder) (host string, port int, path string, err error) {
	name, n := d.string(), d.uint32()
	switch {
	case n == portPath && name == "":
		return "", 0, "", errBadForward{"empty path"}
	case n == portPath:
		return "", 0, name, nil
	case n > math.MaxUint16:
		return "", 0, "", errBadForward{fmt.Sprintf("port %d out of range", n)}
	}
	return name, int(n), "", nil
}
