package session

import (
	"io"
	"testing"
)

// TestCostOfCopying: copying a session's data makes nothing new for a packet.
func TestCostOfCopying(t *testing.T) {
	const size, packets = 64 << 20, (64 << 20) / largeBuffer
	allocs := testing.AllocsPerRun(3, func() {
		left := size
		_ = pump(readerFunc(func(p []byte) (int, error) {
			if left <= 0 {
				return 0, io.EOF
			}
			left -= len(p)
			return len(p), nil
		}), func([]byte) error { return nil })
	})
	if allocs > 10 {
		t.Errorf("%v allocations for %d packets", allocs, packets)
	}
}
