package main_test

import (
	"strings"
	"testing"

	"sallyport/internal/sshtest"
)

const (
	sameQuestion = "(yes/no/[fingerprint])? "
	asksTheSame  = "waiting for another command, which asks the same about the host key"
)

// stranger is a name for a host of the chain that nobody knows yet.
func stranger(c *sshtest.Chain, host, name string, lines ...string) string {
	h := c.Host(host)
	return hostBlock(name, h.Addr, append([]string{
		"UserKnownHostsFile " + c.KnownHostsFile(), "GlobalKnownHostsFile /dev/null", "StrictHostKeyChecking ask",
		"IdentitiesOnly yes", "IdentityFile " + h.IdentityFile(), "User " + h.User(),
	}, lines...)...)
}

// twoNames has two ways to one target, of which nobody knows anything yet. They
// share no connection: the second one offers fewer ways to log in.
func twoNames(t *testing.T) (*sshtest.Chain, *user) {
	c := strangers(t, "ask")
	writeFile(t, c.ConfigFile(), stranger(c, "jump", "jump1")+stranger(c, "target", "target1", "ProxyJump jump1")+
		stranger(c, "jump", "jump2", "PasswordAuthentication no")+stranger(c, "target", "target2", "ProxyJump jump2"))
	return c, newUser(t, c)
}

// TestOneQuestionForTwoNames has two commands that meet one jump host, and
// behind it one target, at the same time by different names. One of them asks;
// a refusal refuses both, and is asked anew the next time.
func TestOneQuestionForTwoNames(t *testing.T) {
	t.Parallel()
	c, u := twoNames(t)
	first := u.tty("target1", "echo first")
	first.Expect("connecting to jump1 "+sameQuestion, soon)
	second := u.tty("target2", "echo second")
	second.Expect("jump2: "+asksTheSame, soon)
	first.Send("no\r")
	for _, con := range []*sshtest.Console{first, second} {
		con.Expect("its key was not accepted", soon)
		if code := con.Wait(soon); code != 255 {
			t.Errorf("after no: exit code %d\n%s", code, con.Transcript())
		}
	}
	if strings.Contains(second.Output(), sameQuestion) || !strings.Contains(second.Output(), "where another command asked the same") {
		t.Errorf("the second after no:\n%s", second.Transcript())
	}
	wantKnown(t, c)

	first = u.tty("target1", "echo first")
	first.Expect("connecting to jump1 "+sameQuestion, soon) // the refusal was no consent, and no refusal for ever
	second = u.tty("target2", "echo second")
	second.Expect("jump2: "+asksTheSame, soon)
	first.Send("yes\r")
	toTarget := func(con *sshtest.Console) bool { return strings.Contains(con.Output(), "connecting to target") }
	asks := first
	if !poll(soon, func() bool { return toTarget(first) || toTarget(second) }) {
		t.Fatalf("nobody is asked about the target:\n%s\n%s", first.Transcript(), second.Transcript())
	} else if toTarget(second) {
		asks = second
	}
	asks.Send("yes\r")
	first.Expect("first", soon)
	second.Expect("second", soon)
	for _, con := range []*sshtest.Console{first, second} {
		if code := con.Wait(soon); code != 0 {
			t.Errorf("after yes: exit code %d\n%s", code, con.Transcript())
		}
	}
	if toTarget(first) && toTarget(second) {
		t.Errorf("both were asked about the target:\n%s\n%s", first.Transcript(), second.Transcript())
	}
	wantKnown(t, c, "jump", "target")
}

// TestOneQuestionWhenTheFirstLeaves has the second of two commands asked when
// the first one goes without an answer.
func TestOneQuestionWhenTheFirstLeaves(t *testing.T) {
	t.Parallel()
	c, u := twoNames(t)
	first := u.tty("jump1", "true")
	first.Expect("connecting to jump1 "+sameQuestion, soon)
	second := u.tty("jump2", "echo second")
	second.Expect("jump2: "+asksTheSame, soon)
	first.Send("\x03")
	if code := first.Wait(soon); code == 0 {
		t.Errorf("the first: exit code %d\n%s", code, first.Transcript())
	}
	second.Expect("connecting to jump2 "+sameQuestion, soon)
	second.Send(c.Host("jump").Fingerprint() + "\r")
	second.Expect("second", soon)
	if code := second.Wait(soon); code != 0 {
		t.Errorf("the second: exit code %d\n%s", code, second.Transcript())
	}
	wantKnown(t, c, "jump")
}

// TestOneQuestionForTwoTargets has two commands with one jump host that nobody
// knows yet: there is one connection to it, and one question.
func TestOneQuestionForTwoTargets(t *testing.T) {
	t.Parallel()
	c, _ := twoNames(t)
	writeFile(t, c.ConfigFile(), readFile(t, c.ConfigFile())+stranger(c, "target", "other", "ProxyJump jump1", "PasswordAuthentication no"))
	rewrite(t, c.ConfigFile(), "ProxyJump", "jump1")
	u := newUser(t, c)
	first := u.tty("target1", "true")
	first.Expect("connecting to jump1 "+sameQuestion, soon)
	second := u.tty("other", "true")
	await(t, "two wait for one dial", func() bool {
		m := u.master("jump1")
		return m != nil && len(m.Held) == 2
	})
	first.Send("no\r")
	for _, con := range []*sshtest.Console{first, second} {
		con.Expect("its key was not accepted", soon)
		if code := con.Wait(soon); code != 255 {
			t.Errorf("exit code %d\n%s", code, con.Transcript())
		}
	}
	if strings.Contains(second.Output(), sameQuestion) {
		t.Errorf("the second was asked too:\n%s", second.Transcript())
	}
	wantKnown(t, c)
}
