package hop

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"os/exec"
)

// lookup finds a host's addresses: by the Go library, which knows /etc/hosts and
// DNS, and what it does not find by the system's other sources of names
// (nsswitch.conf(5): mDNS, a directory, the machine's own name), which getent(1)
// knows. The program is built without C, so that it starts quickly and runs with
// any C library.
func lookup(ctx context.Context, resolver *net.Resolver, network, host string) ([]netip.Addr, error) {
	addrs, err := resolver.LookupNetIP(ctx, network, host)
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		if others := getent(ctx, network, host); len(others) > 0 {
			return others, nil
		}
	}
	return addrs, err
}

// getent asks the system's sources of names; nil when they know nothing, or
// there is no such program.
func getent(ctx context.Context, network, host string) []netip.Addr {
	database := map[string]string{"ip4": "ahostsv4", "ip6": "ahostsv6"}[network]
	if database == "" {
		database = "ahosts"
	}
	out, err := exec.CommandContext(ctx, "getent", "--", database, host).Output()
	if err != nil {
		return nil
	}
	return parseAhosts(out)
}

// parseAhosts reads getent's lines: an address, a type of socket, perhaps the
// name. Each address comes once for each type.
func parseAhosts(out []byte) []netip.Addr {
	var addrs []netip.Addr
	seen := map[netip.Addr]bool{}
	for line := range bytes.Lines(out) {
		f := bytes.Fields(line)
		if len(f) < 2 {
			continue
		}
		if a, err := netip.ParseAddr(string(f[0])); err == nil && !seen[a.Unmap()] {
			seen[a.Unmap()] = true
			addrs = append(addrs, a.Unmap())
		}
	}
	return addrs
}
