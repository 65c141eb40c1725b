package daemon

import (
	"runtime"
	"testing"
)

// Half of the processors are used, unless the user has said how many.
func TestSchedulerIsEased(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	t.Setenv("GOMAXPROCS", "")
	for n, want := range map[int]int{1: 1, 2: 1, 3: 2, 8: 4} {
		runtime.GOMAXPROCS(n)
		EaseScheduler()
		if got := runtime.GOMAXPROCS(0); got != want {
			t.Errorf("%d processors of %d, want %d", got, n, want)
		}
	}
	t.Setenv("GOMAXPROCS", "5")
	runtime.GOMAXPROCS(5)
	if EaseScheduler(); runtime.GOMAXPROCS(0) != 5 {
		t.Errorf("%d processors, and not those that were asked for", runtime.GOMAXPROCS(0))
	}
}
