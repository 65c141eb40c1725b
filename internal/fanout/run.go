package fanout

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Config says how many at once and for how long. The zero value is a sensible
// number, for ever.
type Config struct {
	// Parallel is how many hosts are under way at once; 0 is DefaultParallel.
	Parallel int
	// Timeout bounds each host, Total all of them; 0 does not.
	Timeout, Total time.Duration
	// FailFast begins with no more hosts once one has failed. Those under way
	// go on.
	FailFast bool
	// Began and Ended are told of each host; not at the same time.
	Began func(i int)
	Ended func(i int, o Outcome)
}

// DefaultParallel is how many hosts are under way at once. Servers drop
// connections of which more than ten have not logged in yet (sshd's
// MaxStartups); those to different servers, through one jump host, are no
// such.
const DefaultParallel = 32

// Outcome is how it ended on one host.
type Outcome struct {
	// Started is false for a host that was never begun with; Err says why.
	Started bool
	// Code is the exit code when Err is nil.
	Code int
	Err  error
	Took time.Duration
}

// OK reports whether all is well.
func (o Outcome) OK() bool { return o.Started && o.Err == nil && o.Code == 0 }

// ErrNotStarted is the error of a host that was not begun with, since another
// had failed or the end had come.
var ErrNotStarted = errors.New("not started")

// TimeoutError says that it took too long.
type TimeoutError struct{ After time.Duration }

func (e *TimeoutError) Error() string { return fmt.Sprintf("not done after %v", e.After) }

// Run calls do for each of n hosts and returns their outcomes. do must return
// soon after its ctx has ended.
func Run(ctx context.Context, cfg Config, n int, do func(ctx context.Context, i int) (code int, err error)) []Outcome {
	if cfg.Total > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, cfg.Total, &TimeoutError{cfg.Total})
		defer cancel()
	}
	parallel := cfg.Parallel
	if parallel <= 0 {
		parallel = DefaultParallel
	}
	r := &run{cfg: cfg, do: do, outcomes: make([]Outcome, n)}
	var workers sync.WaitGroup
	for range min(parallel, n) {
		workers.Go(func() {
			for i, ok := r.take(ctx); ok; i, ok = r.take(ctx) {
				r.end(i, r.one(ctx, i))
			}
		})
	}
	workers.Wait()
	for i := range r.outcomes {
		if o := &r.outcomes[i]; !o.Started {
			o.Err = ErrNotStarted
		}
	}
	return r.outcomes
}

// run is one call of Run.
type run struct {
	// config: not changed after Run began
	cfg Config
	do  func(ctx context.Context, i int) (int, error)

	// state: guarded by mu
	mu       sync.Mutex
	next     int
	failed   bool
	outcomes []Outcome
}

// take gives the next host, in order.
func (r *run) take(ctx context.Context) (i int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next >= len(r.outcomes) || ctx.Err() != nil || r.failed && r.cfg.FailFast {
		return 0, false
	}
	i = r.next
	r.next++
	r.outcomes[i].Started = true
	if r.cfg.Began != nil {
		r.cfg.Began(i)
	}
	return i, true
}

// one does it on one host.
func (r *run) one(ctx context.Context, i int) Outcome {
	if r.cfg.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.cfg.Timeout, &TimeoutError{r.cfg.Timeout})
		defer cancel()
	}
	start := time.Now()
	code, err := r.do(ctx, i)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return Outcome{Started: true, Code: code, Err: err, Took: time.Since(start)}
}

func (r *run) end(i int, o Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outcomes[i] = o
	r.failed = r.failed || !o.OK()
	if r.cfg.Ended != nil {
		r.cfg.Ended(i, o)
	}
}
