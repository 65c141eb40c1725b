package session

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

// Canceler is what a stream offers when a Read or Write on it can be broken
// off: after Cancel returned, nothing more is read or written.
type Canceler interface{ Cancel() }

var errStopped = errors.New("stream stopped")

// source reads standard input until it is stopped.
type source struct {
	r io.Reader
	// busy is held during a Read.
	busy    sync.Mutex
	stopped atomic.Bool
}

func (s *source) Read(p []byte) (int, error) {
	s.busy.Lock()
	defer s.busy.Unlock()
	if s.stopped.Load() || s.r == nil {
		return 0, io.EOF
	}
	return s.r.Read(p)
}

// stop ends the reading. It waits for a Read in progress when that can be
// broken off.
func (s *source) stop() {
	s.stopped.Store(true)
	if c, ok := s.r.(Canceler); ok {
		c.Cancel()
		s.busy.Lock()
		defer s.busy.Unlock()
	}
}

// sink writes one of the output streams until it is stopped or fails, and
// keeps the first failure.
type sink struct {
	name string
	w    io.Writer
	// busy is held during a Write and guards err.
	busy    sync.Mutex
	err     error
	stopped atomic.Bool
}

func (s *sink) Write(p []byte) (int, error) {
	s.busy.Lock()
	defer s.busy.Unlock()
	switch {
	case s.stopped.Load():
		return 0, errStopped
	case s.err != nil:
		return 0, s.err
	case s.w == nil:
		return len(p), nil
	}
	n, err := s.w.Write(p)
	if err != nil && !s.stopped.Load() {
		s.err = &StreamError{Stream: s.name, Err: err}
	}
	return n, err
}

// stop ends the writing. It waits for a Write in progress when that can be
// broken off.
func (s *sink) stop() {
	s.stopped.Store(true)
	if c, ok := s.w.(Canceler); ok {
		c.Cancel()
		s.busy.Lock()
		defer s.busy.Unlock()
	}
}

// failure is the first error of a Write. It is asked for when no Write is in
// progress.
func (s *sink) failure() error {
	s.busy.Lock()
	defer s.busy.Unlock()
	return s.err
}
