package forward

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"

	"sallyport/internal/sshconfig"
)

// ListenError is a listener that could not be made.
type ListenError struct {
	Spec sshconfig.ForwardSpec
	// Err tells the address too; errors.Is finds the system's error, as
	// syscall.EADDRINUSE or EACCES.
	Err error
}

func (e *ListenError) Error() string {
	var op *net.OpError
	var cause syscall.Errno
	if !errors.As(e.Err, &cause) {
		return fmt.Sprintf("forward %s: %v", Describe(e.Spec), e.Err)
	}
	listener := listenName(e.Spec)
	if errors.As(e.Err, &op) && op.Addr != nil { // the one of several that failed
		listener = op.Addr.String()
	}
	return fmt.Sprintf("forward %s: %v", describe(listener, e.Spec), cause)
}

// Unwrap returns the cause.
func (e *ListenError) Unwrap() error { return e.Err }

// socketAddress is the system's form of a Unix socket's address.
type socketAddress = syscall.RawSockaddrUnix

// listen makes the listeners of a specification: one, or one for each address.
func listen(ctx context.Context, spec sshconfig.ForwardSpec, o *Options) ([]net.Listener, error) {
	if spec.ListenPath != "" {
		ln, err := listenSocket(spec.ListenPath, o)
		if err != nil {
			return nil, &ListenError{Spec: spec, Err: err}
		}
		return []net.Listener{ln}, nil
	}
	addrs, err := listenAddrs(ctx, spec.ListenHost, o)
	if err != nil {
		return nil, &ListenError{Spec: spec, Err: err}
	}
	listeners, err := listenAll(ctx, addrs, spec.ListenPort)
	// With port 0 the first address chooses; another program may hold that
	// port on the second one. Choose again then.
	for try := 0; try < 10 && spec.ListenPort == 0 && errors.Is(err, syscall.EADDRINUSE); try++ {
		listeners, err = listenAll(ctx, addrs, 0)
	}
	if err != nil {
		return nil, &ListenError{Spec: spec, Err: err}
	}
	return listeners, nil
}

// listenAddrs are the addresses of a listen host (channels.c:
// channel_fwd_bind_addr): "" is the loopback, or any address with
// GatewayPorts; "*" is any; "localhost" is the loopback of both families.
func listenAddrs(ctx context.Context, host string, o *Options) ([]netip.Addr, error) {
	var addrs []netip.Addr
	switch {
	case host == "*" || host == "" && o.GatewayPorts:
		addrs = []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	case host == "" || host == "localhost":
		addrs = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	default:
		var err error
		if addrs, err = lookup(ctx, strings.Trim(host, "[]")); err != nil {
			return nil, err
		}
	}
	kept := addrs[:0]
	for _, a := range addrs {
		if o.AddressFamily == "inet" && !a.Is4() || o.AddressFamily == "inet6" && a.Is4() {
			continue
		}
		kept = append(kept, a)
	}
	if len(kept) == 0 {
		return nil, fmt.Errorf("%q has no address of the family %s", host, o.AddressFamily)
	}
	return kept, nil
}

func lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return addrs, err
}

// listenAll listens on one port of all addresses. An address that the machine
// does not have is left out if another works.
//
// Differs from OpenSSH: a port that is taken on one of the addresses is an
// error; OpenSSH goes on with the others, and who connects to the taken one
// talks to another program.
func listenAll(ctx context.Context, addrs []netip.Addr, port int) (listeners []net.Listener, err error) {
	var missing error
	for _, a := range addrs {
		ln, err := listenOne(ctx, a, port)
		if err == nil {
			listeners = append(listeners, ln)
			port = ln.Addr().(*net.TCPAddr).Port
			continue
		}
		if !addressMissing(err) {
			closeListeners(listeners)
			return nil, err
		}
		missing = errors.Join(missing, err)
	}
	if len(listeners) == 0 {
		return nil, missing
	}
	return listeners, nil
}

func listenOne(ctx context.Context, a netip.Addr, port int) (net.Listener, error) {
	network := "tcp6"
	if a.Is4() {
		network = "tcp4"
	}
	var c net.ListenConfig
	return c.Listen(ctx, network, net.JoinHostPort(a.String(), strconv.Itoa(port)))
}

func addressMissing(err error) bool {
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) ||
		errors.Is(err, syscall.EPROTONOSUPPORT)
}

func closeListeners(listeners []net.Listener) {
	for _, ln := range listeners {
		_ = ln.Close()
	}
}

// listenSocket listens on a Unix socket. The socket has its permissions before
// anyone can connect to it: they are set between bind and listen.
func listenSocket(path string, o *Options) (net.Listener, error) {
	if o.SocketUnlink {
		if err := removeSocket(path); err != nil {
			return nil, err
		}
	}
	ln, err := openSocket(path, o.SocketMode)
	if err != nil {
		return nil, fmt.Errorf("listen unix %s: %w", path, err)
	}
	return ln, nil
}

// removeSocket removes an old socket, but nothing that is not one.
func removeSocket(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("listen unix %s: it is there and no socket: %w", path, fs.ErrExist)
	}
	return os.Remove(path)
}

// socketListener removes its socket when it is closed, unless the path holds
// another one by then.
type socketListener struct {
	net.Listener
	path string
	info os.FileInfo
}

// Close stops listening. Closing again is an error, and removes nothing.
func (l *socketListener) Close() error {
	err := l.Listener.Close()
	if err != nil {
		return err
	}
	if now, err := os.Lstat(l.path); err == nil && os.SameFile(now, l.info) {
		return os.Remove(l.path)
	}
	return nil
}
