package probe

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"sallyport/internal/hop"
	"sallyport/internal/route"
)

// DefaultLimit bounds a test; the time of a person who answers questions does
// not count.
const DefaultLimit = 2 * time.Minute

// Asker answers the questions of a login, see hop.Asker; the aliases are for
// callers that know no hops.
type (
	Asker    = hop.Asker
	Question = hop.Question
	Notice   = hop.Notice
	Origin   = hop.Origin
)

// The ways of having no answer.
var (
	ErrNobody    = hop.ErrNobody
	ErrCancelled = hop.ErrCancelled
)

// Config says what to test. Route and Asker are required.
type Config struct {
	Route route.Route
	Asker Asker
	// Limit bounds the test, 0 for DefaultLimit.
	Limit time.Duration
	// Began and Ended hear of each step as it goes, nil for nobody. The hop
	// holds what was found so far and is not to be changed.
	Began func(h *Hop, stage string)
	Ended func(h *Hop, s Step)
}

// errLimit is the cause of a context that ended by Config.Limit.
var errLimit = errors.New("the test's own limit was reached")

// Run tests the route. It returns when nothing it started runs any more. A
// hop that fails ends it; the report says so, and of what is behind only the
// names.
func Run(ctx context.Context, cfg Config) *Report {
	if cfg.Limit <= 0 {
		cfg.Limit = DefaultLimit
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t := &test{Config: cfg}
	t.clock = newClock(cfg.Asker, cfg.Limit, func() { cancel(errLimit) }, t.heard)
	defer t.clock.stop()
	defer t.close()
	report := newReport(cfg.Route)
	report.OK = true
	for i, h := range cfg.Route.Hops {
		if !t.hop(ctx, h, report.Hops[i], i == len(cfg.Route.Hops)-1) {
			report.OK = false
			break
		}
	}
	report.Seconds = t.clock.at(time.Now()).Seconds()
	return report
}

func newReport(rt route.Route) *Report {
	r := &Report{Target: rt.Target().Name}
	for i, h := range rt.Hops {
		found := &Hop{Name: h.Name, User: h.Options.User, Addr: h.Addr()}
		if i > 0 {
			found.Via = rt.Hops[i-1].Name
		} else {
			found.Proxy = h.Options.Proxy.Command
		}
		for _, w := range h.Ways {
			before := []string{}
			for _, j := range w.Hops {
				before = append(before, j.Name)
			}
			found.OtherWays = append(found.OtherWays, before)
		}
		r.Route = append(r.Route, h.Name)
		r.Hops = append(r.Hops, found)
	}
	return r
}

// test is one run.
type test struct {
	Config
	clock *clock
	conns []*hop.Conn // in the order of the route

	// state: guarded by mu
	mu      sync.Mutex
	banners []string // of the hop under test
}

// heard keeps what a server shows before the login.
func (t *test) heard(n hop.Notice) {
	if n.Kind != hop.NoticeBanner {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.banners = append(t.banners, hop.Clean(n.Text))
}

// takeBanners gives what was heard since the last call.
func (t *test) takeBanners() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	said := t.banners
	t.banners = nil
	return said
}

// close ends the connections, the last first, and waits for them.
func (t *test) close() {
	for i := len(t.conns) - 1; i >= 0; i-- {
		t.conns[i].Close()
	}
	for _, c := range t.conns {
		_ = c.Wait()
	}
}

// hop tests one hop and reports whether it can be used.
func (t *test) hop(ctx context.Context, h route.Hop, found *Hop, target bool) bool {
	found.Tested = true
	w := &watch{test: t, found: found, options: h.Options}
	cfg := hop.Config{Hop: h, Asker: t.clock, Trace: w.event, ReadOnly: true}
	if n := len(t.conns); n > 0 {
		cfg.Via, cfg.ViaName = t.conns[n-1], found.Via
	}
	conn, err := hop.Dial(ctx, cfg)
	w.finish(err)
	found.Banners = t.takeBanners()
	if conn != nil {
		t.conns = append(t.conns, conn)
	}
	t.otherAddresses(ctx, h, found)
	if err != nil {
		found.Failure = t.failure(ctx, err)
		return false
	}
	if target && !t.session(ctx, conn, found) {
		return false
	}
	found.OK = t.ping(ctx, conn, found)
	return found.OK
}

// failure describes why a hop cannot be used.
func (t *test) failure(ctx context.Context, err error) *Failure {
	f := &Failure{Cause: hop.CauseOf(err), Message: err.Error()}
	var e *hop.Error
	if errors.As(err, &e) {
		f.Stage = string(e.Stage)
		f.Message = e.Err.Error()
	}
	if errors.Is(context.Cause(ctx), errLimit) {
		f.Cause, f.Message = hop.CauseNone, fmt.Sprintf("no end within %v", t.Limit)
	}
	return f
}
