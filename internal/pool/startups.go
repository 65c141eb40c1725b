package pool

import (
	"context"
	"sync"

	"sallyport/internal/route"
)

// maxStartups is how many dials to one server may be under way. sshd begins to
// drop connections that have not logged in at ten (MaxStartups).
const maxStartups = 6

// startups queues the dials to each server.
type startups struct {
	mu sync.Mutex
	at map[string]*queue
}

type queue struct {
	slots chan struct{}
	users int // who dials or waits; guarded by startups.mu
}

// enter waits until a dial to the end of rt may begin, and returns what ends
// it. The error is ctx's.
func (s *startups) enter(ctx context.Context, rt route.Route) (leave func(), err error) {
	server := rt.Target().Addr()
	if parent, ok := rt.Parent(); ok { // the address is one of the parent's network
		server += " " + string(parent.Key())
	}
	s.mu.Lock()
	q := s.at[server]
	if q == nil {
		q = &queue{slots: make(chan struct{}, maxStartups)}
		s.at[server] = q
	}
	q.users++
	s.mu.Unlock()
	forget := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if q.users--; q.users == 0 {
			delete(s.at, server)
		}
	}
	select {
	case q.slots <- struct{}{}:
		return func() { <-q.slots; forget() }, nil
	case <-ctx.Done():
		forget()
		return nil, ctx.Err()
	}
}
