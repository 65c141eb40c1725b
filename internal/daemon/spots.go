package daemon

import (
	"sync"

	"sallyport/internal/hop"
	"sallyport/internal/route"
)

// maxSpots bounds for how many hops it is remembered where they were reached.
const maxSpots = 1024

// spots remember at which of its addresses a hop was reached the last time,
// through what it was dialled through. The zero value is ready.
type spots struct {
	mu sync.Mutex
	at map[[2]route.Key]hop.Spot
}

func spotKey(rt route.Route) [2]route.Key {
	key := [2]route.Key{rt.Key()}
	if parent, ok := rt.Parent(); ok {
		key[1] = parent.Key()
	}
	return key
}

func (s *spots) keep(rt route.Route, at hop.Spot) {
	key := spotKey(rt)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at == nil || len(s.at) >= maxSpots {
		s.at = map[[2]route.Key]hop.Spot{}
	}
	s.at[key] = at
}

func (s *spots) recall(rt route.Route) hop.Spot {
	key := spotKey(rt)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at[key]
}
