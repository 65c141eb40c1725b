package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"sallyport/internal/api"
	"sallyport/internal/hop"
	"sallyport/internal/pool"
	"sallyport/internal/route"
)

// pins are the forwards that belong to the daemon and to no command. They stay
// until they are removed or the daemon is told to quit; a daemon that follows
// one that has died brings them back.
type pins struct {
	// config: not changed after New
	server *Server
	file   string // where the next daemon finds them, "" for nowhere

	saving sync.Mutex // one writer of the file at a time

	// state: guarded by mu
	mu     sync.Mutex
	last   int // number of the newest pin
	sets   []*pinSet
	forgot bool // nothing is written any more
}

// some reports whether there is any.
func (t *pins) some() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.sets) > 0
}

// all are the sets at the moment.
func (t *pins) all() []*pinSet {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.sets)
}

// maxPins bounds what is pinned: each has listeners and costs a file.
const maxPins = 1000

// ForwardAdd is api.Handler's. Whatever can be found wrong without the network
// is found before anything is dialled.
func (c client) ForwardAdd(ctx context.Context, r *api.Request, ask *api.Asker) (*api.Result, error) {
	if err := c.padlock.check(); err != nil {
		return nil, apiError(err)
	}
	rt, err := requestRoute(r)
	if err != nil {
		return nil, err
	}
	set, err := c.pins.make(rt, r, nil)
	if err != nil {
		return nil, &api.Error{Code: api.CodeBad, Message: err.Error()}
	}
	if err := c.pins.start(ctx, set, asker{ask, r}); err != nil {
		c.pins.drop(set)
		return nil, apiError(err)
	}
	unsaved := c.pins.save()
	for _, p := range set.pins {
		c.log.Info("forward pinned", "id", p.id, "hop", rt.Target().Name, "forward", p.describe())
	}
	return &api.Result{Key: string(rt.Key()), Forwards: c.pins.describe(set), Unsaved: unsaved}, nil
}

// make checks what is asked for and puts it in the table, with the numbers that
// are given, or new ones.
func (t *pins) make(rt route.Route, r *api.Request, numbers []int) (*pinSet, error) {
	if len(r.Forwards) == 0 {
		return nil, errors.New("no forward to add")
	}
	if !properName(r.Name) {
		return nil, fmt.Errorf("%q is no name for a forward: letters, digits and -_. are, but no number and not \"all\"", r.Name)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count()+len(r.Forwards) > maxPins {
		return nil, fmt.Errorf("more than %d pinned forwards", maxPins)
	}
	if r.Name != "" && slices.ContainsFunc(t.sets, func(s *pinSet) bool { return s.name == r.Name }) {
		return nil, fmt.Errorf("a forward called %s is there already", r.Name)
	}
	set := t.newSet(rt, r.Name, hop.Origin{Env: r.Env, Dir: r.Dir}, r.Now)
	last := t.last
	for i, f := range r.Forwards {
		n := last + 1
		if i < len(numbers) {
			n = numbers[i]
		}
		last = max(last, n)
		p := newPin(set, strconv.Itoa(n), f)
		if err := p.check(); err != nil {
			set.cancel()
			return nil, err
		}
		set.pins = append(set.pins, p)
	}
	t.last = last
	t.sets = append(t.sets, set)
	return set, nil
}

func (t *pins) newSet(rt route.Route, name string, origin hop.Origin, now bool) *pinSet {
	s := &pinSet{server: t.server, name: name, route: rt, origin: origin, now: now, since: time.Now(), ready: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(t.server.ctx)
	return s
}

// count is the number of pins; the caller holds mu.
func (t *pins) count() (n int) {
	for _, s := range t.sets {
		n += len(s.pins)
	}
	return n
}

// properName tells what may be a name; none is one.
func properName(name string) bool {
	if _, err := strconv.Atoi(name); err == nil || name == "all" || len(name) > 64 {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", r)
	})
}

// start has a set listen, and brings its route up if it must be.
func (t *pins) start(ctx context.Context, s *pinSet, ask hop.Asker) error {
	for _, p := range s.pins {
		if p.remote {
			continue
		}
		if err := p.listenHere(ctx, p.options()); err != nil {
			return t.withOwner(p, err)
		}
	}
	if !s.needsMaster() {
		s.keep()
		return nil
	}
	lease, err := t.server.pool.Get(ctx, s.route, pool.Holder{Use: pool.UseRequest, What: "forward"}, ask)
	if err != nil {
		return err
	}
	defer lease.Release()
	s.keep()
	for _, p := range s.pins {
		if !p.remote {
			continue
		}
		select {
		case err := <-p.first:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		case <-lease.Conn().Done():
			return lease.Failure()
		}
	}
	return nil
}

// withOwner adds which pinned forward listens where another should.
func (t *pins) withOwner(p *pin, err error) error {
	for _, s := range t.all() {
		for _, other := range s.pins {
			o := other.asked
			if other == p || other.remote || o.ListenPort != p.asked.ListenPort || o.ListenPath != p.asked.ListenPath || other.state().Listen == nil {
				continue
			}
			return fmt.Errorf("%w: pinned forward %s listens there", err, other.id)
		}
	}
	return err
}

// drop takes a set out of the table and ends it.
func (t *pins) drop(s *pinSet) {
	t.mu.Lock()
	t.sets = slices.DeleteFunc(t.sets, func(other *pinSet) bool { return other == s })
	t.mu.Unlock()
	s.close()
}

// close ends all of them; the file stays for the next daemon.
func (t *pins) close() {
	t.mu.Lock()
	sets := t.sets
	t.sets, t.forgot = nil, true
	t.mu.Unlock()
	for _, s := range sets {
		s.close()
	}
}

// ForwardRemove is api.Handler's.
func (c client) ForwardRemove(_ context.Context, r *api.Request) (*api.Result, error) {
	gone, unknown := c.pins.choose(r.IDs, r.All)
	if unknown != "" {
		return nil, &api.Error{Code: api.CodeFailed, Message: fmt.Sprintf("no pinned forward is called %q", unknown)}
	}
	result := &api.Result{}
	for _, p := range gone {
		result.Forwards = append(result.Forwards, c.pins.describePin(p))
	}
	c.pins.remove(gone)
	result.Unsaved = c.pins.save()
	for _, p := range gone {
		c.log.Info("forward removed", "id", p.id, "hop", p.set.route.Target().Name, "forward", p.describe())
	}
	return result, nil
}

// choose finds pins by their ids or names; unknown is one that is neither.
func (t *pins) choose(names []string, all bool) (chosen []*pin, unknown string) {
	known := map[string]bool{}
	for _, s := range t.all() {
		for _, p := range s.pins {
			known[p.id], known[s.name] = true, true
			if p.ctx.Err() == nil && (all || slices.Contains(names, p.id) || s.name != "" && slices.Contains(names, s.name)) {
				chosen = append(chosen, p)
			}
		}
	}
	for _, name := range names {
		if !known[name] || name == "" {
			return nil, name
		}
	}
	return chosen, ""
}

// remove ends pins, and the sets of which none is left.
func (t *pins) remove(gone []*pin) {
	for _, p := range gone {
		p.close()
	}
	for _, s := range t.all() {
		if !slices.ContainsFunc(s.pins, func(p *pin) bool { return p.ctx.Err() == nil }) {
			t.drop(s)
		}
	}
}
