package hop

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// firstBytes is how much of what a server says first is kept for messages.
const firstBytes = 256

// wire counts the bytes of a connection and keeps the first ones received, to
// say what a server that does not speak SSH sent instead.
type wire struct {
	net.Conn
	born    time.Time
	in, out atomic.Int64
	last    atomic.Int64 // when something was received last, since born
	heard   func()       // called after each read that brought something
	kex     *kexWatch
	nudges  chan struct{} // told of each read that brought something; nil where nobody nudges
	// unanswered is true when nothing was sent since the last of those.
	unanswered atomic.Bool

	// state: guarded by mu
	mu    sync.Mutex
	first []byte
	cause error // of the first Write that failed
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if n > 0 {
		w.last.Store(int64(time.Since(w.born)))
		if w.in.Add(int64(n)) <= int64(n)+firstBytes {
			w.keep(p[:n])
		}
		if w.kex != nil {
			w.kex.received(p[:n])
		}
		if w.heard != nil {
			w.heard()
		}
		w.unanswered.Store(true)
		select {
		case w.nudges <- struct{}{}:
		default:
		}
	}
	if err != nil {
		err = w.reason(err)
	}
	return n, err
}

// reason is why a Read failed. The library closes the connection when a Write
// fails, and then reports what the Read says: the Write's error is the cause.
func (w *wire) reason(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cause != nil {
		return w.cause
	}
	return err
}

func (w *wire) Write(p []byte) (int, error) {
	w.unanswered.Store(false)
	n, err := w.Conn.Write(p)
	w.out.Add(int64(n))
	if err == nil && w.kex != nil {
		w.kex.sent(p)
	}
	if err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.cause == nil {
			w.cause = err
		}
	}
	return n, err
}

// lastHeard is when something was received last, or the beginning.
func (w *wire) lastHeard() time.Time { return w.born.Add(time.Duration(w.last.Load())) }

func (w *wire) keep(p []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if room := firstBytes - len(w.first); room > 0 {
		w.first = append(w.first, p[:min(room, len(p))]...)
	}
}

// said is what the server sent first, at most firstBytes of it.
func (w *wire) said() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]byte(nil), w.first...)
}
