package pool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/hop"
	"sallyport/internal/route"
	"sallyport/internal/sshconfig"
)

// fakeConn is a connection that lives until it is closed or dropped.
type fakeConn struct {
	name string
	done chan struct{}
	once sync.Once
	err  error

	mu     sync.Mutex
	heard  time.Time
	frozen chan struct{} // closed by thaw; nil while it answers
	quiet  func()
	pings  int
	unused bool
}

func (c *fakeConn) Rest(unused bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unused = unused
}

func (c *fakeConn) LastRTT() time.Duration { return 10 * time.Millisecond }

func (c *fakeConn) rests() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.unused
}

func (c *fakeConn) Heard() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.heard
}

func (c *fakeConn) OnQuiet(f func()) { c.quiet = f }

func (c *fakeConn) Fail(reason error) { c.end(reason) }

// freeze makes the server silent until it is thawed.
func (c *fakeConn) freeze() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frozen = make(chan struct{})
}

func (c *fakeConn) thaw() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.frozen)
	c.frozen = nil
}

func (c *fakeConn) pinged() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pings
}

// Ping takes ten milliseconds.
func (c *fakeConn) Ping(ctx context.Context) (time.Duration, error) {
	c.mu.Lock()
	frozen := c.frozen
	c.pings++
	c.mu.Unlock()
	if frozen != nil {
		select {
		case <-frozen:
		case <-c.done:
			return 0, c.err
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	time.Sleep(10 * time.Millisecond)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = time.Now()
	return 10 * time.Millisecond, nil
}

func (c *fakeConn) end(err error) { c.once.Do(func() { c.err = err; close(c.done) }) }

func (c *fakeConn) Close() error                                           { c.end(hop.ErrClosed); return nil }
func (c *fakeConn) Done() <-chan struct{}                                  { return c.done }
func (c *fakeConn) Wait() error                                            { <-c.done; return c.err }
func (c *fakeConn) Bytes() (int64, int64)                                  { return 1, 2 }
func (c *fakeConn) Info() hop.Info                                         { return hop.Info{AuthMethod: "none"} }
func (c *fakeConn) SendRequest(string, bool, []byte) (bool, []byte, error) { return true, nil, nil }
func (c *fakeConn) HandleChannels(string, func(ssh.NewChannel))            {}
func (c *fakeConn) MayForward() error                                      { return nil }
func (c *fakeConn) BindAgent(io.ReadWriter) error                          { return nil }
func (c *fakeConn) OpenChannel(string, []byte) (ssh.Channel, <-chan *ssh.Request, error) {
	return nil, nil, errors.New("no channels here")
}

func (c *fakeConn) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// network is a Dialer that makes fakeConns and notes what it dialled.
type network struct {
	took time.Duration // how long a dial takes
	// ask, when set, is asked in each dial.
	question string

	mu      sync.Mutex
	dialled []string
	answers []string
	conns   map[string]*fakeConn
	fail    error
}

func (n *network) dial(ctx context.Context, rt route.Route, via hop.Opener, ask hop.Asker) (Conn, error) {
	name := rt.Target().Name
	n.mu.Lock()
	n.dialled = append(n.dialled, name)
	fail := n.fail
	n.mu.Unlock()
	select {
	case <-time.After(n.took):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if fail != nil {
		return nil, fail
	}
	if n.question != "" {
		answer, err := ask.Ask(ctx, hop.Question{Hop: name, Text: n.question})
		if err != nil {
			return nil, err
		}
		n.mu.Lock()
		n.answers = append(n.answers, answer)
		n.mu.Unlock()
	}
	c := &fakeConn{name: name, done: make(chan struct{}), heard: time.Now()}
	if parent, ok := via.(*fakeConn); ok {
		go func() { // what runs through a connection ends with it
			select {
			case <-parent.done:
				c.end(errors.New("tunnel lost"))
			case <-c.done:
			}
		}()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.conns == nil {
		n.conns = map[string]*fakeConn{}
	}
	n.conns[name] = c
	return c, nil
}

func (n *network) conn(name string) *fakeConn {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.conns[name]
}

func (n *network) dials() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.dialled)
}

// clock is the bubble's clock, which can be made to jump as after a sleep of
// the machine.
type clock struct {
	start time.Time
	slept atomic.Int64
}

func newClock() *clock { return &clock{start: time.Now()} }

func (c *clock) now() time.Duration { return time.Since(c.start) + time.Duration(c.slept.Load()) }

// newPool is a pool that closes with the test's bubble.
func newPool(t *testing.T, n *network, policy Policy) (*Pool, *clock) {
	c := newClock()
	p := New(Config{Dial: n.dial, Policy: func(route.Route) Policy { return policy }, Now: c.now})
	t.Cleanup(p.Close)
	return p, c
}

// way is a route through the named hops.
func way(names ...string) route.Route {
	var r route.Route
	for _, name := range names {
		r.Hops = append(r.Hops, route.Hop{Name: name, Options: sshconfig.Options{HostName: name, Port: 22, User: "u"}})
	}
	return r
}

// person answers questions, or thinks until it leaves.
type person struct {
	answer string
	err    error
	think  time.Duration
	asked  atomic.Int32
	told   atomic.Int32
}

func (p *person) Ask(ctx context.Context, q hop.Question) (string, error) {
	p.asked.Add(1)
	select {
	case <-time.After(p.think):
		return p.answer, p.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
func (p *person) Tell(hop.Notice)    { p.told.Add(1) }
func (p *person) Origin() hop.Origin { return hop.Origin{Dir: p.answer} }

func get(t *testing.T, p *Pool, rt route.Route) *Lease {
	t.Helper()
	l, err := p.Get(context.Background(), rt, Holder{Use: UseRequest}, &person{})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{took: time.Second}
		p, _ := newPool(t, n, Policy{Persist: time.Hour})
		var up atomic.Int32
		for i := range 30 {
			go func() {
				target := fmt.Sprintf("t%d", i%2)
				if l, err := p.Get(context.Background(), way("j", target), Holder{Use: UseSession}, &person{}); err == nil {
					up.Add(1)
					l.Release()
				}
			}()
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if up.Load() != 30 {
			t.Fatalf("%d of 30 got a lease", up.Load())
		}
		got := n.dials()
		slices.Sort(got)
		if fmt.Sprint(got) != "[j t0 t1]" {
			t.Errorf("dialled %v, want each hop once", got)
		}
	})
}

func TestFailedDialIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		n := &network{fail: broken}
		p, _ := newPool(t, n, Policy{})
		if _, err := p.Get(context.Background(), way("j", "t"), Holder{}, &person{}); !errors.Is(err, broken) {
			t.Fatalf("error is %v", err)
		}
		if !p.Idle() {
			t.Error("a failed dial left a master")
		}
		n.fail = nil
		get(t, p, way("j", "t")).Release()
	})
}

