package cli

import (
	"context"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestEnding sends signals to a command that takes its time to end, or never
// does.
func TestEnding(t *testing.T) {
	const never = time.Hour
	type sent struct {
		at time.Duration
		s  syscall.Signal
	}
	const hup, intr, term = syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM
	for name, c := range map[string]struct {
		takes   time.Duration // after the first signal
		signals []sent
		lent    bool
		code    int
		forced  bool
		at      time.Duration
	}{
		"orderly":                  {2 * time.Second, []sent{{0, intr}}, false, 7, false, 2 * time.Second},
		"a closing terminal":       {5 * time.Second, []sent{{0, hup}, {0, hup}, {2 * time.Second, hup}}, false, 7, false, 5 * time.Second},
		"many at once":             {5 * time.Second, []sent{{0, intr}, {10 * time.Millisecond, intr}, {900 * time.Millisecond, term}}, false, 7, false, 5 * time.Second},
		"by force":                 {never, []sent{{0, intr}, {500 * time.Millisecond, intr}, {1500 * time.Millisecond, term}}, false, 143, true, 1500 * time.Millisecond},
		"by force, after a hangup": {never, []sent{{0, hup}, {2 * time.Second, intr}}, false, 130, true, 2 * time.Second},
		"^C is another's":          {never, []sent{{0, intr}, {2 * time.Second, intr}, {4 * time.Second, term}, {6 * time.Second, intr}, {8 * time.Second, term}}, true, 143, true, 8 * time.Second},
		"by force, with a hangup":  {never, []sent{{0, term}, {3 * time.Second, hup}}, false, 129, true, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &ending{}
				if c.lent {
					defer e.lend()()
				}
				var parting []string
				e.atOnce(func(os.Signal) { parting = append(parting, "done with") })()
				defer e.atOnce(func(os.Signal) { parting = append(parting, "terminal") })()
				signals := make(chan os.Signal, 1)
				over := make(chan struct{})
				go func() {
					start := time.Now()
					for _, one := range c.signals {
						time.Sleep(one.at - time.Since(start))
						signals <- one.s
					}
				}()
				start := time.Now()
				code := e.until(signals, func(ctx context.Context) int {
					<-ctx.Done()
					select {
					case <-time.After(c.takes):
					case <-over:
					}
					return 7
				})
				if forced := len(parting) == 1 && parting[0] == "terminal"; code != c.code || forced != c.forced || time.Since(start) != c.at {
					t.Errorf("code %d after %v, %v", code, time.Since(start), parting)
				}
				close(over)
			})
		})
	}
}
