package main_test

import (
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/internal/sshtest"
)

// The tests that are called TestCost bound what must not grow, as ratios and
// counts and never in seconds: "make bench-check" runs them by themselves.

// TestCostOfAWarmCommandInRoundTrips: on a connection that has just been used, a
// command takes one round trip: its channel is open already.
func TestCostOfAWarmCommandInRoundTrips(t *testing.T) {
	const rtt = 500 * time.Millisecond
	var link *sshtest.Proxy
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "target", Through: func(addr string) string {
		link = sshtest.NewProxy(t, addr)
		return link.Addr
	}})
	u := newUser(t, c)
	u.must("target", "true")
	link.Delay(rtt)
	best := time.Hour
	for range 4 { // what is kept ready takes round trips of its own to get so
		begun := time.Now()
		u.must("target", "true")
		if best = min(best, time.Since(begun)); best < 2*rtt {
			break
		}
		time.Sleep(3 * time.Second) // as a person's next command may take
	}
	if best >= 2*rtt {
		t.Errorf("the fastest command took %v with a round trip of %v: two of them or more", best, rtt)
	}
	wantOneLogin(t, c, "target")
}

// TestCostOfManyCommands: however many commands go to a target, each host of the
// chain sees one login, and this side has one process more.
func TestCostOfManyCommands(t *testing.T) {
	c := twoJumps(t)
	u := newUser(t, c)
	var commands sync.WaitGroup
	for range 8 {
		commands.Go(func() {
			if r := u.sally("target", "true"); r.code != 0 {
				t.Errorf("a command ended with %d: %s", r.code, r.err)
			}
		})
	}
	commands.Wait()
	wantOneLogin(t, c, "jump1", "jump2", "target")
	if left := u.processes("daemon"); len(left) != 1 {
		t.Errorf("there are %d daemons: %v", len(left), left)
	}
	if all := u.processes(""); len(all) != 1 {
		t.Errorf("besides the daemon there are %v", all)
	}
}

// What the packages do before main, all together: a start-up beyond that is
// felt with each command. Counts of allocations hardly vary between machines.
const (
	maxInitAllocs  = 1600
	maxInitPackage = 400
)

// TestCostOfStarting: nothing that is linked in makes every command pay for it.
func TestCostOfStarting(t *testing.T) {
	cmd := newUserWith(t, "none").cmd("-V")
	cmd.Env = append(cmd.Env, "GODEBUG=inittrace=1")
	trace, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, trace)
	}
	// "init PACKAGE @0.5 ms, 0.1 ms clock, 1024 bytes, 12 allocs"
	line := regexp.MustCompile(`(?m)^init (\S+) .* (\d+) allocs$`)
	total, packages := 0, line.FindAllSubmatch(trace, -1)
	for _, m := range packages {
		n, err := strconv.Atoi(string(m[2]))
		if err != nil {
			t.Fatal(err)
		}
		if total += n; n > maxInitPackage {
			t.Errorf("the start of package %s makes %d allocations", m[1], n)
		}
	}
	if len(packages) == 0 || total > maxInitAllocs {
		t.Errorf("%d packages make %d allocations before main, more than %d:\n%s", len(packages), total, maxInitAllocs, trace)
	}
	t.Logf("%d packages, %d allocations", len(packages), total)
}

// TestSpareKeepsToMaxSessions: what is kept ready is never one more than the
// server allows.
func TestSpareKeepsToMaxSessions(t *testing.T) {
	const rtt = 50 * time.Millisecond // or there would be none
	var link *sshtest.Proxy
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "target", ExtraConfig: []string{"MaxSessions 1"}, Through: func(addr string) string {
		link = sshtest.NewProxy(t, addr)
		return link.Addr
	}})
	u := newUser(t, c)
	link.Delay(rtt)
	for i := range 6 {
		u.must("target", "true")
		time.Sleep(time.Duration(i+1) * rtt) // before it is asked for, meanwhile, and when it is there
	}
	if log := c.Host("target").Log(); strings.Contains(log, "no more sessions") {
		t.Errorf("the server was asked for more sessions than it allows:\n%s", log)
	}
	wantOneLogin(t, c, "target")
}
