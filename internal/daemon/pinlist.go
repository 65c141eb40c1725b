package daemon

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"sallyport/internal/api"
	"sallyport/internal/forward"
	"sallyport/internal/mux"
	"sallyport/internal/pool"
	"sallyport/internal/route"
)

// Forwards is api.Handler's: the pinned ones and those of commands.
func (c client) Forwards(context.Context, *api.Request) (*api.Result, error) {
	list := c.pins.list()
	c.mu.Lock()
	var lives []*live
	for _, l := range c.lives {
		lives = append(lives, l)
	}
	c.mu.Unlock()
	slices.SortFunc(lives, func(a, b *live) int { return cmp.Compare(a.route.String(), b.route.String()) })
	for _, l := range lives {
		list = append(list, l.forwardsOwned()...)
	}
	return &api.Result{Forwards: list}, nil
}

// list describes all that is pinned.
func (t *pins) list() []api.Forward {
	var list []api.Forward
	for _, s := range t.all() {
		list = append(list, t.describe(s)...)
	}
	return list
}

// of describes what is pinned over a route.
func (t *pins) of(key route.Key) []api.Forward {
	var list []api.Forward
	for _, s := range t.all() {
		if s.route.Key() == key {
			list = append(list, t.describe(s)...)
		}
	}
	return list
}

func (t *pins) describe(s *pinSet) []api.Forward {
	var list []api.Forward
	for _, p := range s.pins {
		if p.ctx.Err() == nil {
			list = append(list, t.describePin(p))
		}
	}
	return list
}

func (t *pins) describePin(p *pin) api.Forward {
	s := p.set
	f := describeState(p.state())
	f.ID, f.Name, f.Pinned, f.Since = p.id, s.name, true, s.since
	f.Host, f.Key = s.route.Target().Name, string(s.route.Key())
	f.State = string(pool.KeepIdle)
	select {
	case <-s.ready:
	default:
		return f
	}
	state, err := s.keeper.State()
	f.State = string(state)
	if err != nil && state != pool.KeepUp {
		at := s.keeper.Erred()
		f.LastError, f.LastErrorAt = s.wording(err).Error(), &at
	}
	return f
}

// describeState is what a forward says of itself.
func describeState(st forward.State) api.Forward {
	kind := map[forward.Kind]string{
		forward.Local: api.ForwardLocal, forward.Dynamic: api.ForwardDynamic,
		forward.Remote: api.ForwardRemote, forward.RemoteDynamic: api.ForwardRemote,
	}[st.Kind]
	from, to, _ := strings.Cut(forward.Describe(st.Spec), " to ")
	f := api.Forward{
		Kind: kind, Listen: strings.TrimSuffix(from, " (SOCKS)"), Target: to, Addresses: st.Listen,
		Connections: st.Active, Total: st.Total, Failed: st.Failed, BytesIn: st.Received, BytesOut: st.Sent, LastError: st.LastError,
	}
	if !st.LastErrorAt.IsZero() {
		f.LastErrorAt = &st.LastErrorAt
	}
	return f
}

// forwardsOwned describes the forwards of a connection.
func (l *live) forwardsOwned() []api.Forward {
	l.mu.Lock()
	all := make(map[mux.Forward]*openForward, len(l.forwards))
	for f, opened := range l.forwards {
		if opened.port != 0 {
			f.ListenPort = opened.port
		}
		all[f] = opened
	}
	l.mu.Unlock()
	list := []api.Forward{}
	for f, opened := range all {
		d := describeState(opened.listener.State())
		from, _, _ := strings.Cut(forward.Describe(forwardSpec(f)), " to ")
		d.Listen = strings.TrimSuffix(from, " (SOCKS)") // with the port that a server chose
		d.Host, d.Key, d.Since = l.route.Target().Name, string(l.route.Key()), opened.since
		if opened.owner != nil {
			d.PID, d.Command = opened.owner.peer.PID, opened.owner.peer.Command()
		}
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b api.Forward) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Listen, b.Listen))
	})
	return list
}

// forwardsOver lists the forwards of a live connection.
func (s *Server) forwardsOver(conn pool.Conn) []api.Forward {
	if l := s.liveOf(conn); l != nil {
		return l.forwardsOwned()
	}
	return []api.Forward{}
}
