package main_test

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"sallyport/internal/sshtest"
)

func contains(file, text string) bool {
	got, err := os.ReadFile(file)
	return err == nil && strings.Contains(string(got), text)
}

// hostBlock is a Host block for an address.
func hostBlock(name, addr string, lines ...string) string {
	ip, port, _ := net.SplitHostPort(addr)
	return fmt.Sprintf("Host %s\n HostName %s\n Port %s\n %s\n", name, ip, port, strings.Join(lines, "\n "))
}

// TestUnreachable goes to addresses where no SSH server answers as it should,
// directly and through a jump host. Each is one line that names hop, way and
// stage, in the time that ConnectTimeout allows.
func TestUnreachable(t *testing.T) {
	sshtest.LeakCheck(t)
	c := oneJump(t)
	const limit = time.Second
	cases := []struct {
		name, addr string
		direct     string // what is said after the hop's name and address
		behind     string // the same through the jump host
		slow       bool   // it takes the whole ConnectTimeout
	}{
		{"closed", sshtest.RefusedPort(t), "connect: connection refused", `open: connect failed "Connection refused"`, false},
		{"blackhole", sshtest.BlackHole(t), "connect: no answer to the TCP connection for 1s", "open: no answer to the channel request for 1s", true},
		{"silent", sshtest.SilentPeer(t).Addr, "banner: connected, but the server said nothing for 1s", "banner: connected, but the server said nothing for 1s", true},
		{"mute", sshtest.SilentAfterBanner(t).Addr, "key exchange: no answer in the key exchange for 1s", "key exchange: no answer in the key exchange for 1s", true},
		{"reset", sshtest.ResetAfterBanner(t).Addr, "key exchange: the server ", "key exchange: the server closed the connection", false}, // how a reset is noticed depends on who is first
		{"web", sshtest.GarbagePeer(t, []byte("HTTP/1.1 400 Bad Request\r\n\r\n")).Addr, `banner: not an SSH server: it said "HTTP/1.1 400 Bad Request`, `banner: not an SSH server: it said "HTTP/1.1 400 Bad Request`, true},
		{"noise", sshtest.EndlessPeer(t, []byte("\x00\xff\x1b[31mnoise\n")).Addr, `banner: not an SSH server: it said "\x00\xff\x1b[31mnoise`, `banner: not an SSH server: it said "\x00\xff\x1b[31mnoise`, false},
		{"closing", sshtest.NewPeer(t, func(net.Conn) {}).Addr, "banner: closed the connection before saying anything", "banner: closed the connection before saying anything", false},
	}
	config := fmt.Sprintf("ConnectTimeout %d\nIdentitiesOnly yes\nIdentityFile %s\n", limit/time.Second, c.Host("jump").IdentityFile()) + c.Config()
	for _, tc := range cases {
		config += hostBlock(tc.name, tc.addr) + hostBlock("far-"+tc.name, tc.addr, "ProxyJump jump")
	}
	r := newResident(t, config)
	if up := r.sally("up", "jump"); up.code != 0 {
		t.Fatalf("up: %+v", up)
	}
	for _, tc := range cases {
		for _, try := range []struct{ host, way, want string }{{tc.name, "", tc.direct}, {"far-" + tc.name, " via jump", tc.behind}} {
			t.Run(try.host, func(t *testing.T) {
				var took time.Duration
				for range 3 { // a busy machine may be late
					got := r.sally(try.host, "true")
					wantError(t, got, fmt.Sprintf("%s (%s)%s: %s", try.host, tc.addr, try.way, try.want))
					if got.code != 255 || got.out != "" {
						t.Errorf("exit code %d, stdout %q", got.code, got.out)
					}
					if tc.slow && got.took < limit {
						t.Errorf("took %v, with ConnectTimeout %v", got.took, limit)
					}
					if took = got.took; took <= limit+900*time.Millisecond {
						return
					}
				}
				t.Errorf("took %v, with ConnectTimeout %v", took, limit)
			})
		}
	}
	r.leftNothing()
}

