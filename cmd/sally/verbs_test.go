package main_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/internal/api"
	"sallyport/internal/sshtest"
)

// TestUpAndDown brings hosts up, tells what is up already, and takes them
// down, each with what runs through it.
func TestUpAndDown(t *testing.T) {
	t.Parallel()
	c := twoTargets(t)
	u := newUser(t, c)
	out := u.must("up", "target1", "target2")
	for _, name := range []string{"target1", "target2"} {
		if !regexp.MustCompile(name + `: up in \S+ \(jump1 → jump2 → ` + name + `\)\n`).MatchString(out) {
			t.Errorf("up: %q", out)
		}
	}
	wantOneLogin(t, c, "jump1", "jump2", "target1", "target2")
	if out := u.must("up", "target1"); out != "target1: already up (jump1 → jump2 → target1)\n" {
		t.Errorf("up again: %q", out)
	}
	if out := u.must("down", "target1"); out != "target1: closed\n" {
		t.Errorf("down: %q", out)
	}
	wantUp(t, u, "jump1", "jump2", "target2")
	if r := u.sally("down", "target1"); r.code != 1 || r.err != "sally: target1: not connected\n" {
		t.Errorf("down again: %+v", r)
	}
	session := u.start("target2", "echo running; cat")
	session.expect("running")
	u.must("down", "jump1") // and all that runs through it
	if code := session.wait(soon); code != 255 {
		t.Errorf("the session: exit code %d, stderr %q", code, session.err)
	}
	await(t, "everything is down", func() bool { return len(u.status().Masters) == 0 })
	u.must("up", "target1")
	if out := u.must("down", "--all"); out != "closed 3 connections\n" {
		t.Errorf("down --all: %q", out)
	}
	wantUp(t, u)
	if r := u.sally("down"); r.code != 2 || r.err != "sally: down needs at least one host, or --all\n" {
		t.Errorf("down without a host: %+v", r)
	}
}

// wantUp fails unless exactly these hops are up.
func wantUp(t testing.TB, u *user, want ...string) {
	t.Helper()
	var got []string
	for _, m := range u.status().Masters {
		got = append(got, m.Hop)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("up: %v, want %v", got, want)
	}
}

// TestUpFails reports each failure and brings up the rest.
func TestUpFails(t *testing.T) {
	t.Parallel()
	c := twoJumps(t)
	c.Host("target").Kill()
	u := newUser(t, c)
	r := u.sally("up", "jump2", "target")
	if r.code != 1 || !strings.HasPrefix(r.out, "jump2: up in ") || strings.Contains(r.out, "target") {
		t.Errorf("%+v", r)
	}
	wantError(t, r, "target ("+c.Host("target").Addr+") via jump2: open: connect failed \"Connection refused\"")
	wantUp(t, u, "jump1", "jump2")
}

// TestStatus holds the tree against what was done.
func TestStatus(t *testing.T) {
	t.Parallel()
	c := twoTargets(t)
	u := newUser(t, c)
	if out := u.must("status"); out != "nothing is connected; no daemon is running\n" {
		t.Errorf("without a daemon: %q", out)
	}
	if s := u.status(); s.PID != 0 || s.Masters == nil || len(s.Masters) != 0 {
		t.Errorf("without a daemon: %+v", s)
	}
	session := u.start("target1", "echo running; cat")
	session.expect("running")
	u.must("up", "target2")
	s := u.status()
	if s.PID != u.processes("daemon")[0].PID || s.Since.IsZero() || !strings.HasPrefix(s.Socket, u.dir) {
		t.Errorf("daemon: %+v", s)
	}
	parents := map[string]string{"jump1": "", "jump2": "jump1", "target1": "jump2", "target2": "jump2"}
	byKey := map[string]api.Master{}
	for _, m := range s.Masters {
		byKey[m.Key] = m
		h := c.Host(m.Hop)
		if parents[m.Hop] != byKey[m.Parent].Hop || m.Addr != h.Addr || m.User != h.User() || m.State != "up" {
			t.Errorf("%s: parent %q, %s@%s, %s", m.Hop, byKey[m.Parent].Hop, m.User, m.Addr, m.State)
		}
		if m.HostKey != h.Fingerprint() || m.Auth != "publickey" || !strings.Contains(m.Server, "OpenSSH") || m.Cipher == "" || m.Kex == "" {
			t.Errorf("%s: %+v", m.Hop, m)
		}
		if m.BytesIn == 0 || m.BytesOut == 0 || time.Since(m.Since) > time.Minute || m.Expires == nil {
			t.Errorf("%s: %+v", m.Hop, m)
		}
	}
	if len(byKey) != 4 {
		t.Errorf("%d connections: %+v", len(byKey), s.Masters)
	}
	wantHolders(t, u.master("jump2"), 0, "hop target1", "hop target2")
	wantHolders(t, u.master("target1"), 1, "session command")
	wantHolders(t, u.master("target2"), 0)
	if m := u.master("target2"); m.Idle == nil || *m.Expires > 3600 {
		t.Errorf("target2 is idle: %+v", m)
	}
	if m := u.master("target1"); m.Idle != nil || *m.Expires <= 3600 || m.Held[0].PID != session.cmd.Process.Pid {
		t.Errorf("target1 is in use: %+v", m)
	}
	tree := regexp.MustCompile(`^daemon \d+, for \S+
jump1 \(\S+\), up \S+, expires in \S+, in [\d.]+ kB, out [\d.]+ kB
└─ jump2 \(\S+\), up .*
   ├─ target1 \(\S+\), up \S+, 1 session, expires in .*
   └─ target2 \(\S+\), up \S+, idle \S+, expires in .*
$`)
	if out := u.must("status"); !tree.MatchString(out) {
		t.Errorf("status:\n%s", out)
	}
}

