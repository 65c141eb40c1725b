package daemon

import "sync"

// tally counts what is under way. Unlike a sync.WaitGroup it may begin to
// count again while somebody waits.
type tally struct {
	mu   sync.Mutex
	n    int
	zero chan struct{} // closed when n is 0 again; nil while nobody waits
}

// Add counts n more.
func (t *tally) Add(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n += n; t.n == 0 && t.zero != nil {
		close(t.zero)
		t.zero = nil
	}
}

// Done counts one less.
func (t *tally) Done() { t.Add(-1) }

// Wait returns when nothing is under way.
func (t *tally) Wait() {
	t.mu.Lock()
	if t.n == 0 {
		t.mu.Unlock()
		return
	}
	if t.zero == nil {
		t.zero = make(chan struct{})
	}
	zero := t.zero
	t.mu.Unlock()
	<-zero
}
