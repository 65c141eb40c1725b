//go:build unix

package forward

import (
	"math"
	"syscall"
)

// descriptors is how many the process may have, as far as it matters here.
func descriptors() int {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 1024
	}
	return int(min(uint64(r.Cur), math.MaxInt16))
}
