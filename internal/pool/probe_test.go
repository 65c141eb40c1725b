package pool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/internal/hop"
	"sallyport/internal/route"
)

// stateOf is the state of a hop's master that is not a replaced one.
func stateOf(p *Pool, hop string) State {
	state := Closed
	for _, s := range p.Snapshot() {
		if s.Hop == hop && (state == Closed || s.State != Silent && s.State != Draining) {
			state = s.State
		}
	}
	return state
}

// A request for a busy master costs nothing, one for an idle master a ping
// that it does not wait for.
func TestProbeBesideTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{}
		p, _ := newPool(t, n, Policy{Persist: time.Hour})
		get(t, p, way("j", "t")).Release()
		get(t, p, way("j", "t")).Release()
		if got := n.conn("t").pinged(); got != 0 {
			t.Errorf("a master that has just been heard of was pinged %d times", got)
		}
		time.Sleep(quietAfter + time.Millisecond)
		start := time.Now()
		get(t, p, way("j", "t")).Release()
		get(t, p, way("j", "t")).Release()
		if took := time.Since(start); took != 0 {
			t.Errorf("the request waited for %v", took)
		}
		synctest.Wait()
		if a, b := n.conn("t").pinged(), n.conn("j").pinged(); a != 1 || b != 0 {
			t.Errorf("%d pings to the target and %d to the jump, want one and none", a, b)
		}
		time.Sleep(time.Second)
		if got := stateOf(p, "t"); got != Up {
			t.Errorf("state is %s", got)
		}
	})
}

// TestFrozenChain has everybody wait for one verdict, and for one dial of each
// hop after it.
func TestFrozenChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{}
		p, _ := newPool(t, n, Policy{Persist: time.Hour})
		get(t, p, way("j", "t")).Release()
		time.Sleep(time.Minute)
		oldJump, oldTarget := n.conn("j"), n.conn("t")
		oldJump.freeze()
		oldTarget.freeze()
		start := time.Now()
		l := get(t, p, way("j", "t")) // does not wait, and watches
		<-l.Silent()
		if took := time.Since(start); took != answerWithin {
			t.Errorf("silent after %v", took)
		}
		l.Release()
		get(t, p, way("j", "t")).Release()
		synctest.Wait()
		if fmt.Sprint(n.dials()) != "[j t j t]" || !oldJump.ended() || !oldTarget.ended() {
			t.Errorf("dialled %v; the old ones are closed: %v, %v", n.dials(), oldJump.ended(), oldTarget.ended())
		}
	})
}

// Those who come while a master is suspect wait, and share the new one.
func TestSuspectWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{}
		p, _ := newPool(t, n, Policy{Persist: time.Hour})
		get(t, p, way("t")).Release()
		n.conn("t").freeze()
		p.Suspect("test")
		if got := stateOf(p, "t"); got != Suspect {
			t.Fatalf("state is %s", got)
		}
		var up atomic.Int32
		for range 20 {
			go func() {
				if l, err := p.Get(context.Background(), way("t"), Holder{}, &person{}); err == nil {
					up.Add(1)
					l.Release()
				}
			}()
		}
		time.Sleep(answerWithin - time.Millisecond)
		synctest.Wait()
		if up.Load() != 0 {
			t.Errorf("%d were lent a suspect master", up.Load())
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if up.Load() != 20 || len(n.dials()) != 2 {
			t.Errorf("%d of 20 went on, dials %v", up.Load(), n.dials())
		}
	})
	synctest.Test(t, func(t *testing.T) { // one that answers keeps them
		n := &network{}
		p, _ := newPool(t, n, Policy{Persist: time.Hour})
		get(t, p, way("t")).Release()
		n.conn("t").freeze()
		p.Suspect("test")
		time.AfterFunc(2*time.Second, n.conn("t").thaw)
		start := time.Now()
		get(t, p, way("t")).Release()
		if took := time.Since(start); took < 2*time.Second || took > 2200*time.Millisecond || len(n.dials()) != 1 {
			t.Errorf("after %v, with dials %v", took, n.dials())
		}
	})
	synctest.Test(t, func(t *testing.T) { // and who leaves, leaves
		n := &network{}
		p, _ := newPool(t, n, Policy{Persist: time.Hour})
		get(t, p, way("t")).Release()
		n.conn("t").freeze()
		p.Suspect("test")
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := p.Get(ctx, way("t"), Holder{}, &person{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error is %v", err)
		}
		p.Down(way("t").Key())
	})
}