func wantHolders(t testing.TB, m *api.Master, sessions int, want ...string) {
	t.Helper()
	var got []string
	for _, h := range m.Held {
		got = append(got, string(h.Use)+" "+h.What)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) || m.Sessions != sessions {
		t.Errorf("%s is held by %q with %d sessions, want %q and %d", m.Hop, got, m.Sessions, want, sessions)
	}
}

// TestCheck makes a round trip and tells its time, which a slow way shows. It
// never dials.
func TestCheck(t *testing.T) {
	t.Parallel()
	var wire *sshtest.Proxy
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump", Through: func(addr string) string {
		wire = sshtest.NewProxy(t, addr)
		return wire.Addr
	}}, sshtest.HostConfig{Name: "target"})
	u := newUser(t, c)
	u.must("up", "jump")
	if r := u.sally("check", "target"); r.code != 1 || r.out != "" || !strings.HasPrefix(r.err, "sally: target: not connected\n") {
		t.Errorf("not connected: %+v", r)
	}
	if n := c.Host("target").Connections(); n != 0 {
		t.Errorf("check dialled: %d connections", n)
	}
	u.must("up", "target")
	wire.Delay(300 * time.Millisecond)
	out := u.must("check", "target")
	found := regexp.MustCompile(`^target: alive, round trip (\S+) \(jump → target\)\n$`).FindStringSubmatch(out)
	if found == nil {
		t.Fatalf("check: %q", out)
	}
	if took, err := time.ParseDuration(found[1]); err != nil || took < 300*time.Millisecond || took > soon {
		t.Errorf("round trip %q, want 300ms and a little", found[1])
	}
	wire.Delay(0)
	c.Host("target").Kill()
	await(t, "the loss is noticed", func() bool { return u.master("target") == nil })
	if r := u.sally("check", "target", "jump"); r.code != 1 || !strings.Contains(r.out, "jump: alive") || !strings.Contains(r.err, "target: not connected") {
		t.Errorf("after the target died: %+v", r)
	}
}

// TestLogs tells what was done with whom, in detail with -v, and goes on with
// -f.
func TestLogs(t *testing.T) {
	t.Parallel()
	c := twoJumps(t)
	u := newUser(t, c)
	if r := u.sally("logs"); r.code != 1 || r.err != "sally: no daemon is running\n" {
		t.Errorf("without a daemon: %+v", r)
	}
	u.must("up", "target")
	all := u.must("logs")
	for _, want := range []string{"daemon started", "jump1: master up", "jump2: master up", "target: master up"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in the log:\n%s", want, all)
		}
	}
	if strings.Contains(all, "DEBUG") {
		t.Errorf("details without -v:\n%s", all)
	}
	one := u.must("logs", "-v", "jump2")
	if !strings.Contains(one, "jump2: offering public key") || strings.Contains(one, "jump1: ") || strings.Contains(one, "daemon started") {
		t.Errorf("the log of jump2:\n%s", one)
	}
	if r := u.sally("target", "exit 3"); r.code != 3 {
		t.Errorf("%+v", r)
	}
	await(t, "the session's end is in the log", func() bool { return strings.Contains(u.must("logs", "-v"), `status="3"`) })
	if all := u.must("logs", "-v"); strings.Contains(all, "<nil>") {
		t.Errorf("an error that there was not, in the log:\n%s", all)
	}
	follower := u.start("logs", "-f", "target")
	follower.expect("target: master up")
	u.must("down", "target")
	follower.expect("target: master closed")
	u.must("quit") // ends the follower too
	if code := follower.wait(soon); code != 0 && code != 1 {
		t.Errorf("the follower: exit code %d, stderr %q", code, follower.err)
	}
}

