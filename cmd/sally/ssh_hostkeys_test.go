package main_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/sshtest"
)

// unverified is the word of a client that does not trust a host.
var unverified = []string{"Host key verification failed", "host key: "}

// TestSSHUnknownHost meets a host that is in no file, by each
// StrictHostKeyChecking.
func TestSSHUnknownHost(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := oneJump(t)
		host := chain.Host("jump")
		key := strings.Fields(string(host.HostKey().Type()))[0]
		learnt := func(file string) bool {
			return exists(file) && strings.Contains(readFile(t, file), key)
		}
		for _, tc := range []struct {
			policy, typed string // typed at the question
			in            bool
			learns        bool
		}{
			{"yes", "", false, false},
			{"accept-new", "", true, true},
			{"no", "", true, true},
			{"off", "", true, true},
			{"ask", "", false, false}, // nobody to ask
			{"ask", "yes", true, true},
			{"ask", "no", false, false},
			{"ask", host.Fingerprint(), true, true},
		} {
			name := tc.policy + " " + tc.typed
			file := filepath.Join(t.TempDir(), "known_hosts")
			c.use(chain, "StrictHostKeyChecking "+tc.policy, "UserKnownHostsFile "+file)
			if tc.typed == "" {
				r := c.run("jump", "echo in")
				if in := r.code == 0 && r.out == "in\n"; in != tc.in || (!in && (r.code != 255 || !containsAny(r.err, unverified))) {
					t.Errorf("%s: %+v", name, r)
				}
			} else {
				con := c.tty("jump", "echo in; exit 4")
				con.Expect(host.Fingerprint(), soon)
				con.Expect("yes/no", soon)
				con.Send(tc.typed + "\r")
				want := 255
				if tc.in {
					con.Expect("in\r\n", soon)
					want = 4
				}
				if code := con.Wait(soon); code != want {
					t.Errorf("%s: exit code %d\n%s", name, code, con.Transcript())
				}
			}
			if learnt(file) != tc.learns {
				t.Errorf("%s: learnt the key: %v", name, learnt(file))
			}
			if tc.learns {
				c.use(chain, "StrictHostKeyChecking yes", "UserKnownHostsFile "+file)
				c.must("jump", "true")
			}
		}
	})
}

// TestSSHOddAnswer repeats the question until the answer is one.
func TestSSHOddAnswer(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := oneJump(t)
		c.use(chain, "StrictHostKeyChecking ask", "UserKnownHostsFile "+filepath.Join(t.TempDir(), "known_hosts"))
		con := c.tty("jump", "echo in")
		con.Expect("yes/no", soon)
		con.Send("perhaps\r")
		con.Expect("Please type 'yes', 'no'", soon)
		con.Send("yes\r")
		con.Expect("in\r\n", soon)
		if code := con.Wait(soon); code != 0 {
			t.Errorf("exit code %d\n%s", code, con.Transcript())
		}
	})
}

// TestSSHChangedHost is refused by every policy that is careful.
func TestSSHChangedHost(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := oneJump(t)
		chain.ForgeKnownHost("jump")
		before := readFile(t, chain.KnownHostsFile())
		for _, policy := range []string{"yes", "accept-new", "ask"} {
			c.use(chain, "StrictHostKeyChecking "+policy)
			r := c.fails(unverified, "jump", "true")
			if !containsAny(r.err, []string{"REMOTE HOST IDENTIFICATION HAS CHANGED", "the key has changed"}) || !strings.Contains(r.err, chain.KnownHostsFile()+":1") {
				t.Errorf("%s: %s", policy, r.err)
			}
		}
		if n := chain.Host("jump").AcceptedLogins(); n != 0 || readFile(t, chain.KnownHostsFile()) != before {
			t.Errorf("%d logins, known_hosts: %s", n, readFile(t, chain.KnownHostsFile()))
		}
	})
}

// TestSSHKnownKeyGoesFirst of those that the server has, if HostKeyAlgorithms
// only adds to the default list or removes from it.
func TestSSHKnownKeyGoesFirst(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := oneJump(t)
		dir := t.TempDir()
		key := filepath.Join(dir, "rsa")
		if out, err := exec.Command(sshtest.Path(t, "ssh-keygen"), "-q", "-t", "rsa", "-N", "", "-f", key).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		chain.Host("jump").SetExtra("HostKey " + key)
		known := filepath.Join(dir, "known_hosts")
		writeFile(t, known, "* "+readFile(t, key+".pub"))
		c.use(chain, "UserKnownHostsFile "+known)
		for _, list := range []string{"+ssh-rsa", "-ssh-dss"} {
			if out := c.must("-o", "HostKeyAlgorithms="+list, "jump", "echo in"); out != "in\n" {
				t.Errorf("%s: %q", list, out)
			}
		}
		c.fails(unverified, "-o", "HostKeyAlgorithms=^ssh-ed25519", "jump", "true")
	})
}

// TestSSHHostKeyByAskpass answers the question about a host by SSH_ASKPASS.
func TestSSHHostKeyByAskpass(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump"})
		file := filepath.Join(t.TempDir(), "known_hosts")
		c.use(chain, "StrictHostKeyChecking ask", "UserKnownHostsFile "+file)
		program, log := askpassProgram(t, "yes")
		c.env = []string{"SSH_ASKPASS=" + program, "SSH_ASKPASS_REQUIRE=force"}
		if r := c.run("jump", "echo in"); r.out != "in\n" || r.code != 0 {
			t.Errorf("%+v", r)
		}
		if text := readFile(t, log); !strings.Contains(text, chain.Host("jump").Fingerprint()) || !exists(file) {
			t.Errorf("asked %q", text)
		}
	})
}
