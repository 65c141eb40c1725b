package main_test

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestInits holds the cost of starting: no package's init takes more than
// a millisecond, in the best of several runs: they take 0.15 ms at most.
func TestInits(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector's cost is not ours")
	}
	best := map[string]time.Duration{}
	for range 12 {
		c := exec.Command(program, "version")
		c.Env = append(os.Environ(), "GODEBUG=inittrace=1")
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for lines := bufio.NewScanner(strings.NewReader(string(out))); lines.Scan(); {
			// init sallyport/internal/x @1.2 ms, 0.034 ms clock, 4128 bytes, 12 allocs
			f := strings.Fields(lines.Text())
			if len(f) < 6 || f[0] != "init" {
				continue
			}
			ms, err := strconv.ParseFloat(f[4], 64)
			if err != nil {
				t.Fatalf("%q: %v", lines.Text(), err)
			}
			took := time.Duration(ms * float64(time.Millisecond))
			if was, seen := best[f[1]]; !seen || took < was {
				best[f[1]] = took
			}
		}
	}
	if len(best) < 5 {
		t.Fatalf("only %d inits were seen", len(best))
	}
	for pkg, took := range best {
		if took > time.Millisecond {
			t.Errorf("the init of %s takes %v", pkg, took)
		}
	}
}
