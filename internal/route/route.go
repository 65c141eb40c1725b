package route

import (
	"net"
	"slices"
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
	// Ways are the other ways in than by the hops before it, in the order in
	// which they are to be tried.
	Ways []Way `json:",omitempty"`
}

// Way is how a hop is reached: through Hops or, if there are none, from here,
// by ProxyCommand if Command is set.
type Way struct {
	Hops    []Hop  `json:",omitempty"`
	Command string `json:",omitempty"`
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
// one hop. Where a hop has other ways in, the hops before it are the one that
// is tried first, or the one that led there.
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

// Ways is in how many ways the target can be reached, at least 1.
func (r Route) Ways() int { return 1 + len(r.Target().Ways) }

// Along is the same route, with the target's n-th way as the one that its hops
// show. Its key is the same. Along(0) is the route itself.
func (r Route) Along(n int) Route {
	if n == 0 {
		return r
	}
	target := r.Target()
	before := Way{Hops: r.Hops[:len(r.Hops)-1], Command: target.Options.Proxy.Command}
	way := target.Ways[n-1]
	target.Ways = slices.Concat([]Way{before}, target.Ways[:n-1], target.Ways[n:])
	target.Options.Proxy.Command = way.Command
	return Route{Hops: slices.Concat(way.Hops, []Hop{target})}
}

// Each calls f with every hop, those of other ways too, for changing it. Only
// the last call is for the target.
func (r Route) Each(f func(*Hop)) {
	for i := range r.Hops {
		for _, w := range r.Hops[i].Ways {
			Route{Hops: w.Hops}.Each(f)
		}
		f(&r.Hops[i])
	}
}

// EachFirst calls f with every hop that may be dialled from here.
func (r Route) EachFirst(f func(*Hop)) {
	for i := range r.Hops {
		first := i == 0
		for _, w := range r.Hops[i].Ways {
			first = first || len(w.Hops) == 0
			Route{Hops: w.Hops}.EachFirst(f)
		}
		if first {
			f(&r.Hops[i])
		}
	}
}

// String draws the route: "jump1 → jump2 → target".
func (r Route) String() string {
	names := make([]string, len(r.Hops))
	for i, h := range r.Hops {
		names[i] = h.Name
	}
	return strings.Join(names, " → ")
}
