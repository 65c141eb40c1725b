package daemon

import (
	"context"
	"os"
	"strings"
	"time"

	"sallyport/internal/api"
	"sallyport/internal/forward"
	"sallyport/internal/mux"
	"sallyport/internal/pool"
	"sallyport/internal/route"
)

// Status is api.Handler's.
func (c client) Status(context.Context, *api.Request) (*api.Result, error) {
	status := &api.Status{
		PID: os.Getpid(), Version: c.config.Version, Since: c.since,
		Socket: c.config.Socket, Masters: []api.Master{},
	}
	for _, m := range c.pool.Snapshot() {
		d := describe(m)
		d.Control = c.controlOf(m.Key)
		d.Forwards = c.forwardsOf(m.Key)
		status.Masters = append(status.Masters, d)
	}
	return &api.Result{Status: status}, nil
}

// forwardsOf lists the forwards of a route.
func (s *Server) forwardsOf(key route.Key) []api.Forward {
	s.mu.Lock()
	var all []mux.Forward
	for _, l := range s.lives {
		if l.route.Key() == key {
			all = append(all, l.listening()...)
		}
	}
	s.mu.Unlock()
	list := []api.Forward{}
	for _, f := range all {
		kind := map[mux.ForwardKind]string{mux.ForwardLocal: "local", mux.ForwardRemote: "remote", mux.ForwardDynamic: "dynamic"}[f.Kind]
		from, to, _ := strings.Cut(forward.Describe(forwardSpec(f)), " to ")
		list = append(list, api.Forward{Kind: kind, Listen: strings.TrimSuffix(from, " (SOCKS)"), Target: to})
	}
	return list
}

func describe(m pool.Status) api.Master {
	d := api.Master{
		Key: string(m.Key), Parent: string(m.Parent), Hop: m.Hop, User: m.User, Addr: m.Addr,
		Route: m.Route, State: string(m.State), Since: m.Since, Held: []api.Holder{},
		Idle: wholeSeconds(m.Idle), Expires: wholeSeconds(m.Expiry),
		BytesIn: m.In, BytesOut: m.Out, Sibling: m.Sibling, SessionLimit: m.SessionLimit,
	}
	for _, h := range m.Held {
		d.Held = append(d.Held, api.Holder{Use: string(h.Use), What: h.What, PID: h.PID, Since: h.Since})
		if h.Use == pool.UseSession {
			d.Sessions++
		}
	}
	if i := m.Info; i != nil {
		d.Server, d.HostKey, d.Auth, d.Cipher, d.Kex = i.ServerVersion, i.HostKey, i.AuthMethod, i.Cipher, i.KeyExchange
	}
	return d
}

func wholeSeconds(d *time.Duration) *int64 {
	if d == nil {
		return nil
	}
	s := int64(d.Round(time.Second) / time.Second)
	return &s
}
