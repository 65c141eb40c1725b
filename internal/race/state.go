package race

import (
	"context"
	"time"
)

// state is a race under way. Run's loop alone touches it; ways reach it by the
// channels.
type state struct {
	// config: not changed after Run began
	config Config
	ctx    context.Context // of the ways
	cancel context.CancelFunc
	start  time.Time
	steps  chan step
	wishes chan *admission
	ended  chan struct{}

	// state: the loop's
	ways    []way
	active  int // who had the turn last, -1 for nobody
	claimed int // who has claimed the end, -1 for nobody
	stopped bool
	out     Outcome
}

// over is ctx's end, until it was noticed.
func (r *state) over() <-chan struct{} {
	if r.stopped {
		return nil
	}
	return r.ctx.Done()
}

// due lets wishes be granted, and lists what is to be started now.
func (r *state) due() []int {
	r.grant()
	if !r.mayStart() {
		return nil
	}
	if at, some := r.nextStart(); some && !time.Now().Before(at) {
		return []int{r.next()}
	}
	return nil
}

// mayStart reports whether another way could be begun at all.
func (r *state) mayStart() bool {
	return !r.stopped && r.out.Won < 0 && r.claimed < 0 && r.ctx.Err() == nil && r.next() >= 0
}

// next is the way to begin with next, -1 when there is none.
func (r *state) next() int {
	if f := r.config.First; f >= 0 && f < len(r.ways) && r.ways[f].phase == idle {
		return f
	}
	for i := range r.ways {
		if r.ways[i].phase == idle {
			return i
		}
	}
	return -1
}

// nextStart is when the next way may begin: when all those that run have been
// silent. It is false for as long as one of them cannot be called silent.
func (r *state) nextStart() (time.Time, bool) {
	var at time.Time
	for i := range r.ways {
		w := &r.ways[i]
		switch {
		case w.phase != running && w.phase != dropped, w.want != nil:
			continue
		case w.phase == dropped || w.busy || r.config.InOrder:
			return at, false
		}
		if silent := w.last.Add(w.patience); silent.After(at) {
			at = silent
		}
	}
	return at, true
}

// grant gives the turn to who waits for it, when nobody else is using it.
func (r *state) grant() {
	if r.stopped || r.claimed >= 0 {
		return
	}
	if r.active >= 0 && r.ways[r.active].want == nil {
		if w := &r.ways[r.active]; w.busy || time.Now().Before(w.last.Add(w.patience)) {
			return
		}
	}
	i := r.waiting()
	if i < 0 {
		return
	}
	w := &r.ways[i]
	r.active, w.busy = i, true
	if w.want.claim {
		r.claimed = i
		for j := range r.ways {
			if j != i && r.ways[j].phase == running {
				r.ways[j].phase, r.ways[j].want, r.ways[j].busy = dropped, nil, false
				r.ways[j].cancel()
			}
		}
	}
	close(w.want.granted)
	w.want = nil
}

// waiting is the first way that wants the turn: who had it last, else in
// order; -1 for none.
func (r *state) waiting() int {
	if r.active >= 0 && r.ways[r.active].want != nil {
		return r.active
	}
	for i := range r.ways {
		if r.ways[i].want != nil {
			return i
		}
	}
	return -1
}

// begin marks a way as running and gives its context.
func (r *state) begin(i int) context.Context {
	ctx, cancel := context.WithCancel(r.ctx)
	now := time.Now()
	r.ways[i] = way{phase: running, cancel: cancel, began: now, last: now, patience: r.config.HeadStart}
	if r.config.Started != nil {
		r.config.Started(i)
	}
	return ctx
}

// progress takes a way's step. A wish that it still had is none any more: it
// was let go on by somebody else.
func (r *state) progress(s step) {
	w := &r.ways[s.way]
	if w.phase != running {
		return
	}
	w.last, w.patience, w.busy, w.want = time.Now(), max(s.patience, r.config.HeadStart), false, nil
}

// finish takes a way's end, and reports whether its value is what Run returns.
func (r *state) finish(i int, err error) bool {
	w := &r.ways[i]
	w.cancel()
	was := w.phase
	w.want, w.busy = nil, false
	if r.active == i {
		r.active = -1
	}
	if r.claimed == i {
		r.claimed = -1
	}
	switch {
	case was == dropped:
		w.phase = idle
		return false
	case r.out.Won >= 0 || r.out.Final:
		w.phase = failed
		return false
	case err == nil:
		return r.win(i)
	}
	w.phase = failed
	now := time.Now()
	r.out.Tried = append(r.out.Tried, Attempt{Way: i, Started: w.began.Sub(r.start), Took: now.Sub(w.began), Err: err})
	if r.config.Final != nil && r.config.Final(err) {
		r.out.Final, r.stopped = true, true
		r.cancel()
	}
	return false
}

// win ends the race for a way.
func (r *state) win(i int) bool {
	r.ways[i].phase = won
	r.out.Won = i
	r.cancel()
	return true
}

// live counts the ways that have not ended.
func (r *state) live() int {
	n := 0
	for i := range r.ways {
		if p := r.ways[i].phase; p == running || p == dropped {
			n++
		}
	}
	return n
}

// timer fires when the state has to be looked at again without an event.
func (r *state) timer() (<-chan time.Time, func()) {
	at, some := r.nextStart()
	some = some && r.mayStart()
	if r.active >= 0 && r.waiting() >= 0 && r.claimed < 0 && !r.ways[r.active].busy {
		w := &r.ways[r.active]
		if silent := w.last.Add(w.patience); !some || silent.Before(at) {
			at, some = silent, true
		}
	}
	if !some {
		return nil, func() {}
	}
	t := time.NewTimer(max(time.Until(at), 0))
	return t.C, func() { t.Stop() }
}
