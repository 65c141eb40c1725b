package main_test

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"sallyport/internal/sshtest"
)

// httpProxy is ncat as a proxy that knows CONNECT.
func httpProxy(t testing.TB) string {
	t.Helper()
	sshtest.Require(t, "ncat")
	addr := sshtest.RefusedPort(t)
	host, port, _ := strings.Cut(addr, ":")
	serve(t, exec.Command("ncat", "-l", "-k", "--proxy-type", "http", host, port))
	dial(t, "tcp", addr).Close()
	return addr
}

// socksProxy is a stock ssh with -D, by way of a host of its own.
func socksProxy(t testing.TB) string {
	t.Helper()
	outside := sshtest.NewChain(t, sshtest.HostConfig{Name: "outside"})
	addr := sshtest.RefusedPort(t)
	serve(t, outside.SSH("-N", "-D", addr, "outside"))
	dial(t, "tcp", addr).Close()
	return addr
}

// serve runs a program until the test ends.
func serve(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
	})
}

// TestWayIn: the first hop is behind a proxy, which a program of the
// configuration's goes through, with and without passing the descriptor.
func TestWayIn(t *testing.T) {
	sshtest.Require(t, "nc", "ncat", "connect-proxy")
	both(t, func(t *testing.T, c *client) {
		chain := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump"}, sshtest.HostConfig{Name: "target"})
		http, socks := httpProxy(t), socksProxy(t)
		for _, way := range []struct{ command, fdpass string }{
			{"nc -X connect -x " + http + " %h %p", "no"},
			{"nc -F -X connect -x " + http + " %h %p", "yes"},
			{"ncat --proxy-type http --proxy " + http + " %h %p", "no"},
			{"connect-proxy -H " + http + " %h %p", "no"},
			{"nc -X 5 -x " + socks + " %h %p", "no"},
			{"nc -F -X 5 -x " + socks + " %h %p", "yes"},
			{"nc -X 4 -x " + socks + " %h %p", "no"},
			{"ncat --proxy-type socks5 --proxy " + socks + " %h %p", "no"},
			{"connect-proxy -S " + socks + " %h %p", "no"},
			{"nc -F %h %p", "yes"},
		} {
			c.use(chain, "Host jump", "    ProxyCommand "+way.command, "    ProxyUseFdpass "+way.fdpass)
			if out := c.must("target", "echo there"); out != "there\n" {
				t.Errorf("%s: %q", way.command, out)
			}
		}
		// The program's own words come through.
		c.use(chain, "Host jump", "    ProxyCommand nc -X connect -x "+http+" 127.0.0.1 1")
		c.fails([]string{"nc: Proxy error"}, "target", "echo there")
	})
}
