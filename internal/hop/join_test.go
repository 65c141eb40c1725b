package hop

import (
	"bytes"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// writes notes what is written to it, write by write.
type writes struct {
	net.Conn
	mu  sync.Mutex
	got [][]byte
}

func (w *writes) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = append(w.got, bytes.Clone(p))
	return len(p), nil
}

func (w *writes) sizes() (sizes []int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.got {
		sizes = append(sizes, len(p))
	}
	return sizes
}

func TestPartsOfAPacketAreJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &writes{}
		j := newJoiner(w)
		var sent []byte
		for i, n := range []int{20, libraryBuffer, 28000, 100, libraryBuffer, libraryBuffer, libraryBuffer} {
			p := bytes.Repeat([]byte{byte(i)}, n)
			sent = append(sent, p...)
			if m, err := j.Write(p); m != n || err != nil {
				t.Fatalf("write of %d: %d, %v", n, m, err)
			}
		}
		// The last one is a whole packet: it goes by itself.
		synctest.Wait()
		if len(w.sizes()) != 4 {
			t.Errorf("before the time is over there are writes of %v", w.sizes())
		}
		time.Sleep(2 * restWithin)
		synctest.Wait()
		want := []int{20, libraryBuffer + 28000, 100, 2 * libraryBuffer, libraryBuffer}
		if got := w.sizes(); len(got) != len(want) || got[1] != want[1] || got[3] != want[3] || got[4] != want[4] {
			t.Errorf("writes of %v instead of %v", got, want)
		}
		if !bytes.Equal(bytes.Join(w.got, nil), sent) {
			t.Error("what was written is not what was sent")
		}
	})
}

// TestCostOfWritingAPacket: joining allocates nothing.
func TestCostOfWritingAPacket(t *testing.T) {
	j := newJoiner(discard{})
	first, rest := make([]byte, libraryBuffer), make([]byte, 28700)
	if n := testing.AllocsPerRun(200, func() { _, _ = j.Write(first); _, _ = j.Write(rest) }); n > 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

// discard takes everything.
type discard struct{ net.Conn }

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func BenchmarkWire(b *testing.B) {
	w := &wire{Conn: newJoiner(discard{})}
	first, rest := make([]byte, libraryBuffer), make([]byte, 28700)
	b.SetBytes(int64(len(first) + len(rest)))
	b.ReportAllocs()
	for b.Loop() {
		_, _ = w.Write(first)
		_, _ = w.Write(rest)
	}
}
