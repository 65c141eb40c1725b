package main_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"sallyport/internal/sshtest"
)

// another way is one more line of a host.
func alternate(addr string) string { return "AlternateAddress " + addr }

// inTime is far more than a head start and a handshake take on a busy machine,
// and far less than longTimeout, which is how long each address may be silent.
const (
	inTime      = 20 * time.Second
	longTimeout = "ConnectTimeout 60\n"
)

// resetAtBanner identifies itself and resets the connection at once.
func resetAtBanner(t *testing.T) string {
	return sshtest.NewPeer(t, func(c net.Conn) {
		io.WriteString(c, "SSH-2.0-Sshtest\r\n")
		if tcp, ok := c.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
	}).Addr
}

// broken are addresses that lead nowhere, each in its way.
func broken(t *testing.T) []struct{ name, addr string } {
	return []struct{ name, addr string }{
		{"refuses", sshtest.RefusedPort(t)},
		{"blackhole", sshtest.BlackHole(t)},
		{"resets", resetAtBanner(t)},
		{"resets-later", sshtest.ResetAfterBanner(t).Addr},
		{"silent", sshtest.SilentPeer(t).Addr},
		{"mute", sshtest.SilentAfterBanner(t).Addr},
		{"web", sshtest.GarbagePeer(t, []byte("HTTP/1.1 400 Bad Request\r\n\r\n")).Addr},
	}
}

// like is a block for a host of the chain at another address: its key, user and
// identity are the host's.
func like(c *sshtest.Chain, host, name, addr string, lines ...string) string {
	h := c.Host(host)
	return hostBlock(name, addr, append([]string{
		"HostKeyAlias " + bracketed(h.Addr), "UserKnownHostsFile " + c.KnownHostsFile(), "GlobalKnownHostsFile /dev/null",
		"StrictHostKeyChecking yes", "IdentitiesOnly yes", "IdentityFile " + h.IdentityFile(), "User " + h.User(),
	}, lines...)...)
}

// bracketed is an address as known_hosts has it.
func bracketed(addr string) string {
	host, port, _ := net.SplitHostPort(addr)
	return "[" + host + "]:" + port
}

func jumpAndTarget(t *testing.T) *sshtest.Chain {
	return sshtest.NewChain(t, sshtest.HostConfig{Name: "jump"}, sshtest.HostConfig{Name: "target"})
}

// TestAlternateAddress has a host whose first address leads nowhere, directly
// and behind a jump host. The second one is tried after the head start, or at
// once after a failure, and status shows it.
func TestAlternateAddress(t *testing.T) {
	sshtest.LeakCheck(t)
	c := jumpAndTarget(t)
	good := c.Host("target").Addr
	config, bad := longTimeout+c.Config(), broken(t)
	for _, b := range bad {
		config += like(c, "target", b.name, b.addr, alternate(good)) +
			like(c, "target", "far-"+b.name, b.addr, alternate(good), "ProxyJump jump")
	}
	r := newResident(t, config)
	if up := r.sally("up", "jump"); up.code != 0 {
		t.Fatalf("up: %+v", up)
	}
	for _, b := range bad {
		for _, host := range []string{b.name, "far-" + b.name} {
			before := c.Host("target").AcceptedLogins()
			got := r.sally(host, "echo there")
			if got.code != 0 || got.out != "there\n" || got.err != "" || got.took > inTime {
				t.Errorf("%s: %+v", host, got)
			}
			if n := c.Host("target").AcceptedLogins() - before; n != 1 {
				t.Errorf("%s: %d logins", host, n)
			}
			if s := r.sally("status"); !strings.Contains(s.out, host+" (") || !strings.Contains(s.out, ") at "+good+", up") {
				t.Errorf("%s: status is\n%s", host, s.out)
			}
			r.sally("down", host)
		}
	}
	if n := c.Host("jump").AcceptedLogins(); n != 1 {
		t.Errorf("%d logins at the jump host", n)
	}
	r.leftNothing()
}

