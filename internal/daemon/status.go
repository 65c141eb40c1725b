package daemon

import (
	"context"
	"os"
	"runtime"
	"time"

	"sallyport/internal/api"
	"sallyport/internal/pool"
	"sallyport/internal/route"
)

// Status is api.Handler's.
func (c client) Status(context.Context, *api.Request) (*api.Result, error) {
	status := &api.Status{
		PID: os.Getpid(), Version: c.config.Version, Since: c.since,
		Socket: c.config.Socket, Masters: []api.Master{}, Goroutines: runtime.NumGoroutine(), Locked: c.padlock.status(), Kept: c.keptList(),
	}
	all := c.pool.Snapshot()
	current := currentOf(all)
	for _, m := range all {
		d := describe(m)
		d.Forwards = c.forwardsOver(m.Conn)
		if current[m.Key] == m.Number {
			d.Control = c.controlOf(m.Key)
			d.Forwards = append(d.Forwards, c.pins.of(m.Key)...)
		}
		status.Masters = append(status.Masters, d)
	}
	status.Pinned = c.pins.list()
	return &api.Result{Status: status}, nil
}

// currentOf tells which of the masters of a key has what belongs to its route:
// the one that is lent out, or the newest of those that nobody has replaced yet.
func currentOf(all []pool.Status) map[route.Key]int {
	current, lent := map[route.Key]int{}, map[route.Key]bool{}
	for _, m := range all {
		if m.Lent || !lent[m.Key] && m.Number > current[m.Key] {
			current[m.Key], lent[m.Key] = m.Number, m.Lent
		}
	}
	return current
}

func describe(m pool.Status) api.Master {
	d := api.Master{
		Key: string(m.Key), Parent: string(m.Parent), Number: m.Number, Through: m.Through, Hop: m.Hop, User: m.User, Addr: m.Addr,
		Route: m.Route, State: string(m.State), Since: m.Since, Held: []api.Holder{},
		Idle: wholeSeconds(m.Idle), Expires: wholeSeconds(m.Expiry),
		BytesIn: m.In, BytesOut: m.Out, Ways: m.Ways, Way: m.Way + 1, Sibling: m.Sibling, SessionLimit: m.SessionLimit,
	}
	for _, h := range m.Held {
		d.Held = append(d.Held, api.Holder{Use: string(h.Use), What: h.What, PID: h.PID, Since: h.Since})
		if h.Use == pool.UseSession {
			d.Sessions++
		}
	}
	if i := m.Info; i != nil {
		d.Server, d.HostKey, d.Auth, d.Cipher, d.Kex = i.ServerVersion, i.HostKey, i.AuthMethod, i.Cipher, i.KeyExchange
		d.Address, d.AlternateAddress, d.SeveralAddresses = i.Address, i.Alternate, i.Several
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
