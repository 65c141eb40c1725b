package route

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"sallyport/internal/sshconfig"
)

// MaxHops bounds a route's length; a longer one is a configuration error.
const MaxHops = 32

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
// whatever b's own ProxyJump says, while a keeps its own. Overrides apply to
// the target only: every jump host is resolved from the files, with the user
// and port that ProxyJump gives it.
func Resolve(ctx context.Context, res Resolver, q sshconfig.Query) (Route, error) {
	e := expander{res: res}
	hops, err := e.expand(ctx, q, nil)
	if err != nil {
		return Route{}, err
	}
	return Route{Hops: hops}, nil
}

type expander struct{ res Resolver }

// expand resolves q's host and prepends its jumps. stack holds the names that
// are being expanded, outermost first.
func (e expander) expand(ctx context.Context, q sshconfig.Query, stack []string) ([]Hop, error) {
	for _, name := range stack {
		if strings.EqualFold(name, q.Host) {
			return nil, &LoopError{Path: append(stack[:len(stack):len(stack)], q.Host)}
		}
	}
	resolved, err := e.res.Resolve(ctx, q)
	if err != nil {
		return nil, err
	}
	target := Hop{Name: q.Host, Options: resolved.Options}
	if target.Options.Proxy.Jump == "" {
		return []Hop{target}, nil
	}
	hops, err := e.jumps(ctx, target, append(stack[:len(stack):len(stack)], q.Host))
	if err != nil {
		return nil, err
	}
	if len(hops) >= MaxHops {
		return nil, fmt.Errorf("%s: a route of more than %d hops", q.Host, MaxHops)
	}
	return append(hops, target), nil
}

// jumps expands the ProxyJump of a host.
func (e expander) jumps(ctx context.Context, target Hop, stack []string) ([]Hop, error) {
	var hops []Hop
	for i, text := range strings.Split(target.Options.Proxy.Jump, ",") {
		jump, err := parseJump(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", target.Name, err)
		}
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
	return hops, nil
}

// parseJump reads one element of ProxyJump: [user@]host[:port] or an ssh://
// URI (ssh_config(5)).
func parseJump(text string) (sshconfig.Query, error) {
	text = strings.TrimSpace(text)
	bad := fmt.Errorf("%w %q", ErrBadJump, text)
	user, host, port := "", text, ""
	if rest, ok := strings.CutPrefix(text, "ssh://"); ok {
		host = strings.TrimSuffix(rest, "/")
	}
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		user, host = host[:at], host[at+1:]
		if user == "" {
			return sshconfig.Query{}, bad
		}
	}
	if strings.HasPrefix(text, "ssh://") {
		decoded, err := url.PathUnescape(user)
		if err != nil {
			return sshconfig.Query{}, bad
		}
		user = decoded
	}
	host, port, ok := splitPort(host)
	if !ok || host == "" || strings.HasPrefix(host, "-") {
		return sshconfig.Query{}, bad
	}
	q := sshconfig.Query{Host: host}
	if user != "" {
		q.Overrides = append(q.Overrides, sshconfig.Override{Keyword: "User", Value: user, From: "ProxyJump"})
	}
	if port != "" {
		q.Overrides = append(q.Overrides, sshconfig.Override{Keyword: "Port", Value: port, From: "ProxyJump"})
	}
	return q, nil
}

// splitPort separates "host:port", "[v6]:port", "[v6]" and a bare host or v6
// address. It is false for a port that is no number from 1 to 65535.
func splitPort(s string) (host, port string, ok bool) {
	if rest, found := strings.CutPrefix(s, "["); found {
		host, port, found = strings.Cut(rest, "]")
		if !found {
			return "", "", false
		}
		if port == "" {
			return host, "", true
		}
		if port[0] != ':' {
			return "", "", false
		}
		return host, port[1:], validPort(port[1:])
	}
	if strings.Count(s, ":") > 1 {
		return s, "", true // a bare IPv6 address
	}
	host, port, found := strings.Cut(s, ":")
	return host, port, !found || validPort(port)
}

func validPort(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n > 0 && n < 65536
}
