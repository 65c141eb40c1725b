package pool

import (
	"context"

	"sallyport/internal/hop"
	"sallyport/internal/route"
)

// A sibling is a second master for a route, for the sessions that the first
// one's server does not allow on one connection, or that cannot share it with
// another (ErrElsewhere). It is dialled only when
// nobody has to be asked for it, and runs through the same parent.

// siblingKey is the key of the sibling of a route's master.
func siblingKey(k route.Key) route.Key { return k + "+2" }

// sibling lends the sibling of l's master for a session.
func (p *Pool) sibling(ctx context.Context, l *Lease) (*Lease, error) {
	return p.get(ctx, siblingKey(l.master.key), l.master.route, l.HeldBy(), silent{l.master.origin})
}

// silent answers no question.
type silent struct{ origin hop.Origin }

func (silent) Ask(context.Context, hop.Question) (string, error) { return "", hop.ErrNobody }
func (silent) Tell(hop.Notice)                                   {}
func (s silent) Origin() hop.Origin                              { return s.origin }
