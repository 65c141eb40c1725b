package transfer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
)

// How many pieces may be on their way: of one file, and of all together. The
// window of a channel in golang.org/x/crypto/ssh is 2 MiB, so that more than
// this gains nothing.
const (
	fileWindow  = 64
	totalWindow = 128
)

// flow copies the content of files, a bounded number of pieces at once.
type flow struct {
	slots   chan struct{}
	buffers sync.Pool
	size    int // of a piece
	zeros   []byte
}

func newFlow(size int) *flow {
	f := &flow{slots: make(chan struct{}, totalWindow), size: size, zeros: make([]byte, size)}
	f.buffers.New = func() any { b := make([]byte, size); return &b }
	return f
}

// unsure is how many bytes before the end of a file that was cut off may be
// missing: a piece is begun only when the one a window before it is written.
func (f *flow) unsure() int64 { return int64(fileWindow) * int64(f.size) }

// pour is one call of copy.
type pour struct {
	*flow
	from  reader
	to    writer
	moved func(n int)

	mu  sync.Mutex
	err error
	end int64 // of what was written
}

// copy copies the bytes from off up to size. Holes, and pieces of nothing but
// zeros, are left out, so that to must hold none of them yet; it has the right
// size afterwards.
func (f *flow) copy(ctx context.Context, from reader, to writer, off, size int64, moved func(n int)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := &pour{flow: f, from: from, to: to, moved: moved, end: off}
	var pieces sync.WaitGroup
	err := p.each(ctx, off, size, func(at int64, n int, done chan struct{}) {
		pieces.Go(func() {
			defer close(done)
			defer func() { <-f.slots }()
			if err := p.one(at, n); err != nil {
				p.fail(err)
				cancel()
			}
		})
	})
	pieces.Wait()
	if p.err != nil {
		return p.err
	}
	if err == nil && p.end < size {
		err = to.Truncate(size)
	}
	return err
}

// each calls do for every piece of data, in order, as the window allows.
func (p *pour) each(ctx context.Context, off, size int64, do func(at int64, n int, done chan struct{})) error {
	var ring [fileWindow]chan struct{}
	next := 0
	for off < size {
		start, end, err := p.from.data(off, size)
		if errors.Is(err, io.EOF) {
			p.skip(size - off)
			return nil
		}
		if err != nil {
			return err
		}
		p.skip(start - off)
		for off = start; off < end; {
			if old := ring[next]; old != nil {
				<-old
			}
			select {
			case p.slots <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
			if ctx.Err() != nil {
				<-p.slots
				return ctx.Err()
			}
			done := make(chan struct{})
			ring[next], next = done, (next+1)%fileWindow
			n := int(min(int64(p.size), end-off))
			do(off, n, done)
			off += int64(n)
		}
	}
	return nil
}

// skip counts a hole as moved.
func (p *pour) skip(n int64) {
	for n > 0 {
		step := min(n, 1<<30)
		p.moved(int(step))
		n -= step
	}
}

// one copies a piece.
func (p *pour) one(at int64, n int) error {
	buffer := p.buffers.Get().(*[]byte)
	defer p.buffers.Put(buffer)
	b := (*buffer)[:n]
	got, err := p.from.ReadAt(b, at)
	if got < n {
		if err == nil || errors.Is(err, io.EOF) {
			return errChanged
		}
		return &ioError{"read", err}
	}
	if !bytes.Equal(b, p.zeros[:n]) {
		if _, err := p.to.WriteAt(b, at); err != nil {
			return &ioError{"write", err}
		}
		p.wrote(at + int64(n))
	}
	p.moved(n)
	return nil
}

func (p *pour) wrote(end int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end = max(p.end, end)
}

// fail keeps the first error.
func (p *pour) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
}

// rest copies what comes after a size of 0, which is what special file systems
// give for files that are not empty.
func (f *flow) rest(ctx context.Context, from reader, to writer, moved func(n int)) error {
	b := make([]byte, f.size)
	for off := int64(0); ; {
		n, err := from.ReadAt(b, off)
		if n > 0 {
			if _, werr := to.WriteAt(b[:n], off); werr != nil {
				return &ioError{"write", werr}
			}
			moved(n)
			off += int64(n)
		}
		switch {
		case errors.Is(err, io.EOF), n == 0 && err == nil:
			return nil
		case err != nil:
			return &ioError{"read", err}
		case ctx.Err() != nil:
			return ctx.Err()
		}
	}
}

// ioError says which side failed.
type ioError struct {
	op  string
	err error
}

func (e *ioError) Error() string { return e.op + ": " + e.err.Error() }
func (e *ioError) Unwrap() error { return e.err }
