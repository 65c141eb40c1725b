package pool

import (
	"context"
	"errors"
	"time"

	"sallyport/internal/hop"
	"sallyport/internal/race"
	"sallyport/internal/route"
)

// reached is how a dial ended: the connection, the lease on what it runs
// through, nil for none, and the route with the hops that led there.
type reached struct {
	conn   Conn
	parent *Lease
	route  route.Route
	way    int // of the route that was asked for
}

// dial connects by one of the route's ways. Those of its jump hosts are logged
// in to as it comes to them, one way at a time, and the target by one only.
func (p *Pool) dial(ctx context.Context, m *Master) (reached, error) {
	n := m.route.Ways()
	if n == 1 {
		return p.along(ctx, m, m.route, m.call, m.call)
	}
	target := m.route.Target()
	log := p.config.Log.With("hop", target.Name)
	c := race.Config{
		InOrder: target.Options.Connect.AlternatePolicy == "order", Final: hop.Final, First: p.recall(m),
		Started: func(i int) {
			text := wayName(m.route.Along(i))
			log.Debug("trying", "route", text)
			m.call.Tell(hop.Notice{Hop: target.Name, Kind: hop.NoticeDebug, Text: "debug1: " + target.Name + ": trying the way " + text})
			m.call.Progress(0)
		},
	}
	r, out := race.Run(ctx, c, n, func(ctx context.Context, w *race.Way) (reached, error) {
		jumps := wayAsker{Asker: m.call, way: w, above: m.call}
		last := jumps
		last.last = true
		r, err := p.along(ctx, m, m.route.Along(w.Index()), jumps, last)
		if err != nil && r.parent != nil {
			r.parent.Release()
		}
		return r, err
	}, func(late reached) {
		late.conn.Close()
		if late.parent != nil {
			late.parent.Release()
		}
	})
	if r.way = out.Won; r.way >= 0 {
		log.Info("reached", "route", wayName(r.route))
		return r, nil
	}
	return reached{}, noWay(ctx, m.route, out)
}

// noWay makes one error of those of all ways.
func noWay(ctx context.Context, rt route.Route, out race.Outcome) error {
	if ctx.Err() != nil || len(out.Tried) == 0 {
		return context.Cause(ctx)
	}
	tried := make([]hop.Attempt, len(out.Tried))
	for i, a := range out.Tried {
		tried[i] = hop.Attempt{Way: wayName(rt.Along(a.Way)), Started: a.Started, Took: a.Took, Err: a.Err}
	}
	target := rt.Target()
	return hop.Several(hop.Error{Hop: target.Name, Addr: target.Addr()}, tried, out.Final)
}

// wayName says how a route's target is reached.
func wayName(rt route.Route) string {
	if parent, ok := rt.Parent(); ok {
		return "via " + parent.String()
	}
	if rt.Target().Options.Proxy.Command != "" {
		return "by ProxyCommand"
	}
	return "directly"
}

// wayAsker asks for one of several ways: it tells the race how far that is, and
// waits for its turn.
type wayAsker struct {
	hop.Asker
	way   *race.Way
	above hop.Pacer
	last  bool // it is for the target itself
}

// Progress is hop.Pacer's.
func (a wayAsker) Progress(patience time.Duration) {
	a.way.Progress(patience)
	a.above.Progress(patience)
}

// Admit is hop.Pacer's.
func (a wayAsker) Admit(ctx context.Context) error {
	turn := a.way.Admit
	if a.last {
		turn = a.way.Claim
	}
	if err := turn(ctx); err != nil {
		return err
	}
	return a.above.Admit(ctx)
}

// along gets the parent's master and dials through it, as rt says. When that
// falls silent or is lost meanwhile, it goes on over a new one. The parent's
// lease is the caller's also with an error.
func (p *Pool) along(ctx context.Context, m *Master, rt route.Route, jumps, last hop.Asker) (reached, error) {
	parentRoute, ok := rt.Parent()
	if !ok {
		conn, err := p.dialThrough(ctx, rt, nil, last)
		return reached{conn: conn, route: rt}, err
	}
	for tries := 0; ; tries++ {
		holder := Holder{Use: UseHop, What: rt.Target().Name}
		parent, err := p.Get(ctx, parentRoute, holder, jumps)
		if err != nil {
			return reached{}, err
		}
		conn, err := p.dialThrough(ctx, rt, parent, last)
		if err == nil || tries == maxTries || ctx.Err() != nil || !(errors.Is(err, errSilentParent) || parent.lost()) {
			return reached{conn: conn, parent: parent, route: rt}, err
		}
		parent.Release()
	}
}

// maxTries is how many connections may be lost under one dial before it is
// given up.
const maxTries = 2

// lost reports whether the master's connection has ended, and not on purpose.
func (l *Lease) lost() bool { return l.Failure() != nil && !l.dropped() }

// errSilentParent says that the connection that was dialled through does not
// answer any more.
var errSilentParent = errors.New("the hop before does not answer")

// dialThrough dials, in its turn, through a lease on the parent or directly.
func (p *Pool) dialThrough(ctx context.Context, rt route.Route, parent *Lease, ask hop.Asker) (Conn, error) {
	leave, err := p.dials.enter(ctx, rt)
	if err != nil {
		return nil, err
	}
	defer leave()
	if parent == nil {
		return p.config.Dial(ctx, rt, nil, ask)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	silent := parent.Silent()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-silent:
			cancel(errSilentParent)
		case <-ctx.Done():
		}
	}()
	conn, err := p.config.Dial(ctx, rt, parent.Conn(), ask)
	cancel(nil)
	<-watched
	if err != nil && errors.Is(context.Cause(ctx), errSilentParent) {
		return nil, errSilentParent
	}
	return conn, err
}

// maxRemembered bounds for how many routes the last good way is remembered.
const maxRemembered = 1024

// memory is which way led to a route's end the last time: the key of the parent
// or "" for a direct one. It is guarded by the pool's lock.
type memory map[route.Key]route.Key

func (w *memory) keep(key route.Key, rt route.Route) {
	if rt.Ways() == 1 {
		return
	}
	if *w == nil || len(*w) >= maxRemembered {
		*w = memory{}
	}
	(*w)[key] = parentKey(rt)
}

func parentKey(rt route.Route) route.Key {
	if parent, ok := rt.Parent(); ok {
		return parent.Key()
	}
	return ""
}

// recall is the way to try first.
func (p *Pool) recall(m *Master) int {
	p.mu.Lock()
	good, some := p.memory[m.key]
	p.mu.Unlock()
	for i := range m.route.Ways() {
		if some && parentKey(m.route.Along(i)) == good {
			return i
		}
	}
	return 0
}