// TestTheLastGoodAddressIsFirst goes to a host twice: the second time its first
// address is not tried.
func TestTheLastGoodAddressIsFirst(t *testing.T) {
	sshtest.LeakCheck(t)
	c := jumpAndTarget(t)
	silent := sshtest.SilentPeer(t)
	r := newResident(t, longTimeout+c.Config()+like(c, "target", "here", silent.Addr, alternate(c.Host("target").Addr)))
	for range 3 {
		if got := r.sally("here", "true"); got.code != 0 || got.err != "" {
			t.Fatalf("%+v", got)
		}
		r.sally("down", "here")
	}
	if n := silent.Connections(); n != 1 {
		t.Errorf("the first address was tried %d times", n)
	}
	got := r.sally("-v", "here", "true")
	if !strings.Contains(got.err, "here: connecting") {
		t.Errorf("-v does not tell that it connects:\n%s", got.err)
	}
	if !strings.Contains(got.err, c.Host("target").Addr) {
		t.Errorf("-v does not tell the address:\n%s", got.err)
	}
	if strings.Contains(got.err, silent.Addr) {
		t.Errorf("-v tells of the address that was not tried:\n%s", got.err)
	}
	r.leftNothing()
}

// TestNoAlternateAfterAnImpostor has the wrong machine at the first address:
// nothing else is tried, since somebody is there.
func TestNoAlternateAfterAnImpostor(t *testing.T) {
	sshtest.LeakCheck(t)
	c := twoJumps(t)
	good, other := c.Host("target"), c.Host("jump2")
	silent := sshtest.SilentPeer(t)
	nobody := like(c, "target", "refused", good.Addr, alternate(silent.Addr))
	nobody = strings.Replace(nobody, good.IdentityFile(), other.IdentityFile(), 1)
	r := newResident(t, longTimeout+c.Config()+
		like(c, "target", "impostor", other.Addr, alternate(good.Addr))+
		like(c, "target", "far-impostor", other.Addr, alternate(good.Addr), "ProxyJump jump1")+
		like(c, "target", "late-impostor", silent.Addr, alternate(other.Addr), alternate(good.Addr))+nobody)
	for _, host := range []string{"impostor", "far-impostor", "late-impostor"} {
		got := r.sally(host, "true")
		if got.code != 255 || got.took > inTime || !strings.Contains(got.err, "host key: the key has changed") {
			t.Errorf("%s: %+v", host, got)
		}
		if !strings.Contains(got.err, "at "+other.Addr) && !strings.Contains(got.err, "("+other.Addr+")") {
			t.Errorf("%s: the address is not named: %s", host, got.err)
		}
	}
	if n := good.AcceptedLogins(); n != 0 {
		t.Errorf("the alternate saw %d logins", n)
	}
	before := silent.Connections()
	if got := r.sally("refused", "true"); got.code != 255 || !strings.Contains(got.err, "authenticate: permission denied") {
		t.Errorf("refused: %+v", got)
	}
	if n := silent.Connections() - before; n != 0 {
		t.Errorf("after a refused login %d other addresses were tried", n)
	}
	r.leftNothing()
}

// TestNoAddressWorks has only bad ones: the error has a line for each, within
// the bound.
func TestNoAddressWorks(t *testing.T) {
	sshtest.LeakCheck(t)
	c := jumpAndTarget(t)
	bad := broken(t)
	var more []string
	for _, b := range bad[1:] {
		more = append(more, alternate(b.addr))
	}
	config := impatient("lost", "far-lost", "slow") + c.Config() + like(c, "target", "lost", bad[0].addr, more...) +
		like(c, "target", "far-lost", bad[0].addr, append(more, "ProxyJump jump")...) +
		like(c, "target", "slow", bad[1].addr, alternate(bad[0].addr), "AlternatePolicy order", alternate(bad[4].addr))
	r := newResident(t, config)
	if up := r.sally("up", "jump"); up.code != 0 {
		t.Fatalf("up: %+v", up)
	}
	for host, far := range map[string]bool{"lost": false, "far-lost": true} {
		got := r.sally(host, "true")
		if got.code != 255 || got.took > inTime {
			t.Errorf("%s: exit code %d after %v", host, got.code, got.took)
		}
		for i, want := range []string{"connect: connection refused", "connect: no answer to the TCP connection for ", "", "",
			"banner: connected, but the server said nothing for ", "key exchange: no answer in the key exchange for ", `banner: not an SSH server: it said "HTTP`} {
			if far && i < 2 {
				want = "open: "
			}
			line := lineWith(got.err, "  "+bad[i].addr+" (")
			if !strings.Contains(line, want) || !strings.Contains(line, "s): ") {
				t.Errorf("%s: the line about %s (%s) is %q, want %q in:\n%s", host, bad[i].name, bad[i].addr, line, want, got.err)
			}
		}
	}
	got := r.sally("slow", "true")
	if got.code != 255 || got.took < 2*time.Second || got.took > inTime || strings.Count(got.err, "\n  127.") != 3 {
		t.Errorf("one after the other: %+v", got)
	}
	r.leftNothing()
}

