package pool

// SpareSeat opens a session ahead of need on the lease's connection and keeps
// its seat until release is called. There is one only in place of a session
// that has ended: no more are open then than the server has allowed before, and
// nobody who waits for a seat waits for a spare. After a refusal there are no
// more of them.
func (l *Lease) SpareSeat(open func(Conn) error) (release func(), ok bool) {
	s := &l.master.seats
	if !s.takeSpare() {
		return nil, false
	}
	if err := open(l.Conn()); err != nil {
		s.giveBack(ownRow, false)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.lean = true
		return nil, false
	}
	return s.keep(ownRow, func() {}), true
}

// takeSpare takes a seat that an ended session has left.
func (s *seats) takeSpare() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &s.rows[ownRow]
	if s.lean || s.freed != nil || r.taken >= max(r.peak, r.limit) {
		return false
	}
	r.taken++
	return true
}
