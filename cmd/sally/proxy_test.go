package main_test

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/sshtest"
)

// proxyCommand is "sally proxy" as a ProxyCommand of somebody's.
func (u *user) proxyCommand(args string) string {
	return fmt.Sprintf("ProxyCommand=env XDG_RUNTIME_DIR=%s %s -F %s proxy %s", u.dir, program, u.config, args)
}

// TestProxyVerb joins two streams to a port behind the jump hosts, and to one
// that needs none.
func TestProxyVerb(t *testing.T) {
	t.Parallel()
	c := twoJumps(t)
	u := newUser(t, c)
	for _, to := range echoEnds(t)[:2] {
		host, port, _ := net.SplitHostPort(to.addr)
		for _, flags := range [][]string{{"-J", "jump2"}, nil} {
			cmd := u.cmd(append(append([]string{"proxy"}, flags...), host, port)...)
			cmd.Stdin = strings.NewReader("word")
			if r := u.run(cmd); r.code != 0 || r.out != "back word" || r.err != "" {
				t.Errorf("%q %s: %+v", flags, to.addr, r)
			}
		}
	}
	wantOneLogin(t, c, "jump1", "jump2")
	if n := c.Host("target").Connections(); n != 0 {
		t.Errorf("the target saw %d connections", n)
	}
	_, refused, _ := net.SplitHostPort(sshtest.RefusedPort(t))
	if r := u.sally("proxy", "target", refused); r.code != 1 || !strings.Contains(r.err, "jump2") || !strings.Contains(r.err, `connection failed: "Connection refused"`) {
		t.Errorf("refused: %+v", r)
	}
	if r := u.sally("proxy", "127.0.0.1", refused); r.code != 1 || !strings.Contains(r.err, "connection refused") {
		t.Errorf("refused here: %+v", r)
	}
	if r := u.sally("proxy", "-J", "jump1", "no.such.name.invalid", "22"); r.code != 1 || !strings.Contains(r.err, "no.such.name.invalid:22: connection failed") {
		t.Errorf("unknown: %+v", r)
	}
	for _, args := range [][]string{{"target"}, {"target", "x"}, {"target", "0"}, {"target", "70000"}} {
		if r := u.sally(append([]string{"proxy"}, args...)...); r.code != 2 {
			t.Errorf("%q: %+v", args, r)
		}
	}
	if r := u.sally("proxy", "--fdpass", "-J", "jump1", "127.0.0.1", "22"); r.code != 1 || !strings.Contains(r.err, "standard output is no socket") {
		t.Errorf("fdpass without a socket: %+v", r)
	}
	if r := u.sally("proxy", "-o", "ProxyCommand=nc %h %p", "-o", "ProxyJump=none", "elsewhere", "80"); r.code != 1 || !strings.Contains(r.err, "is reached by a ProxyCommand") {
		t.Errorf("a ProxyCommand: %+v", r)
	}
}

// TestProxyAsProxyCommand is what the verb is for: other programs' way in, with
// and without passing the descriptor.
func TestProxyAsProxyCommand(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump"}, sshtest.HostConfig{Name: "target"})
	u := newUser(t, c)
	direct := filepath.Join(t.TempDir(), "direct") // the target's block without its ProxyJump
	writeFile(t, direct, strings.ReplaceAll(c.Config(), "    ProxyJump jump\n", ""))
	payload := strings.Repeat("payload ", 1<<17)
	for _, client := range []string{sshtest.Path(t, "ssh"), ourSSH(t).path} {
		for _, how := range []struct{ flags, fdpass string }{
			{"-J jump %h %p", "no"}, {"--fdpass -J jump %h %p", "yes"}, {"%h %p", "no"}, {"--fdpass %h %p", "yes"},
		} {
			cmd := u.stock(client, "-F", direct, "-o", u.proxyCommand(how.flags), "-o", "ProxyUseFdpass="+how.fdpass, "target", "cat; echo end")
			cmd.Stdin = strings.NewReader(payload)
			if r := u.run(cmd); r.code != 0 || r.out != payload+"end\n" || r.err != "" {
				t.Errorf("%s %v: code %d, %d bytes, %q", client, how, r.code, len(r.out), r.err)
			}
		}
	}
	if n := c.Host("jump").Connections(); n != 1 {
		t.Errorf("the jump host saw %d connections", n)
	}
	// The target goes away: the client is told, also over a passed socket.
	cmd := u.stock("ssh", "-F", direct, "-o", u.proxyCommand("--fdpass -J jump %h %p"), "-o", "ProxyUseFdpass=yes", "target", "echo up; cat")
	session := u.begin(cmd)
	session.expect("up")
	if left := u.processes("-F " + u.config + " proxy"); len(left) > 0 {
		t.Errorf("the proxy stays: %v", left)
	}
	c.Host("target").Kill()
	if code := session.wait(soon); code != 255 {
		t.Errorf("exit code %d", code)
	}
	await(t, "the forward has ended", func() bool { m := u.master("jump"); return m != nil && len(m.Held) == 0 })
	cmd = u.stock("ssh", "-F", direct, "-o", u.proxyCommand("-J jump %h %p"), "target", "true")
	if r := u.run(cmd); r.code != 255 || !strings.Contains(r.err, "Connection refused") {
		t.Errorf("%+v", r)
	}
}
