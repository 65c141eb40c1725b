package hop

import (
	"net"
	"sync"
	"time"
)

const (
	// libraryBuffer is what the library gathers before it writes: a packet that
	// is larger comes as that much and then the rest.
	libraryBuffer = 4096
	// restWithin is how long the rest is waited for. It comes at once, unless
	// the packet was of just that size.
	restWithin = 200 * time.Microsecond
)

// joiner puts a packet that the library writes in two parts together again. Each
// write costs a system call, and through a tunnel a packet of its own at every
// hop before, in two parts again: eight writes behind two jump hosts.
type joiner struct {
	net.Conn

	mu    sync.Mutex // held while writing, as the two that write must keep their order
	held  []byte     // the first part of a packet
	timer *time.Timer
	err   error // of a write that nobody waited for
}

func newJoiner(c net.Conn) *joiner {
	j := &joiner{Conn: c}
	j.timer = time.AfterFunc(time.Hour, j.late)
	j.timer.Stop()
	return j
}

func (j *joiner) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return 0, j.err
	}
	if len(j.held) == 0 && len(p) != libraryBuffer {
		return j.Conn.Write(p)
	}
	if j.held = append(j.held, p...); len(p) == libraryBuffer && len(j.held) == libraryBuffer {
		j.timer.Reset(restWithin)
		return len(p), nil
	}
	j.timer.Stop()
	if err := j.flush(); err != nil {
		return 0, err
	}
	return len(p), nil
}

// late writes a part that was a whole.
func (j *joiner) late() {
	j.mu.Lock()
	defer j.mu.Unlock()
	_ = j.flush()
}

// flush writes what is held. The caller holds mu.
func (j *joiner) flush() error {
	if len(j.held) == 0 {
		return j.err
	}
	_, j.err = j.Conn.Write(j.held)
	j.held = j.held[:0]
	return j.err
}

// Close does not wait for a write in progress: it ends it.
func (j *joiner) Close() error {
	j.timer.Stop()
	return j.Conn.Close()
}
