package probe

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/internal/hop"
	"sallyport/internal/route"
	"sallyport/internal/sshconfig"
	"sallyport/internal/sshtest"
)

// nobody answers nothing.
type nobody struct{}

func (nobody) Ask(context.Context, Question) (string, error) { return "", ErrNobody }
func (nobody) Tell(Notice)                                   {}
func (nobody) Origin() Origin                                { return Origin{} }

// slow takes its time to answer.
type slow struct {
	nobody
	time.Duration
}

func (s slow) Ask(context.Context, Question) (string, error) {
	time.Sleep(s.Duration)
	return "yes", nil
}

func resolve(t *testing.T, config, host string) route.Route {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	files, err := sshconfig.Load(file, sshconfig.Env{})
	if err != nil {
		t.Fatal(err)
	}
	rt, err := route.Resolve(t.Context(), files, sshconfig.Query{Host: host})
	if err != nil {
		t.Fatal(err)
	}
	return rt
}

func TestClockStandsStillForQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended atomic.Int64
		start := time.Now()
		c := newClock(slow{Duration: time.Hour}, time.Minute, func() { ended.Store(int64(time.Since(start))) }, func(Notice) {})
		defer c.stop()
		time.Sleep(20 * time.Second)
		for range 2 {
			if _, err := c.Ask(t.Context(), Question{}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
		}
		if got := c.at(time.Now()); got != 40*time.Second {
			t.Errorf("the clock shows %v, want 40s", got)
		}
		if got := time.Duration(ended.Load()); got != 0 {
			t.Errorf("ended after %v", got)
		}
		time.Sleep(time.Minute)
		if got, want := time.Duration(ended.Load()), 2*time.Hour+time.Minute; got != want {
			t.Errorf("ended after %v, want %v", got, want)
		}
	})
}

func TestRunLeavesNothing(t *testing.T) {
	sshtest.LeakCheck(t)
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump"}, sshtest.HostConfig{Name: "target"})
	var began, ended []string
	report := Run(t.Context(), Config{Route: resolve(t, c.Config(), "target"), Asker: nobody{},
		Began: func(h *Hop, stage string) { began = append(began, h.Name+" "+stage) },
		Ended: func(h *Hop, s Step) { ended = append(ended, h.Name+" "+s.Stage) },
	})
	if !report.OK || len(began) != len(ended) || len(began) != 14 {
		t.Errorf("%+v; began %q, ended %q", report, began, ended)
	}
	for i := range began {
		if began[i] != ended[i] {
			t.Errorf("%q began and %q ended", began[i], ended[i])
		}
	}
	c.Host("target").Kill()
	if report := Run(t.Context(), Config{Route: resolve(t, c.Config(), "target"), Asker: nobody{}}); report.OK || report.Hops[1].Failure.Cause != hop.CauseFarRefused {
		t.Errorf("%+v", report.Hops[1])
	}
}

// TestEveryAddress has a host with three addresses: one answers first, one
// answers as well, one is closed.
func TestEveryAddress(t *testing.T) {
	sshtest.LeakCheck(t)
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "box", ListenAddr: "127.0.0.2"})
	rt := resolve(t, c.Config(), "box")
	port := rt.Hops[0].Options.Port
	found := &Hop{}
	run := &test{clock: newClock(nobody{}, time.Minute, func() {}, func(Notice) {})}
	defer run.clock.stop()
	w := &watch{test: run, found: found}
	addrs := []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.3"), netip.MustParseAddr("::1")}
	w.event(hop.Event{At: time.Now(), What: hop.Resolved, Addrs: addrs})
	used := netip.AddrPortFrom(addrs[0], uint16(port)).String()
	w.event(hop.Event{At: time.Now(), What: hop.Connecting, Addr: used})
	w.event(hop.Event{At: time.Now(), What: hop.Connecting, Addr: netip.AddrPortFrom(addrs[1], uint16(port)).String()})
	w.event(hop.Event{At: time.Now(), What: hop.Connected, Addr: used})
	w.event(hop.Event{At: time.Now(), What: hop.Connected, Addr: netip.AddrPortFrom(addrs[1], uint16(port)).String(), Err: context.Canceled})
	w.finish(nil)
	run.otherAddresses(t.Context(), rt.Hops[0], found)
	if a := found.Addresses; len(a) != 3 || !a[0].Used || !a[0].OK || a[1].OK || a[1].Error != "connection refused" ||
		a[2].OK || a[2].Error == "" || a[2].Addr != netip.AddrPortFrom(addrs[2], uint16(port)).String() {
		t.Errorf("%+v", found.Addresses)
	}
}
