package cli

import (
	"os"
	"os/signal"
	"sync"

	"golang.org/x/term"
)

// rawTerminal is the terminal of a session: raw while the session runs, put
// back when the user suspends it (~^Z) and at the end.
type rawTerminal struct {
	fd    int
	stops chan os.Signal
	done  chan struct{}

	// state: guarded by mu
	mu    sync.Mutex
	saved *term.State // nil once it was left
}

// enterRaw puts f into raw mode until leave is called.
func enterRaw(f *os.File) (*rawTerminal, error) {
	t := &rawTerminal{fd: int(f.Fd()), stops: make(chan os.Signal, 1), done: make(chan struct{})}
	var err error
	if t.saved, err = term.MakeRaw(t.fd); err != nil {
		return nil, err
	}
	notifySuspend(t.stops)
	go func() {
		for {
			select {
			case <-t.stops:
				t.suspend()
			case <-t.done:
				return
			}
		}
	}()
	return t, nil
}

// suspend stops this process with the terminal as it was, and makes it raw
// again when the shell continues us.
func (t *rawTerminal) suspend() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.saved == nil {
		return
	}
	_ = term.Restore(t.fd, t.saved)
	stopSelf()
	if saved, err := term.MakeRaw(t.fd); err == nil {
		t.saved = saved
	}
}

// leave puts the terminal back for good. It may be called more than once.
func (t *rawTerminal) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.saved == nil {
		return
	}
	_ = term.Restore(t.fd, t.saved)
	t.saved = nil
	signal.Stop(t.stops)
	close(t.done)
}

// keep puts a terminal's modes back, when the command is ended by force before
// done.
func (e *ending) keep(f *os.File) (done func()) {
	fd := int(f.Fd())
	modes, err := term.GetState(fd)
	if err != nil {
		return func() {}
	}
	return e.atOnce(func(os.Signal) { _ = term.Restore(fd, modes) })
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