// A person who leaves in mid-prompt does not spoil it for the next one, who
// is asked the same question.
func TestPromptPassesToTheNextWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{question: "code?"}
		p, _ := newPool(t, n, Policy{Persist: time.Hour})
		leaving, leave := context.WithCancel(context.Background())
		first, second := &person{think: time.Hour}, &person{answer: "42"}
		left, stayed := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := p.Get(leaving, way("t"), Holder{}, first)
			left <- err
		}()
		synctest.Wait()
		go func() {
			l, err := p.Get(context.Background(), way("t"), Holder{}, second)
			if err == nil {
				l.Release()
			}
			stayed <- err
		}()
		synctest.Wait()
		if first.asked.Load() != 1 || second.asked.Load() != 0 {
			t.Fatal("the first waiter was not the one to be asked")
		}
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("who left got %v", err)
		}
		if err := <-stayed; err != nil {
			t.Errorf("who stayed got %v", err)
		}
		if fmt.Sprint(n.answers, n.dials()) != "[42] [t]" {
			t.Errorf("answers %v, dials %v", n.answers, n.dials())
		}
	})
}

func TestAskGoesToWhoCanAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{question: "code?", took: time.Second}
		p, _ := newPool(t, n, Policy{Persist: time.Hour})
		batch, human := &person{err: hop.ErrNobody}, &person{answer: "42"}
		for _, who := range []*person{batch, human} {
			go func() {
				if l, err := p.Get(context.Background(), way("t"), Holder{}, who); err == nil {
					l.Release()
				}
			}()
			synctest.Wait()
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if batch.asked.Load() != 1 || fmt.Sprint(n.answers) != "[42]" {
			t.Errorf("batch asked %d times, answers %v", batch.asked.Load(), n.answers)
		}
	})
}

func TestRefusalToAnswerEndsTheDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{question: "code?"}
		p, _ := newPool(t, n, Policy{})
		_, err := p.Get(context.Background(), way("t"), Holder{}, &person{err: hop.ErrCancelled})
		if !errors.Is(err, hop.ErrCancelled) {
			t.Errorf("error is %v", err)
		}
	})
}

func TestAbandonedDialIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{took: time.Minute}
		p, _ := newPool(t, n, Policy{Persist: time.Hour})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := p.Get(ctx, way("t"), Holder{}, &person{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("error is %v", err)
		}
		start := time.Now()
		get(t, p, way("t")).Release()
		if took := time.Since(start); took != time.Minute {
			t.Errorf("the second dial took %v: it joined the abandoned one", took)
		}
		if len(n.dials()) != 2 {
			t.Errorf("dials: %v", n.dials())
		}
	})
}

func TestPersist(t *testing.T) {
	for _, test := range []struct {
		persist, idle time.Duration
		up            bool
	}{
		{0, time.Second, false},
		{10 * time.Minute, 9 * time.Minute, true},
		{10 * time.Minute, 11 * time.Minute, false},
		{-1, 1000 * time.Hour, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := &network{}
			p, _ := newPool(t, n, Policy{Persist: test.persist})
			l := get(t, p, way("t"))
			time.Sleep(100 * time.Hour) // a lease keeps it
			if n.conn("t").ended() {
				t.Fatal("closed while it was held")
			}
			l.Release()
			l.Release() // does nothing
			time.Sleep(test.idle)
			synctest.Wait()
			if up := !n.conn("t").ended(); up != test.up {
				t.Errorf("persist %v, idle for %v: up is %v", test.persist, test.idle, up)
			}
		})
	}
}

func TestMaxAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{}
		p, _ := newPool(t, n, Policy{Persist: -1, MaxAge: 8 * time.Hour})
		rt := way("t")
		old := get(t, p, rt)
		oldConn := n.conn("t")
		time.Sleep(8*time.Hour + time.Second)
		synctest.Wait()
		if got := p.Snapshot(); len(got) != 1 || got[0].State != Draining {
			t.Fatalf("after its maximum age: %+v", got)
		}
		fresh := get(t, p, rt) // a new request dials anew
		if n.conn("t") == oldConn || oldConn.ended() {
			t.Error("a draining master was lent out, or closed")
		}
		time.Sleep(drainGrace + time.Second)
		synctest.Wait()
		if !oldConn.ended() {
			t.Error("not closed after the grace")
		}
		if fresh.Conn().(*fakeConn).ended() {
			t.Error("the fresh one was closed too")
		}
		old.Release()
		fresh.Release()
	})
	synctest.Test(t, func(t *testing.T) { // a drained master ends with its last lease
		n := &network{}
		p, _ := newPool(t, n, Policy{Persist: -1, MaxAge: time.Hour})
		l := get(t, p, way("t"))
		time.Sleep(time.Hour + time.Second)
		l.Release()
		time.Sleep(time.Second)
		synctest.Wait()
		if !n.conn("t").ended() {
			t.Error("drained, without a lease, and still open")
		}
	})
}

// Timers stand still while the machine sleeps; the pool's clock does not.
func TestSleepOfTheMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{}
		p, c := newPool(t, n, Policy{Persist: 10 * time.Hour})
		get(t, p, way("t")).Release()
		c.slept.Add(int64(11 * time.Hour))
		time.Sleep(sweepEvery + time.Second)
		synctest.Wait()
		if !n.conn("t").ended() {
			t.Error("still open after a sleep longer than ControlPersist")
		}
	})
	synctest.Test(t, func(t *testing.T) { // at once for who asks right after waking
		n := &network{}
		p, c := newPool(t, n, Policy{Persist: 10 * time.Hour})
		get(t, p, way("t")).Release()
		c.slept.Add(int64(11 * time.Hour))
		get(t, p, way("t")).Release()
		if len(n.dials()) != 2 {
			t.Error("an expired master was lent out")
		}
	})
}

func TestParentIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{}
		p, _ := newPool(t, n, Policy{Persist: time.Minute})
		t1, t2 := get(t, p, way("a", "b", "t1")), get(t, p, way("a", "b", "t2"))
		if fmt.Sprint(n.dials()) != "[a b t1 t2]" {
			t.Fatalf("dialled %v", n.dials())
		}
		time.Sleep(time.Hour)
		got := p.Snapshot()
		if len(got) != 4 || got[1].Hop != "b" || len(got[1].Held) != 2 || got[2].Parent != got[1].Key || got[1].Parent != got[0].Key {
			t.Errorf("the tree is %+v", got)
		}
		t1.Release()
		time.Sleep(time.Hour)
		if n.conn("b").ended() || !n.conn("t1").ended() {
			t.Error("an idle target must go, and its parent stay for the other")
		}
		t2.Release()
		time.Sleep(time.Hour) // each waits for its own ControlPersist
		synctest.Wait()
		if !p.Idle() {
			t.Errorf("left: %+v", p.Snapshot())
		}
	})
}

func TestDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{}
		p, _ := newPool(t, n, Policy{Persist: time.Hour})
		l := get(t, p, way("a", "t"))
		if p.Down(way("other").Key()) {
			t.Error("Down found what is not there")
		}
		if !p.Down(way("a").Key()) {
			t.Error("Down did not find the jump")
		}
		synctest.Wait()
		if !n.conn("a").ended() || !n.conn("t").ended() || !p.Idle() {
			t.Error("the jump or what runs through it is still up")
		}
		if err := l.Failure(); !errors.Is(err, hop.ErrClosed) {
			t.Errorf("failure is %v, want the jump's", err)
		}
		l.Release()
	})
}

func TestLostConnectionIsDialledAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{}
		p, _ := newPool(t, n, Policy{Persist: time.Hour})
		l := get(t, p, way("t"))
		if err := l.Failure(); err != nil {
			t.Errorf("a live connection has failed: %v", err)
		}
		lost := errors.New("reset")
		n.conn("t").end(lost)
		synctest.Wait()
		if err := l.Failure(); !errors.Is(err, lost) {
			t.Errorf("failure is %v", err)
		}
		l.Release()
		get(t, p, way("t")).Release()
		if len(n.dials()) != 2 {
			t.Error("a dead master was lent out")
		}
	})
}

func TestFind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{took: time.Second}
		p, _ := newPool(t, n, Policy{Persist: time.Hour})
		key := way("t").Key()
		if _, err := p.Find(key, Holder{}); !errors.Is(err, ErrNoMaster) {
			t.Errorf("error is %v", err)
		}
		go func() {
			if l, err := p.Get(context.Background(), way("t"), Holder{}, &person{}); err == nil {
				l.Release()
			}
		}()
		synctest.Wait()
		if _, err := p.Find(key, Holder{}); !errors.Is(err, ErrNoMaster) {
			t.Errorf("while it is dialled: error is %v", err)
		}
		time.Sleep(2 * time.Second)
		l, err := p.Find(key, Holder{})
		if err != nil || l.Key() != key {
			t.Fatalf("%v, %v", l, err)
		}
		l.Release()
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{took: time.Minute}
		p := New(Config{Dial: n.dial, Policy: func(route.Route) Policy { return Policy{Persist: -1} }, Now: newClock().now})
		l := get(t, p, way("up"))
		waiting := make(chan error, 1)
		go func() {
			_, err := p.Get(context.Background(), way("up", "dialling"), Holder{}, &person{})
			waiting <- err
		}()
		synctest.Wait()
		start := time.Now()
		p.Close()
		p.Close()
		if time.Since(start) > time.Second {
			t.Error("Close waited for a dial")
		}
		if err := <-waiting; err == nil {
			t.Error("a dial succeeded after Close")
		}
		if _, err := p.Get(context.Background(), way("x"), Holder{}, &person{}); !errors.Is(err, ErrShutdown) {
			t.Errorf("Get after Close: %v", err)
		}
		if !n.conn("up").ended() || !p.Idle() {
			t.Error("something is left")
		}
		l.Release()
	}) // synctest fails the test when a goroutine is left
}
