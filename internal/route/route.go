package route

import (
	"net"
	"strconv"
	"strings"

	"sallyport/internal/sshconfig"
)

// Hop is one SSH endpoint of a route.
type Hop struct {
	// Name is what the hop was called: the alias on the command line or in
	// ProxyJump, without user and port.
	Name string
	// Options are the hop's own, resolved for Name.
	Options sshconfig.Options
}

// Addr is the hop's HostName and port as "host:port" or "[v6]:port".
func (h Hop) Addr() string {
	return net.JoinHostPort(h.Options.HostName, strconv.Itoa(h.Options.Port))
}

// KnownAs is the name under which the hop's host key is looked up:
// HostKeyAlias, else the HostName (ssh_config(5)).
func (h Hop) KnownAs() string {
	if h.Options.HostKey.Alias != "" {
		return h.Options.HostKey.Alias
	}
	return h.Options.HostName
}

// String names the hop as messages do: "jump2 (10.0.3.1:22)".
func (h Hop) String() string {
	if h.Addr() == h.Name {
		return h.Name
	}
	return h.Name + " (" + h.Addr() + ")"
}

// Route is the hops in order; the last is the target. A Route has at least
// one hop.
type Route struct {
	Hops []Hop
}

// Target is the last hop.
func (r Route) Target() Hop { return r.Hops[len(r.Hops)-1] }

// Parent is the route without its last hop; false for a route of one hop.
func (r Route) Parent() (Route, bool) {
	if len(r.Hops) < 2 {
		return Route{}, false
	}
	return Route{Hops: r.Hops[:len(r.Hops)-1]}, true
}

// String draws the route: "jump1 → jump2 → target".
func (r Route) String() string {
	names := make([]string, len(r.Hops))
	for i, h := range r.Hops {
		names[i] = h.Name
	}
	return strings.Join(names, " → ")
}
