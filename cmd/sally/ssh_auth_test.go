package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/sshtest"
)

// keyAndPassword is a host that wants both, in this order.
func keyAndPassword(t testing.TB, name string) sshtest.HostConfig {
	t.Helper()
	return sshtest.HostConfig{Name: name, Account: sshtest.NewAccount(t),
		ExtraConfig: []string{"AuthenticationMethods publickey,password", "PasswordAuthentication yes"}}
}

// TestSSHMethodsOnATerminal answers what each kind of server asks.
func TestSSHMethodsOnATerminal(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := sshtest.NewChain(t,
			sshtest.HostConfig{Name: "password", Auth: sshtest.Password, Via: "none"},
			sshtest.HostConfig{Name: "rounds", Auth: sshtest.KeyboardInteractive, Via: "none"},
			sshtest.HostConfig{Name: "keyrounds", Auth: sshtest.KeyAndKeyboardInteractive, Via: "none"},
			sshtest.HostConfig{Name: "passphrase", Auth: sshtest.EncryptedKey, Via: "none"},
			keyAndPassword(t, "keypassword"))
		c.use(chain, "Host keypassword\n  ProxyJump none")
		word := func(name string) string { return chain.Host(name).Account.Password }
		code := func(name string) string { return chain.Host(name).Code() }
		cases := []struct {
			host string
			asks [][2]string // prompt, answer
		}{
			{"password", [][2]string{{"'s password: ", "wrong"}, {"Permission denied, please try again.", ""}, {"'s password: ", word("password")}}},
			{"rounds", [][2]string{{"Password: ", word("rounds")}, {"One-time password", code("rounds")}}},
			{"keyrounds", [][2]string{{"Password: ", word("keyrounds")}, {"One-time password", code("keyrounds")}}},
			{"passphrase", [][2]string{{"Enter passphrase for key '" + chain.Host("passphrase").IdentityFile() + "'", chain.Host("passphrase").Passphrase}}},
			{"keypassword", [][2]string{{"'s password: ", word("keypassword")}}},
		}
		for _, tc := range cases {
			con := c.tty(tc.host, "echo in; exit 5")
			for _, ask := range tc.asks {
				con.Expect(ask[0], soon)
				if ask[1] != "" {
					con.Send(ask[1] + "\r")
				}
			}
			con.Expect("in\r\n", soon)
			if code := con.Wait(soon); code != 5 || chain.Host(tc.host).AcceptedLogins() != 1 {
				t.Errorf("%s: exit code %d, %d logins\n%s", tc.host, code, chain.Host(tc.host).AcceptedLogins(), con.Transcript())
			}
			for _, ask := range tc.asks {
				if ask[1] != "" && strings.Contains(con.Output(), ask[1]) {
					t.Errorf("%s: an answer was shown\n%s", tc.host, con.Transcript())
				}
			}
		}
	})
}

// askpassProgram is a program that notes what it is asked and prints an answer.
func askpassProgram(t testing.TB, answer string) (program, log string) {
	t.Helper()
	dir := t.TempDir()
	program, log = filepath.Join(dir, "askpass"), filepath.Join(dir, "asked")
	text := fmt.Sprintf("#!/bin/sh\necho \"$1\" >> %s\necho '%s'\n", log, answer)
	sshtest.WriteProgram(t, program, text)
	return program, log
}

// asked is how often the program was.
func asked(log string) int {
	text, _ := os.ReadFile(log)
	return strings.Count(string(text), "'s password: ")
}

// TestSSHAskpass is about when SSH_ASKPASS asks (ssh(1), ENVIRONMENT).
func TestSSHAskpass(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := sshtest.NewChain(t, sshtest.HostConfig{Name: "host", Auth: sshtest.Password})
		c.use(chain)
		password := chain.Host("host").Account.Password
		cases := []struct {
			require, display string
			terminal         bool
			program          bool // asks; else the terminal, or nobody
		}{
			{"", "", false, false},
			{"", ":9", false, true},
			{"", ":9", true, false},
			{"force", "", false, true},
			{"force", "", true, true},
			{"prefer", "", true, false},
			{"prefer", ":9", true, true},
			{"never", ":9", false, false},
			{"never", ":9", true, false},
		}
		for _, tc := range cases {
			program, log := askpassProgram(t, password)
			c.env = []string{"SSH_ASKPASS=" + program, "SSH_ASKPASS_REQUIRE=" + tc.require, "DISPLAY=" + tc.display}
			want := 1
			if !tc.program {
				want = 0
			}
			switch {
			case tc.terminal:
				con := c.tty("host", "echo in")
				if !tc.program {
					con.Expect("'s password: ", soon)
					con.Send(password + "\r")
				}
				con.Expect("in\r\n", soon)
				if code := con.Wait(soon); code != 0 {
					t.Errorf("%+v: exit code %d\n%s", tc, code, con.Transcript())
				}
			case tc.program:
				if r := c.run("host", "echo in"); r.code != 0 || r.out != "in\n" {
					t.Errorf("%+v: %+v", tc, r)
				}
			default:
				if r := c.run("host", "echo in"); r.code != 255 || !containsAny(r.err, []string{"Permission denied", "permission denied", "password"}) {
					t.Errorf("%+v: %+v", tc, r)
				}
			}
			if n := asked(log); n != want {
				t.Errorf("%+v: the program was asked %d times, want %d", tc, n, want)
			}
		}
	})
}