// impatient lets these hosts, which do not answer, take a second only: others,
// on a busy machine, may need it.
func impatient(hosts ...string) string {
	return "Host " + strings.Join(hosts, " ") + "\n ConnectTimeout 1\nHost *\n"
}

// lineWith is the first line that begins with text.
func lineWith(all, text string) string {
	for line := range strings.SplitSeq(all, "\n") {
		if strings.HasPrefix(line, text) {
			return strings.TrimRight(line, "\r")
		}
	}
	return ""
}

// forest has two jump hosts to one target, and one that leads nowhere.
func forest(t *testing.T) *sshtest.Chain {
	return sshtest.NewChain(t, sshtest.HostConfig{Name: "jump1"}, sshtest.HostConfig{Name: "jump2", Via: "none"},
		sshtest.HostConfig{Name: "target", Via: "jump1"})
}

// TestAlternateProxyJump has a target behind a jump host that leads nowhere;
// the other one is tried, and the target sees one login.
func TestAlternateProxyJump(t *testing.T) {
	sshtest.LeakCheck(t)
	c := forest(t)
	target := c.Host("target")
	config, bad := longTimeout+c.Config(), broken(t)
	for _, b := range bad {
		config += like(c, "jump1", "bad-"+b.name, b.addr) +
			like(c, "target", b.name, target.Addr, "ProxyJump bad-"+b.name, "AlternateProxyJump jump2 none")
	}
	config += like(c, "target", "direct", target.Addr, "ProxyJump bad-refuses", "AlternateProxyJump none")
	r := newResident(t, config)
	for i, b := range bad {
		got := r.sally(b.name, "echo there")
		if got.code != 0 || got.out != "there\n" || got.err != "" || got.took > inTime {
			t.Errorf("%s: %+v", b.name, got)
		}
		if n := target.AcceptedLogins(); n != i+1 {
			t.Errorf("%s: %d logins in all", b.name, n)
		}
		s := r.sally("status")
		if line := lineWith(s.out, "└─ "+b.name+" ("); !strings.Contains(line, ", way 2 of 3, ") {
			t.Errorf("%s: status is\n%s", b.name, s.out)
		}
		r.sally("down", b.name)
	}
	if n := c.Host("jump2").AcceptedLogins(); n != 1 {
		t.Errorf("%d logins at the jump host", n)
	}
	if got := r.sally("direct", "echo there"); got.out != "there\n" {
		t.Errorf("direct: %+v", got)
	}
	r.leftNothing()
}

