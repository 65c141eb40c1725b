package hop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"sallyport/internal/sshconfig"
)

// dialTCP connects to a resolved address.
func (a attempt) dialTCP(ctx context.Context, dialer *net.Dialer) (net.Conn, error) {
	a.log.Debug("connecting", "addr", a.at)
	emit(ctx, Event{What: Connecting, Addr: a.at})
	conn, err := withTimeout(ctx, a.left(), StageConnect, func(ctx context.Context) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, "tcp", a.at)
		return conn, plainDialError(err)
	})
	emit(ctx, Event{What: Connected, Addr: a.at, Err: err})
	return conn, err
}

// lookup turns a name into addresses, in the order in which they are tried.
// The resolver has as much time as all of connecting.
func (a attempt) lookup(ctx context.Context) ([]netip.Addr, error) {
	emit(ctx, Event{What: Resolving, Host: a.to.host})
	addrs, err := withTimeout(ctx, a.timeout(), StageResolve, func(ctx context.Context) ([]netip.Addr, error) {
		return a.resolve(ctx, a.to.host, a.Hop.Options.Connect.AddressFamily)
	})
	if len(addrs) > 1 {
		addrs = a.order(addrs)
	}
	emit(ctx, Event{What: Resolved, Host: a.to.host, Addrs: addrs, Err: err})
	return addrs, err
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
func (d *dial) resolve(ctx context.Context, host, family string) ([]netip.Addr, error) {
	network := map[string]string{"inet": "ip4", "inet6": "ip6"}[family]
	if network == "" {
		network = "ip"
	}
	addrs, err := lookup(ctx, d.resolver(), network, host)
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

func (d *dial) resolver() *net.Resolver {
	if d.Resolver != nil {
		return d.Resolver
	}
	return net.DefaultResolver
}

// newDialer is newDialer with the hop's options, in the hop's time.
func (d *dial) newDialer(ctx context.Context) (*net.Dialer, error) {
	return withTimeout(ctx, d.timeout(), StageResolve, func(ctx context.Context) (*net.Dialer, error) {
		return newDialer(ctx, d.resolver(), d.Hop.Options.Connect)
	})
}

// newDialer applies BindAddress, BindInterface, TCPKeepAlive and IPQoS.
func newDialer(ctx context.Context, resolver *net.Resolver, o sshconfig.Connect) (*net.Dialer, error) {
	d := &net.Dialer{FallbackDelay: -1, KeepAlive: -1}
	if o.TCPKeepAlive {
		d.KeepAlive = 0 // the default interval
	}
	if o.BindAddress != "" {
		local, err := resolver.LookupNetIP(ctx, "ip", o.BindAddress)
		if err != nil {
			return nil, fmt.Errorf("BindAddress %q: %w", o.BindAddress, err)
		}
		i := max(slices.IndexFunc(local, func(a netip.Addr) bool { return a.Unmap().Is4() }), 0)
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(local[i].Unmap(), 0))
	}
	d.ControlContext = func(_ context.Context, network, _ string, raw syscall.RawConn) error {
		var optErr error
		err := raw.Control(func(fd uintptr) { optErr = setSocketOptions(fd, network, o) })
		return errors.Join(err, optErr)
	}
	return d, nil
}

// plainDialError drops what the caller says already ("dial tcp …").
func plainDialError(err error) error {
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
	return err
}

// Reach connects to one address, "ip:port", as a dial of the hop would, and
// closes the connection: to test the addresses that no dial came to.
func Reach(ctx context.Context, addr string, o sshconfig.Connect) error {
	dialer, err := newDialer(ctx, net.DefaultResolver, o)
	if err != nil {
		return err
	}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return plainDialError(err)
	}
	return conn.Close()
}
