package race

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var (
	errBad   = errors.New("bad")
	errFinal = errors.New("final")
)

// script is what a way does: steps, each after a time.
type script []act

type act struct {
	after time.Duration
	what  string // "progress", "admit", "claim", "ok", "bad", "final", "hang"
}

const ms = time.Millisecond

// course runs scripts against each other and notes what happened when.
type course struct {
	mu     sync.Mutex
	start  time.Time
	events []string
}

func (c *course) note(way int, what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, fmt.Sprintf("%d %s@%d", way, what, time.Since(c.start).Milliseconds()))
}

// inOrder are the events. Of one moment, those that were dropped come last:
// which goroutine notes its first is chance.
func (c *course) inOrder() []string {
	at := func(event string) string { _, at, _ := strings.Cut(event, "@"); return at }
	for i, e := range c.events {
		for j := i; strings.Contains(e, "dropped") && j+1 < len(c.events) && at(c.events[j+1]) == at(e); j++ {
			c.events[j], c.events[j+1] = c.events[j+1], c.events[j]
		}
	}
	return c.events
}

func (c *course) run(ctx context.Context, w *Way, s script) (int, error) {
	c.note(w.Index(), "start")
	for _, a := range s {
		select {
		case <-time.After(a.after):
		case <-ctx.Done():
			c.note(w.Index(), "dropped")
			return 0, ctx.Err()
		}
		var err error
		switch a.what {
		case "progress":
			w.Progress(0)
		case "admit":
			err = w.Admit(ctx)
		case "claim":
			err = w.Claim(ctx)
		case "ok":
			return 100 + w.Index(), nil
		case "bad":
			return 0, errBad
		case "final":
			return 0, errFinal
		}
		if err != nil {
			c.note(w.Index(), "dropped")
			return 0, err
		}
		if a.what == "admit" || a.what == "claim" {
			c.note(w.Index(), a.what)
		}
	}
	<-ctx.Done()
	c.note(w.Index(), "dropped")
	return 0, ctx.Err()
}

