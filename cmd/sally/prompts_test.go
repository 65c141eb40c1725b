package main_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/sshtest"
)

// asking is a chain on which each hop authenticates in another way.
func asking(t testing.TB) *sshtest.Chain {
	t.Helper()
	return sshtest.NewChain(t,
		sshtest.HostConfig{Name: "jump1", Auth: sshtest.Password},
		sshtest.HostConfig{Name: "jump2", Auth: sshtest.KeyboardInteractive},
		sshtest.HostConfig{Name: "target", Auth: sshtest.EncryptedKey})
}

// TestPromptsOfEachHop answers a password, two rounds of keyboard-interactive
// and a passphrase on one terminal, each first wrongly, then rightly.
func TestPromptsOfEachHop(t *testing.T) {
	t.Parallel()
	c := asking(t)
	u := newUser(t, c)
	jump1, jump2, target := c.Host("jump1"), c.Host("jump2"), c.Host("target")
	var secrets []string
	con := u.tty("target", "echo through")
	answer := func(secret string) {
		secrets = append(secrets, secret)
		con.Send(secret + "\r")
	}
	password := jump1.User() + "@jump1's password: "
	con.Expect(password, soon)
	answer("wrong-password")
	con.Expect("Permission denied, please try again.", soon)
	con.Expect(password, soon)
	answer(jump1.Account.Password)

	round := "(" + jump2.User() + "@jump2) "
	for _, word := range []string{"wrong-round", jump2.Account.Password} { // PAM judges after both rounds
		con.Expect(round+"Password: ", soon)
		answer(word)
		con.Expect(round+"One-time password", soon)
		answer(jump2.Code())
	}

	passphrase := "Enter passphrase for key '" + target.IdentityFile() + "' (for target): "
	con.Expect(passphrase, soon)
	answer("wrong-passphrase")
	con.Expect(passphrase, soon)
	answer(target.Passphrase)

	con.Expect("through", soon)
	if code := con.Wait(soon); code != 0 {
		t.Errorf("exit code %d\n%s", code, con.Transcript())
	}
	wantOneLogin(t, c, "jump1", "jump2", "target")
	if out := u.must("target", "echo again"); out != "again\n" { // without a terminal
		t.Errorf("the second command: %q", out)
	}
	wantNowhere(t, u, c, secrets, con.Output())
}

// wantNowhere fails when an answer was shown, written or can be seen by ps(1).
func wantNowhere(t testing.TB, u *user, c *sshtest.Chain, secrets []string, terminal string) {
	t.Helper()
	places := map[string]string{"the terminal": terminal, "the log": u.must("logs", "-vvv")}
	if !strings.Contains(places["the log"], "next authentication method") {
		t.Errorf("the log lacks debugging records:\n%s", places["the log"])
	}
	readAll(t, u.dir, places)
	readAll(t, c.Dir(), places)
	if len(u.processes("daemon")) != 1 {
		t.Errorf("daemons: %v", u.processes("daemon"))
	}
	for _, p := range u.processes("") {
		places["the arguments of "+p.String()] = p.Command
		env, err := os.ReadFile(filepath.Join("/proc", pidOf(p), "environ"))
		if err != nil || len(env) == 0 {
			t.Errorf("environment of %v: %q, %v", p, env, err)
		}
		places["the environment of "+p.String()] = string(env)
	}
	for where, text := range places {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%q is in %s", secret, where)
			}
		}
	}
}

// readAll adds every file below dir to the texts.
func readAll(t testing.TB, dir string, texts map[string]string) {
	t.Helper()
	count := len(texts)
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		texts[path] = string(text)
		return err
	})
	if err != nil || len(texts) == count {
		t.Errorf("read %s: %d files, %v", dir, len(texts)-count, err)
	}
}

// TestNobodyToAsk has no terminal: the hop that would have asked is named.
func TestNobodyToAsk(t *testing.T) {
	t.Parallel()
	c := asking(t)
	jump1 := c.Host("jump1")
	r := newUser(t, c).sally("target", "true")
	if r.code != 255 {
		t.Errorf("exit code %d", r.code)
	}
	wantError(t, r, "jump1 ("+jump1.Addr+"): authenticate: ", jump1.User(), "server accepts only password", "no terminal")
	if c.Host("jump2").Connections() != 0 {
		t.Error("jump2 was connected to")
	}
}

// TestWrongPasswords gives up after NumberOfPasswordPrompts, with the hop, the
// methods and the user in the message.
func TestWrongPasswords(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump"},
		sshtest.HostConfig{Name: "target", Auth: sshtest.Password, ClientConfig: []string{"NumberOfPasswordPrompts 2"}})
	con := newUser(t, c).tty("target", "true")
	for range 2 {
		con.Expect("@target's password: ", soon)
		con.Send("wrong\r")
	}
	con.Expect("sally: target ("+c.Host("target").Addr+") via jump: authenticate: permission denied", soon)
	con.Expect("tried password", soon)
	if code := con.Wait(soon); code != 255 || strings.Count(con.Output(), "'s password") != 2 {
		t.Errorf("exit code %d\n%s", code, con.Transcript())
	}
}

// TestPromptInAPipeline asks on the terminal, not on the streams.
func TestPromptInAPipeline(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "target", Auth: sshtest.Password})
	u := newUser(t, c)
	var out, errOut strings.Builder
	cmd := u.cmd("target", "cat")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("data\n"), &out, &errOut
	con := sshtest.Tty(t, cmd)
	con.Expect("@target's password: ", soon)
	con.Send(c.Host("target").Account.Password + "\r")
	if code := con.Wait(soon); code != 0 || out.String() != "data\n" || errOut.String() != "" {
		t.Errorf("exit code %d, stdout %q, stderr %q\n%s", code, out.String(), errOut.String(), con.Transcript())
	}
}

// TestOnePersonForAll has several commands that wait for one dial: one of
// them asks, and when he leaves, another.
func TestOnePersonForAll(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump", Auth: sshtest.Password}, sshtest.HostConfig{Name: "target"})
	u := newUser(t, c)
	first := u.tty("target", "echo first")
	first.Expect("@jump's password: ", soon)
	second := u.tty("target", "echo second")
	await(t, "two wait for one dial", func() bool {
		m := u.master("target")
		return m != nil && len(m.Held) == 2
	})
	first.Send("\x03")
	if code := first.Wait(soon); code == 0 {
		t.Errorf("the first: exit code %d\n%s", code, first.Transcript())
	}
	second.Expect("@jump's password: ", soon)
	second.Send(c.Host("jump").Account.Password + "\r")
	second.Expect("second", soon)
	if code := second.Wait(soon); code != 0 {
		t.Errorf("the second: exit code %d\n%s", code, second.Transcript())
	}
	wantOneLogin(t, c, "jump", "target")
}