// TestSilentSessions: leases on a silent master go on for a while, and it comes
// back if it answers; else they are told why it ended.
func TestSilentSessions(t *testing.T) {
	frozen := func(t *testing.T) (*network, *Pool, *Lease) {
		n := &network{}
		p, _ := newPool(t, n, Policy{Persist: time.Hour})
		l := get(t, p, way("j", "t"))
		n.conn("j").freeze()
		n.conn("t").freeze()
		p.Suspect("test")
		time.Sleep(answerWithin + probeStep)
		if a, b := stateOf(p, "t"), stateOf(p, "j"); a != Silent || b != Silent {
			t.Fatalf("states are %s and %s", a, b)
		}
		return n, p, l
	}
	synctest.Test(t, func(t *testing.T) {
		n, p, l := frozen(t)
		n.conn("j").thaw()
		n.conn("t").thaw()
		time.Sleep(time.Second)
		if a, b := stateOf(p, "t"), stateOf(p, "j"); a != Up || b != Up {
			t.Errorf("answered again: states are %s and %s", a, b)
		}
		get(t, p, way("j", "t")).Release()
		l.Release()
		if len(n.dials()) != 2 {
			t.Errorf("dials %v", n.dials())
		}
	})
	synctest.Test(t, func(t *testing.T) { // replaced meanwhile
		n, p, l := frozen(t)
		oldJump, oldTarget := n.conn("j"), n.conn("t")
		fresh := get(t, p, way("j", "t"))
		oldJump.thaw()
		oldTarget.thaw()
		time.Sleep(time.Second)
		if oldTarget.ended() || stateOf(p, "t") != Up {
			t.Error("a session of the old connection was ended, or the new connection")
		}
		l.Release()
		synctest.Wait()
		if !oldTarget.ended() || !oldJump.ended() || fresh.Conn().(*fakeConn).ended() {
			t.Error("the old connections must go with their last lease, and the new one stay")
		}
		fresh.Release()
	})
	synctest.Test(t, func(t *testing.T) { // lost
		_, p, l := frozen(t)
		time.Sleep(answerAtAll)
		synctest.Wait()
		if err := l.Failure(); !errors.Is(err, hop.ErrTimeout) {
			t.Errorf("failure is %v", err)
		}
		l.Release()
		synctest.Wait()
		if !p.Idle() {
			t.Errorf("left: %+v", p.Snapshot())
		}
	})
}

// TestBlamesTheRightHop: only the hop that is silent, and what runs through it,
// is replaced.
func TestBlamesTheRightHop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{}
		p, _ := newPool(t, n, Policy{Persist: time.Hour})
		get(t, p, way("j", "a")).Release()
		get(t, p, way("j", "b")).Release()
		time.Sleep(time.Minute)
		n.conn("a").freeze()
		l := get(t, p, way("j", "a"))
		<-l.Silent()
		l.Release()
		get(t, p, way("j", "a")).Release()
		get(t, p, way("j", "b")).Release()
		if got := fmt.Sprint(n.dials()); got != "[j a b a]" {
			t.Errorf("dialled %s", got)
		}
	})
	synctest.Test(t, func(t *testing.T) { // found out through another child
		n := &network{}
		p, _ := newPool(t, n, Policy{Persist: time.Hour})
		get(t, p, way("j", "a")).Release()
		get(t, p, way("j", "b")).Release()
		time.Sleep(time.Minute)
		for _, name := range []string{"j", "a", "b"} {
			n.conn(name).freeze()
		}
		l := get(t, p, way("j", "a"))
		<-l.Silent()
		l.Release()
		start := time.Now()
		get(t, p, way("j", "b")).Release()
		if took := time.Since(start); took > 2*probeStep {
			t.Errorf("the silence of the jump was not enough: %v", took)
		}
	})
}

