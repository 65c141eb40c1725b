package race

import (
	"context"
	"time"
)

// HeadStart is how long a way may be silent before the next one is tried beside
// it (RFC 8305 §5, "Connection Attempt Delay").
const HeadStart = 250 * time.Millisecond

// Config says how ways are raced. Its zero value works.
type Config struct {
	// HeadStart replaces the default.
	HeadStart time.Duration
	// InOrder waits for a way's failure before the next one is tried.
	InOrder bool
	// First is the way that is tried before all others; they follow in order.
	First int
	// Final tells a failure after which no other way may be tried; nil for none.
	Final func(error) bool
	// Started hears of each way that is begun; nil for nobody.
	Started func(way int)
}

// Attempt is what became of one way.
type Attempt struct {
	Way     int
	Started time.Duration // after the race began
	Took    time.Duration
	Err     error // nil for one that was given up for another
}

// Outcome is how a race ended. Won is -1 when no way led to the end; Final is
// then true when one failure ended it.
type Outcome struct {
	Won   int
	Final bool
	// Tried are the failures, in the order in which they came: the last one is
	// the final one.
	Tried []Attempt
}

// phase is where a way is.
//
//	idle ──▶ running ──▶ failed | won
//	  ▲         ▼
//	  └──── dropped
//
// A way is dropped when another one claims the end; if that one fails after
// all, those that were dropped may run again.
type phase int

const (
	idle phase = iota
	running
	dropped
	failed
	won
)

// way is one way's state, the loop's own.
type way struct {
	phase    phase
	cancel   context.CancelFunc
	began    time.Time
	last     time.Time     // when it was last heard of
	patience time.Duration // how long it may be silent from then on
	busy     bool          // it has the turn and is using it
	want     *admission
}

// admission is a way's wish to have the turn.
type admission struct {
	way     int
	claim   bool
	granted chan struct{}
}

// result is the end of a way's function.
type result[T any] struct {
	way   int
	value T
	err   error
}

// step is a way's progress.
type step struct {
	way      int
	patience time.Duration
}

// Run tries n ways by calling try, for each in a goroutine of its own, until
// one returns no error or none is left. A value that comes too late is given
// to drop. Run returns when all that it started has ended.
func Run[T any](ctx context.Context, c Config, n int, try func(context.Context, *Way) (T, error), drop func(T)) (T, Outcome) {
	if c.HeadStart <= 0 {
		c.HeadStart = HeadStart
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &state{
		config: c, ctx: ctx, cancel: cancel, start: time.Now(), ways: make([]way, n), active: -1, claimed: -1,
		steps: make(chan step), wishes: make(chan *admission), ended: make(chan struct{}),
		out: Outcome{Won: -1},
	}
	defer close(r.ended)
	results := make(chan result[T])
	var value T
	for {
		for _, i := range r.due() {
			wayCtx := r.begin(i)
			go func() {
				v, err := try(wayCtx, &Way{race: r, index: i})
				results <- result[T]{i, v, err}
			}()
		}
		if r.live() == 0 {
			return value, r.out
		}
		next, stop := r.timer()
		select {
		case res := <-results:
			switch keep := r.finish(res.way, res.err); {
			case keep:
				value = res.value
			case res.err == nil && drop != nil:
				drop(res.value)
			}
		case s := <-r.steps:
			r.progress(s)
		case w := <-r.wishes:
			r.ways[w.way].want = w
		case <-next:
		case <-r.over():
			r.stopped = true
		}
		stop()
	}
}

// Way is one way's hold on the race it is part of.
type Way struct {
	race  *state
	index int
}

// Index is the way's number.
func (w *Way) Index() int { return w.index }

// Progress notes that the way was heard of, and that what it has begun is
// done: another is started beside it only after it has been silent for
// patience; 0 is the head start.
func (w *Way) Progress(patience time.Duration) {
	select {
	case w.race.steps <- step{w.index, patience}:
	case <-w.race.ended:
	}
}

// Admit waits for the turn: of all ways, one at a time goes beyond it. It has
// the turn until its Progress, and keeps it as long as it makes any. The error
// is ctx's.
func (w *Way) Admit(ctx context.Context) error { return w.admit(ctx, false) }

// Claim is Admit for the last step: all other ways are given up. They are
// tried anew if this one fails yet.
func (w *Way) Claim(ctx context.Context) error { return w.admit(ctx, true) }

func (w *Way) admit(ctx context.Context, claim bool) error {
	a := &admission{w.index, claim, make(chan struct{})}
	select {
	case w.race.wishes <- a:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.race.ended:
		return context.Canceled
	}
	select {
	case <-a.granted:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-w.race.ended:
		return context.Canceled
	}
}
