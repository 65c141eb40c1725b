package daemon

import (
	"slices"
	"strings"
	"sync"

	"sallyport/internal/api"
	"sallyport/internal/hop"
	"sallyport/internal/pool"
	"sallyport/internal/route"
)

// keptMasters are those that "sally up --pin" keeps up, until "sally down".
type keptMasters struct {
	mu    sync.Mutex
	byKey map[route.Key]*keptMaster
}

type keptMaster struct {
	route  route.Route
	keeper *pool.Keeper
}

// keep pins the master of a route, which is up.
func (s *Server) keep(rt route.Route, origin hop.Origin) {
	s.kept.mu.Lock()
	defer s.kept.mu.Unlock()
	if s.kept.byKey[rt.Key()] != nil {
		return
	}
	s.kept.byKey[rt.Key()] = &keptMaster{rt, s.pool.Keep(rt, pool.KeepConfig{
		Holder: pool.Holder{Use: pool.UseHold, What: "pinned"}, Ask: outsider{known(origin)}, Now: true,
	})}
}

// letGo ends the keeping of a route's master, or of all, and returns the names
// of their hosts.
func (s *Server) letGo(key route.Key, all bool) (names []string) {
	var gone []*keptMaster
	s.kept.mu.Lock()
	for k, m := range s.kept.byKey {
		if all || k == key {
			gone = append(gone, m)
			delete(s.kept.byKey, k)
		}
	}
	s.kept.mu.Unlock()
	for _, m := range gone {
		m.keeper.Close()
		names = append(names, m.route.Target().Name)
	}
	return names
}

// keptList describes the masters that are kept up.
func (s *Server) keptList() []api.Kept {
	s.kept.mu.Lock()
	defer s.kept.mu.Unlock()
	var list []api.Kept
	for key, m := range s.kept.byKey {
		state, err := m.keeper.State()
		k := api.Kept{Host: m.route.Target().Name, Key: string(key), State: string(state)}
		if err != nil {
			k.LastError = err.Error()
		}
		list = append(list, k)
	}
	slices.SortFunc(list, func(a, b api.Kept) int { return strings.Compare(a.Host, b.Host) })
	return list
}
