package main_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sallyport/internal/sshtest"
)

const (
	// chaosBound is what no request may take: five dials of 5 s, the answers in
	// authentication (30 s each where a server is frozen there), and a lost
	// session's keepalives.
	chaosBound = 90 * time.Second
	// chaosFor is the length of a run in "make test"; "make chaos" sets
	// SALLY_CHAOS_FOR, and prints the seed for SALLY_CHAOS_SEED.
	chaosFor = time.Minute
)

// chaos is a run: a chain of hosts with a proxy before each, a load, and
// somebody who breaks things.
type chaos struct {
	*user
	t       *testing.T
	chain   *sshtest.Chain
	proxies map[string]*sshtest.Proxy
	rng     *rand.Rand
	length  time.Duration
	began   time.Time
	over    chan struct{} // closed when the load is to end
	tally   *chaosTally

	mu    sync.Mutex
	kills map[string][]time.Time // of a host's processes, those of sessions too
	upset map[string]int         // actions taken
}

// TestChaos kills, freezes, delays, drops and restarts hops and the daemon at
// random under a steady load. Every transfer ends with the right checksum or a
// clear error, no request takes more than its bound, and nothing is left.
func TestChaos(t *testing.T) {
	t.Parallel()
	c := newChaos(t)
	c.must("target1", "true")
	idle := c.afterDown()
	var load sync.WaitGroup
	for name, worker := range c.workers() {
		load.Go(func() { c.work(name, worker) })
	}
	c.rage()
	c.heal()
	// With the load still on, all must go well again soon.
	if !poll(chaosBound, func() bool { return c.sally("target1", "true").code == 0 && c.sally("target2", "true").code == 0 }) {
		t.Error("the hosts are not reachable again")
	}
	close(c.over)
	load.Wait()
	c.tally.report(c)
	c.lookForLeaks(idle)
}

