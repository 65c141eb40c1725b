package main_test

import (
	"strings"
	"testing"
	"time"

	"sallyport/internal/sshtest"
)

// TestFailureWithinAChain has the last or the middle one of three hops fail, at
// each stage. The hops before it are let go: those that are not kept end, those
// that somebody uses stay, and nothing is left half-open.
func TestFailureWithinAChain(t *testing.T) {
	sshtest.LeakCheck(t)
	c := twoJumps(t)
	jump1, jump2 := c.Host("jump1"), c.Host("jump2")
	closed := strings.Replace(like(c, "target", "closed", c.Host("target").Addr, "ProxyJump jump2"), c.Host("target").IdentityFile(), jump1.IdentityFile(), 1)
	// As the last hop behind both jump hosts, and as the middle one behind jump1.
	config := impatient("silent", "middle-silent") + c.Config() + closed + like(c, "target", "impostor", jump1.Addr, "ProxyJump jump2")
	failing := []string{"closed", "impostor"}
	for _, b := range broken(t) {
		if b.name != "refuses" && b.name != "resets" && b.name != "silent" {
			continue // how a connection ends is as with one of these
		}
		config += like(c, "target", b.name, b.addr, "ProxyJump jump2") +
			like(c, "jump2", "middle-"+b.name, b.addr, "ProxyJump jump1") + like(c, "target", "far-"+b.name, c.Host("target").Addr, "ProxyJump middle-"+b.name)
		failing = append(failing, b.name, "far-"+b.name)
	}
	fails := func(r *resident, host string) {
		t.Helper()
		if got := r.sally(host, "true"); got.code != 255 || got.took > inTime {
			t.Errorf("%s: %+v", host, got)
		}
	}

	r := newResident(t, "ControlPersist no\n"+config)
	for _, host := range failing {
		fails(r, host)
		if !poll(inTime, func() bool { return jump1.Open() == 0 && jump2.Open() == 0 }) {
			t.Errorf("%s: %d and %d connections are left at the jump hosts", host, jump1.Open(), jump2.Open())
		}
	}
	user := r.begin("jump1", "echo in; cat")
	user.expect(t, "in\n")
	fails(r, "closed")
	fails(r, "far-silent")
	if !poll(inTime, func() bool { return jump2.Open() == 0 }) || jump1.Open() != 1 {
		t.Errorf("%d and %d connections at the jump hosts, of which the first is used", jump1.Open(), jump2.Open())
	}
	user.in.Close()
	if got := user.end(); got.code != 0 {
		t.Errorf("the session on the jump host: %+v", got)
	}
	r.leftNothing()

	// What ControlPersist keeps is kept: the login was good, and the next
	// command need not do it again. Nobody holds it.
	r = newResident(t, config)
	before := jump1.AcceptedLogins()
	for _, host := range failing {
		fails(r, host)
	}
	if s := r.sally("status"); strings.Count(s.out, "expires in") != 2 || strings.Contains(s.out, "connecting") || jump1.Open() != 1 || jump2.Open() != 1 {
		t.Errorf("%d and %d connections at the jump hosts; status is\n%s", jump1.Open(), jump2.Open(), s.out)
	}
	if n := jump1.AcceptedLogins() - before; n != 1 {
		t.Errorf("%d logins at the first jump host", n)
	}
	r.leftNothing()
}

// TestEverythingIsSilent has every address of every way accept connections and
// say nothing: it ends within the bounds of all of them, one after the other or
// beside each other.
func TestEverythingIsSilent(t *testing.T) {
	sshtest.LeakCheck(t)
	c := forest(t)
	var config string
	for _, policy := range []string{"order", "race"} {
		two := func(name string, more ...string) string {
			return like(c, "jump1", name+policy, sshtest.SilentPeer(t).Addr, append(more, alternate(sshtest.SilentPeer(t).Addr), "AlternatePolicy "+policy)...)
		}
		config += two("a") + two("end", "ProxyJump a"+policy, "AlternateProxyJump none")
	}
	r := newResident(t, "ConnectTimeout 1\n"+config)
	for policy, atLeast := range map[string]time.Duration{"order": 4 * time.Second, "race": time.Second} {
		got := r.sally("end"+policy, "true")
		if got.code != 255 || got.took < atLeast || got.took > inTime {
			t.Errorf("%s: exit code %d after %v", policy, got.code, got.took)
		}
		if strings.Count(got.err, "the server said nothing for ") != 4 {
			t.Errorf("%s: not each of four addresses is told of:\n%s", policy, got.err)
		}
	}
	r.leftNothing()
}

