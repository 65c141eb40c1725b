package forward

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
)

// Stream is one end of a connection: a TCP or Unix connection, or a channel.
type Stream interface {
	io.ReadWriteCloser
	// CloseWrite tells the peer that no more data follows.
	CloseWrite() error
}

// closer is a Stream that knows when its peer is gone altogether, not only
// done with sending.
type closer interface{ Closed() <-chan struct{} }

// Splice copies both ways between a and b until both have ended, and closes
// them. The end of one direction is passed on as a half-close; the other goes
// on. A stream that cannot be read any more ends both; one that cannot be
// written to leaves its own data to be read. count may be nil.
//
// Each direction holds at most one buffer: the slower side sets the pace.
func Splice(a, b Stream, count *Counters) error {
	copiers, err := splice(a, b, count)
	copiers.Wait()
	return err
}

// splice is Splice without waiting for reads that go on after Close.
func splice(a, b Stream, count *Counters) (copiers *sync.WaitGroup, err error) {
	if count == nil {
		count = new(Counters)
	}
	copiers = new(sync.WaitGroup)
	ends := make(chan end, 2)
	start := func(dst, src Stream, n *atomic.Uint64) {
		copiers.Go(func() { pump(dst, src, n, ends) })
	}
	start(b, a, &count.Sent)
	start(a, b, &count.Received)

	first := <-ends
	err = first.err
	if !first.abort {
		select {
		case second := <-ends:
			err = errors.Join(first.err, second.err)
		case <-gone(first.src):
		}
	}
	_ = a.Close()
	_ = b.Close()
	return copiers, err
}

// end is how one direction ended.
type end struct {
	src   Stream
	err   error
	abort bool // src broke: there is nobody to talk to
}

// gone is closed when the peer of s takes nothing more; nil when s cannot tell.
func gone(s Stream) <-chan struct{} {
	if p, ok := s.(*prefixed); ok {
		s = p.Stream
	}
	if c, ok := s.(closer); ok {
		return c.Closed()
	}
	return nil
}

// pump copies src to dst and tells how that ended. When dst takes no more, a
// channel is still read, to nowhere: its window would run out otherwise, and
// its peer, busy sending, might never read what goes the other way.
func pump(dst, src Stream, n *atomic.Uint64, ends chan<- end) {
	readErr, writeErr := copyData(dst, src, n)
	switch {
	case writeErr == io.EOF: // a channel that its peer has closed: an end as well
		ends <- end{src: src}
	case writeErr != nil:
		ends <- end{src: src, err: writeErr}
		if gone(src) != nil {
			_, _ = io.Copy(io.Discard, src)
		}
	case readErr != nil:
		ends <- end{src: src, err: readErr, abort: true}
	default:
		_ = dst.CloseWrite() // its peer may be gone already
		ends <- end{src: src}
	}
}

// copyData copies until src ends (both errors nil) or one of the two breaks.
func copyData(dst io.Writer, src Stream, n *atomic.Uint64) (readErr, writeErr error) {
	if p, ok := src.(*prefixed); ok {
		wrote, err := dst.Write(p.head)
		n.Add(uint64(wrote))
		if err != nil {
			return nil, err
		}
		src = p.Stream
	}
	r := newReader(src)
	defer r.release()
	for {
		data, err := r.next()
		if len(data) > 0 {
			wrote, err := dst.Write(data)
			n.Add(uint64(wrote))
			if err != nil {
				return nil, err
			}
		}
		if err == io.EOF {
			return nil, nil
		}
		if err != nil {
			return err, nil
		}
	}
}

// prefixed is a stream of which some data has been read already.
type prefixed struct {
	Stream
	head []byte
}

// Read gives the data read before, then the stream's.
func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.head) > 0 {
		n := copy(b, p.head)
		p.head = p.head[n:]
		return n, nil
	}
	return p.Stream.Read(b)
}

// largeBuffer is the most a channel's packet carries (x/crypto and OpenSSH use
// 32 KiB); smallBuffer is what an idle channel holds.
const (
	largeBuffer = 32<<10 - 512 // less what each hop of a chain adds: see session.bulkPacket
	smallBuffer = 2 << 10
)

var buffers = sync.Pool{New: func() any { return new([largeBuffer]byte) }}

// reader reads chunks with as little memory as the stream allows: none while
// it waits on a socket, a small buffer while it waits on a channel that has
// sent little so far.
type reader struct {
	src    io.Reader
	socket syscall.RawConn // nil for a channel, or where a socket cannot be read so
	small  []byte
	large  *[largeBuffer]byte
	// result of the system call made by readSocket
	n   int
	err error
}

func newReader(src io.Reader) *reader {
	r := &reader{src: src, socket: rawSocket(src)}
	if r.socket == nil {
		r.small = make([]byte, smallBuffer)
	}
	return r
}

// next returns a chunk that is valid until the next call.
func (r *reader) next() ([]byte, error) {
	if r.socket != nil {
		return r.nextSocket()
	}
	if r.large != nil {
		n, err := r.src.Read(r.large[:])
		return r.large[:n], err
	}
	n, err := r.src.Read(r.small)
	if n == len(r.small) { // there is more to come
		r.large = buffers.Get().(*[largeBuffer]byte)
	}
	return r.small[:n], err
}

func (r *reader) nextSocket() ([]byte, error) {
	r.release()
	if err := r.socket.Read(r.readSocket); err != nil {
		return nil, err
	}
	if r.err != nil {
		return nil, r.err
	}
	if r.n == 0 {
		return nil, io.EOF
	}
	return r.large[:r.n], nil
}

func (r *reader) release() {
	if r.large != nil {
		buffers.Put(r.large)
		r.large = nil
	}
}
