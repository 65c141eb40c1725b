package main_test

import (
	"fmt"
	"sync"
	"testing"

	"sallyport/internal/sshtest"
)

// twoTargets is two targets behind the same two jumps.
func twoTargets(t testing.TB) *sshtest.Chain {
	t.Helper()
	return sshtest.NewChain(t,
		sshtest.HostConfig{Name: "jump1"}, sshtest.HostConfig{Name: "jump2"},
		sshtest.HostConfig{Name: "target1"}, sshtest.HostConfig{Name: "target2", Via: "jump2"})
}

// TestSessionsShareTheJumps has ten sessions open at one moment, then ten in a
// row.
func TestSessionsShareTheJumps(t *testing.T) {
	t.Parallel()
	c := twoTargets(t)
	u := newUser(t, c)
	var open []*live
	for i := range 10 {
		open = append(open, u.start(fmt.Sprintf("target%d", i%2+1), fmt.Sprintf("echo open %d; cat", i)))
	}
	for i, l := range open {
		l.expect(fmt.Sprintf("open %d\n", i))
	}
	for i, l := range open {
		fmt.Fprintf(l.in, "closed %d\n", i)
		l.in.Close()
		if code := l.wait(soon); code != 0 || l.out.String() != fmt.Sprintf("open %d\nclosed %d\n", i, i) {
			t.Errorf("session %d: exit code %d, stdout %q, stderr %q", i, code, l.out, l.err)
		}
	}
	for i := range 10 {
		if out := u.must(fmt.Sprintf("target%d", i%2+1), fmt.Sprint("echo in a row ", i)); out != fmt.Sprintf("in a row %d\n", i) {
			t.Errorf("in a row %d: %q", i, out)
		}
	}
	wantOneLogin(t, c, "jump1", "jump2", "target1", "target2")
}

// TestColdStart starts 30 commands at once when nothing runs. That is three
// times what sshd allows as sessions on one connection (MaxSessions 10).
func TestColdStart(t *testing.T) {
	t.Parallel()
	c := twoJumps(t)
	u := newUser(t, c)
	var commands sync.WaitGroup
	results := make([]result, 30)
	for i := range results {
		commands.Go(func() { results[i] = u.sally("target", fmt.Sprint("echo number ", i)) })
	}
	commands.Wait()
	for i, r := range results {
		if r.code != 0 || r.out != fmt.Sprintf("number %d\n", i) {
			t.Errorf("command %d: exit code %d, stdout %q, stderr %q", i, r.code, r.out, r.err)
		}
	}
	wantOneLogin(t, c, "jump1", "jump2", "target")
	if daemons := u.processes("daemon"); len(daemons) != 1 {
		t.Errorf("daemons: %v", daemons)
	}
}

// TestSessionLimit fills the sessions that the target allows: one more runs
// beside them, on a second connection through the same jump.
func TestSessionLimit(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump"}, sshtest.HostConfig{Name: "target", ExtraConfig: []string{"MaxSessions 2"}})
	u := newUser(t, c)
	first, second := u.start("target", "echo open; cat"), u.start("target", "echo open; cat")
	first.expect("open")
	second.expect("open")
	if r := u.sally("target", "echo beside"); r.code != 0 || r.out != "beside\n" {
		t.Errorf("%+v", r)
	}
	for _, l := range []*live{first, second} {
		l.in.Close()
		if code := l.wait(soon); code != 0 {
			t.Errorf("exit code %d, stderr %q", code, l.err)
		}
	}
	wantOneLogin(t, c, "jump")
	if n := c.Host("target").AcceptedLogins(); n != 2 {
		t.Errorf("%d logins on the target", n)
	}
}

// TestSessionLimitAsks is a target whose second connection would ask for the
// password again: the session waits, says so, and runs when another has ended.
func TestSessionLimitAsks(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "target", Auth: sshtest.Password, ExtraConfig: []string{"MaxSessions 2"}})
	u := newUser(t, c)
	con := u.tty("up", "target")
	con.Expect("password: ", soon)
	con.Send(c.Host("target").Account.Password + "\r")
	con.Expect("target: up in", soon)
	con.Wait(soon)
	first, second := u.start("target", "echo open; cat"), u.start("target", "echo open; cat")
	first.expect("open")
	second.expect("open")
	third := u.start("target", "echo open")
	if !third.err.await("allows 2 sessions on a connection: waiting for one to end", soon) {
		t.Fatalf("stderr %q", third.err)
	}
	if third.out.String() != "" {
		t.Errorf("it ran beside two others: %q", third.out)
	}
	first.in.Close()
	third.expect("open")
	if code := third.wait(soon); code != 0 {
		t.Errorf("exit code %d, stderr %q", code, third.err)
	}
	second.in.Close()
	if code := second.wait(soon); code != 0 {
		t.Errorf("the second: exit code %d, stderr %q", code, second.err)
	}
	if n := c.Host("target").AcceptedLogins(); n != 1 {
		t.Errorf("%d logins", n)
	}
}

// TestNoSessions is a server that allows forwards only: its refusal is told,
// and not waited out.
func TestNoSessions(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "target", ExtraConfig: []string{"MaxSessions 0"}})
	r := newUser(t, c).sally("target", "true")
	if r.code != 255 {
		t.Errorf("exit code %d", r.code)
	}
	wantError(t, r, "target ("+c.Host("target").Addr+"): open session: ", `"open failed"`)
}
