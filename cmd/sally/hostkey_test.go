package main_test

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"sallyport/internal/sshtest"
)

// TestWrongHostKeyOnTheSecondHop stops the chain there: nothing is sent to
// that hop's authentication, nothing reaches the target.
func TestWrongHostKeyOnTheSecondHop(t *testing.T) {
	t.Parallel()
	c := twoJumps(t)
	old, line := c.ForgeKnownHost("jump2")
	before := readFile(t, c.KnownHostsFile())
	u := newUser(t, c)
	for _, policy := range []string{"yes", "accept-new", "ask"} {
		rewrite(t, c.ConfigFile(), "StrictHostKeyChecking", policy)
		r := u.sally("target", "true")
		if r.code != 255 {
			t.Errorf("%s: exit code %d", policy, r.code)
		}
		jump2 := c.Host("jump2")
		wantError(t, r, "jump2 ("+jump2.Addr+") via jump1: host key: the key has changed",
			jump2.Fingerprint(), fmt.Sprintf("%s:%d", c.KnownHostsFile(), line), old)
		if n := jump2.AcceptedLogins(); n != 0 {
			t.Errorf("%s: %d logins on the wrong host", policy, n)
		}
	}
	if n := c.Host("target").Connections(); n != 0 {
		t.Errorf("%d connections reached the target", n)
	}
	if readFile(t, c.KnownHostsFile()) != before {
		t.Error("known_hosts was changed")
	}
	if c.Host("jump2").Connections() == 0 {
		t.Error("jump2 was never asked for its key")
	}
}

// TestWrongHostKeyIsTolerated goes on with StrictHostKeyChecking no, as ssh(1)
// does, says so with both keys, and changes no file.
func TestWrongHostKeyIsTolerated(t *testing.T) {
	t.Parallel()
	c := twoJumps(t)
	old, line := c.ForgeKnownHost("target")
	before := readFile(t, c.KnownHostsFile())
	rewrite(t, c.ConfigFile(), "StrictHostKeyChecking", "no")
	r := newUser(t, c).sally("target", "echo on")
	if r.code != 0 || r.out != "on\n" {
		t.Errorf("exit code %d, stdout %q", r.code, r.out)
	}
	for _, want := range []string{"target: ", "the key has changed", c.Host("target").Fingerprint(), old, fmt.Sprintf("%s:%d", c.KnownHostsFile(), line)} {
		if !strings.Contains(r.err, want) {
			t.Errorf("no %q in the warning:\n%s", want, r.err)
		}
	}
	if readFile(t, c.KnownHostsFile()) != before {
		t.Error("known_hosts was changed")
	}
}

// rewrite gives every line of a configuration with the keyword a new value.
func rewrite(t testing.TB, file, keyword, value string) {
	t.Helper()
	lines := strings.Split(readFile(t, file), "\n")
	found := false
	for i, line := range lines {
		if name, _, ok := strings.Cut(strings.TrimSpace(line), " "); ok && name == keyword {
			lines[i], found = keyword+" "+value, true
		}
	}
	if !found {
		t.Fatalf("no %s in %s", keyword, file)
	}
	writeFile(t, file, strings.Join(lines, "\n"))
}

