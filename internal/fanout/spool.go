package fanout

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"sync"
)

// Store holds what many hosts say until it can be shown: a little of each in
// memory, the rest in one temporary file that nobody else may read and that
// has no name.
type Store struct {
	mu   sync.Mutex
	file *os.File
	end  int64
}

// heldInMemory is how much of one host stays out of the file.
const heldInMemory = 16 << 10

// write appends a block to the file.
func (s *Store) write(p []byte) (off int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		if s.file, err = os.CreateTemp("", "sally-run-"); err != nil {
			return 0, fmt.Errorf("keep output: %w", err)
		}
		_ = os.Remove(s.file.Name())
	}
	off = s.end
	if _, err := s.file.WriteAt(p, off); err != nil {
		return 0, fmt.Errorf("keep output: %w", err)
	}
	s.end += int64(len(p))
	return off, nil
}

// Close gives the file back.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	_ = os.Remove(s.file.Name()) // where an open file keeps its name
	s.file = nil
	return err
}

// Spool is what one host says on two streams, in the order in which it came.
type Spool struct {
	// config: not changed after Spool
	store *Store

	// state: guarded by mu
	mu     sync.Mutex
	buf    []byte // records: stream, length, bytes
	blocks []block
}

type block struct {
	off int64
	n   int
}

// recordHead is the length of what stands before the bytes of a record.
const recordHead = 5

// Spool makes an empty one.
func (s *Store) Spool() *Spool { return &Spool{store: s} }

// Stream is a writer for stream 1, standard output, or 2, standard error.
func (s *Spool) Stream(n int) io.Writer { return spoolWriter{s, byte(n)} }

type spoolWriter struct {
	spool  *Spool
	stream byte
}

func (w spoolWriter) Write(p []byte) (int, error) {
	s := w.spool
	s.mu.Lock()
	defer s.mu.Unlock()
	for done := 0; done < len(p); {
		part := p[done:min(done+heldInMemory, len(p))]
		s.buf = append(s.buf, w.stream)
		s.buf = binary.BigEndian.AppendUint32(s.buf, uint32(len(part)))
		s.buf = append(s.buf, part...)
		done += len(part)
		if len(s.buf) >= heldInMemory {
			if err := s.flush(); err != nil {
				return done, err
			}
		}
	}
	return len(p), nil
}

// flush moves what is in memory into the file. The caller holds mu.
func (s *Spool) flush() error {
	off, err := s.store.write(s.buf)
	if err != nil {
		return err
	}
	s.blocks = append(s.blocks, block{off, len(s.buf)})
	s.buf = nil
	return nil
}

// Replay writes all of it to two writers, and forgets it.
func (s *Spool) Replay(stdout, stderr io.Writer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.blocks {
		p := make([]byte, b.n)
		if _, err := s.store.file.ReadAt(p, b.off); err != nil {
			return fmt.Errorf("read what was kept: %w", err)
		}
		if err := replay(p, stdout, stderr); err != nil {
			return err
		}
	}
	err := replay(s.buf, stdout, stderr)
	s.blocks, s.buf = nil, nil
	return err
}

func replay(p []byte, stdout, stderr io.Writer) error {
	for len(p) > 0 {
		to, n := stdout, int(binary.BigEndian.Uint32(p[1:]))
		if p[0] == 2 {
			to = stderr
		}
		if _, err := to.Write(p[recordHead : recordHead+n]); err != nil {
			return err
		}
		p = p[recordHead+n:]
	}
	return nil
}
