package pool

import (
	"context"
	"errors"
	"sync"
	"time"
)

// seats counts the sessions on a master's connection and on its sibling's. How
// many the server allows (sshd's MaxSessions) is learned when it refuses one:
// from then on one more waits for another's end. When none ends for a while a
// sibling is opened, unless it cannot be had.
type seats struct {
	mu    sync.Mutex
	rows  [2]row        // the connection's own, and its sibling's
	grown bool          // there is a sibling
	alone bool          // there is no sibling to be had
	lean  bool          // a spare was refused: there are no more of them
	freed chan struct{} // closed when a seat is given back; nil if nobody waits
}

// The rows of seats.
const (
	ownRow = iota
	siblingRow
)

// row is the sessions of one connection.
type row struct {
	taken int       // open, and those whose opening is under way
	open  int       // confirmed by the server
	limit int       // learned; 0 while not known
	peak  int       // the most that were ever open
	left  time.Time // when a session last ended
}

// patience is how long no seat may become free before a sibling is opened, or
// before those who wait are told.
const patience = 2 * time.Second

// Opening is how a session is opened where the server limits their number.
type Opening struct {
	// Open opens it on the connection that has a seat. As long as picky it
	// may return ErrElsewhere.
	Open func(conn Conn, picky bool) error
	// Full reports whether an error of Open may mean that the server allows
	// no more sessions.
	Full func(error) bool
	// Waiting is called, once at most, when it takes long: limit sessions are
	// open and another has to end.
	Waiting func(limit int)
}

// ErrElsewhere is what Open returns for a session that cannot have on this
// connection all that it wants, but might on the sibling's. If that cannot be
// had either, Open is called again and must make do.
var ErrElsewhere = errors.New("not on this connection")

// Seat opens a session on the master and keeps its seat until release is
// called. When the connection has as many sessions as the server allows, this
// one waits for another's end. If none ends for a while a sibling connection is
// opened, as long as nobody has to be asked for it. Any other error is Open's.
func (l *Lease) Seat(ctx context.Context, o Opening) (release func(), err error) {
	s := &l.master.seats
	told := false
	waiting := func(limit int) {
		if !told {
			told = true
			o.Waiting(limit)
		}
	}
	for again := true; ; {
		i, err := s.take(ctx, l.master.call.wasAsked(), waiting)
		if err != nil {
			return nil, err
		}
		conn, leave, err := l.seatedAt(ctx, i)
		if err != nil {
			s.noSibling()
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			continue
		}
		if err = o.Open(conn, true); errors.Is(err, ErrElsewhere) {
			if release, ok := l.elsewhere(ctx, other(i), o); ok {
				s.giveBack(i, false)
				leave()
				return release, nil
			}
			err = o.Open(conn, false)
		}
		if err == nil {
			return s.keep(i, leave), nil
		}
		full := o.Full(err)
		alone := s.refused(i, full)
		if !full || (alone && !again && !s.leftLately(i)) {
			leave()
			return nil, err
		}
		if alone && !again && !pause(ctx, leavePause) {
			leave()
			return nil, ctx.Err()
		}
		// sshd gives a seat back some time after it has closed the channel,
		// and before it answers what is asked then.
		_, pingErr := conn.Ping(ctx)
		leave()
		if pingErr != nil {
			return nil, err
		}
		again = again && !alone
	}
}

// A server may give a seat back well after it has closed the session's channel:
// for leaveTime after one has ended a refusal is not believed, and asked again
// every leavePause.
const (
	leaveTime  = 5 * time.Second
	leavePause = 50 * time.Millisecond
)

// pause waits d; false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// leftLately reports whether a session of a row has just ended.
func (s *seats) leftLately(i int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := s.rows[i].left
	return !left.IsZero() && time.Since(left) < leaveTime
}

// elsewhere opens a session on the connection of a row; false if that cannot
// be.
func (l *Lease) elsewhere(ctx context.Context, i int, o Opening) (release func(), ok bool) {
	s := &l.master.seats
	if !s.takeAt(i) {
		return nil, false
	}
	conn, leave, err := l.seatedAt(ctx, i)
	switch {
	case err != nil && ctx.Err() != nil:
		s.giveBack(i, false)
		return nil, false
	case err != nil:
		s.noSibling()
		return nil, false
	}
	if err := o.Open(conn, true); err != nil {
		s.refused(i, o.Full(err))
		leave()
		return nil, false
	}
	return s.keep(i, leave), true
}