// TestSSHPasswordPromptsAndBatchMode counts the questions.
func TestSSHPasswordPromptsAndBatchMode(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := sshtest.NewChain(t, sshtest.HostConfig{Name: "host", Auth: sshtest.Password})
		c.use(chain)
		for _, tc := range []struct {
			options []string
			asked   int
		}{
			{nil, 3},
			{[]string{"-o", "NumberOfPasswordPrompts=0"}, 0},
			{[]string{"-o", "NumberOfPasswordPrompts=1"}, 1},
			{[]string{"-o", "NumberOfPasswordPrompts=2"}, 2},
			{[]string{"-o", "BatchMode=yes"}, 0},
			{[]string{"-o", "PasswordAuthentication=no"}, 0},
			{[]string{"-o", "PreferredAuthentications=publickey"}, 0},
		} {
			program, log := askpassProgram(t, "wrong")
			c.env = []string{"SSH_ASKPASS=" + program, "SSH_ASKPASS_REQUIRE=force"}
			c.fails([]string{"Permission denied (password", "permission denied", "accepts only password"}, append(tc.options, "host", "true")...)
			if n := asked(log); n != tc.asked {
				t.Errorf("%q: asked %d times, want %d", tc.options, n, tc.asked)
			}
		}
		if n := chain.Host("host").AcceptedLogins(); n != 0 {
			t.Errorf("%d logins", n)
		}
	})
}

// TestSSHNoPassphrasePrompts asks for no passphrase with
// NumberOfPasswordPrompts 0 either.
func TestSSHNoPassphrasePrompts(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		c.use(sshtest.NewChain(t, sshtest.HostConfig{Name: "host", Auth: sshtest.EncryptedKey}))
		program, log := askpassProgram(t, "wrong")
		c.env = []string{"SSH_ASKPASS=" + program, "SSH_ASKPASS_REQUIRE=force"}
		c.fails([]string{"Permission denied", "no passphrase given"}, "-o", "NumberOfPasswordPrompts=0", "host", "true")
		if n := asked(log); n != 0 {
			t.Errorf("asked %d times", n)
		}
	})
}

// TestSSHPreferredAuthentications chooses among methods that all would do.
func TestSSHPreferredAuthentications(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := sshtest.NewChain(t, sshtest.HostConfig{Name: "host", Account: sshtest.NewAccount(t),
			ExtraConfig: []string{"AuthenticationMethods any", "PasswordAuthentication yes"}})
		c.use(chain)
		h := chain.Host("host")
		program, log := askpassProgram(t, h.Account.Password)
		c.env = []string{"SSH_ASKPASS=" + program, "SSH_ASKPASS_REQUIRE=force"}
		c.must("host", "true")
		if n := asked(log); n != 0 || !strings.Contains(h.Log(), "Accepted publickey") {
			t.Errorf("by default: %d questions", n)
		}
		c.must("-o", "PreferredAuthentications=password,publickey", "host", "true")
		c.must("-o", "PubkeyAuthentication=no", "host", "true")
		if n := strings.Count(h.Log(), "Accepted password"); n != 2 || asked(log) != 2 {
			t.Errorf("%d logins by password after %d questions", n, asked(log))
		}
	})
}

// TestSSHNoSuchIdentity for -i is a warning, and the other identities are
// tried. A script's "-i" with a variable that is not set is such a one.
func TestSSHNoSuchIdentity(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		c.use(oneJump(t))
		for _, name := range []string{"", "/no/such", "~/.ssh/no such", "~nobody/no/such"} {
			r := c.run("-i", name, "jump", "echo in")
			want := strings.TrimPrefix(strings.TrimPrefix(name, "~nobody"), "~") + " not accessible: No such file or directory.\n"
			if r.code != 0 || r.out != "in\n" || !strings.HasPrefix(r.err, "Warning: Identity file ") || !strings.HasSuffix(r.err, want) {
				t.Errorf("%q: %+v", name, r)
			}
		}
	})
}