// TestAlternatesAsSSH has ssh's own face use the other address and way.
func TestAlternatesAsSSH(t *testing.T) {
	sshtest.LeakCheck(t)
	c := forest(t)
	target := c.Host("target")
	r := newResident(t, longTimeout+c.Config()+like(c, "target", "here", sshtest.SilentPeer(t).Addr, alternate(target.Addr))+
		like(c, "jump1", "gone", sshtest.RefusedPort(t))+like(c, "target", "there", target.Addr, "ProxyJump gone", "AlternateProxyJump jump2"))
	for _, host := range []string{"here", "there"} {
		before := target.AcceptedLogins()
		if got := r.sally("ssh", host, "echo", host); got.code != 0 || got.out != host+"\n" || got.err != "" || got.took > inTime {
			t.Errorf("%s: %+v", host, got)
		}
		if n := target.AcceptedLogins() - before; n != 1 {
			t.Errorf("%s: %d logins", host, n)
		}
	}
	before := target.Connections()
	if got := r.sally("ssh", "-J", "gone", "there", "true"); got.code != 255 || !strings.Contains(got.err, "refused") || target.Connections() != before {
		t.Errorf("-J chooses the only way: %+v", got)
	}
	r.leftNothing()
}

// TestUndefinedJump has jump hosts that no block defines and no resolver knows.
// The target is not gone to directly, whatever else is tried.
func TestUndefinedJump(t *testing.T) {
	sshtest.LeakCheck(t)
	c := forest(t)
	target := c.Host("target")
	r := newResident(t, c.Config()+
		like(c, "target", "one", target.Addr, "ProxyJump nowhere.invalid")+
		like(c, "target", "two", target.Addr, "ProxyJump nowhere.invalid", "AlternateProxyJump elsewhere.invalid")+
		like(c, "target", "good", target.Addr, "ProxyJump nowhere.invalid", "AlternateProxyJump jump2"))
	for host, names := range map[string][]string{"one": {"nowhere.invalid"}, "two": {"nowhere.invalid", "elsewhere.invalid"}} {
		got := r.sally(host, "true")
		if got.code != 255 || got.took > inTime {
			t.Errorf("%s: %+v", host, got)
		}
		for _, name := range names {
			if !strings.Contains(got.err, name+" ("+name+":22): resolve: ") {
				t.Errorf("%s: no word about %s:\n%s", host, name, got.err)
			}
		}
	}
	if n := target.Connections(); n != 0 {
		t.Errorf("%d connections to the target", n)
	}
	if got := r.sally("good", "echo there"); got.out != "there\n" {
		t.Errorf("by the other way: %+v", got)
	}
	r.leftNothing()
}

// TestAlternatesAreTested has a test of a host whose first address refuses, and
// whose jump host has another way in.
func TestAlternatesAreTested(t *testing.T) {
	sshtest.LeakCheck(t)
	c := forest(t)
	refused, target := sshtest.RefusedPort(t), c.Host("target")
	r := newResident(t, longTimeout+c.Config()+like(c, "jump1", "first", refused, alternate(c.Host("jump1").Addr))+
		like(c, "target", "here", target.Addr, "ProxyJump first", "AlternateProxyJump jump1,jump2 none"))
	got := r.sally("test", "here")
	if got.code != 0 {
		t.Errorf("exit code %d: %s", got.code, got.err)
	}
	rest := got.out
	for _, want := range []string{"  FAILED connect ", "  ok     connect ", c.Host("jump1").Addr + "\n", "here (",
		"note: first: its address " + refused + " does not answer: connection refused\n",
		"note: here: another way to it is not tested: via jump1 → jump2\n",
		"note: here: another way to it is not tested: directly\n", "here: good"} {
		i := strings.Index(rest, want)
		if i < 0 {
			t.Fatalf("no %q, or too early, in\n%s", want, got.out)
		}
		rest = rest[i+len(want):]
	}
	if strings.Count(got.out, "FAILED") != 1 {
		t.Errorf("another stage failed:\n%s", got.out)
	}
	r.leftNothing()
}
