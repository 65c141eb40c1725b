package route

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"sallyport/internal/sshconfig"
)

// Bounds of a route; more is a configuration error.
const (
	// MaxHops is of its length.
	MaxHops = 32
	// MaxTotal is of all its hops, those of other ways too.
	MaxTotal = 256 // each other way counts too
)

// Resolver gives a host's options, as sshconfig.Files does.
type Resolver interface {
	Resolve(ctx context.Context, q sshconfig.Query) (*sshconfig.Resolved, error)
}

// LoopError is a chain of ProxyJump values that comes back to a host it is
// still expanding.
type LoopError struct {
	// Path names the hosts from the first to its recurrence.
	Path []string
}

func (e *LoopError) Error() string {
	return "jump loop: " + strings.Join(e.Path, " → ")
}

// ErrBadJump is wrapped by errors about a ProxyJump value that cannot be read.
var ErrBadJump = errors.New("bad ProxyJump")

// Resolve expands the destination of q into its route.
//
// As in ssh(1), a list "a,b" means through a, then b; b is reached through a
// whatever b's own ProxyJump says, while a keeps its own. The same is true of
// each chain of AlternateProxyJump. Overrides apply to the target only: every
// jump host is resolved from the files, with the user and port that ProxyJump
// gives it. A way that is chosen by an override is the only one.
func Resolve(ctx context.Context, res Resolver, q sshconfig.Query) (Route, error) {
	e := expander{res: res, left: MaxTotal}
	hops, err := e.expand(ctx, q, nil)
	if err != nil {
		return Route{}, err
	}
	return Route{Hops: hops}, nil
}

type expander struct {
	res  Resolver
	left int // how many more hops and ways there may be
}

// expand resolves q's host and prepends its jumps. stack holds the hosts that
// are being expanded, outermost first.
func (e *expander) expand(ctx context.Context, q sshconfig.Query, stack []Hop) ([]Hop, error) {
	if e.left--; e.left < 0 {
		return nil, fmt.Errorf("%s: the ways there have more than %d hops together", q.Host, MaxTotal)
	}
	resolved, err := e.res.Resolve(ctx, q)
	if err != nil {
		return nil, err
	}
	target := Hop{Name: q.Host, Options: resolved.Options}
	if wayIsGiven(q) {
		target.Options.Proxy.Alternates = nil
	}
	proxy := target.Options.Proxy
	if proxy.Jump == "" && len(proxy.Alternates) == 0 {
		return []Hop{target}, nil
	}
	stack = append(stack[:len(stack):len(stack)], target)
	if comesBack(stack) {
		return nil, &LoopError{Path: names(stack)}
	}
	hops, err := e.jumps(ctx, target, proxy.Jump, stack)
	if err != nil {
		return nil, err
	}
	if target.Ways, err = e.alternates(ctx, target, hops, stack); err != nil {
		return nil, err
	}
	return append(hops, target), nil
}

// wayIsGiven reports whether an override chooses the way: then the
// alternatives in the files are not wanted.
func wayIsGiven(q sshconfig.Query) bool {
	given := false
	for _, o := range q.Overrides {
		switch {
		case strings.EqualFold(o.Keyword, "AlternateProxyJump"):
			return false
		case strings.EqualFold(o.Keyword, "ProxyJump"), strings.EqualFold(o.Keyword, "ProxyCommand"):
			given = true
		}
	}
	return given
}

// alternates expands the AlternateProxyJump of a host, whose first way is
// through hops. One that is there already is left out.
func (e *expander) alternates(ctx context.Context, target Hop, hops, stack []Hop) ([]Way, error) {
	o := target.Options
	if len(o.Proxy.Alternates) == 0 {
		return nil, nil
	}
	seen := []string{Way{Hops: hops, Command: o.Proxy.Command}.digest(o.Connect)}
	var ways []Way
	for _, chain := range o.Proxy.Alternates {
		e.left--
		through, err := e.jumps(ctx, target, chain, stack)
		if err != nil {
			return nil, err
		}
		way := Way{Hops: through}
		if id := way.digest(o.Connect); !slices.Contains(seen, id) {
			seen, ways = append(seen, id), append(ways, way)
		}
	}
	return ways, nil
}

// comesBack reports whether the last host was there before. The same address
// with another port is another host.
func comesBack(stack []Hop) bool {
	last := stack[len(stack)-1]
	for _, h := range stack[:len(stack)-1] {
		a, b := h.Options, last.Options
		if strings.EqualFold(h.Name, last.Name) && a.Port == b.Port && a.User == b.User &&
			a.Proxy.Jump == b.Proxy.Jump && slices.Equal(a.Proxy.Alternates, b.Proxy.Alternates) {
			return true
		}
	}
	return false
}

func names(hops []Hop) []string {
	var all []string
	for _, h := range hops {
		all = append(all, h.Name)
	}
	return all
}

// jumps expands one chain of jump hosts of a host, "" and "none" for none.
func (e *expander) jumps(ctx context.Context, target Hop, chain string, stack []Hop) ([]Hop, error) {
	jumps, err := parseJump(chain)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", target.Name, err)
	}
	var hops []Hop
	for i, jump := range jumps {
		if i == 0 {
			hops, err = e.expand(ctx, jump, stack)
		} else {
			jump.Overrides = append(jump.Overrides,
				sshconfig.Override{Keyword: "ProxyJump", Value: "none", From: "the ProxyJump of " + target.Name})
			var rest []Hop
			rest, err = e.expand(ctx, jump, nil)
			hops = append(hops, rest...)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(hops) >= MaxHops {
		return nil, fmt.Errorf("%s: a route of more than %d hops", target.Name, MaxHops)
	}
	return hops, nil
}

// parseJump turns a ProxyJump value into a query for each of its hosts.
func parseJump(text string) ([]sshconfig.Query, error) {
	hops, err := sshconfig.ParseJump(text, sshconfig.Env{LookupService: lookupService})
	if err != nil {
		return nil, fmt.Errorf("%w %q", ErrBadJump, text)
	}
	queries := make([]sshconfig.Query, len(hops))
	for i, h := range hops {
		queries[i].Host = h.Host
		override := func(keyword, value string) {
			queries[i].Overrides = append(queries[i].Overrides, sshconfig.Override{Keyword: keyword, Value: value, From: "ProxyJump"})
		}
		if h.User != "" {
			override("User", h.User)
		}
		if h.Port != 0 {
			override("Port", strconv.Itoa(h.Port))
		}
	}
	return queries, nil
}

func lookupService(name string) (int, bool) {
	port, err := net.LookupPort("tcp", name)
	return port, err == nil
}
