package forward

import (
	"context"
	"errors"
	"io"
	"sync"
)

// ErrClosed is why a connection ends when its forward is closed.
var ErrClosed = errors.New("forward closed")

// group owns the connections of a forward: their goroutines and what has to be
// closed to end them.
type group struct {
	ctx    context.Context // ends when the group is closed
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup
	max    int // what it runs at a time, 0 for no bound

	// state: guarded by mu
	mu     sync.Mutex
	now    int // what it runs
	open   map[io.Closer]struct{}
	full   bool // nothing more is run
	closed bool // and what there is has to end
}

func newGroup() *group {
	g := &group{open: make(map[io.Closer]struct{})}
	g.ctx, g.cancel = context.WithCancelCause(context.Background())
	return g
}

// run runs f in a goroutine of the group; false when the group takes no more.
func (g *group) run(f func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.full || g.max > 0 && g.now >= g.max {
		return false
	}
	g.now++
	g.wg.Go(func() {
		defer g.ran()
		f()
	})
	return true
}

func (g *group) ran() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now--
}

// add makes the group close c when it is closed, at once if it is already.
func (g *group) add(c io.Closer) {
	g.mu.Lock()
	closed := g.closed
	if !closed {
		g.open[c] = struct{}{}
	}
	g.mu.Unlock()
	if closed {
		_ = c.Close()
	}
}

func (g *group) remove(c io.Closer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.open, c)
}

// close ends all connections and waits for their goroutines.
func (g *group) close() {
	g.mu.Lock()
	g.full, g.closed = true, true
	open := g.open
	g.open = nil
	g.mu.Unlock()
	g.cancel(ErrClosed)
	for c := range open {
		_ = c.Close()
	}
	g.wg.Wait()
}

// drain waits until the connections have ended by themselves, or ctx has.
func (g *group) drain(ctx context.Context) error {
	g.mu.Lock()
	g.full = true
	g.mu.Unlock()
	done := make(chan struct{})
	go func() {
		g.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		g.close()
		<-done
		return context.Cause(ctx)
	}
}
