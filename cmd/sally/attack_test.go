package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/sshtest"
)

// TestSurroundingsStayPrivate: the environment travels with each request and
// the command to the server; neither is shown or written by the daemon.
func TestSurroundingsStayPrivate(t *testing.T) {
	t.Parallel()
	c := oneJump(t)
	u := newUser(t, c)
	first := u.cmd("up", "jump") // it starts the daemon
	first.Env = append(first.Env, "TOKEN=unguessable-token")
	if r := u.run(first); r.code != 0 {
		t.Fatal(r)
	}
	session := u.start("jump", "echo running; : unguessable-command; cat")
	session.expect("running")
	places := map[string]string{
		"the log": u.must("logs", "-vvv"), "the status": u.must("status", "--json"), "the tree": u.must("status"),
	}
	readAll(t, u.dir, places)
	daemons := u.processes("daemon")
	if len(daemons) != 1 {
		t.Fatalf("daemons: %v", daemons)
	}
	for _, file := range []string{"cmdline", "environ"} {
		text, err := os.ReadFile(filepath.Join("/proc", pidOf(daemons[0]), file))
		if err != nil || len(text) == 0 {
			t.Fatalf("%s: %q, %v", file, text, err)
		}
		places["the daemon's "+file] = string(text)
	}
	for place, text := range places {
		if strings.Contains(text, "unguessable") {
			t.Errorf("%s tells:\n%s", place, text)
		}
	}
}

// TestEvilBanner steers no terminal, by whatever way it gets there.
func TestEvilBanner(t *testing.T) {
	t.Parallel()
	banner := filepath.Join(t.TempDir(), "banner")
	if err := os.WriteFile(banner, []byte("\x1b]0;owned\x07\x1b[31mwelcome\x9b2J\u202e to the jump\r\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	u := newUser(t, sshtest.NewChain(t, sshtest.HostConfig{Name: "jump", ExtraConfig: []string{"Banner " + banner}}))
	for _, args := range [][]string{{"jump", "true"}, {"ssh", "jump", "true"}, {"--no-daemon", "jump", "true"}, {"up", "jump"}} {
		u.must("down", "--all")
		con := u.tty(args...)
		con.Wait(soon)
		out := con.Output()
		if !strings.Contains(out, "welcome") || strings.ContainsAny(out, "\x1b\x07\u202e") {
			t.Errorf("%q: %q", args, out)
		}
	}
}

// TestShellInAName is what a repository's URL may hold: names that a
// ProxyCommand would have a shell run (CVE-2023-51385), or take for a flag.
func TestShellInAName(t *testing.T) {
	t.Parallel()
	u := newUserWith(t, "none")
	ran := filepath.Join(t.TempDir(), "ran")
	proxy := "ProxyCommand=echo %h %r %n >" + ran
	for _, name := range []string{"a;b", "a`id`", "$(id)", "a'b", "a|b", "a\nb", "-oProxyCommand=x", "a&b", "a b>c"} {
		for _, args := range [][]string{
			{"--no-daemon", "-o", proxy, "--", name, "true"}, {"ssh", "-o", proxy, "--", name, "true"},
			{"ssh", "-o", proxy, "-l", name, "h", "true"}, {"ssh", "-J", name, "h", "true"}, {"up", "--", name},
		} {
			if r := u.sally(args...); r.code == 0 || !strings.Contains(r.err, "nvalid") && !strings.Contains(r.err, "no address") {
				t.Errorf("%q: %+v", args, r)
			}
			if text, err := os.ReadFile(ran); err == nil {
				t.Errorf("%q ran %q", args, text)
			}
		}
	}
}
