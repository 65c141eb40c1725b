package pool

import (
	"context"
	"sync"
	"time"
)

// seats counts the sessions on one connection. How many the server allows
// (sshd's MaxSessions) is learned when it refuses one: from then on, one more
// waits for another's end.
type seats struct {
	mu    sync.Mutex
	taken int           // open, and those whose opening is under way
	open  int           // confirmed by the server
	limit int           // learned; 0 while not known
	freed chan struct{} // closed when a seat is given back; nil if nobody waits
}

// patience is how long a session waits for a seat before its user is told.
const patience = 2 * time.Second

// Opening is how a session is opened where the server limits their number.
type Opening struct {
	// Open opens it.
	Open func() error
	// Full reports whether an error of Open may mean that the server allows
	// no more sessions.
	Full func(error) bool
	// Waiting is called, once at most, when it takes long: limit sessions are
	// open and another has to end.
	Waiting func(limit int)
}

// Seat opens a session on the master and keeps its seat until release is
// called. A refusal because the connection has as many sessions as the server
// allows is waited out; any other error is Open's.
func (l *Lease) Seat(ctx context.Context, o Opening) (release func(), err error) {
	s := &l.master.seats
	for again := true; ; {
		if err := s.take(ctx, o.Waiting); err != nil {
			return nil, err
		}
		if err = o.Open(); err == nil {
			s.confirm()
			return sync.OnceFunc(func() { s.giveBack(true) }), nil
		}
		alone := s.refused(o.Full(err))
		if !o.Full(err) || (alone && !again) {
			return nil, err
		}
		// sshd gives a seat back some time after it has closed the channel,
		// and before it answers what is asked then.
		if _, pingErr := l.Conn().Ping(ctx); pingErr != nil {
			return nil, err
		}
		again = again && !alone
	}
}

// take waits for a free seat.
func (s *seats) take(ctx context.Context, waiting func(int)) error {
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		s.mu.Lock()
		if s.limit == 0 || s.taken < s.limit {
			s.taken++
			s.mu.Unlock()
			return nil
		}
		if s.freed == nil {
			s.freed = make(chan struct{})
		}
		freed, limit := s.freed, s.limit
		s.mu.Unlock()
		select {
		case <-freed:
		case <-late.C:
			waiting(limit)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// confirm notes that the server opened a session.
func (s *seats) confirm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open++; s.limit > 0 {
		s.limit = max(s.limit, s.open)
	}
}

// refused gives the seat of a failed opening back and learns the limit, which
// is the most that were ever open. It reports whether there was no other
// session.
func (s *seats) refused(full bool) (alone bool) {
	s.giveBack(false)
	s.mu.Lock()
	defer s.mu.Unlock()
	if full && s.taken > 0 {
		s.limit = max(s.limit, s.open, 1)
	}
	return s.taken == 0
}

// giveBack frees a seat and wakes those who wait for one.
func (s *seats) giveBack(wasOpen bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken--
	if wasOpen {
		s.open--
	}
	if s.freed != nil {
		close(s.freed)
		s.freed = nil
	}
}
