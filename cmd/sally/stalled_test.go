package main_test

import (
	"fmt"
	"net"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"sallyport/internal/sshtest"
)

// waysToLose are how a first hop's connection is lost while new ones work.
var waysToLose = map[string]func(*sshtest.Host, *sshtest.Proxy){
	"frozen":      func(h *sshtest.Host, _ *sshtest.Proxy) { h.Freeze() },
	"black-holed": func(_ *sshtest.Host, p *sshtest.Proxy) { p.Swallow() },
	"reset":       func(_ *sshtest.Host, p *sshtest.Proxy) { p.Reset() },
}

// behindProxy is jump → target, with a proxy before the jump.
func behindProxy(t *testing.T) (*sshtest.Chain, *sshtest.Proxy) {
	var proxy *sshtest.Proxy
	through := func(addr string) string {
		proxy = sshtest.NewProxy(t, addr)
		return proxy.Addr
	}
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump", Through: through}, sshtest.HostConfig{Name: "target"})
	return c, proxy
}

// TestCommandOnLostPath: however the first hop is lost, the next command goes
// through in seconds, right after and when the connection was idle, and 20 that
// wait at that moment all do, with one new login per hop.
func TestCommandOnLostPath(t *testing.T) {
	t.Parallel()
	for name, lose := range waysToLose {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, proxy := behindProxy(t)
			defer c.Host("jump").Thaw()
			u := newUser(t, c)
			u.must("target", "true")
			for round, commands := range []int{1, 20} {
				lose(c.Host("jump"), proxy)
				results := make([]result, commands)
				var all sync.WaitGroup
				for i := range results {
					all.Go(func() { results[i] = u.sally("target", fmt.Sprint("echo back ", i)) })
				}
				all.Wait()
				var longest time.Duration
				for i, r := range results {
					if r.code != 0 || r.out != fmt.Sprintf("back %d\n", i) {
						t.Errorf("%d commands: %+v", commands, r)
					}
					longest = max(longest, r.took)
				}
				t.Logf("%d commands: the last after %v", commands, longest)
				if longest > soon { // 3.5 s and a login, on a machine that is not busy
					t.Errorf("%d commands: the last after %v", commands, longest)
				}
				for _, hop := range []string{"jump", "target"} {
					if n := c.Host(hop).AcceptedLogins(); n != round+2 {
						t.Errorf("%s: %d logins after %d losses", hop, n, round+1)
					}
				}
			}
		})
	}
}

// TestCommandOnSilentTarget: a target that falls silent alone is replaced
// alone.
func TestCommandOnSilentTarget(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump"}, sshtest.HostConfig{Name: "target"})
	u := newUser(t, c)
	u.must("target", "true")
	c.Host("target").Freeze()
	defer c.Host("target").Thaw()
	r := u.sally("target", "echo", "back")
	if r.code != 0 || r.out != "back\n" || r.took > soon {
		t.Errorf("%+v", r)
	}
	wantOneLogin(t, c, "jump")
}

// TestSessionOnSilentPath: a session on a dead path is told so and ended once a
// request has found out, long before keepalives would; and nothing is left.
func TestSessionOnSilentPath(t *testing.T) {
	t.Parallel()
	c, proxy := behindProxy(t)
	u := newUser(t, c)
	con := u.tty("target")
	con.Send("echo run''ning\r")
	con.Expect("running", soon)
	proxy.Swallow()
	start := time.Now()
	u.must("target", "true")
	con.Expect("jump ("+c.Host("jump").Addr+"): alive: no answer for 15s", 2*soon)
	if code := con.Wait(soon); code != 255 || time.Since(start) > 2*soon {
		t.Errorf("exit code %d after %v", code, time.Since(start))
	}
	await(t, "only the new connections are left", func() bool { return len(u.status().Masters) == 2 })
}

// TestStdioForwardOnSilentPath is for -W.
func TestStdioForwardOnSilentPath(t *testing.T) {
	t.Parallel()
	c, proxy := behindProxy(t)
	u := newUser(t, c)
	u.must("target", "true")
	proxy.Swallow()
	w := u.start("-W", c.Host("target").Addr, "jump")
	if !w.out.await("SSH-2.0-", soon) {
		t.Errorf("stdout %q, stderr %q", w.out, w.err)
	}
	w.in.Close()
}

// TestStockSSHOnSilentPath is for a stock ssh on our control socket.
func TestStockSSHOnSilentPath(t *testing.T) {
	t.Parallel()
	c, proxy := behindProxy(t)
	u := newUser(t, c)
	socket := u.dir + "/%C"
	u.must("-o", "ControlPath="+socket, "target", "true")
	proxy.Swallow()
	cmd := c.SSH("-o", "ControlPath="+socket, "target", "echo back")
	cmd.Env = u.env()
	if r := u.run(cmd); r.code != 0 || r.out != "back\n" || r.took > soon {
		t.Errorf("%+v", r)
	}
	if n := c.Host("target").AcceptedLogins(); n != 2 {
		t.Errorf("%d logins", n)
	}
}

// TestPinnedOnSilentPath: the next connection through a pinned forward goes over a
// new one.
func TestPinnedOnSilentPath(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump"}, sshtest.HostConfig{Name: "target"})
	u := newUser(t, c)
	to := lateEcho(t, "tcp", "127.0.0.1:0")
	from := listenEnds(t)[2]
	u.pin("target", "-L", from.flag+":"+to, "--now")
	c.Host("target").Freeze()
	defer c.Host("target").Thaw()
	start := time.Now()
	if !carries(from.network, from.addr) || time.Since(start) > soon {
		t.Errorf("a pinned forward: after %v: %+v", time.Since(start), u.forwards())
	}
}

// TestLostUnderJoined: what keeps a connection, or is joined to an address behind
// it, says why it has ended. The end of the data is no sign that all has come.
func TestLostUnderJoined(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lose func(u *user, proxy *sshtest.Proxy)
		want string
	}{
		"reset":  {func(_ *user, proxy *sshtest.Proxy) { proxy.Reset() }, `: alive: the server reset the connection\n`},
		"closed": {func(u *user, _ *sshtest.Proxy) { u.must("down", "jump") }, `: connection closed\n`},
		"killed": {func(u *user, _ *sshtest.Proxy) { syscall.Kill(u.status().PID, syscall.SIGKILL) }, `the daemon ended, and this session with it\n`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, proxy := behindProxy(t)
			u := newUser(t, c)
			to := c.Host("target").Addr // which speaks first
			_, port, _ := net.SplitHostPort(to)
			joined := []*live{u.start("-W", to, "target"), u.start("proxy", "-J", "jump", "127.0.0.1", port), u.start("-N", "target")}
			await(t, "they are joined", func() bool {
				m := u.master("target")
				return m != nil && len(m.Held) == 2
			})
			for _, l := range joined[:2] {
				l.out.await("SSH-2.0", soon)
			}
			test.lose(u, proxy)
			for _, l := range joined {
				code, said := l.wait(soon), l.err.String()
				if code == 0 || !regexp.MustCompile(`^(sally|ssh): .*`+test.want).MatchString(said) {
					t.Errorf("%v: exit code %d, stderr %q", l.cmd.Args, code, said)
				}
			}
			// One that ends in good order says nothing.
			if r := u.sally("-W", lateEcho(t, "tcp", "127.0.0.1:0"), "target"); r.code != 0 || r.err != "" || r.out != "back " {
				t.Errorf("%+v", r)
			}
		})
	}
}