// TestSilentAgain: the path of a connection that was replaced, or is too old to
// be lent out, comes and goes. Each silence is one of its own.
func TestSilentAgain(t *testing.T) {
	for name, retire := range map[string]func(t *testing.T, p *Pool){
		"replaced while it was silent": func(t *testing.T, p *Pool) {
			time.Sleep(answerWithin + probeStep)
			get(t, p, way("t")).Release()
		},
		"retired before": func(_ *testing.T, p *Pool) { p.Drain(way("t").Key()) },
	} {
		synctest.Test(t, func(t *testing.T) {
			n := &network{}
			p, _ := newPool(t, n, Policy{Persist: time.Hour})
			session := get(t, p, way("t"))
			defer session.Release()
			old := n.conn("t")
			old.freeze()
			p.Suspect("test")
			retire(t, p)
			for i := range 3 {
				time.Sleep(answerWithin + probeStep)
				select {
				case <-session.Silent():
				default:
					t.Errorf("%s: silence %d is not told", name, i+1)
				}
				old.thaw()
				time.Sleep(time.Second)
				select {
				case <-session.Silent():
					t.Errorf("%s: silent after answer %d", name, i+1)
				default:
				}
				if !slices.ContainsFunc(p.Snapshot(), func(s Status) bool { return s.State == Draining }) {
					t.Errorf("%s: after answer %d: %+v", name, i+1, p.Snapshot())
				}
				old.freeze()
				p.Suspect("test")
			}
			old.thaw()
		})
	}
}

// TestClockJump: the machine slept for two hours. What has expired is gone, the
// rest is asked before it is used.
func TestClockJump(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{}
		c := newClock()
		p := New(Config{Dial: n.dial, Now: c.now, Policy: policyOf(map[string]Policy{
			"short": {Persist: time.Hour}, "long": {Persist: 10 * time.Hour}, "aged": {Persist: -1, MaxAge: time.Hour},
		})})
		defer p.Close()
		for _, name := range []string{"short", "long", "aged"} {
			get(t, p, way(name)).Release()
		}
		c.slept.Add(int64(2 * time.Hour))
		start := time.Now()
		get(t, p, way("long")).Release()
		if took := time.Since(start); took == 0 || took > time.Second || n.conn("long").pinged() != 1 {
			t.Errorf("lent after %v and %d pings", took, n.conn("long").pinged())
		}
		if !n.conn("short").ended() || !n.conn("aged").ended() || n.conn("long").ended() {
			t.Error("the expired ones must be gone, and the other not")
		}
		get(t, p, way("long")).Release()
		if n.conn("long").pinged() != 1 || len(n.dials()) != 3 {
			t.Errorf("asked again: %d pings, dials %v", n.conn("long").pinged(), n.dials())
		}
	})
}

// TestQuietAnswer: an open that stays without an answer has its master probed.
func TestQuietAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{}
		p, _ := newPool(t, n, Policy{Persist: time.Hour})
		l := get(t, p, way("t"))
		n.conn("t").freeze()
		start := time.Now()
		time.AfterFunc(500*time.Millisecond, n.conn("t").quiet)
		<-l.Silent()
		if took := time.Since(start); took > answerWithin+time.Second {
			t.Errorf("after %v", took)
		}
		l.Release()
	})
}

// TestStartups: no more dials to one server at a time than sshd takes.
func TestStartups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{took: time.Second}
		p, _ := newPool(t, n, Policy{Persist: time.Hour})
		for i := range 4 * maxStartups {
			rt := way("t")
			rt.Hops[0].Options.User = fmt.Sprint("user", i)
			go func() {
				if l, err := p.Get(context.Background(), rt, Holder{}, &person{}); err == nil {
					l.Release()
				}
			}()
		}
		for i := range 4 {
			time.Sleep(time.Second / 2)
			synctest.Wait()
			if got := len(n.dials()); got != maxStartups*(i+1) {
				t.Errorf("after %d rounds: %d dials", i, got)
			}
			time.Sleep(time.Second / 2)
		}
		synctest.Wait()
		if len(p.dials.at) != 0 {
			t.Errorf("queues left: %v", p.dials.at)
		}
	})
}

// policyOf gives each target its own policy.
func policyOf(of map[string]Policy) func(route.Route) Policy {
	return func(rt route.Route) Policy { return of[rt.Target().Name] }
}