func newChaos(t *testing.T) *chaos {
	c := &chaos{t: t, proxies: map[string]*sshtest.Proxy{}, over: make(chan struct{}), length: chaosFor,
		tally: newChaosTally(), kills: map[string][]time.Time{}, upset: map[string]int{}}
	seed := uint64(20)
	if s := os.Getenv("SALLY_CHAOS_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	if s := os.Getenv("SALLY_CHAOS_FOR"); s != "" {
		var err error
		if c.length, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	c.rng = rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d, for %v", seed, c.length)
	host := func(name, via string) sshtest.HostConfig {
		return sshtest.HostConfig{Name: name, Via: via, Through: func(addr string) string {
			c.proxies[name] = sshtest.NewProxy(t, addr)
			return c.proxies[name].Addr
		}}
	}
	c.chain = sshtest.NewChain(t, host("jump1", ""), host("jump2", "jump1"), host("target1", "jump2"), host("target2", "jump2"))
	config := filepath.Join(c.chain.Dir(), "chaos")
	writeFile(t, config, "ConnectTimeout 5\nServerAliveInterval 3\nServerAliveCountMax 2\n"+c.chain.Config())
	c.user = newUserWith(t, config)
	c.began = time.Now()
	return c
}

// rage breaks things until the time is over. The daemon is left alone in the
// last third, so that what it leaks adds up.
func (c *chaos) rage() {
	names := []string{"jump1", "jump2", "target1", "target2"}
	for time.Since(c.began) < c.length {
		time.Sleep(time.Duration(100+c.rng.IntN(1800)) * time.Millisecond)
		name := names[c.rng.IntN(len(names))]
		host, proxy := c.chain.Host(name), c.proxies[name]
		while := time.Duration(200+c.rng.IntN(5000)) * time.Millisecond
		what := ""
		switch n := c.rng.IntN(100); {
		case n < 10:
			what = "kill connections of " + name
			c.killing(name, host.Drop)
		case n < 17:
			what = fmt.Sprintf("%s is down for %v", name, while)
			c.killing(name, host.Kill)
			time.Sleep(while)
			host.Restart()
		case n < 30:
			what = fmt.Sprintf("freeze %s for %v", name, while)
			host.Freeze()
			time.Sleep(while)
			host.Thaw()
		case n < 38:
			what = "freeze for ever " + name // until it is killed
			host.Freeze()
		case n < 47:
			what = "delay of " + name
			proxy.Delay(time.Duration(c.rng.IntN(150)) * time.Millisecond)
		case n < 54:
			what = fmt.Sprintf("nothing passes to %s for %v", name, while)
			proxy.Stall()
			time.Sleep(while)
			proxy.Resume()
		case n < 64:
			what = "black-hole connections of " + name
			proxy.Swallow()
		case n < 76:
			what = "reset connections of " + name
			proxy.Reset()
		case n < 82:
			what = "sally down " + name
			c.killing("stock", func() { c.sally("down", name) })
		default:
			if what = c.upsetDaemon(while); what == "" {
				continue
			}
		}
		c.did(what)
	}
}

// upsetDaemon kills, ends or stops the daemon.
func (c *chaos) upsetDaemon(while time.Duration) (what string) {
	daemons := c.processes("daemon")
	if len(daemons) != 1 {
		return ""
	}
	pid, early := daemons[0].PID, time.Since(c.began) < c.length*2/3
	switch n := c.rng.IntN(3); {
	case n == 0 && early:
		c.killing("stock", func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
		return "kill the daemon"
	case n == 1 && early:
		c.killing("stock", func() { _ = syscall.Kill(pid, syscall.SIGTERM) })
		return "end the daemon"
	}
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	time.Sleep(while)
	_ = syscall.Kill(pid, syscall.SIGCONT)
	return fmt.Sprintf("stop the daemon for %v", while)
}

// did notes an action, without what differs each time.
func (c *chaos) did(what string) {
	if testing.Verbose() {
		c.t.Logf("%7.1fs %s", time.Since(c.began).Seconds(), what)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	kind, _, _ := strings.Cut(what, " for ")
	for name := range c.proxies {
		kind = strings.ReplaceAll(kind, name, "a hop")
	}
	c.upset[kind]++
}

// killing notes when a host's processes were killed.
func (c *chaos) killing(name string, kill func()) {
	note := func() {
		c.mu.Lock()
		c.kills[name] = append(c.kills[name], time.Now())
		c.mu.Unlock()
	}
	note()
	kill()
	note()
}

// killed reports whether a host's processes were killed since.
func (c *chaos) killed(name string, since time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, at := range c.kills[name] {
		if at.After(since.Add(-time.Second)) {
			return true
		}
	}
	return false
}

// heal ends all that was done.
func (c *chaos) heal() {
	for name, proxy := range c.proxies {
		proxy.Delay(0)
		proxy.Resume()
		proxy.Reset() // a black hole keeps its ends apart for ever
		c.chain.Host(name).Thaw()
	}
	for _, p := range c.processes("daemon") {
		_ = syscall.Kill(p.PID, syscall.SIGCONT)
	}
}

// footprint is what the daemon has open when nothing is up.
type footprint struct{ files, goroutines int }

// afterDown closes all connections and measures what is left.
func (c *chaos) afterDown() footprint {
	c.sally("down", "--all")
	status := c.status()
	files, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", status.PID))
	return footprint{len(files), status.Goroutines}
}

// lookForLeaks wants no more than there was at the beginning.
func (c *chaos) lookForLeaks(idle footprint) {
	if r := c.sally("forward", "rm", "all"); r.code != 0 {
		c.t.Errorf("forward rm: %+v", r)
	}
	var now footprint
	if !poll(chaosBound, func() bool {
		now = c.afterDown()
		return now.files <= idle.files && now.goroutines <= idle.goroutines
	}) {
		c.t.Errorf("left: %+v, at the beginning %+v", now, idle)
	}
	c.t.Logf("at the end %+v, at the beginning %+v", now, idle)
	if n := len(c.processes("")); n != 1 {
		c.t.Errorf("processes: %v", c.processes(""))
	}
	for name := range c.proxies {
		if !poll(soon, func() bool { return c.chain.Host(name).Open() == 0 }) {
			c.t.Errorf("%s: %d connections left", name, c.chain.Host(name).Open())
		}
	}
}
