package main_test

import (
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sallyport/internal/sshtest"
)

// TestStatusShowsForwards: what listens is seen, and -N is no session.
func TestStatusShowsForwards(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump"}, sshtest.HostConfig{Name: "target"})
	u := newUser(t, c)
	socket := filepath.Join(u.dir, "db") // a port might be taken
	hold := u.start("-N", "-L", socket+":db:5432", "-R", "0:localhost:22", "jump")
	await(t, "it forwards", func() bool { m := u.master("jump"); return m != nil && len(m.Forwards) == 2 })
	m := u.master("jump")
	if f := m.Forwards[0]; f.Kind != "local" || f.Listen != socket || f.Target != "db:5432" || f.Pinned ||
		f.PID != hold.cmd.Process.Pid || f.Command != "sally" || f.Host != "jump" {
		t.Errorf("forwards: %+v", m.Forwards)
	}
	if r := m.Forwards[1]; r.Kind != "remote" || r.Listen == "0" || r.Target != "localhost:22" {
		t.Errorf("forwards: %+v", m.Forwards)
	}
	wantHolders(t, m, 0, "hold hold")
	u.must("up", "target")
	tree := regexp.MustCompile(`(?m)^jump \(\S+\), up \S+, expires .*
│  forward local ` + socket + ` to db:5432
│  forward remote \d+ to localhost:22
└─ target `)
	if out := u.must("status"); !tree.MatchString(out) {
		t.Errorf("status:\n%s", out)
	}
	hold.cmd.Process.Kill()
	await(t, "the forwards end", func() bool { return len(u.master("jump").Forwards) == 0 })
}

// TestStatusOfReplaced: connections that are being replaced stand beside those
// that replace them, each with what runs over it.
func TestStatusOfReplaced(t *testing.T) {
	t.Parallel()
	u := newUser(t, sshtest.NewChain(t, sshtest.HostConfig{Name: "jump"}, sshtest.HostConfig{Name: "target"}))
	command, pinned := filepath.Join(u.dir, "command"), filepath.Join(u.dir, "pinned")
	u.pin("target", "-L", pinned+":db:1", "--now")
	u.start("-L", command+":db:2", "target", "cat")
	await(t, "it runs", func() bool { m := u.master("target"); return m.Sessions == 1 && len(m.Forwards) == 2 })
	u.must("-O", "stop", "jump") // first: the pinned forward moves as soon as its target is stopped
	u.must("-O", "stop", "target")
	u.must("target", "true")
	tree := regexp.MustCompile(`(?m)^jump \(\S+\), draining \S+, .*
└─ target \(\S+\), draining \S+, 1 session, .*
      forward local ` + command + ` to db:2
jump \(\S+\), up \S+, .*
└─ target \(\S+\), up \S+, .*
      forward local ` + pinned + ` to db:1, pinned\n\z`)
	await(t, "the pinned forward has moved", func() bool { m := u.status().Masters; return len(m) == 4 && len(m[3].Held) == 1 })
	if out := u.must("status"); !tree.MatchString(out) {
		t.Errorf("status:\n%s", out)
	}
}

// TestForwardThatCannotListen says why, once.
func TestForwardThatCannotListen(t *testing.T) {
	t.Parallel()
	u := newUser(t, sshtest.NewChain(t, sshtest.HostConfig{Name: "target"}))
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	want := "forward 127.0.0.1:" + port + " to x:1: address already in use\n"
	if r := u.sally("-L", port+":x:1", "target", "true"); r.code != 0 || r.err != "sally: warning: "+want {
		t.Errorf("%+v", r)
	}
	for _, flags := range [][]string{nil, {"--no-daemon"}} {
		r := u.sally(append(flags, "-o", "ExitOnForwardFailure=yes", "-L", port+":x:1", "target", "true")...)
		if r.code != 255 || r.err != "sally: "+want {
			t.Errorf("%+v", r)
		}
	}
}

// TestErrorBelowForward: all lines of an error stand below what it is about.
func TestErrorBelowForward(t *testing.T) {
	t.Parallel()
	u := newConfigured(t, "")
	host, port, _ := net.SplitHostPort(sshtest.RefusedPort(t))
	writeFile(t, u.config, "IgnoreUnknown AlternateAddress\nHost a\n  HostName "+host+"\n  Port "+port+"\n  AlternateAddress "+sshtest.RefusedPort(t)+"\n")
	socket := filepath.Join(u.dir, "db")
	u.pin("a", "-L", socket+":db:1")
	if conn, err := net.Dial("unix", socket); err == nil {
		conn.Read(make([]byte, 1)) // the forward closes it
		conn.Close()
	}
	const ways = `none of 2 ways leads there\n {8}127\S+ \(\S+\): connect: .*\n {8}127\S+ \(\S+\): connect: .*\n\z`
	for verb, first := range map[string]string{"forward ls": `(?m)^ID .*\n1 .*\n {4}last error, \S+ ago: `, "status": `(?m)^forward local .*\n {4}`} {
		if out := u.must(strings.Fields(verb)...); !regexp.MustCompile(first + ".*" + ways).MatchString(out) {
			t.Errorf("%s:\n%s", verb, out)
		}
	}
}

// TestVerboseTellsOfReuse: -v on a connection that is up.
func TestVerboseTellsOfReuse(t *testing.T) {
	t.Parallel()
	u := newUser(t, sshtest.NewChain(t, sshtest.HostConfig{Name: "target"}))
	const words = "debug1: target: using the connection that is up since "
	if r := u.sally("-v", "target", "true"); r.code != 0 || strings.Contains(r.err, words) {
		t.Errorf("first: %+v", r)
	}
	if r := u.sally("-v", "target", "true"); r.code != 0 || strings.Count(r.err, words) != 1 {
		t.Errorf("again: %+v", r)
	}
	if r := u.sally("up", "-v", "target"); r.code != 0 || strings.Count(r.err, words) != 1 {
		t.Errorf("up: %+v", r)
	}
	u.must("target", "true") // and not unasked
}
