package pool

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/internal/hop"
)

// keep keeps a route until the test ends, before its pool does.
func keep(t *testing.T, p *Pool, c KeepConfig, hops ...string) *Keeper {
	t.Helper()
	k := p.Keep(way(hops...), c)
	t.Cleanup(k.Close)
	return k
}

// got asks a keeper for its lease.
func got(t *testing.T, k *Keeper) (*Lease, func()) {
	t.Helper()
	l, done, err := k.Get(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return l, done
}

func (n *network) breaks(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fail = err
}

func wantState(t *testing.T, k *Keeper, want KeepState) {
	t.Helper()
	synctest.Wait()
	if state, err := k.State(); state != want {
		t.Errorf("the keeper is %s (%v), want %s", state, err, want)
	}
}

// TestKeepDialsWhenAsked: nothing is dialled before the first request, and
// what was up is restored without one.
func TestKeepDialsWhenAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{took: time.Second}
		p, _ := newPool(t, n, Policy{Persist: time.Minute})
		k := keep(t, p, KeepConfig{}, "j", "t")
		time.Sleep(time.Hour)
		wantState(t, k, KeepIdle)
		if len(n.dials()) != 0 {
			t.Fatalf("dialled %v", n.dials())
		}
		l, done := got(t, k)
		wantState(t, k, KeepUp)
		done()
		time.Sleep(time.Hour) // longer than an unused master lives
		if first := n.conn("t"); first.ended() {
			t.Error("the kept master has expired")
		}
		n.conn("j").end(errors.New("cable cut"))
		time.Sleep(3 * time.Second)
		wantState(t, k, KeepUp)
		if again, done := got(t, k); again.Conn() == l.Conn() {
			t.Error("the lease is that of the lost connection")
		} else {
			done()
		}
	})
}

// TestKeepBacksOff: while the host is down it is tried every few seconds, not
// more often with requests, and soon after it is back it is up.
func TestKeepBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("connection refused")
		n := &network{fail: down}
		p, _ := newPool(t, n, Policy{})
		k := keep(t, p, KeepConfig{Now: true}, "t")
		time.Sleep(time.Minute)
		wantState(t, k, KeepWaiting)
		if dials := len(n.dials()); dials < 12 || dials > 40 {
			t.Errorf("%d dials in a minute", dials)
		}
		before := len(n.dials())
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
			if _, _, err := k.Get(context.Background()); !errors.Is(err, down) {
				t.Fatalf("error is %v", err)
			}
		}
		if dials := len(n.dials()) - before; dials > 42 {
			t.Errorf("%d dials in ten seconds of requests", dials)
		}
		n.breaks(nil)
		time.Sleep(5 * time.Second)
		wantState(t, k, KeepUp)

		n.breaks(down)
		n.conn("t").end(errors.New("lost"))
		time.Sleep(time.Hour)
		before = len(n.dials())
		time.Sleep(time.Hour)
		if dials := len(n.dials()) - before; dials < 60 || dials > 130 {
			t.Errorf("%d dials in the second hour of an outage", dials)
		}
		n.breaks(nil)
		start := time.Now()
		_, done := got(t, k)
		done()
		if took := time.Since(start); took > keepGap {
			t.Errorf("a request took %v", took)
		}
	})
}

// TestKeepFlapping: a host that accepts and drops at once is not hammered.
func TestKeepFlapping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{}
		p, _ := newPool(t, n, Policy{})
		keep(t, p, KeepConfig{Now: true, Up: func(context.Context, *Lease) { n.conn("t").end(errors.New("kicked out")) }}, "t")
		time.Sleep(time.Minute)
		if dials := len(n.dials()); dials > 40 {
			t.Errorf("%d dials in a minute", dials)
		}
	})
}

// TestKeepNeedsAPerson: what only a person can answer is not tried again and
// again; whoever asks is told, and once somebody has brought the master up the
// keeper has it too.
func TestKeepNeedsAPerson(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{question: "code?"}
		p, _ := newPool(t, n, Policy{Persist: time.Minute})
		k := keep(t, p, KeepConfig{Now: true}, "t")
		time.Sleep(time.Hour)
		wantState(t, k, KeepRefused)
		if len(n.dials()) != 1 {
			t.Errorf("dialled %v", n.dials())
		}
		for range 100 {
			if _, _, err := k.Get(context.Background()); !errors.Is(err, hop.ErrNobody) {
				t.Fatalf("error is %v", err)
			}
		}
		if dials := len(n.dials()); dials > 2 {
			t.Errorf("%d dials", dials)
		}
		l, err := p.Get(context.Background(), way("t"), Holder{}, &person{answer: "42"})
		if err != nil {
			t.Fatal(err)
		}
		l.Release()
		time.Sleep(keepGap)
		wantState(t, k, KeepUp)
		time.Sleep(time.Hour)
		wantState(t, k, KeepUp)
	})
}

