package stdio

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// ErrCanceled is returned by a Read or a Write that Cancel broke off, and by
// all that come after.
var ErrCanceled = errors.New("stream canceled")

// endpoint is one direction of one kind of descriptor.
type endpoint interface {
	// transfer reads or writes at least one byte of p, unless it fails. The
	// end of input is io.EOF, or 0 and no error.
	transfer(p []byte) (int, error)
	// cancel makes a transfer in progress return. It reports false when that
	// is not possible.
	cancel() bool
	close() error
}

// stream is what a Reader and a Writer share.
type stream struct {
	// config: not changed after New
	f *os.File // ours to use, not to close
	e endpoint

	// state
	busy     sync.Mutex // held during a transfer
	canceled atomic.Bool
}

// Cancel makes a call in progress and all later ones return ErrCanceled. When
// it returns, the descriptor is left alone. It may be called at any time, from
// any goroutine, more than once.
func (s *stream) Cancel() {
	s.canceled.Store(true)
	if s.e.cancel() {
		s.busy.Lock()
		defer s.busy.Unlock()
	}
}

// Close cancels and frees what the stream holds. The file that it was made
// from stays open: that is its owner's to close.
func (s *stream) Close() error {
	s.Cancel()
	return s.e.close()
}

// failure translates the error of a transfer.
func (s *stream) failure(err error) error {
	if s.canceled.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
		return ErrCanceled
	}
	return err
}

// Reader reads a shared descriptor. One goroutine at a time may call Read.
type Reader struct{ stream }

// NewReader returns a Reader on f, which must stay open until Close. A
// descriptor that is closed, or open for writing only, gives a Reader that
// fails with EBADF.
func NewReader(f *os.File) (*Reader, error) {
	e, err := openEndpoint(f, false)
	if err != nil {
		return nil, fmt.Errorf("open %q for reading: %w", name(f), err)
	}
	return &Reader{stream{f: f, e: e}}, nil
}

// Read reads up to len(p) bytes. It blocks until there is at least one, and
// returns io.EOF at the end of input and when a terminal has hung up.
func (r *Reader) Read(p []byte) (int, error) {
	r.busy.Lock()
	defer r.busy.Unlock()
	if r.canceled.Load() {
		return 0, ErrCanceled
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := r.e.transfer(p)
	switch {
	case n > 0:
		return n, nil
	case err == nil:
		return 0, io.EOF
	}
	return 0, r.failure(err)
}

// Writer writes a shared descriptor. One goroutine at a time may call Write.
type Writer struct{ stream }

// NewWriter returns a Writer on f, which must stay open until Close. A
// descriptor that is closed, or open for reading only, gives a Writer that
// fails with EBADF.
func NewWriter(f *os.File) (*Writer, error) {
	e, err := openEndpoint(f, true)
	if err != nil {
		return nil, fmt.Errorf("open %q for writing: %w", name(f), err)
	}
	return &Writer{stream{f: f, e: e}}, nil
}

// Write writes all of p, or returns how much it wrote and why it stopped. A
// reader that has gone is the error EPIPE, never a signal.
func (w *Writer) Write(p []byte) (int, error) {
	w.busy.Lock()
	defer w.busy.Unlock()
	done := 0
	for done < len(p) {
		if w.canceled.Load() {
			return done, ErrCanceled
		}
		n, err := w.e.transfer(p[done:])
		done += max(n, 0)
		if err != nil {
			return done, w.failure(err)
		}
		if n <= 0 {
			return done, io.ErrShortWrite
		}
	}
	return done, nil
}

// name is f's name for an error; f may be nil.
func name(f *os.File) string {
	if f == nil {
		return ""
	}
	return f.Name()
}

// invalid is a descriptor that cannot be used.
type invalid struct{}

func (invalid) transfer([]byte) (int, error) { return 0, syscall.EBADF }
func (invalid) cancel() bool                 { return true }
func (invalid) close() error                 { return nil }
