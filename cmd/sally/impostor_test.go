package main_test

import (
	"encoding/binary"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/sshtest"
)

// TestNothingIsForwardedThroughAnImpostor: with StrictHostKeyChecking no a
// changed key lets a command run, but no way leads on from there.
func TestNothingIsForwardedThroughAnImpostor(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump", ClientConfig: []string{"IdentityAgent none"}}, sshtest.HostConfig{Name: "target"})
	c.ForgeKnownHost("jump")
	rewrite(t, c.ConfigFile(), "StrictHostKeyChecking", "no")
	target := c.Host("target")
	agent := filepath.Join(c.Dir(), "agent")
	asked := playAgent(t, agent)
	for name, flags := range map[string][]string{"shared": nil, "private": {"--no-daemon"}} {
		u := newUser(t, c)
		sally := func(args ...string) result {
			cmd := u.cmd(append(flags[:len(flags):len(flags)], args...)...)
			cmd.Env = append(cmd.Env, "SSH_AUTH_SOCK="+agent)
			return u.run(cmd)
		}
		if r := sally("jump", "echo in"); r.code != 0 || r.out != "in\n" {
			t.Errorf("%s: a command: %+v", name, r)
		}
		r := sally("target", "true")
		if want := "sally: target (" + target.Addr + ") via jump: open: forwarding is disabled: the key has changed"; r.code != 255 || !strings.Contains(r.err, want) {
			t.Errorf("%s: through it: %+v", name, r)
		}
		for _, flag := range []string{"-L61234:" + target.Addr, "-R0:" + target.Addr, "-D61234"} {
			r := sally("-o", "ExitOnForwardFailure=yes", flag, "jump", "true")
			if r.code != 255 || !strings.Contains(r.err, "forwarding is disabled: the key has changed") {
				t.Errorf("%s: %s: %+v", name, flag, r)
			}
		}
		if r := sally("-W", target.Addr, "jump"); r.code != 255 || !strings.Contains(r.err, "forwarding is disabled: the key has changed") {
			t.Errorf("%s: -W: %+v", name, r)
		}
		r = sally("-A", "jump", `echo "agent:$SSH_AUTH_SOCK"`)
		if r.code != 0 || r.out != "agent:\n" || !strings.Contains(r.err, "forwarding is disabled") {
			t.Errorf("%s: -A: %+v", name, r)
		}
		x := u.cmd(append(flags[:len(flags):len(flags)], "-X", "jump", `echo "display:$DISPLAY"`)...)
		x.Env = append(x.Env, "DISPLAY=:99")
		if r := u.run(x); r.code != 0 || r.out != "display:\n" || !strings.Contains(r.err, "X11 is not forwarded: forwarding is disabled") {
			t.Errorf("%s: -X: %+v", name, r)
		}
	}
	if n := target.Connections(); n != 0 {
		t.Errorf("%d connections reached the target", n)
	}
	if len(asked) > 0 {
		t.Errorf("the agent was asked: %q", <-asked)
	}
}

// TestForwardedAgentIsBound: the agent is told first where requests come from.
func TestForwardedAgentIsBound(t *testing.T) {
	t.Parallel()
	sshtest.Require(t, "ssh-add")
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "target"})
	agent := filepath.Join(c.Dir(), "agent")
	asked := playAgent(t, agent)
	u := newUser(t, c)
	u.must("up", "target") // without the agent
	cmd := u.cmd("-A", "target", "ssh-add -l")
	cmd.Env = append(cmd.Env, "SSH_AUTH_SOCK="+agent)
	if r := u.run(cmd); r.code != 1 || r.out != "The agent has no identities.\n" {
		t.Fatalf("%+v", r)
	}
	first := <-asked
	if !strings.HasPrefix(first, "\x1b\x00\x00\x00\x18session-bind@openssh.com") || !strings.HasSuffix(first, "\x01") {
		t.Errorf("first came %q, not a binding that forwards", first)
	}
	if second := <-asked; second[0] != 11 {
		t.Errorf("then came %q", second)
	}
}

// playAgent is an agent without keys that takes bindings and hands on what it
// is asked (draft-miller-ssh-agent §4, OpenSSH's PROTOCOL.agent §1).
func playAgent(t testing.TB, path string) <-chan string {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	asked := make(chan string, 100)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for {
					head := make([]byte, 4)
					if _, err := io.ReadFull(conn, head); err != nil {
						return
					}
					body := make([]byte, min(binary.BigEndian.Uint32(head), 4096))
					if _, err := io.ReadFull(conn, body); err != nil {
						return
					}
					asked <- string(body)
					answer := "\x00\x00\x00\x01\x06" // success
					if body[0] == 11 {
						answer = "\x00\x00\x00\x05\x0c\x00\x00\x00\x00" // no keys
					}
					_, _ = conn.Write([]byte(answer))
				}
			}()
		}
	}()
	return asked
}
