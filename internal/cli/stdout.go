package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"syscall"
)

// stdout is what verbs print their answers on. A write that has failed is not
// told to whoever prints, who would have to look at every line's: the first
// error is kept, nothing is written after it, and the verb's end tells it.
type stdout struct {
	to io.Writer

	// state: guarded by mu
	mu  sync.Mutex
	err error
}

// Write is io.Writer's; it does not fail.
func (s *stdout) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		_, s.err = s.to.Write(p)
	}
	return len(p), nil
}

// failed reports whether something could not be written. The error is nil for a
// reader that has gone: "head" has what it wanted, and nobody is told (where
// there is a SIGPIPE, it has ended us).
func (s *stdout) failed() (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil || errors.Is(s.err, syscall.EPIPE) {
		return s.err != nil, nil
	}
	reason := s.err
	var named *fs.PathError
	if errors.As(s.err, &named) {
		reason = named.Err
	}
	return true, fmt.Errorf("write standard output: %w", reason)
}