// TestBadChains are mistakes in the configuration: nothing is dialled.
func TestBadChains(t *testing.T) {
	sshtest.LeakCheck(t)
	r := newResident(t, `
Host a
 ProxyJump b
Host b
 ProxyJump c
Host c
 ProxyJump b
Host self
 ProxyJump self
Host lost
 ProxyJump undefined.invalid
`)
	cases := []struct{ host, first, more string }{
		{"a", "jump loop: a → b → c → b", "ProxyJump none"},
		{"self", "jumphost loop via self", ""}, // ssh's words
		{"lost", "undefined.invalid (undefined.invalid:22): resolve: ", "undefined.invalid"},
	}
	for _, tc := range cases {
		got := r.sally(tc.host, "true")
		wantError(t, got, tc.first, tc.more)
		if got.code != 255 || got.took > soon {
			t.Errorf("%s: exit code %d after %v", tc.host, got.code, got.took)
		}
	}
	r.leftNothing()
}

// TestJumpDiesInMidSession kills a jump host under a running session, then
// brings it back: the next command dials anew.
func TestJumpDiesInMidSession(t *testing.T) {
	sshtest.LeakCheck(t)
	c := twoJumps(t)
	r := newResident(t, c.Config())
	session := r.begin("target", "echo running; cat")
	session.expect(t, "running")
	c.Host("jump1").Kill()
	start := time.Now()
	got := session.end()
	wantError(t, got, "jump1 ("+c.Host("jump1").Addr+"): alive: the server ")
	if took := time.Since(start); got.code != 255 || took > soon {
		t.Errorf("exit code %d after %v", got.code, took)
	}
	got = r.sally("target", "true")
	wantError(t, got, "jump1 ("+c.Host("jump1").Addr+"): connect: connection refused")
	c.Host("jump1").Restart()
	if got := r.sally("target", "echo back"); got.out != "back\n" || got.code != 0 {
		t.Errorf("after the restart: %+v", got)
	}
	r.leftNothing()
}

// TestFrozenJump stops a jump host's processes: its connection stays open and
// is silent. Keepalives notice; the session ends, and a command that waits to
// begin goes on over new connections.
func TestFrozenJump(t *testing.T) {
	sshtest.LeakCheck(t)
	c := twoJumps(t)
	r := newResident(t, "ServerAliveInterval 1\nServerAliveCountMax 2\n"+c.Config())
	session := r.begin("target", "echo running; cat")
	session.expect(t, "running")
	c.Host("jump1").Freeze()
	defer c.Host("jump1").Thaw()
	start := time.Now()
	if got := r.sally("target", "echo anew"); got.code != 0 || got.out != "anew\n" {
		t.Errorf("a command through the frozen hop: %+v", got)
	}
	got := session.end()
	wantError(t, got, "jump1 ("+c.Host("jump1").Addr+"): alive: no answer to keepalive for 2s")
	if took := time.Since(start); got.code != 255 || took > soon {
		t.Errorf("exit code %d after %v", got.code, took)
	}
	if got := r.sally("target", "echo again"); got.out != "again\n" { // over new connections
		t.Errorf("afterwards: %+v", got)
	}
	r.leftNothing()
}

// TestFrozenTarget is noticed by a check, which has a deadline.
func TestFrozenTarget(t *testing.T) {
	sshtest.LeakCheck(t)
	c := oneJump(t)
	r := newResident(t, c.Config())
	if got := r.sally("up", "jump"); got.code != 0 {
		t.Fatalf("up: %+v", got)
	}
	c.Host("jump").Freeze()
	got := r.sally("check", "jump")
	c.Host("jump").Thaw()
	wantError(t, got, "jump ("+c.Host("jump").Addr+"): alive: no answer to keepalive for 5s")
	if got.code != 1 || got.took < 5*time.Second || got.took > soon {
		t.Errorf("exit code %d after %v", got.code, got.took)
	}
	r.leftNothing()
}

// TestPrivateConnection fails and succeeds without a daemon, and leaves
// nothing either way.
func TestPrivateConnection(t *testing.T) {
	sshtest.LeakCheck(t)
	c := twoJumps(t)
	r := newResident(t, impatient("silent")+c.Config()+hostBlock("silent", sshtest.SilentPeer(t).Addr, "ProxyJump jump2"))
	if got := r.sally("--no-daemon", "target", "echo alone; exit 7"); got.code != 7 || got.out != "alone\n" || got.err != "" {
		t.Errorf("%+v", got)
	}
	wantError(t, r.sally("--no-daemon", "silent", "true"), "silent (", "via jump2: banner: connected, but the server said nothing for 1s")
	for _, name := range []string{"jump1", "jump2", "target"} {
		await(t, name+" has no connection left", func() bool { return c.Host(name).Open() == 0 })
	}
	if got := r.sally("status"); strings.Contains(got.out, "jump1") {
		t.Errorf("the daemon has it: %s", got.out)
	}
	r.leftNothing()
}