// TestFlagsOfEveryVerb gives -F and -v to each, before and after the verb.
func TestFlagsOfEveryVerb(t *testing.T) {
	t.Parallel()
	c := oneJump(t)
	u := newUser(t, c)
	verbs := [][]string{{"up", "jump"}, {"status"}, {"status", "--json"}, {"check", "jump"}, {"logs"}, {"down", "jump"}, {"down", "--all"}, {"version"}, {"quit"}}
	for _, verb := range verbs {
		for _, args := range [][]string{
			append([]string{"-v", "-F", c.ConfigFile()}, verb...),
			append(slices.Clone(verb), "-v", "-F", c.ConfigFile()),
		} {
			if verb[0] == "down" {
				u.must("up", "jump")
			}
			cmd := u.cmd()
			cmd.Args = append(cmd.Args[:1], args...)
			if r := u.run(cmd); r.code != 0 || strings.Contains(r.err, "sally:") {
				t.Errorf("%q: %+v", args, r)
			}
			u.must("up", "jump")
		}
	}
	if r := u.sally("up", "nosuch.invalid"); r.code != 1 {
		t.Errorf("%+v", r)
	}
	cmd := u.cmd()
	cmd.Args = append(cmd.Args[:1], "-F", c.ConfigFile()+".missing", "up", "jump")
	if r := u.run(cmd); r.code != 1 || !strings.Contains(r.err, c.ConfigFile()+".missing") {
		t.Errorf("a missing file: %+v", r)
	}
}

// TestVerbose tells of each hop's steps on standard error, in ssh's manner.
func TestVerbose(t *testing.T) {
	t.Parallel()
	c := twoJumps(t)
	r := newUser(t, c).sally("-v", "target", "echo hi")
	if r.code != 0 || r.out != "hi\n" {
		t.Errorf("%+v", r)
	}
	for _, hop := range []string{"jump1", "jump2", "target"} {
		for _, step := range []string{"server host key", "offering public key", "connected"} {
			if !strings.Contains(r.err, "debug1: "+hop+": "+step) {
				t.Errorf("no %q of %s in:\n%s", step, hop, r.err)
			}
		}
	}
}

// TestIdleExpiry lets an idle connection go after its ControlPersist. What runs
// through a hop holds it: a stranger of the same ControlPersist goes first.
func TestIdleExpiry(t *testing.T) {
	t.Parallel()
	short := []string{"ControlPersist 1"}
	c := sshtest.NewChain(t,
		sshtest.HostConfig{Name: "jump", ClientConfig: short},
		sshtest.HostConfig{Name: "target", ClientConfig: []string{"ControlPersist 60"}},
		sshtest.HostConfig{Name: "stranger", Via: "none", ClientConfig: short})
	u := newUser(t, c)
	u.must("up", "target")
	u.must("up", "stranger")
	await(t, "the stranger expires", func() bool { return u.master("stranger") == nil })
	wantUp(t, u, "jump", "target")
	u.must("down", "target")
	await(t, "the jump expires", func() bool { return u.master("jump") == nil })
	await(t, "its connection is closed", func() bool { return c.Host("jump").Open() == 0 })
	if out := u.must("logs"); strings.Count(out, "expired") != 2 {
		t.Errorf("the log:\n%s", out)
	}
	u.must("stranger", "true") // comes back on demand
}

// TestPersistDuringSession keeps a connection while it is used, however short
// its ControlPersist.
func TestPersistDuringSession(t *testing.T) {
	t.Parallel()
	short := []string{"ControlPersist 1"}
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "used", ClientConfig: short}, sshtest.HostConfig{Name: "idle", Via: "none", ClientConfig: short})
	u := newUser(t, c)
	session := u.start("used", "echo running; cat")
	session.expect("running")
	u.must("up", "idle")
	await(t, "the idle one expires", func() bool { return u.master("idle") == nil })
	fmt.Fprintln(session.in, "still here")
	session.expect("still here")
	session.in.Close()
	if code := session.wait(soon); code != 0 {
		t.Errorf("exit code %d, stderr %q", code, session.err)
	}
	await(t, "the used one expires", func() bool { return u.master("used") == nil })
}

// TestMaximumAge drains a connection at its ControlMaxAge: its sessions go on,
// new ones get a new connection.
func TestMaximumAge(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "target", ClientConfig: []string{"ControlMaxAge 1", "ControlPersist 60"}})
	u := newUser(t, c)
	session := u.start("target", "echo running; cat")
	session.expect("running")
	await(t, "it is draining", func() bool { m := u.master("target"); return m != nil && m.State == "draining" })
	u.must("target", "true")
	if n := c.Host("target").AcceptedLogins(); n != 2 {
		t.Errorf("%d logins, want a second for the new session", n)
	}
	fmt.Fprintln(session.in, "still here")
	session.expect("still here")
	session.in.Close()
	if code := session.wait(soon); code != 0 {
		t.Errorf("exit code %d, stderr %q", code, session.err)
	}
	await(t, "both are gone", func() bool { return len(u.status().Masters) == 0 && c.Host("target").Open() == 0 })
}

// TestQuit ends sessions and says so.
func TestQuit(t *testing.T) {
	t.Parallel()
	u := newUser(t, oneJump(t))
	session := u.start("jump", "echo running; cat")
	session.expect("running")
	u.must("quit")
	if code := session.wait(soon); code != 255 || session.err.String() != "sally: the daemon ended, and this session with it\n" {
		t.Errorf("exit code %d, stderr %q", code, session.err)
	}
	u.must("quit") // none runs
}
