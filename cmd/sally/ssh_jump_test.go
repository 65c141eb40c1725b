package main_test

import (
	"strings"
	"testing"

	"sallyport/internal/sshtest"
)

// apart is three jumps and a target that have nothing to do with each other in
// the configuration, on both families of addresses.
func apart(t testing.TB) *sshtest.Chain {
	t.Helper()
	return sshtest.NewChain(t,
		sshtest.HostConfig{Name: "jump1", Via: "none"},
		sshtest.HostConfig{Name: "jump2", Via: "none", ListenAddr: "::1"},
		sshtest.HostConfig{Name: "jump3", Via: "none", ListenAddr: "127.0.0.2"},
		sshtest.HostConfig{Name: "target", Via: "none"})
}

// TestSSHJumpFlag gives -J chains of up to three hops in every notation.
func TestSSHJumpFlag(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := apart(t)
		names := []string{"jump1", "jump2", "jump3", "target"}
		plain, uri := map[string]string{}, map[string]string{}
		for _, name := range names {
			h := chain.Host(name)
			ip, port := address(t, h)
			if strings.Contains(ip, ":") {
				ip = "[" + ip + "]"
			}
			plain[name] = h.User() + "@" + ip + ":" + port
			uri[name] = "ssh://" + plain[name]
		}
		c.use(chain, anyHost(chain, names...))
		cases := []struct {
			jumps []string // for -J
			to    string
			seen  string // hosts
		}{
			{nil, uri["target"], "target"},
			{[]string{plain["jump1"]}, uri["target"], "jump1 target"},
			{[]string{"jump2"}, "target", "jump2 target"},
			{[]string{plain["jump2"], plain["jump1"]}, "target", "jump1 jump2 target"},
			{[]string{uri["jump1"], uri["jump3"]}, uri["target"], "jump1 jump3 target"},
			{[]string{plain["jump1"], plain["jump2"], plain["jump3"]}, uri["target"], "jump1 jump2 jump3 target"},
			{[]string{"jump3", plain["jump2"], uri["jump1"]}, "target", "jump1 jump2 jump3 target"},
			{[]string{"none"}, "target", "target"},
		}
		before := map[string]int{}
		for _, tc := range cases {
			args := []string{"-J", strings.Join(tc.jumps, ","), tc.to, "echo there; exit 3"}
			if tc.jumps == nil {
				args = args[2:]
			}
			if r := c.run(args...); r.code != 3 || r.out != "there\n" || r.err != "" {
				t.Errorf("%q: %+v", args, r)
			}
			for _, name := range names {
				now := chain.Host(name).Connections()
				if now > before[name]+1 || (now > before[name]) != strings.Contains(tc.seen, name) {
					t.Errorf("%q: %s was connected to %d times", args, name, now-before[name])
				}
				before[name] = now
			}
		}
	})
}

// TestSSHJumpFlagRefused has what is not a chain.
func TestSSHJumpFlagRefused(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		for _, jumps := range []string{"a,,b", "ssh://host/path", "host:0", "host:99999", "user@", "@host"} {
			r := c.run("-J", jumps, "target")
			if r.code != 255 || r.err == "" || r.out != "" {
				t.Errorf("-J %s: %+v", jumps, r)
			}
		}
		wanted := []string{"Cannot specify -J option with ProxyCommand", "onflict", "-J"}
		c.fails(wanted, "-o", "ProxyCommand=none", "-J", "a", "-J", "b", "target")
	})
}

// TestSSHProxyCommand reaches the target by a command with tokens, run by a shell.
func TestSSHProxyCommand(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := apart(t)
		c.use(chain)
		h := chain.Host("target")
		log := chain.Dir() + "/seen"
		command := "ProxyCommand=sh -c 'echo %n %r %% > " + log + "; exec " + c.path + " -F " + c.config + " -W [%h]:%p jump1'"
		if out := c.must("-o", command, "target", "echo there"); out != "there\n" {
			t.Errorf("stdout %q", out)
		}
		if got, want := readFile(t, log), "target "+h.User()+" %\n"; got != want {
			t.Errorf("the command saw %q, want %q", got, want)
		}
		if n := chain.Host("jump1").Connections(); n != 1 {
			t.Errorf("%d connections to the jump", n)
		}
		c.fails([]string{"onnection closed", "exit", "ended"}, "-o", "ProxyCommand=exit 3", "target", "true")
		c.fails([]string{"no-such-command"}, "-o", "ProxyCommand=no-such-command", "target", "true")
	})
}

// TestSSHProxyUseFdpass has a command that connects and hands over the socket.
func TestSSHProxyUseFdpass(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := oneJump(t)
		c.use(chain)
		pass := actor(t, nil, "pass", chain.Host("jump").Addr)
		c.env = []string{roleVariable + "=pass"}
		command := "ProxyCommand=" + strings.Join(pass.Args, " ")
		if out := c.must("-o", "ProxyUseFdpass=yes", "-o", command, "jump", "echo there"); out != "there\n" {
			t.Errorf("stdout %q", out)
		}
		if n := chain.Host("jump").Connections(); n != 1 {
			t.Errorf("%d connections", n)
		}
		r := c.run("-o", "ProxyUseFdpass=yes", "-o", "ProxyCommand=exit 1", "jump", "true")
		if r.code != 255 || r.err == "" {
			t.Errorf("a command that passes nothing: %+v", r)
		}
	})
}
