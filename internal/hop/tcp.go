package hop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"sallyport/internal/sshconfig"
)

// dialTCP connects to host:port as the options say. The error's stage is
// resolve or connect.
func dialTCP(ctx context.Context, host string, port int, o sshconfig.Connect) (net.Conn, Stage, error) {
	emit(ctx, Event{What: Resolving, Host: host})
	addrs, err := resolve(ctx, host, o.AddressFamily)
	emit(ctx, Event{What: Resolved, Host: host, Addrs: addrs, Err: err})
	if err != nil {
		return nil, StageResolve, err
	}
	dialer, err := newDialer(o)
	if err != nil {
		return nil, StageConnect, err
	}
	candidates := make([]candidate, len(addrs))
	for i, a := range addrs {
		target := net.JoinHostPort(a.String(), strconv.Itoa(port))
		candidates[i] = func(ctx context.Context) (net.Conn, error) {
			emit(ctx, Event{What: Connecting, Addr: target})
			conn, err := dialer.DialContext(ctx, "tcp", target)
			emit(ctx, Event{What: Connected, Addr: target, Err: plainDialError(err, target, false)})
			return conn, plainDialError(err, target, len(addrs) > 1)
		}
	}
	conn, err := race(ctx, candidates)
	return conn, StageConnect, err
}

// pauseFor waits d, as ssh(1) does between ConnectionAttempts; false when ctx
// ended first.
func pauseFor(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// resolve turns a host into its addresses of the wanted family.
func resolve(ctx context.Context, host, family string) ([]netip.Addr, error) {
	network := map[string]string{"inet": "ip4", "inet6": "ip6"}[family]
	if network == "" {
		network = "ip"
	}
	addrs, err := lookup(ctx, network, host)
	if err != nil {
		var dns *net.DNSError
		if errors.As(err, &dns) && dns.IsNotFound {
			return nil, fmt.Errorf("%w for %q", ErrNoAddress, host)
		}
		return nil, err
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	if len(addrs) == 0 {
		return nil, &plainError{fmt.Sprintf("no %s address for %q", network, host), ErrNoAddress}
	}
	return addrs, nil
}

// newDialer applies BindAddress, BindInterface, TCPKeepAlive and IPQoS.
func newDialer(o sshconfig.Connect) (*net.Dialer, error) {
	d := &net.Dialer{FallbackDelay: -1, KeepAlive: -1}
	if o.TCPKeepAlive {
		d.KeepAlive = 0 // the default interval
	}
	if o.BindAddress != "" {
		local, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(o.BindAddress, "0"))
		if err != nil {
			return nil, fmt.Errorf("BindAddress %q: %w", o.BindAddress, err)
		}
		d.LocalAddr = local
	}
	d.ControlContext = func(_ context.Context, network, _ string, raw syscall.RawConn) error {
		var optErr error
		err := raw.Control(func(fd uintptr) { optErr = setSocketOptions(fd, network, o) })
		return errors.Join(err, optErr)
	}
	return d, nil
}

// plainDialError drops what the caller says already ("dial tcp …") and names
// the address when there were several.
func plainDialError(err error, addr string, several bool) error {
	if err == nil {
		return nil
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var sys syscall.Errno
	if errors.As(err, &sys) {
		err = sys
	}
	if several {
		return fmt.Errorf("%s: %w", addr, err)
	}
	return err
}

// Reach connects to one address, "ip:port", as a dial of the hop would, and
// closes the connection: to test the addresses that no dial came to.
func Reach(ctx context.Context, addr string, o sshconfig.Connect) error {
	dialer, err := newDialer(o)
	if err != nil {
		return err
	}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return plainDialError(err, addr, false)
	}
	return conn.Close()
}