// TestKeepAsksOnRequest: a dial that somebody waits for may ask.
func TestKeepAsksOnRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{question: "code?", took: time.Second}
		p, _ := newPool(t, n, Policy{})
		who := &person{answer: "42"}
		k := keep(t, p, KeepConfig{Now: true, Ask: who}, "t")
		synctest.Wait() // the first dial is under way, and asks nobody
		_, done := got(t, k)
		done()
		if who.asked.Load() != 1 {
			t.Errorf("asked %d times", who.asked.Load())
		}
	})
}

// TestKeepClosedOnPurpose stays closed until somebody asks, also when it was
// a jump host that was closed.
func TestKeepClosedOnPurpose(t *testing.T) {
	for _, closed := range [][]string{{"j"}, {"j", "t"}} {
		t.Run(fmt.Sprint(closed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &network{}
				p, _ := newPool(t, n, Policy{})
				k := keep(t, p, KeepConfig{Now: true}, "j", "t")
				wantState(t, k, KeepUp)
				p.Down(way(closed...).Key())
				time.Sleep(time.Hour)
				wantState(t, k, KeepIdle)
				_, done := got(t, k)
				done()
				wantState(t, k, KeepUp)
				n.conn("t").end(errors.New("lost"))
				time.Sleep(5 * time.Second)
				wantState(t, k, KeepUp)
			})
		})
	}
}

// TestKeepMovesOn: a master that reaches its maximum age is left for a new
// one, and goes once those have ended who got it.
func TestKeepMovesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{}
		p, _ := newPool(t, n, Policy{Persist: time.Minute, MaxAge: time.Hour})
		var up atomic.Int32
		k := keep(t, p, KeepConfig{Now: true, Up: func(ctx context.Context, _ *Lease) {
			up.Add(1)
			<-ctx.Done()
			up.Add(-1)
		}}, "t")
		wantState(t, k, KeepUp)
		l, done := got(t, k)
		old := n.conn("t")
		time.Sleep(time.Hour + time.Minute)
		wantState(t, k, KeepUp)
		again, release := got(t, k)
		release()
		if again.Conn() == l.Conn() || old.ended() || up.Load() != 1 {
			t.Errorf("same connection %v, old ended %v, %d up", again.Conn() == l.Conn(), old.ended(), up.Load())
		}
		done()
		time.Sleep(time.Second)
		if !old.ended() {
			t.Error("the old connection stays without a user")
		}
	})
}

// TestKeepClose ends the waiting too.
func TestKeepClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{took: time.Hour}
		p, _ := newPool(t, n, Policy{})
		k := p.Keep(way("t"), KeepConfig{})
		failed := make(chan error, 1)
		go func() {
			_, _, err := k.Get(context.Background())
			failed <- err
		}()
		synctest.Wait()
		k.Close()
		if err := <-failed; !errors.Is(err, ErrShutdown) {
			t.Errorf("error is %v", err)
		}
		if _, _, err := k.Get(context.Background()); !errors.Is(err, ErrShutdown) {
			t.Errorf("closed: %v", err)
		}
		k = p.Keep(way("t"), KeepConfig{Now: true})
		p.Close()
		k.Close()
	})
}

// TestKeepGetWhenLeaving: who asks in the moment in which a master begins to
// drain, before the keeper has seen it, gets the next one.
func TestKeepGetWhenLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{}
		p, _ := newPool(t, n, Policy{Persist: time.Minute})
		k := keep(t, p, KeepConfig{}, "t")
		for range 100 {
			l, done := got(t, k)
			p.Drain(way("t").Key())
			again, release := got(t, k)
			if again.Conn() == l.Conn() {
				t.Fatal("the lease is that of the draining master")
			}
			release()
			done()
		}
	})
}
