package daemon

import (
	"os"
	"runtime"
)

// EaseScheduler has the process use half of the processors at a time. A packet
// that comes through a chain passes from goroutine to goroutine at each hop; on
// one processor that is a step, between two it is a wake-up, which costs more
// than what the other could do meanwhile. GOMAXPROCS, if set, is kept.
func EaseScheduler() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS((runtime.GOMAXPROCS(0) + 1) / 2)
	}
}
