package transfer

import (
	"io"
	"sync"
)

// gather puts small writes of many together while an earlier one is under way:
// every write to a session costs a packet on each hop.
type gather struct {
	// config: not changed after newGather
	to   io.WriteCloser
	done chan struct{}

	// state: guarded by mu
	mu      sync.Mutex
	change  sync.Cond
	waiting []byte
	spare   []byte
	err     error
	closed  bool
}

// gatherMost is how much may wait.
const gatherMost = 1 << 20

func newGather(to io.WriteCloser) *gather {
	g := &gather{to: to, done: make(chan struct{})}
	g.change.L = &g.mu
	go g.run()
	return g
}

// run writes what waits, until Close or an error.
func (g *gather) run() {
	defer close(g.done)
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		for len(g.waiting) == 0 && !g.closed {
			g.change.Wait()
		}
		if len(g.waiting) == 0 {
			return
		}
		p := g.waiting
		g.waiting, g.spare = g.spare[:0], nil
		g.mu.Unlock()
		_, err := g.to.Write(p)
		g.mu.Lock()
		g.spare = p[:0]
		g.change.Broadcast()
		if err != nil {
			g.err, g.waiting = err, nil
			return
		}
	}
}

// Write keeps p to be written soon. An error comes with a later Write.
func (g *gather) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.waiting) > gatherMost && g.err == nil {
		g.change.Wait()
	}
	switch {
	case g.err != nil:
		return 0, g.err
	case g.closed:
		return 0, io.ErrClosedPipe
	}
	if g.waiting = append(g.waiting, p...); len(g.waiting) == len(p) {
		g.change.Broadcast()
	}
	return len(p), nil
}

// Close writes the rest and closes what is below.
func (g *gather) Close() error {
	g.mu.Lock()
	g.closed = true
	g.change.Broadcast()
	g.mu.Unlock()
	<-g.done
	return g.to.Close()
}