func readFile(t testing.TB, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func writeFile(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// strangers is a chain of which known_hosts holds nothing.
func strangers(t testing.TB, policy string) *sshtest.Chain {
	t.Helper()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump"}, sshtest.HostConfig{Name: "target"})
	rewrite(t, c.ConfigFile(), "StrictHostKeyChecking", policy)
	writeFile(t, c.KnownHostsFile(), "")
	return c
}

// wantKnown fails unless known_hosts holds exactly the keys of the hosts.
func wantKnown(t testing.TB, c *sshtest.Chain, hosts ...string) {
	t.Helper()
	got := readFile(t, c.KnownHostsFile())
	if n := strings.Count(got, "\n"); n != len(hosts) {
		t.Errorf("known_hosts has %d lines, want %d:\n%s", n, len(hosts), got)
	}
	for _, name := range hosts {
		h := c.Host(name)
		ip, port, _ := net.SplitHostPort(h.Addr)
		key := h.HostKey()
		if line := fmt.Sprintf("[%s]:%s %s ", ip, port, key.Type()); !strings.Contains(got, line) {
			t.Errorf("known_hosts lacks %q:\n%s", line, got)
		}
	}
}

// TestAcceptNew records the keys of hosts that are met for the first time, and
// then refuses others.
func TestAcceptNew(t *testing.T) {
	t.Parallel()
	c := strangers(t, "accept-new")
	u := newUser(t, c)
	r := u.sally("target", "echo met")
	if r.code != 0 || r.out != "met\n" || strings.Count(r.err, "Permanently added") != 2 {
		t.Errorf("exit code %d, stdout %q, stderr %q", r.code, r.out, r.err)
	}
	wantKnown(t, c, "jump", "target")
	u.must("down", "--all")
	u.must("target", "true") // known now
	u.must("down", "--all")
	old, line := c.ForgeKnownHost("target")
	r = u.sally("target", "true")
	wantError(t, r, "target ("+c.Host("target").Addr+") via jump: host key: ", c.Host("target").Fingerprint(), fmt.Sprintf(":%d", line), old)
}

// TestNo accepts unknown keys and records them too.
func TestNo(t *testing.T) {
	t.Parallel()
	c := strangers(t, "no")
	if r := newUser(t, c).sally("target", "echo met"); r.code != 0 || r.out != "met\n" {
		t.Errorf("exit code %d, stdout %q, stderr %q", r.code, r.out, r.err)
	}
	wantKnown(t, c, "jump", "target")
}

// TestStrict refuses what is not known, with the fingerprint to compare.
func TestStrict(t *testing.T) {
	t.Parallel()
	c := strangers(t, "yes")
	r := newUser(t, c).sally("target", "true")
	if r.code != 255 || c.Host("jump").AcceptedLogins() != 0 {
		t.Errorf("exit code %d, %d logins", r.code, c.Host("jump").AcceptedLogins())
	}
	wantError(t, r, "jump ("+c.Host("jump").Addr+"): host key: ", c.Host("jump").Fingerprint(), "StrictHostKeyChecking is yes")
	wantKnown(t, c)
}

// TestAskWithoutTerminal refuses: nobody can confirm.
func TestAskWithoutTerminal(t *testing.T) {
	t.Parallel()
	c := strangers(t, "ask")
	r := newUser(t, c).sally("target", "true")
	if r.code != 255 || c.Host("jump").AcceptedLogins() != 0 {
		t.Errorf("exit code %d, %d logins", r.code, c.Host("jump").AcceptedLogins())
	}
	wantError(t, r, "jump ("+c.Host("jump").Addr+"): host key: ", c.Host("jump").Fingerprint(), "no terminal")
	wantKnown(t, c)
}

// TestAsk answers for each hop: yes, the fingerprint, a wrong fingerprint, no.
func TestAsk(t *testing.T) {
	t.Parallel()
	c := strangers(t, "ask")
	u := newUser(t, c)
	jump, target := c.Host("jump"), c.Host("target")

	con := u.tty("target", "true")
	con.Expect("The authenticity of host jump ("+jump.Addr+") can't be established.", soon)
	con.Expect(jump.Fingerprint(), soon)
	con.Expect("connecting to jump (yes/no/[fingerprint])? ", soon)
	con.Send("no\r")
	con.Expect("sally: jump ("+jump.Addr+"): host key: ", soon)
	con.Expect("its key was not accepted", soon)
	if code := con.Wait(soon); code != 255 || jump.AcceptedLogins() != 0 {
		t.Errorf("after no: exit code %d, %d logins\n%s", code, jump.AcceptedLogins(), con.Transcript())
	}
	wantKnown(t, c)

	con = u.tty("target", "echo met")
	con.Expect("connecting to jump (yes/no/[fingerprint])? ", soon) // the refusal was no consent
	con.Send("perhaps\r")
	con.Expect("Please type 'yes', 'no' or the fingerprint: ", soon)
	con.Send("yes\r")
	con.Expect("The authenticity of host target ("+target.Addr+") can't be established.", soon)
	con.Expect("connecting to target (yes/no/[fingerprint])? ", soon)
	con.Send(jump.Fingerprint() + "\r") // of another host
	con.Expect("Please type 'yes', 'no' or the fingerprint: ", soon)
	con.Send(target.Fingerprint() + "\r")
	con.Expect("met", soon)
	if code := con.Wait(soon); code != 0 {
		t.Errorf("exit code %d\n%s", code, con.Transcript())
	}
	wantKnown(t, c, "jump", "target")
	wantOneLogin(t, c, "target")
}

// TestHostKeyAlias files and finds a key under the alias, behind a jump.
func TestHostKeyAlias(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump"},
		sshtest.HostConfig{Name: "target", ClientConfig: []string{"HostKeyAlias the-target", "StrictHostKeyChecking accept-new"}})
	u := newUser(t, c)
	if r := u.sally("target", "true"); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	if known := readFile(t, c.KnownHostsFile()); !strings.Contains(known, "\nthe-target ssh-ed25519 ") {
		t.Errorf("known_hosts:\n%s", known)
	}
	u.must("down", "target")
	u.must("target", "true")
}

// TestKeysAreHashed finds hashed names in the second of several files.
func TestKeysAreHashed(t *testing.T) {
	t.Parallel()
	c := strangers(t, "accept-new")
	more := c.KnownHostsFile() + ".first"
	rewrite(t, c.ConfigFile(), "UserKnownHostsFile", more+" "+c.KnownHostsFile())
	writeFile(t, c.ConfigFile(), "HashKnownHosts yes\n"+readFile(t, c.ConfigFile()))
	u := newUser(t, c)
	if r := u.sally("target", "true"); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	hashed := readFile(t, more)
	if strings.Count(hashed, "|1|") != 2 || strings.Contains(hashed, "127.0.0.1") {
		t.Errorf("the first file:\n%s", hashed)
	}
	if err := os.Rename(more, c.KnownHostsFile()); err != nil {
		t.Fatal(err)
	}
	rewrite(t, c.ConfigFile(), "StrictHostKeyChecking", "yes")
	u.must("down", "--all")
	u.must("target", "true")
}
