package forward

import (
	"io"
	"sync/atomic"
	"testing"
)

// faucet is a channel's end from which so many bytes come.
type faucet struct {
	Stream
	left int
}

func (f *faucet) Read(p []byte) (int, error) {
	if f.left <= 0 {
		return 0, io.EOF
	}
	n := min(len(p), f.left)
	f.left -= n
	return n, nil
}

// TestCostOfSplicing: splicing makes nothing new for a packet.
func TestCostOfSplicing(t *testing.T) {
	const size, packets = 64 << 20, (64 << 20) / largeBuffer
	var count atomic.Uint64
	allocs := testing.AllocsPerRun(3, func() {
		if readErr, writeErr := copyData(io.Discard, &faucet{left: size}, &count); readErr != nil || writeErr != nil {
			t.Fatal(readErr, writeErr)
		}
	})
	if allocs > 20 {
		t.Errorf("%v allocations for %d packets", allocs, packets)
	}
}
