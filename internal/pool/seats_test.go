package pool

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var errFull = errors.New("no more sessions")

// limited is a server that allows a number of sessions on each connection.
type limited struct {
	limit int

	mu     sync.Mutex
	open   map[Conn]int
	waited int
}

// seat opens a session; end gives it back to the server and to the pool.
func (s *limited) seat(ctx context.Context, l *Lease) (conn Conn, end func(), err error) {
	release, err := l.Seat(ctx, Opening{
		Open: func(c Conn, _ bool) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.open[c] >= s.limit {
				return errFull
			}
			s.open[c]++
			conn = c
			return nil
		},
		Full: func(err error) bool { return errors.Is(err, errFull) },
		Waiting: func(int) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.waited++
		},
	})
	return conn, func() {
		s.mu.Lock()
		s.open[conn]--
		s.mu.Unlock()
		release()
	}, err
}

func TestSibling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{}
		p, _ := newPool(t, n, Policy{Persist: time.Minute})
		server := &limited{limit: 2, open: map[Conn]int{}}
		lease, err := p.Get(t.Context(), way("target"), Holder{Use: UseSession}, &person{})
		if err != nil {
			t.Fatal(err)
		}
		conns := map[Conn]int{}
		var ends []func()
		for range 4 {
			conn, end, err := server.seat(t.Context(), lease)
			if err != nil {
				t.Fatal(err)
			}
			conns[conn]++
			ends = append(ends, end)
		}
		if len(conns) != 2 || len(n.dials()) != 2 {
			t.Errorf("%d connections in use, %v dialled: want two", len(conns), n.dials())
		}
		var limits []int
		for _, m := range p.Snapshot() {
			if !m.Sibling {
				limits = append(limits, m.SessionLimit)
			}
		}
		if len(limits) != 1 || limits[0] != 2 {
			t.Errorf("learned limits %v, want 2", limits)
		}
		fifth := make(chan error, 1)
		go func() {
			_, end, err := server.seat(t.Context(), lease)
			if err == nil {
				end()
			}
			fifth <- err
		}()
		time.Sleep(time.Second) // of the bubble
		select {
		case err := <-fifth:
			t.Fatalf("the fifth did not wait: %v", err)
		default:
		}
		ends[3]()
		if err := <-fifth; err != nil {
			t.Errorf("the fifth: %v", err)
		}
		for _, end := range ends[:3] {
			end()
		}
		lease.Release()
		if !p.Down(way("target").Key()) || !p.Idle() {
			t.Error("down left a sibling")
		}
	})
}

// TestNoSibling is a login that needs a person: nobody is asked twice.
func TestNoSibling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{question: "code?"}
		p, _ := newPool(t, n, Policy{Persist: time.Minute})
		server := &limited{limit: 1, open: map[Conn]int{}}
		lease, err := p.Get(t.Context(), way("target"), Holder{Use: UseSession}, &person{answer: "1"})
		if err != nil {
			t.Fatal(err)
		}
		defer lease.Release()
		_, end, err := server.seat(t.Context(), lease)
		if err != nil {
			t.Fatal(err)
		}
		second := make(chan error, 1)
		go func() {
			_, end, err := server.seat(t.Context(), lease)
			if err == nil {
				end()
			}
			second <- err
		}()
		time.Sleep(2 * patience) // of the bubble
		end()
		if err := <-second; err != nil {
			t.Error(err)
		}
		if server.waited != 1 {
			t.Errorf("told %d times that it waits, want once", server.waited)
		}
		if len(n.answers) != 1 {
			t.Errorf("asked %d times", len(n.answers))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, end, err = server.seat(ctx, lease)
		if err != nil {
			t.Fatal(err)
		}
		defer end()
		if _, _, err := server.seat(ctx, lease); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a seat that nobody frees: %v", err)
		}
	})
}

// TestElsewhere: a session that cannot share a connection has the sibling; a
// third makes do with the first.
func TestElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{}
		p, _ := newPool(t, n, Policy{Persist: time.Minute})
		lease, err := p.Get(t.Context(), way("target"), Holder{Use: UseSession}, &person{})
		if err != nil {
			t.Fatal(err)
		}
		defer lease.Release()
		used, madeDo := map[Conn]bool{}, 0
		o := Opening{
			Open: func(c Conn, picky bool) error {
				switch {
				case used[c] && picky:
					return ErrElsewhere
				case used[c]:
					madeDo++
				}
				used[c] = true
				return nil
			},
			Full:    func(error) bool { return false },
			Waiting: func(int) { t.Error("waited") },
		}
		var ends []func()
		for range 3 {
			release, err := lease.Seat(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			ends = append(ends, release)
		}
		if len(used) != 2 || len(n.dials()) != 2 || madeDo != 1 {
			t.Errorf("%d connections used, %v dialled, %d made do: want 2, two and 1", len(used), n.dials(), madeDo)
		}
		for _, end := range ends {
			end()
		}
		for i, r := range lease.master.seats.rows {
			if r.taken != 0 || r.open != 0 {
				t.Errorf("row %d is not empty: %+v", i, r)
			}
		}
	})
}

// TestSlowToLeave is a server that frees the seats of ended sessions later than
// it answers anything, and one that allows none at all.
func TestSlowToLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newPool(t, &network{}, Policy{Persist: time.Minute})
		server := &limited{limit: 1, open: map[Conn]int{}}
		lease, err := p.Get(t.Context(), way("target"), Holder{Use: UseSession}, &person{})
		if err != nil {
			t.Fatal(err)
		}
		defer lease.Release()
		conn, end, err := server.seat(t.Context(), lease)
		if err != nil {
			t.Fatal(err)
		}
		end()
		server.leave(conn, +1) // it is not gone yet
		time.AfterFunc(2*time.Second, func() { server.leave(conn, -1) })
		start := time.Now()
		_, end, err = server.seat(t.Context(), lease)
		if err != nil {
			t.Fatalf("while the first was leaving: %v", err)
		}
		if waited := time.Since(start); waited < 2*time.Second || waited > 3*time.Second {
			t.Errorf("it took %v", waited)
		}
		end()
		server.leave(conn, +1) // and now never
		if _, _, err := server.seat(t.Context(), lease); !errors.Is(err, errFull) {
			t.Errorf("refused for good: %v", err)
		}
		if waited := time.Since(start); waited > leaveTime+5*time.Second {
			t.Errorf("it was believed after %v", waited)
		}
	})
}

// leave changes how many sessions the server counts on a connection.
func (s *limited) leave(c Conn, by int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[c] += by
}