// other is the row that is not i.
func other(i int) int { return siblingRow - i }

// seatedAt is the connection of a row, held until leave is called.
func (l *Lease) seatedAt(ctx context.Context, i int) (conn Conn, leave func(), err error) {
	if i == ownRow {
		return l.Conn(), func() {}, nil
	}
	sibling, err := l.master.pool.sibling(ctx, l)
	if err != nil {
		return nil, nil, err
	}
	return sibling.Conn(), sibling.Release, nil
}

// take waits for a free seat and returns its row. alone rules out a sibling,
// since a person had to be asked for the first connection.
func (s *seats) take(ctx context.Context, alone bool, waiting func(int)) (int, error) {
	for {
		s.mu.Lock()
		s.alone = s.alone || alone
		i, ok := s.free(s.grown)
		freed, limit := s.wait(), s.total()
		s.mu.Unlock()
		if ok {
			return i, nil
		}
		select {
		case <-freed:
			continue
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(patience):
		}
		s.mu.Lock()
		i, ok = s.free(true)
		s.mu.Unlock()
		if ok {
			return i, nil
		}
		waiting(limit)
	}
}

// free takes a free seat, if there is one. The caller holds mu.
func (s *seats) free(grow bool) (int, bool) {
	for i := range s.rows {
		if i == siblingRow && (s.alone || !grow) {
			break
		}
		if s.sit(i) {
			return i, true
		}
	}
	return 0, false
}

// takeAt takes a seat of a row, if there is a free one.
func (s *seats) takeAt(i int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return (i == ownRow || !s.alone) && s.sit(i)
}

// sit takes a free seat of a row. The caller holds mu.
func (s *seats) sit(i int) bool {
	if limit := s.limit(i); limit > 0 && s.rows[i].taken >= limit {
		return false
	}
	s.rows[i].taken++
	return true
}

// wait is closed when a seat is given back. The caller holds mu.
func (s *seats) wait() <-chan struct{} {
	if s.freed == nil {
		s.freed = make(chan struct{})
	}
	return s.freed
}

// limit is what is known of a row's: a sibling goes to the same server. The
// caller holds mu.
func (s *seats) limit(i int) int {
	if s.rows[i].limit == 0 {
		return s.rows[ownRow].limit
	}
	return s.rows[i].limit
}

// total is the number of seats. The caller holds mu.
func (s *seats) total() int {
	if s.grown {
		return s.limit(ownRow) + s.limit(siblingRow)
	}
	return s.limit(ownRow)
}

// keep confirms a seat, and is what gives it back with the hold on its
// connection.
func (s *seats) keep(i int, leave func()) (release func()) {
	s.confirm(i)
	return sync.OnceFunc(func() { s.giveBack(i, true); leave() })
}

// confirm notes that the server opened a session.
func (s *seats) confirm(i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grown = s.grown || i == siblingRow
	r := &s.rows[i]
	if r.open++; r.limit > 0 {
		r.limit = max(r.limit, r.open)
	}
	r.peak = max(r.peak, r.open)
}

// refused gives the seat of a failed opening back and learns the limit, which
// is the most that were ever open. It reports whether there was no other
// session on that connection.
func (s *seats) refused(i int, full bool) (alone bool) {
	s.giveBack(i, false)
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &s.rows[i]
	if full && r.taken > 0 {
		r.limit = max(r.limit, r.open, 1)
	}
	return r.taken == 0
}

// noSibling gives a seat back on a sibling that could not be had, and has the
// others wait instead.
func (s *seats) noSibling() {
	s.giveBack(siblingRow, false)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alone = true
}

// giveBack frees a seat and wakes those who wait for one.
func (s *seats) giveBack(i int, wasOpen bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows[i].taken--
	if wasOpen {
		s.rows[i].open--
		s.rows[i].left = time.Now()
	}
	if s.freed != nil {
		close(s.freed)
		s.freed = nil
	}
}

// learned is the number of sessions that the server allows on the connection,
// 0 while it is not known.
func (s *seats) learned() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows[ownRow].limit
}