// TestAlternateAfterASilentJump freezes a jump host that is up, and refuses
// forwards on it: the other one is used, and remembered.
func TestAlternateAfterASilentJump(t *testing.T) {
	sshtest.LeakCheck(t)
	c := forest(t)
	two := like(c, "target", "two", c.Host("target").Addr, "ProxyJump jump1", "AlternateProxyJump jump2")
	r := newResident(t, longTimeout+c.Config()+two)
	if up := r.sally("up", "jump1"); up.code != 0 {
		t.Fatalf("up: %+v", up)
	}
	c.Host("jump1").Freeze()
	if got := r.sally("two", "echo there"); got.out != "there\n" || got.took > inTime {
		t.Errorf("frozen: %+v", got)
	}
	c.Host("jump1").Thaw()
	r.sally("down", "--all")
	c.Host("jump1").SetExtra("PermitOpen none")
	r = newResident(t, longTimeout+c.Config()+two)
	if got := r.sally("two", "echo there"); got.out != "there\n" || got.took > inTime {
		t.Errorf("refusing: %+v", got)
	}
	r.sally("down", "--all")
	before := c.Host("jump1").Connections()
	if got := r.sally("two", "echo there"); got.out != "there\n" || c.Host("jump1").Connections() != before {
		t.Errorf("the way that led there is not tried first: %+v", got)
	}
	r.leftNothing()
}

// TestNoAlternateAfterAnImpostorJump stops where a jump host is not the one we
// know, or does not let us in.
func TestNoAlternateAfterAnImpostorJump(t *testing.T) {
	sshtest.LeakCheck(t)
	c := forest(t)
	wrongUser := strings.Replace(like(c, "jump1", "closed", c.Host("jump1").Addr), c.Host("jump1").IdentityFile(), c.Host("target").IdentityFile(), 1)
	r := newResident(t, longTimeout+c.Config()+
		like(c, "jump1", "impostor", c.Host("target").Addr)+wrongUser+
		like(c, "target", "t1", c.Host("target").Addr, "ProxyJump impostor", "AlternateProxyJump jump2")+
		like(c, "target", "t2", c.Host("target").Addr, "ProxyJump closed", "AlternateProxyJump jump2"))
	for host, want := range map[string]string{"t1": "impostor (" + c.Host("target").Addr + "): host key: ", "t2": "closed (" + c.Host("jump1").Addr + "): authenticate: "} {
		got := r.sally(host, "true")
		wantError(t, got, want)
		if got.code != 255 || got.took > inTime {
			t.Errorf("%s: %+v", host, got)
		}
	}
	if n := c.Host("jump2").AcceptedLogins(); n != 0 {
		t.Errorf("the other jump host saw %d logins", n)
	}
	r.leftNothing()
}

// good is the target's address.
func good(c *sshtest.Chain) string { return c.Host("target").Addr }

// TestNoWayWorks lists the ways, each with what was wrong and where.
func TestNoWayWorks(t *testing.T) {
	sshtest.LeakCheck(t)
	c := forest(t)
	bad := broken(t)
	r := newResident(t, impatient("gone", "hole")+c.Config()+like(c, "target", "gone-all", good(c), "ProxyJump gone", "AlternateProxyJump hole")+like(c, "jump1", "gone", bad[0].addr)+like(c, "jump1", "hole", bad[1].addr, alternate(bad[0].addr))+
		like(c, "target", "lost", bad[0].addr, "ProxyJump gone", "AlternateProxyJump hole jump2"))
	got := r.sally("lost", "true")
	if got.code != 255 || got.took > inTime {
		t.Errorf("exit code %d after %v", got.code, got.took)
	}
	rest := got.err
	for _, want := range []string{"sally: lost (" + bad[0].addr + "): open: none of 3 ways leads there",
		"\n  via gone (", "gone (" + bad[0].addr + "): connect: connection refused",
		"\n  via hole (", "hole (" + bad[1].addr + "): connect: none of 2 ways leads there",
		"\n    " + bad[1].addr + " (", "s): connect: no answer", "\n    " + bad[0].addr + " (", "connect: connection refused",
		"\n  via jump2 (", fmt.Sprintf("lost (%s) via jump2: open: connect failed", bad[0].addr)} {
		i := strings.Index(rest, want)
		if i < 0 {
			t.Fatalf("no %q, or too early, in\n%s", want, got.err)
		}
		rest = rest[i+len(want):]
	}
	// The hint is about what failed, not about the target that was not come to.
	if got := r.sally("gone-all", "true"); !strings.Contains(got.err, "hint: ") || strings.Contains(lineWith(got.err, "  hint: "), good(c)) {
		t.Errorf("the hint is not about a jump host:\n%s", got.err)
	}
	r.leftNothing()
}