func TestRace(t *testing.T) {
	late := act{time.Hour, "bad"}
	for _, test := range []struct {
		name  string
		order bool
		first int
		ways  []script
		won   int
		final bool
		tried int
		want  string
	}{
		{"the first is preferred", false, 0, []script{{{200 * ms, "claim"}, {0, "ok"}}, {{0, "ok"}}}, 0, false, 0,
			"0 start@0, 0 claim@200"},
		{"a silent one has a head start only", false, 0, []script{{late}, {{50 * ms, "claim"}, {0, "ok"}}}, 1, false, 0,
			"0 start@0, 1 start@250, 1 claim@300, 0 dropped@300"},
		{"the next at once after a failure", false, 0, []script{{{10 * ms, "bad"}}, {{20 * ms, "ok"}}}, 1, false, 1,
			"0 start@0, 1 start@10"},
		{"the third at once, since the first is silent", false, 0, []script{{late}, {{5 * ms, "bad"}}, {{5 * ms, "ok"}}}, 2, false, 1,
			"0 start@0, 1 start@250, 2 start@255, 0 dropped@260"},
		{"progress renews the head start", false, 0, []script{{{200 * ms, "progress"}, {200 * ms, "progress"}, {200 * ms, "ok"}}, {{0, "ok"}}}, 0, false, 0,
			"0 start@0"},
		{"silent after a step", false, 0, []script{{{100 * ms, "progress"}, late}, {{50 * ms, "ok"}}}, 1, false, 0,
			"0 start@0, 1 start@350, 0 dropped@400"},
		{"order waits for a failure", true, 0, []script{{{5000 * ms, "bad"}}, {{50 * ms, "ok"}}}, 1, false, 1,
			"0 start@0, 1 start@5000"},
		{"the last good one is first", false, 2, []script{{{0, "ok"}}, {{0, "ok"}}, {{10 * ms, "bad"}}}, 0, false, 1,
			"2 start@0, 0 start@10"},
		{"all fail", false, 0, []script{{{0, "bad"}}, {{0, "bad"}}}, -1, false, 2, "0 start@0, 1 start@0"},
		{"a final failure stops those under way", false, 0, []script{{{1000 * ms, "ok"}}, {{10 * ms, "admit"}, {10 * ms, "final"}}, {{0, "ok"}}}, -1, true, 1,
			"0 start@0, 1 start@250, 1 admit@260, 0 dropped@270"},
		{"one at a time is admitted", false, 0, []script{
			{{260 * ms, "admit"}, {1000 * ms, "progress"}, {10 * ms, "claim"}, {0, "ok"}},
			{{20 * ms, "admit"}, {0, "ok"}},
		}, 0, false, 0, "0 start@0, 1 start@250, 0 admit@260, 0 claim@1270, 1 dropped@1270"},
		{"nobody starts while one has the turn", false, 0, []script{{{0, "admit"}, {5000 * ms, "progress"}, {0, "ok"}}, {{0, "ok"}}}, 0, false, 0,
			"0 start@0, 0 admit@0"},
		{"the turn passes on when its owner is silent", false, 0, []script{
			{{260 * ms, "admit"}, {100 * ms, "progress"}, late},
			{{20 * ms, "admit"}, {10 * ms, "claim"}, {0, "ok"}},
		}, 1, false, 0, "0 start@0, 1 start@250, 0 admit@260, 1 admit@610, 1 claim@620, 0 dropped@620"},
		{"those that were dropped are tried anew", false, 0, []script{
			{{240 * ms, "progress"}, {600 * ms, "ok"}},
			{{0, "claim"}, {100 * ms, "bad"}},
		}, 0, false, 1, "0 start@0, 1 start@490, 1 claim@490, 0 dropped@490, 0 start@590"},
		{"a reset after it was the one", false, 0, []script{{{0, "claim"}, {10 * ms, "bad"}}, {{0, "claim"}, {0, "ok"}}}, 1, false, 1,
			"0 start@0, 0 claim@0, 1 start@10, 1 claim@10"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &course{start: time.Now()}
				config := Config{InOrder: test.order, First: test.first, Final: func(err error) bool { return errors.Is(err, errFinal) }}
				got, out := Run(t.Context(), config, len(test.ways), func(ctx context.Context, w *Way) (int, error) {
					return c.run(ctx, w, test.ways[w.Index()])
				}, nil)
				if out.Won != test.won || out.Final != test.final || len(out.Tried) != test.tried || (out.Won >= 0 && got != 100+out.Won) {
					t.Errorf("got %d, %+v", got, out)
				}
				if events := strings.Join(c.inOrder(), ", "); events != test.want {
					t.Errorf("got  %s\nwant %s", events, test.want)
				}
			})
		})
	}
}

// TestLateValue comes after another one has won, and must be given back.
func TestLateValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dropped []int
		_, out := Run(t.Context(), Config{}, 2, func(_ context.Context, w *Way) (int, error) {
			time.Sleep(300 * ms) // the second one does not heed its context
			return w.Index(), nil
		}, func(v int) { dropped = append(dropped, v) })
		if out.Won != 0 || !slices.Equal(dropped, []int{1}) {
			t.Errorf("won %d, dropped %v", out.Won, dropped)
		}
	})
}

// TestContext ends a race: what was under way is told of.
func TestContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 300*ms)
		defer cancel()
		_, out := Run(ctx, Config{}, 3, func(ctx context.Context, w *Way) (int, error) {
			return 0, errors.Join(w.Admit(ctx), sleep(ctx))
		}, nil)
		if out.Won != -1 || out.Final || len(out.Tried) == 0 {
			t.Errorf("%+v", out)
		}
	})
}

func sleep(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestStaleWish is of a way that somebody else let go on meanwhile.
func TestStaleWish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, out := Run(t.Context(), Config{}, 2, func(ctx context.Context, w *Way) (string, error) {
			if w.Index() == 1 {
				time.Sleep(50 * ms)
				impatient, cancel := context.WithTimeout(ctx, 10*ms)
				defer cancel()
				w.Admit(impatient) // the other has the turn
				w.Progress(0)
				time.Sleep(2 * time.Second)
				return "second", w.Claim(ctx)
			}
			time.Sleep(260 * ms)
			w.Admit(ctx)
			time.Sleep(time.Second)
			w.Progress(0)
			return "first", sleep(ctx)
		}, nil)
		if got != "second" {
			t.Errorf("%q won, %+v", got, out)
		}
	})
}
